//! The same, seen by the field's own tools where they are installed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use synprobe::scan::State;

use super::bed::{Bed, request, scan, skipped};

#[test]
fn nmap_says_the_same() {
    let Some(mut bed) = Bed::of("tools::nmap_says_the_same") else { return };
    bed.answer_for("10.64.0.0/28");
    let _listening = bed.listen(&[22, 80, 443]);
    let rules = "table ip f {\n chain c {\n  type filter hook input priority 0;\n  tcp dport 24 drop\n  tcp dport 25 reject with icmp type admin-prohibited\n  ip daddr 10.64.0.3 tcp dport 80 drop\n }\n}\n";
    if !bed.firewall(rules) {
        return;
    }
    let (hosts, ports) = ("10.64.0.0/28", "20-25,80,443");
    let nmap =
        Command::new("nmap").args(["--privileged", "-sS", "-n", "-Pn", "-p", ports, "-oG", "-", hosts]).stdin(Stdio::null()).output();
    let Ok(nmap) = nmap else { return skipped("the comparison with nmap: it is not installed") };
    let text = String::from_utf8_lossy(&nmap.stdout);
    let theirs: BTreeMap<(IpAddr, u16), String> = text.lines().flat_map(grepable).collect();
    let ours: BTreeMap<(IpAddr, u16), String> =
        scan(&request(hosts, ports)).outcomes().into_iter().map(|(target, outcome)| (target, outcome.state.to_string())).collect();
    assert_eq!(ours, theirs, "{text}");
    assert_eq!(theirs.values().filter(|state| *state == State::Open.as_str()).count(), 16 * 3 - 1);
}

/// The ports in a line of the grepable format.
fn grepable(line: &str) -> Vec<((IpAddr, u16), String)> {
    let Some((host, ports)) = line.strip_prefix("Host: ").and_then(|line| line.split_once("\tPorts: ")) else { return Vec::new() };
    let addr = host.split(' ').next().unwrap().parse().unwrap();
    let ports = ports.split('\t').next().unwrap().split(", ");
    ports.map(|port| port.split('/').collect::<Vec<_>>()).map(|words| ((addr, words[0].parse().unwrap()), words[1].to_owned())).collect()
}

#[test]
fn tcpdump_reads_a_correct_desktop_syn() {
    let Some(bed) = Bed::of("tools::tcpdump_reads_a_correct_desktop_syn") else { return };
    let _listening = bed.listen(&[80]);
    // One SYN, its answer and our reset; it ends by itself after the third.
    let arguments = ["-i", "scan0", "-nn", "-vv", "-c", "3", "-Z", "root", "tcp"];
    let capture = Command::new("tcpdump").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut capture) = capture else { return skipped("tcpdump's reading of our SYN: it is not installed") };
    let mut complaints = BufReader::new(capture.stderr.take().unwrap()).lines();
    if !complaints.by_ref().any(|line| line.is_ok_and(|line| line.contains("listening on"))) {
        capture.wait().unwrap();
        return skipped("tcpdump's reading of our SYN: it cannot capture here");
    }
    let told = scan(&request("10.0.0.2", "80"));
    assert_eq!(told.summary.open, 1);
    let output = capture.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let syn = text.lines().find(|line| line.contains("Flags [S],")).unwrap_or_else(|| panic!("{text}"));
    for part in ["(correct)", "win 64240", "options [mss 1460,nop,nop,sackOK,nop,wscale 7]", "length 0"] {
        assert!(syn.contains(part), "{part}: {text}");
    }
    let header = text.lines().next().unwrap();
    for part in ["ttl 64", "id 0", "flags [DF]", "proto TCP (6)", "length 52"] {
        assert!(header.contains(part), "{part}: {text}");
    }
    assert!(!header.contains("bad cksum") && text.lines().any(|line| line.contains("Flags [R],") && line.contains("(correct)")), "{text}");
}
