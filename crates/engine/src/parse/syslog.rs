//! Syslog: the priority in angle brackets, the versioned header of RFC 5424, and host and tag as RFC 3164 has them.

use crate::level::Level;
use crate::parse::header::{self, ParsedLine};
use crate::parse::{level_token, pairs, timestamp, word};
use crate::time::Timestamp;
use std::borrow::Cow;

/// The level in `<PRI>` at the start of `text`, and the bytes it took.
pub(crate) fn priority(text: &str) -> Option<(Level, usize)> {
    let inner = text.strip_prefix('<')?;
    let digits = inner.bytes().take(4).take_while(u8::is_ascii_digit).count();
    let number: u16 = inner.get(..digits)?.parse().ok()?;
    if digits > 3 || number > 191 || inner.as_bytes().get(digits) != Some(&b'>') {
        return None;
    }
    Some((severity(number % 8), digits + 2))
}

/// The level of a syslog severity, 0 (emergency) to 7 (debug); larger numbers count as 7.
pub(crate) fn severity(number: u16) -> Level {
    match number {
        0 => Level::FATAL,
        1 => Level::ALERT,
        2 => Level::CRITICAL,
        3 => Level::ERROR,
        4 => Level::WARN,
        5 => Level::NOTICE,
        6 => Level::INFO,
        _ => Level::DEBUG,
    }
}

/// `[<PRI>]1 TIME HOST APP PROCID MSGID SD [MSG]`. The message is parsed as a line of its own.
pub(crate) fn read_versioned<'a>(body: &'a str, reference: Timestamp, nesting: u8) -> Option<ParsedLine<'a>> {
    let (level, mut at) = match priority(body) {
        Some((level, len)) => (Some(level), len),
        None => (None, 0),
    };
    let version = body.get(at..)?.bytes().take(3).take_while(u8::is_ascii_digit).count();
    if !(1..=2).contains(&version) {
        return None;
    }
    at += version;
    let mut parsed = ParsedLine { level, ..ParsedLine::default() };
    let time = column(body, &mut at)?;
    if time != "-" {
        let (found, len) = timestamp::read_prefix(time, reference)?;
        parsed.timestamp = (len == time.len() && time.contains('T')).then_some(found);
        parsed.timestamp?;
    } else if level.is_none() {
        return None;
    }
    let mut value = || column(body, &mut at).map(|value| Some(value).filter(|value| *value != "-"));
    let (host, process, pid, message_id) = (value()?, value()?, value()?, value()?);
    (parsed.host, parsed.process, parsed.pid) = (host, process, pid);
    if let Some(id) = message_id {
        parsed.push_field("msgid", Cow::Borrowed(id));
    }
    at += structured_data(body.get(at..)?, &mut parsed)?;
    let rest = body.get(at..)?;
    let message = rest.trim_start().trim_start_matches('\u{feff}');
    carry(&mut parsed, message, rest, reference, nesting);
    Some(parsed)
}

/// Gives `parsed` its message, which may be a line of another kind.
pub(crate) fn carry<'a>(
    parsed: &mut ParsedLine<'a>,
    message: &'a str,
    raw: &'a str,
    reference: Timestamp,
    nesting: u8,
) {
    if nesting == 0 || message.is_empty() {
        parsed.message = Cow::Borrowed(message);
        return;
    }
    // One blank separates header and message; what is left is the indentation of a stack frame.
    let indented = raw.strip_prefix(' ').unwrap_or(raw);
    let inner = if indented.starts_with([' ', '\t']) { indented } else { message };
    let inner = header::parse_nested(inner, reference, nesting - 1);
    parsed.absorb(inner);
}

/// One blank, then the text up to the next blank.
fn column<'a>(body: &'a str, at: &mut usize) -> Option<&'a str> {
    let rest = body.get(*at..)?.strip_prefix(' ')?;
    let value = rest.split(' ').next().filter(|value| !value.is_empty())?;
    *at += 1 + value.len();
    Some(value)
}

/// `-`, or elements in brackets whose parameters become fields. Bytes taken, with the blank before.
fn structured_data<'a>(text: &'a str, parsed: &mut ParsedLine<'a>) -> Option<usize> {
    let rest = text.strip_prefix(' ')?;
    if let Some(after) = rest.strip_prefix('-') {
        return (after.is_empty() || after.starts_with(' ')).then_some(2);
    }
    let mut left = rest;
    while let Some(element) = left.strip_prefix('[') {
        let id_len = element.find([' ', ']', '='])?;
        left = element.get(id_len..)?;
        while let Some(parameter) = left.strip_prefix(' ') {
            let (key, value, len) = pairs::quoted_pair(parameter)?;
            parsed.push_field(key, value);
            left = parameter.get(len..)?;
        }
        left = left.strip_prefix(']')?;
    }
    let taken = rest.len() - left.len();
    (taken > 0 && (left.is_empty() || left.starts_with(' '))).then_some(taken + 1)
}

/// Host and tag at the start of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) process: Option<&'a str>,
    pub(crate) pid: Option<&'a str>,
    /// Bytes up to the message, without the blank before it.
    pub(crate) len: usize,
}

/// How much the line has proved to be syslog before host and tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A priority.
    Priority,
    /// The date as syslog writes it, without a year.
    Date,
    /// A date that others write too, with a zone.
    Zone,
    /// Only a date.
    None,
}

/// `HOST TAG[PID]: `, `HOST TAG: `, `TAG[PID]: `, `TAG: `; the less is proved, the more the words must show.
pub(crate) fn host_and_tag(text: &str, proof: Proof) -> Option<Tag<'_>> {
    let first = word::next(text);
    if first.is_empty() || level_token::read(text, level_token::Place::AfterTime).is_some() {
        return None;
    }
    if let Some(tag) = tag(text) {
        let is_proved = tag.pid.is_some() || matches!(proof, Proof::Priority | Proof::Date);
        return is_proved.then_some(tag);
    }
    if !word::is_host(first) {
        return None;
    }
    let after = text.get(first.len()..)?;
    let second = after.trim_start_matches(' ');
    let offset = text.len() - second.len();
    if let Some(tag) = tag(second) {
        let shows_host = first.bytes().any(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'.');
        let is_proved = match proof {
            Proof::Priority | Proof::Date => true,
            Proof::Zone => tag.pid.is_some() || shows_host,
            Proof::None => tag.pid.is_some(),
        };
        return is_proved.then_some(Tag { host: Some(first), len: offset + tag.len, ..tag });
    }
    // Lines of the daemon itself have a host and no tag.
    let is_repeat = ["last message repeated ", "message repeated ", "-- MARK --", "--- last message repeated "]
        .iter()
        .any(|start| second.starts_with(start));
    let has_host = proof == Proof::Priority || (proof == Proof::Date && is_repeat);
    has_host.then_some(Tag { host: Some(first), process: None, pid: None, len: first.len() })
}

/// `name[pid]: `, `name: `, `name[pid] (label): `.
fn tag(text: &str) -> Option<Tag<'_>> {
    const TAG_BYTES_MAX: usize = 128;
    let end = text.bytes().take(TAG_BYTES_MAX).position(|byte| matches!(byte, b' ' | b'\t' | b'[' | b':'))?;
    let name = text.get(..end)?;
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b',' | b'{' | b']'));
    if !is_name || word::level_word(name).is_some() || word::is_fault_name(name) {
        return None;
    }
    let mut at = end;
    let mut pid = None;
    if text.as_bytes().get(at) == Some(&b'[') {
        let group = word::group(text.get(at..)?)?;
        let inner = word::inside(group);
        // A process id is short and one word; anything longer is text.
        if inner.is_empty() || inner.len() > 32 || inner.contains(' ') {
            return None;
        }
        pid = Some(inner);
        at += group.len();
        let label = text.get(at..)?.strip_prefix(" (").and_then(|rest| rest.split_once("):")).map(|(label, _)| label);
        if let Some(label) = label.filter(|label| label.len() <= TAG_BYTES_MAX && !label.contains(' ')) {
            at += label.len() + 3;
        }
    }
    if text.as_bytes().get(at) != Some(&b':') {
        return None;
    }
    at += 1;
    let ends = text.get(at..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    // Network devices number their lines where others put the tag.
    let process = Some(name).filter(|name| !word::is_digits(name));
    ends.then_some(Tag { host: None, process, pid, len: at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_gives_the_level() {
        assert_eq!(priority("<34>x"), Some((Level::CRITICAL, 4)));
        assert_eq!(priority("<191>x"), Some((Level::DEBUG, 5)));
        for text in ["<192>x", "<>x", "<12", "<1234>", "34>", "<-1>"] {
            assert_eq!(priority(text), None, "{text}");
        }
    }

    #[test]
    fn every_severity_has_its_level() {
        let numbers: Vec<u8> = (0..=8).map(|number| severity(number).number()).collect();
        assert_eq!(numbers, [21, 19, 18, 17, 13, 10, 9, 5, 5]);
    }

    #[test]
    fn host_and_tag_need_more_when_less_is_proved() {
        let check = |text: &str, proof: Proof, expected: Option<(Option<&str>, Option<&str>, Option<&str>)>| {
            let found = host_and_tag(text, proof).map(|tag| (tag.host, tag.process, tag.pid));
            assert_eq!(found, expected, "{text:?} with {proof:?}");
        };
        check("box app[12]: x", Proof::None, Some((Some("box"), Some("app"), Some("12"))));
        check("box app: x", Proof::None, None);
        check("box-1 app: x", Proof::Zone, Some((Some("box-1"), Some("app"), None)));
        check("box app: x", Proof::Zone, None);
        check("box app: x", Proof::Date, Some((Some("box"), Some("app"), None)));
        check("box sshd(pam_unix)[7]: x", Proof::Date, Some((Some("box"), Some("sshd(pam_unix)"), Some("7"))));
        check("box com.a.b[1] (com.a.c[7]): x", Proof::Date, Some((Some("box"), Some("com.a.b"), Some("1"))));
        check("su: x", Proof::Priority, Some((None, Some("su"), None)));
        check("box something happened", Proof::Priority, Some((Some("box"), None, None)));
        check("box something happened", Proof::Date, None);
        check("box last message repeated 2 times", Proof::Date, Some((Some("box"), None, None)));
        check("ERROR app[12]: x", Proof::Date, None);
        check("box ValueError: x", Proof::Date, None);
        check("app[a b]: x", Proof::Priority, Some((Some("app[a"), None, None)).filter(|_| false));
    }
}
