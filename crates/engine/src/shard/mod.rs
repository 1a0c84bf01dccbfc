//! A component that is too hot for one thread is spread over several objects, its *shards*, and comes together again.
//!
//! A [`ShardMap`] says over how many objects the records of a component are spread, and over how many they were before:
//! each change begins an *epoch*. Nobody has to learn of a change at once. Whoever sends records names the epoch that it
//! knows; an object takes over any newer map that it is shown, durably and before it answers, and from then on refuses
//! what comes under an older one, with the map. So a change needs no agreement and no pause.
//!
//! What makes retries free (batch keys, record ids) is remembered by the object that stored them first. While a retry of
//! an older epoch may still come, its owner under that epoch is asked before anything is stored elsewhere; being asked
//! shows it the newest map, so that nothing can arrive there behind the question ([`Dispatch`]).
//!
//! Left out: who decides on a change (`machine/domain/sharding.rs`), how hot is hot ([`Heat`]), and how the shards are one
//! component to its detectors (`machine/stream/forwarding.rs`).

mod dispatch;
mod heat;

pub use dispatch::{Dispatch, Identity, Mode, Outcome, Part, Step};
pub use heat::{Heat, HeatPolicy};

use crate::bytes::{ReadError, Reader, Writer};
use crate::time::{Millis, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

/// Shards that a component may have: at a capacity of some ten thousand records a second each, a million.
pub const SHARDS_MAX: u16 = 16;
/// Epochs that a map remembers, the current one among them. While it is full nothing can be changed: each costs every
/// retry a question.
pub const EPOCHS_MAX: usize = 5;
/// Clocks of edges and objects differ by less.
const MARGIN: Millis = Millis::from_mins(5);
const VERSION: u8 = 1;

/// Hash of a record's own id: what shards remember, and by what the record is routed.
pub fn id_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

/// A time during which a component was spread in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Grows with each change: about the second of its beginning. 0 is that of a component that was never split.
    pub number: u32,
    /// Objects, 1 to [`SHARDS_MAX`].
    pub shards: u16,
    /// When it began.
    pub since: Timestamp,
}

impl Epoch {
    /// The whole component in one object, since ever.
    const FIRST: Self = Self { number: 0, shards: 1, since: Timestamp(i64::MIN) };

    /// The shard that keeps what has this hash.
    pub fn shard_of(&self, hash: u64) -> u16 {
        // The high bits: callers' own hash tables use the low ones.
        ((hash >> 32) % u64::from(self.shards.max(1))) as u16
    }
}

/// How a component's records are spread, and were. The default: it was never split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardMap {
    /// Those that a retry may still belong to, oldest first, and the current one. Empty: never split.
    epochs: Vec<Epoch>,
}

/// Why a component cannot be spread in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardFault {
    /// Not 1 to [`SHARDS_MAX`].
    Count,
    /// It changed too often: not before this instant.
    TooOften(Timestamp),
    /// How it is spread was written by a later build, which alone may change it.
    Unread,
}

impl ShardMap {
    /// How it is spread now.
    pub fn current(&self) -> Epoch {
        self.epochs.last().copied().unwrap_or(Epoch::FIRST)
    }

    /// Earlier epochs whose batch keys and record ids are remembered at `now`, oldest first, if they are for `window`.
    pub fn before(&self, now: Timestamp, window: Millis) -> &[Epoch] {
        let ended = |at: usize| self.epochs.get(at + 1).map_or(Timestamp::MAX, |next| next.since);
        let reach = window.0.saturating_add(MARGIN.0);
        let first = (0..self.epochs.len()).find(|&at| now.since(ended(at)).0 < reach).unwrap_or(0);
        let last = self.epochs.len().saturating_sub(1);
        self.epochs.get(first.min(last)..last).unwrap_or_default()
    }

    /// The map after a change at `now`; what no retry can belong to any more is forgotten. The same number of shards is
    /// no change.
    ///
    /// # Errors
    /// See [`ShardFault`].
    pub fn changed(&self, shards: u16, now: Timestamp, window: Millis) -> Result<Self, ShardFault> {
        if !(1..=SHARDS_MAX).contains(&shards) {
            return Err(ShardFault::Count);
        }
        let current = self.current();
        if current.shards == shards {
            return Ok(self.clone());
        }
        let mut epochs = self.before(now, window).to_vec();
        if epochs.len() + 2 > EPOCHS_MAX {
            let ended = self.epochs.get(self.epochs.len() - epochs.len()).map_or(now, |next| next.since);
            return Err(ShardFault::TooOften(ended.plus(window).plus(MARGIN)));
        }
        epochs.push(current);
        let since = now.max(current.since);
        let second = u32::try_from(since.0.div_euclid(1_000)).unwrap_or(0);
        epochs.push(Epoch { number: second.max(current.number.saturating_add(1)), shards, since });
        Ok(Self { epochs })
    }

    /// Whether this map knows more than the other.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.current().number > other.current().number
    }

    /// Whether the component was never split.
    pub fn is_whole(&self) -> bool {
        self.epochs.is_empty()
    }

    /// As bytes: in rows, and on the way between objects.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(self.epochs.len() as u64);
        for epoch in &self.epochs {
            out.uint(u64::from(epoch.number));
            out.uint(u64::from(epoch.shards));
            out.int(epoch.since.0);
        }
        out.into_bytes()
    }

    /// Reads what [`ShardMap::encode`] wrote.
    ///
    /// # Errors
    /// Damaged bytes, or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of a shard map"));
        }
        let mut map = Self::default();
        for _ in 0..input.count()? {
            let number = input.u32()?;
            let shards = u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?;
            let since = Timestamp(input.int()?);
            let is_next = map.epochs.last().is_none_or(|last| number > last.number);
            if !(1..=SHARDS_MAX).contains(&shards) || !is_next || map.epochs.len() >= EPOCHS_MAX {
                return Err(ReadError::Unknown("epochs of a shard map"));
            }
            map.epochs.push(Epoch { number, shards, since });
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Millis = Millis::from_hours(24);
    const AT: Timestamp = Timestamp(1_700_000_000_000);

    fn counts(epochs: &[Epoch]) -> Vec<(u32, u16)> {
        epochs.iter().map(|epoch| (epoch.number, epoch.shards)).collect()
    }

    #[test]
    fn a_component_that_was_never_split_is_in_one_object() {
        let map = ShardMap::default();
        assert_eq!((map.current().number, map.current().shards, map.before(AT, DAY)), (0, 1, &[][..]));
        assert!((0..99u64).all(|hash| map.current().shard_of(hash << 32) == 0));
    }

    #[test]
    fn older_epochs_count_for_as_long_as_keys_are_remembered() {
        let map = ShardMap::default().changed(4, AT, DAY).unwrap();
        assert_eq!((map.current().number, map.current().shards), (1_700_000_000, 4));
        assert_eq!(counts(map.before(AT, DAY)), [(0, 1)]);
        assert_eq!(counts(map.before(AT.plus(DAY), DAY)), [(0, 1)], "clocks differ");
        assert_eq!(counts(map.before(AT.plus(DAY).plus(MARGIN), DAY)), []);
        let later = map.changed(2, AT.plus(Millis(5)), DAY).unwrap();
        assert_eq!(counts(later.before(AT.plus(Millis(6)), DAY)), [(0, 1), (1_700_000_000, 4)]);
        assert_eq!(counts(later.before(AT.plus(DAY).plus(MARGIN), DAY)), [(1_700_000_000, 4)]);
        let much_later = later.changed(1, AT.plus(Millis(3 * DAY.0)), DAY).unwrap();
        assert_eq!(counts(much_later.before(AT.plus(Millis(3 * DAY.0)), DAY)), [(1_700_000_001, 2)]);
        assert_eq!(much_later.current().number, 1_700_259_200);
        assert!(much_later.is_newer_than(&later) && !later.is_newer_than(&later.clone()));
    }

    #[test]
    fn a_map_that_is_full_says_when_it_can_change_again() {
        let mut map = ShardMap::default();
        for (step, shards) in [2, 4, 8, 16].into_iter().enumerate() {
            map = map.changed(shards, AT.plus(Millis(step as i64)), DAY).unwrap();
        }
        let free_at = AT.plus(DAY).plus(MARGIN);
        assert_eq!(map.changed(8, AT.plus(Millis(9)), DAY), Err(ShardFault::TooOften(free_at)));
        assert_eq!(map.changed(16, AT.plus(Millis(9)), DAY), Ok(map.clone()), "no change");
        assert!(map.changed(8, free_at, DAY).is_ok());
        for shards in [0, SHARDS_MAX + 1] {
            assert_eq!(map.changed(shards, free_at, DAY), Err(ShardFault::Count));
        }
    }

    #[test]
    fn a_map_survives_its_bytes_and_a_damaged_one_is_refused() {
        let map = ShardMap::default().changed(4, AT, DAY).unwrap().changed(8, AT, DAY).unwrap();
        assert_eq!(ShardMap::decode(&map.encode()), Ok(map.clone()));
        assert_eq!(ShardMap::decode(&ShardMap::default().encode()), Ok(ShardMap::default()));
        let bytes = map.encode();
        for cut in 0..bytes.len() {
            assert!(ShardMap::decode(&bytes[..cut]).is_err());
        }
        for (at, value) in [(0, 9), (1, 200), (2, 255), (3, 0), (3, 17)] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert!(ShardMap::decode(&damaged).is_err(), "{at} {value}");
        }
    }
}
