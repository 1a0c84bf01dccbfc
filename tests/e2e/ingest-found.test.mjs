// Accepted means found: by every filter of a search, in both orders, page by page, and by id.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { findAll, search } from "./account.mjs";
import { startWorker } from "./harness.mjs";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];
const ENVIRONMENTS = ["development", "staging", "production"];
const COMPONENTS = ["cart", "checkout", "search"];
const COUNT = 360;
// Whole minutes, four records each, in three components: many share an instant.
const start = Math.floor((Date.now() - 3 * 3_600_000) / 60_000) * 60_000;

let service;
let key;
let ids;
const sent = Array.from({ length: COUNT }, (_, number) => ({
  message: number % 2 ? `Order ${number} was paid by customer ${number * 7}` : `Stock of item ${number} is low in Zürich`,
  level: LEVELS[number % 6],
  component: COMPONENTS[number % 3],
  environment: ENVIRONMENTS[Math.floor(number / 3) % 3],
  timestamp: start + Math.floor(number / 4) * 60_000,
  userId: `user-${number % 10}`,
  ...(number % 5 === 0 && { id: `own-${number}` }),
}));
const numbers = (records) => records.map((record) => Number(/\d+/.exec(record.message)[0])).sort((a, b) => a - b);
const expected = (wanted) => sent.map((record, number) => ({ ...record, number })).filter(wanted).map(({ number }) => number);

before(async () => {
  service = await startWorker();
  key = await service.key(["ingest", "read"]);
  ids = [];
  // Several requests, so that what is found lies in several rows of each component.
  for (let at = 0; at < COUNT; at += 60) {
    const reply = await service.request("POST", "/api/logs", {
      key,
      json: sent.slice(at, at + 60),
      headers: { Prefer: "return=representation" },
    });
    assert.equal(reply.json?.accepted, 60, reply.text);
    ids.push(...reply.json.ids);
  }
});

describe("a search finds exactly what matches", () => {
  const hour = start + 3_600_000;
  const cases = [
    ["everything", {}, () => true],
    ["a level", { level: "error" }, ({ level }) => level === "error"],
    ["two levels", { level: "debug,fatal" }, ({ level }) => ["debug", "fatal"].includes(level)],
    ["a level and above", { min_level: "warn" }, ({ level }) => LEVELS.indexOf(level) >= 3],
    ["a component", { component: "cart" }, ({ component }) => component === "cart"],
    ["two components", { component: ["cart", "search"] }, ({ component }) => component !== "checkout"],
    ["an environment", { environment: "staging" }, ({ environment }) => environment === "staging"],
    ["a span of time", { from: start + 600_000, to: hour }, ({ timestamp }) => timestamp >= start + 600_000 && timestamp < hour],
    ["a word in another case", { q: "ORDER" }, ({ message }) => message.startsWith("Order")],
    ["a word beyond ASCII", { q: "zÜRICH" }, ({ message }) => message.includes("Zürich")],
    ["a phrase", { q: '"was paid"' }, ({ message }) => message.includes("was paid")],
    ["a number", { q: '"order 17 "' }, ({ message }) => message.startsWith("Order 17 ")],
    ["a user", { user_id: "user-3" }, ({ userId }) => userId === "user-3"],
    ["all of it at once", { level: "info", component: "search", q: "stock", to: hour }, ({ level, component, message, timestamp }) => level === "info" && component === "search" && message.startsWith("Stock") && timestamp < hour],
    ["nothing", { q: "nowhere to be found" }, () => false],
  ];
  for (const [what, filter, wanted] of cases) {
    test(what, async () => {
      assert.deepEqual(numbers(await findAll(service, key, filter)), expected(wanted));
    });
  }

  test("a pattern", async () => {
    const [record] = (await search(service, key, { component: "cart", q: "order", limit: 1 })).records;
    assert.ok(record.pattern_id, "a record names its pattern");
    const found = await findAll(service, key, { pattern: record.pattern_id });
    assert.deepEqual([...new Set(found.map((one) => one.pattern_id))], [record.pattern_id]);
    assert.ok(found.some((one) => one.id === record.id));
    const all = await findAll(service, key, { component: "cart" });
    assert.equal(found.filter((one) => one.component === "cart").length, all.filter((one) => one.pattern_id === record.pattern_id).length);
    assert.ok(all.filter((one) => one.pattern_id === record.pattern_id).every((one) => one.message.startsWith("Order")), "a pattern is one kind of line");
  });
});

describe("pages", () => {
  for (const order of ["asc", "desc"]) {
    for (const limit of [1000, 50, 7]) {
      test(`${order} by ${limit}: each record once, in order of time, with the whole total on every page`, async () => {
        const found = await findAll(service, key, {}, { order, limit });
        assert.deepEqual(numbers(found), expected(() => true));
        const stamps = found.map((record) => record.timestamp);
        assert.deepEqual(stamps, stamps.toSorted((a, b) => (order === "asc" ? a - b : b - a)));
      });
    }
  }

  test("both orders are each other's mirror, also among records of one instant", async () => {
    const up = await findAll(service, key, {}, { order: "asc", limit: 11 });
    const down = await findAll(service, key, {}, { order: "desc", limit: 13 });
    assert.deepEqual(up.map((record) => record.id), down.map((record) => record.id).reverse());
  });

  test("records that come while somebody pages disturb nothing that was there", async () => {
    const first = await search(service, key, { order: "asc", limit: 100 });
    const late = { message: "Stock of item 9999 is low", level: "info", component: "late", timestamp: start };
    assert.equal((await service.request("POST", "/api/logs", { key: await service.key(["ingest"]), json: late })).status, 202);
    const seen = [...first.records];
    for (let cursor = first.next_cursor; cursor; ) {
      const page = await search(service, key, { order: "asc", limit: 100, cursor });
      seen.push(...page.records);
      cursor = page.next_cursor;
    }
    const old = seen.filter((record) => record.component !== "late");
    assert.equal(new Set(old.map((record) => record.id)).size, COUNT);
    assert.equal(old.length, COUNT);
  });
});

describe("by id", () => {
  test("every id of the representation leads to its record", async () => {
    assert.equal(new Set(ids).size, COUNT);
    for (const number of [0, 1, 5, 59, 60, 121, 240, COUNT - 1]) {
      const reply = await service.request("GET", `/api/logs/${encodeURIComponent(ids[number])}`, { key });
      assert.equal(reply.status, 200, reply.text);
      const { message, level, component, environment, timestamp, user_id, id } = reply.json;
      const { userId, id: own, ...rest } = sent[number];
      assert.deepEqual({ message, level, component, environment, timestamp, user_id }, { ...rest, user_id: userId });
      assert.equal(id, ids[number]);
      assert.equal(id, own ?? id, "the caller's own id is kept");
    }
  });

  test("an id that a search showed is the same id", async () => {
    const found = await findAll(service, key, { component: COMPONENTS }, { limit: 100 });
    assert.deepEqual(new Set(found.map((record) => record.id)), new Set(ids));
  });

  test("an id of nobody is 404, ours or foreign; so is the neighbour's", async () => {
    const neighbour = await service.key(["read"], { domain: "neighbour.example" });
    // Another time of receipt: the row exists, and is not the one that is meant.
    const altered = ids[1].replace(/^(.{7})(.)/, (_, head, digit) => head + (digit === "0" ? "1" : "0"));
    for (const [id, asKey] of [["own-9999", key], [altered, key], ["00000000-0000-7000-8000-000000000000", key], [ids[1], neighbour], [ids[0], neighbour]]) {
      const reply = await service.request("GET", `/api/logs/${encodeURIComponent(id)}`, { key: asKey });
      assert.equal(reply.status, 404, `${id}: ${reply.text}`);
      assert.equal(reply.json.code, "not_found");
    }
  });

  test("ids that need escaping in a path are found", async () => {
    const odd = ["a/b?c#d", "mit Leerzeichen", "日本-7", "100%"];
    const json = odd.map((id) => ({ id, message: `odd ${id}`, level: "info", component: "odd-ids" }));
    assert.equal((await service.request("POST", "/api/logs", { key, json })).json?.accepted, odd.length);
    for (const id of odd) {
      const reply = await service.request("GET", `/api/logs/${encodeURIComponent(id)}`, { key });
      assert.deepEqual([reply.status, reply.json?.id], [200, id], reply.text);
    }
  });
});

test("patterns that say nearly the same are found in every component, most similar first", async () => {
  const own = await service.key(["ingest", "read"], { domain: "similar.example" });
  const lines = [
    ["shop", "connection to database orders timed out"],
    ["mail", "connection to relay alpha timed out"],
    ["mail", "message queued for delivery"],
    ["shop", "cart emptied by visitor"],
  ];
  const reply = await service.request("POST", "/api/logs", { key: own, json: lines.map(([component, message]) => ({ component, message, level: "info" })) });
  assert.equal(reply.json?.accepted, 4, reply.text);
  const ask = (query) => service.request("GET", `/api/logs/patterns/similar?${new URLSearchParams(query)}`, { key: own });
  const [{ pattern_id: id }] = (await search(service, own, { q: "orders" })).records;
  const found = (await ask({ pattern: id, min: "0" })).json;
  assert.match(found.template, /connection to database orders timed out/);
  assert.match(found.similar[0].template, /relay alpha timed out/);
  assert.deepEqual(found.similar[0].components, [{ component: "mail", count: 1 }]);
  assert.ok(found.similar.every((one) => one.id !== id && one.similarity > 0 && one.similarity < 1));
  assert.match((await ask({ text: "a cart was emptied" })).json.similar[0].template, /cart emptied/);
  assert.deepEqual([(await ask({})).status, (await ask({ pattern: "x" })).status, (await ask({ pattern: "00000000000000cc" })).status], [400, 400, 404]);
});

test("an analysis counts the shapes of a span and of the one before it", async () => {
  const own = await service.key(["ingest", "read"], { domain: "analysis.example" });
  const minute = 60_000;
  const start = Math.floor(Date.now() / minute) * minute - 120 * minute;
  const at = (component, message, minutes) => ({ component, message, level: "info", timestamp: start + minutes * minute });
  const json = [
    ...[10, 20, 30].map((minutes) => at("shop", `order ${minutes} placed`, minutes)),
    ...[70, 80].map((minutes) => at("shop", `order ${minutes} placed`, minutes)),
    at("mail", "queue drained", 75),
    at("mail", "queue drained", 78),
    at("mail", "once only", 79),
  ];
  const reply = await service.request("POST", "/api/logs", { key: own, json });
  assert.equal(reply.json?.accepted, json.length, reply.text);
  const ask = (body) => service.request("POST", "/api/logs/analyze/patterns", { key: own, json: body });
  const time_range = { from: start + 60 * minute, to: start + 120 * minute };
  const found = (await ask({ time_range, min_frequency: 2 })).json;
  const rows = found.patterns.map((one) => [one.template, one.frequency, one.frequency_before, one.is_new]).sort();
  assert.deepEqual(rows, [["order <*> placed", 2, 3, false], ["queue drained", 2, 0, true]]);
  assert.deepEqual([found.total, found.records, found.partial], [2, 5, false]);
  assert.equal((await ask({ time_range, services: ["mail"] })).json.total, 2);
  assert.equal((await ask({ time_range: { start: new Date(start).toISOString(), end: new Date(start + 60 * minute).toISOString() } })).json.patterns[0].frequency, 3);
  const wrong = await ask({ time_range: "soon", services: 5, foo: 1 });
  assert.equal(wrong.status, 400);
  assert.deepEqual(wrong.json.errors.map((one) => one.pointer).sort(), ["/foo", "/services", "/time_range"]);
});
