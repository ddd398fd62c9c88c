//! Starting sagas, and ending all that run with the process.

use std::sync::{Arc, PoisonError};

use uuid::Uuid;

use super::{RUNNING_MAX, Sagas, code::Code, run::Run, state::State};
use crate::{
    blueprint::Stored,
    engine::{Engine, tx::refuse_beside},
    error::{Error, Result},
    journal::{Phase, STATE_MAX, SagaRow},
};

/// What a saga is started with.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) id: Uuid,
    pub(crate) key: Option<String>,
    pub(crate) input: Stored,
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
    let state = State::new(code.plan(), begin.input);
    let room = engine.sagas.room_now().filter(|_| !*engine.stop.borrow());
    let room = room.zip(engine.sagas.running.mark(begin.id));
    let owner = match &room {
        Some(_) => Some(engine.saga_owner().await?),
        None => None,
    };
    let id = begin.id;
    let now = engine.clock.now();
    let row = SagaRow {
        id,
        saga: code.plan().name.to_owned(),
        key: begin.key,
        shape: code.plan().shape,
        phase: Phase::Running,
        due: now,
        cancelled: false,
        owner,
        epoch: 1,
        revision: 1,
        correlation: begin.correlation.unwrap_or(id),
        causation: begin.causation,
        depth: begin.depth,
        started: now,
        changed: now,
        state: bytes::Bytes::new(),
    };
    let started = match room {
        Some((room, mark)) => {
            let mut run = Run::new(Arc::clone(engine), code, row, state, mark, room);
            match run.start().await {
                Ok(()) => {
                    engine.sagas.run(run);
                    Ok(())
                }
                Err(error) => {
                    if matches!(error, Error::SagaExists { .. }) {
                        run.let_go();
                    }
                    // It may be there all the same.
                    engine.sagas.look.notify_one();
                    Err(error)
                }
            }
        }
        None => Run::leave(engine, row, &state).await,
    };
    match started {
        Ok(()) => Ok((id, true)),
        Err(Error::SagaExists { id, .. }) => Ok((id, false)),
        Err(error) => Err(error),
    }
}

/// The longest key that a saga can be started for, in bytes.
const KEY_MAX: usize = 200;

fn check(begin: &Begin) -> Result {
    if let Some(key) = &begin.key
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
