//! Starting processes and ending them.

use std::{process::ExitStatus, time::Duration};

use kairo::clock::Clock;
use kairo_tests::support::{Folder, dice::SEED, soon};
use tokio::process::Child;

/// What tells the binary to be a life, and where.
pub(crate) const FOLDER: &str = "KAIRO_CRASH_FOLDER";
/// Which work it does.
pub(crate) const WORK: &str = "KAIRO_CRASH_WORK";

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    Asked,
}

/// A process that does this work.
pub(crate) fn start(folder: &Folder, work: &str, seed: u64) -> Child {
    let mut command = folder.process("one_life");
    command.env(FOLDER, folder.path()).env(SEED, seed.to_string()).env(WORK, work);
    command.spawn().unwrap()
}

/// One life that does this work, of so many milliseconds.
pub(crate) async fn live(folder: &Folder, work: &str, seed: u64, lifetime: u64, end: End) {
    let mut child = start(folder, work, seed);
    Clock::system().sleep(Duration::from_millis(lifetime)).await;
    assert!(child.try_wait().unwrap().is_none(), "a life ended by itself: {}", folder.complaints());
    match end {
        End::Killed => child.kill().await.unwrap(),
        End::Asked => {
            drop(child.stdin.take());
            let status = soon(child.wait()).await.unwrap();
            assert!(status.success(), "{status}: {}", folder.complaints());
        }
    }
}

/// How a process ends by itself.
pub(crate) async fn ends(mut child: Child) -> ExitStatus {
    let _stdin = child.stdin.take();
    soon(child.wait()).await.unwrap()
}
