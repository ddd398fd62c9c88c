use kairo::prelude::*;

struct Processing;

impl Processing {
    #[map]
    fn same(&self, number: u64) -> u64 {
        number
    }
}

fn main() {}
