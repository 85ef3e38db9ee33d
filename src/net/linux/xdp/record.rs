//! What the receiving program writes of a proven reply, and the packet it stands for.

use std::net::Ipv4Addr;

use crate::net::Reset;
use crate::packet::{Hop, MacAddr, Medium, TcpFlags, TcpSegment, write_tcp};

/// `struct record` of the program, or `struct unanswered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    segment: TcpSegment,
    /// The low 32 bits of the monotonic clock in units of 1,024 nanoseconds.
    time: u32,
    /// Of a reply that was recorded before, and whose reset the device did not take: where it came from.
    unanswered: Option<MacAddr>,
}

impl Record {
    /// Reads one; `None` for other lengths than the program writes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (bytes, rest) = bytes.split_first_chunk::<LEN>()?;
        let unanswered = match *rest {
            [] => None,
            [m0, m1, m2, m3, m4, m5, _, _] => Some(MacAddr([m0, m1, m2, m3, m4, m5])),
            _ => return None,
        };
        let [s0, s1, s2, s3, d0, d1, d2, d3, p0, p1, q0, q1, a0, a1, a2, a3, w0, w1, flags, ttl, time @ ..] = *bytes;
        let segment = TcpSegment {
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
            source_port: u16::from_be_bytes([p0, p1]),
            destination_port: u16::from_be_bytes([q0, q1]),
            sequence: 0,
            acknowledgement: u32::from_be_bytes([a0, a1, a2, a3]),
            flags: TcpFlags(flags),
            window: u16::from_be_bytes([w0, w1]),
            ttl,
            mss: None,
        };
        Some(Self { segment, time: u32::from_ne_bytes(time), unanswered })
    }

    /// Writes the packet: bare, or in the frame it came in, where it is still to be answered; its length, and what is due. The sequence
    /// number, which the record has no room for, is zero.
    pub(super) fn write(&self, slot: &mut [u8]) -> (usize, Medium, Reset) {
        match self.unanswered {
            None => (write_tcp(slot, Hop::Ip, &self.segment), Medium::Ip, Reset::Sent),
            Some(source) => {
                let hop = Hop::Ethernet { source, destination: MacAddr::default() };
                (write_tcp(slot, hop, &self.segment), Medium::Ethernet, Reset::Only)
            }
        }
    }

    /// When it arrived, in nanoseconds on the clock that shows `now`, at most 73 minutes later.
    pub(super) fn arrived(&self, now: u64) -> u64 {
        let age = ((now >> UNIT) as u32).wrapping_sub(self.time);
        // The program's clock may be ahead of one just read by a unit.
        let age = if age > u32::MAX - AHEAD { 0 } else { age };
        now.saturating_sub(u64::from(age) << UNIT)
    }
}

const LEN: usize = 24;
const UNIT: u32 = 10;
const AHEAD: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Checksums, Reply};

    const BYTES: [u8; LEN] = [10, 0, 0, 2, 10, 0, 0, 1, 0, 80, 0xf0, 1, 1, 2, 3, 4, 0xfa, 0xf0, 0x12, 63, 5, 0, 0, 0];

    #[test]
    fn a_record_is_read_as_the_packet_it_stands_for() {
        let record = Record::read(&BYTES).unwrap();
        let mut slot = [0; 128];
        let (len, ..) = record.write(&mut slot);
        let Ok(Reply::Tcp(reply)) = Reply::parse(&slot[..len], Medium::Ip, Checksums::Verify) else { panic!("{:?}", &slot[..len]) };
        assert_eq!((reply.source, reply.destination), (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!((reply.source_port, reply.destination_port, reply.acknowledgement), (80, 0xf001, 0x0102_0304));
        assert_eq!((reply.window, reply.ttl, reply.flags), (0xfaf0, 63, TcpFlags(0x12)));
        assert_eq!(Record::read(&BYTES[1..]), None);
    }

    #[test]
    fn one_that_is_unanswered_tells_where_the_reset_goes() {
        let bytes = [&BYTES[..], &[2, 0, 0, 0, 0, 9, 0, 0]].concat();
        let record = Record::read(&bytes).unwrap();
        let mut slot = [0; 128];
        let (len, medium, reset) = record.write(&mut slot);
        assert_eq!((medium, reset), (Medium::Ethernet, Reset::Only));
        let Ok(Reply::Tcp(reply)) = Reply::parse(&slot[..len], medium, Checksums::Verify) else { panic!("{:?}", &slot[..len]) };
        assert_eq!((reply.source_mac, reply.acknowledgement), (Some(MacAddr([2, 0, 0, 0, 0, 9])), 0x0102_0304));
        assert_eq!(Record::read(&bytes[..31]), None);
    }

    #[test]
    fn the_short_time_is_made_whole() {
        let record = |time: u32| Record { time, ..Record::read(&BYTES).unwrap() };
        let now = (7 << 42) | (100 << UNIT) | 3;
        assert_eq!(record(100).arrived(now), now);
        assert_eq!(record(99).arrived(now), now - 1024);
        assert_eq!(record(101).arrived(now), now, "not in the future");
        assert_eq!(record(u32::MAX).arrived(now), now - (101 << UNIT), "wrapped in between");
    }
}
