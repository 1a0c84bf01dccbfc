//! One series of counts: how many records came, against how many were due.
//!
//! Counts are held in slots of 10 s (the last minute) and in minutes (the last hour). A window is judged by the tail of
//! a negative binomial whose mean is the series' level times the component's season and whose spread is what this
//! series has shown at that width. Short windows are compared with the level of the minutes before the last five, long
//! ones with that of the hours before the last, so that an incident is never compared with itself. What is learned is
//! clipped, and nothing is learned while a deviation is open; one that lasts becomes the new level, told once.

use super::history::Band;
use super::ring::MinuteRing;
use crate::baseline::tail::{count_at_least, count_at_most};
use crate::baseline::{Habit, Mean};
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::Millis;

/// Width of a slot.
pub(crate) const SLOT: Millis = Millis::from_secs(10);
const SLOTS: usize = 6;
/// Widths that are judged: three in slots, three in minutes.
const SLOT_WINDOWS: [usize; 3] = [1, 3, 6];
const MINUTE_WINDOWS: [usize; 3] = [5, 15, 60];
/// Looks an hour that show something new: what a window's tail is multiplied by, so that a probability is that of an
/// hour, whatever the window.
const LOOKS: [f64; 6] = [360.0, 120.0, 60.0, 12.0, 4.0, 1.0];
/// The least relative variance that a level is believed to have: 5 %, and 6 % for long windows.
const SPREAD_MIN: [f64; 6] = [0.0025, 0.0025, 0.0025, 0.0025, 0.0036, 0.0036];
/// What is assumed of a series nobody knows, worth ten minutes of experience.
const SPREAD_PRIOR: f64 = 0.05;
/// Minutes of history before short and long windows are judged.
const SHORT_AFTER: u32 = 10;
const LONG_AFTER: u32 = 90;
/// Weight of a slot and of a minute in what is learned of tails: one and three days.
const HABIT_SLOTS: f64 = 1.0 / 8_640.0;
const HABIT_MINUTES: f64 = 1.0 / 4_320.0;
/// Minutes a deviation lasts before it is the new level.
const SHIFT_MINUTES: u16 = 20;

/// Minutes that a level rests on: twice the inverse of the weight it is learned with.
const RECENT_MEMORY: f64 = 90.0;
const SETTLED_MEMORY: f64 = 360.0;

/// What a level makes due in a window of that many (seasonal) minutes.
#[derive(Clone, Copy)]
struct Due {
    level: Mean,
    memory: f64,
    minutes: f64,
}

impl Due {
    /// Expected records, and the relative variance that comes from not knowing the level better: a level that rests on
    /// `n` records is a gamma law of shape `n + 1`, so that a rare series is never certain to have none.
    fn expected(&self, seen: u64) -> (f64, f64) {
        let memory = self.memory.min(f64::from(self.level.count().max(1)));
        let level = self.level.value();
        let shape = level * memory + 1.0;
        let expected = level * self.minutes;
        if seen as f64 > expected { (shape / memory * self.minutes, 1.0 / shape) } else { (expected, 1.0 / shape) }
    }
}

/// The season in the middle of a window of 5, 15 or 60 minutes, from that of now and the mean of the last hour.
fn middle(place: usize, factor: f64, hour_factor: f64) -> f64 {
    let share = match place {
        0 => 0.08,
        1 => 0.25,
        _ => 1.0,
    };
    factor + (hour_factor - factor) * share
}

/// How far a count may lie from what is due before it is remarkable: three deviations.
pub(crate) fn count_reach(expected: f64, spread: f64) -> f64 {
    3.0 * (expected + spread * expected * expected).sqrt()
}

/// What a window showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deviation {
    pub(crate) window: Millis,
    pub(crate) expected: f64,
    pub(crate) spread: f64,
    pub(crate) seen: u64,
    pub(crate) probability: f64,
}

impl Deviation {
    pub(crate) fn is_above(&self) -> bool {
        self.seen as f64 > self.expected
    }
}

fn looks(place: usize) -> f64 {
    LOOKS.get(place).copied().unwrap_or(1.0)
}

/// The less probable of two.
fn rarer(best: Option<Deviation>, found: Deviation) -> Option<Deviation> {
    Some(best.filter(|best| best.probability <= found.probability).unwrap_or(found))
}

/// Counts of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CountWatch {
    slots: [u32; SLOTS],
    minutes: MinuteRing,
    /// Records a minute at a season's factor of 1, until five minutes ago and until an hour ago.
    recent_level: Mean,
    settled_level: Mean,
    spread: [Mean; 6],
    /// Of each window above and below: only the component's own series learns them.
    habits: Option<Box<[[Habit; 2]; 6]>>,
    /// Minutes the present deviation is open, and those of them that were usual again.
    open: Option<(u16, u16)>,
}

impl Default for CountWatch {
    fn default() -> Self {
        let mut prior = Mean::default();
        prior.restart(SPREAD_PRIOR, 10);
        Self {
            slots: [0; SLOTS],
            minutes: MinuteRing::default(),
            recent_level: Mean::default(),
            settled_level: Mean::default(),
            spread: [prior; 6],
            habits: None,
            open: None,
        }
    }
}

impl CountWatch {
    /// A series that also learns how far its own tails can be believed.
    pub(crate) fn with_habits() -> Self {
        Self { habits: Some(Box::default()), ..Self::default() }
    }

    /// Counts a record in the slot being filled.
    pub(crate) fn count(&mut self) {
        if let Some(slot) = self.slots.first_mut() {
            *slot = slot.saturating_add(1);
        }
    }

    /// Whether a deviation is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Opens a deviation: told until it is over or the new level.
    pub(crate) fn open(&mut self) {
        self.open.get_or_insert((0, 0));
    }

    /// Records came back after a silence: whether they are a new level is to be seen from here on.
    pub(crate) fn resume(&mut self) {
        if self.open.is_some() {
            self.open = Some((0, 0));
        }
    }

    /// Usual records a minute at this factor.
    pub(crate) fn level(&self, factor: f64) -> f64 {
        self.recent_level.value() * factor
    }

    /// Minutes this series has been learned.
    pub(crate) fn experience(&self) -> u32 {
        self.recent_level.count()
    }

    /// Records of the last sixty seconds, the slot being filled included, or of the minute being filled; when a minute
    /// ends, those of the minute.
    pub(crate) fn counting(&self) -> u32 {
        self.slots.iter().fold(0, |sum, &slot| sum.saturating_add(slot))
    }

    /// Records of the last whole minute.
    pub(crate) fn counted(&self) -> u32 {
        self.minutes.ago(0)
    }

    /// What is due in a minute at this factor, with the lower and upper end of the usual; none while nothing is known.
    pub(crate) fn band(&self, factor: f64) -> Option<Band> {
        if self.recent_level.count() < SHORT_AFTER {
            return None;
        }
        let due = Due { level: self.recent_level, memory: RECENT_MEMORY, minutes: factor };
        let (expected, doubt) = due.expected(0);
        let least = SPREAD_MIN.get(2).copied().unwrap_or(SPREAD_PRIOR);
        let spread = self.spread.get(2).map_or(SPREAD_PRIOR, |spread| spread.value().max(least)) + doubt;
        Some(Band::around(expected, count_reach(expected, spread)))
    }

    /// Another series goes on as part of this one.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (slot, more) in self.slots.iter_mut().zip(other.slots) {
            *slot = slot.saturating_add(more);
        }
        self.minutes.add(&other.minutes);
        self.recent_level.add(&other.recent_level);
        self.settled_level.add(&other.settled_level);
        if self.open.is_none() {
            self.open = other.open;
        }
    }

    /// Judges the slot that is being filled as it stands: only more than due can be seen before a slot is over.
    pub(crate) fn judge_slots(&mut self, factor: f64) -> Option<Deviation> {
        if self.recent_level.count() < SHORT_AFTER || self.open.is_some() {
            return None;
        }
        let mut best: Option<Deviation> = None;
        for (place, &width) in SLOT_WINDOWS.iter().enumerate() {
            let seen = self.slots.iter().take(width).map(|&count| u64::from(count)).sum();
            let due =
                Due { level: self.recent_level, memory: RECENT_MEMORY, minutes: width as f64 / SLOTS as f64 * factor };
            let found = self.deviation(place, Millis(SLOT.0 * width as i64), seen, due).filter(Deviation::is_above);
            let found = self.as_habit(place, true, found, HABIT_SLOTS);
            if let Some(mut found) = found {
                found.probability *= looks(place);
                best = rarer(best, found);
            }
        }
        best
    }

    /// A deviation with the probability that it has for this series, which learns it.
    fn as_habit(&mut self, place: usize, is_above: bool, found: Option<Deviation>, weight: f64) -> Option<Deviation> {
        let known = self.habits.as_mut().and_then(|habits| habits.get_mut(place)?.get_mut(usize::from(is_above)));
        let Some(habit) = known else { return found };
        let read = found.map(|found| Deviation { probability: habit.read(found.probability), ..found });
        if self.open.is_none() {
            habit.learn(found.map_or(1.0, |found| found.probability), weight);
        }
        read
    }

    /// The component moved to a level of so many times the old; its parts go along.
    pub(crate) fn follow_by(&mut self, times: f64, factor: f64) {
        for level in [&mut self.recent_level, &mut self.settled_level] {
            level.restart(level.value() * times, level.count());
        }
        self.minutes.fill(self.level(factor));
        self.open = None;
        self.begin_minute();
    }

    /// The season is another from here on: what is due now stays what it was.
    pub(crate) fn rescale(&mut self, times: f64) {
        for level in [&mut self.recent_level, &mut self.settled_level] {
            level.restart(level.value() * times, level.count());
        }
    }

    /// Begins a minute of a series that is counted in minutes only.
    pub(crate) fn begin_minute(&mut self) {
        self.slots = [0; SLOTS];
    }

    /// Ends a slot that is no last one of a minute.
    pub(crate) fn close_slot(&mut self) {
        self.slots.rotate_right(1);
        if let Some(slot) = self.slots.first_mut() {
            *slot = 0;
        }
    }

    /// Ends a minute: learns it and judges the long windows. `factor` is the season's of this minute, `hour_factor`
    /// its mean over the last hour. True beside the deviation when it has just become the new level.
    pub(crate) fn close_minute(&mut self, factor: f64, hour_factor: f64) -> (Option<Deviation>, bool) {
        self.minutes.push(self.counting());
        let deviation = self.judge_minutes(factor, hour_factor);
        self.learn(factor, hour_factor);
        let shifted = self.follow(factor);
        (deviation, shifted)
    }

    /// What the minutes that are over show, the longest windows included; what that teaches is learned.
    pub(crate) fn judge_minutes(&mut self, factor: f64, hour_factor: f64) -> Option<Deviation> {
        let mut best = None;
        if let Some(minute) = self.last_minute(factor) {
            // More than due was learned slot by slot.
            best = if minute.is_above() {
                self.habits.as_ref().map_or(Some(minute), |habits| {
                    let habit = habits.get(2)?.get(1)?;
                    Some(Deviation { probability: habit.read(minute.probability), ..minute })
                })
            } else {
                self.as_habit(2, false, Some(minute), HABIT_MINUTES)
            };
        } else {
            self.as_habit(2, false, None, HABIT_MINUTES);
        }
        best = best.map(|found| Deviation { probability: found.probability * looks(2), ..found });
        for (place, &width) in MINUTE_WINDOWS.iter().enumerate() {
            let minutes = width as f64 * middle(place, factor, hour_factor);
            let (due, needed) = if place == 0 {
                (Due { level: self.recent_level, memory: RECENT_MEMORY, minutes }, SHORT_AFTER)
            } else {
                (Due { level: self.settled_level, memory: SETTLED_MEMORY, minutes }, LONG_AFTER)
            };
            // The component's hours are watched by cells of their own.
            if self.recent_level.count() < needed || place == 2 && self.habits.is_some() {
                continue;
            }
            let seen = self.minutes.sum(width);
            let found = self.deviation(place + 3, Millis::from_mins(width as i64), seen, due);
            for is_above in [false, true] {
                let found = found.filter(|found| found.is_above() == is_above);
                if let Some(mut found) = self.as_habit(place + 3, is_above, found, HABIT_MINUTES) {
                    found.probability *= looks(place + 3);
                    best = rarer(best, found);
                }
            }
        }
        best
    }

    fn last_minute(&self, factor: f64) -> Option<Deviation> {
        if self.recent_level.count() < SHORT_AFTER {
            return None;
        }
        let due = Due { level: self.recent_level, memory: RECENT_MEMORY, minutes: factor };
        self.deviation(2, Millis::from_mins(1), self.minutes.sum(1), due)
    }

    fn deviation(&self, place: usize, window: Millis, seen: u64, due: Due) -> Option<Deviation> {
        let (expected, doubt) = due.expected(seen);
        let least = SPREAD_MIN.get(place).copied().unwrap_or(SPREAD_PRIOR);
        let spread = self.spread.get(place).map_or(SPREAD_PRIOR, |spread| spread.value().max(least)) + doubt;
        // A quick look spares the sum: what lies within two deviations decides nothing.
        let off = seen as f64 - expected;
        if off * off < 4.0 * (expected + spread * expected * expected) {
            return None;
        }
        let tail =
            if off > 0.0 { count_at_least(seen, expected, spread) } else { count_at_most(seen, expected, spread) };
        Some(Deviation { window, expected, spread, seen, probability: tail })
    }

    fn learn(&mut self, factor: f64, hour_factor: f64) {
        if self.open.is_some() {
            return;
        }
        let known = self.recent_level.count();
        if known >= SHORT_AFTER {
            for (place, width) in [(2, 1), (3, 5), (4, 15), (5, 60)] {
                let season = if place < 3 { factor } else { middle(place - 3, factor, hour_factor) };
                let level = season * if place < 4 { self.recent_level.value() } else { self.settled_level.value() };
                let enough = place < 4 || self.settled_level.count() > 0 && known >= 60 + width;
                if enough {
                    self.learn_spread(place, self.minutes.sum(width as usize) as f64, level * f64::from(width));
                }
            }
            self.learn_slots(factor);
        }
        // Young series learn the minute itself; later the one that left the short or the long window.
        // The season between now and half an hour ago is close to a line.
        let ago = |minutes: f64| (factor + (hour_factor - factor) * minutes / 30.0).max(0.02);
        let lag = if known < 30 { 1 } else { 6 };
        let minute = f64::from(self.minutes.ago(lag - 1)) / ago(lag as f64);
        self.recent_level.learn(self.clipped(minute, self.recent_level), 1.0 / 45.0);
        if known >= 60 {
            let minute = f64::from(self.minutes.ago(59)) / ago(60.0);
            self.settled_level.learn(self.clipped(minute, self.settled_level), 1.0 / 180.0);
        }
    }

    /// Patterns are counted by the minute and judged by nothing shorter: theirs would teach what nobody asks for.
    fn learn_slots(&mut self, factor: f64) {
        if self.habits.is_none() {
            return;
        }
        let tenth = self.level(factor) / SLOTS as f64;
        let slots = self.slots;
        for slot in slots {
            self.learn_spread(0, f64::from(slot), tenth);
        }
        for half in slots.chunks(3) {
            self.learn_spread(1, half.iter().map(|&slot| f64::from(slot)).sum(), tenth * 3.0);
        }
    }

    fn clipped(&self, minute: f64, level: Mean) -> f64 {
        if level.count() < SHORT_AFTER {
            return minute;
        }
        let mean = level.value();
        let spread = self.spread.get(2).map_or(SPREAD_PRIOR, Mean::value).max(0.0);
        let reach = 4.0 * (mean + 1.0 + spread * mean * mean).sqrt();
        minute.clamp(0.0, mean + reach)
    }

    /// The relative variance beyond Poisson's, robust: no sample counts for more than nine times the usual plus noise.
    fn learn_spread(&mut self, place: usize, seen: f64, expected: f64) {
        let Some(spread) = self.spread.get_mut(place) else { return };
        if expected < 0.05 {
            return;
        }
        let off = seen - expected;
        let sample = (off * off - expected) / (expected * expected);
        let usual = spread.value().max(0.0025) + 1.0 / expected;
        let weight = match place {
            0 => 1.0 / 2_880.0,
            1 => 1.0 / 960.0,
            5 => 1.0 / 2_880.0,
            4 => 1.0 / 1_440.0,
            _ => 1.0 / 480.0,
        };
        spread.learn(sample.clamp(-usual, 9.0 * usual), weight);
    }

    /// Keeps an open deviation's time; true when it has become the new level.
    fn follow(&mut self, factor: f64) -> bool {
        let Some((minutes, usual)) = self.open else { return false };
        // A quiet series needs more minutes to show that it is itself again.
        let level = self.level(factor);
        let needed = (30.0 / level.max(0.5)).clamp(5.0, 60.0);
        let is_usual = self.last_minute(factor).is_none();
        let (minutes, usual) = (minutes.saturating_add(1), if is_usual { usual + 1 } else { 0 });
        self.open = Some((minutes, usual));
        if f64::from(usual) >= needed && self.is_usual(usize::from(usual).min(15), self.recent_level, factor) {
            self.minutes.fill(level);
            self.open = None;
            // What long windows told has been told: they begin with what is usual now.
            if !self.is_usual(15, self.settled_level, factor) {
                self.settled_level.restart(self.recent_level.value(), SHORT_AFTER);
            }
            return false;
        }
        if minutes < SHIFT_MINUTES {
            return false;
        }
        // Nothing at all is a silence, however long: never a level.
        if self.minutes.sum(15) == 0 {
            return false;
        }
        let level = self.minutes.sum(15) as f64 / 15.0 / factor.max(0.02);
        let was = self.recent_level.value();
        self.recent_level.restart(level, LONG_AFTER);
        self.settled_level = Mean::default();
        // The windows that held the step must not teach it as spread, nor be judged against the new level.
        self.minutes.fill(level * factor);
        self.settled_level.restart(level, SHORT_AFTER);
        self.open = None;
        (level - was).abs() > 0.2 * was
    }

    /// Whether the last minutes together lie within two deviations of what was due.
    fn is_usual(&self, minutes: usize, level: Mean, factor: f64) -> bool {
        let due = Due { level, memory: RECENT_MEMORY, minutes: minutes as f64 * factor };
        self.deviation(3, Millis::default(), self.minutes.sum(minutes), due).is_none()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.slots.iter().for_each(|&slot| out.uint(u64::from(slot)));
        self.minutes.write(out);
        self.recent_level.write(out);
        self.settled_level.write(out);
        self.spread.iter().for_each(|spread| spread.write(out));
        let (minutes, usual) = self.open.map_or((0, 0), |(minutes, usual)| (u64::from(minutes) + 1, u64::from(usual)));
        out.uint(minutes);
        out.uint(usual);
        out.u8(u8::from(self.habits.is_some()));
        self.habits.iter().flat_map(|habits| habits.iter().flatten()).for_each(|habit| habit.write(out));
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut watch = Self::default();
        for slot in &mut watch.slots {
            *slot = input.u32()?;
        }
        watch.minutes = MinuteRing::read(input)?;
        watch.recent_level = Mean::read(input)?;
        watch.settled_level = Mean::read(input)?;
        for spread in &mut watch.spread {
            *spread = Mean::read(input)?;
        }
        let short = |value: u64| u16::try_from(value).map_err(|_| ReadError::Overflow);
        let (minutes, usual) = (input.uint()?, short(input.uint()?)?);
        watch.open = if minutes == 0 { None } else { Some((short(minutes - 1)?, usual)) };
        if input.u8()? != 0 {
            let mut habits = Box::<[[Habit; 2]; 6]>::default();
            for habit in habits.iter_mut().flatten() {
                *habit = Habit::parse(input)?;
            }
            watch.habits = Some(habits);
        }
        Ok(watch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(watch: &mut CountWatch, records: u32) -> (Option<Deviation>, bool) {
        for slot in 0..SLOTS as u32 {
            if slot > 0 {
                watch.close_slot();
            }
            (0..records / 6 + u32::from(slot < records % 6)).for_each(|_| watch.count());
        }
        let told = watch.close_minute(1.0, 1.0);
        watch.close_slot();
        told
    }

    fn trained(records: u32) -> CountWatch {
        taught(CountWatch::default(), records)
    }

    fn taught(mut watch: CountWatch, records: u32) -> CountWatch {
        (0..240).for_each(|i| {
            let (deviation, _) = minute(&mut watch, records + i * 7 % 5);
            assert!(deviation.is_none_or(|d| d.probability > 1e-4), "{i} {deviation:?}");
        });
        watch
    }

    #[test]
    fn three_times_the_usual_is_improbable_before_its_slot_is_over() {
        let mut watch = taught(CountWatch::with_habits(), 60);
        (0..40).for_each(|_| watch.count());
        let found = watch.judge_slots(1.0).unwrap();
        assert!(found.probability < 1e-7 && found.is_above(), "{found:?}");
    }

    #[test]
    fn a_lasting_level_is_told_once_and_then_normal() {
        let mut watch = trained(60);
        let mut shifts = 0;
        for i in 0..180 {
            let (deviation, shifted) = minute(&mut watch, 110);
            if deviation.is_some_and(|d| d.probability < 1e-6) {
                assert!(i < 40, "still remarkable after {i} minutes");
                watch.open();
            }
            shifts += usize::from(shifted);
        }
        assert_eq!(shifts, 1);
        assert!((watch.level(1.0) - 110.0).abs() < 6.0, "{}", watch.level(1.0));
    }

    #[test]
    fn an_incident_does_not_teach_itself() {
        let mut watch = trained(60);
        watch.open();
        (0..10).for_each(|_| assert!(minute(&mut watch, 600).0.is_some()));
        assert!(watch.level(1.0) < 66.0);
        (0..6).for_each(|_| assert!(!minute(&mut watch, 61).1));
        assert!(!watch.is_open());
    }

    #[test]
    fn survives_its_bytes() {
        let mut watch = trained(9);
        watch.open();
        let mut out = Writer::new();
        watch.write(&mut out);
        assert_eq!(CountWatch::read(&mut Reader::new(out.as_bytes())), Ok(watch));
        assert!(out.len() < 300);
    }
}
