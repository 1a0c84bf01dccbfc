//! The two state machines: what a Durable Object knows and decides, without the Durable Object.
//!
//! `handle` is synchronous and total; nothing happens except through the effects it returns; the result of an effect
//! comes back as another event. The shell reads the clock once per event, performs effects in order (rows, then alarm,
//! then replies, then everything that leaves the object) and, if a write fails, forgets the machine and restores it.
//!
//! - [`stream`]: one component's journal folded into patterns, counters and incidents.
//! - [`domain`]: one domain's directory, keys, limits and deliveries.
//! - [`erasure`]: what has to go, and how far that is.
//! - [`retract`]: a row without one user's records.
//! - [`compaction`]: rows of the journal as a block, and back.
//! - [`outbox`], [`sink`], [`window`], [`row`]: the parts they are made of.

pub mod compaction;
pub mod domain;
pub mod erasure;
pub mod outbox;
pub mod retract;
pub mod row;
pub mod sink;
pub mod stream;
pub mod window;
