//! The miner: from a record to its pattern, within bounds.

use super::learner::{Learner, Learnt};
use super::signature::signature_of;
use super::{Exemplar, Pattern, PatternId};
use crate::limits;
use crate::record::Record;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// What the miner says of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its pattern.
    pub id: PatternId,
    /// Whether this record is the first of it.
    pub is_new: bool,
}

/// All patterns of one object.
#[derive(Clone, Debug, Default)]
pub struct Miner {
    patterns: BTreeMap<PatternId, Pattern>,
    /// Patterns that left since their rows were last written.
    gone: Vec<PatternId>,
    learner: Learner,
}

impl Miner {
    /// A miner that knows these patterns (rows read back).
    pub fn restore(rows: impl IntoIterator<Item = Pattern>) -> Self {
        Self { patterns: rows.into_iter().map(|pattern| (pattern.id, pattern)).collect(), gone: Vec::new(), learner: Learner::default() }
    }

    /// Gives a record its pattern and counts it. `seq`, `index` and `received_at` are where the record is stored.
    pub fn observe(&mut self, record: &Record, seq: u64, index: u16, received_at: Timestamp) -> Observed {
        let (id, is_new) = self.pattern_of(record);
        if let Some(pattern) = self.patterns.get_mut(&id) {
            pattern.count(record, || Exemplar {
                seq,
                index,
                received_at,
                timestamp: record.timestamp,
                level: record.level,
                message: cut(&record.message, limits::EXEMPLAR_BYTES_MAX).to_owned(),
            });
        }
        Observed { id, is_new }
    }

    fn pattern_of(&mut self, record: &Record) -> (PatternId, bool) {
        if let Some(given) = &record.message_template {
            let template = cut(given, limits::TEMPLATE_BYTES_MAX).to_owned();
            let id = PatternId(xxh3_64(template.as_bytes()).max(1));
            let is_new = !self.patterns.contains_key(&id);
            if is_new {
                self.make_room();
                self.patterns.insert(id, Pattern::born(id, template, record.timestamp));
            }
            return (id, is_new);
        }
        if let Some(id) = self.learner.lookup(signature_of(&record.message)) {
            return (id, false);
        }
        match self.learner.learn(&record.message) {
            Learnt::Known(id) => (id, false),
            Learnt::Born(id, template) => {
                self.make_room();
                self.patterns.insert(id, Pattern::born(id, template, record.timestamp));
                (id, true)
            }
            Learnt::Merged { into, merged, template } => {
                let others: Vec<_> = merged.iter().filter_map(|id| self.patterns.remove(id)).collect();
                self.gone.extend(&merged);
                if let Some(pattern) = self.patterns.get_mut(&into) {
                    pattern.template = template;
                    others.iter().for_each(|other| pattern.absorb(other));
                }
                (into, false)
            }
        }
    }

    /// The pattern that this id means now.
    pub fn resolve(&self, id: PatternId) -> PatternId {
        self.learner.resolve(id)
    }

    /// When full, the least informative tenth leaves: never alerted, no errors, rare, old, in this order of weight.
    fn make_room(&mut self) {
        if self.patterns.len() < limits::PATTERNS_MAX {
            return;
        }
        let mut ranked: Vec<_> = self
            .patterns
            .values()
            .filter(|pattern| pattern.id != PatternId::OVERFLOW)
            .map(|pattern| {
                (
                    pattern.was_alerted,
                    pattern.error_count() > 0 && pattern.count > 1,
                    pattern.count,
                    pattern.last_seen,
                    pattern.id,
                )
            })
            .collect();
        ranked.sort_unstable();
        for &(.., id) in ranked.iter().take(limits::PATTERNS_MAX / 10) {
            if let Some(pattern) = self.patterns.remove(&id) {
                self.gone.push(id);
                self.patterns
                    .entry(PatternId::OVERFLOW)
                    .or_insert_with(|| {
                        Pattern::born(PatternId::OVERFLOW, "<more shapes than room>".into(), pattern.first_seen)
                    })
                    .absorb(&pattern);
            }
        }
    }

    /// Marks a pattern as one that raised an alert.
    pub fn mark_alerted(&mut self, id: PatternId) {
        if let Some(pattern) = self.patterns.get_mut(&id) {
            pattern.was_alerted = true;
            pattern.is_dirty = true;
        }
    }

    /// The pattern with this id.
    pub fn pattern(&self, id: PatternId) -> Option<&Pattern> {
        self.patterns.get(&id)
    }

    /// All patterns, by id.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.values()
    }

    /// Patterns held.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether nothing was observed.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Rows to write and rows to delete since the last call.
    pub fn take_dirty(&mut self) -> (Vec<PatternId>, Vec<PatternId>) {
        let mut dirty = Vec::new();
        for pattern in self.patterns.values_mut() {
            if std::mem::take(&mut pattern.is_dirty) {
                dirty.push(pattern.id);
            }
        }
        let mut gone = std::mem::take(&mut self.gone);
        gone.retain(|id| !self.patterns.contains_key(id));
        (dirty, gone)
    }
}

/// `text` cut to at most `bytes` at a character boundary.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use proptest::prelude::*;

    fn record(message: &str, at: i64) -> Record {
        Record { message: message.into(), timestamp: Timestamp(at), ..Record::default() }
    }

    fn observe(miner: &mut Miner, message: &str, at: i64) -> Observed {
        miner.observe(&record(message, at), 1, 0, Timestamp(at))
    }

    #[test]
    fn lines_of_one_shape_share_an_id_and_only_the_first_is_new() {
        let mut miner = Miner::default();
        let first = observe(&mut miner, "order 1 failed", 5);
        let second = observe(&mut miner, "order 2 failed", 3);
        assert!(first.is_new && !second.is_new);
        assert_eq!(first.id, second.id);
        let pattern = miner.pattern(first.id).unwrap();
        assert_eq!((pattern.count, pattern.first_seen, pattern.last_seen), (2, Timestamp(3), Timestamp(5)));
        assert_eq!(pattern.exemplars.len(), 2);
    }

    #[test]
    fn a_template_given_by_the_client_is_not_mined() {
        let mut miner = Miner::default();
        let mut given = record("order seventeen failed", 1);
        given.message_template = Some("order {name} failed".into());
        let id = miner.observe(&given, 1, 0, Timestamp(1)).id;
        assert_eq!(miner.pattern(id).unwrap().template, "order {name} failed");
    }

    #[test]
    fn a_stream_of_unique_garbage_neither_grows_it_nor_pushes_out_what_counts() {
        let mut miner = Miner::default();
        let mut alert = record("disk on fire", 1);
        alert.level = Level::FATAL;
        let alerted = miner.observe(&alert, 1, 0, Timestamp(1)).id;
        miner.mark_alerted(alerted);
        for _ in 0..50 {
            observe(&mut miner, "healthy heartbeat", 2);
        }
        let total = 51 + 20_000;
        for i in 0..20_000 {
            let hex = format!("{i:x}");
            let word: String = hex.bytes().map(|b| char::from(b'g' + (b % 20))).collect();
            observe(&mut miner, &format!("garbage {word} zz{}", "y".repeat(i % 7)), 3);
        }
        assert!(miner.len() <= limits::PATTERNS_MAX);
        assert!(miner.pattern(alerted).is_some());
        assert!(miner.patterns().any(|p| p.template == "healthy heartbeat" && p.count == 50));
        assert_eq!(miner.patterns().map(|p| p.count).sum::<u64>(), total);
    }

    #[test]
    fn dirty_rows_are_named_once_and_gone_rows_too() {
        let mut miner = Miner::default();
        let id = observe(&mut miner, "a", 1).id;
        assert_eq!(miner.take_dirty(), (vec![id], vec![]));
        assert_eq!(miner.take_dirty(), (vec![], vec![]));
        miner.mark_alerted(id);
        assert_eq!(miner.take_dirty(), (vec![id], vec![]));
    }

    proptest! {
        #[test]
        fn a_pattern_survives_its_row(messages in proptest::collection::vec("[a-z ]{0,20}[0-9]{0,3}", 1..20)) {
            let mut miner = Miner::default();
            for (i, message) in messages.iter().enumerate() {
                let mut record = record(message, i as i64);
                record.endpoint = Some(format!("/e/{i}"));
                record.environment = "production".into();
                miner.observe(&record, i as u64, 3, Timestamp(9));
            }
            prop_assert_eq!(miner.patterns().map(|p| p.count).sum::<u64>(), messages.len() as u64);
            miner.take_dirty();
            for pattern in miner.patterns() {
                let row = pattern.encode();
                let back = Pattern::decode(&row);
                prop_assert_eq!(back.as_ref(), Ok(pattern));
            }
        }

        #[test]
        fn any_bytes_are_a_pattern_or_refused(bytes: Vec<u8>) {
            let _pattern = Pattern::decode(&bytes);
        }
    }
}
