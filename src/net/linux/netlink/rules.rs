//! The rules that choose the routing table (`ip rule`).

use std::io;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use super::links::family;
use super::{Netlink, not_understood};

/// A rule, as far as it matters where a route's answer may change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The destinations it holds for, if it is about destinations.
    pub(crate) to: Option<IpNetwork>,
    /// Whether it looks at the source address.
    pub(crate) by_source: bool,
}

impl Netlink {
    /// The rules of the family of `like`.
    pub(crate) fn rules(&mut self, like: IpAddr) -> io::Result<Vec<Rule>> {
        let mut request = RuleMessage::default();
        request.header.family = family(like);
        let (rules, lost) = self.dump(&Message::GetRule(request), |message| match message {
            Message::NewRule(rule) => Some(Rule::read(&rule)),
            _ => None,
        })?;
        if lost > 0 { Err(not_understood(format_args!("{lost} rules"))) } else { Ok(rules) }
    }

    /// Adds a rule: packets to (or from) a network look into `table`.
    pub(crate) fn add_rule(&mut self, to: Option<IpNetwork>, from: Option<IpNetwork>, table: u32) -> io::Result<()> {
        let mut message = RuleMessage::default();
        let any = to.or(from).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
        message.header.family = family(any.ip());
        message.header.action = RuleAction::ToTable;
        message.attributes.push(RuleAttribute::Table(table));
        if let Some(to) = to {
            message.header.dst_len = to.prefix();
            message.attributes.push(RuleAttribute::Destination(to.network()));
        }
        if let Some(from) = from {
            message.header.src_len = from.prefix();
            message.attributes.push(RuleAttribute::Source(from.network()));
        }
        self.create(Message::NewRule(message))
    }
}

impl Rule {
    fn read(message: &RuleMessage) -> Self {
        let to = message.attributes.iter().find_map(|attribute| match attribute {
            RuleAttribute::Destination(ip) => IpNetwork::new(*ip, message.header.dst_len).ok(),
            _ => None,
        });
        Self { to, by_source: message.header.src_len > 0 }
    }
}
