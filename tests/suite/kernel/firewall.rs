//! What firewalls answer: the same words by SYN and by connect().

use std::collections::BTreeMap;
use std::net::IpAddr;

use synprobe::run::{Request, Technique};
use synprobe::scan::{Outcome, Reason, State, Suspicion};

use super::bed::{Bed, Told, request, scan};
use crate::connect::ICMP;

#[test]
fn every_kind_of_refusal_is_told_exactly() {
    let Some(mut bed) = Bed::of("firewall::every_kind_of_refusal_is_told_exactly") else { return };
    bed.answer_for("10.64.0.0/24");
    let rules: Vec<String> =
        (9000..).zip(ICMP).map(|(port, (word, _))| format!("  tcp dport {port} reject with icmp type {word}\n")).collect();
    let rules = rules.concat();
    let host = format!(
        "table inet host {{\n chain in {{\n  type filter hook input priority 0;\n{rules}  tcp dport 9007 reject with tcp reset\n  tcp dport 9008 drop\n }}\n}}\n"
    );
    // A router refuses on behalf of a host behind it.
    let router = "table ip router {\n chain pre {\n  type filter hook prerouting priority -150;\n  ip daddr 10.64.0.9 reject with icmp type admin-prohibited\n }\n}\n";
    if !bed.firewall(&(host + router)) {
        return;
    }
    let _listening = bed.listen(&[9009]);

    let own: IpAddr = "10.64.0.1".parse().unwrap();
    let other: IpAddr = "10.64.0.9".parse().unwrap();
    let filtered = |reason, reason_addr| Outcome { state: State::Filtered, reason, reason_addr };
    let mut expected: BTreeMap<_, _> = (9000..).zip(ICMP).map(|(port, (_, reason))| ((own, port), filtered(reason, None))).collect();
    expected.insert((own, 9007), Outcome { state: State::Closed, reason: Reason::Reset, reason_addr: None });
    expected.insert((own, 9008), filtered(Reason::NoResponse, None));
    expected.insert((own, 9009), Outcome { state: State::Open, reason: Reason::SynAck, reason_addr: None });
    expected.insert((own, 9010), Outcome { state: State::Closed, reason: Reason::Reset, reason_addr: None });
    expected.extend((9000..=9010).map(|port| ((other, port), filtered(Reason::AdminProhibited, Some("10.0.0.2".parse().unwrap())))));

    let asked = request("10.64.0.1,10.64.0.9", "9000-9010");
    let syn = scan(&asked);
    assert_eq!(syn.outcomes(), expected);
    assert!(syn.summary.is_complete(), "{:?}", syn.summary);
    let connect = scan(&Request { technique: Technique::Connect, ..asked });
    assert_eq!(verdicts(&connect), verdicts(&syn));
}

#[test]
fn a_transparent_proxy_is_flagged_and_a_busy_host_is_not() {
    let Some(mut bed) = Bed::of("firewall::a_transparent_proxy_is_flagged_and_a_busy_host_is_not") else { return };
    bed.answer_for("10.64.0.0/24");
    let proxy = "table ip proxy {\n chain pre {\n  type nat hook prerouting priority -100;\n  ip daddr 10.64.0.1 tcp dport 1-65535 redirect to :9000\n }\n}\n";
    if !bed.firewall(proxy) {
        return;
    }
    let _listening = bed.listen(&(9000..9060).collect::<Vec<u16>>());
    let asked = request("10.64.0.1-3", "9000-9099");
    for technique in [Technique::Syn, Technique::Connect] {
        let told = scan(&Request { technique, ..asked.clone() });
        let suspects: Vec<_> = told.hosts.iter().filter_map(|host| Some((host.addr.to_string(), host.suspect?))).collect();
        assert_eq!(suspects, [("10.64.0.1".to_owned(), Suspicion::ControlPorts)], "{technique:?}");
        assert_eq!((told.summary.hosts_suspect, told.summary.hosts_hidden), (1, 0));
        // Open: everything on the proxy, sixty of a hundred on the others. Five control probes for each.
        assert_eq!(told.summary.open, 100 + 60 + 60);
        assert!(told.summary.probes >= 300 + 15, "{:?}", told.summary);
    }
}

/// The outcomes, but that connect() learns of a RST by being refused.
fn verdicts(told: &Told) -> BTreeMap<(IpAddr, u16), Outcome> {
    let alike = |outcome: Outcome| match outcome.reason {
        Reason::ConnRefused => Outcome { reason: Reason::Reset, ..outcome },
        _ => outcome,
    };
    told.outcomes().into_iter().map(|(target, outcome)| (target, alike(outcome))).collect()
}
