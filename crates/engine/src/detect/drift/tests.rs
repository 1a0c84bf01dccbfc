//! What is told of values, in worlds of a few patterns.

use super::*;
use crate::level::Level;
use crate::pattern::Miner;
use crate::record::Record;

/// A component whose miner sees what it sends.
#[derive(Default)]
struct World {
    miner: Miner,
    drifts: Drifts,
    zone: Zone,
    /// Without courses, as values were judged before there were any.
    is_flat: bool,
    minute: i64,
    told: Vec<(i64, Signal)>,
}

fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 31).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 29
}

impl World {
    /// `minutes` of ten lines a minute, each from a number that is as good as random.
    fn run(&mut self, minutes: i64, line: impl Fn(u64, i64) -> String) -> &mut Self {
        for _ in 0..minutes {
            for i in 0..10 {
                let number = mixed(self.minute as u64 * 10 + i);
                let at = Timestamp(self.minute * 60_000 + i as i64 * 5_000);
                let message = line(number, self.minute);
                let record = Record { message, level: Level::INFO, timestamp: at, ..Record::default() };
                self.miner.observe(&record, self.minute as u64 + 1, i as u16, at);
            }
            self.minute += 1;
            let now = Timestamp(self.minute * 60_000);
            if self.minute % 30 == 0 {
                let mut patterns: Vec<_> = self.miner.patterns().collect();
                patterns.sort_by_key(|pattern| (std::cmp::Reverse(pattern.count), pattern.id));
                self.drifts.close(&patterns, |id| self.miner.pattern(id), self.zone, now);
            }
            if self.is_flat {
                self.drifts.watches.iter_mut().for_each(|watch| watch.course = None);
            }
            let miner = &self.miner;
            self.drifts.look(|id| miner.pattern(id), now);
            self.told.extend(self.drifts.take_signals().into_iter().map(|signal| (self.minute, signal)));
            if self.minute % 100 == 0 {
                let mut out = Writer::new();
                self.drifts.write(&mut out);
                self.drifts.write_courses(&mut out);
                let mut input = Reader::new(out.as_bytes());
                let mut read = Drifts::read(&mut input).unwrap();
                read.read_courses(&mut input).unwrap();
                assert_eq!(read, self.drifts);
            }
        }
        self
    }

    fn found(&self) -> Vec<(SignalKind, i64, bool)> {
        self.told.iter().map(|(minute, it)| (it.kind, *minute, it.is_alerting)).collect()
    }
}

const DAY: i64 = 24 * 60;

/// A long tail from 20 to some hundred.
fn took(number: u64, times: u64) -> String {
    let part = number % 1_000;
    format!("page served in {} ms", times * (20 + part * part / 2_000))
}

fn state(number: u64, bad: u64) -> String {
    let state = if number % 1_000 < bad { 503 } else { 200 };
    format!("probe {} answered with status {state}", number % 7_000)
}

#[test]
fn numbers_that_double_are_told_in_their_second_half_hour_and_are_usual_later() {
    let mut world = World::default();
    world.run(2 * DAY, |number, _| took(number, 1));
    assert_eq!(world.found(), []);
    world.run(70, |number, _| took(number, 2));
    let [(at, signal)] = &world.told[..] else { panic!("{:?}", world.told) };
    assert_eq!((signal.kind, *at, signal.is_alerting), (SignalKind::ValueDrift, 2 * DAY + 60, true));
    assert!(signal.seen as f64 > signal.expected_high && signal.total == 300, "{signal:?}");
    assert_eq!(signal.since, Timestamp(2 * DAY * 60_000));
    assert!(world.drifts.is_open(signal.subject));
    world.run(DAY, |number, _| took(number, 2));
    assert_eq!((world.told.len(), world.drifts.outlines().filter(|it| it.is_open).count()), (1, 0));
}

#[test]
fn one_odd_half_hour_is_no_drift() {
    let mut world = World::default();
    world.run(2 * DAY, |number, _| took(number, 1)).run(30, |number, _| took(number, 2));
    world.run(DAY, |number, _| took(number, 1));
    assert_eq!(world.found(), []);
}

#[test]
fn a_value_that_takes_another_share_is_told() {
    let mut world = World::default();
    world.run(2 * DAY, |number, _| state(number, 20)).run(70, |number, _| state(number, 400));
    assert_eq!(world.found(), [(SignalKind::ValueDrift, 2 * DAY + 60, true)], "{:?}", world.told);
    world.run(50, |number, _| state(number, 20));
    assert_eq!(world.drifts.outlines().filter(|it| it.is_open).count(), 0, "it was over");
}

#[test]
fn a_value_that_never_came_is_shown_in_its_minute_and_wakes_nobody() {
    let mut world = World::default();
    world.run(DAY, |number, _| state(number, 20));
    world.run(1, |number, _| if number % 10 == 3 { state(number, 0).replace("200", "418") } else { state(number, 20) });
    world.run(60, |number, _| state(number, 20));
    let new: Vec<_> = world.told.iter().filter(|(_, it)| it.kind == SignalKind::NewValue).collect();
    let [(at, signal)] = &new[..] else { panic!("{:?}", world.told) };
    assert!(*at == DAY + 1 && !signal.is_alerting && signal.probability < 1e-3, "{signal:?}");
}

#[test]
fn what_sways_with_the_hour_climbs_or_never_repeats_wakes_nobody() {
    let sways = |number: u64, minute: i64| {
        let hour = (minute / 60 % 24 - 12).unsigned_abs();
        format!("page served in {} ms", (20 + number % 300) * (10 + hour) / 10)
    };
    let climbs = |_: u64, minute: i64| format!("block {} stored", 1_000 + minute);
    let random = |number: u64, _: i64| format!("user {} came", number % 1_000_000);
    let clumps = |_: u64, minute: i64| format!("job took {} s", 10 + mixed(minute as u64 / 20) % 100);
    let worlds: [&dyn Fn(u64, i64) -> String; 4] = [&sways, &climbs, &random, &clumps];
    for (index, line) in worlds.into_iter().enumerate() {
        let mut world = World::default();
        world.run(4 * DAY, line);
        let woken = world.told.iter().filter(|(_, signal)| signal.is_alerting).count();
        assert_eq!(woken, 0, "{index}: {:?}", world.found());
        assert!(world.told.len() <= 4, "{index}: {:?}", world.found());
    }
}

#[test]
fn thirty_quiet_variables_tell_nothing_in_three_days() {
    let mut world = World::default();
    const LINES: [&str; 8] = [
        "page rendered: # parts, # bytes, # ms, code #",
        "cart saved with # articles for # cents by worker #, try #",
        "queue drained # messages (# late) in # ms, lane #",
        "index built over # rows and # columns, # kB, level #",
        "mail sent # of size # after # ms by relay #",
        "token checked # times, age # s, shard # scope #",
        "image scaled from # to # pixels, quality # mode #",
        "price of # set to # from # by rule #",
    ];
    world.run(3 * DAY, |number, minute| {
        let line = LINES[(number % LINES.len() as u64) as usize];
        // Long tails, few values, clumps by the hour.
        let own = [
            number / 97 % 89 * (number / 89 % 31),
            number / 7 % 7_919,
            minute as u64 / 60 % 5 + number % 40,
            number % 3,
        ];
        own.iter().fold(line.to_owned(), |line, value| line.replacen('#', &value.to_string(), 1))
    });
    assert!(world.drifts.outlines().count() >= 24, "{}", world.drifts.outlines().count());
    assert_eq!(world.found(), []);
}

#[test]
fn patterns_that_merge_or_leave_are_watched_no_more() {
    let mut world = World::default();
    world.run(DAY, |number, _| took(number, 1));
    let subject = world.drifts.outlines().next().unwrap().subject;
    let id = subject.pattern().unwrap();
    let mut merged = world.drifts.clone();
    merged.merge_pattern(PatternId(1), id);
    assert_eq!(merged.outlines().count(), 0);
    world.drifts.close(&[], |_| None, Zone::default(), Timestamp(0));
    assert_eq!(world.drifts.outlines().count(), 0);
}

// What has a course of a day or a week.

const HOUR: i64 = 60;

/// From 0 at midnight to 1 at noon, by a parabola.
fn height(minute: i64) -> f64 {
    let off = (minute.rem_euclid(DAY) - 12 * HOUR) as f64 / (12 * HOUR) as f64;
    1.0 - off * off
}

/// From 0 to 1, evenly spread.
fn even(number: u64) -> f64 {
    (number % 1_000) as f64 / 1_000.0
}

fn queue(number: u64, minute: i64) -> String {
    let usual = 20.0 + 400.0 * height(minute);
    format!("queue drained, {:.0} waiting", usual * (0.8 + 0.4 * even(number)))
}

fn outdoors(number: u64, minute: i64) -> String {
    // Each day is a little warmer or colder than the others.
    let day = even(mixed(minute.div_euclid(DAY) as u64)) * 2.0;
    format!("sensor reads {:.1} degrees", -8.0 + day + 14.0 * height(minute) + 3.0 * even(number))
}

fn tariff(number: u64, minute: i64) -> String {
    let is_night = !(6 * HOUR..22 * HOUR).contains(&minute.rem_euclid(DAY));
    let price = if is_night == number.is_multiple_of(40) { 31 } else { 19 };
    format!("meter {} billed at {price} ct", number % 3_000)
}

fn batch(number: u64, minute: i64) -> String {
    let is_night = (2 * HOUR..4 * HOUR).contains(&minute.rem_euclid(DAY));
    let size = if is_night { 5_000 + number % 700 } else { 40 + number % 60 };
    format!("batch of {size} rows written")
}

fn took_by_hour(number: u64, minute: i64) -> String {
    let part = number % 1_000;
    format!("page served in {:.0} ms", (20 + part * part / 2_000) as f64 * (1.0 + 2.0 * height(minute)))
}

/// A line from a number that is as good as random, and the minute.
type Line = fn(u64, i64) -> String;

const COURSES: [(&str, Line); 5] =
    [("queue", queue), ("outdoors", outdoors), ("tariff", tariff), ("batch", batch), ("took", took_by_hour)];

/// Signals in so many days by the usual of all hours, and by courses; those of the latter as day and whether they wake.
fn compared(days: i64, line: impl Fn(u64, i64) -> String) -> (usize, Vec<(i64, bool)>) {
    let mut flat = World { is_flat: true, ..World::default() };
    flat.run(days * DAY, &line);
    let mut world = World::default();
    world.run(days * DAY, &line);
    (flat.told.len(), world.told.iter().map(|(minute, it)| (minute / DAY, it.is_alerting)).collect())
}

#[test]
fn what_follows_the_hour_tells_nothing_once_three_days_were_seen() {
    let mut before = Vec::new();
    for (name, line) in COURSES {
        let (flat, told) = compared(21, line);
        assert!(told.iter().all(|(day, _)| *day <= 3), "{name}: {told:?}");
        assert!(told.len() <= 4, "{name}: {told:?}");
        before.push(flat);
    }
    // As often they were told while there was one usual for all hours: nearly every day. The last has a tail that is
    // longer than its day is high.
    assert_eq!(before, [20, 20, 29, 19, 0]);
}

#[test]
fn the_values_of_noon_are_found_at_night_and_those_of_each_hour_are_the_usual_later() {
    let shifted = |number: u64, minute: i64| {
        let is_shifted = (15 * DAY + 2 * HOUR..15 * DAY + 4 * HOUR).contains(&minute);
        queue(number, if is_shifted { minute + 9 * HOUR } else { minute })
    };
    let mut world = World::default();
    world.run(15 * DAY, shifted);
    let before = world.told.len();
    world.run(DAY, shifted);
    let found: Vec<_> = world.told[before..].iter().map(|(minute, it)| (minute - 15 * DAY, it.is_alerting)).collect();
    assert_eq!(found, [(3 * HOUR, true)], "at the end of the second half hour");
    let signal = world.told[before].1;
    assert_eq!(signal.since, Timestamp((15 * DAY + 2 * HOUR) * 60_000));
    assert!(signal.seen as f64 > signal.expected_high, "{signal:?}");
    assert!(!world.drifts.is_open(signal.subject), "it was over after two hours");
    world.run(5 * DAY, shifted);
    assert_eq!(world.told.len(), before + 1);
    let mut flat = World { is_flat: true, ..World::default() };
    flat.run(16 * DAY, shifted);
    let hours = 15 * DAY + 2 * HOUR..15 * DAY + 4 * HOUR;
    assert!(flat.told.iter().all(|(minute, _)| !hours.contains(minute)), "such values were usual by day");
}

#[test]
fn what_has_no_course_is_judged_as_if_there_were_none() {
    let page = |number: u64, minute: i64| took(number, if minute >= 9 * DAY { 2 } else { 1 });
    let probe = |number: u64, minute: i64| state(number, if minute % (5 * DAY) < 5 * DAY - 70 { 20 } else { 400 });
    let clumps = |_: u64, minute: i64| format!("job took {} s", 10 + mixed(minute as u64 / 20) % 100);
    let wanders = |number: u64, minute: i64| {
        let level: u64 = (0..8).map(|by| mixed(minute as u64 / (37 << by)) % 40).sum();
        format!("pool holds {} things", 100 + level + number % 30)
    };
    let lines: [&dyn Fn(u64, i64) -> String; 4] = [&page, &probe, &clumps, &wanders];
    for line in lines {
        let mut flat = World { is_flat: true, ..World::default() };
        flat.run(16 * DAY, line);
        let mut world = World::default();
        world.run(16 * DAY, line);
        assert_eq!(flat.told, world.told);
        assert!(world.drifts.outlines().all(|it| it.rhythm == Rhythm::Flat));
        world.drifts.watches.iter_mut().for_each(|watch| watch.course = None);
        assert_eq!(world.drifts, flat.drifts);
    }
}

#[test]
fn a_weekend_of_its_own_is_known_after_two_and_shown_before() {
    let line = |number: u64, minute: i64| {
        // The sixth and the seventh day of each week are quiet.
        let minute = if minute.div_euclid(DAY) % 7 >= 5 { 0 } else { minute };
        queue(number, minute)
    };
    let (flat, told) = compared(35, line);
    assert!(told.iter().all(|&(day, wakes)| day < 14 && !wakes), "{told:?}");
    assert!(flat > 3 * told.len(), "{flat} {told:?}");
}

#[test]
fn hours_are_those_of_the_clocks_of_the_domain() {
    let berlin = Zone::parse("Europe/Berlin").unwrap();
    // To midnight UTC of March 30th 2026; clocks went ahead the day before, so that it is two in Berlin.
    let begin = 1_774_828_800 / 60 - 21 * DAY;
    let line = |number: u64, minute: i64| batch(number, minute + HOUR * berlin.hours_ahead(Timestamp(minute * 60_000)));
    // What is usual the next night, between the last quarter past two before the change and the first one after it.
    let large_by_night = |zone: Zone| {
        let mut world = World { zone, minute: begin, ..World::default() };
        world.run(21 * DAY, line);
        let told = world.told.iter().filter(|(minute, _)| *minute > begin + 4 * DAY).count();
        assert_eq!(told, 0);
        let at = Timestamp((begin + 21 * DAY + 15) * 60_000);
        let subject = world.drifts.outlines().next().unwrap().subject;
        let band = world.drifts.band(subject, (zone, at), |_| None).unwrap();
        assert_eq!(band.from, Timestamp((begin + 21 * DAY) * 60_000));
        band.classes.iter().find(|class| class.above.is_some_and(|mark| mark > 1_000.0)).unwrap().share.usual
    };
    assert!(large_by_night(berlin) > 0.4, "two o'clock by the clock on the wall");
    assert!(large_by_night(Zone::default()) < 0.1, "by UTC it is an hour earlier");

    // What was learned by other clocks moves with them.
    let mut world = World { minute: begin, ..World::default() };
    world.run(15 * DAY, line);
    let before = world.told.len();
    world.zone = Zone::parse("CET-1").unwrap();
    world.drifts.turn(1);
    world.run(3 * DAY, line);
    assert_eq!(world.told.len(), before);
    world.drifts.turn(7);
    world.run(DAY, line);
    assert!(world.told.len() > before, "these are not its hours");
}

#[test]
fn a_course_that_moves_for_good_is_told_once_and_is_learned_in_silence() {
    let moved = |number: u64, minute: i64| {
        let usual = if minute < 12 * DAY + 8 * HOUR { 20.0 } else { 600.0 };
        format!("queue drained, {:.0} waiting", (usual + 400.0 * height(minute)) * (0.8 + 0.4 * even(number)))
    };
    let mut world = World::default();
    world.run(24 * DAY, moved);
    let late: Vec<_> = world
        .told
        .iter()
        .filter(|(minute, _)| *minute > 4 * DAY)
        .map(|(minute, it)| (minute - 12 * DAY - 8 * HOUR, it.is_alerting))
        .collect();
    assert_eq!(late, [(HOUR, true)]);
    assert!(world.drifts.outlines().all(|it| !it.is_open && it.rhythm != Rhythm::Flat));
}

#[test]
fn courses_are_bounded_and_survive_their_bytes() {
    let mut world = World::default();
    world.run(16 * DAY, |number, minute| {
        let lines = [queue, outdoors, tariff, batch, took_by_hour];
        lines[(number % 5) as usize](number / 5, minute)
    });
    let courses = || world.drifts.watches.iter().filter_map(|watch| watch.course.as_ref());
    assert!(courses().count() >= 5, "{}", courses().count());
    for course in courses() {
        let mut out = Writer::new();
        course.write(&mut out);
        assert!(out.len() < if course.has_week() { 8_000 } else { 1_400 }, "{}", out.len());
    }
    let mut out = Writer::new();
    world.drifts.write_courses(&mut out);
    let mut without = world.drifts.clone();
    without.watches.iter_mut().for_each(|watch| watch.course = None);
    for cut in (0..out.len()).step_by(997) {
        assert!(without.clone().read_courses(&mut Reader::new(&out.as_bytes()[..cut])).is_err(), "{cut}");
    }
    let mut fewer = Drifts { watches: without.watches.split_off(1), signals: Vec::new() };
    fewer.read_courses(&mut Reader::new(out.as_bytes())).unwrap();
    assert_eq!(fewer.watches, world.drifts.watches[1..], "what is watched no more is passed by");
}
