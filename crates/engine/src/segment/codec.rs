//! One record as packed bytes, inside a segment.
//!
//! A presence mask says which optional fields follow; new fields take new bits at the end, so an older reader that
//! meets an unknown bit refuses the record by name rather than misread it.

use crate::bytes::{ReadError, Reader, Writer};
use crate::fault::Fault;
use crate::level::Level;
use crate::limits;
use crate::record::{Defect, ErrorType, Frame, Record, Redaction, RedactionKind, Source, Triage, TriageLevel};
use crate::time::Timestamp;
use crate::triage::record::action;
use crate::value::{Fields, Value};

/// The optional text fields, in the order of their bits.
pub(super) fn texts(record: &Record) -> [&Option<String>; 18] {
    [
        &record.id,
        &record.service,
        &record.error_code,
        &record.endpoint,
        &record.user_id,
        &record.session_id,
        &record.request_id,
        &record.trace_id,
        &record.span_id,
        &record.release,
        &record.stack_trace,
        &record.url,
        &record.method,
        &record.ip,
        &record.user_agent,
        &record.feature,
        &record.workflow,
        &record.message_template,
    ]
}

pub(super) fn texts_mut(record: &mut Record) -> [&mut Option<String>; 18] {
    [
        &mut record.id,
        &mut record.service,
        &mut record.error_code,
        &mut record.endpoint,
        &mut record.user_id,
        &mut record.session_id,
        &mut record.request_id,
        &mut record.trace_id,
        &mut record.span_id,
        &mut record.release,
        &mut record.stack_trace,
        &mut record.url,
        &mut record.method,
        &mut record.ip,
        &mut record.user_agent,
        &mut record.feature,
        &mut record.workflow,
        &mut record.message_template,
    ]
}

const BIT_DURATION: u32 = 20;
const BIT_MEMORY: u32 = 21;
const BIT_FRAMES: u32 = 22;
const BIT_TAGS: u32 = 23;
const BIT_ATTRIBUTES: u32 = 24;
const BIT_ACTIONS: u32 = 25;
const BIT_DEFECTS: u32 = 26;
const BIT_REDACTIONS: u32 = 27;
const BIT_FAULT: u32 = 28;
/// The bits of the optional texts.
const TEXT_BITS: u64 = (1 << 18) - 1;
const KNOWN_BITS: u64 = TEXT_BITS | (0x1ff << BIT_DURATION);

/// Appends `record`; its time is stored as the distance from `previous`.
pub(super) fn write(out: &mut Writer, record: &Record, previous: i64) {
    let mut mask = 0u64;
    let texts = texts(record);
    for (bit, text) in texts.iter().enumerate() {
        mask |= u64::from(text.is_some()) << bit;
    }
    let flags = [
        (BIT_DURATION, record.duration_ms.is_some()),
        (BIT_MEMORY, record.memory_usage.is_some()),
        (BIT_FRAMES, !record.frames.is_empty()),
        (BIT_TAGS, !record.tags.is_empty()),
        (BIT_ATTRIBUTES, !record.attributes.is_empty()),
        (BIT_ACTIONS, !record.triage.actions.is_empty()),
        (BIT_DEFECTS, !record.defects.is_empty()),
        (BIT_REDACTIONS, !record.redactions.is_empty()),
        (BIT_FAULT, record.fault.is_some()),
    ];
    for (bit, present) in flags {
        mask |= u64::from(present) << bit;
    }
    out.uint(mask);
    out.int(record.timestamp.0.wrapping_sub(previous));
    out.u8(record.level.number());
    out.u8((record.source as u8) | (record.error_type as u8) << 2 | (record.triage.level as u8) << 4);
    out.u8(record.priority);
    out.u8(record.categorization_confidence);
    out.text(&record.message);
    out.text(&record.component);
    out.text(&record.environment);
    out.text(&record.category);
    for text in texts.into_iter().flatten() {
        out.text(text);
    }
    if let Some(duration) = record.duration_ms {
        out.f64(duration);
    }
    if let Some(memory) = record.memory_usage {
        out.f64(memory);
    }
    if !record.frames.is_empty() {
        write_frames(out, &record.frames);
    }
    if !record.tags.is_empty() {
        write_texts(out, record.tags.iter().map(String::as_str), record.tags.len());
    }
    if !record.attributes.is_empty() {
        write_fields(out, &record.attributes);
    }
    if !record.triage.actions.is_empty() {
        write_texts(out, record.triage.actions.iter().copied(), record.triage.actions.len());
    }
    if !record.defects.is_empty() {
        out.uint(record.defects.len() as u64);
        for defect in &record.defects {
            let code = Defect::ALL.iter().position(|known| known == defect).unwrap_or(0);
            out.u8(code as u8);
        }
    }
    if !record.redactions.is_empty() {
        out.uint(record.redactions.len() as u64);
        for redaction in &record.redactions {
            out.u8(redaction.kind as u8);
            out.uint(u64::from(redaction.count));
        }
    }
    if let Some(fault) = &record.fault {
        fault.write(out);
    }
}

pub(super) fn write_texts<'a>(out: &mut Writer, texts: impl Iterator<Item = &'a str>, count: usize) {
    out.uint(count as u64);
    for text in texts {
        out.text(text);
    }
}

pub(super) fn write_frames(out: &mut Writer, frames: &[Frame]) {
    out.uint(frames.len() as u64);
    for frame in frames {
        out.optional_text(frame.function.as_deref());
        out.optional_text(frame.file.as_deref());
        // Zero stands for "not known": lines and columns are 1-based.
        out.uint(u64::from(frame.line.unwrap_or(0)));
        out.uint(u64::from(frame.column.unwrap_or(0)));
        out.u8(u8::from(frame.in_app));
    }
}

fn write_fields(out: &mut Writer, fields: &Fields) {
    out.uint(fields.len() as u64);
    for (name, value) in fields {
        out.text(name);
        write_value(out, value);
    }
}

fn write_value(out: &mut Writer, value: &Value) {
    match value {
        Value::Null => out.u8(0),
        Value::Bool(false) => out.u8(1),
        Value::Bool(true) => out.u8(2),
        Value::Int(number) => {
            out.u8(3);
            out.int(*number);
        }
        Value::Float(number) => {
            out.u8(4);
            out.f64(*number);
        }
        Value::Text(text) => {
            out.u8(5);
            out.text(text);
        }
        Value::List(values) => {
            out.u8(6);
            out.uint(values.len() as u64);
            for value in values {
                write_value(out, value);
            }
        }
        Value::Map(fields) => {
            out.u8(7);
            write_fields(out, fields);
        }
    }
}

/// Actions for which room is made at once.
const ACTIONS_USUAL: usize = 4;

/// Reads one record and puts it behind `records`, where it is filled: it is large, and not moved. `previous` as in [`write`].
///
/// # Errors
/// Damaged bytes; then the last of `records` may be half a record.
pub(super) fn read_onto(input: &mut Reader<'_>, previous: i64, records: &mut Vec<Record>) -> Result<(), ReadError> {
    let mask = input.uint()?;
    if mask & !KNOWN_BITS != 0 {
        return Err(ReadError::Unknown("record field"));
    }
    let has = |bit: u32| mask >> bit & 1 == 1;
    let timestamp = Timestamp(previous.wrapping_add(input.int()?));
    let level = Level::from_number(input.u8()?).ok_or(ReadError::Unknown("level"))?;
    let packed = input.u8()?;
    let priority = input.u8()?;
    let categorization_confidence = input.u8()?;
    let message_bytes = input.count()?;
    input.expect_texts();
    let record = records.push_mut(Record {
        timestamp,
        level,
        source: pick(&Source::ALL, packed & 3)?,
        error_type: pick(&ErrorType::ALL, packed >> 2 & 3)?,
        triage: Triage { level: pick(&TriageLevel::ALL, packed >> 4)?, actions: Vec::new() },
        priority,
        categorization_confidence,
        message: input.text_of(message_bytes)?.to_owned(),
        component: input.text()?.to_owned(),
        environment: input.text()?.to_owned(),
        category: input.text()?.to_owned(),
        ..Record::default()
    });
    if mask & TEXT_BITS != 0 {
        for (bit, slot) in texts_mut(record).into_iter().enumerate() {
            if mask >> bit & 1 == 1 {
                *slot = Some(input.text()?.to_owned());
            }
        }
    }
    if has(BIT_DURATION) {
        record.duration_ms = Some(input.f64()?);
    }
    if has(BIT_MEMORY) {
        record.memory_usage = Some(input.f64()?);
    }
    if has(BIT_FRAMES) {
        record.frames = read_frames(input)?;
    }
    if has(BIT_TAGS) {
        record.tags = read_texts(input)?;
    }
    if has(BIT_ATTRIBUTES) {
        record.attributes = read_fields(input, 0)?;
    }
    if has(BIT_ACTIONS) {
        // An action that this build does not know was suggested by another one: it is left out, not an error.
        let count = input.count()?;
        record.triage.actions.reserve_exact(count.min(ACTIONS_USUAL));
        for _ in 0..count {
            record.triage.actions.extend(action(input.text()?));
        }
    }
    if has(BIT_DEFECTS) {
        for _ in 0..input.count()? {
            record.defects.push(pick(Defect::ALL, input.u8()?)?);
        }
    }
    if has(BIT_REDACTIONS) {
        for _ in 0..input.count()? {
            record.redactions.push(Redaction { kind: pick(&RedactionKind::ALL, input.u8()?)?, count: input.u32()? });
        }
    }
    if has(BIT_FAULT) {
        record.fault = Some(Box::new(Fault::read(input)?));
    }
    if input.is_empty() { Ok(()) } else { Err(ReadError::Unknown("bytes after a record")) }
}

pub(super) fn pick<T: Copy>(all: &[T], code: u8) -> Result<T, ReadError> {
    all.get(usize::from(code)).copied().ok_or(ReadError::Unknown("code"))
}

pub(super) fn read_texts(input: &mut Reader<'_>) -> Result<Vec<String>, ReadError> {
    (0..input.count()?).map(|_| input.text().map(str::to_owned)).collect()
}

pub(super) fn read_frames(input: &mut Reader<'_>) -> Result<Vec<Frame>, ReadError> {
    (0..input.count()?)
        .map(|_| {
            Ok(Frame {
                function: input.optional_text()?.map(str::to_owned),
                file: input.optional_text()?.map(str::to_owned),
                line: Some(input.u32()?).filter(|&line| line > 0),
                column: Some(input.u32()?).filter(|&column| column > 0),
                in_app: input.u8()? == 1,
            })
        })
        .collect()
}

fn read_fields(input: &mut Reader<'_>, depth: usize) -> Result<Fields, ReadError> {
    (0..input.count()?).map(|_| Ok((input.text()?.to_owned(), read_value(input, depth)?))).collect()
}

fn read_value(input: &mut Reader<'_>, depth: usize) -> Result<Value, ReadError> {
    // One more than normalize lets through, so that no bytes can drive the reader deep.
    if depth > limits::ATTRIBUTE_DEPTH_MAX + 1 {
        return Err(ReadError::Unknown("nesting"));
    }
    Ok(match input.u8()? {
        0 => Value::Null,
        1 => Value::Bool(false),
        2 => Value::Bool(true),
        3 => Value::Int(input.int()?),
        4 => Value::Float(input.f64()?),
        5 => Value::Text(input.text()?.to_owned()),
        6 => Value::List((0..input.count()?).map(|_| read_value(input, depth + 1)).collect::<Result<_, _>>()?),
        7 => Value::Map(read_fields(input, depth + 1)?),
        _ => return Err(ReadError::Unknown("value type")),
    })
}
