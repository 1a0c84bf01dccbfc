-- A stream object: one component's journal and what was folded from it.
-- Row costs: an append writes one row (journal); everything else is written by alarm.
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT;
-- heads and body stand last, so that summaries are read without their overflow pages.
CREATE TABLE journal (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL,
  time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, count INTEGER NOT NULL, levels INTEGER NOT NULL,
  heads BLOB NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE pattern (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE rollup (hour INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
-- Pages of remembered batch keys (kind 0) and record ids (kind 1).
CREATE TABLE page (kind INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, number)) WITHOUT ROWID, STRICT;
-- Alerts on their way to the domain object.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY, due INTEGER NOT NULL, attempts INTEGER NOT NULL, ord INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID, STRICT;
