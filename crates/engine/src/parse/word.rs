//! Words of a header: which are levels, which look like names, where the next one ends.
//!
//! A level's word is also an English word, so that a bare one proves something only together with its case, its place
//! and what follows it. [`level_word`] answers with how much of that there is.

use crate::level::Level;
use crate::parse::ansi;

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// `INFO`
    Upper,
    /// `info`
    Lower,
    /// `Info`, `iNFO`
    Mixed,
}

/// A word that names a level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LevelWord {
    /// The level it names.
    pub(crate) level: Level,
    /// How it is written.
    pub(crate) case: Case,
    /// It often starts a sentence (`error reading ...`), so that it must stay in the message when it may be one.
    pub(crate) is_prose: bool,
    /// It is more often something else (`OK`, `HTTP`, `LOG`): only separators around it prove a level.
    pub(crate) is_rare: bool,
}

/// The level that a whole word names, with what makes it credible. Single letters are not words: see [`level_letter`].
pub(crate) fn level_word(word: &str) -> Option<LevelWord> {
    if !(2..=13).contains(&word.len()) || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let one_of = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let level = match Level::from_word(word) {
        Some(level) => level,
        None if one_of(&["note", "nte"]) => Level::NOTICE,
        None if one_of(&["ftl", "pnc", "dpanic"]) => Level::FATAL,
        None if one_of(&["dbug", "debg"]) => Level::DEBUG,
        None if one_of(&["eror"]) => Level::ERROR,
        None => return None,
    };
    let case = if word.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Case::Upper
    } else if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        Case::Lower
    } else {
        Case::Mixed
    };
    Some(LevelWord {
        level,
        case,
        is_prose: !one_of(&["trace", "debug", "info", "notice", "warn", "inf", "dbg", "wrn", "trc", "err", "crit"]),
        is_rare: one_of(&["ok", "http", "log", "config", "fine", "silly", "note", "nte"]),
    })
}

/// The level of an upper-case letter in a column of its own, as glog, logcat and others print it.
pub(crate) fn level_letter(letter: u8) -> Option<Level> {
    Some(match letter {
        b'T' | b'V' => Level::TRACE,
        b'D' => Level::DEBUG,
        b'I' => Level::INFO,
        b'W' => Level::WARN,
        b'E' => Level::ERROR,
        b'F' => Level::FATAL,
        b'C' => Level::CRITICAL,
        _ => return None,
    })
}

/// The next word of `text`: up to white space, a colour sequence or a pipe.
pub(crate) fn next(text: &str) -> &str {
    let end = text.bytes().position(|byte| matches!(byte, b' ' | b'\t' | b'|' | 0x1b)).unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}

/// `text` without the white space and colours it starts with.
pub(crate) fn trim_start(text: &str) -> &str {
    text.get(ansi::blank_len(text)..).unwrap_or("")
}

/// The bracket group that `text` starts with, brackets included; nested brackets are followed, and one that does not
/// close within `GROUP_BYTES_MAX` is not a group.
pub(crate) fn group(text: &str) -> Option<&str> {
    const GROUP_BYTES_MAX: usize = 512;
    let mut depth = 0usize;
    for (at, byte) in text.bytes().take(GROUP_BYTES_MAX).enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return text.get(..=at),
            b']' => depth = depth.saturating_sub(1),
            _ if at == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The inside of a bracket group.
pub(crate) fn inside(group: &str) -> &str {
    group.get(1..group.len().saturating_sub(1)).unwrap_or("").trim()
}

/// Whether a word can be the name of a logger, process, module or file at all.
pub(crate) fn is_name(word: &str) -> bool {
    let starts_well = word.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'<'));
    starts_well
        && word.len() <= 200
        && !word.contains("//")
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.$:/@#<>[](){}*~+-".contains(&byte))
}

/// Whether a name is written as people write identifiers and not as they write sentences: something inside it is
/// neither a lower-case letter nor at its start.
pub(crate) fn is_identifier(word: &str) -> bool {
    is_name(word) && word.bytes().skip(1).any(|byte| !byte.is_ascii_lowercase()) && !is_abbreviation(word)
}

/// `TCP`, `DNS`: upper case alone does not make an identifier.
fn is_abbreviation(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether a name says that something went wrong (`NullPointerException`), so that it belongs to the message.
pub(crate) fn is_fault_name(word: &str) -> bool {
    ["Exception", "Error", "Throwable", "Failure", "Warning", "Fault"].iter().any(|end| word.ends_with(end))
        || ["error", "warning"].iter().any(|end| word.ends_with(end))
}

/// Whether a word can be a column that is neither sentence nor level: it has a digit, a point, a slash or the like, or
/// is upper case.
pub(crate) fn is_column(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 128
        && !word.ends_with([':', ',', ';', '.', '!', '?'])
        && !word.starts_with(['"', '\'', '(', '{', '/'])
        && !word.contains("//")
        && word.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase() || b"._-@/$#:*<+".contains(&byte))
        && !is_capitalized(word)
}

/// `Started`: a capital followed by small letters, as at the start of a sentence.
fn is_capitalized(word: &str) -> bool {
    word.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
}

/// Whether a word can be a machine's name or address.
pub(crate) fn is_host(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 253
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/%".contains(&byte))
        && word.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && !word.ends_with(':')
}

/// An address at the start of `word`, without port, brackets or comma: IPv4, or anything hexadecimal with two colons.
pub(crate) fn address(word: &str) -> Option<&str> {
    let word = word.trim_end_matches([',', ';']);
    let bare = match word.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => word,
    };
    let v4_len = bare.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let v4 = bare.get(..v4_len)?;
    let is_v4 = v4.split('.').count() == 4 && v4.split('.').all(|part| part.parse::<u8>().is_ok());
    if is_v4 {
        let port = bare.get(v4_len..).unwrap_or("");
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(v4);
    }
    let is_v6 = (bare.contains("::") || bare.bytes().filter(|byte| *byte == b':').count() == 7)
        && bare.len() <= 45
        && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        && !bare.ends_with(":::");
    is_v6.then_some(bare)
}

/// Whether all of `text` is digits, at least one.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a dotted word is a host or an address rather than a logger: it starts or ends with digits.
pub(crate) fn is_host_like(word: &str) -> bool {
    let ends = |part: Option<&str>| part.is_some_and(is_digits);
    ends(word.split('.').next()) || ends(word.rsplit('.').next())
}
