//! Dead letters: why an event dies, what is kept of it, and how it is found.

use std::time::Duration;

use kairo::{
    Reason, StreamName, backend,
    clock::Clock,
    delivery::LetterState,
    event::record::{EventData, Metadata},
    prelude::*,
    store::{Append, Unit},
};
use kairo_tests::support::{
    Busy, Journal, Place, Sample, eventually, letters, logged, on_each_store, sample, soon,
};

#[event("text.written")]
struct Text {
    text: String,
}

/// A record as some other program may have written it.
fn record(name: &str, schema: u32, payload: &[u8]) -> EventData {
    let clock = Clock::system();
    let id = clock.new_id();
    EventData {
        id,
        derived: false,
        name: kairo::EventName::new(name).unwrap(),
        schema,
        stream: StreamName::new("sample-a").unwrap(),
        time: clock.now(),
        correlation: id,
        causation: None,
        depth: 0,
        metadata: Metadata::new(),
        payload: payload.to_vec().into(),
    }
}

/// The reason for which an event dies when its handler does this.
async fn reason_of<F>(place: &Place, handle: impl Fn() -> F + Send + Sync + 'static) -> Reason
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let kairo = place.start().await;
    let subscribe = kairo.subscribe::<Sample>("dies").retry(RetryPolicy::new(0));
    let dies = subscribe.timeout(Duration::from_millis(20)).handle(move |_| handle());
    let dies = dies.await.unwrap();
    let published = kairo.publish(sample("a", 1)).await.unwrap();
    let outcome = soon(published.settled()).await.unwrap().outcome("dies");
    let letter = letters(&kairo).await.pop().unwrap();
    assert_eq!(outcome, Some(Outcome::Dead { letter: letter.id }));
    assert_eq!((letter.subscription.as_str(), letter.attempts), ("dies", 1));
    assert_eq!(letter.event().id(), published.id());
    dies.unsubscribe().await.unwrap();
    kairo.shutdown().await.unwrap();
    letter.reason
}

#[tokio::test]
async fn a_letter_says_why_its_event_is_dead() {
    on_each_store(async |place| {
        let reason = reason_of(&place, async || Err(Failure::permanent("no"))).await;
        assert_eq!(reason, Reason::Permanent);
        let reason = reason_of(&place, async || Err(Failure::retryable(Busy))).await;
        assert_eq!(reason, Reason::Exhausted);
        assert_eq!(reason_of(&place, async || panic!("ouch")).await, Reason::Panic);
        let reason = reason_of(&place, async || std::future::pending().await).await;
        assert_eq!(reason, Reason::TimedOut);
    })
    .await;
}

#[tokio::test]
async fn a_letter_keeps_the_whole_chain_of_errors() {
    #[derive(Debug)]
    struct Outer(Busy);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the gateway did not answer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    on_each_store(async |place| {
        let kairo = place.start().await;
        kairo
            .subscribe::<Sample>("dies")
            .retry(RetryPolicy::new(0))
            .handle(async |_| Err::<(), _>(Outer(Busy)))
            .await
            .unwrap();
        soon(kairo.publish(sample("a", 1)).await.unwrap().settled()).await.unwrap();
        let letter = letters(&kairo).await.remove(0);
        assert_eq!(letter.failures[0].errors, ["the gateway did not answer", "busy"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_undecodable_event_is_dead_with_its_bytes_and_others_go_on() {
    on_each_store(async |place| {
        let bytes: &[u8] = b"\xff\x00 no json";
        let store = backend::open(place.url(), &Clock::system()).await.unwrap();
        let kairo = place.bare().backend(store.clone()).start().await.unwrap();
        let seen = Journal::new();
        let note = seen.clone();
        kairo
            .subscribe::<Sample>("reads")
            .handle(move |event| {
                note.note(event.number);
                async {}
            })
            .await
            .unwrap();
        let append = Append::one(record("sample.taken", 1, bytes));
        store.commit(Unit::of_appends(vec![append])).await.unwrap();
        let next = kairo.publish(sample("a", 2)).await.unwrap();
        assert!(soon(next.settled()).await.unwrap().all_done());
        eventually(async || !letters(&kairo).await.is_empty()).await;
        let letter = letters(&kairo).await.remove(0);
        assert_eq!((letter.reason, letter.attempts), (Reason::Undecodable, 1));
        assert_eq!(letter.event().payload(), bytes);
        assert_eq!(seen.all(), [2]);
        let announced = logged(&kairo, "kairo.dead-letter.created").await.remove(0);
        let announced: DeadLetter = announced.decode().unwrap();
        assert_eq!(announced.event().payload(), bytes);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

/// Kills samples: those of even numbers for good, the others by use of all attempts.
async fn kill(kairo: &Kairo, name: &str, numbers: std::ops::Range<u64>) {
    let subscribe = kairo.subscribe::<Sample>(name.to_owned()).retry(RetryPolicy::new(0));
    let kills = subscribe.handle(async |event| {
        let even = event.number.is_multiple_of(2);
        Err::<(), _>(if even { Failure::permanent("even") } else { Failure::retryable("odd") })
    });
    kills.await.unwrap();
    for number in numbers {
        let published = kairo.publish(sample(number, number)).await.unwrap();
        soon(published.settled()).await.unwrap();
    }
}

fn numbers(letters: &[DeadLetter]) -> Vec<u64> {
    letters.iter().map(|letter| letter.event().decode::<Sample>().unwrap().number).collect()
}

#[tokio::test]
async fn filters_narrow_the_list_and_pages_follow_each_other() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        kill(&kairo, "kills", 0..10).await;
        let list = async |filter| numbers(&kairo.dead_letters().list(filter).await.unwrap());
        let filter = LetterFilter { reason: Some(Reason::Permanent), ..Default::default() };
        assert_eq!(list(filter).await, [0, 2, 4, 6, 8]);
        let filter = LetterFilter { subscription: Some("other".into()), ..Default::default() };
        assert!(list(filter).await.is_empty());
        let filter = LetterFilter { event: Some("sample.taken".into()), ..Default::default() };
        assert_eq!(list(filter).await.len(), 10);
        let third = letters(&kairo).await.remove(3);
        let until = LetterFilter { dead_until: Some(third.last_failed), ..Default::default() };
        assert_eq!(list(until).await, [0, 1, 2, 3]);
        let (mut after, mut pages) = (None, Vec::new());
        loop {
            let filter = LetterFilter { after, limit: Some(4), ..Default::default() };
            let page = kairo.dead_letters().list(filter).await.unwrap();
            let Some(end) = page.last() else { break };
            after = Some((end.last_failed, end.id));
            pages.push(numbers(&page));
        }
        assert_eq!(pages, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_removed_letter_is_gone_and_an_unknown_one_is_not_found() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        kill(&kairo, "kills", 0..6).await;
        let queue = kairo.dead_letters();
        let letter = letters(&kairo).await.remove(0);
        assert_eq!(queue.get(letter.id).await.unwrap().state, LetterState::Dead);
        queue.remove(letter.id).await.unwrap();
        for error in [
            queue.get(letter.id).await.unwrap_err(),
            queue.remove(letter.id).await.unwrap_err(),
            queue.reprocess(letter.id).await.unwrap_err(),
        ] {
            assert_eq!(error.to_string(), format!("there is no dead letter `{}`", letter.id));
        }
        let filter = LetterFilter { reason: Some(Reason::Permanent), ..Default::default() };
        assert_eq!(queue.remove_all(filter).await.unwrap(), 2);
        assert_eq!(numbers(&letters(&kairo).await), [1, 3, 5]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn every_letter_is_announced_by_an_event_once() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let rung = Journal::new();
        let note = rung.clone();
        kairo
            .on_dead_letter("ops", move |letter| {
                note.note(letter.id);
                async {}
            })
            .await
            .unwrap();
        kill(&kairo, "kills", 0..4).await;
        let ids: Vec<_> = letters(&kairo).await.iter().map(|letter| letter.id).collect();
        let mut seen = rung.at_least(4).await;
        seen.sort_unstable();
        assert_eq!(seen, ids);
        let announced = logged(&kairo, "kairo.dead-letter.created").await;
        assert_eq!(announced.len(), 4);
        let dead = &letters(&kairo).await[0];
        assert_eq!(announced[0].causation(), Some(dead.event().id()));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_failing_alarm_rings_no_other_alarm() {
    on_each_store(async |place| {
        let kairo = place.start_with(|bare| bare.max_retries(0)).await;
        let alarm = kairo.on_dead_letter("alarm", async |_| Err::<(), _>(Failure::permanent("no")));
        alarm.await.unwrap();
        kill(&kairo, "kills", 0..1).await;
        eventually(async || letters(&kairo).await.len() == 2).await;
        assert_eq!(logged(&kairo, "kairo.dead-letter.created").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_pattern_of_everything_leaves_out_the_systems_own_events() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (all, own) = (Journal::new(), Journal::new());
        for (name, pattern, journal) in [("all", "**", &all), ("own", "kairo.**", &own)] {
            let note = journal.clone();
            let subscribe = kairo.subscribe_any(name, pattern);
            let handled = subscribe.handle(move |event| {
                note.note(event.name().to_owned());
                async {}
            });
            handled.await.unwrap();
        }
        kill(&kairo, "kills", 0..1).await;
        own.at_least(1).await;
        soon(kairo.publish(sample("z", 1)).await.unwrap().handled()).await.unwrap();
        assert_eq!(all.all(), ["sample.taken"; 2]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_letter_of_the_largest_payload_is_kept_and_announced() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        kairo
            .subscribe_any("kills", "text.*")
            .handle(async |_| Err::<(), _>(Failure::permanent("no")))
            .await
            .unwrap();
        let large = Text { text: "x".repeat(1024 * 1024 - 11) };
        let large = kairo.publish(large).await.unwrap();
        soon(large.settled()).await.unwrap();
        assert_eq!(letters(&kairo).await.len(), 1);
        assert_eq!(logged(&kairo, "kairo.dead-letter.created").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
