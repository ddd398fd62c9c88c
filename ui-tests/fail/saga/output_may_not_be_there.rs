use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure, when = is_paid)]
    async fn charge(&self, _order: &Order) -> Paid {
        Paid
    }

    fn is_paid(&self, _order: &Order) -> bool {
        true
    }

    #[step]
    async fn ship(&self, _paid: &Paid) {}
}

fn main() {}
