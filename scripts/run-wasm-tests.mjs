// Runs one wasm32-wasip1 test program under node's WASI; cargo's runner for the engine's tests on wasm
// (docs/decisions/0004-engine-tests-on-wasm.md). Arguments after the program are the test harness's own.
//
// Start node with --no-turbo-fast-api-calls: without it one run in ten dies of a signal inside WASI's calls, after the
// last test (https://github.com/nodejs/node/issues/53087).
//
// The program sees the folder it was started in (golden files are read from there) and nothing else of
// the machine. A panic aborts on wasm, so the first failing test ends the run; its message comes first.

import { readFile } from "node:fs/promises";
import process from "node:process";
import { WASI } from "node:wasi";

const [program, ...rest] = process.argv.slice(2);
const folder = process.cwd();
const wasi = new WASI({
  version: "preview1",
  args: [program, ...rest],
  env: { RUST_BACKTRACE: "1", PWD: folder, ...pick(process.env, ["PROPTEST_CASES", "PROPTEST_MAX_SHRINK_ITERS"]) },
  // Under its own path, since the path of the manifest is compiled into the tests, and as the working folder.
  preopens: { [folder]: folder, ".": folder },
  returnOnExit: true,
});
const module = await WebAssembly.compile(await readFile(program));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
try {
  process.exitCode = wasi.start(instance);
} catch (error) {
  console.error(`the test program trapped: ${error.message}`);
  process.exitCode = 101;
}

function pick(from, names) {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));
}
