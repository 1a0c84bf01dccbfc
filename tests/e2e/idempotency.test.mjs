// A declared identity makes retries free: the batch key of a request, and the ids of its records. Never the content.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { gzipSync } from "node:zlib";

import { components, findAll } from "./account.mjs";
import { startWorker } from "./harness.mjs";

let service;
let key;

before(async () => {
  service = await startWorker();
  key = await service.key(["ingest", "read"]);
});

const batch = (component, count = 3) => Array.from({ length: count }, (_, number) => ({ message: `line ${number}`, level: "info", component }));
const send = (json, batchKey, more = {}) => service.request("POST", "/api/logs", { key, json, ...more, headers: { ...(batchKey && { "Idempotency-Key": batchKey }), ...more.headers } });
const outcomes = ({ accepted, duplicate, rejected }) => ({ accepted, duplicate, rejected });
const stored = async (component) => (await findAll(service, key, { component })).length;

test("the same batch under the same key is stored once and answered alike", async () => {
  const json = [...batch("twice"), { level: "info", component: "twice" }];
  const batchKey = randomUUID();
  const headers = { Prefer: "return=representation" };
  const first = await send(json, batchKey, { headers });
  assert.equal(first.status, 202, first.text);
  assert.deepEqual(outcomes(first.json), { accepted: 3, duplicate: 0, rejected: 1 });
  assert.equal(first.headers.get("Idempotency-Replayed"), null);
  for (const form of [batchKey, `"${batchKey}"`]) {
    const again = await send(json, form, { headers });
    assert.equal(again.status, 202);
    assert.equal(again.headers.get("Idempotency-Replayed"), "true");
    assert.deepEqual(again.json, first.json, "ids and refusals too");
  }
  assert.equal(await stored("twice"), 3);
  const seen = (await components(service, key)).get("twice");
  assert.equal(seen.accepted, 3, JSON.stringify(seen));
  assert.equal(seen.duplicate, 6, "each repetition is accounted for");
});

test("compressed or not, it is the same batch", async () => {
  const json = batch("compressed");
  const batchKey = randomUUID();
  await send(json, batchKey);
  const again = await send(undefined, batchKey, { body: gzipSync(JSON.stringify(json)), headers: { "Content-Encoding": "gzip", "Content-Type": "application/json" } });
  assert.deepEqual([again.status, again.headers.get("Idempotency-Replayed")], [202, "true"], again.text);
  assert.equal(await stored("compressed"), 3);
});

test("a key that comes with another body is refused, and nothing of that body is stored", async () => {
  const batchKey = randomUUID();
  assert.equal((await send(batch("reused"), batchKey)).status, 202);
  const other = await send(batch("reused", 4), batchKey);
  assert.deepEqual([other.status, other.json?.code], [422, "idempotency_key_reused"], other.text);
  assert.equal(await stored("reused"), 3);
  const again = await send(batch("reused"), batchKey);
  assert.equal(again.headers.get("Idempotency-Replayed"), "true", "the first body is still what the key means");
});

test("the same content without a key, or under two keys, is two batches", async () => {
  const json = batch("content");
  for (const batchKey of [undefined, undefined, randomUUID(), randomUUID()]) {
    assert.deepEqual(outcomes((await send(json, batchKey)).json), { accepted: 3, duplicate: 0, rejected: 0 });
  }
  assert.equal(await stored("content"), 12);
});

test("a record's own id is stored once, within a request and over requests, whatever else it says", async () => {
  const record = (id, message) => ({ id, message, level: "info", component: "own-ids" });
  const first = await send([record("a", "first"), record("b", "second"), record("a", "third"), { ...record("c", "bare"), id: undefined }]);
  assert.deepEqual(outcomes(first.json), { accepted: 3, duplicate: 1, rejected: 0 });
  const second = await send([record("b", "fourth"), record("d", "fifth"), { ...record("c", "bare"), id: undefined }]);
  assert.deepEqual(outcomes(second.json), { accepted: 2, duplicate: 1, rejected: 0 });
  const found = await findAll(service, key, { component: "own-ids" });
  assert.deepEqual(found.map((one) => one.message).sort(), ["bare", "bare", "fifth", "first", "second"]);
});

test("the same id in two components or two domains is two records", async () => {
  const neighbour = await service.key(["ingest", "read"], { domain: "neighbour.example" });
  const record = (component) => ({ id: "shared-id", message: `in ${component}`, level: "info", component });
  assert.deepEqual(outcomes((await send([record("left"), record("right")])).json), { accepted: 2, duplicate: 0, rejected: 0 });
  const theirs = await service.request("POST", "/api/logs", { key: neighbour, json: record("left") });
  assert.equal(theirs.json?.accepted, 1, theirs.text);
  const own = await service.request("GET", "/api/logs/shared-id", { key: neighbour });
  assert.equal(own.json?.domain, "neighbour.example", own.text);
});

test("twenty callers with one key at once store one batch, and all are told the same", async () => {
  const json = ["rush-a", "rush-b", "rush-c"].flatMap((component) => batch(component, 2));
  const batchKey = randomUUID();
  const replies = await Promise.all(Array.from({ length: 20 }, () => send(json, batchKey, { headers: { Prefer: "return=representation" } })));
  assert.deepEqual([...new Set(replies.map((reply) => reply.status))], [202]);
  assert.equal(new Set(replies.map((reply) => reply.text)).size, 1, "one answer for all");
  // Each component decides by itself who came first; at most one caller can have been first everywhere.
  const firsts = replies.filter((reply) => reply.headers.get("Idempotency-Replayed") === null);
  assert.ok(firsts.length >= 1 && firsts.length <= 3, `${firsts.length} callers stored something`);
  for (const component of ["rush-a", "rush-b", "rush-c"]) assert.equal(await stored(component), 2, component);
});

test("twenty callers with one key and different bodies: one is taken, the rest refused", async () => {
  const batchKey = randomUUID();
  const replies = await Promise.all(Array.from({ length: 20 }, (_, number) => send([{ message: `caller ${number}`, level: "info", component: "contested" }], batchKey)));
  const statuses = replies.map((reply) => reply.status).sort();
  assert.deepEqual(statuses, [202, ...Array(19).fill(422)]);
  assert.equal(await stored("contested"), 1);
});

test("keys and ids are remembered across kill -9", async () => {
  const batchKey = randomUUID();
  const json = [...batch("killed"), { id: "own-killed", message: "own", level: "info", component: "killed" }];
  const headers = { Prefer: "return=representation" };
  const first = await send(json, batchKey, { headers });
  assert.equal(first.json?.accepted, 4, first.text);
  await service.kill9();
  await service.restart();
  const again = await send(json, batchKey, { headers });
  assert.deepEqual([again.status, again.headers.get("Idempotency-Replayed")], [202, "true"], again.text);
  assert.deepEqual(again.json, first.json);
  const other = await send(batch("killed", 9), batchKey);
  assert.equal(other.status, 422, other.text);
  const record = await send([json[3]]);
  assert.deepEqual(outcomes(record.json), { accepted: 0, duplicate: 1, rejected: 0 });
  assert.equal(await stored("killed"), 4);
});
