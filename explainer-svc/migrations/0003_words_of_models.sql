-- What a model said about an explanation, beside the engine's words.
CREATE TABLE words (
    explanation  TEXT PRIMARY KEY REFERENCES explanation (id) ON DELETE CASCADE,
    at           INTEGER NOT NULL,
    -- Empty when only a change came.
    text         TEXT NOT NULL,
    -- A JSON array of texts.
    steps        TEXT NOT NULL,
    model        TEXT NOT NULL,
    provider     TEXT NOT NULL,
    -- words::PromptId, as JSON.
    prompt       TEXT NOT NULL,
    -- The leaf of the audit log.
    leaf         INTEGER NOT NULL,
    -- engine::explain::wire::FixSummary, as JSON, when a model proposed a change that holds.
    fix          TEXT
) STRICT, WITHOUT ROWID;
