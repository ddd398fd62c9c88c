use kairo::prelude::*;

#[data]
struct Order;

#[data]
struct Paid;

#[data]
struct Reserved;

struct Checkout;

#[saga("Checkout", time = "1m")]
impl Checkout {
    #[step(retries = 5, timeout = "soon")]
    fn charge(&mut self, _order: &Order, _mailer: Order) -> Paid {
        self.nmae
    }

    #[compensate(chrage)]
    async fn refund(&self, _shipped: &Shipped) {}

    #[step(after(reserve))]
    async fn ship(self, _reserved: &Reserved) {}

    #[step]
    async fn close(&self) {}

    #[on_error]
    fn warn(&self) -> u64 {
        1
    }
}

async fn still_a_saga(kairo: &Kairo) {
    let _ = kairo.saga(Checkout).start(Order).await;
}

fn main() {}
