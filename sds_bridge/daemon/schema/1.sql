-- One row a job, for good: a claim, a crash or a cancel changes its status and deletes nothing.
CREATE TABLE job (
    id               INTEGER PRIMARY KEY,
    token            TEXT UNIQUE,              -- a request sent twice with one token makes one job
    client_id        TEXT NOT NULL,            -- JSON: the request id, with its type, to be echoed
    reply            TEXT NOT NULL,            -- JSON: [[host, port], …] that pushes go to
    kind             TEXT NOT NULL,            -- 'tune' or 'separate'
    request          TEXT NOT NULL,            -- JSON of the validated request
    status           TEXT NOT NULL DEFAULT 'queued'
                     CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    owner            TEXT,                     -- the worker that claimed it, while running
    attempts         INTEGER NOT NULL DEFAULT 0,
    crashes          INTEGER NOT NULL DEFAULT 0,
    step             INTEGER NOT NULL DEFAULT 0,
    steps            INTEGER NOT NULL DEFAULT 0,
    seconds_left     REAL NOT NULL DEFAULT -1, -- -1: not known yet
    message          TEXT NOT NULL DEFAULT '',
    result           TEXT,                     -- JSON: {"files": […], "summary": {…}}
    error            TEXT,
    announced        INTEGER NOT NULL DEFAULT 0, -- 1: the client was told how it ended
    created          REAL NOT NULL,            -- seconds since 1970, as the four below
    started          REAL,
    heartbeat        REAL,
    finished         REAL
);
CREATE INDEX job_by_status ON job (status, id);
CREATE INDEX job_to_announce ON job (id) WHERE announced = 0;
