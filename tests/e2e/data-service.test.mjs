// The data service, in every state that it can be in: what it is sent, once, in order, and that intake never notices.
//
// The double below speaks as the real one was found to (same paths, validation, statuses and texts); `batch` adds the
// route that it does not have yet.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";

const SERVICE_KEY = "a-key-of-the-data-service-0f9e8d7c6b5a";

/** A data service. `rows` is its table, in the order of insertion. */
async function startDataService({ batch = false } = {}) {
  const receiver = await startReceiver();
  const double = { receiver, rows: new Map(), batch, calls: [], trouble: undefined };
  const reply = (status, body) => ({ status, body: JSON.stringify(body) });
  const known = (id) => reply(500, { success: false, error: "Failed to store log", message: `D1_ERROR: UNIQUE constraint failed: logs.id: SQLITE_CONSTRAINT (id ${id})` });
  const scalar = (value) => value === undefined || value === null || typeof value !== "object";
  const check = (log) => {
    if (!log?.id || !log?.message) return reply(400, { success: false, error: "Missing required fields: id, message" });
    const { metadata, tags, patterns, triageActions, ...columns } = log;
    if (!Object.values(columns).every(scalar)) return reply(500, { success: false, error: "Failed to store log", message: "D1_TYPE_ERROR: Type 'object' not supported" });
    return undefined;
  };
  double.answer = async (request) => {
    const path = new URL(request.path, "http://x").pathname;
    if (path === "/health") return reply(200, { status: "ok" });
    double.calls.push({ path, request });
    if (request.headers["x-service-key"] !== SERVICE_KEY) return reply(401, { success: false, error: "Invalid service key" });
    const trouble = await double.trouble?.(path, request);
    if (trouble) return trouble;
    if (request.json === undefined) return reply(500, { success: false, error: "Failed to store log", message: "Unexpected token" });
    if (path === "/api/logs/store" && request.method === "POST") {
      const log = request.json;
      const refused = check(log);
      if (refused) return refused;
      if (double.rows.has(log.id)) return known(log.id);
      double.rows.set(log.id, log);
      return reply(201, { success: true, data: { id: log.id, stored: true, timestamp: log.timestamp } });
    }
    if (path === "/api/logs/batch" && request.method === "POST" && double.batch) {
      const { logs } = request.json;
      if (!Array.isArray(logs) || logs.length > 100) return reply(400, { success: false, error: "logs: 1 to 100" });
      for (const log of logs) {
        const refused = check(log);
        if (refused) return refused;
        // One transaction: a known id undoes all of it.
        if (double.rows.has(log.id)) return known(log.id);
      }
      for (const log of logs) double.rows.set(log.id, log);
      return reply(201, { success: true, data: { stored: logs.length } });
    }
    return reply(404, { success: false, error: "Log endpoint not found" });
  };
  await receiver.behave(double.answer);
  double.messages = (domain) => [...double.rows.values()].filter((row) => row.metadata.domain === domain).map((row) => row.message);
  double.paths = () => new Set(double.calls.map((call) => call.path));
  return double;
}

const settings = (double, more = {}) => ({
  vars: {
    STORAGE_MODE: "hybrid",
    DATA_SERVICE_URL: double.receiver.url,
    FLUSH_INTERVAL: "200ms",
    DATA_SERVICE_TIMEOUT: "400ms",
    BULK_INSERT_SIZE: "20",
    BREAKER_FAILURES: "3",
    BREAKER_OPEN: "500ms",
    OBJECT_TIMEOUT: "5s",
    ...more,
  },
  secrets: { DATA_SERVICE_API_KEY: SERVICE_KEY },
});

async function keyFor(service, domain) {
  return service.key(["ingest", "read", "admin"], { domain });
}

/** Sends records and shows that intake does not notice the data service: it answers promptly, and all is accepted. */
async function send(service, key, records) {
  const began = performance.now();
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.equal(reply.status, 202, reply.text);
  assert.equal(reply.json.accepted, records.length, reply.text);
  const took = performance.now() - began;
  assert.ok(took < 4_000, `intake took ${Math.round(took)} ms`);
}

const lines = (word, from, to, level = "warn") =>
  Array.from({ length: to - from }, (_, index) => ({ level, component: "press", message: `${word} number ${from + index}` }));
const expected = (word, to) => lines(word, 0, to).map((record) => record.message);

let plain, withBatch, service, modern;
before(async () => {
  [plain, withBatch] = [await startDataService(), await startDataService({ batch: true })];
  service = await startWorker(settings(plain));
  modern = await startWorker(settings(withBatch));
});

test("everything arrives once, flat, in camelCase, with epoch milliseconds", async () => {
  const domain = "flat.example";
  const key = await keyFor(service, domain);
  const at = Date.now() - 5000;
  await send(service, key, [
    {
      id: "order-7-failed", level: "error", component: "press", message: "order 7 failed", timestamp: new Date(at).toISOString(),
      environment: "production", user_id: "u-42", session_id: "s-1", request_id: "r-9", trace_id: "0af7651916cd43dd8448eb211c80319c",
      error_code: "E7", duration: 812.5, tags: ["eu"], attributes: { order: { id: 7, gift: false } },
      stack_trace: "Error: declined\n    at charge (/app/pay.js:10:5)",
    },
    { level: "info", component: "press", message: "order 8 went through" },
  ]);
  await until("both arrive", () => plain.messages(domain).length === 2);
  const row = plain.rows.get("order-7-failed");
  assert.deepEqual(
    [row.timestamp, row.severity, row.component, row.environment, row.message, row.userId, row.sessionId, row.requestId, row.errorCode, row.duration],
    [at, "error", "press", "production", "order 7 failed", "u-42", "s-1", "r-9", "E7", 812.5],
  );
  assert.equal(row.metadata.domain, domain);
  assert.equal(row.metadata.traceId, "0af7651916cd43dd8448eb211c80319c");
  assert.match(row.stackTrace, /at charge/);
  assert.deepEqual(row.tags, ["eu"]);
  for (const record of plain.rows.values()) {
    assert.ok(Number.isInteger(record.timestamp) && record.timestamp > 1e12, "epoch milliseconds");
    assert.deepEqual(Object.keys(record).filter((name) => name.includes("_")), [], "snake_case names would be dropped silently");
  }
  assert.ok(plain.calls.every((call) => call.request.headers["x-service-key"] === SERVICE_KEY));
  assert.ok(plain.calls.every((call) => call.request.headers["x-api-key"] === undefined && call.request.headers.authorization === undefined));
});

test("without a batch route it probes once, remembers, and stores one by one", async () => {
  const domain = "singles.example";
  const key = await keyFor(service, domain);
  await send(service, key, lines("single", 0, 12));
  await until("all arrive", () => plain.messages(domain).length === 12);
  await send(service, key, lines("single", 12, 24));
  await until("all arrive", () => plain.messages(domain).length === 24);
  assert.deepEqual(plain.messages(domain), expected("single", 24));
  const probes = plain.calls.filter((call) => call.path === "/api/logs/batch" && JSON.stringify(call.request.json).includes(domain));
  assert.equal(probes.length, 1, "the missing route is remembered");
  assert.deepEqual([...plain.paths()].sort(), ["/api/logs/batch", "/api/logs/store"]);
});

test("with a batch route records go in batches of the configured size, in order", async () => {
  const domain = "batches.example";
  const key = await keyFor(modern, domain);
  await send(modern, key, lines("batch", 0, 70));
  await until("all arrive", () => withBatch.messages(domain).length === 70);
  assert.deepEqual(withBatch.messages(domain), expected("batch", 70));
  const sizes = withBatch.calls.map((call) => call.request.json.logs.length);
  assert.ok(sizes.every((size) => size <= 20) && sizes.includes(20), `sizes ${sizes}`);
  assert.deepEqual([...withBatch.paths()], ["/api/logs/batch"]);
});

test("an id that is there already counts as stored, and its batch goes on one by one", async () => {
  const domain = "duplicates.example";
  const key = await keyFor(modern, domain);
  withBatch.rows.set("dup-3", { id: "dup-3", message: "from an attempt whose answer was lost", metadata: { domain: "elsewhere" } });
  await send(modern, key, Array.from({ length: 6 }, (_, index) => ({ id: `dup-${index}`, level: "warn", component: "press", message: `dup ${index}` })));
  await until("the five others arrive", () => withBatch.messages(domain).length === 5);
  await send(modern, key, [{ level: "warn", component: "press", message: "after the duplicates" }]);
  await until("what comes later is not held up", () => withBatch.messages(domain).includes("after the duplicates"));
  assert.deepEqual(withBatch.messages(domain), ["dup 0", "dup 1", "dup 2", "dup 4", "dup 5", "after the duplicates"]);
});

test("an answer that is lost after the insert doubles nothing", async () => {
  const domain = "lost-answer.example";
  const key = await keyFor(modern, domain);
  let lost = 0;
  withBatch.trouble = (path, request) => {
    if (lost > 0 || !JSON.stringify(request.json).includes(domain)) return undefined;
    lost += 1;
    for (const log of request.json.logs) withBatch.rows.set(log.id, log);
    return "reset";
  };
  await send(modern, key, lines("lost", 0, 5));
  await until("it was sent and its answer lost", () => lost === 1);
  await send(modern, key, lines("lost", 5, 6));
  await until("all arrive", () => withBatch.messages(domain).length === 6);
  withBatch.trouble = undefined;
  assert.deepEqual(withBatch.messages(domain), expected("lost", 6));
});

for (const [what, fail] of [
  ["absent", (double) => double.receiver.behave("absent")],
  ["slower than its timeout", (double) => double.receiver.behave("hang")],
  ["answering 500", (double) => double.receiver.behave("status", 500, '{"success":false,"error":"Failed to store log","message":"D1_ERROR: no such table: logs"}')],
]) {
  test(`a data service ${what}: intake goes on, and all of it arrives in order when it is back`, async () => {
    const domain = `${what.split(" ")[0]}.example`;
    const word = what.split(" ")[0];
    const key = await keyFor(modern, domain);
    await withBatch.receiver.behave(withBatch.answer);
    await send(modern, key, lines(word, 0, 3));
    await until("it works before", () => withBatch.messages(domain).length === 3);
    await fail(withBatch);
    const tried = withBatch.receiver.requests.length;
    for (let batch = 0; batch < 5; batch += 1) await send(modern, key, lines(word, 3 + batch * 10, 13 + batch * 10));
    if (what !== "absent") await until("it is tried", () => withBatch.receiver.requests.length > tried);
    await until("the trouble can be seen", async () => (await behind(modern, key)) > 0);
    const found = await modern.request("GET", `/api/logs/search?q=${word}`, { key });
    assert.equal(found.json.total, 53, "reading does not depend on it");
    await withBatch.receiver.behave(withBatch.answer);
    await until("all of it arrives", () => withBatch.messages(domain).length === 53, { within: 20_000 });
    assert.deepEqual(withBatch.messages(domain), expected(word, 53));
  });
}

/** Rows that the data service does not have yet, as /metrics says. */
async function behind(service, key) {
  const { text } = await service.request("GET", "/metrics", { key });
  const samples = [...text.matchAll(/^sapwood_sink_rows_behind\{[^}]*sink="data_service"\} (\d+)/gm)];
  assert.ok(samples.length > 0, `/metrics does not say how far the data service is behind:\n${text}`);
  return samples.reduce((sum, sample) => sum + Number(sample[1]), 0);
}

test("a key that is refused stops the sending and is said aloud; intake goes on; the right key drains it", async () => {
  const double = await startDataService({ batch: true });
  const wrong = await startWorker({ ...settings(double), secrets: { DATA_SERVICE_API_KEY: "not-the-key-of-the-data-service-1234" } });
  const domain = "refused.example";
  const key = await keyFor(wrong, domain);
  await send(wrong, key, lines("refused", 0, 4));
  await until("it was refused", () => double.calls.length > 0);
  await until("the operator is told in /metrics", async () => {
    const metrics = await wrong.request("GET", "/metrics", { key });
    return /sapwood_sink_state\{[^}]*sink="data_service",state="stopped"\} 1/.test(metrics.text);
  });
  const calls = double.calls.length;
  for (let batch = 0; batch < 5; batch += 1) await send(wrong, key, lines("refused", 4 + batch, 5 + batch));
  const found = await wrong.request("GET", "/api/logs/search?q=refused", { key });
  assert.equal(found.json.total, 9);
  assert.equal(double.calls.length, calls, "it does not hammer a door that is shut");
  assert.ok(!wrong.logs.join("\n").includes("not-the-key"), "our own log does not hold the key");
  await wrong.restart({ secrets: { DATA_SERVICE_API_KEY: SERVICE_KEY } });
  await send(wrong, key, lines("refused", 9, 10));
  await until("all of it arrives", () => double.messages(domain).length === 10, { within: 20_000 });
  assert.deepEqual(double.messages(domain), expected("refused", 10));
});

test("a base URL that ends in /api is not doubled", async () => {
  const double = await startDataService({ batch: true });
  const options = settings(double);
  options.vars.DATA_SERVICE_URL = `${double.receiver.url}/api/`;
  const based = await startWorker(options);
  const domain = "based.example";
  const key = await keyFor(based, domain);
  await send(based, key, lines("based", 0, 3));
  await until("they arrive", () => double.messages(domain).length === 3);
  assert.deepEqual([...double.paths()], ["/api/logs/batch"]);
});

test("kill -9 in the middle of a drain loses nothing and doubles nothing", async () => {
  const domain = "killed.example";
  const key = await keyFor(modern, domain);
  await withBatch.receiver.behave("absent");
  for (let batch = 0; batch < 6; batch += 1) await send(modern, key, lines("killed", batch * 25, batch * 25 + 25));
  let seen = 0;
  withBatch.trouble = () => new Promise((resolve) => setTimeout(resolve, 60, undefined));
  await withBatch.receiver.behave(withBatch.answer);
  await until("the drain is under way", () => (seen = withBatch.messages(domain).length) > 0, { within: 20_000, every: 5 });
  await modern.kill9();
  await modern.restart();
  await send(modern, key, lines("killed", 150, 151));
  await until("all of it arrives", () => withBatch.messages(domain).length === 151, { within: 20_000 });
  withBatch.trouble = undefined;
  assert.ok(seen < 151);
  assert.deepEqual(withBatch.messages(domain), expected("killed", 151));
});
