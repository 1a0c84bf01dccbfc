//! `sapwood block`: packs the lines of a file into blocks, unpacks them, compares, and says what they take.
//!
//! Nothing is cut off the lines: the same bytes go into the blocks and into `zstd -19`, which is asked for comparison
//! if it is installed, in chunks of 1 MB. With `--json` each line is a record as a client would send it; what is no text
//! of its own there (punctuation, the names of the usual fields) is known to the format and costs nothing.

use crate::Verdict;
use crate::fault::Fault;
use crate::play::source::read_lines;
use crate::render::{Style, Table, grouped};
use sapwood_engine::level::Level;
use sapwood_engine::pattern::{Miner, PatternId};
use sapwood_engine::record::Record;
use sapwood_engine::segment::block::{Block, SourceRow, encode, section_name};
use sapwood_engine::time::Timestamp;
use sapwood_engine::value::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Records of a row, as of a call.
const ROW_RECORDS: usize = 100;
/// Bytes of a chunk of the comparison.
const CHUNK_BYTES: usize = 1_000_000;

/// Arguments of `block`.
#[derive(clap::Args)]
pub(crate) struct BlockCommand {
    /// The file.
    file: PathBuf,
    /// Each line is a record as JSON: `timestamp` in milliseconds, `level`, `message`, `component`, and anything else.
    #[arg(long)]
    json: bool,
    /// Sizes by column, and times.
    #[arg(long)]
    stats: bool,
    /// Records of a block.
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = clap::value_parser!(u16).range(1..=16_384))]
    records: u16,
}

/// What packing took.
#[derive(Default)]
struct Account {
    blocks: usize,
    bytes: usize,
    columns: BTreeMap<u8, usize>,
    packing: Duration,
    unpacking: Duration,
    /// Blocks that did not come back as they were.
    different: usize,
}

impl BlockCommand {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let lines = read_lines(&self.file)?;
        let records = lines.iter().map(|line| self.record(line)).collect::<Result<Vec<_>, _>>()?;
        let mut miner = Miner::default();
        let observed = records.iter().zip(1..).map(|(record, seq)| miner.observe(record, seq, 0, record.timestamp).id);
        let patterns: Vec<PatternId> = observed.collect();
        let mut account = Account::default();
        let size = usize::from(self.records);
        for (records, patterns) in records.chunks(size).zip(patterns.chunks(size)) {
            account.pack(records, patterns)?;
        }
        let plain = lines.iter().map(|line| line.len() + 1).sum();
        self.tell(&account, records.len(), plain, zstd_bytes(&lines), out)?;
        Ok(if account.different == 0 { Verdict::Good } else { Verdict::Bad })
    }

    fn record(&self, line: &str) -> Result<Record, Fault> {
        if !self.json {
            return Ok(Record { message: line.to_owned(), ..Record::default() });
        }
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)
            .map_err(|error| Fault::Request(format!("{}: a line is no JSON object: {error}", self.file.display())))?;
        let mut record = Record::default();
        for (name, value) in object {
            match (name.as_str(), value.as_str()) {
                ("timestamp", None) => record.timestamp = Timestamp(value.as_i64().unwrap_or(0)),
                ("level", Some(word)) => record.level = Level::from_word(word).unwrap_or_default(),
                ("message", Some(text)) => record.message = text.to_owned(),
                ("component", Some(text)) => record.component = text.to_owned(),
                ("id", Some(text)) => record.id = Some(text.to_owned()),
                (_, Some(text)) => record.attributes.push((name, Value::Text(text.to_owned()))),
                (_, None) => record.attributes.push((name, Value::Text(value.to_string()))),
            }
        }
        Ok(record)
    }

    fn tell(
        &self,
        account: &Account,
        records: usize,
        plain: usize,
        zstd: Option<usize>,
        out: &mut dyn Write,
    ) -> Result<(), Fault> {
        let per_record = |bytes: usize| format!("{:.1}", bytes as f64 / records.max(1) as f64);
        let mut table = Table::new(&["", ">bytes", ">a record"]);
        let mut row =
            |name: &str, bytes: usize| table.row(vec![name.to_owned(), grouped(bytes as u64), per_record(bytes)]);
        row("lines", plain);
        if self.stats {
            account.columns.iter().for_each(|(tag, bytes)| row(&format!("  {}", section_name(*tag)), *bytes));
        }
        row("blocks", account.bytes);
        zstd.into_iter().for_each(|bytes| row("zstd -19", bytes));
        table.write(out, Style::of_stdout())?;
        let blocks = account.blocks;
        let came_back =
            if account.different == 0 { "all came back as they were" } else { "NOT all came back as they were" };
        write!(out, "\n{} records in {blocks} blocks, {came_back}", grouped(records as u64))?;
        if let Some(zstd) = zstd {
            write!(out, "; {:.2} of zstd -19 in chunks of 1 MB", account.bytes as f64 / zstd.max(1) as f64)?;
        }
        writeln!(out)?;
        if self.stats {
            let speed = |time: Duration| plain as f64 / 1e6 / time.as_secs_f64().max(1e-9);
            let (packing, unpacking) = (speed(account.packing), speed(account.unpacking));
            writeln!(out, "packed with proof at {packing:.1} MB/s of lines, unpacked at {unpacking:.1} MB/s")?;
        }
        Ok(())
    }
}

impl Account {
    fn pack(&mut self, records: &[Record], patterns: &[PatternId]) -> Result<(), Fault> {
        let parts = records.chunks(ROW_RECORDS).zip(patterns.chunks(ROW_RECORDS));
        let rows: Vec<SourceRow<'_>> = parts
            .zip(1..)
            .map(|((records, patterns), seq)| SourceRow {
                seq,
                at: Timestamp(seq as i64),
                records,
                patterns,
                note: &[],
            })
            .collect();
        let start = Instant::now();
        let bytes = encode(&rows).map_err(|unfit| Fault::Request(format!("these lines make no block: {unfit:?}")))?;
        self.packing += start.elapsed();
        let start = Instant::now();
        let unreadable = |error| Fault::Request(format!("a block that was just made: {error}"));
        let block = Block::open(&bytes).map_err(unreadable)?;
        let all: Vec<u32> = (0..block.summary().records).collect();
        let stored = block.records(&all).map_err(unreadable)?;
        self.unpacking += start.elapsed();
        let is_equal = stored.iter().map(|stored| &stored.record).eq(records);
        self.different += usize::from(!is_equal);
        self.blocks += 1;
        self.bytes += bytes.len();
        for (tag, bytes) in block.section_bytes() {
            *self.columns.entry(tag).or_default() += bytes;
        }
        Ok(())
    }
}

/// What `zstd -19` makes of the lines, in chunks; nothing if there is no such tool, or it fails.
fn zstd_bytes(lines: &[String]) -> Option<usize> {
    let mut sum = 0;
    let mut chunk = Vec::new();
    for line in lines {
        chunk.extend_from_slice(line.as_bytes());
        chunk.push(b'\n');
        if chunk.len() >= CHUNK_BYTES {
            sum += compressed(&std::mem::take(&mut chunk))?;
        }
    }
    Some(sum + if chunk.is_empty() { 0 } else { compressed(&chunk)? })
}

fn compressed(chunk: &[u8]) -> Option<usize> {
    let mut zstd = Command::new("zstd")
        .args(["-19", "-q", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = zstd.stdin.take()?;
    let mut packed = Vec::new();
    std::thread::scope(|scope| {
        // The input ends when its writer is done, or else the tool waits for ever.
        scope.spawn(move || input.write_all(chunk));
        zstd.stdout.take()?.read_to_end(&mut packed).ok()
    })?;
    zstd.wait().ok()?.success().then_some(packed.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn told(text: &str, json: bool, stats: bool) -> Result<(Verdict, String), Fault> {
        let folder = Folder::new();
        let file = folder.write("a.log", text);
        let mut out = Vec::new();
        let verdict = BlockCommand { file, json, stats, records: 4_096 }.run(&mut out)?;
        Ok((verdict, String::from_utf8(out).unwrap()))
    }

    #[test]
    fn lines_go_through_blocks_and_come_back() {
        let text: String =
            (0..5_000).map(|number| format!("order {number} failed after {}ms\n", number % 97)).collect();
        let (verdict, said) = told(&text, false, true).unwrap();
        assert_eq!(verdict, Verdict::Good);
        assert!(said.contains("5,000 records in 2 blocks, all came back as they were"), "{said}");
        assert!(said.contains("message") && said.contains("MB/s"), "{said}");
    }

    #[test]
    fn records_as_json_keep_every_field() {
        let text = concat!(
            r#"{"timestamp":1763632800000,"level":"error","message":"boom 7","component":"c","id":"x","n":{"a":1}}"#,
            "\n",
            r#"{"timestamp":"odd","level":"info","message":"boom 8","extra":"y"}"#,
            "\n"
        );
        let (verdict, said) = told(text, true, false).unwrap();
        assert_eq!(verdict, Verdict::Good);
        assert!(said.contains("2 records in 1 blocks"), "{said}");
        assert!(told("no json\n", true, false).is_err());
    }
}
