//! The gate: how far the log can be read, because no transaction is open that may still append
//! before that. Where appends are locked, none may, and everything can be read.

use std::time::Duration;

use sqlx::{Row, postgres::PgRow};

use super::{
    PostgresStore,
    rows::{int, place},
};
use crate::store::Position;

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

/// The gate `g`, and what was appended last, before or behind it, as `l`.
macro_rules! gate {
    () => {
        "(SELECT epoch, CASE append WHEN 'locked' THEN 9223372036854775807 \
          ELSE pg_snapshot_xmin(pg_current_snapshot())::text::bigint END AS order_id, \
          newest_epoch, newest_order, newest_sequence FROM {s}kairo_store) AS g \
         LEFT JOIN LATERAL (SELECT epoch, order_id FROM {event} \
          ORDER BY epoch DESC, order_id DESC, sequence DESC LIMIT 1) AS l ON true"
    };
}

pub(super) use gate;

/// The columns of [`Gate`].
macro_rules! gate_columns {
    () => {
        "g.epoch, g.order_id, l.epoch, l.order_id, \
         g.newest_epoch, g.newest_order, g.newest_sequence"
    };
}

pub(super) use gate_columns;

/// The number of these columns.
pub(super) const GATE_COLUMNS: usize = 7;

/// The epoch and order of a transaction.
pub(super) type Order = (i32, i64);

/// How far the log can be read at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    /// What has this order or a later one cannot be read yet.
    pub(super) first_hidden: Order,
    /// The order of what was appended last, also when it has been deleted.
    pub(super) last: Order,
    /// The place that the log had reached when events were last deleted.
    pub(super) deleted: Position,
}

impl Gate {
    pub(super) fn read(row: &PgRow) -> sqlx::Result<Self> {
        let last: (Option<i32>, Option<i64>) = (row.try_get(2)?, row.try_get(3)?);
        let last = (last.0.unwrap_or_default(), last.1.unwrap_or(-1));
        let deleted = place(row, 4)?;
        let first_hidden = (row.try_get(0)?, row.try_get(1)?);
        Ok(Self { first_hidden, last: last.max(order_of(deleted)), deleted })
    }

    /// Whether something has been committed that cannot be read yet.
    pub(super) fn hides(self) -> bool {
        self.first_hidden <= self.last
    }

    /// The deleted place that a reader has reached at the end of the log, if there is one.
    pub(super) fn newest(self) -> Position {
        if order_of(self.deleted) < self.first_hidden { self.deleted } else { Position::START }
    }
}

fn order_of(position: Position) -> Order {
    (i32::try_from(position.epoch).unwrap_or(i32::MAX), int(position.order))
}

/// What one call waits for.
#[derive(Default)]
pub(super) struct Wait {
    goal: Option<Order>,
    looks: usize,
}

impl PostgresStore {
    /// Pauses while what was committed before the first look is behind the gate; whether to look
    /// again. A transaction that has been waited for in vain is not waited for again.
    pub(super) async fn waits(&self, wait: &mut Wait, gate: Gate) -> bool {
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
