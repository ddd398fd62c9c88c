//! What the infrastructure can do to a caller, in one type.
//!
//! A handler's own failure is a [`Failure`](crate::Failure), and a mistake in an item is a compile
//! error; everything else that can go wrong is an [`Error`].

use std::{error::Error as StdError, fmt};

use crate::store::Version;

/// Any error that can be sent between threads.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What Kairo's own functions return.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// What can go wrong outside a handler.
///
/// `Debug` writes the same text as `Display`, because that is what a `main` shows that returns a
/// [`Result`]. Inside a handler `?` makes a [`Failure`](crate::Failure) of an error:
/// [`Conflict`](Self::Conflict) is tried again at once; [`Invalid`](Self::Invalid),
/// [`Misuse`](Self::Misuse), [`Encode`](Self::Encode), [`Decode`](Self::Decode) and
/// [`PayloadTooLarge`](Self::PayloadTooLarge) are permanent; all others are retryable.
///
/// ```
/// use kairo::{Error, Kairo};
///
/// # async fn run() {
/// match Kairo::start().await {
///     Ok(kairo) => drop(kairo),
///     Err(Error::Wiring(error)) => eprintln!("{} mistakes", error.mistakes().len()),
///     Err(error) => eprintln!("{error}"),
/// }
/// # }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name, URL, option or other value has a form that is not allowed.
    #[error("{what} `{value}` is not valid: {allowed}")]
    Invalid {
        /// What kind of value it is, such as `event name`.
        what: &'static str,
        /// The value as it was given; of a long one its first 120 characters, and `…`.
        value: String,
        /// What is allowed instead.
        allowed: String,
    },
    /// What is linked and configured cannot be wired together; everything that is wrong is listed.
    #[error("{0}")]
    Wiring(WiringError),
    /// An append expected its stream at another version.
    #[error("stream `{stream}` is at version {actual}, expected {expected}")]
    Conflict {
        /// The stream that was appended to.
        stream: String,
        /// What the caller expected.
        expected: Version,
        /// The version of the stream's last event; 0 when it has none.
        actual: u64,
    },
    /// The stream was closed for good: it has no events and takes none.
    #[error("stream `{stream}` has been deleted for good: use another name")]
    Tombstone {
        /// The stream.
        stream: String,
    },
    /// Whoever was given the events of a stream again failed at one of them.
    #[error("replaying `{stream}` failed at its version {version}, `{event}`: {source}")]
    Replay {
        /// The event's name.
        event: String,
        /// The stream.
        stream: String,
        /// The event's version in it.
        version: u64,
        /// What the function or handler said.
        source: BoxError,
    },
    /// A payload is larger than the store accepts.
    #[error("the payload of event `{event}` has {bytes} bytes; the limit is {limit}")]
    PayloadTooLarge {
        /// The event's name.
        event: String,
        /// The size of the encoded payload, in bytes.
        bytes: usize,
        /// The largest size that is accepted, in bytes.
        limit: usize,
    },
    /// A value cannot be written as JSON.
    #[error("event `{event}` cannot be encoded: {source}")]
    Encode {
        /// The event's name.
        event: String,
        /// What the serializer said.
        source: serde_json::Error,
    },
    /// A stored or handed-in payload does not have the shape of its type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An event of a stream cannot be read, so whatever needs it stops before it.
    #[error("version {version} of stream `{stream}` cannot be read: {source}")]
    Unreadable {
        /// The stream.
        stream: String,
        /// The version of the event.
        version: u64,
        /// Why it cannot be read.
        source: DecodeError,
    },
    /// Nothing has this name or id.
    #[error("there is no {what} `{value}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// The name or id that was given.
        value: String,
    },
    /// A verb does not fit the state that its object is in.
    #[error("{0}")]
    WrongState(String),
    /// A call was made where it can never work.
    #[error("{0}")]
    Misuse(&'static str),
    /// Another owner has taken over, so this one may not record anything any more.
    #[error("subscription `{subscription}` has been taken over by another owner")]
    Fenced {
        /// The subscription that was lost.
        subscription: String,
    },
    /// There is a saga of this kind and key, or of this id, already.
    #[error("saga `{id}` has been started{} already", key.as_ref().map(|key| format!(" for `{key}`")).unwrap_or_default())]
    SagaExists {
        /// The key that is taken; `None` where it is the id.
        key: Option<String>,
        /// The saga that is there.
        id: uuid::Uuid,
    },
    /// A saga cannot be read, or cannot be what it is taken for.
    #[error("{0}")]
    Saga(String),
    /// Somebody else has changed the saga: what was decided on does not hold any more.
    #[error("saga `{id}` has been changed by somebody else: read it again")]
    SagaMoved {
        /// The saga.
        id: uuid::Uuid,
    },
    /// A document of this id is there already.
    #[error("`{collection}` has a document `{id}` already")]
    DocumentExists {
        /// The collection.
        collection: &'static str,
        /// The id that is taken.
        id: String,
    },
    /// A document is not what the caller has seen: it is at another version, has gone, or was made
    /// again.
    #[error("document `{id}` of `{collection}` {}, expected version {expected}", match actual {
        Some(version) if version == expected => "has been made again".to_owned(),
        Some(version) => format!("is at version {version}"),
        None => "is not there any more".to_owned(),
    })]
    DocumentMoved {
        /// The collection.
        collection: &'static str,
        /// The document.
        id: String,
        /// The version that the caller has seen.
        expected: u64,
        /// The version that is there; `None` when the document has gone.
        actual: Option<u64>,
    },
    /// A value that can be there once only belongs to another document.
    #[error("`{field}` of `{collection}` is unique, and {} is taken", value.as_ref().map_or_else(|| "its value".to_owned(), |value| format!("`{value}`")))]
    ValueTaken {
        /// The collection.
        collection: &'static str,
        /// The field.
        field: String,
        /// The value, where the store says it.
        value: Option<String>,
    },
    /// What was to be done once is done: an event has been handled, with all its effects.
    #[error("subscription `{subscription}` has handled this event already")]
    AlreadyHandled {
        /// The subscription.
        subscription: String,
    },
    /// This process did not renew its lease in time: others may have taken over its work.
    #[error("the lease of this process ran out: others may have taken over its work")]
    LeaseLost,
    /// The store is full: nothing was written, and the call can be repeated once there is space.
    #[error("the store `{store}` is full: nothing was written; free some space and try again")]
    Full {
        /// The store's URL, without secrets.
        store: String,
    },
    /// The store's file belongs to a running process.
    #[error("the store `{store}` is in use by another process{}", owner.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse {
        /// The store's URL.
        store: String,
        /// The process that holds it, where it is known.
        owner: Option<u32>,
    },
    /// The store's schema is newer than this binary knows.
    #[error(
        "the store `{store}` has schema version {found}, but this binary knows versions up to {known}: use a newer binary"
    )]
    NewerSchema {
        /// The store's URL.
        store: String,
        /// The schema version that was found.
        found: u32,
        /// The newest schema version that this binary knows.
        known: u32,
    },
    /// What is in the place of the store, or of a table of it, is somebody else's.
    #[error("`{store}` is not Kairo's: {reason}")]
    Foreign {
        /// The store's URL; with `#` and the name of a table where it is that.
        store: String,
        /// What was found instead.
        reason: String,
    },
    /// The store failed.
    #[error("{action} failed: {source}")]
    Store {
        /// What was being done, such as ``appending to `shop.db` ``.
        action: String,
        /// What the driver said.
        source: BoxError,
    },
    /// The bus has been shut down.
    #[error("the bus has been shut down")]
    Closed,
}

impl Error {
    /// An [`Error::Invalid`].
    pub(crate) fn invalid(
        what: &'static str,
        value: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Invalid { what, value: shortened(value.into()), allowed: allowed.into() }
    }
}

/// How many characters of a value an error shows.
const SHOWN_MAX: usize = 120;

/// A value as an error shows it: a long one is cut, with a mark.
pub(crate) fn shortened(mut value: String) -> String {
    if let Some((end, _)) = value.char_indices().nth(SHOWN_MAX) {
        value.truncate(end);
        value.push('…');
    }
    value
}

/// Why a stored payload could not become a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The event was written by newer code: its schema version is above the one this binary knows.
    #[error(
        "event `{event}` has schema version {found}, but this binary knows versions up to {known}"
    )]
    Newer {
        /// The event's name.
        event: String,
        /// The schema version of the stored event.
        found: u32,
        /// The schema version of the type in this binary.
        known: u32,
    },
    /// No type in this binary, or in this typed event enum, has this name.
    #[error("event `{event}` is not known to `{target}`")]
    Unknown {
        /// The event's name.
        event: String,
        /// The type that was asked for.
        target: &'static str,
    },
    /// The bytes are not what the type wants.
    #[error("event `{event}` cannot be decoded: {source}")]
    Malformed {
        /// The event's name.
        event: String,
        /// What the deserializer said.
        source: serde_json::Error,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that cannot be wired, found at start.
pub struct WiringError {
    /// One mistake each, with file and line.
    mistakes: Vec<String>,
}

impl WiringError {
    /// Gathers the mistakes; they are sorted, so that the message does not depend on link order.
    pub(crate) fn new(mut mistakes: Vec<String>) -> Self {
        mistakes.sort();
        Self { mistakes }
    }

    /// One mistake each, with file and line.
    #[must_use]
    pub fn mistakes(&self) -> &[String] {
        &self.mistakes
    }
}

impl fmt::Display for WiringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.mistakes.len();
        write!(f, "{count} thing{} cannot be wired:", if count == 1 { "" } else { "s" })?;
        for mistake in &self.mistakes {
            write!(f, "\n  - {}", mistake.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for WiringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_between_characters_and_a_short_one_is_shown_whole() {
        for (length, shown) in [(120, "ü".repeat(120)), (121, format!("{}…", "ü".repeat(120)))]
        {
            let error = Error::invalid("word", "ü".repeat(length), "say less");
            assert_eq!(error.to_string(), format!("word `{shown}` is not valid: say less"));
        }
    }

    #[test]
    fn a_main_that_returns_an_error_shows_it_as_people_read_it() {
        let mistakes = vec!["b lacks\nits state".to_owned(), "a is used twice".to_owned()];
        let error = Error::Wiring(WiringError::new(mistakes));
        let shown = "2 things cannot be wired:\n  - a is used twice\n  - b lacks\n    its state";
        assert_eq!((format!("{error:?}"), error.to_string()), (shown.into(), shown.into()));
    }
}
