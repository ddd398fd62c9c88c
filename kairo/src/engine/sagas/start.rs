//! Starting sagas, and ending all that run with the process.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    RUNNING_MAX, Sagas,
    code::{Code, Plan},
    run::Run,
    state::State,
};
use crate::{
    blueprint::Stored,
    clock::Timestamp,
    engine::{Engine, tx::refuse_beside},
    error::{Error, Result},
    journal::{Phase, STATE_MAX, SagaRow},
};

/// What a saga is started with.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) id: Uuid,
    pub(crate) input: Stored,
    pub(crate) origin: Origin,
}

/// What starts a saga.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) key: Option<String>,
    /// The cause's, if there is one.
    pub(crate) correlation: Option<Uuid>,
    pub(crate) causation: Option<Uuid>,
    pub(crate) depth: u32,
}

/// Starts a saga, and says which one it is and whether it is new. When this returns, it is in the
/// store.
///
/// # Errors
/// [`Error::Invalid`] for an input or a key that is too long, or what the store fails with; then the
/// saga may have been started.
pub(crate) async fn start(
    engine: &Arc<Engine>,
    code: Arc<dyn Code>,
    begin: Begin,
) -> Result<(Uuid, bool)> {
    refuse_beside()?;
    check(&begin)?;
    let room = engine.sagas.room_now().filter(|_| !*engine.stop.borrow());
    let room = room.zip(engine.sagas.running.mark(begin.id));
    let owner = match &room {
        Some(_) => Some(engine.saga_owner().await?),
        None => None,
    };
    let id = begin.id;
    let (row, state) = begin.first(code.plan(), owner, engine.clock.now());
    let started = match room {
        Some((room, mark)) => {
            let run = Run::new(Arc::clone(engine), code, row, state, mark, room);
            start_here(engine, run).await
        }
        None => Run::leave(engine, row, &state).await,
    };
    match started {
        Ok(()) => Ok((id, true)),
        Err(Error::SagaExists { id, .. }) => Ok((id, false)),
        Err(error) => Err(error),
    }
}

/// Starts a saga that this process carries on.
async fn start_here(engine: &Engine, mut run: Run) -> Result {
    let started = run.start().await;
    match &started {
        Ok(()) => engine.sagas.run(run),
        Err(Error::SagaExists { .. }) => run.let_go(),
        Err(_) => {
            // It may be there all the same, and is looked for once nothing says that it runs.
            drop(run);
            engine.sagas.look.notify_one();
        }
    }
    started
}

impl Begin {
    /// The saga as it is put into the store, and its state.
    fn first(self, plan: &Plan, owner: Option<Uuid>, now: Timestamp) -> (SagaRow, State) {
        let Self { id, input, origin } = self;
        let row = SagaRow {
            id,
            saga: plan.name.to_owned(),
            key: origin.key,
            shape: plan.shape,
            phase: Phase::Running,
            due: now,
            cancelled: false,
            owner,
            epoch: 1,
            revision: 1,
            correlation: origin.correlation.unwrap_or(id),
            causation: origin.causation,
            depth: origin.depth,
            started: now,
            changed: now,
            state: Bytes::new(),
        };
        (row, State::new(plan, input))
    }
}

/// The longest key that a saga can be started for, in bytes.
const KEY_MAX: usize = 200;

fn check(begin: &Begin) -> Result {
    if let Some(key) = &begin.origin.key
        && (key.is_empty() || KEY_MAX < key.len())
    {
        let allowed = format!("it has 1 to {KEY_MAX} bytes");
        return Err(Error::invalid("key of a saga", key.clone(), allowed));
    }
    let bytes = begin.input.get().len();
    if STATE_MAX / 2 < bytes {
        let allowed = format!("it has at most {} bytes as JSON", STATE_MAX / 2);
        return Err(Error::invalid("input of a saga", format!("{bytes} bytes"), allowed));
    }
    Ok(())
}

impl Sagas {
    /// Lets a saga run in a task of its own.
    pub(super) fn run(&self, run: Run) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(run.carry_on());
    }

    /// Returns once no saga runs any more.
    pub(crate) async fn finished(&self) {
        let all = u32::try_from(RUNNING_MAX).unwrap_or(u32::MAX);
        // A closed semaphore has no permits out that anybody waits for.
        drop(self.room.acquire_many(all).await);
    }

    /// How many sagas run.
    pub(crate) fn running(&self) -> usize {
        RUNNING_MAX - self.room.available_permits().min(RUNNING_MAX)
    }

    /// Drops whatever runs.
    pub(crate) fn stop_at_once(&self) {
        self.room.close();
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl Engine {
    /// Gives all sagas back at the end of a bus, so that others need not wait for the lease.
    pub(crate) async fn release_sagas(&self) {
        let owner = if self.is_shared { self.lease.borrow().member } else { self.sagas.owner };
        if self.sagas.names().is_empty() || owner.is_nil() {
            return;
        }
        if let Err(error) = self.backend.release_sagas(owner).await {
            tracing::warn!(%error, "sagas cannot be given back: others wait for their lease to end");
        }
    }
}
