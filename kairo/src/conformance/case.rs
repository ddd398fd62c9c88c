//! What a law works with: a store, and names that no other law uses in it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    clock::{Clock, Timestamp, after},
    delivery::{
        Backend, Checkpoint, Claim, Claimed, DeadLetter, FailedAttempt, LetterState, Mark, MarkKey,
        Parked, ParkedState, Progress, Reason, partition::PARTITIONS_MAX,
    },
    error::Result,
    event::{
        name::{EventName, StreamName},
        record::{EventData, Recorded},
    },
    handler::entry::StartAt,
    store::{
        Append, Committed, Placed, Position, Removal, Selection, Snapshot, StreamRange, Unit,
        Version,
    },
};

/// How long a law waits for something that must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One run of a law.
#[derive(Clone, Debug)]
pub struct Case {
    /// The store under test.
    pub(super) store: Arc<dyn Backend>,
    clock: Clock,
    /// Makes this run's names differ from those of others.
    tag: String,
    /// Who claims.
    owner: Uuid,
}

impl Case {
    /// The run of a law in `store`, beside others with other numbers.
    pub(super) fn new(store: &Arc<dyn Backend>, number: usize) -> Self {
        let clock = Clock::system();
        let owner = clock.new_id();
        Self { store: Arc::clone(store), clock, tag: number.to_string(), owner }
    }

    /// The same in another store, or the same place opened again.
    pub(super) fn within(&self, store: &Arc<dyn Backend>) -> Self {
        Self { store: Arc::clone(store), ..self.clone() }
    }

    /// Who claims.
    pub(super) const fn owner(&self) -> Uuid {
        self.owner
    }

    /// The same for somebody else who claims.
    pub(super) fn owned_by(&self, owner: Uuid) -> Self {
        Self { owner, ..self.clone() }
    }

    /// The same store with names of its own.
    pub(super) fn part(&self, part: impl std::fmt::Display) -> Self {
        Self { tag: format!("{}-{part}", self.tag), ..self.clone() }
    }

    pub(super) fn new_id(&self) -> Uuid {
        self.clock.new_id()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A stream of this run.
    pub(super) fn stream(&self, name: &str) -> StreamName {
        StreamName::stored(&format!("{name}-{}", self.tag))
    }

    /// An event name of this run.
    pub(super) fn name(&self, name: &str) -> EventName {
        EventName::stored(&format!("law.{name}-{}", self.tag))
    }

    /// A subscription of this run.
    pub(super) fn subscription(&self, name: &str) -> String {
        format!("{name}-{}", self.tag)
    }

    /// An event `law.happened` for a stream.
    pub(super) fn event(&self, stream: &str) -> EventData {
        let id = self.new_id();
        EventData {
            id,
            derived: false,
            name: self.name("happened"),
            schema: 1,
            stream: self.stream(stream),
            time: self.now(),
            correlation: id,
            causation: None,
            depth: 0,
            metadata: BTreeMap::new(),
            payload: r#"{"law":true}"#.into(),
        }
    }

    /// An event whose id is derived.
    pub(super) fn derived(&self, stream: &str) -> EventData {
        let id = Uuid::new_v8(self.new_id().into_bytes());
        EventData { id, derived: true, ..self.event(stream) }
    }

    /// An event in which every field differs from its default.
    pub(super) fn full(&self, stream: &str, payload: &[u8]) -> EventData {
        let metadata = [("who", "Ada \u{1f980}"), ("", "\u{0}'\"")];
        EventData {
            schema: 7,
            correlation: self.new_id(),
            causation: Some(self.new_id()),
            depth: 3,
            metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            payload: payload.to_vec().into(),
            ..self.derived(stream)
        }
    }

    /// Appends one event, whatever the version of its stream.
    pub(super) async fn append(&self, event: EventData) -> Result<Placed> {
        let committed = self.store.commit(Unit::of_appends(vec![Append::one(event)])).await?;
        Ok(committed.placed[0])
    }

    /// Appends one new event to a stream that must be as expected.
    pub(super) async fn append_at(&self, stream: &str, expected: Version) -> Result<Placed> {
        let append = Append { expected, ..Append::one(self.event(stream)) };
        let committed = self.store.commit(Unit::of_appends(vec![append])).await?;
        Ok(committed.placed[0])
    }

    /// Appends several events to one stream.
    pub(super) async fn append_all(&self, events: Vec<EventData>) -> Result<Committed> {
        let stream = events[0].stream.clone();
        let append = Append { stream, expected: Version::Any, events };
        self.store.commit(Unit::of_appends(vec![append])).await
    }

    /// Takes a stream out of the log.
    pub(super) async fn remove(&self, stream: &str, expected: Version) -> Result {
        let removal = Removal { stream: self.stream(stream), expected, tombstone: false };
        self.remove_as(removal).await
    }

    /// Takes a stream out of the log for good.
    pub(super) async fn close_stream(&self, stream: &str) -> Result {
        let stream = self.stream(stream);
        self.remove_as(Removal { stream, expected: Version::Any, tombstone: true }).await
    }

    async fn remove_as(&self, removal: Removal) -> Result {
        let unit = Unit { removals: vec![removal], ..Unit::default() };
        self.store.commit(unit).await.map(drop)
    }

    /// A snapshot of a stream.
    pub(super) fn snapshot(&self, stream: &str, name: &str, version: u64) -> Snapshot {
        Snapshot {
            stream: self.stream(stream),
            name: name.to_owned(),
            version,
            // Every bit of it is kept.
            schema: u64::MAX - version,
            time: self.now(),
            payload: format!("{name} at {version}").into(),
        }
    }

    /// Keeps a snapshot.
    pub(super) async fn keep(&self, snapshot: Snapshot) -> Result {
        let unit = Unit { snapshots: vec![snapshot], ..Unit::default() };
        self.store.commit(unit).await.map(drop)
    }

    /// The version of a stream's snapshot under a name.
    pub(super) async fn kept(&self, stream: &str, name: &str) -> Result<Option<u64>> {
        let kept = self.store.snapshot(&self.stream(stream), name).await?;
        Ok(kept.map(|snapshot| snapshot.version))
    }

    /// All events of a stream.
    pub(super) async fn events_of(&self, stream: &str) -> Result<Vec<Arc<Recorded>>> {
        self.store.read_stream(&self.stream(stream), StreamRange::ALL, usize::MAX >> 1).await
    }

    /// The version of a stream, as reading it shows.
    pub(super) async fn version_of(&self, stream: &str) -> Result<u64> {
        Ok(self.events_of(stream).await?.last().map_or(0, |last| last.version))
    }

    /// All events of this run with a name, read in pages of `limit`.
    pub(super) async fn events_named(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>> {
        let selection = Selection::Names(vec![self.name(name)]);
        let (mut events, mut after) = (Vec::new(), Position::START);
        loop {
            let page = self.store.read_log(after, &selection, limit).await?;
            assert!(page.events.len() <= limit, "a page holds {} of {limit}", page.events.len());
            events.extend(page.events);
            if page.complete {
                return Ok(events);
            }
            assert!(after < page.end, "a page that is not complete ends where it began");
            after = page.end;
        }
    }

    /// Claims a subscription that begins at the beginning of the log.
    pub(super) async fn claim(&self, name: &str) -> Result<Claimed> {
        self.claim_from(name, StartAt::Beginning).await
    }

    /// Claims a subscription.
    pub(super) async fn claim_from(&self, name: &str, start: StartAt) -> Result<Claimed> {
        self.claim_as(self.request(name, start)).await
    }

    /// A request for all of a subscription.
    pub(super) fn request(&self, name: &str, start: StartAt) -> Claim {
        let subscription = self.subscription(name);
        Claim { subscription, start, renamed_from: None, partitions_max: PARTITIONS_MAX }
    }

    /// Makes one claim.
    pub(super) async fn claim_as(&self, claim: Claim) -> Result<Claimed> {
        let mut claimed = self.claim_all(vec![claim]).await?;
        assert_eq!(claimed.len(), 1, "one claim has one answer");
        Ok(claimed.remove(0))
    }

    /// Claims some partitions of a subscription that begins at the beginning of the log.
    pub(super) async fn claim_most(&self, name: &str, most: u32) -> Result<Option<Claimed>> {
        let request = self.request(name, StartAt::Beginning);
        let claim = Claim { partitions_max: most, ..request };
        Ok(self.store.claim(self.owner, vec![claim]).await?.into_iter().flatten().next())
    }

    /// Makes claims of what is free.
    pub(super) async fn claim_all(&self, claims: Vec<Claim>) -> Result<Vec<Claimed>> {
        let claimed = self.store.claim(self.owner, claims).await?;
        Ok(claimed.into_iter().map(|claimed| claimed.expect("it is free")).collect())
    }

    /// Claims a subscription under a new name.
    pub(super) async fn rename(&self, old: &str, new: &str) -> Result<Claimed> {
        let request = self.request(new, StartAt::Beginning);
        self.claim_as(Claim { renamed_from: Some(self.subscription(old)), ..request }).await
    }

    /// A subscription's progress to `low_water`.
    pub(super) fn progress(&self, name: &str, epoch: u64, low_water: Position) -> Progress {
        Progress {
            subscription: self.subscription(name),
            epoch,
            checkpoint: Checkpoint::at(low_water),
            park: Vec::new(),
            unpark: Vec::new(),
            bury: Vec::new(),
            failure: None,
        }
    }

    /// Commits a subscription's progress.
    pub(super) async fn advance(&self, progress: Progress) -> Result<Committed> {
        self.store.commit(Unit::of_progress(progress)).await
    }

    /// An event that waits for its next attempt.
    pub(super) fn parked(&self, position: Position) -> Parked {
        let due = later(self.now(), 60);
        Parked {
            position,
            key: self.stream("key").to_string(),
            state: ParkedState::Retry { due },
            attempts: 2,
            failures: vec![self.failure(1), self.failure(2)],
        }
    }

    /// A failed attempt.
    pub(super) fn failure(&self, attempt: u32) -> FailedAttempt {
        let errors = vec![format!("attempt {attempt} failed"), "no route to host".to_owned()];
        FailedAttempt { attempt, time: self.now(), errors }
    }

    /// A letter of a subscription, dead since `seconds` after a fixed time.
    pub(super) fn letter(&self, name: &str, seconds: u64) -> DeadLetter {
        let last_failed = later(Timestamp::UNIX_EPOCH, seconds);
        DeadLetter {
            id: self.new_id(),
            subscription: self.subscription(name),
            position: Position::at_sequence(7),
            version: 3,
            original: self.full("dead", b"\xff not json"),
            edited: None,
            reason: Reason::Exhausted,
            attempts: 9,
            failures: vec![self.failure(8), self.failure(9)],
            first_failed: Timestamp::UNIX_EPOCH,
            last_failed,
            replays: 0,
            holds_key: false,
            state: LetterState::Dead,
        }
    }

    /// A mark of a new event in a subscription, outside of any claim.
    pub(super) fn mark(&self, name: &str) -> Mark {
        let key =
            MarkKey { subscription: self.subscription(name), generation: 1, event: self.new_id() };
        Mark { key, epoch: None, position: Position::at_sequence(1), time: self.now() }
    }

    /// Claims a subscription and buries letters under it.
    pub(super) async fn bury(&self, name: &str, bury: Vec<DeadLetter>) -> Result<Claimed> {
        let claimed = self.claim(name).await?;
        let progress = self.progress(name, claimed.epoch, claimed.checkpoint.low_water);
        self.advance(Progress { bury, ..progress }).await?;
        Ok(claimed)
    }

    /// A letter that must be there.
    pub(super) async fn the_letter(&self, id: Uuid) -> Result<DeadLetter> {
        Ok(self.store.letter(id).await?.expect("the letter is there"))
    }
}

/// `seconds` after `time`.
pub(super) fn later(time: Timestamp, seconds: u64) -> Timestamp {
    after(time, Duration::from_secs(seconds))
}

/// The ids of events, in their order.
pub(super) fn ids(events: &[Arc<Recorded>]) -> Vec<Uuid> {
    events.iter().map(|recorded| recorded.event.id).collect()
}

/// Whether two values agree in every field.
#[track_caller]
pub(super) fn assert_same(left: &impl std::fmt::Debug, right: &impl std::fmt::Debug) {
    assert_eq!(format!("{left:#?}"), format!("{right:#?}"));
}
