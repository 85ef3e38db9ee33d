//! What is said beside the results: on standard error, in whole lines.

use indicatif::ProgressBar;

use synprobe::report::Message;

/// How much is said beside the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors only.
    Quiet,
    /// What a user should know.
    #[default]
    Normal,
    /// Also what explains it.
    Verbose,
}

/// Speaks on standard error, above the progress line where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    verbosity: Verbosity,
    bar: ProgressBar,
}

impl Voice {
    /// A voice that is alone on the terminal.
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, bar: ProgressBar::hidden() }
    }

    /// How much it says.
    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// The same voice above a progress line.
    pub(crate) fn above(&self, bar: &ProgressBar) -> Self {
        Self { verbosity: self.verbosity, bar: bar.clone() }
    }

    /// Something a user should know.
    pub(crate) fn notice(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.warn(text);
        }
    }

    /// Something for who wants to know more.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.warn(text);
        }
    }

    /// Something that is said even when quiet was asked for.
    pub(crate) fn warn(&self, text: &str) {
        self.bar.suspend(|| anstream::eprintln!("synprobe: {}", Message(text)));
    }
}
