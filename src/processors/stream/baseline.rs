//! What is usual of this component's series: the detectors' own numbers, put into the shape that crosses to the edge.

use super::Live;
use crate::processors::calls::{
    BaselineAnswer, BaselineCall, BeforeReleaseView, DecisionView, DeploymentView, FeedbackView, PointView, SeedView,
    SeriesView, ValueShareView, ValuesView,
};
use sapwood_engine::detect::{LevelOutline, Point, SeriesOutline, SignalKind, Subject, ValueBand};
use sapwood_engine::machine::stream::{Decision, Verdict};
use sapwood_engine::time::Timestamp;

/// Series in a list; the component's own are among them always.
const SERIES_MAX: usize = 200;

impl Live {
    pub(super) fn baseline(&self, call: &BaselineCall) -> BaselineAnswer {
        let detectors = self.machine.detectors();
        let wanted = call.series.as_deref().map(|name| Subject::parse(name).map(|subject| self.current(subject)));
        let mut answer = BaselineAnswer {
            time_zone: self.config.time_zone().to_owned(),
            series_total: detectors.watched() as u64 + 3,
            late: detectors.late(),
            unwatched: detectors.unwatched(),
            ..BaselineAnswer::default()
        };
        let is_within = |at: i64| (call.from_ms..call.to_ms).contains(&at);
        match wanted {
            None => {
                answer.series = detectors.series(SERIES_MAX).iter().map(|outline| self.series_view(outline)).collect();
                answer.variables = self.watched_variables();
            }
            Some(subject @ Some(Subject::Variable(..) | Subject::Facet(..))) => {
                let part = subject.and_then(|subject| self.part_view(subject));
                answer
                    .series
                    .extend(part.map(|part| SeriesView { values: self.values_of(subject, call.to_ms), ..part }));
                if let Some(level) = subject.and_then(|subject| self.level_of(subject)) {
                    let point = |&(at, value): &(_, f64)| Point {
                        at,
                        seen: value.max(0.0) as u32,
                        total: level.limit.max(0.0) as u32,
                        band: None,
                    };
                    let points = level.points.iter().map(point).filter(|point| is_within(point.at.0));
                    answer.points = points.map(|point| point_view(&point)).collect();
                }
            }
            Some(subject) => {
                let Some(baseline) = subject.and_then(|subject| detectors.baseline(subject)) else { return answer };
                answer.series = vec![self.series_view(&baseline.outline)];
                answer.slow_from_ms = baseline.slow_from_ms;
                let points = baseline.points.iter().filter(|point| is_within(point.at.0));
                answer.points = points.map(point_view).collect();
            }
        }
        let is_asked = |decision: &&Decision| {
            is_within(decision.signal.at.0)
                && wanted.is_none_or(|subject| subject == Some(self.current(decision.signal.subject)))
        };
        answer.decisions = self.machine.decisions().rev().filter(is_asked).map(|one| self.decision_view(one)).collect();
        let series: Vec<_> = answer.series.iter().map(|known| known.series.as_str()).collect();
        // New errors are the whole component's business.
        let is_of_it = |one: &FeedbackView| wanted.is_none() || series.contains(&one.threshold.series.as_str());
        answer.feedback = self.feedback().into_iter().filter(is_of_it).collect();
        answer.seed = detectors.seed().map(|(seed, worth)| SeedView {
            neighbours: seed.neighbours.clone(),
            worth_hours: worth,
            given_hours: seed.hours,
            learned_hours: seed.prior.hours,
        });
        answer.deployments = self.machine.deployments().iter().rev().map(DeploymentView::of).collect();
        answer
    }

    /// A pattern that was merged since is the one that took it over.
    fn current(&self, subject: Subject) -> Subject {
        subject.of_pattern(|id| self.machine.miner().resolve(id))
    }

    /// The variables that are watched, those of which something is open first.
    fn watched_variables(&self) -> Vec<SeriesView> {
        let (levels, drifts) = (self.machine.levels(), self.machine.drifts());
        let subjects = levels.iter().map(|level| level.subject).chain(drifts.iter().map(|drift| drift.subject));
        let (mut open, mut quiet) = (Vec::new(), Vec::<SeriesView>::new());
        for view in subjects.filter_map(|subject| self.part_view(subject)) {
            let views = if view.open.is_some() { &mut open } else { &mut quiet };
            // Several things may tell the same level, and its values be watched besides.
            if views.len() < SERIES_MAX && !views.iter().any(|known| known.series == view.series) {
                views.push(view);
            }
        }
        open.append(&mut quiet);
        open.truncate(SERIES_MAX);
        open
    }

    /// What a variable's values usually are in the half hour before `to_ms`, or in that of the newest records.
    fn values_of(&self, subject: Option<Subject>, to_ms: i64) -> Option<ValuesView> {
        let newest = self.machine.detectors().minute()?;
        let at = if to_ms == i64::MAX { newest } else { Timestamp(to_ms.saturating_sub(1)).clamped() };
        self.machine.value_band(subject?, at).map(values_view)
    }

    /// The level that a variable tells; of several that which heads for its limit, else the first.
    fn level_of(&self, subject: Subject) -> Option<LevelOutline> {
        let mut levels = self.machine.levels();
        levels.retain(|level| level.subject == subject);
        let place = levels.iter().position(|level| level.is_open).unwrap_or(0);
        (place < levels.len()).then(|| levels.swap_remove(place))
    }

    /// What is known of a part of a pattern; none if the component has no such pattern, or does not watch this variable.
    fn part_view(&self, subject: Subject) -> Option<SeriesView> {
        let pattern = self.machine.miner().pattern(subject.pattern()?)?;
        let level = self.level_of(subject);
        let drift = self.machine.drifts().into_iter().find(|drift| drift.subject == subject);
        if matches!(subject, Subject::Variable(..)) && level.is_none() && drift.is_none() {
            return None;
        }
        let heads = level.as_ref().filter(|level| level.is_open).map(|_| SignalKind::Trend);
        let drifts = drift.filter(|drift| drift.is_open).map(|_| SignalKind::ValueDrift);
        let minutes = |periods: u32| periods.saturating_mul(30);
        Some(SeriesView {
            series: subject.to_string(),
            template: Some(pattern.template.clone()),
            usual: 0.0,
            learned_minutes: level
                .as_ref()
                .map_or(0, |level| level.minutes)
                .max(drift.map_or(0, |it| minutes(it.periods))),
            period_ms: None,
            open: heads.or(drifts).map(|kind| kind.as_str().to_owned()),
            level: level.as_ref().map(|level| level.level),
            limit: level.map(|level| level.limit),
            values: None,
        })
    }

    fn series_view(&self, outline: &SeriesOutline) -> SeriesView {
        let pattern = outline.subject.pattern().and_then(|id| self.machine.miner().pattern(id));
        SeriesView {
            series: outline.subject.to_string(),
            template: pattern.map(|pattern| pattern.template.clone()),
            usual: outline.usual,
            learned_minutes: outline.experience,
            period_ms: outline.period.map(|period| period.0),
            open: outline.open.map(|kind| kind.as_str().to_owned()),
            level: None,
            limit: None,
            values: None,
        }
    }

    fn decision_view(&self, decision: &Decision) -> DecisionView {
        let signal = &decision.signal;
        let (verdict, incident_id) = match &decision.verdict {
            Verdict::Shown => ("shown", None),
            Verdict::Quieted => ("quieted", None),
            Verdict::Late => ("late", None),
            Verdict::Opened(id) => ("opened", Some(id.clone())),
            Verdict::Explained(id) => ("explained", Some(id.clone())),
        };
        let new = self.machine.new_with(signal);
        DecisionView {
            kind: signal.kind.as_str().to_owned(),
            series: self.current(signal.subject).to_string(),
            at_ms: signal.at.0,
            since_ms: signal.since.0,
            window_ms: signal.window.0,
            expected: signal.expected,
            expected_low: signal.expected_low,
            expected_high: signal.expected_high,
            seen: signal.seen,
            total: signal.total,
            probability: signal.probability,
            decided_at_ms: decision.decided_at.0,
            verdict: verdict.to_owned(),
            new_in_release: match signal.kind {
                SignalKind::NewPattern => {
                    let pattern = signal.subject.pattern().and_then(|id| self.machine.miner().pattern(id));
                    pattern.and_then(|pattern| self.machine.new_in_release(pattern)).map(str::to_owned)
                }
                _ => new.map(|new| new.release.clone()),
            },
            before_release: new.map(|new| BeforeReleaseView {
                release: new.before.clone(),
                value: Some(new.value.clone()).filter(|value| !value.is_empty()),
                records: new.had_before,
                records_ever: new.had,
            }),
            incident_id,
        }
    }
}

fn values_view(band: ValueBand) -> ValuesView {
    let classes = band.classes.into_iter().map(|class| ValueShareView {
        above: class.above,
        value: class.value,
        usual: class.share.usual,
        low: class.share.low,
        high: class.share.high,
    });
    ValuesView { from_ms: band.from.0, rhythm: band.rhythm.as_str().to_owned(), classes: classes.collect() }
}

fn point_view(point: &Point) -> PointView {
    PointView {
        time_ms: point.at.0,
        seen: point.seen,
        total: point.total,
        expected: point.band.map(|band| band.expected),
        low: point.band.map(|band| band.low),
        high: point.band.map(|band| band.high),
    }
}
