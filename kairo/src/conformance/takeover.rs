//! The laws of who carries sagas on: what is due and free, and what becomes of it without its owner.

use std::{collections::HashSet, sync::Arc};

use tokio::{task::JoinSet, time::timeout};

use super::{
    Harness,
    case::{Case, PATIENCE, assert_same, later},
    members::SHORT,
    pair::Pair,
    saga::{end_of, has_moved, ids, write_of},
};
use crate::{
    error::Result,
    journal::{Phase, SagaRow, SagaWrite},
};

/// How many claim at a time.
const RIVALS: usize = 8;

/// The longest due first, under the next epoch, and with the revision raised by one.
pub async fn a_claim_takes_what_is_due_and_free(case: Case) -> Result {
    let case = case.joined("claiming").await?;
    let names = [case.subscription("order"), case.subscription("unknown")];
    let (now, other) = (case.now(), case.subscription("other"));
    let due = |seconds: u64| SagaRow { due: later(now, seconds), ..case.saga() };
    let rows = [due(3), due(1), due(2), due(9)];
    let phase = Phase::Compensating;
    let rows = rows.map(|row| SagaRow { phase, ..row });
    for row in rows.iter().chain([&SagaRow { saga: other, ..due(0) }]) {
        case.start(row).await?;
    }
    assert_eq!(case.store.next_saga(&names).await?, Some(rows[1].due));
    let claim =
        |seconds, limit| case.store.claim_sagas(case.owner(), &names, later(now, seconds), limit);
    assert!(claim(0, 9).await?.is_empty());
    let claimed = claim(3, 2).await?;
    assert_eq!(ids(&claimed), [rows[1].id, rows[2].id]);
    let expected = SagaRow { owner: Some(case.owner()), epoch: 2, revision: 2, ..rows[1].clone() };
    assert_same(&claimed[0], &expected);
    assert_same(&case.the_saga(expected.id).await?, &expected);
    assert_eq!(case.store.next_saga(&names).await?, Some(rows[0].due));
    assert_eq!(ids(&claim(3, 9).await?), [rows[0].id]);
    let late = case.write_saga(write_of(&rows[0], "late")).await;
    assert!(has_moved(&late, rows[0].id), "{late:?}");
    case.write_saga(write_of(&expected, "mine")).await?;
    assert_eq!(case.store.next_saga(&names).await?, Some(rows[3].due));
    assert_eq!(case.store.next_saga(&names[1..]).await?, None);
    assert!(case.store.claim_sagas(case.owner(), &[], later(now, 9), 9).await?.is_empty());
    Ok(())
}

/// Also at a time. Where nothing is shared, there is only one owner.
pub async fn what_one_has_claimed_no_other_gets(case: Case) -> Result {
    let first = case.joined("first").await?;
    for _ in 0..3 * RIVALS {
        case.start(&case.saga()).await?;
    }
    let mut claiming = JoinSet::new();
    for number in 0..RIVALS {
        let case = if case.store.features().shared {
            case.joined(&number.to_string()).await?
        } else {
            first.clone()
        };
        claiming.spawn(async move { case.claim_orders(2).await });
    }
    let mut taken = HashSet::new();
    for claimed in claiming.join_all().await {
        for row in claimed? {
            assert!(taken.insert(row.id), "`{}` was claimed twice", row.id);
        }
    }
    let rest = first.claim_orders(usize::MAX >> 1).await?;
    assert_eq!(taken.len() + rest.len(), 3 * RIVALS);
    assert!(rest.iter().all(|row| taken.insert(row.id)));
    assert!(first.claim_orders(1).await?.is_empty());
    Ok(())
}

/// By its owner, all at once, or by the write with which it begins to wait.
pub async fn what_is_given_back_can_be_claimed(case: Case) -> Result {
    let case = case.joined("claiming").await?;
    let (one, two) = (case.saga(), SagaRow { owner: Some(case.owner()), ..case.saga() });
    case.start(&one).await?;
    case.start(&two).await?;
    assert_eq!(ids(&case.claim_orders(9).await?), [one.id]);
    case.store.release_sagas(case.new_id()).await?;
    assert!(case.claim_orders(9).await?.is_empty());
    case.store.release_sagas(case.owner()).await?;
    assert_eq!(case.the_saga(two.id).await?.owner, None);
    let claimed = case.claim_orders(9).await?;
    assert_eq!(ids(&claimed), [one.id, two.id]);
    assert_eq!((claimed[0].epoch, claimed[1].epoch), (3, 2));
    let due = later(case.now(), 60);
    case.write_saga(SagaWrite { due, keep: false, ..write_of(&claimed[0], "waits") }).await?;
    assert!(case.claim_orders(9).await?.is_empty());
    let names = [case.subscription("order")];
    assert_eq!(case.store.next_saga(&names).await?, Some(due));
    assert_eq!(ids(&case.store.claim_sagas(case.owner(), &names, due, 9).await?), [one.id]);
    Ok(())
}

/// Until somebody writes that it goes on.
pub async fn what_has_ended_or_waits_for_people_is_not_claimed(case: Case) -> Result {
    let case = case.joined("claiming").await?;
    let names = [case.subscription("order")];
    for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_live()) {
        let row = SagaRow { owner: Some(case.owner()), ..case.saga() };
        case.start(&row).await?;
        case.write_saga(SagaWrite { keep: true, ..end_of(&row, phase) }).await?;
        assert!(case.claim_orders(9).await?.is_empty(), "{phase:?}");
        assert_eq!(case.store.next_saga(&names).await?, None);
        let seen = case.the_saga(row.id).await?;
        assert_eq!(seen.owner, None);
        let write = write_of(&seen, "again");
        case.write_saga(SagaWrite { phase: Phase::Compensating, ..write }).await?;
        assert_eq!(ids(&case.claim_orders(9).await?), [row.id], "{phase:?}");
    }
    Ok(())
}

/// Claims as soon as there is something to claim.
async fn claim_freed(case: &Case) -> Result<Vec<SagaRow>> {
    loop {
        let claimed = case.claim_orders(9).await?;
        if !claimed.is_empty() {
            return Ok(claimed);
        }
        tokio::task::yield_now().await;
    }
}

/// Without its doing, under the next epoch.
pub async fn what_a_dead_member_had_of_sagas_is_free(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let dying = pair.left.member("dying");
    let left = pair.left.joined_as(&dying).await?;
    left.start(&left.saga()).await?;
    let mut lost = left.claim_orders(9).await?;
    let own = SagaRow { owner: Some(left.owner()), due: later(left.now(), 600), ..left.saga() };
    left.start(&own).await?;
    let right = pair.right.joined("right").await?;
    assert!(right.claim_orders(9).await?.is_empty());
    left.store.renew(&dying, SHORT).await?;
    let taken = timeout(PATIENCE, claim_freed(&right)).await.expect("a lease runs out")?;
    let (lost, taken) = (lost.remove(0), &taken[..]);
    assert_eq!(ids(taken), [lost.id], "the other one is not due");
    assert_eq!((taken[0].epoch, taken[0].owner), (lost.epoch + 1, Some(right.owner())));
    let late = left.write_saga(write_of(&lost, "late")).await;
    assert!(has_moved(&late, lost.id), "{late:?}");
    let names = [right.subscription("order")];
    let later = right.store.claim_sagas(right.owner(), &names, own.due, 9).await?;
    assert_eq!(ids(&later), [own.id]);
    pair.close().await
}

/// However often others look; at once when it is given back, or when the member leaves.
pub async fn what_a_living_member_has_of_sagas_is_not_free(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let (left, right) = (pair.left.joined("left").await?, pair.right.joined("right").await?);
    let own = SagaRow { owner: Some(left.owner()), ..left.saga() };
    left.start(&own).await?;
    left.start(&left.saga()).await?;
    assert_eq!(left.claim_orders(9).await?.len(), 1);
    for _ in 0..3 {
        assert!(right.claim_orders(9).await?.is_empty());
    }
    left.store.release_sagas(left.owner()).await?;
    assert_eq!(right.claim_orders(1).await?.len(), 1);
    assert_eq!(left.claim_orders(9).await?.len(), 1);
    left.store.leave(left.owner()).await?;
    assert_eq!(right.claim_orders(9).await?.len(), 1);
    pair.close().await
}
