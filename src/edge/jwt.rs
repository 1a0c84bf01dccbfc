//! User tokens: JSON Web Tokens under a secret that we share with the auth service.
//!
//! Only HS256, because the algorithm belongs to the secret and not to the token: a token that names another one is
//! refused whatever it says. The order is size, shape, algorithm, signature, and only then the claims (RFC 8725).
//! Tokens come from several sibling services, which spell the user's id and role differently; all spellings are read.
//!
//! Left out: key sets and asymmetric algorithms, introspection (verification is local and off the network), and what
//! the claims allow, which is `auth`'s.

use super::key::SigningSecrets;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sapwood_engine::time::Timestamp;
use serde_json::{Map, Value};
use sha2::Sha256;
use std::collections::BTreeSet;

/// Bytes of a token at most. Tokens of the siblings have a few hundred.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far our clock and the issuer's may be apart, in seconds.
pub const LEEWAY_SECONDS: f64 = 60.0;
/// Bytes of a user id at most; longer ones are no ids.
const USER_ID_BYTES_MAX: usize = 256;
/// Roles, domains and permissions that are read at most, each.
const ENTRIES_MAX: usize = 256;

/// What a token says about its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserClaims {
    /// `sub`, `user_id`, `userId` or `user.id`, the first that is there.
    pub user_id: String,
    /// `role`, `user.role` and `roles[]` together.
    pub roles: BTreeSet<String>,
    /// `domains[]`; `None` if the token has none.
    pub domains: Option<Vec<String>>,
    /// `permissions[]`.
    pub permissions: BTreeSet<String>,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtError {
    /// Too long, not three parts of base64url without padding, or not JSON. The text says which.
    Malformed(&'static str),
    /// It names another algorithm than HS256.
    WrongAlgorithm,
    /// No secret of ours signed it.
    BadSignature,
    /// It was valid once.
    Expired,
    /// It is not valid yet, or was issued in the future.
    NotYetValid,
    /// It is for somebody else.
    WrongAudience,
}

/// What `token` says, if one of `secrets` signed it and it is valid at `now`. With `audience`, the token must name it.
pub fn verify(
    token: &str,
    secrets: SigningSecrets<'_>,
    audience: Option<&str>,
    now: Timestamp,
) -> Result<UserClaims, JwtError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(JwtError::Malformed("the token is too long"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed("a token has three parts"))?;
    let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed("a token has three parts"))?;
    check_header(&object(header)?)?;
    let signature = decoded(signature)?;
    let is_signed_by = |secret| mac(secret, signed.as_bytes()).verify_slice(&signature).is_ok();
    if !secrets.iter().map(|secret| secret.expose().as_bytes()).any(is_signed_by) {
        return Err(JwtError::BadSignature);
    }
    let claims = object(payload)?;
    check_times(&claims, now)?;
    check_audience(&claims, audience)?;
    read_user(&claims)
}

fn check_header(header: &Map<String, Value>) -> Result<(), JwtError> {
    if header.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(JwtError::WrongAlgorithm);
    }
    // "crit" lists extensions that a reader must understand; we understand none.
    if header.contains_key("crit") {
        return Err(JwtError::Malformed("the token's header demands an extension"));
    }
    Ok(())
}

/// `exp` must be there: a token that lives forever cannot be taken back from a browser.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), JwtError> {
    let now_seconds = now.0 as f64 / 1000.0;
    let seconds = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(JwtError::Malformed("exp, nbf and iat are numbers of seconds")),
    };
    let expires = seconds("exp")?.ok_or(JwtError::Malformed("the token has no exp"))?;
    if now_seconds >= expires + LEEWAY_SECONDS {
        return Err(JwtError::Expired);
    }
    let starts = [seconds("nbf")?, seconds("iat")?];
    if starts.into_iter().flatten().any(|start| now_seconds + LEEWAY_SECONDS < start) {
        return Err(JwtError::NotYetValid);
    }
    Ok(())
}

fn check_audience(claims: &Map<String, Value>, audience: Option<&str>) -> Result<(), JwtError> {
    let Some(wanted) = audience else { return Ok(()) };
    let named = match claims.get("aud") {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(wanted)),
        _ => false,
    };
    if named { Ok(()) } else { Err(JwtError::WrongAudience) }
}

fn read_user(claims: &Map<String, Value>) -> Result<UserClaims, JwtError> {
    // A refresh token buys new tokens; it is no proof of a session.
    if claims.get("type").and_then(Value::as_str) == Some("refresh") {
        return Err(JwtError::Malformed("a refresh token opens nothing here"));
    }
    let user = claims.get("user").and_then(Value::as_object);
    let candidates = ["sub", "user_id", "userId"].into_iter().map(|name| claims.get(name));
    let user_id = candidates.chain([user.and_then(|user| user.get("id"))]).flatten().find_map(id_text);
    let mut roles = words(claims.get("roles")).unwrap_or_default();
    let single = [claims.get("role"), user.and_then(|user| user.get("role"))];
    roles.extend(single.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    Ok(UserClaims {
        user_id: user_id.ok_or(JwtError::Malformed("the token names no user"))?,
        roles: roles.into_iter().collect(),
        domains: words(claims.get("domains")),
        permissions: words(claims.get("permissions")).unwrap_or_default().into_iter().collect(),
    })
}

/// An id as text. Some issuers use numbers.
fn id_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        _ => return None,
    };
    let usable = !text.is_empty() && text.len() <= USER_ID_BYTES_MAX && !text.chars().any(char::is_control);
    usable.then_some(text)
}

/// The words of a list; anything in it that is no text is not read. `None` if it is no list.
fn words(value: Option<&Value>) -> Option<Vec<String>> {
    let list = value?.as_array()?;
    Some(list.iter().take(ENTRIES_MAX).filter_map(Value::as_str).map(str::to_owned).collect())
}

fn decoded(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed("a part is not base64url without padding"))
}

fn object(part: &str) -> Result<Map<String, Value>, JwtError> {
    serde_json::from_slice(&decoded(part)?).map_err(|_| JwtError::Malformed("a part is not a JSON object"))
}

fn mac(secret: &[u8], signed: &[u8]) -> Hmac<Sha256> {
    let keyed = <Hmac<Sha256> as Mac>::new_from_slice(secret);
    keyed.expect("HMAC takes keys of any length").chain_update(signed)
}
