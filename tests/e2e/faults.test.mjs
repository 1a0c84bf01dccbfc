// What the platform punishes, on the build that can be told to do it (feature `fault-injection`, which no release has):
// panics at the edge and in an object, before and after its rows; a statement that fails while it is stepped over;
// values that the binding bends; and a batch of which one component's part breaks.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";

import { findAll, metrics } from "./account.mjs";
import { startReceiver, startWorker, until } from "./harness.mjs";

/** An answer to a broken call is quick; a hanging one would run into the object timeout of 10 s. */
const QUICK_MS = 5000;

let service;
let key;
let admin;

before(async () => {
  service = await startWorker({ build: `${process.env.SAPWOOD_E2E_BUILD ?? "release"}-fault-injection` });
  key = await service.key(["ingest", "read"]);
  admin = await service.key(["admin"]);
});

const record = (component, message) => ({ component, message, level: "info" });
const send = (json, batchKey) =>
  service.request("POST", "/api/logs", { key, json, headers: batchKey ? { "Idempotency-Key": batchKey } : {} });
const messages = async (component) => (await findAll(service, key, { component })).map((one) => one.message).sort();

/** Tells the component's object where to break; gives the reply and how long it took. */
async function breakAt(component, at) {
  const started = performance.now();
  const reply = await service.request("POST", `/_fault/panic?component=${component}&at=${at}`, { key: admin });
  return { ...reply, status: reply.status, text: reply.text, json: reply.json, took: performance.now() - started };
}

test("a panic at the edge is a quick 500 for its caller and for nobody else", async () => {
  assert.equal((await send(record("edge", "before"))).status, 202);
  const started = performance.now();
  const [broken, ...others] = await Promise.all([
    service.request("POST", "/_fault/edge-panic", { key: admin }),
    ...Array.from({ length: 20 }, (_, number) => send(record("edge", `beside ${number}`))),
  ]);
  assert.equal(broken.status, 500);
  assert.ok(performance.now() - started < QUICK_MS, "nobody hangs");
  assert.deepEqual([...new Set(others.map((reply) => reply.status))], [202]);
  assert.equal((await messages("edge")).length, 21);
});

test("a panic in an object is a quick error, and costs neither its records nor its callers nor its neighbours", async () => {
  assert.equal((await send([record("struck", "before"), record("spared", "before")])).status, 202);
  const [broken, ...others] = await Promise.all([
    breakAt("struck", "now"),
    ...Array.from({ length: 10 }, (_, number) => send(record("struck", `beside ${number}`))),
    ...Array.from({ length: 10 }, (_, number) => send(record("spared", `beside ${number}`))),
  ]);
  assert.ok(broken.status >= 500 && broken.took < QUICK_MS, `${broken.status} after ${broken.took} ms`);
  assert.ok(!/fault injected/.test(broken.text), "what went wrong inside is not told to the outside");
  assert.deepEqual([...new Set(others.map((reply) => reply.status))], [202]);
  assert.equal((await messages("struck")).length, 11);
  assert.equal((await messages("spared")).length, 11);
});

for (const [at, what] of [
  ["handled", "between its decisions and its rows"],
  ["written", "after its rows"],
]) {
  test(`an append that panics ${what} is not acknowledged, and its retry stores it once`, async () => {
    const component = `append-${at}`;
    assert.equal((await send(record(component, "before"))).status, 202);
    assert.equal((await breakAt(component, at)).status, 200);
    const batchKey = randomUUID();
    const batch = [record(component, "one"), record(component, "two")];
    const started = performance.now();
    const broken = await send(batch, batchKey);
    assert.ok(broken.status >= 500, `${broken.status} ${broken.text}`);
    assert.ok(performance.now() - started < QUICK_MS, "nobody hangs");
    const again = await send(batch, batchKey);
    assert.deepEqual([again.status, again.json?.accepted], [202, 2], again.text);
    assert.deepEqual(await messages(component), ["before", "one", "two"]);
    const metric = await metrics(service, key);
    assert.equal(metric("sapwood_records_total", { component, outcome: "accepted" }), 3, "counted once");
    await service.kill9();
    await service.restart();
    assert.deepEqual(await messages(component), ["before", "one", "two"], "the disk agrees with what memory said");
  });
}

test("of a turn that fails half-way nothing stays: the retry stores the line once, and its alert is told once", async () => {
  const receiver = await startReceiver();
  const own = await startWorker({
    build: `${process.env.SAPWOOD_E2E_BUILD ?? "release"}-fault-injection`,
    vars: { WEBHOOK_URL: `${receiver.url}/alerts`, ALERT_GROUP_WINDOW: "0ms" },
  });
  const domain = "half.example";
  const [writer, chief] = [await own.key(["ingest", "read"], { domain }), await own.key(["admin"], { domain })];
  const post = (message, batchKey) =>
    own.request("POST", "/api/logs", {
      key: writer,
      json: { component: "half", level: "error", message },
      headers: { "Idempotency-Key": batchKey },
    });
  assert.equal((await post("first fault", randomUUID())).status, 202);
  await until("the first is told", () => receiver.requests.length === 1);
  // Statement 0 is the row of the journal, statement 1 the alert's in the outbox.
  assert.equal((await own.request("POST", "/_fault/panic?component=half&at=statement-1", { key: chief })).status, 200);
  const batchKey = randomUUID();
  const broken = await post("second kind of fault", batchKey);
  assert.ok(broken.status >= 500, `${broken.status} ${broken.text}`);
  await own.kill9();
  await own.restart();
  const again = await post("second kind of fault", batchKey);
  assert.deepEqual([again.status, again.json?.accepted], [202, 1], again.text);
  await until("the second is told", () => receiver.requests.length >= 2);
  const found = (await findAll(own, writer, { component: "half" })).map((one) => one.message).sort();
  assert.deepEqual(found, ["first fault", "second kind of fault"]);
  assert.ok(receiver.requests[1].body.toString().includes("second kind"), "the alert was not lost with the failed turn");
  assert.equal(receiver.requests.length, 2);
});

test("a batch of which one part breaks says which, and its retry completes it without repeating the rest", async () => {
  const [whole, broken] = ["part-whole", "part-broken"];
  for (const component of [whole, broken]) assert.equal((await send(record(component, "before"))).status, 202);
  assert.equal((await breakAt(broken, "handled")).status, 200);
  const batchKey = randomUUID();
  const batch = [record(whole, "a"), record(broken, "b"), record(whole, "c"), { level: "info" }];
  const partial = await send(batch, batchKey);
  assert.deepEqual([partial.status, partial.json?.code], [503, "partial_failure"], partial.text);
  assert.ok(Number(partial.headers.get("Retry-After")) >= 1);
  assert.deepEqual([partial.json.accepted, partial.json.rejected], [2, 1], partial.text);
  const fates = Object.fromEntries(partial.json.components.map((one) => [one.component, one.status]));
  assert.deepEqual(Object.keys(fates).sort(), [broken, whole].sort());
  assert.notEqual(fates[broken], fates[whole], partial.text);
  assert.deepEqual(await messages(whole), ["a", "before", "c"], "what is acknowledged can be found");
  const again = await send(batch, batchKey);
  assert.deepEqual([again.status, again.json?.accepted, again.json?.rejected], [202, 3, 1], again.text);
  assert.deepEqual([await messages(whole), await messages(broken)], [["a", "before", "c"], ["b", "before"]]);
});

test("a statement that fails while it is stepped over is an error and not a hang", async () => {
  assert.equal((await send(record("stepped", "before"))).status, 202);
  const broken = await breakAt("stepped", "sql");
  assert.ok(broken.status >= 500 && broken.took < QUICK_MS, `${broken.status} after ${broken.took} ms`);
  assert.equal((await send(record("stepped", "after"))).status, 202);
  assert.deepEqual(await messages("stepped"), ["after", "before"]);
});

test("numbers, text with a NUL, and bytes come back from SQLite as they went in", async () => {
  assert.equal((await send(record("bent", "before"))).status, 202);
  const { status, json } = await breakAt("bent", "values");
  assert.equal(status, 200);
  assert.deepEqual(json, [
    ["integer text blob", '5 "a\\0b 😀" [0, 255]'],
    ["integer text blob", '9007199254740991 "5" []'],
    ["integer text blob", '-9007199254740991 "" [0, 0, 0, 0]'],
  ]);
});

test("the routes that break things need an administrator's key", async () => {
  for (const path of ["/_fault/panic", "/_fault/edge-panic"]) {
    assert.equal((await service.request("POST", path, { key })).status, 403, path);
    assert.equal((await service.request("POST", path)).status, 401, path);
  }
});

test("a damaged block costs its own records, is counted and told, and nothing goes in circles", async () => {
  const build = `${process.env.SAPWOOD_E2E_BUILD ?? "release"}-fault-injection`;
  const vars = { FLUSH_INTERVAL: "200ms", ALERTS_ENABLED: "false" };
  const own = await startWorker({ build, vars });
  const all = await own.key(["ingest", "read", "admin"]);
  const post = async (json) => assert.equal((await own.request("POST", "/api/logs", { key: all, json })).status, 202);
  const figure = async (name) => (await metrics(own, all))(`sapwood_object_${name}`, { component: "packed" });
  for (let number = 0; number < 84; number += 1) {
    await post(Array.from({ length: 100 }, (_, of) => ({ ...record("packed", `line ${number} ${of}`), id: `line-${number}-${of}` })));
  }
  // Rows that are still within the window at the first look wait an hour for more.
  const posted = Date.now();
  await until("the window is over", () => Date.now() - posted > 1_500);
  await own.restart({ vars: { ...vars, IDEMPOTENCY_WINDOW: "1s" } });
  await post(record("packed", "wakes"));
  await until("two blocks", async () => (await figure("blocks")) === 2, { within: 30_000 });
  const struck = await own.request("POST", "/_fault/panic?component=packed&at=block", { key: all });
  assert.equal(struck.status, 200, struck.text);

  const search = async () => (await own.request("GET", "/api/logs/search?component=packed&q=line&limit=1", { key: all })).json;
  const found = await search();
  assert.deepEqual([found.total, found.total_is_exact], [8_400 - 4_100, false]);
  assert.ok((await figure("damaged_rows_total")) >= 1);
  const byId = async (id) => (await own.request("GET", `/api/logs/${id}?component=packed`, { key: all })).status;
  assert.deepEqual([await byId("line-0-0"), await byId("line-83-99")], [404, 200]);
  const replayed = await own.request("POST", "/api/detectors/replay", { key: all, json: { component: "packed", settings: { CRITICAL_THRESHOLD: 3 } } });
  assert.deepEqual([replayed.status, replayed.json.unreadable_rows], [200, 1], replayed.text);
  await own.kill9();
  await own.restart();
  assert.deepEqual((await search()).total, found.total, "it starts, and finds the same");
  const cleaned = await own.request("DELETE", "/api/logs/cleanup?before=1970-01-02T00:00:00Z&component=packed", { key: all });
  assert.deepEqual([cleaned.status, cleaned.json.complete], [200, true], cleaned.text);
  await post(record("packed", "line after"));
  assert.equal((await search()).total, found.total + 1, "intake goes on");
  assert.ok((await figure("alarms_total")) <= 10, "it does not wake for it again and again");
});

test("a damaged hour of counts is told, costs the counts before it only, and intake goes on", async () => {
  const own = await startWorker({
    build: `${process.env.SAPWOOD_E2E_BUILD ?? "release"}-fault-injection`,
    vars: { FLUSH_INTERVAL: "200ms", ALERTS_ENABLED: "false" },
  });
  const all = await own.key(["ingest", "read", "admin"]);
  const post = async (message) => {
    const reply = await own.request("POST", "/api/logs", { key: all, json: record("hourly", message) });
    assert.equal(reply.status, 202, reply.text);
  };
  const figure = async (name) => (await metrics(own, all))(`sapwood_object_${name}`, { component: "hourly" });
  const counted = async () => {
    const reply = await own.request("GET", "/api/components/hourly/windows?resolution=1m&series=total", { key: all });
    assert.equal(reply.status, 200, reply.text);
    return [reply.json.series[0].total, reply.json.complete];
  };
  await post("before");
  await until("the hour is stored", async () => (await figure("alarms_total")) >= 1);
  assert.deepEqual([await counted(), await figure("damaged_rows_total")], [[1, true], 0]);
  assert.equal((await own.request("POST", "/_fault/panic?component=hourly&at=hours", { key: all })).status, 200);
  assert.deepEqual(await counted(), [0, false]);
  assert.ok((await figure("damaged_rows_total")) >= 1);
  await own.kill9();
  await own.restart();
  await post("after");
  await until("it counts again, in an hour begun anew", async () => (await counted()).join() === "1,true");
  assert.equal((await findAll(own, all, { component: "hourly" })).length, 2, "no record is lost for it");
});
