//! From the engine's alert to what targets are told.

use crate::notify::{AlertKind, AlertView, Exemplar};
use sapwood_engine::machine::stream::Identity;
use sapwood_engine::record_id::RecordId;
use sapwood_engine::triage::{Alert, IncidentKind};

/// Length of the window in which a burst is measured, in milliseconds.
const BURST_WINDOW_MS: u64 = 60_000;

/// The alert as targets are told it: about its first incident, with the others counted in the title and shown by their
/// lines.
pub fn alert_view(alert: &Alert, identity: &Identity) -> AlertView {
    let first = alert.incidents.first();
    let kind = match first.map(|incident| incident.kind) {
        Some(IncidentKind::Burst) => AlertKind::Burst,
        _ => AlertKind::NewPattern,
    };
    let pattern = first.and_then(|incident| alert.patterns.iter().find(|pattern| pattern.id == incident.pattern));
    let level = alert.incidents.iter().map(|incident| incident.level).max().unwrap_or_default();
    let seen = first.map_or(0, |incident| incident.seen);
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
        expected: match (kind, first) {
            (AlertKind::Burst, Some(incident)) => Some(incident.expected_milli as f64 / 1_000.0),
            _ => None,
        },
        seen,
        window_ms: BURST_WINDOW_MS,
        first_seen_ms: times().map(|incident| incident.first_seen.0).min().unwrap_or(alert.decided_at.0),
        last_seen_ms: times().map(|incident| incident.last_seen.0).max().unwrap_or(alert.decided_at.0),
        count: times().map(|incident| incident.count).sum(),
        exemplars: alert.exemplars.iter().map(|exemplar| self::exemplar(exemplar, identity)).collect(),
        release: alert.release.clone(),
        links: Vec::new(),
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
    match kind {
        _ if count > 1 => format!("{count} new incidents in {component}, first: {short}"),
        AlertKind::NewPattern => format!("New error pattern in {component}: {short}"),
        AlertKind::Burst => {
            let seen = alert.incidents.first().map_or(0, |incident| incident.seen);
            format!("Burst of errors in {component}: {seen} in a minute")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::level::Level;
    use sapwood_engine::pattern::PatternId;
    use sapwood_engine::time::Timestamp;
    use sapwood_engine::triage::{AlertPattern, Incident};

    fn incident(kind: IncidentKind, id: &str) -> Incident {
        Incident {
            id: id.into(),
            kind,
            pattern: PatternId(7),
            opened_at: Timestamp(10),
            first_seen: Timestamp(5),
            last_seen: Timestamp(9),
            count: 12,
            level: Level::ERROR,
            expected_milli: 1_500,
            seen: 12,
            was_told: true,
        }
    }

    fn alert(incidents: Vec<Incident>) -> Alert {
        Alert {
            id: incidents[0].id.clone(),
            decided_at: Timestamp(10),
            patterns: vec![AlertPattern { id: PatternId(7), template: "pay <*> failed".into(), name: None, count: 12 }],
            exemplars: Vec::new(),
            release: Some("1.2".into()),
            environment: "production".into(),
            incidents,
        }
    }

    #[test]
    fn an_alert_says_what_was_expected_and_what_was_seen() {
        let identity = Identity { domain: "example.com".into(), component: "checkout".into(), shard: 0 };
        let view = alert_view(&alert(vec![incident(IncidentKind::Burst, "b")]), &identity);
        assert_eq!((view.expected, view.seen, view.count), (Some(1.5), 12, 12));
        assert_eq!(view.title, "Burst of errors in checkout: 12 in a minute");
        let view = alert_view(&alert(vec![incident(IncidentKind::NewPattern, "n")]), &identity);
        assert_eq!((view.expected, view.pattern_template.as_deref()), (None, Some("pay <*> failed")));
        assert_eq!(view.title, "New error pattern in checkout: pay <*> failed");
        let mut named = alert(vec![incident(IncidentKind::NewPattern, "n")]);
        named.patterns[0].name = Some("Lost payment".into());
        let view = alert_view(&named, &identity);
        assert_eq!(view.title, "New error pattern in checkout: Lost payment");
        let both = vec![incident(IncidentKind::NewPattern, "n"), incident(IncidentKind::NewPattern, "m")];
        assert!(alert_view(&alert(both), &identity).title.starts_with("2 new incidents in checkout"));
    }
}
