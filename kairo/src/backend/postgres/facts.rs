//! What a fold reads of a stream.

use std::ops::RangeInclusive;

use sqlx::{Row, postgres::PgRow};

use super::{
    PostgresStore,
    rows::{count, int, small},
};
use crate::{
    clock::micros,
    error::Result,
    event::{
        fact::{Fact, Facts},
        name::StreamName,
    },
    store::{PAGE_BYTES_MAX, StreamRange, facts_of},
};

/// Facts with payloads that are no larger than their share of a page. To add up sizes, as other
/// pages do, would be a third of the work.
const FACTS: &str = "SELECT version, name, schema, time, \
     CASE WHEN octet_length(payload) <= $5 THEN payload END FROM {event} \
     WHERE stream = $1 AND version BETWEEN $2 AND $3 ORDER BY version LIMIT $4";

impl PostgresStore {
    pub(super) async fn facts(
        &self,
        stream: &StreamName,
        versions: RangeInclusive<u64>,
        limit: usize,
    ) -> Result<Facts> {
        let range = StreamRange::of(versions);
        let share = i32::try_from(PAGE_BYTES_MAX / limit.max(1)).unwrap_or(i32::MAX);
        let statement = || {
            let statement = self.shared.tables.query(FACTS).bind(stream.as_str());
            let statement = statement.bind(int(range.from)).bind(int(range.to));
            statement.bind(int(limit as u64)).bind(share)
        };
        let rows = self.shared.pool.fetch("reading", statement).await?;
        let facts = page(&rows).map_err(|error| self.unreadable(error))?;
        if facts.is_empty() && !rows.is_empty() {
            // It begins with a large one.
            return Ok(facts_of(&self.stream(stream, range, limit).await?, limit));
        }
        let is_last = facts.len() == rows.len() && rows.len() < limit;
        Ok(if is_last { facts.last() } else { facts })
    }
}

/// The facts in front of the first one that came without its payload.
fn page(rows: &[PgRow]) -> sqlx::Result<Facts> {
    let mut facts = Facts::default();
    for row in rows {
        let Some(payload) = row.try_get(4)? else { break };
        facts.push(Fact {
            version: count(row, 0)?,
            name: row.try_get(1)?,
            schema: small(row, 2)?,
            time: micros(row.try_get(3)?),
            payload,
        });
    }
    Ok(facts)
}
