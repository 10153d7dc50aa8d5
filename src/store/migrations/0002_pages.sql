-- What vendors declare. Incidents and their versions are never deleted; source is the name of the [[status_pages]] they
-- came from, or "import".

-- How reading went lately: one small row, written at every read.
CREATE TABLE source_reads (
    vendor TEXT NOT NULL,
    source TEXT NOT NULL,
    interval_ms INTEGER NOT NULL,
    last_success_at INTEGER,
    failing_since INTEGER,
    problem TEXT,
    PRIMARY KEY (vendor, source),
    FOREIGN KEY (vendor, source) REFERENCES sources (vendor, name)
) STRICT, WITHOUT ROWID;

-- What the page said at the last read that brought something new.
CREATE TABLE source_states (
    vendor TEXT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (vendor, source),
    FOREIGN KEY (vendor, source) REFERENCES sources (vendor, name)
) STRICT;

CREATE TABLE component_versions (
    id INTEGER PRIMARY KEY,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    source TEXT NOT NULL,
    component TEXT NOT NULL,
    observed_at INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    name TEXT,
    group_name TEXT,
    region TEXT,
    status TEXT
) STRICT;
CREATE INDEX component_versions_by_component ON component_versions (vendor, source, component, id);

-- The latest version of each incident and maintenance; digest tells whether a listed one differs from it.
CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    source TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('incident', 'maintenance')),
    source_id TEXT NOT NULL,
    digest INTEGER NOT NULL,
    versions INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    imported INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    inferred_end INTEGER NOT NULL,
    concerns INTEGER NOT NULL,
    open INTEGER NOT NULL,
    starts_at INTEGER,
    ends_at INTEGER,
    impact TEXT,
    facts TEXT NOT NULL,
    UNIQUE (vendor, source, kind, source_id)
) STRICT;
CREATE INDEX incidents_by_start ON incidents (vendor, starts_at);
-- Times to resolve are read every minute: without the facts, and only from the window on.
CREATE INDEX incidents_resolved ON incidents (ends_at, vendor, starts_at)
    WHERE kind = 'incident' AND concerns = 1 AND removed = 0 AND open = 0 AND starts_at IS NOT NULL;
CREATE INDEX incidents_open ON incidents (vendor) WHERE open = 1;

-- Append-only. Version 1 has no changes; an older version is the latest one with the changes after it undone.
CREATE TABLE incident_versions (
    incident TEXT NOT NULL REFERENCES incidents (id),
    version INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    changes TEXT NOT NULL,
    PRIMARY KEY (incident, version)
) STRICT, WITHOUT ROWID;

-- The declared status of what we use, from an instant on. Append-only.
CREATE TABLE declared_statuses (
    id INTEGER PRIMARY KEY,
    vendor TEXT NOT NULL REFERENCES vendors (id),
    at INTEGER NOT NULL,
    status TEXT NOT NULL
) STRICT;
CREATE INDEX declared_by_vendor ON declared_statuses (vendor, at);

-- The announcement that a layer came from: edited with it.
ALTER TABLE layers ADD COLUMN origin TEXT REFERENCES incidents (id);
CREATE UNIQUE INDEX layers_by_origin ON layers (origin) WHERE origin IS NOT NULL;

-- Which edition of what it is about an alert told last.
ALTER TABLE alerts ADD COLUMN edition INTEGER NOT NULL DEFAULT 0;
