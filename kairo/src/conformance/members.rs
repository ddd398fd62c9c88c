//! The laws of leases: which processes are there, on the store's own clock.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Harness,
    case::{Case, PATIENCE},
    pair::{LONG, Pair},
};
use crate::{
    delivery::{Claimed, partition::PARTITIONS_MAX},
    error::{Error, Result},
    lease::Member,
    store::Position,
};

/// A lease that runs out while a law waits for that.
pub(super) const SHORT: Duration = Duration::from_millis(200);

/// Waits until nobody sees a member any more.
async fn until_gone(case: &Case, id: Uuid) -> Result {
    let gone = async {
        while case.members().await?.contains(&id) {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    timeout(PATIENCE, gone).await.expect("a lease runs out")
}

/// There is one member, and its lease does not end.
pub async fn a_lone_process_is_the_only_member(harness: Arc<dyn Harness>) -> Result {
    let store = harness.open().await?;
    let case = Case::new(&store, 0);
    let mut member = case.member("alone");
    assert_eq!(store.join(&member, SHORT).await?, [member.clone()]);
    member.subscriptions.clear();
    assert_eq!(store.renew(&member, LONG).await?, [member.clone()]);
    store.leave(member.id).await?;
    store.leave(member.id).await?;
    store.close().await
}

/// With its name, and what it can run by now.
pub async fn a_member_is_seen_by_others_until_it_leaves(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let Pair { left, right } = &pair;
    let (mut one, other) = (left.member("one"), right.member("other"));
    assert_eq!(left.store.join(&one, LONG).await?, [one.clone()]);
    assert_eq!(right.store.join(&other, LONG).await?, sorted([&one, &other]));
    one.subscriptions = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(left.store.renew(&one, LONG).await?, sorted([&one, &other]));
    assert_eq!(right.store.renew(&other, LONG).await?, sorted([&one, &other]));
    left.store.leave(one.id).await?;
    left.store.leave(one.id).await?;
    assert_eq!(right.store.renew(&other, LONG).await?, [other]);
    pair.close().await
}

fn sorted(members: [&Member; 2]) -> Vec<Member> {
    let mut members: Vec<_> = members.into_iter().cloned().collect();
    members.sort_by_key(|member| member.id);
    members
}

/// Then nobody sees the member, and renewing fails, once and for all.
pub async fn a_lease_runs_out_on_the_store_s_clock(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let Pair { left, right } = &pair;
    let member = left.member("short");
    left.store.join(&member, SHORT).await?;
    until_gone(right, member.id).await?;
    for _ in 0..2 {
        let renewed = left.store.renew(&member, LONG).await;
        assert!(matches!(renewed, Err(Error::LeaseLost)), "{renewed:?}");
    }
    assert!(right.members().await?.is_empty());
    let stranger = left.member("stranger");
    let renewed = left.store.renew(&stranger, LONG).await;
    assert!(matches!(renewed, Err(Error::LeaseLost)), "{renewed:?}");
    let again = left.member("again");
    assert_eq!(left.store.join(&again, LONG).await?, [again]);
    pair.close().await
}

/// Renewing makes it last, from the moment of the call.
pub async fn a_renewed_lease_goes_on(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let Pair { left, right } = &pair;
    let (renewed, forgotten) = (left.member("renewed"), left.member("forgotten"));
    left.store.join(&renewed, SHORT).await?;
    left.store.renew(&renewed, LONG).await?;
    left.store.join(&forgotten, SHORT).await?;
    until_gone(right, forgotten.id).await?;
    assert_eq!(right.members().await?, [renewed.id]);
    left.store.renew(&renewed, SHORT).await?;
    until_gone(right, renewed.id).await?;
    pair.close().await
}

/// Claims all of a subscription as soon as there is something to claim.
async fn claim_freed(case: &Case) -> Result<Claimed> {
    loop {
        if let Some(claimed) = case.claim_most("mail", PARTITIONS_MAX).await? {
            return Ok(claimed);
        }
        tokio::task::yield_now().await;
    }
}

/// Without its doing; the next claim is not a clean one, and the dead member's is past.
pub async fn what_a_dead_member_has_claimed_is_free(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let dying = pair.left.member("dying");
    pair.left.store.join(&dying, LONG).await?;
    let left = pair.left.owned_by(dying.id);
    let lost = left.claim_most("mail", PARTITIONS_MAX).await?.expect("all is free");
    let right = pair.right.joined("right").await?;
    assert!(right.claim_most("mail", PARTITIONS_MAX).await?.is_none());
    left.store.renew(&dying, SHORT).await?;
    let taken = timeout(PATIENCE, claim_freed(&right)).await.expect("a lease runs out")?;
    assert_eq!((taken.partitions, taken.unclean), (lost.partitions, true));
    let late = left.progress("mail", lost.epoch, Position::START);
    assert!(matches!(left.advance(late).await, Err(Error::Fenced { .. })));
    pair.close().await
}

/// At once, however long its lease would have run.
pub async fn what_a_member_has_claimed_that_left_is_free(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let (left, right) = (pair.left.joined("left").await?, pair.right.joined("right").await?);
    let lost = left.claim_most("mail", PARTITIONS_MAX).await?.expect("all is free");
    left.store.leave(left.owner()).await?;
    let taken = right.claim_most("mail", PARTITIONS_MAX).await?.expect("it is free");
    assert_eq!(taken.partitions, lost.partitions);
    pair.close().await
}

/// However often others look, and whatever else it has released.
pub async fn what_a_living_member_has_claimed_is_not_free(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let (left, right) = (pair.left.joined("left").await?, pair.right.joined("right").await?);
    let kept = left.claim_most("mail", PARTITIONS_MAX).await?.expect("all is free");
    let other = left.claim_most("stock", PARTITIONS_MAX).await?.expect("all is free");
    left.store.release(vec![(left.subscription("stock"), other.epoch)]).await?;
    for _ in 0..3 {
        assert!(right.claim_most("mail", PARTITIONS_MAX).await?.is_none());
    }
    assert!(right.claim_most("stock", PARTITIONS_MAX).await?.is_some());
    left.advance(left.progress("mail", kept.epoch, Position::START)).await?;
    pair.close().await
}
