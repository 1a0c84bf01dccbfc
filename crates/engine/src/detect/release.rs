//! What came with a release: a pattern with a level, an endpoint or an environment with which it never came, or a value that
//! a variable never had, though before the release there was every occasion for it.
//!
//! Every record is new for a new release, so that what is looked at is only what is new at all, and the release is why. When
//! a release begins to run, counts as they stand are kept: how often each pattern and each endpoint, environment and level
//! came before it. A pair that is new with it is told if the two would have met [`TOGETHER_MIN`] times before it, and if the
//! pattern comes with something new so rarely that it would hardly have done so by chance since then
//! ([`CHANCE_MAX`]): soon after the release, and not some day. What is told anyway is said to have come with it at
//! [`CHANCE_ANYWAY_MAX`].
//!
//! Bounded: two releases of [`COUNTS_MAX`] counts of 16 bytes each, 48 KB, and [`TOLD_MAX`] of what was told.

use super::signal::Subject;
use crate::bytes::{ReadError, Reader, Writer};
use crate::time::Timestamp;
use std::collections::VecDeque;

/// How often the two would have met before the release.
const TOGETHER_MIN: f64 = 20.0;
/// Records of the pattern before the release.
const OF_PATTERN_MIN: u64 = 500;
/// How probable something new may be for the pattern since the release.
const CHANCE_MAX: f64 = 1e-2;
/// The same for what is remarkable without any release.
const CHANCE_ANYWAY_MAX: f64 = 0.05;
/// Releases whose counts are kept: the one that runs, and the one before it.
const STANDINGS_MAX: usize = 2;
/// Counts kept of a release: those of the most frequent.
pub(crate) const COUNTS_MAX: usize = 1_536;
/// Fewer records are no occasion.
pub(crate) const COUNT_MIN: u64 = 20;
/// Findings whose release is remembered.
const TOLD_MAX: usize = 64;

/// What a count is of, as a number.
pub(crate) type CountOf = u64;

/// Counts as they stood when a release began to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Standing {
    pub(crate) release: String,
    /// The release before it, if records have named one.
    pub(crate) before: Option<String>,
    pub(crate) at: Timestamp,
    /// All records.
    pub(crate) all: u64,
    /// Records of patterns, endpoints, environments and levels, in ascending order of what they are of.
    pub(crate) counts: Vec<(CountOf, u64)>,
}

impl Standing {
    fn of(&self, what: CountOf) -> u64 {
        let found = self.counts.binary_search_by_key(&what, |&(of, _)| of).ok();
        found.and_then(|place| self.counts.get(place)).map_or(0, |&(_, count)| count)
    }

    fn write(&self, out: &mut Writer) {
        out.text(&self.release);
        out.optional_text(self.before.as_deref());
        out.int(self.at.0);
        out.uint(self.all);
        out.uint(self.counts.len() as u64);
        for &(of, count) in &self.counts {
            out.u64_fixed(of);
            out.uint(count);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut read = Self {
            release: input.text()?.to_owned(),
            before: input.optional_text()?.map(str::to_owned),
            at: Timestamp(input.int()?).clamped(),
            all: input.uint()?,
            counts: Vec::new(),
        };
        for _ in 0..input.count()?.min(COUNTS_MAX) {
            read.counts.push((input.u64_fixed()?, input.uint()?));
        }
        Ok(read)
    }
}

/// Something that never was before a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWith {
    /// What it is about, and when it was found: those of the signal.
    pub subject: Subject,
    /// See `subject`.
    pub at: Timestamp,
    /// The release.
    pub release: String,
    /// The one before it, if records have named one.
    pub before: Option<String>,
    /// The endpoint, environment or level; of a variable nothing.
    pub value: String,
    /// Records with it before the release; of a variable those of the pattern.
    pub had: u64,
    /// How many of them came while the release before it ran, as far as that is known.
    pub had_before: u64,
}

impl NewWith {
    fn write(&self, out: &mut Writer) {
        self.subject.write(out);
        out.int(self.at.0);
        out.text(&self.release);
        out.optional_text(self.before.as_deref());
        out.text(&self.value);
        out.uint(self.had);
        out.uint(self.had_before);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            subject: Subject::read(input)?,
            at: Timestamp(input.int()?),
            release: input.text()?.to_owned(),
            before: input.optional_text()?.map(str::to_owned),
            value: input.text()?.to_owned(),
            had: input.uint()?,
            had_before: input.uint()?,
        })
    }
}

/// A pair that never met, as the release sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meeting<'a> {
    pub(crate) subject: Subject,
    /// Event time.
    pub(crate) at: Timestamp,
    pub(crate) pattern: CountOf,
    pub(crate) value: CountOf,
    /// What the value is called.
    pub(crate) named: &'a str,
    /// Records of the pattern until now, this one not counted.
    pub(crate) of_pattern: u64,
    /// How often it came with something new before.
    pub(crate) known: usize,
}

/// The releases of a component, as far as something came with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Releases {
    standings: VecDeque<Standing>,
    told: VecDeque<NewWith>,
}

impl Releases {
    /// A release begins to run.
    pub(crate) fn begin(&mut self, standing: Standing) {
        if self.standings.len() >= STANDINGS_MAX {
            self.standings.pop_front();
        }
        self.standings.push_back(standing);
    }

    /// The release that began to run last, with the time of that.
    pub(crate) fn running(&self) -> Option<(&str, Timestamp)> {
        self.standings.back().map(|standing| (standing.release.as_str(), standing.at))
    }

    /// Whether a pair came with the running release; then also, if that alone is enough to tell it, how often the two would
    /// have met before, and how probable it is that they do since by chance.
    pub(crate) fn judge(&self, it: &Meeting<'_>) -> Option<(NewWith, Option<(f64, f64)>)> {
        let running = self.standings.back()?;
        let (of_pattern, of_value) = (running.of(it.pattern), running.of(it.value));
        let expected = of_pattern as f64 * of_value as f64 / running.all.max(1) as f64;
        let chance = self.chance(it.known, it.pattern, it.of_pattern)?;
        let is_new = expected >= TOGETHER_MIN && chance <= CHANCE_ANYWAY_MAX;
        let enough = (chance <= CHANCE_MAX).then_some((expected, chance));
        is_new.then(|| (self.new_with(it.subject, it.at, it.value, it.named), enough))
    }

    /// Whether a new value of a variable came with the running release: the pattern's records until now, and the
    /// probability that a record of it brings a new one.
    pub(crate) fn judge_value(
        &self,
        (subject, at): (Subject, Timestamp),
        pattern: CountOf,
        (of_pattern, probability): (u64, f64),
    ) -> Option<NewWith> {
        let since = of_pattern.saturating_sub(self.standings.back()?.of(pattern));
        let chance = self.chance(1, pattern, of_pattern)?.max(probability * since as f64);
        (chance <= CHANCE_ANYWAY_MAX).then(|| self.new_with(subject, at, pattern, ""))
    }

    /// How probable it is that a pattern that came with so many things so far comes with another one since the release.
    fn chance(&self, known: usize, pattern: CountOf, of_pattern: u64) -> Option<f64> {
        let before = Some(self.standings.back()?.of(pattern)).filter(|&before| before >= OF_PATTERN_MIN)?;
        let since = of_pattern.saturating_sub(before) + 1;
        Some(known.max(1) as f64 / (before as f64 + 1.0) * since as f64)
    }

    fn new_with(&self, subject: Subject, at: Timestamp, value: CountOf, named: &str) -> NewWith {
        let running = self.standings.back();
        let of = |standing: Option<&Standing>| standing.map_or(0, |standing| standing.of(value));
        let before = running.and_then(|running| running.before.clone());
        // Counts begin where the release before it did; one that was there from the start has all of them.
        let first = self.standings.front().filter(|first| Some(&first.release) == before.as_ref());
        NewWith {
            subject,
            at,
            release: running.map(|running| running.release.clone()).unwrap_or_default(),
            before,
            value: named.to_owned(),
            had: of(running),
            had_before: of(running).saturating_sub(of(first)),
        }
    }

    /// It was told.
    pub(crate) fn remember(&mut self, new: NewWith) {
        if self.told.len() >= TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back(new);
    }

    /// What a signal came with.
    pub(crate) fn told(&self, subject: Subject, at: Timestamp) -> Option<&NewWith> {
        self.told.iter().rev().find(|new| (new.subject, new.at) == (subject, at))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.uint(self.standings.len() as u64);
        self.standings.iter().for_each(|standing| standing.write(out));
        out.uint(self.told.len() as u64);
        self.told.iter().for_each(|new| new.write(out));
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut read = Self::default();
        for _ in 0..input.count()?.min(STANDINGS_MAX) {
            read.standings.push_back(Standing::read(input)?);
        }
        for _ in 0..input.count()?.min(TOLD_MAX) {
            read.told.push_back(NewWith::read(input)?);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Facet;
    use crate::pattern::PatternId;

    const PATTERN: CountOf = 7;
    const PLACE: CountOf = 9;

    fn standing(release: &str, before: Option<&str>, at: i64, times: u64) -> Standing {
        Standing {
            release: release.into(),
            before: before.map(str::to_owned),
            at: Timestamp(at),
            all: 20_000 * times,
            counts: vec![(PATTERN, 4_000 * times), (PLACE, 2_000 * times)],
        }
    }

    fn meeting(of_pattern: u64, known: usize) -> Meeting<'static> {
        let subject = Subject::Facet(PatternId(PATTERN), Facet::Endpoint);
        Meeting { subject, at: Timestamp(5_000), pattern: PATTERN, value: PLACE, named: "/pay", of_pattern, known }
    }

    #[test]
    fn without_a_release_nothing_came_with_one() {
        assert_eq!(Releases::default().judge(&meeting(4_000, 1)), None);
    }

    #[test]
    fn what_had_every_occasion_before_is_new_with_the_release_and_its_numbers_are_told() {
        let mut releases = Releases::default();
        releases.begin(standing("2.3.9", None, 0, 1));
        releases.begin(standing("2.4.0", Some("2.3.9"), 1_000, 2));
        releases.begin(standing("2.4.1", Some("2.4.0"), 2_000, 3));
        let (new, enough) = releases.judge(&meeting(12_003, 4)).unwrap();
        assert_eq!((new.release.as_str(), new.before.as_deref()), ("2.4.1", Some("2.4.0")));
        assert_eq!((new.value.as_str(), new.had, new.had_before), ("/pay", 6_000, 2_000));
        assert!(enough.is_some_and(|(expected, chance)| expected == 1_200.0 && chance < 2e-3), "{enough:?}");
        // Later, it comes anyway now and then: first not enough to be told, then not of the release.
        assert!(matches!(releases.judge(&meeting(12_100, 4)), Some((_, None))));
        assert_eq!(releases.judge(&meeting(13_000, 4)), None);
        let nowhere = Meeting { value: 1, ..meeting(12_003, 4) };
        assert_eq!(releases.judge(&nowhere), None, "an endpoint that came with the release had no occasion");
        let stranger = Meeting { pattern: 1, ..meeting(3, 1) };
        assert_eq!(releases.judge(&stranger), None);
    }

    #[test]
    fn a_new_value_came_with_the_release_if_its_pattern_has_hardly_come_since() {
        let mut releases = Releases::default();
        releases.begin(standing("2", Some("1"), 1_000, 1));
        let subject = (Subject::Variable(PatternId(PATTERN), 0), Timestamp(60_000));
        let new = releases.judge_value(subject, PATTERN, (4_020, 1e-3)).unwrap();
        assert_eq!((new.release.as_str(), new.had, new.value.as_str()), ("2", 4_000, ""));
        assert_eq!(releases.judge_value(subject, PATTERN, (4_600, 1e-3)), None);
        assert_eq!(releases.judge_value(subject, PATTERN, (4_020, 0.01)), None, "it has new ones all the time");
    }

    #[test]
    fn what_is_kept_is_bounded_and_survives_its_bytes() {
        let mut releases = Releases::default();
        for number in 0..100 {
            releases.begin(standing(&number.to_string(), None, number, 1));
            let new = releases.judge(&Meeting { at: Timestamp(number), ..meeting(4_001, 1) }).unwrap().0;
            releases.remember(new);
        }
        assert_eq!((releases.standings.len(), releases.told.len()), (STANDINGS_MAX, TOLD_MAX));
        assert_eq!(releases.running(), Some(("99", Timestamp(99))));
        let subject = meeting(0, 0).subject;
        assert!(releases.told(subject, Timestamp(99)).is_some() && releases.told(subject, Timestamp(3)).is_none());
        let mut out = Writer::new();
        releases.write(&mut out);
        assert_eq!(Releases::read(&mut Reader::new(out.as_bytes())), Ok(releases));
    }
}
