//! Mails to customers: a service whose methods are handlers.

use kairo::prelude::*;

use crate::{
    events::{CartLeft, OrderPlaced, UserCreated},
    stage::Stage,
};

pub struct NotificationService {
    stage: Stage,
}

#[handlers]
impl NotificationService {
    pub fn new(stage: Stage) -> Self {
        Self { stage }
    }

    #[handler(event = "user.created")]
    async fn welcome(&self, user: &UserCreated) {
        self.send(&user.email, &format!("Welcome {}!", user.name));
    }

    #[handler(event = "order.placed")]
    async fn confirm(&self, placed: &OrderPlaced) {
        let cents: u64 = placed.items.iter().map(|i| u64::from(i.quantity) * i.price_cents).sum();
        let total = format!("{}.{:02}", cents / 100, cents % 100);
        self.send(&placed.customer, &format!("order {} over {total} is confirmed", placed.order));
    }

    #[handler(event = "cart.left")]
    async fn remind(&self, left: &CartLeft) {
        self.send(&left.customer, "there is still something in your cart");
    }

    fn send(&self, to: &str, text: &str) {
        self.stage.say("mail", format!("to {to}: {text}"));
    }
}
