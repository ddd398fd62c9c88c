use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order) -> Paid {
        let cell = std::rc::Rc::new(1);
        std::future::ready(()).await;
        drop(cell);
        Paid
    }
}

fn main() {}
