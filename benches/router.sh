#!/usr/bin/env bash
# A network whose router takes LIMIT packets a second (default 20,000, bursts of 200) on the way to the targets; nothing leaves the machine,
# and no root is needed:
#
#     unshare -Urnpf --kill-child --mount-proc bash benches/router.sh COMMAND…
#
# The scanner is 10.0.0.1 on v0; the router is 10.0.0.2, its hardware address in $ROUTER_MAC; 10.1.0.0/16 behind it is open on 22, 80, 110
# and 143 and closed elsewhere. With SPARSE=1 only one address in 16 answers on port 80. With QUEUE=8mbit the router has a queue of 50,000
# bytes (tc tbf) that sends at that rate, instead of the limit.
set -euo pipefail
unshare -n sleep 1000 & router=$!
unshare -n sleep 1000 & targets=$!
sleep 0.3
at() { nsenter -t "$1" -n "${@:2}"; }
ip link set lo up; at $router ip link set lo up; at $targets ip link set lo up
ip link add v0 type veth peer name v1 netns $router
at $router ip link add w0 type veth peer name w1 netns $targets
ip addr add 10.0.0.1/24 dev v0; ip link set v0 up
at $router ip addr add 10.0.0.2/24 dev v1; at $router ip link set v1 up
at $router ip addr add 10.2.0.1/24 dev w0; at $router ip link set w0 up
at $targets ip addr add 10.2.0.2/24 dev w1; at $targets ip link set w1 up
at $router sysctl -qw net.ipv4.ip_forward=1
at $router ip route add 10.1.0.0/16 via 10.2.0.2
at $targets ip route add local 10.1.0.0/16 dev lo
at $targets ip route add 10.0.0.0/24 via 10.2.0.1
ip route add 10.1.0.0/16 via 10.0.0.2
if [ "${SPARSE:-}" ]; then
    at $targets nft 'table ip sparse { chain in { type filter hook input priority 0;
        tcp flags & (syn | ack) == syn tcp dport 80 ip daddr & 0.0.0.15 != 0.0.0.7 drop; }; }'
fi
if [ "${QUEUE:-}" ]; then
    at $router tc qdisc add dev w0 root tbf rate "$QUEUE" burst 3000 limit 50000
else
    at $router nft "table ip limited { chain pass { type filter hook forward priority 0;
        iifname v1 limit rate over ${LIMIT:-20000}/second burst 200 packets drop; }; }"
fi
at $targets python3 -c '
import socket, threading
def serve(port):
    s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("", port)); s.listen(65535)
    while True: s.accept()[0].close()
for port in [22, 80, 110, 143]: threading.Thread(target=serve, args=(port,)).start()
' & sleep 1
ROUTER_MAC=$(at $router ip -o link show v1 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
export ROUTER_MAC
"$@"
