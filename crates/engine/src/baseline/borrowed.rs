//! A week that was learned by others, for as long as a component has none of its own.
//!
//! It is worth some hours of experience. Each hour that it predicts better than a flat week earns up to one, each that it
//! predicts worse costs up to one, so that a component that is not like its neighbours is rid of them within hours. It is
//! believed in full from [`FULL`] hours on and in proportion below; the season drops one that is worth nothing.

use super::prior::HOURS_MAX;
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};

const HOUR: i64 = Millis::from_hours(1).0;
/// Hours of worth at which a week is believed in full.
const FULL: f64 = 2.0;
/// More is never earned: a component that changes is believed within a day.
const WORTH_MAX: f64 = 2.0 * HOURS_MAX;

/// The hours of others.
#[derive(Clone, Debug, PartialEq)]
pub struct Borrowed {
    /// Thousandths of the mean rate: of 24 or 168 hours, or of none if their week is flat.
    week: Vec<u32>,
    /// Hours that it is worth.
    worth: f64,
    /// Records, hours and factors of the hours seen.
    records: f64,
    hours: f64,
    factors: f64,
}

impl Borrowed {
    /// A week that is worth so many hours.
    pub(crate) fn new(week: Vec<u32>, worth: f64) -> Self {
        Self { week, worth: worth.clamp(0.0, WORTH_MAX), records: 0.0, hours: 0.0, factors: 0.0 }
    }

    /// Hours that it is worth; none is left of one that was wrong.
    pub fn worth(&self) -> f64 {
        self.worth
    }

    /// How far it is believed, 0 to 1.
    pub(crate) fn trust(&self) -> f64 {
        (self.worth / FULL).clamp(0.0, 1.0)
    }

    /// What the rate is, as a multiple of its mean, at this local time.
    pub(crate) fn factor(&self, at: Timestamp) -> f64 {
        let from = at.minus(Millis(HOUR / 2));
        let part = from.0.rem_euclid(HOUR) as f64 / HOUR as f64;
        let (low, high) = (self.at_hour(from), self.at_hour(from.plus(Millis(HOUR))));
        1.0 + (low + (high - low) * part - 1.0) * self.trust()
    }

    fn at_hour(&self, at: Timestamp) -> f64 {
        match self.week.len() {
            0 => 1.0,
            hours => {
                let place = at.0.div_euclid(HOUR).rem_euclid(hours as i64) as usize;
                f64::from(self.week.get(place).copied().unwrap_or(1_000)) / 1_000.0
            }
        }
    }

    /// A whole hour brought so many records; `mid` is its middle, local.
    pub(crate) fn learn(&mut self, mid: Timestamp, records: f64) {
        let factor = self.at_hour(mid);
        if self.records > 0.0 && self.factors > 0.0 {
            let (flat, theirs) = (self.records / self.hours, self.records / self.factors * factor);
            let swing = self.week.iter().map(|&hour| (f64::from(hour) / 1_000.0 - 1.0).abs()).sum::<f64>();
            // Beyond what chance does to a count.
            let scale = flat * swing / self.week.len().max(1) as f64 + flat.max(1.0).sqrt();
            let gain = ((records - flat).abs() - (records - theirs).abs()) / scale;
            self.worth = (self.worth + gain.clamp(-1.0, 1.0)).clamp(0.0, WORTH_MAX);
        }
        self.records += records;
        self.hours += 1.0;
        self.factors += factor;
    }

    /// The clocks went ahead by so many hours: the same hours of theirs are others now.
    pub(crate) fn turn(&mut self, ahead: i64) {
        let by = (-ahead).rem_euclid(self.week.len().max(1) as i64) as usize;
        self.week = self.week.iter().cycle().skip(by).take(self.week.len()).copied().collect();
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.uint(self.week.len() as u64);
        self.week.iter().for_each(|&factor| out.uint(u64::from(factor)));
        [self.worth, self.records, self.hours, self.factors].into_iter().for_each(|value| out.f64(value));
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut week = Vec::new();
        for _ in 0..input.count()? {
            week.push(input.u32()?);
        }
        let [worth, records, hours, factors] = [input.f64()?, input.f64()?, input.f64()?, input.f64()?];
        if [worth, records, hours, factors].iter().all(|value| value.is_finite()) {
            Ok(Self { week, worth, records, hours, factors })
        } else {
            Err(ReadError::Unknown("borrowed week"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine times as much from 8 to 18 h.
    fn office(hour: i64) -> f64 {
        if (8..18).contains(&hour.rem_euclid(24)) { 2.0 } else { 0.25 }
    }

    fn borrowed(worth: f64) -> Borrowed {
        Borrowed::new((0..24).map(|hour| (office(hour) * 1_000.0) as u32).collect(), worth)
    }

    /// Lives `hours` hours from midnight at this rate.
    fn live(week: &mut Borrowed, hours: i64, rate: impl Fn(i64) -> f64) {
        (0..hours).for_each(|hour| week.learn(Timestamp(hour * HOUR + HOUR / 2), rate(hour)));
    }

    #[test]
    fn a_week_that_fits_is_kept_and_one_that_does_not_is_gone_within_a_day() {
        let (mut fits, mut wrong) = (borrowed(4.0), borrowed(HOURS_MAX));
        live(&mut fits, 24, |hour| 60.0 * office(hour));
        assert!(fits.worth() > 6.0 && fits.trust() == 1.0, "{fits:?}");
        live(&mut wrong, 24, |_| 60.0);
        assert!(wrong.worth() == 0.0 && wrong.factor(Timestamp(12 * HOUR)) == 1.0, "{wrong:?}");
    }

    #[test]
    fn what_is_hardly_worth_anything_is_hardly_believed() {
        let noon = Timestamp(12 * HOUR);
        assert_eq!((borrowed(4.0).factor(noon), borrowed(0.0).factor(noon)), (2.0, 1.0));
        assert!((borrowed(1.0).factor(noon) - 1.5).abs() < 1e-9);
        // Between the middles of two hours.
        assert!((borrowed(4.0).factor(Timestamp(8 * HOUR)) - 1.125).abs() < 1e-9);
        assert_eq!(Borrowed::new(Vec::new(), 4.0).factor(noon), 1.0);
    }

    #[test]
    fn other_clocks_move_its_hours() {
        let mut week = borrowed(4.0);
        week.turn(2);
        assert_eq!((week.factor(Timestamp(19 * HOUR)), week.factor(Timestamp(9 * HOUR))), (2.0, 0.25));
        week.turn(-2);
        assert_eq!(week, borrowed(4.0));
    }

    #[test]
    fn odd_numbers_do_no_harm_and_bytes_survive() {
        let mut week = borrowed(3.0);
        live(&mut week, 5, |hour| if hour == 2 { 0.0 } else { 1e300 });
        assert!((0.0..=WORTH_MAX).contains(&week.worth()));
        let mut week = borrowed(3.0);
        live(&mut week, 30, |hour| 7.0 * office(hour));
        let mut out = Writer::new();
        week.write(&mut out);
        assert_eq!(Borrowed::read(&mut Reader::new(out.as_bytes())), Ok(week));
    }
}
