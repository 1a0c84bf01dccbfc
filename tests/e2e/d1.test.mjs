// D1, the copy for questions across components: it gets what it should, survives every failure, and can be lost whole.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startWorker, until } from "./harness.mjs";

const TABLES = { record: "domain, id", pattern: "domain, component, shard, id", rollup: "domain, component, shard, hour, kind, key", incident: "domain, id" };
let service;

before(async () => {
  service = await startWorker({
    vars: { STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "200ms", BREAKER_FAILURES: "100", ALERT_GROUP_WINDOW: "0ms" },
  });
});

const keyFor = (domain) => service.key(["ingest", "read", "admin"], { domain });

async function send(key, records, headers = {}) {
  const reply = await service.request("POST", "/api/logs", { key, json: records, headers });
  assert.equal(reply.status, 202, reply.text);
  return { ...reply.json, isReplay: reply.headers.get("idempotency-replayed") === "true" };
}

/** Every row of a domain, ordered, without the columns that say when a copy was made. */
async function dump(domain) {
  const database = await service.d1();
  const whole = {};
  for (const [table, order] of Object.entries(TABLES)) {
    const { results } = await database.prepare(`SELECT * FROM ${table} WHERE domain = ? ORDER BY ${order}`).bind(domain).all();
    whole[table] = results.map(({ seq, ...row }) => row);
  }
  return whole;
}

/** Waits until D1 counts `count` records of the domain in patterns and rollups, and holds those with these messages. */
async function settled(domain, count, messages) {
  const database = await service.d1();
  const total = (table, where) => database.prepare(`SELECT sum(count) AS n FROM ${table} WHERE domain = ?${where}`).bind(domain).first("n");
  await until(`D1 has ${count} records of ${domain}`, async () => {
    const { results } = await database.prepare("SELECT message FROM record WHERE domain = ?").bind(domain).all();
    const known = new Set(results.map((row) => row.message));
    const missing = messages.filter((message) => !known.has(message));
    const counted = [await total("pattern", ""), await total("rollup", " AND kind = 'level'")];
    if (missing.length > 0 || counted.some((sum) => sum !== count)) throw new Error(`counted ${counted}, missing ${missing}`);
    return true;
  }, { within: 20_000, every: 50 });
}

async function rowsBehind(key) {
  const { status, text } = await service.request("GET", "/metrics", { key });
  assert.equal(status, 200, text);
  const samples = [...text.matchAll(/^sapwood_sink_rows_behind\{[^}]*sink="d1"\} (\d+)/gm)];
  assert.ok(samples.length > 0, `/metrics does not say how far D1 is behind:\n${text}`);
  return samples.reduce((sum, sample) => sum + Number(sample[1]), 0);
}

const somethingOfEverything = () => [
  ...Array.from({ length: 20 }, (_, index) => ({ level: "info", component: "web", message: `request ${index} served in ${index * 3} ms`, endpoint: "/api/orders/7" })),
  ...Array.from({ length: 5 }, (_, index) => ({ level: "warn", component: "web", message: `cache miss for key ${index}` })),
  ...Array.from({ length: 5 }, (_, index) => ({ level: "error", component: "db", message: `deadlock on page ${index}`, environment: "production" })),
  { level: "fatal", component: "db", message: "out of disk" },
  { level: "debug", component: "db", message: "vacuum finished" },
];
const important = (records) => records.filter((record) => ["warn", "error", "fatal"].includes(record.level)).map((record) => record.message);

test("records from warnings up, exemplars, patterns, rollups and incidents arrive, and agree with what was sent", async () => {
  const domain = "arrives.example";
  const key = await keyFor(domain);
  const sent = somethingOfEverything();
  assert.equal((await send(key, sent)).accepted, sent.length);
  await settled(domain, sent.length, important(sent));
  const { record, pattern, rollup, incident } = await dump(domain);

  assert.deepEqual(record.filter((row) => row.level >= 13).map((row) => row.message).sort(), important(sent).sort());
  const exemplars = record.filter((row) => row.level < 13);
  assert.ok(exemplars.length > 0 && exemplars.length < 20, `${exemplars.length} exemplars of quiet patterns`);
  for (const row of record) {
    const body = JSON.parse(row.body);
    assert.deepEqual([body.id, body.message, body.timestamp, body.component], [row.id, row.message, row.timestamp, row.component]);
    const found = await service.request("GET", `/api/logs/${encodeURIComponent(row.id)}`, { key });
    assert.equal(found.status, 200, "the id in D1 opens the record");
  }

  assert.equal(pattern.reduce((sum, row) => sum + row.count, 0), sent.length, "patterns count every record");
  const served = pattern.find((row) => row.template.startsWith("request "));
  assert.equal(served.count, 20);
  assert.ok(pattern.every((row) => record.some((known) => known.pattern_id === row.id)), "each pattern has an exemplar in D1");

  const levels = rollup.filter((row) => row.kind === "level");
  const totals = {};
  for (const row of levels) {
    totals[row.key] = (totals[row.key] ?? 0) + row.count;
    const minutes = Object.values(JSON.parse(row.minutes)).reduce((sum, count) => sum + count, 0);
    assert.equal(minutes, row.count, "an hour is the sum of its minutes");
  }
  assert.deepEqual(totals, { info: 20, warn: 5, error: 5, fatal: 1, debug: 1 });

  assert.deepEqual(incident.map((row) => row.kind), ["new_pattern", "new_pattern"]);
  const stamped = await (await service.d1()).prepare("SELECT component, seq FROM flush WHERE domain = ? ORDER BY component").bind(domain).all();
  assert.deepEqual(stamped.results.map((row) => row.component), ["db", "web"]);
});

test("the same batch twice changes nothing, and neither does a flush of what was flushed", async () => {
  const domain = "twice.example";
  const key = await keyFor(domain);
  const sent = somethingOfEverything();
  await send(key, sent, { "Idempotency-Key": '"once"' });
  await settled(domain, sent.length, important(sent));
  const once = await dump(domain);
  const again = await send(key, sent, { "Idempotency-Key": '"once"' });
  assert.ok(again.isReplay);
  // Everything is sent again by order, with D1 as full as it was.
  const ordered = await service.request("POST", "/api/admin/rebuild-d1", { key });
  assert.ok(ordered.status >= 200 && ordered.status < 300, ordered.text);
  await send(key, [{ level: "warn", component: "web", message: "a mark" }]);
  await settled(domain, sent.length + 1, ["a mark"]);
  const twice = await dump(domain);
  assert.deepEqual(twice.record.filter((row) => row.message !== "a mark"), once.record);
  assert.deepEqual(twice.pattern.filter((row) => row.template !== "a mark"), once.pattern);
  assert.deepEqual(twice.incident, once.incident);
});

test("D1 fails for a while: intake and reading go on, and it catches up", async () => {
  const domain = "fails.example";
  const key = await keyFor(domain);
  await send(key, [{ level: "warn", component: "web", message: "before" }]);
  await settled(domain, 1, ["before"]);
  const database = await service.d1();
  await database.prepare("ALTER TABLE record RENAME TO record_elsewhere").run();
  const during = Array.from({ length: 30 }, (_, index) => `during ${index}`);
  try {
    for (const message of during) {
      const reply = await send(key, [{ level: "warn", component: "web", message }]);
      assert.equal(reply.accepted, 1);
    }
    const found = await service.request("GET", "/api/logs/search?q=during", { key });
    assert.equal(found.json.total, 30);
    assert.equal(found.json.partial, false, "a search of ours does not need D1");
    await until("the failure can be seen", async () => (await rowsBehind(key)) > 0);
  } finally {
    await database.prepare("ALTER TABLE record_elsewhere RENAME TO record").run();
  }
  await settled(domain, 31, ["before", ...during]);
  const { record } = await dump(domain);
  assert.equal(record.length, 31, "nothing is there twice");
});

async function emptied(database) {
  for (const table of [...Object.keys(TABLES), "flush", "epoch"]) await database.prepare(`DELETE FROM ${table}`).run();
}

test("D1 emptied whole is rebuilt equal on request", async () => {
  const domain = "rebuilt.example";
  const key = await keyFor(domain);
  const sent = somethingOfEverything();
  await send(key, sent);
  await settled(domain, sent.length, important(sent));
  const before = await dump(domain);
  const database = await service.d1();
  // The epoch stays: nothing tells the objects but the request.
  for (const table of [...Object.keys(TABLES), "flush"]) await database.prepare(`DELETE FROM ${table} WHERE domain = ?`).bind(domain).run();
  const ordered = await service.request("POST", "/api/admin/rebuild-d1", { key });
  assert.ok(ordered.status >= 200 && ordered.status < 300, ordered.text);
  await settled(domain, sent.length, important(sent));
  assert.deepEqual(await dump(domain), before);
  const audit = await service.request("GET", "/api/audit", { key });
  assert.match(audit.text, /d1\.rebuild/);
});

test("D1 lost whole and made anew is noticed by its epoch and rebuilt equal by itself", async () => {
  const domain = "epoch.example";
  const key = await keyFor(domain);
  const sent = somethingOfEverything();
  await send(key, sent);
  await settled(domain, sent.length, important(sent));
  const before = await dump(domain);
  const database = await service.d1();
  const epoch = await database.prepare("SELECT value FROM epoch").first("value");
  await emptied(database);
  // The next flush of each object meets a database that it does not know.
  await send(key, [{ level: "warn", component: "web", message: "one more" }, { level: "warn", component: "db", message: "and one here" }]);
  await settled(domain, sent.length + 2, [...important(sent), "one more", "and one here"]);
  assert.notEqual(await database.prepare("SELECT value FROM epoch").first("value"), epoch);
  const after = await dump(domain);
  const isNew = (row) => /one more|and one here/.test(row.message ?? row.template ?? "");
  assert.deepEqual(after.record.filter((row) => !isNew(row)), before.record);
  assert.deepEqual(after.pattern.filter((row) => !isNew(row)), before.pattern);
  assert.deepEqual(after.incident, before.incident);
  const count = (rows, kind) => rows.filter((row) => row.kind === kind).reduce((sum, row) => sum + row.count, 0);
  assert.equal(count(after.rollup, "level"), count(before.rollup, "level") + 2);
});

test("without migrations everything but D1 works, and the operator is told; migrating later fills it", async () => {
  const bare = await startWorker({ migrate: false, vars: { STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "200ms", BREAKER_FAILURES: "100" } });
  const domain = "bare.example";
  const key = await bare.key(["ingest", "read", "admin"], { domain });
  const reply = await bare.request("POST", "/api/logs", { key, json: { level: "warn", component: "web", message: "nobody migrated" } });
  assert.equal(reply.status, 202, reply.text);
  const found = await bare.request("GET", "/api/logs/search?q=migrated", { key });
  assert.equal(found.json.total, 1);
  await until("/health names D1", async () => {
    const health = await bare.request("GET", "/health");
    return health.status === 503 && /d1/i.test(health.text);
  });
  assert.ok((await bare.migrate()).length > 0);
  await until("the record arrives", async () => {
    const { results } = await (await bare.d1()).prepare("SELECT message FROM record").all();
    return results.length === 1;
  }, { within: 20_000 });
  await until("/health is well again", async () => (await bare.request("GET", "/health")).status === 200);
});
