-- Streams whose newest events have been deleted: the version that the last of them had, and the
-- one that the stream had when all of it was deleted. Nothing can be appended where `tombstone`
-- is 1.
CREATE TABLE kairo_gone (
    stream    TEXT    PRIMARY KEY,
    version   INTEGER NOT NULL,
    removed   INTEGER,
    tombstone INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest snapshot of each stream and name.
CREATE TABLE kairo_snapshot (
    stream  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    schema  INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    payload ANY     NOT NULL,
    PRIMARY KEY (stream, name)
) STRICT;

ALTER TABLE kairo_subscription ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;

-- `newest` is the sequence that the log had reached when events were last deleted: no sequence is
-- used twice.
INSERT INTO kairo_value VALUES ('newest', 0);
