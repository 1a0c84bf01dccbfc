// Secrets that arrive in log lines: none is stored, shown or sent, whatever field, case, nesting or door it came through.
//
// Every secret is made here from random bytes, so that a find is a leak and nothing else. They are sent through all
// doors in all fields; then everything that the service keeps or says is searched for each of them and for its encoded
// forms: the bytes of every file of its state, every reply, every frame, every body that left it.
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { gzipSync } from "node:zlib";

import WebSocket from "ws";

import { startReceiver, startWorker, until } from "./harness.mjs";

const domain = "vault.example";
let service, key, webhook, slack, dataService, socket;
const frames = [];
const replies = [];

// ---- the secrets ----------------------------------------------------------------------------------------------------------

const random = (length) => randomBytes(length).toString("base64url").replaceAll(/[-_]/g, "q").slice(0, length);
const digits = (length) => Array.from({ length }, () => randomInt(10)).join("");

function luhn(number) {
  const sum = [...number].reverse().reduce((total, digit, at) => {
    const value = Number(digit) * (at % 2 === 1 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function card() {
  const start = `4${digits(14)}`;
  return Array.from({ length: 10 }, (_, last) => start + last).find(luhn);
}

function jwt() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: random(12), email: `${random(8)}@people.example`, exp: 1_900_000_000 })}`;
  return `${signed}.${createHmac("sha256", random(8)).update(signed).digest("base64url")}`;
}

const grouped = (number, by) => number.match(/.{4}/g).join(by);
const pem = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" });

/** Secrets with a shape of their own: `[name, text to send, what must not be found]`. */
function shaped() {
  const cards = [card(), card(), card()];
  const keyText = pem();
  const token = jwt();
  const made = [
    ["bearer", (text) => `Authorization: Bearer ${text}`, random(40)],
    ["basic", (text) => `Authorization: Basic ${text}`, Buffer.from(`admin:${random(20)}`).toString("base64")],
    ["github", (text) => text, `ghp_${random(36)}`],
    ["stripe", (text) => text, `sk_live_${random(24)}`],
    ["aws", (text) => text, `AKIA${random(16).toUpperCase()}`],
    ["slack", (text) => text, `xoxb-${digits(12)}-${random(24)}`],
    ["openai", (text) => text, `sk-${random(47)}1`],
    ["webhook", (text) => text, `whsec_${randomBytes(24).toString("base64")}`],
    ["url", (text) => `postgres://app:${text}@db.internal:5432/shop`, random(22)],
    ["query", (text) => `GET /cb?access_token=${text}&state=1`, random(30)],
    ["assignment", (text) => `login failed password=${text} for bob`, random(18)],
    ["json in text", (text) => `body was {"client_secret":"${text}","ok":true}`, random(26)],
    ["email", (text) => `mail for ${text} bounced`, `${random(10).toLowerCase()}@people.example`],
  ].map(([name, wrap, secret]) => ({ name, text: wrap(secret), needles: [secret] }));
  return [
    ...made,
    { name: "jwt", text: `token was ${token}`, needles: token.split(".").slice(1) },
    { name: "card", text: `paid with ${cards[0]} today`, needles: [cards[0]] },
    { name: "card with spaces", text: `paid with ${grouped(cards[1], " ")} today`, needles: [cards[1], grouped(cards[1], " ")] },
    { name: "card with dashes", text: `paid with ${grouped(cards[2], "-")} today`, needles: [cards[2], grouped(cards[2], "-")] },
    { name: "private key", text: `loaded ${keyText}`, needles: keyText.split("\n").slice(1, -2) },
  ];
}

const planted = [];
function plant(secrets) {
  planted.push(...secrets);
  return secrets;
}

/** The forms in which a secret may hide: as it is, escaped, and inside base64 at each of the three alignments. */
function forms(secret) {
  const found = new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), secret.replaceAll("/", "\\/")]);
  for (const before of ["", "a", "ab"]) {
    const whole = Buffer.from(before + secret).toString("base64");
    // Characters that also hold bits of the neighbours are left out at both ends.
    const inner = whole.slice(before.length === 0 ? 0 : before.length + 1, Math.floor(((before.length + secret.length) * 8) / 6)).replaceAll("=", "");
    if (inner.length >= 8) found.add(inner);
  }
  return [...found].map((form) => Buffer.from(form));
}

function leaks(place, bytes) {
  const haystack = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
  const found = [];
  for (const { name, needles } of planted) {
    for (const needle of needles) {
      for (const form of forms(needle)) if (haystack.includes(form)) found.push(`${name} in ${place}: ${form.toString().slice(0, 60)}`);
    }
  }
  return found;
}

// ---- the doors ------------------------------------------------------------------------------------------------------------

async function post(route, { json, body, headers = {} }) {
  const reply = await service.request("POST", route, { key, json, body, headers });
  replies.push([`reply of ${route}`, `${reply.text}\n${[...reply.headers].flat().join("\n")}`]);
  return reply;
}

/** A record with the text in every field that takes one. */
const everywhere = (text) => ({
  id: undefined, level: "error", component: "vault", message: `m ${text}`, message_template: `t ${text}`, user_id: text, session_id: text, request_id: text,
  endpoint: `/a/${text}`, error_code: text, feature: text, workflow: text, release: text, user_agent: `agent ${text}`, tags: [text, `x ${text}`],
  stack_trace: `Error: ${text}\n    at f (/app/a.js:1:2)\n    at ${text} (/app/b.js:3:4)`, context: { url: `https://a.example/${text}`, method: "GET", [text]: text },
  attributes: { note: text, deep: { er: [{ and: [text, { [text]: 1 }] }] } }, unknown_field: text, [`x ${text}`]: "as a name",
});
const single = () => Object.keys(everywhere("x")).filter((name) => name !== "id" && name !== "message" && name !== "level" && name !== "component");

before(async () => {
  [webhook, slack, dataService] = await Promise.all([startReceiver(), startReceiver(), startReceiver()]);
  service = await startWorker({
    vars: {
      STORAGE_MODE: "hybrid", FLUSH_INTERVAL: "200ms", ALERT_GROUP_WINDOW: "0ms", REDACT_NAMES: "patient_number",
      WEBHOOK_URL: webhook.url, SLACK_WEBHOOK_URL: `${slack.url}/slack`, DATA_SERVICE_URL: dataService.url,
    },
    secrets: { DATA_SERVICE_API_KEY: `ds-${random(30)}` },
  });
  key = await service.key(["ingest", "read", "admin"], { domain });
  socket = new WebSocket(`${service.url.replace(/^http/, "ws")}/api/logs/tail`, { headers: { "X-API-Key": key } });
  socket.on("message", (data) => frames.push(data.toString()));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  await until("the tail is served", async () => {
    await post("/api/logs", { json: { level: "info", component: "vault", message: "a mark" } });
    return frames.length > 0;
  }, { every: 50 });
});

test("secrets of every shape in every field are taken in through every door", async () => {
  // All fields at once; then each field alone, since one field may hide what another shows.
  const records = shaped().map((secret) => everywhere(plant([secret])[0].text));
  const own = await service.key(["ingest"], { domain: "elsewhere.example" });
  const [ours] = plant([{ name: "our own key", text: `key is ${own}`, needles: [own] }]);
  records.push(everywhere(ours.text));
  const reply = await post("/api/logs", { json: records });
  assert.equal(reply.status, 202, reply.text);
  assert.ok(reply.json.accepted >= records.length - 2, `redacted and kept, not refused: ${reply.text}`);

  const fields = single();
  const alone = [];
  for (const secret of plant(shaped())) {
    const whole = everywhere(secret.text);
    for (const field of fields) alone.push({ level: "warn", component: "vault", message: `only in ${field.slice(0, 8)}`, [field.startsWith("x ") ? `x ${secret.text}` : field]: whole[field.startsWith("x ") ? `x ${secret.text}` : field] });
  }
  const lines = alone.map((record) => JSON.stringify(record)).join("\n");
  assert.equal((await post("/api/logs/batch", { body: lines, headers: { "Content-Type": "application/x-ndjson" } })).status, 202);

  const doors = [
    ["/api/logs", (text) => ({ json: { level: "error", message: text } })],
    ["/api/logs", (text) => ({ json: { logs: [{ level: "error", message: text, component: "vault" }] } })],
    ["/api/logs", (text) => ({ body: gzipSync(JSON.stringify([{ level: "error", message: text }])), headers: { "Content-Type": "application/json", "Content-Encoding": "gzip" } })],
    ["/api/logs/store", (text) => ({ json: { id: random(20), severity: "error", message: text, metadata: { text } } })],
    ["/logs", (text) => ({ json: { severity: "error", message: text, stackTrace: text, metadata: { text } } })],
  ];
  for (const [route, made] of doors) {
    for (const secret of plant(shaped())) {
      const taken = await post(route, made(secret.text));
      assert.ok([201, 202].includes(taken.status), `${route} ${secret.name}: ${taken.status} ${taken.text}`);
    }
  }
});

test("fields that are named like secrets lose their values with all below them, in any case and at any depth", async () => {
  const names = ["password", "PASSWORD", "Password", "db_password", "userPassword", "passwd", "apiKey", "API_KEY", "x-api-key", "X-Api-Key", "accessToken", "access_token", "refresh-token", "clientSecret", "CLIENT_SECRET", "authorization", "Cookie", "set-cookie", "private_key", "cvv", "patient_number", "PatientNumber"];
  const records = names.map((name) => {
    const values = Array.from({ length: 6 }, () => random(14));
    plant([{ name: `a value of ${name}`, needles: values }]);
    const [plain, inside, listed, deep, top, quoted] = values;
    return {
      level: "warn", component: "vault", message: `signed in, ${name}=${quoted}`, [name]: top,
      attributes: { [name]: plain, request: { headers: { [name]: { value: inside, more: [listed] } } }, list: [{ [name]: deep }] },
    };
  });
  const reply = await post("/api/logs", { json: records });
  assert.deepEqual([reply.status, reply.json.accepted], [202, records.length], reply.text);
  const names2 = await post("/logs", { json: { severity: "warn", message: "x", metadata: { PassWord: plant([{ name: "prototype metadata", needles: [random(16)] }])[0].needles[0] } } });
  assert.equal(names2.status, 201);
});

test("secrets inside other encodings are found there too", async () => {
  const names = ["percent-encoded", "JSON in JSON in text", "base64 of JSON", "percent-encoded header", "userinfo of a URL"];
  const made = plant(names.map((name) => ({ name, needles: [random(24)] }))).map((secret) => secret.needles[0]);
  const records = [
    `next=${encodeURIComponent(`https://a.example/?password=${made[0]}&x=1`)}`,
    JSON.stringify({ event: "login", body: JSON.stringify({ password: made[1], user: "bob" }) }),
    `payload ${Buffer.from(JSON.stringify({ user: "bob", password: made[2], note: "long enough to be looked at" })).toString("base64")}`,
    `header Authorization%3A%20Bearer%20${made[3]}`,
    `curl https://bob:${made[4]}@a.example/`,
  ].map((message) => ({ level: "warn", component: "vault", message }));
  const reply = await post("/api/logs", { json: records });
  assert.equal(reply.json.accepted, records.length, reply.text);
});

test("refusals do not repeat what was sent", async () => {
  const values = Array.from({ length: 8 }, () => `sk_live_${random(24)}`);
  plant([{ name: "in a refused request", needles: values }]);
  const [level, timestamp, broken, name, query, cursor, id, config] = values;
  await post("/api/logs", { json: [{ level, message: "x" }, { timestamp, message: "x" }, { message: { [name]: 1 } }] });
  await post("/api/logs", { body: `{"message":"${broken}`, headers: { "Content-Type": "application/json" } });
  await post("/logs", { json: { severity: level, message: broken } });
  for (const [method, route, json] of [
    ["GET", `/api/logs/search?${query}=1&level=${query}`],
    ["GET", `/api/logs/search?cursor=${cursor}`],
    ["GET", `/api/logs/${id}`],
    ["PUT", "/api/config", { WEBHOOK_SECRET: config, RETENTION_DAYS: config }],
  ]) {
    const reply = await service.request(method, route, { key, json });
    assert.ok(reply.status >= 400 && reply.status < 500, `${route}: ${reply.status}`);
    // What a caller puts into the address of a request is repeated to them alone; a body is not.
    if (method === "PUT") replies.push([`reply of ${route}`, reply.text]);
  }
});

test("clean ids, times and numbers lose nothing", async () => {
  const notCard = () => {
    for (;;) {
      const number = `4${digits(15)}`;
      if (!luhn(number)) return number;
    }
  };
  const messages = [
    "password_policy=strict was loaded", "unexpected token at position 12", "max_tokens=4096 temperature=0.7", "the token bucket was refilled", "secretary called, keyboard broken",
    "sk-loading-dots mounted", "authorization server is up", "bearer of bad news", "pin code pad on door 7", "commit 3f1c2d4e5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d", "nginx.service started", "see https://docs.example/a?page=2&sort=asc",
    ...Array.from({ length: 150 }, (_, index) => `${index} order ${notCard()} at ${1_700_000_000_000 + randomInt(1e9)}`),
    ...Array.from({ length: 150 }, (_, index) => `${index} trace ${randomBytes(16).toString("hex")} span ${randomBytes(8).toString("hex")}`),
    ...Array.from({ length: 150 }, (_, index) => `${index} id ${crypto.randomUUID()} took ${randomInt(1e6) / 1e3} ms from 10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`),
  ];
  const reply = await post("/api/logs", { json: messages.map((message) => ({ level: "info", component: "clean", message, request_id: crypto.randomUUID() })) });
  assert.equal(reply.json.accepted, messages.length, reply.text);
  const shown = [];
  let cursor = "";
  do {
    const page = await service.request("GET", `/api/logs/search?component=clean&limit=200&order=asc${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, { key });
    assert.equal(page.status, 200, page.text);
    shown.push(...page.json.records.map((record) => record.message));
    cursor = page.json.next_cursor;
  } while (cursor);
  assert.deepEqual(shown.sort(), messages.sort());
});

test("nothing that is stored, shown or sent holds any of them, in any form", async () => {
  const last = await post("/api/logs", { json: { level: "error", component: "vault-door", message: "the very last line of the vault" } });
  assert.equal(last.status, 202);
  const marks = [["the tail", () => frames], ["the webhook", () => webhook.requests.map((request) => request.body.toString())], ["Slack", () => slack.requests.map((request) => request.body.toString())], ["the data service", () => dataService.requests.map((request) => request.body.toString())]];
  for (const [where, said] of marks) await until(`${where} has the last line`, () => said().some((text) => text.includes("very last line")), { within: 20_000 });
  const database = await service.d1();
  await until("D1 has the last line", async () => (await database.prepare("SELECT count(*) AS n FROM record WHERE message LIKE '%very last line%'").first("n")) === 1, { within: 20_000 });

  const found = [];
  const look = (place, bytes) => found.push(...leaks(place, bytes));
  for (const [where, said] of marks) look(where, said().join("\n"));
  for (const [place, text] of replies) look(place, text);
  look("our own log", service.logs.join("\n"));

  let cursor = "";
  const ids = [];
  do {
    const page = await service.request("GET", `/api/logs/search?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, { key });
    assert.equal(page.status, 200, page.text);
    look("search", page.text);
    ids.push(...page.json.records.map((record) => record.id));
    cursor = page.json.next_cursor;
  } while (cursor);
  assert.ok(ids.length > 400, `${ids.length} records were searched`);
  for (const id of ids.filter((_, index) => index % 40 === 0)) look("a record", (await service.request("GET", `/api/logs/${encodeURIComponent(id)}`, { key })).text);
  for (const route of ["/api/logs/analytics/summary", "/api/logs/analytics/patterns", "/api/components", "/api/incidents", "/api/alerts", "/api/audit", "/api/keys", "/api/config", "/metrics", "/health"]) {
    const reply = await service.request("GET", route, { key });
    assert.equal(reply.status, 200, `${route}: ${reply.text.slice(0, 300)}`);
    look(route, reply.text);
  }

  await service.kill9();
  const files = readdirSync(service.state, { recursive: true }).map((name) => path.join(service.state, name)).filter((file) => statSync(file).isFile());
  assert.ok(files.some((file) => file.includes("/do/")) && files.some((file) => file.includes("/d1/")), "the state is where it is looked for");
  for (const file of files) look(path.relative(service.state, file), readFileSync(file));
  assert.deepEqual([...new Set(found)].slice(0, 40), [], `${found.length} leaks`);
});
