//! What may be held. Each limit has its unit, the arithmetic behind it, and what breaks if it grows.
//! What may be *sent* is in `sapwood-wire`'s `limits`.

/// Bytes of one message after cutting. A row of the journal holds at least sixteen of the longest.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a stack trace kept as text.
pub const STACK_BYTES_MAX: usize = 64 * 1024;
/// Bytes of any other single text field.
pub const FIELD_BYTES_MAX: usize = 2 * 1024;
/// Bytes of one attribute's text.
pub const ATTRIBUTE_BYTES_MAX: usize = 16 * 1024;
/// Attributes of a record, counted over all depths.
pub const ATTRIBUTES_MAX: usize = 512;
/// Depth of nested attributes.
pub const ATTRIBUTE_DEPTH_MAX: usize = 16;
/// Frames kept of a stack trace.
pub const FRAMES_MAX: usize = 64;
/// Tags of a record.
pub const TAGS_MAX: usize = 32;
/// Bytes of a tag.
pub const TAG_BYTES_MAX: usize = 64;
/// Bytes of a component's name.
pub const COMPONENT_BYTES_MAX: usize = 128;
/// How far in the future an event may lie before receive time is used instead, in milliseconds (as Loki: 10 min).
pub const FUTURE_MS_MAX: i64 = 10 * 60 * 1000;

const _: () = assert!(ATTRIBUTE_BYTES_MAX <= MESSAGE_BYTES_MAX, "an attribute is never longer than a message");
