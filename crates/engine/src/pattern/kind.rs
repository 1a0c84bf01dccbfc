//! What a variable looks like, which kinds it was seen with, and which number it is.
//!
//! Left out: what a value means. A port is an integer.

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

impl VariableKind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::Empty,
        Self::Integer,
        Self::Float,
        Self::Hex,
        Self::Uuid,
        Self::Address,
        Self::Url,
        Self::Email,
        Self::Path,
        Self::Time,
        Self::Duration,
        Self::Size,
        Self::Boolean,
        Self::Word,
        Self::Identifier,
        Self::Text,
    ];

    /// As shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Hex => "hex",
            Self::Uuid => "uuid",
            Self::Address => "address",
            Self::Url => "url",
            Self::Email => "email",
            Self::Path => "path",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Boolean => "boolean",
            Self::Word => "word",
            Self::Identifier => "identifier",
            Self::Text => "text",
        }
    }

    /// What a variable looks like.
    pub fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self::Empty;
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let seen = unsigned.bytes().fold(0, |seen, byte| seen | mark_of(byte));
        if seen & DIGIT == 0 {
            return Self::of_letters(text);
        }
        match seen {
            DIGIT => return Self::Integer,
            // Digits and dots.
            _ if seen == DIGIT | DOT && unsigned.bytes().filter(|&byte| byte == b'.').count() == 1 => {
                return Self::Float;
            }
            _ => {}
        }
        // Each form has its bytes; what has others is not looked at more closely.
        let is_of = |marks: u8| seen & !marks == 0;
        if seen & (COLON | SLASH) == COLON | SLASH && text.contains("://") {
            return Self::Url;
        }
        if is_of(DIGIT | DOT | HEX_LETTER | COLON | SLASH) && seen & (DOT | COLON) != 0 && is_address(text) {
            return Self::Address;
        }
        if is_uuid(text) {
            return Self::Uuid;
        }
        if let Some(kind) = of_number_with_unit(unsigned) {
            return kind;
        }
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        if digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            || is_of(DIGIT | HEX_LETTER) && text.len() >= 8 && unsigned.len() == text.len()
        {
            return Self::Hex;
        }
        if is_of(DIGIT | DOT | COLON | DASH | OF_TIME) && is_time(text) {
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

/// In what a number is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing: a plain number.
    One,
    /// Durations, whatever unit they came in.
    Milliseconds,
    /// Sizes, whatever unit they came in.
    Bytes,
}

/// The number that a variable's text is, in its base unit; `None` for one that is no number.
pub fn number(text: &str) -> Option<(f64, Unit)> {
    number_of(VariableKind::of(text), text)
}

/// The number that a value of this kind is, in its base unit; `None` for kinds that are no numbers.
pub(super) fn number_of(kind: VariableKind, text: &str) -> Option<(f64, Unit)> {
    match kind {
        VariableKind::Integer | VariableKind::Float => Some((decimal(text)?, Unit::One)),
        VariableKind::Duration | VariableKind::Size => {
            let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
            let (number, factor, unit) = unit_of(unsigned)?;
            let value = decimal(number)? * factor;
            Some((if text.starts_with('-') { -value } else { value }, unit))
        }
        _ => None,
    }
}

/// A decimal number, rounded as the standard library does; short ones, which are nearly all, without asking it.
fn decimal(text: &str) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    // Up to 15 digits and their power of ten are exact in a double, so that one division rounds once.
    if unsigned.len() > 15 {
        return text.parse().ok();
    }
    let (mut digits, mut decimals, mut is_behind_point) = (0u64, 0, false);
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                decimals += usize::from(is_behind_point);
            }
            b'.' if !is_behind_point => is_behind_point = true,
            _ => return None,
        }
    }
    let value = digits as f64 / POWERS.get(decimals)?;
    Some(if text.starts_with('-') { -value } else { value })
}

/// The kinds that a variable was seen with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) fn add(&mut self, kind: VariableKind) {
        self.0 |= 1 << kind as u16;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The narrowest kind that all of them are. Nothing is of every kind.
    pub(super) fn joined(self) -> VariableKind {
        use VariableKind::{Boolean, Duration, Empty, Float, Hex, Identifier, Integer, Size, Word};
        const JOINS: [(VariableKind, &[VariableKind]); 5] = [
            (Float, &[Integer, Float]),
            (Hex, &[Integer, Hex]),
            (Duration, &[Integer, Float, Duration]),
            (Size, &[Integer, Float, Size]),
            (Identifier, &[Integer, Hex, Boolean, Word, Identifier]),
        ];
        let mask = |kinds: &[VariableKind]| kinds.iter().fold(0, |mask, &kind| mask | 1u16 << kind as u16);
        let seen = self.0 & !mask(&[Empty]);
        let is_within = |kinds: &[VariableKind]| seen & !mask(kinds) == 0;
        if self.0 == mask(&[Empty]) {
            return Empty;
        }
        if let Some(only) = VariableKind::ALL.into_iter().find(|&kind| seen == mask(&[kind])) {
            return only;
        }
        let joins = |&&(_, kinds): &&(VariableKind, &[VariableKind])| is_within(kinds);
        JOINS.iter().find(joins).map_or(VariableKind::Text, |&(kind, _)| kind)
    }
}

const DIGIT: u8 = 1;
const DOT: u8 = 2;
/// `a` to `f` in either case.
const HEX_LETTER: u8 = 4;
const COLON: u8 = 8;
const SLASH: u8 = 16;
const DASH: u8 = 32;
/// What else stands in dates.
const OF_TIME: u8 = 64;
const ANYTHING_ELSE: u8 = 128;

const fn mark_of(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => DIGIT,
        b'.' => DOT,
        b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
        b':' => COLON,
        b'/' => SLASH,
        b'-' => DASH,
        b',' | b'T' | b'Z' | b'+' => OF_TIME,
        _ => ANYTHING_ELSE,
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
    match unit_of(text)?.2 {
        Unit::Milliseconds => Some(VariableKind::Duration),
        Unit::Bytes => Some(VariableKind::Size),
        Unit::One => None,
    }
}

/// The number, how many of its base unit one of it is, and that unit.
fn unit_of(text: &str) -> Option<(&str, f64, Unit)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return None;
    }
    let (factor, base) = match unit.trim_start() {
        "ns" => (1e-6, Unit::Milliseconds),
        "us" | "µs" => (1e-3, Unit::Milliseconds),
        "ms" => (1.0, Unit::Milliseconds),
        "s" | "sec" | "secs" => (1e3, Unit::Milliseconds),
        "m" | "min" | "mins" => (60e3, Unit::Milliseconds),
        "h" | "hr" | "hrs" => (3_600e3, Unit::Milliseconds),
        "d" => (86_400e3, Unit::Milliseconds),
        "B" => (1.0, Unit::Bytes),
        "kB" | "KB" => (1e3, Unit::Bytes),
        "MB" => (1e6, Unit::Bytes),
        "GB" => (1e9, Unit::Bytes),
        "TB" => (1e12, Unit::Bytes),
        // Without the B it is what `du -h` and the Java virtual machine print: powers of 1,024.
        "KiB" | "k" | "K" => (1_024.0, Unit::Bytes),
        "MiB" | "M" => (1_048_576.0, Unit::Bytes),
        "GiB" | "G" => (1_073_741_824.0, Unit::Bytes),
        "TiB" => (1_099_511_627_776.0, Unit::Bytes),
        _ => return None,
    };
    Some((number, factor, base))
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
    use proptest::prelude::*;

    /// Every form tried in turn, without a look at which bytes there are.
    fn kind_tried_in_turn(text: &str) -> VariableKind {
        use VariableKind::*;
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let digits = unsigned.bytes().filter(u8::is_ascii_digit).count();
        let dots = unsigned.bytes().filter(|&byte| byte == b'.').count();
        let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let hex = hex.unwrap_or(if text.len() >= 8 { text } else { "-" });
        match text {
            "" => Empty,
            _ if digits == 0 => VariableKind::of_letters(text),
            _ if digits == unsigned.len() => Integer,
            _ if dots == 1 && digits + 1 == unsigned.len() => Float,
            _ if text.contains("://") => Url,
            _ if is_address(text) => Address,
            _ if is_uuid(text) => Uuid,
            _ if of_number_with_unit(unsigned).is_some() => of_number_with_unit(unsigned).unwrap(),
            _ if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => Hex,
            _ if is_time(text) => Time,
            _ => VariableKind::of_letters(text),
        }
    }

    proptest! {
        #[test]
        fn looking_at_the_bytes_first_changes_no_kind(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("0x"), Just("17"), Just("."), Just(":"), Just("://"), Just("/"), Just("-"), Just("+"), Just("ab"),
                    Just("DEADBEEF"), Just("T"), Just("Z"), Just(","), Just("ms"), Just("KB"), Just(" "), Just("x"),
                    Just("10.0.0.1"), Just("::1"), Just("12:30:01"), Just("é"), Just("@"), Just("b9000564-fe1a-409b-b8cc-1e88b294cd1d"),
                ],
                0..6,
            ),
            any in ".{0,12}",
        ) {
            let text = pieces.concat();
            prop_assert_eq!(VariableKind::of(&text), kind_tried_in_turn(&text), "{}", text);
            prop_assert_eq!(VariableKind::of(&any), kind_tried_in_turn(&any), "{}", any);
        }
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

    #[test]
    fn numbers_are_brought_to_one_unit() {
        fn check(text: &str, expected: Option<(f64, Unit)>) {
            assert_eq!(number_of(VariableKind::of(text), text), expected, "{text}");
        }
        check("17", Some((17.0, Unit::One)));
        check("-0.25", Some((-0.25, Unit::One)));
        check("+3", Some((3.0, Unit::One)));
        check("123456789012345678901234567890", Some((1.234_567_890_123_456_8e29, Unit::One)));
        check("0.000000000000000000001", Some((1e-21, Unit::One)));
        check("250us", Some((0.25, Unit::Milliseconds)));
        check("-1.5 s", Some((-1_500.0, Unit::Milliseconds)));
        check("2h", Some((7_200_000.0, Unit::Milliseconds)));
        check("1.5 KB", Some((1_500.0, Unit::Bytes)));
        check("64K", Some((65_536.0, Unit::Bytes)));
        check(".", None);
        check("abc", None);
        check("10.0.0.1", None);
        assert_eq!(number_of(VariableKind::Duration, "1..5ms"), None);
    }

    #[test]
    fn the_kinds_of_a_variable_join_to_the_narrowest_that_holds_all() {
        use VariableKind::*;
        fn check(kinds: &[VariableKind], expected: VariableKind) {
            let mut joined = Kinds::default();
            kinds.iter().for_each(|&kind| joined.add(kind));
            assert_eq!(joined.joined(), expected, "{kinds:?}");
        }
        VariableKind::ALL.into_iter().for_each(|kind| check(&[kind], kind));
        check(&[Integer, Float], Float);
        check(&[Integer, Hex, Empty], Hex);
        check(&[Integer, Duration], Duration);
        check(&[Float, Size], Size);
        check(&[Word, Integer], Identifier);
        check(&[Word, Duration], Text);
        check(&[Uuid, Integer], Text);
    }
}
