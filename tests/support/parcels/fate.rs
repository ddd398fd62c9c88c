//! What becomes of a call: chance that can be repeated, because it depends on nothing but the order.

use super::Order;

/// A number that is always the same for the same two; splitmix64.
#[must_use]
pub const fn roll(luck: u64, of: u64) -> u64 {
    let mixed = luck ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number of the order's own, for each part of its saga.
pub(super) fn chance(order: &Order, part: &str, of: u64) -> u64 {
    let letters = part.bytes().fold(order.number, |sum, byte| roll(sum, u64::from(byte)));
    roll(order.luck ^ letters, of)
}

/// How the calls of one part of a saga end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All is well.
    Fine,
    /// So many attempts do not happen, and have no answer.
    Silent(u32),
    /// So many attempts happen, and have no answer.
    Lost(u32),
    /// It never happens, and every attempt is told so.
    No,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Fine,
    Silent,
    Lost,
    No,
}

impl Fate {
    pub(super) fn of_step(order: &Order, step: &str) -> Self {
        let times = 1 + u32::try_from(chance(order, step, 1) % 3).unwrap_or_default();
        match chance(order, step, 0) % 100 {
            0..6 => Self::No,
            6..14 => Self::Silent(times),
            14..24 => Self::Lost(times),
            24..26 => Self::Silent(u32::MAX),
            26..30 => Self::Lost(u32::MAX),
            _ => Self::Fine,
        }
    }

    /// A compensation that never succeeds does so once whatever is in its way is mended.
    pub(super) fn of_undo(order: &Order, step: &str) -> Self {
        match chance(order, step, 2) % 100 {
            _ if !order.stubborn => Self::Fine,
            0..25 => Self::Silent(1),
            25..40 => Self::Lost(1),
            40..43 => Self::Silent(2),
            43..48 => Self::No,
            _ => Self::Fine,
        }
    }

    pub(super) const fn end(self, attempt: u32) -> End {
        match self {
            Self::Silent(times) if attempt <= times => End::Silent,
            Self::Lost(times) if attempt <= times => End::Lost,
            Self::No => End::No,
            Self::Fine | Self::Silent(_) | Self::Lost(_) => End::Fine,
        }
    }
}
