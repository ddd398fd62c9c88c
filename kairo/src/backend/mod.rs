//! The stores: one URL scheme each, all under the same contract.
//!
//! # The SQLite file
//!
//! Any SQLite tool can read a store's file, also while it is open; only its owner should write to
//! it. Times are microseconds since 1970 in UTC, ids are blobs of 16 bytes, and payloads are text
//! where they are UTF-8, so that SQLite's JSON functions work on them.
//!
//! | table or view | what it holds |
//! |---|---|
//! | `kairo_log` | the log for people: `sequence`, `name`, `stream`, `version`, `schema`, `time` (ISO 8601), `id`, `correlation`, `causation` (as text), `depth`, `metadata`, `payload` |
//! | `kairo_event` | the log itself; `derived` is 1 where the id follows from the cause |
//! | `kairo_gone` | streams whose newest events were deleted, with the version that the last of them had; `removed` is set where all of it was deleted at once, `tombstone` is 1 where nothing can be appended any more |
//! | `kairo_snapshot` | values that were folded from streams, the newest of each stream and name |
//! | `kairo_subscription` | a row for each subscription: all up to `low_water` is finished or parked; `paused` is 1 where nothing new begins |
//! | `kairo_parked` | events that wait: for a retry when `due`, `behind` another of their key, for a `newer` binary, or for running `alone` |
//! | `kairo_dead_letter` | events that handlers could not process; `due` is set while one is reprocessed |
//! | `kairo_timetable` | events that are not due yet |
//! | `kairo_value` | single values: `created` is when the store was made, `epoch` that of the last claim, `newest` the sequence that the log had reached when events were last deleted |
//!
//! ```sql
//! SELECT time, payload ->> 'email' FROM kairo_log WHERE name = 'user.created';
//! ```

mod memory;
mod plan;
#[cfg(feature = "sqlite")]
mod sqlite;
mod url;

use std::sync::Arc;

use self::url::StoreUrl;
use crate::{
    clock::Clock,
    delivery::Backend,
    error::{Error, Result},
    store::BoxFuture,
};

/// How the store of a scheme is opened.
type Open = for<'a> fn(&'a StoreUrl, &'a Clock) -> BoxFuture<'a, Result<Arc<dyn Backend>>>;

/// The schemes of this build.
const SCHEMES: &[(&str, Open)] = &[
    ("memory", |url, clock| Box::pin(async move { memory::open(url, clock) })),
    #[cfg(feature = "sqlite")]
    ("sqlite", |url, clock| Box::pin(sqlite::open(url, clock))),
];

/// The store of a bus that names none.
pub(crate) const URL_DEFAULT: &str =
    if cfg!(feature = "sqlite") { "sqlite://kairo.db" } else { "memory:" };

/// Schemes that other builds may have.
const ELSEWHERE: &[&str] = &["sqlite", "postgres", "postgresql", "redis", "rediss", "nats"];

/// Opens the store that a URL names, making it first where it is new.
///
/// - `memory:` keeps everything in this process and loses it with the process. With
///   `?shared=true` several buses that are given this store share its subscriptions, as processes
///   do that have one server.
/// - `sqlite://shop.db` is a file beside the process, `sqlite:///var/lib/shop.db` one with an
///   absolute path; `sqlite:shop.db` is the same as the first. The path is taken as it is
///   written, up to the first `?`. `?synchronous=full` (the default) makes each commit survive a
///   loss of power, `?synchronous=normal` only the end of the process. One process at a time owns
///   the file, by a lock on a file `..-lock` beside it.
///
/// # Errors
/// [`Error::Invalid`] for a URL that is malformed or has an unknown scheme or option;
/// [`Error::InUse`] when another process owns the file; [`Error::NewerSchema`] and
/// [`Error::Foreign`] when the file is not for this binary; [`Error::Store`] when it cannot be
/// opened.
pub async fn open(url: &str, clock: &Clock) -> Result<Arc<dyn Backend>> {
    let url = StoreUrl::parse(url)?;
    let known = SCHEMES.iter().find(|(scheme, _)| *scheme == url.scheme());
    match known {
        Some((_, open)) => open(&url, clock).await,
        None => Err(unknown_scheme(&url)),
    }
}

fn unknown_scheme(url: &StoreUrl) -> Error {
    let schemes: Vec<_> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
    let here = url::quoted(&schemes, ":");
    let scheme = url.scheme();
    let allowed = if ELSEWHERE.contains(&scheme) {
        format!("this build does not have the back end `{scheme}`; it has {here}")
    } else {
        let hint = url::hint(scheme, &schemes);
        format!("no back end has the scheme `{scheme}`{hint}; this build has {here}")
    };
    Error::invalid("store URL", url.shown(), allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(url: &str, expected: &str) {
        let clock = Clock::system();
        let opened = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(open(url, &clock));
        let error = opened.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_cannot_be_opened_says_what_can() {
        check_refused("memroy:", "`memroy:` is not valid");
        check_refused("memroy:", "did you mean `memory`?");
        check_refused("postgres://ada:secret@db/shop", "does not have the back end `postgres`");
        check_refused("shop.db", "such as `memory:` or `sqlite://shop.db`");
        check_refused("memory:shop", "write `memory:`");
        check_refused("memory:?size=3", "there is no option `size`; `memory:` has `shared`");
        check_refused("memory:?shared=yes", "`shared` is `true` or `false`");
    }
}
