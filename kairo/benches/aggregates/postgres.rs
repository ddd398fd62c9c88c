//! Loads from PostgreSQL, and by sqlx on one connection from a table made for nothing else.

use kairo::{Kairo, Uuid, clock::Clock};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, ValueRef, postgres::PgRow};
use tokio::runtime::Runtime;

use super::{Account, Side, apply};

pub(crate) struct Postgres {
    kairo: Kairo,
    hand: PgConnection,
    schema: String,
}

impl Postgres {
    /// Opens a store in a schema of its own, and a connection that looks there for its table.
    pub(crate) fn open(runtime: &Runtime, url: &str) -> Self {
        let schema = format!("b{}", Clock::system().new_id().simple());
        runtime.block_on(async {
            let mut hand = PgConnection::connect(url).await.expect("the server is there");
            let make = format!(
                "CREATE SCHEMA {schema}; SET search_path = {schema}; \
                 CREATE TABLE by_hand (stream uuid NOT NULL, version int8 NOT NULL, \
                 name text NOT NULL, payload jsonb NOT NULL, PRIMARY KEY (stream, version))"
            );
            hand.execute(AssertSqlSafe(make)).await.expect("it can be made");
            let store = format!("{url}?schema={schema}");
            let kairo = Kairo::builder().store(store).start().await.expect("the store opens");
            Self { kairo, hand, schema }
        })
    }

    pub(crate) fn close(mut self, runtime: &Runtime) {
        let drop = format!("DROP SCHEMA {} CASCADE", self.schema);
        runtime.block_on(self.hand.execute(AssertSqlSafe(drop))).expect("it can be dropped");
    }
}

impl Side for Postgres {
    fn kairo(&self) -> &Kairo {
        &self.kairo
    }

    /// Gives the query by hand the same events.
    fn prepare(&mut self, runtime: &Runtime, account: Uuid) {
        let copy = "INSERT INTO by_hand SELECT $1, version, name, payload::jsonb FROM kairo_log \
             WHERE stream = $2";
        let copy = sqlx::query(copy).bind(account).bind(format!("account-{account}"));
        runtime.block_on(async {
            copy.execute(&mut self.hand).await.expect("the payloads are JSON");
            self.hand.execute("VACUUM ANALYZE").await.expect("it is the owner's");
        });
    }

    fn by_hand(&mut self, runtime: &Runtime, account: Uuid) -> i64 {
        runtime.block_on(balance(&mut self.hand, account)).expect("the rows are events")
    }
}

/// One prepared statement, whose rows are decoded by name and folded.
async fn balance(connection: &mut PgConnection, account: Uuid) -> sqlx::Result<i64> {
    const SELECT: &str =
        "SELECT version, name, payload FROM by_hand WHERE stream = $1 ORDER BY version";
    let rows = sqlx::query(SELECT).bind(account).fetch_all(connection).await?;
    let mut state = Account::default();
    rows.iter().try_for_each(|row| apply_row(&mut state, row))?;
    Ok(state.balance)
}

fn apply_row(state: &mut Account, row: &PgRow) -> sqlx::Result<()> {
    let _version: i64 = row.try_get(0)?;
    let value = row.try_get_raw(2)?;
    assert!(!value.is_null());
    // The text of a `jsonb` comes behind the version of its format.
    let payload = value.as_str().map_err(sqlx::Error::Decode)?;
    apply(state, row.try_get(1)?, payload.trim_start_matches('\u{1}'));
    Ok(())
}
