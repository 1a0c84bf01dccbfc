//! Levels that head for a limit: "reaches 100 in 6 h", told while there is time.
//!
//! Patterns whose template tells a level ([`super::gauge`]) are looked at line by line; each entity in it has a track of
//! two-minute points over an hour and a half and one of half hours over a day. When a point is complete the track is
//! asked where it leads ([`super::forecast`]). A forecast is told once if it is due within a day, within twice the time
//! that was watched, sure enough, and if the level stands where it never stood before a turn: what goes up and down
//! every night (log rotation, collection of garbage) is a saw, and only its first tooth can be mistaken.
//! It is told again if it becomes sure enough to wake people, and is over when the level turns or stands.
//!
//! Bounded: [`PATTERNS_MAX`] patterns, [`SERIES_MAX`] series of about 600 bytes, sixteen entities of a pattern; a pattern
//! with more has names that are no entities and is not watched. Other records cost a look at a short list.

use super::forecast::{Forecast, POINTS_MAX, POINTS_MIN, Point, forecast, slope_of};
use super::gauge::{Gauge, Limit, Reading, gauges_of, reading};
use super::signal::{Signal, SignalKind, Subject};
use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::{PatternId, split};
use crate::sketch::hash_of_value;
use crate::time::{Millis, Timestamp};

/// Patterns that tell levels.
pub(super) const PATTERNS_MAX: usize = 32;
/// Levels of all of them.
const SERIES_MAX: usize = 64;
const ENTITIES_MAX: usize = 16;
/// Width of a point on the two tracks.
const WIDTHS: [Millis; 2] = [Millis::from_mins(2), Millis::from_mins(30)];
/// Further ahead nothing is told; nearer than the second people are woken.
const HORIZON: Millis = Millis::from_hours(24);
const ALERT_HORIZON: Millis = Millis::from_hours(12);
/// The same while a level is young: what rises then may be the first tooth of a saw.
const ALERT_HORIZON_YOUNG: Millis = Millis::from_hours(1);
const YOUNG: Millis = Millis::from_hours(24);
/// Times as long as it was watched a level is followed into the future.
const REACH: f64 = 2.0;
/// How many of the last points are asked, the longest stretch first: what stood still before it rose is a line only
/// since then.
const STRETCHES: [usize; 4] = [POINTS_MAX, 33, 23, POINTS_MIN];
/// How improbable a forecast has to be by chance.
const TELL_BELOW: f64 = 1e-3;
pub(super) const ALERT_BELOW: f64 = 1e-4;
/// Share of a level's range by which it turns.
const TURN: f64 = 0.25;
/// Share of the range below its last turn by which a level has to be beyond that turn.
const BEYOND: f64 = 0.15;
/// Points that have to show that it stands before it is over.
const STANDING_POINTS: usize = 16;
/// A level of which nothing was heard is forgotten.
const FORGOTTEN_AFTER: Millis = Millis::from_hours(48);
const VERSION: u8 = 1;

/// Where a record is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) index: u16,
    pub(crate) received_at: Timestamp,
}

/// The means of a level's headroom in slots of one width.
#[derive(Clone, Debug, Default, PartialEq)]
struct Track {
    /// Slot and headroom, oldest first.
    points: Vec<(i64, f32)>,
    slot: i64,
    sum: f64,
    count: u32,
}

impl Track {
    /// Notes a value; true if a point is complete.
    fn add(&mut self, slot: i64, headroom: f64) -> bool {
        if slot < self.slot && self.count > 0 {
            // What comes late says nothing of now.
            return false;
        }
        let is_complete = slot > self.slot && self.count > 0;
        if is_complete {
            if self.points.len() >= POINTS_MAX {
                self.points.remove(0);
            }
            self.points.push((self.slot, (self.sum / f64::from(self.count)) as f32));
        }
        if slot > self.slot || self.count == 0 {
            (self.slot, self.sum, self.count) = (slot, 0.0, 0);
        }
        self.sum += headroom;
        self.count = self.count.saturating_add(1);
        is_complete
    }

    fn points(&self, width: Millis) -> Vec<Point> {
        let at = |slot: i64| Timestamp(slot.saturating_mul(width.0)).clamped().plus(Millis(width.0 / 2));
        let oldest = self.slot.saturating_sub(POINTS_MAX as i64);
        let held = self.points.iter().filter(|point| point.0 >= oldest);
        held.map(|&(slot, headroom)| Point { at: at(slot), headroom: f64::from(headroom) }).collect()
    }

    fn write(&self, out: &mut Writer) {
        out.int(self.slot);
        out.f64(self.sum);
        out.uint(u64::from(self.count));
        out.uint(self.points.len() as u64);
        let mut before = 0;
        for &(slot, headroom) in &self.points {
            out.int(slot.wrapping_sub(before));
            out.raw(&headroom.to_bits().to_le_bytes());
            before = slot;
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut track =
            Self { slot: input.int()?, sum: finite(input.f64()?)?, count: input.u32()?, points: Vec::new() };
        let mut slot = 0i64;
        for _ in 0..input.count()?.min(POINTS_MAX) {
            slot = slot.wrapping_add(input.int()?);
            let bits: [u8; 4] = input.raw(4)?.try_into().unwrap_or_default();
            let headroom = f32::from_bits(u32::from_le_bytes(bits));
            finite(f64::from(headroom))?;
            track.points.push((slot, headroom));
        }
        Ok(track)
    }
}

/// One level of one entity.
#[derive(Clone, Debug, PartialEq)]
struct Series {
    pattern: PatternId,
    place: u8,
    entity: u64,
    level: f64,
    limit: f64,
    tracks: [Track; 2],
    /// The nearest and the farthest that it was since it turned, and the nearest before any turn.
    near: f64,
    far: f64,
    turned_at: f64,
    first: Timestamp,
    last: Timestamp,
    /// Where its newest record is stored.
    newest: Stored,
    told: Told,
}

/// What was told of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// By this track.
    Shown(u8),
    Alerted(u8),
}

impl Series {
    fn begin(pattern: PatternId, place: u8, reading: &Reading, at: Timestamp, newest: Stored) -> Self {
        let headroom = reading.headroom();
        Self {
            pattern,
            place,
            entity: reading.entity,
            level: reading.level,
            limit: reading.limit,
            tracks: [Track::default(), Track::default()],
            near: headroom,
            far: headroom,
            turned_at: f64::INFINITY,
            first: at,
            last: at,
            newest,
            told: Told::Nothing,
        }
    }

    fn subject(&self) -> Subject {
        Subject::Variable(self.pattern, self.place)
    }

    fn take(&mut self, reading: &Reading, at: Timestamp, newest: Stored, signals: &mut Vec<Signal>) {
        (self.level, self.limit, self.newest) = (reading.level, reading.limit, newest);
        self.last = self.last.max(at);
        for index in 0..self.tracks.len() {
            let (Some(track), Some(width)) = (self.tracks.get_mut(index), WIDTHS.get(index)) else { continue };
            if !track.add(at.0.div_euclid(width.0), reading.headroom()) {
                continue;
            }
            let newest = track.points.last().map_or(0.0, |point| f64::from(point.1));
            let points = track.points(*width);
            self.follow(index, newest);
            self.judge(index as u8, &points, at, signals);
        }
    }

    /// Follows a level's turns.
    fn follow(&mut self, track: usize, headroom: f64) {
        if track == 1 {
            // Where it turned is forgotten over a hundred days, so that a saw with a tooth a week is one.
            self.turned_at += (self.far - self.turned_at).clamp(0.0, f64::MAX) / 4_800.0;
            return;
        }
        self.far = self.far.max(headroom);
        self.near = self.near.min(headroom);
        let range = (self.far - self.near).max(self.far.abs() * 0.02);
        if headroom > self.near + TURN * range {
            self.turned_at = self.turned_at.min(self.near);
            self.near = headroom;
            self.told = Told::Nothing;
        }
    }

    fn judge(&mut self, track: u8, points: &[Point], at: Timestamp, signals: &mut Vec<Signal>) {
        if let Told::Shown(by) | Told::Alerted(by) = self.told
            && by == track
            && stands(points)
        {
            self.told = Told::Nothing;
            return;
        }
        if matches!(self.told, Told::Alerted(_)) {
            return;
        }
        let tail = |count: &usize| points.get(points.len().checked_sub(*count)?..);
        let Some(found) = STRETCHES.iter().filter_map(tail).find_map(|points| self.heading(points)) else { return };
        // The last point is that of the middle of its slot.
        let found = found.seen_later(at.since(points.last().map_or(at, |last| last.at)));
        let is_young = self.last.since(self.first) < YOUNG;
        let horizon = if is_young { ALERT_HORIZON_YOUNG } else { ALERT_HORIZON };
        let is_alerting = found.probability < ALERT_BELOW && found.latest <= horizon.0 as f64;
        if self.told != Told::Nothing && !is_alerting {
            return;
        }
        self.told = if is_alerting { Told::Alerted(track) } else { Told::Shown(track) };
        signals.push(Signal {
            kind: SignalKind::Trend,
            subject: self.subject(),
            at,
            since: at.minus(found.span),
            window: found.span,
            expected: found.due,
            expected_low: found.earliest.max(0.0),
            expected_high: found.latest.min(10.0 * HORIZON.0 as f64),
            seen: self.level.max(0.0) as u64,
            total: self.limit.max(0.0) as u64,
            probability: found.probability,
            is_alerting,
        });
    }

    /// A forecast worth telling.
    fn heading(&self, points: &[Point]) -> Option<Forecast> {
        let (first, last) = (points.first()?, points.last()?);
        // What fell by less than a third of what is left now is not asked further: most levels.
        let (before, now) = (first.headroom, last.headroom);
        // And what is not clearly beyond where it turned before is a tooth of a saw.
        let is_beyond = |headroom: f64| headroom < self.turned_at - BEYOND * (self.far - self.turned_at);
        if before - now < now / (REACH + 1.0) || !is_beyond(now) {
            return None;
        }
        let found = forecast(points)?;
        let probability = (found.probability * STRETCHES.len() as f64).min(1.0);
        let found = Forecast { probability, ..found };
        let is_near = found.due <= HORIZON.0 as f64 && found.due <= REACH * found.span.0 as f64;
        let is_sure = found.probability < TELL_BELOW && found.latest <= 2.0 * found.due.max(WIDTHS[0].0 as f64);
        (is_near && is_sure && is_beyond(found.headroom)).then_some(found)
    }

    fn write(&self, out: &mut Writer) {
        out.u64_fixed(self.pattern.0);
        out.u8(self.place);
        out.u64_fixed(self.entity);
        [self.level, self.limit, self.near, self.far, self.turned_at].into_iter().for_each(|number| out.f64(number));
        self.tracks.iter().for_each(|track| track.write(out));
        [self.first.0, self.last.0].into_iter().for_each(|time| out.int(time));
        out.uint(self.newest.seq);
        out.uint(u64::from(self.newest.index));
        out.int(self.newest.received_at.0);
        out.u8(match self.told {
            Told::Nothing => 0,
            Told::Shown(track) => 1 + track.min(1),
            Told::Alerted(track) => 3 + track.min(1),
        });
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (pattern, place, entity) = (PatternId(input.u64_fixed()?), input.u8()?, input.u64_fixed()?);
        let [level, limit, near, far] =
            [finite(input.f64()?)?, finite(input.f64()?)?, finite(input.f64()?)?, finite(input.f64()?)?];
        let turned_at = input.f64()?;
        if turned_at.is_nan() {
            return Err(ReadError::Unknown("turn of a level"));
        }
        let tracks = [Track::read(input)?, Track::read(input)?];
        let (first, last) = (Timestamp(input.int()?).clamped(), Timestamp(input.int()?).clamped());
        let (seq, index) = (input.uint()?, u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?);
        let newest = Stored { seq, index, received_at: Timestamp(input.int()?) };
        let told = match input.u8()? {
            0 => Told::Nothing,
            code @ (1 | 2) => Told::Shown(code - 1),
            code @ (3 | 4) => Told::Alerted(code - 3),
            _ => return Err(ReadError::Unknown("told of a level")),
        };
        Ok(Self { pattern, place, entity, level, limit, tracks, near, far, turned_at, first, last, newest, told })
    }
}

fn finite(number: f64) -> Result<f64, ReadError> {
    if number.is_finite() { Ok(number) } else { Err(ReadError::Unknown("number of a level")) }
}

/// Whether a level that was heading for its limit does so no more: its last points lead there in twice the horizon or
/// never. One that has arrived does not stand.
fn stands(points: &[Point]) -> bool {
    let last = points.get(points.len().saturating_sub(STANDING_POINTS)..).unwrap_or_default();
    let Some(headroom) = last.last().map(|point| point.headroom) else { return true };
    let largest = points.iter().map(|point| point.headroom).fold(0.0, f64::max);
    let slope = slope_of(last).unwrap_or(0.0);
    headroom > largest * 0.02 && (slope >= 0.0 || headroom / -slope > 2.0 * HORIZON.0 as f64)
}

/// A pattern whose template was looked at and tells levels.
#[derive(Clone, Debug, PartialEq)]
struct Telling {
    pattern: PatternId,
    /// Of the template, which may change.
    template: u64,
    gauges: Vec<Gauge>,
    /// It has too many names for entities.
    is_scattered: bool,
}

/// All levels of a component.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Trends {
    /// By id.
    telling: Vec<Telling>,
    series: Vec<Series>,
    signals: Vec<Signal>,
}

/// A level for people.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelOutline {
    /// Which.
    pub subject: Subject,
    /// Where it stood last, and its limit.
    pub level: f64,
    /// See `level`.
    pub limit: f64,
    /// Minutes of which something is known.
    pub minutes: u32,
    /// Whether it heads for its limit.
    pub is_open: bool,
    /// Start and level of its points, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

impl Trends {
    /// Whether a record of this pattern is to be shown to [`Trends::observe`].
    pub(crate) fn wants(&self, pattern: PatternId) -> bool {
        self.place_of(pattern).is_ok()
    }

    fn place_of(&self, pattern: PatternId) -> Result<usize, usize> {
        self.telling.binary_search_by_key(&pattern, |telling| telling.pattern)
    }

    /// Looks at a pattern that was just born.
    pub(crate) fn look_at(&mut self, pattern: PatternId, template: &str) {
        let Err(place) = self.place_of(pattern) else { return };
        let gauges = gauges_of(template);
        if !gauges.is_empty() && self.telling.len() < PATTERNS_MAX {
            let template = hash_of_value(template);
            self.telling.insert(place, Telling { pattern, template, gauges, is_scattered: false });
        }
    }

    /// Looks at all patterns, the most important first: what left or changed is watched no more, and what tells levels
    /// is, as far as there is room. Levels of which nothing was heard are forgotten.
    pub(crate) fn survey<'a>(&mut self, patterns: impl Iterator<Item = (PatternId, &'a str)>, now: Timestamp) {
        let before = std::mem::take(&mut self.telling);
        for (pattern, template) in patterns {
            let hash = hash_of_value(template);
            let known = before.binary_search_by_key(&pattern, |telling| telling.pattern).ok();
            match known.and_then(|place| before.get(place)).filter(|telling| telling.template == hash) {
                Some(known) if self.telling.len() < PATTERNS_MAX => {
                    let place = self.place_of(pattern).unwrap_or_else(|place| place);
                    self.telling.insert(place, known.clone());
                }
                Some(_) => {}
                None => self.look_at(pattern, template),
            }
        }
        let telling = &self.telling;
        let is_told = |id| telling.binary_search_by_key(&id, |telling| telling.pattern).is_ok();
        self.series.retain(|series| is_told(series.pattern) && now.since(series.last) <= FORGOTTEN_AFTER);
    }

    /// Takes note of a line of a pattern that is wanted.
    pub(crate) fn observe(&mut self, pattern: PatternId, template: &str, line: &str, at: Timestamp, newest: Stored) {
        let Ok(place) = self.place_of(pattern) else { return };
        let hash = hash_of_value(template);
        if self.telling.get(place).is_some_and(|telling| telling.template != hash) {
            // It became another, whose places are others.
            self.forget(pattern);
            self.look_at(pattern, template);
        }
        let Some(telling) = self.telling.get(place).filter(|it| it.pattern == pattern && !it.is_scattered) else {
            return;
        };
        let Some(split) = split(template, line) else { return };
        for gauge in telling.gauges.clone() {
            let Some(reading) = reading(gauge, &split.variables) else { continue };
            self.take(pattern, gauge, &reading, at, newest);
        }
    }

    fn take(&mut self, pattern: PatternId, gauge: Gauge, reading: &Reading, at: Timestamp, newest: Stored) {
        let is_it = |it: &&mut Series| (it.pattern, it.place, it.entity) == (pattern, gauge.place, reading.entity);
        if let Some(series) = self.series.iter_mut().find(is_it) {
            // A capacity that changed is another level; a second number that always changes is no capacity.
            if (series.limit - reading.limit).abs() > 0.1 * series.limit {
                *series = Series::begin(pattern, gauge.place, reading, at, newest);
            }
            series.take(reading, at, newest, &mut self.signals);
            return;
        }
        let entities = self.series.iter().filter(|it| (it.pattern, it.place) == (pattern, gauge.place)).count();
        if entities >= ENTITIES_MAX {
            self.series.retain(|it| it.pattern != pattern);
            if let Some(telling) = self.place_of(pattern).ok().and_then(|place| self.telling.get_mut(place)) {
                telling.is_scattered = true;
            }
        } else if self.series.len() < SERIES_MAX {
            let mut series = Series::begin(pattern, gauge.place, reading, at, newest);
            series.take(reading, at, newest, &mut self.signals);
            self.series.push(series);
        }
    }

    /// A pattern turned out to be another: what its places were is not what they are.
    pub(crate) fn merge_pattern(&mut self, from: PatternId, into: PatternId) {
        self.forget(from);
        self.forget(into);
    }

    fn forget(&mut self, pattern: PatternId) {
        if let Ok(place) = self.place_of(pattern) {
            self.telling.remove(place);
        }
        self.series.retain(|series| series.pattern != pattern);
    }

    pub(crate) fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }

    /// Whether a level of this variable heads for its limit.
    pub(crate) fn is_open(&self, subject: Subject) -> bool {
        self.series.iter().any(|series| series.subject() == subject && series.told != Told::Nothing)
    }

    /// Where the newest records are stored of those levels of this variable that head for their limit.
    pub(crate) fn evidence(&self, subject: Subject) -> Vec<Stored> {
        let told = self.series.iter().filter(|it| it.subject() == subject && it.told != Told::Nothing);
        told.map(|series| series.newest).collect()
    }

    /// All levels.
    pub(crate) fn outlines(&self) -> impl Iterator<Item = LevelOutline> + '_ {
        self.series.iter().map(|series| {
            let points = series.tracks[0].points(WIDTHS[0]).into_iter();
            let sign = if series.limit > series.level { -1.0 } else { 1.0 };
            let level = |point: Point| (point.at, series.limit + sign * point.headroom);
            let span = |track: &Track, width: Millis| track.points.len() as i64 * width.0 / 60_000;
            let minutes = span(&series.tracks[0], WIDTHS[0]).max(span(&series.tracks[1], WIDTHS[1]));
            LevelOutline {
                subject: series.subject(),
                level: series.level,
                limit: series.limit,
                minutes: u32::try_from(minutes).unwrap_or(0),
                is_open: series.told != Told::Nothing,
                points: points.map(level).collect(),
            }
        })
    }

    /// As bytes, for rows. Signals not yet taken are not part of it.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.uint(self.telling.len() as u64);
        for telling in &self.telling {
            out.u64_fixed(telling.pattern.0);
            out.u64_fixed(telling.template);
            out.u8(u8::from(telling.is_scattered));
            out.uint(telling.gauges.len() as u64);
            for gauge in &telling.gauges {
                out.u8(gauge.place);
                let (code, place) = match gauge.limit {
                    Limit::Hundred => (0, 0),
                    Limit::Zero => (1, 0),
                    Limit::Place(place) => (2, place),
                    Limit::Own => (3, 0),
                };
                out.u8(code);
                out.u8(place);
            }
        }
        out.uint(self.series.len() as u64);
        self.series.iter().for_each(|series| series.write(out));
    }

    /// Reads what [`Trends::write`] wrote.
    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("version of the trends"));
        }
        let mut read = Self::default();
        for _ in 0..input.count()?.min(PATTERNS_MAX) {
            let (pattern, template, is_scattered) =
                (PatternId(input.u64_fixed()?), input.u64_fixed()?, input.u8()? == 1);
            let mut gauges = Vec::new();
            for _ in 0..input.count()? {
                let (place, code, limit) = (input.u8()?, input.u8()?, input.u8()?);
                let limit = match code {
                    0 => Limit::Hundred,
                    1 => Limit::Zero,
                    2 => Limit::Place(limit),
                    3 => Limit::Own,
                    _ => return Err(ReadError::Unknown("limit of a level")),
                };
                gauges.push(Gauge { place, limit });
            }
            read.telling.push(Telling { pattern, template, gauges, is_scattered });
        }
        if !read.telling.is_sorted_by_key(|telling| telling.pattern) {
            return Err(ReadError::Unknown("order of patterns"));
        }
        for _ in 0..input.count()?.min(SERIES_MAX) {
            read.series.push(Series::read(input)?);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: PatternId = PatternId(7);
    const DISK: &str = "disk <*> used <*>%";
    const MINUTE: i64 = 60_000;

    /// A level each minute; what was told, with the minute.
    fn told(minutes: i64, level: impl Fn(i64) -> f64) -> (Trends, Vec<(i64, Signal)>) {
        let mut trends = Trends::default();
        trends.look_at(ID, DISK);
        let mut told = Vec::new();
        for minute in 0..minutes {
            line(&mut trends, "/data", level(minute), minute);
            told.extend(trends.take_signals().into_iter().map(|signal| (minute, signal)));
        }
        (trends, told)
    }

    fn line(trends: &mut Trends, disk: &str, level: f64, minute: i64) {
        let line = format!("disk {disk} used {level:.1}%");
        trends.observe(ID, DISK, &line, Timestamp(minute * MINUTE), Stored::default());
    }

    fn noise(number: i64) -> f64 {
        let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn alerts(told: &[(i64, Signal)]) -> usize {
        told.iter().filter(|(_, signal)| signal.is_alerting).count()
    }

    #[test]
    fn a_disk_that_fills_is_told_once_with_when_it_will_be_full() {
        // It stands for a day; then 4 % an hour from 40 on: full after 15 hours.
        const DAY: i64 = 24 * 60;
        let level = |minute: i64| 40.0 + (minute - DAY).max(0) as f64 / 15.0 + 0.3 * noise(minute);
        let (trends, told) = told(DAY + 14 * 60, level);
        assert_eq!(alerts(&told), 1, "{told:?}");
        let (minute, signal) = told.iter().find(|(_, signal)| signal.is_alerting).unwrap();
        let truth = (DAY + 900 - minute) as f64 * MINUTE as f64;
        assert!((signal.expected / truth - 1.0).abs() < 0.2, "{signal:?} at {minute}");
        assert!(*minute < DAY + 11 * 60, "{signal:?} at {minute}");
        assert_eq!((signal.kind, signal.subject, signal.total), (SignalKind::Trend, Subject::Variable(ID, 1), 100));
        assert!(trends.is_open(signal.subject) && told.len() <= 2);
    }

    #[test]
    fn a_fast_leak_is_told_by_the_short_track() {
        let (_, told) = told(50, |minute| 30.0 + minute as f64);
        assert_eq!(alerts(&told), 1, "{told:?}");
        assert!(told[0].0 <= 40, "{told:?}");
    }

    #[test]
    fn a_level_that_turns_or_stands_is_over() {
        let rise = |minute: i64| 30.0 + minute.min(55) as f64;
        assert!(told(56, rise).0.is_open(Subject::Variable(ID, 1)));
        let (stands, told_of) = told(56 + 120, rise);
        assert!(!stands.is_open(Subject::Variable(ID, 1)));
        assert_eq!(alerts(&told_of), 1);
        let (turned, _) = told(80, |minute| if minute < 56 { rise(minute) } else { 20.0 });
        assert!(!turned.is_open(Subject::Variable(ID, 1)));
    }

    #[test]
    fn saws_waves_and_noise_tell_nothing_after_their_first_tooth() {
        let day = 24 * 60;
        let log = |minute: i64| 20.0 + 50.0 * (minute % day) as f64 / day as f64 + 0.2 * noise(minute);
        let collected = |minute: i64| 30.0 + (minute % 45) as f64 + noise(minute);
        let steady = |minute: i64| 61.0 + 4.0 * noise(minute);
        // Up for twelve hours, down for twelve.
        let wave = |minute: i64| 50.0 + 35.0 * (1.0 - 4.0 * ((minute % day) as f64 / day as f64 - 0.5).abs());
        let saws: [&dyn Fn(i64) -> f64; 4] = [&log, &collected, &steady, &wave];
        for (index, level) in saws.into_iter().enumerate() {
            let (_, told) = told(6 * day, level);
            let later = told.iter().filter(|(minute, _)| *minute > day).count();
            assert!(later == 0 && told.len() <= 1, "{index}: {told:?}");
        }
    }

    #[test]
    fn walks_within_bounds_hardly_ever_wake_anybody() {
        let (mut alerting, mut days) = (0, 0);
        for seed in 0..40 {
            let mut at = 50.0f64;
            let walk: Vec<f64> = (0..3 * 24 * 60)
                .map(|minute| {
                    at = (at + 0.5 * noise(seed * 1_000_003 + minute)).clamp(5.0, 95.0);
                    at
                })
                .collect();
            let (_, told) = told(walk.len() as i64, |minute| walk[minute as usize]);
            alerting += alerts(&told);
            days += 3;
        }
        assert!(alerting <= 2, "{alerting} in {days} days");
    }

    #[test]
    fn entities_have_tracks_of_their_own_and_too_many_are_none() {
        let mut trends = Trends::default();
        trends.look_at(ID, DISK);
        for minute in 0..50 {
            line(&mut trends, "/var", 20.0 + noise(minute), minute);
            line(&mut trends, "/data", 30.0 + minute as f64, minute);
        }
        let found = trends.take_signals();
        assert_eq!(found.iter().filter(|signal| signal.is_alerting).count(), 1, "{found:?}");
        assert_eq!(trends.outlines().filter(|outline| outline.is_open).count(), 1);
        for number in 0..100 {
            line(&mut trends, &format!("/volume-{}", (b'a' + number % 26) as char), 20.0, i64::from(number));
        }
        assert_eq!(trends.outlines().count(), 0);
    }

    #[test]
    fn a_template_that_changes_begins_anew_and_what_left_is_forgotten() {
        let (mut trends, _) = told(50, |minute| 30.0 + minute as f64);
        trends.observe(ID, "disk <*> is used <*>%", "disk /a is used 3%", Timestamp(50 * MINUTE), Stored::default());
        assert_eq!(trends.outlines().map(|outline| outline.level).collect::<Vec<_>>(), [3.0]);
        trends.survey([(ID, "disk <*> is used <*>%")].into_iter(), Timestamp(60 * MINUTE));
        assert_eq!(trends.outlines().count(), 1);
        trends.survey([(ID, "disk <*> is used <*>%")].into_iter(), Timestamp(60 * MINUTE).plus(FORGOTTEN_AFTER));
        assert_eq!(trends.outlines().count(), 0);
        trends.survey([].into_iter(), Timestamp(0));
        assert!(!trends.wants(ID));
        let many = (0..100).map(|id| (PatternId(id), DISK));
        trends.survey(many, Timestamp(0));
        assert_eq!(trends.telling.len(), PATTERNS_MAX);
    }

    #[test]
    fn survives_its_bytes_at_any_time() {
        for minutes in [0, 1, 45, 300] {
            let (trends, _) = told(minutes, |minute| 30.0 + minute as f64 / 5.0);
            let mut out = Writer::new();
            trends.write(&mut out);
            assert_eq!(Trends::read(&mut Reader::new(out.as_bytes())), Ok(trends));
        }
    }
}
