//! From what was written to what it means: one value of one kind, or the sentence that says what would be allowed.

use super::keys::{Kind, TimeUnit};
use super::secret::{SECRET_CHARS_MIN, Secret, is_webhook_secret};
use super::web_address::{OriginPattern, WebAddress};
use crate::address::Domain;
use crate::baseline::Zone;
use crate::time::Millis;

/// Entries of a list at most. Each costs a comparison per request or per field.
const LIST_ENTRIES_MAX: usize = 100;
/// Bytes of a field name to be redacted.
const NAME_BYTES_MAX: usize = 128;
/// Characters of a refused value that are repeated in a problem.
const SHOWN_CHARS_MAX: usize = 80;

/// A checked value.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    DomainName(Domain),
    Flag(bool),
    Count(u64),
    Duration(Millis),
    Address(WebAddress),
    Names(Vec<String>),
    Origins(Vec<OriginPattern>, String),
    Secret(Secret),
    SecretAddress(WebAddress),
}

/// What `text` means as a value of this kind, or why it means nothing.
pub(super) fn parse(kind: Kind, bare: TimeUnit, text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Err("is empty; remove it to get the default".to_owned());
    }
    let parsed = match kind {
        Kind::Text(bytes_max) => {
            let fits = text.len() <= bytes_max && !text.chars().any(char::is_control);
            fits.then(|| Value::Text(text.to_owned()))
        }
        Kind::DomainName => Domain::parse(text).map(Value::DomainName),
        Kind::Choice(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
        Kind::TimeZone => Zone::parse(text).map(|_| Value::Text(text.to_owned())),
        Kind::Flag => parse_flag(text).map(Value::Flag),
        Kind::Count { min, max, .. } => digits(text).filter(|count| (min..=max).contains(count)).map(Value::Count),
        Kind::Duration { min, max } => {
            parse_duration(text, bare).filter(|span| (min..=max).contains(span)).map(Value::Duration)
        }
        Kind::Address => WebAddress::parse(text).map(Value::Address),
        Kind::Names => parse_list(text, |name| is_field_name(name).then(|| name.to_owned())).map(Value::Names),
        Kind::Origins => parse_list(text, OriginPattern::parse).map(|origins| Value::Origins(origins, text.to_owned())),
        Kind::Secret => return parse_secret(text),
        Kind::ForeignSecret => {
            let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
            visible.then(|| Value::Secret(Secret::new(text)))
        }
        Kind::WebhookSecret => is_webhook_secret(text).then(|| Value::Secret(Secret::new(text))),
        Kind::SecretAddress => WebAddress::parse(text).map(Value::SecretAddress),
    };
    parsed.ok_or_else(|| "is not allowed here".to_owned())
}

/// What values of this kind may look like, in words.
pub(super) fn allowed(kind: Kind) -> String {
    match kind {
        Kind::Text(bytes_max) => format!("one line of at most {bytes_max} bytes"),
        Kind::DomainName => "a host name such as example.com".to_owned(),
        Kind::Choice(words) => words.join(" | "),
        Kind::TimeZone => "a rule such as CET-1CEST,M3.5.0,M10.5.0/3, or a name such as Europe/Berlin".to_owned(),
        Kind::Flag => "true | false".to_owned(),
        Kind::Count { min, max, unit } => format!("{min} to {max} {unit}"),
        Kind::Duration { min, max } => {
            format!("{} to {} (milliseconds, or with ms, s, m, h, d)", show_duration(min), show_duration(max))
        }
        Kind::Address => "http:// or https:// with a host, no user name".to_owned(),
        Kind::Names => format!("at most {LIST_ENTRIES_MAX} field names separated by commas, or none"),
        Kind::Origins => format!(
            "at most {LIST_ENTRIES_MAX} of https://host[:port], https://*.host or *, separated by commas, or none"
        ),
        Kind::Secret => format!("{SECRET_CHARS_MIN} or more random characters without spaces"),
        Kind::ForeignSecret => "visible ASCII characters without spaces".to_owned(),
        Kind::WebhookSecret => "whsec_ and the base64 of 24 to 64 random bytes".to_owned(),
        Kind::SecretAddress => "https:// with a host, no user name".to_owned(),
    }
}

impl Value {
    /// The value as people may see it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::DomainName(domain) => domain.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Duration(span) => show_duration(*span),
            Self::Address(address) => address.site().to_owned(),
            Self::Names(names) if names.is_empty() => "none".to_owned(),
            Self::Names(names) => names.join(","),
            Self::Origins(_, text) => text.clone(),
            Self::Secret(_) | Self::SecretAddress(_) => "set".to_owned(),
        }
    }
}

/// The refused `text` as it may be repeated to people: nothing of a secret or of an address (which may hold one),
/// control characters escaped, the rest cut.
pub(super) fn shown_refused(kind: Kind, text: &str) -> Option<String> {
    let hidden = kind.is_secret() || matches!(kind, Kind::Address);
    (!hidden).then(|| text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect())
}

/// A span in the largest unit that divides it.
pub(super) fn show_duration(span: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let found = units.into_iter().find(|(unit, _)| span.0 != 0 && span.0 % unit == 0);
    let (unit, word) = found.unwrap_or((1, "ms"));
    format!("{}{word}", span.0 / unit)
}

fn parse_secret(text: &str) -> Result<Value, String> {
    let secret = Secret::new(text);
    match secret.weakness() {
        Some(weakness) => Err(weakness.to_owned()),
        None => Ok(Value::Secret(secret)),
    }
}

fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Only digits: `u64::from_str` would take a sign as well.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn parse_duration(text: &str, bare: TimeUnit) -> Option<Millis> {
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))?;
    let scale: i64 = match (unit, bare) {
        ("", TimeUnit::Milliseconds) | ("ms", _) => 1,
        ("", TimeUnit::Seconds) | ("s", _) => 1_000,
        ("m", _) => 60_000,
        ("h", _) => 3_600_000,
        ("d", _) => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(scale).map(Millis)
}

fn parse_list<T>(text: &str, entry: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let entries: Vec<T> = text.split(',').map(|part| entry(part.trim())).collect::<Option<_>>()?;
    (entries.len() <= LIST_ENTRIES_MAX).then_some(entries)
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_SPAN: Kind = Kind::Duration { min: Millis(0), max: Millis::from_hours(48) };

    fn check_duration(text: &str, bare: TimeUnit, expected: Option<i64>) {
        let found = match parse(ANY_SPAN, bare, text) {
            Ok(Value::Duration(span)) => Some(span.0),
            _ => None,
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn durations_are_milliseconds_or_carry_a_unit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("30000", Some(30_000)),
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            ("10m", Some(600_000)),
            ("24h", Some(86_400_000)),
            ("2d", Some(172_800_000)),
            ("3d", None),
            ("-1", None),
            ("+1", None),
            ("1.5s", None),
            ("s", None),
            ("1 s", None),
            ("10M", None),
            ("10min", None),
            ("99999999999999999999", None),
            ("9223372036854775807d", None),
            ("\u{661}s", None),
            ("", None),
        ] {
            check_duration(text, TimeUnit::Milliseconds, expected);
        }
        check_duration("300", TimeUnit::Seconds, Some(300_000));
        check_duration("300ms", TimeUnit::Seconds, Some(300));
    }

    #[test]
    fn durations_are_shown_in_the_largest_whole_unit() {
        for (ms, shown) in
            [(0, "0ms"), (1, "1ms"), (1_500, "1500ms"), (90_000, "90s"), (600_000, "10m"), (86_400_000, "1d")]
        {
            assert_eq!(show_duration(Millis(ms)), shown);
        }
    }

    #[test]
    fn each_kind_takes_its_own_and_nothing_else() {
        let count = Kind::Count { min: 1, max: 100, unit: "x" };
        for (kind, text, expected) in [
            (Kind::TimeZone, "Europe/Berlin", Some("Europe/Berlin")),
            (Kind::TimeZone, "CET-1CEST,M3.5.0,M10.5.0/3", Some("CET-1CEST,M3.5.0,M10.5.0/3")),
            (Kind::TimeZone, "Berlin", None),
            (Kind::Flag, "true", Some("true")),
            (Kind::Flag, "0", Some("false")),
            (Kind::Flag, "TRUE", None),
            (count, "1", Some("1")),
            (count, "100", Some("100")),
            (count, "0", None),
            (count, "101", None),
            (count, "+5", None),
            (count, "5 ", None),
            (count, "1e2", None),
            (Kind::Choice(&["a", "b"]), "b", Some("b")),
            (Kind::Choice(&["a", "b"]), "B", None),
            (Kind::Text(5), "abcde", Some("abcde")),
            (Kind::Text(5), "abcdef", None),
            (Kind::Text(5), "a\nb", None),
            (Kind::DomainName, "Shop.Example", Some("shop.example")),
            (Kind::DomainName, "shop|example", None),
            (Kind::Address, "https://a.example/secret/path", Some("https://a.example")),
            (Kind::Address, "a.example", None),
            (Kind::Names, "ssn, iban", Some("ssn,iban")),
            (Kind::Names, "none", Some("none")),
            (Kind::Names, "a,,b", None),
            (Kind::Names, "with space,b", None),
            (Kind::Origins, "https://a.example, https://*.b.example", Some("https://a.example, https://*.b.example")),
            (Kind::Origins, "a.example", None),
            (Kind::Secret, "9f86d081884c7d659a2feaa0c55ad015", Some("set")),
            (Kind::Secret, "short", None),
            (Kind::ForeignSecret, "short", Some("set")),
            (Kind::ForeignSecret, "two words", None),
            (Kind::SecretAddress, "https://hooks.example/T0/B0/x", Some("set")),
            (Kind::SecretAddress, "hooks", None),
        ] {
            let found = parse(kind, TimeUnit::Milliseconds, text).ok().map(|value| value.shown());
            assert_eq!(found.as_deref(), expected, "{kind:?} {text}");
        }
    }

    #[test]
    fn lists_have_an_end() {
        let names = |count: usize| vec!["n"; count].join(",");
        assert!(parse(Kind::Names, TimeUnit::Milliseconds, &names(LIST_ENTRIES_MAX)).is_ok());
        assert!(parse(Kind::Names, TimeUnit::Milliseconds, &names(LIST_ENTRIES_MAX + 1)).is_err());
    }

    #[test]
    fn refused_values_are_repeated_only_where_nothing_can_leak() {
        assert_eq!(shown_refused(Kind::Flag, "ye\u{1b}[31ms").as_deref(), Some("ye\\u{1b}[31ms"));
        assert_eq!(shown_refused(Kind::Text(1), &"x".repeat(500)).map(|shown| shown.len()), Some(SHOWN_CHARS_MAX));
        for kind in [Kind::Secret, Kind::ForeignSecret, Kind::WebhookSecret, Kind::SecretAddress, Kind::Address] {
            assert_eq!(shown_refused(kind, "hunter2"), None, "{kind:?}");
        }
    }
}
