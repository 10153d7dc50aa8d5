-- What pages list (checks of kind "page"): the first listing, and every one that differed from the one before. Never changed
-- nor deleted. source says where and how it was read; difference is NULL for the first of a source.
CREATE TABLE page_versions (
    id INTEGER PRIMARY KEY,
    timeline INTEGER NOT NULL REFERENCES timelines (id),
    at INTEGER NOT NULL,
    source TEXT NOT NULL,
    hash TEXT NOT NULL,
    listing TEXT NOT NULL,
    difference TEXT
) STRICT;
CREATE INDEX page_versions_by_timeline ON page_versions (timeline, id);
