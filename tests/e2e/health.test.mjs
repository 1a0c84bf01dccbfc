// What the service says about itself: to load balancers, to Prometheus, and to a person.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";

const domain = "health.example";
let service, key, dataService;

before(async () => {
  dataService = await startReceiver();
  service = await startWorker({
    vars: { STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "200ms", DATA_SERVICE_URL: dataService.url, BREAKER_OPEN: "300ms", SERVICE_NAME: "sapwood-under-test" },
    secrets: { DATA_SERVICE_API_KEY: "the-key-of-the-data-service-123456" },
  });
  key = await service.key(["ingest", "read", "admin"], { domain });
});

const send = async (...records) => {
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.equal(reply.status, 202, reply.text);
  return reply.json;
};

/** Samples of the Prometheus text format, strictly read: every line is a comment of a known kind or a sample. */
function samples(text) {
  assert.ok(text.endsWith("\n"), "the last line ends too");
  const read = [];
  const types = new Map();
  for (const line of text.split("\n").slice(0, -1)) {
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type) {
      assert.ok(!types.has(type[1]), `${type[1]} is announced twice`);
      types.set(type[1], type[2]);
      continue;
    }
    if (/^# (HELP [a-zA-Z_:][\w:]* |EOF)/.test(line)) continue;
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[\d.]+(?:e[+-]?\d+)?|NaN|[+-]Inf)(?: \d+)?$/.exec(line);
    assert.ok(sample, `not a line of the format: ${line}`);
    const labels = Object.fromEntries([...(sample[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]));
    read.push({ name: sample[1], labels, value: Number(sample[3]) });
  }
  for (const { name } of read) assert.ok([...types.keys()].some((known) => name === known || [`${known}_bucket`, `${known}_sum`, `${known}_count`].includes(name)), `${name} has no TYPE`);
  assert.equal(new Set(read.map((sample) => sample.name + JSON.stringify(sample.labels))).size, read.length, "no sample comes twice");
  return read;
}

const metrics = async () => samples((await service.request("GET", "/metrics", { key })).text);
const sum = (read, name, labels = {}) =>
  read.filter((sample) => name.test(sample.name) && Object.entries(labels).every(([label, value]) => Object.values(sample.labels).includes(value) || sample.labels[label] === value)).reduce((total, sample) => total + sample.value, 0);

test("a healthy service says 200, open to anybody, with each dependency by name", async () => {
  const reply = await service.request("GET", "/health");
  assert.equal(reply.status, 200, reply.text);
  assert.equal(reply.headers.get("x-health-status"), "healthy");
  assert.match(reply.headers.get("cache-control"), /no-store/);
  const { json } = reply;
  assert.equal(json.status, "healthy");
  assert.ok(Math.abs(Date.parse(json.timestamp) - Date.now()) < 60_000, json.timestamp);
  assert.deepEqual([json.service.name, json.service.environment], ["sapwood-under-test", "development"]);
  assert.match(json.service.version, /^\d+\.\d+/);
  for (const name of ["kv_storage", "d1_database", "configuration", "dependencies"]) {
    assert.equal(json.checks[name]?.status, "healthy", `${name}: ${reply.text}`);
  }
  const head = await service.request("HEAD", "/health");
  assert.deepEqual([head.status, head.text], [200, ""]);
});

test("it tells strangers nothing: no domain, no address, no secret", async () => {
  await send({ level: "error", component: "private-name", message: "private words" });
  const reply = await service.request("GET", "/health");
  for (const word of [domain, "private-name", "private words", dataService.url, ...Object.values(service.secrets)]) assert.ok(!reply.text.includes(word), `shows ${word.slice(0, 6)}...`);
});

test("D1 away is 503 with its name and a reason, and 200 once it is back", async () => {
  const database = await service.d1();
  await database.prepare("ALTER TABLE epoch RENAME TO epoch_elsewhere").run();
  const reply = await until("it is noticed", async () => {
    const health = await service.request("GET", "/health");
    return health.status === 503 && health;
  });
  assert.ok(["degraded", "unhealthy"].includes(reply.json.status));
  assert.equal(reply.headers.get("x-health-status"), reply.json.status);
  assert.notEqual(reply.json.checks.d1_database.status, "healthy");
  assert.ok(reply.json.checks.d1_database.message.length > 0);
  assert.equal(reply.json.checks.kv_storage.status, "healthy", "the others are not blamed");
  await database.prepare("ALTER TABLE epoch_elsewhere RENAME TO epoch").run();
  await until("it is well again", async () => (await service.request("GET", "/health")).status === 200);
});

test("metrics need a key that reads, are Prometheus text, and count what was sent", async () => {
  assert.equal((await service.request("GET", "/metrics")).status, 401);
  const writer = await service.key(["ingest"], { domain });
  assert.equal((await service.request("GET", "/metrics", { key: writer })).status, 403);
  const before = await metrics();
  await send(...Array.from({ length: 7 }, (_, index) => ({ level: "info", component: "counted", message: `a ${index}` })));
  const batch = Array.from({ length: 3 }, (_, index) => ({ id: `counted-${index}`, level: "warn", component: "counted", message: `b ${index}` }));
  for (let twice = 0; twice < 2; twice += 1) await send(...batch);
  await service.request("POST", "/api/logs", { key, json: [{ level: "nonsense", message: "x" }, { level: "info", component: "counted", message: "c" }] });
  const reply = await service.request("GET", "/metrics", { key });
  assert.match(reply.headers.get("content-type"), /^text\/plain; ?version=0\.0\.4|^application\/openmetrics-text/);
  const after = await metrics();
  const grown = (outcome) => sum(after, /records/, { outcome }) - sum(before, /records/, { outcome });
  assert.deepEqual([grown("accepted"), grown("duplicate"), grown("rejected"), grown("counted_only")], [11, 3, 1, 0]);
});

test("JSON by Accept has the prototype's shape", async () => {
  const reply = await service.request("GET", "/metrics", { key, headers: { Accept: "application/json" } });
  assert.equal(reply.status, 200);
  assert.match(reply.headers.get("content-type"), /^application\/json/);
  for (const name of ["service", "requests", "errors", "logProcessing", "health"]) assert.ok(name in reply.json, `${name}: ${Object.keys(reply.json)}`);
  assert.equal(reply.json.service.name, "sapwood-under-test");
  const preferring = await service.request("GET", "/metrics", { key, headers: { Accept: "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1" } });
  assert.match(preferring.headers.get("content-type"), /^application\/openmetrics-text/, "what Prometheus sends");
  assert.ok(preferring.text.endsWith("\n# EOF\n"));
  for (const [, name] of preferring.text.matchAll(/^# TYPE (\S+) counter$/gm)) assert.doesNotMatch(name, /_total$/, "OpenMetrics names the family of a counter without its suffix");
});

test("a name that would break the format is escaped", async () => {
  const reply = await service.request("POST", "/api/logs", { key, json: { level: "info", component: 'a "quoted" \\ name', message: "x" } });
  assert.equal(reply.status, 202, reply.text);
  await metrics();
});

test("the data service away shows in metrics and in health, and clears when it is back", async () => {
  await dataService.behave("status", 500, '{"success":false,"error":"Failed to store log"}');
  await send({ level: "error", component: "counted", message: "cannot be forwarded" });
  await until("it is behind", async () => sum(await metrics(), /behind/, { sink: "data_service" }) > 0);
  await until("health says so", async () => {
    const health = await service.request("GET", "/health");
    return health.json.checks.dependencies.status !== "healthy" && /data/i.test(JSON.stringify(health.json.checks.dependencies));
  });
  await dataService.behave("ok");
  await until("it caught up", async () => sum(await metrics(), /behind/, { sink: "data_service" }) === 0, { within: 20_000 });
  await until("health is well again", async () => (await service.request("GET", "/health")).status === 200);
});
