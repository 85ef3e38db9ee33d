//! Addresses with a meaning of their own, from the IANA special-purpose registries (RFC 6890).

use super::AddressSet;

/// Addresses that no packet is ever sent to: they are nobody's, or everybody's.
pub fn never_probed() -> AddressSet {
    blocks(NEVER_PROBED)
}

/// Addresses that are probed only when a word of the user's is exactly that address.
///
/// The network and broadcast addresses of on-link subnets belong here too; which those are only the routes can say.
pub fn only_when_named() -> AddressSet {
    blocks(ONLY_WHEN_NAMED)
}

/// Addresses that somewhere on the internet may be somebody's: all that no RFC keeps for another purpose.
pub fn public() -> AddressSet {
    blocks(EVERYTHING).difference(&blocks(NOT_PUBLIC)).difference(&never_probed())
}

/// The address set of words of our own.
fn blocks(words: &[&str]) -> AddressSet {
    words.join(" ").parse().expect("our own words parse")
}

const EVERYTHING: &[&str] = &["0.0.0.0/0", "::/0"];

const NEVER_PROBED: &[&str] = &[
    // This network, unspecified: RFC 791 3.2, RFC 1122 3.2.1.3.
    "0.0.0.0/8",
    // Multicast: RFC 5771.
    "224.0.0.0/4",
    // Reserved for future use, and limited broadcast: RFC 1112 4, RFC 919 7.
    "240.0.0.0/4",
    // Unspecified: RFC 4291 2.5.2.
    "::",
    // IPv4-mapped: RFC 4291 2.5.5.2. A socket would reach the IPv4 address behind it, past every exclusion.
    "::ffff:0.0.0.0/96",
    // Multicast: RFC 4291 2.7.
    "ff00::/8",
];

const ONLY_WHEN_NAMED: &[&str] = &[
    // Where clouds hand a machine its identity and credentials; within link-local addresses, RFC 3927.
    "169.254.169.254",
];

const NOT_PUBLIC: &[&str] = &[
    // Private use: RFC 1918.
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    // Shared by carriers' translators: RFC 6598.
    "100.64.0.0/10",
    // Loopback: RFC 1122 3.2.1.3.
    "127.0.0.0/8",
    // Link-local: RFC 3927.
    "169.254.0.0/16",
    // Protocol assignments: RFC 6890 2.1.
    "192.0.0.0/24",
    // Documentation: RFC 5737.
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    // Benchmarks: RFC 2544, RFC 6815.
    "198.18.0.0/15",
    // Loopback: RFC 4291 2.5.3.
    "::1",
    // Translation within one's own network: RFC 8215.
    "64:ff9b:1::/48",
    // Discard: RFC 6666.
    "100::/64",
    // Dummy prefix: RFC 9780.
    "100:0:0:1::/64",
    // Benchmarks: RFC 5180. ORCHIDv2 and the retired ORCHID, which are no locators: RFC 7343, RFC 4843.
    "2001:2::/48",
    "2001:10::/28",
    "2001:20::/28",
    // Documentation: RFC 3849, RFC 9637.
    "2001:db8::/32",
    "3fff::/20",
    // Segment routing identifiers: RFC 9602.
    "5f00::/16",
    // Unique local: RFC 4193.
    "fc00::/7",
    // Link-local: RFC 4291 2.5.6. Site-local, retired: RFC 3879.
    "fe80::/10",
    "fec0::/10",
];

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_block_is_written_as_a_block() {
        for word in [NEVER_PROBED, ONLY_WHEN_NAMED, NOT_PUBLIC, EVERYTHING].into_iter().flatten() {
            let set = blocks(&[word]);
            assert_eq!(set.to_string(), *word);
        }
    }

    #[test]
    fn never_probes_what_is_nobody_or_everybody() {
        let never = never_probed();
        for text in
            ["0.0.0.0", "0.255.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::ffff:10.0.0.1", "ff02::1"]
        {
            assert!(never.contains(addr(text)), "{text}");
        }
        for text in ["1.0.0.0", "10.0.0.1", "127.0.0.1", "169.254.169.254", "223.255.255.255", "::1", "fe80::1"] {
            assert!(!never.contains(addr(text)), "{text}");
        }
        assert!(never.intersection(&public()).is_empty());
        assert!(never.intersection(&only_when_named()).is_empty());
    }

    #[test]
    fn knows_public_from_private() {
        let public = public();
        for text in
            ["1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.88.99.1", "2001:4860:4860::8888", "2600::"]
        {
            assert!(public.contains(addr(text)), "{text}");
        }
        for text in [
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "192.0.2.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!public.contains(addr(text)), "{text}");
        }
        // 2^32 less 0/8, 224/3, 10/8, 127/8, 100.64/10, 172.16/12, 198.18/15, 192.168/16, 169.254/16 and four /24.
        let kept = (1u128 << 24) * 3 + (1 << 29) + (1 << 22) + (1 << 20) + (1 << 17) + (1 << 16) * 2 + (1 << 8) * 4;
        assert_eq!(public.ipv4().len(), (1 << 32) - kept);
    }
}
