//! Incidents of one component, and the alerts they ask for.
//!
//! Rules, all decided in the turn in which the line is written:
//! - an error pattern never seen before opens an incident, once in the pattern's life;
//! - a burst of errors opens an incident; while errors go on at that rate it is fed, and a new one can open only after
//!   `cooldown` without;
//! - the first incident is told at once; those that open within `group_window` of an alert wait and are told together
//!   when the window ends;
//! - records later than `lateness` open nothing.
//!
//! State: `waiting` holds the incidents that opened since the last alert and have not been told; it is empty unless
//! `grouped_until` is set.

use super::burst::Burst;
use crate::bytes::{ReadError, Reader, Writer};
use crate::level::{Level, LevelClass};
use crate::limits;
use crate::pattern::PatternId;
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

/// What kind of finding an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncidentKind {
    /// An error pattern never seen before in this component.
    NewPattern,
    /// More errors a minute than expected.
    Burst,
}

impl IncidentKind {
    /// All kinds; the position is the code in rows.
    pub const ALL: [Self; 2] = [Self::NewPattern, Self::Burst];
    /// Stable name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NewPattern => "new_pattern",
            Self::Burst => "burst",
        }
    }
}

/// Signals grouped, with a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Kind and id of the record that opened it: `new_pattern-0198...`.
    pub id: String,
    /// What it is about.
    pub kind: IncidentKind,
    /// Its pattern; for a burst the pattern of the record that tipped it.
    pub pattern: PatternId,
    /// When it was opened (receive time).
    pub opened_at: Timestamp,
    /// Event time of its first record.
    pub first_seen: Timestamp,
    /// Event time of its newest record.
    pub last_seen: Timestamp,
    /// Records that belong to it.
    pub count: u64,
    /// Worst level seen.
    pub level: Level,
    /// Expected records a minute, in thousandths.
    pub expected_milli: u64,
    /// Most records seen in a minute.
    pub seen: u64,
    /// Whether an alert about it was asked for.
    pub was_told: bool,
}

impl Incident {
    /// Whether it is over at `now`: nothing belonged to it for `cooldown`.
    pub fn is_over(&self, now: Timestamp, policy: &AlertPolicy) -> bool {
        now.since(self.last_seen) > policy.cooldown
    }

    fn write(&self, out: &mut Writer) {
        out.text(&self.id);
        out.u8(self.kind as u8);
        out.u64_fixed(self.pattern.0);
        for time in [self.opened_at, self.first_seen, self.last_seen] {
            out.int(time.0);
        }
        for number in [self.count, u64::from(self.level.number()), self.expected_milli, self.seen] {
            out.uint(number);
        }
        out.u8(u8::from(self.was_told));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            id: input.text()?.to_owned(),
            kind: IncidentKind::ALL
                .get(usize::from(input.u8()?))
                .copied()
                .ok_or(ReadError::Unknown("incident kind"))?,
            pattern: PatternId(input.u64_fixed()?),
            opened_at: Timestamp(input.int()?),
            first_seen: Timestamp(input.int()?),
            last_seen: Timestamp(input.int()?),
            count: input.uint()?,
            level: u8::try_from(input.uint()?).ok().and_then(Level::from_number).ok_or(ReadError::Unknown("level"))?,
            expected_milli: input.uint()?,
            seen: input.uint()?,
            was_told: input.u8()? == 1,
        })
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Release of the record that opened it.
    pub release: Option<String>,
    /// Environment of the record that opened it.
    pub environment: String,
}

/// All incidents of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// Feeds the open new-pattern incident of a pattern with one more record.
    pub(crate) fn feed(&mut self, trigger: &Trigger<'_>, policy: &AlertPolicy) {
        let found = self.held.iter_mut().rev().find(|incident| {
            incident.kind == IncidentKind::NewPattern
                && incident.pattern == trigger.pattern
                && !incident.is_over(trigger.timestamp, policy)
        });
        if let Some(incident) = found {
            incident.count += 1;
            incident.last_seen = incident.last_seen.max(trigger.timestamp);
            incident.level = incident.level.max(trigger.level);
        }
    }

    /// A pattern turned out to be another: what is open for it goes on under the other's id.
    pub(crate) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        for incident in self.held.iter_mut().filter(|incident| incident.pattern == from) {
            incident.pattern = into;
        }
    }

    /// An error pattern was seen for the first time.
    pub(crate) fn open_new_pattern(&mut self, trigger: &Trigger<'_>, policy: &AlertPolicy) -> Option<Vec<Incident>> {
        self.open(Self::incident(IncidentKind::NewPattern, trigger), trigger.now, policy)
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
            .find(|incident| incident.kind == IncidentKind::Burst && !incident.is_over(trigger.timestamp, policy));
        if let Some(incident) = open {
            incident.count += 1;
            incident.seen = incident.seen.max(burst.seen);
            incident.last_seen = incident.last_seen.max(trigger.timestamp);
            incident.level = incident.level.max(trigger.level);
            return None;
        }
        let mut incident = Self::incident(IncidentKind::Burst, trigger);
        incident.count = burst.seen;
        incident.seen = burst.seen;
        incident.expected_milli = burst.expected_milli;
        self.open(incident, trigger.now, policy)
    }

    fn incident(kind: IncidentKind, trigger: &Trigger<'_>) -> Incident {
        Incident {
            id: format!("{}-{}", kind.word(), trigger.record_id),
            kind,
            pattern: trigger.pattern,
            opened_at: trigger.now,
            first_seen: trigger.timestamp,
            last_seen: trigger.timestamp,
            count: 1,
            level: trigger.level,
            expected_milli: 0,
            seen: 1,
            was_told: false,
        }
    }

    /// Holds a new incident; returns what is to be told now.
    fn open(&mut self, mut incident: Incident, now: Timestamp, policy: &AlertPolicy) -> Option<Vec<Incident>> {
        let tells_now = policy.is_enabled && self.grouped_until.is_none_or(|until| now >= until);
        let waits = policy.is_enabled && !tells_now;
        incident.was_told = tells_now;
        if waits {
            self.waiting.push(incident.id.clone());
        }
        let told = tells_now.then(|| vec![incident.clone()]);
        if tells_now {
            self.grouped_until = Some(now.plus(policy.group_window));
        }
        self.held.push_back(incident);
        while self.held.len() > limits::INCIDENTS_MAX {
            self.held.pop_front();
        }
        told
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

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut incidents = Self::default();
        for _ in 0..input.count()? {
            incidents.held.push_back(Incident::read(input)?);
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
            pattern: PatternId(pattern),
            level: Level::ERROR,
            timestamp: Timestamp(at),
            now: Timestamp(at),
        }
    }

    const BURST: Burst = Burst { seen: 12, expected_milli: 500, threshold: 10 };

    #[test]
    fn the_first_is_told_at_once_and_its_neighbours_together_when_the_window_ends() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        let told = incidents.open_new_pattern(&trigger("a", 1, 1_000), &policy).unwrap();
        assert_eq!(told.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["new_pattern-a"]);
        assert_eq!(incidents.wake_at(), None);
        assert_eq!(incidents.open_new_pattern(&trigger("b", 2, 2_000), &policy), None);
        assert_eq!(incidents.open_new_pattern(&trigger("c", 3, 3_000), &policy), None);
        assert_eq!(incidents.wake_at(), Some(Timestamp(61_000)));
        assert_eq!(incidents.wake(Timestamp(60_999), &policy), None);
        let told = incidents.wake(Timestamp(61_000), &policy).unwrap();
        assert_eq!(told.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["new_pattern-b", "new_pattern-c"]);
        assert_eq!(incidents.wake(Timestamp(200_000), &policy), None);
        assert!(incidents.all().all(|incident| incident.was_told));
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
        assert_eq!(incidents.open_new_pattern(&trigger("a", 1, 0), &policy), None);
        assert_eq!((incidents.all().count(), incidents.wake_at()), (1, None));
        assert_eq!(incidents.worst(Timestamp(1), &policy), Some(LevelClass::Error));
        assert_eq!(incidents.worst(Timestamp(10_000_000), &policy), None);
    }

    #[test]
    fn the_number_held_is_bounded_and_all_survive_their_bytes() {
        let policy = AlertPolicy::default();
        let mut incidents = Incidents::default();
        for i in 0..limits::INCIDENTS_MAX as u64 + 20 {
            incidents.open_new_pattern(&trigger(&i.to_string(), i, 5), &policy);
            incidents.feed(&trigger("x", i, 6), &policy);
        }
        assert_eq!(incidents.all().count(), limits::INCIDENTS_MAX);
        assert!(incidents.all().all(|incident| incident.count == 2));
        let mut out = Writer::new();
        incidents.write(&mut out);
        assert_eq!(Incidents::read(&mut Reader::new(out.as_bytes())), Ok(incidents));
    }
}
