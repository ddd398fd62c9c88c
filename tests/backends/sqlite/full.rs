//! A full disk: a file system of two megabytes, in a mount namespace of its own.

use std::{fs, process::Command, sync::Arc};

use kairo::{
    Error, Position, Version, backend,
    clock::Clock,
    event::record::EventData,
    store::{Append, Unit},
};
use tempfile::TempDir;

use super::{append, child, event};

/// What is removed when the disk is full, in bytes.
const BALLAST: usize = 512 * 1024;

/// How many write at a time.
const WRITERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that another test starts"]
async fn a_child_that_fills_its_disk() {
    let folder = child::folder();
    fs::write(folder.join("ballast"), vec![0; BALLAST]).unwrap();
    let url = format!("sqlite://{}/shop.db", folder.display());
    let store = backend::open(&url, &Clock::system()).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0.. {
                    if let Err(error) = store.commit(big(&format!("user-{writer}"))).await {
                        assert!(matches!(error, Error::Full { .. }), "{error}");
                        return round;
                    }
                }
                0
            })
        })
        .collect();
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(written));
    fs::remove_file(folder.join("ballast")).unwrap();
    store.commit(append("after", Version::NoStream)).await.unwrap();
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(written + 1));
    store.close().await.unwrap();
}

fn big(stream: &str) -> Unit {
    let event = event(Clock::system().new_id(), stream);
    let payload = vec![b'7'; 16 * 1024].into();
    Unit::of_appends(vec![Append::one(EventData { payload, ..event })])
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs a mount namespace")]
fn a_full_disk_is_an_error_that_passes() {
    let folder = TempDir::new().unwrap();
    let child = child::command("full::a_child_that_fills_its_disk", folder.path());
    let script = "mount -t tmpfs -o size=2m tmpfs \"$KAIRO_TEST_FOLDER\" && exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .status()
        .expect("util-linux is installed");
    assert!(status.success(), "a namespace can be made, and the child holds its promises");
}
