//! What fails again and again, kept where health can see it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};

/// The error of the last try of something that is tried again until it succeeds. Clones are the
/// same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// Notes a failed try.
    pub(crate) fn note(&self, error: &Error) {
        self.set(Some(error.to_string()));
    }

    /// Notes a try that succeeded.
    pub(crate) fn end(&self) {
        self.set(None);
    }

    /// Notes how a try went.
    pub(crate) fn note_result<T>(&self, tried: &Result<T>) {
        match tried {
            Ok(_) => self.end(),
            Err(error) => self.note(error),
        }
    }

    /// What the last try failed with; `None` once one has succeeded.
    pub(crate) fn now(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, error: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}
