//! Ways through a made-up network, by the real kernel in a namespace of its own.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::namespace::Namespace;
use super::testing::rerun_in_namespace;
use super::tun::Tun;
use super::veth::{NewRoute, Wiring};
use crate::net::interface::{InterfaceKind, interfaces, subnets_edges};
use crate::net::neighbour::neighbours;
use crate::net::route::{Override, Way, WayHop, ways};
use crate::net::view::SystemView;
use crate::packet::MacAddr;
use crate::target::{AddressRange, AddressSet};

#[test]
fn ways_are_those_of_the_kernel() {
    if !rerun_in_namespace("net::linux::ways_tests::ways_are_those_of_the_kernel").inside() {
        return;
    }
    let mut bed = Bed::new();
    let (eth, other, lo) = (bed.index("eth0"), bed.index("eth1"), bed.index("lo"));
    let (source, far) = (ip("10.1.0.1"), ip("10.2.0.1"));
    let on_link = WayHop::OnLink { interface: eth, source };
    let gateway = |last: &str| WayHop::Gateway { interface: eth, source, gateway: ip(last) };

    assert_eq!(
        found("10.1.0.0", "10.1.0.255"),
        [
            line("10.1.0.0", "10.1.0.0", &on_link),
            line("10.1.0.1", "10.1.0.1", &WayHop::Local { interface: lo, source }),
            line("10.1.0.2", "10.1.0.254", &on_link),
            line("10.1.0.255", "10.1.0.255", &none("a broadcast address")),
        ],
        "a subnet with our own address in it"
    );
    let rest = gateway("10.1.0.254");
    assert_eq!(
        found("10.20.0.0", "10.20.9.255"),
        [
            line("10.20.0.0", "10.20.0.255", &rest),
            line("10.20.1.0", "10.20.1.255", &gateway("10.1.0.253")),
            line("10.20.2.0", "10.20.2.15", &none("an unreachable route")),
            line("10.20.2.16", "10.20.2.255", &rest),
            line("10.20.3.0", "10.20.3.255", &none("a blackhole route")),
            line("10.20.4.0", "10.20.4.255", &none("a prohibit route")),
            line("10.20.5.0", "10.20.5.127", &rest),
            line("10.20.5.128", "10.20.5.255", &WayHop::Gateway { interface: other, source: far, gateway: ip("10.2.0.254") }),
            line("10.20.6.0", "10.20.7.255", &rest),
            line("10.20.8.0", "10.20.8.255", &WayHop::Local { interface: lo, source: ip("10.20.8.0") }),
            line("10.20.9.0", "10.20.9.255", &rest),
        ],
        "more specific routes, a rule's table, dead ends, AnyIP"
    );
    assert_eq!(
        found("127.0.0.1", "127.0.0.9"),
        [line("127.0.0.1", "127.0.0.9", &WayHop::Local { interface: lo, source: ip("127.0.0.1") })]
    );
    assert_eq!(found("224.0.0.1", "224.0.0.9"), [line("224.0.0.1", "224.0.0.9", &none("a multicast address"))]);

    let six = ip("2001:db8:1::1");
    // The kernel makes the route of a new IPv6 address in its own time (a work queue), also without duplicate address detection.
    for _ in 0..500 {
        if found("2001:db8:1::1", "2001:db8:1::1")
            == [line("2001:db8:1::1", "2001:db8:1::1", &WayHop::Local { interface: lo, source: six })]
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(
        found("2001:db8:1::1", "2001:db8:4::ff"),
        [
            line("2001:db8:1::1", "2001:db8:1::1", &WayHop::Local { interface: lo, source: six }),
            line("2001:db8:1::2", "2001:db8:1:0:ffff:ffff:ffff:ffff", &WayHop::OnLink { interface: eth, source: six }),
            line("2001:db8:1:1::", "2001:db8:2:ffff:ffff:ffff:ffff:ffff", &none("no route")),
            line(
                "2001:db8:3::",
                "2001:db8:3:ffff:ffff:ffff:ffff:ffff",
                &WayHop::Gateway { interface: eth, source: six, gateway: ip("2001:db8:1::fe") }
            ),
            line("2001:db8:4::", "2001:db8:4::ff", &none("no route")),
        ],
        "IPv6"
    );
}

#[test]
fn what_the_user_wants_goes_before_the_table() {
    if !rerun_in_namespace("net::linux::ways_tests::what_the_user_wants_goes_before_the_table").inside() {
        return;
    }
    let mut bed = Bed::new();
    let (other, lo, far) = (bed.index("eth1"), bed.index("lo"), ip("10.2.0.1"));
    let over = |interface: Option<&str>, source: Option<&str>| Override { interface: interface.map(Into::into), source: source.map(ip) };

    let over_other = over(Some("eth1"), None);
    assert_eq!(asked("10.2.0.7", &over_other), WayHop::OnLink { interface: other, source: far });
    assert_eq!(asked("10.20.0.7", &over_other), none("no route over eth1"), "the kernel would take it to be on the link");
    assert_eq!(asked("10.1.0.1", &over_other), WayHop::Local { interface: lo, source: ip("10.1.0.1") }, "never onto the wire");

    let second = over(None, Some("10.1.0.9"));
    bed.near.add_address("eth0", net("10.1.0.9/24")).unwrap();
    let interface = bed.index("eth0");
    assert_eq!(asked("10.20.0.7", &second), WayHop::Gateway { interface, source: ip("10.1.0.9"), gateway: ip("10.1.0.254") });
    assert_eq!(asked("2001:db8:1::7", &second), none("the source address asked for is of the other family"));
    let nowhere = over(None, Some("127.0.0.1"));
    assert_eq!(
        asked("10.20.0.7", &nowhere),
        none("the kernel sends nothing there from 127.0.0.1: leave --source-ip out, or take 10.1.0.1")
    );
    assert_eq!(asked("10.20.3.7", &nowhere), none("a blackhole route"));
    assert_eq!(asked("127.0.0.1", &over(None, Some("127.0.0.5"))), WayHop::Local { interface: lo, source: ip("127.0.0.5") });

    // A rule by source: what is asked for decides, and so does what the kernel itself chooses.
    bed.near.add_route(NewRoute::through(net("10.30.0.0/16"), ip("10.1.0.254")).from_source(ip("10.1.0.9"))).unwrap();
    bed.near.add_rule(None, Some(net("10.1.0.9/32")), 200).unwrap();
    bed.near.add_route(NewRoute::through(net("10.30.0.0/16"), ip("10.1.0.252")).in_table(200)).unwrap();
    let by_rule = WayHop::Gateway { interface, source: ip("10.1.0.9"), gateway: ip("10.1.0.252") };
    assert_eq!(asked("10.30.0.7", &second), by_rule);
    assert_eq!(asked("10.30.0.7", &Override::default()), by_rule);

    let fails = |over: &Override| ways(&set("10.1.0.7", "10.1.0.7"), over).unwrap_err().to_string();
    assert_eq!(fails(&over(Some("eth9"), None)), "use interface eth9: there is none of that name (there are lo, eth0, eth1)",);
    assert_eq!(fails(&over(None, Some("10.1.0.77"))), "send from 10.1.0.77: source address not ours (see `synprobe interfaces`)");
    bed.near.set_down("eth1").unwrap();
    assert_eq!(fails(&over_other), "use interface eth1: it is down (ip link set eth1 up)");
    bed.near.set_up("eth1").unwrap();
    bed.far.set_down("peer1").unwrap();
    assert_eq!(fails(&over_other), "use interface eth1: it has no carrier (is the cable in?)");
    assert_eq!(asked("10.2.0.7", &Override::default()), none("eth1 has no carrier"));
}

#[test]
fn interfaces_neighbours_and_routes_are_listed() {
    if !rerun_in_namespace("net::linux::ways_tests::interfaces_neighbours_and_routes_are_listed").inside() {
        return;
    }
    let mut bed = Bed::new();
    let mac = MacAddr([2, 0xfc, 0, 0, 0, 7]);
    bed.near.add_neighbour("eth0", ip("10.1.0.7"), mac).unwrap();
    bed.near.add_neighbour("eth0", ip("2001:db8:1::7"), mac).unwrap();
    bed.near.add_neighbour("eth1", ip("10.2.0.7"), mac).unwrap();
    let mut listed = neighbours(bed.index("eth0")).unwrap();
    listed.retain(|(_, address)| *address == mac);
    listed.sort();
    assert_eq!(listed, [(ip("10.1.0.7"), mac), (ip("2001:db8:1::7"), mac)]);

    bed.near.set_mtu("eth0", 1400).unwrap();
    let all = interfaces().unwrap();
    let eth = all.iter().find(|interface| interface.name == "eth0").unwrap();
    assert_eq!(
        (eth.mac, eth.mtu, eth.kind, eth.up, eth.carrier, eth.arp),
        (Some(Bed::MAC), 1400, InterfaceKind::Ethernet, true, true, true)
    );
    assert!(eth.addresses.contains(&net("10.1.0.1/24")), "{:?}", eth.addresses);
    let lo = all.iter().find(|interface| interface.name == "lo").unwrap();
    assert_eq!((lo.kind, lo.mac, lo.up, lo.carrier, lo.arp), (InterfaceKind::Loopback, None, true, true, false));
    let edges: Vec<_> = subnets_edges(&all).ranges().map(|range| (range.first(), range.last())).collect();
    assert_eq!(edges, ["10.1.0.0", "10.1.0.255", "10.2.0.0", "10.2.0.255"].map(|edge| (ip(edge), ip(edge))));

    let view = SystemView::read().unwrap();
    let route = |to: &str| view.routes.iter().find(|route| route.destination == net(to)).unwrap();
    let default = route("0.0.0.0/0");
    assert_eq!((default.interface.as_deref(), default.gateway, default.table), (Some("eth0"), Some(ip("10.1.0.254")), 254));
    assert_eq!((route("10.20.3.0/24").kind, route("10.20.3.0/24").interface.as_deref()), ("blackhole", None));
    assert_eq!(route("10.20.5.128/25").table, 100);
    assert_eq!(route("2001:db8:3::/48").gateway, Some(ip("2001:db8:1::fe")));

    bed.near.delete_link("eth1").unwrap();
    assert!(interfaces().unwrap().iter().all(|interface| interface.name != "eth1"));
    assert!(bed.near.delete_link("eth1").unwrap_err().to_string().starts_with("delete interface eth1: "));
}

#[test]
fn a_tunnel_needs_no_next_hop() {
    const NAME: &str = "net::linux::ways_tests::a_tunnel_needs_no_next_hop";
    if !rerun_in_namespace(NAME).inside() {
        return;
    }
    let _tun = match Tun::open("tun0") {
        Ok(tun) => tun,
        Err(error) => return println!("SKIPPED {NAME}: {error}"),
    };
    let mut wiring = Wiring::open().unwrap();
    wiring.add_address("tun0", net("10.9.0.1/24")).unwrap();
    wiring.set_up("tun0").unwrap();
    wiring.add_route(NewRoute::through(net("10.99.0.0/16"), ip("10.9.0.254"))).unwrap();
    let interface = wiring.index("tun0").unwrap();
    let tunnel = WayHop::Tunnel { interface, source: ip("10.9.0.1") };
    assert_eq!(asked("10.9.0.7", &Override::default()), tunnel);
    assert_eq!(asked("10.99.0.7", &Override::default()), tunnel);
    let over = Override { interface: Some("tun0".into()), source: None };
    assert_eq!(asked("198.51.100.7", &over), tunnel, "whatever is asked for over a tunnel goes into it");
    assert_eq!(asked("198.51.100.7", &Override::default()), none("no route"));
    let all = interfaces().unwrap();
    let tun = all.iter().find(|interface| interface.name == "tun0").unwrap();
    assert_eq!((tun.kind, tun.mac, tun.arp), (InterfaceKind::Tunnel, None, false));
}

/// Two links to a namespace beside this one, and routes of every kind.
struct Bed {
    near: Wiring,
    far: Wiring,
    _beyond: Namespace,
}

impl Bed {
    const MAC: MacAddr = MacAddr([2, 0xfc, 0, 0, 0, 1]);

    fn new() -> Self {
        let beyond = Namespace::new().unwrap();
        let (mut near, mut far) = (Wiring::open().unwrap(), Wiring::open_in(&beyond).unwrap());
        near.loopback_up().unwrap();
        for (link, peer, address) in [("eth0", "peer0", "10.1.0.1/24"), ("eth1", "peer1", "10.2.0.1/24")] {
            near.add_veth(link, peer, Some(&beyond)).unwrap();
            near.add_address(link, net(address)).unwrap();
            far.set_up(peer).unwrap();
        }
        near.set_mac("eth0", Self::MAC).unwrap();
        near.add_address("eth0", net("2001:db8:1::1/64")).unwrap();
        near.set_up("eth0").unwrap();
        near.set_up("eth1").unwrap();
        for route in [
            NewRoute::through(net("0.0.0.0/0"), ip("10.1.0.254")),
            NewRoute::through(net("10.20.1.0/24"), ip("10.1.0.253")),
            NewRoute::unreachable(net("10.20.2.0/28")),
            NewRoute::blackhole(net("10.20.3.0/24")),
            NewRoute::prohibit(net("10.20.4.0/24")),
            NewRoute::through(net("10.20.5.128/25"), ip("10.2.0.254")).in_table(100),
            NewRoute::local(net("10.20.8.0/24")),
            NewRoute::through(net("2001:db8:3::/48"), ip("2001:db8:1::fe")),
        ] {
            near.add_route(route).unwrap();
        }
        // Only a part of what the rule sends there has a route in its table.
        near.add_rule(Some(net("10.20.5.0/24")), None, 100).unwrap();
        Self { near, far, _beyond: beyond }
    }

    fn index(&mut self, name: &str) -> u32 {
        self.near.index(name).unwrap()
    }
}

fn found(first: &str, last: &str) -> Vec<String> {
    let ways = ways(&set(first, last), &Override::default()).unwrap();
    ways.iter().map(|Way { range, hop }| line(&range.first().to_string(), &range.last().to_string(), hop)).collect()
}

fn line(first: &str, last: &str, hop: &WayHop) -> String {
    format!("{first}-{last} {hop:?}")
}

fn asked(to: &str, over: &Override) -> WayHop {
    let mut ways = ways(&set(to, to), over).unwrap();
    assert_eq!(ways.len(), 1);
    ways.remove(0).hop
}

fn none(cause: &str) -> WayHop {
    WayHop::Unroutable { cause: cause.into() }
}

fn set(first: &str, last: &str) -> AddressSet {
    AddressSet::from_iter([AddressRange::new(ip(first), ip(last)).unwrap()])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}
