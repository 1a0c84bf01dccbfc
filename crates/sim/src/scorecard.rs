//! How many faults are found, how soon, and how often something is told that is none.
//!
//! Each seed's world runs quiet for three weeks; then it is run once more for every kind of fault, from the state
//! reached. A plain z-score and a static threshold see the same minutes.

use crate::delivery::Delivery;
use crate::oracle::{self, Oracle};
use crate::scenario::{FAULTS, Fault, FaultKind, Happening, STEP_MS, World};
use sapwood_engine::detect::{Detectors, Facts, Signal, SignalKind, Subject};
use sapwood_engine::machine::stream::WIDENED_FOR;
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;

const MINUTE_MS: i64 = 60_000;
/// Later than this records raise nothing (the product's default).
const LATENESS_MS: i64 = 5 * MINUTE_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;

/// Share of the quiet hours in which the oracle may tell something, for each kind by itself: all that is allowed for
/// any signal (1 %) over the six kinds it knows.
const ORACLE_SHARE: f64 = 0.01 / 6.0;
/// Weeks without a fault, the cold start among them.
const QUIET_WEEKS: i64 = 3;

/// Rates that faults are told apart by: records a minute below which a class ends.
const CLASSES: [(&str, f64); 4] = [("< 3", 3.0), ("3-10", 10.0), ("10-30", 30.0), ("30 up", f64::INFINITY)];

/// One fault and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// What was made.
    pub kind: FaultKind,
    /// Place among the classes of rates, by the rate when it began.
    pub class: usize,
    /// Milliseconds from its start to the first signal that answers it.
    pub delay: Option<i64>,
    /// Whether one of its answers would wake people.
    pub is_alerting: bool,
    /// The largest log-likelihood ratio that the oracle saw of it; none where no statistics are needed.
    pub oracle: Option<f64>,
    /// Found by a z-score above 4, and by a threshold of twice the first day's highest minute.
    pub plain: (bool, bool),
}

/// The whole table.
#[derive(Clone, Debug, Default)]
pub struct Scorecard {
    /// Every fault that was made.
    pub trials: Vec<Trial>,
    /// Quiet component-hours, those with any signal, those with an alerting one.
    pub quiet: (u64, u64, u64),
    /// The same of hours with a deploy, or just after one; and of hours with an outage of the collector.
    pub deployed: (u64, u64, u64),
    /// Of hours with an outage of the collector, or just after one.
    pub out: (u64, u64, u64),
    /// Signals of the quiet hours, all and alerting, by kind.
    pub false_signals: BTreeMap<SignalKind, (u64, u64)>,
    /// The same of the hours with a deploy.
    pub deploy_signals: BTreeMap<SignalKind, (u64, u64)>,
    /// Quiet component-hours in which the z-score, and the threshold, told something.
    pub plain_quiet: (u64, u64),
    /// For each kind the oracle waits for, its largest ratio in each quiet hour.
    oracle_hours: [Vec<f64>; oracle::KINDS.len()],
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

/// A component on its way through its world.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) delivery: Delivery,
    pub(crate) detectors: Detectors,
    /// Whether deploys are announced, or named by records, which is when the object widens its baseline.
    is_announced: bool,
    plain: Plain,
    oracle: Oracle,
    buffer: Vec<Happening>,
    arrived: Vec<(i64, Happening)>,
    /// How late records come, as the object learns it, and when its alarm last closed what was due.
    delay: i64,
    age: i64,
    newest: i64,
    looked_at: i64,
}

/// What one step brought.
pub(crate) struct Step {
    pub(crate) end: i64,
    /// Each with the time at which it was told.
    pub(crate) signals: Vec<(i64, Signal)>,
    plain: (bool, bool),
    oracle: [f64; oracle::KINDS.len()],
}

impl Run {
    fn new(seed: u64, is_plain: bool) -> Self {
        Self::of(World::new(seed, None), seed, is_plain)
    }

    /// Of this world; deploys and the collector are those of the seed.
    pub(crate) fn of(world: World, seed: u64, is_plain: bool) -> Self {
        Self {
            world: if is_plain { world } else { world.deployed(seed) },
            delivery: if is_plain { Delivery::direct() } else { Delivery::new(seed) },
            detectors: Detectors::default(),
            is_announced: false,
            plain: Plain::default(),
            oracle: Oracle::default(),
            buffer: Vec::new(),
            arrived: Vec::new(),
            delay: 0,
            age: 0,
            newest: 0,
            looked_at: 0,
        }
    }

    pub(crate) fn step(&mut self) -> Step {
        self.buffer.clear();
        let law = self.world.law();
        let end = self.world.step(&mut self.buffer);
        let begin = Timestamp(end - STEP_MS);
        if self.is_announced && self.world.is_deployed(begin.0, end) {
            self.detectors.widen(vec![(begin, begin.plus(WIDENED_FOR))]);
        }
        let oracle = self.oracle.step(&law, &self.buffer);
        self.buffer.iter().for_each(|&happening| self.delivery.hand(happening));
        self.arrived.clear();
        self.delivery.arrived(end, &mut self.arrived);
        let mut signals = Vec::new();
        for (at, happening) in std::mem::take(&mut self.arrived) {
            self.learn_delay(at, happening.at);
            self.plain.count += 1;
            self.detectors.observe(&Facts {
                at: Timestamp(happening.at),
                pattern: PatternId(happening.pattern + 1),
                is_new_pattern: happening.is_new,
                is_error: happening.is_error,
                duration_ms: Some(happening.duration_ms),
            });
            signals.extend(self.detectors.take_signals().into_iter().map(|signal| (at, signal)));
        }
        self.wake(end);
        signals.extend(self.detectors.take_signals().into_iter().map(|signal| (end, signal)));
        let plain = if end % MINUTE_MS == 0 { self.plain.close() } else { (false, false) };
        Step { end, signals, plain, oracle }
    }

    /// As the object does it: the longest delay of late, slowly forgotten, and the age of the newest record.
    fn learn_delay(&mut self, at: i64, own: i64) {
        if own > self.newest {
            (self.newest, self.age) = (own, at - own);
        }
        if at - own <= LATENESS_MS {
            self.delay = (at - own).max(self.delay - self.delay / 32);
        }
    }

    /// The object's alarm: what is due, once records had the time to arrive, at most once a minute.
    fn wake(&mut self, now: i64) {
        let grace = self.delay.min(LATENESS_MS).max(self.age);
        let due = self.detectors.next_deadline().map(|at| (at.0 + grace).max(self.looked_at + MINUTE_MS));
        if due.is_some_and(|due| due <= now) {
            self.looked_at = now;
            self.detectors.close(Timestamp(now - grace));
        }
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
    /// Runs these seeds; `is_plain` leaves deploys and the collector out, with `is_announced` deploys are told of.
    /// `explain` also writes each false signal.
    pub fn of(
        seeds: std::ops::Range<u64>,
        (is_plain, is_announced): (bool, bool),
        mut explain: impl FnMut(u64, &Signal),
    ) -> Self {
        let mut card = Self::default();
        for seed in seeds {
            let mut run = Run { is_announced, ..Run::new(seed, is_plain) };
            card.quiet_weeks(&mut run, |signal| explain(seed, signal));
            for (place, kind) in FAULTS.into_iter().enumerate() {
                let from = QUIET_WEEKS * WEEK_MS
                    + (HOUR_MS + (seed as i64 * 7_919 + place as i64 * 104_729) % (20 * HOUR_MS)) / STEP_MS * STEP_MS;
                card.trials.push(trial(run.clone(), Fault::new(kind, from)));
            }
        }
        card
    }

    fn quiet_weeks(&mut self, run: &mut Run, mut explain: impl FnMut(&Signal)) {
        let (mut any, mut alerting, mut z, mut threshold) = (false, false, false, false);
        let mut largest = [f64::NEG_INFINITY; oracle::KINDS.len()];
        loop {
            let Step { end, signals, plain, oracle } = run.step();
            let from = (end - 1).div_euclid(HOUR_MS) * HOUR_MS;
            // A deploy, an outage and the hour after them are told of apart.
            let is_out = run.delivery.is_out(from - HOUR_MS, from + HOUR_MS);
            let is_deployed = run.world.is_deployed(from - HOUR_MS, from + HOUR_MS);
            let is_quiet = !is_out && !is_deployed;
            for (_, signal) in signals.iter().filter(|_| is_quiet) {
                let count = self.false_signals.entry(signal.kind).or_default();
                *count = (count.0 + 1, count.1 + u64::from(signal.is_alerting));
                explain(signal);
            }
            for (_, signal) in signals.iter().filter(|_| is_deployed && !is_out) {
                let count = self.deploy_signals.entry(signal.kind).or_default();
                *count = (count.0 + 1, count.1 + u64::from(signal.is_alerting));
            }
            any |= !signals.is_empty();
            alerting |= signals.iter().any(|(_, signal)| signal.is_alerting);
            (z, threshold) = (z | plain.0, threshold | plain.1);
            largest.iter_mut().zip(oracle).for_each(|(largest, ratio)| *largest = largest.max(ratio));
            if end % HOUR_MS == 0 && !is_quiet {
                let hours = if is_out { &mut self.out } else { &mut self.deployed };
                *hours = (hours.0 + 1, hours.1 + u64::from(any), hours.2 + u64::from(alerting));
                (any, alerting, z, threshold) = (false, false, false, false);
                largest = [f64::NEG_INFINITY; oracle::KINDS.len()];
            } else if end % HOUR_MS == 0 {
                self.quiet.0 += 1;
                self.quiet.1 += u64::from(any);
                self.quiet.2 += u64::from(alerting);
                self.plain_quiet.0 += u64::from(z);
                self.plain_quiet.1 += u64::from(threshold);
                (any, alerting, z, threshold) = (false, false, false, false);
                self.oracle_hours.iter_mut().zip(largest).for_each(|(hours, largest)| hours.push(largest));
                largest = [f64::NEG_INFINITY; oracle::KINDS.len()];
            }
            if end >= QUIET_WEEKS * WEEK_MS {
                return;
            }
        }
    }

    /// For each kind the ratio above which the oracle tells something in this share of the quiet hours.
    fn oracle_thresholds(&self, share: f64) -> [f64; oracle::KINDS.len()] {
        let mut hours = self.oracle_hours.clone();
        let mut thresholds = [f64::INFINITY; oracle::KINDS.len()];
        for (hours, threshold) in hours.iter_mut().zip(&mut thresholds) {
            hours.sort_unstable_by(f64::total_cmp);
            let place = ((1.0 - share) * hours.len() as f64) as usize;
            *threshold = hours.get(place).copied().unwrap_or(f64::INFINITY).max(0.0);
        }
        thresholds
    }

    /// The table as people read it.
    pub fn table(&self) -> String {
        let mut out =
            String::from("fault         made  found %  alerting %  possible %  median s  z-score %  threshold %");
        CLASSES.iter().for_each(|(name, _)| {
            let _ = write!(out, " {:>12}", format!("{name} /min"));
        });
        out.push('\n');
        let thresholds = self.oracle_thresholds(ORACLE_SHARE);
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        for kind in FAULTS {
            let trials: Vec<_> = self.trials.iter().filter(|trial| trial.kind == kind).collect();
            let is_possible = |trial: &Trial| {
                let place = oracle::KINDS.iter().position(|&known| known == kind);
                let threshold = place.and_then(|place| thresholds.get(place));
                trial.oracle.zip(threshold).is_none_or(|(ratio, threshold)| ratio > *threshold)
            };
            let mut delays: Vec<_> = trials.iter().filter_map(|trial| trial.delay).collect();
            delays.sort_unstable();
            let median = delays
                .get(delays.len() / 2)
                .map_or_else(|| "-".into(), |delay| format!("{:.0}", *delay as f64 / 1_000.0));
            let share =
                |is: &dyn Fn(&Trial) -> bool| percent(trials.iter().filter(|trial| is(trial)).count(), trials.len());
            let _ = write!(
                out,
                "{:12} {:5} {:8.1} {:11.1} {:11.1} {median:>9} {:10.1} {:12.1}",
                format!("{kind:?}"),
                trials.len(),
                share(&|trial| trial.delay.is_some()),
                share(&|trial| trial.is_alerting),
                share(&is_possible),
                share(&|trial| trial.plain.0),
                share(&|trial| trial.plain.1),
            );
            for class in 0..CLASSES.len() {
                let those: Vec<_> = trials.iter().filter(|trial| trial.class == class).collect();
                let found = those.iter().filter(|trial| trial.delay.is_some()).count();
                let possible = those.iter().filter(|trial| is_possible(trial)).count();
                let _ = write!(out, " {:>12}", format!("{found}/{possible} of {}", those.len()));
            }
            out.push('\n');
        }
        self.write_quiet(&mut out);
        out
    }

    fn write_quiet(&self, out: &mut String) {
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
        for (name, (hours, any, alerting)) in [("deploy", self.deployed), ("collector outage", self.out)] {
            let share = |part: u64| 100.0 * part as f64 / hours.max(1) as f64;
            let (any, alerting) = (share(any), share(alerting));
            let _ = writeln!(out, "hours with a {name} {hours}: with a signal {any:.3} %, alerting {alerting:.3} %");
        }
        for (what, signals) in [("false signals", &self.false_signals), ("at a deploy", &self.deploy_signals)] {
            let _ = write!(out, "{what} (alerting):");
            for (kind, (all, alerting)) in signals {
                let _ = write!(out, " {} {all} ({alerting})", kind.as_str());
            }
            out.push('\n');
        }
    }
}

/// Plays a fault to its end.
pub(crate) fn trial(mut run: Run, fault: Fault) -> Trial {
    run.world = run.world.with(fault);
    let rate = run.world.rate(fault.from);
    let place = oracle::KINDS.iter().position(|&kind| kind == fault.kind);
    let mut trial = Trial {
        kind: fault.kind,
        class: CLASSES.iter().position(|&(_, below)| rate < below).unwrap_or(0),
        delay: None,
        is_alerting: false,
        oracle: place.map(|_| f64::NEG_INFINITY),
        plain: (false, false),
    };
    // Clocks are behind by up to 20 s, and what was told before the fault is no answer.
    let is_after = |told: i64, signal: &Signal| told >= fault.from && signal.at.0 >= fault.from - 20_000;
    loop {
        let Step { end, signals, plain, oracle } = run.step();
        if end > fault.from {
            trial.plain = (trial.plain.0 | plain.0, trial.plain.1 | plain.1);
            let answer = signals.iter().find(|(told, signal)| is_after(*told, signal) && answers(fault.kind, signal));
            trial.delay = trial.delay.or(answer.map(|(told, _)| told - fault.from));
            trial.is_alerting |= signals
                .iter()
                .any(|(told, signal)| is_after(*told, signal) && signal.is_alerting && answers(fault.kind, signal));
            let ratio = place.and_then(|place| oracle.get(place));
            trial.oracle = trial.oracle.zip(ratio).map(|(largest, ratio)| largest.max(*ratio));
        }
        if end >= fault.to + MINUTE_MS {
            return trial;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_statistics_is_found_everywhere_and_quiet_weeks_are_quiet() {
        let card = Scorecard::of(0..1, (false, true), |_, _| ());
        assert_eq!(card.trials.len(), FAULTS.len());
        for trial in &card.trials {
            let needs_none = matches!(trial.kind, FaultKind::NewPattern | FaultKind::MissedJob);
            assert_eq!(trial.oracle.is_none(), needs_none);
            assert!(trial.delay.is_some() || !needs_none, "{}", card.table());
        }
        assert_eq!(card.quiet.0 + card.deployed.0 + card.out.0, 504);
        assert!(card.quiet.1 * 50 <= card.quiet.0, "{}", card.table());
    }
}
