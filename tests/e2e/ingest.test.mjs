// Every row of ingest-table.mjs against a real service: the answer, and what is found afterwards. Each row writes
// with a key that is bound to a component of its own, so that "nothing is stored" can be seen.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, describe, test } from "node:test";

import { findAll, search } from "./account.mjs";
import { startWorker, until } from "./harness.mjs";
import { table } from "./ingest-table.mjs";
import { altered, signedKey } from "./keys.mjs";

let service;
let readKey;
let revokedKey;

before(async () => {
  service = await startWorker();
  readKey = await service.key(["read"]);
  revokedKey = await makeRevokedKey();
});

/** A key that was taken back; the edge may take up to a minute to hear of it. */
async function makeRevokedKey() {
  const { key, id } = await service.keyWithId(["ingest"], { component: "revoked" });
  const admin = await service.key(["admin"]);
  const gone = await service.request("DELETE", `/api/keys/${encodeURIComponent(id)}`, { key: admin });
  assert.ok([200, 204].includes(gone.status), gone.text);
  await until(
    "the key is refused",
    async () => (await service.request("POST", "/api/logs", { key, json: { message: "still?" } })).status === 401,
    { within: 60_000, every: 250 },
  );
  return key;
}

async function keyOf(kind, component) {
  switch (kind) {
    case "none":
      return undefined;
    case "malformed":
      return "sw_cut-off";
    case "unknown":
      return `sk_${randomBytes(24).toString("hex")}`;
    case "foreign":
      return signedKey(randomBytes(32).toString("base64url"), { component });
    case "altered":
      return altered(await service.key(["ingest"], { component }));
    case "revoked":
      return revokedKey;
    case "read":
      return readKey;
    default:
      return service.key(["ingest"], { component });
  }
}

function inChunks(body) {
  const bytes = Buffer.from(body);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, (at += 64 * 1024)));
    },
  });
}

function assertMembers(actual, expected, what) {
  for (const [name, value] of Object.entries(expected)) {
    if (value instanceof RegExp) assert.match(actual[name], value, `${what}: ${name}`);
    else if (name === "defects") assert.deepEqual([...(actual.defects ?? [])].sort(), [...value].sort(), `${what}: defects`);
    else assert.deepEqual(actual[name], value, `${what}: ${name}`);
  }
}

test("a key made here with the service's own secret is good, so that what is refused below is refused for its signature", async () => {
  const key = signedKey(service.secrets.KEY_SIGNING_SECRET, { component: "forged-here" });
  const reply = await service.request("POST", "/api/logs", { key, json: { message: "hello", level: "info" } });
  assert.equal(reply.status, 202, reply.text);
});

describe("what is sent, what is answered, what is kept", { concurrency: 4 }, () => {
  for (const [number, row] of table.entries()) {
    test(`${row.what}: ${row.status}${row.code ? ` ${row.code}` : ""}`, async () => {
      const component = row.key === "revoked" ? "revoked" : `row-${number}`;
      const body = typeof row.body === "function" ? row.body() : row.body;
      const before = row.key === "revoked" ? (await search(service, readKey, { component })).total : 0;
      const reply = await service.request("POST", "/api/logs", {
        key: await keyOf(row.key, component),
        headers: { "Content-Type": "application/json", ...row.headers },
        body: row.stream ? inChunks(body) : body,
      });

      assert.equal(reply.status, row.status, reply.text.slice(0, 1000));
      assert.ok(reply.headers.get("X-Request-ID"), "every reply has an id");
      assertMembers(reply.json, row.reply ?? {}, "reply");
      if (row.status >= 400) assertProblem(reply, row);
      else assert.equal(sumOfOutcomes(reply.json), reply.json.total, "every record sent has one outcome");
      if (row.first) assertMembers(reply.json.errors[0], row.first, "the first error");
      if (row.first) assert.ok(reply.json.errors[0].detail, "and says what is wrong");

      const found = row.storedTotal
        ? (await search(service, readKey, { component, limit: 1 })).total
        : (await findAll(service, readKey, { component })).length;
      assert.equal(found - before, row.storedTotal ?? row.stored?.length ?? 0, "what is stored");
      if (row.stored) await assertStored(component, row.stored);
    });
  }
});

function sumOfOutcomes({ accepted, duplicate, counted_only, rejected }) {
  return accepted + duplicate + counted_only + rejected;
}

function assertProblem(reply, row) {
  const problem = reply.json;
  assert.match(reply.headers.get("Content-Type"), /^application\/problem\+json/);
  assert.equal(problem.status, row.status, "the status is repeated");
  assert.equal(problem.code, row.code);
  assert.equal(problem.type, `/problems/${row.code}`);
  assert.equal(problem.instance, reply.headers.get("X-Request-ID"));
  assert.ok(problem.title && problem.detail, "it is said in words");
  if (row.reason) assert.equal(problem.errors[0].code, row.reason);
  assert.equal(reply.headers.has("WWW-Authenticate"), row.status === 401);
  if (row.code === "unsupported_encoding") assert.match(reply.headers.get("Accept-Encoding"), /gzip/);
}

async function assertStored(component, expected) {
  const found = await findAll(service, readKey, { component });
  // Records of one timestamp come in the order sent.
  for (const [at, members] of expected.entries()) {
    assertMembers(found[at], { defects: [], ...members }, `record ${at}`);
    assert.equal(found[at].component, component);
    assert.equal(found[at].domain, "test.example");
  }
}
