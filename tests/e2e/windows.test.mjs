// Counts in windows of ten seconds to a day: by event time, in their kinds, the same whether they are counted from records
// or from minutes, and after kill -9; a week that is played in late stands in its hours and raises nothing. And the chart.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";
import { ownDomain } from "./own-domain.mjs";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({ vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms", FLUSH_INTERVAL: "500ms" } });
});

async function inDomain(name) {
  const own = await ownDomain(service, name, webhook);
  return {
    ...own,
    windows: (query) => own.read(`/api/components/shop/windows?${new URLSearchParams(query)}`),
    send: (records) => own.send(records.map((record) => ({ component: "shop", level: "info", ...record }))),
  };
}

const counts = (answer, name) => answer.series.find((one) => one.series === name)?.counts;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

test("a week that is played in late stands in its hours and raises nothing", async () => {
  const { read, send, windows, told } = await inDomain("week");
  const from = Math.floor((Date.now() - 8 * DAY) / DAY) * DAY;
  // Twenty an hour; one hour of a burst, half a day of silence, and errors.
  const records = [];
  for (let hour = 0; hour < 7 * 24; hour += 1) {
    const many = hour === 50 ? 400 : hour >= 100 && hour < 112 ? 0 : 20;
    for (let at = 0; at < many; at += 1) {
      const level = hour === 50 && at % 2 ? "error" : "info";
      records.push({ message: `page ${at} served`, level, endpoint: `/page/${at % 3 ? "list" : "view"}`, timestamp: from + hour * HOUR + (at * HOUR) / many });
    }
  }
  await send(records);
  const hours = await windows({ resolution: "1h", from, to: from + 7 * DAY });
  assert.deepEqual([hours.width_ms, hours.from_ms, hours.to_ms, hours.complete], [HOUR, from, from + 7 * DAY, true]);
  const expected = Array.from({ length: 168 }, (_, hour) => (hour === 50 ? 400 : hour >= 100 && hour < 112 ? 0 : 20));
  assert.deepEqual(counts(hours, "total"), expected);
  assert.deepEqual([counts(hours, "level:error")[50], sum(counts(hours, "level:error"))], [200, 200]);
  const days = await windows({ resolution: "1d", from, to: from + 7 * DAY, series: "total" });
  assert.deepEqual(counts(days, "total"), Array.from({ length: 7 }, (_, day) => sum(expected.slice(day * 24, day * 24 + 24))));
  // The same hour in minutes, and ten seconds of it from the records.
  const minutes = await windows({ resolution: "1m", from: from + 50 * HOUR, to: from + 51 * HOUR, series: "total" });
  assert.equal(counts(minutes, "total").length, 60);
  const seconds = await windows({ resolution: "10s", from: from + 50 * HOUR, to: from + 51 * HOUR });
  assert.deepEqual(Array.from({ length: 60 }, (_, minute) => sum(counts(seconds, "total").slice(minute * 6, minute * 6 + 6))), counts(minutes, "total"));
  assert.equal(sum(counts(seconds, "level:error")), 200);
  // Nobody was told, nothing is open; it was counted as late.
  assert.deepEqual((await read("/api/incidents")).incidents, []);
  await send([{ message: "the harbour is on fire", level: "error" }]);
  await until("a later error is told", () => told().length > 0);
  assert.deepEqual(told().map((data) => data.kind), ["new_pattern"], "and nothing before it");
});

test("kinds are told by their largest, the rest together, and it adds up after kill -9", async () => {
  const { read, send, windows } = await inDomain("kinds");
  const now = Math.floor(Date.now() / MINUTE) * MINUTE - 10 * MINUTE;
  const records = [];
  for (let number = 0; number < 30; number += 1) {
    for (let times = 0; times <= number; times += 1) {
      records.push({
        message: `request took ${times} ms`, endpoint: `/shelf${String.fromCharCode(97 + number)}`.replace("{", "_"), environment: number % 2 ? "test" : "production",
        level: number % 10 === 0 ? "error" : "info", timestamp: now + (times % 5) * MINUTE,
      });
    }
  }
  await send(records);
  const query = [["resolution", "1m"], ["from", now], ["to", now + 5 * MINUTE], ["series", "endpoint"], ["series", "environment"], ["series", "total"], ["series", "level:fatal"]];
  const shown = await windows(query);
  const endpoints = shown.series.filter((one) => one.series.startsWith("endpoint:"));
  assert.equal(endpoints.length, 21, "twenty and the rest");
  assert.equal(shown.folded_series, 10);
  assert.deepEqual([sum(endpoints.map((one) => one.total)), counts(shown, "total").length], [records.length, 5]);
  assert.equal(counts(shown, "endpoint:*").reduce((a, b) => a + b), (10 * 11) / 2, "the ten smallest");
  assert.deepEqual(counts(shown, "level:fatal"), [0, 0, 0, 0, 0]);
  assert.equal(sum(counts(shown, "environment:test")) + sum(counts(shown, "environment:production")), records.length);
  assert.deepEqual([shown.top.endpoint.length, shown.top.endpoint[0].count, shown.top.error_type.length > 0], [20, 30, true]);
  assert.match(shown.top.pattern[0].template, /^request took/);
  const [pattern] = (await read("/api/logs/analytics/patterns")).patterns;
  const own = await windows([["from", now], ["to", now + 5 * MINUTE], ["series", `pattern:${pattern.id}`]]);
  assert.equal(own.series[0].total, records.length);
  const fine = await windows([["resolution", "10s"], ...query.slice(1)]);
  assert.deepEqual(fine.top, shown.top, "counted from the records it is the same");
  await service.kill9();
  await service.restart();
  assert.deepEqual(await windows(query), shown);
});

test("what is wrong is named", async () => {
  const { key, domain, send } = await inDomain("wrong");
  await send([{ message: "page 1 served" }]);
  const ask = (query, options = { key }) => service.request("GET", `/api/components/shop/windows?${query}`, options);
  for (const [query, parameter, code] of [
    ["resolution=5m", "resolution", "invalid_value"],
    ["series=users", "series", "invalid_value"],
    ["interval=1m", "interval", "unknown_parameter"],
    ["resolution=10s&from=-2h", "from", "span_too_long"],
    ["resolution=1d&from=1990-01-01", "from", "span_too_long"],
    [Array(51).fill("series=total").join("&"), "series", "too_many"],
  ]) {
    const reply = await ask(query);
    assert.deepEqual([reply.status, reply.json.errors?.[0]?.parameter, reply.json.errors?.[0]?.code], [400, parameter, code], reply.text);
  }
  assert.equal((await service.request("GET", "/api/components/nowhere/windows", { key })).status, 404);
  assert.equal((await ask("", { key: await service.key(["ingest"], { domain }) })).json.code, "forbidden_scope");
  const bound = await service.key(["read"], { domain, component: "till" });
  assert.equal((await ask("", { key: bound })).json.code, "forbidden_component");
});

test("a series is drawn", async () => {
  const { key, send } = await inDomain("drawn");
  const start = Date.now() - 90 * MINUTE;
  const records = Array.from({ length: 540 }, (_, at) => ({ message: `page ${at} <served>`, timestamp: Math.round(start + at * 10 * SECOND) }));
  await send(records);
  const draw = (query, options = { key }) => service.request("GET", `/api/components/shop/baseline.svg${query}`, options);
  const deployed = await service.request("POST", "/api/deployments", { key, json: { release: "1.1", at: "-30m" } });
  assert.equal(deployed.status, 201, deployed.text);
  const total = await draw("");
  assert.deepEqual([total.status, total.headers.get("content-type")], [200, "image/svg+xml"], total.text);
  assert.match(total.text, /^<svg [^>]*role="img"[\s\S]*<\/svg>\n$/);
  assert.match(total.text, /shop: total/);
  assert.match(total.text, /1\.1 deployed \(announced\)/);
  assert.ok(!/<script|NaN|undefined/.test(total.text));
  const list = (await service.request("GET", "/api/components/shop/baseline", { key })).json.series;
  const pattern = list.find((one) => one.template);
  const drawn = await draw(`?series=${encodeURIComponent(pattern.series)}`);
  assert.ok(drawn.text.includes("page &lt;*&gt; &lt;served&gt;"), drawn.text.slice(0, 500));
  assert.equal((await draw("?series=pattern:00000000000000ff")).status, 404);
  assert.equal((await draw("?series=everything")).json.code, "invalid_query");
  assert.equal((await service.request("GET", "/api/components/nowhere/baseline.svg", { key })).status, 404);
});

test("days are those of the domain's clocks, also where one has 23 hours", async () => {
  const { ask, send, windows } = await inDomain("berlin");
  await ask("PUT", "/api/config", { TIME_ZONE: "Europe/Berlin" });
  // The Sunday before last on which clocks were put forward: two o'clock was three.
  const year = new Date().getUTCFullYear() - (Date.now() < Date.UTC(new Date().getUTCFullYear(), 3, 2) ? 1 : 0);
  const end = new Date(Date.UTC(year, 2, 31));
  const sunday = end.getTime() - end.getUTCDay() * DAY;
  const starts = [sunday - DAY - HOUR, sunday - HOUR, sunday + DAY - 2 * HOUR];
  // One line an hour, from Saturday to the end of Monday as Berlin has them.
  const records = Array.from({ length: 24 + 23 + 24 }, (_, hour) => ({ message: "the bells ring", timestamp: starts[0] + hour * HOUR + 5 * MINUTE }));
  await send(records);
  const days = await until("the domain's clocks are known", async () => {
    const answer = await windows({ resolution: "1d", from: starts[0], to: starts[2] + DAY, series: "total" });
    return answer.time_zone === "Europe/Berlin" && answer;
  });
  assert.deepEqual(days.starts_ms, starts, JSON.stringify(days));
  assert.deepEqual(counts(days, "total"), [24, 23, 24]);
  assert.deepEqual([days.from_ms, days.to_ms], [starts[0], starts[2] + DAY]);
});
