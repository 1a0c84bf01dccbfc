//! The share of records that are errors, or slow: a ratio of counts, judged by the beta-binomial.
//!
//! The usual share is that of the minutes before the last hour (before the last five while the series is young), held
//! as forgetting means of hits and of records. How far it wanders by itself is learned as the overdispersion of
//! minutes. Nothing is learned while a deviation is open; after an hour it is the new share.

use super::history::Band;
use super::ring::MinuteRing;
use crate::baseline::tail::ratio_at_least;
use crate::baseline::{Habit, Mean};
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::Millis;

const WINDOWS: [usize; 5] = [1, 5, 15, 30, 60];
/// Looks an hour that show something new, for each window: what a tail is multiplied by, so that a probability is that
/// of an hour.
const LOOKS: [f64; 5] = [30.0, 6.0, 2.0, 1.0, 0.5];
/// Minutes that the usual share rests on: a day.
const MEMORY: f64 = 1_440.0;
/// The least correlation of the records of a minute that is believed.
const CORRELATION_MIN: f64 = 0.0003;
const AFTER_MINUTES: u32 = 10;
/// Weight of a minute in what is learned of tails: three days.
const HABIT_WEIGHT: f64 = 1.0 / 4_320.0;
const OPEN_MINUTES_MAX: u16 = 60;

/// Expected hits of `total` records, and how far from that they may lie before it is remarkable: three deviations.
pub(crate) fn ratio_reach(total: u64, share: f64, strength: f64) -> (f64, f64) {
    let trials = total as f64;
    let expected = trials * share;
    let spread = expected * (1.0 - share) * (1.0 + (trials - 1.0).max(0.0) / (strength + 1.0));
    (expected, 3.0 * spread.max(0.0).sqrt())
}

/// What a window showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RatioDeviation {
    pub(crate) window: Millis,
    pub(crate) share: f64,
    pub(crate) strength: f64,
    pub(crate) hits: u64,
    pub(crate) total: u64,
    pub(crate) probability: f64,
}

/// One ratio.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RatioWatch {
    hits: u32,
    total: u32,
    hit_minutes: MinuteRing,
    total_minutes: MinuteRing,
    usual_hits: Mean,
    usual_total: Mean,
    /// Correlation of the records of one minute: 0 for a plain binomial.
    correlation: Mean,
    habits: [Habit; WINDOWS.len()],
    minutes: u32,
    open: Option<(u16, u16)>,
}

impl RatioWatch {
    pub(crate) fn count(&mut self, is_hit: bool) {
        self.total = self.total.saturating_add(1);
        if is_hit {
            self.hits = self.hits.saturating_add(1);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(crate) fn open(&mut self) {
        self.open.get_or_insert((0, 0));
    }

    /// Hits and records of the minute being filled.
    pub(crate) fn counting(&self) -> (u32, u32) {
        (self.hits, self.total)
    }

    /// Hits that are due among `total` records, with the ends of the usual; none while nothing is known.
    pub(crate) fn band(&self, total: u32) -> Option<Band> {
        let (share, strength) = self.usual()?;
        let (expected, reach) = ratio_reach(u64::from(total), share, strength);
        Some(Band::around(expected, reach))
    }

    /// Usual share, and the trials that it is worth.
    pub(crate) fn usual(&self) -> Option<(f64, f64)> {
        let (usual_hits, usual_total) = (self.usual_hits.value(), self.usual_total.value());
        let known = usual_total * f64::from(self.usual_total.count().min(MEMORY as u32));
        if self.usual_total.count() < AFTER_MINUTES || known < 20.0 {
            return None;
        }
        // Half a hit and the certainty of what is known: a share nobody has seen yet is not impossible.
        let share = (usual_hits * known / usual_total + 0.5) / (known + 1.0);
        let strength = 1.0 / self.correlation.value().max(CORRELATION_MIN).max(1.0 / (known + 1.0));
        Some((share, strength))
    }

    /// Minutes this series has been learned.
    pub(crate) fn experience(&self) -> u32 {
        self.usual_total.count()
    }

    /// Ends a minute: judges the windows, then learns.
    pub(crate) fn close_minute(&mut self) -> Option<RatioDeviation> {
        self.hit_minutes.push(self.hits);
        self.total_minutes.push(self.total);
        (self.hits, self.total) = (0, 0);
        self.minutes = self.minutes.saturating_add(1);
        let deviation = self.judge();
        match self.open {
            None => self.learn(),
            Some((minutes, usual)) => {
                let usual = if deviation.is_none_or(|d| d.probability > 1e-3) { usual + 1 } else { 0 };
                self.open = (usual < 5).then_some((minutes.saturating_add(1), usual));
                if minutes >= OPEN_MINUTES_MAX {
                    self.accept();
                }
            }
        }
        deviation
    }

    /// What the minutes that are over show; what that teaches is learned.
    pub(crate) fn judge(&mut self) -> Option<RatioDeviation> {
        let (share, strength) = self.usual()?;
        let mut best: Option<RatioDeviation> = None;
        for (place, width) in WINDOWS.into_iter().enumerate().filter(|&(_, width)| self.minutes as usize >= width) {
            let (hits, total) = (self.hit_minutes.sum(width), self.total_minutes.sum(width));
            let is_more = hits >= 2 && hits as f64 > total as f64 * share * 1.2;
            let tail = if is_more { ratio_at_least(hits, total, share, strength) } else { 1.0 };
            let Some(habit) = self.habits.get_mut(place) else { continue };
            let probability = habit.read(tail) * LOOKS.get(place).copied().unwrap_or(1.0);
            if self.open.is_none() {
                habit.learn(tail, HABIT_WEIGHT);
            }
            if is_more && best.is_none_or(|best| probability < best.probability) {
                let window = Millis::from_mins(width as i64);
                best = Some(RatioDeviation { window, share, strength, hits, total, probability });
            }
        }
        best
    }

    fn learn(&mut self) {
        let lag = if self.minutes < 90 { 5 } else { 59 };
        if self.minutes <= lag {
            return;
        }
        let (hits, total) = (self.hit_minutes.ago(lag as usize), self.total_minutes.ago(lag as usize));
        let (hits, total) = (f64::from(hits), f64::from(total));
        let share = self.usual_hits.value() / self.usual_total.value().max(1e-9);
        if self.usual_total.count() >= AFTER_MINUTES && total >= 2.0 && share > 0.0 && share < 1.0 {
            let plain = total * share * (1.0 - share);
            let off = (hits - total * share) * (hits - total * share);
            let sample = (off / plain - 1.0) / (total - 1.0);
            self.correlation.learn(sample.clamp(-0.02, 0.1), 1.0 / 480.0);
        }
        self.usual_hits.learn(hits, 1.0 / MEMORY);
        self.usual_total.learn(total, 1.0 / MEMORY);
    }

    /// What lasted an hour is the usual share from here on.
    fn accept(&mut self) {
        self.usual_hits.restart(self.hit_minutes.sum(30) as f64 / 30.0, 60);
        self.usual_total.restart(self.total_minutes.sum(30) as f64 / 30.0, 60);
        self.open = None;
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.uint(u64::from(self.hits));
        out.uint(u64::from(self.total));
        self.hit_minutes.write(out);
        self.total_minutes.write(out);
        self.usual_hits.write(out);
        self.usual_total.write(out);
        self.correlation.write(out);
        self.habits.iter().for_each(|habit| habit.write(out));
        out.uint(u64::from(self.minutes));
        let (minutes, usual) = self.open.map_or((0, 0), |(minutes, usual)| (u64::from(minutes) + 1, u64::from(usual)));
        out.uint(minutes);
        out.uint(usual);
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let short = |value: u64| u16::try_from(value).map_err(|_| ReadError::Overflow);
        let mut watch = Self {
            hits: input.u32()?,
            total: input.u32()?,
            hit_minutes: MinuteRing::read(input)?,
            total_minutes: MinuteRing::read(input)?,
            usual_hits: Mean::read(input)?,
            usual_total: Mean::read(input)?,
            correlation: Mean::read(input)?,
            habits: read_habits(input)?,
            minutes: input.u32()?,
            open: None,
        };
        let (minutes, usual) = (input.uint()?, short(input.uint()?)?);
        watch.open = if minutes == 0 { None } else { Some((short(minutes - 1)?, usual)) };
        Ok(watch)
    }
}

fn read_habits(input: &mut Reader<'_>) -> Result<[Habit; WINDOWS.len()], ReadError> {
    let mut habits = [Habit::default(); WINDOWS.len()];
    for habit in &mut habits {
        *habit = Habit::parse(input)?;
    }
    Ok(habits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(watch: &mut RatioWatch, hits: u32, total: u32) -> Option<RatioDeviation> {
        (0..total).for_each(|i| watch.count(i < hits));
        watch.close_minute()
    }

    fn trained() -> RatioWatch {
        let mut watch = RatioWatch::default();
        (0..200).for_each(|i| assert!(minute(&mut watch, i % 3, 60).is_none_or(|d| d.probability > 1e-4)));
        watch
    }

    #[test]
    fn five_points_more_errors_are_found_within_minutes() {
        let mut watch = trained();
        let found = (0..5).find_map(|_| minute(&mut watch, 5, 60).filter(|d| d.probability < 1e-6));
        assert!(found.is_some_and(|d| (d.share - 1.0 / 60.0).abs() < 0.005), "{found:?}");
    }

    #[test]
    fn more_traffic_with_the_same_share_is_nothing() {
        let mut watch = trained();
        (0..30).for_each(|i| assert!(minute(&mut watch, 10 + i % 2, 600).is_none_or(|d| d.probability > 1e-3)));
    }

    #[test]
    fn what_lasts_an_hour_is_accepted() {
        let mut watch = trained();
        for i in 0..240 {
            if minute(&mut watch, 6, 60).is_some_and(|d| d.probability < 1e-6) {
                assert!(i < 70, "{i}");
                watch.open();
            }
        }
        assert!(!watch.is_open());
    }

    #[test]
    fn survives_its_bytes() {
        let mut watch = trained();
        watch.open();
        let mut out = Writer::new();
        watch.write(&mut out);
        assert_eq!(RatioWatch::read(&mut Reader::new(out.as_bytes())), Ok(watch));
    }
}
