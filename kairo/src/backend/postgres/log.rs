//! Reading and watching the log.
//!
//! What is read lies before the gate: the oldest transaction that is still open, as the reading
//! statement itself sees it. Whatever that one appends will lie behind.

use std::{any::Any, ops::RangeInclusive, sync::Arc};

use tokio::sync::watch;

use super::{
    PostgresStore, Shared,
    gate::{GATE_COLUMNS, Gate, Wait, gate, gate_columns},
    pages::{self, Looked, found, readable, recorded, recorded_columns},
    rows::{bind_place, count, event_columns, int},
    selection::{bind_selection, selected},
};
use crate::{
    clock::Timestamp,
    error::Result,
    event::{fact::Facts, name::StreamName, record::Recorded},
    store::{
        BoxFuture, Committed, Direction, Features, PAGE_BYTES_MAX, Page, Position, Selection,
        Snapshot, Store, StreamRange, StreamStats, Transaction, Unit,
    },
};

/// The last event before the gate.
const HEAD: &str = concat!(
    "SELECT ",
    gate_columns!(),
    ", h.* FROM ",
    gate!(),
    " LEFT JOIN LATERAL (SELECT epoch, order_id, sequence FROM {event} \
      WHERE (epoch, order_id) < (g.epoch, g.order_id) \
      ORDER BY epoch DESC, order_id DESC, sequence DESC LIMIT 1) AS h ON true"
);

const COUNT: &str = concat!(
    "SELECT count(*) FROM ",
    gate!(),
    " JOIN LATERAL (",
    readable!("1"),
    " LIMIT $4) AS p ON true"
);

const SELECTED_COUNT: &str = concat!(
    "SELECT count(*) FROM ",
    gate!(),
    " JOIN LATERAL (",
    readable!("1"),
    " AND ",
    selected!("$5", "$6", "$7"),
    " LIMIT $4) AS p ON true"
);

const AT: &str = concat!(
    "SELECT e.* FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS w (a, b, c) \
     JOIN LATERAL (SELECT ",
    recorded_columns!(),
    " FROM {event} WHERE epoch = a AND order_id = b AND sequence = c) AS e ON true"
);

/// Events of a stream in one direction.
macro_rules! stream {
    ($direction:literal) => {
        concat!(
            "SELECT * FROM (SELECT x.*, sum(octet_length(payload)) OVER (ROWS UNBOUNDED PRECEDING) \
             - octet_length(payload) AS before FROM (SELECT ",
            recorded_columns!(),
            " FROM {event} WHERE stream = $1 AND version BETWEEN $2 AND $3 ORDER BY version ",
            $direction,
            " LIMIT $4) AS x) AS y WHERE before < $5"
        )
    };
}

const FORWARDS: &str = stream!("ASC");
const BACKWARDS: &str = stream!("DESC");

impl Store for PostgresStore {
    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(self.commit_unit(unit))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position>> {
        Box::pin(self.settled_head())
    }

    fn read_log<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.settled_page(after, selection, limit))
    }

    fn count<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: u64,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.settled_count(after, selection, limit))
    }

    fn read_at<'a>(
        &'a self,
        positions: &'a [Position],
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(self.at(positions))
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        range: StreamRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(self.stream(stream, range, limit))
    }

    fn read_facts<'a>(
        &'a self,
        stream: &'a StreamName,
        versions: RangeInclusive<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Facts>> {
        Box::pin(self.facts(stream, versions, limit))
    }

    fn stream_stats<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<StreamStats>>> {
        Box::pin(self.stats(stream))
    }

    fn snapshot<'a>(
        &'a self,
        stream: &'a StreamName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Snapshot>>> {
        Box::pin(self.read_snapshot(stream, name))
    }

    fn prune<'a>(
        &'a self,
        before: Timestamp,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.prune_oldest(before, selection, limit))
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.shared.commits.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.shut())
    }

    fn url(&self) -> &str {
        self.shared.failing.url()
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Transaction>>> {
        Box::pin(self.begin_transaction())
    }

    fn write_within<'a>(
        &'a self,
        connection: &'a mut (dyn Any + Send),
        unit: Unit,
    ) -> BoxFuture<'a, Result<Committed>> {
        Box::pin(async move { self.write_inside(connection, &unit).await })
    }

    fn hindrance(&self) -> BoxFuture<'_, Result<Option<String>>> {
        Box::pin(self.held_open())
    }

    fn features(&self) -> Features {
        Features { durable: true, shared: true, transactions: true }
    }
}

impl PostgresStore {
    /// The last readable event, once all that has been committed is readable.
    pub(super) async fn settled_head(&self) -> Result<Position> {
        let mut wait = Wait::default();
        loop {
            let statement = || self.shared.tables.query(HEAD);
            let rows = self.shared.pool.fetch("reading", statement).await?;
            let read = rows.first().map_or(Ok((Gate::default(), Position::START)), |row| {
                let gate = Gate::read(row)?;
                // It does not go back when the newest events are deleted.
                Ok((gate, found(row, GATE_COLUMNS)?.unwrap_or_default().max(gate.newest())))
            });
            let (gate, head) = read.map_err(|error| self.unreadable(error))?;
            self.note(gate);
            if !self.waits(&mut wait, gate).await {
                return Ok(head);
            }
        }
    }

    async fn settled_page(
        &self,
        after: Position,
        selection: &Selection,
        limit: usize,
    ) -> Result<Page> {
        let mut wait = Wait::default();
        loop {
            let statement = || pages::statement(&self.shared.tables, after, selection, limit);
            let rows = self.shared.pool.fetch("reading", statement).await?;
            let looked = Looked::read(&rows, selection).map_err(|error| self.unreadable(error))?;
            let gate = looked.gate;
            self.note(gate);
            let mut page = looked.into_page(after, limit);
            // A follower of the whole log comes back for the rest at once.
            let goes_on = *selection == Selection::All && !page.events.is_empty();
            if !page.complete || goes_on {
                page.complete &= !gate.hides();
                return Ok(page);
            }
            if !self.waits(&mut wait, gate).await {
                return Ok(page);
            }
        }
    }

    fn note(&self, gate: Gate) {
        let Shared { held, clock, failing, .. } = &*self.shared;
        held.note(gate, clock, failing.url());
    }

    async fn settled_count(
        &self,
        after: Position,
        selection: &Selection,
        limit: u64,
    ) -> Result<u64> {
        self.settled_head().await?;
        let rows = self.shared.pool.fetch("counting in", || {
            let tables = &self.shared.tables;
            let with = |text| bind_place(tables.query(text), after).bind(int(limit));
            match selection {
                Selection::All => with(COUNT),
                selection => bind_selection(with(SELECTED_COUNT), selection),
            }
        });
        let rows = rows.await?;
        let counted = rows.first().map_or(Ok(0), |row| count(row, 0));
        counted.map_err(|error| self.unreadable(error))
    }

    async fn at(&self, positions: &[Position]) -> Result<Vec<Arc<Recorded>>> {
        let epochs: Vec<_> =
            positions.iter().map(|at| i32::try_from(at.epoch).unwrap_or(-1)).collect();
        let orders: Vec<_> = positions.iter().map(|at| int(at.order)).collect();
        let sequences: Vec<_> = positions.iter().map(|at| int(at.sequence)).collect();
        let statement =
            || self.shared.tables.query(AT).bind(&epochs).bind(&orders).bind(&sequences);
        let rows = self.shared.pool.fetch("reading", statement).await?;
        let mut events = recorded(&rows, 0).map_err(|error| self.unreadable(error))?;
        events.sort_unstable_by_key(|event| event.position);
        events.dedup_by_key(|event| event.position);
        Ok(events.into_iter().map(Arc::new).collect())
    }

    pub(super) async fn stream(
        &self,
        stream: &StreamName,
        range: StreamRange,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>> {
        let text = match range.direction {
            Direction::Forwards => FORWARDS,
            Direction::Backwards => BACKWARDS,
        };
        let statement = || {
            let statement = self.shared.tables.query(text).bind(stream.as_str());
            let statement = statement.bind(int(range.from)).bind(int(range.to));
            statement.bind(int(limit as u64)).bind(int(PAGE_BYTES_MAX as u64))
        };
        let rows = self.shared.pool.fetch("reading", statement).await?;
        let events = recorded(&rows, 0).map_err(|error| self.unreadable(error))?;
        Ok(events.into_iter().map(Arc::new).collect())
    }
}
