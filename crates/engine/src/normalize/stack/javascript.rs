//! JavaScript: `at f (file:1:2)` of V8 and Hermes, `f@url:1:2` of SpiderMonkey and JavaScriptCore.
//!
//! A frame without a place in a file (`<anonymous>`, `native`, `index 0`) is the engine's own code.

use super::heading::{self, Naming};
use super::origin;
use super::text::{Line, Text, number, place};
use super::trace::{Place, Section, Trace};

/// Schemes under which runtimes load their own modules.
const RUNTIME_SCHEMES: [&str; 10] = [
    "node:",
    "node-internal:",
    "cloudflare-internal:",
    "internal/",
    "ext:",
    "deno:",
    "bun:",
    "chrome-extension:",
    "moz-extension:",
    "safari-web-extension:",
];
/// Engines' own files with bare names: Node's before it gave them a scheme (`events.js:160:13`), Hermes's polyfills.
const BARE_RUNTIME_FILES: [&str; 6] =
    ["events.js", "module.js", "net.js", "timers.js", "bootstrap_node.js", "InternalBytecode.js"];

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut trace = Trace::default();
    for (index, line) in text.lines().iter().enumerate() {
        if let Some(place) = frame(line.trimmed()) {
            if trace.frames_seen == 0 {
                trace.begins_at(index);
                trace.sections.push(first_section(text, index));
            }
            trace.push_outward(place);
        } else if trace.frames_seen > 0
            && let Some(section) = cause(text, index, *line)
        {
            trace.open_cause(section);
        }
    }
    trace
}

/// A panic of Rust in wasm prints its own heading above a JavaScript stack.
fn first_section(text: &Text<'_>, first_frame: usize) -> Section {
    if let Some(section) = super::rust::panic_above(text, first_frame) {
        return section;
    }
    match heading::above(text, first_frame, Naming::Plain) {
        Some((_, heading)) => Section::of(Some(heading.kind), text.between(heading.message_at, first_frame)),
        None => Section::default(),
    }
}

/// `[cause]: Error: x`, `Caused by: Error: x`, and members of `[errors]: [`, each above frames of its own.
fn cause<'a>(text: &Text<'a>, index: usize, line: Line<'a>) -> Option<Section> {
    let body = line.unindented();
    let marked =
        ["[cause]: ", "Caused by: ", "caused by: ", "{ [cause]: "].iter().find_map(|mark| body.after_prefix(mark));
    let is_above_frame = text.line(index + 1).is_some_and(|next| frame(next.trimmed()).is_some());
    let heading = match marked {
        Some(rest) => heading::within(rest, Naming::Plain).or_else(|| heading::beginning(rest))?,
        None if line.indent() > 0 && is_above_frame => heading::within(body, Naming::Plain)?,
        None => return None,
    };
    Some(Section::of(Some(heading.kind), text.between(heading.message_at, index + 1)))
}

/// The frame that a trimmed line prints, if it prints one.
pub(super) fn frame(line: &str) -> Option<Place<'_>> {
    // Node opens the error's own properties behind the last frame.
    let line = line.strip_suffix(" {").unwrap_or(line);
    match line.strip_prefix("at ") {
        Some(rest) => v8(rest.trim()),
        None => at_sign(line),
    }
}

fn v8(rest: &str) -> Option<Place<'_>> {
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    if let Some(inside) = rest.strip_suffix(')') {
        // The first bracket opens the place, unless the function's own name has brackets (Rust in wasm).
        let splits = [inside.find(" ("), inside.rfind(" (")];
        return splits.into_iter().flatten().find_map(|at| {
            let function = inside.get(..at)?;
            let location = location(inside.get(at + 2..)?)?;
            Some(Place { function: Some(function), ..location })
        });
    }
    let location = location(rest)?;
    // Without brackets only a whole place is one: `at 12:30:45` in a sentence is not.
    let is_whole = location.column.is_some() || rest == "<anonymous>" || location.file.is_some_and(is_wasm);
    is_whole.then_some(location)
}

/// What V8 prints inside the brackets.
fn location(text: &str) -> Option<Place<'_>> {
    let text = text.strip_prefix("address at ").unwrap_or(text);
    let is_engine = matches!(text, "<anonymous>" | "native" | "unknown location" | "unknown")
        || text.strip_prefix("index ").is_some_and(|index| number(index).is_some());
    if is_engine {
        return Some(Place::default());
    }
    // `eval at f (/app/a.js:1:2), <anonymous>:1:1`: what counts is where the text was evaluated.
    if text.starts_with("eval at ") {
        let origin = text.rsplit('(').next().and_then(|rest| rest.split(')').next()).unwrap_or_default();
        return if origin.starts_with("eval at ") {
            Some(Place::default())
        } else {
            location_in_file(origin).or(Some(Place::default()))
        };
    }
    location_in_file(text)
}

fn location_in_file(text: &str) -> Option<Place<'_>> {
    if is_wasm(text) {
        // `wasm://wasm/00af:wasm-function[12]:0x1a2b`: an offset into the module, not a line.
        let file = text.find(":wasm-function").and_then(|end| text.get(..end)).unwrap_or(text);
        return Some(Place { file: Some(file), in_app: true, ..Place::default() });
    }
    let (file, line, column) = place(text)?;
    let is_path = file.contains(['/', '\\', '.']) && file.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_module = RUNTIME_SCHEMES.iter().any(|scheme| file.starts_with(scheme));
    let is_file = is_path || is_module || file == "<anonymous>";
    is_file.then_some(Place { function: None, file: Some(file), line: Some(line), column, in_app: is_in_app(file) })
}

fn is_wasm(text: &str) -> bool {
    text.starts_with("wasm://") || text.contains(":wasm-function[")
}

/// `f@http://host/a.js:1:2`; the name may be empty and has no blanks except in `global code` and its like.
fn at_sign(line: &str) -> Option<Place<'_>> {
    let (function, rest) = line.split_once('@')?;
    let is_name = function.ends_with(" code") || !function.contains(char::is_whitespace);
    if !is_name {
        return None;
    }
    let function = function.strip_prefix("async*").unwrap_or(function);
    let function = (!function.is_empty()).then_some(function);
    if rest == "[native code]" {
        return Some(Place { function, ..Place::default() });
    }
    if !rest.contains("://") && !rest.starts_with('/') {
        return None;
    }
    // `http://host/a.js line 12 > eval:1:1`: again, where the text was evaluated.
    if let Some((file, evaluated)) = rest.split_once(" line ") {
        let line = number(evaluated.split(' ').next()?)?;
        return Some(Place { function, file: Some(file), line: Some(line), column: None, in_app: is_in_app(file) });
    }
    location_in_file(rest).map(|place| Place { function, ..place })
}

fn is_in_app(file: &str) -> bool {
    let is_runtime = RUNTIME_SCHEMES.iter().any(|scheme| file.starts_with(scheme))
        || BARE_RUNTIME_FILES.contains(&file)
        || (file.starts_with('_') && !file.contains('/'))
        || file == "<anonymous>";
    let is_bundler = file.contains("webpack/bootstrap") || file.contains("webpack/runtime/");
    !is_runtime && !is_bundler && !origin::is_dependency(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, &str, u32, u32, bool)>) {
        let seen = frame(line).map(|place| {
            (
                place.function.unwrap_or_default(),
                place.file.unwrap_or_default(),
                place.line.unwrap_or_default(),
                place.column.unwrap_or_default(),
                place.in_app,
            )
        });
        assert_eq!(seen, expected, "{line}");
    }

    #[test]
    fn every_form_of_a_frame_is_read() {
        check("at f (/app/a.js:1:2)", Some(("f", "/app/a.js", 1, 2, true)));
        check("at async f (file:///app/a.mjs:1:2) {", Some(("f", "file:///app/a.mjs", 1, 2, true)));
        check("at C:\\app\\a.js:1:2", Some(("", "C:\\app\\a.js", 1, 2, true)));
        check("at Array.map (<anonymous>)", Some(("Array.map", "", 0, 0, false)));
        check("at async Promise.all (index 0)", Some(("Promise.all", "", 0, 0, false)));
        check("at eval (eval at g (/app/t.js:3:4), <anonymous>:1:1)", Some(("eval", "/app/t.js", 3, 4, true)));
        check("at f (address at main.jsbundle:1:345)", Some(("f", "main.jsbundle", 1, 345, true)));
        check(
            "at Page (webpack-internal:///(rsc)/./app/page.tsx:12:11)",
            Some(("Page", "webpack-internal:///(rsc)/./app/page.tsx", 12, 11, true)),
        );
        check("f@https://host/a.js:1:2", Some(("f", "https://host/a.js", 1, 2, true)));
        check("@https://host/@vite/client:1:2", Some(("", "https://host/@vite/client", 1, 2, true)));
        check("global code@http://host/a.js:1:2", Some(("global code", "http://host/a.js", 1, 2, true)));
        check("f@[native code]", Some(("f", "", 0, 0, false)));
        check("f@http://host/a.js line 12 > eval:1:1", Some(("f", "http://host/a.js", 12, 0, true)));
        check(
            "at __webpack_require__ (webpack://shop/webpack/bootstrap:19:1)",
            Some(("__webpack_require__", "webpack://shop/webpack/bootstrap", 19, 1, false)),
        );
    }

    #[test]
    fn sentences_and_addresses_are_not_frames() {
        for line in [
            "at 12:30:45",
            "at noon (today)",
            "at 2024-01-01T12:30:45",
            "bob@example.com: 12:1:1",
            "a b@http://h/x:1:2",
            "at ",
            "@",
            "",
        ] {
            check(line, None);
        }
    }
}
