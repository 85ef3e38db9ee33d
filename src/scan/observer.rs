//! What a received frame proves.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Count};
use super::cookie::Flow;
use super::discovery::Discovery;
use super::echo::Echo;
use super::finding_record::{Detail, Record};
use super::neighbours::News;
use super::outcome::Reason;
use super::stage::Stage;
use crate::packet::{ArpReply, Checksums, EchoReply, IcmpError, Medium, Reply, TcpReply, Verdict};
use crate::target::Target;
use crate::time::Time;

/// What came of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Something new about a target.
    pub record: Option<Record>,
    /// A proven SYN-ACK: answer it with a reset, so that no half-open connection stays (RFC 9293 section 3.10.7.3).
    pub reset: Option<TcpReply>,
}

/// Reads the frames of one link. It does no more than parse, prove, mark.
#[derive(Debug)]
pub struct Observer {
    board: Arc<Board>,
    link: usize,
    /// Whether what answers is this machine: that says nothing about any path.
    is_own: bool,
}

/// A frame's claim about a probe of ours.
struct Claim {
    flow: Flow,
    source_port: u16,
    sequence: u32,
    reason: Reason,
    ttl: u8,
    detail: Detail,
}

impl Observer {
    /// An observer of link number `link`.
    pub fn new(board: Arc<Board>, link: usize) -> Self {
        Self { board, link, is_own: false }
    }

    /// The same for a link on which only this machine answers.
    #[must_use]
    pub fn of_this_machine(self) -> Self {
        Self { is_own: true, ..self }
    }

    /// All that arrived before `time` has been taken in.
    pub fn heard(&self, time: Time) {
        self.board.hearing.heard(self.link, time);
    }

    /// Takes in a frame that arrived at `arrived`.
    pub fn observe(&mut self, arrived: Time, bytes: &[u8], medium: Medium, checksums: Checksums) -> Observed {
        let counters = &self.board.counters;
        match Reply::parse(bytes, medium, checksums) {
            Ok(Reply::Tcp(reply)) => self.tcp(arrived, reply),
            Ok(Reply::Icmp(error)) => self.icmp(arrived, error),
            Ok(Reply::Echo(reply)) => self.echo(arrived, reply),
            Ok(Reply::Arp(reply)) => {
                self.arp(arrived, reply);
                Observed::default()
            }
            Err(Verdict::Foreign) => Observed::default(),
            Err(Verdict::Malformed) => counted(&counters.malformed),
        }
    }

    fn tcp(&mut self, arrived: Time, reply: TcpReply) -> Observed {
        let invalid = &self.board.counters.invalid;
        let reason = match reply.flags {
            flags if flags.is_syn_ack() => Reason::SynAck,
            // A RST to our SYN acknowledges it (RFC 9293 section 3.10.7.1); without an acknowledgement it proves nothing.
            flags if flags.is_rst() && flags.is_ack() => Reason::Reset,
            _ => return counted(invalid),
        };
        let claim = Claim {
            flow: Flow { source: reply.destination, destination: reply.source, port: reply.source_port },
            source_port: reply.destination_port,
            sequence: reply.acknowledgement.wrapping_sub(1),
            reason,
            ttl: reply.ttl,
            detail: if reason == Reason::SynAck { Detail::window(reply.window) } else { Detail::sender(Ipv4Addr::UNSPECIFIED) },
        };
        let Some(record) = self.judge(arrived, &claim) else { return counted(invalid) };
        Observed { record: record.ok(), reset: (reason == Reason::SynAck).then_some(reply) }
    }

    fn icmp(&mut self, arrived: Time, error: IcmpError) -> Observed {
        let invalid = &self.board.counters.invalid;
        let Some(reason) = Reason::from_icmp(error.kind, error.code) else { return counted(invalid) };
        let quoted = error.quoted;
        let claim = Claim {
            flow: Flow { source: quoted.source, destination: quoted.destination, port: quoted.destination_port },
            source_port: quoted.source_port,
            sequence: quoted.sequence,
            reason,
            ttl: error.ttl,
            detail: Detail::sender(if error.source == quoted.destination { Ipv4Addr::UNSPECIFIED } else { error.source }),
        };
        match self.judge(arrived, &claim) {
            Some(record) => Observed { record: record.ok(), reset: None },
            None => counted(invalid),
        }
    }

    fn echo(&mut self, arrived: Time, reply: EchoReply) -> Observed {
        let claim = Claim {
            flow: Flow { source: reply.destination, destination: reply.source, port: Discovery::ECHO },
            source_port: reply.identifier,
            sequence: reply.cookie,
            reason: Reason::EchoReply,
            ttl: reply.ttl,
            detail: Detail::sender(Ipv4Addr::UNSPECIFIED),
        };
        match self.judge(arrived, &claim) {
            Some(record) => Observed { record: record.ok(), reset: None },
            None => counted(&self.board.counters.invalid),
        }
    }

    /// `None`: proves nothing. `Err`: proven, but the target had answered.
    fn judge(&self, arrived: Time, claim: &Claim) -> Option<Result<Record, ()>> {
        let Board { config, cookie, stages, counters, rtt: meter, .. } = &*self.board;
        let attempt = cookie.prove(claim.flow, claim.source_port, claim.sequence)?;
        let target = Target { addr: IpAddr::V4(claim.flow.destination), port: claim.flow.port };
        let (number, stage, index) = stages.find(target)?;
        let rtt = round_trip(stage, index, attempt, arrived);
        // A router that finds no host says so when its own ARP has timed out: that is no round trip.
        if let Some(rtt) = rtt.filter(|_| claim.reason.is_owed()) {
            meter.probe(rtt);
        }
        if self.is_own { &counters.proven_here } else { &counters.proven }.add(1);
        let is_first = stage.answered.mark(index);
        if let Some(presence) = stage.presence.as_ref().filter(|_| claim.reason == Reason::SynAck || claim.detail.is_the_targets()) {
            presence.hear(stage.space.host_of(index));
        }
        let is_canary = attempt > config.most_attempts;
        if config.is_accounted() && (is_first || is_canary) {
            let sent = stage.sent_at(index, attempt);
            self.board.echoes.tell(Echo { index, arrived, sent, stage: number as u8, attempt, is_first, reason: claim.reason });
        }
        if !is_first {
            counters.duplicates.add(u64::from(!is_canary));
            return Some(Err(()));
        }
        stage.admit(counters, index, attempt, claim.reason);
        Some(Ok(Record {
            index,
            time: (arrived.as_nanos() / 1_000_000) as u32,
            rtt: rtt.map_or(u32::MAX, |rtt| rtt.as_micros().min(u128::from(u32::MAX - 1)) as u32),
            detail: claim.detail,
            reason: claim.reason,
            ttl: claim.ttl,
            // An audit asks in the course of a pass who was silent in it: once more.
            attempt: if is_canary { self.board.pass().saturating_add(1) } else { attempt },
            stage: number as u8,
        }))
    }

    fn arp(&mut self, arrived: Time, reply: ArpReply) {
        let news = self.board.neighbours.learn(self.link, reply.addr, reply.mac, arrived);
        if news != News::None {
            self.board.counters.arp_replies.add(1);
        }
        if let News::Answer(rtt) = news {
            self.board.rtt.arp(rtt);
        }
    }
}

fn counted(count: &Count) -> Observed {
    count.add(1);
    Observed::default()
}

fn round_trip(stage: &Stage, index: u64, attempt: u8, arrived: Time) -> Option<Duration> {
    let sent = stage.sent_at(index, attempt)?;
    Some(arrived.since(sent))
}
