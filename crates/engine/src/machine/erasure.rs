//! One erasure: a component, a domain, or what is known of one user leaves every tier. Its plan, how far it got, and the
//! receipt that stays.
//!
//! The domain object forgets first and then carries the plan out, stage by stage, each step at least once:
//!
//! `Streams` (each object counts, then erases) → `Copies` (D1 and KV) → `Settling` (the same again, after every write
//! that may still have been on its way has arrived) → `Retelling` (after every sweep has arrived, objects that began anew
//! under an erased name tell D1 again what the sweeps may have taken from them) → `Finished`.
//!
//! A stream is erased only if what it was told of the domain is older than the erasure (`version`): a name that starts
//! anew is told a newer view before its first record, so a step that comes late or twice cannot touch the new life. Until
//! its streams are erased a name may not register again.
//!
//! A user's erasure has no new life: the user goes on sending to the same streams. Each stream says when it is through up
//! to which receive time, and the sweeps take no copy of a record that came after it ([`Erasure::swept_up_to`]).

use crate::bytes::{ReadError, Reader, Writer};
use crate::machine::outbox::RetryPolicy;
use crate::time::{Millis, Timestamp};
use std::collections::BTreeMap;

/// How long writes to D1 and KV may be on their way: the second sweep comes after it.
pub const SETTLE: Millis = Millis::from_secs(60);
/// How long whoever carries out a step is trusted to be alive.
pub const STEP_PATIENCE: Millis = Millis::from_secs(30);
/// Waits after a step that failed.
const RETRY: RetryPolicy = RetryPolicy { base: Millis::from_secs(1), cap: Millis::from_mins(5) };

const VERSION: u8 = 1;

/// What was erased, by its name: `records`, `patterns`, `d1.record` ...
pub type Counts = BTreeMap<String, u64>;

/// Adds counts to counts.
pub fn add_counts(sum: &mut Counts, more: &Counts) {
    for (name, count) in more {
        let known = sum.entry(name.clone()).or_insert(0);
        *known = known.saturating_add(*count);
    }
}

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of one component.
    Component(String),
    /// All of the domain: its components, alerts, lessons and configuration.
    Domain,
    /// What one user left behind.
    User {
        /// As records name it. Blank once it is done: a receipt must not keep what it says is gone.
        user: String,
        /// What the receipt calls it.
        fingerprint: String,
        /// Only in this component.
        component: Option<String>,
    },
}

impl Scope {
    /// Whether it means the same, finished or not.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::User { fingerprint, component, .. },
                Self::User { fingerprint: theirs, component: in_component, .. },
            ) => fingerprint == theirs && component == in_component,
            _ => self == other,
        }
    }

    /// For people and for the audit log.
    pub fn shown(&self) -> String {
        match self {
            Self::Component(name) => format!("component {name}"),
            Self::Domain => "the domain".to_owned(),
            Self::User { fingerprint, component: None, .. } => format!("user {fingerprint}"),
            Self::User { fingerprint, component: Some(name), .. } => format!("user {fingerprint} in component {name}"),
        }
    }

    fn is_user(&self) -> bool {
        matches!(self, Self::User { .. })
    }
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartState {
    /// Nothing was done.
    Pending,
    /// What it holds is counted.
    Counted,
    /// It is erased.
    Erased,
    /// What began anew under its name has told D1 again.
    Retold,
}

/// Records that went to a place from which we cannot take them back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Records.
    pub records: u64,
    /// Receive time of the first and the last that is known of.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl Sent {
    /// Adds what else was sent.
    pub fn add(&mut self, more: Self) {
        self.records = self.records.saturating_add(more.records);
        self.span = match (self.span, more.span) {
            (Some((from, to)), Some((other_from, other_to))) => Some((from.min(other_from), to.max(other_to))),
            (one, other) => one.or(other),
        };
    }
}

/// One stream of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Component.
    pub component: String,
    /// Shard.
    pub shard: u16,
    /// How far it is.
    pub state: PartState,
    /// Of a user's records: the row up to which they are gone.
    pub cursor: u64,
    /// Of a user's records, once that is all: the receive time up to which they are gone. Builds that did not bound the
    /// sweeps say nothing.
    pub reached: Option<Timestamp>,
    /// What it lost.
    pub counts: Counts,
    /// What of it the data service has.
    pub sent: Sent,
}

impl Part {
    fn new(component: String, shard: u16, state: PartState) -> Self {
        Self { component, shard, state, cursor: 0, reached: None, counts: Counts::new(), sent: Sent::default() }
    }
}

/// Where the plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Streams erase.
    Streams,
    /// D1 and KV are swept.
    Copies,
    /// They are swept again.
    Settling,
    /// Streams that began anew tell D1 again.
    Retelling,
    /// Done.
    Finished,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Streams, Self::Copies, Self::Settling, Self::Retelling, Self::Finished];

    /// The word in a receipt.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Copies => "copies",
            Self::Settling => "settling",
            Self::Retelling => "retelling",
            Self::Finished => "finished",
        }
    }
}

/// A step to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Count what a stream holds, and change nothing.
    Count {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
    },
    /// Erase a stream, unless it was told this version of the view or a newer one.
    Erase {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
        /// Version.
        version: u64,
    },
    /// Erase a user's records from a stream, from the row after this one on.
    EraseUser {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
        /// Who.
        user: String,
        /// Row.
        cursor: u64,
    },
    /// Sweep D1 and KV.
    Sweep,
    /// Have a stream tell D1 everything again.
    Retell {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
    },
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// What the stream holds.
    Counted {
        /// By name.
        counts: Counts,
        /// What of it the data service has.
        sent: Sent,
    },
    /// The stream is erased. What it says of counts holds if it says anything: the first answer may have been lost.
    Erased(Counts),
    /// A part of a user's records is gone.
    UserErased {
        /// Row up to which they are.
        cursor: u64,
        /// By name.
        counts: Counts,
        /// What of it the data service has.
        sent: Sent,
        /// Whether that is all.
        is_done: bool,
        /// The receive time up to which that is all, if the stream says so.
        reached: Option<Timestamp>,
    },
    /// D1 and KV were swept.
    Swept {
        /// By name.
        counts: Counts,
        /// Whether nothing is left.
        is_done: bool,
    },
    /// The stream tells D1 again, or is not there.
    Retold,
    /// It did not work out.
    Failed(String),
}

/// An erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: String,
    /// What.
    pub scope: Scope,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub requested_at: Timestamp,
    /// Streams that were told this version of the domain's view, or a newer one, belong to a new life.
    pub version: u64,
    /// Where it stands.
    pub stage: Stage,
    /// The streams.
    pub parts: Vec<Part>,
    /// What the domain object lost.
    pub domain: Counts,
    /// What D1 and KV lost.
    pub copies: Counts,
    /// Steps that failed in a row.
    pub failures: u32,
    /// Why the last one did.
    pub last_error: Option<String>,
    /// When the next step is due.
    pub next_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
    /// Until when an answer to a sweep is that of another copy of the first. Not kept: who starts anew hears of none.
    settles_until: Timestamp,
}

impl Erasure {
    /// A plan for these streams.
    pub fn new(
        id: String,
        scope: Scope,
        by: String,
        now: Timestamp,
        version: u64,
        streams: Vec<(String, u16)>,
    ) -> Self {
        let part = |(component, shard)| Part::new(component, shard, PartState::Pending);
        let mut erasure = Self {
            id,
            scope,
            by,
            requested_at: now,
            version,
            stage: Stage::Streams,
            parts: streams.into_iter().map(part).collect(),
            domain: Counts::new(),
            copies: Counts::new(),
            failures: 0,
            last_error: None,
            next_at: now,
            finished_at: None,
            settles_until: Timestamp(0),
        };
        if erasure.parts.is_empty() {
            erasure.stage = Stage::Copies;
        }
        erasure
    }

    /// Whether nothing is left to do.
    pub fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// Whether this stream still holds what has to go, so that its name may not start anew.
    pub fn holds_back(&self, component: &str, shard: u16) -> bool {
        !self.scope.is_user()
            && self
                .parts
                .iter()
                .any(|it| it.component == component && it.shard == shard && it.state < PartState::Erased)
    }

    /// Everything that was lost, all tiers together.
    pub fn streams(&self) -> (Counts, Sent) {
        let (mut counts, mut sent) = (Counts::new(), Sent::default());
        for part in &self.parts {
            add_counts(&mut counts, &part.counts);
            sent.add(part.sent);
        }
        (counts, sent)
    }

    /// Of a user: the receive time up to which copies of a component's records are swept. What came later stays in its
    /// stream and keeps its copy.
    ///
    /// Copies do not say which shard of a component they are from, so that the last of them decides. Where a stream did not
    /// say, being of an earlier build, all copies go. A component that is not in the plan holds nothing from before it was
    /// asked for; copies without a component go with it.
    pub fn swept_up_to(&self, component: &str) -> Timestamp {
        let parts = self.parts.iter().filter(|part| part.component == component);
        let reached = parts.map(|part| part.reached.unwrap_or(Timestamp::MAX)).max();
        reached.unwrap_or(self.requested_at)
    }

    /// What can be done now, side by side.
    pub fn steps(&self) -> Vec<Step> {
        let name = |part: &Part| (part.component.clone(), part.shard);
        match self.stage {
            Stage::Streams => {
                let left = self.parts.iter().filter(|part| part.state < PartState::Erased);
                left.map(|part| {
                    let (component, shard) = name(part);
                    match (&self.scope, part.state) {
                        (Scope::User { user, .. }, _) => {
                            Step::EraseUser { component, shard, user: user.clone(), cursor: part.cursor }
                        }
                        (_, PartState::Pending) => Step::Count { component, shard },
                        _ => Step::Erase { component, shard, version: self.version },
                    }
                })
                .collect()
            }
            Stage::Copies | Stage::Settling => vec![Step::Sweep],
            Stage::Retelling => {
                let left = self.parts.iter().filter(|part| part.state == PartState::Erased);
                left.map(name).map(|(component, shard)| Step::Retell { component, shard }).collect()
            }
            Stage::Finished => Vec::new(),
        }
    }

    /// Books what came of a step; one that is over, or not of this stage, changes nothing.
    ///
    /// `has_copies` says whether D1 is written to at all: if not, nothing can be on its way there.
    pub fn book(&mut self, step: &Step, outcome: StepOutcome, has_copies: bool, now: Timestamp) {
        if !self.is_of_this_stage(step) {
            return;
        }
        // The first sweep may have been sent out twice; the second comes when writes on their way have arrived.
        let is_of_first_sweep = self.stage == Stage::Settling && now < self.settles_until;
        if let StepOutcome::Failed(why) = outcome {
            if !is_of_first_sweep {
                self.fail(why, now);
            }
            return;
        }
        let is_whole = !self.scope.is_user();
        match (step, outcome) {
            (Step::Count { component, shard }, StepOutcome::Counted { counts, sent }) => {
                if let Some(part) = self.part(component, *shard, PartState::Pending) {
                    (part.counts, part.sent, part.state) = (counts, sent, PartState::Counted);
                }
            }
            (Step::Erase { component, shard, .. }, StepOutcome::Erased(counts)) => {
                if let Some(part) = self.part(component, *shard, PartState::Counted) {
                    if !counts.is_empty() {
                        part.counts = counts;
                    }
                    part.state = PartState::Erased;
                }
            }
            (
                Step::EraseUser { component, shard, cursor: from, .. },
                StepOutcome::UserErased { cursor, counts, sent, is_done, reached },
            ) => {
                // One that went out twice is counted once.
                let part = self.part(component, *shard, PartState::Pending);
                if let Some(part) = part.filter(|part| part.cursor == *from) {
                    part.cursor = cursor;
                    add_counts(&mut part.counts, &counts);
                    part.sent.add(sent);
                    (part.state, part.reached) =
                        if is_done { (PartState::Erased, reached) } else { (PartState::Pending, None) };
                }
            }
            (Step::Sweep, StepOutcome::Swept { counts, is_done }) => {
                add_counts(&mut self.copies, &counts);
                if is_of_first_sweep {
                    return;
                }
                if is_done {
                    self.stage = match self.stage {
                        Stage::Copies if has_copies => Stage::Settling,
                        Stage::Settling if is_whole && has_copies => Stage::Retelling,
                        _ => Stage::Finished,
                    };
                }
                // A sweep that was not answered may still be on its way: it must not take what is told again.
                let waits = matches!(self.stage, Stage::Settling | Stage::Retelling);
                let wait = if is_done && waits { SETTLE } else { Millis(0) };
                if self.stage == Stage::Settling {
                    self.settles_until = now.plus(wait);
                }
                self.succeed(now.plus(wait));
                return self.close(now);
            }
            (Step::Retell { component, shard }, StepOutcome::Retold) => {
                if let Some(part) = self.part(component, *shard, PartState::Erased) {
                    part.state = PartState::Retold;
                }
                if self.parts.iter().all(|part| part.state == PartState::Retold) {
                    self.stage = Stage::Finished;
                }
                self.succeed(now);
                return self.close(now);
            }
            _ => return,
        }
        if self.stage == Stage::Streams && self.parts.iter().all(|part| part.state >= PartState::Erased) {
            self.stage = Stage::Copies;
        }
        self.succeed(now);
    }

    /// Streams that began while the plan was carried out have lost nothing but their copies.
    pub fn join<'a>(&mut self, streams: impl IntoIterator<Item = &'a (String, u16)>) {
        for (component, shard) in streams {
            if !self.parts.iter().any(|it| it.component == *component && it.shard == *shard) {
                let component = component.clone();
                self.parts.push(Part::new(component, *shard, PartState::Erased));
            }
        }
    }

    fn is_of_this_stage(&self, step: &Step) -> bool {
        match step {
            Step::Count { .. } | Step::Erase { .. } | Step::EraseUser { .. } => self.stage == Stage::Streams,
            Step::Sweep => matches!(self.stage, Stage::Copies | Stage::Settling),
            Step::Retell { .. } => self.stage == Stage::Retelling,
        }
    }

    fn part(&mut self, component: &str, shard: u16, state: PartState) -> Option<&mut Part> {
        self.parts.iter_mut().find(|it| it.component == component && it.shard == shard && it.state == state)
    }

    fn succeed(&mut self, next_at: Timestamp) {
        self.failures = 0;
        self.last_error = None;
        self.next_at = next_at;
    }

    fn fail(&mut self, why: String, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(why.chars().take(200).collect());
        self.next_at = now.plus(RETRY.wait(self.failures, self.requested_at.0.unsigned_abs()));
    }

    /// Nothing is left to do.
    pub fn finish(&mut self, now: Timestamp) {
        self.stage = Stage::Finished;
        self.close(now);
    }

    fn close(&mut self, now: Timestamp) {
        if self.stage == Stage::Finished {
            self.finished_at.get_or_insert(now);
            if let Scope::User { user, .. } = &mut self.scope {
                user.clear();
            }
        }
    }

    /// Its row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.text(&self.id);
        match &self.scope {
            Scope::Component(name) => {
                out.u8(0);
                out.text(name);
            }
            Scope::Domain => out.u8(1),
            Scope::User { user, fingerprint, component } => {
                out.u8(2);
                out.text(user);
                out.text(fingerprint);
                out.optional_text(component.as_deref());
            }
        }
        out.text(&self.by);
        out.int(self.requested_at.0);
        out.uint(self.version);
        out.u8(self.stage as u8);
        out.uint(self.parts.len() as u64);
        for part in &self.parts {
            out.text(&part.component);
            out.uint(u64::from(part.shard));
            out.u8(part.state as u8);
            out.uint(part.cursor);
            write_counts(&mut out, &part.counts);
            write_sent(&mut out, &part.sent);
        }
        write_counts(&mut out, &self.domain);
        write_counts(&mut out, &self.copies);
        out.uint(u64::from(self.failures));
        out.optional_text(self.last_error.as_deref());
        out.int(self.next_at.0);
        out.int(self.finished_at.map_or(i64::MIN, |at| at.0));
        // Behind everything that earlier builds know: they read the row without it.
        for part in &self.parts {
            out.int(part.reached.map_or(i64::MIN, |at| at.0));
        }
        out.into_bytes()
    }

    /// Reads its row.
    ///
    /// # Errors
    /// Damaged bytes, or a version of a later build.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(ReadError::Unknown("erasure version"));
        }
        let id = input.text()?.to_owned();
        let scope = match input.u8()? {
            0 => Scope::Component(input.text()?.to_owned()),
            1 => Scope::Domain,
            2 => Scope::User {
                user: input.text()?.to_owned(),
                fingerprint: input.text()?.to_owned(),
                component: input.optional_text()?.map(str::to_owned),
            },
            _ => return Err(ReadError::Unknown("scope of an erasure")),
        };
        let by = input.text()?.to_owned();
        let requested_at = Timestamp(input.int()?);
        let version = input.uint()?;
        let stage = usize::from(input.u8()?);
        let stage = *Stage::ALL.get(stage).ok_or(ReadError::Unknown("stage of an erasure"))?;
        let mut parts = Vec::new();
        for _ in 0..input.count()? {
            parts.push(read_part(&mut input)?);
        }
        let mut erasure = Self {
            id,
            scope,
            by,
            requested_at,
            version,
            stage,
            parts,
            domain: read_counts(&mut input)?,
            copies: read_counts(&mut input)?,
            failures: input.u32()?,
            last_error: input.optional_text()?.map(str::to_owned),
            next_at: Timestamp(input.int()?),
            finished_at: instant(input.int()?),
            settles_until: Timestamp(0),
        };
        if !input.is_empty() {
            for part in &mut erasure.parts {
                part.reached = instant(input.int()?);
            }
        }
        Ok(erasure)
    }
}

fn instant(at: i64) -> Option<Timestamp> {
    Some(Timestamp(at)).filter(|at| at.0 != i64::MIN)
}

fn read_part(input: &mut Reader<'_>) -> Result<Part, ReadError> {
    Ok(Part {
        component: input.text()?.to_owned(),
        shard: u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?,
        state: match input.u8()? {
            0 => PartState::Pending,
            1 => PartState::Counted,
            2 => PartState::Erased,
            3 => PartState::Retold,
            _ => return Err(ReadError::Unknown("state of an erasure's part")),
        },
        cursor: input.uint()?,
        reached: None,
        counts: read_counts(input)?,
        sent: read_sent(input)?,
    })
}

pub(super) fn write_sent(out: &mut Writer, sent: &Sent) {
    out.uint(sent.records);
    let (from, to) = sent.span.map_or((i64::MIN, i64::MIN), |(from, to)| (from.0, to.0));
    out.int(from);
    out.int(to);
}

pub(super) fn read_sent(input: &mut Reader<'_>) -> Result<Sent, ReadError> {
    Ok(Sent { records: input.uint()?, span: instant(input.int()?).zip(instant(input.int()?)) })
}

pub(super) fn write_counts(out: &mut Writer, counts: &Counts) {
    out.uint(counts.len() as u64);
    for (name, count) in counts {
        out.text(name);
        out.uint(*count);
    }
}

pub(super) fn read_counts(input: &mut Reader<'_>) -> Result<Counts, ReadError> {
    let mut counts = Counts::new();
    for _ in 0..input.count()? {
        let name = input.text()?.to_owned();
        counts.insert(name, input.uint()?);
    }
    Ok(counts)
}
