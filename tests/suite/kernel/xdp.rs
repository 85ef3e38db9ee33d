//! Whole scans by XDP, against a kernel and against a program that answers in the driver. Loading BPF programs takes root outside any user
//! namespace: as anybody else these say SKIPPED.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, MapData, PerCpuArray};
use aya::programs::{Xdp, XdpMode};
use synprobe::run::{self, Engine, Event, Request, Show, Stop};
use synprobe::scan::State;

use super::bed::{Bed, request, scan, skipped, targets, try_scan};

/// Answers in the driver of the peer, for 10.64.0.0/10.
struct Responder {
    _object: Ebpf,
    counts: PerCpuArray<MapData, [u64; 8]>,
    half_open: Array<MapData, u32>,
    settings: Settings,
}

/// Shares in millionths of the targets (the rest is silent), and of the SYNs.
#[derive(Clone, Copy, Debug)]
struct Settings {
    open: u32,
    closed: u32,
    loss: u32,
}

/// What the program has counted.
#[derive(Clone, Copy, Debug)]
struct Counts {
    syn_acks: u64,
    lost: u64,
    ended: u64,
}

impl Responder {
    const REMEMBERED: u32 = 1 << 20;

    /// Attached to `peer0`; `None`, and said, where BPF programs cannot be loaded.
    fn attach(bed: &mut Bed, settings: Settings) -> Option<Self> {
        let index = bed.there.index("peer0").unwrap();
        let attached = bed.peer.run(|| attach(aya::include_bytes_aligned!("xdp/responder.bpf.o"), "respond", index)).unwrap();
        let mut object = match attached {
            Ok(object) => object,
            Err(error) if is_forbidden(error.as_ref()) => {
                may_skip();
                skipped("a scan by XDP: loading BPF programs takes root outside any user namespace");
                return None;
            }
            Err(error) => panic!("{error}: {:?}", error.source()),
        };
        let Settings { open, closed, loss } = settings;
        // `struct settings` of the program.
        let words = [0x0a40_0000, 0xffc0_0000, open, closed, loss, 0, 0, Self::REMEMBERED];
        Array::<_, [u32; 8]>::try_from(object.map_mut("settings").unwrap()).unwrap().set(0, words, 0).unwrap();
        let counts = PerCpuArray::try_from(object.take_map("counts").unwrap()).unwrap();
        let half_open = Array::try_from(object.take_map("half_open").unwrap()).unwrap();
        bed.route("10.64.0.0/10", "10.0.0.2");
        Some(Self { _object: object, counts, half_open, settings })
    }

    fn counts(&self) -> Counts {
        let all = self.counts.get(&0, 0).unwrap();
        // `struct counts` of the program.
        let sum = |word: usize| all.iter().map(|words| words[word]).sum();
        Counts { syn_acks: sum(1), lost: sum(4), ended: sum(5) }
    }

    /// Connections that were opened and not reset.
    fn half_open(&self) -> usize {
        (0..Self::REMEMBERED).filter(|place| self.half_open.get(place, 0).unwrap() != 0).count()
    }

    /// The targets of `network` in this state, as the program decides it.
    fn truth(&self, network: &str, ports: &[u16], state: State) -> Vec<(IpAddr, u16)> {
        let open = self.settings.open;
        let is = |&(addr, port): &(IpAddr, u16)| {
            let IpAddr::V4(addr) = addr else { return false };
            match fate(addr, port) {
                lot if lot < open => state == State::Open,
                lot if lot < open + self.settings.closed => state == State::Closed,
                _ => false,
            }
        };
        targets(network, ports).into_iter().filter(is).collect()
    }
}

/// As in the program.
fn fate(addr: Ipv4Addr, port: u16) -> u32 {
    let mut x = u64::from(addr.to_bits()) << 16 | u64::from(port);
    x ^= x >> 31;
    x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 32;
    (x >> 8) as u32 % 1_000_000
}

fn attach(bytes: &[u8], name: &str, index: u32) -> Result<Ebpf, Box<dyn StdError + Send + Sync>> {
    let mut object = Ebpf::load(bytes)?;
    let program: &mut Xdp = object.program_mut(name).expect("a program").try_into()?;
    program.load()?;
    program.attach_to_if_index(index, XdpMode::Driver)?;
    Ok(object)
}

fn is_forbidden(error: &(dyn StdError + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.any(|error| error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied))
}

/// With `CI=true` and root a skip would hide a failure.
fn may_skip() {
    let outside = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_first = outside.split_whitespace().eq(["0", "0", "4294967295"]);
    assert!(!is_first || std::env::var("CI").is_err(), "root may load BPF programs, and could not");
}

fn by_xdp(targets: &str, ports: &str) -> Request {
    Request { engine: Engine::Xdp, ..request(targets, ports) }
}

#[test]
fn finds_exactly_what_is_open() {
    let Some(mut bed) = Bed::of("xdp::finds_exactly_what_is_open") else { return };
    let Some(responder) = Responder::attach(&mut bed, Settings { open: 100_000, closed: 300_000, loss: 0 }) else { return };
    let told = scan(&by_xdp("10.64.0.0/22", "22,80"));
    assert_eq!(told.begin.egresses.iter().map(|egress| egress.link.clone()).collect::<Vec<_>>(), ["xdp"]);
    assert_eq!(told.targets(State::Open), responder.truth("10.64.0.0/22", &[22, 80], State::Open));
    assert_eq!(told.targets(State::Closed), responder.truth("10.64.0.0/22", &[22, 80], State::Closed));
    assert!(told.summary.is_complete(), "{:?}", told.summary);
    assert_eq!(responder.half_open(), 0, "{:?}", responder.counts());
    assert_eq!(responder.counts().syn_acks, responder.counts().ended, "{:?}", responder.counts());
}

#[test]
fn a_kernel_answers_as_it_does_without() {
    let Some(mut bed) = Bed::of("xdp::a_kernel_answers_as_it_does_without") else { return };
    let Some(_responder) = Responder::attach(&mut bed, SILENT) else { return };
    bed.answer_for("10.32.0.0/28");
    let _listening = bed.listen(&[80, 443]);
    // On the link, routed, this machine itself: what XDP cannot send goes as ever.
    let told = scan(&by_xdp("10.0.0.2-10.0.0.4,10.32.0.0/28,127.0.0.1,10.0.0.1", "80,81,443"));
    assert_eq!(told.targets(State::Open), targets("10.0.0.2,10.32.0.0/28", &[80, 443]));
    assert_eq!(told.targets(State::Closed).len(), 17 + 6, "{:?}", told.summary);
    assert_eq!(told.summary.hosts_down, 2, "{:?}", told.summary);
    let mut links: Vec<_> = told.begin.egresses.iter().map(|egress| egress.link.clone()).collect();
    links.sort_unstable();
    assert_eq!(links, ["raw-ip", "xdp", "xdp"]);
    assert_eq!(bed.half_open(), 0);
}

#[test]
fn with_a_fixed_source_port_the_attempt_is_in_the_hash() {
    let Some(mut bed) = Bed::of("xdp::with_a_fixed_source_port_the_attempt_is_in_the_hash") else { return };
    let lossy = Settings { open: 200_000, closed: 800_000, loss: 100_000 };
    let Some(responder) = Responder::attach(&mut bed, lossy) else { return };
    let told = scan(&Request { source_port: Some(40_000), ..by_xdp("10.64.0.0/24", "80") });
    // Repeats find nearly all of them, and nothing else is found.
    for state in [State::Open, State::Closed] {
        let (found, truth) = (told.targets(state), responder.truth("10.64.0.0/24", &[80], state));
        assert!(found.iter().all(|target| truth.contains(target)) && found.len() * 100 >= truth.len() * 95, "{found:?} of {truth:?}");
    }
    assert!(responder.counts().lost > 0 && responder.half_open() == 0, "{:?}", responder.counts());
}

/// A rate that only live frames reach on most machines: the scan begins on the packet socket and changes over.
#[test]
fn at_full_rate_a_connection_over_the_same_interface_is_not_disturbed() {
    let Some(mut bed) = Bed::of("xdp::at_full_rate_a_connection_over_the_same_interface_is_not_disturbed") else { return };
    let Some(responder) = Responder::attach(&mut bed, Settings { open: 50_000, closed: 50_000, loss: 0 }) else { return };
    let listener = bed.peer.run(|| TcpListener::bind("10.0.0.2:2222").unwrap()).unwrap();
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut letter = [0; 256];
        while stream.read_exact(&mut letter).is_ok() {
            stream.write_all(&letter).unwrap();
        }
    });
    let mut stream = TcpStream::connect("10.0.0.2:2222").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_nodelay(true).unwrap();
    // Far more than it takes: the talk ends also if the scan fails.
    let (over, most) = (AtomicBool::new(false), 2_000_000);
    let (open, letters) = std::thread::scope(|scope| {
        let talk = scope.spawn(|| {
            let mut letters = 0_u32;
            while letters < 10 || (letters < most && !over.load(Ordering::Relaxed)) {
                let letter: [u8; 256] = std::array::from_fn(|i| (i as u32 ^ letters) as u8);
                let mut back = [0; 256];
                stream.write_all(&letter).unwrap();
                stream.read_exact(&mut back).unwrap();
                assert_eq!(letter, back);
                letters += 1;
            }
            stream.shutdown(std::net::Shutdown::Both).unwrap();
            letters
        });
        let request = Request { rate: Some("2M".parse().unwrap()), show: Show::default(), ..by_xdp("10.64.0.0/14", "80") };
        let open = open_ports(&request);
        over.store(true, Ordering::Relaxed);
        (open, talk.join().unwrap())
    });
    echo.join().unwrap();
    let truth: BTreeSet<_> = responder.truth("10.64.0.0/14", &[80], State::Open).into_iter().collect();
    // The connection's processor serves the device's queue too: what finds it full, frame or reset, goes when it has room.
    assert!(open == truth, "{} of {}: {:?}", open.len(), truth.len(), responder.counts());
    assert_eq!(responder.half_open(), 0, "{:?}", responder.counts());
    assert!(letters >= 10);
}

/// The sender calls beside its thread as soon as that has enough to do.
#[test]
fn with_a_queue_for_each_processor_nothing_is_lost() {
    let Some(mut bed) = Bed::with_queues("xdp::with_a_queue_for_each_processor_nothing_is_lost", 2) else { return };
    let Some(responder) = Responder::attach(&mut bed, Settings { open: 50_000, closed: 50_000, loss: 0 }) else { return };
    let open = open_ports(&Request { rate: Some("20M".parse().unwrap()), show: Show::default(), ..by_xdp("10.64.0.0/13", "80") });
    let truth: BTreeSet<_> = responder.truth("10.64.0.0/13", &[80], State::Open).into_iter().collect();
    assert!(open == truth, "{} of {}: {:?}", open.len(), truth.len(), responder.counts());
    assert_eq!(responder.half_open(), 0, "{:?}", responder.counts());
}

/// Scans; the open targets it told. For scans too large to keep every host of.
fn open_ports(request: &Request) -> BTreeSet<(IpAddr, u16)> {
    let mut open = BTreeSet::new();
    let summary = run::scan(request, &Stop::new(), &mut |event| {
        if let Event::Finding(finding) = event
            && finding.outcome.state == State::Open
        {
            open.insert((finding.target.addr, finding.target.port));
        }
    });
    let summary = summary.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((summary.send_errors, summary.receiver_drops, summary.resets_lost, summary.invalid), (0, 0, 0, 0), "{summary:?}");
    open
}

#[test]
fn nothing_stays_after_a_kill() {
    let Some(mut bed) = Bed::of("xdp::nothing_stays_after_a_kill") else { return };
    let Some(_responder) = Responder::attach(&mut bed, SILENT) else { return };
    let index = bed.here.index("scan0").unwrap();
    let another = || attach(aya::include_bytes_aligned!("xdp/responder.bpf.o"), "respond", index);
    let words = ["10.64.0.0/16", "-p", "80", "--engine", "xdp", "--rate", "100", "-n", "-q"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_synprobe"))
        .env("XDG_STATE_HOME", crate::spawn::state())
        .args(words)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let within = |seconds: u64, done: &mut dyn FnMut() -> bool| {
        (0..seconds * 20).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            done()
        })
    };
    assert!(within(20, &mut || another().is_err()), "it attaches its program");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(within(10, &mut || another().is_ok()), "the program is gone");
}

#[test]
fn where_it_cannot_run_it_says_why() {
    let Some(mut bed) = Bed::of("xdp::where_it_cannot_run_it_says_why") else { return };
    let why = || try_scan(&by_xdp("10.0.0.2", "80")).map(|_| ()).unwrap_err().to_string();
    // Neither end has a program or GRO.
    assert_eq!(
        why(),
        "use XDP on scan0: its driver does not send XDP frames now (ndo_xdp_xmit; a veth does once it has GRO or the other end a program) \
         (use --engine packet)"
    );
    let Some(_responder) = Responder::attach(&mut bed, SILENT) else { return };
    let index = bed.here.index("scan0").unwrap();
    let other = attach(aya::include_bytes_aligned!("xdp/responder.bpf.o"), "respond", index).unwrap();
    assert_eq!(why(), "attach XDP program to scan0: another XDP program is attached (use --engine packet)");
    drop(other);
    assert!(try_scan(&by_xdp("10.0.0.2", "80")).is_ok());
    let made = Command::new("ip").args(["link", "add", "link", "scan0", "name", "sub0", "type", "macvlan"]).status();
    if !made.is_ok_and(|status| status.success()) {
        return skipped("the part with a driver without XDP: no macvlan device to be had");
    }
    bed.here.add_address("sub0", "10.1.0.1/24".parse().unwrap()).unwrap();
    bed.here.set_up("sub0").unwrap();
    let why = try_scan(&by_xdp("10.1.0.2", "80")).map(|_| ()).unwrap_err().to_string();
    assert_eq!(why, "use XDP on sub0: its driver has no native XDP (use --engine packet)");
}

/// The committed objects have the instructions that clang makes of the sources. Another clang makes others.
#[test]
fn objects_are_those_of_their_sources() {
    let version = |tool: &str| Command::new(tool).arg("--version").output().ok().filter(|output| output.status.success());
    let (Some(clang), Some(_)) = (version("clang-14").or_else(|| version("clang")), version("llvm-objdump")) else {
        return skipped("the comparison of BPF objects with their sources: clang and llvm-objdump are not both installed");
    };
    if !Path::new("/usr/include/bpf/bpf_helpers.h").exists() {
        return skipped("the comparison of BPF objects with their sources: libbpf's headers are not installed");
    }
    let clang = String::from_utf8_lossy(&clang.stdout).into_owned();
    if !clang.contains("version 14.") {
        return skipped(&format!("the comparison of BPF objects with their sources: they were made by clang 14, here is {clang}"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let instructions = |object: &Path| {
        let output = Command::new("llvm-objdump").args(["-d", "--no-leading-addr"]).arg(object).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // The first line names the file.
        text.lines().filter(|line| !line.contains("file format")).map(str::to_owned).collect::<Vec<_>>()
    };
    let made = tempfile::tempdir().unwrap();
    for (folder, name) in [("src/net/linux/xdp", "link.bpf.o"), ("tests/suite/kernel/xdp", "responder.bpf.o")] {
        let built = Command::new(root.join("src/net/linux/xdp/build.sh")).arg(root.join(folder)).arg(made.path()).status().unwrap();
        assert!(built.success());
        let (committed, fresh) = (instructions(&root.join(folder).join(name)), instructions(&made.path().join(name)));
        assert!(committed.len() > 100 && committed == fresh, "{folder}/{name} differs from its source: run src/net/linux/xdp/build.sh");
    }
}

const SILENT: Settings = Settings { open: 0, closed: 0, loss: 0 };
