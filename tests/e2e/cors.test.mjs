// Pages of other origins: who may call, and that the browser lets them read the answer, also when it is a refusal.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { chromium, startWorker } from "./harness.mjs";

const ALLOWED = "https://app.allowed.example";
const domain = "cors.example";
let service, key;

before(async () => {
  service = await startWorker({ vars: { ALLOWED_ORIGINS: `${ALLOWED},https://*.wild.example` } });
  key = await service.key(["ingest", "read"], { domain });
});

const from = (origin, method, route, more = {}) => service.request(method, route, { key, ...more, headers: { Origin: origin, ...more.headers } });
const line = { level: "info", component: "web", message: "from a page" };

test("an allowed origin may read success and refusal alike", async () => {
  const replies = [
    [202, await from(ALLOWED, "POST", "/api/logs", { json: line })],
    [200, await from(ALLOWED, "GET", "/api/logs/search")],
    [400, await from(ALLOWED, "GET", "/api/logs/search?colour=red")],
    [400, await from(ALLOWED, "POST", "/api/logs", { body: "{", headers: { "Content-Type": "application/json" } })],
    [401, await from(ALLOWED, "GET", "/api/logs/search", { key: "sw_wrong" })],
    [403, await from(ALLOWED, "GET", "/api/keys")],
    [404, await from(ALLOWED, "GET", "/nowhere")],
    [405, await from(ALLOWED, "PATCH", "/api/logs")],
    [415, await from(ALLOWED, "POST", "/api/logs", { body: "x", headers: { "Content-Type": "image/png" } })],
    [201, await from(ALLOWED, "POST", "/logs", { json: { severity: "info", message: "x" } })],
    [400, await from(ALLOWED, "POST", "/logs", { json: { severity: "info" } })],
    [200, await from(ALLOWED, "GET", "/health")],
    [200, await from(ALLOWED, "GET", "/metrics")],
  ];
  for (const [status, reply] of replies) {
    assert.equal(reply.status, status, reply.text);
    assert.equal(reply.headers.get("access-control-allow-origin"), ALLOWED, `${status}: ${reply.text}`);
    assert.equal(reply.headers.get("access-control-allow-credentials"), "true");
    assert.match(reply.headers.get("vary"), /Origin/);
    assert.match(reply.headers.get("access-control-expose-headers"), /X-Request-ID/);
    assert.match(reply.headers.get("access-control-expose-headers"), /X-Error-ID/);
  }
});

test("a refused origin gets 403 for every method, no permission, and nothing is stored", async () => {
  for (const origin of ["https://evil.example", "http://app.allowed.example", "https://app.allowed.example:8443", "https://app.allowed.example.evil.example", "https://wild.example", "null"]) {
    for (const [method, route] of [["POST", "/api/logs"], ["GET", "/api/logs/search"], ["GET", "/health"], ["OPTIONS", "/api/logs"], ["DELETE", "/nowhere"]]) {
      const reply = await from(origin, method, route, method === "POST" ? { json: { ...line, message: "of a stranger" } } : {});
      assert.equal(reply.status, 403, `${origin} ${method} ${route}`);
      assert.equal(reply.headers.get("access-control-allow-origin"), null);
      assert.match(reply.headers.get("vary"), /Origin/, "or a cache would give one origin's answer to another");
      assert.equal(reply.json.code, "forbidden_origin");
    }
  }
  const prototype = await from("https://evil.example", "POST", "/logs", { json: line });
  assert.deepEqual([prototype.status, prototype.json.error.code], [403, "CORS_ERROR"]);
  const found = await service.request("GET", "/api/logs/search?q=stranger", { key });
  assert.equal(found.json.total, 0);
});

test("wildcards and a developer's own machine are let in, without credentials", async () => {
  for (const origin of ["https://a.wild.example", "https://a.b.wild.example", "http://localhost:5173", "http://127.0.0.1:9"]) {
    const reply = await from(origin, "GET", "/api/logs/search");
    assert.equal(reply.status, 200, origin);
    assert.equal(reply.headers.get("access-control-allow-origin"), origin);
    assert.equal(reply.headers.get("access-control-allow-credentials"), null);
  }
  const none = await service.request("GET", "/api/logs/search", { key });
  assert.equal(none.headers.get("access-control-allow-origin"), null, "no page, no permission");
});

test("a preflight says what may be sent, needs no key, and is remembered for a day", async () => {
  const ask = (method, headers) =>
    service.request("OPTIONS", "/api/logs", { headers: { Origin: ALLOWED, "Access-Control-Request-Method": method, ...(headers && { "Access-Control-Request-Headers": headers }) } });
  const reply = await ask("POST", "content-type,x-api-key,idempotency-key,x-my-own");
  assert.deepEqual([reply.status, reply.text], [204, ""]);
  assert.equal(reply.headers.get("access-control-allow-origin"), ALLOWED);
  assert.equal(reply.headers.get("access-control-max-age"), "86400");
  const list = (name) => reply.headers.get(name).toLowerCase().split(/,\s*/);
  for (const method of ["get", "post", "put", "delete"]) assert.ok(list("access-control-allow-methods").includes(method));
  for (const name of ["content-type", "content-encoding", "authorization", "x-api-key", "idempotency-key", "x-my-own"]) assert.ok(list("access-control-allow-headers").includes(name), name);
  assert.equal((await ask("TRACE")).status, 405);
  const hostile = await ask("POST", `x-ok,${"x-" + "a".repeat(3000)},x-bad header`);
  assert.ok(hostile.headers.get("access-control-allow-headers").length < 2_000);
});

// ---- a real browser -----------------------------------------------------------------------------------------------------

const profile = mkdtempSync(path.join(os.tmpdir(), "sapwood-chromium-"));
after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));

/** What `script` returns in a page on an origin of its own; the page tells it to the server that it came from. */
async function inBrowser(host, script) {
  // Before anything is opened: a machine without a browser is told so at once.
  const program = chromium();
  const page = `<!doctype html><script type="module">
    const url = ${JSON.stringify(service.url)}, key = ${JSON.stringify(key)};
    const say = (value) => fetch("/said", { method: "POST", body: JSON.stringify(value) });
    try { await say(await (async () => { ${script} })()); } catch (error) { await say({ thrown: String(error) }); }
  </script>`;
  let hear;
  const heard = new Promise((resolve) => (hear = resolve));
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(200, { "Content-Type": "text/html" });
    response.end(request.url === "/" ? page : "");
    if (request.url === "/said") hear(JSON.parse(Buffer.concat(chunks)));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = spawn(program, [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-dev-shm-usage",
    `--user-data-dir=${profile}`, "--host-resolver-rules=MAP * 127.0.0.1", `http://${host}:${server.address().port}/`,
  ], { stdio: "ignore" });
  const ended = new Promise((resolve) => browser.once("close", resolve).once("error", resolve));
  try {
    const silence = new Promise((resolve, reject) => setTimeout(reject, 60_000, new Error("the page said nothing for a minute")).unref());
    return await Promise.race([heard, silence]);
  } finally {
    browser.kill("SIGKILL");
    await ended;
    server.closeAllConnections();
    server.close();
  }
}

test("Chromium on another origin sends a record, reads the reply, and reads a refusal with its headers", async () => {
  const said = await inBrowser("localhost", `
    const headers = { "X-API-Key": key, "Content-Type": "application/json", "Idempotency-Key": '"page"' };
    const sent = await fetch(url + "/api/logs", { method: "POST", headers, body: JSON.stringify({ level: "warn", component: "page", message: "sent by chromium" }) });
    const refused = await fetch(url + "/api/logs", { method: "POST", headers: { ...headers, "X-API-Key": "sw_wrong" }, body: "{}" });
    const missing = await fetch(url + "/nowhere", { headers: { "X-API-Key": key } });
    const beacon = await fetch(url + "/api/logs", { method: "POST", headers: { "X-API-Key": key, "Content-Type": "application/json" }, keepalive: true, body: JSON.stringify({ level: "info", component: "page", message: "last words" }) });
    return {
      sent: [sent.status, (await sent.json()).accepted, sent.headers.get("X-Request-ID") !== null],
      refused: [refused.status, (await refused.json()).code, refused.headers.get("WWW-Authenticate")],
      missing: [missing.status, (await missing.json()).code],
      beacon: beacon.status,
    };`);
  assert.deepEqual(said, { sent: [202, 1, true], refused: [401, "unauthorized", "Bearer"], missing: [404, "not_found"], beacon: 202 });
  const found = await service.request("GET", "/api/logs/search?q=chromium", { key });
  assert.equal(found.json.total, 1);
});

test("Chromium on an origin that is not allowed is kept out, and nothing is stored", async () => {
  const said = await inBrowser("evil.example", `
    await fetch(url + "/api/logs", { method: "POST", headers: { "X-API-Key": key, "Content-Type": "application/json" }, body: JSON.stringify({ level: "warn", component: "page", message: "sent by evil" }) });
    return "it was let in";`);
  assert.match(said.thrown ?? "", /TypeError/, JSON.stringify(said));
  const found = await service.request("GET", "/api/logs/search?q=evil", { key });
  assert.equal(found.json.total, 0);
});

test("Chromium opens a live tail with its key as a protocol, and sees a record arrive", async () => {
  const said = await inBrowser("localhost", `
    const socket = new WebSocket(url.replace("http", "ws") + "/api/logs/tail", ["sapwood", "key." + key]);
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = () => reject(new Error("refused")); });
    const frame = new Promise((resolve) => { socket.onmessage = (event) => { const { records } = JSON.parse(event.data); if (records.length) resolve(records[0]); }; });
    let record;
    frame.then((first) => { record = first; });
    for (let mark = 0; !record && mark < 200; mark += 1) {
      await fetch(url + "/api/logs", { method: "POST", headers: { "X-API-Key": key, "Content-Type": "application/json" }, body: JSON.stringify({ level: "info", component: "page", message: "live mark" }) });
    }
    const closed = new Promise((resolve) => { socket.onclose = (event) => resolve(event.code); });
    const shown = (await frame).message;
    socket.close(1000);
    return { protocol: socket.protocol, shown, code: await closed };`);
  assert.deepEqual(said, { protocol: "sapwood", shown: "live mark", code: 1000 });
});
