// What a service says it has: records through search, page by page, and its counters from every place that
// serves them. Tests compare these with each other and with what they sent.

import assert from "node:assert/strict";

/**
 * Every record that a search finds, by following the cursor to its end. Fails on a record that comes twice, on a
 * total that is not exact or changes between pages, and on an answer that is only a part.
 */
export async function findAll(service, key, filter = {}, { limit = 1000, order = "asc" } = {}) {
  const records = [];
  const places = new Set();
  let cursor;
  let total;
  do {
    const reply = await search(service, key, { ...filter, limit, order, cursor });
    assert.equal(reply.partial, false, "every component answered");
    assert.equal(reply.total_is_exact, true, "the total is exact");
    total ??= reply.total;
    assert.equal(reply.total, total, "the total is that of all pages, on each of them");
    assert.ok(reply.records.length <= limit, "a page holds no more than asked for");
    for (const record of reply.records) {
      const place = `${record.component} ${record.id}`;
      assert.ok(!places.has(place), `found twice: ${place}`);
      places.add(place);
      records.push(record);
    }
    assert.notEqual(reply.next_cursor, cursor ?? "", "a page leads on");
    cursor = reply.next_cursor;
  } while (cursor);
  assert.equal(records.length, total, "the pages together are the total");
  return records;
}

/** One page. `filter` may hold lists, which are sent as repeated parameters. */
export async function search(service, key, filter = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value !== undefined && value !== null) for (const one of [value].flat()) query.append(name, one);
  }
  const reply = await service.request("GET", `/api/logs/search?${query}`, { key });
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  return reply.json;
}

/** `/metrics` as Prometheus text, read: `metric(name, {label: value})` sums the samples that have these labels. */
export async function metrics(service, key) {
  const reply = await service.request("GET", "/metrics", { key, headers: { Accept: "text/plain" } });
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  const samples = [];
  for (const line of reply.text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
    }
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return (name, labels = {}) => {
    const matching = samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    const known = [...new Set(samples.map((sample) => sample.name))].join(" ");
    assert.ok(matching.length > 0, `no sample ${name} ${JSON.stringify(labels)}; there are ${known}`);
    return matching.reduce((sum, sample) => sum + sample.value, 0);
  };
}

/** The components of the domain as `/api/components` lists them, by name. */
export async function components(service, key) {
  const reply = await service.request("GET", "/api/components", { key });
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  return new Map(reply.json.components.map((component) => [component.component, component]));
}

/** `/api/logs/analytics/summary` for a span of time. */
export async function summary(service, key, filter = {}) {
  const reply = await service.request("GET", `/api/logs/analytics/summary?${new URLSearchParams(filter)}`, { key });
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  return reply.json;
}
