//! A slow reader of standard output slows a scan, and costs it no finding.

use std::collections::HashSet;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bed::Bed;

#[test]
fn a_slow_reader_of_standard_output_gets_every_finding() {
    let Some(mut bed) = Bed::of("slow_reader::a_slow_reader_of_standard_output_gets_every_finding") else { return };
    bed.answer_for("10.64.0.0/18");
    bed.sysctl("net/ipv4/tcp_syncookies", "2");
    let _listening = bed.listen(&[80]);
    let mut scan = Command::new(env!("CARGO_BIN_EXE_synprobe"))
        .args(["10.64.0.0/18", "-p", "80", "-n", "-q", "--json", "--rate", "50k"])
        .env("XDG_STATE_HOME", crate::spawn::state())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = scan.stdout.take().unwrap();
    let (mut read, mut piece, mut resident) = (Vec::new(), vec![0; 64 << 10], 0);
    let since = Instant::now();
    loop {
        // Three megabytes a second at most: a fifth of what a scan of this rate writes.
        std::thread::sleep(Duration::from_millis(20));
        let len = out.read(&mut piece).unwrap();
        if len == 0 {
            break;
        }
        read.extend(&piece[..len]);
        resident = resident.max(most_resident(scan.id()));
        assert!(since.elapsed() < Duration::from_mins(2), "it goes on for ever");
    }
    let status = scan.wait().unwrap();
    let records: Vec<Value> = read.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    let open = records.iter().filter(|record| record["type"] == "port" && record["state"] == "open");
    let found: HashSet<&str> = open.filter_map(|record| record["addr"].as_str()).collect();
    let summary = records.last().unwrap();
    assert_eq!(found.len(), 16_384, "{status}, {summary}");
    for loss in ["receiver_drops", "write_errors", "send_errors"] {
        assert_eq!(summary[loss], 0, "{summary}");
    }
    assert!(resident > 0 && resident < 64 << 10, "{resident} kB resident");
}

/// The largest resident set of a process so far, in kB; 0 when it has ended.
fn most_resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
