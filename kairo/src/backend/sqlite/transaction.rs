//! A transaction that the caller's own queries can join: it holds the writer until it ends.

use std::{any::Any, fmt, sync::Arc};

use super::{Shared, slot::Turn};
use crate::{
    documents::{Collection, Document},
    error::{Error, Result},
    store::{BoxFuture, Committed, Transaction, Unit},
};

/// What a transaction says that has been ended behind its back.
const ENDED: &str = "a query of its own has ended this transaction: leave COMMIT and ROLLBACK to \
                     Kairo, and return the error where SQLite rolls back by itself";

/// What a transaction says after an error.
const FAILED: &str = "a transaction in which something has failed can only be rolled back";

/// A transaction that is open.
pub(super) struct SqliteTransaction {
    shared: Arc<Shared>,
    /// Gone after an error, and when the caller of a call has gone away.
    open: Option<Open>,
    /// What is lent then.
    nothing: (),
}

/// The right to write, while a transaction is open. Dropping it rolls back and passes the right on.
struct Open {
    turn: Turn,
    /// Whether own queries may have changed anything since the last look.
    is_lent: bool,
    /// What has been written, for what follows a commit.
    written: Vec<(Unit, Committed)>,
}

impl SqliteTransaction {
    /// Waits for its turn, and begins.
    ///
    /// # Errors
    /// [`Error::Closed`] or [`Error::Store`]
    pub(super) async fn begin(shared: &Arc<Shared>) -> Result<Self> {
        let turn = shared.slot.turn().await?;
        let job = move || {
            let mut open = Open { turn, is_lent: false, written: Vec::new() };
            open.turn.begin_lent()?;
            Ok(open)
        };
        let open = shared.blocking.run(job).await?;
        Ok(Self { shared: Arc::clone(shared), open: Some(open), nothing: () })
    }

    /// Runs a part of the transaction; after an error nothing of it is left.
    async fn run<T: Send + 'static>(
        &mut self,
        part: impl FnOnce(&mut Open) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut open = self.open.take().ok_or(Error::Misuse(FAILED))?;
        let job = move || {
            open.look()?;
            let value = part(&mut open)?;
            Ok((open, value))
        };
        let (open, value) = self.shared.blocking.run(job).await?;
        self.open = Some(open);
        Ok(value)
    }
}

impl Transaction for SqliteTransaction {
    fn connection(&mut self) -> &mut (dyn Any + Send) {
        match &mut self.open {
            Some(open) => {
                open.is_lent = true;
                open.turn.connection()
            }
            None => &mut self.nothing,
        }
    }

    fn document<'a>(
        &'a mut self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>> {
        let id = id.to_owned();
        Box::pin(self.run(move |open| open.turn.document(collection, &id)))
    }

    fn write(&mut self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(self.run(move |open| open.write(unit)))
    }

    fn commit(mut self: Box<Self>, unit: Unit) -> BoxFuture<'static, Result<Committed>> {
        Box::pin(async move {
            let shared = Arc::clone(&self.shared);
            let committed = self.run(move |open| {
                let committed = open.write(unit)?;
                open.turn.end_lent(&open.written)?;
                Ok(committed)
            });
            let committed = committed.await?;
            drop(self);
            shared.wake_watchers(true);
            Ok(committed)
        })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, Result> {
        Box::pin(async move {
            let Self { shared, open, .. } = *self;
            let job = move || {
                drop(open);
                Ok(())
            };
            shared.blocking.run(job).await
        })
    }
}

impl Open {
    /// Finds out what own queries have done.
    fn look(&mut self) -> Result {
        if self.turn.has_ended() {
            return Err(Error::Misuse(ENDED));
        }
        if self.is_lent {
            self.turn.look_again()?;
            self.is_lent = false;
        }
        Ok(())
    }

    fn write(&mut self, unit: Unit) -> Result<Committed> {
        let committed = self.turn.write(&unit)?;
        self.written.push((unit, committed.clone()));
        Ok(committed)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // What was written may be undone, and own queries may have changed anything.
        self.turn.forget();
    }
}

impl fmt::Debug for SqliteTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTransaction")
            .field("url", &self.shared.failing.url())
            .field("is_open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}
