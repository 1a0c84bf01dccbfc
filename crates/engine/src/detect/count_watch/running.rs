//! The slot that is being filled, looked at before it is over.
//!
//! A burst need not wait for the end of its ten seconds, nor for the next record after that. What a slot and the windows that
//! end with it show is judged as if they were over: more can only come. Drops, which only the end shows, are left out.

use super::*;

impl CountWatch {
    /// Records of the slot being filled.
    #[inline]
    pub(crate) fn running(&self) -> u32 {
        let [running, ..] = &self.slots;
        *running
    }

    /// Records of the slot being filled below which nothing of what it ends can be told: whatever the spread, a count within
    /// four deviations above what is due is more probable than anything that is ([`PART_BELOW`]).
    pub(crate) fn remarkable_from(&self, factor: f64) -> u32 {
        let mut least = f64::INFINITY;
        for (place, width) in SLOT_WINDOWS.into_iter().enumerate() {
            let (seen, due) = self.slot_window(width, factor);
            let (expected, doubt) = due.expected(u64::MAX);
            let spread = self.spread_of(place, expected, doubt);
            let before = seen as f64 - f64::from(self.running());
            let reach = (PART_REACH * (expected + spread * expected * expected)).sqrt();
            let from = if spread < PART_SPREAD { expected + reach - before } else { 1.0 };
            least = if from < least { from } else { least };
        }
        // A count is more than the bound from the next whole number on; too large a number is none that comes.
        (least.clamp(0.0, f64::from(u32::MAX - 1)) as u32).saturating_add(1)
    }

    /// Judges the slot being filled as if it were over. More can only come, so that what is told now would be told at its
    /// end: looking early finds nothing that is not found anyway, and costs no false signal. Nothing is learned. Whether a deviation
    /// is open is the caller's to ask.
    pub(crate) fn judge_running(&self, factor: f64) -> Option<Deviation> {
        if self.recent_level.count() < SHORT_AFTER {
            return None;
        }
        let mut best: Option<Deviation> = None;
        for (place, found) in self.slot_windows(factor).into_iter().enumerate() {
            let habit = self.habits.as_ref().and_then(|habits| habits.get(place)?.get(1));
            if let Some(mut found) = found {
                let own = habit.map_or(found.probability, |habit| habit.read(found.probability));
                found.probability = own * looks(place);
                best = rarer(best, found);
            }
        }
        best
    }

    /// What a slot shows at its end is learned although a deviation is open, because it was this slot that opened it.
    pub(crate) fn learn_running(&mut self, factor: f64) {
        let found = self.slot_windows(factor);
        let Some(habits) = self.habits.as_mut() else { return };
        for (found, [_, above]) in found.into_iter().zip(habits.iter_mut()) {
            above.learn(found.map_or(1.0, |found| found.probability), HABIT_SLOTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two hours of minutes of this many records and up to four more, in even slots; `clump` times as many in one of 97.
    fn trained(records: u32, clump: u32) -> CountWatch {
        let mut watch = CountWatch::with_habits();
        for slot in 0..720u32 {
            let times = if slot % 97 == 96 { clump } else { 1 };
            (0..(records + slot / 6 * 7 % 5 + slot % 6) / 6 * times).for_each(|_| watch.count());
            let _ = watch.judge_slots(1.0);
            if slot % 6 == 5 {
                watch.close_minute(&Pace::new(1.0, 1.0));
            }
            watch.close_slot();
        }
        assert!(!watch.is_open());
        watch
    }

    /// The early look against the end: what is told early is told, at least as sure, of the same slot when it is over; and below
    /// the count from which it is looked at there is nothing that could be told.
    #[test]
    fn what_a_running_slot_tells_its_end_tells_too() {
        let mut told = 0;
        for records in [1, 6, 20, 60, 300] {
            for clump in [1, 20] {
                for already in [0, records, records * 2] {
                    let mut watch = trained(records, clump);
                    (0..already / 6).for_each(|_| watch.count());
                    watch.close_slot();
                    let from = watch.remarkable_from(1.0);
                    for count in 1..=records * 3 + 40 {
                        watch.count();
                        let early = watch.judge_running(1.0).map_or(1.0, |found| found.probability);
                        let end = watch.clone().judge_slots(1.0).map_or(1.0, |found| found.probability);
                        assert_eq!(early, end, "{count} of {records} by the minute, clumps of {clump}");
                        assert!(count >= from || early > 60.0 * PART_BELOW, "{count} below {from}: {early}");
                        assert_eq!(watch.remarkable_from(1.0), from, "what has come does not move it");
                        told += u32::from(early < 1e-4);
                    }
                }
            }
        }
        assert!(told > 500, "{told}");
    }

    #[test]
    fn a_slot_told_before_its_end_teaches_as_much_as_one_told_at_its_end() {
        let mut early = trained(60, 1);
        (0..80).for_each(|_| early.count());
        let mut end = early.clone();
        assert!(early.judge_running(1.0).is_some_and(|found| found.probability < 1e-7));
        early.open();
        assert_eq!(early.judge_slots(1.0), None);
        early.learn_running(1.0);
        let _ = end.judge_slots(1.0);
        end.open();
        assert_eq!(early, end);
    }

    #[test]
    fn a_series_nobody_knows_tells_nothing() {
        let mut watch = CountWatch::with_habits();
        (0..10_000).for_each(|_| watch.count());
        assert_eq!(watch.judge_running(1.0), None);
    }
}
