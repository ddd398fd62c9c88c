-- The log. `payload` is text where it is UTF-8, else a blob; times are microseconds since 1970.
CREATE TABLE kairo_event (
    sequence    INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,
    derived     INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    schema      INTEGER NOT NULL,
    stream      TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    correlation BLOB    NOT NULL,
    causation   BLOB,
    depth       INTEGER NOT NULL,
    metadata    TEXT,
    payload     ANY     NOT NULL
) STRICT;
CREATE UNIQUE INDEX kairo_event_stream ON kairo_event (stream, version);
CREATE UNIQUE INDEX kairo_event_derived ON kairo_event (id) WHERE derived = 1;

-- Where each subscription is. `finished` lists places above `low_water`, as differences.
CREATE TABLE kairo_subscription (
    name       TEXT    PRIMARY KEY,
    generation INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    clean      INTEGER NOT NULL,
    low_water  INTEGER NOT NULL,
    finished   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- What subscriptions have read and not finished.
CREATE TABLE kairo_parked (
    subscription TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    key          TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    due          INTEGER,
    crashes      INTEGER,
    attempts     INTEGER NOT NULL,
    failures     TEXT,
    PRIMARY KEY (subscription, position)
) STRICT, WITHOUT ROWID;

-- Events that handlers finally could not process. `due` is set while a letter is reprocessed.
CREATE TABLE kairo_dead_letter (
    id           BLOB    NOT NULL PRIMARY KEY,
    subscription TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    edited       TEXT,
    reason       TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    failures     TEXT,
    first_failed INTEGER NOT NULL,
    last_failed  INTEGER NOT NULL,
    replays      INTEGER NOT NULL,
    holds_key    INTEGER NOT NULL,
    due          INTEGER,
    event_id     BLOB    NOT NULL,
    derived      INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    schema       INTEGER NOT NULL,
    stream       TEXT    NOT NULL,
    time         INTEGER NOT NULL,
    correlation  BLOB    NOT NULL,
    causation    BLOB,
    depth        INTEGER NOT NULL,
    metadata     TEXT,
    payload      ANY     NOT NULL
) STRICT;
CREATE INDEX kairo_dead_letter_age ON kairo_dead_letter (last_failed, id);
CREATE INDEX kairo_dead_letter_subscription ON kairo_dead_letter (subscription, last_failed, id);
CREATE INDEX kairo_dead_letter_pending ON kairo_dead_letter (subscription, last_failed, id)
    WHERE due IS NOT NULL OR holds_key = 1;

-- Events that are not due yet; `ordinal` orders those that are due at one time.
CREATE TABLE kairo_timetable (
    ordinal     INTEGER PRIMARY KEY,
    due         INTEGER NOT NULL,
    id          BLOB    NOT NULL UNIQUE,
    derived     INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    schema      INTEGER NOT NULL,
    stream      TEXT    NOT NULL,
    time        INTEGER NOT NULL,
    correlation BLOB    NOT NULL,
    causation   BLOB,
    depth       INTEGER NOT NULL,
    metadata    TEXT,
    payload     ANY     NOT NULL
) STRICT;
CREATE INDEX kairo_timetable_due ON kairo_timetable (due, ordinal);

-- Single values: `created` is when the store was made, `epoch` that of the last claim of any
-- subscription.
CREATE TABLE kairo_value (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO kairo_value VALUES ('epoch', 0);

-- The log for people: ids as text, times as ISO 8601 in UTC.
CREATE VIEW kairo_log AS
SELECT sequence, name, stream, version, schema,
       strftime('%Y-%m-%dT%H:%M:%fZ', time / 1e6, 'unixepoch') AS time,
       lower(hex(id)) AS id, lower(hex(correlation)) AS correlation,
       lower(hex(causation)) AS causation, depth, metadata, payload
  FROM kairo_event;
