//! How many probes a second leave by the packet back end, beside a bare loop over the same transmitter that writes the same frame again and
//! again: into `ifb` devices, which swallow everything, and over a veth pair whose far end drops.
//!
//! ```text
//! cargo bench --bench backend
//! ```
//!
//! The process moves into a network namespace of its own first. Where the system forbids that, or has no `ifb` devices, it says so. Medians of
//! five runs of two seconds, alternating; `two` is two sending threads, each with half of the order and an interface of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use synprobe::net::link::{Engine, LinkKind, LinkOptions, Queueing, open};
use synprobe::net::linux::namespace::enter_private;
use synprobe::net::{Transmitter, interface::interfaces};
use synprobe::packet::{FRAME_CAPACITY, Hop, MacAddr, Probe, SynTemplate};
use synprobe::run::{Next, Outlets, transmit_step};
use synprobe::scan::{Board, Cookie, Egress, EgressMap, Neighbours, NextHop, Prober, ScanConfig, SourcePorts, Stage, Wanted};
use synprobe::target::{AddressRange, AddressSet, PortSet, TargetSpace};
use synprobe::time::Time;

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let is_test = std::env::args().any(|argument| argument == "--test");
    if let Err(error) = enter_private() {
        return println!("backend: skipped: {error}");
    }
    let sink = ["link add i0 type ifb", "link add i1 type ifb", "link set i0 up", "link set i1 up"].iter().all(|words| ip(words));
    let veth = ["link add v0 type veth peer name v1", "link set v0 up", "link set v1 up"].iter().all(|words| ip(words));
    // An interface without an address drops what is for others right after the device.
    let cases: [(&str, &[&str], bool); 2] = [("sink", &["i0", "i1"], sink), ("veth", &["v0"], veth)];
    for (name, interfaces, is_there) in cases {
        if !is_there {
            println!("{name:8} skipped: `ip` could not make the interfaces");
            continue;
        }
        let span = Duration::from_millis(if is_test { 50 } else { 2000 });
        let (mut bares, mut scans, mut twos) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..if is_test { 1 } else { RUNS } {
            bares.push(bare(interfaces[0], span));
            scans.push(scan(&interfaces[..1], span));
            if interfaces.len() > 1 {
                twos.push(scan(interfaces, span));
            }
        }
        let (bare, scan) = (median(bares), median(scans));
        println!("{name:8} bare {:.3} million/s, scan {:.3} million/s: {:.0} %", bare / 1e6, scan / 1e6, 100.0 * scan / bare);
        if !twos.is_empty() {
            let two = median(twos);
            println!("{name:8} two threads {:.3} million/s: {:.2} times one", two / 1e6, two / scan);
        }
    }
}

/// Probes a second of the same frame sent again and again.
fn bare(interface: &str, span: Duration) -> f64 {
    let mut transmitter = transmitter(interface);
    let mut frame = [0; FRAME_CAPACITY];
    let hop = Hop::Ethernet { source: HERE, destination: THERE };
    let probe = Probe { hop, source: US, destination: FIRST, source_port: 40_000, destination_port: 80, sequence: 1 };
    let len = SynTemplate::new().write(&mut frame, &probe);
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < span {
        while let Some(slot) = transmitter.slot() {
            slot[..len].copy_from_slice(&frame[..len]);
            transmitter.commit(len);
        }
        sent += transmitter.flush().unwrap_or(0);
    }
    sent as f64 / began.elapsed().as_secs_f64()
}

/// Probes a second of a scan, with a thread and its share of the order for each interface.
fn scan(interfaces: &[&str], span: Duration) -> f64 {
    let senders = interfaces.len() as u64;
    let board = board(senders);
    let began = Instant::now();
    thread::scope(|scope| {
        for (sender, interface) in interfaces.iter().enumerate() {
            let board = Arc::clone(&board);
            let mut outlets = Outlets::new(vec![transmitter(interface)]);
            scope.spawn(move || {
                let mut prober = Prober::new(Arc::clone(&board), 0, sender as u64, senders * RATE);
                while began.elapsed() < span {
                    let now = Time::ZERO + began.elapsed();
                    match transmit_step(now, &mut prober, &mut outlets, &board) {
                        Next::Done => break,
                        Next::Again | Next::At(_) => {}
                    }
                }
            });
        }
    });
    board.counters.probes.get() as f64 / began.elapsed().as_secs_f64()
}

fn board(senders: u64) -> Arc<Board> {
    let last = Ipv4Addr::from_bits(FIRST.to_bits() + TARGETS - 1);
    let range = AddressRange::new(IpAddr::V4(FIRST), IpAddr::V4(last)).expect("ascending");
    let (addresses, ports): (AddressSet, PortSet) = ([range].into_iter().collect(), [80].into_iter().collect());
    let config = ScanConfig { attempts: 1, most_attempts: 1, senders, ..ScanConfig::new(addresses.clone(), ports.clone(), 7) };
    let egresses = EgressMap::new([(range, Egress { link: 0, source: US, hop: NextHop::Gateway(HERE, 0) })]);
    let gateway = Wanted { link: 0, source: US, source_mac: HERE, addr: GATEWAY };
    let neighbours = Neighbours::new(vec![gateway], AddressSet::new());
    neighbours.learn(0, GATEWAY, THERE, Time::ZERO);
    let ports_of_ours = SourcePorts::Block { first: 40_000, count: 16 };
    let board = Board::new(config, Cookie::new([9; 16], ports_of_ours, 1), egresses, neighbours);
    let space = TargetSpace::new(addresses, ports).expect("few targets");
    board.stages.begin(Stage::new(space, 7, senders, 1, senders * RATE, true));
    Arc::new(board)
}

fn transmitter(name: &str) -> Box<dyn Transmitter> {
    let index = interfaces().expect("interfaces can be listed").into_iter().find(|interface| interface.name == name).expect("made").index;
    let options = LinkOptions {
        engine: Engine::Packet,
        first_port: 40_000,
        last_port: 40_015,
        transmitters: 1,
        queueing: Queueing::Through,
        proof: None,
        receive_bytes: 1 << 17,
    };
    open(name, index, LinkKind::Ethernet, &options).expect("root in its own namespace").transmitters.remove(0)
}

fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).status().is_ok_and(|status| status.success())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

const RUNS: usize = 5;
/// More than can be sent.
const RATE: u64 = 20_000_000;
const TARGETS: u32 = 1 << 24;
const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);
const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
