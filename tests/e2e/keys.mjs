// API keys as an attacker, or another installation, would make them: signed here, not by the service.
// The layout is that of src/edge/key.rs; a test first shows that a key made here with the right secret is good,
// so that refusing the others means something.

import { createHmac, randomBytes } from "node:crypto";

const SCOPES = { ingest: 1, read: 2, admin: 4 };

/** A key signed with `secret`. */
export function signedKey(secret, { domain = "test.example", scopes = ["ingest"], component = "" } = {}) {
  const text = (value) => Buffer.concat([Buffer.from([Buffer.byteLength(value)]), Buffer.from(value)]);
  const bits = scopes.reduce((sum, scope) => sum | SCOPES[scope], 0);
  const payload = Buffer.concat([Buffer.from([1]), randomBytes(9), Buffer.from([bits]), text(domain), text(component)]);
  const tag = createHmac("sha256", secret).update("sapwood api key\0").update(payload).digest().subarray(0, 16);
  return `sw_${Buffer.concat([payload, tag]).toString("base64url")}`;
}

/** The key with one letter of its middle changed. */
export function altered(key) {
  const at = Math.floor(key.length / 2);
  const letter = key[at] === "A" ? "B" : "A";
  return key.slice(0, at) + letter + key.slice(at + 1);
}
