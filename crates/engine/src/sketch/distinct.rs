//! How many different values there were: HyperLogLog (Flajolet et al. 2007, <https://hal.science/hal-00406166>) with the
//! improved raw estimator of Ertl (2017, <https://arxiv.org/abs/1702.01284>), which needs no tables of bias and no
//! logarithm: additions, multiplications and square roots only.
//!
//! Few values are kept as their hashes, so that small numbers are exact; more become registers. Standard error with
//! `2^p` registers: `1.04 / sqrt(2^p)`, that is 4.6 % at precision 9 and 2.3 % at 11.
//!
//! Invariants: the state depends on the set of hashes only, so that merging equals having seen both; at most
//! `2^p` bytes are held; the hashes are sorted and different.

use crate::bytes::{ReadError, Reader, Writer};

const PRECISION_MIN: u8 = 6;
const PRECISION_MAX: u8 = 14;
const SPARSE: u8 = 0;
const DENSE: u8 = 1;
/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// Counts different values by their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperLogLog {
    precision: u8,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// All hashes, sorted.
    Sparse(Vec<u64>),
    /// `2^p` registers: the longest run of zeros seen by each, plus one.
    Dense(Box<[u8]>),
}

impl HyperLogLog {
    /// Nothing seen, with `2^precision` registers to come; the precision is brought between 6 and 14.
    pub fn new(precision: u8) -> Self {
        Self { precision: precision.clamp(PRECISION_MIN, PRECISION_MAX), form: Form::Sparse(Vec::new()) }
    }

    /// Notes a value by its hash, of which all 64 bits must be good.
    pub fn insert(&mut self, hash: u64) {
        match &mut self.form {
            Form::Dense(registers) => raise(registers, self.precision, hash),
            Form::Sparse(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return };
                if hashes.len() == hashes.capacity() {
                    // Small steps: hundreds of these are held.
                    hashes.reserve_exact(8);
                }
                hashes.insert(at, hash);
                if hashes.len() > sparse_max(self.precision) {
                    self.thicken();
                }
            }
        }
    }

    /// Takes in what another saw. A sketch of another precision is not merged: returns false and changes nothing.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.precision != other.precision {
            return false;
        }
        match &other.form {
            Form::Sparse(hashes) => hashes.iter().for_each(|&hash| self.insert(hash)),
            Form::Dense(others) => {
                self.thicken();
                if let Form::Dense(registers) = &mut self.form {
                    for (register, other) in registers.iter_mut().zip(others) {
                        *register = (*register).max(*other);
                    }
                }
            }
        }
        true
    }

    /// How many different values were seen, exactly while they are few.
    pub fn estimate(&self) -> u64 {
        match &self.form {
            Form::Sparse(hashes) => hashes.len() as u64,
            Form::Dense(registers) => estimate(registers, self.precision),
        }
    }

    /// Whether [`HyperLogLog::estimate`] is exact (but for hashes that collide).
    pub fn is_exact(&self) -> bool {
        matches!(self.form, Form::Sparse(_))
    }

    /// Bytes held beside the struct, at most `2^p`.
    pub fn memory_bytes(&self) -> usize {
        match &self.form {
            Form::Sparse(hashes) => hashes.len() * size_of::<u64>(),
            Form::Dense(registers) => registers.len(),
        }
    }

    /// From hashes to registers.
    fn thicken(&mut self) {
        let Form::Sparse(hashes) = &self.form else { return };
        let mut registers = vec![0; 1 << self.precision].into_boxed_slice();
        hashes.iter().for_each(|&hash| raise(&mut registers, self.precision, hash));
        self.form = Form::Dense(registers);
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Writer) {
        out.u8(self.precision);
        match &self.form {
            Form::Sparse(hashes) => {
                out.u8(SPARSE);
                out.uint(hashes.len() as u64);
                hashes.iter().for_each(|&hash| out.u64_fixed(hash));
            }
            Form::Dense(registers) => {
                out.u8(DENSE);
                out.raw(registers);
            }
        }
    }

    /// Reads what [`HyperLogLog::write`] wrote.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let precision = input.u8()?;
        if !(PRECISION_MIN..=PRECISION_MAX).contains(&precision) {
            return Err(ReadError::Unknown("precision"));
        }
        let form = match input.u8()? {
            SPARSE => {
                let count = input.count()?;
                if count > sparse_max(precision) {
                    return Err(ReadError::Overflow);
                }
                let hashes = (0..count).map(|_| input.u64_fixed()).collect::<Result<Vec<_>, _>>()?;
                if !hashes.is_sorted_by(|left, right| left < right) {
                    return Err(ReadError::Unknown("order of hashes"));
                }
                Form::Sparse(hashes)
            }
            DENSE => {
                let registers = input.raw(1 << precision)?;
                if registers.iter().any(|&register| register > rank_max(precision)) {
                    return Err(ReadError::Overflow);
                }
                Form::Dense(registers.into())
            }
            _ => return Err(ReadError::Unknown("form of a sketch")),
        };
        Ok(Self { precision, form })
    }
}

/// As many hashes as take the room of the registers.
fn sparse_max(precision: u8) -> usize {
    (1 << precision) / size_of::<u64>()
}

fn rank_max(precision: u8) -> u8 {
    65 - precision
}

fn raise(registers: &mut [u8], precision: u8, hash: u64) {
    let index = (hash >> (64 - precision)) as usize;
    // A bit set behind the hash ends the run of zeros of a hash that has no other.
    let rest = hash << precision | 1 << (precision - 1);
    let rank = rest.leading_zeros() as u8 + 1;
    if let Some(register) = registers.get_mut(index) {
        *register = (*register).max(rank);
    }
}

/// Algorithm 6 of Ertl's paper.
fn estimate(registers: &[u8], precision: u8) -> u64 {
    let mut histogram = [0u32; 66];
    for &register in registers {
        if let Some(count) = histogram.get_mut(usize::from(register)) {
            *count += 1;
        }
    }
    let count = |rank: u8| histogram.get(usize::from(rank)).map_or(0.0, |&count| f64::from(count));
    let size = registers.len() as f64;
    let last = rank_max(precision);
    let mut sum = size * tau(1.0 - count(last) / size);
    for rank in (1..last).rev() {
        sum = 0.5 * (sum + count(rank));
    }
    sum += size * sigma(count(0) / size);
    (ALPHA * size * size / sum).round() as u64
}

/// x + sum over k of x^(2^k) 2^(k-1).
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * power;
        power += power;
        if sum == before {
            return sum;
        }
    }
}

/// (1 - x - sum over k of (1 - x^(2^-k))^2 2^-k) / 3.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut power, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        power *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * power;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::hash_of_value;

    fn of(range: std::ops::Range<u32>, precision: u8) -> HyperLogLog {
        let mut sketch = HyperLogLog::new(precision);
        range.for_each(|value| sketch.insert(hash_of_value(&value.to_string())));
        sketch
    }

    #[test]
    fn few_values_are_counted_exactly() {
        assert_eq!(of(0..0, 9).estimate(), 0);
        for count in [1, 7, 64] {
            let sketch = of(0..count, 9);
            assert!(sketch.is_exact());
            assert_eq!(sketch.estimate(), u64::from(count));
        }
        assert!(!of(0..65, 9).is_exact());
    }

    #[test]
    fn many_values_are_counted_within_four_standard_errors_at_every_size() {
        for precision in [6, 9, 11, 14] {
            let error = 1.04 / f64::from(1u32 << precision).sqrt();
            for count in [100, 500, 2_000, 10_000, 100_000] {
                let seen = of(0..count, precision).estimate() as f64;
                let off = (seen / f64::from(count) - 1.0).abs();
                assert!(off < 4.0 * error, "{count} at {precision}: {seen}");
            }
        }
    }

    #[test]
    fn the_estimate_is_unbiased_over_many_sets() {
        // The mean of 200 estimates has a standard error of 4.6 % / sqrt(200) = 0.33 %; four of those are allowed.
        for count in [80u32, 300, 1_500] {
            let sum: u64 = (0..200).map(|set| of(set * 10_000..set * 10_000 + count, 9).estimate()).sum();
            let off = (sum as f64 / 200.0 / f64::from(count) - 1.0).abs();
            assert!(off < 4.0 * 0.0033, "{count}: off by {off}");
        }
    }

    #[test]
    fn full_registers_still_have_an_estimate() {
        let full = [rank_max(6); 64];
        assert!(estimate(&full, 6) > 1 << 60);
        let mut half = [0; 64];
        half[..32].fill(rank_max(6));
        assert!(estimate(&half, 6) > 32);
    }

    #[test]
    fn sketches_of_different_precision_are_not_merged() {
        let mut left = of(0..10, 9);
        assert!(!left.merge(&of(0..10, 10)));
        assert_eq!(left, of(0..10, 9));
        assert_eq!(HyperLogLog::new(0), HyperLogLog::new(PRECISION_MIN));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let write = |sketch: &HyperLogLog| {
            let mut out = Writer::new();
            sketch.write(&mut out);
            out.into_bytes()
        };
        let read = |bytes: &[u8]| HyperLogLog::read(&mut Reader::new(bytes));
        let (sparse, dense) = (write(&of(0..3, 6)), write(&of(0..100, 6)));
        assert_eq!(read(&sparse), Ok(of(0..3, 6)));
        assert_eq!(read(&dense), Ok(of(0..100, 6)));
        for bytes in [&sparse, &dense] {
            for length in 0..bytes.len() {
                assert!(read(&bytes[..length]).is_err());
            }
        }
        let with = |bytes: &[u8], at: usize, value: u8| {
            let mut bytes = bytes.to_vec();
            bytes[at] = value;
            read(&bytes)
        };
        assert_eq!(with(&sparse, 0, 30), Err(ReadError::Unknown("precision")));
        assert_eq!(with(&sparse, 1, 7), Err(ReadError::Unknown("form of a sketch")));
        assert_eq!(with(&dense, 2, 64), Err(ReadError::Overflow));
        let mut unsorted = sparse.clone();
        unsorted[3..11].fill(0xff);
        assert_eq!(read(&unsorted), Err(ReadError::Unknown("order of hashes")));
        let mut long = vec![6, SPARSE, 9];
        long.extend([0; 80]);
        assert_eq!(read(&long), Err(ReadError::Overflow));
    }
}
