-- `claimed` is the epoch of the last claim of all subscriptions that there were. A subscription whose
-- own `epoch` is lower was claimed with the others, and has not been given back.
INSERT INTO kairo_value VALUES ('claimed', 0);
