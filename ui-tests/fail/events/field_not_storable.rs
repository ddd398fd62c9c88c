use kairo::prelude::*;

pub struct Money(u64);

#[events(prefix = "order")]
enum OrderEvent {
    Placed { total: Money },
}

fn main() {}
