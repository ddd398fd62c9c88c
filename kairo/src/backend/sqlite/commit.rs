//! Writing units: one at a time, or many in one transaction.

use std::{collections::HashMap, slice, sync::Arc};

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    claims::epoch,
    deliveries,
    failure::Failing,
    journal, letters,
    recent::Recent,
    rows::{Common, Count, Id, Place, Time, bind_event, event_columns},
    streams::{self, newest},
};
use crate::{
    backend::plan::{Plan, View},
    delivery::{DeadLetter, Scheduled},
    error::{Error, Result},
    event::name::StreamName,
    journal::SagaRow,
    store::{Append, Committed, Position, Tip, Unit},
};

/// What an error says was being done.
const WRITING: &str = "writing to";

/// The most streams whose versions are kept in memory.
const VERSIONS_MAX: usize = 4_096;

/// When a transaction is synced to the disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Syncing {
    /// As the URL says: it survives a loss of power once it is committed.
    Now,
    /// With the next transaction, since the write-ahead log is one sequence. It survives the end of
    /// the process, and a loss of power can only take it if nothing durable came after it.
    Later,
}

/// The connection that writes.
pub(super) struct Writer {
    connection: Connection,
    failing: Failing,
    /// The sequence that the next event gets.
    next_sequence: u64,
    /// Changes when a guest has written to the database: then what is known must be read again.
    guests: i64,
    /// The versions of streams that have been written lately, as the open transaction sees them.
    versions: HashMap<StreamName, u64>,
    /// Whether any stream has lost its newest event, so that its version may be higher.
    any_gone: bool,
    recent: Arc<Recent>,
    /// What `synchronous` was, while it is relaxed.
    strict: Option<i64>,
}

impl Writer {
    /// Takes over a connection to a database whose schema is up to date.
    pub(super) fn new(connection: Connection, failing: Failing) -> Result<Self> {
        let mut writer = Self {
            connection,
            failing,
            next_sequence: 1,
            guests: 0,
            versions: HashMap::new(),
            any_gone: false,
            recent: Arc::default(),
            strict: None,
        };
        writer.look_around().map_err(|error| writer.failing.of("opening", error))?;
        Ok(writer)
    }

    /// The newest events that have been written here.
    pub(super) fn recent(&self) -> Arc<Recent> {
        Arc::clone(&self.recent)
    }

    /// Commits one unit.
    pub(super) fn commit(&mut self, unit: &Unit) -> Result<Committed> {
        self.begin().map_err(|error| {
            self.abandon();
            self.failing.of(WRITING, error)
        })?;
        let mut results = self.finish(slice::from_ref(unit))?;
        results.pop().unwrap_or_else(|| Ok(Committed::default()))
    }

    /// Commits units in one transaction, each with its own result. If the transaction fails, they
    /// are committed one at a time; if not even one can begin, none of them waits again.
    pub(super) fn commit_all(&mut self, units: &[Unit]) -> Vec<Result<Committed>> {
        if let Err(error) = self.begin() {
            self.abandon();
            let error = self.failing.of(WRITING, error);
            return units.iter().map(|_| Err(self.failing.again(WRITING, &error))).collect();
        }
        match self.finish(units) {
            Ok(results) => results,
            Err(error) if units.len() == 1 => vec![Err(error)],
            Err(_) => units.iter().map(|unit| self.commit(unit)).collect(),
        }
    }

    /// Runs `change` in a transaction of its own.
    pub(super) fn transact<T>(
        &mut self,
        action: &str,
        syncing: Syncing,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let done = (|| {
            match syncing {
                Syncing::Now => self.begin()?,
                Syncing::Later => self.begin_relaxed()?,
            }
            self.versions.clear();
            let value = change(&self.connection)?;
            self.any_gone = streams::any_gone(&self.connection)?;
            self.end()?;
            Ok(value)
        })();
        done.map_err(|error: rusqlite::Error| {
            self.abandon();
            self.failing.of(action, error)
        })
    }

    /// Rolls back what is open.
    pub(super) fn abandon(&mut self) {
        if !self.connection.is_autocommit() {
            self.versions.clear();
            // SQLite rolls back by itself when this fails, at the latest when it is closed.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Closes the connection.
    pub(super) fn close(self) -> Result {
        self.connection.close().map_err(|(_, error)| self.failing.of("closing", error))
    }

    /// Writes and commits units in the open transaction: it fails as a whole, or each unit has its
    /// own result.
    fn finish(&mut self, units: &[Unit]) -> Result<Vec<Result<Committed>>> {
        let sequence = self.next_sequence;
        let mut results = Vec::with_capacity(units.len());
        for unit in units {
            match self.write(unit) {
                Err(error) if !is_refusal(&error) => {
                    self.undo(sequence);
                    return Err(error);
                }
                result => results.push(result),
            }
        }
        match self.end() {
            Ok(()) => {
                for (unit, result) in units.iter().zip(&results) {
                    if let Ok(committed) = result {
                        if !unit.removals.is_empty() {
                            self.recent.clear();
                        }
                        self.recent.keep(unit, committed);
                    }
                }
                Ok(results)
            }
            Err(error) => {
                self.undo(sequence);
                Err(self.failing.of(WRITING, error))
            }
        }
    }

    /// Forgets what a failed transaction has led to.
    fn undo(&mut self, sequence: u64) {
        self.next_sequence = sequence;
        self.versions.clear();
        self.abandon();
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        if let Some(strict) = self.strict {
            self.connection.pragma_update(None, "synchronous", strict)?;
            self.strict = None;
        }
        self.open()
    }

    /// Begins a transaction that the next one is the first to sync.
    fn begin_relaxed(&mut self) -> rusqlite::Result<()> {
        if self.strict.is_none() {
            let strict =
                self.connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
            self.strict = Some(strict);
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        self.open()
    }

    fn open(&mut self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.look_around()
    }

    fn end(&mut self) -> rusqlite::Result<()> {
        self.connection.prepare_cached("COMMIT")?.execute([]).map(drop)
    }

    /// Reads what is kept in memory, if a guest may have changed it.
    fn look_around(&mut self) -> rusqlite::Result<()> {
        let guests = self
            .connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        if guests != self.guests {
            let newest = concat!("SELECT ", newest!());
            let Count(newest) =
                self.connection.prepare_cached(newest)?.query_row([], |row| row.get(0))?;
            self.next_sequence = newest + 1;
            self.any_gone = streams::any_gone(&self.connection)?;
            self.versions.clear();
            self.guests = guests;
        }
        Ok(())
    }

    /// Checks a unit, and then writes it. When it is refused, nothing has been written.
    fn write(&mut self, unit: &Unit) -> Result<Committed> {
        let mut view = Seen { writer: self };
        let plan = Plan::make(unit, &mut view)?;
        let appended = plan.placed.iter().filter(|placed| !placed.duplicate).count() as u64;
        write_plan(&self.connection, unit, &plan)
            .map_err(|error| self.failing.of(WRITING, error))?;
        self.next_sequence += appended;
        for removed in &plan.removals {
            self.any_gone = true;
            self.versions.remove(removed.stream);
        }
        self.remember(&unit.appends, &plan);
        Ok(Committed { placed: plan.placed })
    }

    /// Keeps the versions that a plan has led to.
    fn remember(&mut self, appends: &[Append], plan: &Plan<'_>) {
        if VERSIONS_MAX < self.versions.len() {
            self.versions.clear();
        }
        for (placed, event) in plan.fresh(appends) {
            match self.versions.get_mut(&event.stream) {
                Some(version) => *version = placed.version,
                None => drop(self.versions.insert(event.stream.clone(), placed.version)),
            }
        }
    }
}

/// Whether an error is a unit's own, found before anything of it was written.
fn is_refusal(error: &Error) -> bool {
    !matches!(error, Error::Store { .. } | Error::Full { .. })
}

fn write_plan(connection: &Connection, unit: &Unit, plan: &Plan<'_>) -> rusqlite::Result<()> {
    for progress in &unit.progress {
        deliveries::advance(connection, progress)?;
    }
    for (id, letter) in &plan.letters {
        letters::set(connection, *id, letter.as_ref())?;
    }
    for id in &unit.unscheduled {
        let delete = "DELETE FROM kairo_timetable WHERE id = ?1";
        connection.prepare_cached(delete)?.execute([Id(*id)])?;
    }
    for scheduled in &plan.scheduled {
        schedule(connection, scheduled)?;
    }
    for removed in &plan.removals {
        streams::remove(connection, removed)?;
    }
    append(connection, &unit.appends, plan)?;
    for snapshot in &unit.snapshots {
        streams::keep(connection, snapshot)?;
    }
    for (row, change) in plan.sagas.iter().zip(&unit.sagas) {
        journal::set(connection, row, change)?;
    }
    Ok(())
}

fn append(connection: &Connection, appends: &[Append], plan: &Plan<'_>) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT INTO kairo_event (sequence, version, id, ",
        event_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    let mut fresh = plan.fresh(appends).peekable();
    if fresh.peek().is_none() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(INSERT)?;
    for (placed, event) in fresh {
        insert.raw_bind_parameter(1, Place(placed.position))?;
        insert.raw_bind_parameter(2, Count(placed.version))?;
        insert.raw_bind_parameter(3, Id(event.id))?;
        bind_event(&mut insert, 4, event)?;
        insert.raw_execute()?;
    }
    Ok(())
}

fn schedule(connection: &Connection, scheduled: &Scheduled) -> rusqlite::Result<()> {
    const INSERT: &str = concat!(
        "INSERT INTO kairo_timetable (due, id, ",
        event_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    );
    let mut insert = connection.prepare_cached(INSERT)?;
    insert.raw_bind_parameter(1, Time(scheduled.due))?;
    insert.raw_bind_parameter(2, Id(scheduled.event.id))?;
    bind_event(&mut insert, 3, &scheduled.event)?;
    insert.raw_execute().map(drop)
}

/// The store as the open transaction sees it.
struct Seen<'a> {
    writer: &'a Writer,
}

impl Seen<'_> {
    fn look<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        look(&self.writer.connection).map_err(|error| self.writer.failing.of("reading", error))
    }
}

impl View for Seen<'_> {
    fn holds(&mut self, subscription: &str, epoch: u64) -> Result<bool> {
        const SELECT: &str =
            concat!("SELECT 1 FROM kairo_subscription WHERE name = ?1 AND ?2 = ", epoch!());
        self.look(|connection| {
            connection.prepare_cached(SELECT)?.exists(params![subscription, Count(epoch)])
        })
    }

    fn letter(&mut self, id: Uuid) -> Result<Option<DeadLetter>> {
        self.look(|connection| letters::get(connection, id, &mut Common::default()))
    }

    fn is_scheduled(&mut self, id: Uuid) -> Result<bool> {
        let select = "SELECT 1 FROM kairo_timetable WHERE id = ?1";
        self.look(|connection| connection.prepare_cached(select)?.exists([Id(id)]))
    }

    fn tip(&mut self, stream: &StreamName) -> Result<Tip> {
        if let Some(version) = self.writer.versions.get(stream) {
            return Ok(Tip::at(*version));
        }
        self.look(|connection| {
            if self.writer.any_gone {
                return streams::tip(connection, stream);
            }
            streams::last_version(connection, stream).map(Tip::at)
        })
    }

    fn derived(&mut self, id: Uuid) -> Result<Option<(Position, u64)>> {
        let select = "SELECT sequence, version FROM kairo_event WHERE id = ?1 AND derived = 1";
        self.look(|connection| {
            let place = |row: &rusqlite::Row<'_>| {
                Ok((row.get::<_, Place>(0)?.0, row.get::<_, Count>(1)?.0))
            };
            connection.prepare_cached(select)?.query_row([Id(id)], place).optional()
        })
    }

    fn saga(&mut self, id: Uuid) -> Result<Option<SagaRow>> {
        self.look(|connection| journal::without_state(connection, id))
    }

    fn saga_of_key(&mut self, saga: &str, key: &str) -> Result<Option<Uuid>> {
        self.look(|connection| journal::of_key(connection, saga, key))
    }

    fn next_sequence(&self) -> u64 {
        self.writer.next_sequence
    }
}
