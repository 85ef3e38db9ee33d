//! ARP (RFC 826): asking for an IPv4 neighbour's hardware address, and answering.

use std::net::Ipv4Addr;

use super::header::{ETHERNET, TYPE_ARP, ethernet};
use super::{ArpReply, MacAddr};

/// Length of every ARP frame written here, in bytes: Ethernet's minimum without the frame check sequence.
pub const ARP_FRAME_LEN: usize = 60;

/// Writes a broadcast ARP request for `wanted` into `slot` and returns its length (60, padded to Ethernet's minimum).
/// `slot` must hold [`super::FRAME_CAPACITY`] bytes; into a slot too short nothing is written and 0 returned.
pub fn write_request(slot: &mut [u8], source_mac: MacAddr, source: Ipv4Addr, wanted: Ipv4Addr) -> usize {
    let body = ArpReply { addr: source, mac: source_mac, target: wanted, target_mac: MacAddr::default() };
    write(slot, MacAddr::BROADCAST, REQUEST, &body)
}

/// Writes the ARP reply that `addr` is at `mac`, addressed to `target_mac`, and returns its length (60, padded).
/// Into a slot too short nothing is written and 0 returned.
pub fn write_arp_reply(slot: &mut [u8], reply: &ArpReply) -> usize {
    write(slot, reply.target_mac, REPLY, reply)
}

fn write(slot: &mut [u8], destination: MacAddr, operation: u16, body: &ArpReply) -> usize {
    let Some(frame) = slot.first_chunk_mut::<ARP_FRAME_LEN>() else {
        debug_assert!(false, "slot too short for an ARP frame");
        return 0;
    };
    frame.fill(0);
    frame[..ETHERNET].copy_from_slice(&ethernet(body.mac.0, destination.0, TYPE_ARP));
    frame[14..20].copy_from_slice(&IPV4_OVER_ETHERNET);
    frame[20..22].copy_from_slice(&operation.to_be_bytes());
    frame[22..28].copy_from_slice(&body.mac.0);
    frame[28..32].copy_from_slice(&body.addr.octets());
    frame[32..38].copy_from_slice(&body.target_mac.0);
    frame[38..42].copy_from_slice(&body.target.octets());
    ARP_FRAME_LEN
}

/// Hardware type, protocol type and the lengths of their addresses.
pub(super) const IPV4_OVER_ETHERNET: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];
pub(super) const REQUEST: u16 = 1;
pub(super) const REPLY: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_broadcast_and_padded_with_zeros() {
        let mut slot = [0xaa; 128];
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        assert_eq!(write_request(&mut slot, mac, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 9)), 60);
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0,
            0, 0, 10, 0, 0, 9,
        ];
        assert_eq!(slot[..42], expected);
        assert_eq!(slot[42..60], [0; 18]);
        assert_eq!(slot[60], 0xaa);
    }
}
