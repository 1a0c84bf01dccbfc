//! What the alarm does outside the object: hand alerts to the domain object, remove what has expired, copy to D1, send
//! to the data service, publish the summary.
//!
//! Each part reports its result to the machine as an event; what failed has its own time to try again there. Intake goes
//! on meanwhile: everything here awaits with no borrow held.

use super::{Inner, Live, now};
use crate::processors::calls::{CleanupAnswer, CleanupCall};
use crate::processors::outgoing;
use crate::storage::d1::{self, Flush, IncidentRow, Origin, PatternRow, RecordRow, RollupRow};
use crate::storage::fault::Fault;
use sapwood_engine::config::Config;
use sapwood_engine::level::LevelClass;
use sapwood_engine::machine::row::{self, Heads, RowKind};
use sapwood_engine::machine::stream::{Effects, Event};
use sapwood_engine::record::Record;
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_wire::data_service::{self, BATCH_PATH, BatchOutcome, DataServiceOutcome, DataServiceRecord, STORE_PATH};
use sapwood_wire::record_view::PatternRef;
use std::collections::BTreeSet;
use std::rc::Rc;
use worker::Method;

/// Rows removed in one transition.
const RETAIN_ROWS: u32 = 500;
/// Slices of one clean-up; a caller is told to come again for the rest.
const CLEANUP_ROUNDS: usize = 40;
/// Records of one D1 flush, and bytes of their JSON.
const D1_RECORDS_MAX: usize = 500;
const D1_BYTES_MAX: usize = 700_000;
/// Rows that one D1 flush passes by, and those that it opens.
const D1_OUTLINES: u32 = 4_096;
const D1_ROWS_OPENED: usize = 64;
/// Flushes of one alarm; what is left waits for the next.
const ROUNDS_MAX: usize = 20;
/// Records sent one by one in one alarm, while the data service has no batch route. Beyond that only warnings and worse
/// go; ours stays the authoritative store.
const SINGLES_MAX: usize = 200;
/// How long an absent batch route is remembered.
const NO_BATCH: Millis = Millis::from_mins(5);
/// How often the summary is published at most.
const PUBLISH_INTERVAL: Millis = Millis::from_mins(5);

impl Inner {
    pub(super) async fn perform_outside(self: Rc<Self>, effects: Effects) -> Result<(), Fault> {
        self.hand_over_alerts(&effects.deliver).await?;
        if let Some(from) = effects.retain_from {
            // What was played in late is kept as long as if it had happened when it came.
            self.retain(from, from).await?;
        }
        if effects.flush_d1 {
            self.flush_d1().await?;
        }
        if effects.flush_data_service {
            self.flush_data_service().await?;
        }
        if effects.checkpoint {
            self.publish().await;
        }
        Ok(())
    }

    /// Hands alerts to the domain object without waiting for the alarm, which may be busy with a slow data service. The
    /// alarm stays for what fails here.
    pub(super) fn hand_over_soon(self: &Rc<Self>) {
        if self.is_handing_over.replace(true) {
            return;
        }
        let sender = Rc::clone(self);
        self.state.wait_until(async move {
            let due = sender.with_live(|live| Ok(live.machine.outbox().due(now(), 16)));
            let handed_over = match due {
                Ok(ids) => sender.hand_over_alerts(&ids).await,
                Err(fault) => Err(fault),
            };
            sender.is_handing_over.set(false);
            if let Err(fault) = handed_over {
                crate::monitoring::report("AlertsNotHandedOver", &[("fault", &fault)]);
            }
        });
    }

    async fn hand_over_alerts(&self, ids: &[String]) -> Result<(), Fault> {
        for id in ids {
            let (body, domain, config) = self.with_live(|live| {
                let domain = live.machine.identity().domain.clone();
                Ok((live.rows.alert(id)?, domain, Rc::clone(&live.config)))
            })?;
            // Without its row there is nothing to send; the machine forgets it.
            let handed_over = match body {
                None => Ok(()),
                Some(body) => self.stubs(&config).alert(&domain, id, &body).await,
            };
            match handed_over {
                Ok(()) => self.transition(Event::AlertDelivered(id.clone()), now())?,
                Err(error) => {
                    crate::monitoring::report("AlertNotHandedOver", &[("error", &error)]);
                    self.transition(Event::AlertFailed(id.clone()), now())?
                }
            };
        }
        Ok(())
    }

    /// Removes expired rows in slices. A row leaves only when it is folded and, unless a sink has been away for as long
    /// as records are kept, when the sinks have it.
    ///
    /// `from` is event time; of the older rows those go that were also received before `received_before`.
    async fn retain(&self, from: Timestamp, received_before: Timestamp) -> Result<(), Fault> {
        self.prune_d1(from).await;
        let oldest = self.with_live(|live| {
            let machine = &live.machine;
            let retention = machine.settings().retention;
            let patience = now().minus(retention).minus(retention);
            let (received_before, seq_max) = live.removable(received_before);
            let removed = live.rows.retain(from, received_before, seq_max, RETAIN_ROWS)?;
            let forced = live.rows.retain(patience, patience, machine.folded_seq(), RETAIN_ROWS)?;
            if forced > 0 {
                crate::monitoring::report("RowsExpiredUndelivered", &[("count", &forced)]);
            }
            live.rows.retain_hours(from)?;
            crate::monitoring::report("RowsExpired", &[("count", &(removed + forced))]);
            live.rows.oldest()
        })?;
        self.transition(Event::Retained(oldest), now())?;
        Ok(())
    }

    /// Removes, or only counts, what is older than an instant and may go.
    pub(super) async fn clean_up(&self, call: &CleanupCall) -> Result<CleanupAnswer, Fault> {
        let before = Timestamp(call.before_ms);
        let expiring = || {
            self.with_live(|live| {
                let (received_before, seq_max) = live.removable(now());
                live.rows.expiring(before, received_before, seq_max)
            })
        };
        let (rows, records) = expiring()?;
        let mut left = rows;
        if !call.is_dry_run {
            for _ in 0..CLEANUP_ROUNDS {
                self.retain(before, now()).await?;
                left = expiring()?.0;
                if left == 0 {
                    break;
                }
            }
        }
        Ok(CleanupAnswer { rows, records, is_complete: call.is_dry_run || left == 0 })
    }

    /// Removes from D1 what expires here. What could not be removed goes with the next time.
    async fn prune_d1(&self, from: Timestamp) {
        let pruned = match self.with_live(|live| Ok((live.machine.settings().has_d1, live.machine.identity().clone())))
        {
            Ok((true, identity)) => match self.env.d1("LOGS_DB") {
                Ok(database) => d1::prune(&database, &identity.domain, &identity.component, from.0).await,
                Err(error) => Err(Fault::new("open D1", error)),
            },
            Ok((false, _)) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = pruned {
            crate::monitoring::report("D1NotPruned", &[("fault", &fault)]);
        }
    }

    async fn flush_d1(&self) -> Result<(), Fault> {
        for _ in 0..ROUNDS_MAX {
            let generation = self.with_live(|live| Ok(live.machine.d1_generation()))?;
            match self.flush_d1_once().await {
                Ok(Some((cursor, delivered, is_done))) => {
                    self.transition(Event::D1Advanced { cursor, delivered, generation }, now())?;
                    if is_done {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(fault) => {
                    crate::monitoring::report("D1FlushFailed", &[("fault", &fault)]);
                    self.transition(Event::D1Failed(fault.to_string()), now())?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One flush: how far it got, how many records went, whether that was all. `None` if D1 turned out to be a new one.
    async fn flush_d1_once(&self) -> Result<Option<(u64, u64, bool)>, Fault> {
        let database = self.env.d1("LOGS_DB").map_err(|error| Fault::new("open D1", error))?;
        let epoch = d1::epoch(&database).await?;
        let (known, hours) = self.with_live(|live| Ok((live.rows.d1_epoch()?, live.rows.hours()?)))?;
        if known.as_deref() != Some(&epoch) {
            self.with_live(|live| live.rows.set_d1_epoch(&epoch))?;
            if known.is_some() {
                crate::monitoring::report("D1Replaced", &[]);
                self.transition(Event::D1Lost(hours), now())?;
                return Ok(None);
            }
        }
        let (flush, cursor, is_done, identity) = self.with_live(|live| {
            let (flush, cursor, is_done) = live.d1_flush()?;
            Ok((flush, cursor, is_done, live.machine.identity().clone()))
        })?;
        let origin = Origin {
            domain: &identity.domain,
            component: &identity.component,
            shard: identity.shard,
            seq: cursor,
            at: now().0,
        };
        d1::write(&database, origin, &flush).await?;
        Ok(Some((cursor, flush.records.len() as u64, is_done)))
    }

    async fn flush_data_service(&self) -> Result<(), Fault> {
        let mut singles = 0;
        for _ in 0..ROUNDS_MAX {
            let config = self.with_live(|live| Ok(Rc::clone(&live.config)))?;
            let Some(base) = config.data_service_url() else { return Ok(()) };
            let has_batch = self.with_live(|live| Ok(now() >= live.machine.data_service().no_batch_until))?;
            let room = if has_batch { config.bulk_insert_size() } else { config.bulk_insert_size().min(SINGLES_MAX) };
            let load = self.with_live(|live| live.data_service_load(room, !has_batch && singles >= SINGLES_MAX))?;
            if load.records.is_empty() {
                if load.cursor_after > 0 {
                    self.advance_data_service(&load, 0, 0, load.records.len())?;
                }
                return Ok(());
            }
            let call = Call { base, config: &config };
            let progress = if has_batch { call.send_batch(&load).await } else { call.send_singles(&load).await };
            singles += load.records.len();
            self.advance_data_service(&load, progress.delivered, progress.undeliverable, progress.done)?;
            match progress.stopped_by {
                None => {}
                Some(Stop::NoBatchRoute) => {
                    self.transition(Event::DataNoBatch(now().plus(NO_BATCH)), now())?;
                }
                Some(Stop::Retry(why)) => {
                    crate::monitoring::report("DataServiceFailed", &[("error", &why)]);
                    self.transition(Event::DataFailed(why), now())?;
                    return Ok(());
                }
                Some(Stop::Refused(why)) => {
                    crate::monitoring::report("DataServiceRefused", &[("error", &why)]);
                    self.transition(Event::DataStopped(why), now())?;
                    return Ok(());
                }
            }
            if load.is_last && progress.done == load.records.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Tells the machine that the first `done` records of a load have their outcome.
    fn advance_data_service(&self, load: &Load, delivered: u64, undeliverable: u64, done: usize) -> Result<(), Fault> {
        let (cursor, index) = if done == load.records.len() {
            (load.cursor_after, load.index_after)
        } else {
            match done.checked_sub(1).and_then(|last| load.records.get(last)) {
                Some(last) => (last.seq.saturating_sub(1), last.index + 1),
                None => return Ok(()),
            }
        };
        let undeliverable = undeliverable + if done == load.records.len() { load.skipped } else { 0 };
        self.transition(Event::DataAdvanced { cursor, index, delivered, undeliverable }, now())?;
        Ok(())
    }

    /// Publishes what the object knows about itself, so that every edge can read it without waking the object.
    async fn publish(&self) {
        if now().since(self.published_at.get()) < PUBLISH_INTERVAL {
            return;
        }
        self.published_at.set(now());
        let summary = self.with_live(|live| {
            let identity = live.machine.identity();
            let key = format!("summary:{}:{}:{}", identity.domain, identity.component, identity.shard);
            let outcomes = live.machine.outcomes();
            let summary = serde_json::json!({
                "at_ms": now().0,
                "accepted": outcomes.accepted,
                "duplicate": outcomes.duplicate,
                "counted_only": outcomes.counted_only,
                "rejected": outcomes.rejected,
                "patterns": live.machine.miner().len(),
            });
            Ok((key, summary.to_string()))
        });
        let published = match summary {
            Err(fault) => Err(fault.to_string()),
            Ok((key, summary)) => match self.env.kv("LOGS_KV").map(|kv| kv.put(&key, summary)) {
                Ok(Ok(put)) => put.execute().await.map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            },
        };
        if let Err(error) = published {
            crate::monitoring::report("SummaryNotPublished", &[("error", &error)]);
        }
    }
}

impl Live {
    /// Up to which instant of receipt, at most `received_before`, and up to which row something may go: what is folded,
    /// what the sinks have, and what no retry can ask for any more.
    fn removable(&self, received_before: Timestamp) -> (Timestamp, u64) {
        let settings = self.machine.settings();
        let sinks = [
            (settings.has_d1, self.machine.d1().cursor),
            (settings.has_data_service, self.machine.data_service().cursor),
        ];
        let cursors = sinks.into_iter().filter(|(is_on, _)| *is_on).map(|(_, cursor)| cursor);
        let seq_max = cursors.fold(self.machine.folded_seq(), u64::min);
        (received_before.min(now().minus(settings.key_window)), seq_max)
    }

    /// What D1 does not have yet, the row up to which that is, and whether it is all.
    fn d1_flush(&mut self) -> Result<(Flush, u64, bool), Fault> {
        let folded = self.machine.folded_seq();
        let level_min = self.config.d1_record_level();
        let mut flush = Flush::default();
        let mut cursor = self.machine.d1().cursor;
        let mut bytes = 0usize;
        let outlines = self.rows.outlines(cursor, folded, D1_OUTLINES)?;
        let mut is_done = outlines.len() < D1_OUTLINES as usize;
        let exemplars: BTreeSet<u64> =
            self.machine.miner().patterns().flat_map(|it| it.exemplars.iter().map(|exemplar| exemplar.seq)).collect();
        let mut opened = 0;
        for outline in outlines {
            let is_empty = outline.kind != Some(RowKind::Segments) || outline.count == 0;
            // Most rows hold nothing that is wanted; those are not even read.
            let is_wanted = may_hold(outline.levels, level_min) || exemplars.contains(&outline.seq);
            if is_empty || !is_wanted {
                cursor = outline.seq;
                continue;
            }
            // At most a few rows at a time: each can hold thousands of records.
            if flush.records.len() >= D1_RECORDS_MAX || bytes >= D1_BYTES_MAX || opened >= D1_ROWS_OPENED {
                is_done = false;
                break;
            }
            cursor = outline.seq;
            opened += 1;
            let Some(row) = self.rows.row(outline.seq)? else { continue };
            let (Ok(records), Ok(heads)) = (row::records(&row.body), Heads::decode(&row.heads)) else { continue };
            for (index, record) in records.iter().enumerate() {
                let pattern = heads.pattern_at(index);
                if record.level.class() < level_min && !self.is_exemplar(pattern, row.seq, index) {
                    continue;
                }
                let body = self.show(record, row.seq, index as u16, row.at, pattern)?;
                bytes += body.get().len();
                let id = record.id.clone();
                flush.records.push(RecordRow {
                    id: id.unwrap_or_else(|| self.machine.record_id(row.at, row.seq, index as u16).to_string()),
                    timestamp: record.timestamp.0,
                    level: record.level.number(),
                    pattern_id: self.machine.miner().resolve(pattern).to_string(),
                    message: record.message.clone(),
                    body,
                });
            }
        }
        if is_done {
            cursor = folded;
        }
        self.d1_knowledge(&mut flush)?;
        Ok((flush, cursor, is_done))
    }

    fn is_exemplar(&self, pattern: sapwood_engine::pattern::PatternId, seq: u64, index: usize) -> bool {
        self.machine.miner().pattern(pattern).is_some_and(|pattern| {
            pattern.exemplars.iter().any(|exemplar| exemplar.seq == seq && usize::from(exemplar.index) == index)
        })
    }

    fn d1_knowledge(&self, flush: &mut Flush) -> Result<(), Fault> {
        let (patterns, hours) = self.machine.d1_dirty();
        let tag = self.machine.identity().tag();
        for (id, pattern) in patterns.into_iter().filter_map(|id| Some((id, self.machine.miner().pattern(id)?))) {
            flush.patterns.push(PatternRow {
                id: id.to_string(),
                template: pattern.template.clone(),
                // What was merged counts nothing any more, so that the rows add up; its body names who took it over.
                count: if id == pattern.id { pattern.count } else { 0 },
                first_seen: pattern.first_seen.0,
                last_seen: pattern.last_seen.0,
                level: pattern.worst_level().word().to_owned(),
                body: super::read::pattern_view(pattern, tag),
            });
        }
        for hour in hours {
            let Some(rollup) = self.rows.rollup(hour)? else { continue };
            flush.rollups.extend(rollup.series().map(|(key, minutes)| RollupRow {
                hour: hour.0,
                kind: key.kind.word().to_owned(),
                key: key.key.clone(),
                count: minutes.values().sum(),
                minutes: minutes.clone(),
            }));
        }
        flush.incidents.extend(self.machine.incidents().all().map(|incident| IncidentRow {
            id: incident.id.clone(),
            kind: incident.signal.kind.as_str().to_owned(),
            pattern_id: incident.pattern.map(|id| id.to_string()).unwrap_or_default(),
            level: incident.level.class().word().to_owned(),
            count: incident.count,
            opened_at: incident.opened_at.0,
            first_seen: incident.first_seen.0,
            last_seen: incident.last_seen.0,
        }));
        Ok(())
    }

    /// The next records for the data service.
    fn data_service_load(&mut self, room: usize, only_warnings: bool) -> Result<Load, Fault> {
        let sink = self.machine.data_service();
        let (cursor, start) = (sink.cursor, sink.index);
        let mut rows = Vec::new();
        let mut count = 0u64;
        let mut is_last = true;
        self.rows.rows_after(cursor, |row| {
            if count >= room as u64 + u64::from(start) || rows.len() >= 256 {
                is_last = false;
                return false;
            }
            count += u64::from(row.count);
            rows.push(row);
            true
        })?;
        let mut load = Load { cursor_after: cursor, index_after: start, is_last, ..Load::default() };
        for row in rows {
            let from = if row.seq == cursor + 1 { start } else { 0 };
            load.cursor_after = row.seq;
            load.index_after = 0;
            if row.kind != RowKind::Segments {
                continue;
            }
            let (Ok(records), Ok(heads)) = (row::records(&row.body), Heads::decode(&row.heads)) else {
                load.skipped += u64::from(row.count);
                continue;
            };
            for (index, record) in records.iter().enumerate().skip(from as usize) {
                if load.records.len() >= room {
                    load.cursor_after = row.seq - 1;
                    load.index_after = index as u32;
                    load.is_last = false;
                    return Ok(load);
                }
                if only_warnings && record.level.class() < LevelClass::Warn {
                    load.skipped += 1;
                    continue;
                }
                let body = self.data_service_record(record, (row.seq, index as u16), row.at, &heads);
                load.records.push(Loaded { seq: row.seq, index: index as u32, body });
            }
        }
        Ok(load)
    }

    fn data_service_record(&self, record: &Record, place: (u64, u16), at: Timestamp, heads: &Heads) -> Vec<u8> {
        let identity = self.machine.identity();
        let pattern = heads.pattern_at(usize::from(place.1));
        let pattern_id = self.machine.miner().resolve(pattern).to_string();
        let template = self.machine.miner().pattern(pattern).map(|pattern| pattern.template.as_str());
        let ours = self.machine.record_id(at, place.0, place.1).to_string();
        DataServiceRecord {
            record,
            id: record.id.as_deref().unwrap_or(&ours),
            domain: &identity.domain,
            tenant_id: None,
            component: &identity.component,
            received_at_ms: at.0,
            pattern: Some(PatternRef { id: &pattern_id, template }),
        }
        .to_json()
    }
}

fn may_hold(levels: u8, level_min: LevelClass) -> bool {
    levels >> level_min.index() != 0
}

/// Records on their way to the data service.
#[derive(Default)]
struct Load {
    records: Vec<Loaded>,
    /// Position once all of them have their outcome.
    cursor_after: u64,
    index_after: u32,
    /// Records left out by policy or because they cannot be read.
    skipped: u64,
    /// Whether nothing waits behind them.
    is_last: bool,
}

struct Loaded {
    seq: u64,
    index: u32,
    body: Vec<u8>,
}

/// How far a load got.
#[derive(Default)]
struct Progress {
    /// Records, from the first, that have their outcome.
    done: usize,
    delivered: u64,
    undeliverable: u64,
    stopped_by: Option<Stop>,
}

enum Stop {
    NoBatchRoute,
    Retry(String),
    Refused(String),
}

struct Call<'a> {
    base: &'a str,
    config: &'a Config,
}

impl Call<'_> {
    async fn send(&self, path: &str, body: &[u8]) -> Result<outgoing::Answer, String> {
        let key = self.config.data_service_key().map(|key| key.expose().to_owned()).unwrap_or_default();
        let headers = [
            ("content-type", "application/json"),
            ("x-service-key", key.as_str()),
            ("x-service-name", self.config.service_name().as_str()),
        ];
        let url = data_service::join_url(self.base, path);
        outgoing::send(Method::Post, &url, &headers, Some(body), self.config.data_service_timeout()).await
    }

    async fn send_batch(&self, load: &Load) -> Progress {
        let body = data_service::batch_body(load.records.iter().map(|record| record.body.as_slice()));
        let answer = match self.send(BATCH_PATH, &body).await {
            Err(why) => return Progress { stopped_by: Some(Stop::Retry(why)), ..Progress::default() },
            Ok(answer) => answer,
        };
        match data_service::interpret_batch(answer.status, &answer.body, load.records.len()) {
            BatchOutcome::Split => self.send_singles(load).await,
            BatchOutcome::Each(outcomes) => {
                let mut progress = Progress::default();
                for outcome in outcomes {
                    if !progress.take(outcome) {
                        break;
                    }
                }
                progress
            }
            BatchOutcome::All(DataServiceOutcome::NoSuchRoute) => {
                Progress { stopped_by: Some(Stop::NoBatchRoute), ..Progress::default() }
            }
            BatchOutcome::All(outcome) => {
                let mut progress = Progress::default();
                for _ in &load.records {
                    if !progress.take(outcome.clone()) {
                        break;
                    }
                }
                progress
            }
        }
    }

    /// One by one, in order, so that what arrived is always a prefix.
    async fn send_singles(&self, load: &Load) -> Progress {
        let mut progress = Progress::default();
        for record in &load.records {
            let outcome = match self.send(STORE_PATH, &record.body).await {
                Err(why) => DataServiceOutcome::Retry(why),
                Ok(answer) => data_service::interpret(answer.status, &answer.body),
            };
            if !progress.take(outcome) {
                break;
            }
        }
        progress
    }
}

impl Progress {
    /// Books the outcome of the next record; whether to go on.
    fn take(&mut self, outcome: DataServiceOutcome) -> bool {
        match outcome {
            DataServiceOutcome::Stored | DataServiceOutcome::Duplicate => self.delivered += 1,
            DataServiceOutcome::BadRecord(why) => {
                self.undeliverable += 1;
                crate::monitoring::report("RecordUndeliverable", &[("error", &why)]);
            }
            DataServiceOutcome::NoSuchRoute => {
                self.stopped_by = Some(Stop::Retry("the data service has no route for records".to_owned()));
                return false;
            }
            DataServiceOutcome::Unauthorized => {
                self.stopped_by =
                    Some(Stop::Refused("the data service refuses our key: set DATA_SERVICE_API_KEY".to_owned()));
                return false;
            }
            DataServiceOutcome::Retry(why) => {
                self.stopped_by = Some(Stop::Retry(why));
                return false;
            }
        }
        self.done += 1;
        true
    }
}
