//! Batches of records as a service would send them: about 250 bytes each, messages of the simulator, ids of their own.

use sapwood_sim::{Options, Workload};

/// Different messages; the miner sees many lines of few shapes, as in life.
const MESSAGES: usize = 2_048;
/// Bytes of a message at most: the simulator's stack traces are left out.
const MESSAGE_BYTES_MAX: usize = 240;

/// Makes the bodies of batches.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Level and message as JSON: `"level":"info","message":"..."`.
    parts: Vec<String>,
    run: String,
    has_ids: bool,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The `Idempotency-Key`.
    pub key: String,
    /// Where the records go.
    pub component: String,
    /// How many records.
    pub records: usize,
    /// Ids of the records, in order; empty if they have none of their own.
    pub ids: Vec<String>,
    /// A JSON array.
    pub body: Vec<u8>,
}

impl Payload {
    /// Records of the world of `seed`; `run` makes their ids and the keys of batches unique.
    pub fn new(seed: u64, run: &str) -> Self {
        let lines = Workload::new(seed, Options::default());
        let parts = lines
            .filter(|line| !line.text.contains('\n') && line.text.len() <= MESSAGE_BYTES_MAX)
            .take(MESSAGES)
            .map(|line| {
                format!(r#""level":"{}","message":{}"#, line.severity.word(), serde_json::Value::from(line.text))
            })
            .collect();
        Self { parts, run: run.to_owned(), has_ids: true }
    }

    /// The same records without ids of their own, as most services send them.
    pub fn without_ids(self) -> Self {
        Self { has_ids: false, ..self }
    }

    /// Batch number `number` of `records` records for `component`, happening at `now_ms`.
    pub fn batch(&self, number: u64, records: usize, component: String, now_ms: i64) -> Batch {
        let mut body = String::with_capacity(records * 260 + 2);
        let mut ids = Vec::with_capacity(records);
        body.push('[');
        for place in 0..records {
            let part = &self.parts[(number as usize).wrapping_mul(records).wrapping_add(place) % self.parts.len()];
            if place > 0 {
                body.push(',');
            }
            body.push('{');
            if self.has_ids {
                let id = format!("{}-{number}-{place}", self.run);
                body.push_str(&format!(r#""id":"{id}","#));
                ids.push(id);
            }
            body.push_str(&format!(r#""timestamp":{now_ms},"component":"{component}",{part}}}"#));
        }
        body.push(']');
        Batch { key: format!("{}-{number}", self.run), component, records, ids, body: body.into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn records_are_valid_of_a_usual_size_and_never_share_an_id() {
        let payload = Payload::new(1, "r");
        let mut ids = BTreeSet::new();
        let mut bytes = 0;
        for number in 0..50 {
            let batch = payload.batch(number, 20, "load-0".into(), 7);
            let records: Vec<serde_json::Value> = serde_json::from_slice(&batch.body).unwrap();
            assert_eq!((records.len(), &records[3]["timestamp"]), (20, &7.into()));
            assert_eq!(records[3]["id"].as_str(), Some(batch.ids[3].as_str()));
            bytes += batch.body.len();
            ids.extend(batch.ids);
        }
        assert_eq!(ids.len(), 1_000);
        assert!((170..300).contains(&(bytes / 1_000)), "{} bytes a record", bytes / 1_000);
    }

    #[test]
    fn the_corpus_is_frozen() {
        let payload = Payload::new(1, "r").without_ids();
        let bytes: Vec<u8> = (0..21).flat_map(|number| payload.batch(number, 100, "load-0".into(), 7).body).collect();
        // FNV-1a: whoever changes the lines changes every figure that was ever compared; do it knowingly.
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!((bytes.len(), hash), (454_557, 8_555_815_944_750_918_154));
    }

    #[test]
    fn a_seed_gives_the_same_bytes() {
        let body = |seed| Payload::new(seed, "r").batch(3, 5, "c".into(), 0).body;
        assert_eq!(body(1), body(1));
        assert_ne!(body(1), body(2));
    }
}
