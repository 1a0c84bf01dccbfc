// DELETE /api/logs/cleanup, which removes what retention would: from the object and from D1, and nothing too young.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { findAll } from "./account.mjs";
import { startWorker, until } from "./harness.mjs";

const domain = "aging.example";
let service;
let key;

before(async () => {
  service = await startWorker({ vars: { STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "100ms", IDEMPOTENCY_WINDOW: "1s" } });
  key = await service.key(["ingest", "read", "admin"], { domain });
});

const post = (json) => service.request("POST", "/api/logs", { key, json });
const cleanup = (query, as = key) => service.request("DELETE", `/api/logs/cleanup?${new URLSearchParams(query)}`, { key: as });
const count = async (table, component) =>
  (await service.d1()).prepare(`SELECT count(*) AS n FROM ${table} WHERE domain = ? AND component = ?`).bind(domain, component).first("n");

test("what is old leaves the object and D1 alike, what is young and what is the neighbour component's stays", async () => {
  const old = Date.now() - 3 * 24 * 3600_000;
  for (const component of ["a", "b"]) {
    const reply = await post(Array.from({ length: 3 }, (_, n) => ({ level: "error", component, message: `old ${n}`, timestamp: old + n })));
    assert.equal(reply.json?.accepted, 3, reply.text);
  }
  for (const component of ["a", "b"]) {
    await until(`D1 has all of ${component}`, async () => (await count("record", component)) === 3 && (await count("rollup", component)) > 0);
  }
  const wanted = { older_than_days: "1", component: "a" };
  // Not before the window in which a retry must find what it stored has passed.
  const dry = await until("the old records may go", async () => {
    const reply = await cleanup({ ...wanted, dry_run: "true" });
    return reply.json.records === 3 && reply.json;
  });
  assert.deepEqual([dry.dry_run, dry.complete, dry.components], [true, true, [{ component: "a", records: 3, rows: 1, copies: 3 }]]);
  assert.equal((await findAll(service, key, { component: "a" })).length, 3, "a dry run removes nothing");
  assert.equal((await post({ level: "error", component: "a", message: "young" })).json?.accepted, 1);
  const done = await cleanup(wanted);
  assert.deepEqual([done.status, done.json.records, done.json.copies, done.json.complete], [200, 3, 3, true], done.text);
  assert.deepEqual((await findAll(service, key, { component: "a" })).map((one) => one.message), ["young"]);
  await until("D1 holds only the young one", async () => (await count("record", "a")) === 1);
  assert.deepEqual([await count("record", "b"), (await findAll(service, key, { component: "b" })).length], [3, 3]);
  assert.equal((await cleanup(wanted)).json.records, 0, "again is harmless");
  const audit = (await service.request("GET", "/api/audit", { key })).json.entries;
  assert.equal(audit.filter((entry) => entry.action === "logs.cleanup").length, 2, "booked each time it was done, and not when it was only asked");
  await service.kill9();
  await service.restart();
  assert.deepEqual((await findAll(service, key, { component: "a" })).map((one) => one.message), ["young"]);
});

test("it must be told what, by somebody who may", async () => {
  assert.equal((await cleanup({})).status, 400);
  assert.equal((await cleanup({ before: "2099-01-01T00:00:00Z" })).status, 400);
  const nowhere = await cleanup({ older_than_days: "1", component: "unknown" });
  assert.deepEqual([nowhere.status, nowhere.json.components], [200, []], "nothing is there, and it says so");
  const reader = await service.key(["ingest", "read"], { domain });
  assert.equal((await cleanup({ older_than_days: "1" }, reader)).status, 403);
});

test("a dry run counts the copies of a split component once", async () => {
  const component = "wide";
  const old = Date.now() - 3 * 24 * 3600_000;
  const send = (from) =>
    post(Array.from({ length: 8 }, (_, n) => ({ level: "error", component, message: `old ${from + n}`, id: `${from + n}`, timestamp: old + n })));
  assert.equal((await send(0)).json?.accepted, 8);
  assert.equal((await service.request("PUT", `/api/components/${component}/shards`, { key, json: { shards: 3 } })).status, 200);
  assert.equal((await send(100)).json?.accepted, 8);
  await until("D1 has all of it", async () => (await count("record", component)) === 16);
  const wanted = { older_than_days: "1", component };
  const dry = await until("the old records may go", async () => {
    const reply = await cleanup({ ...wanted, dry_run: "true" });
    return reply.json.records === 16 && reply.json;
  });
  assert.deepEqual(dry.components.map((one) => [one.component, one.records, one.copies]), [[component, 16, 16]]);
  const done = await cleanup(wanted);
  assert.deepEqual([done.json.records, done.json.copies, done.json.complete], [16, 16, true], done.text);
});
