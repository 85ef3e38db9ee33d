//! How fast frames are built and replies read, in frames a second.

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use synprobe::packet::checksum::checksum;
use synprobe::packet::{
    Checksums, FRAME_CAPACITY, Hop, IcmpMessage, MacAddr, Medium, Probe, Reply, RstTemplate, SynTemplate, TcpFlags, TcpSegment,
    write_icmp_error, write_request, write_tcp,
};

/// Frames an iteration: enough to make the loop around them not count.
const FRAMES: u32 = 1024;

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.throughput(Throughput::Elements(FRAMES.into()));
    for (name, hop) in [("syn/ethernet", OUT), ("syn/ip", Hop::Ip)] {
        let template = SynTemplate::new();
        // Slots side by side, as a transmit ring has them.
        let mut slots = vec![[0; FRAME_CAPACITY]; FRAMES as usize];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (n, slot) in (0..FRAMES).zip(&mut slots) {
                    let destination = Ipv4Addr::from_bits(TARGET.to_bits() + n);
                    let probe = Probe { hop, source: US, destination, source_port: 40000, destination_port: 443, sequence: n };
                    black_box(template.write(slot, black_box(&probe)));
                }
            });
        });
    }
    let Ok(Reply::Tcp(reply)) = Reply::parse(&syn_ack(), Medium::Ethernet, Checksums::Verify) else { return };
    let mut slot = [0; FRAME_CAPACITY];
    group.bench_function("rst", |bencher| {
        bencher.iter(|| (0..FRAMES).map(|_| RstTemplate::new().write(black_box(&mut slot), OUT, black_box(&reply))).sum::<usize>());
    });
    group.bench_function("arp request", |bencher| {
        bencher.iter(|| (0..FRAMES).map(|_| write_request(black_box(&mut slot), HERE, US, black_box(TARGET))).sum::<usize>());
    });
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(FRAMES.into()));
    let mut forged = syn_ack();
    forged[40] ^= 1;
    for (name, frame) in [("syn-ack", syn_ack()), ("icmp", icmp()), ("malformed", forged)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for _ in 0..FRAMES {
                    black_box(Reply::parse(black_box(&frame), Medium::Ethernet, Checksums::Verify)).ok();
                }
            });
        });
    }
    group.finish();
}

fn sum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [20, 64, 1500] {
        let bytes = vec![0x5a; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(len.to_string(), |bencher| bencher.iter(|| checksum(black_box(&bytes))));
    }
    group.finish();
}

fn syn_ack() -> Vec<u8> {
    let segment = TcpSegment {
        source: TARGET,
        destination: US,
        source_port: 443,
        destination_port: 40000,
        sequence: 1,
        acknowledgement: 2,
        flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
        window: 65535,
        ttl: 60,
        mss: Some(1460),
    };
    built(|slot| write_tcp(slot, BACK, &segment))
}

fn icmp() -> Vec<u8> {
    let probe = Probe { hop: Hop::Ip, source: US, destination: TARGET, source_port: 40000, destination_port: 443, sequence: 1 };
    let quoted = built(|slot| SynTemplate::new().write(slot, &probe));
    built(|slot| {
        write_icmp_error(slot, BACK, &IcmpMessage { source: TARGET, destination: US, ttl: 60, kind: 3, code: 13, quoted: &quoted })
    })
}

fn built(write: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut slot = [0; 2 * FRAME_CAPACITY];
    let len = write(&mut slot);
    slot[..len].to_vec()
}

const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 16, 0);
const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const OUT: Hop = Hop::Ethernet { source: HERE, destination: THERE };
const BACK: Hop = Hop::Ethernet { source: THERE, destination: HERE };

criterion_group!(benches, build, parse, sum);
criterion_main!(benches);
