//! What a stream object knows of the shards of its component: how the component is spread, and, where this is not shard
//! 0, how far the lead has heard of what came here.
//!
//! It is a row of its own, so that builds that do not know it read all others. A new map is an event of the journal too: it
//! has to hold before anybody is answered under it.

use super::{Effects, StreamMachine, state};
use crate::bytes::{ReadError, Reader, Writer};
use crate::limits;
use crate::machine::sink::Sink;
use crate::pattern::PatternId;
use crate::shard::{Heat, ShardMap};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u8 = 1;

/// Under which map a batch was sent, if its component was ever split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Under {
    /// The map.
    pub map: ShardMap,
    /// Records of the batch, by place, whose ids another shard knows.
    pub known: Vec<u32>,
    /// Set if nothing is to be stored: the caller only wants to hear what is known here.
    pub recall: Option<Recall>,
}

/// A question: does this object know the batch key, or these ids?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recall {
    /// Records that stand behind the key.
    pub records: u32,
    /// Hash of the own id of each of them, 0 for none.
    pub ids: Vec<u64>,
}

/// How far a shard's facts were taken by the lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Last row.
    pub seq: u64,
    /// When it was received: an object that began anew counts its rows from 1 again, later.
    pub at: Timestamp,
}

/// See the module's story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sharding {
    pub map: ShardMap,
    /// Of the lead: how far it has heard the others.
    pub heard: BTreeMap<u16, Heard>,
    /// Of the lead: what it calls the patterns that others call otherwise.
    pub called: BTreeMap<PatternId, PatternId>,
    /// Of the others: how far the lead has heard.
    pub lead: Sink,
    /// Of the others: patterns that the lead knows.
    pub told: BTreeSet<PatternId>,
    /// When to tell the lead next; not kept.
    pub tell_at: Option<Timestamp>,
    /// How much comes; not kept.
    pub heat: Heat,
    /// Whether the row says something else.
    pub is_changed: bool,
}

impl Sharding {
    /// Takes over a newer map; false if it is none.
    pub(super) fn adopt(&mut self, map: &ShardMap) -> bool {
        let is_newer = map.is_newer_than(&self.map);
        if is_newer {
            self.map = map.clone();
            self.is_changed = true;
        }
        is_newer
    }

    /// The row, if it has to be written.
    pub(super) fn take_row(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.is_changed).then(|| self.write())
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.bytes(&self.map.encode());
        out.uint(self.heard.len() as u64);
        for (shard, heard) in &self.heard {
            out.uint(u64::from(*shard));
            out.uint(heard.seq);
            out.int(heard.at.0);
        }
        out.uint(self.called.len() as u64);
        for (theirs, ours) in &self.called {
            out.u64_fixed(theirs.0);
            out.u64_fixed(ours.0);
        }
        out.bytes(&self.lead.encode());
        out.uint(self.told.len() as u64);
        for pattern in &self.told {
            out.u64_fixed(pattern.0);
        }
        out.into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of the sharding"));
        }
        let mut read = Self { map: ShardMap::decode(input.bytes()?)?, ..Self::default() };
        for _ in 0..input.count()? {
            let shard = u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?;
            read.heard.insert(shard, Heard { seq: input.uint()?, at: Timestamp(input.int()?) });
        }
        for _ in 0..input.count()? {
            let theirs = PatternId(input.u64_fixed()?);
            read.called.insert(theirs, PatternId(input.u64_fixed()?));
        }
        read.lead = Sink::decode(input.bytes()?)?;
        for _ in 0..input.count()? {
            read.told.insert(PatternId(input.u64_fixed()?));
        }
        Ok(read)
    }

    /// Remembers what the lead calls a pattern of another shard. The room is that of the patterns of all shards; when it
    /// is full those that are asked for again come again.
    pub(super) fn call(&mut self, theirs: PatternId, ours: PatternId) {
        if theirs == ours {
            return;
        }
        if self.called.len() >= limits::PATTERNS_MAX * usize::from(crate::shard::SHARDS_MAX) {
            self.called.clear();
        }
        self.called.insert(theirs, ours);
        self.is_changed = true;
    }
}

impl StreamMachine {
    /// Whether this is a shard that only stores and counts, and tells the lead.
    pub fn is_follower(&self) -> bool {
        self.identity.shard != 0
    }

    /// Takes over a newer map, durably: from then on what comes under an older one is refused.
    pub(super) fn take_map(&mut self, map: &ShardMap, now: Timestamp, effects: &mut Effects) {
        if self.sharding.adopt(map) {
            effects.rows.push(self.event_row(state::encode_spread(map), now));
            self.set_dirty(now);
        }
    }

    /// How the component is spread, as far as this object knows.
    pub fn shard_map(&self) -> &ShardMap {
        &self.sharding.map
    }

    /// The last row of another shard that this object, the lead, has heard of; 0 if none.
    pub fn heard_from(&self, shard: u16) -> u64 {
        self.sharding.heard.get(&shard).map_or(0, |heard| heard.seq)
    }

    /// How far the lead has heard of what came here.
    pub fn lead(&self) -> &Sink {
        &self.sharding.lead
    }

    /// What other shards call patterns of this one: theirs, ours.
    pub fn called(&self) -> impl Iterator<Item = (PatternId, PatternId)> {
        self.sharding.called.iter().map(|(theirs, ours)| (*theirs, self.miner.resolve(*ours)))
    }

    /// The row of what is known of shards, for the store.
    pub fn write_sharding(&mut self) -> Option<Vec<u8>> {
        self.sharding.take_row()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Millis;

    #[test]
    fn what_is_known_of_shards_survives_its_bytes() {
        let mut sharding = Sharding::default();
        assert_eq!(sharding.take_row(), None);
        let map = ShardMap::default().changed(4, Timestamp(5), Millis(10)).unwrap();
        assert!(sharding.adopt(&map) && !sharding.adopt(&map) && !sharding.adopt(&ShardMap::default()));
        sharding.heard.insert(3, Heard { seq: 7, at: Timestamp(8) });
        sharding.call(PatternId(1), PatternId(2));
        sharding.call(PatternId(3), PatternId(3));
        sharding.lead.advanced(9, 0, 4, 0);
        sharding.told.insert(PatternId(6));
        let row = sharding.take_row().unwrap();
        assert_eq!(Sharding::read(&row), Ok(sharding.clone()));
        assert_eq!(sharding.called.len(), 1);
        for cut in 0..row.len() {
            assert!(Sharding::read(&row[..cut]).is_err());
        }
        assert!(Sharding::read(&[9]).is_err());
    }
}
