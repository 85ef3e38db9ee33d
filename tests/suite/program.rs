//! The program from outside: words in, words and a status out.

use std::path::Path;
use std::process::Command;

use crate::spawn;

/// Help, messages and statuses, in files that read like a terminal. They run in a test of this very binary that was started
/// again in an empty network namespace.
#[test]
fn terminal_sessions() {
    if std::env::var_os(INSIDE).is_some() {
        trycmd::TestCases::new()
            .env("LC_ALL", "C")
            .env("XDG_STATE_HOME", spawn::state().display().to_string())
            .case("tests/cmd/*.trycmd")
            .run();
        return;
    }
    let Some((wrapper, options)) = spawn::namespace() else { return };
    let again = std::env::current_exe().unwrap();
    let test = ["--exact", "program::terminal_sessions", "--nocapture"];
    let status = Command::new(wrapper).args(*options).arg("--").arg(again).args(test).env(INSIDE, "1").status().unwrap();
    assert!(status.success());
}

const INSIDE: &str = "SYNPROBE_TEST_INSIDE_NAMESPACE";

#[test]
fn the_committed_manual_is_the_generated_one() {
    let generated = spawn::harmless(&["generate", "man"]);
    assert!(generated.status.success());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/synprobe.1");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &generated.stdout).unwrap();
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(committed == generated.stdout, "man/synprobe.1 is not up to date: run this test with UPDATE_GENERATED=1");
}

#[test]
fn the_manual_names_every_option() {
    let manual = String::from_utf8(spawn::harmless(&["generate", "man"]).stdout).unwrap();
    let help = String::from_utf8(spawn::harmless(&["--help"]).stdout).unwrap();
    let options: Vec<&str> =
        help.split_whitespace().filter(|word| word.starts_with("--")).map(|word| word.trim_end_matches([',', '.'])).collect();
    assert!(options.len() > 20);
    for option in options {
        assert!(manual.contains(&option.replace('-', "\\-")), "{option}");
    }
}

#[test]
fn help_is_a_command_too() {
    let [word, option] = [["help"], ["--help"]].map(|words| spawn::harmless(&words));
    assert!(word.status.success() && !word.stdout.is_empty());
    assert_eq!(text(&word.stdout), text(&option.stdout));
}

#[test]
fn completions_know_options_and_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = spawn::harmless(&["generate", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && ["exclude-file", "interfaces", "polite"].iter().all(|word| text.contains(word)), "{shell}");
    }
}

#[test]
fn an_existing_output_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    std::fs::write(&old, "mine").unwrap();
    let (to_new, to_old) = (format!("json:{}", new.display()), format!("list:{}", old.display()));
    let Some(output) = spawn::isolated(&["192.0.2.1", "-p", "1", "-o", &to_new, "-o", &to_old]) else { return };
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it exists (--force overwrites it)"));
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "mine");
    assert!(!new.exists());
}

/// Runs the program in an empty namespace whose loopback is up, through a shell that can do more with it than start it.
fn with_loopback(script: &str) -> Option<std::process::Output> {
    let (wrapper, options) = spawn::namespace()?;
    let script = format!("ip link set lo up || exit 77\n{script}");
    let mut command = Command::new(wrapper);
    command
        .args(*options)
        .args(["--", "sh", "-c", &script, env!("CARGO_BIN_EXE_synprobe")])
        .env("LC_ALL", "C")
        .env("XDG_STATE_HOME", spawn::state());
    let output = command.output().unwrap();
    if output.status.code() == Some(77) {
        eprintln!("SKIPPED: a program that this needs, ip or nft, is not here");
        return None;
    }
    Some(output)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn what_a_firewall_here_bars_is_counted_and_the_scan_ends() {
    let table = "table ip t { chain o { type filter hook output priority 0; tcp dport 10-20 drop; }; }";
    let script = format!("command -v nft > /dev/null || exit 77; nft '{table}' && exec timeout 30 $0 --syn -n --json 127.0.0.1 -p 1-50");
    let Some(output) = with_loopback(&script) else { return };
    let said = text(&output.stdout);
    let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_default();
    assert_eq!(output.status.code(), Some(3), "{said}{}", text(&output.stderr));
    assert_eq!(summary["answered"], 39, "{summary}");
    assert!(summary["send_errors"].as_u64() >= Some(11), "{summary}");
}

#[test]
fn every_line_of_json_fulfils_the_schema() {
    let scans = ["--connect -p 20-30 --show closed,down", "-p 20-30 --show closed --note x", "--connect -p 20-30 --max-duration 0"];
    for scan in scans {
        let Some(output) = with_loopback(&format!("exec $0 127.0.0.1 --json {scan}")) else { return };
        let schema = serde_json::from_str(synprobe::report::JSON_SCHEMA).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let lines: Vec<serde_json::Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["type"], &lines.last().unwrap()["type"]), (&"scan".into(), &"summary".into()), "{scan}");
        for line in &lines {
            let errors: Vec<String> = validator.iter_errors(line).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{scan}: {line}: {errors:?}");
        }
    }
}

#[test]
fn a_host_that_cannot_be_asked_is_not_called_silent() {
    let Some(output) = with_loopback("exec $0 --connect -n 127.0.0.1 192.0.2.0/30 -p 20-21 --show down --reason") else { return };
    assert_eq!(output.status.code(), Some(3));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines[2..4], ["192.0.2.0  not-probed  net-unreach", "  2 not probed"], "{lines:#?}");
    assert!(lines.last().unwrap().starts_with("1 of 5 hosts up, 4 not probed; 0 open ports, 2 closed, 8 not probed;"), "{lines:#?}");
}

#[test]
fn a_disk_that_is_full_is_said_once_and_the_scan_goes_on() {
    let Some(output) = with_loopback("exec $0 --connect -n 127.0.0.1 -p 20-30 --show closed -o json:/dev/full -o list:-") else { return };
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stderr).matches("/dev/full").count(), 1, "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("closed tcp").count(), 11);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let Some(output) = with_loopback("$0 --connect -n 127.0.0.1 -p- --show closed | head -n 1; $0 --help | head -n 1") else { return };
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout).lines().count(), 2);
}

#[test]
fn a_closed_standard_output_is_said_before_the_first_packet() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("scan.list").display().to_string();
    let scan = "$0 --connect -n 127.0.0.1 -p 20";
    for (words, status) in [
        (format!("{scan} >&-"), 2),
        (format!("{scan} 1</dev/null"), 2),
        (format!("{scan} --json -o list:{file} >&-"), 2),
        (format!("{scan} --dry-run >&-"), 2),
        ("$0 interfaces >&-".to_owned(), 2),
        (format!("{scan} >/dev/null"), 0),
        (format!("{scan} -o list:{file} --force >&-"), 0),
    ] {
        let Some(output) = with_loopback(&words) else { return };
        assert_eq!(output.status.code(), Some(status), "{words}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr).contains("write standard output: it is closed"), status == 2, "{words}");
        assert_eq!(std::fs::exists(&file).unwrap(), words.contains("--force"), "{words}");
    }
}

#[test]
fn a_signal_leaves_whole_results_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scan.json");
    // The first record on disk says that the scan runs.
    let script = format!(
        "$0 --syn -n -q --rate 20 127.0.0.0/28 -p- -o json:{path} & scan=$!\n\
         for look in $(seq 200); do test -s {path} && break; sleep 0.05; done\n\
         kill -INT $scan; wait $scan",
        path = path.display()
    );
    let Some(output) = with_loopback(&script) else { return };
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(&path).unwrap();
    let summary: serde_json::Value = serde_json::from_str(written.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["type"], &summary["interrupted"], &summary["complete"]), (&"summary".into(), &true.into(), &false.into()));
}

/// The echo of ^C must not begin another line, for only the line of the cursor is cleared.
#[test]
fn an_interrupted_scan_leaves_no_progress_line_behind() {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: there is no script program to make a terminal");
        return;
    }
    let typing = "(sleep 1; printf '\\003'; sleep 2)";
    let scan = "stty cols 80; exec $0 --syn -n --rate 20 127.0.0.1 -p-";
    let Some(output) = with_loopback(&format!("{typing} | script -qec \"{scan}\" /dev/null")) else { return };
    let shown = text(&output.stdout);
    let (before, after) = shown.split_once("^C").expect("the terminal echoes what is typed");
    assert!(before.contains("pass 1 "), "{shown:?}");
    assert!(before.rsplit('\r').next().unwrap().trim().is_empty(), "the cursor is not at the beginning of the line: {shown:?}");
    let (_, end) = after.rsplit_once("\u{1b}[2K").unwrap();
    assert!(end.contains("not probed\r\n") && end.contains("interrupted: "), "the line is drawn below each host: {shown:?}");
    assert!(!end.contains("pass 1 "), "{shown:?}");
}

#[test]
fn outputs_of_every_format_are_written_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let base = at("scan").display().to_string();
    let Some(output) = with_loopback(&format!("exec $0 -sT -n 127.0.0.1 -p 20-21 -oA {base} -o list:{base}.list --show closed")) else {
        return;
    };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert!(read("scan.nmap").starts_with("127.0.0.1  up"));
    assert!(read("scan.gnmap").contains("Host: 127.0.0.1 ()\tPorts: 20/closed/tcp//ftp-data///, 21/closed/tcp//ftp///\n"));
    assert!(read("scan.xml").contains("<port protocol=\"tcp\" portid=\"21\"><state state=\"closed\" reason=\"conn-refused\""));
    assert!(read("scan.list").contains("closed tcp 21 127.0.0.1 "));
}

#[test]
fn the_practice_network_answers_like_a_network() {
    let Some(output) = with_loopback("exec $0 demo -- --syn -n --json 10.20.0.5 -p 20-25,445") else { return };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let open = |port: u16| text(&output.stdout).contains(&format!("\"port\":{port},\"proto\":\"tcp\",\"state\":\"open\""));
    assert!(open(22) && open(445) && !open(23), "{}", text(&output.stdout));
}

#[test]
fn a_tarpit_is_flagged_in_every_format_and_left_out_if_asked() {
    for (option, is_hidden) in [("", false), ("--hide-suspect", true)] {
        let dir = tempfile::tempdir().unwrap();
        let outputs = FORMATS.map(|format| format!("-o {format}:{}/{format}", dir.path().display()));
        let script = format!("exec $0 demo -- --syn -n -q {option} {} 10.20.0.5 10.20.0.66 -p 20-45,445", outputs.join(" "));
        let Some(output) = with_loopback(&script) else { return };
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let [plain, json, list, grepable, xml, markdown] = FORMATS.map(|format| std::fs::read_to_string(dir.path().join(format)).unwrap());
        let why = "5 random high ports are open too, every one asked";
        // The command line names it in any case.
        let tells = |written: &str, what| written.lines().any(|line| line.contains(what) && !line.contains("20-45,445"));
        let all = [&plain, &json, &list, &grepable, &xml, &markdown];
        let said = all.map(|written| (tells(written, "10.20.0.66"), tells(written, why)));
        assert_eq!(said, [(!is_hidden, !is_hidden); 6], "{plain}{list}{grepable}{xml}{markdown}");
        assert_eq!(all.map(|written| written.contains("10.20.0.5")), [true; 6]);
        let records: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = records.last().unwrap();
        assert_eq!((&summary["hosts_suspect"], &summary["hosts_hidden"]), (&1.into(), &u64::from(is_hidden).into()));
        let ports = records.iter().filter(|record| record["type"] == "port").count() as u64;
        // All of the tarpit's ports are open and no others.
        assert_eq!(summary["open"].as_u64(), Some(ports + if is_hidden { 27 } else { 0 }), "{json}");
        let counted = if is_hidden { "2 of 2 hosts up (1 suspect host hidden)" } else { "2 of 2 hosts up (1 suspect)" };
        assert!(plain.contains(counted), "{plain}");
        assert_eq!([&list, &grepable].map(|written| written.contains("# 1 suspect host hidden\n")), [is_hidden; 2]);
    }
}

const FORMATS: [&str; 6] = ["text", "json", "list", "grepable", "xml", "markdown"];
