//! Which pages of other origins may call us, and the headers that say so.
//!
//! A pure function of the request's `Origin`, method and `Access-Control-Request-*` headers and of the allowed list.
//! Origins are compared by scheme, host and port. The headers of [`CorsDecision::Allowed`] belong on *every* reply to
//! that request, errors included: without them the browser hides the reply, and the error, from the page.
//!
//! Keys travel in headers that pages set themselves, not in cookies; `Access-Control-Allow-Credentials` is said only to
//! origins that are listed exactly. Left out: deciding who the caller is.

use sapwood_engine::config::{Config, Environment, Origin, OriginPattern};

/// Methods that a page may use.
pub const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];

/// Request headers that a page may set, beside any `x-...` that it asks for.
const HEADERS: &str = "Accept, Accept-Language, Content-Language, Content-Type, Content-Encoding, Authorization, \
     Idempotency-Key, traceparent, tracestate, X-API-Key, X-Requested-With, X-Request-ID, X-Sapwood-Domain";

/// Reply headers that a page may read.
const EXPOSED: &str = "X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Response-Time, \
     X-Error-ID, X-Health-Status, Idempotency-Replayed, Preference-Applied, Retry-After, WWW-Authenticate";

/// How long a browser may remember a preflight, in seconds: a day, as clients of the prototype expect.
const MAX_AGE: &str = "86400";

/// Asked-for `x-...` headers that are granted at most, and the bytes of one: the reply repeats them.
const EXTRA_HEADERS_MAX: usize = 32;
const EXTRA_HEADER_BYTES_MAX: usize = 64;

/// A header of the reply.
pub type Header = (&'static str, String);

/// What of the request matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorsRequest<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The origin under which we were called, such as `https://logger.example.com`: our own dashboard is no stranger.
    pub own_origin: &'a str,
    /// `Access-Control-Request-Method`.
    pub requested_method: Option<&'a str>,
    /// `Access-Control-Request-Headers`.
    pub requested_headers: Option<&'a str>,
}

/// Whom we let in.
#[derive(Clone, Copy)]
pub struct CorsPolicy<'a> {
    /// The list from the configuration.
    pub allowed: &'a [OriginPattern],
    /// Whether every origin on the developer's own machine is let in besides.
    pub admits_loopback: bool,
}

impl<'a> CorsPolicy<'a> {
    /// The policy of a checked configuration.
    pub fn of(config: &'a Config) -> Self {
        let admits_loopback = config.environment() == Environment::Development;
        Self { allowed: config.allowed_origins(), admits_loopback }
    }
}

/// What to do with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsDecision {
    /// Go on, and put these headers on whatever the reply will be.
    Allowed(Vec<Header>),
    /// Answer 204 with these headers; the request asks for permission only.
    Preflight(Vec<Header>),
    /// Answer 405 with these headers: the page asks for a method that nobody may use.
    MethodRefused(Vec<Header>),
    /// Answer 403 (`forbidden_origin`; CORS_ERROR on the prototype's routes) with these headers, whatever the method.
    Refused(Vec<Header>),
}

/// How sure we are of an origin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// Listed as it is.
    Exactly,
    /// By a wildcard, or as a developer's own machine.
    Loosely,
}

/// Decides about a request.
pub fn decide(request: CorsRequest<'_>, policy: CorsPolicy<'_>) -> CorsDecision {
    // Replies differ by origin even where there is none, and caches must know.
    let mut headers: Vec<Header> = vec![("Vary", "Origin".to_owned())];
    let asks_permission = request.method == "OPTIONS";
    if let Some(text) = request.origin {
        let Some(admission) = admit(text, request.own_origin, policy) else { return CorsDecision::Refused(headers) };
        headers.push(("Access-Control-Allow-Origin", text.to_owned()));
        if admission == Admission::Exactly {
            headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
        }
        if !asks_permission {
            headers.push(("Access-Control-Expose-Headers", EXPOSED.to_owned()));
        }
    }
    if !asks_permission {
        return CorsDecision::Allowed(headers);
    }
    if request.requested_method.is_some_and(|method| !METHODS.contains(&method)) {
        headers.push(("Allow", METHODS.join(", ")));
        return CorsDecision::MethodRefused(headers);
    }
    headers.push(("Access-Control-Allow-Methods", METHODS.join(", ")));
    headers.push(("Access-Control-Allow-Headers", granted_headers(request.requested_headers)));
    headers.push(("Access-Control-Max-Age", MAX_AGE.to_owned()));
    CorsDecision::Preflight(headers)
}

/// Whether a page of this origin may call us. Text that is no origin (`null`, for instance, which is what sandboxed
/// and local pages send) is let in only where everybody is.
fn admit(text: &str, own_origin: &str, policy: CorsPolicy<'_>) -> Option<Admission> {
    let everybody = policy.allowed.contains(&OriginPattern::Any);
    let Some(origin) = Origin::parse(text) else {
        return (everybody && text == "null").then_some(Admission::Loosely);
    };
    let is_own = Origin::parse(own_origin).is_some_and(|own| own == origin);
    let is_listed = policy.allowed.contains(&OriginPattern::Exact(origin.clone()));
    if is_own || is_listed {
        return Some(Admission::Exactly);
    }
    let loosely = policy.allowed.iter().any(|pattern| pattern.matches(&origin));
    (loosely || (policy.admits_loopback && origin.is_loopback())).then_some(Admission::Loosely)
}

/// The fixed list and those of the asked-for headers that begin with `x-` and are plain tokens.
fn granted_headers(requested: Option<&str>) -> String {
    let is_token = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let is_extra = |name: &&str| {
        let prefixed = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
        let is_new = !HEADERS.split(", ").any(|known| known.eq_ignore_ascii_case(name));
        prefixed && is_new && name.len() <= EXTRA_HEADER_BYTES_MAX && is_token(name)
    };
    let extra = requested.unwrap_or("").split(',').map(str::trim).filter(is_extra).take(EXTRA_HEADERS_MAX);
    extra.fold(HEADERS.to_owned(), |list, name| format!("{list}, {name}"))
}
