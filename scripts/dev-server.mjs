// Runs a build for a developer: migrations, secrets, keys, and a runtime that comes back when it dies.
//
// Called by scripts/dev. Writes .dev/endpoint.json, which the CLI, the demo and load clients read.
//
// Invariants: secrets and keys are made once and survive restarts, so that a client configured yesterday
// works today; keys are made through the service's own public API, with the operator's key, and checked
// at each start (a state folder that was emptied knows none of them). Ends with everything it started.

import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { CannotStart, isAlive, root, startRuntime } from "./runtime.mjs";
import { makeKey, makeSecrets } from "./secrets.mjs";

const domain = "dev.localhost";
const scopes = ["ingest", "read", "admin"];
const home = path.join(root, ".dev");
const began = performance.now();

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Whole or not at all, and readable by this user only: the files hold keys. */
function writeJson(file, value) {
  mkdirSync(path.dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, file);
}

/** Names added by a later version are made beside those that exist. */
function developmentSecrets() {
  const file = path.join(home, "secrets.json");
  const secrets = { ...makeSecrets(), ...readJson(file) };
  writeJson(file, secrets);
  return secrets;
}

function emptyState(state) {
  if (!existsSync(state)) return;
  const foreign = readdirSync(state).filter((name) => !["v3", "workerd.pid", "keys.json"].includes(name));
  if (foreign.length > 0) {
    throw new CannotStart(`--fresh would delete ${state}, which holds files that are not ours (${foreign[0]}): empty it yourself`);
  }
  rmSync(state, { recursive: true, force: true });
}

/** The keys of an earlier start if the service still knows them, else new ones. */
async function developmentKeys(url, state, operatorKey) {
  const file = path.join(state, "keys.json");
  const known = readJson(file);
  if (known && (await accepts(url, known.read_key))) return known;
  const keys = {};
  for (const scope of scopes) {
    const made = await makeKey(url, operatorKey, { name: `dev ${scope}`, scopes: [scope], domain });
    keys[`${scope}_key`] = made.key;
  }
  writeJson(file, keys);
  return keys;
}

async function accepts(url, key) {
  const response = await fetch(`${url}/api/logs/search?limit=1`, { headers: { "X-API-Key": key } });
  await response.arrayBuffer();
  return response.status !== 401 && response.status !== 403;
}

function welcome({ url, ingest_key, read_key, admin_key, state }) {
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  return `
  Sapwood is running at ${url}   (ready in ${seconds} s, state in ${path.relative(process.cwd(), state) || "."})

  domain      ${domain}
  ingest key  ${ingest_key}
  read key    ${read_key}
  admin key   ${admin_key}

  send     curl -sS ${url}/api/logs -H 'X-API-Key: ${ingest_key}' \\
             -H 'Content-Type: application/json' -d '{"level":"error","message":"disk full on /var","component":"billing"}'
  search   curl -sS '${url}/api/logs/search?text=disk' -H 'X-API-Key: ${read_key}'
  tail     scripts/tail
  health   curl -sS ${url}/health

  All of this is in .dev/endpoint.json. Ctrl-C ends it.
`;
}

async function main() {
  const { values } = parseArgs({
    options: {
      build: { type: "string" },
      port: { type: "string", default: "8787" },
      state: { type: "string", default: path.join(home, "state") },
      fresh: { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new CannotStart(`--port wants a number up to 65535, not ${values.port}`);
  const state = path.resolve(values.state);
  if (values.fresh) emptyState(state);

  const secrets = developmentSecrets();
  const endpointFile = path.join(home, "endpoint.json");
  // What a killed start left behind would send clients to nobody.
  const previous = readJson(endpointFile);
  if (previous && !isAlive(previous.pid)) rmSync(endpointFile, { force: true });
  let stopping = false;
  let comeBack = async () => {};
  let runtime;
  const stop = async (code) => {
    if (stopping) return;
    stopping = true;
    // Not ours any more if a second scripts/dev has written its own since.
    if (readJson(endpointFile)?.pid === process.pid) rmSync(endpointFile, { force: true });
    await runtime?.stop();
    process.exit(code);
  };
  // Before miniflare is started: it has handlers of its own, which leave as soon as workerd is gone.
  process.on("SIGINT", () => stop(130));
  process.on("SIGTERM", () => stop(143));
  process.on("SIGHUP", () => stop(129));

  runtime = await startRuntime({
    build: values.build,
    state,
    port,
    secrets,
    // SAPWOOD_VAR_NAME=value in the environment sets the Worker's NAME, for a trial or for scripts/demo.
    vars: Object.fromEntries(
      Object.entries(process.env)
        .filter(([name]) => name.startsWith("SAPWOOD_VAR_"))
        .map(([name, value]) => [name.slice("SAPWOOD_VAR_".length), value]),
    ),
    onLog: (line, stream) => (stream === "stderr" ? console.error(line) : console.log(line)),
    onDeath: () => comeBack(),
  });

  try {
    const applied = await runtime.migrate();
    if (applied.length > 0) console.error(`dev: applied to D1: ${applied.join(", ")}`);
    const keys = await developmentKeys(runtime.url, state, secrets.API_KEY);
    const publish = () => {
      const endpoint = { url: runtime.url, ...keys, domain, pid: process.pid, workerd_pid: runtime.workerdPid, state };
      writeJson(endpointFile, endpoint);
      return endpoint;
    };
    console.log(welcome(publish()));
    comeBack = async () => {
      // Ctrl-C reaches workerd as well as us; wait for our own signal before calling it a death.
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (stopping) return;
      console.error("dev: workerd died; starting it again on the same port and state ...");
      try {
        await runtime.restart();
        publish();
        console.error(`dev: back at ${runtime.url} (workerd ${runtime.workerdPid})`);
      } catch (error) {
        console.error(`dev: it did not come back: ${error.message}`);
        await stop(1);
      }
    };
  } catch (error) {
    await runtime.stop();
    throw error;
  }
}

main().catch((error) => {
  console.error(error instanceof CannotStart ? `dev: ${error.message}` : error);
  process.exit(1);
});
