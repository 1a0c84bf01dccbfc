//! Adapters to SQLite in the objects, D1 and KV. They read and write rows and report faults; they never decide.

pub mod d1;
pub mod domain_rows;
pub mod fault;
pub mod journal;
pub mod sql;
pub mod stream_rows;
