//! When the component's running slot is looked at: as soon as it holds what could be told, and again with each eighth more.
//!
//! What is told in doubt, and is sure enough to wake people before its slot is over, is told once more; and the slot's end, which
//! would have told it, tells it where that is far surer than what was told (people may have asked for that of this series). A comparison for each record, some work for each slot. When it is looked at follows from what is stored alone, so that a
//! restart in the middle of a slot cannot be noticed; it is not stored itself.

use super::candidate::{Candidate, count_candidate};
use super::count_watch::SLOT;
use super::detectors::Detectors;
use super::signal::SignalKind;
use crate::time::Timestamp;

/// Records of the running slot from which it is looked at next; 0 while that is not worked out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunningLook(u32);

impl RunningLook {
    #[inline]
    pub(super) fn from(self) -> u32 {
        self.0
    }
}

/// What follows from the rest makes no difference.
impl PartialEq for RunningLook {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What the running slot told of its own deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ToldRunning {
    pub(super) probability: f64,
    /// Whether that woke people.
    pub(super) wakes: bool,
}

/// A slot's end is told if it is so many times less probable than what was told before.
const SURER: f64 = 1e-3;

impl Detectors {
    /// Looks at the running slot, if this is a count at which it is looked at, and says when to look again.
    #[inline(never)]
    pub(super) fn look_at_running(&mut self, at: Timestamp) {
        let Some(slot) = self.slot else { return };
        if self.component.is_open() && self.told_running.is_none_or(|told| told.wakes) {
            self.look_at = RunningLook(u32::MAX);
            return;
        }
        let end = Timestamp((slot + 1).saturating_mul(SLOT.0)).clamped();
        let factor = self.season.factor(end);
        let (count, first) = (self.component.running(), self.component.remarkable_from(factor));
        let Some(over) = count.checked_sub(first) else {
            self.look_at = RunningLook(first);
            return;
        };
        let step = first / 8 + 1;
        self.look_at = RunningLook(count.saturating_add(step - over % step));
        if over % step == 0 {
            // A record may be a little late; what it shows is shown now.
            let now = at.max(Timestamp(slot.saturating_mul(SLOT.0)).clamped());
            self.judge_running(now, factor);
        }
    }

    /// Judges the running slot as if it were over: a deviation opens, or one that this slot opened becomes sure enough to wake
    /// people, which is told as well.
    fn judge_running(&mut self, now: Timestamp, factor: f64) {
        let Some(candidate) = self.running_candidate(now, factor) else { return };
        let told = ToldRunning { probability: candidate.probability, wakes: candidate.signal.is_alerting };
        if !self.component.is_open() {
            self.tell(vec![candidate]);
            self.told_running = self.component.is_open().then_some(told);
        } else if told.wakes {
            self.told_running = Some(told);
            self.push(candidate.signal);
        }
    }

    /// A slot ends that opened a deviation before: what has become of that is told if it says more than what was, and is
    /// learned as that of any other slot.
    pub(super) fn end_running(&mut self, end: Timestamp, factor: f64) {
        let Some(told) = self.told_running.take() else { return };
        let candidate = self.running_candidate(end, factor);
        self.component.learn_running(factor);
        let Some(candidate) = candidate else { return };
        let is_surer = candidate.signal.is_alerting && !told.wakes || candidate.probability < SURER * told.probability;
        if is_surer {
            self.push(candidate.signal);
        }
    }

    fn running_candidate(&self, now: Timestamp, factor: f64) -> Option<Candidate> {
        let deviation = self.component.judge_running(factor)?;
        let candidate = count_candidate(self.of_component(), deviation, now, SignalKind::Burst);
        Some(candidate.judged_within(&self.widened))
    }
}
