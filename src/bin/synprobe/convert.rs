//! A record read back, in other formats.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};

use indicatif::ProgressBar;

use synprobe::counted::counted;
use synprobe::error::{Error, Kind, Result};
use synprobe::report::{self, Ending, Strictness};

use crate::args::ConvertArgs;
use crate::outputs::{Outputs, of_a_record};
use crate::status::Status;
use crate::voice::Voice;

/// Writes what a record tells to outputs.
pub(crate) fn run(args: &ConvertArgs, voice: &Voice) -> Result<Status> {
    args.sinks.outputs.iter().try_for_each(of_a_record)?;
    let Record { mut input, name, is_live } = open(&args.record)?;
    let mut outputs = Outputs::open(&args.sinks, &ProgressBar::hidden(), voice)?;
    let mut lost = 0;
    let strictness = if args.lenient { Strictness::Lenient } else { Strictness::Strict };
    let read = report::read(&mut input, &name, strictness, &mut |told| {
        lost += outputs.told(told).map_or(0, |summary| summary.write_errors);
        if is_live {
            outputs.flush();
        }
    });
    let reading = match read {
        Ok(reading) => reading,
        Err(error) => {
            outputs.discard();
            return Err(error);
        }
    };
    if reading.ending == Ending::CutShort {
        voice.notice(&format!("{name} ends without a summary: its scan was killed, or still runs; this is what it found"));
    }
    if let Some(first) = &reading.first_skipped {
        voice.warn(&format!("left out {} that cannot be read; {first}", counted(reading.skipped, "line")));
    }
    Ok(if lost > 0 || reading.skipped > 0 { Status::Incomplete } else { Status::Complete })
}

/// What is converted.
struct Record {
    input: BufReader<Box<dyn Read>>,
    name: String,
    /// Whoever writes it may take his time.
    is_live: bool,
}

fn open(path: &str) -> Result<Record> {
    let failed = |cause| Error::io("read", path, cause).of_kind(Kind::Asked);
    let (input, name, is_live): (Box<dyn Read>, _, _) = match path {
        "-" if io::stdin().is_terminal() => {
            return Err(Error::asked("read", "standard input", "it is a terminal").hint("name a file"));
        }
        "-" => (Box::new(io::stdin()), "standard input".to_owned(), true),
        path => {
            let file = File::open(path).map_err(failed)?;
            let is_live = file.metadata().is_ok_and(|metadata| !metadata.is_file());
            (Box::new(file), path.to_owned(), is_live)
        }
    };
    Ok(Record { input: BufReader::with_capacity(1 << 16, input), name, is_live })
}
