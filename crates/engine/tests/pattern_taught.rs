//! Lessons in force: what becomes of lines, counts and ids when people teach and undo, across restarts.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use proptest::prelude::*;
use sapwood_engine::limits;
use sapwood_engine::pattern::lesson::{Lessons, Naming, Reference, Teaching, child_id};
use sapwood_engine::pattern::{Firsts, Miner, Observed, Pattern, PatternId};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;

/// A miner with the rows that a stream object would keep for it.
fn seen(id: PatternId, is_new: bool) -> Observed {
    Observed { id, is_new, firsts: Firsts::default() }
}

#[derive(Default)]
struct Object {
    miner: Miner,
    lessons: Lessons,
    rows: BTreeMap<PatternId, Vec<u8>>,
    learnt: Option<Vec<u8>>,
    taught: Option<Vec<u8>>,
    lines: u64,
    /// Patterns that lessons may speak of before this object knows them.
    elsewhere: BTreeMap<PatternId, String>,
}

impl Object {
    fn observe(&mut self, message: &str) -> Observed {
        let record = Record { message: message.into(), timestamp: Timestamp(7), ..Record::default() };
        self.lines += 1;
        self.miner.observe(&record, self.lines, 0, Timestamp(7))
    }

    fn id(&mut self, message: &str) -> PatternId {
        self.observe(message).id
    }

    fn teach(&mut self, teaching: Teaching) -> u64 {
        let id = self.lessons.teach(teaching, "ann", Timestamp(1), "").unwrap();
        self.miner.teach(self.lessons.clone());
        id
    }

    fn undo(&mut self, id: u64) {
        self.lessons.undo(id).unwrap();
        assert!(self.miner.teach(self.lessons.clone()));
    }

    fn reference(&self, id: PatternId) -> Reference {
        let here = self.miner.pattern(id).map(|pattern| pattern.template.clone());
        let template = here.or_else(|| self.elsewhere.get(&id).cloned()).unwrap_or_default();
        Reference { id, template }
    }

    fn merge(&mut self, from: &[PatternId], into: PatternId) -> u64 {
        let from = from.iter().map(|&id| self.reference(id)).collect();
        let into = self.reference(into);
        self.teach(Teaching::Merge { from, into })
    }

    fn count(&self, id: PatternId) -> u64 {
        self.miner.pattern(id).map_or(0, |pattern| pattern.count)
    }

    /// Writes what changed, forgets the miner and restores it.
    fn restart(&mut self) {
        let (dirty, gone) = self.miner.take_dirty();
        for id in dirty {
            self.rows.insert(id, self.miner.pattern(id).unwrap().encode());
        }
        for id in gone {
            self.rows.remove(&id);
        }
        self.learnt = self.miner.take_learnt().or(self.learnt.take());
        self.taught = self.miner.take_taught().or(self.taught.take());
        let rows = self.rows.values().map(|row| Pattern::decode(row).unwrap());
        let restored = Miner::restore_taught(rows, self.learnt.as_deref(), self.taught.as_deref());
        self.miner = restored;
    }

    fn check_sum(&self) {
        assert_eq!(self.miner.patterns().map(|pattern| pattern.count).sum::<u64>(), self.lines);
    }

    fn view(&self) -> Vec<(PatternId, String, u64)> {
        self.miner.patterns().map(|it| (it.id, it.template.clone(), it.count)).collect()
    }
}

fn named(name: &str) -> Naming {
    Naming { name: name.into(), ..Naming::default() }
}

#[test]
fn merged_patterns_are_one_at_once_and_history_follows_by_alias() {
    let mut object = Object::default();
    let [started, began] = ["worker 1 started", "job 2 began"].map(|line| object.id(line));
    object.id("worker 3 started");
    object.merge(&[started], began);
    assert_eq!(object.id("worker 4 started"), began);
    assert_eq!((object.count(began), object.count(started)), (4, 4));
    assert_eq!(object.miner.resolve(started), began);
    let mut ids = object.miner.ids_of(started);
    ids.sort();
    let mut expected = vec![started, began];
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(object.miner.patterns().count(), 1);
    assert_eq!(object.miner.pattern(began).unwrap().template, "job <*> began", "the one that stays keeps its words");
    assert!(object.miner.take_linked().contains(&(started, began)));
    object.check_sum();
}

#[test]
fn undoing_a_merge_gives_back_what_was_counted_before_and_leaves_what_was_counted_since() {
    let mut object = Object::default();
    let [a, b] = ["worker 1 started", "job 2 began"].map(|line| object.id(line));
    object.id("worker 2 started");
    let lesson = object.merge(&[a], b);
    object.restart();
    for _ in 0..5 {
        object.id("worker 3 started");
    }
    object.undo(lesson);
    assert_eq!((object.count(a), object.count(b)), (2, 6));
    assert_eq!(object.observe("worker 4 started"), seen(a, false));
    assert_eq!(object.miner.ids_of(b), [b]);
    object.restart();
    assert_eq!((object.count(a), object.count(b)), (3, 6));
    object.check_sum();
}

#[test]
fn merges_of_merges_come_apart_in_any_order() {
    for first in [0, 1] {
        let mut object = Object::default();
        let [a, b, c] = ["worker 1 started", "job 2 began", "task 3 launched"].map(|line| object.id(line));
        let lessons = [object.merge(&[a], b), object.merge(&[b], c)];
        assert_eq!(object.id("worker 1 started"), c);
        assert_eq!(object.count(c), 4);
        object.undo(lessons[first]);
        let expected = if first == 0 { [1, 3, 3] } else { [2, 2, 2] };
        assert_eq!([a, b, c].map(|id| object.count(id)), expected);
        object.undo(lessons[1 - first]);
        assert_eq!([a, b, c].map(|id| object.count(id)), [1, 1, 2], "undone first: {first}");
        object.check_sum();
    }
}

#[test]
fn a_merge_holds_where_the_patterns_are_not_known_yet() {
    let mut here = Object::default();
    let [a, b] = ["worker 1 started", "job 2 began"].map(|line| here.id(line));
    here.merge(&[a], b);
    let mut there = Object::default();
    there.miner.teach(here.lessons.clone());
    assert!(there.miner.is_empty());
    assert_eq!(there.observe("worker 9 started"), seen(b, true));
    assert_eq!(there.observe("job 9 began"), seen(b, false));
    assert_eq!(there.view(), [(b, "job <*> began".to_owned(), 2)]);
    there.restart();
    assert_eq!(there.id("worker 10 started"), b);
    there.check_sum();
}

#[test]
fn a_lesson_holds_for_a_pattern_that_was_born_with_another_word() {
    let learn = |words: &[&str]| {
        let mut object = Object::default();
        for word in words {
            object.id(&format!("session opened for user {word} today"));
        }
        object
    };
    let mut here = learn(&["ann", "bob", "eve", "joe", "sue"]);
    let mut there = learn(&["kim", "lea", "max", "ned", "oda"]);
    let id = here.id("session opened for user pam today");
    let other = there.id("session opened for user pam today");
    assert_ne!(id, other);
    let pattern = here.reference(id);
    here.teach(Teaching::Name { pattern, naming: named("Login") });
    there.miner.teach(here.lessons.clone());
    assert_eq!(there.miner.naming(other).map(|naming| naming.name.as_str()), Some("Login"));
    let session = here.id("login ok");
    here.merge(&[id], session);
    there.miner.teach(here.lessons.clone());
    assert_eq!(there.id("session opened for user ray today"), session);
    there.check_sum();
}

#[test]
fn a_split_parts_values_and_its_children_become_aliases_when_it_is_undone() {
    let mut object = Object::default();
    let parent = object.id("order 1 paid by card 77");
    let template = object.miner.pattern(parent).unwrap().template.clone();
    assert_eq!(template, "order <*> paid by card <*>");
    let pattern = object.reference(parent);
    let lesson = object.teach(Teaching::Split { pattern, place: 1, values: vec!["77".into(), "78".into()] });
    let child = object.id("order 2 paid by card 77");
    assert_eq!(Some(child), child_id(&template, 1, "77"));
    assert!(!object.observe("order 3 paid by card 78").is_new, "it was seen before, as its parent");
    assert_eq!(object.id("order 3 paid by card 79"), parent);
    assert_eq!(object.miner.pattern(child).unwrap().template, "order <*> paid by card 77");
    assert_eq!(object.count(parent), 2, "history stays");
    assert_eq!(object.miner.children_of(parent).count(), 2);
    assert_eq!(object.miner.parent_of(child), Some(parent));
    object.restart();
    assert_eq!(object.id("order 4 paid by card 77"), child);
    object.undo(lesson);
    assert_eq!(object.id("order 5 paid by card 77"), parent);
    assert_eq!((object.count(parent), object.miner.resolve(child)), (6, parent));
    assert!(object.miner.ids_of(parent).contains(&child));
    assert_eq!(object.miner.children_of(parent).count(), 0);
    let pattern = object.reference(parent);
    object.teach(Teaching::Split { pattern, place: 1, values: vec!["77".into()] });
    assert_eq!(object.id("order 6 paid by card 77"), child, "the same child again");
    assert_eq!((object.count(child), object.count(parent)), (1, 6));
    object.check_sum();
}

#[test]
fn a_constant_place_has_a_pattern_for_each_value_up_to_a_limit() {
    let mut object = Object::default();
    let parent = object.id("stage 1 done");
    let pattern = object.reference(parent);
    object.teach(Teaching::Constant { pattern, place: 0 });
    for stage in 0..limits::SPLIT_VALUES_MAX + 50 {
        object.id(&format!("stage {stage} done"));
    }
    assert_eq!(object.miner.children_of(parent).count(), limits::SPLIT_VALUES_MAX);
    assert_eq!(object.count(parent), 51);
    object.id("stage <*> done");
    assert_eq!(object.count(parent), 52, "of a record over quota the value is not known");
    object.check_sum();
}

#[test]
fn children_can_be_merged_named_and_split_again() {
    let mut object = Object::default();
    let parent = object.id("copy 1 to 2");
    let pattern = object.reference(parent);
    object.teach(Teaching::Constant { pattern, place: 0 });
    let [one, two] = ["copy 1 to 3", "copy 2 to 3"].map(|line| object.id(line));
    object.merge(&[one], two);
    assert_eq!(object.id("copy 1 to 4"), two);
    let pattern = object.reference(two);
    object.teach(Teaching::Name { pattern: pattern.clone(), naming: named("Copy two") });
    assert_eq!(object.miner.naming(one).map(|naming| naming.name.as_str()), Some("Copy two"));
    object.teach(Teaching::Split { pattern, place: 0, values: vec!["9".into()] });
    let grandchild = object.id("copy 2 to 9");
    assert_eq!(object.miner.parent_of(grandchild), Some(two));
    object.restart();
    assert_eq!(object.id("copy 2 to 9"), grandchild);
    object.check_sum();
}

#[test]
fn a_taught_template_takes_over_what_it_describes_now_and_later() {
    let mut object = Object::default();
    let failed = object.id("order 1 failed in cart");
    let template = "order <*> failed in <*>";
    let lesson = object.teach(Teaching::Template { template: template.into(), naming: named("Lost order") });
    let own = object.miner.resolve(failed);
    assert_ne!(own, failed);
    assert_eq!(object.observe("order 2 failed in checkout at noon"), seen(own, false));
    assert_eq!(object.view(), [(own, template.to_owned(), 2)]);
    assert_eq!(object.miner.naming(failed).map(|naming| naming.name.as_str()), Some("Lost order"));
    let given = Record { message: "x".into(), message_template: Some(template.into()), ..Record::default() };
    object.lines += 1;
    assert_eq!(object.miner.observe(&given, 9, 0, Timestamp(9)).id, own, "as if the client had said it");
    object.restart();
    object.undo(lesson);
    assert_eq!(object.id("order 3 failed in cart"), failed);
    assert_eq!((object.count(failed), object.count(own)), (2, 2));
    object.check_sum();
}

#[test]
fn a_flood_that_a_taught_template_describes_stays_within_bounds() {
    let mut object = Object::default();
    object.teach(Teaching::Template { template: "garbage <*>".into(), naming: named("") });
    let mut last = PatternId::OVERFLOW;
    for number in 0..3 * limits::COVERED_MAX {
        let word: String = format!("{number:x}").bytes().map(|byte| char::from(b'g' + byte % 20)).collect();
        last = object.id(&format!("garbage {word} zz{} {word}", "y".repeat(number % 7)));
    }
    assert_eq!(object.count(last), object.lines);
    let row = object.miner.take_taught().unwrap();
    assert!(row.len() < 400_000, "{}", row.len());
    object.check_sum();
}

#[test]
fn what_the_learner_merges_later_moves_with_the_lesson() {
    let mut object = Object::default();
    let login = object.id("login ok");
    let first = object.id("session opened for user ann today");
    let lesson = object.merge(&[first], login);
    for word in ["bob", "eve", "joe", "sue", "kim", "lea"] {
        object.id(&format!("session opened for user {word} today"));
    }
    assert_eq!(object.id("session opened for user max today"), login, "one statement is in one pattern");
    object.restart();
    object.check_sum();
    object.undo(lesson);
    let own = object.id("session opened for user max today");
    assert_ne!(own, login);
    object.check_sum();
}

#[test]
fn a_flood_pushes_out_neither_what_was_taught_nor_the_sums() {
    let mut object = Object::default();
    let [a, b, parent] = ["worker 1 started", "job 2 began", "copy 1 ended"].map(|line| object.id(line));
    let lesson = object.merge(&[a], b);
    let pattern = object.reference(parent);
    object.teach(Teaching::Constant { pattern, place: 0 });
    let child = object.id("copy 7 ended");
    for number in 0..3 * limits::PATTERNS_MAX {
        let word: String = format!("{number:x}").bytes().map(|byte| char::from(b'g' + byte % 20)).collect();
        object.id(&format!("{word} noise{} {word}", "y".repeat(number % 7)));
    }
    assert!(object.miner.len() <= limits::PATTERNS_MAX);
    assert_eq!((object.id("worker 3 started"), object.id("copy 7 ended")), (b, child));
    object.restart();
    object.undo(lesson);
    assert_eq!((object.count(a), object.count(b)), (1, 2));
    object.check_sum();
}

#[test]
fn without_its_row_a_miner_has_no_lessons_and_says_so() {
    let mut object = Object::default();
    let [a, b] = ["worker 1 started", "job 2 began"].map(|line| object.id(line));
    object.merge(&[a], b);
    object.restart();
    object.taught = Some(b"\xff".to_vec());
    object.restart();
    assert_eq!(object.miner.lessons().version, 0);
    assert!(object.miner.teach(object.lessons.clone()));
    assert_eq!(object.id("worker 1 started"), b);
    assert!(!object.miner.teach(object.lessons.clone()), "the same again changes nothing");
}

/// What happens to an object.
#[derive(Clone, Debug)]
enum Step {
    Line(String),
    Merge(Vec<usize>, usize),
    Split(usize, u16, Vec<String>),
    Constant(usize, u16),
    Name(usize),
    Template(usize),
    Undo(usize),
    Restart,
}

const TEMPLATES: [&str; 4] = ["user <*> by <*>", "<*> opened", "order <*>", "user <*>"];

fn step() -> impl Strategy<Value = Step> {
    let line =
        ("(user|order|job) (ann|bob|eve|joe|sue|kim|lea|7|8) (opened|closed|by [a-e]) ?(late|9)?").prop_map(Step::Line);
    prop_oneof![
        30 => line,
        3 => (prop::collection::vec(0..40usize, 1..4), 0..40usize).prop_map(|(from, into)| Step::Merge(from, into)),
        2 => (0..40usize, 0..2u16, prop::collection::vec("[a-e7-9]", 1..4)).prop_map(|(p, at, v)| Step::Split(p, at, v)),
        1 => (0..40usize, 0..2u16).prop_map(|(pattern, place)| Step::Constant(pattern, place)),
        1 => (0..40usize).prop_map(Step::Name),
        1 => (0..TEMPLATES.len()).prop_map(Step::Template),
        3 => (0..20usize).prop_map(Step::Undo),
        2 => Just(Step::Restart),
    ]
}

/// Does a step to an object that restarts and to one that does not; ids seen so far are what lessons speak of.
fn take_step(step: &Step, object: &mut Object, seen: &mut Vec<PatternId>) {
    let pick = |at: usize| seen.get(at % seen.len().max(1)).copied().unwrap_or(PatternId(5));
    let teaching = match step {
        Step::Line(message) => {
            let id = object.id(message);
            if !seen.contains(&id) {
                seen.push(id);
            }
            return;
        }
        Step::Undo(at) => {
            let ids: Vec<u64> = object.lessons.list().iter().map(|lesson| lesson.id).collect();
            if let Some(&id) = ids.get(at % ids.len().max(1))
                && object.lessons.undo(id).is_ok()
            {
                object.miner.teach(object.lessons.clone());
            }
            return;
        }
        Step::Restart => return object.restart(),
        Step::Merge(from, into) => Teaching::Merge {
            from: from.iter().map(|&at| object.reference(pick(at))).collect(),
            into: object.reference(pick(*into)),
        },
        Step::Split(pattern, place, values) => {
            Teaching::Split { pattern: object.reference(pick(*pattern)), place: *place, values: values.clone() }
        }
        Step::Constant(pattern, place) => {
            Teaching::Constant { pattern: object.reference(pick(*pattern)), place: *place }
        }
        Step::Name(pattern) => Teaching::Name { pattern: object.reference(pick(*pattern)), naming: named("n") },
        Step::Template(at) => Teaching::Template { template: TEMPLATES[*at].into(), naming: named("") },
    };
    // What cannot stand is refused; the rest is in force.
    if object.lessons.teach(teaching, "ann", Timestamp(1), "").is_ok() {
        object.miner.teach(object.lessons.clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn lessons_about_patterns_that_are_only_known_elsewhere_survive_restarts(
        before in prop::collection::vec(step(), 1..60), steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut elsewhere = Object::default();
        before.iter().chain(&steps).for_each(|step| {
            if let Step::Line(message) = step {
                elsewhere.observe(message);
            }
        });
        let known: BTreeMap<_, _> = elsewhere.view().into_iter().map(|(id, template, _)| (id, template)).collect();
        let mut one = Object { elsewhere: known.clone(), ..Object::default() };
        let mut other = Object { elsewhere: known.clone(), ..Object::default() };
        let mut seen: Vec<PatternId> = known.keys().copied().collect();
        let mut also_seen = seen.clone();
        // First what is taught, then lines and lessons as they come.
        let taught = before.iter().filter(|step| !matches!(step, Step::Line(_)));
        for step in taught.chain(&steps) {
            take_step(step, &mut one, &mut seen);
            one.restart();
            if !matches!(step, Step::Restart) {
                take_step(step, &mut other, &mut also_seen);
            }
            one.check_sum();
            prop_assert_eq!(&seen, &also_seen, "after {:?}", step);
            prop_assert_eq!(one.view(), other.view(), "after {:?}", step);
            for &id in &seen {
                prop_assert_eq!(one.miner.resolve(id), other.miner.resolve(id), "{} after {:?}", id, step);
                prop_assert_eq!(one.miner.ids_of(id), other.miner.ids_of(id), "{} after {:?}", id, step);
            }
        }
    }

    #[test]
    fn whatever_is_taught_counts_add_up_ids_lead_on_and_restarts_change_nothing(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (mut one, mut other) = (Object::default(), Object::default());
        let (mut seen, mut also_seen) = (Vec::new(), Vec::new());
        for step in &steps {
            take_step(step, &mut one, &mut seen);
            if !matches!(step, Step::Restart) {
                take_step(step, &mut other, &mut also_seen);
            }
            one.check_sum();
            prop_assert_eq!(&seen, &also_seen, "after {:?}", step);
            prop_assert_eq!(one.view(), other.view(), "after {:?}", step);
            for &id in &seen {
                let now = one.miner.resolve(id);
                prop_assert_eq!(one.miner.resolve(now), now, "an id leads to one that leads no further");
                prop_assert!(one.miner.ids_of(now).contains(&id), "history is found");
            }
        }
        let undone: Vec<u64> = one.lessons.list().iter().map(|lesson| lesson.id).rev().collect();
        for id in undone {
            if one.lessons.undo(id).is_ok() {
                one.miner.teach(one.lessons.clone());
                one.check_sum();
            }
        }
    }
}
