//! What is usual of this component's series: the detectors' own numbers, put into the shape that crosses to the edge.

use super::Live;
use crate::processors::calls::{
    BaselineAnswer, BaselineCall, DecisionView, DeploymentView, FeedbackView, PointView, SeriesView,
};
use sapwood_engine::detect::{Point, SeriesOutline, SignalKind, Subject};
use sapwood_engine::machine::stream::{Decision, Verdict};

/// Series in a list; the component's own are among them always.
const SERIES_MAX: usize = 200;

impl Live {
    pub(super) fn baseline(&self, call: &BaselineCall) -> BaselineAnswer {
        let detectors = self.machine.detectors();
        let wanted = call.series.as_deref().map(|name| Subject::parse(name).map(|subject| self.current(subject)));
        let mut answer = BaselineAnswer {
            series_total: detectors.watched() as u64 + 3,
            late: detectors.late(),
            unwatched: detectors.unwatched(),
            ..BaselineAnswer::default()
        };
        let is_within = |at: i64| (call.from_ms..call.to_ms).contains(&at);
        match wanted {
            None => {
                answer.series = detectors.series(SERIES_MAX).iter().map(|outline| self.series_view(outline)).collect();
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
        answer.deployments = self.machine.deployments().iter().rev().map(DeploymentView::of).collect();
        answer
    }

    /// A pattern that was merged since is the one that took it over.
    fn current(&self, subject: Subject) -> Subject {
        match subject {
            Subject::Pattern(id) => Subject::Pattern(self.machine.miner().resolve(id)),
            other => other,
        }
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
                _ => None,
            },
            incident_id,
        }
    }
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
