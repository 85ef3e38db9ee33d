//! nmap's XML, ours and nmap's own.

use std::io::BufRead;
use std::net::IpAddr;
use std::time::Duration;

use roaring::RoaringBitmap;

use super::{Reading, finished};
use crate::error::Result;
use crate::report::Strictness;
use crate::report::diff::asked;
use crate::report::diff::gather::{Doubt, Facts, Gather, State};
use crate::report::diff::known::Why;
use crate::report::diff::scan;
use crate::report::xml::read::{self as document, Host, Told};
use crate::target::PortSet;

/// Reads a document.
pub(super) fn read(input: &mut dyn BufRead, name: &str, strictness: Strictness) -> Result<Reading> {
    let mut seen = Seen::default();
    let cut = document::read(input, name, strictness, &mut |told| seen.take(told))?;
    finished(seen.close(cut.is_some()), name, strictness, cut)
}

#[derive(Default)]
struct Seen {
    gather: Gather,
    arguments: String,
    ports: RoaringBitmap,
    /// Whether it says how it ended, and that that was well.
    success: Option<bool>,
    total: Option<u64>,
    is_ours: bool,
}

impl Seen {
    fn take(&mut self, told: Told) {
        match told {
            Told::Begin { arguments, started } => {
                self.arguments = arguments;
                self.gather.started = started.map(Duration::from_secs);
            }
            Told::Asked { protocol, services } if protocol == "tcp" => self.ports |= numbers(&services),
            Told::Asked { .. } => {}
            Told::Host(host) => self.host(&host),
            Told::Comment(text) => self.comment(&text),
            Told::Finished { success } => self.success = Some(success),
            Told::Hosts { total } => self.total = total,
        }
    }

    /// What nmap's elements have no place for, ours says in comments.
    fn comment(&mut self, text: &str) {
        if text.starts_with("synprobe ") {
            self.is_ours = true;
        } else if let Some(reason) = text.strip_prefix("incomplete: ").filter(|_| self.is_ours) {
            self.gather.reservations.push(reason.to_owned());
        } else if self.is_ours && text.ends_with(" hidden") {
            self.gather.course.left_out = true;
        }
    }

    fn host(&mut self, host: &Host) {
        let Some(addr) = host.addr else { return };
        let mut facts = Facts::bare(addr, State::Up);
        for port in &host.ports {
            let told = told(&port.state, &port.reason);
            self.gather.port(addr, port.number, told, &port.reason);
            facts.add(told, 1);
        }
        let is_mixed = host.others.iter().any(|others| told(&others.state, "") != told(&host.others[0].state, ""));
        for others in &host.others {
            let told = told(&others.state, &others.reason);
            facts.add(told, others.count);
            if told == scan::Told::Unclear {
                facts.why = Some(Why::NotTold);
            }
            // Where closed and filtered ones stand side by side, those of which there are few are told singly, if it is told which they are.
            if is_mixed && others.count <= FEW && told != scan::Told::Closed {
                self.singly(addr, told, others);
            }
        }
        let has_own = facts.closed > 0 || host.ports.iter().any(|port| port.state == "open" || port.state == "closed");
        facts.state = match &*host.state {
            // Nobody asked whether it is there (-Pn), and nothing came back.
            "up" if host.reason == "user-set" && !has_own => State::Silent,
            "up" => State::Up,
            "down" => State::Silent,
            _ => State::NotProbed,
        };
        if facts.state == State::Silent && facts.is_without_ports() && facts.why.is_none() {
            // Its ports were not asked because it is down.
            facts.not_probed = u32::MAX;
        }
        if host.timed_out {
            facts.why = Some(Why::Ended);
            facts.state = if facts.is_without_ports() { State::NotProbed } else { facts.state };
        }
        self.gather.host(facts, host.name.as_deref());
    }

    fn singly(&mut self, addr: IpAddr, told: scan::Told, others: &document::Others) {
        let ports = others.ports.as_deref().map(numbers).unwrap_or_default();
        if ports.len() == u64::from(others.count) {
            for port in each(&ports) {
                self.gather.port(addr, port, told, &others.reason);
            }
        }
    }

    fn close(mut self, is_cut: bool) -> Gather {
        let words: Vec<&str> = self.arguments.split_whitespace().collect();
        let gather = &mut self.gather;
        gather.ports = Some(each(&self.ports).collect::<PortSet>());
        gather.addresses = self.total;
        gather.asked = self.total.and_then(|total| asked::of(&words, total));
        gather.course.only_open = words.contains(&"--open");
        gather.course.ended_early = is_cut || self.success != Some(true);
        // nmap asks again by itself, and says nothing of what it may have missed.
        let is_doubted = self.is_ours && (gather.course.ended_early || !gather.reservations.is_empty());
        gather.course.doubt = if is_doubted { Doubt::Anything } else { Doubt::Nothing };
        if is_cut {
            gather.reservations.insert(0, "its record is cut short, for it was killed or still runs".to_owned());
        } else if gather.course.ended_early {
            gather.reservations.insert(0, "it was interrupted".to_owned());
        }
        self.gather
    }
}

/// So many ports of a host and a reason are told singly at most.
const FEW: u32 = 1024;

/// nmap's words for the state of a port.
fn told(state: &str, reason: &str) -> scan::Told {
    match (state, reason) {
        ("open", _) => scan::Told::Open,
        ("closed", _) => scan::Told::Closed,
        ("filtered", "no-response") => scan::Told::Silent,
        ("filtered", _) => scan::Told::Filtered,
        ("closed|filtered", _) => scan::Told::NotOpen,
        // `unfiltered` answered; of `open|filtered`, in scans by FIN and the like, silence is what open ports do.
        _ => scan::Told::Unclear,
    }
}

/// The ports of a list as nmap writes it: numbers and ranges, 0 among them. What is none is passed over. However often a list repeats
/// itself, it takes no more room.
fn numbers(list: &str) -> RoaringBitmap {
    let mut ports = RoaringBitmap::new();
    for word in list.split(',') {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            ports.insert_range(u32::from(first)..=u32::from(last));
        }
    }
    ports.remove(0);
    ports
}

fn each(ports: &RoaringBitmap) -> impl Iterator<Item = u16> + '_ {
    ports.iter().map(|port| port as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_repeat_themselves_take_no_more_room() {
        let ports = |list: &str| each(&numbers(list)).collect::<Vec<_>>();
        assert_eq!(ports("443,22,80-82,0, 81-83 ,x,9-7,22,70000"), [22, 80, 81, 82, 83, 443]);
        let all = numbers(&"1-65535,".repeat(1 << 15));
        assert!(all.len() == 65535 && all.serialized_size() <= 1 << 14, "{}", all.serialized_size());
    }
}
