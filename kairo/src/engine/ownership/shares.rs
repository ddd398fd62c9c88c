//! Fair shares: how many partitions of a subscription each process should have.
//!
//! Everybody who sees the same members comes to the same shares, so that nobody has to be asked.

use uuid::Uuid;

use crate::delivery::SubscriptionRow;

/// How many partitions a subscription has.
pub(super) fn count(row: &SubscriptionRow) -> Option<u32> {
    row.shares.first().map(|share| share.partitions.count())
}

/// The share of `owner`, one of the members that can run a subscription of `count` partitions.
/// What cannot be divided goes to other members for other subscriptions.
pub(super) fn goal(subscription: &str, count: u32, members: &[Uuid], owner: Uuid) -> u32 {
    let Some(rank) = members.iter().position(|member| *member == owner) else { return 0 };
    let all = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let rank = u32::try_from(rank).unwrap_or(u32::MAX);
    let turned = (rank + turn(subscription) % all) % all;
    count / all + u32::from(turned < count % all)
}

fn turn(subscription: &str) -> u32 {
    subscription.bytes().fold(0, |turn: u32, byte| turn.wrapping_mul(31) ^ u32::from(byte)) >> 1
}

/// Whether a claim still holds.
pub(super) fn has(row: &SubscriptionRow, epoch: u64) -> bool {
    row.shares.iter().any(|share| share.epoch == epoch)
}

/// How many partitions `owner` should claim, if claiming again would bring it nearer to its share,
/// or others to theirs. `members` are those that can run the subscription, `owner` among them.
///
/// Whoever has more than its share gives, since all shares together are all there is: then another
/// has less.
pub(super) fn wanted(row: &SubscriptionRow, members: &[Uuid], owner: Uuid) -> Option<u32> {
    let of = |id: Option<Uuid>| -> u32 {
        let shares = row.shares.iter().filter(|share| share.owner == id);
        shares.map(|share| share.partitions.len()).sum()
    };
    let goal = goal(&row.subscription, count(row)?, members, owner);
    let (has, free) = (of(Some(owner)), of(None));
    let is_worth_it = goal < has || (has < goal && 0 < free);
    is_worth_it.then_some(goal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delivery::{Partitions, Share},
        store::Position,
    };

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// A subscription of 32 partitions: so many for each owner, 0 for nobody.
    fn row(shares: &[(u128, u32)]) -> SubscriptionRow {
        let mut left = Partitions::all(32).unwrap();
        let share = |(epoch, (owner, count)): (usize, &(u128, u32))| {
            let (partitions, rest) = left.split(*count);
            left = rest;
            let owner = Some(id(*owner)).filter(|owner| !owner.is_nil());
            Share { partitions, owner, epoch: epoch as u64, low_water: Position::START }
        };
        SubscriptionRow {
            subscription: "s".to_owned(),
            generation: 1,
            paused: false,
            low_water: Position::START,
            shares: shares.iter().enumerate().map(share).collect(),
            parked: 0,
            letters: 0,
            failure: None,
        }
    }

    #[track_caller]
    fn check(shares: &[(u128, u32)], members: &[u128], owner: u128, expected: Option<u32>) {
        let members: Vec<_> = members.iter().copied().map(id).collect();
        assert_eq!(wanted(&row(shares), &members, id(owner)), expected);
    }

    #[test]
    fn every_partition_belongs_to_somebody_s_share() {
        for (count, all) in [(32, 3), (32, 5), (1, 4), (7, 7), (64, 63)] {
            let members: Vec<_> = (0..all).map(id).collect();
            for name in ["a", "orders", "shop::mail::welcome"] {
                let goals: Vec<_> =
                    members.iter().map(|member| goal(name, count, &members, *member)).collect();
                assert_eq!(goals.iter().sum::<u32>(), count);
                let (least, most) = (goals.iter().min().unwrap(), goals.iter().max().unwrap());
                assert!(most - least <= 1, "{goals:?}");
            }
        }
    }

    #[test]
    fn single_partitions_are_spread_over_the_members() {
        let members = [id(1), id(2)];
        let names: Vec<_> = (0..100).map(|number| format!("subscription-{number}")).collect();
        let first: u32 = names.iter().map(|name| goal(name, 1, &members, id(1))).sum();
        assert!((30..=70).contains(&first), "{first}");
    }

    #[test]
    fn whoever_is_alone_takes_what_is_free() {
        check(&[(0, 32)], &[1], 1, Some(32));
        check(&[(1, 16), (0, 16)], &[1], 1, Some(32));
        check(&[(1, 32)], &[1], 1, None);
    }

    #[test]
    fn one_gives_when_another_lacks_and_nothing_is_free() {
        check(&[(1, 32)], &[1, 2], 1, Some(16));
        check(&[(1, 32)], &[1, 2], 2, None);
        check(&[(1, 16), (0, 16)], &[1, 2], 2, Some(16));
        check(&[(1, 16), (0, 16)], &[1, 2], 1, None);
        check(&[(1, 16), (2, 16)], &[1, 2], 1, None);
    }
}
