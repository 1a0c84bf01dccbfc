//! What people say of incidents, within the stream machine: it moves the threshold of that kind of that series and of
//! nothing else, within limits, can be taken back, and survives every restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod object;

use object::{HOUR, MINUTE, Object, SECOND, START, record, usual};
use sapwood_engine::detect::{SignalKind, Subject};
use sapwood_engine::level::Level;
use sapwood_engine::machine::stream::{Demand, Event, FeedbackAnswer, Opinion, Verdict};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;

/// Says something of the newest incident of this kind.
fn say(object: &mut Object, kind: SignalKind, opinion: Opinion, now: i64) -> Option<FeedbackAnswer> {
    let incident = object.machine.incidents().all().filter(|it| it.signal.kind == kind).last().unwrap().id.clone();
    let event = Event::Feedback { incident, opinion, note: "a test".into(), by: "me".into() };
    let effects = object.machine.handle(event, Timestamp(now));
    object.rows.extend(effects.rows);
    effects.feedback
}

fn assert_survives(object: &Object) {
    for from_rows_alone in [false, true] {
        let restored = object.restored(from_rows_alone);
        assert!(restored.feedback().eq(object.machine.feedback()), "{from_rows_alone}");
        assert!(restored.decisions().eq(object.machine.decisions()), "{from_rows_alone}");
        assert!(restored.incidents().all().eq(object.machine.incidents().all()), "{from_rows_alone}");
        assert_eq!(restored.detectors(), object.machine.detectors());
    }
}

/// Errors of a new kind in twenty minutes of usual traffic; returns how many alerts there were.
fn told_of_new_errors(object: &mut Object, name: &str, records: i64, at: i64) -> usize {
    object.alerts.clear();
    for number in 0..records {
        let now = at + number * MINUTE;
        object.send(&[record(&format!("{name} cannot be reached"), Level::ERROR, now)], now);
        usual(object, now + 5 * SECOND, now + MINUTE);
    }
    usual(object, at + records * MINUTE, at + 20 * MINUTE);
    object.alerts.len()
}

#[test]
fn a_silence_that_was_noise_has_to_last_longer_the_next_time() {
    let mut object = Object::new();
    let end = START + 3 * HOUR + 2 * MINUTE;
    usual(&mut object, START, end);
    object.sleep(end + HOUR);
    let first = object.alerts[0].incidents[0].signal;
    assert_eq!(first.kind, SignalKind::Silence);
    let told = say(&mut object, SignalKind::Silence, Opinion::Noise, end + HOUR);
    let Some(FeedbackAnswer::Moved(0, threshold)) = told else { panic!("{told:?}") };
    assert_eq!((threshold.step, threshold.demand()), (1, Demand::Wait(1.5)));
    assert_survives(&object);

    // A pause that would have been told, and ends before it has lasted half as long again: nobody hears of it.
    let back = end + HOUR;
    usual(&mut object, back, back + HOUR);
    object.alerts.clear();
    let pause = first.window.0 * 5 / 4;
    usual(&mut object, back + HOUR + pause, back + 2 * HOUR);
    assert_eq!(object.told(), []);
    assert!(object.machine.decisions().any(|one| one.verdict == Verdict::Quieted), "but it is shown");
    assert_survives(&object);

    // One that goes on is told by alarm when it has; also if the machine was restarted meanwhile.
    let last = back + 2 * HOUR;
    object.sleep(last + pause);
    object.write_checkpoint();
    object.machine = object.restored(false);
    object.sleep(last + 30 * MINUTE);
    assert_eq!(object.told(), [(SignalKind::Silence, Subject::Component)]);
    let signal = object.alerts[0].incidents[0].signal;
    assert!(
        signal.window.0 >= first.window.0 * 3 / 2 && signal.expected > first.expected * 1.4,
        "{signal:?} {first:?}"
    );
    assert_survives(&object);
}

#[test]
fn a_burst_that_was_noise_takes_more_the_next_time_and_nothing_else_does() {
    let mut object = Object::new();
    let end = START + 3 * HOUR + MINUTE;
    usual(&mut object, START, end);
    let burst = |records: i64, from: i64| -> Vec<Record> {
        (0..records).map(|i| record(&format!("page served in {i}"), Level::INFO, from + i * 10_000 / records)).collect()
    };
    let mut at = end;
    let mut raise = |object: &mut Object, records: i64| {
        object.alerts.clear();
        object.send(&burst(records, at), at + 11 * SECOND);
        usual(object, at + MINUTE, at + HOUR);
        at += HOUR + MINUTE;
        (object.told().len(), at)
    };
    let (told, now) = raise(&mut object, 15);
    assert_eq!(told, 1);
    for _ in 0..9 {
        say(&mut object, SignalKind::Burst, Opinion::Noise, now);
    }
    assert_eq!(object.machine.feedback().count(), 1, "one opinion an incident");
    assert_eq!(object.machine.threshold(SignalKind::Burst, Subject::Component).step, 1);
    assert_eq!(object.machine.threshold(SignalKind::Drop, Subject::Component).step, 0);
    let (told, _) = raise(&mut object, 15);
    assert_eq!(told, 0, "{:?}", object.told());
    assert!(object.machine.decisions().any(|one| one.verdict == Verdict::Quieted));
    // Ten times as many are told as ever, and taking it back makes it as it was.
    let (told, now) = raise(&mut object, 600);
    assert_eq!(told, 1);
    assert_survives(&object);
    let incident = object.machine.feedback().next().unwrap().incident.clone();
    let effects = object.machine.handle(Event::FeedbackUndone(incident.clone()), Timestamp(now));
    object.rows.extend(effects.rows);
    assert!(matches!(effects.feedback, Some(FeedbackAnswer::Moved(1, threshold)) if threshold.step == 0));
    assert_survives(&object);
    let again = object.machine.handle(Event::FeedbackUndone(incident), Timestamp(now));
    assert_eq!((again.feedback, again.rows.len()), (Some(FeedbackAnswer::NothingToUndo), 0));
    assert_eq!(raise(&mut object, 16).0, 1);
}

#[test]
fn new_errors_that_were_noise_have_to_come_again_before_anybody_is_told() {
    let mut object = Object::new();
    usual(&mut object, START, START + HOUR);
    let mut at = START + HOUR;
    assert_eq!(told_of_new_errors(&mut object, "alpha", 1, at), 1);
    say(&mut object, SignalKind::NewPattern, Opinion::Noise, at + 20 * MINUTE);
    assert_eq!(object.machine.threshold(SignalKind::NewPattern, Subject::Component).demand(), Demand::Records(3));
    at += 20 * MINUTE;
    assert_eq!(told_of_new_errors(&mut object, "bravo", 2, at), 0);
    assert_eq!(object.machine.incidents().all().count(), 2, "it is an incident all the same");
    at += 20 * MINUTE;
    assert_eq!(told_of_new_errors(&mut object, "charlie", 5, at), 1, "once, with the third");
    let told = &object.alerts[0].incidents[0];
    assert_eq!((told.count, told.was_told), (3, true));
    assert_survives(&object);
}

#[test]
fn bursts_of_errors_that_were_noise_take_twice_as_many() {
    let mut object = Object::new();
    usual(&mut object, START, START + HOUR);
    let fail = |object: &mut Object, errors: i64, at: i64| {
        for number in 0..errors {
            let now = at + number * 100;
            object.send(&[record(&format!("order {number} was refused"), Level::ERROR, now)], now);
        }
        object.told().into_iter().filter(|it| *it == (SignalKind::Burst, Subject::Errors)).count()
    };
    assert_eq!(fail(&mut object, 12, START + HOUR), 1);
    say(&mut object, SignalKind::Burst, Opinion::Noise, START + HOUR + MINUTE);
    assert_eq!(fail(&mut object, 15, START + 3 * HOUR), 1, "the one of before");
    assert_eq!(fail(&mut object, 25, START + 5 * HOUR), 2);
    assert_survives(&object);
}

#[test]
fn nothing_is_taken_of_an_incident_that_is_not_there() {
    let mut object = Object::new();
    usual(&mut object, START, START + MINUTE);
    let event =
        Event::Feedback { incident: "no".into(), opinion: Opinion::Noise, note: String::new(), by: "me".into() };
    let effects = object.machine.handle(event, Timestamp(START + HOUR));
    assert_eq!((effects.feedback, effects.rows.len()), (Some(FeedbackAnswer::UnknownIncident), 0));
    assert_eq!(object.machine.feedback().count(), 0);
}

#[test]
fn rows_of_builds_that_knew_neither_feedback_nor_deployments_are_read() {
    let mut object = Object::new();
    let end = START + 3 * HOUR;
    usual(&mut object, START, end);
    object.sleep(end + HOUR);
    object.write_checkpoint();
    let now = object.restored(false);
    // What this build writes behind the state of version 2 is three empty lists.
    let state = &mut object.checkpoint.state;
    assert_eq!((state[0], &state[state.len() - 3..]), (3, &[0, 0, 0][..]));
    state.truncate(state.len() - 3);
    state[0] = 2;
    let then = object.restored(false);
    assert!(then.incidents().all().eq(now.incidents().all()) && then.incidents().all().count() > 0);
    assert_eq!(then.last_seq(), now.last_seq());
    assert_eq!(then.detectors(), now.detectors());
    assert!(then.decisions().eq(now.decisions()));
}

#[test]
fn a_burst_that_begins_small_is_told_when_it_has_grown() {
    for opinions in [0, 1] {
        let mut object = Object::new();
        let end = START + 3 * HOUR + MINUTE;
        usual(&mut object, START, end);
        let mut at = end;
        if opinions > 0 {
            let many: Vec<_> =
                (0..60).map(|i| record(&format!("page served in {i}"), Level::INFO, at + i * 500)).collect();
            object.send(&many, at + 31 * SECOND);
            at += HOUR;
            usual(&mut object, end + MINUTE, at);
            say(&mut object, SignalKind::Burst, Opinion::Noise, at);
            object.alerts.clear();
        }
        // Not sure enough in its first slot; then ever more, in every minute.
        let first = if opinions > 0 { 15 } else { 11 };
        for minute in 0..5 {
            let records = if minute == 0 { first } else { 60 };
            let step = if minute == 0 { 10 * SECOND } else { MINUTE } / records;
            let from = at + minute * MINUTE;
            let part: Vec<_> =
                (0..records).map(|i| record(&format!("page served in {i}"), Level::INFO, from + i * step)).collect();
            object.send(&part, from + MINUTE - SECOND);
            if minute == 0 {
                usual(&mut object, from + 10 * SECOND, from + MINUTE);
                assert_eq!(object.told(), [], "{opinions}");
                let last = object.machine.decisions().next_back().unwrap();
                assert!(matches!(last.verdict, Verdict::Shown | Verdict::Quieted), "{opinions}: {last:?}");
                object.write_checkpoint();
                object.machine = object.restored(false);
            }
        }
        usual(&mut object, at + 5 * MINUTE, at + 30 * MINUTE);
        // The job that the burst left out is missed as well.
        let bursts = object.told().into_iter().filter(|(kind, _)| *kind != SignalKind::Missed);
        assert_eq!(bursts.collect::<Vec<_>>(), [(SignalKind::Burst, Subject::Component)], "{opinions}: once");
        assert_survives(&object);
    }
}
