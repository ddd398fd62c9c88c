-- How far each saga is. `owner` carries it on, `epoch` and `revision` rise with claims and changes,
-- and of one `saga` and `key` there is one.
CREATE TABLE kairo_saga (
    id          BLOB    PRIMARY KEY,
    saga        TEXT    NOT NULL,
    key         TEXT,
    shape       INTEGER NOT NULL,
    phase       TEXT    NOT NULL,
    due         INTEGER NOT NULL,
    cancelled   INTEGER NOT NULL,
    owner       BLOB,
    epoch       INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    correlation BLOB    NOT NULL,
    causation   BLOB,
    depth       INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    changed     INTEGER NOT NULL,
    state       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX kairo_saga_key ON kairo_saga (saga, key) WHERE key IS NOT NULL;
CREATE INDEX kairo_saga_due ON kairo_saga (due) WHERE phase IN ('running', 'compensating');
CREATE INDEX kairo_saga_ended ON kairo_saga (changed)
 WHERE phase IN ('completed', 'compensated', 'failed');
CREATE INDEX kairo_saga_started ON kairo_saga (started, id);
