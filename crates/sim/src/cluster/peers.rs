//! D1, the data service and the targets of alerts, as models: what they hold, and what they say of it.

use super::message::{Answer, Call, Flush, PatternRow, Swept};
use super::mutant::Mutant;
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;

/// The database.
#[derive(Debug, Default)]
pub struct D1 {
    /// Which database this is; another one after it was dropped.
    pub epoch: u64,
    /// Whose records they are and when they were received, by stream and id.
    pub records: BTreeMap<(usize, String), (Option<String>, Timestamp)>,
    /// Patterns with the sequence up to which they are true.
    pub patterns: BTreeMap<(usize, String), (PatternRow, u64)>,
    /// Counts of hours and series, likewise.
    pub rollups: BTreeMap<(usize, (i64, String)), (u64, u64)>,
}

impl D1 {
    /// Everything is gone.
    pub fn drop_all(&mut self) {
        *self = Self { epoch: self.epoch + 1, ..Self::default() };
    }

    /// Performs a flush: all of it. Nothing is replaced by what is older.
    fn write(&mut self, flush: &Flush, mutant: Option<Mutant>) {
        let ignores = mutant == Some(Mutant::D1IgnoresSequence);
        self.records.extend(flush.records.iter().map(|(id, of)| ((flush.stream, id.clone()), of.clone())));
        for (id, row) in &flush.patterns {
            put(&mut self.patterns, (flush.stream, id.clone()), (row.clone(), flush.seq), ignores);
        }
        for (key, count) in &flush.rollups {
            put(&mut self.rollups, (flush.stream, key.clone()), (*count, flush.seq), ignores);
        }
    }
}

fn put<K: Ord, V: Default>(rows: &mut BTreeMap<K, (V, u64)>, key: K, new: (V, u64), ignores: bool) {
    let known = rows.entry(key).or_default();
    if ignores || new.1 >= known.1 {
        *known = new;
    }
}

/// All that lies outside.
#[derive(Debug, Default)]
pub struct Peers {
    /// The database.
    pub d1: D1,
    /// Ids that the data service holds, with how often each came.
    pub service: BTreeMap<String, u32>,
    /// Alerts by target, with how often each came.
    pub targets: Vec<BTreeMap<String, u32>>,
}

impl Peers {
    /// Performs a call. `epoch` is the database that a flush was meant for.
    pub fn perform(&mut self, target: Option<usize>, call: &Call, mutant: Option<Mutant>) -> Answer {
        match call {
            Call::Epoch => Answer::Epoch(self.d1.epoch),
            Call::Flush(flush) => {
                self.d1.write(flush, mutant);
                Answer::Done
            }
            Call::Records(ids) => {
                for id in ids.iter() {
                    *self.service.entry(id.clone()).or_insert(0) += 1;
                }
                Answer::Taken(ids.len())
            }
            Call::Sweep(Swept::Streams(streams)) => {
                self.d1.records.retain(|(of, _), _| !streams.contains(of));
                self.d1.patterns.retain(|(of, _), _| !streams.contains(of));
                self.d1.rollups.retain(|(of, _), _| !streams.contains(of));
                Answer::Done
            }
            Call::Sweep(Swept::User(user, until)) => {
                let is_meant = |of: usize, at| until.get(&of).is_some_and(|until| at <= *until);
                self.d1.records.retain(|(of, _), (theirs, at)| theirs.as_ref() != Some(user) || !is_meant(*of, *at));
                Answer::Done
            }
            Call::Deliver(id) => {
                if let Some(seen) = target.and_then(|target| self.targets.get_mut(target)) {
                    *seen.entry(id.clone()).or_insert(0) += 1;
                }
                Answer::Done
            }
            _ => Answer::Failed,
        }
    }
}
