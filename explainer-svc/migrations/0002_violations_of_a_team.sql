-- What GET /v1/violations?team= reads, the newest first.
CREATE INDEX violation_team ON violation (team, id);
