//! Pipelines that an event runs.

use super::{Pipeline, drive::drive, handle::Options};
use crate::{
    bus::Publisher,
    event::Event,
    handler::{
        Failure, FromContext, State,
        delivery::{Delivery, HandlerFuture, RunError, run},
    },
};

/// The run of the handler that `#[pipeline(.., on = "..")]` is. What a filter rejects is handled; any other
/// error is the handler's, which is tried again from the first stage.
#[must_use]
pub fn run_pipeline<P: Pipeline<Input: Event>>(delivery: Delivery<'_>) -> HandlerFuture<'_> {
    run(async move {
        let input = delivery.own::<P::Input>()?;
        let context = delivery.context();
        let pipeline = State::<P>::from_context(context).await?;
        let publisher = Publisher::from_context(context).await?;
        let bus = publisher.bus().map_err(Failure::from).map_err(RunError::from)?;
        let (options, outer) = (Options::default(), bus.scope());
        let place = &context.subscription;
        match drive(bus.get(), &*pipeline, place, outer, &options, input).await {
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.is_rejected() => Ok(Vec::new()),
            Err(error) => Err(Failure::from(error).into()),
        }
    })
}
