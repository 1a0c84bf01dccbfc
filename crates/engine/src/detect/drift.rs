//! Values that are not what they were: the numbers of a variable are distributed otherwise, one of few values takes
//! another share, or a value comes that never came.
//!
//! The miner counts every value of every pattern anyway ([`crate::pattern::Variable`]), so that nothing has to be done
//! as records come: each half hour the difference of two readings of its sketches is what came since. Numbers are asked
//! how many lie above each of five marks (quantiles of what was seen when the watch began), enumerations how often each
//! value came. A share has a beta-binomial law around the usual one, of at most [`EVIDENCE_MAX`] values, and of fewer as far as
//! values come in clumps; how far it may be believed is learned too ([`Habit`]). Told is what two half hours in a row say, in the
//! same direction, of what passes the common test of all variables; after [`ABSORBED_AFTER`] of them it is the new usual.
//! A new value of a closed set is shown in its minute and wakes nobody. A variable whose values follow the hour is judged by
//! that ([`course`]).
//!
//! Bounded: [`WATCHES_MAX`] variables of about 500 bytes, of the patterns that bring most records, with courses of 1.2 KB
//! and of [`WEEKS_MAX`] of them 8 KB: 320 KB.

mod course;
mod measure;

use super::fdr::told_up_to;
use super::ratio_watch::ratio_reach;
use super::signal::{Signal, SignalKind, Subject};
use crate::baseline::{Habit, Mean, Zone};
use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::{Pattern, PatternId, Variable};
use crate::sketch::hash_of_value;
use crate::time::{Millis, Timestamp};
use course::{Course, Strayed, WEEKS_MAX};
use measure::{CLASSES_MAX, Measure, Off, SEEN_MIN, Shares, share_reach};

pub use course::Rhythm;
pub use measure::ShareBand;

/// What is compared with the usual.
pub(crate) const PERIOD: Millis = Millis::from_mins(30);
/// Variables watched, and of one pattern.
const WATCHES_MAX: usize = 128;
const OF_PATTERN_MAX: usize = 4;
/// Values of a period that says something.
const PERIOD_MIN: u64 = 50;
/// Values of a period that count as evidence.
const EVIDENCE_MAX: f64 = 200.0;
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
/// How long a variable is known before its course is learned.
const COURSE_AFTER: Millis = Millis::from_hours(24);
const VERSION: u8 = 1;

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
    /// What its values are by the hour; written apart.
    course: Option<Box<Course>>,
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
            course: None,
        })
    }

    fn has_week(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.has_week())
    }

    /// What a period may look like by the usual of all hours.
    fn flat_band(&self) -> (&Measure, Vec<ShareBand>) {
        let of_class = |class: usize| {
            let share = self.usual.share(class);
            let reach = share_reach(share, self.usual.strength(), self.clumping.value());
            ShareBand { usual: share, low: share - reach, high: share + reach }.clamped()
        };
        (&self.measure, (0..self.measure.classes()).map(of_class).collect())
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
    fn close(&mut self, pattern: &Pattern, zone: Zone, has_room: bool, now: Timestamp) -> Option<Option<Signal>> {
        let variable = self.variable(pattern)?;
        let flat = self.close_flat(variable, now)?;
        let has_course = self.has_course();
        let by_hour = self.close_course(pattern, variable, (zone, has_room), now);
        Some(if has_course { by_hour } else { flat })
    }

    /// Whether it is judged by its course and not by the usual of all hours.
    fn has_course(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.speaks())
    }

    fn is_open(&self) -> bool {
        self.course.as_ref().filter(|course| course.speaks()).map_or(self.is_open, |course| course.is_open())
    }

    /// It is told.
    fn open(&mut self) {
        match self.course.as_mut().filter(|course| course.speaks()) {
            Some(course) => course.open(),
            None => self.is_open = true,
        }
    }

    fn close_course(
        &mut self,
        pattern: &Pattern,
        variable: &Variable,
        (zone, has_room): (Zone, bool),
        now: Timestamp,
    ) -> Option<Signal> {
        let Some(course) = &mut self.course else {
            // Its marks are those of a whole day.
            let since = variable.since().unwrap_or(pattern.first_seen);
            if now.since(since) >= COURSE_AFTER {
                self.course = Course::begin(variable, has_room, now).map(Box::new);
            }
            return None;
        };
        if has_room {
            course.give_week();
        }
        let (has_course, has_week) = (course.speaks(), course.has_week());
        let Some(strayed) = course.close(variable, zone, now) else {
            let next = Course::begin(variable, has_week, now);
            self.course = next.map(|next| Box::new(if has_course { next.follow_up(now) } else { next }));
            return None;
        };
        strayed.map(|strayed| self.signal_of(strayed, now))
    }

    fn signal_of(&self, strayed: Strayed, now: Timestamp) -> Signal {
        let (expected, reach) = ratio_reach(strayed.total, strayed.share, strayed.strength);
        Signal {
            kind: SignalKind::ValueDrift,
            subject: self.subject(),
            at: now,
            since: strayed.since,
            window: strayed.window,
            expected,
            expected_low: (expected - reach).max(0.0),
            expected_high: expected + reach,
            seen: strayed.seen,
            total: strayed.total,
            probability: strayed.probability,
            is_alerting: strayed.probability < ALERT_BELOW && strayed.is_alerting,
        }
    }

    /// The same by the usual of all hours.
    fn close_flat(&mut self, variable: &Variable, now: Timestamp) -> Option<Option<Signal>> {
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
        let off = self.usual.off(&came.scaled(1.0 / self.clumping.value().max(1.0)));
        let is_judged = self.periods >= PERIODS_MIN;
        self.periods = self.periods.saturating_add(1);
        if !self.is_open {
            let wander = self.usual.wander(&came);
            let most = if is_judged { CLUMPING_TIMES * self.clumping.value().max(1.0) } else { f64::INFINITY };
            self.clumping.learn(wander.min(most), 1.0 / f64::from(PERIODS_TO_ALERT));
            self.habit.learn(off.probability, HABIT_WEIGHT);
        }
        let off = Off { probability: self.habit.read(off.probability), ..off };
        if !is_judged || off.probability >= PENDING_BELOW {
            self.settle(&came);
            return Some(None);
        }
        let before = self.pending.filter(|(before, _)| self.measure.is_alike(before, &off));
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
        let (expected, reach) = ratio_reach(total, self.usual.share(off.class), self.usual.strength());
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

    /// Takes in values that never came; tells the first if the set was closed.
    fn new_values(&mut self, variable: &Variable, now: Timestamp) -> Option<Signal> {
        let Measure::Values(hashes) = &mut self.measure else { return None };
        if !variable.is_exact() || variable.distinct().0 <= hashes.len() as u64 {
            return None;
        }
        let count = variable.count();
        let mut came = 0;
        for (hash, times) in variable.counts() {
            if hashes.len() < CLASSES_MAX && !hashes.contains(&hash) {
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
        self.measure.write(out);
        out.uint(self.before.0);
        self.before.1.iter().for_each(|&count| out.uint(count));
        out.int(self.began.0);
        self.usual.write(out);
        self.recent.write(out);
        out.uint(u64::from(self.periods));
        self.clumping.write(out);
        self.habit.write(out);
        Off::write_pending(self.pending, out);
        out.uint(u64::from(self.far));
        out.u8(u8::from(self.is_open));
        out.uint(self.closed_since);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (pattern, place, template) = (PatternId(input.u64_fixed()?), input.u8()?, input.u64_fixed()?);
        let measure = Measure::parse(input)?;
        let classes = measure.classes();
        let total = input.uint()?;
        let counts: Result<Vec<u64>, ReadError> = (0..classes).map(|_| input.uint()).collect();
        Ok(Self {
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
            pending: Off::parse_pending(input)?,
            far: input.u32()?,
            is_open: input.u8()? == 1,
            closed_since: input.uint()?,
            course: None,
        })
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
    /// By what course they are judged.
    pub rhythm: Rhythm,
}

/// What the values of a variable usually are in a half hour.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueBand {
    /// The half hour begins here.
    pub from: Timestamp,
    /// By which hours it is expected.
    pub rhythm: Rhythm,
    /// Of each class the share among the values of the half hour.
    pub classes: Vec<ValueShare>,
}

/// One class of a variable's values, and the share of it that is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueShare {
    /// What is counted: numbers above this one;
    pub above: Option<f64>,
    /// or one value, where its text is known.
    pub value: Option<String>,
    /// How many of all values.
    pub share: ShareBand,
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
        zone: Zone,
        now: Timestamp,
    ) {
        let mut found: Vec<Signal> = Vec::new();
        let mut weeks = self.watches.iter().filter(|watch| watch.has_week()).count();
        let mut kept = Vec::with_capacity(self.watches.len());
        for mut watch in std::mem::take(&mut self.watches) {
            let Some(pattern) = by_id(watch.pattern) else { continue };
            let has_room = weeks < WEEKS_MAX && !watch.has_week();
            // A variable that can be read no more begins anew below.
            if let Some(signal) = watch.close(pattern, zone, has_room, now) {
                weeks += usize::from(has_room && watch.has_week());
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
                watch.open();
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

    /// The new values among the signals that nobody took yet.
    pub(crate) fn new_values(&self) -> impl Iterator<Item = &Signal> {
        self.signals.iter().filter(|signal| signal.kind == SignalKind::NewValue)
    }

    pub(crate) fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }

    /// Whether the values of this variable are not what they were.
    pub(crate) fn is_open(&self, subject: Subject) -> bool {
        self.watches.iter().any(|watch| watch.is_open() && watch.subject() == subject)
    }

    /// All variables watched.
    pub(crate) fn outlines(&self) -> impl Iterator<Item = DriftOutline> + '_ {
        let outline = |it: &Watch| DriftOutline {
            subject: it.subject(),
            periods: it.periods,
            is_open: it.is_open(),
            rhythm: it.course.as_ref().map_or(Rhythm::Flat, |course| course.rhythm()),
        };
        self.watches.iter().map(outline)
    }

    /// What the values of this variable usually are in the half hour that holds `at`; none if it is not watched.
    /// `text` knows what a value said.
    pub(crate) fn band(
        &self,
        subject: Subject,
        (zone, at): (Zone, Timestamp),
        text: impl Fn(u64) -> Option<String>,
    ) -> Option<ValueBand> {
        let watch = self.watches.iter().find(|watch| watch.subject() == subject)?;
        let by_hour = watch.course.as_ref().filter(|course| course.rhythm() != Rhythm::Flat);
        let rhythm = by_hour.map_or(Rhythm::Flat, |course| course.rhythm());
        let by_hour = by_hour.and_then(|course| course.band(zone, at));
        let (measure, bands) = by_hour.unwrap_or_else(|| watch.flat_band());
        let classes = bands.into_iter().enumerate().map(|(class, share)| ValueShare {
            above: measure.mark(class),
            value: measure.value(class).and_then(&text),
            share,
        });
        Some(ValueBand { from: at.floor_to(PERIOD), rhythm, classes: classes.collect() })
    }

    /// The domain's clocks are so many hours ahead of what they were.
    pub(crate) fn turn(&mut self, hours: i64) {
        self.watches.iter_mut().filter_map(|watch| watch.course.as_mut()).for_each(|course| course.turn(hours));
    }

    /// Whether there is any course to write.
    pub(crate) fn has_courses(&self) -> bool {
        self.watches.iter().any(|watch| watch.course.is_some())
    }

    /// The courses as bytes.
    pub(crate) fn write_courses(&self, out: &mut Writer) {
        let with_course = || self.watches.iter().filter_map(|watch| Some((watch, watch.course.as_ref()?)));
        out.uint(with_course().count() as u64);
        for (watch, course) in with_course() {
            out.u64_fixed(watch.pattern.0);
            out.u8(watch.place);
            out.u64_fixed(watch.template);
            course.write(out);
        }
    }

    /// Reads what [`Drifts::write_courses`] wrote; those of variables that are not watched any more are passed by.
    pub(crate) fn read_courses(&mut self, input: &mut Reader<'_>) -> Result<(), ReadError> {
        for _ in 0..input.count()?.min(WATCHES_MAX) {
            let (pattern, place, template) = (PatternId(input.u64_fixed()?), input.u8()?, input.u64_fixed()?);
            let course = Course::read(input)?;
            let is_it = |watch: &&mut Watch| (watch.pattern, watch.place, watch.template) == (pattern, place, template);
            if let Some(watch) = self.watches.iter_mut().find(is_it) {
                watch.course = Some(Box::new(course));
            }
        }
        Ok(())
    }

    /// As bytes, for rows. Signals not yet taken are not part of it, nor are courses.
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
mod tests;
