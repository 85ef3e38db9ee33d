//! What discovery needs, when it is proposed, and what it sends.

use super::plan::{Plan, SynPlan, count};
use super::request::Request;
use crate::error::{Error, Result};
use crate::net::privilege;
use crate::scan::Discovery;
use crate::target::{AddressSet, PortSet};

/// What a user should know, a line each.
///
/// # Errors
/// Discovery is asked for, and nothing that is asked for can be discovered.
pub(super) fn notices(request: &Request, plan: &Plan) -> Result<Vec<String>> {
    let connects = !plan.connect.is_empty();
    match request.discovery {
        Discovery::Off => Ok(proposal(plan, u64::from(request.ports.len())).into_iter().collect()),
        _ if connects && plan.syn.is_none() && plan.connect.ipv6() != plan.connect => {
            let error = Error::machine("discover", "hosts", "connect() cannot ask by ICMP echo: raw packets are needed");
            Err(error.hint(format!("{}; or leave discovery out", privilege::hint())))
        }
        Discovery::Only if connects => {
            let first = plan.connect.nth(0).map_or_else(String::new, |addr| addr.to_string());
            let error = Error::machine("discover", first, "it goes through connect(), which cannot ask by ICMP echo");
            Err(error.hint("leave such addresses out, or probe ports of them: -p 22,80,443"))
        }
        Discovery::First if connects => Ok(vec!["what goes through connect() is not discovered first: each port is asked".to_owned()]),
        Discovery::First | Discovery::Only => Ok(Vec::new()),
    }
}

/// Where so much is asked for behind routers that asking first who is there is sure to pay.
fn proposal(plan: &Plan, ports: u64) -> Option<String> {
    let targets = count(&routed(plan.syn.as_ref()?)).saturating_mul(ports);
    let questions = u64::from(Discovery::questions().len());
    (targets > MANY && ports > questions).then(|| {
        format!(
            "{targets} targets are behind routers: --discover asks each host first whether it is there, and ports only of those that are"
        )
    })
}

/// Sets of addresses and ports that are asked for if nothing answers; port 0 is an ICMP echo request.
pub(super) fn asked(request: &Request, syn: &SynPlan) -> Vec<(AddressSet, PortSet)> {
    let onlink = (syn.onlink.clone(), request.ports.clone());
    let parts = match request.discovery {
        Discovery::Off => vec![(syn.addresses.clone(), request.ports.clone())],
        Discovery::First => vec![onlink, (routed(syn), Discovery::questions())],
        Discovery::Only => vec![(routed(syn), Discovery::questions())],
    };
    parts.into_iter().filter(|(addresses, ports)| !addresses.is_empty() && !ports.is_empty()).collect()
}

fn routed(syn: &SynPlan) -> AddressSet {
    syn.addresses.difference(&syn.onlink)
}

/// Targets that a fast path still takes minutes for.
const MANY: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(addresses: &str, onlink: &str) -> SynPlan {
        SynPlan { addresses: addresses.parse().unwrap(), onlink: onlink.parse().unwrap(), ..SynPlan::default() }
    }

    #[test]
    fn it_is_proposed_for_more_than_ten_million_routed_targets() {
        let proposed = |addresses, onlink, ports| {
            let plan = Plan { syn: Some(syn(addresses, onlink)), ..Plan::default() };
            proposal(&plan, ports).is_some()
        };
        assert!(proposed("10.1.0.0/16", "", 1000));
        assert!(!proposed("10.1.0.0/16", "", 100));
        assert!(!proposed("10.1.0.0/16", "10.1.0.0/16", 1000), "ARP finds those");
        assert!(!proposed("10.0.0.0/8", "", 2), "two ports are fewer than what discovery asks");
    }

    #[test]
    fn connect_discovers_nothing() {
        let plan = |connect: &str, raw: bool| Plan {
            connect: connect.parse().unwrap(),
            syn: raw.then(|| syn("10.1.0.0/24", "")),
            ..Plan::default()
        };
        let asked = |discovery, plan: &Plan| {
            let request = Request { discovery, ..Request::new("10.1.0.0/24".parse().unwrap(), "80".parse().unwrap()) };
            notices(&request, plan).map(|notices| notices.len()).map_err(|error| error.kind())
        };
        let unprivileged = plan("10.1.0.0/24", false);
        for discovery in [Discovery::First, Discovery::Only] {
            assert_eq!(asked(discovery, &unprivileged), Err(crate::error::Kind::Machine));
        }
        assert_eq!(asked(Discovery::Off, &unprivileged), Ok(0));
        let mixed = plan("2001:db8::1", true);
        assert_eq!([Discovery::First, Discovery::Only].map(|discovery| asked(discovery, &mixed).ok()), [Some(1), None]);
        assert_eq!(asked(Discovery::Only, &plan("", true)), Ok(0));
    }

    #[test]
    fn what_is_sent_to_the_silent_is_known() {
        let request = |discovery| Request { discovery, ..Request::new(AddressSet::new(), "1-1000".parse().unwrap()) };
        let sent = |discovery| {
            let parts = asked(&request(discovery), &syn("10.0.0.0/24 10.1.0.0/24", "10.0.0.0/24"));
            parts.iter().map(|(addresses, ports)| count(addresses) * u64::from(ports.len())).sum::<u64>()
        };
        assert_eq!([Discovery::Off, Discovery::First, Discovery::Only].map(sent), [512_000, 257_024, 1024]);
    }
}
