//! The message of a record, and the stack trace that came inside it.
//!
//! A message is one line. Where it came with several and the rest is a stack trace, the trace moves to where traces
//! belong; any other line break is escaped (see [`super::text`]).

use super::notes::Notes;
use super::stack;
use super::text::{self, Breaks};
use crate::limits::{MESSAGE_BYTES_MAX, STACK_BYTES_MAX};
use crate::record::{Defect, Rejection, RejectionCode};

/// Message and stack trace, both clean and within their limits.
#[derive(Debug, PartialEq)]
pub(crate) struct Texts {
    pub(crate) message: String,
    pub(crate) stack_trace: Option<String>,
    /// Control characters of the message were escaped, so that `\n` in it may stand for a line break.
    pub(crate) escaped: bool,
    /// The message with its line breaks, where it had some.
    pub(crate) lines: Option<String>,
}

/// Reads the message as sent, together with the stack trace as sent.
pub(crate) fn read(sent: Option<String>, stack: Option<String>, notes: &mut Notes) -> Result<Texts, Rejection> {
    let Some(mut message) = sent else {
        return Err(refused(RejectionCode::MissingMessage, "a record needs a message"));
    };
    text::trim(&mut message);
    let mut stack_trace = read_stack(stack, notes);
    let is_plain = text::is_plain_line(&message);
    if !is_plain && message.contains('\n') {
        notes.clean(&mut message, MESSAGE_BYTES_MAX + STACK_BYTES_MAX, Breaks::Kept, Defect::MessageCut);
        if let Some(moved) = move_stack(&mut message, stack_trace.as_deref()) {
            stack_trace = read_stack(Some(moved), notes).or(stack_trace);
        }
    }
    let lines = (!is_plain && message.contains('\n')).then(|| message.clone());
    let done = match is_plain && message.len() <= MESSAGE_BYTES_MAX {
        true => text::Cleaned::default(),
        false => text::clean(&mut message, MESSAGE_BYTES_MAX, Breaks::Escaped),
    };
    if done.cut {
        notes.defect(Defect::MessageCut);
    }
    if done.controls {
        notes.defect(Defect::ControlCharacters);
    }
    text::trim(&mut message);
    if message.is_empty() {
        return Err(refused(RejectionCode::EmptyMessage, "the message is empty or white space"));
    }
    Ok(Texts { message, stack_trace, escaped: done.controls, lines })
}

fn refused(code: RejectionCode, reason: &str) -> Rejection {
    Rejection { code, field: "/message".to_string(), reason: reason.to_string() }
}

fn read_stack(sent: Option<String>, notes: &mut Notes) -> Option<String> {
    let mut stack = sent?;
    notes.clean(&mut stack, STACK_BYTES_MAX, Breaks::Kept, Defect::FieldCut);
    stack.truncate(stack.trim_end().len());
    (!stack.trim_start().is_empty()).then_some(stack)
}

/// Takes the stack trace out of a message of several lines. What is taken is returned unless the trace sent apart
/// holds it already; a different trace sent apart wins, and the message then keeps its lines.
fn move_stack(message: &mut String, sent: Option<&str>) -> Option<String> {
    let at = stack::split_message(message).filter(|&at| message.is_char_boundary(at))?;
    let trace = message.get(at..).unwrap_or_default().trim_matches('\n');
    // A trace that begins the message is led by the line that says what happened: that line is the message.
    let keep = if message.get(..at).is_some_and(|head| !head.trim().is_empty()) {
        at
    } else {
        at + trace.find('\n').unwrap_or(trace.len())
    };
    let moved = match sent {
        None => Some(trace.to_string()),
        Some(sent) if sent.contains(trace.trim()) => None,
        Some(_) => return None,
    };
    message.truncate(message.floor_char_boundary(keep));
    message.truncate(message.trim_end().len());
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(message: &str, stack: Option<&str>) -> Texts {
        let mut notes = Notes::default();
        read(Some(message.into()), stack.map(String::from), &mut notes).expect("accepted")
    }

    #[test]
    fn a_message_is_required_and_says_something() {
        let code = |sent: Option<&str>| {
            let refused = read(sent.map(String::from), None, &mut Notes::default()).expect_err("refused");
            assert_eq!(refused.field, "/message");
            refused.code
        };
        assert_eq!(code(None), RejectionCode::MissingMessage);
        for blank in ["", " \t\r\n", "\u{1b}[0m", "\u{3000}"] {
            assert_eq!(code(Some(blank)), RejectionCode::EmptyMessage, "{blank:?}");
        }
    }

    #[test]
    fn lines_are_escaped_and_ends_are_trimmed() {
        let read = texts("  first\r\nsecond\n", None);
        assert_eq!((read.message.as_str(), read.escaped), ("first\\nsecond", true));
        let read = texts("one line\n", None);
        assert_eq!((read.message.as_str(), read.escaped), ("one line", false));
    }

    #[test]
    fn a_stack_trace_inside_the_message_moves() {
        let trace = "    at Cart.add (/app/cart.js:3:7)\n    at main (/app/index.js:1:1)";
        let read = texts(&format!("TypeError: x is undefined\n{trace}\n"), None);
        assert_eq!(read.message, "TypeError: x is undefined");
        assert_eq!(read.stack_trace.as_deref().map(str::trim_start), Some(trace.trim_start()));
        assert!(!read.escaped, "nothing is left to escape");
    }

    #[test]
    fn the_same_trace_sent_twice_is_kept_once() {
        let trace = "TypeError: x\n    at Cart.add (/app/cart.js:3:7)\n    at main (/app/index.js:1:1)";
        let read = texts(trace, Some(trace));
        assert_eq!((read.message.as_str(), read.stack_trace.as_deref()), ("TypeError: x", Some(trace)));
    }

    #[test]
    fn two_different_traces_are_both_kept() {
        let read =
            texts("Error: a\n    at f (/app/a.js:1:1)\n    at g (/app/a.js:2:1)", Some("    at h (/app/b.js:1:1)"));
        assert_eq!(read.message, "Error: a\\n    at f (/app/a.js:1:1)\\n    at g (/app/a.js:2:1)");
        assert_eq!(read.stack_trace.as_deref(), Some("    at h (/app/b.js:1:1)"));
    }

    #[test]
    fn a_blank_stack_is_none_and_a_long_one_is_cut() {
        assert_eq!(texts("m", Some(" \n ")).stack_trace, None);
        let mut notes = Notes::default();
        let long = "at f\n".repeat(20_000);
        let read = read(Some("m".into()), Some(long), &mut notes).expect("accepted");
        assert!(read.stack_trace.is_some_and(|stack| stack.len() <= STACK_BYTES_MAX));
        assert_eq!(notes.defects, [Defect::FieldCut]);
    }
}
