//! The documents and transactions of a store that fails on request.

use super::{call::Call, faults::FaultyStore};
use crate::{
    documents::{Collection, Condition, Document, Documents, Query},
    error::Result,
    store::BoxFuture,
};

impl Documents for FaultyStore {
    fn make_collection(&self, collection: &'static Collection) -> BoxFuture<'_, Result> {
        Box::pin(self.call(Call::MakeCollection, move || self.inner.make_collection(collection)))
    }

    fn document<'a>(
        &'a self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>> {
        Box::pin(self.call(Call::Document, move || self.inner.document(collection, id)))
    }

    fn find<'a>(
        &'a self,
        collection: &'static Collection,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Document>>> {
        Box::pin(self.call(Call::Find, move || self.inner.find(collection, query)))
    }

    fn count_documents<'a>(
        &'a self,
        collection: &'static Collection,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<u64>> {
        let answer = move || self.inner.count_documents(collection, condition);
        Box::pin(self.call(Call::CountDocuments, answer))
    }
}
