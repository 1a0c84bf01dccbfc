// What is told, when, and to whom: the path from a line that was written to a message that arrived.
//
// One service for the file; every test has a domain of its own, and its messages are told apart by it. That nothing is
// sent is shown without waiting for nothing: a later error, which must be told, arrives and the earlier one has not.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";
import { ownDomain } from "./own-domain.mjs";

const DAY = 24 * 60 * 60 * 1000;
let service, webhook, slack;

before(async () => {
  [webhook, slack] = [await startReceiver(), await startReceiver()];
  service = await startWorker({
    vars: {
      WEBHOOK_URL: `${webhook.url}/hooks/alerts?team=1`,
      SLACK_WEBHOOK_URL: `${slack.url}/services/T0/B0/x`,
      ALERT_GROUP_WINDOW: "0ms",
      ALERT_COOLDOWN: "10m",
      LATENESS: "5m",
      CRITICAL_THRESHOLD: "10",
    },
  });
});

/** A domain of its own, with what the tests do in it. */
async function inDomain(name) {
  const own = await ownDomain(service, name, webhook);
  return {
    ...own,
    send: (...records) => own.send(records),
    webhooks: () => webhook.requests.filter((request) => request.json?.data?.domain === own.domain),
    slacks: () => slack.requests.filter((request) => request.body.toString().includes(own.domain)),
  };
}

const error = (message, more = {}) => ({ level: "error", component: "checkout", message, ...more });

/** The signature by the text of Standard Webhooks 1.0, computed here and not by any code of ours. */
function signature(request) {
  const key = Buffer.from(service.secrets.WEBHOOK_SECRET.slice("whsec_".length), "base64");
  const { "webhook-id": id, "webhook-timestamp": timestamp } = request.headers;
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), request.body]);
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}

const templates = (requests) => requests.map((request) => request.json.data.pattern);

test("a never-seen error arrives once at each target, signed, with its line, its count and when it began", async () => {
  const { domain, send, webhooks, slacks, read } = await inDomain("first-error");
  const at = Date.now() - 1000;
  await send(
    { level: "info", component: "checkout", message: "cart opened by customer 17" },
    error("ledger 4711 refused the posting of order 815", { timestamp: at, environment: "production", version: "2026.11.20-3" }),
  );
  const [hook] = await until("the webhook arrives", () => webhooks().length > 0 && webhooks());
  const [message] = await until("the Slack message arrives", () => slacks().length > 0 && slacks());

  assert.equal(hook.method, "POST");
  assert.equal(hook.path, "/hooks/alerts?team=1");
  assert.match(hook.headers["content-type"], /^application\/json/);
  assert.equal(hook.headers["webhook-signature"], signature(hook));
  assert.ok(Math.abs(Number(hook.headers["webhook-timestamp"]) * 1000 - Date.now()) < 60_000, "a fresh timestamp in seconds");
  assert.ok(!hook.headers["webhook-id"].includes("."), "a dot in the id would make the signed text ambiguous");
  const { type, data } = hook.json;
  assert.equal(type, "alert.opened");
  assert.equal(data.kind, "new_pattern");
  assert.deepEqual([data.domain, data.component, data.environment, data.level], [domain, "checkout", "production", "error"]);
  assert.equal(data.release, "2026.11.20-3");
  assert.equal(data.count, 1);
  assert.equal(data.first_seen, new Date(at).toISOString());
  assert.deepEqual(data.exemplars.map((line) => line.message), ["ledger 4711 refused the posting of order 815"]);
  assert.equal(data.exemplars[0].time, new Date(at).toISOString());

  // The exemplar's id opens the line itself.
  const record = await read(`/api/logs/${encodeURIComponent(data.exemplars[0].id)}`);
  assert.equal(record.message, "ledger 4711 refused the posting of order 815");

  assert.equal(message.path, "/services/T0/B0/x");
  const text = message.body.toString();
  assert.ok(text.includes("ledger 4711 refused the posting of order 815"), text);
  assert.ok(text.includes("checkout") && text.includes(domain) && text.includes("production"), text);
  assert.ok(text.includes(new Date(at).toISOString()), "Slack is told when it began");
  assert.equal(message.headers["webhook-signature"], undefined, "Slack's URL is the secret; it is sent no signature");

  const alerts = (await read("/api/alerts")).alerts;
  assert.deepEqual(alerts.map((alert) => alert.target).sort(), ["slack", "webhook"]);
  await until("both are shown as delivered", async () =>
    (await read("/api/alerts")).alerts.every((alert) => alert.delivered_at_ms > 0 && alert.next_try_ms == null),
  );
  const { incidents } = await read("/api/incidents");
  assert.equal(incidents.length, 1);
  assert.deepEqual([incidents[0].kind, incidents[0].count, incidents[0].was_told], ["new_pattern", 1, true]);
  assert.equal(incidents[0].first_seen_ms, at);
  assert.deepEqual([webhooks().length, slacks().length], [1, 1]);
});

test("the same error again is no second alert, also after kill -9 and a restart", async () => {
  const { send, webhooks, slacks, read } = await inDomain("again");
  await send(error("gate 12 lost its connection"));
  await until("the first alert arrives", () => webhooks().length === 1 && slacks().length === 1);
  await send(error("gate 13 lost its connection"), error("gate 14 lost its connection"));
  await until("its delivery is booked", async () => (await read("/api/alerts")).alerts.every((alert) => alert.delivered_at_ms > 0));
  await service.kill9();
  await service.restart();
  await send(error("gate 15 lost its connection"));
  // Whatever the repetitions would have caused is decided before this one, and delivered in order.
  await send(error("voucher printer is on fire"));
  await until("the other error's alert arrives", () => webhooks().length >= 2 && slacks().length >= 2);
  assert.equal(webhooks().length, 2, JSON.stringify(templates(webhooks())));
  assert.equal(slacks().length, 2);
  assert.match(webhooks()[0].json.data.pattern, /^gate /);
  assert.match(webhooks()[1].json.data.pattern, /^voucher /);
  const { incidents } = await read("/api/incidents");
  const gate = incidents.find((incident) => incident.template?.startsWith("gate"));
  assert.equal(gate.count, 4, "the repetitions belong to the incident");
});

test("a burst of a known error is one alert, with what was expected and what was seen", async () => {
  const { send, webhooks, slacks, read } = await inDomain("burst");
  await send(error("pump 1 overheated"));
  await until("the new error is told", () => webhooks().length === 1);
  for (let batch = 0; batch < 8; batch += 1) {
    await send(...Array.from({ length: 5 }, (_, line) => error(`pump ${batch * 5 + line} overheated`)));
  }
  await until("the burst is told", () => webhooks().length >= 2 && slacks().length >= 2);
  await send(error("valve stuck open"));
  await until("a later error is told", () => templates(webhooks()).some((template) => template?.startsWith("valve")));
  const bursts = webhooks().filter((request) => request.json.data.kind === "burst");
  assert.equal(bursts.length, 1);
  assert.equal(webhooks().length, 3, JSON.stringify(templates(webhooks())));
  const { data } = bursts[0].json;
  assert.equal(data.window_ms, 60_000);
  assert.equal(typeof data.expected, "number");
  assert.ok(data.expected < 3 && data.seen >= 10 && data.seen <= 41, `expected ${data.expected}, seen ${data.seen}`);
  assert.ok(data.exemplars.length > 0 && data.exemplars.every((line) => /^pump \d+ overheated$/.test(line.message)), JSON.stringify(data));
  assert.ok(slacks()[1].body.toString().includes(`${data.seen} in`), "Slack is told the count as well");
  const { incidents } = await read("/api/incidents");
  const burst = incidents.find((incident) => incident.kind === "burst");
  assert.ok(burst.seen >= 40, `the incident goes on counting: ${JSON.stringify(burst)}`);
});

test("what is played in from days ago is stored and raises nothing", async () => {
  const { send, webhooks, slacks, read } = await inDomain("backfill");
  const then = Date.now() - 3 * DAY;
  const old = Array.from({ length: 60 }, (_, line) => error(`turbine ${line} seized`, { timestamp: then + line * 100 }));
  await send(...old);
  await send(error("boiler cracked"));
  await until("the live error is told", () => webhooks().length > 0 && slacks().length > 0);
  assert.equal(webhooks().length, 1, JSON.stringify(templates(webhooks())));
  assert.match(webhooks()[0].json.data.pattern, /^boiler /);
  const found = await read(`/api/logs/search?q=turbine&from=${then - 1000}&to=${then + 60_000}`);
  assert.equal(found.total, 60, "backfill is stored");
  const { incidents } = await read("/api/incidents");
  assert.equal(incidents.length, 1);
});

test("an information that was never seen, and an error that a domain has silenced, ring nobody", async () => {
  const { send, webhooks, slacks, key } = await inDomain("quiet");
  const off = await service.request("PUT", "/api/config", { key, json: { ALERTS_ENABLED: "false" } });
  assert.equal(off.status, 200, off.text);
  await send({ level: "info", component: "checkout", message: "a new day has begun" }, error("the lift is stuck"));
  const on = await service.request("PUT", "/api/config", { key, json: { ALERTS_ENABLED: "true" } });
  assert.equal(on.status, 200, on.text);
  await send(error("relay tripped"));
  await until("an error is told again", () => webhooks().length > 0 && slacks().length > 0);
  assert.deepEqual(templates(webhooks()), ["relay tripped"]);
});
