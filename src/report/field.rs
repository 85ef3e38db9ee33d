//! The fields that a table of ports can have.

use std::fmt;
use std::str::FromStr;

use super::escape::Word;
use crate::error::{Error, Result};
use crate::scan::{Finding, HostRecord};
use crate::target::services;

/// A column of a table of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The target's address.
    Addr,
    /// The target's port.
    Port,
    /// `tcp`.
    Proto,
    /// open, closed or filtered.
    State,
    /// The evidence, in nmap's words.
    Reason,
    /// Who answered, if it was another host.
    ReasonAddr,
    /// The service registered for the port.
    Service,
    /// Time to live of the reply on arrival.
    Ttl,
    /// Round-trip time in microseconds.
    RttUs,
    /// Which attempt was answered, from 1.
    Attempt,
    /// When the reply arrived: RFC 3339, UTC, to the millisecond.
    Time,
    /// The host's first name (PTR), escaped.
    Name,
    /// The host's hardware address.
    Mac,
    /// Whether the host is there.
    HostState,
    /// How that is known.
    HostReason,
    /// Why its open ports are not believed.
    Suspect,
    /// The text of `--note`.
    Note,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 17] = [
        Self::Addr,
        Self::Port,
        Self::Proto,
        Self::State,
        Self::Reason,
        Self::ReasonAddr,
        Self::Service,
        Self::Ttl,
        Self::RttUs,
        Self::Attempt,
        Self::Time,
        Self::Name,
        Self::Mac,
        Self::HostState,
        Self::HostReason,
        Self::Suspect,
        Self::Note,
    ];

    /// One word: its name in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Addr => "addr",
            Self::Port => "port",
            Self::Proto => "proto",
            Self::State => "state",
            Self::Reason => "reason",
            Self::ReasonAddr => "reason_addr",
            Self::Service => "service",
            Self::Ttl => "ttl",
            Self::RttUs => "rtt_us",
            Self::Attempt => "attempt",
            Self::Time => "time",
            Self::Name => "name",
            Self::Mac => "mac",
            Self::HostState => "host_state",
            Self::HostReason => "host_reason",
            Self::Suspect => "suspect",
            Self::Note => "note",
        }
    }

    /// Its value for a port of a host; empty where nothing is known.
    pub(super) fn of(self, host: &HostRecord, port: &Finding, time: &str, note: &str) -> String {
        let outcome = port.outcome;
        match self {
            Self::Addr => port.target.addr.to_string(),
            Self::Port => port.target.port.to_string(),
            Self::Proto => "tcp".to_owned(),
            Self::State => outcome.state.to_string(),
            Self::Reason => outcome.reason.to_string(),
            Self::ReasonAddr => shown(outcome.reason_addr),
            Self::Service => services::name(port.target.port).unwrap_or_default().to_owned(),
            Self::Ttl => shown(port.ttl),
            Self::RttUs => shown(port.rtt.map(|rtt| rtt.as_micros())),
            Self::Attempt => port.attempt.to_string(),
            Self::Time => time.to_owned(),
            Self::Name => shown(host.names.first().map(|name| Word(name))),
            Self::Mac => shown(host.mac),
            Self::HostState => host.state.as_str().to_owned(),
            Self::HostReason => host.reason.to_string(),
            Self::Suspect => shown(host.suspect),
            Self::Note => note.to_owned(),
        }
    }
}

fn shown(value: Option<impl fmt::Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The columns of a table, at least one, each once: `addr,port,state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// The columns in order.
    pub fn iter(&self) -> impl Iterator<Item = Field> + '_ {
        self.0.iter().copied()
    }
}

impl Default for Fields {
    /// What most readers of a table look for.
    fn default() -> Self {
        Self(vec![Field::Addr, Field::Port, Field::Proto, Field::State, Field::Reason, Field::Service, Field::Name, Field::Time])
    }
}

impl FromStr for Fields {
    type Err = Error;

    fn from_str(list: &str) -> Result<Self> {
        let mut fields = Vec::new();
        for word in list.split(',').map(str::trim) {
            let Some(field) = Field::ALL.into_iter().find(|field| field.as_str() == word) else {
                let known = Field::ALL.map(Field::as_str).join(", ");
                return Err(Error::asked("read field", format!("'{word}'"), format!("there is {known}")));
            };
            if fields.contains(&field) {
                return Err(Error::asked("read field", format!("'{word}'"), "it is named twice"));
            }
            fields.push(field);
        }
        Ok(Self(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_back() {
        let all = Field::ALL.map(Field::as_str).join(", ");
        assert_eq!(all.parse::<Fields>().unwrap().iter().collect::<Vec<_>>(), Field::ALL);
    }

    #[test]
    fn a_wrong_field_names_those_there_are() {
        let text = |list: &str| list.parse::<Fields>().unwrap_err().to_string();
        assert!(text("addr,prot").starts_with("read field 'prot': there is addr, port, proto, state, "), "{}", text("addr,prot"));
        assert!(text("").starts_with("read field '': there is"));
        assert_eq!(text("addr,port,addr"), "read field 'addr': it is named twice");
    }
}
