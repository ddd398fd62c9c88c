//! The store in Redis: one server, any number of processes.
//!
//! Redis runs one command after the other. So each change of the store is one [script](scripts),
//! which checks everything before it writes anything, and the log has one counter. All keys of a
//! store begin with `{prefix}:`, and so they lie in one slot of a cluster. [`super`] says what
//! they hold.

mod changes;
mod commit;
mod collections;
mod deliveries;
mod document_changes;
mod documents;
mod failure;
mod inbox;
mod journal;
mod letter_changes;
mod letters;
mod link;
mod log;
mod members;
mod open;
mod places;
mod requests;
mod rows;
mod saga_changes;
mod scripts;
mod signal;
mod steering;
mod streams;
mod timetable;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use redis::{Cmd, Value};
use tokio::task::JoinSet;

use self::{
    link::{Call, Link},
    requests::{Requests, Turn},
    rows::Read,
    scripts::Script,
    signal::Signal,
};
use super::url::StoreUrl;
use crate::{clock::Clock, delivery::Backend, error::Result};

/// What an error says was being done.
const READING: &str = "reading";

/// Opens the store on a server, making it first where there is none.
pub(super) async fn open(url: &StoreUrl, clock: &Clock) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(open::open(url, clock).await?))
}

/// A store on a Redis server.
pub(crate) struct RedisStore {
    link: Arc<Link>,
    requests: Requests,
    signal: Signal,
    /// What goes on beside all calls, which ends with this value.
    tasks: Mutex<JoinSet<()>>,
    clock: Clock,
    /// What every key begins with: `{prefix}:`.
    home: String,
    /// The key of the store's single values.
    meta: String,
    /// Tells the store from another one that is made in its place.
    store: String,
    /// How many partitions a new subscription gets.
    partitions: u32,
    /// Whether the server may acknowledge what is not on its disk.
    is_relaxed: bool,
}

impl RedisStore {
    fn key(&self, room: &str) -> String {
        format!("{}{room}", self.home)
    }

    /// Runs a script that only reads.
    async fn read(
        &self,
        script: &'static Script,
        arguments: impl Fn(&mut Cmd) + Sync,
    ) -> Result<Value> {
        let arguments = |command: &mut Cmd, _| {
            command.arg(&self.store);
            arguments(command);
        };
        self.link.ask(READING, &Call { script, key: &self.meta, arguments }).await
    }

    /// Runs a script that writes, as the request that has `turn`.
    async fn write(
        &self,
        action: &str,
        script: &'static Script,
        turn: &Turn<'_>,
        arguments: impl Fn(&mut Cmd) + Sync,
    ) -> Result<Value> {
        let arguments = |command: &mut Cmd, repeated| {
            command.arg(&self.store);
            turn.write(command, repeated);
            arguments(command);
        };
        self.link.ask(action, &Call { script, key: &self.meta, arguments }).await
    }

    /// What was read, if it is as this store writes it.
    fn understood<T>(&self, read: Read<T>) -> Result<T> {
        read.map_err(|malformed| self.link.failing.of(READING, malformed))
    }

    /// Waits for what is being written, then lets go of the server.
    async fn shut(&self) -> Result {
        self.requests.close().await;
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        self.link.close().await;
        Ok(())
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("url", &self.link.failing.url()).finish_non_exhaustive()
    }
}
