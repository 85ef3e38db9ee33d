//! How many probes a second the simulated network takes: a quick path, one with bottlenecks and loss, and one where everything answers.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use synprobe::lab::{Scenario, mac_of};
use synprobe::packet::{FRAME_CAPACITY, Hop, MacAddr, Probe, SynTemplate};
use synprobe::time::Time;

criterion_group!(benches, simulator);
criterion_main!(benches);

fn simulator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator");
    group.throughput(Throughput::Elements(u64::from(HOSTS))).measurement_time(Duration::from_secs(3)).sample_size(20);
    for name in ["lan-64k", "loss5", "ge-bursts", "dense-pol20k", "coldarp50"] {
        let scenario = Scenario::named(name).expect("a name of the library").with_hosts(HOSTS);
        let frames = frames(&scenario);
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || scenario.network(1),
                |network| {
                    let mut delivered = 0_u64;
                    for (n, (frame, len)) in frames.iter().enumerate() {
                        let now = Time::from_nanos(n as u64 * GAP);
                        network.inject(now, &frame[..*len]);
                        if n % 256 == 0 {
                            network.deliver(now, &mut |_, frame| delivered += frame.len() as u64);
                        }
                    }
                    network.deliver(Time::NEVER, &mut |_, frame| delivered += frame.len() as u64);
                    black_box(delivered)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// One SYN for each target of `scenario`.
fn frames(scenario: &Scenario) -> Vec<([u8; FRAME_CAPACITY], usize)> {
    let template = SynTemplate::new();
    let hop = Hop::Ethernet { source: MacAddr([2, 0, 0, 0, 0, 1]), destination: mac_of(Scenario::GATEWAY) };
    let probe = |destination| {
        let probe = Probe { hop, source: Scenario::SCANNER, destination, source_port: 40_000, destination_port: 80, sequence: 7 };
        let mut slot = [0; FRAME_CAPACITY];
        let len = template.write(&mut slot, &probe);
        (slot, len)
    };
    scenario.hosts().map(probe).collect()
}

const HOSTS: u32 = 65_536;
/// Nanoseconds between probes: 100,000 a second.
const GAP: u64 = 10_000;
