// The load bench: our service and two floors of the platform, rung by rung, in one run. Called by scripts/bench.
//
// Every service gets a state of its own, is warmed up before it is measured (a Worker that has just started runs in the
// baseline tier of its compiler), and answers every rung before the next one starts. Rows and object requests are
// counted by the service itself, bytes are those of its SQLite files, CPU time is that of the whole runtime process.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";

import { canProfile, sample, shares } from "./profile.mjs";
import { root, startRuntime } from "./runtime.mjs";
import { makeKey, makeSecrets } from "./secrets.mjs";

const { values: chosen } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    only: { type: "string", multiple: true, default: [] },
    rung: { type: "string", multiple: true, default: [] },
  },
});
const seconds = chosen.quick ? 5 : 20;
const warmUpSeconds = chosen.quick ? 5 : 10;
const load = path.join(process.env.SAPWOOD_BENCH_BIN, "sapwood-load");

/** Name, records a request, connections, requests a second (none: as fast as answers come). */
const RUNGS = [
  { name: "1-open", records: 1, connections: 64, rate: 1000 },
  { name: "1", records: 1, connections: 32 },
  { name: "10", records: 10, connections: 32 },
  { name: "100", records: 100, connections: 32 },
  { name: "500", records: 500, connections: 32 },
].filter((rung) => chosen.rung.length === 0 || chosen.rung.includes(rung.name));

const floor = (kind) => ({
  name: `floor-${kind}`,
  build: path.join(root, "crates", "bench", "floors", kind),
  miniflare: { bindings: {}, durableObjects: { FLOOR: { className: "Floor", useSQLite: true } } },
  flags: ["--unread", "--key", "none"],
  async counts(url) {
    if (kind === "null") return { rows: 0, requests: 0 };
    const { rows } = await (await fetch(`${url}/stats`)).json();
    return { rows, requests: 0 };
  },
});

const sapwood = {
  name: "sapwood",
  build: path.join(root, "build", "release"),
  migrate: true,
  secrets: makeSecrets(),
  // One object, however hot: on one machine the shards of a component would share its thread.
  vars: { SHARDS_MAX: "1" },
  async prepare(url) {
    const { key } = await makeKey(url, this.secrets.API_KEY, { name: "bench", scopes: ["ingest", "read"], domain: "bench.localhost" });
    this.key = key;
    this.flags = ["--key", key];
  },
  async counts(url) {
    const text = await (await fetch(`${url}/metrics`, { headers: { "X-API-Key": this.key, Accept: "text/plain" } })).text();
    const sum = (name) => [...text.matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, "gm"))].reduce((total, [, value]) => total + Number(value), 0);
    return { rows: sum("sapwood_object_rows_written_total"), requests: sum("sapwood_object_append_calls_total") + sum("sapwood_object_alarms_total") };
  },
};

async function run(runtime, service, { records, connections, rate }, duration) {
  const { stdout } = await promisify(execFile)(
    load,
    [
      "--url", runtime.url, ...service.flags, "--no-ids", "--json", "--batch", String(records), "--connections", String(connections),
      "--seconds", String(duration), "--cpu-of", String(runtime.workerdPid), "--errors-max", "1000000", "--retries", "2", "--timeout-ms", "30000",
      ...(rate ? ["--rate", String(rate)] : []),
    ],
    { maxBuffer: 1 << 26 },
  );
  return JSON.parse(stdout);
}

/** Resident memory of a process, in MB; undefined where there is no /proc. */
function residentMb(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  } catch {
    return undefined;
  }
}

const storedBytes = (runtime) => runtime.sqliteFiles().filter((file) => file.endsWith(".sqlite") || file.endsWith("-wal")).reduce((sum, file) => sum + statSync(file).size, 0);
const rounded = (value, digits) => (value === undefined || Number.isNaN(value) ? null : Number(value.toFixed(digits)));

async function measure(service) {
  const state = mkdtempSync(path.join(os.tmpdir(), "sapwood-bench-"));
  const runtime = await startRuntime({ build: service.build, state, secrets: service.secrets ?? {}, vars: service.vars ?? {}, miniflare: service.miniflare });
  const measured = [];
  try {
    if (service.migrate) await runtime.migrate();
    await service.prepare?.(runtime.url);
    for (const records of [1, 100]) await run(runtime, service, { records, connections: 8 }, warmUpSeconds);
    for (const rung of RUNGS) {
      process.stderr.write(`bench: ${service.name}, ${rung.name} ...\n`);
      const [before, bytes] = [await service.counts(runtime.url), storedBytes(runtime)];
      const seen = await run(runtime, service, rung, seconds);
      const after = await service.counts(runtime.url);
      measured.push({
        name: service.name,
        rung: rung.name,
        logs_per_request: rung.records,
        connections: rung.connections,
        rate: rung.rate ?? null,
        logs_per_s: rounded(seen.logs_per_second, 0),
        p50_ms: rounded(seen.p50_ms, 2),
        p99_ms: rounded(seen.p99_ms, 2),
        p999_ms: rounded(seen.p999_ms, 2),
        cpu_us_per_log: rounded(seen.cpu_us_per_log ?? undefined, 2),
        rss_mb: rounded(residentMb(runtime.workerdPid), 0),
        bytes_per_log: rounded((storedBytes(runtime) - bytes) / Math.max(1, seen.records), 1),
        rows_per_log: rounded((after.rows - before.rows) / Math.max(1, seen.records), 5),
        requests_per_log: rounded((after.requests - before.requests) / Math.max(1, seen.records), 5),
        errors: seen.errors,
        lost: seen.records - seen.accepted,
      });
    }
  } finally {
    await runtime.stop();
    rmSync(state, { recursive: true, force: true });
  }
  return measured;
}

/** Where the CPU time of a record goes, with 100 of them a request; undefined where nobody can see it. */
async function profile() {
  if (!(await canProfile()) || !existsSync(`${sapwood.build}-names`)) return undefined;
  process.stderr.write("bench: profile ...\n");
  const state = mkdtempSync(path.join(os.tmpdir(), "sapwood-bench-"));
  // V8 keeps a log beside the map of what it compiled, one for each isolate unless it is told otherwise.
  const v8Flags = ["--perf-basic-prof", "--no-logfile-per-isolate", `--logfile=${path.join(state, "v8.log")}`];
  const runtime = await startRuntime({ build: `${sapwood.build}-names`, state, secrets: sapwood.secrets, vars: sapwood.vars, v8Flags });
  try {
    await runtime.migrate();
    await sapwood.prepare(runtime.url);
    for (const records of [1, 100]) await run(runtime, sapwood, { records, connections: 8 }, warmUpSeconds);
    const [pid, file] = [runtime.workerdPid, path.join(state, "perf.data")];
    const going = run(runtime, sapwood, { records: 100, connections: 32 }, seconds + 2);
    await sample(pid, seconds, file);
    const seen = await going;
    return (await shares(pid, file)).map(({ stage, share, native_share }) => ({
      stage,
      share: rounded(share, 4),
      us_per_log: rounded(share * seen.cpu_us_per_log, 2),
      of_it_native: rounded(native_share * seen.cpu_us_per_log, 2),
    }));
  } finally {
    await runtime.stop();
    rmSync(state, { recursive: true, force: true });
  }
}

const wanted = [sapwood, floor("null"), floor("durable")].filter((service) => chosen.only.length === 0 || chosen.only.includes(service.name));
if (wanted.length === 0) {
  console.error("bench: no such service; there are sapwood, floor-null, floor-durable");
  process.exit(2);
}
const rungs = [];
for (const service of wanted) rungs.push(...(await measure(service)));

const columns = ["rung", "name", "logs_per_s", "p50_ms", "p99_ms", "p999_ms", "cpu_us_per_log", "rss_mb", "bytes_per_log", "rows_per_log", "requests_per_log", "errors"];
const table = [columns, ...RUNGS.flatMap(({ name }) => rungs.filter((one) => one.rung === name)).map((one) => columns.map((column) => String(one[column] ?? "-")))];
const widths = columns.map((_, at) => Math.max(...table.map((row) => row[at].length)));
for (const row of table) console.log(row.map((cell, at) => (at < 2 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join("  "));

const of = (name, rung) => rungs.find((one) => one.name === name && one.rung === rung);
for (const { name } of RUNGS) {
  const [ours, theirs] = [of("sapwood", name), of("floor-durable", name)];
  if (!ours || !theirs) continue;
  console.log(`${name}: ${(ours.logs_per_s / theirs.logs_per_s).toFixed(2)} of floor-durable's logs/s, ${(ours.p99_ms / theirs.p99_ms).toFixed(2)} x its p99`);
}
const stages = wanted.includes(sapwood) ? await profile() : undefined;
if (stages) {
  console.log("\nwhere the CPU time of a record goes, 100 a request (us; of it outside of compiled code):");
  for (const { stage, share, us_per_log, of_it_native } of stages) {
    console.log(`${stage.padEnd(24)} ${String(us_per_log.toFixed(2)).padStart(6)} ${(100 * share).toFixed(1).padStart(5)} % ${of_it_native.toFixed(2).padStart(6)}`);
  }
} else if (wanted.includes(sapwood)) {
  console.log("no profile: it needs perf (Linux) and the build with names beside the release (scripts/build --force)");
}
if (chosen.json) writeFileSync(chosen.json, `${JSON.stringify({ rungs, profile: stages ?? null }, null, 2)}\n`);
const failed = rungs.reduce((sum, one) => sum + one.errors + one.lost, 0);
if (failed > 0) {
  console.error(`bench: ${failed} requests failed or records were lost`);
  process.exit(1);
}
