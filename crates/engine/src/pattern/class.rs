//! The class of each byte, as bits: what the scanner asks of a byte is one table look-up.

/// White space. Always with [`STOP`].
pub(super) const SPACE: u32 = 1;
/// Ends a piece.
pub(super) const STOP: u32 = 1 << 1;
/// `0` to `9`.
pub(super) const DIGIT: u32 = 1 << 2;
/// `A` to `Z`.
pub(super) const UPPER: u32 = 1 << 3;
/// `a` to `z`.
pub(super) const LOWER: u32 = 1 << 4;
/// A letter of ASCII.
pub(super) const LETTER: u32 = UPPER | LOWER;
/// `.`
pub(super) const DOT: u32 = 1 << 5;
/// `/`
pub(super) const SLASH: u32 = 1 << 6;
/// `@`
pub(super) const AT: u32 = 1 << 7;
/// No hex digit.
pub(super) const NONHEX: u32 = 1 << 8;
/// Two or more of it in a row are a rule, not a word: `....`, `---`, `***`.
pub(super) const RUN: u32 = 1 << 9;
/// First byte of a character of a script that is written without spaces (U+3000 and above), or a byte within one.
pub(super) const CJK: u32 = 1 << 10;
/// `<` and `>`: with a digit behind them they compare.
pub(super) const ANGLE: u32 = 1 << 12;
/// First letter of a boolean (`true`, `False`, `null`).
pub(super) const OF_BOOLEAN: u32 = 1 << 13;
/// First letter of a unit or a time zone.
pub(super) const OF_UNIT: u32 = 1 << 14;
/// Not a byte's: the piece is a path or an address.
pub(super) const PATH: u32 = 1 << 11;

const CLASSES: [u32; 256] = classes();

/// The classes of a byte.
pub(super) const fn class(byte: u8) -> u32 {
    CLASSES[byte as usize]
}

const fn classes() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = class_of(index as u8) | of_words(index as u8);
        index += 1;
    }
    table
}

const fn class_of(byte: u8) -> u32 {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE | STOP | NONHEX,
        b'=' | b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b'\'' | b'|' | b':' => STOP | NONHEX,
        b'<' | b'>' => ANGLE | STOP | NONHEX,
        b'0'..=b'9' => DIGIT,
        b'A'..=b'F' => UPPER,
        b'G'..=b'Z' => UPPER | NONHEX,
        b'a'..=b'f' => LOWER,
        b'g'..=b'z' => LOWER | NONHEX,
        b'.' => DOT | RUN | NONHEX,
        b'-' | b'*' | b'#' | b'~' | b'+' | b'!' | b'?' => RUN | NONHEX,
        b'/' => SLASH | NONHEX,
        b'@' => AT | NONHEX,
        0xe3..=0xff => CJK | NONHEX,
        _ => NONHEX,
    }
}

/// What words may begin with a byte.
const fn of_words(byte: u8) -> u32 {
    let of_boolean = if matches!(byte, b't' | b'f' | b'n' | b'T' | b'F') { OF_BOOLEAN } else { 0 };
    let is_of_unit = matches!(
        byte,
        b'A' | b'B'
            | b'C'
            | b'E'
            | b'G'
            | b'H'
            | b'I'
            | b'J'
            | b'K'
            | b'M'
            | b'P'
            | b'T'
            | b'U'
            | b'h'
            | b'k'
            | b'm'
            | b'n'
            | b's'
            | b'u'
    );
    of_boolean | if is_of_unit { OF_UNIT } else { 0 }
}
