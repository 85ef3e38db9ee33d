//! A real Slurm on one node, in a network namespace: what `synprobe generate slurm` writes is submitted, run and merged.

use std::process::Command;

use crate::journal::text;
use crate::spawn;

/// A controller and a node that trust each other without munge, and end with the namespace of processes that they are in.
const CLUSTER: &str = r#"
ip link set lo up && ip addr add 10.99.0.1/32 dev lo || exit 77
node=$(hostname -s); mkdir state spool
cat > slurm.conf <<END
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=17817
SlurmdPort=17818
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$PWD/state
SlurmdSpoolDir=$PWD/spool
SlurmctldPidFile=$PWD/state/slurmctld.pid
SlurmdPidFile=$PWD/spool/slurmd.pid
SlurmctldLogFile=$PWD/slurmctld.log
SlurmdLogFile=$PWD/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
SwitchType=switch/none
NodeName=$node NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$PWD/slurm.conf
slurmctld -D -c > slurmctld.out 2>&1 &
slurmd -D > slurmd.out 2>&1 &
for look in $(seq 40); do sinfo 2>/dev/null | grep -q idle && break; sleep 0.5; done
sinfo | grep -q idle || { cat slurmctld.out slurmd.out; exit 1; }
mkdir bin; export PATH=$PWD/bin:$PATH PROGRAM=$0
printf '#!/bin/sh\ncase $1 in merge) exec "$PROGRAM" "$@" ;; *) exec "$PROGRAM" demo -- "$@" ;; esac\n' > bin/synprobe; chmod +x bin/synprobe
synprobe 10.20.0.0/24 -p 22,80,443 -n -q --no-journal -o list:one.list
bash scan.sbatch
for look in $(seq 120); do test -z "$(squeue -h)" && break; sleep 0.5; done
squeue; cat synprobe-journals/merge-*.log | tail -1; ls synprobe-journals
"#;

#[test]
fn an_array_of_slurm_merged_is_one_scan() {
    let has =
        |program: &str| ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|folder| std::path::Path::new(folder).join(program).exists());
    if !["slurmctld", "slurmd", "sbatch", "ip"].into_iter().all(has) {
        return eprintln!("SKIPPED: Slurm is not installed");
    }
    // It sets its groups, which root of a user namespace may not.
    let wrap = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
    if !Command::new("unshare").args(wrap).arg("true").output().is_ok_and(|output| output.status.success()) {
        return eprintln!("SKIPPED: only root can start Slurm");
    }
    let dir = tempfile::tempdir().unwrap();
    let generate =
        ["generate", "slurm", "--shards", "6", "-o", "list:whole.list", "--", "synprobe", "10.20.0.0/24", "-p", "22,80,443", "-n"];
    std::fs::write(dir.path().join("scan.sbatch"), spawn::harmless(&generate).stdout).unwrap();
    let mut command = Command::new("unshare");
    command.args(wrap).args(["sh", "-c", CLUSTER, env!("CARGO_BIN_EXE_synprobe")]).current_dir(dir.path()).env("LC_ALL", "C");
    let output = command.env("XDG_STATE_HOME", dir.path().join("journals")).output().unwrap();
    if output.status.code() == Some(77) {
        return eprintln!("SKIPPED: no address can be added to the loopback here");
    }
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(said.matches("journal.done").count(), 6, "{said}{told}");
    let listed = |name: &str| {
        let list = std::fs::read_to_string(dir.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}: {said}{told}"));
        let mut lines: Vec<_> =
            list.lines().filter(|line| line.starts_with("open")).map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        lines.sort_unstable();
        lines
    };
    assert!(listed("one.list").len() > 10);
    assert_eq!(listed("one.list"), listed("synprobe-journals/whole.list"), "{said}{told}");
    assert!(said.contains(" of 254 hosts up") && said.contains("; no losses"), "{said}");
}
