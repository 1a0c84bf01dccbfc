//! The alarm that is being worked off, and when the next one may be set for.
//!
//! The runtime deletes an alarm when it was worked off, and with it one that was set meanwhile for the very same instant.
//! An alarm may go off a little early, or twice; then the machine wants the same instant again. The simulator found that
//! this loses the alarm, so the next one is always set for another instant. Deleting the alarm first does not help: the
//! runtime looks at what the turn comes to, and asks for no other alarm if that is the one it has.

use sapwood_engine::time::{Millis, Timestamp};
use std::cell::Cell;

/// An alarm goes off no earlier than this before its time: a generous bound on what the clocks of two machines differ.
const EARLY_MAX: Millis = Millis::from_secs(3);

/// For when the alarm that is being worked off was set.
#[derive(Debug, Default)]
pub(crate) struct RunningAlarm(Cell<Running>);

#[derive(Clone, Copy, Debug, Default)]
enum Running {
    #[default]
    None,
    /// Another instance set it: it is not known for when, but for no later than [`EARLY_MAX`] from now.
    Unknown,
    For(Timestamp),
}

impl RunningAlarm {
    /// An alarm goes off that was set for this instant, as far as is known.
    pub(crate) fn begins(&self, armed_at: Option<Timestamp>) {
        self.0.set(armed_at.map_or(Running::Unknown, Running::For));
    }

    /// It is worked off.
    pub(crate) fn ends(&self) {
        self.0.set(Running::None);
    }

    /// The instant for which an alarm is set that is wanted `at`: in the future, since the runtime refuses the epoch, and
    /// not that of the one that is running.
    pub(crate) fn beside(&self, at: Timestamp, now: Timestamp) -> Timestamp {
        let at = at.max(now.plus(Millis(1)));
        match self.0.get() {
            Running::For(running) if running == at => at.plus(Millis(1)),
            Running::For(_) | Running::None => at,
            Running::Unknown => at.max(now.plus(EARLY_MAX)).plus(Millis(1 + (now.0 & 0xff))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_alarm_is_never_set_for_the_instant_of_the_one_that_runs() {
        let alarm = RunningAlarm::default();
        assert_eq!(alarm.beside(Timestamp(500), Timestamp(10)), Timestamp(500));
        assert_eq!(alarm.beside(Timestamp(0), Timestamp(10)), Timestamp(11), "what is due is due in a moment");
        alarm.begins(Some(Timestamp(500)));
        assert_eq!(alarm.beside(Timestamp(500), Timestamp(499)), Timestamp(501));
        assert_eq!(alarm.beside(Timestamp(600), Timestamp(499)), Timestamp(600));
        alarm.begins(None);
        for running in [499, 500, 600, 3_499] {
            for wanted in [0, 500, running, running + 1, 9_999] {
                let set = alarm.beside(Timestamp(wanted), Timestamp(499));
                assert!(set > Timestamp(running) && set >= Timestamp(wanted), "{set:?} beside {running}");
            }
        }
        alarm.ends();
        assert_eq!(alarm.beside(Timestamp(600), Timestamp(499)), Timestamp(600));
    }
}
