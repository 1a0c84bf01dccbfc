//! Trace and span ids: hexadecimal as W3C Trace Context wants them, in lower case, never all zero.

use super::notes::Notes;
use crate::value::{Value, field};

/// Reads the ids as sent; what is missing is taken from a `traceparent` attribute. An unusable id stays visible as an
/// attribute.
pub(crate) fn read(
    trace: Option<String>,
    span: Option<String>,
    attributes: &[(String, Value)],
    notes: &mut Notes,
) -> (Option<String>, Option<String>) {
    let mut trace = checked(trace, "trace_id", 32, notes);
    let mut span = checked(span, "span_id", 16, notes);
    if (trace.is_none() || span.is_none())
        && let Some((parent_trace, parent_span)) =
            field(attributes, "traceparent").and_then(Value::as_text).and_then(parse)
    {
        // A span belongs to its trace: one sent with another trace is left alone.
        if trace.as_deref().is_none_or(|trace| trace == parent_trace) {
            trace = Some(parent_trace);
            span = span.or(Some(parent_span));
        }
    }
    (trace, span)
}

fn checked(sent: Option<String>, name: &str, digits: usize, notes: &mut Notes) -> Option<String> {
    let text = notes.field(sent)?;
    let id = hex(&text, digits).or_else(|| {
        // Some tracers print a trace id as a UUID.
        let bare: String = if text.len() == 36 { text.split('-').collect() } else { return None };
        hex(&bare, digits)
    });
    if id.is_none() {
        notes.ignore(name, Value::Text(text));
    }
    id
}

fn hex(text: &str, digits: usize) -> Option<String> {
    let usable = text.len() == digits
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0');
    usable.then(|| text.to_ascii_lowercase())
}

/// Trace and span id of a `traceparent` header. Later versions may append to what version 00 has; `ff` is forbidden,
/// and so is upper case.
fn parse(header: &str) -> Option<(String, String)> {
    let header = header.trim();
    let mut parts = header.splitn(5, '-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let well_formed =
        version.len() == 2 && flags.len() == 2 && lower(version) && lower(flags) && lower(trace) && lower(span);
    if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    Some((hex(trace, 32)?, hex(span, 16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn ids(trace: &str, span: &str, parent: &str) -> (Option<String>, Option<String>, usize) {
        let mut notes = Notes::default();
        let attributes = vec![("traceparent".to_string(), Value::Text(parent.into()))];
        let (trace, span) = read(Some(trace.into()), Some(span.into()), &attributes, &mut notes);
        (trace, span, notes.aside.len())
    }

    #[test]
    fn ids_are_hexadecimal_lower_case_and_not_zero() {
        let both = (Some(TRACE.to_string()), Some(SPAN.to_string()), 0);
        assert_eq!(ids(TRACE, SPAN, ""), both);
        assert_eq!(ids(&TRACE.to_uppercase(), &SPAN.to_uppercase(), ""), both);
        assert_eq!(ids("0af76519-16cd-43dd-8448-eb211c80319c", SPAN, ""), both);
        for unusable in ["xyz", "123", &"0".repeat(32), &format!("{TRACE}0"), "0af76519-16cd-43dd-8448-eb211c80319"] {
            assert_eq!(ids(unusable, "", ""), (None, None, 1), "{unusable}");
        }
        assert_eq!(ids("", &"0".repeat(16), ""), (None, None, 1));
    }

    #[test]
    fn a_traceparent_fills_in_what_is_missing() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let both = (Some(TRACE.to_string()), Some(SPAN.to_string()), 0);
        assert_eq!(ids("", "", &parent), both);
        assert_eq!(ids(TRACE, "", &parent), both);
        assert_eq!(ids("", "", &format!("cc-{TRACE}-{SPAN}-01-more")), both);
        let other = "1".repeat(32);
        assert_eq!(ids(&other, "", &parent), (Some(other.clone()), None, 0));
        for invalid in [
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            String::new(),
        ] {
            assert_eq!(ids("", "", &invalid), (None, None, 0), "{invalid}");
        }
    }
}
