//! What the alarm does outside the object: hand alerts to the domain object, remove what has expired, copy to D1, send
//! to the data service, publish the summary.
//!
//! Each part reports its result to the machine as an event; what failed has its own time to try again there. Intake goes
//! on meanwhile: everything here awaits with no borrow held.

use super::{Inner, Live, now};
use crate::processors::calls::{CleanupAnswer, CleanupCall, LendCall, PatternView, StreamAddress};
use crate::processors::outgoing;
use crate::storage::d1::{self, Flush, IncidentRow, Origin, PatternRow, RecordRow, RollupRow};
use crate::storage::fault::Fault;
use crate::storage::journal::Expiry;
use crate::storage::sql;
use sapwood_engine::baseline::Prior;
use sapwood_engine::config::Config;
use sapwood_engine::machine::stream::{
    Effects, Event, Identity, LoadSpan, NextThinning, Outgoing, StreamStore, Thinning,
};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::{Millis, Timestamp};
use sapwood_wire::data_service::{self, BATCH_PATH, BatchOutcome, DataServiceOutcome, DataServiceRecord, STORE_PATH};
use sapwood_wire::record_view::PatternRef;
use std::rc::Rc;
use worker::Method;

/// Rows removed in one transition.
const RETAIN_ROWS: u32 = 500;
/// Blocks of which a part leaves and that are made anew in one slice of a clean-up.
const TRIM_BLOCKS: usize = 2;
/// Places of which one alarm removes records before their time.
const THIN_PLACES: usize = 64;
/// Rows of which one clean-up of some levels or patterns removes records; a caller is told to come again for the rest.
const SELECTED_ROWS_MAX: u64 = 2_000;
/// Slices of one clean-up; a caller is told to come again for the rest.
const CLEANUP_ROUNDS: usize = 40;
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
        if effects.forward {
            Rc::clone(&self).forward().await;
        }
        self.hand_over_alerts(&effects.deliver).await?;
        if let Some(prior) = &effects.lend {
            self.lend(prior).await?;
        }
        if let Some(from) = effects.retain_from {
            self.thin(false).await?;
            // What was played in late is kept as long as if it had happened when it came.
            self.retain(from, from).await?;
        }
        if effects.flush_d1 {
            self.flush_d1().await?;
        }
        if effects.flush_data_service {
            self.flush_data_service().await?;
        }
        if effects.pack {
            self.pack().await?;
        }
        if effects.checkpoint && self.holds_too_much()? {
            self.thin(true).await?;
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
            let (body, domain, version, config) = self.with_live(|live| {
                let (domain, version) = (live.machine.identity().domain.clone(), live.machine.view().version);
                Ok((live.rows.alert(id)?, domain, version, Rc::clone(&live.config)))
            })?;
            // Without its row there is nothing to send; the machine forgets it.
            let handed_over = match body {
                None => Ok(()),
                Some(body) => self.stubs(&config).alert(&domain, id, &body, version).await,
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

    /// Lends the domain's newcomers what this component has learned; what does not arrive is lent an hour later.
    async fn lend(&self, prior: &Prior) -> Result<(), Fault> {
        let (call, domain, config) = self.with_live(|live| {
            let Identity { domain, component, shard } = live.machine.identity().clone();
            let version = live.machine.view().version;
            Ok((LendCall { component, shard, version, prior: prior.encode() }, domain, Rc::clone(&live.config)))
        })?;
        match self.stubs(&config).lend(&domain, &call).await {
            Ok(()) => self.transition(Event::Lent(prior.hours), now()).map(|_| ()),
            Err(error) => {
                crate::monitoring::report("PriorNotLent", &[("error", &error)]);
                Ok(())
            }
        }
    }

    /// Removes expired rows in slices. A row leaves only when it is folded and, unless a sink has been away for as long
    /// as records are kept, when the sinks have it.
    ///
    /// Returns how many records left D1. `from` is event time; of the older rows those go that were also received before `received_before`.
    async fn retain(&self, from: Timestamp, received_before: Timestamp) -> Result<u64, Fault> {
        let copies = self.prune_d1(from).await;
        let oldest = self.with_live(|live| {
            let machine = &live.machine;
            let retention = machine.settings().retention;
            let patience = now().minus(retention).minus(retention);
            let (received_before, seq_max) = machine.removable(received_before, now());
            let journal = live.rows.journal();
            let removed = journal.retain(&Expiry { from, received_before, seq_max }, RETAIN_ROWS)?;
            let late = Expiry { from: patience, received_before: patience, seq_max: machine.folded_seq() };
            let forced = journal.retain(&late, RETAIN_ROWS)?;
            if forced > 0 {
                crate::monitoring::report("RowsExpiredUndelivered", &[("count", &forced)]);
            }
            live.rows.retain_hours(from)?;
            crate::monitoring::report("RowsExpired", &[("count", &(removed + forced))]);
            live.rows.journal().oldest()
        })?;
        self.transition(Event::Retained(oldest), now())?;
        Ok(copies)
    }

    /// Whether the component holds more than it may.
    fn holds_too_much(&self) -> Result<bool, Fault> {
        self.with_live(|live| {
            let bytes_max = live.machine.settings().retention_policy.bytes_max;
            Ok(bytes_max.is_some_and(|most| live.rows.sql().database_bytes() > most))
        })
    }

    /// Removes what leaves before its time, a place a turn: by age, or because the component holds too much.
    async fn thin(&self, is_over: bool) -> Result<(), Fault> {
        let (mut records, mut copies) = (0, 0);
        for _ in 0..THIN_PLACES {
            if is_over && !self.holds_too_much()? {
                break;
            }
            let ids = self.copies_to_thin(is_over)?;
            let mut are_copies_gone = true;
            match self.remove_copies(&ids).await? {
                Ok(removed) => copies += removed,
                Err(fault) => {
                    are_copies_gone = false;
                    crate::monitoring::report("D1NotPruned", &[("fault", &fault)]);
                    // Nothing leads to the copies once their records are husks. What is too much goes all the same; its
                    // copies leave with their age.
                    if !is_over {
                        self.with_live(|live| {
                            live.machine.thin_later(now());
                            Ok(())
                        })?;
                        break;
                    }
                }
            }
            let mut live = self.take_live(None)?;
            let NextThinning::Now(thinning) = live.machine.next_thinning(&live.rows, is_over, now())? else {
                self.live.replace(Some(live));
                break;
            };
            if are_copies_gone && thinning.copies != ids {
                // Something came meanwhile, and a pattern shows another record now. The machine is ahead of its rows and
                // is forgotten; then it is looked at again.
                drop(live);
                continue;
            }
            records += thinning.records;
            self.store_thinning(live, thinning).await?;
        }
        if records > 0 {
            crate::monitoring::report("RecordsExpiredEarly", &[("count", &records), ("copies", &copies)]);
        }
        Ok(())
    }

    /// What leaves next, by the ids of its copies in D1. They go first: a record that is still here leads to its copy, and
    /// the copy of one that is not would stay.
    fn copies_to_thin(&self, is_over: bool) -> Result<Vec<String>, Fault> {
        self.with_live(|live| {
            if !live.machine.settings().has_d1 {
                return Ok(Vec::new());
            }
            let thinning = live.machine.would_thin(&live.rows, is_over, now())?;
            Ok(thinning.map(|thinning| thinning.copies).unwrap_or_default())
        })
    }

    /// Takes copies out of D1; how many there were. The outer error is ours, the inner one D1's.
    async fn remove_copies(&self, ids: &[String]) -> Result<Result<u64, Fault>, Fault> {
        if ids.is_empty() {
            return Ok(Ok(0));
        }
        let identity = self.with_live(|live| Ok(live.machine.identity().clone()))?;
        Ok(match self.env.d1("LOGS_DB") {
            Ok(database) => d1::remove(&database, &identity.domain, &identity.component, ids).await,
            Err(error) => Err(Fault::new("open D1", error)),
        })
    }

    async fn store_thinning(&self, mut live: Live, thinning: Thinning) -> Result<(), Fault> {
        let doing = "remove records";
        let live = sql::atomically(&self.state.storage(), doing, move || {
            live.rows.store_thinning(&thinning)?;
            Ok(live)
        })?;
        self.live.replace(Some(live));
        // On disk before the next is begun; others have their turn meanwhile.
        self.state.storage().sync().await.map_err(|error| Fault::new(doing, error))
    }

    /// Removes, or only counts, the records of some levels or patterns that are older than an instant and may go.
    async fn clean_up_selected(&self, call: &CleanupCall) -> Result<CleanupAnswer, Fault> {
        let before = Timestamp(call.before_ms);
        let selection = call.selection();
        let (mut answer, mut seq) = (CleanupAnswer::default(), 0);
        loop {
            // First the copies, as in `thin`.
            let looked =
                self.with_live(|live| live.machine.select_in_place(&live.rows, &selection, before, seq, now()))?;
            let Some((next, found)) = looked else {
                answer.is_complete = true;
                return Ok(answer);
            };
            if call.is_dry_run || found.records == 0 {
                answer.copies += self.count_copies(&found.copies).await?;
                answer.rows += found.bodies.len() as u64;
                answer.records += found.records;
                seq = next;
                continue;
            }
            answer.copies += self.remove_copies(&found.copies).await??;
            let live = self.take_live(None)?;
            let selected = live.machine.select_in_place(&live.rows, &selection, before, seq, now())?;
            let Some((next, thinning)) = selected.filter(|(_, thinning)| thinning.copies == found.copies) else {
                // Something else happened to the place meanwhile: look again.
                self.live.replace(Some(live));
                continue;
            };
            seq = next;
            answer.rows += thinning.bodies.len() as u64;
            answer.records += thinning.records;
            self.store_thinning(live, thinning).await?;
            if answer.rows >= SELECTED_ROWS_MAX {
                return Ok(answer);
            }
        }
    }

    /// Removes, or only counts, what is older than an instant and may go.
    pub(super) async fn clean_up(&self, call: &CleanupCall) -> Result<CleanupAnswer, Fault> {
        if !call.levels.is_empty() || !call.patterns.is_empty() {
            return self.clean_up_selected(call).await;
        }
        let before = Timestamp(call.before_ms);
        let expiring = || {
            self.with_live(|live| {
                let (received_before, seq_max) = live.machine.removable(now(), now());
                live.rows.journal().expiring(&Expiry { from: before, received_before, seq_max })
            })
        };
        let (rows, records) = expiring()?;
        let mut left = rows;
        let mut copies = if call.is_dry_run { self.count_expiring_copies(before).await? } else { 0 };
        if !call.is_dry_run {
            let mut trimmed_to = Some(0);
            for _ in 0..CLEANUP_ROUNDS {
                copies += self.retain(before, now()).await?;
                if let Some(after) = trimmed_to {
                    trimmed_to = self.with_live(|live| {
                        let (received_before, seq_max) = live.machine.removable(now(), now());
                        let expiry = Expiry { from: before, received_before, seq_max };
                        live.rows.journal().trim(&expiry, after, TRIM_BLOCKS)
                    })?;
                }
                left = if trimmed_to.is_some() { left } else { expiring()?.0 };
                if left == 0 {
                    break;
                }
            }
        }
        Ok(CleanupAnswer { rows, records, copies, is_complete: call.is_dry_run || left == 0 })
    }

    async fn count_copies(&self, ids: &[String]) -> Result<u64, Fault> {
        if ids.is_empty() {
            return Ok(0);
        }
        let identity = self.with_live(|live| Ok(live.machine.identity().clone()))?;
        let database = self.env.d1("LOGS_DB").map_err(|error| Fault::new("open D1", error))?;
        d1::count(&database, &identity.domain, &identity.component, ids).await
    }

    /// Copies of the whole component, in which its shards are not told apart: the lead counts them for all.
    async fn count_expiring_copies(&self, before: Timestamp) -> Result<u64, Fault> {
        let (is_counted, identity) = self.with_live(|live| {
            let is_counted = live.machine.settings().has_d1 && !live.machine.is_follower();
            Ok((is_counted, live.machine.identity().clone()))
        })?;
        if !is_counted {
            return Ok(0);
        }
        let database = self.env.d1("LOGS_DB").map_err(|error| Fault::new("open D1", error))?;
        d1::expiring(&database, &identity.domain, &identity.component, before.0).await
    }

    /// Removes from D1 what expires here; how many records. What could not be removed goes with the next time.
    async fn prune_d1(&self, from: Timestamp) -> u64 {
        let pruned = match self.with_live(|live| Ok((live.machine.settings().has_d1, live.machine.identity().clone())))
        {
            Ok((true, identity)) => match self.env.d1("LOGS_DB") {
                Ok(database) => d1::prune(&database, &identity.domain, &identity.component, from.0).await,
                Err(error) => Err(Fault::new("open D1", error)),
            },
            Ok((false, _)) => Ok(0),
            Err(fault) => Err(fault),
        };
        pruned.unwrap_or_else(|fault| {
            crate::monitoring::report("D1NotPruned", &[("fault", &fault)]);
            0
        })
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
            // First the event: if only that is written, it happens again.
            if known.is_some() {
                crate::monitoring::report("D1Replaced", &[]);
                self.transition(Event::D1Lost(hours), now())?;
            }
            self.with_live(|live| live.rows.set_d1_epoch(&epoch))?;
            if known.is_some() {
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
                if load.span.cursor > 0 {
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
            if load.span.is_last && progress.done == load.records.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Tells the machine that the first `done` records of a load have their outcome.
    fn advance_data_service(&self, load: &Load, delivered: u64, undeliverable: u64, done: usize) -> Result<(), Fault> {
        let (cursor, index) = if done == load.records.len() {
            (load.span.cursor, load.span.index)
        } else {
            match done.checked_sub(1).and_then(|last| load.records.get(last)) {
                Some(last) => (last.seq.saturating_sub(1), last.index + 1),
                None => return Ok(()),
            }
        };
        let undeliverable = undeliverable + if done == load.records.len() { load.span.skipped } else { 0 };
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
            let identity = live.machine.identity().clone();
            let (domain, component, shard) = (identity.domain, identity.component, identity.shard);
            let key = StreamAddress { domain, component, shard }.summary_key();
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
    /// What D1 does not have yet, the row up to which that is, and whether it is all.
    fn d1_flush(&self) -> Result<(Flush, u64, bool), Fault> {
        let mut flush = Flush::default();
        let span = self.machine.next_for_d1(&self.rows, self.config.d1_record_level(), |it| {
            let body = self.show(it.record, it.seq, it.index, it.at, it.pattern)?;
            let bytes = body.get().len();
            let id = it.record.id.clone();
            flush.records.push(RecordRow {
                id: id.unwrap_or_else(|| self.machine.record_id(it.at, it.seq, it.index).to_string()),
                timestamp: it.record.timestamp.0,
                level: it.record.level.number(),
                pattern_id: self.machine.miner().resolve(it.pattern).to_string(),
                message: it.record.message.clone(),
                body,
            });
            Ok(bytes)
        })?;
        self.d1_knowledge(&mut flush)?;
        Ok((flush, span.cursor, span.is_done))
    }

    fn d1_knowledge(&self, flush: &mut Flush) -> Result<(), Fault> {
        let (patterns, hours) = self.machine.d1_dirty();
        let tag = self.machine.identity().tag();
        for id in patterns {
            let Some(pattern) = self.machine.miner().pattern(id) else {
                flush.patterns.push(left(id));
                continue;
            };
            flush.patterns.push(PatternRow {
                id: id.to_string(),
                template: pattern.template.clone(),
                // What was merged counts nothing any more, so that the rows add up; its body names who took it over.
                count: if id == pattern.id { pattern.count } else { 0 },
                first_seen: pattern.first_seen.0,
                last_seen: pattern.last_seen.0,
                level: pattern.worst_level().word().to_owned(),
                body: super::read::pattern_view(self.machine.miner(), pattern, tag),
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
    fn data_service_load(&self, room: usize, only_warnings: bool) -> Result<Load, Fault> {
        let mut records = Vec::new();
        let span = self.machine.next_for_data_service(&self.rows, room, only_warnings, |it| {
            records.push(Loaded { seq: it.seq, index: u32::from(it.index), body: self.data_service_record(it) });
        })?;
        Ok(Load { records, span })
    }

    fn data_service_record(&self, it: Outgoing<'_>) -> Vec<u8> {
        let identity = self.machine.identity();
        let pattern_id = self.machine.miner().resolve(it.pattern).to_string();
        let template = self.machine.miner().pattern(it.pattern).map(|pattern| pattern.template.as_str());
        let ours = self.machine.record_id(it.at, it.seq, it.index).to_string();
        DataServiceRecord {
            record: it.record,
            id: it.record.id.as_deref().unwrap_or(&ours),
            domain: &identity.domain,
            tenant_id: None,
            component: &identity.component,
            received_at_ms: it.at.0,
            pattern: Some(PatternRef { id: &pattern_id, template, name: None }),
        }
        .to_json()
    }
}

/// The row of a pattern that left: its counts are the overflow's now, and its words may have been somebody's.
fn left(id: PatternId) -> PatternRow {
    PatternRow {
        id: id.to_string(),
        template: String::new(),
        count: 0,
        first_seen: 0,
        last_seen: 0,
        level: String::new(),
        body: PatternView { id: id.to_string(), ..PatternView::default() },
    }
}

/// Records on their way to the data service.
struct Load {
    records: Vec<Loaded>,
    /// Where that brings it.
    span: LoadSpan,
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
