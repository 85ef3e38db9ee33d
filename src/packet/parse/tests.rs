use proptest::prelude::*;

use super::*;
use crate::packet::checksum::checksum;
use crate::packet::{Hop, IcmpMessage, Probe, SynTemplate, TcpSegment, write_arp_reply, write_icmp_error, write_request, write_tcp};

const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const BACK: Hop = Hop::Ethernet { source: THERE, destination: HERE };

fn built(write: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut slot = [0; 256];
    let len = write(&mut slot);
    slot[..len].to_vec()
}

fn parse(bytes: &[u8], hop: Hop) -> Result<Reply, Verdict> {
    Reply::parse(bytes, medium(hop), Checksums::Verify)
}

fn medium(hop: Hop) -> Medium {
    match hop {
        Hop::Ethernet { .. } => Medium::Ethernet,
        Hop::Ip => Medium::Ip,
    }
}

fn mac_behind(hop: Hop) -> Option<MacAddr> {
    match hop {
        Hop::Ethernet { source, .. } => Some(source),
        Hop::Ip => None,
    }
}

/// Puts the right checksum into an IPv4 header after a test changed it.
fn mend_ip(packet: &mut [u8]) {
    let header = &mut packet[..20];
    header[10..12].fill(0);
    let sum = checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Puts the right checksum into an ICMP message after a test changed it.
fn mend_icmp(message: &mut [u8]) {
    message[2..4].fill(0);
    let sum = checksum(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}

fn syn_ack() -> TcpSegment {
    TcpSegment {
        source: Ipv4Addr::new(10, 0, 0, 2),
        destination: Ipv4Addr::new(10, 0, 0, 1),
        source_port: 443,
        destination_port: 40000,
        sequence: 1,
        acknowledgement: 2,
        flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
        window: 65535,
        ttl: 57,
        mss: Some(1460),
    }
}

fn probe() -> Probe {
    Probe {
        hop: Hop::Ip,
        source: Ipv4Addr::new(10, 0, 0, 1),
        destination: Ipv4Addr::new(10, 0, 0, 2),
        source_port: 40000,
        destination_port: 443,
        sequence: 0xdead_beef,
    }
}

fn unreachable(quoted: &[u8]) -> IcmpMessage<'_> {
    IcmpMessage { source: Ipv4Addr::new(10, 9, 9, 9), destination: Ipv4Addr::new(10, 0, 0, 1), ttl: 250, kind: 3, code: 13, quoted }
}

fn any_hop() -> impl Strategy<Value = Hop> {
    let ethernet = |(source, destination)| Hop::Ethernet { source: MacAddr(source), destination: MacAddr(destination) };
    prop_oneof![Just(Hop::Ip), any::<([u8; 6], [u8; 6])>().prop_map(ethernet)]
}

prop_compose! {
    fn any_segment()(
        addresses in any::<(Ipv4Addr, Ipv4Addr)>(), ports in any::<(u16, u16)>(), numbers in any::<(u32, u32)>(),
        flags in any::<u8>(), window in any::<u16>(), ttl in any::<u8>(), mss in any::<Option<u16>>(),
    ) -> TcpSegment {
        TcpSegment {
            source: addresses.0, destination: addresses.1, source_port: ports.0, destination_port: ports.1,
            sequence: numbers.0, acknowledgement: numbers.1, flags: TcpFlags(flags), window, ttl, mss,
        }
    }
}

prop_compose! {
    fn any_probe()(hop in any_hop(), addresses in any::<(Ipv4Addr, Ipv4Addr)>(), ports in any::<(u16, u16)>(), sequence in any::<u32>()) -> Probe {
        Probe { hop, source: addresses.0, destination: addresses.1, source_port: ports.0, destination_port: ports.1, sequence }
    }
}

proptest! {
    #[test]
    fn a_segment_is_read_as_written(hop in any_hop(), s in any_segment(), padding in 0..20_usize) {
        let mut frame = built(|slot| write_tcp(slot, hop, &s));
        frame.resize(frame.len() + padding, 0x5a);
        prop_assert_eq!(parse(&frame, hop), Ok(Reply::Tcp(TcpReply {
            source_mac: mac_behind(hop), source: s.source, destination: s.destination, source_port: s.source_port,
            destination_port: s.destination_port, sequence: s.sequence, acknowledgement: s.acknowledgement, flags: s.flags,
            window: s.window, ttl: s.ttl,
        })));
    }

    #[test]
    fn a_syn_is_read_as_written(p in any_probe()) {
        let frame = built(|slot| SynTemplate::new().write(slot, &p));
        prop_assert_eq!(parse(&frame, p.hop), Ok(Reply::Tcp(TcpReply {
            source_mac: mac_behind(p.hop), source: p.source, destination: p.destination, source_port: p.source_port,
            destination_port: p.destination_port, sequence: p.sequence, acknowledgement: 0, flags: TcpFlags(TcpFlags::SYN),
            window: 64240, ttl: 64,
        })));
    }

    #[test]
    fn an_error_about_a_probe_is_read_as_written(
        hop in any_hop(), p in any_probe(), source: Ipv4Addr, kind in prop_oneof![Just(3), Just(11)], code: u8, len in 28..=52_usize, ttl: u8,
    ) {
        let syn = built(|slot| SynTemplate::new().write(slot, &Probe { hop: Hop::Ip, ..p }));
        let message = IcmpMessage { source, destination: p.source, ttl, kind, code, quoted: &syn[..len] };
        let frame = built(|slot| write_icmp_error(slot, hop, &message));
        let quoted = Quoted {
            source: p.source, destination: p.destination, source_port: p.source_port, destination_port: p.destination_port, sequence: p.sequence,
        };
        prop_assert_eq!(parse(&frame, hop), Ok(Reply::Icmp(IcmpError { source_mac: mac_behind(hop), source, ttl, kind, code, quoted })));
    }

    #[test]
    fn arp_is_read_as_written(addr in any::<Ipv4Addr>().prop_filter("a probe", |addr| !addr.is_unspecified()), target: Ipv4Addr, macs in any::<([u8; 6], [u8; 6])>()) {
        let reply = ArpReply { addr, mac: MacAddr(macs.0), target, target_mac: MacAddr(macs.1) };
        let frame = built(|slot| write_arp_reply(slot, &reply));
        prop_assert_eq!(parse(&frame, BACK), Ok(Reply::Arp(reply)));
        let request = built(|slot| write_request(slot, reply.mac, addr, target));
        prop_assert_eq!(parse(&request, BACK), Ok(Reply::Arp(ArpReply { target_mac: MacAddr::default(), ..reply })));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), checksums in prop_oneof![Just(Checksums::Verify), Just(Checksums::Pending)]) {
        let _ = Reply::parse(&bytes, Medium::Ethernet, checksums);
        let _ = Reply::parse(&bytes, Medium::Ip, checksums);
    }

    #[test]
    fn every_truncation_is_malformed(hop in any_hop(), s in any_segment(), at in any::<prop::sample::Index>()) {
        let frame = built(|slot| write_tcp(slot, hop, &s));
        prop_assert_eq!(parse(&frame[..at.index(frame.len())], hop), Err(Verdict::Malformed));
    }

    #[test]
    fn a_flipped_bit_is_never_read_as_another_segment(s in any_segment(), bit in any::<prop::sample::Index>()) {
        let mut packet = built(|slot| write_tcp(slot, Hop::Ip, &s));
        let bit = bit.index(packet.len() * 8);
        packet[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(parse(&packet, Hop::Ip).is_err());
    }
}

#[test]
fn vlan_tags_are_passed_over_up_to_two() {
    let frame = built(|slot| write_tcp(slot, BACK, &syn_ack()));
    let tagged = |tags: &[u16]| {
        let tags = tags.iter().flat_map(|tag| [(tag >> 8) as u8, *tag as u8, 0x20, 0x05]);
        frame[..12].iter().copied().chain(tags).chain(frame[12..].iter().copied()).collect::<Vec<_>>()
    };
    let untagged = parse(&frame, BACK);
    assert!(untagged.is_ok());
    assert_eq!(parse(&tagged(&[0x8100]), BACK), untagged);
    assert_eq!(parse(&tagged(&[0x88a8, 0x8100]), BACK), untagged);
    assert_eq!(parse(&tagged(&[0x8100, 0x8100, 0x8100]), BACK), Err(Verdict::Foreign));
    assert_eq!(parse(&tagged(&[0x88a8, 0x8100])[..20], BACK), Err(Verdict::Malformed));
}

#[test]
fn ip_options_are_passed_over() {
    let packet = built(|slot| write_tcp(slot, Hop::Ip, &syn_ack()));
    let mut longer = [&packet[..20], &[1, 1, 1, 0], &packet[20..]].concat();
    longer[0] = 0x46;
    longer[3] += 4;
    longer[10..12].fill(0);
    let sum = checksum(&longer[..24]);
    longer[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(parse(&longer, Hop::Ip), parse(&packet, Hop::Ip));
    assert!(parse(&packet, Hop::Ip).is_ok());
}

#[test]
fn fragments_and_other_protocols_are_foreign() {
    let packet = built(|slot| write_tcp(slot, Hop::Ip, &syn_ack()));
    for (at, value) in [(6, 0x20), (7, 0x01), (9, 17), (9, 47)] {
        let mut packet = packet.clone();
        packet[at] = value;
        mend_ip(&mut packet);
        assert_eq!(parse(&packet, Hop::Ip), Err(Verdict::Foreign), "byte {at} = {value}");
    }
    assert_eq!(parse(&[0x60; 60], Hop::Ip), Err(Verdict::Foreign));
    let mut frame = built(|slot| write_tcp(slot, BACK, &syn_ack()));
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    assert_eq!(parse(&frame, BACK), Err(Verdict::Foreign));
}

#[test]
fn impossible_headers_are_malformed() {
    let packet = built(|slot| write_tcp(slot, Hop::Ip, &syn_ack()));
    for (what, at, value) in [
        ("version", 0, 0x55),
        ("header length below 20", 0, 0x44),
        ("total length below header", 3, 19),
        ("total length past the end", 3, 45),
    ] {
        let mut packet = packet.clone();
        packet[at] = value;
        mend_ip(&mut packet);
        assert_eq!(parse(&packet, Hop::Ip), Err(Verdict::Malformed), "{what}");
    }
    for offset in [0x40, 0x70, 0xf0] {
        let mut packet = packet.clone();
        packet[32] = offset;
        assert_eq!(Reply::parse(&packet, Medium::Ip, Checksums::Pending), Err(Verdict::Malformed), "data offset {offset:#x}");
    }
}

#[test]
fn pending_checksums_are_those_of_the_transport_only() {
    let mut packet = built(|slot| write_tcp(slot, Hop::Ip, &syn_ack()));
    packet[36] ^= 1;
    assert_eq!(parse(&packet, Hop::Ip), Err(Verdict::Malformed));
    assert!(Reply::parse(&packet, Medium::Ip, Checksums::Pending).is_ok());
    packet[10] ^= 1;
    assert_eq!(Reply::parse(&packet, Medium::Ip, Checksums::Pending), Err(Verdict::Malformed));
}

#[test]
fn quotes_changed_on_the_way_are_still_read() {
    let syn = built(|slot| SynTemplate::new().write(slot, &probe()));
    let expected = parse(&built(|slot| write_icmp_error(slot, BACK, &unreachable(&syn))), BACK);
    assert!(expected.is_ok());

    let mut changed = syn.clone();
    changed[8] = 1;
    changed[2..4].copy_from_slice(&[0x20, 0x14]);
    changed[10..12].fill(0);
    assert_eq!(parse(&built(|slot| write_icmp_error(slot, BACK, &unreachable(&changed[..28]))), BACK), expected);

    let mut with_options = [&syn[..20], &[1, 1, 1, 0], &syn[20..28]].concat();
    with_options[0] = 0x46;
    assert_eq!(parse(&built(|slot| write_icmp_error(slot, BACK, &unreachable(&with_options))), BACK), expected);
}

#[test]
fn quotes_that_name_no_probe_prove_nothing() {
    let syn = built(|slot| SynTemplate::new().write(slot, &probe()));
    let about = |quoted: &[u8]| parse(&built(|slot| write_icmp_error(slot, Hop::Ip, &unreachable(quoted))), Hop::Ip);
    assert_eq!(about(&syn[..27]), Err(Verdict::Malformed));
    assert_eq!(about(&syn[..19]), Err(Verdict::Malformed));
    assert_eq!(about(&[]), Err(Verdict::Malformed));
    for (what, at, value, verdict) in [
        ("UDP", 9, 17, Verdict::Foreign),
        ("a later fragment", 7, 1, Verdict::Foreign),
        ("IPv6", 0, 0x60, Verdict::Malformed),
        ("header past the end", 0, 0x4f, Verdict::Malformed),
    ] {
        let mut quoted = syn[..28].to_vec();
        quoted[at] = value;
        assert_eq!(about(&quoted), Err(verdict), "{what}");
    }
}

#[test]
fn other_icmp_is_foreign_and_broken_icmp_malformed() {
    let syn = built(|slot| SynTemplate::new().write(slot, &probe()));
    let error = built(|slot| write_icmp_error(slot, Hop::Ip, &unreachable(&syn)));
    for kind in [0, 4, 5, 8, 12] {
        let mut packet = error.clone();
        packet[20] = kind;
        mend_icmp(&mut packet[20..]);
        assert_eq!(parse(&packet, Hop::Ip), Err(Verdict::Foreign), "type {kind}");
    }
    let mut packet = error;
    packet[50] ^= 1;
    assert_eq!(parse(&packet, Hop::Ip), Err(Verdict::Malformed));
}

#[test]
fn arp_that_names_no_neighbour_is_foreign() {
    let reply = ArpReply { addr: Ipv4Addr::new(10, 0, 0, 2), mac: THERE, target: Ipv4Addr::new(10, 0, 0, 1), target_mac: HERE };
    let frame = built(|slot| write_arp_reply(slot, &reply));
    for (what, at, value) in [("IEEE 802", 15, 6), ("other protocol", 17, 1), ("address length", 18, 8), ("reverse", 21, 3)] {
        let mut frame = frame.clone();
        frame[at] = value;
        assert_eq!(parse(&frame, BACK), Err(Verdict::Foreign), "{what}");
    }
    let probe = ArpReply { addr: Ipv4Addr::UNSPECIFIED, ..reply };
    assert_eq!(parse(&built(|slot| write_arp_reply(slot, &probe)), BACK), Err(Verdict::Foreign));
    assert_eq!(parse(&frame[..41], BACK), Err(Verdict::Malformed));
    assert!(parse(&frame[..42], BACK).is_ok());
}
