//! From what the linked crates have registered to what runs: all of it fits, or nothing starts.

mod checks;
mod crates;
mod declared;
mod known;
mod pipelines;
mod report;
mod repositories;
mod sagas;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashSet};

use self::known::Known;
pub use self::{
    crates::{Crate, CrateSummary},
    report::{WiredHandler, Wiring},
    repositories::WiredRepository,
};
use crate::{
    blueprint::{SagaEntry, pipeline::PipelineEntry},
    documents::EntityEntry,
    error::{Error, Result, WiringError},
    event::{EventEntry, pattern::Interest},
    handler::{context::States, entry::HandlerEntry},
};

/// What the builder was told about the registered handlers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    /// The handler functions that run, as `type_name` says them; the checks of all others are
    /// dropped.
    pub(crate) only: &'a [&'static str],
    /// Modules whose handlers run as well, with what lies inside them.
    pub(crate) only_modules: &'a [String],
    /// Whether none of them runs.
    pub(crate) none: bool,
    /// The names of the sagas that were given.
    pub(crate) sagas: &'a [&'static str],
    /// Crates of which something must be registered.
    pub(crate) crates: &'a [Crate],
    /// The values that handlers can be given.
    pub(crate) states: &'a States,
}

impl Selection<'_> {
    /// The handlers that run: without a word about it, all of them.
    fn choose(&self, handlers: &[&'static HandlerEntry]) -> Vec<&'static HandlerEntry> {
        if self.none {
            return Vec::new();
        }
        if self.only.is_empty() && self.only_modules.is_empty() {
            return handlers.to_vec();
        }
        let paths: HashSet<_> = self.paths().collect();
        let is_chosen = |handler: &HandlerEntry| {
            let module = handler.location.module;
            paths.contains(handler.path)
                || self.only_modules.iter().any(|outer| is_inside(module, outer))
        };
        handlers.iter().copied().filter(|handler| is_chosen(handler)).collect()
    }

    /// The paths of the handler functions that run.
    fn paths(&self) -> impl Iterator<Item = Cow<'static, str>> {
        self.only.iter().map(|name| path_of(name))
    }
}

/// The path of a function, as an entry has it, from its `type_name`: `b::Billing::bill` for a
/// method whose `impl` lies in another module than its type, `b::<impl a::Billing>::bill`.
fn path_of(type_name: &'static str) -> Cow<'static, str> {
    let parts = type_name.split_once("<impl ").and_then(|(module, rest)| {
        let (service, method) = rest.rsplit_once(">::")?;
        Some((module, service.rsplit("::").next()?, method))
    });
    parts.map_or(type_name.into(), |(module, service, method)| {
        format!("{module}{service}::{method}").into()
    })
}

/// Whether a module is `outer`, or lies in it.
fn is_inside(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What runs.
#[derive(Debug)]
pub(crate) struct Registry {
    /// Handlers with a place in the log, by name.
    pub(crate) durable: Vec<Wired>,
    /// Handlers of ephemeral events, by name.
    pub(crate) ephemeral: Vec<Wired>,
    /// What was found, by crate.
    pub(crate) crates: Vec<CrateSummary>,
    /// Every registered event type, by name and version.
    pub(crate) events: Vec<&'static EventEntry>,
    /// Every registered entity, by name.
    pub(crate) entities: Vec<&'static EntityEntry>,
    /// What is odd, and yet can run.
    pub(crate) warnings: Vec<String>,
}

/// A handler that can run, and what it wants.
#[derive(Clone, Debug)]
pub(crate) struct Wired {
    /// The handler.
    pub(crate) entry: &'static HandlerEntry,
    /// The events that it wants.
    pub(crate) interest: Interest,
}

/// Wires what the linked crates have registered, and logs what was found.
///
/// # Errors
/// [`Error::Wiring`] with everything that cannot be wired.
pub(crate) fn wire(selection: &Selection<'_>) -> Result<Registry> {
    let events: Vec<_> = inventory::iter::<EventEntry>.into_iter().collect();
    let handlers = inventory::iter::<HandlerEntry>.into_iter().collect();
    let sagas: Vec<_> = inventory::iter::<SagaEntry>.into_iter().collect();
    let pipelines: Vec<_> = inventory::iter::<PipelineEntry>.into_iter().collect();
    let mut entities: Vec<_> = inventory::iter::<EntityEntry>.into_iter().collect();
    entities.sort_by_key(|entity| (entity.collection.name, entity.type_name));
    let mut wrong = sagas::declared_twice(&sagas);
    wrong.extend(repositories::mistakes(&entities, &events));
    wrong.extend(pipelines::declared_twice(&pipelines));
    wrong.extend(pipelines::missing_values(&pipelines, selection.states));
    wrong.extend(sagas::missing_values(&sagas, selection.sagas, selection.states));
    let mut registry = match connect(events, handlers, selection) {
        Ok(registry) if wrong.is_empty() => registry,
        Ok(_) => return Err(Error::Wiring(WiringError::new(wrong))),
        Err(Error::Wiring(found)) => {
            let all = found.mistakes().iter().cloned().chain(wrong).collect();
            return Err(Error::Wiring(WiringError::new(all)));
        }
        Err(error) => return Err(error),
    };
    let places = sagas.iter().map(|saga| saga.location);
    declared::count(&mut registry.crates, places, |summary| summary.sagas += 1);
    let places = pipelines.iter().map(|pipeline| pipeline.location);
    declared::count(&mut registry.crates, places, |summary| summary.pipelines += 1);
    repositories::count(&mut registry.crates, &entities);
    registry.entities = entities;
    for summary in &registry.crates {
        tracing::info!("{summary}");
    }
    for warning in &registry.warnings {
        tracing::warn!("kairo: {warning}");
    }
    Ok(registry)
}

/// Wires these events and handlers. A pure function, so that a test needs nothing registered.
fn connect(
    mut events: Vec<&'static EventEntry>,
    mut handlers: Vec<&'static HandlerEntry>,
    selection: &Selection<'_>,
) -> Result<Registry> {
    // Link order is no order: everything that is shown or started is sorted.
    events.sort_by_key(|event| (event.name, event.schema, event.type_name));
    handlers.sort_by_key(|handler| (handler.name, handler.path));
    let chosen = selection.choose(&handlers);
    let crates = crates::summaries(&events, &handlers, &chosen);
    let mut mistakes = checks::selection(selection, &crates, &handlers);
    mistakes.extend(checks::events_declared_twice(&events));
    mistakes.extend(checks::durable_names_used_twice(&chosen));
    mistakes
        .extend(chosen.iter().flat_map(|entry| checks::missing_values(entry, selection.states)));
    mistakes.extend(chosen.iter().filter_map(|entry| checks::transaction_in_memory(entry)));
    let known = Known::new(&events);
    let mut registry = Registry {
        durable: Vec::new(),
        ephemeral: Vec::new(),
        crates,
        events,
        entities: Vec::new(),
        warnings: Vec::new(),
    };
    for entry in chosen {
        match checks::interest(entry, &known) {
            Ok(interest) => registry.add(Wired { entry, interest }, &known, &mut mistakes),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(registry) } else { Err(Error::Wiring(WiringError::new(mistakes))) }
}

impl Registry {
    fn add(&mut self, wired: Wired, known: &Known, mistakes: &mut Vec<String>) {
        mistakes.extend(checks::unreachable_members(&wired, known));
        mistakes.extend(checks::missing_members(&wired, known));
        match checks::reach(&wired, known) {
            checks::Reach::Some => {}
            checks::Reach::None(warning) => self.warnings.push(warning),
            checks::Reach::Never(mistake) => mistakes.push(mistake),
        }
        if wired.entry.ephemeral { self.ephemeral.push(wired) } else { self.durable.push(wired) }
    }

    /// The same, for people to look at.
    pub(crate) fn report(&self) -> Wiring {
        Wiring::of(self)
    }
}
