//! What can be the id of an entity, and how it is written as text.

use serde_json::Value;

use super::Entity;
use crate::{
    error::{Error, Result},
    event::{Data, name::StreamName},
};

/// What can be the id of an entity: a type that serde writes as a text or as a whole number, such as
/// a `Uuid`, a `String`, an integer, or a newtype of one of these.
///
/// Its text is the id of the document, and part of the name of the stream of its events: together with
/// the stream's prefix at most 255 bytes without control characters.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the id of an entity",
    label = "an id is a `Uuid`, a `String`, an integer, or a newtype of one of these",
    note = "put `#[kairo::data]` on the definition of `{Self}`"
)]
pub trait EntityId: Data {}

#[diagnostic::do_not_recommend]
impl<T: Data> EntityId for T {}

/// What names an entity: its id, a reference to it, or a `&str` where the id is a `String`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the id of this entity",
    label = "expected `{Id}`, or a reference to one"
)]
pub trait IdOf<Id> {
    /// Writes it as text.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is neither a text nor a whole number.
    #[doc(hidden)]
    fn text(&self) -> Result<String>;
}

#[diagnostic::do_not_recommend]
impl<Id: EntityId> IdOf<Self> for Id {
    fn text(&self) -> Result<String> {
        let value = serde_json::to_value(self).map_err(|error| invalid("", &error))?;
        match value {
            Value::String(text) => Ok(text),
            Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
            other => Err(invalid(&other.to_string(), &"it is a text or a whole number")),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<Id: EntityId> IdOf<Id> for &Id {
    fn text(&self) -> Result<String> {
        IdOf::<Id>::text(*self)
    }
}

impl IdOf<String> for &str {
    fn text(&self) -> Result<String> {
        Ok((*self).to_owned())
    }
}

fn invalid(id: &str, why: &impl ToString) -> Error {
    Error::invalid("id", id, why.to_string())
}

/// Where an entity is: the id of its document, and the stream of its events.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) stream: StreamName,
}

impl Key {
    /// The place of the entity with this id.
    pub(super) fn of<T: Entity>(id: &impl IdOf<T::Id>) -> Result<Self> {
        let id = id.text()?;
        if id.is_empty() {
            return Err(invalid(&id, &"it has no character; use at least one"));
        }
        let stream = format!("{}-{id}", T::STREAM);
        let stream = StreamName::new(stream).map_err(|error| match error {
            Error::Invalid { allowed, .. } => {
                invalid(&id.escape_debug().to_string(), &format!("as part of a stream {allowed}"))
            }
            other => other,
        })?;
        Ok(Self { id, stream })
    }
}
