//! The options: one definition for the parser, its help, the man page and the completions.

mod diff;

use clap::{ArgAction, Args as Options, Parser, Subcommand, ValueEnum};

use synprobe::net::Engine;
use synprobe::report::{Fields, OutputSpec};
use synprobe::run::Rate;

use crate::generate::What;
use crate::manifest;
use crate::measures::{Completeness, Pace, Span};
use crate::rates;
use crate::shard::ShardArg;
use crate::voice::Verbosity;

pub(crate) use diff::DiffArgs;

/// A TCP SYN port scanner for auditors: every reply proven, every loss counted.
///
/// Probes TCP ports of addresses you are responsible for and says which are open, closed or filtered, and how far that
/// answer can be trusted. With the privilege for raw sockets it sends SYN segments; without it, it connects.
#[derive(Parser, Debug)]
#[command(
    name = "synprobe",
    version = VERSION,
    args_conflicts_with_subcommands = true,
    max_term_width = 100,
    after_help = "Without a command it scans: synprobe 10.0.0.0/24 -p 22,80,443. The exit status is 0 for a complete scan, 1 if the machine \
could not do it, 2 for something wrong in what was asked, 3 for a scan known to be incomplete, 4 for two scans that differ, 130 if interrupted. See synprobe(1)."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten, next_help_heading = "Targets")]
    pub(crate) targets: TargetArgs,

    #[command(flatten, next_help_heading = "Ports")]
    pub(crate) ports: PortArgs,

    #[command(flatten, next_help_heading = "Scan")]
    pub(crate) scan: ScanArgs,

    #[command(flatten, next_help_heading = "Output")]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn verbosity(&self) -> Verbosity {
        let quiet = match &self.command {
            Some(Command::Convert(args)) => args.quiet,
            Some(Command::Diff(args)) => args.quiet,
            Some(Command::Merge(args)) => args.quiet,
            _ => false,
        };
        if quiet {
            return Verbosity::Quiet;
        }
        match self.output {
            OutputArgs { quiet: true, .. } => Verbosity::Quiet,
            OutputArgs { verbose: 1.., .. } => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

#[derive(Options, Debug)]
pub(crate) struct TargetArgs {
    /// Addresses (10.0.0.1), networks (10.0.0.0/24), ranges (10.0.0.5-90, 10.0,1.3-7.-) or host names
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Read targets from a file, one or more a line, # begins a comment; - is standard input
    #[arg(short, long = "input-file", value_name = "FILE")]
    pub(crate) input_file: Vec<String>,

    /// Leave these targets out
    #[arg(long, value_name = "LIST")]
    pub(crate) exclude: Vec<String>,

    /// Leave out the targets in a file
    #[arg(long, value_name = "FILE")]
    pub(crate) exclude_file: Vec<String>,

    /// Probe every address of a host name, not only the first
    #[arg(long)]
    pub(crate) resolve_all: bool,

    /// Confirm a scan of more than 16,777,216 public addresses
    #[arg(long)]
    pub(crate) yes_large_public_scan: bool,
}

#[derive(Options, Debug)]
pub(crate) struct PortArgs {
    /// Ports, ranges and service names (22,80,8000-8100,https); - is all of them [default: the 1000 most popular]
    #[arg(short = 'p', long = "ports", value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) ports: Option<String>,

    /// Leave these ports out
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(crate) exclude_ports: Option<String>,

    /// The N most popular ports
    #[arg(long, value_name = "N", conflicts_with = "ports", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) top_ports: Option<u16>,

    /// The 100 most popular ports
    #[arg(short = 'F', long, conflicts_with_all = ["ports", "top_ports"])]
    pub(crate) fast: bool,
}

#[derive(Options, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct ScanArgs {
    /// Send raw SYN segments, or fail [default: where the privilege is there]
    #[arg(long, conflicts_with = "connect")]
    pub(crate) syn: bool,

    /// Connect through the system; needs no privilege
    #[arg(long)]
    pub(crate) connect: bool,

    /// Ask hosts behind routers first whether they are there (ICMP echo; SYN to 443, 80 and 22), and ports only of those that are
    #[arg(long, conflicts_with_all = ["connect", "discover_only"])]
    pub(crate) discover: bool,

    /// Say which hosts are there and ask no ports: ARP on the local network, else as --discover; nmap's -sn
    #[arg(long, conflicts_with_all = ["connect", "ports", "top_ports", "fast", "exclude_ports", "open"])]
    pub(crate) discover_only: bool,

    /// Probes a second over all hosts (500, 10k, 1.5m), whatever is lost; auto is what the path bears [default: auto]
    #[arg(long, value_name = "PPS")]
    pub(crate) rate: Option<Pace>,

    /// Never more probes a second, also where the path would bear them
    #[arg(long, value_name = "PPS")]
    pub(crate) max_rate: Option<Rate>,

    /// Never more probes a second in all shards together: this one gets its share. --max-rate and --rate are one shard's own
    #[arg(long, value_name = "PPS", requires = "shard")]
    pub(crate) total_rate: Option<Rate>,

    /// Probes a second to one host, also where every shard asks it [default: 20k, or what --rate says]
    #[arg(long, value_name = "PPS")]
    pub(crate) host_rate: Option<Rate>,

    /// Limits of rate by template, 0 to 5 as in nmap; see RATES in the manual
    #[arg(short = 'T', long, value_name = "N", value_parser = rates::parse)]
    pub(crate) timing: Option<u8>,

    /// Go easy on the network: the same as -T2
    #[arg(long, conflicts_with = "timing")]
    pub(crate) polite: bool,

    /// Ask the silent again until an estimate says that this share of what would answer is found (99%, 99.99%, off)
    #[arg(long, value_name = "SHARE", default_value = "99.9%")]
    pub(crate) completeness: Completeness,

    /// At most so many probes to a target that stays silent, 1 to 16 [default: 10; 2 with --connect]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) attempts: Option<u8>,

    /// How long to wait for replies after the last probe [default: by the round-trip times seen]
    #[arg(long, value_name = "TIME")]
    pub(crate) wait: Option<Span>,

    /// How long to wait for the reply to one probe [default: by the round-trip times seen]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,

    /// End after this long, whatever is left; replies under way are still waited for, at most half a second
    #[arg(long, value_name = "TIME")]
    pub(crate) max_duration: Option<Span>,

    /// Use this interface for everything
    #[arg(short = 'e', long, value_name = "NAME")]
    pub(crate) interface: Option<String>,

    /// Use this source address
    #[arg(long, value_name = "ADDR")]
    pub(crate) source_ip: Option<std::net::IpAddr>,

    /// Use this source port for every probe
    #[arg(short = 'g', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) source_port: Option<u16>,

    /// Repeat the order of an earlier scan
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Do part K of N of the scan, and leave the others to other machines; auto or auto/N takes the numbers from Kubernetes, Slurm,
    /// AWS Batch, Nomad or GNU parallel. synprobe merge unites the journals
    #[arg(long, value_name = "K/N")]
    pub(crate) shard: Option<ShardArg>,

    /// What carries raw packets on Ethernet
    #[arg(long, value_name = "NAME", default_value = "packet")]
    pub(crate) engine: EngineArg,

    /// Hand frames straight to the driver, past the interface's queueing discipline: past shaping and fairness too
    #[arg(long)]
    pub(crate) bypass_qdisc: bool,

    /// A target known to answer: proves that the path works when nothing else does
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) canary: Option<String>,

    /// Look up no names of the hosts found
    #[arg(short = 'n', long)]
    pub(crate) no_names: bool,

    /// Say what would be done and send nothing; with -v, each probe in order
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Where results go, live or from a record.
#[derive(Options, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct SinkArgs {
    /// Write results as text, json, xml, grepable, csv, list, markdown, sqlite or pcapng to a file; - is standard output
    #[arg(short = 'o', long = "output", value_name = "FORMAT:PATH")]
    pub(crate) outputs: Vec<OutputSpec>,

    /// JSON to standard output: -o json:-
    #[arg(long)]
    pub(crate) json: bool,

    /// The columns of csv (addr,port,state); a wrong one lists those there are
    #[arg(long, value_name = "LIST")]
    pub(crate) fields: Option<Fields>,

    /// Overwrite existing files
    #[arg(long)]
    pub(crate) force: bool,

    /// They are those of a scan that is taken up.
    #[arg(skip)]
    pub(crate) goes_on: bool,

    /// Bring a database of an older version to this one, and keep a copy of it
    #[arg(long)]
    pub(crate) migrate: bool,

    /// Say the reason of each state
    #[arg(long)]
    pub(crate) reason: bool,

    /// Colour in text on standard output
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorArg,
}

#[derive(Options, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    pub(crate) sinks: SinkArgs,

    /// What is recorded singly, besides open ports
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) show: Vec<ShowArg>,

    /// Only hosts with open ports
    #[arg(long)]
    pub(crate) open: bool,

    /// Leave out hosts something else seems to answer for; findings are then held until their host is settled
    #[arg(long)]
    pub(crate) hide_suspect: bool,

    /// Keep the journal, which a scan that was ended is resumed from, in this file
    #[arg(long, value_name = "PATH", conflicts_with = "no_journal")]
    pub(crate) journal: Option<std::path::PathBuf>,

    /// Keep no journal
    #[arg(long)]
    pub(crate) no_journal: bool,

    /// A text to keep in every record
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,

    /// Say more; lists hosts that are down, silent or not probed
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Say nothing but errors, and no text results when they go to a file
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Show no progress line
    #[arg(long)]
    pub(crate) no_progress: bool,

    /// Say how far the scan is this often
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stats_every: Option<Span>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Scan a built-in practice network; nothing leaves the machine and no privilege is needed
    Demo(DemoArgs),
    /// Write what a record (-o json:FILE) of a scan tells in other formats; of a scan that ended, was killed or still runs
    Convert(ConvertArgs),
    /// Say what differs between two scans: hosts and ports that appeared, disappeared or changed; status 4 if any did
    Diff(DiffArgs),
    /// Write what the journals of a scan's shards (--shard) tell together, as the record of one scan
    Merge(MergeArgs),
    /// List the scans that were recorded, or take their journals away
    History(HistoryArgs),
    /// Go on with a scan that was killed, stopped or ran out of time: nothing that answered is asked again
    Resume(ResumeArgs),
    /// Show interfaces, routes and privileges, and what a scan would use
    Interfaces,
    /// Print the manual page, a shell's completions, or what runs a scan's shards on many machines
    Generate(GenerateArgs),
}

#[derive(Options, Debug)]
pub(crate) struct DemoArgs {
    /// A scan of your own of the practice network, after --
    #[arg(last = true, value_name = "SCAN")]
    pub(crate) scan: Vec<std::ffi::OsString>,
}

#[derive(Options, Debug)]
pub(crate) struct HistoryArgs {
    /// Take away the journals of scans that have ended, or all but those of scans that run
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "ended")]
    pub(crate) prune: Option<PruneArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PruneArg {
    /// Of scans that have ended
    Ended,
    /// Also of scans that could be resumed
    All,
}

#[derive(Options, Debug)]
pub(crate) struct ResumeArgs {
    /// The journal of the scan; the last that was interrupted unless named
    #[arg(value_name = "JOURNAL")]
    pub(crate) journal: Option<std::path::PathBuf>,

    /// Where results go instead of where the command said
    #[command(flatten)]
    pub(crate) sinks: SinkArgs,
}

#[derive(Options, Debug)]
pub(crate) struct ConvertArgs {
    /// The record; - is standard input
    #[arg(value_name = "SCAN")]
    pub(crate) record: String,

    #[command(flatten)]
    pub(crate) sinks: SinkArgs,

    /// Leave out lines that cannot be read, and count them
    #[arg(long)]
    pub(crate) lenient: bool,

    /// Say nothing but errors, and no text results when they go to a file
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Options, Debug)]
pub(crate) struct GenerateArgs {
    /// What to print
    pub(crate) what: What,

    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
}

/// A scan to be divided.
#[derive(Options, Debug)]
pub(crate) struct ManifestArgs {
    /// For kubernetes and slurm: into how many shards the scan is divided
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) shards: u32,

    /// For kubernetes: the container image that has synprobe
    #[arg(long, value_name = "IMAGE", default_value = manifest::IMAGE)]
    pub(crate) image: String,

    /// For kubernetes and slurm: where the merged results go [default: json:scan.json]
    #[arg(short = 'o', long = "output", value_name = "FORMAT:PATH")]
    pub(crate) outputs: Vec<OutputSpec>,

    /// For kubernetes and slurm: the scan, after --
    #[arg(last = true, value_name = "SCAN")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Options, Debug)]
pub(crate) struct MergeArgs {
    /// The journals (--journal), or JSON records, of all shards in any order
    #[arg(value_name = "SHARD", required = true)]
    pub(crate) shards: Vec<String>,

    #[command(flatten)]
    pub(crate) sinks: SinkArgs,

    /// Leave out lines that cannot be read, and count them
    #[arg(long)]
    pub(crate) lenient: bool,

    /// Say nothing but errors and what is lacking, and no text results when they go to a file
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// Packet sockets and rings of Linux
    Packet,
    /// XDP programs in the interface's driver: the fastest; needs root, Linux 5.18 and a driver that can
    Xdp,
    /// pnet's data link: portable, slower
    Pnet,
}

impl From<EngineArg> for Engine {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Packet => Self::Packet,
            EngineArg::Xdp => Self::Xdp,
            EngineArg::Pnet => Self::Pnet,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowArg {
    /// Open ports, which always are
    Open,
    /// Closed ports
    Closed,
    /// Filtered ports and silent ones
    Filtered,
    /// Hosts that are down, silent or not probed
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[cfg(target_os = "linux")]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nback ends: packet (AF_PACKET), xdp, raw-ip, tunnel, pnet, connect");
#[cfg(not(target_os = "linux"))]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nback ends: pnet, connect");

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn nmap_short_options_take_their_value_attached() {
        let args = Args::try_parse_from(["synprobe", "-T4", "-p-", "-g53", "-eeth0", "10.0.0.1"]).unwrap();
        assert_eq!((args.scan.timing, args.ports.ports.as_deref()), (Some(4), Some("-")));
        assert_eq!((args.scan.source_port, args.scan.interface.as_deref()), (Some(53), Some("eth0")));
        assert_eq!(args.targets.targets, ["10.0.0.1"]);
    }

    #[test]
    fn open_ended_ports_are_no_options() {
        let args = Args::try_parse_from(["synprobe", "-p", "-1024", "--exclude-ports", "-", "10.0.0.1"]).unwrap();
        assert_eq!((args.ports.ports.as_deref(), args.ports.exclude_ports.as_deref()), (Some("-1024"), Some("-")));
    }
}
