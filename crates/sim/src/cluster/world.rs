//! The cluster: virtual time, one queue of events, the network, and the faults.

use super::disk::Disk;
use super::domain::DomainObject;
use super::edge::{Edges, SHARDS_MAX};
use super::erase_user::Asked;
use super::ledger::{Declared, Ledger};
use super::message::{Answer, AppendAnswer, Call, CallId, Calls, Piece, Place, Waiter};
use super::mutant::Mutant;
use super::peers::Peers;
use super::plan::Plan;
use super::stream::StreamObject;
use crate::random::Random;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// Alarms of one object in one play: seven times what the busiest of 1,000 seeds needs. More is an alarm that sets itself
/// again and gets nothing done.
pub(super) const WAKES_MAX: u64 = 2_000;
/// How long a caller waits for an answer.
const TIMEOUT_MS: i64 = 10_000;
/// Tries of a client before it gives up.
const ATTEMPTS_MAX: u32 = 30;
/// Lines of the run's story that are kept.
const STORY_LINES: usize = 5_000;
/// When a run begins: a Monday, some hours before midnight UTC, so that some runs cross into the next day.
const BEGIN_MS: i64 = 1_767_650_400_000;

/// Something that happens.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum Event {
    /// A client makes its next batch.
    Make,
    /// A client sends a batch.
    Send(usize),
    /// A call arrives.
    Arrive { from: CallId, to: Place, call: Rc<Call> },
    /// An answer arrives, or the caller has waited long enough (`None`).
    Answered { call: CallId, answer: Option<Answer> },
    /// Commits of an object are on disk.
    Durable { place: Place, life: u64, commit: u64 },
    /// The platform looks at an object's alarm.
    Alarm { place: Place, look: u64 },
    /// D1 is dropped.
    DropD1,
    /// The domain object crashes, whatever it is doing.
    CrashDomain,
    /// An administrator does something.
    Administer,
    /// An administrator erases a component.
    EraseComponent(usize),
    /// An administrator erases a user, everywhere or in one component.
    EraseUser(String, Option<usize>),
    /// An administrator erases the domain.
    EraseDomain,
    /// An administrator spreads a component over so many shards.
    Spread(usize, u16),
}

/// What leaves an object as soon as its commits are on disk.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// An answer.
    Answer(CallId, Answer),
    /// A call.
    Call(Waiter, Place, Rc<Call>),
    /// A second copy of a call, which takes so long, ms, and whose answer nobody waits for.
    Copy(i64, Place, Rc<Call>),
}

/// The cluster.
pub struct World {
    /// The one source of chance.
    pub random: Random,
    /// True time, ms.
    pub now: i64,
    /// When it began.
    pub begin: i64,
    /// How hard the seed is.
    pub plan: Plan,
    /// What is broken.
    pub mutant: Option<Mutant>,
    /// Components.
    pub streams: Vec<StreamObject>,
    /// Their domain.
    pub domain: DomainObject,
    /// Everything outside.
    pub peers: Peers,
    /// Users of whom somebody asked that they be erased.
    pub asked: Vec<Asked>,
    /// What clients know.
    pub ledger: Ledger,
    /// What edges know, where components are spread.
    pub edges: Edges,
    /// Whether any component ever is.
    pub spreads: bool,
    /// Calls under way.
    pub calls: Calls,
    /// What was seen to be wrong on the way.
    pub violations: Vec<String>,
    /// The end of the story, for whoever has to understand it.
    pub story: VecDeque<String>,
    queue: BTreeMap<(i64, u64), Event>,
    order: u64,
    made: usize,
    /// Whether the story is written.
    pub tells: bool,
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, mutant: Option<Mutant>, tells: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::of(&mut random);
        let is_partial = mutant == Some(Mutant::PartialCommit);
        // A chance of its own: seeds without it are the runs that they were before there were shards.
        let mut apart = Random::new(!seed.rotate_left(16));
        let spreads = apart.permille(350);
        let shards = if spreads { SHARDS_MAX } else { 1 };
        let numbers = (0..shards).flat_map(|shard| (0..plan.streams).map(move |component| (component, shard)));
        let mut streams: Vec<_> = (0..)
            .zip(numbers)
            .map(|(number, (component, shard))| {
                StreamObject::new((number, component, shard), is_partial, &plan.settings)
            })
            .collect();
        for object in &mut streams {
            object.overrides_late = mutant == Some(Mutant::OverridesAfterReplay);
        }
        let now = BEGIN_MS + random.below(7_200_000) as i64;
        let targets = 1 + random.below(2) as usize;
        let mut world = Self {
            now,
            begin: now,
            mutant,
            streams,
            domain: DomainObject::new(Disk::new(is_partial), plan.quota, targets, plan.settings.has_d1),
            peers: Peers { targets: vec![BTreeMap::new(); targets], ..Peers::default() },
            asked: Vec::new(),
            ledger: Ledger::new(spreads),
            edges: Edges::default(),
            spreads,
            calls: Calls::default(),
            violations: Vec::new(),
            story: VecDeque::new(),
            queue: BTreeMap::new(),
            order: 0,
            made: 0,
            tells,
            random,
            plan,
        };
        world.domain.remember_keys_for(world.plan.settings.key_window);
        world.after(0, Event::Make);
        if spreads {
            for _ in 0..apart.between(1, 5) {
                let component = apart.below(world.plan.streams as u64) as usize;
                let shards = *apart.pick(&[1, 2, 3, SHARDS_MAX, SHARDS_MAX]);
                let at = apart.below(world.plan.active_ms) as i64;
                world.after(at, Event::Spread(component, shards));
            }
        }
        if world.plan.drops_d1 {
            let at = world.random.below(world.plan.active_ms) as i64;
            world.after(at, Event::DropD1);
        }
        for _ in 0..10 {
            let at = world.random.below(world.plan.active_ms) as i64;
            world.after(at, Event::Administer);
        }
        // A chance of its own: seeds without an erasure are the runs that they were before there were any.
        let mut apart = Random::new(!seed);
        if apart.permille(300) {
            for _ in 0..apart.between(1, 3) {
                let stream = apart.below(world.plan.streams as u64) as usize;
                let at = apart.below(world.plan.active_ms) as i64;
                world.after(at, Event::EraseComponent(stream));
            }
        }
        // And another for users and domains.
        let mut apart = Random::new(!seed.rotate_left(32));
        if apart.permille(300) {
            for _ in 0..apart.between(1, 4) {
                let user = format!("u{}", apart.skewed(200));
                let stream = apart.below(world.plan.streams as u64) as usize;
                let only = apart.permille(300).then_some(stream);
                let at = apart.below(world.plan.active_ms) as i64;
                world.after(at, Event::EraseUser(user, only));
            }
        }
        if apart.permille(80) {
            let at = apart.below(world.plan.active_ms) as i64;
            world.after(at, Event::EraseDomain);
        }
        world
    }

    /// Runs on, for a minute at most, until no commit is on its way.
    pub fn run_until_written(&mut self) {
        for _ in 0..60 {
            let is_pending = self.streams.iter().any(|object| object.disk.pending().is_some());
            if !is_pending && self.domain.disk.pending().is_none() {
                break;
            }
            self.run_until(self.now + 1_000);
        }
    }

    /// Runs until nothing more happens before `until`.
    pub fn run_until(&mut self, until: i64) {
        while let Some((&(at, order), _)) = self.queue.first_key_value() {
            if at > until || !self.violations.is_empty() {
                break;
            }
            let Some(event) = self.queue.remove(&(at, order)) else { break };
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    /// The faults stop. Every component gets one more batch, so that it finds out what it missed.
    pub fn heal(&mut self) {
        self.tell(|| "the faults are over".into());
        self.plan.heal();
        for stream in 0..self.plan.streams {
            let sent = self.ledger.make(stream, self.now, None, false, &mut self.random);
            self.after(60_000, Event::Send(sent));
        }
        // So that shards that get no more notice it too if D1 was dropped.
        for stream in self.plan.streams..self.streams.len() {
            let from = self.calls.open(Waiter { place: Place::Domain, life: 0, task: 0 });
            self.after(60_000, Event::Arrive { from, to: Place::Stream(stream), call: Rc::new(Call::Retell) });
        }
    }

    /// When clients stop making batches.
    pub fn active_until(&self) -> i64 {
        self.begin + self.plan.active_ms as i64
    }

    /// Something happens in `wait` ms.
    pub fn after(&mut self, wait: i64, event: Event) {
        self.order += 1;
        self.queue.insert((self.now + wait.max(0), self.order), event);
    }

    /// Writes a line of the story.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.tells {
            if self.story.len() >= STORY_LINES {
                self.story.pop_front();
            }
            self.story.push_back(format!("{:>9} {}", self.now - self.begin, line()));
        }
    }

    /// Something is wrong.
    pub fn violate(&mut self, what: String) {
        self.tell(|| format!("VIOLATION {what}"));
        self.violations.push(what);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Make => self.make(),
            Event::Send(sent) => self.send_batch(sent),
            Event::Arrive { from, to, call } => self.arrive(from, to, &call),
            Event::Answered { call, answer } => {
                if let Some(waiter) = self.calls.close(call) {
                    self.resume(waiter, answer);
                }
            }
            Event::Durable { place, life, commit } => self.durable(place, life, commit),
            Event::Alarm { place, look } => match place {
                Place::Stream(stream) => self.stream_alarm(stream, look),
                _ => self.domain_alarm(look),
            },
            Event::DropD1 => {
                self.tell(|| "D1 is dropped".into());
                self.peers.d1.drop_all();
            }
            Event::CrashDomain => self.crash_domain(),
            Event::Administer => self.administer(),
            Event::EraseComponent(stream) => self.erase_component(stream),
            Event::EraseUser(user, only) => self.erase_user(user, only),
            Event::EraseDomain => self.erase_domain(),
            Event::Spread(component, shards) => self.spread(component, shards),
        }
    }

    // --- clients ----------------------------------------------------------------------------------

    fn make(&mut self) {
        if self.made >= self.plan.batches || self.now > self.active_until() {
            return;
        }
        self.made += 1;
        let stream = self.random.skewed(self.plan.streams as u64) as usize;
        let key_id = Some(format!("key-{}", self.random.below(3)));
        let sent = self.ledger.make(stream, self.now, key_id, true, &mut self.random);
        self.send_batch(sent);
        let mean = self.plan.active_ms / self.plan.batches as u64;
        let wait = if self.random.permille(300) { self.random.below(20) } else { self.random.gap(mean) };
        self.after(wait as i64, Event::Make);
    }

    fn send_batch(&mut self, number: usize) {
        let is_first = self.ledger.sent[number].attempts == 0;
        let is_revoked = is_first && self.is_revoked(number);
        let sent = &mut self.ledger.sent[number];
        if sent.attempts == 0 {
            sent.first_at = self.now;
            sent.is_revoked = is_revoked;
            let (key, to) = (sent.batch.key_id.clone(), sent.stream);
            self.tell(|| {
                format!("client: batch {number} for stream {to} under {key:?}, known as revoked: {is_revoked}")
            });
        }
        let sent = &mut self.ledger.sent[number];
        sent.attempts += 1;
        let to = Place::Stream(sent.stream);
        if self.spreads {
            return self.dispatch_batch(number);
        }
        let waiter = Waiter { place: Place::Client(number), life: 0, task: 0 };
        self.call(waiter, to, Rc::new(Call::Append(Piece { sent: number, step: None })));
    }

    /// Whether the key of a batch is revoked for good: once it was revoked everywhere nothing makes it valid again.
    fn is_revoked(&mut self, number: usize) -> bool {
        let Some(key) = self.ledger.sent[number].batch.key_id.clone() else { return false };
        if self.domain.is_revoked_everywhere(&key) {
            self.ledger.revoked.insert(key.clone());
        }
        self.ledger.revoked.contains(&key)
    }

    pub(super) fn client_answered(&mut self, number: usize, answer: Option<Answer>) {
        self.tell(|| format!("client: batch {number} answered {answer:?}"));
        let sent = &mut self.ledger.sent[number];
        match answer {
            Some(Answer::Append(AppendAnswer::Stored(receipt))) => {
                sent.receipts.push((receipt, false));
                // Some clients do not believe it and send again.
                let asks_again = sent.declared != Declared::Nothing && sent.receipts.len() < 3;
                if asks_again && self.random.permille(150) {
                    let wait = self.random.below(120_000);
                    self.after(wait as i64, Event::Send(number));
                }
            }
            Some(Answer::Append(AppendAnswer::Replayed(receipt))) => sent.receipts.push((receipt, true)),
            Some(Answer::Append(refusal @ (AppendAnswer::KeyReused | AppendAnswer::Revoked))) => {
                sent.refused = Some(refusal);
            }
            _ => {
                // A retry is recognized within the window, so a client that minds stops in good time.
                let is_in_window = self.now - sent.first_at < self.plan.settings.key_window.0 / 2;
                let may_retry = sent.declared != Declared::Nothing && sent.attempts < ATTEMPTS_MAX && is_in_window;
                if may_retry {
                    let wait = 200 << sent.attempts.min(8);
                    let wait = wait + self.random.below(wait) as i64 as u64;
                    self.after(wait as i64, Event::Send(number));
                }
            }
        }
    }

    // --- network ----------------------------------------------------------------------------------

    fn latency(&mut self) -> i64 {
        if self.random.permille(self.plan.delays) {
            self.random.between(1_000, 45_000) as i64
        } else {
            self.random.between(1, 30) as i64
        }
    }

    /// Sends a call; its waiter is resumed with the answer, or after a while without one.
    pub fn call(&mut self, waiter: Waiter, to: Place, call: Rc<Call>) {
        let from = self.calls.open(waiter);
        self.after(TIMEOUT_MS, Event::Answered { call: from, answer: None });
        if self.random.permille(self.plan.loses_request) {
            return;
        }
        let copies = 1 + u64::from(self.random.permille(self.plan.doubles));
        for _ in 0..copies {
            let wait = self.latency();
            self.after(wait, Event::Arrive { from, to, call: Rc::clone(&call) });
        }
    }

    /// Sends an answer.
    pub fn answer(&mut self, call: CallId, answer: Answer) {
        if !self.random.permille(self.plan.loses_answer) {
            let wait = self.latency();
            self.after(wait, Event::Answered { call, answer: Some(answer) });
        }
    }

    /// What waited for the disk leaves.
    pub fn dispatch(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Answer(call, answer) => self.answer(call, answer),
            Parcel::Call(waiter, to, call) => self.call(waiter, to, call),
            Parcel::Copy(wait, to, call) => {
                let from = self.calls.open(Waiter { place: Place::Domain, life: 0, task: 0 });
                self.after(wait, Event::Arrive { from, to, call });
            }
        }
    }

    fn arrive(&mut self, from: CallId, to: Place, call: &Call) {
        match to {
            Place::Stream(stream) => {
                self.disturb_stream(stream);
                self.stream_called(stream, from, call);
            }
            Place::Domain => {
                self.disturb_domain();
                self.domain_called(from, call);
            }
            Place::Client(_) => {}
            Place::D1 | Place::Service | Place::Target(_) => self.peer_called(from, to, call),
        }
    }

    /// Whether a place is away for now; the disk of an object, if it is one's.
    pub fn is_away(&self, who: Place) -> bool {
        let elapsed = self.now - self.begin;
        self.plan.outages.iter().any(|(place, span)| *place == who && span.contains(&elapsed))
    }

    fn peer_called(&mut self, from: CallId, to: Place, call: &Call) {
        self.tell(|| format!("{to:?} gets {}", brief(call)));
        if self.is_away(to) || self.random.permille(self.plan.peer_fails) {
            self.answer(from, Answer::Failed);
            return;
        }
        let target = if let Place::Target(target) = to { Some(target) } else { None };
        // A batch for the data service may be taken in part.
        if let Call::Records(ids) = call
            && self.random.permille(self.plan.peer_lies)
        {
            let taken = self.random.below(ids.len() as u64 + 1) as usize;
            let part = Call::Records(Rc::new(ids.get(..taken).unwrap_or_default().to_vec()));
            self.peers.perform(None, &part, self.mutant);
            self.answer(from, Answer::Taken(taken));
            return;
        }
        let answer = self.peers.perform(target, call, self.mutant);
        let lies = self.random.permille(self.plan.peer_lies);
        self.answer(from, if lies { Answer::Failed } else { answer });
    }

    fn resume(&mut self, waiter: Waiter, answer: Option<Answer>) {
        match waiter.place {
            Place::Client(_) if waiter.life > 0 => self.edge_answered(waiter.life, waiter.task, answer),
            Place::Client(number) => self.client_answered(number, answer),
            Place::Stream(stream) => self.stream_resumed(stream, waiter.life, waiter.task, answer),
            Place::Domain => self.domain_resumed(waiter.life, waiter.task, answer),
            Place::D1 | Place::Service | Place::Target(_) => {}
        }
    }

    /// How long a commit takes to reach the disk.
    pub fn disk_latency(&mut self) -> i64 {
        if self.random.permille(self.plan.slow_disk) {
            self.random.between(100, 8_000) as i64
        } else {
            self.random.between(1, 10) as i64
        }
    }

    fn durable(&mut self, place: Place, life: u64, commit: u64) {
        let parcels = match place {
            Place::Stream(stream) => self.streams[stream].durable(life, commit),
            _ => self.domain.durable(life, commit),
        };
        let Some(parcels) = parcels else { return };
        parcels.into_iter().for_each(|parcel| self.dispatch(parcel));
        if let Place::Stream(stream) = place {
            self.stream_committed(stream, life, commit);
        }
    }

    fn administer(&mut self) {
        match self.random.below(7) {
            0 => self.revoke(self.now as u64 % 3),
            1 => self.reconfigure(),
            2 | 3 => self.teach(),
            4 => self.judge_incident(),
            5 => self.deploy(),
            _ => {
                let stream = self.random.below(self.streams.len() as u64) as usize;
                self.crash_stream(stream);
            }
        }
    }
}

/// A call in few words.
pub fn brief(call: &Call) -> String {
    match call {
        Call::Flush(flush) => format!(
            "a flush of {} up to {}: {} records, {} patterns, {} rollups",
            flush.stream,
            flush.seq,
            flush.records.len(),
            flush.patterns.len(),
            flush.rollups.len()
        ),
        Call::Records(ids) => format!("{} records", ids.len()),
        other => format!("{other:?}"),
    }
}
