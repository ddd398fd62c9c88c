//! A handler as `#[handler]` registers it.

use std::{fmt, time::Duration};

use super::{
    context::Need,
    delivery::{Delivery, HandlerFuture},
};
use crate::{event::envelope::AnyEvent, retry::RetryPolicy};

/// The most events that a subscription handles side by side.
pub const CONCURRENCY_MAX: u32 = 256;

/// Where an item stands in somebody's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The module's path; its first segment is the crate.
    pub module: &'static str,
    /// The file.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Location {
    /// The place of the caller.
    #[must_use]
    #[track_caller]
    pub(crate) const fn here(module: &'static str) -> Self {
        let caller = std::panic::Location::caller();
        Self { module, file: caller.file(), line: caller.line(), column: caller.column() }
    }

    /// The crate that the item is in.
    #[must_use]
    pub fn crate_name(&self) -> &'static str {
        self.module.split_once("::").map_or(self.module, |(first, _)| first)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where a subscription begins when its name is first registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// Behind the last event of the log.
    #[default]
    Now,
    /// At the first event of the log.
    Beginning,
}

/// What becomes of an event's key when the event is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDead {
    /// Later events of the key go on.
    #[default]
    ReleaseKey,
    /// Later events of the key wait until the letter is reprocessed or removed.
    HoldKey,
}

/// The options of a subscription; `None` means the builder's default.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often and how patiently a failure is retried.
    pub retry: Option<RetryPolicy>,
    /// How long an attempt may take; 30 s unless stated.
    pub timeout: Option<Duration>,
    /// How many events of different keys run side by side, from 1 to [`CONCURRENCY_MAX`]; 8 unless
    /// stated.
    pub concurrency: Option<u32>,
    /// Whether events of one key may run side by side and overtake each other.
    pub unordered: bool,
    /// Where a new subscription begins.
    pub start: StartAt,
    /// Whether a dead event is kept as a dead letter.
    pub dead_letter: Option<bool>,
    /// What becomes of the key of a dead event.
    pub on_dead: OnDead,
    /// The name that the subscription had before.
    pub renamed_from: Option<&'static str>,
}

impl Options {
    /// All defaults.
    pub const DEFAULT: Self = Self {
        retry: None,
        timeout: None,
        concurrency: None,
        unordered: false,
        start: StartAt::Now,
        dead_letter: None,
        on_dead: OnDead::ReleaseKey,
        renamed_from: None,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What an entry listens to, in the form that macros can write.
#[derive(Clone, Copy, Debug)]
pub enum Listen {
    /// One event, by its name.
    Event(&'static str),
    /// Every member of a typed event enum.
    Members,
    /// A pattern over names.
    Pattern(&'static str),
    /// A regular expression over whole names.
    Regex(&'static str),
}

/// What an argument of a handler can hold, and what the handler therefore listens to.
#[derive(Clone, Copy, Debug)]
pub struct Intake {
    /// What it listens to unless the handler says otherwise.
    pub listen: Listen,
    /// The names that it can hold.
    pub members: &'static [&'static str],
    /// Whether it can hold events of other names as well.
    pub open: bool,
    /// Whether its events live in memory only.
    pub ephemeral: bool,
    /// Which events of these names are meant; `None` means all.
    pub own: Option<fn(&AnyEvent) -> bool>,
}

impl Intake {
    /// The same argument, listening to something else.
    #[doc(hidden)]
    #[must_use]
    pub const fn listening(self, listen: Listen) -> Self {
        Self { listen, ..self }
    }
}

/// Makes a run of a handler.
pub type Call = for<'a> fn(Delivery<'a>) -> HandlerFuture<'a>;

/// A handler of a linked crate.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact about a handler, or not")]
pub struct HandlerEntry {
    /// The durable identity: `name = ".."`, or the function's path.
    pub name: &'static str,
    /// The function's path: `module::function`, or `module::Service::method`.
    pub path: &'static str,
    /// The function's own name.
    pub function: &'static str,
    /// Where it is declared.
    pub location: Location,
    /// What it listens to.
    pub listen: Listen,
    /// The names that its argument can hold.
    pub members: &'static [&'static str],
    /// Whether its argument can hold events of other names as well.
    pub open: bool,
    /// Whether it handles ephemeral events, inside `publish`.
    pub ephemeral: bool,
    /// Whether it is an `#[on_dead_letter]`, whose own failures make no further events.
    pub on_dead_letter: bool,
    /// Whether it runs a pipeline, which then is its service.
    pub pipeline: bool,
    /// Its options.
    pub options: Options,
    /// The service whose method it is.
    pub service: Option<fn() -> Need>,
    /// What its extractors need from the application.
    pub needs: fn() -> Vec<Need>,
    /// Which events of these names its argument means; `None` means all.
    pub own: Option<fn(&AnyEvent) -> bool>,
    /// Whether it wants an event at all; `None` where no filter was given.
    pub filter: Option<fn(&AnyEvent) -> bool>,
    /// Runs it.
    pub call: Call,
}

inventory::collect!(HandlerEntry);

impl HandlerEntry {
    /// A handler with all defaults, declared where this is called.
    #[doc(hidden)]
    #[must_use]
    #[track_caller]
    pub const fn new(
        module: &'static str,
        path: &'static str,
        function: &'static str,
        intake: Intake,
        call: Call,
    ) -> Self {
        Self {
            name: path,
            path,
            function,
            location: Location::here(module),
            listen: intake.listen,
            members: intake.members,
            open: intake.open,
            ephemeral: intake.ephemeral,
            on_dead_letter: false,
            pipeline: false,
            options: Options::DEFAULT,
            service: None,
            needs: Vec::new,
            own: intake.own,
            filter: None,
            call,
        }
    }
}

impl fmt::Debug for HandlerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerEntry")
            .field("name", &self.name)
            .field("location", &self.location)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}
