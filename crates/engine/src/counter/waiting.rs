//! Sums of one row that wait until it is done: what is added to a series again and again is looked up once.
//!
//! Records of a row that are counted alike are added up before they come here ([`super::repeats`]); those that are not
//! still share most of their series: the level, the environment, the pattern. A search in the ordered maps is some two
//! hundred comparisons and moves, a look into this table is one.
//!
//! Invariant: the first sum of a series and minute is booked at once, so that series are born in the order of the
//! records; only what comes after it waits, and is booked when the row is done or its place is wanted by another.

use super::series::Series;

/// Places of the table: a power of two. At 48 bytes each 12 KB.
const PLACES: usize = 256;

/// A sum of a series in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) minute: i64,
    pub(super) series: Series,
    pub(super) count: u64,
}

/// Sums that were not booked yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Empty before the first record.
    places: Vec<Option<Sum>>,
    /// Places in use, in the order in which they were taken.
    used: Vec<u16>,
}

impl Waiting {
    /// Adds to what waits for the same series and minute; false if nothing does.
    pub(super) fn add(&mut self, minute: i64, series: Series, count: u64) -> bool {
        match self.places.get_mut(place(minute, series)) {
            Some(Some(sum)) if sum.series == series && sum.minute == minute => {
                sum.count += count;
                true
            }
            _ => false,
        }
    }

    /// From now on what is added to this waits; gives back what had its place, to be booked.
    pub(super) fn begin(&mut self, minute: i64, series: Series) -> Option<Sum> {
        if self.places.is_empty() {
            self.places = vec![None; PLACES];
        }
        let at = place(minute, series);
        let displaced = self.places.get_mut(at)?.replace(Sum { minute, series, count: 0 });
        if displaced.is_none() {
            self.used.push(at as u16);
        }
        displaced
    }

    /// One of the sums that wait, until there is none.
    pub(super) fn take_one(&mut self) -> Option<Sum> {
        self.places.get_mut(usize::from(self.used.pop()?))?.take()
    }

    /// Whether all of it is booked.
    pub(super) fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}

/// Where it is looked for. Any function will do.
fn place(minute: i64, series: Series) -> usize {
    ((series.mixed() ^ minute as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % PLACES
}
