//! `--shard`: the part of the scan that this machine does, the same cut on every machine that is asked for the same.

mod engine;

use std::env;
use std::fmt;
use std::str::FromStr;

use synprobe::counted::counted;
use synprobe::error::{Error, Result};
use synprobe::report::Order;
use synprobe::run::{Rate, Request, Show};
use synprobe::scan::{Identity, Part};
use synprobe::target::{AddressSet, Cut, Shard};

use crate::args::{Args, ShowArg};
use crate::voice::Voice;

/// `--shard`: named, or what the engine says that runs this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardArg {
    Named(Shard),
    /// Of so many, if that was typed.
    Auto(Option<u32>),
}

impl FromStr for ShardArg {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word.split_once('/').unwrap_or((word, "")) {
            ("auto", "") if word == "auto" => Ok(Self::Auto(None)),
            ("auto", count) => {
                // As many as a shard could be one of.
                let shard: Shard = format!("1/{count}").parse().map_err(|_| {
                    Error::asked("read shard", format_args!("'{}'", word.escape_debug()), "not how many shards there are")
                        .hint("for example auto/8")
                })?;
                Ok(Self::Auto(Some(shard.count())))
            }
            _ => word.parse().map(Self::Named),
        }
    }
}

impl fmt::Display for ShardArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(shard) => shard.fmt(f),
            Self::Auto(None) => f.write_str("auto"),
            Self::Auto(Some(count)) => write!(f, "auto/{count}"),
        }
    }
}

/// Leaves of the request what is this machine's part, if parts were asked for.
pub(crate) fn take(request: &mut Request, args: &Args, voice: &Voice) -> Result<()> {
    let Some(asked) = args.scan.shard else { return Ok(()) };
    let shard = match asked {
        ShardArg::Named(shard) => shard,
        ShardArg::Auto(count) => engine::shard(count, &|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))?,
    };
    let (addresses, ports) = (request.addresses.len(), request.ports.len());
    let whole = identity(request, args);
    request.seed.get_or_insert_with(|| seed(&whole));
    let part = Part { shard, addresses: u64::try_from(addresses).unwrap_or(u64::MAX), ports, whole };
    (request.addresses, request.ports) = shard.of(&request.addresses, &request.ports);
    if ports > 0 && request.ports.is_empty() {
        request.addresses = AddressSet::new();
    }
    request.named = request.named.intersection(&request.addresses);
    voice.notice(&said(&part, request));
    belongs(request, part, args)
}

/// Makes the request the part of a scan that it was when it began, with the rates of a part.
pub(crate) fn belongs(request: &mut Request, part: Part, args: &Args) -> Result<()> {
    let shard = part.shard;
    if let Some(total) = args.scan.total_rate {
        let share = share(total, shard, "--total-rate")?;
        request.max_rate = Some(request.max_rate.map_or(share, |most| most.min(share)));
    }
    if part.cut() == Cut::Ports
        && let Some(rate) = request.host_rate
    {
        // Every shard asks every host; how much of the rate each gets is the library's business.
        share(rate, shard, "--host-rate")?;
    }
    request.part = Some(part);
    Ok(())
}

/// What a shard gets of a rate of all.
pub(crate) fn share(rate: Rate, shard: Shard, option: &'static str) -> Result<Rate> {
    let count = shard.count();
    match shard.share_of(rate.get()) {
        _ if rate.get() < count.into() => {
            let error = Error::asked(
                "divide",
                format_args!("{option} {}", rate.get()),
                format_args!("{count} shards get less than one probe a second each"),
            );
            Err(error.hint(format_args!("{count} or more, or fewer shards")))
        }
        share => Ok(Rate::per_second(share)),
    }
}

fn said(part: &Part, request: &Request) -> String {
    let shard = part.shard;
    if request.addresses.is_empty() {
        let all = match part.cut() {
            Cut::Addresses => counted(part.addresses, "address"),
            Cut::Ports => format!("{} and {}", counted(part.addresses, "address"), counted(part.ports, "port")),
        };
        return format!("shard {shard} has nothing to ask: there are but {all}");
    }
    match part.cut() {
        Cut::Addresses => format!("shard {shard} asks {} of {}", request.addresses.len(), counted(part.addresses, "address")),
        Cut::Ports => format!(
            "shard {shard} asks {} of {} on {}: there are fewer addresses than shards",
            request.ports.len(),
            counted(part.ports, "port"),
            counted(part.addresses, "address")
        ),
    }
}

/// What the whole scan is known by. What may differ from machine to machine is not in it: rates, interfaces, source addresses, the engine,
/// how long is waited, names, notes and outputs.
fn identity(request: &Request, args: &Args) -> Identity {
    let digest = |content: String| Order::digest(content.as_bytes())[..32].to_owned();
    let Request { technique, discovery, completeness, attempts, show, hide_suspect, seed, .. } = request;
    let open = args.output.open;
    // That more is said about a scan changes nothing in it.
    let show = Show { down: args.output.show.contains(&ShowArg::Down), ..*show };
    Identity {
        targets: digest(format!("{}\n{}", request.addresses, request.named)),
        ports: digest(request.ports.to_string()),
        options: digest(format!("{technique:?} {discovery:?} {completeness:?} {attempts:?} {show:?} {hide_suspect} {open} {seed:?}")),
    }
}

/// The seed of an order that nobody chose: the same in all parts.
fn seed(whole: &Identity) -> u64 {
    let Identity { targets, ports, options } = whole;
    let digest = Order::digest(format!("{targets} {ports} {options}").as_bytes());
    u64::from_str_radix(&digest[..16], 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::request;
    use crate::targets::Targets;
    use crate::voice::Verbosity;

    fn part(line: &str) -> Result<Request> {
        let args = Args::try_parse_from(format!("synprobe {line} --syn").split_whitespace()).unwrap();
        let addresses: AddressSet = args.targets.targets[0].parse()?;
        let targets = Targets { addresses, ..Targets::default() };
        let mut request = request::of(&args, &[], &targets)?;
        take(&mut request, &args, &Voice::new(Verbosity::Quiet))?;
        Ok(request)
    }

    #[test]
    fn parts_of_one_command_are_parts_of_one_scan() {
        let [one, two] = [1, 2].map(|number| part(&format!("10.0.0.0/24 -p 80 --shard {number}/2 --rate {number}k")).unwrap());
        assert_eq!((one.addresses.to_string(), two.addresses.to_string()), ("10.0.0.0/25".to_owned(), "10.0.0.128/25".to_owned()));
        let [one, two] = [one, two].map(|request| (request.seed, request.part.unwrap()));
        assert!(one.0.is_some() && one.0 == two.0 && one.1.whole == two.1.whole);
        let differs = |line: &str| {
            let other = part(line).unwrap().part.unwrap().whole;
            let fields = |whole: &Identity| [whole.targets.clone(), whole.ports.clone(), whole.options.clone()];
            let pairs = fields(&one.1.whole).into_iter().zip(fields(&other));
            pairs.map(|(one, other)| one != other).collect::<Vec<_>>()
        };
        assert_eq!(differs("10.0.0.0/23 -p 80 --shard 1/2"), [true, false, false]);
        assert_eq!(differs("10.0.0.0/24 -p 81 --shard 1/2"), [false, true, false]);
        assert_eq!(differs("10.0.0.0/24 -p 80 --shard 1/2 --open"), [false, false, true]);
        assert_eq!(differs("10.0.0.0/24 -p 80 --shard 1/2 --seed 7"), [false, false, true]);
        assert_eq!(differs("10.0.0.0/24 -p 80 --shard 1/2 -n --host-rate 5 --note x -v"), [false, false, false]);
    }

    #[test]
    fn a_total_is_divided_to_the_last_probe() {
        let most = |line: &str| part(&format!("10.0.0.0/24 -p 80 {line}")).map(|request| request.max_rate.map(Rate::get));
        assert_eq!(
            [1, 2, 3].map(|number| most(&format!("--shard {number}/3 --total-rate 1000")).unwrap()),
            [Some(334), Some(333), Some(333)]
        );
        assert_eq!(most("--shard 1/2 --total-rate 1000 --max-rate 400").unwrap(), Some(400));
        assert_eq!(most("--shard 1/2 --total-rate 1000 --max-rate 600").unwrap(), Some(500));
        let error = most("--shard 1/8 --total-rate 7").unwrap_err().to_string();
        assert_eq!(error, "divide --total-rate 7: 8 shards get less than one probe a second each (8 or more, or fewer shards)");
        assert!(part("10.0.0.1 -p 1-9 --shard 1/8 --host-rate 7").is_err() && part("10.0.0.0/24 -p 80 --shard 1/8 --host-rate 7").is_ok());
        assert!(Args::try_parse_from(["synprobe", "10.0.0.1", "--total-rate", "7"]).is_err());
    }

    #[test]
    fn what_is_left_over_has_nothing_to_ask() {
        let request = part("10.0.0.1 -p 80,81 --shard 3/8").unwrap();
        assert!(request.addresses.is_empty());
        assert_eq!(said(request.part.as_ref().unwrap(), &request), "shard 3/8 has nothing to ask: there are but 1 address and 2 ports");
        let request = part("10.0.0.1 -p 80,81 --shard 2/8").unwrap();
        assert_eq!(
            said(request.part.as_ref().unwrap(), &request),
            "shard 2/8 asks 1 of 2 ports on 1 address: there are fewer addresses than shards"
        );
    }

    #[test]
    fn a_shard_is_named_or_found() {
        let parsed = ["2/8", "auto", "auto/8"].map(|word| word.parse::<ShardArg>().unwrap());
        assert_eq!(parsed, [ShardArg::Named(Shard::new(2, 8).unwrap()), ShardArg::Auto(None), ShardArg::Auto(Some(8))]);
        assert_eq!(parsed.map(|shard| shard.to_string()), ["2/8", "auto", "auto/8"]);
        for word in ["auto/", "auto/0", "auto/x", "auto/1/2", "8", "Auto"] {
            assert!(word.parse::<ShardArg>().is_err(), "{word}");
        }
    }
}
