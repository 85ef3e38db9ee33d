-- Version 1: what scans told. Times are seconds since the Unix epoch, round-trip times microseconds.

-- A scan; elapsed, complete and summary are NULL while it runs, and stay so if it was killed.
CREATE TABLE scans (
    id INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    arguments TEXT NOT NULL, -- a JSON array
    seed TEXT NOT NULL,
    started REAL NOT NULL,
    mode TEXT NOT NULL,
    addresses INTEGER NOT NULL,
    targets INTEGER NOT NULL,
    port_list TEXT NOT NULL,
    note TEXT,
    elapsed REAL,
    complete INTEGER,
    interrupted INTEGER,
    summary TEXT -- the summary record of the JSON format
) STRICT;

-- A host that a scan told of; counts are of all its ports, NULL until it is settled.
CREATE TABLE hosts (
    scan INTEGER NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    addr TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    mac TEXT,
    name TEXT,
    rtt_us INTEGER,
    open INTEGER,
    closed INTEGER,
    filtered INTEGER,
    unanswered INTEGER,
    not_probed INTEGER,
    suspect TEXT,
    PRIMARY KEY (scan, addr)
) STRICT, WITHOUT ROWID;

-- A port that was recorded singly: open ones, others with --show.
CREATE TABLE ports (
    scan INTEGER NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    addr TEXT NOT NULL,
    port INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    reason_addr TEXT,
    service TEXT,
    ttl INTEGER,
    rtt_us INTEGER,
    attempt INTEGER NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (scan, addr, port)
) STRICT, WITHOUT ROWID;
