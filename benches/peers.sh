#!/usr/bin/env bash
# synprobe, zmap, masscan and nmap side by side on the same cases, in a network of namespaces of its own: nothing leaves the machine.
#
#     cargo build --release && benches/peers.sh [-r RUNS] [-e ENGINE] [CASE…] > peers.md
#
# Prints a Markdown table: medians of RUNS runs (5), and how many times the others' median synprobe's is. Runs of the tools alternate. CASEs, by default all:
#   sink    frames a second into an ifb device, one sending thread, counted at the device over two seconds of full speed
#   veth    1,048,576 targets over a veth pair to a peer that drops: frames a second from the 50,000th to the 1,000,000th, counted at the peer
#   cpu     524,288 targets at 100,000 a second over the same: seconds of processor, user and system
#   local   a /24 on the link, one port, 128 hosts up, neighbours known: seconds from start to end, and ports found
#   routed  a /24 behind a router, 1,000 ports, 1,024 open: the same
# A run that ended before it had sent what it should counts as 0, or as failed.
# As root or in a user namespace; a tool that is not installed is left out. ENGINE is synprobe's --engine.
set -uo pipefail
runs=5 engine=packet cases=()
while [ $# -gt 0 ]; do case $1 in
    -r) runs=$2; shift 2;; -e) engine=$2; shift 2;; --inside) inside=1; shift;; *) cases+=("$1"); shift;;
esac; done
[ ${#cases[@]} -gt 0 ] || cases=(sink veth cpu local routed)
synprobe=${SYNPROBE:-$(dirname "$0")/../target/release/synprobe}
if [ ! "${inside:-}" ]; then
    user=(-U -r); [ "$(id -u)" = 0 ] && user=()
    exec unshare "${user[@]}" -npf --kill-child --mount-proc bash "$0" --inside -r "$runs" -e "$engine" "${cases[@]}" </dev/null
fi

out=$(mktemp -d); trap 'rm -rf "$out"' EXIT
unshare -n sleep 3000 & peer=$!; sleep 0.3
there() { nsenter -t "$peer" -n "$@"; }
ip link set lo up; there ip link set lo up
ip link add v0 type veth peer name v1 netns "$peer"
ip addr add 10.0.0.1/24 dev v0; ip link set v0 up
there ip addr add 10.0.0.2/32 dev v1; there ip link set v1 up; there ip route add 10.0.0.1 dev v1
there ip route add local 10.0.0.128/25 dev lo; there ip route add local 10.1.0.0/24 dev lo
ip route add 10.1.0.0/16 via 10.0.0.2; ip route add 10.64.0.0/10 via 10.0.0.2
# What is only counted is dropped as early as it can be.
there nft 'table netdev sink { chain in { type filter hook ingress device v1 priority 0; ip daddr 10.64.0.0/10 counter drop; }; }'
mac=$(there ip -o link show v1 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
ip neigh replace 10.0.0.2 lladdr "$mac" dev v0 nud permanent
if ip link add i0 type ifb 2>/dev/null; then
    # Made without ARP, it would be taken for something that is no Ethernet.
    ip link set i0 arp on; ip addr add 10.2.0.1/24 dev i0; ip link set i0 up; ip route add 10.128.0.0/10 via 10.2.0.2
    ip neigh replace 10.2.0.2 lladdr 02:00:00:00:00:02 dev i0 nud permanent
fi
there python3 -c '
import socket, threading
def serve(port):
    s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("", port)); s.listen(4096)
    while True: s.accept()[0].close()
for port in (22, 80, 443, 8080): threading.Thread(target=serve, args=(port,)).start()
' & sleep 1

# tool interface source-address rate ports targets…: the command that scans them, in $command
compose() {
    local tool=$1 dev=$2 src=$3 rate=$4 ports=$5 gw; shift 5; rm -f "$out/found"
    [ "$dev" = i0 ] && gw=02:00:00:00:00:02 || gw=$mac
    case $tool in
    synprobe)
        command=("$synprobe" "$@" -p "$ports" --engine "$engine" -n -q -o "list:$out/found")
        [ "$rate" = default ] || command+=(--rate "$rate" --completeness off --attempts 1) ;;
    zmap)
        [ "$rate" = default ] && rate=100000
        command=(zmap -i "$dev" -G "$gw" -S "$src" -b /dev/null -r "$rate" -c 1 -T 1 -q -p "$ports" -o "$out/found" "$@") ;;
    masscan)
        [ "$rate" = default ] && rate=100000
        command=(masscan "$@" -p "$ports" --rate "$rate" --adapter "$dev" --adapter-ip "$src" --router-mac "${gw//:/-}" --wait 1 -oL "$out/found") ;;
    nmap) command=(nmap -n -sS -T4 -p "$ports" -oG "$out/found" "$@") ;;
    esac
}
received() { if [ "$1" = i0 ]; then sed -n 's/^ *i0: *[0-9]* *\([0-9]*\).*/\1/p' /proc/net/dev
    else there nft list table netdev sink | sed -n 's/.*packets \([0-9]*\).*/\1/p'; fi; }
now() { echo "${EPOCHREALTIME/./}"; }

# device: frames a second over two seconds of full speed, or between the 50,000th and the 1,000,000th
pace() {
    local dev=$1 first begin
    first=$(received "$dev"); "${command[@]}" >/dev/null 2>&1 & local scan=$!
    until [ $(($(received "$dev") - first)) -ge 50000 ] || ! kill -0 $scan 2>/dev/null; do sleep 0.02; done
    # A tool that has ended here did not do what it was to do: its run counts for nothing.
    kill -0 $scan 2>/dev/null || { echo 0; return; }
    local a at b bt; a=$(received "$dev"); at=$(now)
    if [ "$dev" = i0 ]; then sleep 2; else
        until [ $(($(received "$dev") - first)) -ge 1000000 ] || ! kill -0 $scan 2>/dev/null; do sleep 0.02; done; fi
    b=$(received "$dev"); bt=$(now)
    [ $((b - first)) -ge $([ "$dev" = i0 ] && echo 100000 || echo 1000000) ] || { kill -KILL $scan 2>/dev/null; wait $scan 2>/dev/null; echo 0; return; }
    [ "$dev" = i0 ] && kill -KILL $scan 2>/dev/null; wait $scan 2>/dev/null
    echo $(((b - a) * 1000000 / (bt - at)))
}
# Seconds of processor, if nearly all of 524,288 probes arrived.
seconds() {
    TIMEFORMAT='%U %S'; local spent first; first=$(received v0); spent=$( { time "${command[@]}" >/dev/null 2>&1; } 2>&1 )
    [ $(($(received v0) - first)) -ge 520000 ] && echo "$spent" | awk '{ print $1 + $2 }' || echo failed
}
elapsed() {
    local at bt; at=$(now); "${command[@]}" >/dev/null 2>&1; bt=$(now)
    local found; case $1 in
        synprobe | masscan) found=$(grep -c '^open' "$out/found");; zmap) found=$(grep -c . "$out/found");;
        nmap) found=$(grep -o '/open/' "$out/found" | wc -l);; esac
    awk -v t=$((bt - at)) -v f="$found" 'BEGIN { printf "%.2f %d\n", t / 1e6, f }'
}
measure() {
    local case=$1 tool=$2
    case $case in
    sink) compose "$tool" i0 10.2.0.1 20000000 80 10.128.0.0/10; pace i0 ;;
    veth) compose "$tool" v0 10.0.0.1 20000000 80 10.64.0.0/12; pace v0 ;;
    cpu) compose "$tool" v0 10.0.0.1 100000 80 10.64.0.0/13; seconds ;;
    local) compose "$tool" v0 10.0.0.1 default 80 10.0.0.0/24
        for host in $(seq 128 254); do ip neigh replace 10.0.0.$host lladdr "$mac" dev v0 nud permanent; done; elapsed "$tool" ;;
    routed) compose "$tool" v0 10.0.0.1 default 1-1000 10.1.0.0/24; elapsed "$tool" ;;
    esac
}
median() { sort -g | awk '{ line[NR] = $0 } END { print line[int((NR + 1) / 2)] }'; }

echo "| case | tool | median | all runs | synprobe against it |"
echo "|---|---|---|---|---|"
for case in "${cases[@]}"; do
    case $case in sink | veth) tools="synprobe zmap masscan"; [ $case = sink ] && ! grep -q i0: /proc/net/dev && echo "| sink | | skipped: no ifb devices here | | |" && continue ;;
        cpu) tools="synprobe zmap masscan" ;; local) tools="synprobe zmap masscan nmap" ;; routed) tools="synprobe masscan nmap" ;; esac
    for run in $(seq "$runs"); do for tool in $tools; do
        command -v "$tool" >/dev/null || [ "$tool" = synprobe ] || continue
        measure "$case" "$tool" >> "$out/$case.$tool"
    done; done
    ours=$(median < "$out/$case.synprobe" | cut -d' ' -f1)
    for tool in $tools; do [ -e "$out/$case.$tool" ] || continue
        middle=$(median < "$out/$case.$tool")
        ratio=$(awk -v a="$ours" -v b="${middle%% *}" 'BEGIN { if (b > 0) printf "%.2f", a / b }')
        echo "| $case | $tool | $middle | $(sort -g "$out/$case.$tool" | paste -sd, | sed 's/,/, /g') | $ratio |"
    done
done
