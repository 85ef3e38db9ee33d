#!/usr/bin/env bash
# Two scans of a million open ports each, compared: the time and the memory that takes, as JSON, as XML and from a database. Every
# thousandth port differs. Once with sixteen ports on 62,500 hosts, once with one port on a million hosts:
#
#     bash benches/diff.sh
set -euo pipefail
synprobe=${SYNPROBE:-target/release/synprobe}
here=$(mktemp -d)
trap 'rm -r "$here"' EXIT

# scan NAME HOSTS PORTS SHIFT: so many hosts of 10.0.0.0/8, each with so many ports open; every thousandth is SHIFT further.
scan() {
    awk -v hosts="$2" -v ports="$3" -v shift="$4" 'BEGIN {
        printf "{\"type\":\"scan\",\"schema_version\":1,\"version\":\"0.1.0\",\"arguments\":[\"synprobe\",\"10.0.0.0/8\"],\"seed\":\"7\",\"started\":1767268800.5,\"mode\":\"syn\",\"addresses\":16777216,\"ports\":1000,\"targets\":16777216000,\"port_list\":\"1-1000\",\"egresses\":[]}\n"
        # In an order that is not that of the addresses, as a scan finds them.
        for (n = 0; n < hosts * ports; n++) {
            at = (n * 7919) % (hosts * ports); host = int(at / ports) + 1; port = at % ports + 1
            if (at % 1000 == 0) port += shift
            addr = "10." int(host / 65536) "." int(host / 256) % 256 "." host % 256
            printf "{\"type\":\"port\",\"addr\":\"%s\",\"port\":%d,\"proto\":\"tcp\",\"state\":\"open\",\"reason\":\"syn-ack\",\"ttl\":64,\"rtt_us\":412,\"attempt\":1,\"time\":1767268801.25}\n", addr, port
        }
        for (host = 1; host <= hosts; host++) {
            addr = "10." int(host / 65536) "." int(host / 256) % 256 "." host % 256
            printf "{\"type\":\"host\",\"addr\":\"%s\",\"state\":\"up\",\"reason\":\"syn-ack\",\"names\":[],\"rtt_us\":412,\"open\":%d,\"closed\":%d,\"filtered\":0,\"unanswered\":0,\"not_probed\":0,\"closed_reasons\":{\"reset\":%d}}\n", addr, ports, 1000 - ports, 1000 - ports
        }
        open = hosts * ports; targets = 16777216000
        printf "{\"type\":\"summary\",\"elapsed\":60.5,\"addresses\":16777216,\"hosts_up\":%d,\"hosts_down\":0,\"hosts_filtered\":0,\"hosts_not_probed\":0,\"hosts_suspect\":0,\"hosts_hidden\":0,\"targets\":%d,\"probes\":%d,\"canaries\":0,\"arp_requests\":0,\"answered\":%d,\"open\":%d,\"closed\":0,\"filtered\":0,\"unanswered\":0,\"not_probed\":0,\"invalid\":0,\"malformed\":0,\"duplicates\":0,\"receiver_drops\":0,\"send_errors\":0,\"resets_lost\":0,\"send_retries\":0,\"unroutable\":0,\"unresolved\":0,\"write_errors\":0,\"interrupted\":false,\"out_of_time\":false,\"path_proven\":true,\"completeness\":null,\"complete\":true,\"incomplete\":[]}\n", hosts, targets, targets, open, open
    }' > "$here/$1.json"
}

compared() {
    command time -f '%e s, %U s user, %M KiB' -o "$here/cost" "$synprobe" diff "${@:2}" > "$here/said" || true
    echo "$1: $(tail -1 "$here/cost"); $(tail -1 "$here/said")"
}

for shape in "62500 16" "1000000 1"; do
    read -r hosts ports <<< "$shape"
    echo "$hosts hosts with $ports open each"
    scan old "$hosts" "$ports" 0
    scan new "$hosts" "$ports" 100
    for run in 1 2 3; do compared "  json" "$here/old.json" "$here/new.json"; done
    for one in old new; do "$synprobe" convert -q "$here/$one.json" -o "xml:$here/$one.xml" -o "sqlite:$here/audit.db" || true; done
    for run in 1 2 3; do compared "  xml" "$here/old.xml" "$here/new.xml"; done
    for run in 1 2 3; do compared "  database" --db "$here/audit.db" --last 2; done
    rm "$here"/*
done
