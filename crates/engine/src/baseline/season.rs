//! The week of a component: how its rate in each hour compares with its mean rate.
//!
//! Hours of the day are learned first, hours of the week beside them; each is used only once it has predicted better
//! than a flat week, so that a component without a rhythm is never given one. Three readings are kept apart, as the
//! clock says and one hour before and after it: the one that fits best of late is used, which follows a change of
//! daylight saving within hours where the zone is not known.
//!
//! Hours are those of the domain's clocks ([`Zone`]), UTC where it names none. What a factor multiplies is a series' own level, so that small series borrow the component's week.

use super::{Borrowed, Mean, Zone};
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};

const HOUR: Millis = Millis::from_hours(1);
const DAY: usize = 24;
const WEEK: usize = 168;
/// Hours seen before a daily rhythm may be used (two days), and a weekly one (a week and a day).
const DAILY_HOURS_MIN: u32 = 48;
const WEEKLY_HOURS_MIN: u32 = 8 * 24;
/// A rhythm is used when its error is below this share of the simpler model's.
const BETTER: f64 = 0.85;
const SHIFTS: [i64; 3] = [0, -1, 1];

/// The hours of a component.
#[derive(Clone, Debug, PartialEq)]
pub struct Season {
    overall: Mean,
    day: Vec<Mean>,
    week: Vec<Mean>,
    error_flat: Mean,
    error_day: Mean,
    error_week: Mean,
    /// That of the day in the same hours, which the week has seen before.
    error_beside: Mean,
    error_shift: [Mean; 3],
    hours: u32,
    /// The week of others, while there is none of its own; written apart.
    borrowed: Option<Box<Borrowed>>,
    /// Whose clocks; the caller's to remember.
    zone: Zone,
}

impl Default for Season {
    fn default() -> Self {
        Self {
            overall: Mean::default(),
            day: vec![Mean::default(); DAY],
            week: vec![Mean::default(); WEEK],
            error_flat: Mean::default(),
            error_day: Mean::default(),
            error_week: Mean::default(),
            error_beside: Mean::default(),
            error_shift: [Mean::default(); 3],
            hours: 0,
            borrowed: None,
            zone: Zone::default(),
        }
    }
}

#[derive(Clone, Copy)]
enum Rhythm {
    Flat,
    Daily,
    Weekly,
}

impl Season {
    /// The hours are those of these clocks from now on; what was learned by others moves with them.
    pub fn set_zone(&mut self, zone: Zone) {
        let ahead = zone.standard_hours() - self.zone.standard_hours();
        for hours in [&mut self.day, &mut self.week] {
            let by = (-ahead).rem_euclid(hours.len().max(1) as i64) as usize;
            *hours = hours.iter().cycle().skip(by).take(hours.len()).copied().collect();
        }
        if let Some(borrowed) = &mut self.borrowed {
            borrowed.turn(ahead);
        }
        self.zone = zone;
    }

    /// Whose clocks the hours are.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// What was read was learned by these clocks.
    pub(crate) fn learned_in(&mut self, zone: Zone) {
        self.zone = zone;
    }

    /// What the rate at this instant usually is, as a multiple of the mean rate: 1 while no rhythm is known.
    pub fn factor(&self, at: Timestamp) -> f64 {
        let (shift, at) = (self.shift(), self.zone.local(at));
        if let Some(borrowed) = self.borrowed() {
            return borrowed.factor(at);
        }
        self.interpolated(self.rhythm(), at.plus(Millis(shift * HOUR.0)))
    }

    /// The week of others, if it stands in for one of its own.
    pub fn borrowed(&self) -> Option<&Borrowed> {
        self.borrowed.as_deref().filter(|_| !self.is_known())
    }

    /// Whether the rhythm in use is one of others, and believed rather than not.
    pub(crate) fn is_lent(&self) -> bool {
        self.borrowed().is_some_and(|borrowed| borrowed.trust() > 0.5)
    }

    /// A week of others stands in until there is one of its own, or until it proves wrong.
    pub(crate) fn borrow(&mut self, week: Option<Borrowed>) {
        self.borrowed = week.map(Box::new);
    }

    /// Hours seen.
    pub(crate) fn hours(&self) -> u32 {
        self.hours
    }

    /// The hours of its day or week, as multiples of its mean rate; none if it has no rhythm.
    pub(crate) fn profile(&self) -> Vec<f64> {
        let rhythm = self.rhythm();
        let hours = match rhythm {
            Rhythm::Flat => 0,
            Rhythm::Daily => DAY,
            Rhythm::Weekly => WEEK,
        };
        (0..hours as i64).map(|hour| self.at_hour(rhythm, Timestamp(hour * HOUR.0))).collect()
    }

    /// Whether a rhythm is known.
    pub fn is_known(&self) -> bool {
        !matches!(self.rhythm(), Rhythm::Flat)
    }

    /// Learns the records of the whole hour that starts at `hour`.
    pub fn learn(&mut self, hour: Timestamp, records: f64) {
        let mid = self.zone.local(hour.plus(Millis(HOUR.0 / 2)));
        if let Some(borrowed) = &mut self.borrowed {
            borrowed.learn(mid, records);
        }
        let mean = self.overall.value();
        if self.hours > DAY as u32 && mean > 0.0 {
            let miss = |rhythm, shift: i64| {
                let expected = mean * self.at_hour(rhythm, mid.plus(Millis(shift * HOUR.0)));
                (records - expected).abs() / mean
            };
            let flat = miss(Rhythm::Flat, 0);
            let (day, week) = (miss(Rhythm::Daily, 0).min(4.0), miss(Rhythm::Weekly, 0).min(4.0));
            let shifted = SHIFTS.map(|shift| miss(self.rhythm(), shift).min(4.0));
            self.error_flat.learn(flat.min(4.0), 0.02);
            self.error_day.learn(day, 0.02);
            let place = places(mid).1;
            if self.week.get(place).is_some_and(|slot| slot.count() > 0) {
                self.error_week.learn(week, 1.0 / WEEK as f64);
                self.error_beside.learn(day.min(flat.min(4.0)), 1.0 / WEEK as f64);
            }
            for (error, miss) in self.error_shift.iter_mut().zip(shifted) {
                error.learn(miss, 0.15);
            }
        }
        // An hour of an incident counts for at most three usual ones of its kind.
        let usual = mean * self.at_hour(self.rhythm(), mid);
        let learned = if self.hours > DAY as u32 && usual > 0.0 { records.min(usual * 3.0) } else { records };
        self.overall.learn(learned, 1.0 / WEEK as f64);
        let (day, week) = places(mid.plus(Millis(self.shift() * HOUR.0)));
        if let Some(slot) = self.day.get_mut(day) {
            slot.learn(learned, 0.2);
        }
        if let Some(slot) = self.week.get_mut(week) {
            slot.learn(learned, 0.35);
        }
        self.hours = self.hours.saturating_add(1);
        // Its own week, or proof to the contrary, ends what was borrowed; so does time enough to have found either.
        let is_over = self.is_known() || self.hours >= WEEKLY_HOURS_MIN;
        self.borrowed = self.borrowed.take().filter(|borrowed| !is_over && borrowed.worth() > 0.0);
    }

    fn rhythm(&self) -> Rhythm {
        let (flat, day, week) = (self.error_flat.value(), self.error_day.value(), self.error_week.value());
        if self.hours >= WEEKLY_HOURS_MIN && week < self.error_beside.value() * BETTER {
            Rhythm::Weekly
        } else if self.hours >= DAILY_HOURS_MIN && day < flat * BETTER {
            Rhythm::Daily
        } else {
            Rhythm::Flat
        }
    }

    fn shift(&self) -> i64 {
        if !self.is_known() {
            return 0;
        }
        let [plain, before, after] = self.error_shift.map(|error| error.value());
        let best = before.min(after);
        // A shift must be clearly better, or noise would move the clock.
        if best >= plain * 0.6 {
            0
        } else if before <= after {
            -1
        } else {
            1
        }
    }

    fn at_hour(&self, rhythm: Rhythm, at: Timestamp) -> f64 {
        let (day, week) = places(at);
        let slot = match rhythm {
            Rhythm::Flat => None,
            Rhythm::Daily => self.day.get(day),
            Rhythm::Weekly => self.week.get(week).filter(|slot| slot.count() > 0).or_else(|| self.day.get(day)),
        };
        let mean = self.overall.value();
        match slot {
            Some(slot) if slot.count() > 0 && mean > 0.0 => (self.calmed(rhythm, at, slot) / mean).max(0.0),
            _ => 1.0,
        }
    }

    /// An hour's value, drawn to that of its neighbours as far as chance alone explains what it differs from them: an
    /// hour of few records is known by the hours around it, one that stands out for good keeps its own.
    fn calmed(&self, rhythm: Rhythm, at: Timestamp, slot: &Mean) -> f64 {
        let neighbour = |hours: i64| {
            let (day, week) = places(at.plus(Millis(hours * HOUR.0)));
            let slot = if matches!(rhythm, Rhythm::Weekly) { self.week.get(week) } else { self.day.get(day) };
            slot.filter(|slot| slot.count() > 0).map_or(f64::NAN, Mean::value)
        };
        let around = (neighbour(-1) + neighbour(1)) / 2.0;
        let off = around - slot.value();
        if !off.is_finite() {
            return slot.value();
        }
        let weight: f64 = if matches!(rhythm, Rhythm::Weekly) { 0.35 } else { 0.2 };
        let noise = (slot.value() + 1.0) * (weight / (2.0 - weight)).max(1.0 / f64::from(slot.count()));
        // The neighbours are uncertain too: their mean has half the noise of one hour.
        slot.value() + off * 2.0 / 3.0 * (1.5 * noise / (off * off).max(1e-9)).min(1.0)
    }

    /// Between the middles of two hours, so that the full hour is no step.
    fn interpolated(&self, rhythm: Rhythm, at: Timestamp) -> f64 {
        let from = at.minus(Millis(HOUR.0 / 2));
        let part = from.0.rem_euclid(HOUR.0) as f64 / HOUR.0 as f64;
        let (low, high) = (self.at_hour(rhythm, from), self.at_hour(rhythm, from.plus(HOUR)));
        low + (high - low) * part
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.uint(u64::from(self.hours));
        self.means().for_each(|mean| mean.write(out));
    }

    fn means(&self) -> impl Iterator<Item = &Mean> {
        [&self.overall, &self.error_flat, &self.error_day, &self.error_week, &self.error_beside]
            .into_iter()
            .chain(&self.error_shift)
            .chain(&self.day)
            .chain(&self.week)
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut season = Self { hours: input.u32()?, ..Self::default() };
        for mean in [
            &mut season.overall,
            &mut season.error_flat,
            &mut season.error_day,
            &mut season.error_week,
            &mut season.error_beside,
        ]
        .into_iter()
        .chain(&mut season.error_shift)
        .chain(&mut season.day)
        .chain(&mut season.week)
        {
            *mean = Mean::read(input)?;
        }
        Ok(season)
    }
}

fn places(at: Timestamp) -> (usize, usize) {
    let hour = at.0.div_euclid(HOUR.0);
    (hour.rem_euclid(DAY as i64) as usize, hour.rem_euclid(WEEK as i64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(hours: i64, rate: impl Fn(i64) -> f64) -> Season {
        let mut season = Season::default();
        (0..hours).for_each(|hour| season.learn(Timestamp(hour * HOUR.0), rate(hour)));
        season
    }

    fn office(hour: i64) -> f64 {
        if (8..18).contains(&hour.rem_euclid(24)) { 900.0 } else { 100.0 }
    }

    #[test]
    fn a_component_without_a_rhythm_is_given_none() {
        let season = learned(24 * 20, |hour| 100.0 + (hour * 7_919 % 13) as f64);
        assert!(!season.is_known());
        assert_eq!(season.factor(Timestamp(12 * HOUR.0)), 1.0);
    }

    #[test]
    fn a_day_is_known_after_three_and_a_weekend_after_two_weeks() {
        let day = learned(24 * 4, office);
        let (noon, night) = (Timestamp(24 * 4 * HOUR.0 + 12 * HOUR.0), Timestamp(24 * 4 * HOUR.0 + 3 * HOUR.0));
        assert!(day.factor(noon) > 1.5 && day.factor(night) < 0.5);
        let week = learned(24 * 35, |hour| if hour / 24 % 7 >= 5 { 50.0 } else { office(hour) });
        let noon_of = |day: i64| week.factor(Timestamp((24 * (35 + day) + 12) * HOUR.0));
        assert!(noon_of(5) < 0.3 * noon_of(2), "{} {}", noon_of(5), noon_of(2));
    }

    #[test]
    fn a_changed_clock_is_followed_within_a_day() {
        let mut season = learned(24 * 28, |hour| 100.0 + 80.0 * (hour % 24) as f64);
        for hour in 24 * 28..24 * 28 + 18 {
            season.learn(Timestamp(hour * HOUR.0), 100.0 + 80.0 * ((hour + 1) % 24) as f64);
        }
        assert_eq!(season.shift(), 1);
    }

    #[test]
    fn with_a_zone_a_changed_clock_is_no_news() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        // From March 1st to 29th 2026, when clocks go ahead at 1:00 UTC; worked from 8 to 18 by the clock on the wall.
        let (begin, change) = (1_772_323_200_000 / HOUR.0, 1_774_746_000_000 / HOUR.0);
        let rate = |hour: i64| office(hour + berlin.hours_ahead(Timestamp(hour * HOUR.0)));
        let mut local = Season::default();
        local.set_zone(berlin);
        let mut utc = Season::default();
        for hour in begin..change {
            local.learn(Timestamp(hour * HOUR.0), rate(hour));
            utc.learn(Timestamp(hour * HOUR.0), rate(hour));
        }
        // The first morning of summer: a quarter past six in UTC.
        let opens = Timestamp((change + 5) * HOUR.0 + HOUR.0 / 2);
        assert!(local.factor(opens) > 1.5 && utc.factor(opens) < 0.5, "{} {}", local.factor(opens), utc.factor(opens));
        // What UTC learned moves with the clocks when the zone is told.
        utc.set_zone(berlin);
        assert!((utc.factor(opens) - local.factor(opens)).abs() < 0.1);
        utc.set_zone(Zone::default());
        assert!(utc.factor(opens) < 0.5);
    }

    #[test]
    fn survives_its_bytes() {
        let season = learned(500, office);
        let mut out = Writer::new();
        season.write(&mut out);
        assert_eq!(Season::read(&mut Reader::new(out.as_bytes())), Ok(season));
    }
}
