//! Sagas that an event starts.

use std::sync::Arc;

use super::{Saga, SagaRef};
use crate::{
    bus::Publisher,
    engine::sagas::Origin,
    error::Error,
    event::Event,
    handler::{
        Failure, FromContext,
        delivery::{Delivery, HandlerFuture, RunError, run},
    },
};

/// The run of the handler that `#[saga(.., on = "..")]` is: it starts a saga for the event, which is
/// its input, and the event's id is the key under which it is started.
#[must_use]
pub fn start_saga<S: Saga<Input: Event>>(delivery: Delivery<'_>) -> HandlerFuture<'_> {
    run(async move {
        let input = delivery.own::<S::Input>()?;
        let event = delivery.any()?;
        let publisher =
            Publisher::from_context(delivery.context()).await.map_err(RunError::from)?;
        let bus = publisher.bus().map_err(Failure::from).map_err(RunError::from)?;
        let shared = bus.get();
        let code = shared.engine.sagas.code(S::NAME);
        let missing =
            || Failure::permanent(Error::NotFound { what: "saga", value: S::NAME.into() });
        let code = code.ok_or_else(missing)?;
        let saga = SagaRef::<S>::new(Arc::clone(shared), code);
        let origin = Origin {
            key: Some(event.id().to_string()),
            correlation: Some(event.correlation()),
            causation: Some(event.id()),
            depth: event.data().depth + 1,
        };
        let id = shared.engine.clock.new_id();
        saga.begin(id, &input, origin).await.map_err(Failure::from)?;
        Ok(Vec::new())
    })
}
