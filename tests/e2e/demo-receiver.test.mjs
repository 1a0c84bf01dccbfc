// The demo's receiver believes what is signed with a secret it knows, and nothing else.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const script = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "scripts", "demo-receiver.mjs");
const secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const folder = mkdtempSync(path.join(os.tmpdir(), "sapwood-receiver-"));
const journal = path.join(folder, "alerts.jsonl");
let receiver;
let address;

before(async () => {
  receiver = spawn(process.execPath, [script, "--journal", journal], {
    env: { ...process.env, WEBHOOK_SECRET: secret },
    stdio: ["ignore", "pipe", "ignore"],
  });
  for await (const line of createInterface({ input: receiver.stdout })) {
    address = line;
    break;
  }
});

after(() => {
  receiver.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends `body` signed as the reference library signs; the options make it wrong in one way. */
async function send(id, body, { key = secret, ageS = 0, signed = body } = {}) {
  const timestamp = String(Math.floor(Date.now() / 1000) - ageS);
  const hmac = createHmac("sha256", Buffer.from(key.slice(6), "base64")).update(`${id}.${timestamp}.${signed}`);
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,b2xk v1,${hmac.digest("base64")}`,
  };
  return (await fetch(address, { method: "POST", headers, body })).status;
}

const notes = () => readFileSync(journal, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));

test("a signed alert is noted once, with a box that cannot steer the terminal", async () => {
  const data = {
    kind: "new_pattern", component: "cart", level: "error", title: "New error in cart", seen: 1, window_ms: 60000,
    exemplars: [{ time: "2026-11-20T10:00:00.000Z", level: "error", message: "disk \u001b[31m on\nfire" }],
  };
  const body = JSON.stringify({ type: "alert.opened", data });
  assert.equal(await send("msg_1", body), 204);
  assert.equal(await send("msg_1", body), 204);
  assert.equal(notes().length, 1);
  const [note] = notes();
  assert.deepEqual([note.id, note.body.data], ["msg_1", data]);
  assert.match(note.text, /New error in cart/);
  assert.match(note.text, /disk \\u\{1b\}\[31m on⏎fire/);
  for (const line of note.text.split("\n")) assert.equal([...line].length, 100);
});

test("a message that is forged, changed, old or unsigned is refused and not noted", async () => {
  const noted = notes().length;
  const body = JSON.stringify({ type: "alert.opened", data: {} });
  assert.equal(await send("msg_2", body, { key: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }), 401);
  assert.equal(await send("msg_2", body, { signed: `${body} ` }), 401);
  assert.equal(await send("msg_2", body, { ageS: 400 }), 401);
  assert.equal((await fetch(address, { method: "POST", body })).status, 401);
  assert.equal((await fetch(address)).status, 405);
  assert.equal(await send("msg_3", "not JSON"), 400);
  assert.equal(notes().length, noted);
});

test("an alert of which almost nothing is known is still shown", async () => {
  assert.equal(await send("msg_4", JSON.stringify({ type: "alert.opened" })), 204);
  assert.match(notes().at(-1).text, /alert\.opened/);
});
