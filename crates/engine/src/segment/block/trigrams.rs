//! Which runs of three letters occur in the texts of a block: one bit for each of the 26 x 26 x 26.
//!
//! Search looks for parts of words, so a filter over whole words would hide what it should find. The bits are those of
//! message, stack trace and error code in lower case, as search reads them. A wanted text whose letters run shorter than
//! three cannot be ruled out; neither can its digits.

const LETTERS: usize = 26;
const BITS: usize = LETTERS * LETTERS * LETTERS;
/// Bytes of the filter.
pub(super) const BYTES: usize = BITS.div_ceil(8);

/// The bits, while a block is written.
pub(super) struct Trigrams(Vec<u8>);

impl Trigrams {
    pub(super) fn new() -> Self {
        Self(vec![0; BYTES])
    }

    pub(super) fn add(&mut self, text: &str) {
        let mut set = |bit: usize| {
            if let Some(byte) = self.0.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        };
        if text.is_ascii() {
            each(text.bytes().map(|byte| byte.to_ascii_lowercase()), &mut set);
        } else {
            each(text.to_lowercase().bytes(), &mut set);
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a text with `wanted` (lower case) in it can be among those that made `bits`.
pub(super) fn may_hold(bits: &[u8], wanted: &str) -> bool {
    let mut may = true;
    each(wanted.bytes(), &mut |bit| may &= bits.get(bit / 8).is_none_or(|byte| byte >> (bit % 8) & 1 == 1));
    may
}

fn each(bytes: impl Iterator<Item = u8>, tell: &mut impl FnMut(usize)) {
    let (mut run, mut number) = (0usize, 0usize);
    for byte in bytes {
        if !byte.is_ascii_lowercase() {
            run = 0;
            continue;
        }
        number = (number * LETTERS + usize::from(byte - b'a')) % BITS;
        run += 1;
        if run >= 3 {
            tell(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_there_is_ruled_out_and_parts_of_words_are_not() {
        let mut trigrams = Trigrams::new();
        trigrams.add("Payment FAILED for order 17");
        trigrams.add("Größe überschritten");
        for there in ["fail", "payment failed", "order 99", "überschr", "rde", "or", "x", "17", ""] {
            assert!(may_hold(trigrams.as_bytes(), there), "{there}");
        }
        for absent in ["timeout", "payments", "failed refund"] {
            assert!(!may_hold(trigrams.as_bytes(), absent), "{absent}");
        }
        assert!(may_hold(&[], "whatever"));
    }

    proptest! {
        #[test]
        fn what_is_there_is_never_ruled_out(text in "[a-zA-Z0-9 İK.]{0,40}", from in 0usize..40, length in 0usize..12) {
            let mut trigrams = Trigrams::new();
            trigrams.add(&text);
            let lower: Vec<char> = text.to_lowercase().chars().collect();
            let wanted: String = lower.iter().skip(from).take(length).collect();
            prop_assert!(may_hold(trigrams.as_bytes(), &wanted));
        }
    }
}
