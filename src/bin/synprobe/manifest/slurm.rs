//! A script that is the array's task, and that started by hand submits the array and what merges it.

use super::quote::shell;
use super::{Job, Needs, each};

/// The script, for bash.
pub(crate) fn slurm(job: &Job) -> String {
    let (shards, last) = (job.shards, job.last());
    let head = job.head("in the folder that this is started in");
    let words = each(&job.words, |word| format!(" {}", shell(word)));
    let privilege = match job.needs {
        Needs::Nothing => "",
        Needs::RawSockets => {
            "# Without raw sockets it connects instead of sending SYN segments. Users get them by capabilities of the program, on each node:\n\
             # setcap cap_net_raw,cap_net_admin+ep /usr/local/bin/synprobe.\n"
        }
        Needs::Xdp => "# XDP programs are loaded by root: the scan's tasks have to run as root.\n",
    };
    // A word of bash that holds words of the shell that sbatch --wrap starts.
    let merge = shell(&format!("synprobe merge shard-*.journal --force{}", job.sinks()));
    format!(
        r#"#!/bin/bash
#SBATCH --job-name=synprobe
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --output=synprobe-%A_%a.log
#SBATCH --requeue
{head}# bash THIS submits the array and the job that merges its journals; sbatch THIS the array alone. Journals and results are in the folder
# synprobe-journals, which all nodes have to see; SYNPROBE_FOLDER names another.
# Tasks that are run alone (--array=3) are shards of the same scan all the same: each goes on with its journal.
{privilege}set -u
folder=${{SYNPROBE_FOLDER:-$PWD/synprobe-journals}}

if [ -z "${{SLURM_ARRAY_TASK_ID:-}}" ]; then
    # Journals of a scan before this one would be taken for those of this one.
    for left in "$folder"/*.journal*; do
        [ ! -e "$left" ] || {{ echo "$folder has the journals of another scan: move it away, or name another by SYNPROBE_FOLDER" >&2; exit 2; }}
    done
    mkdir -p "$folder" || exit
    array=$(SYNPROBE_FOLDER=$folder sbatch --parsable "$0") || exit
    # After all tasks, however they ended: what is missing is named.
    sbatch --dependency="afterany:${{array%%;*}}" --job-name=synprobe-merge --chdir="$folder" --output=merge-%j.log --wrap {merge}
    exit
fi

mkdir -p "$folder" || exit
journal=$folder/shard-$SLURM_ARRAY_TASK_ID.journal
# Of a task that ended and was run again.
if [ -e "$journal.done" ]; then exit 0; fi
status=2
if [ -s "$journal" ]; then
    synprobe resume "$journal"
    status=$?
fi
# Going on is refused on another node than before: the shard begins anew, as it does at first.
if [ $status -eq 2 ]; then
    synprobe --shard "$((SLURM_ARRAY_TASK_ID + 1))/{shards}" --journal "$journal" --force{words}
    status=$?
fi
# 3 is a shard that has ended and is known to be incomplete: the merged results say why.
case $status in 0|3) : > "$journal.done" ;; *) exit $status ;; esac
"#
    )
}
