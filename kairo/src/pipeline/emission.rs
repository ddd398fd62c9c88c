//! What a stage emits: an event, perhaps one, or several.

use super::{Miss, Run};
use crate::{bus::publish_on, error::Result, event::publishable::Publishable};

/// What an `#[emit]` method may return: an event, an `Option` of one, or a `Vec` of them, which are
/// published in one commit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be emitted",
    label = "expected an event to publish",
    note = "an `#[emit]` method returns an event, an `Option` or a `Vec` of events, or a `Result` of one of these; to make `{Self}` an event, put `#[kairo::event(\"its.name\")]` on its definition"
)]
pub trait Emission: Send {
    /// Publishes it. When this returns Ok, what is durable is in the log.
    #[doc(hidden)]
    fn emit(self, run: &Run<'_>) -> impl Future<Output = Result<(), Miss>> + Send;
}

#[diagnostic::do_not_recommend]
impl<E: Publishable> Emission for E {
    async fn emit(self, run: &Run<'_>) -> Result<(), Miss> {
        one(self, run).await.map_err(Miss::Unpublished)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Emission> Emission for Option<E> {
    async fn emit(self, run: &Run<'_>) -> Result<(), Miss> {
        match self {
            Some(event) => event.emit(run).await,
            None => Ok(()),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<E: Publishable> Emission for Vec<E> {
    async fn emit(self, run: &Run<'_>) -> Result<(), Miss> {
        several(self, run).await.map_err(Miss::Unpublished)
    }
}

async fn one<E: Publishable>(event: E, run: &Run<'_>) -> Result {
    if event.in_memory().is_some() {
        return publish_on(run.shared(), event).await.map(drop);
    }
    let draft = event.draft()?;
    drop(event);
    run.append(vec![draft]).await
}

async fn several<E: Publishable>(events: Vec<E>, run: &Run<'_>) -> Result {
    if events.iter().all(|event| event.in_memory().is_none()) {
        let drafts = events.iter().map(Publishable::draft).collect::<Result<_>>()?;
        drop(events);
        return run.append(drafts).await;
    }
    for event in events {
        one(event, run).await?;
    }
    Ok(())
}

/// An event that `#[emit(Event)]` makes of what a stage gives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a `{T}`, which is what the stage gives",
    label = "no `From<&{T}>`",
    note = "write `impl From<&{T}> for {Self}`, or make it a newtype, `struct {Self}({T});`; or use an `#[emit]` method, which makes the event itself"
)]
pub trait EmittedFrom<T> {
    /// Makes the event.
    #[doc(hidden)]
    fn emitted_from(flow: &T) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: for<'a> From<&'a T>> EmittedFrom<T> for E {
    fn emitted_from(flow: &T) -> Self {
        Self::from(flow)
    }
}
