// What may leave before its time: records of some levels or patterns when an administrator says so, and what says least when
// a component holds more than it may. Ids, counts and what patterns show stay; D1's copies leave with their records.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, test } from "node:test";

import { findAll, metrics, search } from "./account.mjs";
import { startWorker, until } from "./harness.mjs";

const domain = "keeps.example";
const began = Date.now() - 3600_000;
const vars = { STORAGE_MODE: "hybrid", D1_RECORD_LEVEL: "debug", FLUSH_INTERVAL: "200ms", IDEMPOTENCY_WINDOW: "1s", ALERTS_ENABLED: "false" };
let service;
let key;

before(async () => {
  service = await startWorker({ vars: { ...vars, IDEMPOTENCY_WINDOW: "1h" } });
  key = await service.key(["ingest", "read", "admin"], { domain });
  await fill("named", 45);
  await fill("large", 90);
  // The window is a second from now on, and what is within it at the first look waits an hour for more; somebody has to
  // wake the objects for them to learn of it.
  const filled = Date.now();
  await until("the window is over", () => Date.now() - filled > 1_500);
  await service.kill9();
  await service.restart({ vars });
  for (const [component, blocks] of [["named", 1], ["large", 2]]) {
    await wake(component);
    await until(`blocks of ${component}`, async () => (await figure(component, "blocks")) === blocks, { within: 60_000, every: 200 });
  }
});

const LEVELS = ["debug", "info", "warn", "error"];
const WORDS = { debug: "cache miss", info: "order shipped", warn: "slow bank", error: "bank refused" };
const record = (component, number) => {
  const level = LEVELS[number % 4];
  // Debug lines take most of the room, and nothing shortens them.
  const noise = level === "debug" && component === "large" ? ` ${randomBytes(120).toString("base64")}` : "";
  return { timestamp: began + number, level, component, message: `${WORDS[level]} for order ${number}`, ...(noise && { attributes: { noise } }) };
};
async function send(records) {
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.equal(reply.json?.accepted, records.length, reply.text);
}
async function fill(component, calls) {
  for (let call = 0; call < calls; call += 1) {
    await send(Array.from({ length: 100 }, (_, of) => record(component, call * 100 + of)));
  }
}
const wake = (component) => send([{ component, level: "warn", message: "wakes", timestamp: Date.now() }]);
const all = (component, filter = {}) => findAll(service, key, { component, to: began + 100_000, ...filter });
const figure = async (component, name) => (await metrics(service, key))(`sapwood_object_${name}`, { component });
const cleanup = (query) => service.request("DELETE", `/api/logs/cleanup?${new URLSearchParams(query)}`, { key });
async function byLevel(component) {
  const held = {};
  for (const level of LEVELS) held[level] = (await all(component, { level })).length;
  return held;
}
/** What D1 holds of the records that were sent, by level. */
async function copies(component) {
  const query = "SELECT body->>'$.level' AS level, count(*) AS n FROM record WHERE domain = ? AND component = ? AND timestamp < ? GROUP BY 1";
  const { results } = await (await service.d1()).prepare(query).bind(domain, component, began + 100_000).all();
  return Object.fromEntries(LEVELS.map((level) => [level, results.find((row) => row.level === level)?.n ?? 0]));
}
const total = async (component) => (await service.request("GET", `/api/logs/analytics/summary?component=${component}`, { key })).json.total;

test("levels and patterns are removed by name, from blocks and from rows; neighbours keep their ids", async () => {
  const component = "named";
  const before = await all(component);
  assert.equal(before.length, 4_500);
  const counted = await total(component);
  const wanted = { component, before: new Date(began + 100_000).toISOString(), level: "debug" };
  const old = { ...wanted, before: new Date(began + 2_000).toISOString() };
  const dry = await until("rows may go", async () => {
    const reply = await cleanup({ ...old, dry_run: "true" });
    return reply.json.records === 500 && reply.json;
  });
  assert.deepEqual([dry.complete, dry.copies], [true, 500]);
  assert.equal((await all(component)).length, 4_500, "a dry run removes nothing");
  assert.deepEqual(await copies(component), { debug: 1_125, info: 1_125, warn: 1_125, error: 1_125 }, "nor does it in D1");
  const part = await cleanup(old);
  assert.deepEqual([part.status, part.json.records, part.json.copies, part.json.complete], [200, 500, 500, true], part.text);
  assert.equal((await copies(component)).debug, 625, "their copies have left D1");
  const done = await cleanup({ ...wanted, before: new Date(began + 100_000).toISOString() });
  assert.deepEqual([done.json.records, done.json.copies, done.json.complete], [625, 625, true], done.text);
  assert.deepEqual(await copies(component), { debug: 0, info: 1_125, warn: 1_125, error: 1_125 });
  assert.deepEqual(await all(component), before.filter((one) => one.level !== "debug"));
  const pattern = before.find((one) => one.level === "info").pattern_id;
  const ofPattern = await cleanup({ component, before: new Date(began + 100_000).toISOString(), pattern });
  const kept = before.filter((one) => one.level !== "debug" && one.pattern_id !== pattern);
  assert.equal(ofPattern.json.records, 3_375 - kept.length, ofPattern.text);
  assert.deepEqual(await copies(component), await byLevel(component), "D1 has what the object has");
  assert.deepEqual(await all(component), kept);
  assert.ok((await total(component)) >= counted, "counts never fall");
  for (const one of [kept[0], kept.at(-1)]) assert.equal((await service.request("GET", `/api/logs/${one.id}`, { key })).status, 200);
  for (const query of [{ level: "loud" }, { pattern: "p1" }, { level: "" }]) {
    assert.equal((await cleanup({ older_than_days: "1", ...query })).status, 400, JSON.stringify(query));
  }
  await service.kill9();
  await service.restart();
  assert.deepEqual(await all(component), kept);
  const page = await search(service, key, { component, to: began + 100_000, limit: 3 });
  assert.equal(page.total, kept.length, "the total of a page counts what is there");
});

test("a component that holds too much loses debug lines, then informational ones; warnings and what patterns show stay", async () => {
  const component = "large";
  const [held, counted] = [await byLevel(component), await total(component)];
  assert.deepEqual(held, { debug: 2_250, info: 2_250, warn: 2_250, error: 2_250 });
  const stored = await figure(component, "database_bytes");
  // The blocks' share of it is a third or more, and most of that is debug lines.
  const limit = Math.max(100_000, Math.round(stored - 250_000));
  const configured = await service.request("PUT", "/api/config", { key, json: { RETENTION_BYTES: String(limit) } });
  assert.equal(configured.status, 200, configured.text);
  const later = await until("something left", async () => {
    await wake(component);
    const now = await byLevel(component);
    return now.debug < held.debug && now;
  }, { within: 60_000, every: 500 });
  assert.ok(later.debug >= 1, "what the pattern shows stays");
  assert.deepEqual([later.warn, later.error], [2_250, 2_250], JSON.stringify(later));
  assert.deepEqual(await until("D1 has what the object has", async () => {
    const [there, here] = [await copies(component), await byLevel(component)];
    return JSON.stringify(there) === JSON.stringify(here) && there;
  }), await byLevel(component), "the alarm took the copies with the records");
  assert.ok((await total(component)) >= counted, "counts never fall");
  const first = (await all(component, { level: "debug" }))[0];
  assert.match(first.message, /order 0$/, "the first record of the pattern");
  const other = await all("named");
  assert.ok(other.length > 0, "another component is not asked to pay");
  await service.kill9();
  await service.restart();
  assert.deepEqual(await byLevel(component), later);
});
