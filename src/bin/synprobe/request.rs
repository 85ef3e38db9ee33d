//! As typed, then resolved: the arguments become a request.

use std::ffi::OsString;

use synprobe::error::{Error, Result};
use synprobe::net::privilege::Privilege;
use synprobe::report::Format;
use synprobe::run::{Evidence, Queueing, Rate, Request, Show, Technique};
use synprobe::scan::Discovery;
use synprobe::target::PortSet;

use crate::args::{Args, PortArgs, ScanArgs, ShowArg};
use crate::measures::Pace;
use crate::rates::{self, Limits};
use crate::targets::Targets;
use crate::voice::Verbosity;

/// What the arguments ask for.
pub(crate) fn of(args: &Args, typed: &[OsString], targets: &Targets) -> Result<Request> {
    let Limits { max_rate, host_rate } = limits(&args.scan);
    let discovery = discovery(&args.scan);
    let ports = if discovery == Discovery::Only { PortSet::from_iter([]) } else { ports(&args.ports)? };
    let defaults = Request::new(targets.addresses.clone(), ports);
    let span = |span: Option<crate::measures::Span>| span.map(|span| span.0);
    Ok(Request {
        named: targets.named.clone(),
        technique: technique(&args.scan),
        engine: args.scan.engine.into(),
        queueing: if args.scan.bypass_qdisc { Queueing::Bypass } else { Queueing::Through },
        rate: fixed(&args.scan),
        max_rate,
        host_rate,
        completeness: args.scan.completeness.0,
        attempts: args.scan.attempts,
        wait: span(args.scan.wait),
        timeout: span(args.scan.timeout),
        max_duration: span(args.scan.max_duration),
        interface: args.scan.interface.clone(),
        source_ip: args.scan.source_ip,
        source_port: args.scan.source_port,
        seed: args.scan.seed,
        reverse_names: !args.scan.no_names,
        canary: targets.canary,
        discovery,
        show: show(args),
        hide_suspect: args.output.hide_suspect,
        evidence: evidence(args),
        unresolved: targets.unresolved,
        arguments: typed.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        note: args.output.note.clone(),
        ..defaults
    })
}

fn evidence(args: &Args) -> Evidence {
    let is_asked = args.output.sinks.outputs.iter().any(|spec| spec.format == Format::Pcapng);
    if is_asked { Evidence::Kept } else { Evidence::Dropped }
}

fn discovery(args: &ScanArgs) -> Discovery {
    match args {
        ScanArgs { discover_only: true, .. } => Discovery::Only,
        ScanArgs { discover: true, .. } => Discovery::First,
        _ => Discovery::Off,
    }
}

fn technique(args: &ScanArgs) -> Technique {
    match args {
        ScanArgs { syn: true, .. } => Technique::Syn,
        ScanArgs { connect: true, .. } => Technique::Connect,
        _ => Technique::Auto,
    }
}

/// What is asked for singly outweighs its template. A template means something else for `connect()`, so it has to be known which
/// scan it will be; without one the scan's own defaults hold.
fn limits(args: &ScanArgs) -> Limits {
    let template = if args.polite { Some(rates::POLITE) } else { args.timing.filter(|number| *number != rates::DEFAULT) };
    let connects = || args.connect || (!args.syn && !Privilege::probe().raw);
    let scan = || if connects() { rates::Scan::Connect } else { rates::Scan::Syn };
    let limits = template.map_or(Limits::default(), |number| rates::limits(number, scan()));
    // Where a rate is named, its template's is meant for nothing.
    let max_rate = args.max_rate.or(limits.max_rate.filter(|_| fixed(args).is_none()));
    Limits { max_rate, host_rate: args.host_rate.or(limits.host_rate) }
}

fn fixed(args: &ScanArgs) -> Option<Rate> {
    match args.rate {
        Some(Pace::Fixed(rate)) => Some(rate),
        Some(Pace::Auto) | None => None,
    }
}

fn show(args: &Args) -> Show {
    let asked = |what| args.output.show.contains(&what);
    Show {
        closed: asked(ShowArg::Closed),
        filtered: asked(ShowArg::Filtered),
        down: asked(ShowArg::Down) || args.verbosity() == Verbosity::Verbose,
    }
}

fn ports(args: &PortArgs) -> Result<PortSet> {
    let asked = match args {
        PortArgs { ports: Some(ports), .. } => ports.parse()?,
        PortArgs { top_ports: Some(number), .. } => PortSet::top(*number),
        PortArgs { fast: true, .. } => PortSet::top(FAST),
        _ => PortSet::top(POPULAR),
    };
    let Some(excluded) = &args.exclude_ports else { return Ok(asked) };
    let left = asked.difference(&excluded.parse()?);
    if left.is_empty() { Err(Error::asked("exclude ports", excluded, "no port is left")) } else { Ok(left) }
}

const FAST: u16 = 100;
const POPULAR: u16 = 1000;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn args(line: &str) -> Args {
        Args::try_parse_from(format!("synprobe 127.0.0.1 {line}").split_whitespace()).unwrap()
    }

    fn ports_of(line: &str) -> Result<PortSet> {
        ports(&args(line).ports)
    }

    #[test]
    fn ports_are_listed_popular_or_all() {
        assert_eq!(ports_of("").unwrap().len(), 1000);
        assert_eq!(ports_of("-F").unwrap(), PortSet::top(100));
        assert_eq!(ports_of("--top-ports 7").unwrap().len(), 7);
        assert_eq!(ports_of("-p-").unwrap(), PortSet::all());
        assert_eq!(ports_of("-p 20-25 --exclude-ports 22,24").unwrap().to_string(), "20,21,23,25");
        assert_eq!(ports_of("-p 22 --exclude-ports ssh").unwrap_err().to_string(), "exclude ports ssh: no port is left");
        assert!(ports_of("-p 0").is_err() && ports_of("-p 22 --exclude-ports x").is_err());
    }

    #[test]
    fn a_rate_outweighs_its_template() {
        let limits = |line: &str| {
            let Limits { max_rate, host_rate } = limits(&args(line).scan);
            (max_rate.map(Rate::get), host_rate.map(Rate::get))
        };
        assert_eq!(limits(""), (None, None));
        assert_eq!(limits("-T3 --syn"), (None, None));
        assert_eq!(limits("--polite --syn"), (Some(3_000), Some(300)));
        assert_eq!(limits("--polite --syn --rate 1m"), (None, Some(300)));
        assert_eq!(limits("-T4 --syn"), (None, Some(50_000)));
        assert_eq!(limits("-T2 --syn --max-rate 7"), (Some(7), Some(300)));
        assert_eq!(limits("-T4 --connect"), (None, None));
        assert_eq!(limits("-T2 --connect --host-rate 5"), (Some(3_000), Some(5)));
    }

    #[test]
    fn shown_is_what_is_asked_for() {
        assert_eq!(show(&args("")), Show::default());
        assert_eq!(show(&args("--show open,closed")), Show { closed: true, ..Show::default() });
        assert_eq!(show(&args("-v --show filtered")), Show { filtered: true, down: true, ..Show::default() });
    }
}
