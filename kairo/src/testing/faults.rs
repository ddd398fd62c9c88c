//! A store that fails on request, before or after it has done what it was asked.

use std::{
    any::Any,
    fmt,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    delivery::{
        Backend, Claim, Claimed, DeadLetter, DeadLetters, Deliveries, Fate, LetterFilter, MarkKey,
        Scheduled, Steer, SubscriptionRow, Timetable,
    },
    error::{Error, Result},
    event::{fact::Facts, name::StreamName, record::Recorded},
    lease::{Member, Members},
    store::{
        BoxFuture, Committed, Features, Page, Position, Selection, Snapshot, Store, StreamRange,
        StreamStats, Transaction, Unit,
    },
};

pub use super::call::{Call, When};

/// Which calls fail.
type Rule = Box<dyn Fn(u64, Call<'_>) -> Option<When> + Send + Sync>;

/// Wraps a store and makes its calls fail.
///
/// ```
/// # use kairo::{backend, clock::Clock, store::Store, testing::faults::{FaultyStore, When}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> kairo::Result {
/// let store = FaultyStore::new(backend::open("memory:", &Clock::system()).await?);
/// store.fail_nth(2, When::Before);
/// assert!(store.head().await.is_ok());
/// assert!(store.head().await.is_err() && store.head().await.is_ok());
/// # Ok(())
/// # }
/// ```
pub struct FaultyStore {
    pub(super) inner: Arc<dyn Backend>,
    calls: AtomicU64,
    faults: AtomicU64,
    rule: Mutex<Rule>,
    /// The call at which the process dies, as far as its store can tell.
    death: Mutex<Option<(u64, When)>>,
    dead: watch::Sender<bool>,
}

impl FaultyStore {
    /// Wraps a store; nothing fails yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self {
            inner,
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            rule: Mutex::new(Box::new(|_, _| None)),
            death: Mutex::new(None),
            dead: watch::Sender::new(false),
        }
    }

    /// Makes the `nth` call fail, counted from 1 since the store was wrapped, and no other.
    pub fn fail_nth(&self, nth: u64, when: When) {
        self.fail_where(move |number, _| (number == nth).then_some(when));
    }

    /// Makes those calls fail for which `rule` says so; it gets the number of the call, from 1.
    pub fn fail_where(&self, rule: impl Fn(u64, Call<'_>) -> Option<When> + Send + Sync + 'static) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// Lets the caller die at its `nth` call, counted from 1 since the store was wrapped: this call
    /// and all later ones never return. Whether the store has done that call is up to `when`.
    pub fn crash_nth(&self, nth: u64, when: When) {
        *self.death.lock().unwrap_or_else(PoisonError::into_inner) = Some((nth, when));
    }

    /// Returns once the caller is dead.
    pub async fn crashed(&self) {
        // The sender is in `self`, so the wait ends only with the death.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }

    /// How many calls there have been.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many of them were made to fail.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }

    /// Whether the caller dies at this call, or has died before it.
    fn death(&self, number: u64) -> Option<When> {
        let death = *self.death.lock().unwrap_or_else(PoisonError::into_inner);
        match death {
            Some((nth, when)) if nth == number => Some(when),
            _ => self.dead.borrow().then_some(When::Before),
        }
    }

    fn verdict(&self, number: u64, call: Call<'_>) -> Option<When> {
        let rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = rule(number, call);
        self.faults.fetch_add(u64::from(verdict.is_some()), Ordering::SeqCst);
        verdict
    }

    /// Makes a call, unless it is to fail.
    pub(super) async fn call<'a, T>(
        &self,
        call: Call<'_>,
        answer: impl FnOnce() -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(when) = self.death(number) {
            if when == When::After {
                // Nobody is left to hear how it went.
                drop(answer().await);
            }
            self.dead.send_replace(true);
            return std::future::pending().await;
        }
        match self.verdict(number, call) {
            None => answer().await,
            Some(When::Before) => Err(fault(When::Before)),
            Some(When::After) => {
                answer().await?;
                Err(fault(When::After))
            }
        }
    }
}

fn fault(when: When) -> Error {
    let action = "calling the store".to_owned();
    let source = match when {
        When::Before => "a fault on request, before anything happened",
        When::After => "a fault on request, after it happened",
    };
    Error::Store { action, source: source.into() }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore")
            .field("inner", &self.inner)
            .field("calls", &self.calls())
            .field("faults", &self.faults())
            .finish_non_exhaustive()
    }
}

impl Store for FaultyStore {
    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result<Committed>> {
        Box::pin(async move {
            let again = unit.clone();
            self.call(Call::Commit(&again), move || self.inner.commit(unit)).await
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Position>> {
        Box::pin(self.call(Call::Head, move || self.inner.head()))
    }

    fn read_log<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.call(Call::ReadLog, move || self.inner.read_log(after, selection, limit)))
    }

    fn count<'a>(
        &'a self,
        after: Position,
        selection: &'a Selection,
        limit: u64,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.call(Call::Count, move || self.inner.count(after, selection, limit)))
    }

    fn read_at<'a>(
        &'a self,
        positions: &'a [Position],
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(self.call(Call::ReadAt, move || self.inner.read_at(positions)))
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        range: StreamRange,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Recorded>>>> {
        Box::pin(self.call(Call::ReadStream, move || self.inner.read_stream(stream, range, limit)))
    }

    fn read_facts<'a>(
        &'a self,
        stream: &'a StreamName,
        versions: RangeInclusive<u64>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Facts>> {
        let answer = move || self.inner.read_facts(stream, versions, limit);
        Box::pin(self.call(Call::ReadFacts, answer))
    }

    fn stream_stats<'a>(
        &'a self,
        stream: &'a StreamName,
    ) -> BoxFuture<'a, Result<Option<StreamStats>>> {
        Box::pin(self.call(Call::StreamStats, move || self.inner.stream_stats(stream)))
    }

    fn snapshot<'a>(
        &'a self,
        stream: &'a StreamName,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Snapshot>>> {
        Box::pin(self.call(Call::Snapshot, move || self.inner.snapshot(stream, name)))
    }

    fn prune<'a>(
        &'a self,
        before: Timestamp,
        selection: &'a Selection,
        limit: usize,
    ) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.call(Call::Prune, move || self.inner.prune(before, selection, limit)))
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Transaction>>> {
        Box::pin(self.call(Call::Begin, move || self.inner.begin()))
    }

    fn write_within<'a>(
        &'a self,
        connection: &'a mut (dyn Any + Send),
        unit: Unit,
    ) -> BoxFuture<'a, Result<Committed>> {
        self.inner.write_within(connection, unit)
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.inner.watch()
    }

    fn close(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.call(Call::Close, move || self.inner.close()))
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    fn hindrance(&self) -> BoxFuture<'_, Result<Option<String>>> {
        self.inner.hindrance()
    }

    fn features(&self) -> Features {
        self.inner.features()
    }

    fn is_relaxed(&self) -> bool {
        self.inner.is_relaxed()
    }
}

impl Members for FaultyStore {
    fn join<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(self.call(Call::Join, move || self.inner.join(member, lease)))
    }

    fn renew<'a>(
        &'a self,
        member: &'a Member,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<Member>>> {
        Box::pin(self.call(Call::Renew, move || self.inner.renew(member, lease)))
    }

    fn leave(&self, id: Uuid) -> BoxFuture<'_, Result> {
        Box::pin(self.call(Call::Leave, move || self.inner.leave(id)))
    }
}

impl Deliveries for FaultyStore {
    fn claim(
        &self,
        owner: Uuid,
        claims: Vec<Claim>,
    ) -> BoxFuture<'_, Result<Vec<Option<Claimed>>>> {
        Box::pin(async move {
            let again = claims.clone();
            self.call(Call::Claim(&again), move || self.inner.claim(owner, claims)).await
        })
    }

    fn release(&self, claims: Vec<(String, u64)>) -> BoxFuture<'_, Result> {
        Box::pin(self.call(Call::Release, move || self.inner.release(claims)))
    }

    fn subscriptions(&self) -> BoxFuture<'_, Result<Vec<SubscriptionRow>>> {
        Box::pin(self.call(Call::Subscriptions, move || self.inner.subscriptions()))
    }

    fn subscription_names(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(self.call(Call::Subscriptions, move || self.inner.subscription_names()))
    }

    fn remove_subscription(&self, subscription: String) -> BoxFuture<'_, Result<bool>> {
        let answer = move || self.inner.remove_subscription(subscription);
        Box::pin(self.call(Call::RemoveSubscription, answer))
    }

    fn steer(&self, subscription: String, steer: Steer) -> BoxFuture<'_, Result> {
        Box::pin(self.call(Call::Steer, move || self.inner.steer(subscription, steer)))
    }

    fn fate<'a>(
        &'a self,
        subscription: &'a str,
        stream: &'a StreamName,
        position: Position,
    ) -> BoxFuture<'a, Result<Option<Fate>>> {
        Box::pin(self.call(Call::Fate, move || self.inner.fate(subscription, stream, position)))
    }

    fn is_marked<'a>(&'a self, key: &'a MarkKey) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.call(Call::IsMarked, move || self.inner.is_marked(key)))
    }

    fn prune_marks(&self, before: Timestamp, limit: usize) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.call(Call::PruneMarks, move || self.inner.prune_marks(before, limit)))
    }

    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }

    fn watch_others(&self) -> watch::Receiver<u64> {
        self.inner.watch_others()
    }
}

impl DeadLetters for FaultyStore {
    fn letters(&self, filter: LetterFilter) -> BoxFuture<'_, Result<Vec<DeadLetter>>> {
        Box::pin(self.call(Call::Letters, move || self.inner.letters(filter)))
    }

    fn letter(&self, id: Uuid) -> BoxFuture<'_, Result<Option<DeadLetter>>> {
        Box::pin(self.call(Call::Letter, move || self.inner.letter(id)))
    }
}

impl Timetable for FaultyStore {
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Scheduled>>> {
        Box::pin(self.call(Call::Due, move || self.inner.due(now, limit)))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>>> {
        Box::pin(self.call(Call::NextDue, move || self.inner.next_due()))
    }
}
