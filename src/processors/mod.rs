//! The Durable Objects: thin shells around the engine's machines, and the typed calls that reach them.
//!
//! A shell reads the clock once per event, calls `handle`, drops the borrow, performs the effects. It decides nothing
//! about the domain. Each call from one object or from the edge to another object is a value in [`calls`] and a method
//! in [`stubs`], with a timeout and a typed error.

pub mod calls;
pub mod domain;
pub mod outgoing;
pub mod registry;
mod running_alarm;
pub mod settings;
pub mod stream;
pub mod stubs;
