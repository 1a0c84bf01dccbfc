// A domain of its own for one test of a service that several share: nothing that another test sends is seen in it.
import assert from "node:assert/strict";

/**
 * A key with every scope for `${name}.example`, and what tests do with it. `ask` fails unless the answer has `status`;
 * `told` gives what `webhook` was told of this domain.
 */
export async function ownDomain(service, name, webhook) {
  const domain = `${name}.example`;
  const key = await service.key(["ingest", "read", "admin"], { domain });
  const ask = async (method, path, json, status = 200) => {
    const reply = await service.request(method, path, { key, json });
    assert.equal(reply.status, status, reply.text);
    return reply.json;
  };
  return {
    key,
    domain,
    ask,
    read: (path) => ask("GET", path),
    /** Sends records, a thousand a request. */
    async send(records) {
      for (let from = 0; from < records.length; from += 1000) {
        const part = records.slice(from, from + 1000);
        const { accepted } = await ask("POST", "/api/logs", part, 202);
        assert.equal(accepted, part.length);
      }
    },
    told: () => webhook.requests.map((request) => request.json?.data).filter((data) => data?.domain === domain),
  };
}
