use kairo::prelude::*;

#[pipeline("processing")]
struct Processing;

fn main() {}
