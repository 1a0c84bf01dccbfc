//! PHP: `#0 /app/index.php(12): Cart->add('x')` below `Stack trace:`, up to `#1 {main}`.
//!
//! A frame shows the function that was *called* at its place, as PHP prints it. The place of the `throw` stands in the
//! heading (`in /app/Cart.php:3`) and becomes the innermost frame, without a function. Of chained exceptions PHP
//! prints the root first and the others after `Next`; formatters of log lines print `[object] (Name(code: 0): ...`
//! and the root last.

use super::heading::{self, Naming};
use super::origin;
use super::text::{Line, Text, number, place};
use super::trace::{Place, Section, Trace};

/// How far above the frames the heading may begin.
const LINES_ABOVE_MAX: usize = 32;
const OBJECT_MARK: &str = "[object] (";

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut trace = Trace::default();
    let mut is_root_first = false;
    let mut marked_at = None;
    let mut after_frames = 0;
    for (index, line) in text.lines().iter().enumerate() {
        let trimmed = line.trimmed();
        if matches!(trimmed, "Stack trace:" | "[stacktrace]") || trimmed.ends_with("PHP Stack trace:") {
            marked_at = Some(index);
            continue;
        }
        let Some(call) = call(trimmed) else { continue };
        if call.is_first || trace.frames_seen == 0 {
            let begin = marked_at.take().filter(|mark| mark + 1 == index).unwrap_or(index);
            trace.begins_at(begin);
            let exception = exception_above(text, begin, after_frames);
            is_root_first |= exception.is_next;
            open(&mut trace, exception, is_root_first);
        }
        after_frames = index + 1;
        match call.place {
            Some(place) => trace.push_outward(place),
            None => trace.frames_seen += 1,
        }
    }
    if is_root_first {
        trace.sections.reverse();
    }
    trace
}

fn open(trace: &mut Trace, exception: Exception<'_>, is_root_first: bool) {
    let section = Section::of(exception.kind, exception.message);
    if is_root_first {
        trace.open_consequence(section)
    } else {
        trace.open_cause(section)
    }
    if let Some((file, line, _)) = exception.thrown {
        let in_app = !origin::is_dependency(file);
        trace.push_outward(Place { function: None, file: Some(file), line: Some(line), column: None, in_app });
    }
}

/// A line of a trace; `{main}` has no place.
struct Call<'a> {
    is_first: bool,
    place: Option<Place<'a>>,
}

/// `#0 /app/index.php(12): Cart->add('x')`, `#1 [internal function]: f()`, `#2 {main}`.
fn call(line: &str) -> Option<Call<'_>> {
    let (index, rest) = line.strip_prefix('#')?.split_once(' ')?;
    let is_first = number(index)? == 0;
    if rest == "{main}" {
        return Some(Call { is_first, place: None });
    }
    if let Some(called) = rest.strip_prefix("[internal function]: ") {
        return Some(Call { is_first, place: Some(Place { function: Some(function(called)), ..Place::default() }) });
    }
    let (at, called) = rest.split_once("): ")?;
    let (file, line) = at.rsplit_once('(')?;
    let line = number(line)?;
    let in_app = !origin::is_dependency(file) && !file.starts_with("/usr/share/php");
    let function = Some(function(called));
    (!file.is_empty()).then_some(Call {
        is_first,
        place: Some(Place { function, file: Some(file), line: Some(line), column: None, in_app }),
    })
}

fn function(called: &str) -> &str {
    // The name of a closure has a bracket of its own: `{closure:/app/a.php:3}(1)`, `App\{closure}()`.
    called.find('(').and_then(|at| called.get(..at)).unwrap_or(called)
}

/// What the heading says.
#[derive(Default)]
struct Exception<'a> {
    kind: Option<&'a str>,
    message: Option<&'a str>,
    thrown: Option<(&'a str, u32, Option<u32>)>,
    /// Whether it is announced by `Next`: what was printed before led to it.
    is_next: bool,
}

/// The exception told between the frames before and the line at `until`.
fn exception_above<'a>(text: &Text<'a>, until: usize, not_before: usize) -> Exception<'a> {
    for index in (not_before.max(until.saturating_sub(LINES_ABOVE_MAX))..until).rev() {
        let Some(line) = text.line(index) else { break };
        let next = line.unindented().after_prefix("Next ");
        if let Some(announced) = line.after_mark("Uncaught ").or(next) {
            return announced_by_runtime(text, announced, until, next.is_some());
        }
        if let Some(object) = line.after_mark(OBJECT_MARK) {
            return told_by_formatter(text, object, until);
        }
        if let Some(heading) = heading::within(line, Naming::Plain) {
            return told(text, heading, until, false);
        }
        // A name of one's own choice is believed when the place of the throw ends the message.
        if let Some(heading) = heading::beginning(line) {
            let exception = told(text, heading, until, false);
            if exception.thrown.is_some() {
                return exception;
            }
        }
    }
    Exception::default()
}

/// After `Uncaught` or `Next` any name is an exception's; without a message it is followed by the place alone.
fn announced_by_runtime<'a>(text: &Text<'a>, announced: Line<'a>, until: usize, is_next: bool) -> Exception<'a> {
    if let Some(heading) = heading::beginning(announced) {
        return told(text, heading, until, is_next);
    }
    let (kind, at) = announced.text.split_once(" in ").unwrap_or((announced.text, ""));
    let kind = (!kind.is_empty() && !kind.contains(char::is_whitespace)).then_some(kind);
    Exception { kind, message: None, thrown: place(at.trim()), is_next }
}

/// `Name: message in /app/Cart.php:3`, the message perhaps of several lines.
fn told<'a>(text: &Text<'a>, heading: heading::Heading<'a>, until: usize, is_next: bool) -> Exception<'a> {
    let whole = text.between(heading.message_at, until).unwrap_or_default();
    let split = whole.rsplit_once(" in ").and_then(|(message, at)| Some((message, place(at)?)));
    let only_place = whole.strip_prefix("in ").and_then(place).map(|at| ("", at));
    let (message, thrown) = match split.or(only_place) {
        Some((message, thrown)) => (message, Some(thrown)),
        None => (whole, None),
    };
    Exception { kind: Some(heading.kind), message: Some(message.trim()), thrown, is_next }
}

/// `RuntimeException(code: 0): message at /app/Cart.php:3)`.
fn told_by_formatter<'a>(text: &Text<'a>, object: Line<'a>, until: usize) -> Exception<'a> {
    let Some((kind, _)) = object.text.split_once("(code: ") else { return Exception::default() };
    let Some(message) = object.after_mark("): ") else { return Exception::default() };
    let whole = text.between(message.start, until).unwrap_or_default();
    let whole = whole.strip_suffix(')').unwrap_or(whole);
    match whole.rsplit_once(" at ").and_then(|(message, at)| Some((message, place(at)?))) {
        Some((message, thrown)) => {
            Exception { kind: Some(kind), message: Some(message), thrown: Some(thrown), is_next: false }
        }
        None => Exception { kind: Some(kind), message: Some(whole), thrown: None, is_next: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, &str, u32, bool)>) {
        let seen = call(line).and_then(|call| call.place).map(|place| {
            let function = place.function.unwrap_or_default();
            (function, place.file.unwrap_or_default(), place.line.unwrap_or_default(), place.in_app)
        });
        assert_eq!(seen, expected, "{line}");
    }

    #[test]
    fn every_form_of_a_frame_is_read() {
        check("#0 /app/index.php(12): Cart->add('x')", Some(("Cart->add", "/app/index.php", 12, true)));
        check(
            "#11 C:\\app\\index.php(3): App\\Cart::of(Array)",
            Some(("App\\Cart::of", "C:\\app\\index.php", 3, true)),
        );
        check("#1 [internal function]: f()", Some(("f", "", 0, false)));
        check("#2 /app/vendor/x/y.php(1): f()", Some(("f", "/app/vendor/x/y.php", 1, false)));
        check("#3 /app/a.php(7): include()", Some(("include", "/app/a.php", 7, true)));
        check("#4 /app/a.php(7): require_once('/app/b.php')", Some(("require_once", "/app/a.php", 7, true)));
    }

    #[test]
    fn other_numbered_lines_are_not_frames() {
        for line in ["#0", "#x {main}", "#0 some words", "#1 (12): f()", "# 1 {main}", "#12 fixed (see 3)"] {
            check(line, None);
        }
        assert!(call("#1 {main}").is_some());
    }
}
