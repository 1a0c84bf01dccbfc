//! The detectors of one component behind one narrow door.
//!
//! Time is the events' own: a record closes the slots before it, and [`Detectors::close`] closes those that no record
//! closed. Between the two nothing has to run, so that a sleeping object stays asleep until
//! [`Detectors::next_deadline`]. Records older than the slot being filled by a minute are counted as late and judged
//! by nothing; of a regular series they say that it came.
//!
//! All series judged at one moment share one test (Benjamini-Hochberg), so that two thousand quiet patterns are no
//! noisier than one; a pattern's deviation is not told while the component's own is open. What is found is told once,
//! when it opens; what opens before its slot is over, a second time if the slot says far more (`running.rs`).

mod stored;

use super::candidate::{Candidate, Known, WIDER, count_candidate, discoveries, kind_of, ratio_candidate, reaches_into};
use super::count_watch::{CountWatch, PART_BELOW, Pace, SLOT};
use super::history::{Band, History};
use super::level_watch::{CELL_MINUTES, LevelWatch};
use super::ratio_watch::RatioWatch;
use super::rhythm::Rhythm;
use super::ring::{MINUTES, MinuteRing};
use super::running::{RunningLook, ToldRunning};
use super::signal::{Signal, SignalKind, Subject};
use super::watches::Watches;
use crate::baseline::special::exp;
use crate::baseline::{Mean, Season, Seed, Zone};
use crate::pattern::PatternId;
use crate::time::{Millis, Timestamp};
use std::collections::BTreeSet;

/// Patterns watched one by one; at about 750 bytes each 1.5 MB. Records of others count for the component only.
pub const WATCHED_PATTERNS_MAX: usize = 2_000;
/// Signals that wait to be taken.
const SIGNALS_MAX: usize = 1_000;
/// False findings an hour that the component's three series may cost together, and its patterns together. Rhythms that
/// are not quite what was learned cost more than this (the scenarios count them).
const FALSE_SHARE: f64 = 4e-4;
const FALSE_SHARE_PATTERNS: f64 = PART_BELOW;
/// After a longer pause the slots in between are not closed one by one.
const SLOTS_CLOSED_MAX: i64 = 400;
const SLOTS_A_MINUTE: i64 = 6;
const SLOTS_AN_HOUR: i64 = 360;
/// Hours of a pause that are learned as empty.
const EMPTY_HOURS_MAX: i64 = 24;
/// Records before a new pattern is news.
const KNOWN_RECORDS_MIN: u64 = 200;
/// Share of records that bring a new pattern above which novelty is this component's habit.
const NOVELTY_MAX: f64 = 0.02;
/// How long a component may write nothing at a deployment: it stops and starts.
const RESTARTED_WITHIN: Millis = Millis::from_mins(2);
/// Later than this a record raises nothing.
const LATE: Millis = Millis::from_mins(1);
/// Gaps of a regular series, and minutes of a component, before its absence wakes people: what ran for a quarter of an
/// hour and ended was an errand, not a rhythm.
const ALERT_AFTER_GAPS: u32 = 30;
const ALERT_AFTER_MINUTES: u32 = 60;
/// A job that reports later than this is missed.
const LATENESS_MAX: Millis = Millis::from_mins(5);
/// What a slot leaves of the lateness: half of it after a day.
const LATENESS_KEPT: f64 = 0.999_92;

/// What the detectors need to know of a record.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Event time.
    pub at: Timestamp,
    /// Its pattern.
    pub pattern: PatternId,
    /// The pattern was born with this record.
    pub is_new_pattern: bool,
    /// Level error or worse.
    pub is_error: bool,
    /// How long what it reports took, in milliseconds.
    pub duration_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PatternWatch {
    pub(super) counts: CountWatch,
    pub(super) rhythm: Rhythm,
    /// What came in the last minutes, whatever the counts were made to believe.
    pub(super) seen: MinuteRing,
    is_missed: bool,
    /// Its place among those that are due.
    due: Option<Timestamp>,
}

/// The detectors of one component.
#[derive(Clone, Debug, PartialEq)]
pub struct Detectors {
    /// Index (event time / 10 s) of the slot being filled; none before the first record.
    pub(super) slot: Option<i64>,
    /// Records of that slot from which it is looked at before it is over; 0 if that is to be worked out. Made from the rest.
    pub(super) look_at: RunningLook,
    /// That slot opened the component's deviation before it was over.
    pub(super) told_running: Option<ToldRunning>,
    pub(super) season: Season,
    pub(super) hour_records: u64,
    /// Slots of the hour being filled that were closed one by one and outside a silence.
    hour_slots: u32,
    pub(super) component: CountWatch,
    /// Its level over hours.
    pub(super) level: LevelWatch,
    pub(super) errors: RatioWatch,
    pub(super) slow: RatioWatch,
    /// The last hours of these three, as they were judged.
    pub(super) totals: History,
    pub(super) error_minutes: History,
    pub(super) slow_minutes: History,
    /// Ninth decile of the durations, in milliseconds.
    pub(super) slow_from: f64,
    durations: u64,
    rhythm: Rhythm,
    is_silent: bool,
    pub(super) patterns: Watches,
    /// When each regular pattern is overdue; made from the patterns.
    due: BTreeSet<(Timestamp, PatternId)>,
    /// Spans of event time in which counts and durations may wander more; the caller's to remember.
    pub(super) widened: Vec<(Timestamp, Timestamp)>,
    /// What it began with; written apart.
    pub(super) seed: Option<Box<Seed>>,
    novelty: Mean,
    records: u64,
    late: u64,
    /// How late records come at worst, in milliseconds; forgotten over a day.
    lateness: f64,
    unwatched: u64,
    signals: Vec<Signal>,
    signals_dropped: u64,
}

impl Default for Detectors {
    fn default() -> Self {
        Self {
            slot: None,
            look_at: RunningLook::default(),
            told_running: None,
            season: Season::default(),
            hour_records: 0,
            hour_slots: 0,
            component: CountWatch::with_habits(),
            level: LevelWatch::default(),
            errors: RatioWatch::default(),
            slow: RatioWatch::default(),
            totals: History::default(),
            error_minutes: History::default(),
            slow_minutes: History::default(),
            slow_from: 0.0,
            durations: 0,
            rhythm: Rhythm::default(),
            is_silent: false,
            patterns: Watches::default(),
            due: BTreeSet::new(),
            widened: Vec::new(),
            seed: None,
            novelty: Mean::default(),
            records: 0,
            late: 0,
            lateness: 0.0,
            unwatched: 0,
            signals: Vec::new(),
            signals_dropped: 0,
        }
    }
}

impl Detectors {
    /// Takes note of one record.
    pub fn observe(&mut self, facts: &Facts) {
        let slot = facts.at.0.div_euclid(SLOT.0);
        let current = *self.slot.get_or_insert(slot);
        if slot > current {
            self.advance(slot);
        } else if slot < current {
            let behind = current.saturating_mul(SLOT.0).saturating_sub(facts.at.0);
            if behind > 0 && behind <= LATENESS_MAX.0 {
                self.lateness = self.lateness.max(behind as f64);
            }
            if (current - slot).saturating_mul(SLOT.0) > LATE.0 {
                self.note_late(facts);
                return;
            }
        }
        self.records += 1;
        self.hour_records += 1;
        if self.is_silent {
            self.resume(facts.at);
        }
        self.component.count();
        if self.component.running() >= self.look_at.from() {
            self.look_at_running(facts.at);
        }
        self.errors.count(facts.is_error);
        self.rhythm.beat(facts.at);
        if let Some(duration) = facts.duration_ms {
            self.count_duration(duration);
        }
        self.count_pattern(facts);
        let novelty = if facts.is_new_pattern { 1.0 } else { 0.0 };
        if facts.is_new_pattern && self.records > KNOWN_RECORDS_MIN && self.novelty.value() < NOVELTY_MAX {
            self.tell_new(facts);
        }
        self.novelty.learn(novelty, 0.002);
    }

    /// Closes what is over at `now`, records or not.
    pub fn close(&mut self, now: Timestamp) {
        // What is known to be silent up to now is no drop of some window on the way.
        self.find_silence(now);
        let slot = now.0.div_euclid(SLOT.0);
        if self.slot.is_some_and(|current| slot > current) {
            self.advance(slot);
        }
        self.find_silence(now);
    }

    /// The findings since the last call, oldest first.
    pub fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }

    /// The earliest instant at which the absence of records would be a finding; [`Detectors::close`] wants to be called
    /// then.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        // While the whole component is silent, nobody is told of its parts.
        if self.is_silent {
            return None;
        }
        let missed = self.due.first().map(|&(at, _)| at);
        self.silent_at().into_iter().chain(missed).min()
    }

    /// Whether a deviation of this kind of this series goes on.
    pub fn is_open(&self, kind: SignalKind, subject: Subject) -> bool {
        let watch = subject.pattern().and_then(|id| self.patterns.get(id));
        match (kind, subject) {
            // What is watched elsewhere, or is over at once.
            (_, Subject::Variable(..) | Subject::Facet(..)) | (SignalKind::NewPattern, _) => false,
            (SignalKind::Silence, _) => self.is_silent,
            (SignalKind::Missed, _) => watch.is_some_and(|watch| watch.is_missed),
            (_, Subject::Component) => self.component.is_open() || self.level.is_open(),
            (_, Subject::Errors) => self.errors.is_open(),
            (_, Subject::Durations) => self.slow.is_open(),
            (_, Subject::Pattern(_)) => watch.is_some_and(|watch| watch.counts.is_open()),
        }
    }

    /// End of the newest minute that is over.
    pub fn minute(&self) -> Option<Timestamp> {
        self.slot.map(|slot| Timestamp(slot.saturating_mul(SLOT.0)).clamped().floor_to(Millis::from_mins(1)))
    }

    /// An open deviation as the minutes that are over show it: none if nothing of this kind of this series is open, and
    /// of absences, which only grow.
    pub fn standing(&self, kind: SignalKind, subject: Subject) -> Option<Signal> {
        let end = self.minute().filter(|_| self.is_open(kind, subject))?;
        let candidate = match (kind, subject) {
            (SignalKind::ErrorRatio, _) => ratio_candidate(self.errors.clone().judge()?, end, kind),
            (SignalKind::LatencyShift, _) => {
                ratio_candidate(self.slow.clone().judge()?, end, kind).judged_within(&self.widened)
            }
            (SignalKind::Burst | SignalKind::Drop | SignalKind::LevelShift, _) => {
                let counts = match subject {
                    Subject::Component => &self.component,
                    Subject::Pattern(id) => &self.patterns.get(id)?.counts,
                    _ => return None,
                };
                let factor = |minutes| self.season.factor(end.minus(Millis::from_mins(minutes)));
                let hour_factor = (factor(0) + factor(20) + factor(40) + factor(60)) / 4.0;
                let is_more = kind != SignalKind::Drop;
                // A copy judges: what is only looked at teaches nothing.
                let deviation = counts.clone().judge_minutes(&Pace::new(factor(0), hour_factor));
                let deviation = deviation.filter(|it| it.is_above() == is_more)?;
                let known = Known { minutes: counts.experience(), series: self.judged_with(subject) };
                count_candidate((subject, known), deviation, end, kind).judged_within(&self.widened)
            }
            _ => return None,
        };
        Some(candidate.signal)
    }

    /// In these spans of event time, and in windows that reach into them, counts and durations may lie `WIDER` times as
    /// far from what is due. Not part of what is written.
    pub fn widen(&mut self, spans: Vec<(Timestamp, Timestamp)>) {
        self.widened = spans;
    }

    /// Hours of the season are those of these clocks from now on. Not part of what is written.
    pub fn set_zone(&mut self, zone: Zone) {
        self.season.set_zone(zone);
        self.look_at = RunningLook::default();
    }

    /// Whose clocks the season's hours are.
    pub fn zone(&self) -> Zone {
        self.season.zone()
    }

    /// What was read was learned by clocks so many hours ahead in winter.
    pub(crate) fn learned_in(&mut self, hours: i64) {
        self.season.learned_in(Zone::of_hours(hours));
        self.look_at = RunningLook::default();
    }

    /// Patterns watched one by one.
    pub fn watched(&self) -> usize {
        self.patterns.len()
    }

    /// Forgets the patterns that are not `wanted` any more.
    pub fn retain(&mut self, wanted: impl FnMut(PatternId) -> bool) {
        self.patterns.retain(wanted);
        let patterns = &self.patterns;
        self.due.retain(|&(_, id)| patterns.get(id).is_some());
    }

    /// Two patterns turned out to be one: the series of `from` goes on as part of that of `into`.
    pub fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        let Some(gone) = self.patterns.remove(from) else { return };
        gone.due.map(|at| self.due.remove(&(at, from)));
        // There is room: one has just gone.
        let Some(watch) = self.patterns.get_or_begin(into, usize::MAX) else { return };
        watch.counts.merge(&gone.counts);
        watch.rhythm.merge(&gone.rhythm);
        watch.seen.add(&gone.seen);
        watch.is_missed &= gone.is_missed;
        schedule(&mut self.due, into, watch, Millis(self.lateness as i64));
    }

    /// The patterns that moved most, in the direction given, most first: upwards in this minute or the one before (what
    /// was told at a minute's end happened in that one), downwards in the last whole one.
    pub fn movers(&self, is_more: bool, at_most: usize) -> Vec<PatternId> {
        let factor = self.factor_now();
        let mut moved: Vec<(f64, PatternId)> = self
            .patterns
            .iter()
            .map(|(id, watch)| {
                let (counting, counted) = (watch.counts.counting(), watch.counts.counted());
                let seen = match is_more {
                    true => counting.max(counted),
                    // A silence is told while its minute is still being filled, with nothing.
                    false if self.is_silent => 0,
                    false => counted,
                };
                let more = f64::from(seen) - watch.counts.level(factor);
                (if is_more { more } else { -more }, id)
            })
            .filter(|&(by, _)| by > 0.0)
            .collect();
        moved.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        moved.into_iter().take(at_most).map(|(_, id)| id).collect()
    }

    /// Records that came too late to raise anything.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Records of patterns that had no room to be watched one by one.
    pub fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// Records a minute that are due at this instant, and the minutes of experience behind that.
    pub fn expected_per_minute(&self, at: Timestamp) -> (f64, u32) {
        (self.component.level(self.season.factor(at)), self.component.experience())
    }

    /// The period of the component's own records, if they are regular.
    pub(super) fn regular_period(&self) -> Option<Millis> {
        self.rhythm.period()
    }

    fn count_duration(&mut self, duration: f64) {
        if !(0.0..=f64::MAX).contains(&duration) {
            return;
        }
        self.durations += 1;
        let is_slow = duration > self.slow_from;
        // The decile climbs nine times as far for a slow record as it sinks for another; the steps shrink with age.
        let step = if self.durations < 1_990 { 2.0 / (self.durations as f64 + 10.0) } else { 0.001 };
        let start = if self.durations == 1 { duration } else { self.slow_from };
        self.slow_from = (start * if is_slow { 1.0 + 0.9 * step } else { 1.0 - 0.1 * step }).clamp(1e-3, 1e12);
        if self.durations > 300 {
            self.slow.count(is_slow);
        }
    }

    fn count_pattern(&mut self, facts: &Facts) {
        let Some(watch) = self.patterns.get_or_begin(facts.pattern, WATCHED_PATTERNS_MAX) else {
            self.unwatched += 1;
            return;
        };
        watch.counts.count();
        watch.rhythm.beat(facts.at);
        watch.is_missed = false;
        // Most patterns are not regular, and never were.
        if watch.due.is_none() && watch.rhythm.period().is_none() {
            return;
        }
        schedule(&mut self.due, facts.pattern, watch, Millis(self.lateness as i64));
    }

    /// A record too late to raise anything still says that it came: what reports in a late batch is not missed.
    #[cold]
    fn note_late(&mut self, facts: &Facts) {
        self.late += 1;
        let Some(watch) = self.patterns.get_mut(facts.pattern) else { return };
        if watch.rhythm.last().is_some_and(|last| last < facts.at) {
            watch.rhythm.beat(facts.at);
            watch.is_missed = false;
            schedule(&mut self.due, facts.pattern, watch, Millis(self.lateness as i64));
        }
    }

    /// A silence is over: jobs that were due in it start afresh, rather than being missed one by one.
    fn resume(&mut self, at: Timestamp) {
        self.is_silent = false;
        self.component.resume();
        for (_, id) in std::mem::take(&mut self.due) {
            let Some(watch) = self.patterns.get_mut(id) else { continue };
            watch.due = None;
            watch.rhythm.resume(at);
            schedule(&mut self.due, id, watch, Millis(self.lateness as i64));
        }
    }

    fn advance(&mut self, to: i64) {
        let Some(from) = self.slot else { return };
        let first = from.max(to.saturating_sub(SLOTS_CLOSED_MAX));
        for slot in first..to {
            self.close_slot(slot);
        }
        if first > from {
            // A pause this long is a silence, not a level: the hour it ended in is not learned. That nothing came is.
            self.hour_slots = 0;
            (0..((first - from) / SLOTS_AN_HOUR).min(EMPTY_HOURS_MAX)).for_each(|_| self.learn_clumps(true));
        }
        self.slot = Some(to);
    }

    fn close_slot(&mut self, slot: i64) {
        let end = Timestamp((slot + 1).saturating_mul(SLOT.0)).clamped();
        let factor = self.season.factor(end);
        let mut found = Vec::new();
        let ends_minute = (slot + 1).rem_euclid(SLOTS_A_MINUTE) == 0;
        self.end_running(end, factor);
        if let Some(deviation) = self.component.judge_slots(factor) {
            let candidate = count_candidate(self.of_component(), deviation, end, SignalKind::Burst);
            found.push(candidate.judged_within(&self.widened));
        }
        if ends_minute {
            self.close_minute(end, factor, &mut found);
        }
        self.component.close_slot();
        self.look_at = RunningLook::default();
        self.tell(found);
        self.find_silence(end);
        self.hour_slots += u32::from(!self.is_silent);
        self.lateness *= LATENESS_KEPT;
        if end.0.rem_euclid(3_600_000) == 0 {
            self.learn_clumps(false);
            if self.hour_slots >= 350 {
                self.learn_hour(end);
            }
            (self.hour_records, self.hour_slots) = (0, 0);
        }
    }

    /// An hour is over, or one more of a long pause: what came in it.
    fn learn_clumps(&mut self, is_empty: bool) {
        self.component.clumps.learn(if is_empty { 0 } else { self.hour_records });
        for (_, watch) in self.patterns.iter_mut() {
            watch.counts.clumps.learn(if is_empty { 0 } else { watch.seen.sum(MINUTES) });
        }
    }

    fn close_minute(&mut self, end: Timestamp, factor: f64, found: &mut Vec<Candidate>) {
        let back = |minutes| self.season.factor(end.minus(Millis::from_mins(minutes)));
        let hour_factor = (factor + back(20) + back(40) + back(60)) / 4.0;
        let minute = end.minus(Millis::from_mins(1));
        let is_wider = reaches_into(&self.widened, minute, end);
        let wide = |band: Option<Band>, is_wider| band.map(|band| if is_wider { band.wider(WIDER) } else { band });
        let band = wide(self.component.band(factor), is_wider);
        let was_open = self.component.is_open();
        let (usual, mut followed) = (self.component.level(factor), 1.0);
        let of_component = self.of_component();
        let pace = Pace::new(factor, hour_factor);
        let (deviation, shifted) = self.component.close_minute(&pace);
        self.totals.push(minute, self.component.counted(), self.component.counted(), band);
        if let Some(deviation) = deviation.filter(|_| !self.is_silent) {
            if shifted {
                followed = self.component.level(factor) / usual.max(1e-9);
                let candidate = count_candidate(of_component, deviation, end, SignalKind::LevelShift);
                push(&mut self.signals, &mut self.signals_dropped, candidate.signal);
            } else if !was_open {
                // What was open in this minute was told when it opened, even if it has just ended.
                let candidate = count_candidate(of_component, deviation, end, kind_of(&deviation));
                found.push(candidate.judged_within(&self.widened));
            }
        }
        if followed != 1.0 {
            self.level.follow_by(followed);
        }
        let is_told = was_open || self.component.is_open() || self.is_silent;
        self.level.minute(self.component.counted(), factor, is_told);
        if end.0.rem_euclid(CELL_MINUTES * 60_000) == 0 {
            let was_open = self.level.is_open();
            let deviation = self.level.close_cell(is_told, self.season.is_lent());
            if let Some(deviation) = deviation.filter(|_| !was_open && !is_told) {
                let kind = kind_of(&deviation);
                let candidate = count_candidate(of_component, deviation, end, kind);
                found.push(Candidate { is_level: true, ..candidate }.judged_within(&self.widened));
            }
        }
        for (watch, minutes, kind) in [
            (&mut self.errors, &mut self.error_minutes, SignalKind::ErrorRatio),
            (&mut self.slow, &mut self.slow_minutes, SignalKind::LatencyShift),
        ] {
            let was_open = watch.is_open();
            let (hits, total) = watch.counting();
            // A share of errors is what such times are watched for.
            let is_shaken = kind != SignalKind::ErrorRatio;
            minutes.push(minute, hits, total, wide(watch.band(total), is_wider && is_shaken));
            if let Some(deviation) = watch.close_minute().filter(|_| !was_open) {
                let candidate = ratio_candidate(deviation, end, kind);
                found.push(if is_shaken { candidate.judged_within(&self.widened) } else { candidate });
            }
        }
        let is_explained = was_open || self.component.is_open() || self.level.is_open();
        self.close_patterns(end, &pace, followed, is_explained, found);
    }

    /// Ends a minute of all patterns. `followed` is how many times its old level the component's new one is, 1 where it
    /// did not move.
    fn close_patterns(
        &mut self,
        end: Timestamp,
        pace: &Pace,
        followed: f64,
        is_explained: bool,
        found: &mut Vec<Candidate>,
    ) {
        let series = self.patterns.len();
        let mut of_patterns: Vec<(PatternId, Candidate)> = Vec::new();
        for (id, watch) in self.patterns.iter_mut() {
            let was_open = watch.counts.is_open();
            // Patterns never close a slot: all of their minute is in the first.
            let count = watch.counts.running();
            watch.seen.push(count);
            // A silence of the component is told as one; it teaches its patterns nothing and is cut out of their hours.
            if self.is_silent {
                continue;
            }
            let deviation = watch.counts.close_part(count, pace);
            if was_open {
                watch.counts.follow(pace.factor());
            }
            if followed != 1.0 {
                watch.counts.follow_by(followed, pace.factor());
                continue;
            }
            // Patterns are judged by the minute; going by all of them every ten seconds is what this spares.
            watch.counts.begin_minute();
            match deviation.filter(|_| !was_open) {
                // The component's own deviation is told; this one is part of it, also when that is over.
                Some(deviation) if is_explained && deviation.probability < FALSE_SHARE_PATTERNS => watch.counts.open(),
                Some(deviation) if !is_explained => {
                    let known = Known { minutes: watch.counts.experience(), series };
                    let candidate = count_candidate((Subject::Pattern(id), known), deviation, end, kind_of(&deviation));
                    // By id, as their order is that of what is told; there are few.
                    let place = of_patterns.partition_point(|&(before, _)| before < id);
                    of_patterns.insert(place, (id, candidate.judged_within(&self.widened)));
                }
                _ => {}
            }
        }
        found.extend(of_patterns.into_iter().map(|(_, candidate)| candidate));
    }

    /// The component's own series of counts, with what is known of it.
    pub(super) fn of_component(&self) -> (Subject, Known) {
        (
            Subject::Component,
            Known { minutes: self.component.experience(), series: self.judged_with(Subject::Component) },
        )
    }

    /// Series that people are woken by together with this one.
    fn judged_with(&self, subject: Subject) -> usize {
        if subject.pattern().is_some() { self.patterns.len() } else { 1 }
    }

    pub(super) fn push(&mut self, signal: Signal) {
        push(&mut self.signals, &mut self.signals_dropped, signal);
    }

    /// Tells what passes the common test of its family: the component's three series, or its patterns.
    pub(super) fn tell(&mut self, found: Vec<Candidate>) {
        if found.is_empty() {
            return;
        }
        let (patterns, component) = found.into_iter().partition(|candidate| candidate.subject.pattern().is_some());
        let mut found = discoveries(component, 3, FALSE_SHARE);
        found.extend(discoveries(patterns, self.patterns.len(), FALSE_SHARE_PATTERNS));
        // The component first: what explains the patterns is told instead of them.
        for candidate in found {
            match candidate.subject {
                Subject::Errors => self.errors.open(),
                Subject::Durations => self.slow.open(),
                Subject::Component if self.component.is_open() => continue,
                Subject::Component if candidate.is_level => self.level.open(),
                Subject::Component if self.level.is_open() && candidate.signal.window >= Millis::from_mins(15) => {
                    continue;
                }
                Subject::Component => self.component.open(),
                Subject::Variable(..) | Subject::Facet(..) => {}
                Subject::Pattern(id) => {
                    if let Some(watch) = self.patterns.get_mut(id) {
                        watch.counts.open();
                    }
                    if self.component.is_open() || self.level.is_open() {
                        continue;
                    }
                }
            }
            push(&mut self.signals, &mut self.signals_dropped, candidate.signal);
        }
    }

    fn silent_at(&self) -> Option<Timestamp> {
        let last = self.rhythm.last()?;
        if self.component.experience() < 10 {
            return None;
        }
        // The lowest the season promises for the next hour: a night that begins is no silence.
        let factor = [0, 30, 60].map(|ahead| self.season.factor(last.plus(Millis::from_mins(ahead))));
        let level = self.component.level(factor.into_iter().fold(f64::INFINITY, f64::min));
        let deadline = self.rhythm.silent_at(level, Millis(self.lateness as i64))?;
        let is_restart = reaches_into(&self.widened, last, deadline);
        Some(if is_restart { deadline.max(last.plus(RESTARTED_WITHIN)) } else { deadline })
    }

    fn find_silence(&mut self, now: Timestamp) {
        if !self.is_silent && self.silent_at().is_some_and(|deadline| deadline <= now) {
            self.is_silent = true;
            self.component.open();
            let since = self.rhythm.last().unwrap_or(now);
            let signal = self.silence(since, now);
            push(&mut self.signals, &mut self.signals_dropped, signal);
        }
        if self.is_silent {
            return;
        }
        while let Some(&(at, id)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            let Some(watch) = self.patterns.get_mut(id) else { continue };
            (watch.is_missed, watch.due) = (true, None);
            let signal = missed(id, &watch.rhythm, now);
            push(&mut self.signals, &mut self.signals_dropped, signal);
        }
    }

    fn silence(&self, since: Timestamp, now: Timestamp) -> Signal {
        let window = now.since(since);
        let due = self.component.level(self.season.factor(now)) * window.0 as f64 / 60_000.0;
        let probability = match self.rhythm.period() {
            Some(_) => self.rhythm.chance_of(window),
            None => exp(-due).max(1e-12),
        };
        Signal {
            kind: SignalKind::Silence,
            subject: Subject::Component,
            at: now,
            since,
            window,
            expected: due,
            expected_low: due.min(1.0),
            expected_high: due,
            seen: 0,
            total: 0,
            probability,
            is_alerting: self.component.experience() >= ALERT_AFTER_MINUTES,
        }
    }

    /// What it means that this record is the first of its pattern.
    pub fn novelty(&self, facts: &Facts) -> Signal {
        let probability = self.novelty.value().max(1.0 / (self.records as f64 + 1.0));
        Signal {
            kind: SignalKind::NewPattern,
            subject: Subject::Pattern(facts.pattern),
            at: facts.at,
            since: facts.at,
            window: Millis(0),
            expected: 0.0,
            expected_low: 0.0,
            expected_high: 0.0,
            seen: 1,
            total: 1,
            probability,
            is_alerting: facts.is_error,
        }
    }

    fn tell_new(&mut self, facts: &Facts) {
        let signal = self.novelty(facts);
        push(&mut self.signals, &mut self.signals_dropped, signal);
    }
}

/// Puts a pattern in its place among those that are due.
fn schedule(due: &mut BTreeSet<(Timestamp, PatternId)>, id: PatternId, watch: &mut PatternWatch, lateness: Millis) {
    let at = if watch.is_missed { None } else { watch.rhythm.overdue_at(lateness) };
    if at != watch.due {
        watch.due.map(|was| due.remove(&(was, id)));
        at.map(|at| due.insert((at, id)));
        watch.due = at;
    }
}

/// A regular series did not report; expected in its window are as many records as periods have passed.
fn missed(id: PatternId, rhythm: &Rhythm, now: Timestamp) -> Signal {
    let since = rhythm.last().unwrap_or(now);
    let window = now.since(since);
    let periods = rhythm.period().map_or(1.0, |period| window.0 as f64 / period.0.max(1) as f64);
    Signal {
        kind: SignalKind::Missed,
        subject: Subject::Pattern(id),
        at: now,
        since,
        window,
        expected: periods,
        expected_low: 1.0,
        expected_high: periods,
        seen: 0,
        total: 0,
        probability: rhythm.chance_of(window),
        is_alerting: rhythm.gaps() >= ALERT_AFTER_GAPS,
    }
}

fn push(signals: &mut Vec<Signal>, dropped: &mut u64, signal: Signal) {
    if signals.len() < SIGNALS_MAX {
        signals.push(signal);
    } else {
        *dropped += 1;
    }
}
