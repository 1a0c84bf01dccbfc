// Holds the line coverage of crates to a floor, each for itself: a well covered crate cannot lend to another.
//
//   node scripts/coverage.mjs SUMMARY.json MINIMUM CRATE_FOLDER...
//
// Reads what `cargo llvm-cov --json --summary-only` writes. Names the files that pull a crate down, also
// when it passes, so that it is seen coming.

import { readFileSync } from "node:fs";
import path from "node:path";

import { root } from "./runtime.mjs";

const [summary, minimum, ...crates] = process.argv.slice(2);
const { files } = JSON.parse(readFileSync(summary, "utf8")).data[0];
let failed = false;
for (const folder of crates) {
  const prefix = path.join(root, folder, "src") + path.sep;
  const own = files.filter((file) => file.filename.startsWith(prefix)).map(({ filename, summary: { lines } }) => ({
    name: filename.slice(prefix.length),
    count: lines.count,
    missed: lines.count - lines.covered,
  }));
  const count = own.reduce((sum, file) => sum + file.count, 0);
  const missed = own.reduce((sum, file) => sum + file.missed, 0);
  const percent = count === 0 ? 0 : (100 * (count - missed)) / count;
  const isEnough = percent >= Number(minimum);
  failed ||= !isEnough;
  console.log(`${folder}: ${percent.toFixed(2)} % of ${count} lines${isEnough ? "" : `, wanted ${minimum} %`}`);
  for (const file of own.filter((file) => file.missed > 0).sort((a, b) => b.missed - a.missed).slice(0, 8)) {
    console.log(`    ${String(file.missed).padStart(4)} not run  ${file.name}`);
  }
}
process.exit(failed ? 1 : 0);
