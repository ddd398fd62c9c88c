use kairo::prelude::*;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Event)]
#[kairo(event = "pipeline.started")]
struct Started {
    id: u64,
}

fn main() {}
