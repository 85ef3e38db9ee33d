//! Links by pnet's datalink channel, on any system pnet knows.
//!
//! pnet sends and receives frame by frame with two system calls each, so this is the portable way and not the fast one. pnet's types stay
//! in this file. On Linux it is given a socket that already has our kernel filter and ignores what this machine sends, and whose drops
//! can be asked for; elsewhere frames are sorted out here alone and drops cannot be told.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pnet::datalink::{self, Channel, ChannelType, Config, DataLinkReceiver, DataLinkSender};

use super::link::{Link, LinkKind, LinkOptions, failed};
use super::outbox::Outbox;
use super::{Frame, Receiver, Reset, Transmitter};
use crate::error::{Error, Result};
use crate::packet::{Checksums, Medium};

/// As [`super::link::open`], with the pnet engine.
pub(super) fn open(name: &str, index: u32, kind: LinkKind, options: &LinkOptions) -> Result<Link> {
    let interface = datalink::interfaces().into_iter().find(|interface| interface.name == name && interface.index == index);
    let interface = interface.ok_or_else(|| failed("open", name, io::ErrorKind::NotFound.into()))?;
    let medium = kind.medium();
    let drops = Drops::open(name, kind, options)?;
    let explain = |error| failed("open", name, error);
    let config = Config {
        read_timeout: Some(TICK),
        write_timeout: Some(TICK),
        read_buffer_size: READ_BYTES,
        promiscuous: false,
        channel_type: match medium {
            Medium::Ethernet => ChannelType::Layer2,
            Medium::Ip => ChannelType::Layer3(TYPE_IPV4),
        },
        socket_fd: drops.hand_over().map_err(explain)?,
        ..Config::default()
    };
    let Channel::Ethernet(sender, frames) = datalink::channel(&interface, config).map_err(explain)? else {
        return Err(Error::machine("open", name, "pnet has another kind of channel for it"));
    };
    drops.check_bound().map_err(explain)?;
    let sender = Arc::new(Mutex::new(sender));
    let transmitters = (0..options.transmitters.max(1)).map(|_| transmitter(name, kind, &sender)).collect::<Result<_>>()?;
    let receiver = PnetReceiver { frames, medium, ports: (options.first_port, options.last_port), drops, failure: None };
    Ok(Link { medium, kind, transmitters, receiver: Box::new(receiver) })
}

/// Loopback does not answer frames sent through pnet (see the raw IP transmitter).
fn transmitter(name: &str, kind: LinkKind, sender: &Sender) -> Result<Box<dyn Transmitter>> {
    match kind {
        LinkKind::Ethernet | LinkKind::Tunnel => Ok(Box::new(PnetTransmitter { sender: Arc::clone(sender), outbox: Outbox::new() })),
        #[cfg(target_os = "linux")]
        LinkKind::Loopback => match super::linux::raw_ip::RawIpTransmitter::open() {
            Ok(transmitter) => Ok(Box::new(transmitter)),
            Err((operation, error)) => Err(failed(operation, name, error)),
        },
        #[cfg(not(target_os = "linux"))]
        LinkKind::Loopback => Err(bare_ip(name)),
    }
}

/// Several transmitters share one channel, since each channel would receive everything once more.
type Sender = Arc<Mutex<Box<dyn DataLinkSender>>>;

struct PnetTransmitter {
    sender: Sender,
    outbox: Outbox,
}

impl Transmitter for PnetTransmitter {
    fn slot(&mut self) -> Option<&mut [u8]> {
        self.outbox.slot()
    }

    fn commit(&mut self, len: usize) {
        self.outbox.commit(len);
    }

    fn flush(&mut self) -> io::Result<usize> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        self.outbox.flush(|batch| {
            for (i, frame) in batch.iter().enumerate() {
                match sender.send_to(frame, None).unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into())) {
                    Ok(()) => {}
                    Err(error) if i == 0 => return Err(error),
                    Err(_) => return Ok(i),
                }
            }
            Ok(batch.len())
        })
    }

    fn refused(&mut self) -> u64 {
        self.outbox.refused()
    }
}

struct PnetReceiver {
    frames: Box<dyn DataLinkReceiver>,
    medium: Medium,
    ports: (u16, u16),
    drops: Drops,
    failure: Option<io::ErrorKind>,
}

impl Receiver for PnetReceiver {
    /// Waits in steps of [`TICK`], at least one.
    fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        let (mut count, mut waited) = (0, Duration::ZERO);
        for _ in 0..ROUND {
            match self.frames.next() {
                Ok(bytes) if concerns(bytes, self.medium, self.ports) => {
                    // Frames of this very machine come without checksums, and pnet cannot tell them from others.
                    each(Frame { bytes, medium: self.medium, wall: None, checksums: Checksums::Pending, reset: Reset::Due });
                    count += 1;
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                    waited += TICK;
                    if count > 0 || waited >= timeout {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => break,
                Err(error) => {
                    // pnet's socket forgets an error once told.
                    let error = self.drops.failure(error);
                    self.failure = Some(error.kind());
                    return if count > 0 { Ok(count) } else { Err(error) };
                }
            }
        }
        Ok(count)
    }

    fn dropped(&mut self) -> u64 {
        self.drops.dropped()
    }
}

/// Whether a frame may be a reply: TCP to our ports, ICMP, ARP.
fn concerns(bytes: &[u8], medium: Medium, (first, last): (u16, u16)) -> bool {
    let packet = match medium {
        Medium::Ip => bytes,
        Medium::Ethernet => match bytes.split_at_checked(14) {
            Some(([.., 0x08, 0x06], _)) => return true,
            Some(([.., 0x08, 0x00], packet)) => packet,
            _ => return false,
        },
    };
    let Some(header) = packet.first_chunk::<20>() else { return false };
    let len = usize::from(header[0] & 0x0f) * 4;
    match (header[0] >> 4, header[9], packet.get(len + 2..len + 4)) {
        (4, PROTOCOL_ICMP, _) => true,
        (4, PROTOCOL_TCP, Some(&[high, low])) => (first..=last).contains(&u16::from_be_bytes([high, low])),
        _ => false,
    }
}

/// What Linux adds to pnet: a prepared socket, and its count of drops.
#[cfg(target_os = "linux")]
use super::linux::prepared::PreparedSocket as Drops;

/// Drops cannot be told here.
#[cfg(not(target_os = "linux"))]
struct Drops;

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same functions as on Linux")]
impl Drops {
    fn open(name: &str, kind: LinkKind, _: &LinkOptions) -> Result<Self> {
        match kind {
            LinkKind::Ethernet => Ok(Self),
            LinkKind::Loopback | LinkKind::Tunnel => Err(bare_ip(name)),
        }
    }

    fn hand_over(&self) -> io::Result<Option<i32>> {
        Ok(None)
    }

    fn check_bound(&self) -> io::Result<()> {
        Ok(())
    }

    fn failure(&self, error: io::Error) -> io::Error {
        error
    }

    fn dropped(&mut self) -> u64 {
        0
    }
}

#[cfg(not(target_os = "linux"))]
fn bare_ip(name: &str) -> Error {
    Error::machine("open", name, "only Ethernet can be scanned with SYN segments on this system").hint("use --connect")
}

/// How long pnet waits at a time.
const TICK: Duration = Duration::from_millis(2);

/// Frames looked at in one call, so that a busy interface cannot keep the caller.
const ROUND: usize = 1024;

/// pnet cuts longer frames; no reply is as long.
const READ_BYTES: usize = 4096;

const TYPE_IPV4: u16 = 0x0800;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_TCP: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_a_reply_concerns_us() {
        let mut ip = [0; 40];
        (ip[0], ip[9]) = (0x45, PROTOCOL_TCP);
        ip[22..24].copy_from_slice(&40_000u16.to_be_bytes());
        let ours = |packet: &[u8]| concerns(packet, Medium::Ip, (40_000, 40_010));
        assert!(ours(&ip));
        ip[23] += 11;
        assert!(!ours(&ip), "another port");
        ip[0] = 0x46;
        assert!(!ours(&ip));
        ip[26..28].copy_from_slice(&40_010u16.to_be_bytes());
        assert!(ours(&ip), "behind options");
        assert!(!ours(&ip[..27]), "cut off");
        ip[9] = 17;
        assert!(!ours(&ip));
        ip[9] = PROTOCOL_ICMP;
        assert!(ours(&ip));
        ip[0] = 0x65;
        assert!(!ours(&ip), "another version");
    }

    #[test]
    fn ethernet_frames_are_told_by_their_type() {
        let mut frame = [0; 60];
        let ours = |frame: &[u8]| concerns(frame, Medium::Ethernet, (1, 2));
        assert!(!ours(&frame));
        frame[12..14].copy_from_slice(&[8, 6]);
        assert!(ours(&frame));
        (frame[13], frame[14], frame[23]) = (0, 0x45, PROTOCOL_ICMP);
        assert!(ours(&frame));
        assert!(!ours(&frame[..33]) && !ours(&frame[..13]) && !ours(&[]));
    }
}
