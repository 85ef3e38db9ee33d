//! Which part of a scan that was divided among machines this is, and of which scan.

use crate::target::{Cut, Shard};

/// A shard, and the scan it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which part.
    pub shard: Shard,
    /// Addresses of the whole scan, exclusions taken out; `u64::MAX` also stands for more.
    pub addresses: u64,
    /// Ports of the whole scan; none where only hosts are discovered.
    pub ports: u32,
    /// What tells the whole scan from others.
    pub whole: Identity,
}

/// Digests by which shards of one scan know each other: they are asked for the same, on whatever machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Of the addresses as they were resolved, exclusions taken out.
    pub targets: String,
    /// Of the ports.
    pub ports: String,
    /// Of the options that decide what is asked and recorded; rates, interfaces and outputs do not.
    pub options: String,
}

impl Part {
    /// What the scan was cut by.
    pub const fn cut(&self) -> Cut {
        Cut::of(self.addresses as u128, self.ports, self.shard.count())
    }

    /// What this part gets of a rate that is meant for one host: all of it, unless the host is in every shard.
    pub fn host_share(&self, rate: u64) -> u64 {
        let sharers = self.shard.count().min(self.ports);
        match (self.cut(), Shard::new(self.shard.number(), sharers)) {
            (Cut::Ports, Some(shard)) => shard.share_of(rate).max(1),
            _ => rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gets_its_rate_once() {
        let part = |number, addresses| Part { shard: Shard::new(number, 8).unwrap(), addresses, ports: 3, whole: Identity::default() };
        assert_eq!([1, 8].map(|number| part(number, 8).host_share(100)), [100, 100]);
        assert_eq!([1, 2, 3].map(|number| part(number, 1).host_share(100)), [34, 33, 33]);
        // It has no ports, and asks nobody.
        assert_eq!(part(4, 1).host_share(100), 100);
    }
}
