//! synprobe tells an auditor which TCP ports are open, closed or filtered on every address of a range, fast, and says how far its
//! own answer can be trusted. This page is its architecture document; the program is a thin layer over what is described here.
//!
//! ```text
//!              WHAT                  WHEN and WHY                      HOW and WHERE
//!
//!  addresses ─┐                 ┌─ Conductor ── Sweep (ARP) ──┐
//!             ├─ TargetSpace ───┤     │                       ├─► Shot ─► SynTemplate ─► Transmitter ─► wire
//!  ports ─────┘   Permutation   │     └─ Prober (one a sender)┘            writes into       sendmmsg
//!                               │                                          the link's own    raw IP
//!                             Board  shared, atomics only                  slot              pnet
//!                               │    answered bits, marks, counts                            live frames (XDP)
//!                               │                                                            simulation
//!                               │
//!  Host, Port, ◄─ Ledger ◄──────┴─ Observer ◄─ Reply::parse ◄─────────── Receiver ◄───────── wire
//!  Summary        by host   24-byte    proves by the cookie,             ring behind a
//!                           Record     asks for the reset                kernel filter
//! ```
//!
//! # How one probe travels
//!
//! [`run::Request`] (as asked) becomes a plan (routes from the kernel, privileges, links) and a [`scan::ScanConfig`]. A
//! [`scan::Prober`] takes the next position of the keyed order, asks the [`target::Permutation`] which target that is, skips it if its
//! answered bit is set, looks up its egress, and computes the cookie: SipHash of addresses and ports, which is the SYN's sequence
//! number. [`packet::SynTemplate`] writes the frame into a buffer the link lends. What comes back is filtered in the kernel, read by
//! [`packet::Reply::parse`], and proven by [`scan::Observer`]: an acknowledgement number (or the quoted header of an ICMP error) that
//! does not answer a cookie is counted and never reported. A proven SYN-ACK is reset over the same link. The finding goes through a
//! queue to the reporting thread, which settles hosts.
//!
//! No memory is kept per probe: the attempt is in the source port, and the time sent comes from the position in the order, which the
//! inverse permutation yields, through a small ring of marks. Per target there is one bit.
//!
//! # Layers
//!
//! | layer | is | invariant |
//! |---|---|---|
//! | [`target`] | WHAT to probe: pure values | no bytes, no sockets, no clock; opens nothing |
//! | [`packet`] | HOW it looks on the wire: pure bytes | no allocation on the hot path; no panic on any input |
//! | [`scan`], [`connect`] | WHEN and WHY: pure decisions | time is passed in; no threads, no IO, no printing; same seed and inputs, same outputs |
//! | [`net`] | WHERE: the operating system | does not know what a scan is; the only place for libc, pnet and netlink; `unsafe` only in `net/linux/sys` |
//! | [`run`] | puts the halves on threads | the only place that starts scanning threads or reads the clock |
//! | [`report`] | one file per format | receives; never asks |
//! | [`lab`] | a simulated network | a pure model behind `net`'s traits; drives tests, benches and `synprobe demo` |
//! | `bin/synprobe` | parse, plan, run, exit status | public API only; the only place that prints |
//!
//! Dependencies point one way: `bin → run → scan → packet → target`. `tests/suite/layers.rs` reads the sources and holds this table.
//!
//! # Where a decision is
//!
//! | question | file |
//! |---|---|
//! | which address is never probed | `target/reserved.rs` |
//! | in which order targets are visited | `target/permutation.rs` |
//! | what a SYN looks like | `packet/syn.rs` |
//! | what proves a reply | `scan/cookie.rs`, `scan/observer.rs` |
//! | how fast, and with what bursts | `scan/pacer.rs` |
//! | how much one host may get | `scan/host_pace.rs` |
//! | what rate a path bears, and how loss is seen | `scan/rate/adaptive.rs`, `scan/canary.rs` |
//! | whether only resets are limited, so that closed ports are missing and open ones are not | `scan/rate/classes.rs` |
//! | whom the next slot asks | `scan/survey/slot.rs` |
//! | whether enough was found, and what is asked again | `scan/completeness.rs`, `scan/blocks.rs`, `scan/survey.rs` |
//! | when a target is asked again | `scan/cursors.rs`, `Stage::is_worthwhile` in `scan/stage.rs` |
//! | how far a scan has come, and where one that was ended goes on | `scan/checkpoint.rs`, `scan/survey/memory.rs` |
//! | what a scan writes down to be resumed | `report/journal`, told by `run/diary.rs`; `run/left.rs` tells it again |
//! | which part of a scan one machine does, and by what shards of one scan know each other | `target/shard.rs`, `scan/part.rs` |
//! | how the records of shards become one | `report/merge.rs` |
//! | how neighbours are found, and how many were lost to ARP | `scan/sweep.rs`, `scan/askings.rs` |
//! | what shows that a routed host is there | `scan/discovery.rs` |
//! | whom the next stage asks, for which ports | `scan/agenda.rs` |
//! | what happens after what, and when it ends | `scan/conductor.rs` |
//! | which way an address goes | `net/route`, `run/plan.rs` |
//! | what the kernel proves and answers by itself (`--engine xdp`) | `net/linux/xdp/link.bpf.c` |
//! | when frames go through a socket all the same (XDP) | `net/linux/xdp/transmit.rs` |
//! | who is not believed, and what is asked about it | `scan/suspicion.rs`, `scan/ranges.rs`, `run/doubts.rs` |
//! | what makes an answer incomplete | `run/summary.rs` |
//! | what is said when nothing answers | `run/silence.rs` |
//! | which packets are kept as evidence | `run/proofs.rs` |
//! | whose silence means nothing | `run/unasked.rs`, `run/broken.rs` |
//! | how a flood of findings waits and leaves | `scan/packed.rs`, `report/gathered.rs`, `report/journal/packed.rs` |
//! | what this machine can send, and when it only wakes late | `scan/tour.rs`, `local_limit` in `scan/rate/adaptive.rs` |
//! | what two scans tell together | `report/diff/known.rs` |
//! | how connect() learns the reason of a refusal | `connect/verdict.rs` |
//!
//! # Where building changed the design
//!
//! - **Stages.** On-link hosts that answer ARP late have missed their place in the order. They become the next *stage*: a target space,
//!   order and answered bits of its own over just those hosts ([`scan::Stage`]). The same holds for what lies behind a gateway that
//!   answers late. A down host's targets are never in any order, so nothing is skipped over.
//! - **Discovery is a stage.** Echo is asked as port 0 of a target space of its own, so it has cookies, attempts, canaries and an account of
//!   what was missed like any other target. Whoever answered becomes the next stage, with the ports that were not asked yet.
//! - **Two ways to go over a stage.** By default a [`scan::Survey`] goes over it in passes, at a rate that canaries control, until an
//!   estimate says that little enough is missed. Where a rate is named and completeness is off, [`scan::Prober`]s, one a sender, keep that
//!   rate and two trailing attempts, and more while repeats bring answers.
//! - **What has arrived and was not read is not lost.** A window of sending is judged when receivers have read up to its end
//!   ([`scan::Hearing`]), not when the clock says so: on a busy machine a late receiver looked like a path that loses.
//! - **A rate that was not reached proves nothing.** Start-up does not raise a rate that this machine does not keep up with.
//! - **Late is not slow.** A sender that is woken late sends a smaller share at any rate: taken for this machine's limit, that lowered the rate
//!   again and again on a busy machine. What it oversleeps does not count as time that sending takes.
//! - **Shards are slices of the addresses**, not of the order: a host, its rate and its block's account belong to one machine, and no seed need be
//!   agreed on.
//! - **A last pass where it is cheap.** When enough was found and next to nobody is silent, those are asked once more if an open port may be
//!   among them.
//! - **A place is done when its answer would have been read.** Senders tell how far they were a patience ago, and what canaries have shown
//!   since; a scan that was killed goes on from there with the same estimate, and asks hardly a probe twice.
//! - **Whom to doubt is known last.** Control probes are a stage of their own after all others, over the hosts open suspiciously often; its
//!   findings are no results. A host's record waits for its verdict only where there may be one.
//! - **Live frames in short calls.** A run of a BPF program on live frames was taken to need 25 ms to begin, so that calls had to be long and a
//!   core to spin while there was nothing to send. Those milliseconds are the kernel's rewriting of its XDP dispatcher, which is spared for
//!   a program that an interface has attached: so the program that receives is the one that sends, a call begins in 20 microseconds
//!   and ends when its frames have left, at full rate on a thread of its own, and few frames simply go through the packet socket.
//! - **A scan in which everything has answered does not wait** for stragglers that cannot exist.
//!
//! # Smallest example
//!
//! ```no_run
//! use synprobe::run::{Event, Request, Stop, scan};
//!
//! let request = Request::new("192.0.2.0/24".parse()?, "22,80,443".parse()?);
//! let summary = scan(&request, &Stop::new(), &mut |event| {
//!     if let Event::Finding(finding) = event {
//!         println!("{} {} {}", finding.target.addr, finding.target.port, finding.outcome.state);
//!     }
//! })?;
//! println!("complete: {}", summary.is_complete());
//! # Ok::<(), synprobe::error::Error>(())
//! ```

pub mod connect;
pub mod counted;
pub mod error;
pub mod lab;
pub mod net;
pub mod packet;
pub mod report;
pub mod run;
pub mod scan;
pub mod target;
pub mod time;

#[doc = include_str!("performance.md")]
pub mod performance {}

/// The README's examples are tested like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
