//! What an entity does before and after it changes.

use super::{Entity, Repository};
use crate::{
    engine::tx::Tx,
    error::{Error, Result},
    handler::Failure,
    store::BoxFuture,
};

/// What an entity with `#[repository(.., hooks)]` does before and after it changes.
///
/// What runs before a change belongs to its transaction: it can set fields, look at and change other
/// entities, and publish through `tx`; an error undoes everything. It may run again when somebody else
/// has changed the entity meanwhile. What runs after a change does so once it has committed, and
/// cannot stop it any more: for what must not be lost, handle the event.
///
/// ```
/// use kairo::{prelude::*, repository::Hooks};
///
/// #[repository("articles", hooks)]
/// struct Article { #[id] id: u64, title: String, slug: String }
///
/// impl Hooks for Article {
///     async fn before_create(&mut self, _tx: &mut Tx) -> Result<(), Failure> {
///         self.slug = self.title.to_lowercase().replace(' ', "-");
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no hooks",
    label = "`hooks` asks for `impl kairo::repository::Hooks`",
    note = "write `impl kairo::repository::Hooks for {Self} {{ .. }}`, or remove `hooks`"
)]
pub trait Hooks: Entity {
    /// Runs before one is created.
    ///
    /// # Errors
    /// Why it must not be.
    fn before_create(&mut self, tx: &mut Tx) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = tx;
        async { Ok(()) }
    }

    /// Runs before one is changed, with what it was; not where nothing would change.
    ///
    /// # Errors
    /// Why it must not be.
    fn before_update(
        &mut self,
        before: &Self,
        tx: &mut Tx,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (before, tx);
        async { Ok(()) }
    }

    /// Runs before one is deleted.
    ///
    /// # Errors
    /// Why it must not be.
    fn before_delete(&self, tx: &mut Tx) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = tx;
        async { Ok(()) }
    }

    /// Runs after one was created.
    fn after_create(&self, repository: &Repository<Self>) -> impl Future<Output = ()> + Send {
        let _ = repository;
        async {}
    }

    /// Runs after one was changed, with what it was.
    fn after_update(
        &self,
        before: &Self,
        repository: &Repository<Self>,
    ) -> impl Future<Output = ()> + Send {
        let _ = (before, repository);
        async {}
    }

    /// Runs after one was deleted.
    fn after_delete(&self, repository: &Repository<Self>) -> impl Future<Output = ()> + Send {
        let _ = repository;
        async {}
    }

    /// How they are called.
    #[doc(hidden)]
    #[must_use]
    fn calls() -> HookCalls<Self> {
        HookCalls {
            before_create: |entity, tx| Box::pin(entity.before_create(tx)),
            before_update: |entity, before, tx| Box::pin(entity.before_update(before, tx)),
            before_delete: |entity, tx| Box::pin(entity.before_delete(tx)),
            after_create: |entity, repository| {
                Box::pin(async move { entity.after_create(&repository).await })
            },
            after_update: |entity, before, repository| {
                Box::pin(async move { entity.after_update(&before, &repository).await })
            },
            after_delete: |entity, repository| {
                Box::pin(async move { entity.after_delete(&repository).await })
            },
        }
    }
}

type Before<'a> = BoxFuture<'a, Result<(), Failure>>;
type After = BoxFuture<'static, ()>;

/// The hooks of an entity, so that one without any pays for none.
#[doc(hidden)]
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it is never shown")]
pub struct HookCalls<T> {
    pub(super) before_create: for<'a> fn(&'a mut T, &'a mut Tx) -> Before<'a>,
    pub(super) before_update: for<'a> fn(&'a mut T, &'a T, &'a mut Tx) -> Before<'a>,
    pub(super) before_delete: for<'a> fn(&'a T, &'a mut Tx) -> Before<'a>,
    pub(super) after_create: fn(T, Repository<T>) -> After,
    pub(super) after_update: fn(T, T, Repository<T>) -> After,
    pub(super) after_delete: fn(T, Repository<T>) -> After,
}

/// What a refusal of a hook or closure comes to: an error of ours as it is, or what else it said.
pub(super) fn refused<T: Entity>(id: &str, failure: Failure) -> Error {
    match failure.into_error().downcast::<Error>() {
        Ok(error) => *error,
        Err(source) => Error::Refused { entity: T::NAME, id: id.to_owned(), source },
    }
}
