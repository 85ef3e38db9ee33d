//! Nothing answered: what is known about why, and what to try next. Never a bare "0 open".

use std::net::IpAddr;

use super::plan::Plan;
use crate::counted::counted;
use crate::scan::{Board, EgressRecord, Summary};
use crate::target::{AddressSet, reserved};

/// What was seen of a scan that nobody answered.
#[derive(Debug, Default)]
pub(super) struct Silence<'a> {
    /// Nobody at all answered; otherwise this machine itself did.
    pub(super) all: bool,
    /// Raw probes that left, and those that could not.
    pub(super) probes: u64,
    pub(super) send_errors: u64,
    /// ARP requests for targets on the link, and hosts that answered one.
    pub(super) asked: u64,
    pub(super) known: u64,
    /// Gateways, and whether each answered ARP.
    pub(super) gateways: Vec<(IpAddr, bool)>,
    pub(super) egresses: &'a [EgressRecord],
    /// A private address of ours sends to public ones.
    pub(super) is_translated: bool,
}

impl<'a> Silence<'a> {
    /// What `summary`, `plan` and the board of the raw part say.
    pub(super) fn of(summary: &Summary, plan: &'a Plan, board: Option<&Board>) -> Self {
        let gateways = board.iter().flat_map(|board| {
            let all = board.neighbours.gateways().iter().enumerate();
            all.map(|(number, wanted)| (IpAddr::V4(wanted.addr), board.neighbours.gateway(number).is_some()))
        });
        let public = reserved::public();
        let targets = plan.syn.iter().map(|syn| &syn.addresses).chain([&plan.connect]);
        let leaves = targets.fold(AddressSet::new(), |all, part| all.union(part)).intersection(&public);
        let ours = |egress: &EgressRecord| egress.gateway.is_some() && egress.source.is_some_and(|source| !public.contains(source));
        Self {
            all: summary.answered == 0,
            probes: summary.probes,
            send_errors: summary.send_errors,
            asked: board.map_or(0, |board| board.neighbours.onlink().len() as u64),
            known: board.map_or(0, |board| board.neighbours.known().count() as u64),
            gateways: gateways.collect(),
            egresses: &plan.egresses,
            is_translated: !leaves.is_empty() && plan.egresses.iter().any(ours),
        }
    }

    /// A line: what was checked, and the next step.
    pub(super) fn diagnosis(&self) -> String {
        let who = if self.all { "nothing answered at all" } else { "nothing but this machine itself answered" };
        let checked = [Some(self.sending()), self.neighbours(), self.way()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        format!("{who}, {}: {checked}; next: {}", Summary::UNPROVEN, self.next())
    }

    /// Did our own probes leave?
    fn sending(&self) -> String {
        // What went to this machine itself did not leave over any other interface.
        let here = self.egresses.iter().any(|egress| egress.link == "raw-ip");
        let mut over: Vec<&str> = self.egresses.iter().filter(|egress| egress.link != "connect").map(|egress| &*egress.interface).collect();
        over.dedup();
        let over = if here || over.is_empty() { String::new() } else { format!(" over {}", over.join(", ")) };
        match (self.probes, self.send_errors) {
            (0, 0) => format!("no probe left{over}, for nobody was there to send it to"),
            (0, errors) => format!("no probe left{over}: {} failed", counted(errors, "sending")),
            (probes, 0) => format!("{} left{over} without an error", counted(probes, "probe")),
            (probes, errors) => format!("{} left{over}, {} could not", counted(probes, "probe"), errors),
        }
    }

    /// Did the neighbourhood answer?
    fn neighbours(&self) -> Option<String> {
        let gateway =
            |&(addr, answers): &(IpAddr, bool)| format!("gateway {addr} {}", if answers { "answers ARP" } else { "does not answer ARP" });
        let mut words: Vec<String> = self.gateways.iter().take(NAMED).map(gateway).collect();
        if self.asked > 0 {
            words.push(format!("{} of {} on the link answered ARP", self.known, counted(self.asked, "address")));
        }
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// What stands between?
    fn way(&self) -> Option<String> {
        let tunnel = self.egresses.iter().find(|egress| egress.link == "tunnel");
        match (tunnel, self.is_translated) {
            (Some(egress), _) => Some(format!("{} is a tunnel, whose other end may drop SYNs or answer none", egress.interface)),
            (None, true) => Some("the way leads through address translation (NAT), which may drop so many new connections".to_owned()),
            (None, false) if self.egresses.iter().any(|egress| egress.link == "connect") => None,
            (None, false) => Some("no tunnel and no address translation is seen here".to_owned()),
        }
    }

    fn next(&self) -> String {
        let canary = "--canary HOST:PORT names a port known to answer";
        let silent_gateway = self.gateways.iter().any(|(_, answers)| !answers);
        let nobody_near = self.asked > 0 && self.known == 0;
        if self.probes == 0 && self.send_errors > 0 {
            "check that the interface is up and no local firewall refuses what it sends (synprobe interfaces)".to_owned()
        } else if silent_gateway || (nobody_near && self.gateways.is_empty()) {
            format!("check the interface, its cable and its network (-e INTERFACE; synprobe interfaces); {canary}")
        } else {
            format!("{canary}; check firewalls here and on the way")
        }
    }
}

/// So many gateways are named.
const NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(link: &'static str, interface: &str) -> EgressRecord {
        EgressRecord { interface: interface.into(), source: Some([10, 0, 0, 1].into()), gateway: None, link: link.into(), addresses: 4 }
    }

    const GATEWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn a_silent_far_end_is_told_from_a_silent_gateway() {
        let egresses = [egress("packet", "eth7")];
        let far = Silence { all: true, probes: 512, gateways: vec![(GATEWAY, true)], egresses: &egresses, ..Silence::default() };
        insta::assert_snapshot!(far.diagnosis(), @"nothing answered at all, so the path is unproven: 512 probes left over eth7 without an error; gateway 10.0.0.2 answers ARP; no tunnel and no address translation is seen here; next: --canary HOST:PORT names a port known to answer; check firewalls here and on the way");
        let near = Silence { probes: 0, gateways: vec![(GATEWAY, false)], ..far };
        insta::assert_snapshot!(near.diagnosis(), @"nothing answered at all, so the path is unproven: no probe left over eth7, for nobody was there to send it to; gateway 10.0.0.2 does not answer ARP; no tunnel and no address translation is seen here; next: check the interface, its cable and its network (-e INTERFACE; synprobe interfaces); --canary HOST:PORT names a port known to answer");
    }

    #[test]
    fn an_empty_link_is_told_by_arp() {
        let egresses = [egress("raw-ip", "lo"), egress("packet", "eth7")];
        let link = Silence { probes: 1, asked: 254, egresses: &egresses, ..Silence::default() };
        insta::assert_snapshot!(link.diagnosis(), @"nothing but this machine itself answered, so the path is unproven: 1 probe left without an error; 0 of 254 addresses on the link answered ARP; no tunnel and no address translation is seen here; next: check the interface, its cable and its network (-e INTERFACE; synprobe interfaces); --canary HOST:PORT names a port known to answer");
    }

    #[test]
    fn tunnels_translation_and_refusals_are_named() {
        let egresses = [egress("tunnel", "wg3")];
        let tunnel = Silence { all: true, probes: 9, egresses: &egresses, ..Silence::default() };
        assert!(tunnel.diagnosis().contains("wg3 is a tunnel"), "{}", tunnel.diagnosis());
        let egresses = [egress("packet", "eth7")];
        let translated = Silence { egresses: &egresses, is_translated: true, gateways: vec![(GATEWAY, true)], ..tunnel };
        assert!(translated.diagnosis().contains("NAT"), "{}", translated.diagnosis());
        let refused = Silence { all: true, send_errors: 12, egresses: &egresses, ..Silence::default() };
        assert!(
            refused.diagnosis().contains("12 sendings failed") && refused.diagnosis().contains("local firewall"),
            "{}",
            refused.diagnosis()
        );
    }
}
