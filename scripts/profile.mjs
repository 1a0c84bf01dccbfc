// Where each microsecond of intake goes, in the runtime itself. Part of scripts/bench's report.
//
// Linux's perf samples the process with its stacks; V8 says what it compiled where (--perf-basic-prof), and the names of
// our functions are in the build. A sample belongs to the innermost frame that names a stage, so that what a stage calls
// (allocation, copies, JavaScript, SQLite) is its own. What no stage of ours is on the stack of is the runtime's.
//
// Left out: what the compiler inlined elsewhere is booked there (the detectors: mostly under "fold"). Shares are right to
// about 1 / sqrt(samples of the stage); microseconds are shares of the CPU time that the load client measured meanwhile.

import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Stages and what their functions are called, innermost frame first; of one frame the first that fits. */
const STAGES = [
  ["redact", /sapwood_engine::redact/],
  ["categorize", /normalize::(words|category|vocabulary)|triage::record/],
  ["normalize", /sapwood_engine::normalize|sapwood_engine::fault/],
  ["parse", /sapwood_wire::ingest|serde_json/],
  ["encode", /sapwood_engine::segment::(encode|seal|codec::write)|lz4_flex::block::compress/],
  ["decode", /sapwood_engine::segment|lz4_flex/],
  ["mine", /sapwood_engine::pattern/],
  ["detect", /sapwood_engine::(detect|triage|baseline)/],
  ["count", /sapwood_engine::(counter|sketch)/],
  ["store (SQLite)", /Sqlite|sqlite3|sapwood::storage|StreamRows/],
  ["checkpoint", /StreamMachine>::checkpoint/],
  ["fold", /sapwood_engine::machine/],
  ["inflate", /edge::body::inflate|miniz_oxide/],
  ["receive", /edge::body/],
  ["answer", /edge::reply/],
  ["authenticate", /edge::(auth|key|jwt|flood)|sha2::/],
  ["call the object", /processors::stubs/],
  ["object's shell", /sapwood::processors/],
  ["edge's shell", /sapwood::(edge|handlers)|^sapwood::|<sapwood::/],
];
const COLLECTOR = /v8::internal::(Heap|Scavenge|MarkCompact|MinorMark|Sweeper|Incremental|Concurrent)|cppgc::/;
const JAVASCRIPT = /^(JS|Stub|Builtin|RegExp|Wasm)/;

/** Whether this machine can sample a process. */
export async function canProfile() {
  return run("perf", ["--version"]).then(() => true, () => false);
}

/** Samples a process for some seconds into a file. */
export async function sample(pid, seconds, file) {
  await run("perf", ["record", "-q", "-F", "499", "-g", "-p", String(pid), "-o", file, "--", "sleep", String(seconds)]);
}

/** The stage of a stack, innermost frame first. */
export function stageOf(frames) {
  if (frames.slice(0, 12).some(({ name }) => COLLECTOR.test(name))) return "garbage collection";
  for (const { name } of frames) {
    const stage = STAGES.find(([, names]) => names.test(name));
    if (stage) return stage[0];
  }
  return frames.some(({ name, isCompiled }) => isCompiled || JAVASCRIPT.test(name)) ? "JavaScript around wasm" : "the runtime itself";
}

/** Shares of the stages in a file of samples, the largest first: name, share, share that is not compiled code. */
export async function shares(pid, file) {
  const child = execFile("perf", ["script", "-i", file, "-F", "tid,ip,sym,dso"], { maxBuffer: 1 << 30 });
  const stages = new Map();
  let frames = [];
  let samples = 0;
  const book = () => {
    if (frames.length === 0) return;
    const name = stageOf(frames);
    const stage = stages.get(name) ?? { all: 0, native: 0 };
    stage.all += 1;
    stage.native += frames[0].isCompiled ? 0 : 1;
    stages.set(name, stage);
    samples += 1;
    frames = [];
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const frame = /^\s+[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
    if (frame) {
      // The hash of a crate is no part of its name.
      const name = frame[1].replace(/^JS:/, "").replace(/\[[0-9a-f]{12,}\]/g, "").replace(/\+0x[0-9a-f]+$/, "");
      frames.push({ name, isCompiled: frame[2].includes(`perf-${pid}`) });
    } else {
      book();
    }
  }
  book();
  rmSync(`/tmp/perf-${pid}.map`, { force: true });
  const rows = [...stages].map(([stage, { all, native }]) => ({ stage, share: all / samples, native_share: native / samples }));
  return rows.sort((left, right) => right.share - left.share);
}
