//! The same rows by rusqlite, in a file of its own.

use kairo::{Kairo, Uuid, clock::Clock};
use rusqlite::{Connection, params};
use tokio::runtime::Runtime;

use super::{Side, User, deposits::Folder};

const SCHEMA: &str = "
    PRAGMA journal_mode = wal;
    PRAGMA synchronous = full;
    CREATE TABLE users (
        id TEXT PRIMARY KEY, version INTEGER NOT NULL, schema INTEGER NOT NULL,
        created INTEGER NOT NULL, changed INTEGER NOT NULL, body TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX users_email ON users (json_extract(body, '$.email'));
    CREATE TABLE event (
        position INTEGER PRIMARY KEY, id BLOB NOT NULL, name TEXT NOT NULL, stream TEXT NOT NULL,
        version INTEGER NOT NULL, time INTEGER NOT NULL, payload TEXT NOT NULL
    );
    CREATE UNIQUE INDEX event_stream ON event (stream, version);";

pub(crate) struct Sqlite {
    kairo: Kairo,
    hand: Connection,
    clock: Clock,
    /// Where both find their file.
    _folder: Folder,
}

impl Sqlite {
    pub(crate) fn open(runtime: &Runtime) -> Self {
        let folder = Folder::new();
        let kairo = runtime.block_on(folder.bus());
        let hand = Connection::open(folder.file("hand.db")).expect("the file opens");
        hand.execute_batch(SCHEMA).expect("the schema is right");
        Self { kairo, hand, clock: Clock::system(), _folder: folder }
    }
}

impl Side for Sqlite {
    fn kairo(&self) -> &Kairo {
        &self.kairo
    }

    fn create(&mut self, _runtime: &Runtime, user: &User) {
        create(&mut self.hand, &self.clock, user).expect("the id is free");
    }

    fn update(&mut self, _runtime: &Runtime, id: Uuid) {
        update(&mut self.hand, &self.clock, id).expect("nobody else writes");
    }

    fn get(&mut self, _runtime: &Runtime, id: Uuid) -> User {
        get(&self.hand, id).expect("it is there").1
    }

    fn close(self, _runtime: &Runtime) {}
}

fn create(connection: &mut Connection, clock: &Clock, user: &User) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO users VALUES (?1, 1, 1, ?2, ?2, ?3)";
    let (body, now) = (json(user), clock.now().as_microsecond());
    let payload = format!(r#"{{"id":"{}","entity":{body}}}"#, user.id);
    let transaction = connection.transaction()?;
    transaction.prepare_cached(INSERT)?.execute(params![user.id.to_string(), now, body])?;
    append(&transaction, clock, user.id, 1, "users.created", &payload)?;
    transaction.commit()
}

fn update(connection: &mut Connection, clock: &Clock, id: Uuid) -> rusqlite::Result<()> {
    const UPDATE: &str = "UPDATE users SET version = version + 1, changed = ?1, body = ?2
        WHERE id = ?3 AND version = ?4";
    let (version, mut user) = get(connection, id)?;
    let before = json(&user);
    user.visits += 1;
    let (body, now) = (json(&user), clock.now().as_microsecond());
    let payload =
        format!(r#"{{"id":"{id}","before":{before},"entity":{body},"changes":["visits"]}}"#);
    let transaction = connection.transaction()?;
    let changed =
        transaction.prepare_cached(UPDATE)?.execute(params![now, body, id.to_string(), version])?;
    assert_eq!(changed, 1, "nobody else writes");
    append(&transaction, clock, id, version + 1, "users.updated", &payload)?;
    transaction.commit()
}

fn get(connection: &Connection, id: Uuid) -> rusqlite::Result<(i64, User)> {
    const SELECT: &str = "SELECT version, body FROM users WHERE id = ?1";
    connection.prepare_cached(SELECT)?.query_row([id.to_string()], |row| {
        let user = serde_json::from_str(row.get_ref(1)?.as_str()?).expect("it is a user");
        Ok((row.get(0)?, user))
    })
}

fn append(
    connection: &Connection,
    clock: &Clock,
    user: Uuid,
    version: i64,
    name: &str,
    payload: &str,
) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO event (id, name, stream, version, time, payload)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (id, stream) = (clock.new_id(), format!("users-{user}"));
    let time = clock.now().as_microsecond();
    let row = params![id.as_bytes(), name, stream, version, time, payload];
    connection.prepare_cached(INSERT)?.execute(row).map(drop)
}

fn json(user: &User) -> String {
    serde_json::to_string(user).expect("a user is JSON")
}
