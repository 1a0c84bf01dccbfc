// Event times in every notation, zone and distance, and the windows of a search over them. What is unusable is
// replaced by the time of receipt, and the record says so.

import assert from "node:assert/strict";
import { before, test } from "node:test";

import { findAll, search } from "./account.mjs";
import { startWorker } from "./harness.mjs";
import { times } from "./ingest-table.mjs";

let service;
let key;
const instant = Date.now() - 10 * 60_000;

before(async () => {
  service = await startWorker();
  key = await service.key(["ingest", "read"]);
});

test("every notation of a time is read, and what cannot be used says why", async (t) => {
  const rows = times.map((row, at) => ({ ...row, sent: row.sent(instant), id: `time-${at}` }));
  const lines = rows.map(
    (row) => `{"id":"${row.id}","level":"info","message":"at ${row.id}","component":"clock"${row.sent === undefined ? "" : `,"timestamp":${row.sent}`}}`,
  );
  const sentAt = Date.now();
  const reply = await service.request("POST", "/api/logs", { key, body: lines.join("\n") });
  const answeredAt = Date.now();
  assert.equal(reply.json?.accepted, rows.length, reply.text);

  const found = new Map((await findAll(service, key, { component: "clock" })).map((record) => [record.id, record]));
  for (const row of rows) {
    await t.test(row.what, () => {
      const record = found.get(row.id);
      assert.deepEqual(record.defects ?? [], row.defects ?? [], `sent ${row.sent}`);
      assert.equal(new Date(record.time).getTime() === record.timestamp || record.timestamp < -62_000_000_000_000, true, "time and timestamp agree");
      if (row.attributes) assert.deepEqual(record.attributes, row.attributes);
      if (row.is === "received") {
        assert.ok(record.timestamp >= sentAt && record.timestamp <= answeredAt, `${record.timestamp} in ${sentAt}..${answeredAt}`);
      } else if (row.is === "ahead") {
        assert.equal(record.timestamp, Number(row.sent));
      } else {
        assert.equal(record.timestamp, row.is ? row.is(instant) : instant, `sent ${row.sent}`);
      }
      assert.ok(record.received_at >= sentAt && record.received_at <= answeredAt, "receipt is our clock");
    });
  }
});

test("a span of time includes its start and not its end", async () => {
  const records = [-2, -1, 0, 1, 2].map((step) => ({
    message: `step ${step}`,
    level: "info",
    component: "span",
    timestamp: instant + step,
  }));
  assert.equal((await service.request("POST", "/api/logs", { key, json: records })).json?.accepted, 5);
  const steps = async (filter) => (await findAll(service, key, { component: "span", ...filter })).map((record) => record.timestamp - instant);
  assert.deepEqual(await steps({ from: instant - 1, to: instant + 1 }), [-1, 0]);
  assert.deepEqual(await steps({ from: instant }), [0, 1, 2]);
  assert.deepEqual(await steps({ to: new Date(instant).toISOString() }), [-2, -1]);
  assert.deepEqual(await steps({ from: "-1h", to: "now" }), [-2, -1, 0, 1, 2]);
  assert.deepEqual(await steps({ from: instant + 3 }), []);
});

test("late records are found in their own time, between those that came before them", async () => {
  for (const [offset, message] of [[0, "first"], [20, "third"], [10, "second"]]) {
    const json = { message, level: "info", component: "late", timestamp: instant - 86_400_000 + offset };
    assert.equal((await service.request("POST", "/api/logs", { key, json })).status, 202);
  }
  const messages = async (order) => (await search(service, key, { component: "late", order })).records.map((record) => record.message);
  assert.deepEqual(await messages("asc"), ["first", "second", "third"]);
  assert.deepEqual(await messages("desc"), ["third", "second", "first"]);
});
