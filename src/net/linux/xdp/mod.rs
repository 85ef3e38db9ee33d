//! Links by XDP: frames leave from shared memory, many a call, and replies are proven, recorded and reset in the driver.
//!
//! | half | by |
//! |---|---|
//! | transmit | a program run on live frames (`BPF_F_TEST_XDP_LIVE_FRAMES`): each run makes one frame and redirects it to the device |
//! | transmit, a few frames at a time | packet socket |
//! | receive | an XDP program on the interface; what it leaves, a packet socket |
//!
//! Whatever the program does not prove (ICMP errors, ARP, replies with IP options or tags) goes its usual way, and the scan sees it as it
//! does without XDP; traffic that is not ours is not touched. Links that are no Ethernet are opened as [`super::link`] does.
//!
//! # Measured (Linux 6.18, two cores, veth)
//!
//! - A call on live frames takes 28 ms to begin and end, whatever its size, unless some interface has the same program attached: then 18 µs
//!   and some 75 ns a run (64 runs: 23 µs, 256: 38 µs, 4,096: 355 µs). The difference is the kernel's rewriting of its XDP dispatcher and
//!   the grace period after it. That is why one program both receives and sends.
//! - A frame sent costs 120 to 160 ns of kernel time in calls of some thousand, the far end's program that answers it included, where `sendmmsg`
//!   costs 1.7 to 2.2 µs. So a call pays from about ten frames on, and with fewer the packet socket is used. How many there are is the pacer's
//!   doing: at 200,000 probes a second there was one call to 170 sends, at 400,000 one to 3.5, at full rate next to none was a send. That is
//!   where it changes over, between two flushes, which can lose nothing.
//! - A device's queue that is full drops redirected frames and tells nobody but a tracepoint (`xdp_devmap_xmit`): always the last of the
//!   sixteen it was offered. A second program looks there, and the call takes no more frames from then on; after 50 µs these and the rest are
//!   offered again, and only what finds it full for 100 ms is given up. Calls are made of batches of 64 frames, after each of which the device
//!   has its turn; a veth's queue of 256 then overflows only if another processor serves it, as beside a busy TCP connection: there 1 to 4 % of
//!   the frames were dropped before, and 1 to 6 % of the resets; now none of 5 million in ten scans.
//! - Whoever fills banks of frames and whoever calls wait for each other the less, the more banks there are: with two, the calling thread was
//!   idle a sixth of the time, woken for each; with eight, hardly. What waits there adds to the round trips seen, a millisecond at full rate.
//! - Where the device sends from two queues or more (`ethtool -l`; cards with XDP have one for each processor), a sender whose thread has enough
//!   to do calls beside it, in a lane of its own: 4,194,304 probes in 0.53 s instead of 0.67. On one queue the two calls contend for it and for
//!   its pages, and the far end is served by either processor: 1.26 s instead of 0.90, so there one calls at a time.
//! - Frames are recycled and come back as they went, so every byte is written.
//! - What `XDP_TX` cannot send, a reset, another tracepoint tells (`xdp_bulk_tx`, of a veth; other drivers only count it): the reply is
//!   recorded once more, and the reset sent by the packet socket.
//!
//! The program is C, `link.bpf.c`, compiled by `build.sh` with clang; the object is committed. Program, maps and attachment belong to
//! descriptors of this process: however it ends, they are gone.

mod caller;
mod features;
mod generic;
mod object;
mod program;
mod receive;
mod record;
mod slots;
#[cfg(test)]
mod tests;
mod transmit;

use std::sync::Arc;

use aya::EbpfLoader;

use super::link;
use crate::error::{Error, Result};
use crate::net::Transmitter;
use crate::net::link::{Link, LinkKind, LinkOptions};
use program::Program;

/// As [`crate::net::link::open`], with the XDP engine.
pub(in crate::net) fn open(name: &str, index: u32, kind: LinkKind, options: &LinkOptions) -> Result<Link> {
    match kind {
        LinkKind::Ethernet => features::check(name, index).and_then(|()| attach(name, index, options)),
        LinkKind::Loopback | LinkKind::Tunnel => link::open(name, index, kind, options),
    }
}

fn attach(name: &str, index: u32, options: &LinkOptions) -> Result<Link> {
    let Some(proof) = options.proof else { return Err(Error::asked("open", name, "XDP proves replies by a key, and none was given")) };
    // What the program leaves is little, and memory for it is cleared before anything is sent.
    let little = LinkOptions { receive_bytes: options.receive_bytes.min(LinkOptions::RECEIVE_BYTES), ..*options };
    // The loader reads all types of the kernel, which takes as long.
    let (packets, loader) = std::thread::scope(|scope| {
        let loader = scope.spawn(EbpfLoader::new);
        (link::open(name, index, LinkKind::Ethernet, &little), loader.join())
    });
    let loader = loader.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let Link { medium, kind, mut transmitters, receiver } = packets?;
    // Resets that the program does not send itself are few.
    let resets = if transmitters.len() > 1 { transmitters.pop() } else { None };
    let explain = |failure| object::explained(name, &failure);
    let loaded = object::Loaded::attach(loader, index, options, &proof, transmitters.len()).map_err(explain)?;
    let (program, records) = Program::of(loaded, features::queues(index)).map_err(explain)?;
    let program = Arc::new(program);
    let mut all: Vec<Box<dyn Transmitter>> = Vec::new();
    for (number, packets) in transmitters.into_iter().enumerate() {
        all.push(Box::new(transmit::XdpTransmitter::new(&program, number, packets).map_err(explain)?));
    }
    all.extend(resets);
    Ok(Link { medium, kind, transmitters: all, receiver: Box::new(receive::XdpReceiver::new(program, records, receiver)) })
}
