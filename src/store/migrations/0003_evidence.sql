-- What was seen in the first and the last failing runs of an outage. A run of failures that was not confirmed leaves none.
CREATE TABLE evidence (
    timeline INTEGER NOT NULL REFERENCES timelines (id),
    -- Of the journal row.
    seq INTEGER NOT NULL,
    -- Its number among the failing runs of its episode, from 1.
    nth INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    -- JSON: message, hops, expectations that did not hold, request, response, body. Redacted before it came here.
    document TEXT NOT NULL,
    PRIMARY KEY (timeline, seq)
) STRICT, WITHOUT ROWID;
