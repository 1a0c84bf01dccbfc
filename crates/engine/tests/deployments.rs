//! Deployments within the stream machine: counts may wander for a stated time, what deployments are watched for is told
//! as ever, a pattern that came with a release says so, and no restart forgets any of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod object;

use object::{HOUR, MINUTE, Object, SECOND, START, record, usual};
use sapwood_engine::detect::{SignalKind, Subject};
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
