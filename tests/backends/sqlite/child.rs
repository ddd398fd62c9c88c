//! Running one test of this binary in a process of its own.

use std::{env, path::PathBuf, process::Command};

/// The variable that names the child's folder.
pub(crate) const FOLDER: &str = "KAIRO_TEST_FOLDER";

/// The command for the ignored test of this name, to be run in `folder`.
pub(crate) fn command(test: &str, folder: &std::path::Path) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows its binary"));
    command.args(arguments(test)).env(FOLDER, folder);
    command
}

/// The arguments of this binary that run one ignored test.
fn arguments(test: &str) -> [&str; 5] {
    ["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]
}

/// The folder, in the child. Nowhere else is there one, when ignored tests run with all others.
pub(crate) fn folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}
