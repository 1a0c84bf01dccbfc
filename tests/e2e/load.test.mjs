// Load from another process. Nothing may be refused or lost; how fast it was is printed, and judged in tests/soak,
// where a machine has nothing else to do.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { findAll, search } from "./account.mjs";
import { startWorker } from "./harness.mjs";
import { load, warmUp } from "./load-run.mjs";

let service;
let key;

before(async () => {
  service = await startWorker();
  key = await service.key(["ingest", "read"]);
});

test("1,000 single-record requests a second for 10 s: no error, nothing lost, nothing doubled", async (t) => {
  await warmUp(service, key);
  const seen = await load(service, { key, mode: "open", rate: 1000, seconds: 10, component: "single" });
  t.diagnostic(`p50 ${seen.latency.p50} ms, p99 ${seen.latency.p99} ms, max ${seen.latency.max} ms, ${seen.cpuUsPerRecord} CPU us/log, ${seen.retries} retries, ${seen.seconds} s`);
  assert.deepEqual([seen.requests, seen.errors, seen.accepted], [10_000, 0, 10_000], seen.firstErrors.join("; "));
  const found = await findAll(service, key, { component: "single" });
  assert.equal(found.length, 10_000);
  assert.equal(new Set(found.map((record) => record.message)).size, 10_000, "each once");
});

test("100-record batches as fast as they go for 5 s: no error, nothing lost", async (t) => {
  const seen = await load(service, { key, mode: "closed", seconds: 5, connections: 8, records: 100, component: "batches" });
  t.diagnostic(`${seen.recordsPerSecond} logs/s, ${seen.cpuUsPerRecord} CPU us/log, p99 ${seen.latency.p99} ms a batch`);
  assert.equal(seen.errors, 0, seen.firstErrors.join("; "));
  assert.equal(seen.accepted, seen.requests * 100);
  assert.equal((await search(service, key, { component: "batches", limit: 1 })).total, seen.accepted);
});
