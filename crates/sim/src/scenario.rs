//! Weeks of components that do not exist, with faults of known kind and start: what detectors are measured on.
//!
//! A world draws a component (rate, daily and weekly rhythm, burstiness, error share, durations, a regular job, deploys)
//! and gives its records one by one; half of them see a change of daylight saving in the third or fourth week. A fault
//! changes the rates while it lasts. The same seed gives the same records; arithmetic beyond integers is addition,
//! multiplication and the engine's own exponential, so that this holds on every machine.

use crate::oracle::ln_sum;
use crate::random::Random;
use sapwood_engine::baseline::special::{exp, ln};

/// Milliseconds of one step of the generator.
pub const STEP_MS: i64 = 10_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Three times the rate for 60 s.
    Burst,
    /// 30 % of the rate.
    Drop,
    /// No record at all.
    Silence,
    /// One and a half times the rate, for good.
    LevelShift,
    /// Five points more errors.
    ErrorRatio,
    /// Durations twice as long.
    Latency,
    /// One line of a shape never seen.
    NewPattern,
    /// The regular job does not report.
    MissedJob,
}

/// All of them.
pub const FAULTS: [FaultKind; 8] = [
    FaultKind::Burst,
    FaultKind::Drop,
    FaultKind::Silence,
    FaultKind::LevelShift,
    FaultKind::ErrorRatio,
    FaultKind::Latency,
    FaultKind::NewPattern,
    FaultKind::MissedJob,
];

/// A fault with its place in time, in milliseconds since the world began.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When it begins.
    pub from: i64,
    /// When it is over.
    pub to: i64,
}

impl Fault {
    /// A fault of this kind, as long as its kind lasts; it begins at `from`.
    pub fn new(kind: FaultKind, from: i64) -> Self {
        let length = match kind {
            FaultKind::Burst => MINUTE_MS,
            FaultKind::Drop | FaultKind::ErrorRatio | FaultKind::Latency => HOUR_MS,
            FaultKind::Silence | FaultKind::MissedJob | FaultKind::LevelShift => 3 * HOUR_MS,
            FaultKind::NewPattern => STEP_MS,
        };
        Self { kind, from, to: from + length }
    }

    fn is_on(&self, kind: FaultKind, at: i64) -> bool {
        self.kind == kind && (self.from..self.to).contains(&at)
    }
}

/// One record, as far as detectors look at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Happening {
    /// Milliseconds since the world began.
    pub at: i64,
    /// Its pattern; 0 is the regular job.
    pub pattern: u64,
    /// The first of its pattern.
    pub is_new: bool,
    /// Level error or worse.
    pub is_error: bool,
    /// Milliseconds.
    pub duration_ms: f64,
}

/// The law that the records of one step follow when nothing is wrong: the truth, which detectors have to guess.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// Mean records of the step, faults and clumps aside.
    pub mean: f64,
    /// Chance that the step is a clump of twice the rate.
    pub clumps: f64,
    /// Share of errors.
    pub error_share: f64,
    /// Scale of the durations in milliseconds.
    pub duration_ms: f64,
}

impl Law {
    /// Whether chance brought this record, and not the clock or a fault.
    pub fn is_random(&self, record: &Happening) -> bool {
        record.pattern != JOB && record.pattern < STARTUP
    }

    /// Logarithm of the chance of `count` records at `factor` times the rate, up to what does not depend on the factor.
    pub fn ln_count(&self, count: f64, factor: f64) -> f64 {
        let at = |mean: f64| count * ln(mean.max(1e-12)) - mean;
        let plain = ln(1.0 - self.clumps) + at(self.mean * factor);
        if self.clumps > 0.0 { ln_sum(plain, ln(self.clumps) + at(2.0 * self.mean * factor)) } else { plain }
    }

    /// How much likelier (logarithm) a duration is when everything takes twice as long. Durations are the scale times
    /// 0.3 and an exponential.
    pub fn ln_twice_as_slow(&self, duration_ms: f64) -> f64 {
        let times = duration_ms / self.duration_ms;
        if times < 0.6 { -1e3 } else { times / 2.0 - ln(2.0) }
    }
}

/// Pattern of the regular job, and that of the fault [`FaultKind::NewPattern`].
pub const JOB: u64 = 0;
const NOVEL: u64 = 1_000_000;
/// Patterns from here on are not drawn by chance: what a start writes, and what a release brought.
const STARTUP: u64 = 500;
const RELEASED: u64 = 600;

/// When a component is deployed, and what that does: nothing for a while, then the lines of a start.
#[derive(Clone, Copy, Debug)]
struct Deploys {
    /// Milliseconds between two, and how long nothing is written.
    every_ms: i64,
    pause_ms: i64,
    /// Lines of a start; every third deploy brings a pattern of its own.
    lines: u64,
}

/// A component's nature.
#[derive(Clone, Debug)]
pub struct World {
    random: Random,
    /// Mean records a minute.
    pub per_minute: f64,
    /// How far the day swings: 0 is flat.
    swing: f64,
    weekend: f64,
    /// Thousandths of steps that are clumps, and their factor.
    clumps: u64,
    error_share: f64,
    duration_ms: f64,
    /// Milliseconds between two reports of the regular job.
    pub job_period: i64,
    patterns: u64,
    seen: Vec<bool>,
    dst_at: i64,
    deploys: Option<Deploys>,
    fault: Option<Fault>,
    at: i64,
}

impl World {
    /// The world of this seed; the same world with and without a fault differs only by the fault.
    pub fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9) ^ 0x5a9_0c0de);
        let per_minute = *random.pick(&[1.0, 2.0, 5.0, 12.0, 20.0, 40.0, 60.0, 120.0]);
        let swing = *random.pick(&[0.0, 0.3, 0.6, 0.8]);
        let patterns = random.between(5, 40);
        Self {
            per_minute,
            swing,
            weekend: *random.pick(&[1.0, 1.0, 0.5]),
            clumps: *random.pick(&[0, 0, 10, 30]),
            error_share: random.between(0, 20) as f64 / 1_000.0,
            duration_ms: random.between(5, 400) as f64,
            job_period: *random.pick(&[1, 5, 10, 15]) * MINUTE_MS,
            patterns,
            seen: vec![false; patterns as usize + 1],
            dst_at: if random.permille(500) { random.between(14, 26) as i64 * DAY_MS } else { i64::MAX },
            deploys: None,
            random,
            fault,
            at: 0,
        }
    }

    /// This world with the deploys of its seed: every day or every few days in two of three worlds.
    pub fn deployed(mut self, seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0xa076_1d64) ^ 0x0deb_10e5);
        let days = *random.pick(&[0, 1, 3]);
        let (hours, pause) = (random.between(1, 10) as i64, random.between(1, 4) as i64);
        let lines = random.between(5, 15);
        self.deploys = (days > 0).then_some(Deploys {
            every_ms: days * DAY_MS + hours * HOUR_MS,
            pause_ms: pause * STEP_MS,
            lines,
        });
        self
    }

    /// This world with the hours and the weekend of another: people work at the same time in both.
    pub fn in_step_with(mut self, other: &Self) -> Self {
        (self.swing, self.weekend, self.dst_at) = (other.swing, other.weekend, other.dst_at);
        self
    }

    /// This world, born at this time.
    pub fn born_at(mut self, at: i64) -> Self {
        self.at = at.div_euclid(STEP_MS) * STEP_MS;
        self
    }

    /// Whether the component is deployed within this time.
    pub fn is_deployed(&self, from: i64, to: i64) -> bool {
        self.deploys.is_some_and(|deploys| to.div_euclid(deploys.every_ms) > from.div_euclid(deploys.every_ms))
    }

    /// This world as it stands, with a fault to come.
    pub fn with(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Records a minute that are due at this time, faults aside.
    pub fn rate(&self, at: i64) -> f64 {
        let local = if at >= self.dst_at { at + HOUR_MS } else { at };
        let hour = local.rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
        // A parabola of the day: highest at 14 h, lowest at 2 h, mean 1.
        let off = ((hour - 14.0).abs()).min(24.0 - (hour - 14.0).abs()) / 12.0;
        let day = 1.0 + self.swing * (1.0 - 3.0 * off * off * (1.5 - off) / 0.75).clamp(-1.0, 1.0);
        let week = if local.div_euclid(DAY_MS).rem_euclid(7) >= 5 { self.weekend } else { 1.0 };
        self.per_minute * day * week
    }

    /// The law of the step that [`World::step`] gives next.
    pub fn law(&self) -> Law {
        Law {
            mean: self.rate(self.at) * STEP_MS as f64 / MINUTE_MS as f64,
            clumps: self.clumps as f64 / 1_000.0,
            error_share: self.error_share,
            duration_ms: self.duration_ms,
        }
    }

    /// The records of the next step, in order, and the end of it.
    pub fn step(&mut self, out: &mut Vec<Happening>) -> i64 {
        let (from, to) = (self.at, self.at + STEP_MS);
        self.at = to;
        let is = |kind| self.fault.is_some_and(|fault| fault.is_on(kind, from));
        let (silent, slow, failing) = (is(FaultKind::Silence), is(FaultKind::Latency), is(FaultKind::ErrorRatio));
        let (jobless, novel) = (is(FaultKind::MissedJob), is(FaultKind::NewPattern));
        let mut rate = self.rate(from) * STEP_MS as f64 / MINUTE_MS as f64;
        for (kind, times) in [(FaultKind::Burst, 3.0), (FaultKind::Drop, 0.3), (FaultKind::LevelShift, 1.5)] {
            rate *= if is(kind) { times } else { 1.0 };
        }
        if self.clumps > 0 && self.random.permille(self.clumps) {
            rate *= 2.0;
        }
        let count = if silent { 0 } else { self.poisson(rate) };
        let count = if self.is_starting(from, out) { 0 } else { count };
        let error_share = self.error_share + if failing { 0.05 } else { 0.0 };
        for _ in 0..count {
            let at = from + self.random.below(STEP_MS as u64) as i64;
            let pattern = 1 + self.random.skewed(self.patterns);
            let is_error = self.random.permille((error_share * 1_000.0) as u64);
            let duration_ms = self.duration(slow);
            out.push(Happening { at, pattern, is_new: self.first(pattern), is_error, duration_ms });
        }
        if !silent && !jobless && to / self.job_period > from / self.job_period {
            let at = from + self.random.below(2_000) as i64;
            let duration_ms = self.duration(slow);
            out.push(Happening { at, pattern: JOB, is_new: self.first(JOB), is_error: false, duration_ms });
        }
        if novel {
            out.push(Happening { at: from, pattern: NOVEL, is_new: true, is_error: false, duration_ms: 1.0 });
        }
        out.sort_by_key(|happening| happening.at);
        to
    }

    /// Whether a deploy keeps the component from its work; writes the lines of the start.
    fn is_starting(&mut self, from: i64, out: &mut Vec<Happening>) -> bool {
        let Some(Deploys { every_ms, pause_ms, lines }) = self.deploys else { return false };
        let (number, into) = (from.div_euclid(every_ms), from.rem_euclid(every_ms));
        if number == 0 || into >= pause_ms + STEP_MS {
            return false;
        }
        if into < pause_ms {
            return true;
        }
        let mut write = |at, pattern, is_new| {
            out.push(Happening { at, pattern, is_new, is_error: false, duration_ms: 1.0 });
        };
        for line in 0..lines {
            write(from + line as i64 * 300, STARTUP + line, number == 1);
        }
        if number % 3 == 0 {
            write(from + 6_000, RELEASED + number.unsigned_abs(), true);
        }
        false
    }

    fn first(&mut self, pattern: u64) -> bool {
        self.seen.get_mut(pattern as usize).is_some_and(|seen| !std::mem::replace(seen, true))
    }

    fn duration(&mut self, is_slow: bool) -> f64 {
        let usual = self.duration_ms * (0.3 + self.random.gap(1_000) as f64 / 1_000.0);
        if is_slow { usual * 2.0 } else { usual }
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        // Knuth's product in parts of at most 20, where the exponential is far from underflow.
        let mut rest = mean;
        let mut count = 0;
        while rest > 0.0 {
            let part = rest.min(20.0);
            rest -= part;
            let (limit, mut product) = (exp(-part), 1.0);
            loop {
                product *= self.random.below(1 << 53) as f64 / (1u64 << 53) as f64;
                if product <= limit {
                    break;
                }
                count += 1;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(seed: u64, fault: Option<Fault>, steps: usize) -> Vec<Happening> {
        let (mut world, mut out) = (World::new(seed, fault), Vec::new());
        for _ in 0..steps {
            let mut step = Vec::new();
            world.step(&mut step);
            out.extend(step);
        }
        out
    }

    #[test]
    fn a_seed_means_the_same_records_in_order() {
        let first = records(3, None, 2_000);
        assert_eq!(first, records(3, None, 2_000));
        assert!(first.windows(2).all(|pair| pair[0].at <= pair[1].at));
        assert_ne!(first, records(4, None, 2_000));
    }

    #[test]
    fn rates_are_those_that_were_promised() {
        for seed in 0..6 {
            let world = World::new(seed, None);
            let due: f64 = (0..8_640).map(|step| world.rate(step * STEP_MS) / 6.0).sum();
            let seen = records(seed, None, 8_640).len() as f64 - DAY_MS as f64 / world.job_period as f64;
            assert!((seen / due - 1.0).abs() < 0.15, "{seed}: {seen} of {due}");
        }
    }

    #[test]
    fn a_deploy_is_a_pause_and_the_lines_of_a_start() {
        let seed = (0..).find(|&seed| World::new(seed, None).deployed(seed).deploys.is_some()).unwrap_or(0);
        let mut world = World::new(seed, None).deployed(seed);
        world.per_minute = 1.0;
        let deploys = world.deploys.unwrap();
        let mut records = Vec::new();
        while world.at < deploys.every_ms + HOUR_MS {
            world.step(&mut records);
        }
        let start: Vec<_> = records.iter().filter(|record| (STARTUP..RELEASED).contains(&record.pattern)).collect();
        assert_eq!(start.len() as u64, deploys.lines);
        assert!(start.iter().all(|record| record.at >= deploys.every_ms + deploys.pause_ms && record.is_new));
        assert!(world.is_deployed(deploys.every_ms - 1, deploys.every_ms) && !world.is_deployed(0, HOUR_MS));
    }

    #[test]
    fn faults_do_what_they_say_and_nothing_before() {
        let from = HOUR_MS;
        for kind in FAULTS {
            let (plain, faulty) = (records(5, None, 720), records(5, Some(Fault::new(kind, from)), 720));
            let before = |all: &[Happening]| all.iter().take_while(|h| h.at < from).copied().collect::<Vec<_>>();
            assert_eq!(before(&plain), before(&faulty), "{kind:?}");
            assert_ne!(plain, faulty, "{kind:?}");
        }
        let silent = records(5, Some(Fault::new(FaultKind::Silence, from)), 720);
        assert!(silent.iter().all(|h| h.at < from));
    }
}
