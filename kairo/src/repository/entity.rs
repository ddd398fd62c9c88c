//! What `#[repository]` makes of a struct.

use std::fmt::Debug;

use super::{EntityId, hooks::HookCalls};
use crate::{
    documents::{Collection, EntityEntry, EventNames},
    error::DecodeError,
    event::{Data, decode_named},
    handler::Location,
    validation::Violations,
};

/// A struct whose values a repository keeps; `#[repository("its-name")]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no repository",
    label = "not an entity",
    note = "put `#[kairo::repository(\"its-name\")]` on the definition of `{Self}`"
)]
pub trait Entity: Data {
    /// The type of its `#[id]`.
    type Id: EntityId;

    /// Which fields an update sets.
    type Patch: Patch<Self>;

    /// Its type, as errors say it.
    const NAME: &'static str;

    /// Where its documents are.
    const COLLECTION: &'static Collection;

    /// The version of its shape, from 1.
    const SCHEMA: u32 = 1;

    /// The names of its events; `None` where it tells of nothing.
    const EVENTS: Option<&'static EventNames>;

    /// What the names of its streams begin with.
    #[doc(hidden)]
    const STREAM: &'static str = match Self::EVENTS {
        Some(names) => names.stream,
        None => Self::COLLECTION.name,
    };

    /// Its id.
    fn id(&self) -> &Self::Id;

    /// Checks the rules of its fields.
    ///
    /// # Errors
    /// All that is wrong, with the names of the fields.
    fn check(&self) -> Result<(), Violations> {
        Ok(())
    }

    /// Its `#[version]`, if it has such a field.
    fn version(&self) -> Option<u64> {
        None
    }

    /// Fills its `#[version]`.
    #[doc(hidden)]
    fn set_version(&mut self, _version: u64) {}

    /// Reads a document of this shape, or of an older one through `from(..)`.
    ///
    /// # Errors
    /// [`DecodeError`] for a newer shape, or for JSON that does not fit.
    #[doc(hidden)]
    fn decode(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
        decode_shape(Self::COLLECTION.name, Self::SCHEMA, schema, json)
    }

    /// What is done before and after its changes.
    #[doc(hidden)]
    #[must_use]
    fn hooks() -> Option<HookCalls<Self>> {
        None
    }
}

/// An entity whose changes are told by events: every one without `emit_events = false`.
#[diagnostic::on_unimplemented(
    message = "nothing tells of changes of `{Self}`",
    label = "it is no `#[repository]`, or has `emit_events = false`",
    note = "remove `emit_events = false` from the `#[repository(..)]` of `{Self}`"
)]
pub trait Emits: Entity {
    /// The names of its events.
    const NAMES: &'static EventNames;
}

/// An entity with a `#[version]` field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know its version",
    label = "it has no `#[version]` field",
    note = "add `#[version] version: u64` to `{Self}`, or use `update`, `update_with` or `upsert`"
)]
pub trait Versioned: Entity {}

/// Which fields of a `T` an update sets; `#[repository]` makes one beside each entity.
pub trait Patch<T>: Clone + Debug + Send + Sync + 'static {
    /// Sets them.
    fn apply(self, entity: &mut T);
}

/// Reads JSON of a shape that must not be newer than what is known.
///
/// # Errors
/// [`DecodeError`] for a newer shape, or JSON that does not fit.
pub fn decode_shape<T: Data>(
    name: &str,
    known: u32,
    schema: u32,
    json: &[u8],
) -> Result<T, DecodeError> {
    if known < schema {
        return Err(DecodeError::Newer { event: name.to_owned(), found: schema, known });
    }
    decode_named(name, json)
}

/// Makes an entity of an older shape of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of its older shape `{Old}`",
    label = "there is no `From<{Old}>` for `{Self}`",
    note = "write `impl From<{Old}> for {Self} {{ fn from(old: {Old}) -> Self {{ .. }} }}`"
)]
pub trait Upgrade<Old> {
    /// Makes it.
    fn upgrade(old: Old) -> Self;
}

#[diagnostic::do_not_recommend]
impl<Old, New: From<Old>> Upgrade<Old> for New {
    fn upgrade(old: Old) -> Self {
        old.into()
    }
}

/// The entry of an entity that is declared where this is called.
#[must_use]
#[track_caller]
pub const fn entity_entry<T: Entity>(module: &'static str) -> EntityEntry {
    EntityEntry {
        collection: T::COLLECTION,
        events: T::EVENTS,
        type_name: T::NAME,
        location: Location::here(module),
    }
}
