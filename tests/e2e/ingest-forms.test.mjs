// The forms in which records may come: framings, doors, spellings, the prototype's envelope; and shapes that are
// large or odd but right. Refusals are in ingest.test.mjs.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";

import { findAll, metrics, search } from "./account.mjs";
import { startWorker } from "./harness.mjs";
import { MESSAGE_BYTES_MAX } from "./ingest-table.mjs";

let service;
let key;

before(async () => {
  service = await startWorker();
  key = await service.key(["ingest", "read"]);
});

const records = (component) => ["one", "two", "three"].map((message) => ({ message, level: "info", component }));
const messages = (found) => found.map((record) => record.message).sort();

describe("every framing, on every door, is understood by its content", () => {
  const framings = {
    object: (component) => [JSON.stringify({ ...records(component)[0] }), 1],
    array: (component) => [JSON.stringify(records(component)), 3],
    "an envelope called logs": (component) => [JSON.stringify({ logs: records(component) }), 3],
    "an envelope called records": (component) => [JSON.stringify({ records: records(component) }), 3],
    lines: (component) => [records(component).map((record) => JSON.stringify(record)).join("\n"), 3],
    "lines with CRLF and blank ones": (component) => [`\r\n${records(component).map((record) => JSON.stringify(record)).join("\r\n\r\n")}\r\n`, 3],
  };
  for (const [name, build] of Object.entries(framings)) {
    for (const door of ["/api/logs", "/api/logs/store", "/api/logs/batch"]) {
      test(`${name} at ${door}`, async () => {
        const component = `${name} ${door}`;
        const [body, count] = build(component);
        const reply = await service.request("POST", door, { key, body, headers: { "Content-Type": "text/plain" } });
        assert.equal(reply.status, 202, reply.text);
        const expected = { total: count, accepted: count, duplicate: 0, counted_only: 0, rejected: 0 };
        assert.deepEqual({ ...reply.json, errors: undefined, ids: undefined }, { ...expected, errors: undefined, ids: undefined });
        assert.deepEqual(reply.json.errors, []);
        assert.deepEqual(messages(await findAll(service, key, { component })), messages(records(component).slice(0, count)));
      });
    }
  }
});

test("what an envelope says holds for each of its records that does not say otherwise", async () => {
  const body = {
    component: "envelope",
    environment: "staging",
    release: "7",
    logs: [{ message: "inherits", level: "info" }, { message: "differs", level: "info", environment: "production" }],
  };
  assert.equal((await service.request("POST", "/api/logs", { key, json: body })).json?.accepted, 2);
  const found = await findAll(service, key, { component: "envelope" });
  const seen = Object.fromEntries(found.map(({ message, environment, release }) => [message, [environment, release]]));
  assert.deepEqual(seen, { inherits: ["staging", "7"], differs: ["production", "7"] });
});

test("a body in chunks without a length, gzipped or not, is taken", async () => {
  for (const [component, encode, headers] of [
    ["chunks", (bytes) => bytes, {}],
    ["chunks-gzip", gzipSync, { "Content-Encoding": "gzip" }],
  ]) {
    const bytes = encode(Buffer.from(records(component).map((record) => JSON.stringify(record)).join("\n")));
    const body = ReadableStream.from((function* () {
      for (const byte of bytes) yield Uint8Array.of(byte);
    })());
    const reply = await service.request("POST", "/api/logs", { key, body, headers });
    assert.equal(reply.json?.accepted, 3, reply.text);
    assert.equal((await findAll(service, key, { component })).length, 3);
  }
});

test("both spellings of every field mean the same", async () => {
  const snake = {
    message: "spelt",
    level: "error",
    component: "spelling",
    environment: "production",
    timestamp: 1_763_632_800_000,
    error_type: "exception",
    error_code: "E7",
    user_id: "u-1",
    session_id: "s-1",
    request_id: "r-1",
    trace_id: "0af7651916cd43dd8448eb211c80319c",
    span_id: "b7ad6b7169203331",
    stack_trace: "Error: declined\n    at charge (/app/pay.js:10:5)",
    user_agent: "example/1.0",
    ip_address: "192.0.2.1",
    memory_usage: 0.25,
    message_template: "spelt {how}",
  };
  const camel = Object.fromEntries(
    Object.entries(snake).map(([name, value]) => [name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()), value]),
  );
  assert.ok("errorType" in camel && "stackTrace" in camel);
  for (const json of [snake, camel]) assert.equal((await service.request("POST", "/api/logs", { key, json })).status, 202);
  const [first, second, ...rest] = await findAll(service, key, { component: "spelling" });
  assert.equal(rest.length, 0);
  const bare = ({ id, received_at, ...shown }) => shown;
  assert.deepEqual(bare(first), bare(second));
  const { error_type, error_code, user_id, session_id, request_id, trace_id, span_id, memory_usage } = first;
  assert.deepEqual(
    { error_type, error_code, user_id, session_id, request_id, trace_id, span_id, memory_usage },
    { error_type: "exception", error_code: "E7", user_id: "u-1", session_id: "s-1", request_id: "r-1", trace_id: snake.trace_id, span_id: snake.span_id, memory_usage: 0.25 },
  );
  assert.deepEqual(first.frames.map(({ function: name, line }) => [name, line]), [["charge", 10]]);
  assert.deepEqual(first.context, { ip: "192.0.2.1", user_agent: "example/1.0" });
  assert.deepEqual(first.attributes, { "exception.type": "Error" }, "derived from the stack; no spelling is left over");
});

describe("the prototype's POST /logs", () => {
  test("answers 201 in its envelope, and its logId leads to the record", async () => {
    const json = { severity: "error", message: "login failed", component: "auth-service", errorCode: "E401", userId: "u-42", metadata: { attempt: 3 } };
    const reply = await service.request("POST", "/logs", { key, json });
    assert.equal(reply.status, 201, reply.text);
    const { success, data, timestamp } = reply.json;
    assert.equal(success, true);
    assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000);
    assert.deepEqual(Object.keys(data).sort(), ["category", "logId", "message", "severity", "triageActions"]);
    assert.equal(data.message, "Log submitted successfully");
    assert.equal(data.severity, "error");
    assert.ok(Array.isArray(data.triageActions));
    const record = await service.request("GET", `/api/logs/${data.logId}`, { key });
    assert.equal(record.json?.message, "login failed", record.text);
    assert.equal(record.json.category, data.category);
    assert.deepEqual(record.json.attributes, { attempt: 3 });
  });

  test("answers 400 in its envelope, with every field that is wrong and the id under X-Error-ID", async () => {
    const reply = await service.request("POST", "/logs", { key, json: { severity: "error", message: { a: 1 } } });
    assert.equal(reply.status, 400, reply.text);
    const { success, error } = reply.json;
    assert.equal(success, false);
    assert.equal(error.code, "VALIDATION_ERROR");
    assert.ok(error.message && Date.parse(error.timestamp));
    assert.equal(error.errorId, reply.headers.get("X-Error-ID"));
    assert.ok(error.errorId);
    assert.deepEqual(error.details.map(({ code, index, pointer }) => [code, index, pointer]), [["wrong_type", 0, "/message"]]);
  });

  test("refuses a list, and a caller without a key without an error id", async () => {
    const list = await service.request("POST", "/logs", { key, json: [{ message: "a" }, { message: "b" }] });
    assert.equal(list.status, 400, list.text);
    assert.equal(list.json.error.code, "VALIDATION_ERROR");
    const nobody = await service.request("POST", "/logs", { json: { message: "a" } });
    assert.equal(nobody.status, 401);
    assert.deepEqual([nobody.json.success, nobody.json.error.code, nobody.json.error.errorId], [false, "UNAUTHORIZED", undefined]);
    assert.equal(nobody.headers.has("X-Error-ID"), false);
  });
});

describe("large and odd, and right", () => {
  test("4 MB of incompressible text in one request is stored and read back whole", async () => {
    // Letters and spaces only, so that nothing in it looks like a secret; not one word comes twice in a message.
    let state = 0x2545f491;
    const next = () => ((state ^= state << 13), (state ^= state >>> 17), (state ^= state << 5), state >>> 0);
    const word = () => Array.from({ length: 7 + (next() % 5) }, () => String.fromCharCode(97 + (next() % 26))).join("");
    const text = (bytes) => {
      const words = [];
      for (let size = 0; size < bytes; ) size += words[words.push(word()) - 1].length + 1;
      return words.join(" ");
    };
    const sent = Array.from({ length: 68 }, (_, number) => ({ message: `${number} ${text(60_000)}`, level: "info", component: "large" }));
    assert.ok(sent.every((record) => record.message.length < MESSAGE_BYTES_MAX));
    const body = JSON.stringify(sent);
    assert.ok(body.length > 4_000_000 && gzipSync(body, { level: 1 }).length > 2_000_000);
    const reply = await service.request("POST", "/api/logs", { key, body });
    assert.equal(reply.json?.accepted, 68, reply.text.slice(0, 500));
    const found = await findAll(service, key, { component: "large" }, { limit: 20 });
    assert.deepEqual(new Set(found.map((record) => record.message)), new Set(sent.map((record) => record.message)));
    const metric = await metrics(service, key);
    assert.ok(metric("sapwood_object_rows", { component: "large" }) >= 4, "it took several rows of the journal");
  });

  test("60 components in one batch each get their part", async () => {
    const names = Array.from({ length: 60 }, (_, number) => `part-${String(number).padStart(2, "0")}`);
    const sent = names.flatMap((component) => [1, 2].map((of) => ({ message: `${component} of ${of}`, level: "info", component })));
    const reply = await service.request("POST", "/api/logs", { key, json: sent, headers: { Prefer: "return=representation" } });
    assert.equal(reply.status, 202, reply.text.slice(0, 1000));
    assert.equal(reply.json.accepted, 120);
    assert.equal(reply.headers.get("Preference-Applied"), "return=representation");
    assert.equal(new Set(reply.json.ids).size, 120);
    const found = await findAll(service, key, { component: names.slice(0, 50) });
    assert.equal(found.length, 100);
    const byId = new Map(found.map((record) => [record.id, record]));
    for (const [at, record] of sent.entries()) {
      if (names.indexOf(record.component) >= 50) continue;
      assert.equal(byId.get(reply.json.ids[at])?.message, record.message, "ids come in the order sent");
      assert.equal(byId.get(reply.json.ids[at]).component, record.component);
    }
    for (const component of names.slice(50)) assert.equal((await search(service, key, { component })).total, 2, component);
  });

  test("a component's name may be long, foreign or hostile, and is still an address of its own", async () => {
    const long = "n".repeat(1024);
    const names = ["a|b|0", "Übung 日本 🌲", "line\nbreak", "../../etc/passwd", "%2e%2e%2f", long, `${long}!`, "' OR 1=1 --"];
    const sent = names.map((component, at) => ({ message: `odd ${at}`, level: "info", component }));
    const reply = await service.request("POST", "/api/logs", { key, json: sent, headers: { Prefer: "return=representation" } });
    assert.equal(reply.json?.accepted, names.length, reply.text);
    const addresses = new Set();
    for (const [at, id] of reply.json.ids.entries()) {
      const record = (await service.request("GET", `/api/logs/${id}`, { key })).json;
      assert.equal(record?.message, `odd ${at}`);
      const address = record.component;
      assert.ok(Buffer.byteLength(address) <= 128 && !/[|\x00-\x1f]/.test(address), JSON.stringify(address));
      addresses.add(address);
      const found = await findAll(service, key, { component: address });
      assert.deepEqual(found.map((one) => one.id), [id], `only its own record is at ${address}`);
    }
    assert.equal(addresses.size, names.length, "no two share an address");
    assert.ok(addresses.has("a_b_0") && addresses.has("Übung 日本 🌲"));
  });
});
