//! One user's records leave what was folded from them: exemplars, the values that only they brought, the words of patterns
//! that were nothing but theirs. Counters stay: they count records and name nobody.
//!
//! What was done is in the rows of the patterns, which are written with it in one commit; the journal gets a row that says
//! that something was done, so that D1 is told of it whatever happens between.

use super::{Effects, Slice, StreamMachine, state};
use crate::machine::erasure::{Counts, add_counts};
use crate::pattern::{Owner, PatternId};
use crate::record::Record;
use crate::time::{Millis, Timestamp};
use std::collections::BTreeSet;

/// A record that was taken out of its row.
#[derive(Clone, Debug)]
pub struct Line {
    /// When its row was received.
    pub at: Timestamp,
    /// Its row.
    pub seq: u64,
    /// Its place in the row.
    pub index: u16,
    /// The pattern that it was given when it came.
    pub pattern: PatternId,
    /// The record as it was.
    pub record: Record,
}

/// What is to be forgotten of a user.
#[derive(Clone, Debug)]
pub struct Retraction {
    /// Who.
    pub user: String,
    /// Records that were taken out of rows that are folded.
    pub lines: Vec<Line>,
    /// Rows that have left of which exemplars are still shown; one of nobody knows whom goes with its row.
    pub rows_gone: BTreeSet<u64>,
    /// What the slice came to so far; what is taken here is added to its counts, and it is remembered.
    pub slice: Slice,
}

impl StreamMachine {
    pub(super) fn retract(&mut self, retraction: Retraction, now: Timestamp, effects: &mut Effects) {
        let (mut counts, mut touched) = (Counts::new(), BTreeSet::new());
        let mut add = |name: &str, count: usize| *counts.entry(name.to_owned()).or_insert(0) += count as u64;
        for line in &retraction.lines {
            let done = self.miner.retract(&line.record, line.pattern, line.seq, line.index);
            let Some((pattern, exemplars, has_left)) = done else { continue };
            touched.extend([pattern, line.pattern]);
            add("exemplars", exemplars);
            add("patterns", usize::from(has_left));
        }
        let owner = Owner::of(Some(&retraction.user));
        let places: BTreeSet<(u64, u16)> = retraction.lines.iter().map(|line| (line.seq, line.index)).collect();
        let (patterns, exemplars, left) = self.miner.drop_exemplars(|exemplar| {
            let is_lost = exemplar.owner == Owner::Unknown && retraction.rows_gone.contains(&exemplar.seq);
            is_lost || exemplar.owner == owner || places.contains(&(exemplar.seq, exemplar.index))
        });
        touched.extend(patterns);
        add("exemplars", exemplars);
        add("patterns", left);
        let before = self.recent_errors.len();
        self.recent_errors
            .retain(|(_, exemplar)| exemplar.owner != owner && !places.contains(&(exemplar.seq, exemplar.index)));
        add("exemplars", before - self.recent_errors.len());
        // What left is counted as overflow from now on, of which D1 has to hear too.
        if counts.get("patterns").is_some_and(|left| *left > 0) {
            touched.insert(PatternId::OVERFLOW);
        }
        counts.retain(|_, count| *count > 0);
        if !retraction.lines.is_empty() || !counts.is_empty() {
            effects.rows.push(self.event_row(state::encode_retraction(), now));
            let has_left = |id: &PatternId| self.miner.pattern(*id).is_none();
            let left: Vec<PatternId> = touched.iter().copied().filter(has_left).collect();
            let unheard = &self.d1_patterns;
            self.slices.note_left(&left, |id| !unheard.contains_key(&id));
            self.d1_patterns.extend(touched.into_iter().map(|pattern| (pattern, self.last)));
            self.set_dirty(now);
        }
        let mut slice = retraction.slice;
        add_counts(&mut slice.counts, &counts);
        if slice.is_done {
            slice.reached = Some(now);
            // Not even what comes in the same millisecond is taken for what is gone.
            self.clock = now.plus(Millis(1));
        }
        self.slices.push(slice.clone());
        effects.slice = Some(slice);
        effects.checkpoint = true;
    }

    /// Rows of which exemplars are shown whose owner is not known.
    pub fn rows_of_unknown_owners(&self) -> BTreeSet<u64> {
        let shown = self.miner.patterns().flat_map(|pattern| pattern.exemplars.iter().chain(&pattern.last));
        shown.filter(|exemplar| exemplar.owner == Owner::Unknown).map(|exemplar| exemplar.seq).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Event, Identity, StreamSettings};
    use super::*;
    use crate::level::Level;
    use crate::machine::retract::without_user;
    use crate::machine::row::{self, Heads, Row, RowKind};
    use crate::segment;

    struct Object {
        machine: StreamMachine,
        rows: Vec<Row>,
    }

    fn record(number: usize, user: &str, message: &str) -> Record {
        Record {
            timestamp: Timestamp(1_000 + number as i64),
            level: Level::ERROR,
            message: message.into(),
            component: "cart".into(),
            environment: "test".into(),
            user_id: Some(user.into()),
            ..Record::default()
        }
    }

    fn counts(effects: &Effects) -> Counts {
        effects.slice.as_ref().map(|slice| slice.counts.clone()).unwrap_or_default()
    }

    impl Object {
        fn new() -> Self {
            let identity = Identity { domain: "d".into(), component: "cart".into(), shard: 0 };
            let settings = StreamSettings { has_d1: true, ..StreamSettings::default() };
            Self { machine: StreamMachine::new(identity, settings), rows: Vec::new() }
        }

        fn append(&mut self, records: &[Record]) {
            let batch = Batch { segments: segment::encode(records), ..Batch::default() };
            let effects = self.machine.handle(Event::Append(vec![batch]), Timestamp(2_000));
            self.rows.extend(effects.rows);
            self.machine.checkpoint();
        }

        /// As the shell does it: rows first, then what was folded from them.
        fn erase(&mut self, user: &str) -> Effects {
            let mut lines = Vec::new();
            for row in self.rows.iter_mut().filter(|row| row.kind == RowKind::Segments) {
                let Some(retracted) = without_user(&row.body, user).unwrap() else { continue };
                let heads = Heads::decode(&row.heads).unwrap();
                row.body = retracted.body;
                lines.extend(retracted.lines.into_iter().map(|(index, record)| Line {
                    at: row.at,
                    seq: row.seq,
                    index,
                    pattern: heads.pattern_at(usize::from(index)),
                    record,
                }));
            }
            let slice = Slice { erasure: format!("erasure of {user}"), ..Slice::default() };
            let retraction = Retraction { user: user.into(), lines, rows_gone: BTreeSet::new(), slice };
            let effects = self.machine.handle(Event::Retract(retraction), Timestamp(3_000));
            self.rows.extend(effects.rows.clone());
            effects
        }

        /// All text that the machine holds.
        fn text(&mut self) -> String {
            let patterns: Vec<_> = self.machine.miner().patterns().cloned().collect();
            let learnt = self.machine.miner.clone().take_learnt();
            let learnt = String::from_utf8_lossy(&learnt.unwrap_or_default()).into_owned();
            format!("{patterns:?} {:?} {learnt}", self.machine.recent_errors)
        }
    }

    #[test]
    fn text_of_a_user_goes_and_counts_stay() {
        let mut object = Object::new();
        let lines = ["payment of bob-the-first failed", "payment of eve-the-second failed"];
        for number in 0..30 {
            object.append(&[record(number, "bob", lines[0]), record(number, "eve", lines[1])]);
        }
        object.append(&[record(99, "bob", "only bob-the-first ever wrote these words")]);
        let (outcomes, total) = (object.machine.outcomes(), object.machine.counters().total());
        let mined = |object: &Object| object.machine.miner().patterns().map(|it| it.count).sum::<u64>();
        assert_eq!((total, mined(&object)), (61, 61));
        assert!(object.text().contains("bob-the-first"));
        let effects = object.erase("bob");
        assert!(effects.checkpoint && counts(&effects).get("exemplars") > Some(&0), "{:?}", counts(&effects));
        assert_eq!(counts(&effects).get("patterns"), Some(&1), "words that only one user wrote are the user's");
        assert!(!object.text().contains("bob-the-first"), "{}", object.text());
        assert!(object.text().contains("eve-the-second"));
        assert_eq!((object.machine.outcomes(), object.machine.counters().total(), mined(&object)), (outcomes, 61, 61));
        let touched = object.machine.d1_dirty().0;
        assert!(touched.contains(&PatternId::OVERFLOW), "what left is counted there now");
        assert!(touched.len() >= 2 && object.machine.d1().cursor < object.machine.last_seq(), "D1 is told");
        let held: Vec<Record> = object
            .rows
            .iter()
            .filter(|row| row.kind == RowKind::Segments)
            .flat_map(|row| row::records(&row.body).unwrap())
            .collect();
        assert_eq!(held.iter().filter(|record| record.is_husk()).count(), 31);
        assert!(counts(&object.erase("bob")).is_empty(), "again finds nothing");
    }

    #[test]
    fn whoever_cannot_read_the_state_row_still_tells_d1_of_a_pattern_that_left() {
        let mut object = Object::new();
        object.append(&[record(0, "bob", "only bob ever wrote these words"), record(1, "eve", "disk 2 is full")]);
        let shown = |object: &Object| object.machine.miner().patterns().map(|it| it.id).collect::<BTreeSet<_>>();
        let before = shown(&object);
        let told = Event::D1Advanced { cursor: object.machine.last_seq(), delivered: 2, generation: 0 };
        object.machine.handle(told, Timestamp(2_500));
        object.erase("bob");
        let left: Vec<PatternId> = before.difference(&shown(&object)).copied().collect();
        assert_eq!(left.len(), 1);
        let checkpoint = object.machine.checkpoint();
        let patterns = object.machine.miner().patterns().cloned().collect();
        let stored = super::super::Stored {
            folded: object.machine.folded_seq(),
            patterns,
            slices: checkpoint.slices,
            ..Default::default()
        };
        let (identity, settings) = (object.machine.identity().clone(), object.machine.settings().clone());
        let rebuilt = StreamMachine::rebuild(identity, settings, stored, []);
        assert!(rebuilt.d1_dirty().0.contains(&left[0]), "D1 shows it until it is told");
    }

    #[test]
    fn whoever_cannot_read_the_state_row_tells_d1_of_patterns_that_are_another_one_by_now() {
        let mut object = Object::new();
        for (number, name) in ["mail", "index", "cache", "video", "image", "audio"].iter().enumerate() {
            let segments = segment::encode(&[record(number, "bob", &format!("the {name} worker is ready"))]);
            let batch = Batch { segments, ..Batch::default() };
            object.rows.extend(object.machine.handle(Event::Append(vec![batch]), Timestamp(2_000)).rows);
        }
        let heads = object.rows.iter().filter_map(|row| Heads::decode(&row.heads).ok());
        let given: BTreeSet<PatternId> = heads.map(|heads| heads.pattern_at(0)).collect();
        let patterns: Vec<_> = object.machine.miner().patterns().cloned().collect();
        assert!(given.len() > patterns.len(), "{} patterns became {}", given.len(), patterns.len());
        let learnt = object.machine.checkpoint().learnt;
        let stored = super::super::Stored { patterns, learnt, ..Default::default() };
        let (identity, settings) = (object.machine.identity().clone(), object.machine.settings().clone());
        let rebuilt = StreamMachine::rebuild(identity, settings, stored, []);
        let dirty: BTreeSet<PatternId> = rebuilt.d1_dirty().0.into_iter().collect();
        assert!(dirty.is_superset(&given), "{given:?} is not all of {dirty:?}");
    }

    #[test]
    fn an_exemplar_outlives_its_row_and_still_goes_with_its_owner() {
        let mut object = Object::new();
        object.append(&[record(0, "bob", "disk 1 is full"), record(1, "eve", "disk 2 is full")]);
        object.rows.clear();
        let patterns: Vec<_> = object
            .machine
            .miner()
            .patterns()
            .map(|it| crate::pattern::Pattern::decode(&it.encode()).unwrap())
            .collect();
        assert!(patterns.iter().all(|pattern| pattern.exemplars.iter().all(|it| it.owner != Owner::Unknown)));
        let effects = object.erase("bob");
        assert!(counts(&effects).get("exemplars") >= Some(&1));
        let shown: Vec<_> =
            object.machine.miner().patterns().flat_map(|it| it.exemplars.clone()).map(|it| it.message).collect();
        assert_eq!(shown, ["disk 2 is full"]);
        assert!(object.machine.rows_of_unknown_owners().is_empty());
    }
}
