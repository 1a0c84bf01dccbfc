// What `POST /api/logs` answers, and what it keeps, for everything that can be odd about a request.
//
// Data only: ingest.test.mjs sends every row to a real service and reads back what was stored, and docs/api
// shows the same rows to people. A row:
//
//   what      in words
//   key       "ingest" (default), "none", "malformed", "unknown", "foreign", "altered", "revoked", "read"
//   headers   further request headers
//   body      text or bytes; a function where it is large, so that reading this file costs nothing
//   stream    true: sent without Content-Length, in chunks
//   status    of the reply
//   code      of the problem, or of the first refused record of a 202
//   reply     further members of the reply that must be as given
//   stored    records found afterwards, each as the members it must have; absent: nothing
//
// `place` gives the byte at which a text stops making sense, so that a row and its offset cannot part.

import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";

/** Bytes of a body, as sent and once inflated. */
export const BODY_BYTES_MAX = 10 * 1024 * 1024;
/** Records of one request. */
export const RECORDS_MAX = 10_000;
/** Bytes of a message; what is longer is cut and says so. */
export const MESSAGE_BYTES_MAX = 64 * 1024;

const one = (message, more = {}) => JSON.stringify({ message, level: "info", timestamp: 1_763_632_800_000, ...more });
const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
const nested = (levels) => '{"a":'.repeat(levels) + "1" + "}".repeat(levels);
const gzip = { "Content-Encoding": "gzip" };
const whole = one("whole");
const kept = (message, defects) => ({ message, ...(defects && { defects }) });

/** A text, and where in it (in bytes) `mark` stands; without a mark, its end. */
function place(body, mark) {
  const at = mark === undefined ? Buffer.byteLength(body) : Buffer.from(body).indexOf(mark);
  return { body, reply: { byte_offset: at } };
}

export const table = [
  // --- who sends it: decided before a byte of the body is looked at -----------------------------------------
  { what: "no key", key: "none", body: whole, status: 401, code: "unauthorized", reason: "missing_credential" },
  { what: "a malformed key", key: "malformed", body: whole, status: 401, code: "unauthorized", reason: "malformed_credential" },
  { what: "a key of nobody", key: "unknown", body: whole, status: 401, code: "unauthorized", reason: "unknown_credential" },
  { what: "a key signed by a foreign secret", key: "foreign", body: whole, status: 401, code: "unauthorized", reason: "bad_signature" },
  { what: "a key with one letter changed", key: "altered", body: whole, status: 401, code: "unauthorized", reason: "bad_signature" },
  { what: "a revoked key", key: "revoked", body: whole, status: 401, code: "key_revoked", reason: "revoked" },
  { what: "a key that may only read", key: "read", body: whole, status: 403, code: "forbidden_scope", reason: "wrong_scope" },
  {
    what: "a key, and another domain's name beside it",
    headers: { "X-Sapwood-Domain": "neighbour.example" },
    body: whole,
    status: 403,
    code: "forbidden_domain",
    reason: "wrong_domain",
  },
  { what: "no key, and a body that is not JSON", key: "none", body: "{", status: 401, code: "unauthorized" },

  // --- the request as a whole: refused whole, nothing of it is stored ---------------------------------------
  { what: "an empty body", body: "", status: 400, code: "empty_body" },
  { what: "a body of white space", body: " \r\n\t\n", status: 400, code: "empty_body" },
  { what: "broken JSON", ...place('{"message":"a", "level" "info"}', '"info"'), status: 400, code: "invalid_json" },
  { what: "broken JSON on the third line", ...place('{\n"message":"é",\n"level"; "info"}', ";"), status: 400, code: "invalid_json" },
  { what: "JSON that ends too early", ...place('[{"message":"a"}'), status: 400, code: "invalid_json" },
  { what: "a NUL byte inside a text", ...place('{"message":"a\0b"}', "\0"), status: 400, code: "invalid_json" },
  { what: "a text instead of a record", body: '"hello"', status: 400, code: "wrong_top_level" },
  { what: "a number instead of a record", body: "42", status: 400, code: "wrong_top_level" },
  { what: "logs that are no list", body: '{"logs":{"message":"a"}}', status: 400, code: "wrong_top_level" },
  { what: "an Idempotency-Key with a space", headers: { "Idempotency-Key": "a b" }, body: whole, status: 400, code: "invalid_idempotency_key" },
  { what: "a content type without records", headers: { "Content-Type": "image/png" }, body: whole, status: 415, code: "unsupported_media_type" },
  { what: "an unknown encoding", headers: { "Content-Encoding": "br" }, body: whole, status: 415, code: "unsupported_encoding" },
  { what: "a body over the cap", body: () => one("x".repeat(BODY_BYTES_MAX)), status: 413, code: "payload_too_large", reply: { limit: BODY_BYTES_MAX } },
  {
    what: "a body over the cap that does not say its length",
    body: () => one("x".repeat(BODY_BYTES_MAX)),
    stream: true,
    status: 413,
    code: "payload_too_large",
    reply: { limit: BODY_BYTES_MAX },
  },
  {
    what: "a gzip bomb",
    headers: gzip,
    body: () => gzipSync(Buffer.alloc(200 * 1024 * 1024, " "), { level: 9 }),
    status: 413,
    code: "inflated_too_large",
    reply: { limit: BODY_BYTES_MAX },
  },
  { what: "gzip that ends too early", headers: gzip, body: () => gzipSync(whole).subarray(0, -12), status: 400, code: "truncated_body" },
  { what: "plain text said to be gzip", headers: gzip, body: whole, status: 400, code: "truncated_body" },
  {
    what: "100,000 tiny records",
    body: () => '{"message":"a"}\n'.repeat(100_000),
    status: 413,
    code: "too_many_records",
    reply: { limit: RECORDS_MAX },
  },

  // --- one record of several: refused alone, with its place; its neighbours are stored ----------------------
  { what: "an empty list", body: "[]", status: 202, reply: { total: 0, accepted: 0, rejected: 0 } },
  { what: "a record without a message", body: '{"level":"info"}', status: 400, code: "records_rejected", first: { code: "missing_message", index: 0, pointer: "/message" } },
  { what: "a blank message", body: '{"message":" \\n"}', status: 400, code: "records_rejected", first: { code: "empty_message", index: 0, pointer: "/message" } },
  { what: "a message that is an object", body: '{"message":{"a":1}}', status: 400, code: "records_rejected", first: { code: "wrong_type", index: 0, pointer: "/message" } },
  {
    what: "a message that is a list, between two that are text",
    body: `[${one("before")},{"message":["a"]},${one("after")}]`,
    status: 202,
    reply: { total: 3, accepted: 2, rejected: 1 },
    first: { code: "wrong_type", index: 1, pointer: "/1/message" },
    stored: [kept("before"), kept("after")],
  },
  { what: "an unknown level", body: `{"logs":[{"message":"a","level":"loud"},${one("after")}]}`, status: 202, reply: { accepted: 1, rejected: 1 }, first: { code: "unknown_level", index: 0, pointer: "/logs/0/level" }, stored: [kept("after")] },
  { what: "a number among the records", body: `[7,${one("after")}]`, status: 202, reply: { accepted: 1, rejected: 1 }, first: { code: "not_an_object", index: 0, pointer: "/0" }, stored: [kept("after")] },
  {
    what: "a broken line among lines",
    body: `${one("before")}\n{"message":"half\n${one("after")}`,
    status: 202,
    reply: { total: 3, accepted: 2, rejected: 1 },
    first: { code: "invalid_json", index: 1, pointer: "" },
    stored: [kept("before"), kept("after")],
  },
  { what: "10,000 levels of nested objects", body: () => `[{"message":"deep","context":${nested(10_000)}},${one("after")}]`, status: 202, reply: { accepted: 1, rejected: 1 }, first: { code: "too_deep", index: 0, pointer: "/0/context" }, stored: [kept("after")] },
  { what: "10,000 nested lists", body: () => "[".repeat(10_000) + "]".repeat(10_000), status: 400, code: "records_rejected", first: { code: "not_an_object", index: 0, pointer: "/0" } },

  // --- odd and stored all the same: the defect says what was done -------------------------------------------
  { what: "a message that is a number", body: '{"message":12.5,"level":"info","timestamp":1763632800000}', status: 202, stored: [kept("12.5")] },
  { what: "a level that is an object", body: '{"message":"a","level":{"x":1},"timestamp":1763632800000}', status: 202, stored: [{ message: "a", level: "info", defects: ["field_ignored", "level_assumed"], attributes: { level: { x: 1 } } }] },
  { what: "no level", body: '{"message":"a","timestamp":1763632800000}', status: 202, stored: [{ message: "a", level: "info", defects: ["level_assumed"] }] },
  { what: "a field sent twice", body: '{"message":"a","message":"b","level":"info","timestamp":1763632800000}', status: 202, stored: [kept("b", ["duplicate_field"])] },
  { what: "a line of 1 MB", body: () => one("x".repeat(1024 * 1024)), status: 202, stored: [{ message: /^x{60000,}…\[cut \d+ bytes\]$/, defects: ["message_cut"] }] },
  { what: "20 levels of attributes", body: one("deep", { attributes: JSON.parse(nested(20)) }), status: 202, stored: [kept("deep", ["nesting_cut"])] },
  { what: "bytes that are not UTF-8", body: bytes('{"message":"caf', Buffer.from([0xe9]), ' open","level":"info","timestamp":1763632800000}'), status: 202, stored: [kept("caf\uFFFD open", ["invalid_utf8"])] },
  { what: "half an emoji", body: '{"message":"ha\\ud83d","level":"info","timestamp":1763632800000}', status: 202, stored: [kept("ha\uFFFD", ["invalid_utf8"])] },
  { what: "escaped NUL and control characters", body: one("a\0b\u001b[31mc\u001b[0m\r\nd\u0007"), status: 202, stored: [kept("a\\x00bc\\nd\\x07", ["control_characters"])] },
  { what: "a byte-order mark", body: `\uFEFF${one("marked")}`, status: 202, stored: [kept("marked")] },
  { what: "no content type", headers: { "Content-Type": "" }, body: one("untyped"), status: 202, stored: [kept("untyped")] },
  { what: "JSON said to be a form, as browsers do", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: one("form"), status: 202, stored: [kept("form")] },

  // --- compressed, and as large as it may be ----------------------------------------------------------------
  { what: "gzip", headers: gzip, body: () => gzipSync(one("zipped")), status: 202, stored: [kept("zipped")] },
  { what: "gzip in two members", headers: gzip, body: () => bytes(gzipSync(one("first") + "\n"), gzipSync(one("second"))), status: 202, stored: [kept("first"), kept("second")] },
  { what: "gzip without a declared length", headers: gzip, stream: true, body: () => gzipSync(one("streamed")), status: 202, stored: [kept("streamed")] },
  { what: "deflate", headers: { "Content-Encoding": "deflate" }, body: () => deflateSync(one("deflated")), status: 202, stored: [kept("deflated")] },
  { what: "deflate without its wrapper", headers: { "Content-Encoding": "deflate" }, body: () => deflateRawSync(one("raw")), status: 202, stored: [kept("raw")] },
  { what: "10,000 tiny records", body: () => `${one("a")}\n`.repeat(RECORDS_MAX), status: 202, reply: { total: RECORDS_MAX, accepted: RECORDS_MAX, rejected: 0 }, storedTotal: RECORDS_MAX },
];

/**
 * Event times. `sent` gives the value of `timestamp` for an instant in ms, as JSON text; `is` what is stored:
 * the instant to the millisecond, "received" for the time of receipt, or a number.
 */
export const times = [
  { what: "seconds", sent: (ms) => `${Math.floor(ms / 1000)}`, is: (ms) => Math.floor(ms / 1000) * 1000 },
  { what: "seconds with a fraction", sent: (ms) => `${Math.floor(ms / 1000)}.5`, is: (ms) => Math.floor(ms / 1000) * 1000 + 500 },
  { what: "milliseconds", sent: (ms) => `${ms}` },
  { what: "microseconds", sent: (ms) => `${ms}123` },
  { what: "nanoseconds", sent: (ms) => `${ms}123456` },
  { what: "milliseconds as text", sent: (ms) => `"${ms}"` },
  { what: "ISO with Z", sent: (ms) => `"${new Date(ms).toISOString()}"` },
  { what: "ISO with nanoseconds", sent: (ms) => `"${new Date(ms).toISOString().replace("Z", "456789Z")}"` },
  { what: "ISO two hours east", sent: (ms) => `"${new Date(ms + 7_200_000).toISOString().replace("Z", "+02:00")}"` },
  { what: "ISO five and a half hours west", sent: (ms) => `"${new Date(ms - 19_800_000).toISOString().replace("Z", "-0530")}"` },
  { what: "ISO without a zone", sent: (ms) => `"${new Date(ms).toISOString().replace("Z", "")}"`, defects: ["zone_assumed"] },
  { what: "a date and time with a space, without a zone", sent: (ms) => `"${new Date(ms).toISOString().replace("T", " ").replace("Z", "")}"`, defects: ["zone_assumed"] },
  { what: "nothing", sent: () => undefined, is: "received", defects: ["timestamp_absent"] },
  { what: "null", sent: () => "null", is: "received", defects: ["timestamp_absent"] },
  { what: "an empty text", sent: () => '""', is: "received", defects: ["timestamp_absent"] },
  { what: "a text that is no time", sent: () => '"yesterday"', is: "received", defects: ["timestamp_unreadable"], attributes: { timestamp: "yesterday" } },
  { what: "nine minutes in the future", sent: () => `${Date.now() + 9 * 60_000}`, is: "ahead" },
  { what: "eleven minutes in the future", sent: () => `${Date.now() + 11 * 60_000}`, is: "received", defects: ["timestamp_future"] },
  { what: "the year 2100", sent: () => '"2100-01-01T00:00:00Z"', is: "received", defects: ["timestamp_future"] },
  { what: "the first second of 1970", sent: () => "0", is: () => 0 },
  { what: "the year 1", sent: () => '"0001-01-02T00:00:00Z"', is: () => -62_135_510_400_000 },
  { what: "before the year 1", sent: () => "-99999999999", is: () => -62_135_596_800_000, defects: ["timestamp_out_of_range"] },
];
