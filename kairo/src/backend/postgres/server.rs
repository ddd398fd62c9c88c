//! The server behind a connection: how a session is set up, and which epoch its log is in.
//!
//! Places in the log begin with transaction ids, which start again on another server. So the log
//! remembers the server that it is on, and enters a new epoch when it finds itself on another one:
//! after a failover, or when a dump was restored.

use sqlx::{Connection, Executor, PgConnection, Row, postgres::PgRow};

use super::{
    connections::answered,
    failure::{Failing, Trouble},
    tables::Tables,
};
use crate::error::Result;

/// What a session must be for the log to be in order, and for what is committed to be durable.
macro_rules! safe {
    () => {
        "SET default_transaction_isolation = 'read committed'; \
         SET idle_in_transaction_session_timeout = '20s'; \
         SELECT set_config('synchronous_commit', 'on', false) \
          WHERE current_setting('synchronous_commit') = 'off'"
    };
}

/// What holds for each session. Plans must not depend on what the tables looked like when the
/// first ones were made, and no forgotten transaction may hold up the readers of the log.
const SET_UP: &str = concat!(
    "SET jit = off; SET plan_cache_mode = force_generic_plan; \
     SET enable_seqscan = off; SET enable_bitmapscan = off; ",
    safe!()
);

/// What holds for sessions in which callers do what they want: each query is planned for its values,
/// and for the tables as they are then.
const SET_UP_FOR_CALLERS: &str = concat!("SET plan_cache_mode = force_custom_plan; ", safe!());

/// This server as the log may know it, and whether its transaction ids are beyond those in the log.
const STATE: &str = "SELECT h.server, h.timeline, \
     h.server = s.server AND h.timeline = s.timeline AND coalesce(e.last, 0) < h.next \
     AND (s.newest_epoch < s.epoch OR s.newest_order < h.next) \
     FROM (SELECT (SELECT system_identifier::text FROM pg_control_system()) AS server, \
           CASE WHEN pg_is_in_recovery() THEN NULL \
           ELSE substring(pg_walfile_name(pg_current_wal_lsn()) for 8) END AS timeline, \
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next) AS h, \
     {s}kairo_store AS s, \
     LATERAL (SELECT max(order_id) AS last FROM {event} WHERE epoch = s.epoch) AS e";

const LOCK: &str = "LOCK TABLE {event} IN ACCESS EXCLUSIVE MODE";

const RAISE: &str = "UPDATE {s}kairo_store SET epoch = epoch + 1, server = $1, timeline = $2";

/// Sets up a new session.
pub(super) async fn set_up(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection.execute(SET_UP).await.map(drop)
}

/// Sets up a new session for transactions that callers join.
pub(super) async fn set_up_for_callers(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection.execute(SET_UP_FOR_CALLERS).await.map(drop)
}

/// Sees to it that the log is in an epoch of this server.
///
/// # Errors
/// [`Error::Store`](crate::Error::Store) when the server is read-only, or does not say what it is.
pub(super) async fn check(
    connection: &mut PgConnection,
    tables: &Tables,
    failing: &Failing,
) -> Result {
    let state = State::read(connection, tables).await;
    let state = state.map_err(|error| failing.of("looking at", error))?;
    match state {
        State { known: Some(true), .. } => Ok(()),
        State { timeline: None, .. } => {
            let reason = "the server is a standby, which cannot be written to";
            Err(failing.of("connecting to", reason))
        }
        _ => raise(connection, tables).await.map_err(|error| match error {
            Trouble::Refused(error) => error,
            Trouble::Sql(error) => failing.of("raising the epoch of", error),
        }),
    }
}

/// Enters a new epoch, unless somebody else has just done so. The lock waits for all who write.
async fn raise(connection: &mut PgConnection, tables: &Tables) -> Result<(), Trouble> {
    let mut transaction = connection.begin().await?;
    answered(tables.query(LOCK).execute(&mut *transaction)).await?;
    let state = State::read(&mut transaction, tables).await?;
    if state.known != Some(true) {
        let raise = tables.query(RAISE).bind(state.server).bind(state.timeline);
        answered(raise.execute(&mut *transaction)).await?;
        tracing::warn!("the log enters a new epoch: its server is another one than before");
    }
    transaction.commit().await?;
    Ok(())
}

struct State {
    server: String,
    /// `None` on a standby.
    timeline: Option<String>,
    /// Whether the log is in an epoch of this server.
    known: Option<bool>,
}

impl State {
    async fn read(connection: &mut PgConnection, tables: &Tables) -> sqlx::Result<Self> {
        let row: PgRow = answered(tables.query(STATE).fetch_one(connection)).await?;
        Ok(Self { server: row.try_get(0)?, timeline: row.try_get(1)?, known: row.try_get(2)? })
    }
}
