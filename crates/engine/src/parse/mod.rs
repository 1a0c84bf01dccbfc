//! What a line of text says about itself: when, how serious, who, and the message that remains.
//!
//! In scope: reading event time in whatever notation it was written ([`timestamp`]) and one header grammar for all
//! kinds of line ([`header`]): syslog, application loggers, access logs, key=value, JSON objects, container prefixes.
//! The grammar is made of tokens (a timestamp, a level word, a bracket group, a separator, a name before a colon); it
//! knows no product and no file name, and it keeps no state, so that the order of lines cannot matter.
//!
//! Out of scope: what the parts mean for us (`normalize`), joining the lines of a stack trace (the caller does, told
//! by [`header::ParsedLine::is_continuation`]), and bytes that are not UTF-8 (the decoder's).
//!
//! Invariants: every function is total on any text, and its cost is linear in the line.

mod access;
mod ansi;
mod calendar;
mod column;
mod continuation;
mod group;
pub mod header;
mod level_token;
mod member;
mod message;
mod object;
mod pairs;
mod scan;
mod syslog;
pub mod timestamp;
mod word;

pub use header::{ParsedLine, parse_line};
pub use timestamp::ReadTime;
