//! The scan without privileges: `connect()` on recycled sockets, by one worker a core.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::request::Request;
pub use crate::connect::Tally as ConnectTally;
use crate::connect::{Candidate, Dial, IcmpNote, LocalCause, Prober, Settings, Shortage, Step, Verdict};
use roaring::RoaringTreemap;

use crate::error::{Error, Result};
use crate::net::interface::interfaces;
use crate::net::linux::tcp::{self, Answer, Binding, Event, Sockets};
use crate::net::privilege::raise_descriptor_limit;
use crate::scan::{Finding, Pacer};
use crate::target::{Permutation, Target, TargetSpace};
use crate::time::Time;

/// What to connect to, and how.
#[derive(Clone, Debug)]
pub struct ConnectJob {
    /// The targets.
    pub space: Arc<TargetSpace>,
    /// The order's seed.
    pub seed: u64,
    /// How often a silent target is tried, at least once.
    pub attempts: u8,
    /// The longest an attempt waits; [`Settings::TIMEOUT`] if `None`. Attempts wait less once round-trip times are known.
    pub timeout: Option<Duration>,
    /// Connections a second over all; bounded only by the window if `None`.
    pub rate: Option<u64>,
    /// Connections a second to each host.
    pub host_rate: Option<u64>,
    /// The source address; targets of the other family go out as the kernel chooses.
    pub source_ip: Option<IpAddr>,
    /// The source port.
    pub source_port: Option<u16>,
    /// Whether targets that stay silent are findings, too.
    pub tell_silent: bool,
    /// The interface to use (`SO_BINDTODEVICE`).
    pub interface: Option<String>,
    /// When the scan ends at the latest, from `started`.
    pub deadline: Option<Duration>,
    /// [`Time::ZERO`] of the findings.
    pub started: Instant,
    /// Worker threads; one a core, two at most, if `None`.
    pub workers: Option<usize>,
    /// Targets, by index, that are settled already and not asked.
    pub settled: RoaringTreemap,
}

impl ConnectJob {
    /// Every target of `space`, in the order of `seed`, tried twice where it is silent, at the defaults of everything else, from now on.
    pub fn new(space: Arc<TargetSpace>, seed: u64, started: Instant) -> Self {
        Self {
            space,
            seed,
            attempts: 2,
            timeout: None,
            rate: None,
            host_rate: None,
            source_ip: None,
            source_port: None,
            tell_silent: false,
            interface: None,
            deadline: None,
            started,
            workers: None,
            settled: RoaringTreemap::new(),
        }
    }
}

/// What a scan under way has done so far, for progress.
#[derive(Debug, Default)]
pub struct ConnectCounters {
    /// Connections begun.
    pub probes: AtomicU64,
    /// Targets that answered.
    pub answered: AtomicU64,
    /// Of these, open ones.
    pub open: AtomicU64,
    /// Targets settled: answered, silent in every attempt, or given up for a local cause.
    pub settled: AtomicU64,
    /// Connections under way now.
    pub in_flight: AtomicU64,
}

/// How often connect() asks a silent target: the kernel repeats nothing here, so each is a SYN of its own.
pub(super) fn attempts(request: &Request) -> u8 {
    request.attempts.unwrap_or(ATTEMPTS)
}

/// Scans until every target is settled, `stop` is set or the deadline is reached; the latter two take effect within a tenth of
/// a second.
///
/// The process's soft limit of descriptors is raised to the hard limit. `sink` gets every finding, from the workers' own threads;
/// where that limit is small they have descriptor tables of their own, so it must not open, close or first use descriptors: let it
/// pass findings on.
///
/// # Errors
/// The source address or interface cannot be used, or the machine gives no socket, epoll instance or thread.
pub fn run(job: &ConnectJob, stop: &AtomicBool, counters: &ConnectCounters, sink: &(dyn Fn(Finding) + Sync)) -> Result<ConnectTally> {
    let scan = Scan::new(job, stop, counters, sink)?;
    let results: Vec<Result<ConnectTally>> = thread::scope(|scope| {
        let scan = &scan;
        let start = |number| {
            let thread = thread::Builder::new().name(format!("connect-{number}"));
            thread.spawn_scoped(scope, move || scan.work(number).inspect_err(|_| scan.failed.store(true, Ordering::Relaxed)))
        };
        let workers: Vec<_> = (0..scan.workers).map(start).collect();
        // One that could not be started ends the others.
        scan.failed.fetch_or(workers.iter().any(std::io::Result::is_err), Ordering::Relaxed);
        let finish = |worker: std::io::Result<thread::ScopedJoinHandle<'_, _>>| match worker {
            Ok(worker) => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => Err(Error::io("start", "a thread", error)),
        };
        workers.into_iter().map(finish).collect()
    });
    let mut tally = ConnectTally::default();
    for result in results {
        tally.add(result?);
    }
    Ok(tally)
}

/// What the workers share.
struct Scan<'a> {
    job: &'a ConnectJob,
    stop: &'a AtomicBool,
    failed: AtomicBool,
    counters: &'a ConnectCounters,
    sink: &'a (dyn Fn(Finding) + Sync),
    binding: Binding,
    /// This machine's addresses, with which the kernel signs the ICMP errors it makes itself.
    own: HashSet<IpAddr>,
    order: Permutation,
    workers: u64,
    /// The most connections under way, over all workers.
    capacity: u64,
    /// How many descriptors were to be had before the workers took any.
    descriptors: u64,
}

impl<'a> Scan<'a> {
    fn new(job: &'a ConnectJob, stop: &'a AtomicBool, counters: &'a ConnectCounters, sink: &'a (dyn Fn(Finding) + Sync)) -> Result<Self> {
        let binding = Binding { source_ip: job.source_ip, source_port: job.source_port, interface: job.interface.clone() };
        // With the limit as it is the scan goes on, more slowly.
        raise_descriptor_limit().ok();
        if !job.space.is_empty() {
            let family = job.source_ip.unwrap_or(job.space.get(0).addr);
            tcp::try_binding(&binding, family).map_err(|error| bind_error(job, error))?;
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = job.workers.unwrap_or(cores.min(2)).max(1) as u64;
        let memory = tcp::available_memory().map_or(u64::MAX, |available| available / 4 / SOCKET_MEMORY);
        Ok(Self {
            job,
            stop,
            failed: AtomicBool::new(false),
            counters,
            sink,
            binding,
            own: interfaces()?.iter().flat_map(|interface| &interface.addresses).map(IpNetwork::ip).collect(),
            order: Permutation::new(job.space.len(), job.seed),
            workers: workers.min(job.space.len().max(1)),
            capacity: CAPACITY.min(memory),
            descriptors: tcp::descriptors_left().unwrap_or(FEW).saturating_sub(RESERVE),
        })
    }

    /// One worker's share: every so-many-eth target of the order.
    fn work(&self, number: u64) -> Result<ConnectTally> {
        let space = &self.job.space;
        let turns = (space.len().saturating_sub(number)).div_ceil(self.workers);
        let settled = &self.job.settled;
        let indices = (0..turns).map(|turn| self.order.index(number + turn * self.workers)).filter(|index| !settled.contains(*index));
        let shard = indices.map(|index| Candidate { host: space.host_of(index), target: space.get(index) });
        let here = |index: &u64| *index < space.len() && self.order.position(*index) % self.workers == number;
        let targets = turns - settled.iter().filter(here).count() as u64;
        let settings = Settings {
            attempts: self.job.attempts,
            timeout: self.job.timeout.unwrap_or(Settings::TIMEOUT),
            start: (START / self.workers).max(1) as u32,
            slots: self.slots(targets) as u32,
            pace: self.job.rate.map(|rate| Pacer::shared(rate, self.workers)),
            host_pace: self.job.host_rate.map(|rate| Pacer::shared(rate, self.workers)),
        };
        let sockets = Sockets::new(self.binding.clone()).map_err(|error| Error::io("open", "an epoll instance", error))?;
        let mut prober = Prober::new(shard, settings);
        if self.job.tell_silent {
            prober.keep_silent();
        }
        let mut worker = Worker { scan: self, prober, sockets, events: Vec::new(), shown: Shown::default() };
        let out_of_time = worker.run()?;
        worker.tell_silent();
        worker.show();
        self.counters.in_flight.fetch_sub(worker.shown.in_flight, Ordering::Relaxed);
        let mut tally = worker.prober.finish(targets);
        tally.out_of_time = out_of_time;
        Ok(tally)
    }

    /// How many sockets the calling worker may have. Where the limit of descriptors is too low, it gets a table of its own.
    fn slots(&self, targets: u64) -> u64 {
        let wanted = (self.capacity / self.workers).min(targets).max(1);
        let all = self.workers * (wanted + 1);
        if all > self.descriptors && tcp::unshare_descriptors().is_ok() {
            return wanted.min(self.descriptors).max(1);
        }
        wanted.min(self.descriptors / self.workers).max(1)
    }

    fn now(&self) -> Time {
        Time::ZERO + self.job.started.elapsed()
    }
}

struct Worker<'a, S> {
    scan: &'a Scan<'a>,
    prober: Prober<S>,
    sockets: Sockets,
    events: Vec<Event>,
    shown: Shown,
}

/// What this worker has added to the counters.
#[derive(Default)]
struct Shown {
    probes: u64,
    answered: u64,
    open: u64,
    settled: u64,
    in_flight: u64,
}

impl<S: Iterator<Item = Candidate>> Worker<'_, S> {
    /// Whether the time ran out.
    fn run(&mut self) -> Result<bool> {
        let deadline = self.scan.job.deadline.map_or(Time::NEVER, |deadline| Time::ZERO + deadline);
        while let Some(until) = self.send() {
            let now = self.scan.now();
            if now >= deadline {
                return Ok(true);
            }
            if self.scan.stop.load(Ordering::Relaxed) || self.scan.failed.load(Ordering::Relaxed) {
                break;
            }
            let heard = self.receive(until.min(deadline).since(now).min(LONGEST_SLEEP))?;
            while let Some(slot) = self.prober.expire(heard) {
                self.sockets.disconnect(slot);
            }
            self.tell_silent();
            self.show();
        }
        Ok(false)
    }

    /// Begins connections, a burst of them at most; until when there is nothing to send, or `None` at the end.
    fn send(&mut self) -> Option<Time> {
        for _ in 0..BURST {
            match self.prober.next(self.scan.now()) {
                Step::Connect(dial) => self.connect(dial),
                Step::Wait(until) => return Some(until),
                Step::Done => return None,
            }
        }
        Some(Time::ZERO)
    }

    /// Takes in every answer that is there, after waiting up to `timeout` for one; the moment up to which all were heard.
    fn receive(&mut self, mut timeout: Duration) -> Result<Time> {
        loop {
            let mut events = std::mem::take(&mut self.events);
            let count =
                self.sockets.wait(timeout, |event| events.push(event)).map_err(|error| Error::io("wait for", "connections", error))?;
            let heard = self.scan.now();
            for event in events.drain(..) {
                self.answer(event);
            }
            self.events = events;
            if count < Sockets::BATCH {
                return Ok(heard);
            }
            timeout = Duration::ZERO;
        }
    }

    fn connect(&mut self, Dial { slot, target }: Dial) {
        let answer = self.sockets.connect(slot, address(target));
        // connect() may have heard an ICMP error already and report it as another error.
        let failed = !matches!(answer, Answer::Pending | Answer::Established(_));
        let verdict = if failed { self.queued(slot, target) } else { None };
        self.settle(slot, verdict.unwrap_or_else(|| verdict_of(answer, target)));
    }

    fn answer(&mut self, event: Event) {
        // A recycled socket reports its disconnection too: an event of a free slot means nothing.
        let Some(target) = self.prober.target(event.slot) else { return };
        let verdict = if event.error { self.queued(event.slot, target) } else { None };
        let verdict = verdict.unwrap_or_else(|| verdict_of(self.sockets.read(event.slot, address(target)), target));
        self.settle(event.slot, verdict);
    }

    /// What the error queue says. It is read before the error number, which an ICMP port unreachable and a RST share.
    fn queued(&mut self, slot: u32, target: Target) -> Option<Verdict> {
        let mut verdict = None;
        while let Some(error) = self.sockets.next_error(slot) {
            let note = IcmpNote { v6: error.v6, kind: error.kind, code: error.code, offender: error.offender, target: error.target };
            verdict = verdict.or_else(|| Verdict::icmp(target, note, |addr| addr.is_loopback() || self.scan.own.contains(&addr)));
        }
        verdict
    }

    fn settle(&mut self, slot: u32, verdict: Verdict) {
        if !matches!(verdict, Verdict::Pending | Verdict::Closed) {
            self.sockets.disconnect(slot);
        }
        if let Some(finding) = self.prober.settle(slot, verdict, self.scan.now()) {
            (self.scan.sink)(finding);
        }
    }

    fn tell_silent(&mut self) {
        self.prober.take_silent().into_iter().for_each(self.scan.sink);
    }

    fn show(&mut self) {
        let (tally, counters) = (self.prober.tally(), self.scan.counters);
        let now = Shown {
            probes: tally.probes,
            answered: tally.answered(),
            open: tally.open,
            settled: tally.targets(),
            in_flight: u64::from(self.prober.in_flight()),
        };
        // Wrapping differences: in_flight falls as well as rises.
        let add = |counter: &AtomicU64, now: u64, before: u64| counter.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        add(&counters.probes, now.probes, self.shown.probes);
        add(&counters.answered, now.answered, self.shown.answered);
        add(&counters.open, now.open, self.shown.open);
        add(&counters.settled, now.settled, self.shown.settled);
        add(&counters.in_flight, now.in_flight, self.shown.in_flight);
        self.shown = now;
    }
}

fn verdict_of(answer: Answer, target: Target) -> Verdict {
    match answer {
        Answer::Pending => Verdict::Pending,
        Answer::Established(local) => Verdict::established(target, local),
        Answer::Refused => Verdict::Closed,
        Answer::Silent => Verdict::Silent,
        Answer::HostUnreachable => Verdict::Local(LocalCause::HostUnreachable),
        Answer::NetworkUnreachable => Verdict::Local(LocalCause::NetworkUnreachable),
        Answer::Prohibited => Verdict::Local(LocalCause::Prohibited),
        Answer::Invalid => Verdict::Local(LocalCause::Blackhole),
        Answer::NoFamily => Verdict::Local(LocalCause::NoFamily),
        Answer::NoDescriptors => Verdict::Short(Shortage::Descriptors),
        Answer::NoPorts => Verdict::Short(Shortage::Ports),
        Answer::NoMemory => Verdict::Short(Shortage::Memory),
        Answer::Failed(errno) => Verdict::Local(LocalCause::Other(errno)),
    }
}

fn address(target: Target) -> SocketAddr {
    SocketAddr::new(target.addr, target.port)
}

fn bind_error(job: &ConnectJob, error: std::io::Error) -> Error {
    let mut object = "a socket".to_owned();
    for (word, value) in [
        ("interface", job.interface.clone()),
        ("source address", job.source_ip.map(|addr| addr.to_string())),
        ("source port", job.source_port.map(|port| port.to_string())),
    ] {
        if let Some(value) = value {
            object = format!("{object}, {word} {value}");
        }
    }
    let hint = match (error.kind(), error.raw_os_error()) {
        (std::io::ErrorKind::AddrNotAvailable, _) => Some("the source address must be one of this machine's"),
        (_, Some(NO_SUCH_DEVICE)) => Some("see `synprobe interfaces`"),
        (_, Some(TOO_MANY_FILES)) => Some("raise the limit of open files: ulimit -n"),
        _ => None,
    };
    let error = Error::io("open", object, error);
    if let Some(hint) = hint { error.hint(hint) } else { error }
}

/// The window at first, over all workers.
const START: u64 = 512;
/// The most connections under way: more would save little and cost kernel memory (6 kB each).
const CAPACITY: u64 = 24_576;
const SOCKET_MEMORY: u64 = 6 * 1024;
/// Descriptors left to the rest of the process.
const RESERVE: u64 = 8;
/// Descriptors one may hope for where `/proc` does not tell.
const FEW: u64 = 256;
/// Connections begun between two looks at the answers.
const BURST: usize = 64;
/// After this the stop flag is looked at.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Probes to a target that stays silent.
const ATTEMPTS: u8 = 2;
/// `EMFILE`, which has no name in the standard library.
const TOO_MANY_FILES: i32 = 24;
/// `ENODEV`, likewise.
const NO_SUCH_DEVICE: i32 = 19;

#[cfg(test)]
mod tests;
