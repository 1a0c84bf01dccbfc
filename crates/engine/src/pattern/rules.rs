//! The miner's rules by name, so that each can be left out and what it is worth be measured.
//!
//! Without the feature `ablation` every rule holds, known when this is compiled: nothing is asked, nothing is paid. With it
//! (only `examples/mine_rules`, for `scripts/bench-patterns --ablation`) a rule that was switched off does not hold, in
//! the whole process.

/// What may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A path is a value.
    Paths,
    /// `a.b.ClassName` is a value.
    ClassNames,
    /// `true` and `null` are values.
    Booleans,
    /// A month or a weekday beside a number belongs to it.
    Calendar,
    /// A unit or a time zone behind a number belongs to it.
    Units,
    /// Digits in `jk2_init(` and `r24=` are of the name.
    NamesWithDigits,
    /// `CPU3` is the name `CPU` and a number.
    NumberedNames,
    /// Values in a row are one.
    Lists,
    /// The thread in the header that a message begins with is a value.
    Headers,
    /// Words become variables at all.
    Generalization,
    /// Words behind `=` and in quotes do so earlier.
    Assigned,
    /// All of them may do so at once.
    Joint,
    /// Words behind prepositions do so earlier.
    Introduced,
    /// States do so late or never.
    States,
    /// In a line of few words they do so later.
    ShortLines,
    /// A word joins a variable that is known.
    JoinsKnown,
    /// States and short lines join it only where words were seen.
    JoinsCarefully,
    /// A line with a variable takes over those that have words there.
    TakesOver,
}

impl Rule {
    /// All of them, in the order of a line's way.
    pub const ALL: [Self; 18] = [
        Self::Paths,
        Self::ClassNames,
        Self::Booleans,
        Self::Calendar,
        Self::Units,
        Self::NamesWithDigits,
        Self::NumberedNames,
        Self::Lists,
        Self::Headers,
        Self::Generalization,
        Self::Assigned,
        Self::Joint,
        Self::Introduced,
        Self::States,
        Self::ShortLines,
        Self::JoinsKnown,
        Self::JoinsCarefully,
        Self::TakesOver,
    ];

    /// Whether it is in force.
    #[inline(always)]
    pub(super) fn holds(self) -> bool {
        #[cfg(feature = "ablation")]
        return OFF.load(std::sync::atomic::Ordering::Relaxed) & 1 << self as u32 == 0;
        #[cfg(not(feature = "ablation"))]
        true
    }

    /// It does not hold from now on.
    #[cfg(feature = "ablation")]
    pub fn leave_out(self) {
        OFF.fetch_or(1 << self as u32, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(feature = "ablation")]
static OFF: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_holds_unless_it_was_left_out() {
        assert!(Rule::ALL.into_iter().all(Rule::holds));
        let numbers: Vec<u32> = Rule::ALL.into_iter().map(|rule| rule as u32).collect();
        assert_eq!(numbers, (0..Rule::ALL.len() as u32).collect::<Vec<_>>(), "each is listed once");
    }
}
