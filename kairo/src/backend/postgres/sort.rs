//! What a unit consists of decides how it is written.

use std::collections::HashSet;

use crate::{
    journal::SagaChange,
    store::{Append, Unit, Version},
};

/// How a unit is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Nothing,
    /// Appends, a change of one saga, or both: in one statement, perhaps with other units.
    Quick,
    /// A change of one document, with an event or without: in one statement.
    Document,
    /// In one statement.
    Progress,
    Mixed,
}

/// Whether a unit changes nothing.
pub(super) fn is_nothing(unit: &Unit) -> bool {
    sort(unit) == Sort::Nothing
}

pub(super) fn sort(unit: &Unit) -> Sort {
    let Unit { letters, unscheduled, scheduled, removals, snapshots, marks, .. } = unit;
    let others = letters.len() + unscheduled.len() + scheduled.len() + removals.len();
    if 0 < others + snapshots.len() + marks.len() {
        return Sort::Mixed;
    }
    let Unit { progress, appends, sagas, documents, .. } = unit;
    match (progress.as_slice(), appends.as_slice(), sagas.as_slice(), documents.as_slice()) {
        ([], [], [], []) => Sort::Nothing,
        ([one], [], [], []) if one.bury.is_empty() => Sort::Progress,
        ([], appends, [] | [SagaChange::Start(_) | SagaChange::Write(_)], [])
            if is_plain(appends) =>
        {
            Sort::Quick
        }
        ([], [], [], [_]) => Sort::Document,
        ([], [append], [], [_]) if append.events.len() == 1 && is_plain(appends) => Sort::Document,
        _ => Sort::Mixed,
    }
}

/// Whether all appends have events of their own stream, derived ids differ, and only the first
/// append to a stream expects something of it.
fn is_plain(appends: &[Append]) -> bool {
    let mut streams = HashSet::new();
    let mut derived = HashSet::new();
    appends.iter().all(|append| {
        (streams.insert(&append.stream) || append.expected == Version::Any)
            && !append.events.is_empty()
            && append.events.iter().all(|event| {
                event.stream == append.stream && (!event.derived || derived.insert(event.id))
            })
    })
}
