//! The detectors of a component from the outside: any records, restarts between any two of them, and each kind of
//! fault on a component that was quiet before.

use proptest::prelude::*;
use sapwood_engine::bytes::{Reader, Writer};
use sapwood_engine::detect::{Detectors, Facts, Signal, SignalKind, Subject};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::Timestamp;

fn facts(at: i64, pattern: u64) -> Facts {
    Facts {
        at: Timestamp(at),
        pattern: PatternId(pattern),
        is_new_pattern: false,
        is_error: false,
        duration_ms: Some(10.0 + (at * 31 % 97) as f64),
    }
}

fn restarted(detectors: &Detectors) -> Detectors {
    let mut out = Writer::new();
    detectors.write(&mut out);
    let bytes = out.into_bytes();
    let mut input = Reader::new(&bytes);
    let read = Detectors::read(&mut input).expect("what was written is read");
    assert!(input.is_empty());
    read
}

const MINUTE: i64 = 60_000;
const QUIET: i64 = 6 * 60 * MINUTE;

/// Six quiet hours with a record a second and a job every five minutes; nothing may be found in them.
fn quiet() -> Detectors {
    let mut detectors = Detectors::default();
    run(&mut detectors, 0, QUIET, |_, _| ());
    assert_eq!(detectors.take_signals(), []);
    detectors
}

/// The same for an hour.
fn quiet_for_an_hour() -> Detectors {
    let mut detectors = Detectors::default();
    run(&mut detectors, 0, 60 * MINUTE, |_, _| ());
    detectors.take_signals();
    detectors
}

/// A record a second, each as `change` makes it (an error flag cleared, a duration doubled), and the job.
fn run(detectors: &mut Detectors, from: i64, to: i64, change: impl Fn(i64, &mut Facts)) {
    for second in from / 1_000..to / 1_000 {
        let mut record = facts(second * 1_000 + second * 7 % 900, 1 + second as u64 % 7);
        change(second, &mut record);
        detectors.observe(&record);
        if second % 300 == 0 {
            detectors.observe(&facts(second * 1_000, 99));
        }
    }
    detectors.close(Timestamp(to));
}

fn kinds(signals: &[Signal]) -> Vec<SignalKind> {
    signals.iter().map(|signal| signal.kind).collect()
}

#[test]
fn less_than_usual_wakes_nobody_before_a_night_was_seen() {
    let told_after = |hours: i64| {
        let mut detectors = Detectors::default();
        let from = hours * 60 * MINUTE;
        run(&mut detectors, 0, from, |_, _| ());
        detectors.take_signals();
        for second in (from / 1_000..(from + 5 * MINUTE) / 1_000).step_by(12) {
            detectors.observe(&facts(second * 1_000, 1));
        }
        let drops = detectors.take_signals().into_iter().filter(|signal| signal.kind == SignalKind::Drop);
        drops.map(|signal| (signal.subject, signal.is_alerting)).next()
    };
    assert_eq!(told_after(6), Some((Subject::Component, false)));
    assert_eq!(told_after(30), Some((Subject::Component, true)));
}

#[test]
fn a_burst_is_told_once_and_within_half_a_minute() {
    let mut detectors = quiet();
    for i in 0..180 {
        detectors.observe(&facts(QUIET + i * 333, 1 + i as u64 % 7));
    }
    run(&mut detectors, QUIET + MINUTE, QUIET + 30 * MINUTE, |_, _| ());
    let signals = detectors.take_signals();
    let bursts: Vec<_> = signals.iter().filter(|signal| signal.subject == Subject::Component).collect();
    assert_eq!(bursts.len(), 1, "{signals:?}");
    let burst = bursts[0];
    assert_eq!(burst.kind, SignalKind::Burst);
    assert!(burst.at.0 <= QUIET + 30_000 && burst.seen as f64 > burst.expected_high, "{burst:?}");
}

#[test]
fn silence_is_found_by_the_deadline_that_was_announced() {
    let mut detectors = quiet();
    let deadline = detectors.next_deadline().unwrap();
    assert!(deadline.0 <= QUIET + 2 * MINUTE, "{deadline}");
    detectors.close(Timestamp(deadline.0 - 1));
    assert_eq!(detectors.take_signals().iter().filter(|signal| signal.kind == SignalKind::Silence).count(), 0);
    detectors.close(deadline);
    assert_eq!(kinds(&detectors.take_signals()), [SignalKind::Silence]);
    detectors.close(Timestamp(deadline.0 + 600 * MINUTE));
    assert!(!kinds(&detectors.take_signals()).contains(&SignalKind::Silence), "told once");
}

#[test]
fn a_job_that_stops_is_missed_and_named() {
    let mut detectors = quiet();
    for second in QUIET / 1_000..QUIET / 1_000 + 1_200 {
        detectors.observe(&facts(second * 1_000, 1 + second as u64 % 7));
    }
    let signals = detectors.take_signals();
    let missed = signals.iter().find(|signal| signal.kind == SignalKind::Missed).unwrap();
    assert_eq!(missed.subject, Subject::Pattern(PatternId(99)));
    assert!(missed.at.0 - missed.since.0 < 3 * 5 * MINUTE);
}

#[test]
fn five_points_more_errors_and_twice_the_time_are_found() {
    let mut detectors = quiet();
    run(&mut detectors, QUIET, QUIET + 40 * MINUTE, |second, record| record.is_error = second % 20 == 0);
    assert_eq!(kinds(&detectors.take_signals()), [SignalKind::ErrorRatio]);
    let mut detectors = quiet();
    run(&mut detectors, QUIET, QUIET + 40 * MINUTE, |_, record| {
        record.duration_ms = record.duration_ms.map(|d| d * 2.0)
    });
    assert_eq!(kinds(&detectors.take_signals()), [SignalKind::LatencyShift]);
}

#[test]
fn a_new_pattern_is_told_with_its_record_and_an_error_alerts() {
    let mut detectors = quiet();
    detectors.observe(&Facts { is_new_pattern: true, is_error: true, ..facts(QUIET, 1_000) });
    let signals = detectors.take_signals();
    assert_eq!(kinds(&signals), [SignalKind::NewPattern]);
    assert!(signals[0].is_alerting && signals[0].subject == Subject::Pattern(PatternId(1_000)));
}

#[test]
fn a_backfill_of_a_week_raises_nothing() {
    let mut detectors = quiet();
    for i in 0..50_000 {
        detectors.observe(&facts(QUIET - 7 * 86_400_000 + i * 10, 5));
    }
    run(&mut detectors, QUIET, QUIET + 30 * MINUTE, |_, _| ());
    assert_eq!(detectors.take_signals(), []);
    assert_eq!(detectors.late(), 50_000);
}

#[test]
fn four_thousand_patterns_stay_below_four_megabytes_of_bytes_and_are_counted() {
    let mut detectors = Detectors::default();
    for i in 0..8_000 {
        detectors.observe(&facts(i * 100, i as u64 % 4_000));
    }
    let mut out = Writer::new();
    detectors.write(&mut out);
    assert!(out.len() < 4_000_000);
    assert_eq!(detectors.unwatched(), 4_000);
}

#[test]
fn after_a_silence_jobs_start_afresh_instead_of_being_missed_one_by_one() {
    let mut detectors = quiet();
    let back = QUIET + 180 * MINUTE;
    detectors.close(Timestamp(QUIET + 30 * MINUTE));
    assert_eq!(kinds(&detectors.take_signals()), [SignalKind::Silence]);
    assert!(detectors.is_open(SignalKind::Silence, Subject::Component));
    assert_eq!(detectors.next_deadline(), None, "nothing more to tell of a component that is silent");
    run(&mut detectors, back, back + 4 * MINUTE, |_, _| ());
    assert!(!detectors.is_open(SignalKind::Silence, Subject::Component));
    run(&mut detectors, back + 4 * MINUTE, back + 90 * MINUTE, |_, _| ());
    assert_eq!(detectors.take_signals(), [], "the return of what is usual is no news");
    assert!(!detectors.is_open(SignalKind::Burst, Subject::Component));
}

#[test]
fn what_ran_for_a_quarter_of_an_hour_and_ended_wakes_nobody() {
    let mut detectors = Detectors::default();
    for second in 0..3_600 {
        detectors.observe(&facts(second * 1_000, 1 + second as u64 % 7));
        if second < 900 && second % 60 == 0 {
            detectors.observe(&facts(second * 1_000, 50));
        }
    }
    let signals = detectors.take_signals();
    let missed: Vec<_> = signals.iter().filter(|signal| signal.kind == SignalKind::Missed).collect();
    assert_eq!(missed.len(), 1, "{signals:?}");
    assert!(!missed[0].is_alerting && missed[0].expected > 1.0 && missed[0].probability < 0.01, "{missed:?}");
}

#[test]
fn two_patterns_that_turn_out_to_be_one_are_one_series() {
    let mut detectors = quiet();
    let usual =
        |detectors: &Detectors, id| detectors.baseline(Subject::Pattern(PatternId(id))).map(|b| b.outline.usual);
    let (one, two) = (usual(&detectors, 1).unwrap(), usual(&detectors, 2).unwrap());
    let watched = detectors.watched();
    detectors.merge_pattern(PatternId(2), PatternId(1));
    detectors.merge_pattern(PatternId(99), PatternId(98));
    assert_eq!((usual(&detectors, 2), detectors.watched()), (None, watched - 1));
    assert!((usual(&detectors, 1).unwrap() - one - two).abs() < 1e-9);
    // From here on all that was the one or the other is the one: nothing has changed.
    run(&mut detectors, QUIET, QUIET + 60 * MINUTE, |_, record| {
        if record.pattern == PatternId(2) {
            record.pattern = PatternId(1);
        }
    });
    let told = detectors.take_signals();
    assert!(told.iter().all(|signal| signal.subject != Subject::Pattern(PatternId(1))), "{told:?}");
    let missed: Vec<_> = told.iter().filter(|signal| signal.kind == SignalKind::Missed).collect();
    assert!(missed.len() == 1 && missed[0].subject == Subject::Pattern(PatternId(98)), "{told:?}");
    assert_eq!(restarted(&detectors), detectors);
    detectors.retain(|id| id == PatternId(1));
    assert_eq!(detectors.watched(), 1);
    assert_eq!(restarted(&detectors), detectors);
}

#[test]
fn a_series_explains_itself_with_its_last_minutes_as_they_were_judged() {
    let mut detectors = quiet();
    let listed = detectors.series(5);
    assert_eq!(listed.len(), 5);
    assert_eq!(listed[0].subject, Subject::Component);
    assert!((listed[0].usual - 60.0).abs() < 5.0 && listed[0].open.is_none(), "{listed:?}");
    let total = detectors.baseline(Subject::Component).unwrap();
    assert_eq!(total.points.len(), 240);
    let last = total.points.last().unwrap();
    assert_eq!(last.at, Timestamp(QUIET - MINUTE));
    let band = last.band.unwrap();
    assert!(band.low < 60.0 && band.high > 60.0 && (f64::from(last.seen) - 60.0).abs() < 2.0, "{last:?}");
    let job = detectors.baseline(Subject::Pattern(PatternId(99))).unwrap();
    assert_eq!(job.outline.period.map(|period| period.0), Some(5 * MINUTE));
    assert_eq!((job.points.len(), job.points.iter().map(|point| point.seen).sum::<u32>()), (60, 12));
    assert!(detectors.baseline(Subject::Durations).unwrap().slow_from_ms.is_some_and(|ms| ms > 80.0));
    assert_eq!(detectors.baseline(Subject::Pattern(PatternId(12_345))), None);
    for i in 0..360 {
        detectors.observe(&facts(QUIET + i * 333, 1));
    }
    detectors.take_signals();
    assert_eq!(detectors.series(1)[0].open, Some(SignalKind::Burst));
    assert_eq!(detectors.movers(true, 1), [PatternId(1)]);
}

#[test]
fn a_silence_in_mid_minute_shows_the_patterns_that_fell_silent() {
    let mut detectors = quiet();
    run(&mut detectors, QUIET, QUIET + 10_000, |_, _| {});
    detectors.close(Timestamp(QUIET + 50_000));
    assert_eq!(kinds(&detectors.take_signals()), [SignalKind::Silence]);
    assert_eq!(detectors.movers(false, 3).len(), 3);
}

#[test]
fn what_moved_is_known_when_the_burst_ends_with_its_minute() {
    let mut detectors = quiet();
    run(&mut detectors, QUIET, QUIET + 50_000, |_, _| {});
    for i in 0..360 {
        detectors.observe(&facts(QUIET + MINUTE - 9_000 + i * 20, 1));
    }
    assert_eq!(detectors.movers(true, 1), [PatternId(1)]);
    detectors.take_signals();
    detectors.observe(&facts(QUIET + MINUTE + 1_000, 2));
    assert_eq!(kinds(&detectors.take_signals()), [SignalKind::Burst], "what it came to");
    assert_eq!(detectors.movers(true, 1), [PatternId(1)]);
}

#[test]
fn a_burst_is_told_with_the_record_that_shows_it_and_again_only_when_it_wakes_people() {
    let mut detectors = quiet();
    let mut told = Vec::new();
    for i in 0..90 {
        let at = QUIET + i * 100;
        detectors.observe(&facts(at, 1 + i as u64 % 7));
        told.extend(detectors.take_signals().into_iter().map(|signal| (at, signal)));
    }
    run(&mut detectors, QUIET + 9_000, QUIET + 5 * MINUTE, |_, _| ());
    let mut later = detectors.take_signals();
    later.retain(|signal| signal.kind == SignalKind::Burst);
    let [end] = &later[..] else { panic!("the slot's end tells what it came to, and nothing after it: {later:?}") };
    assert!(
        end.at.0 == QUIET + 10_000 && end.seen >= 90 && end.probability < told[1].1.probability / 1_000.0,
        "{end:?}"
    );
    let shown: Vec<_> = told.iter().map(|(_, signal)| (signal.kind, signal.subject, signal.is_alerting)).collect();
    let burst = |wakes| (SignalKind::Burst, Subject::Component, wakes);
    assert_eq!(shown, [burst(false), burst(true)]);
    for (at, signal) in told {
        assert_eq!(signal.at.0, at);
        assert!(at < QUIET + 8_000 && signal.seen as i64 == (at - QUIET) / 100 + 1, "{at} {signal:?}");
    }
}

/// What looks early finds what the slot's end finds, and nothing else: of many loads, none that is told within its slot goes
/// without being told if the look is spared by putting all records on the slot's last instant.
#[test]
fn an_early_look_tells_nothing_that_the_end_of_its_slot_would_not() {
    let quiet = quiet();
    let mut found = 0;
    for load in (10..70).step_by(3) {
        let played = |gap: i64| {
            let mut detectors = quiet.clone();
            for i in 0..load {
                detectors.observe(&facts(QUIET + 9_999 - (load - 1 - i) * gap, 1 + i as u64 % 7));
            }
            detectors.observe(&facts(QUIET + 10_500, 1));
            kinds(&detectors.take_signals()).contains(&SignalKind::Burst)
        };
        assert_eq!(played(9_000 / load), played(0), "{load}");
        found += usize::from(played(0));
    }
    assert!((3..17).contains(&found), "{found}");
}

#[test]
fn a_job_whose_reports_come_in_late_batches_is_not_missed_and_one_that_stops_still_is() {
    let mut detectors = quiet();
    let hours = 12;
    for second in QUIET / 1_000..QUIET / 1_000 + hours * 3_600 {
        detectors.observe(&facts(second * 1_000, 1 + second as u64 % 7));
        // Every third report is under way for four minutes.
        let late = if second / 300 % 3 == 0 { 240 } else { 0 };
        if (second - late) % 300 == 0 && (late > 0 || second / 300 % 3 != 0) {
            detectors.observe(&facts((second - late) * 1_000, 99));
        }
        // Nobody knows beforehand how late they will be: the first one is missed, until it comes.
        if second == QUIET / 1_000 + 3_600 {
            assert_eq!(kinds(&detectors.take_signals()), [SignalKind::Missed]);
            assert!(!detectors.is_open(SignalKind::Missed, Subject::Pattern(PatternId(99))));
        }
    }
    assert_eq!(kinds(&detectors.take_signals()), []);
    assert!(detectors.late() > 0, "some were too late to be judged");
    let end = QUIET + hours * 60 * MINUTE;
    for second in 0..1_200 {
        detectors.observe(&facts(end + second * 1_000, 1 + second as u64 % 7));
    }
    assert_eq!(kinds(&detectors.take_signals()), [SignalKind::Missed]);
    // It was only very late: with its report it is missed no longer.
    detectors.observe(&facts(end + 600_000, 99));
    assert!(!detectors.is_open(SignalKind::Missed, Subject::Pattern(PatternId(99))));
}

#[test]
fn a_rare_pattern_that_always_comes_in_clumps_is_no_burst_and_far_more_than_a_clump_is() {
    let hour = 60 * MINUTE;
    let clumpy = |size: &dyn Fn(i64) -> i64| {
        let mut detectors = Detectors::default();
        let mut told = Vec::new();
        for minute in 0..40 * 24 * 60 {
            let at = minute * MINUTE;
            detectors.observe(&facts(at, 1 + minute as u64 % 7));
            let (number, into) = (at / (7 * hour), at % (7 * hour) / MINUTE);
            let from = number * 131 % 300;
            if (from..from + 10).contains(&into) {
                (0..size(number)).for_each(|i| detectors.observe(&facts(at + 1 + i * 100, 50)));
            }
            let signals = detectors.take_signals();
            let more = |signal: &&Signal| matches!(signal.kind, SignalKind::Burst | SignalKind::LevelShift);
            told.extend(signals.iter().filter(more).map(|signal| (number, signal.subject)));
        }
        told
    };
    let usual = |number: i64| if number % 3 == 0 { 2 } else { 1 };
    let told = clumpy(&usual);
    assert!(told.iter().all(|(number, _)| *number < 30), "known after nine days: {told:?}");
    let told = clumpy(&|number| if number == 120 { 30 } else { usual(number) });
    assert!(told.iter().any(|(number, _)| *number == 120), "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Gaps of all sizes, backwards too; a restart between any two records cannot be noticed.
    #[test]
    fn a_restart_cannot_be_noticed(
        steps in proptest::collection::vec((-100_000i64..400_000, 0u64..6, any::<bool>(), proptest::option::of(any::<f64>())), 1..200),
        cut in 0usize..200,
    ) {
        let (mut through, mut broken) = (Detectors::default(), Detectors::default());
        let mut at = 1_700_000_000_000i64;
        for (place, (step, pattern, flag, duration_ms)) in steps.into_iter().enumerate() {
            at += step;
            let record = Facts { at: Timestamp(at), pattern: PatternId(pattern), is_new_pattern: flag, is_error: flag, duration_ms };
            if place == cut {
                broken = restarted(&broken);
            }
            through.observe(&record);
            broken.observe(&record);
            prop_assert_eq!(through.take_signals(), broken.take_signals());
            prop_assert_eq!(through.next_deadline(), broken.next_deadline());
        }
        prop_assert_eq!(&through, &broken);
        prop_assert_eq!(&restarted(&through), &through);
    }

    /// The same within a burst, where the slot that is being filled is looked at.
    #[test]
    fn a_restart_within_a_burst_cannot_be_noticed(
        gaps in proptest::collection::vec(0i64..400, 150..400),
        cuts in proptest::collection::btree_set(0usize..400, 1..40),
    ) {
        let mut through = quiet_for_an_hour();
        let mut broken = through.clone();
        let mut at = 60 * MINUTE;
        for (place, gap) in gaps.into_iter().enumerate() {
            at += gap;
            if cuts.contains(&place) {
                broken = restarted(&broken);
            }
            through.observe(&facts(at, 1 + place as u64 % 7));
            broken.observe(&facts(at, 1 + place as u64 % 7));
            prop_assert_eq!(through.take_signals(), broken.take_signals());
        }
        prop_assert_eq!(&through, &broken);
    }

    /// Any instants and any bytes: no panic.
    #[test]
    fn any_input_is_taken_or_refused(times in proptest::collection::vec(any::<i64>(), 1..30), bytes: Vec<u8>) {
        let mut detectors = Detectors::default();
        for at in times {
            detectors.observe(&facts(at / 100, 1));
            detectors.close(Timestamp(at));
        }
        let _ = Detectors::read(&mut Reader::new(&bytes));
    }
}
