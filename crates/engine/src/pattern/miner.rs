//! The miner: from a record to its pattern, within bounds.

use super::ground::Ground;
use super::learner::{Learner, Learnt};
use super::lesson::given_id;
use super::shape::cover;
use super::signature::signature_of;
use super::stats::Position;
use super::taught::Taught;
use super::{Exemplar, Firsts, Pattern, PatternId};
use crate::fault::Fault;
use crate::limits;
use crate::record::Record;
use crate::time::Timestamp;

/// What the miner says of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its pattern.
    pub id: PatternId,
    /// Whether this record is the first of it.
    pub is_new: bool,
    /// With what an older pattern came for the first time.
    pub firsts: Firsts,
}

/// All patterns of one object.
#[derive(Clone, Debug, Default)]
pub struct Miner {
    pub(super) learner: Learner,
    /// By the learner's slot.
    pub(super) patterns: Vec<Option<Pattern>>,
    held: usize,
    overflow: Option<Pattern>,
    /// Of the variables of all patterns held, at most [`limits::VARIABLES_BYTES_MAX`].
    variables_bytes: usize,
    ignores_variables: bool,
    /// Patterns that left since their rows were last written.
    pub(super) gone: Vec<PatternId>,
    /// Patterns that were merged since they were last asked for: which, into which.
    pub(super) merged: Vec<(PatternId, PatternId)>,
    /// What people taught, and what follows from it.
    pub(super) taught: Taught,
    /// Patterns that lessons joined or parted since they were last asked for.
    pub(super) linked: Vec<(PatternId, PatternId)>,
}

impl Miner {
    /// A miner from its rows: the patterns, and what it learnt. Without the latter (or if it cannot be read) patterns
    /// are still found by the shape they were born with; what had been merged has to be learnt again.
    pub fn restore(rows: impl IntoIterator<Item = Pattern>, learnt: Option<&[u8]>) -> Self {
        Self::restore_taught(rows, learnt, None)
    }

    /// As [`Miner::restore`], with the row of what was taught. If that cannot be read no lesson is in force, and the
    /// lessons' version is 0.
    pub fn restore_taught(
        rows: impl IntoIterator<Item = Pattern>,
        learnt: Option<&[u8]>,
        taught: Option<&[u8]>,
    ) -> Self {
        let learner = learnt.and_then(|row| Learner::decode(row).ok()).unwrap_or_default();
        let taught = taught.and_then(|row| Taught::decode(row).ok()).unwrap_or_default();
        let mut miner = Self { learner, taught, ..Self::default() };
        let rows = rows.into_iter();
        miner.patterns.reserve(rows.size_hint().0.min(limits::PATTERNS_MAX));
        for pattern in rows {
            if pattern.id == PatternId::OVERFLOW {
                miner.overflow = Some(pattern);
                continue;
            }
            let slot = miner.learner.name(pattern.id);
            miner.put(slot, pattern);
        }
        let is_held =
            |slot, id| miner.patterns.get(slot as usize).is_some_and(Option::is_some) || miner.taught.keeps(id);
        miner.learner.forget_all_but(is_held);
        miner
    }

    /// Gives a record its pattern and counts it. `seq`, `index` and `received_at` are where the record is stored.
    pub fn observe(&mut self, record: &Record, seq: u64, index: u16, received_at: Timestamp) -> Observed {
        let (mut slot, mut is_new) = self.pattern_of(record);
        if !self.taught.is_idle() {
            (slot, is_new) = self.taught_place(slot, is_new, record);
        }
        let Some(Some(pattern)) = self.patterns.get_mut(slot as usize) else {
            return Observed { id: PatternId::OVERFLOW, is_new: false, firsts: Firsts::default() };
        };
        let firsts = pattern.count(record, Position { seq, index, received_at });
        let observed = Observed { id: pattern.id, is_new, firsts };
        if !self.ignores_variables {
            let before = pattern.variables.memory_bytes();
            pattern.observe_variables(record);
            self.variables_bytes += pattern.variables.memory_bytes();
            self.variables_bytes -= before;
            self.bound_variables();
        }
        observed
    }

    /// Gives a record that is stored and counted elsewhere its pattern: what is new is learnt, and counts nothing.
    pub fn recognize(&mut self, record: &Record) -> Observed {
        let (mut slot, mut is_new) = self.pattern_of(record);
        if !self.taught.is_idle() {
            (slot, is_new) = self.taught_place(slot, is_new, record);
        }
        match self.patterns.get_mut(slot as usize) {
            Some(Some(pattern)) => {
                pattern.is_dirty |= is_new;
                Observed { id: pattern.id, is_new, firsts: Firsts::default() }
            }
            _ => Observed::default(),
        }
    }

    /// Not inlined, as all that few lines need: the others would pay for its room on the stack.
    #[inline(never)]
    fn taught_place(&mut self, slot: u32, is_new: bool, record: &Record) -> (u32, bool) {
        match self.crowded_cover(slot, is_new) {
            Some(covered) => (covered, false),
            None => self.route(slot, is_new, record),
        }
    }

    /// The same miner, which from now on takes no note of what stands in the places of its templates: for measuring what
    /// recognizing and counting cost by themselves.
    #[must_use]
    pub fn without_variables(mut self) -> Self {
        self.ignores_variables = true;
        self
    }

    /// Where the variables of all patterns take too much, those of the least important patterns are forgotten.
    fn bound_variables(&mut self) {
        if self.variables_bytes <= limits::VARIABLES_BYTES_MAX {
            return;
        }
        let mut ranked = self.ranked(usize::MAX);
        ranked.retain(|&(_, bytes, _)| bytes > 0);
        for (_, bytes, slot) in ranked {
            if self.variables_bytes <= limits::VARIABLES_BYTES_MAX / 4 * 3 {
                return;
            }
            let Some(Some(pattern)) = self.patterns.get_mut(slot as usize) else { continue };
            pattern.variables.forget(pattern.count);
            pattern.is_dirty = true;
            self.variables_bytes -= bytes;
        }
    }

    /// All patterns but the overflow one, the least informative first: never alerted nor taught about, no errors, rare,
    /// old, in this order of weight, at most `room`; with the bytes of their variables.
    fn ranked(&self, room: usize) -> Vec<(impl Ord + use<>, usize, u32)> {
        let rank = |pattern: &Pattern| {
            let has_errors = pattern.error_count() > 0 && pattern.count > 1;
            let came_back = pattern.first_seen < pattern.last_seen;
            let count = pattern.count.max(1 + u64::from(came_back));
            let is_kept = pattern.was_alerted || self.taught.protects(pattern.id);
            (is_kept, has_errors, count, pattern.last_seen, pattern.id)
        };
        let held = self.patterns.iter().zip(0u32..).filter_map(|(pattern, slot)| Some((pattern.as_ref()?, slot)));
        let mut ranked: Vec<_> =
            held.map(|(pattern, slot)| (rank(pattern), pattern.variables.memory_bytes(), slot)).collect();
        // In order, but only those that are wanted: under a flood of unique lines this is done again and again.
        if room < ranked.len() {
            ranked.select_nth_unstable(room);
            ranked.truncate(room);
        }
        ranked.sort_unstable();
        ranked
    }

    fn pattern_of(&mut self, record: &Record) -> (u32, bool) {
        if let Some(given) = &record.message_template {
            return self.given(cut(given, limits::TEMPLATE_BYTES_MAX), record);
        }
        let ground = Ground::of(record.fault.as_deref());
        let signature = ground.signature(signature_of(told(record)));
        match self.learner.find(signature) {
            Some(slot) => (slot, false),
            None => self.learn(record, signature, ground),
        }
    }

    /// A line whose signature is not known.
    #[inline(never)]
    fn learn(&mut self, record: &Record, signature: u64, ground: Ground) -> (u32, bool) {
        let (fault, message) = (record.fault.as_deref(), told(record));
        match self.learner.learn(message, signature, ground) {
            Learnt::Known(slot) => (slot, false),
            Learnt::Born { slot, id, template } => {
                let is_new = self.bear(slot, id, template, record.timestamp, fault);
                if !self.taught.is_idle() {
                    self.learnt_anew(slot);
                }
                (slot, is_new)
            }
            Learnt::Merged { into, others, template } => {
                if self.taught.is_idle() {
                    self.merge(into, &others, template);
                } else {
                    self.lend_row(into, record.timestamp);
                    self.merge(into, &others, template);
                    self.learnt_anew(into);
                }
                (into, false)
            }
        }
    }

    /// One pattern takes over others, and a template that describes the lines of all of them and of the newest.
    fn merge(&mut self, into: u32, others: &[u32], mut template: String) {
        let others: Vec<_> = others.iter().filter_map(|&slot| self.take(slot)).collect();
        // Taken out and put back, so that the bytes of its variables are counted anew.
        let Some(mut pattern) = self.take(into) else { return };
        for old in std::iter::once(&pattern).chain(&others) {
            template = cover(&template, &old.template);
        }
        self.learner.recognize(into, &template, Ground::of(pattern.fault.as_deref()));
        pattern.retemplate(&template);
        for other in others {
            self.gone.push(other.id);
            self.merged.push((other.id, pattern.id));
            pattern.merge(other);
        }
        self.put(into, pattern);
    }

    /// The pattern of a template that the client gave: it is not mined.
    #[inline(never)]
    fn given(&mut self, template: &str, record: &Record) -> (u32, bool) {
        let id = PatternId(Ground::of(record.fault.as_deref()).signature(given_id(template).0));
        if let Some(slot) = self.learner.slot_of(id) {
            return (slot, false);
        }
        let slot = self.learner.name(id);
        (slot, self.bear(slot, id, template.to_owned(), record.timestamp, record.fault.as_deref()))
    }

    /// Puts a new pattern in its place; returns whether it was never seen, and did not just come back.
    pub(super) fn bear(
        &mut self,
        slot: u32,
        id: PatternId,
        template: String,
        at: Timestamp,
        fault: Option<&Fault>,
    ) -> bool {
        self.make_room();
        let before = self.learner.left_before(id);
        let mut pattern = Pattern::born(id, template, before.map_or(at, |before| before.min(at)));
        pattern.fault = fault.map(|fault| Box::new(Fault { told: None, ..fault.clone() }));
        self.put(slot, pattern);
        before.is_none()
    }

    pub(super) fn put(&mut self, slot: u32, pattern: Pattern) {
        let index = slot as usize;
        if index >= self.patterns.len() {
            self.patterns.resize(index + 1, None);
        }
        if let Some(place) = self.patterns.get_mut(index) {
            self.held += usize::from(place.is_none());
            self.variables_bytes += pattern.variables.memory_bytes();
            let before = place.replace(pattern);
            self.variables_bytes -= before.map_or(0, |before| before.variables.memory_bytes());
        }
    }

    pub(super) fn take(&mut self, slot: u32) -> Option<Pattern> {
        let taken = self.patterns.get_mut(slot as usize)?.take();
        self.held -= usize::from(taken.is_some());
        self.variables_bytes -= taken.as_ref().map_or(0, |pattern| pattern.variables.memory_bytes());
        taken
    }

    /// When full, the least informative tenth leaves.
    pub(super) fn make_room(&mut self) {
        if self.len() + 1 < limits::PATTERNS_MAX {
            return;
        }
        for (_, _, slot) in self.ranked(limits::PATTERNS_MAX / 10) {
            self.leave(slot);
        }
    }

    /// A pattern leaves; its counts stay with the overflow.
    fn leave(&mut self, slot: u32) {
        let Some(pattern) = self.take(slot) else { return };
        if !self.taught.is_idle() {
            self.left_with_all(pattern.id);
        }
        self.learner.forget(slot);
        self.learner.remember_left(pattern.id, pattern.first_seen);
        self.gone.push(pattern.id);
        self.overflow
            .get_or_insert_with(|| {
                Pattern::born(PatternId::OVERFLOW, "<more shapes than room>".into(), pattern.first_seen)
            })
            .absorb(&pattern);
    }

    /// Takes back the text of a record that is erased. A pattern that was nothing but such records leaves, since its words
    /// are theirs. Returns the pattern, how many exemplars went, and whether it left.
    pub fn retract(
        &mut self,
        record: &Record,
        id: PatternId,
        seq: u64,
        index: u16,
    ) -> Option<(PatternId, usize, bool)> {
        let slot = self.learner.slot_of(self.current(id))?;
        let pattern = self.patterns.get_mut(slot as usize)?.as_mut()?;
        let (id, bytes) = (pattern.id, pattern.variables.memory_bytes());
        let exemplars = pattern.retract(record, seq, index);
        let is_bereft = exemplars > 0 && pattern.is_bereft();
        self.variables_bytes = self.variables_bytes + pattern.variables.memory_bytes() - bytes;
        if is_bereft {
            self.leave(slot);
        }
        Some((id, exemplars, is_bereft))
    }

    /// Forgets a pattern that was only ever recognized and counts nothing; whether it did.
    pub fn forget_uncounted(&mut self, id: PatternId) -> bool {
        let slot = self.learner.slot_of(self.current(id));
        let is_uncounted = |slot: &u32| {
            let pattern = self.patterns.get(*slot as usize).and_then(Option::as_ref);
            pattern.is_some_and(|pattern| pattern.count == 0)
        };
        let Some(slot) = slot.filter(is_uncounted) else { return false };
        self.leave(slot);
        true
    }

    /// Shows no more what `is_gone` picks; the patterns that lost something, how many exemplars went, and how many patterns
    /// left since nothing else stood behind them.
    pub fn drop_exemplars(&mut self, is_gone: impl Fn(&Exemplar) -> bool) -> (Vec<PatternId>, usize, usize) {
        let (mut touched, mut bereft, mut gone) = (Vec::new(), Vec::new(), 0);
        for (slot, pattern) in self.patterns.iter_mut().enumerate() {
            let Some(pattern) = pattern else { continue };
            let here = pattern.drop_exemplars(&is_gone);
            if here > 0 {
                touched.push(pattern.id);
                bereft.extend(pattern.is_bereft().then_some(slot as u32));
                gone += here;
            }
        }
        if let Some(overflow) = &mut self.overflow {
            gone += overflow.drop_exemplars(&is_gone);
        }
        let left = bereft.len();
        bereft.into_iter().for_each(|slot| self.leave(slot));
        (touched, gone, left)
    }

    /// Marks a pattern as one that raised an alert.
    pub fn mark_alerted(&mut self, id: PatternId) {
        let slot = self.learner.slot_of(self.current(id));
        if let Some(Some(pattern)) = slot.and_then(|slot| self.patterns.get_mut(slot as usize)) {
            pattern.was_alerted = true;
            pattern.is_dirty = true;
        }
    }

    /// The pattern that this id means now: its own, or the one that took it over.
    pub fn pattern(&self, id: PatternId) -> Option<&Pattern> {
        if id == PatternId::OVERFLOW {
            return self.overflow.as_ref();
        }
        self.patterns.get(self.learner.slot_of(self.current(id))? as usize)?.as_ref()
    }

    /// The id under which this one's lines are counted now, as far as is known.
    fn current(&self, id: PatternId) -> PatternId {
        if self.taught.is_idle() {
            return id;
        }
        let living = self.learner.slot_of(id).and_then(|slot| self.learner.id_of(slot));
        self.taught.link(living.unwrap_or(id))
    }

    /// The id that this one means now; itself if nothing is known of it.
    pub fn resolve(&self, id: PatternId) -> PatternId {
        self.pattern(id).map_or(id, |pattern| pattern.id)
    }

    /// Every id under which records of this pattern may be stored: its own and those of the patterns merged into it.
    pub fn ids_of(&self, id: PatternId) -> Vec<PatternId> {
        let own = self.resolve(id);
        let mut ids = Vec::new();
        for id in std::iter::once(own).chain(self.taught.linked_to(own)) {
            let aliases = self.learner.slot_of(id).map_or(&[][..], |slot| self.learner.aliases_of(slot));
            ids.push(id);
            ids.extend_from_slice(aliases);
        }
        ids
    }

    /// All patterns, by id.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let mined = self.learner.living().filter_map(|slot| self.patterns.get(slot as usize)?.as_ref());
        self.overflow.iter().chain(mined)
    }

    /// Patterns held.
    pub fn len(&self) -> usize {
        self.held + usize::from(self.overflow.is_some())
    }

    /// Whether nothing was observed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Patterns merged since the last call: which, into which, in order.
    pub fn take_merged(&mut self) -> Vec<(PatternId, PatternId)> {
        std::mem::take(&mut self.merged)
    }

    /// Rows to write and rows to delete since the last call.
    pub fn take_dirty(&mut self) -> (Vec<PatternId>, Vec<PatternId>) {
        let mut dirty = Vec::new();
        for pattern in self.patterns.iter_mut().flatten().chain(&mut self.overflow) {
            if std::mem::take(&mut pattern.is_dirty) {
                dirty.push(pattern.id);
            }
        }
        dirty.sort_unstable();
        let mut gone = std::mem::take(&mut self.gone);
        gone.retain(|&id| self.pattern(id).is_none_or(|pattern| pattern.id != id));
        (dirty, gone)
    }

    /// What was learnt, as a row, if it changed since the last call.
    pub fn take_learnt(&mut self) -> Option<Vec<u8>> {
        self.learner.take_row()
    }
}

/// What of a record is mined: its message, unless its fault is told otherwise.
pub fn told(record: &Record) -> &str {
    record.fault.as_ref().and_then(|fault| fault.told.as_deref()).unwrap_or(&record.message)
}

/// `text` cut to at most `bytes` at a character boundary.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
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
