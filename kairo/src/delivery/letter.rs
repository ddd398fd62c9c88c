//! Dead letters: events that a handler finally could not process, kept with all that is known.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::{DecodeError, Error},
    event::{Event, envelope::AnyEvent, record::EventData},
    store::Position,
};

/// The most failed attempts that a row keeps; the first ones go first.
pub const FAILURES_MAX: usize = 5;

/// Why an event is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// The handler said that trying again cannot help.
    Permanent,
    /// Every retry failed.
    Exhausted,
    /// The payload is not what its type wants.
    Undecodable,
    /// The last attempt panicked.
    Panic,
    /// The last attempt took too long.
    TimedOut,
    /// The process went away too often while the event was alone in flight.
    CrashLoop,
}

impl Reason {
    /// The word that is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Exhausted => "exhausted",
            Self::Undecodable => "undecodable",
            Self::Panic => "panic",
            Self::TimedOut => "timed-out",
            Self::CrashLoop => "crash-loop",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Reason {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const ALL: [Reason; 6] = [
            Reason::Permanent,
            Reason::Exhausted,
            Reason::Undecodable,
            Reason::Panic,
            Reason::TimedOut,
            Reason::CrashLoop,
        ];
        ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| {
            let names = ALL.map(Reason::as_str).join(", ");
            Error::invalid("reason", text, format!("use one of {names}"))
        })
    }
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When it ended.
    pub time: Timestamp,
    /// The error and all that caused it, outermost first.
    pub errors: Vec<String>,
}

/// What is being done about a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LetterState {
    /// Nothing: it waits for somebody's decision.
    Dead,
    /// It is being delivered again, not before `due`.
    Replaying {
        /// When the next attempt is due.
        due: Timestamp,
    },
}

/// An event that a handler finally could not process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The letter's own id.
    pub id: Uuid,
    /// The subscription that failed.
    pub subscription: String,
    /// Where the event stands in the log, written as text in JSON.
    #[serde(with = "position_text")]
    pub position: Position,
    /// Where the event stands in its stream.
    pub version: u64,
    /// The event as it was, to the byte.
    pub original: EventData,
    /// The payload that is delivered instead, if somebody edited it.
    pub edited: Option<serde_json::Value>,
    /// Why it is dead.
    pub reason: Reason,
    /// How many attempts have failed since it was first delivered, or last reprocessed.
    pub attempts: u32,
    /// The last failures, oldest first; at most [`FAILURES_MAX`].
    pub failures: Vec<FailedAttempt>,
    /// When the first attempt failed.
    pub first_failed: Timestamp,
    /// When the last attempt failed, which is when it died.
    pub last_failed: Timestamp,
    /// How often it was reprocessed.
    pub replays: u32,
    /// Whether later events of its key wait for it.
    pub holds_key: bool,
    /// What is being done about it.
    pub state: LetterState,
}

impl DeadLetter {
    /// The event that failed.
    #[must_use]
    pub fn event(&self) -> AnyEvent {
        AnyEvent::detached(self.original.clone())
    }

    /// The outermost error of the last attempt.
    #[must_use]
    pub fn error(&self) -> &str {
        self.failures.last().and_then(|failed| failed.errors.first()).map_or("", String::as_str)
    }

    /// Whether its subscription must know of it: it is being reprocessed, or holds its key.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.holds_key || self.state != LetterState::Dead
    }

    /// The key that its event has, or held.
    pub(crate) fn key(&self) -> String {
        self.original.stream.to_string()
    }

    /// What tells an edited payload from the original one, and from other edits.
    pub(crate) fn edit(&self) -> Option<Uuid> {
        let edited = self.edited.as_ref()?;
        Some(Uuid::new_v5(&self.id, edited.to_string().as_bytes()))
    }

    /// The event as it is delivered when the letter is reprocessed.
    pub(crate) fn replayed(&self) -> EventData {
        let mut event = self.original.clone();
        if let Some(edited) = &self.edited {
            event.payload = Bytes::from(edited.to_string());
        }
        event
    }
}

/// A letter is itself an event: `kairo.dead-letter.created`.
#[diagnostic::do_not_recommend]
impl Event for DeadLetter {
    const NAME: &'static str = "kairo.dead-letter.created";

    fn stream(&self) -> Option<String> {
        Some(format!("kairo.dead-letter-{}", self.id.as_simple()))
    }

    fn decode_schema(schema: u32, json: &[u8]) -> Result<Self, DecodeError> {
        crate::event::decode_exactly(schema, json)
    }
}

mod position_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::store::Position;

    pub(super) fn serialize<S: Serializer>(
        position: &Position,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(position)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Position, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What happens to a letter.
#[derive(Clone, Debug)]
pub enum LetterChange {
    /// A dead letter is to be delivered again: its attempts restart and its replays rise by one.
    Replay {
        /// The letter.
        id: Uuid,
        /// The payload to deliver instead; `None` keeps what is there.
        edited: Option<serde_json::Value>,
        /// When.
        due: Timestamp,
    },
    /// An attempt at a letter that is being replayed has failed, and another will follow.
    Retry {
        /// The letter.
        id: Uuid,
        /// How many attempts have failed since it was last reprocessed.
        attempts: u32,
        /// The last failures, oldest first.
        failures: Vec<FailedAttempt>,
        /// When the next attempt is due.
        due: Timestamp,
    },
    /// A letter that is being replayed is dead again.
    Return {
        /// The letter.
        id: Uuid,
        /// Why.
        reason: Reason,
        /// How many attempts have failed since it was last reprocessed.
        attempts: u32,
        /// The last failures, oldest first.
        failures: Vec<FailedAttempt>,
        /// When the last of them ended.
        time: Timestamp,
    },
    /// The letter goes away, whatever its state.
    Remove {
        /// The letter.
        id: Uuid,
    },
}

impl LetterChange {
    /// The letter that changes.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        match self {
            Self::Replay { id, .. }
            | Self::Retry { id, .. }
            | Self::Return { id, .. }
            | Self::Remove { id } => *id,
        }
    }

    /// The letter after this change; `None` when it is gone.
    ///
    /// # Errors
    /// [`Error::WrongState`] when a letter in its state cannot change so.
    pub fn apply(&self, mut letter: DeadLetter) -> Result<Option<DeadLetter>, Error> {
        let replaying = matches!(letter.state, LetterState::Replaying { .. });
        match self {
            Self::Replay { .. } if replaying => {
                let id = letter.id;
                return Err(Error::WrongState(format!("dead letter `{id}` is being reprocessed")));
            }
            Self::Retry { .. } | Self::Return { .. } if !replaying => {
                let id = letter.id;
                return Err(Error::WrongState(format!(
                    "dead letter `{id}` is not being reprocessed"
                )));
            }
            Self::Replay { edited, due, .. } => {
                letter.edited = edited.clone().or(letter.edited);
                letter.attempts = 0;
                letter.replays += 1;
                letter.state = LetterState::Replaying { due: *due };
            }
            Self::Retry { attempts, failures, due, .. } => {
                letter.attempts = *attempts;
                letter.failures.clone_from(failures);
                letter.state = LetterState::Replaying { due: *due };
            }
            Self::Return { reason, attempts, failures, time, .. } => {
                letter.reason = *reason;
                letter.attempts = *attempts;
                letter.failures.clone_from(failures);
                letter.last_failed = *time;
                letter.state = LetterState::Dead;
            }
            Self::Remove { .. } => return Ok(None),
        }
        Ok(Some(letter))
    }
}

/// Which letters are meant; everything that is `None` lets all of them pass.
#[derive(Clone, Debug, Default)]
pub struct LetterFilter {
    /// Those of this subscription.
    pub subscription: Option<String>,
    /// Those of events with exactly this name.
    pub event: Option<String>,
    /// Those that died for this reason.
    pub reason: Option<Reason>,
    /// Those that died at or before this time.
    pub dead_until: Option<Timestamp>,
    /// Only those that are [pending](DeadLetter::is_pending).
    pub pending: bool,
    /// Those behind this one, in the order of the list.
    pub after: Option<(Timestamp, Uuid)>,
    /// At most so many; `None` means 100.
    pub limit: Option<usize>,
    /// The newest first, instead of the oldest.
    pub newest_first: bool,
}

impl LetterFilter {
    /// The number of letters that a list holds when the filter states none.
    pub const LIMIT: usize = 100;

    /// Whether a letter passes, leaving `limit` aside.
    #[must_use]
    pub fn passes(&self, letter: &DeadLetter) -> bool {
        self.subscription.as_ref().is_none_or(|wanted| *wanted == letter.subscription)
            && self.event.as_ref().is_none_or(|wanted| letter.original.name == wanted.as_str())
            && self.reason.is_none_or(|wanted| wanted == letter.reason)
            && self.dead_until.is_none_or(|until| letter.last_failed <= until)
            && (!self.pending || letter.is_pending())
            && self.after.is_none_or(|after| self.is_behind(after, (letter.last_failed, letter.id)))
    }

    fn is_behind(&self, one: (Timestamp, Uuid), other: (Timestamp, Uuid)) -> bool {
        if self.newest_first { other < one } else { one < other }
    }
}
