//! `GET /api/config` and `PUT /api/config`: a domain's own values over the service's.
//!
//! A value is checked by the same code as the service's own configuration, all problems at once. What is shown says
//! where each value comes from; of secrets only whether they are set.

use super::json_body::{self, error};
use super::{Answer, Call, Outcome, invalid_query, json, require_whole_domain};
use crate::edge::domain_view;
use sapwood_engine::config::keys::{self, Status};
use sapwood_engine::config::{Config, Provenance, RawConfig};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};
use worker::Request;

/// Names and values, as text.
type Overrides = Vec<(String, String)>;

#[derive(Serialize)]
struct Setting {
    key: &'static str,
    value: String,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_as: Option<&'static str>,
    /// Whether a domain may have its own value.
    per_domain: bool,
}

#[derive(Serialize)]
struct Shown {
    version: u64,
    settings: Vec<Setting>,
}

/// Shows the values that hold for the caller's domain.
pub async fn show(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    let (directory, known) = domain_view::directory(call).await?;
    Ok(Answer::Json(json(&shown(directory.version, &known.config))?))
}

/// Replaces the domain's own values by those of the body.
pub async fn replace(call: &Call<'_>, request: &mut Request) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let body = json_body::object(request, call.head.header("Content-Length").as_deref()).await?;
    let (overrides, config) = checked(&body, &call.config).map_err(invalid_query)?;
    let version = call.stubs().configure_domain(call.domain(), &call.actor(), &overrides).await?;
    domain_view::publish_anew(call).await;
    Ok(Answer::Json(json(&shown(version, &config))?))
}

fn shown(version: u64, config: &Config) -> Shown {
    let settings = config.effective().into_iter().map(|setting| Setting {
        key: setting.key,
        value: setting.shown,
        source: setting.provenance.word(),
        given_as: setting.said_as,
        per_domain: is_per_domain(setting.key),
    });
    Shown { version, settings: settings.collect() }
}

fn is_per_domain(key: &str) -> bool {
    keys::find(key).is_some_and(|spec| matches!(spec.status, Status::Used { per_domain: true, .. }))
}

/// The domain's own values as text, and the configuration that they make. A null value is as if it were not there.
pub(super) fn checked(body: &Map<String, Value>, config: &Config) -> Result<(Overrides, Config), Vec<FieldError>> {
    let (mut errors, mut overrides, mut raw) = (Vec::new(), Vec::new(), RawConfig::new());
    for (name, value) in body {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                errors.push(error(name, "wrong_type", "a value is a text, a number, or true or false"));
                continue;
            }
        };
        raw.say(name, &text, Provenance::DomainOverride);
        overrides.push((name.clone(), text));
    }
    match config.with_overrides(&raw) {
        Ok(config) if errors.is_empty() => Ok((overrides, config)),
        Ok(_) => Err(errors),
        Err(problems) => {
            let told = |detail: String, allowed: &str| {
                if allowed.is_empty() { detail } else { format!("{detail} (allowed: {allowed})") }
            };
            errors.extend(problems.into_iter().map(|it| error(&it.key, it.kind.word(), told(it.help, &it.allowed))));
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let mut raw = RawConfig::new();
        raw.say("ENVIRONMENT", "development", Provenance::Var);
        raw.say("KEY_SIGNING_SECRET", "k3y-s1gn1ng-s3cr3t-of-th3-t3sts-0123456789", Provenance::Secret);
        Config::check(&raw).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn check(body: Value) -> Result<Overrides, Vec<String>> {
        let pointers = |errors: Vec<FieldError>| errors.into_iter().filter_map(|error| error.pointer).collect();
        checked(body.as_object().unwrap(), &config()).map(|(overrides, _)| overrides).map_err(pointers)
    }

    #[test]
    fn a_domain_s_values_are_checked_like_the_service_s() {
        let body = serde_json::json!({"RETENTION_DAYS": 7, "REDACT_IP": true, "REDACT_NAMES": "a,b", "LATENESS": null});
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut expected = vec![pair("REDACT_IP", "true"), pair("REDACT_NAMES", "a,b"), pair("RETENTION_DAYS", "7")];
        let mut given = check(body).unwrap();
        expected.sort();
        given.sort();
        assert_eq!(given, expected);
    }

    #[test]
    fn all_problems_are_named_and_nothing_of_another_domain_s_business_is_open() {
        let body =
            serde_json::json!({"RETENTION_DAYS": "0", "NO_SUCH": "1", "KEY_SIGNING_SECRET": "x", "LATENESS": []});
        let pointers = check(body).unwrap_err();
        for pointer in ["/RETENTION_DAYS", "/NO_SUCH", "/KEY_SIGNING_SECRET", "/LATENESS"] {
            assert!(pointers.iter().any(|known| known == pointer), "{pointer} in {pointers:?}");
        }
    }

    #[test]
    fn what_is_shown_has_its_source_and_no_secret() {
        let (_, with) = checked(serde_json::json!({"RETENTION_DAYS": 7}).as_object().unwrap(), &config()).unwrap();
        let text = serde_json::to_string(&shown(3, &with)).unwrap();
        assert!(text.contains(r#"{"key":"RETENTION_DAYS","value":"7"#), "{text}");
        assert!(text.contains("domain override") && !text.contains("k3y-s1gn1ng"), "{text}");
    }
}
