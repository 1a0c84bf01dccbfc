//! What must be true when everything has calmed down, checked against the ledger and against a naive recount of every
//! row that was ever durable. Nothing here shares code with the workload.

use super::alarm::D1_LEVEL;
use super::ledger::{Declared, Sent};
use super::message::AppendAnswer;
use super::stream::StreamObject;
use super::world::World;
use sapwood_engine::counter::Facets;
use sapwood_engine::level::LevelClass;
use sapwood_engine::limits;
use sapwood_engine::machine::row::{Heads, Receipt, Row, RowKind, records};
use sapwood_engine::machine::stream::{Identity, Outcomes, StreamMachine};
use sapwood_engine::record::Record;
use sapwood_engine::time::{Millis, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// The first thing in which two machines differ that people or other machines can see.
pub fn difference(left: &StreamMachine, right: &StreamMachine) -> Option<String> {
    let views = |machine: &StreamMachine| -> Vec<(&'static str, String)> {
        vec![
            ("last", format!("{}", machine.last_seq())),
            ("folded", format!("{}", machine.folded_seq())),
            ("outcomes", format!("{:?}", machine.outcomes())),
            ("view", format!("{:?}", machine.view())),
            ("registered", format!("{}", machine.is_registered())),
            ("lessons", format!("{:?}", machine.miner().lessons())),
            ("incidents", format!("{:?}", machine.incidents())),
            ("feedback", format!("{:?}", machine.feedback().collect::<Vec<_>>())),
            ("deployments", format!("{:?}", machine.deployments())),
            ("decisions", format!("{:?}", machine.decisions().collect::<Vec<_>>())),
            ("totals", format!("{:?}", machine.counters().totals().collect::<BTreeMap<_, _>>())),
            ("patterns", patterns(machine)),
            ("d1", format!("{:?}", machine.d1())),
            ("data service", format!("{:?}", machine.data_service())),
            ("dirty", format!("{:?}", machine.d1_dirty())),
            ("outbox", format!("{:?}", machine.outbox().due(Timestamp(i64::MAX / 4), usize::MAX))),
        ]
    };
    differing(views(left), views(right))
}

fn differing(left: Vec<(&'static str, String)>, right: Vec<(&'static str, String)>) -> Option<String> {
    let pairs = left.into_iter().zip(right);
    let (name, before, after) = pairs.filter_map(|((name, l), (_, r))| (l != r).then_some((name, l, r))).next()?;
    let same = before.bytes().zip(after.bytes()).take_while(|(l, r)| l == r).count();
    let from = (0..=same.saturating_sub(60)).rev().find(|at| before.is_char_boundary(*at)).unwrap_or(0);
    let cut = |text: &str| text.get(from..).unwrap_or_default().chars().take(260).collect::<String>();
    Some(format!("{name}: {} | {}", cut(&before), cut(&after)))
}

fn patterns(machine: &StreamMachine) -> String {
    let mut text = String::new();
    for pattern in machine.miner().patterns() {
        let shown: &dyn Debug = &(
            pattern.id,
            &pattern.template,
            pattern.count,
            (pattern.first_seen, pattern.last_seen),
            pattern.levels,
            (&pattern.endpoints, &pattern.exemplars, &pattern.last),
            pattern.was_alerted,
        );
        text.push_str(&format!("{shown:?}\n"));
    }
    text
}

/// A durable record with its place.
struct Stored {
    stream: usize,
    seq: u64,
    index: usize,
    record: Record,
}

impl World {
    /// Checks everything; what is wrong is in `violations`.
    pub fn check(&mut self) {
        let mut wrong = Vec::new();
        let mut stored = Vec::new();
        let now = self.now;
        for object in &mut self.streams {
            let number = object.number;
            wrong.extend(check_stream(object, now, &mut stored).into_iter().map(|it| format!("stream {number}: {it}")));
        }
        self.check_ledger(&stored, &mut wrong);
        self.check_alerts(&mut wrong);
        self.check_directory(&mut wrong);
        self.check_d1(&stored, &mut wrong);
        self.check_service(&stored, &mut wrong);
        self.check_quota(&mut wrong);
        self.check_calm(&mut wrong);
        self.check_erasures(&mut wrong);
        self.check_users(&mut wrong);
        self.violations.append(&mut wrong);
    }

    /// Whether a record went with a user.
    fn is_retracted(&self, it: &Stored) -> bool {
        let object = self.streams.get(it.stream);
        object.is_some_and(|object| object.disk.durable.retracted.contains_key(&(it.seq, it.index)))
    }

    /// Whether the sweeps of a user's erasure may have taken the copy of a record that its stream, which received it at
    /// `at`, has.
    fn was_swept(&self, it: &Stored, at: Timestamp) -> bool {
        self.asked.iter().any(|asked| asked.may_sweep(it.stream, it.record.user_id.as_deref(), at))
    }

    /// No acknowledged line lost, none doubled, every answer true.
    fn check_ledger(&self, stored: &[Stored], wrong: &mut Vec<String>) {
        let mut copies: BTreeMap<u64, u32> = BTreeMap::new();
        for it in stored {
            if let Some(uid) = it.record.request_id.as_ref().and_then(|uid| uid.parse().ok()) {
                *copies.entry(uid).or_insert(0) += 1;
            }
        }
        for (number, sent) in self.ledger.sent.iter().enumerate() {
            let held: Vec<u32> = sent.uids.clone().map(|uid| copies.get(&uid).copied().unwrap_or(0)).collect();
            // Whoever cannot read the state row has no view until it registers again; the edge refuses the key meanwhile.
            let shards: Vec<&StreamObject> =
                self.streams.iter().filter(|object| object.number % self.plan.streams == sent.stream).collect();
            let was_rebuilt = shards.iter().any(|object| object.was_rebuilt);
            let has_erased = shards.iter().any(|object| object.disk.durable.erased.times > 0);
            // Of what was only counted nothing tells that it went; where components are spread, not even its key.
            let was_counted = sent.receipts.iter().any(|(receipt, _)| receipt.accepted == 0);
            let is_erased = shards.iter().any(|object| object.disk.durable.erased.knows(sent))
                || has_erased && self.spreads && was_counted;
            if is_erased {
                // Sent again it was stored anew, once.
                if held.iter().any(|count| *count > 1) && sent.declared != Declared::Nothing {
                    wrong.push(format!("batch {number}: a record is stored twice after it was erased"));
                }
                continue;
            }
            for problem in check_sent(sent, &held, sent.is_revoked && !was_rebuilt) {
                wrong.push(format!("batch {number} ({:?}): {problem}", sent.declared));
            }
            if let Some(victim) = sent.steals_from.and_then(|victim| self.ledger.sent.get(victim)) {
                let answered = !sent.receipts.is_empty() || sent.refused.is_some();
                let was_in_window = shards.iter().all(|object| object.disk.durable.erased.times == 0)
                    && !victim.receipts.is_empty()
                    && self.plan.settings.key_window.0 > 3_600_000;
                if answered && was_in_window && sent.refused != Some(AppendAnswer::KeyReused) && !is_revoked(sent) {
                    wrong.push(format!("batch {number}: a used key was taken for another body"));
                }
            }
        }
    }

    /// Every alert reaches every target, and none that no line stands for.
    fn check_alerts(&self, wrong: &mut Vec<String>) {
        let mut told = BTreeSet::new();
        for object in &self.streams {
            told.extend(object.disk.durable.told.keys().cloned());
            let in_alerts: BTreeSet<&String> = object.disk.durable.told.values().flat_map(|it| &it.incidents).collect();
            let Some(machine) = &object.live else { continue };
            let mut per_pattern: BTreeMap<String, u32> = BTreeMap::new();
            for incident in machine.incidents().all() {
                // Whoever cannot read the state row starts incidents anew, and takes those it replays for told.
                if incident.was_told && !object.was_rebuilt && !in_alerts.contains(&incident.id) {
                    wrong.push(format!("stream {}: incident {} is in no alert", object.number, incident.id));
                }
                if incident.signal.kind.as_str() == "new_pattern" {
                    *per_pattern.entry(incident.id.clone()).or_insert(0) += 1;
                }
            }
            if per_pattern.values().any(|count| *count > 1) {
                wrong.push(format!("stream {}: an incident was opened twice", object.number));
            }
            let mut seen: BTreeMap<&String, u32> = BTreeMap::new();
            for incident in object.disk.durable.told.values().flat_map(|it| &it.incidents) {
                *seen.entry(incident).or_insert(0) += 1;
            }
            for (incident, count) in seen.into_iter().filter(|(_, count)| *count > 1 && !object.was_rebuilt) {
                wrong.push(format!("stream {}: incident {incident} is in {count} alerts", object.number));
            }
        }
        for (number, target) in self.peers.targets.iter().enumerate() {
            for id in told.iter().filter(|id| !target.contains_key(*id)) {
                wrong.push(format!("alert {id} never reached target {number}"));
            }
            let is_erased = |id: &String| self.streams.iter().any(|it| it.disk.durable.erased.told.contains(id));
            for id in target.keys().filter(|id| !told.contains(*id) && !is_erased(id)) {
                wrong.push(format!("alert {id} reached target {number} though no row tells of it"));
            }
        }
    }

    /// What was acknowledged can be found: its object is in the directory.
    fn check_directory(&self, wrong: &mut Vec<String>) {
        for object in &self.streams {
            let has_records = object.disk.durable.rows().values().any(|row| row.kind != RowKind::Event);
            let key = (object.identity.component.clone(), object.identity.shard);
            if has_records && !self.domain.disk.durable.components.contains_key(&key) {
                wrong.push(format!("stream {} has records and its domain does not know it", object.number));
            }
        }
    }

    /// D1 holds what policy says, and its counts are those of the journal.
    fn check_d1(&self, stored: &[Stored], wrong: &mut Vec<String>) {
        if !self.plan.settings.has_d1 {
            return;
        }
        for object in &self.streams {
            let Some(machine) = &object.live else { continue };
            let stream = object.number;
            let journal = object.disk.durable.rows();
            let is_meant = |it: &&Stored| it.stream == stream && it.record.level.class() >= D1_LEVEL;
            for it in stored.iter().filter(is_meant).filter(|it| !self.is_retracted(it)) {
                let (Some(id), Some(row)) = (&it.record.id, journal.get(&it.seq)) else { continue };
                let is_there = self.peers.d1.records.contains_key(&(stream, id.clone()));
                if !is_there && !self.was_swept(it, row.at) {
                    wrong.push(format!("stream {stream}: record {id} is not in D1"));
                }
            }
            for (seq, row) in &journal {
                let Some(whole) = object.disk.durable.whole.get(seq) else { continue };
                let pairs =
                    records(&row.body).unwrap_or_default().into_iter().zip(records(&whole.body).unwrap_or_default());
                for (index, (_, was)) in pairs.enumerate().filter(|(_, (is, was))| is.is_husk() && !was.is_husk()) {
                    let id =
                        was.id.clone().unwrap_or_else(|| machine.record_id(row.at, *seq, index as u16).to_string());
                    if self.peers.d1.records.contains_key(&(stream, id.clone())) {
                        wrong.push(format!("stream {stream}: record {id} left, and its copy is in D1"));
                    }
                }
            }
            let in_d1 = |id: &String| self.peers.d1.patterns.get(&(stream, id.clone())).map_or(0, |(row, _)| row.count);
            for pattern in machine.miner().patterns() {
                let id = pattern.id.to_string();
                if in_d1(&id) != pattern.count {
                    wrong.push(format!(
                        "stream {stream}: pattern {id} is {} in D1, {} here",
                        in_d1(&id),
                        pattern.count
                    ));
                }
            }
            for ((_, id), (row, _)) in self.peers.d1.patterns.iter().filter(|((of, _), _)| *of == stream) {
                let is_here = machine.miner().patterns().any(|pattern| pattern.id.to_string() == *id);
                if row.count > 0 && !is_here {
                    let count = row.count;
                    wrong.push(format!("stream {stream}: D1 counts {count} of pattern {id}, which is not there"));
                }
            }
            for (hour, rollup) in &object.disk.durable.hours {
                for (key, minutes) in rollup.series() {
                    let row = (stream, (hour.0, key.to_string()));
                    let there = self.peers.d1.rollups.get(&row).map_or(0, |(count, _)| *count);
                    let here: u64 = minutes.values().sum();
                    if there != here {
                        wrong.push(format!("stream {stream}: {hour:?} {key} is {there} in D1, {here} here"));
                    }
                }
            }
        }
    }

    /// The data service has every record, under one id each.
    fn check_service(&self, stored: &[Stored], wrong: &mut Vec<String>) {
        if !self.plan.settings.has_data_service {
            return;
        }
        // What went with a user before it was sent is not sent any more; what was sent is there.
        let (gone, there): (Vec<&Stored>, Vec<&Stored>) = stored.iter().partition(|it| self.is_retracted(it));
        let ids = |of: &[&'_ Stored]| of.iter().filter_map(|it| it.record.id.clone()).collect::<BTreeSet<String>>();
        let (gone, wanted) = (ids(&gone), ids(&there));
        let stored = there;
        for id in wanted.iter().filter(|id| !self.peers.service.contains_key(*id)) {
            wrong.push(format!("record {id} never reached the data service"));
        }
        let was_erased = |id: &String| self.streams.iter().any(|it| it.disk.durable.erased.ids.contains(id));
        let is_foreign =
            |id: &&String| id.starts_with("id-") && !wanted.contains(*id) && !gone.contains(*id) && !was_erased(id);
        let foreign = self.peers.service.keys().filter(is_foreign).count();
        if foreign > 0 {
            wrong.push(format!("{foreign} records reached the data service and are not stored"));
        }
        let unnamed = stored.iter().filter(|it| it.record.id.is_none()).count();
        let there = self.peers.service.keys().filter(|id| !id.starts_with("id-")).count();
        // What was sent before it was erased is there, and nobody can take it back.
        let has_erased = |it: &StreamObject| it.disk.durable.erased.times > 0 || !it.disk.durable.retracted.is_empty();
        let has_erased = self.streams.iter().any(has_erased);
        if unnamed > there || (unnamed != there && !has_erased) {
            wrong.push(format!("{unnamed} records without an id are stored, {there} are in the data service"));
        }
    }

    /// A domain's limit holds for each day, whoever crashed.
    fn check_quota(&self, wrong: &mut Vec<String>) {
        let (Some(limit), 0) = (self.domain.quota, self.plan.switches_version) else { return };
        let mut per_day: BTreeMap<i64, u64> = BTreeMap::new();
        for object in &self.streams {
            for row in all_rows(object).into_iter().filter(|row| row.kind == RowKind::Segments) {
                *per_day.entry(row.at.0.div_euclid(86_400_000)).or_insert(0) += u64::from(row.count);
            }
        }
        for (day, count) in per_day.into_iter().filter(|(_, count)| *count > limit) {
            wrong.push(format!("day {day}: {count} records were stored, {limit} may be"));
        }
    }

    /// Nothing is left to do.
    fn check_calm(&self, wrong: &mut Vec<String>) {
        for object in &self.streams {
            let Some(machine) = &object.live else { continue };
            let number = object.number;
            if !machine.outbox().is_empty() {
                wrong.push(format!("stream {number}: {} alerts wait for ever", machine.outbox().len()));
            }
            let settings = &self.plan.settings;
            for (name, is_on, sink) in [
                ("D1", settings.has_d1, machine.d1()),
                ("the data service", settings.has_data_service, machine.data_service()),
            ] {
                if is_on && sink.cursor < machine.last_seq() {
                    wrong.push(format!(
                        "stream {number}: {name} has rows up to {} of {}",
                        sink.cursor,
                        machine.last_seq()
                    ));
                }
            }
            let rows = &object.disk.durable.journal;
            let old = |row: &&Row| row.at.plus(settings.key_window).plus(Millis::from_mins(30)).0 < self.now;
            let loose: u32 =
                rows.values().filter(old).filter(|row| row.kind == RowKind::Segments).map(|row| row.count).sum();
            if u64::from(loose) >= settings.blocks.records_min {
                wrong.push(format!("stream {number}: {loose} old records wait for their block for ever"));
            }
            if machine.is_follower() && machine.lead().cursor < machine.last_seq() {
                let (heard, last) = (machine.lead().cursor, machine.last_seq());
                wrong.push(format!("stream {number}: its lead has heard up to row {heard} of {last}"));
            }
            if machine.is_follower() {
                wrong.extend(self.unheard(object).map(|it| format!("stream {number}: {it}")));
            }
            if machine.is_follower()
                && (machine.incidents().all().next().is_some() || !object.disk.durable.told.is_empty())
            {
                wrong.push(format!("stream {number}: a follower told people something"));
            }
            if machine.folded_seq() < machine.last_seq() {
                wrong.push(format!("stream {number}: rows are not folded"));
            }
            // What was taught is in force in every component, however often a push was lost.
            let taught = self.domain.load();
            if machine.is_registered() && machine.miner().lessons() != taught.lessons() {
                let (here, there) = (machine.miner().lessons().version, taught.lessons().version);
                wrong.push(format!("stream {number}: lessons of version {here} are in force, {there} were taught"));
            }
        }
        let waiting = self.domain.disk.durable.outbox.values().filter(|due| due.is_some()).count();
        if waiting > 0 {
            wrong.push(format!("{waiting} messages wait for their targets for ever"));
        }
    }
}

impl World {
    /// What a lead has not heard though its shard stored it.
    fn unheard(&self, object: &StreamObject) -> Option<String> {
        let lead = self.streams.get(object.number % self.plan.streams)?;
        let heard = lead.live.as_ref()?.heard_from(object.identity.shard);
        let is_anew = |object: &StreamObject| object.disk.durable.erased.times > 0;
        if is_anew(object) || is_anew(lead) || object.disk.durable.has_retracted {
            return None;
        }
        let last = object.disk.durable.rows().into_values().filter(|row| row.kind != RowKind::Event && row.count > 0);
        let last = last.map(|row| row.seq).max().unwrap_or(0);
        (heard < last).then(|| format!("its lead heard row {heard} last, records are up to row {last}"))
    }
}

fn is_revoked(sent: &Sent) -> bool {
    sent.refused == Some(AppendAnswer::Revoked)
}

/// One batch: how often each of its records is held.
fn check_sent(sent: &Sent, held: &[u32], is_revoked: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let copies_max = if sent.declared == Declared::Nothing { sent.arrivals } else { 1 };
    if let Some(worst) = held.iter().max().filter(|worst| **worst > copies_max) {
        wrong.push(format!("a record is stored {worst} times"));
    }
    if is_revoked && (held.iter().any(|count| *count > 0) || !sent.receipts.is_empty()) {
        wrong.push("it was stored under a key that was revoked everywhere".into());
    }
    let total = held.len() as u32;
    let sums = |receipt: &Receipt| receipt.accepted + receipt.duplicate + receipt.counted_only;
    for (receipt, _) in &sent.receipts {
        if sums(receipt) != total {
            wrong.push(format!("its outcomes are {} of {total}: {receipt:?}", sums(receipt)));
        }
    }
    let stored: u32 = held.iter().sum();
    if let Some((first, _)) = sent.receipts.first() {
        let acknowledged = match sent.declared {
            // Of records with ids a retry says that they are known; over quota they are only counted.
            Declared::Ids => sent.receipts.iter().map(|(receipt, _)| receipt.accepted).max().unwrap_or(0),
            _ => first.accepted,
        };
        if stored < acknowledged {
            wrong.push(format!("{acknowledged} records were acknowledged, {stored} are stored"));
        }
    }
    if sent.declared == Declared::Key {
        let differing = sent.receipts.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a != b));
        if differing {
            wrong.push(format!("answers to one key differ: {:?}", sent.receipts));
        }
        if let Some((first, _)) = sent.receipts.first()
            && stored != first.accepted
        {
            wrong.push(format!("{} records were accepted, {stored} are stored", first.accepted));
        }
    }
    wrong
}

/// Every row that was ever durable, in order; of one that is in two places both.
fn all_rows(object: &StreamObject) -> Vec<Row> {
    let rows = &object.disk.durable;
    let mut all: Vec<Row> = rows.removed.values().cloned().chain(rows.rows().into_values()).collect();
    // As they were before records of them were removed early.
    for row in &mut all {
        if let Some(whole) = rows.whole.get(&row.seq) {
            row.clone_from(whole);
        }
    }
    all.sort_by_key(|row| row.seq);
    all
}

/// What was removed early was due and is shown by no pattern; what is due was removed.
fn check_thinning(object: &StreamObject, live: &StreamMachine, now: i64, wrong: &mut Vec<String>) {
    let policy = &live.settings().retention_policy;
    let shown = live.miner().patterns().flat_map(|pattern| pattern.exemplars.iter().chain(&pattern.last));
    let shown: BTreeSet<(u64, usize)> = shown.map(|it| (it.seq, usize::from(it.index))).collect();
    let rows = object.disk.durable.rows();
    // The youngest record of all up to a row.
    let mut newest = BTreeMap::new();
    let mut youngest = Timestamp::default();
    for (seq, row) in &rows {
        youngest = youngest.max(row.at).max(row.time_max);
        newest.insert(*seq, youngest);
    }
    let blocks = &object.disk.durable.blocks;
    let (_, removable) = live.removable(Timestamp::MAX, Timestamp(now));
    for (seq, row) in rows.iter().filter(|(_, row)| row.kind == RowKind::Segments) {
        let before = object.disk.durable.whole.get(seq).unwrap_or(row);
        if policy.debug.is_none() && policy.info.is_none() && before.body == row.body {
            continue;
        }
        let pairs = records(&row.body).unwrap_or_default().into_iter().zip(records(&before.body).unwrap_or_default());
        // A place waits for its youngest record, and for those before it.
        let place = blocks.range(..=seq).next_back().map_or(*seq, |(_, (last, _))| (*last).max(*seq));
        let place_newest = newest.range(..=place).next_back().map(|(_, at)| *at).unwrap_or_default();
        for (index, (is, was)) in pairs.enumerate() {
            let age = match was.level.class() {
                LevelClass::Trace | LevelClass::Debug => policy.debug,
                LevelClass::Info => policy.info,
                _ => None,
            };
            let is_shown = shown.contains(&(*seq, index));
            if !is.is_husk() && is != was {
                wrong.push(format!("record {index} of row {seq} was changed"));
            }
            if object.disk.durable.retracted.contains_key(&(*seq, index)) {
                continue;
            }
            let long_ago = age.is_some_and(|age| place_newest.plus(age).plus(Millis::from_hours(2)).0 < now);
            if is.is_husk() && (age.is_none_or(|age| row.at.plus(age).0 > now + 300_000) || is_shown) {
                wrong.push(format!("record {index} of row {seq} was removed early, shown: {is_shown}"));
            }
            // What was shown when its neighbours left stays, though others are shown by now.
            let is_spared = object.spared.contains(&(*seq, index));
            if !is.is_husk() && !is_shown && !is_spared && long_ago && place <= removable {
                wrong.push(format!("record {index} of row {seq} should have been removed"));
            }
        }
    }
}

/// One object against a naive recount of its rows and against a machine that folds all of them from the beginning.
fn check_stream(object: &mut StreamObject, now: i64, stored: &mut Vec<Stored>) -> Vec<String> {
    let mut wrong = Vec::new();
    if object.disk.pending().is_some() {
        return vec!["commits are still on their way".into()];
    }
    let restored = object.load(false);
    let Ok(restored) = restored else { return vec!["it cannot be restored".into()] };
    let live = object.live.take();
    let compared = live.as_ref().filter(|_| !object.was_rebuilt);
    if let Some(difference) = compared.and_then(|live| difference(live, &restored)) {
        wrong.push(format!("memory differs from disk: {difference}"));
    }
    let live = live.unwrap_or(restored);

    let mut outcomes = Outcomes::default();
    let mut by_level = [0u64; 6];
    let mut facets = Facets::default();
    let mut next = 1;
    for row in all_rows(object) {
        if row.seq != next {
            wrong.push(format!("row {next} is missing"));
        }
        next = row.seq + 1;
        if row.kind == RowKind::Event {
            continue;
        }
        let (Ok(heads), Ok(held)) = (Heads::decode(&row.heads), records(&row.body)) else {
            wrong.push(format!("row {} cannot be read", row.seq));
            continue;
        };
        for head in &heads.batches {
            outcomes.duplicate += u64::from(head.receipt.duplicate);
            outcomes.rejected += u64::from(head.rejected);
        }
        for (index, record) in held.into_iter().enumerate() {
            by_level[record.level.class().index()] += 1;
            facets.observe(&record);
            match row.kind {
                RowKind::Counted => outcomes.counted_only += 1,
                _ => {
                    outcomes.accepted += 1;
                    stored.push(Stored { stream: object.number, seq: row.seq, index, record });
                }
            }
        }
    }
    let total = outcomes.accepted + outcomes.counted_only;
    let seen = live.outcomes();
    // Without the state row totals come from the rollups, which expire.
    let is_exact = !object.was_rebuilt || object.disk.durable.removed.is_empty();
    if object.was_rebuilt && is_exact && seen.accepted + seen.counted_only != total {
        wrong.push(format!("{} records are counted, there are {total}", seen.accepted + seen.counted_only));
    }
    if !object.was_rebuilt && seen != outcomes {
        wrong.push(format!("outcomes are {seen:?}, a recount gives {outcomes:?}"));
    }
    if is_exact && live.counters().by_level() != by_level {
        wrong.push(format!("levels are {:?}, a recount gives {by_level:?}", live.counters().by_level()));
    }
    let mined: u64 = live.miner().patterns().map(|pattern| pattern.count).sum();
    if mined != total {
        wrong.push(format!("patterns count {mined}, there are {total}"));
    }
    if live.miner().len() > limits::PATTERNS_MAX {
        wrong.push(format!("{} patterns are held", live.miner().len()));
    }
    check_hours(object, &live, &facets, &mut wrong);
    check_thinning(object, &live, now, &mut wrong);
    if !object.was_rebuilt {
        wrong.extend(check_refold(object, &live));
    }
    object.live = Some(live);
    wrong
}

/// Stored hours and what is not yet rolled up are the totals, unless hours have expired.
fn check_hours(object: &StreamObject, live: &StreamMachine, naive: &Facets, wrong: &mut Vec<String>) {
    if !object.disk.durable.removed.is_empty() {
        return;
    }
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for rollup in object.disk.durable.hours.values() {
        for (key, minutes) in rollup.series() {
            *sums.entry(key.to_string()).or_insert(0) += minutes.values().sum::<u64>();
        }
    }
    let mut facets = Facets::default();
    let pending = live.counters().pending_facets();
    object.disk.durable.facets.values().chain(pending.values()).for_each(|hour| facets.merge(hour));
    if facets != *naive {
        wrong.push(format!("facets are {facets:?}, a recount gives {naive:?}"));
    }
    for (_, key, count) in live.counters().pending_between(Timestamp::MIN, Timestamp::MAX) {
        *sums.entry(key.to_string()).or_insert(0) += count;
    }
    let level = |name: &str| name.starts_with("level=");
    let rolled: u64 = sums.iter().filter(|(name, _)| level(name)).map(|(_, count)| count).sum();
    if rolled != live.counters().total() {
        wrong.push(format!("rollups add up to {rolled}, the total is {}", live.counters().total()));
    }
}

/// A machine that folds every row from the beginning comes to the same.
fn check_refold(object: &StreamObject, live: &StreamMachine) -> Option<String> {
    let identity: Identity = object.identity.clone();
    let mut machine = StreamMachine::new(identity, object.settings_under(&[]));
    for row in &all_rows(object) {
        if machine.replay(row).is_err() {
            return Some(format!("row {} cannot be folded", row.seq));
        }
        machine.set_settings(object.settings_under(&machine.view().overrides));
    }
    let views = |machine: &StreamMachine| {
        vec![
            ("outcomes", format!("{:?}", machine.outcomes())),
            ("patterns", patterns(machine)),
            ("totals", format!("{:?}", machine.counters().totals().collect::<BTreeMap<_, _>>())),
            ("incidents", format!("{:?}", machine.incidents())),
            ("view", format!("{:?}", machine.view())),
        ]
    };
    let (mut folded, mut held) = (views(&machine), views(live));
    if object.disk.durable.has_retracted {
        // Which patterns there are depends on whose records went when; that all is counted and nothing left is checked.
        folded.retain(|(name, _)| !["patterns", "totals", "incidents"].contains(name));
        held.retain(|(name, _)| !["patterns", "totals", "incidents"].contains(name));
    }
    differing(folded, held).map(|it| format!("folding all rows gives something else: {it}"))
}
