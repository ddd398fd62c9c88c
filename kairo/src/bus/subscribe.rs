//! Subscribing a closure while the bus runs.

use std::{any::TypeId, borrow::Cow, fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{Shared, subscription::Subscription};
use crate::{
    engine::dispatch::{
        claim,
        spec::{Filter, Handle, Spec},
    },
    error::{Error, Result},
    event::{
        Event,
        envelope::{AnyEvent, Envelope},
        pattern::{Interest, NameRegex, check_pattern},
    },
    handler::{
        delivery::{ClosureOutput, Delivery, HandlerFuture, RunError, run},
        entry::{CONCURRENCY_MAX, OnDead, Options, StartAt},
    },
    retry::RetryPolicy,
};

/// The longest durable name of a subscription, in bytes.
const NAME_MAX: usize = 255;

/// A subscription that begins when [`handle`](Self::handle) is awaited.
#[must_use = "nothing is subscribed until `.handle(..)` is awaited"]
pub struct Subscribe<'a, E> {
    shared: &'a Arc<Shared>,
    name: Arc<str>,
    /// What is wanted, or what is wrong about it, which `handle` says.
    interest: Result<Interest>,
    options: Options,
    filter: Option<Filter>,
    silent: bool,
    event: PhantomData<fn(E)>,
}

impl<'a, E> Subscribe<'a, E> {
    fn new(shared: &'a Arc<Shared>, name: Arc<str>, interest: Result<Interest>) -> Self {
        let options = Options::DEFAULT;
        Self { shared, name, interest, options, filter: None, silent: false, event: PhantomData }
    }

    /// Retries failures by this policy instead of the builder's.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }

    /// Ends an attempt after this time; it then counts as failed. 30 s unless stated.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Lets so many events of different keys run side by side, from 1 to 256; 8 unless stated.
    pub const fn concurrency(mut self, count: u32) -> Self {
        self.options.concurrency = Some(count);
        self
    }

    /// Lets events of one key run side by side and overtake each other.
    pub const fn unordered(mut self) -> Self {
        self.options.unordered = true;
        self
    }

    /// Begins at the first event of the log when the name is new, instead of at the log's end.
    pub const fn from_beginning(mut self) -> Self {
        self.options.start = StartAt::Beginning;
        self
    }

    /// Keeps dead events as dead letters, or drops them.
    pub const fn dead_letters(mut self, keep: bool) -> Self {
        self.options.dead_letter = Some(keep);
        self
    }

    /// Lets later events of a key wait until a dead letter is reprocessed or removed.
    pub const fn hold_key_on_dead(mut self) -> Self {
        self.options.on_dead = OnDead::HoldKey;
        self
    }

    pub(super) const fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// The name is the subscription's place in the store: any text that people can read.
    fn check_name(&self) -> Result {
        let name = &*self.name;
        if name.is_empty() || NAME_MAX < name.len() || name.chars().any(char::is_control) {
            let allowed = format!("use 1 to {NAME_MAX} bytes without control characters");
            return Err(Error::invalid(
                "subscription name",
                name.escape_debug().to_string(),
                allowed,
            ));
        }
        if self.shared.running(name).is_some() || self.shared.ephemerals().has(name) {
            let allowed = "another subscription of this bus has this name; choose another";
            return Err(Error::invalid("subscription name", name, allowed));
        }
        Ok(())
    }

    fn check_concurrency(&self) -> Result {
        match self.options.concurrency {
            None | Some(1..=CONCURRENCY_MAX) => Ok(()),
            Some(count) => {
                let allowed = format!("use a number from 1 to {CONCURRENCY_MAX}");
                Err(Error::invalid("concurrency", count.to_string(), allowed))
            }
        }
    }

    async fn begin(
        self,
        handle: Arc<dyn Handle>,
        ephemeral: Option<(&'static str, TypeId)>,
    ) -> Result<Subscription> {
        let _alone = self.shared.subscribing.lock().await;
        self.check_name()?;
        self.check_concurrency()?;
        let Self { shared, name, interest, options, filter, silent, .. } = self;
        let spec = Spec::new(name, interest?, handle, options, shared.defaults);
        let spec = Spec { filter, silent, ..spec };
        if let Some(event) = ephemeral {
            return Ok(Subscription::in_memory(shared, spec, event));
        }
        let ready = claim(&shared.engine, vec![spec]).await?;
        let running = shared.run(ready).pop().ok_or(Error::Closed)?;
        Ok(Subscription::new(shared, running))
    }
}

impl<'a, E: Event> Subscribe<'a, E> {
    pub(super) fn to_event(shared: &'a Arc<Shared>, name: Arc<str>) -> Self {
        Self::new(shared, name, Ok(Interest::Name(E::NAME)))
    }

    /// Handles only the events for which this is true; the others count as handled.
    pub fn filter(mut self, wants: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        // An event that cannot be decoded goes to the handler, which reports that properly.
        self.filter =
            Some(Arc::new(move |event| event.shared::<E>().map_or(true, |event| wants(&event))));
        self
    }

    /// Begins, with this closure as the handler.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is malformed or taken, or a concurrency that is not
    /// allowed; [`Error::Store`] when the store fails.
    pub async fn handle<F, Fut>(self, handler: F) -> Result<Subscription>
    where
        F: Fn(Envelope<E>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ClosureOutput> + Send + 'static,
    {
        let handle = Closure { take: |delivery| delivery.envelope::<E>(), handler };
        self.begin(Arc::new(handle), E::EPHEMERAL.then_some((E::NAME, TypeId::of::<E>()))).await
    }
}

impl<'a> Subscribe<'a, AnyEvent> {
    pub(super) fn to_pattern(
        shared: &'a Arc<Shared>,
        name: Arc<str>,
        pattern: Cow<'static, str>,
    ) -> Self {
        let checked = check_pattern(&pattern);
        Self::new(shared, name, checked.map(|()| Interest::Pattern(pattern)))
    }

    pub(super) fn to_regex(shared: &'a Arc<Shared>, name: Arc<str>, regex: &str) -> Self {
        Self::new(shared, name, NameRegex::new(regex).map(Interest::Regex))
    }

    /// Handles only the events for which this is true; the others count as handled.
    pub fn filter(mut self, wants: impl Fn(&AnyEvent) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(wants));
        self
    }

    /// Begins, with this closure as the handler.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is malformed or taken, a malformed pattern or regular
    /// expression, or a concurrency that is not allowed; [`Error::Store`] when the store fails.
    pub async fn handle<F, Fut>(self, handler: F) -> Result<Subscription>
    where
        F: Fn(AnyEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: ClosureOutput> + Send + 'static,
    {
        self.begin(Arc::new(Closure { take: |delivery| delivery.any(), handler }), None).await
    }
}

impl<E> fmt::Debug for Subscribe<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("name", &self.name)
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

/// A closure, and what it is given.
struct Closure<T, F> {
    take: fn(Delivery<'_>) -> Result<T, RunError>,
    handler: F,
}

impl<T, F, Fut> Handle for Closure<T, F>
where
    T: Send + 'static,
    F: Fn(T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: ClosureOutput> + Send + 'static,
{
    fn run<'a>(&'a self, delivery: Delivery<'a>) -> HandlerFuture<'a> {
        run(async move {
            let event = (self.take)(delivery)?;
            (self.handler)(event).await.into_outcome()
        })
    }
}
