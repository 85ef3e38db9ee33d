//! Links against the real kernel.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitStatus};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::testbed::{Kept, PORT, index, isolated, link, opened, options, put, receive_until, send, silence, veth, wiring};
use super::tun::Tun;
use crate::net::Frame;
use crate::net::link::{Engine, LinkKind, LinkOptions, Queueing, open, tap};
use crate::packet::{
    ArpReply, Checksums, FRAME_CAPACITY, Hop, MacAddr, Medium, Probe, Reply, SynTemplate, TcpFlags, TcpReply, TcpSegment, write_arp_reply,
    write_tcp,
};

const SEQUENCE: u32 = 0xfeed_f00d;

fn syn(address: Ipv4Addr, port: u16) -> Vec<u8> {
    let probe =
        Probe { hop: Hop::Ip, source: address, destination: address, source_port: PORT, destination_port: port, sequence: SEQUENCE };
    let mut slot = [0; FRAME_CAPACITY];
    let len = SynTemplate::new().write(&mut slot, &probe);
    slot[..len].to_vec()
}

fn parse(kept: &Kept) -> TcpReply {
    match Reply::parse(&kept.bytes, kept.medium, kept.checksums) {
        Ok(Reply::Tcp(reply)) => reply,
        other => panic!("{other:?} in {kept:?}"),
    }
}

fn sequence(frame: &Frame<'_>) -> u32 {
    match Reply::parse(frame.bytes, frame.medium, frame.checksums) {
        Ok(Reply::Tcp(reply)) => reply.sequence,
        other => panic!("{other:?}"),
    }
}

/// A TCP segment to `port` as a target would send it.
fn segment(hop: Hop, port: u16, flags: u8, sequence: u32) -> Vec<u8> {
    let mut slot = [0; FRAME_CAPACITY];
    let len = write_tcp(
        &mut slot,
        hop,
        &TcpSegment {
            source: Ipv4Addr::new(10, 9, 0, 2),
            destination: Ipv4Addr::new(10, 9, 0, 1),
            source_port: 80,
            destination_port: port,
            sequence,
            acknowledgement: 1,
            flags: TcpFlags(flags),
            window: 64_240,
            ttl: 64,
            mss: None,
        },
    );
    slot[..len].to_vec()
}

const HOP: Hop = Hop::Ethernet { source: MacAddr([2, 0, 0, 0, 0, 2]), destination: MacAddr::BROADCAST };

fn syn_ack(sequence: u32) -> Vec<u8> {
    segment(HOP, PORT, TcpFlags::SYN | TcpFlags::ACK, sequence)
}

/// Sends `0..count` as the sequence numbers of SYN-ACKs, as fast as the link takes them.
fn flood(transmitter: &mut dyn crate::net::Transmitter, count: u32) {
    let mut next = 0;
    while next < count {
        while next < count && transmitter.slot().is_some() {
            put(transmitter, &syn_ack(next));
            next += 1;
        }
        flush_all(transmitter);
    }
}

fn flush_all(transmitter: &mut dyn crate::net::Transmitter) {
    for _ in 0..1_000_000 {
        match transmitter.flush() {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the link takes nothing");
}

fn answers_on_this_machine(address: Ipv4Addr, engine: Engine) {
    let (open, closed) = (8_080, 8_081);
    let _listener = TcpListener::bind((address, open)).unwrap();
    let mut link = link("lo", LinkKind::Loopback, engine);
    assert_eq!((link.medium, link.kind), (Medium::Ip, LinkKind::Loopback));
    for port in [open, closed] {
        send(&mut *link.transmitters[0], &syn(address, port));
        let replies = receive_until(&mut *link.receiver, |kept| !kept.is_empty());
        assert_eq!(replies.len(), 1, "each frame once: {replies:?}");
        let reply = parse(&replies[0]);
        assert_eq!((reply.source, reply.destination, reply.source_mac), (address, address, None));
        assert_eq!((reply.source_port, reply.destination_port), (port, PORT));
        assert_eq!(reply.acknowledgement, SEQUENCE.wrapping_add(1));
        assert_eq!((reply.flags.is_syn_ack(), reply.flags.is_rst()), (port == open, port == closed));
    }
    assert_eq!((link.receiver.dropped(), link.transmitters[0].refused()), (0, 0));
}

isolated! {
    fn loopback_answers() {
        answers_on_this_machine(Ipv4Addr::LOCALHOST, Engine::Packet);
        answers_on_this_machine(Ipv4Addr::new(127, 3, 2, 1), Engine::Packet);
    }

    fn an_own_address_answers() {
        veth();
        wiring().add_address("left", "10.9.0.1/24".parse().unwrap()).unwrap();
        answers_on_this_machine(Ipv4Addr::new(10, 9, 0, 1), Engine::Packet);
    }

    fn loopback_answers_through_pnet() {
        answers_on_this_machine(Ipv4Addr::LOCALHOST, Engine::Pnet);
    }

    fn frames_cross_a_veth_pair_unchanged_and_only_ours() {
        for engine in [Engine::Packet, Engine::Pnet] {
            only_ours_arrive(engine);
            wiring().delete_link("left").unwrap();
        }
    }

    fn what_a_ring_cannot_hold_is_counted() {
        veth();
        let mut left = link("left", LinkKind::Ethernet, Engine::Packet);
        let tiny = LinkOptions { receive_bytes: 1, ..options(Engine::Packet) };
        let mut right = opened(open("right", index("right"), LinkKind::Ethernet, &tiny));
        let count = 20_000;
        flood(&mut *left.transmitters[0], count);
        // What comes after the flood is received again.
        let mut kept = receive_until(&mut *right.receiver, |kept| !kept.is_empty());
        send(&mut *left.transmitters[0], &syn_ack(count));
        if kept.iter().all(|kept| parse(kept).sequence != count) {
            kept.extend(receive_until(&mut *right.receiver, |kept| kept.iter().any(|kept| parse(kept).sequence == count)));
        }
        let dropped = right.receiver.dropped();
        assert!(dropped > 0);
        assert_eq!(kept.len() as u64 + dropped, u64::from(count) + 1);
        assert_eq!(right.receiver.dropped(), dropped, "counted once");
    }

    fn a_large_ring_loses_nothing() {
        veth();
        let mut left = link("left", LinkKind::Ethernet, Engine::Packet);
        let large = LinkOptions { receive_bytes: LinkOptions::RECEIVE_BYTES, ..options(Engine::Packet) };
        let mut right = opened(open("right", index("right"), LinkKind::Ethernet, &large));
        flood(&mut *left.transmitters[0], 20_000);
        let kept = receive_until(&mut *right.receiver, |kept| kept.len() >= 20_000);
        assert!(kept.iter().map(|kept| parse(kept).sequence).eq(0..20_000), "in order, none twice");
        assert_eq!(right.receiver.dropped(), 0);
    }

    fn a_slow_queue_pushes_back_and_loses_nothing() {
        veth();
        let tc = Command::new("tc").args("qdisc add dev left root tbf rate 500kbit burst 1540 limit 3000".split(' ')).status();
        if !tc.as_ref().is_ok_and(ExitStatus::success) {
            return println!("\nSKIPPED the slow queue: {tc:?}");
        }
        let mut left = link("left", LinkKind::Ethernet, Engine::Packet);
        let mut right = link("right", LinkKind::Ethernet, Engine::Packet);
        for number in 0..250 {
            put(&mut *left.transmitters[0], &syn_ack(number));
        }
        let first = left.transmitters[0].flush().unwrap();
        assert!(first < 250, "250 frames of 54 bytes do not fit a queue of 3000 bytes");
        let (mut taken, mut sequences) = (first, Vec::new());
        for _ in 0..100_000 {
            match left.transmitters[0].flush() {
                Ok(count) => taken += count,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            right.receiver.receive(Duration::from_millis(1), &mut |frame| sequences.push(sequence(&frame))).unwrap();
            if sequences.len() == 250 {
                break;
            }
        }
        assert!(sequences.into_iter().eq(0..250), "in order, none twice");
        assert_eq!((taken, left.transmitters[0].refused()), (250, 0));
        // Asked to, frames pass it by.
        let past = LinkOptions { queueing: Queueing::Bypass, ..options(Engine::Packet) };
        let mut past = opened(open("left", index("left"), LinkKind::Ethernet, &past));
        for number in 0..250 {
            put(&mut *past.transmitters[0], &syn_ack(number));
        }
        assert_eq!(past.transmitters[0].flush().unwrap(), 250);
        let kept = receive_until(&mut *right.receiver, |kept| kept.len() >= 250);
        assert!(kept.iter().map(|kept| parse(kept).sequence).eq(0..250));
    }

    fn a_frame_the_kernel_refuses_does_not_hold_up_others() {
        veth();
        wiring().set_mtu("left", 68).unwrap();
        let mut left = link("left", LinkKind::Ethernet, Engine::Packet);
        let mut right = link("right", LinkKind::Ethernet, Engine::Packet);
        put(&mut *left.transmitters[0], &syn_ack(1));
        put(&mut *left.transmitters[0], &[0; FRAME_CAPACITY]);
        put(&mut *left.transmitters[0], &[0; 5]);
        put(&mut *left.transmitters[0], &syn_ack(2));
        assert_eq!(left.transmitters[0].flush().unwrap(), 4);
        assert_eq!(left.transmitters[0].refused(), 2);
        let kept = receive_until(&mut *right.receiver, |kept| kept.len() == 2);
        assert_eq!(kept.iter().map(|kept| parse(kept).sequence).collect::<Vec<_>>(), [1, 2]);
    }

    fn a_packet_that_is_not_ip_is_refused_by_a_raw_ip_socket() {
        let mut link = link("lo", LinkKind::Loopback, Engine::Packet);
        put(&mut *link.transmitters[0], &syn(Ipv4Addr::LOCALHOST, 8_081));
        put(&mut *link.transmitters[0], &[0x45; 19]);
        put(&mut *link.transmitters[0], &[0x60; 40]);
        put(&mut *link.transmitters[0], &syn(Ipv4Addr::LOCALHOST, 8_081));
        assert_eq!((link.transmitters[0].flush().unwrap(), link.transmitters[0].refused()), (4, 2));
        receive_until(&mut *link.receiver, |kept| kept.len() == 2);
    }

    fn an_interface_that_goes_away_is_an_error_and_no_hang() {
        for engine in [Engine::Packet, Engine::Pnet] {
            for deleted in [false, true] {
                veth();
                let mut left = link("left", LinkKind::Ethernet, engine);
                send(&mut *left.transmitters[0], &syn_ack(1));
                if deleted {
                    wiring().delete_link("left").unwrap();
                } else {
                    wiring().set_down("left").unwrap();
                }
                put(&mut *left.transmitters[0], &syn_ack(2));
                let error = left.transmitters[0].flush().unwrap_err();
                let expected: &[i32] = if deleted { &[libc::ENETDOWN, libc::ENXIO] } else { &[libc::ENETDOWN] };
                assert!(expected.contains(&error.raw_os_error().unwrap()), "{error}");
                let receiver = &mut left.receiver;
                let error = (0..100).find_map(|_| receiver.receive(Duration::from_millis(100), &mut |_| ()).err()).expect("an error");
                assert_eq!(error.kind(), io::ErrorKind::NetworkDown, "{error}");
                assert_eq!(receiver.receive(Duration::ZERO, &mut |_| ()).unwrap_err().kind(), io::ErrorKind::NetworkDown, "it stays failed");
                drop(left);
                if !deleted {
                    wiring().delete_link("left").unwrap();
                }
            }
        }
    }

    fn an_interface_down_or_missing_says_so() {
        wiring().add_veth("left", "right", None).unwrap();
        for engine in [Engine::Packet, Engine::Pnet] {
            let error = open("left", index("left"), LinkKind::Ethernet, &options(engine)).err().unwrap().to_string();
            assert!(error.ends_with("left: Network is down (os error 100) (the interface is down: ip link set left up)"), "{error}");
            let error = open("eth7", 7777, LinkKind::Ethernet, &options(engine)).err().unwrap().to_string();
            assert!(error.contains(" eth7: ") && error.ends_with(" (no such interface: synprobe interfaces lists them)"), "{error}");
        }
    }

    fn a_tap_sees_what_a_scan_sends() {
        veth();
        let mut left = link("left", LinkKind::Ethernet, Engine::Packet);
        let mut right = opened(tap("right", index("right"), LinkKind::Ethernet, LinkOptions::RECEIVE_BYTES));
        let frames = [segment(HOP, 80, TcpFlags::SYN, 1), vec![0xff; 60]];
        for frame in &frames {
            send(&mut *left.transmitters[0], frame);
        }
        let kept = receive_until(&mut *right.receiver, |kept| kept.len() >= 2);
        assert_eq!(kept.iter().map(|kept| &kept.bytes).collect::<Vec<_>>(), frames.iter().collect::<Vec<_>>());
    }

    fn a_tunnel_carries_bare_ip() {
        let mut far = match Tun::open("tun0") {
            Ok(far) => far,
            Err(error) => return println!("\nSKIPPED the tunnel: {error}"),
        };
        silence("tun0");
        wiring().set_up("tun0").unwrap();
        for engine in [Engine::Packet, Engine::Pnet] {
            let mut near = link("tun0", LinkKind::Tunnel, engine);
            assert_eq!(near.medium, Medium::Ip);
            let probe = syn(Ipv4Addr::new(10, 9, 0, 1), 80);
            send(&mut *near.transmitters[0], &probe);
            let mut buffer = [0; 2048];
            let len = far.read(&mut buffer).unwrap();
            assert_eq!(buffer[..len], probe);
            let reply = segment(Hop::Ip, PORT, TcpFlags::RST, 5);
            far.write_all(&segment(Hop::Ip, PORT - 1, TcpFlags::RST, 5)).unwrap();
            far.write_all(&reply).unwrap();
            let kept = receive_until(&mut *near.receiver, |kept| !kept.is_empty());
            assert_eq!(kept.iter().map(|kept| &kept.bytes).collect::<Vec<_>>(), [&reply]);
        }
    }
}

fn only_ours_arrive(engine: Engine) {
    veth();
    let options = LinkOptions { transmitters: 3, ..options(engine) };
    let mut left = opened(open("left", index("left"), LinkKind::Ethernet, &options));
    let mut right = link("right", LinkKind::Ethernet, engine);
    assert_eq!((left.transmitters.len(), right.medium), (3, Medium::Ethernet));
    let mut slot = [0; FRAME_CAPACITY];
    let (addr, target) = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 1));
    let reply = ArpReply { addr, mac: MacAddr([2, 0, 0, 0, 0, 2]), target, target_mac: MacAddr([2, 0, 0, 0, 0, 1]) };
    let len = write_arp_reply(&mut slot, &reply);
    let arp = slot[..len].to_vec();
    let ours = [segment(HOP, PORT, TcpFlags::SYN | TcpFlags::ACK, 1), segment(HOP, PORT + 255, TcpFlags::RST | TcpFlags::ACK, 2), arp];
    let others = [
        segment(HOP, PORT - 1, TcpFlags::SYN | TcpFlags::ACK, 3),
        segment(HOP, PORT + 256, TcpFlags::RST, 4),
        segment(HOP, PORT, TcpFlags::SYN, 5),
    ];
    let before = now();
    for frame in others.iter().chain(&ours) {
        send(&mut *left.transmitters[2], frame);
    }
    let kept = receive_until(&mut *right.receiver, |kept| kept.len() >= ours.len());
    let after = now();
    assert_eq!(kept.iter().map(|kept| &kept.bytes).collect::<Vec<_>>(), ours.iter().collect::<Vec<_>>());
    for kept in kept {
        match engine {
            Engine::Packet | Engine::Xdp => {
                let wall = kept.wall.expect("the kernel's time");
                assert!((before..=after).contains(&wall), "{before} {wall} {after}");
                assert_eq!(kept.checksums, Checksums::Verify);
            }
            Engine::Pnet => assert_eq!((kept.wall, kept.checksums), (None, Checksums::Pending)),
        }
    }
    let own = left.receiver.receive(Duration::from_millis(10), &mut |frame| panic!("own frame {:?}", frame.bytes)).unwrap();
    assert_eq!((own, right.receiver.dropped()), (0, 0));
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}
