-- What cannot be counted by name, by hour of event time (ms): users, sessions, clients, durations, as the engine's bytes.
CREATE TABLE facets (hour INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
