//! From a plan to open links: everything a raw scan needs a privilege for.

use std::sync::Arc;
use std::time::Duration;

use super::plan::{Plan, SynPlan, known_gateways};
use super::proofs::Proofs;
use super::request::{Rate, Request};
use super::step::Inlet;
use super::threads::Links;
use crate::error::{Error, Result};
use crate::net::Engine;
use crate::net::link::{LinkKind, LinkOptions, Proof, open};
use crate::net::ports::PortBlock;
use crate::scan::{Board, Cookie, Neighbours, Observer, RatePolicy, ScanConfig, SourcePorts};
use crate::time::Time;

/// The decided form of the raw part of a request.
pub(super) fn config(request: &Request, plan: &Plan, syn: &SynPlan) -> ScanConfig {
    let defaults = ScanConfig::adaptive(syn.addresses.clone(), request.ports.clone(), plan.seed);
    let policy = if request.rate.is_some() { RatePolicy::Fixed } else { RatePolicy::Auto };
    let rate = request.most().map_or(defaults.rate, Rate::get);
    let config = ScanConfig {
        attempts: request.attempts.unwrap_or(defaults.attempts).clamp(1, MOST_ATTEMPTS),
        most_attempts: request.attempts.unwrap_or(defaults.most_attempts).clamp(1, MOST_ATTEMPTS),
        policy,
        completeness: request.completeness,
        rate,
        // A rate asked for is meant, also on few hosts, unless the share of a host is asked for too.
        host_rate: match request.host_rate.map(Rate::get) {
            None if request.rate.is_some() => rate,
            asked => request.host_share(asked.unwrap_or(defaults.host_rate)),
        },
        wait: request.wait,
        timeout: request.timeout.map(|timeout| timeout.max(Duration::from_millis(10))),
        deadline: request.max_duration.map(|most| Time::ZERO + most.saturating_sub((most / 10).min(Duration::from_millis(500)))),
        canary: request.canary,
        discovery: request.discovery,
        keeps_journal: request.keeps_journal,
        ..defaults
    };
    // Account is kept by one sender, and the XDP engine has a thread of its own to send while one writes.
    let is_one = config.is_accounted() || request.engine == Engine::Xdp;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let senders = if is_one { 1 } else { senders(rate, cores, syn.links.iter().map(|link| link.queues)) };
    ScanConfig { senders, ..config }
}

/// How many send at `rate` a second on so many processors, by links with these queues: in one queue two wait for each other.
fn senders(rate: u64, cores: u64, queues: impl Iterator<Item = Option<u32>>) -> u64 {
    let side_by_side = queues.map(|queues| queues.map(u64::from)).sum::<Option<u64>>().map_or(cores, |queues| cores.min(queues));
    (rate / WORTH_A_SENDER).clamp(1, side_by_side.max(1))
}

/// A raw scan with everything opened.
pub(super) struct Raw {
    pub(super) board: Arc<Board>,
    pub(super) links: Links,
    /// Kept while the scan runs: nobody else gets these ports.
    _ports: PortBlock,
}

impl Raw {
    /// Opens everything that needs a privilege.
    pub(super) fn open(request: &Request, plan: &Plan, syn: &SynPlan, proofs: Option<&Proofs>) -> Result<Self> {
        let config = config(request, plan, syn);
        let (block, source_ports) = if let Some(port) = request.source_port {
            (PortBlock::fixed(port), SourcePorts::Fixed(port))
        } else {
            let block = PortBlock::reserve(if config.is_accounted() { MOST_PORTS_HELD } else { PORTS_HELD }, &[])?;
            let ports = SourcePorts::Block { first: block.first(), count: block.count() };
            (block, ports)
        };
        let numbers = if config.is_accounted() { Cookie::most(source_ports) } else { config.most_attempts };
        let key = key()?;
        let cookie = Cookie::new(key, source_ports, numbers);
        // As `Cookie` has it: the attempt is in the port, or else in the hash.
        let proof = Proof { key, numbers: if request.source_port.is_some() { numbers } else { 0 } };
        let neighbours = Neighbours::new(syn.gateways.clone(), syn.asked.clone());
        let senders = config.senders as usize;
        let board = Board::new(config, cookie, syn.egresses.clone(), neighbours);
        let left = request.left.as_ref().map(|left| left.stages.clone()).unwrap_or_default();
        let board = Arc::new(board.taking_up(left));
        for (link, addr, mac) in known_gateways(syn) {
            board.neighbours.learn(link, addr, mac, Time::ZERO);
        }
        // A rate that is found on the way does not outrun the receiver: it is told how far that has come.
        let most = if board.config.policy == RatePolicy::Fixed { MOST_RECEIVE_BYTES } else { LinkOptions::RECEIVE_BYTES };
        let receive_bytes = LinkOptions::receive_bytes_at(board.config.rate_over(board.config.addresses.len()), most);
        let mut links = Links { outlets: (0..senders).map(|_| Vec::new()).collect(), inlets: Vec::new(), names: Vec::new() };
        for (number, planned) in syn.links.iter().enumerate() {
            let options = LinkOptions {
                engine: request.engine,
                first_port: source_ports.first(),
                last_port: source_ports.last(),
                transmitters: senders + 1,
                proof: Some(proof),
                queueing: request.queueing,
                receive_bytes,
            };
            let mut link = open(&planned.name, planned.index, planned.kind, &options)?;
            let resets = link.transmitters.pop().ok_or_else(|| Error::machine("open", &planned.name, "no transmitter"))?;
            let mut observer = Observer::new(Arc::clone(&board), number);
            if planned.kind == LinkKind::Loopback {
                observer = observer.of_this_machine();
            }
            links.inlets.push(Inlet::new(link.receiver, observer, resets).catching(proofs.map(|proofs| proofs.catch(&planned.name))));
            links.names.push(planned.name.clone());
            for (outlets, transmitter) in links.outlets.iter_mut().zip(link.transmitters) {
                outlets.push(transmitter);
            }
        }
        Ok(Self { board, links, _ports: block })
    }
}

/// A key for the cookies that nobody can guess.
fn key() -> Result<[u8; 16]> {
    use rand::TryRng;
    let mut key = [0; 16];
    rand::rngs::SysRng.try_fill_bytes(&mut key).map_err(|error| Error::machine("read", "the system's random numbers", error))?;
    Ok(key)
}

/// More attempts can not be asked for.
const MOST_ATTEMPTS: u8 = 16;
/// Source ports kept: one for each attempt.
const PORTS_HELD: u16 = 16;
/// Where account of loss is kept: a canary is asked again and again, each time as a flow of its own.
const MOST_PORTS_HELD: u16 = 256;
/// For the replies of a quarter of a second at a million a second.
const MOST_RECEIVE_BYTES: usize = 32 << 20;
/// A further sending thread pays for each so many a second: one that sends few at a time wakes up for each, and two of them took a third more
/// processor time for 100,000 a second than one.
const WORTH_A_SENDER: u64 = 250_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_has_work_a_processor_and_a_queue() {
        let of = |rate, queues: &[Option<u32>]| senders(rate, 4, queues.iter().copied());
        assert_eq!([100_000, 499_999, 500_000, 9_000_000].map(|rate| of(rate, &[None])), [1, 1, 2, 4]);
        assert_eq!(
            [vec![], vec![Some(0)], vec![Some(1)], vec![Some(1), Some(2)], vec![Some(16)]].map(|queues| of(9_000_000, &queues)),
            [1, 1, 1, 3, 4]
        );
        assert_eq!(of(9_000_000, &[Some(1), None]), 4, "there is a link on which they do not wait");
    }
}
