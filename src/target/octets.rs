//! IPv4 addresses with a list of numbers in place of each octet: `10.0,1.3-7.-`.

use super::{AddressRange, AddressSet};

/// Why an expression was refused, in words.
pub(super) type Fault = String;

/// The addresses of an expression of four octets. Each is a comma list of `n`, `a-b`, `a-`, `-b` and `-` (0 to 255).
pub(super) fn parse(word: &str) -> Result<AddressSet, Fault> {
    let octets: Vec<&str> = word.split('.').collect();
    if octets.len() != 4 {
        return Err(format!("an IPv4 address has four numbers, this has {}", octets.len()));
    }
    let mut addresses = vec![(0, 0)];
    for (octet, size) in octets.iter().rev().zip([1, 1 << 8, 1 << 16, 1 << 24]) {
        addresses = repeat(&addresses, size, &parse_octet(octet)?)?;
    }
    let range = |&(first, last): &(u64, u64)| AddressRange::new(v4(first), v4(last));
    Ok(addresses.iter().filter_map(range).collect())
}

/// Which values an octet may have.
fn parse_octet(octet: &str) -> Result<[bool; 256], Fault> {
    let mut values = [false; 256];
    for item in octet.split(',') {
        let (first, last) = match item.split_once('-') {
            None => (parse_number(item)?, parse_number(item)?),
            Some((first, last)) => {
                (if first.is_empty() { 0 } else { parse_number(first)? }, if last.is_empty() { 255 } else { parse_number(last)? })
            }
        };
        if first > last {
            return Err(format!("the range {item} is reversed"));
        }
        values[usize::from(first)..=usize::from(last)].fill(true);
    }
    Ok(values)
}

fn parse_number(digits: &str) -> Result<u8, Fault> {
    match digits.as_bytes() {
        [] => Err("a number is missing".into()),
        [b'0', _, ..] => Err(format!("{digits} has a leading zero, which some programs read as octal")),
        bytes if bytes.iter().all(u8::is_ascii_digit) => digits.parse().map_err(|_| format!("{digits} is above 255")),
        _ => Err(format!("{digits} is not a number")),
    }
}

/// The ranges below one octet (they lie in `0..size`), once for each value of the octet; what touches becomes one.
fn repeat(below: &[(u64, u64)], size: u64, values: &[bool; 256]) -> Result<Vec<(u64, u64)>, Fault> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (base, _) in (0..).step_by(size as usize).zip(values).filter(|(_, chosen)| **chosen) {
        for (first, last) in below {
            let is_full = ranges.len() == MAX_RANGES;
            match ranges.last_mut() {
                Some(end) if end.1 + 1 == base + first => end.1 = base + last,
                _ if is_full => return Err("more than 2^20 separate ranges".into()),
                _ => ranges.push((base + first, base + last)),
            }
        }
    }
    Ok(ranges)
}

fn v4(bits: u64) -> std::net::IpAddr {
    std::net::Ipv4Addr::from_bits(bits as u32).into()
}

/// Sixteen mebibytes of ranges: enough for anything meant, little enough for what was not.
const MAX_RANGES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn coalesces_what_touches() {
        for (word, ranges) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.-", "10.0.0.0/24"),
            ("10.0,1.-.-", "10.0.0.0/15"),
            ("-.-.-.-", "0.0.0.0/0"),
            ("10.0.0.5-90", "10.0.0.5-10.0.0.90"),
            ("10.0.0-1.255,0", "10.0.0.0 10.0.0.255-10.0.1.0 10.0.1.255"),
            ("10.0,1.3-4.7-", "10.0.3.7-10.0.3.255 10.0.4.7-10.0.4.255 10.1.3.7-10.1.3.255 10.1.4.7-10.1.4.255"),
            ("1.2.3.-1,254-", "1.2.3.0/31 1.2.3.254/31"),
            ("1.2.3.4,4,5,4-5", "1.2.3.4/31"),
        ] {
            assert_eq!(parse(word).unwrap().to_string(), ranges, "{word}");
        }
    }

    #[test]
    fn bounds_the_number_of_ranges() {
        assert_eq!(parse("-.-.-.5").unwrap_err(), "more than 2^20 separate ranges");
        assert_eq!(parse("0-15.-.-.5").unwrap().ranges().count(), 1 << 20);
        assert!(parse("0-15.-.-.5,7").is_err());
    }

    #[test]
    fn says_what_is_wrong() {
        for (word, fault) in [
            ("10.0.0", "an IPv4 address has four numbers, this has 3"),
            ("10.0.0.300", "300 is above 255"),
            ("10.0.0.9-5", "the range 9-5 is reversed"),
            ("10.0..5", "a number is missing"),
            ("10.0.0.5,", "a number is missing"),
            ("10.0.0.05", "05 has a leading zero, which some programs read as octal"),
            ("10.0.0.1-2-3", "2-3 is not a number"),
        ] {
            assert_eq!(parse(word).unwrap_err(), fault);
        }
    }

    proptest! {
        #[test]
        fn contains_exactly_what_each_octet_allows(
            octets in prop::array::uniform4((0..=255u8, 0..4u8, any::<u8>())),
            probe in prop::array::uniform4(any::<u8>()),
        ) {
            let ends = octets.map(|(first, more, _)| (first, first.saturating_add(more)));
            let octet = |((first, _, extra), (_, last)): (&(u8, u8, u8), (u8, u8))| format!("{first}-{last},{extra}");
            let word = octets.iter().zip(ends).map(octet).collect::<Vec<_>>().join(".");
            let set = parse(&word).unwrap();
            let allowed = |octet: usize, value: u8| (ends[octet].0..=ends[octet].1).contains(&value) || value == octets[octet].2;
            // Half of the probes are near the expression, so that both answers occur.
            for probe in [probe, std::array::from_fn(|n| ends[n].0.wrapping_add(probe[n] % 5))] {
                let expected = (0..4).all(|octet| allowed(octet, probe[octet]));
                prop_assert_eq!(set.contains(IpAddr::from(Ipv4Addr::from(probe))), expected);
            }
            let count = |octet: usize| (0..=255).filter(|value| allowed(octet, *value)).count() as u128;
            prop_assert_eq!(set.len(), (0..4).map(count).product::<u128>());
        }
    }
}
