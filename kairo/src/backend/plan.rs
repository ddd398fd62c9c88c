//! What a unit is going to do: checked in full before any of it is written.
//!
//! The rules live here once, so that back ends differ only in how they look things up and write.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::{
    delivery::{Claim, DeadLetter, Scheduled},
    error::{Error, Result},
    event::{name::StreamName, record::EventData},
    store::{Append, Placed, Position, Unit},
};

/// What a plan needs to know of the store as it is.
pub(crate) trait View {
    /// The epoch of a subscription's last claim.
    fn epoch(&mut self, subscription: &str) -> Result<Option<u64>>;

    /// A dead letter.
    fn letter(&mut self, id: Uuid) -> Result<Option<DeadLetter>>;

    /// Whether the timetable has an event.
    fn is_scheduled(&mut self, id: Uuid) -> Result<bool>;

    /// The version of a stream's last event; 0 when it has none.
    fn version(&mut self, stream: &StreamName) -> Result<u64>;

    /// The place of the event with a derived id.
    fn derived(&mut self, id: Uuid) -> Result<Option<(Position, u64)>>;

    /// The sequence that the next event gets.
    fn next_sequence(&self) -> u64;
}

/// A unit that passed every check, with what follows from them.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    /// How letters end up that are new or change; `None` when they are gone.
    pub(crate) letters: Vec<(Uuid, Option<DeadLetter>)>,
    /// What goes into the timetable.
    pub(crate) scheduled: Vec<&'a Scheduled>,
    /// The place of each event, in the order of the unit.
    pub(crate) placed: Vec<Placed>,
}

impl<'a> Plan<'a> {
    /// Checks a unit against the store.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::NotFound`], [`Error::WrongState`] or [`Error::Conflict`], or
    /// what the view fails with.
    pub(crate) fn make(unit: &'a Unit, view: &mut impl View) -> Result<Self> {
        check_epochs(unit, |subscription| view.epoch(subscription))?;
        let letters = plan_letters(unit, |id| view.letter(id))?;
        check_unscheduled(unit, view)?;
        let scheduled = plan_scheduled(unit, view)?;
        let placed = plan_appends(&unit.appends, view)?;
        Ok(Self { letters, scheduled, placed })
    }

    /// The events to write, with their places: those that the log does not have.
    pub(crate) fn fresh(
        &self,
        appends: &'a [Append],
    ) -> impl Iterator<Item = (Placed, &'a EventData)> {
        let events = appends.iter().flat_map(|append| &append.events);
        self.placed.iter().copied().zip(events).filter(|(placed, _)| !placed.duplicate)
    }
}

/// Checks that each progress comes from the last claim of its subscription, whose epoch `epoch`
/// finds.
///
/// # Errors
/// [`Error::Fenced`], or what `epoch` fails with.
pub(crate) fn check_epochs(
    unit: &Unit,
    mut epoch: impl FnMut(&str) -> Result<Option<u64>>,
) -> Result {
    for progress in &unit.progress {
        if epoch(&progress.subscription)? != Some(progress.epoch) {
            return Err(Error::Fenced { subscription: progress.subscription.clone() });
        }
    }
    Ok(())
}

/// How letters end up that are new or change, where `find` finds those that are there. A letter
/// that is already there stays as it is: a repeated progress buries it once.
///
/// # Errors
/// [`Error::NotFound`] or [`Error::WrongState`], or what `find` fails with.
pub(crate) fn plan_letters(
    unit: &Unit,
    mut find: impl FnMut(Uuid) -> Result<Option<DeadLetter>>,
) -> Result<Vec<(Uuid, Option<DeadLetter>)>> {
    let mut letters: Vec<(Uuid, Option<DeadLetter>)> = Vec::new();
    for letter in unit.progress.iter().flat_map(|progress| &progress.bury) {
        let twice = letters.iter().any(|(id, _)| *id == letter.id);
        if !twice && find(letter.id)?.is_none() {
            letters.push((letter.id, Some(letter.clone())));
        }
    }
    for change in &unit.letters {
        let id = change.id();
        let known = letters.iter().position(|(planned, _)| *planned == id);
        let letter = match known {
            Some(index) => letters.swap_remove(index).1,
            None => find(id)?,
        };
        let letter =
            letter.ok_or_else(|| Error::NotFound { what: "dead letter", value: id.to_string() })?;
        letters.push((id, change.apply(letter)?));
    }
    Ok(letters)
}

/// Checks that no subscription is claimed twice at once.
///
/// # Errors
/// [`Error::Misuse`]
pub(crate) fn check_claims(claims: &[Claim]) -> Result {
    let names: HashSet<_> = claims.iter().map(|claim| &claim.subscription).collect();
    if names.len() == claims.len() {
        return Ok(());
    }
    Err(Error::Misuse("a subscription is claimed twice at once"))
}

fn check_unscheduled(unit: &Unit, view: &mut impl View) -> Result {
    let mut taken = HashSet::new();
    for id in &unit.unscheduled {
        if !taken.insert(id) || !view.is_scheduled(*id)? {
            return Err(Error::NotFound { what: "delayed event", value: id.to_string() });
        }
    }
    Ok(())
}

/// An event that is in the timetable already, or whose derived id the log has, is left out.
fn plan_scheduled<'a>(unit: &'a Unit, view: &mut impl View) -> Result<Vec<&'a Scheduled>> {
    let mut planned: Vec<&Scheduled> = Vec::new();
    for scheduled in &unit.scheduled {
        let id = scheduled.event.id;
        let freed = unit.unscheduled.contains(&id);
        let known = planned.iter().any(|earlier| earlier.event.id == id)
            || (!freed && view.is_scheduled(id)?)
            || (scheduled.event.derived && view.derived(id)?.is_some());
        if !known {
            planned.push(scheduled);
        }
    }
    Ok(planned)
}

/// Checks that all events of an append name its stream.
///
/// # Errors
/// [`Error::Misuse`]
pub(crate) fn check_streams(appends: &[Append]) -> Result {
    let is_own = |append: &Append| append.events.iter().all(|event| event.stream == append.stream);
    if appends.iter().all(is_own) {
        return Ok(());
    }
    Err(Error::Misuse("an append holds events of its own stream only"))
}

fn plan_appends(appends: &[Append], view: &mut impl View) -> Result<Vec<Placed>> {
    let mut placed = Vec::with_capacity(appends.iter().map(|append| append.events.len()).sum());
    let mut versions = Versions::default();
    let mut next = view.next_sequence();
    check_streams(appends)?;
    for append in appends {
        let before = versions.of(append, view)?;
        let mut version = before;
        for event in &append.events {
            if let Some(place) = first_place(event, &placed, view)? {
                placed.push(place);
                continue;
            }
            // An append of nothing new is a repetition, which fits whatever the version is now.
            if version == before && !append.expected.allows(before) {
                return Err(Error::Conflict {
                    stream: append.stream.as_str().to_owned(),
                    expected: append.expected,
                    actual: before,
                });
            }
            version += 1;
            let position = Position::at_sequence(next);
            placed.push(Placed { id: event.id, position, version, duplicate: false });
            next += 1;
        }
        versions.set(append, version, 1 < appends.len());
    }
    Ok(placed)
}

/// Where a derived id already stands: in the log, or earlier in the same unit.
fn first_place(
    event: &EventData,
    placed: &[Placed],
    view: &mut impl View,
) -> Result<Option<Placed>> {
    if !event.derived {
        return Ok(None);
    }
    if let Some(earlier) = placed.iter().find(|earlier| earlier.id == event.id) {
        return Ok(Some(Placed { duplicate: true, ..*earlier }));
    }
    let first = view.derived(event.id)?;
    Ok(first.map(|(position, version)| Placed { id: event.id, position, version, duplicate: true }))
}

/// The versions that a unit's earlier appends lead to.
#[derive(Default)]
struct Versions<'a>(HashMap<&'a StreamName, u64>);

impl<'a> Versions<'a> {
    fn of(&self, append: &Append, view: &mut impl View) -> Result<u64> {
        match self.0.get(&append.stream) {
            Some(version) => Ok(*version),
            None => view.version(&append.stream),
        }
    }

    /// Nobody asks again in a unit of one append, so nothing is kept for it.
    fn set(&mut self, append: &'a Append, version: u64, kept: bool) {
        if kept {
            self.0.insert(&append.stream, version);
        }
    }
}
