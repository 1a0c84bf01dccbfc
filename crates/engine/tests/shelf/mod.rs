//! The rows of one stream object in memory, as the shell keeps them in SQLite: what tests store machines in and restore
//! them from. Blocks hide rows; what is stored can be written down as text and read again.

#![allow(dead_code, unreachable_pub, reason = "each test that uses it needs another part")]

use sapwood_engine::counter::{Facets, Rollup};
use sapwood_engine::machine::compaction;
use sapwood_engine::machine::outbox::Due;
use sapwood_engine::machine::row::{HUSKS, Row, RowKind};
use sapwood_engine::machine::stream::{
    Checkpoint, Identity, LooseRow, Outline, Packing, PlaceOutline, Stored, StreamStore, Thinning,
};
use sapwood_engine::machine::window::Page;
use sapwood_engine::pattern::{Pattern, PatternId};
use sapwood_engine::time::Timestamp;
use sapwood_engine::triage::Alert;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;

/// Rows, as bytes where the shell has bytes.
#[derive(Clone, Default)]
pub struct Shelf {
    pub rows: BTreeMap<u64, Row>,
    pub aside: BTreeMap<u64, Row>,
    /// Bodies by first sequence, with the last.
    pub blocks: BTreeMap<u64, (u64, Vec<u8>)>,
    pub patterns: BTreeMap<PatternId, Vec<u8>>,
    pub hours: BTreeMap<Timestamp, Rollup>,
    pub facets: BTreeMap<Timestamp, Facets>,
    pub pages: BTreeMap<(u8, u64), Vec<u8>>,
    pub outbox: BTreeMap<String, Due>,
    pub meta: BTreeMap<String, Vec<u8>>,
    pub folded: u64,
    /// Rows written in all, as the platform bills them.
    pub written: u64,
}

impl Shelf {
    /// Every row, wherever it lies.
    pub fn all(&self) -> BTreeMap<u64, Row> {
        let packed = self.blocks.values().flat_map(|(_, body)| compaction::unpack(body).unwrap());
        let mut all: BTreeMap<u64, Row> = packed.map(|row| (row.seq, row)).collect();
        all.extend(self.aside.iter().chain(&self.rows).map(|(seq, row)| (*seq, row.clone())));
        all
    }

    /// Puts these bodies in the place of those that rows have, wherever they lie.
    pub fn replace(&mut self, bodies: &[(u64, Vec<u8>)]) {
        let bodies: BTreeMap<u64, &Vec<u8>> = bodies.iter().map(|(seq, body)| (*seq, body)).collect();
        for (seq, body) in &bodies {
            if let Some(row) = self.rows.get_mut(seq).or_else(|| self.aside.get_mut(seq)) {
                (row.body, row.levels) = ((*body).clone(), row.levels | HUSKS);
                self.written += 1;
            }
        }
        for (_, block) in self.blocks.values_mut() {
            let mut rows = compaction::unpack(block).unwrap();
            let mut is_other = false;
            for row in &mut rows {
                if let Some(body) = bodies.get(&row.seq) {
                    (row.body, is_other) = ((*body).clone(), true);
                }
            }
            if is_other {
                *block = compaction::pack(&rows).unwrap().body;
                self.written += 1;
            }
        }
    }

    fn set(&mut self, name: &str, value: Option<Vec<u8>>) {
        if let Some(value) = value {
            self.written += 1;
            self.meta.insert(name.to_owned(), value);
        }
    }

    /// One line for each row: table, key, columns, bytes as hex.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        let mut line = |columns: &[String]| out.push_str(&format!("{}\n", columns.join(" ")));
        let number = |number: u64| number.to_string();
        for (table, rows) in [("journal", &self.rows), ("aside", &self.aside)] {
            for row in rows.values() {
                let kind = u64::from(row.kind.code());
                let times = [row.at, row.time_min, row.time_max].map(|at| at.0.to_string()).join(" ");
                line(&[
                    table.into(),
                    number(row.seq),
                    number(kind),
                    times,
                    number(row.count.into()),
                    number(row.levels.into()),
                    format!("x{}", hex(&row.heads)),
                    format!("x{}", hex(&row.body)),
                ]);
            }
        }
        for (first, (last, body)) in &self.blocks {
            line(&["block".into(), number(*first), number(*last), format!("x{}", hex(body))]);
        }
        for (id, body) in &self.patterns {
            line(&["pattern".into(), number(id.0), format!("x{}", hex(body))]);
        }
        for (hour, rollup) in &self.hours {
            line(&["rollup".into(), hour.0.to_string(), format!("x{}", hex(&rollup.encode()))]);
        }
        for (hour, facets) in &self.facets {
            line(&["facets".into(), hour.0.to_string(), format!("x{}", hex(&facets.encode()))]);
        }
        for ((kind, page), body) in &self.pages {
            line(&["page".into(), number((*kind).into()), number(*page), format!("x{}", hex(body))]);
        }
        for (id, due) in &self.outbox {
            line(&["outbox".into(), id.clone(), due.at.0.to_string(), number(due.attempts.into()), number(due.order)]);
        }
        for (name, value) in &self.meta {
            line(&["meta".into(), name.clone(), format!("x{}", hex(value))]);
        }
        line(&["folded".into(), number(self.folded)]);
        out
    }

    /// What [`Shelf::dump`] wrote down. Lines that begin with `#` say where it comes from.
    pub fn read(text: &str) -> Self {
        let mut shelf = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split(' ');
            let table = words.next().unwrap();
            let mut next = || words.next().unwrap();
            let number = |text: &str| text.parse::<i64>().unwrap();
            let bytes = |text: &str| -> Vec<u8> {
                let digits = &text.as_bytes()[1..];
                digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
            };
            match table {
                "journal" | "aside" => {
                    let (seq, kind) = (next().parse().unwrap(), RowKind::from_code(number(next()) as u8).unwrap());
                    let [at, time_min, time_max] = [next(), next(), next()].map(|at| Timestamp(number(at)));
                    let (count, levels) = (number(next()) as u32, number(next()) as u8);
                    let row = Row {
                        seq,
                        at,
                        kind,
                        time_min,
                        time_max,
                        count,
                        levels,
                        heads: bytes(next()),
                        body: bytes(next()),
                    };
                    if table == "aside" {
                        shelf.aside.insert(seq, row)
                    } else {
                        shelf.rows.insert(seq, row)
                    };
                }
                "block" => {
                    let (first, last) = (next().parse().unwrap(), next().parse().unwrap());
                    shelf.blocks.insert(first, (last, bytes(next())));
                }
                "pattern" => {
                    let id = PatternId(next().parse().unwrap());
                    shelf.patterns.insert(id, bytes(next()));
                }
                "rollup" => {
                    let hour = Timestamp(number(next()));
                    shelf.hours.insert(hour, Rollup::decode(&bytes(next())).unwrap());
                }
                "facets" => {
                    let hour = Timestamp(number(next()));
                    shelf.facets.insert(hour, Facets::decode(&bytes(next())).unwrap());
                }
                "page" => {
                    let key = (number(next()) as u8, next().parse().unwrap());
                    shelf.pages.insert(key, bytes(next()));
                }
                "outbox" => {
                    let id = next().to_owned();
                    let at = Timestamp(number(next()));
                    let due = Due { at, attempts: number(next()) as u32, order: next().parse().unwrap() };
                    shelf.outbox.insert(id, due);
                }
                "meta" => {
                    let name = next().to_owned();
                    shelf.meta.insert(name, bytes(next()));
                }
                "folded" => shelf.folded = next().parse().unwrap(),
                other => panic!("no table {other}"),
            }
        }
        shelf
    }
}

impl StreamStore for Shelf {
    type Error = Infallible;

    fn append(&mut self, row: &Row) -> Result<(), Infallible> {
        self.written += 1;
        self.rows.insert(row.seq, row.clone());
        Ok(())
    }
    fn add_alert(&mut self, alert: &Alert, due: Due, _: &Identity) -> Result<(), Infallible> {
        self.written += 1;
        self.outbox.entry(alert.id.clone()).or_insert(due);
        Ok(())
    }
    fn remove_alert(&mut self, id: &str) -> Result<(), Infallible> {
        self.outbox.remove(id);
        Ok(())
    }
    fn set_sinks(&mut self, d1: Vec<u8>, data_service: Vec<u8>) -> Result<(), Infallible> {
        self.set("sink_d1", Some(d1));
        self.set("sink_data_service", Some(data_service));
        Ok(())
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Infallible> {
        self.written += checkpoint.patterns.len() as u64;
        self.patterns.extend(checkpoint.patterns);
        checkpoint.patterns_gone.iter().for_each(|id| drop(self.patterns.remove(id)));
        for (hour, delta) in checkpoint.hours {
            self.hours.entry(hour).or_default().merge(&delta);
        }
        for (hour, delta) in checkpoint.facets {
            self.facets.entry(hour).or_default().merge(&delta);
        }
        for (kind, pages, gone) in
            [(0, checkpoint.key_pages, checkpoint.key_pages_gone), (1, checkpoint.id_pages, checkpoint.id_pages_gone)]
        {
            self.pages.extend(pages.into_iter().map(|page| ((kind, page.number), page.body)));
            self.pages.retain(|(of, number), _| *of != kind || !gone.contains(number));
        }
        self.set("learnt", checkpoint.learnt);
        self.set("taught", checkpoint.taught);
        self.set("packing", checkpoint.packing);
        self.set("thinned", checkpoint.thinned);
        self.set("slices", checkpoint.slices);
        self.set("sharding", checkpoint.sharding);
        self.set("usual", checkpoint.usual);
        self.set("detection", Some(checkpoint.detection));
        self.set("state", Some(checkpoint.state));
        self.folded = checkpoint.folded;
        Ok(())
    }
    fn set_packing(&mut self, row: Vec<u8>) -> Result<(), Infallible> {
        self.set("packing", Some(row));
        Ok(())
    }
    fn set_sharding(&mut self, row: Vec<u8>) -> Result<(), Infallible> {
        self.set("sharding", Some(row));
        Ok(())
    }
    fn store_block(&mut self, packing: &Packing) -> Result<(), Infallible> {
        let span = packing.seq_first..=packing.seq_last;
        let left: Vec<u64> = self.rows.range(span).map(|(seq, _)| *seq).collect();
        for row in left.into_iter().filter_map(|seq| self.rows.remove(&seq)) {
            if packing.aside.contains(&row.seq) {
                self.aside.insert(row.seq, row);
            }
        }
        if let Some(block) = &packing.block {
            self.written += 1;
            self.blocks.insert(packing.seq_first, (packing.seq_last, block.body.clone()));
        }
        Ok(())
    }
    fn store_thinning(&mut self, thinning: &Thinning) -> Result<(), Infallible> {
        self.replace(&thinning.bodies);
        if let Some(seq) = thinning.gone_up_to {
            self.rows.retain(|row, _| *row > seq);
            self.aside.retain(|row, _| *row > seq);
            self.blocks.retain(|_, (last, _)| *last > seq);
        }
        self.set("thinned", Some(thinning.row.clone()));
        Ok(())
    }
    fn stored(&self) -> Result<(Stored, u64), Infallible> {
        let meta = |name: &str| self.meta.get(name).cloned();
        let pages = |kind| {
            let pages = self.pages.iter().filter(|((of, _), _)| *of == kind);
            pages.map(|((_, number), body)| Page { number: *number, body: body.clone() }).collect()
        };
        let decoded = self.patterns.values().map(|body| Pattern::decode(body));
        let (patterns, damaged): (Vec<_>, Vec<_>) = decoded.partition(Result::is_ok);
        let stored = Stored {
            folded: self.folded,
            state: meta("state"),
            detection: meta("detection"),
            patterns: patterns.into_iter().flatten().collect(),
            learnt: meta("learnt"),
            taught: meta("taught"),
            key_pages: pages(0),
            id_pages: pages(1),
            outbox: self.outbox.iter().map(|(id, due)| (id.clone(), *due)).collect(),
            d1: meta("sink_d1"),
            data_service: meta("sink_data_service"),
            packing: meta("packing"),
            thinned: meta("thinned"),
            slices: meta("slices"),
            sharding: meta("sharding"),
            usual: meta("usual"),
        };
        Ok((stored, damaged.len() as u64))
    }
    fn all_rollups(&self) -> Result<Vec<(Timestamp, Rollup)>, Infallible> {
        Ok(self.hours.iter().map(|(hour, rollup)| (*hour, rollup.clone())).collect())
    }
    fn rows_after(&self, after: u64, visit: &mut dyn FnMut(Row) -> bool) -> Result<(), Infallible> {
        if self.blocks.is_empty() && self.aside.is_empty() {
            self.rows.range(after + 1..).all(|(_, row)| visit(row.clone()));
        } else {
            self.all().range(after + 1..).all(|(_, row)| visit(row.clone()));
        }
        Ok(())
    }
    fn row(&self, seq: u64) -> Result<Option<Row>, Infallible> {
        Ok(self.all().remove(&seq))
    }
    fn outlines(&self, after: u64, to: u64, room: u32) -> Result<Vec<Outline>, Infallible> {
        let rows = self.all().into_values().filter(|row| row.seq > after && row.seq <= to).take(room as usize);
        Ok(rows
            .map(|row| Outline { seq: row.seq, kind: Some(row.kind), count: row.count, levels: row.levels })
            .collect())
    }
    fn loose(&self, room: u32) -> Result<Vec<LooseRow>, Infallible> {
        Ok(self.rows.values().take(room as usize).map(LooseRow::from).collect())
    }
    fn places_after(&self, after: u64, room: u32) -> Result<Vec<PlaceOutline>, Infallible> {
        let place = |seq_first: u64, seq_last: u64, rows: &[Row]| PlaceOutline {
            seq_first,
            seq_last,
            at_max: rows.iter().map(|row| row.at).max().unwrap(),
            time_max: rows.iter().map(|row| row.time_max).max().unwrap(),
            levels: rows.iter().fold(0, |levels, row| levels | row.levels),
        };
        let plain =
            self.rows.values().chain(self.aside.values()).filter(|row| row.kind == RowKind::Segments && row.count > 0);
        let mut places: Vec<_> = plain.map(|row| place(row.seq, row.seq, std::slice::from_ref(row))).collect();
        let blocks = self.blocks.iter().map(|(first, (last, body))| (*first, *last, compaction::unpack(body).unwrap()));
        places.extend(blocks.map(|(first, last, rows)| place(first, last, &rows)));
        places.retain(|place| place.seq_last > after);
        places.sort_by_key(|place| place.seq_last);
        places.truncate(room as usize);
        Ok(places)
    }
}
