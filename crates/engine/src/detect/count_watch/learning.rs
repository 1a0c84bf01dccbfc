//! What a series of counts learns: its levels, what it spreads beyond Poisson's variance, and when a deviation that lasts is
//! the new level.

use super::*;

impl CountWatch {
    /// Learns the minute that has just ended; `left` is the one that left the last five with it.
    #[inline(always)]
    pub(super) fn learn(&mut self, pace: &Pace, [minute, five, quarter, hour]: &[Look; 4], left: u32) {
        let known = self.recent_level.count();
        if known >= SHORT_AFTER {
            self.learn_spread(2, minute);
            self.learn_spread(3, five);
            if self.settled_level.count() > 0 && known >= 75 {
                self.learn_spread(4, quarter);
                if known >= 120 {
                    self.learn_spread(5, hour);
                }
            }
        }
        // Young series learn the minute itself; later the one that left the short or the long window.
        let [now, left_short, left_long] = pace.ago;
        let minute = if known < 30 { f64::from(self.minutes.ago(0)) / now } else { f64::from(left) / left_short };
        self.recent_level.learn(self.clipped(minute, self.recent_level), 1.0 / 45.0);
        if known >= 60 {
            let minute = f64::from(self.minutes.oldest()) / left_long;
            self.settled_level.learn(self.clipped(minute, self.settled_level), 1.0 / 180.0);
        }
    }

    /// Only of a series that is judged by slots: others would be taught what nobody asks for.
    pub(super) fn learn_slots(&mut self, factor: f64) {
        if self.recent_level.count() < SHORT_AFTER {
            return;
        }
        let tenth = self.level(factor) / SLOTS as f64;
        let slots = self.slots;
        for slot in slots {
            self.learn_spread(0, &Look::new(f64::from(slot), tenth));
        }
        for half in slots.chunks(3) {
            let seen = half.iter().map(|&slot| f64::from(slot)).sum();
            self.learn_spread(1, &Look::new(seen, tenth * 3.0));
        }
    }

    #[inline]
    fn clipped(&self, minute: f64, level: Mean) -> f64 {
        if level.count() < SHORT_AFTER {
            return minute;
        }
        let mean = level.value();
        // The reach is never below four: most minutes need no root.
        if minute >= 0.0 && minute <= mean + 4.0 {
            return minute;
        }
        let spread = self.spread.get(2).map_or(SPREAD_PRIOR, Mean::value).max(0.0);
        let reach = 4.0 * (mean + 1.0 + spread * mean * mean).sqrt();
        minute.clamp(0.0, mean + reach)
    }

    /// The relative variance beyond Poisson's, robust: no sample counts for more than nine times the usual plus noise.
    #[inline]
    fn learn_spread(&mut self, place: usize, &Look { expected, off }: &Look) {
        let (Some(spread), Some(&weight)) = (self.spread.get_mut(place), SPREAD_WEIGHTS.get(place)) else { return };
        if expected < 0.05 {
            return;
        }
        let sample = (off * off - expected) / (expected * expected);
        let known = spread.value();
        let usual = if known > 0.0025 { known } else { 0.0025 } + 1.0 / expected;
        let (least, most) = (-usual, 9.0 * usual);
        spread.learn(
            if sample < least {
                least
            } else if sample > most {
                most
            } else {
                sample
            },
            weight,
        );
    }

    /// Keeps an open deviation's time; true when it has become the new level.
    #[inline(never)]
    pub(crate) fn follow(&mut self, factor: f64) -> bool {
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
}
