//! The beginnings of records: whether they are of shards of one scan, which are missing, and what the whole was asked.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::OpenRecord;
use crate::error::{Error, Result};
use crate::report::json::read::lines::beginning;
use crate::scan::{EgressRecord, Mode, Part, ScanRecord};
use crate::target::{AddressSet, Cut, PortSet, Shard};

/// The beginning of one record.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) scan: ScanRecord,
    pub(super) part: Part,
}

/// Those of all records, of one scan, each of another shard.
#[derive(Debug)]
pub(super) struct Heads {
    by_shard: BTreeMap<Shard, Head>,
    /// Of the scan that all are parts of; the shard is any.
    part: Part,
    /// Those that the records are of.
    ports: PortSet,
}

impl Heads {
    pub(super) fn read(names: &[String], open: OpenRecord<'_>) -> Result<Self> {
        let mut by_shard: BTreeMap<Shard, Head> = BTreeMap::new();
        let mut first: Option<(&str, Part, String)> = None;
        let mut ports: Vec<PortSet> = Vec::new();
        for name in names {
            let mut scan = beginning(&mut *open(name)?, name)?;
            let Some(part) = scan.part.clone() else {
                let error = Error::asked("merge", name, "its scan was not divided into shards");
                return Err(error.hint("synprobe convert writes it in other formats"));
            };
            let command = scan.arguments.join(" ");
            match &first {
                Some((other, of, began)) => belongs(name, &part, &command, other, of, began)?,
                None => first = Some((name, part.clone(), command)),
            }
            match part.cut() {
                // The same of every shard: there may be thousands.
                Cut::Addresses if !ports.is_empty() => {}
                _ => ports.push(scan.ports.clone()),
            }
            if part.cut() == Cut::Addresses {
                scan.ports = PortSet::from_iter([]);
            }
            let head = Head { name: name.clone(), scan, part };
            if let Some(twice) = by_shard.insert(head.part.shard, head) {
                let error = Error::asked("merge", name, format_args!("it is of shard {}, as {} is", twice.part.shard, twice.name));
                return Err(error.hint("name one of the two"));
            }
        }
        match first {
            Some((_, part, _)) => Ok(Self { by_shard, part, ports: ports.iter().flat_map(PortSet::iter).collect() }),
            None => Err(Error::asked("merge", "", "no shard was named")),
        }
    }

    pub(super) fn cut(&self) -> Cut {
        self.part.cut()
    }

    pub(super) fn in_order(&self) -> impl Iterator<Item = &Head> {
        self.by_shard.values()
    }

    /// When the first began.
    pub(super) fn started(&self) -> SystemTime {
        self.in_order().map(|head| head.scan.started).min().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// How much later than the first this one began.
    pub(super) fn later(&self, head: &Head) -> Duration {
        head.scan.started.duration_since(self.started()).unwrap_or_default()
    }

    /// The whole scan, as if it had been one: what the missing shards were to ask is part of it.
    pub(super) fn whole(&self) -> ScanRecord {
        let all = || self.in_order().map(|head| &head.scan);
        let sum = |of: fn(&ScanRecord) -> u64| all().map(of).fold(0, u64::saturating_add);
        let (missing_addresses, missing_targets) = self.missing_counts();
        let addresses = match self.cut() {
            Cut::Addresses => sum(|scan| scan.addresses).saturating_add(missing_addresses),
            Cut::Ports => all().map(|scan| scan.addresses).max().unwrap_or_default(),
        };
        let first = all().next();
        ScanRecord {
            version: first.map(|scan| scan.version.clone()).unwrap_or_default(),
            arguments: first.map(|scan| undivided(&scan.arguments)).unwrap_or_default(),
            seed: first.map(|scan| scan.seed).unwrap_or_default(),
            started: self.started(),
            addresses,
            asked: self.asked(),
            ports: self.ports.clone(),
            targets: sum(|scan| scan.targets).saturating_add(missing_targets),
            // A shard that had nothing to ask asked in no mode.
            mode: all()
                .filter(|scan| scan.addresses > 0)
                .map(|scan| scan.mode)
                .reduce(both)
                .or(first.map(|scan| scan.mode))
                .unwrap_or(Mode::Mixed),
            egresses: self.egresses(),
            note: all().find_map(|scan| scan.note.clone()),
            part: None,
        }
    }

    /// The addresses of the whole scan, unless a shard that asked some of them is missing.
    fn asked(&self) -> Option<AddressSet> {
        let all = self.in_order().map(|head| head.scan.asked.as_ref());
        let asked = all.collect::<Option<Vec<_>>>()?.into_iter().flat_map(AddressSet::ranges).collect();
        (self.missing_counts().0 == 0).then_some(asked)
    }

    fn egresses(&self) -> Vec<EgressRecord> {
        let mut all: Vec<EgressRecord> = Vec::new();
        for egress in self.in_order().flat_map(|head| &head.scan.egresses) {
            let is_same = |other: &&mut EgressRecord| EgressRecord { addresses: egress.addresses, ..(**other).clone() } == *egress;
            match (all.iter_mut().find(is_same), self.cut()) {
                (Some(same), Cut::Addresses) => same.addresses = same.addresses.saturating_add(egress.addresses),
                (Some(same), Cut::Ports) => same.addresses = same.addresses.max(egress.addresses),
                (None, _) => all.push(egress.clone()),
            }
        }
        all
    }

    /// Addresses and targets of shards whose records are missing. A host that is in every shard is not missing.
    pub(super) fn missing_counts(&self) -> (u64, u64) {
        let (addresses, ports) = (u128::from(self.part.addresses), self.part.ports);
        let sizes = || self.by_shard.keys().map(|shard| shard.size_of(addresses, ports));
        let count = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        match self.cut() {
            Cut::Addresses => {
                let missing = addresses - sizes().map(|(addresses, _)| addresses).sum::<u128>();
                (count(missing), count(missing.saturating_mul(ports.into())))
            }
            Cut::Ports => {
                let missing = ports - sizes().map(|(_, ports)| ports).sum::<u32>();
                (0, count(addresses * u128::from(missing)))
            }
        }
    }

    /// Numbers of shards that had something to ask and have no record, as runs.
    fn missing(&self) -> Vec<(u64, u64)> {
        let parts = match self.cut() {
            Cut::Addresses => self.part.addresses,
            Cut::Ports => self.part.ports.into(),
        };
        let last = u64::from(self.part.shard.count()).min(parts);
        let mut runs = Vec::new();
        let mut next = 1;
        for number in self.by_shard.keys().map(|shard| shard.number().into()).chain([last + 1]).filter(|number| *number <= last + 1) {
            if number > next {
                runs.push((next, number - 1));
            }
            next = number + 1;
        }
        runs
    }

    /// `3/8, 5/8 to 7/8`: the missing shards, if there are any.
    pub(super) fn missing_named(&self) -> Option<String> {
        let count = self.part.shard.count();
        let named = |(first, last): (u64, u64)| {
            if first == last { format!("{first}/{count}") } else { format!("{first}/{count} to {last}/{count}") }
        };
        let runs: Vec<String> = self.missing().into_iter().map(named).collect();
        (!runs.is_empty()).then(|| runs.join(", "))
    }
}

fn both(one: Mode, other: Mode) -> Mode {
    if one == other { one } else { Mode::Mixed }
}

/// The command without what divided it.
fn undivided(arguments: &[String]) -> Vec<String> {
    let mut words = arguments.iter();
    let mut left = Vec::new();
    while let Some(word) = words.next() {
        match word.strip_prefix("--shard") {
            Some("") => _ = words.next(),
            Some(value) if value.starts_with('=') => {}
            _ => left.push(word.clone()),
        }
    }
    left
}

/// Whether a record called `name` is of the scan that another is of.
fn belongs(name: &str, part: &Part, command: &str, other: &str, of: &Part, its_command: &str) -> Result<()> {
    let refused = |what: &str| Error::asked("merge", name, format_args!("it is of another scan than {other}: {what}"));
    let (whole, its) = (&part.whole, &of.whole);
    let names = "the commands differ, a file of targets, or a name resolves to something else on one of the machines";
    if whole.targets != its.targets || part.addresses != of.addresses {
        return Err(refused("its targets are others").hint(names));
    }
    if whole.ports != its.ports || part.ports != of.ports {
        return Err(refused("its ports are others").hint(format_args!("'{command}' and '{its_command}'")));
    }
    if whole.options != its.options {
        return Err(refused("its options decide otherwise what is asked or recorded").hint(format_args!("'{command}' and '{its_command}'")));
    }
    let (count, its_count) = (part.shard.count(), of.shard.count());
    if count == its_count { Ok(()) } else { Err(refused(&format!("that was divided into {its_count} shards, and this into {count}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_the_whole_is_not_divided() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for line in [
            "synprobe 10.0.0.0/24 --shard 2/8 -p 80",
            "synprobe --shard=auto 10.0.0.0/24 -p 80",
            "synprobe 10.0.0.0/24 -p 80 --shard auto/8",
        ] {
            assert_eq!(undivided(&words(line)).join(" "), "synprobe 10.0.0.0/24 -p 80", "{line}");
        }
    }
}
