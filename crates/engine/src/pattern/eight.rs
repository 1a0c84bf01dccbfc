//! Eight bytes of a text in one number: most pieces of a line are short words of letters, and one look tells how long.
//!
//! The scanner's byte by byte loop decides everything; what is here only lets it skip the common case, and a property
//! test holds the two together. Plain 64-bit arithmetic, so that it is the same (and as fast) on wasm.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;
const LOW: u64 = 0x7f * ONES;
/// The bit that tells lower case from upper case.
const CASE: u64 = 0x20 * ONES;

/// The eight bytes from `at` on, the first in the lowest place; behind the end of the text there are spaces.
#[inline(always)]
pub(super) fn eight(text: &[u8], at: usize) -> u64 {
    match text.get(at..at.wrapping_add(8)).and_then(|bytes| bytes.first_chunk()) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => padded(text, text.get(at..).unwrap_or_default()),
    }
}

#[inline(always)]
fn padded(text: &[u8], rest: &[u8]) -> u64 {
    let spaces = u64::from(b' ') * ONES;
    match text.last_chunk() {
        Some(chunk) if !rest.is_empty() => {
            let bits = (8 * rest.len() as u32) & 63;
            u64::from_le_bytes(*chunk) >> ((64 - bits) & 63) | spaces << bits
        }
        _ => rest.iter().rev().fold(spaces, |chunk, &byte| chunk << 8 | u64::from(byte)),
    }
}

/// How many of the eight are ASCII letters before the first that is none.
#[inline(always)]
pub(super) fn letters(chunk: u64) -> usize {
    // Without one bit lower case is upper case; then a carry into the highest bit says which side of a bound a byte is.
    let upper = chunk & (LOW & !CASE);
    let below_a = (0x80 + u64::from(b'A') - 1) * ONES - upper;
    let behind_z = upper + (0x7f - u64::from(b'Z')) * ONES;
    first(below_a | behind_z | chunk)
}

/// The first of the eight bytes whose highest bit is set; eight if there is none.
#[inline(always)]
fn first(marks: u64) -> usize {
    // Asked with a branch, which costs nothing where it is foreseen: the instruction that counts need not think of zero.
    match marks & HIGH {
        0 => 8,
        marks => marks.trailing_zeros() as usize / 8,
    }
}

/// How many of the eight are digits before the first that is none.
#[inline(always)]
pub(super) fn digits(chunk: u64) -> usize {
    // A digit differs from `0` by nine at most: a carry says where that is not so.
    let off = chunk ^ (u64::from(b'0') * ONES);
    let above_nine = ((off & LOW) + (0x7f - 9) * ONES) | off;
    first(above_nine)
}

/// The first `length` of the eight (less than eight), and `a` for the others.
#[inline(always)]
pub(super) fn of_length(chunk: u64, length: usize) -> u64 {
    let others = u64::MAX << (8 * length as u32 & 63);
    chunk & !others | (u64::from(b'a') * ONES) & others
}

/// Whether one of the eight bytes, all of them letters, is no hex digit.
#[inline(always)]
pub(super) fn has_letter_behind_f(chunk: u64) -> bool {
    ((chunk | CASE) & LOW).wrapping_add((0x7f - u64::from(b'f')) * ONES) & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_eight_bytes_are_those_of_the_text_and_then_spaces(text: Vec<u8>, at in 0usize..40) {
            let expected: Vec<u8> = (at..at + 8).map(|at| text.get(at).copied().unwrap_or(b' ')).collect();
            prop_assert_eq!(eight(&text, at).to_le_bytes().to_vec(), expected);
        }

        #[test]
        fn letters_are_counted_as_one_by_one(bytes in prop::array::uniform8(prop_oneof![3 => b'a'..=b'z', 3 => b'A'..=b'Z', 1 => any::<u8>()])) {
            let expected = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let chunk = u64::from_le_bytes(bytes);
            prop_assert_eq!(letters(chunk), expected);
            if expected == 8 {
                prop_assert_eq!(has_letter_behind_f(chunk), bytes.iter().any(|byte| !byte.is_ascii_hexdigit()));
            }
        }
    }

    #[test]
    fn every_byte_is_a_letter_or_a_digit_or_not_whatever_stands_around_it() {
        for byte in 0..=u8::MAX {
            for (place, filler) in (0..8).flat_map(|place| b"aZ09\xff".map(|filler| (place, filler))) {
                let mut bytes = [filler; 8];
                bytes[place] = byte;
                let expected = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                assert_eq!(letters(u64::from_le_bytes(bytes)), expected, "{bytes:?}");
                let expected = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
                assert_eq!(digits(u64::from_le_bytes(bytes)), expected, "{bytes:?}");
            }
        }
    }
}
