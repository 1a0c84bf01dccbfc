//! What is known of one pattern, and its row of bytes.

use super::miner::{cut, told};
use super::split::Places;
use super::{PatternId, Variables, extract};
use crate::bytes::{ReadError, Reader, Writer};
use crate::fault::Fault;
use crate::level::Level;
use crate::limits;
use crate::record::Record;
use crate::time::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

/// A record that shows what a pattern looks like. Two are equal if they show the same record.
#[derive(Clone, Debug, Default)]
pub struct Exemplar {
    /// Row of the journal.
    pub seq: u64,
    /// Index in the row.
    pub index: u16,
    /// Receive time of the row; with the two above it makes the record's id.
    pub received_at: Timestamp,
    /// Event time.
    pub timestamp: Timestamp,
    /// Level.
    pub level: Level,
    /// The message as stored, cut to [`limits::EXEMPLAR_BYTES_MAX`].
    pub message: String,
    /// Whose record it is, so that it can go when they ask for it, long after the record itself.
    pub owner: Owner,
}

/// Whose record an exemplar shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// It was written before owners were noted.
    #[default]
    Unknown,
    /// The record named no user.
    Nobody,
    /// The hash of the user's name.
    User(u64),
}

impl Owner {
    /// Whose a record is that names this user.
    #[inline]
    pub fn of(user: Option<&str>) -> Self {
        user.map_or(Self::Nobody, |user| Self::User(xxh3_64(user.as_bytes())))
    }
}

impl PartialEq for Exemplar {
    fn eq(&self, other: &Self) -> bool {
        let position = |it: &Self| (it.seq, it.index, it.received_at, it.timestamp, it.level);
        position(self) == position(other) && self.message == other.message
    }
}

impl Eq for Exemplar {}

/// Where a record is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) seq: u64,
    pub(super) index: u16,
    pub(super) received_at: Timestamp,
}

impl Exemplar {
    /// Becomes this record; what it was before lends its memory.
    fn set(&mut self, record: &Record, position: Position) {
        self.seq = position.seq;
        self.index = position.index;
        self.received_at = position.received_at;
        self.timestamp = record.timestamp;
        self.level = record.level;
        self.message.clear();
        self.message.push_str(cut(&record.message, limits::EXEMPLAR_BYTES_MAX));
        self.owner = Owner::of(record.user_id.as_deref());
    }

    /// Its bytes, as part of a row.
    pub(crate) fn write(&self, out: &mut Writer) {
        self.write_position(out);
        out.text(&self.message);
    }

    /// Its bytes where the template is known: of its message only the variables, where these are all that it adds. That
    /// is a third of a pattern's row.
    fn write_with(&self, template: &str, out: &mut Writer) {
        self.write_position(out);
        match extract(template, &self.message) {
            Some(variables) => {
                out.uint(variables.len() as u64 + 1);
                for variable in variables {
                    out.text(variable);
                }
            }
            None => {
                out.uint(0);
                out.text(&self.message);
            }
        }
    }

    fn write_position(&self, out: &mut Writer) {
        out.uint(self.seq);
        out.uint(u64::from(self.index));
        out.int(self.received_at.0);
        out.int(self.timestamp.0);
        out.u8(self.level.number());
    }

    /// Reads what [`Exemplar::write`] wrote.
    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut exemplar = Self::read_position(input)?;
        exemplar.message = input.text()?.to_owned();
        Ok(exemplar)
    }

    /// Reads what [`Exemplar::write_with`] wrote.
    fn read_with(template: &str, places: &Places, input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut exemplar = Self::read_position(input)?;
        exemplar.message = match input.count()?.checked_sub(1) {
            None => input.text()?.to_owned(),
            Some(count) if count == places.len() => {
                // What the texts take is counted ahead, so that the message is written once, into room of its size.
                let mut ahead = input.clone();
                let sizes: Result<usize, ReadError> = (0..count).map(|_| Ok(ahead.bytes()?.len())).sum();
                places.fill(template, sizes?, || input.text())?
            }
            Some(_) => return Err(ReadError::Unknown("exemplar")),
        };
        Ok(exemplar)
    }

    fn read_position(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            seq: input.uint()?,
            index: u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?,
            received_at: Timestamp(input.int()?),
            timestamp: Timestamp(input.int()?),
            level: Level::from_number(input.u8()?).ok_or(ReadError::Unknown("level"))?,
            message: String::new(),
            owner: Owner::Unknown,
        })
    }
}

/// With what a record is the first of its pattern, which is older.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Firsts {
    /// The class of its level.
    pub level: bool,
    /// Its endpoint, where the pattern came with others.
    pub endpoint: bool,
    /// Its environment, where the pattern came with others.
    pub environment: bool,
}

impl Firsts {
    /// Whether there is any.
    pub fn any(self) -> bool {
        self.level || self.endpoint || self.environment
    }
}

/// A mined shape with its statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Given at birth.
    pub id: PatternId,
    /// Words and `<*>`.
    pub template: String,
    /// Records seen since the beginning.
    pub count: u64,
    /// Smallest event time seen.
    pub first_seen: Timestamp,
    /// Largest event time seen.
    pub last_seen: Timestamp,
    /// Records by level class.
    pub levels: [u64; 6],
    /// The first endpoints, environments and releases it was seen with.
    pub endpoints: Vec<String>,
    /// See `endpoints`.
    pub environments: Vec<String>,
    /// See `endpoints`.
    pub releases: Vec<String>,
    /// The first records of it.
    pub exemplars: Vec<Exemplar>,
    /// The newest record of it.
    pub last: Option<Exemplar>,
    /// Whether it ever raised an alert: such a pattern is the last to be forgotten.
    pub was_alerted: bool,
    /// What stood in the places of the template.
    pub variables: Variables,
    /// The fault that its records are instances of; what the exception said is in the template.
    pub fault: Option<Box<Fault>>,
    /// Changed since its row was last written.
    pub(super) is_dirty: bool,
}

/// Written since exemplars are stored by their variables; rows of version 2 hold their messages whole, and those of
/// version 1 end where the sections begin.
const VERSION: u8 = 3;
const VERSION_WITH_MESSAGES: u8 = 2;
const VERSION_WITHOUT_SECTIONS: u8 = 1;
/// The section of [`Pattern::variables`].
const SECTION_VARIABLES: u8 = 1;
/// Tag of the section that holds the fault.
const SECTION_FAULT: u8 = 2;
/// Tag of the section that says whose the exemplars are: one byte each, and the hash where it is a user's.
const SECTION_OWNERS: u8 = 4;

impl Pattern {
    pub(super) fn born(id: PatternId, template: String, timestamp: Timestamp) -> Self {
        Self {
            id,
            variables: Variables::of(&template),
            template,
            count: 0,
            first_seen: timestamp,
            last_seen: timestamp,
            levels: [0; 6],
            endpoints: Vec::new(),
            environments: Vec::new(),
            releases: Vec::new(),
            exemplars: Vec::new(),
            last: None,
            was_alerted: false,
            fault: None,
            is_dirty: true,
        }
    }

    /// Counts one record.
    pub(super) fn count(&mut self, record: &Record, position: Position) -> Firsts {
        let mut firsts = Firsts::default();
        self.count += 1;
        self.first_seen = self.first_seen.min(record.timestamp);
        self.last_seen = self.last_seen.max(record.timestamp);
        if let Some(slot) = self.levels.get_mut(record.level.class().index()) {
            firsts.level = *slot == 0 && self.count > 1;
            *slot += 1;
        }
        firsts.endpoint = remember(&mut self.endpoints, record.endpoint.as_deref());
        firsts.environment = remember(&mut self.environments, Some(&record.environment));
        remember(&mut self.releases, record.release.as_deref());
        if self.exemplars.len() < limits::PATTERN_EXEMPLARS_MAX {
            let mut exemplar = Exemplar::default();
            exemplar.set(record, position);
            self.exemplars.reserve_exact(1);
            self.exemplars.push(exemplar);
        } else {
            self.last.get_or_insert_default().set(record, position);
        }
        self.is_dirty = true;
        firsts
    }

    /// Takes back the text of a record: it is shown no more, and what only it brought is forgotten. Counts stay. Returns
    /// how many exemplars went.
    pub(super) fn retract(&mut self, record: &Record, seq: u64, index: u16) -> usize {
        let line = if record.message_template.is_some() { &record.message } else { told(record) };
        self.variables.retract(&self.template, line);
        self.is_dirty = true;
        self.drop_exemplars(|exemplar| exemplar.seq == seq && exemplar.index == index)
    }

    /// Shows these records no more; returns how many were shown.
    pub(super) fn drop_exemplars(&mut self, is_gone: impl Fn(&Exemplar) -> bool) -> usize {
        let before = self.exemplars.len() + usize::from(self.last.is_some());
        self.exemplars.retain(|exemplar| !is_gone(exemplar));
        self.last.take_if(|exemplar| is_gone(exemplar));
        let gone = before - self.exemplars.len() - usize::from(self.last.is_some());
        self.is_dirty |= gone > 0;
        gone
    }

    /// Whether every record of it was shown and is shown no more: what is left are words of records that went.
    pub(super) fn is_bereft(&self) -> bool {
        self.exemplars.is_empty() && self.last.is_none() && self.count <= limits::PATTERN_EXEMPLARS_MAX as u64 + 1
    }

    /// Takes over the counts of a pattern that had to leave.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        for (slot, count) in self.levels.iter_mut().zip(other.levels) {
            *slot += count;
        }
        self.is_dirty = true;
    }

    /// Notes what stands in the places of the template; after [`Pattern::count`].
    pub(super) fn observe_variables(&mut self, record: &Record) {
        // A template that the client gave is one of the message itself.
        let line = if record.message_template.is_some() { &record.message } else { told(record) };
        self.variables.observe(&self.template, line, record.timestamp, self.count);
    }

    /// Becomes a pattern of another template, which describes its lines too.
    pub(super) fn retemplate(&mut self, template: &str) {
        self.variables.remap(&self.template, template, self.count, self.last_seen);
        template.clone_into(&mut self.template);
        self.is_dirty = true;
    }

    /// Takes over a pattern that turned out to be this one.
    pub(super) fn merge(&mut self, mut other: Self) {
        other.retemplate(&self.template);
        self.variables.merge(&other.variables, other.last_seen);
        self.absorb(&other);
        self.was_alerted |= other.was_alerted;
        for endpoint in &other.endpoints {
            remember(&mut self.endpoints, Some(endpoint));
        }
        for environment in &other.environments {
            remember(&mut self.environments, Some(environment));
        }
        for release in &other.releases {
            remember(&mut self.releases, Some(release));
        }
        let mut exemplars = std::mem::take(&mut self.exemplars);
        exemplars.extend(other.exemplars);
        exemplars.extend(self.last.take());
        exemplars.extend(other.last);
        exemplars.sort_by_key(|exemplar| (exemplar.seq, exemplar.index));
        self.last = (exemplars.len() > limits::PATTERN_EXEMPLARS_MAX).then(|| exemplars.pop()).flatten();
        exemplars.truncate(limits::PATTERN_EXEMPLARS_MAX);
        self.exemplars = exemplars;
    }

    /// Records of level error or worse.
    pub fn error_count(&self) -> u64 {
        self.levels.iter().skip(4).sum()
    }

    /// The most serious level class it was seen with, or info where nothing was counted.
    pub fn worst_level(&self) -> crate::level::LevelClass {
        use crate::level::LevelClass;
        LevelClass::ALL
            .into_iter()
            .rev()
            .find(|class| self.levels.get(class.index()).is_some_and(|&count| count > 0))
            .unwrap_or(LevelClass::Info)
    }

    /// The row of this pattern.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.u64_fixed(self.id.0);
        out.text(&self.template);
        out.uint(self.count);
        out.int(self.first_seen.0);
        out.int(self.last_seen.0);
        for count in self.levels {
            out.uint(count);
        }
        for texts in [&self.endpoints, &self.environments, &self.releases] {
            out.uint(texts.len() as u64);
            for text in texts {
                out.text(text);
            }
        }
        out.uint(self.exemplars.len() as u64);
        for exemplar in &self.exemplars {
            exemplar.write_with(&self.template, &mut out);
        }
        out.u8(u8::from(self.last.is_some()));
        if let Some(last) = &self.last {
            last.write_with(&self.template, &mut out);
        }
        out.u8(u8::from(self.was_alerted));
        if let Some(section) = self.variables.encode() {
            out.u8(SECTION_VARIABLES);
            out.bytes(&section);
        }
        if let Some(fault) = &self.fault {
            let mut section = Writer::new();
            fault.write(&mut section);
            out.u8(SECTION_FAULT);
            out.bytes(section.as_bytes());
        }
        let owners: Vec<Owner> = self.shown().map(|exemplar| exemplar.owner).collect();
        // Most patterns show records of nobody.
        if owners.iter().any(|owner| *owner != Owner::Nobody) {
            let mut section = Writer::new();
            for owner in owners {
                match owner {
                    Owner::Unknown => section.u8(0),
                    Owner::Nobody => section.u8(1),
                    Owner::User(hash) => {
                        section.u8(2);
                        section.u64_fixed(hash);
                    }
                }
            }
            out.u8(SECTION_OWNERS);
            out.bytes(section.as_bytes());
        } else if !owners.is_empty() {
            out.u8(SECTION_OWNERS);
            out.bytes(&[]);
        }
        out.into_bytes()
    }

    /// Its exemplars, the newest record last.
    fn shown(&self) -> impl Iterator<Item = &Exemplar> {
        self.exemplars.iter().chain(&self.last)
    }

    /// Reads whose the exemplars are; an empty section says that they are nobody's.
    fn read_owners(&mut self, section: &[u8]) -> Result<(), ReadError> {
        let mut input = Reader::new(section);
        let is_of_nobody = input.is_empty();
        for exemplar in self.exemplars.iter_mut().chain(&mut self.last) {
            exemplar.owner = match if is_of_nobody { 1 } else { input.u8()? } {
                0 => Owner::Unknown,
                1 => Owner::Nobody,
                2 => Owner::User(input.u64_fixed()?),
                _ => return Err(ReadError::Unknown("owner of an exemplar")),
            };
        }
        Ok(())
    }

    /// Reads a row.
    ///
    /// # Errors
    /// Damaged bytes or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        let version = input.u8()?;
        if !matches!(version, VERSION | VERSION_WITH_MESSAGES | VERSION_WITHOUT_SECTIONS) {
            return Err(ReadError::Unknown("pattern version"));
        }
        let id = PatternId(input.u64_fixed()?);
        let template = input.text()?.to_owned();
        let mut pattern = Self::born(id, template, Timestamp(0));
        pattern.count = input.uint()?;
        pattern.first_seen = Timestamp(input.int()?);
        pattern.last_seen = Timestamp(input.int()?);
        for slot in &mut pattern.levels {
            *slot = input.uint()?;
        }
        for texts in [&mut pattern.endpoints, &mut pattern.environments, &mut pattern.releases] {
            let count = input.count()?;
            texts.reserve_exact(count.min(limits::PATTERN_FACETS_MAX));
            for _ in 0..count {
                texts.push(input.text()?.to_owned());
            }
        }
        let Self { template, variables, .. } = &pattern;
        let exemplar = |input: &mut Reader<'_>| match version {
            VERSION => Exemplar::read_with(template, variables.places(), input),
            _ => Exemplar::read(input),
        };
        let count = input.count()?;
        // As many as a build keeps; another build may keep more.
        let mut exemplars = Vec::with_capacity(count.min(limits::PATTERN_EXEMPLARS_MAX));
        for _ in 0..count {
            exemplars.push(exemplar(&mut input)?);
        }
        let has_last = match version {
            VERSION_WITHOUT_SECTIONS => input.remaining() > 1,
            _ => input.u8()? == 1,
        };
        let last = if has_last { Some(exemplar(&mut input)?) } else { None };
        (pattern.exemplars, pattern.last) = (exemplars, last);
        pattern.was_alerted = input.u8()? == 1;
        if version != VERSION_WITHOUT_SECTIONS {
            // Sections (tag, length, bytes) of later builds: whoever does not know a tag passes by it, so that a
            // rollback reads the rows of its successor.
            while !input.is_empty() {
                let (tag, section) = (input.u8()?, input.bytes()?);
                match tag {
                    SECTION_VARIABLES => pattern.variables.decode(section)?,
                    SECTION_OWNERS => pattern.read_owners(section)?,
                    SECTION_FAULT => pattern.fault = Some(Box::new(Fault::read(&mut Reader::new(section))?)),
                    _ => {}
                }
            }
        }
        pattern.is_dirty = false;
        if input.is_empty() { Ok(pattern) } else { Err(ReadError::Unknown("bytes after a pattern")) }
    }
}

#[inline]
/// Remembers a value; true if it is another than those that are known.
fn remember(known: &mut Vec<String>, value: Option<&str>) -> bool {
    value.filter(|value| !value.is_empty()).is_some_and(|value| remember_some(known, value))
}

fn remember_some(known: &mut Vec<String>, value: &str) -> bool {
    if known.len() >= limits::PATTERN_FACETS_MAX || known.iter().any(|known| known == value) {
        return false;
    }
    // Most patterns have one of each, and a list that grows by itself begins with room for four.
    known.reserve_exact(1);
    known.push(value.to_owned());
    known.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern() -> Pattern {
        let mut pattern = Pattern::born(PatternId(7), "order <*>".into(), Timestamp(5));
        let record = Record { message: "order 1".into(), ..Record::default() };
        for seq in 0..5 {
            pattern.count(&record, Position { seq, index: 0, received_at: Timestamp(9) });
        }
        pattern.is_dirty = false;
        pattern
    }

    #[test]
    fn a_row_with_a_section_of_a_later_build_is_read() {
        let mut row = pattern().encode();
        row.extend([200, 3, 1, 2, 3]);
        assert_eq!(Pattern::decode(&row), Ok(pattern()));
        row.pop();
        assert!(Pattern::decode(&row).is_err());
    }

    #[test]
    fn a_row_of_an_older_version_is_read() {
        const FIRST: &[u8] = include_bytes!("../../tests/golden/pattern/row_v1.bin");
        const SECOND: &[u8] = include_bytes!("../../tests/golden/pattern/row_v2.bin");
        for row in [FIRST, SECOND] {
            assert_eq!(Pattern::decode(row), Ok(pattern()));
            assert!(row.len() > pattern().encode().len());
        }
    }

    #[test]
    fn an_exemplar_that_the_template_does_not_hold_is_stored_whole() {
        let mut pattern = pattern();
        pattern.exemplars[1].message = "another  spacing".into();
        pattern.exemplars[2].message = String::new();
        let row = pattern.encode();
        assert_eq!(Pattern::decode(&row), Ok(pattern));
        // Without its last section, which is empty here, it is a row of a build that did not note owners.
        let without_owners = row.len() - 2;
        for length in 0..row.len() {
            assert_eq!(Pattern::decode(&row[..length]).is_ok(), length == without_owners, "{length}");
        }
        let older = Pattern::decode(&row[..without_owners]).unwrap();
        assert!(older.shown().all(|exemplar| exemplar.owner == Owner::Unknown));
        let newer = Pattern::decode(&row).unwrap();
        assert!(newer.shown().all(|exemplar| exemplar.owner == Owner::Nobody));
    }
}
