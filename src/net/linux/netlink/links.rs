//! Links and the addresses on them.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnetwork::IpNetwork;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State};

use super::Netlink;
use crate::packet::MacAddr;

/// A link as the kernel describes it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// The `ARPHRD_` number of its link layer.
    pub(crate) layer: u16,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) mtu: u32,
    pub(crate) flags: LinkFlags,
    pub(crate) dormant: bool,
    /// Queues in which frames wait for it, each with a lock of its own; `None` where none wait.
    pub(crate) queues: Option<u32>,
}

/// An address on a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) link: u32,
    pub(crate) network: IpNetwork,
}

impl Netlink {
    pub(crate) fn links(&mut self) -> io::Result<Vec<Link>> {
        let links = self.dump(&Message::GetLink(LinkMessage::default()), |message| match message {
            Message::NewLink(link) => Link::read(&link),
            _ => None,
        });
        links.map(|(links, _)| links)
    }

    pub(crate) fn addresses(&mut self) -> io::Result<Vec<Address>> {
        let addresses = self.dump(&Message::GetAddress(AddressMessage::default()), |message| match message {
            Message::NewAddress(address) => Address::read(&address),
            _ => None,
        });
        addresses.map(|(addresses, _)| addresses)
    }

    /// Makes a pair of virtual Ethernet links, the second in the namespace given, each with so many queues each way.
    pub(crate) fn add_veth(&mut self, name: &str, peer: &str, peer_namespace: Option<BorrowedFd<'_>>, queues: u32) -> io::Result<()> {
        let [mut near, mut far] = [name, peer].map(|name| {
            let mut link = named(name);
            link.attributes.extend([LinkAttribute::NumTxQueues(queues), LinkAttribute::NumRxQueues(queues)]);
            link
        });
        far.attributes.extend(peer_namespace.map(|fd| LinkAttribute::NetNsFd(fd.as_raw_fd())));
        near.attributes
            .push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far)))]));
        self.create(Message::NewLink(near))
    }

    pub(crate) fn set_up(&mut self, name: &str, up: bool) -> io::Result<()> {
        let mut link = named(name);
        link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        link.header.change_mask = LinkFlags::Up;
        self.change(Message::SetLink(link))
    }

    /// Changes attributes of a link.
    pub(crate) fn set_link(&mut self, name: &str, attribute: LinkAttribute) -> io::Result<()> {
        let mut link = named(name);
        link.attributes.push(attribute);
        self.change(Message::SetLink(link))
    }

    /// Whether the kernel lets this process change the network: asked about a link that cannot exist, it checks that first.
    pub(crate) fn may_administer(&mut self) -> bool {
        let mut none = LinkMessage::default();
        none.header.index = i32::MAX as u32;
        self.change(Message::SetLink(none)).is_err_and(|error| error.kind() != io::ErrorKind::PermissionDenied)
    }

    pub(crate) fn delete_link(&mut self, name: &str) -> io::Result<()> {
        self.change(Message::DelLink(named(name)))
    }

    pub(crate) fn add_address(&mut self, address: Address) -> io::Result<()> {
        let mut message = AddressMessage::default();
        let ip = address.network.ip();
        message.header.family = family(ip);
        message.header.prefix_len = address.network.prefix();
        message.header.index = address.link;
        message.attributes.extend([AddressAttribute::Local(ip), AddressAttribute::Address(ip)]);
        if let IpNetwork::V4(network) = address.network
            && network.prefix() <= 30
        {
            message.attributes.push(AddressAttribute::Broadcast(network.broadcast()));
        }
        if ip.is_ipv6() {
            // Without the wait for duplicate address detection (RFC 4862 section 5.4) the address is good at once.
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        self.create(Message::NewAddress(message))
    }
}

impl Link {
    fn read(message: &LinkMessage) -> Option<Self> {
        let header = &message.header;
        let mut link = Self {
            index: header.index,
            name: String::new(),
            layer: u16::from(header.link_layer_type),
            mac: None,
            mtu: 0,
            flags: header.flags,
            dormant: false,
            queues: None,
        };
        let (mut discipline, mut sending) = ("", 1);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Address(bytes) => link.mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddr),
                LinkAttribute::Qdisc(name) => discipline = name,
                LinkAttribute::NumTxQueues(count) => sending = *count,
                LinkAttribute::OperState(state) => link.dormant = *state == State::Dormant,
                _ => {}
            }
        }
        link.queues = match discipline {
            "noqueue" => None,
            // One for each of the device's; any other is one for all.
            "mq" | "mqprio" => Some(sending),
            _ => Some(1),
        };
        (!link.name.is_empty()).then_some(link)
    }
}

impl Address {
    fn read(message: &AddressMessage) -> Option<Self> {
        let find = |local: bool| {
            message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(ip) if local => Some(*ip),
                AddressAttribute::Address(ip) if !local => Some(*ip),
                _ => None,
            })
        };
        // On a point-to-point link ADDRESS is the peer's and LOCAL is ours; IPv6 has ADDRESS alone otherwise.
        let ip = find(true).or_else(|| find(false))?;
        Some(Self { link: message.header.index, network: IpNetwork::new(ip, message.header.prefix_len).ok()? })
    }
}

/// The family of an address, as the kernel numbers it.
pub(super) fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn named(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.into()));
    link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_many_queues_is_one_of_many_disciplines() {
        let queues = |discipline: Option<&str>| {
            let mut message = named("eth0");
            message.attributes.extend(discipline.map(|name| LinkAttribute::Qdisc(name.into())));
            message.attributes.push(LinkAttribute::NumTxQueues(8));
            Link::read(&message).unwrap().queues
        };
        assert_eq!([Some("noqueue"), Some("mq"), Some("fq_codel"), None].map(queues), [None, Some(8), Some(1), Some(1)]);
    }
}
