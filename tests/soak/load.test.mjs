// The load that scripts/check runs for seconds, for SAPWOOD_SOAK_SECONDS (60), and with a clock: this is where
// latency is judged. On a machine with nothing else to do.

import assert from "node:assert/strict";
import { test } from "node:test";

import { search } from "../e2e/account.mjs";
import { startWorker } from "../e2e/harness.mjs";
import { load, warmUp } from "../e2e/load-run.mjs";

const seconds = Number(process.env.SAPWOOD_SOAK_SECONDS ?? 60);

test(`1,000 single-record requests a second for ${seconds} s: p99 below 100 ms, nothing lost`, async (t) => {
  const service = await startWorker();
  const key = await service.key(["ingest", "read"]);
  await warmUp(service, key);
  const seen = await load(service, { key, mode: "open", rate: 1000, seconds, component: "single" });
  t.diagnostic(JSON.stringify(seen));
  assert.deepEqual([seen.errors, seen.accepted], [0, 1000 * seconds], seen.firstErrors.join("; "));
  assert.equal((await search(service, key, { component: "single", limit: 1 })).total, 1000 * seconds);
  assert.ok(seen.latency.p99 < 100, `p99 ${seen.latency.p99} ms`);
});

test(`100-record batches as fast as they go for ${seconds} s: nothing lost`, async (t) => {
  const service = await startWorker();
  const key = await service.key(["ingest", "read"]);
  const seen = await load(service, { key, mode: "closed", seconds, connections: 8, records: 100, component: "batches" });
  t.diagnostic(JSON.stringify(seen));
  assert.deepEqual([seen.errors, seen.accepted], [0, seen.requests * 100], seen.firstErrors.join("; "));
  const { total, total_is_exact } = await search(service, key, { component: "batches", limit: 1 });
  assert.ok(total_is_exact ? total === seen.accepted : total <= seen.accepted, `${total} found of ${seen.accepted}`);
});
