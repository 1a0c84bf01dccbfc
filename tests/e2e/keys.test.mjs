// Credentials: every kind that opens a door, how far it opens it, and how it is taken back.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { before, test } from "node:test";

import { startWorker, until } from "./harness.mjs";

const SERVICE_KEY = `shared-${randomBytes(24).toString("base64url")}`;
let service;

before(async () => {
  service = await startWorker({ secrets: { X_SERVICE_KEY: SERVICE_KEY }, vars: { SERVICE_DOMAIN: "siblings.example" } });
});

const line = (more = {}) => ({ level: "info", component: "web", message: "hello", ...more });
const ingest = (key, json = line(), headers = {}) => service.request("POST", "/api/logs", { key, json, headers });
const read = (key, headers = {}) => service.request("GET", "/api/logs/search", { key, headers });

/** A token as the auth service makes it. */
function token(claims, { secret = service.secrets.AUTH_JWT_SECRET, header = { alg: "HS256", typ: "JWT" } } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part(header)}.${part({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
const bearer = (text) => ({ Authorization: `Bearer ${text}` });

test("a key is made, listed without itself, and revoked: intake and reading refuse it", async () => {
  const domain = "lifecycle.example";
  const admin = await service.key(["admin"], { domain });
  const made = await service.request("POST", "/api/keys", { key: admin, json: { name: "shop", scopes: ["ingest", "read"] } });
  assert.equal(made.status, 201, made.text);
  const { key, id } = made.json;
  assert.match(key, /^sw_[\w-]{40,}$/);
  assert.equal((await ingest(key)).status, 202);
  assert.equal((await read(key)).status, 200);

  const listed = await service.request("GET", "/api/keys", { key: admin });
  assert.equal(listed.status, 200, listed.text);
  const entry = listed.json.keys.find((known) => known.id === id);
  assert.deepEqual([entry.name, entry.scopes], ["shop", ["ingest", "read"]]);
  assert.ok(!listed.text.includes(key) && !listed.text.includes(key.slice(3, 40)), "a key is shown once, when it is made");

  const revoked = await service.request("DELETE", `/api/keys/${id}`, { key: admin });
  assert.deepEqual([revoked.status, revoked.json], [200, { id, revoked: true }]);
  const refused = await ingest(key);
  assert.deepEqual([refused.status, refused.json?.code], [401, "key_revoked"], "at once, not when some cache has noticed");
  const unread = await read(key);
  assert.equal(unread.status, 401, unread.text);
  const after = await service.request("GET", "/api/keys", { key: admin });
  assert.ok(after.json.keys.find((known) => known.id === id).revoked_at_ms > 0);
  assert.equal((await service.request("DELETE", "/api/keys/AAAAAAAAAAAA", { key: admin })).status, 404);
});

test("a revoked key stays refused after kill -9 and a restart, and at a component that it never met", async () => {
  const domain = "revoked.example";
  const admin = await service.key(["admin", "ingest"], { domain });
  const { key, id } = await service.keyWithId(["ingest"], { domain });
  assert.equal((await ingest(key, line({ component: "known" }))).status, 202);
  await service.request("DELETE", `/api/keys/${id}`, { key: admin });
  await service.kill9();
  await service.restart();
  assert.equal((await ingest(key, line({ component: "known" }))).status, 401);
  assert.equal((await ingest(key, line({ component: "unknown" }))).status, 401);
  assert.equal((await ingest(admin)).status, 202, "others go on");
});

test("each scope opens its own doors and no other", async () => {
  const domain = "scopes.example";
  const doors = {
    ingest: [["POST", "/api/logs", line()], ["POST", "/api/logs/store", line()], ["POST", "/api/logs/batch", { logs: [line()] }], ["POST", "/logs", { severity: "info", message: "x" }]],
    read: [["GET", "/api/logs/search"], ["GET", "/api/logs/analytics/summary"], ["GET", "/api/logs/analytics/patterns"], ["GET", "/api/logs/patterns/lessons"], ["GET", "/api/components"], ["GET", "/api/incidents"], ["GET", "/api/alerts"], ["GET", "/metrics"]],
    admin: [["GET", "/api/keys"], ["POST", "/api/keys", { name: "n", scopes: ["read"] }], ["GET", "/api/config"], ["PUT", "/api/config", {}], ["GET", "/api/audit"], ["POST", "/api/admin/rebuild-d1"], ["POST", "/api/logs/patterns/learn", { kind: "template", template: "a <*> of scopes" }], ["DELETE", "/api/logs/patterns/lessons/1"]],
  };
  for (const scope of Object.keys(doors)) {
    const key = await service.key([scope], { domain });
    for (const [needed, routes] of Object.entries(doors)) {
      for (const [method, path, json] of routes) {
        const reply = await service.request(method, path, { key, json });
        const opened = reply.status < 400;
        assert.equal(opened, needed === scope, `${scope} at ${method} ${path}: ${reply.status} ${reply.text.slice(0, 200)}`);
        if (!opened && path !== "/logs") assert.deepEqual([reply.status, reply.json.code], [403, "forbidden_scope"], path);
      }
    }
  }
});

test("nobody gives a key more than they have, or one that means nothing", async () => {
  const domain = "making.example";
  const admin = await service.key(["admin"], { domain });
  for (const json of [{ name: "x", scopes: [] }, { name: "x", scopes: ["everything"] }, { name: "x" }, { scopes: ["read"], name: 7 }, { name: "x", scopes: ["ingest"], component: "a|b" }, []]) {
    const reply = await service.request("POST", "/api/keys", { key: admin, json });
    assert.equal(reply.status, 400, `${JSON.stringify(json)}: ${reply.text}`);
  }
});

test("a key bound to a component writes and reads that one only", async () => {
  const domain = "bound.example";
  const whole = await service.key(["ingest", "read"], { domain });
  const bound = await service.key(["ingest", "read"], { domain, component: "till" });
  assert.equal((await ingest(whole, line({ component: "web", message: "of the web" }))).status, 202);
  // The address is the key's; what the record calls itself stays a field of it.
  assert.equal((await ingest(bound, line({ component: "web", message: "of the till" }))).status, 202);
  const all = await read(whole);
  assert.deepEqual(all.json.records.map((record) => [record.component, record.message]).sort(), [["till", "of the till"], ["web", "of the web"]]);
  const own = await read(bound);
  assert.deepEqual(own.json.records.map((record) => record.message), ["of the till"]);
  const foreign = all.json.records.find((record) => record.component === "web");
  const opened = await service.request("GET", `/api/logs/${encodeURIComponent(foreign.id)}`, { key: bound });
  assert.ok([403, 404].includes(opened.status), `${opened.status}`);
  const asked = await service.request("GET", "/api/logs/search?component=web", { key: bound });
  assert.ok(asked.status === 403 || asked.json.records.length === 0, asked.text);
  for (const path of ["/api/logs/analytics/patterns", "/api/components", "/api/incidents", "/api/logs/analytics/summary"]) {
    const reply = await service.request("GET", path, { key: bound });
    assert.ok(reply.status === 403 || !reply.text.includes("of the web"), path);
  }
});

test("a forged, altered or cut key opens nothing, and the reply holds nothing of it", async () => {
  const key = await service.key(["read"], { domain: "forged.example" });
  const bytes = Buffer.from(key.slice(3), "base64url");
  const flipped = (at) => `sw_${Buffer.from(bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))).toString("base64url")}`;
  const forgeries = [flipped(0), flipped(5), flipped(10), flipped(12), flipped(bytes.length - 1), key.slice(0, -4), `${key}A`, `${key}==`, "sw_", "sw_AAAA", "nonsense", "undefined", service.secrets.KEY_SIGNING_SECRET];
  for (const forgery of forgeries) {
    const reply = await read(forgery);
    assert.equal(reply.status, 401, forgery);
    assert.equal(reply.headers.get("www-authenticate"), "Bearer");
    assert.ok(forgery.length < 12 || !reply.text.includes(forgery), "a credential is not echoed");
  }
  assert.equal((await read(key)).status, 200);
  assert.equal((await service.request("GET", "/api/logs/search", { headers: bearer(key) })).status, 200, "as a Bearer token too");
  assert.equal((await read(key, { "X-Sapwood-Domain": "other.example" })).status, 403);
  assert.equal((await service.request("GET", `/api/logs/search?api_key=${key}`)).status, 401, "never from the query");
  assert.equal((await service.request("GET", "/api/logs/search", { headers: { Cookie: `token=${key}` } })).status, 401, "never from a cookie");
});

test("keys outlive a rotation of their signing secret for as long as the old one is named", async () => {
  const rotating = await startWorker();
  const first = rotating.secrets.KEY_SIGNING_SECRET;
  const old = await rotating.key(["read"], { domain: "rotate.example" });
  const search = (key) => rotating.request("GET", "/api/logs/search", { key });
  assert.equal((await search(old)).status, 200);
  const second = randomBytes(32).toString("base64url");
  await rotating.restart({ secrets: { KEY_SIGNING_SECRET: second, KEY_SIGNING_SECRET_PREVIOUS: first } });
  assert.equal((await search(old)).status, 200, "the old secret still verifies");
  const fresh = await rotating.key(["read"], { domain: "rotate.example" });
  assert.equal((await search(fresh)).status, 200);
  await rotating.restart({ secrets: { KEY_SIGNING_SECRET_PREVIOUS: undefined } });
  assert.equal((await search(old)).status, 401, "rotated out");
  assert.equal((await search(fresh)).status, 200, "the new secret signs");
});

test("a user's token opens what its claims say, and nothing once it is forged, stale or of another algorithm", async () => {
  const domain = "tokens.example";
  const whole = await service.key(["ingest", "read"], { domain });
  await ingest(whole, line({ message: "by the shop" }));
  const search = (claims, options) => service.request("GET", "/api/logs/search", { headers: bearer(token({ sub: "u-1", domains: [domain], ...claims }, options)) });
  const status = async (claims, options) => (await search(claims, options)).status;

  assert.equal(await status({ permissions: ["logs:read"] }), 200);
  assert.equal(await status({ role: "admin" }), 200);
  assert.equal(await status({ permissions: ["logs:write"] }), 403);
  assert.equal(await status({ sub: undefined, userId: "u-1", permissions: ["logs:read"] }), 200, "the siblings' spellings");
  assert.equal(await status({ sub: undefined, user: { id: "u-1", role: "admin" } }), 200);
  const seconds = Math.floor(Date.now() / 1000);
  assert.equal(await status({ exp: seconds - 3600 }), 401);
  assert.equal(await status({ exp: undefined }), 401, "a token without an end cannot be taken back");
  assert.equal(await status({ nbf: seconds + 3600 }), 401);
  assert.equal(await status({ domains: undefined }), 403);
  assert.equal(await status({ domains: ["other.example"], permissions: ["logs:read"] }), 200, "another domain's user sees that domain");
  assert.equal(await status({}, { secret: "guessed" }), 401);
  assert.equal(await status({}, { header: { alg: "none" } }), 401);
  assert.equal(await status({}, { header: { alg: "HS512" } }), 401);
  const unsigned = token({ sub: "u-1", domains: [domain], role: "admin" }).replace(/[^.]*$/, "");
  assert.equal((await service.request("GET", "/api/logs/search", { headers: bearer(unsigned) })).status, 401);

  // A plain user writes what their browser logs and reads that back, and nothing of anybody else.
  const plain = bearer(token({ sub: "u-7", domains: [domain] }));
  const wrote = await service.request("POST", "/api/logs", { headers: plain, json: line({ message: "from my browser", user_id: "u-somebody-else" }) });
  assert.equal(wrote.status, 202, wrote.text);
  const own = await service.request("GET", "/api/logs/search", { headers: plain });
  assert.equal(own.status, 200, own.text);
  assert.ok(own.json.records.every((record) => record.user_id === "u-7"), own.text);
  assert.ok(!own.text.includes("by the shop"));
  assert.equal((await service.request("GET", "/api/keys", { headers: plain })).status, 403);
  for (const path of ["/api/logs/analytics/patterns", "/api/incidents", "/api/alerts", "/metrics"]) {
    const reply = await service.request("GET", path, { headers: plain });
    assert.ok(reply.status === 403 || !reply.text.includes("by the shop"), `${path}: ${reply.status}`);
  }
});

test("JWT_SECRET is taken in the place of AUTH_JWT_SECRET", async () => {
  const secret = randomBytes(32).toString("base64url");
  const other = await startWorker({ secrets: { AUTH_JWT_SECRET: undefined, JWT_SECRET: secret } });
  const text = token({ sub: "u", role: "admin", domains: ["a.example"] }, { secret });
  const reply = await other.request("GET", "/api/logs/search", { headers: bearer(text) });
  assert.equal(reply.status, 200, reply.text);
});

test("a sibling's shared key writes and reads the service domain, as the component that it names", async () => {
  const headers = { "X-Service-Key": SERVICE_KEY, "X-Service-Name": "content-store" };
  const wrote = await service.request("POST", "/api/logs", { headers, json: { level: "info", message: "indexed 12 files" } });
  assert.equal(wrote.status, 202, wrote.text);
  const found = await service.request("GET", "/api/logs/search", { headers });
  assert.equal(found.status, 200, found.text);
  assert.deepEqual(found.json.records.map((record) => [record.domain, record.component]), [["siblings.example", "content-store"]]);
  assert.equal((await service.request("GET", "/api/keys", { headers })).status, 403, "it administers nothing");
  assert.equal((await service.request("GET", "/api/logs/search", { headers: { "X-Service-Key": `${SERVICE_KEY}x` } })).status, 401);
  assert.equal((await service.request("GET", "/api/logs/search", { headers: { ...headers, "X-Sapwood-Domain": "other.example" } })).status, 403);
});

test("the operator's key is good everywhere and must say where", async () => {
  const key = service.secrets.API_KEY;
  const nowhere = await service.request("GET", "/api/keys", { key });
  assert.equal(nowhere.status, 400, nowhere.text);
  assert.match(nowhere.text, /X-Sapwood-Domain/);
  assert.equal((await service.request("GET", "/api/keys", { key, headers: { "X-Sapwood-Domain": "anywhere.example" } })).status, 200);
  assert.equal((await service.request("GET", "/api/keys", { key, headers: { "X-Sapwood-Domain": "not a host" } })).status, 400);
});

test("every call that administers leaves an entry in the audit log: who, what, on what", async () => {
  const domain = "audit.example";
  const { key: admin, id: actor } = await service.keyWithId(["admin"], { domain, name: "root" });
  const made = (await service.request("POST", "/api/keys", { key: admin, json: { name: "made", scopes: ["ingest"] } })).json;
  await service.request("DELETE", `/api/keys/${made.id}`, { key: admin });
  await service.request("PUT", "/api/config", { key: admin, json: { RETENTION_DAYS: "7" } });
  await service.request("POST", "/api/admin/rebuild-d1", { key: admin });
  const audit = async () => {
    const reply = await service.request("GET", "/api/audit", { key: admin });
    assert.equal(reply.status, 200, reply.text);
    return reply.json.entries;
  };
  const entries = await until("the four are there", async () => (await audit()).filter((entry) => entry.actor === actor).length >= 4 && (await audit()));
  const own = entries.filter((entry) => entry.actor === actor).reverse();
  assert.deepEqual(own.map((entry) => entry.action), ["key.created", "key.revoked", "config.changed", "d1.rebuild"]);
  assert.ok(own[0].detail.includes(made.id) && own[1].detail.includes(made.id));
  assert.match(own[2].detail, /RETENTION_DAYS/);
  assert.ok(entries.some((entry) => entry.actor === "operator" && entry.action === "key.created" && entry.detail.includes(actor)));
  assert.ok(entries.every((entry) => entry.at_ms > Date.now() - 60_000 && !JSON.stringify(entry).includes("sw_")), "no key is in the log");
});

test("without its secrets the service refuses to work, and names keys, never values", async () => {
  const stuttering = "x".repeat(40);
  const bare = await startWorker({ secrets: { KEY_SIGNING_SECRET: undefined, AUTH_JWT_SECRET: stuttering }, vars: { NO_SUCH_NAME: "v4lue-of-nothing", MAX_LOG_SIZE: "huge" } });
  for (const [method, path] of [["POST", "/api/logs"], ["GET", "/api/logs/search"], ["GET", "/metrics"], ["GET", "/health"]]) {
    const reply = await bare.request(method, path, { key: bare.secrets.API_KEY, ...(method === "POST" && { json: line() }) });
    assert.equal(reply.status, 503, `${path}: ${reply.text}`);
    for (const name of ["KEY_SIGNING_SECRET", "AUTH_JWT_SECRET", "NO_SUCH_NAME", "MAX_LOG_SIZE"]) assert.ok(reply.text.includes(name), `${path} names ${name}: ${reply.text}`);
    for (const value of [stuttering, "v4lue-of-nothing", bare.secrets.API_KEY]) assert.ok(!reply.text.includes(value), `${path} shows a value`);
  }
  assert.ok(!bare.logs.join("\n").includes(stuttering));
  await bare.restart({ secrets: { KEY_SIGNING_SECRET: randomBytes(32).toString("base64url"), AUTH_JWT_SECRET: undefined }, vars: {} });
  assert.equal((await bare.request("GET", "/health")).status, 200, "cured by configuration alone");
});
