// wrangler.toml against itself and against what it is deployed with. Cloudflare inherits neither bindings
// nor vars into an environment and merely warns about a missing one: here it is an error.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { unstable_readConfig as readConfig } from "wrangler";

import { root } from "../../scripts/runtime.mjs";

const file = path.join(root, "wrangler.toml");
const text = readFileSync(file, "utf8");
const environments = [undefined, "development", "staging", "production"];
const read = (env) => readConfig({ config: file, env }, { hideWarnings: true });

/** Every name the Worker sees in an environment, as `kind NAME`, object classes with their class. */
function names(config) {
  return [
    ...Object.keys(config.vars).map((name) => `var ${name}`),
    ...config.durable_objects.bindings.map((object) => `object ${object.name} of ${object.class_name}`),
    ...config.d1_databases.map((database) => `d1 ${database.binding} from ${database.migrations_dir}`),
    ...config.kv_namespaces.map((namespace) => `kv ${namespace.binding}`),
    ...config.r2_buckets.map((bucket) => `r2 ${bucket.binding}`),
    ...config.ratelimits.map((limit) => `limit ${limit.name} per ${limit.simple.period} s`),
    ...config.queues.producers.map((queue) => `queue ${queue.binding}`),
    ...(config.services ?? []).map((service) => `service ${service.binding}`),
    ...config.analytics_engine_datasets.map((dataset) => `dataset ${dataset.binding}`),
    ...config.send_email.map((mail) => `mail ${mail.name}`),
    ...(config.version_metadata ? [`version ${config.version_metadata.binding}`] : []),
    ...(config.assets?.binding ? [`assets ${config.assets.binding}`] : []),
  ].sort();
}

test("every environment is given the same names", () => {
  const expected = names(read(undefined));
  assert.ok(expected.length >= 10, `suspiciously few: ${expected}`);
  for (const env of environments.slice(1)) assert.deepEqual(names(read(env)), expected, `[env.${env}]`);
});

test("every table of bindings in the file is one that this test compares", () => {
  const known = ["vars", "durable_objects", "d1_databases", "kv_namespaces", "r2_buckets", "ratelimits", "queues", "services",
    "analytics_engine_datasets", "send_email", "version_metadata", "assets", "build", "observability", "migrations", "triggers"];
  const tables = [...text.matchAll(/^\[+(?:env\.[a-z]+\.)?([a-z_0-9]+)/gm)].map((match) => match[1]).filter((name) => name !== "env");
  assert.deepEqual([...new Set(tables)].filter((name) => !known.includes(name)), []);
});

test("environments share no database, namespace or bucket", () => {
  const owned = (config) => [
    ...config.d1_databases.map((database) => database.database_id),
    ...config.kv_namespaces.map((namespace) => namespace.id),
    ...config.r2_buckets.map((bucket) => bucket.bucket_name),
    ...config.ratelimits.map((limit) => `limit ${limit.namespace_id}`),
  ];
  const all = environments.flatMap((env) => owned(read(env)));
  assert.equal(new Set(all).size, all.length, all.join(" "));
});

test("the environment an environment says it is, is itself", () => {
  for (const env of environments.slice(1)) assert.equal(read(env).vars.ENVIRONMENT, env);
  assert.equal(read(undefined).vars.ENVIRONMENT, "development");
});

test("every object class has its SQLite storage from the first migration on", () => {
  const config = read(undefined);
  const [first, ...later] = config.migrations;
  const classes = config.durable_objects.bindings.map((object) => object.class_name);
  assert.deepEqual([...first.new_sqlite_classes].sort(), classes.sort());
  for (const migration of later) {
    assert.equal(migration.new_classes, undefined, "a class with the old storage can never move to SQLite");
  }
});

test("secrets are named in the comments and given a value nowhere", () => {
  const vars = Object.keys(read(undefined).vars);
  for (const name of ["KEY_SIGNING_SECRET", "AUTH_JWT_SECRET", "JWT_SECRET", "API_KEY", "WEBHOOK_SECRET", "DATA_SERVICE_API_KEY"]) {
    assert.match(text, new RegExp(`^#.*\\b${name}\\b`, "m"));
    assert.ok(!vars.includes(name), `${name} is a secret`);
  }
  assert.deepEqual(vars.filter((name) => /SECRET|PASSWORD|TOKEN|API_KEY|WEBHOOK_URL/.test(name)), []);
});

test("the compatibility date is one the pinned workerd knows", () => {
  const lock = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8"));
  const [, year, month, day] = /^1\.(\d{4})(\d{2})(\d{2})\./.exec(lock.packages["node_modules/workerd"].version);
  assert.ok(read(undefined).compatibility_date <= `${year}-${month}-${day}`);
});
