//! The layers of `src/lib.rs`, held by reading the sources: which folder may name which, and where clocks, threads, printing and
//! `unsafe` may stand.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder, and the other modules of the crate it may name outside its tests.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("target", &["error"]),
    ("packet", &["error"]),
    ("scan", &["packet", "target", "time", "error"]),
    ("connect", &["target", "time", "error", "scan"]),
    ("net", &["packet", "target", "time", "error"]),
    ("report", &["scan", "packet", "target", "time", "error"]),
    ("lab", &["packet", "net", "target", "time", "error"]),
    ("run", &["scan", "connect", "net", "packet", "target", "time", "error"]),
];

/// Words, and the only places (prefixes of paths below `src`) where they may stand.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("Instant::now", &["run/", "lab/wire.rs", "bin/"]),
    ("SystemTime::now", &["run/", "bin/"]),
    ("thread::", &["run/", "net/names.rs", "net/linux/namespace.rs", "net/linux/xdp/", "lab/practice.rs", "bin/"]),
    // For times that a program in the kernel wrote, by the kernel's clock.
    ("KernelClock", &["net/linux/sys/", "net/linux/xdp/"]),
    ("println!", &["bin/", "net/linux/testing.rs"]),
    ("eprintln!", &["bin/"]),
    ("print!(", &["bin/", "net/linux/testing.rs"]),
    ("unsafe {", &["net/linux/sys/"]),
    ("unsafe fn", &["net/linux/sys/"]),
    ("unsafe impl", &["net/linux/sys/"]),
    ("libc::", &["net/"]),
    ("aya::", &["net/linux/xdp/"]),
    ("pnet::", &["net/portable.rs", "net/interface.rs"]),
    ("clap::", &["bin/"]),
    ("indicatif::", &["bin/"]),
    ("serde_json::", &["report/", "bin/"]),
    ("quick_xml::", &["report/"]),
    ("rusqlite::", &["report/"]),
    ("::csv::", &["report/"]),
    ("rayon::", &["run/"]),
];

struct Source {
    path: String,
    /// Without comments, strings' contents kept, test modules cut off.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "only {} sources found", files.len());
    files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(file).expect("a source can be read");
            let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            Source { path, code }
        })
        .filter(|source| !is_test(&source.path))
        .collect()
}

/// Files that are compiled for tests only, by their names.
fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.ends_with("testbed.rs")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn each_layer_names_only_those_below() {
    let all = ["target", "packet", "scan", "connect", "net", "report", "lab", "run"];
    let mut wrong = Vec::new();
    for Source { path, code } in sources() {
        let Some((_, allowed)) = MAY_NAME.iter().find(|(layer, _)| path.starts_with(&format!("{layer}/"))) else { continue };
        let own = path.split('/').next().unwrap_or_default();
        for named in all.iter().filter(|named| **named != own && !allowed.contains(named)) {
            if code.contains(&format!("crate::{named}::")) || code.contains(&format!("crate::{named};")) {
                wrong.push(format!("{path} names {named}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn clocks_threads_printing_and_unsafe_stand_in_their_places() {
    let mut wrong = Vec::new();
    for Source { path, code } in sources() {
        for (word, places) in ONLY_IN {
            if code.contains(word) && !places.iter().any(|place| path.starts_with(place)) {
                wrong.push(format!("{path} has `{word}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_program_uses_the_public_api_only() {
    for Source { path, code } in sources().iter().filter(|source| source.path.starts_with("bin/")) {
        assert!(!code.contains("#[path"), "{path} reaches into the library's sources");
    }
}

#[test]
fn files_stay_small() {
    for Source { path, code } in sources() {
        // A table is as long as what it lists.
        let table = ["target/services.rs", "target/popular.rs"].contains(&path.as_str());
        let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(table || lines <= 400, "{path} has {lines} lines of code: does it hold one idea?");
    }
}

/// The table in `src/lib.rs` names every layer there is.
#[test]
fn the_architecture_document_is_whole() {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("src/lib.rs");
    for (layer, _) in MAY_NAME {
        assert!(document.contains(&format!("[`{layer}`]")), "{layer} is not in the table");
        assert!(document.contains(&format!("pub mod {layer};")), "{layer} is no module");
    }
    for line in document.lines().filter(|line| line.starts_with("//! | ") && line.contains(".rs`")) {
        for file in line.split('`').filter(|word| Path::new(word).extension().is_some_and(|extension| extension == "rs")) {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file).exists(), "{file} does not exist");
        }
    }
}
