//! Changing places of subscriptions: planned on what was read, and written while that still holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use redis::Value;
use uuid::Uuid;

use super::{
    RedisStore,
    letters::read_letters,
    places::{Place, read_parked},
    rows::{Read, list, number, parts, text},
    scripts,
};
use crate::{
    delivery::{DeadLetter, Parked},
    error::Result,
    store::Position,
};

/// How often a change is planned anew because others have changed something meanwhile.
const PLANS_MAX: u32 = 1_000;

/// What was found, and what it is to become.
#[derive(Debug)]
pub(super) struct Draft {
    /// Rises with every change of any subscription, beside progress.
    revision: String,
    /// The epoch of the last claim.
    pub(super) epoch: u64,
    /// Where the log ends.
    pub(super) head: Position,
    /// The members whose leases run.
    pub(super) alive: HashSet<Uuid>,
    found: HashMap<String, Place>,
    places: HashMap<String, Place>,
    /// The names under which renamed ones were found.
    old_names: HashMap<String, String>,
    /// What goes of the parked events.
    forgotten: HashMap<String, Forgotten>,
    /// Changed subscriptions, in the order in which they are written.
    changed: Vec<String>,
}

/// Parked events that go.
#[derive(Debug)]
enum Forgotten {
    All,
    One(Position),
}

/// What a changed subscription has.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) parked: Vec<Parked>,
    /// Those that are being replayed or hold their key, oldest first.
    pub(super) letters: Vec<DeadLetter>,
}

impl Draft {
    pub(super) fn place(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }

    /// An epoch that no claim has had.
    pub(super) fn next_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    pub(super) fn set(&mut self, name: &str, place: Place) {
        self.places.insert(name.to_owned(), place);
        if !self.changed.iter().any(|changed| changed == name) {
            self.changed.push(name.to_owned());
        }
    }

    /// Moves a subscription to another name, under which there is none.
    pub(super) fn rename(&mut self, old: &str, new: &str) {
        let Some(place) = self.places.remove(old) else { return };
        self.set(new, place);
        self.old_names.insert(new.to_owned(), old.to_owned());
    }

    pub(super) fn forget_parked(&mut self, name: &str) {
        self.forgotten.insert(name.to_owned(), Forgotten::All);
    }

    pub(super) fn forget_parked_at(&mut self, name: &str, position: Position) {
        self.forgotten.insert(name.to_owned(), Forgotten::One(position));
    }

    /// What is different in the hash of a subscription, beside what it was found to be.
    fn difference(&self, name: &str) -> Difference {
        let seen = self.old_names.get(name).map_or(name, String::as_str);
        let before = self.found.get(seen).map(Place::fields).unwrap_or_default();
        let after = self.places.get(name).map(Place::fields).unwrap_or_default();
        let gone = before.iter().filter(|(field, _)| !after.contains_key(*field));
        let fresh = after.iter().filter(|(field, value)| before.get(*field) != Some(value));
        Difference {
            gone: gone.map(|(field, value)| (field.clone(), value.clone())).collect(),
            fresh: fresh.map(|(field, value)| (field.clone(), value.clone())).collect(),
        }
    }
}

/// Fields that go, with what they were, and fields that come.
struct Difference {
    gone: BTreeMap<String, String>,
    fresh: BTreeMap<String, String>,
}

impl RedisStore {
    /// Changes subscriptions as `plan` finds it right, on what is known of those with `names`. It
    /// is called again when others have changed something meanwhile.
    pub(super) async fn change<T>(
        &self,
        action: &str,
        names: &[&str],
        mut plan: impl FnMut(&mut Draft) -> Result<T>,
    ) -> Result<(T, Vec<(String, Holding)>)> {
        let mut turn = self.requests.turn().await?;
        for _ in 0..PLANS_MAX {
            let mut draft = self.draft(names).await?;
            let planned = plan(&mut draft)?;
            if draft.changed.is_empty() {
                return Ok((planned, Vec::new()));
            }
            turn.begin();
            let revision = self.clock.new_id();
            let reply = self
                .write(action, &scripts::CHANGE, &turn, |command| {
                    command.arg(&draft.revision).arg(revision.as_bytes());
                    command.arg(draft.changed.len());
                    for name in &draft.changed {
                        write_change(command, &draft, name);
                    }
                    command.arg(draft.epoch);
                })
                .await?;
            // Where only the answer was lost it is planned on what has become of it.
            if let Value::Array(holdings) = reply {
                let holdings: Read<Vec<_>> = holdings.into_iter().map(read_holding).collect();
                let holdings = self.understood(holdings)?;
                self.signal.raise_others();
                return Ok((planned, draft.changed.into_iter().zip(holdings).collect()));
            }
        }
        Err(self.link.failing.of(action, "others change subscriptions all the time"))
    }

    async fn draft(&self, names: &[&str]) -> Result<Draft> {
        let found = self
            .read(&scripts::PLACES, |command| {
                command.arg(names.len()).arg(names);
            })
            .await?;
        self.understood(read_draft(found, names))
    }
}

fn write_change(command: &mut redis::Cmd, draft: &Draft, name: &str) {
    let old = draft.old_names.get(name).map_or("", String::as_str);
    let forgotten = match draft.forgotten.get(name) {
        None => String::new(),
        Some(Forgotten::All) => "all".to_owned(),
        Some(Forgotten::One(position)) => position.to_string(),
    };
    let Difference { gone, fresh } = draft.difference(name);
    command.arg(name).arg(old).arg(forgotten);
    // A share that goes must be where it was seen, for its owner may still have made progress.
    command.arg(gone.len());
    for (field, value) in &gone {
        command.arg(field).arg(value);
    }
    command.arg(gone.len());
    for field in gone.keys() {
        command.arg(field);
    }
    command.arg(fresh.len());
    for (field, value) in &fresh {
        command.arg(field).arg(value);
    }
}

fn read_draft(found: Value, names: &[&str]) -> Read<Draft> {
    let [revision, epoch, head, alive, hashes] = parts(found)?;
    let mut places = HashMap::new();
    for (name, hash) in names.iter().zip(list(hashes)?) {
        if let Some(place) = Place::read(hash)? {
            places.insert((*name).to_owned(), place);
        }
    }
    Ok(Draft {
        revision: text(revision)?,
        epoch: number(epoch)?,
        head: Position::at_sequence(number(head)?),
        alive: read_alive(alive)?,
        found: places.clone(),
        places,
        old_names: HashMap::new(),
        forgotten: HashMap::new(),
        changed: Vec::new(),
    })
}

/// Reads the ids of members; what is no id is nobody.
pub(super) fn read_alive(alive: Value) -> Read<HashSet<Uuid>> {
    let ids = list(alive)?.into_iter().map(text).collect::<Read<Vec<_>>>()?;
    Ok(ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect())
}

fn read_holding(holding: Value) -> Read<Holding> {
    let [parked, letters] = parts(holding)?;
    Ok(Holding { parked: read_parked(parked)?, letters: read_letters(letters)? })
}
