//! One series of counts: how many records came, against how many were due.
//!
//! Counts are held in slots of 10 s (the last minute) and in minutes (the last hour). A window is judged by the tail of
//! a negative binomial whose mean is the series' level times the component's season and whose spread is what this
//! series has shown at that width, or, of a rare one, in its hours ([`Clumps`]). Short windows are compared with the level of the minutes before the last five, long
//! ones with that of the hours before the last, so that an incident is never compared with itself. What is learned is
//! clipped, and nothing is learned while a deviation is open; one that lasts becomes the new level, told once.

mod learning;
mod running;

use super::history::Band;
use super::ring::SummedMinutes;
use crate::baseline::tail::{count_at_least, count_at_most};
use crate::baseline::{Clumps, Habit, Mean};
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
/// Weight of a sample in what is learned of each window's spread.
const SPREAD_WEIGHTS: [f64; 6] = [1.0 / 2_880.0, 1.0 / 960.0, 1.0 / 480.0, 1.0 / 480.0, 1.0 / 1_440.0, 1.0 / 2_880.0];
/// What is assumed of a series nobody knows, worth ten minutes of experience.
const SPREAD_PRIOR: f64 = 0.05;
/// Minutes of history before short and long windows are judged.
const SHORT_AFTER: u32 = 10;
const LONG_AFTER: u32 = 90;
/// Weight of a slot and of a minute in what is learned of tails: one and three days.
const HABIT_SLOTS: f64 = 1.0 / 8_640.0;
const HABIT_MINUTES: f64 = 1.0 / 4_320.0;
/// A deviation of one of many series that is more probable than this decides nothing: all that may be told of them.
pub(crate) const PART_BELOW: f64 = 1e-5;
/// So many deviations above what is due (squared) are still more probable than that, where the spread is below this.
const PART_REACH: f64 = 16.0;
const PART_SPREAD: f64 = 1_000.0;
/// And so are no records at all where fewer are due: e^-11.5.
const PART_NONE: f64 = 11.5;
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

/// The season around the end of a minute, worked out once for all series that end it.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Of the minute.
    factor: f64,
    /// In the middle of a window of 5, 15 or 60 minutes.
    middle: [f64; 3],
    /// One, six and sixty minutes ago.
    ago: [f64; 3],
    /// The longest of the short and of the long windows, in seasonal minutes.
    short_most: f64,
    long_most: f64,
}

/// What a window showed, before anything is made of it.
#[derive(Clone, Copy)]
struct Look {
    expected: f64,
    /// How many more were seen.
    off: f64,
}

impl Look {
    fn new(seen: f64, expected: f64) -> Self {
        Self { expected, off: seen - expected }
    }
}

impl Pace {
    /// From the season's factor of the minute and its mean over the last hour.
    pub(crate) fn new(factor: f64, hour_factor: f64) -> Self {
        // The season between now and half an hour ago is close to a line.
        let ago = |minutes: f64| (factor + (hour_factor - factor) * minutes / 30.0).max(0.02);
        let middle = |share: f64| factor + (hour_factor - factor) * share;
        let middle = [0.08, 0.25, 1.0].map(middle);
        let [five, quarter, hour] = middle;
        Self {
            factor,
            middle,
            ago: [1.0, 6.0, 60.0].map(ago),
            short_most: factor.max(5.0 * five),
            long_most: (15.0 * quarter).max(60.0 * hour),
        }
    }

    /// The season's factor of the minute.
    pub(crate) fn factor(&self) -> f64 {
        self.factor
    }

    /// In the middle of the window of this place among the long ones.
    fn middle(&self, place: usize) -> f64 {
        self.middle.get(place).copied().unwrap_or(self.factor)
    }
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
    minutes: SummedMinutes,
    /// Records a minute at a season's factor of 1, until five minutes ago and until an hour ago.
    recent_level: Mean,
    settled_level: Mean,
    spread: [Mean; 6],
    /// How a series too rare to show a spread clumps.
    pub(crate) clumps: Clumps,
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
            minutes: SummedMinutes::default(),
            recent_level: Mean::default(),
            settled_level: Mean::default(),
            spread: [prior; 6],
            clumps: Clumps::default(),
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
    #[inline(always)]
    pub(crate) fn count(&mut self) {
        // Four billion do not come in ten seconds; in the way of every record, twice, bounds have their price.
        let [running, ..] = &mut self.slots;
        *running = running.wrapping_add(1);
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
        let sum: u64 = self.slots.iter().map(|&slot| u64::from(slot)).sum();
        u32::try_from(sum).unwrap_or(u32::MAX)
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
        let spread = self.spread_of(2, expected, doubt);
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
        self.clumps.merge(&other.clumps);
        if self.open.is_none() {
            self.open = other.open;
        }
    }

    /// Judges the windows that end with the slot being filled, as it ends: only more than due is told, drops are left to
    /// minutes. What they show is learned.
    pub(crate) fn judge_slots(&mut self, factor: f64) -> Option<Deviation> {
        if self.recent_level.count() < SHORT_AFTER || self.open.is_some() {
            return None;
        }
        let mut best: Option<Deviation> = None;
        for (place, found) in self.slot_windows(factor).into_iter().enumerate() {
            if let Some(mut found) = self.as_habit(place, true, found, HABIT_SLOTS) {
                found.probability *= looks(place);
                best = rarer(best, found);
            }
        }
        best
    }

    /// What is more than due in the windows that end with the slot being filled.
    fn slot_windows(&self, factor: f64) -> [Option<Deviation>; 3] {
        let mut found = [None; 3];
        for (place, (found, width)) in found.iter_mut().zip(SLOT_WINDOWS).enumerate() {
            let (seen, due) = self.slot_window(width, factor);
            *found = self.deviation(place, Millis(SLOT.0 * width as i64), seen, due).filter(Deviation::is_above);
        }
        found
    }

    /// Records of so many slots, the one being filled among them, and what is due in them once it is over.
    fn slot_window(&self, width: usize, factor: f64) -> (u64, Due) {
        let seen = self.slots.iter().take(width).map(|&count| u64::from(count)).sum();
        let minutes = width as f64 / SLOTS as f64 * factor;
        (seen, Due { level: self.recent_level, memory: RECENT_MEMORY, minutes })
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

    /// Ends a minute: learns it and judges the long windows. True beside the deviation when it has just become the new
    /// level.
    pub(crate) fn close_minute(&mut self, pace: &Pace) -> (Option<Deviation>, bool) {
        let count = self.counting();
        let deviation = if self.habits.is_none() {
            self.close_part(count, pace)
        } else {
            let left = self.minutes.push(count);
            let looks = self.looks(pace);
            let deviation = self.judge_minutes(pace);
            if self.open.is_none() {
                self.learn_slots(pace.factor);
                self.learn(pace, &looks, left);
            }
            deviation
        };
        (deviation, self.follow(pace.factor))
    }

    /// Ends a minute of one of thousands of series, without habits and judged by minutes only: told are deviations that
    /// can decide something ([`PART_BELOW`]). One that was open is to be followed ([`CountWatch::follow`]).
    pub(crate) fn close_part(&mut self, count: u32, pace: &Pace) -> Option<Deviation> {
        let left = self.minutes.push(count);
        let looks = self.looks(pace);
        let far = self.far_windows(pace, &looks);
        let deviation = if far == 0 { None } else { self.judge_windows(far, pace) };
        if self.open.is_none() {
            self.learn(pace, &looks, left);
        }
        deviation
    }

    /// What was seen and expected in the last 1, 5, 15 and 60 minutes.
    #[inline]
    fn looks(&self, pace: &Pace) -> [Look; 4] {
        let (recent, settled) = (self.recent_level.value(), self.settled_level.value());
        let [minute, five, quarter, hour] = self.minutes.sums();
        [
            Look::new(minute, pace.factor * recent),
            Look::new(five, pace.middle(0) * recent * 5.0),
            Look::new(quarter, pace.middle(1) * settled * 15.0),
            Look::new(hour, pace.middle(2) * settled * 60.0),
        ]
    }

    /// A look before the look: one bit for each window of 1, 5, 15 and 60 minutes that [`CountWatch::can_decide`] has to be
    /// asked about. Poisson's law stands for all that are believed, as it is the narrowest. What is expected where more
    /// than due is seen is more by the window over the level's memory, which is held against it at the end.
    #[inline]
    fn far_windows(&self, pace: &Pace, [minute, five, quarter, hour]: &[Look; 4]) -> u8 {
        // A little less than the bounds themselves, for what is rounded on the way.
        const MARGIN: f64 = 0.97;
        let known = self.recent_level.count();
        if known < SHORT_AFTER {
            return 0;
        }
        let is_far = |Look { expected, off }: &Look| {
            let is_near = if *off > 0.0 {
                off * off < MARGIN * PART_REACH * expected
            } else {
                *expected < MARGIN * PART_NONE || off * off < MARGIN * 4.0 * expected
            };
            u8::from(!is_near)
        };
        // A window that is not held is longer than four times the minutes that its level rests on, with the season.
        let is_held = |window: f64, memory: u32| window < MARGIN * 4.0 * f64::from(memory);
        let is_calm = |place: usize| self.spread.get(place).is_some_and(|spread| spread.value() < PART_SPREAD - 1.0);
        let mut far = is_far(minute) | is_far(five) << 1;
        if !(is_held(pace.short_most, known.min(RECENT_MEMORY as u32)) && is_calm(2) && is_calm(3)) {
            far |= 0b11;
        }
        if known >= LONG_AFTER {
            far |= is_far(quarter) << 2 | is_far(hour) << 3;
            let memory = self.settled_level.count().clamp(1, SETTLED_MEMORY as u32);
            if !(is_held(pace.long_most, memory) && is_calm(4) && is_calm(5)) {
                far |= 0b1100;
            }
        }
        far
    }

    /// What [`CountWatch::judge_minutes`] says of these windows, where it can decide something.
    #[inline(never)]
    fn judge_windows(&self, far: u8, pace: &Pace) -> Option<Deviation> {
        let (recent, settled) = ((self.recent_level, RECENT_MEMORY), (self.settled_level, SETTLED_MEMORY));
        let windows = [
            (1, recent, pace.factor),
            (5, recent, 5.0 * pace.middle(0)),
            (15, settled, 15.0 * pace.middle(1)),
            (60, settled, 60.0 * pace.middle(2)),
        ];
        let mut best = None;
        for (bit, (width, (level, memory), minutes)) in windows.into_iter().enumerate() {
            let (place, seen, due) = (bit + 2, self.minutes.sum(width), Due { level, memory, minutes });
            if far >> bit & 1 == 0 || !self.can_decide(place, seen, due) {
                continue;
            }
            if let Some(found) = self.deviation(place, Millis::from_mins(width as i64), seen, due) {
                best = rarer(best, Deviation { probability: found.probability * looks(place), ..found });
            }
        }
        best
    }

    /// Whether a count can be less probable than [`PART_BELOW`], judged without its tail.
    fn can_decide(&self, place: usize, seen: u64, due: Due) -> bool {
        let (expected, doubt) = due.expected(seen);
        let spread = self.spread_of(place, expected, doubt);
        let off = seen as f64 - expected;
        if off > 0.0 {
            spread >= PART_SPREAD || off * off >= PART_REACH * (expected + spread * expected * expected)
        } else {
            // No law of this family makes nothing less probable than Poisson's does.
            expected >= PART_NONE
        }
    }

    /// Relative variance of a window's mean: what was learned, of the window or of clumps, and what comes from not knowing the
    /// level better.
    fn spread_of(&self, place: usize, expected: f64, doubt: f64) -> f64 {
        let least = SPREAD_MIN.get(place).copied().unwrap_or(SPREAD_PRIOR);
        let clumping = self.clumps.excess() / expected.max(1e-6);
        self.spread.get(place).map_or(SPREAD_PRIOR, |spread| spread.value().max(least)).max(clumping) + doubt
    }

    /// What the minutes that are over show, the longest windows included; what that teaches is learned.
    pub(crate) fn judge_minutes(&mut self, pace: &Pace) -> Option<Deviation> {
        let factor = pace.factor;
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
            let minutes = width as f64 * pace.middle(place);
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
        let spread = self.spread_of(place, expected, doubt);
        // A quick look spares the sum: what lies within two deviations decides nothing.
        let off = seen as f64 - expected;
        if off * off < 4.0 * (expected + spread * expected * expected) {
            return None;
        }
        let tail =
            if off > 0.0 { count_at_least(seen, expected, spread) } else { count_at_most(seen, expected, spread) };
        Some(Deviation { window, expected, spread, seen, probability: tail })
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
        watch.minutes = SummedMinutes::read(input)?;
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
        let told = watch.close_minute(&Pace::new(1.0, 1.0));
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

    /// What patterns are spared decides nothing: within the reach every count is more probable than what may be told.
    #[test]
    fn what_is_not_judged_of_a_part_could_not_decide() {
        let spreads = [0.0, 0.0025, 0.02, 0.1, 0.5, 1.0, 3.0, 10.0, 100.0, PART_SPREAD];
        for spread in spreads {
            for step in 0..60 {
                // Five hundredths to two million.
                let expected = 0.05 * 1.345f64.powi(step);
                let reach = (PART_REACH * (expected + spread * expected * expected)).sqrt();
                let most = (expected + reach) as u64;
                let tail = count_at_least(most, expected, spread);
                assert!(tail > 1.5 * PART_BELOW, "{most} of {expected}, spread {spread}: {tail}");
                let none = count_at_most(0, expected, spread);
                assert!(expected >= PART_NONE || none > PART_BELOW, "none of {expected}, spread {spread}: {none}");
            }
        }
    }

    /// The short way of patterns, against the long way of a copy: what it tells is the same, and what it does not tell
    /// decides nothing.
    #[test]
    fn a_part_is_told_of_exactly_where_it_decides_something() {
        let (mut mixed, mut told) = (7u64, 0);
        for series in 0..60 {
            let mut watch = CountWatch::default();
            let usual = 0.02 * 1.2f64.powi(series);
            for minute in 0..400u32 {
                mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let chance = (mixed >> 33) as f64 / f64::from(1u32 << 31);
                let burst = if minute % 97 == 96 { 12.0 } else { 1.0 };
                let drop = if minute % 131 > 120 { 0.0 } else { 1.0 };
                (0..(usual * burst * drop * 2.0 * chance + chance) as u32).for_each(|_| watch.count());
                let factor = 1.0 + 0.5 * f64::from(minute % 120) / 120.0;
                let pace = Pace::new(factor, factor * 0.9);
                let mut slow = watch.clone();
                slow.minutes.push(slow.counting());
                let slow = slow.judge_minutes(&pace).filter(|found| found.probability < PART_BELOW);
                let fast = watch.close_part(watch.counting(), &pace).filter(|found| found.probability < PART_BELOW);
                assert_eq!(fast, slow, "series {series}, minute {minute}");
                told += u32::from(fast.is_some());
                watch.begin_minute();
            }
        }
        assert!(told > 100, "{told}");
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
