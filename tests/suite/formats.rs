//! Every format, of a scan that ended, was interrupted and was killed, given to readers that are not ours.
//!
//! One scan of the practice network writes all formats at once. Killed, its files are made from its record by `convert`. A reader that is
//! not installed is said to be SKIPPED.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::spawn;

/// How a scan came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Interrupted,
    Killed,
}

const ENDS: [End; 3] = [End::Complete, End::Interrupted, End::Killed];
const FORMATS: [&str; 9] = ["text", "json", "xml", "grepable", "csv", "list", "markdown", "sqlite", "pcapng"];

/// The files of a scan that came to its end so; `None` where no namespace can be made.
fn scanned(end: End, dir: &Path) -> Option<()> {
    let (wrapper, options) = spawn::namespace()?;
    let outputs = FORMATS.map(|format| format!("-o {format}:{}", at(dir, format).display())).join(" ");
    let scan = format!("$0 demo -- -n -q 10.20.0.0/24 10.20.1.0/26 -F --note 'a | <b> & \"c\" -- d' --show closed {outputs}");
    let json = at(dir, "json").display().to_string();
    // Slow enough to be ended in its midst.
    let until_it_found = format!("for look in $(seq 400); do grep -q '\"open\"' {json} 2>/dev/null && break; sleep 0.02; done; sleep 0.3");
    let script = match end {
        End::Complete => format!("exec {scan}"),
        End::Interrupted => {
            format!("{scan} --rate 2000 --completeness off & scan=$!; {until_it_found}; kill -INT $scan; wait $scan; test $? = 130")
        }
        End::Killed => {
            let others = FORMATS.into_iter().filter(|format| !["json", "pcapng"].contains(format));
            let others: Vec<_> =
                others.map(|format| format!("-o {format}:{}", at(dir, &format!("converted/{format}")).display())).collect();
            let convert = format!("mkdir {}/converted; exec $0 convert -q {json} {}", dir.display(), others.join(" "));
            // The practice network ends with the program.
            format!("{scan} --rate 2000 --completeness off & scan=$!; {until_it_found}; kill -KILL $scan; wait $scan; {convert}")
        }
    };
    let mut command = Command::new(wrapper);
    command.env("XDG_STATE_HOME", spawn::state());
    command.args(*options).args(["--", "sh", "-c", &script, env!("CARGO_BIN_EXE_synprobe")]).env("LC_ALL", "C");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{end:?}: {output:?}");
    if end == End::Killed {
        let under_way = |format: &str| dir.join(format!("{format}.part")).exists() && !at(dir, format).exists();
        assert!(["text", "xml", "grepable", "markdown"].into_iter().all(under_way), "what is not complete has no final name");
        for format in FORMATS.into_iter().filter(|format| at(dir, &format!("converted/{format}")).exists()) {
            // The killed database is read as it was left, too.
            if format != "sqlite" {
                std::fs::rename(at(dir, &format!("converted/{format}")), at(dir, format)).unwrap();
            }
        }
    } else {
        let left: Vec<_> = FORMATS.into_iter().filter(|format| dir.join(format!("{format}.part")).exists()).collect();
        assert_eq!(left, [""; 0], "{end:?}");
    }
    Some(())
}

fn at(dir: &Path, format: &str) -> PathBuf {
    dir.join(format)
}

/// Runs a reader; `None`, and SKIPPED, where it is not installed.
fn read_by(program: &str, words: &[&str], dir: &Path) -> Option<Output> {
    let output = Command::new(program).args(words).current_dir(dir).env("LC_ALL", "C").output().ok();
    if output.is_none() {
        eprintln!("SKIPPED: {program} is not installed");
    }
    output
}

/// What a reader prints of a file it accepts, line by line.
fn lines(end: End, program: &str, words: &[&str], dir: &Path) -> Option<BTreeSet<String>> {
    let output = read_by(program, words, dir)?;
    assert!(output.status.success(), "{end:?}: {program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// nmap's document type definition, where the packages of Debian put it.
fn definition() -> Option<String> {
    let listed = Command::new("dpkg").args(["-L", "nmap-common"]).output().ok()?;
    let listed = String::from_utf8(listed.stdout).ok()?;
    listed.lines().find(|path| path.ends_with("/nmap.dtd")).map(str::to_owned)
}

/// A Python that may have libnmap and kubernetes-validate: the gate makes one.
pub(crate) fn python() -> String {
    std::env::var("SYNPROBE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

const LIBNMAP: &str = "
import sys
try:
    from libnmap.parser import NmapParser
except ImportError:
    print('SKIPPED'); sys.exit()
report = NmapParser.parse_fromfile('xml')
print('exit', report._runstats['finished']['exit'])
for host in report.hosts:
    for port, _ in host.get_open_ports():
        print(f'{host.address}:{port}')
";

const CSV: &str = "
import csv
rows = list(csv.DictReader(open('csv', newline='')))
assert rows and all(None not in row and None not in row.values() for row in rows)
for row in rows:
    if row['state'] == 'open': print(f\"{row['addr']}:{row['port']}\")
";

const GREPABLE: &str = r#"/Ports: / { split($0, fields, "\t"); for (i in fields) if (fields[i] ~ /^Ports: /) {
    n = split(substr(fields[i], 8), ports, ", "); split($0, head, " ");
    for (p = 1; p <= n; p++) { split(ports[p], port, "/"); if (port[2] == "open") print head[2] ":" port[1] } } }"#;

#[test]
fn readers_that_are_not_ours_accept_every_format() {
    for end in ENDS {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let Some(()) = scanned(end, dir) else { return };
        let Some(open) = lines(end, "jq", &["-r", r#"select(.type == "port" and .state == "open") | "\(.addr):\(.port)""#, "json"], dir)
        else {
            return;
        };
        assert!(open.len() > 5, "{end:?}: {open:?}");
        if end != End::Complete {
            // Every format says that it is not the whole.
            let text = std::fs::read_to_string(at(dir, "text")).unwrap();
            assert!(text.contains("interrupted: these are the results so far"), "{end:?}: {text}");
        }
        schema(end, dir);
        xml(end, dir, &open);
        let same = |found: Option<BTreeSet<String>>, format: &str| {
            if let Some(found) = found {
                assert_eq!(found, open, "{end:?}: {format}");
            }
        };
        same(lines(end, "awk", &[GREPABLE, "grepable"], dir), "grepable");
        same(lines(end, "awk", &["$1 == \"open\" { print $4 \":\" $3 }", "list"], dir), "list");
        same(lines(end, "python3", &["-c", CSV], dir), "csv");
        let query = "SELECT addr || ':' || port FROM open_ports";
        if end == End::Killed {
            same(lines(end, "sqlite3", &["converted/sqlite", query], dir), "sqlite, converted");
            let left = lines(end, "sqlite3", &["sqlite", query], dir);
            assert!(left.is_none_or(|left| !left.is_empty() && left.is_subset(&open)), "{end:?}: sqlite");
            lines(end, "sqlite3", &["sqlite", "SELECT 1 / (complete IS NULL) FROM scans"], dir);
        } else {
            same(lines(end, "sqlite3", &["sqlite", query], dir), "sqlite");
        }
        let fields =
            ["-r", "pcapng", "-Y", "tcp.flags.syn == 1 && tcp.flags.ack == 1", "-T", "fields", "-e", "ip.src", "-e", "tcp.srcport"];
        let evidence = lines(end, "tshark", &[&fields[..], &["-E", "separator=:"]].concat(), dir);
        match end {
            // A reply may be in one file and not yet in the other.
            End::Killed => assert!(evidence.is_none_or(|evidence| !evidence.is_empty()), "{end:?}: pcapng"),
            _ => same(evidence, "pcapng"),
        }
        let comments = lines(end, "tshark", &["-r", "pcapng", "-T", "fields", "-e", "frame.comment"], dir);
        assert!(comments.is_none_or(|comments| comments.iter().all(|comment| comment.starts_with("synprobe: "))), "{end:?}");
        println!("{end:?}: {} open ports in every format", open.len());
    }
}

fn schema(end: End, dir: &Path) {
    let schema = serde_json::from_str(synprobe::report::JSON_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let record = std::fs::read_to_string(at(dir, "json")).unwrap();
    for line in record.split_inclusive('\n').filter(|line| end != End::Killed || line.ends_with('\n')) {
        assert!(validator.is_valid(&serde_json::from_str(line).unwrap()), "{end:?}: {line}");
    }
}

fn xml(end: End, dir: &Path, open: &BTreeSet<String>) {
    match definition() {
        Some(definition) => _ = lines(end, "xmllint", &["--noout", "--nonet", "--dtdvalid", &definition, "xml"], dir),
        None => eprintln!("SKIPPED: nmap's document type definition is not installed"),
    }
    // Equal to itself, and different from one without its first open port.
    let document = std::fs::read_to_string(at(dir, "xml")).unwrap();
    let less: String = document.replacen("state=\"open\"", "state=\"closed\"", 1);
    std::fs::write(at(dir, "less.xml"), less).unwrap();
    for (other, status) in [("xml", 0), ("less.xml", 1)] {
        if let Some(compared) = read_by("ndiff", &["xml", other], dir) {
            assert_eq!(compared.status.code(), Some(status), "{end:?}: ndiff: {}", String::from_utf8_lossy(&compared.stderr));
        }
    }
    let Some(mut told) = lines(end, &python(), &["-c", LIBNMAP], dir) else { return };
    if told.remove("SKIPPED") {
        return eprintln!("SKIPPED: python-libnmap is not installed");
    }
    let exit = if end == End::Complete { "exit success" } else { "exit error" };
    assert!(told.remove(exit), "{end:?}: {told:?}");
    assert_eq!(told, *open, "{end:?}: python-libnmap");
}

#[test]
fn a_scan_and_the_conversion_of_its_record_come_out_alike() {
    let Some((wrapper, options)) = spawn::namespace() else { return };
    let live = ["text", "json", "xml", "grepable", "csv", "list", "markdown", "sqlite"];
    for scan in ["10.20.0.0/24 10.20.1.0/26 -F --show closed,filtered,down", "10.20.0.0/28 -F --hide-suspect --open", "-sn 10.20.0.0/24"] {
        let dir = tempfile::tempdir().unwrap();
        let outputs = |of: &str| live.map(|format| format!("-o {format}:{}/{of}.{format}", dir.path().display())).join(" ");
        let script = format!(
            "$0 demo -- -q --note 'a | <b>' {scan} {} ; exec $0 convert -q {}/live.json {}",
            outputs("live"),
            dir.path().display(),
            outputs("converted")
        );
        let mut command = Command::new(wrapper);
        command.env("XDG_STATE_HOME", spawn::state());
        command.args(*options).args(["--", "sh", "-c", &script, env!("CARGO_BIN_EXE_synprobe")]).env("LC_ALL", "C");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{scan}: {output:?}");
        for format in live {
            let [live, converted] = ["live", "converted"].map(|of| dir.path().join(format!("{of}.{format}")));
            if format == "sqlite" {
                let [live, converted] =
                    [live, converted].map(|path| read_by("sqlite3", &[&path.display().to_string(), ".dump"], dir.path()));
                assert_eq!(live.map(|output| output.stdout), converted.map(|output| output.stdout), "{scan}: {format}");
            } else {
                let [live, converted] = [live, converted].map(|path| std::fs::read_to_string(path).unwrap());
                assert!(live.len() > 20 && live == converted, "{scan}: {format}:\n{live}\n{converted}");
            }
        }
    }
}

#[test]
fn a_record_that_cannot_be_read_leaves_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let record = dir.path().join("scan.json");
    let begin = r#"{"type":"scan","schema_version":1,"version":"0.1.0","arguments":[],"seed":"1","started":1.5,"mode":"syn","addresses":1,"ports":1,"targets":1,"port_list":"80","egresses":[]}"#;
    std::fs::write(&record, format!("{begin}\nnonsense\n{{\"type\":\"pass\",\"stage\":0,\"pass\":2,\"blocks\":\"\"}}\n")).unwrap();
    let outputs = ["csv", "xml", "sqlite"].map(|format| format!("{format}:{}", dir.path().join(format).display()));
    let [csv, xml, sqlite] = &outputs;
    let record = record.display().to_string();
    let words = ["convert", &record, "-q", "-o", csv, "-o", xml, "-o", sqlite];
    let Some(output) = spawn::isolated(&words) else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("scan.json line 2: expected "), "{stderr}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let Some(output) = spawn::isolated(&[&words[..], &["--lenient"]].concat()) else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(3) && stderr.contains("left out 1 line that cannot be read; "), "{stderr}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4);
}

/// Under sudo the folder belongs to the user, and the scan has given up the right to write there when it ends.
#[cfg(target_os = "linux")]
#[test]
fn a_file_gets_its_name_in_the_folder_of_who_called_sudo() {
    use std::os::unix::fs::{MetadataExt, chown};
    let dir = tempfile::tempdir().unwrap();
    // To itself anybody may give it, that user too.
    if std::fs::metadata(dir.path()).unwrap().uid() == NOBODY || chown(dir.path(), Some(NOBODY), Some(NOBODY)).is_err() {
        return eprintln!("SKIPPED: only root can give a folder away");
    }
    // It will belong to the user too, so that other tests may not write there.
    let state = tempfile::tempdir().unwrap();
    let outputs = ["xml", "text", "json", "sqlite"].map(|format| format!("-o {format}:{}", dir.path().join(format).display())).join(" ");
    let script =
        format!("ip link set lo up || exit 77; SUDO_UID={NOBODY} SUDO_GID={NOBODY} exec $0 -q -n --connect 127.0.0.1 -p 20-25 {outputs}");
    let output = Command::new("unshare")
        .args(["--net", "--", "sh", "-c", &script, env!("CARGO_BIN_EXE_synprobe")])
        .env("XDG_STATE_HOME", state.path())
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        return eprintln!("SKIPPED: there is no ip program to bring loopback up");
    }
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr)), (Some(0), "".into()));
    for format in ["xml", "text", "json", "sqlite"] {
        let metadata = std::fs::metadata(dir.path().join(format)).unwrap();
        assert!(metadata.uid() == NOBODY && metadata.len() > 50, "{format}");
    }
}

const NOBODY: u32 = 65_534;

/// A /16 × 1000 ports of which one in a hundred is open, found in a random order: hosts come together in bounded memory.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "a measurement of a minute"]
fn formats_that_group_by_host_take_bounded_memory() {
    use std::fmt::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let mut record = String::from(
        r#"{"type":"scan","schema_version":1,"version":"0.1.0","arguments":[],"seed":"1","started":1767268800.0,"mode":"syn","addresses":65536,"ports":1000,"targets":65536000,"port_list":"1-1000","egresses":[]}"#,
    );
    record.push('\n');
    let addr = |host: u32| std::net::Ipv4Addr::from_bits(0x0a01_0000 + host);
    for number in 0..655_360_u32 {
        // A bijection of 0..2^16 for each of ten ports: neighbours in time are not neighbours in the network.
        let (host, port) = ((number.wrapping_mul(40_503) ^ 0x2f1b) & 0xffff, 1 + (number >> 16) * 97 + number % 7);
        let time = 1_767_268_800.0 + f64::from(number) * 1e-4;
        _ = writeln!(
            record,
            r#"{{"type":"port","addr":"{}","port":{port},"proto":"tcp","state":"open","reason":"syn-ack","ttl":64,"rtt_us":412,"attempt":1,"time":{time}}}"#,
            addr(host)
        );
    }
    for host in 0..65_536 {
        _ = writeln!(
            record,
            r#"{{"type":"host","addr":"{}","state":"up","reason":"syn-ack","names":[],"rtt_us":412,"open":10,"closed":990,"filtered":0,"unanswered":0,"not_probed":0,"closed_reasons":{{"reset":990}}}}"#,
            addr(host)
        );
    }
    std::fs::write(dir.path().join("json"), record).unwrap();
    for format in ["xml", "grepable", "text", "csv", "markdown", "sqlite"] {
        let began = std::time::Instant::now();
        let script = format!("ulimit -d 153600 && exec $0 convert -q json -o {format}:{format}");
        let output = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_synprobe")]).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{format} takes more than 150 MiB: {output:?}");
        let len = std::fs::metadata(dir.path().join(format)).unwrap().len();
        println!("{format}: {} MB in {:?}", len / 1_000_000, began.elapsed());
    }
}
