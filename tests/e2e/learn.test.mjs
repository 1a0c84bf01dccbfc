// What people teach about patterns: in force at once and everywhere in the domain, after a crash too, and undone.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";

let service;
let webhook;
before(async () => {
  webhook = await startReceiver();
  service = await startWorker({ vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms" } });
});

const LEARN = "/api/logs/patterns/learn";
const LESSONS = "/api/logs/patterns/lessons";
const keyFor = (domain) => service.key(["ingest", "read", "admin"], { domain });

/** Sends messages to a component. */
const send = async (key, component, ...messages) => {
  const records = messages.map((message) => (typeof message === "string" ? { level: "info", message, component } : { component, ...message }));
  const reply = await service.request("POST", "/api/logs", { key, json: records });
  assert.deepEqual([reply.status, reply.json?.accepted], [202, records.length], reply.text);
};
const patterns = async (key, query = "") => {
  const reply = await service.request("GET", `/api/logs/analytics/patterns?${query}`, { key });
  assert.equal(reply.status, 200, reply.text);
  return reply.json.patterns;
};
const withTemplate = async (key, template) => {
  const found = (await patterns(key)).find((pattern) => pattern.template === template);
  assert.ok(found, `${template} in ${JSON.stringify((await patterns(key)).map((pattern) => pattern.template))}`);
  return found;
};
const teach = async (key, json, status = 201) => {
  const reply = await service.request("POST", LEARN, { key, json });
  assert.equal(reply.status, status, reply.text);
  assert.equal(reply.json.pending_components, undefined, reply.text);
  return reply.json;
};
const search = async (key, query) => {
  const reply = await service.request("GET", `/api/logs/search?${query}`, { key });
  assert.equal(reply.status, 200, reply.text);
  return reply.json;
};
const undo = (key, id) => service.request("DELETE", `${LESSONS}/${id}`, { key });

test("a merge is in force in every component at once, finds history, outlives kill -9, and is undone", async () => {
  const key = await keyFor("merge.example");
  await send(key, "web", "worker 1 started", "job 2 began", "worker 3 started");
  await send(key, "cart", "worker 4 started");
  const [started, began] = [await withTemplate(key, "worker <*> started"), await withTemplate(key, "job <*> began")];

  const wanted = { kind: "merge", from: [started.id], into: began.id, note: "the same thing" };
  const tried = await teach(key, { ...wanted, dry_run: true }, 200);
  assert.deepEqual([tried.dry_run, tried.lessons], [true, [{ kind: "merge", patterns: 1, records: 3 }]]);
  assert.equal((await patterns(key)).length, 2, "a dry run changes nothing");
  assert.deepEqual((await service.request("GET", LESSONS, { key })).json.lessons, []);

  const { lessons } = await teach(key, wanted);
  assert.deepEqual((await teach(key, wanted)).lessons[0].id, lessons[0].id, "the same again is the same lesson");
  await send(key, "web", "worker 5 started");
  await send(key, "cart", "worker 6 started");
  await send(key, "new", "worker 7 started");
  const merged = await patterns(key);
  assert.deepEqual(merged.map((pattern) => [pattern.id, pattern.count]), [[began.id, 7]], "of a component that knew only one of them, and of a new one, too");
  assert.deepEqual(merged[0].aliases, [started.id]);
  assert.equal((await search(key, `pattern=${began.id}`)).total, 7, "history is found under the one that stays");
  const all = await search(key, "q=worker");
  assert.deepEqual([...new Set(all.records.map((record) => record.pattern_id))], [began.id]);

  await service.kill9();
  await service.restart();
  await send(key, "cart", "worker 8 started");
  assert.deepEqual((await patterns(key)).map((pattern) => [pattern.id, pattern.count]), [[began.id, 8]]);

  const undone = await undo(key, lessons[0].id);
  assert.deepEqual([undone.status, undone.json.undone, undone.json.pending_components], [200, true, []], undone.text);
  await send(key, "web", "worker 9 started");
  const apart = Object.fromEntries((await patterns(key)).map((pattern) => [pattern.id, pattern.count]));
  assert.deepEqual(apart, { [began.id]: 5, [started.id]: 4 }, "what was counted before comes back, what was counted since stays");
  await service.kill9();
  await service.restart();
  assert.deepEqual(Object.fromEntries((await patterns(key)).map((pattern) => [pattern.id, pattern.count])), apart);
  assert.equal((await undo(key, lessons[0].id)).status, 404);

  const audit = (await service.request("GET", "/api/audit", { key })).json.entries.filter((entry) => entry.action.startsWith("lesson."));
  assert.deepEqual(audit.map((entry) => entry.action), ["lesson.undone", "lesson.taught"], "once for each time something changed");
  assert.match(audit[1].detail, new RegExp(started.id));
});

test("a name is shown wherever its pattern is: lists, summary, search, alerts", async () => {
  const key = await keyFor("name.example");
  await send(key, "web", "payment 17 of card 3 lost");
  const { id } = await withTemplate(key, "payment <*> of card <*> lost");
  await teach(key, { kind: "name", pattern: id, name: "Lost payment", description: "Money is gone.", owner: "payments", link: "https://wiki.example/lost", type: "fault" });
  const [named] = await patterns(key, "q=lost+payment");
  assert.deepEqual([named.name, named.description, named.owner, named.link, named.kind], ["Lost payment", "Money is gone.", "payments", "https://wiki.example/lost", "fault"]);
  const [record] = (await search(key, `pattern=${id}`)).records;
  assert.deepEqual([record.pattern_id, record.pattern_name], [id, "Lost payment"]);
  const summary = await service.request("GET", "/api/logs/analytics/summary", { key });
  assert.equal(summary.json.top_patterns.find((pattern) => pattern.id === id)?.name, "Lost payment", summary.text);
  await teach(key, { kind: "template", template: "refund <*> failed <*>", name: "Failed refund" });
  await send(key, "cart", { level: "error", message: "refund 7 failed after noon" });
  const told = await until("the alert is out", () => webhook.requests.find((request) => request.body.toString().includes("Failed refund")));
  assert.match(told.body.toString(), /refund <\*> failed <\*>/);
});

test("a split and a constant part values into patterns of their own, and their undoing joins them again", async () => {
  const key = await keyFor("split.example");
  await send(key, "web", "order 1 paid by card 7", "stage 1 done");
  const [order, stage] = [await withTemplate(key, "order <*> paid by card <*>"), await withTemplate(key, "stage <*> done")];
  const { lessons } = await teach(key, { lessons: [{ kind: "split", pattern: order.id, place: 1, values: ["7", "8"] }, { kind: "constant", pattern: stage.id, place: 0 }], note: "for the board" });
  await send(key, "web", "order 2 paid by card 7", "order 3 paid by card 9", "stage 1 done", "stage 2 done");
  await send(key, "cart", "order 4 paid by card 7");
  const counts = async () => Object.fromEntries((await patterns(key)).map((pattern) => [pattern.template, pattern.count]));
  const apart = { "order <*> paid by card <*>": 2, "order <*> paid by card 7": 2, "stage <*> done": 1, "stage 1 done": 1, "stage 2 done": 1 };
  assert.deepEqual(await counts(), apart);
  const parent = await withTemplate(key, "order <*> paid by card <*>");
  const child = await withTemplate(key, "order <*> paid by card 7");
  assert.deepEqual([parent.id, parent.children, child.parent], [order.id, [child.id], order.id]);
  await service.kill9();
  await service.restart();
  assert.deepEqual(await counts(), apart);

  await teach(key, { kind: "name", pattern: child.id, name: "Card seven" });
  const inUse = await undo(key, lessons[0].id);
  assert.deepEqual([inUse.status, inUse.json.code], [422, "lesson_refused"], inUse.text);
  const named = (await service.request("GET", LESSONS, { key })).json.lessons.find((lesson) => lesson.kind === "name");
  for (const id of [named.id, ...lessons.map((lesson) => lesson.id)]) assert.equal((await undo(key, id)).status, 200);
  assert.deepEqual(await counts(), { "order <*> paid by card <*>": 4, "stage <*> done": 3 });
  await send(key, "web", "order 5 paid by card 7");
  assert.equal((await search(key, `pattern=${order.id}`)).total, 5, "what was stored under a child is found");
});

test("what is taught in one domain is not seen in another, until it is imported there as a file", async () => {
  const [here, there] = [await keyFor("here.example"), await keyFor("there.example")];
  for (const key of [here, there]) await send(key, "web", "login of 1 ok", "signin of 2 ok", "tick 3 of 9");
  const [login, signin, tick] = [await withTemplate(here, "login of <*> ok"), await withTemplate(here, "signin of <*> ok"), await withTemplate(here, "tick <*> of <*>")];
  await teach(here, { lessons: [
    { kind: "merge", from: [signin.id], into: login.id },
    { kind: "name", pattern: { template: "login of <*> ok" }, name: "Login", note: "agreed on Monday" },
    { kind: "constant", pattern: tick.id, place: 1 },
  ] });
  assert.equal((await patterns(here)).length, 2);
  assert.equal((await patterns(there)).length, 3, "another domain sees nothing of it");
  assert.deepEqual((await service.request("GET", LESSONS, { key: there })).json, { lessons: [], version: 0 });

  const file = (await service.request("GET", `${LESSONS}?format=file`, { key: here })).json;
  assert.deepEqual([file.format, file.version, file.lessons.length], ["sapwood-lessons", 1, 3]);
  const imported = await teach(there, file);
  assert.deepEqual(imported.lessons.map((lesson) => lesson.kind), ["merge", "name", "constant"]);
  assert.deepEqual(await patterns(there).then((list) => list.map((pattern) => [pattern.template, pattern.count, pattern.name])), [["login of <*> ok", 2, "Login"], ["tick <*> of <*>", 1, undefined]]);
  const listed = (await service.request("GET", LESSONS, { key: there })).json.lessons;
  assert.equal(listed[1].note, "agreed on Monday");
  assert.equal((await teach(there, file)).version, imported.version, "the same file again changes nothing");
  // A file may speak of patterns that are yet to come.
  const empty = await keyFor("empty.example");
  await teach(empty, file);
  await send(empty, "web", "signin of 4 ok");
  assert.deepEqual((await patterns(empty)).map((pattern) => [pattern.id, pattern.name]), [[login.id, "Login"]]);
});

test("what cannot be learnt is refused with its place and its reason, and nothing of it is taught", async () => {
  const key = await keyFor("refused.example");
  await send(key, "web", "alpha 1 up", "beta 2 up", "gamma up");
  const [alpha, beta, gamma] = [await withTemplate(key, "alpha <*> up"), await withTemplate(key, "beta <*> up"), await withTemplate(key, "gamma up")];
  await teach(key, { kind: "merge", from: [alpha.id], into: beta.id });
  const unknown = "00000000000000ff";
  const table = [
    [{}, 400, "/kind", "unknown_kind"],
    [{ kind: "name", pattern: "alpha", name: "x" }, 400, "/pattern", "invalid_pattern"],
    [{ kind: "name", pattern: gamma.id, name: "x", colour: "red" }, 400, "/colour", "unknown_field"],
    [{ kind: "name", pattern: gamma.id, name: "x", link: "javascript:alert(1)" }, 400, "/link", "invalid_value"],
    [{ kind: "name", pattern: gamma.id }, 422, "/name", "name_needed"],
    [{ kind: "name", pattern: unknown, name: "x" }, 404, "/pattern", "unknown_pattern"],
    [{ kind: "merge", from: [gamma.id, unknown], into: beta.id }, 404, "/from/1", "unknown_pattern"],
    [{ kind: "merge", from: [gamma.id], into: gamma.id }, 422, "/into", "merged_into_itself"],
    [{ kind: "merge", from: [beta.id], into: alpha.id }, 422, "/into", "merge_cycle"],
    [{ kind: "split", pattern: gamma.id, place: 0, values: ["1"] }, 422, "/place", "no_such_place"],
    [{ kind: "split", pattern: beta.id, place: 1, values: ["1"] }, 422, "/place", "no_such_place"],
    [{ kind: "split", pattern: beta.id, place: 0, values: ["1", "1"] }, 422, "/values", "invalid_values"],
    [{ kind: "constant", pattern: beta.id, place: "first" }, 400, "/place", "invalid_value"],
    [{ kind: "template", template: "<*> <*>" }, 422, "/template", "no_words"],
    [{ kind: "name", pattern: "0000000000000000", name: "x" }, 422, "/pattern", "overflow_pattern"],
    [{ lessons: [{ kind: "name", pattern: gamma.id, name: "fine" }, { kind: "name", pattern: gamma.id }] }, 422, "/lessons/1/name", "name_needed"],
    [{ format: "another", version: 9, lessons: [{ kind: "template", template: "a word" }] }, 400, "/format", "unknown_format"],
  ];
  for (const [json, status, pointer, code] of table) {
    for (const body of [json, { ...json, dry_run: true }]) {
      const reply = await service.request("POST", LEARN, { key, json: body });
      const named = reply.json?.errors?.map((error) => [error.pointer, error.code]) ?? [];
      assert.equal(reply.status, status, `${JSON.stringify(body)}: ${reply.text}`);
      assert.deepEqual(named[0], [pointer, code], `${JSON.stringify(body)}: ${reply.text}`);
    }
  }
  for (const body of ["", "[]", "{"]) assert.equal((await service.request("POST", LEARN, { key, body })).status, 400, body);
  assert.equal((await service.request("POST", LEARN, { key, body: " ".repeat(1_100_000) })).status, 413);
  for (const id of ["99", "x", "-1"]) assert.equal((await undo(key, id)).status, 404, id);
  assert.equal((await service.request("GET", `${LESSONS}?format=xml`, { key })).status, 400);
  assert.equal((await service.request("GET", LESSONS, { key })).json.lessons.length, 1);
});
