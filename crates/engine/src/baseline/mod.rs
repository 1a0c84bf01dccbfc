//! What is expected of a series, and how improbable what was seen is.
//!
//! In scope: forgetting means ([`Mean`]), seasonal levels ([`Season`]) by local time ([`Zone`]), what
//! components lend each other of them ([`Prior`]), how rare records clump ([`Clumps`]), tails of counts and ratios ([`tail`]) and the
//! arithmetic below them ([`special`]). Out of scope: deciding what to do about it, which is [`crate::detect`].
//! Nothing here reads a clock, allocates by the input, or calls a function whose last digit the platform chooses.

pub mod special;
pub mod tail;

mod borrowed;
mod clump;
mod habit;
mod mean;
mod prior;
mod season;
mod zone;

pub use borrowed::Borrowed;
pub use clump::Clumps;
pub use habit::Habit;
pub use mean::Mean;
pub use prior::{HOURS_MAX, NEIGHBOURS_MAX, Prior, Seed};
pub use season::Season;
pub use zone::{ZONE_BYTES_MAX, Zone};
