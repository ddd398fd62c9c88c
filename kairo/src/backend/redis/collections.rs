//! Collections, and making their indexes what they are declared to be.
//!
//! An index is filled while others read and write. Who writes lists its documents in the indexes that it
//! has declared itself, so all processes that run at a time should declare the same.

use redis::Value as Answer;
use serde::{Deserialize, Serialize};

use super::{
    RedisStore,
    document_changes::{IndexRow, entries_of, indexes_of, kind, seen_of, write_entries},
    documents::value_of,
    rows::{bytes_if_any, text},
    scripts,
};
use crate::{
    backend::plan::value_taken,
    documents::Collection,
    error::{Error, Result},
};

/// What an error says was being done.
const MAKING: &str = "making a collection of";

/// How often a collection is made anew because somebody else has made it meanwhile.
const TRIES_MAX: usize = 16;

/// What the server knows of a collection.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
    /// The fields with an index whose values can be there once only.
    unique: Vec<String>,
    /// Those whose values can be there many times.
    plain: Vec<String>,
}

impl Row {
    fn of(collection: &Collection) -> Self {
        let fields = |unique: bool| {
            let fields = collection.indexes.iter().filter(move |index| index.unique == unique);
            fields.map(|index| index.field.to_owned()).collect()
        };
        Self { name: collection.name.to_owned(), unique: fields(true), plain: fields(false) }
    }

    fn indexes(&self) -> Vec<IndexRow> {
        let row = |unique| move |field: &String| IndexRow { field: field.clone(), unique };
        self.unique.iter().map(row(true)).chain(self.plain.iter().map(row(false))).collect()
    }
}

impl RedisStore {
    pub(super) async fn set_collection(&self, collection: &'static Collection) -> Result {
        check(collection)?;
        for _ in 0..TRIES_MAX {
            if self.try_set(collection).await? {
                return Ok(());
            }
        }
        Err(self.link.failing.of(MAKING, "others make the same collection all the time"))
    }

    /// Makes a collection, unless somebody else gets in between.
    async fn try_set(&self, collection: &'static Collection) -> Result<bool> {
        let kept = self
            .read(&scripts::COLLECTION, |command| {
                command.arg(collection.table);
            })
            .await?;
        let kept = self.understood(bytes_if_any(kept))?;
        let wanted = Row::of(collection);
        let Some(seen) = kept else { return self.set_row(collection, b"", &[]).await };
        let before: Row = serde_json::from_slice(&seen)
            .map_err(|error| self.link.failing.of("reading a collection of", error))?;
        if before == wanted {
            return Ok(true);
        }
        let (old, new) = (before.indexes(), indexes_of(collection));
        if new.iter().any(|index| !old.contains(index))
            && let Some(taken) = self.list_all(collection, &new).await?
        {
            self.list_all(collection, &old).await?;
            let fresh: Vec<_> = new.into_iter().filter(|index| !old.contains(index)).collect();
            let gone: Vec<_> = fresh.iter().collect();
            self.set_kept(collection, &seen, &seen, &gone).await?;
            return Err(taken);
        }
        let gone: Vec<_> = old.iter().filter(|index| !new.contains(index)).collect();
        self.set_row(collection, &seen, &gone).await
    }

    async fn set_row(
        &self,
        collection: &'static Collection,
        seen: &[u8],
        gone: &[&IndexRow],
    ) -> Result<bool> {
        // Strings are always JSON.
        let row = serde_json::to_vec(&Row::of(collection)).unwrap_or_default();
        self.set_kept(collection, seen, &row, gone).await
    }

    async fn set_kept(
        &self,
        collection: &'static Collection,
        seen: &[u8],
        row: &[u8],
        gone: &[&IndexRow],
    ) -> Result<bool> {
        let mut turn = self.requests.turn().await?;
        turn.begin();
        let reply = self
            .write(MAKING, &scripts::COLLECTION_SET, &turn, |command| {
                command.arg(collection.table).arg(seen).arg(row).arg(gone.len());
                for index in gone {
                    command.arg(kind(index.unique)).arg(&index.field);
                }
            })
            .await?;
        self.understood(text(reply).map(|reply| reply == "set"))
    }

    /// Lists all documents in these indexes; the error is that a unique value has two owners.
    async fn list_all(
        &self,
        collection: &'static Collection,
        indexes: &[IndexRow],
    ) -> Result<Option<Error>> {
        let mut after = String::new();
        loop {
            let page = self.documents_behind(collection, &after).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after.clone_from(&last.id);
            let mut listed = Vec::with_capacity(page.len());
            for document in &page {
                listed.push((document, entries_of(indexes, &value_of(document)?)));
            }
            let mut turn = self.requests.turn().await?;
            turn.begin();
            let reply: Answer = self
                .write(MAKING, &scripts::COLLECTION_INDEX, &turn, |command| {
                    command.arg(collection.table).arg(listed.len());
                    for (document, entries) in &listed {
                        command.arg(&document.id).arg(seen_of(document.seen()));
                        write_entries(command, entries);
                    }
                })
                .await?;
            let reply = self.understood(text(reply))?;
            if let Some(place) = reply.strip_prefix("taken ") {
                let entry = || {
                    let (document, entry) = place.split_once(' ')?;
                    let index = |number: &str| number.parse::<usize>().ok()?.checked_sub(1);
                    listed.get(index(document)?)?.1.get(index(entry)?)
                };
                let malformed = || self.link.failing.of(MAKING, "an answer is not the script's");
                let entry = entry().ok_or_else(malformed)?;
                return Ok(Some(value_taken(collection, entry.field.as_str(), &entry.value)));
            }
        }
    }
}

/// Refuses a collection whose name would not stand apart in keys.
fn check(collection: &Collection) -> Result {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !collection.table.is_empty() && collection.table.chars().all(is_plain) {
        return Ok(());
    }
    Err(Error::invalid("table", collection.table, "use `a-z`, `0-9` and `_`"))
}
