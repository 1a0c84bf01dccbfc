//! Go: pairs of lines, the function and below it, indented, `/app/main.go:12 +0x1d`.
//!
//! Of a dump of all goroutines only the first is read: it is the one that failed. Errors that carry a stack print
//! pairs without a goroutine, the root's first, each below its message.

use super::origin;
use super::text::{Line, Text, place};
use super::trace::{Place, Section, Trace};

/// First path segments of the standard library's packages.
const STANDARD_PACKAGES: [&str; 48] = [
    "archive",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "weak",
];

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut trace = Trace::default();
    let mut goroutines = 0;
    let mut last_pair_end = 0;
    for (index, line) in text.lines().iter().enumerate() {
        if is_goroutine(line.trimmed()) {
            goroutines += 1;
            // The frames of another goroutine are not those of the one that failed.
            if goroutines > 1 && trace.frames_seen > 0 {
                break;
            }
            trace.begins_at(index);
            last_pair_end = index + 1;
            continue;
        }
        let Some(place) = text.line(index + 1).and_then(|next| pair(*line, next)) else { continue };
        trace.begins_at(index);
        if goroutines == 0 && (trace.frames_seen == 0 || index > last_pair_end) {
            trace.open_consequence(Section::of(None, message_above(text, index, last_pair_end)));
        }
        last_pair_end = index + 2;
        trace.push_outward(place);
    }
    if goroutines == 0 {
        trace.sections.reverse();
    }
    if trace.frames_seen > 0 {
        name_panics(&mut trace, text);
    }
    trace
}

/// `goroutine 1 [running]:`, `goroutine 7 [select, 5 minutes]:`.
fn is_goroutine(line: &str) -> bool {
    line.starts_with("goroutine ") && line.ends_with("]:")
}

/// The message of an error printed with its stack: the line above the first function.
fn message_above<'a>(text: &Text<'a>, first_pair: usize, not_before: usize) -> Option<&'a str> {
    let above = first_pair.checked_sub(1).filter(|above| *above >= not_before)?;
    text.slice(text.line(above)?.start, text.line(first_pair)?.start)
}

/// Panics above the frames: `panic: first [recovered]`, then a tab and `panic: second`; the last one ended the
/// program and the earlier ones led to it.
fn name_panics(trace: &mut Trace, text: &Text<'_>) {
    let first_line = trace.first_line.unwrap_or_default();
    let mut panics: Vec<Section> = Vec::new();
    for (index, line) in text.lines().iter().enumerate().take(first_line) {
        let Some((kind, message)) = panic(*line) else { continue };
        // A message of several lines goes on to the signal, the next panic or the goroutine.
        let below = text.lines().iter().enumerate().take(first_line).skip(index + 1);
        let until = below.clone().find(|(_, line)| line.text.starts_with("[signal ") || panic(**line).is_some());
        let until = until.map_or(first_line, |(at, _)| at);
        let message = text.between(message.start, until).map(|message| message.trim_end_matches(" [recovered]"));
        if panics.len() >= super::trace::SECTIONS_MAX {
            panics.remove(1);
        }
        panics.push(Section::of(Some(kind), message));
    }
    let Some(last) = panics.pop() else { return };
    if let Some(section) = trace.sections.first_mut() {
        (section.kind, section.message) = (last.kind, last.message);
    }
    for earlier in panics.into_iter().rev() {
        trace.open_cause(earlier);
    }
}

/// What kind of end a line tells, and its message. `panic serving` is how an HTTP server reports a handler's panic.
fn panic(line: Line<'_>) -> Option<(&'static str, Line<'_>)> {
    if let Some(served) = line.after_mark("panic serving ") {
        return Some(("panic", served.after_mark(": ")?));
    }
    let body = line.unindented();
    for kind in ["panic", "fatal error", "unexpected fault address"] {
        if let Some(message) = body.after_prefix(kind).and_then(|rest| rest.after_prefix(": ")) {
            return Some((kind, message));
        }
    }
    line.after_mark(" panic: ").map(|message| ("panic", message))
}

/// A function with, on the next line, its place.
fn pair<'a>(function: Line<'a>, place_line: Line<'a>) -> Option<Place<'a>> {
    if place_line.indent() == 0 {
        return None;
    }
    let trimmed = place_line.trimmed();
    let at = trimmed.rsplit_once(" +0x").map_or(trimmed, |(at, _)| at);
    let (file, line, column) = place(at)?;
    let is_source = file.ends_with(".go") || file.ends_with(".s") || file == "<autogenerated>" || file.ends_with(".c");
    if !is_source || column.is_some() {
        return None;
    }
    let function = called(function.trimmed())?;
    Some(Place {
        function: Some(function),
        file: Some(file),
        line: Some(line),
        column: None,
        in_app: is_in_app(function, file),
    })
}

/// The function's name: without the arguments, and without the words around a goroutine's creator.
fn called(text: &str) -> Option<&str> {
    let text = text.strip_prefix("created by ").unwrap_or(text);
    let text = text.split_once(" in goroutine ").map_or(text, |(name, _)| name);
    let name = if text.ends_with(')') { without_arguments(text)? } else { text };
    let is_name = (name.contains('.') || name == "panic") && !name.contains(char::is_whitespace);
    is_name.then_some(name)
}

/// Cuts the last pair of brackets: `main.(*Cart).Add(0xc000, {0x1, 0x2})` has brackets in its name too.
fn without_arguments(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return text.get(..at);
        }
    }
    None
}

/// A package is the standard library's when its name is, and its file lies where that name says: in `src/` of the
/// toolchain, or, trimmed, at the beginning.
fn is_in_app(function: &str, file: &str) -> bool {
    if function == "panic" || file == "<autogenerated>" {
        return false;
    }
    let last_slash = function.rfind('/').map_or(0, |at| at + 1);
    let package_end = function.get(last_slash..).and_then(|rest| rest.find('.')).map(|dot| last_slash + dot);
    let package = package_end.and_then(|end| function.get(..end)).unwrap_or_default();
    let first = package.split('/').next().unwrap_or_default();
    let is_standard = STANDARD_PACKAGES.contains(&first) && lies_in(file, package);
    let is_module_copy = file.split(['/', '\\']).any(|segment| segment.contains("@v"));
    !is_standard && !is_module_copy && !origin::is_dependency(file) && !file.contains("/usr/local/go/src/")
}

fn lies_in(file: &str, package: &str) -> bool {
    let begins = |rest: &str| rest.strip_prefix(package).is_some_and(|rest| rest.starts_with('/'));
    begins(file) || file.split_once("/src/").is_some_and(|(_, rest)| begins(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_and_creators_are_not_part_of_a_name() {
        assert_eq!(called("main.main()"), Some("main.main"));
        assert_eq!(called("main.(*Cart).Add(0xc000, {0x1, 0x2})"), Some("main.(*Cart).Add"));
        assert_eq!(called("main.Map[...](...)"), Some("main.Map[...]"));
        assert_eq!(called("created by net/http.(*Server).Serve"), Some("net/http.(*Server).Serve"));
        assert_eq!(called("created by main.start in goroutine 7"), Some("main.start"));
        assert_eq!(called("panic({0x1, 0x2})"), Some("panic"));
        assert_eq!(called("some words. and more"), None);
        assert_eq!(called(")"), None);
    }

    #[test]
    fn the_standard_library_and_modules_are_not_the_application() {
        for (function, file) in [
            ("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go"),
            ("runtime.gopanic", "/opt/hostedtoolcache/go/1.22.1/x64/src/runtime/panic.go"),
            ("encoding/json.Unmarshal", "encoding/json/decode.go"),
            ("example.com/x.F", "/go/pkg/mod/example.com/x@v1.2.3/x.go"),
            ("example.com/x.F", "example.com/x@v1.2.3/x.go"),
            ("example.com/x.F", "/app/vendor/example.com/x/x.go"),
            ("panic", "/somewhere/panic.go"),
        ] {
            assert!(!is_in_app(function, file), "{function} {file}");
        }
        for (function, file) in [
            ("main.main", "/go/src/shop/main.go"),
            ("log.Write", "/app/log/log.go"),
            ("shop/cart.(*Cart).Add", "/home/u/shop/cart/cart.go"),
        ] {
            assert!(is_in_app(function, file), "{function} {file}");
        }
    }
}
