//! Deployments within the stream machine: counts may wander for a stated time, what deployments are watched for is told
//! as ever, a pattern that came with a release says so, and no restart forgets any of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod object;

use object::{HOUR, MINUTE, Object, SECOND, START, mixed, record, usual};
use sapwood_engine::detect::{Facet, NewWith, Signal, SignalKind, Subject};
use sapwood_engine::level::Level;
use sapwood_engine::machine::stream::{Deployment, DeploymentSource, Event, Verdict, WIDENED_FOR};
use sapwood_engine::record::Record;
use sapwood_engine::time::Timestamp;

fn announced(release: &str, at: i64) -> Event {
    let source = DeploymentSource::Announced("ci".into());
    Event::Deployed(Deployment { release: release.into(), at: Timestamp(at), source })
}

fn named(release: &str, record: Record) -> Record {
    Record { release: Some(release.into()), ..record }
}

fn assert_survives(object: &Object) {
    for from_rows_alone in [false, true] {
        let restored = object.restored(from_rows_alone);
        assert_eq!(restored.deployments(), object.machine.deployments(), "{from_rows_alone}");
        assert_eq!(restored.detectors(), object.machine.detectors(), "{from_rows_alone}");
        assert!(restored.decisions().eq(object.machine.decisions()), "{from_rows_alone}");
        assert!(restored.incidents().all().eq(object.machine.incidents().all()), "{from_rows_alone}");
    }
}

fn burst(object: &mut Object, records: i64, at: i64) -> Vec<(SignalKind, Subject)> {
    object.alerts.clear();
    let records: Vec<_> =
        (0..records).map(|i| record(&format!("page served in {i}"), Level::INFO, at + i * 10_000 / records)).collect();
    object.send(&records, at + 11 * SECOND);
    usual(object, at + MINUTE, at + 40 * MINUTE);
    object.told()
}

#[test]
fn counts_may_wander_for_a_quarter_of_an_hour_and_then_no_more() {
    let mut object = Object::new();
    let start = START + 3 * HOUR + MINUTE;
    usual(&mut object, START, start);
    let burst_told = [(SignalKind::Burst, Subject::Component)];
    assert_eq!(burst(&mut object, 18, start), burst_told);
    let deploy = start + 40 * MINUTE;
    object.handle(announced("2.0", deploy), deploy);
    let rows = object.rows.len();
    object.handle(announced("2.0", deploy), deploy + SECOND);
    assert_eq!(object.rows.len(), rows, "what is known costs no row");
    assert_eq!(burst(&mut object, 18, deploy + MINUTE), []);
    assert_survives(&object);
    let points = object.machine.detectors().baseline(Subject::Component).unwrap().points;
    let reach = |at: i64| {
        let band = points.iter().find(|point| point.at.0 == at / MINUTE * MINUTE).unwrap().band.unwrap();
        band.high - band.expected
    };
    let (within, after) = (reach(deploy + 5 * MINUTE), reach(deploy + WIDENED_FOR.0 + 2 * MINUTE));
    assert!(within > after * 1.3, "the chart shows it: {within} {after}");
    // Far beyond that it is told all the same, and later as ever.
    let later = deploy + 41 * MINUTE;
    object.handle(announced("2.1", later), later);
    assert_eq!(burst(&mut object, 600, later + MINUTE), burst_told);
    assert_eq!(burst(&mut object, 18, later + 42 * MINUTE), burst_told);
    assert_survives(&object);
}

#[test]
fn what_a_deployment_is_watched_for_is_told_as_ever_and_named_after_its_release() {
    let mut object = Object::new();
    usual(&mut object, START, START + 2 * HOUR);
    let at = START + 2 * HOUR;
    object.send(&[named("1.0", record("cart opened by customer 1", Level::INFO, at))], at);
    assert_eq!(object.machine.deployments(), [], "where the component stands");
    object.send(&[named("1.0", record("the old basket is broken", Level::ERROR, at + SECOND))], at + SECOND);
    assert_eq!(object.alerts[0].new_in_release, None);
    usual(&mut object, at + 10 * SECOND, at + 30 * MINUTE);
    let deploy = at + 30 * MINUTE;
    // The first record of the release is the new error itself.
    object.send(&[named("1.1", record("cannot reach the new ledger", Level::ERROR, deploy))], deploy);
    let [.., alert] = &object.alerts[..] else { panic!() };
    assert_eq!((alert.new_in_release.as_deref(), alert.release.as_deref()), (Some("1.1"), Some("1.1")));
    let seen = Deployment { release: "1.1".into(), at: Timestamp(deploy), source: DeploymentSource::Seen };
    assert_eq!(object.machine.deployments(), [seen]);
    // An old shape in the new release is not new in it.
    let old = object.machine.miner().patterns().find(|pattern| pattern.template.starts_with("the old basket")).unwrap();
    assert_eq!(object.machine.new_in_release(old), None);
    usual(&mut object, deploy + 5 * SECOND, deploy + 2 * MINUTE);
    object.alerts.clear();
    object.sleep(deploy + 14 * MINUTE);
    assert_eq!(object.told(), [(SignalKind::Silence, Subject::Component)], "it does not come up");
    assert_survives(&object);
}

#[test]
fn where_records_name_no_release_the_announced_one_is_told() {
    let mut object = Object::new();
    usual(&mut object, START, START + HOUR);
    let deploy = START + HOUR;
    object.handle(announced("blue-7", deploy), deploy);
    usual(&mut object, deploy, deploy + 20 * MINUTE);
    let new = |object: &mut Object, words: &str, at: i64| {
        object.send(&[record(words, Level::ERROR, at)], at);
        object.alerts.last().unwrap().new_in_release.clone()
    };
    assert_eq!(new(&mut object, "the harbour is on fire", deploy + 20 * MINUTE).as_deref(), Some("blue-7"));
    usual(&mut object, deploy + 20 * MINUTE, deploy + 2 * HOUR);
    assert_eq!(new(&mut object, "a whale swallowed the anchor", deploy + 2 * HOUR), None);
    assert!(object.machine.decisions().any(|one| matches!(one.verdict, Verdict::Explained(_))));
}

/// A minute of a component of release `release`: requests at their endpoints, and payments at three of them.
fn pay(object: &mut Object, at: i64, release: &str, stray: Option<&str>) {
    let chance = mixed(at as u64);
    let mut records: Vec<Record> = (0..6)
        .map(|i| {
            let endpoint = ["/cart", "/price", "/stock", "/pay", "/refund", "/bill"][i];
            let line = format!("page {} served", chance % 977 + i as u64);
            Record { endpoint: Some(endpoint.into()), ..record(&line, Level::INFO, at + i as i64 * SECOND) }
        })
        .collect();
    for i in 0..4 {
        let endpoint = stray.filter(|_| i == 2).unwrap_or(["/pay", "/refund", "/bill", "/pay"][i]);
        let line = format!("bank refused payment {}", chance % 7_919 + i as u64);
        let at = at + 10 * SECOND + i as i64 * SECOND;
        records.push(Record { endpoint: Some(endpoint.into()), ..record(&line, Level::WARN, at) });
    }
    records.iter_mut().for_each(|record| record.release = Some(release.into()));
    object.send(&records, at + MINUTE);
}

fn strays(object: &Object) -> Vec<(Signal, Option<NewWith>)> {
    let of_kind = object.machine.decisions().filter(|it| it.signal.kind == SignalKind::RareCombination);
    of_kind.map(|it| (it.signal, object.machine.new_with(&it.signal).cloned())).collect()
}

#[test]
fn what_comes_with_a_release_for_the_first_time_says_so_and_what_there_was_before() {
    let mut object = Object::new();
    let minute = |number: i64| START + number * MINUTE;
    (0..300).for_each(|number| pay(&mut object, minute(number), "2.3.9", None));
    (300..700).for_each(|number| pay(&mut object, minute(number), "2.4.0", None));
    (700..703).for_each(|number| pay(&mut object, minute(number), "2.4.1", None));
    assert_eq!(strays(&object), [], "a release by itself is nothing");
    object.write_checkpoint();
    object.machine = object.restored(false);
    pay(&mut object, minute(703), "2.4.1", Some("/cart"));
    let found = strays(&object);
    let [(signal, Some(new))] = &found[..] else { panic!("{found:?}") };
    assert_eq!((new.release.as_str(), new.before.as_deref(), new.value.as_str()), ("2.4.1", Some("2.4.0"), "/cart"));
    assert!((399..=400).contains(&new.had_before) && (699..=700).contains(&new.had), "{new:?}");
    assert!(signal.expected > 200.0 && !signal.is_alerting, "{signal:?}");
    // The same after a restart, from the checkpoint and from the rows alone.
    object.write_checkpoint();
    for from_rows_alone in [false, true] {
        assert_eq!(object.restored(from_rows_alone).new_with(signal), Some(new), "{from_rows_alone}");
    }
    // It came, and is nothing new in the next release.
    (704..900).for_each(|number| pay(&mut object, minute(number), "2.4.2", Some("/cart").filter(|_| number % 9 == 0)));
    assert_eq!(strays(&object).len(), 1);
}

#[test]
fn a_pattern_that_goes_with_many_things_is_told_only_with_a_release_and_soon_after_it() {
    let told = |stray_at: i64, release: &str| {
        let mut object = Object::new();
        for number in 0..1_200 {
            let running = if number < 600 { "1" } else { release };
            // Known with five endpoints before the release.
            let stray = [(5, "/price"), (9, "/stock")].into_iter().find(|(at, _)| *at == number).map(|(_, of)| of);
            let stray = stray.or((number == stray_at).then_some("/cart"));
            pay(&mut object, START + number * MINUTE, running, stray);
        }
        strays(&object)
    };
    let found = told(600, "2");
    assert!(matches!(&found[..], [(_, Some(new))] if new.release == "2" && new.value == "/cart"), "{found:?}");
    assert_eq!(told(600, "1"), [], "it comes with something now and then");
    assert_eq!(told(1_100, "2"), [], "the release has run for hours without it");
}

#[test]
fn the_last_instance_of_the_old_release_and_a_rebuilt_component_are_no_finding() {
    let mut object = Object::new();
    (0..600).for_each(|number| pay(&mut object, START + number * MINUTE, "1", None));
    pay(&mut object, START + 600 * MINUTE, "2", None);
    pay(&mut object, START + 601 * MINUTE, "1", Some("/cart"));
    assert!(strays(&object).iter().all(|(_, new)| new.is_none()), "{:?}", strays(&object));
    // Every line at new endpoints: what was never there had no occasion.
    let before = strays(&object).len();
    for number in 602..640 {
        let at = START + number * MINUTE;
        let place = |i: u64| Some(format!("/v2/{}", i % 5));
        let lines = (0..10).map(|i| {
            let line = if i % 2 == 0 { format!("page {} served", i + 40) } else { format!("bank refused payment {i}") };
            Record {
                endpoint: place(i),
                release: Some("2".into()),
                ..record(&line, Level::INFO, at + i as i64 * SECOND)
            }
        });
        object.send(&lines.collect::<Vec<_>>(), at + MINUTE);
    }
    let late: Vec<_> = strays(&object).split_off(before);
    assert!(late.iter().all(|(signal, _)| !matches!(signal.subject, Subject::Facet(_, Facet::Endpoint))), "{late:?}");
}

#[test]
fn a_restart_at_a_deployment_may_pause_for_two_minutes_and_no_longer() {
    let silent = |is_announced: bool, pause: i64| {
        let mut object = Object::new();
        // A record each second: half a minute of nothing is a silence.
        let busy = |object: &mut Object, from: i64, to: i64| {
            for second in (from..to).step_by(10) {
                let line = |i: i64| {
                    record(&format!("page served in {}", second + i), Level::INFO, START + (second + i) * SECOND)
                };
                object.send(&(0..10).map(line).collect::<Vec<_>>(), START + (second + 10) * SECOND);
            }
        };
        busy(&mut object, 0, 7_200);
        let stop = START + 7_200 * SECOND;
        if is_announced {
            object.handle(announced("2", stop), stop);
        }
        object.sleep(stop + pause * SECOND);
        busy(&mut object, 7_200 + pause, 7_500 + pause);
        object.told().into_iter().filter(|(kind, _)| *kind == SignalKind::Silence).count()
    };
    assert_eq!((silent(false, 60), silent(true, 60)), (1, 0));
    assert_eq!(silent(true, 240), 1, "it did not come back");
}
