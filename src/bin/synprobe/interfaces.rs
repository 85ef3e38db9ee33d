//! What the machine has, and what a scan would use.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};

use synprobe::error::{Error, Kind, Result};
use synprobe::net::interface::{Interface, InterfaceKind};
use synprobe::net::privilege;
use synprobe::net::route::RouteEntry;
use synprobe::net::view::SystemView;
use synprobe::report::Escaped;

use crate::status::Status;
use crate::stdout;

/// Prints interfaces, routes and privileges.
pub(crate) fn run() -> Result<Status> {
    let text = text(&SystemView::read()?);
    match stdout::open()?.write_all(text.as_bytes()) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output", cause).of_kind(Kind::Asked)),
        _ => Ok(Status::Complete),
    }
}

fn text(view: &SystemView) -> String {
    let mut text = String::from("interfaces\n");
    view.interfaces.iter().for_each(|interface| text.push_str(&described(interface)));
    text.push_str("routes\n");
    view.routes.iter().filter(|route| route.table == MAIN).for_each(|route| text.push_str(&route_line(route)));
    let scan = if view.privilege.raw { "SYN".to_owned() } else { format!("connect (for SYN: {})", privilege::hint()) };
    _ = writeln!(text, "privileges  {}\nscan        {scan}", view.privilege);
    text
}

fn described(interface: &Interface) -> String {
    let state = match interface {
        Interface { up: false, .. } => "down",
        Interface { carrier: false, .. } => "no carrier",
        _ => "up",
    };
    let link = match interface.kind {
        InterfaceKind::Ethernet => "packet",
        InterfaceKind::Loopback => "raw-ip",
        InterfaceKind::Tunnel => "tunnel",
        InterfaceKind::Unsupported(_) => "connect",
    };
    let mac = interface.mac.map_or(String::new(), |mac| format!("  {mac}"));
    let mut text = format!("  {}  {state}  mtu {}  link {link}{mac}\n", Escaped(&interface.name), interface.mtu);
    for address in &interface.addresses {
        _ = writeln!(text, "    {address}");
    }
    text
}

fn route_line(route: &RouteEntry) -> String {
    let mut text = format!("  {}", route.destination);
    if let Some(gateway) = route.gateway {
        _ = write!(text, "  by {gateway}");
    }
    match &route.interface {
        Some(interface) => _ = write!(text, "  through {}", Escaped(interface)),
        None => _ = write!(text, "  {}", route.kind),
    }
    if let Some(source) = route.source {
        _ = write!(text, "  from {source}");
    }
    text + "\n"
}

/// The number of Linux's main routing table; the local one repeats the machine's own addresses.
const MAIN: u32 = 254;
