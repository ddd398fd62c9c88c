//! Whose database a file is, and bringing its schema up to date.

use rusqlite::Connection;

use super::failure::Failing;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// Marks a database as Kairo's: `KAIR` in ASCII.
const APPLICATION: i32 = 0x4B41_4952;

/// The migrations, in order; the schema's version is the number of those that have run.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_spine.sql"),
    include_str!("migrations/0002_streams.sql"),
    include_str!("migrations/0003_failures.sql"),
    include_str!("migrations/0004_sagas.sql"),
    include_str!("migrations/0005_documents.sql"),
    include_str!("migrations/0006_claims.sql"),
];

/// The schema version that this binary knows.
pub(super) const VERSION: u32 = 6;

// Two branches that add a migration each must not become a store that runs the last one twice.
const _: () = assert!(MIGRATIONS.len() == VERSION as usize);

/// Refuses a database that is not for this binary; writes nothing.
///
/// # Errors
/// [`Error::Foreign`] when it belongs to something else, [`Error::NewerSchema`] when a newer
/// binary has migrated it.
pub(super) fn check(connection: &Connection, failing: &Failing) -> Result {
    let state = State::read(connection).map_err(|error| failing.opening(error))?;
    if state.application != APPLICATION && !state.is_blank() {
        let reason = match state.table {
            Some(table) => format!("it is a SQLite database with the table `{table}`"),
            None => format!("it is a SQLite database of application {:#x}", state.application),
        };
        return Err(Error::Foreign { store: failing.url().to_owned(), reason });
    }
    match u32::try_from(state.version) {
        Ok(found) if VERSION < found => {
            Err(Error::NewerSchema { store: failing.url().to_owned(), found, known: VERSION })
        }
        _ => Ok(()),
    }
}

/// Runs the migrations that are missing, all in one transaction; a new store notes the time.
///
/// # Errors
/// [`Error::Store`] or [`Error::Full`]; the schema is then as it was.
pub(super) fn migrate(connection: &mut Connection, now: Timestamp, failing: &Failing) -> Result {
    run_missing(connection, now).map_err(|error| failing.of("migrating", error))
}

fn run_missing(connection: &mut Connection, now: Timestamp) -> rusqlite::Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let state = State::read(&transaction)?;
    let done = usize::try_from(state.version).unwrap_or_default();
    if MIGRATIONS.len() <= done {
        return Ok(());
    }
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    let created = "INSERT OR IGNORE INTO kairo_value VALUES ('created', ?1)";
    transaction.execute(created, [now.as_microsecond()])?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// What a database says about itself.
struct State {
    application: i32,
    version: i32,
    /// One of its tables.
    table: Option<String>,
}

impl State {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let tables = "SELECT min(name) FROM sqlite_schema";
        Ok(Self {
            application: pragma("application_id")?,
            version: pragma("user_version")?,
            table: connection.query_row(tables, [], |row| row.get(0))?,
        })
    }

    fn is_blank(&self) -> bool {
        self.application == 0 && self.version == 0 && self.table.is_none()
    }
}
