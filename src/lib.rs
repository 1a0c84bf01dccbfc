//! The shell.

pub mod config;
pub mod edge;
