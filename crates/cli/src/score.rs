//! `sapwood score`: how unusual each value of a measured series is, read once and in order.
//!
//! Rows are `timestamp,value` after one header line; out come the same rows with `anomaly_score` (0 to 1). There is
//! nothing to set: the same detector with the same numbers scores every file, and no row knows of a later one.
//! `--explain` adds the numbers that led to each score: among them the band of the usual at that hour, within which a value
//! is no surprise.

use crate::Verdict;
use crate::fault::Fault;
use crate::play::source::read_lines;
use sapwood_engine::detect::ValueScorer;
use sapwood_engine::parse::timestamp;
use sapwood_engine::time::Timestamp;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Arguments of `score`.
#[derive(clap::Args)]
pub(crate) struct Score {
    /// The file: `timestamp,value`, one header line.
    file: PathBuf,
    /// Also write what was expected and how the score came about.
    #[arg(long)]
    explain: bool,
}

impl Score {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Result<Verdict, Fault> {
        let mut out = BufWriter::new(out);
        let mut scorer = ValueScorer::default();
        write!(out, "timestamp,value,anomaly_score")?;
        if self.explain {
            write!(
                out,
                ",expected,scale,expected_low,expected_high,value_surprise,shape_surprise,recent_peak,usual_peak"
            )?;
        }
        writeln!(out)?;
        for (position, line) in read_lines(&self.file)?.iter().enumerate().skip(1) {
            if line.trim().is_empty() {
                continue;
            }
            let (at, value) = row(line).ok_or_else(|| self.unreadable(position + 1, line))?;
            let told = scorer.observe(at, value);
            write!(out, "{},{}", line.trim(), told.score)?;
            if self.explain {
                let (low, high) = (told.expected - told.scale, told.expected + told.scale);
                write!(out, ",{},{},{low},{high},{}", told.expected, told.scale, told.value_surprise)?;
                write!(out, ",{},{},{}", told.shape_surprise, told.recent_peak, told.usual_peak)?;
            }
            writeln!(out)?;
        }
        out.flush()?;
        Ok(Verdict::Good)
    }

    fn unreadable(&self, number: usize, line: &str) -> Fault {
        let shown: String = line.chars().take(80).collect();
        Fault::Request(format!(
            "{}:{number}: not `timestamp,value`: {shown:?}; write times as 2026-11-20 10:00:00 or as milliseconds",
            self.file.display()
        ))
    }
}

/// The two fields of a row. A time without a zone is taken as it stands: only its place in day and week matters.
fn row(line: &str) -> Option<(Timestamp, f64)> {
    let (at, value) = line.split_once(',')?;
    let value = value.split(',').next()?.trim().parse().ok()?;
    Some((moment(at.trim())?, value))
}

fn moment(text: &str) -> Option<Timestamp> {
    // Only times without a year need a reference, and a series has years.
    timestamp::read(text, Timestamp(0)).map(|read| read.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn scored(text: &str, explain: bool) -> Result<Vec<String>, String> {
        let folder = Folder::new();
        let file = folder.write("a.csv", text);
        let mut out = Vec::new();
        Score { file, explain }.run(&mut out).map_err(|fault| fault.to_string())?;
        Ok(String::from_utf8(out).unwrap().lines().map(str::to_owned).collect())
    }

    fn series(spike: f64) -> String {
        let rows = (0..600).map(|i| {
            let value = if i == 500 { spike } else { 10.0 + f64::from(i * 31 % 7) };
            format!("{},{value}\n", 1_763_632_800_000 + i64::from(i) * 300_000)
        });
        format!("timestamp,value\n{}", rows.collect::<String>())
    }

    #[test]
    fn every_row_keeps_its_fields_and_the_odd_one_scores_highest() {
        let rows = scored(&series(500.0), false).unwrap();
        assert_eq!(rows.len(), 601);
        assert_eq!(rows[0], "timestamp,value,anomaly_score");
        let score = |row: &String| row.rsplit(',').next().unwrap().parse::<f64>().unwrap();
        let best = (1..601).max_by(|&a, &b| score(&rows[a]).total_cmp(&score(&rows[b]))).unwrap();
        assert!(rows[best].starts_with("1763782800000,500,"), "{}", rows[best]);
    }

    #[test]
    fn what_comes_later_changes_nothing_before() {
        let (quiet, loud) = (scored(&series(12.0), false).unwrap(), scored(&series(500.0), false).unwrap());
        assert_eq!(quiet[..501], loud[..501]);
        assert_ne!(quiet[501], loud[501]);
    }

    #[test]
    fn explaining_adds_numbers_and_changes_no_score() {
        let (plain, told) = (scored(&series(500.0), false).unwrap(), scored(&series(500.0), true).unwrap());
        for (plain, told) in plain.iter().zip(&told) {
            assert!(told.starts_with(plain.as_str()));
            assert_eq!(told.split(',').count(), 11);
        }
    }

    #[test]
    fn times_are_written_in_the_usual_ways_and_others_are_named_with_their_line() {
        for at in ["2026-11-20 10:00:00", "2026-11-20T10:00:00", "2026-11-20 10:00:00.5", "1763632800000"] {
            assert!(moment(at).is_some(), "{at}");
        }
        assert_eq!(moment("2026-11-20 10:00:00"), moment("2026-11-20T10:00:00"));
        let error = scored("timestamp,value\nyesterday,4\n", false).unwrap_err();
        assert!(error.contains(":2:") && error.contains("yesterday"), "{error}");
        assert!(scored("timestamp,value\n2026-11-20 10:00:00,many\n", false).is_err());
    }
}
