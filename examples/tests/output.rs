//! What the examples print, compared with what is written down.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where cargo puts an example: beside the folder of this test's own executable.
fn example(name: &str) -> PathBuf {
    let own = env::current_exe().expect("a test knows its path");
    let target = own.parent().and_then(Path::parent).expect("it lies in `deps`");
    let path = target.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is missing: run `cargo build --examples`", path.display());
    path
}

fn run(name: &str, folder: &Path) -> String {
    let output = Command::new(example(name))
        .current_dir(folder)
        .env_remove("KAIRO_URL")
        .output()
        .expect("the example can be run");
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{name} failed: {err}");
    String::from_utf8(out).expect("examples print text")
}

/// Runs an example as often as there are texts, in one folder, and compares what it prints.
#[track_caller]
fn check(name: &str, runs: &[&str]) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for text in runs {
        let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/output").join(text);
        let printed = run(name, folder.path());
        if env::var_os("UPDATE_OUTPUT").is_some() {
            fs::write(&written, &printed).expect("the text can be written");
        }
        let expected = fs::read_to_string(&written).unwrap_or_default();
        assert_eq!(printed, expected, "{name} prints something else than tests/output/{text}");
    }
}

#[test]
fn hello_greets() {
    check("hello", &["hello.txt", "hello.txt"]);
}

#[test]
fn the_shop_goes_on_where_it_stopped() {
    check("shop", &["shop-first.txt", "shop-second.txt"]);
}

#[test]
fn sourcing_rebuilds_users_from_their_events() {
    check("sourcing", &["sourcing.txt"]);
}

#[test]
fn an_order_is_processed_or_leaves_nothing_behind() {
    check("order_saga", &["order_saga.txt"]);
}

#[test]
fn users_are_kept_together_with_what_tells_of_them() {
    check("users", &["users.txt"]);
}

#[test]
fn an_order_flows_through_its_pipeline() {
    check("order_pipeline", &["order_pipeline.txt"]);
}
