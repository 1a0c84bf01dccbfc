//! Eight bytes of a text at a time, as one number: what tells most texts apart before anything looks at a byte.
//!
//! A question about eight bytes is answered by a mask with the high bit of each byte set for which the answer is yes;
//! the first byte of the text is the lowest of the number. The sums in here cannot carry from one byte into the next,
//! since the high bits are left out of them. No vector instructions: the same code is as good on wasm.

const ONES: u64 = 0x0101_0101_0101_0101;
const BLANKS: u64 = b' ' as u64 * ONES;
/// The bit that tells lower case from upper case.
const CASE: u64 = 0x20 * ONES;
/// The high bit of each byte: the mask that says yes to all of them.
pub const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first eight bytes of `text`; of fewer, filled up with blanks.
#[inline]
pub fn first(text: &[u8]) -> u64 {
    if let Some(eight) = text.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    text.iter().rev().fold(BLANKS, |eight, byte| eight << 8 | u64::from(*byte))
}

/// Which bytes are `byte`.
#[inline]
pub const fn equal(eight: u64, byte: u8) -> u64 {
    let differs = eight ^ (byte as u64 * ONES);
    !(((differs & !HIGHS) + !HIGHS) | differs) & HIGHS
}

/// Which bytes are upper-case ASCII letters.
#[inline]
pub const fn upper_case(eight: u64) -> u64 {
    let low = eight & !HIGHS;
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let beyond_z = low + (0x7f - b'Z' as u64) * ONES;
    (from_a ^ beyond_z) & !eight & HIGHS
}

/// Which bytes cannot stand in a JSON string as they are: quotes, backslashes and ASCII control characters below blank.
#[inline]
pub const fn ends_plain_json(eight: u64) -> u64 {
    let from_blank = (eight & !HIGHS) + 0x60 * ONES;
    equal(eight, b'"') | equal(eight, b'\\') | (!from_blank & !eight & HIGHS)
}

/// The place of the first byte for which `mask` says yes, and the mask without it. `mask` is not zero.
#[inline]
pub const fn take_first(mask: u64) -> (usize, u64) {
    (mask.trailing_zeros() as usize / 8, mask & mask.wrapping_sub(1))
}

/// The eight bytes from `from` on, the first in the lowest place; behind the end of the text there are spaces.
#[inline(always)]
pub fn at(text: &[u8], from: usize) -> u64 {
    match text.get(from..from.wrapping_add(8)).and_then(|bytes| bytes.first_chunk()) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => padded(text, text.get(from..).unwrap_or_default()),
    }
}

#[inline(always)]
fn padded(text: &[u8], rest: &[u8]) -> u64 {
    match text.last_chunk() {
        Some(chunk) if !rest.is_empty() => {
            let bits = (8 * rest.len() as u32) & 63;
            u64::from_le_bytes(*chunk) >> ((64 - bits) & 63) | BLANKS << bits
        }
        _ => rest.iter().rev().fold(BLANKS, |chunk, &byte| chunk << 8 | u64::from(byte)),
    }
}

/// How many of the eight are ASCII letters before the first that is none.
#[inline(always)]
pub fn letters(chunk: u64) -> usize {
    // Without one bit lower case is upper case; then a carry into the highest bit says which side of a bound a byte is.
    let upper = chunk & !(HIGHS | CASE);
    let below_a = (0x80 + u64::from(b'A') - 1) * ONES - upper;
    let behind_z = upper + (0x7f - u64::from(b'Z')) * ONES;
    first_marked(below_a | behind_z | chunk)
}

/// The first of the eight bytes whose highest bit is set; eight if there is none.
#[inline(always)]
fn first_marked(marks: u64) -> usize {
    // Asked with a branch, which costs nothing where it is foreseen: the instruction that counts need not think of zero.
    match marks & HIGHS {
        0 => 8,
        marks => marks.trailing_zeros() as usize / 8,
    }
}

/// How many of the eight are digits before the first that is none.
#[inline(always)]
pub fn digits(chunk: u64) -> usize {
    // A digit differs from `0` by nine at most: a carry says where that is not so.
    let off = chunk ^ (u64::from(b'0') * ONES);
    let above_nine = ((off & !HIGHS) + (0x7f - 9) * ONES) | off;
    first_marked(above_nine)
}

/// The first `length` of the eight (less than eight), and `a` for the others.
#[inline(always)]
pub fn of_length(chunk: u64, length: usize) -> u64 {
    let others = u64::MAX << ((8 * length as u32) & 63);
    chunk & !others | (u64::from(b'a') * ONES) & others
}

/// Whether one of the eight bytes, all of them letters, is no hex digit.
#[inline(always)]
pub fn has_letter_behind_f(chunk: u64) -> bool {
    ((chunk | CASE) & !HIGHS).wrapping_add((0x7f - u64::from(b'f')) * ONES) & HIGHS != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The places for which a mask says yes.
    fn places(mut mask: u64) -> Vec<usize> {
        let mut places = Vec::new();
        while mask != 0 {
            let (place, rest) = take_first(mask);
            places.push(place);
            mask = rest;
        }
        places
    }

    #[test]
    fn every_byte_is_told_beside_every_kind_of_neighbour() {
        for byte in 0..=u8::MAX {
            for around in
                [0, b' ', b'/', b'0', b'9', b':', b'@', b'A', b'Z', b'[', b'`', b'a', b'z', b'{', 0x7f, 0x80, 0xff]
            {
                for at in 0..8 {
                    let mut text = [around; 8];
                    text[at] = byte;
                    let eight = first(&text);
                    let wanted = |is: &dyn Fn(u8) -> bool| (0..8).filter(|&at| is(text[at])).collect::<Vec<_>>();
                    assert_eq!(places(upper_case(eight)), wanted(&|byte| byte.is_ascii_uppercase()), "{text:?}");
                    let ends = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
                    assert_eq!(places(ends_plain_json(eight)), wanted(&ends), "{text:?}");
                    assert_eq!(places(equal(eight, byte)), wanted(&|other| other == byte), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_short_text_is_filled_up_with_blanks() {
        assert_eq!(first(b"ab"), u64::from_le_bytes(*b"ab      "));
        assert_eq!(first(b""), u64::from_le_bytes(*b"        "));
        assert_eq!(first(b"abcdefghi"), u64::from_le_bytes(*b"abcdefgh"));
    }

    proptest! {
        #[test]
        fn the_eight_bytes_are_those_of_the_text_and_then_spaces(text: Vec<u8>, at in 0usize..40) {
            let expected: Vec<u8> = (at..at + 8).map(|at| text.get(at).copied().unwrap_or(b' ')).collect();
            prop_assert_eq!(super::at(&text, at).to_le_bytes().to_vec(), expected);
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
