-- A domain object: directory, keys, configuration, deliveries, audit.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE component (name TEXT NOT NULL, shard INTEGER NOT NULL, registered_at INTEGER NOT NULL, PRIMARY KEY (name, shard)) WITHOUT ROWID, STRICT;
CREATE TABLE api_key (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, component TEXT, created_at INTEGER NOT NULL, revoked_at INTEGER
) WITHOUT ROWID, STRICT;
-- The alert itself, once, whatever the number of its targets.
CREATE TABLE alert (id TEXT PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID, STRICT;
-- One row a target; due is null once it was delivered or given up.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY, target TEXT NOT NULL, due INTEGER, attempts INTEGER NOT NULL, ord INTEGER NOT NULL,
  delivered_at INTEGER, last_error TEXT
) WITHOUT ROWID, STRICT;
CREATE TABLE audit (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
