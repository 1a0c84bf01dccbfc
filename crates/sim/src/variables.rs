//! What variables tell, measured: days of a component whose lines hold levels, durations, statuses and endpoints, quiet at
//! first and then with each fault once; through the whole stream machine, as a service would see it.
//!
//! A world has a disk that is a saw (rotated every six hours to two days) or stands, another that stands, a pool that
//! sways with the day, requests whose durations have a long tail and sway with the day, a line at an endpoint of its
//! own, and entries at five. Each day has a release, which brings an endpoint of its own. Faults come hours apart, so that each
//! answer belongs to one.

use crate::random::Random;
use sapwood_engine::detect::{SignalKind, Subject};
use sapwood_engine::level::Level;
use sapwood_engine::machine::stream::{Batch, Event, Identity, StreamMachine, StreamSettings, Verdict};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60;
/// Minutes without a fault.
const QUIET: i64 = 3 * 24 * HOUR;
/// The last release, after the quiet days; one comes each day before.
const RELEASE: i64 = 30 * HOUR;
/// Requests a minute.
const REQUESTS: u64 = 10;
const START: i64 = 1_767_225_600_000;

/// A fault, by what answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VariableFault {
    /// One request with a status that never came.
    NewStatus,
    /// One line at an endpoint where it never was.
    Stray,
    /// Requests take twice as long for three hours.
    Slower,
    /// A status of 4 % has 25 % for three hours.
    MoreNotFound,
    /// The disk that stands fills within four to eight hours.
    Filling,
    /// An entry at an endpoint where there never was one, once, with a release.
    ReleasedStray,
}

impl VariableFault {
    /// All of them, with the minute after the quiet days at which each begins.
    const ALL: [(Self, i64); 6] = [
        (Self::NewStatus, 2 * HOUR),
        (Self::Stray, 4 * HOUR),
        (Self::Slower, 6 * HOUR),
        (Self::MoreNotFound, 14 * HOUR),
        (Self::Filling, 24 * HOUR),
        (Self::ReleasedStray, RELEASE),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::NewStatus => "a status that never came, once",
            Self::Stray => "a line at another endpoint, once",
            Self::Slower => "durations x2",
            Self::MoreNotFound => "status from 4 % to 25 %",
            Self::Filling => "a disk full in 4 to 8 h",
            Self::ReleasedStray => "a sixth endpoint, with a release",
        }
    }

    const fn kind(self) -> SignalKind {
        match self {
            Self::NewStatus => SignalKind::NewValue,
            Self::Stray | Self::ReleasedStray => SignalKind::RareCombination,
            Self::Slower | Self::MoreNotFound => SignalKind::ValueDrift,
            Self::Filling => SignalKind::Trend,
        }
    }
}

/// What became of the faults, and what was told without one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VariableCard {
    /// Minutes until each was found, none if it was not, and whether people were woken.
    pub answers: BTreeMap<VariableFault, Vec<(Option<i64>, bool)>>,
    /// Signals of the quiet days by kind, and how many of them would have woken people.
    pub quiet: BTreeMap<SignalKind, (u64, u64)>,
    /// Hours without a fault.
    pub quiet_hours: u64,
}

struct World {
    random: Random,
    /// Of what was added later, so that what was there before stays as it is.
    entries: Random,
    saw_minutes: i64,
    saw_depth: f64,
    stands_at: f64,
    fill_minutes: f64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x7661_7269);
        let saw_minutes = random.between(6, 48) as i64 * HOUR;
        let saw_depth = random.between(0, 50) as f64;
        let stands_at = random.between(20, 60) as f64;
        let fill_minutes = random.between(4 * 60, 8 * 60) as f64;
        let entries = Random::new(seed ^ 0x656e_7472);
        Self { random, entries, saw_minutes, saw_depth, stands_at, fill_minutes }
    }

    /// The lines of a minute.
    fn lines(&mut self, minute: i64) -> Vec<Record> {
        let since = |fault: VariableFault| {
            let begin = VariableFault::ALL.iter().find(|(it, _)| *it == fault).map_or(0, |(_, begin)| QUIET + begin);
            minute - begin
        };
        let lasts = |fault, hours: i64| (0..hours * HOUR).contains(&since(fault));
        // From -1 at midnight to 1 at noon.
        let sway = 1.0 - (minute.rem_euclid(24 * HOUR) - 12 * HOUR).abs() as f64 / (6 * HOUR) as f64;
        let mut records = Vec::new();
        let mut line = |message: String, endpoint: Option<&str>, second: i64| {
            let timestamp = Timestamp(START + minute * MINUTE + second * 1_000);
            let endpoint = endpoint.map(str::to_owned);
            records.push(Record { message, timestamp, endpoint, level: Level::INFO, ..Record::default() });
        };
        for number in 0..REQUESTS {
            let part = self.random.below(1_000);
            let times = if lasts(VariableFault::Slower, 3) { 2.0 } else { 1.0 };
            let took = (20.0 + (part * part) as f64 / 2_500.0) * times * (1.0 + 0.15 * sway);
            let not_found = if lasts(VariableFault::MoreNotFound, 3) { 250 } else { 40 };
            let status = match self.random.below(1_000) {
                _ if number == 0 && since(VariableFault::NewStatus) == 0 => 418,
                chance if chance < not_found => 404,
                990.. => 500,
                _ => 200,
            };
            line(format!("request {part} took {took:.0} ms, status {status}"), Some("/cart"), 5 * number as i64);
        }
        let place = if since(VariableFault::Stray) == 0 { "/cart" } else { "/valve" };
        line(format!("valve {} flushed", self.random.below(500)), Some(place), 51);
        let mut noise = || self.random.below(1_000) as f64 / 1_000.0;
        let saw = 30.0 + self.saw_depth * (minute % self.saw_minutes) as f64 / self.saw_minutes as f64 + noise();
        let filled = (since(VariableFault::Filling).max(0) as f64 / self.fill_minutes).min(1.0);
        let stands = self.stands_at + (99.0 - self.stands_at) * filled + noise();
        let pool = 10.0 + 6.0 * sway + 2.0 * noise();
        let release = minute / (24 * HOUR) + i64::from(minute >= QUIET + RELEASE);
        let of_release = format!("/v{release}");
        let places = ["/a", "/b", "/c", "/d", "/e"];
        for second in 0..5 {
            let place = match self.entries.below(40) {
                _ if since(VariableFault::ReleasedStray) == 0 && second == 0 => "/cart",
                place => places.get(place as usize / 8).copied().unwrap_or("/a"),
            };
            line(format!("entry {} written", self.entries.below(9_000)), Some(place), 20 + second);
        }
        line(format!("page {} shown", self.entries.below(9_000)), Some(&of_release), 52);
        line(format!("disk /data used {saw:.1}% of 500 GB"), None, 53);
        line(format!("disk /var used {stands:.1}% of 80 GB"), None, 54);
        line(format!("pool has {pool:.0} of 20 connections"), None, 55);
        records.iter_mut().for_each(|record| record.release = Some(format!("r{release}")));
        records
    }
}

impl VariableCard {
    /// Plays the worlds of these seeds.
    pub fn of(seeds: Range<u64>) -> Self {
        let mut card = Self::default();
        seeds.for_each(|seed| card.play(seed));
        card
    }

    fn play(&mut self, seed: u64) {
        let identity = Identity { domain: "example.com".into(), component: "pump".into(), shard: 0 };
        let mut machine = StreamMachine::new(identity, StreamSettings::default());
        let mut world = World::new(seed);
        let mut answers: BTreeMap<VariableFault, (Option<i64>, bool)> = BTreeMap::new();
        let end = QUIET + 33 * HOUR;
        for minute in 0..end {
            let now = Timestamp(START + (minute + 1) * MINUTE);
            let segments = segment::encode(&world.lines(minute));
            machine.handle(Event::Append(vec![Batch { segments, ..Batch::default() }]), now);
            machine.handle(Event::Wake, now);
            for decision in machine.decisions().rev().take_while(|decision| decision.decided_at == now) {
                let signal = decision.signal;
                let is_part = matches!(signal.subject, Subject::Variable(..) | Subject::Facet(..));
                if !is_part {
                    continue;
                }
                let is_woken = matches!(decision.verdict, Verdict::Opened(_) | Verdict::Explained(_));
                if minute < QUIET {
                    let count = self.quiet.entry(signal.kind).or_default();
                    *count = (count.0 + 1, count.1 + u64::from(is_woken));
                    continue;
                }
                for (fault, begin) in VariableFault::ALL {
                    let after = minute - QUIET - begin;
                    let lasts = if fault == VariableFault::Filling { 9 * HOUR } else { 4 * HOUR };
                    if fault.kind() == signal.kind && (0..lasts).contains(&after) {
                        let answer = answers.entry(fault).or_default();
                        *answer = (answer.0.or(Some(after)), answer.1 || is_woken);
                    }
                }
            }
        }
        for (fault, _) in VariableFault::ALL {
            self.answers.entry(fault).or_default().push(answers.get(&fault).copied().unwrap_or_default());
        }
        self.quiet_hours += (QUIET / HOUR) as u64;
    }

    /// As printed.
    pub fn table(&self) -> String {
        let mut table = "| fault | found % | median minutes | woke people % |\n|---|---|---|---|\n".to_owned();
        for (fault, answers) in &self.answers {
            let share = |count: usize| 100 * count / answers.len().max(1);
            let mut delays: Vec<i64> = answers.iter().filter_map(|answer| answer.0).collect();
            delays.sort_unstable();
            let median = delays.get(delays.len() / 2).map_or("-".to_owned(), i64::to_string);
            let woken = answers.iter().filter(|answer| answer.1).count();
            let (found, woken) = (share(delays.len()), share(woken));
            // Writing to a string cannot fail.
            let _ = writeln!(table, "| {} | {found} | {median} | {woken} |", fault.name());
        }
        let _ = writeln!(table, "\nIn {} quiet component-hours:", self.quiet_hours);
        for (kind, (all, woken)) in &self.quiet {
            let _ = writeln!(table, "{} signals of {}, {woken} of which woke people", all, kind.as_str());
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_quiet_and_then_each_fault_is_found() {
        let card = VariableCard::of(3..4);
        for (fault, answers) in &card.answers {
            assert!(answers.iter().all(|answer| answer.0.is_some()), "{fault:?}: {answers:?}");
        }
        assert_eq!(card.answers.len(), VariableFault::ALL.len());
        assert!(card.quiet.values().all(|(_, woken)| *woken == 0), "{:?}", card.quiet);
        let table = card.table();
        assert!(table.contains("a disk full in 4 to 8 h | 100 |") && table.contains("72 quiet"), "{table}");
    }
}
