//! Deadlines, and clocks that a test moves.

use std::{pin::pin, time::Duration};

use kairo::clock::{Clock, Timestamp};

/// After this long, something that should happen has not.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a thing is looked at that cannot be waited for.
const LOOK: Duration = Duration::from_millis(1);

/// What the future brings, which must be soon.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        let done = tokio::time::timeout(DEADLINE, future).await;
        done.unwrap_or_else(|_| panic!("nothing has happened for {DEADLINE:?} at {place}"))
    }
}

/// Waits for what only looking can tell.
#[track_caller]
pub fn eventually<F: Future<Output = bool>>(is_so: impl Fn() -> F) -> impl Future<Output = ()> {
    soon(async move {
        while !is_so().await {
            Clock::system().sleep(LOOK).await;
        }
    })
}

/// Where manual clocks begin.
#[must_use]
pub fn midnight() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// What the future brings, while a manual clock moves on step by step.
#[track_caller]
pub fn passing<F: Future>(
    clock: &Clock,
    step: Duration,
    future: F,
) -> impl Future<Output = F::Output> {
    soon(async move {
        let (mut future, real) = (pin!(future), Clock::system());
        loop {
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = real.sleep(LOOK) => clock.advance(step),
            }
        }
    })
}
