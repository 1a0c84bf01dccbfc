//! Rows of a stream object: the checkpoint, the outbox, and the journal (`journal.rs`). Written and read whole; what they
//! mean is the engine's business.

use super::fault::Fault;
use super::journal::Journal;
use super::sql::{Columns, Sql, int, text, time, uint};
use crate::monitoring::report;
use sapwood_engine::counter::{Facets, HOUR, Rollup};
use sapwood_engine::machine::erasure::Counts;
use sapwood_engine::machine::outbox::Due;
use sapwood_engine::machine::row::Row;
use sapwood_engine::machine::sink::Sink;
use sapwood_engine::machine::stream::{
    Checkpoint, Identity, LooseRow, Outline, Packing, PlaceOutline, Stored, StreamStore, Thinning,
};
use sapwood_engine::machine::window::Page;
use sapwood_engine::pattern::Pattern;
use sapwood_engine::time::Timestamp;
use sapwood_engine::triage::Alert;
use std::cell::Cell;
use std::rc::Rc;
use worker::SqlStorageValue as Value;

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/stream/0001_init.sql"),
    include_str!("../../migrations/stream/0002_facets.sql"),
    include_str!("../../migrations/stream/0003_blocks.sql"),
];
const PAGE_KEYS: i64 = 0;
const PAGE_IDS: i64 = 1;

/// Rows of one stream object.
pub struct StreamRows {
    sql: Rc<Sql>,
    journal: Journal,
    damaged_hours: Cell<u64>,
}

impl StreamRows {
    /// The rows in `sql`, with the schema brought up to date.
    pub fn open(sql: Sql) -> Result<Self, Fault> {
        sql.migrate(MIGRATIONS)?;
        let sql = Rc::new(sql);
        Ok(Self { journal: Journal::open(Rc::clone(&sql))?, sql, damaged_hours: Cell::new(0) })
    }

    /// The journal and its blocks.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// SQLite beneath, for its figures.
    pub fn sql(&self) -> &Sql {
        &self.sql
    }

    /// Which object this is, persisted at first contact: an alarm does not always know its object's name.
    pub fn identity(&self) -> Result<Option<Identity>, Fault> {
        let Some(bytes) = self.sql.meta("identity")? else { return Ok(None) };
        let name = String::from_utf8_lossy(&bytes).into_owned();
        let mut parts = name.split('|').map(str::to_owned);
        let (domain, component) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let shard = parts.next().and_then(|shard| shard.parse().ok()).unwrap_or(0);
        Ok(Some(Identity { domain, component, shard }))
    }

    /// Writes which object this is.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), Fault> {
        let name = format!("{}|{}|{}", identity.domain, identity.component, identity.shard);
        self.sql.set_meta("identity", name.into_bytes())
    }

    /// Writes a checkpoint.
    pub fn checkpoint(&self, checkpoint: Checkpoint) -> Result<(), Fault> {
        let doing = "write the checkpoint";
        for (id, body) in checkpoint.patterns {
            let statement = "INSERT INTO pattern VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
            self.sql.run(doing, statement, vec![text(id.to_string()), Value::Blob(body)])?;
        }
        for id in checkpoint.patterns_gone {
            self.sql.run(doing, "DELETE FROM pattern WHERE id = ?", vec![text(id.to_string())])?;
        }
        if let Some(learnt) = checkpoint.learnt {
            self.sql.set_meta("learnt", learnt)?;
        }
        if let Some(taught) = checkpoint.taught {
            self.sql.set_meta("taught", taught)?;
        }
        for (hour, delta) in checkpoint.hours {
            // A damaged hour is started anew rather than keeping the object from writing at all.
            let mut rollup = self.rollup(hour)?.unwrap_or_default();
            rollup.merge(&delta);
            let statement = "INSERT INTO rollup VALUES (?, ?) ON CONFLICT (hour) DO UPDATE SET body = excluded.body";
            self.sql.run(doing, statement, vec![time(hour), Value::Blob(rollup.encode())])?;
        }
        for (hour, delta) in checkpoint.facets {
            let mut facets = self.facets(hour, hour.plus(HOUR))?.pop().unwrap_or_default();
            facets.merge(&delta);
            let statement = "INSERT INTO facets VALUES (?, ?) ON CONFLICT (hour) DO UPDATE SET body = excluded.body";
            self.sql.run(doing, statement, vec![time(hour), Value::Blob(facets.encode())])?;
        }
        self.write_pages(PAGE_KEYS, checkpoint.key_pages, checkpoint.key_pages_gone)?;
        self.write_pages(PAGE_IDS, checkpoint.id_pages, checkpoint.id_pages_gone)?;
        if let Some(packing) = checkpoint.packing {
            self.sql.set_meta("packing", packing)?;
        }
        if let Some(thinned) = checkpoint.thinned {
            self.sql.set_meta("thinned", thinned)?;
        }
        if let Some(slices) = checkpoint.slices {
            self.sql.set_meta("slices", slices)?;
        }
        if let Some(usual) = checkpoint.usual {
            self.sql.set_meta("usual", usual)?;
        }
        if let Some(sharding) = checkpoint.sharding {
            self.sql.set_meta("sharding", sharding)?;
        }
        self.sql.set_meta("detection", checkpoint.detection)?;
        self.sql.set_meta("state", checkpoint.state)?;
        self.sql.set_meta_number("folded", checkpoint.folded)
    }

    fn write_pages(&self, kind: i64, pages: Vec<Page>, gone: std::ops::Range<u64>) -> Result<(), Fault> {
        for page in pages {
            let statement =
                "INSERT INTO page VALUES (?, ?, ?) ON CONFLICT (kind, number) DO UPDATE SET body = excluded.body";
            let values = vec![int(kind), uint(page.number), Value::Blob(page.body)];
            self.sql.run("write a page", statement, values)?;
        }
        if gone.is_empty() {
            return Ok(());
        }
        let statement = "DELETE FROM page WHERE kind = ? AND number >= ? AND number < ?";
        self.sql.run("delete pages", statement, vec![int(kind), uint(gone.start), uint(gone.end)])
    }

    /// One stored hour; `None` if it is not there or cannot be read.
    pub fn rollup(&self, hour: Timestamp) -> Result<Option<Rollup>, Fault> {
        let query = "SELECT body FROM rollup WHERE hour = ?";
        let body = self.sql.all("read a rollup", query, vec![time(hour)], Columns::blob)?.into_iter().next();
        Ok(body.and_then(|body| self.readable(hour, Rollup::decode(&body))))
    }

    /// Stored hours in a span, in order. Damaged ones are left out and counted.
    pub fn rollups(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, Rollup)>, Fault> {
        let query = "SELECT hour, body FROM rollup WHERE hour >= ? AND hour < ? ORDER BY hour";
        let rows = self.sql.all("read rollups", query, vec![time(from), time(to)], |columns| {
            (Timestamp(columns.int()), columns.blob())
        })?;
        let read = |(hour, body): (Timestamp, Vec<u8>)| Some((hour, self.readable(hour, Rollup::decode(&body))?));
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Facets of the stored hours that begin in a span, in order. Damaged ones are left out and counted.
    pub fn facets(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Facets>, Fault> {
        let query = "SELECT hour, body FROM facets WHERE hour >= ? AND hour < ? ORDER BY hour";
        let rows = self.sql.all("read facets", query, vec![time(from), time(to)], |columns| {
            (Timestamp(columns.int()), columns.blob())
        })?;
        Ok(rows.into_iter().filter_map(|(hour, body)| self.readable(hour, Facets::decode(&body))).collect())
    }

    fn readable<T, E>(&self, hour: Timestamp, decoded: Result<T, E>) -> Option<T> {
        if decoded.is_err() {
            self.damaged_hours.set(self.damaged_hours.get() + 1);
            report("HourDamaged", &[("hour_ms", &hour.0)]);
        }
        decoded.ok()
    }

    /// Makes every stored hour of counts unreadable.
    #[cfg(feature = "fault-injection")]
    pub fn damage_hours(&self) -> Result<(), Fault> {
        self.sql.run("fault injected: damage hours", "UPDATE rollup SET body = x'ff'", vec![])
    }

    /// How often a stored hour could not be read, since these rows were opened.
    pub fn damaged_hours(&self) -> u64 {
        self.damaged_hours.get()
    }

    /// Everything that restores a machine, and the number of rows that could not be read.
    pub fn stored(&self) -> Result<(Stored, u64), Fault> {
        let mut damaged = 0;
        let mut patterns = Vec::new();
        for body in self.sql.all("read patterns", "SELECT body FROM pattern", vec![], Columns::blob)? {
            match Pattern::decode(&body) {
                Ok(pattern) => patterns.push(pattern),
                Err(_) => damaged += 1,
            }
        }
        let outbox =
            self.sql.all("read the outbox", "SELECT id, due, attempts, ord FROM outbox", vec![], |columns| {
                let id = columns.text();
                let at = Timestamp(columns.int());
                (id, Due { at, attempts: columns.int() as u32, order: columns.uint() })
            })?;
        let stored = Stored {
            folded: self.sql.meta_number("folded")?.unwrap_or(0),
            state: self.sql.meta("state")?,
            detection: self.sql.meta("detection")?,
            patterns,
            learnt: self.sql.meta("learnt")?,
            taught: self.sql.meta("taught")?,
            key_pages: self.pages(PAGE_KEYS)?,
            id_pages: self.pages(PAGE_IDS)?,
            outbox,
            d1: self.sql.meta("sink_d1")?,
            data_service: self.sql.meta("sink_data_service")?,
            packing: self.sql.meta("packing")?,
            thinned: self.sql.meta("thinned")?,
            slices: self.sql.meta("slices")?,
            sharding: self.sql.meta("sharding")?,
            usual: self.sql.meta("usual")?,
        };
        Ok((stored, damaged))
    }

    fn pages(&self, kind: i64) -> Result<Vec<Page>, Fault> {
        let query = "SELECT number, body FROM page WHERE kind = ? ORDER BY number";
        self.sql
            .all("read pages", query, vec![int(kind)], |columns| Page { number: columns.uint(), body: columns.blob() })
    }

    /// The epoch of the D1 that this object last wrote to.
    pub fn d1_epoch(&self) -> Result<Option<String>, Fault> {
        Ok(self.sql.meta("d1_epoch")?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Remembers the epoch of D1.
    pub fn set_d1_epoch(&self, epoch: &str) -> Result<(), Fault> {
        self.sql.set_meta("d1_epoch", epoch.as_bytes().to_vec())
    }

    /// Puts an alert into the outbox.
    pub fn add_alert(&self, id: &str, due: Due, body: &str) -> Result<(), Fault> {
        let values = vec![text(id), time(due.at), int(due.attempts.into()), uint(due.order), text(body)];
        self.sql.run("write the outbox", "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?, ?, ?)", values)
    }

    /// The JSON of an alert in the outbox.
    pub fn alert(&self, id: &str) -> Result<Option<String>, Fault> {
        let query = "SELECT body FROM outbox WHERE id = ?";
        Ok(self.sql.all("read the outbox", query, vec![text(id)], Columns::text)?.into_iter().next())
    }

    /// Removes the counts of hours that ended before `from`.
    pub fn retain_hours(&self, from: Timestamp) -> Result<(), Fault> {
        let values = vec![time(from.minus(HOUR))];
        self.sql.run("delete expired counts", "DELETE FROM rollup WHERE hour <= ?", values.clone())?;
        self.sql.run("delete expired facets", "DELETE FROM facets WHERE hour <= ?", values)
    }

    /// Alerts in the outbox: id and JSON.
    pub fn alerts(&self) -> Result<Vec<(String, String)>, Fault> {
        let query = "SELECT id, body FROM outbox";
        self.sql.all("read the outbox", query, vec![], |columns| (columns.text(), columns.text()))
    }

    /// Replaces the JSON of an alert in the outbox.
    pub fn set_alert(&self, id: &str, body: &str) -> Result<(), Fault> {
        self.sql.run("rewrite an alert", "UPDATE outbox SET body = ? WHERE id = ?", vec![text(body), text(id)])
    }

    /// What an erasure of the whole object takes, by name. One more table is one more line.
    pub fn holdings(&self) -> Result<Counts, Fault> {
        const COUNTED: [(&str, &str); 4] = [
            ("patterns", "SELECT count(*) FROM pattern"),
            ("hours", "SELECT count(*) FROM rollup"),
            ("keys_pages", "SELECT count(*) FROM page"),
            ("alerts_waiting", "SELECT count(*) FROM outbox"),
        ];
        let mut counts = self.journal.holdings()?;
        for (name, query) in COUNTED {
            let found = self.sql.all("count what is held", query, vec![], Columns::uint)?;
            counts.insert(name.to_owned(), found.into_iter().sum());
        }
        counts.retain(|_, count| *count > 0);
        Ok(counts)
    }

    /// How far the data service got.
    pub fn data_service_sink(&self) -> Result<Sink, Fault> {
        let row = self.sql.meta("sink_data_service")?;
        Ok(row.and_then(|row| Sink::decode(&row).ok()).unwrap_or_default())
    }

    /// Hours for which counts are stored.
    pub fn hours(&self) -> Result<Vec<Timestamp>, Fault> {
        self.sql.all("read hours", "SELECT hour FROM rollup", vec![], |columns| Timestamp(columns.int()))
    }
}

impl StreamStore for StreamRows {
    type Error = Fault;

    fn append(&mut self, row: &Row) -> Result<(), Fault> {
        self.journal.append(row)
    }
    fn add_alert(&mut self, alert: &Alert, due: Due, identity: &Identity) -> Result<(), Fault> {
        let view = sapwood_wire::convert_alert::alert_view(alert, identity);
        let body = serde_json::to_string(&view).map_err(|error| Fault::new("write an alert", error))?;
        Self::add_alert(self, &alert.id, due, &body)
    }
    fn remove_alert(&mut self, id: &str) -> Result<(), Fault> {
        self.sql.run("delete from the outbox", "DELETE FROM outbox WHERE id = ?", vec![text(id)])
    }
    fn set_sinks(&mut self, d1: Vec<u8>, data_service: Vec<u8>) -> Result<(), Fault> {
        self.sql.set_meta("sink_d1", d1)?;
        self.sql.set_meta("sink_data_service", data_service)
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Fault> {
        Self::checkpoint(self, checkpoint)
    }
    fn set_packing(&mut self, row: Vec<u8>) -> Result<(), Fault> {
        self.sql.set_meta("packing", row)
    }
    fn set_sharding(&mut self, row: Vec<u8>) -> Result<(), Fault> {
        self.sql.set_meta("sharding", row)
    }
    fn store_block(&mut self, packing: &Packing) -> Result<(), Fault> {
        self.journal.store_block(packing)
    }
    fn store_thinning(&mut self, thinning: &Thinning) -> Result<(), Fault> {
        self.journal.set_bodies(thinning.bodies.clone())?;
        if let Some(seq) = thinning.gone_up_to {
            self.journal.remove_up_to(seq)?;
        }
        self.sql.set_meta("thinned", thinning.row.clone())
    }
    fn stored(&self) -> Result<(Stored, u64), Fault> {
        Self::stored(self)
    }
    fn all_rollups(&self) -> Result<Vec<(Timestamp, Rollup)>, Fault> {
        self.rollups(Timestamp::MIN, Timestamp::MAX)
    }
    fn rows_after(&self, after: u64, visit: &mut dyn FnMut(Row) -> bool) -> Result<(), Fault> {
        self.journal.rows_after(after, visit)
    }
    fn row(&self, seq: u64) -> Result<Option<Row>, Fault> {
        self.journal.row(seq)
    }
    fn outlines(&self, after: u64, to: u64, room: u32) -> Result<Vec<Outline>, Fault> {
        self.journal.outlines(after, to, room)
    }
    fn loose(&self, room: u32) -> Result<Vec<LooseRow>, Fault> {
        self.journal.loose(room)
    }
    fn places_after(&self, after: u64, room: u32) -> Result<Vec<PlaceOutline>, Fault> {
        self.journal.places_after(after, room)
    }
}
