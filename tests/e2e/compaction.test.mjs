// Old rows of the journal become blocks: every answer stays what it was, ids go on leading to their records, the cost
// is a handful of rows, and a power cut changes nothing.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { findAll, metrics, search } from "./account.mjs";
import { startWorker, until } from "./harness.mjs";

const domain = "packed.example";
const component = "orders";
/** Two blocks of 41 calls, 4,100 records each: a block is made of 4,096 or more. */
const batches = 82;
const began = Date.now() - 3600_000;
let service;
let key;

before(async () => {
  service = await startWorker({ vars: { FLUSH_INTERVAL: "200ms", IDEMPOTENCY_WINDOW: "1h", ALERTS_ENABLED: "false" } });
  key = await service.key(["ingest", "read", "admin"], { domain });
});

const record = (number) => ({
  timestamp: began + number,
  level: ["info", "info", "debug", "warn", "error"][number % 5],
  component,
  message: `order ${number} of customer-${number % 17} ${number % 5 === 4 ? "was refused by the bank" : "took its way"}`,
  user_id: `u${number % 7}`,
  endpoint: `/orders/${number}`,
  attributes: { nested: { list: [1, "two", null], number } },
  ...(number % 3 === 0 && { id: `order-${number}` }),
});

async function send(records) {
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.equal(reply.json?.accepted, records.length, reply.text);
}

const figures = async () => {
  const metric = await metrics(service, key);
  const of = (name) => metric(`sapwood_object_${name}`, { component });
  return {
    blocks: of("blocks"), records: of("block_records"), bytes: of("block_bytes"), stored: of("database_bytes"),
    written: of("rows_written_total"), alarms: of("alarms_total"), damaged: of("damaged_rows_total"),
  };
};

/** What people can ask, and the answers. Only records from before `to`, so that what is sent later is not in them. */
async function answers() {
  const to = began + batches * 100;
  const all = await findAll(service, key, { component, to });
  const ours = [0, 1, 41, 4_099, 4_100, 4_101, 8_198].map((number) => all[number].id);
  const ask = async (route) => (await service.request("GET", route, { key })).json;
  const replay = await service.request("POST", "/api/detectors/replay", { key, json: { component, settings: { CRITICAL_THRESHOLD: 3 }, to: sentBy } });
  const page = await search(service, key, { component, to, limit: 50, order: "desc" });
  return {
    all,
    errors: await findAll(service, key, { component, to, level: "error" }, { order: "desc" }),
    text: await findAll(service, key, { component, to, q: "customer-3 refused" }),
    user: await findAll(service, key, { component, to, user_id: "u3", from: began + 4_000, to: began + 4_300 }),
    nothing: await findAll(service, key, { component, to, q: "never written" }),
    pattern: await findAll(service, key, { component, to, pattern: all[4].pattern_id }),
    second: (await search(service, key, { component, to, limit: 50, order: "desc", cursor: page.next_cursor })).records,
    byId: await Promise.all(ours.map((id) => ask(`/api/logs/${id}`))),
    foreign: await Promise.all([0, 3, 4_098, 8_199].map((number) => ask(`/api/logs/order-${number}?component=${component}`))),
    nobody: (await service.request("GET", `/api/logs/order-1?component=${component}`, { key })).status,
    replay: [replay.status, replay.json.records, replay.json.unreadable_rows, replay.json.asked],
    dry: (await service.request("DELETE", `/api/logs/cleanup?${new URLSearchParams({ before: new Date(began + 4_150).toISOString(), component, dry_run: "true" })}`, { key })).json,
  };
}

function compare(found, expected) {
  for (const name of Object.keys(expected)) assert.deepEqual(found[name], expected[name], name);
}

let expected;
let older;
/** Receive time: everything but what wakes the object later was received before. */
let sentBy;

test("rows that nobody needs any more become blocks, for a handful of rows written, and their room is given back", async (t) => {
  for (let number = 0; number < batches; number += 1) {
    await send(Array.from({ length: 100 }, (_, of) => record(number * 100 + of)));
  }
  sentBy = Date.now() + 1;
  expected = await answers();
  assert.equal(expected.all.length, batches * 100);
  assert.deepEqual(expected.foreign.map((one) => one.id), ["order-0", "order-3", "order-4098", "order-8199"]);
  assert.equal(expected.nobody, 404);
  older = await figures();
  assert.deepEqual([older.blocks, older.records], [0, 0], "not while a retry may still ask for them");

  await service.kill9();
  await service.restart({ vars: { FLUSH_INTERVAL: "200ms", IDEMPOTENCY_WINDOW: "1s", ALERTS_ENABLED: "false" } });
  // Somebody has to wake the object for it to learn of its new window.
  await send([{ ...record(0), id: "wakes", timestamp: Date.now() }]);
  const packed = await until("two blocks", async () => {
    const now = await figures();
    return now.blocks === 2 && now.stored < older.stored && now;
  }, { within: 30_000, every: 100 });
  t.diagnostic(JSON.stringify({ older, packed }));
  assert.equal(packed.records, batches * 100);
  assert.ok(packed.bytes < 60 * batches * 100, `${packed.bytes} bytes for ${packed.records} records`);
  // A checkpoint after the restart is among them.
  assert.ok(packed.written < batches, `${packed.written} rows written for ${batches} rows that left`);
  assert.equal(packed.damaged, 0);
});

test("every answer is what it was, also after a power cut", async () => {
  // What may be cleaned up changes with the window; it has its own test below.
  const { dry: _dry, ...rest } = expected;
  compare(await answers(), rest);
  await service.kill9();
  await service.restart();
  compare(await answers(), rest);
  assert.equal((await figures()).blocks, 2);
});

test("what is compacted is not compacted again, and an object with nothing to do does not wake", async () => {
  const [first, started] = [await figures(), performance.now()];
  await until("some windows and flushes have passed", () => performance.now() - started > 2_500);
  const later = await figures();
  assert.equal(later.blocks, 2);
  assert.ok(later.alarms - first.alarms <= 2, `${later.alarms - first.alarms} alarms`);
});

test("a clean-up takes what it said from the middle of a block, and leaves the rest with their ids", async () => {
  const wanted = { before: new Date(began + 4_150).toISOString(), component };
  const ask = (query) => service.request("DELETE", `/api/logs/cleanup?${new URLSearchParams(query)}`, { key });
  const dry = await ask({ ...wanted, dry_run: "true" });
  // Rows leave whole: of the 42nd call the half that is young keeps the other half.
  assert.deepEqual([dry.json.records, dry.json.complete], [4_100, true], dry.text);
  const earlier = await ask({ before: new Date(began + 4_050).toISOString(), component, dry_run: "true" });
  assert.equal(earlier.json.records, 4_000, "a part of the first block");
  const part = await ask({ before: new Date(began + 4_050).toISOString(), component });
  assert.deepEqual([part.json.records, part.json.complete], [4_000, true], part.text);
  const to = began + batches * 100;
  assert.deepEqual(await findAll(service, key, { component, to }), expected.all.slice(4_000));
  assert.equal((await figures()).records, batches * 100 - 4_000);
  const done = await ask(wanted);
  assert.deepEqual([done.json.records, done.json.complete], [100, true], done.text);
  const gone = await service.request("GET", `/api/logs/${expected.all[41].id}`, { key });
  const kept = await service.request("GET", `/api/logs/${expected.all[4_101].id}`, { key });
  assert.deepEqual([gone.status, kept.status, kept.json], [404, 200, expected.byId[5]]);
  await service.kill9();
  await service.restart();
  assert.deepEqual(await findAll(service, key, { component, to }), expected.all.slice(4_100));
  assert.equal((await figures()).blocks, 1);
});
