//! Repositories: entities that are kept as documents, and events that tell of every change.
//!
//! A change and its event commit together, so neither is ever there without the other.

mod entity;
mod id;
mod events;
mod field;
mod filter;
mod cursor;
mod shape;
mod hooks;
mod read;
mod find;
mod write;
mod update;
mod told;

use std::{fmt, marker::PhantomData};

pub use self::{
    cursor::PageCursor,
    entity::{Emits, Entity, Patch, Upgrade, Versioned, decode_shape, entity_entry},
    events::{Created, Deleted, Updated},
    field::{Comparable, Field, OrderBy, Textual, VALUES_MAX},
    filter::Filter,
    find::{Find, Found, Page},
    hooks::{HookCalls, Hooks},
    id::{EntityId, IdOf},
    read::Stored,
    update::{Delete, Update},
    write::Verdict,
};
use crate::{
    bus::{Kairo, Publisher},
    handler::{Context, Failure, FromContext},
};

/// The entities of one kind. Cloning it is cheap, and it does not keep the bus running.
///
/// ```
/// use kairo::prelude::*;
///
/// #[repository("users")]
/// struct User { #[id] id: u64, name: String, #[unique] email: String, nick: Option<String> }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> kairo::Result<()> {
/// let kairo = Kairo::builder().store("memory:").start().await?;
/// let users = kairo.repository::<User>();
/// let ada = User { id: 7, name: "Ada".into(), email: "ada@example.com".into(), nick: None };
/// users.create(ada).await?;
/// let ada = users.update(7, UserPatch::new().nick(Some("countess".into()))).await?;
/// assert_eq!(ada.nick.as_deref(), Some("countess"));
///
/// let found = users.find(User::fields().email.eq("ada@example.com")).await?;
/// assert_eq!(found[0].id, 7);
/// users.delete(7).await?;
/// assert!(!users.exists(7).await?);
/// # kairo.shutdown().await
/// # }
/// ```
///
/// Handlers take it as an argument, and services get it from a [`Publisher`]. What a handler changes
/// through it has the handled event as its cause; for effects that happen once, however often the
/// handler runs, hand the handler's `&mut Tx` to the methods that end in `_in`.
pub struct Repository<T> {
    publisher: Publisher,
    of: PhantomData<fn() -> T>,
}

impl<T: Entity> Repository<T> {
    const fn on(publisher: Publisher) -> Self {
        Self { publisher, of: PhantomData }
    }
}

impl Kairo {
    /// The entities of a type with `#[repository]` on it.
    #[must_use]
    pub fn repository<T: Entity>(&self) -> Repository<T> {
        Repository::on(self.publisher())
    }
}

impl Publisher {
    /// The entities of a type with `#[repository]` on it, as [`Kairo::repository`].
    #[must_use]
    pub fn repository<T: Entity>(&self) -> Repository<T> {
        Repository::on(self.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<T: Entity> FromContext for Repository<T> {
    async fn from_context(context: &Context) -> Result<Self, Failure> {
        Publisher::from_context(context).await.map(Self::on)
    }
}

impl<T> Clone for Repository<T> {
    fn clone(&self) -> Self {
        Self { publisher: self.publisher.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Repository<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entity = std::any::type_name::<T>();
        f.debug_struct("Repository").field("of", &entity).finish_non_exhaustive()
    }
}
