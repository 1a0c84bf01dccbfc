//! What a component lends to newcomers once it has learned, and what a newcomer begins with.
//!
//! Lent are the hours of the week ([`Prior`]). They are given up when the component's own hours speak against them or have
//! taken their place. A seed is taken before the first record only; a component that nobody lends anything is what it always was.

use super::detectors::Detectors;
use crate::baseline::{Borrowed, Prior, Seed};
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};

/// Hours behind what is lent, at least: a week.
const LENT_AFTER_HOURS: u32 = 168;

impl Detectors {
    /// What there is to lend: none before a week was seen.
    pub fn prior(&self) -> Option<Prior> {
        if self.season.hours() < LENT_AFTER_HOURS {
            return None;
        }
        Some(Prior::of(self.season.hours(), self.season.zone(), &self.season.profile()))
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
        self.seed = Some(Box::new(seed));
        true
    }

    /// What it began with, and the hours that it is worth now; none once it is worth none, or its own week is known.
    pub fn seed(&self) -> Option<(&Seed, f64)> {
        Some((self.seed.as_deref()?, self.season.borrowed()?.worth()))
    }

    /// The hour that ends here is learned. Where that changes what is made of a borrowed week, or ends it, what is due
    /// at this instant stays what it was.
    pub(super) fn learn_hour(&mut self, end: Timestamp) {
        let before = self.season.borrowed().map(|_| self.season.factor(end));
        self.season.learn(end.minus(Millis::from_hours(1)), self.hour_records as f64);
        self.seed = self.seed.take().filter(|_| self.season.borrowed().is_some());
        let after = self.season.factor(end);
        let Some(before) = before.filter(|before| *before != after) else { return };
        let times = before.max(0.02) / after.max(0.02);
        self.component.rescale(times);
        self.level.rescale(times);
        self.patterns.iter_mut().for_each(|(_, watch)| watch.counts.rescale(times));
    }

    /// The seed and what is left of it, as the last part of what is written of a component.
    pub(crate) fn write_seed(&self, out: &mut Writer) {
        let Some((seed, week)) = self.seed.as_deref().zip(self.season.borrowed()) else { return };
        seed.write(out);
        week.write(out);
    }

    /// Reads what [`Detectors::write_seed`] wrote; nothing is no seed.
    pub(crate) fn read_seed(&mut self, input: &mut Reader<'_>) -> Result<(), ReadError> {
        if input.is_empty() {
            return Ok(());
        }
        let seed = Seed::read(input)?;
        self.season.borrow(Some(Borrowed::read(input)?));
        self.seed = Some(Box::new(seed));
        Ok(())
    }
}
