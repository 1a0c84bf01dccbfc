// What a component that is new to a domain begins with: the hours of the week that its neighbour has learned. It keeps them
// over kill -9, and nothing is lent by a component that was erased.
//
// A week is played in with the event times it would have had; LATENESS lets them count as now.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { startReceiver, startWorker, until } from "./harness.mjs";
import { ownDomain } from "./own-domain.mjs";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
let service, webhook;

before(async () => {
  webhook = await startReceiver();
  service = await startWorker({
    vars: { WEBHOOK_URL: webhook.url, ALERT_GROUP_WINDOW: "0ms", FLUSH_INTERVAL: "200ms", LATENESS: "24h" },
  });
});

/** The records of a shop's week that ends now: twice as many by day as by night. */
function week(component) {
  const begin = Math.floor(Date.now() / HOUR) * HOUR - 8 * 24 * HOUR;
  return Array.from({ length: 8 * 24 }, (_, hour) => {
    const from = begin + hour * HOUR;
    const isDay = new Date(from).getUTCHours() >= 8 && new Date(from).getUTCHours() < 18;
    const count = isDay ? 60 : 30;
    return Array.from({ length: count }, (_, number) => {
      const uneven = ((hour * 1000 + number) * 7919) % 97;
      const timestamp = Math.round(from + ((number + uneven / 97) * HOUR) / count);
      return { level: "info", component, message: `cart ${number} opened`, timestamp };
    });
  }).flat();
}

test("a newcomer is lent the week of its neighbour, keeps it over a restart, and is lent nothing by what was erased", async () => {
  const { ask, read, send } = await ownDomain(service, "neighbours", webhook);
  const seed = async (component) => (await read(`/api/components/${component}/baseline`)).seed;
  let born = 0;
  const newcomer = async () => {
    born += 1;
    const component = `cart-${born}`;
    await send([{ level: "info", component, message: "cart 1 opened" }]);
    return component;
  };
  assert.equal(await seed(await newcomer()), null, "nobody has anything to lend");
  await send(week("cart"));
  // Each asks once, when it registers: some come before the neighbour's alarm has lent.
  const lent = await until("one is lent a week", async () => {
    const component = await newcomer();
    return (await seed(component)) && component;
  });
  const given = await seed(lent);
  assert.deepEqual(given.neighbours, ["cart"]);
  assert.ok(given.learned_hours >= 168 && given.learned_hours <= 192, JSON.stringify(given));
  assert.ok(given.given_hours > 0 && given.given_hours <= 6 && given.worth_hours === given.given_hours, JSON.stringify(given));
  assert.equal(await seed("cart"), null, "who has a week of its own was lent none");
  assert.equal(await seed("cart-1"), null, "who had begun was lent none");

  await service.kill9();
  await service.restart();
  assert.deepEqual(await seed(lent), given, "the same after a restart");

  await ask("DELETE", "/api/components/cart?confirm=cart");
  assert.equal(await seed(await newcomer()), null, "what was erased lends nothing");
});
