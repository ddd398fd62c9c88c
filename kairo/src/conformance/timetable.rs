//! The laws of events that are not due yet.

use uuid::Uuid;

use super::case::{Case, assert_same, later};
use crate::{
    clock::Timestamp,
    delivery::Scheduled,
    error::{Error, Result},
    event::record::EventData,
    store::{Append, Unit},
};

/// So early that no other event is due before.
const FIRST: Timestamp = Timestamp::UNIX_EPOCH;

/// How many try to take one event.
const TAKERS: usize = 8;

async fn schedule(case: &Case, due: Timestamp, event: EventData) -> Result<Uuid> {
    let id = event.id;
    let scheduled = vec![Scheduled { due, event }];
    case.store.commit(Unit { scheduled, ..Unit::default() }).await?;
    Ok(id)
}

/// Takes a delayed event and appends it, as it happens when it is due.
async fn take(case: &Case, event: EventData) -> Result {
    let unscheduled = vec![event.id];
    let appends = vec![Append::one(event)];
    case.store.commit(Unit { unscheduled, appends, ..Unit::default() }).await.map(drop)
}

/// This run's events that are due.
async fn due(case: &Case, now: Timestamp) -> Result<Vec<Scheduled>> {
    let mut due = case.store.due(now, 10_000).await?;
    due.retain(|scheduled| scheduled.event.name == case.name("happened"));
    Ok(due)
}

async fn due_ids(case: &Case, now: Timestamp) -> Result<Vec<Uuid>> {
    Ok(due(case, now).await?.iter().map(|scheduled| scheduled.event.id).collect())
}

/// Ties in the order in which they were scheduled.
pub async fn due_events_come_in_due_order(case: Case) -> Result {
    let mut ids = Vec::new();
    for seconds in [30, 10, 20, 10, 40, 10] {
        ids.push(schedule(&case, later(FIRST, seconds), case.event("one")).await?);
    }
    let ordered = [1, 3, 5, 2, 0, 4].map(|index: usize| ids[index]);
    assert_eq!(due_ids(&case, later(FIRST, 100)).await?, ordered);
    assert_eq!(due_ids(&case, later(FIRST, 20)).await?, ordered[..4]);
    assert!(due_ids(&case, later(FIRST, 9)).await?.is_empty());
    let few = case.store.due(later(FIRST, 100), 2).await?;
    assert_eq!(few.len(), 2);
    assert!(case.store.due(later(FIRST, 100), 0).await?.is_empty());
    Ok(())
}

/// Every field, and its due time.
pub async fn a_delayed_event_comes_back_as_it_was(case: Case) -> Result {
    let at = later(FIRST, 10);
    for event in [case.event("one"), case.full("one", b"\xff")] {
        schedule(&case, at, event.clone()).await?;
        let found = due(&case, at).await?;
        assert_same(&found.last(), &Some(&Scheduled { due: at, event }));
    }
    Ok(())
}

/// Until nothing is scheduled.
pub async fn the_next_due_time_is_known(case: Case) -> Result {
    let event = case.event("one");
    schedule(&case, later(FIRST, 20), event.clone()).await?;
    let next = case.store.next_due().await?.expect("an event is scheduled");
    assert!(next <= later(FIRST, 20));
    schedule(&case, FIRST, case.event("one")).await?;
    assert_eq!(case.store.next_due().await?, Some(FIRST));
    take(&case, event).await?;
    Ok(())
}

/// And nothing of its unit takes effect; so does taking one twice.
pub async fn taking_a_missing_event_is_not_found(case: Case) -> Result {
    let event = case.event("one");
    let error = take(&case, event.clone()).await.expect_err("it is not there");
    assert!(matches!(&error, Error::NotFound { value, .. } if *value == event.id.to_string()));
    assert_eq!(case.version_of("one").await?, 0);
    let id = schedule(&case, FIRST, event.clone()).await?;
    let unit = Unit { unscheduled: vec![id, id], ..Unit::default() };
    assert!(matches!(case.store.commit(unit).await, Err(Error::NotFound { .. })));
    take(&case, event.clone()).await?;
    assert!(matches!(take(&case, event).await, Err(Error::NotFound { .. })));
    assert_eq!(case.version_of("one").await?, 1);
    Ok(())
}

/// The others are told that it is gone.
pub async fn one_of_many_takes_a_delayed_event(case: Case) -> Result {
    let event = case.event("one");
    schedule(&case, FIRST, event.clone()).await?;
    let takers: Vec<_> = (0..TAKERS)
        .map(|_| {
            let (case, event) = (case.clone(), event.clone());
            tokio::spawn(async move { take(&case, event).await })
        })
        .collect();
    let mut taken = 0;
    for taker in takers {
        match taker.await.expect("takers do not panic") {
            Ok(()) => taken += 1,
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    assert_eq!((taken, case.version_of("one").await?), (1, 1));
    assert!(due_ids(&case, FIRST).await?.is_empty());
    Ok(())
}

/// A repeated schedule is ignored, and so is one of a derived id that is in the log.
pub async fn an_event_is_scheduled_once(case: Case) -> Result {
    let event = case.derived("one");
    schedule(&case, later(FIRST, 10), event.clone()).await?;
    schedule(&case, later(FIRST, 20), event.clone()).await?;
    let found = due(&case, later(FIRST, 30)).await?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].due, later(FIRST, 10));
    take(&case, event.clone()).await?;
    schedule(&case, later(FIRST, 10), event).await?;
    assert!(due_ids(&case, later(FIRST, 30)).await?.is_empty());
    Ok(())
}

/// Taking it and scheduling it anew in one unit gives it another time.
pub async fn a_delayed_event_can_be_moved(case: Case) -> Result {
    let event = case.event("one");
    let id = schedule(&case, later(FIRST, 10), event.clone()).await?;
    let scheduled = vec![Scheduled { due: later(FIRST, 30), event }];
    let unit = Unit { unscheduled: vec![id], scheduled, ..Unit::default() };
    case.store.commit(unit).await?;
    assert!(due_ids(&case, later(FIRST, 29)).await?.is_empty());
    assert_eq!(due_ids(&case, later(FIRST, 30)).await?, [id]);
    Ok(())
}
