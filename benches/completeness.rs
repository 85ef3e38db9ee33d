//! How much scans of hard paths find, over twenty seeds (three from a million targets on, one for ten million): the table beside this file.
//!
//! ```console
//! $ cargo bench --bench completeness > benches/completeness.txt
//! $ SEEDS=3 cargo bench --bench completeness -- pol20k     # the scenario of this name, or those whose names hold the word
//! $ TRACE=1 SEEDS=1 cargo bench --bench completeness -- pol20k-64k     # and each change of the rate
//! ```
//!
//! Everything is in virtual time, so the table is the same on every machine; only how long it takes is not: about half an hour on two
//! cores. Columns: the share found over all runs and in the worst, the share of runs that found 99.9 % or more, probes for each target,
//! seconds, the same against the time that one pass takes at the capacity of the path, on average and in the longest run, targets missed and
//! estimated to be missed, and the share of runs in which no more were missed than the upper bound said.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/suite/measure.rs"]
mod measure;

use synprobe::lab::Scenario;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_meant = |name: &str, word: &str| if Scenario::named(word).is_some() { name == word } else { name.contains(word) };
    let wanted = |scenario: &Scenario| words.is_empty() || words.iter().any(|word| is_meant(scenario.name(), word));
    let scenarios: Vec<Scenario> = Scenario::all().into_iter().filter(wanted).collect();
    let asked: Option<u64> = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let fewer = |scenario: &Scenario| FEWER.iter().find(|(targets, _)| scenario.targets() > *targets).map_or(SEEDS, |(_, seeds)| *seeds);
    print!("{}", measure::table(&scenarios, |scenario| asked.unwrap_or_else(|| fewer(scenario))));
}

const SEEDS: u64 = 20;
/// Scans of more targets than this are more alike, and take longer: so many seeds.
const FEWER: [(u64, u64); 2] = [(2_000_000, 1), (500_000, 3)];
