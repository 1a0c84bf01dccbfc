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
//!
//! What stands behind the key in one epoch and shard has to be the same records in every repetition: those that no earlier
//! epoch has. So nothing is appended under a key while it is not known of some record whether an earlier epoch has it: once
//! a call of such a request has failed, what is left of it fails too, until it is repeated. And the shard of the key itself,
//! its *home*, takes it first, with no records if need be: another body under the same key goes to other shards by its ids,
//! and the home is the one that both meet.

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
    /// They have not: the call failed, or what it asked for was refused.
    Failed(F),
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
    has_failed: bool,
    /// The key's home in the current epoch has taken it.
    is_pinned: bool,
    parts: Vec<Part<F>>,
}

impl<F> Dispatch<F> {
    /// Begins, at `now`, where keys are remembered for `window`.
    pub fn new(map: ShardMap, identity: Identity, now: Timestamp, window: Millis) -> Self {
        let all: Vec<usize> = (0..identity.ids.len()).collect();
        let known = vec![false; all.len()];
        Self {
            map,
            identity,
            now,
            window,
            left: vec![(0, all)],
            known,
            turns: 0,
            has_failed: false,
            is_pinned: false,
            parts: Vec::new(),
        }
    }

    /// The map by which it goes now.
    pub fn map(&self) -> &ShardMap {
        &self.map
    }

    /// The next calls, which may be made side by side; none when every record has its fate. Each has to come back through
    /// [`Dispatch::take`] before this is asked again. `failed` is the fate of records that must not be stored after another
    /// call of the request has failed.
    pub fn next_calls(&mut self, failed: impl Fn() -> F) -> Vec<Step> {
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
            let steps = match before.get(stage).copied() {
                Some(epoch) => self.recalls(stage, epoch, records),
                None if self.has_failed && self.identity.key.is_some() => {
                    self.parts.push(Part { shard: 0, records, fate: failed() });
                    continue;
                }
                None => self.appends(stage, &records),
            };
            if !steps.is_empty() {
                return steps;
            }
        }
    }

    /// Asks the owners of an earlier epoch.
    fn recalls(&mut self, stage: usize, epoch: Epoch, records: Vec<usize>) -> Vec<Step> {
        let current = self.map.current();
        // An id that the same shard keeps in both epochs is found there when it is appended.
        let is_asked = |&at: &usize| {
            let id = self.identity.ids.get(at).copied().flatten();
            self.identity.key.is_some() || id.is_some_and(|id| epoch.shard_of(id) != current.shard_of(id))
        };
        let (asked, passed): (Vec<_>, Vec<_>) = records.into_iter().partition(is_asked);
        let mut steps = self.spread(Mode::Recall, epoch, &asked);
        if !passed.is_empty() {
            self.left.push((stage + 1, passed));
        }
        if let Some(home) = self.home_in(epoch, Mode::Recall)
            && steps.iter().all(|step| step.shard != home.shard)
        {
            steps.push(home);
        }
        steps
    }

    /// Appends, with a key at its home first, and nowhere else before that has taken it.
    fn appends(&mut self, stage: usize, records: &[usize]) -> Vec<Step> {
        let current = self.map.current();
        let mut steps = self.spread(Mode::Append, current, records);
        let Some(home) = self.home_in(current, Mode::Append).filter(|_| !self.is_pinned) else { return steps };
        let first = match steps.iter().position(|step| step.shard == home.shard) {
            Some(at) => steps.swap_remove(at),
            None => home,
        };
        let rest: Vec<usize> = steps.into_iter().flat_map(|step| step.records).collect();
        if !rest.is_empty() {
            self.left.push((stage, rest));
        }
        vec![first]
    }

    /// A call to the shard that keeps the batch key, whatever the ids of its records say: it alone is asked in every
    /// repetition, so that it knows the key if anybody does.
    fn home_in(&self, epoch: Epoch, mode: Mode) -> Option<Step> {
        let key = self.identity.key?;
        let (shard, map) = (epoch.shard_of(key), self.map.clone());
        let key = Some(key_in(key, &epoch));
        Some(Step { mode, map, epoch, shard, key, records: Vec::new(), known: Vec::new() })
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
            Outcome::Settled(fate) => {
                let home = self.identity.key.map(|key| step.epoch.shard_of(key));
                self.is_pinned |= step.mode == Mode::Append && home == Some(step.shard) && step.map == self.map;
                if !step.records.is_empty() {
                    self.parts.push(Part { shard: step.shard, records: step.records, fate });
                }
            }
            Outcome::Failed(fate) => {
                self.has_failed = true;
                self.parts.push(Part { shard: step.shard, records: step.records, fate });
            }
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
                    self.is_pinned = false;
                    // Stages count in the map that is left behind.
                    self.left.iter_mut().for_each(|(stage, _)| *stage = 0);
                }
                if self.turns > TURNS_MAX {
                    self.has_failed = true;
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
