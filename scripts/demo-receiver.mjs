// Where the demo's alerts arrive: a receiver of Standard Webhooks on this machine.
//
//   node scripts/demo-receiver.mjs [--port N] [--journal FILE]
//
// Verifies each signature as a receiver should: the raw bytes, in constant time, at most five minutes old. Draws
// each alert as a box; with --journal also notes it as one JSON object a line ({id, body, text}), which `sapwood demo`
// reads, and then keeps quiet. A repetition (same webhook-id) is acknowledged and not shown again. The first line on
// standard output is the address.
//
// The secrets tried: WEBHOOK_SECRET, and the one that scripts/dev made (.dev/secrets.json), read when needed.

import { createHmac, timingSafeEqual } from "node:crypto";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const TOLERANCE_S = 300;
const BODY_BYTES_MAX = 1024 * 1024;
const WIDTH = 100;

const { values } = parseArgs({
  options: { port: { type: "string", default: "0" }, journal: { type: "string" } },
});

function secrets() {
  const found = [process.env.WEBHOOK_SECRET];
  try {
    const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", ".dev", "secrets.json");
    found.push(JSON.parse(readFileSync(file, "utf8")).WEBHOOK_SECRET);
  } catch {
    // scripts/dev has not run yet; then it has not sent anything either.
  }
  return found.filter((secret) => typeof secret === "string" && secret.startsWith("whsec_"));
}

/** Why a message is not to be believed; undefined if it is. */
function doubt(headers, body) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = (headers["webhook-signature"] ?? "").split(" ").filter((part) => part.startsWith("v1,"));
  if (!id || !/^\d+$/.test(timestamp ?? "") || signatures.length === 0) return "the three webhook headers are not all there";
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return "the timestamp is more than five minutes off";
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  for (const secret of secrets()) {
    const key = Buffer.from(secret.slice("whsec_".length), "base64");
    const expected = createHmac("sha256", key).update(signed).digest();
    for (const signature of signatures) {
      const given = Buffer.from(signature.slice(3), "base64");
      if (given.length === expected.length && timingSafeEqual(given, expected)) return undefined;
    }
  }
  return "no signature fits a secret known here (WEBHOOK_SECRET, .dev/secrets.json)";
}

/** Log text is hostile: nothing of it may steer the terminal. */
const printable = (text) => String(text ?? "").replace(/[\p{Cc}\p{Cf}]/gu, (c) => (c === "\n" ? "⏎" : `\\u{${c.codePointAt(0).toString(16)}}`));
const cut = (text, width) => ([...text].length <= width ? text : `${[...text].slice(0, width - 1).join("")}…`);
const timeOf = (moment) => {
  const date = new Date(moment ?? NaN);
  return Number.isNaN(date.getTime()) ? printable(moment) : date.toISOString().slice(0, 19).replace("T", " ");
};

/** One alert as a box. What a later version adds is not shown, what an earlier one lacks is left out. */
function box(body) {
  const data = body.data ?? {};
  const lines = [];
  const add = (label, value) => value !== undefined && value !== null && value !== "" && lines.push(`${label.padEnd(11)} ${printable(value)}`);
  add("what", [data.kind?.replaceAll?.("_", " "), data.level].filter(Boolean).join(", "));
  add("where", [data.domain, data.component, data.environment].filter(Boolean).join(" / "));
  add("pattern", data.pattern);
  const expected = data.expected === null || data.expected === undefined ? "never seen before" : `expected ${Number(data.expected).toFixed(1)}`;
  if (data.seen !== undefined) add("seen", `${data.seen} in ${Math.round((data.window_ms ?? 60000) / 1000)} s, ${expected}`);
  add("count", data.count);
  if (data.first_seen) add("first seen", timeOf(data.first_seen));
  add("release", data.release);
  for (const [index, line] of (data.exemplars ?? []).slice(0, 3).entries()) {
    add(index === 0 ? "exemplars" : "", `${timeOf(line.time ?? line.timestamp_ms)} ${line.level ?? ""} ${line.message ?? ""}`);
  }
  if (data.exemplars_omitted > 0) add("", `… and ${data.exemplars_omitted} more`);
  const title = ` ${printable(data.title ?? body.type ?? "alert")} `;
  const inner = WIDTH - 4;
  return [
    `┌─${cut(title, inner).padEnd(inner, "─")}─┐`,
    ...lines.map((line) => `│ ${cut(line, inner).padEnd(inner)} │`),
    `└${"─".repeat(WIDTH - 2)}┘`,
  ].join("\n");
}

const known = new Set();

function receive(headers, raw) {
  const reason = doubt(headers, raw);
  if (reason) {
    console.error(`demo-receiver: refused a message: ${reason}`);
    return 401;
  }
  let body;
  try {
    body = JSON.parse(raw.toString("utf8"));
  } catch {
    console.error("demo-receiver: refused a message: signed, but not JSON");
    return 400;
  }
  const id = headers["webhook-id"];
  if (known.has(id)) return 204;
  known.add(id);
  const text = box(body);
  if (values.journal) appendFileSync(values.journal, `${JSON.stringify({ id, body, text })}\n`);
  else console.log(text);
  return 204;
}

const server = http.createServer((request, response) => {
  const answer = (status) => response.writeHead(status).end();
  if (request.method !== "POST") return answer(405);
  const chunks = [];
  let bytes = 0;
  request.on("data", (chunk) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      answer(413);
      request.destroy();
    } else chunks.push(chunk);
  });
  request.on("end", () => answer(receive(request.headers, Buffer.concat(chunks))));
});
server.on("error", (error) => {
  console.error(`demo-receiver: cannot listen on port ${values.port}: ${error.message}`);
  process.exit(1);
});
if (values.journal) writeFileSync(values.journal, "");
server.listen(Number(values.port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/alerts`));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(0));
