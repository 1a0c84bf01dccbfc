//! Terminal colours in a line: passed over in the header, removed from the message.
//!
//! Only "select graphic rendition" (`ESC [ digits m`) is known here; every other control sequence is left for
//! `normalize`, which makes control characters harmless.

use std::borrow::Cow;

/// Bytes of the colour sequence at the start of `text`; 0 if there is none.
pub(crate) fn sequence_len(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("\u{1b}[") else { return 0 };
    let digits = inner.bytes().take(32).take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    if inner.as_bytes().get(digits) == Some(&b'm') { digits + 3 } else { 0 }
}

/// Bytes of white space and colour sequences at the start of `text`.
pub(crate) fn blank_len(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        match rest.bytes().next() {
            Some(b' ' | b'\t') => at += 1,
            Some(0x1b) if sequence_len(rest) > 0 => at += sequence_len(rest),
            _ => break,
        }
    }
    at
}

/// `text` without colour sequences; borrowed if it has none.
pub(crate) fn without_colours(text: &str) -> Cow<'_, str> {
    if !text.contains("\u{1b}[") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let skip = sequence_len(from);
        if skip == 0 {
            plain.push('\u{1b}');
        }
        rest = from.get(skip.max(1)..).unwrap_or("");
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_everything_else_stays() {
        assert_eq!(without_colours("\u{1b}[32m INFO\u{1b}[0m ok \u{1b}[2K \u{1b}"), " INFO ok \u{1b}[2K \u{1b}");
        assert!(matches!(without_colours("plain"), Cow::Borrowed("plain")));
        assert_eq!(blank_len(" \t\u{1b}[1;31m x"), 10);
        assert_eq!(blank_len("\u{1b}[1;31"), 0);
    }
}
