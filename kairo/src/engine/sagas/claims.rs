//! Finding sagas that nobody carries on: those that are due, and those whose process has gone.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::{Sagas, code::Code, run::Run, state::State};
use crate::{
    clock::{Timestamp, after},
    engine::{Engine, stopped},
    error::Result,
    journal::{Phase, SagaChange, SagaFilter, SagaRow, SagaWrite},
    store::Unit,
};

/// The most sagas that are claimed at once.
const BATCH: usize = 64;

/// How many sagas are read at once to find those that are this process's own.
const OWN_PAGE: usize = 200;

/// How often it is looked without a signal.
const POLL: Duration = Duration::from_secs(10);

/// How often it is looked at most, however many signals there are from other processes.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The pause after a failed look.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Carries sagas on until the bus stops.
pub(crate) async fn follow(engine: Arc<Engine>) {
    let mut stop = engine.stopping();
    let mut others = engine.backend.watch_others();
    loop {
        let worked = work(&engine).await;
        engine.sagas.trouble.note_result(&worked);
        let now = engine.clock.now();
        let wake = worked.unwrap_or_else(|error| {
            tracing::warn!(%error, "sagas cannot be carried on");
            after(now, PAUSE_AFTER_ERROR)
        });
        let of_others = async {
            if others.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            engine.clock.sleep(LOOK_PAUSE).await;
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = engine.sagas.look.notified() => {}
            () = engine.clock.sleep_until(wake) => {}
            () = of_others => {}
        }
    }
}

/// Takes what is due and free, and tells when to look again.
async fn work(engine: &Arc<Engine>) -> Result<Timestamp> {
    let names = engine.sagas.names();
    if names.is_empty() {
        return Ok(after(engine.clock.now(), POLL));
    }
    let owner = engine.saga_owner().await?;
    if engine.sagas.running.take_doubt() {
        find_own(engine, owner, &names).await.inspect_err(|_| engine.sagas.running.doubt())?;
    }
    loop {
        let rooms = engine.sagas.rooms(BATCH).await;
        let now = engine.clock.now();
        let Some(rooms) = rooms.filter(|_| !*engine.stop.borrow()) else {
            return Ok(after(now, POLL));
        };
        let claimed = engine.backend.claim_sagas(owner, &names, now, rooms.len()).await;
        // What was claimed without an answer has an owner who does not know.
        let rows = claimed.inspect_err(|_| engine.sagas.running.doubt())?;
        let is_all = rows.len() < rooms.len();
        for (row, room) in rows.into_iter().zip(rooms) {
            take(engine, row, room).await?;
        }
        if is_all {
            break;
        }
    }
    let latest = after(engine.clock.now(), POLL);
    Ok(engine.backend.next_saga(&names).await?.map_or(latest, |due| due.min(latest)))
}

/// Carries on what the store says is this process's, and is not carried on.
async fn find_own(engine: &Arc<Engine>, owner: Uuid, names: &[String]) -> Result {
    let phases = vec![Phase::Running, Phase::Compensating];
    let mut filter = SagaFilter { phases, limit: OWN_PAGE, ..SagaFilter::default() };
    loop {
        let rows = engine.backend.sagas(filter.clone()).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        filter.after = Some((last.started, last.id));
        let is_last = rows.len() < OWN_PAGE;
        for row in rows {
            let is_own = row.owner == Some(owner) && names.contains(&row.saga);
            if is_own && !engine.sagas.running.has(row.id) {
                take_own(engine, owner, row.id).await?;
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Carries on a saga that was this process's, if it still is once there is room.
async fn take_own(engine: &Arc<Engine>, owner: Uuid, id: Uuid) -> Result {
    let Some(room) = engine.sagas.rooms(1).await.and_then(|mut rooms| rooms.pop()) else {
        return Ok(());
    };
    match engine.backend.saga(id).await? {
        Some(row) if row.owner == Some(owner) && row.phase.is_live() => {
            take(engine, row, room).await
        }
        _ => Ok(()),
    }
}

/// Carries a saga on that was claimed.
async fn take(engine: &Arc<Engine>, row: SagaRow, room: OwnedSemaphorePermit) -> Result {
    let Some(code) = engine.sagas.code(&row.saga) else { return Ok(()) };
    let Some(mark) = engine.sagas.running.mark(row.id) else {
        // It was given back a moment ago by a run that has not ended yet.
        engine.sagas.running.doubt();
        engine.sagas.look.notify_one();
        return Ok(());
    };
    match read(&*code, &row) {
        Ok((row, state)) => {
            let run = Run::new(Arc::clone(engine), code, row, state, mark, room);
            engine.sagas.run(run);
            Ok(())
        }
        Err(why) => park(engine, &row, &why).await,
    }
}

/// The state of a row, in the shape of the code here where that knows how.
fn read(code: &dyn Code, row: &SagaRow) -> Result<(SagaRow, State), String> {
    let mut row = row.clone();
    if row.shape != code.plan().shape
        && let Ok(old) = serde_json::from_slice(&row.state)
        && let Some(migrated) = code.migrate(row.shape, old)
    {
        let state = migrated.map_err(|error| format!("it cannot be migrated: {error:?}"))?;
        row.state = serde_json::to_vec(&state).map_err(|error| error.to_string())?.into();
        row.shape = code.plan().shape;
    }
    let state = State::read(&row.state).map_err(|error| error.to_string())?;
    Ok((row, state))
}

/// Leaves a saga whose state nobody here can read, for people to see.
async fn park(engine: &Engine, row: &SagaRow, why: &str) -> Result {
    tracing::error!(saga = %row.id, why, "a saga cannot be carried on");
    let write = SagaWrite { phase: Phase::Parked, ..row.unchanged(engine.clock.now()) };
    let unit = Unit { sagas: vec![SagaChange::Write(write)], ..Unit::default() };
    engine.backend.commit(unit).await.map(drop)
}

impl Sagas {
    /// Room for some sagas, as soon as there is any; `None` once nothing is run any more.
    async fn rooms(&self, most: usize) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = Arc::clone(&self.room).acquire_owned().await.ok()?;
        let mut rooms = vec![first];
        while rooms.len() < most {
            let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { break };
            rooms.push(room);
        }
        Some(rooms)
    }

    /// Room for one saga, if there is any now.
    pub(super) fn room_now(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }
}

impl Engine {
    /// The id under which sagas are claimed now; where processes share the store, that waits for a
    /// lease.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when the bus stops first.
    pub(crate) async fn saga_owner(&self) -> Result<Uuid> {
        if self.is_shared { self.owner().await } else { Ok(self.sagas.owner) }
    }
}
