//! The detectors within the machine: every record goes by them, and what they find becomes an incident or is shown.
//!
//! Time: records count at their event time, one that is ahead of us at receive time, so that one wrong clock cannot
//! move the others into the past. What nobody sends is found by alarm, at the detectors' deadline plus the time that
//! records of this component take to arrive: the longest of late, at most `LATENESS`, or while history is played in,
//! the age of its newest record. Such an alarm changes state, so it is a row of the journal with the instant up to
//! which it closed; an alarm that finds nothing due writes nothing.
//!
//! Of the signals, those that are sure enough to wake people go the way of all incidents; every one is remembered with
//! what became of it, at most [`DECISIONS_MAX`]. How sure that is, people move by what they say of incidents
//! ([`super::feedback`]): a deviation has to be less probable, an absence has to last longer. An absence that has not
//! lasted long enough waits ([`Detection::held`]) and is judged again when it has, if it still goes on; a deviation that
//! opened without being sure enough is looked at after each minute and told when it has grown.

use super::{Effects, StreamMachine, state};
use crate::baseline::{Prior, Seed, Zone};
use crate::bytes::{ReadError, Reader, Writer};
use crate::detect::{
    ALERT_BELOW, Combinations, Detectors, Drifts, Facts, Releases, Signal, SignalKind, Stored, Subject, Trends,
    is_sure_in_domain,
};
use crate::limits::FEEDBACK_MAX;
use crate::pattern::{Exemplar, Observed, PatternId};
use crate::record::Record;
use crate::record_id::RecordId;
use crate::time::{Millis, Timestamp};
use crate::triage::{EVIDENCE_MAX, Incident, Raised};
use std::collections::VecDeque;

/// Decisions remembered for people. At about 150 bytes each 40 KB.
const DECISIONS_MAX: usize = 256;
/// Alarms for the sake of the detectors are at least this far apart.
const ALARMS_APART: Millis = Millis::from_mins(1);
/// Patterns named where a signal is about all of them.
const MOVERS_MAX: usize = 3;
/// Absences that wait for as long as feedback asks; at most one for each opinion.
const HELD_MAX: usize = FEEDBACK_MAX;
/// Open deviations that nobody was told of and that are looked at each minute, should they grow.
const UNSURE_MAX: usize = 64;
/// For how many looks at a deviation its probability is corrected: an hour of minutes, each at four windows and more.
const LOOKS: f64 = 1_000.0;
/// Hours after which a component lends what it has learned anew: a week.
const LEND_EVERY_HOURS: u32 = 168;
/// Version 1 held no absences; it is still read.
const VERSION: u8 = 2;
const USUAL_VERSION: u8 = 1;

/// What became of a signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Not sure enough to wake people.
    Shown,
    /// Sure enough without what people said of earlier ones: the threshold of this series was raised.
    Quieted,
    /// Found in records that came too late to wake anybody.
    Late,
    /// It opened this incident.
    Opened(String),
    /// It belongs to this incident, which was open.
    Explained(String),
}

/// A signal and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What was found.
    pub signal: Signal,
    /// When (receive time).
    pub decided_at: Timestamp,
    /// What was made of it.
    pub verdict: Verdict,
}

/// The detectors with what belongs to them here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Detection {
    pub(super) detectors: Detectors,
    /// Levels that variables tell.
    pub(super) trends: Trends,
    /// What values variables have.
    pub(super) drifts: Drifts,
    /// What patterns never came with.
    pub(super) combinations: Combinations,
    /// And with which release they did.
    pub(super) releases: Releases,
    /// The minute up to which levels and values were looked at.
    pub(super) looked_at_values: Timestamp,
    decisions: VecDeque<Decision>,
    /// Absences that have to last longer, with the event time at which they are judged again.
    held: Vec<(Timestamp, Signal)>,
    /// Deviations that opened without being sure enough, and the minute up to which they were looked at again.
    unsure: Vec<(SignalKind, Subject)>,
    looked_again: Timestamp,
    /// How long after its event time a record arrives, at most: the longest of late, slowly forgotten.
    delay: Millis,
    /// The newest event time, and its age when it arrived.
    newest: Timestamp,
    age: Millis,
    /// When an alarm last closed what was due.
    looked_at: Timestamp,
    /// Hours that were behind what the domain was last lent; 0 before.
    lent_hours: u32,
}

impl Detection {
    /// A row was received `at`: learns how late its records came, those beyond `lateness` aside.
    pub(super) fn learn_delay(
        &mut self,
        times: impl Iterator<Item = Timestamp> + Clone,
        at: Timestamp,
        lateness: Millis,
    ) {
        let newest = times.clone().map(|time| time.min(at)).max();
        if let Some(newest) = newest.filter(|newest| *newest > self.newest || self.newest == Timestamp::default()) {
            (self.newest, self.age) = (newest, at.since(newest));
        }
        let delays = times.map(|time| at.since(time)).filter(|delay| *delay <= lateness);
        let longest = delays.max().unwrap_or_default();
        self.delay = longest.max(Millis(self.delay.0 - self.delay.0 / 32));
    }

    /// A pattern turned out to be another.
    pub(super) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        self.detectors.merge_pattern(from, into);
        self.trends.merge_pattern(from, into);
        self.drifts.merge_pattern(from, into);
        for (_, signal) in self.held.iter_mut().filter(|(_, signal)| signal.subject == Subject::Pattern(from)) {
            signal.subject = Subject::Pattern(into);
        }
        for (_, subject) in self.unsure.iter_mut().filter(|(_, subject)| *subject == Subject::Pattern(from)) {
            *subject = Subject::Pattern(into);
        }
    }

    /// Keeps an eye on a deviation of which nobody was told, while it goes on.
    fn watch(&mut self, signal: &Signal) {
        let it = (signal.kind, signal.subject);
        let is_absence = matches!(signal.kind, SignalKind::Silence | SignalKind::Missed);
        if !is_absence
            && self.unsure.len() < UNSURE_MAX
            && !self.unsure.contains(&it)
            && self.detectors.is_open(signal.kind, signal.subject)
        {
            self.unsure.push(it);
        }
    }

    /// Those of them that are still open, as they stand after another minute.
    fn grown(&mut self) -> Vec<Signal> {
        let detectors = &self.detectors;
        self.unsure.retain(|&(kind, subject)| detectors.is_open(kind, subject));
        let Some(minute) = detectors.minute().filter(|minute| *minute > self.looked_again) else { return Vec::new() };
        self.looked_again = minute;
        let corrected = |signal: Signal| {
            let probability = (signal.probability * LOOKS).min(1.0);
            Signal { probability, is_alerting: signal.is_alerting && probability < ALERT_BELOW, ..signal }
        };
        let standing = self.unsure.iter().filter_map(|&(kind, subject)| detectors.standing(kind, subject));
        standing.map(corrected).collect()
    }

    fn remember(&mut self, decision: Decision) {
        if self.decisions.len() >= DECISIONS_MAX {
            self.decisions.pop_front();
        }
        self.decisions.push_back(decision);
    }

    /// Has an absence judged again when it will have lasted `times` what it has; false if there is no room for it.
    fn hold(&mut self, signal: Signal, times: f64) -> bool {
        let wait = Millis((signal.window.0 as f64 * times) as i64);
        self.held.retain(|(_, held)| (held.kind, held.subject) != (signal.kind, signal.subject));
        if self.held.len() >= HELD_MAX {
            return false;
        }
        self.held.push((signal.since.plus(wait), signal));
        true
    }

    /// The absences that have lasted long enough at `until`, as they stand then. Those that are over are forgotten.
    fn ripe(&mut self, until: Timestamp) -> Vec<Signal> {
        let detectors = &self.detectors;
        self.held.retain(|(_, signal)| detectors.is_open(signal.kind, signal.subject));
        let (ripe, held): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|(due, _)| *due <= until);
        self.held = held;
        let grown = |(_, signal): (Timestamp, Signal)| {
            let window = until.since(signal.since);
            let times = window.0 as f64 / signal.window.0.max(1) as f64;
            Signal {
                at: until,
                window,
                expected: signal.expected * times,
                expected_high: signal.expected_high * times,
                ..signal
            }
        };
        ripe.into_iter().map(grown).collect()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.int(self.delay.0);
        [self.newest.0, self.age.0, self.looked_at.0].into_iter().for_each(|time| out.int(time));
        out.uint(self.decisions.len() as u64);
        for decision in &self.decisions {
            decision.signal.write(&mut out);
            out.int(decision.decided_at.0);
            let (code, id) = match &decision.verdict {
                Verdict::Shown => (0, ""),
                Verdict::Late => (1, ""),
                Verdict::Opened(id) => (2, id.as_str()),
                Verdict::Explained(id) => (3, id.as_str()),
                Verdict::Quieted => (4, ""),
            };
            out.u8(code);
            out.text(id);
        }
        out.uint(self.held.len() as u64);
        for (due, signal) in &self.held {
            out.int(due.0);
            signal.write(&mut out);
        }
        out.uint(self.unsure.len() as u64);
        for (kind, subject) in &self.unsure {
            out.u8(kind.code());
            subject.write(&mut out);
        }
        out.int(self.looked_again.0);
        self.detectors.write(&mut out);
        // Builds that do not know what follows end here.
        out.int(self.looked_at_values.0);
        self.trends.write(&mut out);
        self.drifts.write(&mut out);
        self.combinations.write(&mut out);
        out.int(self.detectors.zone().standard_hours());
        // So do these.
        out.uint(u64::from(self.lent_hours));
        self.detectors.write_seed(&mut out);
        out.into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        let version = input.u8()?;
        if !(1..=VERSION).contains(&version) {
            return Err(ReadError::Unknown("version of the detection"));
        }
        let mut read = Self {
            delay: Millis(input.int()?),
            newest: Timestamp(input.int()?),
            age: Millis(input.int()?),
            looked_at: Timestamp(input.int()?),
            ..Self::default()
        };
        for _ in 0..input.count()? {
            let (signal, decided_at) = (Signal::read(&mut input)?, Timestamp(input.int()?));
            let (code, id) = (input.u8()?, input.text()?.to_owned());
            let verdict = match code {
                0 => Verdict::Shown,
                1 => Verdict::Late,
                2 => Verdict::Opened(id),
                3 => Verdict::Explained(id),
                4 => Verdict::Quieted,
                _ => return Err(ReadError::Unknown("verdict")),
            };
            read.remember(Decision { signal, decided_at, verdict });
        }
        let held = if version > 1 { input.count()? } else { 0 };
        for _ in 0..held.min(HELD_MAX) {
            read.held.push((Timestamp(input.int()?).clamped(), Signal::read(&mut input)?));
        }
        if version > 1 {
            for _ in 0..input.count()?.min(UNSURE_MAX) {
                let kind = SignalKind::of_code(input.u8()?).ok_or(ReadError::Unknown("kind of a signal"))?;
                read.unsure.push((kind, Subject::read(&mut input)?));
            }
            read.looked_again = Timestamp(input.int()?).clamped();
        }
        read.detectors = Detectors::read(&mut input)?;
        if !input.is_empty() {
            read.looked_at_values = Timestamp(input.int()?).clamped();
            read.trends = Trends::read(&mut input)?;
            read.drifts = Drifts::read(&mut input)?;
            read.combinations = Combinations::read(&mut input)?;
            read.detectors.learned_in(input.int()?);
        }
        if !input.is_empty() {
            read.lent_hours = input.u32()?;
            read.detectors.read_seed(&mut input)?;
        }
        Ok(read)
    }

    /// The row of what is usual by the hour and what came with which release: written when that changed, once in half an
    /// hour. A row of its own: a build that does not know it reads all others.
    pub(super) fn write_usual(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(USUAL_VERSION);
        self.drifts.write_courses(&mut out);
        self.releases.write(&mut out);
        out.into_bytes()
    }

    /// Takes in what [`Detection::write_usual`] wrote; none of it if it cannot be read.
    pub(super) fn read_usual(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != USUAL_VERSION {
            return Err(ReadError::Unknown("version of what is usual"));
        }
        let mut drifts = self.drifts.clone();
        drifts.read_courses(&mut input)?;
        self.releases = Releases::read(&mut input)?;
        self.drifts = drifts;
        Ok(())
    }
}

impl StreamMachine {
    /// What the detectors need to know of a record.
    pub(super) fn facts(record: &Record, observed: Observed, at: Timestamp) -> Facts {
        Facts {
            at: record.timestamp.min(at),
            pattern: observed.id,
            is_new_pattern: observed.is_new,
            is_error: record.level.is_error(),
            duration_ms: record.duration_ms,
        }
    }

    /// The season goes by the domain's clocks: those that it names itself, else those of the service.
    pub(super) fn take_zone(&mut self) {
        let own = self.view.overrides.iter().find(|(name, _)| name == "TIME_ZONE");
        let zone = own.and_then(|(_, zone)| Zone::parse(zone)).unwrap_or(self.settings.zone);
        if zone != self.detection.detectors.zone() {
            let ahead = zone.standard_hours() - self.detection.detectors.zone().standard_hours();
            self.detection.drifts.turn(ahead);
            self.detection.detectors.set_zone(zone);
            self.usual_changed |= self.detection.drifts.has_courses();
        }
    }

    /// What to lend to the domain's newcomers, if a week was learned since it was done last. At most one try an hour that
    /// was learned: the domain may be away.
    pub(super) fn lends(&mut self) -> Option<Prior> {
        // Shards of a component have the same shapes.
        if self.identity.shard != 0 || !self.is_registered {
            return None;
        }
        let hours = self.detection.detectors.hours();
        let is_due = hours >= self.detection.lent_hours.saturating_add(LEND_EVERY_HOURS) && hours != self.lend_tried;
        self.lend_tried = if is_due { hours } else { self.lend_tried };
        if is_due { self.detection.detectors.prior() } else { None }
    }

    /// The domain has what was lent when so many hours were behind it.
    pub(super) fn take_lent(&mut self, hours: u32, now: Timestamp) {
        self.detection.lent_hours = hours;
        self.set_dirty(now);
    }

    /// Begins with what the domain's components lend; true if nothing was seen before.
    pub(super) fn take_seed(&mut self, seed: Seed, now: Timestamp) -> bool {
        let is_taken = self.detection.detectors.begin_with(seed);
        if is_taken {
            self.set_dirty(now);
        }
        is_taken
    }

    /// Takes note of one record.
    pub(super) fn detect(&mut self, facts: &Facts) {
        self.detection.detectors.observe(facts);
        // More watched than known: some patterns left to make room.
        if facts.is_new_pattern && self.detection.detectors.watched() > self.miner.len() {
            let miner = &self.miner;
            self.detection.detectors.retain(|id| miner.pattern(id).is_some_and(|pattern| pattern.id == id));
        }
    }

    /// Deals with what was found up to row `seq`, and with absences that have lasted long enough; ends what is over.
    pub(super) fn raise(&mut self, ripe: Vec<Signal>, seq: u64, at: Timestamp, mut effects: Option<&mut Effects>) {
        let mut found = self.detection.detectors.take_signals();
        found.append(&mut self.detection.trends.take_signals());
        found.append(&mut self.detection.drifts.take_signals());
        found.append(&mut self.detection.combinations.take_signals());
        let streams = 1u32.checked_shl(self.view.streams_exponent.into()).unwrap_or(u32::MAX);
        let in_domain = |signal: Signal| Signal { is_alerting: is_sure_in_domain(&signal, streams), ..signal };
        let found = found.into_iter().map(|signal| (in_domain(signal), false));
        let signals: Vec<_> = ripe.into_iter().map(|signal| (signal, true)).chain(found).collect();
        let grown = self.detection.grown().into_iter().map(in_domain);
        let grown: Vec<_> = grown.filter(|signal| self.feedbacks.tells(signal)).collect();
        // What is told now is watched no longer.
        self.detection.unsure.retain(|it| !grown.iter().any(|signal| *it == (signal.kind, signal.subject)));
        let signals = signals.into_iter().chain(grown.into_iter().map(|signal| (signal, false)));
        for (index, (mut signal, is_ripe)) in signals.enumerate() {
            signal.subject = signal.subject.of_pattern(|id| self.miner.resolve(id));
            let verdict = self.judge_signal(signal, is_ripe, (seq, index as u16, at), effects.as_deref_mut());
            if matches!(verdict, Verdict::Shown | Verdict::Quieted) {
                self.detection.watch(&signal);
            }
            self.detection.remember(Decision { signal, decided_at: at, verdict });
        }
        let detectors = &self.detection.detectors;
        self.detection.held.retain(|(_, signal)| detectors.is_open(signal.kind, signal.subject));
        let detection = &self.detection;
        self.incidents.close(at, |kind, subject| detection.is_open(kind, subject));
    }

    fn judge_signal(
        &mut self,
        signal: Signal,
        is_ripe: bool,
        (seq, index, at): (u64, u16, Timestamp),
        effects: Option<&mut Effects>,
    ) -> Verdict {
        let policy = self.settings.alerts;
        // A slot is closed by the record after it, which may take a while to come.
        if at.since(signal.at) > policy.lateness.max(Millis::from_mins(1)) {
            return Verdict::Late;
        }
        if !self.feedbacks.tells(&signal) {
            return if signal.is_alerting { Verdict::Quieted } else { Verdict::Shown };
        }
        if signal.kind == SignalKind::NewPattern {
            // A new error opened its incident when its record was judged, if that was not too late.
            let id = self.incidents.of_new_pattern(signal.subject);
            return id.map_or(Verdict::Late, Verdict::Explained);
        }
        let times = self.feedbacks.wait(&signal);
        if times > 1.0 && !is_ripe && self.detection.hold(signal, times) {
            return Verdict::Quieted;
        }
        let id = self.record_id(at, seq, index).to_string();
        let evidence = self.evidence(&signal);
        match self.incidents.raise(signal, (&id, at), evidence, &policy) {
            Raised::Explained(id) => Verdict::Explained(id),
            Raised::Opened(id, told) => {
                if let Some(told) = told {
                    self.tell_group(told, at, None, effects);
                }
                Verdict::Opened(id)
            }
        }
    }

    /// The patterns that a signal is about: its own, those that brought the errors, or those that moved most.
    pub(super) fn concerned(&self, signal: &Signal) -> Vec<PatternId> {
        let is_more = matches!(signal.kind, SignalKind::Burst | SignalKind::LevelShift);
        match signal.subject {
            Subject::Pattern(id) | Subject::Variable(id, _) | Subject::Facet(id, _) => vec![id],
            Subject::Errors => self.recent_errors.iter().map(|(pattern, _)| *pattern).collect(),
            Subject::Component => self.detection.detectors.movers(is_more, MOVERS_MAX),
            Subject::Durations => Vec::new(),
        }
    }

    /// Lines that show what a signal is about.
    pub(super) fn shown_by(&self, signal: &Signal) -> Vec<Exemplar> {
        if signal.subject == Subject::Errors {
            return self.recent_errors.iter().map(|(_, exemplar)| exemplar.clone()).collect();
        }
        // Of what lines say, the newest shows it.
        let is_of_line = matches!(signal.subject, Subject::Variable(..) | Subject::Facet(..));
        let mut shown = Vec::new();
        for pattern in self.concerned(signal).into_iter().filter_map(|id| self.miner.pattern(id)) {
            shown.extend(pattern.last.clone().filter(|_| is_of_line));
            shown.extend_from_slice(pattern.exemplars.get(..2).unwrap_or(&pattern.exemplars));
        }
        shown
    }

    fn evidence(&self, signal: &Signal) -> Vec<RecordId> {
        let id = |exemplar: &Exemplar| RecordId {
            received_at: exemplar.received_at,
            object_tag: self.tag,
            seq: exemplar.seq,
            index: exemplar.index,
        };
        let stored = match signal.kind {
            SignalKind::Trend => self.detection.trends.evidence(signal.subject),
            _ => Vec::new(),
        };
        let of_it = stored.into_iter().map(|Stored { seq, index, received_at }| RecordId {
            received_at,
            object_tag: self.tag,
            seq,
            index,
        });
        let mut ids: Vec<_> = of_it.collect();
        for shown in self.shown_by(signal).iter().map(id) {
            if !ids.contains(&shown) {
                ids.push(shown);
            }
        }
        ids.truncate(EVIDENCE_MAX);
        ids
    }

    /// How long after its event time a record may still be on its way.
    fn grace(&self) -> Millis {
        self.detection.delay.min(self.settings.alerts.lateness).max(self.detection.age)
    }

    /// When the absence of records is a finding.
    pub(super) fn detection_due(&self) -> Option<Timestamp> {
        let held = self.detection.held.iter().map(|(due, _)| *due);
        let deadline = held.chain(self.detection.detectors.next_deadline()).min()?;
        Some(deadline.plus(self.grace()).max(self.detection.looked_at.plus(ALARMS_APART)))
    }

    /// Closes what is due by the alarm; a row of the journal, since it depends on the time of the alarm.
    pub(super) fn detect_absence(&mut self, now: Timestamp, effects: &mut Effects) {
        if self.detection_due().is_none_or(|at| now < at) {
            return;
        }
        let until = now.minus(self.grace());
        effects.rows.push(self.event_row(state::encode_close(until), now));
        self.close_detection(until, now, Some(effects));
    }

    /// What [`StreamMachine::detect_absence`] decided, live and on replay.
    pub(super) fn close_detection(&mut self, until: Timestamp, now: Timestamp, effects: Option<&mut Effects>) {
        self.detection.looked_at = now;
        self.detection.detectors.close(until);
        let ripe = self.detection.ripe(until);
        self.raise(ripe, self.last, now, effects);
        self.set_dirty(now);
    }

    /// Tells a group of incidents. On replay the outbox row exists, or was delivered; what stays is that it was told.
    pub(super) fn tell_group(
        &mut self,
        told: Vec<Incident>,
        at: Timestamp,
        record: Option<&Record>,
        effects: Option<&mut Effects>,
    ) {
        match effects {
            Some(effects) => {
                let alert = self.alert(told, at, record);
                self.tell(alert, at, effects);
            }
            None => told.iter().filter_map(|incident| incident.pattern).for_each(|id| self.miner.mark_alerted(id)),
        }
    }

    /// The detectors.
    pub fn detectors(&self) -> &Detectors {
        &self.detection.detectors
    }

    /// The last decisions, oldest first.
    pub fn decisions(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.detection.decisions.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absence(number: u64) -> Signal {
        Signal {
            kind: SignalKind::Missed,
            subject: Subject::Pattern(PatternId(number)),
            at: Timestamp(900_000),
            since: Timestamp(600_000),
            window: Millis(300_000),
            expected: 2.0,
            expected_low: 1.0,
            expected_high: 2.0,
            seen: 0,
            total: 0,
            probability: 1e-9,
            is_alerting: true,
        }
    }

    #[test]
    fn absences_that_wait_are_bounded_and_survive_their_bytes() {
        let mut detection = Detection::default();
        for number in 0..HELD_MAX as u64 {
            assert!(detection.hold(absence(number), 1.5));
        }
        assert!(!detection.hold(absence(u64::MAX), 1.5), "told at once rather than never");
        assert!(detection.hold(absence(3), 2.0), "the same absence takes its own place");
        assert_eq!(detection.held.len(), HELD_MAX);
        assert_eq!(detection.held.last().map(|(due, _)| *due), Some(Timestamp(1_200_000)));
        assert_eq!(Detection::read(&detection.write()), Ok(detection.clone()));
        detection.merge_pattern(PatternId(3), PatternId(500));
        assert_eq!(detection.held.last().map(|(_, held)| held.subject), Some(Subject::Pattern(PatternId(500))));
        // Nothing of it goes on any more.
        assert_eq!(detection.ripe(Timestamp(i64::MAX / 4)), []);
        assert_eq!(detection.held, []);
    }

    #[test]
    fn the_row_of_a_build_that_held_no_absences_is_read() {
        let mut row = Detection::default().write();
        // Version, four times, no decisions; then what that build did not know: nothing held, nothing unsure, a time.
        assert_eq!(row.get(..9), Some(&[VERSION, 0, 0, 0, 0, 0, 0, 0, 0][..]));
        row.drain(6..9);
        row[0] = 1;
        assert_eq!(Detection::read(&row), Ok(Detection::default()));
        row[0] = VERSION + 1;
        assert!(Detection::read(&row).is_err());
    }
}
