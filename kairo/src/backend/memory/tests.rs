//! The first promises, in memory; the conformance suite holds the rest.

use uuid::Uuid;

use super::MemoryStore;
use crate::{
    Error, Position, Version,
    clock::Clock,
    event::{
        envelope::AnyEvent,
        name::{EventName, StreamName},
        record::{Draft, EventData},
    },
    store::{Append, Selection, Store, Unit},
};

fn event(stream: &str) -> EventData {
    let draft = Draft {
        name: EventName::checked("user.created"),
        schema: 1,
        stream: Some(StreamName::stored(stream)),
        payload: "{}".into(),
    };
    AnyEvent::fresh(draft, &Clock::system()).data().clone()
}

#[tokio::test]
async fn versions_have_no_gap_and_conflicts_change_nothing() {
    let store = MemoryStore::new(false, Clock::system());
    let commit = |expected| {
        let append = Append { expected, ..Append::one(event("user-1")) };
        store.commit(Unit::of_appends(vec![append]))
    };
    assert_eq!(commit(Version::NoStream).await.unwrap().placed[0].version, 1);
    assert_eq!(commit(Version::At(1)).await.unwrap().placed[0].version, 2);
    let error = commit(Version::At(1)).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { actual: 2, .. }), "{error}");
    let page = store.read_log(Position::START, &Selection::All, 10).await.unwrap();
    assert_eq!(page.events.len(), 2);
    assert!(page.complete);
}

#[tokio::test]
async fn a_missing_delayed_event_fails_the_whole_unit() {
    let store = MemoryStore::new(false, Clock::system());
    let appends = vec![Append::one(event("user-1"))];
    let unit = Unit { unscheduled: vec![Uuid::nil()], appends, ..Unit::default() };
    assert!(matches!(store.commit(unit).await.unwrap_err(), Error::NotFound { .. }));
    assert_eq!(store.head().await.unwrap(), Position::START);
}
