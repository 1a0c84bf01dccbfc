// What a component's rhythm is known to be, and what is told when it breaks: a silence by alarm with nobody asking, a
// burst and a new shape in the turn that wrote them, each once, also after kill -9; and the numbers behind it.
//
// An hour is played in with the event times it would have had; from then on the clock is the real one. That nothing
// else is told is shown by what must be told arriving after it, in order.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { metrics } from "./account.mjs";
import { startReceiver, startWorker, until } from "./harness.mjs";
import { ownDomain } from "./own-domain.mjs";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({
    vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms", FLUSH_INTERVAL: "500ms", LATENESS: "1s" },
  });
});

/** A domain of its own with one component, and what the tests do in it. */
async function inDomain(name) {
  const own = await ownDomain(service, name, webhook);
  const baseline = (series) =>
    own.read(`/api/components/pump/baseline${series ? `?series=${encodeURIComponent(series)}` : ""}`);
  return { ...own, baseline };
}

const record = (message, timestamp, level = "info") => ({ level, component: "pump", message, timestamp });

/** Even traffic in two shapes, `perMinute` records a minute for `minutes` that end at `to`. */
function traffic(perMinute, minutes, to) {
  const gap = MINUTE / perMinute;
  return Array.from({ length: perMinute * minutes }, (_, index) => {
    const at = Math.round(to - minutes * MINUTE + (index + 1) * gap);
    // A gap that is not always the same: 0 to 60 % of it earlier.
    const uneven = ((index * 7919) % 97) / 97;
    return record(index % 3 ? `valve ${index} opened` : `pressure is ${index % 40} bar`, Math.round(at - 0.6 * uneven * gap));
  });
}

async function play(send, records) {
  for (let from = 0; from < records.length; from += 500) await send(records.slice(from, from + 500));
}

test("a silence is told by the object's own alarm, once, and is over when records come back", async (t) => {
  const { key, send, told, baseline, read } = await inDomain("silence");
  await play(send, traffic(40, 65, Date.now()));
  const silent = await until("the silence is told, and nobody has asked anything", () => told()[0], { within: 90_000, every: 250 });
  assert.deepEqual([silent.kind, silent.series, silent.component, silent.seen], ["silence", "total", "pump", 0]);
  assert.match(silent.title, /^No records from pump for \d+ s, expected one every \d+(\.\d+)? m?s, probability /);
  assert.ok(silent.expected > 18 && silent.probability < 1e-6, JSON.stringify(silent));
  // Those of this instance: an object that sleeps counts anew when it wakes.
  const alarms = (await metrics(service, key))("sapwood_object_alarms_total", { component: "pump" });
  t.diagnostic(`${alarms} alarms until the silence was told`);
  assert.ok(alarms >= 1 && alarms <= 14, `${alarms} alarms`);

  // kill -9 after the fact: it stays told, and stays open.
  const shown = await baseline("total");
  await service.kill9();
  await service.restart();
  assert.deepEqual(await baseline("total"), shown, "the same numbers after a restart");
  assert.equal(shown.open, "silence");
  const [open] = (await read("/api/incidents?status=open")).incidents;
  assert.deepEqual([open.kind, open.series, open.pattern_id, open.was_told], ["silence", "total", null, true]);
  assert.ok(open.evidence.length > 0 && open.id === silent.incident_id);
  assert.ok((await read(`/api/logs/${encodeURIComponent(open.evidence[0])}`)).message, "its evidence can be opened");
  await send([record("valve 1 opened", Date.now())]);
  await until("it is over", async () => (await read("/api/incidents?status=resolved")).incidents.some((one) => one.id === open.id));
  await send([record("the pump house is flooded", Date.now(), "error")]);
  await until("a later error is told", () => told().some((data) => data.kind === "new_pattern"));
  assert.deepEqual(told().map((data) => data.kind), ["silence", "new_pattern"]);
});

test("a burst is told in the turn in which it is sure, with its band, once, also after kill -9", async () => {
  const { send, told, baseline } = await inDomain("burst");
  const begin = Math.floor(Date.now() / (10 * SECOND)) * 10 * SECOND - 40 * SECOND;
  await play(send, traffic(12, 65, begin));
  const quiet = await baseline("total");
  assert.ok(Math.abs(quiet.usual - 12) < 1.5 && quiet.learned_minutes >= 60 && quiet.open === null, JSON.stringify({ ...quiet, points: 0 }));
  assert.ok(quiet.points.length > 60 && quiet.points.length <= 240);
  const last = quiet.points.at(-1);
  assert.ok(last.low < last.seen && last.seen < last.high && last.low < 12 && last.high > 12, JSON.stringify(last));
  assert.deepEqual(quiet.decisions, []);

  await send(Array.from({ length: 150 }, (_, index) => record(`valve ${index} opened`, begin + 10 * SECOND + index * 60)));
  const burst = await until("the burst is told", () => told()[0]);
  assert.deepEqual([burst.kind, burst.series], ["burst", "total"]);
  // Before its ten seconds are over: as soon as no more of it is needed to be sure.
  assert.ok(burst.seen > burst.expected_high && burst.seen < 150 && burst.expected < 5 && burst.probability < 1e-6, JSON.stringify(burst));
  await send([record("valve 1 opened", begin + 25 * SECOND)]);
  assert.match(burst.title, /^Burst in pump: \d+ in \d+ s, expected \d/);
  assert.ok(burst.exemplars.some((line) => /^valve/.test(line.message)), `lines of the pattern that moved: ${JSON.stringify(burst.exemplars)}`);

  const explained = await baseline("total");
  const decision = explained.decisions.find((one) => one.verdict === "opened");
  assert.deepEqual([decision.kind, decision.incident_id], ["burst", burst.incident_id]);
  assert.deepEqual([decision.seen, decision.expected, decision.probability], [burst.seen, burst.expected, burst.probability]);
  assert.equal(explained.open, "burst");
  await service.kill9();
  await service.restart();
  assert.deepEqual(await baseline("total"), explained);
  await send([record("valve 2 opened", begin + 35 * SECOND)]);
  await send([record("the pump house is flooded", Date.now(), "error")]);
  await until("a later error is told", () => told().some((data) => data.kind === "new_pattern"));
  assert.deepEqual(told().map((data) => data.kind), ["burst", "new_pattern"]);
});

test("a shape never seen is shown at once and rings nobody; series are listed, and what is unknown is 404", async () => {
  const { key, send, told, baseline } = await inDomain("novel");
  const now = Date.now();
  await play(send, traffic(10, 30, now - SECOND));
  await send([record("a heron sits on intake number four", now)]);
  const all = await baseline();
  assert.deepEqual(all.series.slice(0, 3).map((series) => series.series), ["total", "errors", "latency"]);
  assert.deepEqual(all.series.slice(3).map((series) => series.template).sort(), ["a heron sits on intake number four", "pressure is <*> bar", "valve <*> opened"]);
  const [decision] = all.decisions;
  assert.deepEqual([decision.kind, decision.verdict, decision.seen, decision.decided_at_ms >= now], ["new_pattern", "shown", 1, true]);
  assert.ok(decision.probability > 0 && decision.probability < 0.05);
  const one = await baseline(decision.series);
  assert.equal(one.template, "a heron sits on intake number four");
  assert.ok(one.points.length <= 60 && one.decisions.length === 1);
  for (const [path, status] of [
    ["/api/components/pump/baseline?series=pattern:00000000000000ff", 404],
    ["/api/components/nowhere/baseline", 404],
    ["/api/components/pump/baseline?series=everything", 400],
    ["/api/components/pump/baseline?from=tomorrow", 400],
  ]) {
    assert.equal((await service.request("GET", path, { key })).status, status, path);
  }
  const narrow = await service.request("GET", `/api/components/pump/baseline?series=total&from=${now - 5 * MINUTE}&to=${now}`, { key });
  assert.ok(narrow.json.points.length >= 3 && narrow.json.points.length <= 6, narrow.text);
  await send([record("the pump house is flooded", Date.now(), "error")]);
  await until("an error is told", () => told().length > 0);
  assert.deepEqual(told().map((data) => data.kind), ["new_pattern"]);
});
