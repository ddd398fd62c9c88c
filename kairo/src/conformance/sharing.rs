//! The laws of stores that several processes have open: who gets which partitions.
//!
//! Each opens its store twice. Where sharing is not claimed, it must not be possible.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use super::{
    Harness,
    case::{Case, PATIENCE, assert_same, ids},
    pair::Pair,
};
use crate::{
    delivery::{
        Checkpoint, Claimed, DeadLetter, Parked, Partitions, Progress, Steer,
        partition::PARTITIONS_MAX,
    },
    error::{Error, Result},
    event::record::EventData,
    store::{Placed, Position, Version},
};

/// How many members claim at a time.
const CLAIMERS: u32 = 4;

async fn claim_all(case: &Case) -> Result<Claimed> {
    Ok(case.claim_most("mail", PARTITIONS_MAX).await?.expect("something is free"))
}

async fn release(case: &Case, claimed: &Claimed) -> Result {
    case.store.release(vec![(case.subscription("mail"), claimed.epoch)]).await
}

/// Two members, of which the first has one half of the partitions and the second the other.
async fn halves(pair: &Pair) -> Result<[(Case, Claimed); 2]> {
    let (left, right) = (pair.left.joined("left").await?, pair.right.joined("right").await?);
    let all = claim_all(&left).await?.partitions;
    let half = left.claim_most("mail", all.count() / 2).await?.expect("it had them before");
    let rest = claim_all(&right).await?;
    assert_eq!(half.partitions.with(rest.partitions), all);
    Ok([(left, half), (right, rest)])
}

/// A key of one of these partitions.
fn key_in(case: &Case, partitions: Partitions) -> String {
    let mut keys = (0..).map(|number| case.stream(&format!("key{number}")).to_string());
    keys.find(|key| partitions.have(key)).expect("every partition has keys")
}

fn assert_apart(one: Partitions, other: Partitions) {
    assert_eq!(one.bits() & other.bits(), 0, "{one:?} and {other:?} overlap");
}

async fn append_three(case: &Case) -> Result<[Placed; 3]> {
    let first = case.append_at("one", Version::Any).await?;
    let second = case.append_at("one", Version::Any).await?;
    Ok([first, second, case.append_at("one", Version::Any).await?])
}

/// What one handle has committed, the other reads; a version is won by one of both.
pub async fn a_store_is_the_same_in_every_process(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let Pair { left, right } = &pair;
    let first = left.append_at("one", Version::NoStream).await?;
    assert!(matches!(
        right.append_at("one", Version::NoStream).await,
        Err(Error::Conflict { actual: 1, .. })
    ));
    let second = right.append_at("one", Version::At(1)).await?;
    assert!(first.position < second.position);
    for case in [left, right] {
        assert_eq!(ids(&case.events_of("one").await?), [first.id, second.id]);
        assert!(second.position <= case.store.head().await?);
    }
    left.close_stream("one").await?;
    assert!(matches!(right.append_at("one", Version::Any).await, Err(Error::Tombstone { .. })));
    pair.close().await
}

/// Both of events, and of anything else.
pub async fn changes_of_others_are_signalled(harness: Arc<dyn Harness>) -> Result {
    async fn hears(
        mut signal: watch::Receiver<u64>,
        change: impl Future<Output = Result>,
    ) -> Result {
        signal.mark_unchanged();
        change.await?;
        let heard = timeout(PATIENCE, signal.changed()).await;
        heard.expect("a change is signalled").expect("the store is open");
        Ok(())
    }
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let Pair { left, right } = &pair;
    let claimed = left.claim("mail").await?;
    hears(right.store.watch(), async { left.append_at("one", Version::Any).await.map(drop) })
        .await?;
    let others = right.store.watch_others();
    let pause = left.store.steer(left.subscription("mail"), Steer::Pause);
    hears(others.clone(), pause).await?;
    hears(others.clone(), release(left, &claimed)).await?;
    let member = left.member("left");
    hears(others.clone(), async {
        left.store.join(&member, Duration::from_mins(1)).await.map(drop)
    })
    .await?;
    hears(others, left.store.leave(member.id)).await?;
    pair.close().await
}

/// Nor taken away: whoever claims again gets what it has.
pub async fn what_another_member_has_is_not_claimed(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let [(left, half), (right, rest)] = halves(&pair).await?;
    let third = pair.right.joined("third").await?;
    assert!(third.claim_most("mail", PARTITIONS_MAX).await?.is_none());
    for (case, claimed) in [(&left, &half), (&right, &rest)] {
        let again = claim_all(case).await?;
        assert_eq!(again.partitions, claimed.partitions);
        assert!(claimed.epoch < again.epoch);
        case.advance(case.progress("mail", again.epoch, Position::START)).await?;
        let old = case.progress("mail", claimed.epoch, Position::START);
        assert!(matches!(case.advance(old).await, Err(Error::Fenced { .. })));
    }
    pair.close().await
}

/// Both parts keep its checkpoint, and the part that is left over is free.
pub async fn a_share_is_split_for_who_wants_less(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let (left, right) = (pair.left.joined("left").await?, pair.right.joined("right").await?);
    let [low, _, high] = append_three(&left).await?;
    let all = claim_all(&left).await?;
    let finished = vec![high.position];
    let checkpoint = Checkpoint { finished, ..Checkpoint::at(low.position) };
    let progress = left.progress("mail", all.epoch, low.position);
    left.advance(Progress { checkpoint: checkpoint.clone(), ..progress.clone() }).await?;

    let few = left.claim_most("mail", 3).await?.expect("it had more before");
    assert_eq!(few.partitions.len(), 3);
    assert!(matches!(left.advance(progress).await, Err(Error::Fenced { .. })));
    let rest = claim_all(&right).await?;
    assert_apart(few.partitions, rest.partitions);
    assert_eq!(few.partitions.with(rest.partitions), all.partitions);
    assert_ne!(few.epoch, rest.epoch);
    assert_eq!((&few.checkpoint, &rest.checkpoint), (&checkpoint, &checkpoint));
    assert_eq!((few.generation, rest.generation), (all.generation, all.generation));
    assert!(left.claim_most("mail", 0).await?.is_none(), "nothing is wanted");
    pair.close().await
}

/// The progress of one is none of the other's.
pub async fn each_share_has_its_own_progress(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let [low, _, high] = append_three(&pair.left).await?;
    let [(left, half), (right, rest)] = halves(&pair).await?;
    left.advance(left.progress("mail", half.epoch, low.position)).await?;
    right.advance(right.progress("mail", rest.epoch, high.position)).await?;
    assert_eq!(claim_all(&left).await?.checkpoint, Checkpoint::at(low.position));
    assert_eq!(claim_all(&right).await?.checkpoint, Checkpoint::at(high.position));
    pair.close().await
}

/// How far a partition is, as a checkpoint says.
fn reached(checkpoint: &Checkpoint, key: &str) -> Position {
    let ahead = checkpoint.ahead.iter().filter(|ahead| ahead.partitions.have(key));
    ahead.map(|ahead| ahead.low_water).fold(checkpoint.low_water, Ord::max)
}

/// The lowest low water counts, and what is beyond it is `ahead`, also once more.
pub async fn shares_are_merged_by_a_claim(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let [low, middle, high] = append_three(&pair.left).await?;
    let [(left, half), (right, rest)] = halves(&pair).await?;
    let progress = left.progress("mail", half.epoch, low.position);
    let finished = vec![high.position];
    let checkpoint = Checkpoint { finished, ..progress.checkpoint.clone() };
    left.advance(Progress { checkpoint, ..progress }).await?;
    right.advance(right.progress("mail", rest.epoch, middle.position)).await?;
    release(&left, &half).await?;
    release(&right, &rest).await?;

    let third = pair.left.joined("third").await?;
    for _ in 0..2 {
        let all = claim_all(&third).await?;
        assert_eq!(all.partitions, half.partitions.with(rest.partitions));
        let Checkpoint { low_water, finished, .. } = &all.checkpoint;
        assert_eq!((*low_water, &finished[..]), (low.position, &[high.position][..]));
        for (partitions, expected) in [(half.partitions, &low), (rest.partitions, &middle)] {
            let key = key_in(&third, partitions);
            assert_eq!(reached(&all.checkpoint, &key), expected.position, "{:?}", all.checkpoint);
        }
        let progress = third.progress("mail", all.epoch, low.position);
        third.advance(Progress { checkpoint: all.checkpoint, ..progress }).await?;
    }
    pair.close().await
}

/// What is parked under a key, and a letter that holds it.
fn burden(case: &Case, key: &str, position: Position) -> (Parked, DeadLetter) {
    let parked = Parked { key: key.to_owned(), ..case.parked(position) };
    let letter = case.letter("mail", 1);
    let stream = crate::event::name::StreamName::stored(key);
    let original = EventData { stream, ..letter.original.clone() };
    (parked, DeadLetter { original, holds_key: true, ..letter })
}

/// And their letters; none of others.
pub async fn a_claim_gets_what_its_partitions_have_parked(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let placed = append_three(&pair.left).await?;
    let halves = halves(&pair).await?;
    let mut burdens = Vec::new();
    for ((case, claimed), placed) in halves.iter().zip(placed) {
        let (parked, letter) = burden(case, &key_in(case, claimed.partitions), placed.position);
        let progress = case.progress("mail", claimed.epoch, placed.position);
        let (park, bury) = (vec![parked.clone()], vec![letter.clone()]);
        case.advance(Progress { park, bury, ..progress }).await?;
        burdens.push((parked, letter));
    }
    for ((case, claimed), (parked, letter)) in halves.iter().zip(&burdens) {
        let again = claim_all(case).await?;
        assert_eq!(again.partitions, claimed.partitions);
        assert_same(&(again.parked, again.letters), &(vec![parked], vec![letter]));
    }
    for (case, _) in &halves {
        case.store.leave(case.owner()).await?;
    }
    let third = pair.right.joined("third").await?;
    let all = claim_all(&third).await?;
    assert_eq!((all.parked.len(), all.letters.len()), (2, 2));
    pair.close().await
}

/// At once, and the next claim is a clean one.
pub async fn a_released_share_is_free(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let [(left, half), (right, rest)] = halves(&pair).await?;
    release(&left, &half).await?;
    let late = left.progress("mail", half.epoch, Position::START);
    let third = pair.right.joined("third").await?;
    let taken = claim_all(&third).await?;
    assert_eq!((taken.partitions, taken.unclean), (half.partitions, false));
    assert!(matches!(left.advance(late).await, Err(Error::Fenced { .. })));

    release(&right, &rest).await?;
    let all = claim_all(&third).await?;
    assert_eq!(all.partitions, half.partitions.with(rest.partitions));
    assert!(all.unclean, "a part of it has not been released");
    pair.close().await
}

/// Together they have everything, and nobody has what another has.
pub async fn many_who_claim_at_a_time_share(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let first = pair.left.joined("first").await?;
    let all = claim_all(&first).await?;
    release(&first, &all).await?;
    let most = all.partitions.count().div_ceil(CLAIMERS);
    let mut claiming = Vec::new();
    for number in 0..CLAIMERS {
        let handle = if number % 2 == 0 { &pair.left } else { &pair.right };
        let case = handle.joined(&number.to_string()).await?;
        claiming.push(tokio::spawn(async move { case.claim_most("mail", most).await }));
    }
    let mut taken: Option<Partitions> = None;
    for claim in claiming {
        let claimed = claim.await.expect("claimers do not panic")?;
        let partitions = claimed.expect("there is enough").partitions;
        assert!(partitions.len() <= most);
        if let Some(taken) = taken {
            assert_apart(taken, partitions);
        }
        taken = Some(taken.map_or(partitions, |taken| taken.with(partitions)));
    }
    assert_eq!(taken, Some(all.partitions));
    pair.close().await
}

/// Partitions, epochs and places; a member that is gone owns nothing.
pub async fn subscriptions_show_who_has_what(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let [low, _, high] = append_three(&pair.left).await?;
    let [(left, half), (right, rest)] = halves(&pair).await?;
    left.advance(left.progress("mail", half.epoch, low.position)).await?;
    right.advance(right.progress("mail", rest.epoch, high.position)).await?;
    let row = pair.right.store.subscriptions().await?.remove(0);
    assert_eq!((row.shares.len(), row.low_water), (2, low.position));
    for (case, claimed, placed) in [(&left, &half, low), (&right, &rest, high)] {
        let share = row.shares.iter().find(|share| share.epoch == claimed.epoch);
        let share = share.expect("its share is there");
        assert_eq!((share.partitions, share.owner), (claimed.partitions, Some(case.owner())));
        assert_eq!(share.low_water, placed.position);
    }
    assert!(row.shares[0].epoch < row.shares[1].epoch);
    left.store.leave(left.owner()).await?;
    let row = pair.right.store.subscriptions().await?.remove(0);
    let owners: Vec<_> = row.shares.iter().filter_map(|share| share.owner).collect();
    assert_eq!(owners, [right.owner()]);
    pair.close().await
}

/// The others go on under their claims.
pub async fn a_skip_fences_the_owner_of_its_key_alone(harness: Arc<dyn Harness>) -> Result {
    let Some(pair) = Pair::open(&harness).await? else { return Ok(()) };
    let [(left, half), (right, rest)] = halves(&pair).await?;
    let key = key_in(&left, half.partitions);
    let stream = crate::event::name::StreamName::stored(&key);
    let placed = left.append(EventData { stream, ..left.event("one") }).await?;
    let steer = Steer::Skip { position: placed.position };
    right.store.steer(right.subscription("mail"), steer).await?;
    let progress = left.progress("mail", half.epoch, Position::START);
    assert!(matches!(left.advance(progress).await, Err(Error::Fenced { .. })));
    right.advance(right.progress("mail", rest.epoch, Position::START)).await?;
    let again = claim_all(&left).await?;
    assert_eq!(again.partitions, half.partitions);
    assert_eq!(again.checkpoint.finished, [placed.position]);
    pair.close().await
}
