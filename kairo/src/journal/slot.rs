//! What is known of each step of a saga, in the form that is stored.
//!
//! A state is reached only from the one before it: each method takes the state that it leaves by
//! value, so that a step that has not run cannot be undone, and none is done twice.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What is known of a step whose output is a `T`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot<T> {
    /// Nothing has been done.
    Pending(Pending),
    /// Its `when` said no.
    Skipped,
    /// It has begun.
    Running(Running),
    /// It has happened.
    Done(Done<T>),
    /// It said that it has not happened, and never will.
    Failed(Failed),
    /// Nobody knows whether it has happened.
    Unknown(Unknown),
    /// Its compensation has begun.
    Undoing(Undoing<T>),
    /// Whatever it did is undone.
    Undone(Undone),
}

/// What is the same for a step from its first attempt to the end of its compensation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Steps that began together have the same; undoing goes from the highest down.
    pub level: u32,
    /// How often the step was begun anew after it had been undone, or had said no; it is part of its
    /// idempotency key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub round: u32,
}

/// The attempts at a step, or at its compensation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// The attempt, from 1; 0 where none has begun.
    pub attempt: u32,
    /// When the first attempt began.
    pub since: Timestamp,
    /// Why the last attempt failed; outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// When the next attempt begins, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
}

/// A step that has not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// As in [`Place`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub round: u32,
}

/// A step that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it stands.
    pub place: Place,
    /// Its attempts.
    pub attempts: Attempts,
}

/// A step that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done<T> {
    /// Where it stands.
    pub place: Place,
    /// What it returned.
    pub output: T,
}

/// A step that has not happened and never will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Where it stands.
    pub place: Place,
    /// Why; outermost first.
    pub errors: Vec<String>,
}

/// A step of which nobody knows whether it has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Where it stands.
    pub place: Place,
    /// Why; outermost first.
    pub errors: Vec<String>,
}

/// A step that is being undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoing<T> {
    /// Where it stands.
    pub place: Place,
    /// What the step returned, if that is known.
    #[serde(
        with = "maybe",
        bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>")
    )]
    pub output: Option<T>,
    /// The attempts at its compensation.
    pub attempts: Attempts,
    /// Whether it has finally failed, and waits for somebody to decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
}

/// A step that has no effect any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Where it stands.
    pub place: Place,
    /// Why somebody said so without its compensation having succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::Pending(Pending::default())
    }
}

impl<T> Slot<T> {
    /// The same with another output.
    ///
    /// # Errors
    /// As `change`.
    pub fn try_map<U, E>(self, change: impl FnOnce(T) -> Result<U, E>) -> Result<Slot<U>, E> {
        Ok(match self {
            Self::Pending(pending) => Slot::Pending(pending),
            Self::Skipped => Slot::Skipped,
            Self::Running(running) => Slot::Running(running),
            Self::Done(Done { place, output }) => {
                Slot::Done(Done { place, output: change(output)? })
            }
            Self::Failed(failed) => Slot::Failed(failed),
            Self::Unknown(unknown) => Slot::Unknown(unknown),
            Self::Undoing(Undoing { place, output, attempts, stuck }) => {
                let output = output.map(change).transpose()?;
                Slot::Undoing(Undoing { place, output, attempts, stuck })
            }
            Self::Undone(undone) => Slot::Undone(undone),
        })
    }

    /// What the step returned, if that is known and has not been undone.
    #[must_use]
    pub const fn output(&self) -> Option<&T> {
        match self {
            Self::Done(done) => Some(&done.output),
            Self::Undoing(undoing) => undoing.output.as_ref(),
            _ => None,
        }
    }
}

impl Attempts {
    const fn first(since: Timestamp) -> Self {
        Self { attempt: 1, since, errors: Vec::new(), due: None }
    }

    fn again(self) -> Self {
        Self { attempt: self.attempt.saturating_add(1), due: None, ..self }
    }

    fn wait(self, errors: Vec<String>, due: Timestamp) -> Self {
        Self { errors, due: Some(due), ..self }
    }

    /// The attempt counts as not begun.
    fn give_back(self, now: Timestamp) -> Self {
        Self { attempt: self.attempt.saturating_sub(1), due: Some(now), ..self }
    }
}

impl Pending {
    /// The first attempt begins.
    #[must_use]
    pub const fn start(self, level: u32, now: Timestamp) -> Running {
        let place = Place { level, round: self.round };
        Running { place, attempts: Attempts::first(now) }
    }

    /// It is not to run.
    #[must_use]
    pub const fn skip<T>(self) -> Slot<T> {
        Slot::Skipped
    }
}

impl Running {
    /// Another attempt begins.
    #[must_use]
    pub fn again(self) -> Self {
        Self { attempts: self.attempts.again(), ..self }
    }

    /// The attempt failed, and another one begins then.
    #[must_use]
    pub fn wait(self, errors: Vec<String>, due: Timestamp) -> Self {
        Self { attempts: self.attempts.wait(errors, due), ..self }
    }

    /// The attempt counts as not begun, because the process stops.
    #[must_use]
    pub fn give_back(self, now: Timestamp) -> Self {
        Self { attempts: self.attempts.give_back(now), ..self }
    }

    /// It has happened.
    #[must_use]
    pub fn done<T>(self, output: T) -> Done<T> {
        Done { place: self.place, output }
    }

    /// It said no.
    #[must_use]
    pub fn failed(self, errors: Vec<String>) -> Failed {
        Failed { place: self.place, errors }
    }

    /// Nobody knows.
    #[must_use]
    pub fn unknown(self, errors: Vec<String>) -> Unknown {
        Unknown { place: self.place, errors }
    }
}

impl Failed {
    /// Somebody wants it to begin anew.
    #[must_use]
    pub const fn anew(&self) -> Pending {
        self.place.anew()
    }
}

impl<T> Done<T> {
    /// Its compensation begins.
    #[must_use]
    pub fn undo(self, now: Timestamp) -> Undoing<T> {
        Undoing::first(self.place, Some(self.output), now)
    }
}

impl Unknown {
    /// Its compensation begins, in case it has happened.
    #[must_use]
    pub fn undo<T>(self, now: Timestamp) -> Undoing<T> {
        Undoing::first(self.place, None, now)
    }

    /// Somebody wants it tried again, under the same key.
    #[must_use]
    pub fn again(self, now: Timestamp) -> Running {
        let attempts = Attempts { attempt: 0, since: now, errors: self.errors, due: Some(now) };
        Running { place: self.place, attempts }
    }
}

impl<T> Undoing<T> {
    const fn first(place: Place, output: Option<T>, since: Timestamp) -> Self {
        Self { place, output, attempts: Attempts::first(since), stuck: false }
    }

    /// Another attempt begins.
    #[must_use]
    pub fn again(self) -> Self {
        Self { attempts: self.attempts.again(), ..self }
    }

    /// The attempt failed, and another one begins then.
    #[must_use]
    pub fn wait(self, errors: Vec<String>, due: Timestamp) -> Self {
        Self { attempts: self.attempts.wait(errors, due), ..self }
    }

    /// The attempt counts as not begun, because the process stops.
    #[must_use]
    pub fn give_back(self, now: Timestamp) -> Self {
        Self { attempts: self.attempts.give_back(now), ..self }
    }

    /// No attempt follows, until somebody decides.
    #[must_use]
    pub fn stick(self, errors: Vec<String>) -> Self {
        let attempts = Attempts { errors, due: None, ..self.attempts };
        Self { attempts, stuck: true, ..self }
    }

    /// Somebody wants it tried again, for as long as the first time.
    #[must_use]
    pub fn retry(self, now: Timestamp) -> Self {
        let attempts = Attempts { attempt: 0, since: now, due: Some(now), ..self.attempts };
        Self { attempts, stuck: false, ..self }
    }

    /// As [`retry`](Self::retry), as if the step had returned this.
    #[must_use]
    pub fn retry_with(self, output: T, now: Timestamp) -> Self {
        Self { output: Some(output), ..self }.retry(now)
    }

    /// Somebody wants the saga to go on: the step counts as done where its output is known, and is
    /// tried again under its old key where it is not.
    #[must_use]
    pub fn forward(self, now: Timestamp) -> Slot<T> {
        let Self { place, output, attempts, .. } = self;
        match output {
            Some(output) => Slot::Done(Done { place, output }),
            None => Slot::Running(Unknown { place, errors: attempts.errors }.again(now)),
        }
    }

    /// It is undone.
    #[must_use]
    pub fn undone(self) -> Undone {
        Undone { place: self.place, skipped: None }
    }

    /// Somebody says that nothing is left to undo.
    #[must_use]
    pub fn skip(self, reason: String) -> Undone {
        Undone { place: self.place, skipped: Some(reason) }
    }
}

impl Undone {
    /// Somebody wants it to begin anew.
    #[must_use]
    pub const fn anew(&self) -> Pending {
        self.place.anew()
    }
}

impl Place {
    const fn anew(self) -> Pending {
        Pending { round: self.round.saturating_add(1) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A value that may be missing, as a list: `null` is the value of a step that returns nothing.
mod maybe {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference")]
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.pop())
    }
}
