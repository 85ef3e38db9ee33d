//! The records of all shards of a scan, read as the record of one.
//!
//! Shards are read one after the other. Each has its own run of the addresses, so what is told of hosts is in order, and no more of it is
//! kept than of one record. Only where there were fewer addresses than shards is a host in all of them: then those few wait to be put together.

mod account;
mod head;
mod hosts;

use std::io::BufRead;

use super::{Strictness, Told, read};
use crate::error::{Error, Result};
use crate::scan::Summary;
use crate::target::Cut;
use account::Account;
use head::Heads;
use hosts::Hosts;

/// What became of the records of shards.
#[derive(Debug)]
pub struct Merged {
    /// What the whole is known to lack, as [`Summary::incomplete`] says it: shards that are missing or were not finished, a line each.
    pub lacking: Vec<String>,
    /// Lines left out because they could not be read.
    pub skipped: u64,
    /// Why the first of them was.
    pub first_skipped: Option<Error>,
}

/// Opens a record of this name, from its beginning: each is opened more than once.
pub type OpenRecord<'a> = &'a dyn Fn(&str) -> Result<Box<dyn BufRead>>;

/// Records of shards of one scan, each of another shard.
pub struct Shards<'a> {
    heads: Heads,
    open: OpenRecord<'a>,
}

impl<'a> Shards<'a> {
    /// Journals or JSON records, of which only the beginnings are read yet.
    ///
    /// # Errors
    /// A record cannot be read, is of no shard, of a shard that another is of too, or of another scan; it is named.
    pub fn of(names: &[String], open: OpenRecord<'a>) -> Result<Self> {
        Ok(Self { heads: Heads::read(names, open)?, open })
    }

    /// Reads them and tells what they hold together: [`Told::Begin`] first, [`Told::End`] last. Changes of rate are each shard's own, and
    /// not told.
    ///
    /// Counters are sums. What was missed is the sum of what shards estimate, and unknown where one of them kept no account. The time is
    /// from the first shard's beginning to the last one's end.
    ///
    /// # Errors
    /// A record cannot be read or, if [`Strictness::Strict`], has a line that is none; it is named.
    pub fn merge(&self, strictness: Strictness, tell: &mut dyn FnMut(Told)) -> Result<Merged> {
        let heads = &self.heads;
        let mut account = Account::new(heads);
        let mut hosts = (heads.cut() == Cut::Ports).then(Hosts::default);
        let mut merged = Merged { lacking: Vec::new(), skipped: 0, first_skipped: None };
        tell(Told::Begin(Box::new(heads.whole())));
        for head in heads.in_order() {
            let later = heads.later(head);
            let mut end = Summary::default();
            let mut input = (self.open)(&head.name)?;
            let reading = read(&mut input, &head.name, strictness, &mut |told| match told {
                Told::Begin(_) | Told::Rate(_) => {}
                Told::Finding(mut finding) => {
                    finding.time = finding.time + later;
                    tell(Told::Finding(finding));
                }
                Told::Host(mut host) => {
                    host.ports.iter_mut().for_each(|finding| finding.time = finding.time + later);
                    match &mut hosts {
                        Some(hosts) => hosts.add(*host),
                        None => tell(Told::Host(host)),
                    }
                }
                Told::End(summary) => end = *summary,
            })?;
            if let Some(hosts) = &mut hosts {
                hosts.passed(&head.scan, &end);
            }
            account.add(head, end, reading.ending);
            merged.skipped += reading.skipped;
            merged.first_skipped = merged.first_skipped.or(reading.first_skipped);
        }
        if let Some(hosts) = hosts {
            account.count(&hosts);
            hosts.into_records().for_each(|host| tell(Told::Host(Box::new(host))));
        }
        merged.lacking = account.lacking();
        tell(Told::End(Box::new(account.summary())));
        Ok(merged)
    }
}

#[cfg(test)]
mod tests;
