//! The words of records, read.

use crate::error::Error;
use crate::packet::MacAddr;
use crate::scan::rate::Limit;
use crate::scan::{HostState, Mode, Reason, Shortfall, State, Suspicion};
use crate::target::{AddressSet, PortSet};

type Word<T> = Result<T, String>;

/// The addresses of a list; a shard may have none.
pub(in crate::report) fn addresses(list: &str) -> Word<AddressSet> {
    if list.is_empty() { Ok(AddressSet::new()) } else { list.parse().map_err(|error: Error| error.to_string()) }
}

/// The ports of a list; where only hosts are discovered there is none.
pub(in crate::report) fn ports(list: &str) -> Word<PortSet> {
    if list.is_empty() { Ok(std::iter::empty().collect()) } else { list.parse().map_err(|error: Error| error.to_string()) }
}

pub(in crate::report) fn state(word: &str) -> Word<State> {
    of(word, &[State::Open, State::Closed, State::Filtered], State::as_str)
}

pub(super) fn mode(word: &str) -> Word<Mode> {
    of(word, &[Mode::Syn, Mode::Connect, Mode::Mixed], Mode::as_str)
}

pub(in crate::report) fn host_state(word: &str) -> Word<HostState> {
    let all = [HostState::Up, HostState::Down, HostState::Filtered, HostState::NoReply, HostState::NotProbed];
    of(word, &all, HostState::as_str)
}

pub(in crate::report) fn reason(word: &str) -> Word<Reason> {
    of(word, &REASONS, Reason::as_str)
}

pub(super) fn limit(word: &str) -> Word<Limit> {
    of(word, &[Limit::Time, Limit::Path, Limit::Option, Limit::Host, Limit::Machine, Limit::Firewall], Limit::as_str)
}

pub(super) fn shortfall(word: &str) -> Word<Shortfall> {
    use Shortfall::{Attempts, HostsUnheard, NobodyAnswered, ReceiverDrops, ResetsLimited, Time};
    of(word, &[Attempts, Time, NobodyAnswered, ReceiverDrops, ResetsLimited, HostsUnheard], Shortfall::as_str)
}

/// The numbers of a suspicion stand in its words only.
pub(super) fn suspicion(word: &str, detail: &str) -> Word<Suspicion> {
    let numbers: Vec<u64> = detail.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    let range = || {
        let [ttl, window, neighbours, ..] = numbers[..] else { return None };
        Some(Suspicion::UniformRange { neighbours, ttl: u8::try_from(ttl).ok()?, window: u16::try_from(window).ok()? })
    };
    let suspicion = match word {
        "control-ports" => Some(Suspicion::ControlPorts),
        "zero-window" => numbers.first().copied().map(Suspicion::ZeroWindow),
        "uniform-range" => range(),
        _ => None,
    };
    suspicion.filter(|suspicion| suspicion.to_string() == detail).ok_or_else(|| format!("no suspicion is '{word}: {detail}'"))
}

pub(super) fn mac(word: &str) -> Word<MacAddr> {
    let octet = |pair: &str| {
        (pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    let octets: Option<Vec<u8>> = word.split(':').map(octet).collect();
    octets.and_then(|octets| octets.try_into().ok()).map(MacAddr).ok_or_else(|| format!("'{word}' is no hardware address"))
}

fn of<T: Copy>(word: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Word<T> {
    all.iter().copied().find(|value| name(*value) == word).ok_or_else(|| format!("the word '{word}' means nothing here"))
}

const REASONS: [Reason; 18] = [
    Reason::SynAck,
    Reason::Reset,
    Reason::ConnRefused,
    Reason::NoResponse,
    Reason::NetUnreach,
    Reason::HostUnreach,
    Reason::ProtoUnreach,
    Reason::PortUnreach,
    Reason::NetProhibited,
    Reason::HostProhibited,
    Reason::AdminProhibited,
    Reason::TimeExceeded,
    Reason::EchoReply,
    Reason::ArpResponse,
    Reason::NoArpResponse,
    Reason::LocalhostResponse,
    Reason::LocalError,
    Reason::ScanEnded,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_schema_is_read() {
        let schema: serde_json::Value = serde_json::from_str(crate::report::JSON_SCHEMA).unwrap();
        let words = |pointer: &str| {
            let words = schema.pointer(pointer).unwrap().as_array().unwrap().clone();
            assert!(words.len() >= 3, "{pointer}");
            words.into_iter().filter_map(|word| word.as_str().map(str::to_owned))
        };
        words("/$defs/reason/enum").for_each(|word| _ = reason(&word).unwrap());
        words("/$defs/limit/enum").for_each(|word| _ = limit(&word).unwrap());
        words("/$defs/scan/properties/mode/enum").for_each(|word| _ = mode(&word).unwrap());
        words("/$defs/host/properties/state/enum").for_each(|word| _ = host_state(&word).unwrap());
        words("/$defs/port/properties/state/enum").for_each(|word| _ = state(&word).unwrap());
        words("/$defs/summary/properties/completeness/properties/reason/enum").for_each(|word| _ = shortfall(&word).unwrap());
    }

    #[test]
    fn suspicions_keep_their_numbers() {
        let range = Suspicion::UniformRange { neighbours: 240, ttl: 24, window: 64_240 };
        for suspect in [Suspicion::ControlPorts, Suspicion::ZeroWindow(24), Suspicion::ZeroWindow(1), range] {
            assert_eq!(suspicion(suspect.as_str(), &suspect.to_string()), Ok(suspect));
        }
        assert!(suspicion("zero-window", "some ports").is_err());
        assert!(suspicion("uniform-range", "same TTL (300) and window (1) as 3 neighbours of its /24, and none other").is_err());
    }

    #[test]
    fn hardware_addresses_are_six_pairs() {
        assert_eq!(mac("02:fc:00:00:00:0a"), Ok(MacAddr([2, 0xfc, 0, 0, 0, 10])));
        for wrong in ["", "02:fc:00:00:00", "02:fc:00:00:00:0a:01", "2:fc:00:00:00:0a", "02:fc:00:00:00:+a"] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }
}
