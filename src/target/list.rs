//! Targets as people write them: words, argument lists and files.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::IpNetwork;

use super::octets::{self, Fault};
use super::{AddressRange, AddressSet};
use crate::error::{Error, Result};

/// What one word names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetWord {
    /// One address, and so named singly: `10.0.0.1`, `[::1]`, `10.0.0.1/32`.
    Address(IpAddr),
    /// A CIDR block (RFC 4632, RFC 4291 2.3).
    Block {
        /// All of the block.
        range: AddressRange,
        /// The address before the slash: not `range.first()` if host bits were set and dropped.
        written: IpAddr,
    },
    /// Any other addresses: `10.0.0.5-10.0.0.90`, `10.0.0.5-90`, `10.0,1.3-7.-`, `2001:db8::1-2001:db8::ff`.
    Addresses(AddressSet),
    /// A host name, to be resolved.
    Name(String),
}

impl TargetWord {
    /// The addresses, ascending and apart; none for a name.
    pub fn ranges(&self) -> impl Iterator<Item = AddressRange> + '_ {
        let (one, many) = match self {
            Self::Address(addr) => (Some(AddressRange::from(*addr)), None),
            Self::Block { range, .. } => (Some(*range), None),
            Self::Addresses(set) => (None, Some(set.ranges())),
            Self::Name(_) => (None, None),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The address if the word names just one: only so are special addresses asked for.
    pub fn single(&self) -> Option<IpAddr> {
        if let Self::Address(addr) = self { Some(*addr) } else { None }
    }

    /// Whether the address before the slash was not the first of its block.
    pub fn has_host_bits(&self) -> bool {
        matches!(self, Self::Block { range, written } if range.first() != *written)
    }
}

/// The shortest words that parse back into the same addresses or name.
impl fmt::Display for TargetWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addr) => write!(f, "{addr}"),
            Self::Block { range, .. } => write!(f, "{range}"),
            Self::Addresses(set) => write!(f, "{set}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for TargetWord {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        parse(word).map_err(|fault| refuse(quote(word), fault))
    }
}

/// The words of an argument: between white space, or commas where they cannot belong to an octet
/// (`10.0.0.1,10.0.0.7` are two words, `10.0.0.1,7` is one).
///
/// # Errors
/// If a word does not parse; the error names it.
pub fn parse_list(text: &str) -> Result<Vec<TargetWord>> {
    text.split_whitespace().flat_map(split_commas).map(str::parse).collect()
}

/// The words of a file: one or more a line, separated as in [`parse_list`]; `#` begins a comment.
///
/// # Errors
/// If a word does not parse; the error names it, the `file` and the line.
pub fn parse_lines<S: AsRef<str>>(lines: impl IntoIterator<Item = S>, file: &str) -> Result<Vec<TargetWord>> {
    let mut words = Vec::new();
    for (number, line) in (1u64..).zip(lines) {
        let line = line.as_ref();
        // Editors on Windows begin files with a byte order mark.
        let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { line };
        let text = line.split('#').next().unwrap_or_default();
        for word in text.split_whitespace().flat_map(split_commas) {
            words.push(parse(word).map_err(|fault| refuse(format!("{} in {file} line {number}", quote(word)), fault))?);
        }
    }
    Ok(words)
}

fn split_commas(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let ends = rest.match_indices(',').map(|(comma, _)| comma);
        let end = ends.into_iter().find(|comma| is_whole(&rest[..*comma]) && begins_word(&rest[comma + 1..]));
        let (word, left) = end.map_or((rest, ""), |comma| (&rest[..comma], &rest[comma + 1..]));
        rest = left;
        (!word.is_empty()).then_some(word)
    })
}

fn is_whole(word: &str) -> bool {
    word.contains(|c: char| !matches!(c, '0'..='9' | '.' | ',' | '-')) || word.matches('.').count() >= 3
}

fn begins_word(rest: &str) -> bool {
    rest.split(',').next().is_some_and(|piece| piece.contains(|c: char| !matches!(c, '0'..='9' | '-')))
}

fn parse(word: &str) -> Result<TargetWord, Fault> {
    if word.is_empty() {
        return Err("no host is named".into());
    }
    if word.contains("://") {
        return Err("a URL, not a host: write only the host".into());
    }
    if let Some(inner) = word.strip_prefix('[') {
        let literal = inner.strip_suffix(']').ok_or("the bracket is not closed behind the address")?;
        return literal.parse::<Ipv6Addr>().map(|addr| TargetWord::Address(addr.into())).map_err(|_| not_v6(literal));
    }
    if let Some((addr, prefix)) = word.split_once('/') {
        return parse_block(addr, prefix);
    }
    if word.contains(':') {
        return parse_v6(word);
    }
    if let Some((first, last)) = word.split_once('-')
        && let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>())
    {
        return range(first.into(), last.into()).map(word_of);
    }
    if word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b',' | b'-')) {
        return octets::parse(word).map(word_of);
    }
    match star(word) {
        Some(fault) => Err(fault),
        None => check_name(word).map(|()| TargetWord::Name(word.into())),
    }
}

/// What to write for `10.0.0.*`, which other programs read.
fn star(word: &str) -> Option<Fault> {
    let ours = word.contains('*').then(|| word.replace('*', "-"))?;
    let set = octets::parse(&ours).ok()?;
    let block = if set.ranges().count() == 1 { format!(" or {set}") } else { String::new() };
    Some(format!("`*` stands for no number here (write {ours}{block})"))
}

fn parse_block(addr: &str, prefix: &str) -> Result<TargetWord, Fault> {
    let written: IpAddr = addr.parse().map_err(|_| format!("{} before the slash is not an address", quote(addr)))?;
    let max = if written.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A netmask (10.0.0.0/255.255.255.0) is read, too; the sign that integers may have is not.
    let block = Some(prefix)
        .filter(|prefix| prefix.split('.').all(is_number))
        .and_then(|prefix| format!("{written}/{prefix}").parse::<IpNetwork>().ok())
        .ok_or_else(|| format!("{} behind the slash is not a prefix length of 0 to {max}", quote(prefix)))?;
    let range = AddressRange::from(block);
    Ok(if range.is_single() { TargetWord::Address(written) } else { TargetWord::Block { range, written } })
}

fn parse_v6(word: &str) -> Result<TargetWord, Fault> {
    let parse = |text: &str| text.parse::<Ipv6Addr>().map(IpAddr::from).map_err(|_| not_v6(text));
    match word.split_once('-') {
        None => parse(word).map(TargetWord::Address),
        Some((first, last)) => range(parse(first)?, parse(last)?).map(word_of),
    }
}

fn not_v6(text: &str) -> Fault {
    let hint = match text.split_once(':') {
        _ if text.contains('%') => ": an address with a zone is not supported",
        Some((_, port)) if !port.contains(':') => ": ports are not part of a target, give them with -p",
        _ => "",
    };
    format!("{} is not an IPv6 address{hint}", quote(text))
}

fn range(first: IpAddr, last: IpAddr) -> Result<AddressSet, Fault> {
    AddressRange::new(first, last).map(AddressSet::from).ok_or_else(|| format!("the range is reversed: write {last}-{first}"))
}

fn word_of(set: AddressSet) -> TargetWord {
    match set.nth(0) {
        Some(addr) if set.len() == 1 => TargetWord::Address(addr),
        _ => TargetWord::Addresses(set),
    }
}

/// RFC 1123 2.1, with the underscore that Windows allows. The last label has a letter, or it was to be an address.
fn check_name(name: &str) -> Result<(), Fault> {
    let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").or(last.strip_prefix("0X")).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if !name.is_ascii() {
        return Err("host names are ASCII: write the form that begins with xn--".into());
    }
    if let Some(strange) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_')) {
        return Err(format!("neither an address nor a host name: it has {}", quote(strange.encode_utf8(&mut [0; 4]))));
    }
    if is_hex || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("neither an address nor a host name: its last part is a number".into());
    }
    if labels.iter().any(|label| label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-')) {
        return Err("not a host name: its parts have 1 to 63 characters and no hyphen at either end".into());
    }
    if name.len() > 254 || (name.len() == 254 && !name.ends_with('.')) {
        return Err("not a host name: longer than 253 characters".into());
    }
    Ok(())
}

fn quote(text: &str) -> String {
    format!("`{}`", text.escape_debug())
}

fn refuse(object: impl fmt::Display, fault: Fault) -> Error {
    Error::asked("parse target", object, fault)
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
