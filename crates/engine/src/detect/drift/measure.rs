//! What is counted of a variable: numbers above a few marks, or each of few values; and how far their shares are from
//! others.

use super::super::ratio_watch::ratio_reach;
use super::EVIDENCE_MAX;
use crate::baseline::tail::ratio_at_least;
use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::{Variable, VariableKind};
use crate::sketch::Quantiles;
use crate::time::Timestamp;

/// Marks of numbers, or values of an enumeration.
pub(super) const CLASSES_MAX: usize = 8;
/// Values seen before a variable is watched.
pub(super) const SEEN_MIN: u64 = 200;
/// How much the usual is worth at most, in values.
const STRENGTH_MAX: f64 = 500.0;
/// Where numbers are cut, in thousandths.
const MARKS: [u32; 5] = [100, 300, 500, 700, 900];
/// The same for the course of a day, and how far beyond the first and the last of all numbers it looks.
const DAY_MARKS: [u32; 6] = [40, 200, 400, 600, 800, 960];
const ENDS: (u32, u32) = (5, 995);
const BEYOND: f64 = 0.25;
/// Fewer different numbers are a list, not a distribution.
const DISTINCT_MIN: u64 = 5;

/// What is counted of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Measure {
    /// Numbers above each of these.
    Above(Vec<f64>),
    /// Values with each of these hashes.
    Values(Vec<u64>),
}

impl Measure {
    /// How a variable can be watched, if it can.
    pub(super) fn of(variable: &Variable) -> Option<Self> {
        if variable.count() < SEEN_MIN {
            return None;
        }
        if variable.is_enumeration() {
            return Some(Self::Values(variable.counts().map(|(hash, _)| hash).collect()));
        }
        let quantiles = numbers_of(variable)?;
        let mut marks: Vec<f64> = MARKS.iter().filter_map(|&mark| quantiles.at(mark)).collect();
        marks.dedup();
        (quantiles.count() >= SEEN_MIN).then_some(Self::Above(marks))
    }

    /// The same once a whole day was seen: marks lie wherever values were, and beyond.
    pub(super) fn of_day(variable: &Variable) -> Option<Self> {
        if variable.is_enumeration() {
            return Self::of(variable);
        }
        let quantiles = numbers_of(variable).filter(|numbers| numbers.count() >= SEEN_MIN)?;
        let (first, last) = (quantiles.at(ENDS.0)?, quantiles.at(ENDS.1)?);
        let inner = DAY_MARKS.iter().filter_map(|&mark| quantiles.at(mark));
        let mut marks: Vec<f64> = [first - BEYOND * first.abs()].into_iter().chain(inner).collect();
        marks.push(last + BEYOND * last.abs());
        marks.dedup();
        Some(Self::Above(marks))
    }

    /// Of a set that was closed the values that came since, while there is room.
    pub(super) fn take_new_values(&mut self, variable: &Variable) {
        let Self::Values(hashes) = self else { return };
        for (hash, _) in variable.counts().filter(|_| variable.is_exact()) {
            if hashes.len() < CLASSES_MAX && !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
    }

    /// Values so far, and how many of each class; none if they cannot be told apart any more.
    pub(super) fn read(&self, variable: &Variable) -> Option<(u64, Vec<u64>)> {
        match self {
            Self::Above(marks) => {
                let (_, quantiles) = variable.numbers()?;
                let above = |mark: &f64| quantiles.count().saturating_sub(quantiles.at_most(*mark));
                Some((quantiles.count(), marks.iter().map(above).collect()))
            }
            Self::Values(hashes) => {
                if !variable.is_exact() {
                    return None;
                }
                let of = |hash: &u64| variable.counts().find(|(it, _)| it == hash).map_or(0, |(_, count)| count);
                Some((variable.count(), hashes.iter().map(of).collect()))
            }
        }
    }

    /// The number above which this class is, if it is one of numbers.
    pub(super) fn mark(&self, class: usize) -> Option<f64> {
        if let Self::Above(marks) = self { marks.get(class).copied() } else { None }
    }

    /// The hash of the value that this class is, if it is one.
    pub(super) fn value(&self, class: usize) -> Option<u64> {
        if let Self::Values(hashes) = self { hashes.get(class).copied() } else { None }
    }

    /// How many classes it tells apart.
    pub(super) fn classes(&self) -> usize {
        match self {
            Self::Above(marks) => marks.len(),
            Self::Values(hashes) => hashes.len(),
        }
    }

    /// Whether two periods that are off say the same: numbers are all more or all fewer, of values it is the same one.
    pub(super) fn is_alike(&self, before: &Off, off: &Off) -> bool {
        let is_same = matches!(self, Self::Above(_)) || before.class == off.class;
        is_same && before.is_more == off.is_more
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let (is_values, classes): (bool, Vec<u64>) = match self {
            Self::Above(marks) => (false, marks.iter().map(|mark| mark.to_bits()).collect()),
            Self::Values(hashes) => (true, hashes.clone()),
        };
        out.u8(u8::from(is_values));
        out.uint(classes.len() as u64);
        classes.into_iter().for_each(|class| out.u64_fixed(class));
    }

    pub(super) fn parse(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let is_values = input.u8()? == 1;
        let classes = input.count()?;
        if classes > CLASSES_MAX {
            return Err(ReadError::Overflow);
        }
        let classes: Result<Vec<u64>, ReadError> = (0..classes).map(|_| input.u64_fixed()).collect();
        Ok(match is_values {
            true => Self::Values(classes?),
            false => Self::Above(classes?.into_iter().map(f64::from_bits).collect()),
        })
    }
}

/// The numbers of a variable that has enough different ones.
fn numbers_of(variable: &Variable) -> Option<&Quantiles> {
    use VariableKind::{Duration, Float, Integer, Size};
    let is_number = matches!(variable.kind(), Integer | Float | Duration | Size);
    let (_, quantiles) = variable.numbers().filter(|_| is_number && variable.distinct().0 >= DISTINCT_MIN)?;
    Some(quantiles)
}

/// The usual share of a class, and below and above what it would be remarkable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareBand {
    /// The usual share, 0 to 1.
    pub usual: f64,
    /// Lower end of the usual.
    pub low: f64,
    /// Upper end of the usual.
    pub high: f64,
}

impl ShareBand {
    pub(super) fn clamped(self) -> Self {
        Self { low: self.low.max(0.0), high: self.high.min(1.0), ..self }
    }
}

/// How far a period's share may lie from the usual one before it is remarkable, as far as values come in clumps.
pub(super) fn share_reach(share: f64, strength: f64, clumping: f64) -> f64 {
    let values = (EVIDENCE_MAX / clumping.max(1.0)).max(1.0);
    ratio_reach(values as u64, share, strength).1 / values
}

/// Shares of classes among values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shares {
    pub(super) total: f64,
    pub(super) hits: Vec<f64>,
}

impl Shares {
    pub(super) fn none(classes: usize) -> Self {
        Self { total: 0.0, hits: vec![0.0; classes] }
    }

    pub(super) fn learn(&mut self, other: &Self, kept: f64) {
        self.total = self.total * kept + other.total;
        self.hits.iter_mut().zip(&other.hits).for_each(|(hits, more)| *hits = *hits * kept + more);
    }

    pub(super) fn scaled(&self, by: f64) -> Self {
        Self { total: self.total * by, hits: self.hits.iter().map(|hits| hits * by).collect() }
    }

    /// The share of a class, drawn a little to the middle: what never came may come.
    pub(super) fn share(&self, class: usize) -> f64 {
        (self.hits.get(class).copied().unwrap_or(0.0) + 0.5) / (self.total + 1.0)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.f64(self.total);
        self.hits.iter().for_each(|&hits| out.f64(hits));
    }

    pub(super) fn read(input: &mut Reader<'_>, classes: usize) -> Result<Self, ReadError> {
        let mut read = Self { total: input.f64()?, hits: Vec::with_capacity(classes) };
        for _ in 0..classes {
            read.hits.push(input.f64()?);
        }
        let is_finite = read.total.is_finite() && read.hits.iter().all(|hits| hits.is_finite());
        if is_finite { Ok(read) } else { Err(ReadError::Unknown("shares of values")) }
    }

    /// How many values of evidence it is worth.
    pub(super) fn strength(&self) -> f64 {
        self.total.clamp(1.0, STRENGTH_MAX)
    }

    /// How many times as far as chance alone a period's shares are from these, on average, as a variance.
    pub(super) fn wander(&self, came: &Self) -> f64 {
        if self.total <= 0.0 {
            return 1.0;
        }
        let of_class = |(class, hits): (usize, &f64)| {
            let share = self.share(class);
            let variance = (came.total * share * (1.0 - share)).max(0.5);
            (hits - came.total * share) * (hits - came.total * share) / variance
        };
        came.hits.iter().enumerate().map(of_class).sum::<f64>() / came.hits.len().max(1) as f64
    }

    /// Where a period is farthest from these, and how improbable that is for all that was asked.
    pub(super) fn off(&self, came: &Self) -> Off {
        came.farthest(|class| (self.share(class), self.share(class)), self.strength())
    }

    /// Where these are farthest from what lies between the two shares of each class, for a usual of this strength.
    pub(super) fn farthest(&self, usual: impl Fn(usize) -> (f64, f64), strength: f64) -> Off {
        let total = (self.total + 0.5) as u64;
        let mut farthest = Off { class: 0, is_more: true, probability: 1.0 };
        for (class, &hits) in self.hits.iter().enumerate() {
            let hits = ((hits + 0.5) as u64).min(total);
            let (low, high) = usual(class);
            let more = ratio_at_least(hits, total, high, strength);
            let fewer = ratio_at_least(total - hits, total, 1.0 - low, strength);
            for (is_more, probability) in [(true, more), (false, fewer)] {
                if probability < farthest.probability {
                    farthest = Off { class, is_more, probability };
                }
            }
        }
        let asked = 2.0 * self.hits.len() as f64;
        Off { probability: (farthest.probability * asked).min(1.0), ..farthest }
    }
}

/// How far a period is from the usual, where it is farthest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Off {
    pub(super) class: usize,
    pub(super) is_more: bool,
    pub(super) probability: f64,
}

impl Off {
    pub(super) fn write_pending(pending: Option<(Self, Timestamp)>, out: &mut Writer) {
        out.u8(u8::from(pending.is_some()));
        if let Some((off, since)) = pending {
            out.uint(off.class as u64);
            out.u8(u8::from(off.is_more));
            out.f64(off.probability);
            out.int(since.0);
        }
    }

    pub(super) fn parse_pending(input: &mut Reader<'_>) -> Result<Option<(Self, Timestamp)>, ReadError> {
        if input.u8()? != 1 {
            return Ok(None);
        }
        let off = Self { class: input.count()?, is_more: input.u8()? == 1, probability: input.f64()? };
        Ok(Some((off, Timestamp(input.int()?).clamped())))
    }
}
