//! The simulated network on a real interface: the far end of a veth pair, in real time.

use std::hint;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::network::Network;
use crate::net::{Receiver, Transmitter};
use crate::time::Time;

/// What a served network could not pass on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Frames read from the link.
    pub received: u64,
    /// Frames handed to the link.
    pub sent: u64,
    /// Frames that were due and that the link did not take in time.
    pub unsent: u64,
}

/// Answers on a link in real time until `stop` is set: reads frames, lets the network see them, sends frames when they are due.
/// It returns the network, with the truth about what happened, and what passed the link.
///
/// The link must show frames for any hardware address: those of the simulated hosts are not the interface's own.
/// Within half a millisecond of a frame that is due it does not sleep, since sleeping is not that precise; it then takes a whole core.
///
/// # Errors
/// When the link failed.
pub fn serve(
    mut network: Network,
    mut transmitter: Box<dyn Transmitter>,
    mut receiver: Box<dyn Receiver>,
    stop: &AtomicBool,
) -> io::Result<(Network, Served)> {
    let began = Instant::now();
    let now = || Time::from_nanos(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let mut outlet = Outlet { transmitter: transmitter.as_mut(), queued: 0, sent: 0, unsent: 0 };
    let mut heard = 0;
    while !stop.load(Ordering::Relaxed) {
        let busy = outlet.send_due(&mut network, now())?;
        let wait = if busy { Duration::ZERO } else { patience(network.next_delivery(), now()) };
        let frames = receiver.receive(wait, &mut |frame| network.inject_with(now(), frame.bytes, frame.checksums))?;
        heard += frames as u64;
        if frames == 0 && wait.is_zero() {
            hint::spin_loop();
        }
    }
    let Outlet { sent, unsent, queued, .. } = outlet;
    Ok((network, Served { received: heard, sent, unsent: unsent + queued }))
}

/// How long to wait for frames when the next of ours is due at `next`.
fn patience(next: Option<Time>, now: Time) -> Duration {
    next.map_or(LONGEST_WAIT, |next| next.since(now).saturating_sub(PRECISION).min(LONGEST_WAIT))
}

/// The link's sending half and what became of the frames for it.
struct Outlet<'a> {
    transmitter: &'a mut dyn Transmitter,
    queued: u64,
    sent: u64,
    unsent: u64,
}

impl Outlet<'_> {
    /// Sends what is due; whether there was anything to send.
    fn send_due(&mut self, network: &mut Network, now: Time) -> io::Result<bool> {
        let mut outcome = Ok(());
        network.deliver(now, &mut |_, frame| {
            if outcome.is_ok() {
                outcome = self.queue(frame);
            }
        });
        outcome?;
        let busy = self.queued > 0;
        if busy {
            self.flush()?;
        }
        Ok(busy)
    }

    fn queue(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.transmitter.slot().is_none() {
            self.flush()?;
        }
        match self.transmitter.slot() {
            Some(slot) => {
                slot[..frame.len()].copy_from_slice(frame);
                self.transmitter.commit(frame.len());
                self.queued += 1;
            }
            None => self.unsent += 1,
        }
        Ok(())
    }

    /// Hands over what is queued. A full device gets a few chances; what it still does not take stays queued for the next time.
    fn flush(&mut self) -> io::Result<()> {
        for _ in 0..FLUSH_TRIES {
            match self.transmitter.flush() {
                Ok(0) => break,
                Ok(taken) => {
                    self.sent += taken as u64;
                    self.queued = self.queued.saturating_sub(taken as u64);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => hint::spin_loop(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The precision of a timed wait; what is due sooner is waited for awake.
const PRECISION: Duration = Duration::from_micros(500);
/// How soon `stop` is seen.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
const FLUSH_TRIES: u32 = 1000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::{Arc, Mutex};

    use super::super::host::HostSpec;
    use super::super::path::{Latency, PathSpec};
    use super::super::topology::{Segment, Topology};
    use super::*;
    use crate::net::{Frame, Reset};
    use crate::packet::{ArpReply, Checksums, FRAME_CAPACITY, MacAddr, Medium, Reply, write_request};

    const SCANNER: (MacAddr, Ipv4Addr) = (MacAddr([2; 6]), Ipv4Addr::new(10, 0, 0, 200));

    /// The scanner's end of a link: it asks for each address once, and stops the network when all have answered.
    struct Asker {
        stop: Arc<AtomicBool>,
        answers: Arc<Mutex<Vec<ArpReply>>>,
        asked: bool,
        patience: u32,
    }

    impl Receiver for Asker {
        fn receive(&mut self, timeout: Duration, each: &mut dyn FnMut(Frame<'_>)) -> io::Result<usize> {
            assert!(timeout <= LONGEST_WAIT);
            self.patience -= 1;
            if self.patience == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.answers.lock().unwrap().len() == 100 {
                self.stop.store(true, Ordering::Relaxed);
            }
            if std::mem::replace(&mut self.asked, true) {
                return Ok(0);
            }
            let mut slot = [0; FRAME_CAPACITY];
            for last in 1..=100 {
                let len = write_request(&mut slot, SCANNER.0, SCANNER.1, Ipv4Addr::new(10, 0, 0, last));
                each(Frame { bytes: &slot[..len], medium: Medium::Ethernet, wall: None, checksums: Checksums::Verify, reset: Reset::Due });
            }
            Ok(100)
        }

        fn dropped(&mut self) -> u64 {
            0
        }
    }

    /// A device with room for three frames that is full every second time.
    struct Narrow {
        answers: Arc<Mutex<Vec<ArpReply>>>,
        slots: [[u8; FRAME_CAPACITY]; 3],
        queued: usize,
        flushes: u32,
    }

    impl Transmitter for Narrow {
        fn slot(&mut self) -> Option<&mut [u8]> {
            self.slots.get_mut(self.queued).map(<[u8; FRAME_CAPACITY]>::as_mut_slice)
        }

        fn commit(&mut self, _len: usize) {
            self.queued += 1;
        }

        fn flush(&mut self) -> io::Result<usize> {
            self.flushes += 1;
            if self.flushes.is_multiple_of(2) && self.queued > 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let queued = std::mem::take(&mut self.queued);
            for slot in &self.slots[..queued] {
                let Ok(Reply::Arp(reply)) = Reply::parse(slot, Medium::Ethernet, Checksums::Verify) else { panic!("an ARP reply") };
                self.answers.lock().unwrap().push(reply);
            }
            Ok(queued)
        }
    }

    #[test]
    fn every_question_is_answered_over_a_link_that_is_often_full() {
        let latency = Latency { fixed: Duration::from_micros(100), jitter: Duration::from_micros(100), ..Latency::default() };
        let path = PathSpec::new().round_trip(latency);
        let lan = Segment::on_link("10.0.0.0/24".parse().unwrap()).path(path).population(1.0, HostSpec::serving([]));
        let network = Network::new(Topology::new().segment(lan), 1);
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let asker = Asker { stop: Arc::clone(&stop), answers: Arc::clone(&answers), asked: false, patience: 100_000_000 };
        let narrow = Narrow { answers: Arc::clone(&answers), slots: [[0; FRAME_CAPACITY]; 3], queued: 0, flushes: 0 };
        let (network, served) = serve(network, Box::new(narrow), Box::new(asker), &stop).unwrap();
        assert_eq!(served, Served { received: 100, sent: 100, unsent: 0 });
        assert_eq!(network.truth().counters().delivered, 100);
        let mut seen: Vec<_> = answers.lock().unwrap().iter().map(|reply| reply.addr.octets()[3]).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    }

    #[test]
    fn a_wait_ends_before_the_next_frame_is_due() {
        let at = |us: u64| Time::from_nanos(us * 1000);
        assert_eq!(patience(None, at(5)), LONGEST_WAIT);
        assert_eq!(patience(Some(at(10_000)), at(0)), Duration::from_micros(9_500));
        assert_eq!(patience(Some(at(400)), at(0)), Duration::ZERO);
        assert_eq!(patience(Some(at(0)), at(9)), Duration::ZERO);
    }
}
