//! The records of a scan's shards, as the record of one scan in any format.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};

use indicatif::ProgressBar;

use synprobe::counted::counted;
use synprobe::error::{Error, Kind, Result};
use synprobe::report::{Destination, Shards, Strictness};

use crate::args::MergeArgs;
use crate::outputs::{Outputs, of_a_record};
use crate::status::Status;
use crate::voice::Voice;

/// Writes what shards tell together to outputs.
pub(crate) fn run(args: &MergeArgs, voice: &Voice) -> Result<Status> {
    may_be_written(args)?;
    let strictness = if args.lenient { Strictness::Lenient } else { Strictness::Strict };
    // Nothing is made, and nothing overwritten, of what does not belong together.
    let shards = Shards::of(&args.shards, &open)?;
    let mut outputs = Outputs::open(&args.sinks, &ProgressBar::hidden(), voice)?;
    let mut is_incomplete = false;
    let merged = shards.merge(strictness, &mut |told| {
        if let Some(summary) = outputs.told(told) {
            is_incomplete = !summary.is_complete();
        }
    });
    let merged = match merged {
        Ok(merged) => merged,
        Err(error) => {
            outputs.discard();
            return Err(error);
        }
    };
    merged.lacking.iter().for_each(|line| voice.warn(line));
    if let Some(first) = &merged.first_skipped {
        voice.warn(&format!("left out {} that cannot be read; {first}", counted(merged.skipped, "line")));
    }
    Ok(if is_incomplete || merged.skipped > 0 { Status::Incomplete } else { Status::Complete })
}

fn open(name: &str) -> Result<Box<dyn BufRead>> {
    let failed = |cause| Error::io("read", name, cause).of_kind(Kind::Asked);
    let file = File::open(name).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::asked("read", name, "it is no file, and each record is read more than once"));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// Whether outputs are of formats that can be made of records, and none takes the place of a record.
fn may_be_written(args: &MergeArgs) -> Result<()> {
    for spec in &args.sinks.outputs {
        of_a_record(spec)?;
        if let Destination::File(path) = &spec.destination
            && let Ok(place) = fs::canonicalize(path)
            && args.shards.iter().any(|shard| fs::canonicalize(shard).is_ok_and(|other| other == place))
        {
            return Err(Error::asked("write", path.display(), "it is one of the records to be merged"));
        }
    }
    Ok(())
}
