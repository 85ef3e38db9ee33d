//! The program in a namespace: exit statuses, signals, capabilities.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::bed::Bed;

#[test]
fn statuses_say_how_far_the_answer_goes() {
    let Some(mut bed) = Bed::of("program::statuses_say_how_far_the_answer_goes") else { return };
    bed.answer_for("10.0.0.128/28");
    let _listening = bed.listen(&[80]);
    let found = run("10.0.0.128-10.0.0.143 -p 80 -n -o list:-");
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    assert_eq!(text(&found.stdout).lines().filter(|line| line.starts_with("open tcp 80 10.0.0.")).count(), 16, "{found:?}");
    for (line, status, says) in [
        ("10.0.0.16/28 -p 80 -n", 3, "nothing answered"),
        ("10.0.0.16/28 -p 80 -n --canary 10.0.0.2:80", 0, "0 of 16 hosts up, 16 down"),
        ("10.0.0.2 10.99.0.0/24 -p 80 -n", 3, "no route to 256 addresses: 10.99.0.0/24"),
        ("10.99.0.0/24 -p 80 -n", 1, "no route"),
        ("10.0.0.2 -p 80 -n --interface eth9", 1, "use interface eth9: there is none of that name"),
        ("10.0.0.2 -p 80 -n --source-ip 10.0.0.9", 1, "source address not ours"),
        ("240.0.0.0/30 -p 80 -n", 2, "no target is left"),
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert!(said.contains(says), "{line}: {output:?}");
    }
}

#[test]
fn a_signal_ends_it_with_valid_results_so_far() {
    let Some(mut bed) = Bed::of("program::a_signal_ends_it_with_valid_results_so_far") else { return };
    bed.answer_for("10.64.0.0/28");
    bed.route("10.65.0.0/16", "10.0.0.2");
    let _listening = bed.listen(&(80..90).collect::<Vec<_>>());
    for signal in ["INT", "TERM"] {
        // Ten open ports on sixteen hosts, and a network that swallows everything.
        let mut scan = start("10.64.0.0/28 10.65.0.0/16 -p 80-89 -n -q --json");
        let mut lines = BufReader::new(scan.stdout.take().unwrap()).lines();
        let mut read: Vec<String> = lines.by_ref().take(1).map(Result::unwrap).collect();
        // The first record says that it has begun.
        std::thread::sleep(Duration::from_millis(300));
        kill(&scan, signal);
        let since = Instant::now();
        read.extend(lines.map(Result::unwrap));
        assert_eq!(scan.wait().unwrap().code(), Some(130), "{signal}");
        assert!(since.elapsed() < Duration::from_secs(5), "{signal}: {:?}", since.elapsed());
        let records: Vec<serde_json::Value> = read.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (first, last) = (&records[0], &records[records.len() - 1]);
        assert_eq!(
            (&first["type"], &last["type"], &last["interrupted"], &last["complete"]),
            (&"scan".into(), &"summary".into(), &true.into(), &false.into())
        );
        let open = records.iter().filter(|record| record["type"] == "port" && record["state"] == "open").count();
        assert_eq!(last["open"], open, "{last}");
        let add = |names: &[&str]| names.iter().map(|name| last[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!(add(&["open", "closed", "filtered", "unanswered", "not_probed"]), (16 + 65_536) * 10, "{last}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Some(mut bed) = Bed::of("program::a_second_signal_ends_it_at_once") else { return };
    bed.answer_for("10.64.0.0/24");
    // Nobody reads what it writes, so it cannot end in good order.
    let mut scan = start("10.64.0.0/24 -p 1-200 -n --rate 100k --json --show closed");
    let mut first = [0];
    scan.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    kill(&scan, "INT");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(scan.try_wait().unwrap(), None, "it waits for its reader");
    kill(&scan, "TERM");
    let since = Instant::now();
    assert_eq!(scan.wait().unwrap().code(), Some(130));
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[test]
fn no_thread_of_the_program_holds_a_capability() {
    let Some(mut bed) = Bed::of("program::no_thread_of_the_program_holds_a_capability") else { return };
    bed.route("10.65.0.0/16", "10.0.0.2");
    let mut scan = start("10.65.0.0/16 -p 80 -q --json");
    let mut lines = BufReader::new(scan.stdout.take().unwrap()).lines();
    // It begins when everything is open.
    lines.next().unwrap().unwrap();
    let tasks: Vec<_> = std::fs::read_dir(format!("/proc/{}/task", scan.id())).unwrap().map(|task| task.unwrap().path()).collect();
    let held: Vec<(String, String)> = tasks
        .iter()
        .map(|task| {
            let [name, status] = ["comm", "status"].map(|file| std::fs::read_to_string(task.join(file)).unwrap_or_default());
            let line = status.lines().find(|line| line.starts_with("CapPrm:")).unwrap_or_default().to_owned();
            (name.trim().to_owned(), line)
        })
        .collect();
    kill(&scan, "INT");
    lines.for_each(drop);
    assert_eq!(scan.wait().unwrap().code(), Some(130));
    assert!(held.len() > 1 && held.iter().all(|(_, line)| line.ends_with("\t0000000000000000")), "{held:?}");
}

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synprobe"));
    command.env("XDG_STATE_HOME", crate::spawn::state());
    command.args(line.split_whitespace()).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(line: &str) -> Output {
    command(line).output().unwrap()
}

fn start(line: &str) -> Child {
    command(line).spawn().unwrap()
}

/// Sends the process a signal, by the shell: the library has no call for that and tests may make no unsafe one.
fn kill(process: &Child, signal: &str) {
    let done = Command::new("sh").args(["-c", &format!("kill -{signal} {}", process.id())]).status().unwrap();
    assert!(done.success());
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
