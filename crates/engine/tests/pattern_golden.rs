//! Made-up lines in the style of many systems, and the patterns they end in.
//!
//! A golden file is a transcript: the lines after `> ` are mined in order from an empty start; behind each stands the
//! number of the pattern that it belongs to in the end, and below all of them the patterns, by first line. To change one
//! on purpose, replace the file with the text that the failing test prints.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::pattern::Miner;
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::fmt::Write;

const FILES: [(&str, &str); 3] = [
    ("services", include_str!("golden/pattern/services.txt")),
    ("systems", include_str!("golden/pattern/systems.txt")),
    ("enumerations", include_str!("golden/pattern/enumerations.txt")),
];

fn lines(transcript: &str) -> Vec<&str> {
    transcript.split('\n').filter_map(|line| line.strip_prefix("> ")).collect()
}

fn transcript_of(lines: &[&str]) -> String {
    let mut miner = Miner::default();
    let given: Vec<_> = lines
        .iter()
        .zip(1..)
        .map(|(&line, seq)| {
            let record = Record { message: line.to_owned(), ..Record::default() };
            miner.observe(&record, seq, 0, Timestamp(0)).id
        })
        .collect();
    let mut order = Vec::new();
    let mut shown = String::new();
    for (line, id) in lines.iter().zip(given) {
        let id = miner.resolve(id);
        let number = order.iter().position(|&known| known == id).unwrap_or_else(|| {
            order.push(id);
            order.len() - 1
        });
        write!(shown, "> {line}\n    {}\n", number + 1).unwrap();
    }
    for (number, id) in order.into_iter().enumerate() {
        let pattern = miner.pattern(id).unwrap();
        writeln!(shown, "{} x{}: {}", number + 1, pattern.count, pattern.template).unwrap();
    }
    shown
}

#[test]
fn lines_end_in_the_patterns_of_the_golden_files() {
    for (name, expected) in FILES {
        let lines = lines(expected);
        assert!(!lines.is_empty(), "{name}");
        let transcript = transcript_of(&lines);
        assert!(transcript == expected, "{name} reads now:\n{transcript}");
    }
}
