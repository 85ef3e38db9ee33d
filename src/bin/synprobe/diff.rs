//! Two scans compared.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;

use synprobe::error::{Error, Kind, Result};
use synprobe::report::Strictness;
use synprobe::report::diff::{self, Reading, Scan, Which};

use crate::args::DiffArgs;
use crate::outputs::Documents;
use crate::status::Status;
use crate::voice::Voice;

/// Says what differs between two scans.
pub(crate) fn run(args: &DiffArgs, voice: &Voice) -> Result<Status> {
    let [old, new] = match &args.db {
        Some(path) => of_database(path, args)?,
        None => of_files(args)?,
    };
    for left_out in [&old, &new].into_iter().filter_map(|reading| reading.left_out.as_ref()) {
        voice.warn(&left_out.to_string());
    }
    let is_whole = old.left_out.is_none() && new.left_out.is_none();
    let [mut old, mut new] = [old.scan, new.scan];
    if args.same_targets {
        old.assume_asked();
        new.assume_asked();
    }
    let mut documents = Documents::open(&args.sinks(), voice, diff::report)?;
    documents.tell(|report| report.begin(&old, &new));
    let compared = diff::compare(&old, &new, &mut |host| {
        documents.tell(|report| report.host(host));
        Ok(())
    });
    let totals = compared.map_err(|cause| Error::io("compare", &old.name, cause))?;
    documents.tell(|report| report.end(&totals));
    let is_written = documents.end();
    Ok(match (totals.differs(), is_whole && is_written && !totals.is_incomplete()) {
        (true, _) => Status::Different,
        (false, true) => Status::Complete,
        (false, false) => Status::Incomplete,
    })
}

/// Both records are read at the same time.
fn of_files(args: &DiffArgs) -> Result<[Reading; 2]> {
    let [old, new] = &args.scans[..] else {
        let error = Error::asked("compare", "", format!("two scans are compared, and {} named", were(args.scans.len())));
        return Err(error.hint("synprobe diff OLD NEW, or --db FILE --last 2"));
    };
    if args.last.is_some() {
        return Err(Error::asked("read option", "--last", "it counts scans of a database").hint("--db FILE"));
    }
    if old == "-" && new == "-" {
        return Err(Error::asked("read", "standard input", "it holds one scan, not two").hint("name a file"));
    }
    let strictness = if args.lenient { Strictness::Lenient } else { Strictness::Strict };
    both(|| read(old, strictness), || read(new, strictness))
}

fn of_database(path: &Path, args: &DiffArgs) -> Result<[Reading; 2]> {
    let which = match (&args.scans[..], args.last) {
        ([], last) => Which::Last(last.unwrap_or(2)),
        ([old, new], None) => Which::Numbers(number(old)?, number(new)?),
        (_, Some(_)) => return Err(Error::asked("read option", "--last", "scans are named too").hint("name two scans, or give --last")),
        (scans, None) => {
            let error = Error::asked("compare", path.display(), format!("two of its scans are compared, and {} named", were(scans.len())));
            return Err(error.hint("--db FILE OLD NEW by their numbers, or --last 2"));
        }
    };
    let [old, new] = Scan::numbers(path, which)?;
    both(|| Scan::of_database(path, old), || Scan::of_database(path, new))
}

fn were(count: usize) -> String {
    if count == 1 { "one was".to_owned() } else { format!("{count} were") }
}

fn number(word: &str) -> Result<i64> {
    word.parse()
        .map_err(|_| Error::asked("read", format!("'{word}'"), "scans of a database have numbers").hint("without --db, files are compared"))
}

/// Reads both at once; the error is the old one's, if both fail.
fn both(old: impl FnOnce() -> Result<Reading> + Send, new: impl FnOnce() -> Result<Reading> + Send) -> Result<[Reading; 2]> {
    std::thread::scope(|scope| {
        let old = scope.spawn(old);
        let new = new();
        let old = old.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok([old, new?])
    })
}

fn read(path: &str, strictness: Strictness) -> Result<Reading> {
    let failed = |cause| Error::io("read", path, cause).of_kind(Kind::Asked);
    let (mut input, name): (Box<dyn BufRead>, _) = match path {
        "-" if io::stdin().is_terminal() => {
            return Err(Error::asked("read", "standard input", "it is a terminal").hint("name a file"));
        }
        "-" => (Box::new(BufReader::with_capacity(BUFFER, io::stdin())), "standard input"),
        path => (Box::new(BufReader::with_capacity(BUFFER, File::open(path).map_err(failed)?)), path),
    };
    Scan::read(&mut input, name, strictness)
}

const BUFFER: usize = 1 << 16;
