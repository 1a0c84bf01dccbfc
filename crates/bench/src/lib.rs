//! Load on a running service, from a process of its own, and what it did to it.
//!
//! In scope: sending batches of realistic records over kept connections, as fast as answers come (closed loop) or at a
//! constant rate (open loop), measuring latency, counting every record's fate by the service's own words, and writing
//! down what was acknowledged, for whoever audits the service later.
//! Out of scope: judging the service's data (the audit does), more than one machine.
//!
//! In the open loop latency counts from the moment at which a request should have been sent, whether or not a
//! connection was free then: a service that stalls for a second is charged with that second for every request that fell
//! into it (no coordinated omission).

pub mod cpu;
pub mod drain;
pub mod journal;
pub mod load;
pub mod payload;
pub mod report;
