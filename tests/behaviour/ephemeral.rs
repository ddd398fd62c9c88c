//! Ephemeral events: handled inside `publish`, in sequence, without a trace in the store.

use std::time::Duration;

use kairo::{Error, Position, prelude::*};
use kairo_tests::support::{Busy, Journal, Sample, logged, on_each_store, sample, soon};

#[event("page.viewed", ephemeral)]
struct Viewed {
    number: u64,
}

#[tokio::test]
async fn handlers_run_in_sequence_inside_publish_and_nothing_is_stored() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = Journal::new();
        for name in ["first", "second"] {
            let note = seen.clone();
            let subscribe = kairo.subscribe::<Viewed>(name);
            let handled = subscribe.handle(move |event| {
                let note = note.clone();
                async move {
                    note.note((name, "begins", event.number));
                    tokio::task::yield_now().await;
                    note.note((name, "ends", event.number));
                }
            });
            handled.await.unwrap();
        }
        let published = kairo.publish(Viewed { number: 1 }).await.unwrap();
        let expected = [
            ("first", "begins", 1),
            ("first", "ends", 1),
            ("second", "begins", 1),
            ("second", "ends", 1),
        ];
        assert_eq!(seen.all(), expected);
        assert!(published.handled().await.unwrap().all_done());
        assert_eq!(published.id(), Uuid::nil());
        assert_eq!(kairo.store().head().await.unwrap(), Position::START);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_retried_at_once_and_then_dropped() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let attempts = Journal::new();
        let note = attempts.clone();
        let policy = RetryPolicy::new(2).backoff(Duration::from_millis(1));
        let subscribe = kairo.subscribe::<Viewed>("flaky").retry(policy);
        let handled = subscribe.handle(move |event| {
            note.note(event.number);
            let succeeds = event.number == 1 && 1 < note.all().len();
            async move { if succeeds { Ok(()) } else { Err(Busy) } }
        });
        handled.await.unwrap();
        let published = soon(kairo.publish(Viewed { number: 1 }).into_future()).await.unwrap();
        assert!(published.handled().await.unwrap().all_done());
        let published = soon(kairo.publish(Viewed { number: 2 }).into_future()).await.unwrap();
        let outcome = published.handled().await.unwrap().outcome("flaky");
        assert_eq!(outcome, Some(Outcome::Dropped));
        assert_eq!(attempts.all(), [1, 1, 2, 2, 2]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_panic_and_a_permanent_failure_leave_the_others_alone() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let subscribe = kairo.subscribe::<Viewed>("a-panics").retry(RetryPolicy::new(0));
        let panics = subscribe.handle(async |event| {
            assert!(event.number != 1, "ouch");
        });
        panics.await.unwrap();
        let refuses = kairo.subscribe::<Viewed>("b-refuses");
        refuses.handle(async |_| Err::<(), _>(Failure::permanent("no"))).await.unwrap();
        let seen = Journal::new();
        let note = seen.clone();
        let subscribe = kairo.subscribe::<Viewed>("c-sees");
        let third = subscribe.handle(move |event| {
            note.note(event.number);
            async {}
        });
        third.await.unwrap();
        let published = kairo.publish(Viewed { number: 1 }).await.unwrap();
        let handled = published.handled().await.unwrap();
        assert_eq!(handled.outcome("a-panics"), Some(Outcome::Dropped));
        assert_eq!(handled.outcome("b-refuses"), Some(Outcome::Dropped));
        assert_eq!(seen.all(), [1]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn handlers_that_feed_each_other_end_in_an_error() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let (bus, depth) = (kairo.publisher(), Journal::new());
        let note = depth.clone();
        let subscribe = kairo.subscribe::<Viewed>("endless").retry(RetryPolicy::new(0));
        let endless = subscribe.handle(move |event| {
            let (bus, note) = (bus.clone(), note.clone());
            async move {
                note.note(event.number);
                let next = Viewed { number: event.number + 1 };
                bus.publish(next).await.map(drop)
            }
        });
        endless.await.unwrap();
        // The error ends the innermost publish; what surrounds it fails with it and is dropped.
        let published = soon(kairo.publish(Viewed { number: 1 }).into_future()).await;
        assert!(published.is_ok(), "{published:?}");
        assert_eq!(depth.all().len(), 16);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_an_ephemeral_handler_returns_is_durable() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let subscribe = kairo.subscribe::<Viewed>("counts");
        let counts =
            subscribe.handle(async |event| Ok::<_, Failure>(sample("viewed", event.number)));
        counts.await.unwrap();
        let _ = kairo.publish(Viewed { number: 7 }).await.unwrap();
        let log = logged(&kairo, "sample.taken").await;
        assert_eq!(log[0].decode::<Sample>().unwrap(), sample("viewed", 7));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_only_the_log_can_do_is_refused() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let viewed = || Viewed { number: 1 };
        let minute = Duration::from_mins(1);
        for error in [
            kairo.publish(viewed()).stream("s").await.unwrap_err(),
            kairo.publish(viewed()).expect(Version::NoStream).await.unwrap_err(),
            kairo.publish(viewed()).metadata("k", "v").await.unwrap_err(),
            kairo.publish(viewed()).delay(minute).await.unwrap_err(),
            kairo.publish_all([viewed()]).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Misuse(_)), "{error}");
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}
