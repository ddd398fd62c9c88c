//! Changes in a transaction of their own, tried again where somebody else was quicker.

use std::{fmt, future::IntoFuture};

use super::{Entity, IdOf, Patch, Repository, Verdict, Versioned, id::Key};
use crate::{
    engine::tx::Tx,
    error::{Error, Result},
    observe,
    retry::{CONFLICT_RETRIES_MAX, conflict_pause},
    store::BoxFuture,
};

/// An update that is made when this is awaited.
#[must_use = "nothing is changed until this is awaited"]
pub struct Update<T: Entity> {
    repository: Repository<T>,
    key: Result<Key>,
    patch: T::Patch,
    expected: Option<u64>,
}

/// A deletion that is made when this is awaited.
#[must_use = "nothing is deleted until this is awaited"]
pub struct Delete<T: Entity> {
    repository: Repository<T>,
    key: Result<Key>,
    expected: Option<u64>,
}

impl<T: Entity> Repository<T> {
    /// Creates an entity, and returns it as it is stored.
    ///
    /// The document and its event `<name>.created` take effect together. Inside a handler, which may run
    /// again, use [`create_in`](Self::create_in) with the handler's `&mut Tx`: a second run of this finds
    /// the id taken.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an entity that breaks its rules, naming the fields, for an id that cannot be
    /// one, and for more than 1 MiB of JSON; [`Error::DocumentExists`] when the id is taken;
    /// [`Error::ValueTaken`] when a `#[unique]` value is; [`Error::Refused`] by a hook;
    /// [`Error::PayloadTooLarge`] for an event that is too large; [`Error::Misuse`] while a transaction is
    /// open in this task; [`Error::Store`] when the store fails. Then nothing has happened, except that
    /// after an [`Error::Store`] it may have, if the answer of the store was lost.
    pub async fn create(&self, entity: T) -> Result<T> {
        let mut tx = self.begin()?;
        let created = self.create_in(&mut tx, entity).await;
        settle(tx, created).await
    }

    /// Sets the fields that a patch has, and returns the entity as it is then stored.
    ///
    /// A patch that changes nothing writes nothing: no version, no event, no hook. The others are
    /// checked by the rules of the entity as a whole. When somebody else changes the entity meanwhile,
    /// the patch is applied to what they wrote, up to 10 times after pauses of 5 to 100 ms; with
    /// [`expect`](Update::expect) it is not.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) without [`Error::DocumentExists`]; [`Error::NotFound`] when there
    /// is none with this id; [`Error::DocumentMoved`] when it is not at the expected version, or all tries
    /// met another change; [`Error::UnreadableDocument`] when what is stored does not fit the struct. The
    /// event holds the entity before and after, so the two have room in 1 MiB together.
    #[expect(clippy::needless_pass_by_value, reason = "`update(7)` reads better than `update(&7)`")]
    pub fn update(&self, id: impl IdOf<T::Id>, patch: T::Patch) -> Update<T> {
        Update { repository: self.clone(), key: Key::of::<T>(&id), patch, expected: None }
    }

    /// Lets a closure change an entity, and returns the entity as it is then stored. A closure that
    /// returns an error leaves it as it is.
    ///
    /// **The closure may run again**: when somebody else has changed the entity meanwhile it is given what
    /// they wrote, up to 10 times after pauses of 5 to 100 ms. So it changes the entity and does nothing
    /// else.
    ///
    /// ```
    /// # use kairo::prelude::*;
    /// # #[repository("wallets")] struct Wallet { #[id] owner: u64, cents: u64 }
    /// # async fn run(wallets: Repository<Wallet>) -> kairo::Result {
    /// let left = wallets
    ///     .update_with(7, |wallet| match wallet.cents.checked_sub(500) {
    ///         Some(left) => Ok(wallet.cents = left),
    ///         None => Err("there is not that much"),
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`update`](Self::update); [`Error::Refused`] also when the closure returns an error that
    /// is none of Kairo's; [`Error::Invalid`] when it changes the id.
    pub async fn update_with<V: Verdict>(
        &self,
        id: impl IdOf<T::Id>,
        mut change: impl FnMut(&mut T) -> V + Send,
    ) -> Result<T> {
        let key = Key::of::<T>(&id)?;
        let mut retries = 0;
        loop {
            let mut tx = self.begin()?;
            let changed = self.replace(&mut tx, &key, None, &mut change).await;
            match settle(tx, changed).await {
                Err(error) if self.is_worth_a_try(&error, &mut retries).await => {}
                changed => return changed,
            }
        }
    }

    /// Creates an entity, or puts it in the place of the one that has its id, whatever the version; and
    /// returns it as it is then stored. The event is that of what was done.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) and [`update`](Self::update), without [`Error::NotFound`].
    pub async fn upsert(&self, entity: T) -> Result<T> {
        let mut retries = 0;
        loop {
            let mut tx = self.begin()?;
            let stored = self.upsert_in(&mut tx, entity.clone()).await;
            match settle(tx, stored).await {
                Err(error) if self.is_worth_a_try(&error, &mut retries).await => {}
                stored => return stored,
            }
        }
    }

    /// Deletes an entity, and returns what it was.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none with this id; [`Error::DocumentMoved`] when it is not at the
    /// expected version; [`Error::Refused`] by a hook; [`Error::UnreadableDocument`] when what is stored
    /// does not fit the struct; [`Error::Misuse`] while a transaction is open in this task;
    /// [`Error::Store`] when the store fails.
    #[expect(clippy::needless_pass_by_value, reason = "`delete(7)` reads better than `delete(&7)`")]
    pub fn delete(&self, id: impl IdOf<T::Id>) -> Delete<T> {
        Delete { repository: self.clone(), key: Key::of::<T>(&id), expected: None }
    }

    fn begin(&self) -> Result<Tx> {
        let bus = self.publisher.bus()?;
        Tx::alone(&bus.get().engine, bus.scope())
    }

    /// Whether somebody else was quicker and there are tries left; then it pauses first.
    async fn is_worth_a_try(&self, error: &Error, retries: &mut u32) -> bool {
        let was_slower =
            matches!(error, Error::DocumentMoved { .. } | Error::DocumentExists { .. });
        let Ok(bus) = self.publisher.bus() else { return false };
        if !was_slower || CONFLICT_RETRIES_MAX <= *retries {
            return false;
        }
        *retries += 1;
        metrics::counter!(observe::CONFLICTS, "collection" => T::COLLECTION.name).increment(1);
        let clock = &bus.get().engine.clock;
        clock.sleep(conflict_pause(clock.draw())).await;
        true
    }
}

impl<T: Versioned> Repository<T> {
    /// Puts an entity that was read before in the place of what is stored, if nobody has changed that
    /// since: its `#[version]` says so. Returns it as it is then stored.
    ///
    /// # Errors
    /// Those of [`update`](Self::update); [`Error::DocumentMoved`] when somebody has changed it.
    pub async fn save(&self, entity: T) -> Result<T> {
        let key = Key::of::<T>(entity.id())?;
        let expected = entity.version();
        let mut tx = self.begin()?;
        let saved = self.replace(&mut tx, &key, expected, |there| *there = entity).await;
        settle(tx, saved).await
    }
}

/// Lets a transaction take effect if all went well in it.
async fn settle<R>(tx: Tx, done: Result<R>) -> Result<R> {
    let value = done?;
    tx.commit().await?;
    Ok(value)
}

impl<T: Entity> Update<T> {
    /// Updates it only if it is at this version.
    pub const fn expect(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }

    async fn run(self) -> Result<T> {
        let Self { repository, key, patch, expected } = self;
        let (key, mut retries) = (key?, 0);
        loop {
            let mut tx = repository.begin()?;
            let patch = patch.clone();
            let updated =
                repository.replace(&mut tx, &key, expected, |entity| patch.apply(entity)).await;
            match settle(tx, updated).await {
                Err(error)
                    if expected.is_none()
                        && repository.is_worth_a_try(&error, &mut retries).await => {}
                updated => return updated,
            }
        }
    }
}

impl<T: Entity> IntoFuture for Update<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T: Entity> Delete<T> {
    /// Deletes it only if it is at this version.
    pub const fn expect(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }

    async fn run(self) -> Result<T> {
        let Self { repository, key, expected } = self;
        let (key, mut retries) = (key?, 0);
        loop {
            let mut tx = repository.begin()?;
            let deleted = repository.remove(&mut tx, &key, expected).await;
            match settle(tx, deleted).await {
                Err(error)
                    if expected.is_none()
                        && repository.is_worth_a_try(&error, &mut retries).await => {}
                deleted => return deleted,
            }
        }
    }
}

impl<T: Entity> IntoFuture for Delete<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T: Entity> fmt::Debug for Update<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("key", &self.key)
            .field("patch", &self.patch)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl<T: Entity> fmt::Debug for Delete<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delete")
            .field("key", &self.key)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}
