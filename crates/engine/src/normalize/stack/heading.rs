//! The line that names an exception: `TypeError: x is not a function`, wherever it stands in the text.
//!
//! A name is believed by its form: a last word that ends as exceptions' names do (`...Error`, `...Exception`), or,
//! where the language qualifies its types, a qualified name. No list of exceptions is kept.

use super::text::{Line, Text, cut};

/// How far above the first frame the heading is looked for: assertion messages print whole diffs in between.
pub(super) const LINES_ABOVE_MAX: usize = 48;
/// Bytes of a code between a name and its colon: a bound on the search for its closing bracket.
const CODE_BYTES_MAX: usize = 64;
/// How names of exceptions end, in the languages that name them.
const ENDINGS: [&str; 8] = ["Error", "Exception", "Throwable", "Failure", "Warning", "Fault", "Interrupt", "Exit"];

/// An exception's name and where its message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heading<'a> {
    /// Name of the type, qualified if it was printed so.
    pub(super) kind: &'a str,
    /// Byte at which the message begins; it may go on over the next lines.
    pub(super) message_at: usize,
}

/// Whether unqualified names alone are believed, or qualified ones at the beginning of a line too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `TypeError`: JavaScript, Ruby, PHP.
    Plain,
    /// `com.shop.OutOfStock`: JVM, .NET.
    Qualified,
}

/// The nearest heading above the line at `first_frame`.
pub(super) fn above<'a>(text: &Text<'a>, first_frame: usize, naming: Naming) -> Option<(usize, Heading<'a>)> {
    let nearest = first_frame.saturating_sub(LINES_ABOVE_MAX)..first_frame;
    for index in nearest.rev() {
        let line = text.line(index)?;
        if let Some(heading) = within(line, naming) {
            return Some((index, heading));
        }
    }
    // A name of one's own choice (`OutOfStock: sku 12`) is believed only where a heading must be.
    let index = first_frame.checked_sub(1)?;
    let line = text.line(index)?.unindented();
    let heading = beginning(line)?;
    let chosen = heading.kind.starts_with(|first: char| first.is_ascii_uppercase())
        && heading.kind.bytes().any(|byte| byte.is_ascii_lowercase())
        && heading.message_at < line.start + line.text.len();
    chosen.then_some((index, heading))
}

/// The first heading inside a line; text before it (a time, a level, `Uncaught`) is passed over.
pub(super) fn within(line: Line<'_>, naming: Naming) -> Option<Heading<'_>> {
    let mut at = line.indent();
    let mut is_first = true;
    while at < line.text.len() {
        let rest = line.after(at);
        let name = name_at(rest.text);
        if name.is_empty() {
            at += rest.text.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let is_believed = is_exception_name(name)
            || (naming == Naming::Qualified && is_qualified_name(name) && (is_first || follows_quote(line, at)));
        if is_believed && let Some(heading) = beginning(rest) {
            return Some(unwrapped(line, heading));
        }
        at += name.len();
        is_first = false;
    }
    None
}

/// The heading with which a line begins, whatever its name.
pub(super) fn beginning(line: Line<'_>) -> Option<Heading<'_>> {
    let name = name_at(line.text);
    let kind = name.trim_end_matches(['.', '\\', ':', '-', '$']);
    if kind.is_empty() || kind.len() != name.len() || kind.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let mut rest = line.after(kind.len());
    // `Error [ERR_ASSERTION]: ...` and `System.Net.Sockets.SocketException (111): ...` carry a code before the colon.
    for (open, close) in [(" [", ']'), (" (", ')')] {
        if rest.text.starts_with(open)
            && let Some(end) = cut(rest.text, CODE_BYTES_MAX).find(close)
            && rest.text.get(end + 1..).is_some_and(|after| after.is_empty() || after.starts_with(':'))
        {
            rest = rest.after(end + 1);
        }
    }
    if rest.text.trim_end().is_empty() {
        return Some(Heading { kind, message_at: rest.start + rest.text.len() });
    }
    let message = rest.after_prefix(":")?;
    let is_apart = message.text.starts_with(|first: char| first.is_whitespace()) || message.text.is_empty();
    is_apart.then_some(Heading { kind, message_at: message.start })
}

/// `UnhandledPromiseRejectionWarning: Error: boom`: the runtime warns about the error that the message names.
fn unwrapped<'a>(line: Line<'a>, heading: Heading<'a>) -> Heading<'a> {
    if !heading.kind.ends_with("Warning") {
        return heading;
    }
    let message = line.after(heading.message_at.saturating_sub(line.start)).unindented();
    match beginning(message) {
        Some(inner) if is_exception_name(inner.kind) => inner,
        _ => heading,
    }
}

/// A name follows the thread's name in `Exception in thread "main" com.shop.OutOfStock`.
fn follows_quote(line: Line<'_>, at: usize) -> bool {
    line.text.get(..at).is_some_and(|before| before.ends_with("\" "))
}

/// The longest name with which a text begins: letters, digits, `_`, `$`, and the joints `.`, `\` and `::`.
fn name_at(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let is_part = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'\\') || *byte >= 0x80;
        if is_part {
            end += 1;
        } else if *byte == b':' && bytes.get(end + 1) == Some(&b':') {
            end += 2;
        } else {
            break;
        }
    }
    text.get(..end).unwrap_or_default()
}

fn is_exception_name(name: &str) -> bool {
    let last = name.rsplit(['.', '\\', ':', '$']).next().unwrap_or(name);
    last.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && ENDINGS.iter().any(|ending| last.ends_with(ending))
}

fn is_qualified_name(name: &str) -> bool {
    let mut parts = name.split('.');
    let last = parts.next_back().unwrap_or_default();
    let mut qualifiers = 0;
    let all_words = parts.all(|part| {
        qualifiers += 1;
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
    });
    all_words && qualifiers > 0 && last.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, naming: Naming, expected: Option<(&str, &str)>) {
        let seen = within(Line { text: line, start: 0 }, naming);
        let seen = seen.map(|heading| (heading.kind, line.get(heading.message_at..).unwrap_or_default().trim()));
        assert_eq!(seen, expected, "{line}");
    }

    #[test]
    fn a_heading_is_found_wherever_it_stands() {
        let plain = |line, expected| check(line, Naming::Plain, expected);
        plain("TypeError: x is not a function", Some(("TypeError", "x is not a function")));
        plain("Uncaught (in promise) RangeError: too big", Some(("RangeError", "too big")));
        plain("12:00:01 ERROR [web] failed: PaymentError: declined", Some(("PaymentError", "declined")));
        plain("Error", Some(("Error", "")));
        plain("Error [ERR_MODULE_NOT_FOUND]: Cannot find 'x'", Some(("Error", "Cannot find 'x'")));
        plain("(node:1) UnhandledPromiseRejectionWarning: Error: boom", Some(("Error", "boom")));
        plain(
            "(node:1) DeprecationWarning: Buffer() is deprecated",
            Some(("DeprecationWarning", "Buffer() is deprecated")),
        );
        plain("ActiveRecord::RecordNotFoundError: no user", Some(("ActiveRecord::RecordNotFoundError", "no user")));
    }

    #[test]
    fn words_that_only_resemble_a_heading_are_passed_over() {
        let plain = |line| check(line, Naming::Plain, None);
        plain("Exception in thread main");
        plain("ERROR: disk full");
        plain("Error:12 of 14");
        plain("see https://host/TypeError for more");
        plain("");
        check("2024.Q1: result", Naming::Qualified, None);
        check("look at com.shop.Order: it is late", Naming::Qualified, None);
    }

    #[test]
    fn qualified_names_need_no_ending() {
        let qualified = |line, expected| check(line, Naming::Qualified, expected);
        qualified("com.shop.OutOfStock: sku 12", Some(("com.shop.OutOfStock", "sku 12")));
        qualified("Exception in thread \"main\" com.shop.OutOfStock: sku", Some(("com.shop.OutOfStock", "sku")));
        qualified(
            "System.Net.Sockets.SocketException (111): refused",
            Some(("System.Net.Sockets.SocketException", "refused")),
        );
    }
}
