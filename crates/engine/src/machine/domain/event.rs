//! What a domain's machine is told, what it answers, and what it wants done.

use super::{Component, KeyEntry};
use crate::baseline::Prior;
use crate::machine::erasure::{Counts, Scope, Step, StepOutcome};
use crate::machine::outbox::Due;
use crate::machine::stream::Lease;
use crate::pattern::lesson::{Lesson, LessonFault, Teaching, UndoFault};
use crate::shard::{ShardFault, ShardMap};
use crate::time::Timestamp;

/// Input.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream object introduces itself before its first acknowledgement.
    Register {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
    },
    /// A component lends what it has learned.
    Lent {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
        /// Version of the view that the stream had.
        version: u64,
        /// What.
        prior: Prior,
    },
    /// Somebody wants a component spread over so many objects.
    Spread {
        /// Component.
        component: String,
        /// Objects.
        shards: u16,
        /// Who.
        by: String,
    },
    /// A shard tells how hot it is.
    Heat {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
        /// In thousandths of what one thread should take.
        load: u32,
    },
    /// A key was made.
    KeyCreated {
        /// Its id.
        id: String,
        /// What is remembered of it.
        entry: KeyEntry,
    },
    /// A key is revoked.
    RevokeKey(String),
    /// The domain's configuration, already checked; replaces the one before.
    Configure(Vec<(String, String)>),
    /// The domain's record limit changed with it.
    Limit(Option<u64>),
    /// Somebody teaches about patterns: all of it, or nothing.
    Teach {
        /// What, and why.
        teachings: Vec<(Teaching, String)>,
        /// Who.
        by: String,
    },
    /// A lesson is undone.
    Undo(u64),
    /// A stream asks for records.
    Lease(u64),
    /// An alert of a component; the id makes it unique.
    Alert {
        /// Id.
        id: String,
    },
    /// A message arrived at its target.
    Delivered(String),
    /// It did not; the target may say when to come back.
    Failed {
        /// Message.
        id: String,
        /// Not before.
        not_before: Option<Timestamp>,
    },
    /// The target is gone for good or refuses this message for good.
    Refused {
        /// Message.
        id: String,
        /// Whether the target takes nothing any more.
        disables_target: bool,
    },
    /// Somebody watches the live tail, or nobody does any more.
    Watched(bool),
    /// A stream has this version of the view.
    Synced {
        /// Component.
        component: String,
        /// Shard.
        shard: u16,
        /// Version.
        version: u64,
    },
    /// A stream could not be reached.
    SyncFailed,
    /// Something is to be erased from every tier.
    Erase {
        /// Id of the erasure.
        id: String,
        /// What.
        scope: Scope,
        /// Who asks for it.
        by: String,
        /// Ids of the alerts that go with it.
        alerts: Vec<String>,
    },
    /// Which steps of erasures are due?
    ErasureDue,
    /// What came of one.
    ErasureStep {
        /// Id of the erasure.
        id: String,
        /// The step.
        step: Step,
        /// What came of it.
        outcome: StepOutcome,
    },
    /// Alerts lost this much to the erasure of a user.
    AlertsStripped {
        /// Id of the erasure.
        id: String,
        /// By name.
        counts: Counts,
    },
    /// The alarm.
    Wake,
}

/// Answer to an event that asks for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing was asked.
    None,
    /// The component is in the directory; this is the view.
    Registered,
    /// There is no room: its records go to `other`.
    Full,
    /// Granted.
    Leased(Lease),
    /// Done.
    Done,
    /// No such thing.
    NotFound,
    /// There is no room for more of it.
    NoRoom,
    /// The ids of the lessons.
    Taught(Vec<u64>),
    /// Which of the teachings cannot stand, and why; nothing was taught.
    NotTaught(usize, LessonFault),
    /// The lesson that was undone.
    Undone(Box<Lesson>),
    /// Why it was not.
    NotUndone(UndoFault),
    /// How the component is spread now.
    Spread(ShardMap),
    /// Why it is not.
    NotSpread(ShardFault),
    /// What was there before has to go first.
    NotYet,
    /// The id of the erasure that sees to it, and whether it was there before.
    Erasing(String, bool),
}

/// Output, performed in the order of the fields.
#[derive(Clone, Debug)]
pub struct Effects {
    /// Whether the state row has to be written.
    pub state_changed: bool,
    /// Whether the row of the lessons has to be written.
    pub lessons_changed: bool,
    /// Component rows to write.
    pub components: Vec<(String, u16, Component)>,
    /// Rows of what components lend, to write.
    pub priors: Vec<(String, u16, Prior)>,
    /// Key rows to write.
    pub keys: Vec<(String, KeyEntry)>,
    /// Messages to put into the outbox: id, target, due.
    pub messages: Vec<(String, String, Due)>,
    /// Messages whose due time changed.
    pub retries: Vec<(String, Due)>,
    /// Messages whose rows go.
    pub gone: Vec<String>,
    /// The answer.
    pub answer: Answer,
    /// Messages to deliver now.
    pub deliver: Vec<String>,
    /// Streams to tell the view.
    pub sync: Vec<(String, u16)>,
    /// Component rows that go.
    pub components_gone: Vec<(String, u16)>,
    /// Alerts that go, with their messages.
    pub alerts_gone: Vec<String>,
    /// Rows of erasures to write.
    pub erasures: Vec<(String, Vec<u8>)>,
    /// Rows of erasures that go.
    pub erasures_gone: Vec<String>,
    /// Steps of erasures to carry out.
    pub steps: Vec<(String, Step)>,
    /// Entries of the audit log: who, what, detail.
    pub booked: Vec<(String, &'static str, String)>,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            state_changed: false,
            lessons_changed: false,
            components: Vec::new(),
            priors: Vec::new(),
            keys: Vec::new(),
            messages: Vec::new(),
            retries: Vec::new(),
            gone: Vec::new(),
            answer: Answer::None,
            deliver: Vec::new(),
            sync: Vec::new(),
            components_gone: Vec::new(),
            alerts_gone: Vec::new(),
            erasures: Vec::new(),
            erasures_gone: Vec::new(),
            steps: Vec::new(),
            booked: Vec::new(),
        }
    }
}

/// Rows read back.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The state row.
    pub state: Option<Vec<u8>>,
    /// Components by name and shard.
    pub components: Vec<(String, u16, Component)>,
    /// Keys by id.
    pub keys: Vec<(String, KeyEntry)>,
    /// Outbox by message id.
    pub outbox: Vec<(String, Due)>,
    /// The row of the lessons.
    pub lessons: Option<Vec<u8>>,
    /// Rows of erasures.
    pub erasures: Vec<Vec<u8>>,
}
