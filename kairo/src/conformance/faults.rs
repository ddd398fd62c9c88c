//! The law of repetition: whatever call fails, and whether it took effect or not, a caller that
//! repeats it ends where it would have ended.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::{
    case::{Case, assert_same, ids},
    collection::{json_of, of, of_documents, unique},
    pair::LONG,
    saga::{end_of, of_sagas, write_of},
};
use crate::{
    delivery::{
        Backend, Claimed, DeadLetter, LetterChange, LetterState, Progress, Scheduled, Steer,
    },
    documents::{Change, Document, Seen},
    error::{Error, Result},
    event::record::EventData,
    journal::{Phase, SagaChange, SagaRow, SagaWrite},
    store::{Append, BoxFuture, Position, StreamRange, Unit, Version},
    testing::faults::{FaultyStore, When},
};

/// More calls than the story makes, so that a story without an end is noticed.
const CALLS_MAX: u64 = 100;

/// Every call of a story is made to fail once, before and after it took effect.
pub async fn a_caller_that_repeats_ends_right(case: Case) -> Result {
    for when in [When::Before, When::After] {
        for nth in 1..CALLS_MAX {
            let part = case.part(format!("{when:?}{nth}"));
            let faulty = Arc::new(FaultyStore::new(Arc::clone(&case.store)));
            faulty.fail_nth(nth, when);
            let failing: Arc<dyn Backend> = faulty.clone();
            let story = Story::new(part.within(&failing));
            story.tell().await?;
            story.check().await?;
            if faulty.faults() == 0 {
                break;
            }
            assert!(nth + 1 < CALLS_MAX, "the story has no end");
        }
    }
    Ok(())
}

/// The same for what operators do.
pub async fn an_operator_who_repeats_ends_right(case: Case) -> Result {
    for when in [When::Before, When::After] {
        for nth in 1..CALLS_MAX {
            let part = case.part(format!("{when:?}{nth}"));
            let faulty = Arc::new(FaultyStore::new(Arc::clone(&case.store)));
            let failing: Arc<dyn Backend> = faulty.clone();
            part.claim("mail").await?;
            faulty.fail_nth(nth, when);
            operate(&part.within(&failing)).await?;
            check_operated(&part).await?;
            if faulty.faults() == 0 {
                break;
            }
            assert!(nth + 1 < CALLS_MAX, "the story has no end");
        }
    }
    Ok(())
}

/// The same for whoever carries a saga on: what is refused the second time took effect the first.
pub async fn whoever_repeats_carries_a_saga_on(case: Case) -> Result {
    for when in [When::Before, When::After] {
        for nth in 1..CALLS_MAX {
            let part = case.part(format!("{when:?}{nth}"));
            let faulty = Arc::new(FaultyStore::new(Arc::clone(&case.store)));
            let failing: Arc<dyn Backend> = faulty.clone();
            let part = part.joined("carrying on").await?;
            faulty.fail_nth(nth, when);
            let ended = carry_on(&part.within(&failing)).await?;
            assert_same(&part.the_saga(ended.id).await?, &ended);
            assert_eq!(part.version_of("one").await?, 3, "each event is there once");
            if faulty.faults() == 0 {
                break;
            }
            assert!(nth + 1 < CALLS_MAX, "the story has no end");
        }
    }
    Ok(())
}

/// The same for whoever changes a document: what is refused the second time took effect the first.
pub async fn whoever_repeats_changes_a_document_once(case: Case) -> Result {
    for when in [When::Before, When::After] {
        for nth in 1..CALLS_MAX {
            let part = case.part(format!("{when:?}{nth}"));
            let faulty = Arc::new(FaultyStore::new(Arc::clone(&case.store)));
            let failing: Arc<dyn Backend> = faulty.clone();
            faulty.fail_nth(nth, when);
            live_on(&part.within(&failing)).await?;
            assert_eq!(part.version_of("one").await?, 4, "each event is there once");
            if faulty.faults() == 0 {
                break;
            }
            assert!(nth + 1 < CALLS_MAX, "the story has no end");
        }
    }
    Ok(())
}

/// A document's life: it is made, changes, changes again for an event that is marked, and goes.
async fn live_on(case: &Case) -> Result {
    let users = case.collection("users", &[unique("name")]);
    twice(|| case.store.make_collection(users)).await?;
    let body = |name: &str| case.body(&json!({ "name": name }));
    let ada = Document::new("u1".to_owned(), body("ada"));
    let unit = |change| Unit {
        appends: vec![Append::one(case.event("one"))],
        ..of_documents(vec![of(users, "u1", change)])
    };
    let commit = |unit: Unit| {
        twice(move || {
            let unit = unit.clone();
            async move { case.store.commit(unit).await.map(drop) }
        })
    };
    match commit(unit(Change::Insert(ada.body.clone()))).await {
        Err(Error::DocumentExists { .. }) => {}
        made => made?,
    }
    match commit(unit(Change::Replace(ada.seen(), body("grace")))).await {
        Err(Error::DocumentMoved { actual: Some(2), .. }) => {}
        changed => changed?,
    }
    let seen = Seen { version: 2, ..ada.seen() };
    let marked =
        Unit { marks: vec![case.mark("mail")], ..unit(Change::Replace(seen, body("lovelace"))) };
    match commit(marked).await {
        Err(Error::AlreadyHandled { .. }) => {}
        handled => handled?,
    }
    let there = twice_read(|| case.store.document(users, "u1")).await?.expect("it is there");
    assert_eq!((there.version, json_of(&there)), (3, json!({ "name": "lovelace" })));
    match commit(unit(Change::Remove(there.seen()))).await {
        Err(Error::DocumentMoved { actual: None, .. }) => {}
        removed => removed?,
    }
    assert!(twice_read(|| case.store.document(users, "u1")).await?.is_none());
    Ok(())
}

/// Reads twice where the first call fails.
async fn twice_read<'a, T>(call: impl Fn() -> BoxFuture<'a, Result<T>>) -> Result<T> {
    match call().await {
        Err(Error::Store { .. }) => call().await,
        result => result,
    }
}

/// A saga's life: it is started, cancelled, given back, claimed, and ends.
async fn carry_on(case: &Case) -> Result<SagaRow> {
    let mut row = SagaRow { owner: Some(case.owner()), ..case.saga() };
    let start = SagaChange::Start(row.clone());
    match twice(|| change_with_event(case, &start)).await {
        Err(Error::SagaExists { key: None, id }) => assert_eq!(id, row.id),
        started => started?,
    }
    write_on(case, &mut row, |row| write_of(row, "first")).await?;
    let now = case.now();
    twice(|| case.cancel_saga(row.id, now)).await?;
    twice(|| case.store.release_sagas(case.owner())).await?;
    if let Err(Error::Store { .. }) = case.claim_orders(9).await {
        // It may be claimed already, and whoever has it is not given it again.
        case.store.release_sagas(case.owner()).await?;
        case.claim_orders(9).await?;
    }
    row = read_again(case, row.id).await?;
    assert_eq!((row.owner, row.cancelled), (Some(case.owner()), true));
    write_on(case, &mut row, |row| end_of(row, Phase::Compensated)).await?;
    Ok(row)
}

/// Writes what follows from a saga as it was seen, and sees to it that it is there.
async fn write_on(case: &Case, row: &mut SagaRow, write: impl Fn(&SagaRow) -> SagaWrite) -> Result {
    let write = write(row);
    let change = SagaChange::Write(write.clone());
    let written = twice(|| change_with_event(case, &change)).await;
    let has_moved = matches!(written, Err(Error::SagaMoved { .. }));
    if !has_moved {
        written?;
    }
    let seen = read_again(case, row.id).await?;
    assert_eq!((seen.revision, &seen.state), (write.revision + 1, &write.state));
    *row = seen;
    Ok(())
}

async fn change_with_event(case: &Case, change: &SagaChange) -> Result {
    let appends = vec![Append::one(case.event("one"))];
    let unit = Unit { appends, ..of_sagas(vec![change.clone()]) };
    case.store.commit(unit).await.map(drop)
}

async fn read_again(case: &Case, id: Uuid) -> Result<SagaRow> {
    match case.the_saga(id).await {
        Err(Error::Store { .. }) => case.the_saga(id).await,
        read => read,
    }
}

/// Calls twice where the first call fails.
async fn twice<F: Future<Output = Result>>(call: impl Fn() -> F) -> Result {
    match call().await {
        Err(Error::Store { .. }) => call().await,
        result => result,
    }
}

async fn operate(case: &Case) -> Result {
    let event = case.derived("one");
    let append = || async { case.append(event.clone()).await.map(drop) };
    let steer = |steer| async move { case.store.steer(case.subscription("mail"), steer).await };
    let member = case.member("operator");
    twice(append).await?;
    twice(|| async { case.store.join(&member, LONG).await.map(drop) }).await?;
    twice(|| case.keep(case.snapshot("two", "user", 3))).await?;
    twice(|| steer(Steer::Pause)).await?;
    twice(|| case.remove("one", Version::Any)).await?;
    twice(|| case.close_stream("two")).await?;
    twice(|| steer(Steer::Move { to: Position::at_sequence(1) })).await?;
    twice(|| case.store.leave(member.id)).await
}

async fn check_operated(case: &Case) -> Result {
    assert_eq!((case.version_of("one").await?, case.kept("two", "user").await?), (0, None));
    assert_eq!(case.append_at("one", Version::NoStream).await?.version, 2);
    let closed = case.append_at("two", Version::Any).await;
    assert!(matches!(closed, Err(Error::Tombstone { .. })), "{closed:?}");
    let claimed = case.claim("mail").await?;
    assert!(claimed.paused);
    assert_eq!(claimed.checkpoint.low_water, Position::at_sequence(1));
    Ok(())
}

/// A delivery's life: its event is appended, handled, fails, dies, and is reprocessed.
struct Story {
    case: Case,
    cause: EventData,
    effects: [EventData; 2],
    delayed: EventData,
    letter: DeadLetter,
}

impl Story {
    fn new(case: Case) -> Self {
        Self {
            cause: case.derived("cause"),
            effects: [case.derived("effect"), case.derived("effect")],
            delayed: case.derived("effect"),
            letter: case.letter("mail", 1),
            case,
        }
    }

    async fn tell(&self) -> Result {
        let case = &self.case;
        self.repeat(|| self.publish()).await?;
        let claimed = self.repeat(|| self.claim()).await?;
        let [first, second] = self.effects.each_ref();
        self.repeat(|| self.handle(claimed.epoch, first)).await?;
        self.repeat(|| self.handle(claimed.epoch, second)).await?;
        self.repeat(|| self.delay()).await?;
        self.repeat(|| self.fire()).await?;
        self.repeat(|| self.bury(claimed.epoch)).await?;
        self.repeat(|| self.replay()).await?;
        self.repeat(|| self.finish()).await?;
        self.repeat(|| case.store.release(vec![(case.subscription("mail"), claimed.epoch)])).await
    }

    /// Makes a call until it succeeds; the store fails once at most.
    async fn repeat<'a, T>(&'a self, call: impl Fn() -> BoxFuture<'a, Result<T>>) -> Result<T> {
        match call().await {
            Err(Error::Store { .. }) => call().await,
            result => result,
        }
    }

    fn publish(&self) -> BoxFuture<'_, Result> {
        let append = Append { expected: Version::NoStream, ..Append::one(self.cause.clone()) };
        self.commit(Unit::of_appends(vec![append]))
    }

    fn claim(&self) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(self.case.claim("mail"))
    }

    fn handle(&self, epoch: u64, effect: &EventData) -> BoxFuture<'_, Result> {
        let progress = self.case.progress("mail", epoch, Position::at_sequence(1));
        let appends = vec![Append::one(effect.clone())];
        self.commit(Unit { appends, ..Unit::of_progress(progress) })
    }

    fn delay(&self) -> BoxFuture<'_, Result> {
        let scheduled = vec![Scheduled { due: self.case.now(), event: self.delayed.clone() }];
        self.commit(Unit { scheduled, ..Unit::default() })
    }

    /// A delayed event that is gone has been appended by the call that seemed to fail.
    fn fire(&self) -> BoxFuture<'_, Result> {
        let unscheduled = vec![self.delayed.id];
        let appends = vec![Append::one(self.delayed.clone())];
        let unit = Unit { unscheduled, appends, ..Unit::default() };
        Box::pin(async move {
            match self.commit(unit).await {
                Err(Error::NotFound { .. }) => Ok(()),
                result => result,
            }
        })
    }

    fn bury(&self, epoch: u64) -> BoxFuture<'_, Result> {
        let progress = self.case.progress("mail", epoch, Position::at_sequence(2));
        let bury = vec![self.letter.clone()];
        self.commit(Unit::of_progress(Progress { bury, ..progress }))
    }

    /// A letter that is being reprocessed already was told so by the call that seemed to fail.
    fn replay(&self) -> BoxFuture<'_, Result> {
        let (id, due) = (self.letter.id, self.case.now());
        let letters = vec![LetterChange::Replay { id, edited: None, due }];
        Box::pin(async move {
            match self.commit(Unit { letters, ..Unit::default() }).await {
                Err(Error::WrongState(_)) => Ok(()),
                result => result,
            }
        })
    }

    fn finish(&self) -> BoxFuture<'_, Result> {
        let id = self.letter.id;
        Box::pin(async move {
            let letter = self.case.store.letter(id).await?;
            let Some(letter) = letter else { return Ok(()) };
            assert!(matches!(letter.state, LetterState::Replaying { .. }));
            assert_eq!(letter.replays, 1, "a repeated call reprocesses once");
            let letters = vec![LetterChange::Remove { id }];
            self.commit(Unit { letters, ..Unit::default() }).await
        })
    }

    fn commit(&self, unit: Unit) -> BoxFuture<'_, Result> {
        Box::pin(async move { self.case.store.commit(unit).await.map(drop) })
    }

    /// Each event is in the log once, in order and without a gap; nothing is left over.
    async fn check(&self) -> Result {
        let case = &self.case;
        let [first, second] = self.effects.each_ref().map(|event| event.id);
        // The last fault may be still to come, and this reads more often than the story did.
        let stream = &self.cause.stream;
        let causes = self.repeat(|| case.store.read_stream(stream, StreamRange::ALL, 9)).await?;
        assert_eq!(ids(&causes), [self.cause.id]);
        let stream = &self.delayed.stream;
        let effects = self.repeat(|| case.store.read_stream(stream, StreamRange::ALL, 9)).await?;
        assert_eq!(ids(&effects), [first, second, self.delayed.id]);
        assert!(effects.iter().map(|recorded| recorded.version).eq(1..=3));
        assert!(self.repeat(|| case.store.letter(self.letter.id)).await?.is_none());
        let due = self.repeat(|| case.store.due(case.now(), 10_000)).await?;
        assert!(due.iter().all(|scheduled| scheduled.event.id != self.delayed.id));
        let claimed = self.repeat(|| self.claim()).await?;
        assert_eq!(claimed.checkpoint.low_water, Position::at_sequence(2));
        Ok(())
    }
}
