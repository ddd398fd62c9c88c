//! A small shop: customers, orders, mails, payments that fail and are recovered.
//!
//! Everything goes through the log in `./shop.db`. Run it twice: the second run goes on where the
//! first one stopped.

mod analytics;
mod events;
mod notifications;
mod payments;
mod profiles;
mod stage;
mod users;

use std::{pin::pin, time::Duration};

use futures_util::TryStreamExt;
use kairo::{Position, prelude::*};

use self::{
    analytics::AnalyticsService,
    events::{CartLeft, Item, OrderPlaced, PageViewed, PaymentFailed},
    notifications::NotificationService,
    payments::Gateway,
    profiles::{PageCounter, Profiles},
    stage::Stage,
    users::UserService,
};

#[tokio::main]
async fn main() -> kairo::Result<()> {
    let (stage, gateway, pages) = (Stage::default(), Gateway::default(), PageCounter::default());
    let kairo = Kairo::builder()
        .store("sqlite://shop.db")
        .max_retries(3)
        .state(stage.clone())
        .state(gateway.clone())
        .state(Profiles::default())
        .state(pages.clone())
        .handlers(NotificationService::new(stage.clone()))
        .handlers(AnalyticsService::new(stage.clone()))
        .start()
        .await?;

    let orders = greet(&kairo).await?;
    a_customer_signs_up(&kairo, &stage).await?;
    orders_are_placed(&kairo, &stage, orders).await?;
    a_cart_is_left(&kairo, &stage).await?;
    pages_are_viewed(&kairo, &pages).await?;
    payments_fail(&kairo, &stage, orders).await?;
    payments::review(&kairo, &gateway, &stage).await?;

    println!(
        "The log has {} events now. Run the shop again, and it goes on.",
        count(&kairo).await?.0
    );
    kairo.shutdown().await
}

/// Says what earlier runs have left, and how many orders that were.
async fn greet(kairo: &Kairo) -> kairo::Result<u64> {
    let (events, orders) = count(kairo).await?;
    println!("The shop opens: the log has {events} events, {orders} of them orders.");
    Ok(orders)
}

async fn a_customer_signs_up(kairo: &Kairo, stage: &Stage) -> kairo::Result<()> {
    UserService::new(kairo.publisher()).create("John Doe", "john@example.com").await?;
    stage.show("A customer signs up", 3).await;
    Ok(())
}

/// All orders of one call enter the log together, or none of them does.
async fn orders_are_placed(kairo: &Kairo, stage: &Stage, before: u64) -> kairo::Result<()> {
    let orders = (1..=4).map(|number| {
        let items = vec![Item { product: "book".into(), quantity: 2, price_cents: 2_999 }];
        OrderPlaced { order: before + number, customer: "john@example.com".into(), items }
    });
    kairo.publish_all(orders).await?.handled().await?;
    stage.show("Four orders are placed at once", 8).await;
    Ok(())
}

/// A delayed event lies in the store until it is due: a restart does not lose it.
async fn a_cart_is_left(kairo: &Kairo, stage: &Stage) -> kairo::Result<()> {
    let left = CartLeft { customer: "john@example.com".into() };
    kairo.publish(left).delay(Duration::from_millis(200)).await?;
    stage.show("A cart is left, and remembered later", 2).await;
    Ok(())
}

/// Ephemeral events stay in memory: they are handled inside `publish`.
async fn pages_are_viewed(kairo: &Kairo, pages: &PageCounter) -> kairo::Result<()> {
    for path in ["/", "/books", "/books/42"] {
        kairo.publish(PageViewed { path: path.into() }).await?;
    }
    println!("\nPages are viewed, and the log does not grow\n  counter        {}", pages.views());
    Ok(())
}

/// One payment is recovered at its third attempt; the others end as dead letters.
async fn payments_fail(kairo: &Kairo, stage: &Stage, before: u64) -> kairo::Result<()> {
    let cards = ["flaky", "expired", "unknown", "overseas"];
    for (order, card) in (before + 1..).zip(cards) {
        let failed = PaymentFailed { order, card: card.into(), amount_cents: 5_998 };
        kairo.publish(failed).await?.settled().await?;
    }
    stage.show("Four payments fail", 19).await;
    Ok(())
}

/// How many events the log has, and how many of them are orders.
async fn count(kairo: &Kairo) -> kairo::Result<(u64, u64)> {
    let mut log = pin!(kairo.store().log(Position::START));
    let (mut events, mut orders) = (0, 0);
    while let Some(event) = log.try_next().await? {
        events += 1;
        orders += u64::from(event.name() == "order.placed");
    }
    Ok((events, orders))
}
