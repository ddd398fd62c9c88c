//! Shares: partitions of a subscription that are claimed together, in stores that processes share.

use std::mem;

use uuid::Uuid;

use crate::{
    delivery::{Ahead, Checkpoint, Partitions, Share},
    store::Position,
};

/// Partitions that are claimed together, with how far they are.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) partitions: Partitions,
    pub(crate) owner: Option<Uuid>,
    pub(crate) epoch: u64,
    pub(crate) clean: bool,
    pub(crate) checkpoint: Checkpoint,
}

impl Held {
    /// A share that nobody has.
    pub(crate) fn free(partitions: Partitions, epoch: u64, checkpoint: Checkpoint) -> Self {
        Self { partitions, owner: None, epoch, clean: true, checkpoint }
    }

    pub(crate) fn row(&self, is_alive: impl Fn(Uuid) -> bool) -> Share {
        Share {
            partitions: self.partitions,
            owner: self.owner.filter(|owner| is_alive(*owner)),
            epoch: self.epoch,
            low_water: self.checkpoint.low_water,
        }
    }
}

/// Takes at most `most` partitions of the shares that `is_free`, those of `owner` first and then the
/// lowest, in whatever order the shares are stored, and merges them; what is left of the last one is free, under an epoch of its own.
pub(crate) fn take(
    shares: &mut Vec<Held>,
    owner: Uuid,
    most: u32,
    is_free: impl Fn(&Held) -> bool,
    mut next_epoch: impl FnMut() -> u64,
) -> Option<Held> {
    let (mut free, others): (Vec<_>, Vec<_>) = mem::take(shares).into_iter().partition(is_free);
    *shares = others;
    free.sort_by_key(|share| {
        (share.owner != Some(owner), share.partitions.bits().trailing_zeros())
    });
    let mut taken: Vec<Held> = Vec::new();
    let mut left = most;
    for share in free {
        let (first, rest) = share.partitions.split(left);
        if !rest.is_empty() {
            let epoch = next_epoch();
            shares.push(Held { partitions: rest, owner: None, epoch, ..share.clone() });
        }
        if !first.is_empty() {
            left -= first.len();
            taken.push(Held { partitions: first, ..share });
        }
    }
    let merged = taken.into_iter().reduce(|one, other| merge(&one, &other))?;
    let merged = Held { owner: Some(owner), epoch: next_epoch(), ..merged };
    shares.push(merged.clone());
    Some(merged)
}

fn merge(one: &Held, other: &Held) -> Held {
    let low_water = one.checkpoint.low_water.min(other.checkpoint.low_water);
    let mut checkpoint = Checkpoint::at(low_water);
    for share in [one, other] {
        let Checkpoint { low_water: reached, finished, ahead } = &share.checkpoint;
        if low_water < *reached {
            checkpoint.ahead.push(Ahead { partitions: share.partitions, low_water: *reached });
        }
        checkpoint.ahead.extend(ahead);
        checkpoint.finished.extend(finished);
    }
    checkpoint.finished.sort_unstable();
    checkpoint.finished.dedup();
    let partitions = one.partitions.with(other.partitions);
    Held { partitions, owner: None, epoch: 0, clean: one.clean && other.clean, checkpoint }
}

/// Makes an event one that is finished.
pub(crate) fn finish(checkpoint: &mut Checkpoint, position: Position) {
    if let Err(index) = checkpoint.finished.binary_search(&position) {
        checkpoint.finished.insert(index, position);
    }
}

/// Whether a checkpoint has passed the event of a key.
pub(crate) fn has_passed(checkpoint: &Checkpoint, key: &str, position: Position) -> bool {
    let is_ahead = |ahead: &Ahead| position <= ahead.low_water && ahead.partitions.have(key);
    position <= checkpoint.low_water
        || checkpoint.finished.contains(&position)
        || checkpoint.ahead.iter().any(is_ahead)
}
