//! Pages of other origins: who is let in, and what the replies say.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood::edge::cors::{CorsDecision, CorsPolicy, CorsRequest, Header, decide};
use sapwood_engine::config::{Config, OriginPattern, Provenance, RawConfig};

const ORIGINS: [&str; 3] = ["https://app.example.com", "https://*.example.org", "http://localhost:3000"];

fn patterns(texts: &[&str]) -> Vec<OriginPattern> {
    texts.iter().map(|text| OriginPattern::parse(text).expect("the test writes patterns")).collect()
}

fn request<'a>(method: &'a str, origin: Option<&'a str>) -> CorsRequest<'a> {
    CorsRequest { method, origin, own_origin: "https://logger.example.net", ..CorsRequest::default() }
}

fn decide_among(origins: &[&str], request: CorsRequest<'_>, development: bool) -> CorsDecision {
    decide(request, CorsPolicy { allowed: &patterns(origins), admits_loopback: development })
}

fn headers(decision: &CorsDecision) -> &[Header] {
    match decision {
        CorsDecision::Allowed(headers)
        | CorsDecision::Preflight(headers)
        | CorsDecision::MethodRefused(headers)
        | CorsDecision::Refused(headers) => headers,
    }
}

fn header<'a>(decision: &'a CorsDecision, name: &str) -> Option<&'a str> {
    headers(decision).iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn is_let_in(origins: &[&str], origin: &str, development: bool) -> bool {
    matches!(decide_among(origins, request("POST", Some(origin)), development), CorsDecision::Allowed(_))
}

#[test]
fn listed_origins_are_let_in_and_others_are_not() {
    for (origin, expected) in [
        ("https://app.example.com", true),
        ("https://APP.example.com", true),
        ("https://app.example.com:443", true),
        ("https://a.example.org", true),
        ("https://a.b.example.org", true),
        ("http://localhost:3000", true),
        ("https://logger.example.net", true),
        ("http://app.example.com", false),
        ("https://app.example.com:444", false),
        ("https://app.example.com.evil.example", false),
        ("https://evil-app.example.com", false),
        ("https://example.org", false),
        ("https://evilexample.org", false),
        ("https://a.example.org.evil.example", false),
        ("http://localhost:3001", false),
        ("http://localhost:3000.evil.example", false),
        ("http://logger.example.net", false),
        ("null", false),
        ("", false),
        ("https://app.example.com/", false),
        ("https://user@app.example.com", false),
        ("chrome-extension://abcdef", false),
    ] {
        assert_eq!(is_let_in(&ORIGINS, origin, false), expected, "{origin}");
    }
}

#[test]
fn development_lets_in_the_own_machine_and_nothing_that_only_looks_like_it() {
    for (origin, expected) in [
        ("http://localhost:5173", true),
        ("https://localhost", true),
        ("http://app.localhost:80", true),
        ("http://127.0.0.1:8000", true),
        ("http://[::1]:8000", true),
        ("http://localhost.evil.com", false),
        ("http://evil.com/?localhost", false),
        ("http://127.0.0.1.evil.com", false),
        ("http://notlocalhost:3000", false),
        ("http://192.168.1.5", false),
    ] {
        assert_eq!(is_let_in(&[], origin, true), expected, "{origin}");
        assert!(!is_let_in(&[], origin, false), "{origin} outside development");
    }
}

#[test]
fn a_star_lets_in_everybody_without_credentials() {
    for origin in ["https://any.example", "http://10.0.0.1:81", "null"] {
        let decision = decide_among(&["*"], request("GET", Some(origin)), false);
        assert_eq!(header(&decision, "Access-Control-Allow-Origin"), Some(origin));
        assert_eq!(header(&decision, "Access-Control-Allow-Credentials"), None);
    }
    assert!(!is_let_in(&["*"], "no origin at all", false));
}

#[test]
fn credentials_are_for_exact_entries_only() {
    for (origin, expected) in [
        ("https://app.example.com", Some("true")),
        ("https://logger.example.net", Some("true")),
        ("https://a.example.org", None),
        ("http://localhost:9", None),
    ] {
        let decision = decide_among(&ORIGINS, request("GET", Some(origin)), true);
        assert_eq!(header(&decision, "Access-Control-Allow-Credentials"), expected, "{origin}");
    }
    let exact_beside_a_star =
        decide_among(&["*", "https://a.example"], request("GET", Some("https://a.example")), false);
    assert_eq!(header(&exact_beside_a_star, "Access-Control-Allow-Credentials"), Some("true"));
}

#[test]
fn a_request_without_an_origin_goes_on() {
    for method in ["GET", "POST", "DELETE"] {
        let decision = decide_among(&ORIGINS, request(method, None), false);
        assert_eq!(decision, CorsDecision::Allowed(vec![("Vary", "Origin".to_owned())]));
    }
    assert!(matches!(decide_among(&ORIGINS, request("OPTIONS", None), false), CorsDecision::Preflight(_)));
}

#[test]
fn a_refused_origin_is_refused_for_every_method_and_told_nothing() {
    for method in ["GET", "POST", "OPTIONS", "DELETE"] {
        let decision = decide_among(&ORIGINS, request(method, Some("https://evil.example")), false);
        assert_eq!(decision, CorsDecision::Refused(vec![("Vary", "Origin".to_owned())]), "{method}");
    }
}

#[test]
fn actual_replies_say_who_may_read_them_and_which_headers() {
    let decision = decide_among(&ORIGINS, request("POST", Some("https://app.example.com")), false);
    assert!(matches!(decision, CorsDecision::Allowed(_)));
    assert_eq!(header(&decision, "Access-Control-Allow-Origin"), Some("https://app.example.com"));
    assert_eq!(header(&decision, "Vary"), Some("Origin"));
    let exposed: Vec<_> = header(&decision, "Access-Control-Expose-Headers").unwrap_or("").split(", ").collect();
    let promised = "X-Request-ID X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Reset X-Response-Time X-Error-ID";
    for name in promised.split(' ').chain(["Retry-After"]) {
        assert!(exposed.contains(&name), "{name} in {exposed:?}");
    }
    assert_eq!(header(&decision, "Access-Control-Allow-Methods"), None);
}

#[test]
fn a_preflight_is_answered_with_methods_headers_and_a_day() {
    let asked = CorsRequest {
        requested_method: Some("POST"),
        requested_headers: Some("content-type, x-trace-context,X-API-Key, cookie, x-bad\u{7f}name, x-, traceparent"),
        ..request("OPTIONS", Some("https://app.example.com"))
    };
    let decision = decide_among(&ORIGINS, asked, false);
    assert!(matches!(decision, CorsDecision::Preflight(_)));
    assert_eq!(header(&decision, "Access-Control-Allow-Origin"), Some("https://app.example.com"));
    assert_eq!(header(&decision, "Access-Control-Allow-Methods"), Some("GET, POST, PUT, DELETE, PATCH, OPTIONS, HEAD"));
    assert_eq!(header(&decision, "Access-Control-Max-Age"), Some("86400"));
    assert_eq!(header(&decision, "Access-Control-Expose-Headers"), None);
    let granted: Vec<_> = header(&decision, "Access-Control-Allow-Headers").unwrap_or("").split(", ").collect();
    let always =
        "Accept Accept-Language Content-Language Content-Type Authorization X-API-Key X-Requested-With X-Request-ID";
    for name in always.split(' ').chain(["x-trace-context", "Idempotency-Key", "Content-Encoding", "traceparent"]) {
        assert!(granted.contains(&name), "{name} in {granted:?}");
    }
    for name in ["cookie", "x-bad\u{7f}name", "content-type"] {
        assert!(!granted.contains(&name), "{name} in {granted:?}");
    }
    assert_eq!(granted.iter().filter(|name| name.eq_ignore_ascii_case("x-api-key")).count(), 1, "said once");
}

#[test]
fn the_list_of_granted_headers_has_an_end() {
    let many = (0..1_000).map(|index| format!("x-h{index}")).collect::<Vec<_>>().join(",");
    let long = format!("x-{}", "a".repeat(70));
    for (requested, last_granted) in [(many.as_str(), "x-h31"), (long.as_str(), "X-Sapwood-Domain")] {
        let asked =
            CorsRequest { requested_headers: Some(requested), ..request("OPTIONS", Some("https://app.example.com")) };
        let decision = decide_among(&ORIGINS, asked, false);
        let granted = header(&decision, "Access-Control-Allow-Headers").unwrap_or("");
        assert!(granted.ends_with(last_granted), "{granted}");
    }
}

#[test]
fn a_method_that_nobody_may_use_is_refused_with_the_list() {
    for method in ["TRACE", "CONNECT", "post", ""] {
        let asked =
            CorsRequest { requested_method: Some(method), ..request("OPTIONS", Some("https://app.example.com")) };
        let decision = decide_among(&ORIGINS, asked, false);
        assert!(matches!(decision, CorsDecision::MethodRefused(_)), "{method}");
        assert!(header(&decision, "Allow").unwrap_or("").starts_with("GET, POST"));
        assert_eq!(header(&decision, "Access-Control-Allow-Origin"), Some("https://app.example.com"));
    }
}

#[test]
fn the_policy_is_that_of_the_environment() {
    for (environment, origin, expected) in [
        ("development", "http://localhost:5173", true),
        ("staging", "http://localhost:5173", false),
        ("staging", "https://staging.tamyla.com", true),
        ("production", "https://tamyla.com", true),
        ("production", "https://wetechfounders.com", true),
        ("production", "https://staging.tamyla.com", false),
        ("production", "http://localhost:3000", false),
    ] {
        let mut raw = RawConfig::new();
        raw.say("ENVIRONMENT", environment, Provenance::Var);
        raw.say("KEY_SIGNING_SECRET", "f3a91c07be5d42688e0b7d1495c6a2f0", Provenance::Secret);
        let config = Config::check(&raw).unwrap_or_else(|problems| panic!("{problems:?}"));
        let decision = decide(request("GET", Some(origin)), CorsPolicy::of(&config));
        assert_eq!(matches!(decision, CorsDecision::Allowed(_)), expected, "{environment} {origin}");
    }
}
