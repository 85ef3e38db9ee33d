//! How text looks; the program decides.

use crate::report::diff::Verdict;
use crate::scan::State;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    #[default]
    None,
    /// ANSI escape sequences (ECMA-48 SGR).
    Ansi,
}

/// Whether open ports are shown at the moment of proof, before their host's block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Live {
    /// Only blocks: a file or a pipe.
    #[default]
    No,
    /// Somebody watches.
    Yes,
}

/// How text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours.
    pub colour: Colour,
    /// Open ports at once.
    pub live: Live,
    /// A column with the reason and the reply's time to live.
    pub reasons: bool,
}

impl Style {
    /// A text in the colour of a state.
    pub(super) fn state(self, state: State, text: &str) -> String {
        self.paint(colour_of(state), text)
    }

    /// A text in the colour of a difference.
    pub(in crate::report) fn change(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::Appeared => self.paint(GREEN, text),
            Verdict::Disappeared => self.paint(RED, text),
            Verdict::Changed => self.paint(YELLOW, text),
            Verdict::Same | Verdict::Unjudged => text.to_owned(),
        }
    }

    /// A text that stands out.
    pub(in crate::report) fn strong(self, text: &str) -> String {
        self.paint(BOLD, text)
    }

    /// Appends to `text` what `write` writes, in the colour of a state.
    pub(super) fn write_state(self, text: &mut String, state: State, write: impl FnOnce(&mut String)) {
        self.write(text, colour_of(state), write);
    }

    /// Appends to `text` what `write` writes, so that it stands out.
    pub(super) fn write_strong(self, text: &mut String, write: impl FnOnce(&mut String)) {
        self.write(text, BOLD, write);
    }

    fn write(self, text: &mut String, sequence: &str, write: impl FnOnce(&mut String)) {
        let (before, after) = match self.colour {
            Colour::None => ("", ""),
            Colour::Ansi => (sequence, RESET),
        };
        text.push_str(before);
        write(text);
        text.push_str(after);
    }

    fn paint(self, sequence: &str, text: &str) -> String {
        match self.colour {
            Colour::None => text.to_owned(),
            Colour::Ansi => format!("{sequence}{text}{RESET}"),
        }
    }
}

fn colour_of(state: State) -> &'static str {
    match state {
        State::Open => GREEN,
        State::Closed => RED,
        State::Filtered => YELLOW,
    }
}

const BOLD: &str = "\u{1b}[1m";
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const RESET: &str = "\u{1b}[0m";
