//! Who is let in: API keys, tokens, the operator, sibling services, and everybody who only pretends.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sapwood::config::check;
use sapwood::edge::auth::{AuthError, AuthSettings, DOMAIN_HEADER, Principal, PrincipalKind, UserId, authenticate};
use sapwood::edge::jwt::{self, JwtError, TOKEN_BYTES_MAX};
use sapwood::edge::key::{self, KEY_PREFIX, KeyClaims, KeyError, KeyId, Scopes, SigningSecrets};
use sapwood_engine::address::{ComponentName, Domain};
use sapwood_engine::config::{Config, ProblemKind, Secret};
use sapwood_engine::time::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

const SIGNING: &str = "f3a91c07be5d42688e0b7d1495c6a2f0";
const SIGNING_BEFORE: &str = "0c6e2b9d71f84a35a8d3e1f7b5926c4d";
const STRANGE: &str = "77aa10c3e2954fd8b6011f3c8de9420b";
const JWT: &str = "Zk3vT9qLw7XyB2cRfJ0sNpHdGtU4eAaY";
const JWT_BEFORE: &str = "pQ8sWn2Vd6LmX0yTbR4hKcJ7fZgUeA1o";
const OPERATOR: &str = "hT5kPz9wQe3xYv7bNm1cLs8dGf4jRa2U";
const SERVICE: &str = "wB6nXr0yKq4tHs8vDm2cJf7gLp3zUe9a";
const NOW: Timestamp = Timestamp(1_700_000_000_000);
const NOW_SECONDS: i64 = 1_700_000_000;
const HOST: &str = "logger.example.com";

fn config(more: &[(&str, &str)]) -> std::rc::Rc<Config> {
    let base = [
        ("ENVIRONMENT", "production"),
        ("KEY_SIGNING_SECRET", SIGNING),
        ("KEY_SIGNING_SECRET_PREVIOUS", SIGNING_BEFORE),
        ("AUTH_JWT_SECRET", JWT),
        ("AUTH_JWT_SECRET_PREVIOUS", JWT_BEFORE),
        ("API_KEY", OPERATOR),
        ("X_SERVICE_KEY", SERVICE),
        ("SERVICE_DOMAIN", "services.example"),
    ];
    let kept = base.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let said = kept.chain(more).filter(|(_, value)| !value.is_empty());
    check(said.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn authenticate_with(config: &Config, headers: &[(&str, &str)]) -> Result<Principal, AuthError> {
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| (*value).to_owned())
    };
    authenticate(header, HOST, AuthSettings::of(config), NOW)
}

fn call(headers: &[(&str, &str)]) -> Result<Principal, AuthError> {
    authenticate_with(&config(&[]), headers)
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("the test writes domains")
}

fn claims() -> KeyClaims {
    KeyClaims {
        key_id: KeyId::new(*b"\x00\x01\xfe\xffabcde"),
        domain: domain("example.com"),
        scopes: Scopes::INGEST,
        component: Some(ComponentName::parse("checkout").expect("a component")),
    }
}

fn mint_with(claims: &KeyClaims, secret: &str) -> String {
    let secret = Secret::new(secret);
    key::mint(claims, SigningSecrets { current: &secret, previous: None }).expect("the claims have a scope")
}

fn verify(token: &str) -> Result<KeyClaims, KeyError> {
    let (current, previous) = (Secret::new(SIGNING), Secret::new(SIGNING_BEFORE));
    key::verify(token, SigningSecrets { current: &current, previous: Some(&previous) })
}

/// A key over any payload, signed as ours are.
fn sign_payload(payload: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(SIGNING.as_bytes()).expect("any length");
    mac.update(b"sapwood api key\0");
    mac.update(payload);
    let tag = mac.finalize().into_bytes();
    format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode([payload, &tag[..16]].concat()))
}

fn hs256(secret: &str, signed: &str) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(signed.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn token_with(header: &Value, payload: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(payload));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hs256(secret, &signed)))
}

/// A token with these claims on top of an expiry in an hour.
fn token(claims: Value) -> String {
    let mut payload = json!({ "exp": NOW_SECONDS + 3600 });
    if let (Some(all), Value::Object(claims)) = (payload.as_object_mut(), claims) {
        all.extend(claims);
    }
    token_with(&json!({ "alg": "HS256", "typ": "JWT" }), &payload, JWT)
}

fn verify_token(token: &str) -> Result<jwt::UserClaims, JwtError> {
    let (current, previous) = (Secret::new(JWT), Secret::new(JWT_BEFORE));
    jwt::verify(token, SigningSecrets { current: &current, previous: Some(&previous) }, None, NOW)
}

fn with_bearer(token: &str) -> Result<Principal, AuthError> {
    call(&[("Authorization", &format!("Bearer {token}"))])
}

fn status(result: &Result<Principal, AuthError>) -> Option<(u16, &'static str)> {
    result.as_ref().err().map(|error| (error.status(), error.code()))
}

// API keys.

#[test]
fn a_key_says_what_was_put_in() {
    let bare = KeyClaims { component: None, scopes: Scopes::ALL, ..claims() };
    let longest = KeyClaims {
        domain: domain(&format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61))),
        component: ComponentName::parse(&"c".repeat(128)),
        ..claims()
    };
    for claims in [claims(), bare, longest] {
        let token = mint_with(&claims, SIGNING);
        assert!(token.starts_with("sw_") && token.is_ascii() && !token.contains(['=', '+', '/', '.']), "{token}");
        assert_eq!(verify(&token), Ok(claims));
    }
}

#[test]
fn a_key_without_scopes_is_not_made() {
    let secret = Secret::new(SIGNING);
    let nothing = KeyClaims { scopes: Scopes::NONE, ..claims() };
    assert_eq!(key::mint(&nothing, SigningSecrets { current: &secret, previous: None }), None);
}

#[test]
fn both_signing_secrets_verify_and_only_the_current_one_signs() {
    let (current, previous) = (Secret::new(SIGNING), Secret::new(SIGNING_BEFORE));
    let both = SigningSecrets { current: &current, previous: Some(&previous) };
    assert_eq!(key::mint(&claims(), both), Some(mint_with(&claims(), SIGNING)));
    let old = mint_with(&claims(), SIGNING_BEFORE);
    assert_eq!(key::verify(&old, both), Ok(claims()));
    assert_eq!(key::verify(&old, SigningSecrets { previous: None, ..both }), Err(KeyError::BadSignature));
    assert_eq!(verify(&mint_with(&claims(), STRANGE)), Err(KeyError::BadSignature));
}

#[test]
fn no_bit_of_a_key_can_be_flipped() {
    let good = mint_with(&claims(), SIGNING);
    let bytes = URL_SAFE_NO_PAD.decode(&good[KEY_PREFIX.len()..]).expect("a key is base64url");
    for bit in 0..bytes.len() * 8 {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let token = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(forged));
        assert_eq!(verify(&token), Err(KeyError::BadSignature), "bit {bit}");
    }
}

#[test]
fn no_character_of_a_key_can_be_changed_and_a_key_has_one_spelling() {
    // A key whose last character carries bits that mean nothing, which lax decoders ignore.
    for extra in 0..3 {
        let component = ComponentName::parse(&"c".repeat(8 + extra));
        let good = mint_with(&KeyClaims { component, ..claims() }, SIGNING);
        for at in KEY_PREFIX.len()..good.len() {
            for other in "AQZaz09-_".chars().filter(|other| !good[at..].starts_with(*other)) {
                let mut forged = good.clone();
                forged.replace_range(at..=at, &other.to_string());
                assert!(verify(&forged).is_err(), "{forged}");
            }
        }
        for forged in [format!("{good}="), format!("{good}A"), format!(" {good}"), good.replace("sw_", "SW_")] {
            assert_eq!(verify(&forged).ok(), None, "{forged}");
        }
    }
}

#[test]
fn a_truncated_key_is_no_key() {
    let good = mint_with(&claims(), SIGNING);
    for length in 0..good.len() {
        assert!(verify(&good[..length]).is_err(), "{length}");
    }
    assert_eq!(verify(&format!("{KEY_PREFIX}{}", "A".repeat(100_000))), Err(KeyError::Malformed));
}

#[test]
fn a_signed_payload_that_makes_no_sense_is_refused() {
    let payload = |version: u8, scopes: u8, domain: &[u8], component: &[u8], tail: &[u8]| {
        let lengths = [domain.len() as u8, component.len() as u8];
        let head = [&[version][..], b"123456789", &[scopes]].concat();
        [&head, &lengths[..1], domain, &lengths[1..], component, tail].concat()
    };
    assert!(verify(&sign_payload(&payload(1, 1, b"a.example", b"c", b""))).is_ok(), "the test signs as we do");
    assert_eq!(verify(&sign_payload(&payload(2, 1, b"a.example", b"", b""))), Err(KeyError::UnknownVersion));
    for (name, payload) in [
        ("no scopes", payload(1, 0, b"a.example", b"", b"")),
        ("unknown scope", payload(1, 9, b"a.example", b"", b"")),
        ("no domain", payload(1, 1, b"", b"", b"")),
        ("domain with a bar", payload(1, 1, b"a|b", b"", b"")),
        ("domain not UTF-8", payload(1, 1, b"\xff", b"", b"")),
        ("component with a bar", payload(1, 1, b"a.example", b"a|b", b"")),
        ("something behind", payload(1, 1, b"a.example", b"", b"x")),
        ("length beyond the end", [&payload(1, 1, b"a.example", b"", b"")[..11], &[200, 0]].concat()),
    ] {
        assert_eq!(verify(&sign_payload(&payload)), Err(KeyError::Malformed), "{name}");
    }
}

#[test]
fn ids_and_scopes_have_words() {
    let id = claims().key_id;
    assert_eq!(id.to_string().len(), 12);
    assert_eq!(KeyId::parse(&id.to_string()), Some(id));
    for text in ["", "short", "AAH-_2FiY2RlAA", "AAH+/2FiY2Rl"] {
        assert_eq!(KeyId::parse(text), None, "{text}");
    }
    assert_eq!(Scopes::ALL.words().collect::<Vec<_>>(), ["ingest", "read", "admin"]);
    for word in ["ingest", "read", "admin"] {
        assert_eq!(Scopes::from_word(word).map(|scope| scope.words().collect::<Vec<_>>()), Some(vec![word]));
    }
    assert_eq!(Scopes::from_word("root"), None);
}

#[test]
fn a_key_opens_all_three_doors_as_itself() {
    let key = mint_with(&claims(), SIGNING);
    let bearer = format!("bearer  {key} ");
    for header in [("X-API-Key", key.as_str()), ("authorization", &bearer), ("x-service-key", &key)] {
        let principal = call(&[header, ("X-Service-Name", "somebody-else")]).expect("the key is good");
        assert_eq!(principal.kind, PrincipalKind::ApiKey);
        assert_eq!(principal.domain, domain("example.com"));
        assert_eq!(principal.component, claims().component, "the key's own, whatever the caller says");
        assert_eq!((principal.key_id, principal.user, principal.only_user), (Some(claims().key_id), None, None));
        assert_eq!(principal.scopes, Scopes::INGEST);
    }
}

#[test]
fn scopes_are_exact_and_none_implies_another() {
    for (scopes, may) in [
        (Scopes::INGEST, [true, false, false]),
        (Scopes::READ, [false, true, false]),
        (Scopes::ADMIN, [false, false, true]),
        (Scopes::INGEST.with(Scopes::READ), [true, true, false]),
        (Scopes::ALL, [true, true, true]),
    ] {
        let key = mint_with(&KeyClaims { scopes, ..claims() }, SIGNING);
        let principal = call(&[("X-API-Key", &key)]).expect("the key is good");
        for (wanted, may) in [Scopes::INGEST, Scopes::READ, Scopes::ADMIN].into_iter().zip(may) {
            assert_eq!(principal.require(wanted).is_ok(), may, "{scopes:?} {wanted:?}");
        }
    }
    let error = AuthError::WrongScope(Scopes::READ);
    assert_eq!((error.status(), error.code()), (403, "wrong_scope"));
    assert_eq!(error.detail(), "This needs the scope read.");
}

#[test]
fn a_key_is_good_for_its_own_domain_only() {
    let key = mint_with(&claims(), SIGNING);
    assert!(call(&[("X-API-Key", &key), (DOMAIN_HEADER, "Example.COM")]).is_ok());
    let foreign = call(&[("X-API-Key", &key), (DOMAIN_HEADER, "neighbour.example")]);
    assert_eq!(foreign, Err(AuthError::WrongDomain));
    assert_eq!(status(&foreign), Some((403, "wrong_domain")));
}

#[test]
fn bad_keys_are_told_apart() {
    let forged = mint_with(&claims(), STRANGE);
    let good = mint_with(&claims(), SIGNING);
    for (presented, expected) in [
        (forged.as_str(), (401, "bad_signature")),
        (&good[..20], (401, "malformed_credential")),
        ("", (401, "malformed_credential")),
        ("   ", (401, "malformed_credential")),
        ("sk_lq3x9a_0123456789abcdef0123456789abcdef0123456789abcdef", (401, "unknown_credential")),
        (SERVICE, (401, "unknown_credential")),
    ] {
        assert_eq!(status(&call(&[("X-API-Key", presented)])), Some(expected), "{presented}");
    }
}

#[test]
fn the_first_credential_decides_even_if_a_later_one_is_good() {
    let good = mint_with(&claims(), SIGNING);
    let (good_bearer, bad) = (format!("Bearer {good}"), mint_with(&claims(), STRANGE));
    let result = call(&[("X-API-Key", &bad), ("Authorization", &good_bearer), ("X-Service-Key", &good)]);
    assert_eq!(result, Err(AuthError::BadSignature));
    let result = call(&[("Authorization", &format!("Bearer {bad}")), ("X-Service-Key", &good)]);
    assert_eq!(result, Err(AuthError::BadSignature));
    let other = mint_with(&KeyClaims { domain: domain("other.example"), ..claims() }, SIGNING);
    let first =
        call(&[("X-API-Key", &good), ("Authorization", &format!("Bearer {other}"))]).expect("the first is good");
    assert_eq!(first.domain, domain("example.com"));
}

// Nobody, the operator, and sibling services.

#[test]
fn without_a_credential_nobody_gets_in() {
    let good = token(json!({ "sub": "u1", "domains": ["example.com"] }));
    let cookie = format!("session_token={good}; jwt_token={good}; token={good}");
    for headers in
        [&[][..], &[("Cookie", cookie.as_str())], &[("X-Session-Token", good.as_str())], &[("X-Service-Name", "a")]]
    {
        let result = call(headers);
        assert_eq!(status(&result), Some((401, "missing_credential")), "{headers:?}");
    }
}

#[test]
fn other_schemes_are_refused() {
    for value in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "bearer\t", "Token abc", ""] {
        assert_eq!(status(&call(&[("Authorization", value)])), Some((401, "malformed_credential")), "{value}");
    }
}

#[test]
fn anonymous_callers_are_let_in_only_where_development_says_so() {
    let open = config(&[("ENVIRONMENT", "development"), ("REQUIRE_AUTH", "false")]);
    let principal = authenticate_with(&open, &[]).expect("development lets everybody in");
    assert_eq!((principal.kind, principal.domain.as_str()), (PrincipalKind::Anonymous, "example.com"));
    assert!(principal.require(Scopes::INGEST.with(Scopes::READ)).is_ok() && principal.require(Scopes::ADMIN).is_err());
    let named = authenticate_with(&open, &[(DOMAIN_HEADER, "shop.example")]).expect("development lets everybody in");
    assert_eq!(named.domain, domain("shop.example"));
    let forged = mint_with(&claims(), STRANGE);
    assert_eq!(
        authenticate_with(&open, &[("X-API-Key", &forged)]),
        Err(AuthError::BadSignature),
        "a bad key stays bad"
    );
    let no_host = authenticate(|_| None, "[::1]", AuthSettings::of(&open), NOW);
    assert_eq!(no_host, Err(AuthError::DomainRequired));

    let closed = config(&[("ENVIRONMENT", "development")]);
    assert_eq!(authenticate_with(&closed, &[]), Err(AuthError::MissingCredential));
    let said = [("ENVIRONMENT", "production"), ("KEY_SIGNING_SECRET", SIGNING), ("REQUIRE_AUTH", "false")];
    let problems = check(said.map(|(name, value)| (name.to_owned(), value.to_owned()))).err();
    let keys: Vec<_> =
        problems.iter().flat_map(|all| all.iter()).map(|problem| (problem.key.as_str(), problem.kind)).collect();
    assert_eq!(keys, [("REQUIRE_AUTH", ProblemKind::Conflict)]);
}

#[test]
fn the_operator_must_name_a_domain_and_may_name_any() {
    let bearer = format!("Bearer {OPERATOR}");
    for header in [("X-API-Key", OPERATOR), ("Authorization", bearer.as_str())] {
        let principal = call(&[header, (DOMAIN_HEADER, " Any.Example ")]).expect("the operator is known");
        assert_eq!((principal.kind, principal.domain.as_str()), (PrincipalKind::Operator, "any.example"));
        assert!(principal.require(Scopes::ALL).is_ok());
        assert_eq!(status(&call(&[header])), Some((400, "domain_required")));
        for name in ["a|b", "", "a b.example", "*", &format!("{}.example", "a".repeat(300))] {
            assert_eq!(status(&call(&[header, (DOMAIN_HEADER, name)])), Some((400, "invalid_domain")), "{name}");
        }
    }
    for close in [&OPERATOR[..31], &OPERATOR.to_lowercase(), &format!("{OPERATOR}x")] {
        let result = call(&[("X-API-Key", close), (DOMAIN_HEADER, "a.example")]);
        assert_eq!(status(&result), Some((401, "unknown_credential")), "{close}");
    }
    let none = authenticate_with(&config(&[("API_KEY", "")]), &[("X-API-Key", OPERATOR), (DOMAIN_HEADER, "a.example")]);
    assert_eq!(status(&none), Some((401, "unknown_credential")));
}

#[test]
fn a_sibling_service_writes_and_reads_its_domain_under_its_name() {
    let principal = call(&[("X-Service-Key", SERVICE), ("X-Service-Name", "data-service")]).expect("the key is shared");
    assert_eq!((principal.kind, principal.domain.as_str()), (PrincipalKind::Service, "services.example"));
    assert_eq!(principal.component.as_ref().map(ComponentName::as_str), Some("data-service"));
    assert_eq!(principal.scopes, Scopes::INGEST.with(Scopes::READ));
    let unnamed = call(&[("X-Service-Key", SERVICE)]).expect("a name is not needed");
    assert_eq!(unnamed.component, None);
    for (headers, expected) in [
        (vec![("X-Service-Key", SERVICE), ("X-Service-Name", "a|b")], (400, "invalid_service_name")),
        (vec![("X-Service-Key", SERVICE), (DOMAIN_HEADER, "other.example")], (403, "wrong_domain")),
        (vec![("X-Service-Key", OPERATOR), (DOMAIN_HEADER, "a.example")], (401, "unknown_credential")),
        (vec![("X-Service-Key", "")], (401, "malformed_credential")),
        (vec![("Authorization", &format!("Bearer {SERVICE}"))], (401, "malformed_credential")),
    ] {
        assert_eq!(status(&call(&headers)), Some(expected), "{headers:?}");
    }
    let without = config(&[("X_SERVICE_KEY", ""), ("SERVICE_DOMAIN", "")]);
    assert_eq!(authenticate_with(&without, &[("X-Service-Key", SERVICE)]), Err(AuthError::UnknownCredential));
}

// Tokens.

#[test]
fn the_published_vector_verifies() {
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZS5jb20iLCJhdWQiOiJsb2dnZXIi\
                 LCJzdWIiOiJ1MSIsImV4cCI6MTcwMDAwMzYwMH0.HBS3rfGc9Gp2sKODSCkr7I0tg-Vv-nzC-SKG23ldpEI";
    let secret = Secret::new("test-key-test-key-test-key-32byt");
    let secrets = SigningSecrets { current: &secret, previous: None };
    let claims = jwt::verify(token, secrets, Some("logger"), NOW).expect("the vector is good");
    assert_eq!((claims.user_id.as_str(), claims.domains), ("u1", None));
    assert_eq!(jwt::verify(token, secrets, Some("portal"), NOW), Err(JwtError::WrongAudience));
    for (seconds, expected) in [(1_700_003_659, None), (1_700_003_660, Some(JwtError::Expired))] {
        assert_eq!(jwt::verify(token, secrets, None, Timestamp(seconds * 1000)).err(), expected, "{seconds}");
    }
}

#[test]
fn only_hs256_is_believed_whatever_the_signature() {
    let payload = json!({ "sub": "u1", "exp": NOW_SECONDS + 60, "role": "admin", "domains": ["*"] });
    for alg in
        [json!("none"), json!("None"), json!("HS512"), json!("RS256"), json!("hs256"), json!(null), json!(["HS256"])]
    {
        let signed = token_with(&json!({ "alg": alg, "typ": "JWT" }), &payload, JWT);
        assert_eq!(verify_token(&signed), Err(JwtError::WrongAlgorithm), "{alg}");
        let unsigned = format!("{}.", signed.rsplit_once('.').expect("three parts").0);
        assert_eq!(verify_token(&unsigned), Err(JwtError::WrongAlgorithm), "{alg}");
    }
    assert_eq!(verify_token(&token_with(&json!({}), &payload, JWT)), Err(JwtError::WrongAlgorithm));
    let extended = token_with(&json!({ "alg": "HS256", "crit": ["b64"] }), &payload, JWT);
    assert!(matches!(verify_token(&extended), Err(JwtError::Malformed(_))));
    // A key or key address in the header is not looked at.
    let brought =
        json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AAAA" }, "jku": "https://evil.example", "kid": "../x" });
    assert!(verify_token(&token_with(&brought, &payload, JWT)).is_ok());
    assert_eq!(verify_token(&token_with(&brought, &payload, STRANGE)), Err(JwtError::BadSignature));
}

#[test]
fn signatures_are_checked_before_claims_and_under_both_secrets() {
    let header = json!({ "alg": "HS256" });
    let payload = json!({ "sub": "u1", "exp": NOW_SECONDS + 60 });
    assert!(verify_token(&token_with(&header, &payload, JWT_BEFORE)).is_ok());
    let expired_and_forged = token_with(&header, &json!({ "exp": 1 }), STRANGE);
    assert_eq!(verify_token(&expired_and_forged), Err(JwtError::BadSignature));
    let good = token(json!({ "sub": "u1" }));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    for forged in ["", &signature[..signature.len() - 3], &format!("{signature}AAAA"), &"A".repeat(43)] {
        assert_eq!(verify_token(&format!("{signed}.{forged}")), Err(JwtError::BadSignature), "{forged}");
    }
    let other = token(json!({ "sub": "admin" }));
    let (_, foreign_signature) = other.rsplit_once('.').expect("three parts");
    assert_eq!(verify_token(&format!("{signed}.{foreign_signature}")), Err(JwtError::BadSignature));
}

#[test]
fn parts_are_base64url_without_padding() {
    // This payload's base64url holds both of the characters in which the two alphabets differ.
    let good = token(json!({ "sub": "u\u{3ff}\u{3fe}?>~~\u{fb}", "x": "\u{7ff}\u{7fb}???>>>" }));
    assert!(good.contains('-') && good.contains('_'), "{good}");
    assert!(verify_token(&good).is_ok());
    let payload = json!({ "sub": "u\u{3ff}\u{3fe}?>~~", "exp": NOW_SECONDS + 60, "pad": "x" }).to_string();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    for (name, part) in
        [("padded", URL_SAFE.encode(format!("{payload} "))), ("standard alphabet", STANDARD.encode(&payload))]
    {
        assert!(part.contains(['=', '+', '/']), "{name}");
        let signed = format!("{header}.{part}");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hs256(JWT, &signed)));
        assert!(matches!(verify_token(&token), Err(JwtError::Malformed(_))), "{name}");
    }
    assert!(matches!(verify_token(&format!("{good}=")), Err(JwtError::Malformed(_))));
}

#[test]
fn what_is_no_token_is_malformed() {
    let long = "a".repeat(TOKEN_BYTES_MAX + 1);
    let good = token(json!({ "sub": "u1" }));
    for text in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        "....",
        "\u{e9}.\u{e9}.\u{e9}",
        long.as_str(),
        &format!("{good}.x"),
        &format!("x.{good}"),
    ] {
        assert!(matches!(verify_token(text), Err(JwtError::Malformed(_))), "{text:.20}");
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let deep = format!("{}1{}", "[".repeat(2_000), "]".repeat(2_000));
    for payload in ["[]", "null", "{", "", "\"x\"", "{\"exp\":1e999}", deep.as_str()] {
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hs256(JWT, &signed)));
        assert!(matches!(verify_token(&token), Err(JwtError::Malformed(_))), "{payload:.20}");
    }
}

#[test]
fn times_have_a_minute_of_leeway_and_an_end() {
    for (claims, expected) in [
        (json!({ "exp": NOW_SECONDS + 1 }), None),
        (json!({ "exp": NOW_SECONDS - 59 }), None),
        (json!({ "exp": NOW_SECONDS - 60 }), Some(JwtError::Expired)),
        (json!({ "exp": NOW_SECONDS as f64 + 0.5 }), None),
        (json!({ "exp": NOW_SECONDS * 1000 }), None),
        (json!({ "nbf": NOW_SECONDS + 60 }), None),
        (json!({ "nbf": NOW_SECONDS + 61 }), Some(JwtError::NotYetValid)),
        (json!({ "iat": NOW_SECONDS + 60 }), None),
        (json!({ "iat": NOW_SECONDS + 61 }), Some(JwtError::NotYetValid)),
        (json!({ "iat": NOW_SECONDS - 1_000_000, "nbf": null }), None),
        (json!({ "exp": null }), Some(JwtError::Malformed("the token has no exp"))),
        (json!({ "exp": "never" }), Some(JwtError::Malformed("exp, nbf and iat are numbers of seconds"))),
        (json!({ "nbf": [] }), Some(JwtError::Malformed("exp, nbf and iat are numbers of seconds"))),
    ] {
        let shown = claims.to_string();
        let mut claims = claims;
        claims["sub"] = json!("u1");
        assert_eq!(verify_token(&token(claims)).err(), expected, "{shown}");
    }
}

#[test]
fn the_audience_is_checked_if_one_is_wanted() {
    let wants = config(&[("AUTH_JWT_AUDIENCE", "logger")]);
    for (aud, expected) in [
        (json!("logger"), None),
        (json!(["portal", "logger"]), None),
        (json!("portal"), Some((401, "wrong_audience"))),
        (json!(["portal", 5]), Some((401, "wrong_audience"))),
        (json!({ "logger": true }), Some((401, "wrong_audience"))),
    ] {
        let token = token(json!({ "sub": "u1", "domains": ["example.com"], "aud": aud }));
        let headers = [("Authorization", format!("Bearer {token}"))];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(status(&authenticate_with(&wants, &headers)), expected, "{aud}");
        assert!(call(&headers).is_ok(), "nobody asked");
    }
}

#[test]
fn every_sibling_spelling_of_user_and_role_is_read() {
    for (claims, id, roles) in [
        (json!({ "sub": "a", "user_id": "b" }), "a", vec![]),
        (json!({ "user_id": "b" }), "b", vec![]),
        (json!({ "userId": 42, "email": "x@example.com" }), "42", vec![]),
        (json!({ "user": { "id": "d", "role": "admin" } }), "d", vec!["admin"]),
        (
            json!({ "sub": "", "userId": "e", "role": "user", "roles": ["viewer", 7, "user"] }),
            "e",
            vec!["user", "viewer"],
        ),
    ] {
        let user = verify_token(&token(claims)).expect("the token is good");
        assert_eq!(user.user_id, id);
        assert_eq!(user.roles.into_iter().collect::<Vec<_>>(), roles);
    }
    for claims in [
        json!({}),
        json!({ "sub": "" }),
        json!({ "sub": ["u"] }),
        json!({ "sub": 1.5 }),
        json!({ "sub": "a\nb" }),
        json!({ "user": "u" }),
        json!({ "sub": "x".repeat(300) }),
    ] {
        assert_eq!(
            verify_token(&token(claims.clone())),
            Err(JwtError::Malformed("the token names no user")),
            "{claims}"
        );
    }
    let refresh = token(json!({ "sub": "u1", "type": "refresh" }));
    assert!(matches!(verify_token(&refresh), Err(JwtError::Malformed(_))));
}

#[test]
fn a_plain_user_may_write_and_read_back_only_their_own() {
    for permissions in [json!([]), json!(["read:files", "logs:delete"]), json!("logs:read"), json!(null)] {
        let principal =
            with_bearer(&token(json!({ "sub": "u1", "domains": ["example.com"], "permissions": permissions })))
                .expect("the token is good");
        assert_eq!(principal.kind, PrincipalKind::User);
        assert_eq!(principal.scopes, Scopes::INGEST.with(Scopes::READ), "{permissions}");
        assert_eq!(principal.only_user.as_ref().map(UserId::as_str), Some("u1"), "{permissions}");
        assert_eq!(principal.user, principal.only_user);
    }
}

#[test]
fn permissions_and_the_admin_role_widen_it() {
    for (claims, scopes) in [
        (json!({ "permissions": ["logs:read"] }), Scopes::READ),
        (json!({ "permissions": ["logs:write"] }), Scopes::INGEST),
        (json!({ "permissions": ["logs:write", "logs:read"] }), Scopes::INGEST.with(Scopes::READ)),
        (json!({ "role": "admin" }), Scopes::ALL),
        (json!({ "roles": ["user", "admin"] }), Scopes::ALL),
        (json!({ "user": { "role": "admin" } }), Scopes::ALL),
    ] {
        let shown = claims.to_string();
        let mut claims = claims;
        claims["sub"] = json!("u1");
        claims["domains"] = json!(["example.com"]);
        let principal = with_bearer(&token(claims)).expect("the token is good");
        assert_eq!((principal.scopes, principal.only_user), (scopes, None), "{shown}");
        assert_eq!(principal.user.as_ref().map(UserId::as_str), Some("u1"));
    }
    let almost = with_bearer(&token(json!({ "sub": "u1", "domains": ["example.com"], "role": "Administrator" })));
    assert!(almost.expect("the token is good").only_user.is_some());
}

#[test]
fn a_token_writes_to_the_domain_it_lists() {
    // The request's host belongs to example.com.
    for (domains, named, expected) in [
        (json!(["Shop.Example"]), None, Ok("shop.example")),
        (json!(["shop.example", "shop.example"]), None, Ok("shop.example")),
        (json!(["shop.example"]), Some("shop.example"), Ok("shop.example")),
        (json!(["shop.example"]), Some("example.com"), Err(AuthError::WrongDomain)),
        (json!(["shop.example", "example.com"]), None, Ok("example.com")),
        (json!(["shop.example", "example.com"]), Some("shop.example"), Ok("shop.example")),
        (json!(["shop.example", "blog.example"]), None, Err(AuthError::DomainRequired)),
        (json!(["shop.example", "blog.example"]), Some("third.example"), Err(AuthError::WrongDomain)),
        (json!(["*"]), None, Err(AuthError::DomainRequired)),
        (json!(["*"]), Some("any.example"), Ok("any.example")),
        (json!(["*", "shop.example"]), None, Err(AuthError::DomainRequired)),
        (json!(["shop.example"]), Some("bad domain"), Err(AuthError::InvalidDomain)),
        (json!(["a|b", "*.example"]), None, Err(AuthError::NoDomain)),
        (json!([]), Some("example.com"), Err(AuthError::NoDomain)),
        (json!("example.com"), None, Err(AuthError::NoDomain)),
        (json!(null), Some("example.com"), Err(AuthError::NoDomain)),
    ] {
        let bearer = format!("Bearer {}", token(json!({ "sub": "u1", "role": "admin", "domains": domains })));
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(named.map(|name| (DOMAIN_HEADER, name)));
        let found = call(&headers).map(|principal| principal.domain.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{domains} {named:?}");
    }
}

#[test]
fn a_token_that_is_no_good_says_why() {
    let domains = json!(["example.com"]);
    for (token, expected) in [
        (token(json!({ "sub": "u1", "domains": domains, "exp": NOW_SECONDS - 600 })), (401, "expired")),
        (token(json!({ "sub": "u1", "domains": domains, "nbf": NOW_SECONDS + 600 })), (401, "not_yet_valid")),
        (token(json!({ "sub": "u1" })), (403, "no_domain")),
        (token_with(&json!({ "alg": "none" }), &json!({}), JWT), (401, "malformed_credential")),
        (token_with(&json!({ "alg": "HS256" }), &json!({}), STRANGE), (401, "bad_signature")),
        ("not-a-token".to_owned(), (401, "malformed_credential")),
    ] {
        assert_eq!(status(&with_bearer(&token)), Some(expected), "{token}");
    }
    let without = config(&[("AUTH_JWT_SECRET", ""), ("AUTH_JWT_SECRET_PREVIOUS", "")]);
    let bearer = format!("Bearer {}", token(json!({ "sub": "u1", "domains": domains })));
    let refused = authenticate_with(&without, &[("Authorization", &bearer)]);
    assert_eq!(status(&refused), Some((401, "unknown_credential")));
}

#[test]
fn every_error_has_its_code_its_status_and_a_sentence() {
    let all = [
        AuthError::MissingCredential,
        AuthError::Malformed("it is empty"),
        AuthError::UnknownCredential,
        AuthError::BadSignature,
        AuthError::Expired,
        AuthError::NotYetValid,
        AuthError::WrongAudience,
        AuthError::Revoked,
        AuthError::WrongScope(Scopes::INGEST.with(Scopes::ADMIN)),
        AuthError::WrongDomain,
        AuthError::NoDomain,
        AuthError::DomainRequired,
        AuthError::InvalidDomain,
        AuthError::InvalidServiceName,
    ];
    let mut codes: Vec<_> = all.iter().map(|error| error.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all.len());
    for error in all {
        assert!([400, 401, 403].contains(&error.status()), "{error:?}");
        assert!(error.detail().ends_with(['.', '?']), "{error:?}");
    }
    assert_eq!(all[8].detail(), "This needs the scope ingest and admin.");
    assert_eq!(all[1].detail(), "The credential cannot be read: it is empty.");
    assert_eq!((AuthError::Revoked.status(), AuthError::Revoked.code()), (401, "revoked"));
}

// The Worker's reader.

#[test]
fn the_reader_takes_secrets_for_secrets_and_leaves_the_platforms_own_names_out() {
    let said = [
        ("ENVIRONMENT", "production"),
        ("KEY_SIGNING_SECRET", SIGNING),
        ("JWT_SECRET", JWT),
        ("__STATIC_CONTENT_MANIFEST", "{}"),
    ];
    let config = check(said.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let config = config.unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(config.auth_jwt_secret().is_some());
    let problems =
        check([("ENVIRONMENT".to_owned(), "production".to_owned()), ("TYPO".to_owned(), "1".to_owned())]).err();
    let kinds: Vec<_> = problems.iter().flat_map(|all| all.iter()).map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::Unknown, ProblemKind::Missing]);
}
