//! A set of TCP ports.

use std::fmt;
use std::str::FromStr;

use super::{popular, services};
use crate::error::{Error, Result};

/// A set of ports, 1 to 65535, numbered `0..len` ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSet {
    /// Ascending, each once.
    ports: Box<[u16]>,
}

impl PortSet {
    /// All 65,535.
    pub fn all() -> Self {
        (1..=u16::MAX).collect()
    }

    /// The `n` most popular (1 to 65535) of the curated order; after its thousand ports the others follow ascending.
    pub fn top(n: u16) -> Self {
        popular::in_order().take(n.into()).collect()
    }

    /// The same with port 0, which no set has that is read or collected: it stands for a question that is to no port.
    #[must_use]
    pub(crate) fn and_zero(self) -> Self {
        Self { ports: std::iter::once(0).chain(self.iter().filter(|port| *port != 0)).collect() }
    }

    /// How many.
    pub fn len(&self) -> u32 {
        self.ports.len() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// The port of number `n`.
    pub fn nth(&self, n: u32) -> Option<u16> {
        self.ports.get(n as usize).copied()
    }

    /// The number of a port: the inverse of `nth`.
    pub fn position(&self, port: u16) -> Option<u32> {
        self.ports.binary_search(&port).ok().map(|n| n as u32)
    }

    /// Whether the port is in the set.
    pub fn contains(&self, port: u16) -> bool {
        self.position(port).is_some()
    }

    /// The ports of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.iter().filter(|port| !other.contains(*port)).collect()
    }

    /// The ports, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.iter().copied()
    }
}

/// In any order, repeated or not; 0 is no port and is left out.
impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().filter(|port| *port != 0).collect();
        ports.sort_unstable();
        ports.dedup();
        Self { ports: ports.into() }
    }
}

/// `22,80,8000-8100`: parses back into the same set, unless it is empty.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, run) in self.ports.chunk_by(|port, next| port + 1 == *next).enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            match run {
                [first, .., last] if run.len() > 2 => write!(f, "{first}-{last}")?,
                [first, last] => write!(f, "{first},{last}")?,
                _ => write!(f, "{}", run[0])?,
            }
        }
        Ok(())
    }
}

/// `22,80,8000-8100,http,-` (`-` alone or an open end: `-1024`, `60000-`).
impl FromStr for PortSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(refuse(text, "no port is named"));
        }
        let mut ports = Vec::new();
        for word in text.split(',') {
            if word.trim().is_empty() {
                return Err(refuse(text, gap(text)));
            }
            let (first, last) = parse_word(word.trim())?;
            ports.extend(first..=last);
        }
        Ok(ports.into_iter().collect())
    }
}

/// Where the list has nothing, and should have a port.
fn gap(list: &str) -> &'static str {
    match list.trim() {
        list if list.starts_with(',') => "nothing stands before the comma",
        list if list.ends_with(',') => "nothing stands behind the comma",
        _ => "nothing stands between two commas",
    }
}

fn parse_word(word: &str) -> Result<(u16, u16)> {
    if word.contains(|c: char| c.is_ascii_alphabetic()) {
        let port = services::port(word).ok_or_else(|| refuse(word, "unknown service name").hint("write its number"))?;
        return Ok((port, port));
    }
    let Some((first, last)) = word.split_once('-') else {
        let port = parse_port(word, word)?;
        return Ok((port, port));
    };
    let first = if first.is_empty() { 1 } else { parse_port(first, word)? };
    let last = if last.is_empty() { u16::MAX } else { parse_port(last, word)? };
    if first > last {
        return Err(refuse(word, "the range is reversed").hint(format_args!("write {last}-{first}")));
    }
    Ok((first, last))
}

fn parse_port(digits: &str, word: &str) -> Result<u16> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse(word, "not a port, a range of ports or a service name"));
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(refuse(word, format_args!("{digits} is not a port")).hint("ports are 1 to 65535")),
        Ok(port) => Ok(port),
    }
}

fn refuse(word: &str, cause: impl fmt::Display) -> Error {
    Error::asked("parse port", format_args!("`{}`", word.escape_debug()), cause)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Vec<u16> {
        text.parse::<PortSet>().unwrap().iter().collect()
    }

    #[test]
    fn parses_numbers_ranges_names_and_open_ends() {
        assert_eq!(parse("80,22, 8000-8003,http"), [22, 80, 8000, 8001, 8002, 8003]);
        assert_eq!(parse("HTTPS,ssh"), [22, 443]);
        assert_eq!(parse("-3,65534-"), [1, 2, 3, 65_534, 65_535]);
        assert_eq!("-".parse::<PortSet>().unwrap(), PortSet::all());
        assert_eq!(PortSet::all().len(), 65_535);
    }

    #[test]
    fn refuses_and_names_the_word() {
        for (text, message) in [
            ("", "parse port ``: no port is named"),
            (" ", "parse port ` `: no port is named"),
            ("22,,80", "parse port `22,,80`: nothing stands between two commas"),
            ("22,", "parse port `22,`: nothing stands behind the comma"),
            (",22", "parse port `,22`: nothing stands before the comma"),
            ("22,0", "parse port `0`: 0 is not a port (ports are 1 to 65535)"),
            ("65536", "parse port `65536`: 65536 is not a port (ports are 1 to 65535)"),
            ("0-100", "parse port `0-100`: 0 is not a port (ports are 1 to 65535)"),
            ("100-99", "parse port `100-99`: the range is reversed (write 99-100)"),
            ("99999999999999999999", "parse port `99999999999999999999`: 99999999999999999999 is not a port (ports are 1 to 65535)"),
            ("+80", "parse port `+80`: not a port, a range of ports or a service name"),
            ("1-2-3", "parse port `1-2-3`: not a port, a range of ports or a service name"),
            ("--", "parse port `--`: not a port, a range of ports or a service name"),
            ("gopherd-of-doom", "parse port `gopherd-of-doom`: unknown service name (write its number)"),
            ("\u{1b}[2J", r"parse port `\u{1b}[2J`: unknown service name (write its number)"),
        ] {
            assert_eq!(text.parse::<PortSet>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn top_begins_with_the_popular_and_ends_with_all() {
        assert_eq!(PortSet::top(0).len(), 0);
        assert!(PortSet::top(10).contains(443));
        for n in [1, 10, 100, 1000, 1001, 5000, u16::MAX] {
            assert_eq!(PortSet::top(n).len(), u32::from(n));
        }
        assert_eq!(PortSet::top(100).difference(&PortSet::top(1000)).len(), 0);
        assert_eq!(PortSet::top(u16::MAX), PortSet::all());
    }

    #[test]
    fn displays_runs() {
        let ports: PortSet = [22, 80, 81, 443, 8000, 8001, 8002].into_iter().collect();
        assert_eq!(ports.to_string(), "22,80,81,443,8000-8002");
        assert_eq!(PortSet::all().to_string(), "1-65535");
    }

    proptest! {
        #[test]
        fn is_the_set_of_its_ports(left in prop::collection::vec(0..300u16, 0..200), right in prop::collection::vec(0..300u16, 0..200)) {
            let model = |ports: &[u16]| ports.iter().copied().filter(|port| *port != 0).collect::<BTreeSet<_>>();
            let (a, b): (PortSet, PortSet) = (left.iter().copied().collect(), right.iter().copied().collect());
            prop_assert!(a.iter().eq(model(&left)));
            prop_assert!(a.difference(&b).iter().eq(&model(&left) - &model(&right)));
            prop_assert_eq!(a.is_empty(), model(&left).is_empty());
            for (n, port) in (0u32..).zip(a.iter()) {
                prop_assert_eq!(a.nth(n), Some(port));
                prop_assert_eq!(a.position(port), Some(n));
            }
            prop_assert_eq!(a.nth(a.len()), None);
            for port in 0..300 {
                prop_assert_eq!(a.contains(port), model(&left).contains(&port));
            }
        }

        #[test]
        fn parses_what_it_displays(ports in prop::collection::vec(1..=u16::MAX, 1..200), from in 1..65_000u16) {
            let ports: PortSet = ports.into_iter().chain(from..from + 300).collect();
            prop_assert_eq!(ports.to_string().parse::<PortSet>().unwrap(), ports);
        }

        #[test]
        fn survives_any_text(text in "\\PC*", portlike in "[0-9a-z,-]{0,12}") {
            for text in [text, portlike] {
                if let Ok(ports) = text.parse::<PortSet>() {
                    prop_assert!(!ports.is_empty());
                }
            }
        }
    }
}
