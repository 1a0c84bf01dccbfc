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
/// Bytes of all attributes of a record, names and texts: a whole record stays far below the 2 MB that a row may have.
pub const ATTRIBUTES_BYTES_MAX: usize = 128 * 1024;
/// Bytes of an attribute's name.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 256;
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

/// Bytes of the records of one segment before compression. LZ4 grows incompressible text by less than 1 %, so a
/// segment of one more record than this still fits a row (1.9 MB).
pub const SEGMENT_RAW_BYTES_MAX: usize = 1024 * 1024;
/// Records of one segment: a record's index within its row takes 14 bits of its id.
pub const SEGMENT_RECORDS_MAX: usize = 4096;
/// Bytes one normalized record can take: message, stack and attributes at their limits, and all other fields.
pub const RECORD_BYTES_MAX: usize = 768 * 1024;
/// Bytes of one row of SQLite, below the platform's 2 MB.
pub const ROW_BYTES_MAX: usize = 1_900_000;

const _: () = assert!(SEGMENT_RAW_BYTES_MAX + RECORD_BYTES_MAX < ROW_BYTES_MAX, "a segment fits a row");
/// Records of one row of the journal (a group of calls committed together).
pub const ROW_RECORDS_MAX: usize = 16_384;

const _: () = assert!(SEGMENT_RECORDS_MAX <= ROW_RECORDS_MAX, "a segment fits a row");

/// Records from which on rows are worth a block: what is alike then lies together by the thousand, and the records that
/// are in memory while it is made and proved (1.3 KB each, twice) stay near 10 MB.
pub const BLOCK_RECORDS_MIN: usize = 4_096;
/// Blocks made in one alarm, each in a turn of its own of some 60 ms; and blocks that are worth an alarm of their own. An
/// alarm is a request on the bill: a million records are 245 blocks and 62 alarms.
pub const BLOCKS_TOGETHER: usize = 4;
/// Records of a block at most; a record's number among those of its shape takes 16 bits.
pub const BLOCK_RECORDS_MAX: usize = 32_768;
/// Bytes that reading a block may reserve in one call, whatever its bytes say. All records of the largest block take
/// about 26 MB for themselves and as much for their text; an isolate has 128 MB.
pub const BLOCK_MEMORY_MAX: usize = 64 * 1024 * 1024;

const _: () = assert!(BLOCK_RECORDS_MIN + ROW_RECORDS_MAX <= BLOCK_RECORDS_MAX, "one row more still fits a block");
const _: () = assert!(BLOCK_RECORDS_MAX <= 0xffff, "records of a shape are numbered in 16 bits");

/// Patterns of one object. At about 1 KB each (template, exemplars, counts) 2 MB.
pub const PATTERNS_MAX: usize = 2_000;
/// Contexts (lines with one word left open) that wait for evidence. At about 130 bytes each, with four words, 1 MB.
pub const PATTERN_CONTEXTS_MAX: usize = 8_192;
/// Words of a line that are each tried as the open one. Trying one costs a pass over the line's tokens, so a line of
/// unknown words costs at most 32 times 128 steps; lines that are longer and vary only behind that stay apart.
pub const PATTERN_CONTEXTS_OF_LINE_MAX: usize = 32;
/// Patterns that had to leave whose id and first sight are remembered: one that comes back is not new, and ranks above
/// what was seen once. At about 80 bytes each 0.3 MB.
pub const PATTERNS_LEFT_MAX: usize = 4_096;
/// Generalized shapes remembered of a pattern.
pub const PATTERN_SHAPES_MAX: usize = 16;
/// Ids remembered of the patterns that were merged into one; of what was stored under an older one only the old id
/// finds it.
pub const PATTERN_ALIASES_MAX: usize = 128;
/// Tokens of a message that make its signature; what lies behind becomes one variable.
pub const PATTERN_TOKENS_MAX: usize = 128;
/// Bytes of a template as shown and stored.
pub const TEMPLATE_BYTES_MAX: usize = 1_024;
/// Exemplars kept of a pattern.
pub const PATTERN_EXEMPLARS_MAX: usize = 3;
/// Bytes of an exemplar's message.
pub const EXEMPLAR_BYTES_MAX: usize = 512;
/// Endpoints, environments and releases remembered of a pattern.
pub const PATTERN_FACETS_MAX: usize = 8;

/// Lessons (taught facts about patterns) of a domain.
pub const LESSONS_MAX: usize = 1_000;
/// Bytes of all lessons of a domain: each change sends and journals them whole, so they stay well below a row.
pub const LESSONS_BYTES_MAX: usize = 256 * 1024;
/// Patterns that one lesson merges into another.
pub const LESSON_MEMBERS_MAX: usize = 100;
/// Bytes of a taught name: it stands in titles of alerts.
pub const LESSON_NAME_BYTES_MAX: usize = 120;
/// Bytes of any other text of a lesson.
pub const LESSON_TEXT_BYTES_MAX: usize = 1_024;
/// Values that part from a pattern by one lesson. Undone, each becomes an alias of the pattern, which has room for them.
pub const SPLIT_VALUES_MAX: usize = 100;
/// Bytes of such a value; a longer one stays with the pattern.
pub const SPLIT_VALUE_BYTES_MAX: usize = 128;
/// Mined patterns that taught templates took over and that are remembered one by one. At about 300 bytes each 0.3 MB;
/// beyond, a line is looked at anew each time.
pub const COVERED_MAX: usize = 1_000;

const _: () = assert!(LESSONS_BYTES_MAX * 4 < ROW_BYTES_MAX, "lessons fit a row of the journal");
const _: () = assert!(SPLIT_VALUES_MAX < PATTERN_ALIASES_MAX, "what parted can become aliases again");
/// Bytes of what stood in the places of all templates, by an account that is rounded up: values, counts and sketches.
pub const VARIABLES_BYTES_MAX: usize = 512 * 1024;

/// Series of one object that are counted by name; the rest of a kind folds into its `other` and is counted there.
pub const SERIES_MAX: usize = 8_192;
/// Distinct endpoints counted by name.
pub const ENDPOINT_SERIES_MAX: usize = 512;
/// Cells (series x minute) that wait for the next rollup. At 24 bytes 2.4 MB.
pub const PENDING_CELLS_MAX: usize = 100_000;
/// As how many cells an hour of facets counts that waits for the next rollup. At 9.5 KB at most (three sketches of 2 KB,
/// one of 3 KB), so that 256 hours of them take no more than the cells would.
pub const FACETS_CELLS: usize = 390;

const _: () = assert!(FACETS_CELLS * 24 >= 9_300, "an hour of facets takes no more than its cells");

/// Batch keys remembered for replay, with the window the other bound. At 40 bytes 2.6 MB.
pub const BATCH_KEYS_MAX: usize = 65_536;
/// Record ids remembered for exactly-once, with the same window. At 24 bytes 1.6 MB.
pub const RECORD_IDS_MAX: usize = 65_536;
/// Incidents remembered; the oldest closed one leaves first.
pub const INCIDENTS_MAX: usize = 256;
/// Deployments that a component remembers. At a release of 128 bytes 6 KB of the state row.
pub const DEPLOYMENTS_MAX: usize = 32;
/// Releases that a component knows from its records, to tell a new one.
pub const RELEASES_KNOWN_MAX: usize = 64;
/// Opinions about incidents that a component keeps; with texts at their limits 60 KB of the state row.
pub const FEEDBACK_MAX: usize = 100;
/// Bytes of the note of an opinion.
pub const FEEDBACK_NOTE_BYTES_MAX: usize = 280;
/// Patterns named in one grouped alert.
pub const ALERT_PATTERNS_MAX: usize = 20;
/// Components of a domain's directory can never exceed this, whatever the configuration says.
pub const COMPONENTS_MAX: usize = 1_000;
