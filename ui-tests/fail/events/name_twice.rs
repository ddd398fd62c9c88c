use kairo::prelude::*;

#[events(prefix = "order")]
enum OrderEvent {
    Placed(u64),
    #[event("order.placed")]
    Again(u64),
}

fn main() {}
