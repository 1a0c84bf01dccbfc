// Draws the output of the demo as a picture for the README, so that it is that of a real run.
//
//   scripts/demo | node scripts/picture.mjs > docs/pictures/demo.svg
//
// Takes the sections that a reader wants to see and the first injected alert with its box; cuts long lines. Text in an
// SVG stays text: it can be searched, read aloud and compared.

const COLUMNS = 118;
const CELL = { width: 7.8, height: 17 };
const SECTIONS = ["Components", "Patterns", "Levels per minute", "Account"];

const lines = (await new Response(process.stdin).text()).split(/\r?\n/).map((line) => line.replace(/\x1b\[[0-9;]*m/g, ""));

/** The lines of the section whose heading starts with `name`, up to the next empty line; the last one of that name. */
function section(name) {
  const start = lines.findLastIndex((line) => line.startsWith(`── ${name}`));
  if (start < 0) throw new Error(`no section "${name}": is this the whole output of scripts/demo?`);
  const length = lines.slice(start).findIndex((line) => line.trim() === "");
  return lines.slice(start, length < 0 ? undefined : start + length);
}

/** What is said of the first injected alert: the two lines before it and its box. */
function alert() {
  const start = lines.findIndex((line) => line.startsWith("*** ALERT"));
  if (start < 0) throw new Error("no injected alert in the output");
  const injected = lines.slice(0, start).findLast((line) => line.startsWith(">>>"));
  const length = lines.slice(start).findIndex((line) => line.startsWith("└"));
  return ["── Live ── an error never seen before, and its alert", injected, ...lines.slice(start, start + length + 1)];
}

const shown = [];
for (const part of [section(SECTIONS[0]), section(SECTIONS[1]), section(SECTIONS[2]), alert(), section(SECTIONS[3])]) {
  if (shown.length > 0) shown.push("");
  shown.push(...part);
}

// A renderer may fold blanks; it may not fold these.
const escape = (text) => text.replaceAll(" ", "\u00a0").replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
const cut = (line) => ([...line].length > COLUMNS ? `${[...line].slice(0, COLUMNS - 1).join("")}…` : line);
const colour = (line) => (line.startsWith("──") ? "#7aa2f7" : /^(\*\*\*|>>>|[┌│└])/.test(line) ? "#e0af68" : line.startsWith("✓") ? "#9ece6a" : "#c0caf5");
const [width, height] = [Math.ceil(COLUMNS * CELL.width + 32), shown.length * CELL.height + 32];
console.log(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Output of scripts/demo">`);
console.log(`<rect width="100%" height="100%" rx="8" fill="#1a1b26"/>`);
console.log(`<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">`);
shown.forEach((line, at) => {
  if (line.trim() !== "") console.log(`<text x="16" y="${29 + at * CELL.height}" fill="${colour(line)}">${escape(cut(line))}</text>`);
});
console.log("</g>\n</svg>");
