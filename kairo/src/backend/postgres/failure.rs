//! What the driver's errors are to a caller.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use sqlx::postgres::PgDatabaseError;

use crate::{
    backend::plan::value_taken,
    documents::Collection,
    error::{BoxError, Error},
};

/// What went wrong inside a transaction: the unit is refused, or the database failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The unit's own error, found before anything of it was written.
    Refused(Error),
    /// The driver's.
    Sql(sqlx::Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

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
        if source.downcast_ref().is_some_and(is_full) {
            return Error::Full { store: self.url.to_string() };
        }
        Error::Store { action: format!("{action} the store `{}`", self.url), source }
    }

    /// An error at connecting; where the server has said no, in its own words.
    pub(super) fn connecting(&self, error: sqlx::Error) -> Error {
        const CONNECTING: &str = "connecting to";
        match error.as_database_error() {
            Some(refused) => self.of(CONNECTING, refused.message().to_owned()),
            None => self.of(CONNECTING, error),
        }
    }

    /// What [`Trouble`] is to the caller.
    pub(super) fn trouble(&self, action: &str, trouble: Trouble) -> Error {
        match trouble {
            Trouble::Refused(error) => error,
            Trouble::Sql(error) => self.of(action, error),
        }
    }

    /// The error for something that took longer than it may.
    pub(super) fn late(&self, action: &str, what: &str, limit: Duration) -> Error {
        self.of(action, format!("{what} within {} s", limit.as_secs()))
    }

    /// The error for a database that is not for this store.
    pub(super) fn foreign(&self, reason: String) -> Error {
        Error::Foreign { store: self.url.to_string(), reason }
    }
}

/// Whether a connection can be of no more use: it is broken, or leads to a server that may not be
/// written to. What was being done may have taken effect.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        _ => code(error).is_some_and(|code| {
            // The server shuts down, crashes or starts; it is read-only; connection exceptions.
            matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006")
                || code.starts_with("08")
        }),
    }
}

/// Whether somebody else was quicker, so that the same attempt may end differently.
pub(super) fn is_race(error: &sqlx::Error) -> bool {
    // A unique violation, a serialization failure, a deadlock.
    code(error).is_some_and(|code| matches!(&*code, "23505" | "40001" | "40P01"))
}

fn is_full(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "53100")
}

/// Whether a table is not there.
pub(super) fn is_undefined(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "42P01")
}

/// Whether a value has more bytes than an index takes.
pub(super) fn is_too_large(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "54000")
}

/// A unique index that has the last word.
#[derive(Debug)]
pub(super) struct Violation<'a>(&'a PgDatabaseError);

impl<'a> Violation<'a> {
    pub(super) fn of(error: &'a sqlx::Error) -> Option<Self> {
        let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
        (error.code() == "23505").then_some(Self(error))
    }

    /// The table that it is of.
    pub(super) fn table(&self) -> Option<&'a str> {
        self.0.table()
    }

    /// The name of the index.
    pub(super) fn index(&self) -> &'a str {
        self.0.constraint().unwrap_or_default()
    }

    /// The key that is there already, as the server writes it, when it says so.
    pub(super) fn key(&self) -> Option<&'a str> {
        let (_, rest) = self.0.detail()?.split_once(")=(")?;
        rest.rfind(')').map(|end| &rest[..end])
    }

    /// That the value of a field is taken.
    pub(super) fn of_value(&self, collection: &Collection, field: &str) -> Error {
        match self.key().and_then(|key| serde_json::from_str::<Value>(key).ok()) {
            Some(value) => value_taken(collection, field, &value),
            None => Error::ValueTaken {
                collection: collection.name,
                field: field.to_owned(),
                value: None,
            },
        }
    }
}

/// The SQLSTATE of what the server said.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}
