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

/// A step that has not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {}

/// A step that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Steps that began together have the same; undoing goes from the highest down.
    pub level: u32,
    /// The attempt, from 1.
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

/// A step that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done<T> {
    /// As in [`Running`].
    pub level: u32,
    /// What it returned.
    pub output: T,
}

/// A step that has not happened and never will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Why; outermost first.
    pub errors: Vec<String>,
}

/// A step of which nobody knows whether it has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// As in [`Running`].
    pub level: u32,
    /// Why; outermost first.
    pub errors: Vec<String>,
}

/// A step that is being undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoing<T> {
    /// As in [`Running`].
    pub level: u32,
    /// What the step returned, if that is known.
    pub output: Option<T>,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When the first attempt began.
    pub since: Timestamp,
    /// Why the last attempt failed; outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// When the next attempt begins, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Whether it has finally failed, and waits for somebody to decide.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
}

/// A step that has no effect any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Why somebody said so without its compensation having succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::Pending(Pending {})
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
            Self::Done(Done { level, output }) => {
                Slot::Done(Done { level, output: change(output)? })
            }
            Self::Failed(failed) => Slot::Failed(failed),
            Self::Unknown(unknown) => Slot::Unknown(unknown),
            Self::Undoing(undoing) => Slot::Undoing(undoing.try_map(change)?),
            Self::Undone(undone) => Slot::Undone(undone),
        })
    }
}

impl Pending {
    /// The first attempt begins.
    #[must_use]
    pub const fn start(self, level: u32, now: Timestamp) -> Running {
        Running { level, attempt: 1, since: now, errors: Vec::new(), due: None }
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
        Self { attempt: self.attempt.saturating_add(1), due: None, ..self }
    }

    /// The attempt failed, and another one begins then.
    #[must_use]
    pub fn wait(self, errors: Vec<String>, due: Timestamp) -> Self {
        Self { errors, due: Some(due), ..self }
    }

    /// It has happened.
    #[must_use]
    pub fn done<T>(self, output: T) -> Done<T> {
        Done { level: self.level, output }
    }

    /// It said no.
    #[must_use]
    pub fn failed(self, errors: Vec<String>) -> Failed {
        Failed { errors }
    }

    /// Nobody knows.
    #[must_use]
    pub fn unknown(self, errors: Vec<String>) -> Unknown {
        Unknown { level: self.level, errors }
    }
}

impl<T> Done<T> {
    /// Its compensation begins.
    #[must_use]
    pub fn undo(self, now: Timestamp) -> Undoing<T> {
        Undoing::first(self.level, Some(self.output), now)
    }

    /// It needs no compensation.
    #[must_use]
    pub fn leave(self) -> Undone {
        Undone { skipped: None }
    }
}

impl Unknown {
    /// Its compensation begins, in case it has happened.
    #[must_use]
    pub fn undo<T>(self, now: Timestamp) -> Undoing<T> {
        Undoing::first(self.level, None, now)
    }

    /// It is tried again, because somebody said so.
    #[must_use]
    pub fn again(self, now: Timestamp) -> Running {
        Running { level: self.level, attempt: 0, since: now, errors: self.errors, due: Some(now) }
    }

    /// It needs no compensation.
    #[must_use]
    pub fn leave(self) -> Undone {
        Undone { skipped: None }
    }
}

impl<T> Undoing<T> {
    fn first(level: u32, output: Option<T>, since: Timestamp) -> Self {
        let (errors, due) = (Vec::new(), None);
        Self { level, output, attempt: 1, since, errors, due, stuck: false }
    }

    fn try_map<U, E>(self, change: impl FnOnce(T) -> Result<U, E>) -> Result<Undoing<U>, E> {
        let Self { level, output, attempt, since, errors, due, stuck } = self;
        let output = output.map(change).transpose()?;
        Ok(Undoing { level, output, attempt, since, errors, due, stuck })
    }

    /// Another attempt begins.
    #[must_use]
    pub fn again(self) -> Self {
        Self { attempt: self.attempt.saturating_add(1), due: None, stuck: false, ..self }
    }

    /// The attempt failed, and another one begins then.
    #[must_use]
    pub fn wait(self, errors: Vec<String>, due: Timestamp) -> Self {
        Self { errors, due: Some(due), ..self }
    }

    /// No attempt follows, until somebody decides.
    #[must_use]
    pub fn stick(self, errors: Vec<String>) -> Self {
        Self { errors, due: None, stuck: true, ..self }
    }

    /// Somebody wants it tried again, with its 24 hours from now on.
    #[must_use]
    pub fn retry(self, now: Timestamp) -> Self {
        Self { attempt: 0, since: now, due: Some(now), stuck: false, ..self }
    }

    /// It is undone.
    #[must_use]
    pub fn undone(self) -> Undone {
        Undone { skipped: None }
    }

    /// Somebody says that nothing is left to undo.
    #[must_use]
    pub fn skip(self, reason: String) -> Undone {
        Undone { skipped: Some(reason) }
    }
}
