//! Many seeds of the cluster, on all cores: `sapwood-sim cluster`.

use sapwood_sim::cluster::mutant::Mutant;
use sapwood_sim::cluster::{Verdict, run};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// What to do.
pub(crate) struct Campaign {
    /// Which seeds.
    pub(crate) seeds: Range<u64>,
    /// A broken build to catch.
    pub(crate) mutant: Option<Mutant>,
    /// Whether to print the end of the story of a seed that failed.
    pub(crate) tells: bool,
    /// Whether the first failure is enough.
    pub(crate) stops_early: bool,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Tally {
    /// Seeds that passed.
    pub(crate) passed: u64,
    /// Seeds that failed, with the first violation of each; in order.
    pub(crate) failed: Vec<(u64, Verdict)>,
    records: u64,
    acknowledged: u64,
    crashes: u64,
    alerts: u64,
}

impl Campaign {
    /// Plays all seeds; `progress` gets a line now and then.
    pub(crate) fn play(&self, progress: &(dyn Fn(String) + Sync)) -> Tally {
        let next = AtomicU64::new(self.seeds.start);
        let is_over = AtomicBool::new(false);
        let tally = Mutex::new(Tally::default());
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.seeds.end {
                            break;
                        }
                        let verdict = run(seed, self.mutant, self.tells);
                        let Ok(mut tally) = tally.lock() else { break };
                        tally.book(seed, verdict);
                        if self.stops_early && !tally.failed.is_empty() {
                            is_over.store(true, Ordering::Relaxed);
                        }
                        let done = tally.passed + tally.failed.len() as u64;
                        if done.is_multiple_of(100) {
                            progress(format!("{done} of {} seeds", self.seeds.end - self.seeds.start));
                        }
                    }
                });
            }
        });
        let mut tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        tally.failed.sort_by_key(|(seed, _)| *seed);
        tally
    }
}

impl Tally {
    fn book(&mut self, seed: u64, verdict: Verdict) {
        self.records += verdict.records;
        self.acknowledged += verdict.acknowledged;
        self.crashes += verdict.crashes;
        self.alerts += verdict.alerts;
        if verdict.violations.is_empty() {
            self.passed += 1;
        } else {
            self.failed.push((seed, verdict));
        }
    }

    /// Writes what failed and how to see it again, what was played, and the closing line.
    pub(crate) fn report(&self, out: &mut impl Write) -> io::Result<()> {
        for (seed, verdict) in self.failed.iter().take(10) {
            for line in &verdict.story {
                writeln!(out, "{line}")?;
            }
            for violation in verdict.violations.iter().take(5) {
                writeln!(out, "seed {seed}: {violation}")?;
            }
            writeln!(out, "  see it again: scripts/sim --from {seed} --seeds 1 --story")?;
        }
        if self.failed.len() > 10 {
            writeln!(out, "... and {} more seeds", self.failed.len() - 10)?;
        }
        let Self { records, acknowledged, crashes, alerts, .. } = self;
        writeln!(out, "{records} records sent, {acknowledged} acknowledgements, {crashes} crashes, {alerts} alerts")?;
        writeln!(out, "{} passed, {} failed", self.passed, self.failed.len())
    }
}

/// Plays every broken build until it is caught, at most `seeds` each; prints a table. Whether all were caught.
pub(crate) fn catch_all(seeds: &Range<u64>, out: &mut impl Write) -> io::Result<bool> {
    let mut missed = 0;
    for mutant in Mutant::ALL {
        let campaign = Campaign { seeds: seeds.clone(), mutant: Some(mutant), tells: false, stops_early: true };
        let tally = campaign.play(&|_| {});
        match tally.failed.first() {
            Some((seed, verdict)) => {
                let first = verdict.violations.first().map_or("", String::as_str);
                let first: String = first.chars().take(110).collect();
                writeln!(out, "caught  {:<30} seed {seed:<4} {first}", mutant.name())?;
            }
            None => {
                missed += 1;
                writeln!(out, "MISSED  {:<30} in {} seeds", mutant.name(), tally.passed)?;
            }
        }
        out.flush()?;
    }
    writeln!(out, "{} passed, {missed} failed", Mutant::ALL.len() - missed)?;
    Ok(missed == 0)
}
