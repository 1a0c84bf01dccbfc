//! The variables of a line: what stands in its template's places, without loss.
//!
//! `rebuild(template, extract(template, message))` is the message, byte for byte, whenever `extract` finds the template
//! in it. Where it does not (other white space, a template cut to its limit, a shape that was generalized over it), it
//! says so, and whoever stores the line keeps it whole.

use super::shape::VARIABLE;
use std::net::IpAddr;

/// What a variable looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VariableKind {
    /// Nothing.
    Empty,
    /// Digits, maybe with a sign.
    Integer,
    /// Digits with a decimal point.
    Float,
    /// `0x1f`, or eight hex digits and more.
    Hex,
    /// 8-4-4-4-12 hex digits.
    Uuid,
    /// An IP address, maybe with a port.
    Address,
    /// `scheme://…`
    Url,
    /// `name@host.example`
    Email,
    /// `/a/b`, `C:\a`
    Path,
    /// A clock time or a date.
    Time,
    /// A number with a unit of time.
    Duration,
    /// A number with a unit of size.
    Size,
    /// true or false.
    Boolean,
    /// Letters only.
    Word,
    /// Letters, digits and joining marks.
    Identifier,
    /// Several values, or anything else.
    Text,
}

/// What stands in the places of a template; `None` if the message does not have this template's text around them.
pub fn extract<'a>(template: &str, message: &'a str) -> Option<Vec<&'a str>> {
    let mut literals = template.split(VARIABLE);
    let mut rest = message.strip_prefix(literals.next()?)?;
    let mut variables = Vec::new();
    let mut literals = literals.peekable();
    while let Some(literal) = literals.next() {
        // The last text must end the message; for those before it the first place is as good as any.
        let at = match literals.peek() {
            None => rest.strip_suffix(literal)?.len(),
            Some(_) if literal.is_empty() => 0,
            Some(_) => rest.find(literal)?,
        };
        variables.push(rest.get(..at)?);
        rest = rest.get(at + literal.len()..)?;
    }
    rest.is_empty().then_some(variables)
}

/// The message with this template and these variables; `None` if their number is not that of its places.
pub fn rebuild(template: &str, variables: &[&str]) -> Option<String> {
    let mut literals = template.split(VARIABLE);
    let mut message = literals.next()?.to_owned();
    let mut variables = variables.iter();
    for literal in literals {
        message.push_str(variables.next()?);
        message.push_str(literal);
    }
    variables.next().is_none().then_some(message)
}

impl VariableKind {
    /// What a variable looks like.
    pub fn of(text: &str) -> Self {
        let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
        if text.is_empty() {
            return Self::Empty;
        }
        if !has_digit {
            return Self::of_letters(text);
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let is_number = unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match unsigned.matches('.').count() {
            0 if is_number => return Self::Integer,
            1 if is_number => return Self::Float,
            _ => {}
        }
        if text.contains("://") {
            return Self::Url;
        }
        if is_address(text) {
            return Self::Address;
        }
        if is_uuid(text) {
            return Self::Uuid;
        }
        if let Some(kind) = of_number_with_unit(unsigned) {
            return kind;
        }
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        if digits.unwrap_or(if text.len() >= 8 { text } else { "-" }).bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self::Hex;
        }
        if is_time(text) {
            return Self::Time;
        }
        Self::of_letters(text)
    }

    fn of_letters(text: &str) -> Self {
        let has_space = text.contains(char::is_whitespace);
        match text {
            "true" | "false" | "True" | "False" => Self::Boolean,
            _ if has_space => Self::Text,
            _ if text.contains("://") => Self::Url,
            _ if text.starts_with(['/', '~']) || text.starts_with("./") || text.get(1..3) == Some(":\\") => Self::Path,
            _ if text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) => Self::Email,
            _ if text.chars().all(char::is_alphabetic) => Self::Word,
            _ if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/')) => {
                Self::Identifier
            }
            _ => Self::Text,
        }
    }
}

fn is_address(text: &str) -> bool {
    let text = text.strip_prefix('/').unwrap_or(text);
    let host = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => host,
        _ => text,
    };
    host.parse::<IpAddr>().is_ok()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn of_number_with_unit(text: &str) -> Option<VariableKind> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return None;
    }
    match unit.trim_start() {
        "ns" | "us" | "µs" | "ms" | "s" | "sec" | "secs" | "m" | "min" | "mins" | "h" | "hr" | "hrs" | "d" => {
            Some(VariableKind::Duration)
        }
        "B" | "kB" | "KB" | "MB" | "GB" | "TB" | "KiB" | "MiB" | "GiB" | "TiB" | "k" | "K" | "M" | "G" => {
            Some(VariableKind::Size)
        }
        _ => None,
    }
}

/// Digits in groups with colons or dashes, as of a clock or a calendar.
fn is_time(text: &str) -> bool {
    let separators = text.bytes().filter(|byte| matches!(byte, b':' | b'-')).count();
    separators >= 1
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'-' | b'.' | b',' | b'T' | b'Z' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_places_is_found_and_the_message_rebuilt() {
        fn check(template: &str, message: &str, expected: &[&str]) {
            let found = extract(template, message).unwrap();
            assert_eq!(found, expected, "{message}");
            assert_eq!(rebuild(template, &found).as_deref(), Some(message));
        }
        check("order <*> failed", "order 17 failed", &["17"]);
        check("<*> to <*>", "1 to 2 to 3", &["1", "2 to 3"]);
        check("a <*> b", "a x b y b", &["x b y"]);
        check("<*>", "", &[""]);
        check("plain", "plain", &[]);
        check("ids [<*>]", "ids [1, 2, 3]", &["1, 2, 3"]);
        check("größe <*>, ende", "größe 日本, ende", &["日本"]);
    }

    #[test]
    fn a_message_of_another_template_is_not_taken_apart() {
        for (template, message) in
            [("order <*> failed", "order 17 paid"), ("a <*>", "b 1"), ("plain", "plain text"), ("a<*>a", "a")]
        {
            assert_eq!(extract(template, message), None, "{message}");
        }
        assert_eq!(rebuild("a <*>", &[]), None);
        assert_eq!(rebuild("a <*>", &["1", "2"]), None);
    }

    #[test]
    fn variables_are_typed_by_their_form() {
        use VariableKind::*;
        for (text, expected) in [
            ("", Empty),
            ("-17", Integer),
            ("0.25", Float),
            ("0x1f", Hex),
            ("deadbeef01", Hex),
            ("b9000564-fe1a-409b-b8cc-1e88b294cd1d", Uuid),
            ("10.0.0.1:8080", Address),
            ("fe80::1", Address),
            ("/10.0.0.1", Address),
            ("https://a.example/1", Url),
            ("a1@b.example", Email),
            ("/var/log/1", Path),
            ("C:\\temp", Path),
            ("12:30:01", Time),
            ("2026-11-20T10:00:00Z", Time),
            ("15ms", Duration),
            ("3 sec", Duration),
            ("1.5 KB", Size),
            ("true", Boolean),
            ("größe", Word),
            ("task_17", Identifier),
            ("1, 2, 3", Text),
        ] {
            assert_eq!(VariableKind::of(text), expected, "{text}");
        }
    }
}
