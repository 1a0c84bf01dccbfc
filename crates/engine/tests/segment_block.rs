//! Blocks: any records come back as they were, any bytes are refused or read, and what a filter finds in a block is what
//! it finds in the records.

#![allow(clippy::unwrap_used, reason = "tests say what must hold by unwrapping it")]

use proptest::prelude::*;
use sapwood_engine::fault::{Fault, Fingerprint};
use sapwood_engine::level::Level;
use sapwood_engine::normalize::stack::Language;
use sapwood_engine::pattern::PatternId;
use sapwood_engine::query::{Filter, Subject};
use sapwood_engine::record::{Defect, ErrorType, Frame, Record, Redaction, RedactionKind, Source, Triage, TriageLevel};
use sapwood_engine::segment;
use sapwood_engine::segment::block::{self, Block, BlockError, SourceRow, Stored, Unfit};
use sapwood_engine::time::Timestamp;
use sapwood_engine::triage::record::ACTIONS;
use sapwood_engine::value::{Fields, Value};

/// Rows of a journal, owned.
type Rows = Vec<(u64, Timestamp, Vec<(Record, PatternId)>)>;

fn encode(rows: &Rows) -> Result<Vec<u8>, Unfit> {
    let split: Vec<(Vec<Record>, Vec<PatternId>)> =
        rows.iter().map(|(_, _, records)| records.iter().cloned().unzip()).collect();
    let notes: Vec<Vec<u8>> = rows.iter().map(note).collect();
    let sources: Vec<SourceRow<'_>> = rows
        .iter()
        .zip(&split)
        .zip(&notes)
        .map(|(((seq, at, _), (records, patterns)), note)| SourceRow { seq: *seq, at: *at, records, patterns, note })
        .collect();
    block::encode(&sources)
}

/// What a row says beside its records; every fourth says nothing.
fn note((seq, _, records): &(u64, Timestamp, Vec<(Record, PatternId)>)) -> Vec<u8> {
    vec![records.len() as u8; (*seq % 4) as usize]
}

fn stored(rows: &Rows) -> Vec<Stored> {
    let of_row = |(seq, at, records): &(u64, Timestamp, Vec<(Record, PatternId)>)| {
        let (seq, at) = (*seq, *at);
        let place = move |(index, (record, pattern)): (usize, (Record, PatternId))| Stored {
            seq,
            at,
            index: index as u16,
            pattern,
            record,
        };
        records.clone().into_iter().enumerate().map(place).collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

fn all(block: &Block<'_>) -> Vec<u32> {
    (0..block.summary().records).collect()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => "(order|payment|user|timeout) [0-9]{1,6} (failed|done) in [0-9]{1,3}ms",
        1 => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        1 => "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}:[0-9]{1,5}",
        1 => "[0-9a-f]{32}|[0-9]{1,21}|[0-9]{2}:[0-9]{2}:[0-9]{2}",
        2 => ".{0,20}",
        1 => Just(String::new()),
    ]
    .boxed()
}

fn option() -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(0.3, text())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e18f64..1e18).prop_map(Value::Float),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            proptest::collection::vec(("[a-c]{1,2}", inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    (option(), option(), proptest::option::of(1u32..), proptest::option::of(1u32..9), any::<bool>())
        .prop_map(|(function, file, line, column, in_app)| Frame { function, file, line, column, in_app })
}

fn fault() -> BoxedStrategy<Fault> {
    let texts = (option(), option(), option(), option());
    let causes = proptest::collection::vec(text(), 0..3);
    (any::<u64>(), pick(&Language::ALL), texts, causes)
        .prop_map(|(fingerprint, language, texts, causes)| Fault {
            fingerprint: Fingerprint(fingerprint),
            language,
            exception_type: texts.0,
            function: texts.1,
            file: texts.2,
            causes,
            told: texts.3,
        })
        .boxed()
}

fn pick<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn record() -> BoxedStrategy<Record> {
    let head = (any::<i64>(), 1u8..=24, text(), text(), text(), text());
    let texts = proptest::collection::vec(option(), 18);
    let kinds = (
        pick(&Source::ALL),
        pick(&ErrorType::ALL),
        pick(&TriageLevel::ALL),
        any::<u8>(),
        any::<u8>(),
        proptest::collection::vec(pick(&ACTIONS), 0..3),
    );
    let lists = (
        proptest::collection::vec(frame(), 0..3),
        proptest::collection::vec(text(), 0..3),
        proptest::collection::vec(("[a-d]{1,2}", value()), 0..4),
        proptest::collection::vec(pick(Defect::ALL), 0..3),
        proptest::collection::vec((pick(&RedactionKind::ALL), any::<u32>()), 0..3),
        proptest::option::weighted(0.2, fault()),
    );
    let numbers = (proptest::option::of(any::<f64>()), proptest::option::of(-1e9f64..1e9));
    (head, texts, kinds, lists, numbers)
        .prop_map(|(head, texts, kinds, lists, numbers)| {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().flatten();
            let attributes: Fields = lists.2;
            Record {
                id: next(),
                timestamp: Timestamp(head.0),
                level: Level::from_number(head.1).unwrap(),
                message: head.2,
                component: head.3,
                service: next(),
                environment: head.4,
                source: kinds.0,
                error_type: kinds.1,
                error_code: next(),
                endpoint: next(),
                category: head.5,
                priority: kinds.3,
                user_id: next(),
                session_id: next(),
                request_id: next(),
                trace_id: next(),
                span_id: next(),
                release: next(),
                stack_trace: next(),
                frames: lists.0,
                fault: lists.5.map(Box::new),
                url: next(),
                method: next(),
                ip: next(),
                user_agent: next(),
                // NaN is not equal to itself; that its bits survive is a test of its own.
                duration_ms: numbers.0.filter(|number| !number.is_nan()),
                memory_usage: numbers.1,
                feature: next(),
                workflow: next(),
                tags: lists.1,
                attributes,
                message_template: next(),
                triage: Triage { level: kinds.2, actions: kinds.5 },
                categorization_confidence: kinds.4,
                defects: lists.3,
                redactions: lists.4.into_iter().map(|(kind, count)| Redaction { kind, count }).collect(),
            }
        })
        .boxed()
}

fn rows() -> impl Strategy<Value = Rows> {
    let records = proptest::collection::vec((record(), (0u64..5).prop_map(PatternId)), 0..9);
    proptest::collection::vec((1u64..99, any::<i64>(), records), 1..5)
        .prop_filter("at least one record", |rows| rows.iter().any(|(_, _, records)| !records.is_empty()))
        .prop_map(|rows| {
            let mut seq = 0;
            let mut place = |(gap, at, records)| {
                seq += gap;
                (seq, Timestamp(at), records)
            };
            rows.into_iter().map(&mut place).collect()
        })
}

fn filter() -> impl Strategy<Value = Filter> {
    let word = || proptest::sample::select(vec!["order", "fail", "in 1", "payment 7", "zzz", "7", "ed in", ""]);
    (
        proptest::option::of(any::<i64>()),
        proptest::option::of(any::<i64>()),
        prop_oneof![Just(0u8), 0u8..64],
        proptest::collection::vec(0u64..7, 0..2),
        proptest::collection::vec(word(), 0..2),
        proptest::option::weighted(0.2, text()),
        proptest::option::weighted(0.1, text()),
    )
        .prop_map(|(from, to, levels, patterns, texts, environment, user_id)| Filter {
            from: from.map(Timestamp),
            to: to.map(Timestamp),
            levels,
            patterns: patterns.into_iter().map(PatternId).collect(),
            texts: texts.into_iter().map(str::to_owned).collect(),
            environments: environment.into_iter().collect(),
            user_id,
            ..Filter::default()
        })
}

/// Pattern 4 was merged into pattern 3.
fn resolve(pattern: PatternId) -> PatternId {
    if pattern == PatternId(4) { PatternId(3) } else { pattern }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_records_come_back_as_they_were(rows in rows()) {
        let bytes = encode(&rows).unwrap();
        let block = Block::open(&bytes).unwrap();
        let expected = stored(&rows);
        prop_assert_eq!(&block.records(&all(&block)).unwrap(), &expected);
        prop_assert_eq!(block.summary().records as usize, expected.len());
        let numbers: Vec<_> = block.rows().unwrap().iter().map(|row| (row.seq, row.at, row.count as usize)).collect();
        prop_assert_eq!(numbers, rows.iter().map(|row| (row.0, row.1, row.2.len())).collect::<Vec<_>>());
        prop_assert_eq!(block.notes().unwrap(), rows.iter().map(note).collect::<Vec<_>>());
        for (position, stored) in expected.iter().enumerate() {
            prop_assert_eq!(block.position_of(stored.seq, stored.index).unwrap(), Some(position as u32));
        }
    }

    #[test]
    fn some_records_are_the_same_as_among_all(rows in rows(), choice: u64) {
        let bytes = encode(&rows).unwrap();
        let block = Block::open(&bytes).unwrap();
        let some: Vec<u32> = all(&block).into_iter().filter(|position| choice >> (position % 64) & 1 == 1).collect();
        let expected = stored(&rows);
        let expected: Vec<_> = some.iter().map(|&position| expected[position as usize].clone()).collect();
        prop_assert_eq!(block.records(&some).unwrap(), expected);
    }

    #[test]
    fn a_filter_selects_what_it_matches_record_by_record(rows in rows(), filter in filter()) {
        let bytes = encode(&rows).unwrap();
        let block = Block::open(&bytes).unwrap();
        let matches = |stored: &Stored| filter.matches(&Subject::of(&stored.record, resolve(stored.pattern)));
        let expected: Vec<u32> =
            (0u32..).zip(stored(&rows)).filter(|(_, stored)| matches(stored)).map(|(position, _)| position).collect();
        prop_assert_eq!(&block.select(&filter, &resolve).unwrap(), &expected);
        prop_assert!(expected.is_empty() || block.may_match(&filter, &resolve).unwrap());
    }

    #[test]
    fn any_bytes_are_a_block_or_refused(bytes: Vec<u8>, rows in rows(), changes: Vec<(u16, u8)>, cut: u16) {
        prop_assert!(Block::open(&bytes).is_err());
        // Bytes that someone changed and signed again: the reader may find anything, as long as it ends.
        let mut forged = encode(&rows).unwrap();
        for (position, byte) in changes {
            let position = usize::from(position) % forged.len();
            forged[position] = byte;
        }
        if cut % 4 == 0 {
            forged.truncate(usize::from(cut) % forged.len());
        }
        sign(&mut forged);
        if let Ok(block) = Block::open(&forged) {
            let _records = block.records(&all(&block));
            let _one = block.records(&[0]);
            let _notes = block.notes();
            let texts = vec!["order".to_owned()];
            let _selected = block.select(&Filter { texts, user_id: Some("u".into()), ..Filter::default() }, &resolve);
        }
    }
}

/// Puts the right checksum into a block.
fn sign(block: &mut [u8]) {
    use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
    if block.len() >= 32 {
        let sum = xxh3_64_with_seed(&block[32..], xxh3_64(&block[..24]));
        block[24..32].copy_from_slice(&sum.to_le_bytes());
    }
}

fn line(number: i64) -> (Record, PatternId) {
    let record = Record {
        timestamp: Timestamp(1_763_632_800_000 + 40 * number),
        level: if number % 50 == 0 { Level::ERROR } else { Level::INFO },
        message: format!("payment {} of user-{} took {}ms", number * 7 % 1_000, number % 13, number % 900),
        component: "checkout".into(),
        environment: "production".into(),
        category: "api".into(),
        priority: 3,
        ..Record::default()
    };
    (record, PatternId(7))
}

fn full_record() -> Record {
    Record {
        id: Some("evt-1".into()),
        timestamp: Timestamp(1_763_632_800_123),
        level: Level::ERROR,
        message: "payment failed for order 17 from 10.0.0.7 at 10:11:12".into(),
        component: "checkout".into(),
        service: Some("shop".into()),
        environment: "production".into(),
        source: Source::Backend,
        error_type: ErrorType::Exception,
        error_code: Some("E42".into()),
        endpoint: Some("/orders/{id}".into()),
        category: "api".into(),
        priority: 2,
        user_id: Some("u".into()),
        session_id: Some("s".into()),
        request_id: Some("b9000564-fe1a-409b-b8cc-1e88b294cd1d".into()),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        span_id: Some("b7ad6b7169203331".into()),
        release: Some("1.2.3".into()),
        stack_trace: Some("Error: x\n  at f (a.js:1:2)".into()),
        frames: vec![Frame {
            function: Some("f".into()),
            file: Some("a.js".into()),
            line: Some(1),
            column: Some(2),
            in_app: true,
        }],
        fault: Some(Box::new(Fault {
            fingerprint: Fingerprint(7),
            language: Language::JavaScript,
            exception_type: Some("Error".into()),
            function: Some("f".into()),
            file: Some("a.js".into()),
            causes: vec!["TypeError".into()],
            told: Some("x".into()),
        })),
        url: Some("https://x/y".into()),
        method: Some("GET".into()),
        ip: Some("10.0.0.1".into()),
        user_agent: Some("curl".into()),
        duration_ms: Some(12.5),
        memory_usage: Some(-0.0),
        feature: Some("pay".into()),
        workflow: Some("order".into()),
        tags: vec!["a".into(), "b".into()],
        attributes: vec![
            ("n".into(), Value::Null),
            ("b".into(), Value::Bool(true)),
            ("i".into(), Value::Int(-5)),
            ("f".into(), Value::Float(0.1)),
            ("t".into(), Value::Text("é".into())),
            ("l".into(), Value::List(vec![Value::Int(1), Value::Map(vec![("k".into(), Value::Bool(false))])])),
        ],
        message_template: Some("payment failed for order {id}".into()),
        triage: Triage { level: TriageLevel::High, actions: vec!["api_health_check"] },
        categorization_confidence: 80,
        defects: vec![Defect::ZoneAssumed, Defect::DuplicateField],
        redactions: vec![Redaction { kind: RedactionKind::Card, count: 2 }],
    }
}

/// What the files under `golden/segment` hold.
fn golden_rows() -> Rows {
    let lines = |from, to| (from..to).map(line).collect::<Vec<_>>();
    let mut last = lines(40, 60);
    last.push((full_record(), PatternId(9)));
    vec![
        (3, Timestamp(1_763_632_800_500), lines(0, 30)),
        (4, Timestamp(1_763_632_801_000), Vec::new()),
        (8, Timestamp(1_763_632_802_000), last),
    ]
}

#[test]
fn a_segment_of_version_1_loads_for_ever() {
    let records: Vec<Record> = stored(&golden_rows()).into_iter().map(|stored| stored.record).collect();
    assert_eq!(segment::decode(include_bytes!("golden/segment/segment_v1.bin")), Ok(records));
}

#[test]
fn a_block_of_version_1_loads_for_ever() {
    let block = Block::open(include_bytes!("golden/segment/block_v1.bin")).unwrap();
    assert_eq!(block.records(&all(&block)).unwrap(), stored(&golden_rows()));
    let summary = block.summary();
    assert_eq!((summary.records, summary.rows, summary.seq_first, summary.seq_last), (51, 3, 3, 8));
    assert_eq!((summary.time_min, summary.time_max), (Timestamp(1_763_632_800_000), Timestamp(1_763_632_802_360)));
}

#[test]
fn thousands_of_lines_take_a_few_bytes_each() {
    let rows: Rows =
        (0..50).map(|row| (row as u64 + 1, Timestamp(row), (row * 100..row * 100 + 100).map(line).collect())).collect();
    let bytes = encode(&rows).unwrap();
    assert!(bytes.len() < 5_000 * 4, "{} bytes", bytes.len());
    let block = Block::open(&bytes).unwrap();
    assert_eq!(block.records(&all(&block)).unwrap(), stored(&rows));
    let errors = Filter { levels: 1 << Level::ERROR.class().index(), ..Filter::default() };
    assert_eq!(block.select(&errors, &resolve).unwrap().len(), 100);
}

#[test]
fn what_a_block_cannot_hold_is_told_without_opening_its_columns() {
    let bytes = encode(&golden_rows()).unwrap();
    let block = Block::open(&bytes).unwrap();
    let may = |filter: Filter| block.may_match(&filter, &resolve).unwrap();
    let text = |text: &str| Filter { texts: vec![text.to_owned()], ..Filter::default() };
    assert!(may(Filter::default()));
    assert!(may(text("payment failed")) && may(text("js:1")) && may(text("e42")));
    assert!(!may(text("refund")));
    assert!(!may(Filter { from: Some(Timestamp(1_763_632_802_361)), ..Filter::default() }));
    assert!(!may(Filter { to: Some(Timestamp(1_763_632_800_000)), ..Filter::default() }));
    assert!(!may(Filter { levels: 1, ..Filter::default() }));
    assert!(!may(Filter { patterns: vec![PatternId(8)], ..Filter::default() }));
    assert!(may(Filter { patterns: vec![PatternId(9)], ..Filter::default() }));
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let bytes = encode(&golden_rows()).unwrap();
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x10;
        assert!(Block::open(&damaged).is_err(), "byte {position}");
    }
    for length in 0..bytes.len() {
        assert!(Block::open(&bytes[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn an_encrypted_block_is_refused_by_its_algorithm_and_key() {
    let mut bytes = encode(&golden_rows()).unwrap();
    bytes[6] = 1;
    bytes[8..12].copy_from_slice(&77u32.to_le_bytes());
    sign(&mut bytes);
    let error = Block::open(&bytes).unwrap_err();
    assert_eq!(error, BlockError::Sealed { algorithm: 1, key_id: 77 });
    assert_eq!(error.to_string(), "encrypted: algorithm 1, key 77");
}

#[test]
fn no_text_stands_in_the_clear() {
    let bytes = encode(&golden_rows()).unwrap();
    let block = Block::open(&bytes).unwrap();
    let clear: usize = block.section_bytes().filter(|(tag, _)| *tag < 0x40).map(|(_, bytes)| bytes).sum();
    let sections = block.section_bytes().count();
    let head = &bytes[..76 + 5 * sections + clear];
    for word in ["payment", "checkout", "production", "10.0.0", "b9000564"] {
        assert!(!head.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
    let tags: Vec<u8> = block.section_bytes().map(|(tag, _)| tag).collect();
    assert!(tags.is_sorted(), "what is clear comes first");
}

#[test]
fn what_does_not_fit_is_refused_and_says_why() {
    assert_eq!(encode(&vec![]), Err(Unfit::Empty));
    assert_eq!(encode(&vec![(1, Timestamp(1), vec![])]), Err(Unfit::Empty));
    let twice = vec![(1, Timestamp(1), vec![line(1)]), (1, Timestamp(1), vec![line(2)])];
    assert_eq!(encode(&twice), Err(Unfit::Disorder));
    let records = [line(1).0];
    let row = SourceRow { seq: 1, at: Timestamp(1), records: &records, patterns: &[], note: &[] };
    assert_eq!(block::encode(&[row]), Err(Unfit::Disorder));
    // Text that nothing compresses, 2.4 MB of it.
    let mut state = 7u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33) as u8 % 94)
    };
    let loud = (0..40).map(|_| {
        let message: String = (0..60_000).map(|_| noise()).collect();
        (Record { message, ..Record::default() }, PatternId(1))
    });
    assert_eq!(encode(&vec![(1, Timestamp(1), loud.collect())]), Err(Unfit::TooLarge));
}

#[test]
fn floats_keep_their_bits() {
    let odd = [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE / 3.0, 1e300, 0.1];
    let records = odd.map(|number| (Record { duration_ms: Some(number), ..Record::default() }, PatternId(1)));
    let bytes = encode(&vec![(1, Timestamp(1), records.to_vec())]).unwrap();
    let block = Block::open(&bytes).unwrap();
    let back = block.records(&all(&block)).unwrap();
    let bits: Vec<u64> = back.iter().map(|stored| stored.record.duration_ms.unwrap().to_bits()).collect();
    assert_eq!(bits, odd.map(f64::to_bits));
}

#[test]
fn positions_beyond_the_block_are_refused() {
    let bytes = encode(&golden_rows()).unwrap();
    let block = Block::open(&bytes).unwrap();
    assert!(block.records(&[51]).is_err());
    assert!(block.records(&[5, 4_000_000_000]).is_err());
    assert_eq!(block.position_of(4, 0), Ok(None));
    assert_eq!(block.position_of(8, 21), Ok(None));
    assert_eq!(block.position_of(9, 0), Ok(None));
    assert_eq!(block.position_of(8, 20), Ok(Some(50)));
}
