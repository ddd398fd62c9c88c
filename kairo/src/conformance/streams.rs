//! The laws of single streams: reading a stretch of one, what is known of it, and deleting it.

use tokio::time::timeout;

use super::case::{Case, PATIENCE, assert_same, ids, later};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    event::record::EventData,
    store::{
        Append, Direction, Position, Removal, Selection, StreamRange, StreamStats, Unit, Version,
    },
};

/// How many tasks append to a stream that is closed meanwhile.
const WRITERS: usize = 4;

async fn check_range(case: &Case, range: StreamRange, limit: usize, expected: &[u64]) -> Result {
    let events = case.store.read_stream(&case.stream("one"), range, limit).await?;
    let versions: Vec<_> = events.iter().map(|recorded| recorded.version).collect();
    assert_eq!(versions, expected, "{range:?}, limit {limit}");
    Ok(())
}

async fn fill(case: &Case, count: usize) -> Result {
    for _ in 0..count {
        case.append_at("one", Version::Any).await?;
        case.append_at("two", Version::Any).await?;
    }
    Ok(())
}

/// Both ends belong to it.
pub async fn a_stream_is_read_in_a_range(case: Case) -> Result {
    fill(&case, 5).await?;
    let range = |from, to| StreamRange { from, to, direction: Direction::Forwards };
    check_range(&case, range(2, 4), 10, &[2, 3, 4]).await?;
    check_range(&case, range(2, 4), 2, &[2, 3]).await?;
    check_range(&case, range(0, 1), 10, &[1]).await?;
    check_range(&case, range(5, u64::MAX), 10, &[5]).await?;
    check_range(&case, range(3, 3), 10, &[3]).await?;
    check_range(&case, range(4, 3), 10, &[]).await?;
    check_range(&case, range(0, 0), 10, &[]).await?;
    check_range(&case, range(6, 9), 10, &[]).await?;
    check_range(&case, StreamRange::ALL.behind(5), 10, &[]).await?;
    check_range(&case, range(2, 4).behind(2), 10, &[3, 4]).await
}

/// From the highest version down, and on behind the last one that was read.
pub async fn a_stream_is_read_backwards(case: Case) -> Result {
    fill(&case, 5).await?;
    let range = |from, to| StreamRange { from, to, direction: Direction::Backwards };
    check_range(&case, StreamRange::back_from(u64::MAX), 10, &[5, 4, 3, 2, 1]).await?;
    check_range(&case, StreamRange::back_from(u64::MAX), 1, &[5]).await?;
    check_range(&case, StreamRange::back_from(3), 2, &[3, 2]).await?;
    check_range(&case, range(2, 4), 10, &[4, 3, 2]).await?;
    check_range(&case, range(2, 4).behind(3), 10, &[2]).await?;
    check_range(&case, range(2, 4).behind(2), 10, &[]).await?;
    check_range(&case, StreamRange::back_from(1).behind(1), 10, &[]).await?;
    check_range(&case, range(4, 3), 10, &[]).await?;
    check_range(&case, StreamRange::back_from(9), 0, &[]).await
}

/// How many events, how many bytes, and the two ends.
pub async fn stats_say_what_is_there(case: Case) -> Result {
    assert_eq!(case.store.stream_stats(&case.stream("one")).await?, None);
    let payloads: [&[u8]; 3] = [b"\xff\x00", "\u{1f980}".as_bytes(), b""];
    for (seconds, payload) in (1..).zip(payloads) {
        let time = later(Timestamp::UNIX_EPOCH, seconds);
        case.append(EventData { time, ..case.full("one", payload) }).await?;
        case.append_at("two", Version::Any).await?;
    }
    let events = case.events_of("one").await?;
    let stats = stats(&case, "one").await?;
    assert_eq!((stats.events, stats.bytes, stats.version), (3, 6, 3));
    assert!(!stats.tombstone);
    for (end, event) in [(stats.first, &events[0]), (stats.last, &events[2])] {
        let end = end.expect("a stream with events has two ends");
        assert_eq!(end.version, event.version);
        assert_eq!((end.time, end.position), (event.event.time, event.position));
    }
    Ok(())
}

async fn stats(case: &Case, stream: &str) -> Result<StreamStats> {
    let stats = case.store.stream_stats(&case.stream(stream)).await?;
    Ok(stats.expect("there is something to say"))
}

/// The next event gets the version behind them; until then the stream is one without events.
pub async fn a_deleted_stream_is_empty_and_its_versions_go_on(case: Case) -> Result {
    fill(&case, 3).await?;
    case.remove("one", Version::Any).await?;
    assert!(case.events_of("one").await?.is_empty());
    check_range(&case, StreamRange::back_from(u64::MAX), 10, &[]).await?;
    assert_eq!(stats(&case, "one").await?, StreamStats::of_deleted(3, false));
    for refused in [Version::Exists, Version::At(0), Version::At(2), Version::At(4)] {
        let error = case.append_at("one", refused).await.expect_err("it has no events");
        assert!(matches!(error, Error::Conflict { actual: 3, .. }), "{refused}: {error}");
    }
    assert_eq!(case.append_at("one", Version::NoStream).await?.version, 4);
    assert_eq!(case.append_at("one", Version::At(4)).await?.version, 5);
    let stats = stats(&case, "one").await?;
    assert_eq!((stats.events, stats.version), (2, 5));
    assert_eq!(stats.first.map(|first| first.version), Some(4));

    case.remove("one", Version::Exists).await?;
    assert_eq!(case.append_at("one", Version::At(5)).await?.version, 6);
    assert_eq!(case.version_of("two").await?, 3);
    Ok(())
}

/// No reader of the log finds them, whichever way it looks, and no place is given out again.
pub async fn deleted_events_leave_the_log(case: Case) -> Result {
    let kept = case.append_at("two", Version::Any).await?;
    let gone = case.append_all(vec![case.event("one"), case.event("one")]).await?.placed;
    let head = case.store.head().await?;
    case.remove("one", Version::Any).await?;
    assert!(case.store.read_at(&[gone[0].position, gone[1].position]).await?.is_empty());
    assert_eq!(ids(&case.events_named("happened", 10).await?), [kept.id]);
    let selection = Selection::Names(vec![case.name("happened")]);
    assert_eq!(case.store.count(Position::START, &selection, 10).await?, 1);
    let mut after = kept.position;
    loop {
        let page = case.store.read_log(after, &Selection::All, 1000).await?;
        assert!(page.events.iter().all(|event| gone.iter().all(|it| it.id != event.event.id)));
        after = page.end;
        if page.complete {
            break;
        }
    }
    assert!(head <= case.store.head().await?, "the head does not go back");
    assert!(head <= after, "a reader passes what is gone");
    let next = case.append_at("one", Version::Any).await?;
    assert!(gone[1].position < next.position);
    Ok(())
}

/// Nothing is appended any more; closing it again is no error.
pub async fn a_tombstone_is_final(case: Case) -> Result {
    fill(&case, 2).await?;
    case.close_stream("one").await?;
    case.close_stream("nobody").await?;
    assert!(case.events_of("one").await?.is_empty());
    assert_eq!(stats(&case, "one").await?, StreamStats::of_deleted(2, true));
    assert_eq!(stats(&case, "nobody").await?, StreamStats::of_deleted(0, true));
    for stream in ["one", "nobody"] {
        for expected in [Version::Any, Version::NoStream, Version::At(2), Version::Exists] {
            let error = case.append_at(stream, expected).await.expect_err("it is closed");
            let Error::Tombstone { stream: named } = &error else { panic!("{error}") };
            assert_eq!(named, case.stream(stream).as_str());
        }
        case.close_stream(stream).await?;
        case.remove(stream, Version::Any).await?;
    }
    let both = vec![Append::one(case.event("two")), Append::one(case.event("one"))];
    let refused = case.store.commit(Unit::of_appends(both)).await;
    assert!(matches!(refused, Err(Error::Tombstone { .. })), "{refused:?}");
    assert_eq!(case.version_of("two").await?, 2, "the unit has left nothing behind");
    Ok(())
}

/// Whoever appends meanwhile is before it, and then deleted, or is refused.
pub async fn a_tombstone_stops_writers_under_way(case: Case) -> Result {
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let case = case.clone();
            tokio::spawn(async move {
                loop {
                    if let Err(error) = case.append_at("one", Version::Any).await {
                        return error;
                    }
                    // A store in memory is never waited for.
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    while case.events_of("one").await?.is_empty() {
        tokio::task::yield_now().await;
    }
    case.close_stream("one").await?;
    for writer in writers {
        let error = timeout(PATIENCE, writer).await.expect("a writer is stopped");
        let error = error.expect("writers do not panic");
        assert!(matches!(error, Error::Tombstone { .. }), "{error}");
    }
    assert!(case.events_of("one").await?.is_empty());
    assert!(case.events_named("happened", 100).await?.is_empty());
    Ok(())
}

/// As an append does.
pub async fn a_deletion_expects_its_version(case: Case) -> Result {
    async fn check(case: &Case, expected: Version, fits: bool) {
        let removed = case.remove("one", expected).await;
        let is_conflict = matches!(removed, Err(Error::Conflict { .. }));
        assert_eq!((removed.is_ok(), is_conflict), (fits, !fits), "{expected}: {removed:?}");
    }
    check(&case, Version::Exists, false).await;
    check(&case, Version::At(1), false).await;
    check(&case, Version::NoStream, true).await;
    fill(&case, 2).await?;
    check(&case, Version::At(1), false).await;
    check(&case, Version::NoStream, false).await;
    assert_eq!(case.version_of("one").await?, 2);
    check(&case, Version::At(2), true).await;
    assert!(case.events_of("one").await?.is_empty());
    check(&case, Version::Exists, false).await;
    check(&case, Version::At(2), true).await;
    Ok(())
}

/// A unit that also appends to the stream, or removes it twice, is a mistake of the caller.
pub async fn a_unit_changes_no_stream_that_it_removes(case: Case) -> Result {
    fill(&case, 1).await?;
    let stream = case.stream("one");
    let removal = Removal { stream, expected: Version::Any, tombstone: false };
    let twice = Unit { removals: vec![removal.clone(), removal.clone()], ..Unit::default() };
    let appends = vec![Append::one(case.event("one"))];
    let both = Unit { removals: vec![removal.clone()], ..Unit::of_appends(appends) };
    for unit in [twice, both] {
        let refused = case.store.commit(unit).await;
        assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    }
    assert_eq!(case.version_of("one").await?, 1);
    let appends = vec![Append::one(case.event("two"))];
    case.store.commit(Unit { removals: vec![removal], ..Unit::of_appends(appends) }).await?;
    assert_eq!((case.version_of("one").await?, case.version_of("two").await?), (0, 2));
    Ok(())
}

/// One that is older than the one that is there changes nothing.
pub async fn the_newest_snapshot_is_kept(case: Case) -> Result {
    assert_eq!(case.kept("one", "user").await?, None);
    let first = case.snapshot("one", "user", 5);
    case.keep(first.clone()).await?;
    let stream = case.stream("one");
    assert_same(&case.store.snapshot(&stream, "user").await?, &Some(first));
    for (version, kept) in [(4, 5), (6, 6), (5, 6), (7, 7)] {
        case.keep(case.snapshot("one", "user", version)).await?;
        assert_eq!(case.kept("one", "user").await?, Some(kept));
    }
    let again = case.snapshot("one", "user", 7);
    let payload = b"\xff\0"[..].into();
    let again = crate::store::Snapshot { payload, schema: 1 << 63, ..again };
    case.keep(again.clone()).await?;
    assert_same(&case.store.snapshot(&stream, "user").await?, &Some(again));
    Ok(())
}

/// And commits together with the events that it folds.
pub async fn a_stream_has_one_snapshot_for_each_name(case: Case) -> Result {
    let names = [("one", "user"), ("one", "User"), ("two", "user")];
    let snapshots: Vec<_> =
        (1..).zip(names).map(|(version, (of, name))| case.snapshot(of, name, version)).collect();
    let appends = vec![Append::one(case.event("one"))];
    case.store.commit(Unit { snapshots, ..Unit::of_appends(appends) }).await?;
    for (version, (stream, name)) in (1..).zip(names) {
        assert_eq!(case.kept(stream, name).await?, Some(version));
    }
    assert_eq!(case.kept("two", "User").await?, None);
    let snapshots = vec![case.snapshot("two", "User", 9)];
    let refused = Append { expected: Version::NoStream, ..Append::one(case.event("one")) };
    let unit = Unit { snapshots, ..Unit::of_appends(vec![refused]) };
    assert!(matches!(case.store.commit(unit).await, Err(Error::Conflict { .. })));
    assert_eq!(case.kept("two", "User").await?, None);
    Ok(())
}

/// Those of all names; those of other streams stay.
pub async fn a_deletion_takes_snapshots_along(case: Case) -> Result {
    fill(&case, 2).await?;
    for (stream, name) in [("one", "user"), ("one", "cart"), ("two", "user")] {
        case.keep(case.snapshot(stream, name, 2)).await?;
    }
    case.remove("one", Version::Any).await?;
    assert_eq!(case.kept("one", "user").await?, None);
    assert_eq!(case.kept("one", "cart").await?, None);
    assert_eq!(case.kept("two", "user").await?, Some(2));
    Ok(())
}

/// Whoever folded the stream before it was deleted comes too late.
pub async fn a_snapshot_of_what_was_deleted_is_not_kept(case: Case) -> Result {
    fill(&case, 3).await?;
    case.remove("one", Version::Any).await?;
    for version in [2, 3] {
        case.keep(case.snapshot("one", "user", version)).await?;
        assert_eq!(case.kept("one", "user").await?, None);
    }
    case.append_at("one", Version::Any).await?;
    case.keep(case.snapshot("one", "user", 3)).await?;
    assert_eq!(case.kept("one", "user").await?, None);
    case.keep(case.snapshot("one", "user", 4)).await?;
    assert_eq!(case.kept("one", "user").await?, Some(4));
    Ok(())
}
