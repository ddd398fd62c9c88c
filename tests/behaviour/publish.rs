//! Publishing: options, streams, versions, limits, causes.

use std::time::Duration;

use kairo::{Error, prelude::*};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, letters, logged, midnight, on_each_store,
    passing, sample, soon,
};

#[event("order.noted", stream = "order-{order}-notes")]
struct Noted {
    order: u32,
}

#[event("note.loose")]
struct Loose {
    text: String,
}

#[tokio::test]
async fn the_stream_comes_from_the_key_the_template_or_the_publisher() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let _ = kairo.publish(sample("a", 1)).await.unwrap();
        let _ = kairo.publish(Noted { order: 7 }).await.unwrap();
        let _ = kairo.publish(sample("a", 2)).stream("elsewhere").await.unwrap();
        let loose = kairo.publish(Loose { text: "x".into() }).await.unwrap();
        let streams = |events: Vec<AnyEvent>| {
            events.iter().map(|event| event.stream().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(streams(logged(&kairo, "sample.taken").await), ["sample-a", "elsewhere"]);
        assert_eq!(streams(logged(&kairo, "order.noted").await), ["order-7-notes"]);
        let own = format!("note-{}", loose.id().as_simple());
        assert_eq!(streams(logged(&kairo, "note.loose").await), [own]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn versions_count_from_one_in_each_stream() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        for (key, version) in [("a", 1), ("a", 2), ("b", 1), ("a", 3)] {
            let published = kairo.publish(sample(key, 0)).await.unwrap();
            assert_eq!(published.version(), Some(version));
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_conflict_names_both_versions_and_changes_nothing() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let publish = |version| kairo.publish(sample("a", 0)).expect(version);
        let _ = publish(Version::NoStream).await.unwrap();
        let _ = publish(Version::Exists).await.unwrap();
        let _ = publish(Version::At(2)).await.unwrap();
        for (version, shown) in [(Version::At(2), "2"), (Version::NoStream, "no stream")] {
            let error = publish(version).await.unwrap_err().to_string();
            assert_eq!(error, format!("stream `sample-a` is at version 3, expected {shown}"));
        }
        assert_eq!(logged(&kairo, "sample.taken").await.len(), 3);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn of_writers_that_expect_the_same_version_one_wins() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let races = (0..20).map(|n| kairo.publish(sample("a", n)).expect(Version::NoStream));
        let results = futures_util::future::join_all(races.map(IntoFuture::into_future)).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert_eq!(logged(&kairo, "sample.taken").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn publish_all_is_all_or_nothing_and_keeps_the_order() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let too_large = Loose { text: "x".repeat(2 * 1024 * 1024) };
        let error = kairo.publish_all([sample("a", 1)]).and(too_large).await.unwrap_err();
        assert!(matches!(error, Error::PayloadTooLarge { .. }), "{error}");
        assert!(logged(&kairo, "sample.taken").await.is_empty());
        let all = kairo.publish_all([sample("a", 1), sample("b", 2)]).and(Noted { order: 1 });
        let published = all.await.unwrap();
        let log = logged(&kairo, "sample.taken").await;
        let ids: Vec<_> = log.iter().map(AnyEvent::id).collect();
        assert_eq!(published.ids()[..2], ids);
        assert_eq!(published.ids().len(), 3);
        assert_eq!(log[0].decode::<Sample>().unwrap(), sample("a", 1));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn publishing_nothing_is_no_error() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let published = kairo.publish_all(Vec::<Sample>::new()).await.unwrap();
        assert_eq!((published.id(), published.position()), (Uuid::nil(), None));
        assert!(soon(published.handled()).await.unwrap().all_done());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_with_both_sizes() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let error = kairo.publish(Loose { text: "x".repeat(1024 * 1024) }).await.unwrap_err();
        let expected = "the payload of event `note.loose` has 1048587 bytes; the limit is 1048576";
        assert_eq!(error.to_string(), expected);
        let _ = kairo.publish(Loose { text: "x".repeat(1024 * 1024 - 11) }).await.unwrap();
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stream_name_that_cannot_be_is_refused() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        for stream in ["", "line\nbreak", &"x".repeat(256)] {
            let error = kairo.publish(sample("a", 1)).stream(stream).await.unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
        assert!(logged(&kairo, "sample.taken").await.is_empty());
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_of_unknown_type_is_made_from_json_that_its_type_accepts() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = Journal::new();
        let note = seen.clone();
        kairo
            .subscribe::<Sample>("seen")
            .handle(move |event| {
                note.note(event.payload().clone());
                async {}
            })
            .await
            .unwrap();
        let payload = kairo::serde_json::json!({ "key": "a", "number": 3 });
        let event = AnyEvent::new("sample.taken", payload).unwrap();
        let published = kairo.publish(event).await.unwrap();
        assert!(soon(published.handled()).await.unwrap().all_done());
        assert_eq!(seen.all(), [sample("a", 3)]);
        let log = logged(&kairo, "sample.taken").await;
        assert_eq!(log[0].stream().as_str(), "sample-a");
        kairo.shutdown().await.unwrap();
    })
    .await;
    let refused = |name, json| AnyEvent::from_json(name, json).unwrap_err();
    assert!(matches!(refused("sample.taken", r#"{"key":1}"#), Error::Decode(_)));
    assert!(matches!(refused("sample.unknown", "{}"), Error::NotFound { .. }));
    assert!(matches!(refused("Not A Name", "{}"), Error::Invalid { .. }));
}

#[tokio::test]
async fn metadata_and_correlation_are_what_the_publisher_says() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let belongs = Uuid::from_u128(7);
        let publish = kairo.publish(sample("a", 1)).correlation(belongs).metadata("by", "ada");
        let published = publish.await.unwrap();
        let event = logged(&kairo, "sample.taken").await.remove(0);
        assert_eq!(event.id(), published.id());
        assert_eq!((event.correlation(), event.causation()), (belongs, None));
        assert_eq!(event.metadata().get("by").map(String::as_str), Some("ada"));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_a_handler_publishes_or_returns_has_its_event_as_the_cause() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let bus = kairo.publisher();
        kairo
            .subscribe::<Sample>("echo")
            .handle(move |event| {
                let bus = bus.clone();
                async move {
                    let _ = bus.publish(Loose { text: "said".into() }).await?;
                    Ok::<_, Error>(Echo::from(event.payload()))
                }
            })
            .await
            .unwrap();
        let cause = kairo.publish(sample("a", 1)).correlation(Uuid::from_u128(7)).await.unwrap();
        soon(cause.settled()).await.unwrap();
        for name in ["note.loose", "echo.heard"] {
            let caused = logged(&kairo, name).await;
            assert_eq!(caused.len(), 1, "{name}");
            assert_eq!(caused[0].causation(), Some(cause.id()));
            assert_eq!(caused[0].correlation(), Uuid::from_u128(7));
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_runs_again_has_published_once() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let bus = kairo.publisher();
        let attempts = Journal::new();
        let note = attempts.clone();
        kairo
            .subscribe::<Sample>("flaky")
            .handle(move |event| {
                note.note(());
                let (bus, attempts) = (bus.clone(), note.all().len());
                async move {
                    for number in [1, 2] {
                        let echo = Echo { number, ..Echo::from(event.payload()) };
                        let _ = bus.publish(echo).expect(Version::At(number - 1)).await?;
                    }
                    let later = bus.publish(Loose { text: "later".into() });
                    let _ = later.delay(Duration::from_millis(1)).await?;
                    if attempts < 3 { Err(Failure::retryable(Busy)) } else { Ok(()) }
                }
            })
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(attempts.all().len(), 3);
        assert_eq!(logged(&kairo, "echo.heard").await.len(), 2);
        eventually(async || !logged(&kairo, "note.loose").await.is_empty()).await;
        assert_eq!(logged(&kairo, "note.loose").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_chain_of_more_than_64_causes_is_a_permanent_failure() {
    for returned in [true, false] {
        on_each_store(async |place| {
            let kairo = place.start().await;
            let bus = kairo.publisher();
            let endless = kairo.subscribe::<Sample>("endless").handle(move |event| {
                let bus = bus.clone();
                async move {
                    let next = sample("again", event.number + 1);
                    if returned {
                        return Ok::<_, Error>(Some(next));
                    }
                    let _ = bus.publish(next).await?;
                    Ok(None)
                }
            });
            endless.await.unwrap();
            let _ = kairo.publish(sample("again", 0)).await.unwrap();
            eventually(async || !letters(&kairo).await.is_empty()).await;
            let letter = letters(&kairo).await.remove(0);
            assert_eq!(letter.reason, kairo::Reason::Permanent, "{}", letter.error());
            assert_eq!(letter.event().decode::<Sample>().unwrap().number, 64);
            assert_eq!(logged(&kairo, "sample.taken").await.len(), 65);
            kairo.shutdown().await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn waiting_for_handlers_inside_a_handler_is_an_error_at_once() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let bus = kairo.publisher();
        let errors = Journal::new();
        let note = errors.clone();
        kairo
            .subscribe::<Sample>("waits")
            .handle(move |event| {
                let (bus, note) = (bus.clone(), note.clone());
                async move {
                    let published = bus.publish(Echo::from(event.payload())).await?;
                    note.note(published.handled().await.unwrap_err().to_string());
                    note.note(published.settled().await.unwrap_err().to_string());
                    Ok::<_, Error>(())
                }
            })
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        let expected = "inside a handler, waiting for handlers would wait for itself";
        assert_eq!(errors.all(), [expected, expected]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn dropping_a_wait_cancels_nothing() {
    on_each_store(async |place| {
        let clock = kairo::clock::Clock::manual(midnight());
        let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
        let seen = Journal::new();
        let note = seen.clone();
        kairo
            .subscribe::<Sample>("twice")
            .retry(RetryPolicy::new(1).backoff(Duration::from_mins(1)))
            .handle(move |_| {
                note.note(());
                let first = note.all().len() == 1;
                async move { if first { Err(Busy) } else { Ok(()) } }
            })
            .await
            .unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        drop(published.handled());
        assert!(!soon(published.handled()).await.unwrap().all_done());
        drop(published.settled());
        let settled = passing(&clock, Duration::from_secs(1), published.settled()).await;
        assert!(settled.unwrap().all_done());
        assert_eq!(seen.all().len(), 2);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn after_the_shutdown_nothing_is_accepted() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let publisher = kairo.publisher();
        kairo.shutdown().await.unwrap();
        assert!(matches!(kairo.publish(sample("a", 1)).await, Err(Error::Closed)));
        drop(kairo);
        assert!(matches!(publisher.publish(sample("a", 1)).await, Err(Error::Closed)));
    })
    .await;
}

#[tokio::test]
async fn what_a_loss_of_power_can_take_says_so() {
    let relaxed = Place::sqlite();
    let full = relaxed.url().replace("normal", "full");
    for (url, is_relaxed) in [(relaxed.url(), true), (full.as_str(), false)] {
        let kairo = relaxed.start_with(|bare| bare.store(url)).await;
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        assert_eq!(published.is_relaxed(), is_relaxed, "{url}");
        kairo.shutdown().await.unwrap();
    }
}
