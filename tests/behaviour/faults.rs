//! Trouble with the store: nothing is lost, and what handlers publish is in the log once.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::TryStreamExt;
use kairo::{
    Error, backend,
    clock::Clock,
    prelude::*,
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, letters, logged, on_each_store, sample, soon,
};

async fn open(place: &Place) -> (Kairo, Arc<FaultyStore>) {
    let store = backend::open(place.url(), &Clock::system()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(store));
    let kairo = place.bare().backend(Arc::clone(&faulty) as _).start().await.unwrap();
    (kairo, faulty)
}

/// Fails every second call of a kind, so that what is tried again succeeds.
fn every_second(
    of_kind: fn(Call<'_>) -> bool,
    when: When,
) -> impl Fn(u64, Call<'_>) -> Option<When> {
    let calls = AtomicU64::new(0);
    move |_, call| {
        let hit = of_kind(call) && calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        hit.then_some(when)
    }
}

/// Publishes samples that are echoed, some of them at the second attempt or after dying.
async fn echo_many(kairo: &Kairo) -> Vec<kairo::Published> {
    let attempts = Journal::new();
    let subscribe = kairo.subscribe::<Sample>("echoes");
    let policy = RetryPolicy::new(1).backoff(Duration::from_millis(1));
    let handled = subscribe.retry(policy).handle(move |event| {
        attempts.note(event.number);
        let first = attempts.all().iter().filter(|number| **number == event.number).count() == 1;
        async move {
            match event.number % 5 {
                0 if first => Err(Failure::retryable(Busy)),
                1 if first => Err(Failure::permanent("unlucky")),
                _ => Ok(Echo::from(event.payload())),
            }
        }
    });
    handled.await.unwrap();
    let mut published = Vec::new();
    for number in 0..30 {
        let publish = || kairo.publish(sample(number % 4, number));
        let done = match publish().await {
            Err(Error::Store { .. }) => publish().await.unwrap(),
            done => done.unwrap(),
        };
        published.push(done);
    }
    published
}

async fn assert_echoed_once(kairo: &Kairo) {
    eventually(async || {
        let _ = kairo.dead_letters().reprocess_all(LetterFilter::default()).await;
        let left = kairo.dead_letters().list(LetterFilter::default()).await;
        left.is_ok_and(|left| left.is_empty()) && 30 <= logged(kairo, "echo.heard").await.len()
    })
    .await;
    let echoes = logged(kairo, "echo.heard").await;
    let mut numbers: Vec<_> =
        echoes.iter().map(|echo| echo.decode::<Echo>().unwrap().number).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..30), "{numbers:?}");
}

#[tokio::test]
async fn progress_that_fails_before_or_after_it_is_written_is_written_once() {
    for when in [When::Before, When::After] {
        on_each_store(async |place| {
            let (kairo, faulty) = open(&place).await;
            let progress =
                |call: Call<'_>| matches!(call, Call::Commit(unit) if !unit.progress.is_empty());
            faulty.fail_where(every_second(progress, when));
            for published in echo_many(&kairo).await {
                soon(published.settled()).await.unwrap();
            }
            assert!(0 < faulty.faults());
            let dead = letters(&kairo).await.len();
            assert_eq!(dead, 6, "an event that died is one letter");
            assert_eq!(logged(&kairo, "kairo.dead-letter.created").await.len(), dead);
            assert_echoed_once(&kairo).await;
            faulty.fail_where(|_, _| None);
            kairo.shutdown().await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn reads_that_fail_are_tried_again() {
    on_each_store(async |place| {
        let (kairo, faulty) = open(&place).await;
        let read = |call: Call<'_>| matches!(call, Call::ReadLog | Call::ReadAt);
        faulty.fail_where(every_second(read, When::Before));
        for published in echo_many(&kairo).await {
            soon(published.settled()).await.unwrap();
        }
        faulty.fail_where(|_, _| None);
        assert_echoed_once(&kairo).await;
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_publish_that_fails_says_so_and_has_published_nothing() {
    on_each_store(async |place| {
        let (kairo, faulty) = open(&place).await;
        let appends = |_: u64, call: Call<'_>| {
            matches!(call, Call::Commit(unit) if !unit.appends.is_empty()).then_some(When::Before)
        };
        faulty.fail_where(appends);
        let error = kairo.publish(sample("a", 1)).await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error}");
        faulty.fail_where(|_, _| None);
        assert!(logged(&kairo, "sample.taken").await.is_empty());
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        assert_eq!(published.version(), Some(1));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn delayed_events_enter_the_log_once_whatever_fails() {
    for when in [When::Before, When::After] {
        on_each_store(async |place| {
            let (kairo, faulty) = open(&place).await;
            let release =
                |call: Call<'_>| matches!(call, Call::Commit(unit) if !unit.unscheduled.is_empty());
            faulty.fail_where(every_second(release, when));
            for number in 0..5 {
                let delay = Duration::from_millis(number);
                let _ = kairo.publish(sample("a", number)).delay(delay).await.unwrap();
            }
            eventually(async || 5 <= logged(&kairo, "sample.taken").await.len()).await;
            assert_eq!(logged(&kairo, "sample.taken").await.len(), 5);
            faulty.fail_where(|_, _| None);
            kairo.shutdown().await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn a_letter_that_is_removed_while_commits_fail_costs_nothing_else() {
    on_each_store(async |place| {
        let (kairo, faulty) = open(&place).await;
        let runs = Journal::new();
        let note = runs.clone();
        let gate = kairo_tests::support::Gate::shut();
        let pass = gate.clone();
        let subscribe = kairo.subscribe::<Sample>("second-time");
        let handled = subscribe.handle(move |event| {
            note.note(());
            let (pass, first) = (pass.clone(), note.all().len() == 1);
            async move {
                if first {
                    return Err(Failure::permanent("no"));
                }
                pass.pass().await;
                Ok(Echo::from(event.payload()))
            }
        });
        handled.await.unwrap();
        soon(kairo.publish(sample("a", 1)).await.unwrap().settled()).await.unwrap();
        let letter = letters(&kairo).await.remove(0);
        let _ = kairo.dead_letters().reprocess(letter.id).await.unwrap();
        runs.at_least(2).await;
        kairo.dead_letters().remove(letter.id).await.unwrap();
        let calls = AtomicU64::new(0);
        faulty.fail_where(move |_, call| {
            let hit = matches!(call, Call::Letter | Call::Commit(_))
                && calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
            hit.then_some(When::Before)
        });
        gate.open();
        eventually(async || !logged(&kairo, "echo.heard").await.is_empty()).await;
        faulty.fail_where(|_, _| None);
        let next = kairo.publish(sample("a", 2)).await.unwrap();
        assert!(soon(next.settled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// A bus on a store of which one call fails, started again by hand when that was in its start.
async fn open_with(place: &Place, nth: u64, when: When) -> (Kairo, Arc<FaultyStore>) {
    let store = backend::open(place.url(), &Clock::system()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(store));
    faulty.fail_nth(nth, when);
    let start = async || place.bare().backend(Arc::clone(&faulty) as _).start().await;
    match start().await {
        Err(Error::Store { .. }) => (start().await.unwrap(), faulty),
        started => (started.unwrap(), faulty),
    }
}

/// Subscribes a handler that fails once for odd numbers and dies once of every third.
async fn stumble(kairo: &Kairo, attempts: &Journal<Uuid>) -> kairo::Result<()> {
    let attempts = attempts.clone();
    let subscribe = kairo.subscribe::<Sample>("stumbles");
    let policy = RetryPolicy::new(1).backoff(Duration::from_millis(1));
    let handled = subscribe.from_beginning().retry(policy).handle(move |event| {
        attempts.note(event.id());
        let first = attempts.all().iter().filter(|id| **id == event.id()).count() == 1;
        async move {
            match event.number {
                3 if first => Err(Failure::permanent("stumbled for good")),
                1 | 5 if first => Err(Failure::retryable(Busy)),
                _ => Ok(Echo::from(event.payload())),
            }
        }
    });
    handled.await.map(drop)
}

/// What a caller does who repeats whatever fails.
async fn again<T, F: Future<Output = kairo::Result<T>>>(call: impl Fn() -> F) -> T {
    match call().await {
        Err(Error::Store { .. }) => call().await.unwrap(),
        done => done.unwrap(),
    }
}

async fn survives(nth: u64, when: When) -> u64 {
    let place = Place::memory();
    let (kairo, faulty) = open_with(&place, nth, when).await;
    let attempts = Journal::new();
    again(|| stumble(&kairo, &attempts)).await;
    for number in 1..=5 {
        let key = number % 2;
        let _ = again(|| kairo.publish(sample(key, number)).into_future()).await;
    }
    let delay = Duration::from_millis(1);
    let _ = again(|| kairo.publish(sample("later", 6)).delay(delay).into_future()).await;
    eventually(async || {
        let _ = kairo.dead_letters().reprocess_all(LetterFilter::default()).await;
        let left = kairo.dead_letters().list(LetterFilter::default()).await;
        left.is_ok_and(|left| left.is_empty()) && is_echoed(&kairo).await
    })
    .await;
    let calls = faulty.calls();
    let _ = kairo.shutdown().await;
    calls
}

/// Whether each sample, and there are all six, has one echo; never two.
async fn is_echoed(kairo: &Kairo) -> bool {
    let Ok(log) = kairo.store().log(kairo::Position::START).try_collect::<Vec<_>>().await else {
        return false;
    };
    let named = |name| log.iter().filter(move |event: &&AnyEvent| event.name() == name);
    let samples: Vec<_> = named("sample.taken").collect();
    let numbers: HashSet<_> =
        samples.iter().map(|event| event.decode::<Sample>().unwrap().number).collect();
    numbers.len() == 6
        && samples.iter().all(|sample| {
            let echoes = named("echo.heard").filter(|it| it.causation() == Some(sample.id()));
            let count = echoes.count();
            assert!(count <= 1, "{count} echoes of {sample:?}");
            count == 1
        })
}

#[tokio::test]
async fn whichever_call_of_the_store_fails_everything_is_handled_and_published_once() {
    for when in [When::Before, When::After] {
        let mut nth = 1;
        while nth <= survives(nth, when).await.min(100) {
            nth += 1;
        }
        assert!(30 < nth, "so many calls can fail: {nth}");
    }
}

/// One life of a bus that may die at any call of its store; notes what was acknowledged.
async fn live(store: Arc<FaultyStore>, acknowledged: Journal<Uuid>) {
    let place = Place::memory();
    let kairo = place.bare().backend(store).start().await.unwrap();
    stumble(&kairo, &Journal::new()).await.unwrap();
    for number in 1..=5 {
        let published = kairo.publish(sample(number % 2, number)).await.unwrap();
        acknowledged.note(published.id());
    }
    let later = kairo.publish(sample("later", 6)).delay(Duration::from_millis(1));
    acknowledged.note(later.await.unwrap().id());
    eventually(async || is_echoed(&kairo).await || !letters(&kairo).await.is_empty()).await;
    let _ = kairo.dead_letters().reprocess_all(LetterFilter::default()).await.unwrap();
    eventually(async || is_echoed(&kairo).await).await;
}

/// Dies at a call and lives again on what the store has; how many calls the first life made.
async fn outlives(nth: u64, when: When) -> u64 {
    let inner = backend::open("memory:", &Clock::system()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::clone(&inner)));
    faulty.crash_nth(nth, when);
    let acknowledged = Journal::new();
    tokio::select! {
        () = faulty.crashed() => {}
        () = live(Arc::clone(&faulty), acknowledged.clone()) => {}
    }
    let calls = faulty.calls();
    let kairo = Place::memory().bare().backend(inner).start().await.unwrap();
    stumble(&kairo, &Journal::new()).await.unwrap();
    eventually(async || {
        let _ = kairo.dead_letters().reprocess_all(LetterFilter::default()).await.unwrap();
        let samples = logged(&kairo, "sample.taken").await;
        let echoes = logged(&kairo, "echo.heard").await;
        let count_of = |id| echoes.iter().filter(|echo| echo.causation() == Some(id)).count();
        assert!(samples.iter().all(|sample| count_of(sample.id()) <= 1), "call {nth}: {echoes:?}");
        let in_log = |id| samples.iter().any(|sample| sample.id() == id);
        samples.iter().all(|sample| count_of(sample.id()) == 1)
            && acknowledged.all().into_iter().all(in_log)
            && letters(&kairo).await.is_empty()
    })
    .await;
    kairo.shutdown().await.unwrap();
    calls
}

#[tokio::test]
async fn at_whichever_call_the_process_dies_what_was_acknowledged_is_handled_and_published_once() {
    for when in [When::Before, When::After] {
        let mut nth = 1;
        while nth <= outlives(nth, when).await.min(100) {
            nth += 1;
        }
        assert!(20 < nth, "it can die at so many calls: {nth}");
    }
}
