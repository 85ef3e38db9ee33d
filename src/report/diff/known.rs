//! What the record of a scan tells of a port or a host, and what two of them together tell: the semantics of the comparison.
//!
//! # A port
//!
//! | known | means |
//! |---|---|
//! | open, closed | it answered itself: SYN-ACK or RST, or what connect() made of them |
//! | filtered | an error message of somebody else came back |
//! | no answer | it was asked as often as the scan asks, in a scan that heard what it set out to hear |
//! | host down | its host did not answer, so that its ports were not asked |
//! | not open | it was asked and is not open; whether it is closed or filtered is not recorded (the record holds counts of both, or open ports
//!   only; or resets were limited, so that closed ports could be silent) |
//! | not heard | it was silent in a scan that lost answers: known to be incomplete, below the completeness that was asked for; or it may
//!   have been (silent ports are counted beside closed ones, or open ports only are recorded) |
//! | not asked | it is no target of that scan |
//! | unknown | the scan ended before, or its record does not tell ([`Why`]) |
//!
//! A port is *there* if it answers itself. It appeared if it was not there and is; it disappeared if it was there and is no longer; it
//! changed from open to closed or back. Silence and an error message are the same here, "filtered" in every format: errors are sent at a
//! limited rate (RFC 1812 section 4.3.2.8), and so turn into silence and back while nothing changes.
//!
//! | old \ new | open | closed | filtered, no answer, host down | not open | not heard | not asked, unknown |
//! |---|---|---|---|---|---|---|
//! | open | same | changed | disappeared | changed | ? | ? |
//! | closed | changed | same | disappeared | same | ? | ? |
//! | filtered, no answer, host down | appeared | appeared | same | same | same | ? |
//! | not open | changed | same | same | same | same | ? |
//! | not heard | ? | ? | same | same | same | ? |
//! | not asked, unknown | ? | ? | ? | ? | ? | ? |
//!
//! A question mark could not be judged. Silence that one scan may have missed an answer in is the same as silence in the other: nothing in
//! either record speaks for a change. "Not open" is the same as closed as far as the records tell; of a host whose counts differ, the
//! counts are compared.
//!
//! # A host
//!
//! It is up if it answered anything itself. It appeared if it was asked, did not answer, and is up; the other way round it disappeared.
//! Where either scan did not ask it, did not get to it, or may have missed its answers, that could not be judged. A host that is not
//! listed was asked without an answer if the record says what was asked and that the scan got to its end.

/// Why a record tells nothing of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// The scan was interrupted, ran out of time, or was killed.
    Ended,
    /// This machine could not ask it: no route, a silent gateway, an error of its own.
    CouldNotAsk,
    /// Which hosts were asked is not recorded.
    TargetsNotRecorded,
    /// The record leaves hosts or ports out (`--open`, `--hide-suspect`, lines that were lost).
    LeftOut,
    /// What came back, or did not, does not tell whether it is open (nmap's `unfiltered` and `open|filtered`).
    NotTold,
}

impl Why {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::CouldNotAsk => "could-not-ask",
            Self::TargetsNotRecorded => "targets-not-recorded",
            Self::LeftOut => "left-out",
            Self::NotTold => "not-told",
        }
    }

    /// What it means, of a scan.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Ended => "ended before",
            Self::CouldNotAsk => "could not ask it",
            Self::TargetsNotRecorded => "does not record which hosts it asked",
            Self::LeftOut => "leaves it out of its record",
            Self::NotTold => "does not tell whether it is open",
        }
    }
}

/// What is known of a port in a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// It answered, and is open.
    Open,
    /// It answered, and is closed.
    Closed,
    /// An error message of somebody else came back.
    Filtered,
    /// Silence that is believed.
    NoAnswer,
    /// Its host did not answer, and so it was not asked.
    HostDown,
    /// Closed or filtered.
    NotOpen,
    /// Silence in a scan that lost answers.
    NotHeard,
    /// It is no target of the scan.
    NotAsked,
    /// The record does not tell.
    Unknown(Why),
}

/// What is known of a host in a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostKnown {
    /// It answered something.
    Up,
    /// It was asked and did not answer.
    NoAnswer,
    /// It did not answer in a scan that lost answers.
    NotHeard,
    /// It is no target of the scan.
    NotAsked,
    /// The record does not tell.
    Unknown(Why),
}

/// What two scans tell of a port or a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No difference.
    Same,
    /// It was not there, and is.
    Appeared,
    /// It was there, and is not.
    Disappeared,
    /// It is another.
    Changed,
    /// Either scan does not tell.
    Unjudged,
}

impl Verdict {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Appeared => "appeared",
            Self::Disappeared => "disappeared",
            Self::Changed => "changed",
            Self::Unjudged => "unjudged",
        }
    }

    /// Whether it is a difference.
    pub const fn differs(self) -> bool {
        matches!(self, Self::Appeared | Self::Disappeared | Self::Changed)
    }
}

impl Known {
    /// The words of the formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::NoAnswer => "no-answer",
            Self::HostDown => "host-down",
            Self::NotOpen => "not-open",
            Self::NotHeard => "not-heard",
            Self::NotAsked => "not-asked",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What this, in the old scan, and `new` tell together: the table above.
    pub fn verdict(self, new: Self) -> Verdict {
        use Known::{Closed, NotAsked, NotHeard, NotOpen, Open, Unknown};
        match (self, new) {
            (NotAsked | Unknown(_), _) | (_, NotAsked | Unknown(_)) | (Open | Closed, NotHeard) | (NotHeard, Open | Closed) => {
                Verdict::Unjudged
            }
            (Open, Closed | NotOpen) | (Closed | NotOpen, Open) => Verdict::Changed,
            (Open, Open) | (Closed, Closed | NotOpen) | (NotOpen, Closed) => Verdict::Same,
            (Open | Closed, _) => Verdict::Disappeared,
            (_, Open | Closed) => Verdict::Appeared,
            _ => Verdict::Same,
        }
    }
}

impl HostKnown {
    /// The words of the formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::NoAnswer => "no-answer",
            Self::NotHeard => "not-heard",
            Self::NotAsked => "not-asked",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What this, in the old scan, and `new` tell together.
    pub fn verdict(self, new: Self) -> Verdict {
        use HostKnown::{NoAnswer, NotAsked, NotHeard, Unknown, Up};
        match (self, new) {
            (NotAsked | Unknown(_), _) | (_, NotAsked | Unknown(_)) | (Up, NotHeard) | (NotHeard, Up) => Verdict::Unjudged,
            (Up, NoAnswer) => Verdict::Disappeared,
            (NoAnswer, Up) => Verdict::Appeared,
            (Up, Up) | (NoAnswer | NotHeard, NoAnswer | NotHeard) => Verdict::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letters of the table: s(ame), a(ppeared), d(isappeared), c(hanged), ? (unjudged).
    fn letter(verdict: Verdict) -> char {
        match verdict {
            Verdict::Unjudged => '?',
            verdict => verdict.as_str().chars().next().unwrap(),
        }
    }

    #[test]
    fn ports_are_judged_by_the_table() {
        use Known::{Closed, Filtered, HostDown, NoAnswer, NotAsked, NotHeard, NotOpen, Open, Unknown};
        let all = [Open, Closed, Filtered, NoAnswer, HostDown, NotOpen, NotHeard, NotAsked, Unknown(Why::Ended)];
        let table = [
            (Open, "scdddc???"),
            (Closed, "csddds???"),
            (Filtered, "aasssss??"),
            (NoAnswer, "aasssss??"),
            (HostDown, "aasssss??"),
            (NotOpen, "cssssss??"),
            (NotHeard, "??sssss??"),
            (NotAsked, "?????????"),
            (Unknown(Why::Ended), "?????????"),
        ];
        for (old, row) in table {
            let judged: String = all.iter().map(|new| letter(old.verdict(*new))).collect();
            assert_eq!(judged, row, "{old:?}");
        }
    }

    #[test]
    fn hosts_are_judged_by_the_table() {
        use HostKnown::{NoAnswer, NotAsked, NotHeard, Unknown, Up};
        let all = [Up, NoAnswer, NotHeard, NotAsked, Unknown(Why::Ended)];
        let table = [(Up, "sd???"), (NoAnswer, "ass??"), (NotHeard, "?ss??"), (NotAsked, "?????"), (Unknown(Why::LeftOut), "?????")];
        for (old, row) in table {
            let judged: String = all.iter().map(|new| letter(old.verdict(*new))).collect();
            assert_eq!(judged, row, "{old:?}");
        }
    }

    #[test]
    fn what_is_judged_one_way_is_judged_the_other_way_back() {
        use Known::{Closed, Filtered, HostDown, NoAnswer, NotAsked, NotHeard, NotOpen, Open, Unknown};
        let all = [Open, Closed, Filtered, NoAnswer, HostDown, NotOpen, NotHeard, NotAsked, Unknown(Why::Ended)];
        let back = |verdict| match verdict {
            Verdict::Appeared => Verdict::Disappeared,
            Verdict::Disappeared => Verdict::Appeared,
            other => other,
        };
        for old in all {
            for new in all {
                assert_eq!(old.verdict(new), back(new.verdict(old)), "{old:?} {new:?}");
            }
        }
    }
}
