use kairo::prelude::*;

struct Processing;

#[pipeline("processing")]
impl Processing {
    #[map]
    async fn same(&self, number: u64, _tx: &mut kairo::Tx) -> u64 {
        number
    }
}

fn main() {}
