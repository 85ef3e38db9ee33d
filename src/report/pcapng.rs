//! Packets as evidence: for each open port its probe and the reply that proves it, in a capture.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use super::{Epoch, Escaped, Report};
use crate::packet::pcapng::{InterfaceId, PacketRecord, PcapngWriter};
use crate::packet::{Checksums, FRAME_CAPACITY, Hop, MacAddr, Medium, Probe, Reply, SynTemplate, TcpReply};
use crate::scan::{Finding, HostRecord, Proof, ScanRecord, Summary};
use crate::target::Target;

/// Writes a pcapng file of proofs. The reply of each open port is the received frame; its probe is built anew, for it follows from the reply:
/// every field of a probe is fixed, or an address, a port or the sequence number that the reply acknowledges. Comments say so, and name target
/// and verdict.
pub struct Pcapng {
    writer: Writer,
    syn: SynTemplate,
    epoch: Epoch,
    note: String,
    interfaces: HashMap<(Arc<str>, Medium), InterfaceId>,
    /// Told, and their findings not yet: those of suspect hosts may never be.
    waiting: HashMap<Target, Proof>,
}

/// The section header is written with the scan's beginning, which may fail then.
enum Writer {
    Waiting(Option<Box<dyn Write + Send>>),
    Begun(PcapngWriter<Box<dyn Write + Send>>),
}

impl Pcapng {
    /// A capture written to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            writer: Writer::Waiting(Some(out)),
            syn: SynTemplate::new(),
            epoch: Epoch::default(),
            note: String::new(),
            interfaces: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    fn write(&mut self, proof: &Proof) -> io::Result<()> {
        let Writer::Begun(writer) = &mut self.writer else { return Err(io::Error::other("the capture has no beginning")) };
        let key = (Arc::clone(&proof.interface), proof.medium);
        let interface = if let Some(interface) = self.interfaces.get(&key) {
            *interface
        } else {
            let interface = writer.interface(&proof.interface, proof.medium)?;
            self.interfaces.insert(key, interface);
            interface
        };
        let Finding { target, outcome, rtt, .. } = proof.finding;
        let (target, note) = (std::net::SocketAddr::new(target.addr, target.port), &self.note);
        let arrived = nanos(self.epoch.at(proof.arrived));
        let mut slot = [0; FRAME_CAPACITY];
        let len = probe_of(proof).map_or(0, |probe| self.syn.write(&mut slot, &probe));
        if len > 0 {
            let when = if rtt.is_some() { "" } else { "; when it was sent is not known" };
            let comment = format!("synprobe: probe of {target}, reconstructed from the reply that proves it{when}{note}");
            let wall = arrived.saturating_sub(nanos(rtt.unwrap_or_default()));
            writer.packet(&PacketRecord { interface, wall, bytes: &slot[..len], comment: Some(&comment) })?;
        }
        let comment = format!("synprobe: {target} is {} ({}), by this reply as it was received{note}", outcome.state, outcome.reason);
        writer.packet(&PacketRecord { interface, wall: arrived, bytes: &proof.reply, comment: Some(&comment) })
    }
}

impl Report for Pcapng {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        self.epoch = Epoch::of(scan);
        self.note = scan.note.as_ref().map(|note| format!("; {}", Escaped(note))).unwrap_or_default();
        if let Writer::Waiting(out) = &mut self.writer
            && let Some(out) = out.take()
        {
            self.writer = Writer::Begun(PcapngWriter::new(out)?);
        }
        Ok(())
    }

    fn proof(&mut self, proof: &Proof) -> io::Result<()> {
        self.waiting.insert(proof.finding.target, proof.clone());
        Ok(())
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        match self.waiting.remove(&finding.target) {
            Some(proof) => self.write(&proof),
            None => Ok(()),
        }
    }

    fn host(&mut self, _host: &HostRecord) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        match &mut self.writer {
            Writer::Begun(writer) => writer.flush(),
            Writer::Waiting(_) => Ok(()),
        }
    }
}

/// The probe that a proven SYN-ACK answers; `None` of anything else.
fn probe_of(proof: &Proof) -> Option<Probe> {
    let Ok(Reply::Tcp(reply)) = Reply::parse(&proof.reply, proof.medium, Checksums::Pending) else { return None };
    let TcpReply { source_mac, source, destination, source_port, destination_port, acknowledgement, .. } = reply;
    let hop = match (proof.medium, source_mac, proof.reply.first_chunk::<6>()) {
        (Medium::Ethernet, Some(next_hop), Some(ours)) => Hop::Ethernet { source: MacAddr(*ours), destination: next_hop },
        _ => Hop::Ip,
    };
    Some(Probe {
        hop,
        source: destination,
        destination: source,
        source_port: destination_port,
        destination_port: source_port,
        sequence: acknowledgement.wrapping_sub(1),
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::packet::{TcpFlags, TcpSegment, write_tcp};
    use crate::report::sample;

    const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn proof(medium: Medium) -> Proof {
        let [source, destination] = [MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 9])];
        let hop = if medium == Medium::Ethernet { Hop::Ethernet { source, destination } } else { Hop::Ip };
        let segment = TcpSegment {
            source: TARGET,
            destination: US,
            source_port: 22,
            destination_port: 40_001,
            sequence: 7,
            acknowledgement: 0,
            flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
            window: 64_240,
            ttl: 64,
            mss: Some(1460),
        };
        let mut slot = [0; FRAME_CAPACITY];
        let len = write_tcp(&mut slot, hop, &segment);
        let finding = sample::hosts()[0].ports[0];
        Proof { finding, interface: "eth0".into(), medium, reply: slot[..len].to_vec(), arrived: finding.time }
    }

    #[test]
    fn a_probe_follows_from_its_reply() {
        for medium in [Medium::Ethernet, Medium::Ip] {
            let proof = proof(medium);
            let probe = probe_of(&proof).unwrap();
            assert_eq!((probe.source, probe.destination, probe.source_port, probe.destination_port), (US, TARGET, 40_001, 22));
            assert_eq!(probe.sequence, u32::MAX, "what it acknowledges is one more, around the end");
            let ours = MacAddr([2, 0, 0, 0, 0, 9]);
            assert_eq!(probe.hop != Hop::Ip, medium == Medium::Ethernet);
            assert!(probe.hop == Hop::Ip || matches!(probe.hop, Hop::Ethernet { source, .. } if source == ours));
            let cut = Proof { reply: proof.reply[..20].to_vec(), ..proof };
            assert!(probe_of(&cut).is_none());
        }
    }

    #[test]
    fn a_proof_is_written_when_its_finding_is_told() {
        let written = |tells: bool| {
            sample::replayed_bytes(
                |out| Box::new(Pcapng::new(out)),
                |report| {
                    report.begin(&sample::scan()).unwrap();
                    report.proof(&proof(Medium::Ethernet)).unwrap();
                    if tells {
                        report.finding(&proof(Medium::Ethernet).finding).unwrap();
                    }
                    report.end(&sample::summary()).unwrap();
                },
            )
        };
        let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let (told, hidden) = (written(true), written(false));
        assert!(has(&told, "synprobe: probe of 10.0.0.1:22, reconstructed from the reply that proves it; ticket 7"));
        assert!(has(&told, "synprobe: 10.0.0.1:22 is open (syn-ack), by this reply as it was received; ticket 7"));
        assert!(!has(&hidden, "10.0.0.1") && hidden.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
        assert_eq!(IpAddr::V4(TARGET), proof(Medium::Ip).finding.target.addr);
    }
}
