//! `sapwood-stages`: where each microsecond of intake goes, stage by stage, natively and in one thread.
//!
//! The stages are those of the Worker, called as it calls them, on the corpus of the load bench. What the platform adds
//! (sockets, the hop to the object, the commit) is in the difference to `scripts/bench`. Each stage is a function of its
//! own, `stage_*`: times on a busy machine say little, but `valgrind --tool=callgrind` counts instructions, and
//! `callgrind_annotate --inclusive=yes` shows how many each stage took. `--body FILE` measures another input than the
//! corpus of the bench, so that nothing is made fast for that corpus only.

use clap::Parser;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use sapwood_bench::payload::Payload;
use sapwood_engine::machine::stream::{Batch, Effects, Event, Identity, StreamMachine, StreamSettings};
use sapwood_engine::normalize::{NormalizeContext, normalize_onto};
use sapwood_engine::record::Record;
use sapwood_engine::redact::Redactor;
use sapwood_engine::segment;
use sapwood_engine::time::Timestamp;
use sapwood_wire::ingest::{Decoded, decode};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where each microsecond of intake goes.
#[derive(Parser)]
#[command(name = "sapwood-stages", version)]
struct Cli {
    /// Records of a batch.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Batches.
    #[arg(long, default_value_t = 500)]
    batches: u64,
    /// A request body to send each time, instead of batches of the bench's corpus.
    #[arg(long)]
    body: Option<PathBuf>,
}

/// Time of the corpus, ms.
const NOW: Timestamp = Timestamp(1_763_632_800_000);

struct Stages {
    names: Vec<(&'static str, Duration)>,
}

impl Stages {
    fn run<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = black_box(work());
        let took = start.elapsed();
        match self.names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += took,
            None => self.names.push((name, took)),
        }
        result
    }
}

#[inline(never)]
fn stage_inflate(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut inflated = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut inflated).map(|_| inflated)
}

#[inline(never)]
fn stage_parse(body: &[u8]) -> io::Result<Decoded> {
    decode(body).map_err(|error| io::Error::other(error.to_string()))
}

#[inline(never)]
fn stage_normalize(decoded: &mut Decoded) -> Vec<Record> {
    let context = NormalizeContext { now: NOW, default_environment: "production", key_component: None };
    let mut records = Vec::with_capacity(decoded.records.len());
    for raw in decoded.records.iter_mut().flatten() {
        // What is refused is not put there.
        let _refused = normalize_onto(raw, &context, &mut records).is_err();
    }
    records
}

#[inline(never)]
fn stage_redact(redactor: &Redactor, records: &mut [Record]) {
    records.iter_mut().for_each(|record| redactor.redact(record));
}

#[inline(never)]
fn stage_encode(records: &[Record]) -> Vec<Vec<u8>> {
    segment::encode(records)
}

#[inline(never)]
fn stage_drop(records: Vec<Record>) {
    drop(records);
}

#[inline(never)]
fn stage_decode(segments: &[Vec<u8>]) -> usize {
    segments.iter().filter_map(|segment| segment::decode(segment).ok()).map(|records| records.len()).sum()
}

#[inline(never)]
fn stage_object(machine: &mut StreamMachine, batch: Batch, now: Timestamp) -> Effects {
    machine.handle(Event::Append(vec![batch]), now)
}

fn main() -> io::Result<()> {
    let cli = Cli::parse();
    let payload = Payload::new(1, "r").without_ids();
    let redactor = Redactor::default();
    let identity = Identity { domain: "bench.localhost".into(), component: "load-0".into(), shard: 0 };
    let mut machine = StreamMachine::new(identity, StreamSettings::default());
    let mut stages = Stages { names: Vec::new() };
    let own_body = cli.body.as_deref().map(std::fs::read).transpose()?;
    let (mut stored, mut sent, mut logs) = (0, 0, 0);
    for number in 0..cli.batches {
        let body = match &own_body {
            Some(body) => body.clone(),
            None => payload.batch(number, cli.batch, "load-0".into(), NOW.0 + number as i64).body,
        };
        sent += body.len();
        let mut packed = Vec::new();
        GzEncoder::new(body.as_slice(), Compression::fast()).read_to_end(&mut packed)?;
        stages.run("inflate (if gzip)", || stage_inflate(&packed))?;
        let mut decoded = stages.run("parse", || stage_parse(&body))?;
        let mut records = stages.run("normalize", || stage_normalize(&mut decoded));
        logs += records.len();
        stages.run("redact", || stage_redact(&redactor, &mut records));
        let segments = stages.run("encode", || stage_encode(&records));
        stages.run("drop", || stage_drop(records));
        stages.run("(decode, part of object)", || stage_decode(&segments));
        let batch = Batch { key: None, key_id: None, segments, rejected: 0, under: None };
        let now = NOW.plus(sapwood_engine::time::Millis(number as i64));
        let effects = stages.run("object: decode, mine, count, write", || stage_object(&mut machine, batch, now));
        stored += effects.rows.iter().map(|row| row.body.len() + row.heads.len()).sum::<usize>();
    }
    let logs = logs as f64;
    let mut out = io::stdout().lock();
    let mut total = Duration::ZERO;
    for (name, took) in &stages.names {
        writeln!(out, "{:<36} {:>7.3} us/log", name, took.as_secs_f64() * 1e6 / logs)?;
        if !name.contains('(') {
            total += *took;
        }
    }
    writeln!(out, "{:<36} {:>7.3} us/log", "all but what is in brackets", total.as_secs_f64() * 1e6 / logs)?;
    writeln!(
        out,
        "{:.0} bytes sent, {:.1} stored a log; {} patterns",
        sent as f64 / logs,
        stored as f64 / logs,
        machine.miner().len()
    )
}
