//! One hour of all series of an object, as a row.

use super::series::SeriesKey;
use crate::bytes::{ReadError, Reader, Writer};
use std::collections::BTreeMap;

const VERSION: u8 = 1;

/// Counts of one hour: series, minute of the hour (0 to 59), records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    series: BTreeMap<SeriesKey, BTreeMap<u8, u64>>,
}

impl Rollup {
    /// Adds records to a minute of a series.
    pub fn add(&mut self, key: SeriesKey, minute: u8, count: u64) {
        *self.series.entry(key).or_default().entry(minute.min(59)).or_insert(0) += count;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (key, minutes) in &other.series {
            for (&minute, &count) in minutes {
                self.add(key.clone(), minute, count);
            }
        }
    }

    /// Series with their minutes, in order.
    pub fn series(&self) -> impl Iterator<Item = (&SeriesKey, &BTreeMap<u8, u64>)> {
        self.series.iter()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// The row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(self.series.len() as u64);
        for (key, minutes) in &self.series {
            key.write(&mut out);
            out.uint(minutes.len() as u64);
            for (&minute, &count) in minutes {
                out.u8(minute);
                out.uint(count);
            }
        }
        out.into_bytes()
    }

    /// Reads a row.
    ///
    /// # Errors
    /// Damaged bytes or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("rollup version"));
        }
        let mut rollup = Self::default();
        for _ in 0..input.count()? {
            let key = SeriesKey::read(&mut input)?;
            for _ in 0..input.count()? {
                let minute = input.u8()?;
                let count = input.uint()?;
                rollup.add(key.clone(), minute, count);
            }
        }
        if input.is_empty() { Ok(rollup) } else { Err(ReadError::Unknown("bytes after a rollup")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_rollup_or_refused(bytes: Vec<u8>) {
            let _rollup = Rollup::decode(&bytes);
        }
    }
}
