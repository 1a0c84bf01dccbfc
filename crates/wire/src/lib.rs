//! Shapes that cross HTTP and sockets.
//!
//! In scope: what may be sent ([`limits`]), how a request body becomes records ([`ingest`]), how replies and errors
//! look ([`reply`], [`problem`]), how a stored record is shown ([`record_view`]), what a search may ask ([`query`],
//! [`cursor`]), and what goes to other services ([`data_service`], [`notify`]).
//!
//! Out of scope: clocks, sockets, storage, signing, compression. Time is an argument, bytes in and bytes out. The
//! engine's types are known only behind the feature `engine`, so that the client library does without them; shapes
//! change on purpose here, never because a field of the engine was renamed.

#[cfg(feature = "engine")]
pub mod convert;
#[cfg(feature = "engine")]
pub mod convert_alert;
#[cfg(feature = "engine")]
pub mod convert_query;
pub mod cursor;
#[cfg(feature = "engine")]
pub mod data_service;
pub mod idempotency;
#[cfg(feature = "engine")]
pub mod ingest;
#[cfg(feature = "engine")]
pub mod lesson;
pub mod limits;
pub mod moment;
pub mod notify;
pub mod problem;
#[cfg(feature = "engine")]
pub mod query;
#[cfg(feature = "engine")]
pub mod record_view;
pub mod reply;
