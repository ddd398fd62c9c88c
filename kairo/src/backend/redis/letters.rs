//! Dead letters.

use redis::Value;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    RedisStore,
    failure::Malformed,
    rows::{Cursor, Read, bytes, list, pack_event, put_part, sortable, time_of, unpack_event},
    scripts,
};
use crate::{
    clock::{Timestamp, micros},
    delivery::{
        DeadLetter, DeadLetters, FailedAttempt, LetterFilter, LetterState, Partitions, Reason,
    },
    error::Result,
    store::BoxFuture,
};

/// How many letters are looked at in one call.
const LOOKED_AT_MAX: usize = 128;

/// What a letter's value has as JSON.
#[derive(Serialize, Deserialize)]
struct Body {
    version: u64,
    edited: Option<String>,
    reason: Reason,
    attempts: u32,
    failures: Vec<FailedAttempt>,
    first_failed: i64,
    replays: u32,
    holds_key: bool,
    due: Option<i64>,
}

/// A letter's value: what scripts look at, the body, and the event.
pub(super) fn pack_letter(letter: &DeadLetter, revision: Uuid) -> Vec<u8> {
    let due = match letter.state {
        LetterState::Dead => None,
        LetterState::Replaying { due } => Some(due.as_microsecond()),
    };
    let body = Body {
        version: letter.version,
        edited: letter.edited.as_ref().map(ToString::to_string),
        reason: letter.reason,
        attempts: letter.attempts,
        failures: letter.failures.clone(),
        first_failed: letter.first_failed.as_microsecond(),
        replays: letter.replays,
        holds_key: letter.holds_key,
        due,
    };
    let mut packed = revision.as_bytes().to_vec();
    packed.push(if letter.holds_key || due.is_some() { b'1' } else { b'0' });
    packed.extend(sortable(letter.last_failed));
    for word in [&letter.position.to_string(), &letter.subscription] {
        // Names of subscriptions are far shorter than this can count.
        packed.extend(u16::try_from(word.len()).unwrap_or(u16::MAX).to_be_bytes());
        packed.extend(word.as_bytes());
    }
    // Numbers, words and strings are always JSON.
    put_part(&mut packed, &serde_json::to_vec(&body).unwrap_or_default());
    packed.extend(pack_event(&letter.original));
    packed
}

/// Reads what [`pack_letter`] made.
pub(super) fn unpack_letter(id: Uuid, packed: &[u8]) -> Read<DeadLetter> {
    const WHAT: Malformed = Malformed("a dead letter");
    let Parts { last_failed, position, subscription, body, event } =
        Parts::split(packed).ok_or(WHAT)?;
    let body: Body = serde_json::from_slice(body).map_err(|_| WHAT)?;
    let edited = body.edited.map(|edited| serde_json::from_str(&edited)).transpose();
    Ok(DeadLetter {
        id,
        subscription,
        position: position.parse().map_err(|_| WHAT)?,
        version: body.version,
        original: unpack_event(event)?,
        edited: edited.map_err(|_| WHAT)?,
        reason: body.reason,
        attempts: body.attempts,
        failures: body.failures,
        first_failed: micros(body.first_failed),
        last_failed,
        replays: body.replays,
        holds_key: body.holds_key,
        state: match body.due {
            None => LetterState::Dead,
            Some(due) => LetterState::Replaying { due: micros(due) },
        },
    })
}

/// A letter's value in its parts.
struct Parts<'a> {
    last_failed: Timestamp,
    position: String,
    subscription: String,
    body: &'a [u8],
    event: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(packed: &'a [u8]) -> Option<Self> {
        let mut bytes = Cursor(packed);
        let _: [u8; 17] = bytes.take()?;
        Some(Self {
            last_failed: time_of(bytes.take()?),
            position: word(&mut bytes)?,
            subscription: word(&mut bytes)?,
            body: bytes.take_part()?,
            event: bytes.0,
        })
    }
}

fn word(bytes: &mut Cursor<'_>) -> Option<String> {
    let length = u16::from_be_bytes(bytes.take()?);
    let (word, rest) = bytes.0.split_at_checked(length.into())?;
    bytes.0 = rest;
    Some(String::from_utf8_lossy(word).into_owned())
}

/// Reads ids and values in turns.
pub(super) fn read_letters(found: Value) -> Read<Vec<DeadLetter>> {
    let mut found = list(found)?.into_iter();
    let mut letters = Vec::with_capacity(found.len() / 2);
    while let (Some(id), Some(packed)) = (found.next(), found.next()) {
        let id = Uuid::from_slice(&bytes(id)?).map_err(|_| Malformed("a dead letter"))?;
        letters.push(unpack_letter(id, &bytes(packed)?)?);
    }
    Ok(letters)
}

/// Whether the key of a letter is in one of these partitions.
pub(super) fn is_of(letter: &DeadLetter, partitions: Partitions) -> bool {
    partitions.have(letter.original.stream.as_str())
}

/// The place of a letter in lists, by the time of death and then by id.
fn place(time: Timestamp, id: Uuid) -> Vec<u8> {
    [&sortable(time)[..], id.as_bytes()].concat()
}

impl DeadLetters for RedisStore {
    fn letters(&self, filter: LetterFilter) -> BoxFuture<'_, Result<Vec<DeadLetter>>> {
        Box::pin(self.list_letters(filter))
    }

    fn letter(&self, id: Uuid) -> BoxFuture<'_, Result<Option<DeadLetter>>> {
        Box::pin(async move {
            let mut get = redis::cmd("HGET");
            get.arg(self.key("letter")).arg(id.as_bytes());
            let packed = match self.link.ask(super::READING, &get).await? {
                Value::Nil => return Ok(None),
                packed => packed,
            };
            self.understood(bytes(packed).and_then(|packed| unpack_letter(id, &packed))).map(Some)
        })
    }
}

impl RedisStore {
    async fn list_letters(&self, filter: LetterFilter) -> Result<Vec<DeadLetter>> {
        let limit = filter.limit.unwrap_or(LetterFilter::LIMIT);
        let room = filter.subscription.as_ref().map_or_else(
            || "letters".to_owned(),
            |subscription| format!("letters-of:{subscription}"),
        );
        let latest = filter
            .dead_until
            .map_or_else(|| b"+".to_vec(), |until| [b"[", &place(until, Uuid::max())[..]].concat());
        let mut after = filter.after;
        let mut letters = Vec::new();
        while letters.len() < limit {
            let behind = after.map(|(time, id)| [b"(", &place(time, id)[..]].concat());
            let (low, high) = if filter.newest_first {
                (b"-".to_vec(), behind.unwrap_or_else(|| latest.clone()))
            } else {
                (behind.unwrap_or_else(|| b"-".to_vec()), latest.clone())
            };
            let found = self
                .read(&scripts::LETTERS, |command| {
                    command.arg(&room).arg(&low[..]).arg(&high[..]).arg(LOOKED_AT_MAX);
                    command.arg(u8::from(filter.newest_first));
                })
                .await?;
            let found = self.understood(read_letters(found))?;
            let Some(last) = found.last() else { break };
            after = Some((last.last_failed, last.id));
            let room = limit - letters.len();
            letters.extend(found.into_iter().filter(|letter| filter.passes(letter)).take(room));
        }
        Ok(letters)
    }
}
