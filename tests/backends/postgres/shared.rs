//! Several processes on one store, each of which is a store of its own here.

use std::{sync::Arc, time::Duration};

use kairo::{
    Error, Position, Uuid, Version,
    clock::Clock,
    delivery::{Backend, Checkpoint, Claim, Claimed, Progress},
    handler::entry::StartAt,
    lease::{LEASE, Member},
    store::{StreamRange, Unit},
};
use tokio::time::timeout;

use super::{PATIENCE, Place, append, event};

/// How many events each of two processes appends to one stream.
const ROUNDS: usize = 50;

async fn two(place: &Place) -> [Arc<dyn Backend>; 2] {
    [place.store().await.unwrap(), place.store().await.unwrap()]
}

async fn close(stores: [Arc<dyn Backend>; 2]) {
    for store in stores {
        store.close().await.unwrap();
    }
}

fn member(name: &str) -> Member {
    let subscriptions = vec!["mail".to_owned()];
    Member { id: Clock::system().new_id(), name: name.to_owned(), subscriptions }
}

async fn claim(store: &dyn Backend, owner: Uuid, partitions_max: u32) -> Option<Claimed> {
    let start = StartAt::Beginning;
    let claim =
        Claim { subscription: "mail".to_owned(), start, renamed_from: None, partitions_max };
    store.claim(owner, vec![claim]).await.unwrap().remove(0)
}

fn progress(claimed: &Claimed, low_water: u64) -> Unit {
    Unit::of_progress(Progress {
        subscription: "mail".to_owned(),
        epoch: claimed.epoch,
        checkpoint: Checkpoint::at(Position::at_sequence(low_water)),
        park: Vec::new(),
        unpark: Vec::new(),
        bury: Vec::new(),
        failure: None,
    })
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn one_process_hears_of_what_another_appends_and_changes() {
    let place = Place::new();
    let stores = two(&place).await;
    let (mut log, mut others) = (stores[1].watch(), stores[1].watch_others());
    // The first signal says that it listens from now on.
    timeout(PATIENCE, others.changed()).await.unwrap().unwrap();
    log.mark_unchanged();
    stores[0].commit(append("user-1", Version::Any)).await.unwrap();
    timeout(PATIENCE, log.changed()).await.expect("it hears of an event").unwrap();
    others.mark_unchanged();
    let me = member("one");
    stores[0].join(&me, LEASE).await.unwrap();
    timeout(PATIENCE, others.changed()).await.expect("it hears of a member").unwrap();
    close(stores).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run ./test"]
async fn two_processes_append_to_one_stream_without_a_conflict() {
    let place = Place::new();
    let stores = two(&place).await;
    let writers = stores.clone().map(|store| {
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                store.commit(append("user-1", Version::Any)).await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    let stream = event("user-1").stream;
    let events = stores[0].read_stream(&stream, StreamRange::ALL, 1_000).await.unwrap();
    assert!(events.iter().map(|event| event.version).eq(1..=2 * ROUNDS as u64));
    assert!(events.is_sorted_by(|one, other| one.position < other.position));
    close(stores).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn partitions_are_shared_and_taken_over() {
    let place = Place::new();
    let stores = two(&place).await;
    let (one, other) = (member("one"), member("other"));
    for (store, member) in stores.iter().zip([&one, &other]) {
        store.join(member, LEASE).await.unwrap();
    }
    assert_eq!(stores[0].renew(&one, LEASE).await.unwrap(), [one.clone(), other.clone()]);

    let all = claim(&*stores[0], one.id, 64).await.unwrap();
    assert_eq!(all.partitions.len(), 32);
    assert!(claim(&*stores[1], other.id, 64).await.is_none(), "everything is taken");
    stores[0].commit(progress(&all, 5)).await.unwrap();

    let half = claim(&*stores[0], one.id, 16).await.unwrap();
    assert_eq!((half.partitions.len(), half.checkpoint.low_water), (16, Position::at_sequence(5)));
    let rest = claim(&*stores[1], other.id, 64).await.unwrap();
    assert_eq!((rest.partitions.len(), rest.checkpoint.low_water), (16, Position::at_sequence(5)));
    let fenced = stores[0].commit(progress(&all, 6)).await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
    stores[0].commit(progress(&half, 9)).await.unwrap();
    stores[1].commit(progress(&rest, 7)).await.unwrap();
    let rows = stores[0].subscriptions().await.unwrap();
    let owners: Vec<_> = rows[0].shares.iter().map(|share| share.owner).collect();
    assert_eq!(
        (owners, rows[0].low_water),
        (vec![Some(one.id), Some(other.id)], Position::at_sequence(7))
    );

    stores[0].leave(one.id).await.unwrap();
    let merged = claim(&*stores[1], other.id, 64).await.unwrap();
    assert!(merged.unclean && merged.partitions.len() == 32);
    assert_eq!(merged.checkpoint.low_water, Position::at_sequence(7));
    let ahead = &merged.checkpoint.ahead;
    assert_eq!((ahead.len(), ahead[0].low_water), (1, Position::at_sequence(9)));
    assert_eq!(ahead[0].partitions, half.partitions);
    close(stores).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_lease_runs_out_on_the_clock_of_the_server() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let (late, other) = (member("late"), member("other"));
    store.join(&late, Duration::ZERO).await.unwrap();
    let lost = store.renew(&late, LEASE).await;
    assert!(matches!(lost, Err(Error::LeaseLost)), "{lost:?}");
    assert_eq!(store.join(&other, LEASE).await.unwrap(), [other]);
    store.close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run ./test"]
async fn a_store_keeps_the_number_of_partitions_that_it_was_made_with() {
    let place = Place::with("&partitions=6");
    let made = place.store().await.unwrap();
    let store = place.again("").store().await.unwrap();
    let all = claim(&*store, member("one").id, 64).await.unwrap();
    assert_eq!((all.partitions.len(), store.partitions()), (6, 6));
    let refused = place.again("&partitions=7").store().await.unwrap_err().to_string();
    assert!(refused.contains("have 6 partitions, not 7 as the URL has it"), "{refused}");
    close([made, store]).await;
}
