//! Whole scans of this machine's loopback, from the request to the summary: every port of 127.0.0.1, a hundred of them open.
//!
//! The process moves into a network namespace of its own first, where it is root and nothing leaves the machine. Where the system forbids
//! that, the raw scan is skipped and says so.

use std::hint::black_box;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use synprobe::error::Result;
use synprobe::net::linux::namespace::enter_private;
use synprobe::net::linux::veth::Wiring;
use synprobe::run::{Rate, Request, Stop, Technique, scan};
use synprobe::scan::Summary;

fn main() {
    // Before any thread is started.
    let isolated = enter_private().and_then(|()| Wiring::open()?.loopback_up());
    let listeners: Vec<_> =
        (FIRST_OPEN..FIRST_OPEN + OPEN).filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()).collect();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| accept(&listeners, &ended));
        let mut criterion = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(8)).configure_from_args();
        let mut group = criterion.benchmark_group("end to end");
        group.throughput(Throughput::Elements(u64::from(u16::MAX)));
        match &isolated {
            Ok(()) => {
                group.bench_function("raw", |bencher| bencher.iter(|| black_box(every_port(Technique::Syn, listeners.len()))));
            }
            Err(error) => println!("end to end/raw          skipped: {error}"),
        }
        group.bench_function("connect", |bencher| bencher.iter(|| black_box(every_port(Technique::Connect, listeners.len()))));
        group.finish();
        criterion.final_summary();
        ended.store(true, Ordering::Relaxed);
    });
}

/// Scans every port, and holds the result against what is known.
fn every_port(technique: Technique, open: usize) -> Summary {
    let all = |technique| -> Result<Summary> {
        let raw = technique == Technique::Syn;
        let request = Request {
            technique,
            rate: raw.then(|| Rate::per_second(1_000_000)),
            keep_privileges: true,
            ..Request::new("127.0.0.1".parse()?, "-".parse()?)
        };
        scan(&request, &Stop::new(), &mut |_| {})
    };
    let summary = all(technique).expect("loopback can be scanned");
    assert_eq!(summary.answered, u64::from(u16::MAX), "every port answers: {summary:?}");
    assert!(summary.open >= open as u64, "{} of {open} open", summary.open);
    summary
}

/// Takes connections and drops them, so that no backlog fills.
fn accept(listeners: &[TcpListener], ended: &AtomicBool) {
    for listener in listeners {
        listener.set_nonblocking(true).expect("a socket can be switched");
    }
    while !ended.load(Ordering::Relaxed) {
        for listener in listeners {
            while !matches!(listener.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock) {}
        }
        thread::sleep(Duration::from_millis(5));
    }
}

const FIRST_OPEN: u16 = 10_000;
const OPEN: u16 = 100;
