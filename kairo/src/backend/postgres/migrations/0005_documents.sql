-- Collections of documents: each is a table that is called so, whose columns are `id`, `version`, `schema`
-- (the version of the body's shape), `created`, `changed` and `body`. `indexes` are those of its
-- indexes that are kept as they are declared; others are left alone.
CREATE TABLE {s}kairo_collection (
    collection text   COLLATE "C" PRIMARY KEY,
    name       text   NOT NULL,
    indexes    text[] NOT NULL
);

-- Events that subscriptions have handled, with effects that took effect together with the row. The
-- place is that of the event in the log.
CREATE TABLE {s}kairo_mark (
    subscription text    COLLATE "C" NOT NULL,
    generation   bigint  NOT NULL,
    event        uuid    NOT NULL,
    epoch        integer NOT NULL,
    order_id     bigint  NOT NULL,
    sequence     bigint  NOT NULL,
    time         bigint  NOT NULL,
    PRIMARY KEY (subscription, generation, event)
);
CREATE INDEX kairo_mark_time ON {s}kairo_mark (time);
