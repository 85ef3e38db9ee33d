//! The network as a scanner would meet it: everything here goes through frames.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::packet::{
    Checksums, FRAME_CAPACITY, Hop, IcmpError, MacAddr, Medium, Probe, Reply, RstTemplate, SynTemplate, TcpFlags, TcpReply, TcpSegment,
    checksum, write_echo_request, write_request, write_tcp,
};
use crate::time::Time;

const SCANNER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SCANNER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 64, 3, 4);
const SEQUENCE: u32 = u32::MAX;

/// A scanner without wit: it sends what it is told and keeps what comes.
struct Scanner {
    network: Network,
    heard: Vec<(Time, Vec<u8>)>,
}

impl Scanner {
    fn new(topology: Topology) -> Self {
        Self { network: Network::new(topology, 1), heard: Vec::new() }
    }

    fn syn(&mut self, at: Time, to: (Ipv4Addr, u16)) {
        self.network.inject(at, &syn_frame(to, 40_000));
    }

    fn arp(&mut self, at: Time, wanted: Ipv4Addr) {
        let mut slot = [0; FRAME_CAPACITY];
        let len = write_request(&mut slot, SCANNER_MAC, SCANNER, wanted);
        self.network.inject(at, &slot[..len]);
    }

    /// What arrived until `until`, parsed.
    fn listen(&mut self, until: Time) -> Vec<(Time, Reply)> {
        let heard = &mut self.heard;
        let from = heard.len();
        self.network.deliver(until, &mut |at, frame| heard.push((at, frame.to_vec())));
        let parse = |bytes: &[u8]| Reply::parse(bytes, self.network.medium(), Checksums::Verify).expect("the network sends whole frames");
        heard[from..].iter().map(|(at, bytes)| (*at, parse(bytes))).collect()
    }

    fn one_tcp(&mut self, until: Time) -> (Time, TcpReply) {
        match self.listen(until)[..] {
            [(at, Reply::Tcp(tcp))] => (at, tcp),
            ref other => panic!("not one segment: {other:?}"),
        }
    }

    fn one_icmp(&mut self, until: Time) -> (Time, IcmpError) {
        match self.listen(until)[..] {
            [(at, Reply::Icmp(icmp))] => (at, icmp),
            ref other => panic!("not one error: {other:?}"),
        }
    }

    fn counters(&self) -> Counters {
        *self.network.truth().counters()
    }
}

fn syn_frame((destination, destination_port): (Ipv4Addr, u16), source_port: u16) -> Vec<u8> {
    let on_link = destination.octets()[..3] == SCANNER.octets()[..3];
    let next = mac_of(if on_link { destination } else { GATEWAY });
    let hop = Hop::Ethernet { source: SCANNER_MAC, destination: next };
    let mut slot = [0; FRAME_CAPACITY];
    let probe = Probe { hop, source: SCANNER, destination, source_port, destination_port, sequence: SEQUENCE };
    let len = SynTemplate::new().write(&mut slot, &probe);
    slot[..len].to_vec()
}

fn ms(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn latency(fixed: u64) -> PathSpec {
    PathSpec::new().round_trip(Latency { fixed: Duration::from_millis(fixed), ..Latency::default() })
}

/// A gateway on the link, and one population behind it.
fn routed(path: PathSpec, host: HostSpec) -> Topology {
    Topology::new()
        .segment(Segment::on_link("10.0.0.0/24".parse().unwrap()).host(GATEWAY, HostSpec::serving([22])))
        .segment(Segment::routed("10.64.0.0/10".parse().unwrap(), [GATEWAY]).path(path).population(1.0, host))
}

#[test]
fn ports_answer_by_their_nature_and_acknowledge_the_syn() {
    let host = HostSpec::serving([80]).ports([81], PortState::Silent).ports([82], PortState::Rejected(Rejection::ADMIN_PROHIBITED));
    let mut scanner = Scanner::new(routed(latency(10), host));
    for (port, flags) in [(80, 0x12), (79, 0x14)] {
        let sent = scanner.network.now;
        scanner.syn(sent, (TARGET, port));
        let (at, tcp) = scanner.one_tcp(sent + Duration::from_millis(10));
        assert_eq!(at.since(sent), Duration::from_millis(10));
        assert_eq!((tcp.source, tcp.source_port, tcp.destination, tcp.destination_port), (TARGET, port, SCANNER, 40_000));
        assert_eq!((tcp.flags.0, tcp.acknowledgement, tcp.ttl), (flags, SEQUENCE.wrapping_add(1), 63));
        assert_eq!(tcp.source_mac, Some(mac_of(GATEWAY)));
    }
    scanner.syn(ms(100), (TARGET, 81));
    assert_eq!(scanner.listen(ms(200)), []);
    scanner.syn(ms(200), (TARGET, 82));
    let (_, icmp) = scanner.one_icmp(ms(300));
    assert_eq!((icmp.source, icmp.kind, icmp.code), (TARGET, 3, 13));
    assert_eq!((icmp.quoted.destination, icmp.quoted.destination_port, icmp.quoted.sequence), (TARGET, 82, SEQUENCE));
    let truth = scanner.network.truth();
    let natures: Vec<_> = truth.natures([TARGET], 79..=82).map(|(_, nature)| nature).collect();
    assert_eq!(natures, [Nature::Closed, Nature::Open, Nature::Silent, Nature::Rejected { kind: 3, code: 13, from: TARGET }]);
    assert_eq!(truth.open([TARGET], 1..=100).collect::<Vec<_>>(), [SocketAddrV4::new(TARGET, 80)]);
}

#[test]
fn only_frames_to_the_right_next_hop_arrive() {
    let mut scanner = Scanner::new(routed(PathSpec::new(), HostSpec::serving([80])));
    let mut frame = syn_frame((TARGET, 80), 40_000);
    frame[5] ^= 1;
    scanner.network.inject(ms(0), &frame);
    scanner.syn(ms(0), (Ipv4Addr::new(192, 168, 0, 1), 80));
    scanner.syn(ms(0), (Ipv4Addr::new(10, 0, 0, 77), 80));
    assert_eq!(scanner.listen(ms(1000)), []);
    let dropped = scanner.counters().fates.dropped;
    assert_eq!(dropped.iter().collect::<Vec<_>>(), [(Cause::Misaddressed, 2), (Cause::NoRoute, 1)]);
}

#[test]
fn a_missing_host_behind_a_router_is_reported_late_or_never() {
    let unreachable = Missing::Rejected(Rejection::HOST_UNREACHABLE, Duration::from_secs(3));
    let empty = |missing| {
        Topology::new()
            .router(Router::new(GATEWAY).icmp_limit(Limit { per_second: 1.0, burst: 1.0 }))
            .segment(Segment::routed("10.64.0.0/10".parse().unwrap(), [GATEWAY]).missing(missing))
    };
    let mut scanner = Scanner::new(empty(unreachable));
    scanner.syn(ms(0), (TARGET, 80));
    scanner.syn(ms(1), (TARGET, 81));
    let (at, icmp) = scanner.one_icmp(ms(10_000));
    assert_eq!((at, icmp.source, icmp.kind, icmp.code), (ms(3000), GATEWAY, 3, 1));
    assert_eq!(scanner.counters().dropped_down.by(Cause::IcmpLimit), 1);

    let mut scanner = Scanner::new(empty(Missing::Silent));
    scanner.syn(ms(0), (TARGET, 80));
    assert_eq!(scanner.listen(ms(10_000)), []);
    assert_eq!(scanner.counters().fates.silent, 1);
}

#[test]
fn each_router_takes_one_from_the_time_to_live_and_the_last_one_says_so() {
    let inner = Ipv4Addr::new(10, 1, 1, 1);
    let topology = Topology::new().router(Router::new(inner).path(latency(4))).segment(
        Segment::routed("10.64.0.0/10".parse().unwrap(), [GATEWAY, inner]).path(latency(20)).population(1.0, HostSpec::serving([80])),
    );
    let mut scanner = Scanner::new(topology.clone());
    scanner.syn(ms(0), (TARGET, 80));
    let (at, tcp) = scanner.one_tcp(ms(100));
    assert_eq!((at, tcp.ttl), (ms(24), 62));

    for (ttl, from, due) in [(1, GATEWAY, ms(0)), (2, inner, ms(4))] {
        let mut frame = syn_frame((TARGET, 80), 40_000);
        let [before, after] = [[frame[22], frame[23]], [ttl, frame[23]]].map(u16::from_be_bytes);
        let sum = checksum::update(u16::from_be_bytes([frame[24], frame[25]]), before, after);
        frame[22] = ttl;
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        let mut scanner = Scanner::new(topology.clone());
        scanner.network.inject(ms(0), &frame);
        let (at, icmp) = scanner.one_icmp(ms(300));
        assert_eq!((at, icmp.source, icmp.kind, icmp.code), (due, from, 11, 0));
        assert_eq!(icmp.source_mac, Some(mac_of(GATEWAY)));
    }
}

#[test]
fn arp_finds_hosts_gateways_and_nobody_else() {
    let slow = Arp { delay: Duration::from_millis(700), ..Arp::default() };
    let lan = Segment::on_link("10.0.0.0/24".parse().unwrap())
        .path(latency(2))
        .host(Ipv4Addr::new(10, 0, 0, 5), HostSpec::serving([]).arp(slow))
        .host(Ipv4Addr::new(10, 0, 0, 6), HostSpec::serving([]).arp(Arp { ignored: 2, ..Arp::default() }))
        .host(Ipv4Addr::new(10, 0, 0, 7), HostSpec::serving([]).arp(Arp { cold_loss: 1.0, ..Arp::default() }))
        .host(Ipv4Addr::new(10, 0, 0, 8), HostSpec::serving([]).up_from(Duration::from_secs(2)));
    let far = Segment::routed("10.64.0.0/10".parse().unwrap(), [GATEWAY]).population(1.0, HostSpec::serving([80]));
    let mut scanner = Scanner::new(Topology::new().segment(lan).segment(far));
    let mut answered = Vec::new();
    for second in 0..3 {
        for last in [1, 5, 6, 7, 8, 9] {
            scanner.arp(ms(second * 1000), Ipv4Addr::new(10, 0, 0, last));
        }
        scanner.arp(ms(second * 1000), TARGET);
        for (at, reply) in scanner.listen(ms(second * 1000 + 999)) {
            let Reply::Arp(arp) = reply else { panic!("{reply:?}") };
            assert_eq!((arp.mac, arp.target, arp.target_mac), (mac_of(arp.addr), SCANNER, SCANNER_MAC));
            answered.push((at.since(Time::ZERO).as_millis(), arp.addr.octets()[3]));
        }
    }
    assert_eq!(answered, [(2, 1), (702, 5), (1002, 1), (1002, 7), (1702, 5), (2002, 1), (2002, 6), (2002, 7), (2002, 8), (2702, 5)]);
}

#[test]
fn a_syn_ack_is_repeated_after_1_3_and_7_seconds_unless_it_is_reset() {
    let mut scanner = Scanner::new(routed(PathSpec::new(), HostSpec::serving([80])));
    scanner.syn(ms(0), (TARGET, 80));
    let times: Vec<_> = scanner.listen(ms(60_000)).iter().map(|(at, _)| at.since(Time::ZERO).as_secs()).collect();
    assert_eq!(times, [0, 1, 3, 7]);
    let Counters { repeats, abandoned, reset_by_scanner, .. } = scanner.counters();
    assert_eq!((repeats, abandoned, reset_by_scanner, scanner.network.truth().half_open()), (3, 1, 0, 0));

    scanner.syn(ms(100_000), (TARGET, 80));
    let (_, syn_ack) = scanner.one_tcp(ms(100_500));
    assert_eq!(scanner.network.truth().half_open(), 1);
    let mut slot = [0; FRAME_CAPACITY];
    let hop = Hop::Ethernet { source: SCANNER_MAC, destination: syn_ack.source_mac.unwrap() };
    let len = RstTemplate::new().write(&mut slot, hop, &syn_ack);
    scanner.network.inject(ms(100_500), &slot[..len]);
    assert_eq!(scanner.listen(ms(160_000)), []);
    let Counters { reset_by_scanner, stray_resets, half_open_peak, .. } = scanner.counters();
    assert_eq!((reset_by_scanner, stray_resets, half_open_peak, scanner.network.truth().half_open()), (1, 0, 1, 0));
}

#[test]
fn forged_segments_come_beside_the_truth_and_prove_nothing() {
    for lie in [Lie::Acknowledgement, Lie::Port, Lie::Address] {
        let host = HostSpec::all(PortState::Closed).forgery(Forgery { share: 0.1, lie });
        let mut scanner = Scanner::new(routed(PathSpec::new(), host));
        for last in 0..2000 {
            scanner.syn(ms(0), (Ipv4Addr::from_bits(TARGET.to_bits() + last), 80));
        }
        let replies = scanner.listen(ms(100));
        let syn_acks: Vec<_> = replies.iter().filter_map(|(_, reply)| tcp(reply).filter(|tcp| tcp.flags.is_syn_ack())).collect();
        assert!((150..250).contains(&syn_acks.len()), "{}", syn_acks.len());
        assert_eq!(syn_acks.len() as u64, scanner.counters().forged);
        assert_eq!(replies.len(), 2000 + syn_acks.len());
        for forged in syn_acks {
            let honest = (forged.acknowledgement == SEQUENCE.wrapping_add(1), forged.destination_port == 40_000, is_probed(forged.source));
            let expected = (lie != Lie::Acknowledgement, lie != Lie::Port, lie != Lie::Address);
            assert_eq!(honest, expected);
        }
    }
}

fn is_probed(address: Ipv4Addr) -> bool {
    (TARGET.to_bits()..TARGET.to_bits() + 2000).contains(&address.to_bits())
}

fn tcp(reply: &Reply) -> Option<TcpReply> {
    match reply {
        Reply::Tcp(tcp) => Some(*tcp),
        _ => None,
    }
}

#[test]
fn hosts_keep_their_limits() {
    let ten = Limit { per_second: 10.0, burst: 5.0 };
    let proxies = HostSpec::syn_proxy();
    for (host, port, answers, cause) in [
        (HostSpec::serving([80]).syn_limit(ten), 80, 15, Cause::SynLimit),
        (HostSpec::serving([80]).reply_limit(ten), 80, 15, Cause::ReplyLimit),
        (HostSpec::serving([80]).reset_limit(ten), 79, 15, Cause::ResetLimit),
        (HostSpec::serving([80]).reset_limit(ten), 80, 100, Cause::ResetLimit),
        (HostSpec::serving([80]).tripwire(Tripwire { limit: ten, silence: Duration::from_secs(9) }), 80, 5, Cause::Firewall),
        (proxies, 7, 100, Cause::Loss),
    ] {
        let mut scanner = Scanner::new(routed(PathSpec::new(), host.repeats(0)));
        for n in 0..100 {
            scanner.syn(ms(n * 10), (TARGET, port));
        }
        let replies = scanner.listen(ms(2000)).len();
        assert!(replies.abs_diff(answers) <= 1, "{replies} of {answers}");
        assert_eq!(scanner.counters().fates.dropped.by(cause) as usize, 100 - replies);
    }
}

#[test]
fn a_damaged_syn_is_not_answered_unless_its_checksum_is_still_to_come() {
    let mut scanner = Scanner::new(routed(PathSpec::new(), HostSpec::serving([80])));
    let mut frame = syn_frame((TARGET, 80), 40_000);
    frame[50] ^= 1;
    scanner.network.inject(ms(0), &frame);
    assert_eq!((scanner.listen(ms(1)), scanner.counters().malformed), (vec![], 1));
    scanner.network.inject_with(ms(1), &frame, Checksums::Pending);
    scanner.one_tcp(ms(2));
}

#[test]
fn a_completed_handshake_is_not_repeated_and_its_end_is_answered() {
    let mut scanner = Scanner::new(routed(PathSpec::new(), HostSpec::serving([80])));
    scanner.syn(ms(0), (TARGET, 80));
    let (_, syn_ack) = scanner.one_tcp(ms(0));
    let segment = TcpSegment {
        source: SCANNER,
        destination: TARGET,
        source_port: 40_000,
        destination_port: 80,
        sequence: syn_ack.acknowledgement,
        acknowledgement: syn_ack.sequence.wrapping_add(1),
        flags: TcpFlags(TcpFlags::ACK),
        window: 1000,
        ttl: 64,
        mss: None,
    };
    let hop = Hop::Ethernet { source: SCANNER_MAC, destination: mac_of(GATEWAY) };
    let mut slot = [0; FRAME_CAPACITY];
    let len = write_tcp(&mut slot, hop, &segment);
    scanner.network.inject(ms(1), &slot[..len]);
    assert_eq!(scanner.listen(ms(20_000)), []);
    assert_eq!((scanner.counters().established, scanner.network.truth().half_open()), (1, 0));

    let len = write_tcp(&mut slot, hop, &TcpSegment { flags: TcpFlags(TcpFlags::FIN | TcpFlags::ACK), ..segment });
    scanner.network.inject(ms(20_000), &slot[..len]);
    let (_, reset) = scanner.one_tcp(ms(20_001));
    assert!(reset.flags.is_rst() && reset.sequence == segment.acknowledgement, "{reset:?}");
}

#[test]
fn a_host_answers_echo_unless_told_not_to() {
    for (host, answers) in [(HostSpec::all(PortState::Silent), true), (HostSpec::serving([80]).without_echo(), false)] {
        let mut scanner = Scanner::new(routed(PathSpec::new(), host));
        let hop = Hop::Ethernet { source: SCANNER_MAC, destination: mac_of(GATEWAY) };
        let probe = Probe { hop, source: SCANNER, destination: TARGET, source_port: 40_000, destination_port: 0, sequence: SEQUENCE };
        let mut slot = [0; FRAME_CAPACITY];
        let len = write_echo_request(&mut slot, &probe);
        scanner.network.inject(ms(0), &slot[..len]);
        match (answers, &scanner.listen(ms(1000))[..]) {
            (true, [(_, Reply::Echo(reply))]) => assert_eq!((reply.source, reply.identifier, reply.cookie), (TARGET, 40_000, SEQUENCE)),
            (false, []) => {}
            (_, other) => panic!("{other:?}"),
        }
        assert_eq!(scanner.counters().echo_requests, 1);
    }
}

#[test]
fn syns_of_each_address_are_counted_by_the_second() {
    let mut scanner = Scanner::new(routed(PathSpec::new(), HostSpec::serving([80])).tally(Tally::PerAddress));
    for n in 0..30 {
        scanner.syn(ms(n * 100), (TARGET, 80));
    }
    let truth = scanner.network.truth();
    assert_eq!((truth.syns_to(TARGET), truth.busiest_second(TARGET), truth.probed()), (30, 10, vec![TARGET]));
}

#[test]
fn a_bare_ip_link_needs_no_arp() {
    let mut scanner = Scanner::new(routed(latency(1), HostSpec::serving([80])).medium(Medium::Ip));
    scanner.network.inject(ms(0), &syn_frame((TARGET, 80), 1)[14..]);
    let (_, tcp) = scanner.one_tcp(ms(10));
    assert_eq!((tcp.source, tcp.source_mac), (TARGET, None));
}

#[test]
fn a_delay_before_a_bottleneck_does_not_disturb_it() {
    // Two segments share a queue on the way back; answers of the far one must not take the place of near ones long before they are there.
    let queue = Element::Queue { capacity: Limit::per_second(1000.0).into(), buffer: Duration::from_millis(500) };
    let topology = Topology::new()
        .router(Router::new(GATEWAY).path(PathSpec::new().down(queue)))
        .segment(Segment::routed("10.64.0.0/16".parse().unwrap(), [GATEWAY]).path(latency(400)).population(1.0, HostSpec::serving([80])))
        .segment(Segment::routed("10.65.0.0/16".parse().unwrap(), [GATEWAY]).path(latency(2)).population(1.0, HostSpec::serving([80])));
    let mut scanner = Scanner::new(topology);
    scanner.syn(ms(0), (Ipv4Addr::new(10, 64, 0, 1), 80));
    scanner.syn(ms(0), (Ipv4Addr::new(10, 65, 0, 1), 80));
    let times: Vec<_> = scanner.listen(ms(900)).iter().map(|&(at, _)| at).collect();
    assert_eq!(times, [ms(3), ms(401)]);
}

/// A path with a bit of everything, and hosts of every kind.
fn rough() -> Topology {
    let path = PathSpec::new()
        .up(Element::Bursts { good: Duration::from_millis(50), bad: Duration::from_millis(5), loss: 0.5 })
        .up(Element::Policer(Limit { per_second: 50_000.0, burst: 20.0 }.into()))
        .up(Element::FirstContact { loss: 0.2 })
        .up(Element::NewTargets(Limit { per_second: 40_000.0, burst: 50.0 }))
        .up(Element::Duplicate { share: 0.05, after: Duration::from_micros(50) })
        .up(Element::Uneven { share: 0.1, loss: 0.3 })
        .round_trip(Latency { fixed: Duration::from_millis(5), spread: Duration::from_millis(2), jitter: Duration::from_millis(1) })
        .loss(0.05)
        .down(Element::Queue { capacity: Limit::per_second(20_000.0).into(), buffer: Duration::from_millis(2) })
        .down(Element::Duplicate { share: 0.05, after: Duration::ZERO })
        .down(Element::Failures { apart: Duration::from_millis(40), lasts: Duration::from_millis(2) });
    let shares = Shares { open: 0.3, closed: 0.3, rejected: (0.2, Rejection::NET_PROHIBITED) };
    let limit = Limit { per_second: 100.0, burst: 2.0 };
    let loop_back = Missing::Rejected(Rejection::TIME_EXCEEDED, Duration::from_millis(1));
    Topology::new().segment(Segment::on_link("10.0.0.0/24".parse().unwrap()).population(0.5, HostSpec::drawn(shares))).segment(
        Segment::routed("10.64.0.0/10".parse().unwrap(), [GATEWAY])
            .path(path)
            .population(0.5, HostSpec::drawn(shares).syn_limit(limit).forgery(Forgery { share: 0.2, lie: Lie::Acknowledgement }))
            .population(0.2, HostSpec::drawn(shares).delay(Duration::from_millis(3)).up_from(Duration::from_millis(20)))
            .missing(loop_back),
    )
}

/// (gap before it in nanoseconds, address offset, port)
fn traffic() -> impl Strategy<Value = Vec<(u64, u32, u16)>> {
    prop::collection::vec((0..200_000_u64, 0..64_u32, 1..8_u16), 1..600)
}

fn run(seed: u64, traffic: &[(u64, u32, u16)], eager: bool) -> (Vec<(Time, Vec<u8>)>, Counters) {
    let mut scanner = Scanner { network: Network::new(rough(), seed), heard: Vec::new() };
    let mut now = 0;
    for (n, &(gap, offset, port)) in traffic.iter().enumerate() {
        now += gap;
        let at = Time::from_nanos(now);
        scanner.network.inject(at, &syn_frame((Ipv4Addr::from_bits(TARGET.to_bits() + offset), port), n as u16 | 1));
        if eager {
            scanner.listen(at);
        }
    }
    scanner.listen(Time::from_nanos(now) + Duration::from_secs(100));
    let truth = scanner.network.truth();
    assert_eq!((truth.under_way(), truth.half_open(), scanner.network.next_delivery()), (0, 0, None));
    let counters = *truth.counters();
    (scanner.heard, counters)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_seed_and_frames_give_the_same_answers(seed: u64, traffic in traffic()) {
        let first = run(seed, &traffic, true);
        prop_assert_eq!(&first, &run(seed, &traffic, true));
        // When the scanner looks does not change what it sees.
        prop_assert_eq!(&first, &run(seed, &traffic, false));
    }

    #[test]
    fn every_syn_has_exactly_one_fate(seed: u64, traffic in traffic()) {
        let (heard, counters) = run(seed, &traffic, true);
        let fates = counters.fates;
        prop_assert_eq!(counters.syns, traffic.len() as u64);
        prop_assert_eq!(fates.answered + fates.silent + fates.dropped.total(), counters.syns);
        prop_assert_eq!(counters.delivered, heard.len() as u64);
        prop_assert!(fates.answered <= counters.delivered);
        prop_assert!(heard.is_sorted_by_key(|&(at, _)| at));
    }

    #[test]
    fn every_answer_is_whole_and_to_something_asked(seed: u64, traffic in traffic()) {
        for (_, frame) in run(seed, &traffic, true).0 {
            match Reply::parse(&frame, Medium::Ethernet, Checksums::Verify) {
                Ok(Reply::Tcp(tcp)) if tcp.flags.is_rst() => prop_assert_eq!(tcp.acknowledgement, SEQUENCE.wrapping_add(1)),
                Ok(Reply::Tcp(tcp)) => prop_assert!(tcp.flags.is_syn_ack()),
                Ok(Reply::Icmp(icmp)) => {
                    prop_assert_eq!((icmp.quoted.sequence, icmp.quoted.source), (SEQUENCE, SCANNER));
                    prop_assert_eq!(icmp.source, GATEWAY);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(frames in prop::collection::vec((0..1_000_000_u64, prop::collection::vec(any::<u8>(), 0..120)), 0..50)) {
        for medium in [Medium::Ethernet, Medium::Ip] {
            let mut network = Network::new(rough().medium(medium), 3);
            for (at, frame) in &frames {
                network.inject(Time::from_nanos(*at), frame);
            }
            network.deliver(Time::NEVER, &mut |_, _| {});
            prop_assert_eq!(network.truth().counters().frames, frames.len() as u64);
        }
    }

    #[test]
    fn no_changed_frame_makes_it_panic(seed: u64, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut in any::<prop::sample::Index>()) {
        let mut frame = syn_frame((TARGET, 80), 40_000);
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame.truncate(cut.index(frame.len() + 1));
        let mut network = Network::new(rough(), seed);
        for checksums in [Checksums::Verify, Checksums::Pending] {
            network.inject_with(Time::ZERO, &frame, checksums);
        }
        network.deliver(Time::NEVER, &mut |_, _| {});
        let c = *network.truth().counters();
        prop_assert_eq!(c.malformed + c.foreign + c.arp_requests + c.syns + c.resets + c.acknowledgements + c.echo_requests, c.frames);
    }
}
