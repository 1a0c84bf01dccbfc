//! How unusual each value of a measured series is, from 0 to 1, with nothing known of what comes later.
//!
//! Two views are averaged: how far the value lies from the usual value of this half hour (of this weekday, once that
//! was seen often enough), and how far the last nineteen values lie from the most similar nineteen of the recent past.
//! Each distance is judged against its own history: the logarithm of how many usual distances it is, times its share
//! of the largest distance so far. The second factor lets a series that is wild by nature stay quiet.
//!
//! Only news is told: a value scores when it exceeds everything of the last [`RECENT`] values by a margin, and scores
//! less where the series reaches such heights again and again. Other values score 0: one incident, not one for each
//! value. The constants were chosen on half of a public benchmark and are flat around their values
//! (docs/decisions/0055). Cost of a value: at most 500 window comparisons that stop early; memory about 10 KB.

use crate::baseline::Mean;
use crate::baseline::special::ln;
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};
use std::collections::VecDeque;

/// Values of one compared window.
const WINDOW: usize = 19;
/// Windows compared with the newest.
const WINDOWS: usize = 500;
/// Values held: the newest window, a window's distance to the youngest compared one, and those compared.
const HELD: usize = WINDOW + WINDOWS + WINDOW - 1;
/// A value is news if it exceeds the scores of that many values before it.
const RECENT: u32 = 400;
/// By this factor.
const MARGIN: f64 = 1.12;
/// Values over which one typical peak is taken.
const PEAK_VALUES: u32 = 100;
/// The highest surprise of one view.
const SURPRISE_MAX: f64 = 4.0;
const SLOT: Millis = Millis::from_mins(30);
const DAY_SLOTS: usize = 48;
const WEEK_SLOTS: usize = 7 * DAY_SLOTS;
/// Values of a weekday's half hour after which it is believed.
const WEEK_TRUST: u32 = 10;

/// What one value amounts to, with the numbers that led there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ValueScore {
    /// 0 (usual, or no news) to 1.
    pub score: f64,
    /// What was expected.
    pub expected: f64,
    /// Usual distance from what was expected.
    pub scale: f64,
    /// Surprise of the value against its half hour, 0 to 4.
    pub value_surprise: f64,
    /// Surprise of the last values' shape, 0 to 4.
    pub shape_surprise: f64,
    /// Highest mean surprise of the recent past.
    pub recent_peak: f64,
    /// Usual height of the peaks of this series.
    pub usual_peak: f64,
}

/// Scores one measured series.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueScorer {
    slow: Mean,
    day: Vec<Mean>,
    week: Vec<Mean>,
    value_surprise: Surprise,
    shape_surprise: Surprise,
    values: VecDeque<f64>,
    /// Number of the value and its surprise: those of the last [`RECENT`] that no later one exceeds, falling.
    recent: VecDeque<(u32, f64)>,
    count: u32,
    block_peak: f64,
    usual_peak: Mean,
}

impl Default for ValueScorer {
    fn default() -> Self {
        Self {
            slow: Mean::default(),
            day: vec![Mean::default(); DAY_SLOTS],
            week: vec![Mean::default(); WEEK_SLOTS],
            value_surprise: Surprise::default(),
            shape_surprise: Surprise::default(),
            values: VecDeque::with_capacity(HELD + 1),
            recent: VecDeque::new(),
            count: 0,
            block_peak: 0.0,
            usual_peak: Mean::default(),
        }
    }
}

impl ValueScorer {
    /// Scores the next value and learns it. A value that is no number is no value: it scores 0 and teaches nothing.
    /// `at` is local time where the series has a daily rhythm.
    pub fn observe(&mut self, at: Timestamp, value: f64) -> ValueScore {
        if !value.is_finite() {
            return ValueScore::default();
        }
        // Squares of what is held must stay finite.
        let value = value.clamp(-1e150, 1e150);
        let mut told = self.surprise(at, value);
        self.learn(at, value);
        let height = (told.value_surprise + told.shape_surprise) / 2.0;
        told.score = self.news(height, &mut told);
        told
    }

    fn surprise(&mut self, at: Timestamp, value: f64) -> ValueScore {
        let mut told = ValueScore { expected: value, ..ValueScore::default() };
        self.values.push_back(value);
        if self.values.len() > HELD {
            self.values.pop_front();
        }
        if self.count > 0 {
            told.expected = self.expected(at);
            let grain = value.abs().max(told.expected.abs()) * 1e-9;
            told.value_surprise = self.value_surprise.judge((value - told.expected).abs(), grain);
            told.scale = self.value_surprise.scale.value();
        }
        if let Some(distance) = nearest(self.values.make_contiguous()) {
            told.shape_surprise = self.shape_surprise.judge(distance, value.abs() * 1e-9);
        }
        told
    }

    fn expected(&self, at: Timestamp) -> f64 {
        let (day, week) = slots(at);
        match (self.week.get(week), self.day.get(day)) {
            (Some(slot), _) if slot.count() >= WEEK_TRUST => slot.value(),
            (_, Some(slot)) if slot.count() > 0 => slot.value(),
            _ => self.slow.value(),
        }
    }

    fn learn(&mut self, at: Timestamp, value: f64) {
        let (day, week) = slots(at);
        self.slow.learn(value, 0.005);
        if let Some(slot) = self.day.get_mut(day) {
            slot.learn(value, 0.05);
        }
        if let Some(slot) = self.week.get_mut(week) {
            slot.learn(value, 0.2);
        }
    }

    /// The score of a height of surprise, 0 unless it is news.
    fn news(&mut self, height: f64, told: &mut ValueScore) -> f64 {
        while self.recent.front().is_some_and(|&(number, _)| self.count.wrapping_sub(number) > RECENT) {
            self.recent.pop_front();
        }
        told.recent_peak = self.recent.front().map_or(0.0, |&(_, height)| height);
        told.usual_peak = self.usual_peak.value();
        let is_news = height > told.recent_peak * MARGIN;
        while self.recent.back().is_some_and(|&(_, before)| before <= height) {
            self.recent.pop_back();
        }
        self.recent.push_back((self.count, height));
        self.count = self.count.wrapping_add(1);
        self.block_peak = self.block_peak.max(height);
        if self.count.is_multiple_of(PEAK_VALUES) {
            let cap = 3.0 * told.usual_peak.max(0.3);
            self.usual_peak.learn(self.block_peak.min(cap), 0.2);
            self.block_peak = 0.0;
        }
        if is_news && height > 0.0 { height * height / (height + told.usual_peak) / SURPRISE_MAX } else { 0.0 }
    }

    /// The whole state as bytes, for the checkpoint.
    pub fn write(&self, out: &mut Writer) {
        self.slow.write(out);
        self.day.iter().chain(&self.week).for_each(|slot| slot.write(out));
        self.value_surprise.write(out);
        self.shape_surprise.write(out);
        out.uint(self.values.len() as u64);
        self.values.iter().for_each(|&value| out.f64(value));
        out.uint(self.recent.len() as u64);
        for &(number, height) in &self.recent {
            out.uint(u64::from(number));
            out.f64(height);
        }
        out.uint(u64::from(self.count));
        out.f64(self.block_peak);
        self.usual_peak.write(out);
    }

    /// Reads what [`ValueScorer::write`] wrote; bytes it cannot have written are refused.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut scorer = Self { slow: Mean::read(input)?, ..Self::default() };
        for slot in scorer.day.iter_mut().chain(&mut scorer.week) {
            *slot = Mean::read(input)?;
        }
        scorer.value_surprise = Surprise::read(input)?;
        scorer.shape_surprise = Surprise::read(input)?;
        for _ in 0..bounded(input.count()?, HELD)? {
            scorer.values.push_back(finite(input.f64()?)?);
        }
        for _ in 0..bounded(input.count()?, RECENT as usize + 1)? {
            scorer.recent.push_back((input.u32()?, finite(input.f64()?)?));
        }
        scorer.count = input.u32()?;
        scorer.block_peak = finite(input.f64()?)?;
        scorer.usual_peak = Mean::read(input)?;
        Ok(scorer)
    }
}

fn bounded(count: usize, most: usize) -> Result<usize, ReadError> {
    if count <= most { Ok(count) } else { Err(ReadError::Unknown("length of a score's history")) }
}

fn finite(value: f64) -> Result<f64, ReadError> {
    if value.is_finite() { Ok(value) } else { Err(ReadError::Unknown("score")) }
}

/// The half hour within the day and within the week.
fn slots(at: Timestamp) -> (usize, usize) {
    let slot = at.0.div_euclid(SLOT.0);
    (slot.rem_euclid(DAY_SLOTS as i64) as usize, slot.rem_euclid(WEEK_SLOTS as i64) as usize)
}

/// Distance of the newest window to the most similar past one that does not overlap it; none while there is no other.
fn nearest(values: &[f64]) -> Option<f64> {
    let (past, newest) = values.split_at(values.len().checked_sub(WINDOW)?);
    let mut best = f64::INFINITY;
    for window in past.windows(WINDOW) {
        let mut sum = 0.0;
        // From the newest backwards: an unusual value ends the comparison at once.
        for (seen, then) in newest.iter().zip(window).rev() {
            sum += (seen - then) * (seen - then);
            if sum >= best {
                break;
            }
        }
        best = best.min(sum);
    }
    (best < f64::INFINITY).then(|| best.sqrt())
}

/// Judges distances by their own history.
#[derive(Clone, Debug, Default, PartialEq)]
struct Surprise {
    /// Usual distance, robust: no distance counts for more than four usual ones.
    scale: Mean,
    /// Largest distance, slowly forgotten.
    largest: f64,
}

impl Surprise {
    /// 0 to [`SURPRISE_MAX`]. Distances below `grain` are rounding.
    fn judge(&mut self, distance: f64, grain: f64) -> f64 {
        if self.scale.count() < 2 {
            let first = self.scale.value().max(distance);
            self.scale.restart(first, self.scale.count() + 1);
            self.largest = self.largest.max(distance);
            return 0.0;
        }
        let scale = self.scale.value().max(self.largest * 0.03).max(grain).max(f64::MIN_POSITIVE);
        let times = distance / scale;
        let share = (distance / self.largest.max(grain).max(f64::MIN_POSITIVE)).min(3.0);
        let surprise = if times > 1.0 { ln(times) * share } else { 0.0 };
        self.scale.learn(distance.min(4.0 * scale), 0.002);
        self.largest = (self.largest * 0.99995).max(distance);
        surprise.min(SURPRISE_MAX)
    }

    fn write(&self, out: &mut Writer) {
        self.scale.write(out);
        out.f64(self.largest);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self { scale: Mean::read(input)?, largest: finite(input.f64()?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: i64 = 300_000;

    /// A day's rhythm with a little unevenness that repeats only after a prime number of values.
    fn usual(i: i64) -> f64 {
        let hour = (i * STEP).rem_euclid(86_400_000) / 3_600_000;
        let base = if (8..18).contains(&hour) { 100.0 } else { 20.0 };
        base + ((i * 7_919) % 101) as f64 / 20.0
    }

    fn scores(values: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut scorer = ValueScorer::default();
        values.enumerate().map(|(i, value)| scorer.observe(Timestamp(i as i64 * STEP), value).score).collect()
    }

    #[test]
    fn a_flat_series_and_a_known_rhythm_score_nothing() {
        assert!(scores((0..3_000).map(|_| 7.25)).iter().all(|&score| score == 0.0));
        let rhythm = scores((0..288 * 14).map(usual));
        assert!(rhythm.iter().skip(288 * 3).all(|&score| score < 0.05));
    }

    #[test]
    fn a_spike_scores_from_its_first_value_on_and_nothing_else_does() {
        let seen = scores((0..288 * 14).map(|i| if (3_400..3_406).contains(&i) { 300.0 } else { usual(i) }));
        let told: Vec<usize> = (600..seen.len()).filter(|&i| seen[i] > 0.2).collect();
        assert_eq!(told.first(), Some(&3_400));
        assert!(told.iter().all(|i| (3_400..3_410).contains(i)), "{told:?}");
    }

    #[test]
    fn the_level_of_the_day_during_the_night_is_found() {
        let seen = scores((0..288 * 14).map(|i| usual(if i >= 288 * 12 { i + 144 } else { i })));
        let first = seen.iter().enumerate().skip(288 * 2).find(|(_, score)| **score > 0.15).map(|(i, _)| i);
        assert!(first.is_some_and(|i| (288 * 12..288 * 12 + 3).contains(&i)), "{first:?}");
    }

    #[test]
    fn what_is_no_number_teaches_nothing_and_huge_values_stay_finite() {
        let mut scorer = ValueScorer::default();
        for i in 0..100 {
            scorer.observe(Timestamp(i * STEP), usual(i));
        }
        let before = scorer.clone();
        assert_eq!(scorer.observe(Timestamp(0), f64::NAN), ValueScore::default());
        assert_eq!(scorer, before);
        for (i, value) in [f64::MAX, f64::MIN, 0.0, 1e308].into_iter().enumerate() {
            let score = scorer.observe(Timestamp(i64::MAX - i as i64), value).score;
            assert!((0.0..=1.0).contains(&score));
        }
    }

    #[test]
    fn memory_is_bounded_and_bytes_carry_everything() {
        let mut scorer = ValueScorer::default();
        for i in 0..5_000 {
            scorer.observe(Timestamp(i * STEP), usual(i));
            if i % 997 == 0 {
                let mut out = Writer::new();
                scorer.write(&mut out);
                assert!(out.len() < 20_000);
                assert_eq!(ValueScorer::read(&mut Reader::new(out.as_bytes())).as_ref(), Ok(&scorer));
            }
        }
        assert_eq!(scorer.values.len(), HELD);
        assert!(scorer.recent.len() <= RECENT as usize + 1);
        let mut out = Writer::new();
        scorer.write(&mut out);
        let bytes = out.into_bytes();
        for cut in (0..bytes.len()).step_by(37) {
            assert!(ValueScorer::read(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }
}
