//! Appending: what happens to the records of a call, live and on replay.
//!
//! First every record gets its fate (accepted, duplicate by declared id, counted only over quota) and its place in a
//! row; then the rows are folded in order. Replay starts at the second step, so both see the same rows in the same
//! order.

use super::sharding::Under;
use super::{Effects, Lease, StreamMachine};
use crate::bytes::{ReadError, Writer};
use crate::detect::Facts;
use crate::level::Level;
use crate::limits;
use crate::machine::row::{self, BatchHead, BatchKey, Fate, Heads, Place, Receipt, Row, RowKind};
use crate::machine::window::Entry;
use crate::pattern::{Exemplar, Owner, PatternId};
use crate::record::Record;
use crate::record_id::RecordId;
use crate::segment;
use crate::shard::{ShardMap, id_hash};
use crate::time::Timestamp;
use crate::triage::Incident;

/// The records of one request for this component.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Identity for replay, if the caller gave one.
    pub key: Option<BatchKey>,
    /// Id of the credential, to refuse what was revoked a moment ago.
    pub key_id: Option<String>,
    /// Segments, in order.
    pub segments: Vec<Vec<u8>>,
    /// Records of the same request that were refused at the edge and belong here.
    pub rejected: u32,
    /// How the caller thinks that the component is spread, if it was ever split.
    pub under: Option<Under>,
}

/// The answer to one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendReply {
    /// Decided now.
    Stored(Receipt),
    /// Decided before: the receipt is in the heads of this row, under this key hash.
    Replayed {
        /// Row.
        seq: u64,
        /// Hash of the batch key.
        hash: u64,
    },
    /// The key was used for something else.
    KeyReused,
    /// The credential was revoked.
    Revoked,
    /// The component is spread otherwise by now; nothing was stored.
    Newer(ShardMap),
    /// Asked only for what is known: not the key, and of the records (by place) these ids.
    Unknown(Vec<u32>),
    /// A segment could not be read: the caller (our own edge) is broken, or the bytes were damaged on the way.
    Unreadable(ReadError),
}

/// An error on its way to the rules that judge it, wherever it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub record: RecordId,
    pub level: Level,
    pub timestamp: Timestamp,
}

/// A record as the live tail shows it.
#[derive(Clone, Debug)]
pub struct TailItem {
    /// Its id.
    pub id: RecordId,
    /// Its pattern.
    pub pattern: PatternId,
    /// The record.
    pub record: Record,
}

/// Bytes of a row's heads that a record takes at most: its own id (13), its pattern (3), and a pattern of its own (8).
const HEAD_BYTES_OF_RECORD: usize = 24;
/// Bytes of a row's heads that a batch takes beside its fates and places.
const HEAD_BYTES_OF_BATCH: usize = 64;

/// A row being filled.
struct Draft {
    seq: u64,
    kind: RowKind,
    heads: Heads,
    body: Writer,
    records: Vec<Record>,
}

impl Draft {
    fn has_room(&self, bytes: usize, records: usize, fates: usize) -> bool {
        let heads = self.heads_bytes() + HEAD_BYTES_OF_RECORD * records + HEAD_BYTES_OF_BATCH + fates;
        self.body.len() + bytes + 8 + heads <= limits::ROW_BYTES_MAX
            && self.records.len() + records <= limits::ROW_RECORDS_MAX
    }

    /// Upper bound of what the heads will take.
    fn heads_bytes(&self) -> usize {
        let of_batch =
            |batch: &BatchHead| HEAD_BYTES_OF_BATCH + batch.receipt.fates.len() + 24 * batch.receipt.places.len();
        HEAD_BYTES_OF_RECORD * self.records.len() + self.heads.batches.iter().map(of_batch).sum::<usize>()
    }

    fn push(&mut self, segment: &[u8], records: Vec<Record>) {
        for (offset, record) in records.iter().enumerate() {
            if let Some(id) = &record.id {
                self.heads.foreign_ids.push(((self.records.len() + offset) as u16, id_hash(id)));
            }
        }
        self.body.bytes(segment);
        // The first are taken over whole: under load most rows hold the records of few requests.
        if self.records.is_empty() {
            self.records = records;
        } else {
            self.records.extend(records);
        }
    }

    fn seal(self, at: Timestamp) -> Row {
        let times = || self.records.iter().map(|record| record.timestamp);
        Row {
            seq: self.seq,
            at,
            kind: self.kind,
            time_min: times().min().unwrap_or(at),
            time_max: times().max().unwrap_or(at),
            count: self.records.len() as u32,
            levels: self.records.iter().fold(0, |mask, record| mask | 1 << record.level.class().index()),
            heads: self.heads.encode(),
            body: self.body.into_bytes(),
        }
    }
}

impl StreamMachine {
    pub(super) fn append(&mut self, batches: Vec<Batch>, now: Timestamp, effects: &mut Effects) {
        self.keys.expire(now, self.settings.key_window);
        self.ids.expire(now, self.settings.key_window);
        let mut drafts: Vec<Draft> = Vec::new();
        let records =
            batches.iter().flat_map(|batch| &batch.segments).filter_map(|it| segment::count(it).ok()).sum::<usize>();
        let (policy, is_split) = (self.settings.heat, !self.sharding.map.is_whole());
        effects.heat = self.sharding.heat.count(records as u64, batches.len() as u64, now, &policy, is_split);
        // A newer map holds before anything is decided, so that nothing is under an older one from here on.
        for under in batches.iter().filter_map(|batch| batch.under.as_ref()) {
            self.take_map(&under.map, now, effects);
        }
        for batch in batches {
            let reply = self.place(batch, now, &mut drafts);
            effects.replies.push(reply);
        }
        if drafts.is_empty() {
            return;
        }
        drafts.sort_by_key(|draft| draft.seq);
        let mut has_new_error = false;
        for mut draft in drafts {
            self.count_outcomes(&draft.heads, draft.kind, draft.records.len());
            let patterns = self.fold(&draft.records, draft.seq, now, Some(effects));
            draft.heads.set_patterns(&patterns);
            has_new_error |= self.is_follower() && self.is_news_to_the_lead(&draft.records, &patterns);
            if self.view.is_watched && draft.kind == RowKind::Segments {
                for (index, record) in draft.records.iter().enumerate() {
                    let id = self.record_id(now, draft.seq, index as u16);
                    let pattern = patterns.get(index).copied().unwrap_or(PatternId::OVERFLOW);
                    effects.tail.push(TailItem { id, pattern, record: record.clone() });
                }
            }
            effects.rows.push(draft.seal(now));
        }
        self.set_dirty(now);
        if self.is_follower() {
            self.follow(has_new_error, now, effects);
        }
        effects.checkpoint |= self.counters.pending_cells() >= limits::PENDING_CELLS_MAX;
    }

    /// Decides the fate of a batch's records and puts them into rows.
    fn place(&mut self, batch: Batch, now: Timestamp, drafts: &mut Vec<Draft>) -> AppendReply {
        if batch.key_id.as_ref().is_some_and(|id| self.view.revoked.contains(id)) {
            return AppendReply::Revoked;
        }
        if let Some(known) = batch.key.and_then(|key| self.keys.find(key.hash).copied()) {
            if batch.key.is_some_and(|key| key.fingerprint != known.fingerprint) {
                return AppendReply::KeyReused;
            }
            let sent: usize = batch.segments.iter().filter_map(|segment| segment::count(segment).ok()).sum();
            let asked = batch.under.as_ref().and_then(|under| under.recall.as_ref()).map_or(0, |recall| recall.records);
            let receipt = Receipt { at: now, duplicate: asked.saturating_add(sent as u32), ..Receipt::default() };
            let head = BatchHead { key: batch.key, rejected: batch.rejected, is_replay: true, receipt };
            self.draft(drafts, RowKind::Segments, 0, 0, 0).heads.batches.push(head);
            return AppendReply::Replayed { seq: known.seq, hash: known.hash };
        }
        let under = batch.under.unwrap_or_default();
        if self.sharding.map.is_newer_than(&under.map) {
            return AppendReply::Newer(self.sharding.map.clone());
        }
        if let Some(recall) = &under.recall {
            let is_known = |id: u64| id != 0 && self.ids.find(id).is_some();
            let known = (0u32..).zip(&recall.ids).filter(|(_, id)| is_known(**id)).map(|(place, _)| place);
            return AppendReply::Unknown(known.collect());
        }
        let mut decoded = Vec::with_capacity(batch.segments.len());
        for segment in &batch.segments {
            match segment::decode(segment) {
                Ok(records) => decoded.push(records),
                Err(error) => return AppendReply::Unreadable(error),
            }
        }
        let mut receipt = Receipt { at: now, ..Receipt::default() };
        let mut fates = Vec::new();
        for (segment, records) in batch.segments.iter().zip(decoded) {
            let first = fates.len();
            for record in &records {
                let is_known = under.known.contains(&(fates.len() as u32));
                fates.push(self.fate(record, is_known, now));
            }
            let of_segment = fates.get(first..).unwrap_or_default();
            if of_segment.iter().all(|&fate| fate == Fate::Accepted) {
                self.store(drafts, segment, records, &mut receipt);
            } else {
                self.store_parts(drafts, records, of_segment, &mut receipt);
            }
        }
        if fates.iter().any(|&fate| fate != Fate::Accepted) {
            receipt.fates = fates;
        }
        let head = BatchHead { key: batch.key, rejected: batch.rejected, is_replay: false, receipt: receipt.clone() };
        let head_bytes = receipt.fates.len() + 24 * receipt.places.len();
        let draft = self.draft(drafts, RowKind::Segments, 0, 0, head_bytes);
        draft.heads.batches.push(head);
        let seq = draft.seq;
        if let Some(key) = batch.key {
            self.keys.insert(Entry { hash: key.hash, fingerprint: key.fingerprint, seq, at: now });
        }
        AppendReply::Stored(receipt)
    }

    fn fate(&mut self, record: &Record, is_known: bool, now: Timestamp) -> Fate {
        if let Some(id) = &record.id {
            let hash = id_hash(id);
            if is_known || self.ids.find(hash).is_some() {
                return Fate::Duplicate;
            }
            self.ids.insert(Entry { hash, fingerprint: 0, seq: 0, at: now });
        }
        if self.consume(record, now) { Fate::Accepted } else { Fate::CountedOnly }
    }

    /// Takes one record from today's lease, where the domain is limited; errors may use their reserve.
    fn consume(&mut self, record: &Record, now: Timestamp) -> bool {
        if self.view.records_per_day.is_none() {
            return true;
        }
        if self.lease.day != now.0.div_euclid(86_400_000) {
            self.lease = Lease::default();
        }
        if self.lease.general > 0 {
            self.lease.general -= 1;
        } else if record.level.is_error() && self.lease.errors > 0 {
            self.lease.errors -= 1;
        } else {
            return false;
        }
        true
    }

    fn store(&mut self, drafts: &mut Vec<Draft>, segment: &[u8], records: Vec<Record>, receipt: &mut Receipt) {
        let count = records.len();
        let draft = self.draft(drafts, RowKind::Segments, segment.len(), count, 0);
        let place = Place { seq: draft.seq, first: draft.records.len() as u16, count: count as u16 };
        draft.push(segment, records);
        receipt.accepted += count as u32;
        receipt.places.push(place);
    }

    /// The rare case of a segment whose records have different fates: what is accepted is encoded anew.
    fn store_parts(&mut self, drafts: &mut Vec<Draft>, records: Vec<Record>, fates: &[Fate], receipt: &mut Receipt) {
        let mut accepted = Vec::new();
        let mut counted = Vec::new();
        for (record, fate) in records.into_iter().zip(fates) {
            match fate {
                Fate::Accepted => accepted.push(record),
                Fate::Duplicate => receipt.duplicate += 1,
                Fate::CountedOnly => counted.push(without_text(record)),
            }
        }
        for segment in segment::encode(&accepted) {
            let count = segment::count(&segment).unwrap_or(0);
            let rest = accepted.split_off(count.min(accepted.len()));
            self.store(drafts, &segment, std::mem::replace(&mut accepted, rest), receipt);
        }
        receipt.counted_only += counted.len() as u32;
        for segment in segment::encode(&counted) {
            let count = segment::count(&segment).unwrap_or(0);
            let rest = counted.split_off(count.min(counted.len()));
            let records = std::mem::replace(&mut counted, rest);
            self.draft(drafts, RowKind::Counted, segment.len(), count, 0).push(&segment, records);
        }
    }

    /// The newest row of this kind with room, or a new one.
    fn draft<'a>(
        &mut self,
        drafts: &'a mut Vec<Draft>,
        kind: RowKind,
        bytes: usize,
        records: usize,
        head_bytes: usize,
    ) -> &'a mut Draft {
        let has_room = |draft: &Draft| draft.has_room(bytes, records, head_bytes);
        let found = drafts
            .iter()
            .rposition(|draft| draft.kind == kind)
            .filter(|&position| drafts.get(position).is_some_and(has_room));
        let position = found.unwrap_or_else(|| {
            self.last += 1;
            drafts.push(Draft {
                seq: self.last,
                kind,
                heads: Heads::default(),
                body: Writer::new(),
                records: Vec::new(),
            });
            drafts.len() - 1
        });
        // `position` is that of an element: found just now, or the one just pushed.
        &mut drafts[position]
    }

    /// Books the outcomes that a row tells of.
    fn count_outcomes(&mut self, heads: &Heads, kind: RowKind, records: usize) {
        match kind {
            RowKind::Segments => self.outcomes.accepted += records as u64,
            RowKind::Counted => self.outcomes.counted_only += records as u64,
            RowKind::Event => {}
        }
        for batch in &heads.batches {
            self.outcomes.duplicate += u64::from(batch.receipt.duplicate);
            self.outcomes.rejected += u64::from(batch.rejected);
        }
    }

    /// Folds the records of a row into memory; returns the pattern of each. With effects, people are told.
    fn fold(
        &mut self,
        records: &[Record],
        seq: u64,
        at: Timestamp,
        mut effects: Option<&mut Effects>,
    ) -> Vec<PatternId> {
        let mut patterns = Vec::with_capacity(records.len());
        let mut firsts = Vec::new();
        for (index, record) in records.iter().enumerate() {
            if record.is_husk() {
                // Erased since: what it counted is in the checkpoint, if anywhere.
                patterns.push(PatternId::OVERFLOW);
                continue;
            }
            let index = index as u16;
            if self.is_follower() {
                let observed = self.miner.observe(record, seq, index, at);
                self.follow_patterns(seq);
                self.counters.count(record, observed.id);
                patterns.push(observed.id);
                continue;
            }
            self.see_release(record, at);
            let observed = self.miner.observe(record, seq, index, at);
            self.follow_patterns(seq);
            self.counters.count(record, observed.id);
            patterns.push(observed.id);
            let facts = Self::facts(record, observed, at);
            self.detect(&facts);
            self.follow_levels(record, observed, (seq, index, at));
            if observed.firsts.any() {
                firsts.push((index, observed));
            }
            if record.level.is_error() {
                let id = self.record_id(at, seq, index);
                if at.since(record.timestamp) <= self.settings.alerts.lateness {
                    self.remember_error(record, facts.pattern, &id);
                }
                let seen = Seen { record: id, level: record.level, timestamp: record.timestamp };
                for told in self.judge(&seen, &facts, at) {
                    self.tell_group(told, at, Some(record), effects.as_deref_mut());
                }
            }
        }
        self.counters.settle();
        self.note_for_d1(records, &patterns, seq);
        if self.is_follower() {
            return patterns;
        }
        let times = records.iter().map(|record| record.timestamp);
        self.detection.learn_delay(times, at, self.settings.alerts.lateness);
        self.look_at_firsts(records, &firsts, at);
        self.survey_variables();
        self.raise(Vec::new(), seq, at, effects);
        patterns
    }

    /// What D1 has to be told of these records. Neighbours are alike, so that most need no search.
    fn note_for_d1(&mut self, records: &[Record], patterns: &[PatternId], seq: u64) {
        let mut ids = patterns.to_vec();
        ids.sort_unstable();
        ids.dedup();
        self.d1_patterns.extend(ids.into_iter().map(|id| (id, seq)));
        let mut noted = None;
        for record in records {
            let hour = record.timestamp.floor_to(crate::counter::HOUR);
            if noted != Some(hour) {
                self.d1_hours.insert(hour, seq);
                noted = Some(hour);
            }
        }
    }

    /// Follows the patterns that were merged, or that lessons joined or parted.
    pub(super) fn follow_patterns(&mut self, seq: u64) {
        for (from, into) in self.miner.take_merged() {
            self.counters.merge_pattern(from, into);
            self.rename_pattern(from, into, seq);
        }
        // What a lesson joined is counted on under both names, which are read as one: so it can come apart again.
        for (from, into) in self.miner.take_linked() {
            self.rename_pattern(from, into, seq);
        }
    }

    /// Everything that names a pattern names another from now on.
    fn rename_pattern(&mut self, from: PatternId, into: PatternId, seq: u64) {
        self.incidents.merge_pattern(from, into);
        self.usual_changed |= self.detection.drifts.has_courses();
        self.detection.merge_pattern(from, into);
        self.feedbacks.merge_pattern(from, into);
        self.follow_template(into);
        for (pattern, _) in self.recent_errors.iter_mut().filter(|(pattern, _)| *pattern == from) {
            *pattern = into;
        }
        self.d1_patterns.insert(from, seq);
        self.d1_patterns.insert(into, seq);
    }

    /// Looks at one error; returns the groups of incidents to be told now.
    pub(super) fn judge(&mut self, seen: &Seen, facts: &Facts, now: Timestamp) -> Vec<Vec<Incident>> {
        let policy = self.settings.alerts;
        // What another shard took its time to tell was not late when it came.
        if seen.record.received_at.since(seen.timestamp) > policy.lateness {
            return Vec::new();
        }
        let id = seen.record.to_string();
        let trigger = crate::triage::Trigger {
            record_id: &id,
            record: seen.record,
            pattern: facts.pattern,
            level: seen.level,
            timestamp: seen.timestamp,
            now,
        };
        let mut told = Vec::new();
        if facts.is_new_pattern {
            let signal = self.detection.detectors.novelty(facts);
            told.extend(self.incidents.open_new_pattern(signal, &trigger, self.feedbacks.new_records(), &policy));
        } else {
            told.extend(self.incidents.feed(&trigger, self.feedbacks.new_records(), &policy));
        }
        if let Some(burst) = self.watch.count(seen.timestamp, &self.feedbacks.of_errors(policy)) {
            told.extend(self.incidents.on_burst(burst, &trigger, &policy));
        }
        told
    }

    /// Whether there is an error of a pattern that the lead may not know.
    fn is_news_to_the_lead(&self, records: &[Record], patterns: &[PatternId]) -> bool {
        let mut errors = records.iter().zip(patterns).filter(|(record, _)| record.level.is_error());
        errors.any(|(_, pattern)| !self.sharding.told.contains(pattern))
    }

    fn remember_error(&mut self, record: &Record, pattern: PatternId, id: &RecordId) {
        if self.recent_errors.len() >= super::RECENT_ERRORS_MAX {
            self.recent_errors.pop_front();
        }
        let message = record.message.chars().take(limits::EXEMPLAR_BYTES_MAX / 4).collect();
        let exemplar = Exemplar {
            seq: id.seq,
            index: id.index,
            received_at: id.received_at,
            timestamp: record.timestamp,
            level: record.level,
            message,
            owner: Owner::of(record.user_id.as_deref()),
        };
        self.recent_errors.push_back((pattern, exemplar));
    }

    pub(super) fn replay_records(&mut self, row: &Row) -> Result<(), ReadError> {
        self.keys.expire(row.at, self.settings.key_window);
        self.ids.expire(row.at, self.settings.key_window);
        let heads = Heads::decode(&row.heads)?;
        let records = row::records(&row.body)?;
        for batch in heads.batches.iter().filter(|batch| !batch.is_replay) {
            if let Some(key) = batch.key {
                self.keys.insert(Entry { hash: key.hash, fingerprint: key.fingerprint, seq: row.seq, at: row.at });
            }
        }
        for &(_, hash) in &heads.foreign_ids {
            self.ids.insert(Entry { hash, fingerprint: 0, seq: 0, at: row.at });
        }
        if row.kind == RowKind::Segments {
            for record in &records {
                self.consume(record, row.at);
            }
        }
        self.count_outcomes(&heads, row.kind, records.len());
        self.fold(&records, row.seq, row.at, None);
        self.set_dirty(row.at);
        Ok(())
    }
}

/// What is kept of a record over quota: everything that is counted, and of the text its template. A template is mined
/// like the line it came from, so the count goes to the same pattern.
pub(super) fn without_text(mut record: Record) -> Record {
    let message = match &record.message_template {
        Some(_) => String::new(),
        None => crate::pattern::template_of(crate::pattern::told(&record)),
    };
    if let Some(fault) = &mut record.fault {
        fault.told = None;
    }
    Record {
        message,
        fault: record.fault,
        id: record.id,
        timestamp: record.timestamp,
        level: record.level,
        message_template: record.message_template,
        component: record.component,
        environment: record.environment,
        source: record.source,
        error_type: record.error_type,
        endpoint: record.endpoint,
        category: record.category,
        priority: record.priority,
        release: record.release,
        ..Record::default()
    }
}
