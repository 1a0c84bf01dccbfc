// The local runtime: a build of the Worker, on real workerd, with its state in one folder.
//
// Used by scripts/dev-server.mjs and by the end-to-end harness, so that what the tests drive is what a
// developer runs. Bindings and vars are read from wrangler.toml by wrangler's own reader and never
// listed here. Requests reach the Worker over a direct socket: miniflare's entry proxy would cap them at
// a few hundred a second (docs/decisions/0003-miniflare-with-a-direct-socket.md).
//
// Invariants: one state folder has at most one runtime; a runtime that is gone leaves no workerd behind
// (workerd-child ties them together, and what survives anyway is found through the pid file and killed
// at the next start); a restart keeps port and state.
//
// Left out: building (scripts/build), secrets and keys (the callers), remote bindings.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Miniflare } from "miniflare";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

// miniflare calls bindings (D1, KV, R2) synchronously through a thread: it waits to be woken, then takes the answer. The
// thread says "done" and wakes in two steps, and on a busy machine the second comes late and wakes the *next* call, which
// finds no answer yet; from then on every call fails. Taking an answer therefore waits for one.
const threads = createRequire(import.meta.url)("node:worker_threads");
const takeNow = threads.receiveMessageOnPort;
threads.receiveMessageOnPort = (port) => {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < 10_000; waited += 1) {
    const taken = takeNow(port);
    if (taken !== undefined) return taken;
    Atomics.wait(pause, 0, 0, 1);
  }
  return undefined;
};

/** A start that cannot succeed for a reason the user can act on; the message says what to do. */
export class CannotStart extends Error {}

// wrangler phones home and asks for updates unless told otherwise; nothing here needs the network.
process.env.WRANGLER_SEND_METRICS = "false";
process.env.WRANGLER_LOG ??= "error";

let workerOptionsOnce;

/** What wrangler.toml says at its top level, as miniflare options. Read once per process. */
async function optionsFromWrangler() {
  workerOptionsOnce ??= (async () => {
    const { unstable_readConfig, unstable_getMiniflareWorkerOptions } = await import("wrangler");
    const config = unstable_readConfig({ config: path.join(root, "wrangler.toml") }, { hideWarnings: true });
    const { workerOptions } = unstable_getMiniflareWorkerOptions(config);
    // A developer's .dev.vars or .env must not change what the tests see: only what is in the file counts.
    const vars = Object.fromEntries(Object.keys(config.vars).map((name) => [name, config.vars[name]]));
    const namesD1 = config.d1_databases.map((database) => database.binding);
    return { name: config.name, vars, namesD1, workerOptions };
  })();
  return workerOptionsOnce;
}

// miniflare reads the path of workerd from the environment of this process at the moment it spawns, so
// starts take turns.
let turn = Promise.resolve();
function inTurn(task) {
  const result = turn.then(task, task);
  turn = result.catch(() => {});
  return result;
}

/**
 * Starts a build.
 *
 * @param {object} options
 * @param {string} options.build    folder made by scripts/build
 * @param {string} options.state    folder for everything that persists
 * @param {number} [options.port]   0 or absent: any free one, kept over restarts
 * @param {string} [options.host]
 * @param {Record<string, string>} [options.vars]     laid over those of wrangler.toml; undefined removes one
 * @param {Record<string, string>} [options.secrets]
 * @param {(line: string, stream: "stdout" | "stderr") => void} [options.onLog]
 * @param {() => void} [options.onDeath]  workerd ended although nobody asked it to
 * @param {object} [options.miniflare]    further worker options for a test (outboundService and the like)
 * @param {string[]} [options.v8Flags]    for V8, so that a profiler can read what it compiled
 */
export async function startRuntime(options) {
  const runtime = new Runtime(options);
  await runtime.start();
  return runtime;
}

class Runtime {
  #options;
  #miniflare;
  #stopping = false;
  #ended;
  #namesD1 = [];

  constructor(options) {
    this.#options = { host: "127.0.0.1", port: 0, vars: {}, secrets: {}, ...options };
    this.#options.state = path.resolve(options.state);
    this.port = this.#options.port;
  }

  get state() {
    return this.#options.state;
  }

  get url() {
    return `http://${this.#options.host}:${this.port}`;
  }

  /** Process id of workerd; the same as what `ps` shows. */
  get workerdPid() {
    return Number(readFileSync(this.#pidFile, "utf8").split(" ")[0]);
  }

  get #pidFile() {
    return path.join(this.state, "workerd.pid");
  }

  async start() {
    mkdirSync(this.state, { recursive: true });
    killLeftover(this.state);
    if (!existsSync(path.join(this.#options.build, "index.js"))) {
      throw new CannotStart(`no build in ${this.#options.build}: run scripts/build`);
    }
    if (this.port !== 0) await checkPortIsFree(this.#options.host, this.port);
    const { name, vars, namesD1, workerOptions } = await optionsFromWrangler();
    this.#namesD1 = namesD1;
    const bindings = { ...vars, ...this.#options.vars, ...this.#options.secrets };
    for (const [key, value] of Object.entries(bindings)) if (value === undefined) delete bindings[key];

    const settings = {
      ...workerOptions,
      name,
      bindings,
      modules: true,
      modulesRoot: this.#options.build,
      scriptPath: path.join(this.#options.build, "index.js"),
      modulesRules: [
        { type: "ESModule", include: ["**/*.js"] },
        { type: "CompiledWasm", include: ["**/*.wasm"] },
      ],
      unsafeDirectSockets: [{ host: this.#options.host, port: this.port }],
      ...this.#options.miniflare,
      // The folder layout of `wrangler --persist-to`, so that wrangler's own commands work on a state.
      defaultPersistRoot: path.join(this.state, "v3"),
      host: this.#options.host,
      port: 0,
      // Otherwise miniflare fetches a sample request.cf from the network at each start.
      cf: false,
      logRequests: false,
      handleRuntimeStdio: (stdout, stderr) => this.#listen(stdout, stderr),
    };
    await inTurn(async () => {
      process.env.MINIFLARE_WORKERD_PATH = path.join(root, "scripts", "workerd-child");
      process.env.SAPWOOD_WORKERD = realpathSync(path.join(root, ".tools", "bin", "workerd"));
      process.env.SAPWOOD_PID_FILE = this.#pidFile;
      process.env.SAPWOOD_STATE = this.state;
      const entries = Object.entries;
      if (this.#options.v8Flags) {
        // workerd's configuration has a place for them, and miniflare, which writes it entry by entry, has no option.
        const v8Flags = this.#options.v8Flags;
        Object.entries = (of) => entries(of?.services && of.sockets ? { ...of, v8Flags } : of);
      }
      this.#miniflare = new Miniflare(settings);
      try {
        await this.#miniflare.ready;
      } catch (error) {
        await this.#miniflare.dispose().catch(() => {});
        throw error;
      } finally {
        Object.entries = entries;
      }
    });
    this.port = Number((await this.#miniflare.unsafeGetDirectURL()).port);
  }

  #listen(stdout, stderr) {
    for (const [stream, name] of [[stdout, "stdout"], [stderr, "stderr"]]) {
      createInterface({ input: stream }).on("line", (line) => this.#options.onLog?.(line, name));
    }
    // workerd holds its standard output for as long as it lives, so the end of one is the end of the other.
    this.#ended = new Promise((resolve) => stdout.once("end", resolve).once("close", resolve));
    this.#ended.then(() => {
      if (!this.#stopping) this.#options.onDeath?.();
    });
  }

  /** Applies what is new in migrations/d1, in order; gives the names of the files applied. */
  async migrate(folder = path.join(root, "migrations", "d1")) {
    const applied = [];
    for (const binding of this.#namesD1) applied.push(...(await migrate(await this.d1(binding), folder)));
    return applied;
  }

  d1(binding = "LOGS_DB") {
    return this.#miniflare.getD1Database(binding);
  }

  kv(binding = "LOGS_KV") {
    return this.#miniflare.getKVNamespace(binding);
  }

  bucket(binding = "ARCHIVE") {
    return this.#miniflare.getR2Bucket(binding);
  }

  /** Paths of the SQLite files of the objects, optionally of one class, largest first; not miniflare's own. */
  sqliteFiles(className = "") {
    const objects = path.join(this.state, "v3", "do");
    if (!existsSync(objects)) return [];
    return readdirSync(objects)
      .filter((folder) => folder.endsWith(className))
      .flatMap((folder) => readdirSync(path.join(objects, folder)).map((file) => path.join(objects, folder, file)))
      .filter((file) => /\.sqlite(-wal)?$/.test(file) && !path.basename(file).startsWith("metadata."))
      .sort((a, b) => statSync(b).size - statSync(a).size);
  }

  /** The end of workerd as a power cut would have it: no warning, nothing flushed. */
  async kill9() {
    this.#stopping = true;
    process.kill(this.workerdPid, "SIGKILL");
    await this.#ended;
    await this.#miniflare.dispose().catch(() => {});
  }

  /** Ends what still runs and starts the same build on the same port and state; `changes` are laid over the options. */
  async restart(changes = {}) {
    await this.stop();
    Object.assign(this.#options, changes);
    this.#stopping = false;
    await this.start();
  }

  async stop() {
    this.#stopping = true;
    await this.#miniflare?.dispose().catch(() => {});
    rmSync(this.#pidFile, { force: true });
  }
}

/** Applies SQL files by name, each in one transaction with its mark in the table wrangler uses. */
async function migrate(database, folder) {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith(".sql")).sort();
  if (files.length === 0) return [];
  const { unstable_splitSqlQuery } = await import("wrangler");
  await database
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, " +
        "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all();
  const known = new Set(results.map((row) => row.name));
  const applied = [];
  for (const file of files) {
    if (known.has(file)) continue;
    const statements = unstable_splitSqlQuery(readFileSync(path.join(folder, file), "utf8"));
    try {
      await database.batch([
        ...statements.map((statement) => database.prepare(statement)),
        database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(file),
      ]);
    } catch (error) {
      throw new CannotStart(`migration ${file} failed and was rolled back: ${error.message}`);
    }
    applied.push(file);
  }
  return applied;
}

async function checkPortIsFree(host, port) {
  await new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once("error", (error) => {
      const reason =
        error.code === "EADDRINUSE"
          ? `port ${port} is in use: choose another with --port N, or end what listens there (lsof -i :${port})`
          : `cannot listen on ${host}:${port}: ${error.message}`;
      reject(new CannotStart(reason));
    });
    probe.listen(port, host, () => probe.close(resolve));
  });
}

/** Whether a process with this id lives. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Ends a workerd that an earlier runtime left on this state; never a process that merely got its id, nor
 * one whose runtime is still there.
 */
function killLeftover(state) {
  const pidFile = path.join(state, "workerd.pid");
  if (!existsSync(pidFile)) return;
  const [pid, owner] = readFileSync(pidFile, "utf8").trim().split(" ").map(Number);
  if (Number.isInteger(pid) && pid > 1 && isAlive(pid) && isOurWorkerd(pid, state)) {
    if (parentOf(pid) === owner) {
      throw new CannotStart(`the state in ${state} is in use by process ${owner}: end that one, or choose another --state DIR`);
    }
    process.kill(pid, "SIGKILL");
    const deadline = Date.now() + 5000;
    while (isAlive(pid) && Date.now() < deadline) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  rmSync(pidFile, { force: true });
}

/** The parent's process id; a process whose parent has died is given to another. */
function parentOf(pid) {
  const status = `/proc/${pid}/status`;
  if (existsSync(status)) return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(status, "utf8"))?.[1]);
  return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }).trim());
}

function isOurWorkerd(pid, state) {
  try {
    const command = existsSync("/proc/self/cmdline")
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8")
      : execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
    if (!/workerd/.test(command) || !/--control-fd=3/.test(command)) return false;
    // Linux also shows the environment it was started with, which names the state folder.
    const environment = `/proc/${pid}/environ`;
    if (!existsSync(environment)) return true;
    return readFileSync(environment, "utf8").split("\0").includes(`SAPWOOD_STATE=${state}`);
  } catch {
    return false;
  }
}
