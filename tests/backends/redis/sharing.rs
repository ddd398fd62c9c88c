//! Processes that share a server, under leases on its clock.

use std::{sync::Arc, time::Duration};

use kairo::{
    Error, Uuid, Version,
    clock::Clock,
    delivery::{Backend, Checkpoint, Claim, Claimed, Progress},
    handler::entry::StartAt,
    lease::Member,
    store::Unit,
};

use super::{PATIENCE, Place, append, proxy::Proxy};

/// So long that no test sees its end.
const LONG: Duration = Duration::from_hours(1);

/// So short that a test can wait for its end.
const SHORT: Duration = Duration::from_millis(300);

fn member(name: &str) -> Member {
    let id = Clock::system().new_id();
    Member { id, name: name.to_owned(), subscriptions: vec!["mail".to_owned()] }
}

async fn claim(store: &Arc<dyn Backend>, owner: Uuid, most: u32) -> Option<Claimed> {
    let claim = Claim {
        subscription: "mail".to_owned(),
        start: StartAt::Beginning,
        renamed_from: None,
        partitions_max: most,
    };
    store.claim(owner, vec![claim]).await.unwrap().remove(0)
}

fn progress(claimed: &Claimed) -> Unit {
    Unit::of_progress(Progress {
        subscription: "mail".to_owned(),
        epoch: claimed.epoch,
        checkpoint: Checkpoint::default(),
        park: Vec::new(),
        unpark: Vec::new(),
        bury: Vec::new(),
        failure: None,
    })
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn processes_share_the_partitions_of_a_subscription() {
    let place = Place::new();
    let (ours, theirs) = (place.store().await.unwrap(), place.store().await.unwrap());
    let (we, they) = (member("we"), member("they"));
    ours.join(&we, LONG).await.unwrap();
    assert_eq!(theirs.join(&they, LONG).await.unwrap().len(), 2);
    let left = claim(&ours, we.id, 20).await.unwrap();
    let right = claim(&theirs, they.id, 64).await.unwrap();
    assert_eq!((left.partitions.len(), right.partitions.len()), (20, 12));
    assert!(claim(&theirs, they.id, 64).await.unwrap().partitions.len() == 12);

    // Whoever leaves is free at once, and fenced when somebody has taken over.
    ours.leave(we.id).await.unwrap();
    let all = claim(&theirs, they.id, 64).await.unwrap();
    assert_eq!(all.partitions.len(), 32);
    let fenced = ours.commit(progress(&left)).await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
    theirs.commit(progress(&all)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn what_a_dead_process_had_is_free_when_its_lease_has_run_out() {
    let place = Place::new();
    let (ours, theirs) = (place.store().await.unwrap(), place.store().await.unwrap());
    let (we, they) = (member("we"), member("they"));
    ours.join(&we, SHORT).await.unwrap();
    theirs.join(&they, LONG).await.unwrap();
    claim(&ours, we.id, 64).await.unwrap();
    let take_over = async {
        loop {
            match claim(&theirs, they.id, 64).await {
                Some(claimed) => return claimed,
                None => Clock::system().sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let claimed = tokio::time::timeout(PATIENCE, take_over).await.expect("the lease runs out");
    assert!(claimed.unclean && claimed.partitions.len() == 32);
    let renewed = ours.renew(&we, SHORT).await;
    assert!(matches!(renewed, Err(Error::LeaseLost)), "{renewed:?}");
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn others_hear_of_what_is_not_in_the_log() {
    let place = Place::new();
    let (ours, theirs) = (place.store().await.unwrap(), place.store().await.unwrap());
    let we = member("we");
    let mut others = theirs.watch_others();
    let mut hear = async || {
        tokio::time::timeout(PATIENCE, others.changed()).await.expect("it is heard").unwrap();
    };
    // The first one may be that of having begun to listen.
    hear().await;
    ours.join(&we, LONG).await.unwrap();
    hear().await;
    claim(&ours, we.id, 1).await.unwrap();
    hear().await;
    ours.leave(we.id).await.unwrap();
    hear().await;
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_claim_whose_answer_is_lost_is_made_again() {
    let place = Place::new();
    let proxy = Proxy::before(Place::address()).await;
    let url = place.url_at(proxy.address());
    let store = kairo::backend::open(&url, &Clock::system()).await.unwrap();
    let we = member("we");
    for cuts in 1..4 {
        proxy.cut(cuts);
        store.join(&we, LONG).await.unwrap();
        assert_eq!(proxy.cuts_left(), 0);
        proxy.cut(cuts);
        let claimed = claim(&store, we.id, 64).await.unwrap();
        assert_eq!((proxy.cuts_left(), claimed.partitions.len()), (0, 32));
        store.commit(progress(&claimed)).await.unwrap();
    }
    proxy.cut(1);
    assert!(store.remove_subscription("mail".to_owned()).await.unwrap());
    store.commit(append("user-1", Version::NoStream)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Redis: run ./test"]
async fn a_store_keeps_the_number_of_partitions_that_it_was_made_with() {
    let place = Place::new();
    let open = async |options: &str| {
        kairo::backend::open(&format!("{}{options}", place.url()), &Clock::system()).await
    };
    let made = open("&partitions=6").await.unwrap();
    let store = open("").await.unwrap();
    let all = claim(&store, member("one").id, 64).await.unwrap();
    assert_eq!((all.partitions.len(), store.partitions()), (6, 6));
    let refused = open("&partitions=7").await.unwrap_err().to_string();
    assert!(refused.contains("have 6 partitions, not 7 as the URL has it"), "{refused}");
    made.close().await.unwrap();
    store.close().await.unwrap();
}
