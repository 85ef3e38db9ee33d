//! What `synprobe generate kubernetes` and `slurm` write: read by others, and run as an engine would run it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::journal::{script, text};
use crate::spawn;

/// A scan of the practice network whose words no language takes as they are.
const SCAN: &[&str] = &["synprobe", "10.20.0.0/24", "-p", "22,80,443", "-n", "--note", "it's $(HOME) \"x\": - # é\n$$y"];

fn generated(words: &[&str]) -> String {
    let output = spawn::harmless(&[&["generate"], words].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The documents of a YAML file as JSON; `None`, and said, where Python has no reader.
fn documents(manifest: &str) -> Option<Vec<Value>> {
    use std::io::Write;
    let read = "
import sys, json
try:
    import yaml
except ImportError:
    print('SKIPPED'); sys.exit()
print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
    let child = Command::new("python3").args(["-c", read]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: python3 is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{manifest}");
    if text(&output.stdout).starts_with("SKIPPED") {
        eprintln!("SKIPPED: python3 has no yaml");
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn container(job: &Value) -> &Value {
    &job["spec"]["template"]["spec"]["containers"][0]
}

/// A container's words as the kubelet hands them over: `$$` is one dollar, and no variable is named `(HOME` and the like.
fn words(container: &Value, of: &str) -> Vec<String> {
    let words = container[of].as_array().map(Vec::as_slice).unwrap_or_default();
    words.iter().map(|word| word.as_str().unwrap().replace("$$", "$")).collect()
}

#[test]
fn a_manifest_for_kubernetes_is_read_as_it_is_meant() {
    let manifest = generated(
        &[&["kubernetes", "--shards", "4", "--image", "registry.example/synprobe: 1", "-o", "xml:whole scan.xml", "--"], SCAN].concat(),
    );
    let Some(documents) = documents(&manifest) else { return };
    let kinds: Vec<_> = documents.iter().map(|document| document["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["PersistentVolumeClaim", "Job"]);
    let (job, claim) = (&documents[1], &documents[0]["metadata"]["name"]);
    let spec = &job["spec"];
    // One more than shards: it merges.
    assert_eq!((&spec["completionMode"], &spec["completions"], &spec["parallelism"]), (&"Indexed".into(), &5.into(), &5.into()));
    assert!(spec["backoffLimit"].as_u64() >= Some(4));
    let refusals = &spec["podFailurePolicy"]["rules"][0];
    assert_eq!((&refusals["action"], &refusals["onExitCodes"]["containerName"]), (&"FailJob".into(), &container(job)["name"]));
    assert_eq!(words(container(job), "args"), SCAN[1..]);
    assert_eq!(container(job)["image"], "registry.example/synprobe: 1");
    assert_eq!(container(job)["env"][0]["name"], "RUN");
    let pod = &spec["template"]["spec"];
    assert_eq!(&pod["volumes"][0]["persistentVolumeClaim"]["claimName"], claim);
    assert_eq!(pod["volumes"][0]["name"], container(job)["volumeMounts"][0]["name"]);
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(container(job)["securityContext"]["capabilities"], serde_json::json!({ "drop": ["ALL"], "add": ["NET_RAW"] }));
    let added = |scan: &[&str]| {
        let documents = self::documents(&generated(&[&["kubernetes", "--", "synprobe", "10.0.0.0/24"], scan].concat())).unwrap();
        container(&documents[1])["securityContext"]["capabilities"]["add"].to_string()
    };
    assert_eq!(added(&["--connect"]), "null");
    assert_eq!(added(&["--engine", "xdp"]), r#"["NET_RAW","NET_ADMIN","BPF","PERFMON"]"#);
    assert!(manifest.contains("# hostNetwork: true"));
    is_valid(&manifest);
}

/// By the schemas of Kubernetes itself.
fn is_valid(manifest: &str) {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), manifest).unwrap();
    let python = crate::formats::python();
    let run = Command::new(&python).args(["-m", "kubernetes_validate", "--strict"]).arg(file.path()).output();
    let Some(run) = run.ok().filter(|run| !text(&run.stderr).contains("No module named")) else {
        return eprintln!("SKIPPED: kubernetes-validate is not installed for {python}");
    };
    assert!(run.status.success(), "{}{}", text(&run.stdout), text(&run.stderr));
}

/// Four pods, one of them twice, and the one that merges; what they run is what the manifest says. Another run, in the same volume and of
/// other ports before, leaves this one alone.
#[test]
fn what_kubernetes_would_run_finds_what_one_scan_finds() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = generated(&[&["kubernetes", "--shards", "4", "-o", "list:whole scan.list", "--"], SCAN].concat());
    let Some(documents) = documents(&manifest) else { return };
    let words: Vec<String> = [words(container(&documents[1]), "command"), words(container(&documents[1]), "args")].concat();
    let pod = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ");
    let other = pod.replace("22,80,443", "23");
    let commands = format!(
        "{PRACTICE}
         for index in 0 1 2 3; do RUN=before JOB_COMPLETION_INDEX=$index {other} || exit 1; done
         for index in 0 1 2 3 2; do RUN=this-run JOB_COMPLETION_INDEX=$index {pod} || exit 1; done; ls this-run
         RUN=this-run JOB_COMPLETION_INDEX=4 {pod}; echo status $?"
    );
    let Some(output) = script(dir.path(), &commands) else { return };
    is_what_one_scan_finds(dir.path(), "this-run/whole scan.list", &output);
    let said = text(&output.stdout);
    assert!((0..4).all(|index| said.contains(&format!("shard-{index}.journal.done\n"))), "{said}");
}

/// The script submits itself and what merges, by a stand-in for sbatch that runs the tasks one after the other.
#[test]
fn what_slurm_would_run_finds_what_one_scan_finds() {
    let dir = tempfile::tempdir().unwrap();
    let batch = generated(&[&["slurm", "--shards", "4", "-o", "list:whole scan.list", "--"], SCAN].concat());
    std::fs::write(dir.path().join("scan.sbatch"), &batch).unwrap();
    let checked = Command::new("bash").args(["-n", "scan.sbatch"]).current_dir(dir.path()).output();
    let Ok(checked) = checked else { return eprintln!("SKIPPED: bash is not installed") };
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    for line in ["#SBATCH --array=0-3\n", "#SBATCH --ntasks=1\n"] {
        assert!(batch.contains(line), "{batch}");
    }
    let commands = format!("{PRACTICE}\n{SBATCH}\nbash scan.sbatch; ls synprobe-journals; mv synprobe-journals/whole* .");
    let Some(output) = script(dir.path(), &commands) else { return };
    is_what_one_scan_finds(dir.path(), "whole scan.list", &output);
    let said = text(&output.stdout);
    assert!((0..4).all(|index| said.contains(&format!("shard-{index}.journal.done\n"))), "{said}");
}

/// Every scan is one of the practice network.
const PRACTICE: &str = r#"
mkdir bin; export PATH=$PWD/bin:$PATH PROGRAM=$0
printf '#!/bin/sh\ncase $1 in merge) exec "$PROGRAM" "$@" ;; *) exec "$PROGRAM" demo -- "$@" ;; esac\n' > bin/synprobe; chmod +x bin/synprobe
synprobe 10.20.0.0/24 -p 22,80,443 -n -q --no-journal -o list:one.list
"#;

const SBATCH: &str = r#"
cat > bin/sbatch <<'END'
#!/bin/bash
while [ $# -gt 0 ]; do case $1 in
    --parsable) shift ;;
    --dependency=afterany:17 | --job-name=* | --output=*) shift ;;
    --chdir=*) cd "${1#*=}" || exit; shift ;;
    --wrap) sh -c "$2" >&2; echo "status $?" >&2; exit ;;
    *) break ;;
esac; done
for task in 0 1 2 3; do SLURM_ARRAY_TASK_ID=$task bash "$1" > log-$task 2>&1 || exit; done
echo '17;cluster'
END
chmod +x bin/sbatch
"#;

fn is_what_one_scan_finds(dir: &Path, name: &str, output: &std::process::Output) {
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(said.contains("status 0") || told.contains("status 0"), "{said}{told}");
    let listed = |name: &str| {
        let list = std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}: {said}{told}"));
        let mut lines: Vec<String> =
            list.lines().filter(|line| line.starts_with("open")).map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        lines.sort_unstable();
        lines
    };
    assert!(listed("one.list").len() > 10);
    assert_eq!(listed("one.list"), listed(name));
}

#[test]
fn a_scan_that_cannot_be_divided_is_refused() {
    let targets = tempfile::NamedTempFile::new().unwrap();
    let path = targets.path().to_str().unwrap();
    for (words, cause) in [
        (&["slurm"][..], "none was given (for example: synprobe generate slurm"),
        (&["slurm", "--", "synprobe"], "none was given"),
        (&["slurm", "--", "synprobe", "-p", "80"], "no target was given"),
        (&["slurm", "--", "synprobe", "10.0.0.300"], "300 is above 255"),
        (&["slurm", "--", "synprobe", "10.0.0.0/24", "-p", "80-22"], "the range is reversed"),
        (&["slurm", "--", "synprobe", "10.0.0.0/24", "--frobnicate"], "unexpected argument '--frobnicate' found"),
        (&["slurm", "--", "synprobe", "10.0.0.0/24", "--shard", "2/8"], "'--shard <K/N>' cannot be used multiple times"),
        (&["slurm", "--", "synprobe", "10.0.0.0/24", "--journal", "x"], "leave --journal and --no-journal out"),
        (&["slurm", "--", "synprobe", "10.0.0.0/24", "-oX", "x"], "name outputs before the --"),
        (&["slurm", "--", "synprobe", "-i", "-"], "standard input"),
        (&["slurm", "--", "synprobe", "history"], "another than a scan"),
        (
            &["slurm", "--shards", "8", "--", "synprobe", "10.0.0.0/24", "--total-rate", "7"],
            "8 shards get less than one probe a second each",
        ),
        (&["slurm", "--shards", "0", "--", "synprobe", "10.0.0.0/24"], "0 is not in 1..=100000"),
        (&["slurm", "-o", "pcapng:x", "--", "synprobe", "10.0.0.0/24"], "hold no packets"),
        (&["man", "--", "synprobe", "10.0.0.0/24"], "it is of no scan"),
    ] {
        let output = spawn::harmless(&[&["generate"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(cause), "{words:?}: {}", text(&output.stderr));
    }
    let batch = generated(&["slurm", "--", "sudo", "synprobe", "-i", path, "-p", "80"]);
    assert!(batch.contains(&format!("# The scan reads {path}: every shard has to find the same there")), "{batch}");
}
