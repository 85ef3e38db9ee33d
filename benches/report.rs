//! What becomes of an answer: from the frame that proves a port open through the reporting thread into a file.
//!
//! Instructions a finding, proving it included, counted by the command below; before is with a call of the system for each record, JSON by
//! serde, and hosts and findings kept as they are told. The kernel's are not counted, of which there were most.
//!
//! | 65,536 findings | list | JSON | text | journal | list and journal |
//! |---|---|---|---|---|---|
//! | each of another host, before | 6,934 | 14,695 | | 50,206 | |
//! | each of another host | 2,309 | 5,101 | 6,150 | 3,219 | 3,444 |
//! | the same, all answering alike | 2,873 | 7,229 | 8,020 | 3,851 | 4,213 |
//! | 64 ports of 1,024 hosts, before | 5,409 | 7,477 | | 24,995 | |
//! | 64 ports of 1,024 hosts | 3,534 | 4,812 | 3,772 | 3,805 | 4,107 |
//!
//! Some 1,040 of them prove the answer. Where hosts answer alike, each waits for the end beside what is known of its range, in 24 bytes, and the
//! list has a second line about it: that was 6,995 in list and journal while each was packed, unpacked, and its range looked up four times.
//! With SHA-256 as the journal's digest instead of BLAKE3, on a processor without instructions for it, that took 3,000 more.
//!
//! In findings a second, by `cargo bench --bench report`, in a slow hour: one thread that proves and reports 1.40 million as list, 602,000 as JSON,
//! 561,000 as text, 717,000 in the journal. A scan has a thread for each: `scan/` is the same by a scan's own queue, 2.05 million as list, 716,000 as
//! JSON, 555,000 as text, 564,000 in both list and journal.
//!
//! ```text
//! bench=$(cargo bench --no-run --bench report --message-format=json | sed -n 's/.*"executable":"\([^"]*\/report-[^"]*\)".*/\1/p')
//! valgrind --tool=callgrind --toggle-collect='*::report_all' --callgrind-out-file=/dev/null "$bench" --test --exact 'findings/one port/list'
//! ```

use std::hint::black_box;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use synprobe::packet::{Checksums, Hop, MacAddr, Medium, TcpFlags, TcpSegment, write_tcp};
use synprobe::report::{Format, Journal, Look, Order, Recorded, Report};
use synprobe::run::{Event, Reporter, Request, Roll};
use synprobe::scan::{
    Board, Cookie, Egress, EgressMap, Flow, Mode, Neighbours, NextHop, Observer, ScanConfig, ScanRecord, SourcePorts, Spent, Stage,
    Summary, Wanted,
};
use synprobe::target::{AddressRange, AddressSet, Permutation, PortSet, Target, TargetSpace};
use synprobe::time::Time;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = outputs, a_scan
}
criterion_main!(benches);

/// Every target of a scan is open, and is told to one output.
fn outputs(criterion: &mut Criterion) {
    each(criterion, "findings", report_all);
}

/// The same with a thread that proves and one that reports, as a scan has them.
fn a_scan(criterion: &mut Criterion) {
    each(criterion, "scan", prove_and_report);
}

/// Times `report` for each scan and output.
fn each(criterion: &mut Criterion, name: &str, report: impl Fn(&Scan, &Arc<Board>, &[Vec<u8>], Out)) {
    for scan in &SCANS {
        let mut group = criterion.benchmark_group(format!("{name}/{}", scan.name));
        group.throughput(Throughput::Elements(FINDINGS));
        let frames = scan.frames();
        for output in OUTPUTS {
            group.bench_function(output.name(), |bencher| {
                bencher.iter_batched(
                    || (scan.board(), output.open(scan)),
                    |(board, out)| report(scan, &board, &frames, out),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

/// By a scan's own queue, from which its reporting thread takes what is there, and where that is much lets more gather.
fn prove_and_report(scan: &Scan, board: &Arc<Board>, frames: &[Vec<u8>], mut out: Out) {
    let (records_in, records) = crossbeam_channel::unbounded();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut observer = Observer::new(Arc::clone(board), 0);
            for frame in frames {
                let observed = observer.observe(ARRIVED, frame, Medium::Ethernet, Checksums::Verify);
                records_in.send(observed.record.expect("each frame proves a port open")).expect("the reporter hears to the end");
            }
        });
        let request = scan.request();
        let mut told = 0;
        let mut tell = |event| {
            told += u64::from(matches!(event, Event::Finding(_)));
            out.hear(event);
        };
        let mut reporter = Reporter::new(&request, SEED, None, &mut tell);
        while let Ok(record) = records.recv() {
            let mut count = 0;
            for record in std::iter::once(record).chain(records.try_iter().take(BATCH)) {
                reporter.finding(record.finding(&board.stages).expect("its stage has begun"), None);
                count += 1;
            }
            reporter.lull();
            if (FLOOD..BATCH).contains(&count) {
                std::thread::sleep(GATHER);
            }
        }
        black_box(reporter.close(|_| None, |_, _| Roll::default(), Vec::new(), Duration::ZERO));
        assert_eq!(told, FINDINGS, "of {}", scan.name);
    });
    out.end();
}

/// A receiver's work and the reporting thread's, one after the other.
#[inline(never)]
fn report_all(scan: &Scan, board: &Arc<Board>, frames: &[Vec<u8>], mut out: Out) {
    let request = scan.request();
    let mut observer = Observer::new(Arc::clone(board), 0);
    let mut told = 0;
    let mut tell = |event| {
        told += u64::from(matches!(event, Event::Finding(_)));
        out.hear(event);
    };
    let mut reporter = Reporter::new(&request, SEED, None, &mut tell);
    for batch in frames.chunks(BATCH) {
        for frame in batch {
            let observed = observer.observe(ARRIVED, frame, Medium::Ethernet, Checksums::Verify);
            let finding = observed.record.and_then(|record| record.finding(&board.stages)).expect("each frame proves a port open");
            reporter.finding(finding, None);
        }
        reporter.lull();
    }
    black_box(reporter.close(|_| None, |_, _| Roll::default(), Vec::new(), Duration::ZERO));
    assert_eq!(told, FINDINGS, "of {}", scan.name);
    out.end();
}

/// A scan whose targets are all open.
struct Scan {
    name: &'static str,
    hosts: u32,
    ports: u16,
    /// Whether all answer so much alike that one machine may be answering for them.
    alike: bool,
}

/// Each has [`FINDINGS`] targets.
const SCANS: [Scan; 3] = [
    Scan { name: "one port", hosts: 65_536, ports: 1, alike: false },
    Scan { name: "one port, alike", hosts: 65_536, ports: 1, alike: true },
    Scan { name: "64 ports", hosts: 1_024, ports: 64, alike: false },
];
const FINDINGS: u64 = 65_536;

impl Scan {
    fn addresses(&self) -> AddressSet {
        let last = Ipv4Addr::from_bits(FIRST.to_bits() + self.hosts - 1);
        [AddressRange::new(FIRST.into(), last.into()).expect("ascending")].into_iter().collect()
    }

    fn ports(&self) -> PortSet {
        (8_000..8_000 + self.ports).collect()
    }

    fn request(&self) -> Request {
        Request::new(self.addresses(), self.ports())
    }

    fn space(&self) -> TargetSpace {
        TargetSpace::new(self.addresses(), self.ports()).expect("few targets")
    }

    /// About to hear the first answer.
    fn board(&self) -> Arc<Board> {
        let config = ScanConfig {
            attempts: 1,
            most_attempts: 1,
            rate: RATE,
            host_rate: RATE,
            ..ScanConfig::new(self.addresses(), self.ports(), SEED)
        };
        let egress = Egress { link: 0, source: US, hop: NextHop::Gateway(HERE, 0) };
        let egresses = EgressMap::new(self.addresses().ranges().map(|range| (range, egress)));
        let neighbours = Neighbours::new(vec![Wanted { link: 0, source: US, source_mac: HERE, addr: GATEWAY }], AddressSet::new());
        neighbours.learn(0, GATEWAY, THERE, Time::ZERO);
        let board = Board::new(config, Cookie::new(KEY, PORTS, 1), egresses, neighbours);
        let stage = Stage::new(self.space(), SEED, 1, 1, RATE, true);
        (0..FINDINGS).for_each(|step| stage.sent(0, 1, step, Time::ZERO));
        board.stages.begin(stage);
        Arc::new(board)
    }

    /// A SYN-ACK of each target, in the order they are asked.
    fn frames(&self) -> Vec<Vec<u8>> {
        let (space, order, cookie) = (self.space(), Permutation::new(FINDINGS, SEED), Cookie::new(KEY, PORTS, 1));
        let frame = |Target { addr, port }| {
            let std::net::IpAddr::V4(addr) = addr else { unreachable!("all are IPv4") };
            let (answered, sequence) = cookie.probe(Flow { source: US, destination: addr, port }, 1);
            let segment = TcpSegment {
                source: addr,
                destination: US,
                source_port: port,
                destination_port: answered,
                sequence: addr.to_bits(),
                acknowledgement: sequence.wrapping_add(1),
                flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
                window: 65_535,
                ttl: if self.alike { 60 } else { 60 + (addr.octets()[3] & 1) },
                mss: Some(1460),
            };
            let mut slot = [0; 128];
            let len = write_tcp(&mut slot, Hop::Ethernet { source: THERE, destination: HERE }, &segment);
            slot[..len].to_vec()
        };
        (0..FINDINGS).map(|step| frame(space.get(order.index(step)))).collect()
    }
}

/// Where a scan is told: in a format, in its journal, or in both, as the program does by default.
#[derive(Clone, Copy)]
struct Output {
    format: Option<Format>,
    journal: bool,
}

const OUTPUTS: [Output; 8] = [
    Output { format: Some(Format::List), journal: false },
    Output { format: Some(Format::Json), journal: false },
    Output { format: Some(Format::Text), journal: false },
    Output { format: Some(Format::Csv), journal: false },
    Output { format: Some(Format::Grepable), journal: false },
    Output { format: Some(Format::Xml), journal: false },
    Output { format: None, journal: true },
    Output { format: Some(Format::List), journal: true },
];

impl Output {
    fn name(self) -> String {
        let journal = self.journal.then_some("journal");
        self.format.map(Format::as_str).into_iter().chain(journal).collect::<Vec<_>>().join(" and ")
    }

    fn open(self, scan: &Scan) -> Out {
        let file = || Box::new(tempfile::tempfile().expect("there is room for temporary files"));
        let begun = ScanRecord {
            version: "0".into(),
            arguments: Vec::new(),
            seed: SEED,
            started: SystemTime::UNIX_EPOCH + Duration::from_micros(1_767_268_800_123_456),
            addresses: u64::from(scan.hosts),
            asked: Some(scan.addresses()),
            ports: scan.ports(),
            targets: FINDINGS,
            mode: Mode::Syn,
            egresses: Vec::new(),
            note: None,
            part: None,
        };
        let report = self.format.map(|format| {
            let mut report = format.report(file(), &Look::default()).expect("it is a stream");
            report.begin(&begun).expect("written");
            report
        });
        let order = Order {
            directory: "/".into(),
            addresses: scan.addresses(),
            named: AddressSet::new(),
            ports: scan.ports(),
            canary: None,
            unresolved: 0,
            inputs: Vec::new(),
        };
        let journal = self.journal.then(|| Journal::begin(file(), &begun, &order, None).expect("written"));
        Out { report, journal }
    }
}

struct Out {
    report: Option<Box<dyn Report>>,
    journal: Option<Journal>,
}

impl Out {
    /// As the program's outputs do.
    fn hear(&mut self, event: Event) {
        match event {
            Event::Finding(finding) => {
                let finding = finding.recorded();
                self.tell(|journal| journal.finding(&finding), |report| report.finding(&finding));
            }
            Event::Host(host) => {
                let host = host.recorded();
                self.tell(|journal| journal.host(&host), |report| report.host(&host));
            }
            Event::Lull => self.tell(|journal| journal.settle(&Spent::default()), |report| report.flush()),
            _ => {}
        }
    }

    fn end(mut self) {
        let summary = Summary::default();
        self.tell(|journal| journal.end(&summary), |report| report.end(&summary));
    }

    fn tell(&mut self, journal: impl FnOnce(&mut Journal) -> io::Result<()>, report: impl FnOnce(&mut Box<dyn Report>) -> io::Result<()>) {
        self.journal.as_mut().map_or(Ok(()), journal).expect("written");
        self.report.as_mut().map_or(Ok(()), report).expect("written");
    }
}

/// Records that the reporting thread finds waiting.
const BATCH: usize = 4_096;
/// So many at once are a flood, of which more are let gather so long.
const FLOOD: usize = 16;
const GATHER: Duration = Duration::from_millis(1);
/// Probes a second.
const RATE: u64 = 10_000_000;
const SEED: u64 = 7;
const KEY: [u8; 16] = [9; 16];
const PORTS: SourcePorts = SourcePorts::Block { first: 40_000, count: 16 };
const ARRIVED: Time = Time::from_nanos(1_250_000_000);
const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);
const HERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THERE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
