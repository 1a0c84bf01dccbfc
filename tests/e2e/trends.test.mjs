// What variables tell: a disk that fills is told once with when it will be full, durations that triple and a value that
// never came are shown, as is a line at an endpoint where it never was; with their numbers, and also after kill -9.
//
// Hours are played in with the event times they would have had; LATENESS lets them count as now.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";

const MINUTE = 60_000;
let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({
    vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms", FLUSH_INTERVAL: "500ms", LATENESS: "24h" },
  });
});

const chance = (number) => ((Math.imul(number ^ (number >>> 15), 0x2c1b3c6d) >>> 0) % 1000);

async function inDomain(name) {
  const domain = `${name}.example`;
  const key = await service.key(["ingest", "read", "admin"], { domain });
  return {
    key,
    async send(records) {
      for (let from = 0; from < records.length; from += 500) {
        const part = records.slice(from, from + 500);
        const reply = await service.request("POST", "/api/logs", { key, json: part });
        assert.equal(reply.json?.accepted, part.length, reply.text);
      }
    },
    told: () => webhook.requests.map((request) => request.json?.data).filter((data) => data?.domain === domain),
    async baseline(series) {
      const query = series ? `?series=${encodeURIComponent(series)}` : "";
      const reply = await service.request("GET", `/api/components/pump/baseline${query}`, { key });
      assert.equal(reply.status, 200, reply.text);
      return reply.json;
    },
    async incidents() {
      return (await service.request("GET", "/api/incidents", { key })).json.incidents;
    },
  };
}

const record = (message, timestamp, more = {}) => ({ level: "info", component: "pump", message, timestamp, ...more });

test("a disk that fills is told once with when it will be full, its level is shown, and it ends when it is emptied", async () => {
  const { send, told, baseline, incidents, key } = await inDomain("filling");
  const begin = Math.floor(Date.now() / MINUTE) * MINUTE - 110 * MINUTE;
  const disk = (minute, used) => record(`disk /data used ${used.toFixed(1)}% of 500 GB`, begin + minute * MINUTE + 7_000);
  const other = (minute) => record(`disk /var used ${(20 + chance(minute) / 500).toFixed(1)}% of 80 GB`, begin + minute * MINUTE + 8_000);
  const minutes = (from, to, used) => Array.from({ length: to - from }, (_, i) => [disk(from + i, used(from + i)), other(from + i)]).flat();
  const filling = (minute) => 30 + 0.6 * minute + chance(minute) / 4000;
  await send(minutes(0, 100, filling));
  const alert = await until("it is told", () => told().find((data) => data.kind === "trend"));
  assert.match(alert.title, /^Level of “disk <\*> used <\*>.*” in pump reaches 100 in \d+ min \(\d+ (s|min) to \d+ min\), now \d+, probability /);
  assert.ok(alert.expected_low < alert.expected && alert.expected < alert.expected_high && alert.probability < 1e-4, JSON.stringify(alert));
  const level = Number(alert.title.match(/now (\d+)/)[1]);
  const truth = ((100 - level) / 0.6) * MINUTE;
  assert.ok(Math.abs(alert.expected / truth - 1) < 0.25, `${alert.expected} of ${truth}`);

  const all = await baseline();
  const shown = all.variables.filter((variable) => variable.limit === 100 && variable.open === "trend");
  assert.equal(shown.length, 1, JSON.stringify(all.variables));
  const one = await baseline(shown[0].series);
  assert.equal(one.series, alert.series);
  assert.ok(one.points.length >= 40 && one.points.at(-1).seen > one.points[0].seen && one.points.at(-1).total === 100);
  const opened = one.decisions.find((decision) => decision.verdict === "opened");
  assert.deepEqual([opened.kind, opened.incident_id, opened.expected], ["trend", alert.incident_id, alert.expected]);
  const [open] = (await incidents()).filter((incident) => incident.kind === "trend");
  assert.deepEqual([open.status, open.series, open.was_told], ["open", alert.series, true]);
  const line = await service.request("GET", `/api/logs/${encodeURIComponent(open.evidence[0])}`, { key });
  assert.match(line.json.message, /^disk \/data used/, "its newest record");

  await service.kill9();
  await service.restart();
  assert.deepEqual(await baseline(shown[0].series), one, "the same numbers after a restart");
  await send(minutes(100, 106, () => 12));
  await until("it is over", async () => (await incidents()).some((incident) => incident.id === open.id && incident.status === "resolved"));
  assert.equal(told().filter((data) => data.kind === "trend").length, 1);
});

test("durations that triple, a value that never came and a line where it never was are shown and wake nobody", async () => {
  const { send, told, baseline } = await inDomain("drifting");
  const hours = 8;
  const begin = Math.floor(Date.now() / (60 * MINUTE)) * 60 * MINUTE - hours * 60 * MINUTE;
  const request = (index, times, status) => {
    const number = chance(index * 7 + 1);
    return record(`request ${index} took ${times * (20 + Math.floor((number * number) / 4000))} ms, status ${number % 20 ? 200 : status}`, begin + index * 6_000, {
      endpoint: "/pump",
    });
  };
  const flush = (index) => record(`valve ${index} flushed`, begin + index * 6_000 + 1_000, { endpoint: "/valve" });
  const part = (from, to, times, status) =>
    Array.from({ length: (to - from) * 10 }, (_, i) => [request(from * 10 + i, times, status), ...(i % 4 ? [] : [flush(from * 10 + i)])]).flat();
  await send(part(0, 6 * 60, 1, 404));
  const before = await baseline();
  assert.ok(before.variables.length >= 2, JSON.stringify(before.variables));
  assert.deepEqual(before.decisions.filter((decision) => /value|combination|trend/.test(decision.kind)), []);
  await send([{ ...flush(3600), endpoint: "/pump" }]);
  await send(part(6 * 60, 7 * 60 + 5, 3, 418));
  const after = await baseline();
  const found = (kind) => after.decisions.filter((decision) => decision.kind === kind);
  for (const kind of ["value_drift", "new_value", "rare_combination"]) {
    assert.ok(found(kind).length > 0 && found(kind).every((decision) => decision.verdict === "shown"), `${kind}: ${JSON.stringify(after.decisions)}`);
  }
  const [drift] = found("value_drift");
  assert.ok(drift.seen > drift.expected_high && drift.probability < 1e-4 && /^variable:[0-9a-f]{16}:1$/.test(drift.series), JSON.stringify(drift));
  const [rare] = found("rare_combination");
  assert.ok(/^facet:[0-9a-f]{16}:endpoint$/.test(rare.series) && rare.expected > 100 && rare.seen === 1, JSON.stringify(rare));
  assert.equal((await baseline(rare.series)).template, "valve <*> flushed");
  await service.kill9();
  await service.restart();
  assert.deepEqual(await baseline(), after);
  assert.deepEqual(told().filter((data) => /value|combination/.test(data.kind)), []);
});

test("a line at an endpoint where it never was says with which release it came, and what there was before", async () => {
  const { send, told, baseline, key } = await inDomain("releasing");
  const begin = Math.floor(Date.now() / MINUTE) * MINUTE - 710 * MINUTE;
  const minute = (number, release, stray) => {
    const at = begin + number * MINUTE;
    const pages = ["/cart", "/price", "/stock", "/pay", "/refund", "/bill"].map((endpoint, i) =>
      record(`page ${chance(number) + i} served`, at + i * 1_000, { endpoint, release }),
    );
    const payments = ["/pay", "/refund", stray ?? "/bill", "/pay"].map((endpoint, i) =>
      record(`bank refused payment ${chance(number * 3) + i}`, at + 10_000 + i * 1_000, { endpoint, release, level: "warn" }),
    );
    return [...pages, ...payments];
  };
  const part = (from, to, release) => Array.from({ length: to - from }, (_, i) => minute(from + i, release)).flat();
  await send([...part(0, 300, "2.3.9"), ...part(300, 700, "2.4.0"), ...part(700, 703, "2.4.1")]);
  const rare = async () => (await baseline()).decisions.filter((decision) => decision.kind === "rare_combination");
  assert.deepEqual(await rare(), [], "a release by itself is nothing");
  await send(minute(703, "2.4.1", "/cart"));
  const [found, ...others] = await rare();
  assert.deepEqual([others, found?.new_in_release, found?.before_release?.release], [[], "2.4.1", "2.4.0"], JSON.stringify(found));
  const { value, records, records_ever } = found.before_release;
  assert.ok(value === "/cart" && Math.abs(records - 400) <= 2 && Math.abs(records_ever - 700) <= 2, JSON.stringify(found));
  // Of a variable: what is usual in its half hour, whether it has a rhythm yet or not.
  const [variable] = (await baseline()).variables;
  const shown = await baseline(variable.series);
  assert.ok(shown.values.rhythm === "none" && shown.values.classes.length > 1, JSON.stringify(shown.values));
  assert.ok(shown.values.classes.every((one) => one.low <= one.usual && one.usual <= one.high), JSON.stringify(shown.values));
  const bad = await service.request("GET", "/api/components/pump/baseline?series=variable:nothing:1", { key });
  assert.ok([400, 404].includes(bad.status), bad.text);
  await service.kill9();
  await service.restart();
  assert.deepEqual(await rare(), [found], "the same after a power cut");
  assert.deepEqual(told(), []);
});
