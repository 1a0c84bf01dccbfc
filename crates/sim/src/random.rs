//! The one source of chance: SplitMix64 (Steele, Lea, Flood 2014). Small, well spread, and integers only, so that a seed
//! means the same everywhere.

/// A stream of numbers that its seed decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`; 0 when `bound` is 0. The high half of a product, whose bias is below 2^-32 for the
    /// bounds used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// A number below `bound`, small ones much more often: users, products and hosts have favourites.
    pub fn skewed(&mut self, bound: u64) -> u64 {
        let first = self.below(bound);
        first.min(self.below(bound)).min(self.below(bound))
    }

    /// Whether something with this chance (in thousandths) happens.
    pub fn permille(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }

    /// One of `items`. Panics on an empty list, which no table here is.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

/// Quantiles of the exponential distribution with mean 1, in thousandths: what lies between two independent arrivals.
const GAPS: [u64; 64] = [
    8, 24, 40, 56, 73, 90, 107, 125, 143, 161, 179, 198, 217, 237, 257, 277, 298, 319, 341, 363, 386, 409, 433, 458,
    483, 508, 535, 562, 589, 618, 647, 678, 709, 741, 774, 809, 845, 882, 920, 960, 1002, 1045, 1091, 1138, 1188, 1241,
    1297, 1356, 1418, 1485, 1556, 1633, 1717, 1808, 1908, 2019, 2144, 2287, 2454, 2655, 2906, 3243, 3753, 4852,
];

impl Random {
    /// The wait until the next of arrivals that come `mean` apart on average, in the unit of `mean`.
    pub fn gap(&mut self, mean: u64) -> u64 {
        mean.saturating_mul(*self.pick(&GAPS)) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_sequence() {
        // First outputs of the reference implementation for seed 1234567.
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn stays_in_bounds_and_reaches_them() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..1_000).map(|_| random.between(3, 6)).collect();
        for value in 3..=6 {
            assert!(drawn.contains(&value), "{value}");
        }
        assert!(drawn.iter().all(|value| (3..=6).contains(value)));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(7, 2), 7);
    }

    #[test]
    fn skewed_numbers_have_favourites_and_gaps_their_mean() {
        let mut random = Random::new(2);
        let low = (0..1_000).filter(|_| random.skewed(100) < 20).count();
        assert!((430..550).contains(&low), "1 - 0.8^3 = 49 % lie in the lowest fifth, here {low}");
        let sum: u64 = (0..10_000).map(|_| random.gap(1_000)).sum();
        assert!((9_700_000..10_200_000).contains(&sum), "{sum}");
        let hits = (0..10_000).filter(|_| random.permille(100)).count();
        assert!((900..1_100).contains(&hits), "{hits}");
    }
}
