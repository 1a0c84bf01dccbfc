//! Sapwood's Worker.
pub mod config;
pub mod edge;
pub mod monitoring;
pub mod processors;
pub mod storage;
