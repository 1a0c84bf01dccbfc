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
        let bytes = text.as_bytes();
        let Some((&first, behind)) = bytes.split_first() else { return Self::Empty };
        let unsigned = if matches!(first, b'-' | b'+') { behind } else { bytes };
        let seen = unsigned.iter().fold(0, |seen, &byte| seen | MARKS[byte as usize]);
        if seen & DIGIT == 0 {
            return Self::of_letters(text, seen | MARKS[first as usize]);
        }
        match seen {
            DIGIT => return Self::Integer,
            // Digits and dots.
            _ if seen == DIGIT | DOT && unsigned.iter().filter(|&&byte| byte == b'.').count() == 1 => {
                return Self::Float;
            }
            _ => {}
        }
        // Each form has its bytes; what has others is not looked at more closely.
        let is_of = |marks: u16| seen & !marks == 0;
        if seen & (COLON | SLASH) == COLON | SLASH && has_scheme(bytes) {
            return Self::Url;
        }
        if is_of(DIGIT | DOT | HEX_LETTER | COLON | SLASH) && seen & (DOT | COLON) != 0 && is_address(text) {
            return Self::Address;
        }
        if is_uuid(text) {
            return Self::Uuid;
        }
        if unsigned.last().is_some_and(|&last| ends_unit(last))
            && let Some(kind) = text.get(bytes.len() - unsigned.len()..).and_then(of_number_with_unit)
        {
            return kind;
        }
        let digits = bytes.strip_prefix(b"0x").or_else(|| bytes.strip_prefix(b"0X"));
        if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            || is_of(DIGIT | HEX_LETTER) && bytes.len() >= 8 && unsigned.len() == bytes.len()
        {
            return Self::Hex;
        }
        if is_of(OF_TIME) && is_time(bytes) {
            return Self::Time;
        }
        Self::of_letters(text, seen | MARKS[first as usize])
    }

    /// The kind of what is no number, by the marks of its bytes.
    fn of_letters(text: &str, seen: u16) -> Self {
        let bytes = text.as_bytes();
        let is_of = |marks: u16| seen & !marks == 0;
        // What lies outside of ASCII is asked of the tables of Unicode.
        let is_foreign = seen & FOREIGN != 0;
        let is_one = |is: fn(char) -> bool| is_foreign && text.chars().all(is);
        match bytes {
            b"true" | b"false" | b"True" | b"False" => Self::Boolean,
            _ if seen & WHITE != 0 || is_foreign && text.contains(char::is_whitespace) => Self::Text,
            _ if seen & (COLON | SLASH) == COLON | SLASH && has_scheme(bytes) => Self::Url,
            [b'/' | b'~', ..] | [b'.', b'/', ..] | [_, b':', b'\\', ..] => Self::Path,
            _ if seen & AT != 0
                && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) =>
            {
                Self::Email
            }
            _ if is_of(LETTERS) || is_one(char::is_alphabetic) => Self::Word,
            _ if is_of(OF_IDENTIFIER) || is_one(is_of_identifier) => Self::Identifier,
            _ => Self::Text,
        }
    }
}

/// What an identifier is made of.
fn is_of_identifier(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':' | '/')
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

const DIGIT: u16 = 1;
const DOT: u16 = 2;
/// `a` to `f` in either case.
const HEX_LETTER: u16 = 4;
const COLON: u16 = 8;
const SLASH: u16 = 16;
const DASH: u16 = 32;
/// The letters that stand in dates.
const TIME_LETTER: u16 = 64;
const PLUS: u16 = 128;
const COMMA: u16 = 256;
/// Any other letter of ASCII.
const LETTER: u16 = 512;
const UNDERSCORE: u16 = 1_024;
const AT: u16 = 2_048;
/// White space of ASCII.
const WHITE: u16 = 4_096;
/// Bytes of what is not ASCII.
const FOREIGN: u16 = 8_192;
const ANYTHING_ELSE: u16 = 16_384;

/// The letters of ASCII.
const LETTERS: u16 = HEX_LETTER | TIME_LETTER | LETTER;
/// What stands in dates and times.
const OF_TIME: u16 = DIGIT | DOT | COLON | DASH | TIME_LETTER | COMMA | PLUS;
const OF_IDENTIFIER: u16 = LETTERS | DIGIT | UNDERSCORE | DASH | DOT | COLON | SLASH;

/// What each byte is.
static MARKS: [u16; 256] = {
    let mut marks = [0u16; 256];
    let mut byte = 0usize;
    while byte < 256 {
        marks[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'.' => DOT,
            b'a'..=b'f' | b'A'..=b'F' => HEX_LETTER,
            b':' => COLON,
            b'/' => SLASH,
            b'-' => DASH,
            b'T' | b'Z' => TIME_LETTER,
            b',' => COMMA,
            b'+' => PLUS,
            b'_' => UNDERSCORE,
            b'@' => AT,
            b'\t'..=b'\r' | b' ' => WHITE,
            0x80.. => FOREIGN,
            letter if letter.is_ascii_alphabetic() => LETTER,
            _ => ANYTHING_ELSE,
        };
        byte += 1;
    }
    marks
};

fn has_scheme(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b':') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.starts_with(b"//") {
            return true;
        }
    }
    false
}

/// An address of IP, of either version, with a port or without, maybe behind a slash as Java prints it.
fn is_address(text: &str) -> bool {
    let bytes = text.strip_prefix('/').unwrap_or(text).as_bytes();
    if let Some(behind) = behind_dotted(bytes) {
        return match behind {
            [] => true,
            [b':', port @ ..] => is_port(port),
            _ => false,
        };
    }
    // What is not of version 4 has two colons in a row, or six of them at least.
    let colons = bytes.iter().filter(|&&byte| byte == b':').count();
    (colons >= 6 || bytes.windows(2).any(|two| two == b"::")) && is_address_of_any_form(text)
}

/// What follows an address of four numbers that stands at the beginning of the text, as the standard library reads it:
/// each up to 255, without leading zeros.
fn behind_dotted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    for place in 0..4 {
        if place > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let length = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, behind) = rest.split_at_checked(length)?;
        let value = number.iter().fold(0u32, |value, byte| value * 10 + u32::from(byte - b'0'));
        if !(1..=3).contains(&length) || value > 255 || length > 1 && number.first() == Some(&b'0') {
            return None;
        }
        rest = behind;
    }
    Some(rest)
}

/// Digits that make a number of 16 bits.
fn is_port(digits: &[u8]) -> bool {
    !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().fold(0u32, |port, byte| (port * 10 + u32::from(byte - b'0')).min(1 << 16)) < 1 << 16
}

/// The same question of every form, as the standard library answers it.
fn is_address_of_any_form(text: &str) -> bool {
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

/// Whether a unit that [`unit_of`] knows ends with this byte.
fn ends_unit(last: u8) -> bool {
    matches!(last, b's' | b'c' | b'm' | b'n' | b'h' | b'r' | b'd' | b'B' | b'k' | b'K' | b'M' | b'G')
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

/// Digits in groups with colons or dashes, as of a clock or a calendar. The caller knows that nothing else is in it.
fn is_time(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit) && text.iter().any(|byte| matches!(byte, b':' | b'-'))
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
            _ if digits == 0 => kind_of_letters(text),
            _ if digits == unsigned.len() => Integer,
            _ if dots == 1 && digits + 1 == unsigned.len() => Float,
            _ if text.contains("://") => Url,
            _ if is_address_of_any_form(text) => Address,
            _ if is_uuid(text) => Uuid,
            _ if of_number_with_unit(unsigned).is_some() => of_number_with_unit(unsigned).unwrap(),
            _ if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => Hex,
            _ if is_time_throughout(text) => Time,
            _ => kind_of_letters(text),
        }
    }

    fn kind_of_letters(text: &str) -> VariableKind {
        use VariableKind::*;
        match text {
            "true" | "false" | "True" | "False" => Boolean,
            _ if text.contains(char::is_whitespace) => Text,
            _ if text.contains("://") => Url,
            _ if text.starts_with(['/', '~']) || text.starts_with("./") || text.get(1..3) == Some(":\\") => Path,
            _ if text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) => Email,
            _ if text.chars().all(char::is_alphabetic) => Word,
            _ if text.chars().all(is_of_identifier) => Identifier,
            _ => Text,
        }
    }

    fn is_time_throughout(text: &str) -> bool {
        let is_of_time = |letter: char| letter.is_ascii_digit() || ":-.,TZ+".contains(letter);
        text.starts_with(|first: char| first.is_ascii_digit())
            && text.contains([':', '-'])
            && text.chars().all(is_of_time)
    }

    proptest! {
        #[test]
        fn looking_at_the_bytes_first_changes_no_kind(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("0x"), Just("17"), Just("."), Just(":"), Just("://"), Just("/"), Just("-"), Just("+"), Just("ab"),
                    Just("DEADBEEF"), Just("T"), Just("Z"), Just(","), Just("ms"), Just("KB"), Just(" "), Just("x"),
                    Just("10.0.0.1"), Just("::1"), Just("12:30:01"), Just("é"), Just("@"), Just("b9000564-fe1a-409b-b8cc-1e88b294cd1d"),
                    Just("true"), Just("~"), Just("\\"), Just("_"), Just("\u{a0}"), Just("\t"), Just("µs"), Just("0"),
                ],
                0..6,
            ),
            any in ".{0,12}",
            address in "/?([0-9]{1,4}[.:]){1,8}[0-9]{0,6}(:[0-9]{0,6})?",
            longer in "/?[0-9a-f:]{0,24}(::)?[0-9a-f:.]{0,16}",
        ) {
            prop_assert_eq!(VariableKind::of(&address), kind_tried_in_turn(&address), "{}", address);
            prop_assert_eq!(VariableKind::of(&longer), kind_tried_in_turn(&longer), "{}", longer);
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
