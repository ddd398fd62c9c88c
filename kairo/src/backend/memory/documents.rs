//! Documents.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{MemoryStore, State};
use crate::{
    backend::plan::{unique_values, value_taken},
    documents::{self, Collection, Condition, Document, DocumentChange, FOUND_MAX, Query},
    error::{Error, Result},
    store::BoxFuture,
};

/// The documents of one collection.
#[derive(Debug, Default)]
pub(super) struct Documents {
    by_id: BTreeMap<String, (Document, Arc<Value>)>,
    /// Who has a unique value, by field and value.
    owners: BTreeMap<(&'static str, String), String>,
}

impl Documents {
    pub(super) fn get(&self, id: &str) -> Option<&Document> {
        self.by_id.get(id).map(|(document, _)| document)
    }

    pub(super) fn owner_of(&self, field: &'static str, value: &Value) -> Option<String> {
        self.owners.get(&(field, value.to_string())).cloned()
    }

    fn set(
        &mut self,
        collection: &'static Collection,
        id: &str,
        document: Option<Document>,
    ) -> Result {
        if let Some((old, _)) = self.by_id.remove(id) {
            for (field, value) in unique_values(collection, &old)? {
                let key = (field, value.to_string());
                // Another document of the unit may have it by now.
                if self.owners.get(&key).is_some_and(|owner| owner == id) {
                    self.owners.remove(&key);
                }
            }
        }
        let Some(document) = document else { return Ok(()) };
        for (field, value) in unique_values(collection, &document)? {
            self.owners.insert((field, value.to_string()), id.to_owned());
        }
        let value = Arc::new(value_of(&document)?);
        self.by_id.insert(id.to_owned(), (document, value));
        Ok(())
    }

    /// The same documents under other indexes.
    fn indexed(&self, collection: &'static Collection) -> Result<Self> {
        let mut indexed = Self::default();
        for (id, (document, _)) in &self.by_id {
            for (field, value) in unique_values(collection, document)? {
                if indexed.owner_of(field, &value).is_some() {
                    return Err(value_taken(collection, field, &value));
                }
            }
            indexed.set(collection, id, Some(document.clone()))?;
        }
        Ok(indexed)
    }

    fn find(&self, query: &Query) -> Vec<Document> {
        let wanted = self.by_id.iter().filter(|(id, (_, value))| {
            query.condition.matches(value) && query.is_behind(value, id)
        });
        let mut found: Vec<_> = wanted.collect();
        found.sort_by(|(one, (_, value)), (other, (_, other_value))| {
            query.order_of((value, one), (other_value, other))
        });
        let found = found.into_iter().take(query.limit.min(FOUND_MAX));
        found.map(|(_, (document, _))| document.clone()).collect()
    }
}

fn value_of(document: &Document) -> Result<Value> {
    serde_json::from_slice(&document.body.json).map_err(|error| {
        Error::invalid("document", document.id.as_str(), format!("it is JSON: {error}"))
    })
}

impl documents::Documents for MemoryStore {
    fn make_collection(&self, collection: &'static Collection) -> BoxFuture<'_, Result> {
        Box::pin(async move {
            self.with(|state| {
                let indexed = match state.collections.get(collection.table) {
                    Some(documents) => documents.indexed(collection)?,
                    None => Documents::default(),
                };
                state.collections.insert(collection.table, indexed);
                Ok(())
            })
            .await
        })
    }

    fn document<'a>(
        &'a self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>> {
        Box::pin(async move {
            self.with(|state| Ok(state.documents(collection)?.get(id).cloned())).await
        })
    }

    fn find<'a>(
        &'a self,
        collection: &'static Collection,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Document>>> {
        Box::pin(
            async move { self.with(|state| Ok(state.documents(collection)?.find(query))).await },
        )
    }

    fn count_documents<'a>(
        &'a self,
        collection: &'static Collection,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            self.with(|state| {
                let documents = state.documents(collection)?.by_id.values();
                let matching = documents.filter(|(_, value)| condition.matches(value));
                Ok(matching.count() as u64)
            })
            .await
        })
    }
}

impl State {
    pub(super) fn documents(&self, collection: &'static Collection) -> Result<&Documents> {
        self.collections.get(collection.table).ok_or_else(|| Error::NotFound {
            what: "collection",
            value: collection.name.to_owned(),
        })
    }

    /// Puts what a document ends up as in its place.
    pub(super) fn set_document(
        &mut self,
        change: &DocumentChange,
        document: Option<Document>,
    ) -> Result {
        match self.collections.get_mut(change.collection.table) {
            Some(documents) => documents.set(change.collection, &change.id, document),
            None => Ok(()),
        }
    }
}
