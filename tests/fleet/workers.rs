//! Starting the processes of a fleet and ending them.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    PATIENCE, until,
    worker::{FOLDER, PARCELS, PUBLISHES, URL},
};

/// Where the processes of a fleet meet beside the store.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// What has been written down there.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What processes have said, for whoever has to find out.
    pub(crate) fn complaints(&self) -> String {
        std::fs::read_to_string(self.file("stderr")).unwrap_or_default()
    }
}

/// A process of the fleet, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: u32,
    process: Child,
}

impl Worker {
    /// Starts a process that handles, and publishes if it should.
    pub(crate) fn start(folder: &Folder, url: &str, publishes: bool) -> Self {
        Self::spawn(folder, url, publishes.then_some(PUBLISHES))
    }

    /// Starts a process that orders parcels and carries them on.
    pub(crate) fn with_parcels(folder: &Folder, url: &str) -> Self {
        Self::spawn(folder, url, Some(PARCELS))
    }

    fn spawn(folder: &Folder, url: &str, task: Option<&str>) -> Self {
        let complaints = folder.file("stderr");
        let stderr = OpenOptions::new().append(true).create(true).open(complaints).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "one_worker", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true);
        if let Some(task) = task {
            command.env(task, "yes");
        }
        let process = command.spawn().unwrap();
        Self { id: process.id().unwrap(), process }
    }

    /// Waits until its bus runs.
    pub(crate) async fn runs(&mut self, folder: &Folder) {
        let id = self.id.to_string();
        until(async || folder.lines("started").contains(&id)).await;
    }

    /// Whether it has not ended by itself.
    #[track_caller]
    pub(crate) fn assert_alive(&mut self, folder: &Folder) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "a worker has ended by itself: {ended:?} {}", folder.complaints());
    }

    /// Ends it as nothing can be ended more suddenly.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Lets it end as it should.
    pub(crate) async fn ask_to_end(mut self, folder: &Folder) {
        drop(self.process.stdin.take());
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let status = status.expect("a worker ends when it is asked to").unwrap();
        assert!(status.success(), "{status}: {}", folder.complaints());
    }
}
