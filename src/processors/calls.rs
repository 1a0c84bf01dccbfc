//! What crosses between the edge and the objects, and between objects: shapes and their bytes.
//!
//! Appends are packed bytes (they carry segments); everything else is JSON, because it is small and rare. Versions of
//! the Worker and of the objects differ while a deployment rolls out, so readers ignore what they do not know and
//! every packed form begins with its version.

mod baseline;
mod deployments;
mod erase;
mod feedback;
mod sharding;
mod whole;
mod windows;

pub use baseline::{
    BaselineAnswer, BaselineCall, BeforeReleaseView, DecisionView, PointView, SeedView, SeriesView, ValueShareView,
    ValuesView,
};
pub use deployments::{DeployedCall, DeploymentView};
pub use erase::{
    EraseAnswer, EraseCall, EraseUserAnswer, EraseUserCall, ErasureAnswer, ErasureCall, ReceiptView, ScopeView,
    SentView, exemplar_ids, without_exemplars,
};
pub use feedback::{FeedbackCall, FeedbackOutcome, FeedbackView, ThresholdView};
pub use sharding::{HeardCall, HeatCall, SpreadAnswer, SpreadComponents, SpreadView};
pub use windows::{WindowsAnswer, WindowsCall, series_held};

use sapwood_engine::bytes::{ReadError, Reader, Writer};
use sapwood_engine::level::LevelClass;
use sapwood_engine::machine::row::{BatchKey, Receipt};
use sapwood_engine::machine::stream::{Batch, Selection};
use sapwood_engine::pattern::PatternId;
use sapwood_engine::shard::ShardMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The name of a stream object: domain, component, shard. None of them may hold a `|`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamAddress {
    /// Domain, from the credential.
    pub domain: String,
    /// Component: the credential's, else the one the record names, else `default`.
    pub component: String,
    /// Shard, 0 unless the component was split.
    #[serde(default)]
    pub shard: u16,
}

impl StreamAddress {
    /// The object's name.
    pub fn name(&self) -> String {
        format!("{}|{}|{}", self.domain, self.component, self.shard)
    }

    /// The key under which KV has its summary.
    pub fn summary_key(&self) -> String {
        format!("summary:{}:{}:{}", self.domain, self.component, self.shard)
    }

    /// Its entry in the directory, as far as the name tells.
    pub fn entry(&self) -> ComponentEntry {
        ComponentEntry { component: self.component.clone(), shard: self.shard, registered_at_ms: 0 }
    }

    /// Reads an object's name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('|');
        let address = Self {
            domain: parts.next()?.to_owned(),
            component: parts.next()?.to_owned(),
            shard: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(address)
    }
}

/// The key under which KV carries a domain's view.
pub fn view_key(domain: &str) -> String {
    format!("domain:{domain}")
}

/// Stream to domain: tell of this.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlertCall {
    /// Makes it unique.
    pub id: String,
    /// JSON of the alert.
    pub alert: String,
    /// Version of the view that the stream had: alerts of a life that is over are told to nobody.
    pub version: u64,
}

/// Stream to domain: what this component lends to newcomers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LendCall {
    /// Component.
    pub component: String,
    /// Shard.
    pub shard: u16,
    /// Version of the view that the stream has: a life that is over lends nothing.
    pub version: u64,
    /// The prior, encoded.
    pub prior: Vec<u8>,
}

/// Status of a domain object's answer that there is no room for what was to be made known.
pub const NO_ROOM: u16 = 507;

const APPEND_VERSION: u8 = 1;

/// Edge to stream: store these records.
#[derive(Clone, Debug)]
pub struct AppendCall {
    /// To whom; the object checks that it is meant.
    pub address: StreamAddress,
    /// What.
    pub batch: Batch,
}

impl AppendCall {
    /// The body of the call.
    pub fn encode(&self) -> Vec<u8> {
        let bytes: usize = self.batch.segments.iter().map(Vec::len).sum();
        let mut out = Writer::with_capacity(bytes + 256);
        out.u8(APPEND_VERSION);
        out.text(&self.address.domain);
        out.text(&self.address.component);
        out.uint(u64::from(self.address.shard));
        out.optional_text(self.batch.key_id.as_deref());
        out.u8(u8::from(self.batch.key.is_some()));
        if let Some(key) = self.batch.key {
            out.u64_fixed(key.hash);
            out.u64_fixed(key.fingerprint);
        }
        out.uint(u64::from(self.batch.rejected));
        out.uint(self.batch.segments.len() as u64);
        for segment in &self.batch.segments {
            out.bytes(segment);
        }
        // Objects of builds without shards end here, and pass by what follows.
        if let Some(under) = &self.batch.under {
            sharding::write_under(&mut out, under);
        }
        out.into_bytes()
    }

    /// Reads the body of the call.
    ///
    /// # Errors
    /// Damaged bytes or an unknown version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != APPEND_VERSION {
            return Err(ReadError::Unknown("append version"));
        }
        let address = StreamAddress {
            domain: input.text()?.to_owned(),
            component: input.text()?.to_owned(),
            shard: u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?,
        };
        let key_id = input.optional_text()?.map(str::to_owned);
        let key = match input.u8()? {
            0 => None,
            _ => Some(BatchKey { hash: input.u64_fixed()?, fingerprint: input.u64_fixed()? }),
        };
        let rejected = input.u32()?;
        let mut segments = Vec::new();
        for _ in 0..input.count()? {
            segments.push(input.bytes()?.to_vec());
        }
        let under = if input.is_empty() { None } else { Some(sharding::read_under(&mut input)?) };
        Ok(Self { address, batch: Batch { key, key_id, segments, rejected, under } })
    }
}

/// Stream to edge: what became of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendAnswer {
    /// Durable now.
    Stored(Receipt),
    /// Durable since the first time; the receipt is the first one.
    Replayed(Receipt),
    /// The batch key was used for something else.
    KeyReused,
    /// The credential was revoked.
    Revoked,
    /// The domain has no room for this component: send to `other`.
    MovedToOther,
    /// The segment could not be read.
    Unreadable,
    /// More is waiting than the object can take; nothing was stored.
    Overloaded,
    /// The domain object could not be reached to register this object; nothing was stored.
    Unregistered,
    /// The component is spread otherwise by now; nothing was stored.
    Newer(ShardMap),
    /// Asked only for what is known: not the batch key, and of the records (by place) these ids.
    Unknown(Vec<u32>),
}

impl AppendAnswer {
    /// The body of the answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(APPEND_VERSION);
        match self {
            Self::Stored(receipt) => {
                out.u8(0);
                receipt.write(&mut out);
            }
            Self::Replayed(receipt) => {
                out.u8(1);
                receipt.write(&mut out);
            }
            Self::KeyReused => out.u8(2),
            Self::Revoked => out.u8(3),
            Self::MovedToOther => out.u8(4),
            Self::Unreadable => out.u8(5),
            Self::Overloaded => out.u8(6),
            Self::Unregistered => out.u8(7),
            Self::Newer(map) => {
                out.u8(8);
                out.bytes(&map.encode());
            }
            Self::Unknown(known) => {
                out.u8(9);
                sharding::write_places(&mut out, known);
            }
        }
        out.into_bytes()
    }

    /// Reads the body of the answer.
    ///
    /// # Errors
    /// Damaged bytes or an unknown version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != APPEND_VERSION {
            return Err(ReadError::Unknown("append version"));
        }
        Ok(match input.u8()? {
            0 => Self::Stored(Receipt::read(&mut input)?),
            1 => Self::Replayed(Receipt::read(&mut input)?),
            2 => Self::KeyReused,
            3 => Self::Revoked,
            4 => Self::MovedToOther,
            5 => Self::Unreadable,
            6 => Self::Overloaded,
            7 => Self::Unregistered,
            8 => Self::Newer(ShardMap::decode(input.bytes()?)?),
            9 => Self::Unknown(sharding::read_places(&mut input)?),
            _ => return Err(ReadError::Unknown("append answer")),
        })
    }
}

/// Edge to stream: one object's part of a search page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchCall {
    /// What is asked for; the cursor in it names a component that may be another one.
    pub query: sapwood_wire::query::SearchQuery,
}

/// A record found: its place in the order, and the record as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HitView {
    /// Event time, ms.
    pub timestamp_ms: i64,
    /// Row.
    pub seq: u64,
    /// Index in the row.
    pub index: u16,
    /// JSON of the record.
    pub record: Box<RawValue>,
}

/// Stream to edge: one object's part of a search page.
#[derive(Debug, Serialize, Deserialize)]
pub struct SearchAnswer {
    /// In the order asked for, at most the limit asked for.
    pub hits: Vec<HitView>,
    /// Matches in this object.
    pub total: u64,
    /// Whether all rows in range were looked at.
    pub is_exact: bool,
    /// Rows set aside because they could not be read.
    pub damaged_rows: u64,
}

/// Edge to stream: one record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RecordCall {
    /// By our id.
    Ours {
        /// Row.
        seq: u64,
        /// Index in the row.
        index: u16,
        /// Receive time of the row.
        received_at: i64,
    },
    /// By the caller's own id.
    Foreign(String),
}

/// Edge to stream: counts over time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CountsCall {
    /// Event time from, ms.
    pub from_ms: i64,
    /// Event time to, ms, exclusive.
    pub to_ms: i64,
    /// Width of a bucket, ms; a multiple of a minute.
    pub bucket_ms: i64,
}

/// Stream to edge: counts over time. Kinds are the engine's series kinds (`level`, `pattern`, `endpoint`,
/// `error_type`, `environment`, `pattern_level`, `endpoint_error`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CountsAnswer {
    /// Kind, key: records in the range.
    pub totals: BTreeMap<String, BTreeMap<String, u64>>,
    /// Start of bucket (ms), level word: records.
    pub levels_over_time: BTreeMap<i64, BTreeMap<String, u64>>,
    /// What cannot be counted by name, of all hours that the range touches: the engine's bytes (`counter::Facets`),
    /// base64; empty where there is nothing. At most 13 KB.
    #[serde(default)]
    pub facets: String,
    /// Hours that the range touches and that could not be read: what they held is missing here.
    #[serde(default)]
    pub damaged_hours: u64,
}

/// Edge to stream: remove what is older, as retention does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CleanupCall {
    /// Event time, ms; a row goes when all of its records are older.
    pub before_ms: i64,
    /// Only count.
    pub is_dry_run: bool,
    /// Only records of these classes of level.
    #[serde(default)]
    pub levels: Vec<String>,
    /// Only records of these patterns.
    #[serde(default)]
    pub patterns: Vec<String>,
}

impl CleanupCall {
    /// What is to go. Words that name nothing were refused at the edge.
    pub fn selection(&self) -> Selection {
        let classes = LevelClass::ALL.into_iter().filter(|class| self.levels.iter().any(|word| word == class.word()));
        Selection {
            levels: classes.fold(0, |levels, class| levels | 1 << class.index()),
            patterns: self.patterns.iter().filter_map(|id| PatternId::parse(id)).collect(),
        }
    }
}

/// Stream to edge: what was, or would be, removed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CleanupAnswer {
    /// Rows of the journal.
    pub rows: u64,
    /// Records in them.
    pub records: u64,
    /// Records that leave D1, or would.
    #[serde(default)]
    pub copies: u64,
    /// Whether nothing is left that may go.
    pub is_complete: bool,
}

/// Edge to stream: your patterns. An edge of an older build says nothing and means all of it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct PatternsCall {
    /// Only what tells them apart and what they are called: a small part of the bytes, for who asks all shards for it.
    pub is_brief: bool,
}

/// A pattern as an object knows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PatternView {
    /// 16 hex digits.
    pub id: String,
    /// Words and `<*>`.
    pub template: String,
    /// Records since the beginning.
    pub count: u64,
    /// Event time, ms.
    pub first_seen_ms: i64,
    /// Event time, ms.
    pub last_seen_ms: i64,
    /// Level word: records.
    pub levels: BTreeMap<String, u64>,
    /// Where it was seen.
    pub endpoints: Vec<String>,
    /// In which environments.
    pub environments: Vec<String>,
    /// In which releases.
    pub releases: Vec<String>,
    /// Records that show it.
    pub exemplars: Vec<ExemplarView>,
    /// Whether it ever raised an alert.
    pub was_alerted: bool,
    /// The fault of its records, where they came with stack traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub naming: Option<NamingView>,
    /// Ids under which records of it may be stored beside its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ids under which other shards of the component hold it, as far as this one was told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub called: Vec<String>,
    /// Patterns that parted from it by a lesson.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<String>,
    /// The pattern it parted from by a lesson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// What people call a pattern; what nobody said is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamingView {
    /// Its name.
    pub name: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What kind of thing it is.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Whose business it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Where more is written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
}

/// Edge to domain: teach these, all or none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TeachCall {
    /// Lessons as exported, in order.
    pub lessons: Vec<serde_json::Value>,
    /// Only say whether they can stand.
    pub is_dry_run: bool,
}

/// Domain to edge: what came of teaching, or of undoing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeachAnswer {
    /// Ids of the lessons, in order; of an undone one its own.
    pub ids: Vec<u64>,
    /// Grows with every change.
    pub version: u64,
    /// Components where they are not in force yet.
    pub pending: Vec<String>,
    /// Why nothing was taught or undone.
    pub refused: Option<LessonRefusal>,
}

/// Why a lesson cannot stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonRefusal {
    /// Which of them, from 0.
    pub index: usize,
    /// The field that is wrong.
    pub field: String,
    /// Stable code; `unknown_lesson` for one that is not there.
    pub code: String,
    /// For a person.
    pub detail: String,
}

/// Domain to edge: everything taught.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LessonsAnswer {
    /// Grows with every change.
    pub version: u64,
    /// As exported, in the order taught.
    pub lessons: Vec<serde_json::Value>,
}

/// What went wrong, as stack traces tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// 16 hex digits: type, causes and frames, without what changes from release to release.
    pub fingerprint: String,
    /// Type of the exception that was reported.
    pub exception_type: Option<String>,
    /// The innermost function of the application.
    pub function: Option<String>,
    /// Its file.
    pub file: Option<String>,
    /// What printed the stack: `javascript`, `python` ...
    pub language: String,
    /// Types of the causes, the root last.
    pub causes: Vec<String>,
}

/// What stood in the places of some patterns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VariablesCall {
    /// Patterns' ids.
    pub patterns: Vec<String>,
    /// Bytes that the answer may take; what does not fit is left out, the last asked for first.
    pub bytes_max: usize,
}

/// What stood in the places of a pattern's template, as the object holds it: so that several objects' add up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VariablesView {
    /// The pattern's id.
    pub id: String,
    /// Its template in this object.
    pub template: String,
    /// Its records in this object.
    pub count: u64,
    /// Event time, ms.
    pub last_seen_ms: i64,
    /// The engine's bytes (`pattern::Variables`), base64.
    pub variables: String,
}

/// A record that shows a pattern.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExemplarView {
    /// Its id.
    pub id: String,
    /// Event time, ms.
    pub timestamp_ms: i64,
    /// Level word.
    pub level: String,
    /// Message, cut.
    pub message: String,
}

/// Edge to stream: what would these settings have raised?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplayCall {
    /// Receive time, ms; from here on.
    pub from_ms: i64,
    /// Receive time, ms; before this.
    pub to_ms: i64,
    /// Values in place of those in force, checked.
    pub settings: Vec<(String, String)>,
}

/// Stream to edge: what two fresh machines made of the same rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReplayAnswer {
    /// Rows folded.
    pub rows: u64,
    /// Records in them.
    pub records: u64,
    /// Rows that could not be read.
    pub unreadable_rows: u64,
    /// Whether that was all of the span.
    pub is_complete: bool,
    /// Receive time of the last row, ms.
    pub until_ms: i64,
    /// What the settings in force raise, newest first.
    pub now: Vec<IncidentView>,
    /// What those asked about raise.
    pub asked: Vec<IncidentView>,
}

/// An incident as an object knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IncidentView {
    /// Its id.
    pub id: String,
    /// `new_pattern`, `burst`, `drop`, `silence`, `missed`, `level_shift`, `error_ratio`, `latency_shift`.
    pub kind: String,
    /// `total`, `errors`, `latency`, `pattern:<id>`.
    #[serde(default)]
    pub series: String,
    /// `open` or `resolved`.
    pub status: String,
    /// Pattern id, if it is about one.
    pub pattern_id: Option<String>,
    /// Its template, if still known.
    pub template: Option<String>,
    /// Level word.
    pub level: String,
    /// Records that belong to it.
    pub count: u64,
    /// Records of the window that told it.
    pub seen: u64,
    /// Of how many, for a share of records.
    #[serde(default)]
    pub total: u64,
    /// Expected in that window.
    pub expected: f64,
    /// Fewer are remarkable.
    #[serde(default)]
    pub expected_low: f64,
    /// More are remarkable.
    #[serde(default)]
    pub expected_high: f64,
    /// How likely this would be if nothing had changed.
    #[serde(default)]
    pub probability: f64,
    /// Width of that window, ms.
    #[serde(default)]
    pub window_ms: i64,
    /// Ids of records that show it.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// When its series was as usual again, ms.
    #[serde(default)]
    pub closed_at_ms: Option<i64>,
    /// Receive time, ms.
    pub opened_at_ms: i64,
    /// Event time, ms.
    pub first_seen_ms: i64,
    /// Event time, ms.
    pub last_seen_ms: i64,
    /// Whether somebody was told.
    pub was_told: bool,
    /// The release that its pattern came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_in_release: Option<String>,
    /// What somebody said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<FeedbackView>,
}

/// How a sink fares.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SinkView {
    /// `closed` (working), `retrying`, `open`, `stopped`, or `off`.
    pub state: String,
    /// Rows of the journal it does not have yet.
    pub rows_behind: u64,
    /// Records that arrived.
    pub delivered: u64,
    /// Records it will never take.
    pub undeliverable: u64,
    /// Last error.
    pub last_error: Option<String>,
}

/// What one object knows about itself, for lists, health and metrics.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// Component.
    pub component: String,
    /// Shard.
    pub shard: u16,
    /// Records by fate since the beginning.
    pub accepted: u64,
    /// See `accepted`.
    pub duplicate: u64,
    /// See `accepted`.
    pub counted_only: u64,
    /// See `accepted`.
    pub rejected: u64,
    /// Level word: records since the beginning (accepted and counted only).
    pub levels: BTreeMap<String, u64>,
    /// Patterns held.
    pub patterns: u64,
    /// Newest event time, ms.
    pub last_seen_ms: Option<i64>,
    /// Open incidents.
    pub incidents_open: u64,
    /// Alerts waiting for the domain object.
    pub alerts_waiting: u64,
    /// Newest row.
    pub last_seq: u64,
    /// Newest row in the checkpoint.
    pub folded_seq: u64,
    /// Bytes of the object's database.
    pub database_bytes: u64,
    /// Blocks, records in them, and their bytes.
    #[serde(default)]
    pub blocks: u64,
    /// See `blocks`.
    #[serde(default)]
    pub block_records: u64,
    /// See `blocks`.
    #[serde(default)]
    pub block_bytes: u64,
    /// Rows written since this instance started, as SQLite counts them.
    pub rows_written: u64,
    /// Calls to append since this instance started.
    pub append_calls: u64,
    /// Commits of appends since this instance started.
    pub commits: u64,
    /// Alarms worked off since this instance started.
    #[serde(default)]
    pub alarms: u64,
    /// Damaged rows met.
    pub damaged_rows: u64,
    /// Batch keys and record ids forgotten before their time.
    pub keys_crowded_out: u64,
    /// D1.
    pub d1: SinkView,
    /// Data service.
    pub data_service: SinkView,
    /// The lead, of a shard that tells it what came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<SinkView>,
}

/// Stream to domain: I am here, before my first acknowledgement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterCall {
    /// Domain: the object persists it at first contact.
    pub domain: String,
    /// Component.
    pub component: String,
    /// Shard.
    pub shard: u16,
}

/// Domain to edge: the directory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DirectoryAnswer {
    /// Components with their shards.
    pub components: Vec<ComponentEntry>,
    /// Version of the domain's view.
    pub version: u64,
    /// Ids of revoked keys.
    pub revoked: Vec<String>,
    /// Configuration of the domain.
    pub overrides: Vec<(String, String)>,
    /// How components are spread that ever were split.
    #[serde(default, skip_serializing_if = "SpreadComponents::is_empty")]
    pub spread: SpreadComponents,
}

/// A component of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentEntry {
    /// Its name.
    pub component: String,
    /// Its shard.
    pub shard: u16,
    /// When it registered, ms.
    pub registered_at_ms: i64,
}

/// Edge to domain: make a key known. The key itself never leaves the edge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreateKeyCall {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// ingest, read, admin.
    pub scopes: Vec<String>,
    /// The only component it may write to.
    pub component: Option<String>,
}

/// A key as listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyView {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// ingest, read, admin.
    pub scopes: Vec<String>,
    /// The only component it may write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// When it was made, ms.
    pub created_at_ms: i64,
    /// When it was revoked, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<i64>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditView {
    /// Position.
    pub seq: u64,
    /// When, ms.
    pub at_ms: i64,
    /// Who: a key id, a user, `operator`.
    pub actor: String,
    /// What: `key.created`, `key.revoked`, `config.changed`, `d1.rebuild` ...
    pub action: String,
    /// On what, and how.
    pub detail: String,
}

/// Domain to edge: how deliveries fare.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DomainStatus {
    /// Messages waiting for their targets.
    pub outbox: u64,
    /// Targets that take nothing any more.
    pub disabled_targets: Vec<String>,
    /// Alerts that found no room.
    pub alerts_dropped: u64,
    /// Messages delivered since this instance started.
    pub delivered: u64,
    /// Viewers of the live tail.
    pub viewers: u64,
    /// Records granted today, if the domain is limited.
    pub granted_today: u64,
    /// Last delivery error.
    pub last_error: Option<String>,
}

/// Domain to edge: one alert message and its deliveries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlertEntry {
    /// Id of the message: alert, `#`, target.
    pub id: String,
    /// Target.
    pub target: String,
    /// When it came, ms.
    pub at_ms: i64,
    /// Tries that failed.
    pub attempts: u32,
    /// Next try, ms; nothing once delivered.
    pub next_try_ms: Option<i64>,
    /// When it was delivered, ms.
    pub delivered_at_ms: Option<i64>,
    /// The alert.
    pub alert: Box<RawValue>,
}

/// Stream to domain: records for the live tail.
#[derive(Debug, Serialize, Deserialize)]
pub struct TailCall {
    /// From which component.
    pub component: String,
    /// Records that were left out before these because more came than could be sent.
    pub skipped: u64,
    /// Records, as they are shown.
    pub records: Vec<Box<RawValue>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::machine::row::{Fate, Place};
    use sapwood_engine::machine::stream::{Recall, Under};
    use sapwood_engine::time::{Millis, Timestamp};

    fn address() -> StreamAddress {
        StreamAddress { domain: "example.com".into(), component: "checkout".into(), shard: 2 }
    }

    #[test]
    fn an_object_s_name_leads_back_to_its_address() {
        assert_eq!(StreamAddress::parse(&address().name()), Some(address()));
        for name in ["", "a|b", "a|b|x", "a|b|1|c"] {
            assert_eq!(StreamAddress::parse(name), None, "{name}");
        }
    }

    #[test]
    fn an_append_survives_the_hop() {
        let batch = Batch {
            key: Some(BatchKey { hash: 1, fingerprint: 2 }),
            key_id: Some("k".into()),
            segments: vec![vec![1, 2, 3], vec![]],
            rejected: 7,
            under: None,
        };
        let call = AppendCall::decode(&AppendCall { address: address(), batch }.encode()).unwrap();
        assert_eq!((call.address, call.batch.segments.len(), call.batch.rejected), (address(), 2, 7));
        assert!(AppendCall::decode(&[9, 9]).is_err());
        let map = ShardMap::default().changed(4, Timestamp(5), Millis(10)).unwrap();
        for recall in [None, Some(Recall { records: 3, ids: vec![0, 9, 0] })] {
            let under = Some(Under { map: map.clone(), known: vec![1], recall });
            let batch = Batch { under: under.clone(), ..Batch::default() };
            let call = AppendCall::decode(&AppendCall { address: address(), batch }.encode()).unwrap();
            assert_eq!(call.batch.under, under);
        }
    }

    #[test]
    fn every_answer_survives_the_hop() {
        let receipt = Receipt {
            at: Timestamp(5),
            accepted: 1,
            duplicate: 2,
            counted_only: 3,
            fates: vec![Fate::Duplicate],
            places: vec![Place { seq: 9, first: 1, count: 2 }],
        };
        for answer in [
            AppendAnswer::Stored(receipt.clone()),
            AppendAnswer::Replayed(receipt),
            AppendAnswer::KeyReused,
            AppendAnswer::Revoked,
            AppendAnswer::MovedToOther,
            AppendAnswer::Unreadable,
            AppendAnswer::Overloaded,
            AppendAnswer::Unregistered,
            AppendAnswer::Newer(ShardMap::default().changed(2, Timestamp(5), Millis(10)).unwrap()),
            AppendAnswer::Unknown(vec![0, 7]),
        ] {
            assert_eq!(AppendAnswer::decode(&answer.encode()), Ok(answer));
        }
        assert!(AppendAnswer::decode(&[1, 200]).is_err());
    }
}
