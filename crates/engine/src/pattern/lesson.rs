//! What people teach about patterns: lessons, their bytes, and which of them can stand beside which.
//!
//! A lesson is one fact with an id, an author and a time. It names patterns by id *and* template, so that it holds in
//! every component of a domain, and in another domain that imports it, whichever word its first line happened to have.
//! Undoing a lesson is removing it: what a miner makes of the lessons (`taught`) is worked out anew from those that are
//! left. [`Lessons`] is a value without history; the domain object holds it, and each stream a copy.
//!
//! Invariants: at most [`limits::LESSONS_MAX`] lessons of at most [`limits::LESSONS_BYTES_MAX`] bytes; ids grow and are
//! never given twice; no chain of merges leads back to its beginning.

use super::shape::VARIABLE;
use super::signature::signature_of;
use super::{PatternId, extract};
use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u8 = 1;

/// A pattern as a lesson names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Its id.
    pub id: PatternId,
    /// Its template when it was named; empty if that is not known.
    pub template: String,
}

impl Reference {
    /// A pattern by its template alone.
    pub fn of_template(template: &str) -> Self {
        Self { id: PatternId(signature_of(template)), template: template.to_owned() }
    }
}

/// What people call a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// The name.
    pub name: String,
    /// What it means; empty if nobody said.
    pub description: String,
    /// What kind of thing it is; empty if nobody said.
    pub kind: String,
    /// Whose business it is; empty if nobody said.
    pub owner: String,
    /// Where more is written; empty if nobody said.
    pub link: String,
}

/// One taught fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Teaching {
    /// A pattern has a name.
    Name {
        /// Which.
        pattern: Reference,
        /// What it is called.
        naming: Naming,
    },
    /// Several patterns are one.
    Merge {
        /// The ones that go into it.
        from: Vec<Reference>,
        /// The one that stays.
        into: Reference,
    },
    /// Different values at a variable place are different patterns.
    Split {
        /// Which pattern.
        pattern: Reference,
        /// Which `<*>` of its template, from 0.
        place: u16,
        /// The values that part; the rest stays.
        values: Vec<String>,
    },
    /// A place was no variable: each value is a pattern of its own, up to [`limits::SPLIT_VALUES_MAX`].
    Constant {
        /// Which pattern.
        pattern: Reference,
        /// Which `<*>` of its template, from 0.
        place: u16,
    },
    /// A pattern that somebody wrote: it takes over every pattern whose template it describes.
    Template {
        /// Words and `<*>`.
        template: String,
        /// What it is called; the name may be empty.
        naming: Naming,
    },
}

/// A taught fact, with who taught it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Never given twice in a domain.
    pub id: u64,
    /// The fact.
    pub teaching: Teaching,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub note: String,
}

/// Why a teaching cannot stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LessonFault {
    /// The overflow pattern holds what was forgotten; nothing can be said of it.
    Overflow,
    /// A pattern would be merged into itself.
    MergedIntoItself,
    /// The patterns were merged the other way round by this lesson.
    MergeCycle(u64),
    /// A merge names nothing that goes into the other.
    NothingToMerge,
    /// A merge names more than [`limits::LESSON_MEMBERS_MAX`] patterns.
    TooManyMembers,
    /// The template has only so many places.
    NoSuchPlace(usize),
    /// A split without values, or with one that is empty, too long or given twice.
    BadValues,
    /// A split needs the template that its place is counted in.
    NoTemplate,
    /// The name is empty.
    NoName,
    /// A text is too long.
    TooLong,
    /// A template of variables only would take over everything.
    NoWords,
    /// There is no room for another lesson.
    NoRoom,
}

impl LessonFault {
    /// The field of the teaching that is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Overflow | Self::NoTemplate => "pattern",
            Self::MergedIntoItself | Self::MergeCycle(_) => "into",
            Self::NothingToMerge | Self::TooManyMembers => "from",
            Self::NoSuchPlace(_) => "place",
            Self::BadValues => "values",
            Self::NoName | Self::TooLong => "name",
            Self::NoWords => "template",
            Self::NoRoom => "",
        }
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Overflow => "overflow_pattern",
            Self::MergedIntoItself => "merged_into_itself",
            Self::MergeCycle(_) => "merge_cycle",
            Self::NothingToMerge => "nothing_to_merge",
            Self::TooManyMembers => "too_many_patterns",
            Self::NoSuchPlace(_) => "no_such_place",
            Self::BadValues => "invalid_values",
            Self::NoTemplate => "template_needed",
            Self::NoName => "name_needed",
            Self::TooLong => "too_long",
            Self::NoWords => "no_words",
            Self::NoRoom => "too_many_lessons",
        }
    }
}

impl fmt::Display for LessonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => f.write_str("the overflow pattern holds what was forgotten; nothing can be taught of it"),
            Self::MergedIntoItself => f.write_str("a pattern cannot be merged into itself"),
            Self::MergeCycle(id) => write!(f, "lesson {id} merges the other way round; undo it first"),
            Self::NothingToMerge => f.write_str("name the patterns that go into the other"),
            Self::TooManyMembers => write!(f, "one lesson merges at most {} patterns", limits::LESSON_MEMBERS_MAX),
            Self::NoSuchPlace(0) => f.write_str("the template has no variable place"),
            Self::NoSuchPlace(places) => write!(f, "the template's places are 0 to {}", places - 1),
            Self::BadValues => {
                write!(
                    f,
                    "give 1 to {} different values of 1 to {} bytes",
                    limits::SPLIT_VALUES_MAX,
                    limits::SPLIT_VALUE_BYTES_MAX
                )
            }
            Self::NoTemplate => f.write_str("the pattern's template is not known, so its places cannot be counted"),
            Self::NoName => f.write_str("a name is needed"),
            Self::TooLong => write!(
                f,
                "a name has at most {} bytes, other texts at most {}",
                limits::LESSON_NAME_BYTES_MAX,
                limits::LESSON_TEXT_BYTES_MAX
            ),
            Self::NoWords => f.write_str("a template needs a word, or it would take over everything"),
            Self::NoRoom => {
                write!(
                    f,
                    "a domain has at most {} lessons, {} KB",
                    limits::LESSONS_MAX,
                    limits::LESSONS_BYTES_MAX / 1024
                )
            }
        }
    }
}

/// Why a lesson cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoFault {
    /// There is none with this id.
    Unknown,
    /// This lesson speaks of a pattern that parted by the one to be undone.
    BuiltOn(u64),
}

/// Everything taught in a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// Grows with every change; an older copy is ignored.
    pub version: u64,
    /// The id that was given last.
    last_id: u64,
    list: Vec<Lesson>,
}

impl Teaching {
    /// `name`, `merge`, `split`, `constant`, `template`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::Merge { .. } => "merge",
            Self::Split { .. } => "split",
            Self::Constant { .. } => "constant",
            Self::Template { .. } => "template",
        }
    }

    /// The patterns it names.
    pub fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Name { pattern, .. } | Self::Split { pattern, .. } | Self::Constant { pattern, .. } => vec![pattern],
            Self::Merge { from, into } => from.iter().chain([into]).collect(),
            Self::Template { .. } => Vec::new(),
        }
    }

    /// Whether another says the same. Only where a place is counted in it does a template matter.
    fn says_the_same(&self, other: &Self) -> bool {
        let ids = |teaching: &Self| teaching.references().iter().map(|it| it.id).collect::<Vec<_>>();
        match (self, other) {
            (Self::Name { naming, .. }, Self::Name { naming: other_naming, .. }) => {
                ids(self) == ids(other) && naming == other_naming
            }
            (Self::Merge { .. }, Self::Merge { .. }) => ids(self) == ids(other),
            _ => self == other,
        }
    }

    /// The parts of a split: pattern, place, and the values that part (none: all).
    pub(super) fn as_split(&self) -> Option<(&Reference, usize, &[String])> {
        match self {
            Self::Split { pattern, place, values } => Some((pattern, usize::from(*place), values)),
            Self::Constant { pattern, place } => Some((pattern, usize::from(*place), &[])),
            _ => None,
        }
    }

    fn naming(&self) -> Option<&Naming> {
        match self {
            Self::Name { naming, .. } | Self::Template { naming, .. } => Some(naming),
            _ => None,
        }
    }

    /// What can be said of it by itself.
    fn check(&self) -> Result<(), LessonFault> {
        if self.references().iter().any(|reference| reference.id == PatternId::OVERFLOW) {
            return Err(LessonFault::Overflow);
        }
        if let Some(naming) = self.naming() {
            naming.check()?;
        }
        match self {
            Self::Name { naming, .. } if naming.name.is_empty() => Err(LessonFault::NoName),
            Self::Merge { from, .. } if from.is_empty() => Err(LessonFault::NothingToMerge),
            Self::Merge { from, .. } if from.len() > limits::LESSON_MEMBERS_MAX => Err(LessonFault::TooManyMembers),
            Self::Merge { from, into } if from.iter().any(|member| member.id == into.id) => {
                Err(LessonFault::MergedIntoItself)
            }
            Self::Split { pattern, place, values } => {
                let different: BTreeSet<&String> = values.iter().collect();
                let is_value = |value: &String| (1..=limits::SPLIT_VALUE_BYTES_MAX).contains(&value.len());
                let is_sound = (1..=limits::SPLIT_VALUES_MAX).contains(&values.len())
                    && different.len() == values.len()
                    && values.iter().all(is_value);
                if is_sound { check_place(pattern, *place) } else { Err(LessonFault::BadValues) }
            }
            Self::Constant { pattern, place } => check_place(pattern, *place),
            Self::Template { template, .. } => {
                let has_word = template.replace(VARIABLE, "").bytes().filter(u8::is_ascii_alphanumeric).count() >= 2
                    || !template.is_ascii();
                match template.len() {
                    0..=limits::TEMPLATE_BYTES_MAX if has_word => Ok(()),
                    0..=limits::TEMPLATE_BYTES_MAX => Err(LessonFault::NoWords),
                    _ => Err(LessonFault::TooLong),
                }
            }
            Self::Name { .. } | Self::Merge { .. } => Ok(()),
        }
    }
}

fn check_place(pattern: &Reference, place: u16) -> Result<(), LessonFault> {
    let places = pattern.template.matches(VARIABLE).count();
    match pattern.template.is_empty() {
        true => Err(LessonFault::NoTemplate),
        false if usize::from(place) >= places => Err(LessonFault::NoSuchPlace(places)),
        false => Ok(()),
    }
}

impl Naming {
    fn check(&self) -> Result<(), LessonFault> {
        let texts = [&self.description, &self.kind, &self.owner, &self.link];
        let is_short = self.name.len() <= limits::LESSON_NAME_BYTES_MAX
            && texts.iter().all(|text| text.len() <= limits::LESSON_TEXT_BYTES_MAX);
        if is_short { Ok(()) } else { Err(LessonFault::TooLong) }
    }
}

/// The id of a pattern that was given as a template, by a client or by a person: the same for both.
pub(super) fn given_id(template: &str) -> PatternId {
    PatternId(xxh3_64(template.as_bytes()).max(1))
}

/// The template with a value in one of its places; `None` if it has no such place.
pub(super) fn with_value(template: &str, place: usize, value: &str) -> Option<String> {
    let (at, _) = template.match_indices(VARIABLE).nth(place)?;
    Some(format!("{}{value}{}", template.get(..at)?, template.get(at + VARIABLE.len()..)?))
}

/// The id of the pattern that a value at a place parts from another: the same wherever the template is the same.
pub fn child_id(template: &str, place: usize, value: &str) -> Option<PatternId> {
    let parted = with_value(template, place, value)?;
    // Apart from the ids of clients' templates, which hash the text alone.
    Some(PatternId(xxh3_64(format!("split\0{parted}").as_bytes()).max(1)))
}

impl Lessons {
    /// Nothing is taught any more. The version goes on: a stream takes only what is newer.
    pub fn clear(&mut self) {
        self.version = self.version.saturating_add(1);
        self.list.clear();
    }

    /// All of them, in the order taught.
    pub fn list(&self) -> &[Lesson] {
        &self.list
    }

    /// Whether nothing is taught.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Teaches one more; returns its id. The same teaching again is the same lesson.
    ///
    /// # Errors
    /// What is wrong with it, by itself or beside the others; nothing is changed then.
    pub fn teach(&mut self, teaching: Teaching, by: &str, at: Timestamp, note: &str) -> Result<u64, LessonFault> {
        teaching.check()?;
        if note.len() > limits::LESSON_TEXT_BYTES_MAX {
            return Err(LessonFault::TooLong);
        }
        if let Some(known) = self.list.iter().find(|lesson| lesson.teaching.says_the_same(&teaching)) {
            return Ok(known.id);
        }
        self.check_cycle(&teaching)?;
        let lesson = Lesson { id: self.last_id + 1, teaching, by: by.to_owned(), at, note: note.to_owned() };
        self.list.push(lesson);
        if self.list.len() > limits::LESSONS_MAX || self.encode().len() > limits::LESSONS_BYTES_MAX {
            self.list.pop();
            return Err(LessonFault::NoRoom);
        }
        self.last_id += 1;
        self.version += 1;
        Ok(self.last_id)
    }

    /// Removes a lesson.
    ///
    /// # Errors
    /// There is none with this id, or another one speaks of a pattern that exists by this one only.
    pub fn undo(&mut self, id: u64) -> Result<Lesson, UndoFault> {
        let at = self.list.iter().position(|lesson| lesson.id == id).ok_or(UndoFault::Unknown)?;
        if let Some(other) = self.list.get(at).and_then(|lesson| self.built_on(lesson)) {
            return Err(UndoFault::BuiltOn(other));
        }
        self.version += 1;
        Ok(self.list.remove(at))
    }

    /// The first lesson that names a child of this split.
    fn built_on(&self, split: &Lesson) -> Option<u64> {
        let (pattern, place, _) = split.teaching.as_split()?;
        let is_child = |reference: &&Reference| {
            let value = extract(&pattern.template, &reference.template).and_then(|found| found.get(place).copied());
            value.and_then(|value| child_id(&pattern.template, place, value)) == Some(reference.id)
        };
        let names_child = |lesson: &&Lesson| lesson.teaching.references().iter().any(is_child);
        self.list.iter().find(names_child).map(|lesson| lesson.id)
    }

    /// No pattern that goes into another may already take that one over.
    fn check_cycle(&self, teaching: &Teaching) -> Result<(), LessonFault> {
        let Teaching::Merge { from, into } = teaching else { return Ok(()) };
        let mut goes_into: BTreeMap<PatternId, (PatternId, u64)> = BTreeMap::new();
        for lesson in &self.list {
            if let Teaching::Merge { from, into } = &lesson.teaching {
                goes_into.extend(from.iter().map(|member| (member.id, (into.id, lesson.id))));
            }
        }
        let mut at = into.id;
        // As many steps as there are links: no chain is longer, as none leads back.
        for _ in 0..=goes_into.len() {
            let Some(&(next, lesson)) = goes_into.get(&at) else { return Ok(()) };
            if from.iter().any(|member| member.id == next) {
                return Err(LessonFault::MergeCycle(lesson));
            }
            at = next;
        }
        Ok(())
    }

    /// As bytes: in rows, and on the way between objects.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(self.version);
        out.uint(self.last_id);
        out.uint(self.list.len() as u64);
        for lesson in &self.list {
            out.uint(lesson.id);
            out.text(&lesson.by);
            out.int(lesson.at.0);
            out.text(&lesson.note);
            write_teaching(&mut out, &lesson.teaching);
        }
        out.into_bytes()
    }

    /// Reads what [`Lessons::encode`] wrote.
    ///
    /// # Errors
    /// Damaged bytes or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("lessons version"));
        }
        let mut lessons = Self { version: input.uint()?, last_id: input.uint()?, list: Vec::new() };
        for _ in 0..input.count()? {
            lessons.list.push(Lesson {
                id: input.uint()?,
                by: input.text()?.to_owned(),
                at: Timestamp(input.int()?),
                note: input.text()?.to_owned(),
                teaching: read_teaching(&mut input)?,
            });
        }
        if input.is_empty() { Ok(lessons) } else { Err(ReadError::Unknown("bytes after the lessons")) }
    }
}

fn write_reference(out: &mut Writer, reference: &Reference) {
    out.u64_fixed(reference.id.0);
    out.text(&reference.template);
}

fn read_reference(input: &mut Reader<'_>) -> Result<Reference, ReadError> {
    Ok(Reference { id: PatternId(input.u64_fixed()?), template: input.text()?.to_owned() })
}

fn write_naming(out: &mut Writer, naming: &Naming) {
    for text in [&naming.name, &naming.description, &naming.kind, &naming.owner, &naming.link] {
        out.text(text);
    }
}

fn read_naming(input: &mut Reader<'_>) -> Result<Naming, ReadError> {
    let mut text = || input.text().map(str::to_owned);
    Ok(Naming { name: text()?, description: text()?, kind: text()?, owner: text()?, link: text()? })
}

fn write_teaching(out: &mut Writer, teaching: &Teaching) {
    match teaching {
        Teaching::Name { pattern, naming } => {
            out.u8(1);
            write_reference(out, pattern);
            write_naming(out, naming);
        }
        Teaching::Merge { from, into } => {
            out.u8(2);
            out.uint(from.len() as u64);
            from.iter().for_each(|member| write_reference(out, member));
            write_reference(out, into);
        }
        Teaching::Split { pattern, place, values } => {
            out.u8(3);
            write_reference(out, pattern);
            out.uint(u64::from(*place));
            out.uint(values.len() as u64);
            values.iter().for_each(|value| out.text(value));
        }
        Teaching::Constant { pattern, place } => {
            out.u8(4);
            write_reference(out, pattern);
            out.uint(u64::from(*place));
        }
        Teaching::Template { template, naming } => {
            out.u8(5);
            out.text(template);
            write_naming(out, naming);
        }
    }
}

fn read_teaching(input: &mut Reader<'_>) -> Result<Teaching, ReadError> {
    let place = |input: &mut Reader<'_>| u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow);
    Ok(match input.u8()? {
        1 => Teaching::Name { pattern: read_reference(input)?, naming: read_naming(input)? },
        2 => {
            let mut from = Vec::new();
            for _ in 0..input.count()? {
                from.push(read_reference(input)?);
            }
            Teaching::Merge { from, into: read_reference(input)? }
        }
        3 => {
            let (pattern, place) = (read_reference(input)?, place(input)?);
            let mut values = Vec::new();
            for _ in 0..input.count()? {
                values.push(input.text()?.to_owned());
            }
            Teaching::Split { pattern, place, values }
        }
        4 => Teaching::Constant { pattern: read_reference(input)?, place: place(input)? },
        5 => Teaching::Template { template: input.text()?.to_owned(), naming: read_naming(input)? },
        _ => return Err(ReadError::Unknown("teaching")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(id: u64, template: &str) -> Reference {
        Reference { id: PatternId(id), template: template.into() }
    }

    fn merge(from: &[u64], into: u64) -> Teaching {
        Teaching::Merge { from: from.iter().map(|&id| reference(id, "")).collect(), into: reference(into, "") }
    }

    fn named(name: &str) -> Naming {
        Naming { name: name.into(), owner: "payments".into(), ..Naming::default() }
    }

    fn all() -> Vec<Teaching> {
        vec![
            Teaching::Name { pattern: reference(1, "a <*>"), naming: named("A") },
            merge(&[2, 3], 1),
            Teaching::Split { pattern: reference(4, "to <*> by <*>"), place: 1, values: vec!["x".into(), "y".into()] },
            Teaching::Constant { pattern: reference(5, "to <*>"), place: 0 },
            Teaching::Template { template: "order <*> failed".into(), naming: named("") },
        ]
    }

    fn taught(teachings: Vec<Teaching>) -> Lessons {
        let mut lessons = Lessons::default();
        for teaching in teachings {
            lessons.teach(teaching, "ann", Timestamp(5), "because").unwrap();
        }
        lessons
    }

    fn check(teaching: Teaching, expected: LessonFault) {
        let mut lessons = taught(vec![merge(&[2], 1), merge(&[1], 9)]);
        let before = lessons.clone();
        let fault = lessons.teach(teaching, "ann", Timestamp(5), "").unwrap_err();
        assert_eq!((&fault, &lessons), (&expected, &before));
        assert!(!fault.to_string().is_empty() && !fault.code().is_empty());
    }

    #[test]
    fn lessons_survive_their_bytes_and_damage_is_refused() {
        let mut lessons = taught(all());
        lessons.undo(2).unwrap();
        let bytes = lessons.encode();
        assert_eq!(Lessons::decode(&bytes), Ok(lessons));
        for length in 0..bytes.len() {
            assert!(Lessons::decode(&bytes[..length]).is_err(), "{length}");
        }
        let with_tail: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert!(Lessons::decode(&with_tail).is_err() && Lessons::decode(&[9]).is_err());
    }

    #[test]
    fn an_id_is_given_once_and_the_same_teaching_is_the_same_lesson() {
        let mut lessons = taught(all());
        let version = lessons.version;
        assert_eq!(lessons.teach(merge(&[2, 3], 1), "bob", Timestamp(9), ""), Ok(2));
        let with_template =
            Teaching::Merge { from: vec![reference(2, "x"), reference(3, "")], into: reference(1, "y") };
        assert_eq!(lessons.teach(with_template, "bob", Timestamp(9), ""), Ok(2));
        assert_eq!(lessons.version, version, "nothing changed");
        assert_eq!(lessons.undo(2).unwrap().by, "ann");
        assert_eq!(lessons.undo(2), Err(UndoFault::Unknown));
        assert_eq!(lessons.teach(merge(&[2, 3], 1), "bob", Timestamp(9), ""), Ok(6));
        assert_eq!(lessons.version, version + 2);
    }

    #[test]
    fn what_cannot_stand_is_refused_and_changes_nothing() {
        let split = |template: &str, place, values: &[&str]| Teaching::Split {
            pattern: reference(4, template),
            place,
            values: values.iter().map(|&value| value.to_owned()).collect(),
        };
        let template = |template: &str| Teaching::Template { template: template.into(), naming: named("") };
        check(merge(&[7], 7), LessonFault::MergedIntoItself);
        check(merge(&[], 7), LessonFault::NothingToMerge);
        check(merge(&(100..300).collect::<Vec<_>>(), 7), LessonFault::TooManyMembers);
        check(merge(&[1], 2), LessonFault::MergeCycle(1));
        check(merge(&[9], 2), LessonFault::MergeCycle(2));
        check(merge(&[0], 2), LessonFault::Overflow);
        check(split("to <*>", 1, &["a"]), LessonFault::NoSuchPlace(1));
        check(split("to nowhere", 0, &["a"]), LessonFault::NoSuchPlace(0));
        check(split("", 0, &["a"]), LessonFault::NoTemplate);
        for values in [&[][..], &[""], &["a", "a"]] {
            check(split("to <*>", 0, values), LessonFault::BadValues);
        }
        check(split("to <*>", 0, &["x".repeat(200).as_str()]), LessonFault::BadValues);
        check(Teaching::Constant { pattern: reference(4, "to <*>"), place: 3 }, LessonFault::NoSuchPlace(1));
        check(Teaching::Name { pattern: reference(4, ""), naming: Naming::default() }, LessonFault::NoName);
        check(Teaching::Name { pattern: reference(4, ""), naming: named(&"x".repeat(500)) }, LessonFault::TooLong);
        check(template("<*> <*>: <*>"), LessonFault::NoWords);
        check(template(""), LessonFault::NoWords);
        check(template(&"word ".repeat(500)), LessonFault::TooLong);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut lessons = Lessons::default();
        let name = |id: u64| Teaching::Name { pattern: reference(id, ""), naming: named("n") };
        for id in 1..=limits::LESSONS_MAX as u64 {
            lessons.teach(name(id), "ann", Timestamp(5), "").unwrap();
        }
        assert_eq!(lessons.teach(name(5_000), "ann", Timestamp(5), ""), Err(LessonFault::NoRoom));
        let mut long = Lessons::default();
        let wide = |id: u64| Teaching::Name { pattern: reference(id, &"w".repeat(1_000)), naming: named("n") };
        let count = (1..).take_while(|&id| long.teach(wide(id), "ann", Timestamp(5), "").is_ok()).count();
        assert!((200..260).contains(&count) && long.encode().len() <= limits::LESSONS_BYTES_MAX, "{count}");
    }

    #[test]
    fn a_split_that_another_lesson_builds_on_is_undone_after_it() {
        let mut lessons = taught(all());
        let parted = "to <*> by x";
        let child = Reference { id: child_id("to <*> by <*>", 1, "x").unwrap(), template: parted.into() };
        let naming = named("by x");
        let id = lessons.teach(Teaching::Name { pattern: child, naming }, "ann", Timestamp(5), "").unwrap();
        let version = lessons.version;
        assert_eq!(lessons.undo(3), Err(UndoFault::BuiltOn(id)));
        assert_eq!(lessons.version, version);
        assert!(lessons.undo(id).is_ok() && lessons.undo(3).is_ok());
    }

    #[test]
    fn a_child_is_named_by_its_own_template() {
        assert_eq!(with_value("to <*> by <*>", 1, "car").as_deref(), Some("to <*> by car"));
        assert_eq!(with_value("to <*>", 1, "car"), None);
        assert_eq!(child_id("to <*> by <*>", 1, "car"), child_id("to <*> <*>", 1, "by car"));
        assert_ne!(child_id("to <*>", 0, "a"), child_id("to <*>", 0, "b"));
        assert_ne!(child_id("to <*>", 0, "a"), Some(given_id("to a")));
    }
}
