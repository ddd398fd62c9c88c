//! Documents: reading them, and looking for them page by page.
//!
//! An equality with a field that has an index is looked up there; all else compares each document of
//! the collection. What is found is kept in order while the pages go by, as much as is wanted of it.

use redis::{Cmd, Value as Answer};
use serde_json::Value;

use super::{
    READING, RedisStore,
    document_changes::{listed, unknown, unpack},
    rows::{Read, bytes, list, number, text},
    scripts,
};
use crate::{
    documents::{Collection, Condition, Document, Documents, FOUND_MAX, Query},
    error::{Error, Result},
    store::{BoxFuture, PAGE_BYTES_MAX},
};

/// The most documents in a page.
const PAGE_MAX: usize = 256;

impl Documents for RedisStore {
    fn make_collection(&self, collection: &'static Collection) -> BoxFuture<'_, Result> {
        Box::pin(self.set_collection(collection))
    }

    fn document<'a>(
        &'a self,
        collection: &'static Collection,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<Document>>> {
        Box::pin(async move { Ok(self.documents_at(collection, "", &[id]).await?.pop()) })
    }

    fn find<'a>(
        &'a self,
        collection: &'static Collection,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<Document>>> {
        Box::pin(async move {
            let mut found = Found::of(query);
            self.look(collection, &query.condition, found.start(), |document, value| {
                found.add(document, value)
            })
            .await?;
            Ok(found.documents())
        })
    }

    fn count_documents<'a>(
        &'a self,
        collection: &'static Collection,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            if *condition == Condition::All {
                let ask = |command: &mut Cmd| {
                    command.arg(collection.table);
                };
                let count = self.read(&scripts::DOCUMENT_COUNT, ask).await?;
                return match count {
                    Answer::Int(_) => self.understood(number(count)),
                    _ => Err(unknown(collection)),
                };
            }
            let mut count = 0;
            self.look(collection, condition, "", |_, value| {
                count += u64::from(condition.matches(&value));
                true
            })
            .await?;
            Ok(count)
        })
    }
}

/// What has been found so far: the first documents in the order of the query.
struct Found<'a> {
    query: &'a Query,
    limit: usize,
    documents: Vec<(Document, Value)>,
}

impl<'a> Found<'a> {
    fn of(query: &'a Query) -> Self {
        Self { query, limit: query.limit.min(FOUND_MAX), documents: Vec::new() }
    }

    /// The id behind which everything lies that is wanted.
    fn start(&self) -> &'a str {
        match &self.query.after {
            Some(after) if self.query.order.is_empty() => &after.id,
            _ => "",
        }
    }

    /// Takes a document into account; whether more are wanted.
    fn add(&mut self, document: Document, value: Value) -> bool {
        let query = self.query;
        if self.limit == 0 {
            return false;
        }
        if query.condition.matches(&value) && query.is_behind(&value, &document.id) {
            let place = self.documents.partition_point(|(other, other_value)| {
                query.order_of((other_value, &other.id), (&value, &document.id)).is_le()
            });
            if place < self.limit {
                self.documents.truncate(self.limit - 1);
                self.documents.insert(place, (document, value));
            }
        }
        // Pages come in the order of ids.
        !query.order.is_empty() || self.documents.len() < self.limit
    }

    fn documents(self) -> Vec<Document> {
        self.documents.into_iter().map(|(document, _)| document).collect()
    }
}

/// Where documents are that may match.
#[derive(Debug, PartialEq)]
enum Place<'a> {
    /// Anywhere.
    All,
    /// Whoever has one of these values, of which each has one owner.
    Owners(&'static str, Vec<String>),
    /// Where an index lists this value.
    Listed(&'static str, &'a Value),
}

/// Where to look. A value has several spellings where it is a number, and owners are by the spelling.
fn place<'a>(collection: &Collection, condition: &'a Condition) -> Place<'a> {
    let index = |field: &str| collection.indexes.iter().find(|index| index.field == field);
    let spelled = |value: &Value| match value {
        Value::String(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    match condition {
        Condition::Eq(field, value) if !value.is_null() => match index(field) {
            Some(index) if index.unique => match spelled(value) {
                Some(text) => Place::Owners(field, vec![text]),
                None => Place::All,
            },
            Some(_) if value.is_string() || value.is_number() || value.is_boolean() => {
                Place::Listed(field, value)
            }
            _ => Place::All,
        },
        Condition::In(field, values) if index(field).is_some_and(|index| index.unique) => {
            let mut texts: Vec<_> = match values.iter().map(spelled).collect() {
                Some(texts) => texts,
                None => return Place::All,
            };
            texts.sort_unstable();
            texts.dedup();
            Place::Owners(field, texts)
        }
        Condition::And(all) => {
            let mut places = all.iter().map(|condition| place(collection, condition));
            places.find(|place| *place != Place::All).unwrap_or(Place::All)
        }
        _ => Place::All,
    }
}

impl RedisStore {
    /// Goes through all documents behind an id that may match, in the order of ids where they are not
    /// found by unique values, until `each` wants no more.
    async fn look(
        &self,
        collection: &'static Collection,
        condition: &Condition,
        after: &str,
        mut each: impl FnMut(Document, Value) -> bool + Send,
    ) -> Result {
        let (field, value) = match place(collection, condition) {
            Place::All => ("", String::new()),
            Place::Listed(field, value) => (field, listed(value)),
            Place::Owners(field, texts) => {
                for texts in texts.chunks(PAGE_MAX) {
                    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
                    let mut found = self.documents_at(collection, field, &texts).await?;
                    found.sort_unstable_by(|one, other| one.id.cmp(&other.id));
                    for document in found {
                        let value = value_of(&document)?;
                        let _ = each(document, value);
                    }
                }
                return Ok(());
            }
        };
        let mut after = after.to_owned();
        loop {
            let ask = |command: &mut Cmd| {
                command.arg(collection.table).arg(field).arg(&value).arg(&after);
                command.arg(PAGE_MAX).arg(PAGE_BYTES_MAX);
            };
            let answer = self.read(&scripts::DOCUMENT_PAGE, ask).await?;
            let mut answer = self.answered(collection, answer)?.into_iter();
            let more = self.understood(answer.next().map_or(Ok(0), number::<u8>))? == 1;
            let page = self.understood(read(answer))?;
            let last = page.last().map(|document| document.id.clone());
            for document in page {
                let value = value_of(&document)?;
                if !each(document, value) {
                    return Ok(());
                }
            }
            match last {
                Some(last) if more => after = last,
                _ => return Ok(()),
            }
        }
    }

    /// Documents by their ids, or by values of a unique field.
    async fn documents_at(
        &self,
        collection: &'static Collection,
        field: &str,
        names: &[&str],
    ) -> Result<Vec<Document>> {
        let ask = |command: &mut Cmd| {
            command.arg(collection.table).arg(field).arg(names.len()).arg(names);
        };
        let answer = self.read(&scripts::DOCUMENT_AT, ask).await?;
        let answer = self.answered(collection, answer)?;
        self.understood(read(answer.into_iter()))
    }

    fn answered(&self, collection: &Collection, answer: Answer) -> Result<Vec<Answer>> {
        match answer {
            Answer::Array(_) => self.understood(list(answer)),
            _ => Err(unknown(collection)),
        }
    }

    /// A page of all documents of a collection that is there.
    pub(super) async fn documents_behind(
        &self,
        collection: &'static Collection,
        after: &str,
    ) -> Result<Vec<Document>> {
        let mut page = Vec::new();
        self.look(collection, &Condition::All, after, |document, _| {
            page.push(document);
            page.len() < PAGE_MAX
        })
        .await?;
        Ok(page)
    }
}

/// Reads ids and documents in turns.
fn read(mut answer: impl Iterator<Item = Answer>) -> Read<Vec<Document>> {
    let mut documents = Vec::new();
    while let (Some(id), Some(document)) = (answer.next(), answer.next()) {
        documents.push(unpack(text(id)?, &bytes(document)?)?);
    }
    Ok(documents)
}

/// A document's body.
pub(super) fn value_of(document: &Document) -> Result<Value> {
    serde_json::from_slice(&document.body.json).map_err(|error| Error::Store {
        action: format!("{READING} document `{}`", document.id),
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        clock::micros,
        documents::{Body, Cursor, Index, Order},
        store::Direction,
    };

    const USERS: Collection = Collection {
        name: "users",
        table: "users",
        indexes: &[Index { field: "email", unique: true }, Index { field: "age", unique: false }],
    };

    #[test]
    fn equalities_are_looked_up() {
        let email = Condition::Eq("email", json!("a"));
        let owners = Place::Owners("email", vec!["\"a\"".to_owned()]);
        assert_eq!(place(&USERS, &email), owners);
        let age = Condition::Eq("age", json!(1));
        let all = Condition::And(vec![Condition::IsNull("x"), age]);
        assert_eq!(place(&USERS, &all), Place::Listed("age", &json!(1)));
        assert_eq!(place(&USERS, &Condition::Eq("age", Value::Null)), Place::All);
        assert_eq!(place(&USERS, &Condition::Not(Box::new(email))), Place::All);
    }

    #[test]
    fn only_as_many_are_kept_as_are_wanted() {
        let order = vec![Order { field: "age", direction: Direction::Backwards }];
        let after = Some(Cursor { values: vec![json!(9)], id: "i9".into() });
        let query = Query { condition: Condition::All, order, limit: 3, after };
        let mut found = Found::of(&query);
        for age in [5, 12, 7, 9, 1, 8] {
            let value = json!({ "age": age });
            let body = Body { schema: 1, time: micros(0), json: value.to_string().into() };
            assert!(found.add(Document::new(format!("i{age}"), body), value));
            assert!(found.documents.len() <= 3);
        }
        let ids: Vec<_> = found.documents().into_iter().map(|document| document.id).collect();
        assert_eq!(ids, ["i8", "i7", "i5"]);
    }
}
