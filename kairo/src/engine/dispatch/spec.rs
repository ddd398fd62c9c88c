//! What a subscription is: who handles, what it wants, and how patiently.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use crate::{
    engine::tx::Tx,
    event::{envelope::AnyEvent, name::EventName, pattern::Interest},
    handler::{
        Need,
        delivery::{Delivery, HandlerFuture, run},
        entry::{Call, HandlerEntry, OnDead, Options, StartAt},
    },
    retry::RetryPolicy,
    store::Selection,
};

/// How long an attempt may take unless the handler states otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many events of different keys run side by side unless the handler states otherwise.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(8).expect("eight is not zero");

/// Whatever can run for an event: a registered function, or a closure.
pub(crate) trait Handle: Send + Sync + 'static {
    /// Starts one run.
    fn run<'a>(&'a self, delivery: Delivery<'a>) -> HandlerFuture<'a>;

    /// What makes a run without asking this, if that is a plain function.
    fn call(&self) -> Option<Call> {
        None
    }
}

impl Handle for &'static HandlerEntry {
    fn run<'a>(&'a self, delivery: Delivery<'a>) -> HandlerFuture<'a> {
        (self.call)(delivery)
    }

    fn call(&self) -> Option<Call> {
        Some(self.call)
    }
}

/// Whether a subscription wants an event at all; what it does not want counts as handled.
pub(crate) type Filter = Arc<dyn Fn(&AnyEvent) -> bool + Send + Sync>;

/// The defaults that the builder states for all subscriptions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) retry: RetryPolicy,
    pub(crate) dead_letters: bool,
    pub(crate) circuit_breaker: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { retry: RetryPolicy::DEFAULT, dead_letters: true, circuit_breaker: true }
    }
}

/// A subscription, ready to run.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are options, each with its own meaning")]
pub(crate) struct Spec {
    pub(crate) name: Arc<str>,
    pub(crate) interest: Interest,
    pub(crate) handle: Arc<dyn Handle>,
    pub(crate) filter: Option<Filter>,
    pub(crate) retry: RetryPolicy,
    /// Whether the handler states that policy itself.
    pub(crate) own_retry: bool,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) ordered: bool,
    pub(crate) dead_letters: bool,
    pub(crate) circuit_breaker: bool,
    pub(crate) on_dead: OnDead,
    pub(crate) start: StartAt,
    pub(crate) renamed_from: Option<&'static str>,
    /// Whether its own dead letters make no event, so that a failing alarm does not ring itself.
    pub(crate) silent: bool,
    /// Whether its effects commit together with the fact that the event was handled.
    pub(crate) is_transactional: bool,
}

impl Spec {
    /// A registered handler with its options, completed by the builder's defaults.
    pub(crate) fn of_entry(
        entry: &'static HandlerEntry,
        interest: Interest,
        defaults: Defaults,
    ) -> Self {
        let filter = match (entry.own, entry.filter) {
            (Some(own), Some(filter)) => {
                Some(Arc::new(move |event: &AnyEvent| own(event) && filter(event)) as Filter)
            }
            (one, other) => one.or(other).map(|filter| Arc::new(filter) as Filter),
        };
        let spec = Self::new(entry.name.into(), interest, Arc::new(entry), entry.options, defaults);
        let is_transactional = (entry.needs)().contains(&Need::of::<Tx>());
        Self { filter, silent: entry.on_dead_letter, is_transactional, ..spec }
    }

    /// A subscription without a filter.
    pub(crate) fn new(
        name: Arc<str>,
        interest: Interest,
        handle: Arc<dyn Handle>,
        options: Options,
        defaults: Defaults,
    ) -> Self {
        let asked = options.concurrency.and_then(|count| NonZeroUsize::new(count as usize));
        Self {
            name,
            interest,
            handle,
            filter: None,
            retry: options.retry.unwrap_or(defaults.retry),
            own_retry: options.retry.is_some(),
            timeout: options.timeout.unwrap_or(TIMEOUT),
            concurrency: asked.unwrap_or(CONCURRENCY),
            ordered: !options.unordered,
            dead_letters: options.dead_letter.unwrap_or(defaults.dead_letters),
            circuit_breaker: defaults.circuit_breaker,
            on_dead: options.on_dead,
            start: options.start,
            renamed_from: options.renamed_from,
            silent: false,
            is_transactional: false,
        }
    }

    /// Runs the handler once, unless the filter leaves the event out.
    ///
    /// # Errors
    /// What the handler, an extractor or the decoding says.
    pub(crate) fn run<'a>(&'a self, delivery: Delivery<'a>) -> HandlerFuture<'a> {
        let Some(wants) = &self.filter else { return self.handle.run(delivery) };
        run(async move {
            if wants(&delivery.any()?) { self.handle.run(delivery).await } else { Ok(Vec::new()) }
        })
    }

    /// What does the same as [`run`](Self::run), if that is a plain function.
    pub(crate) fn call(&self) -> Option<Call> {
        if self.filter.is_none() { self.handle.call() } else { None }
    }

    /// What a reader may leave out for this subscription.
    pub(crate) fn selection(&self) -> Selection {
        match &self.interest {
            Interest::Name(name) => Selection::Names(vec![EventName::checked(name)]),
            Interest::Names(names) => {
                Selection::Names(names.iter().map(|name| EventName::checked(name)).collect())
            }
            Interest::Pattern(_) | Interest::Regex(_) => Selection::All,
        }
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}
