//! Which hosts a scan asked, from its command line: for records that hold no more.

use crate::target::AddressSet;
use crate::target::list::{TargetWord, parse_list};

/// The addresses that the words of a command line name, if these are as many as the scan says that it asked: names and files of targets are
/// not looked up. Both synprobe's options and nmap's are known that have addresses for values.
pub(super) fn of(words: &[impl AsRef<str>], addresses: u64) -> Option<AddressSet> {
    let (mut asked, mut excluded) = (Vec::new(), Vec::new());
    let mut words = words.iter().map(AsRef::as_ref).skip(1);
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        if ELSEWHERE.contains(&name) || (name.starts_with("-i") && !name.starts_with("--")) {
            return None;
        }
        if EXCLUDES.contains(&name) {
            excluded.extend(named(value.or_else(|| words.next())?)?);
        } else if OTHERS.contains(&name) {
            // Its value is no target.
            _ = value.or_else(|| words.next());
        } else if !word.starts_with('-')
            && let Some(words) = named(word)
        {
            asked.extend(words);
        }
    }
    let set = |words: Vec<TargetWord>| words.iter().flat_map(TargetWord::ranges).collect::<AddressSet>();
    let asked = set(asked).difference(&set(excluded));
    (asked.len() == u128::from(addresses)).then_some(asked)
}

/// The targets of a word, if it names no host by its name.
fn named(word: &str) -> Option<Vec<TargetWord>> {
    let words = parse_list(word).ok()?;
    let names = words.iter().any(|word| matches!(word, TargetWord::Name(_)));
    (!names).then_some(words)
}

/// Options that read targets, or what is left out of them, from elsewhere; a shard asks a part of what is named.
const ELSEWHERE: [&str; 6] = ["--input-file", "--exclude-file", "--excludefile", "-iL", "-iR", "--shard"];
/// Options that leave addresses out.
const EXCLUDES: [&str; 1] = ["--exclude"];
/// Options whose values can be addresses that are not asked.
const OTHERS: [&str; 9] = ["--source-ip", "-S", "-e", "-D", "-sI", "-b", "--dns-servers", "--proxies", "--canary"];

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str, addresses: u64) -> Option<String> {
        of(&line.split(' ').collect::<Vec<_>>(), addresses).map(|set| set.to_string())
    }

    #[test]
    fn addresses_are_read_and_counted() {
        assert_eq!(asked("synprobe 10.0.0.0/30 -p 22,80 -oX x", 4).as_deref(), Some("10.0.0.0/30"));
        assert_eq!(asked("nmap -sS -p 1-1000 -oX - -S 10.9.9.9 10.0.0.1 10.0.1.1-3", 4).as_deref(), Some("10.0.0.1 10.0.1.1-10.0.1.3"));
        assert_eq!(asked("synprobe 10.0.0.0/30 --exclude 10.0.0.3", 3).as_deref(), Some("10.0.0.0-10.0.0.2"));
        assert_eq!(asked("synprobe 10.0.0.0/30 --exclude=10.0.0.3", 3).as_deref(), Some("10.0.0.0-10.0.0.2"));
        assert_eq!(asked("nmap -6 fd00::/126", 4).as_deref(), Some("fd00::/126"));
        for (line, addresses) in [
            ("synprobe 10.0.0.0/30 gw.example", 5),
            ("synprobe gw.example", 1),
            ("nmap -iL hosts.txt 10.0.0.1", 1),
            ("synprobe -i hosts.txt 10.0.0.1", 1),
            ("nmap -S 10.9.9.9 gw.example", 1),
            ("synprobe 10.0.0.1 --exclude-file x", 1),
            // By their count the targets of the other option's value are as many.
            ("synprobe 10.0.0.0/31 --shard 1/1", 2),
            ("synprobe 10.0.0.0/31 --shard=1/2", 2),
            ("synprobe", 1),
        ] {
            assert_eq!(asked(line, addresses), None, "{line}");
        }
    }
}
