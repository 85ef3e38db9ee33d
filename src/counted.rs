//! How many of something, as a sentence says it.

use std::fmt;

/// A number with its noun: `1 address`, `2 addresses`.
///
/// The noun is given in its singular; its plural is formed by rule, so a noun with a plural of its own (`child`) has no place here.
pub fn counted(count: impl Into<u128>, noun: &str) -> String {
    let count = count.into();
    let (stem, ending) = form(count, noun);
    format!("{count} {stem}{ending}")
}

/// The same where it is written millions of times.
pub(crate) struct Counted<'a>(pub(crate) u64, pub(crate) &'a str);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = *self;
        let (stem, ending) = form(count.into(), noun);
        write!(f, "{count} {stem}{ending}")
    }
}

/// A share as people write it: `0.999` is `99.9 %`.
pub fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn form(count: u128, noun: &str) -> (&str, &'static str) {
    if count == 1 { (noun, "") } else { plural(noun) }
}

fn plural(noun: &str) -> (&str, &'static str) {
    let before_y = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match before_y {
        Some(stem) => (stem, "ies"),
        None if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") => (noun, "es"),
        None => (noun, "s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let texts = [0u64, 1, 2, 1001].map(|count| counted(count, "port"));
        assert_eq!(texts, ["0 ports", "1 port", "2 ports", "1001 ports"]);
    }

    #[test]
    fn shares_are_percents() {
        assert_eq!([0.999, 0.9999, 0.99, 0.5].map(percent), ["99.9 %", "99.99 %", "99 %", "50 %"]);
    }

    #[test]
    fn plurals_follow_the_rules() {
        let nouns = ["address", "public address", "reply", "half-open connection", "probe", "delay", "box"];
        let plurals = ["addresses", "public addresses", "replies", "half-open connections", "probes", "delays", "boxes"];
        assert_eq!(nouns.map(|noun| counted(2u8, noun)), plurals.map(|plural| format!("2 {plural}")));
        assert_eq!(nouns.map(|noun| Counted(2, noun).to_string()), plurals.map(|plural| format!("2 {plural}")));
    }
}
