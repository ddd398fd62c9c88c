//! Starting processes and ending them.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use kairo::clock::Clock;
use kairo_tests::support::soon;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// What tells the binary to be a life, and where.
pub(crate) const FOLDER: &str = "KAIRO_CRASH_FOLDER";
/// What its chances depend on.
pub(crate) const SEED: &str = "KAIRO_CRASH_SEED";
/// Which work it does.
pub(crate) const WORK: &str = "KAIRO_CRASH_WORK";

/// Where lives meet: the store, what was acknowledged, and what handlers did.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What its processes have written down.
    pub(crate) fn ledger(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("ledger")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

/// Repeatable chance: splitmix64.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Says its seed; `KAIRO_CRASH_SEED` repeats a run.
    pub(crate) fn new() -> Self {
        let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(Clock::system().draw()));
        println!("repeat this with {SEED}={seed}");
        Self(seed)
    }

    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from `low` to `high`, without the latter.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (mixed ^ (mixed >> 31)) % (high - low)
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    Asked,
}

/// A process that does this work.
pub(crate) fn start(folder: &Folder, work: &str, seed: u64) -> Child {
    let complaints = folder.file("stderr");
    let stderr = OpenOptions::new().append(true).create(true).open(complaints).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "one_life", "--nocapture"])
        .env(FOLDER, folder.path())
        .env(SEED, seed.to_string())
        .env(WORK, work)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// One life that does this work, of so many milliseconds.
pub(crate) async fn live(folder: &Folder, work: &str, seed: u64, lifetime: u64, end: End) {
    let mut child = start(folder, work, seed);
    Clock::system().sleep(Duration::from_millis(lifetime)).await;
    assert!(child.try_wait().unwrap().is_none(), "a life ended by itself: {}", complaints(folder));
    match end {
        End::Killed => child.kill().await.unwrap(),
        End::Asked => {
            drop(child.stdin.take());
            let status = soon(child.wait()).await.unwrap();
            assert!(status.success(), "{status}: {}", complaints(folder));
        }
    }
}

/// How a process ends by itself.
pub(crate) async fn ends(mut child: Child) -> ExitStatus {
    let _stdin = child.stdin.take();
    soon(child.wait()).await.unwrap()
}

/// What processes have said before they ended.
pub(crate) fn complaints(folder: &Folder) -> String {
    std::fs::read_to_string(folder.file("stderr")).unwrap_or_default()
}
