//! A request body becomes records: one object, an array, `{"logs":[...]}`, or one object a line.
//!
//! The shape is told by the content, never by `Content-Type`, which real clients get wrong. A body is either refused
//! as a whole, with the byte at which it stopped making sense, or every record in it gets an answer of its own: a
//! [`RawRecord`], or a [`Rejection`] that leaves its neighbours alone.
//!
//! Invariants: any bytes decode without a panic; stack and memory are bounded by `limits`; nothing is stored before the
//! whole body was decoded, so that a whole-request refusal means that nothing was.
//!
//! There are two paths. The fast one reads records straight out of the text in one pass: bodies as most clients write them
//! without a general JSON reader (`plain`), others with it. When that fails, or when the body was not UTF-8, the careful
//! one first finds where each record begins and ends, and then reads them one by one, so that a number too large for a
//! float or half an emoji costs one record and not the batch. Where both succeed they give the same records; property
//! tests hold them to it.
//!
//! Left out: decompression and size caps (the shell counts bytes while reading), and all meaning of the values, which
//! is the engine's `normalize`.

mod field;
mod plain;
mod record;
mod text;
mod value;

use crate::limits::{BATCH_DEFAULTS_BYTES_MAX, RECORDS_MAX};
use field::{Field, known_field};
use record::{Key, KeySeed, Outcome, RecordBuilder, RecordSeed, note, pointer_to, sorted_names};
use sapwood_engine::record::{Defect, RawRecord, RawTimestamp, Rejection, RejectionCode};
use sapwood_engine::value::{Fields, Value};
use serde::de::{DeserializeSeed, Deserializer as _, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;
use text::{BodyText, Damage, mend_surrogates};
use value::{Budget, ValueSeed};

/// How the records of a body are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One object.
    Object,
    /// An array of objects.
    Array,
    /// `{"logs":[...]}`.
    Logs,
    /// `{"records":[...]}`.
    Records,
    /// One object a line.
    Lines,
}

impl Framing {
    /// The JSON pointer, from the root of the body, to `field` (itself a pointer or empty) of the record at `index`.
    /// Lines are no JSON document: there it is the pointer inside the line.
    pub fn pointer(self, index: usize, field: &str) -> String {
        match self {
            Self::Object | Self::Lines => field.to_owned(),
            Self::Array => format!("/{index}{field}"),
            Self::Logs => format!("/logs/{index}{field}"),
            Self::Records => format!("/records/{index}{field}"),
        }
    }
}

/// A decoded body.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// One entry for each record sent, in order.
    pub records: Vec<Result<RawRecord, Rejection>>,
    /// How they were framed.
    pub framing: Framing,
    /// What the envelope said beside its records (`{"service":"shop","logs":[...]}`): already given to every record
    /// that does not say otherwise, kept here for whoever reports it.
    pub batch_defaults: Option<Box<RawRecord>>,
}

/// Why a body was refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorCode {
    /// Nothing, or white space only.
    EmptyBody,
    /// Not JSON, from a certain byte on.
    InvalidJson,
    /// JSON, but neither an object nor an array, or an envelope whose records are no array.
    WrongTopLevel,
    /// More than `limits::RECORDS_MAX` records.
    TooManyRecords,
}

/// A body refused as a whole; nothing of it may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub code: DecodeErrorCode,
    /// Where, in bytes from the start of the (inflated) body: the first byte that does not fit, or the length of the
    /// body if it ends too early.
    pub byte_offset: usize,
    /// The same place as a line, from 1.
    pub line: usize,
    /// The same place as a byte of that line, from 1.
    pub column: usize,
    /// What is wrong, for a person.
    pub reason: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {}, line {}, column {})", self.reason, self.byte_offset, self.line, self.column)
    }
}

/// Decodes an inflated request body.
pub fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    let source = BodyText::read(body);
    let text: &str = &source.text;
    let content = text.trim_matches(JSON_SPACE);
    let first = text.len() - text.trim_start_matches(JSON_SPACE).len();
    match content.as_bytes().first() {
        None => Err(refuse(&source, DecodeErrorCode::EmptyBody, 0, "the body is empty".to_owned())),
        Some(b'[') => decode_array(&source),
        Some(_) => decode_object_or_lines(&source, first),
    }
}

/// White space between JSON tokens.
const JSON_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A refusal at a place of the text.
fn refuse(source: &BodyText<'_>, code: DecodeErrorCode, text_offset: usize, reason: String) -> DecodeError {
    let before = source.text.as_bytes().get(..text_offset).unwrap_or(source.text.as_bytes());
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    DecodeError {
        code,
        byte_offset: source.body_offset(text_offset),
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        column: 1 + before.len() - line_start,
        reason,
    }
}

/// Where in `text` the JSON reader stopped. It counts lines, and columns up to and including the offending byte.
fn error_offset(text: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return text.len();
    }
    let lines_before = error.line().saturating_sub(1);
    let line_start: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    let offset = (line_start + error.column()).saturating_sub(1).min(text.len());
    // When it skips a string, the reader names the byte before a control character instead of the character.
    let is_control = |at: usize| text.as_bytes().get(at).is_some_and(|byte| *byte < b' ');
    let names_control = !is_control(offset) && is_control(offset + 1) && error.to_string().starts_with("control char");
    offset + usize::from(names_control)
}

/// The reader's words without the position, which is given apart.
fn error_words(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.rsplit_once(" at line ").map_or(words.clone(), |(words, _)| words.to_owned())
}

fn refuse_syntax(source: &BodyText<'_>, error: &serde_json::Error) -> DecodeError {
    let reason = format!("the body is not JSON: {}", error_words(error));
    refuse(source, DecodeErrorCode::InvalidJson, error_offset(&source.text, error), reason)
}

fn refuse_too_many(source: &BodyText<'_>) -> DecodeError {
    let seen = RECORDS_MAX + 1;
    let reason = format!("at most {RECORDS_MAX} records may be sent at once, this request has {seen} or more");
    refuse(source, DecodeErrorCode::TooManyRecords, 0, reason)
}

// ---- an array -------------------------------------------------------------------------------------------------------

fn decode_array(source: &BodyText<'_>) -> Result<Decoded, DecodeError> {
    let text: &str = &source.text;
    let mut budget = Budget::for_request();
    let decoded = |records| Decoded { records, framing: Framing::Array, batch_defaults: None };
    if !source.is_damaged() {
        let mut batch = Batch::with_room_for(text);
        if let Some(records) = plain::records(text, std::mem::take(&mut batch.records)) {
            return Ok(decoded(records));
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = BatchSeed { batch: &mut batch, budget: &mut budget }.deserialize(&mut reader);
        if batch.too_many {
            return Err(refuse_too_many(source));
        }
        if read.is_ok() && reader.end().is_ok() {
            return Ok(decoded(batch.records));
        }
        budget = Budget::for_request();
    }
    decode_elements(source, text, &mut budget).map(decoded)
}

/// Records read so far by the fast path.
#[derive(Default)]
struct Batch {
    records: Vec<Outcome>,
    too_many: bool,
}

impl Batch {
    /// Room for about as many records as `text` may hold, so that few are moved while the list grows.
    fn with_room_for(text: &str) -> Self {
        const RECORD_BYTES_USUAL: usize = 400;
        Self { records: Vec::with_capacity((text.len() / RECORD_BYTES_USUAL).min(RECORDS_MAX)), too_many: false }
    }
}

/// Reads an array of records into a [`Batch`]; gives back anything that is no array.
struct BatchSeed<'b> {
    batch: &'b mut Batch,
    budget: &'b mut Budget,
}

impl<'de> DeserializeSeed<'de> for BatchSeed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Hands every type but an array to the reader of ordinary values.
macro_rules! as_ordinary_value {
    ($($method:ident($($argument:ident: $kind:ty)?)),* $(,)?) => {$(
        fn $method<E: Error>(self $(, $argument: $kind)?) -> Result<Option<Value>, E> {
            ValueSeed { budget: self.budget, depth: 1 }.$method($($argument)?).map(Some)
        }
    )*};
}

impl<'de> Visitor<'de> for BatchSeed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    as_ordinary_value!(visit_bool(v: bool), visit_i64(v: i64), visit_u64(v: u64), visit_f64(v: f64), visit_str(v: &str), visit_unit());

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Option<Value>, A::Error> {
        ValueSeed { budget: self.budget, depth: 1 }.visit_map(entries).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Value>, A::Error> {
        let Self { batch: Batch { records, too_many }, budget } = self;
        while records.len() < RECORDS_MAX {
            let last = records.push_mut(Ok(RawRecord::default()));
            let Ok(slot) = last else { break };
            match items.next_element_seed(RecordSeed { budget, slot })? {
                Some(None) => {}
                Some(Some(rejection)) => *last = Err(rejection),
                None => {
                    records.pop();
                    return Ok(None);
                }
            }
        }
        if items.next_element::<IgnoredAny>()?.is_some() {
            *too_many = true;
            return Err(A::Error::custom("too many records"));
        }
        Ok(None)
    }
}

// ---- one object, an envelope, or lines --------------------------------------------------------------------------------

fn decode_object_or_lines(source: &BodyText<'_>, first: usize) -> Result<Decoded, DecodeError> {
    let text: &str = &source.text;
    let first_line = text.get(first..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
    let has_more_lines =
        text.get(first + first_line.len()..).is_some_and(|rest| !rest.trim_matches(JSON_SPACE).is_empty());
    // A whole object with something after it on another line cannot be one document.
    if has_more_lines && is_object(first_line) {
        return decode_lines(source);
    }
    let broken_at = match decode_document(source)? {
        Ok(decoded) => return Ok(decoded),
        Err(error) => error,
    };
    // The document broke. If that was on its first line, and another line is a whole object by itself, then the body
    // is lines of which the first is broken; otherwise it is one broken document.
    let second_line = first + first_line.len() + 1;
    let second_token =
        second_line + text.get(second_line..).map_or(0, |rest| rest.len() - rest.trim_start_matches(JSON_SPACE).len());
    let rest = text.get(second_line..).unwrap_or_default();
    if has_more_lines && error_offset(text, &broken_at) <= second_token && rest.split('\n').any(is_object) {
        return decode_lines(source);
    }
    Err(refuse_syntax(source, &broken_at))
}

/// Whether `line` is one whole JSON object.
fn is_object(line: &str) -> bool {
    line.trim_start_matches(JSON_SPACE).starts_with('{') && serde_json::from_str::<IgnoredAny>(line).is_ok()
}

fn decode_lines(source: &BodyText<'_>) -> Result<Decoded, DecodeError> {
    let mut budget = Budget::for_request();
    let mut damage = source.damage();
    let mut records = Batch::with_room_for(&source.text).records;
    let mut plain = plain::Lines::new();
    let mut start = 0;
    for line in source.text.split('\n') {
        let range = start..start + line.len();
        start = range.end + 1;
        let content = line.trim_matches(JSON_SPACE);
        if content.is_empty() {
            continue;
        }
        if records.len() == RECORDS_MAX {
            return Err(refuse_too_many(source));
        }
        let content_start = range.start + (line.len() - line.trim_start_matches(JSON_SPACE).len());
        let last = records.push_mut(Ok(RawRecord::default()));
        if let Ok(slot) = last
            && !source.is_damaged()
            && let Some(rejection) =
                plain.read(content, &mut budget, slot).or_else(|| read_into(content, &mut budget, slot).ok())
        {
            if let Some(rejection) = rejection {
                *last = Err(rejection);
            }
            continue;
        }
        *last = decode_piece(source, content, content_start, &mut budget, &mut damage);
    }
    Ok(Decoded { records, framing: Framing::Lines, batch_defaults: None })
}

/// One document that is not an array. The inner error is broken JSON, which may still turn out to be lines.
fn decode_document(source: &BodyText<'_>) -> Result<Result<Decoded, serde_json::Error>, DecodeError> {
    let text: &str = &source.text;
    if !source.is_damaged() {
        if let Some((framing, records)) = plain::enveloped(text, Batch::with_room_for(text).records) {
            return Ok(Ok(Decoded { records, framing, batch_defaults: None }));
        }
        let mut document = Document::default();
        let mut budget = Budget::for_request();
        let mut reader = serde_json::Deserializer::from_str(text);
        let seed = DocumentSeed { document: &mut document, budget: &mut budget, reads_batch: true };
        let read = reader.deserialize_any(seed);
        if document.batch.too_many {
            return Err(refuse_too_many(source));
        }
        // A record that has a message and, among its other keys, a list called `logs`: read again as one record.
        let is_record = document.framing.is_some() && document.has_message;
        if !is_record && read.is_ok() && reader.end().is_ok() {
            return document.finish(source).map(Ok);
        }
    }
    decode_document_carefully(source)
}

/// One document, read by the fast path.
#[derive(Default)]
struct Document {
    batch: Batch,
    /// Set when the document is an envelope.
    framing: Option<Framing>,
    /// Set when two lists of records were sent.
    two_lists: bool,
    /// The document itself as a record.
    record: Option<Outcome>,
    has_message: bool,
    /// A list of records was announced, but something else was sent under that name.
    not_a_list: Option<&'static str>,
}

impl Document {
    fn finish(self, source: &BodyText<'_>) -> Result<Decoded, DecodeError> {
        let wrong = |reason: &str| Err(refuse(source, DecodeErrorCode::WrongTopLevel, 0, reason.to_owned()));
        let Some(record) = self.record else {
            return wrong("the body must be an object, an array of objects, or one object a line");
        };
        if self.two_lists {
            return wrong("`logs` and `records` are two names for one list; send one of them");
        }
        match (self.framing, self.not_a_list) {
            (None, Some(name)) if !self.has_message => wrong(&format!("`{name}` must be an array of records")),
            (None, _) => Ok(Decoded { records: vec![record], framing: Framing::Object, batch_defaults: None }),
            (Some(framing), _) => {
                let mut records = self.batch.records;
                let mut defaults = record.ok().filter(|defaults| *defaults != RawRecord::default());
                if let Some(defaults) = &mut defaults {
                    if size_of_defaults(defaults).saturating_mul(records.len()) > BATCH_DEFAULTS_BYTES_MAX {
                        return wrong(
                            "what the envelope says beside its records is too large to be given to each of them",
                        );
                    }
                    records.iter_mut().flatten().for_each(|record| give_defaults(record, defaults));
                }
                Ok(Decoded { records, framing, batch_defaults: defaults.map(Box::new) })
            }
        }
    }
}

/// Reads a document; with `reads_batch`, a list under `logs` or `records` is read as records.
struct DocumentSeed<'b> {
    document: &'b mut Document,
    budget: &'b mut Budget,
    reads_batch: bool,
}

/// Scalars are read past: `record` stays `None`, which the document then reports.
macro_rules! no_document {
    ($($method:ident($($kind:ty)?)),* $(,)?) => {$(
        fn $method<E: Error>(self $(, _: $kind)?) -> Result<(), E> { Ok(()) }
    )*};
}

impl<'de> Visitor<'de> for DocumentSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    no_document!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str), visit_unit());

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { document, budget, reads_batch } = self;
        let mut record = RawRecord::default();
        let mut builder = RecordBuilder::new(budget, &mut record);
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            let list = match &key {
                Key::Other(name) if reads_batch => list_name(name),
                _ => None,
            };
            let Some((name, framing)) = list else {
                builder.read_value(key, &mut entries)?;
                continue;
            };
            // The records get shares of their own; the envelope goes on with what is left of its own.
            let seed = BatchSeed { batch: &mut document.batch, budget: builder.budget() };
            match entries.next_value_seed(seed)? {
                None => {
                    builder.budget().start_record();
                    document.two_lists |= document.framing.is_some_and(|before| before != framing);
                    document.framing = Some(framing);
                }
                Some(value) => {
                    document.not_a_list = Some(name);
                    builder.put_attribute(name.to_owned(), value);
                }
            }
        }
        document.has_message = builder.has_message();
        document.record = Some(builder.finish().map_or(Ok(record), Err));
        Ok(())
    }
}

/// The list of records that a key of an envelope names.
fn list_name(key: &str) -> Option<(&'static str, Framing)> {
    match key {
        "logs" => Some(("logs", Framing::Logs)),
        "records" => Some(("records", Framing::Records)),
        _ => None,
    }
}

/// The texts that an envelope may say for all of its records. Not among them: what belongs to one record alone (id,
/// message, stack) or measures one (duration, memory).
fn shared_texts(record: &mut RawRecord) -> [&mut Option<String>; 21] {
    [
        // A record that names its service but no component belongs to that service: its component is set by then.
        &mut record.component,
        &mut record.service,
        &mut record.level,
        &mut record.environment,
        &mut record.source,
        &mut record.error_type,
        &mut record.error_code,
        &mut record.endpoint,
        &mut record.category,
        &mut record.user_id,
        &mut record.session_id,
        &mut record.request_id,
        &mut record.trace_id,
        &mut record.span_id,
        &mut record.release,
        &mut record.url,
        &mut record.method,
        &mut record.ip,
        &mut record.user_agent,
        &mut record.feature,
        &mut record.workflow,
    ]
}

/// Gives `record` what only the envelope says.
fn give_defaults(record: &mut RawRecord, defaults: &mut RawRecord) {
    for (slot, default) in shared_texts(record).into_iter().zip(shared_texts(defaults)) {
        if slot.is_none() {
            slot.clone_from(default);
        }
    }
    if record.timestamp == RawTimestamp::Absent {
        record.timestamp = defaults.timestamp.clone();
    }
    record.priority = record.priority.or(defaults.priority);
    if record.tags.is_empty() {
        record.tags.clone_from(&defaults.tags);
    }
    let missing: Vec<_> = {
        let taken = sorted_names(&record.attributes);
        let is_missing = |(name, _): &&(String, Value)| taken.binary_search(&name.as_str()).is_err();
        defaults.attributes.iter().filter(is_missing).cloned().collect()
    };
    record.attributes.extend(missing);
}

/// About how many bytes [`give_defaults`] adds to one record.
fn size_of_defaults(defaults: &mut RawRecord) -> usize {
    let texts: usize = shared_texts(defaults).iter().filter_map(|text| text.as_ref().map(String::len)).sum();
    let tags: usize = defaults.tags.iter().map(|tag| tag.len() + size_of::<String>()).sum();
    let time = if let RawTimestamp::Text(text) = &defaults.timestamp { text.len() } else { 0 };
    texts + tags + time + size_of_fields(&defaults.attributes)
}

fn size_of_fields(fields: &Fields) -> usize {
    fields.iter().map(|(name, value)| size_of::<(String, Value)>() + name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.iter().map(|item| size_of::<Value>() + size_of_value(item)).sum(),
        Value::Map(fields) => size_of_fields(fields),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
    }
}

// ---- the careful path -------------------------------------------------------------------------------------------------

fn decode_document_carefully(source: &BodyText<'_>) -> Result<Result<Decoded, serde_json::Error>, DecodeError> {
    let text: &str = &source.text;
    let outline = match serde_json::from_str::<Outline<'_>>(text) {
        Ok(outline) => outline,
        Err(error) => return Ok(Err(error)),
    };
    if !outline.is_object {
        return Document::default().finish(source).map(Ok);
    }
    let mut budget = Budget::for_request();
    let mut document = Document { two_lists: outline.two_lists, ..Document::default() };
    let is_envelope = outline.list.is_some() && !outline.has_message;
    if let Some((framing, list)) = outline.list
        && is_envelope
    {
        document.framing = Some(framing);
        document.batch.records = decode_elements(source, list.get(), &mut budget)?;
    }
    if !is_envelope {
        document.not_a_list = outline.not_a_list;
        document.has_message = outline.has_message;
        document.two_lists = false;
        let content = text.trim_matches(JSON_SPACE);
        let start = text.len() - text.trim_start_matches(JSON_SPACE).len();
        document.record = Some(decode_piece(source, content, start, &mut budget, &mut source.damage()));
        return document.finish(source).map(Ok);
    }
    // The envelope's own fields, mended if need be; what cannot be read of them is left out.
    let mut read_own = |json: &str| {
        let mut own = Document::default();
        let seed = DocumentSeed { document: &mut own, budget: &mut budget, reads_batch: true };
        let read = serde_json::Deserializer::from_str(json).deserialize_any(seed);
        read.ok().and(own.record)
    };
    document.record =
        read_own(text).or_else(|| read_own(&mend_surrogates(text)?)).or_else(|| Some(Ok(RawRecord::default())));
    document.finish(source).map(Ok)
}

/// A document of which only the outline is known: what it is, and where its list of records stands.
#[derive(Default)]
struct Outline<'a> {
    is_object: bool,
    has_message: bool,
    list: Option<(Framing, &'a RawValue)>,
    two_lists: bool,
    not_a_list: Option<&'static str>,
}

impl<'de> serde::Deserialize<'de> for Outline<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = <&'de RawValue>::deserialize(deserializer)?;
        if !whole.get().starts_with('{') {
            return Ok(Self::default());
        }
        serde_json::Deserializer::from_str(whole.get()).deserialize_map(OutlineVisitor).map_err(Error::custom)
    }
}

struct OutlineVisitor;

impl<'de> Visitor<'de> for OutlineVisitor {
    type Value = Outline<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Outline<'de>, A::Error> {
        let mut outline = Outline { is_object: true, ..Outline::default() };
        while let Some((key, raw)) = entries.next_entry::<&RawValue, &'de RawValue>()? {
            let name = serde_json::from_str::<String>(key.get()).unwrap_or_default();
            let is_message = known_field(&name).is_some_and(|known| known.field == Field::Message);
            outline.has_message |= is_message && raw.get() != "null";
            match list_name(&name) {
                Some((_, framing)) if raw.get().starts_with('[') => {
                    outline.two_lists |= outline.list.is_some_and(|(before, _)| before != framing);
                    outline.list = Some((framing, raw));
                }
                Some((name, _)) => outline.not_a_list = Some(name),
                None => {}
            }
        }
        Ok(outline)
    }
}

/// The elements of the array `list`, a part of the text, each by itself.
fn decode_elements(source: &BodyText<'_>, list: &str, budget: &mut Budget) -> Result<Vec<Outcome>, DecodeError> {
    let mut pieces = Pieces::default();
    let mut reader = serde_json::Deserializer::from_str(list);
    let read = PiecesSeed(&mut pieces).deserialize(&mut reader).and_then(|()| reader.end());
    if pieces.too_many {
        return Err(refuse_too_many(source));
    }
    read.map_err(|error| refuse_syntax(source, &error))?;
    let mut damage = source.damage();
    let base = source.text.as_ptr() as usize;
    let decode_one = |piece: &RawValue| {
        let json = piece.get();
        decode_piece(source, json, (json.as_ptr() as usize).saturating_sub(base), budget, &mut damage)
    };
    Ok(pieces.found.into_iter().map(decode_one).collect())
}

/// Where the elements of an array stand.
#[derive(Default)]
struct Pieces<'a> {
    found: Vec<&'a RawValue>,
    too_many: bool,
}

struct PiecesSeed<'p, 'a>(&'p mut Pieces<'a>);

impl<'a> DeserializeSeed<'a> for PiecesSeed<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for PiecesSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(piece) = items.next_element::<&'a RawValue>()? {
            if self.0.found.len() == RECORDS_MAX {
                self.0.too_many = true;
                return Err(A::Error::custom("too many records"));
            }
            self.0.found.push(piece);
        }
        Ok(())
    }
}

/// One record that stands alone as the text `json`, found at `start`.
fn decode_piece(
    source: &BodyText<'_>,
    json: &str,
    start: usize,
    budget: &mut Budget,
    damage: &mut Damage<'_>,
) -> Outcome {
    let range: Range<usize> = start..start + json.len();
    let is_damaged = damage.touches(&range);
    let mark = |outcome: Outcome| {
        outcome.map(|mut record| {
            note(&mut record.defects, Defect::InvalidUtf8);
            record
        })
    };
    let error = match read_record(json, budget) {
        Ok(outcome) if is_damaged => return mark(outcome),
        Ok(outcome) => return outcome,
        Err(error) => error,
    };
    if let Some(mended) = mend_surrogates(json)
        && let Ok(outcome) = read_record(&mended, budget)
    {
        return mark(outcome);
    }
    let words = error_words(&error);
    if serde_json::from_str::<IgnoredAny>(json).is_ok() {
        // Well-formed, and still more than can be held: a number such as 1e999.
        let field = budget.failed_key.take().map_or_else(String::new, |key| pointer_to(&key));
        return Err(Rejection { code: RejectionCode::InvalidValue, field, reason: words });
    }
    let place = source.body_offset(start + error_offset(json, &error));
    let reason = format!("not JSON at byte {place} of the body: {words}");
    Err(Rejection { code: RejectionCode::InvalidJson, field: String::new(), reason })
}

fn read_record(json: &str, budget: &mut Budget) -> Result<Outcome, serde_json::Error> {
    let mut record = RawRecord::default();
    let rejection = read_into(json, budget, &mut record)?;
    Ok(rejection.map_or(Ok(record), Err))
}

/// Reads the record that `json` is into `slot`, which is empty; after a failure it holds a part of it.
fn read_into(json: &str, budget: &mut Budget, slot: &mut RawRecord) -> Result<Option<Rejection>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let rejection = RecordSeed { budget, slot }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(rejection)
}

#[cfg(test)]
mod tests;
