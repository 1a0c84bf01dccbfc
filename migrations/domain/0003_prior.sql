-- What components that have learned lend to newcomers. A table of its own: builds before it write rows of components by place.
CREATE TABLE prior (name TEXT NOT NULL, shard INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (name, shard)) WITHOUT ROWID, STRICT;
