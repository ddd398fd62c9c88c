//! Delayed events: when one is due, it leaves the timetable and enters the log in one commit.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{Engine, stopped};
use crate::{
    clock::{Timestamp, after},
    delivery::Scheduled,
    error::{Error, Result},
    store::{Append, Unit},
};

/// How many due events enter the log in one commit.
const BATCH: usize = 100;

/// How often the timetable is looked at without a signal.
const POLL: Duration = Duration::from_mins(1);

/// The pause after a failed commit.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// Moves due events into the log until the bus stops; `planned` signals a new delayed event.
pub(crate) async fn follow(engine: Arc<Engine>, planned: Arc<Notify>) {
    let mut stop = engine.stopping();
    loop {
        let worked = work(&engine).await;
        engine.timetable.note_result(&worked);
        let look = worked.unwrap_or_else(|error| {
            tracing::warn!(%error, "delayed events cannot enter the log");
            after(engine.clock.now(), PAUSE_AFTER_ERROR)
        });
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = planned.notified() => {}
            () = engine.clock.sleep_until(look) => {}
        }
    }
}

/// Moves what is due, and tells when to look again.
async fn work(engine: &Engine) -> Result<Timestamp> {
    release_due(engine).await?;
    let latest = after(engine.clock.now(), POLL);
    Ok(engine.backend.next_due().await?.map_or(latest, |due| due.min(latest)))
}

async fn release_due(engine: &Engine) -> Result<()> {
    loop {
        let due = engine.backend.due(engine.clock.now(), BATCH).await?;
        if due.is_empty() {
            return Ok(());
        }
        match engine.backend.commit(enter(due.clone())).await {
            // One of them was cancelled in between, or its stream is closed: the others still go.
            Err(Error::NotFound { .. } | Error::Tombstone { .. }) => {
                for scheduled in due {
                    release_one(engine, scheduled).await?;
                }
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
}

async fn release_one(engine: &Engine, scheduled: Scheduled) -> Result<()> {
    let id = scheduled.event.id;
    let entered = match engine.backend.commit(enter(vec![scheduled])).await {
        Err(error @ Error::Tombstone { .. }) => {
            tracing::error!(event = %id, %error, "a delayed event is dropped");
            let unit = Unit { unscheduled: vec![id], ..Unit::default() };
            engine.backend.commit(unit).await
        }
        entered => entered,
    };
    match entered {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn enter(due: Vec<Scheduled>) -> Unit {
    let unscheduled = due.iter().map(|scheduled| scheduled.event.id).collect();
    let appends = due.into_iter().map(|scheduled| Append::one(scheduled.event)).collect();
    Unit { unscheduled, appends, ..Unit::default() }
}
