//! What is to be probed: words and files, names resolved, exclusions and reserved addresses taken out.

mod canary;
mod guard;
mod reading;

use synprobe::error::{Error, Result};
use synprobe::net::names::Resolver;
use synprobe::target::{AddressSet, Target};

use crate::args::{Args, TargetArgs};
use crate::voice::Voice;
use reading::{Names, Reading};

/// What is to be probed.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// Exclusions and reserved addresses are taken out.
    pub(crate) addresses: AddressSet,
    /// Named as single addresses.
    pub(crate) named: AddressSet,
    /// Names that did not resolve.
    pub(crate) unresolved: u64,
    /// What was taken out, and why.
    pub(crate) left_out: Vec<(String, String)>,
    /// A target that is known to answer.
    pub(crate) canary: Option<Target>,
}

/// Reads all that the arguments name.
pub(crate) fn read(args: &Args, voice: &Voice) -> Result<Targets> {
    resolved(args, &*crate::names::resolver(), voice)
}

fn resolved(args: &Args, resolver: &dyn Resolver, voice: &Voice) -> Result<Targets> {
    let TargetArgs { targets: words, input_file, exclude, exclude_file, resolve_all, yes_large_public_scan } = &args.targets;
    if words.is_empty() && input_file.is_empty() {
        return Err(Error::asked("scan", "", "no target was given").hint("for example: synprobe 10.0.0.0/24 -p 22,80"));
    }
    let stdin = input_file.iter().chain(exclude_file).filter(|file| *file == "-").count();
    if stdin > 1 {
        return Err(Error::asked("read", "standard input", "it can be read only once"));
    }
    let names = if *resolve_all { Names::AllAddresses } else { Names::FirstAddress };
    let mut asked = Reading::new(resolver, names, voice);
    words.iter().try_for_each(|word| asked.list(word))?;
    input_file.iter().try_for_each(|file| asked.file(file))?;
    let mut excluded = Reading::new(resolver, Names::Excluded, voice);
    exclude.iter().try_for_each(|list| excluded.list(list))?;
    exclude_file.iter().try_for_each(|file| excluded.file(file))?;

    let mut targets = Targets { addresses: asked.addresses, named: asked.named, unresolved: asked.unresolved, ..Targets::default() };
    if let Some(word) = &args.scan.canary {
        targets.canary = Some(canary::read(word, resolver)?);
    }
    let nothing_named = targets.addresses.is_empty();
    guard::take_out(&mut targets, &excluded.addresses);
    for (what, why) in &targets.left_out {
        voice.detail(&format!("left out {what}: {why}"));
    }
    if targets.addresses.is_empty() && !nothing_named {
        let causes: Vec<&str> = targets.left_out.iter().map(|(_, why)| why.as_str()).collect();
        return Err(Error::asked("scan", "", "no target is left").hint(causes.join(", ")));
    }
    if nothing_named && targets.unresolved == 0 {
        return Err(Error::asked("scan", "", "no target was given").hint("the input files name none"));
    }
    guard::ask_before_large(&targets.addresses, *yes_large_public_scan)?;
    Ok(targets)
}
