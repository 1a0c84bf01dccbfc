//! The pure core of Sapwood.
//!
//! In scope: what a line means ([`parse`], [`normalize`]), what must not be kept of it ([`redact`]),
//! what shape it has ([`pattern`]), how often that happens ([`counter`], [`sketch`]), whether somebody
//! should be told ([`triage`]), how it is stored ([`segment`]) and the two state machines that
//! tie these together ([`machine`]).
//!
//! Out of scope, by construction: clocks, randomness, files, sockets, environment variables, JSON. Time and
//! seeds are arguments; everything that should happen outside is returned as an effect. The same events give
//! the same bytes natively and in wasm.

pub mod address;
pub mod baseline;
pub mod bytes;
pub mod config;
pub mod counter;
pub mod detect;
pub mod eight;
pub mod fault;
pub mod level;
pub mod limits;
pub mod machine;
pub mod normalize;
pub mod parse;
pub mod pattern;
pub mod query;
pub mod record;
pub mod record_id;
pub mod redact;
pub mod segment;
pub mod shard;
pub mod sketch;
pub mod time;
pub mod triage;
pub mod value;
