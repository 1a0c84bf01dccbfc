//! What a miner makes of the lessons: where lines go after mining, and what was where before.
//!
//! Mining goes on as if nothing had been taught; the lessons say what becomes of its result. A *link* sends the lines of
//! one pattern to another (taught merges, taught templates); a *split* looks at one variable of a pattern's lines and
//! sends some to a child. So a lesson is in force with the next line, costs nothing where nothing is taught, and can be
//! undone: the learner still knows every pattern it found.
//!
//! What a linked pattern had counted moves to the other, and is *kept* beside, with the pattern that holds it now. When
//! the link goes, exactly that moves back; what was counted since stays where it was counted, as do the records.
//!
//! Invariants: a link never leads to a pattern that is linked itself; no row stands under a linked id; counts move and
//! never change in sum; everything is a function of the lines and lessons in their order. The derived maps are stored
//! as they are, because what the learner forgets since does not undo them.

use super::learner::Learner;
use super::lesson::{Lesson, Lessons, Naming, Reference, Teaching, child_id, given_id, with_value};
use super::miner::{Miner, told};
use super::shape::VARIABLE;
use super::signature::signature_of;
use super::{Pattern, PatternId, Variables, extract, template_of};
use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::record::Record;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u8 = 1;
/// Splits and links that one line follows: a split of a split of a merged pattern, and twice that.
const HOPS_MAX: usize = 8;

/// What a linked pattern had counted, and whose row holds it now.
#[derive(Clone, Debug)]
struct Kept {
    row: Pattern,
    holder: PatternId,
}

/// A pattern that parted from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Child {
    lesson: u64,
    parent: PatternId,
    template: String,
}

/// The lessons and what follows from them here.
#[derive(Clone, Debug, Default)]
pub(super) struct Taught {
    lessons: Lessons,
    /// Where the lines of a pattern go.
    links: BTreeMap<PatternId, PatternId>,
    kept: BTreeMap<PatternId, Kept>,
    /// Mined patterns that a taught template describes, and its id.
    covered: BTreeMap<PatternId, PatternId>,
    /// Patterns with the template of one that a lesson names, by that one's id: born here with another first line.
    twins: BTreeMap<PatternId, PatternId>,
    children: BTreeMap<PatternId, Child>,
    /// Lessons that part a pattern's lines.
    splits: BTreeMap<PatternId, Vec<u64>>,
    /// The lesson that names a pattern.
    names: BTreeMap<PatternId, u64>,
    /// All ids that the above speaks of, and the signatures of the templates that lessons name: what a change of the
    /// learner has to touch to be of interest. Not stored.
    concerned: BTreeSet<PatternId>,
    signatures: BTreeSet<u64>,
    is_dirty: bool,
}

impl Taught {
    /// Whether there is nothing to look at.
    pub(super) fn is_idle(&self) -> bool {
        self.lessons.is_empty()
    }

    /// The pattern that a mined one goes to.
    pub(super) fn link(&self, id: PatternId) -> PatternId {
        self.links.get(&id).copied().unwrap_or(id)
    }

    /// The patterns that go to this one.
    pub(super) fn linked_to(&self, id: PatternId) -> impl Iterator<Item = PatternId> {
        self.links.iter().filter(move |(_, to)| **to == id).map(|(from, _)| *from)
    }

    /// Whether the learner has to go on knowing a pattern that has no row.
    pub(super) fn keeps(&self, id: PatternId) -> bool {
        self.kept.contains_key(&id)
    }

    /// Whether people care about this pattern.
    pub(super) fn protects(&self, id: PatternId) -> bool {
        !self.is_idle() && self.concerned.contains(&id)
    }

    fn lesson(&self, id: u64) -> Option<&Lesson> {
        let list = self.lessons.list();
        list.get(list.binary_search_by_key(&id, |lesson| lesson.id).ok()?)
    }

    fn templates(&self) -> impl Iterator<Item = &str> {
        self.lessons.list().iter().filter_map(|lesson| match &lesson.teaching {
            Teaching::Template { template, .. } => Some(template.as_str()),
            _ => None,
        })
    }

    /// The template of a pattern that has no row yet.
    fn template_for(&self, id: PatternId) -> Option<String> {
        if let Some(child) = self.children.get(&id) {
            return Some(child.template.clone());
        }
        let named = || self.lessons.list().iter().flat_map(|lesson| lesson.teaching.references());
        let of_reference = named().find(|reference| reference.id == id && !reference.template.is_empty());
        let of_template = || self.templates().find(|template| given_id(template) == id).map(str::to_owned);
        of_reference.map(|reference| reference.template.clone()).or_else(of_template)
    }

    /// The child that a line of this pattern belongs to, if it parts.
    fn part(&mut self, id: PatternId, message: &str) -> Option<PatternId> {
        for &lesson in self.splits.get(&id)? {
            let Some((pattern, place, values)) = self.lesson(lesson).and_then(|it| it.teaching.as_split()) else {
                continue;
            };
            let Some(value) = extract(&pattern.template, message).and_then(|found| found.get(place).copied()) else {
                continue;
            };
            // Of a record over quota only the template is left: its values are not known.
            let is_value = (1..=limits::SPLIT_VALUE_BYTES_MAX).contains(&value.len()) && !value.contains(VARIABLE);
            if !is_value || !values.is_empty() && !values.iter().any(|wanted| wanted == value) {
                continue;
            }
            let Some(child) = child_id(&pattern.template, place, value) else { continue };
            if self.children.contains_key(&child) {
                return Some(child);
            }
            let siblings = self.children.values().filter(|child| child.lesson == lesson).count();
            if siblings < limits::SPLIT_VALUES_MAX {
                let template = with_value(&pattern.template, place, value)?;
                self.children.insert(child, Child { lesson, parent: id, template });
                self.concerned.insert(child);
                self.is_dirty = true;
                return Some(child);
            }
        }
        None
    }

    /// Joins two patterns, each with all that it was joined with before.
    fn join(links: &mut BTreeMap<PatternId, PatternId>, from: PatternId, into: PatternId) {
        let root = |links: &BTreeMap<PatternId, PatternId>, mut id: PatternId| {
            while let Some(&next) = links.get(&id) {
                id = next;
            }
            id
        };
        let (from, into) = (root(links, from), root(links, into));
        if from != into {
            links.insert(from, into);
        }
    }

    /// What follows from the lessons for the patterns that the learner knows now.
    fn derive(&mut self, learner: &Learner) {
        let living = |id: PatternId| learner.slot_of(id).and_then(|slot| learner.id_of(slot)).unwrap_or(id);
        let twins = &self.twins;
        let named = |reference: &Reference| {
            let twin = twins.get(&reference.id).map(|&twin| living(twin));
            std::iter::once(living(reference.id)).chain(twin)
        };
        let mut links = BTreeMap::new();
        for lesson in self.lessons.list() {
            let Teaching::Merge { from, into } = &lesson.teaching else { continue };
            let target = living(into.id);
            for member in from.iter().chain([into]).flat_map(&named) {
                Self::join(&mut links, member, target);
            }
        }
        for (&mined, &template) in &self.covered {
            Self::join(&mut links, living(mined), living(template));
        }
        // Flat: one step for each line.
        let roots: Vec<PatternId> = links.keys().copied().collect();
        for id in roots {
            let mut end = id;
            while let Some(&next) = links.get(&end) {
                end = next;
            }
            links.insert(id, end);
        }
        let (mut splits, mut names) = (BTreeMap::<_, Vec<u64>>::new(), BTreeMap::new());
        for lesson in self.lessons.list() {
            if let Some((pattern, ..)) = lesson.teaching.as_split() {
                named(pattern).for_each(|id| splits.entry(id).or_default().push(lesson.id));
            }
            let root = |id: PatternId| links.get(&id).copied().unwrap_or(id);
            match &lesson.teaching {
                Teaching::Name { pattern, .. } => {
                    names.extend(named(pattern).map(|id| (root(id), lesson.id)));
                }
                Teaching::Template { template, naming } if !naming.name.is_empty() => {
                    names.insert(root(given_id(template)), lesson.id);
                }
                _ => {}
            }
        }
        (self.links, self.splits, self.names) = (links, splits, names);
        self.note_concerned();
        self.is_dirty = true;
    }

    fn note_concerned(&mut self) {
        let references = || self.lessons.list().iter().flat_map(|lesson| lesson.teaching.references());
        let templates = self.templates().map(given_id);
        let links = self.links.iter().flat_map(|(from, to)| [*from, *to]);
        let derived = self.splits.keys().chain(self.names.keys()).chain(self.children.keys()).copied();
        let concerned = references().map(|reference| reference.id).chain(templates).chain(links).chain(derived);
        self.concerned = concerned.chain(self.twins.values().copied()).collect();
        let named = references().filter(|reference| !reference.template.is_empty());
        self.signatures = named.map(|reference| signature_of(&reference.template)).collect();
    }

    /// As a row, if it changed since the last call.
    pub(super) fn take_row(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.is_dirty).then(|| self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.bytes(&self.lessons.encode());
        for pairs in [&self.links, &self.covered, &self.twins] {
            out.uint(pairs.len() as u64);
            for (from, to) in pairs {
                out.u64_fixed(from.0);
                out.u64_fixed(to.0);
            }
        }
        out.uint(self.kept.len() as u64);
        for (id, kept) in &self.kept {
            out.u64_fixed(id.0);
            out.u64_fixed(kept.holder.0);
            out.bytes(&kept.row.encode());
        }
        out.uint(self.children.len() as u64);
        for (id, child) in &self.children {
            out.u64_fixed(id.0);
            out.uint(child.lesson);
            out.u64_fixed(child.parent.0);
            out.text(&child.template);
        }
        out.uint(self.splits.len() as u64);
        for (id, lessons) in &self.splits {
            out.u64_fixed(id.0);
            out.uint(lessons.len() as u64);
            lessons.iter().for_each(|&lesson| out.uint(lesson));
        }
        out.uint(self.names.len() as u64);
        for (id, lesson) in &self.names {
            out.u64_fixed(id.0);
            out.uint(*lesson);
        }
        out.into_bytes()
    }

    /// Reads what [`Taught::take_row`] gave.
    ///
    /// # Errors
    /// Damaged bytes or a version of a later build.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("taught version"));
        }
        let mut taught = Self { lessons: Lessons::decode(input.bytes()?)?, ..Self::default() };
        for pairs in [&mut taught.links, &mut taught.covered, &mut taught.twins] {
            for _ in 0..input.count()? {
                pairs.insert(PatternId(input.u64_fixed()?), PatternId(input.u64_fixed()?));
            }
        }
        for _ in 0..input.count()? {
            let (id, holder) = (PatternId(input.u64_fixed()?), PatternId(input.u64_fixed()?));
            taught.kept.insert(id, Kept { holder, row: Pattern::decode(input.bytes()?)? });
        }
        for _ in 0..input.count()? {
            let id = PatternId(input.u64_fixed()?);
            let (lesson, parent) = (input.uint()?, PatternId(input.u64_fixed()?));
            taught.children.insert(id, Child { lesson, parent, template: input.text()?.to_owned() });
        }
        for _ in 0..input.count()? {
            let id = PatternId(input.u64_fixed()?);
            let mut lessons = Vec::new();
            for _ in 0..input.count()? {
                lessons.push(input.uint()?);
            }
            taught.splits.insert(id, lessons);
        }
        for _ in 0..input.count()? {
            taught.names.insert(PatternId(input.u64_fixed()?), input.uint()?);
        }
        taught.note_concerned();
        if input.is_empty() { Ok(taught) } else { Err(ReadError::Unknown("bytes after what was taught")) }
    }
}

impl Miner {
    /// Puts lessons in force; false if these or newer ones are already.
    pub fn teach(&mut self, lessons: Lessons) -> bool {
        if lessons.version <= self.taught.lessons.version {
            return false;
        }
        self.taught.lessons = lessons;
        self.return_children();
        self.find_covered();
        self.find_twins();
        self.relink();
        true
    }

    /// The lessons in force.
    pub fn lessons(&self) -> &Lessons {
        &self.taught.lessons
    }

    /// What people call a pattern.
    pub fn naming(&self, id: PatternId) -> Option<&Naming> {
        let lesson = self.taught.names.get(&self.resolve(id)).and_then(|&lesson| self.taught.lesson(lesson))?;
        match &lesson.teaching {
            Teaching::Name { naming, .. } | Teaching::Template { naming, .. } => Some(naming),
            _ => None,
        }
    }

    /// The patterns that parted from this one by a lesson.
    pub fn children_of(&self, id: PatternId) -> impl Iterator<Item = PatternId> {
        let is_child = move |child: &Child| self.resolve(child.parent) == id;
        self.taught.children.iter().filter(move |(_, child)| is_child(child)).map(|(id, _)| *id)
    }

    /// The pattern that this one parted from by a lesson.
    pub fn parent_of(&self, id: PatternId) -> Option<PatternId> {
        self.taught.children.get(&id).map(|child| self.resolve(child.parent))
    }

    /// Patterns that taught merges and templates joined since the last call, which into which; and those that came back.
    pub fn take_linked(&mut self) -> Vec<(PatternId, PatternId)> {
        std::mem::take(&mut self.linked)
    }

    /// All that was taught and what follows from it, as a row, if it changed since the last call.
    pub fn take_taught(&mut self) -> Option<Vec<u8>> {
        self.taught.take_row()
    }

    /// Where a line goes whose mined pattern is in this slot.
    pub(super) fn route(&mut self, slot: u32, is_new: bool, record: &Record) -> (u32, bool) {
        let Some(mined) = self.learner.id_of(slot) else { return (slot, is_new) };
        let (mut id, mut has_parted) = (mined, false);
        for _ in 0..HOPS_MAX {
            if let Some(child) = self.taught.part(id, told(record)) {
                (id, has_parted) = (child, true);
                continue;
            }
            match self.taught.links.get(&id) {
                Some(&next) => id = next,
                None => break,
            }
        }
        if id == mined && self.row(mined).is_some() {
            return (slot, is_new);
        }
        let target = self.slot_for(id);
        if let Some(row) = self.row(id) {
            // A row that counts nothing yet was made a moment ago, to lead this line here.
            return (target, is_new && row.count == 0 && !has_parted);
        }
        let template = self.taught.template_for(id).unwrap_or_else(|| template_of(told(record)));
        let is_born = self.bear(target, id, template, record.timestamp, record.fault.as_deref());
        // A value that parts was seen before, as its parent: nobody is told of it as new.
        (target, is_new && is_born && !has_parted)
    }

    /// The learner learnt something of this slot: does any lesson speak of it?
    pub(super) fn learnt_anew(&mut self, slot: u32) {
        let Some(id) = self.learner.id_of(slot) else { return };
        let Some(template) = self.row(id).map(|row| row.template.clone()) else { return };
        let is_named = |id: &PatternId| self.taught.concerned.contains(id);
        let mut is_concerned = is_named(&id)
            || self.learner.aliases_of(slot).iter().any(is_named)
            || self.taught.signatures.contains(&signature_of(&template));
        if !self.taught.covered.contains_key(&id)
            && self.taught.covered.len() < limits::COVERED_MAX
            && let Some(cover) = self.cover_of(id, &template)
        {
            self.taught.covered.insert(id, cover);
            is_concerned = true;
        }
        if is_concerned {
            self.find_twins();
            self.relink();
        }
    }

    /// A line that no memory is spent on, because a taught template describes it and too many like it are remembered:
    /// the slot of the template's pattern.
    pub(super) fn crowded_cover(&mut self, slot: u32, is_new: bool) -> Option<u32> {
        if !is_new || self.taught.covered.len() < limits::COVERED_MAX {
            return None;
        }
        let id = self.learner.id_of(slot)?;
        let template = self.row(id)?.template.clone();
        let cover = self.taught.link(self.cover_of(id, &template)?);
        let gone = self.take(slot)?;
        self.learner.forget(slot);
        self.gone.push(id);
        let target = self.slot_for(cover);
        if self.row(cover).is_none() {
            let template = self.taught.template_for(cover).unwrap_or(gone.template);
            self.bear(target, cover, template, gone.first_seen, None);
        }
        Some(target)
    }

    /// The taught template that describes this one.
    fn cover_of(&self, id: PatternId, template: &str) -> Option<PatternId> {
        let is_own = self.taught.children.contains_key(&id);
        let mut covers = self.taught.templates().filter(|wide| !is_own && extract(wide, template).is_some());
        covers.next().map(given_id).filter(|&cover| cover != id)
    }

    fn find_covered(&mut self) {
        let known: BTreeSet<PatternId> = self.taught.templates().map(given_id).collect();
        self.taught.covered.retain(|_, template| known.contains(template));
        if known.is_empty() {
            return;
        }
        let rows = self.patterns.iter().flatten();
        let found: Vec<_> = rows.filter_map(|row| Some((row.id, self.cover_of(row.id, &row.template)?))).collect();
        for (id, cover) in found {
            if self.taught.covered.len() < limits::COVERED_MAX {
                self.taught.covered.entry(id).or_insert(cover);
            }
        }
    }

    /// Looks for patterns with exactly the template of one that a lesson names, and another id.
    fn find_twins(&mut self) {
        let mut twins = BTreeMap::new();
        for reference in self.taught.lessons.list().iter().flat_map(|lesson| lesson.teaching.references()) {
            if let Some(&known) = self.taught.twins.get(&reference.id) {
                twins.insert(reference.id, known);
                continue;
            }
            if reference.template.is_empty() || self.taught.children.contains_key(&reference.id) {
                continue;
            }
            let slot = self.learner.slot_by_shape(signature_of(&reference.template));
            let Some(id) = slot.and_then(|slot| self.learner.id_of(slot)) else { continue };
            let kept = || self.taught.kept.get(&id).map(|kept| &kept.row);
            let is_same = self.row(id).or_else(kept).is_some_and(|row| row.template == reference.template);
            if is_same && id != reference.id {
                twins.insert(reference.id, id);
            }
        }
        self.taught.twins = twins;
    }

    /// Children whose lesson was undone become aliases of the pattern they parted from.
    fn return_children(&mut self) {
        let children = std::mem::take(&mut self.taught.children);
        let (stay, go): (BTreeMap<_, _>, BTreeMap<_, _>) =
            children.into_iter().partition(|(_, child)| self.taught.lesson(child.lesson).is_some());
        self.taught.children = stay;
        for (id, child) in go {
            let Some(slot) = self.learner.slot_of(id).filter(|&slot| self.learner.id_of(slot) == Some(id)) else {
                continue;
            };
            let row = self.take(slot);
            let parent = self.living(child.parent);
            let target = self.taught.link(parent);
            for held in self.held_by(id) {
                if let Some(kept) = self.taught.kept.get_mut(&held) {
                    kept.holder = target;
                }
            }
            let into = self.slot_for(parent);
            self.learner.merge(slot, into);
            let Some(row) = row else { continue };
            self.gone.push(id);
            self.merged.push((id, target));
            self.merge_row(target, row);
        }
    }

    /// Works out the links anew, and moves what was counted to where it belongs now.
    fn relink(&mut self) {
        self.taught.derive(&self.learner);
        let ids: Vec<PatternId> = self.taught.kept.keys().copied().collect();
        for id in ids {
            let living = self.living(id);
            match self.taught.links.get(&living).copied() {
                Some(link) if living == id => self.hand_on(id, link),
                Some(link) => self.rename_kept(id, living, link),
                None => self.give_back(id, living),
            }
        }
        let links: Vec<_> = self.taught.links.iter().map(|(from, into)| (*from, *into)).collect();
        for (from, into) in links {
            self.take_over(from, into);
        }
    }

    /// A linked pattern's row goes into the other's; what of it was its own is kept.
    fn take_over(&mut self, from: PatternId, into: PatternId) {
        if self.row(from).is_none() {
            return;
        }
        let slot = self.slot_for(from);
        let Some(row) = self.take(slot) else { return };
        self.gone.push(from);
        self.linked.push((from, into));
        let mut own = row.clone();
        own.exemplars.clear();
        own.last = None;
        own.variables = Variables::of(&own.template);
        for id in self.held_by(from) {
            if let Some(kept) = self.taught.kept.get_mut(&id) {
                subtract(&mut own, &kept.row);
                kept.holder = into;
            }
        }
        match self.taught.kept.get_mut(&from) {
            Some(kept) => {
                kept.row.absorb(&own);
                (kept.row.template, kept.row.variables) = (own.template, own.variables);
            }
            None => {
                self.taught.kept.insert(from, Kept { row: own, holder: into });
            }
        }
        self.merge_row(into, row);
    }

    /// What a pattern had counted goes to another than before.
    fn hand_on(&mut self, id: PatternId, link: PatternId) {
        let Some(kept) = self.taught.kept.get(&id).cloned() else { return };
        if self.living(kept.holder) != link {
            self.uncount(&kept);
            self.count_again(link, &kept.row);
        }
        if let Some(kept) = self.taught.kept.get_mut(&id) {
            kept.holder = link;
        }
    }

    /// The learner merged a linked pattern into another, which is linked too: both are kept as one.
    fn rename_kept(&mut self, id: PatternId, living: PatternId, link: PatternId) {
        self.hand_on(id, link);
        self.hand_on(living, link);
        let Some(kept) = self.taught.kept.remove(&id) else { return };
        match self.taught.kept.get_mut(&living) {
            Some(known) => known.row.absorb(&kept.row),
            None => {
                let row = Pattern { id: living, ..kept.row };
                self.taught.kept.insert(living, Kept { row, holder: link });
            }
        }
    }

    /// A pattern that is linked no more has again what it had.
    fn give_back(&mut self, id: PatternId, living: PatternId) {
        let Some(kept) = self.taught.kept.remove(&id) else { return };
        self.linked.extend([(kept.holder, kept.holder), (living, living)]);
        if self.living(kept.holder) != living {
            self.uncount(&kept);
            self.count_again(living, &kept.row);
        }
    }

    /// Takes what was kept out of the row that holds it.
    fn uncount(&mut self, kept: &Kept) {
        if let Some(row) = self.row_mut(self.living(kept.holder)) {
            subtract(row, &kept.row);
        }
    }

    fn count_again(&mut self, id: PatternId, counted: &Pattern) {
        match self.row_mut(id) {
            Some(row) => row.absorb(counted),
            None => self.put_row(id, counted.clone()),
        }
    }

    /// The linked patterns whose counts lie in a row.
    fn held_by(&self, id: PatternId) -> Vec<PatternId> {
        let kept = self.taught.kept.iter();
        kept.filter(|(_, kept)| self.living(kept.holder) == id).map(|(linked, _)| *linked).collect()
    }

    /// A row left for want of room, with all that it held.
    pub(super) fn left_with_all(&mut self, id: PatternId) {
        for id in self.held_by(id) {
            if let Some(kept) = self.taught.kept.get_mut(&id) {
                kept.row.count = 0;
                kept.row.levels = [0; 6];
                self.taught.is_dirty = true;
            }
        }
    }

    /// Before the learner's merge: a row to merge into, if a link took this pattern's.
    pub(super) fn lend_row(&mut self, slot: u32, at: Timestamp) {
        let Some(id) = self.learner.id_of(slot).filter(|&id| self.row(id).is_none()) else { return };
        let kept = self.taught.kept.get(&id).map(|kept| &kept.row);
        let mut row = Pattern::born(id, kept.map_or_else(String::new, |row| row.template.clone()), at);
        if let Some(kept) = kept {
            (row.first_seen, row.last_seen) = (kept.first_seen, kept.last_seen);
        }
        self.put(slot, row);
    }

    /// The id that the learner has for a pattern now.
    fn living(&self, id: PatternId) -> PatternId {
        self.learner.slot_of(id).and_then(|slot| self.learner.id_of(slot)).unwrap_or(id)
    }

    fn row(&self, id: PatternId) -> Option<&Pattern> {
        let row = self.patterns.get(self.learner.slot_of(id)? as usize)?.as_ref();
        row.filter(|row| row.id == id)
    }

    fn row_mut(&mut self, id: PatternId) -> Option<&mut Pattern> {
        let row = self.patterns.get_mut(self.learner.slot_of(id)? as usize)?.as_mut();
        row.filter(|row| row.id == id)
    }

    /// The slot of a pattern by its own id, which may have been an alias until now.
    fn slot_for(&mut self, id: PatternId) -> u32 {
        if self.living(id) != id {
            self.learner.part(id);
        }
        self.learner.name(id)
    }

    /// A row goes into another's, or becomes it.
    fn merge_row(&mut self, id: PatternId, row: Pattern) {
        let slot = self.learner.slot_of(id).filter(|_| self.row(id).is_some());
        // Taken out and put back, so that the bytes of its variables are counted anew.
        match slot.and_then(|slot| Some((slot, self.take(slot)?))) {
            Some((slot, mut pattern)) => {
                pattern.merge(row);
                self.put(slot, pattern);
            }
            None => self.put_row(id, row),
        }
    }

    /// Makes a row that of another pattern, which has none.
    fn put_row(&mut self, id: PatternId, mut row: Pattern) {
        self.make_room();
        let slot = self.slot_for(id);
        if row.id != id
            && let Some(template) = self.taught.template_for(id)
        {
            row.retemplate(&template);
        }
        self.put(slot, Pattern { id, is_dirty: true, ..row });
    }
}

fn subtract(row: &mut Pattern, part: &Pattern) {
    row.count = row.count.saturating_sub(part.count);
    for (level, count) in row.levels.iter_mut().zip(part.levels) {
        *level = level.saturating_sub(count);
    }
    row.is_dirty = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taught() -> Taught {
        let mut lessons = Lessons::default();
        let pattern = Reference { id: PatternId(5), template: "to <*>".into() };
        let from = vec![Reference { id: PatternId(6), template: "at <*>".into() }];
        for teaching in [
            Teaching::Constant { pattern: pattern.clone(), place: 0 },
            Teaching::Merge { from, into: pattern.clone() },
            Teaching::Name { pattern, naming: Naming { name: "n".into(), ..Naming::default() } },
            Teaching::Template { template: "order <*>".into(), naming: Naming::default() },
        ] {
            lessons.teach(teaching, "ann", Timestamp(1), "").unwrap();
        }
        let mut taught = Taught { lessons, ..Taught::default() };
        taught.derive(&Learner::default());
        assert!(taught.part(PatternId(5), "to 9").is_some());
        let row = Pattern::born(PatternId(6), "at <*>".into(), Timestamp(3));
        taught.kept.insert(PatternId(6), Kept { row, holder: PatternId(5) });
        taught.covered.insert(PatternId(8), given_id("order <*>"));
        taught.twins.insert(PatternId(5), PatternId(9));
        taught.note_concerned();
        taught
    }

    #[test]
    fn it_survives_its_row_and_damage_is_refused() {
        let mut taught = taught();
        let row = taught.take_row().unwrap();
        assert_eq!(taught.take_row(), None, "nothing changed since");
        let back = Taught::decode(&row).unwrap();
        assert_eq!(back.encode(), row);
        assert_eq!((back.concerned, back.signatures), (taught.concerned, taught.signatures));
        for length in 0..row.len() {
            assert!(Taught::decode(&row[..length]).is_err(), "{length}");
        }
        let with_tail: Vec<u8> = row.iter().copied().chain([0]).collect();
        assert!(Taught::decode(&with_tail).is_err());
        let other_version: Vec<u8> = [9].into_iter().chain(row.into_iter().skip(1)).collect();
        assert!(Taught::decode(&other_version).is_err());
    }

    #[test]
    fn a_value_parts_where_its_lesson_says_and_nowhere_else() {
        let mut taught = taught();
        assert_eq!(taught.part(PatternId(5), "to 7"), child_id("to <*>", 0, "7"));
        for line in ["at 7", "to ", "to <*>", &format!("to {}", "x".repeat(limits::SPLIT_VALUE_BYTES_MAX + 1))] {
            assert_eq!(taught.part(PatternId(5), line), None, "{line}");
        }
        assert_eq!(taught.part(PatternId(6), "to 7"), None, "another pattern");
    }
}
