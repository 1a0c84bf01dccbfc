//! Numbers of one place: as differences where that is smaller, and by byte, so that alike bytes stand together.
//!
//! Layout of a run of `count` numbers, the count being known to both sides:
//!
//! ```text
//! heads    1  bits 0-3: bytes of each number, 0 to 8; bits 4-5: how it changes; bit 6: whole numbers, not by byte
//!          .. base, uint; for `Steps` also the first step, uint
//! numbers  .. count x bytes, little endian: all lowest bytes first, or number by number
//! ```
//!
//! With no bytes at all a run is a constant or an even progression, and takes no memory however long it is.

use crate::bytes::{ReadError, Reader, Writer};

/// How the numbers are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Distance from the smallest.
    None,
    /// Difference to the one before.
    Delta,
    /// Difference of the difference.
    Steps,
}

const WHOLE: u8 = 1 << 6;
/// From this width on numbers are random more often than not, and what repeats does so whole.
const WHOLE_BYTES_MIN: usize = 4;

/// A run of numbers, read.
pub(super) enum Numbers {
    /// `base + step * index`.
    Even {
        base: u64,
        step: u64,
    },
    Each(Vec<u64>),
}

impl Numbers {
    pub(super) fn at(&self, index: usize) -> Option<u64> {
        match self {
            Self::Even { base, step } => Some(base.wrapping_add(step.wrapping_mul(index as u64))),
            Self::Each(values) => values.get(index).copied(),
        }
    }
}

/// Keeps the order of signed numbers.
pub(super) fn from_signed(value: i64) -> u64 {
    value as u64 ^ 1 << 63
}

/// The reverse of [`from_signed`].
pub(super) fn to_signed(value: u64) -> i64 {
    (value ^ 1 << 63) as i64
}

fn zigzag(value: u64) -> u64 {
    value << 1 ^ ((value as i64 >> 63) as u64)
}

fn unzigzag(value: u64) -> u64 {
    value >> 1 ^ (value & 1).wrapping_neg()
}

fn bits(value: u64) -> u64 {
    u64::from(64 - value.leading_zeros())
}

pub(super) fn write(heads: &mut Writer, numbers: &mut Vec<u8>, values: &[u64]) {
    let first = values.first().copied().unwrap_or(0);
    let second = values.get(1).copied().unwrap_or(first);
    let smallest = values.iter().copied().min().unwrap_or(0);
    let raw: Vec<u64> = values.iter().map(|value| value - smallest).collect();
    let step_first = second.wrapping_sub(first);
    let mut previous = first;
    let mut step = step_first;
    let (mut deltas, mut steps) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    for (index, &value) in values.iter().enumerate() {
        let delta = value.wrapping_sub(previous);
        deltas.push(zigzag(delta));
        steps.push(if index == 0 { 0 } else { zigzag(delta.wrapping_sub(step)) });
        if index > 0 {
            step = delta;
        }
        previous = value;
    }
    let cost = |values: &[u64]| values.iter().map(|&value| bits(value)).sum::<u64>();
    let (raw_cost, delta_cost, step_cost) = (cost(&raw), cost(&deltas), cost(&steps));
    // Differences of what does not grow are noise upon noise: they must be smaller by a quarter.
    let (change, packed) = if step_cost * 4 < delta_cost.min(raw_cost) * 3 {
        (Change::Steps, steps)
    } else if delta_cost * 4 < raw_cost * 3 {
        (Change::Delta, deltas)
    } else {
        (Change::None, raw)
    };
    let width = (bits(packed.iter().copied().max().unwrap_or(0)) as usize).div_ceil(8);
    let is_whole = width >= WHOLE_BYTES_MIN && change == Change::None;
    heads.u8(width as u8 | (change as u8) << 4 | if is_whole { WHOLE } else { 0 });
    heads.uint(if change == Change::None { smallest } else { first });
    if change == Change::Steps {
        heads.uint(step_first);
    }
    if is_whole {
        for value in &packed {
            numbers.extend(value.to_le_bytes().iter().take(width));
        }
    } else {
        for plane in 0..width {
            numbers.extend(packed.iter().map(|value| (value >> (8 * plane)) as u8));
        }
    }
}

pub(super) fn read(heads: &mut Reader<'_>, numbers: &mut Reader<'_>, count: usize) -> Result<Numbers, ReadError> {
    let head = heads.u8()?;
    let width = usize::from(head & 0xf);
    if width > 8 || head >> 7 != 0 {
        return Err(ReadError::Unknown("width of a number"));
    }
    let change = match head >> 4 & 3 {
        0 => Change::None,
        1 => Change::Delta,
        2 => Change::Steps,
        _ => return Err(ReadError::Unknown("change of a number")),
    };
    let base = heads.uint()?;
    let step = if change == Change::Steps { heads.uint()? } else { 0 };
    if width == 0 {
        return Ok(Numbers::Even { base, step });
    }
    let bytes = numbers.raw(count.checked_mul(width).ok_or(ReadError::Overflow)?)?;
    let mut values = vec![0u64; count];
    if head & WHOLE != 0 {
        for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(width)) {
            *value = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        }
    } else {
        for (plane, bytes) in bytes.chunks_exact(count.max(1)).enumerate() {
            for (value, &byte) in values.iter_mut().zip(bytes) {
                *value |= u64::from(byte) << (8 * plane);
            }
        }
    }
    let (mut previous, mut step) = (base, step);
    for (index, value) in values.iter_mut().enumerate() {
        *value = match change {
            Change::None => base.wrapping_add(*value),
            Change::Delta => previous.wrapping_add(unzigzag(*value)),
            Change::Steps if index == 0 => base,
            Change::Steps => {
                step = step.wrapping_add(unzigzag(*value));
                previous.wrapping_add(step)
            }
        };
        previous = *value;
    }
    Ok(Numbers::Each(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round(values: &[u64]) -> usize {
        let (mut heads, mut numbers) = (Writer::new(), Vec::new());
        write(&mut heads, &mut numbers, values);
        let (mut head_reader, mut number_reader) = (Reader::new(heads.as_bytes()), Reader::new(&numbers));
        let read = read(&mut head_reader, &mut number_reader, values.len()).unwrap();
        for (index, &value) in values.iter().enumerate() {
            assert_eq!(read.at(index), Some(value), "{index}");
        }
        assert!(head_reader.is_empty() && number_reader.is_empty());
        heads.len() + numbers.len()
    }

    #[test]
    fn even_runs_take_no_bytes_however_long() {
        assert_eq!(round(&[7; 9_000]), 2);
        let seconds: Vec<u64> = (0..9_000).map(|index| 1_000 + 3 * index).collect();
        assert_eq!(round(&seconds), 4);
        let down: Vec<u64> = (0..100).map(|index| 1_000 - 3 * index).collect();
        assert!(round(&down) <= 13);
    }

    #[test]
    fn what_grows_slowly_takes_a_byte_each() {
        let values: Vec<u64> = (0..100u64).map(|index| 1_763_632_800_000 + 40 * index + index * index % 7).collect();
        assert!(round(&values) <= 110);
    }

    #[test]
    fn any_bytes_are_numbers_or_refused() {
        assert!(read(&mut Reader::new(&[9, 0]), &mut Reader::new(&[]), 1).is_err());
        assert!(read(&mut Reader::new(&[0x30, 0]), &mut Reader::new(&[]), 1).is_err());
        assert!(read(&mut Reader::new(&[0x80, 0]), &mut Reader::new(&[]), 1).is_err());
        assert!(read(&mut Reader::new(&[8, 0]), &mut Reader::new(&[0; 7]), usize::MAX).is_err());
        assert!(read(&mut Reader::new(&[1, 0]), &mut Reader::new(&[]), 0).is_ok());
    }

    proptest! {
        #[test]
        fn numbers_survive(values in proptest::collection::vec(any::<u64>(), 0..40), shift in 0u32..64) {
            let values: Vec<u64> = values.iter().map(|value| value >> shift).collect();
            round(&values);
        }

        #[test]
        fn signed_numbers_keep_their_order(a: i64, b: i64) {
            prop_assert_eq!(from_signed(a).cmp(&from_signed(b)), a.cmp(&b));
            prop_assert_eq!(to_signed(from_signed(a)), a);
        }
    }
}
