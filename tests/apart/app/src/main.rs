//! The application: it names the crates that take part, and everything in them is wired.
#![deny(warnings)]
#![forbid(unsafe_code)]

use std::sync::Arc;

use apart_events::{Joined, Tier};
use apart_handlers::{Counter, Diary};
use kairo::prelude::*;

#[tokio::main]
async fn main() -> kairo::Result<()> {
    let diary = Arc::new(Diary::default());
    let kairo = Kairo::builder()
        .store("memory:")
        .crates(kairo::app![apart_events, apart_handlers])
        .state(Arc::clone(&diary))
        .handlers(Counter::default())
        .start()
        .await?;
    for summary in kairo.registry().crates() {
        println!("{summary}");
    }
    let customer = Uuid::now_v7();
    kairo.publish(Joined { customer, tier: Tier::Paid(900) }).await?.settled().await?;
    kairo.publish(Joined { customer: Uuid::nil(), tier: Tier::Free }).await?.settled().await?;
    for line in diary.lines(2).await {
        println!("{line}");
    }
    kairo.shutdown().await
}
