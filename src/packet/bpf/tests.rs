use std::net::Ipv4Addr;

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;
use crate::packet::checksum::checksum;
use crate::packet::{
    ArpReply, Checksums, EchoReply, Hop, IcmpMessage, MacAddr, Reply, TcpSegment, write_arp_reply, write_echo_reply, write_icmp_error,
    write_tcp,
};

/// Runs a program as the kernel does: a load past the end drops the frame.
fn run(program: &[Instruction], bytes: &[u8]) -> u32 {
    let load = |at: u32, len: usize| {
        let word = bytes.get(at as usize..)?.get(..len)?;
        Some(word.iter().fold(0, |word, &byte| word << 8 | u32::from(byte)))
    };
    let (mut a, mut x, mut at) = (0_u32, 0_u32, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
        let loaded = match code {
            LOAD_U16 => load(k, 2),
            LOAD_U8 => load(k, 1),
            LOAD_U16_BEHIND_HEADER => load(x + k, 2),
            LOAD_U8_BEHIND_HEADER => load(x + k, 1),
            LOAD_HEADER_LEN => {
                let Some(byte) = load(k, 1) else { return 0 };
                x = 4 * (byte & 0x0f);
                continue;
            }
            AND => Some(a & k),
            EQUAL => {
                jump(a == k);
                continue;
            }
            ABOVE => {
                jump(a > k);
                continue;
            }
            AT_LEAST => {
                jump(a >= k);
                continue;
            }
            ANY_BIT => {
                jump(a & k != 0);
                continue;
            }
            RETURN => return k,
            _ => panic!("no such instruction: {code:#x}"),
        };
        let Some(loaded) = loaded else { return 0 };
        a = loaded;
    }
}

const SPEC: FilterSpec = FilterSpec { first_port: 40000, last_port: 40255, arp: true };
const LINK: Hop = Hop::Ethernet { source: MacAddr([2, 0, 0, 0, 0, 2]), destination: MacAddr([2, 0, 0, 0, 0, 1]) };

/// What the filter is to accept, said without it: what the parser reads as a reply for us.
fn wanted(bytes: &[u8], medium: Medium, spec: FilterSpec, checksums: Checksums) -> bool {
    match Reply::parse(bytes, medium, checksums) {
        Ok(Reply::Tcp(tcp)) => {
            let flags = tcp.flags.0;
            (spec.first_port..=spec.last_port).contains(&tcp.destination_port)
                && (tcp.flags.is_rst() || (flags & TcpFlags::SYN != 0 && flags & TcpFlags::ACK != 0))
        }
        Ok(Reply::Icmp(_)) => true,
        Ok(Reply::Echo(echo)) => (spec.first_port..=spec.last_port).contains(&echo.identifier),
        Ok(Reply::Arp(_)) => spec.arp,
        Err(_) => false,
    }
}

fn any_port() -> impl Strategy<Value = u16> {
    prop_oneof![any::<u16>(), 39990..40265_u16]
}

fn any_spec() -> impl Strategy<Value = FilterSpec> {
    (any_port(), any_port(), any::<bool>()).prop_map(|(a, b, arp)| FilterSpec { first_port: a.min(b), last_port: a.max(b), arp })
}

fn built(hop: Hop, write: impl FnOnce(&mut [u8]) -> usize) -> (Vec<u8>, Medium) {
    let mut slot = [0; 256];
    let len = write(&mut slot);
    (slot[..len].to_vec(), if hop == Hop::Ip { Medium::Ip } else { Medium::Ethernet })
}

fn any_hop() -> impl Strategy<Value = Hop> {
    prop_oneof![Just(Hop::Ip), Just(LINK)]
}

fn segment(source_port: u16, destination_port: u16, flags: u8) -> TcpSegment {
    TcpSegment {
        source: Ipv4Addr::new(10, 0, 0, 2),
        destination: Ipv4Addr::new(10, 0, 0, 1),
        source_port,
        destination_port,
        sequence: 7,
        acknowledgement: 8,
        flags: TcpFlags(flags),
        window: 1024,
        ttl: 64,
        mss: None,
    }
}

/// Well-formed frames of every kind, from our writers and from etherparse's (IP options, fragments, UDP, IPv6).
fn any_frame() -> impl Strategy<Value = (Vec<u8>, Medium)> {
    let tcp = (any_hop(), any_port(), any_port(), any::<u8>())
        .prop_map(|(hop, from, to, flags)| built(hop, |slot| write_tcp(slot, hop, &segment(from, to, flags))));
    let icmp = (any_hop(), prop_oneof![Just(3_u8), Just(11), any::<u8>()], any::<u8>()).prop_map(|(hop, kind, code)| {
        let (quoted, _) = built(Hop::Ip, |slot| write_tcp(slot, Hop::Ip, &segment(40000, 80, TcpFlags::SYN)));
        let [source, destination] = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1)];
        built(hop, |slot| write_icmp_error(slot, hop, &IcmpMessage { source, destination, ttl: 9, kind, code, quoted: &quoted }))
    });
    let echo = (any_hop(), any_port(), any::<u32>()).prop_map(|(hop, identifier, cookie)| {
        let [source, destination] = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1)];
        built(hop, |slot| write_echo_reply(slot, hop, &EchoReply { source, destination, identifier, cookie, ttl: 9 }))
    });
    let arp = any::<[u8; 4]>().prop_filter("a probe", |addr| *addr != [0; 4]).prop_map(|addr| {
        let reply = ArpReply { addr: addr.into(), mac: MacAddr::default(), target: Ipv4Addr::LOCALHOST, target_mac: MacAddr::default() };
        built(LINK, |slot| write_arp_reply(slot, &reply))
    });
    let options =
        (any_hop(), any_port(), any_port(), any::<u8>(), 0..=10_usize, 0..4_u16).prop_map(|(hop, from, to, flags, options, fragment)| {
            let mut ip = etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::TCP, [10, 0, 0, 2], [10, 0, 0, 1]).unwrap();
            ip.options = etherparse::Ipv4Options::try_from(&[1; 40][..options * 4]).unwrap();
            ip.more_fragments = fragment == 1;
            ip.fragment_offset = etherparse::IpFragOffset::try_new(if fragment == 2 { 185 } else { 0 }).unwrap();
            let mut tcp = etherparse::TcpHeader::new(from, to, 7, 1024);
            (tcp.fin, tcp.syn, tcp.rst, tcp.psh) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 8 != 0);
            (tcp.ack, tcp.urg, tcp.ece, tcp.cwr) = (flags & 16 != 0, flags & 32 != 0, flags & 64 != 0, flags & 128 != 0);
            let mut bytes = Vec::new();
            ip.set_payload_len(20).unwrap();
            tcp.checksum = tcp.calc_checksum_ipv4(&ip, &[]).unwrap();
            ip.write(&mut bytes).unwrap();
            tcp.write(&mut bytes).unwrap();
            match hop {
                Hop::Ip => (bytes, Medium::Ip),
                Hop::Ethernet { .. } => ([&[2; 12][..], &[8, 0], &bytes].concat(), Medium::Ethernet),
            }
        });
    let other = (any::<bool>(), any_port(), any_port(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(v6, from, to, payload)| {
        let link = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let builder = if v6 { link.ipv6([1; 16], [2; 16], 64) } else { link.ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64) };
        let mut bytes = Vec::new();
        builder.udp(from, to).write(&mut bytes, &payload).unwrap();
        (bytes, Medium::Ethernet)
    });
    prop_oneof![4 => tcp, 2 => icmp, 2 => echo, 1 => arp, 4 => options, 1 => other]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_accepts_exactly_the_replies((frame, medium) in any_frame(), spec in any_spec()) {
        prop_assert_eq!(run(&filter(medium, &spec), &frame) > 0, wanted(&frame, medium, spec, Checksums::Verify));
    }

    #[test]
    fn it_drops_no_reply_whatever_bytes_it_is_made_of((mut frame, medium) in any_frame(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        // In-line VLAN tags are read by the parser and dropped by the filter, as documented.
        let tagged = medium == Medium::Ethernet && !matches!(frame[12..14], [8, 0 | 6]);
        let ip = if medium == Medium::Ethernet { 14 } else { 0 };
        let len = usize::from(frame[ip] & 0x0f) * 4;
        if let Some(header) = frame.get_mut(ip..ip + len).filter(|header| header.len() >= 20) {
            header[10..12].fill(0);
            let sum = checksum(header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        if !tagged && wanted(&frame, medium, SPEC, Checksums::Pending) {
            prop_assert!(run(&filter(medium, &SPEC), &frame) > 0);
        }
    }
}

#[test]
fn ecn_bits_do_not_hide_a_syn_ack() {
    for (flags, accepted) in
        [(0x12, true), (0x52, true), (0xd2, true), (0x14, true), (0x04, true), (0x02, false), (0x10, false), (0x11, false)]
    {
        let (frame, medium) = built(LINK, |slot| write_tcp(slot, LINK, &segment(80, 40100, flags)));
        assert_eq!(run(&filter(medium, &SPEC), &frame) > 0, accepted, "flags {flags:#04x}");
    }
}

#[test]
fn both_ends_of_the_port_range_count() {
    for (port, accepted) in [(39999, false), (40000, true), (40255, true), (40256, false)] {
        let (frame, medium) = built(Hop::Ip, |slot| write_tcp(slot, Hop::Ip, &segment(80, port, 0x12)));
        assert_eq!(run(&filter(medium, &SPEC), &frame) > 0, accepted, "port {port}");
    }
}

#[test]
fn a_truncated_frame_is_dropped_and_a_whole_one_kept_whole() {
    let (frame, medium) = built(LINK, |slot| write_tcp(slot, LINK, &segment(80, 40000, 0x12)));
    let program = filter(medium, &SPEC);
    assert!(run(&program, &frame) >= 0xffff);
    for len in 0..48 {
        assert_eq!(run(&program, &frame[..len]), 0, "{len} bytes");
    }
}
