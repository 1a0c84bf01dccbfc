//! Deployments of a component: announced by whoever deploys, or seen when records name a release for the first time.
//!
//! For [`WIDENED_FOR`] after one the baseline of counts and durations is wider, because restarts and cold caches make
//! them wander; errors, silences and missed jobs are judged as ever, because they are what a deployment is watched for.
//! A pattern that comes with a release is told as new in it.
//!
//! The first release that records ever name is where the component stands, and no deployment. Records alone make at most
//! one deployment in [`APART`], so that a component that names another release in every record is not wide for ever.
//! At most [`limits::DEPLOYMENTS_MAX`] are remembered, by event time.

use super::{Effects, StreamMachine, state};
use crate::bytes::{ReadError, Reader, Writer};
use crate::counter::{SeriesKey, SeriesKind};
use crate::detect::{COUNT_MIN, COUNTS_MAX, CountOf, NewWith, Signal, SignalKind, Standing};
use crate::limits;
use crate::pattern::Pattern;
use crate::record::Record;
use crate::sketch::hash_of_value;
use crate::time::{Millis, Timestamp};
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// How long after a deployment the baseline of counts and durations is wider.
pub const WIDENED_FOR: Millis = Millis::from_mins(15);
/// Within this time the same release is the same deployment, and another one that only records tell of is none.
const APART: Millis = Millis::from_hours(1);
/// Instances that start a little before the announced instant belong to the deployment.
const AHEAD: Millis = Millis::from_mins(10);

/// How a deployment became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentSource {
    /// Somebody said so: who.
    Announced(String),
    /// A record named the release for the first time.
    Seen,
}

/// A release that began to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its name.
    pub release: String,
    /// When (event time).
    pub at: Timestamp,
    /// How it became known.
    pub source: DeploymentSource,
}

impl Deployment {
    /// From when to when the baseline is wider.
    pub fn widened(&self) -> (Timestamp, Timestamp) {
        (self.at, self.at.plus(WIDENED_FOR))
    }

    fn is_near(&self, at: Timestamp) -> bool {
        self.at.since(at) < APART && at.since(self.at) < APART
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.text(&self.release);
        out.int(self.at.0);
        let by = match &self.source {
            DeploymentSource::Seen => None,
            DeploymentSource::Announced(by) => Some(by.as_str()),
        };
        out.optional_text(by);
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (release, at) = (input.text()?.to_owned(), Timestamp(input.int()?).clamped());
        let by = input.optional_text()?.map(str::to_owned);
        Ok(Self { release, at, source: by.map_or(DeploymentSource::Seen, DeploymentSource::Announced) })
    }
}

/// What it means that a record names a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Nothing: it is known, it is where the component stands, or it is history.
    Known,
    /// It was deployed now.
    Deployed,
    /// It was announced, and runs from here on.
    Announced,
}

/// The deployments of a component, and the releases that its records have named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deployments {
    /// By event time, oldest first.
    held: Vec<Deployment>,
    /// In order of first sight.
    known: VecDeque<String>,
}

impl Deployments {
    /// Somebody says that a release was deployed; false if that is known.
    fn announce(&mut self, deployment: Deployment) -> bool {
        if self.held.contains(&deployment) {
            return false;
        }
        // The same deployment, said more exactly.
        self.held.retain(|held| held.release != deployment.release || !held.is_near(deployment.at));
        self.insert(deployment);
        true
    }

    /// A record names a release.
    fn see(&mut self, release: &str, at: Timestamp, is_late: bool) -> Sight {
        // Most records name the newest.
        if self.known.iter().rev().any(|known| known == release) {
            return Sight::Known;
        }
        let is_first = self.known.is_empty();
        if self.known.len() >= limits::RELEASES_KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(release.to_owned());
        let mut near = self.held.iter().filter(|held| held.is_near(at));
        let is_told = |held: &Deployment| held.release == release || held.source == DeploymentSource::Seen;
        if is_first || is_late {
            return Sight::Known;
        }
        if near.clone().any(is_told) {
            return if near.any(|held| held.release == release) { Sight::Announced } else { Sight::Known };
        }
        self.insert(Deployment { release: release.to_owned(), at, source: DeploymentSource::Seen });
        Sight::Deployed
    }

    /// The release that records named before this one came.
    fn before(&self, release: &str) -> Option<&String> {
        let place = self.known.iter().position(|known| known == release)?;
        self.known.get(place.checked_sub(1)?)
    }

    fn insert(&mut self, deployment: Deployment) {
        let place = self.held.partition_point(|held| held.at <= deployment.at);
        self.held.insert(place, deployment);
        if self.held.len() > limits::DEPLOYMENTS_MAX {
            self.held.remove(0);
        }
    }

    /// From when to when the baseline is wider.
    pub(super) fn widened(&self) -> Vec<(Timestamp, Timestamp)> {
        self.held.iter().map(Deployment::widened).collect()
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.uint(self.held.len() as u64);
        self.held.iter().for_each(|deployment| deployment.write(out));
        out.uint(self.known.len() as u64);
        self.known.iter().for_each(|release| out.text(release));
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut read = Self::default();
        for _ in 0..input.count()? {
            read.insert(Deployment::read(input)?);
        }
        for _ in 0..input.count()?.min(limits::RELEASES_KNOWN_MAX) {
            read.known.push_back(input.text()?.to_owned());
        }
        Ok(read)
    }
}

/// What a named count is of, as a number.
pub(super) fn count_of(key: &SeriesKey) -> CountOf {
    hash_of_value(&key.to_string())
}

impl StreamMachine {
    /// Takes note of a deployment that somebody announces.
    pub(super) fn announce(&mut self, deployment: Deployment, now: Timestamp, effects: &mut Effects) {
        let row = state::encode_deployed(&deployment);
        if self.take_deployment(deployment, now) {
            effects.rows.push(self.event_row(row, now));
        }
    }

    /// A deployment takes effect, live and on replay; false if it was known.
    pub(super) fn take_deployment(&mut self, deployment: Deployment, now: Timestamp) -> bool {
        // Where records name no release, it runs from when it was announced.
        let is_now = self.deployments.known.is_empty() && deployment.is_near(now);
        let begins = is_now.then(|| (deployment.release.clone(), deployment.at));
        let is_new = self.deployments.announce(deployment);
        if is_new {
            self.detection.detectors.widen(self.deployments.widened());
            self.set_dirty(now);
        }
        if let Some((release, at)) = begins.filter(|_| is_new) {
            self.begin_release(&release, at);
        }
        is_new
    }

    /// Looks at the release of a record that was received `at`.
    pub(super) fn see_release(&mut self, record: &Record, at: Timestamp) {
        let Some(release) = &record.release else { return };
        let is_late = at.since(record.timestamp) > self.settings.alerts.lateness;
        let sight = self.deployments.see(release, record.timestamp.min(at), is_late);
        if sight == Sight::Deployed {
            self.detection.detectors.widen(self.deployments.widened());
        }
        if sight != Sight::Known {
            self.begin_release(release, record.timestamp.min(at));
        }
    }

    /// A release begins to run: counts are kept as they stand.
    fn begin_release(&mut self, release: &str, at: Timestamp) {
        let running = self.detection.releases.running().map(|(running, _)| running.to_owned());
        let before = self.deployments.before(release).cloned().or(running.filter(|running| running != release));
        let of_patterns = self.miner.patterns().map(|pattern| (pattern.id.0, pattern.count));
        let is_part = |key: &SeriesKey| matches!(key.kind, SeriesKind::Endpoint | SeriesKind::Environment);
        let named = self.counters.totals().filter(|(key, _)| is_part(key)).map(|(key, count)| (count_of(&key), count));
        let levels = self.counters.by_level();
        let of_levels = levels.iter().enumerate().map(|(class, &count)| (class as CountOf, count));
        // The most frequent, and those in the order of what they are of: small heaps, as for the survey of variables.
        let all = of_patterns.chain(named).chain(of_levels).filter(|&(_, count)| count >= COUNT_MIN);
        let ranked: Vec<_> = all.map(|(of, count)| (u64::MAX - count, of)).collect::<BinaryHeap<_>>().into_sorted_vec();
        let counts = ranked.into_iter().take(COUNTS_MAX).map(|(rank, of)| (of, u64::MAX - rank));
        let counts: BTreeMap<CountOf, u64> = counts.collect();
        let standing = Standing {
            release: release.to_owned(),
            before,
            at,
            all: self.counters.total(),
            counts: counts.into_iter().collect(),
        };
        self.detection.releases.begin(standing);
        self.usual_changed = true;
    }

    /// Whether a record belongs to the release that began to run last.
    pub(super) fn is_of_running(&self, record: &Record) -> bool {
        let Some((running, since)) = self.detection.releases.running() else { return false };
        match &record.release {
            Some(release) => release == running,
            None => self.deployments.known.is_empty() && (Millis(0)..APART).contains(&record.timestamp.since(since)),
        }
    }

    /// The release that began to run last, since counts are kept of it.
    pub fn running_release(&self) -> Option<&str> {
        self.detection.releases.running().map(|(running, _)| running)
    }

    /// With which release something came that a signal tells of; none if with no certain one.
    pub fn new_with(&self, signal: &Signal) -> Option<&NewWith> {
        let is_such = matches!(signal.kind, SignalKind::RareCombination | SignalKind::NewValue);
        self.detection.releases.told(signal.subject, signal.at).filter(|_| is_such)
    }

    /// The deployments of the component, by event time, oldest first.
    pub fn deployments(&self) -> &[Deployment] {
        &self.deployments.held
    }

    /// The release that a pattern came with: the deployed one that its first record named, or, where records name none,
    /// the one announced within the hour before it.
    pub fn new_in_release(&self, pattern: &Pattern) -> Option<&str> {
        let first = pattern.releases.first();
        let is_it = |deployment: &&Deployment| match first {
            Some(release) => *release == deployment.release && pattern.first_seen >= deployment.at.minus(AHEAD),
            None => pattern.first_seen >= deployment.at && deployment.is_near(pattern.first_seen),
        };
        let is_announced = |deployment: &&Deployment| first.is_some() || deployment.source != DeploymentSource::Seen;
        self.deployments.held.iter().rev().filter(is_announced).find(is_it).map(|it| it.release.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn announced(release: &str, at: i64) -> Deployment {
        Deployment { release: release.into(), at: Timestamp(at), source: DeploymentSource::Announced("me".into()) }
    }

    fn named(deployments: &Deployments) -> Vec<(&str, i64)> {
        deployments.held.iter().map(|held| (held.release.as_str(), held.at.0)).collect()
    }

    #[test]
    fn the_first_sight_of_a_release_is_a_deployment_but_not_of_the_first_release() {
        let mut deployments = Deployments::default();
        assert_eq!(deployments.see("1.0", Timestamp(5), false), Sight::Known, "where the component stands");
        assert_eq!(deployments.see("1.0", Timestamp(9), false), Sight::Known);
        assert_eq!(deployments.see("1.1", Timestamp(HOUR), false), Sight::Deployed);
        assert_eq!(
            deployments.see("1.0", Timestamp(HOUR + 1), false),
            Sight::Known,
            "the last instance of the old one"
        );
        assert_eq!(deployments.see("0.9", Timestamp(HOUR * 5), true), Sight::Known, "history");
        assert_eq!(named(&deployments), [("1.1", HOUR)]);
        assert_eq!(deployments.widened(), [(Timestamp(HOUR), Timestamp(HOUR + 900_000))]);
    }

    #[test]
    fn a_release_in_every_record_is_one_deployment_an_hour() {
        let mut deployments = Deployments::default();
        for second in 0..3 * 3_600 {
            deployments.see(&format!("build {second}"), Timestamp(second * 1_000), false);
        }
        assert_eq!(deployments.held.len(), 3, "{:?}", named(&deployments));
        assert_eq!(deployments.known.len(), limits::RELEASES_KNOWN_MAX);
    }

    #[test]
    fn what_is_announced_and_seen_is_one_deployment() {
        let mut deployments = Deployments::default();
        deployments.see("1.0", Timestamp(0), false);
        assert!(deployments.announce(announced("1.1", 2 * HOUR)));
        assert!(!deployments.announce(announced("1.1", 2 * HOUR)), "said before");
        assert_eq!(deployments.see("1.1", Timestamp(2 * HOUR + 60_000), false), Sight::Announced);
        assert!(deployments.announce(announced("1.1", 2 * HOUR + 30_000)), "said more exactly");
        assert_eq!(named(&deployments), [("1.1", 2 * HOUR + 30_000)]);
        assert!(deployments.announce(announced("1.1", 9 * HOUR)), "once more, after another one was in between");
        assert!(deployments.announce(announced("1.0", 5 * HOUR)));
        assert_eq!(named(&deployments), [("1.1", 2 * HOUR + 30_000), ("1.0", 5 * HOUR), ("1.1", 9 * HOUR)]);
    }

    #[test]
    fn the_oldest_leave_and_the_rest_survives_its_bytes() {
        let mut deployments = Deployments::default();
        deployments.see("0", Timestamp(-HOUR), false);
        deployments.see("seen", Timestamp(HOUR * 1_000), false);
        for number in 0..limits::DEPLOYMENTS_MAX as i64 {
            deployments.announce(announced(&number.to_string(), number * HOUR));
        }
        assert_eq!(deployments.held.len(), limits::DEPLOYMENTS_MAX);
        assert_eq!(deployments.held.first().map(|held| held.release.as_str()), Some("1"));
        let mut out = Writer::new();
        deployments.write(&mut out);
        assert_eq!(Deployments::read(&mut Reader::new(out.as_bytes())), Ok(deployments));
    }
}
