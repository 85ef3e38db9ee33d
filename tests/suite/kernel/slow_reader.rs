//! A slow reader of standard output slows a scan, and costs it no finding.

use std::collections::HashSet;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bed::Bed;

#[test]
fn a_slow_reader_of_standard_output_gets_every_finding() {
    let Some(mut bed) = Bed::of("slow_reader::a_slow_reader_of_standard_output_gets_every_finding") else { return };
    answer(&mut bed);
    let _listening = bed.listen(&[80]);
    let mut scan = scan("10.64.0.0/18").stdout(Stdio::piped()).spawn().unwrap();
    let out = scan.stdout.take().unwrap();
    gets_all(scan, out, 16_384);
}

/// As some programs leave it to those that they start: what does not fit is refused at once.
#[test]
fn so_does_one_whose_end_does_not_block() {
    let Some(mut bed) = Bed::of("slow_reader::so_does_one_whose_end_does_not_block") else { return };
    answer(&mut bed);
    let _listening = bed.listen(&[80]);
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let scan = scan("10.64.0.0/20").stdout(OwnedFd::from(theirs)).spawn().unwrap();
    gets_all(scan, ours, 4_096);
}

fn answer(bed: &mut Bed) {
    bed.answer_for("10.64.0.0/18");
    bed.sysctl("net/ipv4/tcp_syncookies", "2");
}

fn scan(targets: &str) -> Command {
    let mut scan = Command::new(env!("CARGO_BIN_EXE_synprobe"));
    scan.args([targets, "-p", "80", "-n", "-q", "--json", "--rate", "50k"])
        .env("XDG_STATE_HOME", crate::spawn::state())
        .stdin(Stdio::null());
    scan
}

fn gets_all(mut scan: Child, mut out: impl Read, hosts: usize) {
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
    assert_eq!(found.len(), hosts, "{status}, {summary}");
    // What a machine that does much else loses before it is read is counted, and asked again.
    for loss in ["write_errors", "send_errors"] {
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
