//! The practice network: a small office, simulated, at the far end of a real interface that leads nowhere else.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use synprobe::error::{Error, Result};
use synprobe::lab::{Network, OFFICE_GATEWAY, OFFICE_SCANNER, Place, Practice, office, office_names};
use synprobe::net::linux::namespace::enter_private;
use synprobe::net::names::Resolver;

use crate::args::DemoArgs;
use crate::names;
use crate::status::Status;
use crate::voice::Voice;

/// Scans the practice network by the ordinary path: this very program, the raw engine, a real interface.
#[cfg(target_os = "linux")]
pub(crate) fn run(demo: &DemoArgs, voice: &Voice) -> Result<Status> {
    if demo.scan.first().is_some_and(|word| word == "demo") {
        return Err(Error::asked("start", "demo", "it is running already"));
    }
    enter_private()?;
    let beyond = "10.20.0.0/16".parse().ok().map(|network| (network, OFFICE_GATEWAY));
    let practice = Practice::begin(Network::new(office(), SEED), Place { address: OFFICE_SCANNER, prefix: 24, beyond })?;
    names::ask(Directory(office_names().into_iter().collect()));
    let words: Vec<OsString> = if demo.scan.is_empty() { USUAL.iter().map(OsString::from).collect() } else { demo.scan.clone() };
    let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    voice.notice("the practice network is simulated on this machine; nothing leaves it");
    voice.notice(&format!("synprobe {}", shown.join(" ")));
    let quietly = if demo.scan.is_empty() { Some(OsString::from("--no-journal")) } else { None };
    let status = crate::run(&[OsString::from("synprobe")].into_iter().chain(words).chain(quietly).collect::<Vec<_>>());
    practice.end()?;
    Ok(status)
}

/// Scans the practice network, where there is one.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_demo: &DemoArgs, _voice: &Voice) -> Result<Status> {
    Err(Error::machine("start", "the practice network", "it needs Linux's network namespaces"))
}

/// The office's own directory of names.
struct Directory(HashMap<Ipv4Addr, String>);

impl Resolver for Directory {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found: Vec<IpAddr> = self.0.iter().filter(|(_, known)| *known == name).map(|(addr, _)| IpAddr::V4(*addr)).collect();
        if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the practice network knows no such name")) } else { Ok(found) }
    }

    fn name(&self, addr: IpAddr) -> Option<String> {
        match addr {
            IpAddr::V4(addr) => self.0.get(&addr).cloned(),
            IpAddr::V6(_) => None,
        }
    }
}

/// The local network and the servers behind the gateway, the most popular hundred ports.
const USUAL: &[&str] = &["10.20.0.0/24", "10.20.1.0/26", "-F"];
/// The office is the same every day.
const SEED: u64 = 2026;
