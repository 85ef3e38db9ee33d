//! Two scans side by side, host by host in the order of their addresses.

use std::io;
use std::net::IpAddr;

use super::difference::{HostDiff, PortDiff, RestDiff, Totals, cause, of_port};
use super::known::{HostKnown, Known, Verdict};
use super::scan::{Host, Port, Scan, View};

/// Tells of each host of which the scans do not tell the same, ascending by address, and how much that is. What could not be judged is told
/// if it is there in one of them, and counted else.
///
/// # Errors
/// Those of `each`, at the first.
pub fn compare<'a>(old: &'a Scan, new: &'a Scan, each: &mut dyn FnMut(&HostDiff<'a>) -> io::Result<()>) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let common = (old.ports.len() - old.ports.difference(&new.ports).len(), old, new);
    let (mut left, mut right) = (Cursor::new(old), Cursor::new(new));
    while let Some(addr) = [left.addr(), right.addr()].into_iter().flatten().min() {
        let diff = host(addr, left.take(addr), right.take(addr), common, &mut totals);
        let is_up = [diff.old, diff.new].contains(&HostKnown::Up);
        if diff.verdict.differs() || !diff.ports.is_empty() || diff.rest.is_some() || (diff.verdict == Verdict::Unjudged && is_up) {
            totals.hosts.add(diff.whole(), 1);
            each(&diff)?;
        } else {
            totals.hosts.add(diff.verdict, 1);
        }
    }
    Ok(totals)
}

/// Where the reading of a scan's tables is.
struct Cursor<'a> {
    scan: &'a Scan,
    hosts: &'a [Host],
    told: &'a [Port],
}

impl<'a> Cursor<'a> {
    fn new(scan: &'a Scan) -> Self {
        Self { scan, hosts: &scan.hosts, told: &scan.told }
    }

    /// Every port has a host.
    fn addr(&self) -> Option<IpAddr> {
        self.hosts.first().map(|host| host.addr)
    }

    fn take(&mut self, addr: IpAddr) -> View<'a> {
        let row = self.hosts.split_first().filter(|(host, _)| host.addr == addr);
        let (row, rest) = row.map_or((None, self.hosts), |(row, rest)| (Some(row), rest));
        self.hosts = rest;
        let count = if row.is_some() { self.told.iter().take_while(|port| port.addr == addr).count() } else { 0 };
        let (told, rest) = self.told.split_at(count);
        self.told = rest;
        self.scan.view(addr, row, told)
    }
}

fn host<'a>(
    addr: IpAddr,
    old: View<'a>,
    new: View<'a>,
    (common, before, after): (u32, &'a Scan, &'a Scan),
    totals: &mut Totals,
) -> HostDiff<'a> {
    let verdict = old.known.verdict(new.known);
    let is_untold = |view: &View<'_>| matches!((view.known, view.rest), (HostKnown::Unknown(_), Known::Unknown(_)));
    totals.lost_sight |= (is_untold(&old) && new.known == HostKnown::Up) || (is_untold(&new) && old.known == HostKnown::Up);
    let mut diff = HostDiff { addr, name: new.name.or(old.name), old: old.known, new: new.known, verdict, ports: Vec::new(), rest: None };
    let (mut singles, mut one_sided) = (0_u32, 0_u32);
    let (mut left, mut right) = (old.told.iter().peekable(), new.told.iter().peekable());
    while let Some(port) = [left.peek(), right.peek()].into_iter().flatten().map(|port| port.number).min() {
        let told = [left.next_if(|told| told.number == port), right.next_if(|told| told.number == port)];
        let known = |told: Option<&'a Port>, scan: &'a Scan, rest| match told {
            Some(told) => (scan.known(told.state), scan.reasons.word(told.reason)),
            None if scan.ports.contains(port) => (rest, None),
            None => (Known::NotAsked, None),
        };
        let [is_old, is_new] = [told[0].is_some(), told[1].is_some()];
        let (old, new) = (known(told[0], before, old.rest), known(told[1], after, new.rest));
        let is_common = (is_old || old.0 != Known::NotAsked) && (is_new || new.0 != Known::NotAsked);
        singles += u32::from(is_common);
        one_sided += u32::from(is_common && is_old != is_new);
        let verdict = old.0.verdict(new.0);
        let found = PortDiff { port, old, new, verdict };
        totals.ports.add(verdict, 1);
        if verdict.differs() {
            totals.opened += u64::from(new.0 == Known::Open);
            totals.no_longer_open += u64::from(old.0 == Known::Open);
        }
        totals.unjudged(found.cause(), 0, 1);
        totals.lost_sight |= matches!((old.0, new.0), (Known::Open, Known::Unknown(_)) | (Known::Unknown(_), Known::Open));
        if verdict.differs() || (verdict == Verdict::Unjudged && [old.0, new.0].contains(&Known::Open)) {
            diff.ports.push(found);
        }
    }
    totals.unjudged(diff.cause(), 1, 0);
    let others = Others { count: common.saturating_sub(singles), one_sided, old, new };
    if let Some(rest) = others.compared(totals) {
        // Of a host that is new or gone, so are its closed ports.
        let follows = matches!(verdict, Verdict::Appeared | Verdict::Disappeared) && rest.verdict == verdict;
        if rest.verdict.differs() && !follows {
            totals.ports.add(rest.verdict, u64::from(rest.ports));
            diff.rest = Some(rest);
        }
    }
    diff
}

/// The ports of a host that both asked and neither tells singly.
struct Others<'a> {
    count: u32,
    /// How many ports only one tells singly, which the other counts.
    one_sided: u32,
    old: View<'a>,
    new: View<'a>,
}

impl Others<'_> {
    fn compared(&self, totals: &mut Totals) -> Option<RestDiff> {
        let Self { count: ports, old, new, .. } = *self;
        if ports == 0 {
            return None;
        }
        let counts = old.counts.zip(new.counts).map(|(old, new)| [old, new]);
        let mut rest = RestDiff { ports, old: old.rest, new: new.rest, counts, verdict: old.rest.verdict(new.rest) };
        if rest.verdict == Verdict::Unjudged {
            totals.ports.unjudged += u64::from(ports);
            totals.unjudged(cause(of_port(old.rest), of_port(new.rest)), 0, u64::from(ports));
        }
        if let Some([before, after]) = counts
            && [old.rest, new.rest].contains(&Known::NotOpen)
            && [old.rest, new.rest].iter().all(|known| matches!(known, Known::NotOpen | Known::Closed | Known::NoAnswer | Known::Filtered))
        {
            // So many at least are closed in one and not in the other, whichever they are.
            let moved = before.0.abs_diff(after.0).saturating_sub(self.one_sided);
            if moved > 0 {
                rest.ports = moved;
                rest.verdict = Verdict::Changed;
            }
        }
        Some(rest)
    }
}
