//! Traces as runtimes print them, and what we read in them.
//!
//! Each file of `golden/stack` holds cases of one language: the text after `=== case:`, and after `=== frames` what
//! it means, written so that a person can check it without reading code.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::normalize::stack::{ParsedStack, parse_frames, split_message};
use sapwood_engine::record::Frame;
use std::fmt::Write;

const FILES: [(&str, &str); 9] = [
    ("javascript", include_str!("golden/stack/javascript.txt")),
    ("python", include_str!("golden/stack/python.txt")),
    ("java", include_str!("golden/stack/java.txt")),
    ("rust", include_str!("golden/stack/rust.txt")),
    ("go", include_str!("golden/stack/go.txt")),
    ("php", include_str!("golden/stack/php.txt")),
    ("dotnet", include_str!("golden/stack/dotnet.txt")),
    ("ruby", include_str!("golden/stack/ruby.txt")),
    ("none", include_str!("golden/stack/none.txt")),
];

#[test]
fn traces_read_as_their_golden_files_say() {
    for (name, file) in FILES {
        let mut cases = 0;
        for case in file.split("=== case: ").skip(1) {
            let (title, rest) = case.split_once('\n').expect("a case has a title");
            let (input, expected) = rest.split_once("=== frames\n").expect("a case has frames");
            assert_eq!(shown(input), expected, "\n{name}: {title}");
            cases += 1;
        }
        assert!(cases >= 5 || name == "none", "{name} has only {cases} cases");
    }
}

#[test]
fn line_breaks_of_another_system_change_nothing_but_themselves() {
    for (name, file) in FILES {
        for case in file.split("=== case: ").skip(1) {
            let (title, rest) = case.split_once('\n').expect("a case has a title");
            let (input, _) = rest.split_once("=== frames\n").expect("a case has frames");
            let other = input.replace('\n', "\r\n");
            assert_eq!(shown(&other), shown(input), "\n{name}: {title}");
        }
    }
}

/// The reading of a text, one frame a line: `app` or `lib`, the function, the place.
fn shown(input: &str) -> String {
    let stack = parse_frames(input);
    let mut out = String::new();
    let language = stack.language.map_or("no stack", |language| language.word());
    let exception = exception(stack.exception_type.as_deref(), stack.exception_message.as_deref());
    writeln!(out, "{language}, {exception}").expect("a String takes everything");
    let mut begin = 0;
    for cause in &stack.causes {
        show_frames(&mut out, &stack, begin, cause.frame_start);
        let exception = self::exception(cause.exception_type.as_deref(), cause.message.as_deref());
        writeln!(out, "caused by {exception}").expect("a String takes everything");
        begin = cause.frame_start;
    }
    show_frames(&mut out, &stack, begin, stack.frames.len());
    match split_message(input) {
        Some(at) => writeln!(out, "the stack begins with: {}", input[at..].lines().next().unwrap_or_default().trim()),
        None => writeln!(out, "the message has no stack"),
    }
    .expect("a String takes everything");
    out
}

fn exception(kind: Option<&str>, message: Option<&str>) -> String {
    format!("{}: {}", kind.unwrap_or("unnamed"), message.unwrap_or("-").replace("\r\n", "\n").replace("\n", "\\n"))
}

fn show_frames(out: &mut String, stack: &ParsedStack, begin: usize, end: usize) {
    for frame in &stack.frames[begin..end] {
        let Frame { function, file, line, column, in_app } = frame;
        let owner = if *in_app { "app" } else { "lib" };
        write!(out, "    {owner} {}", function.as_deref().unwrap_or("-")).expect("a String takes everything");
        if let Some(file) = file {
            write!(out, " in {file}").expect("a String takes everything");
        }
        for number in [line, column].into_iter().flatten() {
            write!(out, ":{number}").expect("a String takes everything");
        }
        out.push('\n');
    }
}
