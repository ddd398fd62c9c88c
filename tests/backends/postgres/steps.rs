//! Steps of sagas: one at a time as in memory, and many at a time.

use std::sync::Arc;

use kairo::{
    Error, StreamName, Uuid,
    clock::{Clock, Timestamp},
    delivery::Backend,
    journal::{Phase, SagaChange, SagaRow, SagaWrite},
    store::{Append, StreamRange, Unit},
};
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::{Place, event, sagas};

/// How many sagas run at a time, two for each key.
const SAGAS: usize = 120;

/// How many steps each has.
pub(crate) const STEPS: u64 = 3;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    #[ignore = "needs PostgreSQL: run ./test"]
    fn postgres_keeps_sagas_as_memory_does(steps in sagas::steps()) {
        let place = Place::new();
        sagas::run(async {
            let store = place.store().await.unwrap();
            sagas::check("memory:?shared=true", &*store, steps).await
        })?;
    }
}

pub(crate) fn saga(key: usize) -> SagaRow {
    let id = Clock::system().new_id();
    SagaRow {
        id,
        saga: "order".to_owned(),
        key: Some(format!("o-{key}")),
        shape: 1,
        phase: Phase::Running,
        due: Timestamp::UNIX_EPOCH,
        cancelled: false,
        owner: Some(id),
        epoch: 1,
        revision: 1,
        correlation: id,
        causation: None,
        depth: 0,
        started: Timestamp::UNIX_EPOCH,
        changed: Timestamp::UNIX_EPOCH,
        state: "{}".into(),
    }
}

/// A step of a saga with as many events as its number, half of them in another stream.
pub(crate) fn step(row: &SagaRow, revision: u64) -> Unit {
    let phase = if revision == STEPS { Phase::Completed } else { Phase::Running };
    let write = SagaWrite {
        id: row.id,
        epoch: 1,
        revision,
        shape: 1,
        phase,
        due: row.due,
        changed: row.changed,
        state: revision.to_string().into(),
        keep: true,
    };
    let streams = (0..revision).map(|number| stream(row.id, number % 2));
    let appends = streams.map(|stream| Append::one(event(&stream))).collect();
    Unit { appends, sagas: vec![SagaChange::Write(write)], ..Unit::default() }
}

fn stream(id: Uuid, number: u64) -> String {
    format!("saga-{id}-{number}")
}

/// Starts a saga and takes its steps, each twice at a time; whether its key was free.
async fn run(store: Arc<dyn Backend>, row: SagaRow) -> bool {
    let appends = vec![Append::one(event(&stream(row.id, 0)))];
    let start = Unit { appends, sagas: vec![SagaChange::Start(row.clone())], ..Unit::default() };
    match store.commit(start).await {
        Err(Error::SagaExists { .. }) => return false,
        started => drop(started.unwrap()),
    }
    for revision in 1..=STEPS {
        let commit = || store.commit(step(&row, revision));
        let (one, other) = tokio::join!(commit(), commit());
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        let refused = one.err().or(other.err());
        assert!(matches!(refused, Some(Error::SagaMoved { id }) if id == row.id), "{refused:?}");
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn many_steps_at_a_time_take_effect_once_each() {
    let store = Place::new().store().await.unwrap();
    let mut running = JoinSet::new();
    let rows: Vec<_> = (0..SAGAS).map(|number| saga(number / 2)).collect();
    for row in rows.clone() {
        let store = Arc::clone(&store);
        running.spawn(async move { (row.id, run(store, row).await) });
    }
    let mut won = 0;
    for (id, has_won) in running.join_all().await {
        won += usize::from(has_won);
        let row = store.saga(id).await.unwrap();
        let ended = row.map(|row| (row.phase, row.revision, row.owner, row.state));
        let expected = (Phase::Completed, STEPS + 1, None, STEPS.to_string().into());
        assert_eq!(ended, has_won.then_some(expected));
        for (number, events) in [(0, 5), (1, 2)] {
            let stream = StreamName::new(stream(id, number)).unwrap();
            let found = store.read_stream(&stream, StreamRange::ALL, 99).await.unwrap();
            assert_eq!(found.len(), if has_won { events } else { 0 });
        }
    }
    assert_eq!(won, SAGAS / 2, "each key was taken once");
    store.close().await.unwrap();
}
