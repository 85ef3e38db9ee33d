use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::report::{Json, Report, sample};
use crate::scan::rate::Limit;
use crate::scan::{Completeness, Finding, HostRecord, HostState, Identity, Outcome, Pace, Part, Reason, ScanRecord, State};
use crate::target::{AddressSet, PortSet, Shard, Target};
use crate::time::Time;

/// What each target of a network answers; those that are not in it are silent.
type Answers = BTreeMap<Target, State>;

const ADDRESSES: &str = "10.0.0.0-10.0.0.19";
const PORTS: &str = "1-6";

/// A made up scan of these addresses and ports, as it is recorded.
#[derive(Clone)]
struct Scan {
    addresses: AddressSet,
    ports: PortSet,
    begun: ScanRecord,
    end: Summary,
}

impl Scan {
    fn whole() -> Self {
        let begun = ScanRecord { note: None, arguments: vec!["synprobe".to_owned(), "there".to_owned()], ..sample::scan() };
        let end = Summary { elapsed: Duration::from_secs(2), path_proven: true, ..Summary::default() };
        Self { addresses: ADDRESSES.parse().unwrap(), ports: PORTS.parse().unwrap(), begun, end }
    }

    /// Its part, which begins a second later than the one before.
    fn part(&self, number: u32, count: u32) -> Self {
        let shard = Shard::new(number, count).unwrap();
        let (addresses, ports) = shard.of(&self.addresses, &self.ports);
        let addresses = if ports.is_empty() { AddressSet::new() } else { addresses };
        let whole = Identity { targets: "t".to_owned(), ports: "p".to_owned(), options: "o".to_owned() };
        let part = Part { shard, addresses: self.addresses.len() as u64, ports: self.ports.len(), whole };
        let arguments = ["synprobe", "there", "--shard", &shard.to_string()].map(str::to_owned).to_vec();
        let started = self.begun.started + Duration::from_secs(u64::from(number - 1));
        let egresses =
            self.begun.egresses.iter().map(|egress| crate::scan::EgressRecord { addresses: addresses.len() as u64, ..egress.clone() });
        let begun = ScanRecord { part: Some(part), arguments, started, egresses: egresses.collect(), ..self.begun.clone() };
        Self { addresses, ports, begun, ..self.clone() }
    }

    fn hosts(&self, answers: &Answers) -> Vec<HostRecord> {
        let host = |addr: IpAddr| {
            let state = |port| answers.get(&Target { addr, port }).copied();
            let finding = |port, state| {
                let reason = if state == State::Open { Reason::SynAck } else { Reason::Reset };
                let outcome = Outcome { state, reason, reason_addr: None };
                let time = Time::from_nanos(u64::from(port) * 1_000_000);
                Finding { target: Target { addr, port }, outcome, ttl: Some(64), window: None, rtt: None, attempt: 1, time }
            };
            let ports: Vec<Finding> = self.ports.iter().filter_map(|port| Some(finding(port, state(port)?))).collect();
            let closed = ports.iter().filter(|finding| finding.outcome.state == State::Closed).count() as u64;
            (!ports.is_empty()).then(|| HostRecord {
                addr,
                state: HostState::Up,
                reason: Reason::SynAck,
                mac: None,
                names: Vec::new(),
                rtt: None,
                unanswered: u64::from(self.ports.len()) - ports.len() as u64,
                ports,
                closed: if closed > 0 { BTreeMap::from([(Reason::Reset, closed)]) } else { BTreeMap::new() },
                filtered: BTreeMap::new(),
                not_probed: 0,
                suspect: None,
            })
        };
        self.addresses.iter().filter_map(host).collect()
    }

    fn summary(&self, answers: &Answers) -> Summary {
        let hosts = self.hosts(answers);
        let count = |state| hosts.iter().flat_map(|host| &host.ports).filter(|finding| finding.outcome.state == state).count() as u64;
        let (addresses, ports) = (self.addresses.len() as u64, u64::from(self.ports.len()));
        let answered = count(State::Open) + count(State::Closed);
        Summary {
            addresses,
            targets: addresses * ports,
            hosts_up: hosts.len() as u64,
            probes: 2 * addresses * ports,
            answered,
            open: count(State::Open),
            closed: count(State::Closed),
            unanswered: addresses * ports - answered,
            ..self.end.clone()
        }
    }

    /// Its record: JSON lines.
    fn record(&self, answers: &Answers) -> String {
        let (addresses, ports) = (self.addresses.len() as u64, self.ports.clone());
        let begun = ScanRecord { addresses, targets: addresses * u64::from(ports.len()), ports, ..self.begun.clone() };
        sample::replayed(
            |out| Box::new(Json::new(out)),
            |report: &mut dyn Report| {
                report.begin(&begun).unwrap();
                for host in self.hosts(answers) {
                    host.ports.iter().for_each(|finding| report.finding(finding).unwrap());
                    report.host(&host).unwrap();
                }
                report.end(&self.summary(answers)).unwrap();
            },
        )
    }
}

fn parts(count: u32) -> Vec<Scan> {
    (1..=count).map(|number| Scan::whole().part(number, count)).collect()
}

/// Merges records, which are called `0`, `1` and so on.
fn merged(records: &[String]) -> Result<(Vec<Told>, Merged)> {
    let names: Vec<String> = (0..records.len()).map(|number| number.to_string()).collect();
    let mut all = Vec::new();
    let open = |name: &str| Ok(Box::new(Cursor::new(records[name.parse::<usize>().unwrap()].clone())) as Box<dyn BufRead>);
    let merged = Shards::of(&names, &open)?.merge(Strictness::Strict, &mut |told| all.push(told))?;
    Ok((all, merged))
}

fn end(told: &[Told]) -> &Summary {
    let Some(Told::End(summary)) = told.last() else { panic!("{told:?}") };
    summary
}

/// Without times: they are each shard's own.
fn hosts(told: &[Told]) -> Vec<HostRecord> {
    let timeless = |host: &HostRecord| {
        let ports = host.ports.iter().map(|finding| Finding { time: Time::ZERO, ..*finding }).collect();
        HostRecord { ports, ..host.clone() }
    };
    told.iter().filter_map(|told| if let Told::Host(host) = told { Some(timeless(host)) } else { None }).collect()
}

fn refused(records: &[String]) -> String {
    merged(records).unwrap_err().to_string()
}

fn answers() -> impl Strategy<Value = Answers> {
    let target = (0..20u32, 1..7u16).prop_map(|(host, port)| Target { addr: IpAddr::from([10, 0, 0, host as u8]), port });
    prop::collection::btree_map(target, prop_oneof![Just(State::Open), Just(State::Closed)], 0..40)
}

proptest! {
    #[test]
    fn shards_merged_in_any_order_are_the_whole(answers in answers(), count in 1..40u32, turn in 0..40usize) {
        let whole = Scan::whole();
        let mut records: Vec<String> = parts(count).iter().map(|part| part.record(&answers)).collect();
        records.rotate_left(turn % count as usize);
        let (told, merged) = merged(&records).unwrap();
        prop_assert_eq!(&merged.lacking, &[""; 0]);
        let (told_whole, _) = self::merged(&[whole.part(1, 1).record(&answers)]).unwrap();
        prop_assert_eq!(hosts(&told), hosts(&told_whole));
        let (sum, one) = (end(&told), whole.summary(&answers));
        let elapsed = Duration::from_secs(u64::from(count) + 1);
        prop_assert_eq!(sum, &Summary { elapsed, ..one });
        let Told::Begin(begun) = &told[0] else { panic!("{told:?}") };
        prop_assert_eq!((begun.addresses, begun.targets, &begun.ports), (20, 120, &whole.ports));
        prop_assert_eq!((&begun.arguments, begun.started, &begun.part), (&whole.begun.arguments, whole.begun.started, &None));
        let findings = |told: &[Told]| told.iter().filter(|told| matches!(told, Told::Finding(_))).count();
        prop_assert_eq!(findings(&told), answers.len());
    }
}

fn some() -> Answers {
    [(1, 1), (7, 2), (19, 6)].into_iter().map(|(host, port)| (Target { addr: IpAddr::from([10, 0, 0, host]), port }, State::Open)).collect()
}

#[test]
fn times_are_of_the_whole() {
    let records: Vec<String> = parts(2).iter().map(|part| part.record(&some())).collect();
    let (told, _) = merged(&records).unwrap();
    let times: Vec<Duration> = told
        .iter()
        .filter_map(|told| if let Told::Finding(finding) = told { Some(finding.time.since(Time::ZERO)) } else { None })
        .collect();
    assert_eq!(times, [1, 2, 1006].map(Duration::from_millis));
}

#[test]
fn what_is_missing_is_named_and_counts_as_not_probed() {
    let records: Vec<String> = parts(8).iter().map(|part| part.record(&some())).collect();
    let (told, merged) = merged(&[&records[..2], &records[3..4]].concat()).unwrap();
    assert_eq!(merged.lacking, ["missing: the records of shards 3/8, 5/8 to 8/8; their 66 targets count as not probed"]);
    let summary = end(&told);
    assert_eq!((summary.addresses, summary.targets, summary.not_probed, summary.hosts_not_probed), (20, 120, 66, 11));
    assert_eq!(summary.open + summary.unanswered, 54);
    assert!(!summary.is_complete() && !summary.interrupted);
    // Of 40 shards each has all addresses, and the last 34 no port: they have nothing to miss.
    let records: Vec<String> = parts(40).iter().map(|part| part.record(&some())).collect();
    assert!(self::merged(&records[..6]).unwrap().1.lacking.is_empty());
    let (told, merged) = self::merged(&records[1..9]).unwrap();
    assert_eq!(merged.lacking, ["missing: the records of shards 1/40; their 20 targets count as not probed"]);
    assert_eq!((end(&told).addresses, end(&told).targets, end(&told).not_probed), (20, 120, 20));
}

#[test]
fn what_was_not_finished_is_named() {
    let mut parts = parts(3);
    parts[1].end = Summary { interrupted: true, ..parts[1].end.clone() };
    let mut records: Vec<String> = parts.iter().map(|part| part.record(&some())).collect();
    let last = records[2].lines().count() - 1;
    records[2] = records[2].lines().take(last).fold(String::new(), |text, line| text + line + "\n");
    let (told, merged) = merged(&records).unwrap();
    assert_eq!(merged.lacking.len(), 2, "{merged:?}");
    assert!(merged.lacking[0].starts_with("shard 2/3 was interrupted: synprobe resume 1 "), "{merged:?}");
    assert!(merged.lacking[1].starts_with("shard 3/3 was killed or still runs; "), "{merged:?}");
    let summary = end(&told);
    assert!(summary.interrupted && summary.incomplete == merged.lacking);
    // Its host has a record; of the others nothing is known.
    assert_eq!((summary.targets, summary.open, summary.not_probed), (120, 3, 30));
}

#[test]
fn what_does_not_belong_is_refused_and_named() {
    let records: Vec<String> = parts(3).iter().map(|part| part.record(&some())).collect();
    let with = |change: &dyn Fn(&mut ScanRecord)| {
        let mut part = Scan::whole().part(2, 3);
        change(&mut part.begun);
        refused(&[records[0].clone(), part.record(&some())])
    };
    let identity = |change: fn(&mut Identity)| with(&|begun| change(&mut begun.part.as_mut().unwrap().whole));
    let others = [
        (identity(|whole| whole.targets.push('x')), "merge 1: it is of another scan than 0: its targets are others ("),
        (identity(|whole| whole.ports.push('x')), "merge 1: it is of another scan than 0: its ports are others ("),
        (
            identity(|whole| whole.options.push('x')),
            "its options decide otherwise what is asked or recorded ('synprobe there --shard 2/3' and ",
        ),
        (with(&|begun| begun.part = None), "merge 1: its scan was not divided into shards (synprobe convert"),
        (
            refused(&[records[1].clone(), records[2].clone(), records[1].clone()]),
            "merge 2: it is of shard 2/3, as 0 is (name one of the two)",
        ),
        (refused(&[records[0].clone(), Scan::whole().part(2, 4).record(&some())]), "that was divided into 3 shards, and this into 4"),
        (refused(&[records[0].clone(), String::new()]), "read 1: it is empty"),
        (refused(&["<?xml version=\"1.0\"?>\n".to_owned()]), "read 0: it is XML"),
        (refused(&["{\"type\":\"summary\"}\n".to_owned()]), "read 0: its first line is no beginning of a scan"),
        (refused(&[records[0].replacen("\"type\":\"summary\"", "\"type\":\"what\"", 1)]), "read 0 line"),
        (refused(&[]), "no shard was named"),
    ];
    for (error, expected) in others {
        assert!(error.contains(expected), "{error}: {expected}");
    }
}

#[test]
fn what_was_missed_is_known_where_every_shard_knows_it() {
    let pace = |highest, loss| Some(Pace { highest, limit: Limit::Path, loss });
    let found = |found, missed| Some(Completeness { found, missed, upper95: 2, goal: Some(0.999), ..Completeness::default() });
    let of = |ends: [(Option<Completeness>, Option<Pace>); 3]| {
        let parts = parts(3).into_iter().zip(ends).map(|(mut part, (completeness, pace))| {
            part.end = Summary { completeness, pace, ..part.end };
            part.record(&some())
        });
        let (told, _) = merged(&parts.collect::<Vec<_>>()).unwrap();
        (end(&told).completeness, end(&told).pace)
    };
    let (completeness, at) = of([(found(10, 0.5), pace(900, 0.0)), (found(20, 0.25), pace(1000, 0.1)), (None, pace(10, 0.0))]);
    let completeness = completeness.unwrap();
    assert_eq!((completeness.found, completeness.missed, completeness.upper95, completeness.goal), (30, 0.75, 4, Some(0.999)));
    // Parts of 7, 7 and 6 hosts, and as many probes.
    assert!(at.is_some_and(|at| at.highest == 1000 && (at.loss - 0.1 * 7.0 / 20.0).abs() < 1e-9), "{at:?}");
    assert_eq!(of([(found(10, 0.5), pace(900, 0.0)), (None, None), (found(20, 0.25), pace(1000, 0.1))]), (None, None));
    assert_eq!(of([(None, pace(9, 0.0)), (None, pace(9, 0.0)), (None, pace(9, 0.0))]).0, None);
}

#[test]
fn silence_proves_nothing_against_a_way_that_others_were_answered_over() {
    let of = |source: u8| {
        let mut parts = parts(3);
        let said = format!("nothing answered at all, {}: next: ask somebody", Summary::UNPROVEN);
        parts[1].end = Summary { path_proven: false, incomplete: vec![said], ..parts[1].end.clone() };
        parts[1].begun.egresses[0].source = Some(IpAddr::from([10, 0, 0, source]));
        let (told, _) = merged(&parts.iter().map(|part| part.record(&some())).collect::<Vec<_>>()).unwrap();
        end(&told).clone()
    };
    assert!(of(9).is_complete() && of(9).path_proven);
    assert!(!of(8).path_proven);
    assert_eq!(of(8).incomplete, ["shard 2/3: nothing answered at all, so the path is unproven: next: ask somebody"]);
}

#[test]
fn what_shards_say_is_said_of_them() {
    let mut parts = parts(3);
    for (number, part) in parts.iter_mut().enumerate() {
        let own = if number == 1 { vec!["2 probes could not be sent".to_owned()] } else { Vec::new() };
        part.end.incomplete = [own, vec!["1 name did not resolve".to_owned()]].concat();
        part.end.unresolved = 1;
    }
    let (told, merged) = merged(&parts.iter().map(|part| part.record(&some())).collect::<Vec<_>>()).unwrap();
    assert!(merged.lacking.is_empty());
    assert_eq!(end(&told).incomplete, ["in each shard: 1 name did not resolve", "shard 2/3: 2 probes could not be sent"]);
    assert_eq!(end(&told).unresolved, 1);
}
