// Targets that fail in every way a target can: a message is delivered once when they are back, and nobody else waits.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";

const domain = "delivery.example";
let service, webhook, slack, key;
// Attempts that the target answered with 2xx, by message id.
const taken = [];

before(async () => {
  [webhook, slack] = [await startReceiver(), await startReceiver()];
  service = await startWorker({
    vars: {
      WEBHOOK_URL: `${webhook.url}/alerts`,
      SLACK_WEBHOOK_URL: `${slack.url}/slack`,
      ALERT_GROUP_WINDOW: "0ms",
      // All tests together send enough errors for a burst, which is not the matter here.
      CRITICAL_THRESHOLD: "1000",
      WEBHOOK_RETRY_BASE: "100ms",
      WEBHOOK_RETRY_MAX: "400ms",
    },
  });
  key = await service.key(["ingest", "read", "admin"], { domain });
});

/** An answer of the webhook's target that notes what it took. */
const takes = (delay = 0) => async (request) => {
  if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
  taken.push(request.headers["webhook-id"]);
  return { status: 200, body: "{}" };
};

async function send(message) {
  const reply = await service.request("POST", "/api/logs", { key, json: { level: "error", component: "mill", message } });
  assert.equal(reply.status, 202, reply.text);
  assert.equal(reply.json.accepted, 1, reply.text);
}

const about = (receiver, word) => receiver.requests.filter((request) => request.body.toString().includes(word));
const listed = async (word) => {
  const reply = await service.request("GET", "/api/alerts", { key });
  assert.equal(reply.status, 200, reply.text);
  return reply.json.alerts.filter((entry) => JSON.stringify(entry.alert).includes(word));
};

const booked = (word) =>
  until(`the deliveries about ${word} are booked`, async () => (await listed(word)).length === 2 && (await listed(word)).every((entry) => entry.delivered_at_ms > 0 && entry.next_try_ms == null));

test("a target that refuses connections, then answers 500, then slowly, gets the message once, under one id", async () => {
  await webhook.behave("absent");
  await send("spindle broke");
  await until("the other target does not wait for it", () => about(slack, "spindle").length === 1);
  await until("several tries failed", async () => (await listed("spindle")).some((entry) => entry.target === "webhook" && entry.attempts >= 3));
  await webhook.behave("status", 500, "no");
  await until("several tries were refused", () => about(webhook, "spindle").length >= 3);
  await webhook.behave(takes(700));
  await until("it arrives", () => taken.length > 0);
  await booked("spindle");
  const attempts = about(webhook, "spindle");
  assert.equal(new Set(attempts.map((attempt) => attempt.headers["webhook-id"])).size, 1, "one id on every attempt");
  assert.equal(new Set(attempts.map((attempt) => attempt.body.toString())).size, 1, "one body on every attempt");
  // A second delivery would come before that of a later message.
  await send("chain tore");
  await until("the later one arrives", () => about(webhook, "chain").length > 0);
  await booked("chain");
  assert.equal(taken.length, new Set(taken).size, "nothing was taken twice");
  assert.equal(about(slack, "spindle").length, 1);
});

test("a message outlives kill -9 of the service while its target is away", async () => {
  await webhook.behave("absent");
  await send("bearing dried");
  await until("a try failed", async () => (await listed("bearing")).some((entry) => entry.target === "webhook" && entry.attempts >= 1));
  await service.kill9();
  const before = taken.length;
  await webhook.behave(takes());
  await service.restart();
  // Its alarm is stored, so it needs no visitor; whether it has to be woken by one is for this to show.
  await until("it arrives without anybody asking", () => about(webhook, "bearing").length > 0, { within: 20_000 });
  await booked("bearing");
  assert.equal(taken.length, before + 1);
});

test("a target that hangs delays nobody but itself, and not even a later message to another", async () => {
  await webhook.behave("hang");
  await send("rotor jammed");
  await until("the first reaches Slack", () => about(slack, "rotor").length === 1, { within: 5_000 });
  await until("the webhook hangs", () => about(webhook, "rotor").length === 1);
  await send("nozzle clogged");
  await until("the second reaches Slack while the first still hangs at the webhook", () => about(slack, "nozzle").length === 1, { within: 5_000 });
  assert.equal(about(webhook, "rotor").length, 1, "the first attempt was still under way");
  // Its connection breaks, and both go out.
  await webhook.behave("absent");
  await webhook.behave(takes());
  await until("both arrive", () => about(webhook, "rotor").length >= 2 && about(webhook, "nozzle").length >= 1);
  await booked("rotor");
  await booked("nozzle");
  assert.equal(taken.length, new Set(taken).size, "nothing was taken twice");
});

test("a target that answers with a redirect is not followed: the message is for the address that was configured", async () => {
  const elsewhere = await startReceiver();
  await webhook.behave("status", 307, "", { Location: `${elsewhere.url}/stolen` });
  await send("ladder slipped");
  await until("a try was made", () => about(webhook, "ladder").length > 0);
  await until("Slack is told", () => about(slack, "ladder").length === 1);
  assert.equal(elsewhere.requests.length, 0);
  // A redirect is no delivery: whether it is tried again or given up, it is not shown as delivered.
  assert.ok((await listed("ladder")).every((entry) => entry.target === "slack" || entry.delivered_at_ms == null));
  await webhook.behave(takes());
});

test("429 with Retry-After is waited out", async () => {
  await webhook.behave("status", 429, "", { "Retry-After": "2" });
  await send("hopper overflowed");
  const [first] = await until("a try was made", () => about(webhook, "hopper").length > 0 && about(webhook, "hopper"));
  await webhook.behave(takes());
  const attempts = await until("it arrives", () => about(webhook, "hopper").length > 1 && about(webhook, "hopper"));
  assert.ok(attempts[1].at - first.at >= 1_900, `came back after ${attempts[1].at - first.at} ms`);
  assert.equal(attempts.length, 2);
});

test("410 ends a target: it gets nothing more until it is configured anew, the others go on", async () => {
  await webhook.behave("status", 410, "gone");
  await send("hinge snapped");
  await until("it was told once", () => about(webhook, "hinge").length === 1);
  await until("Slack was told", () => about(slack, "hinge").length === 1);
  await until("nothing is tried again", async () => (await listed("hinge")).every((entry) => entry.next_try_ms == null));
  await send("flange bent");
  await until("Slack goes on", () => about(slack, "flange").length === 1);
  await until("there is nothing left to try", async () => (await listed("flange")).length > 0 && (await listed("flange")).every((entry) => entry.next_try_ms == null));
  assert.equal(about(webhook, "hinge").length, 1);
  assert.equal(about(webhook, "flange").length, 0);
  const shown = await service.request("GET", "/metrics", { key });
  assert.match(shown.text, /^sapwood_targets_disabled 1$/m, "the operator can see it");

  await webhook.behave(takes());
  const anew = await service.request("PUT", "/api/config", { key, json: { ALERT_COOLDOWN: "10m" } });
  assert.equal(anew.status, 200, anew.text);
  await send("gasket blew");
  await until("it is told again", () => about(webhook, "gasket").length === 1);
});
