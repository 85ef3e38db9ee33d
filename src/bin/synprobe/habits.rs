//! What nmap users type out of habit: rewritten into this program's words before the option parser sees them, or answered with
//! the nearest thing there is.

use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::vec::IntoIter;

use clap::Command;

use synprobe::error::{Error, Result};

/// A command line in this program's words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Habits {
    /// For the option parser.
    pub(crate) words: Vec<OsString>,
    /// What the user should know about the rewriting.
    pub(crate) notices: Vec<String>,
}

/// Rewrites the nmap words of a command line; the values of options, and all after `--`, stay as they are.
pub(crate) fn rewrite(command: &Command, typed: Vec<OsString>) -> Result<Habits> {
    let mut habits = Habits::default();
    let mut words = typed.into_iter().peekable();
    habits.words.extend(words.next());
    while let Some(word) = words.next() {
        if word == "--" {
            habits.words.push(word);
            habits.words.extend(words);
            break;
        }
        let foreign = match word.to_str() {
            Some(text) if text.starts_with('-') => habits.rewritten(text, &mut words)?,
            _ => false,
        };
        if !foreign {
            let takes_next = takes_next(command, &word);
            habits.words.push(word);
            habits.words.extend(words.next_if(|_| takes_next));
        }
    }
    Ok(habits)
}

impl Habits {
    /// Takes a word of nmap's, with its value; whether it was one.
    fn rewritten(&mut self, typed: &str, words: &mut Peekable<IntoIter<OsString>>) -> Result<bool> {
        let (name, attached) = match typed.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (typed, None),
        };
        let mut value = || attached.clone().or_else(|| words.next()).ok_or_else(|| Error::asked("read option", name, "a value is missing"));
        match name {
            "-p-" => self.push(["-p", "-"]),
            "-sS" => self.push(["--syn"]),
            "-sT" => self.push(["--connect"]),
            "-sn" | "-sP" => self.push(["--discover-only"]),
            "-Pn" | "-P0" => {}
            "-iL" => self.valued("--input-file", value()?),
            "--excludefile" => self.valued("--exclude-file", value()?),
            "--max-retries" => {
                let attempts = attempts(&value()?)?;
                self.push(["--attempts", &attempts.to_string()]);
            }
            "-oN" => self.output("text", &value()?, ""),
            "-oG" => self.output("grepable", &value()?, ""),
            "-oJ" => self.output("json", &value()?, ""),
            "-oX" => self.output("xml", &value()?, ""),
            "-oA" => {
                let base = value()?;
                self.output("text", &base, ".nmap");
                self.output("xml", &base, ".xml");
                self.output("grepable", &base, ".gnmap");
            }
            _ => match missing(name) {
                Some((cause, hint)) => return Err(Error::asked("read option", name, cause).hint(hint)),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn push<const N: usize>(&mut self, words: [&str; N]) {
        self.words.extend(words.map(OsString::from));
    }

    /// An option of ours with a value that may begin with a hyphen.
    fn valued(&mut self, option: &str, value: OsString) {
        let mut word = OsString::from(option);
        word.push("=");
        word.push(value);
        self.words.push(word);
    }

    fn output(&mut self, format: &str, path: &OsStr, extension: &str) {
        let mut word = OsString::from(format!("--output={format}:"));
        word.push(path);
        word.push(extension);
        self.words.push(word);
    }
}

/// nmap counts what comes after the first probe.
fn attempts(retries: &OsStr) -> Result<u8> {
    let retries = retries.to_string_lossy();
    match retries.parse::<u8>() {
        Ok(retries @ 0..=15) => Ok(retries + 1),
        _ => Err(Error::asked("read option", format!("--max-retries {retries}"), "not a number from 0 to 15")),
    }
}

/// Whether the next word is this option's value.
fn takes_next(command: &Command, word: &OsStr) -> bool {
    let Some(word) = word.to_str() else { return false };
    let option = match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(long), _) => command.get_arguments().find(|arg| arg.get_long() == Some(long)),
        // Of a cluster of short options, the first that takes a value takes the rest of the word, if there is any.
        (None, Some(cluster)) => {
            let short = |c: char| command.get_arguments().find(|arg| arg.get_short() == Some(c));
            let valued =
                cluster.char_indices().find_map(|(at, c)| short(c).filter(|arg| arg.get_action().takes_values()).map(|arg| (at, c, arg)));
            valued.filter(|(at, c, _)| at + c.len_utf8() == cluster.len()).map(|(_, _, arg)| arg)
        }
        _ => None,
    };
    option.is_some_and(|arg| arg.get_action().takes_values())
}

/// What nmap has and this program has not: why, and the nearest there is.
fn missing(name: &str) -> Option<(&'static str, &'static str)> {
    let exact = |name: &str| MISSING.iter().find(|(names, ..)| names.split(' ').any(|known| known == name));
    // -sCV is -sC and -sV: the letter that weighs most is answered.
    let combined = || {
        let letters = name.strip_prefix("-s")?;
        "UVCL".chars().filter(|letter| letters.contains(*letter)).find_map(|letter| exact(&format!("-s{letter}")))
    };
    let begun = || PREFIXES.iter().find(|(prefix, ..)| name.starts_with(prefix));
    let attached = || ATTACHED.iter().find(|option| name.starts_with(**option)).and_then(|option| exact(option));
    let (_, cause, hint) = exact(name).or_else(combined).or_else(begun).or_else(attached)?;
    Some((cause, hint))
}

const MISSING: &[(&str, &str, &str)] = &[
    ("-sU", "UDP is not supported", "TCP only; nmap -sU for UDP"),
    ("-sV --version-intensity --version-all", "services are not identified", "give nmap -sV the open ports of -o list:FILE"),
    ("-sC --script --script-args", "there are no scripts", "give nmap --script the open ports of -o list:FILE"),
    ("-O --osscan-guess --osscan-limit", "operating systems are not identified", "give nmap -O the hosts of -o list:FILE"),
    ("-A", "services and operating systems are not identified", "give nmap -A the open ports of -o list:FILE"),
    ("-sL", "targets are not listed alone", "--dry-run -v lists every probe"),
    ("-6", "no option is needed for IPv6", "write the IPv6 address"),
    ("-D", "there are no decoys: probes carry the real source address", "leave it out"),
    ("-f --mtu", "packets are not fragmented", "leave it out"),
    ("-S", "the source address must be one of this machine's", "--source-ip ADDR chooses among them"),
    ("--spoof-mac", "the hardware address is the interface's", "--interface NAME chooses the interface"),
    ("--badsum --data --data-length --data-string --ttl --ip-options", "the probe is fixed, so that it can be recognised", "leave it out"),
    ("-oS", "there is no such format", "-o text:FILE"),
    ("--append-output", "outputs are not appended to", "choose another file, or --force"),
    ("--resume", "scans cannot be resumed yet", "leave out what is done with --exclude-file"),
    ("-r", "the order is always random", "--seed N repeats an order"),
    ("-R --system-dns --dns-servers", "names of hosts with findings are looked up by the system", "-n looks up none"),
    ("-d", "there is no debug level", "-v says more"),
    ("--min-rate", "there is no lower limit of the rate", "--rate PPS, which is reached where the path allows"),
    ("--host-timeout", "hosts are not given up on", "--max-duration TIME ends the scan"),
    ("--initial-rtt-timeout --max-rtt-timeout --min-rtt-timeout", "there is one timeout", "--timeout TIME"),
    ("--scan-delay --max-scan-delay", "there is no delay option", "--host-rate PPS limits the probes to one host"),
    ("--min-parallelism --max-parallelism --min-hostgroup --max-hostgroup", "there are no groups", "--rate PPS and --host-rate PPS"),
    ("-iR", "random targets are not chosen", "name what you are responsible for"),
    ("--iflist", "there is a command for it", "synprobe interfaces"),
    ("-M", "there is no limit of connections to set: the window adapts to the path", "--rate PPS and --host-rate PPS"),
    ("-b", "FTP bounce scans are not supported", "--syn or --connect"),
    ("--proxies", "proxies are not supported: probes go straight to the target", "leave it out"),
    ("--scanflags", "other flags are not supported: the probe is a SYN", "--syn"),
    ("--packet-trace", "showing packets is not supported", "--dry-run -v lists every probe; tcpdump shows packets"),
    ("--privileged", "privileges are not claimed, they are found out", "--syn sends raw segments, or fails"),
    ("--unprivileged", "there is an option for it", "--connect"),
    ("--send-eth --send-ip", "not supported: the interface decides what carries the packets", "--engine NAME chooses on Ethernet"),
    ("--stylesheet --webxml", "the XML names no stylesheet", "xsltproc takes one beside it"),
    ("--randomize-hosts", "the order is always random", "leave it out; --seed N repeats an order"),
    ("--allports", "services are not identified, so no port is spared", "-p - is every port"),
    ("--defeat-rst-ratelimit", "not supported: a port that does not answer is asked again", "--attempts N says how often"),
    ("-oM", "there is no such format", "-oG FILE, which is its newer name"),
    ("--traceroute", "routes are not traced", "traceroute -T"),
];

/// Options of `MISSING` whose value may follow without a space.
const ATTACHED: &[&str] = &["-S", "-D", "-d", "-M", "-b"];

const PREFIXES: &[(&str, &str, &str)] = &[
    ("-s", "there is no such scan", "--syn or --connect"),
    (
        "-P",
        "there is one way to ping hosts before",
        "--discover, which asks by ICMP echo and SYN to 443, 80 and 22; on the local network ARP finds them",
    ),
    ("--script", "there are no scripts", "give nmap --script the open ports of -o list:FILE"),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    fn rewritten(line: &str) -> Result<String> {
        let typed = line.split_whitespace().map(OsString::from).collect();
        rewrite(&Args::command(), typed).map(|habits| habits.words.join(OsStr::new(" ")).into_string().unwrap())
    }

    #[test]
    fn nmap_words_become_ours() {
        let table = [
            ("-p- -sS -Pn -n", "-p - --syn -n"),
            ("-sT -iL list", "--connect --input-file=list"),
            ("-iL -", "--input-file=-"),
            ("-sn -v", "--discover-only -v"),
            ("-oN a -oG b -oX c -oJ -", "--output=text:a --output=grepable:b --output=xml:c --output=json:-"),
            ("-oA base", "--output=text:base.nmap --output=xml:base.xml --output=grepable:base.gnmap"),
            ("convert scan.json -oX a", "convert scan.json --output=xml:a"),
            ("--excludefile x --max-rate=5 --max-retries 3", "--exclude-file=x --max-rate=5 --attempts 4"),
            ("-F --open --reason -v -T4 -e eth0 -g 53", "-F --open --reason -v -T4 -e eth0 -g 53"),
        ];
        for (nmap, ours) in table {
            assert_eq!(rewritten(&format!("synprobe {nmap}")).unwrap(), format!("synprobe {ours}"));
        }
    }

    #[test]
    fn values_and_what_follows_two_hyphens_stay() {
        for line in ["synprobe --note -sU", "synprobe -p -sS", "synprobe -np -sS", "synprobe demo -- -sU -oN x", "synprobe -p80 10.0.0.1"] {
            assert_eq!(rewritten(line).unwrap(), line);
        }
        assert_eq!(rewritten("synprobe -p80 -sS").unwrap(), "synprobe -p80 --syn");
    }

    #[test]
    fn what_is_missing_names_the_nearest() {
        let message = |line: &str| rewritten(line).unwrap_err().to_string();
        assert_eq!(message("synprobe -sU"), "read option -sU: UDP is not supported (TCP only; nmap -sU for UDP)");
        for (combined, single) in
            [("-sCV", "-sV"), ("-sSV", "-sV"), ("-sSU", "-sU"), ("-S10.0.0.1", "-S"), ("-D10.0.0.1,ME", "-D"), ("-d2", "-d")]
        {
            let expected = message(&format!("synprobe {single}")).replacen(single, combined, 1);
            assert_eq!(message(&format!("synprobe {combined} 10.0.0.1")), expected);
        }
        assert!(message("synprobe -sZ").contains("--syn or --connect"));
        assert!(message("synprobe --script=default").contains("no scripts"));
        assert_eq!(message("synprobe -iL"), "read option -iL: a value is missing");
        assert_eq!(message("synprobe --max-retries x"), "read option --max-retries x: not a number from 0 to 15");
    }

    #[test]
    fn every_missing_word_is_answered() {
        for word in MISSING.iter().flat_map(|(names, ..)| names.split(' ')) {
            assert!(rewritten(&format!("synprobe {word}")).is_err(), "{word}");
            assert!(rewritten(&format!("synprobe {word}=1")).is_err(), "{word}");
        }
    }

    #[test]
    fn retries_are_few() {
        assert!(rewritten("synprobe --max-retries 16").is_err());
        assert_eq!(rewritten("synprobe --max-retries 15").unwrap(), "synprobe --attempts 16");
    }

    #[test]
    fn nothing_of_ours_is_taken_for_nmaps() {
        let command = Args::command();
        for arg in command.get_arguments() {
            let names = arg.get_long().map(|long| format!("--{long}")).into_iter().chain(arg.get_short().map(|short| format!("-{short}")));
            for name in names {
                assert_eq!(missing(&name), None, "{name}");
            }
        }
    }
}
