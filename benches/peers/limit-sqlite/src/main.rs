//! The limit on SQLite with `synchronous=FULL`: the least code by hand that keeps events of streams, through rusqlite.
//!
//! - `single`: one transaction for each append, on the thread of its writer.
//! - `group`: a thread stores whatever waits in one transaction.

mod group;

use std::{path::Path, sync::Mutex};

use anyhow::{Result, anyhow, bail};
use peers_core::{Appended, Balance, Deposited, Store, Task, serve};
use rusqlite::{Connection, ErrorCode, params};
use tokio::task::block_in_place;
use uuid::Uuid;

use crate::group::Group;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS event (
        position INTEGER PRIMARY KEY,
        stream BLOB NOT NULL,
        version INTEGER NOT NULL,
        name TEXT NOT NULL,
        payload TEXT NOT NULL,
        time INTEGER NOT NULL DEFAULT (unixepoch())
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS event_stream ON event (stream, version);";

const INSERT: &str =
    "INSERT INTO event (stream, version, name, payload) VALUES (?1, ?2, 'account.deposited', ?3)";

const SELECT: &str = "SELECT payload FROM event WHERE stream = ?1 ORDER BY version";

struct Sqlite {
    writer: Writer,
    reader: Mutex<Connection>,
}

enum Writer {
    Single(Mutex<Connection>),
    Group(Group),
}

/// An append, ready to be stored.
struct Append {
    stream: Uuid,
    version: u64,
    payloads: Vec<String>,
}

impl Store for Sqlite {
    async fn open(task: &Task) -> Result<Self> {
        let path = Path::new(&task.url);
        let connection = connect(path)?;
        connection.execute_batch(SCHEMA)?;
        let writer = match task.variant.as_str() {
            "single" => Writer::Single(Mutex::new(connection)),
            "group" => Writer::Group(Group::open(connection)),
            other => bail!("there is no variant `{other}`; use `single` or `group`"),
        };
        Ok(Self { writer, reader: Mutex::new(connect(path)?) })
    }

    async fn append(&self, stream: Uuid, version: u64, deposits: &[Deposited]) -> Result<Appended> {
        let payloads = deposits.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let append = Append { stream, version, payloads };
        match &self.writer {
            Writer::Single(connection) => block_in_place(|| {
                let connection = connection.lock().map_err(|_| anyhow!("a writer has panicked"))?;
                let stored = commit(&connection, std::slice::from_ref(&append))?;
                Ok(Appended::when(stored == [true]))
            }),
            Writer::Group(group) => group.append(append).await,
        }
    }

    async fn load(&self, stream: Uuid) -> Result<Balance> {
        block_in_place(|| {
            let connection = self.reader.lock().map_err(|_| anyhow!("a reader has panicked"))?;
            let mut select = connection.prepare_cached(SELECT)?;
            let mut rows = select.query(params![stream.as_bytes()])?;
            let mut balance = Balance::default();
            while let Some(row) = rows.next()? {
                let deposit: Deposited = serde_json::from_str(row.get_ref(0)?.as_str()?)?;
                balance.add(deposit.amount);
            }
            Ok(balance)
        })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Stores appends in one transaction; which of them were not refused.
fn commit(connection: &Connection, appends: &[Append]) -> rusqlite::Result<Vec<bool>> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let stored = appends.iter().map(|append| insert(connection, append)).collect();
    connection.prepare_cached("COMMIT")?.execute([])?;
    stored
}

/// Stores one append, unless its first event is there already.
fn insert(connection: &Connection, append: &Append) -> rusqlite::Result<bool> {
    let mut insert = connection.prepare_cached(INSERT)?;
    for (version, payload) in (append.version.cast_signed() + 1..).zip(&append.payloads) {
        match insert.execute(params![append.stream.as_bytes(), version, payload]) {
            Ok(_) => {}
            Err(error) if is_conflict(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn is_conflict(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

fn main() -> Result<()> {
    serve::<Sqlite>()
}
