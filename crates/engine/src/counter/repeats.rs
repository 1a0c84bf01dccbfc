//! Records of one row that are counted alike are booked together.
//!
//! A record is counted in five to seven series, each a search in two ordered maps; that is more than reading the record.
//! Most records of a row are counted in exactly the series of one before them: same minute, pattern, level, endpoint.
//! The first of its like is booked at once, so that series are born in the order of the records; what repeats it is only
//! added up, in a table of few places, and booked when the row is done or the place is wanted for something else.
//!
//! Invariant: what was taken plus what was booked is what was counted; a record is taken for a repetition only if all of
//! what decides its series is equal, texts included.

use super::MINUTE;
use super::series::Names;
use crate::pattern::PatternId;
use crate::record::Record;

/// Places of the table: a power of two. At 64 bytes each 16 KB.
const PLACES: usize = 256;

/// Everything that decides in which series a record is counted.
pub(super) struct Likeness<'a> {
    minute: i64,
    pattern: PatternId,
    class: u8,
    error_type: u8,
    is_error: bool,
    environment: &'a str,
    endpoint: Option<&'a str>,
}

/// The same with names as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) minute: i64,
    pub(super) pattern: PatternId,
    pub(super) class: u8,
    pub(super) error_type: u8,
    pub(super) is_error: bool,
    pub(super) environment: u32,
    pub(super) endpoint: Option<u32>,
}

/// How often what was booked came again.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    /// Empty before the first record.
    places: Vec<Option<(Cell, u64)>>,
    /// Places in use, in the order in which they were taken.
    used: Vec<u16>,
}

impl<'a> Likeness<'a> {
    pub(super) fn of(record: &'a Record, pattern: PatternId) -> Self {
        Self {
            minute: record.timestamp.floor_to(MINUTE).0,
            pattern,
            class: record.level.class().index() as u8,
            error_type: record.error_type as u8,
            is_error: record.level.is_error(),
            environment: &record.environment,
            endpoint: record.endpoint.as_deref(),
        }
    }

    pub(super) fn cell(&self, environment: u32, endpoint: Option<u32>) -> Cell {
        let Self { minute, pattern, class, error_type, is_error, .. } = *self;
        Cell { minute, pattern, class, error_type, is_error, environment, endpoint }
    }

    /// Where it is looked for. Any function will do; this one tells endpoints of one pattern apart by their ends.
    fn place(&self) -> usize {
        let name = self.endpoint.unwrap_or_default();
        let end = name.as_bytes().last_chunk::<8>().map_or(0, |end| u64::from_le_bytes(*end));
        let mixed = self.pattern.0 ^ end.rotate_left(17) ^ (name.len() as u64) << 32 ^ u64::from(self.class);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % PLACES
    }

    fn is(&self, cell: &Cell, names: &Names) -> bool {
        let Self { minute, pattern, class, error_type, is_error, .. } = *self;
        // The number of a name that had no room is that of another name, which is not equal to it.
        let is_named = |name: &str, number: u32| names.text(number) == name;
        (minute, pattern, class, error_type, is_error)
            == (cell.minute, cell.pattern, cell.class, cell.error_type, cell.is_error)
            && is_named(self.environment, cell.environment)
            && match (self.endpoint, cell.endpoint) {
                (None, None) => true,
                (Some(name), Some(number)) => is_named(name, number),
                _ => false,
            }
    }
}

impl Repeats {
    /// Adds one to what is like it; false if nothing is.
    pub(super) fn take(&mut self, likeness: &Likeness<'_>, names: &Names) -> bool {
        match self.places.get_mut(likeness.place()) {
            Some(Some((cell, count))) if likeness.is(cell, names) => {
                *count += 1;
                true
            }
            _ => false,
        }
    }

    /// From now on repetitions of this are taken; gives back what had its place, to be booked.
    pub(super) fn begin(&mut self, likeness: &Likeness<'_>, cell: Cell) -> Option<(Cell, u64)> {
        if self.places.is_empty() {
            self.places = vec![None; PLACES];
        }
        let at = likeness.place();
        let displaced = self.places.get_mut(at)?.replace((cell, 0));
        if displaced.is_none() {
            self.used.push(at as u16);
        }
        displaced
    }

    /// Whether all of it is booked.
    pub(super) fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// Everything taken; nothing is left.
    pub(super) fn drain(&mut self) -> Vec<(Cell, u64)> {
        let places = &mut self.places;
        self.used.drain(..).filter_map(|at| places.get_mut(usize::from(at))?.take()).collect()
    }
}
