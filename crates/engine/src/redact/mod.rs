//! Removes what must not be kept: before a record is stored, shown or sent, every text in it has passed through here.
//!
//! A secret is known by the name beside it (`names`, `assignment`, `value`), or by its own shape
//! (`credential`, `key_shape`, `private_key`, `card`, `address`). Text is read as it stands and as a reader
//! would decode it (`view`, `base64`), in one pass per reading (`scan`). What is found is replaced by
//! `[redacted:<kind>]`; everything around it stays byte for byte.
//!
//! Invariants: total and deterministic; work grows with the text and not faster, whatever the text; redacting twice is
//! redacting once; a text without secrets is returned as it came, without an allocation. Every replacement adds at
//! most 21 bytes.
//!
//! Left out: secrets with neither a name nor a shape; see docs/operating/redaction.md for the limits in plain words.

mod address;
mod assignment;
mod base64;
mod card;
mod credential;
mod key_shape;
mod names;
mod private_key;
mod scan;
mod value;
mod view;
mod walk;

use crate::record::{Redaction, RedactionKind};
use names::Names;
use scan::Search;
use std::borrow::Cow;

/// What every replacement begins with.
const MARKER: &[u8] = b"[redacted:";
/// Bytes of the longest replacement, `[redacted:private_key]`.
const MARKER_BYTES_MAX: usize = 22;

/// How often a text is read over at most. Each reading removes something, or is the last.
const READINGS_MAX: usize = 4;

/// What to remove besides what is always removed. Checked where configuration is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactConfig {
    /// Remove IP addresses. Off by default: without them an operator cannot tell one client from another.
    pub redact_ip: bool,
    /// Remove e-mail addresses. On by default.
    pub redact_email: bool,
    /// Further names whose values are secret, in any spelling: `patient_number` also stands for `PatientNumber`. Only
    /// the last 96 bytes of a name are compared; a name without a letter or digit is ignored.
    pub extra_names: Vec<String>,
}

impl Default for RedactConfig {
    fn default() -> Self {
        Self { redact_ip: false, redact_email: true, extra_names: Vec::new() }
    }
}

/// Something secret in a text: where it is, in bytes, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    start: usize,
    end: usize,
    kind: RedactionKind,
}

/// How often each kind of secret was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedactionCounts {
    counts: [u32; RedactionKind::ALL.len()],
}

impl RedactionCounts {
    /// Counts one removal. A count stays at `u32::MAX` once there.
    fn add(&mut self, kind: RedactionKind, times: u32) {
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count = count.saturating_add(times);
        }
    }

    /// Whether nothing was removed.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }

    /// How often `kind` was removed.
    pub fn of(&self, kind: RedactionKind) -> u32 {
        self.counts.get(kind as usize).copied().unwrap_or(0)
    }

    /// These counts together with `before`: one entry for each kind that was removed, in order of kind.
    fn joined_with(mut self, before: &[Redaction]) -> Vec<Redaction> {
        for redaction in before {
            self.add(redaction.kind, redaction.count);
        }
        RedactionKind::ALL
            .into_iter()
            .map(|kind| Redaction { kind, count: self.of(kind) })
            .filter(|redaction| redaction.count > 0)
            .collect()
    }
}

/// Removes secrets from texts and records.
#[derive(Clone, Debug)]
pub struct Redactor {
    names: Names,
    email: bool,
    ip: bool,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(&RedactConfig::default())
    }
}

impl Redactor {
    /// A redactor for `config`.
    pub fn new(config: &RedactConfig) -> Self {
        Self { names: Names::new(&config.extra_names), email: config.redact_email, ip: config.redact_ip }
    }

    /// `text` without its secrets; borrowed if there were none. For replies that echo what was sent.
    ///
    /// ```
    /// use sapwood_engine::redact::Redactor;
    /// let redactor = Redactor::default();
    /// assert_eq!(redactor.redact_text("login password=hunter2 ok"), "login password=[redacted:field] ok");
    /// ```
    pub fn redact_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redact_counted(text, &mut RedactionCounts::default())
    }

    /// `text` without its secrets, each counted in `counts`.
    pub fn redact_counted<'t>(&self, text: &'t str, counts: &mut RedactionCounts) -> Cow<'t, str> {
        self.settled(text, false, counts)
    }

    /// `text` redacted until there is nothing left to redact. A replacement can uncover a secret: what stands behind it
    /// begins a word that did not begin before. One more reading settles that; a clean text is read once.
    #[inline]
    fn settled<'t>(&self, text: &'t str, is_template: bool, counts: &mut RedactionCounts) -> Cow<'t, str> {
        if scan::is_short_word(text.as_bytes()) {
            Cow::Borrowed(text)
        } else {
            self.settled_long(text, is_template, counts)
        }
    }

    fn settled_long<'t>(&self, text: &'t str, is_template: bool, counts: &mut RedactionCounts) -> Cow<'t, str> {
        let search = self.search(is_template);
        let mut settled = Cow::Borrowed(text);
        for _ in 0..READINGS_MAX {
            let found = search.find(settled.as_bytes()).0;
            if found.is_empty() {
                break;
            }
            settled = Cow::Owned(replaced(&settled, &found, counts));
        }
        settled
    }

    fn search(&self, is_template: bool) -> Search<'_> {
        Search {
            names: &self.names,
            email: self.email,
            ip: self.ip,
            is_template,
            #[cfg(test)]
            asks_everywhere: self.names.asks_everywhere,
        }
    }
}

/// `text` with everything in `found` replaced. Offsets inside a character are moved out to its ends.
fn replaced(text: &str, found: &[Found], counts: &mut RedactionCounts) -> String {
    let mut output = String::with_capacity(text.len() + 8 * found.len());
    let mut kept_to = 0;
    for item in found {
        let start = text.floor_char_boundary(item.start);
        let end = text.ceil_char_boundary(item.end);
        // Two secrets may share a character that was cut by both.
        if let Some(kept) = text.get(kept_to..start) {
            output.push_str(kept);
        }
        output.push_str("[redacted:");
        output.push_str(item.kind.word());
        output.push(']');
        counts.add(item.kind, 1);
        kept_to = end.max(kept_to);
    }
    output.push_str(text.get(kept_to..).unwrap_or_default());
    output
}

/// Length of the replacement that begins at `index`, if one does.
fn marker_len(text: &[u8], index: usize) -> Option<usize> {
    let word = text.get(index..)?.strip_prefix(MARKER)?;
    let is_kind = |kind: &RedactionKind| {
        word.strip_prefix(kind.word().as_bytes()).is_some_and(|rest| rest.first() == Some(&b']'))
    };
    let kind = RedactionKind::ALL.into_iter().find(is_kind)?;
    Some(MARKER.len() + kind.word().len() + 1)
}

/// Whether a replacement begins at `index`.
fn is_marker_at(view: &view::View<'_>, index: usize) -> bool {
    marker_len(view.bytes(), index).is_some()
}

/// The replacement that `index` lies inside of, neither at its beginning nor behind its end.
fn marker_around(text: &[u8], index: usize) -> Option<(usize, usize)> {
    let starts = index.saturating_sub(MARKER_BYTES_MAX)..index;
    starts.rev().find_map(|start| {
        let end = start + marker_len(text, start)?;
        (index < end).then_some((start, end))
    })
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
