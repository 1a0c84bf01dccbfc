//! Rows of a domain object: directory, keys, alerts with their deliveries, audit.

use super::fault::Fault;
use super::sql::{Columns, Sql, int, text, time, uint};
use crate::monitoring::report;
use crate::processors::calls::{AlertEntry, AuditView};
use sapwood_engine::baseline::Prior;
use sapwood_engine::bytes::ReadError;
use sapwood_engine::machine::domain::{Component, KeyEntry, Stored};
use sapwood_engine::machine::outbox::Due;
use sapwood_engine::time::Timestamp;
use worker::SqlStorageValue as Value;

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/domain/0001_init.sql"),
    include_str!("../../migrations/domain/0002_erasure.sql"),
    include_str!("../../migrations/domain/0003_prior.sql"),
];
/// Alerts that are kept after delivery, for people.
const ALERTS_KEPT: i64 = 500;

/// Rows of one domain object.
pub struct DomainRows {
    sql: Sql,
}

impl DomainRows {
    /// The rows in `sql`, with the schema brought up to date.
    pub fn open(sql: Sql) -> Result<Self, Fault> {
        sql.migrate(MIGRATIONS)?;
        Ok(Self { sql })
    }

    /// The domain, persisted at first contact.
    pub fn domain(&self) -> Result<Option<String>, Fault> {
        Ok(self.sql.meta("domain")?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Writes the domain.
    pub fn set_domain(&self, domain: &str) -> Result<(), Fault> {
        self.sql.set_meta("domain", domain.as_bytes().to_vec())
    }

    /// Everything that restores a machine.
    pub fn stored(&self) -> Result<Stored, Fault> {
        let query = "SELECT name, shard, registered_at, body FROM component LEFT JOIN prior USING (name, shard)";
        let components = self.sql.all("read components", query, vec![], |columns| {
            let (name, shard, registered_at) = (columns.text(), columns.int() as u16, Timestamp(columns.int()));
            let lent = columns.blob();
            // One that cannot be read, damaged or of a later build, is lent anew within a week.
            let unreadable = |error: &ReadError| report("PriorUnreadable", &[("component", &name), ("error", error)]);
            let prior = if lent.is_empty() { None } else { Prior::decode(&lent).inspect_err(unreadable).ok() };
            (name, shard, Component { registered_at, prior })
        })?;
        let query = "SELECT id, name, scopes, component, created_at, revoked_at FROM api_key";
        let keys = self.sql.all("read keys", query, vec![], |columns| {
            let id = columns.text();
            let entry = KeyEntry {
                name: columns.text(),
                scopes: columns.text().split(' ').map(str::to_owned).collect(),
                component: columns.optional_text(),
                created_at: Timestamp(columns.int()),
                revoked_at: columns.optional_int().map(Timestamp),
            };
            (id, entry)
        })?;
        let query = "SELECT id, due, attempts, ord FROM outbox WHERE due IS NOT NULL";
        let outbox = self.sql.all("read the outbox", query, vec![], |columns| {
            let id = columns.text();
            let at = Timestamp(columns.int());
            (id, Due { at, attempts: columns.int() as u32, order: columns.uint() })
        })?;
        let erasures = self.sql.all("read erasures", "SELECT body FROM erasure", vec![], Columns::blob)?;
        let (state, lessons) = (self.sql.meta("state")?, self.sql.meta("lessons")?);
        Ok(Stored { state, components, keys, outbox, lessons, erasures })
    }

    /// Writes the state row.
    pub fn set_state(&self, state: Vec<u8>) -> Result<(), Fault> {
        self.sql.set_meta("state", state)
    }

    /// Writes the lessons.
    pub fn set_lessons(&self, lessons: Vec<u8>) -> Result<(), Fault> {
        self.sql.set_meta("lessons", lessons)
    }

    /// Adds a component.
    pub fn add_component(&self, name: &str, shard: u16, component: &Component) -> Result<(), Fault> {
        let values = vec![text(name), int(shard.into()), time(component.registered_at)];
        self.sql.run("add a component", "INSERT OR IGNORE INTO component VALUES (?, ?, ?)", values)
    }

    /// Writes what a component lends.
    pub fn set_prior(&self, name: &str, shard: u16, prior: &Prior) -> Result<(), Fault> {
        let statement =
            "INSERT INTO prior VALUES (?, ?, ?) ON CONFLICT (name, shard) DO UPDATE SET body = excluded.body";
        self.sql.run("write a prior", statement, vec![text(name), int(shard.into()), Value::Blob(prior.encode())])
    }

    /// Removes a component with what it lends.
    pub fn remove_component(&self, name: &str, shard: u16) -> Result<(), Fault> {
        let statement = "DELETE FROM prior WHERE name = ? AND shard = ?";
        self.sql.run("remove a prior", statement, vec![text(name), int(shard.into())])?;
        let statement = "DELETE FROM component WHERE name = ? AND shard = ?";
        self.sql.run("remove a component", statement, vec![text(name), int(shard.into())])
    }

    /// Writes an erasure.
    pub fn set_erasure(&self, id: &str, body: Vec<u8>) -> Result<(), Fault> {
        let statement = "INSERT INTO erasure VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
        self.sql.run("write an erasure", statement, vec![text(id), Value::Blob(body)])
    }

    /// Removes an erasure.
    pub fn remove_erasure(&self, id: &str) -> Result<(), Fault> {
        self.sql.run("remove an erasure", "DELETE FROM erasure WHERE id = ?", vec![text(id)])
    }

    /// Ids of the alerts of one component, or of all.
    pub fn alerts_of(&self, component: Option<&str>) -> Result<Vec<String>, Fault> {
        let query = "SELECT id FROM alert WHERE ?1 IS NULL OR json_extract(body, '$.component') = ?1";
        let component = component.map_or(Value::Null, text);
        self.sql.all("find alerts", query, vec![component], Columns::text)
    }

    /// Replaces the JSON of an alert.
    pub fn set_alert(&self, id: &str, body: &str) -> Result<(), Fault> {
        self.sql.run("rewrite an alert", "UPDATE alert SET body = ? WHERE id = ?", vec![text(body), text(id)])
    }

    /// Removes an alert with its messages.
    pub fn remove_alert(&self, id: &str) -> Result<(), Fault> {
        self.sql.run("drop an alert", "DELETE FROM alert WHERE id = ?", vec![text(id)])?;
        let statement = "DELETE FROM outbox WHERE substr(id, 1, length(?1) + 1) = ?1 || '#'";
        self.sql.run("drop its deliveries", statement, vec![text(id)])
    }

    /// Writes a key.
    pub fn set_key(&self, id: &str, entry: &KeyEntry) -> Result<(), Fault> {
        let statement = "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?) \
                         ON CONFLICT (id) DO UPDATE SET revoked_at = excluded.revoked_at";
        let values = vec![
            text(id),
            text(entry.name.clone()),
            text(entry.scopes.join(" ")),
            entry.component.clone().map_or(Value::Null, Value::String),
            time(entry.created_at),
            entry.revoked_at.map_or(Value::Null, time),
        ];
        self.sql.run("write a key", statement, values)
    }

    /// Keeps an alert; the oldest that wait for nobody leave.
    pub fn add_alert(&self, id: &str, at: Timestamp, body: &str) -> Result<(), Fault> {
        let values = vec![text(id), time(at), text(body)];
        self.sql.run("keep an alert", "INSERT OR IGNORE INTO alert VALUES (?, ?, ?)", values)?;
        let old = "SELECT id FROM alert WHERE id NOT IN (SELECT id FROM alert ORDER BY at DESC LIMIT ?1) \
                   AND NOT EXISTS (SELECT 1 FROM outbox WHERE due IS NOT NULL AND substr(outbox.id, 1, length(alert.id) + 1) = alert.id || '#')";
        for id in self.sql.all("find old alerts", old, vec![int(ALERTS_KEPT)], Columns::text)? {
            self.remove_alert(&id)?;
        }
        Ok(())
    }

    /// The JSON of an alert.
    pub fn alert(&self, id: &str) -> Result<Option<String>, Fault> {
        let query = "SELECT body FROM alert WHERE id = ?";
        Ok(self.sql.all("read an alert", query, vec![text(id)], Columns::text)?.into_iter().next())
    }

    /// Puts a message into the outbox.
    pub fn add_message(&self, id: &str, target: &str, due: Due) -> Result<(), Fault> {
        let values = vec![text(id), text(target), time(due.at), int(due.attempts.into()), uint(due.order)];
        self.sql.run("write the outbox", "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?, ?, ?, NULL, NULL)", values)
    }

    /// A try failed: when to try again.
    pub fn set_due(&self, id: &str, due: Due, error: &str) -> Result<(), Fault> {
        let values = vec![time(due.at), int(due.attempts.into()), text(error), text(id)];
        self.sql.run("write a retry", "UPDATE outbox SET due = ?, attempts = ?, last_error = ? WHERE id = ?", values)
    }

    /// A message arrived, or never will (then with the reason).
    pub fn settle(&self, id: &str, delivered_at: Option<Timestamp>, error: Option<&str>) -> Result<(), Fault> {
        let values = vec![delivered_at.map_or(Value::Null, time), error.map_or(Value::Null, text), text(id)];
        let statement = "UPDATE outbox SET due = NULL, delivered_at = ?, last_error = ? WHERE id = ?";
        self.sql.run("settle a message", statement, values)
    }

    /// Messages with their alerts, newest first.
    pub fn alerts(&self, room: u32) -> Result<Vec<AlertEntry>, Fault> {
        let query = "SELECT outbox.id, target, alert.at, attempts, due, delivered_at, body FROM outbox \
                     JOIN alert ON substr(outbox.id, 1, length(alert.id) + 1) = alert.id || '#' \
                     ORDER BY alert.at DESC, outbox.id LIMIT ?";
        let rows = self.sql.all("read alerts", query, vec![int(room.into())], |columns| {
            let (id, target, at_ms) = (columns.text(), columns.text(), columns.int());
            let (attempts, next_try_ms) = (columns.int() as u32, columns.optional_int());
            let delivered_at_ms = columns.optional_int();
            let alert = serde_json::value::RawValue::from_string(columns.text()).ok()?;
            Some(AlertEntry { id, target, at_ms, attempts, next_try_ms, delivered_at_ms, alert })
        })?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Writes an entry of the audit log.
    pub fn audit(&self, at: Timestamp, actor: &str, action: &str, detail: &str) -> Result<(), Fault> {
        let values = vec![time(at), text(actor), text(action), text(detail)];
        self.sql.run("write the audit log", "INSERT INTO audit (at, actor, action, detail) VALUES (?, ?, ?, ?)", values)
    }

    /// The audit log, newest first.
    pub fn audit_log(&self, room: u32) -> Result<Vec<AuditView>, Fault> {
        let query = "SELECT seq, at, actor, action, detail FROM audit ORDER BY seq DESC LIMIT ?";
        self.sql.all("read the audit log", query, vec![int(room.into())], |columns| AuditView {
            seq: columns.uint(),
            at_ms: columns.int(),
            actor: columns.text(),
            action: columns.text(),
            detail: columns.text(),
        })
    }
}
