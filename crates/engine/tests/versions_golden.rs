//! Rows of every kind that released builds wrote, kept for ever: this build says of them what those said, and goes on with
//! them; and rows of a later build, which this one reads, passes by or refuses without harm to the others.
//!
//! Whoever adds a row, or an event to the journal, lets `frozen` make one and freezes the rows anew under a new name
//! (`cargo run -p sapwood-engine --example freeze_rows stream`); what stands in tests/golden/rows is never changed.

#![allow(clippy::unwrap_used, reason = "a test may stop where something is missing")]

mod frozen;
mod shelf;

use sapwood_engine::counter::{Facets, Rollup};
use sapwood_engine::machine::compaction;
use sapwood_engine::machine::domain::{DomainMachine, DomainSettings, Event as DomainEvent};
use sapwood_engine::machine::erasure::Erasure;
use sapwood_engine::machine::row::{self, Row, RowKind};
use sapwood_engine::machine::stream::{
    AppendReply, Batch, DomainView, Event, Identity, Restored, StreamMachine, Under, decode_told, encode_told,
};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::pattern::lesson::{Naming, Reference, Teaching};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::time::Timestamp;
use shelf::Shelf;
use std::collections::BTreeSet;

/// By the commit that wrote them, oldest first.
const STREAMS: [&str; 2] =
    [include_str!("golden/rows/6bc5c01-stream.txt"), include_str!("golden/rows/09034a1-stream.txt")];
const FOLLOWERS: [&str; 1] = [include_str!("golden/rows/09034a1-follower.txt")];
const DOMAINS: [&str; 2] =
    [include_str!("golden/rows/6bc5c01-domain.txt"), include_str!("golden/rows/09034a1-domain.txt")];
const T0: i64 = 1_763_632_800_000 + 5 * 3_600_000;

fn load(shelf: &Shelf) -> Restored {
    StreamMachine::load(frozen::identity(), &|_| frozen::settings(), shelf).unwrap()
}

/// What the build said that wrote the rows.
fn said(rows: &str) -> Vec<&str> {
    // The first line says where the rows come from.
    rows.lines().skip(1).filter_map(|line| line.strip_prefix("# ")).collect()
}

/// Later builds may say more.
fn assert_says(told: &[String], said: &[&str]) {
    let missing: Vec<_> = said.iter().filter(|line| !told.iter().any(|told| told == **line)).collect();
    assert!(missing.is_empty(), "not told any more: {missing:#?}\ntold instead: {told:#?}");
}

fn append(machine: &mut StreamMachine, shelf: &mut Shelf, message: &str) -> AppendReply {
    let record =
        Record { message: message.into(), component: "checkout".into(), timestamp: Timestamp(T0), ..Record::default() };
    let map = machine.shard_map().clone();
    let under = (!map.is_whole()).then(|| Under { map, ..Under::default() });
    let batch = Batch { segments: segment::encode(&[record]), under, ..Batch::default() };
    let mut effects = machine.handle(Event::Append(vec![batch]), Timestamp(T0));
    effects.write(machine, shelf).unwrap();
    effects.replies.remove(0)
}

fn fold(machine: &mut StreamMachine, shelf: &mut Shelf) {
    machine.handle(Event::Fold, Timestamp(T0)).write(machine, shelf).unwrap();
}

/// The lines that say what was counted, mined and found.
fn essence(shelf: &Shelf, restored: &Restored) -> Vec<String> {
    let told = frozen::stream_told(shelf, restored);
    let counted = ["total ", "pattern ", "incident ", "outcomes "];
    told.into_iter().filter(|line| counted.iter().any(|word| line.starts_with(word))).collect()
}

#[test]
fn rows_of_every_released_build_say_what_that_build_said() {
    for rows in STREAMS {
        let shelf = Shelf::read(rows);
        let said = said(rows);
        assert!(said.len() > 40, "the fixture says what it holds");
        assert_says(&frozen::stream_told(&shelf, &load(&shelf)), &said);
    }
}

#[test]
fn rows_of_the_second_object_of_a_split_component_say_what_the_build_said_that_wrote_them() {
    for rows in FOLLOWERS {
        let mut shelf = Shelf::read(rows);
        let load =
            |shelf: &Shelf| StreamMachine::load(frozen::follower_identity(), &|_| frozen::settings(), shelf).unwrap();
        let said = said(rows);
        assert!(said.iter().any(|line| line.starts_with("lead ")), "the fixture says what it holds");
        assert_says(&frozen::stream_told(&shelf, &load(&shelf)), &said);
        // The lead takes what this build tells of them, and then hears no more.
        let mut machine = load(&shelf).machine;
        let next = machine.next_to_forward(&shelf).unwrap().unwrap();
        let lead = Identity { shard: 0, ..frozen::follower_identity() };
        let mut lead = StreamMachine::new(lead, frozen::settings());
        let heard = lead.handle(Event::Heard { shard: 1, digest: next.digest.clone() }, Timestamp(T0)).heard.unwrap();
        assert!(heard.forgot, "it is another lead, which was never shown the patterns of before");
        machine.handle(Event::Forwarded(Box::new(next), heard), Timestamp(T0)).write(&mut machine, &mut shelf).unwrap();
        fold(&mut machine, &mut shelf);
        assert_eq!(load(&shelf).machine.lead().delivered, machine.lead().delivered);
        assert!(load(&shelf).machine.next_to_forward(&shelf).unwrap().is_none());
    }
}

#[test]
fn what_follows_on_those_rows_can_be_read_again() {
    for rows in STREAMS {
        let mut shelf = Shelf::read(rows);
        let mut machine = load(&shelf).machine;
        let before = essence(&shelf, &load(&shelf));
        fold(&mut machine, &mut shelf);
        assert_eq!(essence(&shelf, &load(&shelf)), before, "written by this build, read by it");
        let known = machine.miner().patterns().map(|pattern| pattern.count).max();
        assert!(matches!(
            append(&mut machine, &mut shelf, "order 9 shipped in 7 ms to host-2"),
            AppendReply::Stored(_)
        ));
        assert_eq!(machine.miner().patterns().map(|pattern| pattern.count).max(), known.map(|count| count + 1));
        fold(&mut machine, &mut shelf);
        let again = load(&shelf);
        assert_eq!((again.damaged, &again.rebuilt), (0, &None));
        assert_eq!(again.machine.outcomes(), machine.outcomes());
    }
}

#[test]
fn rows_of_a_domain_say_what_the_build_said_that_wrote_them() {
    for rows in DOMAINS {
        let machine = DomainMachine::restore(DomainSettings::default(), frozen::domain_read(rows)).unwrap();
        let said = said(rows);
        assert!(said.len() > 10, "the fixture says what it holds");
        assert_says(&frozen::domain_told(&machine), &said);
    }
}

/// Tables, named rows, and kinds of journal rows and of the events in them.
fn kinds(rows: &str) -> BTreeSet<String> {
    let shelf = Shelf::read(rows);
    let tables = rows.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next());
    let mut kinds: BTreeSet<String> = tables.map(str::to_owned).collect();
    kinds.extend(shelf.meta.keys().map(|name| format!("meta {name}")));
    for row in shelf.all().values() {
        let event = row.body.first().filter(|_| row.kind == RowKind::Event);
        kinds.insert(format!("{:?} {event:?}", row.kind));
    }
    kinds
}

#[test]
fn every_kind_of_row_that_this_build_writes_is_among_the_newest_frozen_ones() {
    let today = kinds(&frozen::stream().0.dump());
    let missing: Vec<_> = today.difference(&kinds(STREAMS.last().unwrap())).cloned().collect();
    assert!(missing.is_empty(), "freeze the rows of this build: {missing:?}");
    let events = today.iter().filter(|kind| kind.starts_with("Event")).count();
    // All but a retraction and the end of windows that an alarm closed, which are there or not by what was going on.
    assert!(events >= 9, "{today:?}");
    for kind in [
        "Counted None",
        "Segments None",
        "block",
        "aside",
        "page",
        "facets",
        "meta slices",
        "meta thinned",
        "meta usual",
    ] {
        assert!(today.contains(kind), "{kind} is missing in {today:?}");
    }
    let (machine, outbox) = frozen::domain();
    let tables = |rows: &str| -> BTreeSet<String> {
        let rows = rows.lines().filter(|line| !line.starts_with('#'));
        rows.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    assert_eq!(tables(&frozen::domain_dump(&machine, &outbox)), tables(DOMAINS.last().unwrap()));
}

// What a later build may write, and what this one makes of it.

fn newest() -> Shelf {
    Shelf::read(STREAMS.last().unwrap())
}

#[test]
fn a_section_of_a_later_build_in_a_pattern_costs_nothing_and_lasts_until_the_pattern_is_written() {
    let mut shelf = newest();
    let before = essence(&shelf, &load(&shelf));
    let id = *shelf.patterns.keys().next().unwrap();
    let known = shelf.patterns.clone();
    shelf.patterns.values_mut().for_each(|row| row.extend([200, 3, 1, 2, 3]));
    assert_eq!(essence(&shelf, &load(&shelf)), before);
    let mut machine = load(&shelf).machine;
    fold(&mut machine, &mut shelf);
    assert_eq!(essence(&shelf, &load(&shelf)), before);
    // As documented (pattern/stats.rs): passed by when it is read, not kept when it is written.
    assert!(shelf.patterns[&id].len() >= known[&id].len());
}

#[test]
fn a_pattern_of_a_later_build_is_set_aside_and_its_lines_are_learned_anew() {
    let mut shelf = newest();
    let (id, row) = shelf.patterns.iter_mut().next().unwrap();
    let id = *id;
    row[0] = 99;
    let restored = load(&shelf);
    assert_eq!((restored.damaged, &restored.rebuilt), (1, &None));
    let others = |told: Vec<String>| -> Vec<String> {
        told.into_iter().filter(|line| !line.contains(&id.to_string())).collect()
    };
    assert_eq!(others(essence(&shelf, &restored)), others(essence(&newest(), &load(&newest()))));
}

#[test]
fn a_named_row_of_a_later_build_stays_as_it_is() {
    let mut shelf = newest();
    shelf.meta.insert("of_a_later_build".into(), vec![1, 2, 3]);
    let mut machine = load(&shelf).machine;
    append(&mut machine, &mut shelf, "order 9 shipped in 7 ms to host-2");
    fold(&mut machine, &mut shelf);
    assert_eq!(shelf.meta["of_a_later_build"], [1, 2, 3]);
}

#[test]
fn a_row_of_the_journal_that_only_a_later_build_understands_is_told_and_costs_itself() {
    let clean = essence(&newest(), &load(&newest()));
    let event = |shelf: &mut Shelf| {
        let seq = *shelf.rows.keys().next_back().unwrap() + 1;
        let at = Timestamp(T0);
        let row = Row {
            seq,
            at,
            kind: RowKind::Event,
            time_min: at,
            time_max: at,
            count: 0,
            levels: 0,
            heads: Vec::new(),
            body: vec![250, 1, 2, 3],
        };
        shelf.rows.insert(seq, row);
        seq
    };
    let mut shelf = newest();
    let seq = event(&mut shelf);
    let restored = load(&shelf);
    assert_eq!(restored.unreadable.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [seq]);
    assert_eq!((restored.damaged, essence(&shelf, &restored)), (1, clean));
    // It is not written over, and what comes after it has a place of its own.
    let mut machine = restored.machine;
    append(&mut machine, &mut shelf, "order 9 shipped in 7 ms to host-2");
    fold(&mut machine, &mut shelf);
    assert_eq!(shelf.rows[&seq].body, [250, 1, 2, 3]);
    assert_eq!(load(&shelf).machine.outcomes(), machine.outcomes());

    // Records under heads or in a segment of a later version.
    for damage in [|row: &mut Row| row.heads[0] = 99, |row: &mut Row| row.body[5] = 99] {
        let mut shelf = newest();
        let folded = shelf.folded;
        let (seq, row) = shelf.rows.range_mut(folded + 1..).find(|(_, row)| row.kind == RowKind::Segments).unwrap();
        let (seq, count) = (*seq, u64::from(row.count));
        damage(row);
        let restored = load(&shelf);
        assert_eq!(restored.unreadable.first().map(|(seq, _)| *seq), Some(seq), "{:?}", restored.unreadable);
        assert!(restored.machine.outcomes().accepted + count >= load(&newest()).machine.outcomes().accepted);
    }
}

#[test]
fn blocks_counts_and_segments_of_a_later_version_are_refused_as_what_they_are() {
    let shelf = newest();
    let (_, block) = shelf.blocks.values().next().unwrap();
    let mut other = block.clone();
    // The version stands behind the magic (docs/formats/segment.md).
    other[4] = 99;
    assert!(compaction::unpack(block).is_ok() && compaction::unpack(&other).is_err());
    let row = shelf.rows.values().find(|row| row.kind == RowKind::Segments && row.count > 0).unwrap();
    assert!(row::records(&row.body).is_ok());
    for rollup in shelf.hours.values() {
        let mut bytes = rollup.encode();
        bytes[0] = 99;
        assert!(Rollup::decode(&bytes).is_err());
    }
    for facets in shelf.facets.values() {
        let mut bytes = facets.encode();
        bytes[0] = 99;
        assert!(Facets::decode(&bytes).is_err());
    }
}

#[test]
fn sinks_of_a_later_version_begin_anew_and_nothing_else_does() {
    let before = essence(&newest(), &load(&newest()));
    for sink in ["sink_d1", "sink_data_service"] {
        let mut shelf = newest();
        shelf.meta.insert(sink.into(), vec![99, 1]);
        let restored = load(&shelf);
        assert_eq!((restored.damaged, essence(&shelf, &restored)), (0, before.clone()), "{sink}");
    }
}

#[test]
fn what_a_later_domain_object_tells_is_understood_as_far_as_this_build_knows_it() {
    let view = DomainView { version: 7, revoked: vec!["k".into()], ..DomainView::default() };
    let mut told = encode_told(&view, None, None, None);
    let lessons = load(&newest()).machine.miner().lessons().clone();
    told.extend({
        let with = encode_told(&view, Some(&lessons), None, None);
        with[told.len()..].to_vec()
    });
    // Where a seed would be: one that cannot be read is none.
    told.extend([3, 99, 1, 2]);
    // And what comes after it.
    told.extend([9, 9, 9]);
    let read = decode_told(&told).unwrap();
    assert_eq!((read.view, read.lessons, read.seed), (view, Some(lessons), None));
}

#[test]
fn rows_of_a_later_domain_object_cost_themselves() {
    let stored = || frozen::domain_read(DOMAINS.last().unwrap());
    let restore = |stored| DomainMachine::restore(DomainSettings::default(), stored);
    let before = frozen::domain_told(&restore(stored()).unwrap());
    let differs = |stored, but: &str| {
        let told = frozen::domain_told(&restore(stored).unwrap());
        let others = |told: &[String]| -> Vec<String> {
            told.iter().filter(|line| !line.starts_with(but) && !line.starts_with("wakes")).cloned().collect()
        };
        assert_eq!(others(&told), others(&before));
        told
    };

    let mut more = stored();
    // No shard maps, and then what this build does not know.
    more.state.as_mut().unwrap().extend([0, 7, 7, 7]);
    differs(more, "nothing");

    // Until somebody teaches anew there are no lessons; streams keep those that they have.
    let mut other = stored();
    other.lessons.as_mut().unwrap()[0] = 99;
    differs(other, "lesson ");

    let mut other = stored();
    other.erasures[0] = vec![99, 1, 2, 3];
    let told = differs(other, "erasure ");
    assert_eq!(told.iter().filter(|line| line.starts_with("erasure ")).count(), stored().erasures.len() - 1);
    assert!(Erasure::decode(&[99, 1, 2, 3]).is_err());

    // A state of a later version is refused; without it keys stay revoked and the directory is whole.
    let mut later = stored();
    later.state.as_mut().unwrap()[0] = 99;
    assert!(restore(later.clone()).is_err());
    later.state = None;
    let machine = restore(later).unwrap();
    assert_eq!(machine.view().revoked, ["k1"]);
    assert_eq!(machine.components().count(), restore(stored()).unwrap().components().count());
}

#[test]
fn what_is_taught_after_lessons_that_cannot_be_read_is_newer_than_what_streams_have() {
    let mut stored = frozen::domain_read(DOMAINS.last().unwrap());
    stored.lessons.as_mut().unwrap()[0] = 99;
    let mut machine = DomainMachine::restore(DomainSettings::default(), stored).unwrap();
    assert_eq!(machine.lessons().version, 0, "none are told to who registers");
    let told = machine.view().version;
    let pattern = Reference::of_template("order <*> shipped");
    let teachings =
        vec![(Teaching::Name { pattern, naming: Naming { name: "n".into(), ..Naming::default() } }, String::new())];
    let taught = machine.handle(DomainEvent::Teach { teachings, by: "me".into() }, Timestamp(T0));
    assert!(taught.lessons_changed && machine.lessons().version > told, "{}", machine.lessons().version);
}

#[test]
fn ids_are_links_for_ever() {
    for rows in STREAMS {
        let shelf = Shelf::read(rows);
        let machine = load(&shelf).machine;
        for id in shelf.patterns.keys().filter(|id| **id != PatternId::OVERFLOW) {
            assert_eq!(machine.miner().pattern(*id).map(|pattern| pattern.id), Some(*id));
        }
    }
}
