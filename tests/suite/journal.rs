//! Journals from outside: scans of the practice network that are killed and resumed, and what cannot be resumed.

use std::path::Path;
use std::process::{Command, Output};

use crate::spawn;

/// Runs a script in an empty network namespace, in `folder`, whose journals are in `folder/state`; `$0` is the program. `None` where the
/// system forbids that.
pub(crate) fn script(folder: &Path, script: &str) -> Option<Output> {
    let (wrapper, options) = spawn::namespace()?;
    let mut command = Command::new(wrapper);
    command.args(*options).args(["--", "sh", "-c", &format!("ip link set lo up || exit 77\n{script}"), env!("CARGO_BIN_EXE_synprobe")]);
    let output = command.current_dir(folder).env("LC_ALL", "C").env("XDG_STATE_HOME", folder.join("state")).output().unwrap();
    if output.status.code() == Some(77) {
        eprintln!("SKIPPED: there is no ip program to bring loopback up");
        return None;
    }
    Some(output)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Address and port of every finding of a list, and how many lines it has.
fn listed(path: &Path) -> (std::collections::BTreeSet<String>, usize) {
    let list = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = list.lines().filter(|line| line.starts_with("open")).collect();
    (lines.iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect(), lines.len())
}

/// Scans the practice network, whose every loss is different, without being killed; then the same ended twice, by SIGKILL and by SIGTERM.
#[test]
fn killed_and_resumed_it_finds_what_one_scan_finds() {
    const SCAN: &str = "10.20.0.0/24 10.20.1.0/26 -p 1-200 --rate 8000 --host-rate 8000 -n -q";
    let killed = |signal: &str, after: &str| {
        // The practice network ends with the program, which is the shell's own child.
        format!("pid=$!; sleep {after}; kill -{signal} $pid; wait $pid || true")
    };
    let commands = format!(
        "$0 demo -- {SCAN} -o list:whole -o json:whole.json --no-journal; echo whole $?; tail -1 whole.json >&2
         $0 demo -- {SCAN} -o list:parts -o json:parts.json -o pcapng:parts.pcapng & {}
         $0 demo -- resume & {}
         $0 history; $0 demo -- resume; echo status $?; $0 history; $0 demo -- resume; echo status $?; ls state/synprobe",
        killed("KILL", "1.4"),
        killed("TERM", "1.5"),
    );
    // On a machine that is so busy that answers come too late, a scan says that it is incomplete: then once more.
    let mut runs = (0..3).map_while(|_| {
        let dir = tempfile::tempdir().unwrap();
        let output = script(dir.path(), &commands)?;
        Some((dir, text(&output.stdout), text(&output.stderr)))
    });
    let is_complete = |(_, said, _): &(_, String, _)| said.contains("whole 0") && said.contains("status 0");
    let Some(mut run) = runs.next() else { return };
    while !is_complete(&run)
        && let Some(another) = runs.next()
    {
        run = another;
    }
    let (dir, said, told) = run;
    assert!(said.contains("whole 0") && said.contains("interrupted") && said.contains("ended"), "{said}{told}");
    assert!(said.contains("status 0") && told.contains("none was interrupted"), "{said}{told}");
    let journals = said.lines().filter(|line| line.ends_with(".journal") && !line.contains('/')).count();
    assert_eq!(journals, 1, "resuming goes on with the same: {said}");
    let ((whole, _), (parts, lines)) = (listed(&dir.path().join("whole")), listed(&dir.path().join("parts")));
    assert_eq!(parts.len(), lines, "each is told once");
    assert!(!parts.is_empty() && parts == whole, "{:?}", whole.symmetric_difference(&parts).collect::<Vec<_>>());
    // A capture goes on. What waited for a verdict about its host when that was killed is told without its packet.
    let fields = ["-Y", "tcp.flags.syn == 1 && tcp.flags.ack == 1", "-T", "fields", "-e", "tcp.srcport", "-e", "ip.src"];
    let packets = Command::new("tshark").args(["-r", "parts.pcapng"]).args(fields).current_dir(dir.path()).output();
    if let Ok(packets) = packets {
        let proven: std::collections::BTreeSet<_> =
            text(&packets.stdout).lines().map(|line| format!("open tcp {}", line.replace('\t', " "))).collect();
        assert!(
            proven.is_subset(&whole) && proven.len() * 10 >= whole.len() * 8,
            "{} of {}: {}",
            proven.len(),
            whole.len(),
            text(&packets.stderr)
        );
    } else {
        eprintln!("SKIPPED: the packets of a scan that went on: tshark is not installed");
    }
    let summary = |name: &str| {
        let record = std::fs::read_to_string(dir.path().join(name)).unwrap();
        serde_json::from_str::<serde_json::Value>(record.lines().last().unwrap()).unwrap()
    };
    let [whole, parts] = ["whole.json", "parts.json"].map(summary);
    for field in ["targets", "open", "hosts_up", "hosts_down", "not_probed"] {
        assert_eq!(whole[field], parts[field], "{field}: {whole} {parts}");
    }
    let sum: u64 = ["answered", "unanswered", "not_probed"].map(|field| parts[field].as_u64().unwrap()).iter().sum();
    assert_eq!(Some(sum), parts["targets"].as_u64(), "{parts}");
    // Who answers is asked once, who does not once in each pass; how many do not depends on when hosts with limits were asked.
    let number = |field: &str| parts[field].as_f64().unwrap();
    let due = number("answered") + number("unanswered") * parts["pace"]["passes"].as_f64().unwrap();
    assert!(number("probes") < 1.1 * due, "{due} were due: {parts}, and without being killed {whole}\n{told}");
}

/// README's commands, after a scan that was killed.
#[test]
fn readme_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("<!-- interrupted -->").nth(1).unwrap().split("```").nth(1).unwrap().strip_prefix("sh\n").unwrap();
    let commands = format!(
        "sudo() {{ \"$@\"; }}; synprobe() {{ if [ $1 = resume ]; then $0 demo -- \"$@\"; else $0 \"$@\"; fi; }}
         $0 demo -- 10.20.0.0/24 -p 1-100 --rate 4000 -n -q -o list:found & pid=$!; sleep 1.5; kill -KILL $pid; wait $pid
         cp state/synprobe/*.journal interrupted.journal
         set -e; {block}
         $0 convert -q interrupted.journal -o json:- | tail -1; ls state/synprobe | wc -l"
    );
    let Some(output) = script(dir.path(), &commands) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && said.contains("interrupted"), "{said}{told}");
    assert_eq!(said.lines().last().map(str::trim), Some("0"), "no journal is left: {said}{told}");
    let summary: serde_json::Value = serde_json::from_str(said.lines().rev().nth(1).unwrap()).unwrap();
    // What has no line of its own is told of all the same.
    assert!(summary["closed"].as_u64() > Some(50) && summary["open"].as_u64() > Some(0) && summary["interrupted"] == true, "{summary}");
    let xml = std::fs::read_to_string(dir.path().join("so-far.xml")).unwrap();
    assert!(xml.contains("exit=\"error\"") && xml.contains("state=\"open\""), "{xml}");
}

#[test]
fn a_killed_connect_scan_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let commands = "
        scan=\"127.0.0.1 --connect -p 1-3000 --rate 1500 --show closed -n -q -o list:found -o json:record --journal here\"
        $0 $scan & pid=$!; sleep 1; kill -KILL $pid; wait $pid || true
        before=$(grep -c '\"type\":\"port\"' here); test $before -gt 300 || echo only $before
        $0 resume here; echo status $?; grep -c '\"type\":\"port\"' record; tail -1 record";
    let Some(output) = script(dir.path(), commands) else { return };
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["status 0", "3000"], "{said}{}", text(&output.stderr));
    let summary: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!((summary["answered"].as_u64(), summary["targets"].as_u64()), (Some(3000), Some(3000)), "{summary}");
    assert!(summary["probes"].as_u64().unwrap() < 3200, "{summary}");
}

/// Under sudo the folder belongs to the user, and the scan gives up the right to write there when it begins.
#[test]
fn under_sudo_it_goes_on_with_the_users_journal() {
    if std::fs::read_to_string("/proc/self/status").is_ok_and(|status| !status.contains("\nUid:\t0\t0\t0\t0\n")) {
        return eprintln!("SKIPPED: only root can play sudo");
    }
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let commands = format!(
        "ip link set lo up || exit 77; export SUDO_UID={NOBODY} SUDO_GID={NOBODY}
         $0 127.0.0.1 -p 1-3000 --rate 1500 --host-rate 1500 -n -q -o list:found & pid=$!; sleep 1.2; kill -KILL $pid; wait $pid
         $0 resume; echo status $?; stat -c %u state/synprobe state/synprobe/*; $0 history | grep -c ended; ls state/synprobe | wc -l"
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sh", "-c", &commands, env!("CARGO_BIN_EXE_synprobe")]).current_dir(dir.path());
    let output = command.env("LC_ALL", "C").env("XDG_STATE_HOME", dir.path().join("state")).output().unwrap();
    if output.status.code() == Some(77) {
        return eprintln!("SKIPPED: there is no ip program to bring loopback up");
    }
    let said = text(&output.stdout);
    assert_eq!(said, format!("status 0\n{NOBODY}\n{NOBODY}\n1\n1\n"), "{}", text(&output.stderr));
}

const NOBODY: u32 = 65_534;

#[test]
fn what_cannot_be_resumed_is_said_before_the_first_packet() {
    let dir = tempfile::tempdir().unwrap();
    let commands = "
        say() { echo \"$*\"; }
        killed() { \"$@\" & pid=$!; sleep 0.7; kill -KILL $pid; wait $pid || true; }
        echo 127.0.0.1 > targets
        killed $0 -i targets --connect -p 1-60000 --rate 1000 -q --journal of-file
        cp of-file edited; sed -i 's/127.0.0.1\\/32/127.0.0.2\\/32/; s/\"127.0.0.1\"/\"127.0.0.2\"/' edited
        $0 resume edited; say status $?
        echo 127.0.0.3 >> targets; $0 resume of-file; say status $?
        sed 's/\"version\":\"[0-9.]*\",\"directory\"/\"version\":\"99.0.0\",\"directory\"/' of-file > newer
        $0 resume newer; say status $?
        $0 127.0.0.1 --connect -p 1-50 -q --journal whole; $0 resume whole; say status $?
        $0 127.0.0.1 --connect -p 1-50 -q --journal whole; say status $?
        $0 127.0.0.1 --connect -p 1-20000 --rate 5000 -q --journal busy & pid=$!; sleep 0.5; $0 resume busy; say status $?; kill -KILL $pid
        echo nonsense > nonsense; $0 resume nonsense; say status $?; $0 resume missing; say status $?
        $0 127.0.0.1 --connect -p 1-50 -q --journal no/such/folder; say status $?; ls";
    let Some(output) = script(dir.path(), commands) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(said.matches("status 2").count(), 9, "{said}{told}");
    for cause in [
        "not as they were written",
        "has changed since the scan began",
        "its scan has ended",
        "whole: it exists",
        "still runs",
        "nonsense",
        "missing: No such file",
        "no/such/folder: No such file",
    ] {
        assert!(told.contains(cause), "{cause}: {told}");
    }
    assert!(!said.contains(".part"), "{said}");
}

#[test]
fn history_lists_and_prunes() {
    let dir = tempfile::tempdir().unwrap();
    let commands = "
        $0 127.0.0.1 --connect -p 1-50 -q; $0 127.0.0.1 --connect -p 1-60 -q --no-journal
        $0 127.0.0.1 --connect -p 1-60000 --rate 1000 -q & pid=$!; sleep 0.5; $0 history; $0 history --prune=all
        kill -KILL $pid; wait $pid || true; $0 history --prune; ls state/synprobe | wc -l; $0 history --prune=all; ls state/synprobe | wc -l; $0 history
        stat -c %a state/synprobe";
    let Some(output) = script(dir.path(), commands) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(said.matches("-p 1-50 ").count(), 1, "{said}");
    assert!(said.contains("running") && said.contains("ended") && !said.contains("-p 1-60 "), "{said}");
    assert!(told.contains("removed 1 journal") && told.contains("removed 0 journals") && told.contains("no scan was recorded"), "{told}");
    let counts: Vec<&str> = said.lines().filter(|line| line.trim().parse::<u32>().is_ok()).collect();
    assert_eq!(counts[..2], ["1", "0"], "{said}{told}");
}
