//! Trouble with the store: nothing is lost, and what handlers publish is in the log once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use kairo::{
    Error, backend,
    clock::Clock,
    prelude::*,
    testing::faults::{Call, FaultyStore, When},
};
use kairo_tests::support::{
    Busy, Echo, Gate, Journal, Place, Sample, dies_at_first, eventually, letters, logged, midnight,
    on_each_store, passing, sample, soon,
};

async fn open(place: &Place) -> (Kairo, Arc<FaultyStore>) {
    open_at(place, &Clock::system()).await
}

async fn open_at(place: &Place, clock: &Clock) -> (Kairo, Arc<FaultyStore>) {
    let faulty = Arc::new(FaultyStore::new(backend::open(place.url(), clock).await.unwrap()));
    let builder = place.bare().clock(clock.clone()).backend(Arc::clone(&faulty) as _);
    (builder.start().await.unwrap(), faulty)
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
        let first = attempts.is_new(event.number);
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
        let gate = Gate::shut();
        let runs = dies_at_first(&kairo, "second-time", &gate).await;
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
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// Lets changes of letters fail after they have happened, and the looks at letters that follow
/// them as well if that is wanted.
fn fail_changes_of_letters(faulty: &FaultyStore, looks_fail: bool) {
    let removed = AtomicBool::new(false);
    faulty.fail_where(move |_, call| match call {
        Call::Commit(unit) if !unit.letters.is_empty() => {
            removed.store(true, Ordering::SeqCst);
            Some(When::After)
        }
        Call::Letter if looks_fail && removed.load(Ordering::SeqCst) => Some(When::Before),
        _ => None,
    });
}

/// A bus whose subscription `holds` has a letter of sample 1, which holds up sample 2.
async fn held_up(kairo: &Kairo, seen: &Journal<u64>) -> DeadLetter {
    let note = seen.clone();
    let handled = kairo.subscribe::<Sample>("holds").hold_key_on_dead().handle(move |event| {
        note.note(event.number);
        async move { if event.number == 1 { Err(Failure::permanent("one")) } else { Ok(()) } }
    });
    handled.await.unwrap();
    let _ = kairo.publish_all([sample("a", 1), sample("a", 2)]).await.unwrap();
    eventually(async || !letters(kairo).await.is_empty()).await;
    letters(kairo).await.remove(0)
}

#[tokio::test]
async fn a_removal_that_the_store_has_made_and_denied_lets_the_key_go() {
    on_each_store(async |place| {
        let (kairo, faulty) = open(&place).await;
        let seen = Journal::new();
        let letter = held_up(&kairo, &seen).await;
        fail_changes_of_letters(&faulty, false);
        kairo.dead_letters().remove(letter.id).await.unwrap();
        assert_eq!(seen.at_least(2).await, [1, 2]);
        assert_eq!(faulty.faults(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// A letter that holds up sample 2, and a store that fails at telling what becomes of letters.
struct Unsure {
    clock: Clock,
    kairo: Kairo,
    faulty: Arc<FaultyStore>,
    seen: Journal<u64>,
    letter: DeadLetter,
}

/// How the clock moves on while nobody is sure.
const STEP: Duration = Duration::from_millis(100);

async fn unsure(place: &Place) -> Unsure {
    let (clock, seen) = (Clock::manual(midnight()), Journal::new());
    let (kairo, faulty) = open_at(place, &clock).await;
    let letter = passing(&clock, STEP, held_up(&kairo, &seen)).await;
    fail_changes_of_letters(&faulty, true);
    Unsure { clock, kairo, faulty, seen, letter }
}

#[tokio::test]
async fn a_removal_that_nobody_could_be_sure_of_lets_the_key_go_when_it_is_repeated() {
    on_each_store(async |place| {
        let Unsure { clock, kairo, faulty, seen, letter } = unsure(&place).await;
        let queue = kairo.dead_letters();
        let error = passing(&clock, STEP, queue.remove(letter.id)).await.unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error}");
        faulty.fail_where(|_, _| None);
        assert_eq!(seen.all(), [1], "nobody knows yet that the letter has gone");
        let error = queue.remove(letter.id).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        assert_eq!(seen.at_least(2).await, [1, 2]);
        passing(&clock, STEP, kairo.shutdown()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_removal_that_nobody_could_be_sure_of_lets_the_key_go_once_the_store_answers() {
    on_each_store(async |place| {
        let Unsure { clock, kairo, faulty, seen, .. } = unsure(&place).await;
        let queue = kairo.dead_letters();
        let error = passing(&clock, STEP, queue.remove_all(LetterFilter::default())).await;
        assert!(matches!(error, Err(Error::Store { .. })), "{error:?}");
        assert_eq!(seen.all(), [1], "nobody knows yet that the letter has gone");
        faulty.fail_where(|_, _| None);
        assert_eq!(passing(&clock, STEP, seen.at_least(2)).await, [1, 2]);
        passing(&clock, STEP, kairo.shutdown()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_nobody_could_be_sure_is_reprocessed_runs_once_the_store_answers() {
    on_each_store(async |place| {
        let Unsure { clock, kairo, faulty, seen, letter } = unsure(&place).await;
        let queue = kairo.dead_letters();
        let error = passing(&clock, STEP, queue.reprocess(letter.id)).await.map(drop);
        assert!(matches!(error, Err(Error::Store { .. })), "{error:?}");
        faulty.fail_where(|_, _| None);
        assert_eq!(passing(&clock, STEP, seen.at_least(2)).await, [1, 1]);
        passing(&clock, STEP, kairo.shutdown()).await.unwrap();
    })
    .await;
}
