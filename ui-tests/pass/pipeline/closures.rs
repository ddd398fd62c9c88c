#![deny(warnings)]
#![forbid(unsafe_code)]
#![warn(clippy::all, clippy::pedantic)]
//! Pipelines of closures.

use std::time::Duration;

use kairo::{
    pipeline,
    pipeline::{Pipeline, Tells},
    prelude::*,
};

#[event("number.doubled")]
struct NumberDoubled(u64);

fn main() {
    let doubling = pipeline("doubling")
        .tells(Tells::Run)
        .timeout(Duration::from_secs(60))
        .input::<u64>()
        .filter("is-small", |number| *number < 100)
        .map("double", async |number| Ok(number * 2))
        .retry(RetryPolicy::new(3))
        .timeout(Duration::from_secs(5))
        .emit(|number| NumberDoubled(*number))
        .retry(RetryPolicy::new(1));
    assert_eq!(doubling.stages(), ["is-small", "double", "number.doubled"]);
}
