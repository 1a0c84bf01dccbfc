//! What clients sent and were told: the truth that the checkers hold against everything else.

use super::message::{AppendAnswer, Piece};
use crate::random::Random;
use sapwood_engine::level::Level;
use sapwood_engine::machine::row::{BatchKey, Receipt};
use sapwood_engine::machine::stream::{Batch, Recall, Under};
use sapwood_engine::record::Record;
use sapwood_engine::segment;
use sapwood_engine::shard::{Identity, Mode, id_hash};
use sapwood_engine::time::Timestamp;
use std::collections::BTreeSet;
use std::ops::Range;

/// How a batch can be told from its retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// It has a key.
    Key,
    /// Its records have ids.
    Ids,
    /// Not at all: it is sent once.
    Nothing,
}

/// A batch and what became of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// To which component.
    pub stream: usize,
    /// What is sent.
    pub batch: Batch,
    /// Numbers of its records, each in `request_id`.
    pub uids: Range<u64>,
    /// How a retry is told.
    pub declared: Declared,
    /// The batch whose key this one takes for another body.
    pub steals_from: Option<usize>,
    /// When it was first sent.
    pub first_at: i64,
    /// How often it was sent.
    pub attempts: u32,
    /// How often it reached its object.
    pub arrivals: u32,
    /// Every receipt that the client got, and whether it was called a replay.
    pub receipts: Vec<(Receipt, bool)>,
    /// Whether it was refused for good.
    pub refused: Option<AppendAnswer>,
    /// Whether its credential was revoked, everywhere, before it was sent.
    pub is_revoked: bool,
}

/// All batches.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By number.
    pub sent: Vec<Sent>,
    /// Keys that were revoked everywhere.
    pub revoked: BTreeSet<String>,
    next_uid: u64,
    /// Whether records of batches with a key have ids of their own, some of them: only shards tell them apart.
    mixes: bool,
}

const WORDS: [&str; 8] = ["alpha", "bravo", "cedar", "delta", "ember", "fjord", "grove", "haven"];
const STATEMENTS: [(&str, Level); 12] = [
    ("request {n} done", Level::INFO),
    ("cache miss for {w}", Level::INFO),
    ("user {w} signed in from {n}", Level::INFO),
    ("retry {n} of {n}", Level::WARN),
    ("slow query took {n} ms", Level::WARN),
    ("payment {n} failed", Level::ERROR),
    ("connection to {w} lost after {n} tries", Level::ERROR),
    ("cannot open {w} file", Level::ERROR),
    ("checksum {n} is wrong", Level::ERROR),
    ("queue is full", Level::ERROR),
    ("heartbeat", Level::DEBUG),
    ("disk {n} is gone", Level::FATAL),
];

impl Ledger {
    /// Nothing was sent yet. `mixes`: records of batches with a key have ids of their own, some of them.
    pub fn new(mixes: bool) -> Self {
        Self { mixes, ..Self::default() }
    }

    /// A batch for `stream`, made at `now`; its number. Now and then one takes the key of another, if it may.
    pub fn make(
        &mut self,
        stream: usize,
        now: i64,
        key_id: Option<String>,
        may_steal: bool,
        random: &mut Random,
    ) -> usize {
        let number = self.sent.len();
        let stolen = (may_steal && random.permille(40)).then(|| self.stealable(stream)).flatten();
        let declared = match random.below(10) {
            _ if stolen.is_some() => Declared::Key,
            0..5 => Declared::Key,
            5..8 => Declared::Ids,
            _ => Declared::Nothing,
        };
        let count = 1 + random.skewed(30);
        let uids = self.next_uid..self.next_uid + count;
        self.next_uid += count;
        let mut records: Vec<Record> = uids.clone().map(|uid| record(uid, now, random)).collect();
        if declared == Declared::Ids {
            for (record, uid) in records.iter_mut().zip(uids.clone()) {
                record.id = Some(format!("id-{uid}"));
            }
            // Within a batch an id may come twice; the second is a duplicate.
            if random.permille(50)
                && let [first, .., last] = records.as_mut_slice()
            {
                last.id = first.id.clone();
            }
        }
        if self.mixes && declared == Declared::Key && number.is_multiple_of(2) {
            for (record, uid) in records.iter_mut().zip(uids.clone()).filter(|(_, uid)| uid % 3 != 0) {
                record.id = Some(format!("id-{uid}"));
            }
        }
        let key = match (declared, stolen) {
            (Declared::Key, Some(victim)) => {
                let hash = self.sent.get(victim).and_then(|sent| sent.batch.key).map_or(0, |key| key.hash);
                Some(BatchKey { hash, fingerprint: number as u64 + 1 })
            }
            (Declared::Key, None) => Some(BatchKey { hash: random.next_u64() | 1, fingerprint: number as u64 + 1 }),
            _ => None,
        };
        let batch =
            Batch { key, key_id, segments: segment::encode(&records), rejected: random.below(3) as u32, under: None };
        self.sent.push(Sent {
            stream,
            batch,
            uids,
            declared,
            steals_from: stolen,
            first_at: 0,
            attempts: 0,
            arrivals: 0,
            receipts: Vec::new(),
            refused: None,
            is_revoked: false,
        });
        number
    }

    /// What an object gets of a batch.
    pub fn batch_of(&self, piece: &Piece) -> Batch {
        let whole = &self.sent[piece.sent].batch;
        let Some(step) = &piece.step else { return whole.clone() };
        let all: Vec<Record> =
            whole.segments.iter().flat_map(|segment| segment::decode(segment).unwrap_or_default()).collect();
        let records: Vec<Record> = step.records.iter().filter_map(|&at| all.get(at).cloned()).collect();
        let id = |record: &Record| record.id.as_ref().map_or(0, |id| id_hash(id));
        let recall = (step.mode == Mode::Recall)
            .then(|| Recall { records: records.len() as u32, ids: records.iter().map(id).collect() });
        let fingerprint = whole.key.map_or(0, |key| key.fingerprint);
        Batch {
            key: step.key.map(|hash| BatchKey { hash, fingerprint }),
            key_id: whole.key_id.clone(),
            segments: if recall.is_some() { Vec::new() } else { segment::encode(&records) },
            rejected: if step.records.first() == Some(&0) { whole.rejected } else { 0 },
            under: Some(Under { map: step.map.clone(), known: step.known.clone(), recall }),
        }
    }

    /// By what a retry of a batch is known.
    pub fn identity_of(&self, number: usize) -> Identity {
        let sent = &self.sent[number];
        let all = sent.batch.segments.iter().flat_map(|segment| segment::decode(segment).unwrap_or_default());
        let ids = all.map(|record| record.id.as_ref().map(|id| id_hash(id))).collect();
        Identity { key: sent.batch.key.map(|key| key.hash), any: sent.uids.start << 32, ids }
    }

    /// A batch that was stored under its key.
    fn stealable(&self, stream: usize) -> Option<usize> {
        self.sent.iter().rposition(|sent| {
            sent.stream == stream
                && sent.steals_from.is_none()
                && sent.declared == Declared::Key
                && !sent.receipts.is_empty()
        })
    }
}

fn record(uid: u64, now: i64, random: &mut Random) -> Record {
    let (statement, level) = *random.pick(&STATEMENTS);
    let mut message = String::new();
    for part in statement.split_inclusive('}') {
        match part.split_once('{') {
            Some((text, "n}")) => message.push_str(&format!("{text}{}", random.below(100_000))),
            Some((text, "w}")) => message.push_str(&format!("{text}{}", random.pick(&WORDS))),
            _ => message.push_str(part),
        }
    }
    let age = match random.below(20) {
        0 => random.below(3 * 3_600_000),
        1..4 => random.below(240_000),
        _ => random.below(2_000),
    };
    Record {
        message,
        level,
        timestamp: Timestamp(now - age as i64),
        environment: "test".into(),
        endpoint: random.permille(300).then(|| format!("/{}", random.pick(&WORDS))),
        request_id: Some(uid.to_string()),
        user_id: random.permille(500).then(|| format!("u{}", random.skewed(200))),
        duration_ms: random.permille(500).then(|| random.gap(40) as f64),
        ..Record::default()
    }
}
