//! Lines in the style of many real systems, and what the header parser makes of each.
//!
//! A golden file is a transcript: every line after `> ` is parsed, and what follows it, indented, is the result. The
//! test parses the lines again and compares the whole file, so that a difference reads like a diff of the transcript.
//! To change one on purpose, replace the file with the text that the failing test prints.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::parse::{ParsedLine, parse_line};
use sapwood_engine::time::Timestamp;
use std::fmt::Write;

/// 2025-11-20T10:00:00Z: supplies the years that lines leave out.
const REFERENCE: Timestamp = Timestamp(1_763_632_800_000);

const FILES: [(&str, &str); 10] = [
    ("access", include_str!("golden/parse/access.txt")),
    ("container", include_str!("golden/parse/container.txt")),
    ("database", include_str!("golden/parse/database.txt")),
    ("java", include_str!("golden/parse/java.txt")),
    ("native", include_str!("golden/parse/native.txt")),
    ("object", include_str!("golden/parse/object.txt")),
    ("others", include_str!("golden/parse/others.txt")),
    ("python", include_str!("golden/parse/python.txt")),
    ("syslog", include_str!("golden/parse/syslog.txt")),
    ("web", include_str!("golden/parse/web.txt")),
];

fn lines(transcript: &str) -> Vec<&str> {
    transcript.split('\n').filter_map(|line| line.strip_prefix("> ")).collect()
}

/// One line and what was read from it.
fn show(line: &str, parsed: &ParsedLine<'_>) -> String {
    let mut shown = format!("> {line}\n");
    let mut say = |name: &str, value: String| writeln!(shown, "    {name} {value}").unwrap();
    if let Some(time) = parsed.timestamp {
        let zone = if time.zone_assumed { ", zone assumed" } else { "" };
        let year = if time.year_assumed { ", year assumed" } else { "" };
        say("time", format!("{}{zone}{year}", time.timestamp));
    }
    if let Some(level) = parsed.level {
        say("level", format!("{level} ({})", level.number()));
    }
    let words = [
        ("host", parsed.host),
        ("process", parsed.process),
        ("pid", parsed.pid),
        ("thread", parsed.thread),
        ("logger", parsed.logger),
        ("client", parsed.client_ip),
        ("method", parsed.method),
        ("path", parsed.path),
    ];
    for (name, value) in words {
        if let Some(value) = value {
            say(name, value.to_owned());
        }
    }
    if let Some(status) = parsed.status {
        say("status", status.to_string());
    }
    if let Some(bytes) = parsed.bytes {
        say("bytes", bytes.to_string());
    }
    if let Some(duration) = parsed.duration_ms {
        say("duration", format!("{duration} ms"));
    }
    for (key, value) in &parsed.fields {
        say("field", format!("{key}={value}"));
    }
    if parsed.is_continuation {
        say("continues", "the record before".to_owned());
    }
    say("message", parsed.message.to_string());
    shown
}

#[test]
fn every_family_is_read_as_its_golden_file_says() {
    for (name, transcript) in FILES {
        let shown: String = lines(transcript).iter().map(|line| show(line, &parse_line(line, REFERENCE))).collect();
        assert!(shown == transcript, "golden/parse/{name}.txt differs; the parser now says:\n{shown}");
    }
}

#[test]
fn the_golden_files_cover_a_line_of_every_kind() {
    let all: Vec<&str> = FILES.iter().flat_map(|(_, transcript)| lines(transcript)).collect();
    assert!(all.len() >= 130, "{} lines", all.len());
    let read: Vec<ParsedLine<'_>> = all.iter().map(|line| parse_line(line, REFERENCE)).collect();
    type Question = fn(&ParsedLine<'_>) -> bool;
    let shares: [(&str, Question); 6] = [
        ("timestamp", |parsed| parsed.timestamp.is_some()),
        ("level", |parsed| parsed.level.is_some()),
        ("logger", |parsed| parsed.logger.is_some()),
        ("fields", |parsed| !parsed.fields.is_empty()),
        ("status", |parsed| parsed.status.is_some()),
        ("continuation", |parsed| parsed.is_continuation),
    ];
    for (name, has) in shares {
        assert!(read.iter().filter(|parsed| has(parsed)).count() >= 8, "too few lines with {name}");
    }
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let all: Vec<&str> = FILES.iter().flat_map(|(_, transcript)| lines(transcript)).collect();
    let forwards: Vec<String> = all.iter().map(|line| show(line, &parse_line(line, REFERENCE))).collect();
    let mut backwards: Vec<String> = all.iter().rev().map(|line| show(line, &parse_line(line, REFERENCE))).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
}

#[test]
fn a_carriage_return_at_the_end_changes_nothing() {
    for (_, transcript) in FILES {
        for line in lines(transcript) {
            let with_return = format!("{line}\r\n");
            assert_eq!(show(line, &parse_line(&with_return, REFERENCE)), show(line, &parse_line(line, REFERENCE)));
        }
    }
}
