//! SIGINT and SIGTERM: the first ends the scan with its results, the second ends the program.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use synprobe::error::{Error, Result};
use synprobe::net::privilege::drop_capabilities_of_this_thread;
use synprobe::run::Stop;

use crate::status::Status;

/// From now on a signal asks the scan to stop. Before, the system's default ends the program: there is nothing to save yet.
pub(crate) fn watch(stop: &Stop) -> Result<Watch> {
    let failed = |cause: io::Error| Error::io("watch for", "signals", cause);
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let (stop, watch) = (stop.clone(), Watch::default());
    let came = Arc::clone(&watch.came);
    let watcher = move || {
        // It needs none, and waits for as long as the program runs.
        drop_capabilities_of_this_thread().ok();
        for _ in signals.forever() {
            if came.swap(true, Ordering::Relaxed) {
                process::exit(Status::Interrupted as i32);
            }
            stop.stop();
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watcher).map_err(failed)?;
    Ok(watch)
}

/// Knows whether a signal came.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    came: Arc<AtomicBool>,
}

impl Watch {
    /// Whether one came.
    pub(crate) fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}
