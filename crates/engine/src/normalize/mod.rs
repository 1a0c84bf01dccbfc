//! normalize
pub mod stack;
