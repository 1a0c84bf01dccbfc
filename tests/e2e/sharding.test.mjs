// A component that is spread over several objects is one component to whoever sends, reads and is told: nothing is lost or
// doubled while it is spread anew, a new error is told once, and a component that is too hot is split by itself.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";

import { components, findAll, metrics, search } from "./account.mjs";
import { startReceiver, startWorker, until } from "./harness.mjs";
import { ownDomain } from "./own-domain.mjs";

let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({ vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms", FLUSH_INTERVAL: "200ms" } });
});

const line = (component, number, more = {}) => ({ level: "info", component, message: `order ${number} took its way`, ...more });
const post = (key, json, batchKey, headers = {}, to = service) =>
  to.request("POST", "/api/logs", { key, json, headers: { ...(batchKey && { "Idempotency-Key": batchKey }), ...headers } });
const spread = (key, component, shards) => service.request("PUT", `/api/components/${component}/shards`, { key, json: { shards } });
const shardsOf = async (key, component) => {
  const metric = await metrics(service, key);
  return [0, 1, 2, 3].map((shard) => {
    try {
      return metric("sapwood_records_total", { component, shard: String(shard), outcome: "accepted" });
    } catch {
      return 0;
    }
  });
};

test("every request is stored once and answered alike while its component is spread anew, with a power cut in between", async () => {
  const { key } = await ownDomain(service, "respread", webhook);
  const component = "orders";
  const headers = { Prefer: "return=representation" };
  const requests = [];
  let number = 0;
  /** Requests of every kind: with a key, with ids, with both, some records with ids and some without. */
  const make = (kind) => {
    const records = Array.from({ length: 12 }, (_, at) => {
      number += 1;
      const hasId = kind === "ids" || kind === "both" || (kind === "mixed" && at % 2 === 0);
      return line(component, number, hasId ? { id: `order-${number}` } : {});
    });
    return { records, batchKey: kind === "ids" ? undefined : randomUUID(), kind };
  };
  const sendNew = async () => {
    for (const kind of ["key", "ids", "both", "mixed"]) {
      const request = make(kind);
      const reply = await post(key, request.records, request.batchKey, headers);
      assert.deepEqual([reply.status, reply.json?.accepted], [202, 12], reply.text);
      requests.push({ ...request, answer: reply.json });
    }
  };
  const repeatAll = async () => {
    for (const { records, batchKey, kind, answer } of requests) {
      const reply = await post(key, records, batchKey, headers);
      assert.equal(reply.status, 202, reply.text);
      if (batchKey) {
        assert.equal(reply.headers.get("Idempotency-Replayed"), "true", `${kind}: ${reply.text}`);
        assert.deepEqual(reply.json, answer, kind);
      } else {
        assert.deepEqual([reply.json.accepted, reply.json.duplicate], [0, 12], reply.text);
      }
    }
  };
  await sendNew();
  for (const shards of [4, 2, 8, 1]) {
    const changed = await spread(key, component, shards);
    assert.deepEqual([changed.status, changed.json?.shards], [200, shards], changed.text);
    await repeatAll();
    await sendNew();
    await repeatAll();
    if (shards === 2) {
      await service.kill9();
      await service.restart();
      await repeatAll();
    }
  }
  const reused = await post(key, [line(component, 0)], requests[0].batchKey);
  assert.deepEqual([reused.status, reused.json?.code], [422, "idempotency_key_reused"], "the first body is what the key means");

  // Whatever shards the ids of another body belong to, and whatever epoch the first one is of: nothing of it is stored.
  for (const { batchKey, kind } of requests.filter((request) => request.batchKey && request.kind !== "key")) {
    const other = await post(key, [line(component, 0, { id: `other-${kind}-${batchKey}` })], batchKey);
    assert.deepEqual([other.status, other.json?.code], [422, "idempotency_key_reused"], `${kind}: ${other.text}`);
  }

  const all = await findAll(service, key, { component }, { limit: 7 });
  assert.equal(all.length, number);
  assert.equal(new Set(all.map((record) => record.message)).size, number, "each line once");
  const byId = await service.request("GET", `/api/logs/${all[0].id}`, { key });
  assert.equal(byId.json?.message ?? byId.json?.record?.message, all[0].message, byId.text);
  const listed = (await components(service, key)).get(component);
  assert.equal(listed.accepted, number, JSON.stringify(listed));
  assert.ok((await shardsOf(key, component)).filter((accepted) => accepted > 0).length > 1, "several objects have their share");
  const patterns = (await service.request("GET", `/api/logs/analytics/patterns?component=${component}`, { key })).json;
  const found = patterns.patterns.filter((pattern) => pattern.template.startsWith("order"));
  assert.deepEqual(found.map((pattern) => pattern.count), [number], "one pattern of all of them");

  // Four earlier ways may be asked about; a fifth has to wait, and says how long.
  const full = await spread(key, component, 2);
  assert.deepEqual([full.status, full.json?.code], [409, "spread_too_often"], full.text);
  assert.ok(Number(full.headers.get("Retry-After")) > 80_000, full.text);
  const audit = (await service.request("GET", "/api/audit", { key })).text;
  for (const change of ["1 -> 4", "4 -> 2", "2 -> 8", "8 -> 1"]) assert.ok(audit.includes(`${component}: ${change} shards`), audit);
});

test("a new error is told once whichever shards it comes to, and its incident is the component's", async () => {
  const { key, told, read, send } = await ownDomain(service, "told-once", webhook);
  const component = "payments";
  await send(Array.from({ length: 40 }, (_, number) => line(component, number)));
  assert.equal((await spread(key, component, 4)).status, 200);
  for (let number = 0; number < 40; number += 1) await send([line(component, 100 + number)]);
  assert.ok((await shardsOf(key, component)).every((accepted) => accepted > 0), "all four have their share");
  for (let number = 0; number < 24; number += 1) await send([{ level: "error", component, message: `ledger ${number} is locked` }]);
  const alert = await until("somebody is told", () => told()[0]);
  assert.match(JSON.stringify(alert), /ledger <\*> is locked/);
  // Every follower has told the lead what it has when nothing waits any more.
  const errors = await until("the lead has heard of all errors", async () => {
    const { incidents } = await read(`/api/incidents?component=${component}`);
    return incidents.length > 0 && incidents;
  });
  assert.equal(new Set(errors.map((incident) => incident.id)).size, errors.length);
  const lead = await until("nothing waits for the lead any more", async () => {
    const { lead } = (await components(service, key)).get(component);
    return lead.rows_behind === 0 && lead;
  });
  assert.deepEqual([lead.state, lead.undeliverable], ["closed", 0], JSON.stringify(lead));
  const behind = (await metrics(service, key))("sapwood_sink_rows_behind", { component, shard: "1", sink: "lead" });
  assert.equal(behind, 0);
  assert.equal(errors.filter((incident) => JSON.stringify(incident).includes("new_pattern")).length, 1, JSON.stringify(errors));
  assert.equal(told().filter((data) => JSON.stringify(data).includes("new_pattern")).length, 1, "told once");
  const [incident] = errors.filter((one) => JSON.stringify(one).includes("new_pattern"));
  const shown = await search(service, key, { component, level: "error", limit: 100 });
  assert.equal(shown.total, 24);
  const feedback = await service.request("POST", `/api/incidents/${encodeURIComponent(incident.id)}/feedback`, { key, json: { verdict: "noise" } });
  assert.equal(feedback.status, 200, feedback.text);
});

test("what cannot be is refused, and nothing is changed", async () => {
  const { key, send } = await ownDomain(service, "refused-shards", webhook);
  await send([line("orders", 1)]);
  const put = (json, component = "orders", as = key) => service.request("PUT", `/api/components/${component}/shards`, { key: as, json });
  for (const [json, code] of [
    [{ shards: 0 }, "out_of_range"],
    [{ shards: 17 }, "out_of_range"],
    [{ shards: "4" }, "out_of_range"],
    [{ shards: 1.5 }, "out_of_range"],
    [{}, "missing_field"],
    [{ shards: 2, count: 3 }, "unknown_field"],
  ]) {
    const reply = await put(json);
    assert.deepEqual([reply.status, reply.json?.errors?.[0]?.code], [400, code], `${JSON.stringify(json)}: ${reply.text}`);
  }
  assert.equal((await put({ shards: 2 }, "nowhere")).status, 404);
  const reader = await service.key(["ingest", "read"], { domain: "refused-shards.example" });
  assert.deepEqual([(await put({ shards: 2 }, "orders", reader)).status], [403]);
  assert.equal((await service.request("GET", "/api/components/orders/shards", { key })).status, 405);
  assert.deepEqual(await shardsOf(key, "orders"), [1, 0, 0, 0]);
  assert.equal((await put({ shards: 1 })).status, 200, "it is so already");
  assert.ok(!(await service.request("GET", "/api/audit", { key })).text.includes("component.spread"), "nothing to book");
});

test("an erased component that was split goes to `other` whole, once others took its room", async () => {
  const { key, ask, send } = await ownDomain(service, "full-house", webhook);
  await ask("PUT", "/api/config", { COMPONENTS_MAX: "1" });
  await send(Array.from({ length: 12 }, (_, number) => line("orders", number)));
  assert.equal((await spread(key, "orders", 3)).status, 200);
  await send(Array.from({ length: 12 }, (_, number) => line("orders", 100 + number, { id: `old-${number}` })));
  const erased = await service.request("DELETE", "/api/components/orders?confirm=orders", { key });
  assert.ok([200, 202].includes(erased.status), erased.text);
  await until("it is erased", async () => {
    const receipt = await service.request("GET", `/api/erasures/${erased.json.id}`, { key });
    return receipt.json?.state === "finished";
  });
  await send([line("shop", 0)]);
  assert.ok((await components(service, key)).has("shop"), "it has the only room");
  // With ids, so that the records belong to several shards; with a key, so that earlier epochs are asked first.
  const records = Array.from({ length: 12 }, (_, number) => line("orders", 200 + number, { id: `new-${number}` }));
  const batchKey = randomUUID();
  const bad = { level: "loud", component: "orders", message: "of no level" };
  const reply = await post(key, [...records, bad], batchKey);
  assert.deepEqual([reply.status, reply.json?.accepted, reply.json?.rejected], [202, 12, 1], reply.text);
  assert.equal((await findAll(service, key, { component: "other" })).length, 12);
  const again = await post(key, [...records, bad], batchKey);
  assert.deepEqual([again.status, again.headers.get("Idempotency-Replayed")], [202, "true"], again.text);
  await service.restart();
  const afterwards = await post(key, [...records, bad], batchKey);
  assert.deepEqual([afterwards.status, afterwards.headers.get("Idempotency-Replayed")], [202, "true"], "an edge that remembers nothing");
  assert.equal((await findAll(service, key, { component: "other" })).length, 12, "stored once");
  assert.equal((await metrics(service, key))("sapwood_records_total", { component: "other", shard: "0", outcome: "rejected" }), 3, "refused each time, in all");
});

test("a component that has more than one object should take for a minute is split by itself", async () => {
  // A service of its own: with this setting the components of the other tests would be split by themselves as well.
  const hot = await startWorker({ vars: { SHARD_REQUESTS: "1" } });
  const { key } = await ownDomain(hot, "hot", webhook);
  let sent = 0;
  await until(
    "it is split",
    async () => {
      // Five at once, twice a second: ten times what SHARD_REQUESTS says here, and enough on a slow machine, too.
      const lines = Array.from({ length: 5 }, (_, of) => line("hot", sent + of));
      for (const reply of await Promise.all(lines.map((one) => post(key, [one], undefined, {}, hot)))) assert.equal(reply.status, 202, reply.text);
      sent += lines.length;
      const audit = await hot.request("GET", "/api/audit", { key });
      return audit.text.includes("hot: 1 -> ");
    },
    { within: 150_000, every: 500 },
  );
  assert.equal((await findAll(hot, key, { component: "hot" })).length, sent);
});
