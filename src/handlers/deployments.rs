//! `POST /api/deployments`, `GET /api/deployments`: which release began to run where and when.
//!
//! Each component remembers its own deployments, together with those that its records tell of. An announcement that some
//! components did not hear is told as such and can be repeated: what is known is not taken twice. Of a component that is
//! split its lead remembers them, and is the one who is told.

use super::fan_out::{ask_these, asked};
use super::json_body::{error, object};
use super::lists::{components_asked, require_all_rows};
use super::whole::{ask_leads, leads, names};
use super::{Answer, Call, Outcome, invalid_query, json};
use crate::processors::calls::{ComponentEntry, DeployedCall, DeploymentView};
use sapwood_engine::machine::stream::WIDENED_FOR;
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::query::parse_search;
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};
use worker::Request;

/// Bytes of a release's name.
const RELEASE_BYTES_MAX: usize = 128;
/// Components named in one request.
const COMPONENTS_NAMED_MAX: usize = 1_000;
/// How far ahead a deployment may be announced, and how far back.
const AHEAD_MS_MAX: i64 = 24 * 3_600_000;
const BACK_MS_MAX: i64 = 30 * AHEAD_MS_MAX;

#[derive(Serialize)]
struct Announced {
    release: String,
    at_ms: i64,
    widened_until_ms: i64,
    /// Those that know of it now.
    components: Vec<String>,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

#[derive(Serialize)]
struct ComponentDeployment {
    component: String,
    #[serde(flatten)]
    deployment: DeploymentView,
}

#[derive(Serialize)]
struct DeploymentList {
    deployments: Vec<ComponentDeployment>,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

/// What is announced.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    release: String,
    at_ms: i64,
    components: Vec<String>,
}

/// Takes an announcement to the components it names, or to all.
pub async fn announce(call: &Call<'_>, request: &mut Request) -> Outcome {
    let body = object(request, call.head.header("Content-Length").as_deref()).await?;
    let Wanted { release, at_ms, components } = read(&body, call.now.0).map_err(invalid_query)?;
    let known = leads(asked(call, &components).await?);
    let unknown: Vec<_> =
        components.iter().filter(|name| !known.iter().any(|entry| entry.component == **name)).cloned().collect();
    if !unknown.is_empty() {
        let detail = format!("no component has this name: {}; nothing was announced", unknown.join(", "));
        return Err(Problem::new(ProblemCode::NotFound, detail).into());
    }
    let told = DeployedCall { release: release.clone(), at_ms, by: call.actor() };
    let gathered = ask_these(call, known, |stubs, address| {
        let told = told.clone();
        async move { stubs.deployed(&address, &told).await }
    })
    .await;
    let heard = names(gathered.answers);
    if heard.is_empty() && !gathered.failed.is_empty() {
        let detail = "no component answered; repeat the request";
        return Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into());
    }
    let announced = Announced {
        release,
        at_ms,
        widened_until_ms: at_ms.saturating_add(WIDENED_FOR.0),
        components: heard,
        partial: !gathered.failed.is_empty(),
        failed_components: gathered.failed,
    };
    Ok(Answer::Created(json(&announced)?))
}

/// Lists deployments, newest first.
pub async fn list(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let wanted = components_asked(&call.head.query()).map_err(invalid_query)?;
    let gathered = ask_leads(call, &wanted, |stubs, address| async move { stubs.deployments(&address).await }).await?;
    let of_component = |(entry, known): (ComponentEntry, Vec<DeploymentView>)| {
        known.into_iter().map(move |deployment| ComponentDeployment { component: entry.component.clone(), deployment })
    };
    let mut deployments: Vec<_> = gathered.answers.into_iter().flat_map(of_component).collect();
    deployments.sort_by_key(|one| std::cmp::Reverse(one.deployment.at_ms));
    let failed_components = gathered.failed;
    Ok(Answer::Json(json(&DeploymentList { deployments, partial: !failed_components.is_empty(), failed_components })?))
}

fn read(body: &Map<String, Value>, now_ms: i64) -> Result<Wanted, Vec<FieldError>> {
    let (mut wanted, mut errors) =
        (Wanted { release: String::new(), at_ms: now_ms, components: Vec::new() }, Vec::new());
    for (name, value) in body {
        match (name.as_str(), value) {
            ("release", Value::String(text)) if is_name(text) => wanted.release.clone_from(text),
            ("release", Value::String(_)) => {
                let detail = format!("1 to {RELEASE_BYTES_MAX} bytes, without control characters");
                errors.push(error(name, "invalid_value", detail));
            }
            ("component", Value::String(text)) if !text.is_empty() => wanted.components.push(text.clone()),
            ("components", Value::Array(names)) if (1..=COMPONENTS_NAMED_MAX).contains(&names.len()) => {
                let texts = names.iter().filter_map(Value::as_str).filter(|text| !text.is_empty());
                wanted.components.extend(texts.map(str::to_owned));
                if wanted.components.len() < names.len() {
                    errors.push(error(name, "wrong_type", "names of components"));
                }
            }
            ("at", Value::String(text)) => read_time(text.clone(), now_ms, &mut wanted.at_ms, &mut errors),
            ("at", Value::Number(number)) => read_time(number.to_string(), now_ms, &mut wanted.at_ms, &mut errors),
            ("release" | "component" | "components" | "at", _) => {
                let detail = "release and component are texts, components a list of 1 to 1000, at is a time";
                errors.push(error(name, "wrong_type", detail));
            }
            _ => errors.push(error(name, "unknown_field", "accepted are release, component, components, at")),
        }
    }
    if !body.contains_key("release") {
        errors.push(error("release", "missing", "say which release began to run"));
    }
    wanted.components.sort();
    wanted.components.dedup();
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

fn is_name(text: &str) -> bool {
    (1..=RELEASE_BYTES_MAX).contains(&text.len()) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn read_time(text: String, now_ms: i64, at_ms: &mut i64, errors: &mut Vec<FieldError>) {
    let read = parse_search([("from", text)], now_ms).ok().and_then(|span| span.from_ms);
    match read {
        Some(at) if (now_ms.saturating_sub(BACK_MS_MAX)..=now_ms.saturating_add(AHEAD_MS_MAX)).contains(&at) => {
            *at_ms = at;
        }
        Some(_) => errors.push(error("at", "out_of_range", "at most 30 days ago and a day ahead")),
        None => errors.push(error("at", "invalid_time", "ms since the epoch, RFC 3339, or such as -5m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_763_632_800_000;

    fn check(body: Value) -> Result<Wanted, Vec<String>> {
        let codes = |errors: Vec<FieldError>| {
            errors.into_iter().map(|error| format!("{} {}", error.pointer.unwrap_or_default(), error.code)).collect()
        };
        read(body.as_object().unwrap(), NOW).map_err(codes)
    }

    #[test]
    fn an_announcement_is_of_now_and_of_all_unless_it_says_otherwise() {
        let wanted = |at_ms, components: &[&str]| Wanted {
            release: "1.2".into(),
            at_ms,
            components: components.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(check(json!({"release": "1.2"})), Ok(wanted(NOW, &[])));
        assert_eq!(check(json!({"release": "1.2", "component": "a", "at": NOW - 5})), Ok(wanted(NOW - 5, &["a"])));
        let both = json!({"release": "1.2", "components": ["b", "a", "b"], "at": "-5m"});
        assert_eq!(check(both), Ok(wanted(NOW - 300_000, &["a", "b"])));
        assert_eq!(check(json!({"release": "1.2", "at": "2025-11-20T10:00:00Z"})).unwrap().at_ms, NOW);
    }

    #[test]
    fn everything_wrong_with_it_is_named() {
        for (body, expected) in [
            (json!({}), vec!["/release missing"]),
            (json!({"release": ""}), vec!["/release invalid_value"]),
            (json!({"release": "x".repeat(129)}), vec!["/release invalid_value"]),
            (json!({"release": "a\nb"}), vec!["/release invalid_value"]),
            (json!({"release": 7, "at": []}), vec!["/at wrong_type", "/release wrong_type"]),
            (json!({"release": "1", "at": "soon"}), vec!["/at invalid_time"]),
            (json!({"release": "1", "at": 5}), vec!["/at out_of_range"]),
            (json!({"release": "1", "at": NOW + AHEAD_MS_MAX + 1}), vec!["/at out_of_range"]),
            (json!({"release": "1", "components": []}), vec!["/components wrong_type"]),
            (json!({"release": "1", "components": ["a", 3]}), vec!["/components wrong_type"]),
            (json!({"release": "1", "version": 1}), vec!["/version unknown_field"]),
        ] {
            let mut errors = check(body.clone()).unwrap_err();
            errors.sort();
            assert_eq!(errors, expected, "{body}");
        }
    }
}
