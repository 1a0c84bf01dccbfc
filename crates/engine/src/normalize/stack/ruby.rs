//! Ruby: `/app/cart.rb:12:in 'Cart#add'`, the exception behind the first frame, later ones after `from`.
//!
//! Causes follow as blocks of the same form. Ruby 2.5 to 2.7 print the most recent call last, numbered, to a terminal.

use super::heading::{self, Naming};
use super::origin;
use super::text::{Line, Text, number, place};
use super::trace::{Place, Section, Trace};

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut trace = Trace::default();
    let mut is_reversed = false;
    for (index, line) in text.lines().iter().enumerate() {
        let body = line.unindented();
        if body.text.starts_with("Traceback (most recent call last):") && trace.frames_seen == 0 {
            is_reversed = true;
            trace.begins_at(index);
            continue;
        }
        let Some(frame) = frame(body) else { continue };
        trace.begins_at(index);
        if let Some(told) = frame.told
            && (!frame.is_caller || trace.frames_seen == 0)
        {
            let (kind, message) = exception(told);
            match trace.sections.first_mut() {
                Some(section) if is_reversed => section.name(kind, message),
                _ => trace.open_cause(Section::of(kind, message)),
            }
        } else if trace.frames_seen == 0 {
            trace.sections.push(section_above(text, index));
        }
        if is_reversed { trace.push_inward(frame.place) } else { trace.push_outward(frame.place) }
    }
    if is_reversed {
        trace.sections.iter_mut().for_each(|section| section.frames.reverse());
    }
    trace
}

/// A frame, and what stands behind it.
struct Found<'a> {
    place: Place<'a>,
    /// Whether it stands after `from`.
    is_caller: bool,
    /// `undefined method 'x' for nil (NoMethodError)`.
    told: Option<&'a str>,
}

fn frame(body: Line<'_>) -> Option<Found<'_>> {
    let (is_caller, rest) = match body.text.split_once("from ") {
        Some((before, rest)) if before.is_empty() || before.strip_suffix(": ").is_some_and(|n| number(n).is_some()) => {
            (true, rest)
        }
        _ => (false, body.text),
    };
    let (at, rest) = rest.split_once(":in ")?;
    let (file, line, _) = place(at)?;
    let quoted = rest.strip_prefix(['`', '\''])?;
    let (function, rest) = quoted.split_once('\'')?;
    let told = rest.strip_prefix(": ").map(str::trim_end);
    let is_rest_known = rest.trim().is_empty() || rest.starts_with(':');
    let is_file = !file.contains(char::is_whitespace) || file.ends_with(".rb");
    let place =
        Place { function: Some(function), file: Some(file), line: Some(line), column: None, in_app: is_in_app(file) };
    (is_rest_known && is_file).then_some(Found { place, is_caller, told })
}

/// The type stands in brackets behind the message.
fn exception(told: &str) -> (Option<&str>, Option<&str>) {
    match told.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) {
        Some((message, kind)) => (Some(kind), Some(message)),
        None => (None, Some(told)),
    }
}

/// Above bare frames loggers print `NoMethodError (undefined method 'x' for nil):` or `NoMethodError: ...`.
fn section_above(text: &Text<'_>, first_frame: usize) -> Section {
    let mut above = text.lines().iter().take(first_frame).rev().filter(|line| !line.trimmed().is_empty()).take(2);
    let bracketed = above.find_map(|line| {
        let (kind, message) = line.trimmed().strip_suffix("):")?.split_once(" (")?;
        let kind = kind.rsplit(' ').next().unwrap_or(kind);
        kind.starts_with(|first: char| first.is_ascii_uppercase()).then_some((kind, message))
    });
    if let Some((kind, message)) = bracketed {
        return Section::of(Some(kind), Some(message));
    }
    let heading = heading::above(text, first_frame, Naming::Plain);
    heading.map_or_else(Section::default, |(at, heading)| {
        Section::of(Some(heading.kind), text.between(heading.message_at, at + 1))
    })
}

fn is_in_app(file: &str) -> bool {
    !file.starts_with("<internal:") && !file.contains("/lib/ruby/") && !origin::is_dependency(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, &str, u32, bool)>) {
        let seen = frame(Line { text: line, start: 0 }).map(|found| {
            let place = found.place;
            let function = place.function.unwrap_or_default();
            (function, place.file.unwrap_or_default(), place.line.unwrap_or_default(), place.in_app)
        });
        assert_eq!(seen, expected, "{line}");
    }

    #[test]
    fn every_form_of_a_frame_is_read() {
        check("/app/cart.rb:12:in `add': no sku (ArgumentError)", Some(("add", "/app/cart.rb", 12, true)));
        check("from /app/cart.rb:12:in 'Cart#add'", Some(("Cart#add", "/app/cart.rb", 12, true)));
        check("2: from main.rb:3:in `<main>'", Some(("<main>", "main.rb", 3, true)));
        check("<internal:kernel>:187:in `loop'", Some(("loop", "<internal:kernel>", 187, false)));
        check(
            "/usr/local/bundle/gems/rack-3.0/lib/rack.rb:9:in `call'",
            Some(("call", "/usr/local/bundle/gems/rack-3.0/lib/rack.rb", 9, false)),
        );
    }

    #[test]
    fn sentences_are_not_frames() {
        for line in
            ["ERROR 12:30:45:in 'x' we trust", "a.rb:1: syntax error", "mail from bob:1:in `x'", "a.rb:1:in x", ""]
        {
            check(line, None);
        }
    }
}
