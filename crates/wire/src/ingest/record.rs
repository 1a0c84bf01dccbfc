//! One JSON object becomes a [`RawRecord`]: known fields to their places, everything else to the attributes.
//!
//! Nothing sent is dropped in silence. A known field with an unusable value, and a second word for a field that is
//! already set, stay as attributes under their own names; equal names keep the last value; each leaves its defect.
//! Only a message that is no text at all, and nesting beyond what is followed, refuse the record.

use super::field::{Field, Known, known_field, word};
use super::value::{Budget, ValueSeed, keep_last_of_each, skip_items};
use crate::limits::{ECHO_CHARS_MAX, NESTING_DEPTH_MAX};
use sapwood_engine::record::{Defect, RawRecord, RawTimestamp, Rejection, RejectionCode};
use sapwood_engine::value::{Fields, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What became of one record.
pub(super) type Outcome = Result<RawRecord, Rejection>;

/// Reads one element of a batch, whatever its type, into `slot`, or says why not. Fails only on broken JSON.
///
/// A record is nearly a kilobyte of mostly empty fields: filled in place, it is not copied on its way out.
pub(super) struct RecordSeed<'b> {
    pub(super) budget: &'b mut Budget,
    pub(super) slot: &'b mut RawRecord,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Option<Rejection>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Rejection>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Option<Rejection>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<Rejection>, E> {
        Ok(Some(not_an_object("true or false")))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<Rejection>, E> {
        Ok(Some(not_an_object("a number")))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Option<Rejection>, E> {
        Ok(Some(not_an_object("a number")))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<Rejection>, E> {
        Ok(Some(not_an_object("a number")))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<Rejection>, E> {
        Ok(Some(not_an_object("text")))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Rejection>, E> {
        Ok(Some(not_an_object("null")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Rejection>, A::Error> {
        skip_items(&mut items)?;
        Ok(Some(not_an_object("an array")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<Rejection>, A::Error> {
        let mut builder = RecordBuilder::new(self.budget, self.slot);
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            builder.read_value(key, &mut entries)?;
        }
        Ok(builder.finish())
    }
}

fn not_an_object(found: &str) -> Rejection {
    Rejection {
        code: RejectionCode::NotAnObject,
        field: String::new(),
        reason: format!("a record is a JSON object, this is {found}"),
    }
}

/// A key of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Key {
    /// A field with a place of its own.
    Known(Known),
    /// An attribute.
    Other(String),
}

impl Key {
    fn name(&self) -> &str {
        match self {
            Self::Known(known) => word(*known),
            Self::Other(name) => name,
        }
    }
}

/// Reads a key without copying it when it is a known one.
pub(super) struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        Ok(known_field(key).map_or_else(|| Key::Other(key.to_owned()), Key::Known))
    }
}

/// A record while its fields come in.
pub(super) struct RecordBuilder<'b> {
    budget: &'b mut Budget,
    record: &'b mut RawRecord,
    /// For each field, 1 + the rank of the word that set it; 0 while it is not set.
    set_by: [u8; Field::COUNT],
    /// `metadata`, `attributes` and `context` with their entries, merged into the attributes at the end.
    sections: Vec<(&'static str, Fields)>,
    rejection: Option<Rejection>,
}

impl<'b> RecordBuilder<'b> {
    /// Starts a record in `record`, which is empty.
    pub(super) fn new(budget: &'b mut Budget, record: &'b mut RawRecord) -> Self {
        budget.start_record();
        Self { budget, record, set_by: [0; Field::COUNT], sections: Vec::new(), rejection: None }
    }

    /// Whether a message was sent, usable or not.
    pub(super) fn has_message(&self) -> bool {
        self.record.message.is_some() || self.rejection.as_ref().is_some_and(|refused| refused.field == "/message")
    }

    /// The budget, for values that belong to others.
    pub(super) fn budget(&mut self) -> &mut Budget {
        self.budget
    }

    /// Reads the value that follows `key` and puts it in its place.
    pub(super) fn read_value<'de, A: MapAccess<'de>>(&mut self, key: Key, entries: &mut A) -> Result<(), A::Error> {
        let value = match entries.next_value_seed(ValueSeed { budget: self.budget, depth: 1 }) {
            Ok(value) => value,
            Err(error) => {
                self.budget.failed_key = Some(key.name().to_owned());
                return Err(error);
            }
        };
        self.put_value(key, value);
        Ok(())
    }

    /// Puts the value that was read for `key` in its place.
    pub(super) fn put_value(&mut self, key: Key, value: Value) {
        if self.budget.too_deep && self.rejection.is_none() {
            self.rejection = Some(Rejection {
                code: RejectionCode::TooDeep,
                field: pointer_to(key.name()),
                reason: format!("values may be nested {NESTING_DEPTH_MAX} levels deep"),
            });
        }
        match key {
            Key::Known(known) => self.put(known, value),
            Key::Other(name) => self.put_attribute(name, value),
        }
    }

    /// Puts an attribute, within the number of values that are kept.
    pub(super) fn put_attribute(&mut self, name: String, value: Value) {
        if self.budget.has_room() {
            self.budget.spend();
            self.record.attributes.push((name, value));
        } else {
            self.budget.cut = true;
        }
    }

    fn put(&mut self, known: Known, value: Value) {
        if matches!(value, Value::Null) {
            return;
        }
        let before = self.set_by.get(known.field as usize).copied().unwrap_or(0);
        if before != 0 && known.rank + 1 > before {
            return self.ignore(known, value);
        }
        let displaced = match self.store(known.field, value) {
            Ok(displaced) => displaced,
            Err(unusable) if known.field == Field::Message => {
                let found = if matches!(unusable, Value::Map(_)) { "an object" } else { "an array" };
                self.rejection.get_or_insert_with(|| Rejection {
                    code: RejectionCode::WrongType,
                    field: "/message".to_owned(),
                    reason: format!("the message must be text, this is {found}"),
                });
                return;
            }
            Err(unusable) => return self.ignore(known, unusable),
        };
        if let Some(slot) = self.set_by.get_mut(known.field as usize) {
            *slot = known.rank + 1;
        }
        match displaced {
            None => {}
            Some(_) if before == known.rank + 1 => note(&mut self.record.defects, Defect::DuplicateField),
            Some(value) => self.ignore(Known { rank: before.saturating_sub(1), ..known }, value),
        }
    }

    /// Keeps a value that its field cannot take as an attribute of the same name.
    fn ignore(&mut self, known: Known, value: Value) {
        note(&mut self.record.defects, Defect::FieldIgnored);
        self.put_attribute(word(known).to_owned(), value);
    }

    /// Stores `value`; gives back what stood there before, or the value itself if it is unusable.
    fn store(&mut self, field: Field, value: Value) -> Result<Option<Value>, Value> {
        let record = &mut *self.record;
        match field {
            Field::Timestamp => put_timestamp(&mut record.timestamp, value),
            Field::Priority => {
                let number = whole_number(value)?;
                Ok(record.priority.replace(number).map(Value::Int))
            }
            Field::Duration => Ok(record.duration_ms.replace(number(value)?).map(Value::Float)),
            Field::MemoryUsage => Ok(record.memory_usage.replace(number(value)?).map(Value::Float)),
            Field::Tags => {
                let before = std::mem::replace(&mut record.tags, tags_of(value)?);
                let list = before.into_iter().map(Value::Text).collect::<Vec<_>>();
                Ok((!list.is_empty()).then_some(Value::List(list)))
            }
            Field::Attributes => self.put_section("attributes", value),
            Field::Metadata => self.put_section("metadata", value),
            Field::Context => self.put_section("context", value),
            Field::Id => put_text(&mut record.id, value),
            Field::Level => put_text(&mut record.level, value),
            Field::Message => put_text(&mut record.message, value),
            Field::Component => put_text(&mut record.component, value),
            Field::Service => put_text(&mut record.service, value),
            Field::Environment => put_text(&mut record.environment, value),
            Field::Source => put_text(&mut record.source, value),
            Field::ErrorType => put_text(&mut record.error_type, value),
            Field::ErrorCode => put_text(&mut record.error_code, value),
            Field::Endpoint => put_text(&mut record.endpoint, value),
            Field::Category => put_text(&mut record.category, value),
            Field::UserId => put_text(&mut record.user_id, value),
            Field::SessionId => put_text(&mut record.session_id, value),
            Field::RequestId => put_text(&mut record.request_id, value),
            Field::TraceId => put_text(&mut record.trace_id, value),
            Field::SpanId => put_text(&mut record.span_id, value),
            Field::Release => put_text(&mut record.release, value),
            Field::StackTrace => put_text(&mut record.stack_trace, value),
            Field::Ip => put_text(&mut record.ip, value),
            Field::UserAgent => put_text(&mut record.user_agent, value),
            Field::Feature => put_text(&mut record.feature, value),
            Field::Workflow => put_text(&mut record.workflow, value),
            Field::MessageTemplate => put_text(&mut record.message_template, value),
        }
    }

    fn put_section(&mut self, name: &'static str, value: Value) -> Result<Option<Value>, Value> {
        let Value::Map(fields) = value else {
            return Err(value);
        };
        match self.sections.iter_mut().find(|(section, _)| *section == name) {
            Some((_, before)) => Ok(Some(Value::Map(std::mem::replace(before, fields)))),
            None => {
                self.sections.push((name, fields));
                Ok(None)
            }
        }
    }

    /// Completes the record, or says why it is refused.
    pub(super) fn finish(self) -> Option<Rejection> {
        let Self { budget, record, sections, rejection, .. } = self;
        if rejection.is_some() {
            return rejection;
        }
        let mut duplicate = budget.duplicate | keep_last_of_each(&mut record.attributes);
        for (section, mut fields) in sections {
            lift(record, section, &mut fields);
            duplicate |= merge(&mut record.attributes, section, fields);
        }
        if record.component.is_none() {
            record.component.clone_from(&record.service);
        }
        if duplicate {
            note(&mut record.defects, Defect::DuplicateField);
        }
        if budget.cut {
            note(&mut record.defects, Defect::AttributesCut);
        }
        None
    }
}

/// Moves what has a place of its own out of `context` and `metadata`: the request, and the trace ids that our own
/// data-service records carry there. What the record says itself takes precedence.
fn lift(record: &mut RawRecord, section: &str, fields: &mut Fields) {
    if section == "attributes" {
        return;
    }
    fields.retain_mut(|(name, value)| {
        let known = known_field(name).map(|known| known.field);
        let slot = match (section, known) {
            ("context", Some(Field::Ip)) => &mut record.ip,
            ("context", Some(Field::UserAgent)) => &mut record.user_agent,
            (_, Some(Field::TraceId)) => &mut record.trace_id,
            (_, Some(Field::SpanId)) => &mut record.span_id,
            ("context", None) if name == "url" => &mut record.url,
            ("context", None) if name == "method" => &mut record.method,
            _ => return true,
        };
        if slot.is_some() || !matches!(value, Value::Text(_)) {
            return true;
        }
        if let Value::Text(text) = std::mem::replace(value, Value::Null) {
            *slot = Some(text);
        }
        false
    });
}

/// Adds the entries of a section. One whose name is taken is called `section.name`, so that neither is lost. True if
/// even that name was taken.
fn merge(attributes: &mut Fields, section: &str, fields: Fields) -> bool {
    if attributes.is_empty() {
        *attributes = fields;
        return false;
    }
    let taken = sorted_names(attributes);
    let clashes: Vec<bool> = fields.iter().map(|(name, _)| taken.binary_search(&name.as_str()).is_ok()).collect();
    let renamed = clashes.contains(&true);
    for ((name, value), clash) in fields.into_iter().zip(clashes) {
        attributes.push((if clash { format!("{section}.{name}") } else { name }, value));
    }
    renamed && keep_last_of_each(attributes)
}

/// The names of `fields`, ready for a binary search.
pub(super) fn sorted_names(fields: &Fields) -> Vec<&str> {
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// Adds a defect once.
pub(super) fn note(defects: &mut Vec<Defect>, defect: Defect) {
    if !defects.contains(&defect) {
        defects.push(defect);
    }
}

/// The JSON pointer to `key` inside a record, shortened if the key is long.
pub(super) fn pointer_to(key: &str) -> String {
    let mut pointer = String::from("/");
    for (at, letter) in key.chars().enumerate() {
        match letter {
            _ if at == ECHO_CHARS_MAX => break,
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            plain => pointer.push(plain),
        }
    }
    pointer
}

/// The text of a value that has one: text as it is, numbers and booleans as they would be written.
fn text_of(value: Value) -> Result<String, Value> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => Err(value),
    }
}

fn put_text(slot: &mut Option<String>, value: Value) -> Result<Option<Value>, Value> {
    Ok(slot.replace(text_of(value)?).map(Value::Text))
}

fn put_timestamp(slot: &mut RawTimestamp, value: Value) -> Result<Option<Value>, Value> {
    let sent = match value {
        Value::Int(number) => RawTimestamp::Int(number),
        Value::Float(number) => RawTimestamp::Float(number),
        Value::Text(text) => RawTimestamp::Text(text),
        unusable => return Err(unusable),
    };
    Ok(match std::mem::replace(slot, sent) {
        RawTimestamp::Absent => None,
        RawTimestamp::Int(number) => Some(Value::Int(number)),
        RawTimestamp::Float(number) => Some(Value::Float(number)),
        RawTimestamp::Text(text) => Some(Value::Text(text)),
    })
}

/// A finite number, also when sent as text.
fn number(value: Value) -> Result<f64, Value> {
    let number = match &value {
        Value::Text(text) => text.trim().parse().ok(),
        other => other.as_number(),
    };
    number.filter(|number: &f64| number.is_finite()).ok_or(value)
}

/// A whole number, also when sent as text or with a fraction of zero.
fn whole_number(value: Value) -> Result<i64, Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match &value {
        Value::Int(number) => Ok(*number),
        Value::Float(number) if number.fract() == 0.0 && number.abs() <= EXACT => Ok(*number as i64),
        Value::Text(text) => text.trim().parse().map_err(|_| value),
        _ => Err(value),
    }
}

/// Tags: a list of scalars, or one text with commas.
fn tags_of(value: Value) -> Result<Vec<String>, Value> {
    match value {
        Value::List(items) if items.iter().all(|item| !matches!(item, Value::List(_) | Value::Map(_))) => {
            Ok(items.into_iter().filter_map(|item| text_of(item).ok()).collect())
        }
        Value::Text(text) => {
            Ok(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect())
        }
        unusable => Err(unusable),
    }
}
