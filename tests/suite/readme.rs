//! What README says is tried.

use std::path::Path;

use crate::spawn;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md")
}

/// The lines of the block after `marker`.
fn block(marker: &str) -> Vec<String> {
    let readme = readme();
    let after = readme.split(marker).nth(1).unwrap_or_else(|| panic!("README has no {marker}"));
    let lines = after.lines().skip_while(|line| !line.starts_with("```")).skip(1);
    lines.take_while(|line| !line.starts_with("```")).map(str::to_owned).collect()
}

/// With round-trip times made alike: they differ from run to run.
fn timeless(line: &str) -> String {
    let words: Vec<&str> = line.split("  ").filter(|column| !column.ends_with(" ms")).collect();
    words.join("  ")
}

#[test]
fn the_demo_shows_what_readme_shows() {
    let Some(output) = spawn::isolated(&["demo"]) else { return };
    let printed: Vec<String> = String::from_utf8(output.stdout).expect("text").lines().map(timeless).collect();
    let shown = block("<!-- demo -->");
    assert!(shown.len() > 10);
    for line in shown {
        assert!(printed.contains(&timeless(&line)), "the demo does not print {line:?}");
    }
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every command line of synprobe in README is understood: with `--dry-run` it is refused for no option.
#[test]
fn commands_are_understood() {
    let readme = readme();
    let commands = readme.lines().filter_map(|line| line.trim_start_matches("sudo ").strip_prefix("synprobe "));
    let mut tried = 0;
    for command in commands {
        let words = command.split(['#', '|', '>']).next().unwrap_or_default().split_whitespace();
        let words: Vec<&str> = words.collect();
        let has_a_file = words.contains(&"-i");
        if has_a_file || !words.iter().any(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
            continue;
        }
        let words = [words, vec!["--dry-run", "--connect"]].concat();
        let Some(output) = spawn::isolated(&words) else { return };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || stderr.contains("cannot be used multiple times"), "{command}: {stderr}");
        tried += 1;
    }
    assert!(tried >= 5, "{tried} commands found");
}
