//! The laws of appending.

use std::{collections::HashSet, future::poll_fn, task::Poll, time::Duration};

use tokio::time::timeout;
use uuid::Uuid;

use super::case::{Case, ids};
use crate::{
    error::{Error, Result},
    event::record::EventData,
    store::{Append, Placed, Position, Selection, Unit, Version},
};

/// How long a law waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many tasks write at a time.
const WRITERS: usize = 8;

/// How many units each of them writes.
const ROUNDS: u64 = 12;

/// A unit whose last part is refused leaves nothing of its first.
pub async fn commit_is_all_or_nothing(case: Case) -> Result {
    case.append_at("taken", Version::NoStream).await?;
    let refused = Append { expected: Version::NoStream, ..Append::one(case.event("taken")) };
    let unit = Unit::of_appends(vec![Append::one(case.event("fresh")), refused]);
    assert!(matches!(case.store.commit(unit).await, Err(Error::Conflict { .. })));
    assert_eq!(case.version_of("fresh").await?, 0);

    let unscheduled = vec![case.new_id()];
    let appends = vec![Append::one(case.event("fresh"))];
    let unit = Unit { unscheduled, appends, ..Unit::default() };
    assert!(matches!(case.store.commit(unit).await, Err(Error::NotFound { .. })));
    assert_eq!(case.version_of("fresh").await?, 0);

    let unit =
        Unit::of_appends(vec![Append::one(case.event("fresh")), Append::one(case.event("taken"))]);
    assert_eq!(case.store.commit(unit).await?.placed.len(), 2);
    assert_eq!((case.version_of("fresh").await?, case.version_of("taken").await?), (1, 2));
    assert_eq!(case.store.commit(Unit::default()).await?.placed, vec![]);
    Ok(())
}

/// Refused appends use no version up.
pub async fn versions_have_no_gap(case: Case) -> Result {
    for version in 0..5 {
        let placed = case.append_at("one", Version::At(version)).await?;
        assert_eq!((placed.version, placed.duplicate), (version + 1, false));
        case.append_at("one", Version::At(version)).await.expect_err("the version is taken");
    }
    case.append_all(vec![case.event("one"), case.event("one")]).await?;
    let versions: Vec<_> =
        case.events_of("one").await?.iter().map(|recorded| recorded.version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7]);
    Ok(())
}

/// And the stream.
pub async fn a_conflict_names_both_versions(case: Case) -> Result {
    case.append_at("one", Version::Any).await?;
    case.append_at("one", Version::Any).await?;
    let error = case.append_at("one", Version::At(1)).await.expect_err("it is at 2");
    let Error::Conflict { stream, expected, actual } = error else { panic!("{error}") };
    assert_eq!(stream, case.stream("one").as_str());
    assert_eq!((expected, actual), (Version::At(1), 2));
    Ok(())
}

/// `Any`, `NoStream`, `Exists` and `At` mean what they say.
pub async fn every_expectation_is_checked(case: Case) -> Result {
    async fn check(case: &Case, expected: Version, fits: bool) {
        let result = case.append_at("one", expected).await;
        assert_eq!(result.is_ok(), fits, "{expected}: {result:?}");
    }
    check(&case, Version::Exists, false).await;
    check(&case, Version::At(1), false).await;
    check(&case, Version::At(0), true).await;
    check(&case, Version::NoStream, false).await;
    check(&case, Version::Exists, true).await;
    check(&case, Version::At(3), false).await;
    check(&case, Version::At(2), true).await;
    check(&case, Version::Any, true).await;
    assert_eq!(case.version_of("one").await?, 4);
    Ok(())
}

/// Expectations and derived ids count what stands before them in the same unit.
pub async fn an_append_sees_those_before_it_in_its_unit(case: Case) -> Result {
    let derived = case.derived("one");
    let unit = Unit::of_appends(vec![
        Append { expected: Version::NoStream, ..Append::one(derived.clone()) },
        Append { expected: Version::At(1), ..Append::one(case.event("one")) },
        Append::one(derived),
    ]);
    let placed = case.store.commit(unit).await?.placed;
    assert_eq!(placed[1].version, 2);
    assert_eq!(placed[2], Placed { duplicate: true, ..placed[0] });
    assert_eq!(case.version_of("one").await?, 2);
    Ok(())
}

/// An event that names another stream is refused.
pub async fn an_append_holds_events_of_its_own_stream_only(case: Case) -> Result {
    let append = Append { stream: case.stream("other"), ..Append::one(case.event("one")) };
    case.store.commit(Unit::of_appends(vec![append])).await.expect_err("the streams differ");
    assert_eq!((case.version_of("one").await?, case.version_of("other").await?), (0, 0));
    Ok(())
}

/// A second append of the id gets the place of the first.
pub async fn a_derived_id_is_appended_once(case: Case) -> Result {
    let event = case.derived("one");
    let first = case.append(event.clone()).await?;
    assert!(!first.duplicate);
    let fresh = case.event("one");
    let second = case.append_all(vec![event.clone(), fresh.clone()]).await?.placed;
    assert_eq!(second[0], Placed { duplicate: true, ..first });
    assert_eq!((second[1].version, second[1].duplicate), (2, false));
    assert_eq!(ids(&case.events_of("one").await?), [event.id, fresh.id]);
    Ok(())
}

/// Also when all come at the same time.
pub async fn a_derived_id_is_appended_once_by_many(case: Case) -> Result {
    let event = case.derived("one");
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (case, event) = (case.clone(), event.clone());
            tokio::spawn(async move { case.append(event).await })
        })
        .collect();
    let mut first = 0;
    for writer in writers {
        let placed = writer.await.expect("writers do not panic")?;
        first += usize::from(!placed.duplicate);
        assert_eq!((placed.id, placed.version), (event.id, 1));
    }
    assert_eq!(first, 1);
    assert_eq!(case.version_of("one").await?, 1);
    Ok(())
}

/// An append whose derived ids are all there is a repetition of one that took effect.
pub async fn a_repetition_fits_whatever_the_version_is(case: Case) -> Result {
    let event = case.derived("one");
    let append = Append { expected: Version::NoStream, ..Append::one(event) };
    let unit = Unit::of_appends(vec![append]);
    let first = case.store.commit(unit.clone()).await?.placed[0];
    case.append_at("one", Version::At(1)).await?;
    let second = case.store.commit(unit).await?.placed[0];
    assert_eq!(second, Placed { duplicate: true, ..first });
    Ok(())
}

/// Many write to the same streams; in each, positions rise with versions.
pub async fn log_order_is_stream_order(case: Case) -> Result {
    write_at_once(&case).await?;
    for stream in 0..WRITERS {
        let events = case.events_of(&format!("shared{stream}")).await?;
        assert!(events.is_sorted_by(|a, b| a.version + 1 == b.version && a.position < b.position));
    }
    Ok(())
}

/// A reader that follows the log while many write to it gets all that was written, once.
pub async fn no_reader_passes_a_hole(case: Case) -> Result {
    let reader = {
        let case = case.clone();
        let all = WRITERS as u64 * ROUNDS * 2;
        tokio::spawn(async move { timeout(PATIENCE, follow(&case, all)).await })
    };
    let written = write_at_once(&case).await?;
    let read =
        reader.await.expect("the reader does not panic").expect("the reader comes to an end")?;
    assert_eq!(HashSet::from_iter(written), read.iter().copied().collect::<HashSet<Uuid>>());
    assert_eq!(read, ids(&case.events_named("happened", 1000).await?));
    Ok(())
}

/// Reads this run's events as they come, until there are `count`.
async fn follow(case: &Case, count: u64) -> Result<Vec<Uuid>> {
    let selection = Selection::Names(vec![case.name("happened")]);
    let (mut read, mut after) = (Vec::new(), Position::START);
    while (read.len() as u64) < count {
        let page = case.store.read_log(after, &selection, 7).await?;
        read.extend(ids(&page.events));
        after = page.end;
        tokio::task::yield_now().await;
    }
    Ok(read)
}

/// Units of two streams from many tasks, some of them refused; the ids of what was appended.
async fn write_at_once(case: &Case) -> Result<Vec<Uuid>> {
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let case = case.clone();
            tokio::spawn(async move { write_rounds(&case, writer).await })
        })
        .collect();
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.expect("writers do not panic")?);
    }
    Ok(written)
}

async fn write_rounds(case: &Case, writer: usize) -> Result<Vec<Uuid>> {
    let mut written = Vec::new();
    for round in 0..ROUNDS {
        let streams = [format!("own{writer}"), format!("shared{}", round % WRITERS as u64)];
        let appends = streams.map(|stream| Append::one(case.event(&stream)));
        let unit = Unit::of_appends(appends.into());
        written.extend(case.store.commit(unit).await?.placed.iter().map(|placed| placed.id));
        let refused = case.append_at(&streams_own(writer), Version::NoStream).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    }
    Ok(written)
}

fn streams_own(writer: usize) -> String {
    format!("own{writer}")
}

/// Of many who expect the same version, one succeeds, and the others are told so.
pub async fn one_of_many_wins_a_version(case: Case) -> Result {
    for version in 0..ROUNDS {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let case = case.clone();
                tokio::spawn(async move { case.append_at("one", Version::At(version)).await })
            })
            .collect();
        let mut won = 0;
        for writer in writers {
            match writer.await.expect("writers do not panic") {
                Ok(placed) => {
                    assert_eq!(placed.version, version + 1);
                    won += 1;
                }
                Err(Error::Conflict { actual, .. }) => assert_eq!(actual, version + 1),
                Err(error) => return Err(error),
            }
        }
        assert_eq!(won, 1);
    }
    Ok(())
}

/// Those that succeed and those that are refused are not mixed up.
pub async fn each_of_many_gets_its_own_result(case: Case) -> Result {
    let writers: Vec<_> = (0..2 * WRITERS as u64)
        .map(|writer| {
            let case = case.clone();
            tokio::spawn(async move {
                let event = case.event(&format!("own{writer}"));
                let expected = if writer % 2 == 0 { Version::NoStream } else { Version::Exists };
                let append = Append { expected, ..Append::one(event.clone()) };
                (writer, event, case.store.commit(Unit::of_appends(vec![append])).await)
            })
        })
        .collect();
    for task in writers {
        let (writer, event, result) = task.await.expect("writers do not panic");
        match result {
            Ok(committed) => {
                assert_eq!(writer % 2, 0);
                let placed = committed.placed[0];
                let found = case.store.read_at(&[placed.position]).await?;
                assert_eq!((ids(&found), placed.id), (vec![event.id], event.id));
            }
            Err(Error::Conflict { stream, .. }) => {
                assert_eq!((writer % 2, stream.as_str()), (1, event.stream.as_str()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whoever has looked, and then waits, hears of what came in between.
pub async fn a_commit_wakes_the_watchers(case: Case) -> Result {
    let mut watch = case.store.watch();
    for round in 0..ROUNDS {
        watch.borrow_and_update();
        case.append_at("one", Version::At(round)).await?;
        timeout(PATIENCE, watch.changed())
            .await
            .expect("the watcher is woken")
            .expect("the store is open");
    }
    Ok(())
}

/// With what it lacked made good.
pub async fn a_failed_commit_can_be_repeated(case: Case) -> Result {
    let append = Append { expected: Version::At(1), ..Append::one(case.event("one")) };
    let unit = Unit::of_appends(vec![append]);
    assert!(case.store.commit(unit.clone()).await.is_err());
    case.append_at("one", Version::NoStream).await?;
    assert_eq!(case.store.commit(unit).await?.placed[0].version, 2);
    Ok(())
}

/// Dropping the future cancels nothing half-way, and the store goes on.
pub async fn a_dropped_commit_is_still_all_or_nothing(case: Case) -> Result {
    let mut units = Vec::new();
    for round in 0..ROUNDS {
        let streams = [format!("left{round}"), format!("right{round}")];
        let appends = streams.each_ref().map(|stream| Append::one(case.event(stream)));
        units.push((streams, Unit::of_appends(appends.into())));
    }
    for (_, unit) in &units {
        let mut commit = case.store.commit(unit.clone());
        // One poll, and then it is dropped, wherever it is.
        poll_fn(|context| {
            let _ = commit.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
    case.append_at("after", Version::NoStream).await?;
    // Both halves are read at one moment, for a unit may also take effect late.
    let events = case.events_named("happened", 1000).await?;
    for (streams, _) in &units {
        let [left, right] = streams.each_ref().map(|stream| {
            let stream = case.stream(stream);
            events.iter().any(|recorded| recorded.event.stream == stream)
        });
        assert_eq!(left, right);
    }
    Ok(())
}

/// Keeps an event and the place that it got together.
pub(super) type Appended = (EventData, Placed);

/// Appends events one at a time.
pub(super) async fn append_each(case: &Case, events: Vec<EventData>) -> Result<Vec<Appended>> {
    let mut appended = Vec::new();
    for event in events {
        let placed = case.append(event.clone()).await?;
        appended.push((event, placed));
    }
    Ok(appended)
}
