//! A saga: an order that is charged, created and confirmed, or leaves nothing behind.
//!
//! It runs to success, to a failure at each step, and in a process that ends in the middle, after
//! which this one goes on with it. Everything goes through `./order_saga.db`.

mod order;
mod services;

use std::{env, process::Command, sync::Arc};

use kairo::{
    prelude::*,
    saga::{Outcome, Phase, SagaFilter, SagaStep},
};

use self::{
    order::{EcommerceOrder, EcommerceOrderStep, Item, OrderData, OrderId},
    services::{DIE_AT, Services},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let services = Arc::new(Services::default());
    if env::var_os(DIE_AT).is_some() {
        return Ok(one_that_is_cut(services).await?);
    }
    let kairo = start(&services).await?;
    it_succeeds(&kairo, &services).await?;
    it_fails_at_each_step(&kairo, &services).await?;
    kairo.shutdown().await?;

    println!("\nA process ends in the middle");
    let child = Command::new(env::current_exe()?).env(DIE_AT, "charge_payment").output()?;
    print!("{}", String::from_utf8_lossy(&child.stdout));
    println!("Another one goes on");
    let kairo = start(&services).await?;
    it_goes_on(&kairo).await?;
    Ok(kairo.shutdown().await?)
}

async fn start(services: &Arc<Services>) -> kairo::Result<Kairo> {
    let saga = EcommerceOrder { services: Arc::clone(services) };
    Kairo::builder().store("sqlite://order_saga.db").saga(saga).start().await
}

fn an_order() -> OrderData {
    let item = |product: &str, quantity, cents| Item { product: product.into(), quantity, cents };
    OrderData {
        items: vec![item("prod-1", 2, 2_999), item("prod-2", 1, 4_999)],
        customer: "customer-123".into(),
        email: "john@example.com".into(),
    }
}

async fn it_succeeds(kairo: &Kairo, services: &Services) -> kairo::Result<()> {
    println!("It succeeds, though the stock does not answer at first");
    services.tire("reserve_inventory");
    let orders = kairo.saga_of::<EcommerceOrder>()?;
    match orders.execute(an_order()).await?.completed() {
        Ok(OrderId(id)) => println!("order processed successfully: {id}"),
        Err(error) => println!("order processing failed: {error}"),
    }
    Ok(())
}

async fn it_fails_at_each_step(kairo: &Kairo, services: &Services) -> kairo::Result<()> {
    let orders = kairo.saga_of::<EcommerceOrder>()?;
    for step in EcommerceOrderStep::ALL {
        println!("\nIt fails at {}", step.name());
        services.refuse(Some(step.name()));
        match orders.execute(an_order()).await? {
            Outcome::Compensated { error, undone, .. } => {
                println!("order processing failed: {error}");
                println!("undone: {}", names(&undone));
            }
            outcome => println!("unexpected: {outcome:?}"),
        }
    }
    services.refuse(None);
    Ok(())
}

fn names(steps: &[EcommerceOrderStep]) -> String {
    let names: Vec<_> = steps.iter().map(|step| step.name()).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// Starts an order in a process that ends while it is charged.
async fn one_that_is_cut(services: Arc<Services>) -> kairo::Result<()> {
    let kairo = start(&services).await?;
    kairo.saga_of::<EcommerceOrder>()?.key("order-7").execute(an_order()).await.map(drop)
}

async fn it_goes_on(kairo: &Kairo) -> kairo::Result<()> {
    let filter = SagaFilter { key: Some("order-7".into()), ..SagaFilter::default() };
    let cut = kairo.sagas().list(filter).await?;
    let orders = kairo.saga_of::<EcommerceOrder>()?;
    for saga in cut {
        let OrderId(id) = match orders.outcome(saga.id).await?.completed() {
            Ok(id) => id,
            Err(error) => OrderId(error.to_string()),
        };
        println!("order processed successfully: {id}");
        let status = orders.status(saga.id).await?;
        assert_eq!(status.phase, Phase::Completed);
    }
    Ok(())
}
