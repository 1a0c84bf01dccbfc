//! How numbers are distributed: DDSketch (Masson, Rim, Lee 2019, <https://arxiv.org/abs/1908.10693>) with the linearly
//! interpolated mapping of its authors' libraries: the bucket of a number is its exponent and the first bits of its
//! mantissa, read straight from its bits. No logarithm is taken, so that every platform agrees.
//!
//! An octave has 32 buckets, and a bucket stands for its middle: a quantile is off by at most 1/64 (1.6 %) of its
//! value. Zero is a bucket of its own; negative numbers have those of their magnitude, in reverse. At most
//! `BUCKETS_MAX` buckets are held; beyond them the lowest two become one, so that the upper quantiles (latency) keep
//! their precision: 256 buckets are at least eight octaves, from a value down to a 256th of it.
//!
//! Invariants: keys ascend; counts are above zero and add up to `count`; the state depends on the numbers only, not on
//! their order: what is held are the highest buckets ever used, and everything below them counts for the lowest, so
//! that merging equals having seen both.

use crate::bytes::{ReadError, Reader, Writer};

/// Buckets held. At 12 bytes each 3 KB.
pub(super) const BUCKETS_MAX: usize = 256;
/// Bits of a double behind those that make its bucket: 11 of the exponent and 5 of the mantissa stay.
const BITS_BELOW: u32 = 47;
/// Largest key: that of the largest finite number.
const KEY_MAX: i32 = (f64::MAX.to_bits() >> BITS_BELOW) as i32;
/// Smallest key above that of zero: numbers closer to zero (below 2.2e-308) are zero.
const KEY_MIN: i32 = (f64::MIN_POSITIVE.to_bits() >> BITS_BELOW) as i32;

/// The distribution of numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantiles {
    keys: Vec<i32>,
    counts: Vec<u64>,
    count: u64,
    min: f64,
    max: f64,
    is_collapsed: bool,
}

impl Quantiles {
    /// Notes a number. Infinite ones count as the largest finite; what is no number is ignored.
    pub fn insert(&mut self, value: f64) {
        self.insert_times(value, 1);
    }

    /// Notes a number that came several times.
    pub fn insert_times(&mut self, value: f64, times: u64) {
        if value.is_nan() || times == 0 {
            return;
        }
        // Adding zero turns minus zero into zero.
        let value = value.clamp(f64::MIN, f64::MAX) + 0.0;
        self.widen(value, value);
        self.count = self.count.saturating_add(times);
        self.add(key_of(value), times);
    }

    /// Takes in what another saw.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.widen(other.min, other.max);
        self.count = self.count.saturating_add(other.count);
        for (&key, &count) in other.keys.iter().zip(&other.counts) {
            self.add(key, count);
        }
        self.is_collapsed |= other.is_collapsed;
    }

    fn widen(&mut self, min: f64, max: f64) {
        let is_first = self.count == 0;
        self.min = if is_first { min } else { self.min.min(min) };
        self.max = if is_first { max } else { self.max.max(max) };
    }

    fn add(&mut self, key: i32, times: u64) {
        match self.keys.binary_search(&key) {
            Ok(at) => {
                if let Some(count) = self.counts.get_mut(at) {
                    *count = count.saturating_add(times);
                }
            }
            // Lower than all that are held, and no room: it counts for the lowest.
            Err(0) if self.keys.len() >= BUCKETS_MAX => {
                self.is_collapsed = true;
                if let Some(lowest) = self.counts.first_mut() {
                    *lowest = lowest.saturating_add(times);
                }
            }
            Err(at) => {
                if self.keys.len() == self.keys.capacity() {
                    // Small steps: hundreds of these are held.
                    self.keys.reserve_exact(16);
                    self.counts.reserve_exact(16);
                }
                self.keys.insert(at, key);
                self.counts.insert(at, times);
                if self.keys.len() > BUCKETS_MAX {
                    self.collapse();
                }
            }
        }
    }

    /// The lowest bucket becomes part of the next.
    fn collapse(&mut self) {
        self.is_collapsed = true;
        self.keys.remove(0);
        let lowest = self.counts.remove(0);
        if let Some(next) = self.counts.first_mut() {
            *next = next.saturating_add(lowest);
        }
    }

    /// Numbers seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest and the largest, exactly.
    pub fn range(&self) -> Option<(f64, f64)> {
        (self.count > 0).then_some((self.min, self.max))
    }

    /// The number that so many thousandths of all do not exceed (of 1,000 numbers, `at(990)` is the 990th), within
    /// 1/64 of its value; `None` if nothing was seen.
    pub fn at(&self, thousandths: u32) -> Option<f64> {
        let (min, max) = self.range()?;
        let rank = u128::from(self.count - 1) * u128::from(thousandths.min(1_000)) / 1_000;
        let mut below = 0u128;
        for (&key, &count) in self.keys.iter().zip(&self.counts) {
            below += u128::from(count);
            if below > rank {
                return Some(middle_of(key).clamp(min, max));
            }
        }
        Some(max)
    }

    /// Numbers in buckets up to that of `value`.
    pub fn at_most(&self, value: f64) -> u64 {
        let last = key_of(value);
        let within = self.keys.iter().zip(&self.counts).take_while(|(key, _)| **key <= last);
        within.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Whether the lowest numbers share a bucket, so that a quantile that falls there is only an upper bound.
    pub fn is_collapsed(&self) -> bool {
        self.is_collapsed
    }

    /// Bytes held beside the struct.
    pub fn memory_bytes(&self) -> usize {
        self.keys.len() * (size_of::<i32>() + size_of::<u64>())
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Writer) {
        out.uint(self.keys.len() as u64 * 2 + u64::from(self.is_collapsed));
        if self.keys.is_empty() {
            return;
        }
        out.f64(self.min);
        out.f64(self.max);
        let mut before = 0;
        for (&key, &count) in self.keys.iter().zip(&self.counts) {
            out.int(i64::from(key) - before);
            out.uint(count);
            before = i64::from(key);
        }
    }

    /// Reads what [`Quantiles::write`] wrote.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let head = input.uint()?;
        let mut sketch = Self { is_collapsed: head % 2 == 1, ..Self::default() };
        if head / 2 > BUCKETS_MAX as u64 {
            return Err(ReadError::Overflow);
        }
        if head / 2 == 0 {
            return if head == 0 { Ok(sketch) } else { Err(ReadError::Unknown("sketch of nothing")) };
        }
        (sketch.min, sketch.max) = (input.f64()?, input.f64()?);
        if !sketch.min.is_finite() || !sketch.max.is_finite() || sketch.min > sketch.max {
            return Err(ReadError::Unknown("range of a sketch"));
        }
        // A bucket takes two bytes at least.
        let room = (head / 2).min(input.remaining() as u64 / 2) as usize;
        sketch.keys.reserve_exact(room);
        sketch.counts.reserve_exact(room);
        let mut key = 0i64;
        for index in 0..head / 2 {
            let step = input.int()?;
            if index > 0 && step <= 0 {
                return Err(ReadError::Unknown("order of buckets"));
            }
            key = key.checked_add(step).ok_or(ReadError::Overflow)?;
            let magnitude = key.unsigned_abs();
            if magnitude != 0 && !(KEY_MIN as u64..=KEY_MAX as u64).contains(&magnitude) {
                return Err(ReadError::Unknown("bucket"));
            }
            let count = input.uint()?;
            if count == 0 {
                return Err(ReadError::Unknown("empty bucket"));
            }
            sketch.count = sketch.count.saturating_add(count);
            sketch.keys.push(key as i32);
            sketch.counts.push(count);
        }
        Ok(sketch)
    }
}

/// The bucket of a finite number: ascending with it.
fn key_of(value: f64) -> i32 {
    let magnitude = (value.abs().to_bits() >> BITS_BELOW) as i32;
    match magnitude {
        ..KEY_MIN => 0,
        _ if value < 0.0 => -magnitude,
        _ => magnitude,
    }
}

/// The middle of a bucket.
fn middle_of(key: i32) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let magnitude = f64::from_bits(u64::from(key.unsigned_abs()) << BITS_BELOW | 1 << (BITS_BELOW - 1));
    if key < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Quantiles {
        let mut sketch = Quantiles::default();
        values.into_iter().for_each(|value| sketch.insert(value));
        sketch
    }

    #[test]
    fn a_bucket_is_never_further_than_a_64th_from_its_numbers() {
        for value in [1e-300, 0.001, 0.999, 1.0, 1.031, 1.5, 7.0, 1e6, 123_456_789.0, f64::MAX, f64::MIN_POSITIVE] {
            for value in [value, -value] {
                let off = (middle_of(key_of(value)) - value).abs() / value.abs();
                assert!(off <= 1.0 / 64.0, "{value} is off by {off}");
            }
        }
    }

    #[test]
    fn quantiles_of_the_first_thousand_numbers_are_those_numbers() {
        let sketch = of((1..=1_000).map(f64::from));
        for (thousandths, wanted) in [(0, 1.0), (500, 500.0), (900, 900.0), (990, 990.0), (1_000, 1_000.0)] {
            let seen = sketch.at(thousandths).unwrap();
            assert!((seen / wanted - 1.0).abs() <= 1.0 / 64.0, "{thousandths}: {seen}");
        }
        assert_eq!((sketch.count(), sketch.range(), sketch.is_collapsed()), (1_000, Some((1.0, 1_000.0)), false));
    }

    #[test]
    fn negative_numbers_and_zero_are_numbers_too() {
        let sketch = of([-8.0, -0.0, 0.0, 1e-320, 8.0]);
        assert_eq!(sketch.keys.len(), 3);
        assert_eq!(sketch.at(500), Some(0.0));
        assert_eq!(sketch.at(0), Some(-8.0));
        let sketch = of([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
        assert_eq!((sketch.count(), sketch.range()), (2, Some((f64::MIN, f64::MAX))));
        assert_eq!(Quantiles::default().at(500), None);
    }

    #[test]
    fn beyond_its_room_only_the_lowest_lose_their_precision() {
        let cube = |step: i32| {
            (1.0 + f64::from(step) * 0.01) * (1.0 + f64::from(step) * 0.01) * (1.0 + f64::from(step) * 0.01)
        };
        let values: Vec<f64> = (0..4_000).map(|step| cube(step) * cube(step)).collect();
        let sketch = of(values.iter().copied());
        assert!(sketch.is_collapsed() && sketch.keys.len() == BUCKETS_MAX);
        for thousandths in [600, 900, 990] {
            let wanted = values[(values.len() - 1) * thousandths / 1_000];
            let seen = sketch.at(thousandths as u32).unwrap();
            assert!((seen / wanted - 1.0).abs() <= 1.0 / 64.0, "{thousandths}: {seen} for {wanted}");
        }
        assert!(sketch.at(1).unwrap() >= values[4]);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let write = |sketch: &Quantiles| {
            let mut out = Writer::new();
            sketch.write(&mut out);
            out.into_bytes()
        };
        let read = |bytes: &[u8]| Quantiles::read(&mut Reader::new(bytes));
        let sketch = of([1.0, 2.0, -3.0]);
        let bytes = write(&sketch);
        assert_eq!(read(&bytes), Ok(sketch));
        assert_eq!(read(&write(&Quantiles::default())), Ok(Quantiles::default()));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err());
        }
        let refused = |head: u64, min: f64, buckets: &[(i64, u64)]| {
            let mut out = Writer::new();
            out.uint(head);
            out.f64(min);
            out.f64(9.0);
            for &(step, count) in buckets {
                out.int(step);
                out.uint(count);
            }
            read(out.as_bytes()).unwrap_err()
        };
        assert_eq!(refused(1, 0.0, &[]), ReadError::Unknown("sketch of nothing"));
        assert_eq!(refused(2_000, 0.0, &[]), ReadError::Overflow);
        assert_eq!(refused(2, f64::NAN, &[(0, 1)]), ReadError::Unknown("range of a sketch"));
        assert_eq!(refused(2, 10.0, &[(0, 1)]), ReadError::Unknown("range of a sketch"));
        assert_eq!(refused(2, 0.0, &[(7, 1)]), ReadError::Unknown("bucket"));
        assert_eq!(refused(2, 0.0, &[(i64::MIN, 1)]), ReadError::Unknown("bucket"));
        assert_eq!(refused(2, 0.0, &[(40, 0)]), ReadError::Unknown("empty bucket"));
        assert_eq!(refused(4, 0.0, &[(40, 1), (0, 1)]), ReadError::Unknown("order of buckets"));
        assert_eq!(refused(4, 0.0, &[(40, 1), (i64::MAX, 1)]), ReadError::Overflow);
    }
}
