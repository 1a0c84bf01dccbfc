//! The domain's clocks: on the day on which they change, a component that works by them raises nothing, and the machine
//! takes the zone from the domain's view, also on replay.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod object;

use object::{HOUR, MINUTE, Object, mixed, record};
use sapwood_engine::baseline::Zone;
use sapwood_engine::detect::{Detectors, Facts, Signal};
use sapwood_engine::level::Level;
use sapwood_engine::machine::stream::{DomainView, Event};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::time::{Millis, Timestamp};

const DAY: i64 = 24 * HOUR;
/// 2026-03-29T01:00:00Z, when clocks in Berlin go ahead.
const CHANGE: i64 = 1_774_746_000_000;

/// Four weeks and a day of a component that is busiest at noon by the clocks of Berlin, one record a minute by night and
/// sixty by day; what was found on the day after the change.
fn found_by(clocks: Option<Zone>) -> Vec<Signal> {
    let berlin = Zone::parse("Europe/Berlin").unwrap();
    let mut detectors = Detectors::default();
    clocks.into_iter().for_each(|zone| detectors.set_zone(zone));
    let (mut at, mut number, mut found) = (CHANGE - 28 * DAY, 0, Vec::new());
    while at < CHANGE + DAY {
        number += 1;
        let hour = berlin.local(Timestamp(at)).0.rem_euclid(DAY) as f64 / HOUR as f64;
        let near_noon = 1.0 - (hour / 12.0 - 1.0).abs();
        let mean_gap = (MINUTE as f64 / (1.0 + 60.0 * near_noon * near_noon * near_noon)) as i64;
        // Gaps of chance: the sum of two even ones.
        let chance = |salt: u64| (mixed(number * 2 + salt) >> 20) as i64 % (mean_gap + 1);
        at += chance(0) + chance(1);
        detectors.observe(&Facts {
            at: Timestamp(at),
            pattern: PatternId(number % 3),
            is_new_pattern: false,
            is_error: false,
            duration_ms: None,
        });
        found.extend(detectors.take_signals().into_iter().filter(|signal| signal.at.0 > CHANGE));
    }
    found
}

#[test]
fn the_day_on_which_clocks_change_is_a_day_like_others_where_the_zone_is_known() {
    let known = found_by(Zone::parse("Europe/Berlin"));
    let unknown = found_by(None);
    assert_eq!(known, []);
    assert!(!unknown.is_empty(), "without it the first morning comes an hour early");
}

#[test]
fn the_zone_comes_from_the_domain_and_survives_restarts_and_replay() {
    let mut object = Object::new();
    let view = |version, zone: Option<&str>| DomainView {
        version,
        overrides: zone.map(|zone| ("TIME_ZONE".to_owned(), zone.to_owned())).into_iter().collect(),
        ..DomainView::default()
    };
    let mut at = CHANGE - 3 * DAY;
    let hours = |object: &mut Object, at: &mut i64, count: i64| {
        for _ in 0..count * 12 {
            object.send(&[record(&format!("page served in {at}"), Level::INFO, *at)], *at + 50);
            *at += 5 * MINUTE;
        }
    };
    hours(&mut object, &mut at, 30);
    object.handle(Event::Configure(view(1, Some("Europe/Berlin"))), at);
    assert_eq!(object.machine.detectors().zone(), Zone::parse("Europe/Berlin").unwrap());
    hours(&mut object, &mut at, 30);
    for from_rows_alone in [false, true] {
        assert_eq!(object.restored(from_rows_alone).detectors(), object.machine.detectors(), "{from_rows_alone}");
    }
    object.machine = object.restored(false);
    object.handle(Event::Configure(view(2, None)), at);
    assert_eq!(object.machine.detectors().zone(), Zone::default());
    hours(&mut object, &mut at, 2);
    object.write_checkpoint();
    assert_eq!(object.restored(false).detectors(), object.machine.detectors());
    // A service whose own clocks are others moves what was learned by those before.
    object.settings.zone = Zone::parse("Asia/Tokyo").unwrap();
    let moved = object.restored(false);
    assert_eq!(moved.detectors().zone(), object.settings.zone);
    let at = Timestamp(at).plus(Millis::from_hours(1));
    let rates = [&moved, &object.machine].map(|machine| machine.detectors().expected_per_minute(at).0);
    assert!((rates[0] - rates[1]).abs() < 0.01, "{rates:?}");
}
