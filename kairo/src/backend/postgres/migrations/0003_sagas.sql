-- How far each saga is. `owner` carries it on, `epoch` and `revision` rise with claims and changes,
-- and of one `saga` and `key` there is one. What changes with every step is in no index, so that a
-- step touches the row alone: `waits` is when a saga is due that nobody has, `held` who has one that
-- goes on, and `ended` when it ended. `claim` is the call that claimed it last.
CREATE TABLE {s}kairo_saga (
    id          uuid    PRIMARY KEY,
    saga        text    COLLATE "C" NOT NULL,
    key         text    COLLATE "C",
    shape       bigint  NOT NULL,
    phase       text    COLLATE "C" NOT NULL,
    due         bigint  NOT NULL,
    cancelled   boolean NOT NULL,
    owner       uuid,
    claim       uuid,
    epoch       bigint  NOT NULL,
    revision    bigint  NOT NULL,
    correlation uuid    NOT NULL,
    causation   uuid,
    depth       bigint  NOT NULL,
    started     bigint  NOT NULL,
    changed     bigint  NOT NULL,
    state       bytea   NOT NULL,
    waits       bigint,
    held        uuid,
    ended       bigint
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX kairo_saga_key ON {s}kairo_saga (saga, key) WHERE key IS NOT NULL;
CREATE INDEX kairo_saga_waits ON {s}kairo_saga (saga, waits, id) WHERE waits IS NOT NULL;
CREATE INDEX kairo_saga_held ON {s}kairo_saga (held) WHERE held IS NOT NULL;
CREATE INDEX kairo_saga_ended ON {s}kairo_saga (ended, id) WHERE ended IS NOT NULL;
CREATE INDEX kairo_saga_started ON {s}kairo_saga (started, id);
