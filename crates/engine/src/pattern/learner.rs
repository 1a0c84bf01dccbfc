//! Which pattern a line has: known signatures, evidence for variables, and what was merged.

use super::PatternId;
use super::shape::{Context, Readiness, Shape};
use std::collections::BTreeMap;

const WORDS_LEFT_MIN: usize = 3;

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

#[derive(Clone, Debug, Default)]
pub(super) struct Learner {
    known: BTreeMap<u64, PatternId>,
    aliases: BTreeMap<PatternId, PatternId>,
    births: BTreeMap<PatternId, u64>,
    evidence: BTreeMap<u64, Vec<(u64, PatternId)>>,
}

impl Learner {
    pub(super) fn lookup(&self, signature: u64) -> Option<PatternId> {
        self.known.get(&signature).map(|&id| self.resolve(id))
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
        let mut generalized = false;
        let mut contexts = Vec::new();
        for _ in 0..16 {
            let signature = shape.signature();
            if let Some(id) = self.lookup(signature) {
                joined.push(id);
                if joined.len() == 1 {
                    return Learnt::Known(id);
                }
                break;
            }
            contexts = shape.contexts();
            let Some(context) = self.pick(&contexts) else { break };
            for (_, id) in self.evidence.remove(&context.signature).unwrap_or_default() {
                joined.push(self.resolve(id));
            }
            generalized = true;
            shape.generalize(context.position);
        }
        let signature = shape.signature();
        if let Some(values) = self.evidence.remove(&signature) {
            let words = contexts.len();
            if words >= WORDS_LEFT_MIN {
                for (_, id) in values {
                    joined.push(self.resolve(id));
                }
            }
        }
        let _ = generalized;
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
        self.known.insert(signature, id);
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

    fn pick(&self, contexts: &[Context]) -> Option<Context> {
        let open = || contexts.iter().filter(|context| context.words_left >= WORDS_LEFT_MIN);
        let known = open().find(|context| {
            context.readiness != Readiness::State && self.known.contains_key(&context.signature)
        });
        known.or_else(|| {
            open().find(|context| {
                let others = self.evidence.get(&context.signature).map_or(0, |values| {
                    values.iter().filter(|(value, _)| *value != context.value).count()
                });
                others + 1 >= match context.readiness {
                    Readiness::Ready => 2,
                    Readiness::Plain => 4,
                    Readiness::State => 8,
                }
            })
        }).copied()
    }
}
