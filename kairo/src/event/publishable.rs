//! What can be handed to `publish`: an event of its own type, or one whose type is not known here.

use std::any::{Any, TypeId};

use super::{Event, envelope::AnyEvent, record::Draft, registered};
use crate::{
    error::{Error, Result},
    handler::delivery::Payload,
};

/// An event that can be published: every `#[event]`, a value of a typed event enum, and
/// [`AnyEvent`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published",
    label = "not an event",
    note = "to make it an event, put `#[kairo::event(\"its.name\")]` on the definition of `{Self}`"
)]
pub trait Publishable: Send + Sync {
    /// Whether it lives in memory only, so that nothing which is stored can hold it.
    #[doc(hidden)]
    const EPHEMERAL: bool = false;

    /// Encodes the event, after checking what its type asks for.
    ///
    /// # Errors
    /// [`Error::Encode`] or [`Error::Invalid`].
    fn draft(&self) -> Result<Draft>;

    /// The value itself, where the event lives in memory only.
    #[doc(hidden)]
    fn in_memory(&self) -> Option<InMemory<'_>> {
        None
    }
}

/// An ephemeral event, as its handlers are given it.
#[doc(hidden)]
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it is never shown")]
pub struct InMemory<'a> {
    pub(crate) type_id: TypeId,
    pub(crate) name: &'static str,
    /// The value, as a delivery carries it.
    pub(crate) payload: Payload<'a>,
}

#[diagnostic::do_not_recommend]
impl<E: Event> Publishable for E {
    const EPHEMERAL: bool = E::EPHEMERAL;

    fn draft(&self) -> Result<Draft> {
        self.validate().map_err(|error| Error::invalid("payload of event", E::NAME, error))?;
        Draft::encode(self)
    }

    fn in_memory(&self) -> Option<InMemory<'_>> {
        let payload = Payload::Shared { value: self, encode: encode::<E> };
        E::EPHEMERAL.then_some(InMemory { name: E::NAME, type_id: TypeId::of::<E>(), payload })
    }
}

fn encode<E: Event>(value: &dyn Any) -> Result<Draft> {
    match value.downcast_ref::<E>() {
        Some(event) => Draft::encode(event),
        None => Err(Error::Misuse("an ephemeral event was published as another type")),
    }
}

/// The event that a variant of a typed event enum holds. Its name is only there to be mentioned, for
/// the sake of the compiler's messages.
#[doc(hidden)]
pub fn member_draft<E: Event>(_name: &str, event: &E) -> Result<Draft> {
    event.draft()
}

/// As [`member_draft`], where it lives in memory only.
#[doc(hidden)]
pub fn member_in_memory<'a, E: Event>(_name: &str, event: &'a E) -> Option<InMemory<'a>> {
    event.in_memory()
}

/// The event that the fields of a variant of a typed event enum are.
///
/// # Errors
/// [`Error::Misuse`] for an ephemeral one: its handlers share a value, and this is a copy.
#[doc(hidden)]
#[expect(clippy::needless_pass_by_value, reason = "it is made for this call")]
pub fn inline_draft<E: Event>(event: E) -> Result<Draft> {
    if E::EPHEMERAL {
        return Err(Error::Misuse(
            "an ephemeral event that is the fields of a variant is published as its own struct",
        ));
    }
    event.draft()
}

impl Publishable for AnyEvent {
    fn draft(&self) -> Result<Draft> {
        let data = self.data();
        if registered(self.name()).is_some_and(|entry| entry.ephemeral) {
            return Err(Error::Misuse("an ephemeral event can only be published by its type"));
        }
        Ok(Draft {
            name: data.name.clone(),
            schema: data.schema,
            stream: Some(data.stream.clone()),
            payload: data.payload.clone(),
        })
    }
}
