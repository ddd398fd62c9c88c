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
        Paid
    }

    #[step(pure)]
    async fn charge_again(&self) -> Paid {
        Paid
    }

    #[step]
    async fn ship(&self, #[from(chrage)] _paid: &Paid) {}
}

fn main() {}
