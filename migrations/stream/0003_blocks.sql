-- Blocks of records that were rows of the journal. A block's row hides the rows of the journal up to its last sequence,
-- so that one inserted row moves thousands of records; what it hides goes when its table is dropped, which costs nothing.
-- A block whose records have expired keeps its row, emptied, as long as it is the newest.
CREATE TABLE block (
  seq_first INTEGER PRIMARY KEY, seq_last INTEGER NOT NULL, at_max INTEGER NOT NULL,
  time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, count INTEGER NOT NULL, rows INTEGER NOT NULL, levels INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
-- The older part of the journal; when all its rows are hidden it is dropped, and the journal takes its name.
CREATE TABLE journal_old (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL,
  time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, count INTEGER NOT NULL, levels INTEGER NOT NULL,
  heads BLOB NOT NULL, body BLOB NOT NULL
) STRICT;
-- Rows of the journal that stay as they are beside the blocks: events, counts without text, what cannot be read.
CREATE TABLE aside (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL,
  time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, count INTEGER NOT NULL, levels INTEGER NOT NULL,
  heads BLOB NOT NULL, body BLOB NOT NULL
) STRICT;
