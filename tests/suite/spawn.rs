//! The one way a test starts the program: where nothing can leave the machine.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use ipnetwork::IpNetwork;

/// Runs the program in an empty network namespace of its own; `None` where the system forbids that.
pub(crate) fn isolated(words: &[&str]) -> Option<Output> {
    let (wrapper, options) = namespace()?;
    let program = env!("CARGO_BIN_EXE_synprobe");
    Some(output(Command::new(wrapper).args(*options).arg("--").arg(program).args(words)))
}

/// Runs the program as it is. Every word that could be a target must be a literal loopback address.
pub(crate) fn harmless(words: &[&str]) -> Output {
    let loopback = |network: IpNetwork| network.network().is_loopback() && network.broadcast().is_loopback();
    let harmless = |word: &&str| match word.parse::<IpNetwork>() {
        Ok(network) => loopback(network),
        Err(_) => !word.contains('.') || word.starts_with('-'),
    };
    // These send nothing.
    let is_a_command = matches!(words.first(), Some(&("generate" | "help" | "--help" | "-h" | "--version" | "-V")));
    assert!(is_a_command || words.iter().all(harmless), "{words:?} may leave the machine");
    assert!(is_a_command || words.iter().any(|word| word.parse::<IpAddr>().is_ok()), "{words:?} has no literal target");
    output(Command::new(env!("CARGO_BIN_EXE_synprobe")).args(words))
}

/// How an empty network namespace is entered here, if it can be: by this command with these options.
pub(crate) fn namespace() -> Option<&'static (&'static str, &'static [&'static str])> {
    static FOUND: OnceLock<Option<(&str, &[&str])>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let ways: [(&str, &[&str]); 2] = [("unshare", &["--user", "--map-root-user", "--net"]), ("unshare", &["--net"])];
        let works = |(wrapper, options): &(&str, &[&str])| {
            let tried = Command::new(wrapper).args(*options).args(["--", "true"]).output();
            tried.is_ok_and(|output| output.status.success())
        };
        ways.into_iter().find(works)
    });
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "no network namespace can be made, and CI is set");
        eprintln!("SKIPPED: no network namespace can be made here");
    }
    found.as_ref()
}

/// Where the journals of tests go: not to the user's own.
pub(crate) fn state() -> PathBuf {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("state");
    // Whoever may not write where it was built runs it elsewhere.
    if std::fs::create_dir_all(&built).is_ok() && tempfile::tempfile_in(&built).is_ok() {
        return built;
    }
    std::env::temp_dir().join(format!("synprobe-state-{}", std::process::id()))
}

/// With nothing in the environment that changes what is printed.
fn output(command: &mut Command) -> Output {
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "SUDO_UID", "SUDO_GID"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").env("XDG_STATE_HOME", state()).output().expect("the program starts")
}
