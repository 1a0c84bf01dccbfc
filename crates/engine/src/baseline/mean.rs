//! A mean that forgets: plain while it is young, exponentially weighted later.
//!
//! The weight of a new value is the larger of `1 / values seen` and the weight the caller gives, so that the first
//! values count in full and there is no warm-up constant to choose.

use crate::bytes::{ReadError, Reader, Writer};

/// A forgetting mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    value: f64,
    /// Values seen, held once it cannot change a weight any more.
    count: u32,
}

impl Mean {
    /// The mean; 0 before the first value.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Values seen.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Learns `value` with at least this weight (0 to 1).
    #[inline]
    pub fn learn(&mut self, value: f64, weight: f64) {
        self.count = self.count.saturating_add(1);
        // Weights are constants, and so is this bound, beyond which no value counts for more: a comparison in the way of
        // every record instead of a division.
        let young = (1.0 / weight) as u32;
        let weight = if self.count > young { weight } else { weight.max(1.0 / f64::from(self.count)) };
        self.value += weight * (value - self.value);
    }

    /// Starts over from a known value, which then counts as `count` values.
    pub fn restart(&mut self, value: f64, count: u32) {
        *self = Self { value, count };
    }

    /// Adds what is usual of another series, where the two go on as one.
    pub(crate) fn add(&mut self, other: &Self) {
        *self = Self { value: self.value + other.value, count: self.count.max(other.count) };
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.uint(u64::from(self.count));
        if self.count > 0 {
            out.f64(self.value);
        }
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let count = input.u32()?;
        let value = if count > 0 { input.f64()? } else { 0.0 };
        if value.is_finite() { Ok(Self { value, count }) } else { Err(ReadError::Unknown("mean")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_values_count_in_full_and_later_ones_by_weight() {
        let mut mean = Mean::default();
        mean.learn(4.0, 0.1);
        mean.learn(8.0, 0.1);
        assert_eq!(mean.value(), 6.0);
        for _ in 0..100 {
            mean.learn(6.0, 0.1);
        }
        mean.learn(16.0, 0.1);
        assert!((mean.value() - 7.0).abs() < 1e-9);
        mean.restart(2.0, 10);
        assert_eq!((mean.value(), mean.count()), (2.0, 10));
    }

    #[test]
    fn what_is_not_a_number_is_refused_when_read() {
        let mut out = Writer::new();
        out.uint(3);
        out.f64(f64::NAN);
        assert_eq!(Mean::read(&mut Reader::new(out.as_bytes())), Err(ReadError::Unknown("mean")));
    }
}
