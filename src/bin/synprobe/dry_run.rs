//! What would be done, without a packet.

use std::fmt::Write as _;
use std::io::{BufWriter, ErrorKind, Write};

use synprobe::counted::counted;
use synprobe::error::{Error, Kind, Result};
use synprobe::report::Escaped;
use synprobe::run::{self, PlanRecord, Request};
use synprobe::scan::{Discovery, EgressRecord, Part};

use crate::status::Status;
use crate::stdout;
use crate::targets::Targets;
use crate::voice::Verbosity;

/// Prints the plan; when more is asked for, each probe in order.
pub(crate) fn run(request: &Request, targets: &Targets, verbosity: Verbosity) -> Result<Status> {
    let plan = run::plan(request)?;
    let mut out = BufWriter::new(stdout::open()?.lock());
    let mut written = out.write_all(text(&plan, request.part.as_ref(), &targets.left_out).as_bytes());
    if verbosity == Verbosity::Verbose && written.is_ok() {
        run::preview(request, &mut |target, attempt| {
            written = match target.port {
                Discovery::ECHO => writeln!(out, "{} echo attempt {attempt}", target.addr),
                port => writeln!(out, "{} {port} attempt {attempt}", target.addr),
            };
            written.is_ok()
        })?;
    }
    match written.and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "standard output", cause).of_kind(Kind::Asked)),
        _ => Ok(if request.unresolved > 0 || !plan.unroutable.is_empty() { Status::Incomplete } else { Status::Complete }),
    }
}

fn text(plan: &PlanRecord, part: Option<&Part>, left_out: &[(String, String)]) -> String {
    let mut text = String::from("nothing is sent: this is a dry run\n");
    let (addresses, targets, seed) = (plan.addresses, plan.targets, plan.seed);
    _ = writeln!(text, "scan       {}", plan.mode.as_str());
    if let Some(Part { shard, .. }) = part {
        _ = writeln!(text, "shard      {shard}");
    }
    _ = writeln!(text, "addresses  {addresses}");
    _ = writeln!(text, "targets    {targets}");
    for egress in &plan.egresses {
        _ = writeln!(text, "through    {}", way(egress));
    }
    for (what, why) in left_out.iter().chain(&plan.left_out) {
        _ = writeln!(text, "left out   {}: {}", Escaped(what), Escaped(why));
    }
    for (what, why) in &plan.unroutable {
        _ = writeln!(text, "no route   {}: {}", Escaped(what), Escaped(why));
    }
    let (probes, arp) = plan.packets;
    _ = writeln!(text, "packets    {} if nothing answers, {}", counted(probes, "probe"), counted(arp, "ARP request"));
    match plan.rate {
        Some(rate) => _ = writeln!(text, "rate       at most {rate}/s"),
        None => text.push_str("rate       what the path bears\n"),
    }
    match plan.duration {
        Some(longest) => _ = writeln!(text, "duration   about {:.1} s then", longest.as_secs_f64()),
        None => text.push_str("duration   as the path allows\n"),
    }
    _ = writeln!(text, "seed       {seed}");
    text
}

fn way(egress: &EgressRecord) -> String {
    let mut way = format!("{} ({})", egress.interface, egress.link);
    if let Some(source) = egress.source {
        _ = write!(way, " from {source}");
    }
    if let Some(gateway) = egress.gateway {
        _ = write!(way, " by {gateway}");
    }
    _ = write!(way, ": {}", counted(egress.addresses, "address"));
    way
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use synprobe::scan::{Identity, Mode};
    use synprobe::target::Shard;

    use super::*;

    #[test]
    fn a_plan_is_a_few_lines() {
        let egress = EgressRecord {
            interface: "eth0".to_owned(),
            source: Some([10, 0, 0, 9].into()),
            gateway: Some([10, 0, 0, 1].into()),
            link: "packet".into(),
            addresses: 254,
        };
        let plan = PlanRecord {
            addresses: 254,
            targets: 508,
            mode: Mode::Syn,
            egresses: vec![egress],
            left_out: vec![("10.0.0.0".to_owned(), "network address".to_owned())],
            unroutable: vec![("10.9.0.0/16".to_owned(), "no route".to_owned())],
            packets: (1016, 508),
            rate: Some(10_000),
            duration: Some(Duration::from_millis(1350)),
            seed: 7,
        };
        let part = Shard::new(2, 8).map(|shard| Part { shard, addresses: 2032, ports: 2, whole: Identity::default() });
        insta::assert_snapshot!(text(&plan, part.as_ref(), &[("10.0.0.7".to_owned(), "excluded".to_owned())]), @r"
        nothing is sent: this is a dry run
        scan       syn
        shard      2/8
        addresses  254
        targets    508
        through    eth0 (packet) from 10.0.0.9 by 10.0.0.1: 254 addresses
        left out   10.0.0.7: excluded
        left out   10.0.0.0: network address
        no route   10.9.0.0/16: no route
        packets    1016 probes if nothing answers, 508 ARP requests
        rate       at most 10000/s
        duration   about 1.4 s then
        seed       7
        ");
    }
}
