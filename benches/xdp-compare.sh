#!/usr/bin/env bash
# synprobe by XDP beside Debian's zmap, in turns, in the network of xdp.sh; medians go to standard output as Markdown:
#
#     cargo build --release
#     unshare -nmpf --kill-child --mount-proc bash benches/xdp.sh bash benches/xdp-compare.sh [ROUNDS]
#     OPEN=1000000 REMEMBERED=4194304 unshare -nmpf --kill-child --mount-proc bash benches/xdp.sh bash benches/xdp-compare.sh [ROUNDS]
#
# Both ask one port of 4,194,304 addresses once. The time is from start to exit; processor time is that of the scanner's process, in which the
# far end's work happens as well, since a virtual cable's other end is served by whoever sends. Probes and connections still half open are
# counted at the far end: SYN-ACKs less resets. It remembers one connection of a port; of two at once, which a canary makes, the reset of
# the first is a stray to it.
set -euo pipefail
rounds=${1:-5}
here=$(cd "$(dirname "$0")" && pwd)
synprobe=${SYNPROBE:-$here/../target/release/synprobe}
work=$(mktemp -d)
field() { tr ' ' '\n' | sed -n "s/^$1=//p"; }
half_open() { # SYN-ACKs of which no reset has come
    local all
    all=$(cat)
    echo $(($(field syn_acks <<<"$all") - $(field ended <<<"$all") - $(field strays <<<"$all")))
}
run() { # NAME FOUND COMMAND…: one line of figures into $work/NAME
    local name=$1 found=$2 before after
    shift 2
    before=$(counts)
    rm -f "$work/out"
    /usr/bin/time -o "$work/time" -f '%e %U %S' timeout -k 1 300 "$@" >/dev/null 2>"$work/errors" || true
    after=$(counts)
    echo "$(tail -1 "$work/time") $(($(field syns <<<"$after") - $(field syns <<<"$before"))) $(eval "$found") \
        $(($(half_open <<<"$after") - $(half_open <<<"$before")))" >>"$work/$name"
}
xdp() { run "$1" "grep -c ^open $work/out" "$synprobe" 10.64.0.0/10 -p 80 --engine xdp -n -q -o "list:$work/out" "${@:2}"; }
for ((round = 0; round < rounds; round++)); do
    xdp once --rate 20M --completeness off --attempts 1
    xdp accounted --rate 20M --completeness 99%
    lend
    run zmap "wc -l <$work/out" zmap -i v0 -G "$GATEWAY" -S 10.0.0.1 -b /dev/null -B 10G -c 1 -p 80 -o "$work/out" -q 10.64.0.0/10
    unlend
done
python3 - "$work" "${OPEN:-10000}" "${REMEMBERED:-0}" <<'PYTHON'
import pathlib, statistics, sys
folder, share, remembered = pathlib.Path(sys.argv[1]), *sys.argv[2:]
def rows(name): return [list(map(float, line.split())) for line in (folder / name).read_text().splitlines()]
def figures(name):
    all = rows(name)
    speed = statistics.median(probes / wall for wall, _, _, probes, *_ in all)
    cost = statistics.median((user + system) / probes * 1e6 for _, user, system, probes, *_ in all)
    kernel = statistics.median(system / probes * 1e6 for _, _, system, probes, *_ in all)
    middle = lambda column: statistics.median(row[column] for row in all)
    return speed, cost, kernel, middle(0), middle(4), middle(5)
base = figures("zmap")
print(f"{int(share) / 1e4:g} % open, medians of {len(rows('zmap'))}\n")
print("| scanner | seconds | probes a second | to zmap | µs of processor a probe | of it kernel | to zmap | found | half open |")
print("|---|---|---|---|---|---|---|---|---|")
for name, label in (("once", "synprobe, once"), ("accounted", "synprobe, accounted"), ("zmap", "zmap")):
    speed, cost, kernel, wall, found, half = figures(name)
    print(f"| {label} | {wall:.2f} | {speed:,.0f} | {speed / base[0]:.1f} | {cost:.2f} | {kernel:.2f} | 1/{base[1] / cost:.1f} | {found:.0f} | {half if int(remembered) else 'not tracked'} |")
PYTHON
rm -r "$work"
