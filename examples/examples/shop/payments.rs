//! Failed payments: retries, dead letters, and their review.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use kairo::prelude::*;
use serde_json::json;

use crate::{
    events::{PaymentFailed, PaymentRecovered},
    stage::Stage,
};

/// Why a charge fails. The class of each error says whether trying again can help.
#[derive(Debug, thiserror::Error, Classify)]
pub enum GatewayError {
    #[retryable]
    #[error("the gateway is busy")]
    Busy,
    #[permanent]
    #[error("the card has expired")]
    CardExpired,
    #[permanent]
    #[error("nobody knows this card")]
    NoSuchCard,
}

/// Stands in for a payment provider: what happens depends on the card.
#[derive(Clone, Default)]
pub struct Gateway {
    flaky_calls: Arc<AtomicU64>,
    is_overseas_up: Arc<AtomicBool>,
}

impl Gateway {
    async fn charge(&self, payment: &PaymentFailed) -> Result<(), GatewayError> {
        // Where a real gateway would be asked over the network.
        tokio::task::yield_now().await;
        match payment.card.as_str() {
            "expired" => Err(GatewayError::CardExpired),
            "unknown" => Err(GatewayError::NoSuchCard),
            "flaky" if self.flaky_calls.fetch_add(1, Ordering::Relaxed) < 2 => {
                Err(GatewayError::Busy)
            }
            "overseas" if !self.is_overseas_up.load(Ordering::Relaxed) => Err(GatewayError::Busy),
            _ => Ok(()),
        }
    }

    fn bring_overseas_up(&self) {
        self.is_overseas_up.store(true, Ordering::Relaxed);
    }
}

/// Charges again. Up to five retries follow a temporary failure; a real shop would begin with a
/// pause of two seconds rather than twenty milliseconds.
#[handler(
    event = "order.payment-failed",
    retry(max = 5, backoff = "20ms", exponential, jitter),
    timeout = "30s"
)]
async fn recover(
    failed: &PaymentFailed,
    attempt: Attempt,
    gateway: State<Gateway>,
    stage: State<Stage>,
) -> Result<PaymentRecovered, GatewayError> {
    let PaymentFailed { order, .. } = failed;
    if let Err(error) = gateway.charge(failed).await {
        stage.say("payments", format!("order {order}, attempt {}: {error}", attempt.get()));
        return Err(error);
    }
    stage.say("payments", format!("order {order}, attempt {}: charged", attempt.get()));
    Ok(PaymentRecovered { order: *order })
}

/// Tells the people on duty about an event that was given up.
#[on_dead_letter]
async fn alert(letter: &DeadLetter, stage: State<Stage>) {
    let (attempts, reason, error) = (letter.attempts, letter.reason, letter.error());
    let event = letter.event();
    stage.say("alert", format!("{} at attempt {attempts} ({reason}): {error}", event.stream()));
}

/// Goes through the dead letters as a person would: repairs what can be repaired, tries again what
/// may succeed by now, and removes the rest.
pub async fn review(kairo: &Kairo, gateway: &Gateway, stage: &Stage) -> kairo::Result<()> {
    gateway.bring_overseas_up();
    let letters = kairo.dead_letters();
    for letter in letters.list(LetterFilter::default()).await? {
        let PaymentFailed { order, card, amount_cents } = letter.event().decode()?;
        match card.as_str() {
            "expired" => {
                stage.say("review", format!("order {order}: tried again with the new card"));
                let edited = json!({ "order": order, "card": "new", "amount_cents": amount_cents });
                letters.reprocess_with(letter.id, edited).await?.handled().await?;
            }
            "overseas" => {
                stage.say("review", format!("order {order}: tried again"));
                letters.reprocess(letter.id).await?.handled().await?;
            }
            _ => {
                stage.say("review", format!("order {order}: removed"));
                letters.remove(letter.id).await?;
            }
        }
    }
    stage.show("The dead letters are reviewed", 7).await;
    Ok(())
}
