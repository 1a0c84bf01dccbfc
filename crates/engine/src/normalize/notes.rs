//! What normalizing found on the way: defects, each once, and values that could not be used as the field they were
//! sent as. Nothing that was sent disappears: an unusable value goes back to the attributes under its field's name.

use super::text::{self, Breaks};
use crate::limits;
use crate::record::Defect;
use crate::value::{Fields, Value};

/// Defects and set-aside values of one record.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Oddities, each at most once, in order of discovery.
    pub(crate) defects: Vec<Defect>,
    /// Values that become attributes.
    pub(crate) aside: Fields,
}

impl Notes {
    /// Notes that start with what the decoder found.
    pub(crate) fn new(defects: Vec<Defect>) -> Self {
        Self { defects, aside: Vec::new() }
    }

    /// Remembers a defect.
    pub(crate) fn defect(&mut self, defect: Defect) {
        if !self.defects.contains(&defect) {
            self.defects.push(defect);
        }
    }

    /// Keeps an unusable value of `field` as an attribute.
    pub(crate) fn ignore(&mut self, field: &str, value: Value) {
        self.defect(Defect::FieldIgnored);
        self.aside.push((field.to_string(), value));
    }

    /// Cleans a text in place and notes what was done; `cut` is the defect that names a cut of this field.
    pub(crate) fn clean(&mut self, text: &mut String, limit: usize, breaks: Breaks, cut: Defect) {
        let done = text::clean(text, limit, breaks);
        if done.cut {
            self.defect(cut);
        }
        if done.controls {
            self.defect(Defect::ControlCharacters);
        }
    }

    /// A single-line field of at most `limit` bytes; blank is absent.
    #[inline(always)]
    pub(crate) fn field_within(&mut self, sent: Option<String>, limit: usize) -> Option<String> {
        // Most fields of most records are absent: that is told without a call.
        self.text_within(sent?, limit)
    }

    #[inline(never)]
    fn text_within(&mut self, mut text: String, limit: usize) -> Option<String> {
        text::trim(&mut text);
        self.clean(&mut text, limit, Breaks::Escaped, Defect::FieldCut);
        text::trim(&mut text);
        (!text.is_empty()).then_some(text)
    }

    /// A single-line field of ordinary length; blank is absent.
    #[inline(always)]
    pub(crate) fn field(&mut self, sent: Option<String>) -> Option<String> {
        self.field_within(sent, limits::FIELD_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_noted_once() {
        let mut notes = Notes::new(vec![Defect::InvalidUtf8]);
        notes.defect(Defect::InvalidUtf8);
        notes.ignore("source", Value::Int(1));
        notes.ignore("ip", Value::Int(2));
        assert_eq!(notes.defects, [Defect::InvalidUtf8, Defect::FieldIgnored]);
        assert_eq!(notes.aside.len(), 2);
    }

    #[test]
    fn a_blank_field_is_absent_and_a_long_one_is_cut() {
        let mut notes = Notes::default();
        assert_eq!(notes.field(Some(" \t\n".into())), None);
        assert_eq!(notes.field(Some("\u{1b}[0m ".into())), None);
        assert_eq!(notes.field(Some(" a ".into())).as_deref(), Some("a"));
        assert_eq!(notes.defects, [Defect::ControlCharacters]);
        assert_eq!(notes.field(Some("x".repeat(3000))).map(|text| text.len()), Some(2031));
        assert_eq!(notes.defects, [Defect::ControlCharacters, Defect::FieldCut]);
    }
}
