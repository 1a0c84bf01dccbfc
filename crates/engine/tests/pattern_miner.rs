//! What the miner promises, seen from outside: which lines meet, what ids mean, what survives a restart and a flood.

use proptest::prelude::*;
use sapwood_engine::level::Level;
use sapwood_engine::limits;
use sapwood_engine::pattern::{Miner, Pattern, PatternId, extract, rebuild};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

fn observe_at(miner: &mut Miner, message: &str, at: i64) -> PatternId {
    let record = Record { message: message.into(), timestamp: Timestamp(at), ..Record::default() };
    miner.observe(&record, at as u64, 0, Timestamp(at)).id
}

/// The ids given at the lines.
fn mine(miner: &mut Miner, lines: &[&str]) -> Vec<PatternId> {
    lines.iter().zip(1..).map(|(line, at)| observe_at(miner, line, at)).collect()
}

/// Templates and counts in the end, by count and text.
fn patterns(miner: &Miner) -> Vec<(String, u64)> {
    let mut all: Vec<_> = miner.patterns().map(|pattern| (pattern.template.clone(), pattern.count)).collect();
    all.sort();
    all
}

fn check(lines: &[&str], expected: &[(&str, u64)]) {
    let mut miner = Miner::default();
    let ids = mine(&mut miner, lines);
    let expected: Vec<_> = expected.iter().map(|&(template, count)| (template.to_owned(), count)).collect();
    assert_eq!(patterns(&miner), expected);
    // An id means its line for good: the pattern that it resolves to holds the line's text.
    for (line, id) in lines.iter().zip(ids) {
        let pattern = miner.pattern(id).expect("nothing was evicted");
        assert!(extract(&pattern.template, line).is_some(), "{line} is not of {}", pattern.template);
    }
}

#[test]
fn a_name_behind_a_preposition_is_a_variable_at_its_second_value() {
    check(
        &[
            "session closed for user root now",
            "session closed for user admin now",
            "session closed for user backup now",
        ],
        &[("session closed for user <*> now", 3)],
    );
}

#[test]
fn the_second_value_has_the_id_of_the_first() {
    let mut miner = Miner::default();
    let ids = mine(&mut miner, &["login failed for root from 10.0.0.1", "login failed for bob from 10.0.0.2"]);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_word_joins_where_a_variable_was_seen_and_a_variable_where_a_word_was() {
    check(
        &["could not open table t17 again", "could not open table orders again"],
        &[("could not open table <*> again", 2)],
    );
    check(
        &["could not open table orders again", "could not open table t17 again"],
        &[("could not open table <*> again", 2)],
    );
}

#[test]
fn an_ordinary_word_needs_five_values_and_a_state_eight() {
    let worker = |name: &str| format!("the {name} worker is ready");
    let names = ["mail", "index", "cache", "video", "image"];
    let lines: Vec<String> = names.iter().map(|name| worker(name)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut miner = Miner::default();
    mine(&mut miner, &lines[..4]);
    assert_eq!(miner.len(), 4);
    let ids = mine(&mut miner, &lines);
    assert_eq!(patterns(&miner), [("the <*> worker is ready".to_owned(), 9)]);
    assert!(ids.iter().all(|&id| miner.resolve(id) == miner.resolve(ids[0])));

    let states = ["NEW", "READY", "RUNNING", "WAITING", "FAILED", "KILLED", "GONE"];
    let mut miner = Miner::default();
    for state in states {
        observe_at(&mut miner, &format!("the worker is now {state} again"), 1);
    }
    assert_eq!(miner.len(), states.len());
    for (verb, at) in ["started", "paused", "resumed", "stopped", "deleted"].iter().zip(1..) {
        observe_at(&mut miner, &format!("machine of the tenant {verb} again"), at);
    }
    assert_eq!(miner.len(), states.len() + 5);
}

#[test]
fn a_state_joins_a_variable_that_has_proved_to_hold_words() {
    check(
        &[
            "invalid user bob from 10.0.0.1",
            "invalid user ann from 10.0.0.1",
            "invalid user eve from 10.0.0.1",
            "invalid user joe from 10.0.0.1",
            "invalid user FILTER from 10.0.0.1",
        ],
        &[("invalid user <*> from <*>", 5)],
    );
    check(
        &["state of job 17 is set", "state of job NEW is set"],
        &[("state of job <*> is set", 1), ("state of job NEW is set", 1)],
    );
}

#[test]
fn lines_that_vary_in_several_assigned_values_meet() {
    check(
        &[
            "name=bob city=rome was found",
            "name=ann city=oslo was found",
            "name=eve city=bonn was found",
            "name=joe city=kiel was found",
        ],
        &[("name=<*> city=<*> was found", 4)],
    );
}

#[test]
fn different_statements_of_few_words_stay_apart() {
    let lines = ["starting up", "shutting down", "ready", "cache cold", "cache warm", "cache hot", "cache gone"];
    let mut miner = Miner::default();
    mine(&mut miner, &lines);
    assert_eq!(miner.len(), lines.len());
}

#[test]
fn merged_patterns_add_up_and_their_ids_are_aliases() {
    let mut miner = Miner::default();
    let mut ids = Vec::new();
    for (at, name) in ["mail", "index", "cache", "video", "image", "audio"].iter().enumerate() {
        let record = Record {
            message: format!("the {name} worker is ready"),
            timestamp: Timestamp(at as i64),
            level: if at == 1 { Level::ERROR } else { Level::INFO },
            endpoint: Some(format!("/{name}")),
            ..Record::default()
        };
        ids.push(miner.observe(&record, at as u64, 0, Timestamp(9)).id);
    }
    let pattern = miner.pattern(ids[3]).unwrap();
    assert_eq!((pattern.id, pattern.count, pattern.error_count()), (ids[0], 6, 1));
    assert_eq!((pattern.first_seen, pattern.last_seen), (Timestamp(0), Timestamp(5)));
    assert_eq!(pattern.endpoints.len(), 6);
    assert_eq!(pattern.exemplars.iter().map(|exemplar| exemplar.seq).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(pattern.last.as_ref().map(|exemplar| exemplar.seq), Some(5));
    let mut all = miner.ids_of(ids[2]);
    all.sort();
    let mut expected = ids[..4].to_vec();
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(miner.take_merged(), [(ids[1], ids[0]), (ids[2], ids[0]), (ids[3], ids[0])]);
    let (dirty, gone) = miner.take_dirty();
    assert_eq!((dirty, gone), (vec![ids[0]], ids[1..4].to_vec()));
    assert_eq!(miner.patterns().count(), 1);
}

#[test]
fn a_line_over_quota_is_counted_where_the_line_itself_would_be() {
    let mut miner = Miner::default();
    let line = "payment of 15 ms for order 17 failed at /a/b";
    let id = observe_at(&mut miner, line, 1);
    assert_eq!(observe_at(&mut miner, &sapwood_engine::pattern::template_of(line), 2), id);
}

#[test]
fn unreadable_learning_costs_the_merges_and_nothing_else() {
    let mut miner = Miner::default();
    let id = observe_at(&mut miner, "payment failed for order 17", 1);
    let rows: Vec<Pattern> = miner.patterns().cloned().collect();
    for learnt in [None, Some(&b"\xff"[..]), Some(&[][..])] {
        let mut restored = Miner::restore(rows.clone(), learnt);
        assert_eq!(observe_at(&mut restored, "payment failed for order 18", 2), id);
        assert_eq!(restored.len(), 1);
    }
}

fn word(mut number: u64) -> String {
    let mut word = String::from("q");
    while number > 0 {
        word.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    word
}

#[test]
fn nine_garbage_lines_in_ten_do_not_take_the_ids_of_the_known_ones() {
    /// Nine in ten are garbage: 100,000 shapes that come once.
    const LINES: usize = 111_200;
    let mut miner = Miner::default();
    let known: Vec<String> =
        (0..200).map(|i| format!("statement {} did its {} work", word(i * 31 + 7), word(i * 17 + 900))).collect();
    let mut first = vec![None; known.len()];
    let (mut kept, mut seen) = (0, 0);
    let mut mutating: Vec<String> = (0..7).map(word).collect();
    for i in 0..LINES {
        if i % 10 == 0 {
            let which = (i / 10) % known.len();
            let id = observe_at(&mut miner, &known[which], i as i64);
            match first[which] {
                None => first[which] = Some(id),
                Some(before) => {
                    seen += 1;
                    kept += usize::from(before == id);
                }
            }
        } else if i % 10 < 8 {
            let n = i as u64;
            let garbage = format!("{} {} {}", word(n * 7919), word(n * 104_729 + 3), word(n * 1_299_709 + 1));
            observe_at(&mut miner, &garbage, i as i64);
        } else {
            // A line that changes a word at a time.
            mutating[i % 7] = word(i as u64 * 7 + 11);
            observe_at(&mut miner, &mutating.join(" "), i as i64);
        }
        assert!(miner.len() <= limits::PATTERNS_MAX);
    }
    assert!(seen > 10_000);
    assert!(kept * 100 >= seen * 99, "{kept} of {seen}");
    // Not only the id: once it came back, a known pattern stays, and is never taken for new again.
    for line in &known {
        let record = Record { message: line.clone(), timestamp: Timestamp(LINES as i64), ..Record::default() };
        let observed = miner.clone().observe(&record, LINES as u64, 0, Timestamp(LINES as i64));
        assert!(!observed.is_new);
        assert!(miner.pattern(observed.id).is_some_and(|pattern| pattern.count >= 50), "{line}");
    }
    assert_eq!(miner.patterns().map(|pattern| pattern.count).sum::<u64>(), LINES as u64);
    let overflow = miner.pattern(PatternId::OVERFLOW).unwrap();
    assert!(overflow.count > 80_000);
    assert!(miner.take_learnt().unwrap().len() < 700_000);
}

#[test]
fn a_hundred_thousand_shapes_and_a_mutating_line_stay_within_bounds() {
    let mut miner = Miner::default();
    let mut words: Vec<String> = (0..7).map(word).collect();
    for i in 0..100_000usize {
        let place = i % words.len();
        words[place] = word(i as u64 * 7 + 11);
        observe_at(&mut miner, &words.join(if i % 2 == 0 { " " } else { "; " }), i as i64);
    }
    assert!(miner.len() <= limits::PATTERNS_MAX);
    assert_eq!(miner.patterns().map(|pattern| pattern.count).sum::<u64>(), 100_000);
    assert!(miner.take_learnt().unwrap().len() < 700_000);
}

/// Lines of a small language in which shapes meet often.
fn line() -> impl Strategy<Value = String> {
    let slot =
        || prop_oneof![12 => "[a-gi-n]", 1 => "[0-9]{1,2}", 5 => "[A-C]{2}", 1 => "[0-9],[0-9]", 1 => "[a-c]=[0-9]"];
    let statement = (0usize..7, slot(), slot()).prop_map(|(which, x, y)| match which {
        0 => format!("one {x} two three"),
        1 => format!("one for {x} two {y}"),
        2 => format!("k={x} m={y} two three"),
        3 => format!("go {x} on"),
        4 => format!("go for {x} on"),
        5 => format!("one two {x} {y}"),
        _ => format!("{x} two three {y} four"),
    });
    let free = proptest::collection::vec(prop_oneof![6 => slot(), 1 => Just("for".to_owned())], 1..6);
    prop_oneof![9 => statement, 1 => free.prop_map(|tokens| tokens.join(" "))]
}

fn rows_of(miner: &Miner) -> Vec<Vec<u8>> {
    miner.patterns().map(Pattern::encode).collect()
}

/// The obviously right miner: the same rules over lists of tokens, without hashes, bounds, tables or short cuts. It knows
/// only the small language of [`line`].
#[derive(Default)]
struct Slow {
    /// Shape, its pattern, and the words that were found in its variable (by the bit that the fast miner keeps of them).
    shapes: BTreeMap<Vec<String>, usize>,
    words: BTreeMap<Vec<String>, BTreeSet<String>>,
    evidence: BTreeMap<Vec<String>, Vec<(String, usize, bool)>>,
    merged_into: Vec<usize>,
    templates: Vec<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Assigned,
    Introduced,
    Plain,
    State,
    Joint,
}

fn tokens_of(line: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for chunk in line.split(' ') {
        for piece in chunk.replace('=', " = ").replace(',', " , ").split(' ') {
            let is_value = piece.bytes().any(|byte| byte.is_ascii_digit());
            tokens.push(if is_value { "<*>".into() } else { piece.into() });
        }
    }
    collapsed(&tokens)
}

/// Variables with nothing but commas between them are one.
fn collapsed(tokens: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for token in tokens {
        if token == "<*>" {
            let body = out.iter().rposition(|token| token != ",").map_or(0, |last| last + 1);
            if body > 0 && out[body - 1] == "<*>" {
                out.truncate(body - 1);
            }
        }
        out.push(token.clone());
    }
    out
}

fn cover(left: &[String], right: &[String]) -> Vec<String> {
    let mut out = left.to_vec();
    let same = |at: &usize| left[*at] == right[*at];
    let shorter = left.len().min(right.len());
    let mut prefix = (0..shorter).take_while(same).count();
    let from_behind = |at: &usize| left[left.len() - 1 - at] == right[right.len() - 1 - at];
    let suffix = (0..shorter - prefix).take_while(from_behind).count();
    for (at, token) in out.iter_mut().enumerate() {
        let is_open = if left.len() == right.len() {
            !same(&at)
        } else {
            if prefix + suffix == left.len() {
                prefix = prefix.saturating_sub(1);
            }
            at >= prefix && at < left.len() - suffix
        };
        if is_open {
            *token = "<*>".into();
        }
    }
    collapsed(&out)
}

impl Slow {
    fn resolve(&self, mut pattern: usize) -> usize {
        while self.merged_into[pattern] != pattern {
            pattern = self.merged_into[pattern];
        }
        pattern
    }

    fn places(tokens: &[String]) -> Vec<(Vec<usize>, Place)> {
        let is_word = |token: &String| !matches!(token.as_str(), "<*>" | "=" | ",");
        let mut places = Vec::new();
        let mut assigned = Vec::new();
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| is_word(token)) {
            let before = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
            let place = if token.len() >= 2 && token.bytes().all(|byte| byte.is_ascii_uppercase()) {
                Place::State
            } else if before == "=" {
                assigned.push(at);
                Place::Assigned
            } else if before == "for" {
                Place::Introduced
            } else {
                Place::Plain
            };
            places.push((vec![at], place));
        }
        if assigned.len() > 1 {
            places.push((assigned, Place::Joint));
        }
        places
    }

    fn open(tokens: &[String], places: &[usize]) -> (Vec<String>, String, Vec<String>) {
        let mut opened = tokens.to_vec();
        let mut value = String::new();
        for &at in places {
            value.push_str(&tokens[at]);
            value.push(' ');
            opened[at] = "<*>".into();
        }
        (collapsed(&opened), value, opened)
    }

    fn observe(&mut self, line: &str) -> usize {
        let mut tokens = tokens_of(line);
        let mut joined = Vec::new();
        let mut steps: Vec<(Vec<String>, BTreeSet<String>)> = Vec::new();
        let mut used_evidence = false;
        let mut end = None;
        for _ in 0..16 {
            end = self.shapes.get(&collapsed(&tokens)).map(|&pattern| self.resolve(pattern));
            if end.is_some() {
                break;
            }
            let words = Self::places(&tokens).iter().filter(|(_, place)| *place != Place::Joint).count();
            let candidates: Vec<_> = Self::places(&tokens)
                .into_iter()
                .map(|(at, place)| (Self::open(&tokens, &at), place, words - at.len()))
                .filter(|(.., left)| *left >= 2)
                .collect();
            let known = candidates.iter().find(|((shape, ..), place, left)| {
                let needed = if *place == Place::State || *left < 3 { 3 } else { 0 };
                self.shapes.contains_key(shape) && self.words.get(shape).map_or(0, BTreeSet::len) >= needed
            });
            let proven = || {
                candidates.iter().find(|((shape, value, _), place, left)| {
                    let seen =
                        self.evidence.get(shape).map_or(0, |seen| seen.iter().filter(|it| it.0 != *value).count());
                    let needed = match (place, left) {
                        (Place::Assigned | Place::Introduced, 3..) => 2,
                        (Place::Assigned | Place::Introduced | Place::Joint, _) => 4,
                        (Place::Plain, 3..) => 5,
                        (Place::Plain, _) | (Place::State, 3..) => 8,
                        (Place::State, _) => usize::MAX,
                    };
                    seen + 1 >= needed
                })
            };
            let Some(((shape, value, opened), place, _)) = known.or_else(proven).cloned() else { break };
            let mut found = BTreeSet::from([value]);
            let seen = self.evidence.remove(&shape).unwrap_or_default();
            let is_join = self.shapes.contains_key(&shape) && place != Place::State;
            let (stay, join): (Vec<_>, Vec<_>) = seen.into_iter().partition(|it| is_join && it.2);
            if !stay.is_empty() {
                self.evidence.insert(shape.clone(), stay);
            }
            for (value, pattern, _) in join {
                used_evidence = true;
                joined.push(self.resolve(pattern));
                found.insert(value);
            }
            steps.push((shape, found));
            tokens = opened;
        }
        let shape = collapsed(&tokens);
        let places = Self::places(&tokens);
        let mut words = BTreeSet::new();
        if end.is_none() && places.len() >= 3 {
            let seen = self.evidence.remove(&shape).unwrap_or_default();
            let (states, others): (Vec<_>, Vec<_>) = seen.into_iter().partition(|it| it.2);
            if !states.is_empty() {
                self.evidence.insert(shape.clone(), states);
            }
            for (value, pattern, _) in others {
                joined.push(self.resolve(pattern));
                words.insert(value);
            }
        }
        joined.extend(end);
        joined.sort_unstable();
        joined.dedup();
        let is_plain = !used_evidence && joined.len() == 1 && end.is_some();
        let pattern = joined.first().copied().unwrap_or_else(|| {
            self.merged_into.push(self.merged_into.len());
            self.templates.push(shape.clone());
            self.merged_into.len() - 1
        });
        for &other in joined.iter().skip(1) {
            self.merged_into[other] = pattern;
        }
        if !is_plain {
            self.shapes.insert(shape.clone(), pattern);
            self.words.entry(shape.clone()).or_default().extend(words);
        }
        for (shape, found) in steps {
            self.shapes.insert(shape.clone(), pattern);
            self.words.entry(shape).or_default().extend(found);
        }
        if !is_plain {
            let template = joined.iter().fold(shape, |template, &old| cover(&template, &self.templates[old]));
            if Self::places(&template).iter().filter(|(_, place)| *place != Place::Joint).count() >= 2 {
                self.shapes.entry(template.clone()).or_insert(pattern);
            }
            self.templates[pattern] = template;
        }
        if end.is_none() {
            let count = places.iter().filter(|(_, place)| *place != Place::Joint).count();
            for (at, place) in places {
                if count - at.len() >= 2 {
                    let (shape, value, _) = Self::open(&tokens, &at);
                    let seen = self.evidence.entry(shape).or_default();
                    if seen.len() < 8 && !seen.iter().any(|it| it.0 == value) {
                        seen.push((value, pattern, place == Place::State));
                    }
                }
            }
        }
        pattern
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_fast_miner_groups_lines_as_the_slow_one(lines in proptest::collection::vec(line(), 1..150)) {
        let mut fast = Miner::default();
        let mut slow = Slow::default();
        let mut pairs = BTreeMap::new();
        for (at, line) in lines.iter().enumerate() {
            let id = observe_at(&mut fast, line, at as i64);
            let expected = slow.observe(line);
            // One to one, both ways: the same groups at every line.
            let known = *pairs.entry(expected).or_insert(id);
            prop_assert_eq!(fast.resolve(known), id, "line {}: {}", at, line);
        }
        let groups: BTreeSet<usize> = (0..slow.merged_into.len()).map(|pattern| slow.resolve(pattern)).collect();
        prop_assert_eq!(groups.len(), fast.len());
    }
}

proptest! {
    #[test]
    fn a_restart_between_any_two_lines_cannot_be_noticed(
        lines in proptest::collection::vec(line(), 1..120), cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(lines.len());
        let mut straight = Miner::default();
        let mut restarted = Miner::default();
        for (at, line) in lines.iter().enumerate() {
            if at == cut {
                let learnt = restarted.take_learnt();
                let rows: Vec<Pattern> = rows_of(&restarted).iter().map(|row| Pattern::decode(row).unwrap()).collect();
                restarted = Miner::restore(rows, learnt.as_deref());
                prop_assert_eq!(restarted.take_learnt(), None);
            }
            prop_assert_eq!(observe_at(&mut straight, line, at as i64), observe_at(&mut restarted, line, at as i64));
        }
        prop_assert_eq!(rows_of(&straight), rows_of(&restarted));
    }

    #[test]
    fn counts_add_up_and_every_id_given_out_means_its_line(lines in proptest::collection::vec(line(), 1..200)) {
        let mut miner = Miner::default();
        let mut given = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let id = observe_at(&mut miner, line, at as i64);
            given.push(id);
        }
        prop_assert_eq!(miner.patterns().map(|pattern| pattern.count).sum::<u64>(), lines.len() as u64);
        for (line, id) in lines.iter().zip(given) {
            let pattern = miner.pattern(id).expect("nothing was evicted");
            prop_assert!(extract(&pattern.template, line).is_some(), "{} is not of {}", line, pattern.template);
        }
    }

    #[test]
    fn a_message_is_rebuilt_byte_for_byte_from_template_and_variables(message in ".{0,80}|[a-z0-9=,:/ .\\[\\]-]{0,60}") {
        let mut miner = Miner::default();
        let id = observe_at(&mut miner, &message, 1);
        let template = &miner.pattern(id).unwrap().template;
        if let Some(variables) = extract(template, &message) {
            prop_assert_eq!(rebuild(template, &variables), Some(message));
        }
    }

    #[test]
    fn lines_without_odd_white_space_are_always_taken_apart(lines in proptest::collection::vec(line(), 1..60)) {
        let mut miner = Miner::default();
        for (at, line) in lines.iter().enumerate() {
            let id = observe_at(&mut miner, line, at as i64);
            let template = &miner.pattern(id).unwrap().template;
            prop_assert!(extract(template, line).is_some(), "{} is not of {}", line, template);
        }
    }

    #[test]
    fn any_bytes_are_learning_or_refused(bytes: Vec<u8>) {
        let _miner = Miner::restore(Vec::new(), Some(&bytes));
    }
}
