//! `sapwood-sim generate` writes a seeded workload as files, one for each service; `sapwood-sim scenarios` measures the
//! detectors on seeded faults; `sapwood-sim cluster` plays the machines against a hostile world.

mod campaign;

use campaign::{Campaign, catch_all};
use clap::{Parser, Subcommand};
use sapwood_sim::cluster::mutant::Mutant;
use sapwood_sim::cold::ColdCard;
use sapwood_sim::scorecard::Scorecard;
use sapwood_sim::variables::VariableCard;
use sapwood_sim::{Options, Workload};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Log lines of services that do not exist.
#[derive(Parser)]
#[command(name = "sapwood-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write one NAME.raw.log for each service.
    Generate {
        /// Decides everything: the same seed gives the same files.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Records over all services (a stack trace belongs to its record).
        #[arg(long, default_value_t = 12_000)]
        lines: usize,
        /// The folder; made if it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Measure the detectors on weeks of components with faults of known kind and start; print the table.
    Scenarios {
        /// Worlds: three quiet weeks each, then every kind of fault once.
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// The first of them: worlds that no constant was chosen on begin at 100.
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// Leave out deploys and the collector: records arrive as they happen, as the first figures were taken.
        #[arg(long)]
        plain: bool,
        /// Deploys are announced, or named by records.
        #[arg(long, conflicts_with = "plain")]
        announced: bool,
        /// Also show every signal of the quiet weeks.
        #[arg(long)]
        explain: bool,
    },
    /// Measure the first day of components that are new to a domain, without and with what the others lend; print the table.
    Cold {
        /// Newcomers, each with neighbours of its own.
        #[arg(long, default_value_t = 40)]
        seeds: u64,
        /// The first of them: worlds that no constant was chosen on begin at 100.
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// Leave out deploys and the collector.
        #[arg(long)]
        plain: bool,
        /// Neighbours whose hours are their own.
        #[arg(long)]
        strangers: bool,
    },
    /// Measure what is found in the variables of lines, on days of components with faults; print the table.
    Variables {
        /// Worlds: three quiet days each, then every kind of fault once.
        #[arg(long, default_value_t = 20)]
        seeds: u64,
        /// The first of them: worlds that no constant was chosen on begin at 100.
        #[arg(long, default_value_t = 0)]
        first: u64,
    },
    /// Play the machines against crashes, losses, lies and jumping clocks; check that nothing is lost or doubled.
    Cluster {
        /// How many seeds.
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// The first of them.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Print the end of the story of each seed that failed.
        #[arg(long)]
        story: bool,
        /// Play a broken build instead, to see that it is caught.
        #[arg(long, value_name = "NAME")]
        mutant: Option<String>,
        /// Play every broken build until it is caught.
        #[arg(long, conflicts_with = "mutant")]
        mutants: bool,
    },
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Generate { seed, lines, out } => generated(seed, lines, &out),
        Command::Scenarios { seeds, first, plain, announced, explain } => {
            scenarios(range(first, seeds), (plain, announced), explain)
        }
        Command::Cold { seeds, first, plain, strangers } => {
            printed(&ColdCard::of(range(first, seeds), plain, strangers).table())
        }
        Command::Variables { seeds, first } => printed(&VariableCard::of(range(first, seeds)).table()),
        Command::Cluster { seeds, from, mutants: true, .. } => mutants(&range(from, seeds)),
        Command::Cluster { seeds, from, story, mutant, .. } => cluster(range(from, seeds), story, mutant.as_deref()),
    }
}

fn range(first: u64, seeds: u64) -> Range<u64> {
    first..first.saturating_add(seeds)
}

fn printed(table: &str) -> ExitCode {
    exit_code(write!(io::stdout().lock(), "{table}").map(|()| true))
}

/// 0 if all is well, 1 if something was found, 2 if it cannot be told.
fn exit_code(is_well: io::Result<bool>) -> ExitCode {
    match is_well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) => ExitCode::from(2),
    }
}

fn generated(seed: u64, lines: usize, out: &Path) -> ExitCode {
    let outcome = generate(seed, lines, out).and_then(|files| {
        let mut stdout = io::stdout().lock();
        files.iter().try_for_each(|file| writeln!(stdout, "{}", file.display()))
    });
    if let Err(error) = &outcome {
        // If standard error is gone too, the status still says it.
        let _ = writeln!(io::stderr(), "sapwood-sim: cannot write below {}: {error}", out.display());
    }
    exit_code(outcome.map(|()| true))
}

fn cluster(seeds: Range<u64>, tells: bool, name: Option<&str>) -> ExitCode {
    let mutant = name.and_then(Mutant::from_name);
    if let (Some(name), None) = (name, mutant) {
        let known = Mutant::ALL.map(Mutant::name).join(", ");
        // If standard error is gone too, the status still says it.
        let _ = writeln!(io::stderr(), "sapwood-sim: no broken build {name}; there are: {known}");
        return ExitCode::from(2);
    }
    let campaign = Campaign { seeds, mutant, tells, stops_early: false };
    let tally = campaign.play(&|line| {
        let _ = writeln!(io::stderr(), "{line}");
    });
    exit_code(tally.report(&mut io::stdout().lock()).map(|()| tally.failed.is_empty()))
}

fn mutants(seeds: &Range<u64>) -> ExitCode {
    exit_code(catch_all(seeds, &mut io::stdout().lock()))
}

fn scenarios(seeds: Range<u64>, deploys: (bool, bool), explain: bool) -> ExitCode {
    let card = Scorecard::of(seeds, deploys, |seed, signal| {
        if explain {
            // A reader who has enough stops reading; the table is written all the same.
            let _ = writeln!(io::stdout().lock(), "seed {seed}: {signal:?}");
        }
    });
    printed(&card.table())
}

fn generate(seed: u64, lines: usize, out: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(out)?;
    let mut files: BTreeMap<&str, (PathBuf, BufWriter<File>)> = BTreeMap::new();
    for line in Workload::new(seed, Options::default()).take(lines) {
        if !files.contains_key(line.service) {
            let path = out.join(format!("{}.raw.log", line.service));
            let file = BufWriter::new(File::create(&path)?);
            files.insert(line.service, (path, file));
        }
        if let Some((_, file)) = files.get_mut(line.service) {
            writeln!(file, "{}", line.text)?;
        }
    }
    files
        .into_values()
        .map(|(path, mut file)| {
            file.flush()?;
            Ok(path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_every_line_and_a_seed_means_the_same_bytes() {
        let folder = std::env::temp_dir().join(format!("sapwood-sim-{}", std::process::id()));
        let first = generate(9, 300, &folder.join("a")).unwrap();
        let second = generate(9, 300, &folder.join("b")).unwrap();
        assert_eq!(first.len(), 6);
        let mut lines = 0;
        for (left, right) in first.iter().zip(&second) {
            let (left, right) = (fs::read_to_string(left).unwrap(), fs::read_to_string(right).unwrap());
            assert_eq!(left, right);
            lines += left.lines().count();
        }
        assert!(lines >= 300);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said() {
        let file = std::env::temp_dir().join(format!("sapwood-sim-file-{}", std::process::id()));
        fs::write(&file, "").unwrap();
        assert!(generate(1, 1, &file.join("below")).is_err());
        fs::remove_file(&file).unwrap();
    }
}
