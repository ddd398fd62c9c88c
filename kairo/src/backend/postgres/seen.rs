//! What a transaction sees of all that a unit names: read in one statement, and locked where the
//! unit is going to change it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    append::{gone_of, last_of, version},
    changes::SeenDocuments,
    connections::answered,
    failure::Trouble,
    inbox, letters,
    rows::{count, int, place},
    sagas,
    tables::Tables,
};
use crate::{
    backend::plan::View,
    delivery::{DeadLetter, MarkKey},
    documents::{Collection, Document},
    error::Result,
    event::name::StreamName,
    journal::SagaRow,
    store::{Position, Tip, Unit},
};

/// Claims that hold (0), delayed events (1), streams (2) and derived events (3).
const LOOK: &str = concat!(
    "WITH c AS MATERIALIZED (SELECT subscription, epoch FROM {s}kairo_share \
      WHERE (subscription, epoch) IN (SELECT * FROM unnest($1::text[], $5::bigint[])) \
      ORDER BY subscription, epoch FOR NO KEY UPDATE), \
     t AS MATERIALIZED (SELECT id FROM {s}kairo_timetable \
      WHERE id = ANY($2) ORDER BY id FOR UPDATE) \
     SELECT 0, subscription, NULL::uuid, 0, 0::bigint, 0::bigint, epoch, false, false FROM c \
     UNION ALL SELECT 1, NULL, id, 0, 0, 0, 0, false, false FROM t \
     UNION ALL SELECT 2, w.stream, NULL, 0, 0, 0, ",
    version!(),
    ", l.version IS NOT NULL, d.tombstone IS true \
      FROM unnest($3::text[]) AS w (stream) LEFT JOIN LATERAL ",
    last_of!("w.stream"),
    " ON true LEFT JOIN LATERAL ",
    gone_of!("w.stream"),
    " ON true UNION ALL SELECT 3, NULL, id, epoch, order_id, sequence, version, false, false \
      FROM {event} WHERE id = ANY($4) AND derived"
);

/// Claims that hold: subscriptions and epochs.
pub(super) type Claims = HashSet<(String, u64)>;

/// What a unit names, as its transaction sees it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    claims: Claims,
    marked: HashSet<MarkKey>,
    letters: HashMap<Uuid, DeadLetter>,
    scheduled: HashSet<Uuid>,
    tips: HashMap<String, Tip>,
    derived: HashMap<Uuid, (Position, u64)>,
    sagas: HashMap<Uuid, SagaRow>,
    /// The sagas that were started under keys.
    saga_keys: HashMap<(String, String), Uuid>,
    documents: SeenDocuments,
}

impl Seen {
    /// Looks at all that a unit names.
    pub(super) async fn look(
        connection: &mut PgConnection,
        tables: &Tables,
        unit: &Unit,
    ) -> Result<Self, Trouble> {
        let mut seen = Self::default();
        for row in &look(connection, tables, unit).await? {
            seen.keep(row)?;
        }
        let letters: Vec<Uuid> = (unit.progress.iter())
            .flat_map(|progress| progress.bury.iter().map(|letter| letter.id))
            .chain(unit.letters.iter().map(crate::delivery::LetterChange::id))
            .collect();
        if !letters.is_empty() {
            let found = letters::locked(connection, tables, &letters).await?;
            seen.letters.extend(found.into_iter().map(|letter| (letter.id, letter)));
        }
        if !unit.sagas.is_empty() {
            let found = sagas::locked(connection, tables, unit).await?;
            seen.sagas.extend(found.into_iter().map(|row| (row.id, row)));
            let taken = sagas::of_keys(connection, tables, unit).await?;
            seen.saga_keys.extend(taken.into_iter().map(|(saga, key, id)| ((saga, key), id)));
        }
        if !unit.marks.is_empty() {
            let (held, marked) = inbox::look(connection, tables, &unit.marks).await?;
            seen.claims.extend(held);
            seen.marked = marked;
        }
        if !unit.documents.is_empty() {
            seen.documents = SeenDocuments::look(connection, tables, &unit.documents).await?;
        }
        Ok(seen)
    }

    fn keep(&mut self, row: &PgRow) -> sqlx::Result<()> {
        match row.try_get(0)? {
            0 => drop(self.claims.insert((row.try_get(1)?, count(row, 6)?))),
            1 => drop(self.scheduled.insert(row.try_get(2)?)),
            2 => {
                let (version, has_events) = (count(row, 6)?, row.try_get(7)?);
                let tip = Tip { version, has_events, tombstone: row.try_get(8)? };
                self.tips.insert(row.try_get(1)?, tip);
            }
            _ => {
                let found = (place(row, 3)?, count(row, 6)?);
                self.derived.insert(row.try_get::<Uuid, _>(2)?, found);
            }
        }
        Ok(())
    }
}

async fn look(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
) -> sqlx::Result<Vec<PgRow>> {
    let subscriptions: Vec<&str> =
        unit.progress.iter().map(|progress| progress.subscription.as_str()).collect();
    let scheduled = unit.scheduled.iter().map(|scheduled| &scheduled.event);
    let delayed: Vec<Uuid> =
        unit.unscheduled.iter().copied().chain(scheduled.clone().map(|event| event.id)).collect();
    let epochs: Vec<i64> = unit.progress.iter().map(|progress| int(progress.epoch)).collect();
    let removed = unit.removals.iter().map(|removal| removal.stream.as_str());
    let streams: HashSet<&str> =
        unit.appends.iter().map(|append| append.stream.as_str()).chain(removed).collect();
    let streams: Vec<&str> = streams.into_iter().collect();
    let appended = unit.appends.iter().flat_map(|append| &append.events);
    let derived: Vec<Uuid> =
        appended.chain(scheduled).filter(|event| event.derived).map(|event| event.id).collect();
    if [subscriptions.len(), delayed.len(), streams.len(), derived.len()] == [0; 4] {
        return Ok(Vec::new());
    }
    let look = tables
        .query(LOOK)
        .bind(subscriptions)
        .bind(delayed)
        .bind(streams)
        .bind(derived)
        .bind(epochs);
    answered(look.fetch_all(connection)).await
}

impl View for Seen {
    fn holds(&mut self, subscription: &str, epoch: u64) -> Result<bool> {
        Ok(self.claims.contains(&(subscription.to_owned(), epoch)))
    }

    fn letter(&mut self, id: Uuid) -> Result<Option<DeadLetter>> {
        Ok(self.letters.get(&id).cloned())
    }

    fn is_scheduled(&mut self, id: Uuid) -> Result<bool> {
        Ok(self.scheduled.contains(&id))
    }

    fn tip(&mut self, stream: &StreamName) -> Result<Tip> {
        Ok(self.tips.get(stream.as_str()).copied().unwrap_or_default())
    }

    fn derived(&mut self, id: Uuid) -> Result<Option<(Position, u64)>> {
        Ok(self.derived.get(&id).copied())
    }

    fn saga(&mut self, id: Uuid) -> Result<Option<SagaRow>> {
        Ok(self.sagas.get(&id).cloned())
    }

    fn saga_of_key(&mut self, saga: &str, key: &str) -> Result<Option<Uuid>> {
        Ok(self.saga_keys.get(&(saga.to_owned(), key.to_owned())).copied())
    }

    fn is_marked(&mut self, key: &MarkKey) -> Result<bool> {
        Ok(self.marked.contains(key))
    }

    fn document(&mut self, collection: &'static Collection, id: &str) -> Result<Option<Document>> {
        Ok(self.documents.document(collection, id))
    }

    fn owner_of(
        &mut self,
        collection: &'static Collection,
        field: &'static str,
        value: &Value,
    ) -> Result<Option<String>> {
        Ok(self.documents.owner_of(collection, field, value))
    }

    /// The sequences are known when the events are written; until then they count from 1.
    fn next_sequence(&self) -> u64 {
        1
    }
}
