//! Chance that can be repeated.

use kairo::clock::Clock;

/// The environment variable that a run's chances depend on.
pub const SEED: &str = "KAIRO_TEST_SEED";

/// Splitmix64.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Says its seed, which the environment can give.
    #[must_use]
    pub fn seeded() -> Self {
        let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(Clock::system().draw()));
        println!("repeat these chances with {SEED}={seed}");
        Self(seed)
    }

    /// The chances of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from `low` to `high`, without the latter.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (mixed ^ (mixed >> 31)) % (high - low)
    }
}
