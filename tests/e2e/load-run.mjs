// Starts the load client beside a service and measures the service while it runs.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const client = fileURLToPath(new URL("./load-client.mjs", import.meta.url));
/** Linux counts CPU time in ticks of 10 ms whatever the kernel's own rate is. */
const TICK_US = 10_000;

/** Processor time that a process has used, in us; undefined where there is no /proc. */
function cpuUs(pid) {
  const stat = `/proc/${pid}/stat`;
  if (!existsSync(stat)) return undefined;
  const fields = readFileSync(stat, "utf8").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Runs the load; gives what the client saw and `cpuUsPerRecord` of workerd. */
export async function load(service, options) {
  const before = cpuUs(service.workerdPid);
  const { stdout } = await promisify(execFile)(process.execPath, [client, JSON.stringify({ url: service.url, ...options })], { maxBuffer: 1 << 24 });
  const after = cpuUs(service.workerdPid);
  const seen = JSON.parse(stdout);
  const cpuUsPerRecord = before === undefined ? undefined : Number(((after - before) / Math.max(1, seen.accepted)).toFixed(1));
  return { ...seen, cpuUsPerRecord, recordsPerSecond: Math.round(seen.accepted / seen.seconds) };
}

/**
 * Lets the runtime compile what the load will use: a Worker that has just started runs in the baseline tier of its
 * compiler, at a third of its speed, until the functions that matter are compiled anew behind it.
 */
export async function warmUp(service, key) {
  const seen = await load(service, { key, mode: "open", rate: 300, seconds: 6, component: "warm" });
  if (seen.errors > 0) throw new Error(`warming up: ${seen.firstErrors.join("; ")}`);
}
