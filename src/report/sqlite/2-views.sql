-- Version 2: indexes over many scans, and views.

CREATE INDEX hosts_by_addr ON hosts (addr, scan);
CREATE INDEX open_by_port ON ports (port, scan, addr) WHERE state = 'open';

-- Every host as the last scan that told of it saw it.
CREATE VIEW latest AS
SELECT hosts.*, scans.started, scans.note
FROM hosts JOIN scans ON scans.id = hosts.scan
WHERE hosts.scan = (SELECT max(newest.scan) FROM hosts AS newest WHERE newest.addr = hosts.addr);

-- The open ports of those.
CREATE VIEW open_ports AS
SELECT
    latest.addr, ports.port, ports.service, ports.reason, latest.name, latest.suspect, ports.ttl, ports.rtt_us, ports.time,
    latest.scan, latest.started
FROM latest JOIN ports ON ports.scan = latest.scan AND ports.addr = latest.addr
WHERE ports.state = 'open';
