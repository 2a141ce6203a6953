//! Chance that follows from a seed, the same on every machine.

/// Steele, Lea and Flood's SplitMix64: a few lines, and good enough to vary names.
pub(super) struct Dice(u64);

impl Dice {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The dice of one order, so that its throws don't depend on how many orders there are.
    pub(super) fn new(seed: u64, order: u32) -> Self {
        let mut dice = Self(seed);
        Self(dice.next() ^ u64::from(order).wrapping_mul(Self::STEP))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// Whether it happens, in so many of 100 cases.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.between(1, 100) <= chance
    }

    /// One of a table, which has at least one entry.
    pub(super) fn pick<'a, T>(&mut self, table: &'a [T]) -> &'a T {
        &table[(self.next() % table.len() as u64) as usize]
    }

    /// So many digits, the first of them no zero.
    pub(super) fn digits(&mut self, count: u32) -> String {
        self.between(10_u64.pow(count - 1), 10_u64.pow(count) - 1).to_string()
    }
}
