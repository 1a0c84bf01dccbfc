//! Which pattern a record with a stack trace gets: by its fault first, and within one fault by what it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::normalize::{NormalizeContext, normalize};
use sapwood_engine::pattern::{Miner, Pattern, PatternId, template_of, told};
use sapwood_engine::record::{RawRecord, Record};
use sapwood_engine::redact::Redactor;
use sapwood_engine::segment;
use sapwood_engine::time::Timestamp;

/// A trace of `add` in a file that was deployed in `folder`, with the error on `line`.
fn trace(heading: &str, folder: &str, line: u32) -> String {
    format!("{heading}\n    at add ({folder}/cart.js:{line}:7)\n    at main ({folder}/main.js:3:1)")
}

fn record(message: &str, stack: Option<&str>, release: &str) -> Record {
    let raw = RawRecord {
        message: Some(message.into()),
        stack_trace: stack.map(str::to_owned),
        release: Some(release.into()),
        level: Some("error".into()),
        ..RawRecord::default()
    };
    let context = NormalizeContext { now: Timestamp(1), default_environment: "production", key_component: None };
    normalize(raw, &context).unwrap()
}

fn observe(miner: &mut Miner, record: &Record) -> PatternId {
    let id = miner.observe(record, 1, 0, Timestamp(1)).id;
    miner.resolve(id)
}

#[test]
fn one_fault_of_two_releases_is_one_pattern_that_knows_both() {
    let mut miner = Miner::default();
    let heading = "TypeError: sku 12 is gone";
    let one = observe(&mut miner, &record(heading, Some(&trace(heading, "/srv/releases/1", 12)), "1.0"));
    let heading = "TypeError: sku 77 is gone";
    let two = observe(&mut miner, &record(heading, Some(&trace(heading, "C:\\app", 19)), "1.1"));
    assert_eq!(one, two);
    let pattern = miner.pattern(one).unwrap();
    assert_eq!(pattern.releases, ["1.0", "1.1"]);
    assert_eq!(pattern.template, "TypeError: sku <*> is gone");
    let fault = pattern.fault.as_ref().unwrap();
    assert_eq!((fault.exception_type.as_deref(), fault.function.as_deref()), (Some("TypeError"), Some("add")));
}

#[test]
fn two_faults_out_of_one_function_are_two_patterns() {
    let mut miner = Miner::default();
    let mut seen = Vec::new();
    for heading in ["TypeError: sku is gone", "RangeError: sku is gone", "TypeError: no price is set"] {
        seen.push(observe(&mut miner, &record(heading, Some(&trace(heading, "/app", 12)), "1")));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_message_that_says_nothing_does_not_join_two_faults() {
    let mut miner = Miner::default();
    let of = |miner: &mut Miner, heading: &str| {
        observe(miner, &record("Unhandled exception", Some(&trace(heading, "/app", 12)), "1"))
    };
    let gone = of(&mut miner, "TypeError: sku is gone");
    assert_ne!(gone, of(&mut miner, "TypeError: no price is set"));
    assert_eq!(gone, of(&mut miner, "TypeError: sku is gone"));
    assert_eq!(miner.pattern(gone).unwrap().template, "Unhandled exception: TypeError: sku is gone");
}

#[test]
fn a_record_without_a_stack_has_the_pattern_that_it_always_had() {
    let mut miner = Miner::default();
    let heading = "TypeError: sku is gone";
    let with = observe(&mut miner, &record(heading, Some(&trace(heading, "/app", 12)), "1"));
    let without = observe(&mut miner, &record(heading, None, "1"));
    assert_ne!(with, without);
    assert_eq!(observe(&mut Miner::default(), &record(heading, None, "1")), without);
    assert_eq!(miner.pattern(without).unwrap().fault, None);
}

#[test]
fn within_one_fault_a_single_word_that_varies_becomes_a_variable() {
    let mut miner = Miner::default();
    for word in ["apple", "pear", "plum", "cherry", "quince"] {
        let heading = format!("KeyError: {word}");
        observe(&mut miner, &record(&heading, Some(&trace(&heading, "/app", 12)), "1"));
        // The same words without a stack say too little to be one.
        observe(&mut miner, &record(&heading, None, "1"));
    }
    let of_fault: Vec<&Pattern> = miner.patterns().filter(|pattern| pattern.fault.is_some()).collect();
    assert_eq!(of_fault.len(), 1);
    assert_eq!((of_fault[0].template.as_str(), of_fault[0].count), ("KeyError: <*>", 5));
    assert_eq!(miner.patterns().filter(|pattern| pattern.fault.is_none()).count(), 5);
}

#[test]
fn lines_of_different_faults_never_meet_however_alike_they_are() {
    let mut miner = Miner::default();
    for at in 0..40 {
        let heading = format!("TypeError: sku {} is gone", ["a", "b", "c", "d"][at % 4]);
        let stack = format!("{heading}\n    at function{}x (/app/cart.js:1:7)", at / 4);
        observe(&mut miner, &record(&heading, Some(&stack), "1"));
    }
    let counts: Vec<u64> = miner.patterns().map(|pattern| pattern.count).collect();
    assert_eq!(counts, [4; 10]);
}

#[test]
fn a_restart_changes_no_id() {
    let mut records = Vec::new();
    for word in ["apple", "pear", "plum", "cherry", "quince", "fig"] {
        for place in ["/app", "/srv"] {
            let heading = format!("KeyError: {word}");
            records.push(record("Unhandled", Some(&trace(&heading, place, 3)), "1"));
            records.push(record(&heading, Some(&trace(&heading, place, 3).replace("add", "remove")), "1"));
            records.push(record(&heading, None, "1"));
        }
    }
    for cut in 0..records.len() {
        let (mut whole, mut before) = (Miner::default(), Miner::default());
        for record in &records[..cut] {
            assert_eq!(observe(&mut whole, record), observe(&mut before, record));
        }
        let rows: Vec<Vec<u8>> = before.patterns().map(Pattern::encode).collect();
        let rows = rows.iter().map(|row| Pattern::decode(row).unwrap());
        let mut after = Miner::restore(rows, before.take_learnt().as_deref());
        // What is replayed comes out of segments.
        let stored: Vec<Record> =
            segment::encode(&records[cut..]).iter().flat_map(|segment| segment::decode(segment).unwrap()).collect();
        for (record, stored) in records[cut..].iter().zip(&stored) {
            assert_eq!(observe(&mut whole, record), observe(&mut after, stored));
        }
        let shown = |miner: &Miner| miner.patterns().cloned().collect::<Vec<_>>();
        assert_eq!(shown(&whole).len(), shown(&after).len());
        for (left, right) in shown(&whole).iter().zip(&shown(&after)) {
            assert_eq!((left.id, &left.fault, &left.template), (right.id, &right.fault, &right.template));
        }
    }
}

#[test]
fn a_template_is_mined_like_the_fault_it_came_from() {
    let mut miner = Miner::default();
    let heading = "TypeError: sku 12 of 'apple' is gone";
    for message in [heading, "Unhandled exception", "[12:01] Order 7 failed"] {
        let full = record(message, Some(&trace(heading, "/app", 12)), "1");
        let id = observe(&mut miner, &full);
        let mut counted = Record { message: template_of(told(&full)), fault: full.fault.clone(), ..Record::default() };
        counted.fault.as_mut().unwrap().told = None;
        assert_eq!(observe(&mut miner, &counted), id, "{message}");
    }
}

#[test]
fn a_template_that_the_client_gave_is_told_apart_by_the_fault() {
    let mut miner = Miner::default();
    let mut ids = Vec::new();
    for heading in ["TypeError: a", "TypeError: b", "RangeError: a"] {
        let mut record = record("Order 7 failed", Some(&trace(heading, "/app", 12)), "1");
        record.message_template = Some("Order {id} failed".into());
        ids.push(observe(&mut miner, &record));
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    assert_eq!(miner.pattern(ids[2]).unwrap().template, "Order {id} failed");
}

#[test]
fn nothing_that_must_not_be_kept_is_kept_of_a_fault() {
    let heading = "LoginError: no user jane.doe@example.com";
    let stack = format!("{heading}\n    at add (/home/jane.doe@example.com/cart.js:1:7)");
    let mut record = record("Login failed", Some(&stack), "1");
    Redactor::default().redact(&mut record);
    let mut miner = Miner::default();
    let id = observe(&mut miner, &record);
    let pattern = miner.pattern(id).unwrap();
    assert!(!format!("{record:?} {pattern:?}").contains("jane.doe"), "{pattern:?}");
    assert!(pattern.template.starts_with("Login failed: LoginError: no user"), "{}", pattern.template);
}

#[test]
fn a_message_that_is_the_line_above_the_frames_names_the_exception() {
    let one = record("TypeError: sku is gone", Some("    at add (/app/cart.js:1:7)"), "1");
    let two = record("RangeError: sku is gone", Some("    at add (/app/cart.js:1:7)"), "1");
    let fault = |record: &Record| record.fault.clone().unwrap();
    assert_eq!(fault(&one).exception_type.as_deref(), Some("TypeError"));
    assert_ne!(fault(&one).fingerprint, fault(&two).fingerprint);
}
