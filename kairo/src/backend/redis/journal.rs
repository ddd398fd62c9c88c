//! Sagas: claiming them and giving them back, reading and pruning them.

use std::collections::HashMap;

use bytes::Bytes;
use redis::Value;
use uuid::Uuid;

use super::{
    READING, RedisStore,
    failure::Malformed,
    rows::{Read, bytes, bytes_if_any, list, number, pairs, text},
    saga_changes::{name_of, place},
    scripts,
    streams::first_micros,
};
use crate::{
    clock::{Timestamp, micros},
    error::Result,
    journal::{Journal, SagaFilter, SagaRow},
    store::{BoxFuture, PAGE_BYTES_MAX},
};

/// The most sagas of one call: of those that are claimed, looked at, or deleted at a time.
const SAGAS_MAX: usize = 256;

/// The bytes of a place in a list that are its time; those of the id follow.
const TIME_BYTES: usize = 8;

impl Journal for RedisStore {
    fn claim_sagas<'a>(
        &'a self,
        owner: Uuid,
        names: &'a [String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<SagaRow>>> {
        Box::pin(async move {
            let mut turn = self.requests.turn().await?;
            turn.begin();
            let claimed = self
                .write("claiming sagas of", &scripts::SAGA_CLAIM, &turn, |command| {
                    command.arg(name_of(owner)).arg(now.as_microsecond());
                    command.arg(limit.min(SAGAS_MAX)).arg(names.len()).arg(names);
                })
                .await?;
            let claimed = self.understood(text(claimed))?;
            let ids: Vec<_> = claimed.split_ascii_whitespace().map(str::to_owned).collect();
            let mut rows = self.rows_of(&ids).await?;
            // Those that somebody has taken over meanwhile are theirs.
            rows.retain(|row| row.owner == Some(owner));
            Ok(rows)
        })
    }

    fn release_sagas(&self, owner: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            let mut turn = self.requests.turn().await?;
            turn.begin();
            self.write("releasing sagas of", &scripts::SAGA_RELEASE, &turn, |command| {
                command.arg(name_of(owner));
            })
            .await?;
            self.signal.raise_others();
            Ok(())
        })
    }

    fn saga(&self, id: Uuid) -> BoxFuture<'_, Result<Option<SagaRow>>> {
        Box::pin(async move { Ok(self.rows_of(&[name_of(id)]).await?.pop()) })
    }

    fn sagas(&self, filter: SagaFilter) -> BoxFuture<'_, Result<Vec<SagaRow>>> {
        Box::pin(async move {
            if let (Some(saga), Some(key)) = (&filter.saga, &filter.key) {
                return self.saga_of(saga, key, &filter).await;
            }
            self.list_sagas(&filter).await
        })
    }

    fn next_saga<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Option<Timestamp>>> {
        Box::pin(async move {
            let due = self
                .read(&scripts::SAGA_NEXT, |command| {
                    command.arg(names.len()).arg(names);
                })
                .await?;
            self.understood(bytes_if_any(due).and_then(|due| due.map(|due| time(&due)).transpose()))
        })
    }

    fn prune_sagas(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let (mut pruned, mut turn) = (0, self.requests.turn().await?);
            while pruned < limit {
                let most = SAGAS_MAX.min(limit - pruned);
                turn.begin();
                let deleted = self
                    .write("deleting sagas of", &scripts::SAGA_PRUNE, &turn, |command| {
                        command.arg(first_micros(before)).arg(most);
                    })
                    .await?;
                let deleted: usize = self.understood(number(deleted))?;
                pruned += deleted;
                if deleted < most {
                    break;
                }
            }
            Ok(pruned as u64)
        })
    }
}

impl RedisStore {
    /// The sagas of these ids that are there, in as many answers as it takes.
    async fn rows_of(&self, ids: &[String]) -> Result<Vec<SagaRow>> {
        let (mut rows, mut rest) = (Vec::with_capacity(ids.len()), ids);
        while !rest.is_empty() {
            let found = self
                .read(&scripts::SAGA_ROWS, |command| {
                    command.arg(PAGE_BYTES_MAX).arg(rest.len()).arg(rest);
                })
                .await?;
            let found = self.understood(list(found))?;
            let (read, later) = rest.split_at(found.len().clamp(1, rest.len()));
            for (id, row) in read.iter().zip(found) {
                rows.extend(self.understood(saga(id, row))?);
            }
            rest = later;
        }
        Ok(rows)
    }

    /// The saga of a key, if it passes the filter.
    async fn saga_of(&self, saga: &str, key: &str, filter: &SagaFilter) -> Result<Vec<SagaRow>> {
        let mut get = redis::cmd("HGET");
        get.arg(self.key(&format!("saga-keys:{saga}"))).arg(key);
        let id = self.understood(bytes_if_any(self.link.ask(READING, &get).await?))?;
        let ids: Vec<_> = id.iter().map(|id| String::from_utf8_lossy(id).into_owned()).collect();
        let mut rows = self.rows_of(&ids).await?;
        rows.retain(|row| filter.has(row));
        rows.truncate(filter.limit);
        Ok(rows)
    }

    async fn list_sagas(&self, filter: &SagaFilter) -> Result<Vec<SagaRow>> {
        let room = match &filter.saga {
            None => "sagas".to_owned(),
            Some(saga) => format!("sagas-named:{saga}"),
        };
        // No id is empty, so everything of a time lies behind the time alone.
        let after = filter.after.map(|(started, id)| place(started, id));
        let from = filter.from.map(|from| place(from, Uuid::nil())[..TIME_BYTES].to_vec());
        let mut low = match after.max(from) {
            None => b"-".to_vec(),
            Some(place) => [b"(", &place[..]].concat(),
        };
        let high = filter.until.map_or_else(
            || b"+".to_vec(),
            |until| [b"(", &place(until, Uuid::nil())[..TIME_BYTES]].concat(),
        );
        let mut rows: Vec<SagaRow> = Vec::new();
        while rows.len() < filter.limit {
            let found = self
                .read(&scripts::SAGA_LIST, |command| {
                    command.arg(&room).arg(&low[..]).arg(&high[..]).arg(SAGAS_MAX);
                })
                .await?;
            let found = list(found).and_then(|found| found.into_iter().map(bytes).collect());
            let places: Vec<Vec<u8>> = self.understood(found)?;
            let Some(last) = places.last() else { break };
            low = [b"(", &last[..]].concat();
            let id = |place: &Vec<u8>| {
                let id = place.get(TIME_BYTES..).unwrap_or_default();
                String::from_utf8_lossy(id).into_owned()
            };
            let ids: Vec<_> = places.iter().map(id).collect();
            let passed = self.rows_of(&ids).await?.into_iter().filter(|row| filter.has(row));
            rows.extend(passed.take(filter.limit - rows.len()));
        }
        Ok(rows)
    }
}

/// Reads the hash of a saga; `None` where there is none.
fn saga(id: &str, hash: Value) -> Read<Option<SagaRow>> {
    let fields: HashMap<String, Value> = pairs(hash)?.into_iter().collect();
    if fields.is_empty() {
        return Ok(None);
    }
    Fields(fields).read(id).map(Some)
}

/// What a saga's hash has.
struct Fields(HashMap<String, Value>);

impl Fields {
    fn read(mut self, id: &str) -> Read<SagaRow> {
        Ok(SagaRow {
            id: uuid(id)?,
            saga: self.text("saga")?,
            key: self.text_if_any("key")?,
            shape: self.number("shape")?,
            phase: self.number("phase")?,
            due: self.number("due").map(micros)?,
            cancelled: self.text("cancelled")? == "1",
            owner: self.text_if_any("owner")?.map(|owner| uuid(&owner)).transpose()?,
            epoch: self.number("epoch")?,
            revision: self.number("revision")?,
            correlation: uuid(&self.text("correlation")?)?,
            causation: self.text_if_any("causation")?.map(|id| uuid(&id)).transpose()?,
            depth: self.number("depth")?,
            started: self.number("started").map(micros)?,
            changed: self.number("changed").map(micros)?,
            state: Bytes::from(bytes(self.take("state")?)?),
        })
    }

    fn take(&mut self, field: &str) -> Read<Value> {
        self.0.remove(field).ok_or(WHAT)
    }

    fn text(&mut self, field: &str) -> Read<String> {
        text(self.take(field)?)
    }

    fn text_if_any(&mut self, field: &str) -> Read<Option<String>> {
        self.0.remove(field).map(text).transpose()
    }

    /// A number, or whatever else is written as text.
    fn number<T: std::str::FromStr>(&mut self, field: &str) -> Read<T> {
        self.text(field)?.parse().map_err(|_| WHAT)
    }
}

const WHAT: Malformed = Malformed("a saga");

fn uuid(text: &str) -> Read<Uuid> {
    Uuid::parse_str(text).map_err(|_| WHAT)
}

fn time(due: &[u8]) -> Read<Timestamp> {
    String::from_utf8_lossy(due).parse().map(micros).map_err(|_| WHAT)
}
