//! A series drawn: what was expected, what came, what was decided about it, and what was deployed meanwhile.
//!
//! One SVG without script, fonts or links of its own, so that it can be saved, mailed and shown anywhere; its colours
//! follow the reader's light or dark. Everything that comes out of a log is escaped, cut, and never markup. Times are the
//! reader's choice of clock, which stands beside the axis.

use crate::processors::calls::{DecisionView, DeploymentView, PointView, SeriesView};
use sapwood_wire::moment::Iso;
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 58.0;
const MINUTE: i64 = 60_000;
/// Letters of a name that comes from a log.
const NAME_CHARS_MAX: usize = 90;
/// Labels of deployments; beyond, they are lines with a tooltip.
const LABELS_MAX: usize = 8;

/// Text on one of the two grounds is at least 4.5 times as bright or dark as it, as WCAG 2 asks.
const STYLE: &str = "\
svg{--ground:#fff;--ink:#1f2328;--quiet:#59636e;--grid:#e4e7eb;--band:#cfe3fb;--due:#4b7bb5;--seen:#0a3069;\
--odd:#b3261e;--deploy:#8250df;--wide:#f3ecff}\
@media(prefers-color-scheme:dark){svg{--ground:#0d1117;--ink:#e6edf3;--quiet:#9aa4af;--grid:#272d36;--band:#17375e;\
--due:#6ea8fe;--seen:#cfe3ff;--odd:#ff7b72;--deploy:#c297ff;--wide:#1f1733}}\
text{font:12px system-ui,sans-serif;fill:var(--ink)}.quiet{fill:var(--quiet)}.title{font-size:16px;font-weight:600}\
.grid{stroke:var(--grid)}.axis{stroke:var(--quiet)}.band{fill:var(--band);fill-opacity:.8}.due{fill:none;stroke:var(--due);stroke-dasharray:5 4}\
.seen{fill:none;stroke:var(--seen);stroke-width:1.6;stroke-linejoin:round}.dot{fill:var(--seen)}.odd{fill:var(--odd)}\
.span{fill:var(--odd);opacity:.14}.deploy{stroke:var(--deploy);stroke-width:1.5;stroke-dasharray:2 3}\
.release{fill:var(--deploy)}.wide{fill:var(--wide)}";

/// What is drawn.
pub struct Chart<'a> {
    /// Component.
    pub component: &'a str,
    /// The series.
    pub series: &'a SeriesView,
    /// Its minutes, oldest first.
    pub points: &'a [PointView],
    /// Decisions about it.
    pub decisions: &'a [DecisionView],
    /// Deployments of the component.
    pub deployments: &'a [DeploymentView],
    /// The clock of the axis: its name, and what it is ahead of UTC at an instant, in ms.
    pub zone: &'a str,
    /// See `zone`.
    pub ahead: &'a dyn Fn(i64) -> i64,
}

/// From minutes and counts to places.
struct Scale {
    from: i64,
    to: i64,
    most: f64,
}

impl Scale {
    fn x(&self, at: i64) -> f64 {
        let share = (at - self.from) as f64 / (self.to - self.from).max(1) as f64;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.most).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn holds(&self, at: i64) -> bool {
        (self.from..self.to).contains(&at)
    }
}

impl Chart<'_> {
    /// The picture.
    pub fn draw(&self) -> String {
        let mut out = String::with_capacity(32 * 1024);
        let name = self.name();
        push(
            &mut out,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\" aria-labelledby=\"t d\"><title id=\"t\">{name}</title>\
             <desc id=\"d\">{}</desc><style>{STYLE}</style>\
             <rect width=\"100%\" height=\"100%\" style=\"fill:var(--ground)\"/>\
             <text class=\"title\" x=\"16\" y=\"26\">{name}</text>",
                self.description(),
            ),
        );
        self.legend(&mut out);
        match self.scale() {
            None => push(
                &mut out,
                format_args!(
                    "<text class=\"quiet\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">no minute of this series is known in this span</text>",
                    WIDTH / 2.0,
                    HEIGHT / 2.0,
                ),
            ),
            Some(scale) => {
                self.ground(&mut out, &scale);
                self.axes(&mut out, &scale);
                self.band(&mut out, &scale);
                self.seen(&mut out, &scale);
                self.marks(&mut out, &scale);
            }
        }
        out.push_str("</svg>\n");
        out
    }

    fn name(&self) -> String {
        let series = self.series.template.as_deref().unwrap_or(&self.series.series);
        format!("{}: {}", escaped(self.component), escaped(series))
    }

    /// The same in words, for who cannot see it.
    fn description(&self) -> String {
        let odd = self.points.iter().filter(|point| is_odd(point)).count();
        format!(
            "{} minutes, {odd} of them outside the usual, {} decisions, {} deployments; usual now {:.3}",
            self.points.len(),
            self.decisions.len(),
            self.deployments.len(),
            self.series.usual,
        )
    }

    fn scale(&self) -> Option<Scale> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let most = self.points.iter().map(|point| f64::from(point.seen).max(point.high.unwrap_or(0.0)));
        let most = most.fold(1.0, f64::max);
        let step = nice_step(most / 4.0);
        Some(Scale { from: first.time_ms, to: last.time_ms.saturating_add(MINUTE), most: (most / step).ceil() * step })
    }

    fn legend(&self, out: &mut String) {
        let unit = match self.series.series.as_str() {
            "errors" => "errors a minute",
            "latency" => "slow records a minute",
            _ => "records a minute",
        };
        push(
            out,
            format_args!(
                "<rect class=\"band\" x=\"16\" y=\"40\" width=\"22\" height=\"11\"/><text class=\"quiet\" x=\"44\" y=\"50\">usual</text>\
             <path class=\"due\" d=\"M92 46h22\"/><text class=\"quiet\" x=\"120\" y=\"50\">expected</text>\
             <path class=\"seen\" d=\"M184 46h22\"/><text class=\"quiet\" x=\"212\" y=\"50\">seen, {unit}</text>\
             <circle class=\"odd\" cx=\"385\" cy=\"46\" r=\"4\"/><text class=\"quiet\" x=\"395\" y=\"50\">not usual</text>\
             <path class=\"odd\" d=\"M466 42h10l-5 9z\"/><text class=\"quiet\" x=\"482\" y=\"50\">found</text>\
             <path class=\"deploy\" d=\"M532 40v12\"/><text class=\"quiet\" x=\"540\" y=\"50\">deployed</text>",
            ),
        );
    }

    /// What lies behind everything else: wider times, and what was found.
    fn ground(&self, out: &mut String, scale: &Scale) {
        let height = HEIGHT - TOP - BOTTOM;
        let mut span = |class: &str, from: i64, to: i64| {
            let (left, right) = (scale.x(from), scale.x(to));
            if right > left {
                let width = right - left;
                push(
                    out,
                    format_args!(
                        "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>"
                    ),
                );
            }
        };
        for deployment in self.deployments {
            span("wide", deployment.at_ms, deployment.widened_until_ms);
        }
        for decision in self.decisions.iter().filter(|one| scale.holds(one.at_ms)) {
            span("span", decision.since_ms, decision.at_ms);
        }
    }

    fn axes(&self, out: &mut String, scale: &Scale) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let step = nice_step(scale.most / 4.0);
        let lines = (scale.most / step).round().clamp(1.0, 12.0) as u32;
        for line in 0..=lines {
            let value = step * f64::from(line);
            let y = scale.y(value);
            push(
                out,
                format_args!(
                    "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text class=\"quiet\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    LEFT - 8.0,
                    y + 4.0,
                    number(value),
                ),
            );
        }
        push(out, format_args!("<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>"));
        let each = time_step(scale.to - scale.from);
        let local = |at: i64| at.saturating_add((self.ahead)(at));
        let mut at = scale.from;
        // On the clock's own full hours, which need not be those of UTC.
        at += (each - local(at).rem_euclid(each)) % each;
        let mut day = String::new();
        while at < scale.to {
            let text = Iso(local(at)).to_string();
            let x = scale.x(at);
            push(
                out,
                format_args!(
                    "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/>\
                 <text class=\"quiet\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    bottom + 19.0,
                    text.get(11..16).unwrap_or_default(),
                ),
            );
            let date = text.get(..10).unwrap_or_default();
            if date != day {
                push(
                    out,
                    format_args!(
                        "<text class=\"quiet\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{date}</text>",
                        bottom + 35.0
                    ),
                );
                date.clone_into(&mut day);
            }
            at = at.saturating_add(each);
        }
        push(
            out,
            format_args!(
                "<text class=\"quiet\" x=\"{right}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                HEIGHT - 8.0,
                escaped(self.zone),
            ),
        );
    }

    fn band(&self, out: &mut String, scale: &Scale) {
        for run in runs(self.points, |point| point.low.is_some() && point.high.is_some()) {
            let (mut upper, mut lower, mut due) = (String::new(), Vec::new(), String::new());
            for (place, point) in run.iter().enumerate() {
                let mark = if place == 0 { 'M' } else { 'L' };
                // A minute is as wide as it is long: its band is a step.
                for x in [scale.x(point.time_ms), scale.x(point.time_ms + MINUTE)] {
                    let mark = if upper.is_empty() { mark } else { 'L' };
                    push(&mut upper, format_args!("{mark}{x:.1} {:.1}", scale.y(point.high.unwrap_or(0.0))));
                    lower.push((x, scale.y(point.low.unwrap_or(0.0))));
                }
                let x = scale.x(point.time_ms + MINUTE / 2);
                push(&mut due, format_args!("{mark}{x:.1} {:.1}", scale.y(point.expected.unwrap_or(0.0))));
            }
            for (x, y) in lower.into_iter().rev() {
                push(&mut upper, format_args!("L{x:.1} {y:.1}"));
            }
            push(out, format_args!("<path class=\"band\" d=\"{upper}Z\"/><path class=\"due\" d=\"{due}\"/>"));
        }
    }

    fn seen(&self, out: &mut String, scale: &Scale) {
        for run in runs(self.points, |_| true) {
            let mut line = String::new();
            for (place, point) in run.iter().enumerate() {
                let mark = if place == 0 { 'M' } else { 'L' };
                let (x, y) = (scale.x(point.time_ms + MINUTE / 2), scale.y(f64::from(point.seen)));
                push(&mut line, format_args!("{mark}{x:.1} {y:.1}"));
            }
            push(out, format_args!("<path class=\"seen\" d=\"{line}\"/>"));
        }
        for point in self.points {
            let (x, y) = (scale.x(point.time_ms + MINUTE / 2), scale.y(f64::from(point.seen)));
            let (class, radius) = if is_odd(point) { ("odd", 4.0) } else { ("dot", 1.2) };
            push(
                out,
                format_args!(
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{} {}: {}{}</title></circle>",
                    self.clock(point.time_ms),
                    escaped(self.zone),
                    point.seen,
                    match point.expected {
                        Some(expected) => format!(
                            ", expected {expected:.1} ({:.1} to {:.1})",
                            point.low.unwrap_or(0.0),
                            point.high.unwrap_or(0.0)
                        ),
                        None => String::new(),
                    },
                ),
            );
        }
    }

    fn marks(&self, out: &mut String, scale: &Scale) {
        for decision in self.decisions.iter().filter(|one| scale.holds(one.at_ms)) {
            let x = scale.x(decision.at_ms);
            push(
                out,
                format_args!(
                    "<path class=\"odd\" d=\"M{:.1} {}h12l-6 11z\"><title>{} {}: {} ({}), {} seen, {:.1} expected, probability {:.0e}</title></path>",
                    x - 6.0,
                    TOP - 12.0,
                    self.clock(decision.at_ms),
                    escaped(self.zone),
                    escaped(&decision.kind),
                    escaped(&decision.verdict),
                    decision.seen,
                    decision.expected,
                    decision.probability,
                ),
            );
        }
        let shown: Vec<_> = self.deployments.iter().filter(|one| scale.holds(one.at_ms)).collect();
        // Newest first: labels that would lie on the one to their right are left to the tooltip.
        let mut free_to = WIDTH;
        for (place, deployment) in shown.into_iter().enumerate() {
            let x = scale.x(deployment.at_ms);
            let release: String = deployment.release.chars().take(24).collect();
            push(
                out,
                format_args!(
                    "<path class=\"deploy\" d=\"M{x:.1} {}V{}\"><title>{} {}: {} deployed ({})</title></path>",
                    TOP - 14.0,
                    HEIGHT - BOTTOM,
                    self.clock(deployment.at_ms),
                    escaped(self.zone),
                    escaped(&deployment.release),
                    escaped(&deployment.source),
                ),
            );
            let ends = x + 6.0 + release.chars().count() as f64 * 7.0;
            if place < LABELS_MAX && ends <= free_to {
                push(
                    out,
                    format_args!(
                        "<text class=\"release\" x=\"{:.1}\" y=\"{}\">{}</text>",
                        x + 4.0,
                        TOP - 4.0,
                        escaped(&release)
                    ),
                );
                free_to = x;
            }
        }
    }

    fn clock(&self, at: i64) -> String {
        let text = Iso(at.saturating_add((self.ahead)(at))).to_string();
        text.get(..16).unwrap_or_default().replace('T', " ")
    }
}

/// Neighbouring minutes that are `wanted`; where one is missing, a new run begins.
fn runs(points: &[PointView], wanted: impl Fn(&PointView) -> bool) -> Vec<Vec<&PointView>> {
    let mut runs: Vec<Vec<&PointView>> = Vec::new();
    let mut last = None;
    for point in points.iter().filter(|point| wanted(point)) {
        match runs.last_mut() {
            Some(run) if last == Some(point.time_ms - MINUTE) => run.push(point),
            _ => runs.push(vec![point]),
        }
        last = Some(point.time_ms);
    }
    runs
}

fn is_odd(point: &PointView) -> bool {
    let seen = f64::from(point.seen);
    point.low.is_some_and(|low| seen < low) || point.high.is_some_and(|high| seen > high)
}

/// 1, 2 or 5 times a power of ten, and at least a half: what people count in.
fn nice_step(rough: f64) -> f64 {
    let mut power = 0.1;
    while power * 10.0 <= rough {
        power *= 10.0;
    }
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough);
    step.unwrap_or(power * 10.0).max(0.5)
}

/// The shortest time between labels that leaves room for each.
fn time_step(span: i64) -> i64 {
    [5, 10, 15, 30, 60, 120, 180, 360, 720]
        .into_iter()
        .map(|minutes| minutes * MINUTE)
        .find(|step| span / step <= 12)
        .unwrap_or(1_440 * MINUTE)
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e4 => format!("{}k", value / 1e3),
        value => format!("{value}"),
    }
}

/// Text as it may stand in XML, cut; control characters, which XML does not know, are spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (place, letter) in text.chars().enumerate() {
        if place >= NAME_CHARS_MAX {
            out.push('…');
            break;
        }
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// Writing into a text cannot fail.
fn push(out: &mut String, parts: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(parts);
    debug_assert!(written.is_ok(), "a text takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, template: Option<&str>) -> SeriesView {
        SeriesView {
            series: name.into(),
            template: template.map(str::to_owned),
            usual: 12.0,
            learned_minutes: 100,
            ..SeriesView::default()
        }
    }

    fn point(minute: i64, seen: u32) -> PointView {
        let known = |value| (minute > 2).then_some(value);
        PointView {
            time_ms: minute * MINUTE,
            seen,
            total: seen,
            expected: known(12.0),
            low: known(6.0),
            high: known(18.0),
        }
    }

    fn decision(minute: i64) -> DecisionView {
        DecisionView {
            kind: "burst".into(),
            series: "total".into(),
            at_ms: minute * MINUTE,
            since_ms: (minute - 1) * MINUTE,
            window_ms: MINUTE,
            expected: 12.0,
            expected_low: 6.0,
            expected_high: 18.0,
            seen: 60,
            total: 60,
            probability: 1e-12,
            decided_at_ms: minute * MINUTE,
            verdict: "opened".into(),
            new_in_release: None,
            before_release: None,
            incident_id: None,
        }
    }

    fn deployment(minute: i64, release: &str) -> DeploymentView {
        DeploymentView {
            release: release.into(),
            at_ms: minute * MINUTE,
            widened_until_ms: (minute + 15) * MINUTE,
            source: "announced".into(),
            by: None,
        }
    }

    fn drawn(
        series: &SeriesView,
        points: &[PointView],
        decisions: &[DecisionView],
        deployments: &[DeploymentView],
    ) -> String {
        let chart = Chart {
            component: "till <1>",
            series,
            points,
            decisions,
            deployments,
            zone: "Europe/Berlin",
            ahead: &|_| 3_600_000,
        };
        chart.draw()
    }

    /// Every element is closed, and nothing stands in a tag that should not.
    fn check_markup(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("{tag}"));
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(closed), "in {svg}");
            } else if !tag.ends_with('/') {
                assert!(["svg", "title", "desc", "style", "text", "path", "circle"].contains(&name), "<{tag}>");
                open.push(name.to_owned());
            }
        }
        assert_eq!(open, Vec::<String>::new());
        assert!(!svg.contains("script") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_series_is_drawn_with_its_band_what_came_and_what_was_found() {
        let points: Vec<_> = (0..60)
            .filter(|minute| *minute != 20)
            .map(|minute| point(minute, if minute == 30 { 60 } else { 12 }))
            .collect();
        let svg = drawn(&series("total", None), &points, &[decision(31)], &[deployment(25, "2.0")]);
        check_markup(&svg);
        assert!(svg.contains(">till &lt;1&gt;: total<") && svg.contains("records a minute"), "{svg}");
        // The minute that is missing parts the line; the band begins where the series is known.
        assert_eq!(
            (svg.matches("<path class=\"seen\" d=\"M").count(), svg.matches("class=\"band\" d=").count()),
            (3, 2)
        );
        assert!(svg.contains("1970-01-01 01:30 Europe/Berlin: 60, expected 12.0 (6.0 to 18.0)"), "{svg}");
        assert!(svg.contains("burst (opened), 60 seen, 12.0 expected, probability 1e-12"), "{svg}");
        assert!(svg.contains(">2.0</text>") && svg.contains("2.0 deployed (announced)"), "{svg}");
        assert!(svg.contains(">01:30</text>") && svg.contains(">1970-01-01</text>"), "the clock of the zone: {svg}");
        assert!(svg.contains("59 minutes, 1 of them outside the usual, 1 decisions, 1 deployments"), "{svg}");
    }

    #[test]
    fn nothing_out_of_a_log_becomes_markup() {
        let hostile = "</text><script>alert(1)</script>\" onload=\"x\u{0}&".repeat(9);
        let svg =
            drawn(&series("pattern:00000000000000ff", Some(&hostile)), &[point(1, 3)], &[], &[deployment(1, &hostile)]);
        check_markup(
            &svg.replace("&lt;script&gt;", "")
                .replace("&lt;/script&gt;", "")
                .replace("&lt;script", "")
                .replace("&lt;/script", ""),
        );
        assert!(svg.len() < 12_000, "{}", svg.len());
    }

    #[test]
    fn a_series_without_minutes_or_with_nothing_in_them_is_drawn_all_the_same() {
        let svg = drawn(&series("errors", None), &[], &[decision(5)], &[deployment(5, "1")]);
        check_markup(&svg);
        assert!(svg.contains("no minute of this series is known"), "{svg}");
        let svg = drawn(&series("latency", None), &[point(0, 0)], &[], &[]);
        check_markup(&svg);
        assert!(svg.contains(">0.5</text>") && svg.contains("slow records a minute"), "{svg}");
    }

    #[test]
    fn axes_count_as_people_do() {
        for (rough, step) in [
            (0.01, 0.5),
            (0.25, 0.5),
            (0.6, 1.0),
            (3.0, 5.0),
            (7.0, 10.0),
            (15.0, 20.0),
            (251.0, 500.0),
            (30_000.0, 50_000.0),
        ] {
            assert!((nice_step(rough) - step).abs() < step * 1e-9, "{rough}: {}", nice_step(rough));
        }
        assert_eq!(
            [time_step(30 * MINUTE), time_step(240 * MINUTE), time_step(i64::MAX / 2)],
            [5 * MINUTE, 30 * MINUTE, 1_440 * MINUTE]
        );
        assert_eq!([number(0.5), number(250.0), number(20_000.0), number(3e6)], ["0.5", "250", "20k", "3M"]);
    }
}
