// The live tail: what a viewer gets, what it is spared, what it is told was left out, and how it ends.
import assert from "node:assert/strict";
import http from "node:http";
import { before, test } from "node:test";

// miniflare's own WebSocket, in the version that package-lock.json pins: Node 20 has none.
import WebSocket from "ws";

import { startWorker, until } from "./harness.mjs";

let service;
before(async () => {
  service = await startWorker({ vars: { TAIL_VIEWERS_MAX: "3" } });
});

const keyFor = (domain, scopes = ["ingest", "read"]) => service.key(scopes, { domain });

async function send(key, ...records) {
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.equal(reply.status, 202, reply.text);
  assert.equal(reply.json.accepted + reply.json.counted_only, records.length, reply.text);
}

/** Opens a tail; the viewer has every record it was sent, the sum of what was skipped, and how it was closed. */
async function watch(query, headers, protocols) {
  const socket = new WebSocket(`${service.url.replace(/^http/, "ws")}/api/logs/tail${query}`, protocols, { headers });
  const viewer = { socket, records: [], skipped: 0, frames: [], closed: undefined };
  socket.on("message", (data, isBinary) => {
    assert.equal(isBinary, false);
    const frame = JSON.parse(data);
    viewer.frames.push(frame);
    viewer.records.push(...(frame.records ?? []));
    viewer.skipped += frame.skipped ?? 0;
  });
  socket.on("close", (code, reason) => (viewer.closed = { code, reason: reason.toString() }));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  viewer.messages = () => viewer.records.map((record) => record.message);
  return viewer;
}

/** The streams learn that somebody watches a moment after the socket opens: sends marks until one is seen. */
async function seen(key, viewers, record) {
  let mark = 0;
  await until("the viewers are served", async () => {
    mark += 1;
    await send(key, { level: "info", ...record, message: `mark ${mark}` });
    return viewers.every((viewer) => viewer.records.length > 0);
  }, { every: 50 });
  const last = `mark ${mark}`;
  await until("the last mark is seen", () => viewers.every((viewer) => viewer.messages().includes(last)));
}

async function close(viewer) {
  viewer.socket.close(1000, "enough");
  return until("the close is answered", () => viewer.closed);
}

test("new records arrive in order, once, with the ids under which they can be read", async () => {
  const key = await keyFor("arrive.example");
  const viewer = await watch("", { "X-API-Key": key });
  await seen(key, [viewer], { component: "web" });
  await send(key, ...Array.from({ length: 20 }, (_, index) => ({ level: "warn", component: "web", message: `line ${index}` })));
  await until("all arrive", () => viewer.messages().includes("line 19"));
  const shown = viewer.records.filter((record) => record.message.startsWith("line "));
  assert.deepEqual(shown.map((record) => record.message), Array.from({ length: 20 }, (_, index) => `line ${index}`));
  assert.equal(viewer.skipped, 0);
  const one = await service.request("GET", `/api/logs/${encodeURIComponent(shown[7].id)}`, { key });
  assert.equal(one.status, 200, one.text);
  assert.ok(one.text.includes('"line 7"'), one.text);
  assert.deepEqual([shown[7].level, shown[7].component], ["warn", "web"]);
  await close(viewer);
});

test("filters by component, level and text hold at the server", async () => {
  const key = await keyFor("filters.example");
  const viewers = {
    component: await watch("?component=db", { "X-API-Key": key }),
    level: await watch("?min_level=error", { "X-API-Key": key }),
    text: await watch("?q=Disk", { "X-API-Key": key }),
  };
  await until("all are served", async () => {
    await send(key, { level: "fatal", component: "db", message: "disk mark" });
    return Object.values(viewers).every((viewer) => viewer.records.length > 0);
  }, { every: 50 });
  await send(key,
    { level: "info", component: "db", message: "vacuum done" },
    { level: "error", component: "web", message: "handler failed" },
    { level: "info", component: "web", message: "the disk is fine" },
    { level: "fatal", component: "db", message: "disk last" },
  );
  await until("the last is seen by all", () => Object.values(viewers).every((viewer) => viewer.messages().includes("disk last")));
  const of = (viewer) => viewer.messages().filter((message) => message !== "disk mark");
  // Components are separate objects, so only what comes from one of them is in order.
  assert.deepEqual(of(viewers.component), ["vacuum done", "disk last"]);
  await until("the other component's error is seen", () => of(viewers.level).length === 2);
  assert.deepEqual(of(viewers.level).sort(), ["disk last", "handler failed"]);
  await until("the other component's line is seen", () => of(viewers.text).length === 2);
  assert.deepEqual(of(viewers.text).sort(), ["disk last", "the disk is fine"]);
  for (const viewer of Object.values(viewers)) await close(viewer);
});

test("a flood is shown or counted: shown + skipped is exactly what was accepted", async () => {
  const key = await keyFor("flood.example");
  const viewer = await watch("", { "X-API-Key": key });
  await seen(key, [viewer], { component: "web" });
  const before = viewer.records.length + viewer.skipped;
  const batch = Array.from({ length: 4_000 }, (_, index) => ({ level: "info", component: "web", message: `flood ${index} ${"x".repeat(100)}` }));
  await Promise.all([1, 2, 3].map(() => send(key, ...batch)));
  await until("everything is accounted for", () => viewer.records.length + viewer.skipped - before >= 12_000, { within: 30_000 });
  assert.ok(viewer.skipped > 0, "a flood that fits whole is none: make it larger");
  // A frame that counts too much would come with the next record.
  await seen(key, [viewer], { component: "web" });
  const marks = viewer.messages().filter((message) => message.startsWith("mark ")).length;
  const floods = viewer.messages().filter((message) => message.startsWith("flood ")).length;
  assert.equal(floods + viewer.skipped, 12_000);
  assert.equal(new Set(viewer.records.map((record) => record.id)).size, floods + marks, "nothing is shown twice");
  await close(viewer);
});

test("a close is answered with its code, and the place is free again", async () => {
  const key = await keyFor("close.example");
  const viewers = [];
  for (let count = 0; count < 3; count += 1) viewers.push(await watch("", { "X-API-Key": key }));
  await assert.rejects(watch("", { "X-API-Key": key }), /503/, "TAIL_VIEWERS_MAX holds");
  assert.equal((await close(viewers[0])).code, 1000);
  const next = await until("there is room again", () => watch("", { "X-API-Key": key }));
  await seen(key, [viewers[1], viewers[2], next], { component: "web" });
  viewers[1].socket.close();
  await until("a close without a code is answered", () => viewers[1].closed);
  assert.ok([1000, 1005].includes(viewers[1].closed.code), JSON.stringify(viewers[1].closed));
  for (const viewer of [viewers[2], next]) assert.equal((await close(viewer)).code, 1000);
});

test("after the object slept its viewer still gets new records, and a ping is answered", async () => {
  const key = await keyFor("sleep.example");
  const viewer = await watch("?min_level=warn", { "X-API-Key": key });
  await seen(key, [viewer], { level: "warn", component: "web" });
  // The runtime lets an idle object sleep after ten seconds; nothing but time brings that about.
  await new Promise((resolve) => setTimeout(resolve, 13_000));
  assert.equal(viewer.closed, undefined);
  const before = viewer.records.length;
  await send(key, { level: "info", component: "web", message: "not for this viewer" }, { level: "warn", component: "web", message: "good morning" });
  await until("the record arrives", () => viewer.records.length > before);
  assert.deepEqual(viewer.messages().slice(before), ["good morning"], "its filter slept and woke with it");
  viewer.socket.removeAllListeners("message");
  viewer.socket.on("message", (data) => viewer.frames.push(data.toString()));
  viewer.socket.send("ping");
  await until("the ping is answered", () => viewer.frames.includes("pong"));
  assert.equal((await close(viewer)).code, 1000);
});

test("no upgrade is 426, no key is 401, a key without the scope is 403, a wrong filter is 400", async () => {
  const key = await keyFor("refused.example");
  const plain = await service.request("GET", "/api/logs/tail", { key });
  assert.deepEqual([plain.status, plain.json?.code], [426, "upgrade_required"]);
  await assert.rejects(watch("", {}), /401/);
  await assert.rejects(watch("", { "X-API-Key": `${key.slice(0, -2)}AA` }), /401/);
  await assert.rejects(watch("", { "X-API-Key": await keyFor("refused.example", ["ingest"]) }), /403/);
  await assert.rejects(watch("?colour=red", { "X-API-Key": key }), /400/);
});

test("a browser, which can set no headers, sends its key as a WebSocket protocol, and it is not echoed", async () => {
  const key = await keyFor("browser.example");
  const viewer = await watch("", {}, ["sapwood", `key.${key}`]);
  assert.equal(viewer.socket.protocol, "sapwood", "the protocol without the key is the one agreed on");
  await seen(key, [viewer], { component: "web" });
  assert.equal((await close(viewer)).code, 1000);
  await assert.rejects(watch("", {}, ["sapwood", "key.sw_nonsense"]), /401/);
  // A key in the query would end up in other people's logs, so it opens nothing.
  await assert.rejects(watch(`?token=${key}`, {}), /40[01]/);
});

test("the viewers of one domain never see another's records", async () => {
  const [mine, theirs] = [await keyFor("mine.example"), await keyFor("theirs.example")];
  const viewer = await watch("", { "X-API-Key": mine });
  const other = await watch("", { "X-API-Key": theirs });
  await seen(mine, [viewer], { component: "web" });
  await seen(theirs, [other], { component: "web", environment: "staging" });
  await send(theirs, { level: "error", component: "web", message: "a secret of theirs" });
  await until("they see it", () => other.messages().includes("a secret of theirs"));
  await send(mine, { level: "error", component: "web", message: "a line of mine" });
  await until("I see mine", () => viewer.messages().includes("a line of mine"));
  assert.ok(viewer.records.every((record) => record.domain === "mine.example"), JSON.stringify(viewer.records));
  assert.ok(other.records.every((record) => record.domain === "theirs.example"));
  await Promise.all([close(viewer), close(other)]);
});

test("a page of a foreign origin is refused its socket", async () => {
  const key = await keyFor("origin.example");
  const status = await new Promise((resolve, reject) => {
    const request = http.get(`${service.url}/api/logs/tail`, {
      headers: {
        "X-API-Key": key, Origin: "https://evil.example", Connection: "Upgrade", Upgrade: "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      },
    });
    request.on("response", (response) => resolve(response.resume().statusCode));
    request.on("upgrade", (response, socket) => (socket.destroy(), resolve(response.statusCode)));
    request.on("error", reject);
  });
  assert.equal(status, 403);
});
