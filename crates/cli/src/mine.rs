//! `sapwood mine`: gives every line of a file its pattern, in one pass and in order, from an empty start.
//!
//! One line out for each line in: `pattern id <TAB> template`. A line that continues a record has that record's pattern.
//! Online (the default) shows what the miner said when the line arrived; `--resolve-aliases` shows what it says at the
//! end, when patterns have been generalized and merged.

use crate::Verdict;
use crate::fault::Fault;
use crate::play::source::{now, read_lines, records_of};
use sapwood_engine::level::Level;
use sapwood_engine::pattern::{Miner, PatternId, join, split};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Arguments of `mine`.
#[derive(clap::Args)]
pub(crate) struct Mine {
    /// The file.
    file: PathBuf,
    /// The lines are messages already: no header is looked for.
    #[arg(long)]
    content: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// The patterns as they are after the last line.
    #[arg(long)]
    resolve_aliases: bool,
    /// Instead of the lines, how many of them their pattern at the end takes apart without loss.
    #[arg(long)]
    check_rebuild: bool,
}

/// A record and how many lines of the file it takes.
struct Item {
    record: Record,
    lines: usize,
}

impl Mine {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let mut out = BufWriter::new(out);
        if self.check_rebuild {
            return self.check(&mut out);
        }
        let mut miner = Miner::default();
        let mut arrived: Vec<(usize, PatternId)> = Vec::new();
        for (position, item) in self.items()?.into_iter().enumerate() {
            let seq = position as u64 + 1;
            let observed = miner.observe(&item.record, seq, 0, item.record.timestamp);
            if self.resolve_aliases {
                arrived.push((item.lines, observed.id));
            } else {
                self.write(&miner, observed.id, item.lines, &mut out)?;
            }
        }
        for (lines, id) in arrived {
            self.write(&miner, miner.resolve(id), lines, &mut out)?;
        }
        out.flush()?;
        Ok(Verdict::Good)
    }

    /// Takes every line apart by the template it has when all were read, and puts it together again.
    fn check(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let mut miner = Miner::default();
        let items = self.items()?;
        let observe = |(seq, item): (usize, &Item)| miner.observe(&item.record, seq as u64, 0, Timestamp(0)).id;
        let ids: Vec<_> = items.iter().enumerate().map(observe).collect();
        let (mut exact, mut spaced, mut wrong) = (0u64, 0u64, 0u64);
        let mut whole: BTreeMap<&str, u64> = BTreeMap::new();
        for (item, id) in items.iter().zip(ids) {
            let template = miner.pattern(id).map_or("", |pattern| pattern.template.as_str());
            match split(template, &item.record.message) {
                None => *whole.entry(template).or_default() += 1,
                Some(parts) if join(template, &parts).as_deref() != Some(&item.record.message) => wrong += 1,
                Some(parts) if parts.spacing.is_empty() => exact += 1,
                Some(_) => spaced += 1,
            }
        }
        let kept: u64 = whole.values().sum();
        writeln!(
            out,
            "{} lines: {exact} by their template, {spaced} spaced otherwise, {kept} kept whole, {wrong} wrong",
            items.len()
        )?;
        for (template, count) in whole {
            writeln!(out, "{count}\tkept whole: {template}")?;
        }
        out.flush()?;
        Ok(if wrong == 0 { Verdict::Good } else { Verdict::Bad })
    }

    fn items(&self) -> Result<Vec<Item>, Fault> {
        let lines = read_lines(&self.file)?;
        if self.content {
            let item = |line: &String| Item {
                record: Record { message: line.trim().to_owned(), ..Record::default() },
                lines: 1,
            };
            return Ok(lines.iter().map(item).collect());
        }
        let records = records_of(&lines, now()).into_iter().map(|read| Item {
            lines: read.lines,
            record: Record {
                message: read.message,
                timestamp: read.at.unwrap_or(Timestamp(0)),
                level: read.level.unwrap_or(Level::INFO),
                ..Record::default()
            },
        });
        Ok(records.collect())
    }

    /// A pattern that had to leave for lack of room is shown as the overflow pattern, where its count went.
    fn write(&self, miner: &Miner, id: PatternId, lines: usize, out: &mut dyn Write) -> Result<(), Fault> {
        let held = miner.pattern(id).or_else(|| miner.pattern(PatternId::OVERFLOW));
        let (id, template) = held.map_or((id, ""), |pattern| (pattern.id, pattern.template.as_str()));
        for _ in 0..lines {
            if self.json {
                writeln!(out, "{}", serde_json::json!({"pattern_id": id.to_string(), "template": template}))?;
            } else {
                writeln!(out, "{id}\t{template}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn mined(text: &str, content: bool, json: bool, resolve_aliases: bool) -> Vec<String> {
        let folder = Folder::new();
        let file = folder.write("a.log", text);
        let mut out = Vec::new();
        Mine { file, content, json, resolve_aliases, check_rebuild: false }.run(&mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_line_has_a_pattern_and_lines_of_one_shape_the_same() {
        for resolve in [false, true] {
            let lines = mined("order 1 failed\norder 2 failed\n\ndisk full\n", true, false, resolve);
            assert_eq!(lines.len(), 4);
            assert_eq!(lines[0], lines[1]);
            assert!(lines[0].ends_with("\torder <*> failed") && lines[3].ends_with("\tdisk full"), "{lines:?}");
        }
    }

    #[test]
    fn headers_are_cut_off_and_a_stack_belongs_to_its_record() {
        let text = "2026-11-20 10:00:00 ERROR boom 7\n\tat a.b(C.java:1)\n2026-11-20 10:00:01 INFO boom 8\n";
        let lines = mined(text, false, true, false);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], lines[1]);
        let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(first["template"], "boom <*>");
        assert_eq!(lines[0], lines[2]);
    }

    #[test]
    fn lines_are_taken_apart_and_put_together_again() {
        let folder = Folder::new();
        let file = folder.write("a.log", "order 1 failed\norder  2 failed\norder 3\tfailed\nplain\n");
        let mut out = Vec::new();
        let command = Mine { file, content: true, json: false, resolve_aliases: false, check_rebuild: true };
        assert!(matches!(command.run(&mut out), Ok(Verdict::Good)));
        assert_eq!(out, b"4 lines: 3 by their template, 1 spaced otherwise, 0 kept whole, 0 wrong\n");
    }
}
