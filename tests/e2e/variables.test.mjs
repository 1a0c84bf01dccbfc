// What stands in the places of a pattern: kind, different values, most frequent values, quantiles and enumerations of
// the lines that were sent, over two components, and the same after a kill. And of a component's hours: different users,
// sessions and clients, and durations.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { startWorker } from "./harness.mjs";

const COUNT = 400;
const PATTERNS = "/api/logs/analytics/patterns";

let service;
let key;
let id;

/** Nine of ten take less than 400 ms, the others 1 to 40 s; one link in eight is down; of five orders one is order 7. */
const sent = Array.from({ length: COUNT }, (_, number) => ({
  component: number % 3 ? "till" : "shop",
  message: `Payment of order ${number % 5 === 0 ? 7 : 10_000 + number} took ${number % 10 === 0 ? `${number / 10 + 1}s` : `${number} ms`} over link=${number % 8 === 7 ? "down" : "up"} today`,
}));

const ask = (query) => service.request("GET", `${PATTERNS}?${new URLSearchParams(query)}`, { key });

const patterns = async (query) => {
  const reply = await ask(query);
  assert.equal(reply.status, 200, reply.text);
  return reply.json.patterns;
};

const near = (seen, exact, what) => assert.ok(Math.abs(seen - exact) <= exact / 64, `${what}: ${seen} is not ${exact}`);

before(async () => {
  // Checkpoints every 100 ms: a kill finds some of it folded into rows, and the rest in the journal.
  service = await startWorker({ vars: { FLUSH_INTERVAL: "100ms", STORAGE_MODE: "hybrid" } });
  key = await service.key(["ingest", "read"]);
  for (let at = 0; at < COUNT; at += 50) {
    const reply = await service.request("POST", "/api/logs", { key, json: sent.slice(at, at + 50) });
    assert.equal(reply.json?.accepted, 50, reply.text);
  }
  const [pattern] = await patterns({ q: "payment order" });
  assert.equal(pattern.count, COUNT);
  id = pattern.id;
});

describe("variables of a pattern", () => {
  test("are left out unless they are asked for", async () => {
    const [pattern] = await patterns({ pattern: id });
    assert.equal(pattern.variables, undefined);
  });

  test("say what was sent, over both components", async () => {
    const [pattern, ...others] = await patterns({ pattern: id, variables: "true" });
    assert.equal(others.length, 0);
    assert.deepEqual(pattern.components.map(({ component }) => component).sort(), ["shop", "till"]);
    assert.equal(pattern.template, "Payment of order <*> took <*> over link=<*> today");
    const [order, took, link] = pattern.variables;

    assert.equal(order.kind, "integer");
    assert.equal(order.count, COUNT);
    const different = new Set(sent.map(({ message }) => /order (\d+)/.exec(message)[1])).size;
    assert.ok(Math.abs(order.distinct - different) <= different * 4 * 0.046, `${order.distinct} different orders`);
    assert.equal(order.top[0].value, "7");
    assert.ok(order.top[0].count >= COUNT / 5 && order.top[0].count - order.top[0].error <= COUNT / 5);
    assert.equal(order.is_enumeration, false);

    assert.equal(took.kind, "duration");
    const exact = sent.map(({ message }) => {
      const [, number, unit] = /took (\d+) ?(ms|s)/.exec(message);
      return Number(number) * (unit === "s" ? 1000 : 1);
    });
    exact.sort((left, right) => left - right);
    const { numbers } = took;
    assert.deepEqual([numbers.unit, numbers.count, numbers.min, numbers.max], ["ms", COUNT, exact[0], exact.at(-1)]);
    for (const [name, thousandths] of [["p50", 500], ["p90", 900], ["p99", 990]]) {
      near(numbers[name], exact[Math.floor(((COUNT - 1) * thousandths) / 1000)], name);
    }

    assert.deepEqual([link.kind, link.distinct, link.distinct_is_exact], ["word", 2, true]);
    assert.equal(link.is_enumeration, true);
    assert.deepEqual(link.values, ["up", "down"]);
    assert.deepEqual(link.top, [
      { value: "up", count: (COUNT / 8) * 7, error: 0 },
      { value: "down", count: COUNT / 8, error: 0 },
    ]);
  });

  test("are the same after a kill", async () => {
    const known = await patterns({ variables: "true" });
    await service.kill9();
    await service.restart();
    assert.deepEqual(await patterns({ variables: "true" }), known);
  });

  test("do not show what was redacted", async () => {
    const json = [{ component: "mail", message: "login of 12 with password=hunter2 from 10.0.0.1 failed" }];
    const reply = await service.request("POST", "/api/logs", { key, json });
    assert.equal(reply.json?.accepted, 1, reply.text);
    const shown = JSON.stringify(await patterns({ component: "mail", variables: "true" }));
    assert.ok(shown.includes('"12"') && !shown.includes("hunter2"), shown);
  });

  test("are refused where the question is not one", async () => {
    for (const query of [{ variables: "maybe" }, { pattern: "x" }]) {
      const reply = await ask(query);
      assert.equal(reply.status, 400, reply.text);
    }
  });
});

describe("users, sessions, clients and durations of the summary", () => {
  const facets = async (component) => {
    const reply = await service.request("GET", `/api/logs/analytics/summary?from=-2h&component=${component}`, { key });
    assert.equal(reply.status, 200, reply.text);
    const { users, sessions, clients, durations } = reply.json;
    return { users, sessions, clients, durations };
  };

  test("count each once over two components, before and after a kill", async () => {
    const records = Array.from({ length: 500 }, (_, number) => ({
      component: number % 2 ? "desk" : "door",
      message: "request served",
      userId: `user-${number % 90}`,
      sessionId: `session-${number % 400}`,
      context: { ip: `10.0.0.${number % 3}` },
      duration: number + 1,
    }));
    const reply = await service.request("POST", "/api/logs", { key, json: records });
    assert.equal(reply.json?.accepted, 500, reply.text);
    const seen = await facets("desk,door");
    assert.deepEqual(seen.users, { distinct: 90, is_exact: true });
    assert.deepEqual(seen.clients, { distinct: 3, is_exact: true });
    assert.equal(seen.sessions.is_exact, false);
    assert.ok(Math.abs(seen.sessions.distinct - 400) <= 400 * 4 * 0.023, `${seen.sessions.distinct} sessions`);
    const { durations } = seen;
    assert.deepEqual([durations.count, durations.min, durations.max], [500, 1, 500]);
    near(durations.p50, 250, "p50");
    near(durations.p95, 475, "p95");
    near(durations.p99, 495, "p99");
    assert.deepEqual((await facets("door")).users, { distinct: 45, is_exact: true });

    await service.kill9();
    await service.restart();
    assert.deepEqual(await facets("desk,door"), seen);
  });

  test("are nothing where there is nothing", async () => {
    const none = { distinct: 0, is_exact: true };
    assert.deepEqual(await facets("till"), { users: none, sessions: none, clients: none, durations: undefined });
  });
});
