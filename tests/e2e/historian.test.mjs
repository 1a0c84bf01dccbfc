// STORAGE_MODE=full: what lies past our own retention is read from the data service, and that it does not answer is
// said. The double answers as the real one does: newest first, pages by offset, snake_case columns.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker } from "./harness.mjs";

const SERVICE_KEY = "a-key-of-the-data-service-0f9e8d7c6b5a";
const DOMAIN = "history.example";
const DAY_MS = 24 * 3600_000;

let double;
let service;
let key;

/** A row of the data service, `days` old. */
const row = (id, days, { domain = DOMAIN, ...more } = {}) => ({
  id, timestamp: Date.now() - days * DAY_MS, severity: "error", message: `row ${id}`, component: "press",
  environment: "production", metadata: domain === null ? null : JSON.stringify({ domain }), ...more,
});

async function startHistorian(rows) {
  const receiver = await startReceiver();
  const reply = (status, body) => ({ status, body: JSON.stringify(body) });
  const historian = { receiver, asked: [] };
  historian.answer = (request) => {
    const url = new URL(request.path, "http://x");
    if (url.pathname === "/health") return reply(200, { status: "ok" });
    if (request.method !== "GET") return reply(201, { success: true, data: { stored: true } });
    historian.asked.push(url);
    if (request.headers["x-service-key"] !== SERVICE_KEY) return reply(401, { success: false, error: "Invalid service key" });
    const wanted = (name) => url.searchParams.get(name);
    if (url.pathname === "/api/logs") {
      const [page, limit] = [Number(wanted("page") ?? 1), Number(wanted("limit") ?? 50)];
      const [from, to] = [Number(wanted("startTime") ?? 0), Number(wanted("endTime") ?? Infinity)];
      const found = rows.filter((one) => one.timestamp >= from && one.timestamp <= to && (!wanted("component") || one.component === wanted("component")));
      found.sort((left, right) => right.timestamp - left.timestamp);
      return reply(200, { success: true, data: found.slice((page - 1) * limit, page * limit), pagination: { page, limit, total: found.length } });
    }
    const id = decodeURIComponent(url.pathname.slice("/api/logs/".length));
    const one = rows.find((candidate) => candidate.id === id);
    return one ? reply(200, { success: true, data: one }) : reply(404, { success: false, error: "Log not found" });
  };
  await receiver.behave(historian.answer);
  return historian;
}

before(async () => {
  double = await startHistorian([
    ...Array.from({ length: 120 }, (_, number) => row(`old-${number}`, 10 + number / 100)),
    row("theirs", 11, { domain: "neighbour.example" }),
    row("nobody-s", 11, { domain: null }),
    row("secret", 12, { message: "login with password=hunter2hunter2 failed" }),
    row("elsewhere/1", 13, { component: "mill", severity: "info" }),
    row("too-new", 0.5),
  ]);
  service = await startWorker({
    vars: { STORAGE_MODE: "full", RETENTION_DAYS: "2", DATA_SERVICE_URL: double.receiver.url, DATA_SERVICE_TIMEOUT: "500ms", FLUSH_INTERVAL: "1h" },
    secrets: { DATA_SERVICE_API_KEY: SERVICE_KEY },
  });
  key = await service.key(["ingest", "read"], { domain: DOMAIN });
  const reply = await service.request("POST", "/api/logs", { key, json: [{ level: "error", component: "press", message: "of today" }] });
  assert.equal(reply.json?.accepted, 1, reply.text);
});

async function search(parameters) {
  const reply = await service.request("GET", `/api/logs/search?${new URLSearchParams(parameters)}`, { key });
  assert.equal(reply.status, 200, reply.text);
  return reply.json;
}
const since = (days) => String(Date.now() - days * DAY_MS);

test("a search that reaches past our retention goes on in the data service, each record once, none of others", async () => {
  const seen = [];
  let cursor;
  do {
    const page = await search({ component: "press", from: since(30), limit: "33", ...(cursor ? { cursor } : {}) });
    assert.equal(page.partial, false);
    seen.push(...page.records);
    cursor = page.next_cursor;
  } while (cursor);
  assert.equal(seen.length, 122);
  assert.equal(new Set(seen.map((record) => record.id)).size, 122);
  assert.equal(seen[0].message, "of today");
  assert.ok(seen.every((record, at) => at === 0 || record.timestamp <= seen[at - 1].timestamp), "newest first throughout");
  assert.ok(!seen.some((record) => ["theirs", "nobody-s", "too-new"].includes(record.id)));
});

test("what the data service cannot filter is filtered here, and what it holds is redacted before it is shown", async () => {
  const found = await search({ from: since(30), q: "login", limit: "10" });
  assert.deepEqual(found.records.map((record) => record.id), ["secret"]);
  assert.ok(!JSON.stringify(found).includes("hunter2"), JSON.stringify(found.records));
  assert.equal((await search({ from: since(30), q: "hunter2hunter2" })).records.length, 0, "it is not found by its secret either");
  const mill = await search({ from: since(30), component: "mill" }).catch((error) => error);
  assert.deepEqual((mill.records ?? []).map((record) => record.id), ["elsewhere/1"], String(mill.message ?? ""));
});

test("a search within our retention does not ask it", async () => {
  const before = double.asked.length;
  assert.equal((await search({ from: since(1) })).records.length, 1);
  assert.equal(double.asked.length, before);
});

test("a record is found there by its id; the neighbour's and nobody's is not", async () => {
  const get = (id) => service.request("GET", `/api/logs/${encodeURIComponent(id)}`, { key });
  assert.equal((await get("old-7")).json?.message, "row old-7");
  assert.equal((await get("elsewhere/1")).json?.component, "mill");
  assert.ok(!(await get("secret")).text.includes("hunter2"));
  for (const id of ["theirs", "nobody-s", "no-such"]) assert.equal((await get(id)).status, 404, id);
});

for (const [what, behaviour] of [
  ["answers 500", ["status", 500, "boom"]],
  ["hangs", ["hang"]],
  ["is absent", ["absent"]],
  ["answers what is no JSON", ["status", 200, "<html>"]],
]) {
  test(`a data service that ${what} costs its part of the answer, and that is said`, async () => {
    await double.receiver.behave(...behaviour);
    try {
      const page = await search({ from: since(30), limit: "33" });
      assert.deepEqual(page.records.map((record) => record.message), ["of today"]);
      assert.deepEqual([page.partial, page.total_is_exact, page.failed_components], [true, false, ["data-service"]]);
      if (what.includes("JSON")) return;
      const record = await service.request("GET", "/api/logs/old-7", { key });
      assert.deepEqual([record.status, record.json?.code], [503, "unavailable"], "whether it exists is not known");
    } finally {
      await double.receiver.behave(double.answer);
    }
  });
}
