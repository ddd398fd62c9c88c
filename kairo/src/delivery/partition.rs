//! Partitions: how the keys of a subscription are shared among processes.

use std::fmt;

use crate::error::Error;

/// The most partitions that a subscription can have.
pub const PARTITIONS_MAX: u32 = 64;

/// How many partitions a new subscription gets in a store that processes share.
pub const PARTITIONS: u32 = 32;

/// Some of a subscription's partitions.
///
/// Every key belongs to one of `count` partitions, for as long as the subscription exists: the 64
/// bits of its FNV-1a hash (RFC 9923), both halves added bit by bit, modulo `count`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partitions {
    bits: u64,
    count: u32,
}

impl Partitions {
    /// The one partition of a subscription that is never shared.
    pub const WHOLE: Self = Self { bits: 1, count: 1 };

    /// All of `count` partitions.
    ///
    /// # Errors
    /// [`Error::Invalid`] for none, or more than [`PARTITIONS_MAX`].
    pub fn all(count: u32) -> Result<Self, Error> {
        if !(1..=PARTITIONS_MAX).contains(&count) {
            let allowed = format!("use 1 to {PARTITIONS_MAX}");
            return Err(Error::invalid("number of partitions", count.to_string(), allowed));
        }
        Ok(Self { bits: u64::MAX >> (PARTITIONS_MAX - count), count })
    }

    /// Those of `count` partitions whose bits are set, as a store keeps them.
    ///
    /// # Errors
    /// As [`all`](Self::all), and for bits beyond `count`.
    pub fn of_bits(bits: u64, count: u32) -> Result<Self, Error> {
        let all = Self::all(count)?;
        if bits & !all.bits != 0 {
            let allowed = format!("there are {count} of them");
            return Err(Error::invalid("set of partitions", format!("{bits:#x}"), allowed));
        }
        Ok(Self { bits, count })
    }

    /// A bit for each partition that is among these, the first one lowest.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.bits
    }

    /// How many partitions the subscription has in all.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// How many are among these.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.bits.count_ones()
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether the partition of a key is among these.
    #[must_use]
    pub fn have(self, key: &str) -> bool {
        self.count == 1 || self.bits & (1 << self.of(key)) != 0
    }

    /// The partition of a key, from 0.
    #[must_use]
    pub fn of(self, key: &str) -> u32 {
        let hash = fnv1a(key.as_bytes());
        let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
        u32::try_from(folded % u64::from(self.count)).unwrap_or_default()
    }

    /// These and others of the same subscription.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self { bits: self.bits | others.bits, count: self.count }
    }

    /// The first of these, at most `most` of them, and the rest.
    #[must_use]
    pub const fn split(self, most: u32) -> (Self, Self) {
        let (mut first, mut rest) = (0, self.bits);
        let mut taken = 0;
        while taken < most && rest != 0 {
            let lowest = rest & rest.wrapping_neg();
            first |= lowest;
            rest ^= lowest;
            taken += 1;
        }
        (Self { bits: first, count: self.count }, Self { bits: rest, count: self.count })
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partitions({:#x} of {})", self.bits, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_rfc() {
        // Test vectors of RFC 9923.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_key_belongs_to_one_half() {
        let all = Partitions::all(32).unwrap();
        let (left, right) = all.split(16);
        assert_eq!((left.len(), right.len(), left.with(right)), (16, 16, all));
        for key in 0..1_000 {
            let key = format!("user-{key}");
            assert!(all.have(&key) && (left.have(&key) != right.have(&key)));
        }
    }

    #[test]
    fn keys_are_spread() {
        let all = Partitions::all(32).unwrap();
        let mut keys = [0_u32; 32];
        for key in 0..3_200 {
            keys[all.of(&format!("order-{key}")) as usize] += 1;
        }
        assert!(keys.iter().all(|count| (50..200).contains(count)), "{keys:?}");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for count in [0, 65] {
            let error = Partitions::all(count).unwrap_err().to_string();
            assert!(error.contains("use 1 to 64"), "{error}");
        }
        assert!(Partitions::of_bits(0b100, 2).is_err());
        assert_eq!(Partitions::all(64).unwrap().len(), 64);
    }
}
