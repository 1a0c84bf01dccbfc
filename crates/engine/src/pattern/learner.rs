//! Which pattern a line has: known signatures, evidence for variables, and what was merged.
//!
//! A line whose signature is known costs one look-up. Another is looked at word by word: where a line with a variable in
//! that place is known, or where enough different words were seen with all the rest equal, the word becomes a variable,
//! and what is left is looked at again. Patterns that turn out to be one are merged into the one that was born first.
//!
//! Invariants: an id, once given, means the pattern that took its line over for as long as that one lives (at most
//! [`limits::PATTERN_ALIASES_MAX`] of them); the outcome depends on the lines and their order only; what is held is
//! bounded by the patterns (times shapes and aliases) and by [`Evidence`].

use super::PatternId;
use super::evidence::{Evidence, Seen};
use super::ground::Ground;
use super::index::{Index, Known, Words};
use super::rules::Rule;
use super::shape::{Context, Readiness, Shape};
use super::signature::signature_of;
use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};

const VERSION: u8 = 2;
/// Steps of generalization for one line: each makes one word a variable (or all that stand where values stand).
const STEPS_MAX: usize = 16;
/// Signatures whose pattern is remembered without being stored: a power of two. At 24 bytes 96 KB.
const SHORTCUTS: usize = 4_096;

/// What the learner says of a line whose signature is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Learnt {
    /// It belongs to a pattern that is known.
    Known(u32),
    /// It is the first of a new one.
    Born { slot: u32, id: PatternId, template: String },
    /// It belongs to `into`, which has a new template and takes over the others.
    Merged { into: u32, others: Vec<u32>, template: String },
}

/// What is kept of a pattern for recognizing its lines.
#[derive(Clone, Debug, Default)]
struct Slot {
    id: PatternId,
    /// Order of birth: of two patterns the older one keeps its id.
    birth: u64,
    shapes: Vec<u64>,
    aliases: Vec<PatternId>,
}

/// A signature whose pattern was found by generalizing; true while nothing new was learnt since.
#[derive(Clone, Copy, Debug, Default)]
struct Shortcut {
    signature: u64,
    slot: u32,
    epoch: u64,
}

/// All that recognizes lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Learner {
    index: Index,
    /// Every id that was given out and still means something.
    ids: BTreeMap<PatternId, u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    births: u64,
    /// Patterns that left, with when they were first seen; `left_order` by when they left.
    left: BTreeMap<PatternId, Timestamp>,
    left_order: VecDeque<PatternId>,
    evidence: Evidence,
    /// Grows with every change of what is known.
    epoch: u64,
    shortcuts: Vec<Shortcut>,
    is_dirty: bool,
}

impl Learner {
    /// The slot of the pattern that learnt this signature. Unlike [`Learner::find`] it asks nothing that a restart forgets.
    pub(super) fn slot_by_shape(&self, signature: u64) -> Option<u32> {
        self.index.find(signature).map(|known| known.slot)
    }

    /// The slot of the pattern with this signature, if it needs no thinking.
    pub(super) fn find(&self, signature: u64) -> Option<u32> {
        if let Some(known) = self.index.find(signature) {
            return Some(known.slot);
        }
        let shortcut = self.shortcuts.get(signature as usize & (SHORTCUTS - 1))?;
        (shortcut.signature == signature && shortcut.epoch == self.epoch).then_some(shortcut.slot)
    }

    /// The slot of a pattern by an id that was given to it, or to one that was merged into it.
    pub(super) fn slot_of(&self, id: PatternId) -> Option<u32> {
        self.ids.get(&id).copied()
    }

    /// The id of the pattern in a slot.
    pub(super) fn id_of(&self, slot: u32) -> Option<PatternId> {
        self.slot(slot).map(|slot| slot.id)
    }

    /// An alias means the pattern that took it over no more.
    pub(super) fn part(&mut self, id: PatternId) {
        let Some(slot) = self.slot_of(id) else { return };
        if let Some(Some(place)) = self.slots.get_mut(slot as usize) {
            place.aliases.retain(|&alias| alias != id);
            self.ids.remove(&id);
            self.change();
        }
    }

    /// The ids that mean the same pattern as this one.
    pub(super) fn aliases_of(&self, slot: u32) -> &[PatternId] {
        self.slot(slot).map_or(&[], |slot| &slot.aliases)
    }

    /// The slot for a pattern that is not mined: it has an id, and no signature leads to it.
    pub(super) fn name(&mut self, id: PatternId) -> u32 {
        if let Some(slot) = self.slot_of(id) {
            return slot;
        }
        // A signature may be this id: what was found by generalizing need not be true any more.
        self.change();
        self.births += 1;
        let named = Slot { id, birth: self.births, ..Slot::default() };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(named);
        }
        self.ids.insert(id, slot);
        slot
    }

    /// Looks at a line whose signature [`Learner::find`] does not know.
    pub(super) fn learn(&mut self, message: &str, first_signature: u64, ground: Ground) -> Learnt {
        self.evidence.unpack();
        let mut shape = Shape::of(message);
        let mut signature = first_signature;
        let mut trail = Trail::default();
        let mut contexts = Vec::new();
        for step in 0..=STEPS_MAX {
            trail.end = self.known(signature).map(|known| known.slot);
            if trail.end.is_some() {
                break;
            }
            contexts = shape.contexts();
            ground.stand(&mut contexts);
            let Some(context) = self.pick(&contexts, ground).filter(|_| step < STEPS_MAX) else { break };
            let mut words = Words::of(context.seen_word());
            let is_join = self.known(context.signature).is_some() && context.readiness != Readiness::State;
            for seen in self.evidence.take(context.signature) {
                // That another word joins a known variable says nothing of the states that were seen there.
                if is_join && seen.is_state() {
                    self.evidence.note(context.signature, seen);
                    continue;
                }
                trail.joined.extend(self.slot_of(seen.pattern));
                trail.is_fresh = true;
                words = words.with(Words::of(seen.word));
            }
            trail.steps.push((context.signature, words));
            shape.generalize(&context);
            signature = context.signature;
        }
        if trail.end.is_none() {
            self.join_words(signature, contexts.len(), &mut trail);
        }
        trail.joined.extend(trail.end);
        trail.joined.sort_by_key(|&slot| self.slot(slot).map_or(u64::MAX, |slot| slot.birth));
        trail.joined.dedup();
        match (trail.end, trail.joined.as_slice()) {
            (Some(end), &[only]) if only == end && !trail.is_fresh => {
                self.note_words(end, &trail, first_signature);
                Learnt::Known(end)
            }
            _ => self.settle(signature, &shape, &contexts, trail, ground),
        }
    }

    /// A line with a variable where other lines had a word: they are one, unless that word was a state.
    fn join_words(&mut self, signature: u64, words_left: usize, trail: &mut Trail) {
        if words_left < 3 || self.evidence.others(signature, 0) == 0 || !Rule::TakesOver.holds() {
            return;
        }
        for seen in self.evidence.take(signature) {
            if seen.is_state() {
                self.evidence.note(signature, seen);
                continue;
            }
            trail.joined.extend(self.slot_of(seen.pattern));
            trail.words = trail.words.with(Words::of(seen.word));
        }
    }

    /// The line belongs to a pattern that is known: what is new is at most a word where the variable is.
    fn note_words(&mut self, slot: u32, trail: &Trail, first_signature: u64) {
        let mut is_new = false;
        for &(signature, words) in &trail.steps {
            let known = self.index.find(signature).unwrap_or(Known { slot, words: Words::default() });
            if known.words.with(words) != known.words {
                is_new = true;
                self.adopt(slot, signature, words);
            }
        }
        if is_new {
            return;
        }
        if self.shortcuts.is_empty() {
            self.shortcuts = vec![Shortcut::default(); SHORTCUTS];
        }
        if let Some(shortcut) = self.shortcuts.get_mut(first_signature as usize & (SHORTCUTS - 1)) {
            *shortcut = Shortcut { signature: first_signature, slot, epoch: self.epoch };
        }
    }

    /// Gives the line its pattern where something was learnt: the eldest of those that met, or a new one.
    fn settle(
        &mut self,
        signature: u64,
        shape: &Shape<'_>,
        contexts: &[Context],
        trail: Trail,
        ground: Ground,
    ) -> Learnt {
        let eldest = trail.joined.first().copied();
        let slot = eldest.unwrap_or_else(|| self.name(PatternId(signature)));
        let others = trail.joined.get(1..).unwrap_or_default().to_vec();
        for &other in &others {
            self.merge(other, slot);
        }
        self.adopt(slot, signature, trail.words);
        for &(signature, words) in &trail.steps {
            self.adopt(slot, signature, words);
        }
        let id = self.slot(slot).map_or(PatternId(signature), |slot| slot.id);
        if trail.end.is_none() {
            for context in contexts.iter().filter(|context| context.words_left >= ground.words_left_min()) {
                self.evidence.note(context.signature, Seen { word: context.seen_word(), pattern: id });
            }
        }
        match eldest {
            Some(into) => Learnt::Merged { into, others, template: shape.template() },
            None => Learnt::Born { slot, id, template: shape.template() },
        }
    }

    /// The first context that may become a variable: one that is known as such, else one with enough evidence.
    fn pick(&self, contexts: &[Context], ground: Ground) -> Option<Context> {
        if !Rule::Generalization.holds() {
            return None;
        }
        let open = || contexts.iter().filter(|context| context.words_left >= ground.words_left_min());
        let is_known = |context: &&Context| {
            Rule::JoinsKnown.holds()
                && self.known(context.signature).is_some_and(|known| known.words.count() >= words_to_join(context))
        };
        let has_evidence = |context: &&Context| {
            self.evidence.others(context.signature, context.seen_word()) + 1 >= ground.words_to_generalize(context)
        };
        open().find(is_known).or_else(|| open().find(has_evidence)).copied()
    }

    /// Lets the template that a pattern has now lead to it, unless it says too little or leads elsewhere.
    pub(super) fn recognize(&mut self, slot: u32, template: &str, ground: Ground) {
        let signature = ground.signature(signature_of(template));
        if Shape::of(template).words() >= ground.words_left_min() && self.known(signature).is_none() {
            self.adopt(slot, signature, Words::default());
        }
    }

    /// What is known of a signature: the shape that a pattern was born with stays known by its id.
    fn known(&self, signature: u64) -> Option<Known> {
        let born = || Some(Known { slot: self.slot_of(PatternId(signature))?, words: Words::default() });
        self.index.find(signature).or_else(born)
    }

    /// Makes a signature lead to a pattern, with words that were seen where it has its variable.
    fn adopt(&mut self, slot: u32, signature: u64, words: Words) {
        self.change();
        let before = self.index.find(signature);
        let words = before.map_or(words, |known| known.words.with(words));
        self.index.insert(signature, Known { slot, words });
        let Some(Some(place)) = self.slots.get_mut(slot as usize) else { return };
        if before.is_some_and(|known| known.slot == slot) {
            return;
        }
        place.shapes.push(signature);
        if place.shapes.len() > limits::PATTERN_SHAPES_MAX {
            let oldest = place.shapes.remove(0);
            self.index.remove(oldest);
        }
    }

    pub(super) fn merge(&mut self, from: u32, into: u32) {
        let Some(gone) = self.slots.get_mut(from as usize).and_then(Option::take) else { return };
        self.free.push(from);
        for signature in gone.shapes {
            let words = self.index.find(signature).map_or(Words::default(), |known| known.words);
            self.index.remove(signature);
            // A shape without generalization is found again by its id, or by the shape that generalized it.
            if words.count() != 0 {
                self.adopt(into, signature, words);
            }
        }
        for id in gone.aliases.into_iter().chain([gone.id]) {
            self.ids.insert(id, into);
            let Some(Some(place)) = self.slots.get_mut(into as usize) else { continue };
            place.aliases.push(id);
            if place.aliases.len() > limits::PATTERN_ALIASES_MAX {
                let oldest = place.aliases.remove(0);
                self.ids.remove(&oldest);
            }
        }
        self.change();
    }

    /// Forgets a pattern: its lines are strangers from now on.
    pub(super) fn forget(&mut self, slot: u32) {
        let Some(gone) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.free.push(slot);
        for signature in gone.shapes {
            self.index.remove(signature);
        }
        for id in gone.aliases.into_iter().chain([gone.id]) {
            self.ids.remove(&id);
        }
        self.change();
    }

    /// Remembers a pattern that has to leave.
    pub(super) fn remember_left(&mut self, id: PatternId, first_seen: Timestamp) {
        if self.left.insert(id, first_seen).is_none() {
            self.left_order.push_back(id);
        }
        while self.left_order.len() > limits::PATTERNS_LEFT_MAX {
            let oldest = self.left_order.pop_front().unwrap_or_default();
            self.left.remove(&oldest);
        }
        self.is_dirty = true;
    }

    /// When a pattern that is born now was first seen, if it had left before.
    pub(super) fn left_before(&self, id: PatternId) -> Option<Timestamp> {
        self.left.get(&id).copied()
    }

    /// The slots of all patterns, by id.
    pub(super) fn living(&self) -> impl Iterator<Item = u32> {
        self.ids.iter().filter(|&(&id, &slot)| self.slot(slot).is_some_and(|it| it.id == id)).map(|(_, &slot)| slot)
    }

    /// Forgets patterns whose rows are gone.
    pub(super) fn forget_all_but(&mut self, is_held: impl Fn(u32, PatternId) -> bool) {
        for slot in 0..self.slots.len() as u32 {
            if self.id_of(slot).is_some_and(|id| !is_held(slot, id)) {
                self.forget(slot);
            }
        }
    }

    fn change(&mut self) {
        self.epoch += 1;
        self.is_dirty = true;
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// All of it as a row, if it changed since the last call.
    pub(super) fn take_row(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.is_dirty).then(|| self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(self.births);
        let slots: Vec<_> = self.slots.iter().flatten().collect();
        out.uint(slots.len() as u64);
        for slot in slots {
            out.u64_fixed(slot.id.0);
            out.uint(slot.birth);
            out.uint(slot.shapes.len() as u64);
            for &signature in &slot.shapes {
                out.u64_fixed(signature);
                out.uint(self.index.find(signature).map_or(0, |known| known.words.bits()));
            }
            out.uint(slot.aliases.len() as u64);
            for alias in &slot.aliases {
                out.u64_fixed(alias.0);
            }
        }
        out.uint(self.left_order.len() as u64);
        for id in &self.left_order {
            out.u64_fixed(id.0);
            out.int(self.left.get(id).map_or(0, |at| at.0));
        }
        self.evidence.write(&mut out);
        out.into_bytes()
    }

    /// Reads what [`Learner::take_row`] gave.
    ///
    /// # Errors
    /// Damaged bytes or a version of a later build.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("learner version"));
        }
        let mut learner = Self { births: input.uint()?, ..Self::default() };
        for _ in 0..input.count()? {
            let slot = learner.slots.len() as u32;
            let mut read = Slot { id: PatternId(input.u64_fixed()?), birth: input.uint()?, ..Slot::default() };
            for _ in 0..input.count()? {
                let signature = input.u64_fixed()?;
                learner.index.insert(signature, Known { slot, words: Words::from_bits(input.uint()?) });
                read.shapes.push(signature);
            }
            for _ in 0..input.count()? {
                read.aliases.push(PatternId(input.u64_fixed()?));
            }
            for &id in read.aliases.iter().chain([&read.id]) {
                learner.ids.insert(id, slot);
            }
            learner.slots.push(Some(read));
        }
        for _ in 0..input.count()? {
            let (id, at) = (PatternId(input.u64_fixed()?), Timestamp(input.int()?));
            learner.left.insert(id, at);
            learner.left_order.push_back(id);
        }
        learner.evidence = Evidence::read(&mut input)?;
        if input.is_empty() { Ok(learner) } else { Err(ReadError::Unknown("bytes after the learner")) }
    }
}

/// How a line came to its pattern.
#[derive(Debug, Default)]
struct Trail {
    /// Contexts that became shapes, with the words that were seen there.
    steps: Vec<(u64, Words)>,
    /// Patterns that turned out to be this line's.
    joined: Vec<u32>,
    /// The pattern that was known at the end of the generalization.
    end: Option<u32>,
    /// Words of others where the line has its variable.
    words: Words,
    /// Evidence was used up.
    is_fresh: bool,
}

/// Different words, this line's included, that make a variable of an open place.
pub(super) fn words_to_generalize(context: &Context) -> usize {
    let words_left = if Rule::ShortLines.holds() { context.words_left } else { usize::MAX };
    match (context.readiness, words_left) {
        (Readiness::Assigned | Readiness::Introduced, 3..) => 2,
        (Readiness::Assigned | Readiness::Introduced | Readiness::Joint, _) => 4,
        (Readiness::Plain, 3..) => 5,
        (Readiness::Plain, _) => 8,
        (Readiness::State, 3..) => 8,
        (Readiness::State, _) => usize::MAX,
    }
}

/// Different words that must have been seen in a known variable's place before another joins them unasked.
fn words_to_join(context: &Context) -> usize {
    match (context.readiness, context.words_left) {
        (Readiness::State, _) | (_, ..3) if Rule::JoinsCarefully.holds() => 3,
        _ => 0,
    }
}
