-- The first schema. Instants are UTC milliseconds, durations milliseconds or microseconds as their names say.

-- One row: what the writer committed last, so that a batch whose answer was lost is not applied twice.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last_batch INTEGER NOT NULL
) STRICT;
INSERT INTO meta (id, last_batch) VALUES (1, 0);

CREATE TABLE vendors (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tier INTEGER NOT NULL,
    category TEXT NOT NULL,
    retired_at INTEGER
) STRICT;

CREATE TABLE sources (
    vendor TEXT NOT NULL REFERENCES vendors (id),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    format TEXT NOT NULL,
    retired_at INTEGER,
    PRIMARY KEY (vendor, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE checks (
    id INTEGER PRIMARY KEY,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (vendor, name)
) STRICT;

-- A check as seen from one location: what states, segments and terms hang on. Retired: nobody looks any more.
CREATE TABLE timelines (
    id INTEGER PRIMARY KEY,
    check_id INTEGER NOT NULL REFERENCES checks (id),
    location TEXT NOT NULL,
    retired_at INTEGER,
    UNIQUE (check_id, location)
) STRICT;

-- The terms under which a check was observed and judged, from an instant on; counts = 0: it gave its vendor nothing (disabled, retired).
CREATE TABLE terms (
    id INTEGER PRIMARY KEY,
    timeline INTEGER NOT NULL REFERENCES timelines (id),
    valid_from INTEGER NOT NULL,
    counts INTEGER NOT NULL,
    terms TEXT NOT NULL
) STRICT;
CREATE INDEX terms_by_timeline ON terms (timeline, id);

-- Every run, in arrival order. Deliberately without a key on check and time: that would write 55 times more.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    terms_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    resolve_us INTEGER,
    connect_us INTEGER,
    tls_us INTEGER,
    processing_us INTEGER,
    transfer_us INTEGER,
    http_status INTEGER
) STRICT;

-- Where the fold of a timeline stood after journal row through_seq. Later rows are folded again by whoever reads.
CREATE TABLE check_states (
    timeline INTEGER PRIMARY KEY REFERENCES timelines (id),
    through_seq INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;

-- The settled time. At most one open row (to_ms NULL) a timeline; evidence_until says how long it holds.
CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    timeline INTEGER NOT NULL REFERENCES timelines (id),
    from_ms INTEGER NOT NULL,
    to_ms INTEGER,
    state TEXT NOT NULL CHECK (state IN ('up', 'degraded', 'down', 'unknown')),
    reason TEXT NOT NULL,
    blame TEXT NOT NULL DEFAULT 'inconclusive',
    evidence_until INTEGER,
    CHECK (to_ms IS NULL OR to_ms > from_ms)
) STRICT;
CREATE INDEX segments_by_timeline ON segments (timeline, from_ms);
CREATE UNIQUE INDEX segments_open ON segments (timeline) WHERE to_ms IS NULL;

-- What lies over the timelines of a vendor, or of one of its checks, and never edits them: maintenance (own, or announced by
-- the vendor at an instant) and annotations.
CREATE TABLE layers (
    id INTEGER PRIMARY KEY,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    check_id INTEGER REFERENCES checks (id),
    kind TEXT NOT NULL CHECK (kind IN ('maintenance_own', 'maintenance_vendor', 'excluded', 'false_positive', 'our_change')),
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    announced_at INTEGER,
    reason TEXT NOT NULL,
    CHECK (to_ms > from_ms)
) STRICT;
CREATE INDEX layers_by_vendor ON layers (vendor, from_ms);

CREATE TABLE outages (
    id TEXT PRIMARY KEY,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    started_at INTEGER NOT NULL,
    started_boot_ms INTEGER,
    boot_id TEXT NOT NULL,
    confirmed_at INTEGER NOT NULL,
    ended_at INTEGER,
    stepped_ms INTEGER,
    blame TEXT NOT NULL,
    checks TEXT NOT NULL
) STRICT;
CREATE INDEX outages_by_vendor ON outages (vendor, started_at);
CREATE UNIQUE INDEX outages_open ON outages (vendor) WHERE ended_at IS NULL;

CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    vendor TEXT,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('firing', 'acknowledged', 'resolved')),
    since INTEGER NOT NULL,
    resolved_at INTEGER,
    summary TEXT NOT NULL,
    vendor_name TEXT,
    tier INTEGER,
    measured TEXT,
    declared TEXT,
    blame TEXT NOT NULL,
    evidence TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX alerts_firing ON alerts (rule, coalesce(vendor, ''), subject) WHERE state != 'resolved';

-- The outbox. seq is the order of creation.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    receiver TEXT NOT NULL,
    event TEXT NOT NULL,
    group_labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    last_code INTEGER,
    last_error TEXT,
    delivered_at INTEGER
) STRICT;
CREATE INDEX deliveries_pending ON deliveries (seq) WHERE state = 'pending';

CREATE TABLE delivery_alerts (
    delivery INTEGER NOT NULL REFERENCES deliveries (seq),
    position INTEGER NOT NULL,
    alert TEXT NOT NULL REFERENCES alerts (id),
    facts TEXT NOT NULL,
    PRIMARY KEY (delivery, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_alerts_by_alert ON delivery_alerts (alert);

CREATE TABLE attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries (seq),
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    code INTEGER,
    error TEXT,
    PRIMARY KEY (delivery, attempt)
) STRICT, WITHOUT ROWID;

-- Receivers that answered 410: nothing but a test goes there until one is accepted.
CREATE TABLE suspensions (
    receiver TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL
) STRICT;

-- One row, written every 10 s and at a stop: names the reason of time in which nobody looked.
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    wall INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    stopped INTEGER NOT NULL
) STRICT;

-- What happened to the watcher itself: monitor_down, clock_step, suspend, reload.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
