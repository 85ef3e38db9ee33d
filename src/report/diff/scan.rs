//! What the record of one scan tells, in tables small enough that millions of ports fit: 22 bytes a port that is told singly, 40 a host.

use std::net::IpAddr;
use std::time::Duration;

use super::known::{HostKnown, Known, Why};
use crate::target::{AddressSet, PortSet};

/// The record of a scan, as far as it can be compared.
#[derive(Debug)]
pub struct Scan {
    /// What it is called: a path, or the number in a database.
    pub name: String,
    /// When it began, since the Unix epoch; `None` if the record does not tell.
    pub started: Option<Duration>,
    /// How many addresses it asked, as it says itself.
    pub addresses: Option<u64>,
    /// The ports of each.
    pub ports: PortSet,
    /// Why it does not tell all, in words; empty if it does.
    pub reservations: Vec<String>,
    /// Which addresses it asked, if that is known.
    pub(super) asked: Option<AddressSet>,
    /// That is not from its record.
    pub(super) is_assumed: bool,
    /// What is known of hosts that were asked and are not listed.
    pub(super) unlisted: HostKnown,
    /// What is known of their ports.
    pub(super) unlisted_ports: Known,
    /// What silence means.
    pub(super) silence: Known,
    /// Ascending by address.
    pub(super) hosts: Vec<Host>,
    /// Ascending by address and port.
    pub(super) told: Vec<Port>,
    pub(super) reasons: Words,
    pub(super) names: Vec<Box<str>>,
}

/// A host that is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub(super) addr: IpAddr,
    pub(super) known: HostKnown,
    /// What is known of those of its ports that are not told singly.
    pub(super) rest: Known,
    /// How many of these are closed.
    pub(super) closed: u32,
    /// How many of these are filtered or did not answer.
    pub(super) filtered: u32,
    /// Of its name; [`NO_NAME`] if it has none.
    pub(super) name: u32,
}

/// A port that is told singly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub(super) addr: IpAddr,
    pub(super) number: u16,
    pub(super) state: Told,
    /// Of the word for its reason.
    pub(super) reason: u8,
}

const _: () = assert!(size_of::<Port>() <= 22 && size_of::<Host>() <= 40);

/// No name has this number.
pub(super) const NO_NAME: u32 = u32::MAX;

/// The state that is told of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Open,
    Closed,
    Filtered,
    Silent,
    /// Closed or filtered.
    NotOpen,
    /// It answered, but not whether it is open.
    Unclear,
}

/// What a scan tells of one host: also of one that it does not list.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) known: HostKnown,
    /// Of ports that are asked and not told singly.
    pub(super) rest: Known,
    /// Closed and filtered ones of these, if they are counted.
    pub(super) counts: Option<(u32, u32)>,
    pub(super) told: &'a [Port],
    pub(super) name: Option<&'a str>,
}

impl Scan {
    /// Takes it that this scan asked every host that the other did, if its record does not say which it asked.
    pub fn assume_asked(&mut self) {
        if self.asked.is_none() {
            (self.asked, self.is_assumed) = ("0.0.0.0/0 ::/0".parse().ok(), true);
        }
    }

    /// What is known of a host, given its row and the ports of it that are told.
    pub(super) fn view<'a>(&'a self, addr: IpAddr, row: Option<&Host>, told: &'a [Port]) -> View<'a> {
        let Some(row) = row else { return View { told, ..self.unlisted(addr) } };
        let name = self.names.get(row.name as usize).map(|name| &**name);
        // What may have been missed, or is not counted at all, is not to be counted with.
        let is_counted = row.closed.saturating_add(row.filtered) > 0 && (row.filtered == 0 || self.silence == Known::NoAnswer);
        View { known: row.known, rest: row.rest, counts: is_counted.then_some((row.closed, row.filtered)), told, name }
    }

    fn unlisted(&self, addr: IpAddr) -> View<'_> {
        let (known, rest) = match &self.asked {
            Some(asked) if !asked.contains(addr) => (HostKnown::NotAsked, Known::NotAsked),
            Some(_) => (self.unlisted, self.unlisted_ports),
            None if self.unlisted == HostKnown::Unknown(Why::Ended) => (self.unlisted, self.unlisted_ports),
            None => (HostKnown::Unknown(Why::TargetsNotRecorded), Known::Unknown(Why::TargetsNotRecorded)),
        };
        View { known, rest, counts: None, told: &[], name: None }
    }

    /// What a told state means in this scan.
    pub(super) fn known(&self, told: Told) -> Known {
        match told {
            Told::Open => Known::Open,
            Told::Closed => Known::Closed,
            Told::Filtered => Known::Filtered,
            Told::Silent => self.silence,
            Told::NotOpen => Known::NotOpen,
            Told::Unclear => Known::Unknown(Why::NotTold),
        }
    }
}

/// Words by number: reasons, of which there are few.
#[derive(Debug)]
pub(super) struct Words(Vec<Box<str>>);

impl Default for Words {
    fn default() -> Self {
        Self(vec![Box::from("")])
    }
}

impl Words {
    /// The number of a word; of one too many, that of the empty word.
    pub(super) fn number(&mut self, word: &str) -> u8 {
        let known = self.0.iter().position(|known| **known == *word);
        let number = known.or_else(|| {
            u8::try_from(self.0.len()).is_ok().then(|| {
                self.0.push(Box::from(word));
                self.0.len() - 1
            })
        });
        number.and_then(|number| u8::try_from(number).ok()).unwrap_or_default()
    }

    /// The word of a number, if it is not empty.
    pub(super) fn word(&self, number: u8) -> Option<&str> {
        self.0.get(usize::from(number)).map(|word| &**word).filter(|word| !word.is_empty())
    }
}
