//! Configuring a bus and starting it.

use std::{
    any::type_name,
    collections::{HashMap, HashSet},
    env, fmt,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use tokio::sync::{Notify, Semaphore, watch};

use super::{Kairo, Publisher, Shared, ephemeral::Ephemerals, event_store::keep_pruning};
use crate::{
    backend,
    clock::Clock,
    delivery::{Backend, SubscriptionRow},
    engine::{
        Engine,
        dispatch::{
            Releases,
            spec::{Defaults, Spec},
        },
        giving_back::GivingBack,
        ownership::{self, Lease, Roster},
        registry::{Crate, Registry, Selection, Wired, Wiring, wire},
        tail::{self, Tail},
        timetable,
        trouble::Trouble,
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
    forget: Vec<String>,
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
        });
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

/// Deletes what is to be forgotten, and warns of names in the store that no handler has.
///
/// A new handler beside an old name that looks like it is taken for a rename that would leave
/// its place in the log behind, and with it events: that is an error.
async fn settle_names(forget: &[String], backend: &dyn Backend, specs: &[Spec]) -> Result {
    if let Some(name) = forget.iter().find(|name| specs.iter().any(|it| *it.name == ***name)) {
        let mistake = format!("`.forget(\"{name}\")` names a handler that runs: remove it");
        return Err(Error::Wiring(WiringError::new(vec![mistake])));
    }
    for name in forget {
        if !backend.remove_subscription(name.clone()).await? {
            tracing::warn!(subscription = name, "there is no such subscription to forget");
        }
    }
    let stored = backend.subscriptions().await?;
    let orphans = orphans(&stored, specs);
    let is_stored =
        |name: &str| stored.binary_search_by(|row| row.subscription.as_str().cmp(name)).is_ok();
    let new = specs.iter().filter(|spec| spec.renamed_from.is_none() && !is_stored(&spec.name));
    let mistakes = if orphans.is_empty() { Vec::new() } else { renames(&orphans, new) };
    if !mistakes.is_empty() {
        return Err(Error::Wiring(WiringError::new(mistakes)));
    }
    for orphan in &orphans {
        tracing::warn!(subscription = orphan, "no handler of this process has this subscription");
    }
    Ok(())
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

/// The names in the store that no handler of this binary has. Both lists are sorted by name.
fn orphans(stored: &[SubscriptionRow], specs: &[Spec]) -> Vec<String> {
    let runs = |name: &str| specs.binary_search_by(|spec| (*spec.name).cmp(name)).is_ok();
    let names = stored.iter().map(|row| row.subscription.as_str());
    let mut orphans: Vec<_> = names.filter(|name| !runs(name)).map(str::to_owned).collect();
    if !orphans.is_empty() {
        // Handlers that another process runs, or another start, are no orphans.
        let linked = inventory::iter::<HandlerEntry>.into_iter().map(|entry| entry.name);
        let known: HashSet<&str> =
            linked.chain(specs.iter().filter_map(|spec| spec.renamed_from)).collect();
        orphans.retain(|name| !known.contains(name.as_str()));
    }
    orphans
}

/// New handlers beside an orphan of the same name in another module, or of the same module.
fn renames<'a>(orphans: &[String], new: impl Iterator<Item = &'a Spec>) -> Vec<String> {
    let (mut by_last, mut by_module) = (HashMap::new(), HashMap::new());
    for orphan in orphans {
        let (module, last) = split_path(orphan);
        // A name without a path may be that of a closure, which subscribes later.
        if let Some(module) = module {
            by_last.insert(last, orphan);
            by_module.insert(module, orphan);
        }
    }
    new.filter_map(|spec| {
        let (module, last) = split_path(&spec.name);
        let old = by_last.get(last).or_else(|| by_module.get(module?))?;
        Some(format!(
            "handler `{}` is new, and the store has a subscription `{old}` that no handler has: if \
             it was renamed, add `renamed_from = \"{old}\"` to keep its place in the log; if not, \
             add `.forget(\"{old}\")` to the builder to delete that place",
            spec.name
        ))
    })
    .collect()
}

/// The module of a path, if it has one, and its last segment.
fn split_path(path: &str) -> (Option<&str>, &str) {
    path.rsplit_once("::").map_or((None, path), |(module, last)| (Some(module), last))
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("defaults", &self.defaults).finish_non_exhaustive()
    }
}
