//! Paths that are hard on a scan, by name: what rate control and completeness are measured on.
//!
//! If a scenario does not say otherwise, 65,536 addresses behind a gateway have one target each, a tenth of them answers (half by
//! SYN-ACK, half by RST), a round trip takes 10 ms, up to 2 ms more for each address and 0.5 ms jitter, and the device sends a
//! million packets a second. SYN-ACKs are not repeated, so that each reply is the answer to one probe.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnetwork::Ipv4Network;

use super::host::{HostSpec, Limit, Shares, Tripwire};
use super::network::Network;
use super::path::{Capacity, Element, Latency, PathSpec};
use super::topology::{Router, Segment, Topology};
use super::virtual_time::DeviceLimit;
use crate::target::{AddressRange, AddressSet, PortSet};

/// A named path and what to scan behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    name: &'static str,
    hosts: u32,
    ports: u16,
    answering: f64,
    /// Share of these that is open; the others are closed.
    open: f64,
    latency: Latency,
    up: Vec<Element>,
    down: Vec<Element>,
    reply_limit: Option<Limit>,
    reset_limit: Option<Limit>,
    /// Probes a second that the path takes at best.
    capacity: f64,
    /// Changes of it: from when, to what.
    steps: Vec<(Duration, f64)>,
}

impl Scenario {
    /// The scanner's address in every scenario, on a /24 with the gateway.
    pub const SCANNER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    /// The gateway to all targets; it answers ARP.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    /// What the scanner's device takes: a million frames a second.
    pub const DEVICE: DeviceLimit = DeviceLimit { frames_per_ms: 1000, receive_buffer: usize::MAX };

    /// All scenarios.
    pub fn all() -> Vec<Self> {
        scenarios()
    }

    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        scenarios().into_iter().find(|scenario| scenario.name == name)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The addresses to scan.
    pub fn addresses(&self) -> AddressSet {
        let last = Ipv4Addr::from_bits(FIRST_TARGET.to_bits() + self.hosts - 1);
        AddressRange::new(IpAddr::V4(FIRST_TARGET), IpAddr::V4(last)).into_iter().collect()
    }

    /// The addresses to scan, one by one.
    pub fn hosts(&self) -> impl Iterator<Item = Ipv4Addr> + Clone + use<> {
        (FIRST_TARGET.to_bits()..FIRST_TARGET.to_bits() + self.hosts).map(Ipv4Addr::from_bits)
    }

    /// The ports to scan on each.
    pub fn ports(&self) -> PortSet {
        match self.ports {
            1 => [80].into_iter().collect(),
            ports => (1..=ports).collect(),
        }
    }

    /// How many targets.
    pub fn targets(&self) -> u64 {
        u64::from(self.hosts) * u64::from(self.ports)
    }

    /// The same path with this many addresses behind it (at least 1, at most the 4,194,304 of 10.64.0.0/10).
    #[must_use]
    pub fn with_hosts(mut self, hosts: u32) -> Self {
        let hosts = hosts.clamp(1, 1 << 22);
        if self.reply_limit.is_some() {
            self.capacity *= f64::from(hosts) / f64::from(self.hosts);
        }
        self.hosts = hosts;
        self
    }

    /// How long one pass over all targets takes at the rate of the bottleneck.
    pub fn ideal(&self) -> Duration {
        let (mut left, mut rate, mut since) = (self.targets() as f64, self.capacity, Duration::ZERO);
        for &(step, next) in &self.steps {
            let passed = step.saturating_sub(since).as_secs_f64() * rate;
            if passed >= left {
                break;
            }
            (left, rate, since) = (left - passed, next, step);
        }
        since + Duration::from_secs_f64(left / rate)
    }

    /// The network of this scenario.
    pub fn topology(&self) -> Topology {
        let Latency { fixed, spread, jitter } = self.latency;
        let shares = Shares::new(self.answering * self.open, self.answering * (1.0 - self.open));
        let mut host = HostSpec::drawn(shares).repeats(0);
        if let Some(limit) = self.reply_limit {
            host = host.reply_limit(limit);
        }
        if let Some(limit) = self.reset_limit {
            host = host.reset_limit(limit);
        }
        let path = PathSpec { up: self.up.clone(), down: self.down.clone() }.round_trip(Latency { fixed, spread, jitter });
        Topology::new()
            .router(Router::new(Self::GATEWAY))
            .segment(Segment::on_link(network(Self::SCANNER, 24)).host(Self::GATEWAY, HostSpec::serving([])))
            .segment(Segment::routed(network(FIRST_TARGET, 10), [Self::GATEWAY]).path(path).population(1.0, host))
    }

    /// The network of this scenario at work.
    pub fn network(&self, seed: u64) -> Network {
        Network::new(self.topology(), seed)
    }

    fn new(name: &'static str) -> Self {
        let latency = Latency { fixed: Duration::from_millis(10), spread: Duration::from_millis(2), jitter: Duration::from_micros(500) };
        Self {
            name,
            hosts: 65_536,
            ports: 1,
            answering: 0.1,
            open: 0.5,
            latency,
            up: Vec::new(),
            down: Vec::new(),
            reply_limit: None,
            reset_limit: None,
            capacity: f64::from(Self::DEVICE.frames_per_ms) * 1000.0,
            steps: Vec::new(),
        }
    }

    fn local(self) -> Self {
        self.lasting(100, 0, 100)
    }

    /// Round trip, spread and jitter in microseconds.
    fn lasting(self, fixed: u64, spread: u64, jitter: u64) -> Self {
        let [fixed, spread, jitter] = [fixed, spread, jitter].map(Duration::from_micros);
        Self { latency: Latency { fixed, spread, jitter }, ..self }
    }

    fn of(self, hosts: u32, ports: u16) -> Self {
        Self { hosts, ports, ..self }
    }

    fn answering(self, answering: f64) -> Self {
        Self { answering, ..self }
    }

    fn bounded(self, per_second: f64) -> Self {
        Self { capacity: self.capacity.min(per_second), ..self }
    }

    fn through(mut self, element: Element) -> Self {
        self.up.push(element);
        self
    }

    fn policed(self, per_second: f64) -> Self {
        self.policed_with(per_second, 200.0)
    }

    fn policed_with(self, per_second: f64, burst: f64) -> Self {
        self.through(Element::Policer(Limit { per_second, burst }.into())).bounded(per_second)
    }

    fn queued(self, per_second: f64, buffer: u64) -> Self {
        let capacity = Limit { per_second, burst: 1.0 }.into();
        self.through(Element::Queue { capacity, buffer: Duration::from_millis(buffer) }).bounded(per_second).lasting(50_000, 2000, 500)
    }

    fn losing(self, share: f64) -> Self {
        self.losing_since(share, 0)
    }

    fn losing_since(self, share: f64, seconds: u64) -> Self {
        self.through(Element::Loss { share, since: Duration::from_secs(seconds) })
    }

    fn bursting(self, good: u64, bad: u64, loss: f64) -> Self {
        self.through(Element::Bursts { good: Duration::from_millis(good), bad: Duration::from_millis(bad), loss })
    }

    fn failing(self, apart: u64) -> Self {
        self.through(Element::Failures { apart: Duration::from_secs(apart), lasts: Duration::from_secs(2) })
    }

    fn tripping(self, per_second: f64) -> Self {
        let limit = Limit { per_second, burst: per_second * 0.25 };
        self.through(Element::Tripwire(Tripwire { limit, silence: Duration::from_secs(10) })).bounded(per_second)
    }

    /// Hosts that send only so many answers a second.
    fn answering_slowly(self, answers: f64) -> Self {
        let capacity = answers * f64::from(self.hosts) / self.answering;
        Self { reply_limit: Some(Limit::per_second(answers)), ..self }.bounded(capacity)
    }

    /// Hosts of which each port answers, few are open, and that send only so many resets, as BSD does.
    fn resetting_slowly(self, open: f64, resets: f64) -> Self {
        let most = 20e3 * f64::from(self.hosts);
        Self { answering: 1.0, open, reset_limit: Some(Limit::per_second(resets)), ..self }.bounded(most)
    }

    /// A way back that takes only so many answers a second.
    fn returning(mut self, answers: f64) -> Self {
        self.down.push(Element::Policer(Limit { per_second: answers, burst: 50.0 }.into()));
        let capacity = answers / self.answering;
        self.bounded(capacity)
    }

    fn uneven(self, share: f64, loss: f64) -> Self {
        self.through(Element::Uneven { share, loss })
    }

    fn new_targets_limited(self, per_second: f64) -> Self {
        self.through(Element::NewTargets(Limit { per_second, burst: 200.0 })).bounded(per_second)
    }

    /// 40,000 a second, a quarter of that from 2 s to 6 s.
    fn varying(self, element: impl FnOnce(Capacity) -> Element) -> Self {
        let capacity = Capacity::from(Limit { per_second: 40e3, burst: 200.0 });
        let capacity = capacity.step(Duration::from_secs(2), 10e3).step(Duration::from_secs(6), 40e3);
        let steps = capacity.steps.clone();
        Self { steps, ..self.through(element(capacity)).bounded(40e3) }
    }
}

fn scenarios() -> Vec<Scenario> {
    let s = Scenario::new;
    let distant = |s: Scenario| s.lasting(300_000, 100_000, 20_000);
    let one_host = |s: Scenario| s.of(1, 65_535).lasting(1000, 2000, 500);
    vec![
        s("lan-64k").local(),
        s("lan-1M").of(1_000_000, 1).local(),
        s("lan-10M").of(2_500_000, 4).local(),
        s("lan-254").of(254, 1).local(),
        s("pol20k-254").of(254, 1).policed(20e3),
        s("pol20k-4k").of(4096, 1).policed(20e3),
        s("pol5k-64k").policed(5e3),
        s("pol20k-64k").policed(20e3),
        s("pol20k-64k-lan").policed(20e3).lasting(200, 0, 100),
        s("pol200k-64k").policed(200e3),
        s("pol200k-1M").of(1_000_000, 1).policed(200e3),
        s("pol20k-1M").of(1_000_000, 1).policed(20e3),
        s("pol200k-10M").of(2_500_000, 4).policed(200e3),
        s("pol20k-b20").policed_with(20e3, 20.0),
        s("pol20k-b5000").policed_with(20e3, 5000.0),
        s("queue20k-50ms").queued(20e3, 50),
        s("queue20k-500ms").queued(20e3, 500),
        s("queue20k-1M").of(1_000_000, 1).queued(20e3, 50),
        s("loss0.5").of(262_144, 1).policed(100e3).losing(0.005),
        s("loss2").of(262_144, 1).policed(100e3).losing(0.02),
        s("loss5").of(262_144, 1).policed(100e3).losing(0.05),
        s("loss10").of(262_144, 1).policed(100e3).losing(0.1),
        s("loss20").of(262_144, 1).policed(100e3).losing(0.2),
        s("loss5-pol20k").policed(20e3).losing(0.05),
        s("loss0.05-pol20k").policed(20e3).losing(0.0005),
        s("ge-bursts").of(1_000_000, 1).bursting(1000, 30, 0.8).policed(100e3),
        s("ge-slow").of(1_000_000, 1).bursting(5000, 500, 0.3).policed(100e3),
        s("outage2s-20k").of(262_144, 1).failing(5).policed(20e3),
        s("outage2s-100k").of(1_000_000, 1).failing(8).policed(100e3),
        one_host(s("host100-r1")).answering(1.0).answering_slowly(100.0),
        one_host(s("host1000-r1")).answering(1.0).answering_slowly(1000.0),
        one_host(s("host1000-r.1")).answering_slowly(1000.0),
        one_host(s("host-nolim-r1")).answering(1.0),
        one_host(s("host-nolim-r.0005")).answering(0.0005),
        s("host64x1000ports-l200").of(64, 1000).answering(0.5).lasting(5000, 2000, 500).answering_slowly(200.0),
        s("fw5k-64k").tripping(5e3),
        s("fw20k-262k").of(262_144, 1).tripping(20e3),
        s("fw20k-1M").of(1_000_000, 1).tripping(20e3),
        s("rep1k-r.1").returning(1e3),
        s("rep2k-r.1-262k").of(262_144, 1).returning(2e3),
        s("rep1k-r.01-262k").of(262_144, 1).answering(0.01).returning(1e3),
        s("sparse.0005-pol20k").answering(0.0005).policed(20e3),
        s("sparse.005-pol20k").answering(0.005).policed(20e3),
        s("sparse.0005-pol20k-1M").of(1_000_000, 1).answering(0.0005).policed(20e3),
        s("sparse.005-pol200k-1M").of(1_000_000, 1).answering(0.005).policed(200e3),
        s("sparse.005-loss5").of(262_144, 1).answering(0.005).policed(20e3).losing(0.05),
        s("dense-pol20k").answering(1.0).policed(20e3),
        s("dense-loss10").answering(1.0).policed(20e3).losing(0.1),
        distant(s("rtt300-pol20k")).policed(20e3),
        distant(s("rtt300-pol20k-262k")).of(262_144, 1).policed(20e3),
        s("vary40-10-40k").of(262_144, 1).varying(Element::Policer),
        s("vary-q40-10-40k").of(262_144, 1).lasting(50_000, 2000, 500).varying(|capacity| Element::Queue { capacity, buffer: BUFFER }),
        s("het10%-loss30").of(262_144, 1).policed(20e3).uneven(0.1, 0.3),
        s("het20%-loss10").of(262_144, 1).policed(20e3).uneven(0.2, 0.1),
        s("coldarp50").policed(20e3).through(Element::FirstContact { loss: 0.5 }),
        s("newtarget20k").new_targets_limited(20e3),
        s("newtarget20k-262k").of(262_144, 1).new_targets_limited(20e3),
        s("onset5%-t3").of(262_144, 1).policed(50e3).losing_since(0.05, 3),
        s("onset20%-t3").of(262_144, 1).policed(50e3).losing_since(0.2, 3),
        one_host(s("rst200-1%open")).resetting_slowly(0.01, 200.0),
        one_host(s("rst200-20open")).resetting_slowly(0.0003, 200.0),
        s("rst200-64x1000").of(64, 1000).lasting(5000, 2000, 500).resetting_slowly(0.02, 200.0),
        s("none-answers").answering(0.0).policed(20e3),
    ]
}

fn network(address: Ipv4Addr, prefix: u8) -> Ipv4Network {
    Ipv4Network::new_checked(address, prefix).expect("a constant prefix of at most 32")
}

const FIRST_TARGET: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);
const BUFFER: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::truth::Nature;
    use super::*;
    use crate::net::Receiver;
    use crate::packet::{Checksums, Hop, MacAddr, Probe, Reply, SynTemplate, write_request};
    use crate::time::Time;
    use crate::{lab::VirtualNetwork, lab::mac_of};

    #[test]
    fn names_are_unique_and_found() {
        let all = Scenario::all();
        assert_eq!(all.iter().map(Scenario::name).collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|scenario| Scenario::named(scenario.name()).as_ref() == Some(scenario)));
        assert_eq!(Scenario::named("none"), None);
    }

    #[test]
    fn one_pass_takes_what_the_bottleneck_allows() {
        for (name, seconds) in [
            ("lan-64k", 0.065_536),
            ("pol20k-64k", 3.2768),
            ("fw5k-64k", 13.1072),
            ("host100-r1", 655.35),
            ("host64x1000ports-l200", 2.5),
            ("rep1k-r.1", 6.5536),
            ("vary40-10-40k", 9.5536),
        ] {
            let ideal = Scenario::named(name).unwrap().ideal().as_secs_f64();
            assert!((ideal - seconds).abs() < 1e-6, "{name}: {ideal}");
        }
    }

    /// One pass at a fixed rate over the links: ARP, then each target once. (targets that answered, targets that would)
    fn one_pass(scenario: &Scenario, per_ms: usize) -> (usize, usize) {
        let network = VirtualNetwork::with_limit(scenario.network(5), Scenario::DEVICE);
        let (mut transmitter, mut receiver) = (network.transmitter(), network.receiver());
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let len = write_request(transmitter.slot().unwrap(), mac, Scenario::SCANNER, Scenario::GATEWAY);
        transmitter.commit(len);
        transmitter.flush().unwrap();
        let arrived = receive(receiver.as_mut());
        assert!(matches!(arrived[..], [Reply::Arp(arp)] if arp.mac == mac_of(Scenario::GATEWAY)), "{arrived:?}");

        let hop = Hop::Ethernet { source: mac, destination: mac_of(Scenario::GATEWAY) };
        let targets: Vec<_> =
            scenario.hosts().flat_map(|host| scenario.ports().iter().map(move |port| (host, port)).collect::<Vec<_>>()).collect();
        let mut answered = 0;
        for (ms, batch) in targets.chunks(per_ms).enumerate() {
            network.advance(Time::from_nanos(ms as u64 * 1_000_000));
            answered += receive(receiver.as_mut()).len();
            for &(destination, destination_port) in batch {
                let probe = Probe { hop, source: Scenario::SCANNER, destination, source_port: 9, destination_port, sequence: 7 };
                let len = SynTemplate::new().write(transmitter.slot().unwrap(), &probe);
                transmitter.commit(len);
            }
            assert_eq!(transmitter.flush().unwrap(), batch.len());
        }
        while let Some(next) = network.next_delivery() {
            network.advance(next);
            answered += receive(receiver.as_mut()).len();
        }
        assert_eq!(network.truth(|truth| (truth.under_way(), truth.half_open())), (0, 0));
        (
            answered,
            network.truth(|truth| {
                truth.natures(scenario.hosts(), scenario.ports().iter().collect::<Vec<_>>()).filter(|(_, nature)| nature.answers()).count()
            }),
        )
    }

    fn receive(receiver: &mut dyn Receiver) -> Vec<Reply> {
        let mut replies = Vec::new();
        let each = &mut |frame: crate::net::Frame<'_>| replies.push(Reply::parse(frame.bytes, frame.medium, Checksums::Verify).unwrap());
        receiver.receive(Duration::ZERO, each).unwrap();
        replies
    }

    #[test]
    fn below_the_bottleneck_all_answer_and_above_it_few() {
        let scenario = Scenario::named("pol20k-64k").unwrap().with_hosts(20_000);
        let (answered, answering) = one_pass(&scenario, 20);
        assert_eq!(answered, answering);
        assert!((1_850..2_150).contains(&answering), "{answering}");
        let (answered, _) = one_pass(&scenario, 100);
        assert!((answering / 5..answering / 4).contains(&answered), "{answered}");
    }

    #[test]
    fn each_scenario_works() {
        for scenario in Scenario::all() {
            let scenario = scenario.with_hosts(500);
            let scenario = Scenario { ports: scenario.ports.min(20), ..scenario };
            let (answered, answering) = one_pass(&scenario, 5);
            assert!(answered <= answering, "{}", scenario.name());
            assert!(answered > 0 || scenario.answering < 0.001, "{}", scenario.name());
        }
    }

    #[test]
    fn a_seed_draws_its_own_hosts() {
        let scenario = Scenario::named("pol20k-64k").unwrap();
        let natures = |seed| {
            scenario.network(seed).truth().natures(scenario.hosts().take(1000), [80]).map(|(_, nature)| nature).collect::<Vec<Nature>>()
        };
        assert_eq!(natures(1), natures(1));
        assert_ne!(natures(1), natures(2));
    }
}
