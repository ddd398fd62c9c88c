//! The crates whose events and handlers are part of an application.

use std::{collections::BTreeMap, fmt};

use super::{EventEntry, HandlerEntry};

/// A crate that takes part; [`export!`](crate::export) makes one in the crate's root.
///
/// rustc does not link a dependency that no code names, and then nothing of it is registered.
/// Handing its `KAIRO` to the builder names it, and `start()` checks that something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crate {
    name: &'static str,
}

impl Crate {
    /// The crate that a `module_path!()` lies in; `export!` calls this.
    #[must_use]
    pub const fn of(module_path: &'static str) -> Self {
        let bytes = module_path.as_bytes();
        let mut end = 0;
        while end < bytes.len() && bytes[end] != b':' {
            end += 1;
        }
        Self { name: module_path.split_at(end).0 }
    }

    /// The crate's name, as in `use`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// Makes this crate's events and handlers available to applications: `pub const KAIRO`.
///
/// Write it once, in the root of a library crate; the application hands it to
/// `.crates([orders::KAIRO])`, or lists the crate in [`app!`](crate::app).
///
/// ```
/// mod orders {
///     kairo::export!();
/// }
/// assert_eq!(kairo::app![orders], [orders::KAIRO]);
/// ```
#[macro_export]
macro_rules! export {
    () => {
        /// This crate, for the builder's `.crates([..])` and for `kairo::app!`.
        pub const KAIRO: $crate::Crate = $crate::Crate::of(::core::module_path!());
    };
}

/// The crates that make up an application, for the builder: `.crates(kairo::app![orders, billing])`.
///
/// Each of them must have a [`kairo::export!()`](crate::export) in its root. Naming them here is
/// also what makes rustc link them.
#[macro_export]
macro_rules! app {
    ($($name:ident),* $(,)?) => {
        [$($name::KAIRO),*]
    };
}

/// What was found in one crate. It is written as `kairo: orders: 12 events, 8 handlers`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrateSummary {
    /// The crate's name, as in `use`.
    pub name: &'static str,
    /// The event types that it declares, older versions included.
    pub events: usize,
    /// The handlers that it declares.
    pub handlers: usize,
    /// The sagas that it declares.
    pub sagas: usize,
    /// The repositories that it declares.
    pub repositories: usize,
    /// The pipelines that it declares.
    pub pipelines: usize,
    /// How many of these handlers run in this process; fewer than `handlers` under `.only(..)`.
    pub running: usize,
}

impl fmt::Display for CrateSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, events, handlers, sagas, repositories, pipelines, running } = self;
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "kairo: {name}: {events} event{}", plural(*events))?;
        write!(f, ", {handlers} handler{}", plural(*handlers))?;
        if running < handlers {
            write!(f, " ({running} in this process)")?;
        }
        if 0 < *sagas {
            write!(f, ", {sagas} saga{}", plural(*sagas))?;
        }
        match repositories {
            0 => {}
            1 => f.write_str(", 1 repository")?,
            count => write!(f, ", {count} repositories")?,
        }
        if 0 < *pipelines {
            write!(f, ", {pipelines} pipeline{}", plural(*pipelines))?;
        }
        Ok(())
    }
}

impl CrateSummary {
    /// A crate in which nothing has been found yet.
    const fn none(name: &'static str) -> Self {
        Self { name, events: 0, handlers: 0, sagas: 0, repositories: 0, pipelines: 0, running: 0 }
    }

    /// The summary of a crate among those of others, which are sorted by name.
    pub(super) fn within<'a>(crates: &'a mut Vec<Self>, name: &'static str) -> &'a mut Self {
        let place = crates.partition_point(|summary| summary.name < name);
        if crates.get(place).is_none_or(|summary| summary.name != name) {
            crates.insert(place, Self::none(name));
        }
        &mut crates[place]
    }
}

/// One line per crate, by name.
pub(super) fn summaries(
    events: &[&'static EventEntry],
    handlers: &[&'static HandlerEntry],
    chosen: &[&'static HandlerEntry],
) -> Vec<CrateSummary> {
    let mut found = BTreeMap::new();
    let mut count = |name, number, add: fn(&mut CrateSummary, usize)| {
        add(found.entry(name).or_insert(CrateSummary::none(name)), number);
    };
    for event in events {
        count(event.location.crate_name(), 1, |summary, number| summary.events += number);
    }
    for (name, number) in runs(handlers) {
        count(name, number, |summary, number| summary.handlers += number);
    }
    for (name, number) in runs(chosen) {
        count(name, number, |summary, number| summary.running += number);
    }
    found.into_values().collect()
}

/// How many handlers of one crate follow each other; by name they lie together, mostly.
fn runs(handlers: &[&'static HandlerEntry]) -> impl Iterator<Item = (&'static str, usize)> {
    let is_same =
        |left: &&HandlerEntry, right: &&HandlerEntry| left.location.module == right.location.module;
    handlers.chunk_by(is_same).map(|run| (run[0].location.crate_name(), run.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_the_first_segment_of_a_module_path() {
        assert_eq!(Crate::of("orders").name(), "orders");
        assert_eq!(Crate::of("orders::placed::events").name(), "orders");
    }

    #[test]
    fn a_summary_says_how_many_handlers_run_here() {
        let mut summary =
            CrateSummary { events: 1, handlers: 8, running: 8, ..CrateSummary::none("orders") };
        assert_eq!(summary.to_string(), "kairo: orders: 1 event, 8 handlers");
        (summary.running, summary.sagas, summary.repositories, summary.pipelines) = (2, 1, 2, 3);
        let shown = "kairo: orders: 1 event, 8 handlers (2 in this process), 1 saga, \
                     2 repositories, 3 pipelines";
        assert_eq!(summary.to_string(), shown);
    }
}
