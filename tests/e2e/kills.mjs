// Kill workerd in the middle of a stream of batches, restart it on the same state, again and again. What was
// acknowledged is there, once; what was not is retried under its key and ends there once; and three accounts agree:
// the client's own journal, a recount of every record found, and the counters that the service serves.

import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";

import { components, findAll, metrics, summary } from "./account.mjs";
import { startWorker } from "./harness.mjs";

const COMPONENTS = ["gate", "ledger", "mailer", "shop"];
const LEVELS = ["debug", "info", "warn", "error"];
const CONNECTIONS = 6;
/** Batches that are acknowledged between two kills; how many is chance, so that kills fall anywhere. */
const BATCHES_BETWEEN_KILLS = [10, 80];

/** What a careful client writes down: every batch, and how each attempt to send it ended. */
class Journal {
  batches = [];

  next(connection) {
    const number = this.batches.length;
    // Every batch goes to two or three components, so that kills fall between the parts of one.
    const records = Array.from({ length: 5 + (number % 4) }, (_, of) => ({
      message: `batch ${number} record ${of}`,
      level: LEVELS[(number + of) % LEVELS.length],
      component: COMPONENTS[(number + (of % 3)) % COMPONENTS.length],
      ...(of === 0 && { id: `own-${number}` }),
    }));
    const batch = { number, connection, key: randomUUID(), records, isAcknowledged: false, attempts: 0 };
    this.batches.push(batch);
    return batch;
  }

  get acknowledged() {
    return this.batches.filter((batch) => batch.isAcknowledged);
  }
  get open() {
    return this.batches.filter((batch) => !batch.isAcknowledged);
  }
}

async function send(service, key, batch) {
  batch.attempts += 1;
  let reply;
  try {
    reply = await service.request("POST", "/api/logs", { key, json: batch.records, headers: { "Idempotency-Key": batch.key } });
  } catch {
    // The connection broke: whether it is stored is not known.
    return undefined;
  }
  if (reply.status === 202) {
    const { accepted, duplicate, rejected, counted_only } = reply.json;
    assert.equal(accepted + duplicate, batch.records.length, reply.text);
    assert.equal(rejected + counted_only, 0, reply.text);
    batch.isAcknowledged = true;
  } else {
    assert.ok([500, 503, 504].includes(reply.status), `${reply.status}: ${reply.text.slice(0, 500)}`);
  }
  return reply;
}

/** Sends from several connections until `enough` batches more are acknowledged, then kills in mid-stream. */
async function streamUntilKilled(service, key, journal, enough) {
  const goal = journal.acknowledged.length + enough;
  let isKilled = false;
  const sender = async (connection) => {
    while (!isKilled) await send(service, key, journal.next(connection));
  };
  const senders = Array.from({ length: CONNECTIONS }, (_, connection) => sender(connection));
  const killer = async () => {
    while (journal.acknowledged.length < goal) await new Promise((resolve) => setTimeout(resolve, 5));
    const killed = service.kill9();
    isKilled = true;
    await killed;
  };
  await Promise.all([killer(), ...senders]);
}

const sentRecords = (batches) => batches.flatMap((batch) => batch.records);
const messages = (records) => records.map((record) => record.message).sort();

function countBy(records, field) {
  const counts = {};
  for (const record of records) counts[record[field]] = (counts[record[field]] ?? 0) + 1;
  return counts;
}

/** The three accounts of everything sent so far. */
async function audit(service, key, journal) {
  const sent = sentRecords(journal.batches);
  const found = await findAll(service, key);
  assert.deepEqual(messages(found), messages(sent), "found is what was sent: nothing lost, nothing doubled");
  assert.equal(new Set(found.map((record) => record.id)).size, sent.length, "every record has an id of its own");

  const perComponent = countBy(sent, "component");
  const perLevel = countBy(sent, "level");
  const listed = await components(service, key);
  for (const name of COMPONENTS) {
    const component = listed.get(name);
    assert.equal(component.accepted, perComponent[name], `accepted of ${name}`);
    const levels = countBy(sent.filter((record) => record.component === name), "level");
    assert.deepEqual(component.levels, levels, `levels of ${name}`);
  }
  const metric = await metrics(service, key);
  assert.equal(metric("sapwood_records_total", { outcome: "accepted" }), sent.length, "accepted in /metrics");
  for (const name of COMPONENTS) assert.equal(metric("sapwood_records_total", { outcome: "accepted", component: name }), perComponent[name]);
  const shown = await summary(service, key, { from: "-1h" });
  assert.equal(shown.partial, false);
  assert.equal(shown.total, sent.length, "total of the summary");
  assert.deepEqual(shown.by_level, perLevel, "levels of the summary");
  assert.deepEqual(Object.fromEntries(shown.components.map(({ component, total }) => [component, total])), perComponent);
  assert.equal(shown.timeline.reduce((sum, moment) => sum + moment.total, 0), sent.length, "minutes of the summary");
  assert.equal(shown.outcomes.accepted, sent.length, "outcomes of the summary");
}

/** Streams, kills and audits `kills` times. */
export async function killAndAudit(t, { vars, kills }) {
  const service = await startWorker({ vars: { ...vars, ALERTS_ENABLED: "false" } });
  const key = await service.key(["ingest", "read"]);
  const journal = new Journal();
  let retried = 0;
  for (let kill = 1; kill <= kills; kill += 1) {
    await streamUntilKilled(service, key, journal, randomInt(...BATCHES_BETWEEN_KILLS));
    await service.restart();

    const found = new Set((await findAll(service, key)).map((record) => record.message));
    const lost = sentRecords(journal.acknowledged).filter((record) => !found.has(record.message));
    assert.deepEqual(lost.map((record) => record.message), [], `after kill ${kill}: lost`);

    retried += journal.open.length;
    for (const batch of journal.open) await send(service, key, batch);
    assert.deepEqual(journal.open.map((batch) => batch.number), [], "every retry is taken");
    await audit(service, key, journal);
  }
  assert.ok(retried > 0, "the kills came in mid-stream");
  // A quiet restart changes nothing that anybody can see.
  await service.kill9();
  await service.restart();
  await audit(service, key, journal);
  t.diagnostic(`${journal.batches.length} batches, ${sentRecords(journal.batches).length} records, ${kills} kills, ${retried} batches retried`);
}
