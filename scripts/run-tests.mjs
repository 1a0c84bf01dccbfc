// Runs the test files of a folder with node's own runner and says at the end how many passed and failed.
//
//   node scripts/run-tests.mjs FOLDER [FILE or NAME...]
//
// Each file is a process; two at a time by default, since every one starts a workerd. A file that crashes
// before its first test counts as a failure. No test at all is a failure: an empty run proves nothing.
// A skipped test is a failure as well: it either runs or it is not there.

import { readdirSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

import { root } from "./runtime.mjs";

const [folder, ...names] = process.argv.slice(2);
const all = readdirSync(path.join(root, folder)).filter((file) => file.endsWith(".test.mjs")).sort();
const wanted = names.map((name) => `${path.basename(name).replace(/\.test\.mjs$/, "")}.test.mjs`);
const unknown = wanted.filter((file) => !all.includes(file));
if (unknown.length > 0) {
  console.error(`no such test in ${folder}: ${unknown.join(", ")}`);
  process.exit(2);
}
const files = (wanted.length > 0 ? wanted : all).map((file) => path.join(root, folder, file));
if (files.length === 0) {
  console.error(`${folder} holds no *.test.mjs`);
  console.log("0 passed, 0 failed");
  process.exit(1);
}

let passed = 0;
let failed = 0;
const failures = [];
const stream = run({ files, concurrency: Number(process.env.SAPWOOD_TEST_CONCURRENCY ?? 2), timeout: 15 * 60_000 });

// Suites and files are reported beside the tests in them; only what has no children is a test.
const isTest = (event) => event.details?.type !== "suite" && !files.includes(event.name);
stream.on("test:pass", (event) => {
  if (!isTest(event)) return;
  if (event.skip !== undefined || event.todo !== undefined) {
    failed += 1;
    failures.push(`${event.name} (skipped)`);
  } else passed += 1;
});
stream.on("test:fail", (event) => {
  // A file is reported failed when one of its tests is; on its own account only when it broke outside them.
  const cause = event.details?.error?.failureType;
  if (!isTest(event) && cause === "subtestsFailed") return;
  if (event.details?.type === "suite" && cause === "subtestsFailed") return;
  failed += 1;
  failures.push(`${event.name}${event.file ? ` (${path.relative(root, event.file)})` : ""}`);
});
stream.compose(spec).pipe(process.stdout);
stream.on("end", () => {
  // After the reporter has flushed.
  setImmediate(() => {
    for (const failure of failures) console.log(`FAILED ${failure}`);
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  });
});
