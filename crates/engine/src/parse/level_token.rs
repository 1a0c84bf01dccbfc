//! A bare level word as a token of a header.
//!
//! `INFO` after a timestamp is a level; `error` in the middle of a sentence is not. What decides is the word's case,
//! where it stands ([`Place`]) and what follows it ([`Follow`]); the answer is a column that is cut off, or a hint that
//! says something about the line but stays in the message.

use crate::level::Level;
use crate::parse::word::{Case, LevelWord};
use crate::parse::{ansi, word};

/// Where in the line a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The line's first word, no time before it.
    Start,
    /// Directly after the time.
    AfterTime,
    /// After other columns, the last of them closed by a separator or not.
    Deep { separated: bool },
}

/// What a level word is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A column of the header.
    Column,
    /// Part of the message that tells the level.
    Hint,
}

/// A level word in the line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LevelToken {
    pub(crate) level: Level,
    pub(crate) form: Form,
    /// Bytes of the word itself.
    pub(crate) len: usize,
}

/// What follows a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follow {
    End,
    /// One blank, then text.
    Blank,
    /// A blank, then something that only a header has: digits of a time, a bracket.
    Header,
    /// A colon and a blank.
    Colon,
    /// A colon and text.
    TightColon,
    Comma,
    /// A pipe, a tab, two blanks or more, ` - `.
    Separator,
    /// More of the same word: it is no level.
    Word,
}

/// The level word at the start of `text`, if its place and surroundings make it one.
pub(crate) fn read(text: &str, place: Place) -> Option<LevelToken> {
    let len = text.bytes().take(14).take_while(u8::is_ascii_alphabetic).count();
    let found = word::level_word(text.get(..len)?)?;
    let follow = follow(text.get(len..)?);
    let form = match found.case {
        _ if follow == Follow::Word => None,
        _ if found.is_rare => rare_form(found, follow, place),
        Case::Upper => Some(upper_form(found, follow, place)),
        Case::Lower | Case::Mixed => lower_form(found, follow, place),
    }?;
    Some(LevelToken { level: found.level, form, len })
}

/// Whether an indented line starts with a level that was padded to the right (` INFO [main] ...`).
pub(crate) fn starts_padded(body: &str) -> bool {
    read(body, Place::Start).is_some_and(|token| {
        token.form == Form::Column
            && body.get(..token.len).is_some_and(|word| word.bytes().all(|b| b.is_ascii_uppercase()))
    })
}

/// `OK`, `LOG`, `HTTP`: only between separators.
fn rare_form(found: LevelWord, follow: Follow, place: Place) -> Option<Form> {
    let is_labelled = found.case == Case::Upper && follow == Follow::Colon;
    let is_fenced = follow == Follow::Separator && place != Place::Start;
    (is_labelled || is_fenced).then_some(Form::Column)
}

/// Upper case is a column almost everywhere; at the start of a line it may also be shouting.
fn upper_form(found: LevelWord, follow: Follow, place: Place) -> Form {
    match follow {
        Follow::Blank | Follow::Comma if place == Place::Start && found.is_prose => Form::Hint,
        Follow::End => Form::Hint,
        _ => Form::Column,
    }
}

/// Small letters need a place or a separator that makes them a column.
fn lower_form(found: LevelWord, follow: Follow, place: Place) -> Option<Form> {
    let unless_prose = if found.is_prose { Form::Hint } else { Form::Column };
    match (place, follow) {
        (_, Follow::Word | Follow::TightColon) => None,
        (Place::Start, Follow::Colon) => Some(Form::Hint),
        (Place::Start, Follow::Separator | Follow::Header) => Some(unless_prose),
        (Place::Start, _) => None,
        (Place::AfterTime, Follow::Colon) if found.case == Case::Lower => Some(Form::Column),
        (Place::AfterTime, Follow::Separator) => Some(Form::Column),
        (Place::AfterTime, Follow::Comma) => (!found.is_prose).then_some(Form::Column),
        (Place::AfterTime, Follow::End) => Some(Form::Hint),
        (Place::AfterTime, _) => Some(unless_prose),
        (Place::Deep { separated: true }, Follow::Separator | Follow::Colon) => Some(Form::Column),
        (Place::Deep { .. }, _) => None,
    }
}

/// Classifies what comes after a word.
fn follow(after: &str) -> Follow {
    let blanks = ansi::blank_len(after);
    let rest = after.get(blanks..).unwrap_or("");
    let starts_blank = |text: &str| text.is_empty() || ansi::blank_len(text) > 0;
    if rest.is_empty() {
        return Follow::End;
    }
    if let Some(next) = rest.strip_prefix(':') {
        return if starts_blank(next) {
            Follow::Colon
        } else if blanks == 0 {
            Follow::TightColon
        } else {
            Follow::Blank
        };
    }
    if rest.starts_with('|') {
        return Follow::Separator;
    }
    if blanks == 0 {
        return match rest.bytes().next() {
            Some(b',' | b';') => Follow::Comma,
            Some(b'[') => Follow::Header,
            _ => Follow::Word,
        };
    }
    let dashes = rest.bytes().take(4).take_while(|byte| *byte == b'-').count();
    if (1..=3).contains(&dashes) && rest.get(dashes..).is_some_and(starts_blank) {
        return Follow::Separator;
    }
    if blanks > 1 || after.starts_with('\t') {
        return Follow::Separator;
    }
    let is_time = timestampish(rest);
    if rest.starts_with('[') || is_time { Follow::Header } else { Follow::Blank }
}

/// Whether digits and separators at the start look like a date or a time; a cheap question asked often.
fn timestampish(text: &str) -> bool {
    let run = text.bytes().take(10).take_while(|byte| byte.is_ascii_digit() || b"-/:.".contains(byte)).count();
    run >= 8 && text.bytes().take(run).filter(|byte| !byte.is_ascii_digit()).count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, place: Place, expected: Option<(Level, Form)>) {
        assert_eq!(read(text, place).map(|token| (token.level, token.form)), expected, "{text:?} at {place:?}");
    }

    #[test]
    fn upper_case_is_a_column_unless_it_may_be_shouting() {
        check("INFO starting", Place::Start, Some((Level::INFO, Form::Column)));
        check("ERROR in everything", Place::Start, Some((Level::ERROR, Form::Hint)));
        check("ERROR: x", Place::Start, Some((Level::ERROR, Form::Column)));
        check("ERROR x", Place::AfterTime, Some((Level::ERROR, Form::Column)));
        check("WARN", Place::AfterTime, Some((Level::WARN, Form::Hint)));
        check("INFORMER x", Place::AfterTime, None);
        check("INFO-LEVEL x", Place::AfterTime, None);
    }

    #[test]
    fn small_letters_need_a_place_or_a_separator() {
        check("info server started", Place::Start, None);
        check("info server started", Place::AfterTime, Some((Level::INFO, Form::Column)));
        check("error reading file", Place::AfterTime, Some((Level::ERROR, Form::Hint)));
        check("error: reading file", Place::AfterTime, Some((Level::ERROR, Form::Column)));
        check("Error: reading file", Place::AfterTime, Some((Level::ERROR, Form::Hint)));
        check("Error: reading file", Place::Start, Some((Level::ERROR, Form::Hint)));
        check("error reading file", Place::Start, None);
        check("warn | x", Place::Start, Some((Level::WARN, Form::Column)));
        check("warning x", Place::Deep { separated: true }, None);
        check("warning - x", Place::Deep { separated: true }, Some((Level::WARN, Form::Column)));
        check("warning - x", Place::Deep { separated: false }, None);
        check("error:0x12", Place::AfterTime, None);
    }

    #[test]
    fn words_that_are_mostly_something_else_need_separators() {
        check("OK done", Place::AfterTime, None);
        check("HTTP server", Place::AfterTime, None);
        check("LOG:  x", Place::Deep { separated: false }, Some((Level::INFO, Form::Column)));
        check("config | x", Place::AfterTime, Some((Level::DEBUG, Form::Column)));
    }
}
