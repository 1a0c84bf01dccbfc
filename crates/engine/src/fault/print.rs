//! What tells one fault from another, as a text: the fingerprint is its hash, and a person can read why two differ.
//!
//! A line for each exception with its type, root cause first, and below it a line for each frame that counts.

use super::{LIBRARY_FRAMES, name, place};
use crate::normalize::stack::{Language, ParsedStack};
use crate::record::Frame;

/// How runtimes name the end of the stack itself, as a type or in a message.
const RAN_OUT: [&str; 9] = [
    "StackOverflow",
    "RecursionError",
    "SystemStackError",
    "Maximum call stack size exceeded",
    "too much recursion",
    "maximum recursion depth exceeded",
    "stack level too deep",
    "stack overflow",
    "function nesting level",
];

/// What tells this fault from others; none for a stack without frames.
pub fn told_apart_by(stack: &ParsedStack) -> Option<String> {
    let language = stack.language.filter(|_| !stack.frames.is_empty())?;
    let is_any_in_app = stack.frames.iter().any(|frame| frame.in_app);
    let mut text = String::new();
    let sections = (0..=stack.causes.len()).rev();
    for section in sections {
        let cause = section.checked_sub(1).and_then(|index| stack.causes.get(index));
        let (kind, message) = match cause {
            Some(cause) => (&cause.exception_type, &cause.message),
            None => (&stack.exception_type, &stack.exception_message),
        };
        let start = cause.map_or(0, |cause| cause.frame_start);
        let end = stack.causes.get(section).map_or(stack.frames.len(), |next| next.frame_start);
        let frames = stack.frames.get(start..end).unwrap_or_default();
        let kind = kind.as_deref().map(name::of_type).unwrap_or_default();
        text.push_str(&kind);
        text.push('\n');
        let ran_out = RAN_OUT
            .iter()
            .any(|end| kind.contains(end) || message.as_deref().is_some_and(|message| message.contains(end)));
        let counting = frames.iter().filter(|frame| frame.in_app || !is_any_in_app);
        let counted = counting.filter_map(|frame| line(language, frame));
        let mut lines = if ran_out { repeated(counted.collect()) } else { distinct(counted) };
        if !is_any_in_app {
            lines.truncate(LIBRARY_FRAMES);
        }
        for line in lines {
            text.push_str("  ");
            text.push_str(&line);
            text.push('\n');
        }
    }
    Some(text)
}

/// What a frame counts as. None if it is not code that somebody wrote.
fn line(language: Language, frame: &Frame) -> Option<String> {
    let file = frame.file.as_deref().unwrap_or_default();
    let function = match frame.function.as_deref() {
        Some(function) => name::of_function(language, function, file)?,
        None => String::new(),
    };
    // Where names are qualified they say all; elsewhere the same name is found in many files, and so is `main` of Go.
    let is_qualified = match language {
        Language::Java | Language::DotNet | Language::Rust => true,
        Language::Go => !function.starts_with("main."),
        Language::JavaScript | Language::Python | Language::Php | Language::Ruby => false,
    };
    if is_qualified && !function.is_empty() {
        return Some(function);
    }
    let module = place::of_file(file);
    match (function.is_empty(), module.is_empty()) {
        (true, true) => None,
        (false, true) => Some(function),
        (true, false) => Some(["in ", &module].concat()),
        (false, false) => Some([&function, " in ", &module].concat()),
    }
}

/// Each line once, where it first occurs.
fn distinct(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for line in lines {
        if !distinct.contains(&line) {
            distinct.push(line);
        }
    }
    distinct
}

/// The lines that occur more than once, in order of name; all of them if none does.
fn repeated(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    let repeated: Vec<String> =
        lines.windows(2).filter(|pair| pair.first() == pair.last()).filter_map(|pair| pair.first().cloned()).collect();
    distinct(if repeated.is_empty() { lines } else { repeated }.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::stack::parse_frames;

    fn check(trace: &str, expected: &str) {
        assert_eq!(told_apart_by(&parse_frames(trace)).as_deref(), Some(expected), "{trace}");
    }

    #[test]
    fn only_the_application_s_own_frames_count_where_there_are_some() {
        check(
            "TypeError: x\n    at f (/app/a.js:1:2)\n    at next (/app/node_modules/x/y.js:1:2)",
            "TypeError\n  f in a\n",
        );
        check(
            "TypeError: x\n    at f (/m/node_modules/a.js:1:2)\n    at g (/m/node_modules/b.js:1:2)\n    at h (node:fs:1:2)\n    at i (node:os:1:2)",
            "TypeError\n  f in a\n  g in b\n  h in fs\n",
        );
    }

    #[test]
    fn causes_come_before_what_they_led_to() {
        check(
            "java.lang.RuntimeException: a\n\tat com.shop.Cart.add(Cart.java:1)\nCaused by: java.io.IOException: b\n\tat com.shop.Stock.read(Stock.java:2)\n\t... 1 more",
            "java.io.IOException\n  com.shop.Stock.read\njava.lang.RuntimeException\n  com.shop.Cart.add\n",
        );
    }

    #[test]
    fn recursion_counts_once_however_deep() {
        let deep = |times: usize| {
            let cycle = "    at even (/app/a.js:1:2)\n    at odd (/app/a.js:4:2)\n".repeat(times);
            format!("Error: x\n    at leaf (/app/a.js:9:9)\n{cycle}    at main (/app/a.js:8:8)")
        };
        for times in 1..20 {
            check(&deep(times), "Error\n  leaf in a\n  even in a\n  odd in a\n  main in a\n");
        }
    }

    #[test]
    fn of_a_stack_that_ran_out_only_what_repeats_counts() {
        let cycle = "    at even (/app/a.js:1:2)\n    at odd (/app/a.js:4:2)\n".repeat(4);
        let expected = "RangeError\n  even in a\n  odd in a\n";
        check(&format!("RangeError: Maximum call stack size exceeded\n    at leaf (/app/b.js:1:1)\n{cycle}"), expected);
        check(&format!("RangeError: Maximum call stack size exceeded\n    at odd (/app/a.js:1:1)\n{cycle}"), expected);
    }

    #[test]
    fn a_stack_without_frames_is_no_fault() {
        assert_eq!(told_apart_by(&parse_frames("TypeError: x")), None);
    }
}
