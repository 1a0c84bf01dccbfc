// A component and a domain as one file, by the command as people run it; back under another name; and both in the audit.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";

import { root } from "../../scripts/runtime.mjs";
import { findAll } from "./account.mjs";
import { startWorker } from "./harness.mjs";

const folder = mkdtempSync(path.join(os.tmpdir(), "sapwood-export-"));
const command = path.join(root, process.env.CARGO_TARGET_DIR ?? "target", "debug", "sapwood");
let service;
let key;

before(async () => {
  if (!existsSync(command)) execFileSync("cargo", ["build", "-q", "--locked", "-p", "sapwood-cli"], { cwd: root });
  service = await startWorker({ vars: { ALERTS_ENABLED: "false" } });
  key = await service.key(["ingest", "read", "admin"], { domain: "origin.example" });
});

after(() => rmSync(folder, { recursive: true, force: true }));

const run = (as, ...parameters) => {
  const done = spawnSync(command, [...parameters, "--url", service.url, "--key", as], { encoding: "utf8" });
  return { status: done.status, text: `${done.stdout}${done.stderr}` };
};

const records = (component, count) =>
  Array.from({ length: count }, (_, number) => ({
    timestamp: Date.now() - 60_000 + number,
    level: ["debug", "info", "warn", "error"][number % 4],
    component,
    message: `record ${number} of ${component}`,
    user_id: `u${number % 7}`,
    endpoint: `/orders/${number}`,
    context: { url: `http://shop.example/orders/${number}`, method: "POST", user_agent: "curl/8" },
    duration_ms: number / 4,
    tags: ["a", "b"],
    attributes: { nested: { list: [1, "two", null], number } },
    ...(number % 10 === 0 && { stack_trace: "Error: no\n    at pay (/srv/app/pay.js:10:5)" }),
    ...(number % 3 === 0 && { id: `${component}-${number}` }),
  }));

/** The same JSON with its keys in order: the order of keys means nothing. */
const sorted = (value) =>
  value === null || typeof value !== "object" || Array.isArray(value)
    ? value
    : Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));

/** What must be the same after the way through a file. */
function essence(record) {
  const { id, received_at, domain, component, ...rest } = record;
  return JSON.stringify(sorted(rest));
}

test("a component goes into a file and comes back under another name, in another domain, as it was", async () => {
  for (const [component, count] of [["shop", 1203], ["ledger", 5]]) {
    for (let at = 0; at < count; at += 400) {
      const reply = await service.request("POST", "/api/logs", { key, json: records(component, count).slice(at, at + 400) });
      assert.equal(reply.status, 202, reply.text);
    }
  }
  const file = path.join(folder, "shop.ndjson.gz");
  const exported = run(key, "export", file, "--component", "shop");
  assert.equal(exported.status, 0, exported.text);
  assert.match(exported.text, /1,203 records in /);
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split("\n");
  assert.equal(lines.length, 1205, "a head, the records, a foot");
  assert.ok(lines.slice(1, -1).every((line) => JSON.parse(line).component === "shop"));

  const other = await service.key(["ingest", "read", "admin"], { domain: "elsewhere.example" });
  const imported = run(other, "import", file, "--component", "shop-copy");
  assert.equal(imported.status, 0, imported.text);
  assert.match(imported.text, /1,203 imported, 0 known already/);
  const [before, after] = [await findAll(service, key, { component: "shop" }), await findAll(service, other)];
  assert.deepEqual(after.map(essence).sort(), before.map(essence).sort());
  assert.deepEqual([...new Set(after.map((record) => record.component))], ["shop-copy"]);
  const again = run(other, "import", file, "--component", "shop-copy");
  assert.equal(again.status, 0, again.text);
  assert.equal((await findAll(service, other)).length, 1203, "an import that is repeated adds nothing");

  const audit = async (as) => (await service.request("GET", "/api/audit", { key: as })).json.entries;
  assert.deepEqual((await audit(key)).filter((entry) => entry.action === "logs.export").map((entry) => entry.detail), ["shop"]);
  const booked = (await audit(other)).filter((entry) => entry.action === "logs.import");
  assert.equal(booked.length, 2, "each import once, whatever the number of its parts");
  assert.match(booked[0].detail, /1203 records of .* into shop-copy/);
});

test("a domain goes into one file", async () => {
  const file = path.join(folder, "all.ndjson");
  const exported = run(key, "export", file);
  assert.equal(exported.status, 0, exported.text);
  assert.match(exported.text, /1,208 records in /);
  const refused = run(key, "export", file);
  assert.equal(refused.status, 2);
  assert.match(refused.text, /is there already/);
});

test("a file that is damaged, or somebody who may not, changes nothing", async () => {
  const file = path.join(folder, "all.ndjson");
  const cut = path.join(folder, "cut.ndjson");
  writeFileSync(cut, readFileSync(file, "utf8").split("\n").slice(0, 20).join("\n"));
  const target = await service.key(["ingest", "read", "admin"], { domain: "target.example" });
  const broken = run(target, "import", cut);
  assert.equal(broken.status, 2);
  assert.match(broken.text, /line 20: the file ends early/);
  const reader = await service.key(["ingest", "read"], { domain: "target.example" });
  const kept = run(reader, "import", file);
  assert.equal(kept.status, 2);
  assert.match(kept.text, /403/);
  assert.equal((await findAll(service, target)).length, 0);
  const unread = run(reader, "export", path.join(folder, "no.ndjson"));
  assert.equal(unread.status, 2);
  assert.ok(!existsSync(path.join(folder, "no.ndjson")));
  const odd = await service.request("POST", "/api/logs/import?part=x", { key: target, json: [] });
  assert.deepEqual([odd.status, odd.json.code], [400, "invalid_query"], odd.text);
});
