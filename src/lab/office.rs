//! A small office network to practise on: what `synprobe demo` scans.
//!
//! ```text
//!                        10.20.0.1        10.20.1.0/24  servers
//!  scanner ── 10.20.0.0/24 ── gateway ──┬─ 10.20.2.0/23  branch office, 5 ms away, 1 % loss
//!  10.20.0.100                           └─ the rest of 10.20.0.0/16: no route
//! ```

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnetwork::Ipv4Network;

use super::host::{Arp, HostSpec, Limit, PortState, Rejection, Tripwire};
use super::path::{Element, Latency, PathSpec};
use super::topology::{Missing, Router, Segment, Tally, Topology};

/// The address that the scanner has in the office.
pub const OFFICE_SCANNER: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 100);

/// The office's gateway.
pub const OFFICE_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);

/// The office as a network.
pub fn office() -> Topology {
    let lan = Segment::on_link(network([10, 20, 0, 0], 24)).path(line(200, 400, 100));
    let servers = Segment::routed(network([10, 20, 1, 0], 24), [OFFICE_GATEWAY])
        .path(line(300, 300, 80))
        .missing(Missing::Rejected(Rejection::HOST_UNREACHABLE, Duration::from_millis(900)));
    let branch = Segment::routed(network([10, 20, 2, 0], 23), [OFFICE_GATEWAY])
        .path(line(4_300, 500, 150).up(Element::Loss { share: 0.01, since: Duration::ZERO }));
    let beyond = Segment::routed(network([10, 20, 0, 0], 16), [OFFICE_GATEWAY])
        .missing(Missing::Rejected(Rejection::NET_UNREACHABLE, Duration::from_micros(200)));
    let gateway = Router::new(OFFICE_GATEWAY).path(line(300, 0, 50)).icmp_limit(Limit { per_second: 1000.0, burst: 50.0 });

    let segments = [lan, servers, branch].into_iter().map(inhabited);
    let office = Topology::new().tally(Tally::PerAddress).router(gateway);
    segments.chain([beyond]).fold(office, Topology::segment)
}

/// The segment with those members in it whose addresses it has.
fn inhabited(segment: Segment) -> Segment {
    let network = segment.network;
    let residents = members().into_iter().filter(|member| network.contains(member.address));
    residents.fold(segment, |segment, member| segment.host(member.address, member.host))
}

/// The hosts' names, by address: what a resolver in the office would say.
pub fn office_names() -> Vec<(Ipv4Addr, String)> {
    members().into_iter().map(|member| (member.address, member.name)).collect()
}

/// The open ports of each host that has some, by address: what a scan of the office should find. Two hosts are not in it because they
/// take part in the deception: the tarpit (10.20.0.66) and the load balancer's SYN proxy (10.20.1.50) answer on every port.
pub fn office_truth() -> Vec<(Ipv4Addr, Vec<u16>)> {
    let open = |host: &HostSpec| host.named.iter().filter(|&(_, &state)| state == PortState::Open).map(|(&port, _)| port).collect();
    members().into_iter().map(|member| (member.address, open(&member.host))).filter(|(_, open): &(_, Vec<u16>)| !open.is_empty()).collect()
}

struct Member {
    address: Ipv4Addr,
    name: String,
    host: HostSpec,
}

fn members() -> Vec<Member> {
    let mut members = Vec::new();
    let mut add = |third: u8, last: u8, name: String, host: HostSpec| {
        members.push(Member { address: Ipv4Addr::new(10, 20, third, last), name: format!("{name}.example"), host });
    };
    add(0, 1, "gateway".into(), HostSpec::serving([22, 53, 80, 443]));
    add(0, 5, "files".into(), HostSpec::serving([22, 111, 139, 445, 2049]));
    add(0, 6, "backup".into(), HostSpec::shielded([22, 873]));
    for n in 1..=3 {
        add(0, 9 + n, format!("printer{n}"), printer());
    }
    for n in 1..=12 {
        add(0, 19 + n, format!("desk{n}"), workstation(n));
    }
    for n in 1..=4 {
        add(0, 39 + n, format!("camera{n}"), camera());
    }
    add(0, 50, "door".into(), HostSpec::serving([80, 4840]).ttl(255).delay(Duration::from_millis(3)));
    add(0, 60, "phone".into(), HostSpec::serving([80, 5060]).ttl(255));
    add(0, 66, "tarpit".into(), HostSpec::tarpit());

    add(1, 10, "database".into(), HostSpec::shielded([22, 5432]));
    add(1, 11, "cache".into(), HostSpec::serving([22, 6379]).syn_limit(Limit::per_second(2000.0)));
    for n in 1..=4 {
        add(1, 19 + n, format!("web{n}"), HostSpec::serving([22, 80, 443]).window(28_960));
    }
    add(1, 30, "mail".into(), HostSpec::serving([22, 25, 143, 465, 587, 993]));
    add(1, 40, "ledger".into(), HostSpec::all(PortState::Rejected(Rejection::ADMIN_PROHIBITED)).ports([22, 443], PortState::Open));
    add(1, 41, "vault".into(), HostSpec::all(PortState::Silent));
    add(1, 42, "legacy".into(), HostSpec::serving([21, 23, 79, 512, 513, 514]).ttl(255).reset_limit(Limit::per_second(200.0)));
    add(1, 50, "balancer".into(), HostSpec::syn_proxy());

    add(2, 1, "branch-gateway".into(), HostSpec::serving([22, 443]));
    add(2, 10, "branch-files".into(), HostSpec::serving([22, 445]));
    for n in 1..=6 {
        add(2, 19 + n, format!("till{n}"), HostSpec::all(PortState::Rejected(Rejection::PORT_UNREACHABLE)).ports([8443], PortState::Open));
    }
    let tripwire = Tripwire { limit: Limit { per_second: 3000.0, burst: 3000.0 }, silence: Duration::from_secs(10) };
    add(3, 10, "branch-portal".into(), HostSpec::shielded([80, 443]).tripwire(tripwire));
    members
}

fn printer() -> HostSpec {
    // An embedded stack: a slow answer to the first ARP, a small window.
    let arp = Arp { delay: Duration::from_millis(20), ..Arp::default() };
    HostSpec::serving([80, 443, 515, 631, 9100]).ttl(255).window(8192).delay(Duration::from_millis(2)).arp(arp)
}

fn workstation(n: u8) -> HostSpec {
    match n % 3 {
        0 => HostSpec::serving([22]),
        1 => HostSpec::shielded([135, 139, 445]).ttl(128).window(65_535),
        // Behind its own firewall: it answers ARP and nothing else.
        _ => HostSpec::all(PortState::Silent),
    }
}

fn camera() -> HostSpec {
    let arp = Arp { cold_loss: 0.25, ..Arp::default() };
    HostSpec::serving([80, 554]).window(5840).arp(arp)
}

/// A line with a round trip of this many microseconds, up to `spread` more for each host, and jitter of this mean.
fn line(round_trip: u64, spread: u64, jitter: u64) -> PathSpec {
    let [fixed, spread, jitter] = [round_trip, spread, jitter].map(Duration::from_micros);
    PathSpec::new().round_trip(Latency { fixed, spread, jitter })
}

fn network(address: [u8; 4], prefix: u8) -> Ipv4Network {
    Ipv4Network::new_checked(Ipv4Addr::from(address), prefix).expect("a constant prefix of at most 32")
}

#[cfg(test)]
mod tests {
    use super::super::network::Network;
    use super::super::truth::Nature;
    use super::*;

    #[test]
    fn every_member_is_reached_and_does_what_the_table_says() {
        let network = Network::new(office(), 1);
        let truth = network.truth();
        assert!((36..=60).contains(&office_names().len()));
        for (address, open) in office_truth() {
            assert_eq!(truth.open([address], 1..=10_000).map(|target| target.port()).collect::<Vec<_>>(), open, "{address}");
        }
        let silent = Ipv4Addr::new(10, 20, 1, 41);
        assert!(truth.silent([silent], 1..=65535).count() == 65535);
        let nowhere = Nature::Rejected { kind: 3, code: 0, from: OFFICE_GATEWAY };
        assert_eq!(truth.nature(std::net::SocketAddrV4::new(Ipv4Addr::new(10, 20, 9, 9), 80)), nowhere);
    }

    #[test]
    fn nobody_has_the_scanners_address_and_names_are_unique() {
        let names = office_names();
        assert!(names.iter().all(|(address, _)| *address != OFFICE_SCANNER));
        let distinct: std::collections::BTreeSet<_> = names.iter().map(|(_, name)| name).collect();
        assert_eq!(distinct.len(), names.len());
    }
}
