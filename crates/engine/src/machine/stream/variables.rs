//! What goes on in the variables of patterns, within the machine: levels that head for a limit, values that are not what
//! they were, and what a pattern never came with.
//!
//! Records of the few patterns that tell levels are taken apart as they are folded; all others cost a look at a short
//! list. Values are counted by the miner; its sketches are read once a minute (new values) and once in a period (their
//! distribution). Once an hour of event time all patterns are looked at, so that those that matter are watched.

use super::StreamMachine;
use super::deployments::count_of;
use super::detection::Detection;
use crate::counter::{SeriesKey, SeriesKind};
use crate::detect::{
    CountOf, DriftOutline, Facet, LevelOutline, Meeting, PERIOD, SignalKind, Stored, Subject, Together, ValueBand,
};
use crate::pattern::{Observed, PatternId, told};
use crate::record::Record;
use crate::time::{Millis, Timestamp};
use std::collections::BinaryHeap;

/// How often all patterns are looked at.
const SURVEY_EVERY: Millis = Millis::from_hours(1);

impl Detection {
    /// Whether what was found of this series goes on.
    pub(super) fn is_open(&self, kind: SignalKind, subject: Subject) -> bool {
        match kind {
            SignalKind::Trend => self.trends.is_open(subject),
            SignalKind::ValueDrift => self.drifts.is_open(subject),
            _ => self.detectors.is_open(kind, subject),
        }
    }
}

/// Two that never met, as the release sees it.
fn meeting<'a>(it: &Together, record: &'a Record) -> Meeting<'a> {
    let named = match it.facet {
        Facet::Level => record.level.class().word(),
        Facet::Endpoint => record.endpoint.as_deref().unwrap_or_default(),
        Facet::Environment => record.environment.as_str(),
    };
    let key = |kind| count_of(&SeriesKey { kind, key: named.to_owned() });
    let value = match it.facet {
        Facet::Level => record.level.class().index() as CountOf,
        Facet::Endpoint => key(SeriesKind::Endpoint),
        Facet::Environment => key(SeriesKind::Environment),
    };
    Meeting {
        subject: Subject::Facet(it.pattern, it.facet),
        at: it.at,
        pattern: it.pattern.0,
        value,
        named,
        of_pattern: it.of_pattern,
        known: it.known,
    }
}

impl StreamMachine {
    /// Takes note of what a record says of a level.
    pub(super) fn follow_levels(
        &mut self,
        record: &Record,
        observed: Observed,
        (seq, index, at): (u64, u16, Timestamp),
    ) {
        let trends = &mut self.detection.trends;
        if !observed.is_new && !trends.wants(observed.id) {
            return;
        }
        let Some(pattern) = self.miner.pattern(observed.id) else { return };
        if observed.is_new {
            trends.look_at(observed.id, &pattern.template);
        }
        let line = if record.message_template.is_some() { &record.message } else { told(record) };
        let newest = Stored { seq, index, received_at: at };
        trends.observe(observed.id, &pattern.template, line, record.timestamp.min(at), newest);
    }

    /// Two patterns are one, or one became another.
    pub(super) fn follow_template(&mut self, into: PatternId) {
        if let Some(pattern) = self.miner.pattern(into) {
            self.detection.trends.look_at(into, &pattern.template);
        }
    }

    /// Looks at what was counted since, when a minute, a period or an hour is over.
    pub(super) fn survey_variables(&mut self) {
        let (detection, miner) = (&mut self.detection, &self.miner);
        let Some(minute) = detection.detectors.minute().filter(|minute| *minute > detection.looked_at_values) else {
            return;
        };
        let before = std::mem::replace(&mut detection.looked_at_values, minute);
        if minute.floor_to(PERIOD) > before.floor_to(PERIOD) {
            // The most frequent first, by a heap: its code is a tenth of a sort's.
            let ranked = miner.patterns().map(|pattern| (u64::MAX - pattern.count, pattern.id));
            let ranked = ranked.collect::<BinaryHeap<_>>().into_sorted_vec();
            let patterns: Vec<_> = ranked.into_iter().filter_map(|(_, id)| miner.pattern(id)).collect();
            let zone = detection.detectors.zone();
            let had_courses = detection.drifts.has_courses();
            detection.drifts.close(&patterns, |id| miner.pattern(id), zone, minute);
            self.usual_changed |= had_courses || detection.drifts.has_courses();
            if minute.floor_to(SURVEY_EVERY) > before.floor_to(SURVEY_EVERY) {
                let templates = patterns.iter().map(|pattern| (pattern.id, pattern.template.as_str()));
                detection.trends.survey(templates, minute);
            }
        }
        detection.drifts.look(|id| miner.pattern(id), minute);
        self.ask_releases();
    }

    /// New values that came with the release that runs.
    fn ask_releases(&mut self) {
        let Detection { drifts, releases, .. } = &mut self.detection;
        let Some((running, since)) = releases.running().map(|(running, since)| (running.to_owned(), since)) else {
            return;
        };
        for signal in drifts.new_values().filter(|signal| signal.at >= since) {
            let Some(pattern) = signal.subject.pattern().and_then(|id| self.miner.pattern(id)) else { continue };
            // Where its records name releases, this one is among them.
            if !pattern.releases.is_empty() && !pattern.releases.contains(&running) {
                continue;
            }
            let now = (pattern.count, signal.probability);
            if let Some(new) = releases.judge_value((signal.subject, signal.at), pattern.id.0, now) {
                releases.remember(new);
                self.usual_changed = true;
            }
        }
    }

    /// Looks at the records of a row with which patterns came with something for the first time: by index, once all of
    /// the row is counted.
    pub(super) fn look_at_firsts(&mut self, records: &[Record], firsts: &[(u16, Observed)], at: Timestamp) {
        for &(index, observed) in firsts {
            let Some(record) = records.get(usize::from(index)) else { continue };
            // A pattern that was merged within the row has the counts of both.
            let Some(pattern) = self.miner.pattern(observed.id) else { continue };
            let class = record.level.class().index();
            let (counters, endpoint) = (&self.counters, record.endpoint.as_deref().unwrap_or_default());
            let levels = pattern.levels.iter().filter(|&&count| count > 0).count();
            let of_level = || counters.by_level().get(class).copied().unwrap_or(0);
            let found = [
                (observed.firsts.level, Facet::Level, levels, of_level()),
                (observed.firsts.endpoint, Facet::Endpoint, pattern.endpoints.len(), counters.of_endpoint(endpoint)),
                (
                    observed.firsts.environment,
                    Facet::Environment,
                    pattern.environments.len(),
                    counters.of_environment(&record.environment),
                ),
            ];
            let all = counters.total();
            let is_of_running = self.is_of_running(record);
            for (_, facet, known, of_value) in found.into_iter().filter(|(is_first, ..)| *is_first) {
                let it = Together {
                    pattern: pattern.id,
                    facet,
                    at: record.timestamp.min(at),
                    of_pattern: pattern.count.saturating_sub(1),
                    known: known.saturating_sub(1),
                    of_value,
                    all,
                };
                let releases = &self.detection.releases;
                let new = is_of_running.then(|| releases.judge(&meeting(&it, record))).flatten();
                let with_release = new.as_ref().and_then(|(_, enough)| *enough);
                let is_told = self.detection.combinations.note(&it, with_release);
                if let Some((new, _)) = new.filter(|_| is_told) {
                    self.detection.releases.remember(new);
                    self.usual_changed = true;
                }
            }
        }
    }

    /// The levels that patterns tell.
    pub fn levels(&self) -> Vec<LevelOutline> {
        self.detection.trends.outlines().collect()
    }

    /// What the values of a variable usually are in the half hour that holds `at`; none if it is not watched.
    pub fn value_band(&self, subject: Subject, at: Timestamp) -> Option<ValueBand> {
        let Subject::Variable(id, place) = subject else { return None };
        let variable = self.miner.pattern(id)?.variables.held().get(usize::from(place))?;
        let known = variable.top();
        let text = |hash| known.iter().find(|it| it.hash() == hash).and_then(|it| it.text()).map(str::to_owned);
        self.detection.drifts.band(subject, (self.detection.detectors.zone(), at), text)
    }

    /// The variables whose values are watched.
    pub fn drifts(&self) -> Vec<DriftOutline> {
        self.detection.drifts.outlines().collect()
    }
}
