//! How far the scan is: one line on a terminal, or a line now and then.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use synprobe::run::{Phase, Progress};

use crate::args::Args;
use crate::voice::Verbosity;

/// Shows progress on standard error.
pub(crate) struct Meter {
    bar: ProgressBar,
    every: Option<Duration>,
    said: Instant,
}

impl Meter {
    /// As the arguments and the terminal ask for it.
    pub(crate) fn new(args: &Args) -> Self {
        let wanted = stderr().is_terminal() && !args.output.no_progress && args.verbosity() > Verbosity::Quiet;
        let bar = if wanted { ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr()) } else { ProgressBar::hidden() };
        bar.set_style(ProgressStyle::with_template(LINE).expect("a constant template").progress_chars("=> "));
        Self { bar, every: args.output.stats_every.map(|span| span.0), said: Instant::now() }
    }

    /// The line, for what is written above it.
    pub(crate) fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Shows how far the scan is.
    pub(crate) fn show(&mut self, progress: &Progress) {
        if progress.phase == Phase::Reporting {
            // Results come in one go now: a line drawn anew below each of them would take longer than they do.
            return self.finish();
        }
        self.bar.set_prefix(phase(progress.phase));
        self.bar.set_position((progress.done * STEPS as f64) as u64);
        self.bar.set_message(message(progress));
        if self.every.is_some_and(|every| self.said.elapsed() >= every) {
            self.said = Instant::now();
            let line = format!("{}, {:.1}%, {}", phase(progress.phase), progress.done * 100.0, message(progress));
            self.bar.suspend(|| anstream::eprintln!("{line}"));
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn phase(phase: Phase) -> String {
    match phase {
        Phase::Resolving => "resolving".to_owned(),
        Phase::Arp => "ARP".to_owned(),
        Phase::Probing { attempt } => format!("pass {attempt}"),
        Phase::Waiting => "waiting".to_owned(),
        Phase::Reporting => "reporting".to_owned(),
    }
}

fn message(progress: &Progress) -> String {
    let remaining = progress.remaining.map_or(String::new(), |left| format!(", {} left", clock(left)));
    let loss = progress.loss.filter(|&loss| loss >= 0.0005).map_or(String::new(), |loss| format!(", {:.1} % lost", loss * 100.0));
    format!("{:.0}/s{loss}, {} open, {} elapsed{remaining}", progress.rate, progress.open, clock(progress.elapsed))
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

const STEPS: u64 = 1000;
/// As wide as the terminal; the cursor goes back to its beginning, so that what is echoed for ^C does not begin another line, of which
/// clearing would know nothing. The first column stays empty: the bar fills what it takes for the rest of the line there.
const LINE: &str = " {prefix:10} {percent:>3}% [{bar:20}] {wide_msg}\r";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_one_short_line() {
        let progress = Progress {
            phase: Phase::Probing { attempt: 2 },
            done: 0.42,
            rate: 9_999.6,
            probes: 70_000,
            open: 12,
            answered: 900,
            elapsed: Duration::from_secs(7),
            remaining: Some(Duration::from_secs(3_725)),
            loss: None,
        };
        assert_eq!(phase(progress.phase), "pass 2");
        assert_eq!(message(&progress), "10000/s, 12 open, 0:07 elapsed, 1:02:05 left");
        let lossy = Progress { loss: Some(0.0213), remaining: None, ..progress };
        assert_eq!(message(&lossy), "10000/s, 2.1 % lost, 12 open, 0:07 elapsed");
        assert_eq!(message(&Progress { remaining: None, ..progress }), "10000/s, 12 open, 0:07 elapsed");
    }
}
