//! The ports of a host that have no record of their own, only a count.

use crate::scan::{HostRecord, Reason, State};

/// How many ports are in a state for a reason without being recorded singly; most first.
pub(super) fn rest_of(host: &HostRecord, state: State) -> Vec<(Reason, u64)> {
    let silent = Some((Reason::NoResponse, host.unanswered)).filter(|(_, count)| *count > 0);
    let counts: Vec<(Reason, u64)> = match state {
        State::Open => Vec::new(),
        State::Closed => host.closed.iter().map(|(reason, count)| (*reason, *count)).collect(),
        State::Filtered => host.filtered.iter().map(|(reason, count)| (*reason, *count)).chain(silent).collect(),
    };
    let listed = |reason| host.ports.iter().filter(|port| port.outcome.state == state && port.outcome.reason == reason).count() as u64;
    let mut rest: Vec<(Reason, u64)> = counts.into_iter().map(|(reason, count)| (reason, count.saturating_sub(listed(reason)))).collect();
    rest.retain(|(_, count)| *count > 0);
    rest.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn counts_leave_out_what_is_listed() {
        let mut host = sample::hosts().remove(0);
        assert_eq!(rest_of(&host, State::Closed), [(Reason::Reset, 997)]);
        assert_eq!(rest_of(&host, State::Filtered), [(Reason::NoResponse, 3), (Reason::AdminProhibited, 1)]);
        host.ports.clear();
        assert_eq!(rest_of(&host, State::Closed), [(Reason::Reset, 998)]);
    }
}
