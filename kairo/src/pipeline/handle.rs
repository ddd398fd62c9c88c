//! Running pipelines.

use std::{any::type_name, fmt, sync::Arc};

use uuid::Uuid;

use super::{ErrorKind, Pipeline, PipelineError, drive::drive, run::PLACE};
use crate::{
    bus::{Builder, Bus, Kairo, Publisher, check_metadata},
    error::{Error, Result},
    event::{name::EventName, record::Metadata},
};

/// What is said about runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) correlation: Option<Uuid>,
    pub(super) metadata: Metadata,
}

/// A pipeline on a bus.
pub struct PipelineRef<P> {
    source: Source,
    pipeline: Arc<P>,
    /// Where keys of its stages say that they come from.
    place: Arc<str>,
    /// Whether its name is one that an event could have.
    is_named: bool,
    options: Options,
}

/// Where the bus comes from.
#[derive(Clone)]
enum Source {
    Kairo(Kairo),
    Publisher(Publisher),
}

impl Builder {
    /// A pipeline that this process can run; one that runs [on an event](Pipeline) does so from now on.
    pub fn pipeline<P: Pipeline>(self, pipeline: P) -> Self {
        self.state(pipeline)
    }
}

impl Kairo {
    /// A pipeline on this bus: a value with `#[pipeline]` on its `impl` block, or a chain of closures.
    ///
    /// ```
    /// use kairo::{pipeline::pipeline, prelude::*};
    ///
    /// #[event("order.validated")]
    /// struct OrderValidated { cents: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let kairo = Kairo::builder().store("memory:").start().await?;
    /// let orders = pipeline("order-processing")
    ///     .input::<u64>()
    ///     .filter("has-a-price", |cents| 0 < *cents)
    ///     .emit(|cents| OrderValidated { cents: *cents })
    ///     .map("add-shipping", async |cents| Ok(cents + 490));
    /// assert_eq!(kairo.pipeline(orders).execute(4_900).await?, 5_390);
    /// # Ok(kairo.shutdown().await?)
    /// # }
    /// ```
    pub fn pipeline<P: Pipeline>(&self, pipeline: P) -> PipelineRef<P> {
        PipelineRef::new(Source::Kairo(self.clone()), Arc::new(pipeline))
    }

    /// A pipeline that was given to the [builder](Builder::pipeline).
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was not.
    pub fn pipeline_of<P: Pipeline>(&self) -> Result<PipelineRef<P>> {
        let given = self.shared().engine.states.get::<P>();
        let missing = || Error::NotFound { what: "pipeline", value: type_name::<P>().to_owned() };
        Ok(PipelineRef::new(Source::Kairo(self.clone()), given.ok_or_else(missing)?))
    }
}

impl Publisher {
    /// A pipeline, as [`Kairo::pipeline`].
    ///
    /// What it emits in a handler that was given this handle has the handled event as its cause, and is in
    /// the log once even if the handler runs again.
    pub fn pipeline<P: Pipeline>(&self, pipeline: P) -> PipelineRef<P> {
        PipelineRef::new(Source::Publisher(self.clone()), Arc::new(pipeline))
    }
}

impl<P: Pipeline> PipelineRef<P> {
    fn new(source: Source, pipeline: Arc<P>) -> Self {
        let name = pipeline.name();
        let (place, is_named) = (format!("{PLACE}{name}").into(), EventName::new(name).is_ok());
        Self { source, pipeline, place, is_named, options: Options::default() }
    }

    /// What its runs belong to; by default to the event that is being handled, or each to itself.
    #[must_use]
    pub const fn correlation(mut self, id: Uuid) -> Self {
        self.options.correlation = Some(id);
        self
    }

    /// Adds a note to every event that its runs emit; 64 KiB at most, all of them together.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.metadata.insert(key.into(), value.into());
        self
    }

    /// Runs it: checks the input, if its type has rules, and lets it flow through the stages.
    ///
    /// What a stage emits is published at once and in order; when the stage is passed, it is durable. Such
    /// an event stays, whatever becomes of the run afterwards.
    ///
    /// Dropping the future ends the run where it is, inside a stage or between two: nothing further is
    /// emitted, no hook runs, and no `pipeline.failed` is published. An event that was about to be
    /// published is then in the log or not, and once in any case.
    ///
    /// # Errors
    /// [`PipelineError`], which names the stage and says what was wrong.
    pub async fn execute(&self, input: P::Input) -> Result<P::Output, PipelineError> {
        let bus = self.open().map_err(|error| {
            PipelineError::new(self.pipeline.name(), None, Uuid::nil(), ErrorKind::Misused(error))
        })?;
        let (pipeline, outer) = (&*self.pipeline, bus.scope());
        drive(bus.get(), pipeline, &self.place, outer, &self.options, input).await
    }

    fn open(&self) -> Result<Bus<'_>> {
        if !self.is_named {
            check_name(self.pipeline.name())?;
        }
        check_metadata(&self.options.metadata)?;
        match &self.source {
            Source::Kairo(kairo) => Ok(kairo.bus()),
            Source::Publisher(publisher) => publisher.bus(),
        }
    }
}

/// The name of a pipeline follows the rules of an event's.
fn check_name(name: &str) -> Result {
    match EventName::new(name) {
        Ok(_) => Ok(()),
        Err(Error::Invalid { value, allowed, .. }) => {
            Err(Error::Invalid { what: "name of a pipeline", value, allowed })
        }
        Err(error) => Err(error),
    }
}

impl<P> Clone for PipelineRef<P> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            pipeline: Arc::clone(&self.pipeline),
            place: Arc::clone(&self.place),
            is_named: self.is_named,
            options: self.options.clone(),
        }
    }
}

impl<P> fmt::Debug for PipelineRef<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineRef")
            .field("place", &self.place)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
