// Deployments: announced for all components or some, or seen in records; listed, shown beside the baseline, named in what
// is told of new errors, and there after kill -9.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";
import { ownDomain } from "./own-domain.mjs";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({ vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms", FLUSH_INTERVAL: "500ms" } });
});

async function inDomain(name) {
  const own = await ownDomain(service, name, webhook);
  return {
    ...own,
    deploy: (json) => own.ask("POST", "/api/deployments", json, 201),
    send: (component, records) => own.send(records.map((record) => ({ component, level: "info", ...record }))),
  };
}

test("an announced release is known to the components it names, once, and widens what was usual there", async () => {
  const { read, deploy, send } = await inDomain("announced");
  for (const component of ["shop", "till", "desk"]) {
    const start = Date.now() - 40 * MINUTE;
    await send(component, Array.from({ length: 240 }, (_, at) => ({ message: `page ${at} served`, timestamp: start + at * 10 * SECOND })));
  }
  const at = Date.now() - 20 * MINUTE;
  const announced = await deploy({ release: "2.0", components: ["shop", "till"], at });
  assert.deepEqual(announced, {
    release: "2.0", at_ms: at, widened_until_ms: at + 15 * MINUTE, components: ["shop", "till"], partial: false,
  });
  await deploy({ release: "2.0", components: ["shop", "till"], at });
  const all = await deploy({ release: "2.1" });
  assert.deepEqual(all.components, ["desk", "shop", "till"]);
  assert.ok(Math.abs(all.at_ms - Date.now()) < 30 * SECOND);
  const { deployments } = await read("/api/deployments");
  assert.deepEqual(
    deployments.map((one) => [one.release, one.component, one.source]).sort(),
    [["2.0", "shop", "announced"], ["2.0", "till", "announced"], ["2.1", "desk", "announced"], ["2.1", "shop", "announced"], ["2.1", "till", "announced"]],
  );
  assert.ok(deployments.every((one) => one.by.length > 0));
  await service.kill9();
  await service.restart();
  assert.deepEqual((await read("/api/deployments")).deployments, deployments);
  const only = (await read("/api/deployments?component=desk")).deployments;
  assert.deepEqual(only.map((one) => one.release), ["2.1"]);
  // The chart's data: deployments beside the minutes, whose band is wider from the deployment of now on.
  const before = await read("/api/components/shop/baseline?series=total");
  assert.deepEqual(before.deployments.map((one) => one.release), ["2.1", "2.0"]);
  const page = (await read("/api/components/shop/baseline")).series.find((one) => one.template);
  const known = await read(`/api/components/shop/baseline?series=${encodeURIComponent(page.series)}`);
  const reach = (from, to) => {
    const points = known.points.filter((point) => point.time_ms >= from && point.time_ms < to && point.high !== null);
    assert.ok(points.length > 0, JSON.stringify(known.points.slice(-3)));
    return points[0].high - points[0].expected;
  };
  assert.ok(reach(at + MINUTE, at + 10 * MINUTE) > 1.3 * reach(at - 10 * MINUTE, at - 2 * MINUTE));
});

test("a release that records name for the first time is a deployment, and a new error in it says so", async () => {
  const { read, send, told } = await inDomain("seen");
  const now = Date.now();
  await send("shop", [{ message: "page 1 served", release: "1.0", timestamp: now - 3 * MINUTE }]);
  assert.deepEqual((await read("/api/deployments")).deployments, [], "where the component stands");
  await send("shop", [{ message: "the old basket is torn", level: "error", release: "1.0" }]);
  const old = await until("the old error is told", () => told()[0]);
  assert.equal(old.new_in_release, undefined);
  await send("shop", [{ message: "cannot reach the new ledger", level: "error", release: "1.1" }]);
  const fresh = await until("the new error is told", () => told()[1]);
  assert.equal(fresh.title, "New error pattern in release 1.1 of shop: cannot reach the new ledger");
  assert.deepEqual([fresh.release, fresh.new_in_release], ["1.1", "1.1"]);
  const [deployment] = (await read("/api/deployments")).deployments;
  assert.deepEqual([deployment.release, deployment.source, deployment.by], ["1.1", "seen", undefined]);
  const incidents = (await read("/api/incidents")).incidents;
  assert.deepEqual(incidents.map((one) => one.new_in_release), ["1.1", undefined]);
  // Announced later, more exactly: still one deployment.
  const at = now - 30 * SECOND;
  const reply = await service.request("POST", "/api/deployments", {
    key: await service.key(["ingest"], { domain: "seen.example", component: "shop" }), json: { release: "1.1", at },
  });
  assert.deepEqual([reply.status, reply.json.components], [201, ["shop"]], reply.text);
  assert.deepEqual((await read("/api/deployments")).deployments.map((one) => [one.release, one.at_ms]), [["1.1", at]]);
});

test("what is wrong is named, and changes nothing", async () => {
  const { key, domain, read, send } = await inDomain("wrong");
  await send("shop", [{ message: "page 1 served" }]);
  const refused = async (json, status, code, more = {}) => {
    const reply = await service.request("POST", "/api/deployments", { key, json, ...more });
    assert.deepEqual([reply.status, reply.json?.code], [status, code], reply.text);
    return reply.json;
  };
  for (const [json, pointer] of [
    [{}, "/release"],
    [{ release: "" }, "/release"],
    [{ release: "a\u0000b" }, "/release"],
    [{ release: "x".repeat(129) }, "/release"],
    [{ release: "1", at: "soon" }, "/at"],
    [{ release: "1", at: 5 }, "/at"],
    [{ release: "1", at: Date.now() + 25 * 60 * MINUTE }, "/at"],
    [{ release: "1", components: [] }, "/components"],
    [{ release: "1", components: "shop" }, "/components"],
    [{ release: "1", service: "shop" }, "/service"],
  ]) {
    const problem = await refused(json, 400, "invalid_query");
    assert.equal(problem.errors[0].pointer, pointer, JSON.stringify(json));
  }
  const unknown = await refused({ release: "1", components: ["shop", "nowhere"] }, 404, "not_found");
  assert.match(unknown.detail, /nowhere/);
  await refused({ release: "1" }, 403, "forbidden_scope", { key: await service.key(["read"], { domain }) });
  const bound = await service.key(["ingest"], { domain, component: "till" });
  await refused({ release: "1", components: ["shop"] }, 403, "forbidden_component", { key: bound });
  assert.deepEqual((await read("/api/deployments")).deployments, []);
});
