//! What leaves before its time is over, because it says little: debug lines before informational ones, those before
//! warnings; by age, or because the component holds more bytes than it may.
//!
//! A place (a row of the journal, or a block) is thinned once for each rank, when all of it is old enough for that rank:
//! records of the rank become husks, which keep the ids of their neighbours right and weigh next to nothing. So a rank of
//! thousands of records costs one row written for its block. Records that a pattern shows (its first ones, its last one)
//! stay until the whole place leaves; the pattern's row keeps what they said even then. Counts never fall.
//!
//! Places are passed in the order of their sequence, one cursor a rank; the row with the cursors is written in the commit
//! that thins, so that a crash leaves a place either thinned or not. If that row is lost or the policy changes, the way
//! begins anew: a place that is thinned already has nothing more to give. Left out here: storing.

use super::store::StreamStore;
use super::{StreamMachine, StreamSettings};
use crate::bytes::{ReadError, Reader, Writer};
use crate::level::LevelClass;
use crate::machine::retract::without;
use crate::machine::row::{Heads, Row, RowKind};
use crate::pattern::PatternId;
use crate::record::Record;
use crate::time::{Millis, Timestamp};
use std::collections::BTreeSet;
use xxhash_rust::xxh3::Xxh3;

/// Places that one look passes without opening them.
const LOOK_PLACES: u32 = 256;

/// What leaves early, the least important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Debug lines and finer, and patterns that were called brief.
    Debug,
    /// Informational lines.
    Info,
}

impl Rank {
    /// In the order in which they leave.
    pub const ALL: [Self; 2] = [Self::Debug, Self::Info];

    const fn index(self) -> usize {
        self as usize
    }

    /// One bit for each class of level that it, or one before it, takes.
    const fn levels(self) -> u8 {
        let debug = 1 << LevelClass::Trace.index() | 1 << LevelClass::Debug.index();
        match self {
            Self::Debug => debug,
            Self::Info => debug | 1 << LevelClass::Info.index(),
        }
    }
}

/// What of a component's records leaves before the others do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// How long debug lines and finer are kept, if not as long as all others.
    pub debug: Option<Millis>,
    /// How long informational lines are kept, if not as long as all others.
    pub info: Option<Millis>,
    /// The most bytes that the component may hold.
    pub bytes_max: Option<u64>,
    /// Patterns whose records leave with debug lines, whatever their level.
    pub brief: BTreeSet<PatternId>,
    /// Patterns whose records stay as long as errors, whatever their level.
    pub lasting: BTreeSet<PatternId>,
    /// How long what becomes old enough waits for more of it: an alarm is a request. Not for operators: the simulator's
    /// runs are too short for the real number.
    pub delay: Millis,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        let (brief, lasting) = (BTreeSet::new(), BTreeSet::new());
        Self { debug: None, info: None, bytes_max: None, brief, lasting, delay: Millis::from_hours(1) }
    }
}

impl RetentionPolicy {
    /// How long records of this rank are kept, if not as long as all others.
    pub fn age(&self, rank: Rank) -> Option<Millis> {
        match rank {
            Rank::Debug => self.debug,
            Rank::Info => self.info,
        }
    }

    fn is_any(&self) -> bool {
        self.debug.is_some() || self.info.is_some() || self.bytes_max.is_some()
    }

    /// A number that changes with what belongs to which rank.
    fn ranks(&self) -> u64 {
        let mut hash = Xxh3::new();
        for (kind, patterns) in [(1u8, &self.brief), (2, &self.lasting)] {
            hash.update(&[kind]);
            patterns.iter().for_each(|pattern| hash.update(&pattern.0.to_le_bytes()));
        }
        hash.digest()
    }

    /// A number that changes with anything that could let something leave earlier.
    fn fingerprint(&self, retention: Millis) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(&self.ranks().to_le_bytes());
        for age in [Some(retention), self.debug, self.info] {
            hash.update(&age.map_or(-1, |age| age.0).to_le_bytes());
        }
        hash.update(&self.bytes_max.unwrap_or(u64::MAX).to_le_bytes());
        hash.digest()
    }
}

/// What a row or a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceOutline {
    /// First sequence.
    pub seq_first: u64,
    /// Last sequence.
    pub seq_last: u64,
    /// Latest receive time.
    pub at_max: Timestamp,
    /// Largest event time.
    pub time_max: Timestamp,
    /// One bit per level class, and more.
    pub levels: u8,
}

/// How far each rank got, and under which policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Thinned {
    /// What belonged to which rank.
    ranks: u64,
    /// All of the policy.
    policy: u64,
    up_to: [u64; 2],
    /// Largest event time of the places passed.
    times: [Timestamp; 2],
}

/// One step, for one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thinning {
    /// New bodies by row.
    pub bodies: Vec<(u64, Vec<u8>)>,
    /// Records that leave.
    pub records: u64,
    /// Their ids, where D1 may have copies of them: whoever stores this takes those out first, since nothing leads to
    /// them afterwards.
    pub copies: Vec<String>,
    /// Places up to this row leave whole.
    pub gone_up_to: Option<u64>,
    /// The row with the cursors.
    pub row: Vec<u8>,
}

/// What to take out of a place.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// One bit per level class; none means any.
    pub levels: u8,
    /// Patterns, as they are now; none means any.
    pub patterns: BTreeSet<PatternId>,
}

/// What became of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextThinning {
    /// Store this, then look again.
    Now(Thinning),
    /// Nothing more now; when to look again, if ever.
    Later(Option<Timestamp>),
}

impl StreamMachine {
    /// The next place to thin. If the component holds too much, age does not count; and when there is nothing left to
    /// thin, the oldest place leaves whole.
    ///
    /// # Errors
    /// The store's. The machine is then ahead of its rows and must be forgotten.
    pub fn next_thinning<S: StreamStore>(
        &mut self,
        store: &S,
        is_over: bool,
        now: Timestamp,
    ) -> Result<NextThinning, S::Error> {
        match self.look_for_thinning(store, is_over, now)? {
            // Where nothing had to go the cursors are stored all the same: whoever forgot which policy was looked at would
            // be woken a minute after each restart to look again.
            NextThinning::Later(at) => Ok(match self.take_thinned() {
                Some(row) => NextThinning::Now(Thinning { row, ..Thinning::default() }),
                None => NextThinning::Later(at),
            }),
            found => {
                self.thinned_written = self.thinned;
                Ok(found)
            }
        }
    }

    /// What [`StreamMachine::next_thinning`] would say to store, without going on: copies elsewhere have to leave first,
    /// and that takes its time.
    ///
    /// # Errors
    /// The store's.
    pub fn would_thin<S: StreamStore>(
        &mut self,
        store: &S,
        is_over: bool,
        now: Timestamp,
    ) -> Result<Option<Thinning>, S::Error> {
        let before = (self.thinned, self.thinned_written, self.thin_at);
        let found = self.next_thinning(store, is_over, now);
        if !matches!(found, Ok(NextThinning::Later(_))) {
            (self.thinned, self.thinned_written, self.thin_at) = before;
        }
        Ok(match found? {
            NextThinning::Now(thinning) => Some(thinning),
            NextThinning::Later(_) => None,
        })
    }

    /// Copies could not be taken out: look again after the policy's delay.
    pub fn thin_later(&mut self, now: Timestamp) {
        self.thin_at = Some(now.plus(self.settings.retention_policy.delay));
    }

    fn look_for_thinning<S: StreamStore>(
        &mut self,
        store: &S,
        is_over: bool,
        now: Timestamp,
    ) -> Result<NextThinning, S::Error> {
        let policy = self.settings.retention_policy.clone();
        if self.thinned.ranks != policy.ranks() {
            let times = self.thinned.times;
            self.thinned = Thinned { ranks: policy.ranks(), times, ..Thinned::default() };
        }
        self.thinned.policy = policy.fingerprint(self.settings.retention);
        self.thin_at = Some(now);
        let shown = self.shown();
        let (received_before, seq_max) = self.removable(Timestamp::MAX, now);
        let may_go = |place: &PlaceOutline| place.seq_last <= seq_max && place.at_max < received_before;
        let mut due: Option<Timestamp> = None;
        for rank in Rank::ALL {
            let age = policy.age(rank);
            if age.is_none() && !is_over {
                continue;
            }
            for place in store.places_after(self.thinned.up_to[rank.index()], LOOK_PLACES)? {
                let old_at = age.map(|age| place.time_max.max(place.at_max).plus(age).plus(Millis(1)));
                if !may_go(&place) || !is_over && old_at.is_none_or(|at| at > now) {
                    due = due.into_iter().chain(old_at).min();
                    break;
                }
                self.thinned.up_to[rank.index()] = place.seq_last;
                let time = &mut self.thinned.times[rank.index()];
                *time = (*time).max(place.time_max);
                let may_hold = rank.levels() & place.levels != 0 || !policy.brief.is_empty();
                if !may_hold {
                    continue;
                }
                let thinning = self.thin(store, &place, |machine, at, record, pattern| {
                    machine.rank_of(&policy, record, pattern).is_some_and(|its| its <= rank) && !shown.contains(&at)
                })?;
                if thinning.records > 0 {
                    return Ok(NextThinning::Now(thinning));
                }
            }
        }
        if is_over && let Some(oldest) = store.places_after(0, 1)?.first().filter(|place| may_go(place)) {
            let thinning =
                Thinning { gone_up_to: Some(oldest.seq_last), row: self.write_thinned(), ..Thinning::default() };
            return Ok(NextThinning::Now(thinning));
        }
        self.thin_at = due.map(|due| due.max(now.plus(policy.delay)));
        Ok(NextThinning::Later(self.thin_at))
    }

    /// What of the place after `seq` that is older than `before` and may go is selected; the next `seq`, if there is one.
    /// What patterns show is taken too: somebody asked for it by name.
    ///
    /// # Errors
    /// The store's.
    pub fn select_in_place<S: StreamStore>(
        &self,
        store: &S,
        selection: &Selection,
        before: Timestamp,
        seq: u64,
        now: Timestamp,
    ) -> Result<Option<(u64, Thinning)>, S::Error> {
        let (received_before, seq_max) = self.removable(now, now);
        let places = store.places_after(seq, 1)?;
        let may_go = |place: &&PlaceOutline| place.seq_last <= seq_max && place.at_max < received_before;
        let Some(place) = places.first().filter(may_go) else { return Ok(None) };
        if selection.levels != 0 && selection.levels & place.levels == 0 {
            return Ok(Some((place.seq_last, Thinning { row: self.write_thinned(), ..Thinning::default() })));
        }
        let thinning = self.thin(store, place, |machine, _, record, pattern| {
            record.timestamp < before
                && (selection.levels == 0 || selection.levels & 1 << record.level.class().index() != 0)
                && (selection.patterns.is_empty() || selection.patterns.contains(&machine.miner.resolve(pattern)))
        })?;
        Ok(Some((place.seq_last, thinning)))
    }

    /// Makes husks of what `leaves` in a place.
    fn thin<S: StreamStore>(
        &self,
        store: &S,
        place: &PlaceOutline,
        leaves: impl Fn(&Self, (u64, u16), &Record, PatternId) -> bool,
    ) -> Result<Thinning, S::Error> {
        let mut thinning = Thinning { row: self.write_thinned(), ..Thinning::default() };
        let mut rows: Vec<Row> = Vec::new();
        store.rows_after(place.seq_first.saturating_sub(1), &mut |row| {
            let is_of_it = row.seq <= place.seq_last;
            if is_of_it && row.kind == RowKind::Segments && row.count > 0 {
                rows.push(row);
            }
            is_of_it
        })?;
        for row in rows {
            // What cannot be read stays as it is; whoever reads it says so.
            let Ok(heads) = Heads::decode(&row.heads) else { continue };
            let found = without(&row.body, |index, record| {
                leaves(self, (row.seq, index), record, heads.pattern_at(usize::from(index)))
            });
            if let Ok(Some(found)) = found {
                thinning.records += found.lines.len() as u64;
                if self.settings.has_d1 {
                    let id = |(index, record): &(u16, Record)| {
                        record.id.clone().unwrap_or_else(|| self.record_id(row.at, row.seq, *index).to_string())
                    };
                    thinning.copies.extend(found.lines.iter().map(id));
                }
                thinning.bodies.push((row.seq, found.body));
            }
        }
        Ok(thinning)
    }

    /// Places of the records that patterns show: their first ones and their last.
    fn shown(&self) -> BTreeSet<(u64, u16)> {
        let shown = self.miner.patterns().flat_map(|pattern| pattern.exemplars.iter().chain(&pattern.last));
        shown.map(|exemplar| (exemplar.seq, exemplar.index)).collect()
    }

    fn rank_of(&self, policy: &RetentionPolicy, record: &Record, pattern: PatternId) -> Option<Rank> {
        let pattern = self.miner.resolve(pattern);
        if policy.lasting.contains(&pattern) {
            return None;
        }
        if policy.brief.contains(&pattern) {
            return Some(Rank::Debug);
        }
        match record.level.class() {
            LevelClass::Trace | LevelClass::Debug => Some(Rank::Debug),
            LevelClass::Info => Some(Rank::Info),
            _ => None,
        }
    }

    /// Event time up to which records have left before their time; `None` if none have.
    pub fn thinned_to(&self) -> Option<Timestamp> {
        self.thinned.times.into_iter().max().filter(|time| time.0 > 0)
    }

    pub(super) fn write_thinned(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(1);
        out.u64_fixed(self.thinned.ranks);
        out.u64_fixed(self.thinned.policy);
        for (seq, time) in self.thinned.up_to.iter().zip(&self.thinned.times) {
            out.uint(*seq);
            out.int(time.0);
        }
        out.into_bytes()
    }

    /// Takes up what [`StreamMachine::write_thinned`] wrote.
    pub(super) fn read_thinned(&mut self, row: Option<&[u8]>) {
        self.thinned = row.and_then(|row| read(row).ok()).unwrap_or_default();
        self.thinned_written = self.thinned;
    }

    /// The row with the cursors, if it says something else than the one that is there.
    pub(super) fn take_thinned(&mut self) -> Option<Vec<u8>> {
        (self.thinned_written != self.thinned).then(|| {
            self.thinned_written = self.thinned;
            self.write_thinned()
        })
    }

    /// Something may have to leave earlier than was planned: look soon.
    pub(super) fn retention_changed(&mut self) {
        let soon = self.clock.plus(Millis::from_mins(1));
        self.retain_at = self.retain_at.map(|at| at.min(soon));
    }

    /// The same after a restart, if the rows are of another configuration.
    pub(super) fn follow_retention(&mut self) {
        let StreamSettings { retention, retention_policy: policy, .. } = &self.settings;
        let is_known = self.thinned.policy == policy.fingerprint(*retention);
        if !is_known && (policy.is_any() || self.thinned.policy != 0) {
            self.retention_changed();
        }
    }

    /// How long the records are kept that leave first.
    pub(super) fn retention_min(&self) -> Millis {
        let StreamSettings { retention, retention_policy: policy, .. } = &self.settings;
        Rank::ALL.into_iter().filter_map(|rank| policy.age(rank)).fold(*retention, Millis::min)
    }
}

fn read(row: &[u8]) -> Result<Thinned, ReadError> {
    let mut input = Reader::new(row);
    if input.u8()? != 1 {
        return Err(ReadError::Unknown("version of what was thinned"));
    }
    let (ranks, policy) = (input.u64_fixed()?, input.u64_fixed()?);
    let mut thinned = Thinned { ranks, policy, ..Thinned::default() };
    for (seq, time) in thinned.up_to.iter_mut().zip(&mut thinned.times) {
        (*seq, *time) = (input.uint()?, Timestamp(input.int()?));
    }
    Ok(thinned)
}
