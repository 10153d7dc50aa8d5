-- Results that left the journal. A span is a stretch of the journal's numbers; the spans that are whole, expired or sketched
-- follow each other without a hole, and the journal goes on after the last of them: its rows up to there no longer count.
-- writing: not yet counted. obsolete: no longer counted, its chunks are being deleted, then the row. expired: the time to keep
-- results is over, its chunks are being deleted. sketched: only its sketches are left.
CREATE TABLE spans (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('hour', 'day')),
    state TEXT NOT NULL CHECK (state IN ('writing', 'whole', 'obsolete', 'expired', 'sketched')),
    -- Of its day, as the clock had it when it came.
    starts_at INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    -- When the earliest and the latest of its runs began.
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    results INTEGER NOT NULL
) STRICT;

-- The results of one timeline in one span, with their counts. id = span << 32 | timeline, so that they are appended.
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    up INTEGER NOT NULL,
    degraded INTEGER NOT NULL,
    down INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- Quantiles of the latency of one timeline in one day: kept for ever. id as in chunks.
CREATE TABLE sketches (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- When a job of the calendar ran last, so that one that was missed is caught up once.
CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    last_run INTEGER NOT NULL
) STRICT;
