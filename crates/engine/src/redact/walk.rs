//! Every text of a record, and every key and value of its attributes at any depth.
//!
//! The walk names each field instead of matching some: a field added to [`Record`] without a decision here does not
//! compile. A value whose key says that it is secret goes with all that is under it, whatever its type. Pairs such as
//! `{"name": "Authorization", "value": ...}`, the shape of headers in HAR and of attributes in OTLP, are read as the
//! field they describe.
//!
//! Left out: numbers outside of attributes, words of closed sets, and what our own rules wrote (`triage`, `defects`).

use super::names::NameClass;
use super::{RedactionCounts, Redactor, value};
use crate::record::RedactionKind::{Ip, NamedField};
use crate::record::{Frame, Record, RedactionKind};
use crate::value::{Fields, Value};
use std::borrow::Cow;

impl Redactor {
    /// Removes every secret from `record` and adds to its counts.
    pub fn redact(&self, record: &mut Record) {
        let mut walk = Walk { redactor: self, counts: RedactionCounts::default() };
        walk.record(record);
        if !walk.counts.is_empty() {
            record.redactions = walk.counts.joined_with(&record.redactions);
        }
    }
}

struct Walk<'r> {
    redactor: &'r Redactor,
    counts: RedactionCounts,
}

impl Walk<'_> {
    fn record(&mut self, record: &mut Record) {
        let Record {
            id,
            timestamp: _,
            level: _,
            message,
            component,
            service,
            environment,
            source: _,
            error_type: _,
            error_code,
            endpoint,
            category,
            priority: _,
            user_id,
            session_id,
            request_id,
            trace_id,
            span_id,
            release,
            stack_trace,
            frames,
            fault,
            url,
            method,
            ip,
            user_agent,
            duration_ms: _,
            memory_usage: _,
            feature,
            workflow,
            tags,
            attributes,
            message_template,
            triage: _,
            categorization_confidence: _,
            defects: _,
            redactions: _,
        } = record;
        for text in [message, component, environment, category] {
            self.text(text);
        }
        for text in [
            id,
            service,
            error_code,
            endpoint,
            user_id,
            session_id,
            request_id,
            release,
            stack_trace,
            url,
            method,
            user_agent,
            feature,
            workflow,
        ] {
            self.optional(text);
        }
        // A hexadecimal id is no card number, whatever its digits.
        for (text, digits) in [(trace_id, 32), (span_id, 16)] {
            if !text.as_deref().is_some_and(|id| is_hex_id(id, digits)) {
                self.optional(text);
            }
        }
        self.ip(ip);
        self.template(message_template);
        for tag in tags.iter_mut() {
            self.text(tag);
        }
        for Frame { function, file, line: _, column: _, in_app: _ } in frames.iter_mut() {
            self.optional(function);
            self.optional(file);
        }
        if let Some(fault) = fault {
            fault.texts_mut().for_each(|text| self.text(text));
        }
        self.fields(attributes);
    }

    fn text(&mut self, text: &mut String) {
        if let Cow::Owned(redacted) = self.redactor.redact_counted(text, &mut self.counts) {
            *text = redacted;
        }
    }

    fn optional(&mut self, text: &mut Option<String>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn template(&mut self, text: &mut Option<String>) {
        let Some(text) = text else { return };
        if let Cow::Owned(redacted) = self.redactor.settled(text, true, &mut self.counts) {
            *text = redacted;
        }
    }

    /// The field that holds an address and nothing else goes whole, however the address is written.
    fn ip(&mut self, ip: &mut Option<String>) {
        match ip {
            Some(text) if self.redactor.ip && !text.is_empty() => self.replace_text(text, Ip),
            other => self.optional(other),
        }
    }

    fn fields(&mut self, fields: &mut Fields) {
        let described = described_value(fields).filter(|(name, _)| self.class(name).is_some_and(removes_whole));
        let described = described.map(|(_, index)| index);
        for (index, (key, value)) in fields.iter_mut().enumerate() {
            let class = self.class(key);
            let is_secret = described == Some(index) || class.is_some_and(removes_whole);
            let is_connection = class == Some(NameClass::Connection)
                && value.as_text().is_some_and(|text| value::holds_password(text.as_bytes()));
            if is_secret || is_connection {
                self.replace(value, NamedField);
            } else {
                self.value(value);
            }
            self.text(key);
        }
    }

    /// What a key says about its value. A replacement in the key says nothing: `[redacted:api_key]` is no `api_key`.
    fn class(&self, key: &str) -> Option<NameClass> {
        let names = &self.redactor.names;
        if !key.as_bytes().contains(&b'[') || !key.contains("[redacted:") {
            return names.class(key.as_bytes());
        }
        let neutral =
            RedactionKind::ALL.into_iter().fold(key.to_owned(), |key, kind| key.replace(&marker(kind), " x "));
        names.class(neutral.as_bytes())
    }

    fn value(&mut self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            // Fewer digits than a card or a blob has are no secret.
            Value::Int(number) if number.unsigned_abs() < 1_000_000_000_000 => {}
            Value::Int(number) => {
                let digits = number.to_string();
                self.number(value, &digits);
            }
            Value::Float(number) => {
                // A card number that a decoder read as a float is whole and exact.
                if number.fract() == 0.0 && (1e12..1e19).contains(&*number) {
                    let digits = format!("{number:.0}");
                    self.number(value, &digits);
                }
            }
            Value::Text(text) => self.text(text),
            Value::List(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Map(fields) => self.fields(fields),
        }
    }

    fn number(&mut self, value: &mut Value, digits: &str) {
        if let Cow::Owned(redacted) = self.redactor.redact_counted(digits, &mut self.counts) {
            *value = Value::Text(redacted);
        }
    }

    /// Removes `value` whole, unless there is nothing in it or it was removed before.
    fn replace(&mut self, value: &mut Value, kind: RedactionKind) {
        match value {
            Value::Null => {}
            Value::Text(text) if text.is_empty() => {}
            Value::Text(text) => self.replace_text(text, kind),
            other => {
                *other = Value::Text(marker(kind));
                self.counts.add(kind, 1);
            }
        }
    }

    fn replace_text(&mut self, text: &mut String, kind: RedactionKind) {
        if !RedactionKind::ALL.into_iter().any(|known| *text == marker(known)) {
            *text = marker(kind);
            self.counts.add(kind, 1);
        }
    }
}

fn marker(kind: RedactionKind) -> String {
    format!("[redacted:{}]", kind.word())
}

fn removes_whole(class: NameClass) -> bool {
    matches!(class, NameClass::Secret | NameClass::Authorization | NameClass::Cookie)
}

fn is_hex_id(id: &str, digits: usize) -> bool {
    id.len() == digits && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name that a map such as `{name: ..., value: ...}` gives, and which of its entries holds the value.
fn described_value(fields: &Fields) -> Option<(String, usize)> {
    let is_one_of = |key: &str, names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(key));
    let (_, name) = fields.iter().find(|(key, value)| is_one_of(key, &["name", "key"]) && value.as_text().is_some())?;
    let index = fields.iter().position(|(key, _)| is_one_of(key, &["value"]))?;
    Some((name.as_text()?.to_owned(), index))
}
