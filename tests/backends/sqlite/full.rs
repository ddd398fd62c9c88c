//! A full disk: a file system of two megabytes in a mount namespace of its own, and a limit on the
//! size of files, which needs no rights.

use std::{fs, path::Path, process::Command, sync::Arc};

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

/// The most events that each of them writes: far more than there is room for.
const ROUNDS_MAX: u64 = 1_000;

/// Raises the soft limit on the size of files to 64 MiB.
const LIMIT_RAISED: &str = "--fsize=67108864:";

/// Makes a shell its arguments.
const EXEC: &str = "exec \"$@\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that another test starts"]
async fn a_child_that_fills_its_disk() {
    let Some(folder) = child::folder() else { return };
    fs::write(folder.join("ballast"), vec![0; BALLAST]).unwrap();
    let is_full = |error: &Error| matches!(error, Error::Full { .. });
    let make_room = || fs::remove_file(folder.join("ballast")).unwrap();
    write_until_refused(&folder, is_full, make_room).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that another test starts"]
async fn a_child_that_writes_up_to_its_limit() {
    let Some(folder) = child::folder() else { return };
    let is_refused = |error: &Error| matches!(error, Error::Store { .. });
    write_until_refused(&folder, is_refused, raise_the_limit).await;
}

/// Many write until each is refused; nothing that was accepted is lost, nothing else is there, and
/// with more room the same store goes on.
async fn write_until_refused(folder: &Path, is_due: fn(&Error) -> bool, make_room: impl FnOnce()) {
    let url = format!("sqlite://{}/shop.db", folder.display());
    let store = backend::open(&url, &Clock::system()).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..ROUNDS_MAX {
                    if let Err(error) = store.commit(big(&format!("user-{writer}"))).await {
                        assert!(is_due(&error), "{error}");
                        return round;
                    }
                }
                panic!("{ROUNDS_MAX} events fit in")
            })
        })
        .collect();
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert!(0 < written);
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(written));
    make_room();
    store.commit(append("after", Version::NoStream)).await.unwrap();
    assert_eq!(store.head().await.unwrap(), Position::at_sequence(written + 1));
    store.close().await.unwrap();
}

fn big(stream: &str) -> Unit {
    let event = event(Clock::system().new_id(), stream);
    let payload = vec![b'7'; 16 * 1024].into();
    Unit::of_appends(vec![Append::one(EventData { payload, ..event })])
}

/// Lets this process write larger files.
fn raise_the_limit() {
    let process = format!("--pid={}", std::process::id());
    let status = Command::new("prlimit").args([&process, LIMIT_RAISED]).status();
    assert!(status.expect("util-linux is installed").success(), "the limit can be raised");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs tools of Linux")]
fn a_full_disk_is_an_error_that_passes() {
    match namespace() {
        Ok(()) => check("full::a_child_that_fills_its_disk", in_namespace(EXEC)),
        Err(reason) => {
            eprintln!("no file system of its own ({reason}); a limit on files stands in for it");
            check("full::a_child_that_writes_up_to_its_limit", under_a_limit());
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs tools of Linux")]
fn a_file_that_may_not_grow_is_an_error_that_passes() {
    check("full::a_child_that_writes_up_to_its_limit", under_a_limit());
}

/// Runs a child through `wrapper`, in a folder of its own.
#[track_caller]
fn check(test: &str, mut wrapper: Command) {
    let folder = TempDir::new().unwrap();
    let child = child::command(test, folder.path());
    let output = wrapper
        .arg(child.get_program())
        .args(child.get_args())
        .envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .expect("the child can be started");
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    // A child without the test would succeed as well.
    let has_run = output.status.success() && shown.contains("1 passed");
    assert!(has_run, "the child does not hold its promises: {}\n{shown}{errors}", output.status);
}

/// Whether a file system can be made in a namespace here, or else why not.
fn namespace() -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let made = in_namespace("true").env(child::FOLDER, folder.path()).output();
    let made = made.map_err(|error| format!("unshare: {error}"))?;
    let reason = String::from_utf8_lossy(&made.stderr).trim().to_owned();
    if made.status.success() { Ok(()) } else { Err(reason) }
}

/// A shell that ends with `last`, with a small file system in the child's folder.
fn in_namespace(last: &str) -> Command {
    let script = format!("mount -t tmpfs -o size=2m tmpfs \"${}\" && {last}", child::FOLDER);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command
}

/// A shell that becomes its arguments, in which no file grows beyond a megabyte or two: shells
/// differ in what they count in. Whoever writes more gets an error instead of the signal.
fn under_a_limit() -> Command {
    let script = format!("trap '' XFSZ && ulimit -S -f 2048 && {EXEC}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]);
    command
}
