//! Attributes, tags and the fields of a request within their limits: bounded in number, depth, and bytes, every text
//! and name clean. What is left out leaves a mark: in place of a value that is too deep, or as a defect.

use super::notes::Notes;
use super::text::Breaks;
use crate::limits;
use crate::record::Defect;
use crate::value::{Fields, Value};
use std::net::{IpAddr, SocketAddr};

/// Cleans attributes in place and cuts what is too many, too deep, or too long.
pub(crate) fn bound_attributes(attributes: &mut Fields, notes: &mut Notes) {
    let mut budget = Budget { values: limits::ATTRIBUTES_MAX, bytes: limits::ATTRIBUTES_BYTES_MAX };
    bound_map(attributes, 1, &mut budget, notes);
}

/// What may still be kept.
struct Budget {
    values: usize,
    bytes: usize,
}

impl Budget {
    /// Takes one value and `bytes` of text; false if that is more than is left.
    fn take(&mut self, bytes: usize) -> bool {
        match (self.values.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(values), Some(bytes)) => {
                (self.values, self.bytes) = (values, bytes);
                true
            }
            _ => false,
        }
    }
}

fn bound_map(fields: &mut Fields, depth: usize, budget: &mut Budget, notes: &mut Notes) {
    let mut kept = 0;
    for (name, value) in fields.iter_mut() {
        notes.clean(name, limits::ATTRIBUTE_NAME_BYTES_MAX, Breaks::Escaped, Defect::FieldCut);
        if !bound_value(value, name.len(), depth, budget, notes) {
            break;
        }
        kept += 1;
    }
    if kept < fields.len() {
        fields.truncate(kept);
        notes.defect(Defect::AttributesCut);
    }
}

/// Bounds one value; false if there is no room left for it.
fn bound_value(value: &mut Value, name_len: usize, depth: usize, budget: &mut Budget, notes: &mut Notes) -> bool {
    if let Value::Text(text) = value {
        notes.clean(text, limits::ATTRIBUTE_BYTES_MAX, Breaks::Escaped, Defect::FieldCut);
        return budget.take(name_len + text.len());
    }
    if !budget.take(name_len + 8) {
        return false;
    }
    let inside = match value {
        Value::List(list) => list.len(),
        Value::Map(fields) => fields.len(),
        _ => return true,
    };
    if depth >= limits::ATTRIBUTE_DEPTH_MAX && inside > 0 {
        notes.defect(Defect::NestingCut);
        *value = Value::Text(format!("…[cut {inside} values]"));
        return true;
    }
    match value {
        Value::Map(fields) => bound_map(fields, depth + 1, budget, notes),
        Value::List(list) => {
            let kept =
                list.iter_mut().map_while(|item| bound_value(item, 0, depth + 1, budget, notes).then_some(())).count();
            if kept < list.len() {
                list.truncate(kept);
                notes.defect(Defect::AttributesCut);
            }
        }
        _ => {}
    }
    true
}

/// Cleans tags in place; blank ones go, and those beyond the limit.
pub(crate) fn bound_tags(tags: &mut Vec<String>, notes: &mut Notes) {
    if tags.is_empty() {
        return;
    }
    let sent = std::mem::take(tags);
    for tag in sent {
        let Some(tag) = notes.field_within(Some(tag), limits::TAG_BYTES_MAX) else { continue };
        if tags.len() == limits::TAGS_MAX {
            notes.defect(Defect::TagsCut);
            return;
        }
        tags.push(tag);
    }
}

/// A measure that is finite and not negative; any other stays visible as an attribute.
pub(crate) fn measure(sent: Option<f64>, name: &str, notes: &mut Notes) -> Option<f64> {
    let number = sent?;
    if number.is_finite() && number >= 0.0 {
        return Some(number);
    }
    let shown = if number.is_finite() { Value::Float(number) } else { Value::Text(number.to_string()) };
    notes.ignore(name, shown);
    None
}

/// An address, without port; of a list as proxies send it, the first. Anything else stays visible as an attribute.
pub(crate) fn address(sent: Option<String>, notes: &mut Notes) -> Option<String> {
    let text = notes.field(sent)?;
    let first = text.split(',').next().unwrap_or_default().trim();
    let bare = first.trim_start_matches('[').trim_end_matches(']');
    let found = bare.parse::<IpAddr>().or_else(|_| first.parse::<SocketAddr>().map(|socket| socket.ip()));
    match found {
        Ok(address) => Some(address.to_string()),
        Err(_) => {
            notes.ignore("ip", Value::Text(text));
            None
        }
    }
}

/// An HTTP method in capitals.
pub(crate) fn method(sent: Option<String>, notes: &mut Notes) -> Option<String> {
    let mut method = notes.field(sent)?;
    method.make_ascii_uppercase();
    Some(method)
}

/// A caller's own id. Two long ids must not become one by cutting, so an id that does not fit is no id.
pub(crate) fn id(sent: Option<String>, notes: &mut Notes) -> Option<String> {
    match sent {
        Some(id) if id.len() > limits::FIELD_BYTES_MAX => {
            notes.ignore("id", Value::Text(id));
            None
        }
        sent => notes.field(sent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> Value {
        Value::Text(content.to_string())
    }

    fn bounded(mut fields: Fields) -> (Fields, Vec<Defect>) {
        let mut notes = Notes::default();
        bound_attributes(&mut fields, &mut notes);
        (fields, notes.defects)
    }

    #[test]
    fn ordinary_attributes_stay_as_sent() {
        let sent = vec![
            ("a".to_string(), Value::Int(1)),
            ("b".to_string(), Value::Map(vec![("c".into(), Value::List(vec![Value::Null, text("x")]))])),
        ];
        assert_eq!(bounded(sent.clone()), (sent, vec![]));
    }

    #[test]
    fn names_and_texts_are_clean_and_cut() {
        let (fields, defects) =
            bounded(vec![("a\nb".into(), text("c\u{1b}[1md")), ("e".into(), text(&"x".repeat(20_000)))]);
        assert_eq!(fields[0], ("a\\nb".to_string(), text("cd")));
        assert!(fields[1].1.as_text().is_some_and(|text| text.len() <= limits::ATTRIBUTE_BYTES_MAX));
        assert_eq!(defects, [Defect::ControlCharacters, Defect::FieldCut]);
    }

    #[test]
    fn too_many_values_are_cut_over_all_depths() {
        let list = |count| Value::List((0..count).map(Value::Int).collect());
        let (fields, defects) =
            bounded(vec![("a".into(), list(300)), ("b".into(), list(300)), ("c".into(), Value::Null)]);
        assert_eq!(fields.len(), 2);
        assert!(matches!(&fields[1].1, Value::List(list) if list.len() == 512 - 2 - 300));
        assert_eq!(defects, [Defect::AttributesCut]);
    }

    #[test]
    fn too_many_bytes_are_cut() {
        let many = (0..20).map(|index| (index.to_string(), text(&"x".repeat(16_000)))).collect();
        let (fields, defects) = bounded(many);
        assert_eq!(fields.len(), limits::ATTRIBUTES_BYTES_MAX / 16_000);
        assert_eq!(defects, [Defect::AttributesCut]);
    }

    #[test]
    fn what_is_too_deep_says_how_much_is_missing() {
        let mut value = Value::List(vec![Value::Null, Value::Null]);
        for _ in 0..20 {
            value = Value::Map(vec![("n".into(), value)]);
        }
        let (fields, defects) = bounded(vec![("deep".into(), value)]);
        assert_eq!(defects, [Defect::NestingCut]);
        let mut depth = 1;
        let mut at = &fields[0].1;
        while let Value::Map(fields) = at {
            at = &fields[0].1;
            depth += 1;
        }
        assert_eq!((depth, at), (limits::ATTRIBUTE_DEPTH_MAX, &text("…[cut 1 values]")));
    }

    #[test]
    fn tags_are_clean_few_and_short() {
        let mut notes = Notes::default();
        let mut tags: Vec<String> = (0..40).map(|index| format!("t{index}\n")).collect();
        tags.insert(0, " ".into());
        tags.insert(0, "x".repeat(90));
        bound_tags(&mut tags, &mut notes);
        assert_eq!(tags.len(), limits::TAGS_MAX);
        assert_eq!(tags[1], "t0");
        assert!(tags[0].len() <= limits::TAG_BYTES_MAX);
        assert_eq!(notes.defects, [Defect::FieldCut, Defect::TagsCut]);
    }

    #[test]
    fn measures_are_finite_and_not_negative() {
        let mut notes = Notes::default();
        assert_eq!(measure(Some(1.5), "d", &mut notes), Some(1.5));
        assert_eq!(measure(Some(0.0), "d", &mut notes), Some(0.0));
        assert_eq!(measure(None, "d", &mut notes), None);
        assert!(notes.defects.is_empty());
        assert_eq!(measure(Some(-1.0), "d", &mut notes), None);
        assert_eq!(measure(Some(f64::NAN), "m", &mut notes), None);
        assert_eq!(notes.aside, [("d".to_string(), Value::Float(-1.0)), ("m".to_string(), text("NaN"))]);
    }

    #[test]
    fn addresses_lose_ports_and_proxies() {
        let mut notes = Notes::default();
        for (sent, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("[2001:DB8::1]:443", Some("2001:db8::1")),
            ("[::1]", Some("::1")),
            ("192.0.2.1, 10.0.0.1", Some("192.0.2.1")),
            ("localhost", None),
        ] {
            assert_eq!(address(Some(sent.into()), &mut notes).as_deref(), expected, "{sent}");
        }
        assert_eq!(notes.aside, [("ip".to_string(), text("localhost"))]);
    }

    #[test]
    fn an_id_is_whole_or_none() {
        let mut notes = Notes::default();
        assert_eq!(id(Some(" a-1 ".into()), &mut notes).as_deref(), Some("a-1"));
        assert_eq!(id(Some("x".repeat(limits::FIELD_BYTES_MAX + 1)), &mut notes), None);
        assert_eq!(notes.defects, [Defect::FieldIgnored]);
        assert_eq!(method(Some("get".into()), &mut notes).as_deref(), Some("GET"));
    }
}
