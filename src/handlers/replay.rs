//! `POST /api/detectors/replay`: which incidents a component's journal would have raised under other settings.
//!
//! Nothing is changed and nobody is told. Both lists come from machines that start with nothing learned and fold the
//! same rows, so that they differ by the settings alone; what the component really raised is in `/api/incidents`. Of a
//! component that is split the lead is asked, whose journal is the one that its detectors were fed from.

use super::configuration::checked;
use super::json_body::{error, object};
use super::lists::require_all_rows;
use super::whole::ask_leads;
use super::{Answer, Call, Outcome, invalid_query, json};
use crate::processors::calls::{IncidentView, ReplayAnswer, ReplayCall};
use sapwood_engine::config::Config;
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::query::parse_search;
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use worker::Request;

/// Settings that decide what is raised.
const DECIDING: [&str; 6] =
    ["ALERTS_ENABLED", "ALERT_COOLDOWN", "ALERT_GROUP_WINDOW", "BURST_FACTOR", "CRITICAL_THRESHOLD", "LATENESS"];

#[derive(Serialize)]
struct Replayed {
    component: String,
    rows: u64,
    records: u64,
    unreadable_rows: u64,
    /// Whether that was all of the span; if not, `until_ms` says where the next one begins.
    complete: bool,
    until_ms: i64,
    /// What the settings in force raise.
    now: Side,
    /// What those asked about raise.
    asked: Side,
    /// Ids of incidents that both raise.
    in_both: Vec<String>,
}

#[derive(Serialize)]
struct Side {
    incidents: Vec<IncidentView>,
    /// Of them, how many somebody would have been told of by an alert of their own or with others.
    told: usize,
    /// Ids of those that only this side raises.
    only_here: Vec<String>,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    component: String,
    call: (i64, i64, Vec<(String, String)>),
}

/// Replays and compares.
pub async fn replay(call: &Call<'_>, request: &mut Request) -> Outcome {
    require_all_rows(call)?;
    let body = object(request, call.head.header("Content-Length").as_deref()).await?;
    let Wanted { component, call: (from_ms, to_ms, settings) } =
        read(&body, &call.config, call.now.0).map_err(invalid_query)?;
    let asked = ReplayCall { from_ms, to_ms, settings };
    let gathered = ask_leads(call, &[component], |stubs, address| {
        let asked = asked.clone();
        async move { stubs.replay(&address, &asked).await }
    })
    .await?;
    if !gathered.failed.is_empty() {
        let detail = "the component's object did not answer";
        return Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into());
    }
    let Some((entry, answer)) = gathered.answers.into_iter().next() else {
        return Err(Problem::new(ProblemCode::NotFound, "no component has this name").into());
    };
    Ok(Answer::Json(json(&compare(entry.component, answer))?))
}

fn compare(component: String, answer: ReplayAnswer) -> Replayed {
    let ids = |incidents: &[IncidentView]| incidents.iter().map(|it| it.id.clone()).collect::<BTreeSet<_>>();
    let (now, asked) = (ids(&answer.now), ids(&answer.asked));
    let side = |incidents: Vec<IncidentView>, others: &BTreeSet<String>| Side {
        told: incidents.iter().filter(|it| it.was_told).count(),
        only_here: incidents.iter().map(|it| it.id.clone()).filter(|id| !others.contains(id)).collect(),
        incidents,
    };
    Replayed {
        component,
        rows: answer.rows,
        records: answer.records,
        unreadable_rows: answer.unreadable_rows,
        complete: answer.is_complete,
        until_ms: answer.until_ms,
        in_both: now.intersection(&asked).cloned().collect(),
        now: side(answer.now, &asked),
        asked: side(answer.asked, &now),
    }
}

fn read(body: &Map<String, Value>, config: &Config, now_ms: i64) -> Result<Wanted, Vec<FieldError>> {
    let mut errors = Vec::new();
    let (mut component, mut settings, mut times) = (None, Vec::new(), Vec::new());
    for (name, value) in body {
        match (name.as_str(), value) {
            ("component", Value::String(text)) if !text.is_empty() => component = Some(text.clone()),
            ("settings", Value::Object(values)) => {
                for key in values.keys().filter(|key| !DECIDING.contains(&key.as_str())) {
                    let detail = format!("it does not decide what is raised; these do: {}", DECIDING.join(", "));
                    errors.push(error(&format!("settings/{key}"), "unknown_setting", detail));
                }
                match checked(values, config) {
                    Ok((overrides, _)) => settings = overrides,
                    Err(more) => errors.extend(more),
                }
            }
            ("from" | "to", Value::String(text)) => times.push((name.as_str(), text.clone())),
            ("from" | "to", Value::Number(number)) => times.push((name.as_str(), number.to_string())),
            ("component" | "settings" | "from" | "to", _) => {
                errors.push(error(
                    name,
                    "wrong_type",
                    "component is a text, settings an object, from and to are times",
                ));
            }
            _ => errors.push(error(name, "unknown_field", "accepted are component, settings, from, to")),
        }
    }
    if component.is_none() && !body.contains_key("component") {
        errors.push(error("component", "missing", "say which component"));
    }
    if settings.is_empty() && errors.is_empty() {
        errors.push(error("settings", "missing", format!("say what would be different: {}", DECIDING.join(", "))));
    }
    match parse_search(times, now_ms) {
        Ok(span) if errors.is_empty() => Ok(Wanted {
            component: component.unwrap_or_default(),
            call: (span.from_ms.unwrap_or(0), span.to_ms.unwrap_or(i64::MAX), settings),
        }),
        Ok(_) => Err(errors),
        Err(more) => Err([errors, more].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::config::{Provenance, RawConfig};

    const NOW: i64 = 1_763_632_800_000;

    fn config() -> Config {
        let mut raw = RawConfig::new();
        raw.say("ENVIRONMENT", "development", Provenance::Var);
        raw.say("KEY_SIGNING_SECRET", "k3y-s1gn1ng-s3cr3t-of-th3-t3sts-0123456789", Provenance::Secret);
        Config::check(&raw).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn asked(body: Value) -> Result<Wanted, Vec<String>> {
        let pointers = |errors: Vec<FieldError>| {
            errors.into_iter().filter_map(|error| error.pointer.or(error.parameter)).collect()
        };
        read(body.as_object().unwrap(), &config(), NOW).map_err(pointers)
    }

    #[test]
    fn a_question_names_a_component_and_what_would_be_different() {
        let wanted = asked(serde_json::json!({
            "component": "shop", "from": "-1h", "settings": {"CRITICAL_THRESHOLD": 3},
        }));
        let Wanted { component, call: (from, to, settings) } = wanted.unwrap();
        assert_eq!((component.as_str(), from, to), ("shop", NOW - 3_600_000, i64::MAX));
        assert_eq!(settings, [("CRITICAL_THRESHOLD".to_owned(), "3".to_owned())]);
        for (body, expected) in [
            (serde_json::json!({}), "/component"),
            (serde_json::json!({"component": "a"}), "/settings"),
            (serde_json::json!({"component": "a", "settings": {"RETENTION_DAYS": 3}}), "/settings~1RETENTION_DAYS"),
            (serde_json::json!({"component": "a", "settings": {"CRITICAL_THRESHOLD": "x"}}), "/CRITICAL_THRESHOLD"),
            (serde_json::json!({"component": 5, "settings": {"BURST_FACTOR": 4}}), "/component"),
            (serde_json::json!({"component": "a", "settings": {"BURST_FACTOR": 4}, "x": 1}), "/x"),
            (serde_json::json!({"component": "a", "settings": {"BURST_FACTOR": 4}, "from": "soon"}), "from"),
        ] {
            let pointers = asked(body.clone()).unwrap_err();
            assert!(pointers.iter().any(|pointer| pointer == expected), "{body}: {pointers:?}");
        }
    }
}
