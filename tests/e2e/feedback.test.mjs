// What people say of incidents: it moves what it takes to be told the next time, is listed with who and why, is taken
// back, and is not lost by kill -9; bad requests change nothing.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";
import { ownDomain } from "./own-domain.mjs";

const SECOND = 1000;
let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({
    vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms", FLUSH_INTERVAL: "500ms", CRITICAL_THRESHOLD: "12" },
  });
});

async function inDomain(name) {
  const own = await ownDomain(service, name, webhook);
  const send = (records, component = "pump") => own.send(records.map((record) => ({ component, level: "error", ...record })));
  return { ...own, send };
}

/** Sentences that share no shape, so that each is a pattern of its own. */
const FAULTS = [
  "alder module cannot mount its board",
  "the harbour is on fire",
  "lost the ledger of yesterday while closing",
  "whale swallowed an anchor near pier four, sending divers",
  "unexpected snow",
];
const fault = (number) => ({ message: FAULTS[number] });

test("a new error that was noise has to come again before anybody is told, and it can be taken back", async () => {
  const { ask, read, send, told } = await inDomain("noise");
  await send([fault(0)]);
  const first = await until("the first error is told", () => told()[0]);
  assert.equal(first.kind, "new_pattern");
  // The alert says how to say so.
  assert.equal(first.feedback.path, `/api/incidents/${first.incident_id}/feedback`);
  assert.equal(first.feedback.command, `sapwood feedback ${first.incident_id} noise`);
  const taken = await ask("POST", first.feedback.path, { verdict: "noise", note: "the new pump is being tested" });
  assert.deepEqual(taken, {
    incident_id: first.incident_id, component: "pump", verdict: "noise", step_before: 0,
    threshold: { series: "total", kind: "new_pattern", step: 1, records: 3 },
  });
  // Repeating it changes nothing more.
  assert.equal((await ask("POST", first.feedback.path, { verdict: "noise" })).threshold.step, 1);

  await service.kill9();
  await service.restart();
  await send([fault(1), fault(1)]);
  const quiet = (await read("/api/incidents")).incidents;
  assert.equal(quiet.length, 2, "it is an incident all the same");
  assert.deepEqual(quiet.map((one) => one.was_told), [false, true]);
  assert.equal(quiet[1].feedback.verdict, "noise");
  // Of a third kind three records: told once, and after nothing of the second.
  await send([fault(2), fault(2), fault(2), fault(2)]);
  await until("the third is told", () => told().length === 2);
  assert.match(told()[1].title, /lost the ledger/);

  const { feedback } = await read("/api/incidents/feedback");
  assert.equal(feedback.length, 1);
  const { by, at_ms, ...said } = feedback[0];
  assert.deepEqual(said, {
    component: "pump", incident_id: first.incident_id, verdict: "noise",
    threshold: { series: "total", kind: "new_pattern", step: 1, records: 3 },
  });
  assert.ok(by.length > 0 && Math.abs(Date.now() - at_ms) < 60 * SECOND);
  assert.deepEqual((await read("/api/components/pump/baseline?series=total")).feedback[0].incident_id, first.incident_id);
  const undone = await ask("DELETE", first.feedback.path);
  assert.deepEqual([undone.verdict, undone.step_before, undone.threshold.step], [null, 1, 0]);
  await send([fault(3)]);
  await until("the next one is told at first sight again", () => told().length === 3);
  const actions = (await read("/api/audit")).entries.map((entry) => entry.action).filter((action) => action.startsWith("feedback"));
  assert.deepEqual(actions, ["feedback.undone", "feedback.given", "feedback.given"]);
});

test("bursts of errors that were noise take twice as many, in their component alone", async () => {
  const { ask, send, told } = await inDomain("bursts");
  const burst = (count, component) =>
    send(Array.from({ length: count }, (_, index) => ({ message: `order ${index} was refused`, timestamp: Date.now() })), component);
  const bursts = (component) => told().filter((data) => data.kind === "burst" && data.component === component);
  await burst(15, "till");
  const first = await until("the burst is told", () => bursts("till")[0]);
  const { threshold } = await ask("POST", `/api/incidents/${first.incident_id}/feedback`, { verdict: "noise" });
  assert.deepEqual(threshold, { series: "errors", kind: "burst", step: 1, errors_times: 2 });
  for (let times = 0; times < 5; times += 1) {
    // One opinion an incident, however often it is given.
    const again = await ask("POST", `/api/incidents/${first.incident_id}/feedback`, { verdict: "noise" });
    assert.equal(again.threshold.step, 1);
  }
  await burst(15, "desk");
  await until("another component is told of as ever", () => bursts("desk").length === 1);
  assert.equal(bursts("till").length, 1);
});

test("what is wrong is named, and changes nothing", async () => {
  const { key, ask, read, send, told, domain } = await inDomain("wrong");
  await send([fault(4)]);
  const { incident_id: id } = await until("an error is told", () => told()[0]);
  const path = `/api/incidents/${id}/feedback`;
  const refused = async (method, where, options, status, code) => {
    const reply = await service.request(method, where, { key, ...options });
    assert.deepEqual([reply.status, reply.json?.code], [status, code], reply.text);
    return reply.json;
  };
  for (const [json, pointer, code] of [
    [{}, "/verdict", "missing"],
    [{ verdict: "maybe" }, "/verdict", "invalid_value"],
    [{ verdict: 1 }, "/verdict", "wrong_type"],
    [{ verdict: "noise", note: "x".repeat(281) }, "/note", "too_long"],
    [{ verdict: "noise", reason: "x" }, "/reason", "unknown_field"],
  ]) {
    const problem = await refused("POST", path, { json }, 400, "invalid_query");
    assert.deepEqual([problem.errors[0].pointer, problem.errors[0].code], [pointer, code]);
  }
  await refused("POST", path, { body: "{", headers: { "Content-Type": "application/json" } }, 400, "invalid_json");
  await refused("POST", path, { json: [] }, 400, "wrong_top_level");
  await refused("DELETE", path, {}, 404, "not_found");
  for (const unknown of ["nothing", "%F0%9F%8C%B2", `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`]) {
    await refused("POST", `/api/incidents/${unknown}/feedback`, { json: { verdict: "noise" } }, 404, "not_found");
  }
  await refused("PUT", path, { json: { verdict: "noise" } }, 405, "method_not_allowed");
  await refused("GET", "/api/incidents/feedback?status=open", {}, 400, "invalid_query");
  const sender = await service.key(["read", "ingest"], { domain });
  await refused("POST", path, { json: { verdict: "noise" }, key: sender }, 403, "forbidden_scope");
  const foreign = await service.key(["admin"], { domain: "foreign.example" });
  await refused("POST", path, { json: { verdict: "noise" }, key: foreign }, 404, "not_found");
  assert.deepEqual((await read("/api/incidents/feedback")).feedback, []);
  const real = await ask("POST", path, { verdict: "real" });
  assert.equal(real.threshold.step, 0, "it cannot be told earlier than at first sight");
  assert.equal((await ask("DELETE", path)).threshold.step, 0);
});
