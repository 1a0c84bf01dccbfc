//! Which traces show the same fault: real ones, as runtimes printed them in issue threads and documentation.
//!
//! Each file of `golden/fault` holds groups of one language. `=== group: name` begins a group; with
//! `, beside: other` its traces come out of the same frames as another group's and differ in what they say. Each trace
//! stands below `>>> ` and the address where it was found, or `>>> derived: ` and how it was made of the one above.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::fault::{Fingerprint, told_apart_by};
use sapwood_engine::normalize::stack::parse_frames;
use sapwood_engine::normalize::{NormalizeContext, normalize};
use sapwood_engine::pattern::{Miner, told};
use sapwood_engine::record::{RawRecord, Record};
use sapwood_engine::time::Timestamp;

const FILES: [(&str, &str); 8] = [
    ("javascript", include_str!("golden/fault/javascript.txt")),
    ("python", include_str!("golden/fault/python.txt")),
    ("java", include_str!("golden/fault/java.txt")),
    ("rust", include_str!("golden/fault/rust.txt")),
    ("go", include_str!("golden/fault/go.txt")),
    ("php", include_str!("golden/fault/php.txt")),
    ("dotnet", include_str!("golden/fault/dotnet.txt")),
    ("ruby", include_str!("golden/fault/ruby.txt")),
];
/// Real traces of a language, and of all: what the project promised.
const REAL_OF_LANGUAGE_MIN: usize = 12;
const REAL_MIN: usize = 120;

/// A trace with the group that it belongs to.
struct Case<'a> {
    group: &'a str,
    beside: Option<&'a str>,
    source: &'a str,
    trace: &'a str,
}

impl Case<'_> {
    fn is_real(&self) -> bool {
        self.source.starts_with("https://") || self.source.starts_with("http://")
    }

    fn record(&self) -> Record {
        let raw = RawRecord { message: Some(self.trace.into()), ..RawRecord::default() };
        let context = NormalizeContext { now: Timestamp(0), default_environment: "production", key_component: None };
        normalize(raw, &context).unwrap()
    }

    /// What tells its fault from others, for the person who reads a failing test.
    fn told_apart_by(&self) -> String {
        let stack = parse_frames(self.trace);
        let apart = told_apart_by(&stack).unwrap_or_else(|| "no frames\n".into());
        format!("{}\n{apart}told: {}", self.source, told(&self.record()))
    }
}

fn cases(file: &str) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for group in file.split("\n=== group: ").skip(1) {
        let (title, rest) = group.split_once('\n').unwrap();
        let (name, beside) = match title.split_once(", beside: ") {
            Some((name, beside)) => (name, Some(beside)),
            None => (title, None),
        };
        for case in rest.strip_prefix(">>> ").unwrap().split("\n>>> ") {
            let (source, trace) = case.split_once('\n').unwrap();
            cases.push(Case { group: name, beside, source, trace: trace.trim_end_matches('\n') });
        }
    }
    cases
}

#[test]
fn every_trace_is_read_in_its_language_and_enough_are_real() {
    let mut all = 0;
    for (language, file) in FILES {
        let cases = cases(file);
        for case in &cases {
            let stack = parse_frames(case.trace);
            assert_eq!(stack.language.map(|it| it.word()), Some(language), "{}", case.told_apart_by());
            assert!(case.is_real() || case.source.starts_with("derived: "), "{}", case.source);
        }
        let real = cases.iter().filter(|case| case.is_real()).count();
        assert!(real >= REAL_OF_LANGUAGE_MIN, "{language} has only {real} real traces");
        all += real;
    }
    assert!(all >= REAL_MIN, "only {all} real traces");
}

#[test]
fn traces_of_one_group_have_one_fingerprint_and_others_have_others() {
    let mut wrong = Vec::new();
    for (_, file) in FILES {
        let cases = cases(file);
        let prints: Vec<_> = cases.iter().map(|case| Fingerprint::of(&parse_frames(case.trace))).collect();
        for (at, (left, print)) in cases.iter().zip(&prints).enumerate() {
            for (right, other) in cases.iter().zip(&prints).skip(at + 1) {
                let is_one = left.group == right.group
                    || left.beside == Some(right.group)
                    || right.beside == Some(left.group)
                    || (left.beside.is_some() && left.beside == right.beside);
                if is_one != (print == other) {
                    let told = if is_one { "one fault, two fingerprints" } else { "two faults, one fingerprint" };
                    wrong.push(format!("{told}:\n{}\n{}\n", left.told_apart_by(), right.told_apart_by()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} pairs\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn traces_of_one_group_have_one_pattern_and_others_have_others() {
    let mut wrong = Vec::new();
    for (_, file) in FILES {
        let cases = cases(file);
        let mut miner = Miner::default();
        let ids: Vec<_> = cases.iter().map(|case| miner.observe(&case.record(), 1, 0, Timestamp(0)).id).collect();
        for (at, (left, id)) in cases.iter().zip(&ids).enumerate() {
            for (right, other) in cases.iter().zip(&ids).skip(at + 1) {
                let is_one = left.group == right.group;
                if is_one != (miner.resolve(*id) == miner.resolve(*other)) {
                    let told = if is_one { "one fault, two patterns" } else { "two faults, one pattern" };
                    wrong.push(format!("{told}:\n{}\n{}\n", left.told_apart_by(), right.told_apart_by()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} pairs\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn other_lines_and_addresses_change_no_fingerprint() {
    for (_, file) in FILES {
        for case in cases(file) {
            let moved = moved(case.trace);
            let (stack, moved) = (parse_frames(case.trace), parse_frames(&moved));
            assert_eq!(told_apart_by(&stack), told_apart_by(&moved), "{}", case.source);
        }
    }
}

/// The same trace of a release whose code lies elsewhere: numbers behind `:`, `line ` and `(` grow, addresses differ.
fn moved(trace: &str) -> String {
    let mut moved = String::new();
    let mut rest = trace;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && [":", "line ", ".php("].iter().any(|mark| moved.ends_with(mark)) {
            let number: u64 = rest[..digits].parse().unwrap_or(0);
            moved.push_str(&(number + 37).to_string());
            rest = &rest[digits..];
        } else if let Some(address) = rest.strip_prefix("0x") {
            moved.push_str("0xc0ffee");
            rest = address.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
        } else {
            let first = rest.chars().next().unwrap();
            moved.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    moved
}
