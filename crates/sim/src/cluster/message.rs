//! What travels between the places of a cluster.

use sapwood_engine::machine::row::Receipt;
use sapwood_engine::machine::stream::{DomainView, HeardAnswer, Lease, Slice};
use sapwood_engine::pattern::lesson::Lessons;
use sapwood_engine::shard::{ShardMap, Step};
use sapwood_engine::time::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Who sends and receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The client that sends this batch.
    Client(usize),
    /// The object of this component.
    Stream(usize),
    /// The domain's object.
    Domain,
    /// The database.
    D1,
    /// The data service.
    Service,
    /// A target of alerts.
    Target(usize),
}

/// Identity of a call.
pub type CallId = u64;

/// A call.
#[derive(Clone, Debug)]
pub enum Call {
    /// Append this batch of the ledger, or a piece of it.
    Append(Piece),
    /// A shard tells the lead what came to it.
    Heard(u16, Vec<u8>),
    /// A stream introduces itself.
    Register(usize),
    /// A stream asks for records.
    Lease(u64),
    /// A stream hands over an alert.
    Alert(usize, String, u64),
    /// The domain erases a stream unless it knows this version of the view; or asks only what it holds.
    Erase(u64, bool),
    /// A stream sends everything to D1 again.
    Retell,
    /// The domain erases a slice of a user's records: which erasure, whom, and after which row.
    EraseUser(String, String, u64),
    /// D1 forgets.
    Sweep(Swept),
    /// The domain tells its view, its lessons where they may not be known, and how the component is spread.
    Configure(DomainView, Option<Lessons>, Option<ShardMap>),
    /// Which database is this?
    Epoch,
    /// Write to the database.
    Flush(Rc<Flush>),
    /// Records for the data service, by their ids.
    Records(Rc<Vec<String>>),
    /// An alert for a target.
    Deliver(String),
}

/// What of a batch goes to one object.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The batch.
    pub sent: usize,
    /// Where its component is spread: what this shard is asked. Otherwise all of the batch is to be stored.
    pub step: Option<Rc<Step>>,
}

/// What D1 forgets.
#[derive(Clone, Debug)]
pub enum Swept {
    /// Everything of these streams.
    Streams(Vec<usize>),
    /// Records of a user in these streams, each up to a receive time.
    User(String, BTreeMap<usize, Timestamp>),
}

/// A pattern as D1 holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatternRow {
    /// How many records it stands for.
    pub count: u64,
    /// Places of the records that show what it looks like.
    pub shown: Vec<(u64, u16)>,
}

/// What one stream writes to D1.
#[derive(Clone, Debug, Default)]
pub struct Flush {
    /// Which stream.
    pub stream: usize,
    /// Journal sequence up to which it is true.
    pub seq: u64,
    /// Records by id, whose they are, and when they were received.
    pub records: Vec<(String, (Option<String>, Timestamp))>,
    /// Patterns.
    pub patterns: Vec<(String, PatternRow)>,
    /// Hour, series and count.
    pub rollups: Vec<((i64, String), u64)>,
}

/// An answer; no answer is a timeout.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To an append.
    Append(AppendAnswer),
    /// The view and the lessons, or no room.
    Registered(DomainView, Lessons, Option<ShardMap>),
    /// Granted.
    Leased(Lease),
    /// The database's identity.
    Epoch(u64),
    /// The first records that have their outcome.
    Taken(usize),
    /// How many records were erased, or are there; or that something has to end first.
    Erased(u64, bool),
    /// What became of a slice of a user's records.
    UserErased(Slice),
    /// The lead has heard.
    Heard(HeardAnswer),
    /// Done.
    Done,
    /// It did not work out; nothing was done, as far as the other side knows.
    Failed,
}

/// To an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendAnswer {
    /// Stored now.
    Stored(Receipt),
    /// Stored before.
    Replayed(Receipt),
    /// The key was used for something else.
    KeyReused,
    /// The credential was revoked.
    Revoked,
    /// The component is spread otherwise.
    Newer(ShardMap),
    /// Asked only for what is known: these ids.
    Unknown(Vec<u32>),
    /// Come again.
    Unavailable,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Where.
    pub place: Place,
    /// In which life of it.
    pub life: u64,
    /// Which of its tasks.
    pub task: u64,
}

/// Calls under way.
#[derive(Debug, Default)]
pub struct Calls {
    next: CallId,
    waiting: BTreeMap<CallId, Waiter>,
}

impl Calls {
    /// A new call.
    pub fn open(&mut self, waiter: Waiter) -> CallId {
        self.next += 1;
        self.waiting.insert(self.next, waiter);
        self.next
    }

    /// Who waits for it, the first time somebody asks.
    pub fn close(&mut self, call: CallId) -> Option<Waiter> {
        self.waiting.remove(&call)
    }
}
