// What a batch costs, in the units of the bill: rows written and requests to objects, from the service's own
// counters. Alarms are kept out by a long flush interval; what they write is counted elsewhere.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";

import { metrics } from "./account.mjs";
import { startWorker, until } from "./harness.mjs";

let service;
let key;

before(async () => {
  service = await startWorker({ vars: { FLUSH_INTERVAL: "1h" } });
  key = await service.key(["ingest", "read"]);
});

const batch = (number, components) =>
  Array.from({ length: 100 }, (_, of) => ({ message: `batch ${number} line ${of}`, level: "info", component: components[of % components.length] }));

async function send(number, components) {
  const reply = await service.request("POST", "/api/logs", { key, json: batch(number, components), headers: { "Idempotency-Key": randomUUID() } });
  assert.equal(reply.json?.accepted, 100, reply.text);
}

/** What some work adds to the counters of the named components. */
async function costOf(components, work) {
  const read = async () => {
    const metric = await metrics(service, key);
    const sum = (name) => components.reduce((total, component) => total + metric(name, { component }), 0);
    return { rows: sum("sapwood_object_rows_written_total"), calls: sum("sapwood_object_append_calls_total"), commits: sum("sapwood_object_commits_total") };
  };
  const before = await read();
  await work();
  const after = await read();
  return Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
}

for (const [what, components] of [["one component", ["alone"]], ["four components", ["north", "east", "south", "west"]]]) {
  test(`100 batches of 100 records for ${what}, with batch keys: one row and one request a component each`, async (t) => {
    // The first batch registers its components and makes their tables.
    await send(0, components);
    const cost = await costOf(components, async () => {
      for (let number = 1; number <= 100; number += 1) await send(number, components);
    });
    t.diagnostic(JSON.stringify(cost));
    const parts = 100 * components.length;
    assert.equal(cost.calls, parts, "requests to objects");
    assert.ok(cost.rows >= parts && cost.rows <= 1.05 * parts, `${cost.rows} rows for ${parts} parts`);
    assert.equal(cost.commits, parts, "one after the other, each is a commit of its own");
  });
}

test("32 callers at once share commits, and rows with them", async (t) => {
  await send(0, ["shared"]);
  const cost = await costOf(["shared"], async () => {
    let next = 0;
    const caller = async () => {
      while (next < 640) await send((next += 1), ["shared"]);
    };
    await Promise.all(Array.from({ length: 32 }, caller));
  });
  t.diagnostic(JSON.stringify(cost));
  assert.ok(cost.calls >= 640);
  assert.ok(cost.commits < 0.8 * cost.calls, `${cost.commits} commits for ${cost.calls} batches`);
  assert.ok(cost.rows <= 1.05 * cost.commits + 1, `${cost.rows} rows for ${cost.commits} commits`);
});

test("a repeated batch costs one row and no record, a refused request nothing", async () => {
  const json = batch(0, ["again"]);
  const headers = { "Idempotency-Key": randomUUID() };
  assert.equal((await service.request("POST", "/api/logs", { key, json, headers })).status, 202);
  const repeated = await costOf(["again"], () => service.request("POST", "/api/logs", { key, json, headers }));
  assert.ok(repeated.rows <= 1 && repeated.calls === 1, JSON.stringify(repeated));
  const refused = await costOf(["again"], async () => {
    for (const body of ["{", "", '{"component":"again"}']) await service.request("POST", "/api/logs", { key, body });
    await service.request("POST", "/api/logs", { json });
  });
  assert.deepEqual(refused, { rows: 0, calls: 0, commits: 0 });
});

test("a component that gets a record now and then wakes for its flushes and for hardly anything else", async (t) => {
  const slow = await startWorker({ vars: { STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "500ms" } });
  const slowKey = await slow.key(["ingest", "read"]);
  const alarms = async () => (await metrics(slow, slowKey))("sapwood_object_alarms_total", { component: "drip" });
  const drip = (number) => slow.request("POST", "/api/logs", { key: slowKey, json: { level: "warn", component: "drip", message: `drop ${number}` } });
  assert.equal((await drip(0)).status, 202);
  const [started, before] = [performance.now(), await alarms()];
  let sent = 0;
  await until("six seconds of a record each tenth of a second", async () => {
    assert.equal((await drip((sent += 1))).status, 202);
    return performance.now() - started > 6000;
  }, { within: 20_000, every: 100 });
  const [seen, flushes] = [(await alarms()) - before, Math.ceil((performance.now() - started) / 500)];
  t.diagnostic(`${sent} records, ${seen} alarms, at most ${flushes} flushes`);
  assert.ok(seen >= 1 && seen <= flushes + 2, `${seen} alarms for ${flushes} flushes`);
});

test("100,000 records in batches of 100: at most 1,100 rows and 1,020 requests to the object, checkpoints, alarms and blocks included", async (t) => {
  const vars = { IDEMPOTENCY_WINDOW: "1h", ALERTS_ENABLED: "false" };
  const packing = await startWorker({ vars });
  const packingKey = await packing.key(["ingest", "read"]);
  const read = async () => {
    const metric = await metrics(packing, packingKey);
    const of = (name) => metric(`sapwood_object_${name}`, { component: "bulk" });
    return {
      blocks: of("blocks"), records: of("block_records"), bytes: of("block_bytes"), database: of("database_bytes"),
      rows: of("rows_written_total"), requests: of("append_calls_total") + of("alarms_total"),
    };
  };
  const post = async (json) => {
    const reply = await packing.request("POST", "/api/logs", { key: packingKey, json, headers: { "Idempotency-Key": randomUUID() } });
    assert.equal(reply.json?.accepted, json.length, reply.text);
  };
  for (let number = 0; number < 1_000; number += 1) await post(batch(number, ["bulk"]));
  await until("a checkpoint holds them", async () => {
    const metric = await metrics(packing, packingKey);
    return metric("sapwood_object_rows_unfolded", { component: "bulk" }) === 0;
  }, { within: 60_000, every: 250 });
  const before = await read();
  // The window is over, for all of them at once; the counters begin anew.
  await packing.restart({ vars: { ...vars, IDEMPOTENCY_WINDOW: "1s" } });
  await post(batch(1_000, ["bulk"]));
  const after = await until("the records are in blocks", async () => {
    const now = await read();
    return now.records >= 98_000 && now;
  }, { within: 60_000, every: 250 });
  const cost = { rows: before.rows + after.rows, requests: before.requests + after.requests };
  t.diagnostic(JSON.stringify({ ...cost, before, after }));
  assert.ok(cost.rows <= 1_100, `${cost.rows} rows`);
  assert.ok(cost.requests <= 1_020, `${cost.requests} requests`);
});
