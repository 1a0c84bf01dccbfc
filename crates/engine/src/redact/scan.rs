//! One pass over a reading of a text, which finds every secret in it.
//!
//! Most bytes of most logs cannot begin a secret. One table says of each byte whether it is part of a word and whether
//! it is a sign beside which secrets stand (`=`, `:`, `@` ...); another says of the first two bytes of a word whether
//! one that begins like this may be a secret. One small loop passes over everything else; the detectors are asked where
//! it stops and nowhere else. The tables are built from what the detectors look for, and a test holds the loop to one
//! that asks everywhere.
//!
//! Work is linear: a detector looks back a bounded way or over bytes that no other look back crosses, and a look ahead
//! of any length either finds something, and the loop goes on behind it, or says how far it has read.

use super::assignment::{self, Assignment};
use super::names::Names;
use super::view::{DEPTH_MAX, View, hex};
use super::{Found, address, base64, card, credential, key_shape, marker_around, private_key};
use crate::record::RedactionKind;

/// Part of a word: a letter or digit.
const WORD: u8 = 1;
/// A sign beside which secrets stand.
const SIGN: u8 = 2;
/// The sign that most often is none: a dash.
const DASH: u8 = 3;

/// What each byte may mean.
static CLASSES: [u8; 256] = {
    let mut classes = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let letter = byte as u8;
        if letter.is_ascii_alphanumeric() {
            classes[byte] = WORD;
        }
        if matches!(letter, b'=' | b':' | b'@' | b'>' | b'\\' | b'%' | b'&') {
            classes[byte] = SIGN;
        }
        if letter == b'-' {
            classes[byte] = DASH;
        }
        byte += 1;
    }
    classes
};

/// The second bytes that a word which may be a secret can have, by its first byte: bit `second & 31`, so that letters
/// stand for both cases.
static SECONDS: [u32; 256] = {
    let mut seconds = [0u32; 256];
    let mut first = 0usize;
    while first < 256 {
        seconds[first] = match first as u8 {
            // Cards: what follows is looked at further on.
            b'2'..=b'6' => u32::MAX,
            // `bearer`, `basic`, `BEGIN`; `digest`; `eyJ`; `curl`.
            b'B' | b'b' => second(b'e') | second(b'a'),
            b'D' => second(b'i'),
            b'e' => second(b'y'),
            letter => {
                let mut seconds = if letter == b'c' {
                    second(b'u')
                } else if letter == b'd' {
                    second(b'i')
                } else {
                    0
                };
                let mut next = 0u8;
                while next < 128 {
                    if key_shape::may_begin(letter, next) {
                        seconds |= second(next);
                    }
                    next += 1;
                }
                seconds
            }
        };
        first += 1;
    }
    seconds
};

const fn second(byte: u8) -> u32 {
    1 << (byte & 31)
}

/// Whether a word that begins with these two bytes may be a secret by its beginning.
fn may_begin(first: u8, next: u8) -> bool {
    SECONDS[first as usize] & second(next) != 0
}

/// What to look for.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    /// Names whose values are secret.
    pub(super) names: &'a Names,
    /// Remove e-mail addresses.
    pub(super) email: bool,
    /// Remove IP addresses.
    pub(super) ip: bool,
    /// The text is a template: `{name}` is no value.
    pub(super) is_template: bool,
    /// Ask every detector at every word, as the reference that the tests compare with.
    #[cfg(test)]
    pub(super) asks_everywhere: bool,
}

impl Search<'_> {
    /// Everything secret in `text`, in order, without overlaps, at offsets of `text`; and the bytes looked at.
    pub(super) fn find(&self, text: &[u8]) -> (Vec<Found>, u64) {
        #[cfg(test)]
        if self.asks_everywhere {
            return self.find_in(text, true);
        }
        self.find_in(text, true)
    }

    fn find_in(&self, text: &[u8], with_blobs: bool) -> (Vec<Found>, u64) {
        let mut found = Vec::new();
        let mut decoded;
        let mut view = View::plain(text);
        let mut steps = 0;
        for depth in 0..=DEPTH_MAX {
            let from = found.len();
            let mut scan =
                Scan { view: &view, search: *self, with_blobs, found: &mut found, has_escapes: false, steps: 0 };
            #[cfg(test)]
            if self.asks_everywhere {
                scan.run_asking_everywhere();
            } else {
                scan.run();
            }
            #[cfg(not(test))]
            scan.run();
            let has_escapes = scan.has_escapes;
            steps += scan.steps + view.steps.get();
            for item in found.iter_mut().skip(from) {
                item.start = view.origin(item.start);
                item.end = view.origin(item.end);
            }
            match if has_escapes && depth < DEPTH_MAX { view.decoded() } else { None } {
                Some(next) => decoded = next,
                None => break,
            }
            view = decoded.view();
        }
        if found.is_empty() {
            return (found, steps);
        }
        let mut found = merged(found);
        for item in &mut found {
            whole_markers(text, item);
        }
        (merged(found), steps)
    }
}

/// Moves the ends of `item` out of replacements that stand in `text`: one is never half removed.
fn whole_markers(text: &[u8], item: &mut Found) {
    if let Some((_, end)) = marker_around(text, item.start) {
        item.start = end;
    }
    if let Some((_, end)) = marker_around(text, item.end) {
        item.end = end;
    }
}

/// The same secrets without overlaps: of two that overlap one remains, as long as both and of the longer one's kind.
fn merged(mut found: Vec<Found>) -> Vec<Found> {
    found.retain(|item| item.start < item.end);
    found.sort_by_key(|item| (item.start, std::cmp::Reverse(item.end), item.kind));
    let mut merged: Vec<Found> = Vec::with_capacity(found.len());
    for item in found {
        match merged.last_mut() {
            Some(last) if item.start < last.end => {
                if item.end - item.start > last.end - last.start {
                    last.kind = item.kind;
                }
                last.end = last.end.max(item.end);
            }
            _ => merged.push(item),
        }
    }
    merged
}

/// Bytes of the shortest secret that is one word: a payment card's number has thirteen digits.
const SECRET_WORD_BYTES_MIN: usize = 13;

/// Whether `text` is one word, too short for a secret: as are most components, environments and categories. Everything
/// shorter that is removed needs a separator or a blank.
pub(super) fn is_short_word(text: &[u8]) -> bool {
    text.len() < SECRET_WORD_BYTES_MIN
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// One pass.
struct Scan<'v, 's> {
    view: &'v View<'v>,
    search: Search<'s>,
    with_blobs: bool,
    found: &'v mut Vec<Found>,
    has_escapes: bool,
    /// Work done outside of the view: in decoded blobs.
    steps: u64,
}

/// Up to where the pass has read for one question, so that it is not asked twice.
#[derive(Default)]
struct ReadTo {
    blob: usize,
    /// A byte that is no digit of base64 stands just before here: a blob begins here at the earliest.
    blob_break: usize,
    scheme: usize,
    connection: usize,
    /// Where the last `curl` stands.
    curl: Option<usize>,
}

/// Something that the detectors must look at: where it stands, and its first byte.
enum Event {
    /// A word that may be a secret by its beginning, or begin a blob.
    Word(usize, u8),
    /// A sign.
    Sign(usize, u8),
}

/// What is to be looked at next from `at` on, where a word may begin. No blob begins before `blob_from`; `has_curl` says that
/// a `curl` was seen, whose flags need not stand free.
///
/// Nearly all bytes of nearly all logs are looked at here and nowhere else: two look-ups for each.
#[inline(never)]
fn next_event(bytes: &[u8], at: usize, blob_from: usize, has_curl: bool) -> Option<Event> {
    let (mut at, mut blob_from) = (at, blob_from);
    loop {
        let byte = *bytes.get(at)?;
        match CLASSES[byte as usize] {
            0 => at += 1,
            WORD => {
                let next = bytes.get(at + 1).copied().unwrap_or(0);
                let may_be = may_begin(byte, next) && (!byte.is_ascii_digit() || card::may_begin(bytes, at));
                if may_be {
                    return Some(Event::Word(at, byte));
                }
                if at >= blob_from && may_begin_blob(bytes, at) {
                    match blob_break(bytes, at) {
                        // No blob begins before the break: it would have to go through it.
                        Some(behind) => blob_from = behind,
                        None => return Some(Event::Word(at, byte)),
                    }
                }
                at = word_end(bytes, at);
            }
            // A dash matters before the name of a flag, which stands free; behind a `curl` any may be one.
            DASH if !bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
                || (!has_curl
                    && at.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric)) =>
            {
                at += 1;
            }
            _ => return Some(Event::Sign(at, byte)),
        }
    }
}

/// Where the word that begins at `start` ends.
#[inline]
fn word_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start + 1;
    while bytes.get(end).is_some_and(|byte| CLASSES[*byte as usize] == WORD) {
        end += 1;
    }
    end
}

/// Whether base64 long enough to be looked into may begin at `start`: a look at some of the digits that it would have
/// tells most words from it.
#[inline]
fn may_begin_blob(bytes: &[u8], start: usize) -> bool {
    let is_digit = |offset: usize| bytes.get(start + offset).is_some_and(|byte| base64::is_digit(*byte));
    is_digit(base64::BLOB_BYTES_MIN - 1) && is_digit(8) && is_digit(5) && is_digit(11)
}

/// Where base64 may begin at the earliest, if what begins at `start` is not long enough to be looked into: behind the last
/// byte that is none of its digits.
#[inline]
fn blob_break(bytes: &[u8], start: usize) -> Option<usize> {
    let Some(first) = bytes.get(start..start + base64::BLOB_BYTES_MIN) else { return Some(bytes.len()) };
    first.iter().rposition(|&byte| !base64::is_digit(byte)).map(|offset| start + offset + 1)
}

/// Bytes of a command line in which a flag belongs to the program before it.
const PROGRAM_BYTES_MAX: usize = 512;

impl Scan<'_, '_> {
    fn run(&mut self) {
        let bytes = self.view.bytes();
        let mut read = ReadTo::default();
        let mut at = 0;
        while let Some(event) = next_event(bytes, at, read.blob.max(read.blob_break), read.curl.is_some()) {
            let (next, behind) = match event {
                Event::Word(index, byte) => {
                    let next = bytes.get(index + 1).copied().unwrap_or(0);
                    let found = if may_begin(byte, next) { self.beginning(index, byte, &mut read) } else { None };
                    let next = match found {
                        Some(found) => self.note(Some(found)),
                        None if index < read.blob_break => None,
                        None => self.blobs(index, &mut read),
                    };
                    (next.map(|end| end.max(index + 1)), word_end(bytes, index))
                }
                Event::Sign(index, byte) => {
                    (self.at_sign(index, byte, &mut read).map(|end| end.max(index + 1)), index + 1)
                }
            };
            at = next.unwrap_or(behind);
        }
        if self.search.ip {
            address::ips(self.view, self.found);
        }
        self.view.spend(bytes.len());
    }

    /// The same, byte by byte and without the tables: slow and plainly right.
    #[cfg(test)]
    fn run_asking_everywhere(&mut self) {
        let bytes = self.view.bytes();
        let mut index = 0;
        let mut in_word = false;
        let mut read = ReadTo::default();
        while let Some(&byte) = bytes.get(index) {
            read.blob_break = 0;
            let is_word = byte.is_ascii_alphanumeric();
            let next = match is_word {
                true if in_word => None,
                true => match self.beginning(index, byte, &mut read) {
                    Some(found) => self.note(Some(found)),
                    None => self.blobs(index, &mut read),
                },
                false => self.at_sign(index, byte, &mut read),
            };
            in_word = is_word && next.is_none();
            index = next.unwrap_or(index + 1).max(index + 1);
        }
        if self.search.ip {
            address::ips(self.view, self.found);
        }
        self.view.spend(bytes.len());
    }

    /// Whether detectors are asked without a look at what they could find.
    fn is_asked_everywhere(&self) -> bool {
        #[cfg(test)]
        return self.search.asks_everywhere;
        #[cfg(not(test))]
        false
    }

    /// Notes what was found and says where to go on.
    fn note(&mut self, found: Option<Found>) -> Option<usize> {
        let found = found?;
        self.found.push(found);
        Some(found.end)
    }

    /// The secret that the word at `index` begins.
    fn beginning(&self, index: usize, byte: u8, read: &mut ReadTo) -> Option<Found> {
        let view = self.view;
        match byte {
            b'0'..=b'9' => {
                if self.is_asked_everywhere() || card::may_begin(view.bytes(), index) {
                    card::at(view, index)
                } else {
                    None
                }
            }
            b'B' | b'b' if view.before(index) == b'-' || view.before(index.saturating_sub(1)) == b'-' => {
                let key = private_key::around(view, index);
                key.map(|(start, end)| Found { start, end, kind: RedactionKind::PrivateKey })
                    .or_else(|| credential::at_scheme(view, index))
            }
            b'c' if view.is_at(index, b"curl") => {
                read.curl = Some(index);
                key_shape::at(view, index)
            }
            b'B' | b'b' | b'D' => credential::at_scheme(view, index),
            b'd' => credential::at_scheme(view, index).or_else(|| key_shape::at(view, index)),
            b'e' => credential::jwt(view, index),
            _ => key_shape::at(view, index),
        }
    }

    /// Notes the base64 that hides a secret in the run which begins at `index`; says where to go on if there was any.
    fn blobs(&mut self, index: usize, read: &mut ReadTo) -> Option<usize> {
        let view = self.view;
        if !self.with_blobs || index < read.blob || index < read.blob_break {
            return None;
        }
        if let Some(behind) = blob_break(view.bytes(), index) {
            read.blob_break = behind;
            return None;
        }
        let end = view.run_end(index, base64::is_digit);
        read.blob = end;
        let run = view.slice(index, end);
        let before = self.found.len();
        if let Some(kind) = self.secret_in(run) {
            self.found.push(Found { start: index, end: view.run_end(end, |byte| byte == b'='), kind });
        } else if run.contains(&b'/') {
            // In a path, the blob may be one segment.
            let mut start = index;
            for part in run.split(|&byte| byte == b'/') {
                if let Some(kind) = self.secret_in(part) {
                    let stop = start + part.len();
                    let stop = if stop == end { view.run_end(end, |byte| byte == b'=') } else { stop };
                    self.found.push(Found { start, end: stop, kind });
                }
                start += part.len() + 1;
            }
        }
        // The words of the run are still looked at, for what is not encoded in it.
        let last = self.found.get(before..).and_then(<[Found]>::last)?;
        (before + 1 == self.found.len() && last.start == index).then_some(last.end)
    }

    /// The kind of the first secret in what `text` encodes.
    fn secret_in(&mut self, text: &[u8]) -> Option<RedactionKind> {
        let decoded = base64::decode_text(text)?;
        let (found, steps) = self.search.find_in(&decoded, false);
        self.steps += steps + text.len() as u64;
        found.first().map(|found| found.kind)
    }

    /// Looks around the sign at `index`.
    fn at_sign(&mut self, index: usize, byte: u8, read: &mut ReadTo) -> Option<usize> {
        let view = self.view;
        match byte {
            b':' if view.is_at(index, b"://") => {
                if index < read.scheme {
                    return None;
                }
                let assignment = assignment::at_scheme(view, index);
                // Behind the `@` too: what stands around it is no e-mail address.
                self.take(assignment, &mut read.scheme).map(|end| end + 1)
            }
            b'=' | b':' => {
                if byte == b':'
                    && let Some(found) = key_shape::at_colon(view, index)
                {
                    return self.note(Some(found));
                }
                let judged_to = read.connection;
                let assignment =
                    assignment::at_separator(view, self.search.names, index, self.search.is_template, judged_to);
                self.take(assignment, &mut read.connection)
            }
            b'@' if self.search.email => {
                let found = address::email(view, index);
                self.note(found)
            }
            b'>' => {
                let found = assignment::at_tag_end(view, self.search.names, index);
                self.note(found)
            }
            b'-' if view.at(index + 1).is_ascii_alphabetic() => {
                let found = assignment::at_flag(view, self.search.names, index + 1).or_else(|| {
                    let is_near = read.curl.is_some_and(|curl| index - curl <= PROGRAM_BYTES_MAX);
                    if is_near { assignment::at_user_flag(view, index + 1) } else { None }
                });
                self.note(found)
            }
            b'\\' => {
                let next = view.at(index + 1);
                self.has_escapes |= matches!(next, b'u' | b'x' | b'/');
                // The letter of an escaped line end is not the beginning of the next word.
                matches!(next, b'n' | b'r' | b't').then_some(index + 2)
            }
            b'%' => {
                self.has_escapes |= hex(view.at(index + 1)).is_some() && hex(view.at(index + 2)).is_some();
                None
            }
            b'&' => {
                self.has_escapes |= view.at(index + 1) == b'#' || view.slice(index + 1, index + 9).contains(&b';');
                None
            }
            _ => None,
        }
    }

    fn take(&mut self, assignment: Assignment, read_to: &mut usize) -> Option<usize> {
        match assignment {
            Assignment::Secret(found) => self.note(Some(found)),
            Assignment::ReadTo(end) => {
                *read_to = end;
                None
            }
            Assignment::Nothing => None,
        }
    }
}
