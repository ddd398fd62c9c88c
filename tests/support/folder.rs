//! Where processes that a test starts meet: what they write down, and what they complain of.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use tempfile::TempDir;
use tokio::process::Command;

/// A folder, which goes when it is dropped.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// An empty one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a folder is no value that one falls back to")]
    pub fn new() -> Self {
        Self(TempDir::new().expect("a folder can be made"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where a file of it is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// What has been written down in a file.
    #[must_use]
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What processes have said, for whoever has to find out.
    #[must_use]
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(self.file("stderr")).unwrap_or_default()
    }

    /// This binary once more, as the process that one of its ignored tests is. It is killed when it is
    /// dropped, and asked to end by the end of its input.
    #[must_use]
    pub fn process(&self, test: &str) -> Command {
        let complaints = OpenOptions::new().append(true).create(true).open(self.file("stderr"));
        let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
        command
            .args(["--ignored", "--exact", test, "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaints.expect("a file can be opened"))
            .kill_on_drop(true);
        command
    }
}

/// A file to which whole lines are added, by every process that comes along.
#[derive(Clone, Debug)]
pub struct Book(Arc<File>);

impl Book {
    /// Opens it, or begins it.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let file = OpenOptions::new().append(true).create(true).open(path);
        Self(Arc::new(file.expect("a file can be opened")))
    }

    /// One write, so that a line is there as a whole or not at all.
    pub fn note(&self, line: &str) {
        (&*self.0).write_all(format!("{line}\n").as_bytes()).expect("a file can be written");
    }
}
