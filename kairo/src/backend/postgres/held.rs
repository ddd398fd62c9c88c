//! What keeps readers from the end of the log: since when it does, as a metric, and what health says
//! about it.

use std::sync::{Mutex, PoisonError};

use sqlx::{Row, postgres::PgRow};

use super::{
    PostgresStore,
    gate::{Gate, Order, gate},
    rows::count,
};
use crate::{
    clock::{Clock, Timestamp},
    error::Result,
    observe,
};

/// How long a transaction may be open before it is talked about, in seconds.
const OPEN_MAX: i64 = 10;

/// The most events that are counted behind the gate.
const WAITING_MAX: i64 = 1_000_000;

/// The oldest open transaction, prepared ones included, if it has been open for too long.
const HOLDER: &str = concat!(
    "SELECT h.who, h.seconds, (SELECT count(*) FROM (SELECT FROM {event} \
      WHERE (epoch, order_id) >= (g.epoch, g.order_id) LIMIT $2) AS w) FROM ",
    gate!(),
    " JOIN LATERAL (SELECT who, extract(epoch FROM clock_timestamp() - since)::bigint AS seconds \
      FROM (SELECT backend_xid AS xid, xact_start AS since, \
       format('process %s of the server, database `%s`, application `%s`', pid, datname, \
        application_name) AS who FROM pg_stat_activity WHERE backend_xid IS NOT NULL \
       UNION ALL SELECT transaction, prepared, format('`%s`, prepared in database `%s`', gid, \
        database) FROM pg_prepared_xacts) AS x ORDER BY age(xid) DESC LIMIT 1) AS h \
     ON $1 <= h.seconds"
);

/// The gate that hides events, and since when.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Option<(Order, Timestamp)>>);

impl Held {
    /// Takes a look at the gate, and measures for how long it has been the same and hidden events.
    pub(super) fn note(&self, gate: Gate, clock: &Clock, store: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *held;
        *held = gate.hides().then(|| match before {
            Some((same, since)) if same == gate.first_hidden => (same, since),
            _ => (gate.first_hidden, clock.now()),
        });
        let seconds =
            held.map_or(0.0, |(_, since)| clock.now().duration_since(since).as_secs_f64());
        let is_over = before.is_some() && held.is_none();
        drop(held);
        if is_over || 0.0 < seconds {
            metrics::gauge!(observe::GATE_WAIT, "store" => store.to_owned()).set(seconds);
        }
    }
}

impl PostgresStore {
    /// What keeps readers from the end of the log, if it has done so for too long.
    pub(super) async fn held_open(&self) -> Result<Option<String>> {
        let statement = || self.shared.tables.query(HOLDER).bind(OPEN_MAX).bind(WAITING_MAX);
        let rows = self.shared.pool.fetch("looking at", statement).await?;
        let read = |row: &PgRow| -> sqlx::Result<Option<String>> {
            let (who, seconds): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
            let waiting = count(row, 2)?;
            Ok((0 < waiting).then(|| {
                format!(
                    "events that nobody can read yet: {waiting}, behind a transaction that has \
                     been open for {seconds} s: {who}"
                )
            }))
        };
        let held = rows.first().map_or(Ok(None), read);
        held.map_err(|error| self.unreadable(error))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use metrics::{
        Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;

    /// Keeps the last value of the one gauge that there is.
    #[derive(Default)]
    struct Gauges(Arc<Last>);

    #[derive(Default)]
    struct Last(Mutex<Option<f64>>);

    impl GaugeFn for Last {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, value: f64) {
            *self.0.lock().unwrap() = Some(value);
        }
    }

    impl Recorder for Gauges {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            assert_eq!(key.name(), "kairo.store.gate_wait");
            Gauge::from_arc(Arc::clone(&self.0))
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn a_gate_that_hides_events_is_measured_until_it_goes_on() {
        let (gauges, held) = (Gauges::default(), Held::default());
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let look = |first_hidden, last| {
            let gate = Gate { first_hidden: (0, first_hidden), last: (0, last), ..Gate::default() };
            metrics::with_local_recorder(&gauges, || held.note(gate, &clock, "postgres:shop"));
            *gauges.0.0.lock().unwrap()
        };
        assert_eq!(look(7, 6), None, "it hides nothing");
        assert_eq!(look(7, 7), None, "it has just begun to");
        clock.advance(Duration::from_secs(12));
        assert_eq!(look(7, 9), Some(12.0));
        assert_eq!(look(8, 9), Some(12.0), "another transaction");
        clock.advance(Duration::from_secs(1));
        assert_eq!(look(8, 9), Some(1.0));
        assert_eq!(look(10, 9), Some(0.0));
    }
}
