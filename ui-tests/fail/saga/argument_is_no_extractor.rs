use kairo::prelude::*;

struct Mailer;

#[data]
struct Order;

#[data]
struct Paid;

struct Checkout;

#[saga("checkout")]
impl Checkout {
    #[step(pure)]
    async fn charge(&self, _order: &Order, _mailer: Mailer) -> Paid {
        Paid
    }
}

fn main() {}
