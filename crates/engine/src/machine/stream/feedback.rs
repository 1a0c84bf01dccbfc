//! What people said of incidents, and how far it moves the thresholds of their series.
//!
//! One opinion an incident: a later one replaces it, undoing takes it away. The threshold of a kind of signal of a
//! series is the fold of the opinions about it, oldest first: `noise` is a step towards quiet, `real` a step back, never
//! beyond the ends of its scale, so that no number of clicks makes a component mute. What leaves the list
//! ([`FEEDBACK_MAX`]) has no effect any more.
//!
//! A new pattern comes once in its life, so its opinions move the threshold of all new errors of the component.

use super::{Effects, StreamMachine, state};
use crate::bytes::{ReadError, Reader, Writer};
use crate::detect::{Signal, SignalKind, Subject, alert_below};
use crate::limits::{FEEDBACK_MAX, FEEDBACK_NOTE_BYTES_MAX};
use crate::pattern::PatternId;
use crate::time::Timestamp;
use crate::triage::AlertPolicy;
use std::collections::VecDeque;

/// By how much a step moves the probability below which a deviation tells people.
const STEP_FACTOR: f64 = 1e-3;
/// The same of trends, which rest on few points.
const TREND_FACTOR: f64 = 1e-2;
/// How many times the usual wait an absence lasts before people are told, by step.
const WAITS: [f64; 5] = [1.0, 1.5, 2.0, 3.0, 4.0];
/// How many times `CRITICAL_THRESHOLD` and `BURST_FACTOR` make a burst of errors, by step.
const ERROR_FACTORS: [u32; 4] = [1, 2, 4, 8];
/// Records of a new error before people are told, by step.
const NEW_RECORDS: [u64; 4] = [1, 3, 10, 30];

/// What an incident was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// Nobody wanted to be told.
    Noise,
    /// Somebody was glad to be.
    Real,
}

impl Opinion {
    /// Stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Real => "real",
        }
    }

    /// The opinion of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Noise, Self::Real].into_iter().find(|opinion| opinion.word() == word)
    }
}

/// An opinion as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The incident's id.
    pub incident: String,
    /// The series and the kind whose threshold it moves.
    pub subject: Subject,
    /// See `subject`.
    pub kind: SignalKind,
    /// What was said.
    pub opinion: Opinion,
    /// Why, in the words of who said it; may be empty.
    pub note: String,
    /// Who.
    pub by: String,
    /// When (receive time).
    pub at: Timestamp,
}

/// What it takes to tell people of a kind of signal of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Demand {
    /// A probability below this.
    Probability(f64),
    /// An absence of this many times the wait that shows it.
    Wait(f64),
    /// This many times the errors that `CRITICAL_THRESHOLD` and `BURST_FACTOR` say.
    Errors(u32),
    /// This many records of a new error, none later than `ALERT_COOLDOWN` after the one before.
    Records(u64),
}

/// Where a threshold stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Series.
    pub subject: Subject,
    /// Kind of signal.
    pub kind: SignalKind,
    /// Steps towards quiet; 0 without feedback, negative where people want to hear more.
    pub step: i8,
}

impl Threshold {
    /// The threshold that an incident of this kind and series belongs to.
    fn key(kind: SignalKind, subject: Subject) -> (SignalKind, Subject) {
        (kind, if kind == SignalKind::NewPattern { Subject::Component } else { subject })
    }

    /// The steps that it can take.
    fn range(self) -> (i8, i8) {
        match (self.kind, self.subject) {
            (SignalKind::NewPattern, _) | (SignalKind::Burst, Subject::Errors) => (0, 3),
            (SignalKind::Silence | SignalKind::Missed, _) => (0, 4),
            // One step below the usual is everything that the detectors find.
            _ => (-1, 4),
        }
    }

    fn moved(self, opinion: Opinion) -> Self {
        let (least, most) = self.range();
        let by = if opinion == Opinion::Noise { 1 } else { -1 };
        Self { step: self.step.saturating_add(by).clamp(least, most), ..self }
    }

    /// What it takes to tell people.
    pub fn demand(self) -> Demand {
        let place = usize::try_from(self.step).unwrap_or(0);
        match (self.kind, self.subject) {
            (SignalKind::NewPattern, _) => Demand::Records(NEW_RECORDS.get(place).copied().unwrap_or(1)),
            (SignalKind::Burst, Subject::Errors) => Demand::Errors(ERROR_FACTORS.get(place).copied().unwrap_or(1)),
            (SignalKind::Silence | SignalKind::Missed, _) => Demand::Wait(WAITS.get(place).copied().unwrap_or(1.0)),
            _ => {
                let below = alert_below(self.kind).unwrap_or(0.0);
                let factor = if self.kind == SignalKind::Trend { TREND_FACTOR } else { STEP_FACTOR };
                let steps = (0..self.step.unsigned_abs()).fold(1.0, |product, _| product * factor);
                Demand::Probability(if self.step < 0 { below / steps } else { below * steps })
            }
        }
    }
}

/// What became of an opinion, or of undoing one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeedbackAnswer {
    /// The component has no such incident (any more).
    UnknownIncident,
    /// Nobody said anything of this incident.
    NothingToUndo,
    /// The threshold stood at this step before, and stands so now.
    Moved(i8, Threshold),
}

/// All opinions in force, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Feedbacks {
    given: VecDeque<Feedback>,
}

impl Feedbacks {
    pub(super) fn threshold(&self, kind: SignalKind, subject: Subject) -> Threshold {
        let (kind, subject) = Threshold::key(kind, subject);
        let of_it = self.given.iter().filter(|one| (one.kind, one.subject) == (kind, subject));
        of_it.fold(Threshold { subject, kind, step: 0 }, |threshold, one| threshold.moved(one.opinion))
    }

    /// Whether a signal is sure enough to tell people. Absences are judged by how long they last, see
    /// [`Feedbacks::wait`].
    pub(super) fn tells(&self, signal: &Signal) -> bool {
        if self.given.is_empty() {
            return signal.is_alerting;
        }
        let threshold = self.threshold(signal.kind, signal.subject);
        match threshold.demand() {
            Demand::Probability(below) if threshold.step > 0 => signal.is_alerting && signal.probability < below,
            Demand::Probability(below) if threshold.step < 0 => signal.is_alerting || signal.probability < below,
            _ => signal.is_alerting,
        }
    }

    /// How many times the wait that shows an absence has to pass before people are told.
    pub(super) fn wait(&self, signal: &Signal) -> f64 {
        match self.threshold(signal.kind, signal.subject).demand() {
            Demand::Wait(times) => times,
            Demand::Probability(_) | Demand::Errors(_) | Demand::Records(_) => 1.0,
        }
    }

    /// The policy for errors: bursts take more of them where bursts were noise.
    pub(super) fn of_errors(&self, policy: AlertPolicy) -> AlertPolicy {
        let Demand::Errors(times) = self.threshold(SignalKind::Burst, Subject::Errors).demand() else { return policy };
        AlertPolicy {
            burst_errors_min: policy.burst_errors_min.saturating_mul(times),
            burst_factor: policy.burst_factor.saturating_mul(times),
            ..policy
        }
    }

    /// Records of a new error before people are told.
    pub(super) fn new_records(&self) -> u64 {
        match self.threshold(SignalKind::NewPattern, Subject::Component).demand() {
            Demand::Records(records) => records,
            Demand::Probability(_) | Demand::Wait(_) | Demand::Errors(_) => 1,
        }
    }

    fn remove(&mut self, incident: &str) -> Option<Feedback> {
        let place = self.given.iter().position(|one| one.incident == incident)?;
        self.given.remove(place)
    }

    fn add(&mut self, feedback: Feedback) {
        self.remove(&feedback.incident);
        while self.given.len() >= FEEDBACK_MAX {
            self.given.pop_front();
        }
        self.given.push_back(feedback);
    }

    /// A pattern turned out to be another.
    pub(super) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        for one in &mut self.given {
            one.subject = one.subject.of_pattern(|id| if id == from { into } else { id });
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.uint(self.given.len() as u64);
        self.given.iter().for_each(|one| one.write(out));
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut read = Self::default();
        for _ in 0..input.count()? {
            read.add(Feedback::read(input)?);
        }
        Ok(read)
    }
}

impl Feedback {
    pub(super) fn write(&self, out: &mut Writer) {
        out.text(&self.incident);
        self.subject.write(out);
        out.u8(self.kind.code());
        out.u8(u8::from(self.opinion == Opinion::Real));
        out.text(&self.note);
        out.text(&self.by);
        out.int(self.at.0);
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            incident: input.text()?.to_owned(),
            subject: Subject::read(input)?,
            kind: SignalKind::of_code(input.u8()?).ok_or(ReadError::Unknown("kind of a signal"))?,
            opinion: if input.u8()? == 1 { Opinion::Real } else { Opinion::Noise },
            note: input.text()?.to_owned(),
            by: input.text()?.to_owned(),
            at: Timestamp(input.int()?),
        })
    }
}

impl StreamMachine {
    /// Somebody says what an incident was.
    pub(super) fn note_feedback(
        &mut self,
        (incident, opinion): (&str, Opinion),
        (by, note): (String, String),
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(found) = self.incidents.all().find(|known| known.id == incident) else {
            effects.feedback = Some(FeedbackAnswer::UnknownIncident);
            return;
        };
        let (kind, subject) = Threshold::key(found.signal.kind, found.signal.subject);
        let note = cut(note, FEEDBACK_NOTE_BYTES_MAX);
        let feedback = Feedback { incident: incident.to_owned(), subject, kind, opinion, note, by, at: now };
        let before = self.feedbacks.threshold(kind, subject).step;
        effects.rows.push(self.event_row(state::encode_feedback(&feedback), now));
        self.take_feedback(feedback, now);
        effects.feedback = Some(FeedbackAnswer::Moved(before, self.feedbacks.threshold(kind, subject)));
    }

    /// Takes back what was said of an incident.
    pub(super) fn undo_feedback(&mut self, incident: &str, now: Timestamp, effects: &mut Effects) {
        let Some((kind, subject)) = self.feedback_on(incident).map(|one| (one.kind, one.subject)) else {
            effects.feedback = Some(FeedbackAnswer::NothingToUndo);
            return;
        };
        let before = self.feedbacks.threshold(kind, subject).step;
        effects.rows.push(self.event_row(state::encode_feedback_undone(incident), now));
        self.drop_feedback(incident, now);
        effects.feedback = Some(FeedbackAnswer::Moved(before, self.feedbacks.threshold(kind, subject)));
    }

    /// An opinion takes effect, live and on replay.
    pub(super) fn take_feedback(&mut self, feedback: Feedback, now: Timestamp) {
        self.feedbacks.add(feedback);
        self.set_dirty(now);
    }

    /// An opinion loses its effect, live and on replay.
    pub(super) fn drop_feedback(&mut self, incident: &str, now: Timestamp) {
        self.feedbacks.remove(incident);
        self.set_dirty(now);
    }

    /// All opinions in force, oldest first.
    pub fn feedback(&self) -> impl DoubleEndedIterator<Item = &Feedback> {
        self.feedbacks.given.iter()
    }

    /// What was said of an incident.
    pub fn feedback_on(&self, incident: &str) -> Option<&Feedback> {
        self.feedbacks.given.iter().find(|one| one.incident == incident)
    }

    /// Where the threshold of a kind of signal of a series stands.
    pub fn threshold(&self, kind: SignalKind, subject: Subject) -> Threshold {
        self.feedbacks.threshold(kind, subject)
    }
}

/// The beginning of a text that takes at most so many bytes.
fn cut(mut text: String, bytes_max: usize) -> String {
    while text.len() > bytes_max {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Millis;

    fn said(incident: &str, kind: SignalKind, subject: Subject, opinion: Opinion) -> Feedback {
        let (kind, subject) = Threshold::key(kind, subject);
        let (note, by) = ("a test".to_owned(), "me".to_owned());
        Feedback { incident: incident.into(), subject, kind, opinion, note, by, at: Timestamp(5) }
    }

    fn after(kind: SignalKind, subject: Subject, opinions: &[Opinion]) -> Demand {
        let mut feedbacks = Feedbacks::default();
        for (number, &opinion) in opinions.iter().enumerate() {
            feedbacks.add(said(&number.to_string(), kind, subject, opinion));
        }
        feedbacks.threshold(kind, subject).demand()
    }

    #[test]
    fn each_kind_moves_by_its_own_scale_and_never_beyond_its_ends() {
        use Opinion::{Noise, Real};
        let burst = |opinions: &[Opinion]| match after(SignalKind::Burst, Subject::Component, opinions) {
            Demand::Probability(below) => (below.log10().round()) as i32,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [burst(&[]), burst(&[Noise]), burst(&[Noise, Noise]), burst(&[Noise; 9]), burst(&[Real; 9])],
            [-7, -10, -13, -19, -4]
        );
        // At the end of the scale one step back is one step back, however often it was said.
        assert_eq!(burst(&[Noise, Noise, Noise, Noise, Noise, Noise, Real]), -16);
        let pattern = Subject::Pattern(PatternId(7));
        assert_eq!(after(SignalKind::Silence, Subject::Component, &[Noise, Noise]), Demand::Wait(2.0));
        assert_eq!(after(SignalKind::Missed, pattern, &[Noise; 9]), Demand::Wait(4.0));
        assert_eq!(after(SignalKind::Missed, pattern, &[Real]), Demand::Wait(1.0));
        assert_eq!(after(SignalKind::Burst, Subject::Errors, &[Noise, Noise]), Demand::Errors(4));
        let level = Subject::Variable(PatternId(7), 1);
        let Demand::Probability(below) = after(SignalKind::Trend, level, &[Noise]) else { panic!("of a trend") };
        assert!((below / 1e-6 - 1.0).abs() < 1e-9, "{below}");
        assert_eq!(after(SignalKind::NewPattern, pattern, &[Noise; 2]), Demand::Records(10));
        assert_eq!(after(SignalKind::NewPattern, pattern, &[Noise; 7]), Demand::Records(30));
    }

    #[test]
    fn a_threshold_decides_who_is_told() {
        let mut feedbacks = Feedbacks::default();
        let signal = |probability: f64| Signal {
            kind: SignalKind::Drop,
            subject: Subject::Component,
            at: Timestamp(0),
            since: Timestamp(0),
            window: Millis(60_000),
            expected: 9.0,
            expected_low: 5.0,
            expected_high: 13.0,
            seen: 0,
            total: 0,
            probability,
            is_alerting: probability < 2e-7,
        };
        let told = |feedbacks: &Feedbacks| [1e-6, 1e-9, 1e-13].map(|chance| feedbacks.tells(&signal(chance)));
        assert_eq!(told(&feedbacks), [false, true, true]);
        feedbacks.add(said("a", SignalKind::Drop, Subject::Component, Opinion::Noise));
        assert_eq!(told(&feedbacks), [false, false, true]);
        // Of another kind, or another series, nothing was said.
        assert!(feedbacks.tells(&Signal { kind: SignalKind::Burst, ..signal(1e-10) }));
        assert!(feedbacks.tells(&Signal { subject: Subject::Errors, ..signal(1e-10) }));
        feedbacks.add(said("a", SignalKind::Drop, Subject::Component, Opinion::Real));
        assert_eq!(told(&feedbacks), [true, true, true], "a later opinion replaces the one before");
        feedbacks.remove("a");
        assert_eq!(told(&feedbacks), [false, true, true]);
    }

    #[test]
    fn bursts_of_errors_and_new_errors_take_more() {
        let mut feedbacks = Feedbacks::default();
        let policy = AlertPolicy { burst_errors_min: 10, burst_factor: u32::MAX, ..AlertPolicy::default() };
        assert_eq!((feedbacks.of_errors(policy), feedbacks.new_records()), (policy, 1));
        feedbacks.add(said("a", SignalKind::Burst, Subject::Errors, Opinion::Noise));
        feedbacks.add(said("b", SignalKind::NewPattern, Subject::Pattern(PatternId(3)), Opinion::Noise));
        let asked = feedbacks.of_errors(policy);
        assert_eq!((asked.burst_errors_min, asked.burst_factor, feedbacks.new_records()), (20, u32::MAX, 3));
    }

    #[test]
    fn a_merged_pattern_keeps_what_was_said_of_it() {
        let (from, into) = (Subject::Pattern(PatternId(1)), Subject::Pattern(PatternId(2)));
        let mut feedbacks = Feedbacks::default();
        feedbacks.add(said("a", SignalKind::Missed, from, Opinion::Noise));
        feedbacks.merge_pattern(PatternId(1), PatternId(2));
        assert_eq!(feedbacks.threshold(SignalKind::Missed, from).step, 0);
        assert_eq!(feedbacks.threshold(SignalKind::Missed, into).step, 1);
    }

    #[test]
    fn the_list_is_bounded_and_survives_its_bytes() {
        let mut feedbacks = Feedbacks::default();
        for number in 0..FEEDBACK_MAX + 3 {
            let opinion = if number % 2 == 0 { Opinion::Noise } else { Opinion::Real };
            feedbacks.add(said(&number.to_string(), SignalKind::Burst, Subject::Component, opinion));
        }
        assert_eq!(feedbacks.given.len(), FEEDBACK_MAX);
        assert_eq!(feedbacks.given.front().map(|one| one.incident.as_str()), Some("3"));
        let mut out = Writer::new();
        feedbacks.write(&mut out);
        assert_eq!(Feedbacks::read(&mut Reader::new(out.as_bytes())), Ok(feedbacks));
        assert_eq!(cut("ääää".to_owned(), 5), "ää");
        assert_eq!(Opinion::of_word("noise").map(Opinion::word), Some("noise"));
        assert_eq!(Opinion::of_word("maybe"), None);
    }
}
