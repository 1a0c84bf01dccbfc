//! What a component lends to newcomers once it has learned, and what a newcomer begins with.
//!
//! Lent are shapes: the hours of the week and the share of errors ([`Prior`]). They are pseudo-observations of little
//! weight: the week is given up when the component's own hours speak against it, the share is outweighed by its own
//! records. A seed is taken before the first record only; a component that nobody lends anything is what it always was.

use super::detectors::Detectors;
use crate::baseline::{Borrowed, Prior, Seed};
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};

/// Hours behind what is lent, at least: a week.
const LENT_AFTER_HOURS: u32 = 168;
/// Minutes behind a share of errors that is lent: a day.
const SHARE_AFTER_MINUTES: u32 = 1_440;

impl Detectors {
    /// What there is to lend: none before a week was seen.
    pub fn prior(&self) -> Option<Prior> {
        if self.season.hours() < LENT_AFTER_HOURS {
            return None;
        }
        let usual = self.errors.usual().filter(|_| self.errors.experience() >= SHARE_AFTER_MINUTES);
        Some(Prior::of(self.season.hours(), self.season.zone(), &self.season.profile(), usual.map(|(share, _)| share)))
    }

    /// Hours that the season has learned.
    pub fn hours(&self) -> u32 {
        self.season.hours()
    }

    /// Begins with what others lent, unless something was seen already; whether it did.
    pub fn begin_with(&mut self, seed: Seed) -> bool {
        if self.slot.is_some() || self.seed.is_some() {
            return false;
        }
        let mut week = Borrowed::new(seed.prior.week.clone(), seed.hours);
        week.turn(self.season.zone().standard_hours() - i64::from(seed.prior.zone));
        self.season.borrow(Some(week));
        self.errors.lend(seed.error_share());
        self.seed = Some(Box::new(seed));
        true
    }

    /// What it began with, while anything of that still counts, and the hours that the week in it is worth now.
    pub fn seed(&self) -> Option<(&Seed, f64)> {
        let worth = self.season.borrowed().map_or(0.0, Borrowed::worth);
        self.seed.as_deref().filter(|_| worth > 0.0 || self.errors.lent().is_some()).map(|seed| (seed, worth))
    }

    /// The hour that ends here is learned. Where that changes what is made of a borrowed week, or ends it, what is due
    /// at this instant stays what it was.
    pub(super) fn learn_hour(&mut self, end: Timestamp) {
        let before = self.season.borrowed().map(|_| self.season.factor(end));
        self.season.learn(end.minus(Millis::from_hours(1)), self.hour_records as f64);
        let after = self.season.factor(end);
        let Some(before) = before.filter(|before| *before != after) else { return };
        let times = before.max(0.02) / after.max(0.02);
        self.component.rescale(times);
        self.level.rescale(times);
        self.patterns.values_mut().for_each(|watch| watch.counts.rescale(times));
    }

    /// The seed and what is left of it, as the last part of what is written of a component.
    pub(crate) fn write_seed(&self, out: &mut Writer) {
        let Some(seed) = &self.seed else { return };
        seed.write(out);
        let week = self.season.borrowed();
        out.u8(u8::from(week.is_some()) | u8::from(self.errors.lent().is_some()) << 1);
        if let Some(week) = week {
            week.write(out);
        }
    }

    /// Reads what [`Detectors::write_seed`] wrote; nothing is no seed.
    pub(crate) fn read_seed(&mut self, input: &mut Reader<'_>) -> Result<(), ReadError> {
        if input.is_empty() {
            return Ok(());
        }
        let seed = Seed::read(input)?;
        let left = input.u8()?;
        self.season.borrow(if left & 1 != 0 { Some(Borrowed::read(input)?) } else { None });
        self.errors.lend(seed.error_share().filter(|_| left & 2 != 0));
        self.seed = Some(Box::new(seed));
        Ok(())
    }
}
