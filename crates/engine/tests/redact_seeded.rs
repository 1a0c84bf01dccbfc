//! Seeded proof of redaction: secrets of every kind, planted in every field, in every case, nesting, quoting and
//! encoding, are gone from the whole record; and ten thousand clean texts come out as they went in.
//!
//! The generator is a fixed one (splitmix64), so that a seed that fails is a test that fails again.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::record::{Frame, Record};
use sapwood_engine::redact::{RedactConfig, Redactor};
use sapwood_engine::value::Value;
use std::borrow::Cow;

struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| self.pick(&letters)).collect()
    }

    fn alnum(&mut self, length: usize) -> String {
        self.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
    }

    fn hex(&mut self, length: usize) -> String {
        self.text("0123456789abcdef", length)
    }

    fn digits(&mut self, length: usize) -> String {
        self.text("0123456789", length)
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for group in text.as_bytes().chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            encoded.push(if place <= group.len() { digit as char } else { '=' });
        }
    }
    encoded
}

fn base64_url(text: &str) -> String {
    base64(text).replace('+', "-").replace('/', "_").replace('=', "")
}

fn percent(text: &str, all: bool) -> String {
    let keep = |byte: u8| !all && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    text.bytes().map(|byte| if keep(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn json_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn unicode_escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn entities(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_string() } else { format!("&#{};", letter as u32) })
        .collect()
}

fn card(prefix: &str, length: usize, seed: &mut Seed) -> String {
    let mut digits = format!("{prefix}{}", seed.digits(length - 1 - prefix.len()));
    let double = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let values: Vec<u32> = digits.bytes().rev().map(|digit| u32::from(digit - b'0')).collect();
    let sum: u32 = values.iter().enumerate().map(|(at, &digit)| if at % 2 == 0 { double(digit) } else { digit }).sum();
    digits.push((b'0' + ((10 - sum % 10) % 10) as u8) as char);
    digits
}

fn jwt(seed: &mut Seed) -> String {
    let header = base64_url(&format!("{{\"alg\":\"HS256\",\"kid\":\"{}\"}}", seed.alnum(3)));
    let payload = base64_url(&format!("{{\"sub\":\"{}\"}}", seed.alnum(9)));
    let signature = if seed.below(3) == 0 { String::new() } else { seed.alnum(43) };
    format!("{header}.{payload}.{signature}")
}

/// A secret that is known by its shape, whatever stands around it.
fn shaped(seed: &mut Seed) -> String {
    match seed.below(24) {
        0 => format!("sw_{}.{}", seed.alnum(24), seed.alnum(22)),
        1 => format!("{}_{}_{}", seed.pick(&["sk", "pk", "rk"]), seed.pick(&["live", "test"]), seed.alnum(24)),
        2 => format!("sk-{}{}", seed.pick(&["", "proj-", "ant-api03-"]), seed.alnum(48)),
        3 => format!("{}_{}", seed.pick(&["ghp", "gho", "ghu", "ghs", "ghr"]), seed.alnum(36)),
        4 => format!("github_pat_{}_{}", seed.alnum(22), seed.alnum(59)),
        5 => format!("glpat-{}", seed.alnum(20)),
        6 => format!("xox{}-{}-{}", seed.pick(&["a", "b", "p", "r", "s"]), seed.digits(12), seed.alnum(24)),
        7 => format!("{}{}", seed.pick(&["AKIA", "ASIA"]), seed.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        8 => format!("AIza{}", seed.alnum(35)),
        9 => format!("ya29.{}", seed.alnum(60)),
        10 => format!("SG.{}.{}", seed.alnum(22), seed.alnum(43)),
        11 => format!("npm_{}", seed.alnum(36)),
        12 => format!("pypi-AgEIcHlwaS5vcmc{}", seed.alnum(60)),
        13 => format!("dop_v1_{}", seed.hex(64)),
        14 => format!("{}_{}", seed.pick(&["shpat", "shpss"]), seed.hex(32)),
        15 => format!("whsec_{}", seed.alnum(32)),
        16 => format!("SK{}", seed.hex(32)),
        17 => format!("key-{}", seed.hex(32)),
        18 => format!("hf_{}", seed.alnum(34)),
        19 => jwt(seed),
        20 => format!("{}.{}@{}.example.com", seed.text("abcdefgh", 6), seed.text("klmnop", 7), seed.text("rstuv", 5)),
        21 => {
            let kind = seed.pick(&["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]);
            let (first, second) = (seed.alnum(64), seed.alnum(40));
            format!("-----BEGIN {kind}PRIVATE KEY-----\n{first}\n{second}==\n-----END {kind}PRIVATE KEY-----")
        }
        22 => {
            let networks = [("4", 16), ("51", 16), ("2300", 16), ("37", 15), ("6011", 16), ("36", 14), ("3530", 16)];
            let (prefix, length) = seed.pick(&networks);
            card(prefix, length, seed)
        }
        _ => {
            let prefix = seed.pick(&["4", "55", "6011", "2720"]);
            let card = card(prefix, 16, seed);
            let gap = seed.pick(&[" ", "-"]);
            [&card[..4], &card[4..8], &card[8..12], &card[12..]].join(gap)
        }
    }
}

const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "api_key",
    "apikey",
    "x-api-key",
    "x-service-key",
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "private_key",
    "credential",
    "credentials",
    "ssn",
    "cvv",
    "card_number",
    "otp",
    "session_token",
    "csrf_token",
    "jwt",
    "user_password",
    "db.password",
];

/// A secret name in one of its spellings.
fn spelled(seed: &mut Seed) -> String {
    let name = seed.pick(NAMES);
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    match seed.below(7) {
        0 => name.to_uppercase(),
        1 => words.iter().map(|word| capital(word)).collect::<Vec<_>>().join("-"),
        2 => words[0].to_owned() + &words[1..].iter().map(|word| capital(word)).collect::<String>(),
        3 => words.join("_"),
        4 => words.join("-"),
        5 => words.iter().map(|word| capital(word)).collect(),
        _ => name.to_owned(),
    }
}

/// A text in which a name gives the secret away, and the secret.
fn named(seed: &mut Seed) -> (String, String) {
    let name = spelled(seed);
    let plain = format!("q{}", seed.alnum(15));
    let spaced = format!("q{} {}\"{}'{}", seed.alnum(6), seed.alnum(6), seed.alnum(5), seed.alnum(5));
    let quoted = json_escaped(&spaced);
    match seed.below(16) {
        0 => (format!("try {name}={plain} again"), plain),
        1 => (format!("try {name}: {plain} again"), plain),
        2 => (format!("{{\"a\":1,\"{name}\":\"{quoted}\",\"b\":2}}"), spaced),
        3 => (format!("\"{}\"", json_escaped(&format!("{{\"{name}\": \"{quoted}\"}}"))), spaced),
        4 => {
            let once = json_escaped(&format!("{{\"{name}\":\"{quoted}\",\"b\":2}}"));
            (json_escaped(&format!("{{\"body\":\"{once}\"}}")), spaced)
        }
        5 => (format!("{name}='{plain} {}' x", seed.alnum(4)), plain),
        6 => (format!("https://h.example/a?x=1&{name}={plain}&y=2"), plain),
        7 => (format!("x=1&{}&y=2", percent(&format!("{name}={plain}"), false)), plain),
        8 => (percent(&format!("{{\"{name}\":\"{plain}\"}}"), seed.below(2) == 0), plain),
        9 => (format!("tool --{name} {plain} --verbose"), plain),
        10 => (format!("tool --{name}={plain}"), plain),
        11 => (format!("postgres://bob:{plain}@db.example/app"), plain),
        12 => (format!("a\r\n{name}: {plain}\r\nHost: h"), plain),
        13 => {
            let scheme = seed.pick(&["Bearer", "bearer", "Token", "Digest", "Basic"]);
            (format!("Authorization: {scheme} {plain}"), plain)
        }
        14 => (format!("{{\"{}\":\"{quoted}\"}}", unicode_escaped(&name)), spaced),
        _ => (entities(&format!("{{\"{name}\":\"{plain}\"}}")), plain),
    }
}

/// A text with a secret in it, and the secret.
fn planted(seed: &mut Seed) -> (String, String) {
    if seed.below(2) == 0 {
        let (text, secret) = named(seed);
        return if seed.below(8) == 0 { (base64(&text), secret) } else { (text, secret) };
    }
    let secret = shaped(seed);
    let written = match seed.below(8) {
        0 => percent(&secret, false),
        1 => percent(&secret, true),
        2 => unicode_escaped(&secret),
        3 => entities(&secret),
        4 => json_escaped(&secret),
        5 => base64(&format!("see {secret} there")),
        _ => secret.clone(),
    };
    let text = match seed.below(4) {
        0 => written,
        1 => format!("failed with {written}, giving up"),
        2 => format!("[{written}] (x)"),
        _ => format!("{{\"note\":\"{written}\"}}"),
    };
    (text, secret)
}

type Put = fn(&mut Record, String);

/// Every text field of a record.
const FIELDS: &[(&str, Put)] = &[
    ("message", |record, text| record.message = text),
    ("stack_trace", |record, text| record.stack_trace = Some(text)),
    ("frame function", |record, text| record.frames.push(Frame { function: Some(text), ..Frame::default() })),
    ("frame file", |record, text| record.frames.push(Frame { file: Some(text), ..Frame::default() })),
    ("url", |record, text| record.url = Some(text)),
    ("user_agent", |record, text| record.user_agent = Some(text)),
    ("tags", |record, text| record.tags.push(text)),
    ("endpoint", |record, text| record.endpoint = Some(text)),
    ("error_code", |record, text| record.error_code = Some(text)),
    ("user_id", |record, text| record.user_id = Some(text)),
    ("session_id", |record, text| record.session_id = Some(text)),
    ("request_id", |record, text| record.request_id = Some(text)),
    ("trace_id", |record, text| record.trace_id = Some(text)),
    ("span_id", |record, text| record.span_id = Some(text)),
    ("component", |record, text| record.component = text),
    ("service", |record, text| record.service = Some(text)),
    ("release", |record, text| record.release = Some(text)),
    ("feature", |record, text| record.feature = Some(text)),
    ("workflow", |record, text| record.workflow = Some(text)),
    ("method", |record, text| record.method = Some(text)),
    ("environment", |record, text| record.environment = text),
    ("category", |record, text| record.category = text),
    ("message_template", |record, text| record.message_template = Some(text)),
    ("id", |record, text| record.id = Some(text)),
    ("ip", |record, text| record.ip = Some(text)),
    ("attribute value", |record, text| record.attributes.push(("note".into(), Value::Text(text)))),
    ("attribute key", |record, text| record.attributes.push((text, Value::Int(1)))),
    ("nested value", |record, text| {
        let list = Value::List(vec![Value::Null, Value::Map(vec![("deep".into(), Value::Text(text))])]);
        record.attributes.push(("outer".into(), Value::Map(vec![("inner".into(), list)])));
    }),
];

/// Every form in which `secret` must not be left; of a secret of several words, each word.
fn forms(secret: &str) -> Vec<String> {
    let debugged = format!("{secret:?}");
    let mut forms = vec![
        secret.to_owned(),
        debugged.trim_matches('"').to_owned(),
        percent(secret, false),
        percent(secret, true),
        base64(secret).trim_end_matches('=').to_owned(),
        base64_url(secret),
        json_escaped(secret),
        unicode_escaped(secret),
        entities(secret),
    ];
    let words = secret.split([' ', '"', '\'', '\n']).filter(|word| word.len() >= 5 && !is_armour(word));
    forms.extend(words.map(str::to_owned));
    forms
}

fn is_armour(word: &str) -> bool {
    word.starts_with('-') || word.ends_with('-') || ["PRIVATE", "OPENSSH", "ENCRYPTED"].contains(&word)
}

fn check_gone(record: &mut Record, secret: &str, context: &str) {
    let redactor = Redactor::default();
    let before = format!("{record:?}");
    redactor.redact(record);
    let after = format!("{record:?}");
    for form in forms(secret) {
        assert!(!after.contains(&form), "{context}: {form} of {secret}\nin {before}\nleft {after}");
    }
    assert!(!record.redactions.is_empty(), "{context}: nothing was counted in {before}");
    let once = record.clone();
    redactor.redact(record);
    assert_eq!(*record, once, "{context}: twice is once, from {before}");
}

#[test]
fn planted_secrets_are_gone_from_every_field_in_every_form() {
    for (index, (field, put)) in FIELDS.iter().enumerate() {
        for round in 0..400 {
            let mut seed = Seed((index * 1_000_003 + round) as u64);
            let (text, secret) = planted(&mut seed);
            // Sixteen digits in the place of a span id are a span id.
            if *field == "span_id" && text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let mut record = Record::default();
            put(&mut record, text);
            check_gone(&mut record, &secret, &format!("{field} {round}"));
        }
    }
}

#[test]
fn a_secret_name_takes_its_whole_subtree_at_any_depth_whatever_its_type() {
    for round in 0..2_000 {
        let mut seed = Seed(77_000_000 + round);
        let number = 1_000_000_000 + seed.below(1_000_000_000) as i64;
        let plain = seed.alnum(14);
        let (value, secret) = match seed.below(5) {
            0 => (Value::Text(plain.clone()), plain),
            1 => (Value::Int(number), number.to_string()),
            2 => (Value::Float(number as f64 + 0.5), number.to_string()),
            3 => (Value::List(vec![Value::Bool(true), Value::Text(plain.clone())]), plain),
            _ => (Value::Map(vec![(plain.clone(), Value::Map(vec![("b".into(), Value::Int(number))]))]), plain),
        };
        let key = spelled(&mut seed);
        let mut nested = if seed.below(4) == 0 {
            vec![("name".to_owned(), Value::Text(key)), ("value".to_owned(), value)]
        } else {
            vec![("kept".to_owned(), Value::Int(7)), (key, value)]
        };
        for _ in 0..seed.below(8) {
            let inner = Value::Map(nested);
            nested = vec![("a".to_owned(), if seed.below(2) == 0 { inner } else { Value::List(vec![inner]) })];
        }
        let mut record = Record { attributes: nested, ..Record::default() };
        check_gone(&mut record, &secret, &format!("round {round}"));
    }
}

#[test]
fn card_numbers_sent_as_numbers_are_gone() {
    let mut record = Record {
        attributes: vec![
            ("a".into(), Value::Int(4_111_111_111_111_111)),
            ("b".into(), Value::Float(5_555_555_555_554_444.0)),
            ("c".into(), Value::Int(4_111_111_111_111_112)),
        ],
        ..Record::default()
    };
    Redactor::default().redact(&mut record);
    let removed = || Value::Text("[redacted:card]".into());
    let kept = ("c".to_owned(), Value::Int(4_111_111_111_111_112));
    assert_eq!(record.attributes, vec![("a".into(), removed()), ("b".into(), removed()), kept]);
}

const PROSE: &[&str] = &[
    "Invalid password for user bob",
    "password reset requested",
    "Password: required",
    "token expired",
    "the secret santa party",
    "Basic authentication failed",
    "Bearer token missing from request",
    "Unexpected token < in JSON at position 0",
    "authorization denied by policy",
    "cookie banner shown",
    "pinned at 3 of 4",
    "the api key was rotated",
    "card declined: insufficient funds",
    "meet @ noon",
    "user agent Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
    "C:\\new\\temp\\u12\\report.txt",
    "rate is 100% of &c",
    "git clone git@github.com:org/repo.git",
    "😀 fine ✓",
];

/// A text without secrets, of the kinds that logs are full of.
fn clean(seed: &mut Seed) -> String {
    let number = seed.next();
    let mut up_to = |limit: usize| seed.below(limit);
    let (a, b, c) = (up_to(30), up_to(60), up_to(900));
    match up_to(22) {
        0 => format!("{}-{}-4{}-a{}-{}", seed.hex(8), seed.hex(4), seed.hex(3), seed.hex(3), seed.hex(12)),
        1 => seed.hex(32),
        2 => format!("trace={}:{}:1", seed.hex(32), seed.hex(16)),
        3 => (946_684_800_000 + number % 1_262_304_000_000).to_string(),
        4 => (946_684_800_000_000 + number % 1_262_304_000_000_000).to_string(),
        5 => (946_684_800_000_000_000 + number % 1_262_304_000_000_000_000).to_string(),
        6 => format!("2026-11-{:02}T{:02}:{b:02}:{b:02}.{:06}Z", 1 + a % 28, a % 24, number % 1_000_000),
        7 => format!("order {} shipped in {c} ms", number % 1_000_000_000_000),
        8 => format!("v{a}.{b}.{c}-rc.{}+{}", a % 9, seed.hex(7)),
        9 => format!("0.{}", seed.digits(16)),
        10 => format!("/usr/lib/node_modules/{}@{a}.{b}.{c}/lib/index.js:{c}:{b}", seed.text("abcdefg", 6)),
        11 => format!("registry/app@sha256:{}", seed.hex(64)),
        12 => format!("+49 1{} {}", seed.digits(2), seed.digits(8)),
        13 => format!("https://h.example:8443/users/{}/items?page={a}&sort=-created_at", number % 100_000),
        14 => format!("tokens_used={c} max_tokens={b} token_count: {a}"),
        15 => format!("01{}", seed.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24)),
        16 => format!("crate::token::{}::next at src/secret.rs:{c}", seed.text("abcxyz", 5)),
        17 => format!("at com.example.auth.TokenService.refresh(TokenService.java:{c})"),
        18 => format!("{a}.{b}.{a}.{b}:{} GET /login 200", 1024 + c),
        19 => format!("sha1 {} md5 {}", seed.hex(40), seed.hex(32)),
        20 => format!("tel:{} pid={c} 0x{}", number % 100_000_000_000, seed.hex(16)),
        _ => seed.pick(PROSE).to_owned(),
    }
}

#[test]
fn ten_thousand_clean_texts_lose_nothing() {
    let redactor = Redactor::default();
    let mut seed = Seed(42);
    for _ in 0..10_000 {
        let text = clean(&mut seed);
        assert!(matches!(redactor.redact_text(&text), Cow::Borrowed(same) if same == text), "{text}");
        let sentence = format!("request {text} done");
        assert_eq!(redactor.redact_text(&sentence), sentence);
    }
}

#[test]
fn clean_numbers_and_ids_stay_in_every_field_and_type() {
    let redactor = Redactor::default();
    let mut seed = Seed(43);
    for _ in 0..1_000 {
        let mut record = Record::default();
        for (_, put) in FIELDS {
            put(&mut record, clean(&mut seed));
        }
        let micros = 1_700_000_000_000_000 + (seed.next() % 1_000_000_000_000) as i64;
        record.attributes.push(("at".into(), Value::Int(micros)));
        record.attributes.push(("share".into(), Value::Float(0.25)));
        record.span_id = Some("4111111111111111".into());
        let before = record.clone();
        redactor.redact(&mut record);
        assert_eq!(record, before);
    }
}

#[test]
fn odds_for_random_numbers_are_as_documented() {
    let redactor = Redactor::default();
    let mut seed = Seed(44);
    for (length, lost_at_most) in
        [(12, 0), (13, 140), (14, 45), (15, 40), (16, 300), (17, 20), (18, 20), (19, 160), (20, 0)]
    {
        let lost = (0..10_000)
            .filter(|_| {
                let number = format!("{}{}", seed.text("123456789", 1), seed.digits(length - 1));
                redactor.redact_text(&number) != number
            })
            .count();
        assert!(lost <= lost_at_most, "{lost} of 10000 numbers of {length} digits");
    }
}

#[test]
fn counts_are_merged_in_order_of_kind_and_addresses_go_if_asked_for() {
    let config = RedactConfig { redact_ip: true, redact_email: false, extra_names: vec!["patient".into()] };
    let redactor = Redactor::new(&config);
    let dsn = Value::Text("u:p@tcp(h)/d".into());
    let mut record = Record {
        message: "from 10.0.0.1 by a@example.com password=x".into(),
        ip: Some("10.0.0.1".into()),
        attributes: vec![("Patient".into(), Value::Text("Bob".into())), ("dsn".into(), dsn)],
        ..Record::default()
    };
    redactor.redact(&mut record);
    assert_eq!(record.message, "from [redacted:ip] by a@example.com password=[redacted:field]");
    assert_eq!(record.ip.as_deref(), Some("[redacted:ip]"));
    let words = |record: &Record| -> Vec<(&str, u32)> {
        record.redactions.iter().map(|item| (item.kind.word(), item.count)).collect()
    };
    assert_eq!(words(&record), [("field", 3), ("ip", 2)]);
    record.release = Some("token=abc".into());
    redactor.redact(&mut record);
    assert_eq!(words(&record), [("field", 4), ("ip", 2)]);
}
