//! Incidents of one component, and the alerts they ask for.
//!
//! Rules, all decided in the turn in which the line is written:
//! - an error pattern never seen before opens an incident, once in the pattern's life; after `STORM_PATTERNS` of them
//!   within `STORM_SPAN` the next ones join the last, until fewer come, or none for `STORM_PAUSE`;
//! - a burst of errors opens an incident; while errors go on at that rate it is fed, and a new one can open only after
//!   `cooldown` without;
//! - a detector's signal that is sure enough opens an incident, unless an open one explains it: the same deviation of
//!   the same series, a new error or a burst of errors behind an error ratio, a burst of errors behind more records;
//!   it ends when the series is as usual again;
//! - the first incident is told at once; those that open within `group_window` of an alert wait and are told together
//!   when the window ends;
//! - records later than `lateness` open nothing.
//!
//! State: `waiting` holds the incidents that opened since the last alert and have not been told; it is empty unless
//! `grouped_until` is set.

use super::burst::Burst;
use crate::bytes::{ReadError, Reader, Writer};
use crate::detect::{Signal, SignalKind, Subject};
use crate::level::{Level, LevelClass};
use crate::limits;
use crate::pattern::PatternId;
use crate::record_id::RecordId;
use crate::time::{Millis, Timestamp};
use std::collections::VecDeque;

/// When to tell, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// Whether anybody is told at all. Incidents are kept either way.
    pub is_enabled: bool,
    /// How old a record may be to raise anything.
    pub lateness: Millis,
    /// Quiet time after which a burst counts as over.
    pub cooldown: Millis,
    /// How long incidents are gathered after an alert.
    pub group_window: Millis,
    /// Errors a minute below which nothing is a burst.
    pub burst_errors_min: u32,
    /// Multiple of the expected errors a minute that is a burst.
    pub burst_factor: u32,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            is_enabled: true,
            lateness: Millis::from_mins(5),
            cooldown: Millis::from_mins(10),
            group_window: Millis::from_mins(1),
            burst_errors_min: 10,
            burst_factor: 3,
        }
    }
}

/// An incident that nobody ended is over after that long: a job that was abolished is not missed for ever.
const OPEN_MAX: Millis = Millis::from_hours(7 * 24);
/// New error patterns that open incidents of their own within [`STORM_SPAN`]: what is dumping its registers, line by
/// line for an hour, or was rewritten, has woken people often enough.
const STORM_PATTERNS: usize = 10;
const STORM_SPAN: Millis = Millis::from_hours(2);
/// A storm that outlasts the span is over when no new error came for this long.
const STORM_PAUSE: Millis = Millis::from_mins(15);
/// Records that an incident remembers as its evidence.
pub(crate) const EVIDENCE_MAX: usize = 5;

/// Signals grouped, with a life.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Kind and id of the record that opened it: `new_pattern-0198...`; kind, series and an id for those that no single
    /// record opened.
    pub id: String,
    /// What was found: kind, series, what was expected and what was seen. Of a burst of errors the highest.
    pub signal: Signal,
    /// Its pattern; for a burst of errors the pattern of the record that tipped it.
    pub pattern: Option<PatternId>,
    /// When it was opened (receive time).
    pub opened_at: Timestamp,
    /// Event time of its first record; of a signal, since when.
    pub first_seen: Timestamp,
    /// Event time of its newest record or signal.
    pub last_seen: Timestamp,
    /// Records that belong to it.
    pub count: u64,
    /// Worst level seen.
    pub level: Level,
    /// When its series was as usual again.
    pub closed_at: Option<Timestamp>,
    /// Some of its records: sequence, place and receive time are in the id.
    pub evidence: Vec<RecordId>,
    /// Whether an alert about it was asked for.
    pub was_told: bool,
}

impl Incident {
    /// Whether it ends with its series rather than after a time without records.
    pub fn ends_with_its_series(&self) -> bool {
        !matches!(
            (self.signal.kind, self.signal.subject),
            (SignalKind::NewPattern, _) | (SignalKind::Burst, Subject::Errors)
        )
    }

    /// Whether it is over at `now`: its series is as usual again, or nothing belonged to it for `cooldown`.
    pub fn is_over(&self, now: Timestamp, policy: &AlertPolicy) -> bool {
        if self.ends_with_its_series() {
            return self.closed_at.is_some_and(|at| at <= now) || now.since(self.last_seen) > OPEN_MAX;
        }
        now.since(self.last_seen) > policy.cooldown
    }

    fn is_error_burst(&self) -> bool {
        (self.signal.kind, self.signal.subject) == (SignalKind::Burst, Subject::Errors)
    }

    fn write(&self, out: &mut Writer) {
        out.text(&self.id);
        self.signal.write(out);
        out.u8(u8::from(self.pattern.is_some()));
        out.u64_fixed(self.pattern.map_or(0, |pattern| pattern.0));
        for time in [self.opened_at, self.first_seen, self.last_seen, self.closed_at.unwrap_or(Timestamp(i64::MIN))] {
            out.int(time.0);
        }
        out.uint(self.count);
        out.u8(self.level.number());
        out.uint(self.evidence.len() as u64);
        for id in &self.evidence {
            out.int(id.received_at.0);
            out.uint(u64::from(id.object_tag));
            out.uint(id.seq);
            out.uint(u64::from(id.index));
        }
        out.u8(u8::from(self.was_told));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (id, signal) = (input.text()?.to_owned(), Signal::read(input)?);
        let has_pattern = input.u8()? == 1;
        let pattern = PatternId(input.u64_fixed()?);
        let mut incident = Self {
            id,
            signal,
            pattern: has_pattern.then_some(pattern),
            opened_at: Timestamp(input.int()?),
            first_seen: Timestamp(input.int()?),
            last_seen: Timestamp(input.int()?),
            closed_at: Some(input.int()?).filter(|&at| at != i64::MIN).map(Timestamp),
            count: input.uint()?,
            level: Level::from_number(input.u8()?).ok_or(ReadError::Unknown("level"))?,
            evidence: Vec::new(),
            was_told: false,
        };
        for _ in 0..input.count()? {
            incident.evidence.push(RecordId {
                received_at: Timestamp(input.int()?),
                object_tag: input.u32()?,
                seq: input.uint()?,
                index: u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?,
            });
        }
        incident.was_told = input.u8()? == 1;
        Ok(incident)
    }

    /// Reads an incident of the first version of the state row, which knew new patterns and bursts of errors.
    fn read_first(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let id = input.text()?.to_owned();
        let kind = SignalKind::of_code(input.u8()?).ok_or(ReadError::Unknown("incident kind"))?;
        let pattern = PatternId(input.u64_fixed()?);
        let [opened_at, first_seen, last_seen] =
            [Timestamp(input.int()?), Timestamp(input.int()?), Timestamp(input.int()?)];
        let count = input.uint()?;
        let level = u8::try_from(input.uint()?).ok().and_then(Level::from_number);
        let (expected, seen) = (input.uint()? as f64 / 1_000.0, input.uint()?);
        let is_burst = kind == SignalKind::Burst;
        let signal = Signal {
            kind,
            subject: if is_burst { Subject::Errors } else { Subject::Pattern(pattern) },
            at: first_seen,
            since: first_seen,
            window: Millis(if is_burst { 60_000 } else { 0 }),
            expected,
            expected_low: 0.0,
            expected_high: expected,
            seen,
            total: seen,
            probability: 0.0,
            is_alerting: true,
        };
        Ok(Self {
            id,
            signal,
            pattern: Some(pattern),
            opened_at,
            first_seen,
            last_seen,
            count,
            level: level.ok_or(ReadError::Unknown("level"))?,
            closed_at: None,
            evidence: Vec::new(),
            was_told: input.u8()? == 1,
        })
    }
}

/// What became of a signal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raised {
    /// It opened an incident, and these are to be told now.
    Opened(String, Option<Vec<Incident>>),
    /// It belongs to this one, which is open.
    Explained(String),
}

/// A pattern as an alert shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPattern {
    /// Its id.
    pub id: PatternId,
    /// Its template.
    pub template: String,
    /// What people call it, if they do.
    pub name: Option<String>,
    /// Records so far.
    pub count: u64,
}

/// A message about one incident, or about several that opened together. Its id is the first incident's: a target that
/// gets it twice can tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Id of the first incident; the idempotency key of every delivery.
    pub id: String,
    /// The incidents it tells of, oldest first.
    pub incidents: Vec<Incident>,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Patterns concerned, filled in by the machine.
    pub patterns: Vec<AlertPattern>,
    /// Records that show it, filled in by the machine.
    pub exemplars: Vec<crate::pattern::Exemplar>,
    /// The release that its pattern came with, if it is a new one.
    pub new_in_release: Option<String>,
    /// Release of the record that opened it.
    pub release: Option<String>,
    /// Environment of the record that opened it.
    pub environment: String,
}

/// All incidents of one component.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incidents {
    /// Oldest first, at most [`limits::INCIDENTS_MAX`].
    held: VecDeque<Incident>,
    grouped_until: Option<Timestamp>,
    waiting: Vec<String>,
}

/// The record that raises something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trigger<'a> {
    /// Text form of the record's id.
    pub record_id: &'a str,
    pub record: RecordId,
    pub pattern: PatternId,
    pub level: Level,
    pub timestamp: Timestamp,
    pub now: Timestamp,
}

impl Incidents {
    /// All incidents held, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Incident> {
        self.held.iter()
    }

    /// When gathered incidents have to be told.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.grouped_until.filter(|_| !self.waiting.is_empty())
    }

    /// Feeds the open new-pattern incident of a pattern with one more record; returns what is to be told now, where
    /// people are told of a new pattern only from so many `records` on.
    pub(crate) fn feed(&mut self, trigger: &Trigger<'_>, records: u64, policy: &AlertPolicy) -> Option<Vec<Incident>> {
        let found = self.held.iter_mut().rev().find(|incident| {
            incident.signal.kind == SignalKind::NewPattern
                && incident.pattern == Some(trigger.pattern)
                && !incident.is_over(trigger.timestamp, policy)
        });
        let incident = found?;
        incident.count += 1;
        incident.last_seen = incident.last_seen.max(trigger.timestamp);
        incident.level = incident.level.max(trigger.level);
        if records < 2 || incident.count != records || incident.was_told {
            return None;
        }
        let id = incident.id.clone();
        self.announce(&id, trigger.now, policy)
    }

    /// A pattern turned out to be another: what is open for it goes on under the other's id.
    pub(crate) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        for incident in &mut self.held {
            if incident.pattern == Some(from) {
                incident.pattern = Some(into);
            }
            let subject = incident.signal.subject;
            incident.signal.subject = subject.of_pattern(|id| if id == from { into } else { id });
        }
    }

    /// An error pattern was seen for the first time; people are told of it with its `records`th record.
    pub(crate) fn open_new_pattern(
        &mut self,
        signal: Signal,
        trigger: &Trigger<'_>,
        records: u64,
        policy: &AlertPolicy,
    ) -> Option<Vec<Incident>> {
        if let Some(storm) = self.storm(trigger) {
            storm.count += 1;
            // Of a storm: the patterns that joined, and when the last did.
            (storm.signal.seen, storm.signal.total) = (storm.signal.seen + 1, storm.signal.total + 1);
            storm.signal.at = storm.signal.at.max(trigger.timestamp);
            storm.last_seen = storm.last_seen.max(trigger.timestamp);
            storm.level = storm.level.max(trigger.level);
            if storm.evidence.len() < EVIDENCE_MAX {
                storm.evidence.push(trigger.record);
            }
            return None;
        }
        let incident = Self::incident(signal, trigger);
        if records < 2 {
            return self.open(incident, trigger.now, policy);
        }
        self.hold(incident);
        None
    }

    /// The incident that takes this new error pattern in, if there is a storm of them.
    fn storm(&mut self, trigger: &Trigger<'_>) -> Option<&mut Incident> {
        let since = trigger.timestamp.minus(STORM_SPAN);
        let is_new = |incident: &&Incident| incident.signal.kind == SignalKind::NewPattern;
        let recent = self.held.iter().filter(is_new).filter(|incident| incident.first_seen >= since).count();
        let last = self.held.iter_mut().rev().find(|incident| incident.signal.kind == SignalKind::NewPattern)?;
        let goes_on = last.signal.total > 1 && last.signal.at >= trigger.timestamp.minus(STORM_PAUSE);
        (goes_on || recent >= STORM_PATTERNS).then_some(last)
    }

    /// The last minute is a burst.
    pub(crate) fn on_burst(
        &mut self,
        burst: Burst,
        trigger: &Trigger<'_>,
        policy: &AlertPolicy,
    ) -> Option<Vec<Incident>> {
        let open = self
            .held
            .iter_mut()
            .rev()
            .find(|incident| incident.is_error_burst() && !incident.is_over(trigger.timestamp, policy));
        if let Some(incident) = open {
            incident.count += 1;
            incident.signal.seen = incident.signal.seen.max(burst.seen);
            incident.signal.total = incident.signal.seen;
            incident.last_seen = incident.last_seen.max(trigger.timestamp);
            incident.level = incident.level.max(trigger.level);
            return None;
        }
        let incident = Incident { count: burst.seen, ..Self::incident(burst.signal(trigger.timestamp), trigger) };
        self.open(incident, trigger.now, policy)
    }

    fn incident(signal: Signal, trigger: &Trigger<'_>) -> Incident {
        Incident {
            id: format!("{}-{}", signal.kind.as_str(), trigger.record_id),
            signal,
            pattern: Some(trigger.pattern),
            opened_at: trigger.now,
            first_seen: trigger.timestamp,
            last_seen: trigger.timestamp,
            count: 1,
            level: trigger.level,
            closed_at: None,
            evidence: vec![trigger.record],
            was_told: false,
        }
    }

    /// The open incident that a detector's signal belongs to, if there is one.
    fn explaining(&mut self, signal: &Signal, policy: &AlertPolicy) -> Option<&mut Incident> {
        let is_absence = |kind| matches!(kind, SignalKind::Silence | SignalKind::Missed);
        self.held.iter_mut().rev().filter(|incident| !incident.is_over(signal.at, policy)).find(|incident| {
            let open = incident.signal;
            let is_same_series = open.subject == signal.subject && open.kind != SignalKind::NewPattern;
            match signal.kind {
                // What brings the errors was told already.
                SignalKind::ErrorRatio => is_same_series || open.kind == SignalKind::NewPattern,
                SignalKind::NewPattern => open.kind == SignalKind::NewPattern && open.subject == signal.subject,
                // That a variable's values moved does not say that a limit is near.
                SignalKind::Trend => is_same_series && open.kind == SignalKind::Trend,
                // A drop to nothing is the silence, and so is a job that was missed in it; a mere drop is not.
                SignalKind::Silence if open.kind == SignalKind::Missed => open.at > signal.since,
                _ if is_absence(signal.kind) => {
                    is_same_series && (is_absence(open.kind) || open.kind == SignalKind::Drop && open.seen == 0)
                }
                _ => {
                    let is_new_itself = open.kind == SignalKind::NewPattern && open.subject == signal.subject;
                    let is_more = matches!(signal.kind, SignalKind::Burst | SignalKind::LevelShift);
                    // More of the whole is told; what it is made of goes on to show for a while.
                    let is_part = signal.subject.pattern().is_some() && open.subject == Subject::Component;
                    let is_open_more = matches!(open.kind, SignalKind::Burst | SignalKind::LevelShift);
                    is_same_series || is_new_itself || is_more && (incident.is_error_burst() || is_part && is_open_more)
                }
            }
        })
    }

    /// A detector is sure enough to tell somebody. `id` is what makes the incident's id unique.
    pub(crate) fn raise(
        &mut self,
        signal: Signal,
        (id, now): (&str, Timestamp),
        evidence: Vec<RecordId>,
        policy: &AlertPolicy,
    ) -> Raised {
        if let Some(incident) = self.explaining(&signal, policy) {
            incident.last_seen = incident.last_seen.max(signal.at);
            let is_wider = signal.kind == SignalKind::Silence;
            if incident.ends_with_its_series() && (is_wider || incident.signal.subject == signal.subject) {
                incident.signal = signal;
            }
            return Raised::Explained(incident.id.clone());
        }
        let subject = signal.subject.to_string();
        let series = subject.split(':').next().unwrap_or_default();
        let incident = Incident {
            id: format!("{}-{series}-{id}", signal.kind.as_str()),
            pattern: signal.subject.pattern(),
            opened_at: now,
            first_seen: signal.since,
            last_seen: signal.at,
            count: signal.seen,
            level: if signal.subject == Subject::Errors { Level::ERROR } else { Level::WARN },
            // A new level is told when it is the usual one already.
            closed_at: (signal.kind == SignalKind::LevelShift).then(|| now.plus(policy.cooldown)),
            evidence,
            was_told: false,
            signal,
        };
        let id = incident.id.clone();
        Raised::Opened(id, self.open(incident, now, policy))
    }

    /// The newest incident about this new pattern.
    pub(crate) fn of_new_pattern(&self, subject: Subject) -> Option<String> {
        let found = self
            .held
            .iter()
            .rev()
            .find(|incident| incident.signal.kind == SignalKind::NewPattern && incident.signal.subject == subject);
        // One that joined a storm has no incident of its own.
        let is_storm =
            |incident: &&Incident| incident.signal.kind == SignalKind::NewPattern && incident.signal.total > 1;
        let storm = || self.held.iter().rev().find(is_storm);
        found.or_else(storm).map(|incident| incident.id.clone())
    }

    /// Ends the incidents whose series is as usual again.
    pub(crate) fn close(&mut self, now: Timestamp, is_open: impl Fn(SignalKind, Subject) -> bool) {
        for incident in &mut self.held {
            if incident.ends_with_its_series()
                && incident.closed_at.is_none()
                && !is_open(incident.signal.kind, incident.signal.subject)
            {
                incident.closed_at = Some(now);
            }
        }
    }

    /// Holds a new incident; returns what is to be told now.
    fn open(&mut self, incident: Incident, now: Timestamp, policy: &AlertPolicy) -> Option<Vec<Incident>> {
        let id = incident.id.clone();
        self.hold(incident);
        self.announce(&id, now, policy)
    }

    fn hold(&mut self, incident: Incident) {
        self.held.push_back(incident);
        while self.held.len() > limits::INCIDENTS_MAX {
            self.held.pop_front();
        }
    }

    /// Has an incident told: now, or with those gathered since the last alert.
    fn announce(&mut self, id: &str, now: Timestamp, policy: &AlertPolicy) -> Option<Vec<Incident>> {
        if !policy.is_enabled {
            return None;
        }
        // It may be waiting already: who judged another incident in between has changed when people are told of this one.
        self.waiting.retain(|waiting| waiting != id);
        if self.grouped_until.is_some_and(|until| now < until) {
            self.waiting.push(id.to_owned());
            return None;
        }
        let incident = self.held.iter_mut().rev().find(|incident| incident.id == id)?;
        incident.was_told = true;
        let told = vec![incident.clone()];
        self.grouped_until = Some(now.plus(policy.group_window));
        Some(told)
    }

    /// Tells what was gathered, if its window has ended.
    pub(crate) fn wake(&mut self, now: Timestamp, policy: &AlertPolicy) -> Option<Vec<Incident>> {
        if self.wake_at().is_none_or(|at| now < at) {
            return None;
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.grouped_until = Some(now.plus(policy.group_window));
        let mut told = Vec::new();
        for incident in &mut self.held {
            if waiting.contains(&incident.id) {
                incident.was_told = true;
                told.push(incident.clone());
            }
        }
        (!told.is_empty()).then_some(told)
    }

    /// Open incidents at `now`.
    pub fn open_at<'a>(&'a self, now: Timestamp, policy: &'a AlertPolicy) -> impl Iterator<Item = &'a Incident> {
        self.held.iter().filter(move |incident| !incident.is_over(now, policy))
    }

    /// The most serious class among open incidents.
    pub fn worst(&self, now: Timestamp, policy: &AlertPolicy) -> Option<LevelClass> {
        self.open_at(now, policy).map(|incident| incident.level.class()).max()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.uint(self.held.len() as u64);
        for incident in &self.held {
            incident.write(out);
        }
        match self.grouped_until {
            None => out.u8(0),
            Some(until) => {
                out.u8(1);
                out.int(until.0);
            }
        }
        out.uint(self.waiting.len() as u64);
        for id in &self.waiting {
            out.text(id);
        }
    }

    /// Reads what [`Incidents::write`] wrote; `is_first` if that was by the first version of the state row.
    pub(crate) fn read(input: &mut Reader<'_>, is_first: bool) -> Result<Self, ReadError> {
        let mut incidents = Self::default();
        for _ in 0..input.count()? {
            let incident = if is_first { Incident::read_first(input)? } else { Incident::read(input)? };
            incidents.held.push_back(incident);
        }
        if input.u8()? == 1 {
            incidents.grouped_until = Some(Timestamp(input.int()?));
        }
        for _ in 0..input.count()? {
            incidents.waiting.push(input.text()?.to_owned());
        }
        Ok(incidents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(record_id: &str, pattern: u64, at: i64) -> Trigger<'_> {
        Trigger {
            record_id,
            record: RecordId { received_at: Timestamp(at), object_tag: 7, seq: 1, index: 2 },
            pattern: PatternId(pattern),
            level: Level::ERROR,
            timestamp: Timestamp(at),
            now: Timestamp(at),
        }
    }

    fn signal(kind: SignalKind, subject: Subject, at: i64) -> Signal {
        Signal {
            kind,
            subject,
            at: Timestamp(at),
            since: Timestamp(at - 60_000),
            window: Millis(60_000),
            expected: 20.0,
            expected_low: 10.0,
            expected_high: 30.0,
            seen: 70,
            total: 70,
            probability: 1e-10,
            is_alerting: true,
        }
    }

    fn novelty() -> Signal {
        Signal { seen: 1, total: 1, ..signal(SignalKind::NewPattern, Subject::Pattern(PatternId(1)), 0) }
    }

    /// Raises a signal at its own time; the id of the incident, and whether it was opened by it.
    fn raise(incidents: &mut Incidents, kind: SignalKind, subject: Subject, at: i64) -> (String, bool) {
        let raised = incidents.raise(signal(kind, subject, at), ("x", Timestamp(at)), vec![], &AlertPolicy::default());
        match raised {
            Raised::Opened(id, _) => (id, true),
            Raised::Explained(id) => (id, false),
        }
    }

    const BURST: Burst = Burst { seen: 12, expected_milli: 500, threshold: 10 };

    #[test]
    fn the_first_is_told_at_once_and_its_neighbours_together_when_the_window_ends() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        let told = incidents.open_new_pattern(novelty(), &trigger("a", 1, 1_000), 1, &policy).unwrap();
        assert_eq!(told.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["new_pattern-a"]);
        assert_eq!(incidents.wake_at(), None);
        assert_eq!(incidents.open_new_pattern(novelty(), &trigger("b", 2, 2_000), 1, &policy), None);
        assert_eq!(incidents.open_new_pattern(novelty(), &trigger("c", 3, 3_000), 1, &policy), None);
        assert_eq!(incidents.wake_at(), Some(Timestamp(61_000)));
        assert_eq!(incidents.wake(Timestamp(60_999), &policy), None);
        let told = incidents.wake(Timestamp(61_000), &policy).unwrap();
        assert_eq!(told.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["new_pattern-b", "new_pattern-c"]);
        assert_eq!(incidents.wake(Timestamp(200_000), &policy), None);
        assert!(incidents.all().all(|incident| incident.was_told));
    }

    #[test]
    fn one_that_waits_for_its_neighbours_is_told_once_when_it_comes_to_be_told_meanwhile() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        incidents.open_new_pattern(novelty(), &trigger("a", 1, 1_000), 1, &policy).unwrap();
        assert_eq!(incidents.open_new_pattern(novelty(), &trigger("b", 2, 2_000), 1, &policy), None, "it waits");
        // Somebody called an incident noise: from now on people are told with the second record. The alarm is late.
        let told = incidents.feed(&trigger("x", 2, 62_000), 2, &policy).unwrap();
        assert_eq!(told.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["new_pattern-b"]);
        assert_eq!(incidents.wake_at(), None);
        assert_eq!(incidents.wake(Timestamp(300_000), &policy), None);
    }

    #[test]
    fn a_storm_of_new_errors_is_one_incident_until_it_has_passed() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        for i in 0..50 {
            incidents.open_new_pattern(novelty(), &trigger(&i.to_string(), i, i as i64 * 10_000), 1, &policy);
        }
        assert_eq!(incidents.all().count(), STORM_PATTERNS);
        let storm = incidents.all().last().unwrap().clone();
        assert_eq!((storm.signal.total, storm.last_seen), (41, Timestamp(49 * 10_000)));
        assert_eq!(incidents.of_new_pattern(Subject::Pattern(PatternId(40))), Some(storm.id.clone()));
        let after = 49 * 10_000 + STORM_SPAN.0 + 1;
        incidents.open_new_pattern(novelty(), &trigger("after", 99, after), 1, &policy);
        assert_eq!(incidents.all().count(), STORM_PATTERNS + 1);
        assert_eq!(storm.evidence.len(), EVIDENCE_MAX);
    }

    #[test]
    fn a_dump_of_a_line_a_few_minutes_is_a_storm_and_what_comes_once_a_day_is_none() {
        let count = |apart: i64| {
            let mut incidents = Incidents::default();
            for i in 0..30 {
                let trigger = &trigger("x", i, i as i64 * apart);
                incidents.open_new_pattern(novelty(), trigger, 1, &AlertPolicy::default());
            }
            incidents.all().count()
        };
        assert_eq!((count(5 * 60_000), count(86_400_000)), (STORM_PATTERNS, 30));
    }

    #[test]
    fn what_the_whole_is_made_of_is_explained_by_it_and_not_the_other_way_round() {
        let part = Subject::Pattern(PatternId(3));
        let mut incidents = Incidents::default();
        let (id, _) = raise(&mut incidents, SignalKind::LevelShift, Subject::Component, 0);
        assert_eq!(raise(&mut incidents, SignalKind::LevelShift, part, 60_000), (id, false));
        assert!(raise(&mut incidents, SignalKind::Drop, part, 90_000).1, "less of a part is no part of more");
        let mut incidents = Incidents::default();
        raise(&mut incidents, SignalKind::Burst, part, 0);
        assert!(raise(&mut incidents, SignalKind::Burst, Subject::Component, 60_000).1);
    }

    #[test]
    fn a_burst_is_told_once_and_again_only_after_it_was_over() {
        let policy = AlertPolicy { group_window: Millis(0), ..AlertPolicy::default() };
        let mut incidents = Incidents::default();
        assert!(incidents.on_burst(BURST, &trigger("a", 1, 0), &policy).is_some());
        for at in 1..100 {
            assert_eq!(incidents.on_burst(BURST, &trigger("b", 1, at * 60_000), &policy), None);
        }
        let over = 99 * 60_000 + policy.cooldown.0 + 1;
        assert!(incidents.on_burst(BURST, &trigger("c", 1, over), &policy).is_some());
        assert_eq!(incidents.all().map(|incident| incident.count).collect::<Vec<_>>(), [12 + 99, 12]);
    }

    #[test]
    fn nobody_is_told_when_alerts_are_off_yet_the_incident_is_kept() {
        let policy = AlertPolicy { is_enabled: false, ..AlertPolicy::default() };
        let mut incidents = Incidents::default();
        assert_eq!(incidents.open_new_pattern(novelty(), &trigger("a", 1, 0), 1, &policy), None);
        assert_eq!((incidents.all().count(), incidents.wake_at()), (1, None));
        assert_eq!(incidents.worst(Timestamp(1), &policy), Some(LevelClass::Error));
        assert_eq!(incidents.worst(Timestamp(10_000_000), &policy), None);
    }

    #[test]
    fn the_number_held_is_bounded_and_all_survive_their_bytes() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        for i in 0..limits::INCIDENTS_MAX as u64 + 20 {
            let at = i as i64 * (STORM_SPAN.0 + 10);
            incidents.open_new_pattern(novelty(), &trigger(&i.to_string(), i, at), 1, &policy);
            incidents.feed(&trigger("x", i, at + 1), 1, &policy);
        }
        assert_eq!(incidents.all().count(), limits::INCIDENTS_MAX);
        assert!(incidents.all().all(|incident| incident.count == 2));
        let mut out = Writer::new();
        incidents.write(&mut out);
        assert_eq!(Incidents::read(&mut Reader::new(out.as_bytes()), false), Ok(incidents));
    }

    #[test]
    fn a_signal_opens_one_incident_that_ends_with_its_series() {
        let (policy, mut incidents) = (AlertPolicy::default(), Incidents::default());
        let (burst, total) = (SignalKind::Burst, Subject::Component);
        assert_eq!(raise(&mut incidents, burst, total, 1_000_000), ("burst-total-x".into(), true));
        assert_eq!(raise(&mut incidents, burst, total, 1_060_000), ("burst-total-x".into(), false));
        incidents.close(Timestamp(1_100_000), |kind, subject| (kind, subject) == (burst, total));
        assert_eq!(incidents.open_at(Timestamp(9_000_000), &policy).count(), 1, "no cooldown ends it");
        incidents.close(Timestamp(1_200_000), |_, _| false);
        assert_eq!(incidents.open_at(Timestamp(1_199_999), &policy).count(), 1);
        assert_eq!(incidents.open_at(Timestamp(1_200_000), &policy).count(), 0);
        assert!(raise(&mut incidents, burst, total, 1_300_000).1, "the next burst is another one");
        let mut out = Writer::new();
        incidents.write(&mut out);
        assert_eq!(Incidents::read(&mut Reader::new(out.as_bytes()), false), Ok(incidents));
    }

    #[test]
    fn what_an_open_incident_explains_is_not_told_again() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        incidents.on_burst(BURST, &trigger("a", 1, 0), &policy);
        for (kind, subject, is_told) in [
            (SignalKind::ErrorRatio, Subject::Errors, false),
            (SignalKind::Burst, Subject::Component, false),
            (SignalKind::Burst, Subject::Pattern(PatternId(9)), false),
            (SignalKind::LatencyShift, Subject::Durations, true),
            (SignalKind::Drop, Subject::Pattern(PatternId(8)), true),
            (SignalKind::Silence, Subject::Component, true),
        ] {
            assert_eq!(raise(&mut incidents, kind, subject, 30_000).1, is_told, "{kind:?}");
        }
        let mut incidents = Incidents::default();
        incidents.open_new_pattern(novelty(), &trigger("a", 1, 0), 1, &policy);
        assert!(!raise(&mut incidents, SignalKind::ErrorRatio, Subject::Errors, 30_000).1);
        assert!(!raise(&mut incidents, SignalKind::Burst, Subject::Pattern(PatternId(1)), 30_000).1);
        assert!(raise(&mut incidents, SignalKind::Burst, Subject::Component, 30_000).1);
        let later = policy.cooldown.0 + 1 + 30_000;
        assert!(raise(&mut incidents, SignalKind::ErrorRatio, Subject::Errors, later).1, "it was over");
    }

    #[test]
    fn a_drop_to_nothing_is_the_silence_and_a_mere_drop_is_not() {
        let policy = AlertPolicy::default();
        for (seen, is_told) in [(0, false), (3, true)] {
            let mut incidents = Incidents::default();
            let drop = Signal { seen, ..signal(SignalKind::Drop, Subject::Component, 0) };
            incidents.raise(drop, ("x", Timestamp(0)), vec![], &policy);
            assert_eq!(raise(&mut incidents, SignalKind::Silence, Subject::Component, 60_000).1, is_told);
        }
    }

    #[test]
    fn a_job_missed_in_a_silence_is_the_silence_and_one_missed_before_is_not() {
        let policy = AlertPolicy::default();
        for (missed_at, is_told) in [(90_000, false), (10_000, true)] {
            let mut incidents = Incidents::default();
            raise(&mut incidents, SignalKind::Missed, Subject::Pattern(PatternId(3)), missed_at);
            assert_eq!(raise(&mut incidents, SignalKind::Silence, Subject::Component, 120_000).1, is_told);
            let silences = incidents.open_at(Timestamp(120_000), &policy);
            assert_eq!(silences.filter(|incident| incident.signal.kind == SignalKind::Silence).count(), 1);
        }
    }

    #[test]
    fn an_absence_that_nobody_ended_is_over_after_a_week_and_a_new_level_after_the_cooldown() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        raise(&mut incidents, SignalKind::Missed, Subject::Pattern(PatternId(4)), 0);
        raise(&mut incidents, SignalKind::LevelShift, Subject::Component, 0);
        let open = |hours: i64| incidents.open_at(Timestamp(hours * 3_600_000), &policy).count();
        assert_eq!((open(0), open(1), open(7 * 24), open(7 * 24 + 1)), (2, 1, 1, 0));
    }

    #[test]
    fn incidents_of_the_first_state_row_are_read() {
        let mut out = Writer::new();
        out.uint(1);
        out.text("burst-a");
        out.u8(1);
        out.u64_fixed(5);
        [10, 20, 30].into_iter().for_each(|time| out.int(time));
        [7, u64::from(Level::ERROR.number()), 1_500, 12].into_iter().for_each(|number| out.uint(number));
        out.u8(1);
        out.u8(0);
        out.uint(0);
        let incidents = Incidents::read(&mut Reader::new(out.as_bytes()), true).unwrap();
        let burst = incidents.all().next().unwrap();
        assert_eq!((burst.signal.kind, burst.signal.subject), (SignalKind::Burst, Subject::Errors));
        assert_eq!((burst.signal.expected, burst.signal.seen, burst.count, burst.was_told), (1.5, 12, 7, true));
        assert_eq!((burst.pattern, burst.last_seen), (Some(PatternId(5)), Timestamp(30)));
    }
}
