//! Scans divided among machines: their shards, merged, are one scan; and what does not belong together.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::journal::{script, text};

/// A line without what of it is a time, if it is of the results.
type Timeless = fn(&str) -> Option<&str>;

/// The lines of a file in order, without what of each line is a time.
fn sorted(path: &Path, timeless: Timeless) -> Vec<String> {
    let content = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = content.lines().filter_map(timeless).map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Fields without times were asked for.
#[expect(clippy::unnecessary_wraps, reason = "others leave lines out")]
fn of_csv(line: &str) -> Option<&str> {
    Some(line)
}

/// A line of masscan's list ends with a time; comments are of the scan.
fn of_list(line: &str) -> Option<&str> {
    line.strip_prefix("open").and_then(|line| line.rsplit_once(' ')).map(|(target, _)| target)
}

fn of_grepable(line: &str) -> Option<&str> {
    line.starts_with("Host:").then_some(line)
}

fn last_record(path: &Path) -> Value {
    let record = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(record.lines().last().unwrap()).unwrap()
}

/// Each shard scans a practice network of its own, which is the same every time. Of the host that is left out so few resets come back that how
/// many differs from scan to scan.
#[test]
fn eight_shards_merged_are_one_scan_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let commands = "
        scan='10.20.0.0/24 10.20.1.0/26 --exclude 10.20.1.42 -F -q'
        formats='-o csv:NAME.csv --fields addr,port,proto,state,reason,service,name,mac,host_state -o list:NAME.list -o grepable:NAME.gnmap -o json:NAME.json'
        $0 demo -- $scan $(echo $formats | sed s/NAME/whole/g) || exit 1
        for shard in 1 2 3 4 5 6 7 8; do $0 demo -- $scan --shard $shard/8 --journal $shard.journal -o list:/dev/null; echo shard $?; done
        $0 merge [5-8].journal [1-4].journal -q $(echo $formats | sed s/NAME/merged/g); echo status $?
        $0 merge ?.journal | tail -1; $0 convert -q 3.journal -o json:- | head -1";
    let Some(output) = script(dir.path(), commands) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    // No host is in some of them: of that alone such a shard does not know whether its probes arrive, but the others do.
    assert!(said.contains("shard 0\n") && said.contains("shard 3\n"), "{said}{told}");
    let said = said.split_once("status ").unwrap().1;
    assert!(said.starts_with("0\n"), "{said}{told}");
    let at = |name: &str| dir.path().join(name);
    let formats: [(&str, Timeless); 3] = [("csv", of_csv), ("list", of_list), ("gnmap", of_grepable)];
    for (extension, timeless) in formats {
        let [whole, merged] = ["whole", "merged"].map(|name| sorted(&at(&format!("{name}.{extension}")), timeless));
        assert!(whole.len() > 40, "{extension}: {whole:?}");
        assert_eq!(whole, merged, "{extension}");
    }
    let [whole, merged] = ["whole.json", "merged.json"].map(|name| last_record(&at(name)));
    for field in
        // How many errors a router sends differs from scan to scan, and with it who is filtered or unanswered.
        ["addresses", "targets", "hosts_up", "hosts_down", "hosts_not_probed", "open", "closed", "not_probed", "complete"]
    {
        assert_eq!(whole[field], merged[field], "{field}: {whole} {merged}");
    }
    assert!(merged["completeness"]["met"] == true && merged["pace"]["highest"].as_u64() > Some(0), "{merged}");
    let hosts = said.lines().nth(1).unwrap();
    assert!(hosts.contains(" of 317 hosts up") && hosts.contains("; no losses"), "{said}");
    let shard: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let (shard, addresses) = (&shard["shard"], &shard["addresses"]);
    assert_eq!((&shard["number"], &shard["count"], &shard["addresses"], addresses), (&3.into(), &8.into(), &319.into(), &40.into()));
}

/// Both families, and one host whose ports are divided; shards by number, by the environment, killed and resumed.
#[test]
fn shards_go_on_after_a_kill_and_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let commands = "
        whole() { $0 $scan -o csv:whole.csv --fields addr,port,state --force --no-journal; }
        merged() { $0 merge *.journal -q -o csv:merged.csv --fields addr,port,state -o json:merged.json --force; echo status $?; }
        same() { sort whole.csv > whole; sort merged.csv > merged; cmp whole merged && wc -l < whole; rm *.journal; }
        scan='127.0.0.1-3 ::1 --connect -p 1-30 --show closed -q'; whole
        for shard in 1 2 3; do $0 $scan --shard $shard/3 --journal $shard.journal -o list:/dev/null; done; merged; same
        scan='127.0.0.1 --connect -p 1-2000 --rate 1000 --show closed -q -o list:/dev/null'
        for task in 0 1; do AWS_BATCH_JOB_ARRAY_INDEX=$task AWS_BATCH_JOB_ARRAY_SIZE=3 $0 $scan --shard auto --journal $task.journal; done
        AWS_BATCH_JOB_ARRAY_INDEX=2 AWS_BATCH_JOB_ARRAY_SIZE=3 $0 $scan --shard auto --journal 2.journal & pid=$!
        sleep 0.4; kill -KILL $pid; wait $pid; merged; tail -1 merged.json; mkdir -p state/synprobe; cp *.journal state/synprobe
        $0 history; $0 resume 2.journal; echo status $?; merged; scan='127.0.0.1 --connect -p 1-2000 --show closed -q'; whole; same";
    let Some(output) = script(dir.path(), commands) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    // A header, and what each of four hosts closes.
    assert_eq!(lines[..3], ["status 0", "121", "status 3"], "{said}{told}");
    assert!(told.contains("shard 3/3 was killed or still runs; ") && told.contains("synprobe resume 2.journal goes on"), "{told}");
    let summary: Value = serde_json::from_str(lines[3]).unwrap();
    assert_eq!((&summary["targets"], &summary["addresses"], &summary["hosts_up"]), (&2000.into(), &1.into(), &1.into()), "{summary}");
    assert!(summary["not_probed"].as_u64() > Some(100) && summary["interrupted"] == true, "{summary}");
    assert!(["shard 1/3  ", "shard 3/3  ", "interrupted  "].iter().all(|word| said.contains(word)), "{said}");
    assert_eq!(lines[lines.len() - 3..], ["status 0", "status 0", "2001"], "{said}{told}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let commands = "
        shard() { $0 127.0.0.1-8 --connect -p ${ports:-1-3} -q -o list:/dev/null \"$@\"; }
        tried() { \"$@\"; echo status $?; }
        for shard in 1 2 3 4; do shard --shard $shard/4 --journal $shard; done
        ports=4-6 shard --shard 2/4 --journal ports; shard --shard 2/4 --journal options --attempts 1; shard --shard 2/5 --journal count
        shard --shard 2/4 --journal targets --exclude 127.0.0.7; shard --journal undivided
        tried $0 merge 1 2 3 4 -q -o list:all
        for other in ports options count targets undivided; do tried $0 merge 1 $other 3 4 -o json:none; done
        tried $0 merge 1 2 3 2 4; tried $0 merge 1 2 missing; tried $0 merge 1 -o pcapng:x; tried $0 merge 1 2 -o json:2 --force; tried $0 merge . 1
        echo nonsense > nonsense; tried $0 merge nonsense 1; printf '' > empty; tried $0 merge 1 empty; tried $0 merge
        sed 's/\"type\":\"summary\"/\"type\":\"what\"/' 2 > corrupt; tried $0 merge 1 corrupt 3 4; tried $0 merge 1 corrupt 3 4 --lenient -q
        tried $0 merge 1 3 -q -o json:part; ls";
    let Some(output) = script(dir.path(), commands) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    let statuses: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("status ")).collect();
    let refused = std::iter::repeat_n("2", 14);
    assert!(statuses.iter().copied().eq(["0"].into_iter().chain(refused).chain(["3", "3"])), "{statuses:?} {said}{told}");
    for cause in [
        "merge ports: it is of another scan than 1: its ports are others",
        "merge options: it is of another scan than 1: its options decide otherwise",
        "merge count: it is of another scan than 1: that was divided into 4 shards, and this into 5",
        "merge targets: it is of another scan than 1: its targets are others",
        "merge undivided: its scan was not divided into shards",
        "merge 2: it is of shard 2/4, as 2 is (name one of the two)",
        "read missing: No such file",
        "write x: a record holds no packets",
        "write 2: it is one of the records to be merged",
        "read .: it is no file",
        "read nonsense: its first line is no beginning of a scan",
        "read empty: it is empty",
        "read corrupt line ",
        "missing: the records of shards 2/4, 4/4; their 12 targets count as not probed",
    ] {
        assert!(told.contains(cause), "{cause}: {told}");
    }
    assert!(!dir.path().join("none").exists() && !dir.path().join("x").exists(), "{said}");
    let summary = last_record(&dir.path().join("part"));
    assert_eq!((&summary["targets"], &summary["not_probed"]), (&24.into(), &12.into()), "{summary}");
}

/// README's commands, on the practice network.
#[test]
fn readme_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("<!-- shards -->").nth(1).unwrap().split("```").nth(1).unwrap().strip_prefix("sh\n").unwrap();
    let commands = format!(
        "sudo() {{ \"$@\"; }}; synprobe() {{ case $1 in merge | generate) $0 \"$@\" ;; *) $0 demo -- \"$@\" || test $? = 3 ;; esac; }}
         set -e; {block}"
    );
    let Some(output) = script(dir.path(), &commands) else { return };
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && said.contains(" of 254 hosts up"), "{said}{told}");
    for file in ["scan.xml", "scan.json", "scan.sbatch"] {
        assert!(std::fs::read(dir.path().join(file)).is_ok_and(|content| content.len() > 1000), "{file}");
    }
}

/// What GNU parallel runs at once, each in a practice network of its own, is merged to what one scan finds.
#[test]
fn gnu_parallel_runs_shards() {
    let dir = tempfile::tempdir().unwrap();
    let has_it = std::process::Command::new("parallel").arg("--version").output().is_ok_and(|output| text(&output.stdout).contains("GNU"));
    if !has_it {
        return eprintln!("SKIPPED: GNU parallel is not installed");
    }
    let commands = "
        export HOME=$PWD; mkdir -p .parallel; : > .parallel/will-cite
        $0 demo -- 10.20.0.0/24 -p 22,80,443 -q -o list:whole.list --no-journal
        seq 5 | parallel -j 2 $0 demo -- 10.20.0.0/24 -p 22,80,443 -q --canary 10.20.0.1:80 --shard auto/5 --journal {}.journal -o list:/dev/null
        echo status $?; $0 merge *.journal -q -o list:merged.list; echo status $?";
    let Some(output) = script(dir.path(), commands) else { return };
    assert_eq!(text(&output.stdout), "status 0\nstatus 0\n", "{}", text(&output.stderr));
    let [whole, merged] =
        ["whole.list", "merged.list"].map(|name| sorted(&dir.path().join(name), of_list).into_iter().collect::<BTreeSet<_>>());
    assert!(whole.len() > 10 && whole == merged, "{whole:?} {merged:?}");
}
