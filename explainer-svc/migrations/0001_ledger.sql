-- Times are milliseconds since 1970 in UTC.

-- What somebody was told, under a permanent link.
CREATE TABLE explanation (
    id         TEXT PRIMARY KEY,
    -- Names the attempt when a controller made it: its retries find the row by it. NULL for a person's attempt, and once the
    -- window has passed.
    retry_key  TEXT UNIQUE,
    at         INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 1,
    team       TEXT NOT NULL,
    -- engine::explain::wire::ExplainRequest, as it came.
    request    TEXT NOT NULL,
    message    TEXT NOT NULL,
    warnings   TEXT NOT NULL,
    repeats    TEXT NOT NULL,
    source     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX explanation_last_seen ON explanation (last_seen);

-- One policy that objected to one attempt.
CREATE TABLE violation (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    explanation  TEXT NOT NULL REFERENCES explanation (id) ON DELETE CASCADE,
    retry_key    TEXT UNIQUE,
    at           INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 1,
    -- 1 when the attempt counts among the team's repeats.
    counted      INTEGER NOT NULL,
    team         TEXT NOT NULL,
    policy       TEXT NOT NULL,
    action       TEXT NOT NULL,
    decision     TEXT NOT NULL,
    -- How many things this policy objected to, and the first of them.
    found        INTEGER NOT NULL,
    message      TEXT NOT NULL,
    operation    TEXT NOT NULL,
    api_group    TEXT NOT NULL,
    api_version  TEXT NOT NULL,
    kind         TEXT NOT NULL,
    sub_resource TEXT NOT NULL,
    namespace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    username     TEXT NOT NULL,
    tool         TEXT NOT NULL,
    dry_run      INTEGER NOT NULL,
    revision     TEXT NOT NULL
) STRICT;

CREATE INDEX violation_explanation ON violation (explanation);
CREATE INDEX violation_repeats ON violation (team, policy, last_seen) WHERE counted = 1;
CREATE INDEX violation_policy ON violation (policy, id);
