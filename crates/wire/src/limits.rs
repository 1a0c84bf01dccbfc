//! What may be sent. Each limit has its unit, the arithmetic behind it, and what breaks if it grows.
//! What may be *held* is in the engine's `limits`.
//!
//! The sum that must stay below the 128 MB of an isolate, for the worst body of one request:
//! body 10 MiB, its copy with every byte replaced by U+FFFD 30 MiB, 10,000 records of about 1 KiB 10 MiB, values
//! `VALUES_PER_REQUEST_MAX` x (56 bytes + a heap block of 16 for the key and one for the text) 35 MB, texts at most
//! the body again 10 MiB: 97 MB. Envelope defaults add up to 16 MiB, but a body cannot be at its worst in every way
//! at once. A usual body of 100 records needs 0.2 MB.

/// Bytes of a request body as sent, compressed or not. The prototype's `MAX_LOG_SIZE`.
pub const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Bytes of a request body once inflated. Not larger than the plain limit: compression saves transport, not memory.
pub const INFLATED_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Records of one request. At about 2 us each for decoding and normalizing this is 20 ms of the edge's time.
pub const RECORDS_MAX: usize = 10_000;
/// Levels of objects and arrays inside one record. The JSON reader gives up at 128, and a record stands inside an
/// array inside an envelope, so this must stay below 126; the engine keeps 16 of them.
pub const NESTING_DEPTH_MAX: usize = 64;
/// Values (of attributes, at any depth) read of one record; the rest is skipped and the record marked.
pub const VALUES_PER_RECORD_MAX: usize = 1_024;
/// Values read of one request, see the sum above; 40 a record in the largest batch.
pub const VALUES_PER_REQUEST_MAX: usize = 400_000;
/// Bytes that an envelope's own fields may come to once they are given to each of its records; otherwise one long
/// text beside 10,000 records would become 10,000 long texts.
pub const BATCH_DEFAULTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Refused records that a reply lists one by one; the rest is counted in `errors_omitted`.
pub const ERRORS_LISTED_MAX: usize = 100;
/// Characters of a key that are repeated in an error, so that a reply cannot be used to echo a body.
pub const ECHO_CHARS_MAX: usize = 64;

/// Records on a page of search results.
pub const SEARCH_LIMIT_MAX: u32 = 1_000;
/// Records on a page when the caller does not say.
pub const SEARCH_LIMIT_DEFAULT: u32 = 50;
/// Bytes of the text of a search (as the prototype).
pub const SEARCH_TEXT_BYTES_MAX: usize = 1_000;
/// Words and phrases of a search; each is looked for in every candidate message.
pub const SEARCH_TERMS_MAX: usize = 16;
/// Values of one repeatable parameter, such as `component`.
pub const SEARCH_VALUES_MAX: usize = 50;
/// Bytes of any other parameter's value: the longest is a cursor.
pub const SEARCH_VALUE_BYTES_MAX: usize = 512;

/// Records of one bulk insert into the data service (the plan's ceiling).
pub const DATA_SERVICE_BULK_MAX: usize = 100;
/// Bytes of one record above which the data service refuses it: its database takes values to 2 MB, 2.1 MB was seen
/// to pass and 5 MB to fail.
pub const DATA_SERVICE_RECORD_BYTES_MAX: usize = 2_000_000;

/// Bytes of a webhook body (Standard Webhooks: below 20 kB).
pub const WEBHOOK_BODY_BYTES_MAX: usize = 20_000;
/// Characters of a whole Slack message; Slack refuses at about 13,000 over all blocks without documenting it.
pub const SLACK_MESSAGE_CHARS_MAX: usize = 10_000;

const _: () = assert!(INFLATED_BYTES_MAX >= BODY_BYTES_MAX, "a plain body that may be sent may also be read");
const _: () = assert!(NESTING_DEPTH_MAX + 2 < 127, "the JSON reader stops at 128 levels, envelope included");
const _: () = assert!(RECORDS_MAX * 2 <= BODY_BYTES_MAX, "the record limit is reachable: `0,` is two bytes");
const _: () = assert!(VALUES_PER_RECORD_MAX <= VALUES_PER_REQUEST_MAX, "one record alone is never cut by its batch");
const _: () = assert!(ERRORS_LISTED_MAX <= RECORDS_MAX, "a reply never lists more errors than records");
const _: () = assert!(SEARCH_LIMIT_DEFAULT <= SEARCH_LIMIT_MAX, "the default page is a page that may be asked for");
const _: () = assert!(DATA_SERVICE_BULK_MAX <= RECORDS_MAX, "what we send to a data service, another Sapwood takes");
#[cfg(feature = "engine")]
const _: () = assert!(
    VALUES_PER_RECORD_MAX > sapwood_engine::limits::ATTRIBUTES_MAX
        && NESTING_DEPTH_MAX > sapwood_engine::limits::ATTRIBUTE_DEPTH_MAX,
    "the decoder reads more than the engine keeps, so that only the engine's cuts decide what is kept"
);
