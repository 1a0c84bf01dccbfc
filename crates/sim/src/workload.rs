//! An endless stream of lines in order of time.
//!
//! Arrivals are independent of each other (exponential gaps) at a rate that follows the hour of the day: quiet at night,
//! a peak in the evening. Which service writes is decided by its share, which statement by its rank: the first of a
//! class is written twice as often as the second and thirty times as often as the thirtieth, as in real logs, where a
//! handful of statements make most of the volume.

use crate::random::Random;
use crate::services::{SERVICES, Service, Severity};

/// What kind of world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Time of the first line, in milliseconds since the epoch.
    pub start_ms: i64,
    /// Lines an hour over all services, averaged over a day.
    pub lines_per_hour: u64,
    /// Lines in a thousand that are errors.
    pub error_permille: u64,
    /// Lines in a thousand that are warnings.
    pub warn_permille: u64,
}

impl Default for Options {
    /// Starts on 2024-11-20 at 00:00 UTC (in the past wherever this runs), 4,000 lines an hour, 1.2 % errors, 4 % warnings.
    fn default() -> Self {
        Self { start_ms: 1_732_060_800_000, lines_per_hour: 4_000, error_permille: 12, warn_permille: 40 }
    }
}

/// One line, and the truth about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which service wrote it.
    pub service: &'static str,
    /// When, in milliseconds since the epoch. Some layouts show only seconds.
    pub timestamp_ms: i64,
    /// The line without its line feed; a stack trace follows behind line feeds.
    pub text: String,
    /// The statement it came from: place of the service times 1,000, plus place of the statement.
    pub template_id: u32,
    /// How serious.
    pub severity: Severity,
}

/// Weight of each hour of the day in hundredths of the mean.
const RHYTHM: [u64; 24] =
    [45, 35, 30, 28, 30, 40, 60, 85, 105, 115, 120, 125, 130, 128, 122, 120, 125, 135, 150, 165, 170, 150, 110, 77];

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The stream.
#[derive(Clone, Debug)]
pub struct Workload {
    random: Random,
    options: Options,
    /// Time of the next line, in microseconds since the epoch: gaps can be shorter than a millisecond.
    next_us: i64,
}

impl Workload {
    /// The world of `seed`.
    pub fn new(seed: u64, options: Options) -> Self {
        let next_us = options.start_ms.saturating_mul(1_000);
        Self { random: Random::new(seed), options, next_us }
    }

    /// Mean gap at `at_ms`, in microseconds; between two hours it changes evenly.
    fn mean_gap_us(&self, at_ms: i64) -> u64 {
        let of_day = at_ms.rem_euclid(DAY_MS);
        let (hour, into) = ((of_day / HOUR_MS) as usize, (of_day % HOUR_MS) as u64);
        let (here, next) = (RHYTHM[hour % 24], RHYTHM[(hour + 1) % 24]);
        let weight = (here * (HOUR_MS as u64 - into) + next * into) / HOUR_MS as u64;
        3_600_000_000 * 100 / (self.options.lines_per_hour.max(1) * weight.max(1))
    }

    fn pick_service(&mut self) -> (usize, &'static Service) {
        let total: u64 = SERVICES.iter().map(|service| service.share).sum();
        let mut ticket = self.random.below(total);
        for (place, service) in SERVICES.iter().enumerate() {
            if ticket < service.share {
                return (place, service);
            }
            ticket -= service.share;
        }
        (0, &SERVICES[0])
    }

    /// The place of a statement of `severity`, or of any if the service has none such.
    fn pick_statement(&mut self, service: &Service, severity: Severity) -> usize {
        let weighted: Vec<(usize, u64)> = service
            .statements
            .iter()
            .enumerate()
            .filter(|(_, statement)| statement.severity == severity)
            .zip(1u64..)
            .map(|((place, _), rank)| (place, 1_000_000 / rank))
            .collect();
        let total = weighted.iter().map(|(_, weight)| weight).sum();
        let mut ticket = self.random.below(total);
        for (place, weight) in weighted {
            if ticket < weight {
                return place;
            }
            ticket -= weight;
        }
        0
    }

    fn pick_severity(&mut self) -> Severity {
        let ticket = self.random.below(1_000);
        if ticket < self.options.error_permille {
            Severity::Error
        } else if ticket < self.options.error_permille.saturating_add(self.options.warn_permille) {
            Severity::Warn
        } else {
            Severity::Info
        }
    }
}

impl Iterator for Workload {
    type Item = Line;

    /// Never `None`.
    fn next(&mut self) -> Option<Line> {
        let timestamp_ms = self.next_us.div_euclid(1_000);
        let (service_place, service) = self.pick_service();
        let severity = self.pick_severity();
        let place = self.pick_statement(service, severity);
        let statement = &service.statements[place];
        let text = service.layout.write(timestamp_ms, statement, &mut self.random);
        let mean = self.mean_gap_us(timestamp_ms);
        self.next_us = self.next_us.saturating_add(self.random.gap(mean) as i64);
        Some(Line {
            service: service.name,
            timestamp_ms,
            text,
            template_id: (service_place * 1_000 + place) as u32,
            severity: statement.severity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_seed_means_the_same_lines_and_another_seed_others() {
        let lines = |seed| Workload::new(seed, Options::default()).take(500).collect::<Vec<_>>();
        assert_eq!(lines(7), lines(7));
        assert_ne!(lines(7), lines(8));
    }

    /// FNV-1a over the text: any change of a table, of the order of draws or of a platform's arithmetic shows here.
    #[test]
    fn the_world_of_seed_1_is_the_one_it_was() {
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for line in Workload::new(1, Options::default()).take(2_000) {
            for byte in line.text.bytes() {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        assert_eq!(format!("{digest:016x}"), "37806b6753a4179a");
    }

    #[test]
    fn time_goes_forward_and_every_service_and_most_statements_appear() {
        let mut last = i64::MIN;
        let mut statements: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for line in Workload::new(2, Options::default()).take(60_000) {
            assert!(line.timestamp_ms >= last);
            last = line.timestamp_ms;
            statements.entry(line.service).or_default().insert(line.template_id);
        }
        assert_eq!(statements.len(), SERVICES.len());
        for (service, seen) in statements {
            assert!(seen.len() >= 30, "{service} wrote {} statements", seen.len());
        }
    }

    #[test]
    fn errors_and_warnings_have_their_share_and_few_statements_most_of_the_volume() {
        let lines: Vec<_> = Workload::new(3, Options::default()).take(20_000).collect();
        let count = |severity| lines.iter().filter(|line| line.severity == severity).count();
        assert!((160..320).contains(&count(Severity::Error)), "{}", count(Severity::Error));
        assert!((650..950).contains(&count(Severity::Warn)), "{}", count(Severity::Warn));
        let mut by_statement: BTreeMap<u32, usize> = BTreeMap::new();
        for line in &lines {
            *by_statement.entry(line.template_id).or_default() += 1;
        }
        let mut counts: Vec<_> = by_statement.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let top: usize = counts.iter().take(30).sum();
        assert!(top * 2 > lines.len(), "the 30 most frequent make {top} of {}", lines.len());
    }

    #[test]
    fn evenings_are_busier_than_nights() {
        let mut by_hour = [0u32; 24];
        let options = Options { lines_per_hour: 500, ..Options::default() };
        let end = options.start_ms + 2 * DAY_MS;
        for line in Workload::new(4, options).take_while(|line| line.timestamp_ms < end) {
            by_hour[(line.timestamp_ms.rem_euclid(DAY_MS) / HOUR_MS) as usize] += 1;
        }
        assert!(by_hour[20] > 3 * by_hour[3], "{by_hour:?}");
        let total: u32 = by_hour.iter().sum();
        assert!((20_000..28_000).contains(&total), "48 hours at 500 an hour, here {total}");
    }
}
