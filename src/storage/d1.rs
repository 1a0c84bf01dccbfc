//! D1: copies of what the objects know, for questions across components and history.
//!
//! Few, large statements: the rows of one flush go in as one JSON text each, through `json_each`. Every statement can be
//! run again without harm: records are inserted once, everything else carries the journal sequence up to which it is
//! true and never replaces something newer.

use super::fault::Fault;
use sapwood_engine::machine::erasure::Counts;
use serde::Serialize;
use std::collections::BTreeMap;
use worker::D1Database;
use worker::wasm_bindgen::JsValue;

/// What one object sends in one flush.
#[derive(Debug, Default, Serialize)]
pub struct Flush {
    /// Records by policy.
    pub records: Vec<RecordRow>,
    /// Changed patterns.
    pub patterns: Vec<PatternRow>,
    /// Series of changed hours.
    pub rollups: Vec<RollupRow>,
    /// Incidents.
    pub incidents: Vec<IncidentRow>,
}

/// A record.
#[derive(Debug, Serialize)]
pub struct RecordRow {
    /// Its id as shown.
    pub id: String,
    /// Event time, ms.
    pub timestamp: i64,
    /// Severity number.
    pub level: u8,
    /// Pattern.
    pub pattern_id: String,
    /// Message.
    pub message: String,
    /// The record as shown.
    pub body: Box<serde_json::value::RawValue>,
}

/// A pattern.
#[derive(Debug, Serialize)]
pub struct PatternRow {
    /// Its id.
    pub id: String,
    /// Its template.
    pub template: String,
    /// Records.
    pub count: u64,
    /// Event time, ms.
    pub first_seen: i64,
    /// Event time, ms.
    pub last_seen: i64,
    /// Worst level.
    pub level: String,
    /// The pattern as shown.
    pub body: crate::processors::calls::PatternView,
}

/// An hour of one series.
#[derive(Debug, Serialize)]
pub struct RollupRow {
    /// Start, ms.
    pub hour: i64,
    /// Kind of series.
    pub kind: String,
    /// Which.
    pub key: String,
    /// Records of the hour.
    pub count: u64,
    /// Minute of the hour: records.
    pub minutes: BTreeMap<u8, u64>,
}

/// An incident.
#[derive(Debug, Serialize)]
pub struct IncidentRow {
    /// Its id.
    pub id: String,
    /// Kind.
    pub kind: String,
    /// Pattern.
    pub pattern_id: String,
    /// Level.
    pub level: String,
    /// Records.
    pub count: u64,
    /// Receive time, ms.
    pub opened_at: i64,
    /// Event time, ms.
    pub first_seen: i64,
    /// Event time, ms.
    pub last_seen: i64,
}

const RECORDS: &str = "INSERT INTO record (domain, component, id, timestamp, level, pattern_id, message, body) \
    SELECT ?1, ?2, value->>'$.id', value->>'$.timestamp', value->>'$.level', value->>'$.pattern_id', \
    value->>'$.message', value->'$.body' FROM json_each(?3) WHERE true ON CONFLICT DO NOTHING";

const PATTERNS: &str = "INSERT INTO pattern \
    (domain, component, shard, id, template, count, first_seen, last_seen, level, body, seq) \
    SELECT ?1, ?2, ?3, value->>'$.id', value->>'$.template', value->>'$.count', value->>'$.first_seen', \
    value->>'$.last_seen', value->>'$.level', value->'$.body', ?4 FROM json_each(?5) WHERE true \
    ON CONFLICT DO UPDATE SET template = excluded.template, count = excluded.count, first_seen = excluded.first_seen, \
    last_seen = excluded.last_seen, level = excluded.level, body = excluded.body, seq = excluded.seq \
    WHERE excluded.seq >= seq";

const ROLLUPS: &str = "INSERT INTO rollup (domain, component, shard, hour, kind, key, count, minutes, seq) \
    SELECT ?1, ?2, ?3, value->>'$.hour', value->>'$.kind', value->>'$.key', value->>'$.count', value->'$.minutes', ?4 \
    FROM json_each(?5) WHERE true \
    ON CONFLICT DO UPDATE SET count = excluded.count, minutes = excluded.minutes, seq = excluded.seq \
    WHERE excluded.seq >= seq AND excluded.count <> count";

const INCIDENTS: &str = "INSERT INTO incident \
    (domain, component, id, kind, pattern_id, level, count, opened_at, first_seen, last_seen, seq) \
    SELECT ?1, ?2, value->>'$.id', value->>'$.kind', value->>'$.pattern_id', value->>'$.level', value->>'$.count', \
    value->>'$.opened_at', value->>'$.first_seen', value->>'$.last_seen', ?3 FROM json_each(?4) WHERE true \
    ON CONFLICT DO UPDATE SET level = excluded.level, count = excluded.count, last_seen = excluded.last_seen, \
    seq = excluded.seq WHERE excluded.seq >= seq AND (excluded.count <> count OR excluded.last_seen <> last_seen)";

const FLUSHED: &str = "INSERT INTO flush (domain, component, shard, seq, at) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE excluded.seq >= seq";

/// Which object flushes, and up to which row of its journal.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Domain.
    pub domain: &'a str,
    /// Component.
    pub component: &'a str,
    /// Shard.
    pub shard: u16,
    /// Journal sequence.
    pub seq: u64,
    /// Now, ms.
    pub at: i64,
}

/// The epoch of the database, made if there is none: it changes when the database was dropped.
pub async fn epoch(database: &D1Database) -> Result<String, Fault> {
    let fault = |error: worker::Error| Fault::new("read the epoch of D1", error);
    let fresh = format!("{:016x}", (worker::js_sys::Math::random() * 9_007_199_254_740_992.0) as u64);
    let read = "SELECT value FROM epoch WHERE id = 1";
    if let Some(value) = database.prepare(read).first::<String>(Some("value")).await.map_err(fault)? {
        return Ok(value);
    }
    let insert = database.prepare("INSERT INTO epoch (id, value) VALUES (1, ?) ON CONFLICT DO NOTHING");
    let insert = insert.bind(&[JsValue::from_str(&fresh)]).map_err(fault)?;
    insert.run().await.map_err(fault)?;
    let value = database.prepare(read).first::<String>(Some("value")).await.map_err(fault)?;
    value.ok_or_else(|| Fault::new("read the epoch of D1", "no epoch after it was written"))
}

/// Writes a flush, all or nothing.
pub async fn write(database: &D1Database, origin: Origin<'_>, flush: &Flush) -> Result<(), Fault> {
    let fault = |error: worker::Error| Fault::new("write to D1", error);
    let json = |rows: serde_json::Result<String>| {
        rows.map(|rows| JsValue::from_str(&rows)).map_err(|error| Fault::new("write to D1", error))
    };
    let (domain, component) = (JsValue::from_str(origin.domain), JsValue::from_str(origin.component));
    let (shard, seq) = (JsValue::from_f64(origin.shard.into()), JsValue::from_f64(origin.seq as f64));
    let mut statements = Vec::new();
    if !flush.records.is_empty() {
        let rows = json(serde_json::to_string(&flush.records))?;
        statements.push(database.prepare(RECORDS).bind(&[domain.clone(), component.clone(), rows]).map_err(fault)?);
    }
    for (statement, is_empty, rows) in [
        (PATTERNS, flush.patterns.is_empty(), serde_json::to_string(&flush.patterns)),
        (ROLLUPS, flush.rollups.is_empty(), serde_json::to_string(&flush.rollups)),
    ] {
        if !is_empty {
            let values = [domain.clone(), component.clone(), shard.clone(), seq.clone(), json(rows)?];
            statements.push(database.prepare(statement).bind(&values).map_err(fault)?);
        }
    }
    if !flush.incidents.is_empty() {
        let rows = json(serde_json::to_string(&flush.incidents))?;
        let values = [domain.clone(), component.clone(), seq.clone(), rows];
        statements.push(database.prepare(INCIDENTS).bind(&values).map_err(fault)?);
    }
    let values = [domain, component, shard, seq, JsValue::from_f64(origin.at as f64)];
    statements.push(database.prepare(FLUSHED).bind(&values).map_err(fault)?);
    for result in database.batch(statements).await.map_err(fault)? {
        if !result.success() {
            return Err(Fault::new("write to D1", result.error().unwrap_or_default()));
        }
    }
    Ok(())
}

/// Rows that one pruning deletes at most, of each table: what is left goes with the next one.
const PRUNED_MAX: u32 = 5_000;

/// Ids in one statement: at 40 bytes 80 KB of JSON.
const IDS_MAX: usize = 2_000;
const OF_IDS: &str = "FROM record WHERE domain = ?1 AND component = ?2 AND id IN (SELECT value FROM json_each(?3))";

/// Removes the copies of these records; how many there were. Each is found by its key, whatever else is there.
pub async fn remove(database: &D1Database, domain: &str, component: &str, ids: &[String]) -> Result<u64, Fault> {
    let doing = "remove records from D1";
    let fault = |error: worker::Error| Fault::new(doing, error);
    let mut statements = Vec::new();
    for ids in ids.chunks(IDS_MAX) {
        let values = of_ids(domain, component, ids, doing)?;
        statements.push(database.prepare(format!("DELETE {OF_IDS}")).bind(&values).map_err(fault)?);
    }
    let results = match database.batch(statements).await {
        Ok(results) => results,
        // Nobody has run the migrations: there is nothing.
        Err(error) if error.to_string().contains("no such table") => return Ok(0),
        Err(error) => return Err(fault(error)),
    };
    let mut removed = 0;
    for result in results {
        if !result.success() {
            return Err(Fault::new(doing, result.error().unwrap_or_default()));
        }
        removed += result.meta().map_err(fault)?.and_then(|meta| meta.changes).unwrap_or(0) as u64;
    }
    Ok(removed)
}

/// How many of these records have a copy.
pub async fn count(database: &D1Database, domain: &str, component: &str, ids: &[String]) -> Result<u64, Fault> {
    let doing = "count records in D1";
    let mut found = 0;
    for ids in ids.chunks(IDS_MAX) {
        let values = of_ids(domain, component, ids, doing)?;
        found += counted(database, &format!("SELECT count(*) AS found {OF_IDS}"), &values, doing).await?;
    }
    Ok(found)
}

/// How many of a component's copies [`prune`] would remove in the end.
pub async fn expiring(database: &D1Database, domain: &str, component: &str, from: i64) -> Result<u64, Fault> {
    let values = [JsValue::from_str(domain), JsValue::from_str(component), JsValue::from_f64(from as f64)];
    let query = "SELECT count(*) AS found FROM record WHERE domain = ?1 AND component = ?2 AND timestamp < ?3";
    counted(database, query, &values, "count records in D1").await
}

fn of_ids(domain: &str, component: &str, ids: &[String], doing: &'static str) -> Result<[JsValue; 3], Fault> {
    let ids = serde_json::to_string(ids).map_err(|error| Fault::new(doing, error))?;
    Ok([domain, component, &ids].map(JsValue::from_str))
}

async fn counted(database: &D1Database, query: &str, values: &[JsValue], doing: &'static str) -> Result<u64, Fault> {
    let fault = |error: worker::Error| Fault::new(doing, error);
    match database.prepare(query).bind(values).map_err(fault)?.first::<f64>(Some("found")).await {
        Ok(found) => Ok(found.unwrap_or(0.0) as u64),
        Err(error) if error.to_string().contains("no such table") => Ok(0),
        Err(error) => Err(fault(error)),
    }
}

/// Removes a component's records and counts that are older than `from`, ms of event time: D1 keeps nothing longer than
/// the objects do. How many records went.
pub async fn prune(database: &D1Database, domain: &str, component: &str, from: i64) -> Result<u64, Fault> {
    let fault = |error: worker::Error| Fault::new("prune D1", error);
    let values = [domain, component].map(JsValue::from_str).into_iter().chain([JsValue::from_f64(from as f64)]);
    let values: Vec<JsValue> = values.collect();
    let mut statements = Vec::new();
    for statement in [
        format!(
            "DELETE FROM record WHERE (domain, id) IN (SELECT domain, id FROM record \
             WHERE domain = ?1 AND timestamp < ?3 AND component = ?2 LIMIT {PRUNED_MAX})"
        ),
        format!(
            "DELETE FROM rollup WHERE (domain, component, shard, hour, kind, key) IN \
             (SELECT domain, component, shard, hour, kind, key FROM rollup \
             WHERE domain = ?1 AND component = ?2 AND hour <= ?3 - 3600000 LIMIT {PRUNED_MAX})"
        ),
    ] {
        statements.push(database.prepare(statement).bind(&values).map_err(fault)?);
    }
    let mut records = None;
    for result in database.batch(statements).await.map_err(fault)? {
        if !result.success() {
            return Err(Fault::new("prune D1", result.error().unwrap_or_default()));
        }
        // The first statement is that of records.
        let gone = result.meta().map_err(fault)?.and_then(|meta| meta.changes).unwrap_or(0) as u64;
        records.get_or_insert(gone);
    }
    Ok(records.unwrap_or(0))
}

/// Tables that hold copies, with their primary keys. What is kept in one more table is erased by one more line.
const COPIES: [(&str, &str); 5] = [
    ("record", "domain, id"),
    ("pattern", "domain, component, shard, id"),
    ("rollup", "domain, component, shard, hour, kind, key"),
    ("incident", "domain, id"),
    ("flush", "domain, component, shard"),
];

/// What of a domain's copies is to go.
#[derive(Clone, Debug)]
pub enum Copies<'a> {
    /// Everything.
    All,
    /// Those of one component.
    Component(&'a str),
    /// A user's records.
    User(UserCopies<'a>),
}

/// Which of a user's records go: those that were received up to a time, which each component has of its own. A copy holds
/// it in its body; of one that does not, nobody can say that it came later.
#[derive(Clone, Debug)]
pub struct UserCopies<'a> {
    /// As records name them.
    pub user: &'a str,
    /// Only in this component.
    pub component: Option<&'a str>,
    /// Receive time, ms, by component.
    pub until: BTreeMap<String, i64>,
    /// Receive time, ms, for components that are not named.
    pub until_elsewhere: i64,
}

/// Condition on a user's copies: `?3` the user, `?4` receive times by component, `?5` the one of others.
const OF_USER: &str = "body->>'$.user_id' = ?3 AND coalesce(body->>'$.received_at', 0) <= \
    coalesce((SELECT until.value FROM json_each(?4) AS until WHERE until.key = record.component), ?5)";

/// Removes copies, at most `PRUNED_MAX` rows of each table; what went, by table, and whether that was all.
pub async fn erase(database: &D1Database, domain: &str, copies: &Copies<'_>) -> Result<(Counts, bool), Fault> {
    let fault = |error: worker::Error| Fault::new("erase from D1", error);
    let (tables, component, user) = match copies {
        Copies::All => (COPIES.as_slice(), None, None),
        Copies::Component(name) => (COPIES.as_slice(), Some(*name), None),
        // Only records name users.
        Copies::User(user) => (COPIES.get(..1).unwrap_or_default(), user.component, Some(user)),
    };
    let mut values = vec![JsValue::from_str(domain), component.map_or(JsValue::NULL, JsValue::from_str)];
    if let Some(UserCopies { user, until, until_elsewhere, .. }) = user {
        let until = serde_json::to_string(until).map_err(|error| Fault::new("erase from D1", error))?;
        values.extend([JsValue::from_str(user), JsValue::from_str(&until), JsValue::from_f64(*until_elsewhere as f64)]);
    }
    let of_user = user.map_or("true", |_| OF_USER);
    let mut statements = Vec::new();
    for (table, key) in tables {
        let statement = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} \
             WHERE domain = ?1 AND (?2 IS NULL OR component = ?2) AND {of_user} LIMIT {PRUNED_MAX})"
        );
        statements.push(database.prepare(statement).bind(&values).map_err(fault)?);
    }
    let results = match database.batch(statements).await {
        Ok(results) => results,
        // Nobody has run the migrations: there is nothing.
        Err(error) if error.to_string().contains("no such table") => return Ok((Counts::new(), true)),
        Err(error) => return Err(fault(error)),
    };
    let (mut counts, mut is_done) = (Counts::new(), true);
    for ((table, _), result) in tables.iter().zip(results) {
        if !result.success() {
            return Err(Fault::new("erase from D1", result.error().unwrap_or_default()));
        }
        let gone = result.meta().map_err(fault)?.and_then(|meta| meta.changes).unwrap_or(0) as u64;
        is_done &= gone < u64::from(PRUNED_MAX);
        if gone > 0 {
            counts.insert(format!("d1.{table}"), gone);
        }
    }
    Ok((counts, is_done))
}
