//! Deleting what nobody can need any more: sagas that ended long ago, and marks of events that will
//! not come again.

use std::{sync::Arc, time::Duration};

use super::{Engine, stopped};
use crate::{clock::before, error::Result};

/// How often it is done.
const EVERY: Duration = Duration::from_hours(1);

/// For how long sagas are kept that have ended, so that their keys and outcomes are known.
const SAGAS_KEPT: Duration = Duration::from_hours(30 * 24);

/// For how long it is kept at least that an event was handled in a transaction.
const MARKS_KEPT: Duration = Duration::from_hours(7 * 24);

/// How many rows go at a time, and how many times one after the other.
const ROWS_MAX: usize = 5_000;
const ROUNDS_MAX: usize = 100;

/// Looks after the store until the bus stops.
pub(crate) async fn follow(engine: Arc<Engine>) {
    let mut stop = engine.stopping();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = engine.clock.sleep(EVERY) => {}
        }
        if let Err(error) = prune(&engine).await {
            tracing::warn!(%error, "what is old cannot be deleted now");
        }
    }
}

async fn prune(engine: &Engine) -> Result {
    let now = engine.clock.now();
    let (sagas_until, marks_until) = (before(now, SAGAS_KEPT), before(now, MARKS_KEPT));
    for _ in 0..ROUNDS_MAX {
        let sagas = engine.backend.prune_sagas(sagas_until, ROWS_MAX).await?;
        let marks = engine.backend.prune_marks(marks_until, ROWS_MAX).await?;
        if sagas.max(marks) < ROWS_MAX as u64 || *engine.stop.borrow() {
            break;
        }
    }
    Ok(())
}
