-- The audit log. Numbers of leaves begin with 0.

-- What happened, as it was hashed. Never changed, never deleted.
CREATE TABLE leaf (
    number INTEGER PRIMARY KEY,
    bytes  TEXT NOT NULL,
    -- RFC 6962: SHA-256 of a zero byte and the bytes.
    hash   BLOB NOT NULL
) STRICT;

-- What GET /v1/audit/events?kind= reads. Of the bytes, so that it cannot say something else.
CREATE INDEX leaf_kind ON leaf (json_extract(bytes, '$.kind'), number);

CREATE TRIGGER leaf_is_not_changed BEFORE UPDATE ON leaf
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER leaf_is_not_deleted BEFORE DELETE ON leaf
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- What a leaf commits to: SHA-256 of salt and bytes. Deleted by retention, which leaves a leaf that says so.
CREATE TABLE payload (
    leaf  INTEGER PRIMARY KEY,
    salt  BLOB NOT NULL,
    bytes TEXT NOT NULL
) STRICT;

-- The hashes of complete subtrees of 256, 65,536, ... leaves (level 1, 2, ...): what tiles above the lowest are made of.
CREATE TABLE node (
    level  INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;

-- How many leaves there are, and the first one whose payload was not deleted.
CREATE TABLE tree (
    only          INTEGER PRIMARY KEY CHECK (only = 1),
    size          INTEGER NOT NULL,
    payloads_from INTEGER NOT NULL
) STRICT;

INSERT INTO tree (only, size, payloads_from) VALUES (1, 0, 0);
