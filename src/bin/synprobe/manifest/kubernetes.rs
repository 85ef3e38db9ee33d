//! An indexed Job whose pods are the shards, but for the last, which merges their journals.

use super::quote::{argument, yaml};
use super::{Job, Needs, each};

/// The manifest, for `kubectl apply -f`.
pub(crate) fn kubernetes(job: &Job) -> String {
    let (head, shards) = (job.head("in the volume"), job.shards);
    format!(
        r"{head}# kubectl apply -f THIS; then kubectl logs -f -l job-name=synprobe,batch.kubernetes.io/job-completion-index={shards} waits for the merged results.
# They are in the volume synprobe-journals, as the journals are, in a folder of this run: one that has the Job's uid for a name. To scan
# again, kubectl delete job synprobe and apply this again: nothing is overwritten. It takes Kubernetes 1.28 or newer.
#
# The image has to have synprobe in its PATH, and a shell: FROM debian:stable-slim, COPY synprobe /usr/local/bin/.
{VOLUME}{}",
        indexed(job)
    )
}

const VOLUME: &str = "apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: synprobe-journals
spec:
  # Pods of several nodes write to it. With ReadWriteOnce all of them have to run on one node.
  accessModes: [ReadWriteMany]
  resources:
    requests:
      storage: 1Gi
";

fn indexed(job: &Job) -> String {
    let (shards, pods, patience, image) = (job.shards, job.shards + 1, 2 * job.shards, yaml(&job.image));
    let arguments = each(&job.words, |word| format!("            - {}\n", argument(word)));
    // `$$` is one dollar, and none is the beginning of a variable's name.
    let sinks = job.sinks().replace('$', "$$");
    let security = security(job.needs);
    format!(
        r#"---
apiVersion: batch/v1
kind: Job
metadata:
  name: synprobe
spec:
  completionMode: Indexed
  # The shards, and what merges their journals.
  completions: {pods}
  parallelism: {pods}
  # A pod that was evicted goes on where its shard was: twice for each may be more than enough.
  backoffLimit: {patience}
  podFailurePolicy:
    rules:
      # 2 is a command that was refused, 3 a merged whole that is known to be incomplete: the log says why, and another try would say the same.
      - action: FailJob
        onExitCodes:
          containerName: synprobe
          operator: In
          values: [2, 3]
  template:
    metadata:
      labels:
        app: synprobe
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      # A shard may be killed at any moment: it goes on with its journal.
      terminationGracePeriodSeconds: 5
      # Shards on one node share its network: as many nodes as there are.
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app: synprobe
      # A pod has a network of its own. Its probes pass the cluster's, which mostly gives them the node's address and keeps a connection in
      # mind for each: tables that a scan can fill, and that lose probes then. The node's own neighbours are behind a router, so nothing is
      # asked by ARP. With the next two lines probes leave the node itself, from its address; the cluster's network policies do not hold then.
      # hostNetwork: true
      # dnsPolicy: ClusterFirstWithHostNet
      containers:
        - name: synprobe
          image: {image}
          workingDir: /journals
          env:
            # Of this run of the Job: journals of another are none of its own.
            - name: RUN
              valueFrom:
                fieldRef:
                  fieldPath: metadata.labels['batch.kubernetes.io/controller-uid']
          command:
            - /bin/sh
            - -uc
            - |
              mkdir -p "$RUN" || exit 1
              if [ "$JOB_COMPLETION_INDEX" -eq {shards} ]; then
                cd "$RUN" || exit 1
                until set -- shard-*.journal.done && [ -e "$1" ] && [ $# -ge {shards} ]; do sleep 5; done
                exec synprobe merge shard-*.journal --force{sinks}
              fi
              journal=$RUN/shard-$JOB_COMPLETION_INDEX.journal
              # Of a pod that ended and was run again all the same.
              if [ -e "$journal.done" ]; then exit 0; fi
              status=2
              if [ -s "$journal" ]; then synprobe resume "$journal"; status=$?; fi
              # Going on is refused from another address than before, as a new pod may have: the shard begins anew, as it does at first.
              if [ $status -eq 2 ]; then synprobe --shard auto/{shards} --journal "$journal" --force "$@"; status=$?; fi
              # A shard that has ended and is known to be incomplete has ended: the merged results say why.
              case $status in 0|3) : > "$journal.done" ;; *) exit $status ;; esac
            - synprobe
          args:
{arguments}{security}          volumeMounts:
            - name: journals
              mountPath: /journals
      volumes:
        - name: journals
          persistentVolumeClaim:
            claimName: synprobe-journals
"#
    )
}

fn security(needs: Needs) -> String {
    let (why, capabilities) = match needs {
        Needs::Nothing => ("", ""),
        Needs::RawSockets => ("SYN segments go through raw sockets, which a container has for root alone.", "[NET_RAW]"),
        Needs::Xdp => {
            ("XDP programs are loaded by root in the node's own network: set hostNetwork above.", "[NET_RAW, NET_ADMIN, BPF, PERFMON]")
        }
    };
    let [why, root, added] = match needs {
        Needs::Nothing => [String::new(), String::new(), String::new()],
        _ => [format!("          # {why}\n"), "            runAsUser: 0\n".to_owned(), format!("              add: {capabilities}\n")],
    };
    format!(
        "{why}          securityContext:
{root}            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
{added}"
    )
}
