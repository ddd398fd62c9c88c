//! Reading and watching the log.
//!
//! What is read lies before the gate: the oldest transaction that is still open, as the reading
//! statement itself sees it. Whatever that one appends will lie behind.

use std::{sync::Arc, time::Duration};

use sqlx::{Row, postgres::PgRow};
use tokio::sync::watch;

use super::{
    PostgresStore,
    rows::{EVENT_COLUMNS, Names, bind_place, count, event, event_columns, int, place},
    selection::{bind_selection, selected},
    tables::Statement,
};
use crate::{
    clock::Timestamp,
    error::Result,
    event::{name::StreamName, record::Recorded},
    store::{
        BoxFuture, Committed, Direction, Features, PAGE_BYTES_MAX, Page, Position, Selection,
        Snapshot, Store, StreamRange, StreamStats, Unit,
    },
};

/// The most events that one page searches for selected ones.
const SEARCHED_MAX: i64 = 10_000;

/// The pauses between looks at a log of which something is still behind the gate; the last one is
/// repeated.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(1),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
];

/// How often the log is looked at while something is behind the gate: for two seconds or more.
const LOOKS_MAX: usize = 128;

/// An event with its place.
macro_rules! recorded_columns {
    () => {
        concat!("epoch, order_id, sequence, version, ", event_columns!())
    };
}

/// The number of columns in front of the event's.
const PLACE_COLUMNS: usize = 4;

/// The gate `g`, and what was appended last, before or behind it, as `l`.
macro_rules! gate {
    () => {
        "(SELECT epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS order_id, \
          newest_epoch, newest_order, newest_sequence FROM {s}kairo_store) AS g \
         LEFT JOIN LATERAL (SELECT epoch, order_id FROM {event} \
          ORDER BY epoch DESC, order_id DESC, sequence DESC LIMIT 1) AS l ON true"
    };
}

/// The columns of [`Gate`].
macro_rules! gate_columns {
    () => {
        "g.epoch, g.order_id, l.epoch, l.order_id, \
         g.newest_epoch, g.newest_order, g.newest_sequence"
    };
}

/// The number of these columns.
const GATE_COLUMNS: usize = 7;

/// The events behind a place and before the gate.
macro_rules! readable {
    ($columns:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM {event} WHERE (epoch, order_id, sequence) > ($1, $2, $3) \
              AND (epoch, order_id) < (g.epoch, g.order_id)"
        )
    };
}

/// All events of a page: those in front of which there is less payload than a page holds.
const PAGE: &str = concat!(
    "SELECT ",
    gate_columns!(),
    ", p.* FROM ",
    gate!(),
    " LEFT JOIN LATERAL (SELECT * FROM (SELECT x.*, sum(octet_length(payload)) \
      OVER (ROWS UNBOUNDED PRECEDING) - octet_length(payload) AS before FROM (",
    readable!(recorded_columns!()),
    " ORDER BY epoch, order_id, sequence LIMIT $4) AS x) AS y WHERE before < $5) AS p ON true"
);

/// The selected events of a page; beside them the last one that was searched.
const SELECTED_PAGE: &str = concat!(
    "SELECT ",
    gate_columns!(),
    ", ",
    "p.epoch, p.order_id, p.sequence, p.version, p.id, p.derived, p.name, p.schema, p.stream, \
     p.time, p.correlation, p.causation, p.depth, p.metadata, \
     CASE WHEN p.is_event THEN p.payload END, p.before, p.is_event, p.searched FROM ",
    gate!(),
    " LEFT JOIN LATERAL (SELECT *, selected AND before < $5 AS is_event FROM (\
      SELECT z.*, row_number() OVER w AS searched, lead(true) OVER w IS NULL AS is_last, \
      sum(CASE WHEN selected THEN octet_length(payload) ELSE 0 END) OVER w \
      - CASE WHEN selected THEN octet_length(payload) ELSE 0 END AS before \
      FROM (SELECT x.*, ",
    selected!("$6", "$7", "$8"),
    " AS selected FROM (",
    readable!(recorded_columns!()),
    " ORDER BY epoch, order_id, sequence LIMIT $9) AS x) AS z \
      WINDOW w AS (ROWS UNBOUNDED PRECEDING)) AS y \
      WHERE selected AND before < $5 OR is_last LIMIT $4) AS p ON true"
);

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

    fn features(&self) -> Features {
        Features { durable: true, shared: true }
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
            let statement = || self.page_statement(after, selection, limit);
            let rows = self.shared.pool.fetch("reading", statement).await?;
            let looked = Looked::read(&rows, selection).map_err(|error| self.unreadable(error))?;
            let gate = looked.gate;
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

    fn page_statement(&self, after: Position, selection: &Selection, limit: usize) -> Statement {
        let tables = &self.shared.tables;
        let bytes = int(PAGE_BYTES_MAX as u64);
        let with = |text| bind_place(tables.query(text), after).bind(int(limit as u64)).bind(bytes);
        match selection {
            Selection::All => with(PAGE),
            selection => bind_selection(with(SELECTED_PAGE), selection).bind(SEARCHED_MAX),
        }
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
        Ok(events)
    }

    async fn stream(
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
        recorded(&rows, 0).map_err(|error| self.unreadable(error))
    }

    /// Pauses while what was committed before the first look is behind the gate; whether to look
    /// again. A transaction that has been waited for in vain is not waited for again.
    async fn waits(&self, wait: &mut Wait, gate: Gate) -> bool {
        let goal = *wait.goal.get_or_insert(gate.last);
        if goal < gate.first_hidden || self.shared.is_stuck(gate.first_hidden) {
            return false;
        }
        wait.looks += 1;
        if LOOKS_MAX <= wait.looks {
            self.shared.set_stuck(gate.first_hidden);
            return false;
        }
        let pause = PAUSES[(wait.looks - 1).min(PAUSES.len() - 1)];
        self.shared.clock.sleep(pause).await;
        true
    }
}

/// The epoch and order of a transaction.
pub(super) type Order = (i32, i64);

/// How far the log can be read at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    /// What has this order or a later one cannot be read yet.
    first_hidden: Order,
    /// The order of what was appended last.
    last: Order,
    /// The place that the log had reached when events were last deleted.
    deleted: Position,
}

impl Gate {
    fn read(row: &PgRow) -> sqlx::Result<Self> {
        let last: (Option<i32>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
        Ok(Self {
            first_hidden: (row.try_get(0)?, row.try_get(1)?),
            last: (last.0.unwrap_or_default(), last.1.unwrap_or(-1)),
            deleted: place(row, 4)?,
        })
    }

    /// Whether something has been committed that cannot be read yet.
    fn hides(self) -> bool {
        self.first_hidden <= self.last
    }

    /// The deleted place that a reader has reached at the end of the log, if there is one.
    fn newest(self) -> Position {
        let Position { epoch, order, .. } = self.deleted;
        let order = (i32::try_from(epoch).unwrap_or(i32::MAX), int(order));
        if order < self.first_hidden { self.deleted } else { Position::START }
    }
}

/// What one call waits for.
#[derive(Default)]
struct Wait {
    goal: Option<Order>,
    looks: usize,
}

/// What one look at the log has found.
struct Looked {
    gate: Gate,
    events: Vec<Arc<Recorded>>,
    /// The last event that was searched, selected or not.
    searched_to: Option<Position>,
    /// Whether there may be more behind that, or selected events that the page had no room for.
    more: bool,
}

impl Looked {
    fn read(rows: &[PgRow], selection: &Selection) -> sqlx::Result<Self> {
        let gate = rows.first().map_or(Ok(Gate::default()), Gate::read)?;
        let found_any = rows.iter().filter(|row| !matches!(found(row, GATE_COLUMNS), Ok(None)));
        if *selection == Selection::All {
            let rows: Vec<_> = found_any.collect();
            let events = recorded(rows, GATE_COLUMNS)?;
            let searched_to = events.last().map(|last| last.position);
            return Ok(Self { gate, events, searched_to, more: false });
        }
        let behind = GATE_COLUMNS + PLACE_COLUMNS + EVENT_COLUMNS;
        let (mut selected, mut searched_to, mut more) = (Vec::new(), None, false);
        for row in found_any {
            let (before, is_event): (i64, bool) = (row.try_get(behind)?, row.try_get(behind + 1)?);
            let searched: i64 = row.try_get(behind + 2)?;
            more = searched == SEARCHED_MAX || int(PAGE_BYTES_MAX as u64) <= before;
            if is_event {
                selected.push(row);
            }
            // What the page had no room for is to be searched again.
            if is_event || before < int(PAGE_BYTES_MAX as u64) {
                searched_to = found(row, GATE_COLUMNS)?;
            }
        }
        Ok(Self { gate, events: recorded(selected, GATE_COLUMNS)?, searched_to, more })
    }

    fn into_page(self, after: Position, limit: usize) -> Page {
        let bytes: usize = self.events.iter().map(|event| event.event.payload.len()).sum();
        let is_full = self.events.len() == limit || PAGE_BYTES_MAX <= bytes;
        let end = match self.events.last() {
            Some(last) if is_full => last.position,
            _ => self.searched_to.unwrap_or(after),
        };
        let complete = !is_full && !self.more;
        let end = if complete { end.max(self.gate.newest()) } else { end };
        Page { events: self.events, end: end.max(after), complete }
    }
}

/// The place in these columns, where there is one.
fn found(row: &PgRow, first: usize) -> sqlx::Result<Option<Position>> {
    let epoch: Option<i32> = row.try_get(first)?;
    epoch.map(|_| place(row, first)).transpose()
}

fn recorded<'r>(
    rows: impl IntoIterator<Item = &'r PgRow>,
    first: usize,
) -> sqlx::Result<Vec<Arc<Recorded>>> {
    let mut names = Names::default();
    let read = |row: &PgRow| {
        let event = event(row, first + PLACE_COLUMNS, &mut names)?;
        let (position, version) = (place(row, first)?, count(row, first + 3)?);
        Ok(Arc::new(Recorded::new(position, version, event)))
    };
    rows.into_iter().map(read).collect()
}
