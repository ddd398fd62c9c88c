//! The laws of closing and opening again.

use std::sync::Arc;

use serde_json::json;

use super::{
    Harness,
    case::{Case, assert_same, ids, later},
    pair::LONG,
};
use crate::{
    delivery::{LetterFilter, Progress, Scheduled, Steer},
    documents::{Condition, Query},
    error::{Error, Result},
    handler::entry::StartAt,
    store::{Position, Selection, StreamRange, Unit, Version},
};

/// Every call fails with [`Error::Closed`], except closing it once more.
pub async fn a_closed_store_says_so(harness: Arc<dyn Harness>) -> Result {
    let store = harness.open().await?;
    let case = Case::new(&store, 0);
    case.append_at("one", Version::NoStream).await?;
    let users = case.made("users", &[]).await?;
    store.close().await?;
    store.close().await?;
    let claim = case.request("mail", StartAt::Now);
    let results = [
        store.commit(Unit::default()).await.map(drop),
        store.head().await.map(drop),
        store.read_log(Position::START, &Selection::All, 1).await.map(drop),
        store.count(Position::START, &Selection::All, 1).await.map(drop),
        store.read_at(&[Position::START]).await.map(drop),
        store.read_stream(&case.stream("one"), StreamRange::ALL, 1).await.map(drop),
        store.claim(case.new_id(), vec![claim]).await.map(drop),
        store.release(vec![("mail".to_owned(), 1)]).await,
        store.subscriptions().await.map(drop),
        store.remove_subscription("mail".to_owned()).await.map(drop),
        store.letters(LetterFilter::default()).await.map(drop),
        store.letter(case.new_id()).await.map(drop),
        store.due(case.now(), 1).await.map(drop),
        store.next_due().await.map(drop),
        store.stream_stats(&case.stream("one")).await.map(drop),
        store.snapshot(&case.stream("one"), "user").await.map(drop),
        store.prune(case.now(), &Selection::All, 1).await.map(drop),
        store.steer("mail".to_owned(), Steer::Pause).await,
        store.fate("mail", &case.stream("one"), Position::START).await.map(drop),
        store.join(&case.member("late"), LONG).await.map(drop),
        store.renew(&case.member("late"), LONG).await.map(drop),
        store.leave(case.new_id()).await,
    ];
    let query = Query { condition: Condition::All, order: Vec::new(), limit: 1, after: None };
    let mark = case.mark("mail");
    let mut more = vec![
        store.make_collection(users).await,
        store.document(users, "u1").await.map(drop),
        store.find(users, &query).await.map(drop),
        store.count_documents(users, &Condition::All).await.map(drop),
        store.is_marked(&mark.key).await.map(drop),
        store.prune_marks(case.now(), 1).await.map(drop),
    ];
    if store.features().transactions {
        more.push(store.begin().await.map(drop));
    }
    for result in results.into_iter().chain(more) {
        assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    }
    Ok(())
}

/// The log, places, letters, the timetable, documents and marks; a store that does not claim it comes back empty.
pub async fn what_is_durable_survives_a_restart(harness: Arc<dyn Harness>) -> Result {
    let store = harness.open().await?;
    let case = Case::new(&store, 0);
    let event = case.full("one", b"\xff");
    case.append(event.clone()).await?;
    let letter = case.letter("mail", 1);
    let claimed = case.bury("mail", vec![letter.clone()]).await?;
    let parked = case.parked(Position::at_sequence(1));
    let progress = case.progress("mail", claimed.epoch, Position::at_sequence(1));
    case.advance(Progress { park: vec![parked.clone()], ..progress }).await?;
    let scheduled = Scheduled { due: case.now(), event: case.full("later", b"{}") };
    case.store.commit(Unit { scheduled: vec![scheduled.clone()], ..Unit::default() }).await?;
    let users = case.made("users", &[]).await?;
    case.insert(users, "u1", &json!({ "name": "Ada" })).await?;
    let (document, mark) = (case.the_document(users, "u1").await?, case.mark("mail"));
    case.store.commit(Unit { marks: vec![mark.clone()], ..Unit::default() }).await?;
    store.close().await?;
    drop(store);

    let store = harness.open().await?;
    let case = case.within(&store);
    if !harness.features().durable {
        assert_eq!(store.head().await?, Position::START);
        assert!(store.subscriptions().await?.is_empty() && store.next_due().await?.is_none());
        return store.close().await;
    }
    let events = case.events_of("one").await?;
    assert_same(&events[0].event, &event);
    assert_same(&case.the_letter(letter.id).await?, &letter);
    case.store.make_collection(users).await?;
    assert_same(&case.the_document(users, "u1").await?, &document);
    assert!(case.store.is_marked(&mark.key).await?);
    let claimed = case.claim("mail").await?;
    assert_eq!(claimed.checkpoint.low_water, Position::at_sequence(1));
    assert_eq!(claimed.parked, vec![parked]);
    assert_same(&store.due(scheduled.due, 10).await?, &vec![scheduled]);
    store.close().await
}

/// Nothing is given out twice; readers go on where they were.
pub async fn positions_and_versions_go_on_after_a_restart(harness: Arc<dyn Harness>) -> Result {
    if !harness.features().durable {
        return Ok(());
    }
    let (mut all, mut after) = (Vec::new(), Position::START);
    for round in 0..4 {
        let store = harness.open().await?;
        let case = Case::new(&store, 0);
        let placed = case.append_at("one", Version::At(round)).await?;
        assert!(after < placed.position);
        let page = store.read_log(after, &Selection::All, 10).await?;
        assert_eq!(ids(&page.events), [placed.id]);
        assert_eq!(store.head().await?, placed.position);
        all.push(placed.id);
        after = page.end;
        assert_eq!(ids(&case.events_of("one").await?), all);
        store.close().await?;
    }
    Ok(())
}

/// Where streams end that have no events, snapshots, and pauses.
pub async fn deletions_survive_a_restart(harness: Arc<dyn Harness>) -> Result {
    let store = harness.open().await?;
    let case = Case::new(&store, 0);
    case.claim("mail").await?;
    store.steer(case.subscription("mail"), Steer::Pause).await?;
    for stream in ["one", "one", "closed"] {
        case.append_at(stream, Version::Any).await?;
    }
    case.remove("one", Version::At(2)).await?;
    case.close_stream("closed").await?;
    let snapshot = case.snapshot("two", "user", 7);
    case.keep(snapshot.clone()).await?;
    store.close().await?;
    drop(store);

    let store = harness.open().await?;
    let case = case.within(&store);
    if !harness.features().durable {
        assert_eq!(store.stream_stats(&case.stream("closed")).await?, None);
        assert_eq!(case.kept("two", "user").await?, None);
        return store.close().await;
    }
    assert!(case.claim("mail").await?.paused);
    assert_same(&store.snapshot(&case.stream("two"), "user").await?, &Some(snapshot));
    case.keep(case.snapshot("one", "user", 2)).await?;
    assert_eq!(case.kept("one", "user").await?, None);
    assert_eq!(case.append_at("one", Version::At(2)).await?.version, 3);
    let closed = case.append_at("closed", Version::Any).await;
    assert!(matches!(closed, Err(Error::Tombstone { .. })), "{closed:?}");
    store.close().await
}

/// Neither those of events that were deleted, nor after a restart in which nothing showed them;
/// and the head does not go back.
pub async fn positions_are_never_used_again(harness: Arc<dyn Harness>) -> Result {
    let mut store = harness.open().await?;
    let mut last = Position::START;
    for round in 0..4 {
        let case = Case::new(&store, 0);
        let kept = case.append_at("kept", Version::Any).await?;
        let gone = case.append_at("gone", Version::Any).await?;
        assert!(last < kept.position && kept.position < gone.position);
        last = gone.position;
        if round % 2 == 0 {
            case.remove("gone", Version::Any).await?;
        } else {
            let until = later(case.now(), 60);
            assert!(0 < store.prune(until, &Selection::All, 100).await?);
        }
        assert!(last <= store.head().await?);
        if harness.features().durable {
            store.close().await?;
            drop(case);
            drop(store);
            store = harness.open().await?;
            assert!(last <= store.head().await?);
        }
    }
    store.close().await
}

/// It promises what its harness says.
pub async fn a_store_says_what_it_promises(harness: Arc<dyn Harness>) -> Result {
    let store = harness.open().await?;
    assert_eq!(store.features(), harness.features());
    store.close().await
}

/// And its epoch is past.
pub async fn a_claim_is_unclean_after_a_restart_without_release(
    harness: Arc<dyn Harness>,
) -> Result {
    if !harness.features().durable {
        return Ok(());
    }
    let store = harness.open().await?;
    let case = Case::new(&store, 0);
    let (left, right) = (case.claim("left").await?, case.claim("right").await?);
    store.release(vec![(case.subscription("right"), right.epoch)]).await?;
    store.close().await?;
    drop(store);
    let store = harness.open().await?;
    let case = case.within(&store);
    let again = case.claim("left").await?;
    assert!(again.unclean && left.epoch < again.epoch && right.epoch < again.epoch);
    assert!(!case.claim("right").await?.unclean);
    store.close().await
}
