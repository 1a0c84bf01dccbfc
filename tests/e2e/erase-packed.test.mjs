// One user's records that lie in blocks, and in rows that blocks hide, are erased like those in the journal: from search,
// by id, from export, D1 and the bytes on disk. What is not the user's stays where it was, and neither a power cut nor a
// second request changes anything.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { before, test } from "node:test";

import { findAll, metrics } from "./account.mjs";
import { startWorker, until } from "./harness.mjs";

const domain = "packed-user.example";
const component = "orders";
/** Two blocks of 41 calls. */
const batches = 82;
const began = Date.now() - 3600_000;
/** Nobody else has these words; capitals and digits, so that no compressor meets them elsewhere. */
const SECRET = "Qz7MARKERw9";
const USER = `user-${SECRET}`;
const vars = { STORAGE_MODE: "hybrid", D1_RECORD_LEVEL: "info", FLUSH_INTERVAL: "200ms", IDEMPOTENCY_WINDOW: "1h", ALERTS_ENABLED: "false" };
let service;
let key;
let ids;
let kept;

/** Every 50th record is the user's: each row has two, both blocks have many. */
const isTheirs = (number) => number % 50 === 7;
const record = (number) => ({
  timestamp: began + number,
  level: ["info", "info", "debug", "warn", "error"][number % 5],
  component,
  message: isTheirs(number) ? `order of ${SECRET} number ${number} took its way` : `order ${number} of customer-${number % 17} took its way`,
  user_id: isTheirs(number) ? USER : `u${number % 7}`,
  ...(isTheirs(number) && { attributes: { card: `${SECRET}-${number}` }, id: `${SECRET}-${number}` }),
});

before(async () => {
  service = await startWorker({ vars });
  key = await service.key(["ingest", "read", "admin"], { domain });
});

async function send(records) {
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.equal(reply.json?.accepted, records.length, reply.text);
}

const get = (route) => service.request("GET", route, { key });
const erase = (query) => service.request("DELETE", `/api/logs?${new URLSearchParams(query)}`, { key });
const to = began + batches * 100;
const all = () => findAll(service, key, { component, to });
const figure = async (name) => (await metrics(service, key))(`sapwood_object_${name}`, { component });
const holding = () =>
  service.sqliteFiles().filter((file) => file.endsWith(".sqlite")).flatMap((file) => found(file).map((where) => `${file}: ${where}`));

/**
 * Where the secret is in the rows of a database: its pages as they are now, those of the write-ahead log laid over the file
 * as SQLite reads them. Pages without rows, and what the log held before, are SQLite's to overwrite; nobody can read them
 * through it.
 */
function found(file) {
  const main = readFileSync(file);
  const log = existsSync(`${file}-wal`) ? readFileSync(`${file}-wal`) : Buffer.alloc(0);
  const pages = new Map();
  const size = log.length > 32 ? log.readUInt32BE(8) : main.readUInt16BE(16);
  for (let at = 0; at + size <= main.length; at += size) pages.set(at / size + 1, main.subarray(at, at + size));
  const salt = log.subarray(16, 24);
  let open = [];
  for (let at = 32; at + 24 + size <= log.length; at += 24 + size) {
    // A frame of an earlier turn of the log ends this one.
    if (!log.subarray(at + 8, at + 16).equals(salt)) break;
    open.push([log.readUInt32BE(at), log.subarray(at + 24, at + 24 + size)]);
    if (log.readUInt32BE(at + 4) === 0) continue;
    for (const [number, page] of open) pages.set(number, page);
    open = [];
  }
  const free = freePages(pages);
  const used = [...pages].filter(([number, page]) => !free.has(number) && LEAVES.includes(page[number === 1 ? 100 : 0]));
  return used.filter(([number, page]) => values(pages, page, size, number === 1 ? 100 : 0).some((value) => value.includes(SECRET))).map(([number]) => `page ${number}`);
}

/** Leaves of indexes and of tables: rows of tables without rowid are in the former. */
const LEAVES = [10, 13];

function varint(page, at) {
  let value = 0;
  for (let length = 1; ; length += 1) {
    const byte = page[at + length - 1];
    value = value * 128 + (byte & 127);
    if (byte < 128) return [value, at + length];
  }
}

/** The rows of a leaf with what follows on other pages, as bytes. */
function values(pages, page, size, header) {
  const isTable = page[header] === 13;
  const most = isTable ? size - 35 : Math.floor(((size - 12) * 64) / 255) - 23;
  const least = Math.floor(((size - 12) * 32) / 255) - 23;
  return Array.from({ length: page.readUInt16BE(header + 3) }, (_, cell) => {
    let [length, at] = varint(page, page.readUInt16BE(header + 8 + 2 * cell));
    if (isTable) [, at] = varint(page, at);
    const fits = least + ((length - least) % (size - 4));
    const here = length <= most ? length : fits <= most ? fits : least;
    const parts = [page.subarray(at, at + here)];
    let left = length - here;
    for (let next = left > 0 ? page.readUInt32BE(at + here) : 0; next !== 0 && left > 0; next = pages.get(next).readUInt32BE(0)) {
      parts.push(pages.get(next).subarray(4, 4 + Math.min(left, size - 4)));
      left -= size - 4;
    }
    assert.ok(left <= 0, "the whole row was read");
    return Buffer.concat(parts);
  });
}

/** Pages that hold nothing any more. */
function freePages(pages) {
  const free = new Set();
  for (let trunk = pages.get(1)?.readUInt32BE(32) ?? 0; trunk !== 0 && !free.has(trunk); ) {
    const page = pages.get(trunk);
    free.add(trunk);
    for (let leaf = 0; leaf < page.readUInt32BE(4); leaf += 1) free.add(page.readUInt32BE(8 + 4 * leaf));
    trunk = page.readUInt32BE(0);
  }
  return free;
}

/** Where people, and programs, could still meet the secret. */
async function traces() {
  const pages = ["/api/logs/search?limit=1000&order=asc", `/api/logs/search?q=${SECRET}`, `/api/logs/search?user_id=${USER}`, "/api/logs/analytics/patterns?variables=true&limit=1000",
    "/api/incidents", "/api/alerts", "/api/audit", "/api/erasures"];
  const found = [];
  for (const page of pages) if ((await get(page)).text.replaceAll(encodeURIComponent(SECRET), "").includes(SECRET)) found.push(page);
  if (JSON.stringify(await all()).includes(SECRET)) found.push("every record");
  const table = async (name) => JSON.stringify((await (await service.d1()).prepare(`SELECT * FROM ${name} WHERE domain = ?`).bind(domain).all()).results);
  for (const name of ["record", "pattern", "rollup", "incident"]) if ((await table(name)).includes(SECRET)) found.push(`D1 ${name}`);
  return found;
}

test("the user's records are in blocks, and hidden rows still hold copies of them", async () => {
  for (let number = 0; number < batches; number += 1) {
    await send(Array.from({ length: 100 }, (_, of) => record(number * 100 + of)));
  }
  // What D1 does not have yet is in no block.
  await until("D1 has them", async () => (await (await service.d1()).prepare("SELECT count(*) AS n FROM record WHERE domain = ?").bind(domain).first("n")) > 6_000, { within: 60_000 });
  // One look has to find both blocks: a block alone that is free later is waited with, for others to come.
  const sent = Date.now();
  await until("the newest row is older than the window will be", () => Date.now() > sent + 1_500, { every: 100 });
  await service.kill9();
  await service.restart({ vars: { ...vars, IDEMPOTENCY_WINDOW: "1s" } });
  // Rows that are in no block keep the older part of the journal, and what is hidden in it, from being dropped.
  for (let number = 0; number < 4; number += 1) await send([{ message: `wakes ${number}`, level: "info", component, timestamp: Date.now() }]);
  await until("two blocks", async () => (await figure("blocks")) === 2, { within: 60_000, every: 100 });
  const records = await all();
  assert.equal(records.length, batches * 100);
  kept = records.filter((it) => it.user_id !== USER);
  ids = records.filter((it) => it.user_id === USER).map((it) => it.id);
  assert.equal(ids.length, batches * 2);
  assert.equal((await get(`/api/logs/${ids[3]}?component=${component}`)).status, 200);
  assert.ok(holding().length > 0, "the secret can be seen on disk while it is there");
});

test("nothing is erased for a name that is not confirmed, empty, or nobody's", async () => {
  for (const query of [{}, { user: USER }, { user: "", confirm: "" }, { user: USER, confirm: "somebody" }]) {
    assert.equal((await erase(query)).status, 400, JSON.stringify(query));
  }
  const nobody = await erase({ user: `${USER}-and-more`, confirm: `${USER}-and-more` });
  assert.deepEqual([nobody.status === 200 || nobody.status === 202, nobody.json.erased?.objects?.records ?? 0], [true, 0], nobody.text);
  assert.equal((await all()).length, batches * 100);
});

test("an erasure takes them out of blocks; neighbours keep their ids, counts stay", async () => {
  const total = async () => (await get("/api/logs/analytics/summary")).json.total;
  const before = await total();
  const dry = await erase({ user: USER, dry_run: "true" });
  assert.deepEqual([dry.status, dry.json.records, dry.json.complete], [200, batches * 2, true], dry.text);
  assert.equal((await all()).length, batches * 100, "a dry run erases nothing");

  const reply = await erase({ user: USER, confirm: USER });
  assert.equal(reply.status, 202, reply.text);
  await until("the objects are done", async () => (await get(`/api/erasures/${reply.json.id}`)).json.waiting_for === undefined, { within: 60_000 });
  const receipt = (await get(`/api/erasures/${reply.json.id}`)).json;
  assert.equal(receipt.erased.objects.records, batches * 2, JSON.stringify(receipt));
  assert.equal(receipt.erased.objects.unreadable_rows ?? 0, 0, JSON.stringify(receipt));
  assert.deepEqual(await all(), kept, "what is not the user's stays as it was, in its place");
  assert.equal(await total(), before, "counts stay");
  assert.equal(await figure("blocks"), 2);
  assert.equal(await figure("damaged_rows_total"), 0);
  for (const id of [ids[0], ids[81], ids[82], ids[163]]) assert.equal((await get(`/api/logs/${id}?component=${component}`)).status, 404, id);
  for (const number of [0, 1, 3_000, 8_035]) assert.equal((await get(`/api/logs/${kept[number].id}?component=${component}`)).status, 200);
});

test("no trace is left in any answer, in D1, or on disk", async () => {
  // Until then the plan names whose records are to go.
  await until("the erasure is finished", async () => (await get("/api/erasures")).json.erasures.every((one) => one.state === "finished"), { within: 240_000, every: 1_000 });
  await until("no answer and no copy has it", async () => (await traces()).length === 0, { within: 30_000, every: 500 });
  assert.deepEqual(holding(), []);
});

test("a power cut, and the same request again, find nothing", async () => {
  await service.kill9();
  await service.restart();
  assert.deepEqual(await all(), kept);
  assert.deepEqual(await traces(), []);
  assert.deepEqual(holding(), []);
  const dry = await erase({ user: USER, dry_run: "true" });
  assert.deepEqual([dry.status, dry.json.records], [200, 0], dry.text);
  await send([{ message: "wakes again", level: "info", component, timestamp: Date.now() }]);
  assert.deepEqual(await all(), kept);
});
