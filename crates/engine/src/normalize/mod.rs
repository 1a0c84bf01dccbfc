//! normalize
pub mod endpoint;
pub mod stack;
