//! The ground on which a line is compared: lines of different faults never meet, whatever they say.
//!
//! A line without a fault stands on the common ground, where its signature is that of its words alone. A fault gives
//! its lines a ground of their own: every signature of theirs is mixed with the fingerprint. There type and place are
//! known already, so that a message needs no words of its own to mean something, and a single word may vary.

use super::learner::words_to_generalize;
use super::shape::Context;
use crate::fault::Fault;

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// On the common ground a shape with fewer words says nothing.
const WORDS_LEFT_MIN: usize = 2;
/// Different words that make any place of a fault's message a variable: the fault itself says enough.
const WORDS_OF_A_FAULT: usize = 4;

/// Where a line stands: zero for the common ground, else the fingerprint of its fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ground(u64);

impl Ground {
    /// The ground of a record or a pattern with this fault.
    pub(super) fn of(fault: Option<&Fault>) -> Self {
        Self(fault.map_or(0, |fault| fault.fingerprint.0))
    }

    /// The signature that a line has here.
    pub(super) fn signature(self, of_words: u64) -> u64 {
        if self.0 == 0 {
            return of_words;
        }
        let mut state = (of_words ^ self.0.rotate_left(32)).wrapping_mul(MULTIPLIER);
        state ^= state >> 32;
        state = (state ^ self.0).wrapping_mul(MULTIPLIER);
        (state ^ state >> 29).max(1)
    }

    /// Gives contexts the signatures that they have here.
    pub(super) fn stand(self, contexts: &mut [Context]) {
        for context in contexts {
            context.signature = self.signature(context.signature);
        }
    }

    /// Words that must stay when another becomes a variable.
    pub(super) fn words_left_min(self) -> usize {
        if self.0 == 0 { WORDS_LEFT_MIN } else { 0 }
    }

    /// Different words, this line's included, that make a variable of an open place.
    pub(super) fn words_to_generalize(self, context: &Context) -> usize {
        let words = words_to_generalize(context);
        if self.0 == 0 { words } else { words.min(WORDS_OF_A_FAULT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_ground_changes_no_signature_and_others_change_every_one() {
        assert_eq!(Ground::default().signature(7), 7);
        let (one, two) = (Ground(1), Ground(2));
        for signature in [0, 1, 2, 3, u64::MAX, 1 << 32] {
            assert_ne!(one.signature(signature), signature);
            assert_ne!(one.signature(signature), two.signature(signature));
            assert_ne!(one.signature(signature), 0);
        }
    }
}
