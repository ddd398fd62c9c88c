//! Events: what a type must offer to be one, and the forms in which events are passed around.

pub mod envelope;
pub mod fact;
pub mod key;
pub mod name;
pub mod pattern;
pub mod publishable;
pub mod record;

use std::{any::TypeId, collections::HashMap, fmt::Debug, sync::LazyLock};

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use self::{
    envelope::AnyEvent,
    name::{EventName, StreamName},
};
use crate::{
    error::{DecodeError, Error, Result},
    handler::{
        Location,
        entry::{Intake, Listen},
    },
    validation::Violations,
};

/// A payload with a stable name; `#[event("its.name")]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "to make it one, put `#[kairo::event(\"its.name\")]` on the definition of `{Self}`"
)]
pub trait Event: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// The stable, dotted name.
    const NAME: &'static str;

    /// The version of the payload's shape, from 1.
    const SCHEMA: u32 = 1;

    /// Whether the event lives in memory only.
    const EPHEMERAL: bool = false;

    /// The stream that the payload names, from its `#[key]` or `stream = ".."`.
    fn stream(&self) -> Option<String> {
        None
    }

    /// Checks what `#[event(.., validate)]` asks for; anything goes by default.
    ///
    /// # Errors
    /// What is wrong with the payload.
    fn validate(&self) -> Result<(), Violations> {
        Ok(())
    }

    /// Decodes a stored payload of this or, through its upcasts, an older version.
    ///
    /// # Errors
    /// [`DecodeError`] for another event's name, a newer version, or bytes that do not fit.
    fn decode(name: &str, schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
        if name != Self::NAME {
            let target = std::any::type_name::<Self>();
            return Err(DecodeError::Unknown { event: name.to_owned(), target });
        }
        Self::decode_schema(schema, json)
    }

    /// Decodes one version of the shape; `from(..)` in `#[event]` extends it to older ones.
    #[doc(hidden)]
    fn decode_schema(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
        decode_exactly(schema, json)
    }
}

/// Decodes a payload whose schema version must be that of the type.
pub(crate) fn decode_exactly<E: Event>(schema: u32, json: &[u8]) -> Result<E, DecodeError> {
    if E::SCHEMA < schema {
        let event = E::NAME.to_owned();
        return Err(DecodeError::Newer { event, found: schema, known: E::SCHEMA });
    }
    decode_named(E::NAME, json)
}

/// Decodes what an error calls by this name.
pub(crate) fn decode_named<T: DeserializeOwned>(name: &str, json: &[u8]) -> Result<T, DecodeError> {
    // Text that is checked as a whole is read faster than bytes whose strings are checked singly.
    let decoded = match str::from_utf8(json) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(json),
    };
    decoded.map_err(|source| DecodeError::Malformed { event: name.to_owned(), source })
}

/// Decodes a payload of the newest version, or of an older one by way of the type before it.
#[doc(hidden)]
pub fn decode_from<E: Event, Old: Event>(
    schema: u32,
    json: &[u8],
    upcast: fn(Old) -> E,
) -> Result<E, DecodeError> {
    if schema < E::SCHEMA {
        return Old::decode_schema(schema, json).map(upcast);
    }
    decode_exactly(schema, json)
}

/// Makes the current version of an event from the one before it.
#[diagnostic::on_unimplemented(
    message = "no upcast from `{Old}` to `{Self}`",
    label = "`{Self}` cannot be made from this older version",
    note = "write `impl kairo::Upcast<{Old}> for {Self} {{ fn upcast(old: {Old}) -> Self {{ .. }} }}`"
)]
pub trait Upcast<Old: Event>: Event {
    /// Turns the older payload into this one. It must not fail: the event has already happened.
    fn upcast(old: Old) -> Self;
}

/// A typed event enum: one of several events; `#[events]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of events, so it cannot receive everything that matches a pattern",
    label = "expected an `#[events]` enum or `AnyEvent`",
    note = "a `pattern` handler receives several kinds of events; for one kind only, write `#[handler(event = \"..\")]`"
)]
pub trait EventSet: Sized + Send + Sync + 'static {
    /// The names of its members.
    const NAMES: &'static [&'static str];

    /// The types of its members, in the order of their names, as they are written.
    #[doc(hidden)]
    const TYPES: &'static [&'static str] = &[];

    /// Whether it can also hold events of other names.
    const OPEN: bool = false;

    /// Whether its members live in memory only.
    const EPHEMERAL: bool = false;

    /// What it can hold, listening to its members.
    #[doc(hidden)]
    const INTAKE: Intake = Intake {
        listen: Listen::Members,
        members: Self::NAMES,
        open: Self::OPEN,
        ephemeral: Self::EPHEMERAL,
        own: None,
    };

    /// Decodes any of its members by name.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`] for a name that is no member, else as [`Event::decode`].
    fn decode_set(event: &AnyEvent) -> Result<Self, DecodeError>;
}

/// What a field of an event must offer; every type with the four derives has it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of an event",
    label = "events are stored and sent, which `{Self}` does not support",
    note = "put `#[kairo::data]` on the definition of `{Self}` (or derive `Serialize`, `Deserialize`, `Clone` and `Debug`), or skip the field with `#[serde(skip)]`"
)]
pub trait Data: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static> Data for T {}

/// Asks the compiler whether a field can be part of an event.
#[doc(hidden)]
pub const fn fits<T: Data>() {}

/// An event type of a linked crate, as `#[event]` registers it.
#[derive(Debug)]
pub struct EventEntry {
    /// The event's name.
    pub name: &'static str,
    /// The version of the payload's shape.
    pub schema: u32,
    /// Whether the event lives in memory only.
    pub ephemeral: bool,
    /// The Rust type.
    pub type_id: TypeId,
    /// Its name.
    pub type_name: &'static str,
    /// Where it is declared.
    pub location: Location,
    /// Decodes and validates a payload of a schema version, and tells the stream that it names.
    pub check: fn(u32, &[u8]) -> Result<Option<String>>,
}

inventory::collect!(EventEntry);

/// The entry of an event type that is declared where this is called.
#[doc(hidden)]
#[must_use]
#[track_caller]
pub const fn event_entry<E: Event>(module: &'static str, type_name: &'static str) -> EventEntry {
    EventEntry {
        name: E::NAME,
        schema: E::SCHEMA,
        ephemeral: E::EPHEMERAL,
        type_id: TypeId::of::<E>(),
        type_name,
        location: Location::here(module),
        check: check::<E>,
    }
}

/// Decodes and validates a payload of a schema version, and tells the stream that it names.
fn check<E: Event>(schema: u32, json: &[u8]) -> Result<Option<String>> {
    let event = E::decode_schema(schema, json)?;
    event.validate().map_err(|reason| Error::invalid("event", E::NAME, reason))?;
    Ok(event.stream())
}

/// The newest registered version of an event.
pub(crate) fn registered(name: &str) -> Option<&'static EventEntry> {
    static ENTRIES: LazyLock<HashMap<&'static str, &'static EventEntry>> = LazyLock::new(|| {
        let mut entries: HashMap<&str, &EventEntry> = HashMap::new();
        for entry in inventory::iter::<EventEntry> {
            let newest = entries.entry(entry.name).or_insert(entry);
            if newest.schema < entry.schema {
                *newest = entry;
            }
        }
        entries
    });
    ENTRIES.get(name).copied()
}

/// The stream of an event that names none: one of its own.
pub(crate) fn own_stream(name: &EventName, id: Uuid) -> StreamName {
    StreamName::stored(&format!("{}-{}", name.first_segment(), id.as_simple()))
}
