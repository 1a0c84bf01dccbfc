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
use crate::limits;
use crate::pattern::Pattern;
use crate::record::Record;
use crate::time::{Millis, Timestamp};
use std::collections::VecDeque;

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

    /// A record names a release; true if that is a deployment.
    fn see(&mut self, release: &str, at: Timestamp, is_late: bool) -> bool {
        // Most records name the newest.
        if self.known.iter().rev().any(|known| known == release) {
            return false;
        }
        let is_first = self.known.is_empty();
        if self.known.len() >= limits::RELEASES_KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(release.to_owned());
        let is_told =
            |held: &Deployment| held.is_near(at) && (held.release == release || held.source == DeploymentSource::Seen);
        if is_first || is_late || self.held.iter().any(is_told) {
            return false;
        }
        self.insert(Deployment { release: release.to_owned(), at, source: DeploymentSource::Seen });
        true
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
        let is_new = self.deployments.announce(deployment);
        if is_new {
            self.detection.detectors.widen(self.deployments.widened());
            self.set_dirty(now);
        }
        is_new
    }

    /// Looks at the release of a record that was received `at`.
    pub(super) fn see_release(&mut self, record: &Record, at: Timestamp) {
        let Some(release) = &record.release else { return };
        let is_late = at.since(record.timestamp) > self.settings.alerts.lateness;
        if self.deployments.see(release, record.timestamp.min(at), is_late) {
            self.detection.detectors.widen(self.deployments.widened());
        }
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
        assert!(!deployments.see("1.0", Timestamp(5), false), "where the component stands");
        assert!(!deployments.see("1.0", Timestamp(9), false));
        assert!(deployments.see("1.1", Timestamp(HOUR), false));
        assert!(!deployments.see("1.0", Timestamp(HOUR + 1), false), "the last instance of the old one");
        assert!(!deployments.see("0.9", Timestamp(HOUR * 5), true), "history");
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
        assert!(!deployments.see("1.1", Timestamp(2 * HOUR + 60_000), false));
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
