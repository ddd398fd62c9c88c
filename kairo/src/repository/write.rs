//! Changing entities inside a transaction: the document, and the event that tells of it.

use bytes::Bytes;
use serde::Serialize;

use super::{
    Entity, IdOf, Patch, Repository,
    hooks::refused,
    id::Key,
    shape::{changes, decode, encode},
};
use crate::{
    documents::{Body, Change, Document, DocumentChange, EventNames},
    engine::tx::Tx,
    error::{Error, Result},
    event::{name::EventName, record::Draft},
    handler::{Failure, IntoFailure},
};

/// What the closure of an update may return: nothing, or a `Result` whose error leaves everything as it
/// is.
#[diagnostic::on_unimplemented(
    message = "the closure of an update cannot return `{Self}`",
    label = "expected `()` or `Result<(), E>`"
)]
pub trait Verdict {
    /// Whether the update is to be made.
    ///
    /// # Errors
    /// Why not.
    #[doc(hidden)]
    fn verdict(self) -> Result<(), Failure>;
}

impl Verdict for () {
    fn verdict(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<E: IntoFailure> Verdict for Result<(), E> {
    fn verdict(self) -> Result<(), Failure> {
        self.map_err(E::into_failure)
    }
}

/// The payload of an event, by reference.
#[derive(Serialize)]
#[serde(bound = "T: Entity")]
struct Telling<'a, T: Entity> {
    id: &'a T::Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a T>,
    entity: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a [String]>,
}

impl<'a, T: Entity> Telling<'a, T> {
    fn of(entity: &'a T) -> Self {
        Self { id: entity.id(), before: None, entity, changes: None }
    }

    /// Adds the event to the transaction.
    fn tell(&self, tx: &mut Tx, key: &Key, name: fn(&EventNames) -> &'static str) -> Result {
        let Some(names) = T::EVENTS else { return Ok(()) };
        let event = name(names);
        let payload = serde_json::to_vec(self)
            .map_err(|source| Error::Encode { event: event.to_owned(), source })?;
        tx.append(Draft {
            name: EventName::checked(event),
            schema: T::SCHEMA,
            stream: Some(key.stream.clone()),
            payload: payload.into(),
        })?;
        Ok(())
    }
}

impl<T: Entity> Repository<T> {
    /// As [`create`](Self::create), as part of a transaction.
    ///
    /// ```
    /// # use kairo::prelude::*;
    /// # #[repository("users")] struct User { #[id] id: u64, name: String }
    /// # #[repository("wallets")] struct Wallet { #[id] owner: u64, cents: u64 }
    /// # async fn run(kairo: Kairo) -> kairo::Result {
    /// let (users, wallets) = (kairo.repository::<User>(), kairo.repository::<Wallet>());
    /// kairo
    ///     .transaction(async |tx| {
    ///         users.create_in(tx, User { id: 7, name: "Ada".into() }).await?;
    ///         wallets.create_in(tx, Wallet { owner: 7, cents: 0 }).await?;
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As `create`; that the id or a unique value is taken may be said by the commit.
    pub async fn create_in(&self, tx: &mut Tx, mut entity: T) -> Result<T> {
        let hooks = T::hooks();
        if let Some(hooks) = &hooks {
            let made = (hooks.before_create)(&mut entity, tx).await;
            made.map_err(|failure| refused::<T>(&shown(&entity), failure))?;
        }
        let key = Key::of::<T>(entity.id())?;
        check(&entity, &key)?;
        entity.set_version(tx.next_version(T::COLLECTION, &key.id));
        let json = encode(&entity, &key.id)?;
        let insert = Change::Insert(body::<T>(tx, json));
        tx.change(&change_of::<T>(&key, insert))?;
        Telling::of(&entity).tell(tx, &key, |names| names.created)?;
        if let Some(hooks) = hooks {
            tx.after((hooks.after_create)(entity.clone(), self.clone()));
        }
        Ok(entity)
    }

    /// As [`get`](Self::get), as the transaction sees it.
    ///
    /// # Errors
    /// As `get`.
    pub async fn get_in(&self, tx: &mut Tx, id: impl IdOf<T::Id>) -> Result<T> {
        let key = Key::of::<T>(&id)?;
        let document = tx.document(T::COLLECTION, &key.id).await?;
        decode(&document.ok_or_else(|| missing::<T>(&key.id))?)
    }

    /// As [`lookup`](Self::lookup), as the transaction sees it.
    ///
    /// # Errors
    /// As `lookup`.
    pub async fn lookup_in(&self, tx: &mut Tx, id: impl IdOf<T::Id>) -> Result<Option<T>> {
        let key = Key::of::<T>(&id)?;
        let document = tx.document(T::COLLECTION, &key.id).await?;
        document.as_ref().map(decode).transpose()
    }

    /// As [`update`](Self::update), as part of a transaction.
    ///
    /// # Errors
    /// As `update`; that somebody else has changed it meanwhile is said by the commit.
    pub async fn update_in(&self, tx: &mut Tx, id: impl IdOf<T::Id>, patch: T::Patch) -> Result<T> {
        let key = Key::of::<T>(&id)?;
        self.replace(tx, &key, None, |entity| patch.apply(entity)).await
    }

    /// As [`update_with`](Self::update_with), as part of a transaction; the closure runs once.
    ///
    /// # Errors
    /// As `update_with`; that somebody else has changed it meanwhile is said by the commit.
    pub async fn update_with_in<V: Verdict>(
        &self,
        tx: &mut Tx,
        id: impl IdOf<T::Id>,
        change: impl FnOnce(&mut T) -> V + Send,
    ) -> Result<T> {
        let key = Key::of::<T>(&id)?;
        self.replace(tx, &key, None, change).await
    }

    /// As [`upsert`](Self::upsert), as part of a transaction.
    ///
    /// # Errors
    /// As `upsert`; that somebody else was quicker is said by the commit.
    pub async fn upsert_in(&self, tx: &mut Tx, entity: T) -> Result<T> {
        let key = Key::of::<T>(entity.id())?;
        match tx.document(T::COLLECTION, &key.id).await? {
            Some(_) => self.replace(tx, &key, None, |there| *there = entity).await,
            None => self.create_in(tx, entity).await,
        }
    }

    /// As [`delete`](Self::delete), as part of a transaction.
    ///
    /// # Errors
    /// As `delete`; that somebody else has changed it meanwhile is said by the commit.
    pub async fn delete_in(&self, tx: &mut Tx, id: impl IdOf<T::Id>) -> Result<T> {
        self.remove(tx, &Key::of::<T>(&id)?, None).await
    }

    /// Puts another entity in the place of the one that is there at the expected version.
    pub(super) async fn replace<V: Verdict>(
        &self,
        tx: &mut Tx,
        key: &Key,
        expected: Option<u64>,
        change: impl FnOnce(&mut T) -> V + Send,
    ) -> Result<T> {
        let document = self.seen(tx, key, expected).await?;
        let before: T = decode(&document)?;
        let mut entity = before.clone();
        change(&mut entity).verdict().map_err(|failure| refused::<T>(&key.id, failure))?;
        let was = encode(&before, &key.id)?;
        if difference(&mut entity, &document, &was, key)?.is_empty() {
            return Ok(before);
        }
        let hooks = T::hooks();
        if let Some(hooks) = &hooks {
            let made = (hooks.before_update)(&mut entity, &before, tx).await;
            made.map_err(|failure| refused::<T>(&key.id, failure))?;
        }
        check(&entity, key)?;
        let changes = difference(&mut entity, &document, &was, key)?;
        if changes.is_empty() {
            return Ok(before);
        }
        entity.set_version(tx.next_version(T::COLLECTION, &key.id));
        let json = encode(&entity, &key.id)?;
        let replace = Change::Replace(document.seen(), body::<T>(tx, json));
        tx.change(&change_of::<T>(key, replace))?;
        let told =
            Telling { before: Some(&before), changes: Some(&changes), ..Telling::of(&entity) };
        told.tell(tx, key, |names| names.updated)?;
        if let Some(hooks) = hooks {
            tx.after((hooks.after_update)(entity.clone(), before, self.clone()));
        }
        Ok(entity)
    }

    /// Takes away the entity that is there at the expected version.
    pub(super) async fn remove(&self, tx: &mut Tx, key: &Key, expected: Option<u64>) -> Result<T> {
        let document = self.seen(tx, key, expected).await?;
        let entity: T = decode(&document)?;
        let hooks = T::hooks();
        if let Some(hooks) = &hooks {
            let made = (hooks.before_delete)(&entity, tx).await;
            made.map_err(|failure| refused::<T>(&key.id, failure))?;
        }
        tx.change(&change_of::<T>(key, Change::Remove(document.seen())))?;
        Telling::of(&entity).tell(tx, key, |names| names.deleted)?;
        if let Some(hooks) = hooks {
            tx.after((hooks.after_delete)(entity.clone(), self.clone()));
        }
        Ok(entity)
    }

    /// The document that is there, at the expected version.
    async fn seen(&self, tx: &mut Tx, key: &Key, expected: Option<u64>) -> Result<Document> {
        let document = tx.document(T::COLLECTION, &key.id).await?;
        let document = document.ok_or_else(|| missing::<T>(&key.id))?;
        match expected {
            Some(expected) if expected != document.version => Err(Error::DocumentMoved {
                collection: T::COLLECTION.name,
                id: key.id.clone(),
                expected,
                actual: Some(document.version),
            }),
            _ => Ok(document),
        }
    }
}

/// The fields in which an entity differs from what it was. Its version is none of them.
fn difference<T: Entity>(
    entity: &mut T,
    document: &Document,
    was: &Bytes,
    key: &Key,
) -> Result<Vec<String>> {
    entity.set_version(document.version);
    if Key::of::<T>(entity.id())?.id != key.id {
        let allowed = format!("the id of {} `{}` cannot be changed", T::NAME, key.id);
        return Err(Error::invalid("id", shown(entity), allowed));
    }
    let json = encode(entity, &key.id)?;
    changes(was, &json).map_err(|error| Error::invalid(T::NAME, &*key.id, error.to_string()))
}

fn check<T: Entity>(entity: &T, key: &Key) -> Result {
    entity.check().map_err(|wrong| Error::invalid(T::NAME, &*key.id, wrong))
}

fn body<T: Entity>(tx: &Tx, json: Bytes) -> Body {
    Body { schema: T::SCHEMA, time: tx.now(), json }
}

fn change_of<T: Entity>(key: &Key, change: Change) -> DocumentChange {
    DocumentChange { collection: T::COLLECTION, id: key.id.clone(), change }
}

/// An id for people to read, whatever is wrong with it.
fn shown<T: Entity>(entity: &T) -> String {
    IdOf::<T::Id>::text(entity.id()).unwrap_or_default()
}

/// That there is no entity of this id.
pub(super) fn missing<T: Entity>(id: &str) -> Error {
    Error::NotFound { what: T::NAME, value: id.to_owned() }
}
