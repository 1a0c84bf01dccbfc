// Takes the names of functions out of a wasm file: `node scripts/strip-names.mjs IN OUT`. Called by scripts/build.
//
// A wasm file is a header of eight bytes and sections, each with an id, its length (LEB128) and its bytes; names are the
// custom section (id 0) that is called "name". Everything else is copied as it is, so that both files run the same.

import { readFileSync, writeFileSync } from "node:fs";

const [source, target] = process.argv.slice(2);
const bytes = readFileSync(source);

/** The number that begins at `at`, and where it ends. */
function leb128(at) {
  let [value, shift] = [0, 0];
  for (;;) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    shift += 7;
    if (byte < 128) return [value, at];
  }
}

const kept = [bytes.subarray(0, 8)];
for (let at = 8; at < bytes.length; ) {
  const [length, start] = leb128(at + 1);
  const end = start + length;
  const isCustom = bytes[at] === 0;
  const [nameLength, nameStart] = isCustom ? leb128(start) : [0, start];
  const isNames = isCustom && bytes.toString("utf8", nameStart, nameStart + nameLength) === "name";
  if (!isNames) kept.push(bytes.subarray(at, end));
  at = end;
}
writeFileSync(target, Buffer.concat(kept));
