// What is erased is gone from every tier, what is not stays, what comes after starts anew, and a receipt says so; also when
// the process dies on the way.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";

import { findAll } from "./account.mjs";
import { startReceiver, startWorker, until } from "./harness.mjs";

let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({
    vars: { STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "100ms", ALERT_GROUP_WINDOW: "0ms", WEBHOOK_URL: webhook.url },
  });
});

/** A domain of its own, with what the tests do in it. */
async function inDomain(name) {
  const domain = `${name}.example`;
  const key = await service.key(["ingest", "read", "admin"], { domain });
  const request = (method, route, more = {}) => service.request(method, route, { key, ...more });
  return {
    domain,
    key,
    request,
    async send(...records) {
      const reply = await request("POST", "/api/logs", { json: records });
      assert.deepEqual([reply.status, reply.json?.accepted], [202, records.length], reply.text);
    },
    erase: (what, query = {}, as = key) =>
      service.request("DELETE", `/api/${what}?${new URLSearchParams(query)}`, { key: as }),
    receipt: async (id) => (await request("GET", `/api/erasures/${id}`)).json,
    messages: async (component) => (await findAll(service, key, component ? { component } : {})).map((one) => one.message),
    components: async () => (await request("GET", "/api/components")).json.components.map((one) => one.component),
    count: async (table, component) =>
      (await service.d1())
        .prepare(`SELECT count(*) AS n FROM ${table} WHERE domain = ?1 AND (?2 IS NULL OR component = ?2)`)
        .bind(domain, component ?? null)
        .first("n"),
  };
}

const error = (component, message, more = {}) => ({ level: "error", component, message, ...more });
const TABLES = ["record", "pattern", "rollup", "incident", "flush"];

test("a component leaves every tier, its neighbour stays, and its name starts anew", async () => {
  const it = await inDomain("component");
  await it.send(...["cart", "shop"].flatMap((component) => Array.from({ length: 4 }, (_, n) => error(component, `payment ${n} failed`))));
  for (const component of ["cart", "shop"]) {
    await until(`D1 has ${component}`, async () => (await it.count("record", component)) > 0 && (await it.count("incident", component)) > 0);
    await until(`KV has ${component}`, async () => (await service.kv()).get(`summary:${it.domain}:${component}:0`));
  }
  const alerts = async (component) =>
    (await it.request("GET", "/api/alerts")).json.alerts.filter((entry) => entry.alert.component === component).length;
  await until("both told", async () => (await alerts("cart")) > 0 && (await alerts("shop")) > 0);

  const dry = await it.erase("components/cart", { dry_run: "true" });
  assert.deepEqual([dry.status, dry.json.dry_run, dry.json.records, dry.json.complete], [200, true, 4, true], dry.text);
  assert.equal((await it.messages("cart")).length, 4, "a dry run erases nothing");

  const reply = await it.erase("components/cart", { confirm: "cart" });
  assert.equal(reply.status, 202, reply.text);
  const { id, erases, by, erased } = reply.json;
  assert.deepEqual([erases, erased.objects.records, erased.domain.components], ["component cart", 4, 1], reply.text);
  assert.ok(by.length > 3 && erased.domain.alerts >= 1 && erased.copies["d1.record"] >= 1 && erased.copies.kv === 1, reply.text);
  assert.equal(reply.json.stage, "settling", "what may still be on its way to D1 is waited for");
  assert.deepEqual(await it.components(), ["shop"]);
  assert.equal((await it.messages()).length, 4);
  assert.deepEqual([await alerts("cart"), (await alerts("shop")) > 0], [0, true]);
  for (const table of TABLES) {
    assert.equal(await it.count(table, "cart"), 0, `${table} has nothing of it`);
    assert.ok((await it.count(table, "shop")) > 0, `${table} has its neighbour`);
  }
  assert.equal(await (await service.kv()).get(`summary:${it.domain}:cart:0`), null);

  const again = await it.erase("components/cart", { confirm: "cart" });
  assert.deepEqual([again.status, again.json.id], [202, id], "a repeated request finds what sees to it");
  await it.send(error("cart", "a new life"));
  assert.deepEqual(await it.messages("cart"), ["a new life"]);
  const patterns = (await it.request("GET", "/api/logs/analytics/patterns?component=cart")).json.patterns;
  assert.deepEqual(patterns.map((pattern) => [pattern.template, pattern.count]), [["a new life", 1]]);
  const done = await until("it is finished", async () => {
    const receipt = await it.receipt(id);
    return receipt.state === "finished" && receipt;
  }, { within: 240_000 });
  assert.ok(done.finished_at_ms > done.requested_at_ms);
  assert.equal(done.erased.objects.records, 4);
  assert.deepEqual(await it.messages("cart"), ["a new life"], "the second sweep leaves the new life alone");
  await until("D1 has the new life", async () => (await it.count("record", "cart")) === 1 && (await it.count("pattern", "cart")) === 1);
  const audit = (await it.request("GET", "/api/audit")).json.entries.filter((entry) => entry.action.startsWith("erase."));
  assert.deepEqual(audit.map((entry) => [entry.action, entry.detail]), [
    ["erase.finished", `${id}: component cart`],
    ["erase.requested", `${id}: component cart`],
  ]);
});

test("nothing is erased that was not named twice, is not there, or by somebody who may not", async () => {
  const it = await inDomain("refused");
  await it.send(error("cart", "stays"));
  for (const query of [{}, { confirm: "true" }, { confirm: "shop" }, { confirm: "cart", force: "1" }]) {
    const reply = await it.erase("components/cart", query);
    assert.deepEqual([reply.status, reply.json.code], [400, "invalid_query"], reply.text);
  }
  const unknown = await it.erase("components/nowhere", { confirm: "nowhere" });
  assert.deepEqual([unknown.status, unknown.json.code], [404, "not_found"], unknown.text);
  assert.match(unknown.json.detail, /nowhere/);
  assert.equal((await it.erase("components/nowhere", { dry_run: "true" })).status, 404);
  assert.equal((await it.request("GET", "/api/erasures/er_0")).status, 404);
  const foreign = await it.erase("domains/other.example", { confirm: "other.example" });
  assert.deepEqual([foreign.status, foreign.json.code], [403, "forbidden_domain"], foreign.text);
  const keys = [
    await service.key(["ingest", "read"], { domain: it.domain }),
    await service.key(["ingest", "read"], { domain: it.domain, component: "cart" }),
  ];
  for (const key of keys) {
    assert.equal((await it.erase("components/cart", { confirm: "cart" }, key)).status, 403);
    assert.equal((await it.erase(`domains/${it.domain}`, { confirm: it.domain }, key)).status, 403);
    assert.equal((await it.erase("logs", { user: "u", confirm: "u" }, key)).status, 403);
    assert.equal((await service.request("GET", "/api/erasures", { key })).status, 403);
  }
  const other = await inDomain("elsewhere");
  assert.equal((await other.erase("components/cart", { confirm: "cart" })).status, 404, "another domain's is not there");
  assert.equal((await it.erase("logs", { confirm: "bob" })).status, 400, "whose?");
  assert.equal((await it.erase("logs", { user: "bob" })).status, 400);
  assert.equal((await it.erase("logs", { user: "bob", confirm: "alice" })).status, 400);
  assert.equal((await it.erase("logs", { user: "bob", component: "nowhere", confirm: "bob" })).status, 404);
  assert.deepEqual(await it.messages(), ["stays"]);
  assert.deepEqual((await it.request("GET", "/api/erasures")).json.erasures, []);
});

test("a domain leaves every tier; its keys, revocations and receipts stay", async () => {
  const it = await inDomain("whole");
  const neighbour = await inDomain("neighbour");
  await neighbour.send(error("cart", "not ours"));
  await it.send(error("cart", "one"), error("shop", "two"), { message: "three" });
  const taken = await service.keyWithId(["ingest"], { domain: it.domain });
  assert.equal((await it.request("DELETE", `/api/keys/${taken.id}`)).status, 200);
  assert.equal((await it.request("PUT", "/api/config", { json: { RETENTION_DAYS: "7" } })).status, 200);
  await until("D1 has it", async () => (await it.count("record")) >= 2);
  const reply = await it.erase(`domains/${it.domain}`, { confirm: it.domain });
  assert.equal(reply.status, 202, reply.text);
  assert.deepEqual([reply.json.erased.objects.records, reply.json.erased.domain.settings], [3, 1], reply.text);
  assert.deepEqual([await it.components(), await it.messages()], [[], []]);
  for (const table of TABLES) assert.equal(await it.count(table), 0, `${table} has nothing of it`);
  const settings = (await it.request("GET", "/api/config")).json.settings;
  assert.equal(settings.find((setting) => setting.key === "RETENTION_DAYS").source === "domain override", false);
  const refused = await service.request("POST", "/api/logs", { key: taken.key, json: { message: "no" } });
  assert.deepEqual([refused.status, refused.json.code], [401, "key_revoked"], "a revoked key stays revoked");
  await it.send(error("cart", "anew"));
  assert.deepEqual(await it.messages(), ["anew"]);
  assert.deepEqual(await neighbour.messages(), ["not ours"]);
  const retried = await it.erase(`domains/${it.domain}`, { dry_run: "true" });
  assert.deepEqual([retried.json.records, retried.json.erases], [1, "the domain"]);
});

test("an erasure that dies on the way is carried out to its end, and its receipt holds what it counted", async () => {
  const it = await inDomain("killed");
  const count = 400;
  await it.send(...Array.from({ length: count }, (_, n) => error("cart", `line ${n}`)));
  await it.send(error("shop", "stays"));
  const asked = it.erase("components/cart", { confirm: "cart" }).catch(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  await service.kill9();
  await asked;
  await service.restart();
  // Whoever did not hear asks again; whether the first request was heard is chance, the end is not.
  const reply = await it.erase("components/cart", { confirm: "cart" });
  assert.ok([200, 202].includes(reply.status), reply.text);
  await until("the objects are erased", async () => (await it.receipt(reply.json.id)).waiting_for === undefined, { within: 60_000 });
  assert.equal((await it.receipt(reply.json.id)).erased.objects.records, count, "counted before the first step");
  await it.send(error("cart", "anew"));
  await service.kill9();
  await service.restart();
  assert.deepEqual((await it.messages()).sort(), ["anew", "stays"]);
});

test("what one user left behind leaves every tier, and counts stay", async () => {
  const it = await inDomain("user");
  const of = (user, number) => error("cart", `payment of ${user} number ${number} failed`, { user_id: user, id: `${user}-${number}` });
  await it.send(...[1, 2, 3].flatMap((number) => [of("bob-marker", number), of("alice", number)]));
  await it.send({ ...error("shop", "words that only bob-marker ever wrote"), user_id: "bob-marker" });
  await it.send({ ...error("shop", "shop is empty"), user_id: "alice" });
  await until("D1 has them", async () => (await it.count("record")) === 8);
  await until("told", async () => (await it.request("GET", "/api/alerts")).text.includes("bob-marker"));
  const summary = async () => {
    const reply = (await it.request("GET", "/api/logs/analytics/summary")).json;
    return [reply.total, JSON.stringify(reply.levels ?? reply.by_level)];
  };
  const before = await summary();
  const kept = (await it.request("GET", "/api/logs/search?q=alice")).json.records.map((record) => record.id).sort();

  const dry = await it.erase("logs", { user: "bob-marker", dry_run: "true" });
  assert.deepEqual([dry.status, dry.json.records, dry.json.complete], [200, 4, true], dry.text);
  assert.equal((await it.messages()).length, 8, "a dry run erases nothing");
  const reply = await it.erase("logs", { user: "bob-marker", confirm: "bob-marker" });
  assert.equal(reply.status, 202, reply.text);
  assert.equal(reply.json.erased.objects.records, 4, reply.text);
  assert.equal(reply.json.erased.copies["d1.record"], 4, reply.text);
  assert.ok(reply.json.erased.objects.exemplars >= 4 && reply.json.erased.domain.exemplars_of_alerts >= 1, reply.text);
  assert.match(reply.json.erases, /^user sha256:[0-9a-f]{16}$/);

  const everything = async () =>
    Promise.all(
      ["/api/logs/search?limit=1000", "/api/logs/analytics/patterns?variables=true", "/api/alerts", "/api/incidents", "/api/audit", "/api/erasures"].map(
        async (route) => (await it.request("GET", route)).text,
      ),
    );
  assert.ok(!(await everything()).join().includes("bob-marker"), (await everything()).filter((text) => text.includes("bob-marker")).join());
  assert.equal((await it.request("GET", "/api/logs/bob-marker-1")).status, 404);
  assert.equal((await it.messages()).length, 4);
  assert.deepEqual((await it.request("GET", "/api/logs/search?q=alice")).json.records.map((record) => record.id).sort(), kept);
  for (const id of kept) assert.equal((await it.request("GET", `/api/logs/${id}`)).status, 200, "neighbours keep their ids");
  assert.deepEqual(await summary(), before, "counts stay");
  const dump = async () =>
    JSON.stringify(await Promise.all(TABLES.map(async (table) => (await (await service.d1()).prepare(`SELECT * FROM ${table} WHERE domain = ?`).bind(it.domain).all()).results)));
  await until("D1 has nothing of them", async () => !(await dump()).includes("bob-marker"));
  const again = await it.request("POST", "/api/logs", { json: [of("bob-marker", 1)] });
  assert.deepEqual([again.json.accepted, again.json.duplicate], [0, 1], "a retry does not bring back what was erased");
  await service.kill9();
  await service.restart();
  assert.equal((await it.messages()).length, 4);
  assert.ok(!(await everything()).join().includes("bob-marker"));
});

test("what a user sends while an erasure goes on stays, and keeps its copy in D1", async () => {
  const it = await inDomain("meanwhile");
  const of = (user, component, id) => error(component, `payment of ${user} failed`, { user_id: user, id });
  await it.send(of("bob", "cart", "before-1"), of("bob", "shop", "before-2"), of("alice", "cart", "hers"));
  const copies = async () => {
    const rows = (await service.d1()).prepare("SELECT id FROM record WHERE domain = ? ORDER BY id").bind(it.domain).all();
    return (await rows).results.map((row) => row.id).join();
  };
  await until("D1 has them", async () => (await copies()) === "before-1,before-2,hers");
  const reply = await it.erase("logs", { user: "bob", confirm: "bob" });
  assert.deepEqual([reply.status, reply.json.stage, reply.json.erased.objects.records], [202, "settling", 2], reply.text);
  // In components that are in the plan, and in one that is not.
  await it.send(of("bob", "cart", "meanwhile-1"), of("bob", "shop", "meanwhile-2"), of("bob", "new", "meanwhile-3"));
  const expected = "hers,meanwhile-1,meanwhile-2,meanwhile-3";
  await until("D1 has what came meanwhile", async () => (await copies()) === expected, { within: 50_000 });
  assert.equal((await it.receipt(reply.json.id)).stage, "settling", "the second sweep is still to come");
  await service.kill9();
  await service.restart();
  const done = await until("it is finished", async () => {
    const receipt = await it.receipt(reply.json.id);
    return receipt.state === "finished" && receipt;
  }, { within: 240_000 });
  assert.equal(done.erased.copies["d1.record"], 2, JSON.stringify(done));
  assert.equal(await copies(), expected);
  assert.equal((await it.messages()).length, 4);
});

test("the bytes are gone from the disk", async () => {
  const it = await inDomain("bytes");
  const secret = `unmistakable-${Date.now()}`;
  await it.send(...Array.from({ length: 50 }, (_, n) => error("cart", `${secret} ${n} ${"x".repeat(n)}`)), error("shop", "stays"));
  const holding = () => service.sqliteFiles("StreamObject").filter((file) => readFileSync(file).includes(secret));
  assert.ok(holding().length > 0, "it can be seen while it is there");
  const reply = await it.erase("components/cart", { confirm: "cart" });
  assert.equal(reply.json.erased.objects.records, 50, reply.text);
  assert.deepEqual(holding(), []);
  assert.deepEqual(await it.messages(), ["stays"]);
});
