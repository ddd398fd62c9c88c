//! A transaction: changes that are gathered, and take effect together.

mod desk;

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    future::Future,
    mem,
    sync::{Arc, Weak},
};

use uuid::Uuid;

pub(crate) use self::desk::{Desk, refuse_beside, transact};
use super::{
    Engine,
    dispatch::scope::{Scope, event_of},
};
use crate::{
    clock::Timestamp,
    delivery::Mark,
    documents::{Body, Change, Collection, Document, DocumentChange, Seen},
    error::{Error, Result},
    event::{name::EventName, record::Draft},
    handler::{Context, Failure, FromContext, Need},
    journal::SagaChange,
    observe,
    store::{Append, BoxFuture, Committed, Transaction, Unit},
};

/// A transaction: what is published and changed in it takes effect together, or not at all.
///
/// [`Kairo::transaction`](crate::Kairo::transaction) lends one to a closure, and a handler or a step of
/// a saga takes `&mut Tx` as an argument. Then the transaction commits together with the fact that the
/// handler or step is done, so that its effects happen once, however often it runs.
///
/// Changes are gathered and written at the end, so nobody waits for a transaction that only computes.
/// It is on the store, and from then on nobody else can write to a SQLite file, once
/// [`connection`](Self::connection) is called.
///
/// A change shows which version of its document the transaction has seen. When somebody else was
/// quicker the commit fails with [`Error::DocumentMoved`], and nothing has happened.
pub struct Tx {
    /// Gone only while the transaction is being taken apart.
    inner: Option<Box<Inner>>,
    /// Where it goes back to.
    desk: Option<Arc<Desk>>,
}

struct Inner {
    engine: Arc<Engine>,
    /// The run of a handler or step that causes what is published.
    scope: Option<Arc<Scope>>,
    /// What is written at the end; documents are added then.
    unit: Unit,
    documents: HashMap<(&'static str, String), Held>,
    session: Option<Box<dyn Transaction>>,
    after: Vec<BoxFuture<'static, ()>>,
    /// Whom to tell that the store's transaction has begun; it may hold this.
    desk: Weak<Desk>,
}

/// A document as the transaction sees it.
struct Held {
    collection: &'static Collection,
    /// What is in the store.
    there: Option<Seen>,
    /// What it will be.
    now: Option<Document>,
    is_changed: bool,
}

impl Held {
    /// What is to be done for the store to have what this has.
    fn change(&mut self, id: &str) -> Option<DocumentChange> {
        if !mem::take(&mut self.is_changed) {
            return None;
        }
        let change = match (self.there, &self.now) {
            (None, None) => return None,
            (None, Some(document)) => Change::Insert(document.body.clone()),
            (Some(seen), Some(document)) => Change::Replace(seen, document.body.clone()),
            (Some(seen), None) => Change::Remove(seen),
        };
        self.there = self.now.as_ref().map(Document::seen);
        Some(DocumentChange { collection: self.collection, id: id.to_owned(), change })
    }

    /// Becomes what a change makes of it.
    fn apply(&mut self, change: &DocumentChange) -> Result {
        let next = change.apply(self.now.as_ref())?;
        // However often it changes here, the store sees one change.
        self.now = next.map(|document| match self.there {
            Some(Seen { version, created }) => {
                Document { version: version + 1, created, ..document }
            }
            None => Document { version: 1, ..document },
        });
        self.is_changed = true;
        Ok(())
    }
}

impl Tx {
    /// Begins a transaction; the store is not asked yet.
    pub(crate) fn begin(engine: &Arc<Engine>, scope: Option<Arc<Scope>>) -> Self {
        let inner = Inner {
            engine: Arc::clone(engine),
            scope,
            unit: Unit::default(),
            documents: HashMap::new(),
            session: None,
            after: Vec::new(),
            desk: Weak::new(),
        };
        Self { inner: Some(Box::new(inner)), desk: None }
    }

    /// Begins a transaction for one call, which therefore must not be made beside another one.
    ///
    /// # Errors
    /// [`Error::Misuse`] where a transaction of this task has begun in the store.
    pub(crate) fn alone(engine: &Arc<Engine>, scope: Option<Arc<Scope>>) -> Result<Self> {
        refuse_beside()?;
        Ok(Self::begin(engine, scope))
    }

    /// The driver's connection, inside the transaction: a [`rusqlite::Connection`](crate::rusqlite) on
    /// SQLite, a [`sqlx::PgConnection`](crate::sqlx) on PostgreSQL. What has been changed through
    /// repositories in this transaction is there already; events are added at the end.
    ///
    /// The transaction is begun in the store at the first call. On SQLite nobody else can write from
    /// then on, so it is cut off after five seconds, and everything is undone. The transaction is not
    /// yours to end: do not commit it or roll it back.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the store has no such connection; [`Error::DocumentMoved`],
    /// [`Error::DocumentExists`] and [`Error::ValueTaken`] for what was changed before; [`Error::Store`]
    /// when the store fails. After an error the transaction cannot commit any more.
    pub async fn connection<C: Any + Send>(&mut self) -> Result<&mut C> {
        let inner = self.inner();
        inner.open().await?;
        inner.flush().await?;
        let session = inner.session.as_mut().ok_or(Error::Misuse(NO_SESSION))?;
        session.connection().downcast_mut().ok_or(Error::Misuse(
            "the store's transactions have another connection: `rusqlite::Connection` on SQLite, \
             `sqlx::PgConnection` on PostgreSQL",
        ))
    }

    /// The time, as everything in the transaction has it.
    pub(crate) fn now(&self) -> Timestamp {
        self.shown().engine.clock.now()
    }

    /// A document as this transaction sees it.
    pub(crate) async fn document(
        &mut self,
        collection: &'static Collection,
        id: &str,
    ) -> Result<Option<Document>> {
        let inner = self.inner();
        let key = (collection.table, id.to_owned());
        if let Some(held) = inner.documents.get(&key) {
            return Ok(held.now.clone());
        }
        let now = match &mut inner.session {
            Some(session) => session.document(collection, id).await?,
            None => inner.engine.backend.document(collection, id).await?,
        };
        let there = now.as_ref().map(Document::seen);
        let held = Held { collection, there, now: now.clone(), is_changed: false };
        inner.documents.insert(key, held);
        Ok(now)
    }

    /// The version of a document once this transaction has changed it.
    pub(crate) fn next_version(&self, collection: &'static Collection, id: &str) -> u64 {
        let held = self.shown().documents.get(&(collection.table, id.to_owned()));
        held.and_then(|held| held.there).map_or(1, |seen| seen.version + 1)
    }

    /// Changes a document. What the transaction has not read it takes to be as the change says.
    ///
    /// # Errors
    /// [`Error::DocumentExists`] or [`Error::DocumentMoved`]
    pub(crate) fn change(&mut self, change: &DocumentChange) -> Result {
        let key = (change.collection.table, change.id.clone());
        let held = self.inner().documents.entry(key).or_insert_with(|| {
            let there = match &change.change {
                Change::Insert(_) => None,
                Change::Replace(seen, _) | Change::Remove(seen) => Some(*seen),
            };
            let body = |seen: Seen| Body { schema: 1, time: seen.created, json: "{}".into() };
            let now = there.map(|seen| Document {
                id: change.id.clone(),
                version: seen.version,
                created: seen.created,
                body: body(seen),
            });
            Held { collection: change.collection, there, now, is_changed: false }
        });
        held.apply(change)
    }

    /// Adds an event, with whatever runs here as its cause.
    pub(crate) fn append(&mut self, draft: Draft) -> Result<Uuid> {
        let Inner { engine, scope, .. } = self.shown();
        let event = event_of(&engine.clock, scope.as_deref(), draft)?;
        let id = event.id;
        self.inner().unit.appends.push(Append::one(event));
        Ok(id)
    }

    /// What makes events here, and what causes them.
    pub(crate) fn cause(&self) -> (Arc<Engine>, Option<Arc<Scope>>) {
        let Inner { engine, scope, .. } = self.shown();
        (Arc::clone(engine), scope.clone())
    }

    /// Adds events, and such as are not due yet.
    pub(crate) fn add(&mut self, unit: Unit) {
        let all = &mut self.inner().unit;
        all.appends.extend(unit.appends);
        all.scheduled.extend(unit.scheduled);
    }

    /// Does something once the transaction has committed, and then only.
    pub(crate) fn after(&mut self, then: impl Future<Output = ()> + Send + 'static) {
        self.inner().after.push(Box::pin(then));
    }

    /// Lets everything take effect.
    ///
    /// # Errors
    /// What the store refuses it with or fails with; then nothing has happened, unless the answer of
    /// the store was lost.
    pub(crate) async fn commit(self) -> Result<Committed> {
        self.commit_with(None, None).await
    }

    /// Lets everything take effect, together with what is to be known of it.
    pub(crate) async fn commit_with(
        mut self,
        mark: Option<Mark>,
        saga: Option<SagaChange>,
    ) -> Result<Committed> {
        let inner = self.inner();
        inner.unit.marks.extend(mark);
        inner.unit.sagas.extend(saga);
        let committed = inner.commit().await?;
        for then in mem::take(&mut inner.after) {
            then.await;
        }
        Ok(committed)
    }

    fn inner(&mut self) -> &mut Inner {
        self.inner.as_mut().expect("a transaction is there until it ends")
    }

    fn shown(&self) -> &Inner {
        self.inner.as_ref().expect("a transaction is there until it ends")
    }
}

/// What cannot be: a session was opened a moment ago.
const NO_SESSION: &str = "the transaction has not begun";

impl Inner {
    /// Begins the transaction in the store.
    async fn open(&mut self) -> Result {
        if self.session.is_none() {
            self.session = Some(self.engine.backend.begin().await?);
            if let Some(desk) = self.desk.upgrade() {
                desk.has_begun(&self.engine);
            }
        }
        Ok(())
    }

    /// Writes the documents that have changed, so that the caller's own queries see them.
    async fn flush(&mut self) -> Result {
        let documents = self.changed();
        if documents.is_empty() {
            return Ok(());
        }
        let unit = Unit { documents, ..Unit::default() };
        match &mut self.session {
            Some(session) => session.write(unit).await.map(drop),
            None => Err(Error::Misuse(NO_SESSION)),
        }
    }

    /// What is to be done to documents, in the order of their ids.
    fn changed(&mut self) -> Vec<DocumentChange> {
        let changes = self.documents.iter_mut().filter_map(|((_, id), held)| held.change(id));
        let mut changes: Vec<_> = changes.collect();
        changes.sort_by(|one, other| {
            (one.collection.table, &one.id).cmp(&(other.collection.table, &other.id))
        });
        changes
    }

    async fn commit(&mut self) -> Result<Committed> {
        self.unit.documents = self.changed();
        let (published, delayed) = (self.unit.appends.len(), !self.unit.scheduled.is_empty());
        let events = self.scope.as_ref().map(|_| events_of(&self.unit)).unwrap_or_default();
        let unit = mem::take(&mut self.unit);
        let committed = match self.session.take() {
            Some(session) => session.commit(unit).await,
            None => self.engine.backend.commit(unit).await,
        };
        if committed.is_err() {
            self.give_back(&events);
        }
        let committed = committed?;
        metrics::counter!(observe::PUBLISHED).increment(published as u64);
        if delayed {
            self.engine.planned.notify_one();
        }
        Ok(committed)
    }
}

impl Inner {
    /// Frees the derived ids of events that were not published, so that another try makes the same.
    fn give_back(&self, events: &[(EventName, Uuid)]) {
        for (name, id) in events {
            if let Some(scope) = &self.scope {
                scope.give_back(name, *id);
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.give_back(&events_of(&self.unit));
    }
}

fn events_of(unit: &Unit) -> Vec<(EventName, Uuid)> {
    let appended = unit.appends.iter().flat_map(|append| &append.events);
    let scheduled = unit.scheduled.iter().map(|scheduled| &scheduled.event);
    appended.chain(scheduled).map(|event| (event.name.clone(), event.id)).collect()
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let (Some(inner), Some(desk)) = (self.inner.take(), &self.desk) {
            *desk.lent() = Some(inner);
        }
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.shown();
        f.debug_struct("Tx")
            .field("documents", &inner.documents.len())
            .field("events", &inner.unit.appends.len())
            .field("begun", &inner.session.is_some())
            .finish_non_exhaustive()
    }
}

#[diagnostic::do_not_recommend]
impl FromContext for Tx {
    async fn from_context(_: &Context) -> Result<Self, Failure> {
        let desk = Desk::current().ok_or_else(|| {
            Failure::permanent("a transaction is for durable handlers and steps of sagas")
        })?;
        desk.lend().ok_or_else(|| Failure::permanent("the transaction is in use already"))
    }

    fn needs() -> Vec<Need> {
        vec![Need::of::<Self>()]
    }
}
