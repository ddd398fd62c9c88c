//! Whose file it is.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
};

use kairo::{Error, Version};

use super::{Place, append, child};

#[test]
#[ignore = "a process that another test starts"]
fn a_child_that_holds_the_store() {
    let Some(folder) = child::folder() else { return };
    let path = folder.join("shop.db");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let url = format!("sqlite://{}", path.display());
    let clock = kairo::clock::Clock::system();
    let store = runtime.block_on(kairo::backend::open(&url, &clock)).unwrap();
    runtime.block_on(store.commit(append("user-1", Version::NoStream))).unwrap();
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(store);
}

/// A process that holds the store until its input ends, and its output, which must stay open.
fn holder(place: &Place) -> (Child, impl BufRead) {
    let mut child = child::command("ownership::a_child_that_holds_the_store", place.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.by_ref().lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("ready")));
    (child, output)
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_store() {
    let place = Place::new();
    let (mut child, _output) = holder(&place);
    let error = place.store().await.unwrap_err();
    assert!(matches!(error, Error::InUse { owner, .. } if owner == Some(child.id())), "{error}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(place.store().await.is_ok());
}

#[tokio::test]
async fn a_killed_owner_leaves_the_store_free_and_whole() {
    let place = Place::new();
    let (mut child, _output) = holder(&place);
    child.kill().unwrap();
    child.wait().unwrap();
    let store = place.store().await.unwrap();
    store.commit(append("user-1", Version::At(1))).await.unwrap();
}

#[tokio::test]
async fn dropping_or_closing_lets_go_of_the_store() {
    let place = Place::new();
    for _ in 0..3 {
        let store = place.store().await.unwrap();
        assert!(matches!(place.store().await, Err(Error::InUse { owner: Some(_), .. })));
        drop(store);
    }
    let store = place.store().await.unwrap();
    store.close().await.unwrap();
    assert!(place.store().await.is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_the_file_meets_the_same_owner() {
    let place = Place::new();
    let _store = place.store().await.unwrap();
    let other = Place::new();
    std::os::unix::fs::symlink(place.path(), other.path()).unwrap();
    assert!(matches!(other.store().await, Err(Error::InUse { .. })));
}

/// Opening must fail, say why, and leave no trace.
async fn check_foreign(content: &[u8], expected: &str) {
    let place = Place::new();
    fs::write(place.path(), content).unwrap();
    let error = place.store().await.unwrap_err();
    assert!(matches!(&error, Error::Foreign { .. }), "{error}");
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(fs::read(place.path()).unwrap(), content);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "nothing lies beside it");
}

#[tokio::test]
async fn a_file_of_something_else_is_left_alone() {
    check_foreign(b"# Shop\n", "it is not a SQLite database").await;
    check_foreign(b"a longer text than the magic of SQLite", "it is not a SQLite database").await;
}

#[tokio::test]
async fn a_database_of_something_else_is_left_alone() {
    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE invoices (id INTEGER PRIMARY KEY)").unwrap();
    let before = fs::read(place.path()).unwrap();
    let error = place.store().await.unwrap_err();
    assert!(matches!(&error, Error::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("`invoices`"), "{error}");
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[tokio::test]
async fn a_newer_schema_is_not_touched() {
    let place = Place::new();
    drop(place.store().await.unwrap());
    place.raw().pragma_update(None, "user_version", 99).unwrap();
    let error = place.store().await.unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    assert!(place.store().await.unwrap_err().to_string().contains("it is a folder"));

    let url = "sqlite:///no/such/folder/shop.db";
    let error = kairo::backend::open(url, &kairo::clock::Clock::system()).await.unwrap_err();
    assert!(error.to_string().contains("the folder `/no/such/folder`"), "{error}");

    for (url, expected) in [
        ("sqlite:", "write `sqlite://shop.db`"),
        ("sqlite::memory:", "write `memory:`"),
        ("sqlite://shop.db?synchronos=full", "did you mean `synchronous`?"),
        ("sqlite://shop.db?synchronous=ful", "did you mean `full`?"),
    ] {
        let error = kairo::backend::open(url, &kairo::clock::Clock::system()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_no_panic() {
    let place = Place::new();
    drop(place.store().await.unwrap());
    let mut bytes = fs::read(place.path()).unwrap();
    for byte in bytes.iter_mut().skip(100) {
        *byte = 0xA5;
    }
    fs::write(place.path(), bytes).unwrap();
    let error = place.store().await.unwrap_err();
    assert!(error.to_string().contains("malformed"), "{error}");
}
