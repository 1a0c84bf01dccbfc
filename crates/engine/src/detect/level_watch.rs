//! What short windows cannot see: a component whose level moved by a half, or whose records went by a third of the way,
//! over hours.
//!
//! Counts are held in cells of five minutes, each with what the season made of it, for the last three hours. Windows of
//! half an hour to three hours are judged against the level of the day before them, so that even a record a minute adds
//! up to something. What was told stays open until it is usual again, or for as long as the longest window, after which
//! it is the new level; nothing is learned meanwhile. Only the component's own series has one (about 1 KB).

use super::count_watch::Deviation;
use crate::baseline::tail::{count_at_least, count_at_most};
use crate::baseline::{Habit, Mean};
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::Millis;

/// Minutes of a cell.
pub(crate) const CELL_MINUTES: i64 = 5;
/// Cells held.
const CELLS: usize = 36;
/// Cells of each window.
const WINDOWS: [usize; 4] = [6, 12, 24, 36];
/// Cells that the level rests on: a day.
const MEMORY: f64 = 288.0;
/// Cells of experience before spread is learned, and before anything is told: three days, after which a rhythm of the
/// day is known if there is one.
const AFTER_CELLS: u32 = 24;
const TELL_AFTER: u32 = 864;
/// Six hours, where others have lent their rhythm.
const TELL_AFTER_LENT: u32 = 72;
/// So many times less probable has to be what is told by a rhythm of others: how far its own tails go is not known yet.
const LENT_DOUBT: f64 = 20.0;
/// Looks an hour that show something new, for each window.
const LOOKS: [f64; 4] = [1.0, 0.5, 0.25, 0.25];
/// The least relative variance a level is believed to have: 6 %.
const SPREAD_MIN: f64 = 0.0036;
/// What is assumed of a series nobody knows.
const SPREAD_PRIOR: f64 = 0.02;
/// Weight of a cell in what is learned of spread and tails: three days.
const WEIGHT: f64 = 1.0 / 864.0;

/// Records of a cell and the seasonal minutes it was worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    records: f64,
    minutes: f64,
}

/// The long windows of a component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LevelWatch {
    cells: [Cell; CELLS],
    filling: Cell,
    /// Means of records and of seasonal minutes over the cells that left the longest window.
    records: Mean,
    minutes: Mean,
    spread: [Mean; WINDOWS.len()],
    habits: [[Habit; 2]; WINDOWS.len()],
    /// Cells seen.
    age: u32,
    /// Cells since the present deviation was told.
    open: Option<u8>,
}

impl Default for LevelWatch {
    fn default() -> Self {
        let mut prior = Mean::default();
        prior.restart(SPREAD_PRIOR, 50);
        Self {
            cells: [Cell::default(); CELLS],
            filling: Cell::default(),
            records: Mean::default(),
            minutes: Mean::default(),
            spread: [prior; WINDOWS.len()],
            habits: Default::default(),
            age: 0,
            open: None,
        }
    }
}

impl LevelWatch {
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(crate) fn open(&mut self) {
        self.open.get_or_insert(0);
    }

    /// Records a minute at a season's factor of 1.
    fn level(&self) -> f64 {
        if self.minutes.value() > 0.0 { self.records.value() / self.minutes.value() } else { 0.0 }
    }

    /// Takes a minute in. One that is told of elsewhere (`is_explained`) is held as the usual.
    pub(crate) fn minute(&mut self, records: u32, factor: f64, is_explained: bool) {
        let is_known = self.records.count() >= AFTER_CELLS;
        self.filling.records += if is_explained && is_known { self.level() * factor } else { f64::from(records) };
        self.filling.minutes += factor;
    }

    /// Ends a cell: judges the windows, then learns the cell that left them. Where the rhythm of the day `is_lent`, that
    /// is told earlier.
    pub(crate) fn close_cell(&mut self, is_explained: bool, is_lent: bool) -> Option<Deviation> {
        let left = self.cells.last().copied().unwrap_or_default();
        self.cells.rotate_right(1);
        if let Some(first) = self.cells.first_mut() {
            *first = std::mem::take(&mut self.filling);
        }
        self.age = self.age.saturating_add(1);
        if self.age == TELL_AFTER {
            // What was learned before the day was known says nothing of the time after it.
            let fresh = Self::default();
            (self.spread, self.habits) = (fresh.spread, fresh.habits);
        }
        let tell_after = if is_lent { TELL_AFTER_LENT } else { TELL_AFTER };
        let mut best = self.judge(is_explained).filter(|_| self.age > tell_after);
        if let Some(best) = best.as_mut().filter(|_| self.age <= TELL_AFTER) {
            best.probability *= LENT_DOUBT;
        }
        if self.open.is_none() && left.minutes > 0.0 {
            self.records.learn(left.records, 1.0 / MEMORY);
            self.minutes.learn(left.minutes, 1.0 / MEMORY);
        }
        self.follow();
        best
    }

    fn judge(&mut self, is_explained: bool) -> Option<Deviation> {
        if self.records.count() < AFTER_CELLS || self.level() <= 0.0 {
            return None;
        }
        let learns = self.open.is_none() && !is_explained;
        let mut best: Option<Deviation> = None;
        for (place, width) in WINDOWS.into_iter().enumerate() {
            let (seen, expected, doubt) = self.window(width);
            let Some(spread) = self.spread.get_mut(place) else { continue };
            let total = spread.value().max(SPREAD_MIN) + doubt;
            let off = seen - expected;
            let is_above = off > 0.0;
            let is_remarkable = off * off >= 4.0 * (expected + total * expected * expected);
            let count = seen.max(0.0).round() as u64;
            let tail = match (is_remarkable, is_above) {
                (false, _) => 1.0,
                (true, true) => count_at_least(count, expected, total),
                (true, false) => count_at_most(count, expected, total),
            };
            if learns && expected > 1.0 {
                let usual = spread.value().max(SPREAD_MIN) + 1.0 / expected;
                let sample = (off * off - expected) / (expected * expected) - doubt;
                spread.learn(sample.clamp(-usual, 9.0 * usual), WEIGHT);
            }
            let Some(habits) = self.habits.get_mut(place) else { continue };
            let probability = habits.get(usize::from(is_above)).map_or(tail, |habit| habit.read(tail));
            if learns {
                for (side, habit) in habits.iter_mut().enumerate() {
                    habit.learn(if side == usize::from(is_above) { tail } else { 1.0 }, WEIGHT);
                }
            }
            let window = Millis::from_mins(width as i64 * CELL_MINUTES);
            let probability = probability * LOOKS.get(place).copied().unwrap_or(1.0);
            let found = Deviation { window, expected, spread: total, seen: count, probability };
            if is_remarkable && best.is_none_or(|best| probability < best.probability) {
                best = Some(found);
            }
        }
        best
    }

    /// Records of the last cells, those that were due, and the relative variance of not knowing the level better.
    fn window(&self, width: usize) -> (f64, f64, f64) {
        let mut sum = Cell::default();
        for cell in self.cells.iter().take(width) {
            sum.records += cell.records;
            sum.minutes += cell.minutes;
        }
        let known = self.records.value() * f64::from(self.records.count()).min(MEMORY * 2.0) + 1.0;
        (sum.records, self.level() * sum.minutes, 1.0 / known)
    }

    /// Keeps an open deviation's time.
    fn follow(&mut self) {
        let Some(cells) = self.open.map(|cells| cells.saturating_add(1)) else { return };
        self.open = Some(cells);
        let (seen, expected, _) = self.window(usize::from(cells).clamp(6, 12));
        // Back within two deviations, over at least the half hour since it was told.
        let off = seen - expected;
        if cells >= 6 && off * off < 4.0 * (expected + SPREAD_MIN * expected * expected) {
            self.fill();
        } else if usize::from(cells) >= CELLS && seen >= 1.0 {
            // Nothing at all is a silence, however long: never a level.
            self.follow_by((seen / expected.max(1e-9)).clamp(0.01, 100.0));
        }
    }

    /// The component moved to a level of so many times the old.
    pub(crate) fn follow_by(&mut self, times: f64) {
        self.records.restart(self.records.value() * times, self.records.count().min(CELLS as u32));
        self.minutes.restart(self.minutes.value(), self.minutes.count().min(CELLS as u32));
        self.fill();
    }

    /// As if the last hours had been the usual.
    fn fill(&mut self) {
        let level = self.level();
        self.cells.iter_mut().for_each(|cell| cell.records = level * cell.minutes);
        self.filling.records = level * self.filling.minutes;
        self.open = None;
    }

    /// The season is another from here on: so many times as many records are due in a minute of it.
    pub(crate) fn rescale(&mut self, times: f64) {
        self.cells.iter_mut().chain([&mut self.filling]).for_each(|cell| cell.minutes /= times);
        self.minutes.restart(self.minutes.value() / times, self.minutes.count());
    }

    fn means(&mut self) -> impl Iterator<Item = &mut Mean> {
        [&mut self.records, &mut self.minutes].into_iter().chain(&mut self.spread)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        for cell in self.cells.iter().chain([&self.filling]) {
            out.f64(cell.records);
            out.f64(cell.minutes);
        }
        [&self.records, &self.minutes].into_iter().chain(&self.spread).for_each(|mean| mean.write(out));
        self.habits.iter().flatten().for_each(|habit| habit.write(out));
        out.uint(u64::from(self.age));
        out.u8(self.open.map_or(0, |cells| cells.saturating_add(1)));
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let finite = |value: f64| if value.is_finite() { Ok(value) } else { Err(ReadError::Unknown("cell")) };
        let mut watch = Self::default();
        for cell in watch.cells.iter_mut().chain([&mut watch.filling]) {
            *cell = Cell { records: finite(input.f64()?)?, minutes: finite(input.f64()?)? };
        }
        for mean in watch.means() {
            *mean = Mean::read(input)?;
        }
        for habit in watch.habits.iter_mut().flatten() {
            *habit = Habit::parse(input)?;
        }
        watch.age = input.u32()?;
        watch.open = input.u8()?.checked_sub(1);
        Ok(watch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays cells of `per_cell(cell)` records; the first deviation that would be told, as (cell, is above).
    fn play(watch: &mut LevelWatch, cells: std::ops::Range<u32>, per_cell: impl Fn(u32) -> u32) -> Option<(u32, bool)> {
        let mut found = None;
        for cell in cells {
            for minute in 0..5 {
                let records = per_cell(cell);
                watch.minute(records / 5 + u32::from(minute < records % 5), 1.0, false);
            }
            let was_open = watch.is_open();
            let deviation = watch.close_cell(false, false);
            if let Some(deviation) = deviation.filter(|deviation| deviation.probability < 1e-4 && !was_open) {
                found = found.or(Some((cell, deviation.is_above())));
                watch.open();
            }
        }
        found
    }

    /// About a record a minute, as chance would have it.
    fn rare(cell: u32) -> u32 {
        3 + cell.wrapping_mul(7_919) % 5
    }

    #[test]
    fn half_as_much_again_of_a_record_a_minute_is_found_within_three_hours_and_then_usual() {
        let mut watch = LevelWatch::default();
        assert_eq!(play(&mut watch, 0..3000, rare), None);
        let (cell, is_above) = play(&mut watch, 3000..3036, |cell| rare(cell) + 2 + cell % 2).unwrap();
        assert!(is_above && cell < 3036, "{cell}");
        assert_eq!(play(&mut watch, 3036..3300, |cell| rare(cell) + 2 + cell % 2), None);
        assert!(!watch.is_open() && (watch.level() - 1.5).abs() < 0.1, "{}", watch.level());
    }

    #[test]
    fn an_hour_at_a_third_is_a_drop_that_ends_without_another_signal() {
        let mut watch = LevelWatch::default();
        assert_eq!(play(&mut watch, 0..1000, rare), None);
        let (_, is_above) = play(&mut watch, 1000..1012, |cell| rare(cell) / 3).unwrap();
        assert!(!is_above);
        assert_eq!(play(&mut watch, 1012..1100, rare), None);
        assert!(!watch.is_open() && (watch.level() - 1.0).abs() < 0.1, "{}", watch.level());
    }

    #[test]
    fn what_is_told_elsewhere_is_no_level() {
        let mut watch = LevelWatch::default();
        assert_eq!(play(&mut watch, 0..1000, rare), None);
        for _ in 0..6 {
            (0..5).for_each(|_| watch.minute(50, 1.0, true));
            assert_eq!(watch.close_cell(true, false), None);
        }
        assert_eq!(play(&mut watch, 1006..1100, rare), None);
    }

    #[test]
    fn survives_its_bytes() {
        let mut watch = LevelWatch::default();
        play(&mut watch, 0..300, rare);
        watch.open();
        let mut out = Writer::new();
        watch.write(&mut out);
        assert_eq!(LevelWatch::read(&mut Reader::new(out.as_bytes())), Ok(watch));
        assert!(out.len() < 1_000);
    }
}
