//! What a component's machine is told, and what it wants done.

use super::{
    AppendReply, Batch, Deployment, DomainView, FeedbackAnswer, Forward, HeardAnswer, Lease, Opinion, Retraction,
    Slice, TailItem,
};
use crate::baseline::{Prior, Seed};
use crate::machine::outbox::Due;
use crate::machine::row::Row;
use crate::pattern::lesson::Lessons;
use crate::shard::ShardMap;
use crate::time::Timestamp;
use crate::triage::Alert;

/// Input of the machine.
#[derive(Clone, Debug)]
pub enum Event {
    /// Batches that wait for the same commit.
    Append(Vec<Batch>),
    /// The alarm, early, late or twice.
    Wake,
    /// The domain tells how the component is spread; an older map is ignored.
    Spread(ShardMap),
    /// Another shard of the component tells the lead what came to it.
    Heard {
        /// Which shard.
        shard: u16,
        /// See [`Forward::digest`].
        digest: Vec<u8>,
    },
    /// The lead has heard what was to be told.
    Forwarded(Box<Forward>, HeardAnswer),
    /// The lead was away.
    ForwardFailed(String),
    /// The domain object registered this object and told its view.
    Registered(DomainView),
    /// The domain object's view changed.
    Configure(DomainView),
    /// The domain's lessons about patterns changed; an older copy is ignored.
    Taught(Lessons),
    /// Somebody says what an incident was.
    Feedback {
        /// The incident's id.
        incident: String,
        /// What it was.
        opinion: Opinion,
        /// Why; may be empty.
        note: String,
        /// Who says it.
        by: String,
    },
    /// What was said of this incident is taken back.
    FeedbackUndone(String),
    /// Somebody says that a release was deployed.
    Deployed(Deployment),
    /// What the domain's other components lend; taken before the first record only.
    Seeded(Seed),
    /// The domain has what this component lends, with so many hours behind it.
    Lent(u32),
    /// The domain granted records.
    Leased(Lease),
    /// An alert reached the domain object.
    AlertDelivered(String),
    /// It did not.
    AlertFailed(String),
    /// D1 holds everything up to this row; what was dirty up to it is clean.
    D1Advanced {
        /// Row.
        cursor: u64,
        /// Records sent.
        delivered: u64,
        /// [`StreamMachine::d1_generation`](super::StreamMachine::d1_generation) when it was begun: if D1 was lost meanwhile, what was sent went with it.
        generation: u32,
    },
    /// D1 refused or was away.
    D1Failed(String),
    /// D1 is empty (dropped, restored): everything has to be sent again, these hours included.
    D1Lost(Vec<Timestamp>),
    /// The data service took records up to this position.
    DataAdvanced {
        /// Last row taken whole.
        cursor: u64,
        /// Records taken of the row after it.
        index: u32,
        /// Records taken this time.
        delivered: u64,
        /// Records it will never take.
        undeliverable: u64,
    },
    /// The data service was away.
    DataFailed(String),
    /// What was folded is written as a checkpoint, if that is not done.
    Fold,
    /// A user's records were taken out of their rows.
    Retract(Retraction),
    /// The data service refused for good.
    DataStopped(String),
    /// The data service has no batch route; not to be asked for it until then.
    DataNoBatch(Timestamp),
    /// Old rows were removed; the age of the oldest that is left.
    Retained(Option<Timestamp>),
    /// Blocks were made as far as there was anything to make them of; when to look again, if ever.
    Packed(Option<Timestamp>),
}

/// Output of the machine, performed in the order of the fields.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Rows to append to the journal, in one commit with `alerts` and `sinks`.
    pub rows: Vec<Row>,
    /// Alerts to put into the outbox, in the same commit, and when each is due.
    pub alerts: Vec<(Alert, Due)>,
    /// Outbox ids whose rows go.
    pub delivered: Vec<String>,
    /// Whether the rows of the sinks have to be written.
    pub sinks_changed: bool,
    /// Whether a checkpoint is due.
    pub checkpoint: bool,
    /// Answers to the batches, in order.
    pub replies: Vec<AppendReply>,
    /// The answer to feedback.
    pub feedback: Option<FeedbackAnswer>,
    /// What a live tail shows; empty unless somebody watches.
    pub tail: Vec<TailItem>,
    /// Whether to send to D1.
    pub flush_d1: bool,
    /// Whether to send to the data service.
    pub flush_data_service: bool,
    /// Alerts to hand to the domain object.
    pub deliver: Vec<String>,
    /// What to lend to the domain's newcomers.
    pub lend: Option<Prior>,
    /// Remove rows older than this.
    pub retain_from: Option<Timestamp>,
    /// Whether to make blocks: [`StreamMachine::next_block`](super::StreamMachine::next_block).
    pub pack: bool,
    /// Whether the row that says when to do so again has to be written.
    pub packing_changed: bool,
    /// What the slice of a retraction came to.
    pub slice: Option<Slice>,
    /// Whether the row of what is known of shards has to be written.
    pub sharding_changed: bool,
    /// Whether to tell the lead what came here.
    pub forward: bool,
    /// The answer to what another shard told; none if it cannot be read.
    pub heard: Option<HeardAnswer>,
    /// How hot the object is, in thousandths of what one thread should take, if the domain should know.
    pub heat: Option<u32>,
}
