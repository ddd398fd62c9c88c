//! The least that a durable saga of three steps needs, by hand: a row whose state is written when it
//! starts, and behind each step. Those that wait are written in one transaction.

use std::{path::Path, thread};

use kairo::Uuid;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

/// The most writes that wait.
const WAITING_MAX: usize = 4_096;

/// The most writes that share a transaction.
const BATCH_MAX: usize = 512;

const SCHEMA: &str = "CREATE TABLE saga (
    id BLOB PRIMARY KEY,
    phase TEXT NOT NULL,
    step INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;";

/// How far a saga is.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) id: Uuid,
    pub(crate) step: u32,
    pub(crate) changed: i64,
    pub(crate) state: String,
}

/// The journal by hand.
#[derive(Debug)]
pub(crate) struct Journal(mpsc::Sender<(Write, oneshot::Sender<()>)>);

impl Journal {
    pub(crate) fn open(path: &Path) -> Self {
        let connection = Connection::open(path).expect("a fresh database opens");
        for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
            connection.pragma_update(None, pragma, value).expect("the pragma is known");
        }
        connection.execute_batch(SCHEMA).expect("the schema is valid");
        let (sender, mut receiver) = mpsc::channel::<(Write, oneshot::Sender<()>)>(WAITING_MAX);
        thread::spawn(move || {
            while let Some(first) = receiver.blocking_recv() {
                let (mut writes, mut replies): (Vec<_>, Vec<_>) = [first].into_iter().unzip();
                while writes.len() < BATCH_MAX
                    && let Ok((write, reply)) = receiver.try_recv()
                {
                    writes.push(write);
                    replies.push(reply);
                }
                commit(&connection, &writes).expect("no two write one saga");
                for reply in replies {
                    reply.send(()).expect("the saga waits");
                }
            }
        });
        Self(sender)
    }

    pub(crate) async fn write(&self, write: Write) {
        let (reply, done) = oneshot::channel();
        self.0.send((write, reply)).await.expect("the thread runs");
        done.await.expect("the thread replies");
    }
}

fn commit(connection: &Connection, writes: &[Write]) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let start = "INSERT INTO saga (id, phase, step, changed, state)
        VALUES (?1, 'running', 0, ?2, ?3)";
    let go_on = "UPDATE saga SET phase = ?2, step = ?3, changed = ?4, state = ?5
        WHERE id = ?1 AND step = ?3 - 1";
    let mut start = connection.prepare_cached(start)?;
    let mut go_on = connection.prepare_cached(go_on)?;
    for Write { id, step, changed, state } in writes {
        let written = if *step == 0 {
            start.execute(params![id.as_bytes(), changed, state])?
        } else {
            let phase = if *step == 3 { "completed" } else { "running" };
            go_on.execute(params![id.as_bytes(), phase, step, changed, state])?
        };
        assert_eq!(written, 1, "the saga is where it is thought to be");
    }
    connection.prepare_cached("COMMIT")?.execute([]).map(drop)
}
