//! The target that is known to answer.

use std::net::{Ipv4Addr, Ipv6Addr};

use synprobe::error::{Error, Kind, Result};
use synprobe::net::names::{Resolver, resolve};
use synprobe::target::Target;

/// Reads `HOST:PORT`; an IPv6 address stands in brackets.
pub(super) fn read(word: &str, resolver: &dyn Resolver) -> Result<Target> {
    let wrong =
        || Error::asked("read canary", format!("'{word}'"), "not a host and a port").hint("for example 10.0.0.1:22 or [fd00::1]:22");
    let (host, port) = word.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    let addr = match (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')), host.parse::<Ipv4Addr>()) {
        (Some(literal), _) => literal.parse::<Ipv6Addr>().map_err(|_| wrong())?.into(),
        (None, Ok(addr)) => addr.into(),
        (None, Err(_)) if host.is_empty() || host.contains(':') => return Err(wrong()),
        (None, Err(_)) => resolve(resolver, host, false).map_err(|error| error.of_kind(Kind::Asked))?[0],
    };
    Ok(Target { addr, port })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;

    use super::*;

    struct Office;

    impl Resolver for Office {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            if name == "printer" { Ok(vec![[10, 0, 0, 7].into()]) } else { Err(io::ErrorKind::NotFound.into()) }
        }

        fn name(&self, _addr: IpAddr) -> Option<String> {
            None
        }
    }

    #[test]
    fn a_canary_is_a_host_and_a_port() {
        let canary = |word| read(word, &Office).map(|target| format!("{} {}", target.addr, target.port));
        assert_eq!(canary("10.0.0.1:22").unwrap(), "10.0.0.1 22");
        assert_eq!(canary("[fd00::1]:22").unwrap(), "fd00::1 22");
        assert_eq!(canary("printer:631").unwrap(), "10.0.0.7 631");
        for word in ["", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", ":22", "fd00:::22", "scanner:22"] {
            assert_eq!(canary(word).unwrap_err().kind(), Kind::Asked, "{word}");
        }
    }
}
