//! What one probe costs before it reaches a device, piece by piece and whole, and what one reply costs after it has left one.
//!
//! Instructions a probe of the first pass, counted by the command below over 1,048,576 targets:
//!
//! | | 15 ranges | 15,000 ranges |
//! |---|---|---|
//! | survey (the default), before runs and lots | 1,301 | |
//! | survey, before drafts were written in place and by SipHash-1-3 | 859 | 870 |
//! | survey, before series | 596 | 622 |
//! | survey, before what is known of the next run was fetched beforehand | 420 | 433 |
//! | survey | 449 | 462 |
//! | prober (trailing attempts), before drafts were written in place and by SipHash-1-3 | 801 | |
//! | prober, before series | 539 | |
//! | prober, before that | 371 | 383 |
//! | prober | 397 | 409 |
//!
//! Where all leave one way, probes are a series: only address, port and sequence number are kept for each, and what is due without a gap goes to
//! the link in one call. Of the 449 the order takes some 75, the hash 80, host, target and answered bit 110, the frame and the call for it 55, lots
//! and the bookkeeping of what left 60, its marks 11; the rest is loops.
//!
//! Most of the time was waiting: each answered bit is somewhere in two megabytes. Now those of a run are looked at together, and those of the next are
//! fetched meanwhile. Over 16 million targets a probe takes 53 to 58 ns (three runs of ten, medians), 58 to 60 where they are 15,000 ranges; the version
//! that looked one after the other took 68 to 72 in turns with it. 60 ns were aimed at.
//!
//! Instructions are a steadier measure than time on a machine that does other work. `valgrind` counts them; `--test` has each bench
//! run once:
//!
//! ```text
//! bench=$(cargo bench --no-run --bench core --message-format=json | sed -n 's/.*"executable":"\([^"]*\/core-[^"]*\)".*/\1/p')
//! TARGETS=1048576 valgrind --tool=callgrind --toggle-collect='*send_all*' --callgrind-out-file=/dev/null "$bench" --test 'whole probe/survey'
//! valgrind --tool=callgrind --toggle-collect='*observe_all*' --callgrind-out-file=/dev/null "$bench" --test 'reply/syn-ack'
//! ```

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use synprobe::net::Transmitter;
use synprobe::net::decorate::Null;
use synprobe::packet::{Checksums, Hop, MacAddr, Medium, TcpFlags, TcpSegment, write_tcp};
use synprobe::run::{Next, Outlets, transmit_step};
use synprobe::scan::{
    Board, Conductor, Cookie, Egress, EgressMap, Flow, Neighbours, NextHop, Observer, ScanConfig, SourcePorts, Stage, Wanted,
};
use synprobe::target::{AddressRange, AddressSet, Permutation, PortSet, TargetSpace};
use synprobe::time::Time;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = permutation, space, cookie, whole_probe, reply
}
criterion_main!(benches);

fn permutation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("permutation");
    group.throughput(Throughput::Elements(STEPS));
    // The second is all of IPv4 on a thousand ports, less what is reserved.
    for len in [256_000, 3_702_258_432_000] {
        let order = Permutation::new(len, SEED);
        let places: Vec<u64> = (0..STEPS).map(|step| step * (len / STEPS)).collect();
        group.bench_function(format!("index/{len}"), |bencher| {
            bencher.iter(|| places.iter().map(|&place| order.index(black_box(place))).fold(0, u64::wrapping_add));
        });
        group.bench_function(format!("position/{len}"), |bencher| {
            bencher.iter(|| places.iter().map(|&place| order.position(black_box(place))).fold(0, u64::wrapping_add));
        });
    }
    group.finish();
}

fn space(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("target space");
    group.throughput(Throughput::Elements(STEPS));
    for ranges in [15, 15_000] {
        let space = TargetSpace::new(scattered(ranges), PortSet::top(100)).expect("well under 2^63 targets");
        let order = Permutation::new(space.len(), SEED);
        let indices: Vec<u64> = (0..STEPS).map(|step| order.index(step)).collect();
        let targets: Vec<_> = indices.iter().map(|&index| space.get(index)).collect();
        group.bench_function(format!("get/{ranges} ranges"), |bencher| {
            bencher.iter(|| {
                for &index in &indices {
                    black_box(space.get(black_box(index)));
                }
            });
        });
        group.bench_function(format!("index_of/{ranges} ranges"), |bencher| {
            bencher.iter(|| {
                for &target in &targets {
                    black_box(space.index_of(black_box(target)));
                }
            });
        });
    }
    group.finish();
}

fn cookie(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cookie");
    group.throughput(Throughput::Elements(STEPS));
    for (name, ports) in [("block", PORTS), ("fixed", SourcePorts::Fixed(40_000))] {
        let cookie = Cookie::new(KEY, ports, 10);
        let flows = || (0..STEPS as u32).map(flow);
        group.bench_function(format!("probe/{name}"), |bencher| {
            bencher.iter(|| {
                for flow in flows() {
                    black_box(cookie.probe(black_box(flow), 1));
                }
            });
        });
        let (port, sequence) = cookie.probe(flow(0), 2);
        group.bench_function(format!("prove/{name}"), |bencher| {
            bencher.iter(|| {
                for _ in 0..STEPS {
                    black_box(cookie.prove(black_box(flow(0)), port, sequence));
                }
            });
        });
    }
    group.finish();
}

/// A sender's whole way from the position in the order to the frame in the link's slot, for each probe of the first pass over 16 million
/// targets: as the program goes it, led by the conductor, once with account kept (the default) and once by trailing attempts.
fn whole_probe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("whole probe");
    group.throughput(Throughput::Elements(targets())).sample_size(10);
    for ranges in [15, 15_000] {
        for (name, completeness) in [("survey", Some(0.999)), ("prober", None)] {
            let setup = || {
                let board = wide_board(ranges, completeness);
                let null: Box<dyn Transmitter> = Box::new(Null::new());
                (Conductor::new(Arc::clone(&board)), Outlets::new(vec![null]), board)
            };
            group.bench_function(format!("{name}/{ranges} ranges"), |bencher| {
                bencher.iter_batched_ref(setup, |(conductor, outlets, board)| send_all(board, conductor, outlets), BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

#[inline(never)]
fn send_all(board: &Board, conductor: &mut Conductor, outlets: &mut Outlets) {
    let (mut now, targets) = (Time::from_nanos(1_000_000), targets());
    while board.counters.probes.get() < targets {
        match transmit_step(now, conductor, outlets, board) {
            // What a batch takes at the rate it is paced for.
            Next::Again => now = now + Duration::from_nanos(256 * 1_000_000_000 / RATE),
            Next::At(until) => now = until,
            Next::Done => return,
        }
    }
}

/// Hosts of a first pass: 16 million, or what the environment says, for counting instructions.
fn targets() -> u64 {
    std::env::var("TARGETS").ok().and_then(|targets| targets.parse().ok()).unwrap_or(1 << 24)
}

/// A scan of [`targets`] hosts in so many ranges behind a known gateway, about to begin.
fn wide_board(ranges: u32, completeness: Option<f64>) -> Arc<Board> {
    // Ranges of one length, with gaps between; the last is what is left.
    let targets = targets();
    let each = targets.div_ceil(u64::from(ranges)) as u32;
    let range = |number| {
        let first = FIRST.to_bits() + number * (each + each / 8 + 1);
        let last = first + each.min((targets - u64::from(number) * u64::from(each)) as u32) - 1;
        AddressRange::new(IpAddr::V4(Ipv4Addr::from_bits(first)), IpAddr::V4(Ipv4Addr::from_bits(last))).expect("ascending")
    };
    let addresses: AddressSet = (0..ranges).filter(|&number| u64::from(number) * u64::from(each) < targets).map(range).collect();
    assert_eq!(addresses.len(), u128::from(targets));
    let config = ScanConfig {
        attempts: 1,
        most_attempts: 3,
        rate: RATE,
        host_rate: 20_000,
        completeness,
        ..ScanConfig::new(addresses.clone(), [80].into_iter().collect(), SEED)
    };
    let egress = Egress { link: 0, source: US, hop: NextHop::Gateway(HERE, 0) };
    let egresses = EgressMap::new(addresses.ranges().map(|range| (range, egress)));
    let neighbours = Neighbours::new(vec![Wanted { link: 0, source: US, source_mac: HERE, addr: GATEWAY }], AddressSet::new());
    neighbours.learn(0, GATEWAY, THERE, Time::ZERO);
    Arc::new(Board::new(config, Cookie::new(KEY, PORTS, 16), egresses, neighbours))
}

/// A receiver's whole way from the frame to the record.
fn reply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reply");
    group.throughput(Throughput::Elements(u64::from(HOSTS)));
    for (name, flags, stray) in [("syn-ack", TcpFlags::SYN, 0), ("reset", TcpFlags::RST, 0), ("forged", TcpFlags::SYN, 1)] {
        let frames = frames(TcpFlags(flags | TcpFlags::ACK), stray);
        let setup = || {
            let board = board(NextHop::Gateway(HERE, 0));
            (0..u64::from(HOSTS)).for_each(|step| board.stages.at(0).expect("begun").sent(0, 1, step, Time::ZERO));
            Observer::new(board, 0)
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(setup, |observer| observe_all(observer, &frames), BatchSize::PerIteration);
        });
    }
    group.finish();
}

#[inline(never)]
fn observe_all(observer: &mut Observer, frames: &[Vec<u8>]) {
    let arrived = Time::from_nanos(1_000_000);
    for frame in frames {
        black_box(observer.observe(arrived, frame, Medium::Ethernet, Checksums::Verify));
    }
}

/// A scan of [`HOSTS`] hosts behind a known gateway, about to begin.
fn board(hop: NextHop) -> Arc<Board> {
    let last = Ipv4Addr::from_bits(FIRST.to_bits() + HOSTS - 1);
    let range = AddressRange::new(FIRST.into(), last.into()).expect("ascending");
    let ports: PortSet = [80].into_iter().collect();
    let config = ScanConfig {
        attempts: 1,
        most_attempts: 1,
        rate: RATE,
        host_rate: RATE,
        ..ScanConfig::new([range].into_iter().collect(), ports.clone(), SEED)
    };
    let egresses = EgressMap::new([(range, Egress { link: 0, source: US, hop })]);
    let neighbours = Neighbours::new(vec![Wanted { link: 0, source: US, source_mac: HERE, addr: GATEWAY }], AddressSet::new());
    neighbours.learn(0, GATEWAY, THERE, Time::ZERO);
    let board = Board::new(config, Cookie::new(KEY, PORTS, 1), egresses, neighbours);
    let space = TargetSpace::new([range].into_iter().collect(), ports).expect("few targets");
    board.stages.begin(Stage::new(space, SEED, 1, 1, RATE, true));
    Arc::new(board)
}

/// What each host answers to its first SYN; the acknowledgement is `stray` too high.
fn frames(flags: TcpFlags, stray: u32) -> Vec<Vec<u8>> {
    let cookie = Cookie::new(KEY, PORTS, 1);
    let frame = |host| {
        let flow = flow(host);
        let (port, sequence) = cookie.probe(flow, 1);
        let segment = TcpSegment {
            source: flow.destination,
            destination: US,
            source_port: flow.port,
            destination_port: port,
            sequence: host,
            acknowledgement: sequence.wrapping_add(1 + stray),
            flags,
            window: 65_535,
            ttl: 60,
            mss: Some(1460),
        };
        let mut slot = [0; 128];
        let len = write_tcp(&mut slot, Hop::Ethernet { source: THERE, destination: HERE }, &segment);
        slot[..len].to_vec()
    };
    (0..HOSTS).map(frame).collect()
}

fn flow(host: u32) -> Flow {
    Flow { source: US, destination: Ipv4Addr::from_bits(FIRST.to_bits() + host), port: 80 }
}

/// So many /24 networks, every other one.
fn scattered(ranges: u32) -> AddressSet {
    let range = |number| {
        let first = FIRST.to_bits() + number * 512;
        AddressRange::new(IpAddr::V4(Ipv4Addr::from_bits(first)), IpAddr::V4(Ipv4Addr::from_bits(first + 255))).expect("ascending")
    };
    (0..ranges).map(range).collect()
}

/// Elements an iteration: enough to make the loop around them not count.
const STEPS: u64 = 1024;
const HOSTS: u32 = 65_536;
/// Probes a second.
const RATE: u64 = 10_000_000;
const SEED: u64 = 7;
const KEY: [u8; 16] = [9; 16];
const PORTS: SourcePorts = SourcePorts::Block { first: 40_000, count: 16 };
const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);
const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
