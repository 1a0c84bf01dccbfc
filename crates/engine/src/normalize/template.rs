//! The template that a client's logging library sends beside, or instead of, the message.
//!
//! Known by name are those of .NET's logging and its OpenTelemetry exporter (`{OriginalFormat}`), of Serilog
//! (`MessageTemplate`, and `message_template.text` on its way through OpenTelemetry), of OpenTelemetry's Java appenders
//! (`log.body.template`), of the convention proposed there (`log.record.template`), and of Sentry
//! (`sentry.message.template`, `logentry.message` beside its `params`). What the record says under its own name wins.
//!
//! A template that is the message itself says nothing: so comes a message with its values already in it from a program
//! that uses its library wrongly, and each would be a pattern of its own. Such a line is mined like any other.

use crate::limits::MESSAGE_BYTES_MAX;
use crate::record::RawRecord;
use crate::value::{Fields, Value, field};

/// Attributes that hold a template, and nothing else.
const NAMES: [&str; 5] = [
    "{OriginalFormat}",
    "message_template.text",
    "log.body.template",
    "log.record.template",
    "sentry.message.template",
];

/// Finds the template, and writes the message from it where only the template and its values came.
pub(super) fn adopt(raw: &mut RawRecord) {
    if raw.message_template.is_none() {
        raw.message_template = of_library(&mut raw.attributes, raw.message.as_deref());
    }
    if raw.message.is_none()
        && let Some(template) = &raw.message_template
    {
        raw.message = Some(rendered(template, &raw.attributes));
    }
}

/// The template that a library left in an attribute of its own; taken out of there if it is used.
fn of_library(attributes: &mut Fields, message: Option<&str>) -> Option<String> {
    let says_something = |text: &str| !text.trim().is_empty() && message.is_none_or(|message| message != text);
    let is_template =
        |(name, value): &(String, Value)| NAMES.contains(&name.as_str()) && value.as_text().is_some_and(says_something);
    if let Some(at) = attributes.iter().position(is_template) {
        return match attributes.remove(at).1 {
            Value::Text(text) => Some(text),
            _ => None,
        };
    }
    let Some(Value::Map(entry)) = field(attributes, "logentry") else { return None };
    let has_values = match field(entry, "params") {
        Some(Value::List(values)) => !values.is_empty(),
        Some(Value::Map(values)) => !values.is_empty(),
        _ => false,
    };
    field(entry, "message")?.as_text().filter(|text| has_values && says_something(text)).map(str::to_owned)
}

/// The template with its named places filled from the attributes: `{Name}`, `{@Name}`, `{$Name}`, `{Name,-8:000}`.
/// A place whose value is not there, or is no single value, stays as it is; `{{` and `}}` are braces.
fn rendered(template: &str, attributes: &Fields) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        if tail.starts_with("{{") || tail.starts_with("}}") {
            out.push_str(tail.get(..1).unwrap_or_default());
            rest = tail.get(2..).unwrap_or_default();
            continue;
        }
        let end = tail.find('}').filter(|_| tail.starts_with('{'));
        let place = end.and_then(|end| tail.get(..=end)).unwrap_or(tail.get(..1).unwrap_or_default());
        let name = place.trim_matches(['{', '}']).trim_start_matches(['@', '$']);
        let name = name.split([',', ':']).next().unwrap_or_default();
        match field(attributes, name).filter(|_| !name.is_empty()) {
            Some(Value::Text(text)) => out.push_str(text),
            Some(Value::Int(number)) => out.push_str(&number.to_string()),
            Some(Value::Float(number)) => out.push_str(&number.to_string()),
            Some(Value::Bool(truth)) => out.push_str(if *truth { "true" } else { "false" }),
            _ => out.push_str(place),
        }
        rest = tail.get(place.len()..).unwrap_or_default();
        if out.len() > MESSAGE_BYTES_MAX {
            // The rest would be cut anyway; a template of places for one long value must not grow without bound.
            break;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn record(message: Option<&str>, attributes: &[(&str, Value)]) -> RawRecord {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut raw = RawRecord { message: message.map(str::to_owned), attributes, ..RawRecord::default() };
        adopt(&mut raw);
        raw
    }

    #[test]
    fn every_library_s_attribute_is_the_template_and_is_taken_out() {
        for name in NAMES {
            let raw = record(Some("Hello, ann"), &[("name", text("ann")), (name, text("Hello, {name}"))]);
            assert_eq!(raw.message_template.as_deref(), Some("Hello, {name}"), "{name}");
            assert_eq!(raw.attributes.len(), 1);
        }
        let entry = |params| Value::Map(vec![("message".into(), text("Hello, %s")), ("params".into(), params)]);
        let sentry = record(Some("Hello, ann"), &[("logentry", entry(Value::List(vec![text("ann")])))]);
        assert_eq!((sentry.message_template.as_deref(), sentry.attributes.len()), (Some("Hello, %s"), 1));
        let bare = record(Some("Hello, ann"), &[("logentry", entry(Value::Null))]);
        assert_eq!(bare.message_template, None, "without values it is no template");
    }

    #[test]
    fn what_is_said_under_its_own_name_wins_and_what_says_nothing_is_left() {
        let mut raw = RawRecord { message_template: Some("own {x}".into()), ..RawRecord::default() };
        raw.attributes.push((NAMES[0].into(), text("other {x}")));
        adopt(&mut raw);
        assert_eq!((raw.message_template.as_deref(), raw.attributes.len()), (Some("own {x}"), 1));
        let wrong = record(Some("order 17 failed"), &[(NAMES[0], text("order 17 failed"))]);
        assert_eq!((wrong.message_template, wrong.attributes.len()), (None, 1));
        assert_eq!(record(Some("m"), &[(NAMES[0], Value::Int(3))]).message_template, None);
        assert_eq!(record(Some("m"), &[(NAMES[0], text(" "))]).message_template, None);
    }

    fn check(template: &str, expected: &str) {
        let mut raw = RawRecord { message_template: Some(template.into()), ..RawRecord::default() };
        raw.attributes = vec![
            ("User".into(), text("ann")),
            ("Count".into(), Value::Int(3)),
            ("Share".into(), Value::Float(0.5)),
            ("Late".into(), Value::Bool(true)),
            ("All".into(), Value::List(vec![])),
        ];
        adopt(&mut raw);
        assert_eq!(raw.message.as_deref(), Some(expected));
    }

    #[test]
    fn a_message_is_written_from_its_template() {
        check("Hello, {User}!", "Hello, ann!");
        check("{@User} {$User} {Count,-8:000} {Share:0.0} {Late}", "ann ann 3 0.5 true");
        check("{Missing} {All} {} {{User}} {User", "{Missing} {All} {} {User} {User");
        check("} { {User}", "} { {User}");
        check("é{User}é", "éanné");
    }

    #[test]
    fn a_template_of_places_for_one_long_value_does_not_grow_without_bound() {
        let attributes = vec![("a".to_owned(), text(&"x".repeat(16_000)))];
        assert!(rendered(&"{a}".repeat(20_000), &attributes).len() < 3 * MESSAGE_BYTES_MAX);
    }
}
