#!/usr/bin/env bash
# Ten scans of 65,536 targets at 10,000 probes a second, each killed at moments between 0.2 and 6 seconds and resumed until it is done: what
# the parts find together, and how many probes they took, beside one that nobody kills. In the network of router.sh, without its limit:
#
#     SPARSE=1 LIMIT=1000000 unshare -Urnpf --kill-child --mount-proc bash benches/router.sh bash benches/resume.sh
set -euo pipefail
synprobe=${SYNPROBE:-target/release/synprobe}
here=$(mktemp -d)
export XDG_STATE_HOME=$here
scan=("$synprobe" 10.1.0.0/16 -p 80 --rate 10k --host-rate 10k --seed 7 -n -q --no-progress)
probes() { sed -n 's/.*"type":"summary".*"probes":\([0-9]*\).*/\1/p' "$1"; }
found() { grep '^open' "$1" | cut -d' ' -f1-4 | sort; }
"${scan[@]}" --journal "$here/whole.journal" -o "list:$here/whole" || true
whole=$(probes "$here/whole.journal")
echo "not killed: $(found "$here/whole" | wc -l) open, $whole probes"
for run in {1..10}; do
    journal=$here/$run.journal kills=0
    command=("${scan[@]}" --journal "$journal" -o "list:$here/$run")
    for attempt in {1..20}; do
        "${command[@]}" >/dev/null 2>&1 & pid=$!
        sleep "$(awk -v seed="$((run * 100 + attempt))" 'BEGIN { srand(seed); print 0.2 + rand() * 5.8 }')"
        if kill -KILL $pid 2>/dev/null; then kills=$((kills + 1)); fi
        wait $pid 2>/dev/null || true
        if grep -q '"type":"summary"' "$journal"; then break; fi
        command=("$synprobe" resume "$journal")
    done
    differ=$(diff <(found "$here/whole") <(found "$here/$run") | grep -c '^[<>]' || true)
    all=$(probes "$journal") 

    echo "killed $kills times: $(found "$here/$run" | wc -l) open, $differ different, $all probes, $(awk -v a="$all" -v b="$whole" 'BEGIN { printf "%.3f", a / b }') of the whole"
done
rm -r "$here"
