//! The first days of a component in a domain: what is found and what is told falsely, with and without what its neighbours
//! lend.
//!
//! A domain has four components that have run for three weeks. Each of them works the hours of the newcomer with
//! a chance of three in four, and by hours of its own otherwise; rates, errors, durations and clumps are its own. Among
//! strangers none does. The newcomer is born at any hour of the week and lives once through three quiet days, then with
//! every kind of fault at several hours of its first day, each time without a seed and with one.

use crate::random::Random;
use crate::scenario::{FAULTS, Fault, World};
use crate::scorecard::{Run, Step, Trial, trial};
use sapwood_engine::baseline::{Prior, Seed};
use sapwood_engine::detect::{SignalKind, Subject};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 168 * HOUR_MS;
/// Weeks that the neighbours have learned.
const LEARNED_WEEKS: i64 = 3;
const NEIGHBOURS: u64 = 4;
/// Thousandths of the neighbours that work the newcomer's hours.
const ALIKE: u64 = 750;
/// Hours of the newcomer's life at which faults begin, and minutes by which a seed moves them.
const FAULT_HOURS: [i64; 4] = [1, 4, 9, 17];
const QUIET_HOURS: i64 = 72;

/// What happened to the newcomers, without a seed or with one.
#[derive(Clone, Debug, Default)]
struct Side {
    /// Each with the place of its hour among [`FAULT_HOURS`].
    trials: Vec<(usize, Trial)>,
    /// Of the first day and of the next two: hours, those with a signal, those with one that wakes people.
    quiet: [(u64, u64, u64); 2],
    /// Signals of the quiet hours by kind, those of windows of half an hour and more apart.
    told: BTreeMap<(SignalKind, bool), u64>,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct ColdCard {
    sides: [Side; 2],
    /// Newcomers that were given a seed.
    newcomers: u64,
}

impl ColdCard {
    /// Plays these seeds; `is_plain` leaves deploys and the collector out, `are_strangers` the common hours.
    pub fn of(seeds: Range<u64>, is_plain: bool, are_strangers: bool) -> Self {
        Self::among(NEIGHBOURS, LEARNED_WEEKS, seeds, (is_plain, are_strangers))
    }

    fn among(neighbours: u64, weeks: i64, seeds: Range<u64>, (is_plain, are_strangers): (bool, bool)) -> Self {
        let mut card = Self::default();
        for seed in seeds {
            let mut random = Random::new(seed.wrapping_mul(0x51ed_270b) ^ 0x00c0_1d57);
            let world = World::new(seed, None);
            let priors: Vec<(String, Prior)> = (0..neighbours)
                .filter_map(|number| {
                    let is_alike = random.permille(ALIKE) && !are_strangers;
                    lent(&world, seed * 1_000 + 500_000 + number, is_alike, is_plain, weeks)
                        .map(|prior| (format!("n{number}"), prior))
                })
                .collect();
            let born = weeks * WEEK_MS + random.below(168 * 6) as i64 * HOUR_MS / 6;
            let given = Seed::blend("newcomer", priors.iter().map(|(name, prior)| (name.as_str(), prior)));
            for (side, given) in card.sides.iter_mut().zip([None, given]) {
                let mut run = Run::of(world.clone().born_at(born), seed, is_plain);
                let is_seeded = given.is_some_and(|given| run.detectors.begin_with(given));
                side.live(run, born, seed);
                card.newcomers += u64::from(is_seeded);
            }
        }
        card
    }

    /// The table as people read it.
    pub fn table(&self) -> String {
        let mut out = format!("{} newcomers with a seed; found without / with it\n", self.newcomers);
        out.push_str("fault         made  found %          median s      alerting %   ");
        FAULT_HOURS.iter().for_each(|hour| {
            let _ = write!(out, " {:>13}", format!("hour {hour}"));
        });
        out.push('\n');
        for kind in FAULTS {
            let of = |side: &Side| -> Vec<(usize, Trial)> {
                side.trials.iter().filter(|(_, trial)| trial.kind == kind).copied().collect()
            };
            let [plain, seeded] = self.sides.each_ref().map(of);
            let share = |trials: &[(usize, Trial)], is: &dyn Fn(&Trial) -> bool| {
                100.0 * trials.iter().filter(|(_, trial)| is(trial)).count() as f64 / trials.len().max(1) as f64
            };
            let is_found: &dyn Fn(&Trial) -> bool = &|trial| trial.delay.is_some();
            let wakes: &dyn Fn(&Trial) -> bool = &|trial| trial.is_alerting;
            let _ = write!(
                out,
                "{:12} {:5} {:7.1} /{:6.1} {:>7} / {:<7} {:6.1} /{:6.1}",
                format!("{kind:?}"),
                plain.len(),
                share(&plain, is_found),
                share(&seeded, is_found),
                median(&plain),
                median(&seeded),
                share(&plain, wakes),
                share(&seeded, wakes),
            );
            for place in 0..FAULT_HOURS.len() {
                let at = |trials: &[(usize, Trial)]| -> Vec<(usize, Trial)> {
                    trials.iter().filter(|(hour, _)| *hour == place).copied().collect()
                };
                let (plain, seeded) = (at(&plain), at(&seeded));
                let _ =
                    write!(out, " {:>13}", format!("{:.1}/{:.1}", share(&plain, is_found), share(&seeded, is_found)));
            }
            out.push('\n');
        }
        for (place, name) in ["first day", "second and third day"].into_iter().enumerate() {
            let [plain, seeded] = self.sides.each_ref().map(|side| side.quiet.get(place).copied().unwrap_or_default());
            let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
            let _ = writeln!(
                out,
                "{name}: {} quiet hours each; with a signal {:.2} % / {:.2} %, alerting {:.3} % / {:.3} %",
                plain.0,
                share(plain.1, plain.0),
                share(seeded.1, seeded.0),
                share(plain.2, plain.0),
                share(seeded.2, seeded.0),
            );
        }
        for (name, side) in ["without", "with"].into_iter().zip(&self.sides) {
            let _ = write!(out, "false signals {name}:");
            for ((kind, is_long), count) in &side.told {
                let _ = write!(out, " {}{} {count}", kind.as_str(), if *is_long { " (hours)" } else { "" });
            }
            out.push('\n');
        }
        out
    }
}

impl Side {
    /// Lives through the quiet days; the faults go out from the states on the way.
    fn live(&mut self, mut run: Run, born: i64, seed: u64) {
        let jitter = (seed as i64 * 7_919 % 60) * 60_000;
        let (mut any, mut alerting) = (false, false);
        loop {
            let Step { end, signals, .. } = run.step();
            for (_, signal) in &signals {
                let is_long = signal.subject == Subject::Component && signal.window.0 >= HOUR_MS / 2;
                *self.told.entry((signal.kind, is_long)).or_default() += 1;
            }
            any |= !signals.is_empty();
            alerting |= signals.iter().any(|(_, signal)| signal.is_alerting);
            if let Some(place) = FAULT_HOURS.iter().position(|hour| born + hour * HOUR_MS + jitter == end) {
                for kind in FAULTS {
                    self.trials.push((place, trial(run.clone(), Fault::new(kind, end))));
                }
            }
            let hour = (end - 1 - born).div_euclid(HOUR_MS);
            if (end - born) % HOUR_MS == 0 {
                let is_shaken =
                    run.delivery.is_out(end - 2 * HOUR_MS, end) || run.world.is_deployed(end - 2 * HOUR_MS, end);
                if let Some(quiet) = self.quiet.get_mut(usize::from(hour >= 24)).filter(|_| !is_shaken) {
                    *quiet = (quiet.0 + 1, quiet.1 + u64::from(any), quiet.2 + u64::from(alerting));
                }
                (any, alerting) = (false, false);
            }
            if end >= born + QUIET_HOURS * HOUR_MS {
                return;
            }
        }
    }
}

/// What a neighbour has to lend after its weeks.
fn lent(newcomer: &World, seed: u64, is_alike: bool, is_plain: bool, weeks: i64) -> Option<Prior> {
    let world = World::new(seed, None);
    let world = if is_alike { world.in_step_with(newcomer) } else { world };
    let mut run = Run::of(world, seed, is_plain);
    while run.step().end < weeks * WEEK_MS {}
    run.detectors.prior()
}

fn median(trials: &[(usize, Trial)]) -> String {
    let mut delays: Vec<_> = trials.iter().filter_map(|(_, trial)| trial.delay).collect();
    delays.sort_unstable();
    delays.get(delays.len() / 2).map_or_else(|| "-".into(), |delay| format!("{}", delay / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_newcomers_live_with_and_without_a_seed() {
        let card = ColdCard::among(1, 2, 0..1, (true, false));
        assert_eq!(card.newcomers, 1);
        let [plain, seeded] = &card.sides;
        assert_eq!(plain.trials.len(), FAULTS.len() * FAULT_HOURS.len());
        assert_eq!(seeded.trials.len(), plain.trials.len());
        assert_eq!(plain.quiet.map(|hours| hours.0), [24, 48]);
        assert!(card.table().contains("first day: 24 quiet hours each"), "{}", card.table());
    }
}
