//! Committing a unit: one script call, which checks all of it before it writes any of it.

use redis::Cmd;

use super::{
    RedisStore,
    document_changes::{self, DocumentPlan, plan_documents, write_documents},
    inbox::write_marks,
    letter_changes::LetterPlan,
    places::{pack_checkpoint, pack_failure, pack_parked},
    requests::Turn,
    rows::{pack_event, pack_head, sortable, text},
    saga_changes::{refusal, write_sagas},
    scripts,
    streams::pack_snapshot,
};
use crate::{
    backend::plan::check_form,
    delivery::{Progress, Scheduled},
    error::{Error, Result},
    event::record::EventData,
    store::{Append, Committed, Placed, Position, Removal, Unit, Version},
};

/// What an error says was being done.
pub(super) const WRITING: &str = "writing to";

/// How often a unit is planned anew because letters that it changes have changed meanwhile.
const PLANS_MAX: usize = 100;

/// What the script says of a unit.
enum Outcome {
    Committed(Committed),
    /// Letters are not as they were when their change was planned.
    Stale,
    Refused(Error),
}

impl RedisStore {
    /// Commits a unit.
    pub(super) async fn commit_unit(&self, unit: Unit) -> Result<Committed> {
        check_form(&unit)?;
        let documents = plan_documents(&unit.documents)?;
        let mut turn = self.requests.turn().await?;
        for _ in 0..PLANS_MAX {
            let changes = self.plan_letters(&unit).await?;
            turn.begin();
            match self.try_commit(&unit, &changes, &documents, &turn).await? {
                Outcome::Committed(committed) => {
                    self.signal.raise_commits();
                    return Ok(committed);
                }
                Outcome::Refused(error) => return Err(error),
                Outcome::Stale => {}
            }
        }
        Err(self.link.failing.of(WRITING, "others change the same dead letters all the time"))
    }

    async fn try_commit(
        &self,
        unit: &Unit,
        changes: &[LetterPlan],
        documents: &[DocumentPlan<'_>],
        turn: &Turn<'_>,
    ) -> Result<Outcome> {
        let reply = self
            .write(WRITING, &scripts::COMMIT, turn, |command| {
                write_unit(command, unit, changes, documents);
            })
            .await?;
        let outcome = text(reply).map(|reply| read_outcome(&reply, unit, documents));
        match outcome {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => Err(self.link.failing.of(WRITING, "the answer is not one of the script's")),
            Err(malformed) => Err(self.link.failing.of(WRITING, malformed)),
        }
    }
}

/// Adds a unit to the script's arguments, in the order in which it reads them.
fn write_unit(
    command: &mut Cmd,
    unit: &Unit,
    changes: &[LetterPlan],
    documents: &[DocumentPlan<'_>],
) {
    command.arg(unit.progress.len());
    for progress in &unit.progress {
        write_progress(command, progress);
    }
    write_marks(command, &unit.marks);
    command.arg(changes.len());
    for change in changes {
        command.arg(change.id.as_bytes()).arg(&change.seen[..]).arg(&change.packed[..]);
    }
    command.arg(unit.unscheduled.len());
    for id in &unit.unscheduled {
        command.arg(id.as_bytes());
    }
    command.arg(unit.scheduled.len());
    for Scheduled { due, event } in &unit.scheduled {
        command.arg(event.id.as_bytes()).arg(u8::from(event.derived));
        command.arg(&sortable(*due)).arg(pack_event(event));
    }
    command.arg(unit.removals.len());
    for Removal { stream, expected, tombstone } in &unit.removals {
        command.arg(stream.as_str());
        write_expected(command, *expected);
        command.arg(u8::from(*tombstone));
    }
    command.arg(unit.appends.len());
    for append in &unit.appends {
        write_append(command, append);
    }
    command.arg(unit.snapshots.len());
    for snapshot in &unit.snapshots {
        command.arg(snapshot.stream.as_str()).arg(&snapshot.name).arg(snapshot.version);
        command.arg(pack_snapshot(snapshot));
    }
    write_sagas(command, &unit.sagas);
    write_documents(command, documents);
}

fn write_progress(command: &mut Cmd, progress: &Progress) {
    command.arg(&progress.subscription).arg(progress.epoch);
    command.arg(pack_checkpoint(&progress.checkpoint));
    command.arg(progress.park.len());
    for parked in &progress.park {
        command.arg(parked.position.to_string()).arg(pack_parked(parked));
    }
    command.arg(progress.unpark.len());
    for position in &progress.unpark {
        command.arg(position.to_string());
    }
    command.arg(pack_failure(progress.failure.as_ref()));
}

fn write_append(command: &mut Cmd, append: &Append) {
    command.arg(append.stream.as_str());
    write_expected(command, append.expected);
    command.arg(append.events.len());
    for event in &append.events {
        command.arg(event.id.as_bytes()).arg(u8::from(event.derived)).arg(event.name.as_str());
        command.arg(event.time.as_microsecond()).arg(pack_head(event)).arg(&event.payload[..]);
    }
}

fn write_expected(command: &mut Cmd, expected: Version) {
    match expected {
        Version::Any => command.arg("any"),
        Version::NoStream => command.arg("none"),
        Version::Exists => command.arg("exists"),
        Version::At(version) => command.arg(version),
    };
}

/// What a reply means for its unit; `None` if it is none that the script can give.
fn read_outcome(reply: &str, unit: &Unit, documents: &[DocumentPlan<'_>]) -> Option<Outcome> {
    if let Some(reply) = reply.strip_prefix("document-") {
        return document_changes::refusal(reply, documents).map(Outcome::Refused);
    }
    if let Some(reply) = reply.strip_prefix("saga-") {
        return refusal(reply, &unit.sagas).map(Outcome::Refused);
    }
    let mut words = reply.split(' ');
    let word = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let mut index = || usize::try_from(number()?.checked_sub(1)?).ok();
    let refused = match word {
        "ok" => return read_places(reply, unit).map(Outcome::Committed),
        "stale" => return Some(Outcome::Stale),
        "fenced" => {
            Error::Fenced { subscription: unit.progress.get(index()?)?.subscription.clone() }
        }
        "mark-fenced" => {
            Error::Fenced { subscription: unit.marks.get(index()?)?.key.subscription.clone() }
        }
        "marked" => {
            let subscription = unit.marks.get(index()?)?.key.subscription.clone();
            Error::AlreadyHandled { subscription }
        }
        "missing" => {
            let value = unit.unscheduled.get(index()?)?.to_string();
            Error::NotFound { what: "delayed event", value }
        }
        "conflict" => {
            let append = unit.appends.get(index()?)?;
            let stream = append.stream.as_str().to_owned();
            Error::Conflict { stream, expected: append.expected, actual: number()? }
        }
        "closed" => {
            Error::Tombstone { stream: unit.appends.get(index()?)?.stream.as_str().to_owned() }
        }
        "removal-conflict" => {
            let removal = unit.removals.get(index()?)?;
            let stream = removal.stream.as_str().to_owned();
            Error::Conflict { stream, expected: removal.expected, actual: number()? }
        }
        _ => return None,
    };
    Some(Outcome::Refused(refused))
}

fn read_places(reply: &str, unit: &Unit) -> Option<Committed> {
    let mut numbers = reply.split(' ').skip(1).map(str::parse::<u64>);
    let mut place = |event: &EventData| {
        let mut number = || numbers.next()?.ok();
        Some(Placed {
            id: event.id,
            position: Position::at_sequence(number()?),
            version: number()?,
            duplicate: number()? == 1,
        })
    };
    let events = unit.appends.iter().flat_map(|append| &append.events);
    let placed = events.map(&mut place).collect::<Option<_>>()?;
    Some(Committed { placed })
}
