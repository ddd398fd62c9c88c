//! Finding entities: all that match, the first, a page, or one after the other.

use std::{
    fmt,
    future::IntoFuture,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use serde_json::Value;

use super::{Entity, Filter, OrderBy, PageCursor, Repository, shape};
use crate::{
    documents::{Document, FOUND_MAX, Order, Query},
    error::{Error, Result},
    store::BoxFuture,
};

/// How many entities a stream reads at once.
const PAGE: usize = 256;

/// A query that runs when this is awaited: a `Vec` of at most 1,000 entities, which is an error
/// where more match and no [`limit`](Self::limit) was given.
///
/// It sees what has been committed, not what an open transaction has changed.
#[must_use = "nothing is looked for until this is awaited"]
pub struct Find<T> {
    repository: Repository<T>,
    filter: Filter<T>,
    order: Vec<Order>,
    limit: Option<usize>,
}

/// Some entities, and where the next ones are.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entities.
    pub items: Vec<T>,
    /// For the page behind this one; `None` when this is the last. The page behind a full one can be
    /// empty.
    pub next: Option<PageCursor>,
}

impl<T: Entity> Repository<T> {
    /// Looks for the entities that match.
    ///
    /// ```
    /// # use kairo::prelude::*;
    /// #[repository("users")]
    /// struct User { #[id] name: String, #[index] age: u32, nick: Option<String> }
    ///
    /// # async fn run(users: Repository<User>) -> kairo::Result {
    /// let fields = User::fields();
    /// let grown: Vec<User> = users
    ///     .find(fields.age.ge(18).and(fields.nick.is_null()))
    ///     .order_by(fields.age.descending())
    ///     .limit(20)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, filter: Filter<T>) -> Find<T> {
        Find { repository: self.clone(), filter, order: Vec::new(), limit: None }
    }

    /// Looks for all entities.
    pub fn all(&self) -> Find<T> {
        self.find(Filter::all())
    }

    /// How many entities match.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that nothing can be compared with, [`Error::Store`] when the store
    /// fails.
    pub async fn count(&self, filter: Filter<T>) -> Result<u64> {
        self.find(filter).count().await
    }
}

impl<T: Entity> Find<T> {
    /// Orders what is found by a field, and then by those of further calls; where all of them are equal,
    /// and without any, by the text of the id. `field.descending()` puts large values first. A field
    /// without a value comes before all that have one.
    pub fn order_by(mut self, field: impl Into<OrderBy<T>>) -> Self {
        self.order.push(field.into().order);
        self
    }

    /// Finds no more than this, from 1 to 1,000.
    pub const fn limit(mut self, count: usize) -> Self {
        self.limit = Some(count);
        self
    }

    /// The first one, if there is one.
    ///
    /// # Errors
    /// Those of awaiting it.
    pub async fn first(mut self) -> Result<Option<T>> {
        self.limit = Some(1);
        Ok(self.run().await?.pop())
    }

    /// How many there are, whatever the limit.
    ///
    /// # Errors
    /// Those of awaiting it.
    pub async fn count(self) -> Result<u64> {
        let condition = self.filter.condition?;
        let bus = self.repository.read()?;
        bus.get().engine.backend.count_documents(T::COLLECTION, &condition).await
    }

    /// The page behind a cursor, or the first one; as long as the limit, or 100 entities where none was
    /// given.
    ///
    /// Pages are found by the values of the fields that order them, so those that are deleted or
    /// created meanwhile shift nothing: one that stays as it is comes once.
    ///
    /// # Errors
    /// Those of awaiting it; [`Error::Invalid`] also for a cursor of another order.
    pub async fn page(self, after: impl Into<Option<PageCursor>>) -> Result<Page<T>> {
        let after = after.into();
        let limit = self.checked_limit()?.unwrap_or(PAGE_DEFAULT);
        let repository = self.repository.clone();
        let order = self.order.clone();
        let mut query = self.query(limit)?;
        if let Some(after) = after {
            query.after = Some(after.place_in(T::COLLECTION, &query.order)?);
        }
        let found = repository.found(&query).await?;
        let last = found.last().filter(|_| found.len() == limit);
        let next = last.map(|last| cursor_of::<T>(&order, last)).transpose()?;
        let items = found.iter().map(shape::decode).collect::<Result<_>>()?;
        Ok(Page { items, next })
    }

    /// All of them, one after the other, whatever their number; the limit is one of all together. It
    /// reads 256 at once, each time behind the last one, so it is no picture of one moment.
    pub fn stream(self) -> Found<T> {
        let Self { repository, filter, order, limit } = self;
        let walk = filter.condition.map(|condition| Walk {
            repository,
            query: Query { condition, order, limit: PAGE, after: None },
            left: limit.unwrap_or(usize::MAX),
        });
        let entities = stream::once(async { walk })
            .map_ok(|walk| stream::try_unfold(walk, Walk::next).try_flatten())
            .try_flatten();
        Found(entities.boxed())
    }

    /// The limit, if one was given.
    fn checked_limit(&self) -> Result<Option<usize>> {
        match self.limit {
            None | Some(1..=FOUND_MAX) => Ok(self.limit),
            Some(limit) => {
                let allowed = format!("use 1 to {FOUND_MAX}; `stream` and `page` find any number");
                Err(Error::invalid("limit", limit.to_string(), allowed))
            }
        }
    }

    fn query(self, limit: usize) -> Result<Query> {
        let condition = self.filter.condition?;
        Ok(Query { condition, order: self.order, limit, after: None })
    }

    async fn run(self) -> Result<Vec<T>> {
        let limit = self.checked_limit()?;
        let repository = self.repository.clone();
        let mut query = self.query(limit.unwrap_or(FOUND_MAX))?;
        let found = repository.found(&query).await?;
        if let (None, FOUND_MAX, Some(last)) = (limit, found.len(), found.last()) {
            let cursor = cursor_of::<T>(&query.order, last)?;
            query.after = Some(cursor.place_in(T::COLLECTION, &query.order)?);
            query.limit = 1;
            if !repository.found(&query).await?.is_empty() {
                return Err(too_many::<T>());
            }
        }
        found.iter().map(shape::decode).collect()
    }
}

/// How many entities a page has unless stated.
const PAGE_DEFAULT: usize = 100;

fn too_many<T: Entity>() -> Error {
    let allowed = format!(
        "more than {FOUND_MAX} of `{}` match; give a limit, or use `page` or `stream`",
        T::COLLECTION.name
    );
    Error::invalid("query", "without a limit", allowed)
}

fn cursor_of<T: Entity>(order: &[Order], last: &Document) -> Result<PageCursor> {
    let fields: Value = match order {
        [] => Value::Null,
        _ => serde_json::from_slice(&last.body.json)
            .map_err(|error| shape::unreadable::<T>(last, error))?,
    };
    Ok(PageCursor::behind(T::COLLECTION, order, last.id.clone(), &fields))
}

impl<T: Entity> Repository<T> {
    async fn found(&self, query: &Query) -> Result<Vec<Document>> {
        self.read()?.get().engine.backend.find(T::COLLECTION, query).await
    }
}

impl<T: Entity> IntoFuture for Find<T> {
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'static, Result<Vec<T>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T> fmt::Debug for Find<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Find")
            .field("filter", &self.filter)
            .field("order", &self.order)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A walk through all that a query finds.
struct Walk<T> {
    repository: Repository<T>,
    query: Query,
    /// How many more are wanted.
    left: usize,
}

/// The entities of a page.
type Entities<T> = stream::Iter<std::vec::IntoIter<Result<T>>>;

impl<T: Entity> Walk<T> {
    async fn next(mut self) -> Result<Option<(Entities<T>, Self)>> {
        self.query.limit = self.left.min(PAGE);
        if self.query.limit == 0 {
            return Ok(None);
        }
        let found = self.repository.found(&self.query).await?;
        let Some(last) = found.last() else { return Ok(None) };
        let cursor = cursor_of::<T>(&self.query.order, last)?;
        self.query.after = Some(cursor.place_in(T::COLLECTION, &self.query.order)?);
        let is_last = found.len() < self.query.limit;
        self.left = if is_last { 0 } else { self.left - found.len() };
        let entities: Vec<_> = found.iter().map(shape::decode).collect();
        Ok(Some((stream::iter(entities), self)))
    }
}

/// The entities that a query finds, as a [`Stream`](futures_util::Stream).
#[must_use = "nothing is read until this is polled"]
pub struct Found<T>(BoxStream<'static, Result<T>>);

impl<T> futures_util::Stream for Found<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<T> fmt::Debug for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").finish_non_exhaustive()
    }
}
