//! How places of subscriptions and parked events lie in Redis.
//!
//! A subscription is a hash: `generation`, `paused`, `failure`, and for the epoch of each of its shares
//! `share:<epoch>`, which says who has which partitions, and `at:<epoch>`, the checkpoint. So
//! progress writes one field, and is fenced where that is not there.

use std::collections::BTreeMap;

use redis::Value;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    failure::Malformed,
    rows::{Read, bytes, number, pairs, text},
};
use crate::{
    backend::shares::Held,
    clock::micros,
    delivery::{Ahead, Checkpoint, FailedAttempt, Parked, ParkedState, Partitions},
    store::Position,
};

/// A subscription as it was found.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) generation: u32,
    pub(super) paused: bool,
    pub(super) shares: Vec<Held>,
    /// What failed last; only progress changes it.
    pub(super) failure: Option<FailedAttempt>,
}

impl Place {
    /// The least of what its shares say.
    pub(super) fn low_water(&self) -> Position {
        let places = self.shares.iter().map(|share| share.checkpoint.low_water);
        places.min().unwrap_or(Position::START)
    }

    /// The share of a key's partition.
    pub(super) fn share_of(&self, key: &str) -> Option<&Held> {
        self.shares.iter().find(|share| share.partitions.have(key))
    }

    /// All fields of its hash that a change may write.
    pub(super) fn fields(&self) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        fields.insert("generation".to_owned(), self.generation.to_string());
        fields.insert("paused".to_owned(), u8::from(self.paused).to_string());
        for share in &self.shares {
            fields.insert(format!("share:{}", share.epoch), pack_share(share));
            fields.insert(format!("at:{}", share.epoch), pack_checkpoint(&share.checkpoint));
        }
        fields
    }

    /// Reads the fields of a hash; `None` where there is none.
    pub(super) fn read(found: Value) -> Read<Option<Self>> {
        const WHAT: Malformed = Malformed("a subscription");
        let fields = pairs(found)?;
        if fields.is_empty() {
            return Ok(None);
        }
        let (mut place, mut checkpoints) = (
            Self { generation: 0, paused: false, shares: Vec::new(), failure: None },
            BTreeMap::new(),
        );
        for (field, value) in fields {
            match field.split_once(':') {
                None if field == "generation" => place.generation = number(value)?,
                None if field == "paused" => place.paused = text(value)? == "1",
                None if field == "failure" => {
                    place.failure = serde_json::from_slice(&bytes(value)?).map_err(|_| WHAT)?;
                }
                Some(("share", epoch)) => {
                    let epoch = epoch.parse().map_err(|_| WHAT)?;
                    place.shares.push(unpack_share(epoch, &text(value)?).ok_or(WHAT)?);
                }
                Some(("at", epoch)) => {
                    let epoch: u64 = epoch.parse().map_err(|_| WHAT)?;
                    checkpoints.insert(epoch, unpack_checkpoint(&text(value)?).ok_or(WHAT)?);
                }
                _ => {}
            }
        }
        place.shares.sort_by_key(|share| share.epoch);
        for share in &mut place.shares {
            share.checkpoint = checkpoints.remove(&share.epoch).ok_or(WHAT)?;
        }
        Ok(Some(place))
    }
}

/// Who has which partitions: `ffffffff/32 <owner> <clean>`.
fn pack_share(share: &Held) -> String {
    let owner = share.owner.map_or_else(|| "-".to_owned(), |owner| owner.simple().to_string());
    let (bits, count) = (share.partitions.bits(), share.partitions.count());
    format!("{bits:x}/{count} {owner} {}", u8::from(share.clean))
}

/// The share, at no place yet.
fn unpack_share(epoch: u64, packed: &str) -> Option<Held> {
    let mut words = packed.split(' ');
    let partitions = unpack_partitions(words.next()?)?;
    let owner = match words.next()? {
        "-" => None,
        owner => Some(Uuid::parse_str(owner).ok()?),
    };
    let clean = words.next()? == "1";
    Some(Held { owner, clean, ..Held::free(partitions, epoch, Checkpoint::default()) })
}

fn unpack_partitions(packed: &str) -> Option<Partitions> {
    let (bits, count) = packed.split_once('/')?;
    Partitions::of_bits(u64::from_str_radix(bits, 16).ok()?, count.parse().ok()?).ok()
}

/// The low water first, by which scripts tell what may be deleted; then finished positions, and
/// partitions with the place that they have reached.
pub(super) fn pack_checkpoint(checkpoint: &Checkpoint) -> String {
    let mut words = vec![checkpoint.low_water.to_string()];
    words.extend(checkpoint.finished.iter().map(ToString::to_string));
    for Ahead { partitions, low_water } in &checkpoint.ahead {
        words.push(format!("{:x}/{}@{low_water}", partitions.bits(), partitions.count()));
    }
    words.join(" ")
}

fn unpack_checkpoint(packed: &str) -> Option<Checkpoint> {
    let mut words = packed.split(' ');
    let mut checkpoint = Checkpoint::at(words.next()?.parse().ok()?);
    for word in words {
        match word.split_once('@') {
            None => checkpoint.finished.push(word.parse().ok()?),
            Some((partitions, low_water)) => checkpoint.ahead.push(Ahead {
                partitions: unpack_partitions(partitions)?,
                low_water: low_water.parse().ok()?,
            }),
        }
    }
    Some(checkpoint)
}

/// What a parked event's row has as JSON, under its position.
#[derive(Serialize, Deserialize)]
struct Row {
    key: String,
    state: State,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failures: Vec<FailedAttempt>,
}

/// What a parked event waits for, with times in microseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Retry(i64),
    Behind,
    Newer,
    Alone(u32),
}

/// What failed last, as JSON; empty where progress brings nothing of it.
pub(super) fn pack_failure(failure: Option<&FailedAttempt>) -> Vec<u8> {
    // Numbers, times and strings are always JSON.
    failure.and_then(|failure| serde_json::to_vec(failure).ok()).unwrap_or_default()
}

pub(super) fn pack_parked(parked: &Parked) -> Vec<u8> {
    let row = Row {
        key: parked.key.clone(),
        state: match parked.state {
            ParkedState::Retry { due } => State::Retry(due.as_microsecond()),
            ParkedState::Behind => State::Behind,
            ParkedState::Newer => State::Newer,
            ParkedState::Alone { crashes } => State::Alone(crashes),
        },
        attempts: parked.attempts,
        failures: parked.failures.clone(),
    };
    // Numbers, words and strings are always JSON.
    serde_json::to_vec(&row).unwrap_or_default()
}

pub(super) fn unpack_parked(position: Position, packed: &[u8]) -> Read<Parked> {
    let row: Row = serde_json::from_slice(packed).map_err(|_| Malformed("a parked event"))?;
    Ok(Parked {
        position,
        key: row.key,
        state: match row.state {
            State::Retry(due) => ParkedState::Retry { due: micros(due) },
            State::Behind => ParkedState::Behind,
            State::Newer => ParkedState::Newer,
            State::Alone(crashes) => ParkedState::Alone { crashes },
        },
        attempts: row.attempts,
        failures: row.failures,
    })
}

/// Reads positions and rows in turns.
pub(super) fn read_parked(found: Value) -> Read<Vec<Parked>> {
    let mut parked = Vec::new();
    for (position, packed) in pairs(found)? {
        let position = position.parse().map_err(|_| Malformed("a position"))?;
        parked.push(unpack_parked(position, &bytes(packed)?)?);
    }
    parked.sort_unstable_by_key(|row| row.position);
    Ok(parked)
}
