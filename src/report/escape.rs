//! What came from the network is never printed raw: a name can carry terminal commands, or reverse the line it stands in.

use std::fmt::{self, Write};

/// A text that a terminal may show: control, direction and invisible characters stand as `\u{1b}`, a backslash as `\\`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0, |c| c == '\\' || is_unsafe(c))
    }
}

/// A message that a terminal may show: as [`Escaped`], but backslashes stay, since what a message quotes is escaped already.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(pub &'a str);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0, is_unsafe)
    }
}

/// A text as one word of a line format: whatever is not a letter, a digit or one of `-._:` is escaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a>(pub(super) &'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0, |c| is_unsafe(c) || !(c.is_alphanumeric() || "-._:".contains(c)))
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str, escapes: impl Fn(char) -> bool) -> fmt::Result {
    for c in text.chars() {
        match c {
            '\\' if escapes(c) => f.write_str("\\\\")?,
            c if escapes(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// Characters that act instead of being seen: controls (C0, DEL, C1), line and paragraph separators, direction marks (Unicode
/// annex 9), and what is drawn as nothing (format characters, fillers, variation selectors, tags).
pub(super) fn is_unsafe(c: char) -> bool {
    // Nearly every character is one of these.
    if matches!(c, ' '..='~') {
        return false;
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_commands_become_visible() {
        assert_eq!(Escaped("a\u{1b}[2Jb\u{9b}0m\r\n").to_string(), r"a\u{1b}[2Jb\u{9b}0m\u{d}\u{a}");
        assert_eq!(Escaped("evil\u{202e}moc.elpmaxe").to_string(), r"evil\u{202e}moc.elpmaxe");
        assert_eq!(Escaped(r"already \u{1b}").to_string(), r"already \\u{1b}");
        assert_eq!(Message("already \\u{1b}, not yet \u{1b}").to_string(), r"already \u{1b}, not yet \u{1b}");
        assert_eq!(Escaped("bücher.example").to_string(), "bücher.example");
        assert_eq!(Word("a)\tPorts: 80/open").to_string(), r"a\u{29}\u{9}Ports:\u{20}80\u{2f}open");
    }

    proptest! {
        #[test]
        fn nothing_that_acts_passes(text in "(\\PC|\\p{C}|[\u{0}-\u{a0}]|[\u{2000}-\u{206f}]|\\\\){0,40}") {
            let shown = Escaped(&text).to_string();
            prop_assert!(!shown.chars().any(is_unsafe), "{shown:?}");
            let word = Word(&text).to_string();
            prop_assert!(!word.chars().any(|c| is_unsafe(c) || c.is_whitespace() || "()/,".contains(c)), "{word:?}");
        }

        #[test]
        fn different_texts_stay_different(a in "[a\\\\{}u1-2\u{1b}]{0,8}", b in "[a\\\\{}u1-2\u{1b}]{0,8}") {
            prop_assert_eq!(a == b, Escaped(&a).to_string() == Escaped(&b).to_string());
        }
    }
}
