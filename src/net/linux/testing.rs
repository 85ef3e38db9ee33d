//! For tests: running a test or a program in a network namespace of its own, as any user.

use std::io;
use std::process::Command;

use super::sys;

/// What became of a test that wants a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rerun {
    /// This is the process inside: test.
    Inside,
    /// The test has passed in a process inside.
    Done,
    /// This system allows no namespaces; the test said so.
    Skipped,
}

impl Rerun {
    /// Whether to go on with the test here.
    pub fn inside(self) -> bool {
        self == Self::Inside
    }
}

/// Runs the test `name` (its whole path: `module::tests::name`, or `name` in an integration test) of this test binary in a
/// private network namespace:
///
/// ```no_run
/// # use synprobe::net::linux::testing::rerun_in_namespace;
/// #[test]
/// fn loopback_answers() {
///     if !rerun_in_namespace("loopback_answers").inside() {
///         return;
///     }
///     // here: root in an empty network
/// }
/// ```
///
/// # Panics
/// When the test fails inside, no test has that name, or (with `CI=true` and root) namespaces are not to be had.
pub fn rerun_in_namespace(name: &str) -> Rerun {
    let here = network_namespace();
    if let Ok(outer) = std::env::var(OUTER) {
        assert_ne!(outer, here, "{OUTER} is set, but this is no private namespace");
        return Rerun::Inside;
    }
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    command.args([name, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"]).env(OUTER, here);
    isolate(&mut command);
    let output = match command.output() {
        Ok(output) => output,
        Err(cause) => return skipped(name, &cause),
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed inside its namespace ({}):\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "no test is named {name}:\n{out}");
    out.lines().filter(|line| line.starts_with("SKIPPED")).for_each(|line| println!("{line}"));
    Rerun::Done
}

/// Has `command` run in an empty network namespace of its own: its only interface is a loopback that is down. Where that is
/// forbidden, starting it fails.
pub fn isolate(command: &mut Command) -> &mut Command {
    sys::namespace::isolate(command);
    command
}

/// Whether [`isolate`] works here; says SKIPPED on behalf of the test `name` where it does not.
///
/// # Panics
/// With `CI=true` and root, where a skip would hide a failure.
pub fn can_isolate(name: &str) -> bool {
    match isolate(&mut Command::new("/proc/self/exe")).arg("--list").output() {
        Ok(_) => true,
        Err(cause) => skipped(name, &cause) == Rerun::Inside,
    }
}

fn skipped(name: &str, cause: &io::Error) -> Rerun {
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true") && sys::capability::effective_user() == 0;
    assert!(!must, "{name}: no network namespace to be had, although root: {cause}");
    println!("SKIPPED {name}: no network namespace to be had: {cause}");
    Rerun::Skipped
}

fn network_namespace() -> String {
    let link = std::fs::read_link("/proc/thread-self/ns/net").expect("/proc is mounted");
    link.to_string_lossy().into_owned()
}

/// Tells the process inside which namespace it came from.
const OUTER: &str = "SYNPROBE_TEST_OUTER_NAMESPACE";
