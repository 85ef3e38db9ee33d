use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::report::{Json, Report, Strictness, sample};
use crate::scan::{
    BlockState, Checkpoint, Finding, HostRecord, Knowledge, LeftStage, Milestone, Outcome, Place, Reason, Spent, Stages, State,
};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const RESET: Outcome = Outcome { state: State::Closed, reason: Reason::Reset, reason_addr: None };

fn order() -> Order {
    Order {
        directory: "/tmp".into(),
        addresses: "10.0.0.0/30".parse().unwrap(),
        named: "10.0.0.1".parse().unwrap(),
        ports: sample::scan().ports,
        canary: Some(Target { addr: [10, 0, 0, 9].into(), port: 53 }),
        unresolved: 1,
        inputs: vec![("targets.txt".into(), Order::digest(b"10.0.0.0/30\n"))],
    }
}

fn spent(probes: u64) -> Spent {
    Spent { elapsed: Duration::from_millis(1500), probes, canaries: 3, ..Spent::default() }
}

fn block(missed: f32) -> BlockState {
    BlockState { missed, asked_in: 1, pass: [32.0, 0.0, 0.0, 0.0, 4.0], ..BlockState::default() }
}

/// A journal of a scan that was killed after this, and what was written at each settling.
fn written() -> (String, Vec<usize>) {
    let shared = Shared::default();
    let mut journal = Journal::begin(Box::new(shared.clone()), &sample::scan(), &order(), None).unwrap();
    let mut ends = vec![shared.0.lock().unwrap().len()];
    let mut settle = |journal: &mut Journal, probes| {
        journal.settle(&spent(probes)).unwrap();
        ends.push(shared.0.lock().unwrap().len());
    };
    journal.stage(&LeftStage::new(0, "10.0.0.0/30".parse().unwrap(), sample::scan().ports)).unwrap();
    journal.finding(&sample::hosts()[0].ports[0]).unwrap();
    journal.answer(0, 1500, RESET);
    journal.answer(0, 7, RESET);
    let place = Place { sender: 0, attempt: 1, step: 32, answers: 3 };
    journal.checkpoint(&Checkpoint { stage: 0, what: Milestone::Place(place) }).unwrap();
    settle(&mut journal, 40);
    let knowledge = |blocks| Milestone::Knowledge(Knowledge { canaries: [1.0; 9], unseen: 0.25, blocks });
    journal.checkpoint(&Checkpoint { stage: 0, what: knowledge(vec![block(0.5), block(1.0)]) }).unwrap();
    journal.checkpoint(&Checkpoint { stage: 0, what: knowledge(vec![block(0.5), block(0.125)]) }).unwrap();
    journal.checkpoint(&Checkpoint { stage: 0, what: Milestone::Pass { pass: 2, blocks: vec![1] } }).unwrap();
    journal.answer(0, 8, RESET);
    settle(&mut journal, 90);
    let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
    (text, ends)
}

fn read(text: &str) -> crate::error::Result<JournalReading> {
    read_journal(&mut text.as_bytes(), "scan.journal")
}

#[test]
fn what_is_read_is_what_was_written() {
    let (text, _) = written();
    let JournalReading { order: read_order, left, summary } = read(&text).unwrap();
    assert_eq!(read_order, order());
    assert_eq!((left.spent, summary), (spent(90), None));
    let [stage] = &left.stages[..] else { panic!("{left:?}") };
    let reset = stage.answered.iter().find(|(outcome, _)| *outcome == RESET).expect("was answered");
    assert_eq!(reset.1.iter().collect::<Vec<_>>(), [7, 8, 1500]);
    let finding = sample::hosts()[0].ports[0];
    assert_eq!(left.told[&finding.target], Finding { window: None, ..finding });
    assert!(stage.answered.iter().any(|(outcome, all)| *outcome == finding.outcome && all.len() == 1));
    assert_eq!(stage.places, [Place { sender: 0, attempt: 1, step: 32, answers: 3 }]);
    assert_eq!(stage.pass, Some((2, vec![1])));
    assert_eq!(stage.knowledge.as_ref().unwrap().blocks, [block(0.5), block(0.125)]);
}

#[test]
fn taken_up_it_begins_with_all_that_was_known() {
    let left = read(&written().0).unwrap().left;
    let shared = Shared::default();
    let mut journal = Journal::begin(Box::new(shared.clone()), &left.scan, &order(), Some(&left)).unwrap();
    // What is told once more because outputs begin anew stands there already.
    journal.stage(&LeftStage::new(0, "10.0.0.0/30".parse().unwrap(), sample::scan().ports)).unwrap();
    journal.finding(&sample::hosts()[0].ports[0]).unwrap();
    journal.settle(&left.spent).unwrap();
    let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("\"type\":\"port\"").count(), 1);
    let again = read(&text).unwrap().left;
    assert_eq!((again.spent, again.told), (left.spent, left.told.clone()));
    let [before, after] = [&left.stages[0], &again.stages[0]];
    assert_eq!((&after.places, &after.pass, &after.knowledge), (&before.places, &before.pass, &before.knowledge));
    let answered = |stage: &LeftStage| stage.answered.iter().map(|(_, all)| all.len()).sum::<u64>();
    assert_eq!(answered(after), answered(before));
}

#[test]
fn a_journal_that_was_killed_at_any_byte_holds_what_was_settled() {
    let (text, ends) = written();
    for end in ends[0]..text.len() {
        let settled = ends.iter().filter(|settled| **settled <= end).count();
        let left = read(&text[..end]).unwrap().left;
        assert_eq!(left.spent.probes, [0, 40, 90][settled - 1], "{end}");
        assert_eq!(left.stages.len(), usize::from(settled > 1), "{end}");
    }
    assert!(read(&text[..ends[0] - 1]).is_err());
}

#[test]
fn what_was_changed_is_refused_with_its_line() {
    let (text, _) = written();
    let changed = text.replacen("10.0.0.0/30\",\"named", "10.0.0.0/29\",\"named", 1);
    let error = read(&changed).unwrap_err().to_string();
    assert!(error.contains("scan.journal") && error.contains("lines 1 to 3") && error.contains("digest"), "{error}");
    let other =
        text.replace(&format!("\"version\":\"{}\",\"directory\"", env!("CARGO_PKG_VERSION")), "\"version\":\"0.0.9\",\"directory\"");
    assert!(read(&other).is_err());
    for foreign in ["", "\n", "{}\n", "<?xml version=\"1.0\"?>\n", "{\"type\":\"scan\"}\n"] {
        assert!(read(foreign).is_err(), "{foreign:?}");
    }
}

/// With its digests made anew, as whoever knows the format could.
fn sealed(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let digest = Order::digest(out.as_bytes());
        match line.rsplit_once("\"digest\":\"").filter(|_| line.starts_with("{\"type\":\"progress\"")) {
            Some((before, _)) => out.extend([before, "\"digest\":\"", &digest, "\"}\n"]),
            None => out.extend([line, "\n"]),
        }
    }
    out
}

#[test]
fn numbers_that_no_scan_has_are_refused() {
    let (text, _) = written();
    assert!(read(&sealed(&text)).is_ok());
    for (number, wrong, cause) in [
        ("\"version\":\"", "\"version\":\"9", "it is of synprobe 9"),
        ("\"pass\":2", "\"pass\":0", "attempt 0"),
        ("\"pass\":2", "\"pass\":200", "attempt 200"),
        ("\"senders\":1", "\"senders\":18446744073709551615", "senders"),
        ("\"count\":2", "\"count\":9999999999", "more blocks"),
        ("\"places\":[[0,0,1,32,", "\"places\":[[0,0,1,99999,", "a place that stage 0 has not"),
        ("\"places\":[[0,0,1,32,", "\"places\":[[0,7,1,32,", "a place that stage 0 has not"),
        ("\"places\":[[0,0,1,32,", "\"places\":[[3,0,1,32,", "stage 3 has not begun"),
    ] {
        assert!(text.contains(number), "{number}");
        // The first version is the scan's, which only tells.
        let changed = if wrong.contains("version") { text.replace(number, wrong) } else { text.replacen(number, wrong, 1) };
        let error = read(&sealed(&changed)).unwrap_err().to_string();
        assert!(error.contains(cause), "{wrong}: {error}");
    }
}

#[test]
fn a_stage_of_connections_is_no_stage_of_probes() {
    let shared = Shared::default();
    let mut journal = Journal::begin(Box::new(shared.clone()), &sample::scan(), &order(), None).unwrap();
    journal.stage(&LeftStage::new(Stages::MOST, "10.0.0.0/30".parse().unwrap(), "80".parse().unwrap())).unwrap();
    journal.answer(Stages::MOST, 2, Outcome { state: State::Filtered, reason: Reason::NoResponse, reason_addr: None });
    journal.settle(&spent(4)).unwrap();
    let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
    let left = read(&text).unwrap().left;
    assert!(left.stages.is_empty());
    assert_eq!(left.connect.unwrap().answered[0].1.iter().collect::<Vec<_>>(), [2]);
}

/// Fails until it is told otherwise, as a disk that is full.
#[derive(Clone, Default)]
struct Full(Arc<Mutex<bool>>, Shared);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if *self.0.lock().unwrap() { Err(io::ErrorKind::StorageFull.into()) } else { self.1.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_full_disk_refused_is_written_when_there_is_room() {
    let full = Full::default();
    let mut journal = Journal::begin(Box::new(full.clone()), &sample::scan(), &order(), None).unwrap();
    *full.0.lock().unwrap() = true;
    journal.stage(&LeftStage::new(0, "10.0.0.0/30".parse().unwrap(), "80".parse().unwrap())).unwrap();
    journal.answer(0, 2, RESET);
    assert!(journal.settle(&spent(1)).is_err());
    *full.0.lock().unwrap() = false;
    journal.answer(0, 3, RESET);
    journal.settle(&spent(2)).unwrap();
    let text = String::from_utf8(full.1.0.lock().unwrap().clone()).unwrap();
    assert_eq!(read(&text).unwrap().left.stages[0].answered[0].1.len(), 2);
}

#[test]
fn a_flood_is_read_as_it_was_told() {
    let finding = |last: u8, port: u16| Finding {
        target: Target { addr: [10, 0, 0, last].into(), port },
        window: (port == 9).then_some(0),
        rtt: (port != 7).then(|| Duration::from_micros(u64::from(port))),
        time: crate::time::Time::from_nanos(u64::from(port) * 1_001_000),
        ..sample::hosts()[0].ports[0]
    };
    let findings: Vec<Finding> = (1..=1004).flat_map(|port| [finding(1, port), finding(2, port)]).collect();
    let hosts = [1, 2].map(|last| {
        let ports = findings.iter().filter(|finding| finding.target.addr == std::net::IpAddr::from([10, 0, 0, last])).copied();
        HostRecord { addr: [10, 0, 0, last].into(), ports: ports.collect(), ..sample::hosts()[1].clone() }
    });
    let (kept, plain) = (Shared::default(), Shared::default());
    let mut journal = Journal::begin(Box::new(kept.clone()), &sample::scan(), &order(), None).unwrap();
    journal.stage(&LeftStage::new(0, "10.0.0.0/30".parse().unwrap(), sample::scan().ports)).unwrap();
    let mut json = Json::new(Box::new(plain.clone()));
    json.begin(&sample::scan()).unwrap();
    for (number, finding) in findings.iter().enumerate() {
        if number == 1_400 {
            journal.settle(&spent(9)).unwrap();
        }
        journal.finding(finding).unwrap();
        json.finding(finding).unwrap();
    }
    for host in &hosts {
        journal.host(host).unwrap();
        json.host(host).unwrap();
    }
    journal.end(&sample::summary()).unwrap();
    json.end(&sample::summary()).unwrap();
    let [kept, plain] = [kept, plain].map(|text| String::from_utf8(text.0.lock().unwrap().clone()).unwrap());
    assert_eq!(kept.matches(r#"{"type":"packed","#).count(), 2);
    assert!(kept.len() * 3 < plain.len(), "{} bytes, and {} as lines", kept.len(), plain.len());
    let told = |text: &str| {
        let mut all = Vec::new();
        crate::report::read(&mut text.as_bytes(), "it", Strictness::Strict, &mut |told| all.push(format!("{told:?}"))).unwrap();
        all
    };
    assert_eq!(told(&kept), told(&plain));
    let left = read(&kept).unwrap().left;
    assert_eq!(left.told, findings.iter().map(|finding| (finding.target, *finding)).collect());
    assert_eq!(left.stages[0].answered.iter().map(|(_, targets)| targets.len()).sum::<u64>(), 2_008);
    // Changed by a hair, it is refused.
    let changed = kept.replacen("\"rows\":\"A", "\"rows\":\"B", 1);
    assert!(read(&changed).unwrap_err().to_string().contains("digest"));
}
