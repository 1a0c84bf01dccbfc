// A load client, run as a process of its own so that it never shares a thread with what reads the results.
//
//   node load-client.mjs '{"url":..., "key":..., "mode":"open", "rate":1000, "seconds":10, ...}'
//
// open     requests start when the clock says so, whatever became of those before; latency counts from the moment
//          a request was due, so that a service that stalls cannot hide it (no coordinated omission)
// closed   each of `connections` sends its next request when the last one is answered: how much goes through
//
// `records` a request (1), `component`, `connections` kept alive at most. Prints one line of JSON at the end:
// requests, accepted records, errors (first few in words), seconds, latencies in ms.
//
// Every request has an Idempotency-Key. One whose connection breaks before the answer is sent again under it, as a
// good client does, and counted under `retries`: workerd closes a connection on which it had no time to read for
// five seconds. What a service refuses is never sent again.

import { randomUUID } from "node:crypto";
import http from "node:http";
import { pathToFileURL } from "node:url";

/** Attempts at one request. */
const ATTEMPTS_MAX = 5;

/** Value below which a share of sorted `values` lies. */
function quantile(values, share) {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
}

class Client {
  constructor(options) {
    this.options = { records: 1, connections: 128, component: "load", timeout: 30_000, ...options };
    const { hostname, port } = new URL(options.url);
    this.agent = new http.Agent({ keepAlive: true, maxSockets: this.options.connections, scheduling: "fifo" });
    this.target = { hostname, port, path: "/api/logs", method: "POST", agent: this.agent, timeout: this.options.timeout };
    this.latencies = [];
    this.errors = [];
    this.accepted = 0;
    this.sent = 0;
    this.retries = 0;
    this.nonce = randomUUID();
  }

  body(number) {
    const { records, component } = this.options;
    const line = (of) =>
      JSON.stringify({ message: `request ${number} record ${of} took ${number % 997} ms`, level: "info", component, user_id: `u-${number % 1000}` });
    return Array.from({ length: records }, (_, of) => line(of)).join("\n");
  }

  /** Sends request `number`, due at `due` (ms of performance.now()), until there is an answer. */
  async send(number, due) {
    const body = this.body(number);
    this.sent += 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { status, text } = await this.post(body, `${this.nonce}-${number}`);
        if (status !== 202) {
          this.errors.push(`${status} ${text.slice(0, 200)}`);
          return;
        }
        this.latencies.push(performance.now() - due);
        this.accepted += JSON.parse(text).accepted;
        return;
      } catch (error) {
        if (attempt === ATTEMPTS_MAX) {
          this.errors.push(error.message);
          return;
        }
        this.retries += 1;
      }
    }
  }

  /** One attempt; fails if the connection breaks or nothing comes in time. */
  post(body, batchKey) {
    const headers = {
      "X-API-Key": this.options.key,
      "Idempotency-Key": batchKey,
      "Content-Type": "application/x-ndjson",
      "Content-Length": Buffer.byteLength(body),
    };
    return new Promise((resolve, reject) => {
      const request = http.request({ ...this.target, headers }, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
      });
      request.on("timeout", () => request.destroy(new Error("no answer in time")));
      request.on("error", reject);
      request.end(body);
    });
  }

  async open({ rate, seconds }) {
    const total = Math.round(rate * seconds);
    const start = performance.now() + 50;
    const running = [];
    await new Promise((resolve) => {
      let next = 0;
      const tick = () => {
        const now = performance.now();
        for (; next < total && start + (next * 1000) / rate <= now; next += 1) {
          running.push(this.send(next, start + (next * 1000) / rate));
        }
        if (next < total) setTimeout(tick, 1);
        else resolve();
      };
      tick();
    });
    await Promise.all(running);
    return (performance.now() - start) / 1000;
  }

  async closed({ seconds, connections }) {
    const start = performance.now();
    let next = 0;
    const worker = async () => {
      while (performance.now() - start < seconds * 1000) await this.send((next += 1), performance.now());
    };
    await Promise.all(Array.from({ length: connections }, worker));
    return (performance.now() - start) / 1000;
  }

  async run() {
    const seconds = await this[this.options.mode](this.options);
    this.agent.destroy();
    const sorted = Float64Array.from(this.latencies).sort();
    const ms = (share) => Number(quantile(sorted, share).toFixed(1));
    return {
      requests: this.sent,
      accepted: this.accepted,
      retries: this.retries,
      errors: this.errors.length,
      firstErrors: this.errors.slice(0, 3),
      seconds: Number(seconds.toFixed(2)),
      latency: { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99), p999: ms(0.999), max: Number((sorted.at(-1) ?? 0).toFixed(1)) },
    };
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await new Client(JSON.parse(process.argv[2])).run()));
}
