//! The store as the open transaction of the writer sees it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use uuid::Uuid;

use super::{
    claims::epoch,
    collections::Collections,
    documents,
    failure::Failing,
    inbox, journal, letters,
    query::value_of,
    rows::{Common, Count, Id, Place},
    streams,
};
use crate::{
    backend::plan::View,
    delivery::{DeadLetter, MarkKey},
    documents::{Collection, Document},
    error::Result,
    event::name::StreamName,
    journal::SagaRow,
    store::{Position, Tip},
};

/// What a plan is made with.
pub(super) struct Seen<'a> {
    pub(super) connection: &'a Connection,
    pub(super) failing: &'a Failing,
    pub(super) collections: &'a Collections,
    /// The versions of streams that have been written lately.
    pub(super) versions: &'a HashMap<StreamName, u64>,
    /// Whether any stream has lost its newest event.
    pub(super) any_gone: bool,
    /// The sequence that the next event gets.
    pub(super) next_sequence: u64,
}

impl Seen<'_> {
    fn look<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        look(self.connection).map_err(|error| self.failing.of("reading", error))
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
        if let Some(version) = self.versions.get(stream) {
            return Ok(Tip::at(*version));
        }
        self.look(|connection| {
            if self.any_gone {
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

    fn is_marked(&mut self, key: &MarkKey) -> Result<bool> {
        self.look(|connection| inbox::is_marked(connection, key))
    }

    fn document(&mut self, collection: &'static Collection, id: &str) -> Result<Option<Document>> {
        let table = self.collections.table(collection)?;
        self.look(|connection| documents::get(connection, &table, id))
    }

    fn owner_of(
        &mut self,
        collection: &'static Collection,
        field: &'static str,
        value: &Value,
    ) -> Result<Option<String>> {
        let (table, field) = (self.collections.table(collection)?, value_of(field)?);
        self.look(|connection| documents::owner_of(connection, &table, &field, value))
    }

    fn next_sequence(&self) -> u64 {
        self.next_sequence
    }
}
