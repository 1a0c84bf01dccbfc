//! From the engine's alert to what targets are told.

use crate::notify::{AlertKind, AlertView, Exemplar, probability_words, span_words};
use sapwood_engine::detect::{SignalKind, Subject};
use sapwood_engine::machine::stream::Identity;
use sapwood_engine::record_id::RecordId;
use sapwood_engine::triage::{Alert, Incident};

/// The window that is told of what has none, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// The alert as targets are told it: about its first incident, with the others counted in the title and shown by their
/// lines.
pub fn alert_view(alert: &Alert, identity: &Identity) -> AlertView {
    let first = alert.incidents.first();
    let kind = first.map_or(AlertKind::NewPattern, |incident| kind_of(incident.signal.kind));
    let signal = first.map(|incident| incident.signal).filter(|signal| signal.kind != SignalKind::NewPattern);
    let pattern = first.and_then(|incident| alert.patterns.iter().find(|pattern| Some(pattern.id) == incident.pattern));
    let level = alert.incidents.iter().map(|incident| incident.level).max().unwrap_or_default();
    let seen = first.map_or(0, |incident| incident.signal.seen);
    let window = signal.map_or(0, |signal| u64::try_from(signal.window.0).unwrap_or(0));
    let times = || alert.incidents.iter();
    AlertView {
        incident_id: alert.id.clone(),
        kind,
        domain: identity.domain.clone(),
        component: identity.component.clone(),
        environment: alert.environment.clone(),
        level: level.class().word().to_owned(),
        title: title(alert, kind, &identity.component),
        pattern_id: pattern.map(|pattern| pattern.id.to_string()),
        pattern_template: pattern.map(|pattern| pattern.template.clone()),
        expected: signal.map(|signal| signal.expected),
        expected_low: signal.map(|signal| signal.expected_low),
        expected_high: signal.map(|signal| signal.expected_high),
        probability: signal.map(|signal| signal.probability),
        series: first.map(|incident| incident.signal.subject.to_string()),
        seen,
        window_ms: if window == 0 { WINDOW_MS } else { window },
        first_seen_ms: times().map(|incident| incident.first_seen.0).min().unwrap_or(alert.decided_at.0),
        last_seen_ms: times().map(|incident| incident.last_seen.0).max().unwrap_or(alert.decided_at.0),
        count: times().map(|incident| incident.count).sum(),
        exemplars: alert.exemplars.iter().map(|exemplar| self::exemplar(exemplar, identity)).collect(),
        release: alert.release.clone(),
        new_in_release: alert.new_in_release.clone().filter(|_| kind == AlertKind::NewPattern),
        links: Vec::new(),
    }
}

fn kind_of(kind: SignalKind) -> AlertKind {
    match kind {
        SignalKind::NewPattern => AlertKind::NewPattern,
        SignalKind::Burst => AlertKind::Burst,
        SignalKind::Drop => AlertKind::Drop,
        SignalKind::Silence => AlertKind::Silence,
        SignalKind::Missed => AlertKind::Missed,
        SignalKind::LevelShift => AlertKind::LevelShift,
        SignalKind::ErrorRatio => AlertKind::ErrorRatio,
        SignalKind::LatencyShift => AlertKind::LatencyShift,
        SignalKind::Trend => AlertKind::Trend,
        SignalKind::ValueDrift => AlertKind::ValueDrift,
        SignalKind::NewValue => AlertKind::NewValue,
        SignalKind::RareCombination => AlertKind::RareCombination,
    }
}

fn exemplar(exemplar: &sapwood_engine::pattern::Exemplar, identity: &Identity) -> Exemplar {
    let id = RecordId {
        received_at: exemplar.received_at,
        object_tag: identity.tag(),
        seq: exemplar.seq,
        index: exemplar.index,
    };
    Exemplar {
        id: id.to_string(),
        timestamp_ms: exemplar.timestamp.0,
        level: exemplar.level.class().word().to_owned(),
        message: exemplar.message.clone(),
    }
}

fn title(alert: &Alert, kind: AlertKind, component: &str) -> String {
    let count = alert.incidents.len();
    // What people call it says more than its words.
    let words = alert.patterns.first().map_or("", |it| it.name.as_deref().unwrap_or(it.template.as_str()));
    let short: String = words.chars().take(120).collect();
    match (kind, alert.incidents.first()) {
        _ if count > 1 => format!("{count} new incidents in {component}, first: {short}"),
        (AlertKind::NewPattern, _) if alert.new_in_release.is_some() => {
            let release = alert.new_in_release.as_deref().unwrap_or_default();
            format!("New error pattern in release {release} of {component}: {short}")
        }
        (AlertKind::NewPattern, _) | (_, None) => format!("New error pattern in {component}: {short}"),
        (_, Some(incident)) => signal_title(incident, component, &short),
    }
}

/// One line about a series: what was seen, what was due, and how likely that would be.
fn signal_title(incident: &Incident, component: &str, template: &str) -> String {
    let signal = &incident.signal;
    let span = span_words(u64::try_from(signal.window.0).unwrap_or(0));
    let (seen, total, due) = (signal.seen, signal.total, signal.expected);
    let chance = probability_words(signal.probability);
    let every = span_words((signal.window.0 as f64 / due.max(1e-9)).max(0.0) as u64);
    let of_pattern = signal.subject.pattern().map(|_| format!(" of \u{201c}{template}\u{201d}")).unwrap_or_default();
    match signal.kind {
        SignalKind::Burst if signal.subject == Subject::Errors => {
            format!("Burst of errors in {component}: {seen} in a minute")
        }
        SignalKind::NewPattern => format!("New pattern in {component}: {template}"),
        SignalKind::Silence | SignalKind::Missed => format!(
            "No records{of_pattern} from {component} for {span}, expected one every {every}, probability {chance}"
        ),
        SignalKind::Burst => {
            format!("Burst{of_pattern} in {component}: {seen} in {span}, expected {due:.1}, probability {chance}")
        }
        SignalKind::Drop => {
            format!("Drop{of_pattern} in {component}: {seen} in {span}, expected {due:.1}, probability {chance}")
        }
        SignalKind::LevelShift => {
            format!("New level{of_pattern} in {component}: {seen} in {span}, {due:.1} were usual, probability {chance}")
        }
        SignalKind::ErrorRatio => format!(
            "More errors in {component}: {seen} of {total} records in {span}, {due:.1} were usual, probability {chance}"
        ),
        SignalKind::LatencyShift => format!(
            "Slower records in {component}: {seen} of {total} in {span}, {due:.1} were usual, probability {chance}"
        ),
        SignalKind::Trend => {
            let words = |time: f64| span_words(time.max(0.0) as u64);
            let (least, most) = (words(signal.expected_low), words(signal.expected_high));
            let due = words(due);
            format!(
                "Level{of_pattern} in {component} reaches {total} in {due} ({least} to {most}), now {seen}, \
                 probability {chance}"
            )
        }
        SignalKind::ValueDrift => format!(
            "Other values{of_pattern} in {component}: {seen} of {total} in {span} where {due:.1} were usual, probability {chance}"
        ),
        SignalKind::NewValue => format!("New value{of_pattern} in {component}, probability {chance}"),
        SignalKind::RareCombination => {
            let with = signal.subject.to_string();
            let with = with.rsplit(':').next().unwrap_or_default();
            format!("Never seen {with}{of_pattern} in {component}, probability {chance}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::detect::{Facet, Signal};
    use sapwood_engine::level::Level;
    use sapwood_engine::pattern::PatternId;
    use sapwood_engine::time::{Millis, Timestamp};
    use sapwood_engine::triage::AlertPattern;

    fn incident(kind: SignalKind, subject: Subject, id: &str) -> Incident {
        Incident {
            id: id.into(),
            signal: Signal {
                kind,
                subject,
                at: Timestamp(9),
                since: Timestamp(5),
                window: Millis(if kind == SignalKind::NewPattern { 0 } else { 720_000 }),
                expected: 1.5,
                expected_low: 0.0,
                expected_high: 4.25,
                seen: 12,
                total: 40,
                probability: 0.000_31,
                is_alerting: true,
            },
            pattern: Some(PatternId(7)),
            opened_at: Timestamp(10),
            first_seen: Timestamp(5),
            last_seen: Timestamp(9),
            count: 12,
            level: Level::ERROR,
            closed_at: None,
            evidence: Vec::new(),
            was_told: true,
        }
    }

    fn alert(incidents: Vec<Incident>) -> Alert {
        Alert {
            id: incidents[0].id.clone(),
            decided_at: Timestamp(10),
            patterns: vec![AlertPattern { id: PatternId(7), template: "pay <*> failed".into(), name: None, count: 12 }],
            exemplars: Vec::new(),
            new_in_release: None,
            release: Some("1.2".into()),
            environment: "production".into(),
            incidents,
        }
    }

    #[test]
    fn an_alert_says_what_was_expected_and_what_was_seen() {
        let identity = Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 };
        let view = alert_view(&alert(vec![incident(SignalKind::Burst, Subject::Errors, "b")]), &identity);
        assert_eq!((view.expected, view.seen, view.count), (Some(1.5), 12, 12));
        assert_eq!(view.title, "Burst of errors in checkout: 12 in a minute");
        let view =
            alert_view(&alert(vec![incident(SignalKind::NewPattern, Subject::Pattern(PatternId(7)), "n")]), &identity);
        assert_eq!((view.expected, view.pattern_template.as_deref()), (None, Some("pay <*> failed")));
        assert_eq!(view.title, "New error pattern in checkout: pay <*> failed");
        let new = |id| incident(SignalKind::NewPattern, Subject::Pattern(PatternId(7)), id);
        let mut named = alert(vec![new("n")]);
        named.patterns[0].name = Some("Lost payment".into());
        let view = alert_view(&named, &identity);
        assert_eq!(view.title, "New error pattern in checkout: Lost payment");
        let view = alert_view(&Alert { new_in_release: Some("1.2".into()), ..named }, &identity);
        assert_eq!(view.title, "New error pattern in release 1.2 of checkout: Lost payment");
        assert_eq!(view.new_in_release.as_deref(), Some("1.2"));
        let both = vec![new("n"), new("m")];
        assert!(alert_view(&alert(both), &identity).title.starts_with("2 new incidents in checkout"));
    }

    #[test]
    fn a_trend_says_when_its_limit_is_reached() {
        let identity = Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 };
        let mut trend = incident(SignalKind::Trend, Subject::Variable(PatternId(7), 0), "t");
        let hour = 3_600_000.0;
        (trend.signal.expected_low, trend.signal.expected, trend.signal.expected_high) =
            (5.0 * hour, 6.0 * hour, 8.0 * hour);
        (trend.signal.seen, trend.signal.total) = (83, 100);
        let view = alert_view(&alert(vec![trend]), &identity);
        let title =
            "Level of “pay <*> failed” in checkout reaches 100 in 6 h (5 h to 8 h), now 83, probability 0.00031";
        assert_eq!((view.title.as_str(), view.expected), (title, Some(6.0 * hour)));
    }

    #[test]
    fn every_kind_of_finding_is_said_in_words_with_its_numbers() {
        let identity = Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 };
        let own = Subject::Pattern(PatternId(7));
        for (kind, subject, title) in [
            (SignalKind::Silence, Subject::Component, "No records from checkout for 12 min, expected one every 8 min"),
            (
                SignalKind::Missed,
                own,
                "No records of “pay <*> failed” from checkout for 12 min, expected one every 8 min",
            ),
            (SignalKind::Burst, Subject::Component, "Burst in checkout: 12 in 12 min, expected 1.5"),
            (SignalKind::Burst, own, "Burst of “pay <*> failed” in checkout: 12 in 12 min, expected 1.5"),
            (SignalKind::Drop, Subject::Component, "Drop in checkout: 12 in 12 min, expected 1.5"),
            (SignalKind::LevelShift, Subject::Component, "New level in checkout: 12 in 12 min, 1.5 were usual"),
            (
                SignalKind::ErrorRatio,
                Subject::Errors,
                "More errors in checkout: 12 of 40 records in 12 min, 1.5 were usual",
            ),
            (
                SignalKind::LatencyShift,
                Subject::Durations,
                "Slower records in checkout: 12 of 40 in 12 min, 1.5 were usual",
            ),
            (
                SignalKind::ValueDrift,
                Subject::Variable(PatternId(7), 0),
                "Other values of “pay <*> failed” in checkout: 12 of 40 in 12 min where 1.5 were usual",
            ),
            (SignalKind::NewValue, Subject::Variable(PatternId(7), 0), "New value of “pay <*> failed” in checkout"),
            (
                SignalKind::RareCombination,
                Subject::Facet(PatternId(7), Facet::Endpoint),
                "Never seen endpoint of “pay <*> failed” in checkout",
            ),
        ] {
            let view = alert_view(&alert(vec![incident(kind, subject, "i")]), &identity);
            assert_eq!(view.title, format!("{title}, probability 0.00031"));
            assert_eq!((view.expected, view.expected_high, view.probability), (Some(1.5), Some(4.25), Some(0.000_31)));
            assert_eq!((view.window_ms, view.series), (720_000, Some(subject.to_string())));
            assert_eq!(format!("\"{}\"", kind.as_str()), serde_json::to_string(&view.kind).unwrap());
        }
    }
}
