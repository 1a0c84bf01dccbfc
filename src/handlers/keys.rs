//! `POST /api/keys`, `GET /api/keys`, `DELETE /api/keys/{id}`.
//!
//! A key is a signed statement and is shown once, at its making; what is kept is its id, name and rights. Revoking
//! reaches the domain's objects at once through the domain object, and the edges through KV and their own refresh.

use super::json_body::{self, error};
use super::{Answer, Call, Outcome, Refusal, invalid_query, json, require_whole_domain};
use crate::edge::domain_view;
use crate::edge::key::{self, KEY_ID_BYTES, KeyClaims, KeyId, Scopes, SigningSecrets};
use crate::edge::random;
use crate::processors::calls::{CreateKeyCall, KeyView, NO_ROOM};
use crate::processors::stubs::CallError;
use sapwood_engine::address::{ComponentName, Domain};
use sapwood_engine::machine::domain::KEYS_MAX;
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use serde_json::{Map, Value};
use worker::Request;

/// Bytes of a key's name.
const NAME_BYTES_MAX: usize = 100;

/// What a new key is to be.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    name: String,
    scopes: Scopes,
    component: Option<ComponentName>,
}

/// A key just made: the only reply that ever shows one.
#[derive(Serialize)]
struct MadeKey<'a> {
    key: String,
    #[serde(flatten)]
    view: &'a KeyView,
}

#[derive(Serialize)]
struct KeyList {
    keys: Vec<KeyView>,
}

/// Makes a key.
pub async fn create(call: &Call<'_>, request: &mut Request) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let body = json_body::object(request, call.head.header("Content-Length").as_deref()).await?;
    let wanted = wanted(&body, &call.principal.domain).map_err(invalid_query)?;
    let unlucky = || Refusal::from(Problem::new(ProblemCode::Internal, ""));
    let id = KeyId::new(random::bytes::<KEY_ID_BYTES>().ok_or_else(unlucky)?);
    let claims = KeyClaims {
        key_id: id,
        domain: call.principal.domain.clone(),
        scopes: wanted.scopes,
        component: wanted.component.clone(),
    };
    let secrets = SigningSecrets {
        current: call.config.key_signing_secret(),
        previous: call.config.key_signing_secret_previous(),
    };
    let key = key::mint(&claims, secrets).ok_or_else(unlucky)?;
    let known = CreateKeyCall {
        id: id.to_string(),
        name: wanted.name,
        scopes: wanted.scopes.words().map(str::to_owned).collect(),
        component: wanted.component.map(|component| component.as_str().to_owned()),
    };
    let made = call.stubs().create_key(call.domain(), &call.actor(), &known).await;
    let view = made.map_err(|error| match error {
        CallError::Refused(NO_ROOM, _) => {
            let detail = format!("at most {KEYS_MAX}, and revoked keys count: a revoked key has to be remembered");
            Problem::new(ProblemCode::TooManyKeys, detail).with_limit(KEYS_MAX as u64).into()
        }
        error => Refusal::from(error),
    })?;
    Ok(Answer::Created(json(&MadeKey { key, view: &view })?))
}

/// Lists keys, revoked ones too.
pub async fn list(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let keys = call.stubs().keys(call.domain()).await?;
    Ok(Answer::Json(json(&KeyList { keys })?))
}

/// Takes a key back.
pub async fn revoke(call: &Call<'_>, id: &str) -> Outcome {
    require_whole_domain(&call.principal)?;
    domain_view::directory(call).await?;
    let unknown = || Refusal::from(Problem::new(ProblemCode::NotFound, "no key has this id"));
    let id = KeyId::parse(id).ok_or_else(unknown)?.to_string();
    if !call.stubs().revoke_key(call.domain(), &call.actor(), &id).await? {
        return Err(unknown());
    }
    domain_view::publish_anew(call).await;
    Ok(Answer::Json(json(&serde_json::json!({ "id": id, "revoked": true }))?))
}

/// Reads what is asked for; everything that is wrong with it at once.
fn wanted(body: &Map<String, Value>, own: &Domain) -> Result<Wanted, Vec<FieldError>> {
    let mut errors = Vec::new();
    for field in body.keys().filter(|field| !["name", "scopes", "component", "domain"].contains(&field.as_str())) {
        errors.push(error(field, "unknown_field", "accepted are name, scopes, component, domain"));
    }
    let name = match body.get("name").and_then(Value::as_str).map(str::trim) {
        Some(name) if is_name(name) => name.to_owned(),
        _ => {
            let detail = format!("1 to {NAME_BYTES_MAX} bytes without control characters are needed");
            errors.push(error("name", "invalid_value", detail));
            String::new()
        }
    };
    let scopes = scopes(body.get("scopes")).unwrap_or_else(|| {
        errors.push(error("scopes", "invalid_value", "a list of ingest, read and admin is needed, with one at least"));
        Scopes::NONE
    });
    let component = match body.get("component") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let component = value.as_str().and_then(ComponentName::parse);
            if component.is_none() {
                let detail = "a component is 1 to 128 bytes without control characters, | or space at either end";
                errors.push(error("component", "invalid_value", detail));
            }
            component
        }
    };
    if component.is_some() && scopes.contains(Scopes::ADMIN) {
        errors.push(error("component", "conflict", "a key that is bound to a component cannot administer the domain"));
    }
    let named = body.get("domain").filter(|value| !value.is_null());
    if named.is_some_and(|value| value.as_str().and_then(Domain::parse).as_ref() != Some(own)) {
        errors.push(error("domain", "invalid_value", "keys are made for the caller's own domain"));
    }
    if errors.is_empty() { Ok(Wanted { name, scopes, component }) } else { Err(errors) }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

fn scopes(value: Option<&Value>) -> Option<Scopes> {
    let words = value?.as_array()?;
    let add = |scopes: Scopes, word: &Value| Some(scopes.with(Scopes::from_word(word.as_str()?)?));
    words.iter().try_fold(Scopes::NONE, add).filter(|scopes| !scopes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Value) -> Result<Wanted, Vec<String>> {
        let own = Domain::parse("a.com").unwrap();
        let pointers = |errors: Vec<FieldError>| errors.into_iter().filter_map(|error| error.pointer).collect();
        wanted(body.as_object().unwrap(), &own).map_err(pointers)
    }

    #[test]
    fn a_key_is_what_is_asked_for() {
        let wanted =
            check(serde_json::json!({"name": " ci ", "scopes": ["ingest", "read"], "component": "cart"})).unwrap();
        assert_eq!((wanted.name.as_str(), wanted.scopes), ("ci", Scopes::INGEST.with(Scopes::READ)));
        assert_eq!(wanted.component.unwrap().as_str(), "cart");
        assert!(
            check(serde_json::json!({"name": "x", "scopes": ["admin"], "domain": "A.com", "component": null})).is_ok()
        );
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let bad = serde_json::json!({"name": "", "scopes": ["root"], "component": "a|b", "domain": "b.com", "x": 1});
        assert_eq!(check(bad).unwrap_err(), ["/x", "/name", "/scopes", "/component", "/domain"]);
        for scopes in [serde_json::json!([]), serde_json::json!("ingest"), serde_json::json!([1]), Value::Null] {
            assert_eq!(check(serde_json::json!({"name": "x", "scopes": scopes})).unwrap_err(), ["/scopes"]);
        }
    }

    #[test]
    fn a_bound_key_cannot_administer() {
        let both = serde_json::json!({"name": "x", "scopes": ["admin"], "component": "cart"});
        assert_eq!(check(both).unwrap_err(), ["/component"]);
    }
}
