//! Getting the records of one request for one component to its shards, each exactly once.
//!
//! A record goes to the shard of its id, one without an id to that of the batch key, one without either to any, the same
//! for the whole request. While keys of earlier epochs are remembered, their owners are asked first, oldest epoch first:
//! those records that one of them has with this batch key are answered from there and go no further; the ids that it
//! knows are passed on, so that the new owner takes them for the duplicates they are. What is left is appended under the
//! current epoch. The key of a batch is another one in each epoch ([`Step::key`]), because in each other records of the
//! batch stand behind it.
//!
//! A shard that knows a newer map answers with it; then the records of that step begin anew under the newer map.

use super::{Epoch, ShardMap};
use crate::time::{Millis, Timestamp};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Answers with a newer map that one request follows: a map changes a few times a day, and every shard may say so once.
const TURNS_MAX: u32 = 4 * super::SHARDS_MAX as u32;

/// By what a retry of a request is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Hash of the batch key for this component, if there is one.
    pub key: Option<u64>,
    /// Where records go that have no id while there is no key: any number, the same for the whole request.
    pub any: u64,
    /// Hash of each record's own id.
    pub ids: Vec<Option<u64>>,
}

/// What a shard is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To say what it knows of the batch key and the ids.
    Recall,
    /// To store.
    Append,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What for.
    pub mode: Mode,
    /// The map to show: the one by which this call was planned, whatever was learnt since.
    pub map: ShardMap,
    /// The epoch under which the shard is meant.
    pub epoch: Epoch,
    /// Which shard.
    pub shard: u16,
    /// Hash of the batch key in this epoch.
    pub key: Option<u64>,
    /// Which records of the request, by place, in order.
    pub records: Vec<usize>,
    /// Those of them (by place among `records`) whose ids another shard knows.
    pub known: Vec<u32>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<F> {
    /// The records of the call have their fate.
    Settled(F),
    /// Asked for what it knows, the shard knows these ids (by place among the call's records), and not the key.
    Unknown(Vec<u32>),
    /// The shard knows a newer map and did nothing.
    Newer(ShardMap),
}

/// Records of a request that have their fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<F> {
    /// The shard that decided.
    pub shard: u16,
    /// Which records, by place in the request, in the order in which the shard saw them.
    pub records: Vec<usize>,
    /// What became of them.
    pub fate: F,
}

/// One request's records for one component, on their way.
#[derive(Clone, Debug)]
pub struct Dispatch<F> {
    map: ShardMap,
    identity: Identity,
    now: Timestamp,
    window: Millis,
    /// Records whose next step is of this stage: earlier epochs in order, then the append.
    left: Vec<(usize, Vec<usize>)>,
    known: Vec<bool>,
    turns: u32,
    parts: Vec<Part<F>>,
}

impl<F> Dispatch<F> {
    /// Begins, at `now`, where keys are remembered for `window`.
    pub fn new(map: ShardMap, identity: Identity, now: Timestamp, window: Millis) -> Self {
        let all: Vec<usize> = (0..identity.ids.len()).collect();
        let known = vec![false; all.len()];
        Self { map, identity, now, window, left: vec![(0, all)], known, turns: 0, parts: Vec::new() }
    }

    /// The map by which it goes now.
    pub fn map(&self) -> &ShardMap {
        &self.map
    }

    /// The next calls, which may be made side by side; none when every record has its fate. Each has to come back through
    /// [`Dispatch::take`] before this is asked again.
    pub fn next_calls(&mut self) -> Vec<Step> {
        loop {
            let Some(stage) = self.left.iter().map(|(stage, _)| *stage).min() else { return Vec::new() };
            let mut records: Vec<usize> = Vec::new();
            self.left.retain(|(of, more)| {
                if *of == stage {
                    records.extend_from_slice(more);
                }
                *of != stage
            });
            records.sort_unstable();
            let before = self.map.before(self.now, self.window);
            let Some(epoch) = before.get(stage).copied() else {
                return self.spread(Mode::Append, self.map.current(), &records);
            };
            let current = self.map.current();
            // An id that the same shard keeps in both epochs is found there when it is appended.
            let is_asked = |&at: &usize| {
                let id = self.identity.ids.get(at).copied().flatten();
                self.identity.key.is_some() || id.is_some_and(|id| epoch.shard_of(id) != current.shard_of(id))
            };
            let (asked, passed): (Vec<_>, Vec<_>) = records.into_iter().partition(is_asked);
            let asked = self.spread(Mode::Recall, epoch, &asked);
            if !passed.is_empty() {
                self.left.push((stage + 1, passed));
            }
            if !asked.is_empty() {
                return asked;
            }
        }
    }

    /// One call for each shard that keeps some of the records under an epoch.
    fn spread(&self, mode: Mode, epoch: Epoch, records: &[usize]) -> Vec<Step> {
        let without_id = self.identity.key.unwrap_or(self.identity.any);
        let mut steps: Vec<Step> = Vec::new();
        for &at in records {
            let id = self.identity.ids.get(at).copied().flatten();
            let shard = epoch.shard_of(id.unwrap_or(without_id));
            let place = steps.iter().position(|step| step.shard == shard).unwrap_or_else(|| {
                let key = self.identity.key.map(|key| key_in(key, &epoch));
                let (records, known, map) = (Vec::new(), Vec::new(), self.map.clone());
                steps.push(Step { mode, map, epoch, shard, key, records, known });
                steps.len() - 1
            });
            if let Some(step) = steps.get_mut(place) {
                if self.known.get(at) == Some(&true) {
                    step.known.push(step.records.len() as u32);
                }
                step.records.push(at);
            }
        }
        steps
    }

    /// What came of a call. `failed` is the fate of records that no shard takes because maps change too fast.
    pub fn take(&mut self, step: Step, outcome: Outcome<F>, failed: impl FnOnce() -> F) {
        match outcome {
            Outcome::Settled(fate) => self.parts.push(Part { shard: step.shard, records: step.records, fate }),
            Outcome::Unknown(known) => {
                for at in known.iter().filter_map(|&place| step.records.get(place as usize)) {
                    if let Some(known) = self.known.get_mut(*at) {
                        *known = true;
                    }
                }
                let before = self.map.before(self.now, self.window);
                let stage = before.iter().position(|epoch| *epoch == step.epoch).map_or(0, |at| at + 1);
                self.left.push((stage, step.records));
            }
            Outcome::Newer(map) => {
                self.turns += 1;
                if map.is_newer_than(&self.map) {
                    self.map = map;
                    // Stages count in the map that is left behind.
                    self.left.iter_mut().for_each(|(stage, _)| *stage = 0);
                }
                if self.turns > TURNS_MAX {
                    self.parts.push(Part { shard: step.shard, records: step.records, fate: failed() });
                } else {
                    self.left.push((0, step.records));
                }
            }
        }
    }

    /// The fates, once there are no more calls.
    pub fn into_parts(self) -> Vec<Part<F>> {
        self.parts
    }
}

/// The hash of a batch key in an epoch. In the first it is the key's own, as before there were epochs.
fn key_in(key: u64, epoch: &Epoch) -> u64 {
    if epoch.number == 0 { key } else { xxh3_64_with_seed(&key.to_le_bytes(), u64::from(epoch.number)) }
}
