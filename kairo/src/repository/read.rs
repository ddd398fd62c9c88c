//! Reading one entity by its id.

use std::ops::Deref;

use super::{Entity, IdOf, Repository, id::Key, shape::decode, write::missing};
#[cfg(doc)]
use crate::error::Error;
use crate::{bus::Bus, clock::Timestamp, documents::Document, error::Result, observe};

/// An entity with what the store knows of it. It dereferences to the entity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored<T> {
    /// The entity.
    pub entity: T,
    /// Rises with every change, from 1.
    pub version: u64,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.entity
    }
}

impl<T: Entity> Repository<T> {
    /// The entity with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; [`Error::Invalid`] for what cannot be an id;
    /// [`Error::UnreadableDocument`], naming the field, when what is stored does not fit the struct;
    /// [`Error::Store`] when the store fails.
    pub async fn get(&self, id: impl IdOf<T::Id>) -> Result<T> {
        let key = Key::of::<T>(&id)?;
        decode(&self.document(&key).await?.ok_or_else(|| missing::<T>(&key.id))?)
    }

    /// The entity with this id, if there is one.
    ///
    /// # Errors
    /// As [`get`](Self::get), without [`Error::NotFound`].
    pub async fn lookup(&self, id: impl IdOf<T::Id>) -> Result<Option<T>> {
        let document = self.document(&Key::of::<T>(&id)?).await?;
        document.as_ref().map(decode).transpose()
    }

    /// The entity with this id, and its version and times.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn stored(&self, id: impl IdOf<T::Id>) -> Result<Stored<T>> {
        let key = Key::of::<T>(&id)?;
        let document = self.document(&key).await?.ok_or_else(|| missing::<T>(&key.id))?;
        let entity = decode(&document)?;
        let Document { version, created, body, .. } = document;
        Ok(Stored { entity, version, created, changed: body.time })
    }

    /// Whether there is an entity with this id.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be an id, [`Error::Store`] when the store fails.
    pub async fn exists(&self, id: impl IdOf<T::Id>) -> Result<bool> {
        Ok(self.document(&Key::of::<T>(&id)?).await?.is_some())
    }

    async fn document(&self, key: &Key) -> Result<Option<Document>> {
        self.read()?.get().engine.backend.document(T::COLLECTION, &key.id).await
    }

    /// The bus, for a read, which is counted.
    pub(super) fn read(&self) -> Result<Bus<'static>> {
        metrics::counter!(observe::READS, "collection" => T::COLLECTION.name).increment(1);
        self.publisher.bus()
    }
}
