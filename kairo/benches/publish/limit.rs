//! Durable appends to SQLite by hand: a transaction each, or those that wait in one.

use std::{path::Path, sync::Mutex, thread};

use kairo::Uuid;
use rusqlite::{Connection, params};
use tokio::{
    sync::{mpsc, oneshot},
    task::block_in_place,
};

/// The most appends that wait.
const WAITING_MAX: usize = 4_096;

/// The most appends that share a transaction.
const BATCH_MAX: usize = 512;

const SCHEMA: &str = "CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    schema INTEGER NOT NULL,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    time INTEGER NOT NULL,
    correlation BLOB NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_stream ON event (stream, version);";

/// An append, with everything that its publisher knows.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) id: Uuid,
    pub(crate) stream: String,
    pub(crate) version: u64,
    pub(crate) time: i64,
    pub(crate) payload: String,
}

/// One transaction for each append, on the thread of its publisher.
#[derive(Debug)]
pub(crate) struct Inline(Mutex<Connection>);

impl Inline {
    pub(crate) fn open(path: &Path) -> Self {
        Self(Mutex::new(connect(path)))
    }

    pub(crate) fn append(&self, append: &Append) -> rusqlite::Result<()> {
        block_in_place(|| {
            let connection = self.0.lock().expect("no holder has panicked");
            commit(&connection, std::slice::from_ref(append))
        })
    }
}

/// One transaction for all appends that wait, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Group(mpsc::Sender<(Append, oneshot::Sender<()>)>);

impl Group {
    pub(crate) fn open(path: &Path) -> Self {
        let connection = connect(path);
        let (sender, mut receiver) = mpsc::channel::<(Append, oneshot::Sender<()>)>(WAITING_MAX);
        thread::spawn(move || {
            while let Some(first) = receiver.blocking_recv() {
                let (mut appends, mut replies): (Vec<_>, Vec<_>) = [first].into_iter().unzip();
                while appends.len() < BATCH_MAX
                    && let Ok((append, reply)) = receiver.try_recv()
                {
                    appends.push(append);
                    replies.push(reply);
                }
                commit(&connection, &appends).expect("the appends do not conflict");
                for reply in replies {
                    reply.send(()).expect("the publisher waits");
                }
            }
        });
        Self(sender)
    }

    pub(crate) async fn append(&self, append: Append) {
        let (reply, done) = oneshot::channel();
        self.0.send((append, reply)).await.expect("the thread runs");
        done.await.expect("the thread replies");
    }
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a fresh database opens");
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
        connection.pragma_update(None, pragma, value).expect("the pragma is known");
    }
    connection.execute_batch(SCHEMA).expect("the schema is valid");
    connection
}

fn commit(connection: &Connection, appends: &[Append]) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let insert = "INSERT INTO event (id, name, schema, stream, version, time, correlation, payload)
        VALUES (?1, 'account.deposited', 1, ?2, ?3, ?4, ?1, ?5)";
    let mut insert = connection.prepare_cached(insert)?;
    for append in appends {
        let Append { id, stream, version, time, payload } = append;
        insert.execute(params![id.as_bytes(), stream, version.cast_signed(), time, payload])?;
    }
    connection.prepare_cached("COMMIT")?.execute([]).map(drop)
}
