//! What SQLite's errors are to a caller.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::error::{BoxError, Error};

/// Turns errors of one store's connections into [`Error`]s that name the store.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    url: Arc<str>,
}

impl Failing {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.into() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// An error while `action`, such as `reading`.
    pub(super) fn of(&self, action: &str, error: impl Into<BoxError>) -> Error {
        let source = error.into();
        if code(&source) == Some(ErrorCode::DiskFull) {
            return Error::Full { store: self.url.to_string() };
        }
        Error::Store { action: format!("{action} the store `{}`", self.url), source }
    }

    /// The same error for somebody else who was in the same transaction.
    pub(super) fn again(&self, action: &str, error: &Error) -> Error {
        match error {
            Error::Full { store } => Error::Full { store: store.clone() },
            other => self.of(action, other.to_string()),
        }
    }

    /// An error while finding out whose database a file is.
    pub(super) fn opening(&self, error: rusqlite::Error) -> Error {
        if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
            let reason = "it is not a SQLite database".to_owned();
            return Error::Foreign { store: self.url.to_string(), reason };
        }
        self.of("opening", error)
    }
}

fn code(error: &BoxError) -> Option<ErrorCode> {
    error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code)
}
