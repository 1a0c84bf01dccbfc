//! Reading one object: pages of records, one record, counts, patterns, incidents, and what it knows about itself.
//!
//! Nothing here changes state, so a row that cannot be read costs only itself: it is set aside, counted and reported.

use super::{Inner, Live, json, now};
use crate::processors::calls::{
    BaselineCall, CountsAnswer, CountsCall, DeploymentView, ExemplarView, FaultView, FeedbackView, HitView,
    IncidentView, NamingView, PatternView, PatternsCall, RecordCall, ReplayCall, SearchAnswer, SearchCall, SinkView,
    StatusAnswer, VariablesCall, VariablesView, WindowsCall,
};
use crate::storage::fault::Fault;
use crate::storage::journal::{BlockFigures, Place};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sapwood_engine::counter::{Facets, HOUR, MINUTE, Rollup, SeriesKey, SeriesKind};
use sapwood_engine::detect::SignalKind;
use sapwood_engine::level::LevelClass;
use sapwood_engine::machine::row::{self, Heads};
use sapwood_engine::machine::sink::{Sink, SinkHealth};
use sapwood_engine::machine::stream::StreamMachine;
use sapwood_engine::pattern::{Exemplar, Miner, Pattern, PatternId};
use sapwood_engine::query::{Filter, Hit, Order, Page, Position, RowSummary};
use sapwood_engine::record::Record;
use sapwood_engine::record_id::RecordId;
use sapwood_engine::segment::block::Block;
use sapwood_engine::time::Timestamp;
use sapwood_wire::record_view::{PatternRef, RecordView};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use worker::Response;
use xxhash_rust::xxh3::xxh3_64;

/// Records that one call opens at most; beyond that the answer says that it is not exact.
const SCANNED_RECORDS_MAX: u64 = 1_000_000;

impl Inner {
    pub(super) fn answer_read(&self, path: &str, body: &[u8]) -> Result<Response, Fault> {
        let damaged = std::cell::Cell::new(0u64);
        let response = self.with_live(|live| {
            let hours_before = live.rows.damaged_hours();
            let answer = match path {
                "/search" => json(&live.search(&read::<SearchCall>(body)?, &damaged)?),
                "/record" => json(&live.record(&read::<RecordCall>(body)?)?),
                "/counts" => json(&live.counts(&read::<CountsCall>(body)?)?),
                "/patterns" => json(&live.patterns(read::<Option<PatternsCall>>(body)?.unwrap_or_default())),
                "/baseline" => json(&live.baseline(&read::<BaselineCall>(body)?)),
                "/variables" => json(&live.variables(&read::<VariablesCall>(body)?)),
                "/incidents" => json(&incident_views(&live.machine, now())),
                "/windows" => json(&live.windows(&read::<WindowsCall>(body)?)?),
                "/deployments" => {
                    json(&live.machine.deployments().iter().rev().map(DeploymentView::of).collect::<Vec<_>>())
                }
                "/feedback" => json(&live.feedback()),
                "/replay" => json(&live.replay(&read::<ReplayCall>(body)?)?),
                "/present" => json(&live.present(&read::<Vec<String>>(body)?)?),
                "/status" => json(&StatusAnswer {
                    append_calls: self.intake.calls.get(),
                    commits: self.intake.commits.get(),
                    alarms: self.alarms.get(),
                    damaged_rows: self.damaged_rows.get(),
                    ..live.status(now())?
                }),
                _ => Err(Fault::new("route", "no such call")),
            };
            damaged.set(damaged.get() + live.rows.damaged_hours() - hours_before);
            answer
        });
        self.damaged_rows.set(self.damaged_rows.get() + damaged.get());
        response
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::new("read a call", error))
}

impl Live {
    fn search(&self, call: &SearchCall, damaged: &std::cell::Cell<u64>) -> Result<SearchAnswer, Fault> {
        let query = &call.query;
        let order = match query.order {
            sapwood_wire::cursor::Order::Asc => Order::Ascending,
            sapwood_wire::cursor::Order::Desc => Order::Descending,
        };
        let mut filter = query.to_filter();
        // Records are stored under the id that their pattern had then.
        filter.patterns = filter.patterns.iter().flat_map(|&id| self.machine.miner().ids_of(id)).collect();
        let identity = self.machine.identity();
        let after = query.cursor.as_ref().map(|cursor| cursor.position_for(&identity.component, identity.shard));
        let mut page = Page::new(filter.clone(), order, after, query.limit as usize);
        let mut places = self.rows.journal().places(filter.from, filter.to)?;
        if order == Order::Ascending {
            places.reverse();
        }
        let (mut scanned, mut is_exact) = (0u64, true);
        let mut damaged_here = 0u64;
        for place in places {
            let (Place::Row(summary) | Place::Block(summary)) = &place;
            if !page.wants(summary) {
                continue;
            }
            let is_read = match &place {
                Place::Row(summary) => self.offer_row(&mut page, summary, &mut scanned)?,
                Place::Block(summary) => self.offer_block(&mut page, &filter, summary, &mut scanned)?,
            };
            if scanned > SCANNED_RECORDS_MAX {
                is_exact = false;
                break;
            }
            damaged_here += u64::from(!is_read);
            page.trim();
        }
        damaged.set(damaged_here);
        let (hits, total) = page.finish();
        let hits = hits.iter().map(|hit| self.hit_view(hit)).collect::<Result<_, _>>()?;
        Ok(SearchAnswer { hits, total, is_exact: is_exact && damaged_here == 0, damaged_rows: damaged_here })
    }

    /// Offers the records of a row; whether it could be read.
    fn offer_row(&self, page: &mut Page, summary: &RowSummary, scanned: &mut u64) -> Result<bool, Fault> {
        *scanned += u64::from(summary.count);
        if *scanned > SCANNED_RECORDS_MAX {
            return Ok(true);
        }
        let Some((records, heads)) = self.open_row(summary)? else { return Ok(false) };
        for (index, record) in records.into_iter().enumerate().filter(|(_, record)| !record.is_husk()) {
            let position = Position { timestamp: record.timestamp, seq: summary.seq, index: index as u16 };
            page.offer(record, position, summary.at, heads.pattern_at(index));
        }
        Ok(true)
    }

    /// Offers what a block holds of what is asked for; whether it could be read. What its columns rule out is not inflated
    /// and counts for nothing, what they do not counts as looked at.
    fn offer_block(
        &self,
        page: &mut Page,
        filter: &Filter,
        summary: &RowSummary,
        scanned: &mut u64,
    ) -> Result<bool, Fault> {
        let Some(body) = self.rows.journal().block(summary.seq)? else { return Ok(true) };
        let selected = Block::open(&body).and_then(|block| {
            // The filter names patterns as they were stored.
            if !block.may_match(filter, &|pattern| pattern)? {
                return Ok(Vec::new());
            }
            *scanned += u64::from(summary.count);
            if *scanned > SCANNED_RECORDS_MAX {
                return Ok(Vec::new());
            }
            block.records(&block.select(filter, &|pattern| pattern)?)
        });
        match selected {
            Ok(selected) => {
                for stored in selected.into_iter().filter(|stored| !stored.record.is_husk()) {
                    let position =
                        Position { timestamp: stored.record.timestamp, seq: stored.seq, index: stored.index };
                    page.offer(stored.record, position, stored.at, stored.pattern);
                }
                Ok(true)
            }
            Err(error) => {
                crate::monitoring::report("BlockUnreadable", &[("seq", &summary.seq), ("error", &error)]);
                Ok(false)
            }
        }
    }

    /// The records of a row; `None` if it is damaged or has gone meanwhile.
    fn open_row(&self, summary: &RowSummary) -> Result<Option<(Vec<Record>, Heads)>, Fault> {
        let Some(row) = self.rows.journal().row(summary.seq)? else { return Ok(None) };
        match (row::records(&row.body), Heads::decode(&row.heads)) {
            (Ok(records), Ok(heads)) => Ok(Some((records, heads))),
            (Err(error), _) | (_, Err(error)) => {
                crate::monitoring::report("RowUnreadable", &[("seq", &summary.seq), ("error", &error)]);
                Ok(None)
            }
        }
    }

    fn hit_view(&self, hit: &Hit) -> Result<HitView, Fault> {
        let Position { timestamp, seq, index } = hit.position;
        let record = self.show(&hit.record, seq, index, hit.received_at, hit.pattern)?;
        Ok(HitView { timestamp_ms: timestamp.0, seq, index, record })
    }

    /// A record as it is shown.
    pub(super) fn show(
        &self,
        record: &Record,
        seq: u64,
        index: u16,
        received_at: Timestamp,
        pattern: PatternId,
    ) -> Result<Box<RawValue>, Fault> {
        let id = match &record.id {
            Some(id) => id.clone(),
            None => self.machine.record_id(received_at, seq, index).to_string(),
        };
        let identity = self.machine.identity();
        let pattern_id = self.machine.miner().resolve(pattern).to_string();
        let template = self.machine.miner().pattern(pattern).map(|pattern| pattern.template.as_str());
        let name = self.machine.miner().naming(pattern).map(|naming| naming.name.as_str());
        let view = RecordView {
            record,
            id: &id,
            domain: &identity.domain,
            component: &identity.component,
            received_at_ms: received_at.0,
            pattern: Some(PatternRef { id: &pattern_id, template, name: name.filter(|name| !name.is_empty()) }),
        };
        let mut out = Vec::with_capacity(512);
        view.write_json(&mut out);
        let text = String::from_utf8(out).map_err(|error| Fault::new("show a record", error))?;
        RawValue::from_string(text).map_err(|error| Fault::new("show a record", error))
    }

    fn record(&self, call: &RecordCall) -> Result<Option<Box<RawValue>>, Fault> {
        match call {
            RecordCall::Ours { seq, index, received_at } => {
                let Some(row) = self.rows.journal().row(*seq)?.filter(|row| row.at.0 == *received_at) else {
                    return Ok(None);
                };
                let Some((records, heads)) = self.open_row(&RowSummary::from(&row))? else { return Ok(None) };
                let found = records.get(usize::from(*index)).filter(|record| !record.is_husk());
                found
                    .map(|record| self.show(record, *seq, *index, row.at, heads.pattern_at(usize::from(*index))))
                    .transpose()
            }
            RecordCall::Foreign(id) => self.foreign_record(id),
        }
    }

    /// Which of these ids of ours still lead to a record.
    fn present(&self, ids: &[String]) -> Result<Vec<String>, Fault> {
        let places: BTreeMap<&String, RecordId> =
            ids.iter().filter_map(|id| Some((id, RecordId::parse(id)?))).collect();
        let mut present = Vec::new();
        let rows: BTreeSet<u64> = places.values().map(|place| place.seq).collect();
        for seq in rows {
            let Some(row) = self.rows.journal().row(seq)? else { continue };
            let Some((records, _)) = self.open_row(&RowSummary::from(&row))? else { continue };
            let here = places.iter().filter(|(_, place)| place.seq == seq && place.received_at == row.at);
            let is_there = |place: &RecordId| records.get(usize::from(place.index)).is_some_and(|it| !it.is_husk());
            present.extend(here.filter(|(_, place)| is_there(place)).map(|(id, _)| (*id).clone()));
        }
        Ok(present)
    }

    /// Looks for the caller's id in the heads of the rows, newest first, and opens only the row that has it.
    fn foreign_record(&self, id: &str) -> Result<Option<Box<RawValue>>, Fault> {
        let hash = xxh3_64(id.as_bytes());
        let mut found = None;
        self.rows.journal().heads(|seq, heads| {
            let place = Heads::decode(&heads).ok().and_then(|heads| {
                heads.foreign_ids.iter().rev().find(|(_, known)| *known == hash).map(|(index, _)| *index)
            });
            found = place.map(|index| (seq, index));
            found.is_none()
        })?;
        let Some((seq, index)) = found else { return self.foreign_record_in_blocks(id) };
        let Some(row) = self.rows.journal().row(seq)? else { return Ok(None) };
        let Some((records, heads)) = self.open_row(&RowSummary::from(&row))? else { return Ok(None) };
        match records.get(usize::from(index)).filter(|record| record.id.as_deref() == Some(id)) {
            None => Ok(None),
            Some(record) => self.show(record, seq, index, row.at, heads.pattern_at(usize::from(index))).map(Some),
        }
    }

    /// Looks for the caller's id in the blocks, newest first; only their columns of ids are inflated.
    fn foreign_record_in_blocks(&self, id: &str) -> Result<Option<Box<RawValue>>, Fault> {
        for seq_first in self.rows.journal().blocks()? {
            let Some(body) = self.rows.journal().block(seq_first)? else { continue };
            let found = Block::open(&body).and_then(|block| match block.position_of_id(id)? {
                Some(position) => block.records(&[position]),
                None => Ok(Vec::new()),
            });
            match found {
                Ok(found) => {
                    if let Some(it) = found.into_iter().next() {
                        return self.show(&it.record, it.seq, it.index, it.at, it.pattern).map(Some);
                    }
                }
                Err(error) => {
                    crate::monitoring::report("BlockUnreadable", &[("seq", &seq_first), ("error", &error)]);
                }
            }
        }
        Ok(None)
    }

    fn counts(&self, call: &CountsCall) -> Result<CountsAnswer, Fault> {
        let (from, to) = (Timestamp(call.from_ms), Timestamp(call.to_ms));
        let bucket_ms = call.bucket_ms.max(MINUTE.0);
        let damaged_before = self.rows.damaged_hours();
        let mut answer = CountsAnswer::default();
        let mut add = |minute: Timestamp, key: &SeriesKey, count: u64| {
            if minute < from || minute >= to {
                return;
            }
            let kind = answer.totals.entry(key.kind.word().to_owned()).or_default();
            *kind.entry(self.current_name(key)).or_insert(0) += count;
            if key.kind == SeriesKind::Level {
                let bucket = answer.levels_over_time.entry(minute.0.div_euclid(bucket_ms) * bucket_ms).or_default();
                *bucket.entry(key.key.clone()).or_insert(0) += count;
            }
        };
        for (hour, rollup) in self.rows.rollups(from.floor_to(HOUR), to)? {
            for_each_minute(hour, &rollup, &mut add);
        }
        for (minute, key, count) in self.machine.counters().pending_between(from.floor_to(MINUTE), to) {
            add(minute, &key, count);
        }
        let facets = self.facets(from.floor_to(HOUR), to)?;
        answer.facets = facets.map(|facets| URL_SAFE_NO_PAD.encode(facets.encode())).unwrap_or_default();
        answer.damaged_hours = self.rows.damaged_hours() - damaged_before;
        Ok(answer)
    }

    /// Of the hours that begin in a span, stored and not; `None` if they have none.
    fn facets(&self, from: Timestamp, to: Timestamp) -> Result<Option<Facets>, Fault> {
        let pending = self.machine.counters().pending_facets().into_iter();
        let pending = pending.filter(|(hour, _)| (from..to).contains(hour)).map(|(_, facets)| facets);
        Ok(self.rows.facets(from, to)?.into_iter().chain(pending).reduce(|mut merged, facets| {
            merged.merge(&facets);
            merged
        }))
    }

    /// The name of a series now: a pattern that was merged since is counted as the one that took it over.
    pub(super) fn current_name(&self, key: &SeriesKey) -> String {
        let resolve = |text: &str| PatternId::parse(text).map(|id| self.machine.miner().resolve(id).to_string());
        let renamed = match key.kind {
            SeriesKind::Pattern => resolve(&key.key),
            SeriesKind::PatternLevel => {
                key.key.split_once('|').and_then(|(id, level)| resolve(id).map(|id| format!("{id}|{level}")))
            }
            _ => None,
        };
        renamed.unwrap_or_else(|| key.key.clone())
    }

    fn patterns(&self, call: PatternsCall) -> Vec<PatternView> {
        let tag = self.machine.identity().tag();
        let miner = self.machine.miner();
        // Also those that count nothing: other shards of the component may count them. Readers leave the rest out.
        let mut called: BTreeMap<PatternId, Vec<String>> = BTreeMap::new();
        for (theirs, ours) in self.machine.called() {
            called.entry(ours).or_default().push(theirs.to_string());
        }
        let mut view = |pattern: &Pattern| {
            let called = called.remove(&pattern.id).unwrap_or_default();
            let view = PatternView { called, ..pattern_view(miner, pattern, tag) };
            if call.is_brief { view.in_brief() } else { view }
        };
        let mut patterns: Vec<_> = miner.patterns().map(&mut view).collect();
        patterns.sort_by(|left, right| right.count.cmp(&left.count).then_with(|| left.id.cmp(&right.id)));
        patterns
    }

    fn variables(&self, call: &VariablesCall) -> Vec<VariablesView> {
        let mut room = call.bytes_max;
        let mut views = Vec::new();
        for pattern in call.patterns.iter().filter_map(|id| self.machine.miner().pattern(PatternId::parse(id)?)) {
            let Some(variables) = pattern.variables.encode() else { continue };
            let variables = URL_SAFE_NO_PAD.encode(variables);
            let Some(left) = room.checked_sub(variables.len() + pattern.template.len()) else { break };
            room = left;
            views.push(VariablesView {
                id: pattern.id.to_string(),
                template: pattern.template.clone(),
                count: pattern.count,
                last_seen_ms: pattern.last_seen.0,
                variables,
            });
        }
        views
    }

    fn status(&self, now: Timestamp) -> Result<StatusAnswer, Fault> {
        let machine = &self.machine;
        let BlockFigures { blocks, records, bytes } = self.rows.journal().figures()?;
        let outcomes = machine.outcomes();
        let by_level = machine.counters().by_level();
        let levels = LevelClass::ALL.into_iter().zip(by_level).filter(|(_, count)| *count > 0);
        let last_seen = machine.miner().patterns().map(|pattern| pattern.last_seen.0).max();
        let (keys, ids, _) = machine.pressure();
        let settings = machine.settings();
        Ok(StatusAnswer {
            component: machine.identity().component.clone(),
            shard: machine.identity().shard,
            accepted: outcomes.accepted,
            duplicate: outcomes.duplicate,
            counted_only: outcomes.counted_only,
            rejected: outcomes.rejected,
            levels: levels.map(|(class, count)| (class.word().to_owned(), count)).collect(),
            patterns: machine.miner().len() as u64,
            last_seen_ms: last_seen,
            incidents_open: machine.incidents().open_at(now, &settings.alerts).count() as u64,
            alerts_waiting: machine.outbox().len() as u64,
            last_seq: machine.last_seq(),
            folded_seq: machine.folded_seq(),
            database_bytes: self.rows.sql().database_bytes(),
            blocks,
            block_records: records,
            block_bytes: bytes,
            rows_written: self.rows.sql().rows_written(),
            keys_crowded_out: keys + ids,
            d1: self.sink_view(machine.d1(), settings.has_d1, now),
            data_service: self.sink_view(machine.data_service(), settings.has_data_service, now),
            lead: machine.is_follower().then(|| self.sink_view(machine.lead(), true, now)),
            ..StatusAnswer::default()
        })
    }

    fn sink_view(&self, sink: &Sink, is_on: bool, now: Timestamp) -> SinkView {
        let state = match sink.health(now, &self.machine.settings().sinks) {
            _ if !is_on => "off",
            SinkHealth::Closed => "closed",
            SinkHealth::Retrying => "retrying",
            SinkHealth::Open => "open",
            SinkHealth::Stopped => "stopped",
        };
        SinkView {
            state: state.to_owned(),
            rows_behind: if is_on { self.machine.last_seq().saturating_sub(sink.cursor) } else { 0 },
            delivered: sink.delivered,
            undeliverable: sink.undeliverable,
            last_error: sink.last_error.clone(),
        }
    }
}

pub(super) fn for_each_minute(hour: Timestamp, rollup: &Rollup, add: &mut impl FnMut(Timestamp, &SeriesKey, u64)) {
    for (key, minutes) in rollup.series() {
        for (&minute, &count) in minutes {
            add(Timestamp(hour.0 + i64::from(minute) * MINUTE.0), key, count);
        }
    }
}

/// A pattern as it is shown; `tag` makes the ids of its exemplars.
pub(super) fn pattern_view(miner: &Miner, pattern: &Pattern, tag: u32) -> PatternView {
    let exemplar = |exemplar: &Exemplar| ExemplarView {
        id: RecordId { received_at: exemplar.received_at, object_tag: tag, seq: exemplar.seq, index: exemplar.index }
            .to_string(),
        timestamp_ms: exemplar.timestamp.0,
        level: exemplar.level.class().word().to_owned(),
        message: exemplar.message.clone(),
    };
    let levels = LevelClass::ALL.into_iter().zip(pattern.levels).filter(|(_, count)| *count > 0);
    PatternView {
        id: pattern.id.to_string(),
        template: pattern.template.clone(),
        count: pattern.count,
        first_seen_ms: pattern.first_seen.0,
        last_seen_ms: pattern.last_seen.0,
        levels: levels.map(|(class, count)| (class.word().to_owned(), count)).collect::<BTreeMap<_, _>>(),
        endpoints: pattern.endpoints.clone(),
        environments: pattern.environments.clone(),
        releases: pattern.releases.clone(),
        exemplars: pattern.exemplars.iter().chain(&pattern.last).map(exemplar).collect(),
        was_alerted: pattern.was_alerted,
        fault: pattern.fault.as_deref().map(fault_view),
        naming: miner.naming(pattern.id).map(|naming| NamingView {
            name: naming.name.clone(),
            description: naming.description.clone(),
            kind: naming.kind.clone(),
            owner: naming.owner.clone(),
            link: naming.link.clone(),
        }),
        aliases: miner.ids_of(pattern.id).iter().skip(1).map(PatternId::to_string).collect(),
        called: Vec::new(),
        children: miner.children_of(pattern.id).map(|id| id.to_string()).collect(),
        parent: miner.parent_of(pattern.id).map(|id| id.to_string()),
    }
}

fn fault_view(fault: &sapwood_engine::fault::Fault) -> FaultView {
    FaultView {
        fingerprint: fault.fingerprint.to_string(),
        exception_type: fault.exception_type.clone(),
        function: fault.function.clone(),
        file: fault.file.clone(),
        language: fault.language.word().to_owned(),
        causes: fault.causes.clone(),
    }
}

/// The incidents of a machine, newest first.
pub(super) fn incident_views(machine: &StreamMachine, now: Timestamp) -> Vec<IncidentView> {
    let policy = machine.settings().alerts;
    let view = |incident: &sapwood_engine::triage::Incident| IncidentView {
        id: incident.id.clone(),
        kind: incident.signal.kind.as_str().to_owned(),
        series: incident.signal.subject.to_string(),
        status: if incident.is_over(now, &policy) { "resolved" } else { "open" }.to_owned(),
        pattern_id: incident.pattern.map(|id| machine.miner().resolve(id).to_string()),
        template: incident.pattern.and_then(|id| Some(machine.miner().pattern(id)?.template.clone())),
        level: incident.level.class().word().to_owned(),
        count: incident.count,
        seen: incident.signal.seen,
        total: incident.signal.total,
        expected: incident.signal.expected,
        expected_low: incident.signal.expected_low,
        expected_high: incident.signal.expected_high,
        probability: incident.signal.probability,
        window_ms: incident.signal.window.0,
        evidence: incident.evidence.iter().map(RecordId::to_string).collect(),
        closed_at_ms: incident.closed_at.map(|at| at.0),
        opened_at_ms: incident.opened_at.0,
        first_seen_ms: incident.first_seen.0,
        last_seen_ms: incident.last_seen.0,
        was_told: incident.was_told,
        new_in_release: match incident.signal.kind {
            SignalKind::NewPattern => {
                let pattern = incident.pattern.and_then(|id| machine.miner().pattern(id));
                pattern.and_then(|pattern| machine.new_in_release(pattern)).map(str::to_owned)
            }
            _ => None,
        },
        feedback: machine.feedback_on(&incident.id).map(|feedback| FeedbackView::of(feedback, machine)),
    };
    let mut incidents: Vec<_> = machine.incidents().all().map(view).collect();
    incidents.reverse();
    incidents
}
