#!/usr/bin/env bash
# A network to compare scanners in: this namespace scans, another answers. Nothing leaves the machine, and no root is needed:
#
#     unshare -Urnpf --kill-child --mount-proc bash benches/bed.sh COMMAND…
#
# The scanner is 10.0.0.1 on v0. 10.0.0.2 and 10.0.0.128 to 254 are up on the link, 10.1.0.0/16 is routed by 10.0.0.2; all of them are open
# on 22, 80, 443, 8080 and 61000 to 61095 and closed elsewhere. With SILENT=1 their closed ports are silent. Before each cold scan:
# ip neigh flush dev v0
set -euo pipefail
unshare -n sleep 1000 & peer=$!; sleep 0.3
there() { nsenter -t "$peer" -n "$@"; }
ip link set lo up
ip link add v0 type veth peer name v1 netns "$peer"
ip addr add 10.0.0.1/24 dev v0; ip link set v0 up
there ip link set lo up; there ip link set v1 up
there ip addr add 10.0.0.2/32 dev v1; there ip route add 10.0.0.1 dev v1
there ip route add local 10.0.0.128/25 dev lo
there ip route add local 10.1.0.0/16 dev lo
ip route add 10.1.0.0/16 via 10.0.0.2
if [ "${SILENT:-}" ]; then
    there nft 'table ip silent { chain in { type filter hook input priority 0;
        tcp flags & (syn | ack) == syn tcp dport != { 22, 80, 443, 8080, 61000-61095 } drop; }; }'
fi
there python3 -c '
import socket, threading
def serve(port):
    s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("", port)); s.listen(4096)
    while True: s.accept()[0].close()
for port in [22, 80, 443, 8080, *range(61000, 61096)]: threading.Thread(target=serve, args=(port,)).start()
' & sleep 2
"$@"
