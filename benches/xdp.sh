#!/usr/bin/env bash
# A network to compare scanners in at the rates of XDP: this namespace scans, and in another a program in the driver answers SYNs to
# 10.64.0.0/10 by a hash of address and port. Nothing leaves the machine. Loading BPF programs takes root:
#
#     unshare -nmpf --kill-child --mount-proc bash benches/xdp.sh COMMAND…
#
# The scanner is 10.0.0.1 on v0, its gateway 10.0.0.2 has the hardware address in $GATEWAY. OPEN, CLOSED and LOSS are shares in millionths
# (default: 10000 open, nothing closed or lost), RATE is the most SYNs a second that are taken (default: all), REMEMBERED how many half-open
# connections are kept track of, a power of two (default: none). QUEUES is how many the cable has each way (default: one for each processor, as
# cards with XDP have). `counts` prints what the responder has seen; `lend` has the driver take its answers for a scanner without a program of its
# own, `unlend` ends that. These are functions for a COMMAND run by bash.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mount -t bpf bpf /sys/fs/bpf
unshare -n sleep 1000 & peer=$!
sleep 0.3
there() { nsenter --net=/proc/$peer/ns/net "$@"; }
export GATEWAY=02:fc:0a:00:00:02 peer
ip link set lo up
queues=(numtxqueues "${QUEUES:=$(nproc)}" numrxqueues "$QUEUES")
ip link add v0 "${queues[@]}" type veth peer name v1 "${queues[@]}" netns "$peer"
ip addr add 10.0.0.1/24 dev v0
there ip link set v1 address $GATEWAY
there ip addr add 10.0.0.2/24 dev v1
there ip link set lo up
echo 1 >/proc/sys/net/ipv6/conf/v0/disable_ipv6
there ip link set v1 up
ip link set v0 up
bpftool prog load "$here/../tests/suite/kernel/xdp/responder.bpf.o" /sys/fs/bpf/responder type xdp pinmaps /sys/fs/bpf/maps
word() { printf '%d %d %d %d ' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
bpftool map update pinned /sys/fs/bpf/maps/settings key 0 0 0 0 value \
    $(word 0x0a400000) $(word 0xffc00000) $(word "${OPEN:-10000}") $(word "${CLOSED:-0}") $(word "${LOSS:-0}") $(word "${RATE:-0}") \
    $(word "${BURST:-1000}") $(word "${REMEMBERED:-0}")
there ip link set v1 xdpdrv pinned /sys/fs/bpf/responder
ip route add 10.64.0.0/10 via 10.0.0.2
counts() {
    bpftool -j map dump pinned /sys/fs/bpf/maps/counts | python3 -c '
import json, sys
names = ["syns", "syn_acks", "resets", "limited", "lost", "ended", "strays"]
total = [0] * 8
for cpu in json.load(sys.stdin)[0]["values"]:
    raw = bytes(int(b, 16) for b in cpu["value"])
    for i in range(8): total[i] += int.from_bytes(raw[8 * i:8 * i + 8], "little")
print(" ".join(f"{n}={t}" for n, t in zip(names, total)))'
}
# A veth takes what the other end answers in the driver only while it has a program itself. Scanners that bring none get one that passes
# everything: ours to receive, with no ports.
bpftool prog loadall "$here/../src/net/linux/xdp/link.bpf.o" /sys/fs/bpf/pass 2>/dev/null
lend() { ip link set v0 xdpdrv pinned /sys/fs/bpf/pass/link; }
unlend() { ip link set v0 xdpdrv off; }
export -f counts lend unlend
"$@"
