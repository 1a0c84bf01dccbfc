//! JVM and Android: `at com.shop.Cart.add(Cart.java:12)`, causes after `Caused by:`, suppressed exceptions left out.
//!
//! Frames that an outer exception shares with its cause are printed once (`... 12 more`) and counted once. Loggers
//! that print the root cause first say `Wrapped by:` instead.

use super::heading::{self, Naming};
use super::origin;
use super::text::{Line, Text, number};
use super::trace::{Place, Section, Trace};

/// Packages of the platform and of the languages that run on it.
const RUNTIME_PACKAGES: [&str; 17] = [
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "groovy.",
    "org.codehaus.groovy.",
    "clojure.",
    "android.",
    "androidx.",
    "com.android.internal.",
    "dalvik.",
    "libcore.",
];
/// What stands in the brackets when there is no file.
const WITHOUT_FILE: [&str; 4] = ["Native Method", "Unknown Source", "<generated>", "Redefined"];
/// How source files of the platform's languages end.
const SOURCE_ENDINGS: [&str; 8] = [".java", ".kt", ".kts", ".scala", ".groovy", ".clj", ".cljc", ".jruby"];

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut trace = Trace::default();
    let mut suppressed_at: Option<usize> = None;
    let mut is_root_first = false;
    for (index, line) in text.lines().iter().enumerate() {
        let body = line.unindented();
        if let Some(place) = frame(body.text.trim_end()) {
            if trace.frames_seen == 0 {
                trace.begins_at(index);
                trace.sections.push(first_section(text, index));
            }
            if suppressed_at.is_none() {
                trace.push_outward(place);
            }
        } else if body.text.starts_with("Suppressed: ") {
            suppressed_at = Some(suppressed_at.map_or(line.indent(), |at| at.min(line.indent())));
        } else if let Some((rest, is_wrapper)) = link(body) {
            // A cause that stands deeper than the suppressed exception, or as deep in a nested block, is its own.
            if suppressed_at.is_some_and(|at| at > 0 && line.indent() >= at) {
                continue;
            }
            suppressed_at = None;
            if trace.sections.is_empty() {
                trace.begins_at(index);
                trace.sections.push(first_section(text, index));
            }
            is_root_first |= is_wrapper;
            let section = linked(text, index, rest);
            if is_root_first { trace.open_consequence(section) } else { trace.open_cause(section) }
        }
    }
    if is_root_first {
        trace.sections.reverse();
    }
    trace
}

fn first_section(text: &Text<'_>, first_frame: usize) -> Section {
    match heading::above(text, first_frame, Naming::Qualified) {
        Some((_, heading)) => Section::of(Some(heading.kind), text.between(heading.message_at, first_frame)),
        None => Section::default(),
    }
}

/// `Caused by: ` or `Wrapped by: `: the rest of the line, and whether what follows is the outer exception. Crash
/// reporters leave out the colon, and then only a qualified name is believed.
fn link(body: Line<'_>) -> Option<(Line<'_>, bool)> {
    let cause = body.after_prefix("Caused by: ").or_else(|| {
        let bare = body.after_prefix("Caused by ")?;
        heading::beginning(bare).is_some_and(|heading| heading.kind.contains('.')).then_some(bare)
    });
    cause.map(|rest| (rest, false)).or_else(|| body.after_prefix("Wrapped by: ").map(|rest| (rest, true)))
}

/// A cause's message goes on until its first frame, or until the frames it shares with the outer exception.
fn linked<'a>(text: &Text<'a>, index: usize, rest: Line<'a>) -> Section {
    let Some(heading) = heading::beginning(rest) else { return Section::of(None, Some(rest.trimmed())) };
    let below = text.lines().iter().enumerate().skip(index + 1).take(heading::LINES_ABOVE_MAX);
    let ends = |line: &Line<'_>| {
        let body = line.unindented();
        frame(body.text.trim_end()).is_some() || body.text.starts_with("... ") || link(body).is_some()
    };
    let until = below.clone().find(|(_, line)| ends(line)).map_or(index + 1, |(at, _)| at);
    Section::of(Some(heading.kind), text.between(heading.message_at, until))
}

/// The frame that a trimmed line prints, if it prints one.
fn frame(line: &str) -> Option<Place<'_>> {
    let rest = line.strip_prefix("at ")?;
    // Loggers add where the class was loaded from: `~[shop.jar:1.0]`.
    let rest = match rest.split_once(") ") {
        Some((frame, origin)) if origin.starts_with(['~', '[']) => frame,
        _ => rest.strip_suffix(')')?,
    };
    let (name, inside) = rest.split_once('(')?;
    let (file, line) = source(inside)?;
    // The console of an app store sets a space before the bracket; then the file must say that this is the JVM.
    let (name, is_spaced) = name.strip_suffix(' ').map_or((name, false), |name| (name, true));
    let function = without_module(name);
    let is_of_jvm = !is_spaced || file.is_none_or(|file| SOURCE_ENDINGS.iter().any(|ending| file.ends_with(ending)));
    let is_name = function.contains('.') && !function.ends_with(char::is_whitespace) && is_of_jvm;
    is_name.then_some(Place { function: Some(function), file, line, column: None, in_app: is_in_app(name, function) })
}

/// What stands in the brackets: a source file, perhaps with a line, or one of the words for none.
fn source(inside: &str) -> Option<(Option<&str>, Option<u32>)> {
    let (file, line) = match inside.rsplit_once(':') {
        Some((file, line)) => (file, Some(number(line)?)),
        None => (inside, None),
    };
    if WITHOUT_FILE.contains(&file) {
        return Some((None, line));
    }
    let is_source = SOURCE_ENDINGS.iter().any(|ending| file.ends_with(ending))
        || file == "SourceFile"
        || (line.is_some() && !file.is_empty() && !file.contains(['/', '\\', ' ', '(']));
    is_source.then_some((Some(file), line))
}

/// `java.base/java.lang.Thread.run`, `app//com.shop.Cart.add`, `shop@1.2/com.shop.Cart.add`: the name alone.
/// A slash behind `$$` belongs to the name of a lambda.
fn without_module(name: &str) -> &str {
    let plain = name.find("$$").and_then(|end| name.get(..end)).unwrap_or(name);
    plain.rfind('/').and_then(|slash| name.get(slash + 1..)).unwrap_or(name)
}

fn is_in_app(name: &str, function: &str) -> bool {
    let is_generated = function.starts_with("$Proxy") || function.contains("GeneratedMethodAccessor");
    let is_runtime = ["java.", "jdk."].iter().any(|module| name.starts_with(module) && name.contains('/'))
        || RUNTIME_PACKAGES.iter().any(|package| function.starts_with(package));
    !is_generated && !is_runtime && !origin::is_dependency(name)
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
        check("at com.shop.Cart.add(Cart.java:12)", Some(("com.shop.Cart.add", "Cart.java", 12, true)));
        check(
            "at java.base/java.lang.Thread.run(Thread.java:833)",
            Some(("java.lang.Thread.run", "Thread.java", 833, false)),
        );
        check("at app//com.shop.Cart.<init>(Cart.kt:3)", Some(("com.shop.Cart.<init>", "Cart.kt", 3, true)));
        check("at java.lang.Object.wait(Native Method)", Some(("java.lang.Object.wait", "", 0, false)));
        check(
            "at com.shop.Cart$$Lambda/0x0000.run(Unknown Source)",
            Some(("com.shop.Cart$$Lambda/0x0000.run", "", 0, true)),
        );
        check("at a.b.c(SourceFile:7)", Some(("a.b.c", "SourceFile", 7, true)));
        check("at a.b.c(Unknown Source:12)", Some(("a.b.c", "", 12, true)));
        check(
            "at com.shop.CartTest.adds an item(CartTest.kt:9)",
            Some(("com.shop.CartTest.adds an item", "CartTest.kt", 9, true)),
        );
        check("at com.shop.Cart.add(Cart.java:12) ~[shop.jar:1.0]", Some(("com.shop.Cart.add", "Cart.java", 12, true)));
        check(
            "at scala.Function0.apply$mcV$sp(Function0.scala:42)",
            Some(("scala.Function0.apply$mcV$sp", "Function0.scala", 42, false)),
        );
    }

    #[test]
    fn frames_of_other_runtimes_are_left_to_them() {
        check("at f (/app/a.js:1:2)", None);
        check("at Shop.Cart.Add(String sku) in /src/Cart.cs:line 12", None);
        check("at Shop.Cart.Add(Int32 count)", None);
        check("at Shop.Cart.Add()", None);
        check("at noon(ish)", None);
    }
}
