// What an end-to-end test stands on: a service of its own on real workerd, and receivers it can make fail.
//
//   const service = await startWorker({ vars: { STORAGE_MODE: "full" } });
//   const key = await service.key(["ingest"]);
//   const reply = await service.request("POST", "/api/logs", { key, json: { message: "hello" } });
//
// Every service has its own port, state folder and secrets, so tests neither meet nor need an order. What
// a test starts ends with the test file, whether or not the test got that far. Nothing here sleeps: `until`
// asks again until the answer is yes, and fails with the last answer when the time is over.
//
// Left out: anything about what the service ought to answer; that is for the tests to say.

import { after } from "node:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

import { makeKey, makeSecrets } from "../../scripts/secrets.mjs";
import { root, startRuntime } from "../../scripts/runtime.mjs";

const toClose = new Set();
after(async () => {
  await Promise.all([...toClose].map((close) => close()));
});

/**
 * Starts the service.
 *
 * @param {object} [options]
 * @param {Record<string, string | undefined>} [options.vars]  laid over wrangler.toml; undefined removes one
 * @param {Record<string, string | undefined>} [options.secrets]  laid over fresh ones; undefined removes one
 * @param {string} [options.state]  a folder to go on with; absent: a new one, deleted at the end
 * @param {string} [options.build]  "release" (default), "fast", or "release-X" for Cargo features X
 * @param {boolean} [options.migrate]  false leaves D1 empty, as on an account where nobody has run migrations
 */
export async function startWorker({ vars = {}, secrets = {}, state, build, migrate = true, ...rest } = {}) {
  const folder = state ?? mkdtempSync(path.join(os.tmpdir(), "sapwood-e2e-"));
  const kind = build ?? process.env.SAPWOOD_E2E_BUILD ?? "release";
  const allSecrets = { ...makeSecrets(), ...secrets };
  const logs = [];
  const runtime = await startRuntime({
    build: path.join(root, "build", kind),
    state: folder,
    vars,
    secrets: allSecrets,
    onLog: (line) => logs.push(line),
    ...rest,
  });
  if (migrate) await runtime.migrate();
  const service = new Service(runtime, allSecrets, logs);
  const close = async () => {
    toClose.delete(close);
    await runtime.stop();
    if (state === undefined) rmSync(folder, { recursive: true, force: true });
  };
  service.stop = close;
  toClose.add(close);
  return service;
}

class Service {
  #runtime;

  constructor(runtime, secrets, logs) {
    this.#runtime = runtime;
    this.secrets = secrets;
    /** Everything workerd has printed, line by line. */
    this.logs = logs;
  }

  get url() {
    return this.#runtime.url;
  }
  get workerdPid() {
    return this.#runtime.workerdPid;
  }
  get state() {
    return this.#runtime.state;
  }

  /** Ends workerd at once, as a power cut would. Follow with `restart`. */
  kill9() {
    return this.#runtime.kill9();
  }

  /** Ends workerd if it still runs and starts it on the same port and state; `changes` may name vars, secrets, build. */
  restart({ build, ...changes } = {}) {
    if (changes.secrets) changes.secrets = this.secrets = { ...this.secrets, ...changes.secrets };
    return this.#runtime.restart({ ...changes, ...(build && { build: path.join(root, "build", build) }) });
  }

  /** Applies the migrations of a folder (migrations/d1 unless named); gives the names of those that were new. */
  migrate(folder) {
    return this.#runtime.migrate(folder);
  }

  d1(binding) {
    return this.#runtime.d1(binding);
  }
  kv(binding) {
    return this.#runtime.kv(binding);
  }
  bucket(binding) {
    return this.#runtime.bucket(binding);
  }

  /** SQLite files of the objects, the write-ahead logs with them; of one class, if named. */
  sqliteFiles(className) {
    return this.#runtime.sqliteFiles(className);
  }

  /** A new API key from the service's own door. */
  async key(scopes, { domain = "test.example", name = `test ${scopes.join("+")}`, ...rest } = {}) {
    return (await this.keyWithId(scopes, { domain, name, ...rest })).key;
  }

  /** As `key`, with the id that revokes it: `{key, id}`. */
  keyWithId(scopes, { domain = "test.example", name = `test ${scopes.join("+")}`, ...rest } = {}) {
    return makeKey(this.url, this.secrets.API_KEY, { name, scopes, domain, ...rest });
  }

  /**
   * One request. `json` and `body` exclude each other; the reply has `status`, `headers`, `text` and, when
   * the text is JSON, `json`.
   */
  async request(method, route, { key, headers = {}, json, body, signal } = {}) {
    const response = await fetch(this.url + route, {
      method,
      headers: {
        ...(key && { "X-API-Key": key }),
        ...(json !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      body: json === undefined ? body : JSON.stringify(json),
      signal: signal ?? AbortSignal.timeout(30_000),
      ...(body instanceof ReadableStream && { duplex: "half" }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
  }

  /** Resident memory of workerd in bytes. */
  memory() {
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(this.workerdPid)], { encoding: "utf8" })) * 1024;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * A real HTTP server in the place of something outside: a webhook target, Slack, the data service.
 *
 * It answers 200 `{}` until told otherwise: `receiver.behave("slow", 3000)`, `("status", 500, body)`,
 * `("reset")`, `("hang")`, `("absent")` (nothing listens), `("ok")`, or a function of the recorded request
 * that gives `{status, headers, body}`, perhaps later. It keeps its port through all of them.
 */
export async function startReceiver() {
  const receiver = new Receiver();
  await receiver.listen();
  toClose.add(() => receiver.stop());
  return receiver;
}

class Receiver {
  #server;
  #port = 0;
  #behaviour = () => ({ status: 200, body: "{}" });
  /** Every request whose body arrived whole: `{method, path, headers, body, json, at}`, in order of arrival. */
  requests = [];

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listen() {
    if (this.#server) return;
    const server = http.createServer((request, response) => this.#serve(request, response));
    await new Promise((resolve, reject) => server.once("error", reject).listen(this.#port, "127.0.0.1", resolve));
    this.#port = server.address().port;
    this.#server = server;
  }

  async stop() {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async behave(kind, ...details) {
    if (kind === "absent") {
      await this.stop();
      return;
    }
    const behaviours = {
      ok: () => ({ status: 200, body: "{}" }),
      status: () => ({ status: details[0], body: details[1] ?? "", headers: details[2] }),
      slow: () => new Promise((resolve) => setTimeout(resolve, details[0], { status: 200, body: "{}" }).unref()),
      hang: () => new Promise(() => {}),
      reset: () => "reset",
    };
    const behaviour = typeof kind === "function" ? kind : behaviours[kind];
    if (!behaviour) throw new Error(`a receiver cannot be ${kind}`);
    this.#behaviour = behaviour;
    await this.listen();
  }

  async #serve(request, response) {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    const recorded = {
      method: request.method,
      path: request.url,
      headers: request.headers,
      body,
      json: parsed(body.toString()),
      at: Date.now(),
    };
    this.requests.push(recorded);
    const answer = await this.#behaviour(recorded);
    if (answer === "reset") {
      request.socket.resetAndDestroy();
      return;
    }
    response.writeHead(answer.status, { "Content-Type": "application/json", ...answer.headers });
    response.end(answer.body ?? "");
  }
}

/**
 * Asks until the answer is truthy, and gives that answer.
 *
 * @param {string} what  for the message when it never is
 * @param {() => any} question  may be async; an error counts as "not yet" and is shown at the end
 */
export async function until(what, question, { within = 10_000, every = 25 } = {}) {
  const deadline = Date.now() + within;
  let last;
  for (;;) {
    try {
      last = await question();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const shown = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`not within ${within} ms: ${what} (last answer: ${shown})`);
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/** Path of a Chromium that can be started headless; fails with a way to get one. */
export function chromium() {
  const candidates = [process.env.CHROMIUM_BIN, "chromium", "chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];
  for (const candidate of candidates.filter(Boolean)) {
    try {
      execFileSync(candidate, ["--version"], { stdio: "ignore" });
      return candidate;
    } catch {
      // The next one.
    }
  }
  throw new Error("no Chromium found: apt-get install chromium (Debian), or set CHROMIUM_BIN to one");
}
