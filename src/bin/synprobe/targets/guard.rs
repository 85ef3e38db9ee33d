//! What is never probed, and what is probed only when it is really meant.

use synprobe::counted::counted;
use synprobe::error::{Error, Result};
use synprobe::target::{AddressSet, reserved};

use super::Targets;

/// Takes out what is excluded or reserved, and keeps what and why.
pub(super) fn take_out(targets: &mut Targets, excluded: &AddressSet) {
    let by_name = reserved::only_when_named().difference(&targets.named);
    let causes = [(excluded.clone(), "excluded"), (reserved::never_probed(), "never a host"), (by_name, "probed only if named alone")];
    for (set, why) in causes {
        let out = targets.addresses.intersection(&set);
        if !out.is_empty() {
            targets.addresses = targets.addresses.difference(&out);
            targets.left_out.push((out.to_string(), why.to_owned()));
        }
    }
    targets.named = targets.named.intersection(&targets.addresses);
}

/// Refuses a very large scan of other people's addresses that was not confirmed.
pub(super) fn ask_before_large(addresses: &AddressSet, confirmed: bool) -> Result<()> {
    let public = addresses.intersection(&reserved::public()).len();
    if confirmed || public <= LARGE {
        return Ok(());
    }
    Err(Error::asked("scan", counted(public, "public address"), "more than 16777216, which is a scan of the internet")
        .hint("--yes-large-public-scan if you are responsible for them"))
}

/// A network of the size of 10.0.0.0/8.
const LARGE: u128 = 1 << 24;

#[cfg(test)]
mod tests {
    use synprobe::target::AddressRange;

    use super::*;

    fn set(ranges: &[(&str, &str)]) -> AddressSet {
        ranges.iter().map(|(first, last)| AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()).collect()
    }

    #[test]
    fn reserved_and_excluded_addresses_are_taken_out() {
        let addresses = set(&[("10.0.0.0", "10.0.0.3"), ("169.254.169.254", "169.254.169.254"), ("224.0.0.1", "224.0.0.2")]);
        let mut targets = Targets { addresses: addresses.clone(), ..Targets::default() };
        take_out(&mut targets, &set(&[("10.0.0.2", "10.0.0.9")]));
        assert_eq!(targets.addresses, set(&[("10.0.0.0", "10.0.0.1")]));
        let out: Vec<String> = targets.left_out.iter().map(|(what, why)| format!("{what} {why}")).collect();
        assert_eq!(out, ["10.0.0.2/31 excluded", "224.0.0.1-224.0.0.2 never a host", "169.254.169.254 probed only if named alone"]);

        let named = set(&[("169.254.169.254", "169.254.169.254"), ("224.0.0.1", "224.0.0.1")]);
        let mut targets = Targets { addresses, named, ..Targets::default() };
        take_out(&mut targets, &AddressSet::new());
        assert!(targets.addresses.contains("169.254.169.254".parse().unwrap()));
        assert_eq!(targets.named, set(&[("169.254.169.254", "169.254.169.254")]));
    }

    #[test]
    fn only_public_addresses_ask_for_confirmation() {
        let private = set(&[("10.0.0.0", "10.255.255.255"), ("192.168.0.0", "192.168.255.255")]);
        assert!(ask_before_large(&private, false).is_ok());
        assert!(ask_before_large(&set(&[("8.0.0.0", "8.255.255.255")]), false).is_ok());
        let large = set(&[("8.0.0.0", "9.0.0.0")]);
        assert!(ask_before_large(&large, false).is_err() && ask_before_large(&large, true).is_ok());
    }
}
