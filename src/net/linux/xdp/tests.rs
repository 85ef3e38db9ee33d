//! Two ends of a veth pair, each with the program. Loading it takes root outside any user namespace: as anybody else these say SKIPPED.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use super::features;
use crate::net::link::{Engine, Link, LinkKind, LinkOptions, Proof, tap};
use crate::net::linux::testbed::{PORT, index, isolated, options, put, veth, wide_veth, wiring};
use crate::net::{Frame, Reset, Transmitter};
use crate::packet::{Checksums, Hop, MacAddr, Medium, Reply, RstTemplate, TcpFlags, TcpSegment, write_tcp};

const KEY: [u8; 16] = *b"a key for tests.";
const HOP: Hop = Hop::Ethernet { source: MacAddr([2, 0, 0, 0, 0, 2]), destination: MacAddr([2, 0, 0, 0, 0, 1]) };
const THERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const HERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Both ends by XDP, with one sender; `None`, and said, where BPF programs cannot be loaded.
fn pair(name: &str, numbers: u8) -> Option<[Link; 2]> {
    veth();
    ends(name, numbers, 1)
}

fn ends(name: &str, numbers: u8, senders: usize) -> Option<[Link; 2]> {
    let proof = Some(Proof { key: KEY, numbers });
    let options = LinkOptions { proof, receive_bytes: 32 << 20, transmitters: senders + 1, ..options(Engine::Xdp) };
    let attach = |end: &str| super::attach(end, index(end), &options);
    match (attach("left"), attach("right")) {
        (Ok(left), Ok(right)) => Some([left, right]),
        (left, _) => {
            let text = left.map(|_| ()).unwrap_err().to_string();
            let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
            let may = map.split_whitespace().eq(["0", "0", "4294967295"]) && std::env::var("CI").is_ok();
            assert!(text.contains("operation not permitted") && !may, "{text}");
            println!("\nSKIPPED {name}: {text}");
            None
        }
    }
}

/// A segment from there to here.
fn segment(port: u16, flags: u8, acknowledgement: u32) -> TcpSegment {
    TcpSegment {
        source: THERE,
        destination: HERE,
        source_port: port,
        destination_port: PORT + 1,
        sequence: 77,
        acknowledgement,
        flags: TcpFlags(flags),
        window: 1000,
        ttl: 60,
        mss: None,
    }
}

/// What a reply to [`PORT`] + 1 from `port` there has to acknowledge.
fn proof(port: u16, number: u8) -> u32 {
    let mut input = [0; 15];
    input[..4].copy_from_slice(&HERE.octets());
    input[4..6].copy_from_slice(&(PORT + 1).to_be_bytes());
    input[8..12].copy_from_slice(&THERE.octets());
    input[12..14].copy_from_slice(&port.to_be_bytes());
    input[14] = number;
    let mut hasher = SipHasher13::new_with_key(&KEY);
    hasher.write(&input);
    (hasher.finish() as u32).wrapping_add(1)
}

/// A frame of `len` bytes that the program leaves and the packet socket shows, with a number in it.
fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![number as u8; len.max(54)];
    write_tcp(&mut frame, HOP, &TcpSegment { sequence: number, ..segment(80, TcpFlags::RST, 0) });
    frame
}

/// Until all has been taken; a device that is full is given a moment.
fn flush(transmitter: &mut dyn Transmitter) {
    for _ in 0..1000 {
        match transmitter.flush() {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// With two queues: what so many senders send as fast as they can arrives whole, but for what is counted.
fn all_arrive(name: &str, senders: usize) {
    const EACH: u32 = 40_000;
    wide_veth(2);
    assert_eq!((features::queues(index("left")), features::queues(index("lo"))), (2, 1));
    let Some([mut left, mut right]) = ends(name, 0, senders) else { return };
    let send = |transmitter: &mut dyn Transmitter, numbers: Range<u32>| {
        for number in numbers {
            put(transmitter, &numbered(number, 66));
            if number % 1000 == 999 {
                flush(transmitter);
            }
        }
    };
    let mut arrived = Vec::new();
    std::thread::scope(|scope| {
        let transmitters = (0..).step_by(EACH as usize).zip(&mut left.transmitters[..senders]);
        let senders: Vec<_> =
            transmitters.map(|(first, transmitter)| scope.spawn(move || send(transmitter.as_mut(), first..first + EACH))).collect();
        for _ in 0..1000 {
            let over = senders.iter().all(ScopedJoinHandle::is_finished);
            let count = right.receiver.receive(Duration::from_millis(10), &mut |frame| arrived.push(frame.bytes.to_vec())).unwrap();
            if over && count == 0 {
                break;
            }
        }
    });
    let refused = left.transmitters.iter_mut().fold(0, |sum, transmitter| sum + transmitter.refused());
    let all = EACH * senders as u32;
    assert_eq!(arrived.len() as u64 + refused + right.receiver.dropped(), u64::from(all), "{refused} refused");
    assert!(refused < u64::from(all) / 10, "{refused} refused");
    let mut sent: BTreeSet<_> = (0..all).map(|number| numbered(number, 66)).collect();
    for frame in arrived {
        assert!(sent.remove(&frame), "twice, or not as sent: {frame:?}");
    }
}

isolated! {
    fn few_and_many_frames_all_arrive_whole() {
        let Some([mut left, mut right]) = pair("few_and_many_frames_all_arrive_whole", 0) else { return };
        let mut sent = BTreeSet::new();
        let mut arrived = Vec::new();
        let mut number = 0_u32;
        for round in 0_usize..400 {
            for i in 0..[1, 300, 11, 12, 2, 700][round % 6] {
                let frame = numbered(number, if i % 3 == 0 { 54 + (number as usize % 75) } else { 66 });
                put(left.transmitters[0].as_mut(), &frame);
                sent.insert(frame);
                number += 1;
            }
            flush(left.transmitters[0].as_mut());
            right.receiver.receive(Duration::ZERO, &mut |frame| arrived.push(frame.bytes.to_vec())).unwrap();
        }
        for _ in 0..200 {
            if arrived.len() as u64 + left.transmitters[0].refused() + right.receiver.dropped() >= u64::from(number) {
                break;
            }
            right.receiver.receive(Duration::from_millis(10), &mut |frame| arrived.push(frame.bytes.to_vec())).unwrap();
        }
        let refused = left.transmitters[0].refused();
        assert_eq!((arrived.len() as u64 + refused + right.receiver.dropped(), u64::from(number)), (u64::from(number), sent.len() as u64));
        assert!(refused < u64::from(number) / 10, "{refused} of {number} refused");
        for frame in arrived {
            assert!(sent.remove(&frame), "twice, or not as sent: {frame:?}");
        }
    }

    fn senders_call_side_by_side_where_the_device_has_queues() {
        all_arrive("senders_call_side_by_side_where_the_device_has_queues", 2);
    }

    fn a_sender_calls_beside_its_thread_where_the_device_has_queues() {
        all_arrive("a_sender_calls_beside_its_thread_where_the_device_has_queues", 1);
    }

    fn a_proven_reply_is_recorded_and_reset_in_place() {
        let Some([mut left, mut right]) = pair("a_proven_reply_is_recorded_and_reset_in_place", 0) else { return };
        let mut tap = tap("right", index("right"), LinkKind::Ethernet, 1 << 20).unwrap();
        let syn_ack = TcpFlags::SYN | TcpFlags::ACK;
        let mut frame = [0; 128];
        let mut send = |segment: &TcpSegment, spoil: Option<usize>| {
            let len = write_tcp(&mut frame, HOP, segment);
            if let Some(at) = spoil {
                frame[at] ^= 1;
            }
            put(right.transmitters[0].as_mut(), &frame[..len]);
            flush(right.transmitters[0].as_mut());
        };
        let window = 48;
        send(&segment(80, syn_ack, proof(80, 0)), None);
        send(&TcpSegment { mss: Some(1460), ..segment(81, syn_ack, proof(81, 0)) }, None);
        send(&segment(82, TcpFlags::RST | TcpFlags::ACK, proof(82, 0)), None);
        send(&segment(83, syn_ack, proof(83, 0) ^ 1), None);
        send(&segment(84, syn_ack, proof(84, 0)), Some(window));
        send(&segment(85, syn_ack, proof(84, 0)), None);
        let mut seen = Vec::new();
        for _ in 0..500 {
            let mut keep = |frame: Frame<'_>| {
                let checksums = if frame.reset == Reset::Sent { frame.checksums } else { Checksums::Pending };
                assert!(frame.wall.is_some());
                if let Ok(Reply::Tcp(reply)) = Reply::parse(frame.bytes, frame.medium, checksums) {
                    seen.push((reply.source_port, frame.reset, frame.medium, reply));
                }
            };
            left.receiver.receive(Duration::from_millis(10), &mut keep).unwrap();
            if seen.len() >= 6 {
                break;
            }
        }
        seen.sort_by_key(|(port, ..)| *port);
        let what: Vec<_> = seen.iter().map(|&(port, reset, medium, _)| (port, reset, medium)).collect();
        let sent = |port| (port, Reset::Sent, Medium::Ip);
        let due = |port| (port, Reset::Due, Medium::Ethernet);
        assert_eq!(what, [sent(80), sent(81), sent(82), due(83), due(84), due(85)]);
        let reply = seen[0].3;
        assert_eq!((reply.source, reply.destination, reply.destination_port), (THERE, HERE, PORT + 1));
        assert_eq!((reply.acknowledgement, reply.flags.0, reply.window, reply.ttl), (proof(80, 0), syn_ack, 1000, 60));

        // What came back to the right are the resets of the two, as user space would have written them.
        let back = Hop::Ethernet { source: MacAddr([2, 0, 0, 0, 0, 1]), destination: MacAddr([2, 0, 0, 0, 0, 2]) };
        let mut resets = BTreeSet::new();
        for (.., reply) in &seen[..2] {
            let len = RstTemplate::new().write(&mut frame, back, reply);
            resets.insert(frame[..len].to_vec());
        }
        let mut answers = BTreeSet::new();
        for _ in 0..500 {
            let mut keep = |frame: Frame<'_>| {
                answers.insert(frame.bytes.to_vec());
            };
            tap.receiver.receive(Duration::from_millis(10), &mut keep).unwrap();
            if answers.len() >= 2 {
                break;
            }
        }
        assert_eq!(answers, resets);
    }

    fn with_numbers_each_is_tried() {
        let Some([mut left, mut right]) = pair("with_numbers_each_is_tried", 5) else { return };
        let mut frame = [0; 128];
        for number in 0..7 {
            let port = 80 + u16::from(number);
            let len = write_tcp(&mut frame, HOP, &segment(port, TcpFlags::RST | TcpFlags::ACK, proof(port, number)));
            put(right.transmitters[0].as_mut(), &frame[..len]);
        }
        flush(right.transmitters[0].as_mut());
        let mut seen = BTreeSet::new();
        for _ in 0..500 {
            let mut keep = |frame: Frame<'_>| {
                if let Ok(Reply::Tcp(reply)) = Reply::parse(frame.bytes, frame.medium, Checksums::Pending) {
                    seen.insert((reply.source_port, frame.reset == Reset::Sent));
                }
            };
            left.receiver.receive(Duration::from_millis(10), &mut keep).unwrap();
            if seen.len() >= 7 {
                break;
            }
        }
        assert_eq!(Vec::from_iter(seen), [(80, false), (81, true), (82, true), (83, true), (84, true), (85, true), (86, false)]);
    }

    fn a_device_that_is_down_is_an_error() {
        let Some([mut left, _right]) = pair("a_device_that_is_down_is_an_error", 0) else { return };
        wiring().set_down("left").unwrap();
        for number in 0..100 {
            put(left.transmitters[0].as_mut(), &numbered(number, 66));
        }
        let error = left.transmitters[0].flush().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NetworkDown, "{error}");
    }

    fn a_device_that_is_gone_is_an_error() {
        let Some([mut left, _right]) = pair("a_device_that_is_gone_is_an_error", 0) else { return };
        wiring().delete_link("left").unwrap();
        for number in 0..100 {
            put(left.transmitters[0].as_mut(), &numbered(number, 66));
        }
        assert_eq!(left.transmitters[0].flush().unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    fn what_another_thread_could_not_send_is_counted_and_told() {
        let Some([mut left, _right]) = pair("what_another_thread_could_not_send_is_counted_and_told", 0) else { return };
        if !std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
            return println!("SKIPPED: there is one processor");
        }
        wiring().set_down("left").unwrap();
        let transmitter = left.transmitters[0].as_mut();
        let fill = |transmitter: &mut dyn Transmitter| (0..600).for_each(|number| put(transmitter, &numbered(number, 66)));
        fill(transmitter);
        assert_eq!((transmitter.flush().unwrap(), transmitter.refused()), (600, 600));
        fill(transmitter);
        assert_eq!(transmitter.flush().unwrap_err().kind(), std::io::ErrorKind::NetworkDown);
    }
}
