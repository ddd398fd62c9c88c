//! What Redis' errors are to a caller.

use std::{fmt, sync::Arc};

use redis::{ErrorKind, RedisError, ServerErrorKind};

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
        match source.downcast_ref::<RedisError>().and_then(RedisError::code) {
            Some("OOM") => Error::Full { store: self.url.to_string() },
            Some("KAIROGONE") => {
                self.foreign("it has been removed or migrated since it was opened")
            }
            _ => Error::Store { action: format!("{action} the store `{}`", self.url), source },
        }
    }

    /// The store's keys hold something else.
    pub(super) fn foreign(&self, reason: impl Into<String>) -> Error {
        Error::Foreign { store: self.url.to_string(), reason: reason.into() }
    }
}

/// What to do about an error before anybody hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The connection cannot be used any more: make another one and ask again.
    Reconnect,
    /// The server is there and cannot answer yet: ask again after a pause.
    Wait,
    /// The server does not have the script: send it in full.
    SendScript,
    /// Nothing: asking again would not help.
    None,
}

impl Remedy {
    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io => Self::Reconnect,
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::SendScript,
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::TryAgain,
            ) => Self::Wait,
            _ if error.code() == Some("BUSY") => Self::Wait,
            _ if error.is_unrecoverable_error() => Self::Reconnect,
            _ => Self::None,
        }
    }
}

/// A value in Redis that this store has not written.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not as Kairo writes it", self.0)
    }
}

impl std::error::Error for Malformed {}
