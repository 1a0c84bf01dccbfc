// Stack traces: the same fault of two releases is one pattern and one message to people, another one is another.
import assert from "node:assert/strict";
import { test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";

/** A trace as one release prints it: other lines, another folder, another build of the bundle. */
const trace = (type, said, { folder, hash, line }) =>
  [
    `${type}: ${said}`,
    `    at Cart.add (${folder}/dist/cart.${hash}.js:${line}:17)`,
    `    at async checkout (${folder}/dist/checkout.js:${line + 30}:5)`,
    `    at async handle (${folder}/node_modules/framework/lib/router.js:${line}:9)`,
  ].join("\n");

const first = { release: "1.0.0", folder: "/srv/releases/20240101", hash: "8f3a1c2d", line: 12 };
const second = { release: "1.1.0", folder: "/srv/releases/20240215", hash: "0b77e9a1", line: 44 };

test("one fault of two releases is one pattern and one alert, another exception in its function is a second", async () => {
  const webhook = await startReceiver();
  const service = await startWorker({ vars: { WEBHOOK_URL: `${webhook.url}/hook`, ALERT_GROUP_WINDOW: "0ms", ALERT_COOLDOWN: "10m", CRITICAL_THRESHOLD: "100" } });
  const key = await service.key(["ingest", "read"], { domain: "faults.example" });
  const send = async (type, said, build) => {
    const json = [{ level: "error", component: "shop", release: build.release, message: "Request failed", stack_trace: trace(type, said, build) }];
    const reply = await service.request("POST", "/api/logs", { key, json });
    assert.equal(reply.status, 202, reply.text);
  };
  const patterns = async () => {
    const reply = await service.request("GET", "/api/logs/analytics/patterns?sort=first_seen", { key });
    assert.equal(reply.status, 200, reply.text);
    return reply.json.patterns;
  };

  await send("TypeError", "sku 17 is gone", first);
  await until("the first alert", () => webhook.requests.length === 1);
  await send("TypeError", "sku 99 is gone", second);
  const [one, ...others] = await patterns();
  assert.deepEqual(others, []);
  assert.equal(one.count, 2);
  assert.deepEqual(one.releases, ["1.0.0", "1.1.0"]);
  assert.equal(one.template, "Request failed: TypeError: sku <*> is gone");
  assert.equal(one.fault.exception_type, "TypeError");
  assert.equal(one.fault.function, "Cart.add");
  assert.equal(one.fault.language, "javascript");
  assert.match(one.fault.fingerprint, /^[0-9a-f]{16}$/);

  await send("RangeError", "sku 17 is gone", second);
  await until("the second alert", () => webhook.requests.length === 2);
  const told = webhook.requests.map((request) => request.json.data.pattern);
  assert.deepEqual(told, ["Request failed: TypeError: sku <*> is gone", "Request failed: RangeError: sku <*> is gone"]);

  // What is replayed from the journal finds the same patterns.
  const before = (await patterns()).map(({ id, fault }) => ({ id, fault })).sort((a, b) => a.id.localeCompare(b.id));
  await service.kill9();
  await service.restart();
  await send("TypeError", "sku 5 is gone", first);
  const after = await patterns();
  assert.deepEqual(after.map(({ id, fault }) => ({ id, fault })).sort((a, b) => a.id.localeCompare(b.id)), before);
  assert.equal(after.find((pattern) => pattern.id === one.id).count, 3);
});
