// Kill -9 in mid-stream, ten times in all, with an audit of every acknowledged id and every counter after each.
// `scripts/soak kills` does it fifty times.

import { test } from "node:test";

import { killAndAudit } from "./kills.mjs";

const KILLS = 5;

for (const [what, vars] of [
  ["before anything was flushed", { FLUSH_INTERVAL: "1h" }],
  ["between checkpoints every 100 ms", { FLUSH_INTERVAL: "100ms", STORAGE_MODE: "hybrid" }],
]) {
  test(`kill -9 in mid-stream, ${KILLS} times, ${what}: nothing acknowledged is lost, nothing is doubled, the counters agree`, (t) =>
    killAndAudit(t, { vars, kills: KILLS }));
}
