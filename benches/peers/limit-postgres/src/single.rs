//! One statement for each append.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use anyhow::Result;
use futures_util::TryStreamExt;
use peers_core::{Appended, Balance, Deposited};
use tokio_postgres::{
    Client, Statement,
    error::SqlState,
    types::{Json, ToSql},
};
use uuid::Uuid;

use crate::{NAME, connect, versions};

const INSERT: &str = "INSERT INTO event (stream, version, name, payload) VALUES ($1, $2, $3, $4)";

const INSERT_MANY: &str = "INSERT INTO event (stream, version, name, payload)
    SELECT $1, version, $3, payload::jsonb
    FROM unnest($2::bigint[], $4::text[]) AS new (version, payload)";

const SELECT: &str = "SELECT version, name, payload FROM event WHERE stream = $1 ORDER BY version";

const SELECT_ALL: &str =
    "SELECT position, stream, version, name, payload FROM event ORDER BY position";

/// Connections that take turns.
pub(crate) struct Single {
    connections: Vec<Connection>,
    next: AtomicUsize,
}

struct Connection {
    client: Client,
    insert: Statement,
    insert_many: Statement,
    select: Statement,
}

impl Single {
    pub(crate) async fn open(url: &str, count: usize) -> Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..count {
            let client = connect(url).await?;
            let insert = client.prepare(INSERT).await?;
            let insert_many = client.prepare(INSERT_MANY).await?;
            let select = client.prepare(SELECT).await?;
            connections.push(Connection { client, insert, insert_many, select });
        }
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    fn connection(&self) -> &Connection {
        &self.connections[self.next.fetch_add(1, Relaxed) % self.connections.len()]
    }

    pub(crate) async fn append(
        &self,
        stream: Uuid,
        version: u64,
        deposits: &[Deposited],
    ) -> Result<Appended> {
        let Connection { client, insert, insert_many, .. } = self.connection();
        let inserted = if let [deposit] = deposits {
            let version = version.cast_signed() + 1;
            client.execute(insert, &[&stream, &version, &NAME, &Json(deposit)]).await
        } else {
            let payloads = deposits.iter().map(serde_json::to_string);
            let payloads = payloads.collect::<serde_json::Result<Vec<_>>>()?;
            let versions = versions(version, deposits.len());
            client.execute(insert_many, &[&stream, &versions, &NAME, &payloads]).await
        };
        match inserted {
            Ok(_) => Ok(Appended::Stored),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                Ok(Appended::Refused)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn load(&self, stream: Uuid) -> Result<Balance> {
        let Connection { client, select, .. } = self.connection();
        let mut balance = Balance::default();
        for row in client.query(select, &[&stream]).await? {
            let Json(deposit): Json<Deposited> = row.try_get(2)?;
            balance.add(deposit.amount);
        }
        Ok(balance)
    }

    /// Reads the whole log in one statement, of which never more is in memory than what is on its way.
    pub(crate) async fn read_all(&self) -> Result<Balance> {
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = self.connection().client.query_raw(SELECT_ALL, none).await?;
        let mut rows = pin!(rows);
        let mut balance = Balance::default();
        while let Some(row) = rows.try_next().await? {
            let Json(deposit): Json<Deposited> = row.try_get(4)?;
            balance.add(deposit.amount);
        }
        Ok(balance)
    }
}
