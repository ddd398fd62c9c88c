//! A handler that an event does not survive at first.

use kairo::prelude::*;

use super::{Echo, Gate, Journal, Sample};

/// Subscribes a handler that kills each event at its first run, and at later ones waits at the gate
/// before it echoes; the numbers of the samples that it has begun with.
pub async fn dies_at_first(kairo: &Kairo, name: &'static str, gate: &Gate) -> Journal<u64> {
    let runs = Journal::new();
    let (begun, gate) = (runs.clone(), gate.clone());
    let handled = kairo.subscribe::<Sample>(name).handle(move |event| {
        let (is_first, gate) = (begun.is_new(event.number), gate.clone());
        async move {
            if is_first {
                return Err(Failure::permanent("the first time"));
            }
            gate.pass().await;
            Ok(Echo::from(event.payload()))
        }
    });
    handled.await.expect("it is subscribed");
    runs
}
