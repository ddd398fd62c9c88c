//! Starting the processes of a fleet and ending them.

use kairo_tests::support::Folder;
use tokio::process::Child;

use crate::{
    PATIENCE, until,
    worker::{ACCOUNTS, FOLDER, PARCELS, PUBLISHES, URL},
};

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

    /// Starts a process that keeps accounts.
    pub(crate) fn with_accounts(folder: &Folder, url: &str) -> Self {
        Self::spawn(folder, url, Some(ACCOUNTS))
    }

    fn spawn(folder: &Folder, url: &str, task: Option<&str>) -> Self {
        let mut command = folder.process("one_worker");
        command.env(FOLDER, folder.path()).env(URL, url);
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
