//! What the timing templates mean: one table for the program, its help and its man page.

use std::fmt::Write;

use synprobe::run::Rate;

/// The limits of one timing template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Its name among nmap users.
    name: &'static str,
    /// SYN scan: probes a second over all, none if as many as the path bears, and to one host.
    syn: (Option<u64>, u64),
    /// `connect()` scan: the same; none leaves it to the window of open connections.
    connect: Option<(u64, u64)>,
}

/// Probes a second over all and to one host; `None` leaves it to the scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) max_rate: Option<Rate>,
    pub(crate) host_rate: Option<Rate>,
}

/// Which scan the limits are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    Syn,
    Connect,
}

/// The limits of template `-T number`.
pub(crate) fn limits(number: u8, scan: Scan) -> Limits {
    let template = TEMPLATES[usize::from(number).min(TEMPLATES.len() - 1)];
    let (over_all, one_host) = match scan {
        Scan::Syn => (template.syn.0, Some(template.syn.1)),
        Scan::Connect => template.connect.unzip(),
    };
    Limits { max_rate: over_all.map(Rate::per_second), host_rate: one_host.map(Rate::per_second) }
}

/// The template of `--polite`.
pub(crate) const POLITE: u8 = 2;
/// The template in force when none is asked for.
pub(crate) const DEFAULT: u8 = 3;

const TEMPLATES: [Template; 6] = [
    Template { name: "paranoid", syn: (Some(1), 1), connect: Some((1, 1)) },
    Template { name: "sneaky", syn: (Some(100), 10), connect: Some((100, 10)) },
    Template { name: "polite", syn: (Some(3_000), 300), connect: Some((3_000, 300)) },
    Template { name: "normal", syn: (None, 20_000), connect: None },
    Template { name: "aggressive", syn: (None, 50_000), connect: None },
    Template { name: "insane", syn: (None, 200_000), connect: None },
];

/// The number of a template by its number or name.
pub(crate) fn parse(word: &str) -> Result<u8, String> {
    let known = |(number, template): &(usize, &Template)| template.name == word || number.to_string() == word;
    match TEMPLATES.iter().enumerate().find(known) {
        Some((number, _)) => Ok(number as u8),
        None => Err(format!("there is 0 to 5, or {}", TEMPLATES.map(|template| template.name).join(", "))),
    }
}

/// The table as lines of fixed columns.
pub(crate) fn table() -> String {
    let mut rows = format!("{:<16}{:>14}{:>14}   {}\n", "option", "SYN, over all", "SYN, one host", "connect()");
    for (number, template) in TEMPLATES.iter().enumerate() {
        let option = match number as u8 {
            POLITE => "-T2, --polite".to_owned(),
            DEFAULT => "-T3, the default".to_owned(),
            number => format!("-T{number}"),
        };
        let (rate, host) = template.syn;
        let connect = template.connect.map_or("as its window allows".to_owned(), |(rate, host)| format!("{rate}/s, one host {host}/s"));
        let rate = rate.map_or("what it bears".to_owned(), |rate| format!("{rate}/s"));
        _ = writeln!(rows, "{option:<16}{rate:>14}{:>14}   {connect}", format!("{host}/s"));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_rise() {
        for pair in TEMPLATES.windows(2) {
            let over_all = |template: &Template| template.syn.0.unwrap_or(u64::MAX);
            assert!(over_all(&pair[0]) <= over_all(&pair[1]) && pair[0].syn.1 < pair[1].syn.1);
        }
        assert!(TEMPLATES.iter().all(|template| template.syn.0.is_none_or(|rate| template.syn.1 <= rate)));
    }

    #[test]
    fn templates_have_numbers_and_names() {
        assert_eq!(["0", "polite", "5"].map(parse), [Ok(0), Ok(POLITE), Ok(5)]);
        assert!(parse("6").is_err() && parse("").is_err());
        assert_eq!(limits(DEFAULT, Scan::Connect), Limits::default());
        assert_eq!(limits(POLITE, Scan::Syn).host_rate, Some(Rate::per_second(300)));
    }
}
