// Two domains that never see each other: every route there is, with the neighbour's key, shows nothing of the first.
//
// The list of routes is checked against the router's own source, so that a new route cannot be forgotten here.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";

import WebSocket from "ws";

import { root } from "../../scripts/runtime.mjs";
import { startReceiver, startWorker, until } from "./harness.mjs";

// A word that stands in everything the first domain owns: names, messages, ids, configuration.
const MARK = "Kestrel7";
const mark = MARK.toLowerCase();
const mine = `${mark}.example`;
const theirs = "neighbour.example";
let service, keys, webhook, secretOfMine;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({ vars: { STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "200ms", WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms" } });
  keys = {
    mine: await service.keyWithId(["ingest", "read", "admin"], { domain: mine, name: `${MARK} key` }),
    theirs: await service.keyWithId(["ingest", "read", "admin"], { domain: theirs, name: "neighbour" }),
  };
  const records = [
    { id: `${mark}-own-id`, level: "error", component: `${mark}-api`, message: `${MARK} exploded in room 12`, user_id: `${mark}-user`, endpoint: `/${mark}/orders`, release: `${mark}-1`, error_code: "E12" },
    { level: "info", component: `${mark}-web`, message: `${MARK} opened 3 doors` },
  ];
  const reply = await service.request("POST", "/api/logs", { key: keys.mine.key, json: records, headers: { "Idempotency-Key": `"${mark}"`, Prefer: "return=representation" } });
  assert.equal(reply.json.accepted, 2, reply.text);
  secretOfMine = { ids: reply.json.ids };
  const configured = await service.request("PUT", "/api/config", { key: keys.mine.key, json: { REDACT_NAMES: `${mark}_number` } });
  assert.equal(configured.status, 200, configured.text);
  const taught = await service.request("POST", "/api/logs/patterns/learn", { key: keys.mine.key, json: { kind: "template", template: `${MARK} opened <*> doors`, name: `${MARK} doors` } });
  assert.equal(taught.status, 201, taught.text);
  await until("the alert is out", () => webhook.requests.some((request) => request.body.toString().includes(MARK)));
  const open = await service.request("GET", "/api/incidents", { key: keys.mine.key });
  secretOfMine.incident = open.json.incidents[0].id;
  // The neighbour has records too: an empty domain would show nothing for want of anything.
  const other = await service.request("POST", "/api/logs", { key: keys.theirs.key, json: [{ level: "error", component: "shop", message: "neighbour failed" }, { level: "info", component: "shop", message: "neighbour works" }] });
  assert.equal(other.json.accepted, 2, other.text);
});

/** Every route of src/edge/router.rs; what stands behind it is how the neighbour tries it on the first domain. */
function attempts() {
  const range = `from=${Date.now() - 86_400_000}&to=${Date.now() + 86_400_000}`;
  return [
    ["GET", "/health"],
    ["GET", "/metrics"],
    ["GET", `/metrics?domain=${mine}`],
    ["PUT", `/api/components/${mark}-api/shards`, { shards: 2 }],
    ["POST", "/logs", { severity: "info", message: "x", component: "shop" }],
    ["POST", "/api/logs", [{ level: "info", message: "x", component: "shop" }]],
    ["POST", "/api/logs/store", { level: "info", message: "x" }],
    ["POST", "/api/logs/batch", { logs: [{ level: "info", message: "x" }] }],
    ["GET", `/api/logs/search?${range}`],
    ["GET", `/api/logs/search?q=${MARK}`],
    ["GET", `/api/logs/search?component=${mark}-api`],
    ["GET", "/api/logs/tail"],
    ["GET", "/api/logs/analytics/summary"],
    ["GET", "/api/logs/analytics/patterns"],
    ["GET", `/api/logs/analytics/patterns?component=${mark}-api`],
    ["GET", "/api/logs/patterns/similar?text=secret%20of&min=0"],
    ["POST", "/api/logs/analyze/patterns", { time_range: "24h" }],
    ["POST", "/api/logs/patterns/learn", { kind: "template", template: "neighbour <*>", dry_run: true }],
    ["GET", "/api/logs/patterns/lessons"],
    ["GET", "/api/logs/patterns/lessons?format=file"],
    ["DELETE", "/api/logs/patterns/lessons/1"],
    ["DELETE", "/api/logs/cleanup?older_than_days=1"],
    ["DELETE", `/api/logs?user=${mark}-user&confirm=${mark}-user`],
    ["DELETE", `/api/components/${mark}-api?confirm=${mark}-api`],
    ["DELETE", `/api/domains/${mine}?confirm=${mine}`],
    ["GET", "/api/erasures"],
    ["GET", `/api/erasures/${secretOfMine.ids[0]}`],
    ["GET", `/api/components/${mark}-api/baseline.svg`],
    ["GET", `/api/components/${mark}-api/windows`],
    ["GET", "/api/incidents/feedback"],
    ["POST", `/api/incidents/${encodeURIComponent(secretOfMine.incident)}/feedback`, { verdict: "noise" }],
    ["DELETE", `/api/incidents/${encodeURIComponent(secretOfMine.incident)}/feedback`],
    ["GET", "/api/deployments"],
    ["POST", "/api/deployments", { release: "9", component: `${mark}-api` }],
    ["GET", "/api/logs/export"],
    ["POST", "/api/logs/import", [{ level: "info", message: "x", component: "shop" }]],
    ["GET", "/api/components"],
    ["GET", `/api/components/${mark}-api/baseline`],
    ["GET", "/api/components/shop/baseline?series=total"],
    ["GET", "/api/incidents"],
    ["POST", "/api/detectors/replay", { component: "shop", settings: { CRITICAL_THRESHOLD: 5 } }],
    ["GET", "/api/alerts"],
    ["GET", "/api/keys"],
    ["POST", "/api/keys", { name: "new", scopes: ["read"], domain: mine }],
    ["DELETE", `/api/keys/${keys.mine.id}`],
    ["GET", "/api/config"],
    ["PUT", "/api/config", { RETENTION_DAYS: "9" }],
    ["GET", "/api/audit"],
    ["POST", "/api/admin/rebuild-d1"],
    ...secretOfMine.ids.map((id) => ["GET", `/api/logs/${encodeURIComponent(id)}`]),
    ["GET", `/api/logs/${mark}-own-id`],
  ];
}

test("the list of routes here is the router's", () => {
  const source = readFileSync(path.join(root, "src/edge/router.rs"), "utf8");
  const table = source.slice(source.indexOf("fn routes_at"), source.indexOf("/// A path segment without"));
  const arms = [...table.matchAll(/^\s+(\[.*\])(?: if [^=]*)? => vec!\[(.*)\]/gm)].filter(([, pattern]) => !pattern.includes("_fault"));
  assert.ok(arms.length >= 15, "the table could not be read");
  const known = attempts().map(([method, route]) => [method, route.split("?")[0].slice(1).split("/")]);
  for (const [, patterns, answers] of arms) {
    for (const [, method] of answers.matchAll(/\("([A-Z]+)"/g)) {
      for (const [, inside] of patterns.matchAll(/\[([^\]]*)\]/g)) {
        const segments = inside.split(",").map((segment) => [...segment.matchAll(/"([^"]*)"/g)].map((match) => match[1]));
        const isTried = known.some(([tried, parts]) => tried === method && parts.length === segments.length && parts.every((part, at) => segments[at].length === 0 || segments[at].includes(part)));
        assert.ok(isTried, `${method} /${inside} is not tried`);
      }
    }
  }
});

test("no route shows the neighbour anything of the first domain", async () => {
  for (const [method, route, json] of attempts()) {
    const reply = await service.request(method, route, { key: keys.theirs.key, json });
    const shown = `${reply.text}\n${[...reply.headers].flat().join("\n")}`;
    // A refusal may repeat what the request itself said; ids are looked for where nothing asked for them.
    const isEcho = `${route} ${JSON.stringify(json ?? "")}`.toLowerCase().includes(mark) && reply.status >= 400;
    assert.ok(isEcho || !shown.toLowerCase().includes(mark), `${method} ${route}: ${reply.status} ${reply.text.slice(0, 400)}`);
    for (const id of secretOfMine.ids) assert.ok(isEcho || route.includes(encodeURIComponent(id)) || !shown.includes(id), `${method} ${route} shows an id`);
  }
});

test("what is not there and what is the neighbour's are the same answer", async () => {
  const asked = async (id) => {
    const reply = await service.request("GET", `/api/logs/${encodeURIComponent(id)}`, { key: keys.theirs.key });
    const { instance, ...problem } = reply.json;
    return { status: reply.status, problem: JSON.parse(JSON.stringify(problem).replaceAll(id, "ID")) };
  };
  const absent = await asked("never-was-there");
  assert.equal(absent.status, 404);
  for (const id of [...secretOfMine.ids, `${mark}-own-id`]) assert.deepEqual(await asked(id), absent, id);
  const key = await service.request("DELETE", `/api/keys/${keys.mine.id}`, { key: keys.theirs.key });
  assert.equal(key.status, 404);
});

test("naming the first domain in a header does not open it", async () => {
  for (const [method, route, json] of attempts()) {
    if (route === "/health") continue;
    const reply = await service.request(method, route, { key: keys.theirs.key, json, headers: { "X-Sapwood-Domain": mine } });
    assert.equal(reply.status, 403, `${method} ${route}: ${reply.status}`);
    assert.ok(!reply.text.includes(MARK));
  }
});

test("a record that names the first domain lands in its sender's own", async () => {
  const record = { level: "error", component: "shop", message: "smuggled", domain: mine, tenant: mine, metadata: { domain: mine } };
  const reply = await service.request("POST", "/api/logs", { key: keys.theirs.key, json: record });
  assert.equal(reply.json.accepted, 1, reply.text);
  const found = async (key) => (await service.request("GET", "/api/logs/search?q=smuggled", { key })).json.records.map((one) => one.domain);
  assert.deepEqual(await found(keys.theirs.key), [theirs]);
  assert.deepEqual(await found(keys.mine.key), []);
  const told = await until("it is told", () => webhook.requests.find((request) => request.body.toString().includes("smuggled")));
  assert.equal(told.json.data.domain, theirs);
});

test("a cursor of the first domain shows the neighbour only their own records", async () => {
  const page = await service.request("GET", "/api/logs/search?limit=1", { key: keys.mine.key });
  assert.ok(page.json.next_cursor, page.text);
  const reply = await service.request("GET", `/api/logs/search?limit=1&cursor=${encodeURIComponent(page.json.next_cursor)}`, { key: keys.theirs.key });
  assert.ok(reply.status === 400 || reply.json.records.every((record) => record.domain === theirs), reply.text);
});

test("the tail of the neighbour stays silent while the first domain writes", async () => {
  const watch = async (key) => {
    const socket = new WebSocket(`${service.url.replace(/^http/, "ws")}/api/logs/tail`, { headers: { "X-API-Key": key } });
    const seen = [];
    socket.on("message", (data) => seen.push(data.toString()));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return { seen, socket };
  };
  const [own, neighbour] = [await watch(keys.mine.key), await watch(keys.theirs.key)];
  const write = (key, message) => service.request("POST", "/api/logs", { key, json: { level: "info", component: "shop", message } });
  await until("both are served", async () => {
    await write(keys.mine.key, `${MARK} live`);
    await write(keys.theirs.key, "neighbour live");
    return own.seen.length > 0 && neighbour.seen.length > 0;
  }, { every: 50 });
  assert.ok(neighbour.seen.every((frame) => !frame.includes(MARK)));
  assert.ok(own.seen.every((frame) => !frame.includes("neighbour")));
  own.socket.close();
  neighbour.socket.close();
});

test("the first domain is as it was: its key works, its configuration and its counts are its own", async () => {
  const config = await service.request("GET", "/api/config", { key: keys.mine.key });
  assert.ok(config.text.includes(`${mark}_number`));
  const found = await service.request("GET", `/api/logs/search?q=${MARK}%20exploded`, { key: keys.mine.key });
  assert.equal(found.json.total, 1);
  const foreign = await service.request("GET", "/api/logs/search?component=shop&q=neighbour%20works", { key: keys.mine.key });
  assert.equal(foreign.json.total, 0);
});

test("the same id, batch key and component name in two domains are two things", async () => {
  const record = { id: "shared-id", level: "info", component: "shared", message: "ours alone" };
  for (const [domain, message] of [["mine", "of the first"], ["theirs", "of the second"]]) {
    const reply = await service.request("POST", "/api/logs", { key: keys[domain].key, json: [{ ...record, message }], headers: { "Idempotency-Key": '"shared"' } });
    assert.deepEqual([reply.status, reply.json.accepted, reply.json.duplicate], [202, 1, 0], reply.text);
  }
  for (const [domain, message] of [["mine", "of the first"], ["theirs", "of the second"]]) {
    const reply = await service.request("GET", "/api/logs/shared-id", { key: keys[domain].key });
    assert.ok(reply.status === 200 && reply.text.includes(message), reply.text);
  }
});
