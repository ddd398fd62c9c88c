//! One statement for all appends that wait.

use std::collections::HashSet;

use anyhow::{Context, Result};
use peers_core::{Appended, Deposited};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::{NAME, connect, versions};

/// The most appends that wait.
const WAITING_MAX: usize = 4_096;

/// The most appends that share a statement.
const BATCH_MAX: usize = 512;

// The newest version comes from a subquery of each row, so that no plan reads the whole table.
const INSERT: &str = "
    WITH expected AS MATERIALIZED (
        SELECT stream FROM unnest($1::uuid[], $2::bigint[]) AS expected (stream, version)
        WHERE version = coalesce(
            (SELECT max(event.version) FROM event WHERE event.stream = expected.stream), 0)
    ), inserted AS (
        INSERT INTO event (stream, version, name, payload)
        SELECT stream, version, $3, payload::jsonb
        FROM unnest($4::uuid[], $5::bigint[], $6::text[]) WITH ORDINALITY AS new (stream, version, payload, ordinal)
        WHERE stream IN (SELECT stream FROM expected) ORDER BY ordinal
        RETURNING stream
    )
    SELECT DISTINCT stream FROM inserted";

/// The way to the task that stores.
pub(crate) struct Group(mpsc::Sender<Waiting>);

struct Waiting {
    stream: Uuid,
    version: u64,
    payloads: Vec<String>,
    reply: oneshot::Sender<Appended>,
}

impl Group {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let client = connect(url).await?;
        let insert = client.prepare(INSERT).await?;
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(store_all(client, insert, receiver));
        Ok(Self(sender))
    }

    pub(crate) async fn append(
        &self,
        stream: Uuid,
        version: u64,
        deposits: &[Deposited],
    ) -> Result<Appended> {
        let payloads = deposits.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let (reply, stored) = oneshot::channel();
        let waiting = Waiting { stream, version, payloads, reply };
        self.0.send(waiting).await.ok().context("the storing task has ended")?;
        stored.await.context("the storing task has failed")
    }
}

async fn store_all(
    client: Client,
    insert: Statement,
    mut receiver: mpsc::Receiver<Waiting>,
) -> Result<()> {
    let mut waiting = Vec::new();
    loop {
        if waiting.is_empty() && receiver.recv_many(&mut waiting, BATCH_MAX).await == 0 {
            return Ok(());
        }
        while waiting.len() < BATCH_MAX
            && let Ok(next) = receiver.try_recv()
        {
            waiting.push(next);
        }
        // The second append to a stream waits for the first.
        let mut streams = HashSet::new();
        let (batch, later) =
            waiting.drain(..).partition(|append: &Waiting| streams.insert(append.stream));
        waiting = later;
        store(&client, &insert, batch).await?;
    }
}

async fn store(client: &Client, insert: &Statement, batch: Vec<Waiting>) -> Result<()> {
    let (streams, expected): (Vec<_>, Vec<_>) =
        batch.iter().map(|append| (append.stream, append.version.cast_signed())).unzip();
    let (mut owners, mut numbers, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for append in &batch {
        let count = append.payloads.len();
        owners.resize(owners.len() + count, append.stream);
        numbers.extend(versions(append.version, count));
        payloads.extend(&append.payloads);
    }
    let inserted =
        client.query(insert, &[&streams, &expected, &NAME, &owners, &numbers, &payloads]).await?;
    let inserted = inserted.iter().map(|row| row.try_get(0));
    let inserted = inserted.collect::<Result<HashSet<Uuid>, _>>()?;
    for append in batch {
        // Whoever asked may have gone away.
        let _ = append.reply.send(Appended::when(inserted.contains(&append.stream)));
    }
    Ok(())
}
