//! Where a task finds its transaction, and what it may not do meanwhile.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{Inner, Tx};
use crate::{
    engine::{Engine, dispatch::scope::Scope},
    error::{BoxError, Error, Result},
    handler::Failure,
};

/// For how long a transaction may keep everybody else from writing, in a store with one writer.
const WRITER_MAX: Duration = Duration::from_secs(5);

tokio::task_local! {
    static DESK: Arc<Desk>;
}

/// What a task knows of its transaction.
pub(crate) struct Desk {
    /// What makes a transaction when somebody asks for one.
    make: Option<(Arc<Engine>, Arc<Scope>)>,
    /// The transaction, between two who use it.
    lent: Mutex<Option<Box<Inner>>>,
    /// Whether somebody has asked.
    is_taken: AtomicBool,
    /// Whether it has begun in the store.
    is_open: AtomicBool,
    /// Rings when nobody else can write.
    opened: Notify,
}

impl Desk {
    /// For a run of a handler or step, which may ask for a transaction.
    pub(crate) fn of_run(engine: &Arc<Engine>, scope: &Arc<Scope>) -> Arc<Self> {
        Self::new(Some((Arc::clone(engine), Arc::clone(scope))))
    }

    /// That of the current task.
    pub(super) fn current() -> Option<Arc<Self>> {
        DESK.try_with(Arc::clone).ok()
    }

    fn new(make: Option<(Arc<Engine>, Arc<Scope>)>) -> Arc<Self> {
        Arc::new(Self {
            make,
            lent: Mutex::default(),
            is_taken: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
            opened: Notify::new(),
        })
    }

    pub(super) fn lent(&self) -> MutexGuard<'_, Option<Box<Inner>>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lend(self: &Arc<Self>) -> Option<Tx> {
        if let Some(inner) = self.lent().take() {
            return Some(Tx { inner: Some(inner), desk: Some(Arc::clone(self)) });
        }
        if self.is_taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (engine, scope) = self.make.as_ref()?;
        let mut tx = Tx::begin(engine, Some(Arc::clone(scope)));
        tx.inner().desk = Arc::downgrade(self);
        tx.desk = Some(Arc::clone(self));
        Some(tx)
    }

    /// The transaction, if the run has asked for one; the run is over.
    pub(crate) fn take(&self) -> Option<Tx> {
        let inner = self.lent().take()?;
        Some(Tx { inner: Some(inner), desk: None })
    }

    pub(super) fn has_begun(&self, engine: &Engine) {
        self.is_open.store(true, Ordering::Relaxed);
        if !engine.backend.features().shared {
            self.opened.notify_one();
        }
    }

    /// Runs something that may use the transaction, until it has kept others from writing for too
    /// long.
    ///
    /// # Errors
    /// When it took too long; then whatever it did is to be undone.
    pub(crate) async fn run<T>(
        self: &Arc<Self>,
        engine: &Engine,
        run: impl Future<Output = T>,
    ) -> Result<T, TooLong> {
        let too_long = async {
            self.opened.notified().await;
            engine.clock.sleep(WRITER_MAX).await;
        };
        tokio::select! {
            biased;
            done = DESK.scope(Arc::clone(self), run) => Ok(done),
            () = too_long => Err(TooLong),
        }
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("is_open", &self.is_open).finish_non_exhaustive()
    }
}

/// A transaction kept others from writing for too long.
#[derive(Debug, thiserror::Error)]
#[error(
    "the transaction kept everybody else from writing for more than {WRITER_MAX:?}, and was undone"
)]
pub(crate) struct TooLong;

/// Lends a transaction to a closure, and lets it take effect when the closure returns Ok.
pub(crate) async fn transact<T, F>(engine: &Arc<Engine>, work: F) -> Result<T>
where
    F: AsyncFnOnce(&mut Tx) -> Result<T, Failure>,
{
    refuse_beside()?;
    let desk = Desk::new(None);
    let mut tx = Tx::begin(engine, Scope::current());
    tx.inner().desk = Arc::downgrade(&desk);
    let done = desk.run(engine, work(&mut tx)).await;
    let value = match done {
        Ok(Ok(value)) => value,
        Ok(Err(failure)) => return Err(aborted(failure.into_error())),
        Err(too_long) => return Err(aborted(too_long.into())),
    };
    tx.commit().await?;
    Ok(value)
}

/// Why a transaction came to nothing: an error of ours as it is, or what else the closure said.
fn aborted(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(source) => Error::Aborted { source },
    }
}

/// Refuses to write beside a transaction that has begun in the store: it would wait for its end.
///
/// # Errors
/// [`Error::Misuse`]
pub(crate) fn refuse_beside() -> Result {
    let is_open = DESK.try_with(|desk| desk.is_open.load(Ordering::Relaxed)).unwrap_or(false);
    if is_open {
        return Err(Error::Misuse(
            "a transaction is open in this task: publish with `tx.publish(..)`, and change documents \
             with the methods that take it, such as `create_in(tx, ..)`",
        ));
    }
    Ok(())
}
