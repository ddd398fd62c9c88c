//! Pages: a stretch of the log, cut where it has enough events, or enough of their payloads.

use sqlx::{Row, postgres::PgRow};

use super::{
    gate::{GATE_COLUMNS, Gate, gate, gate_columns},
    rows::{EVENT_COLUMNS, Names, bind_place, count, event, event_columns, int, place},
    selection::{bind_selection, selected},
    tables::{Statement, Tables},
};
use crate::{
    event::record::Recorded,
    store::{PAGE_BYTES_MAX, Page, Position, Selection},
};

/// The most events that one page searches for selected ones.
const SEARCHED_MAX: i64 = 10_000;

/// An event with its place.
macro_rules! recorded_columns {
    () => {
        concat!("epoch, order_id, sequence, version, ", event_columns!())
    };
}

pub(super) use recorded_columns;

/// The number of columns in front of the event's.
const PLACE_COLUMNS: usize = 4;

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
pub(super) use readable;

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

/// The statement that reads a page.
pub(super) fn statement(
    tables: &Tables,
    after: Position,
    selection: &Selection,
    limit: usize,
) -> Statement {
    let bytes = int(PAGE_BYTES_MAX as u64);
    let with = |text| bind_place(tables.query(text), after).bind(int(limit as u64)).bind(bytes);
    match selection {
        Selection::All => with(PAGE),
        selection => bind_selection(with(SELECTED_PAGE), selection).bind(SEARCHED_MAX),
    }
}

/// What one look at the log has found.
pub(super) struct Looked {
    pub(super) gate: Gate,
    events: Vec<Recorded>,
    /// The last event that was searched, selected or not.
    searched_to: Option<Position>,
    /// Whether there may be more behind that, or selected events that the page had no room for.
    more: bool,
}

impl Looked {
    /// Reads what came back; there is a row at least, for the gate.
    pub(super) fn read(rows: &[PgRow], selection: &Selection) -> sqlx::Result<Self> {
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

    /// The page behind `after`.
    pub(super) fn into_page(self, after: Position, limit: usize) -> Page {
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
pub(super) fn found(row: &PgRow, first: usize) -> sqlx::Result<Option<Position>> {
    let epoch: Option<i32> = row.try_get(first)?;
    epoch.map(|_| place(row, first)).transpose()
}

/// Events with their places, in the columns from `first` on.
pub(super) fn recorded<'r>(
    rows: impl IntoIterator<Item = &'r PgRow>,
    first: usize,
) -> sqlx::Result<Vec<Recorded>> {
    let mut names = Names::default();
    let read = |row: &PgRow| {
        let event = event(row, first + PLACE_COLUMNS, &mut names)?;
        let (position, version) = (place(row, first)?, count(row, first + 3)?);
        Ok(Recorded::new(position, version, event))
    };
    rows.into_iter().map(read).collect()
}
