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
//! | `kairo_saga` | a row for each saga: `owner` carries it on, `epoch` rises with each claim and `revision` with each change, `state` is JSON |
//! | `kairo_mark` | events that subscriptions have handled with effects of which each may happen once |
//! | `kairo_collection` | the tables of documents, one for each collection, under its own name |
//! | `kairo_value` | single values: `created` is when the store was made, `epoch` that of the last claim, `newest` the sequence that the log had reached when events were last deleted |
//!
//! ```sql
//! SELECT time, payload ->> 'email' FROM kairo_log WHERE name = 'user.created';
//! ```
//!
//! A table of documents has the columns `id`, `version` (rises with each change), `schema` (the version
//! of its shape), `created`, `changed` and `body`, which is JSON. Its indexes are
//! `kairo_index:<table>.<field>` and `kairo_unique:<table>.<field>`, over
//! `json_extract(body, '$.<field>')`; a query that says it in the same way uses them. Other indexes
//! stay as they are.
//!
//! ```sql
//! SELECT id, body ->> 'name' FROM users WHERE json_extract(body, '$.email') = 'ada@example.org';
//! ```
//!
//! # The keys in Redis
//!
//! All of them begin with the prefix in braces, such as `{kairo}:`, and only Kairo should write to
//! them. Times are microseconds since 1970 in UTC, ids are 16 bytes.
//!
//! | key | what it holds |
//! |---|---|
//! | `log` | the log: a stream whose entry `0-7` is the event of sequence 7, with `name`, `stream`, `version`, `id`, `time`, `derived`, `head` (packed: schema, depth, correlation, causation, metadata) and `payload` |
//! | `name:<name>`, `stream:<stream>` | where the events of a name and of a stream are in the log |
//! | `gone`, `names`, `names-deleted`, `derived` | how far streams were deleted; how many events a name ever had; derived ids |
//! | `snapshots:<stream>` | values that were folded from a stream |
//! | `subscriptions`, `subscription:<name>`, `parked:<name>` | names; who has which partitions, and how far they are; events that wait |
//! | `letter`, `letters`, `letters-of:<name>`, `letters-at:<name>`, `letters-pending:<name>` | dead letters by id, and in the orders in which they are looked for |
//! | `delayed`, `timetable` | events that are not due yet |
//! | `saga:<id>` | a saga: a hash with the columns of `kairo_saga` in SQLite, ids and numbers as text, and `place`, by which lists have it |
//! | `sagas`, `sagas-named:<saga>`, `saga-keys:<saga>` | sagas by their start, those of one name, and by key |
//! | `sagas-due:<saga>`, `sagas-of:<owner>`, `saga-owners` | those that go on: by when they are due where nobody has them, else with their owners |
//! | `sagas-ended` | those that are over, by their end |
//! | `members`, `leases` | the processes that share the store |
//! | `marked`, `marks:<name>`, `marks-at:<name>` | subscriptions with marks; the events that one has handled with all their effects, and when |
//! | `collections`, `documents:<table>`, `document-ids:<table>` | the indexes of each collection, as JSON; its documents by id, each behind its version, when it was made, the version of its shape and when it changed; their ids in order |
//! | `document-owners:<table>:<field>`, `document-index:<table>:<field>`, `document-entries:<table>` | who has a unique value; ids by value; what indexes list of each document |
//! | `client:<id>` | what a process asked for lately, so that it can ask again; it goes by itself |
//! | `meta` | single values, such as `schema` and the last `sequence` |
//!
//! # The PostgreSQL schema
//!
//! The tables lie in one schema. Times are microseconds since 1970 in UTC, payloads are bytes. A
//! place in the log is (`epoch`, `order_id`, `sequence`), in this order.
//!
//! | table or view | what it holds |
//! |---|---|
//! | `kairo_log` | the log for people: `time` as such, and `payload` as text, NULL where it is none |
//! | `kairo_event`, or as the URL says | the log itself |
//! | `kairo_subscription`, `kairo_share` | a row for each subscription, and one for each set of its partitions that are claimed together |
//! | `kairo_member` | the processes that share the work, while their leases run |
//! | `kairo_store`, `kairo_schema` | which log this is, and the migrations that have run |
//!
//! | `kairo_mark` | events that subscriptions have handled, together with all their effects |
//! | `kairo_collection` | the collections of documents, and the indexes that are kept as they are declared |
//!
//! A collection of documents is a table that is called as the collection says, with the columns `id`,
//! `version`, `schema` (the version of the body's shape), `created`, `changed` and `body`, which is
//! `jsonb`. Anybody can query it, and put more indexes and views on it; what is changed there by hand
//! has no event. A field is found by its index where it is written as Kairo writes it:
//!
//! ```sql
//! SELECT body FROM users WHERE nullif(body->'email', 'null'::jsonb) = '"a@b.c"';
//! ```
//!
//! `kairo_gone`, `kairo_snapshot`, `kairo_parked`, `kairo_dead_letter`, `kairo_timetable` and
//! `kairo_saga` are as in SQLite; `claim`, `waits`, `held` and `ended` of a saga are for the store
//! alone.
//!
//! How a store appends can be changed while it is used, to `'locked'` or back to `'gated'`, always
//! together with the epoch. Processes that run follow at once, and do best when they are restarted:
//!
//! ```sql
//! BEGIN;
//! LOCK TABLE kairo_event IN ACCESS EXCLUSIVE MODE;
//! UPDATE kairo_store SET append = 'locked', epoch = epoch + 1;
//! COMMIT;
//! ```
//!
//! ```sql
//! SELECT time, payload::json ->> 'email' FROM kairo_log WHERE name = 'user.created';
//! ```

mod entities;
mod memory;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod partitions;
mod plan;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod shares;
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
    #[cfg(feature = "redis")]
    ("redis", |url, clock| Box::pin(redis::open(url, clock))),
    #[cfg(feature = "redis")]
    ("rediss", |url, clock| Box::pin(redis::open(url, clock))),
    #[cfg(feature = "sqlite")]
    ("sqlite", |url, clock| Box::pin(sqlite::open(url, clock))),
    #[cfg(feature = "postgres")]
    ("postgres", |url, clock| Box::pin(postgres::open(url, clock))),
    #[cfg(feature = "postgres")]
    ("postgresql", |url, clock| Box::pin(postgres::open(url, clock))),
];

/// The store of a bus that names none.
pub(crate) const URL_DEFAULT: &str =
    if cfg!(feature = "sqlite") { "sqlite://kairo.db" } else { "memory:" };

/// Schemes that a build can have, and the features that bring them.
const FEATURES: &[(&str, &str)] = &[
    ("redis", "redis"),
    ("rediss", "redis"),
    ("sqlite", "sqlite"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
];

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
/// - `redis://user:password@host:6379/0?prefix=shop` is a store on a Redis server, and `rediss:`
///   the same through TLS. All of its keys begin with `{shop}:`; the prefix is `kairo` where none
///   is named. The server must have `appendonly yes`, `appendfsync always` and `maxmemory-policy
///   noeviction`; with `?durability=relaxed` it need not, and may lose what it has acknowledged.
///   Nothing is promised across a failover. `partitions` is as below.
/// - `postgres://user:password@host:5432/shop` (or `postgresql:`) is a store on a PostgreSQL server
///   from version 13 on, in the first schema of the role's search path or in `?schema=shop`, which
///   is made where it is missing. `table=event_store` names the table of the events, `pool=10` the
///   number of connections beside those that only append, and of those for transactions; `sslmode`, `sslrootcert`, `sslcert`,
///   `sslkey` and `application_name` are those of libpq. Connecting takes 10 s at most.
///   `append=locked` makes a store for a cluster in which others keep transactions open for long: its
///   readers wait for none of them, and its processes append one after the other. `partitions=32`
///   (1 to 64) says how many partitions new subscriptions get, and so among how many processes the
///   work of one can be shared. Both are settled when the store is made: a URL without them takes
///   what it finds, and one that says otherwise is refused.
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
    let mut schemes: Vec<_> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
    let here = url::quoted(&schemes, ":");
    let scheme = url.scheme();
    let feature = FEATURES.iter().find(|(known, _)| *known == scheme);
    let allowed = if let Some((_, feature)) = feature {
        format!(
            "this build does not have the back end `{scheme}`: turn on the feature `{feature}` of \
             `kairo`; it has {here}"
        )
    } else {
        schemes.extend(FEATURES.iter().map(|(scheme, _)| *scheme));
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
        check_refused("postgress://db/shop", "`postgress://db/shop` is not valid");
        check_refused("postgress://db/shop", "did you mean `postgres`?");
        check_refused("nats://ada:secret@db/shop", "`nats://…@db/shop` is not valid: no back end");
        check_refused("shop.db", "such as `memory:` or `sqlite://shop.db`");
        check_refused("memory:shop", "write `memory:`");
        check_refused("memory:?size=3", "there is no option `size`; `memory:` has `shared`");
        check_refused("memory:?shared=yes", "`shared` is `true` or `false`");
    }

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn what_a_feature_brings_says_which() {
        check_refused("postgresql://db/shop", "turn on the feature `postgres` of `kairo`");
    }
}
