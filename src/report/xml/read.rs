//! Reads nmap's XML, ours and nmap's own: as a stream, a host at a time. Entities of the document's own are not expanded and nothing outside
//! it is read.

mod element;
mod source;

use std::borrow::Cow;
use std::io::BufRead;
use std::net::IpAddr;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use self::element::Attributes;
use self::source::Source;
use crate::error::{Error, Kind, Result};
use crate::report::Strictness;

/// A piece of a document, in its order.
#[derive(Debug)]
pub(in crate::report) enum Told {
    /// The root element: command line, beginning (Unix seconds), version.
    Begin { arguments: String, started: Option<u64> },
    /// The ports that each host was asked by one protocol.
    Asked { protocol: String, services: String },
    /// A host, whole.
    Host(Host),
    /// A comment at the document's own level.
    Comment(String),
    /// How the scan ended.
    Finished { success: bool },
    /// How many addresses there were.
    Hosts { total: Option<u64> },
}

/// A `<host>`.
#[derive(Debug, Default)]
pub(in crate::report) struct Host {
    pub(in crate::report) addr: Option<IpAddr>,
    /// `up`, `down`, `unknown` or `skipped`.
    pub(in crate::report) state: String,
    pub(in crate::report) reason: String,
    pub(in crate::report) name: Option<String>,
    /// It was given up before its ports were asked.
    pub(in crate::report) timed_out: bool,
    pub(in crate::report) ports: Vec<Port>,
    pub(in crate::report) others: Vec<Others>,
}

/// A TCP port that is told singly.
#[derive(Debug)]
pub(in crate::report) struct Port {
    pub(in crate::report) number: u16,
    pub(in crate::report) state: Cow<'static, str>,
    pub(in crate::report) reason: Cow<'static, str>,
}

/// Ports that are counted.
#[derive(Debug)]
pub(in crate::report) struct Others {
    pub(in crate::report) state: String,
    pub(in crate::report) reason: String,
    pub(in crate::report) count: u32,
    /// Which they are, where that is told.
    pub(in crate::report) ports: Option<String>,
}

/// Reads a document called `name`. Says what keeps it from being whole, if [`Strictness::Lenient`].
///
/// # Errors
/// The input cannot be read, is no document of nmap's kind, or, if [`Strictness::Strict`], is cut short or not as it should be; byte and line
/// are named.
pub(in crate::report) fn read(
    input: &mut dyn BufRead,
    name: &str,
    strictness: Strictness,
    tell: &mut dyn FnMut(Told),
) -> Result<Option<Error>> {
    let mut reader = Reader::from_reader(Source::new(input));
    let mut document = Document { tell, path: Vec::new(), has_begun: false, has_ended: false, host: Host::default() };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let line = reader.get_mut().mark();
        let from = reader.buffer_position();
        let wrong = match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) if document.has_ended => return Ok(None),
            Ok(Event::Eof) => document.cut(),
            Ok(event) => match document.event(&event) {
                Ok(()) => continue,
                Err(cause) => cause,
            },
            Err(quick_xml::Error::Io(cause)) => {
                let cause = std::io::Error::new(cause.kind(), cause.to_string());
                return Err(Error::io("read", name, cause).of_kind(Kind::Asked));
            }
            Err(cause) => cause.to_string(),
        };
        if !document.has_begun {
            return Err(Error::asked("read", name, wrong).hint("nmap's XML is what -o xml:FILE and nmap -oX FILE write"));
        }
        let error = Error::asked("read", format!("{name} byte {from} (line {line})"), wrong);
        return match strictness {
            Strictness::Strict => Err(error.hint("--lenient uses what can be read")),
            Strictness::Lenient => Ok(Some(error)),
        };
    }
}

/// How deep elements may stand in each other: nmap's stand six deep.
const DEEPEST: usize = 32;

struct Document<'a> {
    tell: &'a mut dyn FnMut(Told),
    /// What the elements are that are open.
    path: Vec<Place>,
    has_begun: bool,
    has_ended: bool,
    host: Host,
}

/// Elements whose contents mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Root,
    Host,
    Hostnames,
    Ports,
    /// Ports that are counted: their number among the host's.
    Extraports(usize),
    /// A port, if it is of TCP.
    Port(bool),
    Runstats,
    /// Anything else, with all that is in it.
    Other,
}

impl Document<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(element) => {
                if self.path.len() >= DEEPEST {
                    return Err("its elements stand too deep in each other".to_owned());
                }
                let place = self.open(element)?;
                self.path.push(place);
            }
            Event::Empty(element) => {
                let place = self.open(element)?;
                self.close(place);
            }
            Event::End(_) => {
                if let Some(place) = self.path.pop() {
                    self.close(place);
                }
            }
            Event::Comment(text) if self.path == [Place::Root] || self.path.is_empty() => {
                (self.tell)(Told::Comment(text.trim().to_owned()));
            }
            Event::Text(text) if self.path.is_empty() && !text.trim().is_empty() => {
                return Err("it has text outside its elements".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// What an element that begins is, and what its attributes tell.
    fn open(&mut self, element: &BytesStart<'_>) -> Result<Place, String> {
        let name = element.name();
        let attributes = Attributes::of(element);
        let place = match (self.path.last(), name.as_ref()) {
            (None, "nmaprun") if !self.has_begun => {
                let arguments = attributes.text("args")?.unwrap_or_default();
                let started = attributes.number("start")?;
                self.has_begun = true;
                (self.tell)(Told::Begin { arguments, started });
                Place::Root
            }
            (None, other) if !self.has_begun => return Err(format!("it is XML, but its root is <{other}>, not nmap's <nmaprun>")),
            (None, other) => return Err(format!("<{other}> begins behind its end")),
            (Some(Place::Root), "scaninfo") => {
                let (protocol, services) = (attributes.needed("protocol")?, attributes.needed("services")?);
                (self.tell)(Told::Asked { protocol, services });
                Place::Other
            }
            (Some(Place::Root), "host") => {
                let timed_out = attributes.text("timedout")?.is_some_and(|word| word == "true");
                self.host = Host { timed_out, ..Host::default() };
                Place::Host
            }
            (Some(Place::Host), "status") => {
                self.host.state = attributes.needed("state")?;
                self.host.reason = attributes.text("reason")?.unwrap_or_default();
                Place::Other
            }
            (Some(Place::Host), "address") => {
                if attributes.text("addrtype")?.is_none_or(|kind| kind != "mac") {
                    let addr = attributes.needed("addr")?;
                    self.host.addr = Some(addr.parse().map_err(|_| format!("'{addr}' is no address"))?);
                }
                Place::Other
            }
            (Some(Place::Host), "hostnames") => Place::Hostnames,
            (Some(Place::Hostnames), "hostname") => {
                if self.host.name.is_none() {
                    self.host.name = attributes.text("name")?;
                }
                Place::Other
            }
            (Some(Place::Host), "ports") => Place::Ports,
            (Some(Place::Ports), "extraports") => {
                let (state, count) = (attributes.needed("state")?, attributes.number("count")?.unwrap_or_default());
                self.host.others.push(Others { state, reason: String::new(), count, ports: None });
                Place::Extraports(self.host.others.len() - 1)
            }
            (Some(Place::Extraports(all)), "extrareasons") => self.reasons(*all, &attributes)?,
            (Some(Place::Ports), "port") => {
                let is_tcp = attributes.word("protocol")?.is_none_or(|protocol| protocol == "tcp");
                if is_tcp {
                    let number = attributes.number("portid")?.ok_or("a port has no number")?;
                    self.host.ports.push(Port { number, state: Cow::Borrowed(""), reason: Cow::Borrowed("") });
                }
                Place::Port(is_tcp)
            }
            (Some(Place::Port(true)), "state") => {
                if let Some(port) = self.host.ports.last_mut() {
                    port.state = attributes.word("state")?.ok_or("a port has no state")?;
                    port.reason = attributes.word("reason")?.unwrap_or_default();
                }
                Place::Other
            }
            (Some(Place::Root), "runstats") => Place::Runstats,
            (Some(Place::Runstats), "finished") => {
                let success = attributes.text("exit")?.is_none_or(|exit| exit == "success");
                (self.tell)(Told::Finished { success });
                Place::Other
            }
            (Some(Place::Runstats), "hosts") => {
                (self.tell)(Told::Hosts { total: attributes.number("total")? });
                Place::Other
            }
            _ => Place::Other,
        };
        Ok(place)
    }

    /// Ports counted by state are told again by reason: what is left over has none.
    fn reasons(&mut self, all: usize, attributes: &Attributes<'_>) -> Result<Place, String> {
        let is_tcp = attributes.text("proto")?.is_none_or(|protocol| protocol == "tcp");
        let count: u32 = attributes.number("count")?.unwrap_or_default();
        let reason = attributes.needed("reason")?;
        let ports = if is_tcp { attributes.text("ports")? } else { None };
        if let Some(all) = self.host.others.get_mut(all) {
            let state = all.state.clone();
            all.count = all.count.saturating_sub(count);
            if is_tcp {
                self.host.others.push(Others { state, reason, count, ports });
            }
        }
        Ok(Place::Other)
    }

    fn close(&mut self, place: Place) {
        match place {
            Place::Host => (self.tell)(Told::Host(std::mem::take(&mut self.host))),
            Place::Root => self.has_ended = true,
            _ => {}
        }
    }

    /// What is missing where the document ends.
    fn cut(&self) -> String {
        match self.path.last() {
            _ if !self.has_begun => "it is empty, or holds no <nmaprun>".to_owned(),
            Some(Place::Host | Place::Hostnames | Place::Ports | Place::Extraports(_) | Place::Port(_)) => {
                "it ends within a <host>: its scan was killed, or still runs".to_owned()
            }
            _ => "it ends before </nmaprun>: its scan was killed, or still runs".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
