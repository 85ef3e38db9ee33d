//! The threads of a raw scan: senders on a rayon pool of their own, a receiver for each link, the reporter on the caller's thread.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver as Queue, Sender as QueueEnd};

use super::clock::Clock;
use super::step::{Inlet, Next, Outlets, receive_step, transmit_step};
use crate::error::{Error, Result};
use crate::net::Transmitter;
use crate::net::interface::interfaces;
use crate::scan::{Board, Conductor, Record, Source};
use crate::time::Time;

/// Everything opened for a raw scan.
pub(super) struct Links {
    /// By sender, then link.
    pub(super) outlets: Vec<Vec<Box<dyn Transmitter>>>,
    pub(super) inlets: Vec<Inlet>,
    /// Names by link number.
    pub(super) names: Vec<String>,
}

/// What became of the links, said when a raw scan has ended.
#[derive(Debug, Default)]
pub(super) struct LinkReport {
    /// Links that failed: interface and cause.
    pub(super) failures: Vec<String>,
    /// The numbers of these links.
    pub(super) failed: BTreeSet<usize>,
    /// Frames the kernel refused for good.
    pub(super) refused: u64,
    /// Their descriptors.
    pub(super) _closing: Closing,
}

/// What is closed while the report is written: closing a packet socket or an XDP program takes the kernel ten milliseconds and more, for it
/// waits until no processor uses it. Dropped when all is closed.
#[derive(Debug, Default)]
pub(super) struct Closing {
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Closing {
    /// Closes `part`, on a thread of its own where one can be had.
    fn begin<T: Send + 'static>(&self, part: T) {
        let thread = std::thread::Builder::new().name("close".to_owned()).spawn(move || drop(part));
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).extend(thread);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        threads.drain(..).for_each(|thread| _ = thread.join());
    }
}

/// Runs the senders and receivers of a raw scan until it has ended. Records go into `queue`; while `backlog` says that too many wait
/// there, sending rests.
pub(super) fn run(board: &Arc<Board>, links: Links, clock: Clock, queue: &QueueEnd<Record>, backlog: &Queue<Record>) -> Result<LinkReport> {
    let Links { mut outlets, inlets, names } = links;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(outlets.len().max(1))
        .thread_name(|number| format!("send-{number}"))
        .build()
        .map_err(|error| Error::machine("start", "sending threads", error))?;
    let ended = AtomicBool::new(false);
    // The others go on; with the last the scan ends.
    let hearing = AtomicUsize::new(inlets.len());
    let deaf = |link: usize| {
        // Nobody waits for what it would have heard.
        board.hearing.heard(link, Time::NEVER);
        if hearing.fetch_sub(1, Ordering::Relaxed) == 1 {
            board.stop.store(true, Ordering::Relaxed);
        }
    };
    let closing = Closing::default();
    let failures = crossbeam_channel::unbounded();
    let refused = crossbeam_channel::unbounded();
    std::thread::scope(|scope| {
        for (link, inlet) in inlets.into_iter().enumerate() {
            let (ended, deaf, closing, failed, name) = (&ended, &deaf, &closing, failures.0.clone(), names[link].clone());
            let receiver = std::thread::Builder::new().name(format!("receive-{name}"));
            let work = move || {
                if let Err(error) = receive(inlet, board, clock, ended, queue, closing) {
                    let _ = failed.send((link, format!("receiving on {name} failed: {error}")));
                    deaf(link);
                }
            };
            if let Err(error) = receiver.spawn_scoped(scope, work) {
                let _ = failures.0.send((link, format!("no thread to receive on {}: {error}", names[link])));
                deaf(link);
            }
        }
        let lead = outlets.remove(0);
        let spare = outlets;
        let tell = |outlets: &mut Outlets| {
            for (link, error) in outlets.failures() {
                let _ = failures.0.send((link, format!("sending on {} failed: {error}", names[link])));
            }
            let _ = refused.0.send(outlets.refused());
        };
        pool.scope(|senders| {
            let mut conductor = Conductor::new(Arc::clone(board));
            let mut outlets = Outlets::new(lead);
            let mut spare: Vec<_> = spare.into_iter().map(|transmitters| Arc::new(Mutex::new(Outlets::new(transmitters)))).collect();
            send(&mut conductor, &mut outlets, board, clock, backlog, &mut |conductor| {
                for (prober, outlets) in conductor.take_helpers().into_iter().zip(&mut spare) {
                    let outlets = Arc::clone(outlets);
                    senders.spawn(move |_| {
                        let mut prober = prober;
                        // Each helper has its transmitters for itself: the lock is taken once a stage.
                        if let Ok(mut outlets) = outlets.lock() {
                            send(&mut prober, &mut outlets, board, clock, backlog, &mut |_| {});
                        }
                    });
                }
            });
            tell(&mut outlets);
            closing.begin(outlets);
            for outlets in spare {
                if let Ok(mut outlets) = outlets.lock() {
                    tell(&mut outlets);
                }
                closing.begin(outlets);
            }
        });
        ended.store(true, Ordering::Relaxed);
    });
    let mut all: Vec<(usize, String)> = failures.1.try_iter().collect();
    if all.is_empty() {
        all = lost_carriers(&names);
    }
    let failed = all.iter().map(|(link, _)| *link).collect();
    let mut failures: Vec<String> = all.into_iter().map(|(_, failure)| failure).collect();
    failures.sort_unstable();
    failures.dedup();
    Ok(LinkReport { failures, failed, refused: refused.1.try_iter().sum(), _closing: closing })
}

/// An interface whose cable was pulled swallows frames and reports no error.
fn lost_carriers(names: &[String]) -> Vec<(usize, String)> {
    let now = interfaces().unwrap_or_default();
    let lost = |name: &String| now.iter().any(|interface| !interface.carrier && interface.name == *name);
    let links = names.iter().enumerate().filter(|(_, name)| lost(name));
    links.map(|(link, name)| (link, format!("{name} has lost its carrier: what stayed silent there may not have been asked"))).collect()
}

fn send<S: Source>(
    source: &mut S,
    outlets: &mut Outlets,
    board: &Board,
    clock: Clock,
    backlog: &Queue<Record>,
    between: &mut dyn FnMut(&mut S),
) {
    loop {
        // A slow output is a limit like any other: findings are never dropped, sending waits.
        if backlog.len() > BACKLOG {
            board.counters.send_retries.add(1);
            std::thread::sleep(REST);
            source.rested();
            if !board.is_stopped() {
                continue;
            }
        }
        match transmit_step(clock.now(), source, outlets, board) {
            Next::Again => {}
            Next::At(until) => clock.sleep(until, GLANCE),
            Next::Done => return,
        }
        between(source);
        if outlets.all_failed() {
            board.stop.store(true, Ordering::Relaxed);
        }
    }
}

fn receive(
    mut inlet: Inlet,
    board: &Board,
    clock: Clock,
    ended: &AtomicBool,
    queue: &QueueEnd<Record>,
    closing: &Closing,
) -> std::io::Result<()> {
    let outcome = listen(&mut inlet, board, clock, ended, queue);
    let (receiver, transmitter) = inlet.close(board);
    closing.begin(receiver);
    closing.begin(transmitter);
    outcome
}

fn listen(inlet: &mut Inlet, board: &Board, clock: Clock, ended: &AtomicBool, queue: &QueueEnd<Record>) -> std::io::Result<()> {
    let mut looks = LAST_LOOKS;
    loop {
        let over = ended.load(Ordering::Relaxed);
        receive_step(inlet, board, clock.wall(), if over { Duration::ZERO } else { GLANCE }, &|| clock.now(), &mut |record| {
            // The queue is unbounded and its other end outlives this thread.
            let _ = queue.send(record);
        })?;
        if over {
            // No connection is left half open because a device was full for a moment.
            looks -= 1;
            if inlet.has_no_pending_resets() || looks == 0 {
                return Ok(());
            }
            std::thread::sleep(GLANCE);
        }
    }
}

/// Findings that may wait for the reporter before sending rests: 32 megabytes of them.
const BACKLOG: usize = 1 << 20;
const REST: Duration = Duration::from_millis(5);
/// The longest a thread waits before it looks up: the scan may have ended, a reply may have made a wait needless.
const GLANCE: Duration = Duration::from_millis(5);
/// How often a full device is offered the last resets.
const LAST_LOOKS: u32 = 20;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::scan::{Cookie, EgressMap, Neighbours, Poll, ScanConfig, Shot, SourcePorts};

    /// Has nothing to send, and notes that it was asked.
    struct Asked<'a>(&'a AtomicU64);

    impl Source for Asked<'_> {
        fn poll(&mut self, _now: Time) -> Poll {
            self.0.fetch_add(1, Ordering::Relaxed);
            Poll::Done
        }

        fn peek(&mut self, _now: Time) -> Option<Shot> {
            None
        }

        fn sent(&mut self, _now: Time) {}
    }

    #[test]
    fn sending_rests_while_too_many_findings_wait_and_none_is_dropped() {
        let peer = "10.0.0.2".parse().unwrap();
        let config = ScanConfig::new(peer, [80].into_iter().collect(), 7);
        let cookie = Cookie::new([7; 16], SourcePorts::Block { first: 61_000, count: 16 }, config.most_attempts);
        let board = Board::new(config, cookie, EgressMap::new([]), Neighbours::new(Vec::new(), crate::target::AddressSet::new()));
        let record = Record::of_syn_ack(0);
        let (records_in, records) = crossbeam_channel::unbounded();
        (0..=BACKLOG).for_each(|_| records_in.send(record).unwrap());
        let asked = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let sender =
                scope.spawn(|| send(&mut Asked(&asked), &mut Outlets::new(Vec::new()), &board, Clock::start(), &records, &mut |_| {}));
            while board.counters.send_retries.get() < 3 {
                std::thread::sleep(REST);
            }
            assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is sent while the reporter is behind");
            records.recv().unwrap();
            sender.join().unwrap();
        });
        assert_eq!((asked.load(Ordering::Relaxed), records.len()), (1, BACKLOG));
    }
}
