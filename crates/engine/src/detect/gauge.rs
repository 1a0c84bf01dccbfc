//! Which places of a template tell a level that has a limit: percentages, `x of y`, what is left, `depth … max …`.
//!
//! Only words decide, so that nothing has to be set up: a percentage heads for 100, or for 0 if it is what is free; a
//! pair heads for its second number; an amount that is free, available or left heads for 0. Lines about work that goes
//! on (progress, pages, attempts) or about shares that ought to be large (hits, success) are no levels.
//!
//! Left out: numbers without such a word. A level may be told by several entities in one pattern (mount points, pools):
//! [`reading`] names the entity by a hash of the places that are no numbers; no text is kept.

use crate::pattern::{VariableKind, number};
use crate::sketch::hash_of_value;

/// Levels looked for in one template.
const GAUGES_MAX: usize = 2;
const PLACE: &str = "<*>";
/// Words that make a line about something else than a level.
const NO_LEVEL: [&str; 32] = [
    "progress",
    "complete",
    "completed",
    "done",
    "processed",
    "processing",
    "step",
    "batch",
    "page",
    "chunk",
    "part",
    "attempt",
    "attempts",
    "retry",
    "retries",
    "retrying",
    "epoch",
    "iteration",
    "download",
    "downloaded",
    "upload",
    "uploaded",
    "copied",
    "synced",
    "hit",
    "hits",
    "success",
    "accuracy",
    "confidence",
    "coverage",
    "uptime",
    "availability",
];
const FREE: [&str; 8] = ["free", "available", "avail", "remaining", "remains", "left", "headroom", "unused"];
const USED: [&str; 17] = [
    "used",
    "usage",
    "use",
    "utilization",
    "utilisation",
    "full",
    "occupied",
    "consumed",
    "size",
    "depth",
    "length",
    "count",
    "current",
    "active",
    "open",
    "pending",
    "backlog",
];
const LIMIT: [&str; 6] = ["limit", "max", "maximum", "capacity", "quota", "total"];
const UNITS: [&str; 14] =
    ["", "b", "k", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib", "bytes", "items", "connections"];

/// Where a level heads for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// 100.
    Hundred,
    /// 0.
    Zero,
    /// The number in this place.
    Place(u8),
    /// The second number of the same place: `12/20`.
    Own,
}

/// A place that tells a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gauge {
    pub(super) place: u8,
    pub(super) limit: Limit,
}

/// A level as one line tells it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// Which entity tells it.
    pub(super) entity: u64,
    pub(super) level: f64,
    pub(super) limit: f64,
}

impl Reading {
    /// How far the level is from its limit.
    pub(super) fn headroom(&self) -> f64 {
        (self.limit - self.level).abs()
    }
}

/// The levels that a template tells.
pub(super) fn gauges_of(template: &str) -> Vec<Gauge> {
    let literals: Vec<&str> = template.split(PLACE).collect();
    let is_work = |text: &&str| words(text).any(|word| is_of(word, &NO_LEVEL));
    if literals.len() < 2 || literals.iter().any(is_work) {
        return Vec::new();
    }
    let around = || literals.iter().zip(literals.iter().skip(1)).enumerate();
    let limit_place = around().find(|(_, (before, _))| last_is(before, &LIMIT)).map(|(place, _)| place);
    let mut gauges = Vec::new();
    for (place, (before, after)) in around().take(usize::from(u8::MAX)) {
        let is_last = place + 2 == literals.len();
        let is_used = words(before).rev().take(2).any(|word| is_of(word, &USED));
        let is_free = !is_used
            && (words(before).rev().take(2).any(|word| is_of(word, &FREE))
                || words(after).take(2).any(|word| is_of(word, &FREE)));
        let is_percent = after.starts_with('%') || words(after).next().is_some_and(|word| is_of(word, &["percent"]));
        let limit = match limit_place {
            _ if is_percent => Some(if is_free { Limit::Zero } else { Limit::Hundred }),
            _ if !is_free && !is_last && is_of_pair(after) => Some(Limit::Place(place as u8 + 1)),
            _ if is_free => Some(Limit::Zero),
            Some(limit) if is_used && limit != place => Some(Limit::Place(limit as u8)),
            // The text of the place itself may say it.
            _ if is_used => Some(Limit::Own),
            _ => None,
        };
        gauges.extend(limit.map(|limit| Gauge { place: place as u8, limit }));
    }
    gauges.truncate(GAUGES_MAX);
    gauges
}

/// What a line tells of a level; none if its values are not those of one.
pub(super) fn reading(gauge: Gauge, texts: &[&str]) -> Option<Reading> {
    let text = texts.get(usize::from(gauge.place))?.trim();
    let is_percentage = text.ends_with('%');
    let (level, limit) = match gauge.limit {
        // Whatever the words around it say.
        Limit::Place(_) | Limit::Own if is_percentage => (percentage(text)?, 100.0),
        Limit::Hundred => (percentage(text)?, 100.0),
        Limit::Zero => (amount(text)?, 0.0),
        Limit::Place(place) => {
            let (level, limit) = (number(text)?, number(texts.get(usize::from(place))?.trim())?);
            (level.0, Some(limit).filter(|limit| limit.1 == level.1 && limit.0 > 0.0)?.0)
        }
        Limit::Own => {
            let (level, limit) = text.split_once('/')?;
            (number(level.trim())?.0, number(limit.trim()).filter(|limit| limit.0 > 0.0)?.0)
        }
    };
    let is_level = level.is_finite() && level >= 0.0 && (gauge.limit == Limit::Zero || level <= limit);
    let own = |place: usize| {
        place == usize::from(gauge.place) || matches!(gauge.limit, Limit::Place(limit) if place == usize::from(limit))
    };
    is_level.then(|| Reading {
        entity: entity(texts.iter().enumerate().filter(|it| !own(it.0)).map(|it| it.1)),
        level,
        limit,
    })
}

fn percentage(text: &str) -> Option<f64> {
    number(text.strip_suffix('%').unwrap_or(text).trim()).map(|it| it.0).filter(|share| (0.0..=100.0).contains(share))
}

/// What can be left; a span of time is no amount.
fn amount(text: &str) -> Option<f64> {
    use crate::pattern::Unit;
    let (amount, unit) = number(text.strip_suffix('%').unwrap_or(text).trim())?;
    (unit != Unit::Milliseconds).then_some(amount)
}

/// A hash of what is no number among these.
fn entity<'a>(texts: impl Iterator<Item = &'a &'a str>) -> u64 {
    use VariableKind::{Duration, Empty, Float, Hex, Integer, Size, Time, Uuid};
    let names = texts.map(|text| text.trim()).filter(|text| {
        !matches!(VariableKind::of(text), Empty | Integer | Float | Hex | Uuid | Time | Duration | Size)
    });
    names.fold(0, |hash: u64, name| hash.rotate_left(7) ^ hash_of_value(name))
}

/// Whether what stands between two numbers makes them a level and its limit: `/`, `of`, `out of`, after a unit.
fn is_of_pair(between: &str) -> bool {
    let between = between.trim();
    let before = ["/", "out of", "of"].into_iter().find_map(|end| between.strip_suffix(end));
    before.is_some_and(|unit| is_of(unit.trim(), &UNITS))
}

fn last_is(text: &str, wanted: &[&str]) -> bool {
    words(text).next_back().is_some_and(|word| is_of(word, wanted))
}

fn is_of(word: &str, wanted: &[&str]) -> bool {
    wanted.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{extract, template_of};

    fn check(message: &str, expected: Option<(f64, f64)>) {
        let template = template_of(message);
        let texts = extract(&template, message).unwrap();
        let read = gauges_of(&template).into_iter().find_map(|gauge| reading(gauge, &texts));
        assert_eq!(read.map(|it| (it.level, it.limit)), expected, "{template} {:?}", gauges_of(&template));
    }

    #[test]
    fn levels_are_told_by_words_around_them() {
        check("disk /data used 83%", Some((83.0, 100.0)));
        check("disk /data used 83.5% of 500 GB", Some((83.5, 100.0)));
        check("filesystem usage is 83.5 % on node-7", Some((83.5, 100.0)));
        check("memory at 61 percent", Some((61.0, 100.0)));
        check("cpu idle, 12% free", Some((12.0, 0.0)));
        check("pool has 17 of 20 connections", Some((17.0, 20.0)));
        check("heap 512 MB / 2048 MB after collection", Some((512e6, 2_048e6)));
        check("queue depth 900 (max 1000)", Some((900.0, 1_000.0)));
        check("inodes left: 123456", Some((123_456.0, 0.0)));
        check("used 80 GB, free 20 GB", Some((20e9, 0.0)));
        check("connections in use: 12/20", Some((12.0, 20.0)));
    }

    #[test]
    fn work_that_goes_on_and_shares_that_ought_to_be_large_are_no_levels() {
        for line in [
            "progress 83%",
            "processed 50 of 100 items",
            "attempt 2 of 5",
            "cache hit rate 97%",
            "page served in 12 ms",
            "3 s left",
            "user 17 logged in",
            "heap 4096 MB / 2048 MB",
            "used 140%",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn entities_are_told_apart_and_numbers_are_none() {
        let read = |message: &str| {
            let template = "disk <*> used <*>% after <*> writes";
            reading(Gauge { place: 1, limit: Limit::Hundred }, &extract(template, message).unwrap()).unwrap().entity
        };
        assert_eq!(read("disk /data used 83% after 5 writes"), read("disk /data used 84% after 6 writes"));
        assert_ne!(read("disk /data used 83% after 5 writes"), read("disk /var used 83% after 5 writes"));
    }
}
