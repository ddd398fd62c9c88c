//! Configuring a bus and starting it.

use std::{
    any::type_name,
    env, fmt,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use tokio::sync::{Notify, Semaphore, watch};

use super::{
    Kairo, Publisher, Shared, ephemeral::Ephemerals, event_store::keep_pruning,
    settle_names::settle_names,
};
use crate::{
    backend,
    clock::Clock,
    delivery::Backend,
    engine::{
        Engine,
        dispatch::{
            Releases,
            spec::{Defaults, Spec},
        },
        giving_back::GivingBack,
        ownership::{self, Lease, Roster},
        registry::{Crate, Registry, Selection, Wired, Wiring, wire},
        sagas::{self, Sagas, code::Code},
        tail::{self, Tail},
        timetable,
        trouble::Trouble,
        upkeep,
    },
    error::{Error, Result, WiringError},
    handler::{
        context::{Need, States},
        entry::HandlerEntry,
    },
    lease::LEASE,
    retry::RetryPolicy,
};

/// The environment variable that names the store when the builder does not.
const URL_VARIABLE: &str = "KAIRO_URL";

/// A service that publishes: made once there is something to publish on.
type Make = Box<dyn FnOnce(Publisher, &mut States) -> Option<String> + Send>;

/// A saga, as soon as it is known how what states nothing itself is retried.
type MakeCode = Box<dyn FnOnce(RetryPolicy) -> Arc<dyn Code> + Send>;

/// What a bus is made of.
#[derive(Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    url: Option<String>,
    backend: Option<Arc<dyn Backend>>,
    clock: Clock,
    states: States,
    make: Vec<Make>,
    services: Vec<Need>,
    mistakes: Vec<String>,
    defaults: Defaults,
    crates: Vec<Crate>,
    only: Vec<&'static str>,
    only_modules: Vec<String>,
    no_handlers: bool,
    forget: Vec<String>,
    sagas: Vec<MakeCode>,
    saga_names: Vec<&'static str>,
    retention: Option<Duration>,
    /// Another length of the lease than [`LEASE`]; tests cannot wait for that.
    pub(crate) lease: Option<Duration>,
}

impl Builder {
    /// The store, such as `sqlite://shop.db` or `memory:`; by default what the environment
    /// variable `KAIRO_URL` says, or else `./kairo.db`.
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// A store that is open already.
    pub fn backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// A value for the handlers that take `State<T>`; one of each type.
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if self.states.get::<T>().is_some() {
            self.mistakes.push(given_twice::<T>());
        }
        self.states.insert(Arc::new(value));
        self
    }

    /// The service whose `#[handlers]` block is linked.
    pub fn handlers<T: Send + Sync + 'static>(mut self, service: T) -> Self {
        self.services.push(Need::of::<T>());
        self.state(service)
    }

    /// A service that publishes itself, and so is made with a handle to the bus.
    pub fn handlers_with<T, F>(mut self, make: F) -> Self
    where
        T: Send + Sync + 'static,
        F: FnOnce(Publisher) -> T + Send + 'static,
    {
        self.services.push(Need::of::<T>());
        self.make.push(Box::new(|publisher, states| {
            let given = states.get::<T>().is_some();
            states.insert(Arc::new(make(publisher)));
            given.then(given_twice::<T>)
        }));
        self
    }

    /// How often a handler that states nothing itself is retried, with the default's pauses.
    pub const fn max_retries(mut self, retries_max: u32) -> Self {
        self.defaults.retry = RetryPolicy::new(retries_max);
        self
    }

    /// How a handler that states nothing itself is retried.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.defaults.retry = policy;
        self
    }

    /// Whether a handler that states nothing itself keeps its dead events. Without, they are
    /// dropped with an error in the log.
    pub const fn dead_letters(mut self, keep: bool) -> Self {
        self.defaults.dead_letters = keep;
        self
    }

    /// Whether a subscription pauses by itself while most attempts fail; on unless stated.
    pub const fn circuit_breaker(mut self, enabled: bool) -> Self {
        self.defaults.circuit_breaker = enabled;
        self
    }

    /// Crates whose events and handlers must be there: [`kairo::app!`](crate::app) links and names
    /// them. `start` fails for one that has nothing registered.
    pub fn crates(mut self, crates: impl IntoIterator<Item = Crate>) -> Self {
        self.crates.extend(crates);
        self
    }

    /// Runs this handler, and of all others only those that are named in the same way:
    /// `.only(welcome).only(Notifications::confirm)`.
    pub fn only<H>(mut self, _handler: H) -> Self {
        self.only.push(type_name::<H>());
        self
    }

    /// Runs the handlers of this module, such as `shop::billing`, and of all others only those
    /// that are named too.
    pub fn only_module(mut self, path: impl Into<String>) -> Self {
        self.only_modules.push(path.into());
        self
    }

    /// Runs none of the linked handlers, for a process that only publishes or carries sagas on;
    /// closures can still subscribe.
    pub const fn without_handlers(mut self) -> Self {
        self.no_handlers = true;
        self
    }

    /// Deletes the place of a subscription that no handler has any more.
    pub fn forget(mut self, subscription: impl Into<String>) -> Self {
        self.forget.push(subscription.into());
        self
    }

    /// Deletes events once they are older than this, unless a subscription has not passed them; looked
    /// after once an hour. Without, events stay for ever.
    pub const fn retention(mut self, age: Duration) -> Self {
        self.retention = Some(age);
        self
    }

    /// A saga that this process can run.
    pub(crate) fn code(
        mut self,
        name: &'static str,
        make: impl FnOnce(RetryPolicy) -> Arc<dyn Code> + Send + 'static,
    ) -> Self {
        self.saga_names.push(name);
        self.sagas.push(Box::new(make));
        self
    }

    /// Another clock, which a test moves by hand.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks that everything fits together, without a store and without starting anything: the
    /// same check that `start` makes, for a test.
    ///
    /// # Errors
    /// [`Error::Wiring`], listing everything that does not fit.
    pub fn check(mut self) -> Result<Wiring> {
        Ok(self.wire(&Publisher::unconnected())?.report())
    }

    /// Starts the bus: opens the store, wires every handler, and lets all subscriptions go on
    /// where they stopped.
    ///
    /// # Errors
    /// [`Error::Wiring`], listing everything that does not fit; what opening the store says.
    pub async fn start(mut self) -> Result<Kairo> {
        let publisher = Publisher::unconnected();
        let registry = self.wire(&publisher)?;
        let backend = self.open().await?;
        let specs = registry.durable.iter().map(|wired| self.spec(wired)).collect::<Vec<_>>();
        for entity in &registry.entities {
            backend.make_collection(entity.collection).await?;
        }
        settle_names(&self.forget, &*backend, &specs).await?;
        let tail = Tail::new(backend.head().await?);
        let is_shared = backend.features().shared;
        let engine = Arc::new(Engine {
            backend,
            clock: self.clock.clone(),
            states: Arc::new(std::mem::take(&mut self.states)),
            tail,
            is_shared,
            lease: watch::Sender::new(Lease::first(is_shared)),
            lease_length: self.lease.unwrap_or(LEASE),
            roster: Roster::default(),
            look: Notify::new(),
            planned: Notify::new(),
            released: Releases::default(),
            alone: Semaphore::new(1),
            stop: watch::Sender::new(false),
            giving_back: GivingBack::default(),
            timetable: Trouble::default(),
            sagas: Sagas::new(&self.clock),
        });
        for code in std::mem::take(&mut self.sagas) {
            engine.sagas.add(code(self.defaults.retry));
        }
        let (coordinator, ready) = ownership::begin(&engine, specs).await?;
        let mut tasks = vec![
            tokio::spawn(tail::follow(Arc::clone(&engine))),
            tokio::spawn(timetable::follow(Arc::clone(&engine))),
        ];
        tasks
            .extend(self.retention.map(|age| tokio::spawn(keep_pruning(Arc::clone(&engine), age))));
        let ephemerals = self.ephemerals(&registry, &engine.states);
        let shared = Arc::new(Shared {
            engine,
            defaults: self.defaults,
            wiring: registry.report(),
            subscribing: tokio::sync::Mutex::new(()),
            ephemerals: RwLock::new(Arc::new(ephemerals)),
            tasks: Mutex::new(tasks),
        });
        publisher.connect(&shared);
        // Only now, because handlers publish.
        shared.run(ready);
        shared.keep(tokio::spawn(sagas::follow(Arc::clone(&shared.engine))));
        shared.keep(tokio::spawn(upkeep::follow(Arc::clone(&shared.engine))));
        if let Some(coordinator) = coordinator {
            shared.keep(tokio::spawn(coordinator.run()));
        }
        Ok(Kairo { shared })
    }

    fn wire(&mut self, publisher: &Publisher) -> Result<Registry> {
        self.states.insert(Arc::new(publisher.clone()));
        for make in std::mem::take(&mut self.make) {
            self.mistakes.extend(make(publisher.clone(), &mut self.states));
        }
        self.mistakes.extend(self.services.iter().filter_map(without_handlers));
        let selection = Selection {
            only: &self.only,
            only_modules: &self.only_modules,
            none: self.no_handlers,
            sagas: &self.saga_names,
            crates: &self.crates,
            states: &self.states,
        };
        let mut mistakes = std::mem::take(&mut self.mistakes);
        match wire(&selection) {
            Ok(registry) if mistakes.is_empty() => Ok(registry),
            Ok(_) => Err(Error::Wiring(WiringError::new(mistakes))),
            Err(Error::Wiring(found)) => {
                mistakes.extend(found.mistakes().iter().cloned());
                Err(Error::Wiring(WiringError::new(mistakes)))
            }
            Err(error) => Err(error),
        }
    }

    async fn open(&mut self) -> Result<Arc<dyn Backend>> {
        if let Some(backend) = self.backend.take() {
            return Ok(backend);
        }
        let url = self.url.take().or_else(|| env::var(URL_VARIABLE).ok());
        backend::open(url.as_deref().unwrap_or(backend::URL_DEFAULT), &self.clock).await
    }

    fn spec(&self, wired: &Wired) -> Spec {
        Spec::of_entry(wired.entry, wired.interest.clone(), self.defaults)
    }

    fn ephemerals(&self, registry: &Registry, states: &Arc<States>) -> Ephemerals {
        let events: Vec<_> = registry
            .events
            .iter()
            .filter(|event| event.ephemeral)
            .map(|event| (event.name, event.type_id))
            .collect();
        let mut ephemerals = Ephemerals::default();
        for wired in &registry.ephemeral {
            ephemerals.add(self.spec(wired), &events, states);
        }
        ephemerals
    }
}

fn given_twice<T>() -> String {
    format!("a `{}` was given twice: give it once", type_name::<T>())
}

/// A service that has no handlers was meant as something else.
fn without_handlers(service: &Need) -> Option<String> {
    let mut linked = inventory::iter::<HandlerEntry>.into_iter();
    if linked.any(|entry| entry.service.is_some_and(|of| of().type_id == service.type_id)) {
        return None;
    }
    let name = service.type_name;
    Some(format!(
        "`{name}` was given as a service, but has no handlers: put `#[handlers]` on its `impl` \
         block, or give it with `.state(..)`"
    ))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("defaults", &self.defaults).finish_non_exhaustive()
    }
}
