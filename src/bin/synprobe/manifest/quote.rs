//! Words as other languages take them for one.

use std::fmt::Write;

/// A word of a POSIX shell (Shell Command Language, section 2.2.2).
pub(super) fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A double-quoted scalar (YAML 1.2.2, section 7.3.1), on one line.
pub(super) fn yaml(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            ' '..='~' => write!(quoted, "{c}"),
            c if u32::from(c) <= 0xffff => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "\\U{:08x}", u32::from(c)),
        };
    }
    quoted + "\""
}

/// An argument of a container: `$(NAME)` would be replaced by what the variable holds, and `$$` is one dollar.
pub(super) fn argument(word: &str) -> String {
    yaml(&word.replace('$', "$$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_need_it() {
        assert_eq!(
            ["10.0.0.0/16", "-p22,443", "", "a b", "it's", "$(x)"].map(shell),
            ["10.0.0.0/16", "-p22,443", "''", "'a b'", r"'it'\''s'", "'$(x)'"]
        );
        assert_eq!(
            ["no", "a\"b\\c", "line\nfeed", "é", "🦀"].map(yaml),
            ["\"no\"", r#""a\"b\\c""#, r#""line\u000afeed""#, r#""\u00e9""#, r#""\U0001f980""#]
        );
        assert_eq!(argument("$(HOME) $"), "\"$$(HOME) $$\"");
    }
}
