//! What happened in the network so far.

/// Why a packet did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// Random loss.
    Loss,
    /// Loss in a burst.
    Burst,
    /// An outage.
    Outage,
    /// Over a policer's rate.
    Policer,
    /// A queue's buffer was full.
    Queue,
    /// The first packet to an address.
    FirstContact,
    /// Over the rate of packets to unresolved targets.
    NewTarget,
    /// Loss of one of the badly reached addresses.
    Uneven,
    /// A firewall gone silent.
    Firewall,
    /// Over a host's SYN limit.
    SynLimit,
    /// Over a host's reply limit.
    ReplyLimit,
    /// Over a host's RST limit.
    ResetLimit,
    /// Over a router's limit of ICMP errors.
    IcmpLimit,
    /// The host was not up yet.
    NotUp,
    /// To a hardware address that is not the right next hop's.
    Misaddressed,
    /// To an address that no segment has.
    NoRoute,
    /// An ARP request lost because it was the host's first, or one that it ignores.
    Arp,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 17] = [
        Self::Loss,
        Self::Burst,
        Self::Outage,
        Self::Policer,
        Self::Queue,
        Self::FirstContact,
        Self::NewTarget,
        Self::Uneven,
        Self::Firewall,
        Self::SynLimit,
        Self::ReplyLimit,
        Self::ResetLimit,
        Self::IcmpLimit,
        Self::NotUp,
        Self::Misaddressed,
        Self::NoRoute,
        Self::Arp,
    ];
}

/// Packets that did not arrive, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; Cause::ALL.len()]);

impl Drops {
    /// How many for this cause.
    pub fn by(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The causes that occurred, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> + '_ {
        Cause::ALL.into_iter().map(|cause| (cause, self.by(cause))).filter(|&(_, count)| count > 0)
    }

    pub(super) fn count(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }
}

/// Counts since the beginning. Of what is injected: `frames = malformed + foreign + arp_requests + syns + resets + acknowledgements +
/// echo_requests`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames injected.
    pub frames: u64,
    /// Frames that cannot be: truncated, wrong lengths or checksums.
    pub malformed: u64,
    /// Well-formed frames that nobody here answers: other protocols, ARP replies, segments with odd flags.
    pub foreign: u64,
    /// ARP requests injected.
    pub arp_requests: u64,
    /// SYNs injected.
    pub syns: u64,
    /// RSTs injected.
    pub resets: u64,
    /// Other segments with ACK injected.
    pub acknowledgements: u64,
    /// ICMP echo requests injected.
    pub echo_requests: u64,
    /// What became of each injected SYN.
    pub fates: Fates,
    /// Packets of all kinds lost on the way to hosts or at them.
    pub dropped_up: Drops,
    /// Packets of all kinds lost on the way back.
    pub dropped_down: Drops,
    /// Copies that the network made of packets in either direction.
    pub duplicates: u64,
    /// Forged segments sent.
    pub forged: u64,
    /// SYN-ACKs sent again because nothing ended the connection.
    pub repeats: u64,
    /// Half-open connections ended by a RST of the scanner.
    pub reset_by_scanner: u64,
    /// RSTs of the scanner that matched no half-open connection.
    pub stray_resets: u64,
    /// Connections completed by an ACK.
    pub established: u64,
    /// Half-open connections given up by the host, never reset.
    pub abandoned: u64,
    /// The most half-open connections there were at once.
    pub half_open_peak: u64,
    /// Frames delivered to the scanner.
    pub delivered: u64,
}

/// What became of the injected SYNs: each ends as exactly one of these, or is still under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Its answer was delivered.
    pub answered: u64,
    /// It arrived where nothing answers by nature: a silent port, an address without a host.
    pub silent: u64,
    /// It or its answer was lost.
    pub dropped: Drops,
}

impl Fates {
    /// SYNs whose fate is known.
    pub fn settled(&self) -> u64 {
        self.answered + self.silent + self.dropped.total()
    }
}
