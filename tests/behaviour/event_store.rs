//! The event store: appending at a version, reading, replaying, deleting.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use kairo::{Error, EventStore, Position, Version, clock::Clock, prelude::*};
use kairo_tests::support::{
    Busy, Echo, Journal, Place, Sample, eventually, logged, midnight, on_each_store, sample, soon,
};

/// No numbers.
const NONE: [u64; 0] = [];

/// Appends samples `1..=count` to the stream of a key.
async fn fill(store: &EventStore, key: &str, count: u64) {
    let stream = format!("sample-{key}");
    let samples = (1..=count).map(|number| sample(key, number));
    store.append(stream, Version::Any, samples).await.unwrap();
}

async fn numbers(events: impl futures_util::Stream<Item = kairo::Result<AnyEvent>>) -> Vec<u64> {
    let number = |event: AnyEvent| event.decode::<Sample>().unwrap().number;
    events.map_ok(number).try_collect().await.unwrap()
}

#[tokio::test]
async fn an_append_expects_its_version() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        let append =
            |expected| store.append("sample-a", expected, [sample("a", 1), sample("a", 2)]);
        assert!(matches!(append(Version::Exists).await, Err(Error::Conflict { actual: 0, .. })));
        let placed = append(Version::NoStream).await.unwrap();
        assert_eq!(placed.iter().map(|it| it.version).collect::<Vec<_>>(), [1, 2]);
        assert!(placed[0].position < placed[1].position);
        append(Version::At(2)).await.unwrap();
        append(Version::Exists).await.unwrap();
        append(Version::Any).await.unwrap();
        for (expected, shown) in
            [(Version::NoStream, "no stream"), (Version::At(2), "2"), (Version::At(9), "9")]
        {
            let error = append(expected).await.unwrap_err();
            let text = format!("stream `sample-a` is at version 8, expected {shown}");
            assert_eq!(error.to_string(), text);
        }
        let nothing = store.append("sample-a", Version::At(1), Vec::<Sample>::new()).await.unwrap();
        assert!(nothing.is_empty());
        assert_eq!(logged(&kairo, "sample.taken").await.len(), 8);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_read_in_both_directions_and_in_part() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        // More than one page.
        fill(&store, "a", 600).await;
        fill(&store, "b", 3).await;
        let stream = || store.stream("sample-a");
        assert_eq!(numbers(stream()).await, (1..=600).collect::<Vec<_>>());
        assert_eq!(numbers(stream().backwards()).await, (1..=600).rev().collect::<Vec<_>>());
        let part = || stream().from_version(255).to_version(258);
        assert_eq!(numbers(part()).await, [255, 256, 257, 258]);
        assert_eq!(numbers(part().backwards()).await, [258, 257, 256, 255]);
        assert_eq!(numbers(stream().from_version(601)).await, NONE);
        assert_eq!(numbers(stream().from_version(5).to_version(4)).await, NONE);
        assert_eq!(numbers(stream().to_version(0).backwards()).await, NONE);
        assert_eq!(numbers(stream().backwards().take(2)).await, [600, 599]);
        assert_eq!(numbers(store.stream("sample-nobody")).await, NONE);
        let error = store.stream("").try_collect::<Vec<_>>().await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_read_as_it_was() {
    let clock = Clock::manual(midnight());
    let place = Place::sqlite();
    let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
    let store = kairo.store();
    let mut times = Vec::new();
    for number in 1..=4 {
        clock.advance(Duration::from_secs(60));
        times.push(clock.now());
        store.append("sample-a", Version::Any, [sample("a", number)]).await.unwrap();
    }
    for (index, time) in times.iter().enumerate() {
        let until: Vec<u64> = (1..=index as u64 + 1).collect();
        assert_eq!(numbers(store.stream("sample-a").to_time(*time)).await, until);
        let backwards = numbers(store.stream("sample-a").backwards().to_time(*time)).await;
        assert_eq!(backwards, until.into_iter().rev().collect::<Vec<_>>());
    }
    assert_eq!(numbers(store.stream("sample-a").to_time(midnight())).await, NONE);
    assert_eq!(numbers(store.between(times[1], times[3])).await, [2, 3]);
    assert_eq!(numbers(store.between(times[3], times[1])).await, NONE);
    assert_eq!(numbers(store.between(times[1], times[3]).of_type("echo.heard")).await, NONE);
    let of_type = store.between(times[1], times[3]).of_type("sample.*");
    assert_eq!(numbers(of_type).await, [2, 3]);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn events_are_found_by_name_and_pattern() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        fill(&store, "a", 2).await;
        let echo = Echo { key: "a".to_owned(), number: 7 };
        store.append("echo-a", Version::Any, [echo]).await.unwrap();
        let names = async |pattern: &str| {
            let name = |event: AnyEvent| event.name().to_owned();
            store.by_type(pattern).map_ok(name).try_collect::<Vec<_>>().await.unwrap()
        };
        assert_eq!(names("echo.heard").await, ["echo.heard"]);
        assert_eq!(names("sample.*").await, ["sample.taken", "sample.taken"]);
        assert_eq!(names("**").await, ["sample.taken", "sample.taken", "echo.heard"]);
        assert_eq!(names("nobody.*").await, [""; 0]);
        for wrong in ["Sample", "**.taken", ""] {
            let error = store.by_type(wrong).try_collect::<Vec<_>>().await.unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_tail_goes_on_with_what_comes_in() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        fill(&store, "a", 300).await;
        let mut tail = store.tail(Position::START);
        let mut next = async || {
            let event = soon(tail.next()).await.unwrap().unwrap();
            event.decode::<Sample>().unwrap().number
        };
        for number in 1..=300 {
            assert_eq!(next().await, number);
        }
        for number in 301..=303 {
            kairo.publish(sample("a", number)).await.unwrap();
            assert_eq!(next().await, number);
        }
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_replayed_through_a_function_until_it_fails() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        fill(&store, "a", 5).await;
        let seen = Journal::new();
        let replay = async |fails_at| {
            let replay = |event: AnyEvent| {
                let version = event.version();
                seen.note(version);
                async move { if version == fails_at { Err(Busy) } else { Ok(()) } }
            };
            store.replay("sample-a", replay).await
        };
        assert_eq!(replay(0).await.unwrap(), 5);
        let error = replay(3).await.unwrap_err();
        let shown = "replaying `sample-a` failed at its version 3, `sample.taken`: busy";
        assert_eq!(error.to_string(), shown);
        assert_eq!(seen.all(), [1, 2, 3, 4, 5, 1, 2, 3]);
        let missing = store.replay("sample-b", async |_| Ok::<_, Busy>(())).await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no stream `sample-b`");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_replayed_through_a_handler_and_publishes_nothing_twice() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = Journal::new();
        let noted = seen.clone();
        let handle = move |event: Envelope<Sample>| {
            noted.note(event.number);
            async move { Echo::from(event.payload()) }
        };
        kairo.subscribe::<Sample>("shop::echoes").handle(handle).await.unwrap();
        for number in 1..=3 {
            let published = kairo.publish(sample("a", number)).await.unwrap();
            soon(published.handled()).await.unwrap();
        }
        assert_eq!(kairo.replay("sample-a", "echoes").await.unwrap(), 3);
        assert_eq!(seen.all(), [1, 2, 3, 1, 2, 3]);
        assert_eq!(logged(&kairo, "echo.heard").await.len(), 3);
        let error = kairo.replay("sample-a", "shop::echos").await.unwrap_err();
        let shown = "there is no handler `shop::echos; did you mean `shop::echoes`?`";
        assert_eq!(error.to_string(), shown);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn several_streams_are_projected_in_log_order() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        for number in 1..=6 {
            let key = ["a", "b", "c"][usize::try_from(number).unwrap() % 3];
            kairo.publish(sample(key, number)).await.unwrap();
        }
        let apply = |seen: &mut Vec<u64>, event: &AnyEvent| {
            seen.push(event.decode::<Sample>()?.number);
            Ok(())
        };
        let streams = ["sample-c", "sample-nobody", "sample-a"];
        assert_eq!(store.project(streams, Vec::new(), apply).await.unwrap(), [2, 3, 5, 6]);
        let fails = |_: &mut (), _: &AnyEvent| Err(Error::Misuse("no"));
        assert!(matches!(store.project(streams, (), fails).await, Err(Error::Misuse("no"))));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_deleted_stream_goes_on_and_a_tombstone_does_not() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        fill(&store, "a", 3).await;
        fill(&store, "b", 2).await;
        assert!(matches!(
            store.delete("sample-a", Version::At(2)).await,
            Err(Error::Conflict { .. })
        ));
        store.delete("sample-a", Version::At(3)).await.unwrap();
        assert_eq!(numbers(store.stream("sample-a")).await, NONE);
        let stats = store.stats("sample-a").await.unwrap();
        assert_eq!((stats.events, stats.version, stats.tombstone), (0, 3, false));
        let placed = store.append("sample-a", Version::NoStream, [sample("a", 4)]).await.unwrap();
        assert_eq!(placed[0].version, 4);
        store.tombstone("sample-a", Version::Any).await.unwrap();
        store.tombstone("sample-a", Version::Any).await.unwrap();
        for expected in [Version::Any, Version::NoStream, Version::At(4)] {
            let error = store.append("sample-a", expected, [sample("a", 5)]).await.unwrap_err();
            let shown = "stream `sample-a` has been deleted for good: use another name";
            assert_eq!(error.to_string(), shown);
        }
        assert!(store.stats("sample-a").await.unwrap().tombstone);
        assert_eq!(numbers(store.log(Position::START)).await, [1, 2]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn stats_say_what_a_stream_holds() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let store = kairo.store();
        fill(&store, "a", 3).await;
        let events: Vec<_> = store.stream("sample-a").try_collect().await.unwrap();
        let stats = store.stats("sample-a").await.unwrap();
        let bytes: usize = events.iter().map(|event| event.payload().len()).sum();
        assert_eq!((stats.events, stats.bytes, stats.version), (3, bytes as u64, 3));
        let (first, last) = (stats.first.unwrap(), stats.last.unwrap());
        assert_eq!((first.version, first.position), (1, events[0].position()));
        assert_eq!((last.version, last.time), (3, events[2].time()));
        let error = store.stats("sample-b").await.unwrap_err();
        assert_eq!(error.to_string(), "there is no stream `sample-b`");
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn retention_deletes_what_is_old_and_was_passed_by_all() {
    let clock = Clock::manual(midnight());
    let place = Place::sqlite();
    let kairo = place.start_with(|bare| bare.clock(clock.clone())).await;
    let seen = Journal::new();
    let noted = seen.clone();
    let handle = move |event: Envelope<Sample>| {
        noted.note(event.number);
        async {}
    };
    let subscription = kairo.subscribe::<Sample>("slow").handle(handle).await.unwrap();
    kairo.publish(sample("a", 1)).await.unwrap().handled().await.unwrap();
    subscription.pause().await.unwrap();
    kairo.publish(sample("a", 2)).await.unwrap();
    clock.advance(Duration::from_secs(60));
    let store = kairo.store();
    // What was handled is written down a moment later.
    eventually(async || 0 < store.prune(clock.now(), &[]).await.unwrap()).await;
    assert_eq!(numbers(store.stream("sample-a")).await, [2]);
    assert_eq!(store.prune(clock.now(), &["echo.heard"]).await.unwrap(), 0);
    assert!(matches!(store.prune(clock.now(), &["Echo"]).await, Err(Error::Invalid { .. })));
    subscription.resume().await.unwrap();
    seen.at_least(2).await;
    assert_eq!(seen.all(), [1, 2]);
    kairo.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_store_is_opened_without_a_bus() {
    let place = Place::sqlite();
    let store = EventStore::open(place.url()).await.unwrap();
    fill(&store, "a", 2).await;
    store.close().await.unwrap();
    assert!(matches!(store.head().await, Err(Error::Closed)));
    let kairo = place.start().await;
    assert_eq!(logged(&kairo, "sample.taken").await.len(), 2);
    kairo.shutdown().await.unwrap();
}
