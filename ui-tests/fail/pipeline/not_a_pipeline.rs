use kairo::prelude::*;

struct Processing;

fn run(kairo: &Kairo) {
    let _ = kairo.pipeline(Processing);
}

fn main() {}
