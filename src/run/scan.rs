//! A scan from request to summary.

mod intake;

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver as Queue, never, select, tick};

use super::broken::Broken;
use super::clock::Clock;
use super::connect::{self, ConnectCounters, ConnectJob, ConnectTally};
use super::connect_controls;
use super::diary::Diary;
use super::discovery;
use super::ledger::{Roll, silent_host};
use super::left::{self, Replay};
use super::open::{Raw, config};
use super::plan::Plan;
use super::proofs::Proofs;
use super::reporter::{ProgressMeter, Reading, Reporter};
use super::request::{Event, Phase, PlanRecord, Progress, Request, Stop};
use super::rollcall::{RollCall, mac_of, silent};
use super::summary::Account;
use super::threads::{self, LinkReport};
use super::unasked::Unasked;
use crate::error::Result;
use crate::net::names::{Resolver, SystemResolver};
use crate::net::privilege;
use crate::scan::{Board, ControlPorts, Discovery, Finding, HostRecord, HostState, RateChange, Record, ScanPhase, ScanRecord, Summary};
use crate::target::{Permutation, Target, TargetSpace};
use crate::time::Time;
use intake::GULP;

/// Runs a scan to its end and tells `events` what happens, on the calling thread. Everything that needs a privilege is opened first;
/// then the calling thread gives its capabilities up for good (Linux: they are a thread's own), unless the request keeps them.
///
/// # Errors
/// When the scan cannot begin: privilege, interface, source address, no route at all, nothing left to probe.
pub fn scan(request: &Request, stop: &Stop, events: &mut dyn FnMut(Event)) -> Result<Summary> {
    scan_with(request, &(Arc::new(SystemResolver) as Arc<dyn Resolver>), stop, events)
}

/// As [`scan`], with names asked of `resolver`.
///
/// # Errors
/// As [`scan`].
pub fn scan_with(request: &Request, resolver: &Arc<dyn Resolver>, stop: &Stop, events: &mut dyn FnMut(Event)) -> Result<Summary> {
    let plan = Plan::make(request)?;
    if let Some(left) = &request.left {
        left::check(left, &plan)?;
    }
    let proofs = Proofs::of(request, &plan)?;
    let ports = u64::from(request.ports.len());
    let clock = Clock::start();
    let started = request.left.as_ref().map_or(clock.started(), |left| left.scan.started);
    let raw = plan.syn.as_ref().map(|syn| Raw::open(request, &plan, syn, proofs.as_ref())).transpose()?;
    let unprivileged =
        if plan.connect.is_empty() { None } else { Some(Arc::new(TargetSpace::new(plan.connect.clone(), request.ports.clone())?)) };
    if !request.keep_privileges {
        privilege::drop_capabilities_of_this_thread()?;
    }
    events(Event::Begin(Box::new(ScanRecord {
        version: env!("CARGO_PKG_VERSION").into(),
        arguments: request.arguments.clone(),
        seed: plan.seed,
        started,
        addresses: plan.addresses(),
        asked: Some(plan.asked()),
        ports: request.ports.clone(),
        targets: plan.addresses().saturating_mul(ports),
        mode: plan.mode(),
        egresses: plan.egresses.clone(),
        note: request.note.clone(),
        part: request.part.clone(),
    })));
    for notice in &plan.notices {
        events(Event::Notice(notice.clone()));
    }
    let resolver = request.reverse_names.then(|| Arc::clone(resolver));
    let reporter = Reporter::new(request, plan.seed, resolver, events);
    let reporter = if request.discovery == Discovery::Off { reporter } else { reporter.discovering() };
    let mut course = Running {
        request,
        plan: &plan,
        clock,
        stop,
        reporter,
        heard: Vec::new(),
        proofs,
        diary: Diary::new(request.keeps_journal, request.left.as_ref().map(|left| left.spent).unwrap_or_default()),
        replay: Replay::new(request.left.as_deref()),
        // A clock that was set back meanwhile has no time before the first.
        since: clock.started().duration_since(started).unwrap_or_default(),
    };
    let ended = course.run(raw, unprivileged)?;
    Ok(course.close(&ended))
}

/// What [`scan`] would do, without a packet.
///
/// # Errors
/// As [`scan`].
pub fn plan(request: &Request) -> Result<PlanRecord> {
    let plan = Plan::make(request)?;
    let config = plan.syn.as_ref().map(|syn| config(request, &plan, syn));
    Ok(plan.record(request, config.as_ref()))
}

/// The probes [`scan`] would send to silent targets, in order: target and attempt; port 0 is an ICMP echo request. Ends when `each` says false.
///
/// # Errors
/// As [`scan`].
pub fn preview(request: &Request, each: &mut dyn FnMut(Target, u8) -> bool) -> Result<()> {
    let plan = Plan::make(request)?;
    let raw = plan.syn.as_ref().map_or_else(Vec::new, |syn| discovery::asked(request, syn));
    let connect = Some((plan.connect.clone(), request.ports.clone())).filter(|(addresses, _)| !addresses.is_empty());
    let attempts = plan.syn.as_ref().map_or(connect::attempts(request), |syn| config(request, &plan, syn).attempts_of_the_silent());
    for (addresses, ports) in raw.into_iter().chain(connect) {
        let space = TargetSpace::new(addresses, ports)?;
        let order = Permutation::new(space.len(), plan.seed);
        for attempt in 1..=attempts {
            for position in 0..order.len() {
                if !each(space.get(order.index(position)), attempt) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// A scan under way.
struct Running<'a> {
    request: &'a Request,
    plan: &'a Plan,
    clock: Clock,
    stop: &'a Stop,
    reporter: Reporter<'a>,
    /// Targets that answered a raw probe, by link.
    heard: Vec<u64>,
    diary: Diary,
    replay: Replay<'a>,
    /// From the beginning of a scan that is taken up to its going on.
    since: Duration,
    proofs: Option<Proofs>,
}

/// A scan that has ended.
pub(super) struct Ended {
    pub(super) board: Option<Arc<Board>>,
    pub(super) links: LinkReport,
    pub(super) tally: Option<ConnectTally>,
    /// Whether a connect() was answered by another machine.
    pub(super) connected_elsewhere: bool,
    /// Whether the `--canary` took or refused a connection.
    pub(super) canary_answered: bool,
    pub(super) elapsed: Duration,
}

impl Running<'_> {
    fn run(&mut self, raw: Option<Raw>, unprivileged: Option<Arc<TargetSpace>>) -> Result<Ended> {
        let board = raw.as_ref().map(|raw| Arc::clone(&raw.board));
        let (records_in, records) = crossbeam_channel::unbounded::<Record>();
        let (findings_in, findings) = crossbeam_channel::unbounded::<Finding>();
        let job = unprivileged.map(|space| self.connect_job(space));
        if let Some(job) = &job {
            self.diary.connects(&job.space, &mut self.reporter);
            self.replay.connect(self.request, &mut self.reporter);
        }
        let asked = job.as_ref().map(|job| Arc::clone(&job.space));
        let targets = job.as_ref().map_or(0, |job| job.space.len());
        let counters = ConnectCounters::default();
        let clock = self.clock;
        let stop = self.stop;
        std::thread::scope(|scope| {
            let backlog = records.clone();
            let raw = raw.map(|raw| {
                scope.spawn(move || {
                    let records_in = records_in;
                    threads::run(&raw.board, raw.links, clock, &records_in, &backlog)
                })
            });
            let counters = &counters;
            let controls = ControlPorts::draw(self.plan.seed, &self.request.ports, self.request.canary);
            let job = job.as_ref().map(|job| {
                scope.spawn(move || {
                    let findings_in = findings_in;
                    connect_controls::run(job, &controls, stop.flag(), counters, &|finding| {
                        let _ = findings_in.send(finding);
                    })
                })
            });
            // Where the raw scan does not ask the canary, connect() does.
            let canary = self.request.canary.filter(|canary| board.is_none() || canary.addr.is_ipv6());
            let canary = canary.map(|canary| scope.spawn(move || connects(canary)));
            let mut connected_elsewhere = false;
            let mut meter = ProgressMeter::new();
            let ticks = tick(if self.request.keeps_journal { LOOK / 4 } else { LOOK });
            let mut next_look = Time::ZERO;
            // Each queue ends when its threads have ended.
            let mut records = raw.as_ref().map(|_| records);
            let mut findings = job.as_ref().map(|_| findings);
            while records.is_some() || findings.is_some() {
                select! {
                    recv(records.as_ref().unwrap_or(&never())) -> record => match (record, &board) {
                        (Ok(record), Some(board)) => {
                            let waiting = records.iter().flat_map(Queue::try_iter).take(GULP);
                            self.records(std::iter::once(record).chain(waiting), board);
                        }
                        _ => records = None,
                    },
                    recv(findings.as_ref().unwrap_or(&never())) -> finding => match finding {
                        Ok(finding) => {
                            let waiting = findings.iter().flat_map(Queue::try_iter).take(GULP);
                            connected_elsewhere |= self.findings(std::iter::once(finding).chain(waiting), asked.as_deref());
                        }
                        Err(_) => findings = None,
                    },
                    recv(ticks) -> _ => {
                        if let Some(checkpoints) = self.diary.look(clock.now(), board.as_deref()) {
                            if let (Some(records), Some(board)) = (&records, &board) {
                                let waiting = records.len();
                                self.take_in(records.try_iter().take(waiting), board);
                            }
                            self.diary.settle(clock.now(), checkpoints, board.as_deref(), counters, &mut self.reporter);
                        }
                        if clock.now() >= next_look {
                            next_look = clock.now() + LOOK;
                            self.look(board.as_deref(), counters, targets, &mut meter);
                        }
                        self.reporter.lull();
                    }
                }
            }
            if let Some(checkpoints) = self.diary.look(Time::NEVER, board.as_deref()) {
                self.diary.settle(clock.now(), checkpoints, board.as_deref(), counters, &mut self.reporter);
            }
            let links = raw.map_or_else(|| Ok(LinkReport::default()), join)?;
            let tally = job.map(join).transpose()?;
            let elapsed = Duration::from_nanos(clock.now().as_nanos());
            let canary_answered = canary.is_some_and(|canary| canary.join().unwrap_or(false));
            Ok(Ended { board: board.clone(), links, tally, connected_elsewhere, canary_answered, elapsed })
        })
    }

    fn connect_job(&self, space: Arc<TargetSpace>) -> ConnectJob {
        let request = self.request;
        ConnectJob {
            space,
            seed: self.plan.seed,
            attempts: connect::attempts(request),
            timeout: request.timeout,
            rate: request.most().map(super::Rate::get),
            host_rate: request.host_rate.map(|rate| request.host_share(rate.get())),
            source_ip: request.source_ip,
            source_port: request.source_port,
            tell_silent: request.show.filtered || request.keeps_journal,
            interface: request.interface.clone(),
            deadline: request.max_duration,
            started: self.clock.instant(),
            workers: None,
            settled: left::settled(request.left.as_deref()),
        }
    }

    /// A few times a second: passes the wish to stop on, tells the progress.
    fn look(&mut self, board: Option<&Board>, connect: &ConnectCounters, targets: u64, meter: &mut ProgressMeter) {
        if let Some(board) = board.filter(|_| self.stop.is_stopped()) {
            board.stop.store(true, Ordering::Relaxed);
        }
        self.reporter.release();
        let settled = connect.settled.load(Ordering::Relaxed);
        let mut reading = Reading {
            phase: Phase::Probing { attempt: 1 },
            done: settled as f64 / targets.max(1) as f64,
            probes: connect.probes.load(Ordering::Relaxed),
            open: connect.open.load(Ordering::Relaxed),
            answered: connect.answered.load(Ordering::Relaxed),
            elapsed: Duration::from_nanos(self.clock.now().as_nanos()),
            loss: None,
        };
        if let Some(board) = board {
            tell_rates(board, self.since, &mut self.reporter);
            self.replay.look(board, self.request, &mut self.reporter);
            reading.loss = board.config.is_accounted().then(|| board.pace.loss());
            reading.phase = match board.phase() {
                ScanPhase::Arp => Phase::Arp,
                ScanPhase::Probing(attempt) => Phase::Probing { attempt },
                ScanPhase::Waiting => Phase::Waiting,
            };
            reading.done = if targets == 0 { board.done() } else { board.done().min(reading.done) };
            reading.probes += board.counters.probes.get();
            reading.open += board.counters.open.get();
            reading.answered += board.counters.answered.get();
            let asked = board.config.addresses.len() as f64 * f64::from(board.config.ports.len());
            self.reporter.progress(reading.elapsed, board.counters.targets_probed.get() as f64 / asked.max(1.0));
        }
        let progress = meter.read(reading);
        self.reporter.event(Event::Progress(progress));
    }

    /// Settles every host and sums up.
    fn close(self, ended: &Ended) -> Summary {
        let Self { request, plan, clock, stop, mut reporter, heard, mut replay, since, .. } = self;
        replay.close(ended.board.as_deref(), request, &mut reporter);
        let broken = ended.board.as_ref().map(|board| Broken::of(board, &ended.links, &heard)).unwrap_or_default();
        ended.board.iter().for_each(|board| tell_rates(board, since, &mut reporter));
        let patience = if stop.is_stopped() { NAMES_WHEN_STOPPED } else { NAMES };
        let mut summary = Account {
            request,
            plan,
            ended,
            broken: &broken,
            elsewhere: reporter.hosts_elsewhere(),
            filtered: reporter.hosts_filtered(),
            stopped: stop.is_stopped(),
        }
        .summary();
        reporter.event(Event::Progress(Progress::reporting(&summary)));
        let now = clock.now();
        let board = ended.board.as_deref();
        let ports = u64::from(request.ports.len());
        let out_of_time = summary.out_of_time || summary.interrupted;
        let calls = RollCall::new();
        let unasked = Unasked::of(ended.tally.as_ref());
        let roll = |addr, answered| match board.filter(|_| !plan.connect.contains(addr)) {
            Some(_) if broken.contains(addr) => Broken::roll(ports - answered),
            Some(board) => calls.roll(board, request, addr, ports - answered, now),
            // The silent ones are known singly then.
            None if out_of_time || request.show.filtered => {
                let silent = unasked.roll(addr, ports - answered);
                Roll { unanswered: 0, not_probed: ports - answered, ..silent }
            }
            None => unasked.roll(addr, ports - answered),
        };
        let mac = |addr| board.and_then(|board| mac_of(board, addr));
        let knows = |addr: &IpAddr| reporter.knows(*addr);
        let mut rest: Vec<HostRecord> = match (board, &plan.syn) {
            (Some(board), Some(syn)) => silent(board, syn, request, &broken, &knows, &roll),
            _ => Vec::new(),
        };
        if request.show.down && !plan.connect.is_empty() {
            let unheard = plan.connect.iter().filter(|addr| !knows(addr));
            rest.extend(unheard.map(|addr| silent_host(addr, None, roll(addr, 0))));
        }
        if ports == 0 {
            rest.iter().filter(|host| host.state == HostState::Up).for_each(|host| reporter.name(host.addr));
        }
        summary.hosts_suspect = reporter.close(mac, roll, rest, patience);
        summary.hosts_hidden = if request.hide_suspect { summary.hosts_suspect } else { 0 };
        summary
    }
}

/// Tells what the rate became since it was told last.
fn tell_rates(board: &Board, since: Duration, reporter: &mut Reporter<'_>) {
    board.pace.changes().for_each(|change| reporter.event(Event::Rate(RateChange { time: change.time + since, ..change })));
}

/// Whether a target takes a connection or refuses it: either proves the path.
fn connects(target: Target) -> bool {
    match TcpStream::connect_timeout(&(target.addr, target.port).into(), CANARY) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// How often progress is told and the wish to stop passed on.
const LOOK: Duration = Duration::from_millis(100);
/// How long names are waited for when all else is done.
const NAMES: Duration = Duration::from_secs(2);
const NAMES_WHEN_STOPPED: Duration = Duration::from_millis(300);
/// How long the canary's connection is waited for.
const CANARY: Duration = Duration::from_secs(2);
