// Kill -9 in mid-stream, fifty times, with an audit of every acknowledged id and every counter after each.
// SAPWOOD_SOAK_KILLS says how many (50), for a machine that is too slow for so many within the time of a test file.

import { test } from "node:test";

import { killAndAudit } from "../e2e/kills.mjs";

const KILLS = Math.ceil(Number(process.env.SAPWOOD_SOAK_KILLS ?? 50) / 2);

for (const [what, vars] of [
  ["before anything was flushed", { FLUSH_INTERVAL: "1h" }],
  ["between checkpoints every 100 ms", { FLUSH_INTERVAL: "100ms", STORAGE_MODE: "hybrid" }],
]) {
  test(`kill -9 ${KILLS} times ${what}`, (t) => killAndAudit(t, { vars, kills: KILLS }));
}
