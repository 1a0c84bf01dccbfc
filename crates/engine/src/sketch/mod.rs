//! Summaries of more values than anybody can keep: how many different, which most often, how they are distributed.
//!
//! Each has a stated error, a stated size, and can be merged with its like: what two shards saw is what one object
//! would have seen. [`HyperLogLog`] and [`Quantiles`] depend on the values only, not on their order or how they were
//! split; [`SpaceSaving`] keeps its bounds under merging, though which of several equally rare values it holds may
//! differ. All are integer arithmetic but for the estimate of a [`HyperLogLog`] and the bounds of [`Quantiles`], which
//! take only operations that IEEE 754 rounds exactly: the same on every platform.
//!
//! Left out: hashing (the caller's, so that a value is hashed once for all), sampling, decay over time.

mod distinct;
mod quantiles;
mod top;

pub use distinct::HyperLogLog;
pub use quantiles::Quantiles;
pub use top::{Counted, Inserted, SpaceSaving};

/// The hash that sketches take of a value. Part of the stored form: a change of it makes older sketches strangers.
pub fn hash_of_value(value: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(value.as_bytes())
}
