//! `sapwood first-sight`: plays a labelled log through the object's machine, label hidden, and says what it raised.
//!
//! The first word of each line is its label, `-` for none. It is cut off before anything is read. Every record arrives
//! at its own time, alone, and the machine is woken whenever it wants to be, as in an object. What is asked: of the kinds
//! of labelled lines that appear for the first time after the start, how many opened an incident with their first line;
//! and of the unlabelled lines, how many opened any. Absence, which no line opens, is counted apart.

use crate::Verdict;
use crate::fault::Fault;
use crate::play::source::{now, read_lines, records_of};
use sapwood_engine::detect::{Signal, SignalKind};
use sapwood_engine::level::Level;
use sapwood_engine::machine::stream::{Batch, Effects, Event, Identity, StreamMachine, StreamSettings};
use sapwood_engine::pattern::Miner;
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::Timestamp;
use sapwood_engine::triage::Incident;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `first-sight`.
#[derive(clap::Args)]
pub(crate) struct FirstSight {
    /// The file; the first word of each line is its label, `-` for none.
    file: PathBuf,
    /// Lines that only teach.
    #[arg(long, default_value_t = 200)]
    after: usize,
    /// The kind of each line: a CSV with a heading, the kind in its second column. Without it, the patterns found.
    #[arg(long, value_name = "FILE.csv")]
    kinds: Option<PathBuf>,
    /// Also show each line that opened something, and each new kind that did not.
    #[arg(long)]
    explain: bool,
}

/// A line as it went by.
struct Played {
    number: usize,
    is_labelled: bool,
    kind: String,
    /// What it opened.
    opened: Vec<String>,
    text: String,
}

/// The machine with what it opened so far.
struct Object {
    machine: StreamMachine,
    known: BTreeSet<String>,
    by_alarm: usize,
}

impl Object {
    fn new() -> Self {
        let identity = Identity { domain: "localhost".into(), component: "first-sight".into(), shard: 0 };
        let machine = StreamMachine::new(identity, StreamSettings::default());
        Self { machine, known: BTreeSet::new(), by_alarm: 0 }
    }

    fn handle(&mut self, event: Event, at: Timestamp) -> Vec<String> {
        let effects = self.machine.handle(event, at);
        self.answer(effects, at);
        let held = self.machine.incidents().all();
        let new: Vec<Incident> = held.filter(|incident| !self.known.contains(&incident.id)).cloned().collect();
        self.known.extend(new.iter().map(|incident| incident.id.clone()));
        new.iter().map(told).collect()
    }

    /// Performs what the machine asked for. Nothing is stored, but it has to hear the end of each: what it asked for and
    /// was never told of, it asks for again at every alarm, without end.
    fn answer(&mut self, effects: Effects, at: Timestamp) {
        if effects.checkpoint {
            drop(self.machine.checkpoint());
        }
        for (alert, _) in effects.alerts {
            self.machine.handle(Event::AlertDelivered(alert.id), at);
        }
        if effects.retain_from.is_some() {
            self.machine.handle(Event::Retained(None), at);
        }
        if effects.pack {
            self.machine.handle(Event::Packed(None), at);
        }
    }

    /// What the record opened, after all alarms that were due before it.
    fn record(&mut self, record: Record) -> Vec<String> {
        let at = record.timestamp;
        while let Some(due) = self.machine.wake_at().filter(|due| *due <= at) {
            self.by_alarm += self.handle(Event::Wake, due).len();
        }
        let batch = Batch { segments: segment::encode(&[record]), ..Batch::default() };
        self.handle(Event::Append(vec![batch]), at)
    }
}

/// An incident in a few words: what was found, and with which numbers.
fn told(incident: &Incident) -> String {
    let Signal { kind, subject, window, expected, seen, probability, .. } = incident.signal;
    if kind == SignalKind::NewPattern {
        return format!("{} {subject}", kind.as_str());
    }
    let minutes = window.0 as f64 / 60_000.0;
    format!("{} {subject}: {seen} in {minutes:.1} min, {expected:.3} due, p {probability:.0e}", kind.as_str())
}

impl FirstSight {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let kinds = self.kinds.as_ref().map(|path| read_lines(path)).transpose()?;
        let kind_of = |line: usize| kinds.as_ref()?.get(line + 1)?.split(',').nth(1).map(str::to_owned);
        let (mut object, mut miner) = (Object::new(), Miner::default());
        let mut played = Vec::new();
        let mut newest = Timestamp(0);
        for (place, line) in read_lines(&self.file)?.into_iter().enumerate() {
            let (label, text) = line.split_once(' ').unwrap_or((&line, ""));
            let Some(read) = records_of(&[text], now()).into_iter().next() else { continue };
            newest = newest.max(read.at.unwrap_or(newest));
            let record = Record {
                message: read.message,
                timestamp: newest,
                level: read.level.unwrap_or(Level::INFO),
                ..Record::default()
            };
            let pattern = miner.observe(&record, place as u64 + 1, 0, record.timestamp).id;
            let kind = kind_of(place).unwrap_or_else(|| pattern.to_string());
            let opened = object.record(record);
            let text = text.to_owned();
            played.push(Played { number: place + 1, is_labelled: label != "-", kind, opened, text });
        }
        self.report(&played, object.by_alarm, out)?;
        Ok(Verdict::Good)
    }

    fn report(&self, played: &[Played], by_alarm: usize, out: &mut dyn Write) -> Result<(), Fault> {
        let mut kinds = BTreeSet::new();
        let (mut new, mut raised, mut unlabelled, mut noise) = (0usize, 0usize, 0usize, 0usize);
        for line in played {
            let is_first = kinds.insert(&line.kind);
            if line.number <= self.after {
                continue;
            }
            let is_new = is_first && line.is_labelled;
            new += usize::from(is_new);
            raised += usize::from(is_new && !line.opened.is_empty());
            unlabelled += usize::from(!line.is_labelled);
            noise += usize::from(!line.is_labelled && !line.opened.is_empty());
            if self.explain && (is_new || !line.opened.is_empty()) {
                let mark = if line.is_labelled { "labelled" } else { "-" };
                let opened = if line.opened.is_empty() { "nothing".into() } else { line.opened.join(" ") };
                writeln!(out, "{}\t{mark}\t{opened}\t{}", line.number, crate::render::printable(&line.text))?;
            }
        }
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        writeln!(out, "labelled kinds first seen after line {}: {new}", self.after)?;
        writeln!(out, "raised at first sight: {raised} ({:.1} %)", percent(raised, new))?;
        writeln!(
            out,
            "unlabelled lines that raised anything: {noise} of {unlabelled} ({:.2} %)",
            percent(noise, unlabelled)
        )?;
        writeln!(out, "raised between lines, by alarm: {by_alarm}")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the command prints of these lines.
    fn told(name: &str, lines: &[String]) -> String {
        let path = std::env::temp_dir().join(format!("sapwood-first-sight-{}-{name}.log", std::process::id()));
        std::fs::write(&path, lines.join("\n")).unwrap();
        let command = FirstSight { file: path.clone(), after: 200, kinds: None, explain: true };
        let mut out = Vec::new();
        command.run(&mut out).unwrap();
        std::fs::remove_file(&path).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_log_of_a_year_is_read_to_its_end_though_rows_are_due_to_be_packed_and_removed() {
        let day =
            |day: usize| format!("- 2024-{:02}-{:02}T10:00:00Z INFO backup of night done", 1 + day / 28, 1 + day % 28);
        let text = told("year", &(0..300).map(day).collect::<Vec<_>>());
        assert!(text.contains("unlabelled lines that raised anything: 0 of 100 (0.00 %)"), "{text}");
    }

    #[test]
    fn a_labelled_kind_is_raised_at_first_sight_and_the_label_is_not_read() {
        let mut lines: Vec<String> = (0..300)
            .map(|second| {
                format!("- 2024-05-01T10:{:02}:{:02}Z INFO request {second} served", second / 60, second % 60)
            })
            .collect();
        lines.push("BAD 2024-05-01T10:05:01Z FATAL disk controller gave up on unit 7".into());
        lines.push("- 2024-05-01T10:05:02Z INFO request 302 served".into());
        let text = told("labels", &lines);
        assert!(text.contains("301\tlabelled\tnew_pattern pattern:"), "{text}");
        assert!(!text.contains("FATAL disk controller gave up on unit 7\tBAD"), "{text}");
        assert!(text.contains("raised at first sight: 1 (100.0 %)"), "{text}");
        assert!(text.contains("unlabelled lines that raised anything: 0 of 101 (0.00 %)"), "{text}");
    }
}
