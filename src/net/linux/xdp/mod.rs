//! Links by XDP: frames leave from a ring in shared memory, and replies are proven, recorded and reset in the driver.
//!
//! | half | above the switch-over rate | below it |
//! |---|---|---|
//! | transmit | a program run on live frames (`BPF_F_TEST_XDP_LIVE_FRAMES`) copies and redirects them | packet socket |
//! | receive | an XDP program on the interface | the same |
//!
//! Whatever the program on the interface does not prove (ICMP errors, ARP, replies with IP options or tags) arrives through a packet socket
//! as it does without XDP, and traffic that is not ours is not touched. Links that are no Ethernet are opened as [`super::link`] does.
//!
//! The programs are C, `*.bpf.c` beside this file, compiled by `build.sh` with clang; the objects are committed. Programs, maps and
//! attachments belong to descriptors of this process: however it ends, they are gone.

mod features;
mod live;
mod meter;
mod object;
mod receive;
mod record;
mod slots;
mod transmit;

use super::link;
use crate::error::{Error, Result};
use crate::net::Transmitter;
use crate::net::link::{Link, LinkKind, LinkOptions};

/// As [`crate::net::link::open`], with the XDP engine.
pub(in crate::net) fn open(name: &str, index: u32, kind: LinkKind, options: &LinkOptions) -> Result<Link> {
    let Link { medium, kind, mut transmitters, receiver } = link::open(name, index, kind, options)?;
    if kind != LinkKind::Ethernet {
        return Ok(Link { medium, kind, transmitters, receiver });
    }
    let Some(proof) = options.proof else { return Err(Error::asked("open", name, "XDP proves replies by a key, and none was given")) };
    features::check(name, index)?;
    let receiver = receive::XdpReceiver::open(name, index, options, &proof, receiver)?;
    // Resets that the program on the interface does not send are few.
    let resets = if transmitters.len() > 1 { transmitters.pop() } else { None };
    let mut lives = Vec::new();
    let mut wrapped: Vec<Box<dyn Transmitter>> = Vec::new();
    for _ in transmitters.drain(..) {
        let transmitter = transmit::XdpTransmitter::open(name, index)?;
        lives.push(transmitter.live());
        wrapped.push(Box::new(transmitter));
    }
    wrapped.extend(resets);
    Ok(Link { medium, kind, transmitters: wrapped, receiver: Box::new(receiver.tending(lives)) })
}
