//! Lines are taken apart by their patterns without loss, and what is said of a pattern's variables is what a recount of
//! its lines says, within bounds that hold whatever comes.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::limits;
use sapwood_engine::pattern::{Miner, Pattern, PatternId, join, split};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;

fn observe(miner: &mut Miner, message: &str, at: i64) -> PatternId {
    let record = Record { message: message.into(), timestamp: Timestamp(at), ..Record::default() };
    miner.observe(&record, at as u64, 0, Timestamp(at)).id
}

fn rows_of(miner: &Miner) -> Vec<Vec<u8>> {
    miner.patterns().map(Pattern::encode).collect()
}

/// A line with values, words of which some vary, and any white space and punctuation between them.
fn line() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => "[a-d]{3}",
        2 => "[0-9]{1,3}",
        1 => "(up|down|closed|10\\.0\\.0\\.[0-9]|/var/log/[a-z]|[0-9]{1,2} ms|[A-Z]{3}[0-9])",
        1 => "[=,:;|()\\[\\]\"'.-]{1,3}",
        1 => "(ü|日本|用户7|\u{fffd})",
    ];
    let gap = prop_oneof![6 => Just(" "), 1 => Just(""), 1 => Just("  "), 1 => Just("\t"), 1 => Just("\n      ")];
    proptest::collection::vec((token, gap), 0..9)
        .prop_map(|parts| parts.into_iter().map(|(token, gap)| token + gap).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_line_is_taken_apart_by_its_pattern_and_put_together_again(lines in proptest::collection::vec(line(), 1..80)) {
        let mut miner = Miner::default();
        for (at, line) in lines.iter().enumerate() {
            let id = observe(&mut miner, line, at as i64);
            let template = &miner.pattern(id).unwrap().template;
            let parts = split(template, line);
            prop_assert!(parts.is_some(), "{:?} is not of {:?}", line, template);
            let joined = join(template, &parts.unwrap());
            prop_assert_eq!(joined.as_ref(), Some(line));
        }
    }

    #[test]
    fn whatever_is_taken_apart_is_put_together_again(template in "[ab<*> .=-]{0,12}(<\\*>)?[ab .-]{0,4}", message in "[ab .=\t-]{0,20}|.{0,40}") {
        if let Some(parts) = split(&template, &message) {
            prop_assert_eq!(join(&template, &parts), Some(message));
        }
    }

    #[test]
    fn what_is_said_of_variables_is_what_a_recount_says(lines in proptest::collection::vec("(go|get|put) [a-c]{3} (=|to) ([0-9]|[0-9]{3}|[d-f]{2}) (up|down)", 1..150)) {
        let mut miner = Miner::default();
        let ids: Vec<_> = lines.iter().enumerate().map(|(at, line)| observe(&mut miner, line, at as i64)).collect();
        for pattern in miner.patterns() {
            let own: Vec<_> = lines.iter().zip(&ids).filter(|(_, id)| miner.resolve(**id) == pattern.id).collect();
            for (place, variable) in pattern.variables.held().iter().enumerate() {
                prop_assert!(variable.count() <= pattern.count);
                if variable.since().is_some() {
                    continue;
                }
                let mut naive: BTreeMap<&str, u64> = BTreeMap::new();
                for (line, _) in &own {
                    *naive.entry(split(&pattern.template, line).unwrap().variables[place].trim()).or_default() += 1;
                }
                prop_assert_eq!(variable.count(), pattern.count);
                // Few enough for the sketch to be exact.
                prop_assert!(naive.len() > 64 || variable.distinct() == (naive.len() as u64, true));
                for counted in variable.top() {
                    let count = naive.get(counted.text().unwrap()).copied().unwrap_or(0);
                    prop_assert!(counted.count >= count && counted.count - counted.error <= count);
                }
                if let Some((_, numbers)) = variable.numbers() {
                    let truth = naive.iter().filter(|(text, _)| text.parse::<f64>().is_ok());
                    prop_assert_eq!(numbers.count(), truth.map(|(_, count)| count).sum::<u64>());
                }
            }
        }
    }
}

/// Lines of so many patterns, each with eight places full of different numbers and words.
fn rich_line(pattern: u32, at: u32) -> String {
    let name: String = pattern.to_string().bytes().map(|byte| char::from(b'k' + byte - b'0')).collect();
    let values = (0..8u32).map(|place| {
        let value = (at + 1).wrapping_mul(2_654_435_761).wrapping_add(place * 977) >> 8;
        if place % 2 == 0 {
            format!("num {}", value as f64 / 64.0)
        } else {
            format!("request-id-of-the-caller-{value:08x}")
        }
    });
    format!("pattern {name} {name}: {}", values.map(|value| format!("{value} and")).collect::<Vec<_>>().join(" "))
}

#[test]
fn two_thousand_patterns_full_of_values_stay_within_their_bytes() {
    let mut miner = Miner::default();
    let held = |miner: &Miner| miner.patterns().map(|pattern| pattern.variables.memory_bytes()).sum::<usize>();
    let important = observe(&mut miner, &rich_line(0, 0), 0);
    miner.mark_alerted(important);
    let (mut most, mut at) = (0, 0u32);
    for round in 0..5 {
        for pattern in 0..1_900 {
            at += 1;
            observe(&mut miner, &rich_line(pattern, at), i64::from(at));
            if at.is_multiple_of(97) {
                most = most.max(held(&miner));
            }
        }
        if round == 2 {
            // A restart in between changes nothing from then on.
            let rows = rows_of(&miner).iter().map(|row| Pattern::decode(row).unwrap()).collect::<Vec<_>>();
            let learnt = miner.clone().take_learnt();
            let mut restarted = Miner::restore(rows, learnt.as_deref());
            let mut straight = miner.clone();
            for more in 0..3_000 {
                observe(&mut straight, &rich_line(more % 1_900, at + more), 1);
                observe(&mut restarted, &rich_line(more % 1_900, at + more), 1);
            }
            assert_eq!(rows_of(&straight), rows_of(&restarted));
        }
    }
    assert!(miner.len() >= 1_900, "{} patterns", miner.len());
    assert!(most > limits::VARIABLES_BYTES_MAX / 2, "the test must come near the limit: {most}");
    assert!(most <= limits::VARIABLES_BYTES_MAX + 16 * 1024, "{most}");
    assert!(held(&miner) <= limits::VARIABLES_BYTES_MAX);
    let sections: usize = miner.patterns().filter_map(|it| it.variables.encode()).map(|bytes| bytes.len()).sum();
    assert!(sections <= limits::VARIABLES_BYTES_MAX, "{sections} bytes of sections");
    let important = miner.pattern(important).unwrap();
    assert_eq!(important.variables.held()[0].count(), important.count, "an alerted pattern forgets last");
}

#[test]
fn a_shower_of_unique_lines_does_not_take_the_values_of_those_that_matter() {
    let mut miner = Miner::default();
    let mut id = PatternId::OVERFLOW;
    for at in 0..200 {
        id = observe(&mut miner, &format!("payment {at} of customer {} declined", at % 5), at);
    }
    for at in 0..15_000u32 {
        let word: String = format!("{at:x}").bytes().map(|byte| char::from(b'g' + byte % 20)).collect();
        observe(&mut miner, &format!("{word} {word} {at} {}", "y".repeat(at as usize % 7)), i64::from(at));
    }
    let pattern = miner.pattern(id).unwrap();
    let [order, customer] = pattern.variables.held() else { panic!("two places") };
    assert_eq!((order.count(), customer.distinct(), customer.is_enumeration()), (200, (5, true), true));
}
