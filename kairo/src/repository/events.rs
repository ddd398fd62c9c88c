//! The events that tell what happens to entities.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Emits, Entity, id::Key};
use crate::{
    error::DecodeError,
    event::{Event, decode_named},
};

/// An entity was created: `users.created`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Entity")]
pub struct Created<T: Entity> {
    /// Its id.
    pub id: T::Id,
    /// The entity.
    pub entity: T,
}

/// An entity was changed: `users.updated`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Entity")]
pub struct Updated<T: Entity> {
    /// Its id.
    pub id: T::Id,
    /// What it was.
    pub before: T,
    /// What it is now.
    pub entity: T,
    /// The names of the fields that differ, as they are stored, in alphabetical order.
    pub changes: Vec<String>,
}

/// An entity was deleted: `users.deleted`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Entity")]
pub struct Deleted<T: Entity> {
    /// Its id.
    pub id: T::Id,
    /// What it was.
    pub entity: T,
}

impl<T: Entity> Updated<T> {
    /// Whether a field has changed.
    #[must_use]
    pub fn has_changed(&self, field: &str) -> bool {
        self.changes.iter().any(|changed| changed == field)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Emits> Event for Created<T> {
    const NAME: &'static str = T::NAMES.created;
    const SCHEMA: u32 = T::SCHEMA;

    fn stream(&self) -> Option<String> {
        stream::<T>(&self.id)
    }

    fn decode_schema(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
        let Told { id, entity, .. } = told::<T>(Self::NAME, json)?;
        Ok(Self { id, entity: part(Self::NAME, schema, &entity)? })
    }
}

#[diagnostic::do_not_recommend]
impl<T: Emits> Event for Updated<T> {
    const NAME: &'static str = T::NAMES.updated;
    const SCHEMA: u32 = T::SCHEMA;

    fn stream(&self) -> Option<String> {
        stream::<T>(&self.id)
    }

    fn decode_schema(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
        let Told { id, before, entity, changes } = told::<T>(Self::NAME, json)?;
        // Without one the payload is somebody else's, and `null` is no entity.
        let before = before.unwrap_or_else(|| RawValue::NULL.to_owned());
        let before = part(Self::NAME, schema, &before)?;
        Ok(Self { id, before, entity: part(Self::NAME, schema, &entity)?, changes })
    }
}

#[diagnostic::do_not_recommend]
impl<T: Emits> Event for Deleted<T> {
    const NAME: &'static str = T::NAMES.deleted;
    const SCHEMA: u32 = T::SCHEMA;

    fn stream(&self) -> Option<String> {
        stream::<T>(&self.id)
    }

    fn decode_schema(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
        let Told { id, entity, .. } = told::<T>(Self::NAME, json)?;
        Ok(Self { id, entity: part(Self::NAME, schema, &entity)? })
    }
}

fn stream<T: Entity>(id: &T::Id) -> Option<String> {
    Some(Key::of::<T>(id).ok()?.stream.as_str().to_owned())
}

/// What an event says, with its entities as JSON of whatever shape.
#[derive(Deserialize)]
#[serde(bound = "I: DeserializeOwned")]
struct Told<I> {
    id: I,
    before: Option<Box<RawValue>>,
    entity: Box<RawValue>,
    #[serde(default)]
    changes: Vec<String>,
}

fn told<T: Entity>(name: &str, json: &[u8]) -> Result<Told<T::Id>, DecodeError> {
    decode_named(name, json)
}

/// An entity in an event, whose errors then name the event.
fn part<T: Entity>(name: &str, schema: u32, json: &RawValue) -> Result<T, DecodeError> {
    T::decode(schema, json.get().as_bytes()).map_err(|error| match error {
        DecodeError::Newer { found, known, .. } => {
            DecodeError::Newer { event: name.to_owned(), found, known }
        }
        DecodeError::Malformed { source, .. } => {
            DecodeError::Malformed { event: name.to_owned(), source }
        }
        other => other,
    })
}
