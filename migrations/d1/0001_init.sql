-- Questions across components and history. Everything here is copied from the objects and can be rebuilt from them.
-- Each row carries the sequence of the object's journal up to which it was true; an older copy never replaces a newer.

-- One random row: objects notice by it that the database was dropped or restored, and send everything again.
CREATE TABLE epoch (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL);

-- Records by policy: warn and above, and exemplars.
CREATE TABLE record (
  domain TEXT NOT NULL, id TEXT NOT NULL, component TEXT NOT NULL, timestamp INTEGER NOT NULL, level INTEGER NOT NULL,
  pattern_id TEXT NOT NULL, message TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (domain, id)
) WITHOUT ROWID;
CREATE INDEX record_by_time ON record (domain, timestamp);

CREATE TABLE pattern (
  domain TEXT NOT NULL, component TEXT NOT NULL, shard INTEGER NOT NULL, id TEXT NOT NULL, template TEXT NOT NULL,
  count INTEGER NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, level TEXT NOT NULL, body TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (domain, component, shard, id)
) WITHOUT ROWID;

-- An hour of one series; minutes is a JSON object of minute (0 to 59) to records.
CREATE TABLE rollup (
  domain TEXT NOT NULL, component TEXT NOT NULL, shard INTEGER NOT NULL, hour INTEGER NOT NULL, kind TEXT NOT NULL,
  key TEXT NOT NULL, count INTEGER NOT NULL, minutes TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (domain, component, shard, hour, kind, key)
) WITHOUT ROWID;

CREATE TABLE incident (
  domain TEXT NOT NULL, id TEXT NOT NULL, component TEXT NOT NULL, kind TEXT NOT NULL, pattern_id TEXT NOT NULL,
  level TEXT NOT NULL, count INTEGER NOT NULL, opened_at INTEGER NOT NULL, first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (domain, id)
) WITHOUT ROWID;

-- How far each object got.
CREATE TABLE flush (
  domain TEXT NOT NULL, component TEXT NOT NULL, shard INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (domain, component, shard)
) WITHOUT ROWID;
