//! Committing a unit: one script call, which checks all of it before it writes any of it.

use redis::Cmd;
use uuid::Uuid;

use super::{
    RedisStore,
    deliveries::{pack_finished, pack_parked},
    letters::{Change, pack_letter, seen_of, unpack_letter},
    requests::Turn,
    rows::{bytes_if_any, list, pack_event, pack_head, sortable, text},
    scripts,
};
use crate::{
    backend::plan::{check_epochs, check_streams, plan_letters},
    delivery::{DeadLetter, Progress, Scheduled},
    error::{Error, Result},
    event::record::EventData,
    store::{Append, Committed, Placed, Position, Unit, Version},
};

/// What an error says was being done.
const WRITING: &str = "writing to";

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
        check_streams(&unit.appends)?;
        let mut turn = self.requests.turn().await?;
        for _ in 0..PLANS_MAX {
            let changes = self.plan_changes(&unit).await?;
            turn.begin();
            match self.try_commit(&unit, &changes, &turn).await? {
                Outcome::Committed(committed) => {
                    self.signal
                        .commits
                        .raise(!unit.appends.is_empty() || !unit.scheduled.is_empty());
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
        changes: &[Change],
        turn: &Turn<'_>,
    ) -> Result<Outcome> {
        let reply = self
            .write(WRITING, &scripts::COMMIT, turn, |command| write_unit(command, unit, changes))
            .await?;
        let outcome = text(reply).map(|reply| read_outcome(&reply, unit));
        match outcome {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => Err(self.link.failing.of(WRITING, "the answer is not one of the script's")),
            Err(malformed) => Err(self.link.failing.of(WRITING, malformed)),
        }
    }

    /// How letters end up that are new or change. Most units have none, and need no look at the
    /// store.
    async fn plan_changes(&self, unit: &Unit) -> Result<Vec<Change>> {
        let buried =
            unit.progress.iter().flat_map(|progress| &progress.bury).map(|letter| letter.id);
        let mut ids: Vec<Uuid> =
            buried.chain(unit.letters.iter().map(|change| change.id())).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        ids.sort_unstable();
        ids.dedup();
        let found = self
            .read(&scripts::PLANNED, |command| {
                command.arg(unit.progress.len());
                for progress in &unit.progress {
                    command.arg(&progress.subscription);
                }
                command.arg(ids.len());
                for id in &ids {
                    command.arg(id.as_bytes());
                }
            })
            .await?;
        let found = self.understood(list(found).and_then(|found| {
            found.into_iter().map(bytes_if_any).collect::<Result<Vec<_>, _>>()
        }))?;
        let Some((epochs, letters)) = found.split_at_checked(unit.progress.len()) else {
            return Err(self.link.failing.of(WRITING, "the answer is not one of the script's"));
        };
        check_epochs(unit, |subscription| {
            let index =
                unit.progress.iter().position(|progress| progress.subscription == subscription);
            let epoch = index.and_then(|index| epochs.get(index)?.as_deref());
            Ok(epoch.and_then(|epoch| str::from_utf8(epoch).ok()?.parse().ok()))
        })?;
        let blob_of =
            |id: Uuid| ids.binary_search(&id).ok().and_then(|index| letters.get(index)?.as_deref());
        let letter = |id| -> Result<Option<DeadLetter>> {
            let blob = blob_of(id).map(|blob| unpack_letter(id, blob));
            self.understood(blob.transpose())
        };
        let planned = plan_letters(unit, letter)?;
        let change = |(id, letter): (Uuid, Option<DeadLetter>)| {
            let packed = letter.map(|letter| pack_letter(&letter, self.clock.new_id()));
            Change { id, seen: seen_of(blob_of(id)).to_vec(), packed: packed.unwrap_or_default() }
        };
        Ok(planned.into_iter().map(change).collect())
    }
}

/// Adds a unit to the script's arguments, in the order in which it reads them.
fn write_unit(command: &mut Cmd, unit: &Unit, changes: &[Change]) {
    command.arg(unit.progress.len());
    for progress in &unit.progress {
        write_progress(command, progress);
    }
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
    command.arg(unit.appends.len());
    for append in &unit.appends {
        write_append(command, append);
    }
}

fn write_progress(command: &mut Cmd, progress: &Progress) {
    let low_water = progress.checkpoint.low_water;
    command.arg(&progress.subscription).arg(progress.epoch).arg(low_water.to_string());
    command.arg(pack_finished(&progress.checkpoint.finished));
    command.arg(progress.park.len());
    for parked in &progress.park {
        command.arg(parked.position.to_string()).arg(pack_parked(parked));
    }
    command.arg(progress.unpark.len());
    for position in &progress.unpark {
        command.arg(position.to_string());
    }
}

fn write_append(command: &mut Cmd, append: &Append) {
    command.arg(append.stream.as_str());
    match append.expected {
        Version::Any => command.arg("any"),
        Version::Exists => command.arg("exists"),
        Version::NoStream => command.arg(0),
        Version::At(version) => command.arg(version),
    };
    command.arg(append.events.len());
    for event in &append.events {
        command.arg(event.id.as_bytes()).arg(u8::from(event.derived)).arg(event.name.as_str());
        command.arg(pack_head(event)).arg(&event.payload[..]);
    }
}

/// What a reply means for its unit; `None` if it is none that the script can give.
fn read_outcome(reply: &str, unit: &Unit) -> Option<Outcome> {
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
        "missing" => {
            let value = unit.unscheduled.get(index()?)?.to_string();
            Error::NotFound { what: "delayed event", value }
        }
        "conflict" => {
            let append = unit.appends.get(index()?)?;
            let stream = append.stream.as_str().to_owned();
            Error::Conflict { stream, expected: append.expected, actual: number()? }
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
