//! Stack traces: the text that a runtime prints, as frames.
//!
//! Each language has a reader that looks at every line and takes what it knows; the reader that saw most frames
//! understood the text. Text before, between and after is allowed: a trace inside a log message is read as well as a
//! bare one. Frames are innermost first, whatever the runtime's order, and of a chain of exceptions the one that was
//! reported comes first and its root cause last.
//!
//! Invariants: total on any text; time linear in its length; at most `FRAMES_MAX` frames; every text of a frame or an
//! exception occurs in the input as it was printed. Arguments of calls are left out, because they may hold secrets.
//!
//! Left out: symbolication and source maps, threads other than the one that failed, and native (C, C++) dumps.

mod dotnet;
mod go;
mod heading;
mod javascript;
mod jvm;
mod origin;
mod php;
mod python;
mod ruby;
mod rust;
mod text;
mod trace;

use crate::limits::FRAMES_MAX;
use crate::record::Frame;
use text::{Text, cut};
use trace::{Section, Trace, shares};

/// Bytes of an exception's message; as any other text field of a record.
const EXCEPTION_BYTES_MAX: usize = crate::limits::FIELD_BYTES_MAX;

/// Families of runtimes whose traces are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// JavaScript and TypeScript on V8, SpiderMonkey, JavaScriptCore, Hermes.
    JavaScript,
    /// Python.
    Python,
    /// Java, Kotlin, Scala and others on the JVM or Android.
    Java,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// PHP.
    Php,
    /// C#, F# and others on .NET or Mono.
    DotNet,
    /// Ruby.
    Ruby,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 8] =
        [Self::JavaScript, Self::Python, Self::Java, Self::Rust, Self::Go, Self::Php, Self::DotNet, Self::Ruby];
    /// The word used in every reply.
    pub const fn word(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::Java => "java",
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Php => "php",
            Self::DotNet => "dotnet",
            Self::Ruby => "ruby",
        }
    }
}

/// What was understood of a stack trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedStack {
    /// Type of the exception that was reported; `panic` for Rust and Go.
    pub exception_type: Option<String>,
    /// Its message, possibly of several lines, at most `FIELD_BYTES_MAX` bytes.
    pub exception_message: Option<String>,
    /// Frames of the reported exception, then those of each cause; in each the innermost first. At most `FRAMES_MAX`.
    pub frames: Vec<Frame>,
    /// The language whose reader understood it; none when there were no frames.
    pub language: Option<Language>,
    /// Causes, from the nearest to the root. At most seven; of a longer chain the middle is left out.
    pub causes: Vec<Cause>,
}

/// An exception that led to the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Type of the exception.
    pub exception_type: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// Where its frames begin in [`ParsedStack::frames`]; they end where those of the next cause begin.
    pub frame_start: usize,
}

/// Reads the stack trace in a text. A text without frames gives at most the exception that its first line names.
pub fn parse_frames(stack: &str) -> ParsedStack {
    let text = Text::of(stack);
    match best_reading(&text) {
        Some((language, trace)) => assemble(language, trace),
        None => without_frames(&text),
    }
}

/// Where a stack trace begins in a message of several lines, in bytes; the start of a line, possibly 0.
///
/// What a runtime prints above its frames (`TypeError: x is not a function`) stays with the message; what it prints
/// below them goes with the stack. A message of one line has no stack.
pub fn split_message(message: &str) -> Option<usize> {
    // Most messages are one line: they cost one scan for a line feed.
    if !message.trim_end().contains('\n') {
        return None;
    }
    let text = Text::of(message);
    let (_, trace) = best_reading(&text)?;
    text.line(trace.first_line?).map(|line| line.start)
}

/// Looks at every line of a text and takes what one language prints.
type Reader = fn(&Text<'_>) -> Trace;

/// The reading that saw most frames. On a tie the earlier in this order is the more specific grammar: a backtrace of
/// Rust has lines that V8 might have printed, and not the other way round.
fn best_reading(text: &Text<'_>) -> Option<(Language, Trace)> {
    let readers: [(Language, Reader); 8] = [
        (Language::Rust, rust::read),
        (Language::Python, python::read),
        (Language::Java, jvm::read),
        (Language::Go, go::read),
        (Language::Php, php::read),
        (Language::Ruby, ruby::read),
        (Language::DotNet, dotnet::read),
        (Language::JavaScript, javascript::read),
    ];
    let mut best: Option<(Language, Trace)> = None;
    for (language, read) in readers {
        let trace = read(text);
        if trace.frames_seen > best.as_ref().map_or(0, |(_, best)| best.frames_seen) {
            best = Some((language, trace));
        }
    }
    best
}

fn assemble(language: Language, trace: Trace) -> ParsedStack {
    let lengths: Vec<usize> = trace.sections.iter().map(|section| section.frames.len()).collect();
    let mut stack = ParsedStack { language: Some(language), ..ParsedStack::default() };
    let sections = trace.sections.into_iter().zip(shares(&lengths, FRAMES_MAX));
    for (index, (section, share)) in sections.enumerate() {
        let Section { kind, message, frames } = section;
        if index == 0 {
            stack.exception_type = kind;
            stack.exception_message = message;
        } else {
            stack.causes.push(Cause { exception_type: kind, message, frame_start: stack.frames.len() });
        }
        stack.frames.extend(frames.into_iter().take(share));
    }
    stack
}

fn without_frames(text: &Text<'_>) -> ParsedStack {
    let first = text.lines().iter().copied().find(|line| !line.trimmed().is_empty());
    let heading = first.and_then(|line| heading::within(line, heading::Naming::Plain).map(|heading| (line, heading)));
    let Some((line, heading)) = heading else { return ParsedStack::default() };
    let message = line.after(heading.message_at.saturating_sub(line.start)).trimmed();
    ParsedStack {
        exception_type: Some(heading.kind.to_owned()),
        exception_message: (!message.is_empty()).then(|| cut(message, EXCEPTION_BYTES_MAX).to_owned()),
        ..ParsedStack::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_split(message: &str, expected: Option<&str>) {
        let rest = split_message(message).map(|at| message.get(at..).expect("a split is a character boundary"));
        assert_eq!(rest, expected);
    }

    #[test]
    fn a_stack_below_a_message_is_told_from_it() {
        check_split("TypeError: x\n    at f (/app/a.js:1:2)\nafter", Some("    at f (/app/a.js:1:2)\nafter"));
        check_split(
            "Job failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: x",
            Some("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: x"),
        );
        check_split(
            "PHP Fatal error:  Uncaught E: x in /a.php:3\nStack trace:\n#0 {main}",
            Some("Stack trace:\n#0 {main}"),
        );
        check_split(
            "panic: x\n\ngoroutine 1 [running]:\nmain.f()\n\t/a.go:1",
            Some("goroutine 1 [running]:\nmain.f()\n\t/a.go:1"),
        );
    }

    #[test]
    fn a_message_without_a_stack_is_left_whole() {
        check_split("Line one\nline two: at 12:30:45\n", None);
        check_split("    at f (/app/a.js:1:2)", None);
        check_split("    at f (/app/a.js:1:2)\n", None);
        check_split("thread 'main' panicked at src/main.rs:2:5:\nboom", None);
        check_split("", None);
    }

    #[test]
    fn a_text_without_frames_still_names_its_exception() {
        let stack = parse_frames("\nTypeError: x is not a function\n");
        assert_eq!(stack.exception_type.as_deref(), Some("TypeError"));
        assert_eq!(stack.exception_message.as_deref(), Some("x is not a function"));
        assert_eq!(stack.language, None);
        assert_eq!(parse_frames("nothing of the kind"), ParsedStack::default());
        assert_eq!(parse_frames(""), ParsedStack::default());
    }

    #[test]
    fn every_language_has_its_own_word() {
        let mut words: Vec<_> = Language::ALL.iter().map(|language| language.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Language::ALL.len());
    }
}
