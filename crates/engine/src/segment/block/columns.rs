//! Records as columns and back. Each column is a section of the block with a tag of its own.

use super::blob::{self, BlobColumn, BlobTable};
use super::compress::{self, Budget};
use super::fields::{self, LeafColumns, LeafStreams, Leaves, columns_of};
use super::number;
use super::text::{self, TextColumn, TextStreams};
use super::trigrams::Trigrams;
use crate::bytes::{ReadError, Reader, Writer};
use crate::fault::Fault;
use crate::pattern::PatternId;
use crate::record::{Defect, ErrorType, Record, Redaction, RedactionKind, Source, Triage, TriageLevel};
use crate::segment::codec;
use crate::time::Timestamp;
use crate::triage::record::action;
use std::collections::BTreeMap;

/// Sections in the clear: nothing in them is text that somebody logged.
pub(super) const ROWS: u8 = 0x01;
pub(super) const TIMES: u8 = 0x02;
pub(super) const LEVELS: u8 = 0x03;
pub(super) const PATTERNS: u8 = 0x04;
pub(super) const NOTES: u8 = 0x05;

/// Sections from 0x40 on show text: they are the part that encryption will cover.
pub(super) const TRIGRAMS: u8 = 0x40;
pub(super) const MESSAGE: u8 = 0x41;
const COMPONENT: u8 = 0x42;
pub(super) const ENVIRONMENT: u8 = 0x43;
pub(super) const CATEGORY: u8 = 0x44;
/// The optional texts, in the order of [`codec::texts`].
const OPTIONAL: u8 = 0x50;
const OPTIONAL_COUNT: u8 = 18;
pub(super) const ID: u8 = OPTIONAL;
pub(super) const ERROR_CODE: u8 = OPTIONAL + 2;
pub(super) const ENDPOINT: u8 = OPTIONAL + 3;
pub(super) const USER: u8 = OPTIONAL + 4;
pub(super) const SESSION: u8 = OPTIONAL + 5;
pub(super) const REQUEST: u8 = OPTIONAL + 6;
pub(super) const TRACE: u8 = OPTIONAL + 7;
pub(super) const STACK: u8 = OPTIONAL + 10;
const DURATION: u8 = 0x68;
const MEMORY: u8 = 0x69;
const TRAITS: u8 = 0x70;
const FRAMES: u8 = 0x71;
const TAGS: u8 = 0x72;
const SHAPES: u8 = 0x73;
const LEAVES: u8 = 0x74;
const FAULTS: u8 = 0x75;

/// Whether this build knows the section.
pub(super) fn is_known(tag: u8) -> bool {
    matches!(tag, ROWS..=NOTES | TRIGRAMS..=CATEGORY | DURATION | MEMORY | TRAITS..=FAULTS)
        || (OPTIONAL..OPTIONAL + OPTIONAL_COUNT).contains(&tag)
}

/// Sections that every block has.
pub(super) const NEEDED: [u8; 10] =
    [ROWS, TIMES, LEVELS, PATTERNS, TRIGRAMS, MESSAGE, COMPONENT, ENVIRONMENT, CATEGORY, TRAITS];

/// What the section with this tag holds, in words for people.
pub fn section_name(tag: u8) -> &'static str {
    const OPTIONAL_NAMES: [&str; OPTIONAL_COUNT as usize] = [
        "id",
        "service",
        "error code",
        "endpoint",
        "user",
        "session",
        "request",
        "trace",
        "span",
        "release",
        "stack trace",
        "url",
        "method",
        "ip",
        "user agent",
        "feature",
        "workflow",
        "message template",
    ];
    match tag {
        ROWS => "rows",
        TIMES => "times",
        LEVELS => "levels",
        PATTERNS => "patterns",
        NOTES => "notes",
        TRIGRAMS => "letters",
        MESSAGE => "message",
        COMPONENT => "component",
        ENVIRONMENT => "environment",
        CATEGORY => "category",
        DURATION => "duration",
        MEMORY => "memory",
        TRAITS => "traits",
        FRAMES => "frames",
        TAGS => "tags",
        SHAPES => "attribute names",
        LEAVES => "attribute values",
        FAULTS => "faults",
        tag => {
            let optional = tag.checked_sub(OPTIONAL).and_then(|field| OPTIONAL_NAMES.get(usize::from(field)));
            optional.copied().unwrap_or("unknown")
        }
    }
}

/// What a packed list takes in memory for each of its bytes, at most: a frame of five bytes takes 64.
const UNPACKED_BYTES: usize = 24;

/// A section: its tag and its bytes.
pub(super) type Section = (u8, Vec<u8>);

/// The clear columns, which are read before any other; returns for each record the number of its pattern.
pub(super) fn write_clear(
    records: &[&Record],
    patterns: &[PatternId],
    notes: &[Vec<u8>],
    out: &mut Vec<Section>,
) -> Option<Vec<u16>> {
    let times: Vec<u64> = records.iter().map(|record| number::from_signed(record.timestamp.0)).collect();
    out.push((TIMES, write_numbers(&[&times])));
    let levels: Vec<u8> = records.iter().map(|record| record.level.number()).collect();
    let mut section = Writer::new();
    compress::write(&mut section, &levels);
    out.push((LEVELS, section.into_bytes()));
    let mut known = BTreeMap::new();
    let mut ids = Writer::new();
    let mut indices = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        let next = known.len();
        indices.push(*known.entry(pattern.0).or_insert_with(|| {
            ids.u64_fixed(pattern.0);
            next as u16
        }));
    }
    let mut section = Writer::new();
    compress::write(&mut section, ids.as_bytes());
    blob::write_indices(&mut section, &indices, known.len());
    out.push((PATTERNS, section.into_bytes()));
    if notes.iter().any(|note| !note.is_empty()) {
        let mut section = Writer::new();
        blob::write(&mut section, notes).then_some(())?;
        out.push((NOTES, section.into_bytes()));
    }
    (known.len() <= usize::from(u16::MAX)).then_some(indices)
}

/// Runs of numbers, each of the same count.
pub(super) fn write_numbers(runs: &[&[u64]]) -> Vec<u8> {
    let (mut heads, mut numbers) = (Writer::new(), Vec::new());
    for run in runs {
        number::write(&mut heads, &mut numbers, run);
    }
    let mut section = Writer::new();
    compress::write(&mut section, heads.as_bytes());
    compress::write(&mut section, &numbers);
    section.into_bytes()
}

pub(super) fn read_numbers<const N: usize>(
    section: &[u8],
    count: usize,
    budget: &mut Budget,
) -> Result<[Vec<u64>; N], ReadError> {
    let mut input = Reader::new(section);
    let heads = compress::read(&mut input, budget)?;
    let numbers = compress::read(&mut input, budget)?;
    let (mut heads, mut numbers) = (Reader::new(&heads), Reader::new(&numbers));
    let mut runs = [const { Vec::new() }; N];
    for run in &mut runs {
        budget.take(count.saturating_mul(2 * size_of::<u64>()))?;
        let read = number::read(&mut heads, &mut numbers, count)?;
        *run = (0..count).map_while(|index| read.at(index)).collect();
    }
    Ok(runs)
}

pub(super) fn read_times(section: &[u8], count: usize, budget: &mut Budget) -> Result<Vec<Timestamp>, ReadError> {
    let [times] = read_numbers(section, count, budget)?;
    Ok(times.into_iter().map(|time| Timestamp(number::to_signed(time))).collect())
}

/// The distinct patterns, and for each record which of them.
pub(super) fn read_patterns(
    section: &[u8],
    count: usize,
    budget: &mut Budget,
) -> Result<(Vec<PatternId>, Vec<u16>), ReadError> {
    let mut input = Reader::new(section);
    let ids = compress::read(&mut input, budget)?;
    let (ids, rest) = ids.as_chunks::<8>();
    if !rest.is_empty() || ids.len() > usize::from(u16::MAX) {
        return Err(ReadError::Unknown("patterns"));
    }
    let ids: Vec<_> = ids.iter().map(|id| PatternId(u64::from_le_bytes(*id))).collect();
    let indices = blob::read_indices(&mut input, budget, count, ids.len())?;
    Ok((ids, indices))
}

pub(super) fn read_notes(section: &[u8], rows: usize, budget: &mut Budget) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut input = Reader::new(section);
    let table = BlobTable::read(&mut input, budget)?;
    let column = BlobColumn::read(&table, &mut input, budget, rows)?;
    let mut notes = Vec::with_capacity(rows);
    for row in 0..rows {
        let note = column.at(row)?;
        budget.take(note.len())?;
        notes.push(note.to_vec());
    }
    Ok(notes)
}

/// The columns that show text.
pub(super) fn write_sealed(records: &[&Record], pattern_of: &[u16], out: &mut Vec<Section>) -> Option<()> {
    let mut trigrams = Trigrams::new();
    for record in records {
        for text in [Some(&record.message), record.error_code.as_ref(), record.stack_trace.as_ref()] {
            text.into_iter().for_each(|text| trigrams.add(text));
        }
    }
    let mut section = Writer::new();
    compress::write(&mut section, trigrams.as_bytes());
    out.push((TRIGRAMS, section.into_bytes()));
    let mut texts = |tag: u8, of: &dyn Fn(&Record) -> Option<&str>| {
        let mut section = Writer::new();
        // The records outlive the column; `of` only picks a field.
        let values: Vec<Option<&str>> = records.iter().map(|record| of(record)).collect();
        if text::write(&mut section, &values, (tag == MESSAGE).then_some(pattern_of)) {
            out.push((tag, section.into_bytes()));
        }
    };
    texts(MESSAGE, &|record| Some(&record.message));
    texts(COMPONENT, &|record| Some(&record.component));
    texts(ENVIRONMENT, &|record| Some(&record.environment));
    texts(CATEGORY, &|record| Some(&record.category));
    for field in 0..OPTIONAL_COUNT {
        texts(OPTIONAL + field, &|record| {
            codec::texts(record).get(usize::from(field)).and_then(|text| text.as_deref())
        });
    }
    for (tag, of) in [(DURATION, duration as fn(&Record) -> Option<f64>), (MEMORY, memory)] {
        let values: Vec<Option<String>> = records.iter().map(|record| of(record).map(fields::float_text)).collect();
        let mut section = Writer::new();
        if text::write(&mut section, &values.iter().map(Option::as_deref).collect::<Vec<_>>(), None) {
            out.push((tag, section.into_bytes()));
        }
    }
    write_packed(records, out)
}

fn duration(record: &Record) -> Option<f64> {
    record.duration_ms
}

fn memory(record: &Record) -> Option<f64> {
    record.memory_usage
}

/// The columns of packed values.
fn write_packed(records: &[&Record], out: &mut Vec<Section>) -> Option<()> {
    write_blobs(records, TRAITS, out, &write_traits)?;
    write_blobs(records, FRAMES, out, &|record, packed| {
        if !record.frames.is_empty() {
            codec::write_frames(packed, &record.frames);
        }
    })?;
    write_blobs(records, TAGS, out, &|record, packed| {
        if !record.tags.is_empty() {
            codec::write_texts(packed, record.tags.iter().map(String::as_str), record.tags.len());
        }
    })?;
    if records.iter().any(|record| !record.attributes.is_empty()) {
        let mut leaves = Leaves::default();
        let mut shapes = Vec::with_capacity(records.len());
        for record in records {
            let mut shape = Writer::new();
            fields::write_shape(&mut shape, &record.attributes, &mut String::new(), &mut leaves);
            shapes.push(shape.into_bytes());
        }
        let mut section = Writer::new();
        blob::write(&mut section, &shapes).then_some(())?;
        out.push((SHAPES, section.into_bytes()));
        let mut section = Writer::new();
        leaves.write(&mut section);
        out.push((LEAVES, section.into_bytes()));
    }
    write_blobs(records, FAULTS, out, &|record, packed| record.fault.iter().for_each(|fault| fault.write(packed)))
}

/// One column of packed values, unless all are empty.
fn write_blobs(
    records: &[&Record],
    tag: u8,
    out: &mut Vec<Section>,
    write: &dyn Fn(&Record, &mut Writer),
) -> Option<()> {
    let pack = |record: &&Record| {
        let mut packed = Writer::new();
        write(record, &mut packed);
        packed.into_bytes()
    };
    let values: Vec<Vec<u8>> = records.iter().map(pack).collect();
    if values.iter().all(Vec::is_empty) {
        return Some(());
    }
    let mut section = Writer::new();
    blob::write(&mut section, &values).then_some(())?;
    out.push((tag, section.into_bytes()));
    Some(())
}

/// What few records differ in: source, type, triage, priority, confidence, defects and redactions.
fn write_traits(record: &Record, out: &mut Writer) {
    out.u8((record.source as u8) | (record.error_type as u8) << 2 | (record.triage.level as u8) << 4);
    out.u8(record.priority);
    out.u8(record.categorization_confidence);
    codec::write_texts(out, record.triage.actions.iter().copied(), record.triage.actions.len());
    out.uint(record.defects.len() as u64);
    for defect in &record.defects {
        let code = Defect::ALL.iter().position(|known| known == defect).unwrap_or(0);
        out.u8(code as u8);
    }
    out.uint(record.redactions.len() as u64);
    for redaction in &record.redactions {
        out.u8(redaction.kind as u8);
        out.uint(u64::from(redaction.count));
    }
}

fn read_traits(packed: &[u8], record: &mut Record) -> Result<(), ReadError> {
    let mut input = Reader::new(packed);
    let codes = input.u8()?;
    record.source = codec::pick(&Source::ALL, codes & 3)?;
    record.error_type = codec::pick(&ErrorType::ALL, codes >> 2 & 3)?;
    record.priority = input.u8()?;
    record.categorization_confidence = input.u8()?;
    let level = codec::pick(&TriageLevel::ALL, codes >> 4)?;
    // As in a segment, an action that this build does not know is left out.
    let actions = codec::read_texts(&mut input)?.iter().filter_map(|word| action(word)).collect();
    record.triage = Triage { level, actions };
    for _ in 0..input.count()? {
        record.defects.push(codec::pick(Defect::ALL, input.u8()?)?);
    }
    for _ in 0..input.count()? {
        let kind = codec::pick(&RedactionKind::ALL, input.u8()?)?;
        record.redactions.push(Redaction { kind, count: input.u32()? });
    }
    if input.is_empty() { Ok(()) } else { Err(ReadError::Unknown("bytes after traits")) }
}

/// The sealed columns of the records at `positions` (ascending); time and level are the caller's to fill in.
pub(super) fn read_records<'a>(
    section: &dyn Fn(u8) -> Option<&'a [u8]>,
    pattern_of: &[u16],
    positions: &[u32],
    budget: &mut Budget,
) -> Result<Vec<Record>, ReadError> {
    budget.take(positions.len().saturating_mul(size_of::<Record>()))?;
    let mut found = vec![Record::default(); positions.len()];
    for tag in (MESSAGE..=CATEGORY).chain(OPTIONAL..OPTIONAL + OPTIONAL_COUNT).chain([DURATION, MEMORY]) {
        let Some(section) = section(tag) else { continue };
        each_text(tag, section, pattern_of, positions, budget, |place, text| {
            found.get_mut(place).map_or(Ok(()), |record| put_text(record, tag, text))
        })?;
    }
    for tag in (TRAITS..=TAGS).chain([FAULTS]) {
        let Some(section) = section(tag) else { continue };
        let mut input = Reader::new(section);
        let table = BlobTable::read(&mut input, budget)?;
        let column = BlobColumn::read(&table, &mut input, budget, pattern_of.len())?;
        for (record, &position) in found.iter_mut().zip(positions) {
            let packed = column.at(position as usize)?;
            if !packed.is_empty() {
                budget.take(packed.len().saturating_mul(UNPACKED_BYTES))?;
                put_packed(record, tag, packed)?;
            }
        }
    }
    if let Some(shapes) = section(SHAPES) {
        let leaves = section(LEAVES).ok_or(ReadError::Unknown("block: a section is missing"))?;
        read_attributes(shapes, leaves, pattern_of.len(), positions, &mut found, budget)?;
    }
    Ok(found)
}

/// Tells `put` the values of a column of texts: the place among `positions`, and the text, where there is one.
fn each_text(
    tag: u8,
    section: &[u8],
    pattern_of: &[u16],
    positions: &[u32],
    budget: &mut Budget,
    mut put: impl FnMut(usize, String) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let streams = TextStreams::read(&mut Reader::new(section), budget)?;
    let contexts = (tag == MESSAGE).then_some(pattern_of);
    let column = TextColumn::read(&streams, pattern_of.len(), contexts, budget)?;
    for (place, &position) in positions.iter().enumerate() {
        let mut text = String::new();
        if column.append(position as usize, &mut text, budget)? {
            put(place, text)?;
        }
    }
    Ok(())
}

fn put_text(record: &mut Record, tag: u8, text: String) -> Result<(), ReadError> {
    match tag {
        MESSAGE => record.message = text,
        COMPONENT => record.component = text,
        ENVIRONMENT => record.environment = text,
        CATEGORY => record.category = text,
        DURATION => record.duration_ms = Some(fields::float_of(&text)?),
        MEMORY => record.memory_usage = Some(fields::float_of(&text)?),
        tag => {
            let field = usize::from(tag.saturating_sub(OPTIONAL));
            if let Some(slot) = codec::texts_mut(record).into_iter().nth(field) {
                *slot = Some(text);
            }
        }
    }
    Ok(())
}

fn put_packed(record: &mut Record, tag: u8, packed: &[u8]) -> Result<(), ReadError> {
    match tag {
        FRAMES => record.frames = codec::read_frames(&mut Reader::new(packed))?,
        FAULTS => record.fault = Some(Box::new(Fault::read(&mut Reader::new(packed))?)),
        TAGS => record.tags = codec::read_texts(&mut Reader::new(packed))?,
        _ => read_traits(packed, record)?,
    }
    Ok(())
}

fn read_attributes(
    shapes: &[u8],
    leaves: &[u8],
    records: usize,
    positions: &[u32],
    found: &mut [Record],
    budget: &mut Budget,
) -> Result<(), ReadError> {
    let mut input = Reader::new(shapes);
    let table = BlobTable::read(&mut input, budget)?;
    let shapes = BlobColumn::read(&table, &mut input, budget, records)?;
    let streams = LeafStreams::read(&mut Reader::new(leaves), budget)?;
    let mut leaves = LeafColumns::read(&streams, budget)?;
    let columns = shapes.entries.iter().map(|shape| columns_of(shape, budget)).collect::<Result<Vec<_>, _>>()?;
    let mut wanted = positions.iter().zip(found).peekable();
    for (position, number) in shapes.indices.iter().enumerate() {
        match wanted.next_if(|(wanted, _)| **wanted as usize == position) {
            Some((_, record)) => record.attributes = leaves.read_shape(shapes.at(position)?, budget)?,
            None if wanted.peek().is_none() => break,
            None => leaves.skip(columns.get(usize::from(*number)).map_or(&[], Vec::as_slice))?,
        }
    }
    Ok(())
}

/// The values of one column of texts at `positions`; nothing where a record has none.
pub(super) fn read_column(
    tag: u8,
    section: Option<&[u8]>,
    pattern_of: &[u16],
    positions: &[u32],
    budget: &mut Budget,
) -> Result<Vec<Option<String>>, ReadError> {
    budget.take(positions.len().saturating_mul(size_of::<Option<String>>()))?;
    let mut values = vec![None; positions.len()];
    if let Some(section) = section {
        each_text(tag, section, pattern_of, positions, budget, |place, text| {
            if let Some(value) = values.get_mut(place) {
                *value = Some(text);
            }
            Ok(())
        })?;
    }
    Ok(values)
}
