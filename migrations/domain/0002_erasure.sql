-- What was, or is being, erased: the plan while it is carried out, the receipt after it. Receipts outlive what they tell of.
CREATE TABLE erasure (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID, STRICT;
