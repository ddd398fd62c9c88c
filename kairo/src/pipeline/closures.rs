//! Pipelines of closures: each stage takes what the one before gives, and the compiler checks it.

use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

use super::{
    Chain, Emitting, Filtered, Mapped, Pipeline, PipelineError, Repeated, Run, Settings, Stage,
    Start, Tells,
};
use crate::{
    event::Event,
    handler::Failure,
    retry::RetryPolicy,
    validation::{Validate, Violations},
};

/// Begins a pipeline of closures. Its name is made as that of an event: `order-processing`.
///
/// ```
/// use kairo::{pipeline::pipeline, prelude::*};
///
/// #[data]
/// struct Order { cents: u64 }
///
/// #[event("order.validated")]
/// struct OrderValidated(Order);
///
/// async fn process(kairo: &Kairo, order: Order) -> Result<Order, Box<dyn std::error::Error>> {
///     let pipeline = pipeline("order-processing")
///         .input::<Order>()
///         .filter("has-a-price", |order| 0 < order.cents)
///         .emit(|order| OrderValidated(order.clone()))
///         .map("add-shipping", async |order| Ok(Order { cents: order.cents + 490 }))
///         .retry(RetryPolicy::new(3));
///     Ok(kairo.pipeline(pipeline).execute(order).await?)
/// }
/// ```
pub fn pipeline(name: impl Into<String>) -> Named {
    Named { name: name.into(), settings: Settings::default() }
}

/// A pipeline that has a name and no stages yet.
#[derive(Clone, Debug)]
#[must_use = "a pipeline does nothing until it is executed"]
pub struct Named {
    name: String,
    settings: Settings,
}

impl Named {
    /// How long a run may take; for ever unless stated.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = Some(limit);
        self
    }

    /// Which events it publishes about its own runs; none unless stated.
    pub const fn tells(mut self, tells: Tells) -> Self {
        self.settings.tells = tells;
        self
    }

    /// What flows into it.
    pub fn input<T: Send + Sync + 'static>(self) -> Stages<T, Start<T>> {
        self.start(|_| Ok(()))
    }

    /// What flows into it, once its rules are found to hold.
    pub fn valid_input<T: Validate + Send + Sync + 'static>(self) -> Stages<T, Start<T>> {
        self.start(T::validate)
    }

    fn start<T>(self, check: fn(&T) -> Result<(), Violations>) -> Stages<T, Start<T>> {
        let Self { name, settings } = self;
        Stages { name, settings, check, chain: Start(PhantomData) }
    }
}

/// A pipeline with the stages that it has by now.
#[must_use = "a pipeline does nothing until it is executed"]
pub struct Stages<I, C> {
    name: String,
    settings: Settings,
    check: fn(&I) -> Result<(), Violations>,
    chain: C,
}

impl<I, C: Chain<Input = I>> Stages<I, C> {
    /// A stage that makes something else of what flows by. An error by `?` ends the run, unless the
    /// stage is [tried again](Stages::retry).
    pub fn map<F, A, U>(
        self,
        name: impl Into<Cow<'static, str>>,
        code: F,
    ) -> Stages<I, Mapped<C, F>>
    where
        F: Fn(C::Output) -> A + Send + Sync + 'static,
        A: Future<Output = Result<U, Failure>> + Send,
        U: Send + Sync + 'static,
    {
        self.then(name.into(), |before, stage| Mapped { before, stage, code })
    }

    /// A stage that lets pass only that for which this is true.
    pub fn filter<F>(
        self,
        name: impl Into<Cow<'static, str>>,
        wants: F,
    ) -> Stages<I, Filtered<C, F>>
    where
        F: Fn(&C::Output) -> bool + Send + Sync + 'static,
    {
        self.then(name.into(), |before, stage| Filtered { before, stage, code: wants })
    }

    /// A stage that publishes an event, and has its name.
    pub fn emit<F, E>(self, event: F) -> Stages<I, Emitting<C, F>>
    where
        F: Fn(&C::Output) -> E + Send + Sync + 'static,
        E: Event,
    {
        self.then(Cow::Borrowed(E::NAME), |before, stage| Emitting { before, stage, code: event })
    }

    fn then<D>(self, name: Cow<'static, str>, add: impl FnOnce(C, Stage) -> D) -> Stages<I, D> {
        let Self { name: pipeline, settings, check, chain } = self;
        let stage = Stage { name, index: chain.names().len(), retry: None, timeout: None };
        Stages { name: pipeline, settings, check, chain: add(chain, stage) }
    }
}

impl<I, C: Chain, F> Stages<I, Mapped<C, F>> {
    /// How the last stage is tried again when it fails. It is given a clone each time; pauses are waited
    /// for in memory, whatever their length.
    pub fn retry(self, policy: RetryPolicy) -> Stages<I, Repeated<C, F>>
    where
        C::Output: Clone,
    {
        let Self { name, settings, check, chain: Mapped { before, mut stage, code } } = self;
        stage.retry = Some(policy);
        Stages { name, settings, check, chain: Repeated { before, stage, code } }
    }

    /// How long the last stage may take.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.chain.stage.timeout = Some(limit);
        self
    }
}

impl<I, C, F> Stages<I, Repeated<C, F>> {
    /// How long an attempt at the last stage may take.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.chain.stage.timeout = Some(limit);
        self
    }
}

impl<I, C, F> Stages<I, Emitting<C, F>> {
    /// How often the event is tried again when it cannot be published; it is in the log once.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.chain.stage.retry = Some(policy);
        self
    }
}

impl<I: Send + Sync + 'static, C: Chain<Input = I>> Pipeline for Stages<I, C> {
    type Input = I;
    type Output = C::Output;

    fn name(&self) -> &str {
        &self.name
    }

    fn stages(&self) -> Vec<&str> {
        self.chain.names()
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn check(&self, input: &I) -> Result<(), Violations> {
        (self.check)(input)
    }

    async fn run(&self, run: &Run<'_>, input: I) -> Result<C::Output, PipelineError> {
        self.chain.flow(run, self.settings.tells == Tells::Stages, input).await
    }
}

impl<I, C: Chain> fmt::Debug for Stages<I, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stages")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .field("stages", &self.chain.names())
            .finish_non_exhaustive()
    }
}
