//! Scans of one network compared, ours and nmap's, before and after a service moved.

use std::path::Path;
use std::process::{Command, Output};

use crate::spawn;

/// In an empty network namespace, with a script's services on its loopback interface; `$0` is the program.
fn inside(dir: &Path, script: &str) -> Option<Output> {
    let (wrapper, options) = spawn::namespace()?;
    let mut command = Command::new(wrapper);
    command.args(*options).args(["--", "sh", "-euc", script, env!("CARGO_BIN_EXE_synprobe")]).current_dir(dir);
    Some(command.env("LC_ALL", "C").env("XDG_STATE_HOME", spawn::state()).env_remove("NO_COLOR").output().expect("a shell"))
}

fn diff(dir: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synprobe"));
    let output = command.arg("diff").args(words).current_dir(dir).env("LC_ALL", "C").output().expect("the program starts");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

const SERVICES: &str = r#"
ip link set lo up
serve() {
    rm -f ready
    python3 -c 'import socket, sys, time
servers = [socket.create_server(("127.0.0.1", int(port))) for port in sys.argv[1:]]
open("ready", "w").close()
time.sleep(60)' "$@" & server=$!
    for try in $(seq 100); do if [ -e ready ]; then break; fi; sleep 0.05; done
}
scan() {
    nmap -n -sT -p 7000-7040 127.0.0.1 127.0.0.2 -oX "nmap-$1.xml" >/dev/null
    "$0" --connect 127.0.0.1 127.0.0.2 -p 7000-7040 -n -q -o "json:$1.json" -o "xml:$1.xml" -o sqlite:audit.db --journal "$1.journal"
}
serve 7001 7002; scan old; kill $server; wait $server || true
serve 7002 7003; scan new; kill $server
"#;

#[test]
fn scans_of_ours_and_nmaps_tell_the_same() {
    if !is_installed("nmap") || !is_installed("python3") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let Some(output) = inside(dir.path(), SERVICES) else { return };
    assert!(output.status.success(), "{output:?}");
    let kinds = |of: &str| [format!("{of}.json"), format!("{of}.xml"), format!("{of}.journal"), format!("nmap-{of}.xml")];
    for old in kinds("old") {
        for same in kinds("old") {
            let (status, said) = diff(dir.path(), &[&old, &same]);
            assert!(status == Some(0) && said.ends_with("\nno difference\n"), "{old} {same}: {said}");
        }
        for new in kinds("new") {
            moved(&diff(dir.path(), &[&old, &new]));
        }
    }
    moved(&diff(dir.path(), &["--db", "audit.db", "--last", "2"]));
    moved(&diff(dir.path(), &["--db", "audit.db", "1", "2"]));
    cut(dir.path());
}

/// One port was opened and another closed.
fn moved((status, said): &(Option<i32>, String)) {
    assert_eq!(*status, Some(4), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("/tcp")).map(str::trim).collect();
    let [closed, opened] = lines[..] else { panic!("{said}") };
    assert!(closed.starts_with("~ 7001/tcp") && closed.contains("open (syn-ack) -> closed"), "{said}");
    assert!(opened.starts_with("~ 7003/tcp") && opened.contains("closed -> open (syn-ack)"), "{said}");
    assert!(said.ends_with("1 host changed, 2 ports changed: 1 port open now, 1 port no longer open\n"), "{said}");
}

/// A document that nmap did not finish, and a journal that was damaged.
fn cut(dir: &Path) {
    let whole = std::fs::read_to_string(dir.join("nmap-new.xml")).unwrap();
    let second = whole.rfind("<host ").unwrap();
    std::fs::write(dir.join("cut.xml"), &whole[..second + 20]).unwrap();
    let (status, said) = diff(dir, &["old.json", "cut.xml"]);
    let place = format!("synprobe: read cut.xml byte {second} (line {}): ", whole[..second].matches('\n').count() + 1);
    assert!(status == Some(2) && said.starts_with(&place) && said.ends_with("(--lenient uses what can be read)\n"), "{said}");
    let (status, said) = diff(dir, &["old.json", "cut.xml", "--lenient"]);
    assert_eq!(status, Some(4), "{said}");
    assert!(said.contains("? 127.0.0.2  up -> unknown: the new scan ended before") && said.contains("7003/tcp"), "{said}");

    let journal = std::fs::read_to_string(dir.join("new.journal")).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    let damaged = [&lines[..4], &["{\"type\":\"port\",\"addr\":\"127.0"], &lines[4..]].concat().join("\n");
    std::fs::write(dir.join("damaged.journal"), damaged).unwrap();
    let (status, said) = diff(dir, &["old.journal", "damaged.journal"]);
    assert!(status == Some(2) && said.contains("damaged.journal line 5: "), "{said}");
    let (status, said) = diff(dir, &["old.journal", "damaged.journal", "--lenient"]);
    assert!(status == Some(4) && said.contains("left out 1 line that cannot be read") && said.contains("7003/tcp"), "{said}");
}
