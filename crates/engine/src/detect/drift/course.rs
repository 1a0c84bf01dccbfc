//! The course of a variable's values over the day and the week, where they have one: a queue that is long at noon, a
//! batch that is large at night, a tariff that changes at ten.
//!
//! Each half hour of the day has shares of its own, and of the first [`WEEKS_MAX`] variables each half hour of the week.
//! Nobody is told by them before they have predicted better than the flat reference on the same marks, for two days, and
//! then the flat one is silent; a variable that has no course is judged by the flat one as if there were nothing else.
//! Hours are those of the domain's clocks. Numbers have marks of their own here, chosen when a whole day was seen: the
//! first half hour that a watch saw says nothing of noon.
//!
//! What a half hour may look like lies between its own shares and those of the half hours beside it, so that what comes a
//! little earlier or later is no news. While only the day is known the same half hour of last week is as good. A value
//! has to come [`CAME_MIN`] times in two hours or less. Off for [`ABSORBED_AFTER`] periods: it is the new course, which
//! has [`LEARNED_ANEW`] to show; in that time nothing is told of the variable.
//!
//! Bounded: 48 half hours of 9 numbers of two bytes, and 336 of them in [`WEEKS_MAX`] of all variables: 0.9 KB and 6 KB.

use super::measure::{Measure, Off, ShareBand, Shares, share_reach};
use super::{
    ABSORBED_AFTER, CLUMPING_TIMES, EVIDENCE_MAX, HABIT_WEIGHT, KEPT, PENDING_BELOW, PERIOD, PERIODS_TO_ALERT,
};
use crate::baseline::{Habit, Mean, Zone};
use crate::bytes::{ReadError, Reader, Writer};
use crate::pattern::Variable;
use crate::time::{Millis, Timestamp};

const DAY: usize = 48;
const WEEK: usize = 7 * DAY;
/// Variables whose week is learned beside their day.
pub(super) const WEEKS_MAX: usize = 16;
/// Values of a period that says something here, and half hours that it may take to come to so many.
const CAME_MIN: u64 = 12;
const SPAN_MAX: i64 = 4;
/// Periods before a course by the day is believed (two days), and one by the week (a week and a day).
const DAILY_PERIODS_MIN: u32 = 2 * DAY as u32;
const WEEKLY_PERIODS_MIN: u32 = 8 * DAY as u32;
/// A course is believed while its error is below this share of the simpler one's, and then until it is not below that.
const BETTER: f64 = 0.8;
const STILL_BETTER: f64 = 0.95;
/// What a day leaves of what a half hour of the day has learned, and a week of one of the week.
const DAY_KEPT: f64 = 0.8;
const WEEK_KEPT: f64 = 0.65;
/// The same while it is learned anew, and how long that takes.
const ANEW_KEPT: f64 = 0.2;
const LEARNED_ANEW: Millis = Millis::from_hours(72);
/// Share of its evidence that a period teaches which is off.
const OFF_WEIGHT: f64 = 0.25;
/// Shares as whole numbers.
const ONE: f64 = 65_535.0;

/// What the course is believed to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rhythm {
    /// None.
    #[default]
    Flat,
    /// By the half hour of the day.
    Daily,
    /// By the half hour of the week.
    Weekly,
}

impl Rhythm {
    /// Stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flat => "none",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }
}

/// Shares of classes by half hour. Of each the values that it rests on, and shares in 65,535ths.
#[derive(Clone, Debug, PartialEq)]
struct Slots {
    classes: usize,
    totals: Vec<u16>,
    shares: Vec<u16>,
}

impl Slots {
    fn new(slots: usize, classes: usize) -> Self {
        Self { classes, totals: vec![0; slots], shares: vec![0; slots * classes] }
    }

    fn of(&self, slot: usize) -> &[u16] {
        self.shares.get(slot * self.classes..(slot + 1) * self.classes).unwrap_or_default()
    }

    /// What this half hour has learned; none if it was never seen.
    fn get(&self, slot: usize) -> Option<Shares> {
        let total = f64::from(*self.totals.get(slot).filter(|total| **total > 0)?);
        Some(Shares { total, hits: self.of(slot).iter().map(|&share| f64::from(share) / ONE * total).collect() })
    }

    fn learn(&mut self, slot: usize, came: &Shares, kept: f64) {
        let mut known = self.get(slot).unwrap_or_else(|| Shares::none(self.classes));
        known.learn(came, kept);
        let Some(total) = self.totals.get_mut(slot).filter(|_| known.total > 0.0) else { return };
        *total = (known.total + 0.5).clamp(1.0, ONE) as u16;
        let shares = self.shares.get_mut(slot * self.classes..(slot + 1) * self.classes).unwrap_or_default();
        for (share, hits) in shares.iter_mut().zip(&known.hits) {
            *share = (hits / known.total * ONE + 0.5).clamp(0.0, ONE) as u16;
        }
    }

    /// One class more, which never came.
    fn widen(&mut self) {
        let shares = std::mem::take(&mut self.shares);
        let classes = self.classes.max(1);
        self.shares = shares.chunks(classes).flat_map(|slot| slot.iter().copied().chain([0])).collect();
        self.classes += 1;
    }

    /// What was known of one half hour is that of another, so many later.
    fn turn(&mut self, by: i64) {
        let slots = self.totals.len().max(1);
        let by = by.rem_euclid(slots as i64) as usize;
        self.totals.rotate_right(by);
        self.shares.rotate_right(by * self.classes);
    }

    fn write(&self, out: &mut Writer) {
        for (slot, &total) in self.totals.iter().enumerate() {
            out.uint(u64::from(total));
            if total > 0 {
                self.of(slot).iter().for_each(|share| out.raw(&share.to_le_bytes()));
            }
        }
    }

    fn read(input: &mut Reader<'_>, slots: usize, classes: usize) -> Result<Self, ReadError> {
        let mut read = Self::new(slots, classes);
        for slot in 0..slots {
            let total = u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?;
            read.totals.iter_mut().skip(slot).take(1).for_each(|known| *known = total);
            for share in read.shares.iter_mut().skip(slot * classes).take(if total > 0 { classes } else { 0 }) {
                *share = u16::from(input.u8()?) | u16::from(input.u8()?) << 8;
            }
        }
        Ok(read)
    }
}

/// What a period may look like: of each class the lowest and the highest share, and the values that this rests on.
#[derive(Clone, Debug, PartialEq)]
struct Band {
    ends: Vec<(f64, f64)>,
    strength: f64,
}

impl Band {
    /// As far as values come in clumps they are fewer.
    fn of(shares: &[Shares], clumping: f64) -> Option<Self> {
        let classes = shares.first()?.hits.len();
        let ends = |class| {
            let share = |it: &Shares| it.scaled(1.0 / clumping).share(class);
            shares.iter().map(share).fold((1.0, 0.0), |(low, high): (f64, f64), it| (low.min(it), high.max(it)))
        };
        let least = shares.iter().map(|it| it.scaled(1.0 / clumping).strength()).fold(f64::INFINITY, f64::min);
        Some(Self { ends: (0..classes).map(ends).collect(), strength: least })
    }
}

/// What became of a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Strayed {
    pub(super) probability: f64,
    pub(super) since: Timestamp,
    pub(super) window: Millis,
    /// The usual share on the side that was passed, and what it is worth.
    pub(super) share: f64,
    pub(super) strength: f64,
    pub(super) seen: u64,
    pub(super) total: u64,
    pub(super) is_alerting: bool,
}

/// The course of one variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Course {
    measure: Measure,
    /// What the sketches said when the period began.
    before: (u64, Vec<u64>),
    began: Timestamp,
    /// The flat reference on the same marks, which the course has to beat.
    overall: Shares,
    day: Slots,
    week: Option<Slots>,
    error_flat: Mean,
    error_day: Mean,
    error_week: Mean,
    /// That of the better of the others in the same half hours, which the week has seen before.
    error_beside: Mean,
    rhythm: Rhythm,
    periods: u32,
    clumping: Mean,
    habit: Habit,
    pending: Option<(Off, Timestamp)>,
    far: u32,
    is_open: bool,
    /// It is learned anew, and nothing is told of the variable.
    anew_until: Option<Timestamp>,
}

impl Course {
    pub(super) fn begin(variable: &Variable, has_week: bool, now: Timestamp) -> Option<Self> {
        let measure = Measure::of_day(variable)?;
        let before = measure.read(variable)?;
        let classes = measure.classes();
        Some(Self {
            measure,
            before,
            began: now,
            overall: Shares::none(classes),
            day: Slots::new(DAY, classes),
            week: has_week.then(|| Slots::new(WEEK, classes)),
            error_flat: Mean::default(),
            error_day: Mean::default(),
            error_week: Mean::default(),
            error_beside: Mean::default(),
            rhythm: Rhythm::Flat,
            periods: 0,
            clumping: Mean::default(),
            habit: Habit::default(),
            pending: None,
            far: 0,
            is_open: false,
            anew_until: None,
        })
    }

    /// Follows one that has lost its course: nothing is told of the variable until it has one again, or the time for it is
    /// over.
    pub(super) fn follow_up(mut self, now: Timestamp) -> Self {
        self.anew_until = Some(now.plus(LEARNED_ANEW));
        self
    }

    pub(super) fn has_week(&self) -> bool {
        self.week.is_some()
    }

    /// Learns the week as well from here on.
    pub(super) fn give_week(&mut self) {
        self.week.get_or_insert_with(|| Slots::new(WEEK, self.measure.classes()));
    }

    /// Whether the variable is judged by its course, or by nothing while that is learned anew.
    pub(super) fn speaks(&self) -> bool {
        self.rhythm != Rhythm::Flat || self.anew_until.is_some()
    }

    pub(super) fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    /// The clocks of the domain are so many hours ahead of what they were.
    pub(super) fn turn(&mut self, hours: i64) {
        let by = hours.saturating_mul(Millis::from_hours(1).0 / PERIOD.0);
        self.day.turn(by);
        if let Some(week) = &mut self.week {
            week.turn(by);
        }
    }

    /// A period is over: what it says, if that is to be told. None in the first place if it cannot go on as it is.
    pub(super) fn close(&mut self, variable: &Variable, zone: Zone, now: Timestamp) -> Option<Option<Strayed>> {
        self.take_new_values(variable);
        let read = self.measure.read(variable)?;
        let until = now.floor_to(PERIOD);
        let from = self.began.floor_to(PERIOD);
        let (total, hits) = (read.0.checked_sub(self.before.0), read.1.iter().zip(&self.before.1));
        let hits: Option<Vec<u64>> = hits.map(|(now, before)| now.checked_sub(*before)).collect();
        let spans = until.since(from).0 / PERIOD.0;
        let (Some(total), Some(hits), 1..=SPAN_MAX) = (total, hits, spans) else {
            // Values were taken back, the sketch began anew, or it took too long to say of which hour it tells.
            (self.before, self.began) = (read, now);
            return Some(None);
        };
        if total < CAME_MIN {
            return Some(None);
        }
        (self.before, self.began) = (read, now);
        let scale = (EVIDENCE_MAX / total as f64).min(1.0);
        let came = Shares { total: total as f64, hits: hits.iter().map(|&hits| hits as f64).collect() }.scaled(scale);
        let span: Vec<Timestamp> = (0..spans).map(|half| zone.local(from.plus(Millis(half * PERIOD.0)))).collect();
        self.anew_until = self.anew_until.filter(|until| now < *until);
        let off = self.judge(&came, &span);
        self.periods = self.periods.saturating_add(1);
        self.learn(&came, &span, off.as_ref().map(|(off, _)| *off));
        let was = self.rhythm;
        self.believe();
        if was != Rhythm::Flat && self.rhythm == Rhythm::Flat && self.anew_until.is_none() {
            // Its marks may tell nothing any more: it begins with others.
            return None;
        }
        let Some((off, band)) = off.filter(|_| was != Rhythm::Flat && self.anew_until.is_none()) else {
            (self.pending, self.far, self.is_open) = (None, 0, false);
            return Some(None);
        };
        let told = self.follow(off, from);
        let since = self.pending.map_or(from, |(_, since)| since);
        self.absorb(now);
        let told = told.filter(|_| self.anew_until.is_none());
        Some(told.map(|probability| {
            let (low, high) = band.ends.get(off.class).copied().unwrap_or_default();
            Strayed {
                probability,
                since,
                window: until.since(from),
                share: if off.is_more { high } else { low },
                strength: band.strength,
                seen: hits.get(off.class).copied().unwrap_or(0),
                total,
                // A weekend that was never seen is no fault.
                is_alerting: self.periods >= WEEK as u32,
            }
        }))
    }

    /// How far a period is from what its half hours may look like, with that; none while they were never seen.
    fn judge(&mut self, came: &Shares, span: &[Timestamp]) -> Option<(Off, Band)> {
        let clumping = self.clumping.value().max(1.0);
        let usual = self.usual(span, self.rhythm)?;
        let wander = came_beside(&usual, came);
        let may_be = self.may_be(span);
        let band = Band::of(&may_be, clumping)?;
        let ends = |class: usize| band.ends.get(class).copied().unwrap_or((0.0, 1.0));
        let off = came.scaled(1.0 / clumping).farthest(ends, band.strength);
        if !self.is_open && self.anew_until.is_none() {
            let is_known = self.periods >= DAILY_PERIODS_MIN;
            let most = if is_known { CLUMPING_TIMES * clumping } else { f64::INFINITY };
            self.clumping.learn(wander.min(most), 1.0 / f64::from(PERIODS_TO_ALERT));
            self.habit.learn(off.probability, HABIT_WEIGHT);
        }
        Some((Off { probability: self.habit.read(off.probability), ..off }, band))
    }

    /// Whether a period that is so far off is to be told: its probability, with that of the one before it.
    fn follow(&mut self, off: Off, began: Timestamp) -> Option<f64> {
        if off.probability >= PENDING_BELOW {
            (self.pending, self.far, self.is_open) = (None, 0, false);
            return None;
        }
        let before = self.pending.filter(|(before, _)| self.measure.is_alike(before, &off));
        self.pending = Some((off, before.map_or(began, |(_, since)| since)));
        self.far = if before.is_some() { self.far + 1 } else { 1 };
        before.filter(|_| !self.is_open).map(|(before, _)| before.probability.max(off.probability))
    }

    /// What has been off for hours is how it is from here on.
    fn absorb(&mut self, now: Timestamp) {
        if self.far >= ABSORBED_AFTER {
            (self.pending, self.far, self.is_open) = (None, 0, false);
            self.anew_until = Some(now.plus(LEARNED_ANEW));
        }
    }

    fn learn(&mut self, came: &Shares, span: &[Timestamp], off: Option<Off>) {
        let is_anew = self.is_shifted();
        if !is_anew && !self.is_open {
            self.compare(came, span);
        }
        let is_off = !is_anew && self.rhythm != Rhythm::Flat && off.is_some_and(|it| it.probability < PENDING_BELOW);
        let weight = if is_off { OFF_WEIGHT } else { 1.0 } / span.len().max(1) as f64;
        let taught = came.scaled(weight);
        self.overall.learn(&came.scaled(if is_off { OFF_WEIGHT } else { 1.0 }), KEPT);
        // What teaches less lets less be forgotten.
        let kept =
            |kept: f64| 1.0 - (1.0 - if is_anew { ANEW_KEPT } else { kept }) * if is_off { OFF_WEIGHT } else { 1.0 };
        for &at in span {
            let (day, week) = places(at);
            self.day.learn(day, &taught, kept(DAY_KEPT));
            if let Some(slots) = &mut self.week {
                slots.learn(week, &taught, kept(WEEK_KEPT));
            }
        }
    }

    /// How well each reference has predicted the period.
    fn compare(&mut self, came: &Shares, span: &[Timestamp]) {
        let Some(daily) = self.usual(span, Rhythm::Daily) else { return };
        let (flat, day) = (distance(&self.overall, came), distance(&daily, came));
        self.error_flat.learn(flat, 1.0 / f64::from(DAILY_PERIODS_MIN));
        self.error_day.learn(day, 1.0 / f64::from(DAILY_PERIODS_MIN));
        let weekly = self.week.as_ref().and_then(|week| mean_of(span.iter().map(|&at| week.get(places(at).1))));
        if let Some(weekly) = weekly {
            self.error_week.learn(distance(&weekly, came), 1.0 / WEEK as f64);
            self.error_beside.learn(day.min(flat), 1.0 / WEEK as f64);
        }
    }

    /// Which course is believed from here on.
    fn believe(&mut self) {
        if self.is_shifted() {
            return;
        }
        let bound = |is_believed: bool| if is_believed { STILL_BETTER } else { BETTER };
        let week_beats = self.error_week.value() < self.error_beside.value() * bound(self.rhythm == Rhythm::Weekly);
        let day_beats = self.error_day.value() < self.error_flat.value() * bound(self.rhythm != Rhythm::Flat);
        let is_seen = |error: &Mean| error.count() >= DAY as u32;
        self.rhythm = if self.periods >= WEEKLY_PERIODS_MIN && is_seen(&self.error_week) && week_beats {
            Rhythm::Weekly
        } else if self.periods >= DAILY_PERIODS_MIN && is_seen(&self.error_day) && day_beats {
            Rhythm::Daily
        } else {
            Rhythm::Flat
        };
        if self.rhythm != Rhythm::Flat {
            self.anew_until = None;
        }
    }

    /// Its values moved, and its half hours are learned anew.
    fn is_shifted(&self) -> bool {
        self.rhythm != Rhythm::Flat && self.anew_until.is_some()
    }

    /// What these half hours usually hold by this rhythm; none if one of them was never seen.
    fn usual(&self, span: &[Timestamp], rhythm: Rhythm) -> Option<Shares> {
        match (&self.week, rhythm) {
            (Some(week), Rhythm::Weekly) => mean_of(span.iter().map(|&at| week.get(places(at).1))),
            _ => mean_of(span.iter().map(|&at| self.day.get(places(at).0))),
        }
    }

    /// All that these half hours may hold: their own, those beside them, and while only the day is known, last week's.
    fn may_be(&self, span: &[Timestamp]) -> Vec<Shares> {
        let beside =
            [0, -1, 1].map(|by| -> Vec<Timestamp> { span.iter().map(|at| at.plus(Millis(by * PERIOD.0))).collect() });
        let mut may_be: Vec<Shares> = beside.iter().filter_map(|span| self.usual(span, self.rhythm)).collect();
        if self.rhythm != Rhythm::Weekly && self.week.is_some() {
            may_be.extend(self.usual(span, Rhythm::Weekly));
        }
        may_be
    }

    /// A set that was closed has a value more.
    fn take_new_values(&mut self, variable: &Variable) {
        let before = self.measure.classes();
        self.measure.take_new_values(variable);
        for _ in before..self.measure.classes() {
            self.before.1.push(0);
            self.overall.hits.push(0.0);
            self.day.widen();
            if let Some(week) = &mut self.week {
                week.widen();
            }
        }
    }

    /// What the half hour that holds this instant may look like: of each class the usual share, and below and above what
    /// it would be remarkable.
    pub(super) fn band(&self, zone: Zone, at: Timestamp) -> Option<(&Measure, Vec<ShareBand>)> {
        let span = [zone.local(at.floor_to(PERIOD))];
        let usual = self.usual(&span, self.rhythm)?;
        let band = Band::of(&self.may_be(&span), self.clumping.value().max(1.0))?;
        let of_class = |(class, &(low, high)): (usize, &(f64, f64))| {
            let reach = |share: f64| share_reach(share, band.strength, self.clumping.value());
            ShareBand { usual: usual.share(class), low: low - reach(low), high: high + reach(high) }
        };
        Some((&self.measure, band.ends.iter().enumerate().map(of_class).map(ShareBand::clamped).collect()))
    }

    pub(super) fn write(&self, out: &mut Writer) {
        self.measure.write(out);
        out.uint(self.before.0);
        self.before.1.iter().for_each(|&count| out.uint(count));
        out.int(self.began.0);
        self.overall.write(out);
        self.day.write(out);
        out.u8(u8::from(self.week.is_some()));
        if let Some(week) = &self.week {
            week.write(out);
        }
        self.means().into_iter().for_each(|mean| mean.write(out));
        out.u8(match self.rhythm {
            Rhythm::Flat => 0,
            Rhythm::Daily => 1,
            Rhythm::Weekly => 2,
        });
        out.uint(u64::from(self.periods));
        self.habit.write(out);
        Off::write_pending(self.pending, out);
        out.uint(u64::from(self.far));
        out.u8(u8::from(self.is_open));
        out.u8(u8::from(self.anew_until.is_some()));
        out.int(self.anew_until.map_or(0, |until| until.0));
    }

    fn means(&self) -> [&Mean; 5] {
        [&self.error_flat, &self.error_day, &self.error_week, &self.error_beside, &self.clumping]
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let measure = Measure::parse(input)?;
        let classes = measure.classes();
        let total = input.uint()?;
        let counts: Result<Vec<u64>, ReadError> = (0..classes).map(|_| input.uint()).collect();
        let (before, began) = ((total, counts?), Timestamp(input.int()?).clamped());
        let overall = Shares::read(input, classes)?;
        let day = Slots::read(input, DAY, classes)?;
        let week = if input.u8()? == 1 { Some(Slots::read(input, WEEK, classes)?) } else { None };
        let (error_flat, error_day) = (Mean::read(input)?, Mean::read(input)?);
        let (error_week, error_beside, clumping) = (Mean::read(input)?, Mean::read(input)?, Mean::read(input)?);
        let rhythm = match input.u8()? {
            0 => Rhythm::Flat,
            1 => Rhythm::Daily,
            2 => Rhythm::Weekly,
            _ => return Err(ReadError::Unknown("rhythm of values")),
        };
        let (periods, habit, pending) = (input.u32()?, Habit::parse(input)?, Off::parse_pending(input)?);
        let (far, is_open) = (input.u32()?, input.u8()? == 1);
        let (is_anew, until) = (input.u8()? == 1, Timestamp(input.int()?).clamped());
        let anew_until = is_anew.then_some(until);
        Ok(Self {
            measure,
            before,
            began,
            overall,
            day,
            week,
            error_flat,
            error_day,
            error_week,
            error_beside,
            rhythm,
            periods,
            clumping,
            habit,
            pending,
            far,
            is_open,
            anew_until,
        })
    }
}

/// The half hour within the day and within the week, of local time.
fn places(local: Timestamp) -> (usize, usize) {
    let slot = local.0.div_euclid(PERIOD.0);
    (slot.rem_euclid(DAY as i64) as usize, slot.rem_euclid(WEEK as i64) as usize)
}

/// The mean of the shares of several half hours; none if one of them is missing.
fn mean_of(shares: impl Iterator<Item = Option<Shares>>) -> Option<Shares> {
    let all: Vec<Shares> = shares.collect::<Option<_>>()?;
    let mut sum = Shares::none(all.first()?.hits.len());
    all.iter().for_each(|one| sum.learn(one, 1.0));
    Some(sum)
}

/// How far a period wanders from a usual that is itself known from few values only.
fn came_beside(usual: &Shares, came: &Shares) -> f64 {
    usual.wander(came) / (1.0 + came.total / usual.total.max(1.0))
}

/// Mean difference of the shares.
fn distance(usual: &Shares, came: &Shares) -> f64 {
    let of_class = |class: usize| (usual.share(class) - came.share(class)).abs();
    (0..came.hits.len()).map(of_class).sum::<f64>() / came.hits.len().max(1) as f64
}
