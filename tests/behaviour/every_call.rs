//! Every call of the store in turn: it fails, or its caller dies.

use std::{collections::HashSet, future, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use kairo::{
    Error, backend,
    clock::Clock,
    prelude::*,
    testing::faults::{FaultyStore, When},
};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, letters, logged, sample,
};

/// How many of the first calls go wrong, each in a story of its own.
const CALLS_MAX: u64 = 100;

/// How many stories are told side by side: most of their time is pauses.
const SIDE_BY_SIDE: usize = 16;

/// Tells a story once for each call, before and after which something goes wrong; a story brings
/// how many calls it made. Returns how many calls could go wrong.
async fn at_each_call<F: Future<Output = u64>>(story: impl Fn(u64, When) -> F) -> usize {
    let mut fewest = usize::MAX;
    for when in [When::Before, When::After] {
        let tell = |nth| {
            let told = story(nth, when);
            async move { nth <= told.await }
        };
        let told = stream::iter(1..=CALLS_MAX).map(tell).buffered(SIDE_BY_SIDE);
        fewest = fewest.min(told.take_while(|reached| future::ready(*reached)).count().await);
    }
    fewest
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
        let first = attempts.is_new(event.id());
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

/// Lives on a store of which one call fails; how many calls there were.
async fn survives(place: Place, nth: u64, when: When) -> u64 {
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
    for make in [Place::memory, Place::sqlite] {
        let calls = at_each_call(|nth, when| survives(make(), nth, when)).await;
        assert!(30 < calls, "so many calls can fail: {calls}");
    }
}

/// One life of a bus that may die at any call of its store; notes what was acknowledged.
async fn live(place: &Place, store: Arc<FaultyStore>, acknowledged: Journal<Uuid>) {
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
async fn outlives(place: Place, nth: u64, when: When) -> u64 {
    let inner = backend::open(place.url(), &Clock::system()).await.unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::clone(&inner)));
    faulty.crash_nth(nth, when);
    let acknowledged = Journal::new();
    tokio::select! {
        () = faulty.crashed() => {}
        () = live(&place, Arc::clone(&faulty), acknowledged.clone()) => {}
    }
    let calls = faulty.calls();
    let kairo = place.bare().backend(inner).start().await.unwrap();
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
    for make in [Place::memory, Place::sqlite] {
        let calls = at_each_call(|nth, when| outlives(make(), nth, when)).await;
        assert!(20 < calls, "it can die at so many calls: {calls}");
    }
}
