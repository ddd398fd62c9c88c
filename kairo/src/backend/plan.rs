//! What a unit is going to do: checked in full before any of it is written.
//!
//! The rules live here once, so that back ends differ only in how they look things up and write.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use super::entities::plan_documents;
pub(crate) use super::entities::{unique_values, value_taken};
use crate::{
    delivery::{Claim, DeadLetter, MarkKey, Scheduled},
    documents::{Collection, Document, DocumentChange},
    error::{Error, Result},
    event::{name::StreamName, record::EventData},
    journal::{SagaChange, SagaRow},
    store::{Append, Placed, Position, Removal, Tip, Unit, Version},
};

/// What a plan needs to know of the store as it is.
pub(crate) trait View {
    /// Whether a claim of a subscription still holds.
    fn holds(&mut self, subscription: &str, epoch: u64) -> Result<bool>;

    /// A dead letter.
    fn letter(&mut self, id: Uuid) -> Result<Option<DeadLetter>>;

    /// Whether the timetable has an event.
    fn is_scheduled(&mut self, id: Uuid) -> Result<bool>;

    /// Where a stream ends.
    fn tip(&mut self, stream: &StreamName) -> Result<Tip>;

    /// The place of the event with a derived id.
    fn derived(&mut self, id: Uuid) -> Result<Option<(Position, u64)>>;

    /// A saga; its state may be left out.
    fn saga(&mut self, id: Uuid) -> Result<Option<SagaRow>>;

    /// The saga of a kind that was started under a key.
    fn saga_of_key(&mut self, saga: &str, key: &str) -> Result<Option<Uuid>>;

    /// Whether an event has been marked as handled.
    fn is_marked(&mut self, key: &MarkKey) -> Result<bool>;

    /// A document.
    fn document(&mut self, collection: &'static Collection, id: &str) -> Result<Option<Document>>;

    /// The document of a collection that has a unique value.
    fn owner_of(
        &mut self,
        collection: &'static Collection,
        field: &'static str,
        value: &Value,
    ) -> Result<Option<String>>;

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
    /// The streams that go.
    pub(crate) removals: Vec<Removed<'a>>,
    /// The place of each event, in the order of the unit.
    pub(crate) placed: Vec<Placed>,
    /// How sagas end up that are new or change.
    pub(crate) sagas: Vec<SagaRow>,
    /// How documents end up, in the order of the unit; `None` when they are gone.
    pub(crate) documents: Vec<Option<Document>>,
}

/// A stream that goes.
#[derive(Debug)]
pub(crate) struct Removed<'a> {
    pub(crate) stream: &'a StreamName,
    /// The version of its last event.
    pub(crate) version: u64,
    pub(crate) tombstone: bool,
}

impl<'a> Plan<'a> {
    /// Checks a unit against the store.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::NotFound`], [`Error::WrongState`], [`Error::Conflict`] or
    /// [`Error::Tombstone`], or what the view fails with.
    pub(crate) fn make(unit: &'a Unit, view: &mut impl View) -> Result<Self> {
        check_form(unit)?;
        check_claims_hold(unit, |subscription, epoch| view.holds(subscription, epoch))?;
        check_marks(unit, |key| view.is_marked(key))?;
        let letters = plan_letters(unit, |id| view.letter(id))?;
        check_unscheduled(unit, view)?;
        let scheduled = plan_scheduled(unit, view)?;
        let removals = plan_removals(unit, view)?;
        let placed = plan_appends(&unit.appends, view)?;
        let sagas = plan_sagas(&unit.sagas, view)?;
        let documents = plan_documents(&unit.documents, view)?;
        Ok(Self { letters, scheduled, removals, placed, sagas, documents })
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

/// Checks what a unit shows by itself: events name the stream that they are appended to, no stream is
/// removed that the unit also changes, and a saga changes once.
///
/// # Errors
/// [`Error::Misuse`]
pub(crate) fn check_form(unit: &Unit) -> Result {
    let is_own = |append: &Append| append.events.iter().all(|event| event.stream == append.stream);
    if !unit.appends.iter().all(is_own) {
        return Err(Error::Misuse("an append holds events of its own stream only"));
    }
    let mut changed = HashSet::new();
    if !unit.sagas.iter().all(|change| changed.insert(change.id())) {
        return Err(Error::Misuse("a unit changes a saga twice"));
    }
    let mut changed = HashSet::new();
    let place = |change: &'_ DocumentChange| (change.collection.table, change.id.clone());
    if !unit.documents.iter().all(|change| changed.insert(place(change))) {
        return Err(Error::Misuse("a unit changes a document twice"));
    }
    let mut removed = HashSet::new();
    let once = unit.removals.iter().all(|removal| removed.insert(&removal.stream));
    if once && unit.appends.iter().all(|append| !removed.contains(&append.stream)) {
        return Ok(());
    }
    Err(Error::Misuse("a unit changes a stream that it removes"))
}

/// Checks that all progress and every mark comes from a claim that `holds`.
///
/// # Errors
/// [`Error::Fenced`], or what `holds` fails with.
pub(crate) fn check_claims_hold(
    unit: &Unit,
    mut holds: impl FnMut(&str, u64) -> Result<bool>,
) -> Result {
    for (subscription, epoch) in claims_of(unit) {
        if !holds(subscription, epoch)? {
            return Err(Error::Fenced { subscription: subscription.to_owned() });
        }
    }
    Ok(())
}

/// The claims that a unit comes from: subscriptions and epochs.
pub(crate) fn claims_of(unit: &Unit) -> impl Iterator<Item = (&str, u64)> {
    let of_progress = unit.progress.iter().map(|it| (it.subscription.as_str(), it.epoch));
    let of_marks =
        unit.marks.iter().filter_map(|it| Some((it.key.subscription.as_str(), it.epoch?)));
    of_progress.chain(of_marks)
}

/// Checks that nothing has been handled already, in this unit either.
///
/// # Errors
/// [`Error::AlreadyHandled`], or what `is_marked` fails with.
pub(crate) fn check_marks(
    unit: &Unit,
    mut is_marked: impl FnMut(&MarkKey) -> Result<bool>,
) -> Result {
    let mut marked = HashSet::new();
    for mark in &unit.marks {
        if !marked.insert(&mark.key) || is_marked(&mark.key)? {
            let subscription = mark.key.subscription.clone();
            return Err(Error::AlreadyHandled { subscription });
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
    let names: foldhash::HashSet<_> = claims.iter().map(|claim| &claim.subscription).collect();
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

fn plan_appends(appends: &[Append], view: &mut impl View) -> Result<Vec<Placed>> {
    let mut placed = Vec::with_capacity(appends.iter().map(|append| append.events.len()).sum());
    let mut versions = Versions::default();
    let mut next = view.next_sequence();
    for append in appends {
        let before = versions.of(append, view)?;
        let mut version = before.version;
        for event in &append.events {
            if let Some(place) = first_place(event, &placed, view)? {
                placed.push(place);
                continue;
            }
            // An append of nothing new is a repetition, which fits whatever the version is now.
            if version == before.version {
                check_tip(&append.stream, append.expected, before)?;
            }
            version += 1;
            let position = Position::at_sequence(next);
            placed.push(Placed { id: event.id, position, version, duplicate: false });
            next += 1;
        }
        versions.set(append, before, version, 1 < appends.len());
    }
    Ok(placed)
}

/// A stream of which nothing is left anyway is not removed again, unless it is closed by that.
fn plan_removals<'a>(unit: &'a Unit, view: &mut impl View) -> Result<Vec<Removed<'a>>> {
    let mut removals: Vec<Removed<'_>> = Vec::new();
    for removal in &unit.removals {
        let Removal { stream, expected, tombstone } = removal;
        let tip = view.tip(stream)?;
        if tip.tombstone {
            continue;
        }
        check_tip(stream, *expected, tip)?;
        if tip.has_events || *tombstone {
            removals.push(Removed { stream, version: tip.version, tombstone: *tombstone });
        }
    }
    Ok(removals)
}

/// How sagas end up. A back end that checks by itself does it in the same way.
///
/// # Errors
/// [`Error::SagaExists`], [`Error::SagaMoved`], [`Error::NotFound`] or [`Error::WrongState`], or what
/// the view fails with.
fn plan_sagas(changes: &[SagaChange], view: &mut impl View) -> Result<Vec<SagaRow>> {
    let mut planned: Vec<SagaRow> = Vec::with_capacity(changes.len());
    for change in changes {
        let row = match change {
            SagaChange::Start(row) => start(row, &planned, view)?,
            SagaChange::Write(write) => {
                let mut row = there(write.id, view)?;
                row.write(write)?;
                row
            }
            SagaChange::Cancel { id, now } => {
                let mut row = there(*id, view)?;
                row.cancel(*now)?;
                row
            }
        };
        planned.push(row);
    }
    Ok(planned)
}

fn start(row: &SagaRow, planned: &[SagaRow], view: &mut impl View) -> Result<SagaRow> {
    if view.saga(row.id)?.is_some() {
        return Err(Error::SagaExists { key: None, id: row.id });
    }
    let Some(key) = &row.key else { return Ok(row.clone()) };
    let is_same = |other: &&SagaRow| other.saga == row.saga && other.key == row.key;
    let taken = match planned.iter().find(is_same) {
        Some(other) => Some(other.id),
        None => view.saga_of_key(&row.saga, key)?,
    };
    match taken {
        Some(id) => Err(Error::SagaExists { key: row.key.clone(), id }),
        None => Ok(row.clone()),
    }
}

fn there(id: Uuid, view: &mut impl View) -> Result<SagaRow> {
    view.saga(id)?.ok_or_else(|| Error::NotFound { what: "saga", value: id.to_string() })
}

fn check_tip(stream: &StreamName, expected: Version, tip: Tip) -> Result {
    let stream = || stream.as_str().to_owned();
    if tip.tombstone {
        return Err(Error::Tombstone { stream: stream() });
    }
    if expected.allows(tip) {
        return Ok(());
    }
    Err(Error::Conflict { stream: stream(), expected, actual: tip.version })
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

/// Where a unit's earlier appends have left their streams.
#[derive(Default)]
struct Versions<'a>(HashMap<&'a StreamName, u64>);

impl<'a> Versions<'a> {
    fn of(&self, append: &Append, view: &mut impl View) -> Result<Tip> {
        match self.0.get(&append.stream) {
            Some(version) => Ok(Tip::at(*version)),
            None => view.tip(&append.stream),
        }
    }

    /// Nobody asks again in a unit of one append, so nothing is kept for it. What was not appended
    /// to is looked up again.
    fn set(&mut self, append: &'a Append, before: Tip, version: u64, kept: bool) {
        if kept && before.version < version {
            self.0.insert(&append.stream, version);
        }
    }
}
