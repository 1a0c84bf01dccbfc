//! How many faults are found, how soon, and how often something is told that is none.
//!
//! Each seed's world runs quiet for three weeks; then it is run once more for every kind of fault, from the state
//! reached. A plain z-score and a static threshold see the same minutes.

use crate::scenario::{FAULTS, Fault, FaultKind, Happening, STEP_MS, World};
use sapwood_engine::detect::{Detectors, Facts, Signal, SignalKind, Subject};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::Timestamp;
use std::fmt::Write;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;

/// Weeks without a fault, the cold start among them.
const QUIET_WEEKS: i64 = 3;

/// Findings of one kind of fault.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Faults that were made.
    pub made: u32,
    /// Milliseconds from the start of each fault found to its signal.
    pub delays: Vec<i64>,
    /// Of the worlds with at least ten records a minute when it began: made and found.
    pub busy: (u32, u32),
    /// Found by a z-score above 4, and by a threshold of twice the first day's highest minute.
    pub plain: (u32, u32),
}

/// The whole table.
#[derive(Clone, Debug, Default)]
pub struct Scorecard {
    /// One line for each kind.
    pub kinds: Vec<(FaultKind, Line)>,
    /// Quiet component-hours, those with any signal, those with an alerting one.
    pub quiet: (u64, u64, u64),
    /// Quiet component-hours in which the z-score, and the threshold, told something.
    pub plain_quiet: (u64, u64),
}

/// The two detectors everybody writes first, on records a minute.
#[derive(Clone, Debug, Default)]
struct Plain {
    count: u64,
    mean: f64,
    square: f64,
    minutes: u64,
    highest: u64,
}

impl Plain {
    /// Ends a minute: whether the z-score, and the threshold, tell something.
    fn close(&mut self) -> (bool, bool) {
        let x = self.count as f64;
        let deviation = (self.square - self.mean * self.mean).max(1e-9).sqrt();
        let told = (
            self.minutes > 60 && (x - self.mean).abs() > 4.0 * deviation,
            self.minutes > 1_440 && self.count > 2 * self.highest,
        );
        let weight = (1.0 / (self.minutes as f64 + 1.0)).max(1.0 / 1_440.0);
        self.mean += weight * (x - self.mean);
        self.square += weight * (x * x - self.square);
        self.highest = if self.minutes <= 1_440 { self.highest.max(self.count) } else { self.highest };
        self.minutes += 1;
        self.count = 0;
        told
    }
}

#[derive(Clone)]
struct Run {
    world: World,
    detectors: Detectors,
    plain: Plain,
    buffer: Vec<Happening>,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            world: World::new(seed, None),
            detectors: Detectors::default(),
            plain: Plain::default(),
            buffer: Vec::new(),
        }
    }

    /// One step; signals and what the plain detectors told.
    fn step(&mut self) -> (i64, Vec<Signal>, (bool, bool)) {
        self.buffer.clear();
        let end = self.world.step(&mut self.buffer);
        for happening in &self.buffer {
            self.plain.count += 1;
            self.detectors.observe(&Facts {
                at: Timestamp(happening.at),
                pattern: PatternId(happening.pattern + 1),
                is_new_pattern: happening.is_new,
                is_error: happening.is_error,
                duration_ms: Some(happening.duration_ms),
            });
        }
        self.detectors.close(Timestamp(end));
        let plain = if end % MINUTE_MS == 0 { self.plain.close() } else { (false, false) };
        (end, self.detectors.take_signals(), plain)
    }
}

/// Whether a signal of this kind, about this series, is an answer to the fault.
fn answers(fault: FaultKind, signal: &Signal) -> bool {
    let job = Subject::Pattern(PatternId(1));
    match fault {
        FaultKind::Burst | FaultKind::LevelShift => matches!(signal.kind, SignalKind::Burst | SignalKind::LevelShift),
        FaultKind::Drop => matches!(signal.kind, SignalKind::Drop | SignalKind::Silence),
        FaultKind::Silence => {
            matches!(signal.kind, SignalKind::Drop | SignalKind::Silence) && signal.subject == Subject::Component
        }
        FaultKind::ErrorRatio => signal.kind == SignalKind::ErrorRatio,
        FaultKind::Latency => signal.kind == SignalKind::LatencyShift,
        FaultKind::NewPattern => signal.kind == SignalKind::NewPattern,
        FaultKind::MissedJob => signal.kind == SignalKind::Missed && signal.subject == job,
    }
}

impl Scorecard {
    /// Runs these seeds. `explain` also writes each false signal.
    pub fn of(seeds: std::ops::Range<u64>, mut explain: impl FnMut(u64, &Signal)) -> Self {
        let mut card = Self { kinds: FAULTS.map(|kind| (kind, Line::default())).to_vec(), ..Self::default() };
        for seed in seeds {
            let mut run = Run::new(seed);
            card.quiet_weeks(&mut run, |signal| explain(seed, signal));
            for place in 0..FAULTS.len() {
                card.fault(&run, seed, place);
            }
        }
        card
    }

    fn quiet_weeks(&mut self, run: &mut Run, mut explain: impl FnMut(&Signal)) {
        let (mut any, mut alerting, mut z, mut threshold) = (false, false, false, false);
        loop {
            let (end, signals, plain) = run.step();
            any |= !signals.is_empty();
            alerting |= signals.iter().any(|signal| signal.is_alerting);
            signals.iter().for_each(&mut explain);
            (z, threshold) = (z | plain.0, threshold | plain.1);
            if end % HOUR_MS == 0 {
                self.quiet.0 += 1;
                self.quiet.1 += u64::from(any);
                self.quiet.2 += u64::from(alerting);
                self.plain_quiet.0 += u64::from(z);
                self.plain_quiet.1 += u64::from(threshold);
                (any, alerting, z, threshold) = (false, false, false, false);
            }
            if end >= QUIET_WEEKS * WEEK_MS {
                return;
            }
        }
    }

    fn fault(&mut self, run: &Run, seed: u64, place: usize) {
        let Some((kind, line)) = self.kinds.get_mut(place) else { return };
        let from = QUIET_WEEKS * WEEK_MS
            + (HOUR_MS + (seed as i64 * 7_919 + place as i64 * 104_729) % (20 * HOUR_MS)) / STEP_MS * STEP_MS;
        let fault = Fault::new(*kind, from);
        let mut run = run.clone();
        run.world = run.world.with(fault);
        let is_busy = run.world.rate(from) >= 10.0;
        line.made += 1;
        line.busy.0 += u32::from(is_busy);
        let (mut found, mut plain) = (None, (false, false));
        loop {
            let (end, signals, told) = run.step();
            if end > from {
                plain = (plain.0 | told.0, plain.1 | told.1);
                let answer = signals.iter().find(|signal| signal.at.0 >= from && answers(*kind, signal));
                found = found.or(answer.map(|signal| signal.at.0 - from));
            }
            if end >= fault.to + MINUTE_MS || found.is_some() && end > from + MINUTE_MS * 5 {
                break;
            }
        }
        line.busy.1 += u32::from(is_busy && found.is_some());
        line.delays.extend(found);
        line.plain = (line.plain.0 + u32::from(plain.0), line.plain.1 + u32::from(plain.1));
    }

    /// The table as people read it.
    pub fn table(&self) -> String {
        let mut out = String::from("fault         made  found %  of busy %  median s  z-score %  threshold %\n");
        let percent = |part: u32, whole: u32| 100.0 * f64::from(part) / f64::from(whole.max(1));
        for (kind, line) in &self.kinds {
            let mut delays = line.delays.clone();
            delays.sort_unstable();
            let median = delays
                .get(delays.len() / 2)
                .map_or_else(|| "-".into(), |delay| format!("{:.0}", *delay as f64 / 1_000.0));
            let found = percent(delays.len() as u32, line.made);
            let busy = percent(line.busy.1, line.busy.0);
            let _ = writeln!(
                out,
                "{:12} {:5} {found:8.1} {busy:10.1} {median:>9} {:10.1} {:12.1}",
                format!("{kind:?}"),
                line.made,
                percent(line.plain.0, line.made),
                percent(line.plain.1, line.made)
            );
        }
        let share = |part: u64| 100.0 * part as f64 / self.quiet.0.max(1) as f64;
        let _ = writeln!(
            out,
            "quiet component-hours {}: with a signal {:.3} %, alerting {:.3} %; z-score {:.3} %, threshold {:.3} %",
            self.quiet.0,
            share(self.quiet.1),
            share(self.quiet.2),
            share(self.plain_quiet.0),
            share(self.plain_quiet.1)
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_statistics_is_found_everywhere_and_quiet_weeks_are_quiet() {
        let card = Scorecard::of(0..1, |_, _| ());
        for (kind, line) in &card.kinds {
            assert_eq!(line.made, 1);
            if matches!(kind, FaultKind::NewPattern | FaultKind::MissedJob) {
                assert_eq!(line.delays.len(), 1, "{}", card.table());
            }
        }
        assert_eq!(card.quiet.0, 504);
        assert!(card.quiet.1 * 50 <= card.quiet.0, "{}", card.table());
    }
}
