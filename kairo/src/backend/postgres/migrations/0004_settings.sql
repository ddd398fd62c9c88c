-- Where `append` is 'locked', events come in under a lock and have the order 1; it changes together
-- with the epoch. `partitions` is how many new subscriptions get.
ALTER TABLE {s}kairo_store
    ADD COLUMN append     text    NOT NULL DEFAULT 'gated' CHECK (append IN ('gated', 'locked')),
    ADD COLUMN partitions integer NOT NULL DEFAULT 32 CHECK (partitions BETWEEN 1 AND 64);
