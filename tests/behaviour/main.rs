//! What the library promises, topic by topic.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends the test")]

mod aggregates;
mod bounds;
mod changes;
mod closures;
mod delayed;
mod deleted;
mod enums;
mod ephemeral;
mod event_store;
mod every_call;
mod faults;
mod handlers;
mod health;
mod letters;
mod names;
mod newer;
mod order;
mod pipelines;
mod publish;
mod replay;
mod retry;
mod sagas;
mod sharing;
mod snapshots;
mod steering;
mod stop;
mod transactions;
