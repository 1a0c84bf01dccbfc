// The harness itself, on the real service: if these fail, no other end-to-end result means anything.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";

test("a killed service comes back on the same port with the same state", async () => {
  const service = await startWorker();
  const before = { url: service.url, pid: service.workerdPid };
  await (await service.kv()).put("kept", "yes");
  await service.kill9();
  await assert.rejects(service.request("GET", "/health"), "nobody answers while it is down");
  await service.restart();
  assert.equal(service.url, before.url);
  assert.notEqual(service.workerdPid, before.pid);
  assert.equal(await (await service.kv()).get("kept"), "yes");
  const reply = await service.request("GET", "/health");
  assert.ok(reply.status < 600, "the Worker answers over the direct socket");
});

test("a migration is applied once, in order, and not at all when it fails", async () => {
  const service = await startWorker({ migrate: false });
  const folder = mkdtempSync(path.join(service.state, "sql-"));
  const write = (name, sql) => writeFileSync(path.join(folder, name), sql);
  const names = async () => (await (await service.d1()).prepare("SELECT name FROM d1_migrations ORDER BY id").all()).results.map((row) => row.name);
  write("0002_second.sql", "-- a comment; with a semicolon\nINSERT INTO t VALUES ('a;b');\n");
  write("0001_first.sql", "CREATE TABLE t(x TEXT) STRICT;\nCREATE INDEX t_x ON t(x);\n");
  assert.deepEqual(await service.migrate(folder), ["0001_first.sql", "0002_second.sql"]);
  assert.deepEqual(await service.migrate(folder), []);
  write("0003_broken.sql", "INSERT INTO t VALUES ('half');\nINSERT INTO nowhere VALUES (1);\n");
  await assert.rejects(service.migrate(folder), /0003_broken\.sql failed and was rolled back/);
  assert.deepEqual(await names(), ["0001_first.sql", "0002_second.sql"]);
  const { results } = await (await service.d1()).prepare("SELECT x FROM t").all();
  assert.deepEqual(results, [{ x: "a;b" }]);
});

test("a receiver records what it gets and fails in the ways it is told to", async () => {
  const receiver = await startReceiver();
  const send = () => fetch(`${receiver.url}/hook`, { method: "POST", body: '{"a":1}', signal: AbortSignal.timeout(300) });
  assert.equal((await send()).status, 200);
  await receiver.behave("status", 503, "busy");
  assert.equal((await send()).status, 503);
  await receiver.behave("reset");
  await assert.rejects(send());
  await receiver.behave("hang");
  await assert.rejects(send(), { name: "TimeoutError" });
  await receiver.behave("absent");
  await assert.rejects(send());
  await receiver.behave("ok");
  assert.equal((await send()).status, 200);
  assert.equal(receiver.requests.length, 5);
  assert.deepEqual(receiver.requests[0].json, { a: 1 });
});

test("waiting for something that never happens says what and why", async () => {
  await assert.rejects(until("the moon is cheese", () => 0, { within: 50 }), /not within 50 ms: the moon is cheese \(last answer: 0\)/);
});
