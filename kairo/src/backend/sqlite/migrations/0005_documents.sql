-- The tables that hold documents, one for each collection; no other table is taken for one.
CREATE TABLE kairo_collection (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Events that subscriptions have handled with effects of which each may happen once.
CREATE TABLE kairo_mark (
    subscription TEXT    NOT NULL,
    generation   INTEGER NOT NULL,
    event        BLOB    NOT NULL,
    position     INTEGER NOT NULL,
    time         INTEGER NOT NULL,
    PRIMARY KEY (subscription, generation, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX kairo_mark_time ON kairo_mark (time);
