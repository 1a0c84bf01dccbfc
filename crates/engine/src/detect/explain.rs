//! What the detectors know of a series, for people: the usual, the last minutes, and whether something is open.
//!
//! Nothing here changes state. A pattern's band is the present one laid over the last hour; those of the component's
//! own three series are kept as they were when each minute was judged.

use super::candidate::{WIDER, reaches_into};
use super::count_watch::{CountWatch, SLOT};
use super::detectors::{Detectors, PatternWatch};
use super::history::{History, Point};
use super::ring::MINUTES;
use super::signal::{SignalKind, Subject};
use crate::pattern::PatternId;
use crate::time::{Millis, Timestamp};

/// A series in the list of those watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesOutline {
    /// Which.
    pub subject: Subject,
    /// Usual records a minute now; for ratios the usual share.
    pub usual: f64,
    /// Minutes it was learned.
    pub experience: u32,
    /// Whether it is regular, and its period.
    pub period: Option<Millis>,
    /// What is open.
    pub open: Option<SignalKind>,
}

/// One series with its last minutes.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The series.
    pub outline: SeriesOutline,
    /// Its last minutes, oldest first.
    pub points: Vec<Point>,
    /// A record slower than this counts as slow, in milliseconds; for the durations.
    pub slow_from_ms: Option<f64>,
}

impl Detectors {
    /// The series that are watched: the component's own, then its patterns by how many records they bring, at most
    /// `at_most` of them.
    pub fn series(&self, at_most: usize) -> Vec<SeriesOutline> {
        let own = [Subject::Component, Subject::Errors, Subject::Durations];
        let mut patterns: Vec<_> = self.patterns.iter().map(|(id, watch)| self.outline_of(id, watch)).collect();
        patterns.sort_by(|a, b| b.usual.total_cmp(&a.usual).then(a.subject.cmp(&b.subject)));
        own.into_iter().filter_map(|subject| self.outline(subject)).chain(patterns).take(at_most).collect()
    }

    /// What is known of a series; none if it is not watched.
    pub fn baseline(&self, subject: Subject) -> Option<Baseline> {
        let outline = self.outline(subject)?;
        let of = |history: &History| history.points().collect();
        let points = match subject {
            Subject::Component => of(&self.totals),
            Subject::Errors => of(&self.error_minutes),
            Subject::Durations => of(&self.slow_minutes),
            Subject::Pattern(id) => self.patterns.get(id).map(|watch| self.points_of(watch))?,
            Subject::Variable(..) | Subject::Facet(..) => return None,
        };
        let slow_from_ms = (subject == Subject::Durations).then_some(self.slow_from);
        Some(Baseline { outline, points, slow_from_ms })
    }

    fn outline(&self, subject: Subject) -> Option<SeriesOutline> {
        let ratio = |watch: &super::ratio_watch::RatioWatch| {
            (watch.usual().map_or(0.0, |(share, _)| share), watch.experience())
        };
        let ((usual, experience), period) = match subject {
            Subject::Component => {
                ((self.component.level(self.factor_now()), self.component.experience()), self.regular_period())
            }
            Subject::Errors => (ratio(&self.errors), None),
            Subject::Durations => (ratio(&self.slow), None),
            Subject::Pattern(id) => return self.patterns.get(id).map(|watch| self.outline_of(id, watch)),
            Subject::Variable(..) | Subject::Facet(..) => return None,
        };
        Some(SeriesOutline { subject, usual, experience, period, open: self.open_kind(subject) })
    }

    fn outline_of(&self, id: PatternId, watch: &PatternWatch) -> SeriesOutline {
        let subject = Subject::Pattern(id);
        SeriesOutline {
            subject,
            usual: watch.counts.level(self.factor_now()),
            experience: watch.counts.experience(),
            period: watch.rhythm.period(),
            open: self.open_kind(subject),
        }
    }

    /// An absence says more than the deviation that it is as well.
    fn open_kind(&self, subject: Subject) -> Option<SignalKind> {
        let kinds: &[SignalKind] = match subject {
            Subject::Component => &[SignalKind::Silence, SignalKind::Burst],
            Subject::Errors => &[SignalKind::ErrorRatio],
            Subject::Durations => &[SignalKind::LatencyShift],
            Subject::Pattern(_) => &[SignalKind::Missed, SignalKind::Burst],
            Subject::Variable(..) | Subject::Facet(..) => &[],
        };
        let open = kinds.iter().copied().find(|&kind| self.is_open(kind, subject))?;
        Some(if open == SignalKind::Burst { self.direction(subject) } else { open })
    }

    /// Whether an open deviation of counts has more or fewer than the usual: in the last whole minute, or in the minute that
    /// ends now, which may be the first of a burst.
    fn direction(&self, subject: Subject) -> SignalKind {
        let counts = match subject.pattern() {
            Some(id) => self.patterns.get(id).map(|watch| &watch.counts),
            None => Some(&self.component),
        };
        let seen = |counts: &CountWatch| counts.counted().max(counts.counting());
        let is_less = counts.is_some_and(|counts| f64::from(seen(counts)) < counts.level(self.factor_now()));
        if is_less { SignalKind::Drop } else { SignalKind::Burst }
    }

    fn points_of(&self, watch: &PatternWatch) -> Vec<Point> {
        let Some(slot) = self.slot else { return Vec::new() };
        let newest = Timestamp(slot.saturating_mul(SLOT.0)).clamped().floor_to(Millis::from_mins(1));
        (1..=MINUTES)
            .rev()
            .map(|ago| {
                let at = newest.minus(Millis::from_mins(ago as i64));
                let seen = watch.seen.ago(ago - 1);
                let band = watch.counts.band(self.season.factor(at));
                let is_wider = reaches_into(&self.widened, at, at.plus(Millis::from_mins(1)));
                let band = band.map(|band| if is_wider { band.wider(WIDER) } else { band });
                Point { at, seen, total: seen, band }
            })
            .collect()
    }

    /// The season's factor of the slot being filled.
    pub(super) fn factor_now(&self) -> f64 {
        self.slot.map_or(1.0, |slot| self.season.factor(Timestamp(slot.saturating_mul(SLOT.0)).clamped()))
    }
}
