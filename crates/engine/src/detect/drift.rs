//! Values that are not what they were: the numbers of a variable are distributed otherwise, one of few values takes
//! another share, or a value comes that never came.
//!
//! The miner counts every value of every pattern anyway ([`crate::pattern::Variable`]), so that nothing has to be done
//! as records come: each half hour the difference of two readings of its sketches is what came since. Numbers are asked
//! how many lie above each of five marks (quantiles of what was seen when the watch began), enumerations how often each
//! value came. A share has a beta-binomial law around the usual one, of at most [`EVIDENCE_MAX`] values, and of fewer as far as
//! values come in clumps; how far it may be believed is learned too ([`Habit`]). Told is what two half hours in a row say, in the
//! same direction, of what passes the common test of all variables; after [`ABSORBED_AFTER`] of them it is the new usual.
//! A new value of a closed set is shown in its minute and wakes nobody.
//!
//! Bounded: [`WATCHES_MAX`] variables of about 500 bytes, of the patterns that bring most records.

use super::fdr::told_up_to;
use super::ratio_watch::ratio_reach;
use super::signal::{Signal, SignalKind, Subject};
use crate::baseline::tail::ratio_at_least;
use crate::baseline::{Habit, Mean};
use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::{Pattern, PatternId, Variable, VariableKind};
use crate::sketch::hash_of_value;
use crate::time::{Millis, Timestamp};

/// What is compared with the usual.
pub(crate) const PERIOD: Millis = Millis::from_mins(30);
/// Variables watched, and of one pattern.
const WATCHES_MAX: usize = 128;
const OF_PATTERN_MAX: usize = 4;
/// Values seen before a variable is watched, and in a period that says something.
const SEEN_MIN: u64 = 200;
const PERIOD_MIN: u64 = 50;
/// Values of a period that count as evidence, and how much the usual is worth at most.
const EVIDENCE_MAX: f64 = 200.0;
const STRENGTH_MAX: f64 = 500.0;
/// Where numbers are cut, in thousandths.
const MARKS: [u32; 5] = [100, 300, 500, 700, 900];
/// Fewer different numbers are a list, not a distribution.
const DISTINCT_MIN: u64 = 5;
const VALUES_MAX: usize = 8;
/// Periods learned before anything is judged, and before anybody is woken: a day.
const PERIODS_MIN: u32 = 6;
const PERIODS_TO_ALERT: u32 = 48;
/// What a period leaves of the usual: a day's memory.
const KEPT: f64 = 47.0 / 48.0;
/// How many times the usual one period may teach of how values clump.
const CLUMPING_TIMES: f64 = 4.0;
/// Weight of a period among those that teach how far the law is believed.
const HABIT_WEIGHT: f64 = 1.0 / 200.0;
/// A period this far off waits for the next one to say the same.
const PENDING_BELOW: f64 = 1e-4;
/// False findings that all variables may cost together in a period, and what wakes people.
const FALSE_SHARE: f64 = 1e-3;
pub(super) const ALERT_BELOW: f64 = 1e-9;
/// Periods in a row after which what is off is the usual.
const ABSORBED_AFTER: u32 = 8;
/// Values since the last new one after which a set is closed.
const CLOSED_MIN: u64 = 500;
const VERSION: u8 = 1;

/// What is counted of a variable.
#[derive(Clone, Debug, PartialEq)]
enum Measure {
    /// Numbers above each of these.
    Above(Vec<f64>),
    /// Values with each of these hashes.
    Values(Vec<u64>),
}

impl Measure {
    /// How a variable can be watched, if it can.
    fn of(variable: &Variable) -> Option<Self> {
        use VariableKind::{Duration, Float, Integer, Size};
        if variable.count() < SEEN_MIN {
            return None;
        }
        if variable.is_enumeration() {
            return Some(Self::Values(variable.counts().map(|(hash, _)| hash).collect()));
        }
        let is_number = matches!(variable.kind(), Integer | Float | Duration | Size);
        let (_, quantiles) = variable.numbers().filter(|_| is_number && variable.distinct().0 >= DISTINCT_MIN)?;
        let mut marks: Vec<f64> = MARKS.iter().filter_map(|&mark| quantiles.at(mark)).collect();
        marks.dedup();
        (quantiles.count() >= SEEN_MIN).then_some(Self::Above(marks))
    }

    /// Values so far, and how many of each class; none if they cannot be told apart any more.
    fn read(&self, variable: &Variable) -> Option<(u64, Vec<u64>)> {
        match self {
            Self::Above(marks) => {
                let (_, quantiles) = variable.numbers()?;
                let above = |mark: &f64| quantiles.count().saturating_sub(quantiles.at_most(*mark));
                Some((quantiles.count(), marks.iter().map(above).collect()))
            }
            Self::Values(hashes) => {
                if !variable.is_exact() {
                    return None;
                }
                let of = |hash: &u64| variable.counts().find(|(it, _)| it == hash).map_or(0, |(_, count)| count);
                Some((variable.count(), hashes.iter().map(of).collect()))
            }
        }
    }
}

/// Shares of classes among values.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shares {
    total: f64,
    hits: Vec<f64>,
}

impl Shares {
    fn none(classes: usize) -> Self {
        Self { total: 0.0, hits: vec![0.0; classes] }
    }

    fn learn(&mut self, other: &Self, kept: f64) {
        self.total = self.total * kept + other.total;
        self.hits.iter_mut().zip(&other.hits).for_each(|(hits, more)| *hits = *hits * kept + more);
    }

    fn scaled(&self, by: f64) -> Self {
        Self { total: self.total * by, hits: self.hits.iter().map(|hits| hits * by).collect() }
    }

    /// The share of a class, drawn a little to the middle: what never came may come.
    fn share(&self, class: usize) -> f64 {
        (self.hits.get(class).copied().unwrap_or(0.0) + 0.5) / (self.total + 1.0)
    }

    fn write(&self, out: &mut Writer) {
        out.f64(self.total);
        self.hits.iter().for_each(|&hits| out.f64(hits));
    }

    fn read(input: &mut Reader<'_>, classes: usize) -> Result<Self, ReadError> {
        let mut read = Self { total: input.f64()?, hits: Vec::with_capacity(classes) };
        for _ in 0..classes {
            read.hits.push(input.f64()?);
        }
        let is_finite = read.total.is_finite() && read.hits.iter().all(|hits| hits.is_finite());
        if is_finite { Ok(read) } else { Err(ReadError::Unknown("shares of values")) }
    }
}

/// How far a period is from the usual, where it is farthest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Off {
    class: usize,
    is_more: bool,
    probability: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Watch {
    pattern: PatternId,
    place: u8,
    /// Of the template, which may change.
    template: u64,
    measure: Measure,
    /// What the sketches said when the period began.
    before: (u64, Vec<u64>),
    began: Timestamp,
    usual: Shares,
    /// What came since it is off.
    recent: Shares,
    periods: u32,
    /// As how many values one counts, because values come in clumps: how far periods wander from the usual.
    clumping: Mean,
    habit: Habit,
    /// The period before was off, in this direction, since then.
    pending: Option<(Off, Timestamp)>,
    /// Periods in a row that were.
    far: u32,
    /// It was told.
    is_open: bool,
    /// Count of values when the last new one came.
    closed_since: u64,
}

impl Watch {
    fn begin(pattern: &Pattern, place: u8, variable: &Variable, now: Timestamp) -> Option<Self> {
        let measure = Measure::of(variable)?;
        let before = measure.read(variable)?;
        let classes = before.1.len();
        Some(Self {
            pattern: pattern.id,
            place,
            template: hash_of_value(&pattern.template),
            measure,
            closed_since: variable.count(),
            before,
            began: now,
            usual: Shares::none(classes),
            recent: Shares::none(classes),
            periods: 0,
            clumping: Mean::default(),
            habit: Habit::default(),
            pending: None,
            far: 0,
            is_open: false,
        })
    }

    fn subject(&self) -> Subject {
        Subject::Variable(self.pattern, self.place)
    }

    /// The variable it watches, if it is still that of this pattern.
    fn variable<'a>(&self, pattern: &'a Pattern) -> Option<&'a Variable> {
        let is_same = hash_of_value(&pattern.template) == self.template;
        pattern.variables.held().get(usize::from(self.place)).filter(|_| is_same)
    }

    /// A period is over: what it says, if that is to be told. None in the first place if it can be watched no more.
    fn close(&mut self, variable: &Variable, now: Timestamp) -> Option<Option<Signal>> {
        let read = self.measure.read(variable)?;
        let (total, hits) = (read.0.checked_sub(self.before.0), read.1.iter().zip(&self.before.1));
        let hits: Option<Vec<u64>> = hits.map(|(now, before)| now.checked_sub(*before)).collect();
        let (Some(total), Some(hits)) = (total, hits) else {
            // Values were taken back, or the sketch began anew.
            (self.before, self.began) = (read, now);
            return Some(None);
        };
        if total < PERIOD_MIN {
            return Some(None);
        }
        let began = std::mem::replace(&mut self.began, now);
        self.before = read;
        let scale = (EVIDENCE_MAX / total as f64).min(1.0);
        let came = Shares { total: total as f64, hits: hits.iter().map(|&hits| hits as f64).collect() }.scaled(scale);
        let off = self.off(&came.scaled(1.0 / self.clumping.value().max(1.0)));
        let is_judged = self.periods >= PERIODS_MIN;
        self.periods = self.periods.saturating_add(1);
        if !self.is_open {
            let wander = self.wander(&came);
            let most = if is_judged { CLUMPING_TIMES * self.clumping.value().max(1.0) } else { f64::INFINITY };
            self.clumping.learn(wander.min(most), 1.0 / f64::from(PERIODS_TO_ALERT));
            self.habit.learn(off.probability, HABIT_WEIGHT);
        }
        let off = Off { probability: self.habit.read(off.probability), ..off };
        if !is_judged || off.probability >= PENDING_BELOW {
            self.settle(&came);
            return Some(None);
        }
        let is_like = |before: &Off| {
            let is_same = matches!(self.measure, Measure::Above(_)) || before.class == off.class;
            is_same && before.is_more == off.is_more
        };
        let before = self.pending.filter(|(before, _)| is_like(before));
        let since = before.map_or(began, |(_, since)| since);
        self.pending = Some((off, since));
        (self.recent, self.far) = match before {
            // The first of them, or another than the one before.
            None => (came, 1),
            Some(_) => {
                let mut recent = std::mem::take(&mut self.recent);
                recent.learn(&came, 1.0);
                (recent, self.far + 1)
            }
        };
        if self.far >= ABSORBED_AFTER {
            // By now it is how it is.
            self.usual = std::mem::replace(&mut self.recent, Shares::none(hits.len()));
            (self.is_open, self.pending, self.far) = (false, None, 0);
        }
        let Some((before, _)) = before.filter(|_| self.far > 0 && !self.is_open) else { return Some(None) };
        let probability = before.probability.max(off.probability);
        let seen = hits.get(off.class).copied().unwrap_or(0);
        let (expected, reach) = ratio_reach(total, self.usual.share(off.class), self.strength());
        Some(Some(Signal {
            kind: SignalKind::ValueDrift,
            subject: self.subject(),
            at: now,
            since,
            window: now.since(began),
            expected,
            expected_low: (expected - reach).max(0.0),
            expected_high: expected + reach,
            seen,
            total,
            probability,
            is_alerting: probability < ALERT_BELOW && self.periods >= PERIODS_TO_ALERT,
        }))
    }

    /// A period was as usual: nothing is pending or open, and it is learned.
    fn settle(&mut self, came: &Shares) {
        if self.pending.take().is_some() && !self.is_open {
            // What was off for once is part of the usual.
            let recent = std::mem::replace(&mut self.recent, Shares::none(came.hits.len()));
            self.usual.learn(&recent, KEPT);
        }
        self.recent = Shares::none(came.hits.len());
        (self.is_open, self.far) = (false, 0);
        self.usual.learn(came, KEPT);
    }

    fn strength(&self) -> f64 {
        self.usual.total.clamp(1.0, STRENGTH_MAX)
    }

    /// How many times as far as chance alone a period's shares are from the usual, on average, as a variance.
    fn wander(&self, came: &Shares) -> f64 {
        if self.usual.total <= 0.0 {
            return 1.0;
        }
        let of_class = |(class, hits): (usize, &f64)| {
            let share = self.usual.share(class);
            let variance = (came.total * share * (1.0 - share)).max(0.5);
            (hits - came.total * share) * (hits - came.total * share) / variance
        };
        came.hits.iter().enumerate().map(of_class).sum::<f64>() / came.hits.len().max(1) as f64
    }

    /// Where a period is farthest from the usual, and how improbable that is for all that was asked.
    fn off(&self, came: &Shares) -> Off {
        let total = (came.total + 0.5) as u64;
        let mut farthest = Off { class: 0, is_more: true, probability: 1.0 };
        for (class, &hits) in came.hits.iter().enumerate() {
            let hits = ((hits + 0.5) as u64).min(total);
            let share = self.usual.share(class);
            let more = ratio_at_least(hits, total, share, self.strength());
            let fewer = ratio_at_least(total - hits, total, 1.0 - share, self.strength());
            for (is_more, probability) in [(true, more), (false, fewer)] {
                if probability < farthest.probability {
                    farthest = Off { class, is_more, probability };
                }
            }
        }
        let asked = 2.0 * came.hits.len() as f64;
        Off { probability: (farthest.probability * asked).min(1.0), ..farthest }
    }

    /// Takes in values that never came; tells the first if the set was closed.
    fn new_values(&mut self, variable: &Variable, now: Timestamp) -> Option<Signal> {
        let Measure::Values(hashes) = &mut self.measure else { return None };
        if !variable.is_exact() || variable.distinct().0 <= hashes.len() as u64 {
            return None;
        }
        let count = variable.count();
        let mut came = 0;
        for (hash, times) in variable.counts() {
            if hashes.len() < VALUES_MAX && !hashes.contains(&hash) {
                hashes.push(hash);
                came += times;
                self.before.1.push(0);
                self.usual.hits.push(0.0);
                self.recent.hits.push(0.0);
            }
        }
        let quiet = count.saturating_sub(self.closed_since.saturating_add(came));
        self.closed_since = count;
        if came == 0 || quiet < CLOSED_MIN || quiet < count / 2 {
            return None;
        }
        Some(Signal {
            kind: SignalKind::NewValue,
            subject: self.subject(),
            at: now,
            since: now.minus(Millis::from_mins(1)),
            window: Millis::from_mins(1),
            expected: 0.0,
            expected_low: 0.0,
            expected_high: 0.0,
            seen: came,
            total: count,
            probability: 1.0 / (quiet as f64 + 1.0),
            is_alerting: false,
        })
    }
}

impl Watch {
    fn write(&self, out: &mut Writer) {
        out.u64_fixed(self.pattern.0);
        out.u8(self.place);
        out.u64_fixed(self.template);
        let (is_values, classes): (bool, Vec<u64>) = match &self.measure {
            Measure::Above(marks) => (false, marks.iter().map(|mark| mark.to_bits()).collect()),
            Measure::Values(hashes) => (true, hashes.clone()),
        };
        out.u8(u8::from(is_values));
        out.uint(classes.len() as u64);
        classes.into_iter().for_each(|class| out.u64_fixed(class));
        out.uint(self.before.0);
        self.before.1.iter().for_each(|&count| out.uint(count));
        out.int(self.began.0);
        self.usual.write(out);
        self.recent.write(out);
        out.uint(u64::from(self.periods));
        self.clumping.write(out);
        self.habit.write(out);
        out.u8(u8::from(self.pending.is_some()));
        if let Some((off, since)) = self.pending {
            out.uint(off.class as u64);
            out.u8(u8::from(off.is_more));
            out.f64(off.probability);
            out.int(since.0);
        }
        out.uint(u64::from(self.far));
        out.u8(u8::from(self.is_open));
        out.uint(self.closed_since);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (pattern, place, template) = (PatternId(input.u64_fixed()?), input.u8()?, input.u64_fixed()?);
        let is_values = input.u8()? == 1;
        let classes = input.count()?;
        if classes > VALUES_MAX {
            return Err(ReadError::Overflow);
        }
        let marks: Result<Vec<u64>, ReadError> = (0..classes).map(|_| input.u64_fixed()).collect();
        let measure = match is_values {
            true => Measure::Values(marks?),
            false => Measure::Above(marks?.into_iter().map(f64::from_bits).collect()),
        };
        let total = input.uint()?;
        let counts: Result<Vec<u64>, ReadError> = (0..classes).map(|_| input.uint()).collect();
        let mut watch = Self {
            pattern,
            place,
            template,
            measure,
            before: (total, counts?),
            began: Timestamp(input.int()?).clamped(),
            usual: Shares::read(input, classes)?,
            recent: Shares::read(input, classes)?,
            periods: input.u32()?,
            clumping: Mean::read(input)?,
            habit: Habit::parse(input)?,
            pending: None,
            far: 0,
            is_open: false,
            closed_since: 0,
        };
        if input.u8()? == 1 {
            let off = Off { class: input.count()?, is_more: input.u8()? == 1, probability: input.f64()? };
            watch.pending = Some((off, Timestamp(input.int()?).clamped()));
        }
        watch.far = input.u32()?;
        watch.is_open = input.u8()? == 1;
        watch.closed_since = input.uint()?;
        Ok(watch)
    }
}

/// A variable that is watched, for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftOutline {
    /// Which.
    pub subject: Subject,
    /// Half hours learned.
    pub periods: u32,
    /// Whether its values are not what they were.
    pub is_open: bool,
}

/// The values of a component's variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Drifts {
    watches: Vec<Watch>,
    signals: Vec<Signal>,
}

impl Drifts {
    /// A period is over. `patterns` are all patterns, the most important first; `by_id` finds one of them.
    pub(crate) fn close<'a>(
        &mut self,
        patterns: &[&'a Pattern],
        by_id: impl Fn(PatternId) -> Option<&'a Pattern>,
        now: Timestamp,
    ) {
        let mut found: Vec<Signal> = Vec::new();
        let mut kept = Vec::with_capacity(self.watches.len());
        for mut watch in std::mem::take(&mut self.watches) {
            let Some(variable) = by_id(watch.pattern).and_then(|pattern| watch.variable(pattern)) else { continue };
            // A variable that can be read no more begins anew below.
            if let Some(signal) = watch.close(variable, now) {
                found.extend(signal);
                kept.push(watch);
            }
        }
        self.watches = kept;
        let most = told_up_to(found.iter().map(|signal| signal.probability), self.watches.len(), FALSE_SHARE);
        for signal in found {
            if signal.probability > most {
                continue;
            }
            if let Some(watch) = self.watches.iter_mut().find(|watch| watch.subject() == signal.subject) {
                watch.is_open = true;
            }
            self.signals.push(signal);
        }
        self.begin(patterns, now);
    }

    /// Watches more variables while there is room.
    fn begin(&mut self, patterns: &[&Pattern], now: Timestamp) {
        for pattern in patterns {
            let mut held = self.watches.iter().filter(|watch| watch.pattern == pattern.id).count();
            for (place, variable) in pattern.variables.held().iter().enumerate() {
                if self.watches.len() >= WATCHES_MAX || pattern.count < SEEN_MIN {
                    return;
                }
                let subject = Subject::Variable(pattern.id, place as u8);
                if held >= OF_PATTERN_MAX || self.watches.iter().any(|watch| watch.subject() == subject) {
                    continue;
                }
                if let Some(watch) = Watch::begin(pattern, place as u8, variable, now) {
                    self.watches.push(watch);
                    held += 1;
                }
            }
        }
    }

    /// A minute is over: looks for values that never came.
    pub(crate) fn look<'a>(&mut self, pattern: impl Fn(PatternId) -> Option<&'a Pattern>, now: Timestamp) {
        for watch in &mut self.watches {
            let Some(pattern) = pattern(watch.pattern) else { continue };
            let Some(variable) = watch.variable(pattern) else { continue };
            self.signals.extend(watch.new_values(variable, now));
        }
    }

    /// A pattern turned out to be another, with all that it counted.
    pub(crate) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        self.watches.retain(|watch| watch.pattern != from && watch.pattern != into);
    }

    pub(crate) fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }

    /// Whether the values of this variable are not what they were.
    pub(crate) fn is_open(&self, subject: Subject) -> bool {
        self.watches.iter().any(|watch| watch.is_open && watch.subject() == subject)
    }

    /// All variables watched.
    pub(crate) fn outlines(&self) -> impl Iterator<Item = DriftOutline> + '_ {
        let outline = |it: &Watch| DriftOutline { subject: it.subject(), periods: it.periods, is_open: it.is_open };
        self.watches.iter().map(outline)
    }

    /// As bytes, for rows. Signals not yet taken are not part of it.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.uint(self.watches.len() as u64);
        self.watches.iter().for_each(|watch| watch.write(out));
    }

    /// Reads what [`Drifts::write`] wrote.
    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of the drifts"));
        }
        let mut read = Self::default();
        for _ in 0..input.count()?.min(WATCHES_MAX) {
            read.watches.push(Watch::read(input)?);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::pattern::Miner;
    use crate::record::Record;

    /// A component whose miner sees what it sends.
    #[derive(Default)]
    struct World {
        miner: Miner,
        drifts: Drifts,
        minute: i64,
        told: Vec<(i64, Signal)>,
    }

    fn mixed(number: u64) -> u64 {
        let mixed = number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 31).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 29
    }

    impl World {
        /// `minutes` of ten lines a minute, each from a number that is as good as random.
        fn run(&mut self, minutes: i64, line: impl Fn(u64, i64) -> String) -> &mut Self {
            for _ in 0..minutes {
                for i in 0..10 {
                    let number = mixed(self.minute as u64 * 10 + i);
                    let at = Timestamp(self.minute * 60_000 + i as i64 * 5_000);
                    let message = line(number, self.minute);
                    let record = Record { message, level: Level::INFO, timestamp: at, ..Record::default() };
                    self.miner.observe(&record, self.minute as u64 + 1, i as u16, at);
                }
                self.minute += 1;
                let now = Timestamp(self.minute * 60_000);
                if self.minute % 30 == 0 {
                    let mut patterns: Vec<_> = self.miner.patterns().collect();
                    patterns.sort_by_key(|pattern| (std::cmp::Reverse(pattern.count), pattern.id));
                    self.drifts.close(&patterns, |id| self.miner.pattern(id), now);
                }
                let miner = &self.miner;
                self.drifts.look(|id| miner.pattern(id), now);
                self.told.extend(self.drifts.take_signals().into_iter().map(|signal| (self.minute, signal)));
                if self.minute % 100 == 0 {
                    let mut out = Writer::new();
                    self.drifts.write(&mut out);
                    assert_eq!(Drifts::read(&mut Reader::new(out.as_bytes())).as_ref(), Ok(&self.drifts));
                }
            }
            self
        }

        fn found(&self) -> Vec<(SignalKind, i64, bool)> {
            self.told.iter().map(|(minute, it)| (it.kind, *minute, it.is_alerting)).collect()
        }
    }

    const DAY: i64 = 24 * 60;

    /// A long tail from 20 to some hundred.
    fn took(number: u64, times: u64) -> String {
        let part = number % 1_000;
        format!("page served in {} ms", times * (20 + part * part / 2_000))
    }

    fn state(number: u64, bad: u64) -> String {
        let state = if number % 1_000 < bad { 503 } else { 200 };
        format!("probe {} answered with status {state}", number % 7_000)
    }

    #[test]
    fn numbers_that_double_are_told_in_their_second_half_hour_and_are_usual_later() {
        let mut world = World::default();
        world.run(2 * DAY, |number, _| took(number, 1));
        assert_eq!(world.found(), []);
        world.run(70, |number, _| took(number, 2));
        let [(at, signal)] = &world.told[..] else { panic!("{:?}", world.told) };
        assert_eq!((signal.kind, *at, signal.is_alerting), (SignalKind::ValueDrift, 2 * DAY + 60, true));
        assert!(signal.seen as f64 > signal.expected_high && signal.total == 300, "{signal:?}");
        assert_eq!(signal.since, Timestamp(2 * DAY * 60_000));
        assert!(world.drifts.is_open(signal.subject));
        world.run(DAY, |number, _| took(number, 2));
        assert_eq!((world.told.len(), world.drifts.outlines().filter(|it| it.is_open).count()), (1, 0));
    }

    #[test]
    fn one_odd_half_hour_is_no_drift() {
        let mut world = World::default();
        world.run(2 * DAY, |number, _| took(number, 1)).run(30, |number, _| took(number, 2));
        world.run(DAY, |number, _| took(number, 1));
        assert_eq!(world.found(), []);
    }

    #[test]
    fn a_value_that_takes_another_share_is_told() {
        let mut world = World::default();
        world.run(2 * DAY, |number, _| state(number, 20)).run(70, |number, _| state(number, 400));
        assert_eq!(world.found(), [(SignalKind::ValueDrift, 2 * DAY + 60, true)], "{:?}", world.told);
        world.run(50, |number, _| state(number, 20));
        assert_eq!(world.drifts.outlines().filter(|it| it.is_open).count(), 0, "it was over");
    }

    #[test]
    fn a_value_that_never_came_is_shown_in_its_minute_and_wakes_nobody() {
        let mut world = World::default();
        world.run(DAY, |number, _| state(number, 20));
        world.run(
            1,
            |number, _| if number % 10 == 3 { state(number, 0).replace("200", "418") } else { state(number, 20) },
        );
        world.run(60, |number, _| state(number, 20));
        let new: Vec<_> = world.told.iter().filter(|(_, it)| it.kind == SignalKind::NewValue).collect();
        let [(at, signal)] = &new[..] else { panic!("{:?}", world.told) };
        assert!(*at == DAY + 1 && !signal.is_alerting && signal.probability < 1e-3, "{signal:?}");
    }

    #[test]
    fn what_sways_with_the_hour_climbs_or_never_repeats_wakes_nobody() {
        let sways = |number: u64, minute: i64| {
            let hour = (minute / 60 % 24 - 12).unsigned_abs();
            format!("page served in {} ms", (20 + number % 300) * (10 + hour) / 10)
        };
        let climbs = |_: u64, minute: i64| format!("block {} stored", 1_000 + minute);
        let random = |number: u64, _: i64| format!("user {} came", number % 1_000_000);
        let clumps = |_: u64, minute: i64| format!("job took {} s", 10 + mixed(minute as u64 / 20) % 100);
        let worlds: [&dyn Fn(u64, i64) -> String; 4] = [&sways, &climbs, &random, &clumps];
        for (index, line) in worlds.into_iter().enumerate() {
            let mut world = World::default();
            world.run(4 * DAY, line);
            let woken = world.told.iter().filter(|(_, signal)| signal.is_alerting).count();
            assert_eq!(woken, 0, "{index}: {:?}", world.found());
            assert!(world.told.len() <= 4, "{index}: {:?}", world.found());
        }
    }

    #[test]
    fn thirty_quiet_variables_tell_nothing_in_three_days() {
        let mut world = World::default();
        const LINES: [&str; 8] = [
            "page rendered: # parts, # bytes, # ms, code #",
            "cart saved with # articles for # cents by worker #, try #",
            "queue drained # messages (# late) in # ms, lane #",
            "index built over # rows and # columns, # kB, level #",
            "mail sent # of size # after # ms by relay #",
            "token checked # times, age # s, shard # scope #",
            "image scaled from # to # pixels, quality # mode #",
            "price of # set to # from # by rule #",
        ];
        world.run(3 * DAY, |number, minute| {
            let line = LINES[(number % LINES.len() as u64) as usize];
            // Long tails, few values, clumps by the hour.
            let own = [
                number / 97 % 89 * (number / 89 % 31),
                number / 7 % 7_919,
                minute as u64 / 60 % 5 + number % 40,
                number % 3,
            ];
            own.iter().fold(line.to_owned(), |line, value| line.replacen('#', &value.to_string(), 1))
        });
        assert!(world.drifts.outlines().count() >= 24, "{}", world.drifts.outlines().count());
        assert_eq!(world.found(), []);
    }

    #[test]
    fn patterns_that_merge_or_leave_are_watched_no_more() {
        let mut world = World::default();
        world.run(DAY, |number, _| took(number, 1));
        let subject = world.drifts.outlines().next().unwrap().subject;
        let id = subject.pattern().unwrap();
        let mut merged = world.drifts.clone();
        merged.merge_pattern(PatternId(1), id);
        assert_eq!(merged.outlines().count(), 0);
        world.drifts.close(&[], |_| None, Timestamp(0));
        assert_eq!(world.drifts.outlines().count(), 0);
    }
}
