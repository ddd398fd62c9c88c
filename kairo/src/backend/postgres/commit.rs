//! Making a unit take effect: in one statement where that is all it takes, else in a transaction
//! that looks, plans and writes.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Change, PostgresStore, Shared, alone,
    append::{Actual, Appended, append_many, append_one, last_of, read, turn, writer},
    changes,
    connections::answered,
    failure::{Trouble, is_lost, is_race},
    inbox,
    lanes::{Batch, Entry},
    letters,
    rows::{Columns, event_columns, event_rows, int},
    sagas,
    seen::Seen,
    shares,
    sort::{Sort, sort},
    streams,
    tables::Tables,
    timetable, together,
};
use crate::{
    backend::plan::Plan,
    error::{Error, Result},
    store::{Append, Committed, Placed, Unit},
};

/// What an error says was being done.
const WRITING: &str = "writing to";

/// How often an append is tried in one statement while others are quicker.
const QUICK_MAX: usize = 3;

/// Planned events; the order of each follows from the last event of its stream.
const INSERT: &str = concat!(
    "INSERT INTO {event} (epoch, order_id, version, ",
    event_columns!(),
    ") SELECT s.epoch, CASE WHEN l.epoch = s.epoch THEN greatest(l.order_id, s.order_id) \
       ELSE s.order_id END, e.version, e.id, e.derived, e.name, e.schema, e.stream, e.time, \
       e.correlation, e.causation, e.depth, e.metadata, e.payload FROM ",
    writer!(),
    ", ",
    event_rows!("$12::bigint[]", "version"),
    " LEFT JOIN LATERAL ",
    last_of!("e.stream"),
    " ON true ORDER BY e.ord RETURNING epoch, order_id, sequence, version, id"
);

/// Events by their ids, in streams that are known to have them.
const FIND: &str = "SELECT epoch, order_id, sequence, version, id FROM {event} \
     WHERE stream = ANY($1) AND id = ANY($2)";

/// Holds up others who collide over the same streams.
const LOCK: &str = "SELECT pg_advisory_xact_lock(k) FROM (SELECT \
     hashtextextended('kairo ' || $2 || ' ' || stream, 0) AS k \
     FROM unnest($1::text[]) AS w (stream) ORDER BY 1) AS keys";

/// A process that stops here stops all who append, so it may do so for less than otherwise.
const TURN: &str = concat!(
    "SET LOCAL idle_in_transaction_session_timeout = '10s'; \
     LOCK TABLE {event} IN ROW EXCLUSIVE MODE; SELECT ",
    turn!(),
    " FROM {s}kairo_store AS o"
);

impl PostgresStore {
    pub(super) async fn commit_unit(&self, unit: Unit) -> Result<Committed> {
        let shared = &self.shared;
        shared.pool.check_open()?;
        changes::check(&unit)?;
        match sort(&unit) {
            Sort::Nothing => Ok(Committed::default()),
            Sort::Quick => shared.append(unit).await,
            Sort::Document => shared.append_alone(&unit).await,
            Sort::Progress => {
                shares::advance_alone(&shared.pool, &shared.tables, &unit.progress[0]).await?;
                shared.tell_others();
                Ok(Committed::default())
            }
            Sort::Mixed => shared.write(&unit, false).await,
        }
    }
}

impl Shared {
    async fn append(&self, unit: Unit) -> Result<Committed> {
        match self.lanes.enter(unit).await? {
            Entry::Alone(flight, unit) => {
                let appended = self.append_alone(&unit).await;
                drop(flight);
                appended
            }
            Entry::Queued(result) => result.await.unwrap_or(Err(Error::Closed)),
        }
    }

    /// Appends a unit in one statement, or where that does not do, in a transaction.
    async fn append_alone(&self, unit: &Unit) -> Result<Committed> {
        // Under the lock nobody is quicker, and a transaction can look after it has that.
        // And who has a unique value of a document will still have it.
        let is_told = self.is_locked() || !unit.documents.is_empty();
        let tries = if is_told { 1 } else { QUICK_MAX };
        for _ in 0..tries {
            let mut lease = self.appenders.lend().await?;
            let appended = append_unit(&mut lease.connection, &self.tables, unit).await;
            lease.end(appended.as_ref().err());
            match appended {
                Ok(appended) => return self.settle(unit, appended).await,
                Err(error) if is_race(&error) => {}
                Err(error) if is_lost(&error) => return self.write(unit, true).await,
                Err(error) => return Err(self.failing.trouble(WRITING, trouble(unit, error))),
            }
        }
        self.write(unit, false).await
    }

    /// What a caller is told of its unit. Derived ids may be in the log, and then it does not matter
    /// what was expected: a transaction finds out.
    async fn settle(&self, unit: &Unit, appended: Appended) -> Result<Committed> {
        match appended {
            Appended::All(committed) => {
                if !committed.placed.is_empty() {
                    self.wake();
                }
                if unit.sagas.iter().any(sagas::concerns_others) {
                    self.tell_others();
                }
                Ok(committed)
            }
            Appended::Stale => self.write(unit, false).await,
            Appended::None(..) if has_derived(unit) => self.write(unit, false).await,
            Appended::None(index, actual) => {
                let Append { stream, expected, .. } = &unit.appends[index];
                let (stream, expected) = (stream.as_str().to_owned(), *expected);
                Err(match actual {
                    Actual::At(actual) => Error::Conflict { stream, expected, actual },
                    Actual::Tombstone => Error::Tombstone { stream },
                })
            }
        }
    }

    /// Writes batches until there are no more.
    pub(super) async fn run_lane(&self) {
        while let Some(batch) = self.lanes.batch().await {
            self.append_batch(batch).await;
        }
    }

    /// Appends units together, or if that fails, one at a time.
    async fn append_batch(&self, batch: Batch) {
        let Batch { units, replies, flight } = batch;
        let together = match units.as_slice() {
            [_] => None,
            units => self.append_together(units).await,
        };
        let together = together.map(|all| all.into_iter().map(Some).collect());
        let together: Vec<_> = together.unwrap_or_else(|| units.iter().map(|_| None).collect());
        for ((unit, reply), appended) in units.iter().zip(replies).zip(together) {
            let result = match appended {
                Some(appended) => self.settle(unit, appended).await,
                None => self.append_alone(unit).await,
            };
            // A caller that went away has no use for it; the unit took effect all the same.
            let _ = reply.send(result);
        }
        drop(flight);
    }

    async fn append_together(&self, units: &[Unit]) -> Option<Vec<Appended>> {
        let mut lease = self.appenders.lend().await.ok()?;
        let (connection, tables) = (&mut lease.connection, &self.tables);
        let appended = if units.iter().all(|unit| unit.sagas.is_empty()) {
            append_many(connection, tables, units).await
        } else {
            together::write_many(connection, tables, units).await
        };
        lease.end(appended.as_ref().err());
        appended.ok()
    }

    /// Writes a unit in a transaction. If it may have taken effect already, in which case it has
    /// nothing but appends and sagas, that is found out first.
    async fn write(&self, unit: &Unit, doubtful: bool) -> Result<Committed> {
        let locked = self.is_locked();
        let committed = self.transact(WRITING, &Writing { unit, doubtful, locked }).await?;
        if !committed.placed.is_empty() || !unit.removals.is_empty() {
            self.wake();
        }
        self.tell_others();
        Ok(committed)
    }
}

/// What an error of one statement is.
fn trouble(unit: &Unit, error: sqlx::Error) -> Trouble {
    match unit.documents.first() {
        Some(change) => changes::trouble(change.collection, error),
        None => error.into(),
    }
}

fn has_derived(unit: &Unit) -> bool {
    unit.appends.iter().flat_map(|append| &append.events).any(|event| event.derived)
}

/// A single event has a statement of its own, which is quicker; why it was refused says the other.
async fn append_unit(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
) -> sqlx::Result<Appended> {
    if let [change] = unit.sagas.as_slice() {
        return together::write_one(connection, tables, unit, change).await;
    }
    if let [change] = unit.documents.as_slice() {
        return alone::write_one(connection, tables, unit, change).await;
    }
    if let [Append { events, expected, .. }] = unit.appends.as_slice()
        && let [event] = events.as_slice()
        && let Some(placed) = append_one(connection, tables, event, *expected).await?
    {
        return Ok(Appended::All(Committed { placed: vec![placed] }));
    }
    let mut appended = append_many(connection, tables, [unit]).await?;
    appended.pop().ok_or(sqlx::Error::RowNotFound)
}

/// A unit on its way into a transaction.
pub(super) struct Writing<'a> {
    pub(super) unit: &'a Unit,
    /// Whether it may have taken effect already.
    pub(super) doubtful: bool,
    /// Whether the transaction waits for its turn to append before it looks.
    pub(super) locked: bool,
}

impl Change for Writing<'_> {
    type Done = Committed;

    async fn make(
        &self,
        connection: &mut PgConnection,
        tables: &Tables,
        races: usize,
    ) -> Result<Committed, Trouble> {
        let unit = self.unit;
        if self.doubtful
            && let Some(committed) = find(connection, tables, unit).await?
        {
            return Ok(committed);
        }
        if 0 < races && !unit.appends.is_empty() {
            let lock = tables.query(LOCK).bind(streams(unit)).bind(tables.schema());
            answered(lock.execute(&mut *connection)).await?;
        }
        if !unit.removals.is_empty() {
            streams::lock(connection, tables).await?;
        } else if self.locked && !unit.appends.is_empty() {
            take_turn(connection, tables).await?;
        }
        let mut seen = Seen::look(connection, tables, unit).await?;
        let mut plan = Plan::make(unit, &mut seen)?;
        for progress in &unit.progress {
            shares::advance(connection, tables, progress).await?;
        }
        for (id, letter) in &plan.letters {
            letters::set(connection, tables, *id, letter.as_ref()).await?;
        }
        timetable::unschedule(connection, tables, &unit.unscheduled).await?;
        timetable::schedule(connection, tables, &plan.scheduled).await?;
        for removed in &plan.removals {
            streams::remove(connection, tables, removed).await?;
        }
        insert(connection, tables, unit, &mut plan).await?;
        for snapshot in &unit.snapshots {
            streams::keep(connection, tables, snapshot).await?;
        }
        for (row, change) in plan.sagas.iter().zip(&unit.sagas) {
            sagas::set(connection, tables, row, change).await?;
        }
        inbox::keep(connection, tables, &unit.marks).await?;
        changes::write(connection, tables, &unit.documents, &plan.documents).await?;
        Ok(Committed { placed: plan.placed })
    }
}

/// Waits until nobody else appends; what the transaction then sees is what it appends to. The table
/// is locked before, as it is by a statement that appends, so that a deletion that waits for the
/// table does not wait for this one as well.
async fn take_turn(connection: &mut PgConnection, tables: &Tables) -> sqlx::Result<()> {
    answered(sqlx::raw_sql(tables.script(TURN)).execute(connection)).await.map(drop)
}

fn streams(unit: &Unit) -> Vec<&str> {
    unit.appends.iter().map(|append| append.stream.as_str()).collect()
}

/// The places of a unit's events, if the log has them all, and its sagas show what it has changed.
async fn find(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
) -> sqlx::Result<Option<Committed>> {
    if !unit.sagas.is_empty() {
        let rows = sagas::locked(connection, tables, unit).await?;
        if !unit.sagas.iter().all(|change| sagas::shows(&rows, change)) {
            return Ok(None);
        }
    }
    let events = unit.appends.iter().flat_map(|append| &append.events);
    let ids: Vec<Uuid> = events.map(|event| event.id).collect();
    // Where there are events, they came in together with the documents.
    if ids.is_empty() && !alone::shows(connection, tables, unit).await? {
        return Ok(None);
    }
    let statement = tables.query(FIND).bind(streams(unit)).bind(&ids);
    let rows = answered(statement.fetch_all(connection)).await?;
    let found: Vec<Placed> = rows.iter().map(read).collect::<sqlx::Result<_>>()?;
    let place = |id: &Uuid| found.iter().find(|placed| placed.id == *id).copied();
    let placed: Option<Vec<Placed>> = ids.iter().map(place).collect();
    Ok(placed.map(|placed| Committed { placed }))
}

/// Adds the planned events, and completes the plan with the places that they got.
async fn insert(
    connection: &mut PgConnection,
    tables: &Tables,
    unit: &Unit,
    plan: &mut Plan<'_>,
) -> sqlx::Result<()> {
    let fresh: Vec<_> = plan.fresh(&unit.appends).collect();
    let columns: Columns<'_> = fresh.iter().map(|(_, event)| *event).collect();
    if columns.is_empty() {
        return Ok(());
    }
    let versions: Vec<i64> = fresh.iter().map(|(placed, _)| int(placed.version)).collect();
    let statement = columns.bind(tables.query(INSERT)).bind(versions);
    let rows = answered(statement.fetch_all(connection)).await?;
    let added: Vec<Placed> = rows.iter().map(read).collect::<sqlx::Result<_>>()?;
    for placed in &mut plan.placed {
        // A planned place has no order yet, and counts the events of the plan from 1.
        if placed.position.order == 0 {
            let index = usize::try_from(placed.position.sequence).unwrap_or_default();
            let own = index.checked_sub(1).and_then(|index| added.get(index));
            placed.position = own.ok_or(sqlx::Error::RowNotFound)?.position;
        }
    }
    Ok(())
}
