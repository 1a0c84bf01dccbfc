//! Records of a component or a domain as one file, and back: `sapwood export` and `sapwood import`.
//!
//! The file is text, one JSON object a line, gzip if its name ends in `.gz`: a head that says what it is, the records as
//! the service shows them, oldest first, and a foot with their number and a checksum. A file without its foot is not
//! whole, and nothing of it is imported.

mod export;
mod file;
mod import;

pub(crate) use export::Export;
pub(crate) use import::Import;
