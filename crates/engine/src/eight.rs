//! Eight bytes of a text at a time, as one number: what tells most texts apart before anything looks at a byte.
//!
//! A question about eight bytes is answered by a mask with the high bit of each byte set for which the answer is yes;
//! the first byte of the text is the lowest of the number. The sums in here cannot carry from one byte into the next,
//! since the high bits are left out of them. No vector instructions: the same code is as good on wasm.

const ONES: u64 = 0x0101_0101_0101_0101;
const BLANKS: u64 = b' ' as u64 * ONES;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
