//! The events that this binary knows, found by name or by what a handler wants.

use super::EventEntry;
use crate::{
    blueprint::pipeline::{
        PipelineCompleted, PipelineFailed, PipelineStageCompleted, PipelineStarted,
    },
    delivery::DeadLetter,
    event::{Event, pattern::Interest},
    journal::events::{
        SagaCompensated, SagaCompleted, SagaFailed, SagaStarted, SagaStepCompleted, SagaStuck,
    },
};

/// Kairo's own events.
const OWN: [&str; 11] = [
    DeadLetter::NAME,
    SagaStarted::NAME,
    SagaStepCompleted::NAME,
    SagaCompleted::NAME,
    SagaFailed::NAME,
    SagaCompensated::NAME,
    SagaStuck::NAME,
    PipelineStarted::NAME,
    PipelineStageCompleted::NAME,
    PipelineCompleted::NAME,
    PipelineFailed::NAME,
];

/// An event by name, whatever its version.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownEvent {
    pub(super) name: &'static str,
    pub(super) ephemeral: bool,
    /// Its newest type; Kairo's own events have no entry.
    pub(super) entry: Option<&'static EventEntry>,
}

/// All known events, sorted by name: a lookup is a search, and a pattern looks at a range.
#[derive(Debug)]
pub(super) struct Known {
    events: Vec<KnownEvent>,
}

impl Known {
    /// `entries` are sorted by name and version.
    pub(super) fn new(entries: &[&'static EventEntry]) -> Self {
        let own = |name| KnownEvent { name, ephemeral: false, entry: None };
        let mut events: Vec<_> = OWN.into_iter().map(own).collect();
        for entry in entries {
            let (name, ephemeral) = (entry.name, entry.ephemeral);
            let newer = KnownEvent { name, ephemeral, entry: Some(entry) };
            match events.last_mut() {
                Some(older) if older.name == name => *older = newer,
                _ => events.push(newer),
            }
        }
        events.sort_by_key(|event| event.name);
        Self { events }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.events.iter().map(|event| event.name)
    }

    pub(super) fn get(&self, name: &str) -> Option<KnownEvent> {
        let place = self.events.binary_search_by_key(&name, |event| event.name);
        place.ok().map(|place| self.events[place])
    }

    /// The known events that an interest wants.
    pub(super) fn wanted<'a>(&'a self, interest: &'a Interest) -> impl Iterator<Item = KnownEvent> {
        let prefix = fixed_part(interest);
        let first = self.events.partition_point(|event| event.name < prefix);
        self.events[first..]
            .iter()
            .take_while(move |event| event.name.starts_with(prefix))
            .filter(|event| interest.wants(event.name))
            .copied()
    }
}

/// What every name that an interest wants begins with.
fn fixed_part(interest: &Interest) -> &str {
    match interest {
        Interest::Name(name) => name,
        // `user.**` wants `user` as well, so the dot is not part of it.
        Interest::Pattern(pattern) => {
            pattern.split('*').next().unwrap_or_default().trim_end_matches('.')
        }
        Interest::Names(_) | Interest::Regex(_) => "",
    }
}
