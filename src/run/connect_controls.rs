//! The scan without privileges, and after it the control ports of hosts that were open suspiciously often.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringTreemap;

use super::connect::{self, ConnectCounters, ConnectJob, ConnectTally};
use crate::error::Result;
use crate::scan::{ControlPorts, Finding, Opens, State};
use crate::target::TargetSpace;

/// As [`connect::run`]. Answers of control ports go to `sink` too; of the tally they are no part but for the connections begun.
pub(super) fn run(
    job: &ConnectJob,
    controls: &ControlPorts,
    stop: &AtomicBool,
    counters: &ConnectCounters,
    sink: &(dyn Fn(Finding) + Sync),
) -> Result<ConnectTally> {
    let opens = Opens::new(&job.space);
    let mut tally = connect::run(job, stop, counters, &|finding| {
        if let Some(index) = job.space.index_of(finding.target).filter(|_| finding.outcome.state == State::Open) {
            opens.add(index);
        }
        sink(finding);
    })?;
    let suspects = opens.suspects(&job.space);
    if suspects.is_empty() || controls.are_asked() || tally.out_of_time || stop.load(Ordering::Relaxed) {
        return Ok(tally);
    }
    let space = TargetSpace::new(suspects, controls.ports().clone())?;
    let job = ConnectJob { space: Arc::new(space), tell_silent: false, settled: RoaringTreemap::new(), ..job.clone() };
    // Without an answer the hosts are as suspicious as before: no reason to call the scan a failure.
    if let Ok(beside) = connect::run(&job, stop, &ConnectCounters::default(), sink) {
        tally.probes += beside.probes;
    }
    Ok(tally)
}
