// The live tail in a terminal. Called by scripts/tail; the CLI's `tail` does the same with filters and colour.
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { WebSocket } from "ws"; // Node 20 has none of its own

const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", ".dev", "endpoint.json");
let endpoint;
try {
  endpoint = JSON.parse(readFileSync(file, "utf8"));
} catch {
  console.error("tail: no service is running here (.dev/endpoint.json is missing): start one with scripts/dev");
  process.exit(1);
}
const query = process.argv[2] ? `?${process.argv[2].replace(/^\?/, "")}` : "";
const socket = new WebSocket(`${endpoint.url.replace(/^http/, "ws")}/api/logs/tail${query}`, {
  headers: { "X-API-Key": endpoint.read_key },
});
socket.addEventListener("open", () => console.error(`tail: following ${endpoint.domain} at ${endpoint.url}`));
socket.addEventListener("message", ({ data }) => console.log(typeof data === "string" ? data : `(${data.size} bytes)`));
socket.addEventListener("error", () => console.error("tail: the service refused or dropped the connection"));
socket.addEventListener("close", ({ code, reason }) => {
  console.error(`tail: closed (${code}${reason ? ` ${reason}` : ""})`);
  process.exit(code === 1000 ? 0 : 1);
});
