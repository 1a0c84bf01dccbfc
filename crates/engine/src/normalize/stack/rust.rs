//! Rust: numbered frames below `stack backtrace:`, each with `at ./src/x.rs:1:2` on the next line.
//!
//! A panic without a backtrace still says where it happened: that place is its only frame. Causes are those that
//! error reports list below `Caused by:`; they have no frames of their own.

use super::origin;
use super::text::{Line, Text, number, place};
use super::trace::{Place, Section, Trace};

const PANIC_MARK: &str = "panicked at ";
const BACKTRACE_MARK: &str = "stack backtrace:";
/// What is printed for a function without a name.
const UNKNOWN: &str = "<unknown>";
/// How far below `panicked at` the message may go on.
const MESSAGE_LINES_MAX: usize = 48;
/// Crates that come with the compiler.
const RUNTIME_CRATES: [&str; 8] =
    ["__rustc", "std", "core", "alloc", "proc_macro", "test", "backtrace", "panic_unwind"];
/// Functions that start or end every program.
const RUNTIME_FUNCTIONS: [&str; 8] = [
    "rust_begin_unwind",
    "rust_panic",
    "_start",
    "__libc_start_main",
    "__libc_start_call_main",
    "start_thread",
    "clone",
    "_main",
];

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut trace = Trace::default();
    let mut is_backtrace = false;
    let mut backtraces = 0;
    let mut lines = text.lines().iter().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let trimmed = line.trimmed();
        if trimmed.eq_ignore_ascii_case(BACKTRACE_MARK) {
            is_backtrace = true;
            backtraces += 1;
            trace.begins_at(index);
            continue;
        }
        let Some(function) = numbered(trimmed) else {
            is_backtrace &= trimmed.starts_with("at ") || line.indent() > 0;
            continue;
        };
        let at = lines.peek().and_then(|(_, next)| next.trimmed().strip_prefix("at ")).and_then(place);
        if at.is_none() && !is_backtrace {
            continue;
        }
        trace.begins_at(index);
        // A second backtrace is that of another panic, often one while the first was handled: seen, not shown. So are
        // frames without a name.
        if backtraces > 1 || (function == UNKNOWN && at.is_none()) {
            trace.frames_seen += 1;
        } else {
            trace.push_outward(frame(function, at));
        }
    }
    describe(&mut trace, text);
    trace
}

/// The panic that is told above the line at `until`.
pub(super) fn panic_above(text: &Text<'_>, until: usize) -> Option<Section> {
    let lines = text.lines().iter().take(until).enumerate();
    let (_, panic) = lines.filter_map(|(index, line)| Some((index, panic(text, index, *line, until)?))).next()?;
    Some(Section::of(Some("panic"), panic.message))
}

/// Says what happened: a panic, or an error with its causes.
fn describe(trace: &mut Trace, text: &Text<'_>) {
    let end = text.lines().len();
    let panic = text.lines().iter().enumerate().find_map(|(index, line)| panic(text, index, *line, end));
    if let Some(panic) = panic {
        if trace.frames_seen == 0 {
            trace.push_outward(panic.at);
        }
        if let Some(section) = trace.sections.first_mut() {
            section.name(Some("panic"), panic.message);
        }
    } else if trace.frames_seen > 0 {
        describe_error(trace, text);
    }
}

/// `Error: outer`, then `Caused by:` and a list, numbered when it has several.
fn describe_error(trace: &mut Trace, text: &Text<'_>) {
    let first = text.lines().iter().enumerate().find_map(|(index, line)| Some((index, line.after_mark("Error: ")?)));
    if let (Some((_, message)), Some(section)) = (first, trace.sections.first_mut()) {
        section.name(Some("Error"), Some(message.trimmed()));
    }
    let Some(list) = text.lines().iter().position(|line| line.trimmed() == "Caused by:") else { return };
    for line in text.lines().iter().skip(list + 1).take_while(|line| line.indent() > 0) {
        let cause = numbered(line.trimmed()).unwrap_or(line.trimmed());
        trace.open_cause(Section::of(None, Some(cause)));
    }
}

/// A panic's message and place.
struct Panic<'a> {
    message: Option<&'a str>,
    at: Place<'a>,
}

/// `thread 'main' panicked at src/main.rs:2:5:` with the message below, or, before Rust 1.73,
/// `thread 'main' panicked at 'message', src/main.rs:2:5`.
fn panic<'a>(text: &Text<'a>, index: usize, line: Line<'a>, until: usize) -> Option<Panic<'a>> {
    let rest = line.after_mark(PANIC_MARK)?;
    if let Some(old) = rest.after_prefix("'") {
        let last = until.min(index + MESSAGE_LINES_MAX);
        let lines = text.lines().iter().take(last).skip(index);
        return lines.map(|line| (line, line.text.rfind("', "))).find_map(|(line, at)| {
            let at = at?;
            let place = place(line.after(at + 3).trimmed())?;
            Some(Panic { message: text.slice(old.start, line.start + at), at: at_place(place) })
        });
    }
    let place = place(rest.trimmed().strip_suffix(':')?)?;
    let below = text.lines().iter().enumerate().take(until.min(index + MESSAGE_LINES_MAX)).skip(index + 1);
    let end =
        below.clone().find(|(_, line)| ends_message(line.trimmed())).map_or(index + 1 + below.count(), |(at, _)| at);
    let message = text.line(index + 1).and_then(|first| text.between(first.start, end));
    Some(Panic { message, at: at_place(place) })
}

fn ends_message(line: &str) -> bool {
    line.eq_ignore_ascii_case(BACKTRACE_MARK)
        || line == "Stack:"
        || line.starts_with("note: ")
        || (line.starts_with("thread '") && line.contains(PANIC_MARK))
}

fn at_place((file, line, column): (&str, u32, Option<u32>)) -> Place<'_> {
    Place { function: None, file: Some(file), line: Some(line), column, in_app: is_in_app(None, Some(file)) }
}

fn frame<'a>(function: &'a str, at: Option<(&'a str, u32, Option<u32>)>) -> Place<'a> {
    let function = (function != UNKNOWN).then_some(function);
    let place = at.map(at_place).unwrap_or_default();
    Place { function, in_app: is_in_app(function, place.file), ..place }
}

/// `12: shop::cart::add`, with an address before the name when the backtrace is full, and a hash behind it.
fn numbered(line: &str) -> Option<&str> {
    let (index, name) = line.split_once(": ")?;
    number(index)?;
    let name = name.trim();
    let name = match name.split_once(" - ") {
        Some((address, name)) if address.starts_with("0x") => name,
        _ => name,
    };
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => name,
    };
    (!name.is_empty()).then_some(name)
}

/// The crate of `<alloc::boxed::Box<F> as core::ops::FnOnce>::call` is `alloc`.
fn is_in_app(function: Option<&str>, file: Option<&str>) -> bool {
    let name = function.unwrap_or_default().trim_start_matches(['<', '&', '*', '(', '[']);
    let name = name.strip_prefix("dyn ").or_else(|| name.strip_prefix("impl ")).unwrap_or(name);
    let is_runtime = name.split_once("::").is_some_and(|(first, _)| RUNTIME_CRATES.contains(&first))
        || RUNTIME_FUNCTIONS.contains(&name)
        || name.starts_with("__rust")
        || name.starts_with("__pthread");
    let is_library = file.is_some_and(|file| origin::is_dependency(file) || file.starts_with("library/"));
    !is_runtime && !is_library && (function.is_some() || file.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_hashes_are_not_part_of_a_name() {
        assert_eq!(numbered("12: shop::add"), Some("shop::add"));
        assert_eq!(numbered("0:     0x55d1 - shop::add::h0123456789abcdef"), Some("shop::add"));
        assert_eq!(numbered("0: shop::hello"), Some("shop::hello"));
        assert_eq!(numbered("x: shop::add"), None);
        assert_eq!(numbered("1: "), None);
    }

    #[test]
    fn what_comes_with_the_compiler_is_not_the_application() {
        for function in [
            "core::panicking::panic_fmt",
            "<alloc::boxed::Box<F> as core::ops::FnOnce>::call_once",
            "<dyn core::any::Any as x>::y",
            "rust_begin_unwind",
            "__rust_begin_short_backtrace",
        ] {
            assert!(!is_in_app(Some(function), None), "{function}");
        }
        assert!(is_in_app(Some("shop::main"), Some("./src/main.rs")));
        assert!(is_in_app(Some("<shop::Cart as core::fmt::Display>::fmt"), None));
        assert!(is_in_app(Some("core_shop::add"), None));
        assert!(!is_in_app(Some("tokio::spawn"), Some("/root/.cargo/registry/src/x/tokio-1.0/src/lib.rs")));
        assert!(!is_in_app(None, None));
    }
}
