//! Claims of all subscriptions at once, which write no rows.

use std::sync::Arc;

use kairo::{
    Error, Position, Uuid,
    delivery::{Backend, Checkpoint, Claim, Claimed, Progress},
    handler::entry::StartAt,
    store::Unit,
};

use super::Place;

/// So many that they are not found one by one.
const MANY: usize = 40;

fn name(index: usize) -> String {
    format!("handler-{index:02}")
}

/// Claims the first `count` subscriptions.
async fn claim(store: &Arc<dyn Backend>, count: usize) -> Vec<Claimed> {
    let claim = |index| Claim {
        subscription: name(index),
        start: StartAt::Beginning,
        renamed_from: None,
        partitions_max: 1,
    };
    let claimed = store.claim(Uuid::nil(), (0..count).map(claim).collect()).await.unwrap();
    claimed.into_iter().map(Option::unwrap).collect()
}

/// Writes progress of a subscription under an epoch.
async fn advance(store: &Arc<dyn Backend>, index: usize, epoch: u64) -> kairo::Result<()> {
    let progress = Progress {
        subscription: name(index),
        epoch,
        checkpoint: Checkpoint::at(Position::START),
        park: Vec::new(),
        unpark: Vec::new(),
        bury: Vec::new(),
        failure: None,
    };
    store.commit(Unit::of_progress(progress)).await.map(drop)
}

/// Which of those that are claimed were not given back.
fn unclean(claimed: &[Claimed]) -> Vec<usize> {
    (0..).zip(claimed).filter(|(_, claimed)| claimed.unclean).map(|(index, _)| index).collect()
}

#[tokio::test]
async fn a_claim_of_all_fences_each() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let old = claim(&store, MANY).await[7].epoch;
    let new = claim(&store, MANY).await[7].epoch;
    assert!(old < new);
    assert!(matches!(advance(&store, 7, old).await, Err(Error::Fenced { .. })));
    advance(&store, 7, new).await.unwrap();
    let rows = store.subscriptions().await.unwrap();
    assert!(rows.iter().all(|row| row.shares[0].epoch == new), "{rows:?}");
    let one = claim(&store, 1).await[0].epoch;
    assert!(matches!(advance(&store, 0, new).await, Err(Error::Fenced { .. })));
    advance(&store, 0, one).await.unwrap();
    advance(&store, 1, new).await.unwrap();
}

#[tokio::test]
async fn who_was_claimed_with_all_and_not_given_back_is_unclean() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    let first = claim(&store, MANY).await;
    assert_eq!(unclean(&first), [0_usize; 0]);
    let epoch = claim(&store, MANY).await[0].epoch;
    let back = |index| (name(index), epoch);
    store.release((2..MANY).map(back).collect()).await.unwrap();
    drop(store);
    let store = place.store().await.unwrap();
    let third = claim(&store, MANY).await;
    assert_eq!(unclean(&third), [0, 1]);
    store.release((0..MANY).map(|index| (name(index), epoch)).collect()).await.unwrap();
    assert_eq!(unclean(&claim(&store, MANY).await).len(), MANY, "an old claim gives nothing back");
}

#[tokio::test]
async fn a_subscription_that_is_new_is_claimed_beside_those_that_were_there() {
    let place = Place::new();
    let store = place.store().await.unwrap();
    claim(&store, MANY).await;
    let epoch = claim(&store, MANY).await[0].epoch;
    store.release((0..MANY).map(|index| (name(index), epoch)).collect()).await.unwrap();
    let more = claim(&store, MANY + 1).await;
    assert_eq!(unclean(&more), [0_usize; 0]);
    assert!(more.iter().all(|claimed| epoch < claimed.epoch));
    advance(&store, MANY, more[MANY].epoch).await.unwrap();
    assert_eq!(store.subscription_names().await.unwrap().len(), MANY + 1);
}
