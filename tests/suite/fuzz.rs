//! A mutation fuzzer over valid inputs: whatever bytes arrive, a parser returns.
//!
//! It runs a fixed number of inputs for each parser; with `SYNPROBE_FUZZ_SECONDS` set, as many as that time allows. A failure prints
//! the seed and the input; `SYNPROBE_FUZZ_SEED` runs another seed. To add a parser, add a line to [`PARSERS`].

use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use synprobe::packet::{
    ArpReply, Checksums, EchoReply, Hop, IcmpMessage, MacAddr, Medium, Probe, Reply, SynTemplate, TcpFlags, TcpSegment, write_arp_reply,
    write_echo_reply, write_icmp_error, write_request, write_tcp,
};

/// A parser under test: its name, what it is fed, valid inputs to begin with.
type Parser = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

const PARSERS: &[Parser] = &[
    ("reply on Ethernet", reply_on_ethernet, frames),
    ("reply on bare IP", reply_on_ip, packets),
    ("targets", targets, words),
    ("a file of targets", lines, words),
    ("ports", ports, words),
    ("rate, output and escapes", options, words),
    ("a record", record, records),
    ("a scan to be compared", compared, scans),
    ("a shard among others", shard, shards),
];

fn targets(input: &[u8]) {
    let _ = synprobe::target::list::parse_list(&String::from_utf8_lossy(input));
}

fn lines(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = synprobe::target::list::parse_lines(text.lines(), "fuzz");
}

fn ports(input: &[u8]) {
    let _ = String::from_utf8_lossy(input).parse::<synprobe::target::PortSet>();
}

fn options(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = text.parse::<synprobe::run::Rate>();
    let _ = text.parse::<synprobe::report::OutputSpec>();
    let escaped = synprobe::report::Escaped(&text).to_string();
    assert!(!escaped.chars().any(char::is_control), "{escaped:?}");
}

fn record(input: &[u8]) {
    use synprobe::report::{Ending, Strictness, Told, read};
    let told = |strictness| {
        let mut told = Vec::new();
        let reading = read(&mut &*input, "fuzz", strictness, &mut |event| told.push(event));
        reading.map(|reading| (reading, told))
    };
    let lenient = told(Strictness::Lenient);
    if let Ok((reading, told)) = told(Strictness::Strict) {
        assert!(matches!((told.first(), told.last()), (Some(Told::Begin(_)), Some(Told::End(_)))), "{told:?}");
        assert_eq!(reading.skipped, 0);
        let (other, all) = lenient.unwrap();
        assert!(other.skipped == 0 && other.ending == reading.ending && all.len() == told.len());
        // What was read can be written.
        if let (Some(Told::End(summary)), Ending::Whole) = (told.last(), reading.ending) {
            assert!(summary.probes_per_target() >= 0.0);
        }
    }
}

/// Whatever a record tells, it is the same as itself.
fn compared(input: &[u8]) {
    use synprobe::report::{Strictness, diff};
    let read = |strictness| diff::Scan::read(&mut &*input, "fuzz", strictness);
    let strict = read(Strictness::Strict);
    let Ok(lenient) = read(Strictness::Lenient) else { return assert!(strict.is_err(), "{strict:?}") };
    assert_eq!(strict.is_ok(), lenient.left_out.is_none());
    let scan = &lenient.scan;
    let totals = diff::compare(scan, scan, &mut |_| Ok(())).unwrap();
    assert!(!totals.differs(), "{scan:?} {totals:?}");
}

fn scans() -> Vec<Vec<u8>> {
    let documents = [include_str!("../cmd/diff.in/nmap.xml"), include_str!("../cmd/diff.in/ours.xml")];
    records().into_iter().chain(documents.map(|document| document.as_bytes().to_vec())).collect()
}

fn records() -> Vec<Vec<u8>> {
    let begin = r#"{"type":"scan","schema_version":1,"version":"0.1.0","arguments":["synprobe"],"seed":"7","started":1767268800.5,"mode":"syn","addresses":4,"ports":2,"targets":8,"port_list":"22,80","egresses":[{"interface":"eth0","source":"10.0.0.9","link":"packet","addresses":4}],"note":"x"}"#;
    let port = r#"{"type":"port","addr":"10.0.0.1","port":22,"proto":"tcp","state":"open","reason":"syn-ack","ttl":64,"rtt_us":412,"attempt":1,"time":1767268801.25}"#;
    let host = r#"{"type":"host","addr":"10.0.0.1","state":"up","reason":"arp-response","mac":"02:fc:00:00:00:01","names":["a\u001b"],"rtt_us":412,"open":1,"closed":1,"filtered":0,"unanswered":0,"not_probed":0,"closed_reasons":{"reset":1},"suspect":{"reason":"zero-window","detail":"1 port answered with a window of zero"}}"#;
    let rate = r#"{"type":"rate","time":1767268801.5,"pass":1,"before":0,"rate":2000,"loss":0.0,"limit":"time"}"#;
    let summary = r#"{"type":"summary","elapsed":2.41,"addresses":4,"hosts_up":1,"hosts_down":0,"hosts_filtered":0,"hosts_not_probed":0,"hosts_suspect":0,"hosts_hidden":0,"targets":8,"probes":9,"canaries":0,"arp_requests":0,"answered":2,"open":1,"closed":1,"filtered":0,"unanswered":6,"not_probed":0,"invalid":0,"malformed":0,"duplicates":0,"receiver_drops":0,"send_errors":0,"resets_lost":0,"send_retries":0,"unroutable":0,"unresolved":0,"write_errors":0,"interrupted":false,"out_of_time":false,"path_proven":true,"completeness":null,"complete":true,"incomplete":[]}"#;
    let whole = [begin, port, rate, host, summary].join("\n") + "\n";
    let short = [begin, port].join("\n") + "\n";
    let host_only = [begin, r#"{"type":"progress"}"#, port, host].join("\n") + "\n";
    [whole, short, host_only].map(String::into_bytes).to_vec()
}

/// Merged alone, and with others that are sound, before and behind it.
fn shard(input: &[u8]) {
    use std::io::BufRead;
    use synprobe::report::{Shards, Strictness, Told};
    let open = |name: &str| {
        let bytes = if name == "fuzz" { input.to_vec() } else { part(name).into_bytes() };
        Ok(Box::new(std::io::Cursor::new(bytes)) as Box<dyn BufRead>)
    };
    let names = ["fuzz", "1", "3"].map(str::to_owned);
    for count in 1..=names.len() {
        let Ok(shards) = Shards::of(&names[..count], &open) else { continue };
        for strictness in [Strictness::Strict, Strictness::Lenient] {
            let (mut begun, mut ended) = (0, 0);
            let merged = shards.merge(strictness, &mut |told| match told {
                Told::Begin(_) => begun += 1,
                Told::End(_) => ended += 1,
                _ => {}
            });
            assert!(begun == 1 && ended == u32::from(merged.is_ok()), "{begun} {ended} {merged:?}");
        }
    }
}

/// Of a scan that is cut by its addresses.
fn part(number: &str) -> String {
    let shard = r#""shard":{"number":NUMBER,"count":3,"addresses":12,"ports":2,"scan":{"targets":"t","ports":"p","options":"o"}},"note""#;
    let record = String::from_utf8(records().swap_remove(0)).unwrap();
    record.replacen("\"note\"", &shard.replace("NUMBER", number), 1)
}

fn shards() -> Vec<Vec<u8>> {
    // That of a scan that is cut by its ports is merged alone.
    let ports = part("2").replace("\"addresses\":12,\"ports\"", "\"addresses\":2,\"ports\"");
    let short: String = part("2").lines().take(3).map(|line| line.to_owned() + "\n").collect();
    [part("2"), short, ports].map(String::into_bytes).to_vec()
}

fn words() -> Vec<Vec<u8>> {
    let words = [
        "10.0.0.0/24",
        "10.0.0.5-90",
        "10.0.0.5-10.0.1.9",
        "10.0,1.3-7.-",
        "-.-.-.5",
        "[::1]",
        "fd00::/126",
        "fd00::1-fd00::9",
        "gw.example",
        "22,80,8000-8100",
        "http,https",
        "-1024",
        "60000-",
        "-",
        "1.5m",
        "10k/s",
        "json:-",
        "list:/tmp/x",
        "# a comment",
        "a b\tc\n1.2.3.4\r\n",
    ];
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// How long each parser is tried by default, at most.
const DEFAULT_TIME: Duration = Duration::from_secs(3);
/// How many inputs each parser gets by default, at most.
const INPUTS: u64 = 200_000;

#[test]
fn parsers_survive_anything() {
    let seconds = variable("SYNPROBE_FUZZ_SECONDS");
    let seed = variable("SYNPROBE_FUZZ_SEED").unwrap_or(1);
    for &(name, parse, corpus) in PARSERS {
        let asked = seconds.map(|seconds| Duration::from_secs(seconds) / PARSERS.len() as u32);
        let end = Instant::now() + asked.unwrap_or(DEFAULT_TIME);
        let corpus = corpus();
        let mut input = Vec::new();
        let mut count = 0;
        while (asked.is_some() || count < INPUTS) && (!count.is_multiple_of(1024) || Instant::now() < end) {
            // Each input has a generator of its own, so that one can be repeated without those before it.
            let mut rng = SmallRng::seed_from_u64(seed.rotate_left(32) ^ count);
            mutate(&mut input, &corpus, &mut rng);
            let outcome = catch_unwind(AssertUnwindSafe(|| parse(&input)));
            assert!(outcome.is_ok(), "{name} panicked: seed {seed}, input number {count}: {input:02x?}");
            count += 1;
        }
    }
}

#[test]
fn the_corpus_is_valid_and_mutation_leaves_it() {
    let mut rng = SmallRng::seed_from_u64(1);
    for (corpus, medium) in [(frames(), Medium::Ethernet), (packets(), Medium::Ip)] {
        for frame in &corpus {
            assert!(Reply::parse(frame, medium, Checksums::Verify).is_ok(), "{medium:?} {frame:02x?}");
        }
        let mut verdicts = [0; 3];
        let mut input = Vec::new();
        for _ in 0..20_000 {
            mutate(&mut input, &corpus, &mut rng);
            verdicts[Reply::parse(&input, medium, Checksums::Pending).map_or_else(|verdict| 1 + verdict as usize, |_| 0)] += 1;
        }
        // A fuzzer whose inputs all fail at the first check tests nothing behind it.
        assert!(verdicts.iter().all(|&count| count > 200), "read, foreign, malformed: {verdicts:?}");
    }
}

/// Replaces `input` by one of `corpus` with one to eight changes.
fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut SmallRng) {
    input.clear();
    input.extend_from_slice(&corpus[rng.random_range(0..corpus.len())]);
    for _ in 0..rng.random_range(1..=8) {
        let len = input.len();
        let kind = rng.random_range(0..8);
        if len == 0 {
            input.push(rng.random());
            continue;
        }
        let at = rng.random_range(0..len);
        match kind {
            0 | 1 => input[at] ^= 1 << rng.random_range(0..8),
            2 => input[at] = EXTREMES[rng.random_range(0..EXTREMES.len())],
            3 => input[at] = rng.random(),
            4 => input.truncate(at),
            5 => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[rng.random_range(0..other.len())..]);
            }
            6 => {
                let word: u16 = if rng.random() { rng.random() } else { (len as u16).wrapping_add(rng.random_range(0..8)).wrapping_sub(4) };
                for (byte, new) in input[at..].iter_mut().zip(word.to_be_bytes()) {
                    *byte = new;
                }
            }
            _ => {
                let end = rng.random_range(at..=len.min(at + 8));
                input.extend_from_within(at..end);
            }
        }
        input.truncate(LONGEST);
    }
}

const EXTREMES: [u8; 8] = [0x00, 0x01, 0x0f, 0x40, 0x45, 0x4f, 0x7f, 0xff];
const LONGEST: usize = 4096;

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}: not a number")))
}

fn reply_on_ethernet(bytes: &[u8]) {
    reply(bytes, Medium::Ethernet);
}

fn reply_on_ip(bytes: &[u8]) {
    reply(bytes, Medium::Ip);
}

fn reply(bytes: &[u8], medium: Medium) {
    let verified = Reply::parse(bytes, medium, Checksums::Verify);
    let pending = Reply::parse(bytes, medium, Checksums::Pending);
    // Verifying only ever takes away.
    assert!(verified.is_err() || verified == pending);
}

fn frames() -> Vec<Vec<u8>> {
    let [source, destination] = [MacAddr([2, 0, 0, 0, 0, 2]), MacAddr([2, 0, 0, 0, 0, 1])];
    let mut frames = ip(Hop::Ethernet { source, destination });
    for tags in [&[0x81, 0x00, 0x20, 0x05][..], &[0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x05]] {
        let tagged = [&frames[0][..12], tags, &frames[0][12..]].concat();
        frames.push(tagged);
    }
    let neighbour = ArpReply { addr: TARGET, mac: source, target: US, target_mac: destination };
    frames.push(built(|slot| write_arp_reply(slot, &neighbour)));
    frames.push(built(|slot| write_request(slot, source, TARGET, US)));
    frames
}

fn packets() -> Vec<Vec<u8>> {
    ip(Hop::Ip)
}

fn ip(hop: Hop) -> Vec<Vec<u8>> {
    let answer = |flags, mss| TcpSegment {
        source: TARGET,
        destination: US,
        source_port: 443,
        destination_port: 40000,
        sequence: 1,
        acknowledgement: 2,
        flags: TcpFlags(flags),
        window: 65535,
        ttl: 60,
        mss,
    };
    let probe = Probe { hop: Hop::Ip, source: US, destination: TARGET, source_port: 40000, destination_port: 443, sequence: 1 };
    let syn = built(|slot| SynTemplate::new().write(slot, &probe));
    let echo = EchoReply { source: TARGET, destination: US, identifier: 40000, cookie: 1, ttl: 60 };
    let error = |kind, code, quoted| IcmpMessage { source: TARGET, destination: US, ttl: 60, kind, code, quoted };
    vec![
        built(|slot| write_tcp(slot, hop, &answer(TcpFlags::SYN | TcpFlags::ACK, Some(1460)))),
        built(|slot| write_tcp(slot, hop, &answer(TcpFlags::RST | TcpFlags::ACK, None))),
        built(|slot| write_icmp_error(slot, hop, &error(3, 13, &syn))),
        built(|slot| write_icmp_error(slot, hop, &error(11, 0, &syn[..28]))),
        built(|slot| write_echo_reply(slot, hop, &echo)),
    ]
}

const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn built(write: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut slot = [0; 256];
    let len = write(&mut slot);
    slot[..len].to_vec()
}
