//! What goes on in the variables of patterns, within the stream machine: told once, with its numbers and its records,
//! and the same after a restart and on replay.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod object;

use object::{HOUR, MINUTE, Object, SECOND, START, mixed, record};
use proptest::prelude::*;
use sapwood_engine::detect::{Facet, Rhythm, SignalKind, Subject};
use sapwood_engine::level::Level;
use sapwood_engine::machine::stream::{StreamMachine, Verdict};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;

/// The same decisions, incidents and levels, whether it comes back from a checkpoint or from its rows.
fn comes_back(object: &Object) {
    let shown = |machine: &StreamMachine| {
        let decisions: Vec<_> = machine.decisions().cloned().collect();
        let incidents: Vec<_> = machine.incidents().all().cloned().collect();
        (decisions, incidents, machine.levels(), machine.drifts())
    };
    for from_rows_alone in [false, true] {
        assert_eq!(shown(&object.restored(from_rows_alone)), shown(&object.machine), "{from_rows_alone}");
    }
}

fn kinds(object: &Object, kind: SignalKind) -> Vec<(Subject, Verdict)> {
    let decisions = object.machine.decisions().filter(|one| one.signal.kind == kind);
    decisions.map(|one| (one.signal.subject, one.verdict.clone())).collect()
}

/// Two disks each minute and a request each ten seconds.
fn minute(object: &mut Object, at: i64, used: f64) {
    let mut records: Vec<Record> = (0..6)
        .map(|i| {
            record(&format!("request {} answered", mixed(at as u64 + i) % 9_000), Level::INFO, at + i as i64 * 9_000)
        })
        .collect();
    let wobble = (mixed(at as u64) % 10) as f64 / 20.0;
    records.push(record(&format!("disk /data used {:.1}% of 500 GB", used + wobble), Level::INFO, at + 55 * SECOND));
    records.push(record(
        &format!("disk /var used {:.1}% of 80 GB", 20.0 + 4.0 * wobble),
        Level::INFO,
        at + 56 * SECOND,
    ));
    object.send(&records, at + MINUTE);
}

#[test]
fn a_disk_that_fills_opens_an_incident_with_when_and_ends_when_it_is_emptied() {
    let mut object = Object::new();
    for i in 0..120 {
        minute(&mut object, START + i * MINUTE, 30.0);
    }
    assert_eq!(kinds(&object, SignalKind::Trend), []);
    let filling = |i: i64| 30.0 + (i - 120) as f64 / 2.0;
    for i in 120..220 {
        minute(&mut object, START + i * MINUTE, filling(i));
        if i % 40 == 0 {
            object.machine = object.restored(false);
        }
    }
    let told: Vec<_> = object.alerts.iter().flat_map(|it| &it.incidents).collect();
    assert_eq!(told.len(), 1, "{:?}", object.told());
    let signal = told[0].signal;
    let truth = (START + 260 * MINUTE - signal.at.0) as f64;
    assert_eq!((signal.kind, signal.total), (SignalKind::Trend, 100));
    assert!((signal.expected / truth - 1.0).abs() < 0.2, "{signal:?}, in truth {truth}");
    assert!(signal.expected_low < signal.expected && signal.expected < signal.expected_high);
    assert!(signal.probability < 1e-4 && signal.since.0 < signal.at.0 - 30 * MINUTE, "{signal:?}");
    assert!(told[0].id.starts_with("trend-variable-") && !told[0].evidence.is_empty(), "{:?}", told[0]);
    let exemplars = &object.alerts[0].exemplars;
    assert!(exemplars.iter().all(|it| it.message.starts_with("disk ")) && !exemplars.is_empty(), "{exemplars:?}");
    let levels = object.machine.levels();
    assert_eq!(levels.iter().map(|level| level.is_open).collect::<Vec<_>>(), [true, false], "{levels:?}");
    assert_eq!(object.open(START + 220 * MINUTE), 1);
    comes_back(&object);
    for i in 220..226 {
        minute(&mut object, START + i * MINUTE, 31.0);
    }
    assert_eq!(object.open(START + 226 * MINUTE), 0);
    comes_back(&object);
}

#[test]
fn a_log_that_is_rotated_wakes_nobody() {
    let mut object = Object::new();
    for i in 0..24 * 60 {
        minute(&mut object, START + i * MINUTE, 20.0 + (i % 180) as f64 / 4.0);
    }
    let woken = object.told().into_iter().filter(|(kind, _)| *kind == SignalKind::Trend).count();
    assert_eq!(woken, 0, "{:?}", kinds(&object, SignalKind::Trend));
}

/// A queue that is long at noon, told once a minute.
fn queue(object: &mut Object, at: i64, as_of: i64) {
    let off = (as_of.rem_euclid(24 * HOUR) - 12 * HOUR) as f64 / (12 * HOUR) as f64;
    let waiting = (20.0 + 400.0 * (1.0 - off * off)) * (0.8 + 0.4 * (mixed(at as u64) % 1_000) as f64 / 1_000.0);
    let records = [record(&format!("queue drained, {waiting:.0} waiting"), Level::INFO, at + 20 * SECOND)];
    object.send(&records, at + MINUTE);
}

#[test]
fn a_queue_has_the_band_of_its_hour_and_is_judged_by_it_also_after_a_restart() {
    let mut object = Object::new();
    let midnight = START.div_euclid(24 * HOUR) * 24 * HOUR + 24 * HOUR;
    let shift = midnight + 5 * 24 * HOUR + 2 * HOUR;
    let mut at = midnight;
    while at < shift {
        queue(&mut object, at, at);
        if at.rem_euclid(7 * HOUR) == 0 {
            object.write_checkpoint();
            object.machine = object.restored(false);
        }
        at += MINUTE;
    }
    let before = kinds(&object, SignalKind::ValueDrift).len();
    let subject = object.machine.drifts().first().unwrap().subject;
    assert_eq!(object.machine.drifts().first().unwrap().rhythm, Rhythm::Daily);
    let usual = |object: &Object, hour: i64| {
        let band = object.machine.value_band(subject, Timestamp(shift + hour * HOUR)).unwrap();
        assert_eq!((band.from, band.rhythm), (Timestamp(shift + hour * HOUR), Rhythm::Daily));
        let class = band.classes.iter().find(|class| class.above.unwrap() > 150.0).unwrap();
        assert!(class.share.low <= class.share.usual && class.share.usual <= class.share.high, "{class:?}");
        class.share
    };
    assert!(usual(&object, 0).high < 0.4 && usual(&object, 10).low > 0.6, "{:?}", object.machine.drifts());
    comes_back(&object);
    while at < shift + 65 * MINUTE {
        queue(&mut object, at, at + 9 * HOUR);
        at += MINUTE;
    }
    let found = kinds(&object, SignalKind::ValueDrift).split_off(before);
    assert_eq!(found.iter().map(|(of, _)| *of).collect::<Vec<_>>(), [subject]);
    assert!(object.machine.drifts().first().unwrap().is_open);
    comes_back(&object);
}

/// Ten requests a minute that take as long as they take.
fn requests(object: &mut Object, at: i64, times: u64, status: u64) {
    let line = |i: u64| {
        let chance = mixed(at as u64 + i) % 1_000;
        let status = if chance.is_multiple_of(20) { status } else { 200 };
        format!("request {} took {} ms, status {status}", chance * 7, times * (20 + chance * chance / 4_000))
    };
    let records: Vec<_> = (0..10).map(|i| record(&line(i), Level::INFO, at + i as i64 * 5_000)).collect();
    object.send(&records, at + MINUTE);
}

#[test]
fn durations_that_triple_open_an_incident_and_are_the_usual_later() {
    let mut object = Object::new();
    for i in 0..36 * 60 {
        requests(&mut object, START + i * MINUTE, 1, 404);
    }
    assert_eq!(kinds(&object, SignalKind::ValueDrift), []);
    let changed = START + 36 * HOUR;
    for i in 0..65 {
        requests(&mut object, changed + i * MINUTE, 3, 404);
        if i == 40 {
            object.machine = object.restored(false);
        }
    }
    let told: Vec<_> = object.alerts.iter().flat_map(|it| &it.incidents).collect();
    let [incident] = &told[..] else { panic!("{:?}", object.told()) };
    let signal = incident.signal;
    assert_eq!((signal.kind, signal.since.0), (SignalKind::ValueDrift, changed));
    assert!(signal.seen as f64 > signal.expected_high && signal.probability < 1e-9, "{signal:?}");
    assert!(incident.id.starts_with("value_drift-variable-") && !incident.evidence.is_empty());
    assert_eq!(object.open(changed + 65 * MINUTE), 1);
    comes_back(&object);
    for i in 65..8 * 60 {
        requests(&mut object, changed + i * MINUTE, 3, 404);
    }
    assert_eq!((object.open(changed + 8 * HOUR), object.told().len()), (0, 1));
    comes_back(&object);
}

#[test]
fn a_status_that_never_came_is_a_decision_and_no_alert() {
    let mut object = Object::new();
    for i in 0..5 * 60 {
        requests(&mut object, START + i * MINUTE, 1, 404);
    }
    for i in 300..305 {
        requests(&mut object, START + i * MINUTE, 1, 418);
    }
    let new = kinds(&object, SignalKind::NewValue);
    assert!(matches!(&new[..], [(Subject::Variable(_, 2), Verdict::Shown)]), "{new:?}");
    assert_eq!(object.told(), []);
    comes_back(&object);
}

#[test]
fn a_frequent_line_at_a_frequent_endpoint_where_it_never_was_is_a_decision_with_its_numbers() {
    let mut object = Object::new();
    let at_endpoint = |message: String, endpoint: &str, level, at| Record {
        endpoint: Some(endpoint.into()),
        ..record(&message, level, at)
    };
    let mut now = START;
    for i in 0..2_000 {
        now += SECOND;
        let paid = at_endpoint(format!("payment {i} accepted"), "/pay", Level::INFO, now);
        let searched = at_endpoint(format!("search found {i} articles"), "/search", Level::INFO, now);
        let slow = at_endpoint(format!("index took {i} ms"), "/search", Level::WARN, now);
        object.send(&[paid, searched, slow], now + 100);
    }
    assert_eq!(kinds(&object, SignalKind::RareCombination), []);
    let odd = at_endpoint("payment 77 accepted".into(), "/search", Level::WARN, now + SECOND);
    object.send(&[odd.clone(), odd], now + SECOND);
    let decisions: Vec<_> =
        object.machine.decisions().filter(|one| one.signal.kind == SignalKind::RareCombination).collect();
    assert_eq!(decisions.len(), 2, "its level and its endpoint, once each: {decisions:?}");
    let signal = decisions[1].signal;
    assert!(matches!(signal.subject, Subject::Facet(_, Facet::Endpoint)), "{signal:?}");
    assert!((signal.expected - 2_000.0 * 4_000.0 / 6_000.0).abs() < 5.0 && signal.probability < 1e-3, "{signal:?}");
    assert_eq!(decisions[0].verdict, Verdict::Shown);
    comes_back(&object);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Levels that go anywhere, late and in bursts, with restarts in between: the rows lead to the same machine.
    #[test]
    fn whatever_levels_do_a_restart_cannot_be_noticed(
        steps in proptest::collection::vec((0i64..20 * MINUTE, 0u32..110, 0u8..4, any::<bool>()), 1..80),
    ) {
        let mut object = Object::new();
        let mut now = START + HOUR;
        for (gap, level, disk, has_restart) in steps {
            now += gap;
            let line = format!("disk /mount{} used {level}% of {} GB", (b'a' + disk) as char, 100 + disk);
            let rest = format!("queue depth {level} (max {})", 100 + u32::from(disk));
            object.send(&[record(&line, Level::INFO, now - gap / 3), record(&rest, Level::WARN, now)], now);
            if has_restart {
                object.machine = object.restored(false);
            }
        }
        comes_back(&object);
    }
}
