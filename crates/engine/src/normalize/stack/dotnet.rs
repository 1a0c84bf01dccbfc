//! .NET and Mono: `at Shop.Cart.Add(String sku) in /src/Cart.cs:line 12`.
//!
//! Inner exceptions are named first (` ---> `) and their frames printed innermost first, each up to
//! `--- End of inner exception stack trace ---`; members of an `AggregateException` follow as blocks of their own.

use super::heading::{self, LINES_ABOVE_MAX, Naming};
use super::origin;
use super::text::{Text, number};
use super::trace::{Place, SECTIONS_MAX, Section, Trace};

/// Name spaces of the runtime and its own libraries.
const RUNTIME_NAMESPACES: [&str; 6] = ["System.", "Microsoft.", "Mono.", "MS.", "Internal.", "Interop."];
const INNER_MARK: &str = "---> ";
const INNER_END_MARK: &str = "--- End of inner exception";

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut trace = Trace::default();
    // The section whose frames are being printed.
    let mut reading = 0;
    for (index, line) in text.lines().iter().enumerate() {
        let body = line.unindented();
        if let Some(place) = frame(body.text.trim_end()) {
            if trace.frames_seen == 0 {
                trace.begins_at(index);
                begin(&mut trace, text, index);
                reading = trace.sections.len().saturating_sub(1);
            }
            trace.push_outward_to(reading, place);
        } else if trace.frames_seen > 0 && body.text.starts_with(INNER_END_MARK) {
            reading = reading.saturating_sub(1);
        } else if trace.frames_seen > 0
            && body.text.starts_with("---> (Inner Exception #")
            && let Some(heading) = heading::within(body, Naming::Qualified)
        {
            trace.open_cause(Section::of(Some(heading.kind), text.between(heading.message_at, index + 1)));
            reading = trace.sections.len().saturating_sub(1);
        }
    }
    trace
}

/// Opens a section for each exception named above the first frame, the outermost first. An inner one may stand on a
/// line of its own or, in older frameworks, behind the message of the outer one.
fn begin<'a>(trace: &mut Trace, text: &Text<'a>, first_frame: usize) {
    let mut top = None;
    for index in (first_frame.saturating_sub(LINES_ABOVE_MAX)..first_frame).rev() {
        let Some(body) = text.line(index).map(|line| line.unindented()) else { break };
        let is_inner = body.text.starts_with(INNER_MARK);
        if is_inner {
            trace.begins_at(index);
        }
        if heading::within(body, Naming::Qualified).is_some() {
            top = Some(index);
            if !is_inner {
                break;
            }
        }
    }
    let mut rest_at = top.and_then(|index| text.line(index)).map(|line| line.start);
    let end = text.line(first_frame).map_or(0, |line| line.start);
    while let Some(start) = rest_at {
        let (exception_end, next) = match text.find(start, end, INNER_MARK) {
            Some(at) => (at, Some(at + INNER_MARK.len())),
            None => (end, None),
        };
        if let Some(section) = named(text, start, exception_end) {
            trace.open_cause(section);
        }
        rest_at = next;
    }
    if trace.sections.is_empty() {
        trace.sections.push(Section::default());
    }
    debug_assert!(trace.sections.len() <= SECTIONS_MAX, "sections are opened through the trace, which bounds them");
}

/// The exception named in the first line between two positions; its message goes on to the end.
fn named(text: &Text<'_>, start: usize, end: usize) -> Option<Section> {
    let first = text.line_between(start, end)?;
    let heading =
        heading::within(first.unindented(), Naming::Qualified).or_else(|| heading::beginning(first.unindented()))?;
    Some(Section::of(Some(heading.kind), text.slice(heading.message_at, end)))
}

/// The frame that a trimmed line prints, if it prints one.
fn frame(line: &str) -> Option<Place<'_>> {
    // `<---` closes a member of an aggregate.
    let rest = line.strip_prefix("at ")?.trim_end_matches("<---");
    let (name, rest) = rest.split_once('(')?;
    let function = name.trim_end();
    // Mono prints the offset into the method, or into memory, between the arguments and the place.
    let offset = [") [0x", ") <0x"].iter().find_map(|mark| rest.split_once(mark));
    let (arguments, place) = match (offset, rest.rsplit_once(" in ")) {
        (Some((arguments, _)), place) => (arguments, place.map(|(_, place)| place)),
        // The arguments end at the last bracket before the place; types of arguments may have brackets themselves.
        (None, _) => match rest.rsplit_once(") in ") {
            Some((arguments, place)) => (arguments, Some(place)),
            None => (rest.strip_suffix(')')?, None),
        },
    };
    let (file, line) = place.map_or((None, None), source);
    let is_function = function.contains('.')
        && !function.contains("://")
        && (!function.contains(char::is_whitespace) || place.is_some())
        && (place.is_some() || are_arguments(arguments));
    is_function.then_some(Place {
        function: Some(function),
        file,
        line,
        column: None,
        in_app: is_in_app(function, file),
    })
}

/// `/src/Cart.cs:line 12`, Mono `/src/Cart.cs:12`; `<hash>:0` stands for an assembly without symbols.
fn source(place: &str) -> (Option<&str>, Option<u32>) {
    match place.rsplit_once(':') {
        Some((file, _)) if file.starts_with('<') => (None, None),
        Some((file, line)) => match number(line.strip_prefix("line ").unwrap_or(line).trim()) {
            Some(line) => (Some(file), Some(line)),
            None => (Some(place), None),
        },
        None => (Some(place), None),
    }
}

/// `String sku, Int32 count`: without a place, only types with names tell a call from the source of a JVM's frame.
fn are_arguments(arguments: &str) -> bool {
    !arguments.contains(':')
        && !matches!(arguments, "Native Method" | "Unknown Source")
        && (arguments.is_empty() || arguments.split(',').all(|argument| argument.trim().contains(' ')))
}

fn is_in_app(function: &str, file: Option<&str>) -> bool {
    !RUNTIME_NAMESPACES.iter().any(|space| function.starts_with(space)) && !file.is_some_and(origin::is_dependency)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, &str, u32, bool)>) {
        let seen = frame(line).map(|place| {
            let function = place.function.unwrap_or_default();
            (function, place.file.unwrap_or_default(), place.line.unwrap_or_default(), place.in_app)
        });
        assert_eq!(seen, expected, "{line}");
    }

    #[test]
    fn every_form_of_a_frame_is_read() {
        check(
            "at Shop.Cart.Add(String sku) in /src/Cart.cs:line 12",
            Some(("Shop.Cart.Add", "/src/Cart.cs", 12, true)),
        );
        check("at Shop.Cart.Add(String sku, Int32 count)", Some(("Shop.Cart.Add", "", 0, true)));
        check("at System.Threading.Tasks.Task.Execute()", Some(("System.Threading.Tasks.Task.Execute", "", 0, false)));
        check(
            "at Shop.Cart.<Load>d__3.MoveNext() in C:\\src\\Cart.cs:line 7",
            Some(("Shop.Cart.<Load>d__3.MoveNext", "C:\\src\\Cart.cs", 7, true)),
        );
        check(
            "at Shop.Cart.Add (System.String sku) [0x0000a] in /src/Cart.cs:12",
            Some(("Shop.Cart.Add", "/src/Cart.cs", 12, true)),
        );
        check("at Shop.Cart.Add (System.String sku) [0x0000a] in <f0a1>:0", Some(("Shop.Cart.Add", "", 0, true)));
        check(
            "at Shop.Cart.Map[T](Func`2 map) in /src/Cart.cs:line 3",
            Some(("Shop.Cart.Map[T]", "/src/Cart.cs", 3, true)),
        );
    }

    #[test]
    fn frames_of_other_runtimes_are_left_to_them() {
        check("at com.shop.Cart.add(Cart.java:12)", None);
        check("at com.shop.Cart.add(Native Method)", None);
        check("at f (/app/a.js:1:2)", None);
        check("at Object.f (/app/a b.js:1:2)", None);
        check("at noon (in the lobby)", None);
        check("at x", None);
    }
}
