//! Pipelines: what flows through them, what they leave behind, and how they go wrong.

mod cancel;
mod closures;
mod failures;
mod flow;
mod in_handler;
mod on;
mod time;
mod told;
mod trade;
