//! The laws of deleting what is old, and of sizes, each in a store of its own.

use std::borrow::Borrow;

use bytes::Bytes;

use super::case::{Case, ids, later};
use crate::{
    clock::Timestamp,
    delivery::{Parked, Progress},
    error::Result,
    event::record::{EventData, Recorded},
    store::{
        Direction, PAGE_BYTES_MAX, PAYLOAD_MAX, Placed, Position, Selection, StreamRange, Version,
    },
};

fn at(seconds: u64) -> Timestamp {
    later(Timestamp::UNIX_EPOCH, seconds)
}

/// Appends an event that was published at a time.
async fn append(case: &Case, stream: &str, name: &str, seconds: u64) -> Result<Placed> {
    let event = EventData { time: at(seconds), name: case.name(name), ..case.event(stream) };
    case.append(event).await
}

/// Appends events to the stream `one`, a second apart.
async fn append_six(case: &Case) -> Result<Vec<Placed>> {
    let mut placed = Vec::new();
    for seconds in 1..=6 {
        placed.push(append(case, "one", "red", seconds).await?);
    }
    Ok(placed)
}

async fn versions(case: &Case, stream: &str) -> Result<Vec<u64>> {
    Ok(case.events_of(stream).await?.iter().map(|event| event.version).collect())
}

/// At most as many as asked for, and none that is not before the time.
pub async fn pruning_deletes_the_oldest_first(case: Case) -> Result {
    append_six(&case).await?;
    let prune = async |seconds, limit| case.store.prune(at(seconds), &Selection::All, limit).await;
    assert_eq!(prune(1, 100).await?, 0);
    assert_eq!(prune(5, 0).await?, 0);
    assert_eq!(prune(5, 3).await?, 3);
    assert_eq!(versions(&case, "one").await?, [4, 5, 6]);
    assert_eq!(prune(5, 3).await?, 1);
    assert_eq!(versions(&case, "one").await?, [5, 6]);
    assert_eq!(prune(5, 3).await?, 0);
    let stats = case.store.stream_stats(&case.stream("one")).await?.expect("it has events");
    assert_eq!((stats.events, stats.version), (2, 6));
    assert_eq!(stats.first.map(|first| first.version), Some(5));
    assert_eq!(case.append_at("one", Version::At(6)).await?.version, 7);
    assert_eq!(prune(u64::from(u32::MAX), usize::MAX >> 1).await?, 3);
    assert_eq!(case.append_at("one", Version::NoStream).await?.version, 8);
    Ok(())
}

/// Events of other names, and of other times, stay.
pub async fn pruning_deletes_what_is_selected(case: Case) -> Result {
    for seconds in 1..=4 {
        append(&case, "one", "red", seconds).await?;
        append(&case, "one", "blue", seconds).await?;
    }
    let red = vec![case.name("red")];
    let none = Selection::Names(Vec::new());
    assert_eq!(case.store.prune(at(9), &none, 100).await?, 0);
    let between = Selection::Between { names: red.clone(), from: at(2), until: at(4) };
    assert_eq!(case.store.prune(at(9), &between, 100).await?, 2);
    assert_eq!(versions(&case, "one").await?, [1, 2, 4, 6, 7, 8]);
    assert_eq!(case.store.prune(at(4), &Selection::Names(red), 100).await?, 1);
    assert_eq!(versions(&case, "one").await?, [2, 4, 6, 7, 8]);
    Ok(())
}

/// What a subscription has not passed, or has parked, stays.
pub async fn pruning_keeps_what_somebody_needs(case: Case) -> Result {
    let placed = append_six(&case).await?;
    let prune = async || case.store.prune(at(9), &Selection::All, 100).await;
    let mail = case.claim("mail").await?;
    let slow = case.claim("slow").await?;
    let advance = async |low: &Placed, park: &[&Placed], unpark: &[&Placed]| {
        let parked = |it: &&Placed| Parked {
            key: case.stream("one").to_string(),
            ..case.parked(it.position)
        };
        let progress = Progress {
            park: park.iter().map(parked).collect(),
            unpark: unpark.iter().map(|it| it.position).collect(),
            ..case.progress("mail", mail.epoch, low.position)
        };
        case.advance(progress).await
    };
    advance(&placed[3], &[&placed[1]], &[]).await?;
    assert_eq!(prune().await?, 0, "one has passed nothing");
    case.advance(case.progress("slow", slow.epoch, placed[0].position)).await?;
    assert_eq!(prune().await?, 1);
    assert!(case.store.remove_subscription(case.subscription("slow")).await?);
    assert_eq!(prune().await?, 2);
    assert_eq!(versions(&case, "one").await?, [2, 5, 6]);
    advance(&placed[5], &[], &[&placed[1]]).await?;
    assert_eq!(prune().await?, 3);
    assert!(versions(&case, "one").await?.is_empty());
    assert_eq!(case.append_at("one", Version::At(6)).await?.version, 7);
    Ok(())
}

/// Also where older ones of its events are left.
pub async fn a_pruned_stream_goes_on_behind_its_last_version(case: Case) -> Result {
    append(&case, "one", "red", 1).await?;
    append(&case, "one", "blue", 2).await?;
    append(&case, "one", "blue", 3).await?;
    let blue = Selection::Names(vec![case.name("blue")]);
    assert_eq!(case.store.prune(at(9), &blue, 100).await?, 2);
    let stats = case.store.stream_stats(&case.stream("one")).await?.expect("one event is left");
    assert_eq!((stats.events, stats.version), (1, 3));
    assert_eq!(stats.last.map(|last| last.version), Some(1));
    assert!(case.append_at("one", Version::At(1)).await.is_err());
    assert_eq!(case.append_at("one", Version::At(3)).await?.version, 4);
    assert_eq!(case.append_at("one", Version::Exists).await?.version, 5);
    assert_eq!(versions(&case, "one").await?, [1, 4, 5]);
    Ok(())
}

/// It is all that is left of what was deleted, also when it comes a little later.
pub async fn a_snapshot_outlives_pruning(case: Case) -> Result {
    append_six(&case).await?;
    case.keep(case.snapshot("one", "user", 6)).await?;
    assert_eq!(case.store.prune(at(9), &Selection::All, 100).await?, 6);
    assert_eq!(case.kept("one", "user").await?, Some(6));
    case.keep(case.snapshot("one", "late", 6)).await?;
    assert_eq!(case.kept("one", "late").await?, Some(6));
    case.append_at("one", Version::At(6)).await?;
    case.keep(case.snapshot("one", "user", 7)).await?;
    assert_eq!(case.kept("one", "user").await?, Some(7));
    Ok(())
}

/// However many events are asked for, and in each direction.
pub async fn a_page_of_large_events_is_short(case: Case) -> Result {
    let mut expected = Vec::new();
    for _ in 0..6 {
        let payload = Bytes::from(vec![b'x'; PAYLOAD_MAX]);
        expected.push(case.append(EventData { payload, ..case.event("one") }).await?.id);
    }
    let mut after = Position::START;
    let mut found = Vec::new();
    loop {
        let page = case.store.read_log(after, &Selection::All, 100).await?;
        check_page(&page.events);
        found.extend(ids(&page.events));
        after = page.end;
        if page.complete {
            break;
        }
    }
    assert_eq!(found, expected);
    for direction in [Direction::Forwards, Direction::Backwards] {
        let mut range = StreamRange { direction, ..StreamRange::ALL };
        let mut found = Vec::new();
        loop {
            let events = case.store.read_stream(&case.stream("one"), range, 100).await?;
            check_page(&events);
            let Some(last) = events.last() else { break };
            range = range.behind(last.version);
            found.extend(ids(&events));
        }
        assert_eq!(found, expected);
        expected.reverse();
    }
    Ok(())
}

#[track_caller]
fn check_page(events: &[impl Borrow<Recorded>]) {
    let before_last = events.len().saturating_sub(1);
    let bytes: usize = events[..before_last].iter().map(|it| it.borrow().event.payload.len()).sum();
    assert!(bytes < PAGE_BYTES_MAX, "{bytes} bytes, and then one more event");
}
