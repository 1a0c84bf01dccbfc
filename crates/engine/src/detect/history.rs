//! The last hours of a series, minute by minute, as they were judged then.
//!
//! For people only: nothing is decided by it. At most [`MINUTES_MAX`] minutes, 40 bytes each. Minutes that nobody
//! closed one by one (a pause of more than an hour) are missing.

use crate::bytes::{ReadError, Reader, Writer};
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Minutes held of a series.
pub(crate) const MINUTES_MAX: usize = 240;

/// What was due, and the ends of the usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Expected.
    pub expected: f64,
    /// Fewer are remarkable.
    pub low: f64,
    /// More are remarkable.
    pub high: f64,
}

impl Band {
    /// The same, so many times as wide.
    pub(crate) fn wider(self, times: f64) -> Self {
        let (below, above) = (self.expected - self.low, self.high - self.expected);
        Self { low: (self.expected - below * times).max(0.0), high: self.expected + above * times, ..self }
    }

    pub(crate) fn around(expected: f64, reach: f64) -> Self {
        Self { expected, low: (expected - reach).max(0.0), high: expected + reach }
    }
}

/// One minute of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Its start, by event time.
    pub at: Timestamp,
    /// Records, or hits of a ratio.
    pub seen: u32,
    /// Of how many; for counts the same as `seen`.
    pub total: u32,
    /// What was due; none while the series was not known.
    pub band: Option<Band>,
}

/// Minutes in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History {
    minutes: VecDeque<Point>,
}

impl History {
    pub(crate) fn push(&mut self, at: Timestamp, seen: u32, total: u32, band: Option<Band>) {
        if self.minutes.len() >= MINUTES_MAX {
            self.minutes.pop_front();
        }
        self.minutes.push_back(Point { at, seen, total, band: band.map(short) });
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.minutes.iter().copied()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.uint(self.minutes.len() as u64);
        let mut before = 0;
        for point in &self.minutes {
            out.int(point.at.0 - before);
            before = point.at.0;
            out.uint(u64::from(point.seen));
            out.uint(u64::from(point.total));
            let Some(band) = point.band else {
                out.u8(0);
                continue;
            };
            out.u8(1);
            [band.expected, band.low, band.high].into_iter().for_each(|value| out.raw(&(value as f32).to_le_bytes()));
        }
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut history = Self::default();
        let mut before = 0i64;
        for _ in 0..input.count()? {
            before = before.checked_add(input.int()?).ok_or(ReadError::Overflow)?;
            let (at, seen, total) = (Timestamp(before).clamped(), input.u32()?, input.u32()?);
            let band = match input.u8()? {
                0 => None,
                _ => Some(Band { expected: single(input)?, low: single(input)?, high: single(input)? }),
            };
            history.push(at, seen, total, band);
        }
        Ok(history)
    }
}

/// Seven digits are enough for people and half as long in rows; held as they are read back.
fn short(band: Band) -> Band {
    let short = |value: f64| f64::from(value as f32);
    Band { expected: short(band.expected), low: short(band.low), high: short(band.high) }
}

fn single(input: &mut Reader<'_>) -> Result<f64, ReadError> {
    let bytes: [u8; 4] = input.raw(4)?.try_into().map_err(|_| ReadError::Unknown("minute"))?;
    let value = f32::from_le_bytes(bytes);
    if value.is_finite() { Ok(f64::from(value)) } else { Err(ReadError::Unknown("minute")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_last_hours_and_survives_its_bytes() {
        let mut history = History::default();
        for minute in 0..MINUTES_MAX as i64 + 10 {
            let band = (minute > 20).then(|| Band::around(minute as f64 / 3.0, 7.0));
            history.push(Timestamp(minute * 60_000), minute as u32, 9, band);
        }
        assert_eq!(history.points().count(), MINUTES_MAX);
        assert_eq!(history.points().next().map(|point| point.at), Some(Timestamp(600_000)));
        let mut out = Writer::new();
        history.write(&mut out);
        assert!(out.len() < 5_000);
        assert_eq!(History::read(&mut Reader::new(out.as_bytes())), Ok(history));
    }
}
