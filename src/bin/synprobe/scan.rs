//! The main job: what was asked, run, and written down.

use std::ffi::OsString;

use synprobe::counted::counted;
use synprobe::error::{Error, Kind, Result};
use synprobe::report::{Order, Recorded};
use synprobe::run::{self, Event, Request, Stop};
use synprobe::scan::{HostRecord, HostState, RateChange, Reason, ScanRecord, State};
use synprobe::time::Time;

use crate::args::Args;
use crate::journal::Keeper;
use crate::outputs::Outputs;
use crate::progress::Meter;
use crate::status::Status;
use crate::voice::Voice;
use crate::{dry_run, names, request, shard, signals, targets};

/// Scans what the arguments ask for.
pub(crate) fn run(args: &Args, typed: &[OsString], voice: &Voice) -> Result<Status> {
    let targets = targets::read(args, voice)?;
    if targets.addresses.is_empty() {
        voice.warn("nothing to scan: no name resolved");
        return Ok(Status::Incomplete);
    }
    let mut request = request::of(args, typed, &targets)?;
    shard::take(&mut request, args, voice)?;
    if args.scan.dry_run {
        return dry_run::run(&request, &targets, args.verbosity());
    }
    let keeper = Keeper::open(&args.output, order(args, &request)?, voice)?;
    probe(args, request, keeper, voice)
}

/// Scans, and keeps the journal.
pub(crate) fn probe(args: &Args, mut request: Request, keeper: Keeper, voice: &Voice) -> Result<Status> {
    request.keeps_journal = keeper.is_kept();
    let mut meter = Meter::new(args);
    let outputs = match Outputs::open(&args.output.sinks, meter.bar(), voice) {
        Ok(outputs) => outputs,
        Err(error) => {
            keeper.discard();
            return Err(error);
        }
    };
    let stop = Stop::new();
    let signals = match signals::watch(&stop) {
        Ok(signals) => signals,
        Err(error) => {
            outputs.discard();
            keeper.discard();
            return Err(error);
        }
    };
    let voice = voice.above(meter.bar());
    let mut job = Job { args, request: &request, outputs, keeper, voice: &voice, stop: &stop };
    let ended = run::scan_with(&request, &names::resolver(), &stop, &mut |event| job.hear(event, &mut meter));
    meter.finish();
    match ended {
        Ok(mut summary) => {
            let lost = job.keeper.end(&summary, &voice);
            if lost > 0 {
                summary.incomplete.push("the journal was not written: what it does not hold can not be resumed".to_owned());
            }
            let outputs = &mut job.outputs;
            let summary = outputs.end(summary);
            // Who stopped it matters: a reader that went away is no signal.
            let cut_short = summary.interrupted && outputs.all_closed() && !signals.came();
            Ok(if cut_short { Status::Incomplete } else { Status::of(&summary) })
        }
        Err(error) => {
            job.outputs.discard();
            job.keeper.discard();
            Err(error)
        }
    }
}

/// What decides the scan, for its journal.
fn order(args: &Args, request: &Request) -> Result<Order> {
    // What is no file can not be read again.
    let is_file = |file: &&String| std::fs::metadata(file).is_ok_and(|metadata| metadata.is_file());
    let files = args.targets.input_file.iter().chain(&args.targets.exclude_file).filter(is_file);
    let input = |file: &String| {
        let content = std::fs::read(file).map_err(|cause| Error::io("read", file, cause).of_kind(Kind::Asked))?;
        Ok((file.into(), Order::digest(&content)))
    };
    Ok(Order {
        directory: std::env::current_dir().unwrap_or_default(),
        addresses: request.addresses.clone(),
        named: request.named.clone(),
        ports: request.ports.clone(),
        canary: request.canary,
        unresolved: request.unresolved,
        inputs: files.map(input).collect::<Result<_>>()?,
    })
}

struct Job<'a> {
    args: &'a Args,
    request: &'a Request,
    outputs: Outputs,
    keeper: Keeper,
    voice: &'a Voice,
    stop: &'a Stop,
}

impl Job<'_> {
    fn hear(&mut self, event: Event, meter: &mut Meter) {
        match event {
            Event::Begin(scan) => {
                self.voice.detail(&beginning(&scan));
                self.keeper.begin(&scan, self.voice);
                self.outputs.begin(*scan);
            }
            Event::Proof(proof) => self.outputs.proof(&proof),
            Event::Finding(finding) => {
                let finding = finding.recorded();
                self.keeper.finding(&finding, self.voice);
                self.outputs.finding(&finding);
            }
            Event::Host(host) if self.shows(&host) => {
                let host = host.recorded();
                self.keeper.host(&host, self.voice);
                self.outputs.host(&host);
            }
            Event::Host(_) => {}
            Event::Journal(entry) => self.keeper.entry(&entry, self.voice),
            Event::Rate(change) => {
                self.voice.detail(&step(&change));
                let change = change.recorded();
                self.keeper.rate(&change, self.voice);
                self.outputs.rate(&change);
            }
            Event::Progress(progress) => {
                meter.show(&progress);
                self.outputs.settle();
            }
            Event::Lull => self.outputs.flush(),
            Event::Notice(text) => self.voice.notice(&text),
        }
        if self.outputs.all_closed() {
            self.stop.stop();
        }
    }

    fn shows(&self, host: &HostRecord) -> bool {
        let has_open = || host.ports.iter().any(|port| port.outcome.state == State::Open);
        let speaks = match host.state {
            HostState::Up => true,
            // Of a host that a router cannot reach there is nothing to tell: it is counted, and listed with those that are down.
            HostState::Filtered => !matches!(host.reason, Reason::HostUnreach | Reason::NetUnreach),
            HostState::Down | HostState::NoReply | HostState::NotProbed => false,
        };
        let counts = speaks || self.request.show.down || !host.ports.is_empty();
        counts && (!self.args.output.open || has_open())
    }
}

fn step(change: &RateChange) -> String {
    let RateChange { time, pass, before, rate, loss, limit } = *change;
    let at = time.since(Time::ZERO).as_secs_f64();
    match before {
        0 => format!("{at:.2} s: rate {rate}/s"),
        _ if rate < before => {
            format!("{at:.2} s: rate {before}/s cut to {rate}/s (limit: {}, loss {:.1} %, pass {pass})", limit.as_str(), loss * 100.0)
        }
        _ => format!("{at:.2} s: rate {before}/s raised to {rate}/s (pass {pass})"),
    }
}

fn beginning(scan: &ScanRecord) -> String {
    let ways: Vec<String> = scan.egresses.iter().map(|egress| format!("{} ({})", egress.interface, egress.link)).collect();
    let (addresses, ports) = (counted(scan.addresses, "address"), counted(scan.ports.len(), "port"));
    if scan.ports.is_empty() {
        return format!("discovery of {addresses} through {}, seed {}", ways.join(", "), scan.seed);
    }
    let (mode, targets, seed) = (scan.mode.as_str(), counted(scan.targets, "target"), scan.seed);
    format!("{mode} scan of {addresses} × {ports} = {targets} through {}, seed {seed}", ways.join(", "))
}
