//! The same rows by sqlx on one connection, in tables of its own: each write is one statement.

use kairo::{Kairo, Uuid, clock::Clock};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::runtime::Runtime;

use super::{Side, User};

const TABLES: &str = "
    CREATE TABLE users_by_hand (
        id text COLLATE \"C\" PRIMARY KEY, version int8 NOT NULL, schema int4 NOT NULL,
        created timestamptz NOT NULL, changed timestamptz NOT NULL, body jsonb NOT NULL
    );
    CREATE UNIQUE INDEX ON users_by_hand ((body -> 'email'));
    CREATE TABLE event_by_hand (
        position int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL, name text NOT NULL,
        stream text NOT NULL, version int8 NOT NULL, time timestamptz NOT NULL, payload text NOT NULL
    );
    CREATE UNIQUE INDEX ON event_by_hand (stream, version);";

const CREATE: &str = "
    WITH made AS (INSERT INTO users_by_hand VALUES ($1, 1, 1, now(), now(), $2::jsonb) RETURNING id)
    INSERT INTO event_by_hand (id, name, stream, version, time, payload)
    SELECT $3, 'users.created', 'users-' || id, 1, now(), $4 FROM made";

const UPDATE: &str = "
    WITH changed AS (
        UPDATE users_by_hand SET version = version + 1, changed = now(), body = $3::jsonb
        WHERE id = $1 AND version = $2 RETURNING id, version
    )
    INSERT INTO event_by_hand (id, name, stream, version, time, payload)
    SELECT $4, 'users.updated', 'users-' || id, version, now(), $5 FROM changed";

pub(crate) struct Postgres {
    kairo: Kairo,
    hand: PgConnection,
    clock: Clock,
    schema: String,
}

impl Postgres {
    /// Opens a store in a schema of its own, and a connection that looks there for its tables.
    pub(crate) fn open(runtime: &Runtime, url: &str) -> Self {
        let clock = Clock::system();
        let schema = format!("b{}", clock.new_id().simple());
        runtime.block_on(async {
            let mut hand = PgConnection::connect(url).await.expect("the server is there");
            let make = format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {TABLES}");
            hand.execute(AssertSqlSafe(make)).await.expect("it can be made");
            let store = format!("{url}?schema={schema}");
            let kairo = Kairo::builder().store(store).start().await.expect("the store opens");
            Self { kairo, hand, clock, schema }
        })
    }

    async fn update(&mut self, id: Uuid) -> sqlx::Result<u64> {
        let (version, mut user) = get(&mut self.hand, id).await?;
        let before = json(&user);
        user.visits += 1;
        let body = json(&user);
        let payload =
            format!(r#"{{"id":"{id}","before":{before},"entity":{body},"changes":["visits"]}}"#);
        let update = sqlx::query(UPDATE).bind(id.to_string()).bind(version).bind(body);
        let update = update.bind(self.clock.new_id()).bind(payload);
        Ok(update.execute(&mut self.hand).await?.rows_affected())
    }
}

impl Side for Postgres {
    fn kairo(&self) -> &Kairo {
        &self.kairo
    }

    fn create(&mut self, runtime: &Runtime, user: &User) {
        let body = json(user);
        let payload = format!(r#"{{"id":"{}","entity":{body}}}"#, user.id);
        let create = sqlx::query(CREATE).bind(user.id.to_string()).bind(body);
        let create = create.bind(self.clock.new_id()).bind(payload);
        runtime.block_on(create.execute(&mut self.hand)).expect("the id is free");
    }

    fn update(&mut self, runtime: &Runtime, id: Uuid) {
        let changed = runtime.block_on(Self::update(self, id)).expect("it is there");
        assert_eq!(changed, 1, "nobody else writes");
    }

    fn get(&mut self, runtime: &Runtime, id: Uuid) -> User {
        runtime.block_on(get(&mut self.hand, id)).expect("it is there").1
    }

    fn close(mut self, runtime: &Runtime) {
        let drop = format!("DROP SCHEMA {} CASCADE", self.schema);
        runtime.block_on(self.hand.execute(AssertSqlSafe(drop))).expect("it can be dropped");
    }
}

async fn get(connection: &mut PgConnection, id: Uuid) -> sqlx::Result<(i64, User)> {
    const SELECT: &str = "SELECT version, body::text FROM users_by_hand WHERE id = $1";
    let row = sqlx::query(SELECT).bind(id.to_string()).fetch_one(connection).await?;
    let user = serde_json::from_str(row.try_get(1)?).expect("it is a user");
    Ok((row.try_get(0)?, user))
}

fn json(user: &User) -> String {
    serde_json::to_string(user).expect("a user is JSON")
}
