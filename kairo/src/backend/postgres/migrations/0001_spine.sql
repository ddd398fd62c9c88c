-- The log, read in the order of its primary key. `order_id` is the larger of the transaction's id
-- and the order of its stream's last event. Times are microseconds since 1970.
CREATE TABLE {event} (
    epoch       integer NOT NULL,
    order_id    bigint  NOT NULL,
    sequence    bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    version     bigint  NOT NULL,
    id          uuid    NOT NULL,
    time        bigint  NOT NULL,
    correlation uuid    NOT NULL,
    causation   uuid,
    schema      bigint  NOT NULL,
    depth       bigint  NOT NULL,
    derived     boolean NOT NULL,
    name        text    COLLATE "C" NOT NULL,
    stream      text    COLLATE "C" NOT NULL,
    metadata    text,
    payload     bytea   NOT NULL,
    CONSTRAINT {event_name}_place PRIMARY KEY (epoch, order_id, sequence)
);
CREATE UNIQUE INDEX {event_name}_stream ON {event} (stream, version);
CREATE UNIQUE INDEX {event_name}_derived ON {event} (id) WHERE derived;

-- One row: which log this is, and the epoch that it is in on this server. `newest_..` is the place
-- that the log had reached when events were last deleted.
CREATE TABLE {s}kairo_store (
    single          boolean PRIMARY KEY DEFAULT true CHECK (single),
    event_table     text    NOT NULL,
    created         bigint  NOT NULL,
    epoch           integer NOT NULL,
    server          text    NOT NULL,
    timeline        text    NOT NULL,
    newest_epoch    integer NOT NULL DEFAULT 0,
    newest_order    bigint  NOT NULL DEFAULT 0,
    newest_sequence bigint  NOT NULL DEFAULT 0
);

-- Streams whose newest events have been deleted: the version that the last of them had. Nothing
-- can be appended where `tombstone` is true.
CREATE TABLE {s}kairo_gone (
    stream    text    COLLATE "C" PRIMARY KEY,
    version   bigint  NOT NULL,
    tombstone boolean NOT NULL
);

-- The newest snapshot of each stream and name.
CREATE TABLE {s}kairo_snapshot (
    stream  text   COLLATE "C" NOT NULL,
    name    text   COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    schema  bigint NOT NULL,
    time    bigint NOT NULL,
    payload bytea  NOT NULL,
    PRIMARY KEY (stream, name)
);

-- Processes that share the work, while their leases run.
CREATE TABLE {s}kairo_member (
    id            uuid        PRIMARY KEY,
    name          text        NOT NULL,
    subscriptions text[]      NOT NULL,
    until         timestamptz NOT NULL
);

-- Subscriptions.
CREATE TABLE {s}kairo_subscription (
    name       text    COLLATE "C" PRIMARY KEY,
    generation bigint  NOT NULL,
    partitions integer NOT NULL,
    paused     boolean NOT NULL DEFAULT false
);

-- Epochs of claims come in blocks, of which each claim uses one; those of a name never come again.
CREATE SEQUENCE {s}kairo_claim AS bigint INCREMENT BY 100;

-- Partitions that are claimed together, a bit for each, and where they are. `finished` lists
-- places above the low water, packed; `ahead` the partitions that are further, as JSON.
CREATE TABLE {s}kairo_share (
    subscription text    COLLATE "C" NOT NULL,
    epoch        bigint  NOT NULL,
    partitions   bigint  NOT NULL,
    owner        uuid,
    clean        boolean NOT NULL,
    low_epoch    integer NOT NULL,
    low_order    bigint  NOT NULL,
    low_sequence bigint  NOT NULL,
    finished     bytea   NOT NULL,
    ahead        text,
    PRIMARY KEY (subscription, epoch)
) WITH (fillfactor = 50);

-- What subscriptions have read and not finished.
CREATE TABLE {s}kairo_parked (
    subscription text    COLLATE "C" NOT NULL,
    epoch        integer NOT NULL,
    order_id     bigint  NOT NULL,
    sequence     bigint  NOT NULL,
    key          text    NOT NULL,
    state        text    NOT NULL,
    due          bigint,
    crashes      bigint,
    attempts     bigint  NOT NULL,
    failures     text,
    PRIMARY KEY (subscription, epoch, order_id, sequence)
);

-- Events that handlers finally could not process. `due` is set while a letter is reprocessed.
CREATE TABLE {s}kairo_dead_letter (
    id           uuid    PRIMARY KEY,
    subscription text    COLLATE "C" NOT NULL,
    epoch        integer NOT NULL,
    order_id     bigint  NOT NULL,
    sequence     bigint  NOT NULL,
    version      bigint  NOT NULL,
    edited       text,
    reason       text    NOT NULL,
    attempts     bigint  NOT NULL,
    failures     text,
    first_failed bigint  NOT NULL,
    last_failed  bigint  NOT NULL,
    replays      bigint  NOT NULL,
    holds_key    boolean NOT NULL,
    due          bigint,
    event_id     uuid    NOT NULL,
    derived      boolean NOT NULL,
    name         text    COLLATE "C" NOT NULL,
    schema       bigint  NOT NULL,
    stream       text    COLLATE "C" NOT NULL,
    time         bigint  NOT NULL,
    correlation  uuid    NOT NULL,
    causation    uuid,
    depth        bigint  NOT NULL,
    metadata     text,
    payload      bytea   NOT NULL
);
CREATE INDEX kairo_dead_letter_age ON {s}kairo_dead_letter (last_failed, id);
CREATE INDEX kairo_dead_letter_subscription
    ON {s}kairo_dead_letter (subscription, last_failed, id);
CREATE INDEX kairo_dead_letter_pending ON {s}kairo_dead_letter (subscription, last_failed, id)
    WHERE due IS NOT NULL OR holds_key;

-- Events that are not due yet; `ordinal` orders those that are due at one time.
CREATE TABLE {s}kairo_timetable (
    ordinal     bigint  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    due         bigint  NOT NULL,
    id          uuid    NOT NULL UNIQUE,
    derived     boolean NOT NULL,
    name        text    COLLATE "C" NOT NULL,
    schema      bigint  NOT NULL,
    stream      text    COLLATE "C" NOT NULL,
    time        bigint  NOT NULL,
    correlation uuid    NOT NULL,
    causation   uuid,
    depth       bigint  NOT NULL,
    metadata    text,
    payload     bytea   NOT NULL
);
CREATE INDEX kairo_timetable_due ON {s}kairo_timetable (due, ordinal);

-- A payload as text, for people; NULL where it is none.
CREATE FUNCTION {s}kairo_text(payload bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN convert_from(payload, 'UTF8');
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;

-- The log for people: times as such, payloads as text.
CREATE VIEW {s}kairo_log AS
SELECT epoch, order_id, sequence, name, stream, version, schema,
       to_timestamp(time / 1e6) AS time, id, correlation, causation, depth, metadata,
       {s}kairo_text(payload) AS payload
  FROM {event};
