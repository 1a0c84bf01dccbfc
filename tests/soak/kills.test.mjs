// Kill -9 in mid-stream, fifty times, with an audit of every acknowledged id and every counter after each.

import { test } from "node:test";

import { killAndAudit } from "../e2e/kills.mjs";

const KILLS = 25;

for (const [what, vars] of [
  ["before anything was flushed", { FLUSH_INTERVAL: "1h" }],
  ["between checkpoints every 100 ms", { FLUSH_INTERVAL: "100ms", STORAGE_MODE: "hybrid" }],
]) {
  test(`kill -9 ${KILLS} times ${what}`, (t) => killAndAudit(t, { vars, kills: KILLS }));
}
