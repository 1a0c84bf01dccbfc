// Secrets for a service that runs on this machine, and keys made through its own public door.
//
// Shared by scripts/dev-server.mjs and the end-to-end harness. Never used for a deployed service: its
// secrets are set with `wrangler secret put` (see wrangler.toml for the names).

import { randomBytes } from "node:crypto";

/** The secrets of a development service; also what the end-to-end tests use. */
export function makeSecrets() {
  return {
    KEY_SIGNING_SECRET: randomBytes(32).toString("base64url"),
    AUTH_JWT_SECRET: randomBytes(32).toString("base64url"),
    API_KEY: `sk_${randomBytes(32).toString("base64url")}`,
    WEBHOOK_SECRET: `whsec_${randomBytes(32).toString("base64")}`,
  };
}

/** Asks the running service for a key; gives `{key, id}`. */
export async function makeKey(url, operatorKey, { name, scopes, domain, ...rest }) {
  const response = await fetch(`${url}/api/keys`, {
    method: "POST",
    headers: { "X-API-Key": operatorKey, "X-Sapwood-Domain": domain, "Content-Type": "application/json" },
    body: JSON.stringify({ name, scopes, ...rest }),
  });
  const body = await response.text();
  if (response.status !== 201) throw new Error(`POST /api/keys answered ${response.status}: ${body.slice(0, 500)}`);
  return JSON.parse(body);
}
