//! The laws of closing and opening again.

use std::sync::Arc;

use super::{
    Harness,
    case::{Case, assert_same, ids},
};
use crate::{
    delivery::{LetterFilter, Progress, Scheduled},
    error::{Error, Result},
    handler::entry::StartAt,
    store::{Position, Selection, StreamRange, Unit, Version},
};

/// Every call fails with [`Error::Closed`], except closing it once more.
pub async fn a_closed_store_says_so(harness: Arc<dyn Harness>) -> Result {
    let store = harness.open().await?;
    let case = Case::new(&store, 0);
    case.append_at("one", Version::NoStream).await?;
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
    ];
    for result in results {
        assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    }
    Ok(())
}

/// The log, places, letters and the timetable; a store that does not claim it comes back empty.
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
