-- What was spent. Money is in billionths of a dollar; a period is a day (2026-11-23) or a month (2026-11), in UTC.
CREATE TABLE balance (
    budget TEXT NOT NULL,
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    money INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (budget, scope, period)
) STRICT, WITHOUT ROWID;

-- What was used, by day.
CREATE TABLE usage (
    day TEXT NOT NULL,
    agent TEXT NOT NULL,
    team TEXT NOT NULL,
    policy TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    output INTEGER NOT NULL,
    money INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (day, agent, team, policy, provider, model)
) STRICT, WITHOUT ROWID;

-- Answers as the model gave them: guards are asked again before one is shown.
CREATE TABLE answer (
    key TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    stop TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_last_used ON answer (last_used);

-- What outlives a restart: the kill switch, digests of what was configured.
CREATE TABLE setting (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
