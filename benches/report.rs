//! What becomes of an answer: from the frame that proves a port open through the reporting thread into a file.
//!
//! Instructions a finding, proving it included, counted by the command below; before is with a call of the system for each record, JSON by
//! serde, and hosts and findings kept as they are told. The kernel's are not counted, of which there were most.
//!
//! | 65,536 findings | list | JSON | text | journal |
//! |---|---|---|---|---|
//! | each of another host, before | 6,934 | 14,695 | | 50,206 |
//! | each of another host | 3,563 | 6,415 | 11,223 | 8,203 |
//! | 64 ports of 1,024 hosts, before | 5,409 | 7,477 | | 24,995 |
//! | 64 ports of 1,024 hosts | 4,150 | 5,392 | 6,282 | 6,082 |
//!
//! In findings a second, by `cargo bench --bench report` on a quiet machine: each of another host 1,170,000 as list, 574,000 as JSON, 358,000 as
//! text, 592,000 in the journal; 64 ports a host 883,000, 828,000, 596,000 and 697,000. That is one thread that proves and reports; a scan has
//! one for each: 3.6 million replies a second are proven (`core`), which leaves 1.7 million a second for reporting a list.
//!
//! ```text
//! bench=$(cargo bench --no-run --bench report --message-format=json | sed -n 's/.*"executable":"\([^"]*\/report-[^"]*\)".*/\1/p')
//! valgrind --tool=callgrind --toggle-collect='*::report_all' --callgrind-out-file=/dev/null "$bench" --test 'findings/one port/list'
//! ```

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use synprobe::packet::{Checksums, Hop, MacAddr, Medium, TcpFlags, TcpSegment, write_tcp};
use synprobe::report::{Format, Journal, Look, Order, Recorded, Report};
use synprobe::run::{Event, Reporter, Request, Roll};
use synprobe::scan::{
    Board, Cookie, Egress, EgressMap, Flow, Mode, Neighbours, NextHop, Observer, ScanConfig, ScanRecord, SourcePorts, Spent, Stage, Wanted,
};
use synprobe::target::{AddressRange, AddressSet, Permutation, PortSet, Target, TargetSpace};
use synprobe::time::Time;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = outputs
}
criterion_main!(benches);

/// Every target of a scan is open, and is told to one output.
fn outputs(criterion: &mut Criterion) {
    for scan in SCANS {
        let mut group = criterion.benchmark_group(format!("findings/{}", scan.name));
        group.throughput(Throughput::Elements(FINDINGS));
        let frames = scan.frames();
        for output in OUTPUTS {
            group.bench_function(output.name(), |bencher| {
                bencher.iter_batched(
                    || (scan.board(), output.open(&scan)),
                    |(board, out)| report_all(&scan, &board, &frames, out),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
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

#[derive(Clone, Copy)]
enum Output {
    Format(Format),
    Journal,
}

const OUTPUTS: [Output; 7] = [
    Output::Format(Format::List),
    Output::Format(Format::Json),
    Output::Format(Format::Text),
    Output::Format(Format::Csv),
    Output::Format(Format::Grepable),
    Output::Format(Format::Xml),
    Output::Journal,
];

impl Output {
    fn name(self) -> &'static str {
        match self {
            Self::Format(format) => format.as_str(),
            Self::Journal => "journal",
        }
    }

    fn open(self, scan: &Scan) -> Out {
        let file = Box::new(tempfile::tempfile().expect("there is room for temporary files"));
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
        match self {
            Self::Format(format) => {
                let mut report = format.report(file, &Look::default()).expect("it is a stream");
                report.begin(&begun).expect("written");
                Out::Report(report)
            }
            Self::Journal => {
                let order = Order {
                    directory: "/".into(),
                    addresses: scan.addresses(),
                    named: AddressSet::new(),
                    ports: scan.ports(),
                    canary: None,
                    unresolved: 0,
                    inputs: Vec::new(),
                };
                Out::Journal(Box::new(Journal::begin(file, &begun, &order, None).expect("written")))
            }
        }
    }
}

enum Out {
    Report(Box<dyn Report>),
    Journal(Box<Journal>),
}

impl Out {
    /// As the program's outputs do.
    fn hear(&mut self, event: Event) {
        let written = match (self, event) {
            (Self::Report(report), Event::Finding(finding)) => report.finding(&finding.recorded()),
            (Self::Report(report), Event::Host(host)) => report.host(&host.recorded()),
            (Self::Report(report), Event::Lull) => report.flush(),
            (Self::Journal(journal), Event::Finding(finding)) => journal.finding(&finding.recorded()),
            (Self::Journal(journal), Event::Host(host)) => journal.host(&host.recorded()),
            (Self::Journal(journal), Event::Lull) => journal.settle(&Spent::default()),
            _ => Ok(()),
        };
        written.expect("written");
    }

    fn end(self) {
        match self {
            Self::Report(mut report) => report.end(&synprobe::scan::Summary::default()),
            Self::Journal(mut journal) => journal.end(&synprobe::scan::Summary::default()),
        }
        .expect("written");
    }
}

/// Records that the reporting thread finds waiting.
const BATCH: usize = 4_096;
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
