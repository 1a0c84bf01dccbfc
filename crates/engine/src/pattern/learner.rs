//! Which pattern a line has: known signatures, evidence for variables, and what was merged.

use super::PatternId;
use super::shape::{Context, Readiness, Shape};
use std::collections::BTreeMap;

const WORDS_LEFT_MIN: usize = 2;

/// What the learner says of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Learnt {
    /// A pattern that is known.
    Known(PatternId),
    /// A new one.
    Born(PatternId, String),
    /// `into` took over `merged` and has a new template.
    Merged { into: PatternId, merged: Vec<PatternId>, template: String },
}

/// A signature and its pattern.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: PatternId,
    /// One bit for each word (hash modulo 32) that was found to be this shape's variable.
    words: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Learner {
    known: BTreeMap<u64, Known>,
    aliases: BTreeMap<PatternId, PatternId>,
    births: BTreeMap<PatternId, u64>,
    evidence: BTreeMap<u64, Vec<(u64, PatternId)>>,
}

impl Learner {
    pub(super) fn lookup(&self, signature: u64) -> Option<PatternId> {
        self.known.get(&signature).map(|known| self.resolve(known.id))
    }

    pub(super) fn resolve(&self, id: PatternId) -> PatternId {
        let mut id = id;
        while let Some(&next) = self.aliases.get(&id) {
            id = next;
        }
        id
    }

    pub(super) fn learn(&mut self, message: &str) -> Learnt {
        let mut shape = Shape::of(message);
        let mut joined: Vec<PatternId> = Vec::new();
        let mut contexts = Vec::new();
        let mut steps: Vec<(u64, u32)> = Vec::new();
        for _ in 0..16 {
            let signature = shape.signature();
            if let Some(id) = self.lookup(signature) {
                self.note(&steps);
                joined.push(id);
                if joined.len() == 1 {
                    return Learnt::Known(id);
                }
                break;
            }
            contexts = shape.contexts();
            let Some(context) = self.pick(&contexts) else { break };
            let mut words = bit_of(context.value);
            for (value, id) in self.evidence.remove(&context.signature).unwrap_or_default() {
                joined.push(self.resolve(id));
                words |= bit_of(value);
            }
            steps.push((context.signature, words));
            shape.generalize(context.position);
        }
        let signature = shape.signature();
        if let Some(values) = self.evidence.remove(&signature) {
            let words = contexts.len();
            if words >= 3 {
                for (_, id) in values {
                    joined.push(self.resolve(id));
                }
            }
        }
        joined.sort_by_key(|id| self.births.get(id).copied().unwrap_or(u64::MAX));
        joined.dedup();
        let id = match joined.first() {
            Some(&id) => id,
            None => {
                let id = PatternId(signature);
                self.births.insert(id, self.births.len() as u64);
                id
            }
        };
        self.known.insert(signature, Known { id, words: 0 });
        self.note(&steps);
        for context in &contexts {
            if context.words_left < WORDS_LEFT_MIN {
                continue;
            }
            let values = self.evidence.entry(context.signature).or_default();
            if values.len() < 8 && !values.iter().any(|(value, _)| *value == context.value) {
                values.push((context.value, id));
            }
        }
        if joined.is_empty() {
            return Learnt::Born(id, shape.template());
        }
        let merged = joined.split_off(1);
        for &other in &merged {
            self.aliases.insert(other, id);
        }
        Learnt::Merged { into: id, merged, template: shape.template() }
    }

    fn note(&mut self, steps: &[(u64, u32)]) {
        for (signature, words) in steps {
            if let Some(known) = self.known.get_mut(signature) {
                known.words |= words;
            }
        }
    }

    fn pick(&self, contexts: &[Context]) -> Option<Context> {
        let open = || contexts.iter().filter(|context| context.words_left >= WORDS_LEFT_MIN);
        let is_known = |context: &&Context| {
            self.known.get(&context.signature).is_some_and(|known| known.words.count_ones() >= context.words_to_join())
        };
        let has_evidence = |context: &&Context| {
            let others = self.evidence.get(&context.signature).map_or(0, |values| {
                values.iter().filter(|(value, _)| *value != context.value).count()
            });
            others + 1 >= context.words_to_generalize()
        };
        open().find(is_known).or_else(|| open().find(has_evidence)).copied()
    }
}

impl Context {
    fn words_to_generalize(&self) -> usize {
        match (self.readiness, self.words_left) {
            (Readiness::Ready, 3..) => 2,
            (Readiness::Ready, _) => 4,
            (Readiness::Plain, 3..) => 5,
            (Readiness::Plain, _) => 8,
            (Readiness::State, 3..) => 8,
            (Readiness::State, _) => usize::MAX,
        }
    }

    fn words_to_join(&self) -> u32 {
        match (self.readiness, self.words_left) {
            (Readiness::Ready | Readiness::Plain, 3..) => 0,
            _ => 3,
        }
    }
}

fn bit_of(value: u64) -> u32 {
    1 << (value >> 59)
}
