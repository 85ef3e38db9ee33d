//! Every frame we build is read alike by etherparse, by pnet and, where it is installed, by tcpdump.

use std::io::{Seek, Write};
use std::net::Ipv4Addr;
use std::process::Command;

use etherparse::{LinkSlice, NetSlice, SlicedPacket, TcpOptionElement, TransportSlice};
use pnet::packet::Packet;
use pnet::packet::arp::{ArpOperation, ArpPacket};
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::packet::ipv4::{self, Ipv4Flags, Ipv4Packet};
use pnet::packet::tcp::{self, TcpOption, TcpPacket};
use proptest::prelude::*;
use synprobe::packet::pcapng::{PacketRecord, PcapngWriter};
use synprobe::packet::{
    ArpReply, Hop, IcmpMessage, MacAddr, Medium, Probe, RstTemplate, SynTemplate, TcpFlags, TcpReply, TcpSegment, fingerprint,
    write_arp_reply, write_echo_request, write_icmp_error, write_request, write_tcp,
};

/// A TCP frame in words of neither reader.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    macs: Option<([u8; 6], [u8; 6])>,
    addresses: (Ipv4Addr, Ipv4Addr),
    ttl: u8,
    identification: u16,
    dont_fragment: bool,
    total_len: u16,
    ports: (u16, u16),
    numbers: (u32, u32),
    flags: u8,
    window: u16,
    options: Vec<Kind>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Mss(u16),
    Nop,
    SackPermitted,
    WindowScale(u8),
}

fn by_etherparse(bytes: &[u8], hop: Hop) -> Reading {
    let packet = match hop {
        Hop::Ethernet { .. } => SlicedPacket::from_ethernet(bytes).unwrap(),
        Hop::Ip => SlicedPacket::from_ip(bytes).unwrap(),
    };
    let macs = match &packet.link {
        Some(LinkSlice::Ethernet2(link)) => Some((link.source(), link.destination())),
        _ => None,
    };
    let Some(NetSlice::Ipv4(net)) = &packet.net else { panic!("no IPv4") };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("no TCP") };
    let (ip, header) = (net.header(), tcp.to_header());
    assert_eq!(ip.to_header().calc_header_checksum(), ip.header_checksum(), "IP checksum, by etherparse");
    assert_eq!(tcp.calc_checksum_ipv4(ip.source(), ip.destination()).unwrap(), tcp.checksum(), "TCP checksum, by etherparse");
    assert!(tcp.payload().is_empty());
    let bits = [tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh(), tcp.ack(), tcp.urg(), tcp.ece(), tcp.cwr()];
    let option = |option: Result<TcpOptionElement, _>| match option.unwrap() {
        TcpOptionElement::MaximumSegmentSize(mss) => Kind::Mss(mss),
        TcpOptionElement::Noop => Kind::Nop,
        TcpOptionElement::SelectiveAcknowledgementPermitted => Kind::SackPermitted,
        TcpOptionElement::WindowScale(scale) => Kind::WindowScale(scale),
        other => panic!("an option never written: {other:?}"),
    };
    Reading {
        macs,
        addresses: (ip.source_addr(), ip.destination_addr()),
        ttl: ip.ttl(),
        identification: ip.identification(),
        dont_fragment: ip.dont_fragment(),
        total_len: ip.total_len(),
        ports: (header.source_port, header.destination_port),
        numbers: (header.sequence_number, header.acknowledgment_number),
        flags: bits.iter().rev().fold(0, |flags, &bit| flags << 1 | u8::from(bit)),
        window: header.window_size,
        options: tcp.options_iterator().map(option).collect(),
    }
}

fn by_pnet(bytes: &[u8], hop: Hop) -> Reading {
    let (macs, bytes) = match hop {
        Hop::Ip => (None, bytes),
        Hop::Ethernet { .. } => {
            let link = EthernetPacket::new(bytes).unwrap();
            assert_eq!(link.get_ethertype(), EtherTypes::Ipv4);
            (Some((link.get_source().octets(), link.get_destination().octets())), &bytes[EthernetPacket::minimum_packet_size()..])
        }
    };
    let ip = Ipv4Packet::new(bytes).unwrap();
    let tcp = TcpPacket::new(ip.payload()).unwrap();
    assert_eq!(ipv4::checksum(&ip), ip.get_checksum(), "IP checksum, by pnet");
    assert_eq!(tcp::ipv4_checksum(&tcp, &ip.get_source(), &ip.get_destination()), tcp.get_checksum(), "TCP checksum, by pnet");
    assert_eq!((tcp.get_reserved(), tcp.get_urgent_ptr()), (0, 0));
    let option = |option: TcpOption| match (option.number.0, option.data.as_slice()) {
        (1, []) => Kind::Nop,
        (2, &[high, low]) => Kind::Mss(u16::from_be_bytes([high, low])),
        (3, &[scale]) => Kind::WindowScale(scale),
        (4, []) => Kind::SackPermitted,
        other => panic!("an option never written: {other:?}"),
    };
    Reading {
        macs,
        addresses: (ip.get_source(), ip.get_destination()),
        ttl: ip.get_ttl(),
        identification: ip.get_identification(),
        dont_fragment: ip.get_flags() & Ipv4Flags::DontFragment != 0,
        total_len: ip.get_total_length(),
        ports: (tcp.get_source(), tcp.get_destination()),
        numbers: (tcp.get_sequence(), tcp.get_acknowledgement()),
        flags: tcp.get_flags(),
        window: tcp.get_window(),
        options: tcp.get_options().into_iter().map(option).collect(),
    }
}

/// Both readers' reading, which must be one.
fn read(frame: &[u8], hop: Hop) -> Reading {
    let reading = by_etherparse(frame, hop);
    assert_eq!(by_pnet(frame, hop), reading);
    reading
}

fn built(write: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut slot = [0xee; 256];
    let len = write(&mut slot);
    assert!(slot[len..].iter().all(|&byte| byte == 0xee), "wrote past the length it returned");
    slot[..len].to_vec()
}

fn macs(hop: Hop) -> Option<([u8; 6], [u8; 6])> {
    match hop {
        Hop::Ethernet { source, destination } => Some((source.0, destination.0)),
        Hop::Ip => None,
    }
}

fn any_hop() -> impl Strategy<Value = Hop> {
    let ethernet = |(source, destination)| Hop::Ethernet { source: MacAddr(source), destination: MacAddr(destination) };
    prop_oneof![Just(Hop::Ip), any::<([u8; 6], [u8; 6])>().prop_map(ethernet)]
}

proptest! {
    #[test]
    fn syn(hop in any_hop(), addresses: (Ipv4Addr, Ipv4Addr), ports: (u16, u16), sequence: u32) {
        let probe = Probe { hop, source: addresses.0, destination: addresses.1, source_port: ports.0, destination_port: ports.1, sequence };
        let frame = built(|slot| SynTemplate::new().write(slot, &probe));
        prop_assert_eq!(read(&frame, hop), Reading {
            macs: macs(hop), addresses, ttl: fingerprint::TTL, identification: fingerprint::IDENTIFICATION, dont_fragment: true, total_len: 52,
            ports, numbers: (sequence, 0), flags: TcpFlags::SYN, window: fingerprint::WINDOW,
            options: vec![
                Kind::Mss(fingerprint::MSS), Kind::Nop, Kind::Nop, Kind::SackPermitted, Kind::Nop, Kind::WindowScale(fingerprint::WINDOW_SCALE),
            ],
        });
    }

    #[test]
    fn rst(hop in any_hop(), addresses: (Ipv4Addr, Ipv4Addr), ports: (u16, u16), sequence: u32, acknowledgement: u32, window: u16, ttl: u8) {
        let reply = TcpReply {
            source_mac: None, source: addresses.0, destination: addresses.1, source_port: ports.0, destination_port: ports.1, sequence,
            acknowledgement, flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK), window, ttl,
        };
        let frame = built(|slot| RstTemplate::new().write(slot, hop, &reply));
        prop_assert_eq!(read(&frame, hop), Reading {
            macs: macs(hop), addresses: (addresses.1, addresses.0), ttl: 64, identification: 0, dont_fragment: true, total_len: 40,
            ports: (ports.1, ports.0), numbers: (acknowledgement, 0), flags: TcpFlags::RST, window: 0, options: vec![],
        });
    }

    #[test]
    fn answer(hop in any_hop(), addresses: (Ipv4Addr, Ipv4Addr), ports: (u16, u16), numbers: (u32, u32), flags: u8, window: u16, ttl: u8, mss: Option<u16>) {
        let segment = TcpSegment {
            source: addresses.0, destination: addresses.1, source_port: ports.0, destination_port: ports.1, sequence: numbers.0,
            acknowledgement: numbers.1, flags: TcpFlags(flags), window, ttl, mss,
        };
        let frame = built(|slot| write_tcp(slot, hop, &segment));
        prop_assert_eq!(read(&frame, hop), Reading {
            macs: macs(hop), addresses, ttl, identification: 0, dont_fragment: true, total_len: if mss.is_some() { 44 } else { 40 },
            ports, numbers, flags, window, options: mss.map(Kind::Mss).into_iter().collect(),
        });
    }

    #[test]
    fn icmp_error(addresses: (Ipv4Addr, Ipv4Addr), ttl: u8, kind in prop_oneof![Just(3), Just(11)], code in 0..=1_u8, quoted in prop::collection::vec(any::<u8>(), 0..128)) {
        let message = IcmpMessage { source: addresses.0, destination: addresses.1, ttl, kind, code, quoted: &quoted };
        let packet = built(|slot| write_icmp_error(slot, Hop::Ip, &message));

        let sliced = SlicedPacket::from_ip(&packet).unwrap();
        let Some(NetSlice::Ipv4(net)) = &sliced.net else { panic!("no IPv4") };
        let Some(TransportSlice::Icmpv4(icmp)) = &sliced.transport else { panic!("no ICMP") };
        prop_assert_eq!(net.header().to_header().calc_header_checksum(), net.header().header_checksum());
        prop_assert_eq!(icmp.icmp_type().calc_checksum(icmp.payload()), icmp.checksum());
        prop_assert_eq!((icmp.type_u8(), icmp.code_u8(), icmp.payload()), (kind, code, quoted.as_slice()));

        let ip = Ipv4Packet::new(&packet).unwrap();
        let icmp = pnet::packet::icmp::IcmpPacket::new(ip.payload()).unwrap();
        prop_assert_eq!((ip.get_source(), ip.get_destination(), ip.get_ttl()), (addresses.0, addresses.1, ttl));
        prop_assert_eq!((icmp.get_icmp_type().0, icmp.get_icmp_code().0, &icmp.payload()[4..]), (kind, code, quoted.as_slice()));
        prop_assert_eq!(pnet::packet::icmp::checksum(&icmp), icmp.get_checksum());
        prop_assert_eq!(ipv4::checksum(&ip), ip.get_checksum());
    }

    #[test]
    fn echo_request(addresses: (Ipv4Addr, Ipv4Addr), source_port: u16, sequence: u32) {
        let (source, destination) = addresses;
        let probe = Probe { hop: Hop::Ip, source, destination, source_port, destination_port: 0, sequence };
        let packet = built(|slot| write_echo_request(slot, &probe));
        let sliced = SlicedPacket::from_ip(&packet).unwrap();
        let Some(TransportSlice::Icmpv4(icmp)) = &sliced.transport else { panic!("no ICMP") };
        let echo = etherparse::IcmpEchoHeader { id: source_port, seq: (sequence >> 16) as u16 };
        prop_assert_eq!(icmp.icmp_type(), etherparse::Icmpv4Type::EchoRequest(echo));
        prop_assert_eq!(icmp.payload(), sequence.to_be_bytes());
        prop_assert_eq!(icmp.icmp_type().calc_checksum(icmp.payload()), icmp.checksum());

        let ip = Ipv4Packet::new(&packet).unwrap();
        prop_assert_eq!((ip.get_source(), ip.get_destination(), ip.get_ttl()), (source, destination, fingerprint::TTL));
        prop_assert_eq!(ipv4::checksum(&ip), ip.get_checksum());
        let icmp = pnet::packet::icmp::echo_request::EchoRequestPacket::new(ip.payload()).unwrap();
        prop_assert_eq!((icmp.get_icmp_type().0, icmp.get_icmp_code().0), (8, 0));
        prop_assert_eq!((icmp.get_identifier(), icmp.get_sequence_number()), (source_port, (sequence >> 16) as u16));
        prop_assert_eq!(icmp.payload(), sequence.to_be_bytes());
    }

    #[test]
    fn arp(ours: [u8; 6], theirs: [u8; 6], source: Ipv4Addr, wanted: Ipv4Addr) {
        let request = built(|slot| write_request(slot, MacAddr(ours), source, wanted));
        let reply = ArpReply { addr: wanted, mac: MacAddr(theirs), target: source, target_mac: MacAddr(ours) };
        let answer = built(|slot| write_arp_reply(slot, &reply));
        for (frame, operation, from, to, sender, target, asked) in
            [(request, 1, ours, [0xff; 6], source, wanted, [0; 6]), (answer, 2, theirs, ours, wanted, source, ours)]
        {
            prop_assert_eq!(frame.len(), 60);
            let link = EthernetPacket::new(&frame).unwrap();
            prop_assert_eq!((link.get_source().octets(), link.get_destination().octets(), link.get_ethertype()), (from, to, EtherTypes::Arp));
            let body = ArpPacket::new(link.payload()).unwrap();
            prop_assert_eq!(body.get_operation(), ArpOperation::new(operation));
            prop_assert_eq!((body.get_sender_hw_addr().octets(), body.get_sender_proto_addr()), (from, sender));
            prop_assert_eq!((body.get_target_hw_addr().octets(), body.get_target_proto_addr()), (asked, target));

            let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
            let Some(NetSlice::Arp(body)) = sliced.net else { panic!("no ARP") };
            prop_assert_eq!(body.operation().0, operation);
            prop_assert_eq!((body.sender_hw_addr(), body.sender_protocol_addr()), (&from[..], &sender.octets()[..]));
            prop_assert_eq!((body.target_hw_addr(), body.target_protocol_addr()), (&asked[..], &target.octets()[..]));
        }
    }
}

#[test]
fn tcpdump_reads_a_recording_of_every_kind() {
    let Ok(version) = Command::new("tcpdump").arg("--version").output() else {
        eprintln!("SKIPPED: tcpdump is not installed");
        return;
    };
    let version = String::from_utf8_lossy(&[version.stdout, version.stderr].concat()).into_owned();
    // From standard input: some systems let tcpdump open few files.
    let mut recorded = tempfile::tempfile().unwrap();
    recorded.write_all(&recording()).unwrap();
    recorded.rewind().unwrap();
    let options = ["-n", "-vv", "-e", "-S", "-tt", "--time-stamp-precision=nano", "-r", "-"];
    let output = Command::new("tcpdump").args(options).stdin(recorded).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{version}{complaint}");
    for expected in [
        "1700000000.000000005 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 (0x0800), length 66",
        "ttl 64, id 0, offset 0, flags [DF], proto TCP (6), length 52",
        "10.0.0.1.40000 > 10.0.0.2.443: Flags [S], cksum 0x5976 (correct), seq 305419896, win 64240, options [mss 1460,nop,nop,sackOK,nop,wscale 7], length 0",
        "10.0.0.2.443 > 10.0.0.1.40000: Flags [S.]",
        "seq 1, ack 305419897, win 65535, options [mss 1400], length 0",
        "10.0.0.1.40000 > 10.0.0.2.443: Flags [R]",
        "seq 305419897, win 0, length 0",
        "10.0.0.2 > 10.0.0.1: ICMP host 10.0.0.2 unreachable - admin prohibited filter, length 60",
        "10.0.0.1 > 10.0.0.2: ICMP echo request, id 40000, seq 4660, length 12",
        "Request who-has 10.0.0.2 tell 10.0.0.1, length 46",
        "Reply 10.0.0.2 is-at 02:00:00:00:00:02, length 46",
    ] {
        assert!(text.contains(expected), "{version}expected: {expected}\n{text}");
    }
    assert_eq!(text.matches("(correct)").count(), 4, "{version}{text}");
    assert!(!text.contains("incorrect") && !text.contains("bad cksum") && !text.contains("wrong"), "{version}{text}");
}

/// One frame of each kind, on Ethernet.
fn recording() -> Vec<u8> {
    let [here, there] = [MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2])];
    let [source, destination] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
    let [out, back] = [Hop::Ethernet { source: here, destination: there }, Hop::Ethernet { source: there, destination: here }];
    let probe = Probe { hop: out, source, destination, source_port: 40000, destination_port: 443, sequence: 0x1234_5678 };
    let answer = TcpSegment {
        source: destination,
        destination: source,
        source_port: 443,
        destination_port: 40000,
        sequence: 1,
        acknowledgement: 0x1234_5679,
        flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
        window: 65535,
        ttl: 60,
        mss: Some(1400),
    };
    let &TcpSegment { sequence, acknowledgement, flags, window, ttl, .. } = &answer;
    let (source_port, destination_port) = (443, 40000);
    let reply = TcpReply {
        source_mac: Some(there),
        source: destination,
        destination: source,
        source_port,
        destination_port,
        sequence,
        acknowledgement,
        flags,
        window,
        ttl,
    };
    let syn = built(|slot| SynTemplate::new().write(slot, &probe));
    let error = IcmpMessage { source: destination, destination: source, ttl: 60, kind: 3, code: 13, quoted: &syn[14..] };
    let neighbour = ArpReply { addr: destination, mac: there, target: source, target_mac: here };
    let frames = [
        built(|slot| write_tcp(slot, back, &answer)),
        built(|slot| RstTemplate::new().write(slot, out, &reply)),
        built(|slot| write_icmp_error(slot, back, &error)),
        built(|slot| write_request(slot, here, source, destination)),
        built(|slot| write_arp_reply(slot, &neighbour)),
        syn,
        built(|slot| write_echo_request(slot, &probe)),
    ];
    let mut writer = PcapngWriter::new(Vec::new()).unwrap();
    let interface = writer.interface("v0", Medium::Ethernet).unwrap();
    for (bytes, wall) in frames.iter().zip(1_700_000_000_000_000_000..) {
        writer.packet(&PacketRecord { interface, wall, bytes, comment: Some("a test's") }).unwrap();
    }
    writer.into_inner()
}
