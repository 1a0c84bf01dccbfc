//! One component to its detectors, whichever of its shards a record came to: followers tell the lead (shard 0) what came,
//! and the lead alone watches, decides and tells people.
//!
//! A follower stores, mines and counts its share. Of each record it tells a *fact*: its pattern, level, time, duration;
//! 3 to 10 bytes. Of a pattern that the lead may not know it adds a *specimen*, a record without its text, from which the
//! lead learns the pattern and gives it its own id. Facts are read from the journal behind a cursor, as D1 and the data
//! service get their records; the lead remembers how far it heard each shard, with the facts, in one commit: so none is
//! lost and none counted twice, whoever crashes.
//!
//! What the lead does with a fact is what it does with a record of its own, except counting: counters, patterns' counts
//! and variables stay with the shard that stored the record, and reads add them up. What detectors need the text for
//! (variables, combinations, releases) they see of the lead's own share, which is a fair sample of the whole.
//!
//! New errors are told at once, the rest every [`FORWARD_EVERY`].

use super::append::Seen;
use super::sharding::Heard;
use super::store::StreamStore;
use super::{Effects, StreamMachine, state};
use crate::bytes::{ReadError, Reader, Writer};
use crate::detect::Facts;
use crate::level::Level;
use crate::machine::outbox::RetryPolicy;
use crate::machine::row::{self, Heads, Row, RowKind};
use crate::machine::sink::SinkPolicy;
use crate::pattern::{Observed, PatternId};
use crate::record::Record;
use crate::record_id::{RecordId, object_tag};
use crate::segment;
use crate::time::{Millis, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long facts gather that nobody waits for: well within the ten seconds in which detectors think.
pub const FORWARD_EVERY: Millis = Millis::from_secs(2);
/// Facts of one call, after which no further row is opened: about 40 KB.
const FACTS_MAX: usize = 8_192;
/// Rows of one call.
const ROWS_MAX: usize = 512;
/// Specimens of one call: half for any record, all of it for errors. Once half is taken no further row is opened.
const SPECIMENS_MAX: usize = 512;
/// The same in bytes: a row of the lead's journal has to hold them, beside facts and ids.
const SPECIMEN_BYTES_MAX: usize = 1 << 20;
const _: () = assert!(SPECIMEN_BYTES_MAX + 700_000 < crate::limits::ROW_BYTES_MAX, "a digest fits a row");
/// How long whoever tells the lead is trusted to be alive: longer than a call may take.
const PATIENCE: Millis = Millis::from_secs(30);
/// How long a lead that is away is left alone at most.
const RETRY_MAX: Millis = Millis::from_secs(15);
const VERSION: u8 = 1;
/// Shards whose facts are taken.
const FOLLOWERS: std::ops::Range<u16> = 1..crate::shard::SHARDS_MAX;

/// What a follower tells of one record.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fact {
    /// Place of its pattern among those of the digest.
    slot: u32,
    /// Place of the record in its row.
    index: u16,
    level: Level,
    timestamp: Timestamp,
    duration_ms: Option<f32>,
}

/// The facts of one row.
#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    seq: u64,
    at: Timestamp,
    facts: Vec<Fact>,
}

/// What a follower tells in one call.
#[derive(Clone, Debug, Default, PartialEq)]
struct Digest {
    patterns: Vec<PatternId>,
    rows: Vec<Told>,
    /// Slots of the patterns of which a specimen follows, in the order of the specimens.
    shown: Vec<u32>,
    specimens: Vec<Record>,
    /// Patterns that the lead knows and that are here no more: their words may be those of a user who was erased.
    gone: Vec<PatternId>,
}

/// A call to the lead, and how far it brings it.
#[derive(Clone, Debug)]
pub struct Forward {
    /// What to send.
    pub digest: Vec<u8>,
    /// The row up to which the lead has heard everything then.
    pub cursor: u64,
    /// Records told of.
    pub records: u64,
    /// Records of rows that cannot be read: the lead never hears of them.
    pub unreadable: u64,
    /// Whether there is nothing that the lead has to hear: it need not be called.
    pub is_empty: bool,
    /// Patterns that the lead knows then.
    pub told: Vec<PatternId>,
    /// Patterns that it knows no more.
    pub gone: Vec<PatternId>,
    /// Whether nothing waits behind it.
    pub is_last: bool,
}

/// The lead's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeardAnswer {
    /// It met patterns that it does not know: they have to be shown again.
    pub forgot: bool,
}

impl Digest {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(self.patterns.len() as u64);
        for pattern in &self.patterns {
            out.u64_fixed(pattern.0);
        }
        out.uint(self.rows.len() as u64);
        for row in &self.rows {
            out.uint(row.seq);
            out.int(row.at.0);
            out.uint(row.facts.len() as u64);
            let mut next = 0u16;
            for fact in &row.facts {
                // Nearly all records of a row are told of, so that their places need no room.
                let skips = fact.index.wrapping_sub(next);
                next = fact.index.wrapping_add(1);
                let flags = u64::from(fact.duration_ms.is_some()) | u64::from(skips > 0) << 1;
                out.uint(u64::from(fact.slot) << 2 | flags);
                out.u8(fact.level.number());
                out.int(fact.timestamp.0 - row.at.0);
                if skips > 0 {
                    out.uint(u64::from(skips));
                }
                if let Some(duration) = fact.duration_ms {
                    out.raw(&duration.to_bits().to_le_bytes());
                }
            }
        }
        out.uint(self.shown.len() as u64);
        for slot in &self.shown {
            out.uint(u64::from(*slot));
        }
        let segments = segment::encode(&self.specimens);
        out.uint(segments.len() as u64);
        for segment in &segments {
            out.bytes(segment);
        }
        out.uint(self.gone.len() as u64);
        for pattern in &self.gone {
            out.u64_fixed(pattern.0);
        }
        out.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of a digest"));
        }
        let mut digest = Self::default();
        for _ in 0..input.count()? {
            digest.patterns.push(PatternId(input.u64_fixed()?));
        }
        for _ in 0..input.count()? {
            let mut row = Told { seq: input.uint()?, at: Timestamp(input.int()?).clamped(), facts: Vec::new() };
            let mut next = 0u16;
            for _ in 0..input.count()? {
                let head = input.uint()?;
                let level = Level::from_number(input.u8()?).ok_or(ReadError::Unknown("level"))?;
                let timestamp = Timestamp(row.at.0.saturating_add(input.int()?)).clamped();
                let skips =
                    if head & 2 == 0 { 0 } else { u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)? };
                let index = next.wrapping_add(skips);
                next = index.wrapping_add(1);
                let duration_ms = match head & 1 {
                    0 => None,
                    _ => {
                        let bits = <[u8; 4]>::try_from(input.raw(4)?).map_err(|_| ReadError::Overflow)?;
                        Some(f32::from_bits(u32::from_le_bytes(bits))).filter(|duration| duration.is_finite())
                    }
                };
                let slot = u32::try_from(head >> 2).map_err(|_| ReadError::Overflow)?;
                row.facts.push(Fact { slot, index, level, timestamp, duration_ms });
            }
            digest.rows.push(row);
        }
        for _ in 0..input.count()? {
            digest.shown.push(input.u32()?);
        }
        for _ in 0..input.count()? {
            digest.specimens.extend(segment::decode(input.bytes()?)?);
        }
        for _ in 0..input.count()? {
            digest.gone.push(PatternId(input.u64_fixed()?));
        }
        Ok(digest)
    }
}

/// A digest being filled.
struct Draft<'a> {
    machine: &'a StreamMachine,
    digest: Digest,
    slots: BTreeMap<PatternId, u32>,
    shown: BTreeSet<PatternId>,
    /// Bytes of the specimens.
    specimen_bytes: usize,
    records: u64,
    unreadable: u64,
}

impl Draft<'_> {
    /// Whether another row may be opened. What it adds is bounded by itself.
    fn has_room(&self) -> bool {
        self.records < FACTS_MAX as u64 && self.has_room_for(Level::INFO)
    }

    fn has_room_for(&self, level: Level) -> bool {
        // An error has to be heard of, however many there are.
        let share = if level.is_error() { 1 } else { 2 };
        self.shown.len() < SPECIMENS_MAX / share && self.specimen_bytes < SPECIMEN_BYTES_MAX / share
    }

    fn take(&mut self, row: &Row) {
        let (Ok(records), Ok(heads)) = (row::records(&row.body), Heads::decode(&row.heads)) else {
            self.unreadable += u64::from(row.count);
            return;
        };
        let mut told = Told { seq: row.seq, at: row.at, facts: Vec::with_capacity(records.len()) };
        for (index, record) in records.into_iter().enumerate() {
            if record.is_husk() {
                continue;
            }
            let (level, timestamp) = (record.level, record.timestamp);
            let duration_ms = record.duration_ms.map(|duration| duration as f32);
            let slot = self.slot(heads.pattern_at(index), record);
            told.facts.push(Fact { slot, index: index as u16, level, timestamp, duration_ms });
        }
        self.records += told.facts.len() as u64;
        self.digest.rows.push(told);
    }

    /// Under which place a record's pattern is told; it is shown if the lead may not know it, and told as none if there is
    /// no room to show it.
    fn slot(&mut self, id: PatternId, record: Record) -> u32 {
        let id = self.machine.miner.resolve(id);
        let is_known =
            id == PatternId::OVERFLOW || self.machine.sharding.told.contains(&id) || self.shown.contains(&id);
        if is_known {
            return self.slot_of(id);
        }
        if !self.has_room_for(record.level) {
            return self.slot_of(PatternId::OVERFLOW);
        }
        let specimen = super::append::without_text(record);
        let bytes: usize = segment::encode(std::slice::from_ref(&specimen)).iter().map(Vec::len).sum();
        if self.specimen_bytes + bytes > SPECIMEN_BYTES_MAX {
            return self.slot_of(PatternId::OVERFLOW);
        }
        let slot = self.slot_of(id);
        self.specimen_bytes += bytes;
        self.shown.insert(id);
        self.digest.shown.push(slot);
        self.digest.specimens.push(specimen);
        slot
    }

    fn slot_of(&mut self, id: PatternId) -> u32 {
        let next = self.slots.len() as u32;
        let slot = *self.slots.entry(id).or_insert(next);
        if slot == next {
            self.digest.patterns.push(id);
        }
        slot
    }
}

impl StreamMachine {
    /// What the lead has to hear next; `None` if it has heard everything.
    ///
    /// # Errors
    /// The store's.
    pub fn next_to_forward<S: StreamStore>(&self, store: &S) -> Result<Option<Forward>, S::Error> {
        let after = self.sharding.lead.cursor;
        if !self.is_follower() || after >= self.last {
            return Ok(None);
        }
        let mut draft = Draft {
            machine: self,
            digest: Digest::default(),
            slots: BTreeMap::new(),
            shown: BTreeSet::new(),
            specimen_bytes: 0,
            records: 0,
            unreadable: 0,
        };
        let (mut cursor, mut rows, mut is_last) = (after, 0, true);
        store.rows_after(after, &mut |row| {
            if rows >= ROWS_MAX || !draft.has_room() {
                is_last = false;
                return false;
            }
            cursor = row.seq;
            rows += 1;
            if row.kind != RowKind::Event {
                draft.take(&row);
            }
            true
        })?;
        let Draft { mut digest, shown, records, unreadable, .. } = draft;
        let is_gone = |id: &&PatternId| self.miner.pattern(**id).is_none();
        digest.gone = self.sharding.told.iter().filter(is_gone).copied().collect();
        let gone = digest.gone.clone();
        let is_empty = records == 0 && gone.is_empty();
        let cursor = if is_last { cursor.max(self.last) } else { cursor };
        Ok(Some(Forward {
            digest: digest.encode(),
            cursor,
            records,
            unreadable,
            told: shown.into_iter().collect(),
            gone,
            is_empty,
            is_last,
        }))
    }

    /// Whether the lead has to hear of something now; and if not, sees to it that it does soon.
    pub(super) fn follow(&mut self, has_new_error: bool, now: Timestamp, effects: &mut Effects) {
        let at = *self.sharding.tell_at.get_or_insert(now.plus(FORWARD_EVERY));
        let is_due = has_new_error || now >= at;
        if is_due && self.sharding.lead.is_due(now) {
            self.begin_forwarding(now, effects);
        }
    }

    /// Whoever performs it says what came of it; if it dies meanwhile, the alarm does it again.
    pub(super) fn begin_forwarding(&mut self, now: Timestamp, effects: &mut Effects) {
        effects.forward = true;
        self.sharding.tell_at = Some(now.plus(PATIENCE));
    }

    /// When the lead has to hear of something.
    pub(super) fn forward_due(&self) -> Option<Timestamp> {
        let waits = self.is_follower() && self.sharding.lead.cursor < self.last;
        waits.then(|| self.sharding.tell_at.unwrap_or(Timestamp(0)).max(self.sharding.lead.retry_at))
    }

    /// The lead has heard.
    pub(super) fn forwarded(&mut self, forward: Forward, answer: HeardAnswer, now: Timestamp) {
        let Forward { cursor, records, unreadable, told, gone, .. } = forward;
        self.sharding.lead.advanced(cursor, 0, records, unreadable);
        self.sharding.told.extend(told);
        for id in &gone {
            self.sharding.told.remove(id);
        }
        if answer.forgot {
            self.sharding.told.clear();
        }
        self.sharding.tell_at = (self.sharding.lead.cursor < self.last).then(|| now.plus(FORWARD_EVERY));
        self.sharding.is_changed = true;
    }

    /// The lead could not be reached.
    pub(super) fn forward_failed(&mut self, error: &str, now: Timestamp) {
        self.sharding.tell_at = Some(now);
        // The lead is another object of ours: it is away for seconds, and people wait for what it has to hear.
        let retry = RetryPolicy { base: Millis::from_secs(1), cap: RETRY_MAX };
        let policy = SinkPolicy { retry, breaker_failures: u32::MAX, ..self.settings.sinks };
        self.sharding.lead.failed(now, error, &policy, u64::from(self.tag) + 2);
        self.sharding.is_changed = true;
    }

    /// Takes what a follower tells.
    pub(super) fn hear(&mut self, shard: u16, digest: &[u8], now: Timestamp, effects: &mut Effects) {
        let Ok(read) = Digest::decode(digest) else { return };
        if self.is_follower() || !FOLLOWERS.contains(&shard) {
            return;
        }
        let heard = self.sharding.heard.get(&shard).copied().unwrap_or_default();
        let is_new = read.rows.iter().any(|row| is_new(row, heard)) || !read.gone.is_empty();
        let answer = if is_new {
            effects.rows.push(self.event_row(state::encode_heard(shard, digest), now));
            self.take_digest(shard, read, now, Some(effects))
        } else {
            HeardAnswer::default()
        };
        effects.heard = Some(answer);
    }

    /// The same on replay.
    pub(super) fn hear_again(&mut self, shard: u16, digest: &[u8], now: Timestamp) -> Result<(), ReadError> {
        let read = Digest::decode(digest)?;
        self.take_digest(shard, read, now, None);
        Ok(())
    }

    fn take_digest(
        &mut self,
        shard: u16,
        digest: Digest,
        now: Timestamp,
        mut effects: Option<&mut Effects>,
    ) -> HeardAnswer {
        let Digest { patterns, rows, shown, specimens, gone } = digest;
        let mut specimens: BTreeMap<u32, Record> = shown.into_iter().zip(specimens).collect();
        let tag = object_tag(&self.identity.component, shard);
        let mut heard = self.sharding.heard.get(&shard).copied().unwrap_or_default();
        let mut answer = HeardAnswer::default();
        let mut times: Vec<Timestamp> = Vec::new();
        for row in rows {
            if !is_new(&row, heard) {
                continue;
            }
            heard = Heard { seq: row.seq, at: row.at };
            for fact in &row.facts {
                let theirs = patterns.get(fact.slot as usize).copied().unwrap_or(PatternId::OVERFLOW);
                let observed = match specimens.remove(&fact.slot) {
                    Some(record) => self.learn_pattern(theirs, &record),
                    None => self.pattern_called(theirs, &mut answer),
                };
                times.push(fact.timestamp);
                let facts = Facts {
                    at: fact.timestamp.min(now),
                    pattern: observed.id,
                    is_new_pattern: observed.is_new,
                    is_error: fact.level.is_error(),
                    duration_ms: fact.duration_ms.map(f64::from),
                };
                self.detect(&facts);
                if facts.is_error {
                    let record = RecordId { received_at: row.at, object_tag: tag, seq: row.seq, index: fact.index };
                    let seen = Seen { record, level: fact.level, timestamp: fact.timestamp };
                    for told in self.judge(&seen, &facts, now) {
                        self.tell_group(told, now, None, effects.as_deref_mut());
                    }
                }
            }
        }
        for theirs in gone {
            let ours = self.sharding.called.remove(&theirs).unwrap_or(theirs);
            if self.miner.forget_uncounted(ours) {
                self.d1_patterns.insert(ours, self.last);
            }
        }
        self.sharding.heard.insert(shard, heard);
        self.sharding.is_changed = true;
        self.detection.learn_delay(times.into_iter(), now, self.settings.alerts.lateness);
        self.raise(Vec::new(), self.last, now, effects);
        self.set_dirty(now);
        answer
    }

    /// A pattern that a follower shows.
    fn learn_pattern(&mut self, theirs: PatternId, specimen: &Record) -> Observed {
        let observed = self.miner.recognize(specimen);
        self.follow_patterns(self.last);
        if observed.is_new {
            self.d1_patterns.insert(observed.id, self.last);
        }
        self.sharding.call(theirs, observed.id);
        observed
    }

    /// A pattern that a follower has shown before.
    fn pattern_called(&self, theirs: PatternId, answer: &mut HeardAnswer) -> Observed {
        let ours = self.sharding.called.get(&theirs).copied().unwrap_or(theirs);
        let known = self.miner.pattern(ours).map(|pattern| pattern.id);
        answer.forgot |= known.is_none() && theirs != PatternId::OVERFLOW;
        Observed { id: known.unwrap_or(PatternId::OVERFLOW), is_new: false, ..Observed::default() }
    }
}

/// Whether a row was not heard of yet. An object that began anew, after it was erased, numbers its rows from 1 again.
fn is_new(row: &Told, heard: Heard) -> bool {
    row.seq > heard.seq || row.at > heard.at
}
