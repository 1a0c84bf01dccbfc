//! Who calls, whose records they may touch, and how.
//!
//! One pure function from headers to a [`Principal`]: no look-up, no clock, no JavaScript. The doors are tried in this
//! order, and the first credential that is *there* decides; a bad one is never made good by another:
//!
//! 1. `X-API-Key`: an API key of ours, or the operator's API_KEY;
//! 2. `Authorization: Bearer`: the same, or a user's JSON Web Token;
//! 3. `X-Service-Key`: an API key of ours, or the X_SERVICE_KEY that sibling services share.
//!
//! The domain comes from the credential. Where a credential is good for several, `X-Sapwood-Domain` says which; where
//! it is good for one, that header may only repeat it. Tokens in queries and cookies are not read: the former end up
//! in logs, the latter travel on requests that a foreign page makes.
//!
//! Left out: revocation (it needs the cache of revoked ids; the caller turns it into [`AuthError::Revoked`]) and the
//! wording of HTTP replies, for which the errors carry a stable code, a status and a sentence.

use super::jwt::{self, JwtError, UserClaims};
use super::key::{self, KEY_PREFIX, KeyError, KeyId, Scopes, SigningSecrets};
use hmac::{Hmac, Mac};
use sapwood_engine::address::{ComponentName, Domain};
use sapwood_engine::config::{Config, Environment, Secret};
use sapwood_engine::time::Timestamp;
use sha2::Sha256;

/// The header that chooses among the domains of a credential.
pub const DOMAIN_HEADER: &str = "X-Sapwood-Domain";

/// What authentication needs of the configuration.
#[derive(Clone, Copy)]
pub struct AuthSettings<'a> {
    /// Under which API keys are signed.
    pub keys: SigningSecrets<'a>,
    /// Under which user tokens are signed; without them, user tokens are refused.
    pub tokens: Option<SigningSecrets<'a>>,
    /// Whom a user token must be for.
    pub audience: Option<&'a str>,
    /// The operator's key.
    pub operator: Option<&'a Secret>,
    /// The key that sibling services share, and the domain it opens.
    pub service: Option<(&'a Secret, &'a Domain)>,
    /// Whether callers without any credential are let in. Never outside development.
    pub admits_anonymous: bool,
}

impl<'a> AuthSettings<'a> {
    /// The settings of a checked configuration.
    pub fn of(config: &'a Config) -> Self {
        let tokens = config.auth_jwt_secret();
        Self {
            keys: SigningSecrets {
                current: config.key_signing_secret(),
                previous: config.key_signing_secret_previous(),
            },
            tokens: tokens.map(|current| SigningSecrets { current, previous: config.auth_jwt_secret_previous() }),
            audience: config.auth_jwt_audience().map(String::as_str),
            operator: config.api_key(),
            service: config.x_service_key().zip(config.service_domain()),
            // The check refuses the combination already; this line holds if the check ever changes.
            admits_anonymous: !config.requires_auth() && config.environment() == Environment::Development,
        }
    }
}

/// A caller that has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose records.
    pub domain: Domain,
    /// What may be done to them.
    pub scopes: Scopes,
    /// The component that the credential is bound to, or that a service names as itself.
    pub component: Option<ComponentName>,
    /// Which API key it was.
    pub key_id: Option<KeyId>,
    /// Which user it is.
    pub user: Option<UserId>,
    /// If set, only rows of this user may be read.
    pub only_user: Option<UserId>,
    /// By which kind of credential.
    pub kind: PrincipalKind,
}

/// A user of the auth service: 1 to 256 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId(String);

impl UserId {
    /// The user with this id; `None` for text that is no id.
    pub fn parse(text: &str) -> Option<Self> {
        let sized = !text.is_empty() && text.len() <= 256;
        (sized && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The id as the token spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// One of our API keys.
    ApiKey,
    /// A user's token.
    User,
    /// A sibling service with the shared key.
    Service,
    /// The operator.
    Operator,
    /// Nobody, where that is allowed.
    Anonymous,
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No credential in any of the three headers.
    MissingCredential,
    /// The credential is not of a shape that we know; the text says what is wrong with it.
    Malformed(&'static str),
    /// A plain key that is nobody's.
    UnknownCredential,
    /// Nobody here signed it, or it was altered.
    BadSignature,
    /// It was valid once.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for another service.
    WrongAudience,
    /// It has been taken back. Decided by the caller, who can look it up.
    Revoked,
    /// It is good, and does not allow this.
    WrongScope(Scopes),
    /// It is good, for other domains than the one named in `X-Sapwood-Domain`.
    WrongDomain,
    /// It is good, and names no domain at all.
    NoDomain,
    /// It is good for several domains, and the request does not say which.
    DomainRequired,
    /// `X-Sapwood-Domain` is not a host name.
    InvalidDomain,
    /// `X-Service-Name` cannot be a component's name.
    InvalidServiceName,
}

impl AuthError {
    /// The stable code for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingCredential => "missing_credential",
            Self::Malformed(_) => "malformed_credential",
            Self::UnknownCredential => "unknown_credential",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::Revoked => "revoked",
            Self::WrongScope(_) => "wrong_scope",
            Self::WrongDomain => "wrong_domain",
            Self::NoDomain => "no_domain",
            Self::DomainRequired => "domain_required",
            Self::InvalidDomain => "invalid_domain",
            Self::InvalidServiceName => "invalid_service_name",
        }
    }

    /// The HTTP status: 401 if another credential could help (the reply then carries `WWW-Authenticate: Bearer`), 403
    /// if this one is good but not for this, 400 if the request has to say more.
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingCredential
            | Self::Malformed(_)
            | Self::UnknownCredential
            | Self::BadSignature
            | Self::Expired
            | Self::NotYetValid
            | Self::WrongAudience
            | Self::Revoked => 401,
            Self::WrongScope(_) | Self::WrongDomain | Self::NoDomain => 403,
            Self::DomainRequired | Self::InvalidDomain | Self::InvalidServiceName => 400,
        }
    }

    /// A sentence for people. It holds nothing of the credential.
    pub fn detail(self) -> String {
        let fixed = match self {
            Self::WrongScope(needed) => {
                return format!("This needs the scope {}.", needed.words().collect::<Vec<_>>().join(" and "));
            }
            Self::Malformed(what) => return format!("The credential cannot be read: {what}."),
            Self::MissingCredential => "Send an API key in X-API-Key, or a key or token as Authorization: Bearer.",
            Self::UnknownCredential => "This key is not known here.",
            Self::BadSignature => "The credential was altered, or signed with a secret that is not in use.",
            Self::Expired => "The token has expired.",
            Self::NotYetValid => "The token is not valid yet; is the issuer's clock right?",
            Self::WrongAudience => "The token is meant for another service.",
            Self::Revoked => "The key has been revoked.",
            Self::WrongDomain => "The credential is not good for the domain named in X-Sapwood-Domain.",
            Self::NoDomain => "The token lists no domains, so it is not clear whose records it may touch.",
            Self::DomainRequired => "The credential is good for several domains: name one in X-Sapwood-Domain.",
            Self::InvalidDomain => "X-Sapwood-Domain is not a host name such as example.com.",
            Self::InvalidServiceName => {
                "X-Service-Name cannot be a component: at most 128 bytes, no control characters, no |."
            }
        };
        fixed.to_owned()
    }
}

impl From<KeyError> for AuthError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Malformed => Self::Malformed("it begins like an API key and is not one; was it cut off"),
            KeyError::BadSignature => Self::BadSignature,
            KeyError::UnknownVersion => Self::Malformed("the API key is of a version that is not known here"),
        }
    }
}

impl From<JwtError> for AuthError {
    fn from(error: JwtError) -> Self {
        match error {
            JwtError::Malformed(what) => Self::Malformed(what),
            JwtError::WrongAlgorithm => Self::Malformed("only tokens signed with HS256 are accepted"),
            JwtError::BadSignature => Self::BadSignature,
            JwtError::Expired => Self::Expired,
            JwtError::NotYetValid => Self::NotYetValid,
            JwtError::WrongAudience => Self::WrongAudience,
        }
    }
}

impl Principal {
    /// Whether this caller may do what needs `scopes`.
    pub fn require(&self, scopes: Scopes) -> Result<(), AuthError> {
        if self.scopes.contains(scopes) { Ok(()) } else { Err(AuthError::WrongScope(scopes)) }
    }
}

/// Who calls. `header` gives the value of a header by name, in any case; `host` is the request's host.
pub fn authenticate(
    header: impl Fn(&str) -> Option<String>,
    host: &str,
    settings: AuthSettings<'_>,
    now: Timestamp,
) -> Result<Principal, AuthError> {
    let named = named_domain(header(DOMAIN_HEADER))?;
    if let Some(presented) = header("X-API-Key") {
        let presented = visible(&presented)?;
        return by_key(presented, named.as_ref(), settings).unwrap_or(Err(AuthError::UnknownCredential));
    }
    if let Some(value) = header("Authorization") {
        let presented = visible(bearer(&value)?)?;
        let as_key = by_key(presented, named.as_ref(), settings);
        return as_key.unwrap_or_else(|| by_token(presented, named, host, settings, now));
    }
    if let Some(presented) = header("X-Service-Key") {
        return by_service_key(visible(&presented)?, header("X-Service-Name"), named.as_ref(), settings);
    }
    if settings.admits_anonymous {
        return anonymous(named, host);
    }
    Err(AuthError::MissingCredential)
}

/// A key of ours or the operator's; `None` if it is neither and may be something else.
fn by_key(presented: &str, named: Option<&Domain>, settings: AuthSettings<'_>) -> Option<Result<Principal, AuthError>> {
    if presented.starts_with(KEY_PREFIX) {
        return Some(by_api_key(presented, named, settings));
    }
    let is_operator = settings.operator.is_some_and(|secret| is_same(secret, presented));
    is_operator.then(|| {
        let domain = named.cloned().ok_or(AuthError::DomainRequired)?;
        Ok(Principal { scopes: Scopes::ALL, ..bare(domain, PrincipalKind::Operator) })
    })
}

fn by_api_key(presented: &str, named: Option<&Domain>, settings: AuthSettings<'_>) -> Result<Principal, AuthError> {
    let claims = key::verify(presented, settings.keys)?;
    agree(named, &claims.domain)?;
    Ok(Principal {
        scopes: claims.scopes,
        component: claims.component,
        key_id: Some(claims.key_id),
        ..bare(claims.domain, PrincipalKind::ApiKey)
    })
}

fn by_service_key(
    presented: &str,
    service_name: Option<String>,
    named: Option<&Domain>,
    settings: AuthSettings<'_>,
) -> Result<Principal, AuthError> {
    if presented.starts_with(KEY_PREFIX) {
        return by_api_key(presented, named, settings);
    }
    let (secret, domain) = settings.service.ok_or(AuthError::UnknownCredential)?;
    if !is_same(secret, presented) {
        return Err(AuthError::UnknownCredential);
    }
    agree(named, domain)?;
    let component = match service_name {
        Some(name) => Some(ComponentName::parse(name.trim()).ok_or(AuthError::InvalidServiceName)?),
        None => None,
    };
    let scopes = Scopes::INGEST.with(Scopes::READ);
    Ok(Principal { scopes, component, ..bare(domain.clone(), PrincipalKind::Service) })
}

fn by_token(
    presented: &str,
    named: Option<Domain>,
    host: &str,
    settings: AuthSettings<'_>,
    now: Timestamp,
) -> Result<Principal, AuthError> {
    let secrets = settings.tokens.ok_or(AuthError::UnknownCredential)?;
    let claims = jwt::verify(presented, secrets, settings.audience, now)?;
    let domain = token_domain(&claims, named, host)?;
    let (scopes, only_own_rows) = token_scopes(&claims);
    let user = UserId(claims.user_id);
    let only_user = only_own_rows.then(|| user.clone());
    Ok(Principal { scopes, user: Some(user), only_user, ..bare(domain, PrincipalKind::User) })
}

/// What a user may do, and whether only to rows of their own. A token without any permission about logs proves little
/// (siblings hand them out freely): its user may send what their browser logs, and read that back.
fn token_scopes(claims: &UserClaims) -> (Scopes, bool) {
    if claims.roles.contains("admin") {
        return (Scopes::ALL, false);
    }
    let granted = [("logs:read", Scopes::READ), ("logs:write", Scopes::INGEST)]
        .into_iter()
        .filter(|(permission, _)| claims.permissions.contains(*permission))
        .fold(Scopes::NONE, |scopes, (_, scope)| scopes.with(scope));
    if granted.is_empty() { (Scopes::INGEST.with(Scopes::READ), true) } else { (granted, false) }
}

/// The domain that a user means: the one that is named, if the token allows it; else the only one of the token; else
/// the one among them to which the request's host belongs. `*` allows every domain, and one must be named.
fn token_domain(claims: &UserClaims, named: Option<Domain>, host: &str) -> Result<Domain, AuthError> {
    let listed = claims.domains.as_deref().unwrap_or_default();
    let any = listed.iter().any(|entry| entry == "*");
    let mut domains: Vec<Domain> = listed.iter().filter_map(|entry| Domain::parse(entry)).collect();
    domains.sort();
    domains.dedup();
    if domains.is_empty() && !any {
        return Err(AuthError::NoDomain);
    }
    if let Some(named) = named {
        return if any || domains.contains(&named) { Ok(named) } else { Err(AuthError::WrongDomain) };
    }
    match domains.as_slice() {
        _ if any => Err(AuthError::DomainRequired),
        [only] => Ok(only.clone()),
        _ => Domain::of_host(host).filter(|domain| domains.contains(domain)).ok_or(AuthError::DomainRequired),
    }
}

fn anonymous(named: Option<Domain>, host: &str) -> Result<Principal, AuthError> {
    let domain = named.or_else(|| Domain::of_host(host)).ok_or(AuthError::DomainRequired)?;
    Ok(Principal { scopes: Scopes::INGEST.with(Scopes::READ), ..bare(domain, PrincipalKind::Anonymous) })
}

fn bare(domain: Domain, kind: PrincipalKind) -> Principal {
    Principal { domain, scopes: Scopes::NONE, component: None, key_id: None, user: None, only_user: None, kind }
}

fn named_domain(value: Option<String>) -> Result<Option<Domain>, AuthError> {
    value.map(|text| Domain::parse(text.trim()).ok_or(AuthError::InvalidDomain)).transpose()
}

/// A credential for one domain may be accompanied by that domain's name and by no other.
fn agree(named: Option<&Domain>, own: &Domain) -> Result<(), AuthError> {
    if named.is_none_or(|named| named == own) { Ok(()) } else { Err(AuthError::WrongDomain) }
}

fn bearer(value: &str) -> Result<&str, AuthError> {
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then_some(rest).ok_or(AuthError::Malformed("Authorization takes the scheme Bearer only"))
}

/// A credential without the space around it; an empty one is a mistake of the caller's configuration, and says so.
fn visible(presented: &str) -> Result<&str, AuthError> {
    let trimmed = presented.trim();
    if trimmed.is_empty() { Err(AuthError::Malformed("it is empty")) } else { Ok(trimmed) }
}

/// Whether the two are equal, in a time that depends on neither: their MACs under a fixed key are compared, and that
/// comparison is constant in time.
fn is_same(secret: &Secret, presented: &str) -> bool {
    let mac = |text: &str| {
        let keyed = <Hmac<Sha256> as Mac>::new_from_slice(b"sapwood equality");
        keyed.expect("HMAC takes keys of any length").chain_update(text)
    };
    mac(secret.expose()).verify_slice(&mac(presented).finalize().into_bytes()).is_ok()
}
