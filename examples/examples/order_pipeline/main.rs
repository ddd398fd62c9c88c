//! A pipeline: an order that is validated, enriched, priced and paid, and leaves an event behind at each
//! step; one that is not valid, one that is refused, and the same of closures.
//!
//! Everything goes through `./order_pipeline.db`.

mod order;
mod processing;

use futures_util::TryStreamExt;
use kairo::{Position, pipeline, prelude::*};
use tokio::sync::mpsc;

use self::{
    order::{Order, OrderPaymentProcessed, OrderPlaced, OrderValidated, Status},
    processing::{OrderError, OrderProcessing, PaymentService},
};

/// What other services do, told in the order in which it happens.
struct Others(mpsc::UnboundedSender<String>);

impl Others {
    fn tell(&self, text: String) {
        // Nobody listens any more when the example ends.
        let _ = self.0.send(text);
    }
}

#[handler(event = "order.payment-processed")]
async fn fulfil(paid: &OrderPaymentProcessed, others: State<Others>) {
    let order = &paid.0;
    others.tell(if order.status == Status::Processing {
        format!("fulfilling order {}", order.order_id.as_u128())
    } else {
        format!("telling customer {} that the payment failed", order.user_id.as_u128())
    });
}

/// The pipeline that an event runs.
struct Shipping;

#[pipeline("shipping", on = "order.placed")]
impl Shipping {
    #[filter]
    fn is_heavy(&self, placed: &OrderPlaced) -> bool {
        10_000 < placed.cents
    }

    #[map]
    async fn ship(&self, placed: &OrderPlaced, others: State<Others>) {
        others.tell(format!("shipping order {} by lorry", placed.order_id.as_u128()));
    }
}

const fn an_order(number: u128, cents: u64) -> Order {
    let (id, user_id) = (Uuid::from_u128(number), Uuid::from_u128(123));
    Order { id, user_id, cents, status: Status::Pending }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let kairo = Kairo::builder()
        .store("sqlite://order_pipeline.db")
        .state(Others(tell))
        .state(PaymentService { max_cents: 50_000 })
        .pipeline(Shipping)
        .start()
        .await?;
    let orders = kairo.pipeline(OrderProcessing::default()).metadata("channel", "web");

    println!("An order goes through");
    let paid = orders.execute(an_order(456, 9_999)).await?;
    println!("result: {:?}, {}, {} cents", paid.status, paid.payment_id, paid.cents);
    println!("{}", told.recv().await.unwrap_or_default());

    println!("\nA payment fails, which is no error of the pipeline");
    let paid = orders.execute(an_order(457, 90_000)).await?;
    println!("result: {:?}", paid.status);
    println!("{}", told.recv().await.unwrap_or_default());

    println!("\nOne costs nothing, one was placed already");
    refused(orders.execute(an_order(458, 0)).await);
    refused(orders.execute(Order { status: Status::Processing, ..an_order(459, 100) }).await);

    println!("\nClosures");
    closures(&kairo).await?;

    println!("\nAn event runs one; the other does not pass the filter");
    for (number, cents) in [(460, 100), (461, 20_000)] {
        let placed = OrderPlaced { order_id: Uuid::from_u128(number), cents };
        kairo.publish(placed).await?.settled().await?;
    }
    println!("{}", told.recv().await.unwrap_or_default());

    println!("\nThe log");
    log(&kairo).await?;
    Ok(kairo.shutdown().await?)
}

fn refused<T>(ended: Result<T, PipelineError>) {
    if let Err(error) = ended {
        let permanent = matches!(error.find(), Some(OrderError::NotPending));
        println!("{error}{}", if permanent { " (for good)" } else { "" });
    }
}

/// Each stage takes what the one before gives, as with methods.
async fn closures(kairo: &Kairo) -> Result<(), PipelineError> {
    let quick = pipeline("quick-order")
        .valid_input::<Order>()
        .filter("is-small", |order| order.cents < 1_000)
        .emit(|order| OrderValidated(order.clone()))
        .map("charge", async |order| Ok(order.cents))
        .retry(RetryPolicy::new(2));
    let quick = kairo.pipeline(quick);
    println!("charged: {} cents", quick.execute(an_order(1, 500)).await?);
    refused(quick.execute(an_order(2, 5_000)).await);
    refused(quick.execute(an_order(3, 0)).await);
    Ok(())
}

async fn log(kairo: &Kairo) -> kairo::Result<()> {
    let log: Vec<AnyEvent> = kairo.store().log(Position::START).try_collect().await?;
    let mut correlation = None;
    for event in log {
        let is_new = correlation.replace(event.correlation()) != correlation;
        let channel = event.metadata().get("channel").map_or("", String::as_str);
        let text = format!("{} {} {channel}", if is_new { "-" } else { " " }, event.name());
        println!("{}", text.trim_end());
    }
    Ok(())
}
