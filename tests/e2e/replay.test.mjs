// POST /api/detectors/replay: what a component's journal would have raised under other settings, and that asking changes
// nothing.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startWorker } from "./harness.mjs";

const domain = "replay.example";
let service;
let key;

before(async () => {
  service = await startWorker({ vars: { CRITICAL_THRESHOLD: "8", ALERT_GROUP_WINDOW: "0ms" } });
  key = await service.key(["ingest", "read"], { domain });
  const errors = Array.from({ length: 12 }, (_, number) => ({
    component: "till",
    level: "error",
    message: `card reader ${number} does not answer`,
    timestamp: Date.now() - 12_000 + number * 1000,
  }));
  // In several rows, as they come.
  for (const batch of [errors.slice(0, 5), errors.slice(5, 9), errors.slice(9)]) {
    assert.equal((await service.request("POST", "/api/logs", { key, json: batch })).status, 202);
  }
});

const replay = (json) => service.request("POST", "/api/detectors/replay", { key, json });
const incidents = async () => (await service.request("GET", "/api/incidents", { key })).json.incidents;
const kinds = (list) => list.map((incident) => incident.kind).sort();

test("a higher threshold would not have raised the burst, and the answer says which incident that is", async () => {
  const real = await incidents();
  assert.deepEqual(kinds(real), ["burst", "new_pattern"]);
  const { status, json, text } = await replay({ component: "till", settings: { CRITICAL_THRESHOLD: 100 } });
  assert.equal(status, 200, text);
  assert.deepEqual([json.records, json.complete, json.unreadable_rows], [12, true, 0]);
  assert.deepEqual(json.now.incidents.map((it) => it.id).sort(), real.map((it) => it.id).sort(), "the settings in force raise what they raised");
  assert.deepEqual(kinds(json.asked.incidents), ["new_pattern"]);
  assert.deepEqual(json.now.only_here, real.filter((it) => it.kind === "burst").map((it) => it.id));
  assert.deepEqual([json.asked.only_here, json.in_both.length], [[], 1]);
  assert.deepEqual([json.now.told, json.asked.told], [2, 1]);
});

test("a lower one raises it sooner, the same each time, and nothing is changed by asking", async () => {
  const question = { component: "till", settings: { CRITICAL_THRESHOLD: 3 } };
  const [first, second] = [await replay(question), await replay(question)];
  assert.deepEqual(first.json, second.json);
  const burst = (list) => list.find((incident) => incident.kind === "burst");
  assert.ok(burst(first.json.asked.incidents).first_seen_ms < burst(first.json.now.incidents).first_seen_ms);
  assert.deepEqual(kinds(await incidents()), ["burst", "new_pattern"]);
  const empty = await replay({ ...question, to: "-1h" });
  assert.deepEqual([empty.json.records, empty.json.now.incidents], [0, []]);
});

test("what is wrong with a question is said, all at once", async () => {
  for (const [json, pointers] of [
    [{}, ["/component", "/settings"]],
    [{ component: "till", settings: { RETENTION_DAYS: 9, BURST_FACTOR: "many" } }, ["/settings~1RETENTION_DAYS", "/BURST_FACTOR"]],
    [{ component: "till", settings: { BURST_FACTOR: 2 }, extra: 1 }, ["/extra"]],
  ]) {
    const reply = await replay(json);
    assert.equal(reply.status, 400, reply.text);
    const named = reply.json.errors.map((error) => error.pointer ?? error.parameter);
    for (const pointer of pointers.slice(0, json.settings ? undefined : 1)) assert.ok(named.includes(pointer), `${pointer} in ${named}`);
  }
  assert.equal((await replay({ component: "nowhere", settings: { BURST_FACTOR: 2 } })).status, 404);
});
