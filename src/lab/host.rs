//! What a simulated host is: its ports, its limits, its habits. Plain descriptions; nothing here happens.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::packet::MacAddr;

/// How a port treats a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortState {
    /// SYN-ACK.
    Open,
    /// RST.
    Closed,
    /// Nothing.
    Silent,
    /// An ICMP error.
    Rejected(Rejection),
}

/// The ICMP error that answers a SYN (RFC 792).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rejection {
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Who says so.
    pub from: Sender,
}

/// Who sends an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The target itself.
    Host,
    /// The last router before it; the target itself where there is none.
    Router,
}

impl Rejection {
    /// 3/0, from the router.
    pub const NET_UNREACHABLE: Self = Self::unreachable(0, Sender::Router);
    /// 3/1, from the router.
    pub const HOST_UNREACHABLE: Self = Self::unreachable(1, Sender::Router);
    /// 3/2, from the host.
    pub const PROTOCOL_UNREACHABLE: Self = Self::unreachable(2, Sender::Host);
    /// 3/3, from the host.
    pub const PORT_UNREACHABLE: Self = Self::unreachable(3, Sender::Host);
    /// 3/9, from the router.
    pub const NET_PROHIBITED: Self = Self::unreachable(9, Sender::Router);
    /// 3/10, from the host.
    pub const HOST_PROHIBITED: Self = Self::unreachable(10, Sender::Host);
    /// 3/13, from the host.
    pub const ADMIN_PROHIBITED: Self = Self::unreachable(13, Sender::Host);
    /// 11/0, from the router: a routing loop.
    pub const TIME_EXCEEDED: Self = Self { kind: 11, code: 0, from: Sender::Router };

    /// Destination unreachable with any code.
    pub const fn unreachable(code: u8, from: Sender) -> Self {
        Self { kind: 3, code, from }
    }

    /// The same error from another sender.
    #[must_use]
    pub const fn from(self, from: Sender) -> Self {
        Self { from, ..self }
    }
}

/// Ports drawn by a keyed hash of (address, port). What is left over is silent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Share of open ports, 0 to 1.
    pub open: f64,
    /// Share of closed ports.
    pub closed: f64,
    /// Share of ports answered by an ICMP error, and which.
    pub rejected: (f64, Rejection),
}

impl Shares {
    /// `open` and `closed` shares, the rest silent.
    pub const fn new(open: f64, closed: f64) -> Self {
        Self { open, closed, rejected: (0.0, Rejection::PORT_UNREACHABLE) }
    }
}

/// A token bucket: so many a second, so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Sustained packets a second.
    pub per_second: f64,
    /// Packets that pass at once after a rest.
    pub burst: f64,
}

impl Limit {
    /// A limit with a tenth of a second's worth of burst, at least one packet.
    pub fn per_second(per_second: f64) -> Self {
        Self { per_second, burst: (per_second * 0.1).max(1.0) }
    }
    /// The same limit with another burst.
    #[must_use]
    pub const fn burst(self, burst: f64) -> Self {
        Self { burst, ..self }
    }
}

/// A firewall that drops everything for a while when SYNs come too fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tripwire {
    /// What it bears.
    pub limit: Limit,
    /// How long it stays silent.
    pub silence: Duration,
}

/// Segments that no honest host would send, for a share of the targets. They come beside what the target answers by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forgery {
    /// Share of (address, port), 0 to 1.
    pub share: f64,
    /// What is wrong with them.
    pub lie: Lie,
}

/// What is wrong with a forged SYN-ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lie {
    /// It acknowledges another sequence number.
    Acknowledgement,
    /// It is addressed to another port of the scanner.
    Port,
    /// It claims to come from another address.
    Address,
}

/// How a host answers ARP.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arp {
    /// Time to answer, beside the path's.
    pub delay: Duration,
    /// Probability that the first request to the host is lost.
    pub cold_loss: f64,
    /// Probability that any request to the host is lost.
    pub loss: f64,
    /// How many requests it ignores before it answers.
    pub ignored: u32,
}

/// A host, or each host of a population.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSpec {
    pub(super) named: BTreeMap<u16, PortState>,
    pub(super) otherwise: Otherwise,
    pub(super) mac: Option<MacAddr>,
    pub(super) ttl: u8,
    pub(super) window: u16,
    pub(super) delay: Duration,
    pub(super) up_from: Duration,
    pub(super) repeats: u8,
    pub(super) arp: Arp,
    pub(super) syn_limit: Option<Limit>,
    pub(super) reply_limit: Option<Limit>,
    pub(super) reset_limit: Option<Limit>,
    pub(super) tripwire: Option<Tripwire>,
    pub(super) forgery: Option<Forgery>,
    pub(super) echo: bool,
}

/// The ports that are not named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Otherwise {
    All(PortState),
    Drawn(Shares),
}

impl HostSpec {
    /// A host whose ports all do the same.
    pub fn all(state: PortState) -> Self {
        Self::with(Otherwise::All(state))
    }

    /// A host whose ports are drawn.
    pub fn drawn(shares: Shares) -> Self {
        Self::with(Otherwise::Drawn(shares))
    }

    /// An ordinary host: these ports open, all others closed.
    pub fn serving(open: impl IntoIterator<Item = u16>) -> Self {
        Self::all(PortState::Closed).ports(open, PortState::Open)
    }

    /// A host behind a firewall that drops: these ports open, all others silent.
    pub fn shielded(open: impl IntoIterator<Item = u16>) -> Self {
        Self::all(PortState::Silent).ports(open, PortState::Open)
    }

    /// A middlebox that answers each SYN itself, with a window of zero (RFC 4987 section 3.7).
    pub fn syn_proxy() -> Self {
        Self::all(PortState::Open).window(0).repeats(0)
    }

    /// A host that accepts everything and lets nobody go: each port open, with a tiny window.
    pub fn tarpit() -> Self {
        Self::all(PortState::Open).window(10)
    }

    fn with(otherwise: Otherwise) -> Self {
        Self {
            named: BTreeMap::new(),
            otherwise,
            mac: None,
            ttl: 64,
            window: 64_240,
            delay: Duration::ZERO,
            up_from: Duration::ZERO,
            repeats: 3,
            arp: Arp::default(),
            syn_limit: None,
            reply_limit: None,
            reset_limit: None,
            tripwire: None,
            forgery: None,
            echo: true,
        }
    }

    /// What these ports do.
    #[must_use]
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>, state: PortState) -> Self {
        self.named.extend(ports.into_iter().map(|port| (port, state)));
        self
    }

    /// Its hardware address, instead of one made from its address.
    #[must_use]
    pub fn mac(mut self, mac: MacAddr) -> Self {
        self.mac = Some(mac);
        self
    }

    /// The time to live its packets leave with; 64 if not said.
    #[must_use]
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// The window of its SYN-ACKs.
    #[must_use]
    pub fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    /// How long it thinks before each answer.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// It does not exist before this time of the simulation.
    #[must_use]
    pub fn up_from(mut self, since: Duration) -> Self {
        self.up_from = since;
        self
    }

    /// How often it repeats an unanswered SYN-ACK: 3 times if not said, after 1, 3 and 7 seconds.
    #[must_use]
    pub fn repeats(mut self, repeats: u8) -> Self {
        self.repeats = repeats;
        self
    }

    /// How it answers ARP.
    #[must_use]
    pub fn arp(mut self, arp: Arp) -> Self {
        self.arp = arp;
        self
    }

    /// How many SYNs it admits; more are dropped.
    #[must_use]
    pub fn syn_limit(mut self, limit: Limit) -> Self {
        self.syn_limit = Some(limit);
        self
    }

    /// How many answers of any kind it sends.
    #[must_use]
    pub fn reply_limit(mut self, limit: Limit) -> Self {
        self.reply_limit = Some(limit);
        self
    }

    /// How many RSTs it sends.
    #[must_use]
    pub fn reset_limit(mut self, limit: Limit) -> Self {
        self.reset_limit = Some(limit);
        self
    }

    /// Its firewall.
    #[must_use]
    pub fn tripwire(mut self, tripwire: Tripwire) -> Self {
        self.tripwire = Some(tripwire);
        self
    }

    /// It does not answer ICMP echo.
    #[must_use]
    pub fn without_echo(mut self) -> Self {
        self.echo = false;
        self
    }

    /// Forged segments in its name.
    #[must_use]
    pub fn forgery(mut self, forgery: Forgery) -> Self {
        self.forgery = Some(forgery);
        self
    }
}
