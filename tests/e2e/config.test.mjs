// A domain's own configuration: what is refused, what takes effect, and where its limits leave the records.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startWorker, until } from "./harness.mjs";

let service;
before(async () => {
  service = await startWorker();
});

const keyFor = (domain) => service.key(["ingest", "read", "admin"], { domain });
const configure = (key, json) => service.request("PUT", "/api/config", { key, json });
const send = async (key, ...records) => {
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.equal(reply.status, 202, reply.text);
  assert.equal(reply.json.accepted + reply.json.counted_only + reply.json.duplicate + reply.json.rejected, records.length);
  return reply.json;
};
const total = async (key, query) => {
  const reply = await service.request("GET", `/api/logs/search?${query}`, { key });
  assert.equal(reply.status, 200, reply.text);
  return reply.json.total;
};

test("all problems are listed at once, each with its name, and nothing of it takes effect", async () => {
  const key = await keyFor("problems.example");
  const reply = await configure(key, {
    RETENTION_DAYS: "0", LATENESS: "soon", ALERTS_ENABLED: "perhaps", CRITICAL_THRESHOLD: "-1", D1_RECORD_LEVEL: "loud", NO_SUCH_NAME: "1",
    KEY_SIGNING_SECRET: "not-for-a-domain-to-say-0123456789", EMAIL_ALERTS: "true", COMPONENTS_MAX: "5", WEBHOOK_URL: "ftp://a.example/x",
  });
  assert.equal(reply.status, 400, reply.text);
  assert.match(reply.headers.get("content-type"), /^application\/problem\+json/);
  for (const name of ["RETENTION_DAYS", "LATENESS", "ALERTS_ENABLED", "CRITICAL_THRESHOLD", "D1_RECORD_LEVEL", "NO_SUCH_NAME", "KEY_SIGNING_SECRET", "EMAIL_ALERTS", "WEBHOOK_URL"]) {
    assert.ok(reply.json.errors.some((error) => JSON.stringify(error).includes(name) && error.detail.length > 5), `${name}: ${reply.text}`);
  }
  assert.ok(!reply.json.errors.some((error) => JSON.stringify(error).includes("COMPONENTS_MAX")), "what is right is no problem");
  assert.ok(!reply.text.includes("not-for-a-domain"), "a secret is not repeated");
  const shown = await service.request("GET", "/api/config", { key });
  assert.equal(shown.status, 200);
  const setting = shown.json.settings.find((known) => known.key === "COMPONENTS_MAX");
  assert.deepEqual([setting.source, setting.per_domain], ["default", true]);
  for (const json of [[], "text", { RETENTION_DAYS: {} }]) assert.equal((await configure(key, json)).status, 400, JSON.stringify(json));
});

test("what is set is shown with where it comes from, secrets as set and not as text", async () => {
  const key = await keyFor("shown.example");
  const secret = `whsec_${Buffer.alloc(32, 7).toString("base64").replace(/^..../, "a9Zk")}`;
  const reply = await configure(key, { RETENTION_DAYS: "12", WEBHOOK_URL: "http://127.0.0.1:9/secret-path", WEBHOOK_SECRET: secret });
  assert.equal(reply.status, 200, reply.text);
  const shown = await service.request("GET", "/api/config", { key });
  const setting = (name) => shown.json.settings.find((known) => known.key === name);
  assert.match(setting("RETENTION_DAYS").value, /^12\b/);
  assert.deepEqual(["RETENTION_DAYS", "ENVIRONMENT", "MAX_LOG_SIZE"].map((name) => setting(name).source), ["domain override", "var", "default"]);
  assert.ok(!shown.text.includes(secret) && !reply.text.includes(secret));
  assert.ok(!shown.text.includes(service.secrets.KEY_SIGNING_SECRET) && !shown.text.includes(service.secrets.API_KEY));
  const neighbour = await service.request("GET", "/api/config", { key: await keyFor("neighbour.example") });
  assert.ok(!neighbour.text.includes("127.0.0.1:9"), "another domain keeps its own");
});

test("own redaction names hold from the next record on, and stop when they are taken away", async () => {
  const key = await keyFor("redaction.example");
  await send(key, { level: "info", component: "a", message: "first patient_number=1234567" });
  assert.equal((await configure(key, { REDACT_NAMES: "patient_number" })).status, 200);
  await send(key, { level: "info", component: "a", message: "second patient_number=1234567" });
  assert.equal((await configure(key, {})).status, 200);
  await send(key, { level: "info", component: "a", message: "third patient_number=1234567" });
  const found = await service.request("GET", "/api/logs/search?order=asc", { key });
  assert.deepEqual(found.json.records.map((record) => record.message), ["first patient_number=1234567", "second patient_number=[redacted:field]", "third patient_number=1234567"]);
});

test("over its daily quota a domain's records are counted, not kept, and errors keep a reserve", async () => {
  const key = await keyFor("quota.example");
  assert.equal((await configure(key, { RECORDS_PER_DAY: "1000" })).status, 200);
  let sums = { accepted: 0, counted_only: 0 };
  for (let batch = 0; batch < 14; batch += 1) {
    const reply = await send(key, ...Array.from({ length: 100 }, (_, index) => ({ level: "info", component: "busy", message: `quiet line ${batch * 100 + index}` })));
    sums = { accepted: sums.accepted + reply.accepted, counted_only: sums.counted_only + reply.counted_only };
  }
  assert.equal(sums.accepted + sums.counted_only, 1_400);
  assert.ok(sums.accepted >= 850 && sums.accepted <= 900, `nine tenths for everything: ${sums.accepted}`);
  assert.equal(await total(key, "q=quiet"), sums.accepted, "what is counted only is not stored");
  const reserve = await send(key, ...Array.from({ length: 10 }, (_, index) => ({ level: "error", component: "busy", message: `loud line ${index}` })));
  assert.deepEqual([reserve.accepted, reserve.counted_only], [10, 0], "an error is still kept");
  assert.equal(await total(key, "q=loud"), 10);
  let errors = 10;
  for (let batch = 0; batch < 3; batch += 1) errors += (await send(key, ...Array.from({ length: 60 }, (_, index) => ({ level: "error", component: "busy", message: `loud again ${batch * 60 + index}` })))).accepted;
  assert.ok(errors <= 100, `a tenth for errors: ${errors}`);
  const summary = await service.request("GET", "/api/logs/analytics/patterns", { key });
  const quiet = summary.json.patterns.find((pattern) => pattern.template?.startsWith("quiet"));
  assert.equal(quiet.count, 1_400, "counts are of everything, kept or not");

  // A restart forgets neither the quota nor what was used of it.
  await service.kill9();
  await service.restart();
  const after = await send(key, ...Array.from({ length: 20 }, (_, index) => ({ level: "info", component: "busy", message: `after ${index}` })));
  assert.equal(after.counted_only, 20);
  const other = await keyFor("unlimited.example");
  assert.equal((await send(other, { level: "info", component: "busy", message: "x" })).accepted, 1, "the neighbour has a quota of its own");
  assert.equal((await configure(key, { RECORDS_PER_DAY: "100000" })).status, 200);
  await until("a higher quota lets records in again", async () => (await send(key, { level: "info", component: "busy", message: "raised" })).accepted === 1);
});

test("components beyond the limit go to `other`, whole, and their own name stays a field", async () => {
  const key = await keyFor("components.example");
  assert.equal((await configure(key, { COMPONENTS_MAX: "3" })).status, 200);
  for (const component of ["a", "b", "c", "d", "e", "d"]) {
    const reply = await send(key, { level: "info", component, message: `from ${component}` });
    assert.equal(reply.accepted, 1);
  }
  const mixed = await send(key, { level: "info", component: "a", message: "from a" }, { level: "info", component: "f", message: "from f" }, { level: "info", message: "from nobody" });
  assert.equal(mixed.accepted, 3);
  const listed = await service.request("GET", "/api/components", { key });
  assert.deepEqual(listed.json.components.map((entry) => entry.component).sort(), ["a", "b", "c", "default", "other"]);
  const moved = await service.request("GET", "/api/logs/search?component=other", { key });
  assert.deepEqual(moved.json.records.map((record) => record.message).sort(), ["from d", "from d", "from e", "from f"]);
  assert.ok(moved.json.records.every((record) => record.component_derived === record.message.slice(5) || record.component === record.message.slice(5)), JSON.stringify(moved.json.records[0]));
  assert.equal(await total(key, "q=from"), 9);
});
