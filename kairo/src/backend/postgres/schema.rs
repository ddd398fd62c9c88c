//! Whose tables a schema holds, and bringing them up to date.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{
    connections::answered,
    failure::{Failing, Trouble, code},
    rows::firsts,
    settings::Settings,
    tables::{Tables, quoted},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// The migrations, in order; the schema's version is the number of the last one that has run.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_spine.sql"),
    include_str!("migrations/0002_failures.sql"),
    include_str!("migrations/0003_sagas.sql"),
    include_str!("migrations/0004_settings.sql"),
    include_str!("migrations/0005_documents.sql"),
];

/// The schema version that this binary knows.
const VERSION: i32 = 5;

/// The oldest server that knows what we ask of it, as it numbers itself.
const SERVER_MIN: u32 = 130_000;

/// The encoding in which every text can be kept.
const ENCODING: &str = "UTF8";

/// The relations that a store has beside the log.
const RELATIONS: [&str; 16] = [
    "kairo_schema",
    "kairo_store",
    "kairo_gone",
    "kairo_snapshot",
    "kairo_member",
    "kairo_claim",
    "kairo_subscription",
    "kairo_share",
    "kairo_parked",
    "kairo_failure",
    "kairo_dead_letter",
    "kairo_timetable",
    "kairo_saga",
    "kairo_log",
    "kairo_collection",
    "kairo_mark",
];

/// What a store is made with.
pub(super) struct Made {
    pub(super) now: Timestamp,
    pub(super) settings: Settings,
}

/// What a schema holds.
enum State {
    /// Nothing of ours.
    Blank,
    /// A store, migrated up to here, whose log is in this table.
    Store { version: i32, event: String },
}

/// Sees to it that the tables are there and fit this binary.
///
/// # Errors
/// [`Error::Foreign`] when the names are taken, or the database or its server cannot hold a store;
/// [`Error::NewerSchema`] when a newer binary has migrated it; [`Error::Store`].
pub(super) async fn prepare(
    connection: &mut PgConnection,
    tables: &Tables,
    made: &Made,
    failing: &Failing,
) -> Result {
    check_server(connection, failing).await?;
    let state = look(connection, tables, failing).await;
    let state = state.map_err(|trouble| failing.trouble("looking at", trouble))?;
    if is_current(&state, tables, failing)? {
        return Ok(());
    }
    let migrated = migrate(connection, tables, made, failing).await;
    migrated.map_err(|trouble| failing.trouble("migrating", trouble))
}

async fn check_server(connection: &mut PgConnection, failing: &Failing) -> Result {
    if let Some(version) = connection.server_version_num()
        && version < SERVER_MIN
    {
        let (found, needed) = (version / 10_000, SERVER_MIN / 10_000);
        return Err(failing
            .foreign(format!("its server is PostgreSQL {found}; {needed} or newer is needed")));
    }
    let encoding: sqlx::Result<String> = async {
        let show = "SELECT current_setting('server_encoding')";
        answered(sqlx::query(show).fetch_one(&mut *connection)).await?.try_get(0)
    }
    .await;
    let encoding = encoding.map_err(|error| failing.of("looking at", error))?;
    if encoding != ENCODING {
        return Err(
            failing.foreign(format!("its database is in {encoding}; it must be {ENCODING}"))
        );
    }
    Ok(())
}

async fn look(
    connection: &mut PgConnection,
    tables: &Tables,
    failing: &Failing,
) -> Result<State, Trouble> {
    let names: Vec<&str> = RELATIONS.into_iter().chain([tables.event()]).collect();
    let select = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n \
         ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname::text = ANY($2) \
         ORDER BY 1";
    let select = sqlx::query(select).bind(tables.schema()).bind(&names);
    let rows = answered(select.fetch_all(&mut *connection)).await?;
    let found: Vec<&str> = firsts(&rows)?;
    let is_ours = ["kairo_schema", "kairo_store"].iter().all(|name| found.contains(name));
    match found.first() {
        None => Ok(State::Blank),
        Some(first) if !is_ours => Err(foreign(first, tables, failing).into()),
        Some(_) => read_state(connection, tables, failing).await,
    }
}

async fn read_state(
    connection: &mut PgConnection,
    tables: &Tables,
    failing: &Failing,
) -> Result<State, Trouble> {
    let select =
        "SELECT (SELECT max(version) FROM {s}kairo_schema), event_table FROM {s}kairo_store";
    match answered(tables.query(select).fetch_one(&mut *connection)).await {
        Ok(row) => Ok(State::Store { version: row.try_get(0)?, event: row.try_get(1)? }),
        // An undefined column: they are called like ours, and that is all.
        Err(error) if code(&error).is_some_and(|code| code == "42703") => {
            Err(foreign("kairo_store", tables, failing).into())
        }
        Err(error) => Err(error.into()),
    }
}

fn foreign(name: &str, tables: &Tables, failing: &Failing) -> Error {
    let schema = tables.schema();
    failing.foreign(format!("the schema `{schema}` has a `{name}` that is not Kairo's"))
}

/// Whether there is nothing to migrate.
fn is_current(state: &State, tables: &Tables, failing: &Failing) -> Result<bool> {
    let State::Store { version, event } = state else { return Ok(false) };
    if event != tables.event() {
        let (schema, table) = (tables.schema(), tables.event());
        return Err(failing.foreign(format!(
            "the store in the schema `{schema}` keeps its events in `{event}`, not in `{table}`"
        )));
    }
    if VERSION < *version {
        let number = |version: i32| u32::try_from(version).unwrap_or_default();
        let (found, known) = (number(*version), number(VERSION));
        return Err(Error::NewerSchema { store: failing.url().to_owned(), found, known });
    }
    Ok(*version == VERSION)
}

/// Runs the migrations that are missing, all in one transaction, one process at a time.
async fn migrate(
    connection: &mut PgConnection,
    tables: &Tables,
    made: &Made,
    failing: &Failing,
) -> Result<(), Trouble> {
    let mut transaction = connection.begin().await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('kairo ' || $1, 0))";
    answered(sqlx::query(lock).bind(tables.schema()).execute(&mut *transaction)).await?;
    let state = look(&mut transaction, tables, failing).await?;
    if is_current(&state, tables, failing)? {
        return Ok(());
    }
    let done = match &state {
        State::Store { version, .. } => *version,
        State::Blank => begin(&mut transaction, tables).await?,
    };
    for (number, migration) in (1..).zip(MIGRATIONS).filter(|(number, _)| done < *number) {
        answered(sqlx::raw_sql(tables.script(migration)).execute(&mut *transaction)).await?;
        let insert = "INSERT INTO {s}kairo_schema (version) VALUES ($1)";
        answered(tables.query(insert).bind(number).execute(&mut *transaction)).await?;
    }
    if matches!(state, State::Blank) {
        introduce(&mut transaction, tables, made).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Makes the schema, and the list of migrations in it, of which none has run.
async fn begin(connection: &mut PgConnection, tables: &Tables) -> sqlx::Result<i32> {
    let select = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    let select = sqlx::query(select).bind(tables.schema());
    if answered(select.fetch_optional(&mut *connection)).await?.is_none() {
        let create = format!("CREATE SCHEMA {}", quoted(tables.schema()));
        answered(sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection)).await?;
    }
    let create = "CREATE TABLE {s}kairo_schema (version integer PRIMARY KEY, \
         applied timestamptz NOT NULL DEFAULT now())";
    answered(tables.query(create).execute(&mut *connection)).await?;
    Ok(0)
}

/// Writes down which log this is, and the server that it is on.
async fn introduce(
    connection: &mut PgConnection,
    tables: &Tables,
    made: &Made,
) -> sqlx::Result<()> {
    let insert = "INSERT INTO {s}kairo_store (event_table, created, epoch, server, timeline, \
         append, partitions) SELECT $1, $2, 0, system_identifier::text, \
         substring(pg_walfile_name(pg_current_wal_lsn()) for 8), $3, $4 FROM pg_control_system()";
    let Made { now, settings } = made;
    let insert = tables.query(insert).bind(tables.event()).bind(now.as_microsecond());
    let insert = insert.bind(settings.append.name()).bind(settings.partitions.cast_signed());
    answered(insert.execute(connection)).await.map(drop)
}
