//! The detectors within the stream machine: hours of a component, with alarms when the machine wants them and restarts
//! from what it wrote. What is found is told once, absence by alarm alone, and a restart changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod object;

use object::{HOUR, MINUTE, Object, SECOND, START, record, usual};
use proptest::prelude::*;
use sapwood_engine::detect::{SignalKind, Subject};
use sapwood_engine::level::Level;
use sapwood_engine::machine::stream::Verdict;
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;

#[test]
fn silence_is_told_by_alarm_once_and_ends_when_records_come_back() {
    let mut object = Object::new();
    let (end, back) = (START + 3 * HOUR + 2 * MINUTE, START + 9 * HOUR);
    usual(&mut object, START, end);
    assert_eq!(object.told(), []);
    object.alarms = 0;
    object.sleep(end + HOUR);
    assert_eq!(object.told(), [(SignalKind::Silence, Subject::Component)]);
    assert!(object.alarms <= 4, "an hour without traffic cost {} alarms", object.alarms);
    let alert = object.alerts[0].clone();
    let incident = &alert.incidents[0];
    assert!(incident.opened_at.0 < end + 5 * MINUTE, "{incident:?}");
    assert!(incident.signal.probability < 1e-6 && incident.signal.expected > 13.0, "{incident:?}");
    assert!(incident.id.starts_with("silence-total-") && !alert.exemplars.is_empty(), "{alert:?}");
    assert_eq!(object.machine.wake_at().map(|at| at.0 > end + 12 * HOUR), Some(true), "nothing else is due for long");
    object.machine = object.restored(false);
    object.sleep(back);
    assert_eq!((object.told().len(), object.open(back)), (1, 1));
    usual(&mut object, back, back + HOUR);
    assert_eq!(object.told().len(), 1, "neither the job nor the return is news: {:?}", object.told());
    assert_eq!(object.open(back + HOUR), 0);
    assert_eq!(
        object.machine.incidents().all().next().unwrap().closed_at.map(|at| at.0 < back + 10 * SECOND),
        Some(true)
    );
}

#[test]
fn what_the_alarm_decided_is_decided_again_on_replay() {
    let mut object = Object::new();
    usual(&mut object, START, START + 2 * HOUR);
    object.sleep(START + 3 * HOUR);
    usual(&mut object, START + 3 * HOUR, START + 3 * HOUR + 20 * MINUTE);
    for from_rows_alone in [false, true] {
        let restored = object.restored(from_rows_alone);
        assert_eq!(restored.detectors(), object.machine.detectors(), "{from_rows_alone}");
        assert!(restored.decisions().eq(object.machine.decisions()) && restored.decisions().count() > 0);
        assert!(restored.incidents().all().eq(object.machine.incidents().all()));
        assert_eq!(restored.wake_at().is_some(), object.machine.wake_at().is_some());
    }
}

#[test]
fn a_job_that_stops_is_missed_although_nobody_asks_and_the_rest_goes_on() {
    let mut object = Object::new();
    usual(&mut object, START, START + 4 * HOUR);
    let end = START + 4 * HOUR;
    let mut at = end;
    while at < end + 20 * MINUTE {
        object.send(&[record(&format!("cart opened by customer {at}"), Level::INFO, at)], at + 300);
        at += 10 * SECOND;
    }
    let missed: Vec<_> = object.told().into_iter().filter(|(kind, _)| *kind == SignalKind::Missed).collect();
    assert_eq!(missed.len(), 1, "{:?}", object.told());
    let alert = object.alerts.iter().find(|alert| alert.incidents[0].signal.kind == SignalKind::Missed).unwrap();
    assert!(alert.patterns[0].template.starts_with("nightly export"), "{alert:?}");
    object.send(&[record("nightly export wrote 5 rows", Level::INFO, at)], at);
    let incident =
        object.machine.incidents().all().find(|incident| incident.signal.kind == SignalKind::Missed).unwrap();
    assert!(incident.is_over(Timestamp(at), &object.settings.alerts));
}

#[test]
fn a_burst_of_records_is_told_with_its_band_and_one_of_errors_only_once() {
    let mut object = Object::new();
    let end = START + 3 * HOUR + MINUTE;
    usual(&mut object, START, end);
    let burst = |level, from: i64| -> Vec<Record> {
        (0..120).map(|i| record(&format!("page served in {i}"), level, from + i * 250)).collect()
    };
    object.send(&burst(Level::INFO, end), end + 31 * SECOND);
    assert_eq!(object.told(), [(SignalKind::Burst, Subject::Component)], "in the turn that wrote them");
    let signal = object.alerts[0].incidents[0].signal;
    assert!(signal.expected_high < 10.0 && signal.seen > 12 && signal.probability < 1e-7, "{signal:?}");
    let grown = object.machine.incidents().all().next().unwrap().signal;
    assert!(grown.seen >= 30 && grown.probability < 1e-9, "what it came to by the end of its ten seconds: {grown:?}");
    assert_eq!(object.alerts[0].patterns[0].template, "page served in <*>");
    usual(&mut object, end + MINUTE, end + 2 * HOUR);
    assert_eq!((object.told().len(), object.open(end + 2 * HOUR)), (1, 0));
    // The same with errors: the error watch tells it, and the detectors see that it was told.
    let later = end + 2 * HOUR;
    object.alerts.clear();
    object.send(&burst(Level::ERROR, later), later + 31 * SECOND);
    usual(&mut object, later + MINUTE, later + 30 * MINUTE);
    assert_eq!(object.told(), [(SignalKind::Burst, Subject::Errors)]);
    let explained = object.machine.decisions().filter(|one| matches!(one.verdict, Verdict::Explained(_))).count();
    assert!(explained > 0, "the detectors saw it too");
}

#[test]
fn a_new_shape_is_shown_in_its_turn_and_only_an_error_is_told() {
    let mut object = Object::new();
    let end = START + HOUR;
    usual(&mut object, START, end);
    object.send(&[record("the moon has risen over the harbour", Level::INFO, end)], end);
    let last = object.machine.decisions().next_back().unwrap();
    assert_eq!(
        (last.signal.kind, &last.verdict, last.decided_at),
        (SignalKind::NewPattern, &Verdict::Shown, Timestamp(end))
    );
    assert_eq!(object.told(), []);
    object.send(&[record("the harbour is on fire", Level::ERROR, end + SECOND)], end + SECOND);
    let last = object.machine.decisions().next_back().unwrap();
    let [alert] = &object.alerts[..] else { panic!("{:?}", object.told()) };
    assert_eq!(last.verdict, Verdict::Explained(alert.id.clone()));
    assert!(alert.incidents[0].signal.probability < 0.05 && alert.incidents[0].evidence.len() == 1);
}

#[test]
fn history_that_is_played_in_is_learned_and_wakes_nobody() {
    let mut object = Object::new();
    let mut at = START;
    while at < START + 6 * HOUR {
        // A burst and a silence in the middle of it.
        let step = if (3 * HOUR..3 * HOUR + MINUTE).contains(&(at - START)) { 100 } else { 10 * SECOND };
        at += if at - START == 4 * HOUR { 30 * MINUTE } else { step };
        object.send(
            &[record(&format!("page served in {at}"), Level::INFO, at)],
            START + 48 * HOUR + (at - START) / 1_000,
        );
    }
    assert!(object.machine.decisions().any(|one| one.verdict == Verdict::Late), "it was seen");
    assert_eq!(object.told(), []);
    let (usual, minutes) = object.machine.detectors().expected_per_minute(Timestamp(at));
    assert!((usual - 6.0).abs() < 0.5 && minutes >= 60, "and learned from: {usual}, {minutes}");
}

#[test]
fn a_clock_ahead_does_not_move_the_others_into_the_past() {
    let mut object = Object::new();
    usual(&mut object, START, START + HOUR);
    let now = START + HOUR;
    object.send(&[record("page served in 1", Level::INFO, now + 9 * MINUTE)], now);
    usual(&mut object, now + 10 * SECOND, now + 20 * MINUTE);
    assert_eq!(object.machine.detectors().late(), 0);
    assert_eq!(object.told(), []);
}

#[test]
fn patterns_that_leave_are_watched_no_more() {
    let mut object = Object::new();
    for batch in 0..60 {
        let now = START + batch * SECOND;
        let word = |i: i64| -> String { format!("{i:x}").bytes().map(|b| char::from(b'g' + (b % 20))).collect() };
        let records: Vec<_> = (0..50)
            .map(|i| {
                let (a, b) = (word(batch * 50 + i), word((batch * 50 + i) * 7_919));
                record(&format!("{a} {b} qq{a} ww{b} {}", "y".repeat((i % 9) as usize)), Level::INFO, now)
            })
            .collect();
        object.send(&records, now);
    }
    assert!(object.machine.miner().len() > 500, "{}", object.machine.miner().len());
    assert!(object.machine.detectors().watched() <= object.machine.miner().len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Gaps of all sizes after a regular beginning, so that alarms close what nobody sent; whatever was written leads
    /// to the same machine.
    #[test]
    fn a_restart_after_alarms_cannot_be_noticed(
        gaps in proptest::collection::vec((0i64..40 * MINUTE, 0u8..5, any::<bool>(), any::<bool>()), 1..30),
    ) {
        let mut object = Object::new();
        let mut now = START;
        for step in 0..150 {
            now += 40 * SECOND;
            object.send(&[record(&format!("tick {step}"), Level::INFO, now - 100)], now);
        }
        for (gap, shape, is_error, has_restart) in gaps {
            now += gap;
            let level = if is_error { Level::ERROR } else { Level::INFO };
            object.send(&[record(&format!("shape {} {gap}", "x".repeat(shape.into())), level, now - gap / 7)], now);
            if has_restart {
                object.machine = object.restored(false);
            }
            for from_rows_alone in [false, true] {
                let restored = object.restored(from_rows_alone);
                prop_assert_eq!(restored.detectors(), object.machine.detectors());
                prop_assert!(restored.decisions().eq(object.machine.decisions()));
                prop_assert!(restored.incidents().all().eq(object.machine.incidents().all()));
            }
            prop_assert_eq!(object.restored(false).wake_at(), object.machine.wake_at());
        }
    }
}
