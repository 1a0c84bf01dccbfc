//! What a component lends once it has learned, and what a newcomer makes of it: through the machines of both and of the
//! domain between them, with restarts.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod object;

use object::{HOUR, MINUTE, Object, START, mixed, record};
use sapwood_engine::baseline::{Prior, Seed};
use sapwood_engine::bytes::Writer;
use sapwood_engine::detect::{Detectors, SignalKind};
use sapwood_engine::level::Level;
use sapwood_engine::machine::domain::{self, DomainMachine, DomainSettings};
use sapwood_engine::machine::erasure::Scope;
use sapwood_engine::machine::stream::{DomainView, Event, decode_told, encode_told};
use sapwood_engine::pattern::lesson::Lessons;
use sapwood_engine::time::Timestamp;

const MIDNIGHT: i64 = START / (24 * HOUR) * 24 * HOUR + 24 * HOUR;

/// Records of the hour that begins at `from`, unevenly: twice as many from 8 to 18 h.
fn work(object: &mut Object, from: i64) {
    let hour = from / HOUR;
    let count = if (8..18).contains(&(hour % 24)) { 60 } else { 30 };
    let mut times: Vec<i64> =
        (0..count).map(|number| (mixed((hour * 1_000 + number) as u64) >> 20) as i64 % HOUR).collect();
    times.sort_unstable();
    for at in times.into_iter().map(|into| from + into) {
        object.send(&[record(&format!("cart {at} opened"), Level::INFO, at)], at + 500);
    }
}

/// A component after so many hours of work.
fn worked(hours: i64) -> Object {
    let mut object = Object::new();
    object.handle(Event::Registered(DomainView { version: 1, ..DomainView::default() }), MIDNIGHT);
    (0..hours).for_each(|hour| work(&mut object, MIDNIGHT + hour * HOUR));
    object
}

/// What such a component lends.
fn prior() -> Prior {
    let factor = |hour: usize| if (8..18).contains(&hour) { 1_412 } else { 706 };
    Prior { hours: 200, zone: 0, week: (0..24).map(factor).collect() }
}

fn domain() -> DomainMachine {
    DomainMachine::restore(DomainSettings::default(), domain::Stored::default()).unwrap()
}

fn register(domain: &mut DomainMachine, component: &str) {
    domain.handle(domain::Event::Register { component: component.into(), shard: 0 }, Timestamp(MIDNIGHT));
}

fn lend(domain: &mut DomainMachine, component: &str, version: u64, prior: &Prior) -> usize {
    let event = domain::Event::Lent { component: component.into(), shard: 0, version, prior: prior.clone() };
    domain.handle(event, Timestamp(MIDNIGHT)).priors.len()
}

#[test]
fn a_week_is_lent_once_a_week_and_an_hour_later_to_a_domain_that_was_away() {
    let mut object = worked(7 * 24);
    assert_eq!(object.lent, [], "nothing before a week was seen");
    object.has_domain = false;
    (7 * 24..7 * 24 + 12).for_each(|hour| work(&mut object, MIDNIGHT + hour * HOUR));
    let refused = object.lent.len();
    assert!((2..=12).contains(&refused), "{refused}");
    object.has_domain = true;
    (7 * 24 + 12..8 * 24).for_each(|hour| work(&mut object, MIDNIGHT + hour * HOUR));
    assert_eq!(object.lent.len(), refused + 1, "not again once it arrived");
    let prior = object.lent.pop().unwrap();
    assert!((168..192).contains(&prior.hours) && prior.encode().len() < 500, "{prior:?}");
    assert!(prior.week.len() == 24 && 2 * prior.week[12] > 3 * prior.week[3], "{prior:?}");
    for from_rows_alone in [false, true] {
        assert_eq!(object.restored(from_rows_alone).detectors(), object.machine.detectors());
    }
    let mut back = Object { machine: object.restored(false), lent: Vec::new(), ..object };
    work(&mut back, MIDNIGHT + 8 * 24 * HOUR);
    assert_eq!(back.lent, [], "a restart does not lend again");
}

#[test]
fn a_newcomer_knows_the_hours_of_its_neighbours_from_the_first_and_a_restart_forgets_nothing() {
    let prior = prior();
    let mut domain = domain();
    for name in ["cart", "stock", "payment", "newcomer"] {
        register(&mut domain, name);
    }
    assert_eq!(domain.seed_for("newcomer"), None);
    for name in ["cart", "stock", "payment"] {
        assert_eq!(lend(&mut domain, name, 1, &prior), 1);
    }
    let told = encode_told(domain.view(), None, domain.seed_for("newcomer").as_ref(), None);
    let seed = decode_told(&told).unwrap().seed.unwrap();
    assert_eq!(seed.neighbours, ["cart", "payment", "stock"]);
    let mut newcomer = Object::new();
    newcomer.handle(Event::Seeded(seed.clone()), MIDNIGHT);
    newcomer.handle(Event::Registered(domain.view().clone()), MIDNIGHT);
    // From 4 to 7 h it writes half of what is due at noon.
    (4..7).for_each(|hour| work(&mut newcomer, MIDNIGHT + hour * HOUR));
    let noon = |detectors: &Detectors| detectors.expected_per_minute(Timestamp(MIDNIGHT + 12 * HOUR)).0;
    let expected = noon(newcomer.machine.detectors());
    assert!((0.75..1.25).contains(&expected), "{expected}");
    let (known, worth) = newcomer.machine.detectors().seed().unwrap();
    assert!(*known == seed && worth > 1.0);
    for from_rows_alone in [false, true] {
        let restored = newcomer.restored(from_rows_alone);
        assert_eq!(restored.detectors(), newcomer.machine.detectors(), "{from_rows_alone}");
    }
    let rows = newcomer.rows.len();
    newcomer.handle(Event::Seeded(seed), MIDNIGHT + 7 * HOUR);
    assert_eq!(newcomer.rows.len(), rows, "what has begun is not seeded again");
    // Nobody is told that the day begins.
    (7..30).for_each(|hour| work(&mut newcomer, MIDNIGHT + hour * HOUR));
    let is_of_counts = |kind| matches!(kind, SignalKind::Burst | SignalKind::Drop | SignalKind::LevelShift);
    assert!(newcomer.machine.decisions().all(|one| !is_of_counts(one.signal.kind)));
    assert!(newcomer.machine.decisions().count() < 20, "{:?}", newcomer.told());
}

#[test]
fn a_component_that_nobody_lends_anything_is_what_it_was() {
    let (mut plain, view) = (worked(30), DomainView { version: 1, ..DomainView::default() });
    assert_eq!(plain.machine.detectors().seed(), None);
    assert_eq!(decode_told(&encode_told(&view, None, None, None)).unwrap().seed, None);
    // Ten minutes after its birth it is too late to begin otherwise.
    let prior = prior();
    let seed = Seed::blend("new", [("a", &prior)]).unwrap();
    let before = plain.machine.detectors().clone();
    plain.handle(Event::Seeded(seed), MIDNIGHT + 30 * HOUR + 10 * MINUTE);
    assert_eq!(*plain.machine.detectors(), before);
}

#[test]
fn a_newcomer_of_another_nature_is_rid_of_its_neighbours_within_a_day() {
    let prior = prior();
    let mut even = Object::new();
    even.handle(Event::Seeded(Seed::blend("new", [("a", &prior), ("b", &prior)]).unwrap()), MIDNIGHT);
    for minute in 0..24 * 60 {
        let at = MIDNIGHT + minute * MINUTE;
        even.send(&[record("ping", Level::INFO, at), record("pong", Level::INFO, at + 20_000)], at + 30_000);
    }
    assert_eq!(even.machine.detectors().seed(), None);
}

#[test]
fn a_seed_that_a_stream_cannot_read_is_none_and_lessons_come_all_the_same() {
    let view = DomainView { version: 4, ..DomainView::default() };
    let prior = prior();
    let seed = Seed::blend("new", [("a", &prior)]).unwrap();
    let told = encode_told(&view, None, Some(&seed), None);
    assert_eq!(decode_told(&told).unwrap().seed, Some(seed));
    assert!(decode_told(&told[..told.len() - 1]).is_err(), "cut off");
    let mut later = Writer::new();
    later.raw(&encode_told(&view, Some(&Lessons::default()), None, None));
    later.bytes(&[9; 40]);
    let read = decode_told(later.as_bytes()).unwrap();
    assert_eq!((read.view, read.lessons, read.seed), (view, None, None));
}

#[test]
fn what_an_erased_component_lent_is_gone_and_its_old_life_lends_nothing() {
    let prior = Prior { hours: 200, ..Prior::default() };
    let mut domain = domain();
    register(&mut domain, "cart");
    assert_eq!(lend(&mut domain, "cart", 1, &prior), 1);
    assert_eq!(lend(&mut domain, "unknown", 1, &prior), 0);
    let version = domain.view().version;
    let scope = Scope::Component("cart".into());
    let event = domain::Event::Erase { id: "e".into(), scope, by: "ann".into(), alerts: Vec::new() };
    domain.handle(event, Timestamp(MIDNIGHT));
    assert_eq!(lend(&mut domain, "cart", version, &prior), 0);
    assert_eq!(domain.components().filter(|(_, _, it)| it.prior.is_some()).count(), 0);
    assert_eq!(domain.seed_for("stock"), None);
}
