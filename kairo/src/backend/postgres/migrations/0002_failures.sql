-- What failed last in each subscription, as JSON. It has a table of its own because progress holds the
-- row of a share, and a claim that of its subscription first.
CREATE TABLE {s}kairo_failure (
    subscription text COLLATE "C" PRIMARY KEY,
    failure      text NOT NULL
);
