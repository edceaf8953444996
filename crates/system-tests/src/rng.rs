//! Pseudo-random numbers: the same seed gives the same numbers.

use std::{ops::RangeInclusive, time::Duration};

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// An independent generator, seeded by this one.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range; the modulo bias is negligible for tests.
    pub fn in_range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        first + self.next() % (last - first + 1)
    }

    pub fn ms(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.in_range(range))
    }

    pub fn chance_percent(&mut self, percent: u64) -> bool {
        self.in_range(1..=100) <= percent
    }

    pub fn chance_per_mille(&mut self, per_mille: u64) -> bool {
        self.in_range(0..=999) < per_mille
    }

    /// An index below `count`.
    pub fn index(&mut self, count: usize) -> usize {
        let last = u64::try_from(count).expect("a u64") - 1;
        usize::try_from(self.in_range(0..=last)).expect("below count")
    }

    pub fn choose<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.index(among.len())]
    }
}
