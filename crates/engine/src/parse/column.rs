//! The columns before a message: time, level, bracket groups, names and numbers between separators.
//!
//! Columns are read from left to right. What certainly belongs to a header (a time, a level, a process id in brackets)
//! is cut off at once; what may be text (a word, a number) is kept pending and cut off only if a level follows, because
//! a level is what proves that everything before it was header. After the level come thread, logger and the like, up to
//! the colon or hyphen that closes the header.

use crate::parse::group::{self, Group, Inner};
use crate::parse::header::ParsedLine;
use crate::parse::level_token::{self, Form, Place};
use crate::parse::syslog::{self, Proof};
use crate::parse::timestamp::{self, ReadTime};
use crate::parse::{access, ansi, header, pairs, word};
use crate::time::Timestamp;
use std::borrow::Cow;

/// Columns looked at before the level, and as many after it.
const COLUMNS_MAX: usize = 12;

/// Reads a line made of columns and a message.
pub(crate) fn read(text: &str, reference: Timestamp, nesting: u8) -> ParsedLine<'_> {
    let mut columns = Columns {
        parsed: ParsedLine::default(),
        text,
        at: 0,
        reference,
        nesting,
        proof: Proof::None,
        is_level_bare: false,
        is_strong: false,
        is_complete: false,
    };
    columns.read();
    if !columns.is_complete {
        columns.parsed.message = Cow::Borrowed(columns.rest_at(columns.at));
    }
    columns.parsed
}

struct Columns<'a> {
    parsed: ParsedLine<'a>,
    text: &'a str,
    /// Everything before is header for certain.
    at: usize,
    reference: Timestamp,
    nesting: u8,
    /// What the line has shown of being syslog.
    proof: Proof,
    /// The level stood without brackets.
    is_level_bare: bool,
    /// The header has shown so much structure that a plain word before a colon is a logger.
    is_strong: bool,
    /// The message has been found by another grammar.
    is_complete: bool,
}

/// Columns that are header only if a level follows.
#[derive(Default)]
struct Pending<'a> {
    time: Option<ReadTime>,
    host: Option<&'a str>,
    pid: Option<&'a str>,
    thread: Option<&'a str>,
    logger: Option<&'a str>,
    pairs: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn rest_at(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or("")
    }

    fn read(&mut self) {
        if let Some((level, len)) = syslog::priority(self.text) {
            (self.parsed.level, self.at, self.proof) = (Some(level), len, Proof::Priority);
        }
        if self.composed().is_some() {
            return;
        }
        self.opening();
        if self.parsed.timestamp.is_some() || self.proof == Proof::Priority {
            if self.contained().is_some() || self.tagged(self.at).is_some() {
                return;
            }
            let rest = word::trim_start(self.rest_at(self.at));
            if self.parsed.timestamp.is_some() && access::read_columns(rest, &mut self.parsed).is_some() {
                self.is_complete = true;
                return;
            }
        }
        let (start, _) = self.skip_separators(self.at);
        let rest = self.rest_at(start);
        if pairs::read_record(rest, &mut self.parsed, self.reference).is_some() {
            self.is_complete = true;
            return;
        }
        self.before_level();
    }

    /// `name | line`: how composed containers are told apart. The line must prove itself.
    fn composed(&mut self) -> Option<()> {
        const NAME_BYTES_MAX: usize = 64;
        let name = word::next(self.text);
        let rest = self.rest_at(name.len()).trim_start_matches([' ', '\t']).strip_prefix("| ")?;
        let is_name = word::is_name(name) && name.len() <= NAME_BYTES_MAX && word::level_word(name).is_none();
        if !is_name || self.nesting == 0 {
            return None;
        }
        let inner = header::parse_nested(rest, self.reference, self.nesting - 1);
        if inner.timestamp.is_none() && inner.level.is_none() {
            return None;
        }
        self.parsed.absorb(inner);
        self.parsed.process = Some(name);
        self.is_complete = true;
        Some(())
    }

    /// The time, where the line starts with it: alone, in brackets, or behind a level letter.
    fn opening(&mut self) {
        let start = self.at + ansi::blank_len(self.rest_at(self.at));
        let rest = self.rest_at(start);
        if let Some(len) = self.lettered(rest) {
            self.at = start + len;
        } else if let Some((time, len)) = timestamp::read_prefix(rest, self.reference) {
            self.take_time(time, rest);
            self.at = start + len;
        } else if let Some(found) = word::group(rest)
            && let Group::Header(inner) = group::classify(word::inside(found), self.reference)
        {
            self.take_inner(inner, word::inside(found));
            self.at = start + found.len();
        }
    }

    /// `I1120 10:00:00.000000  123 file.go:10] message`, and the `I, [` that Ruby puts before its bracket.
    fn lettered(&mut self, rest: &'a str) -> Option<usize> {
        let level = word::level_letter(rest.bytes().next()?)?;
        if rest.get(1..)?.starts_with(", [") {
            self.parsed.level = Some(level);
            let found = word::group(rest.get(3..)?)?;
            let Group::Header(inner) = group::classify(word::inside(found), self.reference) else { return None };
            self.take_inner(inner, word::inside(found));
            return Some(3 + found.len());
        }
        let (time, len) = timestamp::read_prefix(rest.get(1..)?, self.reference)?;
        if !rest.as_bytes().get(1)?.is_ascii_digit() {
            return None;
        }
        (self.parsed.level, self.parsed.timestamp) = (Some(level), Some(time));
        let mut at = 1 + len;
        let number = rest.get(at..)?.trim_start_matches(' ');
        let thread = word::next(number);
        if !word::is_digits(thread) {
            return Some(at);
        }
        self.parsed.thread = Some(thread);
        at = rest.len() - number.len() + thread.len();
        let source = rest.get(at..)?.trim_start_matches(' ');
        if let Some(name) = word::next(source).strip_suffix(']').filter(|name| word::is_name(name)) {
            self.parsed.logger = Some(name);
            at = rest.len() - source.len() + name.len() + 1;
        }
        Some(at)
    }

    fn take_time(&mut self, time: ReadTime, written: &str) {
        self.parsed.timestamp = Some(time);
        if self.proof == Proof::None {
            let is_named = written.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
            self.proof = match (is_named && time.year_assumed, time.zone_assumed) {
                (true, _) => Proof::Date,
                (_, false) => Proof::Zone,
                _ => Proof::None,
            };
        }
    }

    fn take_inner(&mut self, inner: Inner<'a>, written: &str) {
        if let Some(time) = inner.time.filter(|_| self.parsed.timestamp.is_none()) {
            self.take_time(time, written);
        }
        self.parsed.level = self.parsed.level.or(inner.level);
        self.parsed.logger = self.parsed.logger.or(inner.logger);
        self.parsed.process = self.parsed.process.or(inner.process);
        self.parsed.pid = self.parsed.pid.or(inner.pid);
    }

    /// `TIME stdout F line`, as container runtimes write it.
    fn contained(&mut self) -> Option<()> {
        let rest = self.rest_at(self.at).strip_prefix(' ')?;
        let after = rest.strip_prefix("stdout ").or_else(|| rest.strip_prefix("stderr "))?;
        let line = after.strip_prefix("F ").or_else(|| after.strip_prefix("P "))?;
        self.parsed.push_field("stream", Cow::Borrowed(rest.get(..6)?));
        self.finish_with(line);
        Some(())
    }

    /// Host and tag of syslog at `at`; the message after them may be a line of another kind.
    fn tagged(&mut self, at: usize) -> Option<()> {
        let start = at + ansi::blank_len(self.rest_at(at));
        let tag = syslog::host_and_tag(self.rest_at(start), self.proof)?;
        let parsed = &mut self.parsed;
        (parsed.host, parsed.process, parsed.pid) = (tag.host, tag.process.or(parsed.process), tag.pid.or(parsed.pid));
        self.finish_with(self.rest_at(start + tag.len));
        Some(())
    }

    /// `raw` is the rest of the line, and may be a line of another kind.
    fn finish_with(&mut self, raw: &'a str) {
        self.is_complete = true;
        syslog::carry(&mut self.parsed, raw.trim_start(), raw, self.reference, self.nesting);
    }

    /// Passes blanks, colours and separators that stand alone; says where it stopped and which separator came last.
    fn skip_separators(&self, from: usize) -> (usize, u8) {
        let mut at = from;
        let mut last = 0;
        loop {
            at += ansi::blank_len(self.rest_at(at));
            let rest = self.rest_at(at).as_bytes();
            let len = match rest.first() {
                Some(b'-') => rest.iter().take(4).take_while(|byte| **byte == b'-').count(),
                Some(b'|' | b':' | b',' | b';') => 1,
                _ => return (at, last),
            };
            let stands_alone = matches!(rest.get(len), None | Some(b' ' | b'\t' | 0x1b));
            // A pipe separates without blanks too, a comma and a colon only right behind something.
            let is_separator = match rest.first() {
                Some(b'|') => true,
                Some(b'-') => stands_alone && len <= 3,
                _ => stands_alone,
            };
            if !is_separator {
                return (at, last);
            }
            last = if len > 1 { b'=' } else { rest.first().copied().unwrap_or(0) };
            at += len;
        }
    }

    /// Columns up to the level.
    fn before_level(&mut self) {
        let mut pending = Pending::default();
        let mut at = self.at;
        let clock = timestamp::clock_column(self.rest_at(at)).filter(|_| self.parsed.timestamp.is_none() && at == 0);
        at += clock.unwrap_or(0);
        let has_time = self.parsed.timestamp.is_some() || clock.is_some();
        let mut place = if has_time { Place::AfterTime } else { Place::Start };
        for index in 0..COLUMNS_MAX {
            let (start, separator) = self.skip_separators(at);
            if let Place::Deep { separated } = &mut place {
                *separated = separator != 0;
            }
            let rest = self.rest_at(start);
            if let Some(found) = word::group(rest) {
                match self.group_before_level(found, start, index, &mut pending) {
                    Step::Done => return,
                    Step::Stop => break,
                    Step::On => at = start + found.len(),
                }
                place = if has_time && index == 0 { place } else { Place::Deep { separated: separator != 0 } };
                if self.parsed.timestamp.is_some() && self.at == at && !has_time {
                    place = Place::AfterTime;
                }
                continue;
            }
            if let Some(len) = self.time_before_level(rest, start, index, &mut pending) {
                at = start + len;
                if self.at == at && self.tagged(at).is_some() {
                    return;
                }
                place = Place::AfterTime;
                continue;
            }
            if self.level_before_message(rest, start, place, &mut pending) {
                return;
            }
            let Some(len) = self.word_before_level(rest, &mut pending) else { break };
            at = start + len;
            place = Place::Deep { separated: false };
        }
        self.without_level();
    }

    /// A bracket group before the level.
    fn group_before_level(&mut self, found: &'a str, start: usize, index: usize, pending: &mut Pending<'a>) -> Step {
        let end = start + found.len();
        match group::classify(word::inside(found), self.reference) {
            Group::Level { level, logger } => {
                self.parsed.logger = logger.or(self.parsed.logger);
                self.commit(pending);
                self.parsed.level = Some(level);
                self.at = end;
                self.after_level();
                return Step::Done;
            }
            Group::Header(inner) => {
                self.take_inner(inner, word::inside(found));
                self.at = end;
                if self.parsed.level.is_some() {
                    self.commit(pending);
                }
            }
            Group::Pid { pid, thread } => {
                pending.pid = pending.pid.or(Some(pid));
                pending.thread = pending.thread.or(thread);
                if self.parsed.timestamp.is_some() && index == 0 {
                    self.parsed.pid = self.parsed.pid.or(Some(pid));
                    self.at = end;
                }
            }
            Group::Uptime if start == 0 => self.at = end,
            Group::Client(address) => {
                self.parsed.client_ip = Some(address);
                return Step::Stop;
            }
            Group::Logger(name) => pending.logger = pending.logger.or(Some(name)),
            Group::Other(name) => pending.thread = pending.thread.or(Some(name).filter(|name| !name.is_empty())),
            Group::Uptime => return Step::Stop,
        }
        Step::On
    }

    /// A time among the columns: the first one counts, wherever at most one short column comes before it.
    fn time_before_level(
        &mut self,
        rest: &'a str,
        start: usize,
        index: usize,
        pending: &mut Pending<'a>,
    ) -> Option<usize> {
        if let Some((time, len)) = timestamp::read_prefix(rest, self.reference) {
            let is_number = rest.get(..len).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let after = self.rest_at(start + len);
            // A bare number behind something else is a time only if a date stands beside it.
            let has_date = || timestamp::date_column(after.trim_start_matches(' ')).is_some();
            if is_number && start > 0 && !has_date() {
                return None;
            }
            if self.parsed.timestamp.is_none() && index <= 1 {
                self.take_time(time, rest);
                // A name before the time says which program or file the line is from.
                self.parsed.process = self.parsed.process.or(pending.logger.take());
                self.commit(pending);
                self.at = start + len;
            } else {
                pending.time = pending.time.or(Some(time));
                if time.year_assumed && self.parsed.timestamp.is_some() {
                    // Syslog behind columns of a collector: the date says where host and tag are.
                    self.proof = Proof::Date;
                    self.at = start + len;
                    self.commit(pending);
                }
            }
            return Some(len);
        }
        timestamp::date_column(rest)
    }

    /// A level word; the header goes on behind it.
    fn level_before_message(&mut self, rest: &'a str, start: usize, place: Place, pending: &mut Pending<'a>) -> bool {
        if let Some(token) = level_token::read(rest, place) {
            self.commit(pending);
            self.parsed.level = Some(token.level);
            self.at = start;
            if token.form == Form::Column {
                self.at = start + token.len;
                self.is_level_bare = true;
                self.after_level();
            }
            return true;
        }
        let first = word::next(rest);
        // `channel.LEVEL: message`
        if let Some((channel, last)) = first.strip_suffix(':').and_then(|name| name.rsplit_once('.'))
            && let Some(found) = word::level_word(last).filter(|found| found.case == word::Case::Upper)
            && word::is_name(channel)
        {
            self.commit(pending);
            self.parsed.level = Some(found.level);
            self.parsed.logger = Some(channel);
            self.at = start + first.len();
            return true;
        }
        self.level_letter(rest, first, start, place, pending)
    }

    /// `I Tag: message`, `I NETWORK  [conn1] message`, `I/Tag( 123): message`.
    fn level_letter(
        &mut self,
        rest: &'a str,
        first: &'a str,
        start: usize,
        place: Place,
        pending: &mut Pending<'a>,
    ) -> bool {
        let mut bytes = first.bytes();
        let Some(level) = bytes.next().and_then(word::level_letter).filter(|_| place != Place::Start) else {
            return false;
        };
        let after = self.rest_at(start + 1);
        if let Some(tagged) = after.strip_prefix('/') {
            let Some((tag, tail)) = tagged.split_once('(').filter(|(tag, _)| tag.len() <= 64 && word::is_name(tag))
            else {
                return false;
            };
            let Some((pid, message)) = tail.split_once("): ").filter(|(pid, _)| word::is_digits(pid.trim())) else {
                return false;
            };
            (self.parsed.logger, self.parsed.pid) = (Some(tag), Some(pid.trim()));
            self.at = self.text.len() - message.len();
        } else if first.len() == 1 {
            let next = word::trim_start(after);
            let name = word::next(next);
            let closes =
                name.ends_with(':') || word::trim_start(next.get(name.len()..).unwrap_or("")).starts_with(": ");
            let is_padded = name.len() >= 2 && name.bytes().all(|byte| byte.is_ascii_uppercase());
            if !closes && !is_padded && !next.starts_with('[') {
                return false;
            }
            self.at = start + 1;
            (self.is_strong, self.is_level_bare) = (true, true);
        } else {
            return false;
        }
        self.commit(pending);
        self.parsed.level = Some(level);
        if self.is_strong && rest.len() > 1 {
            self.after_level();
        }
        true
    }

    /// A word or number that may be a column; its length.
    fn word_before_level(&self, rest: &'a str, pending: &mut Pending<'a>) -> Option<usize> {
        let first = word::next(rest);
        let after = self.rest_at(self.text.len() - rest.len() + first.len());
        let next = word::trim_start(after);
        let is_fenced = next.starts_with('|') || next.starts_with("- ") || next.starts_with("-- ");
        let bare = first.trim_end_matches(',');
        if word::is_digits(bare) {
            pending.pid = pending.pid.or(Some(bare));
        } else if pairs::starts_pair(first) {
            pending.pairs.push(first);
        } else if is_fenced && word::is_name(first) {
            pending.logger = pending.logger.or(Some(first));
        } else if word::is_column(bare) {
            let is_logger = word::is_identifier(bare) && bare.contains('.') && !word::is_host_like(bare);
            if is_logger {
                pending.logger = pending.logger.or(Some(bare));
            } else if looks_like_host(bare) {
                pending.host = pending.host.or(Some(bare));
            }
        } else {
            return None;
        }
        Some(first.len())
    }

    /// What was pending is header after all.
    fn commit(&mut self, pending: &mut Pending<'a>) {
        let pending = std::mem::take(pending);
        let parsed = &mut self.parsed;
        parsed.timestamp = parsed.timestamp.or(pending.time);
        parsed.host = parsed.host.or(pending.host);
        parsed.pid = parsed.pid.or(pending.pid);
        parsed.thread = parsed.thread.or(pending.thread);
        parsed.logger = parsed.logger.or(pending.logger);
        self.is_strong |= pending.thread.is_some();
        for pair in pending.pairs {
            pairs::collect(pair, parsed);
        }
    }

    /// Columns behind the level, up to what closes the header.
    fn after_level(&mut self) {
        if let Some(rest) = self.rest_at(self.at).strip_prefix(':') {
            self.at += 1;
            if ansi::blank_len(rest) == 0 {
                self.tight_logger(rest);
            }
            return;
        }
        let mut at = self.skip_elapsed(self.at);
        let mut has_column = false;
        for _ in 0..COLUMNS_MAX {
            let (start, separator) = self.skip_separators(at);
            let rest = self.rest_at(start);
            if separator == b'=' && at == self.at {
                self.is_strong = true;
            }
            // Separators right behind something certain are certain too; behind a column they close the header.
            if at == self.at {
                self.at = start;
                if has_column && separator == b'-' {
                    return;
                }
            } else if separator == b'-' && has_column {
                self.at = start;
                return;
            }
            let Some(end) = self.column_after_level(rest, start, at) else { return };
            if end == usize::MAX {
                return;
            }
            has_column = true;
            at = end;
        }
    }

    /// `LEVEL:logger:message`.
    fn tight_logger(&mut self, rest: &'a str) {
        let name = rest.split(':').next().unwrap_or("");
        let is_name = word::is_name(name) && !name.contains(' ') && name.len() < rest.len();
        if is_name {
            self.parsed.logger = self.parsed.logger.or(Some(name));
            self.at += name.len() + 1;
        }
    }

    /// `INFO[0042]`: seconds since the program started, glued to the level.
    fn skip_elapsed(&mut self, at: usize) -> usize {
        let Some(found) = word::group(self.rest_at(at)).filter(|found| word::is_digits(word::inside(found))) else {
            return at;
        };
        if self.is_level_bare {
            self.at = at + found.len();
        }
        self.at.max(at)
    }

    /// One column behind the level: where it ends; `usize::MAX` if it closed the header; `None` if it is message.
    fn column_after_level(&mut self, rest: &'a str, start: usize, from: usize) -> Option<usize> {
        if let Some(found) = word::group(rest) {
            return self.group_after_level(found, start, from);
        }
        if self.parsed.timestamp.is_none() {
            if let Some((time, len)) = timestamp::read_prefix(rest, self.reference) {
                self.take_time(time, rest);
                self.at = start + len;
                return Some(self.at);
            }
            if let Some(len) = timestamp::clock_column(rest) {
                self.at = start + len;
                return Some(self.at);
            }
        }
        if let Some(len) = self.process_after_level(rest, start) {
            return Some(len);
        }
        if let Some(len) = span_len(rest) {
            self.at = start + len;
            pairs::collect(rest.get(..len).unwrap_or(""), &mut self.parsed);
            return Some(self.at);
        }
        self.logger_after_level(rest, start)
    }

    /// A process id behind the level: `1234 ---`, `<0.12.0>`, `12#34:`.
    fn process_after_level(&mut self, rest: &'a str, start: usize) -> Option<usize> {
        let first = word::next(rest);
        let next = word::trim_start(rest.get(first.len()..).unwrap_or(""));
        if word::is_digits(first) && (next.starts_with("--- ") || next.starts_with('[')) {
            self.parsed.pid = self.parsed.pid.or(Some(first));
            self.is_strong = true;
            self.at = start + first.len();
            return Some(self.at);
        }
        if let Some(inner) = first.strip_prefix('<').and_then(|inner| inner.strip_suffix('>'))
            && inner.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && !inner.is_empty()
        {
            self.parsed.pid = self.parsed.pid.or(Some(inner));
            self.at = start + first.len();
            return Some(self.at);
        }
        let (pid, thread) = first.strip_suffix(':')?.split_once('#')?;
        if !word::is_digits(pid) || !word::is_digits(thread) {
            return None;
        }
        (self.parsed.pid, self.parsed.thread) = (Some(pid), Some(thread));
        self.at = start + first.len();
        Some(usize::MAX)
    }

    /// A bracket group behind the level. One that says what it is, is header; the first other one behind a bare level,
    /// or one glued to the group before, is a thread; any further one only if a logger closes the header behind it.
    fn group_after_level(&mut self, found: &'a str, start: usize, from: usize) -> Option<usize> {
        let end = start + found.len();
        let is_certain_so_far = self.at == start || self.at == from;
        match group::classify(word::inside(found), self.reference) {
            Group::Header(inner) => self.take_inner(inner, word::inside(found)),
            Group::Pid { pid, thread } => {
                self.parsed.pid = self.parsed.pid.or(Some(pid));
                self.parsed.thread = self.parsed.thread.or(thread);
            }
            Group::Logger(name) => self.parsed.logger = self.parsed.logger.or(Some(name)),
            Group::Client(address) => {
                self.parsed.client_ip = Some(address);
                return None;
            }
            Group::Other(name) if !name.is_empty() => {
                let is_glued = self.rest_at(start.saturating_sub(1)).starts_with("][");
                let is_first = self.parsed.thread.is_none() && self.is_level_bare;
                if !is_glued && !is_first {
                    return Some(end);
                }
                self.parsed.thread = self.parsed.thread.or(Some(name));
                self.is_strong = true;
            }
            Group::Level { .. } | Group::Uptime | Group::Other(_) => return None,
        }
        if is_certain_so_far {
            self.at = end;
        }
        Some(end)
    }

    /// A logger's name, told by what follows it.
    fn logger_after_level(&mut self, rest: &'a str, start: usize) -> Option<usize> {
        let first = word::next(rest);
        let after = rest.get(first.len()..).unwrap_or("");
        let next = word::trim_start(after);
        let colon = first.strip_suffix(':').filter(|_| ansi::blank_len(after) > 0 || after.is_empty());
        let name = colon.unwrap_or(first);
        let is_usable = word::is_name(name) && !word::is_fault_name(name) && word::level_word(name).is_none();
        if !is_usable {
            return None;
        }
        let is_credible = word::is_identifier(name) || self.is_strong;
        let starts_blank = |text: &str| text.is_empty() || ansi::blank_len(text) > 0;
        let closing = [":", "-", "--"].into_iter().find(|mark| next.strip_prefix(mark).is_some_and(starts_blank));
        let closed_len = match (colon, closing) {
            _ if !is_credible => None,
            (Some(_), _) => Some(first.len()),
            (None, Some(mark)) => Some(rest.len() - next.len() + mark.len()),
            (None, None) => None,
        };
        if let Some(len) = closed_len {
            self.parsed.logger = self.parsed.logger.or(Some(name));
            self.at = start + len;
            return Some(usize::MAX);
        }
        let is_tabbed = after.starts_with('\t') && self.rest_at(start.saturating_sub(1)).starts_with('\t');
        let is_wide = after.starts_with("  ") && name.len() >= 2 && name.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_dotted = name.contains('.') && word::is_identifier(name) && next.starts_with('[');
        if colon.is_none() && (next.starts_with('|') || is_tabbed || is_wide || is_dotted) {
            self.parsed.logger = self.parsed.logger.or(Some(name));
            self.at = start + first.len();
            if is_wide || is_tabbed || next.starts_with('|') {
                return Some(self.at);
            }
            return Some(usize::MAX);
        }
        None
    }

    /// No level was found: only what stands directly behind the time can still be header.
    fn without_level(&mut self) {
        if self.parsed.timestamp.is_none() {
            return;
        }
        if self.tagged(self.at).is_some() {
            return;
        }
        let (start, separator) = self.skip_separators(self.at);
        self.at = start;
        if separator == b'|' {
            self.piped(start);
        }
        if !self.sourced() {
            self.named();
        }
    }

    /// `time|name|123|message`: every column is closed by a pipe.
    fn piped(&mut self, from: usize) {
        let mut start = from;
        loop {
            let word = word::next(self.rest_at(start));
            let is_number = word::is_digits(word);
            if !self.rest_at(start + word.len()).starts_with('|') || !(is_number || word::is_name(word)) {
                return;
            }
            let slot = if is_number { &mut self.parsed.pid } else { &mut self.parsed.logger };
            *slot = slot.or(Some(word));
            start += word.len() + 1;
            self.at = start;
        }
    }

    /// `file.go:17: message` behind the time.
    fn sourced(&mut self) -> bool {
        let first = word::next(self.rest_at(self.at));
        let Some((file, line)) = first.strip_suffix(':').and_then(|source| source.rsplit_once(':')) else {
            return false;
        };
        if !word::is_digits(line) || !word::is_identifier(file) || !file.contains('.') {
            return false;
        }
        self.parsed.logger = first.strip_suffix(':');
        self.at += first.len();
        true
    }

    /// `name - message`, `name *64 - message` behind the time.
    fn named(&mut self) {
        let rest = self.rest_at(self.at);
        let name = word::next(rest);
        let after = rest.get(name.len()..).unwrap_or("");
        if !word::is_identifier(name) || after.is_empty() {
            return;
        }
        let next = word::trim_start(after);
        let mark = word::next(next);
        let is_mark = (1..=6).contains(&mark.len())
            && mark.starts_with(['*', '#', '('])
            && !mark.bytes().any(|byte| byte.is_ascii_alphabetic());
        let tail = if is_mark { word::trim_start(next.get(mark.len()..).unwrap_or("")) } else { next };
        if let Some(message) = tail.strip_prefix("- ") {
            self.parsed.process = self.parsed.process.or(Some(name));
            self.at = self.text.len() - message.len();
        }
    }
}

/// Whether a column can only be a machine: an address, or a name with a digit or a hyphen.
fn looks_like_host(word: &str) -> bool {
    let is_named = word.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && word.bytes().any(|byte| byte.is_ascii_digit() || byte == b'-');
    word::is_host(word) && (is_named || word::address(word).is_some())
}

/// What a bracket group before the level does to the reading.
enum Step {
    /// The header is complete.
    Done,
    /// The message starts here.
    Stop,
    /// On to the next column.
    On,
}

/// Bytes of `name{key=value ...}:`, the scope in which some loggers print a message.
fn span_len(rest: &str) -> Option<usize> {
    const SPAN_BYTES_MAX: usize = 512;
    let open = rest.bytes().take(64).position(|byte| matches!(byte, b'{' | b' ' | b'\t'))?;
    if rest.as_bytes().get(open) != Some(&b'{') || !word::is_name(rest.get(..open)?) {
        return None;
    }
    let close = rest.bytes().take(SPAN_BYTES_MAX).position(|byte| byte == b'}')?;
    rest.get(close + 1..)?.starts_with(':').then_some(close + 2)
}
